/* SPDX-License-Identifier: MIT */
/*
 * Fake seam: the instructions of the machine work on fake_registers of the CPU that the thread plays (test/fake/registers.c).
 * CPUID is what the test says.
 */
#ifndef HW_ASM_H
#define HW_ASM_H

#include "../../../src/hw/x86/hw/cr.h"
#include "hw/cpu.h"
#include "lib/types.h"

struct cpuid_regs {
	u32 a, b, c, d;
};

struct cpuid_regs hw_cpuid(u32 leaf, u32 subleaf);

struct fake_registers {
	u64 cr[5], dr[8], xcr0, gdt_base;
	u16 ds, es, fs, gs, ldt;
	u8 fpu[832] ALIGNED(64);
};
extern struct fake_registers fake_registers[FAKE_CPU_MAX];
extern u16 fake_bad_selector; /* does not load */

#define FAKE_REGISTER(array, n)                             \
	static inline u64 hw_##array##n##_read(void)        \
	{                                                   \
		return fake_registers[fake_cpu].array[n];   \
	}                                                   \
	static inline void hw_##array##n##_write(u64 value) \
	{                                                   \
		fake_registers[fake_cpu].array[n] = value;  \
	}
FAKE_REGISTER(cr, 0)
FAKE_REGISTER(cr, 2)
FAKE_REGISTER(cr, 3)
FAKE_REGISTER(cr, 4)
FAKE_REGISTER(dr, 0)
FAKE_REGISTER(dr, 1)
FAKE_REGISTER(dr, 2)
FAKE_REGISTER(dr, 3)
FAKE_REGISTER(dr, 6)
FAKE_REGISTER(dr, 7)

#define FAKE_SELECTOR(name)                                                  \
	static inline u16 hw_##name##_read(void)                             \
	{                                                                    \
		return fake_registers[fake_cpu].name;                        \
	}                                                                    \
	static inline bool hw_##name##_load(u16 selector)                    \
	{                                                                    \
		bool is_ok = selector == 0 || selector != fake_bad_selector; \
		fake_registers[fake_cpu].name = is_ok ? selector : 0;        \
		return is_ok;                                                \
	}
FAKE_SELECTOR(ds)
FAKE_SELECTOR(es)
FAKE_SELECTOR(fs)
FAKE_SELECTOR(gs)

/* Any register exists for hw_rdmsr() and hw_wrmsr(); for the safe forms those that were written before. */
u64 *fake_msr(u32 msr);
u64 hw_rdmsr(u32 msr);
void hw_wrmsr(u32 msr, u64 value);
bool hw_rdmsr_safe(u32 msr, u64 *value);
bool hw_wrmsr_safe(u32 msr, u64 value);

static inline void hw_clts(void)
{
	hw_cr0_write(hw_cr0_read() & ~CR0_TS);
}
static inline void hw_lgdt(const void *base, u16 limit)
{
	(void)limit;
	fake_registers[fake_cpu].gdt_base = (u64)base;
}
static inline void hw_lldt(u16 selector)
{
	fake_registers[fake_cpu].ldt = selector;
}
static inline void hw_xcr0_write(u64 value)
{
	fake_registers[fake_cpu].xcr0 = value;
}
void hw_swapgs(void);
void hw_fpu_save(void *area, u64 components, bool has_xsaveopt);
void hw_fpu_load(const void *area, u64 components);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Instructions that C has no words for: control registers, model-specific registers, CPUID, descriptor tables. Used only
 * below src/hw/x86, src/boot, src/entry and src/pv. No lock.
 */
#ifndef HW_ASM_H
#define HW_ASM_H

#include "hw/cr.h"
#include "lib/types.h"

struct cpuid_regs {
	u32 a, b, c, d;
};

static inline struct cpuid_regs hw_cpuid(u32 leaf, u32 subleaf)
{
	struct cpuid_regs r;

	__asm__ volatile("cpuid"
			 : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

#define HW_REGISTER(name)                                                       \
	static inline u64 hw_##name##_read(void)                                \
	{                                                                       \
		u64 value;                                                      \
		__asm__ volatile("mov %%" #name ", %0" : "=r"(value));          \
		return value;                                                   \
	}                                                                       \
	static inline void hw_##name##_write(u64 value)                         \
	{                                                                       \
		__asm__ volatile("mov %0, %%" #name : : "r"(value) : "memory"); \
	}
HW_REGISTER(cr0)
HW_REGISTER(cr2)
HW_REGISTER(cr3)
HW_REGISTER(cr4)
HW_REGISTER(dr0)
HW_REGISTER(dr1)
HW_REGISTER(dr2)
HW_REGISTER(dr3)
HW_REGISTER(dr6)
HW_REGISTER(dr7)

static inline u64 hw_rdmsr(u32 msr)
{
	u32 low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (u64)high << 32 | low;
}
static inline void hw_wrmsr(u32 msr, u64 value)
{
	__asm__ volatile("wrmsr" : : "a"((u32)value), "d"((u32)(value >> 32)), "c"(msr) : "memory");
}

/* An entry of the exception table: a fault at `at` goes on at `to`. */
#define HW_EXTABLE(at, to) ".pushsection .extable, \"a\"; .quad " at ", " to "; .popsection\n"

/* The same with a fault answered by false. */
static inline bool hw_rdmsr_safe(u32 msr, u64 *value)
{
	u32 low, high;
	bool is_ok = true;

	__asm__ volatile("1: rdmsr; jmp 3f; 2: xor %%eax, %%eax; xor %%edx, %%edx; movb $0, %2; "
			 "3:" HW_EXTABLE("1b", "2b")
			 : "=&a"(low), "=&d"(high), "+m"(is_ok)
			 : "c"(msr));
	*value = (u64)high << 32 | low;
	return is_ok;
}
static inline bool hw_wrmsr_safe(u32 msr, u64 value)
{
	bool is_ok = true;

	__asm__ volatile("1: wrmsr; jmp 3f; 2: movb $0, %0; 3:" HW_EXTABLE("1b", "2b")
			 : "+m"(is_ok)
			 : "a"((u32)value), "d"((u32)(value >> 32)), "c"(msr)
			 : "memory");
	return is_ok;
}

struct descriptor_pointer {
	u16 limit;
	u64 base;
} PACKED;

#define HW_TABLE(name)                                            \
	static inline void hw_##name(const void *base, u16 limit) \
	{                                                         \
		struct descriptor_pointer p = {limit, (u64)base}; \
		__asm__ volatile(#name " %0" : : "m"(p));         \
	}
HW_TABLE(lgdt)
HW_TABLE(lidt)

static inline void hw_lldt(u16 selector)
{
	__asm__ volatile("lldt %0" : : "r"(selector));
}
static inline void hw_xcr0_write(u64 value)
{
	__asm__ volatile("xsetbv" : : "c"(0), "a"((u32)value), "d"((u32)(value >> 32)));
}
static inline void hw_swapgs(void)
{
	__asm__ volatile("swapgs" : : : "memory");
}

static inline void hw_clts(void)
{
	__asm__ volatile("clts");
}

#define HW_SELECTOR(name)                                                                   \
	static inline u16 hw_##name##_read(void)                                            \
	{                                                                                   \
		u16 selector;                                                               \
		__asm__ volatile("mov %%" #name ", %0" : "=r"(selector));                   \
		return selector;                                                            \
	}                                                                                   \
	/* False: the selector is not loadable now; the null selector is loaded instead. */ \
	static inline bool hw_##name##_load(u16 selector)                                   \
	{                                                                                   \
		bool is_ok = true;                                                          \
		__asm__ volatile("1: mov %1, %%" #name                                      \
				 "; jmp 3f; 2: movb $0, %0; mov %2, %%" #name               \
				 "; 3:" HW_EXTABLE("1b", "2b")                              \
				 : "+m"(is_ok)                                              \
				 : "r"((u32)selector), "r"(0));                             \
		return is_ok;                                                               \
	}
HW_SELECTOR(ds)
HW_SELECTOR(es)
HW_SELECTOR(fs)
HW_SELECTOR(gs)

/* FPU state in a 64-byte aligned area: these components of XSAVE, or 0: FXSAVE. */
#define HW_FPU(instruction, area, components)                        \
	__asm__ volatile(instruction " (%0)"                         \
			 :                                           \
			 : "r"(area), "a"((u32)(components)), "d"(0) \
			 : "memory")
static inline void hw_fpu_save(void *area, u64 components, bool has_xsaveopt)
{
	if (components == 0)
		HW_FPU("fxsaveq", area, components);
	else if (has_xsaveopt)
		HW_FPU("xsaveopt64", area, components);
	else
		HW_FPU("xsave64", area, components);
}
static inline void hw_fpu_load(const void *area, u64 components)
{
	if (components == 0)
		HW_FPU("fxrstorq", area, components);
	else
		HW_FPU("xrstor64", area, components);
}

#endif

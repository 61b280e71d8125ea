/* SPDX-License-Identifier: MIT */
/*
 * Instructions that C has no words for: control registers, model-specific registers, CPUID, descriptor tables. Used only
 * below src/hw/x86, src/boot, src/entry and src/pv. No lock.
 */
#ifndef HW_ASM_H
#define HW_ASM_H

#include "lib/types.h"

#define CR0_PE	       BIT(0)
#define CR0_MP	       BIT(1)
#define CR0_EM	       BIT(2)
#define CR0_TS	       BIT(3)
#define CR0_ET	       BIT(4)
#define CR0_NE	       BIT(5)
#define CR0_WP	       BIT(16)
#define CR0_AM	       BIT(18)
#define CR0_PG	       BIT(31)
#define CR4_VME	       BIT(0)
#define CR4_PVI	       BIT(1)
#define CR4_TSD	       BIT(2)
#define CR4_DE	       BIT(3)
#define CR4_PSE	       BIT(4)
#define CR4_PAE	       BIT(5)
#define CR4_MCE	       BIT(6)
#define CR4_PGE	       BIT(7)
#define CR4_PCE	       BIT(8)
#define CR4_OSFXSR     BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_UMIP       BIT(11)
#define CR4_FSGSBASE   BIT(16)
#define CR4_OSXSAVE    BIT(18)
#define CR4_SMEP       BIT(20)
#define CR4_SMAP       BIT(21)

#define MSR_APIC_BASE	   0x1bu
#define MSR_PAT		   0x277u
#define MSR_EFER	   0xc0000080u
#define MSR_STAR	   0xc0000081u
#define MSR_LSTAR	   0xc0000082u
#define MSR_CSTAR	   0xc0000083u
#define MSR_SFMASK	   0xc0000084u
#define MSR_FS_BASE	   0xc0000100u
#define MSR_GS_BASE	   0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define MSR_SYSENTER_CS	   0x174u
#define EFER_SCE	   BIT(0)
#define EFER_LME	   BIT(8)
#define EFER_LMA	   BIT(10)
#define EFER_NX		   BIT(11)

/* ABI (xen/arch-x86/xen.h): what the fixed PAT holds. */
#define PAT_FIXED 0x0000050100070406ull

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

#define HW_CR(n)                                                               \
	static inline u64 hw_cr##n##_read(void)                                \
	{                                                                      \
		u64 value;                                                     \
		__asm__ volatile("mov %%cr" #n ", %0" : "=r"(value));          \
		return value;                                                  \
	}                                                                      \
	static inline void hw_cr##n##_write(u64 value)                         \
	{                                                                      \
		__asm__ volatile("mov %0, %%cr" #n : : "r"(value) : "memory"); \
	}
HW_CR(0)
HW_CR(2)
HW_CR(3)
HW_CR(4)

#define HW_DR(n)                                                      \
	static inline u64 hw_dr##n##_read(void)                       \
	{                                                             \
		u64 value;                                            \
		__asm__ volatile("mov %%dr" #n ", %0" : "=r"(value)); \
		return value;                                         \
	}                                                             \
	static inline void hw_dr##n##_write(u64 value)                \
	{                                                             \
		__asm__ volatile("mov %0, %%dr" #n : : "r"(value));   \
	}
HW_DR(0)
HW_DR(1)
HW_DR(2)
HW_DR(3)
HW_DR(6)
HW_DR(7)

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

static inline void hw_lgdt(const void *base, u16 limit)
{
	struct descriptor_pointer p = {limit, (u64)base};

	__asm__ volatile("lgdt %0" : : "m"(p));
}
static inline void hw_lidt(const void *base, u16 limit)
{
	struct descriptor_pointer p = {limit, (u64)base};

	__asm__ volatile("lidt %0" : : "m"(p));
}
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

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Model-specific registers of a PV guest: one table of those that it may read or write. Reached
 * from pv/ when a guest's RDMSR or WRMSR traps; calls feature.c; no lock.
 *
 * What is not in the table faults, and that is harmless: Linux reads what it is not sure of through
 * a fix-up. A row gives a fixed value, unless the real register is needed; then a mask says which
 * bits are shown, so that nothing of the host is seen by accident. Values that Linux looks at are
 * those that Xen 4.17 gives to its Domain 0.
 */
#include "policy/priv.h"

#include "lib/abi.h"

#include <xen/arch-x86/cpufeatureset.h>

enum msr_how { MSR_FAULT, MSR_FIXED, MSR_HARDWARE, MSR_VCPU };

enum msr_who {
	WHO_ALL = 0,
	WHO_DOM0 = 1, /* others read the fixed value 0 */
	WHO_INTEL = 2,
	WHO_AMD = 4,
};

struct msr_row {
	u32 first, last;
	enum msr_how read, write;
	u64 shown;    /* read FIXED: the value; HARDWARE: the bits shown */
	u64 writable; /* bits that may be written; all others must be those of `expected` */
	u64 expected;
	unsigned int who;  /* WHO_* */
	u16 feature;	   /* XEN_X86_FEATURE_*: the row counts only if it is shown */
	bool is_canonical; /* the value is a linear address: 48 bits, sign-extended */
	const char *name;
};

#define NO_FEATURE 0 /* FPU: always there */
#define ALL_BITS   (~0ull)

/* Read as a constant; what is written must be the same value. */
#define CONSTANT(nr, value, who_, name_)                                              \
	{                                                                             \
		.first = (nr), .last = (nr), .read = MSR_FIXED, .write = MSR_FIXED,   \
		.shown = (value), .expected = (value), .who = (who_), .name = (name_) \
	}
/* Read as a constant; writes fault. */
#define READ_ONLY(nr, value, who_, name_)                                                        \
	{                                                                                        \
		.first = (nr), .last = (nr), .read = MSR_FIXED, .shown = (value), .who = (who_), \
		.name = (name_)                                                                  \
	}
/* Read as a constant; any write is dropped. */
#define DROPPED(first_, last_, value, who_, name_)                                         \
	{                                                                                  \
		.first = (first_), .last = (last_), .read = MSR_FIXED, .write = MSR_FIXED, \
		.shown = (value), .writable = ALL_BITS, .who = (who_), .name = (name_)     \
	}
/*
 * Some bits of the real register for Domain 0, 0 for others; only 0 may be written, and nothing
 * happens then.
 */
#define REAL_FOR_DOM0(nr, bits, who_, name_)                                           \
	{                                                                              \
		.first = (nr), .last = (nr), .read = MSR_HARDWARE, .write = MSR_FIXED, \
		.shown = (bits), .who = WHO_DOM0 | (who_), .name = (name_)             \
	}
/* A segment base of the vCPU. */
#define BASE(nr, name_)                                                           \
	{                                                                         \
		.first = (nr), .last = (nr), .read = MSR_VCPU, .write = MSR_VCPU, \
		.writable = ALL_BITS, .is_canonical = true, .name = (name_)       \
	}

/* Sorted by number. */
static const struct msr_row msr_rows[] = {
	READ_ONLY(0x0, 0, WHO_ALL, "P5_MC_ADDR"),
	READ_ONLY(0x1, 0, WHO_ALL, "P5_MC_TYPE"),
	{.first = 0x10, .last = 0x10, .read = MSR_HARDWARE, .shown = ALL_BITS, .name = "TSC"},
	REAL_FOR_DOM0(0x17, 7ull << 50, WHO_INTEL, "PLATFORM_ID"),
	/* Enabled, at its usual place, boot CPU: what the guest's own local APIC would say. */
	READ_ONLY(0x1b, 0xfee00900, WHO_ALL, "APIC_BASE"),
	READ_ONLY(0x3a, 1, WHO_INTEL, "FEATURE_CONTROL"), /* locked, all off */
	/* Write-only command: flush the branch predictor. Nothing of a vCPU stays behind in it. */
	{.first = 0x49,
	 .last = 0x49,
	 .write = MSR_HARDWARE,
	 .writable = 1,
	 .feature = XEN_X86_FEATURE_IBPB,
	 .name = "PRED_CMD"},
	/* Linux writes 0, asks CPUID, reads. */
	REAL_FOR_DOM0(0x8b, ALL_BITS, WHO_ALL, "UCODE_REV"),
	DROPPED(0xc1, 0xc8, 0, WHO_INTEL, "PMC"),
	READ_ONLY(0xce, 0, WHO_ALL, "PLATFORM_INFO"), /* no CPUID faulting of the guest's own */
	{.first = 0x10a,
	 .last = 0x10a,
	 .read = MSR_FIXED,
	 .feature = XEN_X86_FEATURE_ARCH_CAPS,
	 .name = "ARCH_CAPABILITIES"},
	CONSTANT(0x140, 0, WHO_ALL, "MISC_FEATURES_ENABLES"),
	/* Two silent banks: real machine checks reach Domain 0 by VIRQ_MCA. */
	DROPPED(0x179, 0x179, 2, WHO_ALL, "MCG_CAP"),
	DROPPED(0x17a, 0x17a, 0, WHO_ALL, "MCG_STATUS"),
	DROPPED(0x17b, 0x17b, 0, WHO_ALL, "MCG_CTL"),
	DROPPED(0x186, 0x189, 0, WHO_INTEL, "PERFEVTSEL"),
	READ_ONLY(0x198, 0, WHO_INTEL, "PERF_STATUS"),
	DROPPED(0x199, 0x199, 0, WHO_INTEL, "PERF_CTL"),
	READ_ONLY(0x19c, 0, WHO_INTEL, "THERM_STATUS"),
	/* Fast strings on; no branch trace store, no PEBS; XD not disabled, CPUID not limited. */
	DROPPED(0x1a0, 0x1a0, 0x801801, WHO_ALL, "MISC_ENABLE"),
	/* Xen's fixed PAT is part of the PV interface. */
	CONSTANT(0x277, 0x050100070406, WHO_ALL, "PAT"),
	DROPPED(0x280, 0x29f, 0, WHO_ALL, "MC_CTL2"),
	DROPPED(0x309, 0x30b, 0, WHO_INTEL, "FIXED_CTR"),
	READ_ONLY(0x345, 0, WHO_ALL, "PERF_CAPABILITIES"),
	DROPPED(0x38d, 0x390, 0, WHO_INTEL, "PERF_GLOBAL"),
	DROPPED(0x400, 0x400, ALL_BITS, WHO_ALL, "MC0_CTL"),
	DROPPED(0x401, 0x403, 0, WHO_ALL, "MC0"),
	DROPPED(0x404, 0x404, ALL_BITS, WHO_ALL, "MC1_CTL"),
	DROPPED(0x405, 0x407, 0, WHO_ALL, "MC1"),
	READ_ONLY(0x40000000, 0, WHO_ALL, "XEN_HYPERCALL"),
	/* SCE, LME, LMA, NXE: what ring 3 runs under. */
	CONSTANT(0xc0000080, 0xd01, WHO_ALL, "EFER"),
	BASE(0xc0000100, "FS_BASE"),
	BASE(0xc0000101, "GS_BASE"),
	BASE(0xc0000102, "KERNEL_GS_BASE"),
	{.first = 0xc0000103,
	 .last = 0xc0000103,
	 .read = MSR_VCPU,
	 .write = MSR_VCPU,
	 .writable = 0xffffffff,
	 .feature = XEN_X86_FEATURE_RDTSCP,
	 .name = "TSC_AUX"},
	DROPPED(0xc0010000, 0xc0010007, 0, WHO_AMD, "K7_PERF"),
	READ_ONLY(0xc0010010, 0, WHO_AMD, "SYSCFG"),
	/* TscFreqSel: whether the TSC counts at P0's rate. */
	{.first = 0xc0010015,
	 .last = 0xc0010015,
	 .read = MSR_HARDWARE,
	 .write = MSR_FIXED,
	 .shown = 1ull << 24,
	 .writable = ALL_BITS,
	 .who = WHO_DOM0 | WHO_AMD,
	 .name = "HWCR"},
	READ_ONLY(0xc0010016, 0, WHO_AMD, "IORR"),
	READ_ONLY(0xc0010017, 0, WHO_AMD, "IORR"),
	READ_ONLY(0xc0010018, 0, WHO_AMD, "IORR"),
	READ_ONLY(0xc0010019, 0, WHO_AMD, "IORR"),
	/* Where RAM ends; Linux sorts the I/O windows of PCI buses by it. */
	{.first = 0xc001001a,
	 .last = 0xc001001a,
	 .read = MSR_HARDWARE,
	 .shown = ALL_BITS,
	 .who = WHO_DOM0 | WHO_AMD,
	 .name = "TOP_MEM"},
	{.first = 0xc001001d,
	 .last = 0xc001001d,
	 .read = MSR_HARDWARE,
	 .shown = ALL_BITS,
	 .who = WHO_DOM0 | WHO_AMD,
	 .name = "TOP_MEM2"},
	DROPPED(0xc001001f, 0xc001001f, 0, WHO_AMD, "NB_CFG"),
	DROPPED(0xc0010041, 0xc0010042, 0, WHO_AMD, "FIDVID"),
	DROPPED(0xc0010061, 0xc001006b, 0, WHO_AMD, "PSTATE"),
	READ_ONLY(0xc0010112, 0, WHO_AMD, "SMM_ADDR"),
	READ_ONLY(0xc0010113, 0, WHO_AMD, "SMM_MASK"),
	DROPPED(0xc0010200, 0xc001020b, 0, WHO_AMD, "F15H_PERF"),
	DROPPED(0xc0011029, 0xc0011029, 2, WHO_AMD, "DE_CFG"), /* LFENCE serialises */
};

static const struct msr_row *row_find(u32 msr)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(msr_rows); i++) {
		if (msr - msr_rows[i].first <= msr_rows[i].last - msr_rows[i].first)
			return &msr_rows[i];
	}
	return NULL;
}

/* The row, if this guest on this CPU has the register. */
static const struct msr_row *row_for(const struct policy *policy, u32 msr)
{
	const struct msr_row *row = row_find(msr);

	if (!row)
		return NULL;
	if ((row->who & WHO_INTEL) && policy->vendor != POLICY_INTEL)
		return NULL;
	if ((row->who & WHO_AMD) && policy->vendor != POLICY_AMD)
		return NULL;
	if (row->feature != NO_FEATURE && !policy_has(policy, row->feature))
		return NULL;
	return row;
}

static bool is_canonical(u64 va)
{
	return va + (1ull << 47) < 1ull << 48;
}

enum policy_msr_do policy_rdmsr(const struct policy *policy, u32 msr, u64 *value)
{
	const struct msr_row *row = row_for(policy, msr);

	*value = 0;
	if (!row)
		return POLICY_MSR_FAULT;

	switch (row->read) {
	case MSR_FAULT:
		return POLICY_MSR_FAULT;
	case MSR_FIXED:
		*value = row->feature == XEN_X86_FEATURE_ARCH_CAPS ? policy->arch_caps : row->shown;
		return POLICY_MSR_DONE;
	case MSR_HARDWARE:
		if ((row->who & WHO_DOM0) && !policy->is_dom0)
			return POLICY_MSR_DONE;
		*value = row->shown;
		return POLICY_MSR_HARDWARE;
	case MSR_VCPU:
		return POLICY_MSR_VCPU;
	}
	return POLICY_MSR_FAULT;
}

enum policy_msr_do policy_wrmsr(const struct policy *policy, u32 msr, u64 value)
{
	const struct msr_row *row = row_for(policy, msr);

	if (!row || ((value ^ row->expected) & ~row->writable))
		return POLICY_MSR_FAULT;
	if (row->is_canonical && !is_canonical(value))
		return POLICY_MSR_FAULT;

	switch (row->write) {
	case MSR_FAULT:
		return POLICY_MSR_FAULT;
	case MSR_FIXED:
		return POLICY_MSR_DONE;
	case MSR_HARDWARE:
		return POLICY_MSR_HARDWARE;
	case MSR_VCPU:
		return POLICY_MSR_VCPU;
	}
	return POLICY_MSR_FAULT;
}

const char *policy_msr_name(u32 msr)
{
	const struct msr_row *row = row_find(msr);

	return row ? row->name : NULL;
}

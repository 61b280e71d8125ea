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

enum msr_who {
	WHO_ALL = 0,
	WHO_DOM0 = 1, /* others read the fixed value 0 */
	WHO_INTEL = 2,
	WHO_AMD = 4,
};

struct msr_row {
	u64 shown; /* read DONE: the value; HARDWARE: the bits shown */
	const char *name;
	u64 writable; /* bits that may be written; all others must be those of `expected` */
	u64 expected;
	u32 first, last;
	enum policy_msr_do read, write;
	unsigned int who;  /* WHO_* */
	u16 feature;	   /* XEN_X86_FEATURE_*: the row counts only if it is shown */
	bool is_canonical; /* the value is a linear address: 48 bits, sign-extended */
};

#define NO_FEATURE 0 /* FPU: always there */
#define ALL_BITS   (~0ull)

#define ROW(from, to, reads, writes, whose, bits, text, ...)                                   \
	{                                                                                      \
		.first = (from), .last = (to), .read = POLICY_MSR_##reads,                     \
		.write = POLICY_MSR_##writes, .who = (whose), .shown = (bits), .name = (text), \
		##__VA_ARGS__                                                                  \
	}
/* Read as a constant; what is written must be the same value. */
#define CONSTANT(nr, value, whose, text) \
	ROW(nr, nr, DONE, DONE, whose, value, text, .expected = (value))
/* Read as a constant; writes fault. */
#define READ_ONLY(nr, value, who, name) ROW(nr, nr, DONE, FAULT, who, value, name)
/* Read as a constant; any write is dropped. */
#define DROPPED(first, last, value, who, name) \
	ROW(first, last, DONE, DONE, who, value, name, .writable = ALL_BITS)
/* Some bits of the real register for Domain 0, 0 for others; only 0 may be written, and nothing happens then. */
#define REAL_FOR_DOM0(nr, bits, who, name) ROW(nr, nr, HARDWARE, DONE, WHO_DOM0 | (who), bits, name)
/* A segment base of the vCPU. */
#define BASE(nr, name) \
	ROW(nr, nr, VCPU, VCPU, WHO_ALL, 0, name, .writable = ALL_BITS, .is_canonical = true)

/* Sorted by number. */
static const struct msr_row msr_rows[] = {
	ROW(0x0, 0x1, DONE, FAULT, WHO_ALL, 0, "P5_MC"),
	ROW(0x10, 0x10, HARDWARE, FAULT, WHO_ALL, ALL_BITS, "TSC"),
	REAL_FOR_DOM0(0x17, 7ull << 50, WHO_INTEL, "PLATFORM_ID"),
	/* Enabled, at its usual place, boot CPU: what the guest's own local APIC would say. */
	READ_ONLY(0x1b, 0xfee00900, WHO_ALL, "APIC_BASE"),
	READ_ONLY(0x3a, 1, WHO_INTEL, "FEATURE_CONTROL"), /* locked, all off */
	/* Write-only command: flush the branch predictor. Nothing of a vCPU stays behind in it. */
	ROW(0x49, 0x49, FAULT, HARDWARE, WHO_ALL, 0, "PRED_CMD", .writable = 1,
	    .feature = XEN_X86_FEATURE_IBPB),
	/* Linux writes 0, asks CPUID, reads. */
	REAL_FOR_DOM0(0x8b, ALL_BITS, WHO_ALL, "UCODE_REV"),
	DROPPED(0xc1, 0xc8, 0, WHO_INTEL, "PMC"),
	READ_ONLY(0xce, 0, WHO_ALL, "PLATFORM_INFO"), /* no CPUID faulting of the guest's own */
	ROW(0x10a, 0x10a, DONE, FAULT, WHO_ALL, 0, "ARCH_CAPABILITIES",
	    .feature = XEN_X86_FEATURE_ARCH_CAPS),
	CONSTANT(0x140, 0, WHO_ALL, "MISC_FEATURES_ENABLES"),
	/* Two silent banks: a fatal machine check ends in Mica's report, and of corrected ones no guest is told. */
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
	CONSTANT(0xc0000080, 0xd01, WHO_ALL, "EFER"), BASE(0xc0000100, "FS_BASE"),
	BASE(0xc0000101, "GS_BASE"), BASE(0xc0000102, "KERNEL_GS_BASE"),
	ROW(0xc0000103, 0xc0000103, VCPU, VCPU, WHO_ALL, 0, "TSC_AUX", .writable = 0xffffffff,
	    .feature = XEN_X86_FEATURE_RDTSCP),
	DROPPED(0xc0010000, 0xc0010007, 0, WHO_AMD, "K7_PERF"),
	READ_ONLY(0xc0010010, 0, WHO_AMD, "SYSCFG"),
	/* TscFreqSel: whether the TSC counts at P0's rate. */
	ROW(0xc0010015, 0xc0010015, HARDWARE, DONE, WHO_DOM0 | WHO_AMD, 1ull << 24, "HWCR",
	    .writable = ALL_BITS),
	ROW(0xc0010016, 0xc0010019, DONE, FAULT, WHO_AMD, 0, "IORR"),
	/* Where RAM ends; Linux sorts the I/O windows of PCI buses by it. */
	ROW(0xc001001a, 0xc001001a, HARDWARE, FAULT, WHO_DOM0 | WHO_AMD, ALL_BITS, "TOP_MEM"),
	ROW(0xc001001d, 0xc001001d, HARDWARE, FAULT, WHO_DOM0 | WHO_AMD, ALL_BITS, "TOP_MEM2"),
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
	unsigned int low = 0, high = ARRAY_SIZE(msr_rows); /* the first row begins at 0 */

	while (high - low > 1) {
		unsigned int middle = (low + high) / 2;

		if (msr < msr_rows[middle].first)
			high = middle;
		else
			low = middle;
	}
	return msr <= msr_rows[low].last ? &msr_rows[low] : NULL;
}

/* The row, if this guest on this CPU has the register. */
static const struct msr_row *row_for(const struct policy *policy, u32 msr)
{
	const struct msr_row *row = row_find(msr);

	if (row == NULL || ((row->who & WHO_INTEL) && policy->vendor != POLICY_INTEL) ||
	    ((row->who & WHO_AMD) && policy->vendor != POLICY_AMD) ||
	    (row->feature != NO_FEATURE && !policy_has(policy, row->feature)))
		return NULL;
	return row;
}

enum policy_msr_do policy_rdmsr(const struct policy *policy, u32 msr, u64 *value)
{
	const struct msr_row *row = row_for(policy, msr);

	*value = 0;
	if (row == NULL)
		return POLICY_MSR_FAULT;
	if (row->read == POLICY_MSR_HARDWARE && (row->who & WHO_DOM0) && !policy->is_dom0)
		return POLICY_MSR_DONE;
	*value = row->feature == XEN_X86_FEATURE_ARCH_CAPS ? policy->arch_caps : row->shown;
	return row->read;
}

enum policy_msr_do policy_wrmsr(const struct policy *policy, u32 msr, u64 value)
{
	const struct msr_row *row = row_for(policy, msr);

	if (row == NULL || ((value ^ row->expected) & ~row->writable) ||
	    (row->is_canonical && value + (1ull << 47) >= 1ull << 48))
		return POLICY_MSR_FAULT;
	return row->write;
}

const char *policy_msr_name(u32 msr)
{
	const struct msr_row *row = row_find(msr);

	return row ? row->name : NULL;
}

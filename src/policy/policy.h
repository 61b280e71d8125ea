/* SPDX-License-Identifier: MIT */
/*
 * What a guest is told about the CPU: CPUID leaves and model-specific registers, each from one
 * table. Reached by pv/ (the forced-emulation prefix, CPUID faulting, trapped RDMSR, WRMSR and
 * XSETBV) and by the tool calls; pure: it never touches hardware, a callback gave it the real
 * leaves once. No lock: a policy is written while its domain is built and only read afterwards.
 *
 * The rule is a list of what is shown. A leaf, feature bit or MSR that no table names reads as zero
 * (CPUID) or faults (MSR); so what the next CPU brings is hidden until somebody has thought about
 * it.
 */
#pragma once

#include "lib/types.h"

struct cpuid_leaf {
	u32 a, b, c, d;
};

/* The public xen_cpuid_leaf_t. sub is POLICY_NO_SUB where ECX does not matter. */
struct policy_leaf {
	u32 leaf, sub;
	struct cpuid_leaf v;
};
#define POLICY_NO_SUB	  0xffffffffu
#define POLICY_LEAVES_MAX 56 /* stored; all others are zero */
#define POLICY_PUBLIC_MAX \
	120 /* in the public form: what XEN_SYSCTL_get_cpu_policy says is the most */
#define POLICY_MSRS_MAX	  2
#define POLICY_FIRST_LEAF ((struct policy_leaf){.leaf = POLICY_NO_SUB})

enum policy_vendor { POLICY_OTHER, POLICY_INTEL, POLICY_AMD };

/* RAW: the CPU's own; HOST: what Mica uses; MAX: the most that a guest may get, and what Domain 0 has. */
enum policy_kind { POLICY_RAW, POLICY_HOST, POLICY_MAX, POLICY_DEFAULT };

/* One view of the CPU. [c] all of it, once the domain runs. */
struct policy {
	enum policy_vendor vendor;
	bool is_dom0;	    /* may read some of the CPU's own registers */
	u64 xcr0_max;	    /* XSETBV and XCR0 take these bits; 0 if the guest has no XSAVE */
	u64 arch_caps;	    /* what the guest reads as IA32_ARCH_CAPABILITIES */
	u32 tsc_khz;	    /* leaf 0x40000003: of the host */
	u32 guest_tsc_khz;  /* ... of the guest, where it was made first */
	u32 tsc_mode;	    /* XEN_DOMCTL_settscinfo's */
	u32 incarnation;    /* how often it moved */
	u64 tsc_offset_ns;  /* its time beside the host's */
	bool is_tsc_stable; /* the host's TSC may be trusted */
	u8 machine_bits;    /* leaf 0x40000005: width of the highest machine address, in bits */
	unsigned int leaf_count;
	struct policy_leaf leaf[POLICY_LEAVES_MAX];
};

/* What CPUID shows of the asking vCPU's own state. */
struct policy_vcpu {
	bool osxsave; /* the guest kernel's CR4.OSXSAVE */
	u64 xcr0;
};

extern struct policy policy_cpu; /* [c] after boot: the machine's CPU, RAW */

/* Read the real CPU, on the boot CPU: every leaf that a guest might be shown something of. */
void policy_raw_init(struct policy *raw, void (*cpuid)(u32 leaf, u32 sub, struct cpuid_leaf *out));

/* tsc_* and machine_bits (set from the CPU's address width) are then the caller's. */
void policy_make(struct policy *policy, const struct policy *raw, enum policy_kind kind);

/* --- the public form, of tool calls (public.c) --- */

/* The leaf after *at; false at the end. All that the maxima reach is named, so some are zero. */
bool policy_leaf_next(const struct policy *policy, struct policy_leaf *at);
/* One of POLICY_MSRS_MAX. */
u64 policy_msr_get(const struct policy *policy, unsigned int i, u32 *msr);

/* Put one in; what is not stored is dropped. False: there is no such leaf, or register (then or value). */
bool policy_leaf_set(struct policy *policy, const struct policy_leaf *leaf);
bool policy_msr_is_known(u32 msr);
bool policy_msr_set(struct policy *policy, u32 msr, u64 value);

/* False: a maximum is above the CPU's own, *bad is where. Else what a guest may not have is taken away. */
bool policy_settle(struct policy *policy, const struct policy *raw, struct policy_leaf *bad);

/* CPUID as the guest sees it. Any leaf and sub-leaf; what is not shown is zero. */
void policy_cpuid(const struct policy *policy, const struct policy_vcpu *vcpu, u32 leaf, u32 sub,
		  struct cpuid_leaf *out);

/*
 * Is a feature shown? XEN_X86_FEATURE_* of the public header, without what depends on the vCPU's
 * state.
 */
bool policy_has(const struct policy *policy, unsigned int feature);

/* The feature words of the public header (word 16 and 17: ARCH_CAPABILITIES). */
#define POLICY_FEATURE_WORDS 19
void policy_featureset(const struct policy *policy, u32 words[POLICY_FEATURE_WORDS]);

/* May the guest load this into XCR0 (SDM 1 13.3)? False where it has no XSAVE. */
bool policy_xcr0_is_valid(const struct policy *policy, u64 xcr0);
/* Bytes of a standard XSAVE area with all that it may load there. */
u32 policy_xsave_bytes(const struct policy *policy);

/* --- model-specific registers (msr.c) --- */

enum policy_msr_do {
	POLICY_MSR_FAULT,    /* #GP to the guest */
	POLICY_MSR_DONE,     /* read: *value is the answer; write: accepted, nothing more to do */
	POLICY_MSR_HARDWARE, /* read: the real register & *value; write: put the value there */
	POLICY_MSR_VCPU,     /* the caller's: FS_BASE, GS_BASE, KERNEL_GS_BASE, TSC_AUX */
};

enum policy_msr_do policy_rdmsr(const struct policy *policy, u32 msr, u64 *value);

/*
 * A value that comes out as HARDWARE or VCPU is already fit for the register (canonical, no
 * reserved bits).
 */
enum policy_msr_do policy_wrmsr(const struct policy *policy, u32 msr, u64 value);

/* For log lines: the name of a known MSR, else NULL. */
const char *policy_msr_name(u32 msr);

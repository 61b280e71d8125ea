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
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include "lib/types.h"

struct cpuid_leaf {
	u32 a, b, c, d;
};

/*
 * One leaf as stored; the layout of the public xen_cpuid_leaf_t. sub is POLICY_NO_SUB where ECX
 * does not matter.
 */
struct policy_leaf {
	u32 leaf, sub;
	struct cpuid_leaf v;
};
#define POLICY_NO_SUB	  0xffffffffu
#define POLICY_LEAVES_MAX 56

enum policy_vendor { POLICY_OTHER, POLICY_INTEL, POLICY_AMD };

/* The real CPU: every leaf that a guest might be shown something of. */
struct policy_host {
	enum policy_vendor vendor;
	unsigned int leaf_count;
	struct policy_leaf leaf[POLICY_LEAVES_MAX];
	u64 arch_caps; /* IA32_ARCH_CAPABILITIES; stays 0 unless the caller sets it */
};

/* One domain's view. [c] all of it, once the domain runs. */
struct policy {
	enum policy_vendor vendor;
	bool is_dom0;
	u64 xcr0_max;	    /* XSETBV and XCR0 take these bits; 0 if the guest has no XSAVE */
	u64 arch_caps;	    /* what the guest reads as IA32_ARCH_CAPABILITIES */
	u32 tsc_khz;	    /* leaf 0x40000003 */
	bool is_tsc_stable; /* leaf 0x40000003: the host's TSC may be trusted */
	u8 machine_bits;    /* leaf 0x40000005: width of the highest machine address, in bits */
	unsigned int leaf_count;
	struct policy_leaf leaf[POLICY_LEAVES_MAX];
};

/* What CPUID shows of the asking vCPU's own state. */
struct policy_vcpu {
	bool osxsave; /* the guest kernel's CR4.OSXSAVE */
	u64 xcr0;
};

/* Read the real CPU, on the boot CPU: host->leaf gets what the table names. */
void policy_host_init(struct policy_host *host,
		      void (*cpuid)(u32 leaf, u32 sub, struct cpuid_leaf *out));

/*
 * The default of a PV guest on that CPU. machine_bits, tsc_khz and is_tsc_stable are then the
 * caller's to set.
 */
void policy_pv_default(struct policy *policy, const struct policy_host *host, bool is_dom0);

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
void policy_host_featureset(const struct policy_host *host, u32 words[POLICY_FEATURE_WORDS]);

/* May the guest load this into XCR0 (SDM 1 13.3)? False where it has no XSAVE. */
bool policy_xcr0_is_valid(const struct policy *policy, u64 xcr0);

/* Bytes of a standard-format XSAVE area for these components; 576 (legacy and header) at least. */
u32 policy_xsave_bytes(const struct policy *policy, u64 xcr0);

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

#endif

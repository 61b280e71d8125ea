/* SPDX-License-Identifier: MIT */
/* uses: src/policy/cpuid.c src/policy/feature.c src/policy/msr.c src/policy/public.c */
/*
 * The policy of CPUs that nobody built: the input is what CPUID answers, then the questions of a
 * guest. Whatever the CPU says, ring 0's features stay hidden, no XSAVE size passes a page, and
 * only named registers are reached.
 */
#include "policy/policy.h"

#include "lib/abi.h"

#include <stdlib.h>
#include <string.h>

#include <xen/arch-x86/cpufeatureset.h>

#define MUST(x)                  \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static const u8 *input;
static size_t input_left;

/* Zeros when the input is used up. */
static void take(void *to, size_t bytes)
{
	size_t n = MIN(bytes, input_left);

	memset(to, 0, bytes);
	memcpy(to, input, n);
	input += n;
	input_left -= n;
}

static void fuzz_cpuid(u32 leaf, u32 sub, struct cpuid_leaf *out)
{
	static const char *const vendors[] = {"GenuineIntel", "AuthenticAMD", "HygonGenuine", "?"};
	u8 vendor;

	(void)sub;
	take(out, sizeof(*out));
	if (leaf == 0) {
		take(&vendor, 1);
		if (vendor & 3) {
			const char *name = vendors[(vendor & 3) - 1];

			memcpy(&out->b, name, 4);
			memcpy(&out->d, name + 4, 4);
			memcpy(&out->c, name + 8, 4);
		}
		if (vendor & 4)
			out->a = 0x20;
	}
	if (leaf == 0x80000000 && (out->d & 1))
		out->a = 0x80000028;
}

static void check_features(const struct policy *policy)
{
	static const u16 hidden[] = {
		XEN_X86_FEATURE_SEP,
		XEN_X86_FEATURE_PSE,
		XEN_X86_FEATURE_PGE,
		XEN_X86_FEATURE_MTRR,
		XEN_X86_FEATURE_VMX,
		XEN_X86_FEATURE_SVM,
		XEN_X86_FEATURE_X2APIC,
		XEN_X86_FEATURE_PCID,
		XEN_X86_FEATURE_SMEP,
		XEN_X86_FEATURE_SMAP,
		XEN_X86_FEATURE_UMIP,
		XEN_X86_FEATURE_PKU,
		XEN_X86_FEATURE_INVPCID,
		XEN_X86_FEATURE_XSAVES,
		XEN_X86_FEATURE_CET_SS,
		XEN_X86_FEATURE_CET_IBT,
		XEN_X86_FEATURE_MONITOR,
		XEN_X86_FEATURE_IBRSB,
		6 * 32 + 16,
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(hidden); i++)
		MUST(!policy_has(policy, hidden[i]));
	if (policy->xcr0_max) {
		MUST(policy_xcr0_is_valid(policy, policy->xcr0_max));
		MUST((policy->xcr0_max & ~0xe7ull) == 0);
	} else {
		MUST(!policy_has(policy, XEN_X86_FEATURE_XSAVE));
	}
	if (policy_has(policy, XEN_X86_FEATURE_AVX))
		MUST(policy->xcr0_max & 4);
	if (policy_has(policy, XEN_X86_FEATURE_AVX512F))
		MUST(policy->xcr0_max & 0xe0);
}

static void check_question(const struct policy *policy)
{
	struct policy_vcpu vcpu = {0};
	struct cpuid_leaf v;
	u64 value;
	u32 q[4];
	enum policy_msr_do how;

	take(q, sizeof(q));
	vcpu.osxsave = q[2] & 1;
	vcpu.xcr0 = policy->xcr0_max & q[3];
	policy_cpuid(policy, &vcpu, q[0], q[1], &v);
	if (q[0] == 0xd && q[1] == 0 && policy->xcr0_max)
		MUST(v.b >= 576 && v.b <= v.c && v.c <= 8192 + 4096 && !(v.a & ~0xe7u));
	policy_cpuid(policy, &vcpu, q[0] & 0xc000001f, q[1] & 15, &v);

	how = policy_rdmsr(policy, q[0], &value);
	MUST(how == POLICY_MSR_FAULT || policy_msr_name(q[0]));
	if (how == POLICY_MSR_HARDWARE)
		MUST(policy->is_dom0 || q[0] == 0x10);
	memcpy(&value, &q[2], sizeof(value));
	how = policy_wrmsr(policy, q[0], value);
	if (how == POLICY_MSR_HARDWARE)
		MUST(q[0] == 0x49 && value <= 1);
	if (how == POLICY_MSR_VCPU && q[0] != 0xc0000103)
		MUST(value + (1ull << 47) < 1ull << 48);
}

/* What a tool sets, whatever it is, is no more than the CPU has and a guest may get. */
static void check_tool(struct policy *policy, const struct policy *host)
{
	struct policy_leaf leaf, bad, at = POLICY_FIRST_LEAF;
	u32 count = 0, words[POLICY_FEATURE_WORDS], real[POLICY_FEATURE_WORDS];
	u8 sets, which;

	take(&sets, 1);
	for (sets &= 15; sets; sets--) {
		take(&leaf, sizeof(leaf));
		take(&which, 1);
		if (which < policy->leaf_count) {
			leaf.leaf = policy->leaf[which].leaf;
			leaf.sub = policy->leaf[which].sub;
		}
		(void)policy_leaf_set(policy, &leaf);
	}
	if (!policy_settle(policy, host, &bad)) {
		policy_make(policy, host, POLICY_MAX);
		return;
	}
	check_features(policy);
	policy_featureset(policy, words);
	policy_featureset(host, real);
	for (unsigned int i = 0; i < POLICY_FEATURE_WORDS; i++)
		MUST(!(words[i] & ~real[i]));
	while (policy_leaf_next(policy, &at))
		count++;
	MUST(count >= 4 && count <= POLICY_PUBLIC_MAX);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct policy *host = malloc(sizeof(*host));
	struct policy *policy = malloc(sizeof(*policy));
	u32 words[POLICY_FEATURE_WORDS], real[POLICY_FEATURE_WORDS];
	u8 flags;

	input = data;
	input_left = size;
	take(&flags, 1);
	policy_raw_init(host, fuzz_cpuid);
	take(&host->arch_caps, 8);
	policy_make(policy, host, flags & 1 ? POLICY_MAX : POLICY_DEFAULT);
	policy->is_dom0 = flags & 1;
	check_features(policy);
	policy_featureset(host, real);
	policy_featureset(policy, words);
	real[1] |= 1u << 31;
	for (unsigned int i = 0; i < POLICY_FEATURE_WORDS; i++)
		MUST(!(words[i] & ~real[i]));
	check_tool(policy, host);
	do
		check_question(policy);
	while (input_left);
	free(policy);
	free(host);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* uses: src/policy/cpuid.c src/policy/feature.c src/policy/msr.c src/policy/public.c */
/*
 * The policy on CPUs that do not exist: one with every bit set, one with nothing, ones that
 * contradict themselves; and the rules about each kind of MSR. What real CPU models give is
 * policy_oracle_test's matter.
 */
#include "policy/policy.h"

#include "lib/abi.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xen/arch-x86/cpufeatureset.h>

#define F(name) XEN_X86_FEATURE_##name

/* What the fake CPU answers: XSAVE's leaf apart, all ones or nothing, and its vendor. */
static struct {
	bool is_full;
	const char *vendor;
	u32 xcr0;
	u32 basic_max, ext_max;
	struct cpuid_leaf component[8];
} cpu;

static void fake_cpuid(u32 leaf, u32 sub, struct cpuid_leaf *out)
{
	memset(out, cpu.is_full ? 0xff : 0, sizeof(*out));
	if (leaf == 0) {
		out->a = cpu.basic_max;
		memcpy(&out->b, cpu.vendor, 4);
		memcpy(&out->d, cpu.vendor + 4, 4);
		memcpy(&out->c, cpu.vendor + 8, 4);
	}
	if (leaf == 0x80000000)
		out->a = cpu.ext_max;
	if (leaf == 0xd && sub == 0)
		out->a = cpu.xcr0;
	if (leaf == 0xd && sub >= 2)
		*out = sub < 8 ? cpu.component[sub] : (struct cpuid_leaf){0, 0, 0, 0};
}

static struct policy full_policy(const char *vendor, bool is_dom0)
{
	struct policy host;
	struct policy policy;

	cpu.is_full = true;
	cpu.vendor = vendor;
	cpu.basic_max = 0x20;
	cpu.ext_max = 0x80000028;
	cpu.xcr0 = ~0u;
	cpu.component[2] = (struct cpuid_leaf){256, 576, 0, 0};
	cpu.component[3] = (struct cpuid_leaf){64, 960, 0, 0};
	cpu.component[4] = (struct cpuid_leaf){64, 1024, 0, 0};
	cpu.component[5] = (struct cpuid_leaf){64, 1088, 0, 0};
	cpu.component[6] = (struct cpuid_leaf){512, 1152, 2, 0};
	cpu.component[7] = (struct cpuid_leaf){1024, 1664, 2, 0};
	policy_raw_init(&host, fake_cpuid);
	host.arch_caps = UINT64_MAX;
	policy_make(&policy, &host, is_dom0 ? POLICY_MAX : POLICY_DEFAULT);
	return policy;
}

static const struct policy_vcpu vcpu_off = {.osxsave = false, .xcr0 = 1};

static struct cpuid_leaf ask(const struct policy *policy, u32 leaf, u32 sub)
{
	struct cpuid_leaf v;

	memset(&v, 0x5a, sizeof(v));
	policy_cpuid(policy, &vcpu_off, leaf, sub, &v);
	return v;
}

static bool is_zero(struct cpuid_leaf v)
{
	return !(v.a | v.b | v.c | v.d);
}

/* ---------------------------------------------------------------- CPUID */

static void test_hidden_whatever_the_cpu_has(void **state)
{
	static const u16 hidden[] = {
		F(VME),
		F(PSE),
		F(SEP),
		F(MTRR),
		F(PGE),
		F(PSE36),
		F(DS),
		F(TM1),
		F(PBE),
		F(DTES64),
		F(MONITOR),
		F(DSCPL),
		F(VMX),
		F(SMX),
		F(EIST),
		F(TM2),
		F(XTPR),
		F(PDCM),
		F(PCID),
		F(DCA),
		F(X2APIC),
		F(TSC_DEADLINE),
		F(OSXSAVE),
		F(PAGE1GB),
		F(SVM),
		F(EXTAPIC),
		F(CR8_LEGACY),
		F(OSVW),
		F(IBS),
		F(XOP),
		F(SKINIT),
		F(WDT),
		F(LWP),
		F(FMA4),
		F(NODEID_MSR),
		F(TOPOEXT),
		F(DBEXT),
		F(MONITORX),
		F(XSAVES),
		F(TSC_ADJUST),
		F(SGX),
		F(HLE),
		F(SMEP),
		F(INVPCID),
		F(RTM),
		F(PQM),
		F(MPX),
		F(PQE),
		F(SMAP),
		F(PROC_TRACE),
		F(UMIP),
		F(PKU),
		F(OSPKE),
		F(CET_SS),
		F(ENQCMD),
		F(HW_PSTATE),
		F(CPB),
		F(EFRO),
		F(IBRS),
		F(AMD_STIBP),
		F(AMD_SSBD),
		F(VIRT_SSBD),
		F(PSFD),
		F(IBRSB),
		F(STIBP),
		F(SSBD),
		F(L1D_FLUSH),
		F(CORE_CAPS),
		F(CET_IBT),
		F(HYBRID),
		F(TSXLDTRK),
		F(AUTO_IBRS),
		F(INTEL_PPIN),
		F(INTEL_PSFD),
		F(IPRED_CTRL),
		F(RRSBA_CTRL),
		F(BHI_CTRL),
		F(CET_SSS),
		F(SKIP_L1DFL),
		F(TSX_CTRL),
		F(MCU_CTRL),
		F(MISC_PKG_CTRL),
		F(DOITM),
		F(FB_CLEAR_CTRL),
		F(GDS_CTRL),
		7 * 32 + 0 /* nobody knows this one */,
		6 * 32 + 16 /* LA57 */,
		6 * 32 + 31 /* PKS */,
	};
	static const char *const vendors[] = {"GenuineIntel", "AuthenticAMD", "HygonGenuine",
					      "CentaurHauls"};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(vendors); i++) {
		for (unsigned int dom0 = 0; dom0 < 2; dom0++) {
			struct policy policy = full_policy(vendors[i], dom0);

			for (unsigned int f = 0; f < ARRAY_SIZE(hidden); f++)
				assert_false(policy_has(&policy, hidden[f]));
			assert_true(policy_has(&policy, F(HYPERVISOR)));
			assert_true(policy_has(&policy, F(FSGSBASE)));
			assert_true(policy_has(&policy, F(AVX512F)));
			assert_int_equal(policy_has(&policy, F(ITSC)), dom0);
			assert_int_equal(policy_has(&policy, F(HTT)), dom0);
			assert_false(policy_has(&policy, POLICY_FEATURE_WORDS * 32));
			assert_false(policy_has(&policy, UINT32_MAX));
		}
	}
}

/*
 * Leaves that nobody named are zero, also those that the CPU would answer with another leaf's data.
 */
static void test_unknown_leaves(void **state)
{
	static const u32 leaves[] = {
		0x3,	    0x5,	0x6,	    0x8,	0x9,	    0xa,	0xb,
		0xc,	    0xe,	0xf,	    0x10,	0x12,	    0x14,	0x1f,
		0x20,	    0x3fffffff, 0x40000006, 0x400000ff, 0x40000100, 0x40000101, 0x50000000,
		0x7fffffff, 0x80000009, 0x8000000a, 0x8000001d, 0x8000001e, 0x8000001f, 0x80000028,
		0x8fffffff, 0xc0000000, 0xffffffff};
	struct policy policy = full_policy("AuthenticAMD", true);

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(leaves); i++) {
		assert_true(is_zero(ask(&policy, leaves[i], 0)));
		assert_true(is_zero(ask(&policy, leaves[i], 1)));
	}
	assert_true(is_zero(ask(&policy, 4, 6)));
	assert_true(is_zero(ask(&policy, 4, UINT32_MAX)));
	assert_true(is_zero(ask(&policy, 7, 3)));
	assert_true(is_zero(ask(&policy, 7, UINT32_MAX)));
	assert_true(is_zero(ask(&policy, 0xd, 3)));
	assert_true(is_zero(ask(&policy, 0xd, 8)));
	assert_true(is_zero(ask(&policy, 0xd, 63)));
	/* ECX means nothing to these. */
	assert_int_equal(ask(&policy, 1, 77).a, ask(&policy, 1, 0).a);
	assert_int_equal(ask(&policy, 1, UINT32_MAX).c, ask(&policy, 1, 0).c);
}

static void test_maxima(void **state)
{
	struct policy policy = full_policy("GenuineIntel", true);

	(void)state;
	assert_int_equal(ask(&policy, 0, 0).a, 0xd);
	assert_int_equal(ask(&policy, 7, 0).a, 2);
	assert_int_equal(ask(&policy, 0x80000000, 0).a, 0x80000008);
	assert_int_equal(ask(&policy, 0x80000008, 0).a, 48 << 8 | 52);
	assert_int_equal(policy.machine_bits, 52);
	policy = full_policy("AuthenticAMD", true);
	assert_int_equal(ask(&policy, 0x80000000, 0).a, 0x80000021);
}

/* A CPU from before the leaves in question. */
static void test_bare_cpu(void **state)
{
	struct policy host;
	struct policy policy;
	u64 value;

	(void)state;
	memset(&cpu, 0, sizeof(cpu));
	cpu.vendor = "SomebodyElse";
	cpu.basic_max = 1;
	policy_raw_init(&host, fake_cpuid);
	policy_make(&policy, &host, POLICY_MAX);
	assert_int_equal(policy.vendor, POLICY_OTHER);
	assert_int_equal(policy.xcr0_max, 0);
	assert_int_equal(policy.machine_bits, 36);
	assert_false(policy_xcr0_is_valid(&policy, 0));
	assert_false(policy_xcr0_is_valid(&policy, 1));
	assert_int_equal(ask(&policy, 1, 0).c, 1u << 31);
	assert_true(is_zero(ask(&policy, 0xd, 0)));
	assert_true(is_zero(ask(&policy, 0x80000001, 0)));
	assert_int_equal(policy_rdmsr(&policy, 0xc0010015, &value), POLICY_MSR_FAULT);
	assert_int_equal(policy_rdmsr(&policy, 0xc1, &value), POLICY_MSR_FAULT);
	assert_int_equal(policy_rdmsr(&policy, 0xc0000103, &value), POLICY_MSR_FAULT);
}

static void test_xen_leaves(void **state)
{
	struct policy policy = full_policy("GenuineIntel", true);
	struct cpuid_leaf v = ask(&policy, 0x40000000, 0);

	(void)state;
	assert_int_equal(v.a, 0x40000005);
	assert_memory_equal(&v.b, "XenVMMXenVMM", 12);
	assert_int_equal(ask(&policy, 0x40000001, 0).a, 0x00040011);
	v = ask(&policy, 0x40000002, 0);
	assert_int_equal(v.a, 1);
	assert_int_equal(v.c, 1);
	policy.tsc_khz = 2600000;
	assert_int_equal(ask(&policy, 0x40000003, 0).a, 4);
	assert_true(is_zero(ask(&policy, 0x40000003, 1)));
	assert_int_equal(ask(&policy, 0x40000003, 2).a, 2600000);
	policy.is_tsc_stable = true;
	assert_int_equal(ask(&policy, 0x40000003, 0).a, 6);
	assert_true(is_zero(ask(&policy, 0x40000004, 0)));
	policy.machine_bits = 39;
	assert_int_equal(ask(&policy, 0x40000005, 0).b, 39);
	assert_true(is_zero(ask(&policy, 0x40000005, 1)));
}

static void test_xsave(void **state)
{
	struct policy policy = full_policy("GenuineIntel", true);
	struct policy_vcpu vcpu = {.osxsave = true, .xcr0 = 7};
	struct cpuid_leaf v;

	(void)state;
	assert_int_equal(policy.xcr0_max, 0xe7);
	for (u64 xcr0 = 0; xcr0 < 0x400; xcr0++) {
		bool good = (xcr0 & ~0xe7ull) == 0 && (xcr0 & 1) && (!(xcr0 & 4) || (xcr0 & 2)) &&
			    (!(xcr0 & 0xe0) || (xcr0 & 0xe6) == 0xe6);

		assert_int_equal(policy_xcr0_is_valid(&policy, xcr0), good);
	}
	assert_false(policy_xcr0_is_valid(&policy, 1ull << 63 | 1));

	policy_cpuid(&policy, &vcpu, 1, 0, &v);
	assert_true(v.c & 1u << 27);
	policy_cpuid(&policy, &vcpu, 0xd, 0, &v);
	assert_int_equal(v.a, 0xe7);
	assert_int_equal(v.b, 832);
	assert_int_equal(v.c, 2688);
	assert_int_equal(v.d, 0);
	policy_cpuid(&policy, &vcpu, 0xd, 1, &v);
	assert_int_equal(v.a, 7);
	assert_int_equal(v.b, 832);
	assert_int_equal(v.c | v.d, 0);
	/* 576 + 256 + 64 = 896, which is aligned; + 512 + 1024. */
	vcpu.xcr0 = 0xe7;
	policy_cpuid(&policy, &vcpu, 0xd, 1, &v);
	assert_int_equal(v.b, 2432);
	vcpu.xcr0 = 3;
	policy_cpuid(&policy, &vcpu, 0xd, 0, &v);
	assert_int_equal(v.b, 576);
	vcpu.osxsave = false;
	policy_cpuid(&policy, &vcpu, 1, 0, &v);
	assert_false(v.c & 1u << 27);
}

/*
 * A CPU that claims state it does not place, or AVX-512 in part: the state and what needs it are
 * gone.
 */
static void test_xsave_contradictions(void **state)
{
	struct policy policy = full_policy("GenuineIntel", true);
	struct policy host;

	(void)state;
	cpu.component[6].a = 5000;
	policy_raw_init(&host, fake_cpuid);
	policy_make(&policy, &host, POLICY_MAX);
	assert_int_equal(policy.xcr0_max, 7);
	assert_false(policy_has(&policy, F(AVX512F)));
	assert_true(policy_has(&policy, F(AVX2)));
	assert_true(is_zero(ask(&policy, 0xd, 5)));

	cpu.component[2].b = 100;
	policy_raw_init(&host, fake_cpuid);
	policy_make(&policy, &host, POLICY_MAX);
	assert_int_equal(policy.xcr0_max, 3);
	assert_false(policy_has(&policy, F(AVX)));
	assert_false(policy_has(&policy, F(FMA)));
	assert_false(policy_has(&policy, F(VAES)));
	assert_true(policy_has(&policy, F(XSAVE)));
	assert_true(policy_has(&policy, F(XSAVEOPT)));

	cpu.xcr0 = 6;
	policy_raw_init(&host, fake_cpuid);
	policy_make(&policy, &host, POLICY_MAX);
	assert_int_equal(policy.xcr0_max, 0);
	assert_false(policy_has(&policy, F(XSAVE)));
	assert_false(policy_has(&policy, F(XSAVEOPT)));
	assert_true(is_zero(ask(&policy, 0xd, 0)));
	assert_true(is_zero(ask(&policy, 0xd, 1)));
}

/* A guest other than Domain 0 learns nothing of the host's topology. */
static void test_guest_topology(void **state)
{
	struct policy policy = full_policy("AuthenticAMD", false);

	(void)state;
	assert_int_equal(ask(&policy, 1, 0).b, 0xff00);
	assert_int_equal(ask(&policy, 4, 0).a, 0x3fff);
	assert_int_equal(ask(&policy, 0x80000008, 0).c, 0);
	assert_false(policy_has(&policy, F(CMP_LEGACY)));
}

static void test_featureset(void **state)
{
	struct policy policy = full_policy("AuthenticAMD", true);
	struct policy host;
	u32 guest[POLICY_FEATURE_WORDS], real[POLICY_FEATURE_WORDS];

	(void)state;
	policy_raw_init(&host, fake_cpuid);
	host.arch_caps = UINT64_MAX;
	policy_featureset(&host, real);
	policy_featureset(&policy, guest);
	for (unsigned int w = 0; w < POLICY_FEATURE_WORDS; w++) {
		assert_int_equal(real[w], ~0u);
		assert_int_equal(guest[w] >> 5 & 1, policy_has(&policy, w * 32 + 5));
	}
	/* AMD's second copy of the first word says the same as the first. */
	assert_int_equal(guest[2] & 0x0183f3ff & ~(1u << 11), guest[0] & 0x0183f3ff);
	assert_int_equal(guest[16] & 1, 1);
	assert_int_equal(guest[17], 1u << 30);
}

/* ---------------------------------------------------------------- the public form */

static struct policy_leaf leaf_at(const struct policy *policy, u32 leaf, u32 sub)
{
	struct policy_leaf at = POLICY_FIRST_LEAF;

	while (policy_leaf_next(policy, &at))
		if (at.leaf == leaf && at.sub == sub)
			return at;
	fail_msg("no leaf %x.%x", leaf, sub);
	return at;
}

static void test_public_order(void **state)
{
	static const u32 basic[] = {0, 1, 2, 3, 4, 4, 4, 4,   4,   4,
				    5, 6, 7, 7, 7, 8, 9, 0xa, 0xb, 0xc};
	struct policy policy = full_policy("AuthenticAMD", false);
	struct policy_leaf at = POLICY_FIRST_LEAF, last = {0};
	unsigned int count = 0;

	(void)state;
	for (; policy_leaf_next(&policy, &at); count++) {
		if (count < ARRAY_SIZE(basic))
			assert_int_equal(at.leaf, basic[count]);
		assert_true(count == 0 || at.leaf > last.leaf ||
			    (at.leaf == last.leaf && at.sub > last.sub));
		assert_int_equal(at.sub == POLICY_NO_SUB,
				 at.leaf != 4 && at.leaf != 7 && at.leaf != 0xb && at.leaf != 0xd);
		last = at;
	}
	assert_int_equal(last.leaf, 0x80000021);
	assert_in_range(count, 60, POLICY_PUBLIC_MAX);
	assert_true(is_zero(leaf_at(&policy, 3, POLICY_NO_SUB).v));
	assert_true(is_zero(leaf_at(&policy, 0x40000000, POLICY_NO_SUB).v));
	assert_int_equal(leaf_at(&policy, 0xd, 7).v.a, 1024);
	/* A CPU of nothing: one leaf of each kind. */
	memset(&policy, 0, sizeof(policy));
	at = POLICY_FIRST_LEAF;
	for (count = 0; policy_leaf_next(&policy, &at); count++)
		assert_true(is_zero(at.v));
	assert_int_equal(count, 4);
}

static bool set(struct policy *policy, u32 leaf, u32 sub, u32 all)
{
	return policy_leaf_set(policy, &(struct policy_leaf){leaf, sub, {all, all, all, all}});
}

static void test_public_leaves(void **state)
{
	static const struct policy_leaf bad[] = {
		{.leaf = 0, .sub = 0},
		{.leaf = 1, .sub = 1},
		{.leaf = 4, .sub = 6},
		{.leaf = 4, .sub = POLICY_NO_SUB},
		{.leaf = 7, .sub = 3},
		{.leaf = 0xb, .sub = 2},
		{.leaf = 0xd, .sub = 63},
		{.leaf = 0xe, .sub = POLICY_NO_SUB},
		{.leaf = 0x40000001, .sub = ~0u},
		{.leaf = 0x80000022, .sub = ~0u},
		{.leaf = 0x7fffffff, .sub = ~0u},
		{.leaf = ~0u, .sub = ~0u},
	};
	struct policy policy = full_policy("GenuineIntel", false), before = policy;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(policy_leaf_set(&policy, &bad[i]));
	/* There are such leaves, and nothing of them is kept. */
	assert_true(set(&policy, 3, POLICY_NO_SUB, ~0u));
	assert_true(set(&policy, 0xb, 1, ~0u));
	assert_true(set(&policy, 0xd, 62, ~0u));
	assert_true(set(&policy, 0x40000100, POLICY_NO_SUB, ~0u));
	assert_memory_equal(&policy, &before, sizeof(policy));
	assert_true(policy_msr_is_known(0xce) && policy_msr_is_known(0x10a) &&
		    !policy_msr_is_known(0x10));
	assert_true(policy_msr_set(&policy, 0xce, 0));
	assert_false(policy_msr_set(&policy, 0xce, 1ull << 31));
}

/* A tool that asks for everything gets what a guest may have; one that asks for less gets less. */
static void test_public_settle(void **state)
{
	struct policy policy = full_policy("GenuineIntel", true), raw, most = policy;
	u32 words[POLICY_FEATURE_WORDS], allowed[POLICY_FEATURE_WORDS];
	struct policy_leaf bad;

	(void)state;
	policy_raw_init(&raw, fake_cpuid);
	raw.arch_caps = UINT64_MAX;
	for (unsigned int i = 0; i < policy.leaf_count; i++)
		if (policy.leaf[i].leaf != 0 && policy.leaf[i].leaf != 0x80000000)
			memset(&policy.leaf[i].v, 0xff, sizeof(policy.leaf[i].v));
	assert_true(policy_msr_set(&policy, 0x10a, UINT64_MAX));
	assert_true(policy_settle(&policy, &raw, &bad));
	policy_featureset(&policy, words);
	policy_featureset(&most, allowed);
	assert_memory_equal(words, allowed, sizeof(words));
	assert_int_equal(policy.xcr0_max, most.xcr0_max);
	assert_int_equal(leaf_at(&policy, 0xd, 7).v.b, 1664);
	assert_int_equal(leaf_at(&policy, 0x80000008, POLICY_NO_SUB).v.a, 48 << 8 | 52);

	/* Without AVX: none of its state, nor what needs that. */
	assert_true(policy_leaf_set(
		&policy, &(struct policy_leaf){1, POLICY_NO_SUB, {0, 0, ~(1u << 28), ~0u}}));
	assert_true(policy_settle(&policy, &raw, &bad));
	assert_int_equal(policy.xcr0_max, 3);
	assert_false(policy_has(&policy, F(AVX2)) || policy_has(&policy, F(AVX512F)));
	assert_true(policy_has(&policy, F(AESNI)));

	/* A maximum above the CPU's own. */
	assert_true(set(&policy, 0, POLICY_NO_SUB, 0xe));
	assert_false(policy_settle(&policy, &raw, &bad));
	assert_int_equal(bad.leaf, 0);
	policy = most;
	assert_true(set(&policy, 0x80000000, POLICY_NO_SUB, 0x80000022));
	assert_false(policy_settle(&policy, &raw, &bad));
	assert_int_equal(bad.leaf, 0x80000000);
}

/* ---------------------------------------------------------------- MSRs */

static enum policy_msr_do read_of(const struct policy *policy, u32 msr)
{
	u64 value = 0x5a5a;
	enum policy_msr_do how = policy_rdmsr(policy, msr, &value);

	if (how == POLICY_MSR_FAULT || how == POLICY_MSR_VCPU)
		assert_int_equal(value, 0);
	return how;
}

/*
 * Nothing that is not in the table is read, written or named: all numbers that exist, and a sample
 * of the others.
 */
static void test_unknown_msrs_fault(void **state)
{
	struct policy policy = full_policy("AuthenticAMD", true);
	unsigned int known = 0;

	(void)state;
	for (u64 i = 0; i < 1u << 20; i++) {
		u32 msr = (u32)(i < 0x2000    ? i
				: i < 0x14000 ? 0xc0000000 + (i - 0x2000)
					      : i * 0x9e3779b1u);

		if (policy_msr_name(msr)) {
			known++;
			continue;
		}
		assert_int_equal(read_of(&policy, msr), POLICY_MSR_FAULT);
		assert_int_equal(policy_wrmsr(&policy, msr, 0), POLICY_MSR_FAULT);
	}
	assert_in_range(known, 100, 250);
	assert_int_equal(read_of(&policy, 0x48), POLICY_MSR_FAULT);
	assert_int_equal(read_of(&policy, 0x49), POLICY_MSR_FAULT);
	assert_int_equal(read_of(&policy, 0xc0000082), POLICY_MSR_FAULT);
	assert_int_equal(read_of(&policy, 0x802), POLICY_MSR_FAULT);
}

/* Real registers reach Domain 0 alone, but for the TSC, which it could read anyway. */
static void test_hardware_is_for_dom0(void **state)
{
	static const char *const vendors[] = {"GenuineIntel", "AuthenticAMD"};

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		struct policy policy = full_policy(vendors[i], false);

		for (u32 n = 0; n < 0x6000; n++) {
			u32 msr = n < 0x2000 ? n : 0xc0000000 + (n - 0x2000);

			if (msr != 0x10)
				assert_int_not_equal(read_of(&policy, msr), POLICY_MSR_HARDWARE);
			if (msr != 0x49)
				assert_int_not_equal(policy_wrmsr(&policy, msr, 0),
						     POLICY_MSR_HARDWARE);
		}
		policy.is_dom0 = true;
		assert_int_equal(read_of(&policy, 0x8b), POLICY_MSR_HARDWARE);
		assert_int_equal(read_of(&policy, 0x17),
				 i ? POLICY_MSR_FAULT : POLICY_MSR_HARDWARE);
		assert_int_equal(read_of(&policy, 0xc001001a),
				 i ? POLICY_MSR_HARDWARE : POLICY_MSR_FAULT);
	}
}

static void test_bases(void **state)
{
	static const u64 good[] = {0, 1, 0x7fffffffffff, 0xffff800000000000, UINT64_MAX};
	static const u64 bad[] = {0x800000000000, 0xffff7fffffffffff, 1ull << 63, 0x1000000000000};
	struct policy policy = full_policy("GenuineIntel", false);

	(void)state;
	for (u32 msr = 0xc0000100; msr <= 0xc0000102; msr++) {
		assert_int_equal(read_of(&policy, msr), POLICY_MSR_VCPU);
		for (unsigned int i = 0; i < ARRAY_SIZE(good); i++)
			assert_int_equal(policy_wrmsr(&policy, msr, good[i]), POLICY_MSR_VCPU);
		for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
			assert_int_equal(policy_wrmsr(&policy, msr, bad[i]), POLICY_MSR_FAULT);
	}
	assert_int_equal(read_of(&policy, 0xc0000103), POLICY_MSR_VCPU);
	assert_int_equal(policy_wrmsr(&policy, 0xc0000103, UINT32_MAX), POLICY_MSR_VCPU);
	assert_int_equal(policy_wrmsr(&policy, 0xc0000103, 1ull << 32), POLICY_MSR_FAULT);
}

static void test_constants(void **state)
{
	struct policy policy = full_policy("GenuineIntel", true);
	u64 value;

	(void)state;
	assert_int_equal(policy_rdmsr(&policy, 0x277, &value), POLICY_MSR_DONE);
	assert_true(value == 0x050100070406);
	assert_int_equal(policy_wrmsr(&policy, 0x277, value), POLICY_MSR_DONE);
	assert_int_equal(policy_wrmsr(&policy, 0x277, 0x0007040600070406), POLICY_MSR_FAULT);
	assert_int_equal(policy_rdmsr(&policy, 0xc0000080, &value), POLICY_MSR_DONE);
	assert_true(value == 0xd01);
	assert_int_equal(policy_wrmsr(&policy, 0xc0000080, 0xd01), POLICY_MSR_DONE);
	assert_int_equal(policy_wrmsr(&policy, 0xc0000080, 0x501), POLICY_MSR_FAULT);
	assert_int_equal(policy_wrmsr(&policy, 0xc0000080, 0x1d01), POLICY_MSR_FAULT);
	assert_int_equal(policy_rdmsr(&policy, 0x1b, &value), POLICY_MSR_DONE);
	assert_true(value == 0xfee00900);
	assert_int_equal(policy_wrmsr(&policy, 0x1b, value), POLICY_MSR_FAULT);
	assert_int_equal(policy_wrmsr(&policy, 0x1a0, 0), POLICY_MSR_DONE);
	assert_int_equal(policy_wrmsr(&policy, 0x10, 0), POLICY_MSR_FAULT);
	assert_int_equal(policy_wrmsr(&policy, 0x8b, 0), POLICY_MSR_DONE);
	assert_int_equal(policy_wrmsr(&policy, 0x8b, 1), POLICY_MSR_FAULT);
	assert_string_equal(policy_msr_name(0x277), "PAT");
}

/* IBPB is a command: one bit, no reading; and only where CPUID announces it. */
static void test_predictor_command(void **state)
{
	struct policy policy = full_policy("AuthenticAMD", false);

	(void)state;
	assert_int_equal(policy_wrmsr(&policy, 0x49, 0), POLICY_MSR_HARDWARE);
	assert_int_equal(policy_wrmsr(&policy, 0x49, 1), POLICY_MSR_HARDWARE);
	assert_int_equal(policy_wrmsr(&policy, 0x49, 3), POLICY_MSR_FAULT);
	for (unsigned int i = 0; i < policy.leaf_count; i++) {
		if (policy.leaf[i].leaf == 0x80000008)
			policy.leaf[i].v.b = 0;
	}
	assert_int_equal(policy_wrmsr(&policy, 0x49, 1), POLICY_MSR_FAULT);
}

static void test_arch_caps(void **state)
{
	struct policy policy = full_policy("GenuineIntel", true);
	u64 value;

	(void)state;
	assert_int_equal(policy_rdmsr(&policy, 0x10a, &value), POLICY_MSR_DONE);
	assert_true(value == policy.arch_caps);
	/*
	 * SKIP_L1DFL, TSX_CTRL, MISC_PKG_CTRL, ENERGY_FILTERING, DOITM, FB_CLEAR_CTRL, GDS_CTRL:
	 * controls.
	 */
	assert_true((value & (1ull << 3 | 1ull << 7 | 7ull << 10 | 1ull << 18 | 1ull << 25)) == 0);
	assert_int_equal(value & 1, 1);
	assert_int_equal(policy_wrmsr(&policy, 0x10a, value), POLICY_MSR_FAULT);
	cpu.is_full = false;
	for (unsigned int i = 0; i < policy.leaf_count; i++) {
		if (policy.leaf[i].leaf == 7)
			policy.leaf[i].v.d = 0;
	}
	assert_int_equal(policy_rdmsr(&policy, 0x10a, &value), POLICY_MSR_FAULT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hidden_whatever_the_cpu_has),
		cmocka_unit_test(test_unknown_leaves),
		cmocka_unit_test(test_maxima),
		cmocka_unit_test(test_bare_cpu),
		cmocka_unit_test(test_xen_leaves),
		cmocka_unit_test(test_xsave),
		cmocka_unit_test(test_xsave_contradictions),
		cmocka_unit_test(test_guest_topology),
		cmocka_unit_test(test_featureset),
		cmocka_unit_test(test_public_order),
		cmocka_unit_test(test_public_leaves),
		cmocka_unit_test(test_public_settle),
		cmocka_unit_test(test_unknown_msrs_fault),
		cmocka_unit_test(test_hardware_is_for_dom0),
		cmocka_unit_test(test_bases),
		cmocka_unit_test(test_constants),
		cmocka_unit_test(test_predictor_command),
		cmocka_unit_test(test_arch_caps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

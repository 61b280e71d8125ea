/* SPDX-License-Identifier: MIT */
/* uses: src/policy/cpuid.c src/policy/feature.c src/policy/msr.c src/policy/public.c */
/*
 * Domain 0's CPUID and MSRs on Mica beside those on Xen 4.17, for the CPU models that QEMU
 * emulates: the files test/oracle/cpuid-*.txt hold what the bare CPU says and what Domain 0 of Xen
 * sees (tools/cpuid_oracle.py makes them). Every difference is in a list here, with its reason; one
 * that is not, or is no longer there, fails.
 */
#include "policy/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LEAVES_MAX 128
#define MSRS_MAX   512

struct msr_seen {
	u32 msr;
	u64 value;
	bool written;
};

struct oracle {
	const char *model;
	struct policy_leaf native[LEAVES_MAX], xen[LEAVES_MAX];
	unsigned int native_count, xen_count;
	struct msr_seen msr[MSRS_MAX];
	unsigned int msr_count;
};

static struct oracle oracle;

static void oracle_load(const char *model)
{
	char name[64], line[128];
	bool is_xen = false;
	FILE *file;

	memset(&oracle, 0, sizeof(oracle));
	oracle.model = model;
	snprintf(name, sizeof(name), "test/oracle/cpuid-%s.txt", model);
	file = fopen(name, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		struct policy_leaf l;
		struct msr_seen m;
		unsigned int written;

		if (!strncmp(line, "[xen]", 5))
			is_xen = true;
		if (sscanf(line, "C %x %x %x %x %x %x", &l.leaf, &l.sub, &l.v.a, &l.v.b, &l.v.c,
			   &l.v.d) == 6) {
			if (is_xen)
				oracle.xen[oracle.xen_count++] = l;
			else
				oracle.native[oracle.native_count++] = l;
		}
		if (sscanf(line, "M %x %lx %u", &m.msr, &m.value, &written) == 3) {
			m.written = written;
			oracle.msr[oracle.msr_count++] = m;
		}
		assert_true(oracle.xen_count < LEAVES_MAX && oracle.native_count < LEAVES_MAX);
		assert_true(oracle.msr_count < MSRS_MAX);
	}
	fclose(file);
	assert_true(oracle.native_count > 10 && oracle.xen_count > 10 && oracle.msr_count > 10);
}

static struct cpuid_leaf leaf_in(const struct policy_leaf *list, unsigned int count, u32 leaf,
				 u32 sub)
{
	struct cpuid_leaf zero = {0, 0, 0, 0};

	for (unsigned int i = 0; i < count; i++) {
		if (list[i].leaf == leaf && list[i].sub == sub)
			return list[i].v;
	}
	return zero;
}

static void native_cpuid(u32 leaf, u32 sub, struct cpuid_leaf *out)
{
	*out = leaf_in(oracle.native, oracle.native_count, leaf, sub);
}

/* ---------------------------------------------------------------- CPUID */

enum { A, B, C, D };

/* Bits in which Mica's answer differs from Xen's. */
static const struct difference {
	const char *model;
	u32 leaf, sub;
	unsigned int reg;
	u32 bits;
	const char *why;
} differences[] = {
	{"Haswell", 0x1, 0, D, 1u << 11, "SEP: Mica refuses SYSENTER"},
	{"Haswell", 0x1, 0, C, 1u << 12 | 1u << 28 | 1u << 29,
	 "AVX FMA F16C: Xen takes AVX away as long as no microcode mends gather sampling"},
	{"Haswell", 0x7, 0, B, 1u << 5, "AVX2: the same"},
	{"Haswell", 0xd, 0, A, 4, "AVX state: the same"},
	{"Haswell", 0xd, 0, B, 0x340 ^ 0x240, "AVX state: the same"},
	{"Haswell", 0xd, 0, C, 0x340 ^ 0x240, "AVX state: the same"},
	{"Haswell", 0xd, 2, A, 0x100, "AVX state: the same"},
	{"Haswell", 0xd, 2, B, 0x240, "AVX state: the same"},
	{"Haswell", 0x7, 0, D, 1u << 29, "ARCH_CAPS: Xen invents the register, with value 0"},
	{"qemu64", 0x80000000, 0, A, 0x80000021 ^ 0x8000000a, "Xen adds 80000021 for LFENCE"},
	{"qemu64", 0x80000021, 0, A, 4, "LFENCE serialises: read from DE_CFG all the same"},
	{"max", 0x80000000, 0, A, 0x80000021 ^ 0x8000000a, "Xen adds 80000021 for LFENCE"},
	{"max", 0x80000021, 0, A, 4, "LFENCE serialises: read from DE_CFG all the same"},
};

static u32 expected_difference(u32 leaf, u32 sub, unsigned int reg)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(differences); i++) {
		const struct difference *d = &differences[i];

		if (!strcmp(d->model, oracle.model) && d->leaf == leaf && d->sub == sub &&
		    d->reg == reg)
			return d->bits;
	}
	return 0;
}

static unsigned int compare_leaf(const struct policy *policy, u32 leaf, u32 sub)
{
	const struct policy_vcpu vcpu = {.osxsave = policy->xcr0_max != 0,
					 .xcr0 = policy->xcr0_max};
	struct cpuid_leaf xen = leaf_in(oracle.xen, oracle.xen_count, leaf, sub), mica;
	unsigned int wrong = 0;

	policy_cpuid(policy, &vcpu, leaf, sub, &mica);
	for (unsigned int reg = A; reg <= D; reg++) {
		u32 ours = (&mica.a)[reg], theirs = (&xen.a)[reg];
		u32 expected = expected_difference(leaf, sub, reg);

		if ((ours ^ theirs) == expected)
			continue;
		print_error("%s: leaf %x.%x %c: Xen %08x, Mica %08x, expected difference %08x\n",
			    oracle.model, leaf, sub, 'a' + (char)reg, theirs, ours, expected);
		wrong++;
	}
	return wrong;
}

/* All leaves that either side could have something in. */
static void check_cpuid(const char *model)
{
	struct policy host;
	struct policy policy;
	unsigned int wrong = 0;

	oracle_load(model);
	policy_raw_init(&host, native_cpuid);
	policy_make(&policy, &host, POLICY_MAX);
	policy.tsc_khz = leaf_in(oracle.xen, oracle.xen_count, 0x40000003, 2).a;
	policy.machine_bits = 30; /* of 768 MiB */
	for (u32 base = 0; base < 0xc0000000; base += 0x40000000) {
		for (u32 leaf = base; leaf < base + 0x30; leaf++) {
			for (u32 sub = 0; sub < 12; sub++) {
				bool has_subs = leaf == 4 || leaf == 7 || leaf == 0xb ||
						leaf == 0xd || leaf == 0x40000003 ||
						leaf == 0x8000001d;

				if (sub == 0 || has_subs)
					wrong += compare_leaf(&policy, leaf, sub);
			}
		}
	}
	assert_int_equal(wrong, 0);
}

/* ---------------------------------------------------------------- MSRs */

/* Read and write as Xen does unless it is here. */
static const struct {
	u32 first, last;
	const char *why;
} msr_differences[] = {
	{0xc001001f, 0xc001001f, "NB_CFG: not on Intel"},
	{0x10a, 0x10a, "ARCH_CAPABILITIES: not invented where the CPU has none"},
	{0x179, 0x179, "MCG_CAP: no CMCI in Mica's silent banks"},
	{0x8b, 0x8b, "UCODE_REV: the CPU's own, not in the oracle's file"},
};

static bool msr_is_different(u32 msr)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(msr_differences); i++) {
		if (msr >= msr_differences[i].first && msr <= msr_differences[i].last)
			return true;
	}
	return false;
}

static const struct msr_seen *msr_in_oracle(u32 msr)
{
	for (unsigned int i = 0; i < oracle.msr_count; i++) {
		if (oracle.msr[i].msr == msr)
			return &oracle.msr[i];
	}
	return NULL;
}

static unsigned int compare_msr(const struct policy *policy, u32 msr)
{
	const struct msr_seen *xen = msr_in_oracle(msr);
	enum policy_msr_do how;
	u64 value;

	if (msr_is_different(msr))
		return 0;
	how = policy_rdmsr(policy, msr, &value);
	if (!xen != (how == POLICY_MSR_FAULT)) {
		print_error("%s: msr %x is %s on Xen\n", oracle.model, msr,
			    xen ? "readable" : "not readable");
		return 1;
	}
	if (!xen)
		return 0;
	if (how == POLICY_MSR_DONE && value != xen->value) {
		print_error("%s: msr %x: Xen %lx, Mica %lx\n", oracle.model, msr, xen->value,
			    value);
		return 1;
	}
	/*
	 * What Xen takes back, Mica takes back. The other way round harms nobody: it is the same
	 * value.
	 */
	if (xen->written && policy_wrmsr(policy, msr, xen->value) == POLICY_MSR_FAULT) {
		print_error("%s: msr %x cannot be written back\n", oracle.model, msr);
		return 1;
	}
	assert_non_null(policy_msr_name(msr));
	return 0;
}

/* The ranges of tools/cpuid_probe.c. */
static void check_msrs(const char *model)
{
	static const u32 ranges[][2] = {
		{0x0, 0x407},
		{0x480, 0x4a0},
		{0x560, 0x5a0},
		{0x600, 0x6b0},
		{0x770, 0x7a0},
		{0xc80, 0xd20},
		{0xda0, 0xda0},
		{0x1900, 0x1990},
		{0x40000000, 0x40000010},
		{0xc0000080, 0xc0000110},
		{0xc0000200, 0xc0000210},
		{0xc0010000, 0xc0010080},
		{0xc0010110, 0xc0010142},
		{0xc0010200, 0xc0010210},
		{0xc0010290, 0xc00102ff},
		{0xc0011000, 0xc0011040},
	};
	struct policy host;
	struct policy policy;
	unsigned int wrong = 0;

	oracle_load(model);
	policy_raw_init(&host, native_cpuid);
	policy_make(&policy, &host, POLICY_MAX);
	for (unsigned int i = 0; i < ARRAY_SIZE(ranges); i++) {
		for (u32 msr = ranges[i][0]; msr <= ranges[i][1]; msr++)
			wrong += compare_msr(&policy, msr);
	}
	assert_int_equal(wrong, 0);
}

#define MODEL_TESTS(name)                           \
	static void test_cpuid_##name(void **state) \
	{                                           \
		(void)state;                        \
		check_cpuid(#name);                 \
	}                                           \
	static void test_msrs_##name(void **state)  \
	{                                           \
		(void)state;                        \
		check_msrs(#name);                  \
	}

MODEL_TESTS(qemu64)
MODEL_TESTS(Haswell)
MODEL_TESTS(EPYC)
MODEL_TESTS(max)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpuid_qemu64), cmocka_unit_test(test_cpuid_Haswell),
		cmocka_unit_test(test_cpuid_EPYC),   cmocka_unit_test(test_cpuid_max),
		cmocka_unit_test(test_msrs_qemu64),  cmocka_unit_test(test_msrs_Haswell),
		cmocka_unit_test(test_msrs_EPYC),    cmocka_unit_test(test_msrs_max),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

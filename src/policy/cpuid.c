/* SPDX-License-Identifier: MIT */
/*
 * CPUID of a guest: one table says which leaves it sees and which parts of them; feature.c says
 * which features. Reached from pv/ (a trapped or forced CPUID), domain/ (a new domain's policy) and
 * the tool calls; calls feature.c, xsave.c. No lock.
 */
#include "policy/priv.h"

#include "lib/abi.h"
#include "lib/string.h"

#include <xen/arch-x86/cpufeatureset.h>
#include <xen/arch-x86/cpuid.h>

#define ALL	0xffffffffu
#define ANY_SUB POLICY_NO_SUB, 1

struct policy policy_cpu;

/* Some leaves, their sub-leaves sub .. sub + subs - 1, and the bits of each register that a guest may be shown. */
struct leaf_row {
	u32 leaf, leaves;
	u32 sub, subs;
	struct cpuid_leaf mask;
};

/*
 * Not here, so zero: 3 serial number; 5 MONITOR; 6 and A power, thermal and performance monitors; B
 * and 1F topology (Linux takes a PV guest's from elsewhere); 8000001D, 8000001E (with TOPOEXT);
 * everything newer. Domain 0 sees the boot CPU's APIC ID on all its vCPUs: Linux compares it with
 * what XENPF_get_cpuinfo says of CPU 0.
 */
static const struct leaf_row leaf_rows[] = {
	{0x0, 3, ANY_SUB, {ALL, ALL, ALL, ALL}},
	{0x4, 1, 0, 6, {ALL, ALL, ALL, ALL}},
	{0x7, 1, 0, FEATURE_MAX + 1, {ALL, ALL, ALL, ALL}},
	{0xd, 1, 0, 3, {ALL, ALL, ALL, ALL}},
	{0xd, 1, 5, 3, {ALL, ALL, ALL, ALL}},
	{0x80000000, 7, ANY_SUB, {ALL, ALL, ALL, ALL}},
	{0x80000007, 1, ANY_SUB, {0, 0, 0, ALL}},
	{0x80000008, 1, ANY_SUB, {0x0000ffff, ALL, 0x0000f0ff, 0}},
	{0x80000021, 1, ANY_SUB, {ALL, 0, ALL, 0}},
};

/* A guest learns the machine's topology only if tools tell it. */
static const struct leaf_row default_rows[] = {
	{0x1, 1, ANY_SUB, {ALL, 0x0000ff00, ALL, ALL & ~(1u << 28)}},
	{0x4, 1, 0, 6, {0x00003fff, ALL, ALL, ALL}},
	{0x80000001, 1, ANY_SUB, {ALL, ALL, ALL & ~(1u << 1), ALL}},
	{0x80000008, 1, ANY_SUB, {ALL, ALL, 0, ALL}},
};

/*
 * Intel's manual reserves these parts of the extended leaves (SDM 2A CPUID); an emulated CPU may
 * fill them.
 */
static const struct leaf_row intel_rows[] = {
	{0x80000000, 1, ANY_SUB, {ALL, 0, 0, 0}},
	{0x80000001, 1, ANY_SUB, {0, 0, ALL, ALL}},
	{0x80000005, 1, ANY_SUB, {0, 0, 0, 0}},
	{0x80000006, 1, ANY_SUB, {0, 0, ALL, 0}},
};

/* ------------------------------------------------------------------ stored leaves */

const struct cpuid_leaf *policy_leaf_find(const struct policy *policy, u32 nr, u32 sub)
{
	for (unsigned int i = 0; i < policy->leaf_count; i++) {
		const struct policy_leaf *l = &policy->leaf[i];

		if (l->leaf == nr && (l->sub == sub || l->sub == POLICY_NO_SUB))
			return &l->v;
	}
	return NULL;
}

struct cpuid_leaf *policy_leaf(struct policy *policy, u32 nr, u32 sub)
{
	for (unsigned int i = 0; i < policy->leaf_count; i++)
		if (policy->leaf[i].leaf == nr && policy->leaf[i].sub == sub)
			return &policy->leaf[i].v;
	return NULL;
}

static enum policy_vendor vendor_of(const struct cpuid_leaf *v)
{
	char name[12];

	memcpy(name, &v->b, 4);
	memcpy(name + 4, &v->d, 4);
	memcpy(name + 8, &v->c, 4);
	if (memcmp(name, "GenuineIntel", 12) == 0)
		return POLICY_INTEL;
	if (memcmp(name, "AuthenticAMD", 12) == 0 || memcmp(name, "HygonGenuine", 12) == 0)
		return POLICY_AMD;
	return POLICY_OTHER;
}

/*
 * Does the CPU have this sub-leaf? A leaf past the maximum would answer with another leaf's data.
 */
static bool sub_exists(u32 leaf, u32 sub, const struct cpuid_leaf *zero, const struct cpuid_leaf *v)
{
	if (leaf == 0x4)
		return (v->a & 0x1f) != 0;
	return leaf != 0x7 || sub <= zero->a;
}

static void leaf_read(struct policy *raw, const struct leaf_row *row, u32 leaf,
		      void (*cpuid)(u32 leaf, u32 sub, struct cpuid_leaf *out))
{
	struct cpuid_leaf v, zero = {0, 0, 0, 0};

	for (u32 n = 0; n < row->subs && raw->leaf_count < POLICY_LEAVES_MAX; n++) {
		u32 sub = row->sub == POLICY_NO_SUB ? POLICY_NO_SUB : row->sub + n;

		cpuid(leaf, sub == POLICY_NO_SUB ? 0 : sub, &v);
		if (n == 0)
			zero = v;
		if (!sub_exists(leaf, sub, &zero, &v))
			break;
		raw->leaf[raw->leaf_count++] = (struct policy_leaf){
			.leaf = leaf, .sub = sub, .v = v};
	}
}

void policy_raw_init(struct policy *raw, void (*cpuid)(u32 leaf, u32 sub, struct cpuid_leaf *out))
{
	struct cpuid_leaf basic, ext, *v;

	memset(raw, 0, sizeof(*raw));
	cpuid(0, 0, &basic);
	cpuid(EXT_BASE, 0, &ext);
	if (ext.a >> 16 != EXT_BASE >> 16)
		ext.a = 0;
	raw->vendor = vendor_of(&basic);
	for (unsigned int i = 0; i < ARRAY_SIZE(leaf_rows); i++) {
		const struct leaf_row *row = &leaf_rows[i];

		for (u32 leaf = row->leaf; leaf < row->leaf + row->leaves; leaf++)
			if (leaf <= (leaf >= EXT_BASE ? ext.a : basic.a))
				leaf_read(raw, row, leaf, cpuid);
	}
	v = policy_leaf(raw, 1, POLICY_NO_SUB);
	if (v != NULL)
		v->c |= 1u << (XEN_X86_FEATURE_HYPERVISOR % 32);
}

/* ------------------------------------------------------------------ what is not shown */

static void rows_apply(struct policy *policy, const struct leaf_row *rows, unsigned int count)
{
	for (unsigned int r = 0; r < count; r++) {
		const struct cpuid_leaf *mask = &rows[r].mask;

		for (unsigned int i = 0; i < policy->leaf_count; i++) {
			struct policy_leaf *l = &policy->leaf[i];

			if (l->leaf - rows[r].leaf >= rows[r].leaves ||
			    l->sub - rows[r].sub >= rows[r].subs)
				continue;
			l->v.a &= mask->a;
			l->v.b &= mask->b;
			l->v.c &= mask->c;
			l->v.d &= mask->d;
		}
	}
}

static void limit(struct policy *policy, u32 nr, u32 sub, u32 most)
{
	struct cpuid_leaf *v = policy_leaf(policy, nr, sub);

	if (v != NULL)
		v->a = MIN(v->a, most);
}

/* Cut the maxima, and the address width, which an emulated CPU gives for five-level paging. */
static void limits_apply(struct policy *policy, const struct policy *raw)
{
	const struct cpuid_leaf *real = policy_leaf_find(raw, 0x80000008, POLICY_NO_SUB);
	struct cpuid_leaf *v = policy_leaf(policy, 0x80000008, POLICY_NO_SUB);

	limit(policy, 0, POLICY_NO_SUB, BASIC_MAX);
	limit(policy, 7, 0, FEATURE_MAX);
	limit(policy, EXT_BASE, POLICY_NO_SUB,
	      policy->vendor == POLICY_AMD ? EXT_MAX : EXT_MAX_INTEL);
	policy->machine_bits = 36; /* what a CPU without leaf 0x80000008 has (SDM 3A 4.1.4) */
	if (v == NULL || real == NULL)
		return;
	policy->machine_bits = (u8)MIN(MIN(v->a & 0xff, real->a & 0xff), 52u);
	v->a = MIN(v->a >> 8 & 0xff, 48u) << 8 | policy->machine_bits;
}

void policy_mask(struct policy *policy, const struct policy *raw, enum policy_kind kind)
{
	policy->vendor = raw->vendor;
	if (kind == POLICY_RAW)
		return;
	rows_apply(policy, leaf_rows, ARRAY_SIZE(leaf_rows));
	if (kind == POLICY_DEFAULT)
		rows_apply(policy, default_rows, ARRAY_SIZE(default_rows));
	if (policy->vendor == POLICY_INTEL)
		rows_apply(policy, intel_rows, ARRAY_SIZE(intel_rows));
	limits_apply(policy, raw);
	policy_features_mask(policy, raw, kind);
	policy_xsave_settle(policy, raw);
	policy_features_drop(policy);
}

void policy_make(struct policy *policy, const struct policy *raw, enum policy_kind kind)
{
	*policy = *raw;
	policy_mask(policy, raw, kind);
}

/* ------------------------------------------------------------------ answers */

#define TIME_TSC_STABLE 2u
#define TIME_HAS_RDTSCP 4u

static void xen_leaf_3(const struct policy *policy, u32 sub, struct cpuid_leaf *out)
{
	/* TSC neither trapped, nor scaled, nor moved: sub-leaf 1 (offset, factor) stays zero. */
	if (sub == 0) {
		out->a = (policy->is_tsc_stable ? TIME_TSC_STABLE : 0) |
			 (policy_has(policy, XEN_X86_FEATURE_RDTSCP) ? TIME_HAS_RDTSCP : 0);
		out->b = policy->tsc_mode;
		out->c = policy->guest_tsc_khz;
		out->d = policy->incarnation;
	}
	if (sub == 2)
		out->a = policy->tsc_khz;
}

/* The hypervisor's own leaves: public header arch-x86/cpuid.h. */
static void xen_leaf(const struct policy *policy, u32 nr, u32 sub, struct cpuid_leaf *out)
{
	switch (nr) {
	case 0:
		out->a = XEN_CPUID_LEAF(XEN_CPUID_MAX_NUM_LEAVES);
		out->b = XEN_CPUID_SIGNATURE_EBX;
		out->c = XEN_CPUID_SIGNATURE_ECX;
		out->d = XEN_CPUID_SIGNATURE_EDX;
		break;
	case 1:
		out->a = 4u << 16 | 17u;
		break;
	case 2:
		out->a = 1;
		out->b = 0x40000000; /* would fill an HVM guest's hypercall page */
		out->c = XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD;
		break;
	case 3:
		xen_leaf_3(policy, sub, out);
		break;
	case 5:
		if (sub == 0)
			out->b = policy->machine_bits;
		break;
	default:
		break;
	}
}

void policy_cpuid(const struct policy *policy, const struct policy_vcpu *vcpu, u32 leaf, u32 sub,
		  struct cpuid_leaf *out)
{
	const struct cpuid_leaf *v;

	memset(out, 0, sizeof(*out));
	if (leaf >= XEN_CPUID_FIRST_LEAF && leaf < XEN_CPUID_FIRST_LEAF + 0x100) {
		xen_leaf(policy, leaf - XEN_CPUID_FIRST_LEAF, sub, out);
		return;
	}
	v = policy_leaf_find(policy, leaf, sub);
	if (!v)
		return;
	*out = *v;

	if (leaf == 1 && vcpu->osxsave && policy->xcr0_max)
		out->c |= 1u << (XEN_X86_FEATURE_OSXSAVE % 32);
	if (leaf == 0xd && policy->xcr0_max) {
		if (sub == 0) {
			out->b = policy_xsave_bytes(policy, vcpu->xcr0);
			out->c = policy_xsave_bytes(policy, policy->xcr0_max);
		}
		if (sub == 1 && (out->a & 1u << (XEN_X86_FEATURE_XSAVEC % 32)))
			out->b = policy_xsave_compact_bytes(policy, vcpu->xcr0);
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * CPUID of a guest: one table says which leaves it sees and which parts of them; feature.c says
 * which features. Reached from pv/ (a trapped or forced CPUID), domain/ (a new domain's policy) and
 * the tool calls; calls feature.c. No lock.
 */
#include "policy/priv.h"

#include "lib/abi.h"
#include "lib/string.h"

#include <xen/arch-x86/cpufeatureset.h>
#include <xen/arch-x86/cpuid.h>

#define BASIC_MAX 0xdu
#define EXT_BASE  0x80000000u
#define ALL	  0xffffffffu
#define ANY_SUB	  POLICY_NO_SUB, 1

/*
 * Sub-leaves first_sub .. first_sub + subs - 1 of one leaf, and the bits of each register that a
 * guest may be shown.
 */
struct leaf_row {
	u32 leaf;
	u32 first_sub, subs;
	struct cpuid_leaf dom0, others;
};

/*
 * Not here, so zero: 3 serial number; 5 MONITOR; 6 and A power, thermal and performance monitors; B
 * and 1F topology (Linux takes a PV guest's from elsewhere); 8000001D, 8000001E (with TOPOEXT);
 * everything newer. Domain 0 sees the boot CPU's APIC ID on all its vCPUs: Linux compares it with
 * what XENPF_get_cpuinfo says of CPU 0.
 */
static const struct leaf_row leaf_rows[] = {
	{0x0, ANY_SUB, {ALL, ALL, ALL, ALL}, {ALL, ALL, ALL, ALL}},
	{0x1, ANY_SUB, {ALL, ALL, ALL, ALL}, {ALL, 0x0000ff00, ALL, ALL & ~(1u << 28)}},
	{0x2, ANY_SUB, {ALL, ALL, ALL, ALL}, {ALL, ALL, ALL, ALL}},
	{0x4, 0, 6, {ALL, ALL, ALL, ALL}, {0x00003fff, ALL, ALL, ALL}},
	{0x7, 0, 3, {ALL, ALL, ALL, ALL}, {ALL, ALL, ALL, ALL}},
	{0xd, 0, 3, {ALL, ALL, ALL, ALL}, {ALL, ALL, ALL, ALL}},
	{0xd, 5, 3, {ALL, ALL, ALL, ALL}, {ALL, ALL, ALL, ALL}},
	{0x80000000, ANY_SUB, {ALL, ALL, ALL, ALL}, {ALL, ALL, ALL, ALL}},
	{0x80000001, ANY_SUB, {ALL, ALL, ALL, ALL}, {ALL, ALL, ALL & ~(1u << 1), ALL}},
	{0x80000002, ANY_SUB, {ALL, ALL, ALL, ALL}, {ALL, ALL, ALL, ALL}},
	{0x80000003, ANY_SUB, {ALL, ALL, ALL, ALL}, {ALL, ALL, ALL, ALL}},
	{0x80000004, ANY_SUB, {ALL, ALL, ALL, ALL}, {ALL, ALL, ALL, ALL}},
	{0x80000005, ANY_SUB, {ALL, ALL, ALL, ALL}, {ALL, ALL, ALL, ALL}},
	{0x80000006, ANY_SUB, {ALL, ALL, ALL, ALL}, {ALL, ALL, ALL, ALL}},
	{0x80000007, ANY_SUB, {0, 0, 0, ALL}, {0, 0, 0, ALL}},
	{0x80000008, ANY_SUB, {0x0000ffff, ALL, 0x0000f0ff, 0}, {0x0000ffff, ALL, 0, 0}},
	{0x80000021, ANY_SUB, {ALL, 0, ALL, 0}, {ALL, 0, ALL, 0}},
};

/*
 * Intel's manual reserves these parts of the extended leaves (SDM 2A CPUID); an emulated CPU may
 * fill them.
 */
static const struct leaf_row intel_rows[] = {
	{0x80000000, ANY_SUB, {ALL, 0, 0, 0}, {ALL, 0, 0, 0}},
	{0x80000001, ANY_SUB, {0, 0, ALL, ALL}, {0, 0, ALL, ALL}},
	{0x80000005, ANY_SUB, {0, 0, 0, 0}, {0, 0, 0, 0}},
	{0x80000006, ANY_SUB, {0, 0, ALL, 0}, {0, 0, ALL, 0}},
};

static void leaf_and(struct cpuid_leaf *v, const struct cpuid_leaf *mask)
{
	v->a &= mask->a;
	v->b &= mask->b;
	v->c &= mask->c;
	v->d &= mask->d;
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
	if (leaf == 0x7)
		return sub <= zero->a;
	return true;
}

void policy_host_init(struct policy_host *host,
		      void (*cpuid)(u32 leaf, u32 sub, struct cpuid_leaf *out))
{
	struct cpuid_leaf v, basic, ext;

	memset(host, 0, sizeof(*host));
	cpuid(0, 0, &basic);
	cpuid(EXT_BASE, 0, &ext);
	if (ext.a >> 16 != EXT_BASE >> 16)
		ext.a = 0;
	host->vendor = vendor_of(&basic);

	for (unsigned int i = 0; i < ARRAY_SIZE(leaf_rows); i++) {
		const struct leaf_row *row = &leaf_rows[i];
		struct cpuid_leaf zero = {0, 0, 0, 0};

		if (row->leaf > (row->leaf >= EXT_BASE ? ext.a : basic.a))
			continue;
		for (u32 n = 0; n < row->subs; n++) {
			u32 sub = row->first_sub == POLICY_NO_SUB ? POLICY_NO_SUB
								  : row->first_sub + n;

			cpuid(row->leaf, sub == POLICY_NO_SUB ? 0 : sub, &v);
			if (n == 0)
				zero = v;
			if (!sub_exists(row->leaf, sub, &zero, &v) ||
			    host->leaf_count == POLICY_LEAVES_MAX)
				break;
			host->leaf[host->leaf_count++] = (struct policy_leaf){
				.leaf = row->leaf, .sub = sub, .v = v};
		}
	}
}

/* ------------------------------------------------------------------ XSAVE */

#define XSTATE_X87	   BIT(0)
#define XSTATE_SSE	   BIT(1)
#define XSTATE_AVX	   BIT(2)
#define XSTATE_AVX512	   (BIT(5) | BIT(6) | BIT(7))
#define XSTATE_ALL	   (XSTATE_X87 | XSTATE_SSE | XSTATE_AVX | XSTATE_AVX512)
#define XSAVE_LEGACY_BYTES 576u

static bool xcr0_is_consistent(u64 xcr0)
{
	if (!(xcr0 & XSTATE_X87))
		return false;
	if ((xcr0 & XSTATE_AVX) && !(xcr0 & XSTATE_SSE))
		return false;
	return !(xcr0 & XSTATE_AVX512) ||
	       ((xcr0 & XSTATE_AVX512) == XSTATE_AVX512 && (xcr0 & XSTATE_AVX));
}

bool policy_xcr0_is_valid(const struct policy *policy, u64 xcr0)
{
	return policy->xcr0_max && !(xcr0 & ~policy->xcr0_max) && xcr0_is_consistent(xcr0);
}

u32 policy_xsave_bytes(const struct policy *policy, u64 xcr0)
{
	u32 bytes = XSAVE_LEGACY_BYTES;

	for (u32 i = 2; i < 8; i++) {
		const struct cpuid_leaf *v = policy_leaf_find(policy->leaf, policy->leaf_count, 0xd,
							      i);

		if (v && (xcr0 >> i & 1))
			bytes = MAX(bytes, v->a + v->b);
	}
	return bytes;
}

/* The same in the compacted format (SDM 1 13.4.3). */
static u32 xsave_compact_bytes(const struct policy *policy, u64 xcr0)
{
	u32 bytes = XSAVE_LEGACY_BYTES;

	for (u32 i = 2; i < 8; i++) {
		const struct cpuid_leaf *v = policy_leaf_find(policy->leaf, policy->leaf_count, 0xd,
							      i);

		if (!v || !(xcr0 >> i & 1))
			continue;
		if (v->c & 2)
			bytes = ROUND_UP(bytes, 64u);
		bytes += v->a;
	}
	return bytes;
}

/*
 * A component whose place or size is not believable is not shown: its sum sizes the guest's own
 * buffers.
 */
static bool xstate_component_is_sane(const struct policy *policy, u32 i)
{
	const struct cpuid_leaf *v = policy_leaf_find(policy->leaf, policy->leaf_count, 0xd, i);

	return v && v->a && v->a <= 4096 && v->b >= XSAVE_LEGACY_BYTES && v->b <= 8192 &&
	       !(v->c & 1);
}

static u64 xcr0_choose(const struct policy *policy, u64 host_xcr0)
{
	u64 xcr0 = host_xcr0 & XSTATE_ALL;

	for (u32 i = 2; i < 8; i++) {
		if ((xcr0 >> i & 1) && !xstate_component_is_sane(policy, i))
			xcr0 &= ~BIT(i);
	}
	if ((xcr0 & XSTATE_AVX512) != XSTATE_AVX512 || !(xcr0 & XSTATE_AVX))
		xcr0 &= ~XSTATE_AVX512;
	return xcr0_is_consistent(xcr0) ? xcr0 : 0;
}

/* Make leaf 0xD say what policy->xcr0_max says. */
static void xsave_leaves_fix(struct policy *policy)
{
	for (unsigned int i = 0; i < policy->leaf_count; i++) {
		struct policy_leaf *l = &policy->leaf[i];

		if (l->leaf != 0xd)
			continue;
		if (!policy->xcr0_max || (l->sub >= 2 && !(policy->xcr0_max >> l->sub & 1)))
			memset(&l->v, 0, sizeof(l->v));
		else if (l->sub == 0)
			l->v = (struct cpuid_leaf){.a = (u32)policy->xcr0_max};
		else if (l->sub == 1)
			l->v = (struct cpuid_leaf){.a = l->v.a};
		else
			l->v = (struct cpuid_leaf){.a = l->v.a, .b = l->v.b, .c = l->v.c & 2};
	}
}

/* ------------------------------------------------------------------ a new policy */

static struct cpuid_leaf *leaf_of(struct policy *policy, u32 nr, u32 sub)
{
	for (unsigned int i = 0; i < policy->leaf_count; i++) {
		if (policy->leaf[i].leaf == nr && policy->leaf[i].sub == sub)
			return &policy->leaf[i].v;
	}
	return NULL;
}

static void rows_apply(struct policy *policy, const struct leaf_row *rows, unsigned int count)
{
	for (unsigned int r = 0; r < count; r++) {
		for (unsigned int i = 0; i < policy->leaf_count; i++) {
			struct policy_leaf *l = &policy->leaf[i];

			if (l->leaf == rows[r].leaf && l->sub - rows[r].first_sub < rows[r].subs)
				leaf_and(&l->v, policy->is_dom0 ? &rows[r].dom0 : &rows[r].others);
		}
	}
}

/* Cut the maxima, and the address width, which an emulated CPU gives for five-level paging. */
static void limits_apply(struct policy *policy)
{
	u32 ext_max = policy->vendor == POLICY_AMD ? 0x80000021u : 0x80000008u;
	struct cpuid_leaf *v = leaf_of(policy, 0, POLICY_NO_SUB);

	if (v)
		v->a = MIN(v->a, BASIC_MAX);
	v = leaf_of(policy, 7, 0);
	if (v)
		v->a = MIN(v->a, 2u);
	v = leaf_of(policy, EXT_BASE, POLICY_NO_SUB);
	if (v)
		v->a = MIN(v->a, ext_max);
	v = leaf_of(policy, 0x80000008, POLICY_NO_SUB);
	if (v) {
		u32 physical = v->a & 0xff;
		u32 linear = v->a >> 8 & 0xff;

		physical = MIN(physical, 52u);
		linear = MIN(linear, 48u);
		v->a = linear << 8 | physical;
		policy->machine_bits = (u8)physical;
	}
}

/* XSAVE's state, and the features that need a part of it that the guest does not get. */
static void xsave_apply(struct policy *policy)
{
	const struct cpuid_leaf *one = leaf_of(policy, 1, POLICY_NO_SUB);
	const struct cpuid_leaf *v = leaf_of(policy, 0xd, 0);

	if (one && (one->c & 1u << (XEN_X86_FEATURE_XSAVE % 32)) && v)
		policy->xcr0_max = xcr0_choose(policy, v->a);
	xsave_leaves_fix(policy);
	policy_features_drop(policy->leaf, policy->leaf_count, policy->xcr0_max);
}

void policy_pv_default(struct policy *policy, const struct policy_host *host, bool is_dom0)
{
	struct cpuid_leaf *v;

	memset(policy, 0, sizeof(*policy));
	policy->vendor = host->vendor;
	policy->is_dom0 = is_dom0;
	policy->machine_bits = 36; /* what a CPU without leaf 0x80000008 has (SDM 3A 4.1.4) */
	policy->leaf_count = MIN(host->leaf_count, (unsigned int)POLICY_LEAVES_MAX);
	memcpy(policy->leaf, host->leaf, policy->leaf_count * sizeof(policy->leaf[0]));

	rows_apply(policy, leaf_rows, ARRAY_SIZE(leaf_rows));
	if (policy->vendor == POLICY_INTEL)
		rows_apply(policy, intel_rows, ARRAY_SIZE(intel_rows));
	limits_apply(policy);
	policy_features_mask(policy->leaf, policy->leaf_count, is_dom0);
	xsave_apply(policy);

	v = leaf_of(policy, 1, POLICY_NO_SUB);
	if (v)
		v->c |= 1u << (XEN_X86_FEATURE_HYPERVISOR % 32);
	if (policy_has(policy, XEN_X86_FEATURE_ARCH_CAPS))
		policy->arch_caps = host->arch_caps & policy_arch_caps_mask();
}

/* ------------------------------------------------------------------ answers */

#define TIME_TSC_STABLE 2u
#define TIME_HAS_RDTSCP 4u

static void xen_leaf_3(const struct policy *policy, u32 sub, struct cpuid_leaf *out)
{
	/* TSC neither trapped, nor scaled, nor moved: sub-leaf 1 (offset, factor) stays zero. */
	if (sub == 0 && policy->is_tsc_stable)
		out->a |= TIME_TSC_STABLE;
	if (sub == 0 && policy_has(policy, XEN_X86_FEATURE_RDTSCP))
		out->a |= TIME_HAS_RDTSCP;
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
	v = policy_leaf_find(policy->leaf, policy->leaf_count, leaf, sub);
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
			out->b = xsave_compact_bytes(policy, vcpu->xcr0);
	}
}

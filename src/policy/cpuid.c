/* SPDX-License-Identifier: MIT */
/*
 * CPUID of a guest: one table says which leaves it sees and which parts of them; feature.c says which features. Also which
 * components of extended state (XSAVE) it may switch on, and how large its area is. Reached from pv/ (a trapped or forced
 * CPUID), domain/ (a new domain's policy) and the tool calls; calls feature.c. No lock.
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

/* Intel's manual reserves these parts of the extended leaves (SDM 2A CPUID); an emulated CPU may fill them. */
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

/* Does the CPU have this sub-leaf? A leaf past the maximum would answer with another leaf's data. */
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

/* ------------------------------------------------------------------ extended state */

#define XSTATE_X87	   BIT(0)
#define XSTATE_SSE	   BIT(1)
#define XSTATE_AVX	   BIT(2)
#define XSTATE_AVX512	   (BIT(5) | BIT(6) | BIT(7))
#define XSTATE_ALL	   (XSTATE_X87 | XSTATE_SSE | XSTATE_AVX | XSTATE_AVX512)
#define XSAVE_LEGACY_BYTES 576u

static bool xcr0_is_consistent(u64 xcr0)
{
	return (xcr0 & XSTATE_X87) && (!(xcr0 & XSTATE_AVX) || (xcr0 & XSTATE_SSE)) &&
	       (!(xcr0 & XSTATE_AVX512) ||
		((xcr0 & XSTATE_AVX512) == XSTATE_AVX512 && (xcr0 & XSTATE_AVX)));
}

bool policy_xcr0_is_valid(const struct policy *policy, u64 xcr0)
{
	return policy->xcr0_max && !(xcr0 & ~policy->xcr0_max) && xcr0_is_consistent(xcr0);
}

/* Bytes of an XSAVE area for these components, in the standard or the compacted format (SDM 1 13.4.3). */
static u32 xsave_bytes(const struct policy *policy, u64 xcr0, bool is_compact)
{
	u32 bytes = XSAVE_LEGACY_BYTES;

	for (u32 i = 2; i < 8; i++) {
		const struct cpuid_leaf *v = policy_leaf_find(policy, 0xd, i);

		if (v == NULL || !(xcr0 >> i & 1))
			continue;
		if (!is_compact)
			bytes = MAX(bytes, v->a + v->b);
		else
			bytes = ((v->c & 2) != 0 ? ROUND_UP(bytes, 64u) : bytes) + v->a;
	}
	return bytes;
}

u32 policy_xsave_bytes(const struct policy *policy)
{
	return xsave_bytes(policy, policy->xcr0_max, false);
}

/* A component whose place or size is not believable is not shown: its sum sizes the guest's own buffers. */
static bool component_is_sane(const struct policy *policy, u32 i)
{
	const struct cpuid_leaf *v = policy_leaf_find(policy, 0xd, i);

	return v && v->a && v->a <= 4096 && v->b >= XSAVE_LEGACY_BYTES && v->b <= 8192 &&
	       !(v->c & 1);
}

/* AVX's state only with AVX, AVX-512's only with all of it and AVX. */
static u64 xcr0_choose(const struct policy *policy, u64 wanted)
{
	u64 xcr0 = wanted & XSTATE_ALL;

	for (u32 i = 2; i < 8; i++)
		if ((xcr0 >> i & 1) && !component_is_sane(policy, i))
			xcr0 &= ~BIT(i);
	if (!policy_has(policy, XEN_X86_FEATURE_AVX))
		xcr0 &= ~XSTATE_AVX;
	if ((xcr0 & XSTATE_AVX512) != XSTATE_AVX512 || !(xcr0 & XSTATE_AVX) ||
	    !policy_has(policy, XEN_X86_FEATURE_AVX512F))
		xcr0 &= ~XSTATE_AVX512;
	return policy_has(policy, XEN_X86_FEATURE_XSAVE) && xcr0_is_consistent(xcr0) ? xcr0 : 0;
}

/* The components are where the CPU puts them, whatever a tool says. */
static void xsave_settle(struct policy *policy, const struct policy *raw)
{
	struct policy_leaf *l = policy->leaf;
	u64 wanted = 0;

	for (unsigned int i = 0; i < policy->leaf_count; i++) {
		const struct cpuid_leaf *real = policy_leaf_find(raw, l[i].leaf, l[i].sub);

		if (l[i].leaf != 0xd || real == NULL)
			continue;
		if (l[i].sub == 0)
			wanted = l[i].v.a & real->a;
		if (l[i].sub >= 2)
			l[i].v = *real;
	}
	policy->xcr0_max = xcr0_choose(policy, wanted);
	for (unsigned int i = 0; i < policy->leaf_count; i++) {
		struct cpuid_leaf *v = &l[i].v;

		if (l[i].leaf != 0xd)
			continue;
		if (!policy->xcr0_max || (l[i].sub >= 2 && !(policy->xcr0_max >> l[i].sub & 1)))
			memset(v, 0, sizeof(*v));
		else if (l[i].sub == 0)
			*v = (struct cpuid_leaf){.a = (u32)policy->xcr0_max,
						 .c = xsave_bytes(policy, policy->xcr0_max, false)};
		else if (l[i].sub == 1)
			*v = (struct cpuid_leaf){.a = v->a};
		else
			*v = (struct cpuid_leaf){.a = v->a, .b = v->b, .c = v->c & 2};
	}
}

/* ------------------------------------------------------------------ all of it */

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
	xsave_settle(policy, raw);
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
			out->b = xsave_bytes(policy, vcpu->xcr0, false);
			out->c = xsave_bytes(policy, policy->xcr0_max, false);
		}
		if (sub == 1 && (out->a & 1u << (XEN_X86_FEATURE_XSAVEC % 32)))
			out->b = xsave_bytes(policy, vcpu->xcr0, true);
	}
}

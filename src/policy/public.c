/* SPDX-License-Identifier: MIT */
/*
 * The public form of a policy, which tools read, change and set: a list of leaves and of registers. Reached from the tool calls;
 * calls cpuid.c. No lock.
 */
#include "policy/priv.h"

#include "lib/abi.h"
#include "lib/string.h"

#include <xen/arch-x86/cpufeatureset.h>
#include <xen/arch-x86/cpuid.h>

#define XEN_LEAF	  XEN_CPUID_FIRST_LEAF
#define VIRIDIAN_LEAF	  (XEN_CPUID_FIRST_LEAF + 0x100)
#define MSR_PLATFORM_INFO 0xceu
#define MSR_ARCH_CAPS	  0x10au

/* How many sub-leaves a leaf may have in the public form; 0: ECX does not matter. */
static u32 subs_of(u32 leaf)
{
	switch (leaf) {
	case 0x4:
		return 6;
	case 0x7:
		return FEATURE_MAX + 1;
	case 0xb:
		return 2;
	case 0xd:
		return 63;
	default:
		return 0;
	}
}

static u32 max_of(const struct policy *policy, u32 nr, u32 sub, u32 most)
{
	const struct cpuid_leaf *v = policy_leaf_find(policy, nr, sub);

	return v != NULL ? MIN(v->a, most) : 0;
}

/* Is there a sub-leaf after this one? */
static bool has_next_sub(const struct policy *policy, const struct policy_leaf *at)
{
	u32 next = at->sub + 1;

	if (next >= subs_of(at->leaf))
		return false;
	switch (at->leaf) {
	case 0x4:
		return (at->v.a & 0x1f) != 0;
	case 0x7:
		return next <= max_of(policy, 7, 0, FEATURE_MAX);
	case 0xd:
		return next < 2 || policy->xcr0_max >> next != 0;
	default:
		return false;
	}
}

/* Basic leaves, Xen's, the other interface's, extended ones. */
static u32 leaf_after(const struct policy *policy, u32 leaf)
{
	if (leaf == POLICY_NO_SUB)
		return 0;
	if (leaf < XEN_LEAF)
		return leaf < max_of(policy, 0, POLICY_NO_SUB, BASIC_MAX) ? leaf + 1 : XEN_LEAF;
	if (leaf < EXT_BASE)
		return leaf == XEN_LEAF ? VIRIDIAN_LEAF : EXT_BASE;
	return leaf < max_of(policy, EXT_BASE, POLICY_NO_SUB, EXT_MAX) ? leaf + 1 : POLICY_NO_SUB;
}

bool policy_leaf_next(const struct policy *policy, struct policy_leaf *at)
{
	const struct cpuid_leaf *v;

	do {
		if (has_next_sub(policy, at)) {
			at->sub++;
		} else {
			at->leaf = leaf_after(policy, at->leaf);
			at->sub = subs_of(at->leaf) != 0 ? 0 : POLICY_NO_SUB;
		}
	} while (at->leaf == 0xd && at->sub >= 2 && !(policy->xcr0_max >> at->sub & 1));
	v = policy_leaf_find(policy, at->leaf, at->sub);
	at->v = v != NULL ? *v : (struct cpuid_leaf){0};
	return at->leaf != POLICY_NO_SUB;
}

bool policy_leaf_set(struct policy *policy, const struct policy_leaf *leaf)
{
	u32 subs = subs_of(leaf->leaf);
	struct cpuid_leaf *v = policy_leaf(policy, leaf->leaf, leaf->sub);

	if (subs != 0 ? leaf->sub >= subs : leaf->sub != POLICY_NO_SUB)
		return false;
	if (leaf->leaf > BASIC_MAX && leaf->leaf != XEN_LEAF && leaf->leaf != VIRIDIAN_LEAF &&
	    leaf->leaf - EXT_BASE > EXT_MAX - EXT_BASE)
		return false;
	if (v != NULL)
		*v = leaf->v;
	return true;
}

u64 policy_msr_get(const struct policy *policy, unsigned int i, u32 *msr)
{
	*msr = i == 0 ? MSR_PLATFORM_INFO : MSR_ARCH_CAPS;
	return i == 0 ? 0 : policy->arch_caps;
}

bool policy_msr_is_known(u32 msr)
{
	return msr == MSR_PLATFORM_INFO || msr == MSR_ARCH_CAPS;
}

/* No guest is offered CPUID faulting of its own. */
bool policy_msr_set(struct policy *policy, u32 msr, u64 value)
{
	if (msr == MSR_PLATFORM_INFO)
		return value == 0;
	policy->arch_caps = value;
	return true;
}

bool policy_settle(struct policy *policy, const struct policy *raw, struct policy_leaf *bad)
{
	static const struct policy_leaf maxima[] = {
		{.leaf = 0, .sub = POLICY_NO_SUB, .v = {.a = BASIC_MAX}},
		{.leaf = EXT_BASE, .sub = POLICY_NO_SUB, .v = {.a = EXT_MAX}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(maxima); i++) {
		const struct policy_leaf *m = &maxima[i];

		if (max_of(policy, m->leaf, m->sub, ~0u) > max_of(raw, m->leaf, m->sub, m->v.a)) {
			*bad = *m;
			return false;
		}
	}
	policy_mask(policy, raw, POLICY_MAX);
	return true;
}

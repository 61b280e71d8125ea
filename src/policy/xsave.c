/* SPDX-License-Identifier: MIT */
/*
 * Extended state (XSAVE) of a guest: which components it may switch on, and how large its area is. Reached from cpuid.c, pv/;
 * calls feature.c. No lock.
 */
#include "policy/priv.h"

#include "lib/abi.h"
#include "lib/string.h"

#include <xen/arch-x86/cpufeatureset.h>

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
		const struct cpuid_leaf *v = policy_leaf_find(policy, 0xd, i);

		if (v && (xcr0 >> i & 1))
			bytes = MAX(bytes, v->a + v->b);
	}
	return bytes;
}

u32 policy_xsave_compact_bytes(const struct policy *policy, u64 xcr0)
{
	u32 bytes = XSAVE_LEGACY_BYTES;

	for (u32 i = 2; i < 8; i++) {
		const struct cpuid_leaf *v = policy_leaf_find(policy, 0xd, i);

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
	const struct cpuid_leaf *v = policy_leaf_find(policy, 0xd, i);

	return v && v->a && v->a <= 4096 && v->b >= XSAVE_LEGACY_BYTES && v->b <= 8192 &&
	       !(v->c & 1);
}

/* AVX's state only with AVX, AVX-512's only with all of it and AVX. */
static u64 xcr0_choose(const struct policy *policy, u64 wanted)
{
	u64 xcr0 = wanted & XSTATE_ALL;

	for (u32 i = 2; i < 8; i++)
		if ((xcr0 >> i & 1) && !xstate_component_is_sane(policy, i))
			xcr0 &= ~BIT(i);
	if (!policy_has(policy, XEN_X86_FEATURE_AVX))
		xcr0 &= ~XSTATE_AVX;
	if ((xcr0 & XSTATE_AVX512) != XSTATE_AVX512 || !(xcr0 & XSTATE_AVX) ||
	    !policy_has(policy, XEN_X86_FEATURE_AVX512F))
		xcr0 &= ~XSTATE_AVX512;
	return policy_has(policy, XEN_X86_FEATURE_XSAVE) && xcr0_is_consistent(xcr0) ? xcr0 : 0;
}

/* The components are where the CPU puts them, whatever a tool says. */
void policy_xsave_settle(struct policy *policy, const struct policy *raw)
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
						 .c = policy_xsave_bytes(policy, policy->xcr0_max)};
		else if (l[i].sub == 1)
			*v = (struct cpuid_leaf){.a = v->a};
		else
			*v = (struct cpuid_leaf){.a = v->a, .b = v->b, .c = v->c & 2};
	}
}

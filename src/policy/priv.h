/* SPDX-License-Identifier: MIT */
/* Between the files of policy/: stored leaves, feature words, XSAVE state. No lock. */
#pragma once

#include "policy/policy.h"

#define BASIC_MAX     0xdu
#define FEATURE_MAX   2u /* sub-leaf of leaf 7 */
#define EXT_BASE      0x80000000u
#define EXT_MAX	      0x80000021u
#define EXT_MAX_INTEL 0x80000008u

/* The stored leaf, NULL if there is none. */
struct cpuid_leaf *policy_leaf(struct policy *policy, u32 nr, u32 sub);
const struct cpuid_leaf *policy_leaf_find(const struct policy *policy, u32 nr, u32 sub);

/* Take away what a policy of this kind may not have, or that CPU has not. */
void policy_mask(struct policy *policy, const struct policy *raw, enum policy_kind kind);

/* feature.c: keep the features that raw has and this kind may show; then those whose state is in policy->xcr0_max. */
void policy_features_mask(struct policy *policy, const struct policy *raw, enum policy_kind kind);
void policy_features_drop(struct policy *policy);

/* SPDX-License-Identifier: MIT */
/*
 * Between cpuid.c and feature.c: which leaf and register holds each word of the public feature set,
 * and which features a PV guest may see. No lock.
 */
#ifndef POLICY_PRIV_H
#define POLICY_PRIV_H

#include "policy/policy.h"

/* Cut every feature register in leaf[] to what a PV guest may see. */
void policy_features_mask(struct policy_leaf *leaf, unsigned int leaf_count, bool is_tsc_shown);

/* Take away the features that need XSAVE state which is not in xcr0 (0: no XSAVE at all). */
void policy_features_drop(struct policy_leaf *leaf, unsigned int leaf_count, u64 xcr0);

/* The bits of IA32_ARCH_CAPABILITIES that a PV guest may see. */
u64 policy_arch_caps_mask(void);

/* The stored leaf, NULL if there is none. */
const struct cpuid_leaf *policy_leaf_find(const struct policy_leaf *leaf, unsigned int leaf_count,
					  u32 nr, u32 sub);

#endif

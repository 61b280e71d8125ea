/* SPDX-License-Identifier: MIT */
/*
 * Tool calls about the machine's CPU: what it has, what Mica uses, what a guest may get. Reached from sysctl.c; calls policy and
 * domctl_policy.c. No lock: the CPU does not change.
 */
#include "hcall/tool.h"
#include "hw/mem.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "policy/policy.h"

/* *policy is heap, NULL where there is no such view (guests in hardware: nothing). */
static int view_make(struct policy **policy, enum policy_kind kind, bool is_empty)
{
	*policy = heap_alloc(sizeof(**policy));
	if (*policy == NULL)
		return err(ENOMEM);
	if (!is_empty)
		policy_make(*policy, &policy_cpu, kind);
	return 0;
}

int sysctl_get_cpu_policy(struct vcpu *v, struct xen_sysctl *op)
{
	static const enum policy_kind kinds[] = {
		[XEN_SYSCTL_cpu_policy_raw] = POLICY_RAW,
		[XEN_SYSCTL_cpu_policy_host] = POLICY_HOST,
		[XEN_SYSCTL_cpu_policy_pv_max] = POLICY_MAX,
		[XEN_SYSCTL_cpu_policy_pv_default] = POLICY_DEFAULT,
		[XEN_SYSCTL_cpu_policy_hvm_default] = POLICY_RAW,
	};
	struct xen_sysctl_cpu_policy *arg = &op->u.cpu_policy;
	struct policy *policy;
	int rc;

	(void)v;
	if (arg->_rsvd != 0 || arg->index >= ARRAY_SIZE(kinds))
		return err(EINVAL);
	rc = view_make(&policy, kinds[idx_nospec(arg->index, ARRAY_SIZE(kinds))],
		       arg->index == XEN_SYSCTL_cpu_policy_hvm_max ||
			       arg->index == XEN_SYSCTL_cpu_policy_hvm_default);
	if (rc != 0)
		return rc;
	rc = tool_policy_get(policy, &arg->nr_leaves, (u64)arg->leaves.p, &arg->nr_msrs,
			     (u64)arg->msrs.p);
	heap_free(policy);
	return rc;
}

int sysctl_get_cpu_featureset(struct vcpu *v, struct xen_sysctl *op)
{
	static const enum policy_kind kinds[] = {
		[XEN_SYSCTL_cpu_featureset_raw] = POLICY_RAW,
		[XEN_SYSCTL_cpu_featureset_host] = POLICY_HOST,
		[XEN_SYSCTL_cpu_featureset_pv] = POLICY_DEFAULT,
		[XEN_SYSCTL_cpu_featureset_pv_max] = POLICY_MAX,
		[XEN_SYSCTL_cpu_featureset_hvm_max] = POLICY_RAW,
	};
	struct xen_sysctl_cpu_featureset *arg = &op->u.cpu_featureset;
	u32 words[POLICY_FEATURE_WORDS], count = MIN(arg->nr_features, (u32)POLICY_FEATURE_WORDS);
	struct policy *policy;
	int rc;

	(void)v;
	if ((u64)arg->features.p == 0) {
		arg->nr_features = POLICY_FEATURE_WORDS;
		return 0;
	}
	if (arg->index >= ARRAY_SIZE(kinds))
		return err(EINVAL);
	rc = view_make(&policy, kinds[idx_nospec(arg->index, ARRAY_SIZE(kinds))],
		       arg->index == XEN_SYSCTL_cpu_featureset_hvm ||
			       arg->index == XEN_SYSCTL_cpu_featureset_hvm_max);
	if (rc != 0)
		return rc;
	policy_featureset(policy, words);
	heap_free(policy);
	if (hw_copy_to_guest(gva_make((u64)arg->features.p), words, count * sizeof(words[0])) != 0)
		return err(EFAULT);
	rc = arg->nr_features < POLICY_FEATURE_WORDS ? err(ENOBUFS) : 0;
	arg->nr_features = count;
	return rc;
}

/* CPUID of PV user space is neither masked nor made to fault. */
int sysctl_get_cpu_levelling_caps(struct vcpu *v, struct xen_sysctl *op)
{
	(void)v;
	op->u.cpu_levelling_caps.caps = 0;
	return 0;
}

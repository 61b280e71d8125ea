/* SPDX-License-Identifier: MIT */
/*
 * Tool calls about CPUs: what the machine's has, what a guest may get, what a domain is told: CPUID and MSRs, its time stamp
 * counter. Reached from domctl.c and sysctl.c; calls policy. The domain's lock guards its policy until it runs.
 */
#include "hcall/tool.h"
#include "hw/mem.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "policy/policy.h"
#include "time/time.h"

#define NOWHERE 0xffffffffu

_Static_assert(sizeof(struct policy_leaf) == sizeof(xen_cpuid_leaf_t),
	       "leaves go out as they are stored");

/* A policy in the public form; a gva of 0: only how many there may be. -ENOBUFS: *count is too small. -EFAULT. */
static int policy_give(const struct policy *policy, u32 *leaf_count, gva_t leaves, u32 *msr_count,
		       gva_t msrs)
{
	struct policy_leaf leaf = POLICY_FIRST_LEAF;
	u32 room = leaves.g != 0 ? *leaf_count : POLICY_PUBLIC_MAX, count = 0;

	for (; leaves.g != 0 && policy_leaf_next(policy, &leaf); count++) {
		if (count == room)
			return err(ENOBUFS);
		if (guest_put(gva_add(leaves, count * sizeof(leaf)), leaf) != 0)
			return err(EFAULT);
	}
	*leaf_count = leaves.g != 0 ? count : room;
	for (u32 i = 0; msrs.g != 0 && i < POLICY_MSRS_MAX; i++) {
		xen_msr_entry_t entry = {0};

		if (i == *msr_count)
			return err(ENOBUFS);
		entry.val = policy_msr_get(policy, i, &entry.idx);
		if (guest_put(gva_add(msrs, i * sizeof(entry)), entry) != 0)
			return err(EFAULT);
	}
	*msr_count = POLICY_MSRS_MAX;
	return 0;
}

/* A copy, so that no lock is held while the guest's memory is written. */
static struct policy *policy_copy(struct domain *d)
{
	struct policy *copy = heap_alloc(sizeof(*copy));

	LOCK_SCOPE(&d->lock);
	if (copy != NULL)
		*copy = *d->policy;
	return copy;
}

int domctl_get_cpu_policy(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	struct xen_domctl_cpu_policy *arg = &op->u.cpu_policy;
	HEAP_SCOPE struct policy *copy = policy_copy(d);

	if (copy == NULL)
		return err(ENOMEM);
	return policy_give(copy, &arg->nr_leaves, guest_at(arg->leaves, 0), &arg->nr_msrs,
			   guest_at(arg->msrs, 0));
}

static int leaves_set(struct policy *policy, struct xen_domctl_cpu_policy *arg)
{
	struct policy_leaf leaf;

	for (u32 i = 0; i < arg->nr_leaves; i++) {
		if (guest_get(leaf, guest_at(arg->leaves, i)) != 0)
			return err(EFAULT);
		if (!policy_leaf_set(policy, &leaf)) {
			arg->err_leaf = leaf.leaf;
			arg->err_subleaf = leaf.sub;
			return err(ERANGE);
		}
	}
	return 0;
}

static int msrs_set(struct policy *policy, struct xen_domctl_cpu_policy *arg)
{
	xen_msr_entry_t entry;

	for (u32 i = 0; i < arg->nr_msrs; i++) {
		if (guest_get(entry, guest_at(arg->msrs, i)) != 0)
			return err(EFAULT);
		arg->err_msr = entry.idx;
		if (entry.flags != 0)
			return err(EINVAL);
		if (!policy_msr_is_known(entry.idx))
			return err(ERANGE);
		if (!policy_msr_set(policy, entry.idx, entry.val))
			return err(EINVAL);
		arg->err_msr = NOWHERE;
	}
	return 0;
}

/* All of it is judged in a copy; no vCPU has read the domain's own yet. */
static int policy_set(struct domain *d, struct policy *copy, struct xen_domctl_cpu_policy *arg)
{
	struct policy_leaf bad;
	int rc;

	if (arg->nr_leaves > POLICY_PUBLIC_MAX || arg->nr_msrs > POLICY_MSRS_MAX)
		return err(E2BIG);
	rc = leaves_set(copy, arg) ?: msrs_set(copy, arg);
	if (rc != 0)
		return rc;
	if (!policy_settle(copy, &policy_cpu, &bad)) {
		arg->err_leaf = bad.leaf;
		arg->err_subleaf = bad.sub;
		return err(EINVAL);
	}
	LOCK_SCOPE(&d->lock);
	if (d->has_run)
		return err(EEXIST);
	*d->policy = *copy;
	return 0;
}

int domctl_set_cpu_policy(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	struct xen_domctl_cpu_policy arg = op->u.cpu_policy;
	HEAP_SCOPE struct policy *copy = policy_copy(d);
	int rc;

	if (atomic_load(&d->has_run))
		return err(EEXIST);
	if (copy == NULL)
		return err(ENOMEM);
	arg.err_leaf = arg.err_subleaf = arg.err_msr = NOWHERE;
	rc = policy_set(d, copy, &arg);
	if (rc != 0)
		op->u.cpu_policy = arg;
	return rc;
}

/* ---------------------------------------------------------------- the time stamp counter */

#define MODE_DEFAULT 0
#define MODE_EMULATE 1
#define MODE_NATIVE  2

/*
 * A guest reads the machine's own TSC whatever the mode: its clock is vcpu_time_info, which is right after a move too. The mode
 * and the numbers are kept for tools and for leaf 0x40000003.
 */
int domctl_gettscinfo(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	struct xen_domctl_tsc_info *info = &op->u.tsc_info;
	const struct policy *policy = d->policy;

	LOCK_SCOPE(&d->lock);
	*info = (struct xen_domctl_tsc_info){.tsc_mode = policy->tsc_mode,
					     .incarnation = policy->incarnation};
	if (policy->tsc_mode != MODE_NATIVE) {
		info->gtsc_khz = policy->guest_tsc_khz;
		info->elapsed_nsec = time_now_ns() + policy->tsc_offset_ns;
	}
	return 0;
}

int domctl_settscinfo(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	const struct xen_domctl_tsc_info *info = &op->u.tsc_info;
	struct policy *policy = d->policy;

	if (info->tsc_mode > MODE_NATIVE)
		return err(EINVAL);
	LOCK_SCOPE(&d->lock);
	policy->tsc_mode = info->tsc_mode;
	policy->incarnation = info->incarnation + 1;
	policy->guest_tsc_khz = info->gtsc_khz != 0 ? info->gtsc_khz : policy->tsc_khz;
	policy->tsc_offset_ns = info->elapsed_nsec != 0 ? info->elapsed_nsec - time_now_ns() : 0;
	return 0;
}

/* ---------------------------------------------------------------- the machine's */

/* Heap. Guests in hardware have no view: an empty one. */
static struct policy *view_make(enum policy_kind kind, bool is_empty)
{
	struct policy *policy = heap_alloc(sizeof(*policy));

	if (policy != NULL && !is_empty)
		policy_make(policy, &policy_cpu, kind);
	return policy;
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
	HEAP_SCOPE struct policy *policy = NULL;

	if (arg->_rsvd != 0 || arg->index >= ARRAY_SIZE(kinds))
		return err(EINVAL);
	policy = view_make(kinds[idx_nospec(arg->index, ARRAY_SIZE(kinds))],
			   arg->index == XEN_SYSCTL_cpu_policy_hvm_max ||
				   arg->index == XEN_SYSCTL_cpu_policy_hvm_default);
	if (policy == NULL)
		return err(ENOMEM);
	return policy_give(policy, &arg->nr_leaves, guest_at(arg->leaves, 0), &arg->nr_msrs,
			   guest_at(arg->msrs, 0));
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
	u32 words[POLICY_FEATURE_WORDS], room = arg->nr_features;
	HEAP_SCOPE struct policy *policy = NULL;

	arg->nr_features = POLICY_FEATURE_WORDS;
	if ((u64)arg->features.p == 0)
		return 0;
	arg->nr_features = MIN(room, (u32)POLICY_FEATURE_WORDS);
	if (arg->index >= ARRAY_SIZE(kinds))
		return err(EINVAL);
	policy = view_make(kinds[idx_nospec(arg->index, ARRAY_SIZE(kinds))],
			   arg->index == XEN_SYSCTL_cpu_featureset_hvm ||
				   arg->index == XEN_SYSCTL_cpu_featureset_hvm_max);
	if (policy == NULL)
		return err(ENOMEM);
	policy_featureset(policy, words);
	if (hw_copy_to_guest(guest_at(arg->features, 0), words,
			     arg->nr_features * sizeof(words[0])) != 0)
		return err(EFAULT);
	return room < POLICY_FEATURE_WORDS ? err(ENOBUFS) : 0;
}

/* CPUID of PV user space is neither masked nor made to fault. */
int sysctl_get_cpu_levelling_caps(struct vcpu *v, struct xen_sysctl *op)
{
	op->u.cpu_levelling_caps.caps = 0;
	return 0;
}

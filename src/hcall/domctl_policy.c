/* SPDX-License-Identifier: MIT */
/*
 * Tool calls about what a domain is told of its CPU: the CPUID and MSR policy, registers of a vCPU, its time stamp counter.
 * Reached from domctl.c and sysctl_policy.c; calls policy. The domain's lock guards its policy until it runs.
 */
#include "hcall/hcall.h"
#include "hcall/tool.h"
#include "hw/mem.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "policy/policy.h"
#include "pv/pv.h"
#include "sched/sched.h"
#include "time/time.h"

#define NOWHERE 0xffffffffu

_Static_assert(sizeof(struct policy_leaf) == sizeof(xen_cpuid_leaf_t),
	       "leaves go out as they are stored");

int tool_policy_get(const struct policy *policy, u32 *leaf_count, u64 leaf_gva, u32 *msr_count,
		    u64 msr_gva)
{
	struct policy_leaf leaf = POLICY_FIRST_LEAF;
	u32 room = leaf_gva != 0 ? *leaf_count : POLICY_PUBLIC_MAX, count = 0;

	for (; leaf_gva != 0 && policy_leaf_next(policy, &leaf); count++) {
		if (count == room)
			return err(ENOBUFS);
		if (hw_copy_to_guest(gva_make(leaf_gva + count * sizeof(leaf)), &leaf,
				     sizeof(leaf)) != 0)
			return err(EFAULT);
	}
	*leaf_count = leaf_gva != 0 ? count : room;
	for (u32 i = 0; msr_gva != 0 && i < POLICY_MSRS_MAX; i++) {
		xen_msr_entry_t entry = {0};

		if (i == *msr_count)
			return err(ENOBUFS);
		entry.val = policy_msr_get(policy, i, &entry.idx);
		if (hw_copy_to_guest(gva_make(msr_gva + i * sizeof(entry)), &entry,
				     sizeof(entry)) != 0)
			return err(EFAULT);
	}
	*msr_count = POLICY_MSRS_MAX;
	return 0;
}

/* A copy, so that no lock is held while the guest's memory is written. */
static struct policy *policy_copy(struct domain *d)
{
	struct policy *copy = heap_alloc(sizeof(*copy));

	if (copy != NULL) {
		lock_acquire(&d->lock);
		*copy = *d->policy;
		lock_release(&d->lock);
	}
	return copy;
}

int domctl_get_cpu_policy(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	struct xen_domctl_cpu_policy *arg = &op->u.cpu_policy;
	struct policy *copy = policy_copy(d);
	int rc;

	(void)v;
	if (copy == NULL)
		return err(ENOMEM);
	rc = tool_policy_get(copy, &arg->nr_leaves, (u64)arg->leaves.p, &arg->nr_msrs,
			     (u64)arg->msrs.p);
	heap_free(copy);
	return rc;
}

static int leaves_set(struct policy *policy, struct xen_domctl_cpu_policy *arg)
{
	struct policy_leaf leaf;

	for (u32 i = 0; i < arg->nr_leaves; i++) {
		if (hw_copy_from_guest(&leaf, guest_at(arg->leaves, i), sizeof(leaf)) != 0)
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
		if (hw_copy_from_guest(&entry, guest_at(arg->msrs, i), sizeof(entry)) != 0)
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
	bool has_run;
	int rc = arg->nr_leaves > POLICY_PUBLIC_MAX || arg->nr_msrs > POLICY_MSRS_MAX ? err(E2BIG)
										      : 0;

	if (rc == 0)
		rc = leaves_set(copy, arg);
	if (rc == 0)
		rc = msrs_set(copy, arg);
	if (rc != 0)
		return rc;
	if (!policy_settle(copy, &policy_cpu, &bad)) {
		arg->err_leaf = bad.leaf;
		arg->err_subleaf = bad.sub;
		return err(EINVAL);
	}
	lock_acquire(&d->lock);
	has_run = d->has_run;
	if (!has_run)
		*d->policy = *copy;
	lock_release(&d->lock);
	return has_run ? err(EEXIST) : 0;
}

int domctl_set_cpu_policy(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	struct xen_domctl_cpu_policy arg = op->u.cpu_policy;
	struct policy *copy;
	int rc;

	if (d == v->domain)
		return err(EINVAL);
	if (atomic_load(&d->has_run))
		return err(EEXIST);
	copy = policy_copy(d);
	if (copy == NULL)
		return err(ENOMEM);
	arg.err_leaf = arg.err_subleaf = arg.err_msr = NOWHERE;
	rc = policy_set(d, copy, &arg);
	heap_free(copy);
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

	if (d == v->domain)
		return err(EINVAL);
	lock_acquire(&d->lock);
	*info = (struct xen_domctl_tsc_info){.tsc_mode = policy->tsc_mode,
					     .incarnation = policy->incarnation};
	if (policy->tsc_mode != MODE_NATIVE) {
		info->gtsc_khz = policy->guest_tsc_khz;
		info->elapsed_nsec = time_now_ns() + policy->tsc_offset_ns;
	}
	lock_release(&d->lock);
	return 0;
}

int domctl_settscinfo(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	const struct xen_domctl_tsc_info *info = &op->u.tsc_info;
	struct policy *policy = d->policy;

	if (d == v->domain || info->tsc_mode > MODE_NATIVE)
		return err(EINVAL);
	lock_acquire(&d->lock);
	policy->tsc_mode = info->tsc_mode;
	policy->incarnation = info->incarnation + 1;
	policy->guest_tsc_khz = info->gtsc_khz != 0 ? info->gtsc_khz : policy->tsc_khz;
	policy->tsc_offset_ns = info->elapsed_nsec != 0 ? info->elapsed_nsec - time_now_ns() : 0;
	lock_release(&d->lock);
	return 0;
}

/* ---------------------------------------------------------------- registers of a vCPU */

#define MSR_MISC_FEATURES 0x140u
#define MSR_TSC_AUX	  0xc0000103u
#define VCPU_MSRS_MAX	  2

static int msr_target(const struct vcpu *v, const struct domain *d, u32 id, struct vcpu **target)
{
	if (d == v->domain)
		return err(EINVAL);
	*target = domain_vcpu(d, id);
	return *target != NULL ? 0 : err(ESRCH);
}

/* Those that are not 0. */
int domctl_get_vcpu_msrs(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	struct xen_domctl_vcpu_msrs *arg = &op->u.vcpu_msrs;
	xen_domctl_vcpu_msr_t msr = {.index = MSR_TSC_AUX};
	u64 at = (u64)arg->msrs.p;
	struct vcpu *target;
	u32 room = arg->msr_count;
	int rc = msr_target(v, d, arg->vcpu, &target);

	if (rc != 0)
		return rc;
	vcpu_pause(target);
	msr.value = target->pv->tsc_aux;
	vcpu_unpause(target);
	arg->msr_count = at == 0 ? VCPU_MSRS_MAX : msr.value != 0;
	if (at == 0 || msr.value == 0)
		return 0;
	if (room == 0)
		return err(ENOBUFS);
	return hw_copy_to_guest(gva_make(at), &msr, sizeof(msr)) == 0 ? 0 : err(EFAULT);
}

static bool msr_set(struct vcpu *target, const xen_domctl_vcpu_msr_t *msr)
{
	if (msr->reserved != 0 ||
	    policy_wrmsr(target->domain->policy, msr->index, msr->value) == POLICY_MSR_FAULT)
		return false;
	if (msr->index == MSR_TSC_AUX)
		target->pv->tsc_aux = (u32)msr->value;
	return msr->index == MSR_TSC_AUX || msr->index == MSR_MISC_FEATURES;
}

int domctl_set_vcpu_msrs(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	struct xen_domctl_vcpu_msrs *arg = &op->u.vcpu_msrs;
	struct vcpu *target;
	u32 count = arg->msr_count;
	int rc = msr_target(v, d, arg->vcpu, &target);

	for (u32 i = 0; rc == 0 && i < count; i++) {
		xen_domctl_vcpu_msr_t msr = {0};

		if (i < VCPU_MSRS_MAX &&
		    hw_copy_from_guest(&msr, guest_at(arg->msrs, i), sizeof(msr)) != 0)
			return err(EFAULT);
		vcpu_pause(target);
		rc = msr_set(target, &msr) ? 0 : err(EINVAL);
		vcpu_unpause(target);
		arg->msr_count = rc == 0 ? count : i;
	}
	return rc;
}

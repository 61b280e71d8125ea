/* SPDX-License-Identifier: MIT */
/*
 * Tool calls about scheduling: a domain's affinity to CPUs and nodes, weight and cap; the scheduler, its pools of CPUs, how
 * long those were idle. Reached from domctl.c and sysctl.c; calls sched. No lock: a mask is copied, then judged.
 */
#include "hcall/tool.h"
#include "hw/mem.h"
#include "lib/bitmap.h"
#include "lib/string.h"
#include "sched/sched.h"

#define RATELIMIT_MIN_US 100
#define RATELIMIT_MAX_US 500000
#define MAP_BITS_MAX	 32768 /* so large a map may tools have; the rest of theirs is cleared */

int tool_mask_get(const struct xenctl_bitmap *map, u64 *mask, u32 bits)
{
	u32 count = MIN(bits, map->nr_bits);

	memset(mask, 0, BITMAP_WORDS(bits) * sizeof(*mask));
	if (hw_copy_from_guest(mask, guest_at(map->bitmap, 0), (count + 7) / 8) != 0)
		return err(EFAULT);
	bitmap_clear_range(mask, count, BITMAP_WORDS(bits) * 64 - count);
	return 0;
}

int tool_mask_put(const struct xenctl_bitmap *map, const u64 *mask, u32 bits)
{
	static const u8 zeros[MAP_BITS_MAX / 8];
	u32 bytes = (MIN(bits, map->nr_bits) + 7) / 8;

	if (map->nr_bits > MAP_BITS_MAX)
		return err(EINVAL);
	return hw_copy_to_guest(guest_at(map->bitmap, 0), mask, bytes)
		       ?: hw_copy_to_guest(guest_at(map->bitmap, bytes), zeros,
					   (map->nr_bits + 7) / 8 - bytes);
}

/* What was asked for by flags, back to the tool. */
static int affinity_put(struct vcpu *target, const struct xen_domctl_vcpuaffinity *op,
			bool is_effective)
{
	struct cpumask hard, soft;
	int rc = 0;

	sched_affinity_get(target, &hard, &soft, is_effective);
	if ((op->flags & XEN_VCPUAFFINITY_HARD) != 0)
		rc = tool_mask_put(&op->cpumap_hard, hard.bits, CPU_MAX);
	if (rc == 0 && (op->flags & XEN_VCPUAFFINITY_SOFT) != 0)
		rc = tool_mask_put(&op->cpumap_soft, soft.bits, CPU_MAX);
	return rc;
}

static int affinity_target(const struct domain *d, const struct xen_domctl_vcpuaffinity *op,
			   struct vcpu **target)
{
	*target = domain_vcpu(d, op->vcpu);
	return *target == NULL || op->flags == 0 ? err(EINVAL) : 0;
}

int domctl_getvcpuaffinity(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	struct vcpu *target;
	int rc = affinity_target(d, &op->u.vcpuaffinity, &target);

	return rc == 0 ? affinity_put(target, &op->u.vcpuaffinity, false) : rc;
}

int domctl_setvcpuaffinity(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	const struct xen_domctl_vcpuaffinity *affinity = &op->u.vcpuaffinity;
	bool is_hard = (affinity->flags & XEN_VCPUAFFINITY_HARD) != 0;
	bool is_soft = (affinity->flags & XEN_VCPUAFFINITY_SOFT) != 0;
	struct cpumask hard, soft;
	struct vcpu *target;
	int rc = affinity_target(d, affinity, &target);

	if (rc == 0 && is_hard)
		rc = tool_mask_get(&affinity->cpumap_hard, hard.bits, CPU_MAX);
	if (rc == 0 && is_soft)
		rc = tool_mask_get(&affinity->cpumap_soft, soft.bits, CPU_MAX);
	if (rc == 0)
		rc = sched_affinity_set(target, is_hard ? &hard : NULL, is_soft ? &soft : NULL,
					(affinity->flags & XEN_VCPUAFFINITY_FORCE) != 0);
	return rc == 0 ? affinity_put(target, affinity, true) : rc;
}

/* There is one node; tools may name others beside it, and get to see what they named. */
int domctl_setnodeaffinity(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	u64 nodes;
	int rc = tool_mask_get(&op->u.nodeaffinity.nodemap, &nodes, 64);

	if (rc == 0 && (nodes & 1) == 0)
		rc = err(EINVAL);
	if (rc == 0)
		atomic_store(&d->nodes, nodes == ~0ull ? 1 : nodes); /* all: as it was made */
	return rc;
}

int domctl_getnodeaffinity(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	u64 nodes = atomic_load(&d->nodes);

	nodes = nodes != 0 ? nodes : 1;
	return tool_mask_put(&op->u.nodeaffinity.nodemap, &nodes, 64);
}

int domctl_scheduler_op(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	struct xen_domctl_sched_credit2 *params = &op->u.scheduler_op.u.credit2;
	u32 weight, cap;

	if (op->u.scheduler_op.sched_id != XEN_SCHEDULER_CREDIT2)
		return err(EINVAL);
	switch (op->u.scheduler_op.cmd) {
	case XEN_DOMCTL_SCHEDOP_putinfo:
		return sched_params_set(d, params->weight, params->cap);
	case XEN_DOMCTL_SCHEDOP_getinfo:
		sched_params_get(d, &weight, &cap);
		params->weight = (u16)weight;
		params->cap = (u16)cap;
		return 0;
	default: /* of each vCPU: this scheduler knows only domains */
		return err(EINVAL);
	}
}

/* ---------------------------------------------------------------- the machine's */

int sysctl_sched_id(struct vcpu *v, struct xen_sysctl *op)
{
	op->u.sched_id.sched_id = XEN_SCHEDULER_CREDIT2;
	return 0;
}

int sysctl_cpupool_op(struct vcpu *v, struct xen_sysctl *sysctl)
{
	struct xen_sysctl_cpupool_op *op = &sysctl->u.cpupool_op;
	bool is_move = op->op == XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN;
	DOMAIN_REF d = is_move && op->domid < DOMID_COUNT ? domain_get_by_id((domid_t)op->domid)
							  : NULL;
	struct cpumask cpus;
	int rc;

	if (is_move && op->domid == dom0->id)
		return err(EPERM);
	if (is_move && d == NULL)
		return err(ESRCH);
	rc = sched_pool_op(op, d, &cpus);
	if (rc == 0 &&
	    (op->op == XEN_SYSCTL_CPUPOOL_OP_INFO || op->op == XEN_SYSCTL_CPUPOOL_OP_FREEINFO))
		rc = tool_mask_put(&op->cpumap, cpus.bits, CPU_MAX);
	return rc;
}

int sysctl_scheduler_op(struct vcpu *v, struct xen_sysctl *op)
{
	struct xen_sysctl_scheduler_op *sched = &op->u.scheduler_op;
	u32 *us = &sched->u.sched_credit2.ratelimit_us, was;
	int rc = sched_ratelimit(sched->cpupool_id, &was, false);

	if (rc != 0)
		return rc;
	if (sched->sched_id != XEN_SCHEDULER_CREDIT2 || sched->cmd > XEN_SYSCTL_SCHEDOP_getinfo)
		return err(EINVAL);
	if (sched->cmd == XEN_SYSCTL_SCHEDOP_getinfo) {
		*us = was;
		return 0;
	}
	if (*us != 0 && (*us < RATELIMIT_MIN_US || *us > RATELIMIT_MAX_US))
		return err(EINVAL);
	return sched_ratelimit(sched->cpupool_id, us, true);
}

int sysctl_getcpuinfo(struct vcpu *v, struct xen_sysctl *op)
{
	struct xen_sysctl_getcpuinfo *info = &op->u.getcpuinfo;
	u32 count = MIN(info->max_cpus, cpu_count);

	for (u32 cpu = 0; cpu < count; cpu++) {
		struct xen_sysctl_cpuinfo one = {.idletime = sched_idle_ns(cpu)};

		if (guest_put(guest_at(info->info, cpu), one) != 0)
			return err(EFAULT);
	}
	info->nr_cpus = count;
	return 0;
}

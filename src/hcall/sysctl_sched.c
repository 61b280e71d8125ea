/* SPDX-License-Identifier: MIT */
/*
 * Tool calls about scheduling on the machine: the scheduler, its pools of CPUs, how long those were idle. Reached from sysctl.c;
 * calls sched. No lock.
 */
#include "hcall/hcall.h"
#include "hcall/tool.h"
#include "hw/mem.h"
#include "sched/sched.h"

#define RATELIMIT_MIN_US 100
#define RATELIMIT_MAX_US 500000

int sysctl_sched_id(struct vcpu *v, struct xen_sysctl *op)
{
	(void)v;
	op->u.sched_id.sched_id = XEN_SCHEDULER_CREDIT2;
	return 0;
}

int sysctl_cpupool_op(struct vcpu *v, struct xen_sysctl *sysctl)
{
	struct xen_sysctl_cpupool_op *op = &sysctl->u.cpupool_op;
	bool is_move = op->op == XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN;
	struct domain *d = NULL;
	struct cpumask cpus;
	int rc;

	(void)v;
	if (is_move && op->domid == dom0->id)
		return err(EPERM);
	if (is_move) {
		d = op->domid < DOMID_COUNT ? domain_get_by_id((domid_t)op->domid) : NULL;
		if (d == NULL)
			return err(ESRCH);
	}
	rc = sched_pool_op(op, d, &cpus);
	if (is_move)
		domain_put(d);
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

	(void)v;
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

	(void)v;
	for (u32 cpu = 0; cpu < count; cpu++) {
		struct xen_sysctl_cpuinfo one = {.idletime = sched_idle_ns(cpu)};

		if (hw_copy_to_guest(guest_at(info->info, cpu), &one, sizeof(one)) != 0)
			return err(EFAULT);
	}
	info->nr_cpus = count;
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Tool calls about scheduling on the machine: the scheduler, its pools of CPUs. Reached from sysctl.c; calls sched. No lock.
 */
#include "hcall/tool.h"
#include "hw/mem.h"
#include "lib/string.h"

#define POOL_SCHEDULER XEN_SCHEDULER_CREDIT2

int sysctl_sched_id(struct vcpu *v, struct xen_sysctl *op)
{
	(void)v;
	op->u.sched_id.sched_id = POOL_SCHEDULER;
	return 0;
}

/* The one pool that there is. */
int sysctl_cpupool_op(struct vcpu *v, struct xen_sysctl *sysctl)
{
	struct xen_sysctl_cpupool_op *op = &sysctl->u.cpupool_op;
	u32 bytes = (MIN(cpu_count, op->cpumap.nr_bits) + 7) / 8;
	u8 bits[CPU_MAX / 8] = {0};

	(void)v;
	if (op->op != XEN_SYSCTL_CPUPOOL_OP_INFO)
		return err(EOPNOTSUPP);
	if (op->cpupool_id != 0)
		return err(ENOENT);
	for (unsigned int cpu = 0; cpu < cpu_count; cpu++)
		bits[cpu / 8] |= (u8)(1u << (cpu % 8));
	op->sched_id = POOL_SCHEDULER;
	op->n_dom = 1;
	if (hw_copy_to_guest(gva_make((u64)op->cpumap.bitmap.p), bits, bytes) != 0)
		return err(EFAULT);
	return 0;
}

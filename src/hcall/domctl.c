/* SPDX-License-Identifier: MIT */
/*
 * domctl: tool calls about one domain, for Domain 0 alone. So far what the tools ask of Domain 0 itself; all else is
 * -ENOSYS. Only decoding. No lock: answers are snapshots.
 */
#include "core/domain.h"
#include "hcall/hcall.h"
#include "hcall/tool_info.h"
#include "hw/mem.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "sched/sched.h"

static u64 cpu_time(struct vcpu *v)
{
	struct vcpu_runstate_info runstate = {0};

	sched_runstate_get(v, &runstate);
	return runstate.time[RUNSTATE_running];
}

static bool is_blocked(struct vcpu *v)
{
	struct vcpu_runstate_info runstate = {0};

	sched_runstate_get(v, &runstate);
	return runstate.state == RUNSTATE_blocked;
}

void tool_domain_info(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
	bool all_blocked = true, any_running = false;
	struct vcpu *v;

	memset(info, 0, sizeof(*info));
	for_each_vcpu(d, v) {
		info->cpu_time += cpu_time(v);
		info->max_vcpu_id = v->id;
		if (atomic_load(&v->is_down))
			continue;
		info->nr_online_vcpus++;
		all_blocked = all_blocked && is_blocked(v);
		any_running = any_running || atomic_load(&v->is_running);
	}
	info->domain = d->id;
	info->flags = (all_blocked ? XEN_DOMINF_blocked : 0) |
		      (any_running ? XEN_DOMINF_running : 0) |
		      (atomic_load(&d->is_dying) ? XEN_DOMINF_dying : 0) |
		      (atomic_load(&d->is_shut_down) ? XEN_DOMINF_shutdown : 0) |
		      (u32)d->shutdown_code << XEN_DOMINF_shutdownshift;
	info->tot_pages = d->mm->pages_current;
	info->max_pages = d->mm->pages_max;
	info->outstanding_pages = d->mm->pages_claimed;
	info->shared_info_frame = mfn_num(d->shared_mfn);
	info->gpaddr_bits = 64;
}

static int vcpu_info(struct domain *d, struct xen_domctl_getvcpuinfo *info)
{
	struct vcpu *v = domain_vcpu(d, info->vcpu);

	if (v == NULL)
		return err(ESRCH);
	info->online = !atomic_load(&v->is_down);
	info->blocked = is_blocked(v);
	info->running = atomic_load(&v->is_running);
	info->cpu_time = cpu_time(v);
	info->cpu = atomic_load(&v->cpu);
	return 0;
}

static int act(struct domain *d, struct xen_domctl *op)
{
	switch (op->cmd) {
	case XEN_DOMCTL_getdomaininfo:
		tool_domain_info(d, &op->u.getdomaininfo);
		op->domain = d->id;
		return 0;
	case XEN_DOMCTL_getvcpuinfo:
		return vcpu_info(d, &op->u.getvcpuinfo);
	default:
		return err(ENOSYS);
	}
}

int do_domctl(struct vcpu *v, struct hcall_args *args)
{
	struct xen_domctl op;
	struct domain *d;
	int rc;

	args->result = 0;
	if (!v->domain->is_privileged)
		return err(EPERM);
	if (hw_copy_from_guest(&op, gva_make(args->a[0]), sizeof(op)) != 0)
		return err(EFAULT);
	if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION)
		return err(EACCES);
	/* getdomaininfo also finds the next domain, if that number is not in use: how tools list domains. */
	d = op.cmd == XEN_DOMCTL_getdomaininfo
		    ? domain_get_next(op.domain)
		    : domain_get_by_id(op.domain == DOMID_SELF ? v->domain->id : op.domain);
	if (d == NULL)
		return err(ESRCH);
	rc = act(d, &op);
	domain_put(d);
	if (rc == 0 && hw_copy_to_guest(gva_make(args->a[0]), &op, sizeof(op)) != 0)
		rc = err(EFAULT);
	return rc;
}

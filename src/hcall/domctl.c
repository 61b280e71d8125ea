/* SPDX-License-Identifier: MIT */
/*
 * domctl: tool calls about one domain, for Domain 0 alone. The table; what has no row answers -ENOSYS. Reached from the hypercall
 * table; calls domctl_*.c. One call at a time for each domain.
 */
#include "hcall/hcall.h"
#include "hcall/tool.h"
#include "hw/mem.h"
#include "lib/string.h"

/* A call, or the error that Xen has where there is no such device or guest. Without a row: -ENOSYS. */
struct domctl_row {
	domctl_fn fn;
	int error;
};
#define ROW(name)     [XEN_DOMCTL_##name] = {.fn = domctl_##name}
#define NOTHING(name) [XEN_DOMCTL_##name] = {.fn = domctl_nothing}
#define NO(name, why) [XEN_DOMCTL_##name] = {.error = (why)}

static const struct domctl_row table[] = {
	ROW(destroydomain),
	ROW(pausedomain),
	ROW(unpausedomain),
	ROW(getdomaininfo),
	ROW(max_mem),
	ROW(setvcpucontext),
	ROW(getvcpucontext),
	ROW(getvcpuinfo),
	ROW(max_vcpus),
	ROW(setdomainhandle),
	ROW(irq_permission),
	ROW(iomem_permission),
	ROW(ioport_permission),
	ROW(hypercall_init),
	ROW(settimeoffset),
	ROW(resumedomain),
	ROW(sendtrigger),
	ROW(subscribe),
	ROW(set_address_size),
	ROW(get_address_size),
	ROW(set_ext_vcpucontext),
	ROW(get_ext_vcpucontext),
	ROW(getpageframeinfo3),
	ROW(shadow_op),
	ROW(setvcpuextstate),
	ROW(getvcpuextstate),
	ROW(set_virq_handler),
	ROW(get_cpu_policy),
	ROW(set_cpu_policy),
	ROW(gettscinfo),
	ROW(settscinfo),
	ROW(get_vcpu_msrs),
	ROW(set_vcpu_msrs),
	ROW(setvcpuaffinity),
	ROW(getvcpuaffinity),
	ROW(setnodeaffinity),
	ROW(getnodeaffinity),
	ROW(scheduler_op),
	NOTHING(setdebugging),
	NOTHING(memory_mapping),
	NOTHING(set_access_required),
	NO(gethvmcontext, EINVAL),
	NO(sethvmcontext, EINVAL),
	NO(gethvmcontext_partial, EINVAL),
	NO(assign_device, EOPNOTSUPP),
	NO(test_assign_device, EOPNOTSUPP),
	NO(deassign_device, EOPNOTSUPP),
	NO(get_device_group, EOPNOTSUPP),
	NO(bind_pt_irq, EINVAL),
	NO(unbind_pt_irq, EINVAL),
	NO(ioport_mapping, EOPNOTSUPP),
	NO(set_target, EOPNOTSUPP),
	NO(debug_op, EINVAL),
	NO(vm_event_op, EINVAL),
	NO(set_broken_page_p2m, EINVAL),
	NO(setvnumainfo, EOPNOTSUPP),
	NO(psr_cmt_op, ENODEV),
	NO(psr_alloc, ENODEV),
	NO(soft_reset, EINVAL),
	NO(monitor_op, EOPNOTSUPP),
	NO(vmtrace_op, EINVAL),
	NO(get_paging_mempool_size, EOPNOTSUPP),
	NO(set_paging_mempool_size, EOPNOTSUPP),
};

static struct domain *domain_find(const struct vcpu *v, const struct xen_domctl *op)
{
	/* getdomaininfo also finds the next domain, if that number is not in use: how tools list domains. */
	if (op->cmd == XEN_DOMCTL_getdomaininfo)
		return domain_get_next(op->domain);
	return domain_get_by_id(op->domain == DOMID_SELF ? v->domain->id : op->domain);
}

static int act(struct vcpu *v, struct xen_domctl *op)
{
	struct domctl_row row = {0};
	struct domain *d;
	int rc;

	if (op->cmd < ARRAY_SIZE(table))
		row = table[idx_nospec(op->cmd, ARRAY_SIZE(table))];
	if (op->cmd == XEN_DOMCTL_createdomain)
		return domctl_createdomain(op);
	d = domain_find(v, op);
	if (d == NULL)
		return err(ESRCH);
	/* Not a lock: a call copies to and from its caller, and may be cut short. Who comes second comes again. */
	if (atomic_exchange(&d->is_in_domctl, true)) {
		rc = -ERESTART;
	} else {
		rc = row.fn != NULL ? row.fn(v, d, op) : err(row.error != 0 ? row.error : ENOSYS);
		atomic_store(&d->is_in_domctl, false);
	}
	domain_put(d);
	return rc;
}

int do_domctl(struct vcpu *v, struct hcall_args *args)
{
	struct xen_domctl op;
	int rc;

	args->result = 0;
	if (!v->domain->is_privileged)
		return err(EPERM);
	if (hw_copy_from_guest(&op, gva_make(args->a[0]), sizeof(op)) != 0)
		return err(EFAULT);
	if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION)
		return err(EACCES);
	rc = act(v, &op);
	if (rc != -ERESTART && hw_copy_to_guest(gva_make(args->a[0]), &op, sizeof(op)) != 0)
		rc = err(EFAULT);
	return rc;
}

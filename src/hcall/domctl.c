/* SPDX-License-Identifier: MIT */
/*
 * domctl: tool calls about one domain, for Domain 0 alone. The table; what has no row answers -ENOSYS. Reached from the hypercall
 * table; calls domctl_*.c. One call at a time for each domain.
 */
#include "hcall/hcall.h"
#include "hcall/tool.h"
#include "hw/mem.h"
#include "lib/string.h"

#define ROW(name) [XEN_DOMCTL_##name] = domctl_##name

static const domctl_fn table[] = {
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
	ROW(setvcpuextstate),
	ROW(getvcpuextstate),
	ROW(set_virq_handler),
	ROW(get_cpu_policy),
	ROW(set_cpu_policy),
	ROW(gettscinfo),
	ROW(settscinfo),
	ROW(get_vcpu_msrs),
	ROW(set_vcpu_msrs),
	[XEN_DOMCTL_setdebugging] = domctl_nothing,
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
	domctl_fn fn = op->cmd < ARRAY_SIZE(table) ? table[idx_nospec(op->cmd, ARRAY_SIZE(table))]
						   : NULL;
	struct domain *d;
	int rc;

	if (op->cmd == XEN_DOMCTL_createdomain)
		return domctl_createdomain(op);
	d = domain_find(v, op);
	if (d == NULL)
		return err(ESRCH);
	/* Not a lock: a call copies to and from its caller, and may be cut short. Who comes second comes again. */
	if (atomic_exchange(&d->is_in_domctl, true)) {
		rc = -ERESTART;
	} else {
		rc = fn != NULL ? fn(v, d, op) : err(ENOSYS);
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

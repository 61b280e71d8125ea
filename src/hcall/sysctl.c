/* SPDX-License-Identifier: MIT */
/*
 * sysctl: tool calls about the machine, for Domain 0 alone. The table; what has no row answers -ENOSYS. Reached from the hypercall
 * table; calls sysctl_*.c. No lock of its own.
 */
#include "hcall/hcall.h"
#include "hcall/tool.h"
#include "hw/mem.h"
#include "lib/string.h"

#define ROW(name) [XEN_SYSCTL_##name] = sysctl_##name

static const sysctl_fn table[] = {
	ROW(readconsole),
	ROW(physinfo),
	ROW(sched_id),
	ROW(getdomaininfolist),
	ROW(availheap),
	ROW(cputopoinfo),
	ROW(numainfo),
	ROW(cpupool_op),
	ROW(get_cpu_policy),
	ROW(get_cpu_featureset),
	ROW(get_cpu_levelling_caps),
};

int do_sysctl(struct vcpu *v, struct hcall_args *args)
{
	struct xen_sysctl op;
	sysctl_fn fn;
	int rc;

	args->result = 0;
	if (!v->domain->is_privileged)
		return err(EPERM);
	if (hw_copy_from_guest(&op, gva_make(args->a[0]), sizeof(op)) != 0)
		return err(EFAULT);
	if (op.interface_version != XEN_SYSCTL_INTERFACE_VERSION)
		return err(EACCES);
	fn = op.cmd < ARRAY_SIZE(table) ? table[idx_nospec(op.cmd, ARRAY_SIZE(table))] : NULL;
	rc = fn != NULL ? fn(v, &op) : err(ENOSYS);
	if (rc != -ERESTART && hw_copy_to_guest(gva_make(args->a[0]), &op, sizeof(op)) != 0)
		rc = err(EFAULT);
	return rc;
}

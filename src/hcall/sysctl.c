/* SPDX-License-Identifier: MIT */
/*
 * sysctl: tool calls about the machine, for Domain 0 alone. The table; what has no row answers -ENOSYS. Reached from the hypercall
 * table; calls sysctl_*.c. No lock of its own.
 */
#include "hcall/hcall.h"
#include "hcall/tool.h"
#include "hw/mem.h"
#include "lib/string.h"

/* A call, or the error that Xen has where there is no such hardware. Without a row: -ENOSYS. */
struct sysctl_row {
	sysctl_fn fn;
	int error;
};
#define ROW(name)     [XEN_SYSCTL_##name] = {.fn = sysctl_##name}
#define NO(name, why) [XEN_SYSCTL_##name] = {.error = (why)}

static const struct sysctl_row table[] = {
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
	ROW(scheduler_op),
	ROW(getcpuinfo),
	ROW(debug_keys),
	ROW(cpu_hotplug),
	ROW(pcitopoinfo),
	NO(tbuf_op, EOPNOTSUPP),
	NO(get_pmstat, ENODEV),
	NO(pm_op, ENODEV),
	NO(page_offline_op, EOPNOTSUPP),
	NO(coverage_op, EOPNOTSUPP),
	NO(psr_cmt_op, ENODEV),
	NO(psr_alloc, ENODEV),
	NO(livepatch_op, EOPNOTSUPP),
};

int do_sysctl(struct vcpu *v, struct hcall_args *args)
{
	struct xen_sysctl op;
	struct sysctl_row row = {0};
	int rc;

	args->result = 0;
	if (!v->domain->is_privileged)
		return err(EPERM);
	if (hw_copy_from_guest(&op, gva_make(args->a[0]), sizeof(op)) != 0)
		return err(EFAULT);
	if (op.interface_version != XEN_SYSCTL_INTERFACE_VERSION)
		return err(EACCES);
	if (op.cmd < ARRAY_SIZE(table))
		row = table[idx_nospec(op.cmd, ARRAY_SIZE(table))];
	rc = row.fn != NULL ? row.fn(v, &op) : err(row.error != 0 ? row.error : ENOSYS);
	if (rc != -ERESTART && hw_copy_to_guest(gva_make(args->a[0]), &op, sizeof(op)) != 0)
		rc = err(EFAULT);
	return rc;
}

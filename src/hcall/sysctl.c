/* SPDX-License-Identifier: MIT */
/*
 * sysctl: tool calls about the machine, for Domain 0 alone. What the tools need to start and to list is here; all else is
 * -ENOSYS. Only decoding. No lock: answers are snapshots.
 */
#include "core/domain.h"
#include "core/log.h"
#include "hcall/hcall.h"
#include "hcall/tool.h"
#include "hw/clock.h"
#include "hw/mem.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "policy/policy.h"

#define CONSOLE_CHUNK  256
#define POOL_SCHEDULER XEN_SCHEDULER_CREDIT2

static int console_read(struct xen_sysctl_readconsole *op)
{
	u64 pos = op->incremental != 0 ? op->index : 0;
	u32 done = 0, want = op->count;
	char chunk[CONSOLE_CHUNK];

	/* The ring holds 32 KiB: bounded, whatever the guest's buffer. */
	while (done < want) {
		size_t len = log_ring_read(&pos, chunk, MIN(sizeof(chunk), want - done));

		if (len == 0)
			break;
		if (hw_copy_to_guest(gva_make((u64)op->buffer.p + done), chunk, len) != 0)
			return err(EFAULT);
		done += (u32)len;
	}
	if (op->clear != 0)
		log_ring_clear();
	op->count = done;
	op->index = (u32)pos;
	return 0;
}

static void physinfo(const struct domain *d, struct xen_sysctl_physinfo *info)
{
	u32 words[POLICY_FEATURE_WORDS];

	policy_featureset(d->policy, words);
	memset(info, 0, sizeof(*info));
	info->threads_per_core = 1;
	info->cores_per_socket = 1;
	info->nr_cpus = cpu_count;
	info->max_cpu_id = cpu_count - 1;
	info->nr_nodes = 1;
	info->cpu_khz = (u32)hw_tsc_khz;
	info->capabilities = XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_gnttab_v1;
	info->total_pages = frame_total_count();
	info->free_pages = frame_free_count();
	info->max_mfn = hw_frame_max - 1;
	for (size_t i = 0; i < ARRAY_SIZE(info->hw_cap); i++)
		info->hw_cap[i] = words[i];
}

static int domain_list(struct xen_sysctl_getdomaininfolist *op)
{
	u64 at = (u64)op->buffer.p;
	domid_t next = op->first_domain;

	for (op->num_domains = 0; op->num_domains < op->max_domains; op->num_domains++) {
		struct xen_domctl_getdomaininfo info;
		struct domain *d = domain_get_next(next);

		if (d == NULL)
			break;
		tool_domain_info(d, &info);
		next = (domid_t)(d->id + 1);
		domain_put(d);
		if (hw_copy_to_guest(gva_make(at), &info, sizeof(info)) != 0)
			return err(EFAULT);
		at += sizeof(info);
	}
	return 0;
}

/* One socket, one node, a core for each CPU. */
static int cpu_topology(struct xen_sysctl_cputopoinfo *op)
{
	u32 room = op->num_cpus;

	op->num_cpus = cpu_count;
	if ((u64)op->cputopo.p == 0)
		return 0;
	for (u32 cpu = 0; cpu < MIN(room, cpu_count); cpu++) {
		const struct xen_sysctl_cputopo topology = {.core = cpu, .socket = 0, .node = 0};

		if (hw_copy_to_guest(gva_make((u64)(op->cputopo.p + cpu)), &topology,
				     sizeof(topology)) != 0)
			return err(EFAULT);
	}
	return 0;
}

static int node_info(struct xen_sysctl_numainfo *op)
{
	const struct xen_sysctl_meminfo info = {.memsize = frame_total_count() << PAGE_SHIFT,
						.memfree = frame_free_count() << PAGE_SHIFT};
	const u32 distance = 10;
	bool is_wanted = op->num_nodes != 0;

	op->num_nodes = 1;
	if (is_wanted && (u64)op->meminfo.p != 0 &&
	    hw_copy_to_guest(gva_make((u64)op->meminfo.p), &info, sizeof(info)) != 0)
		return err(EFAULT);
	if (is_wanted && (u64)op->distance.p != 0 &&
	    hw_copy_to_guest(gva_make((u64)op->distance.p), &distance, sizeof(distance)) != 0)
		return err(EFAULT);
	return 0;
}

/* The one pool that there is. */
static int pool_info(struct xen_sysctl_cpupool_op *op)
{
	u32 bytes = (MIN(cpu_count, op->cpumap.nr_bits) + 7) / 8;
	u8 bits[CPU_MAX / 8] = {0};

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

static int act(struct vcpu *v, struct xen_sysctl *op)
{
	switch (op->cmd) {
	case XEN_SYSCTL_readconsole:
		return console_read(&op->u.readconsole);
	case XEN_SYSCTL_physinfo:
		physinfo(v->domain, &op->u.physinfo);
		return 0;
	case XEN_SYSCTL_sched_id:
		op->u.sched_id.sched_id = POOL_SCHEDULER;
		return 0;
	case XEN_SYSCTL_getdomaininfolist:
		return domain_list(&op->u.getdomaininfolist);
	case XEN_SYSCTL_availheap:
		op->u.availheap.avail_bytes = frame_free_count() << PAGE_SHIFT;
		return 0;
	case XEN_SYSCTL_cputopoinfo:
		return cpu_topology(&op->u.cputopoinfo);
	case XEN_SYSCTL_numainfo:
		return node_info(&op->u.numainfo);
	case XEN_SYSCTL_cpupool_op:
		return pool_info(&op->u.cpupool_op);
	default:
		return err(ENOSYS);
	}
}

int do_sysctl(struct vcpu *v, struct hcall_args *args)
{
	struct xen_sysctl op;
	int rc;

	args->result = 0;
	if (!v->domain->is_privileged)
		return err(EPERM);
	if (hw_copy_from_guest(&op, gva_make(args->a[0]), sizeof(op)) != 0)
		return err(EFAULT);
	if (op.interface_version != XEN_SYSCTL_INTERFACE_VERSION)
		return err(EACCES);
	rc = act(v, &op);
	if (rc == 0 && hw_copy_to_guest(gva_make(args->a[0]), &op, sizeof(op)) != 0)
		rc = err(EFAULT);
	return rc;
}

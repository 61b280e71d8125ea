/* SPDX-License-Identifier: MIT */
/*
 * Tool calls that tell about the machine: console ring, CPUs, memory, domains. Reached from sysctl.c; calls core, mm, policy. No
 * lock: answers are snapshots.
 */
#include "core/domain.h"
#include "core/log.h"
#include "hcall/tool.h"
#include "hw/clock.h"
#include "hw/mem.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "policy/policy.h"

#define CONSOLE_CHUNK 256

int sysctl_readconsole(struct vcpu *v, struct xen_sysctl *sysctl)
{
	struct xen_sysctl_readconsole *op = &sysctl->u.readconsole;
	u64 pos = op->incremental != 0 ? op->index : 0;
	u32 done = 0, want = op->count;
	char chunk[CONSOLE_CHUNK];

	(void)v;
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

int sysctl_physinfo(struct vcpu *v, struct xen_sysctl *op)
{
	struct xen_sysctl_physinfo *info = &op->u.physinfo;
	u32 words[POLICY_FEATURE_WORDS];

	policy_featureset(v->domain->policy, words);
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
	return 0;
}

int sysctl_availheap(struct vcpu *v, struct xen_sysctl *op)
{
	(void)v;
	op->u.availheap.avail_bytes = frame_free_count() << PAGE_SHIFT;
	return 0;
}

int sysctl_getdomaininfolist(struct vcpu *v, struct xen_sysctl *sysctl)
{
	struct xen_sysctl_getdomaininfolist *op = &sysctl->u.getdomaininfolist;
	u64 at = (u64)op->buffer.p;
	domid_t next = op->first_domain;

	(void)v;
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
int sysctl_cputopoinfo(struct vcpu *v, struct xen_sysctl *sysctl)
{
	struct xen_sysctl_cputopoinfo *op = &sysctl->u.cputopoinfo;
	u32 room = op->num_cpus;

	(void)v;
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

int sysctl_numainfo(struct vcpu *v, struct xen_sysctl *sysctl)
{
	struct xen_sysctl_numainfo *op = &sysctl->u.numainfo;
	const struct xen_sysctl_meminfo info = {.memsize = frame_total_count() << PAGE_SHIFT,
						.memfree = frame_free_count() << PAGE_SHIFT};
	const u32 distance = 10;
	bool is_wanted = op->num_nodes != 0;

	(void)v;
	op->num_nodes = 1;
	if (is_wanted && (u64)op->meminfo.p != 0 &&
	    hw_copy_to_guest(gva_make((u64)op->meminfo.p), &info, sizeof(info)) != 0)
		return err(EFAULT);
	if (is_wanted && (u64)op->distance.p != 0 &&
	    hw_copy_to_guest(gva_make((u64)op->distance.p), &distance, sizeof(distance)) != 0)
		return err(EFAULT);
	return 0;
}

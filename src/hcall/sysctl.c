/* SPDX-License-Identifier: MIT */
/*
 * sysctl: tool calls about the machine, for Domain 0 alone. Here: console ring, CPUs, memory, domains, and the table, in
 * which what has no row answers -ENOSYS. Reached from the hypercall table; calls core, mm, policy and the other files of
 * tool.h. No lock: answers are snapshots.
 */
#include "core/log.h"
#include "domain/domain.h"
#include "hcall/subop.h"
#include "hcall/tool.h"
#include "hw/clock.h"
#include "hw/features.h"
#include "hw/lapic.h"
#include "hw/mem.h"
#include "hw/pci.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "policy/policy.h"

#define CONSOLE_CHUNK	256
#define DEVICES_AT_ONCE 1024u /* tools ask for the rest */
#define E820_TYPE_RAM	1

int sysctl_readconsole(struct vcpu *v, struct xen_sysctl *sysctl)
{
	struct xen_sysctl_readconsole *op = &sysctl->u.readconsole;
	u64 pos = op->incremental != 0 ? op->index : 0;
	u32 done = 0, want = op->count;
	char chunk[CONSOLE_CHUNK];

	/* The ring holds 32 KiB: bounded, whatever the guest's buffer. */
	while (done < want) {
		size_t len = log_ring_read(&pos, chunk, MIN(sizeof(chunk), want - done));

		if (len == 0)
			break;
		if (hw_copy_to_guest(guest_at(op->buffer, done), chunk, len) != 0)
			return err(EFAULT);
		done += (u32)len;
	}
	if (op->clear != 0)
		log_ring_clear();
	op->count = done;
	op->index = (u32)pos;
	return 0;
}

#define NODES_MAX 64 /* as Xen says it; there is one */

static u64 ram_pages(void)
{
	u64 pages = 0;

	for (unsigned int i = 0; i < mm_host_e820_count; i++)
		if (mm_host_e820[i].type == E820_TYPE_RAM)
			pages += mm_host_e820[i].size >> PAGE_SHIFT;
	return pages;
}

/* CPUs whose APIC ids differ from the first one's in the low bits only, and that one. */
static u32 cpus_beside_first(u32 bits)
{
	u32 count = 1;

	for (u32 cpu = 1; cpu < cpu_count; cpu++)
		count += hw_cpu_apic_id[cpu] >> bits == hw_cpu_apic_id[0] >> bits;
	return count;
}

int sysctl_physinfo(struct vcpu *v, struct xen_sysctl *op)
{
	HEAP_SCOPE struct policy *host = heap_alloc(sizeof(*host));
	u32 words[POLICY_FEATURE_WORDS], threads = cpus_beside_first(hw_features.thread_bits);

	if (host == NULL)
		return err(ENOMEM);
	policy_make(host, &policy_cpu, POLICY_HOST);
	policy_featureset(host, words);
	op->u.physinfo = (struct xen_sysctl_physinfo){
		.threads_per_core = threads,
		.cores_per_socket = cpus_beside_first(hw_features.socket_bits) / threads,
		.nr_cpus = cpu_count,
		.max_cpu_id = cpu_count - 1,
		.nr_nodes = 1,
		.max_node_id = NODES_MAX - 1,
		.cpu_khz = (u32)hw_tsc_khz,
		.capabilities = XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_gnttab_v1,
		.total_pages = ram_pages(),
		.free_pages = frame_free_count(),
		.outstanding_pages = mm_claimed_total(),
		.max_mfn = hw_frame_max - 1,
	};
	memcpy(op->u.physinfo.hw_cap, words, sizeof(op->u.physinfo.hw_cap));
	return 0;
}

/* Of one node, at any address. */
int sysctl_availheap(struct vcpu *v, struct xen_sysctl *op)
{
	bool is_here = op->u.availheap.node == -1 || op->u.availheap.node == 0;

	op->u.availheap.avail_bytes = is_here ? frame_free_count() << PAGE_SHIFT : 0;
	return 0;
}

int sysctl_getdomaininfolist(struct vcpu *v, struct xen_sysctl *sysctl)
{
	struct xen_sysctl_getdomaininfolist *op = &sysctl->u.getdomaininfolist;
	domid_t next = op->first_domain;

	for (op->num_domains = 0; op->num_domains < op->max_domains; op->num_domains++) {
		struct xen_domctl_getdomaininfo info;
		DOMAIN_REF d = domain_get_next(next);

		if (d == NULL)
			break;
		tool_domain_info(d, &info);
		next = (domid_t)(d->id + 1);
		if (guest_put(guest_at(op->buffer, op->num_domains), info) != 0)
			return err(EFAULT);
	}
	return 0;
}

int sysctl_cputopoinfo(struct vcpu *v, struct xen_sysctl *sysctl)
{
	struct xen_sysctl_cputopoinfo *op = &sysctl->u.cputopoinfo;
	bool is_wanted = (u64)op->cputopo.p != 0;

	op->num_cpus = is_wanted ? MIN(op->num_cpus, cpu_count) : cpu_count;
	for (u32 cpu = 0; is_wanted && cpu < op->num_cpus; cpu++) {
		u32 apic_id = hw_cpu_apic_id[cpu];
		const struct xen_sysctl_cputopo topology = {
			.core = (apic_id & (u32)(BIT(hw_features.socket_bits) - 1)) >>
				hw_features.thread_bits,
			.socket = apic_id >> hw_features.socket_bits,
		};

		if (guest_put(guest_at(op->cputopo, cpu), topology) != 0)
			return err(EFAULT);
	}
	return 0;
}

int sysctl_numainfo(struct vcpu *v, struct xen_sysctl *sysctl)
{
	struct xen_sysctl_numainfo *op = &sysctl->u.numainfo;
	const struct xen_sysctl_meminfo info = {.memsize = ram_pages() << PAGE_SHIFT,
						.memfree = frame_free_count() << PAGE_SHIFT};
	const u32 distance = 10;
	bool is_size = (u64)op->meminfo.p == 0 && (u64)op->distance.p == 0;
	bool is_wanted = op->num_nodes != 0;

	op->num_nodes = is_size || is_wanted;
	if (is_wanted && (u64)op->meminfo.p != 0 && guest_put(guest_at(op->meminfo, 0), info) != 0)
		return err(EFAULT);
	if (is_wanted && (u64)op->distance.p != 0 &&
	    guest_put(guest_at(op->distance, 0), distance) != 0)
		return err(EFAULT);
	return 0;
}

/* ---------------------------------------------------------------- keys, CPUs, devices */

/* Each key's words come before this call ends; the same key twice counts once. */
int sysctl_debug_keys(struct vcpu *v, struct xen_sysctl *op)
{
	char keys[128];
	u32 count = MIN(op->u.debug_keys.nr_keys, (u32)sizeof(keys));

	if (hw_copy_from_guest(keys, guest_at(op->u.debug_keys.keys, 0), count) != 0)
		return err(EFAULT);
	for (u32 i = 0; i < count; i++)
		domain_console_key(keys[i]);
	return 0;
}

/* ---------------------------------------------------------------- what was done how often (xenperf) */

static const struct counter {
	const char *name;
	u32 at, values; /* in struct perf; values 0: one for each CPU */
} counters[] = {
#define ARRAY(name, count) {#name, offsetof(struct perf, name) / sizeof(u64), count},
#define ONE(name)	   {#name, offsetof(struct perf, name) / sizeof(u64), 0},
	PERF_LIST(ARRAY, ONE)
#undef ARRAY
#undef ONE
};

static xen_sysctl_perfc_val_t counter_value(const struct counter *counter, u32 idx)
{
	u64 sum = 0;

	if (counter->values == 0)
		return (xen_sysctl_perfc_val_t)((const u64 *)&hw_cpu(idx)->perf)[counter->at];
	for (u32 cpu = 0; cpu < cpu_count; cpu++)
		sum += ((const u64 *)&hw_cpu(cpu)->perf)[counter->at + idx];
	return (xen_sysctl_perfc_val_t)sum;
}

/* Descriptions and values, to whom gives a place for them; how many there are, to all. */
int sysctl_perfc_op(struct vcpu *v, struct xen_sysctl *sysctl)
{
	struct xen_sysctl_perfc_op *op = &sysctl->u.perfc_op;
	u32 value = 0;

	if (op->cmd != XEN_SYSCTL_PERFCOP_reset && op->cmd != XEN_SYSCTL_PERFCOP_query)
		return err(EINVAL);
	for (u32 cpu = 0; cpu < cpu_count && op->cmd == XEN_SYSCTL_PERFCOP_reset; cpu++)
		memset(&hw_cpu(cpu)->perf, 0, sizeof(struct perf));
	for (u32 i = 0; i < ARRAY_SIZE(counters); i++) {
		u32 values = counters[i].values != 0 ? counters[i].values : cpu_count;
		struct xen_sysctl_perfc_desc desc = {.nr_vals = values};

		memcpy(desc.name, counters[i].name, strlen(counters[i].name));
		if ((u64)op->desc.p != 0 && guest_put(guest_at(op->desc, i), desc) != 0)
			return err(EFAULT);
		for (u32 k = 0; k < values; k++, value++) {
			xen_sysctl_perfc_val_t now = counter_value(&counters[i], k);

			if ((u64)op->val.p != 0 && guest_put(guest_at(op->val, value), now) != 0)
				return err(EFAULT);
		}
	}
	op->nr_counters = ARRAY_SIZE(counters);
	op->nr_vals = value;
	return 0;
}

/* CPUs stay as boot left them. */
int sysctl_cpu_hotplug(struct vcpu *v, struct xen_sysctl *op)
{
	const struct xen_sysctl_cpu_hotplug *arg = &op->u.cpu_hotplug;

	if (arg->op > XEN_SYSCTL_CPU_HOTPLUG_OFFLINE)
		return err(EOPNOTSUPP);
	if (arg->cpu >= cpu_count)
		return err(EINVAL);
	return arg->op == XEN_SYSCTL_CPU_HOTPLUG_ONLINE ? err(EEXIST)
	       : arg->cpu == 0				? err(EINVAL)
							: err(EOPNOTSUPP);
}

/* Devices are near no node. */
int sysctl_pcitopoinfo(struct vcpu *v, struct xen_sysctl *op)
{
	struct xen_sysctl_pcitopoinfo *arg = &op->u.pcitopoinfo;

	arg->num_devs = MIN(arg->num_devs, DEVICES_AT_ONCE);
	if ((u64)arg->devs.p == 0 || (u64)arg->nodes.p == 0)
		return err(EINVAL);
	for (u32 i = 0; i < arg->num_devs; i++) {
		physdev_pci_device_t dev;
		u32 node = XEN_INVALID_NODE_ID;

		if (guest_get(dev, guest_at(arg->devs, i)) != 0)
			return err(EFAULT);
		if (hw_pci_read(
			    (struct pci_id){.segment = dev.seg, .bus = dev.bus, .devfn = dev.devfn},
			    PCI_VENDOR, 2) == 0xffff)
			node = XEN_INVALID_DEV;
		if (guest_put(guest_at(arg->nodes, i), node) != 0)
			return err(EFAULT);
	}
	return 0;
}

/* ---------------------------------------------------------------- the table */

/* A call, or the error that Xen has where there is no such hardware; neither: -ENOSYS. */
static const struct row {
	sysctl_fn fn;
	int error;
} table[] = {
#define ROW(name)     [XEN_SYSCTL_##name] = {.fn = sysctl_##name},
#define NO(name, why) [XEN_SYSCTL_##name] = {.error = (why)}
	NO(tbuf_op, EOPNOTSUPP),
	NO(get_pmstat, ENODEV),
	NO(pm_op, ENODEV),
	NO(page_offline_op, EOPNOTSUPP),
	NO(coverage_op, EOPNOTSUPP),
	NO(psr_cmt_op, ENODEV),
	NO(psr_alloc, ENODEV),
	NO(livepatch_op, EOPNOTSUPP),
	SYSCTL_LIST(ROW)
#undef ROW
};

int do_sysctl(struct vcpu *v, struct hcall_args *args)
{
	struct xen_sysctl op;
	struct row row = {0};
	int rc = subop_tool_begin(v, args, &op, sizeof(op), XEN_SYSCTL_INTERFACE_VERSION);

	if (rc != 0)
		return rc;
	if (op.cmd < ARRAY_SIZE(table))
		row = table[idx_nospec(op.cmd, ARRAY_SIZE(table))];
	rc = row.fn != NULL ? row.fn(v, &op) : err(row.error != 0 ? row.error : ENOSYS);
	if (rc != -ERESTART && guest_put(gva_make(args->a[0]), op) != 0)
		rc = err(EFAULT);
	return rc;
}

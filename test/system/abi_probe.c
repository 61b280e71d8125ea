/* SPDX-License-Identifier: MIT */
/*
 * Asks the hypervisor one question for each number of the tool interface, from Domain 0, and prints what it answers:
 * "NAME: RESULT [values]", result 0 or an error's name. test_abi.py compares Mica's lines with those of Xen 4.17.
 *
 *	abi_probe		sysctls, domctls on a small domain of its own, other hypercalls
 *	abi_probe policy	every CPU policy and feature set, all leaves and registers
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define __XEN_TOOLS__ 1
#include <xen/xen.h>
#include <xen/arch-x86/xen-mca.h>
#include <xen/domctl.h>
#include <xen/memory.h>
#include <xen/platform.h>
#include <xen/sysctl.h>

#define IOCTL_HYPERCALL _IOC(_IOC_NONE, 'P', 0, 6 * 8)
#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

static int privcmd;
static domid_t guest = DOMID_INVALID;
static xen_cpuid_leaf_t leaves[256];
static xen_msr_entry_t msrs[64];
static char buffer[65536];
static uint32_t words[1024];

static long call(unsigned int nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	struct {
		uint64_t op, arg[5];
	} h = {nr, {a, b, c, d, e}};
	long rc = ioctl(privcmd, IOCTL_HYPERCALL, &h);

	return rc < 0 ? -errno : rc;
}

static void say(const char *name, long rc)
{
	fflush(stdout);
	if (rc < 0)
		printf("\n%s: %s", name, strerrorname_np((int)-rc));
	else
		printf("\n%s: %ld", name, rc);
}

static struct xen_sysctl *sys(void)
{
	static struct xen_sysctl op;

	memset(&op, 0, sizeof(op));
	op.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	return &op;
}

static long sysctl(const char *name, uint32_t cmd, struct xen_sysctl *op)
{
	long rc;

	op->cmd = cmd;
	rc = call(__HYPERVISOR_sysctl, (uintptr_t)op, 0, 0, 0, 0);
	if (name != NULL)
		say(name, rc);
	return rc;
}

static struct xen_domctl *dom(void)
{
	static struct xen_domctl op;

	memset(&op, 0, sizeof(op));
	op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	op.domain = guest;
	return &op;
}

static long domctl(const char *name, uint32_t cmd, struct xen_domctl *op)
{
	long rc;

	op->cmd = cmd;
	rc = call(__HYPERVISOR_domctl, (uintptr_t)op, 0, 0, 0, 0);
	if (name != NULL)
		say(name, rc);
	return rc;
}

/* ---------------------------------------------------------------- CPU policies */

static void show_leaves(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		printf("\n  %08x:%08x %08x %08x %08x %08x", leaves[i].leaf, leaves[i].subleaf, leaves[i].a, leaves[i].b,
		       leaves[i].c, leaves[i].d);
}

static void show_msrs(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		printf("\n  msr %08x %016lx flags %x", msrs[i].idx, (unsigned long)msrs[i].val, msrs[i].flags);
}

static long policy_get(struct xen_sysctl *op, uint32_t index, uint32_t nr_leaves, uint32_t nr_msrs)
{
	memset(op, 0, sizeof(*op));
	op->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	op->u.cpu_policy.index = index;
	op->u.cpu_policy.nr_leaves = nr_leaves;
	op->u.cpu_policy.nr_msrs = nr_msrs;
	op->u.cpu_policy.leaves.p = leaves;
	op->u.cpu_policy.msrs.p = msrs;
	return sysctl(NULL, XEN_SYSCTL_get_cpu_policy, op);
}

static void policies(void)
{
	static const char *const names[] = {"raw", "host", "pv_max", "hvm_max", "pv_default", "hvm_default"};
	struct xen_sysctl *op = sys();

	for (uint32_t i = 0; i < COUNT(names); i++) {
		long rc = policy_get(op, i, COUNT(leaves), COUNT(msrs));

		say(names[i], rc);
		if (rc == 0) {
			show_leaves(op->u.cpu_policy.nr_leaves);
			show_msrs(op->u.cpu_policy.nr_msrs);
		}
	}
	for (uint32_t i = 0; i < 6; i++) {
		op = sys();
		op->u.cpu_featureset.index = i;
		op->u.cpu_featureset.nr_features = 64;
		op->u.cpu_featureset.features.p = words;
		if (sysctl("featureset", XEN_SYSCTL_get_cpu_featureset, op) == 0)
			for (uint32_t w = 0; w < op->u.cpu_featureset.nr_features; w++)
				printf(" %08x", words[w]);
	}
}

static long domain_policy_get(struct xen_domctl *op)
{
	op->u.cpu_policy.nr_leaves = COUNT(leaves);
	op->u.cpu_policy.nr_msrs = COUNT(msrs);
	op->u.cpu_policy.leaves.p = leaves;
	op->u.cpu_policy.msrs.p = msrs;
	return domctl(NULL, XEN_DOMCTL_get_cpu_policy, op);
}

static void domain_policy(const char *name, domid_t id)
{
	struct xen_domctl *op = dom();
	long rc;

	op->domain = id;
	rc = domain_policy_get(op);
	say(name, rc);
	if (rc == 0) {
		show_leaves(op->u.cpu_policy.nr_leaves);
		show_msrs(op->u.cpu_policy.nr_msrs);
	}
}

/* Set one leaf, or none; one register, or none. */
static void policy_set(const char *name, xen_cpuid_leaf_t leaf, uint32_t nr_leaves, xen_msr_entry_t msr, uint32_t nr_msrs)
{
	struct xen_domctl *op = dom();
	uint32_t leaf_at, sub_at, msr_at;

	leaves[0] = leaf;
	msrs[0] = msr;
	op->u.cpu_policy.nr_leaves = nr_leaves;
	op->u.cpu_policy.nr_msrs = nr_msrs;
	op->u.cpu_policy.leaves.p = leaves;
	op->u.cpu_policy.msrs.p = msrs;
	op->u.cpu_policy.err_leaf = op->u.cpu_policy.err_subleaf = op->u.cpu_policy.err_msr = 0x55;
	domctl(name, XEN_DOMCTL_set_cpu_policy, op);
	leaf_at = op->u.cpu_policy.err_leaf;
	sub_at = op->u.cpu_policy.err_subleaf;
	msr_at = op->u.cpu_policy.err_msr;
	printf(" leaf %x sub %x msr %x nr %u %u", leaf_at, sub_at, msr_at, op->u.cpu_policy.nr_leaves, op->u.cpu_policy.nr_msrs);
	if (nr_leaves == 1 && domain_policy_get(dom()) == 0)
		for (uint32_t i = 0; i < COUNT(leaves); i++)
			if (leaves[i].leaf == leaf.leaf && leaves[i].subleaf == leaf.subleaf && leaves[i].a + leaves[i].b + leaves[i].c + leaves[i].d) {
				printf(" now %08x %08x %08x %08x", leaves[i].a, leaves[i].b, leaves[i].c, leaves[i].d);
				break;
			}
}

#define LEAF(...) ((xen_cpuid_leaf_t){__VA_ARGS__})
#define MSR(...)  ((xen_msr_entry_t){__VA_ARGS__})

static void policy_calls(void)
{
	struct xen_sysctl *op = sys();
	struct xen_domctl *d;
	long rc;

	rc = sysctl("get_cpu_policy sizes", XEN_SYSCTL_get_cpu_policy, op);
	printf(" %u %u", op->u.cpu_policy.nr_leaves, op->u.cpu_policy.nr_msrs);
	op = sys();
	rc = policy_get(op, 1, 2, 64);
	say("get_cpu_policy few leaves", rc);
	printf(" %u %u", op->u.cpu_policy.nr_leaves, op->u.cpu_policy.nr_msrs);
	rc = policy_get(op, 1, 200, 1);
	say("get_cpu_policy few msrs", rc);
	printf(" %u %u", op->u.cpu_policy.nr_leaves, op->u.cpu_policy.nr_msrs);
	say("get_cpu_policy index", policy_get(op, 6, 200, 64));
	op = sys();
	op->u.cpu_policy._rsvd = 1;
	sysctl("get_cpu_policy rsvd", XEN_SYSCTL_get_cpu_policy, op);
	op = sys();
	sysctl("get_cpu_featureset size", XEN_SYSCTL_get_cpu_featureset, op);
	printf(" %u", op->u.cpu_featureset.nr_features);
	op = sys();
	op->u.cpu_featureset.nr_features = 3;
	op->u.cpu_featureset.features.p = words;
	sysctl("get_cpu_featureset few", XEN_SYSCTL_get_cpu_featureset, op);
	printf(" %u", op->u.cpu_featureset.nr_features);
	op = sys();
	op->u.cpu_featureset.index = 6;
	sysctl("get_cpu_featureset index", XEN_SYSCTL_get_cpu_featureset, op);
	op = sys();
	sysctl("get_cpu_levelling_caps", XEN_SYSCTL_get_cpu_levelling_caps, op);
	printf(" %x", op->u.cpu_levelling_caps.caps);
	d = dom();
	d->u.cpu_policy.nr_leaves = 2;
	d->u.cpu_policy.nr_msrs = 64;
	d->u.cpu_policy.leaves.p = leaves;
	d->u.cpu_policy.msrs.p = msrs;
	domctl("domain get few leaves", XEN_DOMCTL_get_cpu_policy, d);
	printf(" %u %u", d->u.cpu_policy.nr_leaves, d->u.cpu_policy.nr_msrs);
	d = dom();
	domctl("domain get null", XEN_DOMCTL_get_cpu_policy, d);
	printf(" %u %u", d->u.cpu_policy.nr_leaves, d->u.cpu_policy.nr_msrs);

	policy_set("set nothing", LEAF(0), 0, MSR(0), 0);
	policy_set("set leaf 0 a 0xffff", LEAF(0, ~0u, 0xffff, 0, 0, 0), 1, MSR(0), 0);
	policy_set("set leaf 0 a 4 vendor zero", LEAF(0, ~0u, 4, 0, 0, 0), 1, MSR(0), 0);
	policy_get(op, 4, COUNT(leaves), COUNT(msrs));
	policy_set("set leaf 0 default", leaves[0], 1, MSR(0), 0);
	policy_set("set leaf 0 sub 0", LEAF(0, 0, 4, 0, 0, 0), 1, MSR(0), 0);
	policy_set("set leaf 1 all features", LEAF(1, ~0u, ~0u, ~0u, ~0u, ~0u), 1, MSR(0), 0);
	policy_set("set leaf 1 none", LEAF(1, ~0u, 0, 0, 0, 0), 1, MSR(0), 0);
	policy_set("set leaf 1 twice sub 1", LEAF(1, 1, 0, 0, 0, 0), 1, MSR(0), 0);
	policy_set("set leaf 4 sub 0", LEAF(4, 0, 0x121, 0x1c0003f, 0x3f, 0), 1, MSR(0), 0);
	policy_set("set leaf 4 sub 9", LEAF(4, 9, 0x121, 0x1c0003f, 0x3f, 0), 1, MSR(0), 0);
	policy_set("set leaf 5", LEAF(5, ~0u, 1, 2, 3, 4), 1, MSR(0), 0);
	policy_set("set leaf 7 sub 0 all", LEAF(7, 0, ~0u, ~0u, ~0u, ~0u), 1, MSR(0), 0);
	policy_set("set leaf 7 sub 1 all", LEAF(7, 1, ~0u, ~0u, ~0u, ~0u), 1, MSR(0), 0);
	policy_set("set leaf 7 sub 2 all", LEAF(7, 2, ~0u, ~0u, ~0u, ~0u), 1, MSR(0), 0);
	policy_set("set leaf 7 sub 3", LEAF(7, 3, 0, 0, 0, 0), 1, MSR(0), 0);
	policy_set("set leaf a", LEAF(0xa, ~0u, 0x7300403, 0, 0, 0x603), 1, MSR(0), 0);
	policy_set("set leaf b sub 0", LEAF(0xb, 0, 1, 2, 0x100, 0), 1, MSR(0), 0);
	policy_set("set leaf b sub 2", LEAF(0xb, 2, 0, 0, 0, 0), 1, MSR(0), 0);
	policy_set("set leaf d sub 0 all", LEAF(0xd, 0, ~0u, ~0u, ~0u, ~0u), 1, MSR(0), 0);
	policy_set("set leaf d sub 1 all", LEAF(0xd, 1, ~0u, ~0u, ~0u, ~0u), 1, MSR(0), 0);
	policy_set("set leaf d sub 2", LEAF(0xd, 2, 256, 577, 0, 0), 1, MSR(0), 0);
	policy_set("set leaf d sub 62", LEAF(0xd, 62, 256, 577, 0, 0), 1, MSR(0), 0);
	policy_set("set leaf d sub 63", LEAF(0xd, 63, 256, 577, 0, 0), 1, MSR(0), 0);
	policy_set("set leaf d sub 64", LEAF(0xd, 64, 256, 577, 0, 0), 1, MSR(0), 0);
	policy_set("set leaf 0x12", LEAF(0x12, 0, 0, 0, 0, 0), 1, MSR(0), 0);
	policy_set("set leaf 0x40000000", LEAF(0x40000000, ~0u, 0x40000004, 0, 0, 0), 1, MSR(0), 0);
	policy_set("set leaf 0x40000000 max", LEAF(0x40000000, ~0u, 0x400000ff, 0, 0, 0), 1, MSR(0), 0);
	policy_set("set leaf 0x40000001", LEAF(0x40000001, ~0u, 0x40000004, 0, 0, 0), 1, MSR(0), 0);
	policy_set("set leaf 0x40000100", LEAF(0x40000100, ~0u, 0x40000104, 0, 0, 0), 1, MSR(0), 0);
	policy_set("set leaf 0x80000000 a high", LEAF(0x80000000, ~0u, 0x8000ffff, 0, 0, 0), 1, MSR(0), 0);
	policy_set("set leaf 0x80000000 a low", LEAF(0x80000000, ~0u, 0x80000008, 0, 0, 0), 1, MSR(0), 0);
	policy_set("set leaf 0x80000001 all", LEAF(0x80000001, ~0u, ~0u, ~0u, ~0u, ~0u), 1, MSR(0), 0);
	policy_set("set leaf 0x80000002", LEAF(0x80000002, ~0u, 0x41414141, 0, 0, 0), 1, MSR(0), 0);
	policy_set("set leaf 0x80000005", LEAF(0x80000005, ~0u, ~0u, ~0u, ~0u, ~0u), 1, MSR(0), 0);
	policy_set("set leaf 0x80000007 all", LEAF(0x80000007, ~0u, ~0u, ~0u, ~0u, ~0u), 1, MSR(0), 0);
	policy_set("set leaf 0x80000008 wide", LEAF(0x80000008, ~0u, 0x3939, ~0u, ~0u, ~0u), 1, MSR(0), 0);
	policy_set("set leaf 0x80000008 narrow", LEAF(0x80000008, ~0u, 0x3024, 0, 0, 0), 1, MSR(0), 0);
	policy_set("set leaf 0x80000021 all", LEAF(0x80000021, ~0u, ~0u, ~0u, ~0u, ~0u), 1, MSR(0), 0);
	policy_set("set leaf 0x8000ffff", LEAF(0x8000ffff, ~0u, 0, 0, 0, 0), 1, MSR(0), 0);
	policy_set("set leaf 0xc0000000", LEAF(0xc0000000, ~0u, 0, 0, 0, 0), 1, MSR(0), 0);
	policy_set("set too many leaves", LEAF(0), 1000, MSR(0), 0);
	policy_set("set too many msrs", LEAF(0), 0, MSR(0), 1000);
	policy_set("set msr 0xce zero", LEAF(0), 0, MSR(0xce, 0, 0), 1);
	policy_set("set msr 0xce faulting", LEAF(0), 0, MSR(0xce, 0, 1ul << 31), 1);
	policy_set("set msr 0xce wrong", LEAF(0), 0, MSR(0xce, 0, 1), 1);
	policy_set("set msr 0xce flags", LEAF(0), 0, MSR(0xce, 1, 0), 1);
	policy_set("set msr 0x10a zero", LEAF(0), 0, MSR(0x10a, 0, 0), 1);
	policy_set("set msr 0x10a all", LEAF(0), 0, MSR(0x10a, 0, ~0ul), 1);
	policy_set("set msr 0x10a wide", LEAF(0), 0, MSR(0x10a, 0, 1ul << 40), 1);
	policy_set("set msr 0x10", LEAF(0), 0, MSR(0x10, 0, 0), 1);
}

/* ---------------------------------------------------------------- sysctl */

#define SYS(name, number, ...)                                       \
	do {                                                         \
		struct xen_sysctl *op_ = sys();                      \
		op_->u = (__typeof__(op_->u)){__VA_ARGS__};         \
		rc = sysctl(name, XEN_SYSCTL_##number, op_);         \
		o = op_;                                             \
	} while (0)

static void sysctls(void)
{
	struct xen_sysctl *o;
	physdev_pci_device_t devs[2] = {{0, 0, 0}, {0, 77, 0}};
	long rc;

	SYS("sysctl 0", readconsole); o->cmd = 0; say("sysctl cmd 0", call(__HYPERVISOR_sysctl, (uintptr_t)o, 0, 0, 0, 0));
	o = sys(); sysctl("sysctl cmd 24", 24, o);
	o = sys(); sysctl("sysctl cmd 28", 28, o);
	o = sys(); sysctl("sysctl cmd 30", 30, o);
	o = sys(); o->interface_version++; sysctl("sysctl version", XEN_SYSCTL_sched_id, o);
	say("sysctl pointer", call(__HYPERVISOR_sysctl, 8, 0, 0, 0, 0));
	SYS("readconsole none", readconsole, .readconsole = {.count = 0});
	SYS("readconsole", readconsole, .readconsole = {.count = 16, .buffer.p = buffer}); printf(" %u", o->u.readconsole.count);
	SYS("readconsole pointer", readconsole, .readconsole = {.count = 16, .buffer.p = (void *)8});
	SYS("tbuf_op get_info", tbuf_op, .tbuf_op = {.cmd = 0}); printf(" mfn %lu size %u mask %x", (long)o->u.tbuf_op.buffer_mfn, o->u.tbuf_op.size, o->u.tbuf_op.evt_mask);
	SYS("tbuf_op set_evt_mask", tbuf_op, .tbuf_op = {.cmd = 2, .evt_mask = 0xffff000});
	SYS("tbuf_op set_cpu_mask", tbuf_op, .tbuf_op = {.cmd = 1, .cpu_mask = {.bitmap.p = (void *)buffer, .nr_bits = 8}});
	SYS("tbuf_op enable", tbuf_op, .tbuf_op = {.cmd = 4});
	SYS("tbuf_op disable", tbuf_op, .tbuf_op = {.cmd = 5});
	SYS("tbuf_op 6", tbuf_op, .tbuf_op = {.cmd = 6});
	SYS("physinfo", physinfo);
	printf(" threads %u cores %u cpus %u max_cpu %u nodes %u max_node %u cap %x arch %x scrub %lu outstanding %lu",
		o->u.physinfo.threads_per_core, o->u.physinfo.cores_per_socket, o->u.physinfo.nr_cpus, o->u.physinfo.max_cpu_id,
		o->u.physinfo.nr_nodes, o->u.physinfo.max_node_id, o->u.physinfo.capabilities, o->u.physinfo.arch_capabilities,
		o->u.physinfo.scrub_pages, o->u.physinfo.outstanding_pages);
	printf(" total %lu free %lu max_mfn %lx hw", o->u.physinfo.total_pages, o->u.physinfo.free_pages, o->u.physinfo.max_mfn);
	for (int i = 0; i < 8; i++) printf(" %08x", o->u.physinfo.hw_cap[i]);
	SYS("sched_id", sched_id); printf(" %u", o->u.sched_id.sched_id);
	SYS("perfc_op reset", perfc_op, .perfc_op = {.cmd = 1});
	SYS("perfc_op query", perfc_op, .perfc_op = {.cmd = 2}); printf(" %u", o->u.perfc_op.nr_counters);
	SYS("getdomaininfolist", getdomaininfolist, .getdomaininfolist = {.max_domains = 1, .buffer.p = (void *)buffer}); printf(" %u", o->u.getdomaininfolist.num_domains);
	SYS("getdomaininfolist none", getdomaininfolist, .getdomaininfolist = {.first_domain = 1000, .max_domains = 1, .buffer.p = (void *)buffer}); printf(" %u", o->u.getdomaininfolist.num_domains);
	SYS("debug_keys none", debug_keys, .debug_keys = {.nr_keys = 0});
	SYS("debug_keys", debug_keys, .debug_keys = {.nr_keys = 1, .keys.p = "h"});
	SYS("debug_keys pointer", debug_keys, .debug_keys = {.nr_keys = 1, .keys.p = (void *)8});
	SYS("getcpuinfo", getcpuinfo, .getcpuinfo = {.max_cpus = 8, .info.p = (void *)buffer}); printf(" %u", o->u.getcpuinfo.nr_cpus);
	SYS("availheap", availheap, .availheap = {.node = -1}); printf(" %d", o->u.availheap.avail_bytes > 0x1000000);
	SYS("availheap node 9", availheap, .availheap = {.node = 9}); printf(" %d", o->u.availheap.avail_bytes > 0x1000000);
	for (uint32_t t = 0x11; t <= 0x23; t++)
		if ((t & 15) <= 3) {
			snprintf(buffer, 100, "get_pmstat %x", t);
			SYS(buffer, get_pmstat, .get_pmstat = {.type = t});
		}
	SYS("get_pmstat cpu 9", get_pmstat, .get_pmstat = {.type = 0x21, .cpuid = 9});
	SYS("get_pmstat 31", get_pmstat, .get_pmstat = {.type = 0x31});
	SYS("cpu_hotplug online 0", cpu_hotplug, .cpu_hotplug = {.cpu = 0, .op = 0});
	SYS("cpu_hotplug offline 0", cpu_hotplug, .cpu_hotplug = {.cpu = 0, .op = 1});
	SYS("cpu_hotplug online 99", cpu_hotplug, .cpu_hotplug = {.cpu = 99, .op = 0});
	SYS("cpu_hotplug offline 99", cpu_hotplug, .cpu_hotplug = {.cpu = 99, .op = 1});
	SYS("cpu_hotplug smt on", cpu_hotplug, .cpu_hotplug = {.op = 2});
	SYS("cpu_hotplug smt off", cpu_hotplug, .cpu_hotplug = {.op = 3});
	SYS("cpu_hotplug 4", cpu_hotplug, .cpu_hotplug = {.op = 4});
	for (uint32_t t = 0x11; t <= 0x28; t++)
		if (t <= 0x15 || t >= 0x20) {
			snprintf(buffer, 100, "pm_op %x", t);
			SYS(buffer, pm_op, .pm_op = {.cmd = t});
			if (t == 0x22 || t == 0x25) printf(" %x", o->u.pm_op.u.get_max_cstate);
		}
	SYS("pm_op cpu 9", pm_op, .pm_op = {.cmd = 0x11, .cpuid = 9});
	SYS("page_offline offline", page_offline_op, .page_offline = {.cmd = 1, .start = 0, .end = 0, .status.p = words}); printf(" %x", words[0]);
	SYS("page_offline online", page_offline_op, .page_offline = {.cmd = 2, .start = 0, .end = 0, .status.p = words}); printf(" %x", words[0]);
	SYS("page_offline query", page_offline_op, .page_offline = {.cmd = 3, .start = 0, .end = 0, .status.p = words}); printf(" %x", words[0]);
	SYS("page_offline query beyond", page_offline_op, .page_offline = {.cmd = 3, .start = ~0u, .end = ~0u, .status.p = words}); printf(" %x", words[0]);
	SYS("page_offline backwards", page_offline_op, .page_offline = {.cmd = 3, .start = 5, .end = 4, .status.p = words});
	SYS("page_offline many", page_offline_op, .page_offline = {.cmd = 3, .start = 5, .end = 500, .status.p = words});
	SYS("page_offline 4", page_offline_op, .page_offline = {.cmd = 4, .status.p = words});
	SYS("lockprof_op", lockprof_op, .lockprof_op = {.cmd = 2});
	SYS("cputopoinfo size", cputopoinfo); printf(" %u", o->u.cputopoinfo.num_cpus);
	SYS("cputopoinfo", cputopoinfo, .cputopoinfo = {.num_cpus = 16, .cputopo.p = (void *)words}); printf(" %u core %u socket %u node %u next %u", o->u.cputopoinfo.num_cpus, words[0], words[1], words[2], words[3]);
	SYS("cputopoinfo few", cputopoinfo, .cputopoinfo = {.num_cpus = 0, .cputopo.p = (void *)words}); printf(" %u", o->u.cputopoinfo.num_cpus);
	SYS("numainfo size", numainfo); printf(" %u", o->u.numainfo.num_nodes);
	SYS("numainfo", numainfo, .numainfo = {.num_nodes = 4, .meminfo.p = (void *)buffer, .distance.p = words}); printf(" %u distance %u memsize %lu", o->u.numainfo.num_nodes, words[0], ((uint64_t *)buffer)[0] >> 20);
	SYS("numainfo few", numainfo, .numainfo = {.num_nodes = 0, .meminfo.p = (void *)buffer, .distance.p = words}); printf(" %u", o->u.numainfo.num_nodes);
	SYS("cpupool_op 0", cpupool_op, .cpupool_op = {.op = 0});
	SYS("cpupool_op 8", cpupool_op, .cpupool_op = {.op = 8});
	SYS("coverage_op size", coverage_op, .coverage_op = {.cmd = 0});
	SYS("psr_cmt_op enabled", psr_cmt_op, .psr_cmt_op = {.cmd = 3}); printf(" %lx", o->u.psr_cmt_op.u.data);
	SYS("psr_cmt_op rmid", psr_cmt_op, .psr_cmt_op = {.cmd = 0});
	SYS("psr_cmt_op 5", psr_cmt_op, .psr_cmt_op = {.cmd = 5});
	memset(words, 0x55, sizeof(words));
	SYS("pcitopoinfo", pcitopoinfo, .pcitopoinfo = {.num_devs = 2, .devs.p = devs, .nodes.p = words}); printf(" %u %x %x", o->u.pcitopoinfo.num_devs, words[0], words[1]);
	SYS("pcitopoinfo none", pcitopoinfo, .pcitopoinfo = {.num_devs = 0, .devs.p = devs, .nodes.p = words});
	SYS("pcitopoinfo null", pcitopoinfo, .pcitopoinfo = {.num_devs = 2});
	SYS("psr_alloc l3", psr_alloc, .psr_alloc = {.cmd = 0});
	SYS("psr_alloc l2", psr_alloc, .psr_alloc = {.cmd = 1});
	SYS("psr_alloc mba", psr_alloc, .psr_alloc = {.cmd = 2});
	SYS("psr_alloc 3", psr_alloc, .psr_alloc = {.cmd = 3});
	SYS("livepatch list", livepatch_op, .livepatch = {.cmd = 2});
	SYS("livepatch upload", livepatch_op, .livepatch = {.cmd = 0});
	SYS("livepatch get", livepatch_op, .livepatch = {.cmd = 1});
	SYS("livepatch action", livepatch_op, .livepatch = {.cmd = 3});
	SYS("livepatch 4", livepatch_op, .livepatch = {.cmd = 4});
	SYS("livepatch pad", livepatch_op, .livepatch = {.cmd = 2, .pad = 1});
	SYS("scheduler_op", scheduler_op, .scheduler_op = {.cmd = 1, .sched_id = XEN_SCHEDULER_CREDIT2}); printf(" %u", o->u.scheduler_op.u.sched_credit2.ratelimit_us);
	(void)rc;
}

/* ---------------------------------------------------------------- domctl */

#define DOM(name, number, ...)                                       \
	do {                                                         \
		struct xen_domctl *op_ = dom();                      \
		op_->u = (__typeof__(op_->u)){__VA_ARGS__};         \
		rc = domctl(name, XEN_DOMCTL_##number, op_);         \
		o = op_;                                             \
	} while (0)

static long domain_make(void)
{
	struct xen_domctl *op = dom();
	long rc;

	op->domain = 0;
	op->u.createdomain = (struct xen_domctl_createdomain){
		.max_vcpus = 1, .max_evtchn_port = 1023, .max_grant_frames = 4, .max_maptrack_frames = 4, .grant_opts = 1};
	rc = domctl("createdomain", XEN_DOMCTL_createdomain, op);
	if (rc == 0)
		guest = op->domain;
	return rc;
}

static void domain_end(void)
{
	if (guest != DOMID_INVALID)
		domctl("destroydomain", XEN_DOMCTL_destroydomain, dom());
}

static void tsc(void)
{
	struct xen_domctl *o;
	long rc;

	DOM("gettscinfo", gettscinfo); printf(" mode %u inc %u khz %d elapsed %d", o->u.tsc_info.tsc_mode, o->u.tsc_info.incarnation, o->u.tsc_info.gtsc_khz > 0, o->u.tsc_info.elapsed_nsec > 0);
	for (uint32_t mode = 0; mode <= 4; mode++) {
		DOM("settscinfo", settscinfo, .tsc_info = {.tsc_mode = mode, .gtsc_khz = 1000000, .incarnation = 3, .elapsed_nsec = 123456789000000ul});
		DOM("gettscinfo", gettscinfo); printf(" mode %u inc %u khz %u elapsed %lu", o->u.tsc_info.tsc_mode, o->u.tsc_info.incarnation, o->u.tsc_info.gtsc_khz == 1000000, o->u.tsc_info.elapsed_nsec / 1000000000000);
	}
	DOM("settscinfo khz 0", settscinfo, .tsc_info = {.tsc_mode = 0});
	DOM("gettscinfo", gettscinfo); printf(" mode %u inc %u khz %d elapsed %d", o->u.tsc_info.tsc_mode, o->u.tsc_info.incarnation, o->u.tsc_info.gtsc_khz > 0, o->u.tsc_info.elapsed_nsec > 0);
	DOM("settscinfo 99", settscinfo, .tsc_info = {.tsc_mode = 99});
	o = dom(); o->domain = 0;
	domctl("settscinfo self", XEN_DOMCTL_settscinfo, o);
	o = dom(); o->domain = 0;
	domctl("gettscinfo self", XEN_DOMCTL_gettscinfo, o); printf(" mode %u inc %u khz %d elapsed %d", o->u.tsc_info.tsc_mode, o->u.tsc_info.incarnation, o->u.tsc_info.gtsc_khz > 0, o->u.tsc_info.elapsed_nsec > 0);
	(void)rc;
}

static void vcpu_msrs(void)
{
	static xen_domctl_vcpu_msr_t list[32];
	struct xen_domctl *o;
	long rc;

	DOM("get_vcpu_msrs size", get_vcpu_msrs); printf(" %u", o->u.vcpu_msrs.msr_count);
	DOM("get_vcpu_msrs", get_vcpu_msrs, .vcpu_msrs = {.msr_count = 32, .msrs.p = list}); printf(" %u", o->u.vcpu_msrs.msr_count);
	for (uint32_t i = 0; rc == 0 && i < o->u.vcpu_msrs.msr_count; i++)
		printf(" %x=%lx", list[i].index, list[i].value);
	DOM("get_vcpu_msrs few", get_vcpu_msrs, .vcpu_msrs = {.msr_count = 0, .msrs.p = list}); printf(" %u", o->u.vcpu_msrs.msr_count);
	DOM("get_vcpu_msrs vcpu 1", get_vcpu_msrs, .vcpu_msrs = {.vcpu = 1, .msr_count = 32, .msrs.p = list});
	static const struct { uint32_t index; uint64_t value; } tries[] = {
		{0x48, 0}, {0x48, 1}, {0x140, 0}, {0x140, 1}, {0x140, 2}, {0xda0, 0}, {0xc0000103, 5}, {0xc0000103, 1ul << 32}, {0xc0011027, 0}, {0xc0011027, 0xff}, {0xc0011019, 0}, {0xc001101a, 0}, {0xc001101b, 0}, {0x10, 0}, {0x1a0, 0}, {0xc001011f, 0}};
	for (uint32_t i = 0; i < COUNT(tries); i++) {
		char name[64];

		snprintf(name, sizeof(name), "set_vcpu_msrs %x %lx", tries[i].index, tries[i].value);
		list[0] = (xen_domctl_vcpu_msr_t){.index = tries[i].index, .value = tries[i].value};
		DOM(name, set_vcpu_msrs, .vcpu_msrs = {.msr_count = 1, .msrs.p = list}); printf(" %u", o->u.vcpu_msrs.msr_count);
	}
	list[0] = (xen_domctl_vcpu_msr_t){.index = 0x140, .reserved = 1};
	DOM("set_vcpu_msrs reserved", set_vcpu_msrs, .vcpu_msrs = {.msr_count = 1, .msrs.p = list}); printf(" %u", o->u.vcpu_msrs.msr_count);
	DOM("set_vcpu_msrs none", set_vcpu_msrs, .vcpu_msrs = {.msr_count = 0, .msrs.p = list});
	DOM("set_vcpu_msrs many", set_vcpu_msrs, .vcpu_msrs = {.msr_count = 1000, .msrs.p = list});
	DOM("get_vcpu_msrs after", get_vcpu_msrs, .vcpu_msrs = {.msr_count = 32, .msrs.p = list}); printf(" %u", o->u.vcpu_msrs.msr_count);
	for (uint32_t i = 0; rc == 0 && i < o->u.vcpu_msrs.msr_count; i++)
		printf(" %x=%lx", list[i].index, list[i].value);
	o = dom(); o->domain = 0; o->u.vcpu_msrs.msr_count = 32; o->u.vcpu_msrs.msrs.p = list;
	domctl("get_vcpu_msrs self", XEN_DOMCTL_get_vcpu_msrs, o);
}

static void domctls(void)
{
	domid_t guest_was;
	struct xen_domctl *o;
	long rc;

	tsc();
	/* Xen falls over these when the domain has a vCPU. */
	for (uint32_t mode = 0; mode < 5; mode++)
		for (uint32_t op = 0; op < 5; op++) {
			snprintf(buffer, 100, "vm_event_op %u %u", mode, op);
			DOM(buffer, vm_event_op, .vm_event_op = {.op = op, .mode = mode});
			printf(" %u", o->u.vm_event_op.u.version);
		}
	DOM("getvcpuinfo before", getvcpuinfo);
	DOM("max_vcpus 2", max_vcpus, .max_vcpus = {.max = 2});
	DOM("max_vcpus", max_vcpus, .max_vcpus = {.max = 1});
	DOM("max_vcpus again", max_vcpus, .max_vcpus = {.max = 1});
	vcpu_msrs();
	DOM("sendtrigger nmi", sendtrigger, .sendtrigger = {.trigger = 0});
	DOM("sendtrigger power", sendtrigger, .sendtrigger = {.trigger = 3});
	DOM("gethvmcontext", gethvmcontext);
	DOM("sethvmcontext", sethvmcontext);
	DOM("gethvmcontext_partial", gethvmcontext_partial);
	DOM("assign_device", assign_device);
	DOM("assign_device dt", assign_device, .assign_device = {.dev = 1});
	DOM("test_assign_device", test_assign_device);
	o = dom(); o->domain = DOMID_INVALID; domctl("test_assign_device any", XEN_DOMCTL_test_assign_device, o);
	DOM("deassign_device", deassign_device);
	DOM("get_device_group", get_device_group, .get_device_group = {.max_sdevs = 4, .sdev_array.p = words});
	DOM("bind_pt_irq", bind_pt_irq);
	DOM("unbind_pt_irq", unbind_pt_irq);
	DOM("memory_mapping", memory_mapping, .memory_mapping = {.nr_mfns = 1, .first_mfn = 0xa0, .add_mapping = 1});
	DOM("ioport_mapping", ioport_mapping, .ioport_mapping = {.nr_ports = 1, .first_mport = 0x3f8, .add_mapping = 1});
	DOM("real_mode_area", real_mode_area);
	DOM("set_opt_feature", set_opt_feature);
	DOM("set_target", set_target, .set_target = {.target = 0});
	DOM("set_target again", set_target, .set_target = {.target = 0});
	DOM("set_target none", set_target, .set_target = {.target = 1000});
	DOM("set_target self", set_target, .set_target = {.target = guest});
	DOM("debug_op off", debug_op, .debug_op = {.op = 0});
	DOM("debug_op on", debug_op, .debug_op = {.op = 1});
	DOM("debug_op 2", debug_op, .debug_op = {.op = 2});
	DOM("debug_op vcpu 9", debug_op, .debug_op = {.op = 0, .vcpu = 9});
	DOM("mem_sharing_op", mem_sharing_op);
	DOM("set_access_required", set_access_required);
	DOM("audit_p2m", audit_p2m);
	DOM("set_broken_page_p2m", set_broken_page_p2m);
	DOM("cacheflush", cacheflush);
	DOM("setvnumainfo 0", setvnumainfo);
	DOM("setvnumainfo 1", setvnumainfo, .vnuma = {.nr_vnodes = 1, .nr_vmemranges = 1, .nr_vcpus = 1, .vdistance.p = words, .vcpu_to_vnode.p = words, .vnode_to_pnode.p = words, .vmemrange.p = (void *)buffer});
	for (uint32_t t = 0; t < 4; t++) {
		snprintf(buffer, 100, "psr_cmt_op %u", t);
		DOM(buffer, psr_cmt_op, .psr_cmt_op = {.cmd = t});
	}
	for (uint32_t t = 0; t < 6; t++) {
		snprintf(buffer, 100, "monitor_op %u", t);
		DOM(buffer, monitor_op, .monitor_op = {.op = t});
		printf(" %x", o->u.monitor_op.event);
	}
	for (uint32_t t = 0; t < 11; t++) {
		snprintf(buffer, 100, "psr_alloc %u", t);
		DOM(buffer, psr_alloc, .psr_alloc = {.cmd = t});
	}
	DOM("vuart_op", vuart_op);
	for (uint32_t t = 0; t < 8; t++) {
		snprintf(buffer, 100, "vmtrace_op %u", t);
		DOM(buffer, vmtrace_op, .vmtrace_op = {.cmd = t});
	}
	DOM("get_paging_mempool_size", get_paging_mempool_size); printf(" %lx", o->u.paging_mempool.size);
	DOM("set_paging_mempool_size", set_paging_mempool_size, .paging_mempool = {.size = 0x100000});
	DOM("set_paging_mempool_size 0", set_paging_mempool_size, .paging_mempool = {.size = 0});
	DOM("set_paging_mempool_size odd", set_paging_mempool_size, .paging_mempool = {.size = 1});
	for (uint32_t t = 0; t < 40; t++)
		if (t <= 3 || (t >= 11 && t <= 12) || (t >= 30 && t <= 33)) {
			snprintf(buffer, 100, "shadow_op %u", t);
			DOM(buffer, shadow_op, .shadow_op = {.op = t});
		}
	DOM("gdbsx_guestmemio", gdbsx_guestmemio, .gdbsx_guest_memio = {.gva = 0x1000, .uva = (uintptr_t)buffer, .len = 16}); printf(" %u", o->u.gdbsx_guest_memio.remain);
	DOM("gdbsx_guestmemio 0", gdbsx_guestmemio, .gdbsx_guest_memio = {.gva = 0x1000, .uva = (uintptr_t)buffer, .len = 0}); printf(" %u", o->u.gdbsx_guest_memio.remain);
	DOM("gdbsx_pausevcpu", gdbsx_pausevcpu);
	DOM("gdbsx_pausevcpu again", gdbsx_pausevcpu);
	DOM("gdbsx_unpausevcpu", gdbsx_unpausevcpu);
	DOM("gdbsx_unpausevcpu again", gdbsx_unpausevcpu);
	DOM("gdbsx_unpausevcpu third", gdbsx_unpausevcpu);
	DOM("gdbsx_pausevcpu 9", gdbsx_pausevcpu, .gdbsx_pauseunp_vcpu = {.vcpu = 9});
	DOM("gdbsx_unpausevcpu 9", gdbsx_unpausevcpu, .gdbsx_pauseunp_vcpu = {.vcpu = 9});
	DOM("gdbsx_domstatus", gdbsx_domstatus); printf(" %u %x %u", o->u.gdbsx_domstatus.paused, o->u.gdbsx_domstatus.vcpu_id, o->u.gdbsx_domstatus.vcpu_ev);
	DOM("setdebugging", setdebugging, .setdebugging = {.enable = 1});
	DOM("gdbsx_domstatus", gdbsx_domstatus); printf(" %u %x %u", o->u.gdbsx_domstatus.paused, o->u.gdbsx_domstatus.vcpu_id, o->u.gdbsx_domstatus.vcpu_ev);
	o = dom(); o->domain = 0; domctl("gdbsx_pausevcpu self", XEN_DOMCTL_gdbsx_pausevcpu, o);
	for (uint32_t t = 0; t < 90; t++) {
		static const uint8_t gone[] = {0, 6, 7, 8, 23, 30, 31, 32, 41, 49, 51, 52, 53, 58, 70, 76, 80, 87, 88};

		if (memchr(gone, (int)t, sizeof(gone)) != NULL) {
			snprintf(buffer, 100, "domctl %u", t);
			o = dom();
			domctl(buffer, t, o);
		}
	}
	o = dom(); domctl("domctl 999", 999, o);
	o = dom(); domctl("domctl 1004", 1004, o);
	o = dom(); o->interface_version++; domctl("domctl version", XEN_DOMCTL_pausedomain, o);
	o = dom(); o->domain = 1000; domctl("domctl no domain", XEN_DOMCTL_pausedomain, o);
	o = dom(); o->domain = 1000; domctl("domctl no domain, no call", 6, o);
	policy_get(sys(), 4, COUNT(leaves), COUNT(msrs));
	policy_set("set policy", leaves[0], 1, MSR(0), 0);
	DOM("unpausedomain", unpausedomain);
	policy_get(sys(), 4, COUNT(leaves), COUNT(msrs));
	policy_set("set policy of a domain that ran", leaves[0], 1, MSR(0), 0);
	DOM("settscinfo of a domain that ran", settscinfo);
	guest_was = guest;
	guest = 0;
	policy_set("set own policy", leaves[0], 1, MSR(0), 0);
	guest = guest_was;
	(void)rc;
}

int main(int argc, char **argv)
{
	privcmd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
	if (privcmd < 0 || mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
		perror("abi_probe");
		return 1;
	}
	memset(buffer, 1, sizeof(buffer));
	memset(words, 1, sizeof(words));
	memset(leaves, 1, sizeof(leaves));
	memset(msrs, 1, sizeof(msrs));
	if (argc > 1 && strcmp(argv[1], "policy") == 0) {
		policies();
		domain_policy("domain 0", 0);
		domain_make();
		domain_policy("a domain", guest);
	} else {
		sysctls();
		domain_make();
		policy_calls();
		domain_end();
		domain_make();
		domctls();
	}
	domain_end();
	printf("\n");
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Asks the hypervisor one question for each number of the tool interface, from Domain 0, and prints what it answers:
 * "NAME: RESULT [values]", result a number or an error's name. test_abi.py compares Mica's lines with those of Xen 4.17.
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

#include "abi_rows.h"

#include <xen/arch-x86/xen-mca.h>
#include <xen/memory.h>
#include <xen/platform.h>

#define IOCTL_HYPERCALL _IOC(_IOC_NONE, 'P', 0, 6 * 8)
#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

static int privcmd;
static domid_t guest = DOMID_INVALID;

static long call(unsigned int nr, uint64_t a, uint64_t b)
{
	struct {
		uint64_t op, arg[5];
	} h = {nr, {a, b, 0, 0, 0}};
	long rc = ioctl(privcmd, IOCTL_HYPERCALL, &h);

	return rc < 0 ? -errno : rc;
}

static void say(const char *what, long rc)
{
	fflush(stdout);
	if (rc < 0)
		printf("\n%s: %s", what, strerrorname_np((int)-rc));
	else
		printf("\n%s: %ld", what, rc);
}

/* ---------------------------------------------------------------- tables of questions */

static struct xen_sysctl sysctl_op;

static long sysctl(const char *what, uint32_t cmd, const struct xen_sysctl *op)
{
	long rc;

	sysctl_op = *op;
	sysctl_op.cmd = cmd;
	sysctl_op.interface_version += XEN_SYSCTL_INTERFACE_VERSION;
	rc = call(__HYPERVISOR_sysctl, (uintptr_t)&sysctl_op, 0);
	say(what, rc);
	return rc;
}

static void sys_rows(const struct sys_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		sysctl(rows[i].name, rows[i].cmd, &rows[i].op);
		if (rows[i].shown != NOTHING)
			printf(" %u", *(uint32_t *)((char *)&sysctl_op + rows[i].shown));
	}
}

static struct xen_domctl domctl_op;

/* op->domain: beside the guest's number. */
static long domctl(const char *what, uint32_t cmd, const struct xen_domctl *op)
{
	long rc;

	domctl_op = *op;
	domctl_op.cmd = cmd;
	domctl_op.interface_version += XEN_DOMCTL_INTERFACE_VERSION;
	domctl_op.domain = (domid_t)(domctl_op.domain + guest);
	rc = call(__HYPERVISOR_domctl, (uintptr_t)&domctl_op, 0);
	say(what, rc);
	return rc;
}

static long domctl_of(domid_t id, const char *what, uint32_t cmd, struct xen_domctl op)
{
	op.domain = (domid_t)(id - guest);
	return domctl(what, cmd, &op);
}

static void dom_rows(const struct dom_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		domctl(rows[i].name, rows[i].cmd, &rows[i].op);
		if (rows[i].shown != NOTHING)
			printf(" %u", *(uint32_t *)((char *)&domctl_op + rows[i].shown));
	}
}

static void domain_make(void)
{
	const struct xen_domctl op = {.u.createdomain = {.max_vcpus = 1,
							 .max_evtchn_port = 1023,
							 .max_grant_frames = 4,
							 .max_maptrack_frames = 4,
							 .grant_opts = 1}};

	if (domctl_of(0, "createdomain", XEN_DOMCTL_createdomain, op) == 0)
		guest = domctl_op.domain;
}

static void domain_end(void)
{
	if (guest != DOMID_INVALID)
		domctl("destroydomain", XEN_DOMCTL_destroydomain, &(struct xen_domctl){0});
}

/* ---------------------------------------------------------------- CPU policies */

/* Set one leaf, or none; one register, or none; then the leaf as it is. */
static void policy_set(domid_t id, const struct policy_row *row)
{
	struct xen_domctl op = {.u.cpu_policy = {.nr_leaves = row->nr_leaves,
						 .nr_msrs = row->nr_msrs,
						 .err_leaf = 0x55,
						 .err_subleaf = 0x55,
						 .err_msr = 0x55}};
	const struct xen_domctl_cpu_policy *out = &domctl_op.u.cpu_policy;

	leaves[0] = row->leaf;
	msrs[0] = row->msr;
	op.u.cpu_policy.leaves.p = leaves;
	op.u.cpu_policy.msrs.p = msrs;
	domctl_of(id, row->name, XEN_DOMCTL_set_cpu_policy, op);
	printf(" leaf %x sub %x msr %x", out->err_leaf, out->err_subleaf, out->err_msr);
	op.u.cpu_policy.nr_leaves = COUNT(leaves);
	op.u.cpu_policy.nr_msrs = COUNT(msrs);
	snprintf(name, sizeof(name), "now %s", row->name);
	if (row->nr_leaves != 1 || domctl_of(id, name, XEN_DOMCTL_get_cpu_policy, op) != 0)
		return;
	for (uint32_t i = 0; i < out->nr_leaves; i++)
		if (leaves[i].leaf == row->leaf.leaf && leaves[i].subleaf == row->leaf.subleaf)
			printf(" %08x %08x %08x %08x", leaves[i].a, leaves[i].b, leaves[i].c,
			       leaves[i].d);
}

static void policy_calls(void)
{
	sys_rows(policy_rows, COUNT(policy_rows));
	dom_rows(domain_policy_rows, COUNT(domain_policy_rows));
	for (size_t i = 0; i < COUNT(set_rows); i++)
		policy_set(guest, &set_rows[i]);
}

/* ---------------------------------------------------------------- sysctl */

static void sysctls(void)
{
	sys_rows(sysctl_rows, COUNT(sysctl_rows));
	say("devices", words[0]);
	printf(" %u", words[1]);
	say("sysctl pointer", call(__HYPERVISOR_sysctl, 8, 0));
}

/* ---------------------------------------------------------------- domctl */

static void domctls(void)
{
	static const uint8_t gone[] = {0,  6,  7,  8,  30, 31, 32, 41, 49,
				       51, 52, 53, 58, 70, 76, 80, 87, 88};
	static const uint32_t registers[] = {0x140,	 0xc0000103, 0x48,  0xda0,
					     0xc0011027, 0x10,	     0x1a0, 0xc0000080};
	static const struct policy_row row = {
		"set policy", {0, ~0u, 0xd, 0x756e6547, 0x6c65746e, 0x49656e69}, 1, {0}, 0};

	for (size_t i = 0; i < COUNT(registers); i++)
		vcpu_msrs[i] = (xen_domctl_vcpu_msr_t){.index = registers[i],
						       .value = registers[i] == 0xc0000103 ? 5 : 0};
	dom_rows(domctl_rows, COUNT(domctl_rows));
	for (size_t i = 0; i < sizeof(gone); i++) {
		snprintf(name, sizeof(name), "domctl %u", gone[i]);
		domctl(name, gone[i], &(struct xen_domctl){0});
	}
	domctl_of(DOMID_INVALID, "test_assign_device any", XEN_DOMCTL_test_assign_device,
		  (struct xen_domctl){0});
	domctl_of(0, "settscinfo own", XEN_DOMCTL_settscinfo, (struct xen_domctl){0});
	domctl_of(0, "gettscinfo own", XEN_DOMCTL_gettscinfo, (struct xen_domctl){0});
	policy_set(guest, &row);
	domctl("unpausedomain", XEN_DOMCTL_unpausedomain, &(struct xen_domctl){0});
	policy_set(guest, &row);
	policy_set(0, &row);
}

/* ---------------------------------------------------------------- other hypercalls */

static long memory(const char *what, unsigned int cmd, void *arg)
{
	long rc = call(__HYPERVISOR_memory_op, cmd, (uintptr_t)arg);

	say(what, rc);
	return rc;
}
#define MEMORY(cmd, what, type, ...)                            \
	do {                                                    \
		static type arg;                                \
		arg = (type){__VA_ARGS__};                      \
		rc = memory(#cmd " " what, XENMEM_##cmd, &arg); \
	} while (0)

static void memory_calls(void)
{
	static xen_pfn_t frames[4];
	static xen_reserved_device_memory_t regions[4];
	long rc;

	MEMORY(claim_pages, "", struct xen_memory_reservation, .domid = guest, .nr_extents = 10);
	MEMORY(claim_pages, "undone", struct xen_memory_reservation, .domid = guest);
	MEMORY(claim_pages, "no domain", struct xen_memory_reservation, .domid = 1000);
	MEMORY(set_pod_target, "", struct xen_pod_target, .domid = guest);
	MEMORY(get_pod_target, "", struct xen_pod_target, .domid = guest);
	memory("get_sharing_freed_pages", XENMEM_get_sharing_freed_pages, NULL);
	memory("get_sharing_shared_pages", XENMEM_get_sharing_shared_pages, NULL);
	MEMORY(get_vnumainfo, "", struct xen_vnuma_topology_info, .domid = guest);
	MEMORY(get_vnumainfo, "own", struct xen_vnuma_topology_info, .domid = DOMID_SELF);
	MEMORY(reserved_device_memory_map, "", struct xen_reserved_device_memory_map, .flags = 1,
	       .nr_entries = 4, .buffer.p = regions);
	MEMORY(acquire_resource, "size", struct xen_mem_acquire_resource, .domid = guest,
	       .type = 1);
	MEMORY(acquire_resource, "ioreq", struct xen_mem_acquire_resource, .domid = guest,
	       .nr_frames = 1, .frame_list.p = frames);
	MEMORY(acquire_resource, "3", struct xen_mem_acquire_resource, .domid = guest, .type = 3);
	MEMORY(paging_op, "", struct xen_mem_paging_op, .domain = guest);
	MEMORY(access_op, "", struct xen_mem_access_op, .domid = guest);
	MEMORY(sharing_op, "", struct xen_mem_sharing_op, .domain = guest);
	MEMORY(add_to_physmap, "", struct xen_add_to_physmap, .domid = guest);
	MEMORY(add_to_physmap_batch, "", struct xen_add_to_physmap_batch, .domid = guest,
	       .size = 1);
	MEMORY(remove_from_physmap, "", struct xen_remove_from_physmap, .domid = guest);
	memory("machphys_compat_mfn_list", XENMEM_machphys_compat_mfn_list, frames);
	memory("memory_op 29", 29, frames);
	(void)rc;
}

static void other_calls(void)
{
	static const struct {
		const char *name;
		unsigned int nr, op;
	} calls[] = {
		{"xenoprof_op", __HYPERVISOR_xenoprof_op, 0},
		{"hvm_op set_param", __HYPERVISOR_hvm_op, 0},
		{"hvm_op get_param", __HYPERVISOR_hvm_op, 1},
		{"hvm_op 99", __HYPERVISOR_hvm_op, 99},
		{"kexec_op", __HYPERVISOR_kexec_op, 0},
		{"tmem_op", __HYPERVISOR_tmem_op, 0},
		{"argo_op", __HYPERVISOR_argo_op, 0},
		{"dm_op", __HYPERVISOR_dm_op, 0},
		{"hypfs_op", __HYPERVISOR_hypfs_op, 1},
		{"arch_1", __HYPERVISOR_arch_1, 0},
		{"arch_7", __HYPERVISOR_arch_7, 0},
		{"hypercall 11", 11, 0},
		{"hypercall 43", 43, 0},
		{"hypercall 47", 47, 0},
		{"hypercall 60", 60, 0},
		{"hypercall 63", 63, 0},
		{"xsm_op", __HYPERVISOR_xsm_op, 0},
		{"nmi_op 9", __HYPERVISOR_nmi_op, 9},
		{"sched_op_compat 9", __HYPERVISOR_sched_op_compat, 9},
		{"event_channel_op_compat", __HYPERVISOR_event_channel_op_compat, 0},
		{"physdev_op_compat", __HYPERVISOR_physdev_op_compat, 0},
		{"sched_op 9", __HYPERVISOR_sched_op, 9},
		{"vcpu_op 99", __HYPERVISOR_vcpu_op, 99},
		{"callback_op 9", __HYPERVISOR_callback_op, 9},
		{"event_channel_op 99", __HYPERVISOR_event_channel_op, 99},
		{"physdev_op 99", __HYPERVISOR_physdev_op, 99},
		{"grant_table_op 99", __HYPERVISOR_grant_table_op, 99},
		{"xen_version 99", __HYPERVISOR_xen_version, 99},
		{"console_io 9", __HYPERVISOR_console_io, 9},
		{"vm_assist 9", __HYPERVISOR_vm_assist, 9},
	};
	static struct xen_mc mc;
	static struct xen_platform_op platform;

	for (uint32_t i = 0; i < COUNT(calls); i++) {
		memset(buffer, 0, sizeof(buffer));
		say(calls[i].name, call(calls[i].nr, calls[i].op, (uintptr_t)buffer));
	}
	for (uint32_t i = 0; i <= XEN_MC_inject_v2 + 1; i++) {
		mc = (struct xen_mc){.cmd = i, .interface_version = XEN_MCA_INTERFACE_VERSION};
		snprintf(name, sizeof(name), "mca %u", i);
		if (i != XEN_MC_mceinject && i != XEN_MC_msrinject && i != XEN_MC_inject_v2)
			say(name, call(__HYPERVISOR_mca, (uintptr_t)&mc, 0));
	}
	for (uint32_t i = 0; i < 66; i++) {
		platform = (struct xen_platform_op){.cmd = i,
						    .interface_version = XENPF_INTERFACE_VERSION};
		snprintf(name, sizeof(name), "platform_op %u", i);
		if (i < 17 || (i > 17 && i <= 49 && i != XENPF_platform_quirk) || i >= 64)
			say(name, call(__HYPERVISOR_platform_op, (uintptr_t)&platform, 0));
	}
}

int main(void)
{
	privcmd = open("/dev/xen/privcmd", O_RDWR | O_CLOEXEC);
	if (privcmd < 0 || mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
		perror("abi_probe");
		return 1;
	}
	memset(buffer, 1, sizeof(buffer)); /* hypercalls find pages that are there */
	memset(words, 1, sizeof(words));
	memset(leaves, 1, sizeof(leaves));
	memset(msrs, 1, sizeof(msrs));
	sysctls();
	domain_make();
	policy_calls();
	domain_end();
	domain_make();
	memory_calls();
	other_calls();
	domctls();
	domain_end();
	printf("\n");
	return 0;
}

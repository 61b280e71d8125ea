/* SPDX-License-Identifier: MIT */
/* uses: test/fake/whole.c */
/*
 * Tool calls about what a guest is told of its CPU, on the whole machine with one guest: policies, registers, the TSC; and those
 * about the machine that need no hardware. What Xen answers to the same: test/system/abi_rows.h.
 */
#include "toolstack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <xen/sysctl.h>

#include "lib/errno.h"
#include "policy/policy.h"

static struct vcpu *v; /* Domain 0's */
static struct tool_guest g;
static struct xen_domctl op;
static struct xen_sysctl sys;
static xen_cpuid_leaf_t leaves[POLICY_PUBLIC_MAX];
static xen_msr_entry_t msrs[POLICY_MSRS_MAX];
static struct xen_domctl_cpu_policy *const policy = &op.u.cpu_policy;
#define CALL(name, ...) guest_call(v, __HYPERVISOR_##name, __VA_ARGS__)
#define DOMCTL(command) tool_domctl(XEN_DOMCTL_##command, g.id, &op)
#define BAD		((void *)8)

static long sysctl(u32 cmd)
{
	sys.cmd = cmd;
	sys.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	return CALL(sysctl, U(&sys));
}

static void policy_ask(u32 leaf_count, u32 msr_count)
{
	*policy = (struct xen_domctl_cpu_policy){
		.nr_leaves = leaf_count, .nr_msrs = msr_count, .leaves.p = leaves, .msrs.p = msrs};
}

static void policy_is_read(void **state)
{
	(void)state;
	memset(policy, 0, sizeof(*policy));
	assert_int_equal(DOMCTL(get_cpu_policy), 0);
	assert_int_equal(policy->nr_leaves, POLICY_PUBLIC_MAX);
	assert_int_equal(policy->nr_msrs, POLICY_MSRS_MAX);
	policy_ask(POLICY_PUBLIC_MAX, 2);
	assert_int_equal(DOMCTL(get_cpu_policy), 0);
	assert_in_range(policy->nr_leaves, 4, POLICY_PUBLIC_MAX);
	assert_int_equal(leaves[0].leaf, 0);
	assert_int_equal(msrs[1].idx, 0x10a);
	policy_ask(1, 2);
	assert_int_equal(DOMCTL(get_cpu_policy), -ENOBUFS);
	policy_ask(POLICY_PUBLIC_MAX, 1);
	assert_int_equal(DOMCTL(get_cpu_policy), -ENOBUFS);
	policy->leaves.p = BAD;
	assert_int_equal(DOMCTL(get_cpu_policy), -EFAULT);
}

static void policy_is_set(void **state)
{
	(void)state;
	policy_ask(1, 0);
	leaves[0] = (xen_cpuid_leaf_t){.leaf = 0x80000002, .subleaf = ~0u, .a = 0x41414141};
	assert_int_equal(DOMCTL(set_cpu_policy), 0);
	policy_ask(POLICY_PUBLIC_MAX, 2);
	assert_int_equal(DOMCTL(get_cpu_policy), 0);
	leaves[0].subleaf = 0;
	policy_ask(1, 0);
	assert_int_equal(DOMCTL(set_cpu_policy), -ERANGE);
	assert_int_equal(policy->err_subleaf, 0);
	assert_int_equal(policy->err_msr, ~0u);
	policy_ask(1, 0);
	leaves[0] = (xen_cpuid_leaf_t){.subleaf = ~0u, .a = 0xffff};
	assert_int_equal(DOMCTL(set_cpu_policy), -EINVAL);
	assert_int_equal(policy->err_leaf, 0);
	policy_ask(POLICY_PUBLIC_MAX + 1, 0);
	assert_int_equal(DOMCTL(set_cpu_policy), -E2BIG);
	policy_ask(0, POLICY_MSRS_MAX + 1);
	assert_int_equal(DOMCTL(set_cpu_policy), -E2BIG);
	policy_ask(1, 0);
	policy->leaves.p = BAD;
	assert_int_equal(DOMCTL(set_cpu_policy), -EFAULT);
	policy_ask(0, 1);
	msrs[0] = (xen_msr_entry_t){.idx = 0x10a, .val = ~0ull};
	assert_int_equal(DOMCTL(set_cpu_policy), 0);
	assert_int_equal(g.d->policy->arch_caps & ~policy_cpu.arch_caps, 0);
	msrs[0].flags = 1;
	assert_int_equal(DOMCTL(set_cpu_policy), -EINVAL);
	msrs[0] = (xen_msr_entry_t){.idx = 0x10};
	assert_int_equal(DOMCTL(set_cpu_policy), -ERANGE);
	assert_int_equal(policy->err_msr, 0x10);
	tool_run(&g);
	policy_ask(0, 0);
	assert_int_equal(DOMCTL(set_cpu_policy), -EEXIST);
	g.id = 0;
	assert_int_equal(DOMCTL(set_cpu_policy), -EINVAL);
}

static void registers(void **state)
{
	static xen_domctl_vcpu_msr_t list[2];
	struct xen_domctl_vcpu_msrs *arg = &op.u.vcpu_msrs;

	(void)state;
	memset(arg, 0, sizeof(*arg));
	assert_int_equal(DOMCTL(get_vcpu_msrs), 0);
	assert_int_equal(arg->msr_count, 2);
	arg->msrs.p = list;
	assert_int_equal(DOMCTL(get_vcpu_msrs), 0);
	assert_int_equal(arg->msr_count, 0);
	list[0] = (xen_domctl_vcpu_msr_t){.index = 0x140};
	list[1] = (xen_domctl_vcpu_msr_t){.index = 0x48};
	arg->msr_count = 2;
	assert_int_equal(DOMCTL(set_vcpu_msrs), -EINVAL);
	assert_int_equal(arg->msr_count, 1);
	arg->msr_count = 1;
	assert_int_equal(DOMCTL(set_vcpu_msrs), 0);
	list[0].reserved = 1;
	assert_int_equal(DOMCTL(set_vcpu_msrs), -EINVAL);
	arg->msr_count = ~0u;
	arg->msrs.p = BAD;
	assert_int_equal(DOMCTL(set_vcpu_msrs), -EFAULT);
	arg->vcpu = 99;
	assert_int_equal(DOMCTL(set_vcpu_msrs), -ESRCH);
	assert_int_equal(DOMCTL(get_vcpu_msrs), -ESRCH);
}

static void time_stamps(void **state)
{
	struct xen_domctl_tsc_info *info = &op.u.tsc_info;

	(void)state;
	*info = (struct xen_domctl_tsc_info){
		.gtsc_khz = 7, .incarnation = 3, .elapsed_nsec = 1ull << 60};
	assert_int_equal(DOMCTL(settscinfo), 0);
	assert_int_equal(DOMCTL(gettscinfo), 0);
	assert_int_equal(info->gtsc_khz, 7);
	assert_int_equal(info->incarnation, 4);
	assert_true(info->elapsed_nsec >= 1ull << 60);
	info->tsc_mode = 2;
	assert_int_equal(DOMCTL(settscinfo), 0);
	assert_int_equal(DOMCTL(gettscinfo), 0);
	assert_int_equal(info->gtsc_khz | info->elapsed_nsec, 0);
	info->tsc_mode = 3;
	assert_int_equal(DOMCTL(settscinfo), -EINVAL);
	g.id = 0;
	assert_int_equal(DOMCTL(gettscinfo), -EINVAL);
}

static void the_cpu(void **state)
{
	static u32 words[POLICY_FEATURE_WORDS];

	(void)state;
	for (u32 i = 0; i < 6; i++) {
		memset(&sys, 0, sizeof(sys));
		sys.u.cpu_policy = (struct xen_sysctl_cpu_policy){.index = i,
								  .nr_leaves = POLICY_PUBLIC_MAX,
								  .nr_msrs = 2,
								  .leaves.p = leaves,
								  .msrs.p = msrs};
		assert_int_equal(sysctl(XEN_SYSCTL_get_cpu_policy), 0);
		assert_int_equal(sys.u.cpu_policy.nr_leaves == 4,
				 i == 3 || i == 5); /* no guests in hardware */
		memset(&sys, 0, sizeof(sys));
		sys.u.cpu_featureset = (struct xen_sysctl_cpu_featureset){
			.index = i, .nr_features = 64, .features.p = words};
		assert_int_equal(sysctl(XEN_SYSCTL_get_cpu_featureset), 0);
		assert_int_equal(words[0] == 0, i == 3 || i == 5);
	}
	sys.u.cpu_featureset.index = 6;
	assert_int_equal(sysctl(XEN_SYSCTL_get_cpu_featureset), -EINVAL);
	sys.u.cpu_featureset = (struct xen_sysctl_cpu_featureset){.nr_features = 64,
								  .features.p = BAD};
	assert_int_equal(sysctl(XEN_SYSCTL_get_cpu_featureset), -EFAULT);
	sys.u.cpu_policy = (struct xen_sysctl_cpu_policy){._rsvd = 1};
	assert_int_equal(sysctl(XEN_SYSCTL_get_cpu_policy), -EINVAL);
	assert_int_equal(sysctl(XEN_SYSCTL_get_cpu_levelling_caps), 0);
	assert_int_equal(sys.u.cpu_levelling_caps.caps, 0);
}

static void keys_and_devices(void **state)
{
	static physdev_pci_device_t devices[2] = {{0, 0xff, 0xff}};
	static u32 nodes[2];

	(void)state;
	memset(&sys, 0, sizeof(sys));
	sys.u.debug_keys.keys.p = "hq";
	sys.u.debug_keys.nr_keys = 2;
	assert_int_equal(sysctl(XEN_SYSCTL_debug_keys), 0);
	sys.u.debug_keys.keys.p = BAD;
	assert_int_equal(sysctl(XEN_SYSCTL_debug_keys), -EFAULT);
	sys.u.cpu_hotplug = (struct xen_sysctl_cpu_hotplug){.cpu = 1,
							    .op = XEN_SYSCTL_CPU_HOTPLUG_OFFLINE};
	assert_int_equal(sysctl(XEN_SYSCTL_cpu_hotplug), -EOPNOTSUPP);
	sys.u.cpu_hotplug.cpu = 1000;
	assert_int_equal(sysctl(XEN_SYSCTL_cpu_hotplug), -EINVAL);
	sys.u.pcitopoinfo = (struct xen_sysctl_pcitopoinfo){
		.num_devs = 1, .devs.p = devices, .nodes.p = nodes};
	assert_int_equal(sysctl(XEN_SYSCTL_pcitopoinfo), 0);
	assert_int_equal(nodes[0], XEN_INVALID_DEV);
	sys.u.pcitopoinfo.nodes.p = BAD;
	assert_int_equal(sysctl(XEN_SYSCTL_pcitopoinfo), -EFAULT);
	sys.u.pcitopoinfo.devs.p = NULL;
	assert_int_equal(sysctl(XEN_SYSCTL_pcitopoinfo), -EINVAL);
	assert_int_equal(sysctl(XEN_SYSCTL_pm_op), -ENODEV);
}

static int setup(void **state)
{
	(void)state;
	machine_start(2);
	v = dom0->vcpus[0];
	v->info->evtchn_upcall_mask = 1;
	return 0;
}

static int before_each(void **state)
{
	(void)state;
	memset(&op, 0, sizeof(op));
	return tool_build(&g, 1, 20) ? -1 : 0;
}

static int after_each(void **state)
{
	(void)state;
	g.id = g.d->id;
	machine_settle();
	tool_destroy(&g);
	return machine_audit() ? -1 : 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, before_each, after_each)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(policy_is_read), TEST(policy_is_set), TEST(registers),
		TEST(time_stamps),    TEST(the_cpu),	   TEST(keys_and_devices),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

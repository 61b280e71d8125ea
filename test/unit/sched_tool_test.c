/* SPDX-License-Identifier: MIT */
/* uses: src/hcall/tool_sched.c src/sched/choose.c src/sched/vcpu.c src/sched/runstate.c src/sched/share.c src/sched/place.c src/time/system.c src/time/timer.c src/time/vcpu.c src/lib/pqueue.c src/lib/bitmap.c src/core/lock.c src/core/cpu.c test/fake/machine.c test/fake/sched_world.c */
/*
 * What tools call to set how domains are scheduled: what these calls do, and what they answer to nonsense, as Xen does. Two CPUs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hcall/tool.h"
#include "sched_world.h"

#define HARD	  XEN_VCPUAFFINITY_HARD
#define SOFT	  XEN_VCPUAFFINITY_SOFT
#define FORCE	  XEN_VCPUAFFINITY_FORCE
#define NOWHERE	  ((void *)8) /* a page that the guest does not have */
#define UNTOUCHED 0xeeeeeeeeeeeeeeeeull

static struct domain *d, *other;
static struct vcpu *v;

static int start(void **state)
{
	(void)state;
	world_start(2);
	dom0 = d = world_domain(0, 2);
	other = world_domain(5, 1);
	v = d->vcpus[0];
	world_up(v);
	world_up(other->vcpus[0]);
	world_settle();
	return 0;
}

static int end(void **state)
{
	(void)state;
	fake_cpu = 0;
	world_end();
	assert_int_equal(world_heap_blocks, 0);
	return 0;
}

/* ---------------------------------------------------------------- affinity */

static u64 hard[CPU_MAX / 64], soft[CPU_MAX / 64]; /* no more is read, whatever is said */

static int affinity(domctl_fn fn, struct domain *which, u32 vcpu, u32 flags, u32 bits)
{
	struct xen_domctl op = {.u.vcpuaffinity = {.vcpu = vcpu, .flags = flags}};

	op.u.vcpuaffinity.cpumap_hard.nr_bits = op.u.vcpuaffinity.cpumap_soft.nr_bits = bits;
	set_xen_guest_handle(op.u.vcpuaffinity.cpumap_hard.bitmap, (u8 *)hard);
	set_xen_guest_handle(op.u.vcpuaffinity.cpumap_soft.bitmap, (u8 *)soft);
	return fn(v, which, &op);
}

static int set(u32 vcpu, u32 flags, u64 new_hard, u64 new_soft)
{
	int rc;

	hard[0] = new_hard;
	soft[0] = new_soft;
	rc = affinity(domctl_setvcpuaffinity, d, vcpu, flags, 64);
	world_settle();
	return rc;
}

static int get(struct domain *which, u32 vcpu, u32 flags, u32 bits)
{
	hard[0] = hard[1] = soft[0] = soft[1] = UNTOUCHED;
	return affinity(domctl_getvcpuaffinity, which, vcpu, flags, bits);
}

static void affinity_is_shown(void **state)
{
	(void)state;
	assert_int_equal(get(d, 0, HARD | SOFT, 64), 0);
	assert_true(hard[0] == 3 && soft[0] == 3 && hard[1] == UNTOUCHED);
	assert_int_equal(get(d, 0, HARD | SOFT, 16), 0);
	assert_true(hard[0] == 0xeeeeeeeeeeee0003 && soft[0] == 0xeeeeeeeeeeee0003);
	assert_int_equal(get(d, 0, HARD | SOFT, 1), 0);
	assert_int_equal(hard[0], 0xeeeeeeeeeeeeee03);
	assert_int_equal(get(d, 0, HARD | SOFT, 0), 0);
	assert_int_equal(hard[0], UNTOUCHED);
	assert_int_equal(get(d, 0, HARD, 128), 0);
	assert_true(hard[0] == 3 && hard[1] == 0 && soft[0] == UNTOUCHED);
	/* Neither is asked for. */
	assert_int_equal(get(d, 0, FORCE, 64), 0);
	assert_int_equal(get(d, 0, 8, 64), 0);
	assert_true(hard[0] == UNTOUCHED && soft[0] == UNTOUCHED);
	assert_int_equal(get(d, 0, 0, 64), -EINVAL);
	assert_int_equal(get(d, 2, HARD, 64), -EINVAL);
	assert_int_equal(get(d, UINT32_MAX, HARD, 64), -EINVAL);
	assert_int_equal(get(other, 1, HARD, 64), -EINVAL);
	assert_int_equal(get(d, 0, HARD, UINT32_MAX), -EINVAL);
	assert_int_equal(get(d, 0, HARD, 32769), -EINVAL);
}

static void affinity_is_set(void **state)
{
	(void)state;
	assert_int_equal(set(0, HARD | SOFT, 2, 1), 0);
	assert_true(hard[0] == 2 && soft[0] == 0); /* what holds of it */
	assert_int_equal(v->cpu, 1);
	assert_int_equal(get(d, 0, HARD | SOFT, 64), 0);
	assert_true(hard[0] == 2 && soft[0] == 1); /* as set */
	assert_int_equal(set(0, HARD, ~0ull, 0), 0);
	assert_true(hard[0] == 3 && soft[0] == 0);
	assert_int_equal(set(0, SOFT, 0, ~0ull), 0);
	assert_true(hard[0] == 0 && soft[0] == 3);
	/* None of it, or nothing, is refused for hard, and no matter for soft. */
	assert_int_equal(set(0, HARD, 0, 0), -EINVAL);
	assert_int_equal(set(0, HARD | SOFT, 4, 1), -EINVAL);
	assert_int_equal(set(0, SOFT, 0, 0), 0);
	assert_int_equal(set(0, SOFT, 0, 0xf0), 0);
	assert_int_equal(get(d, 0, HARD | SOFT, 64), 0);
	assert_true(hard[0] == 3 && soft[0] == 0);
	assert_int_equal(set(0, 0, 1, 1), -EINVAL);
	assert_int_equal(set(0, 8, 1, 1), 0);
	assert_int_equal(set(2, HARD, 1, 1), -EINVAL);
	assert_int_equal(set(UINT32_MAX, HARD, 1, 1), -EINVAL);
	assert_int_equal(get(d, 0, HARD, 64), 0);
	assert_int_equal(hard[0], 3);
	/* Bits beyond those that were named do not count. */
	hard[0] = 3;
	soft[0] = 3;
	assert_int_equal(affinity(domctl_setvcpuaffinity, d, 0, HARD | SOFT, 1), 0);
	assert_int_equal(get(d, 0, HARD | SOFT, 64), 0);
	assert_true(hard[0] == 1 && soft[0] == 1);
	hard[0] = 3;
	assert_int_equal(affinity(domctl_setvcpuaffinity, d, 0, HARD, 0), -EINVAL);
	assert_int_equal(affinity(domctl_setvcpuaffinity, d, 0, HARD, UINT32_MAX), -EINVAL);
}

static void affinity_under_an_override(void **state)
{
	(void)state;
	assert_int_equal(set(0, FORCE, 1, 1), 0);
	assert_int_equal(sched_pin_override(v, 1), 0);
	assert_int_equal(set(0, HARD, 1, 1), -EBUSY);
	assert_int_equal(set(0, SOFT, 1, 1), -EBUSY);
	assert_int_equal(get(d, 0, HARD | SOFT, 64), 0);
	assert_true(hard[0] == 2 && soft[0] == 3);
	assert_int_equal(set(0, FORCE, 1, 1), 0);
	assert_int_equal(get(d, 0, HARD | SOFT, 64), 0);
	assert_true(hard[0] == 3 && soft[0] == 3);
	assert_int_equal(sched_pin_override(v, 1), 0);
	assert_int_equal(set(0, HARD | SOFT | FORCE, 4, 4), -EINVAL); /* undone all the same */
	assert_int_equal(get(d, 0, HARD | SOFT, 64), 0);
	assert_true(hard[0] == 3 && soft[0] == 3);
}

static void maps_that_are_not_there(void **state)
{
	struct xen_domctl op = {.u.vcpuaffinity = {.flags = HARD | SOFT}};
	u64 one = 1;

	(void)state;
	op.u.vcpuaffinity.cpumap_hard.nr_bits = op.u.vcpuaffinity.cpumap_soft.nr_bits = 64;
	set_xen_guest_handle(op.u.vcpuaffinity.cpumap_hard.bitmap, NOWHERE);
	set_xen_guest_handle(op.u.vcpuaffinity.cpumap_soft.bitmap, (u8 *)&one);
	assert_int_equal(domctl_getvcpuaffinity(v, d, &op), -EFAULT);
	assert_int_equal(domctl_setvcpuaffinity(v, d, &op), -EFAULT);
	set_xen_guest_handle(op.u.vcpuaffinity.cpumap_hard.bitmap, (u8 *)&one);
	set_xen_guest_handle(op.u.vcpuaffinity.cpumap_soft.bitmap, NOWHERE);
	assert_int_equal(domctl_getvcpuaffinity(v, d, &op), -EFAULT);
	one = 1;
	assert_int_equal(domctl_setvcpuaffinity(v, d, &op), -EFAULT);
	assert_int_equal(get(d, 0, HARD, 64), 0);
	assert_int_equal(hard[0], 3); /* nothing was done */
}

static int nodes(domctl_fn fn, u64 *map, u32 bits)
{
	struct xen_domctl op = {0};

	set_xen_guest_handle(op.u.nodeaffinity.nodemap.bitmap, (u8 *)map);
	op.u.nodeaffinity.nodemap.nr_bits = bits;
	return fn(v, d, &op);
}

static void nodes_are_kept(void **state)
{
	static const u64 good[] = {1, 3, 0xff01}, bad[] = {0, 2, ~1ull};
	u64 map;

	(void)state;
	assert_int_equal(nodes(domctl_getnodeaffinity, &map, 64), 0);
	assert_int_equal(map, 1);
	for (unsigned int i = 0; i < 3; i++) {
		map = bad[i];
		assert_int_equal(nodes(domctl_setnodeaffinity, &map, 64), -EINVAL);
		map = good[i];
		assert_int_equal(nodes(domctl_setnodeaffinity, &map, 64), 0);
		assert_int_equal(nodes(domctl_getnodeaffinity, &map, 64), 0);
		assert_int_equal(map, good[i]);
	}
	map = ~0ull;
	assert_int_equal(nodes(domctl_setnodeaffinity, &map, 64), 0);
	map = UNTOUCHED;
	assert_int_equal(nodes(domctl_getnodeaffinity, &map, 1), 0);
	assert_int_equal(map, 0xeeeeeeeeeeeeee01);
	assert_int_equal(nodes(domctl_setnodeaffinity, &map, 0), -EINVAL);
	assert_int_equal(nodes(domctl_setnodeaffinity, NOWHERE, 64), -EFAULT);
	assert_int_equal(nodes(domctl_getnodeaffinity, NOWHERE, 64), -EFAULT);
}

/* ---------------------------------------------------------------- weight, cap, rate limit */

static int credit(u32 id, u32 cmd, u16 weight, u16 cap, struct xen_domctl_sched_credit2 *got)
{
	struct xen_domctl op = {
		.u.scheduler_op = {.sched_id = id, .cmd = cmd, .u.credit2 = {weight, cap}}};
	int rc = domctl_scheduler_op(v, d, &op);

	if (got != NULL)
		*got = op.u.scheduler_op.u.credit2;
	return rc;
}

#define PUT(weight, cap) \
	credit(XEN_SCHEDULER_CREDIT2, XEN_DOMCTL_SCHEDOP_putinfo, weight, cap, NULL)

static void expect_params(u32 weight, u32 cap)
{
	struct xen_domctl_sched_credit2 got;

	assert_int_equal(credit(XEN_SCHEDULER_CREDIT2, XEN_DOMCTL_SCHEDOP_getinfo, 7, 7, &got), 0);
	assert_int_equal(got.weight, weight);
	assert_int_equal(got.cap, cap);
}

static void weight_and_cap(void **state)
{
	(void)state;
	expect_params(256, 0);
	assert_int_equal(PUT(0, 0), 0);
	expect_params(256, 0);
	assert_int_equal(PUT(0, 50), 0);
	expect_params(256, 50);
	assert_int_equal(PUT(65535, 200), 0);
	expect_params(65535, 200);
	assert_int_equal(PUT(1, 0), 0);
	expect_params(1, 0);
	assert_int_equal(PUT(256, 201), -EINVAL);
	expect_params(256, 0);
	assert_int_equal(PUT(256, 65535), -EINVAL);
	for (u32 id = 0; id < 12; id++)
		if (id != XEN_SCHEDULER_CREDIT2)
			assert_int_equal(credit(id, XEN_DOMCTL_SCHEDOP_getinfo, 0, 0, NULL),
					 -EINVAL);
	for (u32 cmd = 2; cmd < 6; cmd++)
		assert_int_equal(credit(XEN_SCHEDULER_CREDIT2, cmd, 1, 1, NULL), -EINVAL);
	assert_int_equal(credit(XEN_SCHEDULER_CREDIT2, UINT32_MAX, 1, 1, NULL), -EINVAL);
	expect_params(256, 0);
}

static int limit(u32 pool, u32 id, u32 cmd, u32 *us)
{
	struct xen_sysctl op = {.u.scheduler_op = {.cpupool_id = pool, .sched_id = id, .cmd = cmd}};
	int rc;

	op.u.scheduler_op.u.sched_credit2.ratelimit_us = *us;
	rc = sysctl_scheduler_op(v, &op);
	*us = op.u.scheduler_op.u.sched_credit2.ratelimit_us;
	return rc;
}

static void rate_limit(void **state)
{
	static const u32 good[] = {100, 500000, 0, 1000}, bad[] = {1, 99, 500001, UINT32_MAX};
	u32 us = 5;

	(void)state;
	assert_int_equal(limit(0, XEN_SCHEDULER_CREDIT2, XEN_SYSCTL_SCHEDOP_getinfo, &us), 0);
	assert_int_equal(us, 1000);
	assert_int_equal(limit(0, XEN_SCHEDULER_CREDIT, XEN_SYSCTL_SCHEDOP_getinfo, &us), -EINVAL);
	assert_int_equal(limit(1, XEN_SCHEDULER_CREDIT2, XEN_SYSCTL_SCHEDOP_getinfo, &us), -ESRCH);
	assert_int_equal(limit(UINT32_MAX, XEN_SCHEDULER_CREDIT2, XEN_SYSCTL_SCHEDOP_getinfo, &us),
			 -ESRCH);
	assert_int_equal(limit(0, XEN_SCHEDULER_CREDIT2, 2, &us), -EINVAL);
	for (unsigned int i = 0; i < 4; i++) {
		us = bad[i];
		assert_int_equal(limit(0, XEN_SCHEDULER_CREDIT2, XEN_SYSCTL_SCHEDOP_putinfo, &us),
				 -EINVAL);
		us = good[i];
		assert_int_equal(limit(0, XEN_SCHEDULER_CREDIT2, XEN_SYSCTL_SCHEDOP_putinfo, &us),
				 0);
		us = 5;
		assert_int_equal(limit(0, XEN_SCHEDULER_CREDIT2, XEN_SYSCTL_SCHEDOP_getinfo, &us),
				 0);
		assert_int_equal(us, good[i]);
	}
}

/* ---------------------------------------------------------------- CPUs and pools */

static void idle_times(void **state)
{
	struct xen_sysctl op = {.u.getcpuinfo = {.max_cpus = UINT32_MAX}};
	u64 ns[3] = {UNTOUCHED, UNTOUCHED, UNTOUCHED};

	(void)state;
	world_move(7000000);
	op.u.getcpuinfo.info.p = (void *)ns;
	assert_int_equal(sysctl_getcpuinfo(v, &op), 0);
	assert_int_equal(op.u.getcpuinfo.nr_cpus, 2);
	assert_true(ns[0] == 0 && ns[1] == 0 && ns[2] == UNTOUCHED);
	other->vcpus[0]->is_down = true;
	vcpu_sleep_nosync(other->vcpus[0]);
	world_settle();
	world_move(5000000);
	ns[1] = UNTOUCHED;
	op.u.getcpuinfo.max_cpus = 1;
	assert_int_equal(sysctl_getcpuinfo(v, &op), 0);
	assert_true(op.u.getcpuinfo.nr_cpus == 1 && ns[1] == UNTOUCHED);
	op.u.getcpuinfo.max_cpus = 2;
	assert_int_equal(sysctl_getcpuinfo(v, &op), 0);
	assert_int_equal(ns[0] + ns[1], 5000000);
	op.u.getcpuinfo.info.p = NOWHERE;
	assert_int_equal(sysctl_getcpuinfo(v, &op), -EFAULT);
	op.u.getcpuinfo.max_cpus = 0;
	assert_int_equal(sysctl_getcpuinfo(v, &op), 0);
	assert_int_equal(op.u.getcpuinfo.nr_cpus, 0);
}

static u64 map;

static int pool(u32 op, u32 id, u32 domid, u32 cpu)
{
	struct xen_sysctl sysctl = {.u.cpupool_op = {.op = op,
						     .cpupool_id = id,
						     .domid = domid,
						     .cpu = cpu,
						     .sched_id = XEN_SCHEDULER_CREDIT2,
						     .cpumap.nr_bits = 64}};
	int rc;

	map = UNTOUCHED;
	set_xen_guest_handle(sysctl.u.cpupool_op.cpumap.bitmap, (u8 *)&map);
	rc = sysctl_cpupool_op(v, &sysctl);
	world_settle();
	return rc;
}

#define POOL(op, ...) pool(XEN_SYSCTL_CPUPOOL_OP_##op, __VA_ARGS__)

static void pools(void **state)
{
	struct xen_sysctl op = {
		.u.cpupool_op = {.op = XEN_SYSCTL_CPUPOOL_OP_INFO, .cpumap.nr_bits = 64}};

	(void)state;
	assert_int_equal(POOL(INFO, 0, 0, 0), 0);
	assert_int_equal(map, 3);
	assert_int_equal(POOL(FREEINFO, 0, 0, 0), 0);
	assert_int_equal(map, 0);
	assert_int_equal(POOL(CREATE, 3, 0, 0), 0);
	assert_int_equal(map, UNTOUCHED);
	assert_int_equal(POOL(RMCPU, 0, 0, 1), 0);
	assert_int_equal(POOL(FREEINFO, 0, 0, 0), 0);
	assert_int_equal(map, 2);
	assert_int_equal(POOL(MOVEDOMAIN, 3, 5, 0), -ENOENT);
	assert_int_equal(POOL(ADDCPU, 3, 0, 1), 0);
	assert_int_equal(POOL(MOVEDOMAIN, 3, 5, 0), 0);
	assert_int_equal(other->vcpus[0]->cpu, 1);
	assert_int_equal(POOL(INFO, 1, 0, 0), 0);
	assert_int_equal(map, 2);
	/* Domain 0 stays; nobody that is not there is moved. */
	assert_int_equal(POOL(MOVEDOMAIN, 3, 0, 0), -EPERM);
	assert_int_equal(POOL(MOVEDOMAIN, 0, 0, 0), -EPERM);
	assert_int_equal(POOL(MOVEDOMAIN, 3, 6, 0), -ESRCH);
	assert_int_equal(POOL(MOVEDOMAIN, 3, 0x10005, 0), -ESRCH);
	assert_int_equal(POOL(MOVEDOMAIN, 3, DOMID_SELF, 0), -ESRCH);
	assert_int_equal(POOL(MOVEDOMAIN, 9, 5, 0), -ENOENT);
	assert_int_equal(pool(0, 0, 0, 0), -ENOSYS);
	assert_int_equal(pool(99, 0, 0, 0), -ENOSYS);
	set_xen_guest_handle(op.u.cpupool_op.cpumap.bitmap, NOWHERE);
	assert_int_equal(sysctl_cpupool_op(v, &op), -EFAULT);
	assert_int_equal(sysctl_sched_id(v, &op), 0);
	assert_int_equal(op.u.sched_id.sched_id, XEN_SCHEDULER_CREDIT2);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, end)
	static const struct CMUnitTest tests[] = {
		T(affinity_is_shown),
		T(affinity_is_set),
		T(affinity_under_an_override),
		T(maps_that_are_not_there),
		T(nodes_are_kept),
		T(weight_and_cap),
		T(rate_limit),
		T(idle_times),
		T(pools),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* uses: src/sched/choose.c src/sched/vcpu.c src/sched/runstate.c src/sched/share.c src/sched/place.c src/time/system.c src/time/timer.c src/time/vcpu.c src/lib/pqueue.c src/core/lock.c src/core/cpu.c test/fake/machine.c test/fake/sched_world.c */
/*
 * The scheduler over a fake clock: shares by weight, latency, rate limit, stealing, affinity, polling, runstates; and a
 * few hundred thousand random operations, after each of which every vCPU is where it has to be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sched_world.h"

#define MS 1000000ull

static int start(void **state)
{
	(void)state;
	world_start(2);
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

static u64 ran(struct vcpu *v)
{
	struct vcpu_runstate_info info;

	sched_runstate_get(v, &info);
	return info.time[RUNSTATE_running];
}

static int state_of(struct vcpu *v)
{
	struct vcpu_runstate_info info;

	sched_runstate_get(v, &info);
	return info.state;
}

static struct vcpu *hog(domid_t id, s32 cpu)
{
	struct domain *d = world_domain(id, 1);

	if (cpu >= 0)
		assert_int_equal(sched_pin_override(d->vcpus[0], cpu), 0);
	world_up(d->vcpus[0]);
	world_settle();
	return d->vcpus[0];
}

static void on_cpu_of(const struct vcpu *v)
{
	assert_true(world_runs(v));
	fake_cpu = v->cpu;
}

static void block(struct vcpu *v)
{
	on_cpu_of(v);
	vcpu_block(v);
	world_settle();
}

/* ---------------------------------------------------------------- shares */

static void share_follows_weight(void **state)
{
	static const u32 weights[] = {128, 256, 512, 1024};
	struct vcpu *v[4];
	u64 total = 0, before[4];

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		v[i] = hog((domid_t)(i + 1), 0);
		assert_int_equal(sched_params_set(v[i]->domain, weights[i], 0), 0);
		before[i] = ran(v[i]);
	}
	for (unsigned int i = 0; i < 100000; i++)
		world_move(MS / 10);
	for (unsigned int i = 0; i < 4; i++)
		total += ran(v[i]) - before[i];
	assert_true(total >= 9999 * MS && total <= 10001 * MS);
	for (unsigned int i = 0; i < 4; i++) {
		u64 fair = total * weights[i] / 1920;
		u64 got = ran(v[i]) - before[i];

		assert_true(got > fair - 25 * MS && got < fair + 25 * MS);
	}
}

static void params_are_checked(void **state)
{
	struct domain *d = world_domain(1, 2);
	u32 weight, cap;

	(void)state;
	sched_params_get(d, &weight, &cap);
	assert_true(weight == SCHED_WEIGHT_DEFAULT && cap == 0);
	assert_int_equal(sched_params_set(d, SCHED_WEIGHT_MAX + 1, 0), -EINVAL);
	assert_int_equal(sched_params_set(d, 1, 200), 0);
	assert_int_equal(sched_params_set(d, 7, 201), -EINVAL); /* the weight is set all the same */
	assert_int_equal(sched_params_set(d, 0, 100), 0);
	sched_params_get(d, &weight, &cap);
	assert_true(weight == 7 && cap == 100);
}

static void move_ms(unsigned int count)
{
	for (unsigned int i = 0; i < count * 10; i++)
		world_move(MS / 10);
}

/* Does v get so many percent of a CPU, within a hundredth of that? */
static void gets(struct domain *d, u64 percent)
{
	u64 before = 0, got = 0;
	struct vcpu *v;

	move_ms(50);
	for_each_vcpu(d, v)
		before += ran(v);
	move_ms(5000);
	for_each_vcpu(d, v)
		got += ran(v);
	got -= before;
	assert_in_range(got, 5000 * MS / 100 * percent * 99 / 100,
			5000 * MS / 100 * percent * 101 / 100);
}

static void cap_holds(void **state)
{
	static const u32 caps[] = {50, 1, 99, 25, 100, 7};
	struct vcpu *a = hog(1, 0);

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(caps); i++) {
		assert_int_equal(sched_params_set(a->domain, 0, caps[i]), 0);
		gets(a->domain, caps[i]);
	}
	/* Others get the rest, and what they want is not less for it; without a cap it is as before. */
	assert_int_equal(sched_params_set(a->domain, 65535, 50), 0);
	hog(2, 0);
	gets(a->domain, 50);
	assert_int_equal(sched_params_set(a->domain, 256, 0), 0);
	gets(a->domain, 50);
	assert_int_equal(sched_params_set(a->domain, 256, 20), 0);
	gets(a->domain, 20);
	/* Less than its weight would give it, or more: it does not depend on who else is there. */
	(void)sched_params_set(hog(3, 0)->domain, 512, 0);
	assert_int_equal(sched_params_set(a->domain, 1024, 50), 0);
	gets(a->domain, 50);
	assert_int_equal(sched_params_set(a->domain, 1024, 60), 0);
	gets(a->domain, 57);
}

/* All of a domain's vCPUs together; a cap is no right. */
static void cap_is_the_domains(void **state)
{
	struct domain *d = world_domain(1, 3);
	struct vcpu *v;

	(void)state;
	for_each_vcpu(d, v)
		world_up(v);
	world_settle();
	assert_int_equal(sched_params_set(d, 0, 150), 0);
	gets(d, 150);
	assert_int_equal(sched_params_set(d, 0, 30), 0);
	gets(d, 30);
	assert_int_equal(sched_params_set(d, 0, 300), 0);
	gets(d, 200);
}

/* Now and then asleep: of what it did not use little is left for later, and less than the cap costs nothing. */
static void cap_of_one_that_sleeps(void **state)
{
	struct vcpu *a = hog(1, 0);
	struct vcpu_runstate_info info;
	u64 before;

	(void)state;
	assert_int_equal(sched_params_set(a->domain, 0, 50), 0);
	for (unsigned int i = 0; i < 300; i++) {
		while (!world_runs(a))
			world_move(MS / 10);
		world_move(MS); /* a third of the CPU */
		block(a);
		world_move(2 * MS);
		world_event(a);
		world_settle();
	}
	sched_runstate_get(a, &info);
	assert_in_range(info.time[RUNSTATE_runnable], 0, 10 * MS);
	block(a);
	move_ms(1000);
	world_event(a);
	world_settle();
	before = ran(a);
	move_ms(100);
	assert_in_range(ran(a) - before, 50 * MS, 71 * MS);
	/* While it is over its cap it wants to run, and an event does not make it. */
	while (world_runs(a))
		world_move(MS / 10);
	assert_int_equal(state_of(a), RUNSTATE_runnable);
	world_event(a);
	vcpu_wake(a);
	world_settle();
	assert_false(world_runs(a));
	vcpu_pause_nosync(a);
	assert_int_equal(state_of(a), RUNSTATE_offline);
	world_move(30 * MS);
	assert_false(world_runs(a));
	vcpu_unpause(a);
	world_settle();
	assert_true(world_runs(a));
}

/* Even the least weight gets its share, and a guest that sleeps a lot is served at once, beside any number of busy ones. */
static void nobody_starves(void **state)
{
	struct vcpu *least = hog(1, 0), *sleeper;
	u64 before, since;

	(void)state;
	assert_int_equal(sched_params_set(least->domain, 16, 0), 0);
	for (domid_t id = 2; id < 10; id++)
		(void)sched_params_set(hog(id, 0)->domain, 1024, 0);
	sleeper = hog(10, 0);
	move_ms(1000);
	before = ran(least);
	move_ms(20000);
	assert_in_range(ran(least) - before, 20000 * MS / 1024 * 16 / 9,
			20000 * MS / 1024 * 16 / 8);
	for (unsigned int i = 0; i < 100; i++) {
		while (!world_runs(sleeper))
			world_move(MS / 10);
		block(sleeper);
		move_ms(100);
		since = world_now();
		world_event(sleeper);
		world_settle();
		while (!world_runs(sleeper))
			world_move(MS / 10);
		assert_true(world_now() - since <= MS);
	}
}

/* One that sleeps may not save its time up and then keep the CPU. */
static void sleep_saves_nothing_up(void **state)
{
	struct vcpu *a = hog(1, 0), *b = hog(2, 0);
	u64 before;

	(void)state;
	while (!world_runs(a))
		world_move(MS);
	block(a);
	for (unsigned int i = 0; i < 1000; i++)
		world_move(MS);
	world_event(a);
	world_settle();
	before = ran(b);
	for (unsigned int i = 0; i < 100; i++)
		world_move(MS);
	assert_true(ran(b) - before >= 45 * MS);
}

static void latency_is_short(void **state)
{
	struct vcpu *a = hog(1, 0), *b;
	u64 worst = 0;

	(void)state;
	hog(3, 0);
	b = hog(2, 0);
	for (unsigned int i = 0; i < 200; i++) {
		u64 since;

		while (!world_runs(b))
			world_move(MS / 10);
		block(b);
		for (unsigned int n = 0; n < 200 + i % 7; n++)
			world_move(MS / 10);
		fake_cpu = 1;
		since = world_now();
		world_event(b);
		world_settle();
		while (!world_runs(b))
			world_move(MS / 10);
		worst = MAX(worst, world_now() - since);
		assert_true(worst <= 1 * MS + MS / 10); /* the rate limit */
	}
	assert_true(worst > 0);
	assert_true(ran(a) > 0);
}

static void no_limit_no_latency(void **state)
{
	u32 none = 0;
	struct vcpu *b;

	(void)state;
	assert_int_equal(sched_ratelimit(0, &none, true), 0);
	hog(1, 0);
	b = hog(2, 0);
	while (!world_runs(b))
		world_move(MS);
	block(b);
	world_move(10 * MS);
	world_event(b);
	world_settle();
	assert_true(world_runs(b));
}

static void rate_limit_holds(void **state)
{
	u32 limit = 20000;
	struct vcpu *a, *b;

	(void)state;
	assert_int_equal(sched_ratelimit(0, &limit, true), 0);
	a = hog(1, 0);
	world_move(MS);
	b = hog(2, 0);
	for (unsigned int i = 0; i < 18; i++) {
		assert_true(world_runs(a) && !world_runs(b));
		world_move(MS);
	}
	world_move(2 * MS);
	assert_true(world_runs(b));
}

static void yield_lets_the_other_go(void **state)
{
	struct vcpu *a = hog(1, 0), *b = hog(2, 0);
	struct vcpu *first;

	(void)state;
	first = world_runs(a) ? a : b;
	on_cpu_of(first);
	vcpu_yield(first);
	world_settle();
	assert_false(world_runs(first));
	assert_true(world_current(0) == (first == a ? b : a));
	/* With nobody else it goes on. */
	b->is_down = true;
	vcpu_sleep_nosync(b);
	world_settle();
	on_cpu_of(a);
	vcpu_yield(a);
	world_settle();
	assert_true(world_runs(a));
}

/* ---------------------------------------------------------------- several CPUs */

static void idle_cpu_takes_work(void **state)
{
	struct vcpu *a = hog(1, 0), *b = hog(2, 0);
	struct cpumask all;

	(void)state;
	assert_true(world_runs(a) != world_runs(b));
	assert_true(world_current(1)->is_idle);
	memset(&all, 0xff, sizeof(all));
	/* Both may go anywhere now: nobody waits while a CPU is idle. */
	assert_int_equal(sched_pin_override(a, -1), 0);
	assert_int_equal(sched_pin_override(b, -1), 0);
	world_settle();
	for (unsigned int i = 0; i < 20; i++)
		world_move(MS);
	assert_true(world_runs(a) && world_runs(b) && a->cpu != b->cpu);
	assert_int_equal(sched_affinity_set(a, &all, NULL, false), 0);
}

/* Nobody is ever idle here: queues of different length even out all the same. */
static void hogs_spread(void **state)
{
	struct vcpu *v[4];
	u64 before[4];

	(void)state;
	for (unsigned int i = 0; i < 4; i++)
		v[i] = hog((domid_t)(i + 1), 0);
	hog(5, 1);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(sched_pin_override(v[i], -1), 0);
	for (unsigned int i = 0; i < 100; i++)
		world_move(MS);
	for (unsigned int i = 0; i < 4; i++)
		before[i] = ran(v[i]);
	for (unsigned int i = 0; i < 1200; i++)
		world_move(MS);
	for (unsigned int i = 0; i < 4; i++)
		assert_true(ran(v[i]) - before[i] >= 350 * MS); /* of 480 */
}

/* Weights count across CPUs, too. */
static void weights_are_spread(void **state)
{
	struct domain *light = world_domain(1, 2), *heavy = world_domain(2, 2);
	struct cpumask hard = {{1}}, all = {{3}};
	u64 light_ns = 0, heavy_ns = 0;

	(void)state;
	(void)sched_params_set(heavy, 1024, 0);
	for (unsigned int i = 0; i < 2; i++) {
		hard.bits[0] = 1;
		(void)sched_affinity_set(light->vcpus[i], &hard, NULL, false);
		hard.bits[0] = 2;
		(void)sched_affinity_set(heavy->vcpus[i], &hard, NULL, false);
		world_up(light->vcpus[i]);
		world_up(heavy->vcpus[i]);
	}
	world_settle();
	move_ms(10);
	for (unsigned int i = 0; i < 2; i++) {
		(void)sched_affinity_set(light->vcpus[i], &all, NULL, false);
		(void)sched_affinity_set(heavy->vcpus[i], &all, NULL, false);
	}
	world_settle();
	move_ms(10000);
	for (unsigned int i = 0; i < 2; i++) {
		light_ns += ran(light->vcpus[i]);
		heavy_ns += ran(heavy->vcpus[i]);
	}
	assert_in_range(heavy_ns, light_ns * 38 / 10, light_ns * 42 / 10);
}

static void affinity_moves_what_runs(void **state)
{
	struct vcpu *a = hog(1, -1);
	struct cpumask one = {{0}}, got, soft;
	unsigned int other = !a->cpu;

	(void)state;
	assert_int_equal(sched_affinity_set(a, &one, NULL, false), -EINVAL);
	one.bits[CPU_MAX / 64 - 1] = BIT(63); /* a CPU that is not there */
	assert_int_equal(sched_affinity_set(a, &one, NULL, false), -EINVAL);
	one.bits[CPU_MAX / 64 - 1] = 0;
	cpumask_set(&one, other);
	assert_int_equal(sched_affinity_set(a, &one, NULL, false), 0);
	world_settle();
	assert_true(world_runs(a));
	assert_int_equal(a->cpu, other);
	assert_true(sched_is_pinned(a));
	sched_affinity_get(a, &got, &soft, false);
	assert_memory_equal(&got, &one, sizeof(got));
	assert_int_equal(soft.bits[0], 3); /* what there is */
}

static void override_is_undone(void **state)
{
	struct vcpu *a = hog(1, -1);
	struct cpumask one = {{0}}, got, soft;

	(void)state;
	assert_int_equal(sched_pin_override(a, -1), -EINVAL);
	assert_int_equal(sched_pin_override(a, 2), -EINVAL);
	assert_int_equal(sched_pin_override(a, INT32_MAX), -EINVAL);
	assert_int_equal(sched_pin_override(a, 1), 0);
	assert_int_equal(sched_pin_override(a, 0), -EBUSY);
	world_settle();
	assert_int_equal(a->cpu, 1);
	/* Tools see it, and may not change it but by force. */
	cpumask_set(&one, 0);
	assert_int_equal(sched_affinity_set(a, &one, NULL, false), -EBUSY);
	assert_int_equal(sched_affinity_set(a, NULL, &one, false), -EBUSY);
	sched_affinity_get(a, &got, &soft, false);
	assert_true(got.bits[0] == 2 && soft.bits[0] == 3);
	assert_int_equal(sched_affinity_set(a, &one, NULL, true), 0);
	world_settle();
	assert_true(world_runs(a) && a->cpu == 0);
	assert_int_equal(sched_pin_override(a, -1), -EINVAL);
	assert_int_equal(sched_pin_override(a, 0), 0);
	assert_int_equal(sched_affinity_set(a, NULL, NULL, true), 0);
	assert_int_equal(sched_pin_override(a, 0), 0);
	assert_int_equal(sched_pin_override(a, INT32_MIN), 0);
	sched_affinity_get(a, &got, &soft, false);
	assert_int_equal(got.bits[0], 1);
}

static void set_soft(struct vcpu *v, u64 cpus)
{
	struct cpumask soft = {{cpus}};

	assert_int_equal(sched_affinity_set(v, NULL, &soft, false), 0);
	world_settle();
}

static void soft_affinity_is_preferred(void **state)
{
	struct vcpu *a = hog(1, -1), *b;
	struct cpumask hard = {{1}}, soft;

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		set_soft(a, BIT(i % 2));
		move_ms(10);
		assert_true(world_runs(a) && a->cpu == i % 2);
		block(a);
		world_event(a);
		world_settle();
		assert_true(world_runs(a) && a->cpu == i % 2);
	}
	/* Rather elsewhere than not at all; back as soon as there is room. */
	b = hog(2, 1);
	move_ms(20);
	assert_true(world_runs(a) && a->cpu == 0 && world_runs(b));
	block(b);
	move_ms(6);
	assert_true(world_runs(a) && a->cpu == 1);
	/* Hard affinity comes first. */
	assert_int_equal(sched_affinity_set(a, &hard, NULL, false), 0);
	move_ms(10);
	assert_true(world_runs(a) && a->cpu == 0);
	sched_affinity_get(a, &hard, &soft, false);
	assert_true(hard.bits[0] == 1 && soft.bits[0] == 2);
	sched_affinity_get(a, &hard, &soft, true);
	assert_true(hard.bits[0] == 1 && soft.bits[0] == 0);
	set_soft(a, 0);
	move_ms(10);
	assert_true(world_runs(a) && a->cpu == 0);
}

static void vcpus_begin_apart(void **state)
{
	struct domain *d = world_domain(1, 2);
	struct vcpu *a = hog(2, 0);

	(void)state;
	assert_int_not_equal(d->vcpus[0]->cpu, d->vcpus[1]->cpu);
	for (domid_t id = 3; id < 10; id++)
		assert_int_equal(world_domain(id, 1)->vcpus[0]->cpu, !a->cpu); /* the idle one */
}

/* ---------------------------------------------------------------- pools */

static int pool_op(u32 op, u32 id, u32 cpu, struct domain *d, struct xen_sysctl_cpupool_op *out,
		   u64 *cpus)
{
	struct xen_sysctl_cpupool_op arg = {
		.op = op, .cpupool_id = id, .cpu = cpu, .sched_id = XEN_SCHEDULER_CREDIT2};
	struct cpumask mask;
	int rc = sched_pool_op(&arg, d, &mask);

	if (out != NULL)
		*out = arg;
	if (cpus != NULL)
		*cpus = mask.bits[0];
	world_settle();
	return rc;
}

#define POOL(op, id, cpu) pool_op(XEN_SYSCTL_CPUPOOL_OP_##op, id, cpu, NULL, NULL, NULL)
#define ANY		  XEN_SYSCTL_CPUPOOL_PAR_ANY

static void pools_come_and_go(void **state)
{
	struct xen_sysctl_cpupool_op op = {.op = XEN_SYSCTL_CPUPOOL_OP_CREATE};
	struct domain *d = world_domain(1, 1);
	struct cpumask mask;
	u32 us = 5000;
	u64 cpus;

	(void)state;
	assert_int_equal(sched_pool_op(&op, NULL, &mask), -ENOENT); /* another scheduler */
	assert_int_equal(pool_op(XEN_SYSCTL_CPUPOOL_OP_INFO, 0, 0, NULL, &op, &cpus), 0);
	assert_true(op.cpupool_id == 0 && op.sched_id == XEN_SCHEDULER_CREDIT2 && op.n_dom == 1);
	assert_int_equal(cpus, 3);
	assert_int_equal(POOL(INFO, 1, 0), -ENOENT);
	assert_int_equal(POOL(INFO, ANY, 0), -ENOENT);
	assert_int_equal(POOL(CREATE, 0, 0), -EEXIST);
	assert_int_equal(POOL(CREATE, POOLS_MAX, 0), -ENOSPC);
	assert_int_equal(POOL(CREATE, 5, 0), 0);
	assert_int_equal(POOL(CREATE, 5, 0), -EEXIST);
	for (u32 i = 0; i < POOLS_MAX - 2; i++)
		assert_int_equal(pool_op(XEN_SYSCTL_CPUPOOL_OP_CREATE, ANY, 0, NULL, &op, NULL), 0);
	assert_int_equal(op.cpupool_id, POOLS_MAX - 1);
	assert_int_equal(POOL(CREATE, ANY, 0), -ENOSPC);
	for (u32 i = 1; i < POOLS_MAX; i++)
		if (i != 5)
			assert_int_equal(POOL(DESTROY, i, 0), 0);
	assert_int_equal(pool_op(XEN_SYSCTL_CPUPOOL_OP_INFO, 1, 0, NULL, &op, &cpus), 0);
	assert_true(op.cpupool_id == 5 && op.n_dom == 0 && cpus == 0);
	assert_int_equal(POOL(DESTROY, 0, 0), -EBUSY);
	assert_int_equal(POOL(DESTROY, 1, 0), -ENOENT);
	assert_int_equal(POOL(DESTROY, ANY, 0), -ENOENT);
	assert_int_equal(pool_op(0, 0, 0, NULL, NULL, NULL), -ENOSYS);
	assert_int_equal(pool_op(8, 0, 0, NULL, NULL, NULL), -ENOSYS);
	/* Each has a rate limit of its own. */
	assert_int_equal(sched_ratelimit(5, &us, true), 0);
	assert_int_equal(sched_ratelimit(0, &us, false), 0);
	assert_int_equal(us, 1000);
	assert_int_equal(sched_ratelimit(6, &us, false), -ESRCH);
	assert_int_equal(sched_ratelimit(ANY, &us, true), -ESRCH);
	assert_int_equal(sched_pool_id(d), 0);
}

static void cpus_change_pools(void **state)
{
	struct vcpu *a = hog(1, -1), *b = hog(2, -1);
	struct cpumask one = {{2}}, soft;
	u64 cpus;

	(void)state;
	assert_int_equal(POOL(CREATE, 1, 0), 0);
	assert_int_equal(POOL(ADDCPU, 1, ANY), -ENODEV);
	assert_int_equal(POOL(ADDCPU, 1, 1), -ENODEV);
	assert_int_equal(POOL(ADDCPU, 1, 2), -EINVAL);
	assert_int_equal(POOL(ADDCPU, 7, 1), -ENOENT);
	assert_int_equal(POOL(RMCPU, 1, 1), -EADDRNOTAVAIL);
	assert_int_equal(POOL(RMCPU, 1, ANY), -EINVAL);
	assert_int_equal(POOL(RMCPU, 7, 1), -ENOENT);
	assert_int_equal(POOL(RMCPU, 0, 2), -EINVAL);
	assert_int_equal(POOL(RMCPU, 0, 0), -EINVAL); /* the first CPU stays in the first pool */
	assert_int_equal(pool_op(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 1, 0, a->domain, NULL, NULL),
			 -ENOENT);
	/* Who was tied to it is not any more. */
	assert_int_equal(sched_affinity_set(b, &one, &one, false), 0);
	assert_int_equal(sched_pin_override(a, 1), 0);
	assert_int_equal(POOL(RMCPU, 0, ANY), -EADDRINUSE);
	assert_int_equal(sched_pin_override(a, -1), 0);
	assert_int_equal(POOL(RMCPU, 0, ANY), 0);
	assert_true(world_current(1)->is_idle && a->cpu == 0 && b->cpu == 0);
	sched_affinity_get(b, &one, &soft, false);
	assert_true(one.bits[0] == 3 && soft.bits[0] == 2);
	sched_affinity_get(b, &one, &soft, true);
	assert_true(one.bits[0] == 1 && soft.bits[0] == 0);
	one.bits[0] = 2;
	assert_int_equal(sched_affinity_set(b, &one, NULL, false), -EINVAL);
	assert_int_equal(sched_pin_override(b, 1), -EINVAL);
	assert_int_equal(POOL(RMCPU, 0, ANY), -EINVAL);
	move_ms(20);
	assert_true(world_current(1)->is_idle);
	assert_int_equal(pool_op(XEN_SYSCTL_CPUPOOL_OP_FREEINFO, 77, 0, NULL, NULL, &cpus), 0);
	assert_int_equal(cpus, 2);
	assert_int_equal(POOL(ADDCPU, 1, ANY), 0);
	move_ms(20);
	assert_true(world_current(1)->is_idle); /* nobody is in that pool */
	assert_int_equal(POOL(DESTROY, 1, 0), -EBUSY);
}

static void domains_change_pools(void **state)
{
	struct vcpu *a = hog(1, -1), *b = hog(2, -1);
	struct domain none = {.id = 7};
	struct cpumask hard = {{2}}, soft;
	u32 weight, cap;

	(void)state;
	assert_int_equal(POOL(RMCPU, 0, 1), 0);
	assert_int_equal(POOL(CREATE, 1, 0), 0);
	assert_int_equal(sched_domain_init(&none, 2), -ESRCH);
	sched_domain_destroy(&none);
	assert_int_equal(sched_domain_init(&none, 1), -ENODEV);
	sched_domain_destroy(&none);
	assert_int_equal(POOL(ADDCPU, 1, 1), 0);
	assert_int_equal(sched_params_set(b->domain, 512, 50), 0);
	assert_int_equal(pool_op(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 1, 0, b->domain, NULL, NULL), 0);
	assert_int_equal(sched_pool_id(b->domain), 1);
	assert_true(world_runs(a) && world_runs(b) && b->cpu == 1);
	sched_params_get(b->domain, &weight, &cap);
	assert_true(weight == 256 && cap == 0);
	assert_int_equal(sched_affinity_set(b, &hard, NULL, false), 0);
	assert_int_equal(POOL(RMCPU, 1, 1), -EBUSY);
	assert_int_equal(POOL(DESTROY, 1, 0), -EBUSY);
	assert_int_equal(pool_op(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 1, 0, b->domain, NULL, NULL), 0);
	sched_affinity_get(b, &hard, &soft, false);
	assert_int_equal(hard.bits[0], 2);
	assert_int_equal(pool_op(XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN, 0, 0, b->domain, NULL, NULL), 0);
	sched_affinity_get(b, &hard, &soft, false);
	assert_true(hard.bits[0] == 3 && b->cpu == 0);
	world_domain_end(b->domain);
	assert_int_equal(sched_domain_init(&none, 1), 0);
	assert_int_equal(POOL(DESTROY, 1, 0), -EBUSY);
	sched_domain_destroy(&none);
	assert_int_equal(POOL(RMCPU, 1, 1), 0);
	assert_int_equal(POOL(DESTROY, 1, 0), 0);
	assert_int_equal(POOL(ADDCPU, 0, 1), 0);
	assert_true(world_runs(a));
}

/* ---------------------------------------------------------------- waiting */

static void block_ends_with_an_event(void **state)
{
	struct vcpu *a = hog(1, 0);

	(void)state;
	block(a);
	assert_false(world_runs(a));
	assert_int_equal(state_of(a), RUNSTATE_blocked);
	world_event(a);
	world_settle();
	assert_true(world_runs(a));
	assert_int_equal(world_upcalls[0], 1);
}

static void block_with_an_event_does_not(void **state)
{
	struct vcpu *a = hog(1, 0);

	(void)state;
	a->info->evtchn_upcall_pending = 1;
	block(a);
	assert_true(world_runs(a));
	assert_int_equal(world_upcalls[0], 1);
}

static void kick_reaches_another_cpu(void **state)
{
	struct vcpu *a = hog(1, 1);

	(void)state;
	fake_cpu = 0;
	world_event(a);
	world_settle(); /* aborts if CPU 1 was not told */
	assert_int_equal(world_upcalls[0], 1);
	/* Masked: told all the same, since iret may be clearing the mask right now. */
	a->info->evtchn_upcall_mask = 1;
	fake_cpu = 0;
	fake_ipi_count[1][IPI_WORK] = 0;
	world_event(a);
	assert_int_equal(fake_ipi_count[1][IPI_WORK], 1);
	world_settle();
	assert_int_equal(world_upcalls[0], 1);
}

static void poll_port(struct vcpu *v, u32 port, u64 timeout)
{
	on_cpu_of(v);
	vcpu_poll_begin(v, &port, 1);
	assert_int_equal(v->domain->poll_count, 1);
	vcpu_poll_commit(v, timeout);
	world_settle();
	assert_false(world_runs(v));
}

static void poll_ends_with_its_port(void **state)
{
	struct vcpu *a = hog(1, 0);

	(void)state;
	poll_port(a, 5, 0);
	vcpu_wake_poll(a->domain, 6);
	world_settle();
	assert_false(world_runs(a));
	vcpu_wake_poll(a->domain, 5);
	world_settle();
	assert_true(world_runs(a));
	assert_int_equal(a->domain->poll_count, 0);
}

static void poll_ends_with_time(void **state)
{
	struct vcpu *a = hog(1, 0);

	(void)state;
	poll_port(a, 5, world_now() + 5 * MS);
	world_move(5 * MS - 1);
	assert_false(world_runs(a));
	world_move(1);
	assert_true(world_runs(a));
	assert_int_equal(a->domain->poll_count, 0);
	/* A timeout of an earlier poll does not end the next one. */
	poll_port(a, 5, world_now() + 5 * MS);
	vcpu_wake_poll(a->domain, 5);
	world_settle();
	poll_port(a, 5, 0);
	world_move(20 * MS);
	assert_false(world_runs(a));
	/* Extreme ones. */
	vcpu_wake_poll(a->domain, 5);
	world_settle();
	poll_port(a, 5, UINT64_MAX);
	world_move(20 * MS);
	assert_false(world_runs(a));
	world_event(a);
	world_settle();
	on_cpu_of(a);
	vcpu_poll_begin(a, NULL, 0);
	vcpu_poll_commit(a, 1);
	world_settle();
	assert_true(world_runs(a));
	assert_int_equal(a->domain->poll_count, 0);
}

static void poll_of_several_or_none(void **state)
{
	static const u32 ports[] = {3, 4};
	struct vcpu *a = hog(1, 0);

	(void)state;
	on_cpu_of(a);
	vcpu_poll_begin(a, ports, 2);
	vcpu_poll_commit(a, 0);
	world_settle();
	vcpu_wake_poll(a->domain, 4);
	world_settle();
	assert_true(world_runs(a));
	on_cpu_of(a);
	vcpu_poll_begin(a, NULL, 0);
	vcpu_poll_commit(a, 0);
	world_settle();
	vcpu_wake_poll(a->domain, 4);
	world_settle();
	assert_false(world_runs(a));
	world_event(a);
	world_settle();
	assert_true(world_runs(a));
	on_cpu_of(a);
	vcpu_poll_begin(a, ports, 2);
	vcpu_poll_abort(a);
	world_settle();
	assert_true(world_runs(a));
	assert_int_equal(a->domain->poll_count, 0);
}

static void pauses_nest(void **state)
{
	struct vcpu *a = hog(1, 1);

	(void)state;
	fake_cpu = 0;
	domain_pause_nosync(a->domain);
	vcpu_pause_nosync(a);
	world_settle();
	assert_false(world_runs(a));
	assert_int_equal(state_of(a), RUNSTATE_offline);
	domain_unpause(a->domain);
	world_settle();
	assert_false(world_runs(a));
	world_event(a);
	world_settle();
	assert_false(world_runs(a));
	domain_pause(a->domain); /* waits for nothing */
	vcpu_unpause(a);
	domain_unpause(a->domain);
	world_settle();
	assert_true(world_runs(a));
	assert_int_equal(world_upcalls[0], 1);
}

static void relax(void)
{
	unsigned int self = fake_cpu;

	world_exit(1);
	fake_cpu = self;
}

static void pause_waits(void **state)
{
	struct vcpu *a = hog(1, 1);

	(void)state;
	fake_cpu = 0;
	fake_relax_hook = relax; /* the other CPU goes on while this one waits */
	vcpu_pause(a);
	fake_relax_hook = NULL;
	assert_false(world_runs(a));
	vcpu_unpause(a);
	world_settle();
	assert_true(world_runs(a));
}

/* ---------------------------------------------------------------- runstates */

static void runstates_add_up(void **state)
{
	struct vcpu *a = hog(1, 0), *b = hog(2, 0);
	struct vcpu_runstate_info info;

	(void)state;
	world_move(40 * MS);
	if (!world_runs(a))
		a = b;
	block(a);
	world_move(7 * MS);
	world_event(a);
	world_settle();
	world_move(3 * MS);
	vcpu_pause_nosync(a);
	world_settle();
	world_move(2 * MS);
	sched_runstate_get(a, &info);
	assert_int_equal(info.state, RUNSTATE_offline);
	assert_int_equal(info.time[RUNSTATE_blocked], 7 * MS);
	assert_int_equal(info.time[RUNSTATE_offline], 2 * MS);
	assert_int_equal(info.time[0] + info.time[1] + info.time[2] + info.time[3], 52 * MS);
	assert_int_equal(info.state_entry_time, world_now() - 2 * MS);
	vcpu_unpause(a);
}

static void area_shows_the_state(void **state)
{
	static struct vcpu_runstate_info area;
	struct vcpu *a = hog(1, 0);

	(void)state;
	memset(&area, 0x55, sizeof(area));
	assert_false(sched_runstate_wanted(a));
	sched_runstate_publish(a);
	assert_int_equal(area.state, 0x55555555);
	sched_runstate_register(a, gva_make((u64)&area));
	assert_true(sched_runstate_wanted(a));
	sched_runstate_publish(a);
	assert_false(sched_runstate_wanted(a));
	assert_int_equal(area.state, RUNSTATE_running);
	block(a);
	assert_true(sched_runstate_wanted(a));
	a->domain->vm_assist = BIT(VMASST_TYPE_runstate_update_flag);
	sched_runstate_publish(a);
	assert_int_equal(area.state, RUNSTATE_blocked);
	assert_int_equal(area.state_entry_time, world_now());
	world_move(MS);
	world_event(a);
	world_settle();
	/* Cut off after the first write: the guest sees that an update is under way. */
	fake_copy_fail_after = 1;
	sched_runstate_publish(a);
	fake_copy_fail_after = -1;
	assert_true((area.state_entry_time & XEN_RUNSTATE_UPDATE) != 0);
	assert_int_equal(area.state, RUNSTATE_blocked);
	fake_copy_fail_after = 0;
	sched_runstate_publish(a);
	fake_copy_fail_after = -1;
	sched_runstate_publish(a);
	assert_int_equal(area.state_entry_time, world_now());
	assert_int_equal(area.time[RUNSTATE_blocked], MS);
	sched_runstate_register(a, gva_make(0));
	assert_false(sched_runstate_wanted(a));
}

static void memory_runs_out(void **state)
{
	struct vcpu v = {.domain = idle_domain};
	struct domain d = {.id = 1};

	(void)state;
	fake_alloc_fail_after = 0;
	assert_int_equal(sched_vcpu_init(&v), -ENOMEM);
	assert_int_equal(sched_domain_init(&d, 0), -ENOMEM);
	sched_domain_destroy(&d);
	assert_int_equal(time_vcpu_init(&v, NULL), -ENOMEM);
	fake_alloc_fail_after = -1;
	sched_vcpu_destroy(&v);
	time_vcpu_destroy(&v);
	assert_true(!sched_runstate_wanted(world_current(0)));
	sched_print();
	time_print();
}

/* Who sleeps on a CPU that has nothing else to do stays in it, until it is wanted elsewhere or somebody else comes. */
static void sleeper_is_parked(void **state)
{
	struct vcpu *a = hog(1, 0), *b;
	struct cpumask cpu_1 = {{2}};

	(void)state;
	block(a);
	assert_true(world_is_parked(a) && a->is_running && world_current(0)->is_idle);
	assert_int_equal(state_of(a), RUNSTATE_blocked);
	fake_cpu = 1;
	world_event(a);
	world_settle();
	assert_true(world_runs(a) && !world_is_parked(a));
	/* Somebody else runs here. */
	block(a);
	b = hog(2, 0);
	assert_true(world_runs(b) && !a->is_running && state_of(a) == RUNSTATE_blocked);
	world_event(a);
	world_settle();
	block(b);
	/* It is paused, which waits until its registers are in memory. */
	block(a);
	assert_true(world_is_parked(a));
	fake_cpu = 1;
	vcpu_pause_nosync(a);
	world_settle();
	vcpu_pause(a);
	assert_false(a->is_running);
	vcpu_unpause(a);
	vcpu_unpause(a);
	world_event(a);
	world_settle();
	/* It has to go elsewhere. */
	block(a);
	assert_true(world_is_parked(a));
	assert_int_equal(sched_pin_override(a, -1), 0);
	assert_int_equal(sched_affinity_set(a, &cpu_1, NULL, false), 0);
	world_settle();
	assert_false(a->is_running);
	world_event(a);
	world_settle();
	assert_true(world_runs(a) && a->cpu == 1);
}

/* ---------------------------------------------------------------- anything, in any order */

#define RANDOM_CPUS    3
#define RANDOM_DOMAINS 4
#define RANDOM_VCPUS   3

static struct domain *domains[RANDOM_DOMAINS];

static void check_vcpu(struct vcpu *v)
{
	struct vcpu_runstate_info info;
	bool is_current = false;

	for (unsigned int cpu = 0; cpu < cpu_count; cpu++)
		is_current |= world_current(cpu) == v;
	assert_int_equal(v->is_running, is_current || world_is_parked(v));
	if (world_is_parked(v))
		assert_true(!v->is_down && v->pause_count == 0 && v->sched->wait != WAIT_NONE &&
			    !v->sched->node.is_queued && world_current(v->cpu)->is_idle &&
			    sched_cpu_allowed(v->sched, v->cpu));
	if (is_current)
		assert_true(world_current(v->cpu) == v);
	assert_false(is_current && v->sched->node.is_queued);
	if (vcpu_is_runnable(v))
		assert_true(is_current || v->sched->node.is_queued);
	else if (is_current || v->sched->node.is_queued) /* until its CPU looks again */
		assert_true(sched_budget_is_spent(v->domain->sched));
	assert_true(sched_cpu_allowed(v->sched, v->cpu) || !vcpu_is_runnable(v));
	sched_runstate_get(v, &info);
	if (is_current)
		assert_int_equal(info.state, RUNSTATE_running);
	else
		assert_int_equal(info.state, v->is_down			   ? RUNSTATE_offline
					     : v->sched->wait != WAIT_NONE ? RUNSTATE_blocked
					     : v->pause_count != 0	   ? RUNSTATE_offline
									   : RUNSTATE_runnable);
	assert_int_equal(info.time[0] + info.time[1] + info.time[2] + info.time[3],
			 world_now() - 1000000000ull);
	/* Nobody waits whom an idle CPU could run. */
	if (v->sched->node.is_queued && vcpu_is_runnable(v))
		for (unsigned int cpu = 0; cpu < cpu_count; cpu++)
			assert_false(world_current(cpu)->is_idle &&
				     sched_cpu_allowed(v->sched, cpu));
}

static void check_world(void)
{
	struct vcpu *v;

	for (unsigned int i = 0; i < RANDOM_DOMAINS; i++) {
		u32 polling = 0;

		for_each_vcpu(domains[i], v) {
			check_vcpu(v);
			polling += v->sched->wait == WAIT_POLL;
		}
		assert_int_equal(domains[i]->poll_count, polling);
	}
	for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
		u32 load = world_current(cpu)->sched->load;

		assert_int_equal(cpumask_test(&sched_idle_mask, cpu), world_current(cpu)->is_idle);
		for (unsigned int i = 0; i < RANDOM_DOMAINS; i++)
			for_each_vcpu(domains[i], v)
				load += v->sched->node.is_queued && v->cpu == cpu ? v->sched->load
										  : 0;
		assert_int_equal(sched_queues[cpu].load, load);
	}
}

static void act_current(struct vcpu *v)
{
	u32 ports[2] = {(u32)(fake_random() % 4), 7};

	fake_cpu = v->cpu;
	switch (fake_random() % 4) {
	case 0:
		vcpu_yield(v);
		break;
	case 1:
		vcpu_poll_begin(v, ports, fake_random() % 3);
		if (fake_random() % 4 == 0)
			vcpu_poll_abort(v);
		else
			vcpu_poll_commit(
				v, fake_random() % 2 ? world_now() + fake_random() % (20 * MS) : 0);
		break;
	default:
		vcpu_block(v);
	}
}

static void act_tool(struct vcpu *v)
{
	struct cpumask mask = {{fake_random() % 8}}, soft = {{fake_random() % 8}};

	switch (fake_random() % 7) {
	case 0:
		(void)sched_affinity_set(v, fake_random() % 2 ? &mask : NULL,
					 fake_random() % 2 ? &soft : NULL, fake_random() % 2);
		break;
	case 6:
		(void)pool_op((u32)(fake_random() % 8), (u32)(fake_random() % 3),
			      fake_random() % 4 ? (u32)(fake_random() % 4) : ANY, v->domain, NULL,
			      NULL);
		break;
	case 1:
		(void)sched_pin_override(v, (s32)(fake_random() % 5) - 1);
		break;
	case 2:
		(void)sched_params_set(v->domain, 1 + (u32)(fake_random() % 1000),
				       fake_random() % 2 ? (u32)(fake_random() % 400) : 0);
		break;
	case 3:
		vcpu_pause_nosync(v);
		break;
	case 4:
		if (v->pause_count != 0)
			vcpu_unpause(v);
		break;
	default:
		if (v->is_down) {
			world_up(v);
		} else {
			v->is_down = true;
			vcpu_sleep_nosync(v);
		}
	}
}

static void random_operations(void **state)
{
	(void)state;
	world_end();
	world_start(RANDOM_CPUS);
	for (unsigned int i = 0; i < RANDOM_DOMAINS; i++)
		domains[i] = world_domain((domid_t)(i + 1), RANDOM_VCPUS);
	for (unsigned int i = 0; i < 400000; i++) {
		struct vcpu *v = domains[fake_random() % RANDOM_DOMAINS]
					 ->vcpus[fake_random() % RANDOM_VCPUS];

		fake_cpu = (unsigned int)(fake_random() % RANDOM_CPUS);
		switch (fake_random() % 8) {
		case 0:
		case 1:
			if (world_runs(v))
				act_current(v);
			break;
		case 2:
			act_tool(v);
			break;
		case 3:
			vcpu_wake_poll(v->domain, (u32)(fake_random() % 4));
			break;
		case 4:
			vcpu_wake(v);
			break;
		case 5:
			world_move(fake_random() % (3 * MS));
			break;
		default:
			world_event(v);
		}
		/* Sometimes more happens before the other CPUs look. */
		if (fake_random() % 4 == 0) {
			world_exit(fake_cpu);
			continue;
		}
		world_settle();
		check_world();
	}
	world_settle();
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, end)
	static const struct CMUnitTest tests[] = {
		T(share_follows_weight),
		T(params_are_checked),
		T(cap_holds),
		T(cap_is_the_domains),
		T(cap_of_one_that_sleeps),
		T(nobody_starves),
		T(sleep_saves_nothing_up),
		T(latency_is_short),
		T(no_limit_no_latency),
		T(rate_limit_holds),
		T(yield_lets_the_other_go),
		T(idle_cpu_takes_work),
		T(hogs_spread),
		T(weights_are_spread),
		T(affinity_moves_what_runs),
		T(override_is_undone),
		T(soft_affinity_is_preferred),
		T(vcpus_begin_apart),
		T(pools_come_and_go),
		T(cpus_change_pools),
		T(domains_change_pools),
		T(block_ends_with_an_event),
		T(block_with_an_event_does_not),
		T(kick_reaches_another_cpu),
		T(poll_ends_with_its_port),
		T(poll_ends_with_time),
		T(poll_of_several_or_none),
		T(pauses_nest),
		T(pause_waits),
		T(runstates_add_up),
		T(area_shows_the_state),
		T(memory_runs_out),
		T(sleeper_is_parked),
		T(random_operations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* uses: src/sched/choose.c src/sched/vcpu.c src/sched/runstate.c src/sched/share.c src/sched/place.c src/time/system.c src/time/timer.c src/time/vcpu.c src/lib/pqueue.c src/core/lock.c src/core/cpu.c test/fake/machine.c test/fake/sched_world.c test/fake/fibers.c */
/*
 * Waking, blocking, stealing, pausing and freeing vCPUs under two and three CPUs, taken through their interleavings: no
 * wake-up is lost, nobody runs while paused, nothing is touched after it was freed (ASan), every CPU that has something
 * to do was told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fibers.h"
#include "sched_world.h"

static struct domain *d;
static struct vcpu *a, *b, *c;
static u32 port_bits; /* ports pending */

static void exit_loop(void)
{
	world_exit(fake_cpu);
}

static struct vcpu *make(domid_t id, s32 cpu)
{
	struct vcpu *v;

	d = world_domain(id, 1);
	v = d->vcpus[0];
	if (cpu >= 0)
		(void)sched_pin_override(v, cpu);
	world_up(v);
	world_settle();
	return v;
}

static void where_all_are(void)
{
	world_settle();
	for (domid_t id = 1; id < 4; id++) {
		struct domain *each = domain_get_by_id(id);
		struct vcpu *v = each != NULL ? each->vcpus[0] : NULL;
		bool is_current = false;

		if (v == NULL)
			continue;
		for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
			is_current |= world_current(cpu) == v;
			if (v->sched->node.is_queued && world_current(cpu)->is_idle &&
			    sched_cpu_allowed(v->sched, cpu))
				fibers_fail("it waits while a CPU is idle");
		}
		if ((is_current || world_is_parked(v)) != v->is_running)
			fibers_fail("is_running is wrong");
		if (world_is_parked(v) && !world_current(v->cpu)->is_idle)
			fibers_fail("it is parked on a busy CPU");
		if (is_current && world_current(v->cpu) != v)
			fibers_fail("it runs elsewhere");
		if (vcpu_is_runnable(v) != (is_current || v->sched->node.is_queued))
			fibers_fail("it is nowhere, or where it must not be");
		if (vcpu_is_runnable(v) && !sched_cpu_allowed(v->sched, v->cpu))
			fibers_fail("it is where it may not be");
		if (v->info->evtchn_upcall_pending && vcpu_is_runnable(v) && is_current)
			fibers_fail("an event is not delivered");
		if (v->info->evtchn_upcall_pending && v->sched->wait != WAIT_NONE)
			fibers_fail("a wake-up was lost");
		if (each->poll_count != (v->sched->wait == WAIT_POLL))
			fibers_fail("poll_count is wrong");
	}
}

static void world_2(void)
{
	world_start(2);
	port_bits = 0;
	a = b = c = NULL;
}

static void finish(void)
{
	where_all_are();
	world_end();
}

/* ---------------------------------------------------------------- block and event */

static void one_runs(void)
{
	world_2();
	a = make(1, 0);
}

static void a_blocks(void)
{
	vcpu_block(a);
	exit_loop();
}

static void a_blocks_twice(void)
{
	vcpu_block(a);
	exit_loop();
	if (world_current(0) == a) {
		vcpu_block(a);
		exit_loop();
	}
}

static void event_to_a(void)
{
	world_event(a);
	exit_loop();
}

static void events_to_a(void)
{
	world_event(a);
	world_event(a);
	exit_loop();
}

static void woken(void)
{
	where_all_are();
	if (world_upcalls[0] == 0)
		fibers_fail("the event never came");
	world_end();
}

/* ---------------------------------------------------------------- poll */

static void a_polls(void)
{
	u32 port = 3;

	vcpu_poll_begin(a, &port, 1);
	if ((atomic_load(&port_bits) & BIT(3)) || atomic_load(&a->info->evtchn_upcall_pending))
		vcpu_poll_abort(a);
	else
		vcpu_poll_commit(a, 0);
	exit_loop();
}

static void port_becomes_pending(void)
{
	(void)atomic_fetch_or(&port_bits, 8u);
	if (atomic_load(&d->poll_count) != 0)
		vcpu_wake_poll(d, 3);
	exit_loop();
}

static void polled(void)
{
	where_all_are();
	if (!world_runs(a))
		fibers_fail("the poll does not end");
	world_end();
}

/* ---------------------------------------------------------------- stealing */

/* a runs on CPU 0, b waits there; CPU 1 is about to look for work. CPU 2, if there, does something to b. */
static void one_waits(unsigned int cpus)
{
	world_start(cpus);
	port_bits = 0;
	a = make(1, 0);
	b = make(2, 0);
	if (world_runs(a) == world_runs(b))
		fibers_fail("setup");
	if (world_runs(b)) {
		struct vcpu *swap = a;

		a = b;
		b = swap;
	}
	(void)sched_pin_override(b, -1);
	work_raise(1, WORK_SCHEDULE);
}

static void one_waits_2(void)
{
	one_waits(2);
}

static void one_waits_3(void)
{
	one_waits(3);
}

static void pause_b(void)
{
	vcpu_pause(b);
	if (atomic_load(&b->is_running))
		fibers_fail("it runs while paused");
	for (unsigned int i = 0; i < 3; i++)
		(void)atomic_load(&port_bits); /* somebody else's turn, perhaps */
	if (atomic_load(&b->is_running))
		fibers_fail("it runs again while paused");
	vcpu_unpause(b);
	exit_loop();
}

static void free_b(void)
{
	struct domain *its = b->domain;

	vcpu_pause(b);
	time_vcpu_destroy(b);
	sched_vcpu_destroy(b);
	its->vcpus[0] = NULL;
	free(b->info);
	free(b);
	exit_loop();
}

static void yield_a(void)
{
	vcpu_yield(a);
	exit_loop();
}

static void affinity_of_b(void)
{
	struct cpumask one = {{BIT(fake_cpu)}};

	(void)sched_affinity_set(b, &one, NULL, false);
	exit_loop();
}

static void event_to_b(void)
{
	world_event(b);
	exit_loop();
}

/* b runs on CPU 1 and blocks there, while it is paused, moved, woken. */
static void two_run(void)
{
	world_start(3);
	a = make(1, 0);
	b = make(2, 1);
	(void)sched_pin_override(b, -1);
}

static void b_blocks(void)
{
	if (world_current(1) == b)
		vcpu_block(b);
	exit_loop();
}

static void down_b(void)
{
	atomic_store(&b->is_down, true);
	vcpu_sleep_nosync(b);
	if (atomic_exchange(&b->is_down, false))
		vcpu_wake(b);
	exit_loop();
}

/* ---------------------------------------------------------------- budgets and pools */

/* a's budget is used up, but nobody has looked. */
static void one_overruns(void)
{
	one_runs();
	(void)sched_params_set(a->domain, 0, 50);
	world_settle();
	fake_tsc += 6000000;
}

/* ... and it stopped; now the next period has begun. */
static void one_is_over_its_cap(void)
{
	one_overruns();
	world_move(0);
	if (world_runs(a))
		fibers_fail("setup");
	fake_tsc += 10000000;
}

static void time_passes(void)
{
	time_interrupt();
	exit_loop();
}

static void cap_goes(void)
{
	(void)sched_params_set(a->domain, 0, 0);
	exit_loop();
}

static void cap_changes(void)
{
	(void)sched_params_set(a->domain, 0, 20);
	exit_loop();
}

static void pause_a(void)
{
	vcpu_pause(a);
	if (atomic_load(&a->is_running))
		fibers_fail("it runs while paused");
	vcpu_unpause(a);
	exit_loop();
}

static void free_a(void)
{
	b = a;
	free_b();
	b = a = NULL;
}

/* It may have been stopped once more, but goes on some time. */
static void ran_again(void)
{
	where_all_are();
	for (unsigned int i = 0; i < 100 && !world_runs(a); i++)
		world_move(1000000);
	if (!world_runs(a))
		fibers_fail("it never runs again");
	finish();
}

static void two_on_cpu_1(void)
{
	world_start(3);
	a = make(1, 1);
	b = make(2, 1);
	if (world_runs(b)) {
		struct vcpu *swap = a;

		a = b;
		b = swap;
	}
	(void)sched_affinity_set(a, NULL, NULL, true);
	(void)sched_affinity_set(b, NULL, NULL, true);
}

static void cpu_leaves(void)
{
	struct xen_sysctl_cpupool_op op = {.op = XEN_SYSCTL_CPUPOOL_OP_RMCPU, .cpu = 1};
	struct cpumask mask;

	(void)sched_pool_op(&op, NULL, &mask);
	exit_loop();
}

static void a_preempted(void)
{
	vcpu_yield(a);
	exit_loop();
}

/* ---------------------------------------------------------------- timers */

static struct timer timer;
static unsigned int fired;

static void timer_fn(void *ctx)
{
	(void)ctx;
	(void)atomic_add(&fired, 1u);
}

static void timer_world(void)
{
	world_2();
	fired = 0;
	timer_init(&timer, timer_fn, NULL, 0);
	timer_set(&timer, world_now() + 10);
	fake_tsc += 20;
}

static void timer_runs(void)
{
	time_interrupt();
	exit_loop();
}

static void timer_set_again(void)
{
	timer_set_on(&timer, 1, world_now());
	exit_loop();
}

static void timer_killed(void)
{
	timer_kill(&timer);
	if (timer.running != 0)
		fibers_fail("killed and running");
	exit_loop();
}

static void fired_some(void)
{
	world_settle();
	world_move(100);
	if (fired == 0 || fired > 2 || timer.node.is_queued)
		fibers_fail("the timer did not fire");
	world_end();
}

static void fired_at_most_once(void)
{
	world_settle();
	world_move(100);
	if (fired > 1 || timer.node.is_queued)
		fibers_fail("the timer fired after it was killed");
	world_end();
}

/* A guest, or a halted CPU: goes in when an interrupt comes. */
static void told(void)
{
	if (world_is_told(fake_cpu) || work_is_raised())
		exit_loop();
}

static const struct fiber_case cases[] = {
	{"block and event", 2, 3, 20000, 3000, one_runs, {a_blocks, event_to_a}, told, woken},
	{"block twice, two events",
	 2,
	 2,
	 20000,
	 3000,
	 one_runs,
	 {a_blocks_twice, events_to_a},
	 told,
	 woken},
	{"poll and port",
	 2,
	 3,
	 20000,
	 3000,
	 one_runs,
	 {a_polls, port_becomes_pending},
	 told,
	 polled},
	{"poll and event", 2, 3, 20000, 3000, one_runs, {a_polls, event_to_a}, told, woken},
	{"steal", 2, 2, 20000, 3000, one_waits_2, {yield_a, exit_loop}, told, finish},
	{"steal and pause",
	 3,
	 2,
	 30000,
	 5000,
	 one_waits_3,
	 {yield_a, exit_loop, pause_b},
	 told,
	 finish},
	{"steal and free",
	 3,
	 2,
	 30000,
	 5000,
	 one_waits_3,
	 {yield_a, exit_loop, free_b},
	 told,
	 finish},
	{"steal and affinity",
	 3,
	 2,
	 30000,
	 5000,
	 one_waits_3,
	 {yield_a, exit_loop, affinity_of_b},
	 told,
	 finish},
	{"steal and event",
	 3,
	 2,
	 30000,
	 5000,
	 one_waits_3,
	 {yield_a, exit_loop, event_to_b},
	 told,
	 finish},
	{"block and pause",
	 3,
	 2,
	 30000,
	 5000,
	 two_run,
	 {event_to_b, b_blocks, pause_b},
	 told,
	 finish},
	{"block and affinity",
	 3,
	 2,
	 30000,
	 5000,
	 two_run,
	 {event_to_b, b_blocks, affinity_of_b},
	 told,
	 finish},
	{"block and down",
	 3,
	 2,
	 30000,
	 5000,
	 two_run,
	 {event_to_b, b_blocks, down_b},
	 told,
	 finish},
	{"block and the CPU leaves",
	 3,
	 2,
	 30000,
	 5000,
	 two_run,
	 {event_to_b, b_blocks, cpu_leaves},
	 told,
	 finish},
	{"block and free", 3, 2, 30000, 5000, two_run, {exit_loop, b_blocks, free_b}, told, finish},
	{"budget ends and event",
	 2,
	 3,
	 20000,
	 3000,
	 one_overruns,
	 {time_passes, event_to_a},
	 told,
	 ran_again},
	{"budget ends and cap goes",
	 2,
	 3,
	 20000,
	 3000,
	 one_overruns,
	 {time_passes, cap_goes},
	 told,
	 ran_again},
	{"budget ends and cap changes",
	 2,
	 3,
	 20000,
	 3000,
	 one_overruns,
	 {time_passes, cap_changes},
	 told,
	 ran_again},
	{"budget ends and pause",
	 2,
	 3,
	 20000,
	 3000,
	 one_overruns,
	 {time_passes, pause_a},
	 told,
	 ran_again},
	{"budget is filled and event",
	 2,
	 3,
	 20000,
	 3000,
	 one_is_over_its_cap,
	 {time_passes, event_to_a},
	 told,
	 ran_again},
	{"budget is filled and cap changes",
	 2,
	 3,
	 20000,
	 3000,
	 one_is_over_its_cap,
	 {time_passes, cap_changes},
	 told,
	 ran_again},
	{"budget is filled and pause",
	 2,
	 3,
	 20000,
	 3000,
	 one_is_over_its_cap,
	 {time_passes, pause_a},
	 told,
	 ran_again},
	{"budget is filled and free",
	 2,
	 3,
	 20000,
	 3000,
	 one_is_over_its_cap,
	 {time_passes, free_a},
	 told,
	 finish},
	{"steal and the CPU leaves",
	 3,
	 2,
	 30000,
	 5000,
	 one_waits_3,
	 {yield_a, exit_loop, cpu_leaves},
	 told,
	 finish},
	{"preempted and the CPU leaves",
	 3,
	 2,
	 30000,
	 5000,
	 two_on_cpu_1,
	 {exit_loop, a_preempted, cpu_leaves},
	 told,
	 finish},
	{"timer fires and is set",
	 2,
	 3,
	 20000,
	 3000,
	 timer_world,
	 {timer_runs, timer_set_again},
	 told,
	 fired_some},
	{"timer fires and is killed",
	 2,
	 3,
	 20000,
	 3000,
	 timer_world,
	 {timer_runs, timer_killed},
	 told,
	 fired_at_most_once},
};

static void all_cases(void **state)
{
	unsigned long schedules = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		unsigned long n = fibers_run(&cases[i]);

		fprintf(stderr, "%s: %lu schedules\n", cases[i].name, n);
		schedules += n;
	}
	assert_true(schedules > 100000);
	assert_int_equal(world_heap_blocks, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_cases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* uses: src/sched/choose.c src/sched/vcpu.c src/sched/runstate.c src/sched/share.c src/sched/place.c src/time/system.c src/time/timer.c src/time/vcpu.c src/lib/pqueue.c src/core/lock.c src/core/cpu.c test/fake/machine.c test/fake/sched_world.c */
/*
 * Three CPUs as threads under TSan. vCPUs pass tokens by events and wait for them in every way there is, while a fourth
 * thread pauses them, moves them about and moves time. A halted CPU goes on only when it is told to, so a lost wake-up
 * stops the tokens; a vCPU on two CPUs is noticed by itself.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "sched_world.h"

#define CPUS	 3
#define VCPUS	 5
#define TOKENS	 3
#define HOPS	 150000
#define PATIENCE 60 /* seconds without a hop */
#define US	 1000ull

static struct domain *d;
static unsigned int tokens[VCPUS], owners[VCPUS], hops;
static bool is_over;
static bool has_meddler; /* otherwise nothing but events wakes anybody */

static u32 rnd(u32 *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void pass(struct vcpu *v)
{
	struct vcpu *next = d->vcpus[(v->id + 1) % VCPUS];
	unsigned int n;

	(void)atomic_exchange(&v->info->evtchn_upcall_pending, (u8)0);
	n = atomic_exchange(&tokens[v->id], 0u);
	if (n == 0)
		return;
	(void)atomic_add(&hops, n);
	(void)atomic_add(&tokens[next->id], n);
	world_event(next);
}

static void guest_step(struct vcpu *v, u32 *seed)
{
	u32 port = 1;

	if (atomic_exchange(&owners[v->id], 1u) != 0)
		abort(); /* it runs on two CPUs */
	switch (has_meddler ? rnd(seed) % 4 : 2) {
	case 0:
		vcpu_yield(v);
		break;
	case 1:
		vcpu_poll_begin(v, &port, rnd(seed) % 3);
		if (atomic_load(&v->info->evtchn_upcall_pending) != 0)
			vcpu_poll_abort(v);
		else
			vcpu_poll_commit(v, rnd(seed) % 2 ? time_now_ns() + rnd(seed) % 100000 : 0);
		break;
	default:
		vcpu_block(v);
	}
	atomic_store(&owners[v->id], 0u);
}

static void *cpu_thread(void *arg)
{
	unsigned int cpu = (unsigned int)(uintptr_t)arg;
	u32 seed = cpu;

	fake_cpu = cpu;
	while (!atomic_load(&is_over)) {
		world_exit(cpu);
		if (!world_current(cpu)->is_idle) {
			guest_step(world_current(cpu), &seed);
			continue;
		}
		while (!world_is_told(cpu) && !atomic_load(&is_over))
			sched_yield();
	}
	return NULL;
}

/* What tools and time do meanwhile. */
static void meddle(u32 *seed)
{
	struct vcpu *v = d->vcpus[rnd(seed) % VCPUS];
	struct cpumask mask = {{1 + rnd(seed) % 7}};

	switch (rnd(seed) % 8) {
	case 0:
		vcpu_pause(v);
		assert_false(atomic_load(&v->is_running));
		vcpu_unpause(v);
		break;
	case 1:
		vcpu_pause_nosync(v);
		sched_yield();
		vcpu_unpause(v);
		break;
	case 2:
		(void)sched_affinity_set(v, &mask, NULL, false);
		break;
	case 3:
		(void)sched_params_set(d, 1 + rnd(seed) % 1000, rnd(seed) % 2 * 40);
		break;
	case 4:
		atomic_store(&v->is_down, true);
		vcpu_sleep_nosync(v);
		world_up(v);
		break;
	case 5:
		vcpu_wake_poll(d, rnd(seed) % 2);
		break;
	default:
		__atomic_add_fetch(&fake_tsc, 50 * US, __ATOMIC_RELAXED);
		for (unsigned int cpu = 0; cpu < CPUS; cpu++)
			work_raise(cpu, WORK_TIMER);
	}
}

static void tokens_go_round(unsigned int hops_wanted)
{
	pthread_t threads[CPUS];
	unsigned int last = 0;
	time_t since = time(NULL);
	u32 seed = 99;

	world_start(CPUS);
	atomic_store(&is_over, false);
	atomic_store(&hops, 0u);
	for (unsigned int i = 0; i < VCPUS; i++)
		tokens[i] = 0;
	d = world_domain(1, VCPUS);
	world_upcall = pass;
	fake_cpu = 0;
	for (unsigned int i = 0; i < VCPUS; i++)
		world_up(d->vcpus[i]);
	world_settle();
	for (unsigned int cpu = 0; cpu < CPUS; cpu++)
		pthread_create(&threads[cpu], NULL, cpu_thread, (void *)(uintptr_t)cpu);
	fake_cpu = CPUS;
	for (unsigned int i = 0; i < TOKENS; i++) {
		(void)atomic_add(&tokens[i], 1u);
		world_event(d->vcpus[i]);
	}
	while (atomic_load(&hops) < hops_wanted) {
		if (atomic_load(&hops) != last) {
			last = atomic_load(&hops);
			since = time(NULL);
		}
		if (time(NULL) - since > PATIENCE)
			fail_msg("a wake-up was lost after %u hops", last);
		if (has_meddler)
			meddle(&seed);
		else
			sched_yield();
	}
	atomic_store(&is_over, true);
	for (unsigned int cpu = 0; cpu < CPUS; cpu++)
		pthread_join(threads[cpu], NULL);
	world_upcall = NULL;
	fake_cpu = 0;
	for (unsigned int i = 0; i < VCPUS; i++)
		world_event(d->vcpus[i]);
	for (unsigned int cpu = 0; cpu < CPUS; cpu++)
		world_exit(cpu);
	fake_cpu = 0;
	world_end();
	assert_int_equal(world_heap_blocks, 0);
}

static void nothing_but_events(void **state)
{
	(void)state;
	has_meddler = false;
	tokens_go_round(HOPS);
}

static void with_a_meddler(void **state)
{
	(void)state;
	has_meddler = true;
	tokens_go_round(HOPS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_but_events),
		cmocka_unit_test(with_a_meddler),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

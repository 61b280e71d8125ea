/* SPDX-License-Identifier: MIT */
/* uses: src/sched/choose.c src/sched/vcpu.c src/sched/runstate.c src/sched/share.c src/sched/place.c src/time/system.c src/time/timer.c src/time/vcpu.c src/lib/pqueue.c src/core/lock.c src/core/cpu.c test/fake/machine.c test/fake/sched_world.c */
/*
 * Time: the scaling at its extremes, the wall clock, timers beside a naive model, a vCPU's clocks and timers
 * (SECURITY-CASES 20 and 336: values that overflow, timers moved between CPUs).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "sched_world.h"
#include "time/priv.h"

#define MS 1000000ull

static int start(void **state)
{
	(void)state;
	world_start(4);
	return 0;
}

static int end(void **state)
{
	(void)state;
	fake_cpu = 0;
	world_end();
	fake_date = (struct hw_date){2024, 2, 29, 12, 34, 56};
	hw_tsc_is_stable = false;
	assert_int_equal(world_heap_blocks, 0);
	return 0;
}

/* ---------------------------------------------------------------- arithmetic */

static const u64 khzs[] = {1000,    1001,    25000,    999999,	1000000, 1000001,
			   1999999, 2000000, 2000001,  2596131, 3579545, 4194304,
			   5000001, 9999999, 16000000, 1u << 30};

static void scale_is_exact_enough(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(khzs); i++) {
		struct time_scale scale = time_scale_make(khzs[i]);

		assert_true(scale.mul >= BIT(31));
		for (unsigned int bits = 10; bits < 60; bits++) {
			u64 tsc = BIT(bits) + (fake_random() & (BIT(bits) - 1));
			unsigned __int128 exact = (unsigned __int128)tsc * 1000000 / khzs[i];
			u64 got = time_scale_apply(scale, tsc);
			u64 tolerance = (u64)(exact >> 31) + (u64)(1000000 / khzs[i]) * 2 + 2;

			/* A right shift loses up to 2^-shift ticks. */
			if (scale.shift < 0)
				tolerance += (1000000 << -scale.shift) / khzs[i] + 1;
			if (exact > UINT64_MAX)
				assert_int_equal(got, UINT64_MAX);
			else
				assert_true(got <= exact && exact - got <= tolerance);
		}
	}
}

static void scale_never_falls(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(khzs); i++) {
		struct time_scale scale = time_scale_make(khzs[i]);
		u64 tsc = 0, last = 0;

		while (tsc < UINT64_MAX - BIT(60)) {
			u64 ns = time_scale_apply(scale, tsc);

			assert_true(ns >= last);
			assert_true(time_scale_apply(scale, tsc + 1) >= ns);
			last = ns;
			tsc += fake_random() >> (4 + fake_random() % 60);
		}
		assert_true(time_scale_apply(scale, UINT64_MAX) >= last);
	}
}

/* A guest computes in 64 bits what Mica computes in 128: the same for two hundred years. */
static void guest_sees_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(khzs); i++) {
		struct time_scale scale = time_scale_make(khzs[i]);

		for (unsigned int n = 0; n < 1000; n++) {
			u64 delta = fake_random() % (khzs[i] * 1000 * 86400 * 365 * 200 | 1);
			u64 shifted = scale.shift < 0 ? delta >> -scale.shift
						      : delta << scale.shift;

			if (khzs[i] > 2000000)
				delta >>= 6; /* or it does not fit */
			shifted = scale.shift < 0 ? delta >> -scale.shift : delta << scale.shift;
			assert_int_equal((u64)((unsigned __int128)shifted * scale.mul >> 32),
					 time_scale_apply(scale, delta));
		}
	}
}

static void odd_frequencies_are_survived(void **state)
{
	(void)state;
	assert_memory_equal(&(struct time_scale){0}.mul, &(u32){0}, 4);
	assert_int_equal(time_scale_make(0).mul, time_scale_make(1000).mul);
	assert_int_equal(time_scale_make(UINT64_MAX).mul, time_scale_make(BIT(30)).mul);
}

/* What the hardware timer is told is never too early, by the scale that time_now_ns() uses. */
static void ticks_are_enough(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(khzs); i++) {
		hw_tsc_khz = MIN(khzs[i], BIT(24));
		time_base = time_base_make();
		for (unsigned int n = 0; n < 2000; n++) {
			u64 at = fake_random() >> (14 + fake_random() % 48);
			u64 ns = fake_random() % TIME_ARM_MAX_NS >> fake_random() % 38;
			u64 now = time_scale_apply(time_base.scale, at);
			u64 then = time_scale_apply(time_base.scale, at + time_ns_to_ticks(ns));

			/* The scale's own error, 2^-31, is made up for by arming again. */
			assert_true(then + (ns >> 30) >= now + ns);
			assert_true(then <= now + ns + (ns >> 30) + 5 * 1000000 / hw_tsc_khz + 5);
		}
	}
	assert_int_equal(time_ns_to_ticks(UINT64_MAX), time_ns_to_ticks(TIME_ARM_MAX_NS));
}

static void dates_are_right(void **state)
{
	(void)state;
	assert_int_equal(time_from_date(1970, 1, 1, 0, 0, 0), 0);
	assert_int_equal(time_from_date(2000, 2, 29, 23, 59, 59), 951868799);
	for (unsigned int i = 0; i < 20000; i++) {
		time_t t = (time_t)(fake_random() % 30000000000ull);
		struct tm tm;

		gmtime_r(&t, &tm);
		assert_int_equal(time_from_date((unsigned int)tm.tm_year + 1900,
						(unsigned int)tm.tm_mon + 1,
						(unsigned int)tm.tm_mday, (unsigned int)tm.tm_hour,
						(unsigned int)tm.tm_min, (unsigned int)tm.tm_sec),
				 t);
	}
}

static void time_before_boot_is_zero(void **state)
{
	(void)state;
	time_base.tsc = 1000;
	fake_tsc = 999; /* a CPU that lags behind */
	assert_int_equal(time_now_ns(), 0);
	fake_tsc = 1500;
	assert_int_equal(time_now_ns(), 500);
	time_base.tsc = 0;
}

/* ---------------------------------------------------------------- wall clock */

static u64 shared_ns(const struct domain *d)
{
	return ((u64)d->shared->wc_sec_hi << 32 | d->shared->wc_sec) * NS_PER_SECOND +
	       d->shared->wc_nsec;
}

static void wall_clock_is_set(void **state)
{
	struct domain *a = world_domain(1, 1), *b = world_domain(2, 1);
	u32 version;

	(void)state;
	time_wallclock_publish(a);
	assert_int_equal(shared_ns(a), 1709210096 * NS_PER_SECOND);
	assert_int_equal(a->shared->wc_version % 2, 0);
	version = a->shared->wc_version;
	assert_int_equal(time_wallclock_set(2000000000, 5, 1500000000), 0);
	assert_int_equal(shared_ns(a), 2000000000 * NS_PER_SECOND + 5 - 1500000000);
	assert_int_equal(shared_ns(b), shared_ns(a));
	assert_true(a->shared->wc_nsec < NS_PER_SECOND);
	assert_int_equal(a->shared->wc_version, version + 2);
	/* A version that the guest has made odd does not stay so. */
	a->shared->wc_version = 7;
	time_wallclock_publish(a);
	assert_int_equal(a->shared->wc_version % 2, 0);
	a->shared->wc_version = UINT32_MAX;
	time_wallclock_publish(a);
	assert_int_equal(a->shared->wc_version % 2, 0);
}

static void wall_clock_refuses_nonsense(void **state)
{
	struct domain *d = world_domain(1, 1);
	u64 before;

	(void)state;
	time_wallclock_publish(d);
	before = shared_ns(d);
	assert_int_equal(time_wallclock_set(1, 1000000000, 0), -EINVAL);
	assert_int_equal(time_wallclock_set(1, UINT32_MAX, 0), -EINVAL);
	assert_int_equal(time_wallclock_set(0, 0, 1), -EINVAL);
	assert_int_equal(time_wallclock_set(5, 1, 5 * NS_PER_SECOND + 2), -EINVAL);
	assert_int_equal(time_wallclock_set(0, 0, UINT64_MAX), -EINVAL);
	assert_int_equal(shared_ns(d), before);
	assert_int_equal(time_wallclock_set(UINT64_MAX, 999999999, 0), 0);
	assert_int_equal(d->shared->wc_sec_hi, UINT32_MAX);
	assert_int_equal(time_wallclock_set(5, 2, 5 * NS_PER_SECOND + 2), 0);
	assert_int_equal(shared_ns(d), 0);
	assert_int_equal(time_wallclock_set(1ull << 32, 0, 0), 0);
	assert_int_equal(d->shared->wc_sec, 0);
	assert_int_equal(d->shared->wc_sec_hi, 1);
	free(d->shared);
	d->shared = NULL;
	time_wallclock_publish(d);
}

static void no_clock_is_survived(void **state)
{
	struct domain *a = world_domain(1, 1);

	(void)state;
	assert_int_equal(time_wallclock_set(0, 0, 0), 0);
	fake_date.year = 0;
	fake_tsc = 0;
	time_init();
	time_wallclock_publish(a);
	assert_int_equal(shared_ns(a), 0);
}

/* ---------------------------------------------------------------- timers */

#define TIMERS 64

static struct timer timers[TIMERS];
static struct {
	u64 expires; /* TIMER_NEVER: not set */
	unsigned int cpu;
	u64 again_ns; /* the function sets it again */
	unsigned int fired;
} model[TIMERS];

static void model_fn(void *ctx)
{
	struct timer *t = ctx;
	size_t i = (size_t)(t - timers);

	assert_true(model[i].expires <= world_now());
	assert_int_equal(fake_cpu, model[i].cpu);
	model[i].fired++;
	model[i].expires = TIMER_NEVER;
	if (model[i].again_ns != 0) {
		model[i].expires = world_now() + model[i].again_ns;
		timer_set(t, model[i].expires);
	}
}

static u64 random_expiry(void)
{
	static const u64 odd[] = {0, 1, TIMER_NEVER - 1, TIMER_NEVER, TIMER_NEVER + 1, UINT64_MAX};

	if (fake_random() % 16 == 0)
		return odd[fake_random() % ARRAY_SIZE(odd)];
	return world_now() + fake_random() % (20 * MS) - 2 * MS;
}

static void model_check(void)
{
	u64 first[4] = {TIMER_NEVER, TIMER_NEVER, TIMER_NEVER, TIMER_NEVER};

	for (unsigned int i = 0; i < TIMERS; i++) {
		assert_int_equal(timers[i].node.is_queued, model[i].expires < TIMER_NEVER);
		assert_int_equal(timers[i].cpu, model[i].cpu);
		if (model[i].expires < TIMER_NEVER) {
			assert_true(model[i].expires > world_now());
			first[model[i].cpu] = MIN(first[model[i].cpu], model[i].expires);
		}
	}
	/* Each CPU's hardware waits for its first. */
	for (unsigned int cpu = 0; cpu < 4; cpu++) {
		fake_cpu = cpu;
		fake_timer_tsc = 0;
		time_softirq();
		if (first[cpu] == TIMER_NEVER) {
			assert_int_equal(fake_timer_tsc, 0);
		} else {
			u64 wait = MIN(first[cpu] - world_now(), TIME_ARM_MAX_NS);

			assert_true(fake_timer_tsc >= fake_tsc + wait);
			assert_true(fake_timer_tsc <= fake_tsc + wait + 3);
		}
	}
}

static void timers_beside_a_model(void **state)
{
	unsigned int fired = 0;

	(void)state;
	for (unsigned int i = 0; i < TIMERS; i++) {
		timer_init(&timers[i], model_fn, &timers[i], i % 4);
		model[i].cpu = i % 4;
		model[i].expires = TIMER_NEVER;
		model[i].again_ns = i % 8 == 0 ? 1 + fake_random() % (4 * MS) : 0;
		model[i].fired = 0;
	}
	for (unsigned int n = 0; n < 100000; n++) {
		unsigned int i = (unsigned int)(fake_random() % TIMERS);
		unsigned int cpu = (unsigned int)(fake_random() % 4);
		u64 when = random_expiry();

		fake_cpu = (unsigned int)(fake_random() % 4);
		switch (fake_random() % 5) {
		case 0:
		case 1:
			model[i].expires = when;
			timer_set(&timers[i], when);
			break;
		case 2:
			model[i].expires = when;
			model[i].cpu = cpu;
			timer_set_on(&timers[i], cpu, when);
			break;
		case 3:
			model[i].expires = TIMER_NEVER;
			if (fake_random() % 2)
				timer_cancel(&timers[i]);
			else
				timer_kill(&timers[i]);
			break;
		default:
			world_move(fake_random() % (2 * MS));
		}
		if (model[i].expires > TIMER_NEVER)
			model[i].expires = TIMER_NEVER;
		world_settle();
		if (n % 16 == 0)
			model_check();
	}
	for (unsigned int i = 0; i < TIMERS; i++) {
		fired += model[i].fired;
		timer_kill(&timers[i]);
	}
	assert_true(fired > 10000);
}

/* More than one go's worth: nobody is forgotten, the exit loop gets its turn. */
static void count_fn(void *ctx)
{
	(*(unsigned int *)ctx)++;
}

static void many_at_once(void **state)
{
	static struct timer many[1000];
	unsigned int fired = 0;

	(void)state;
	fake_cpu = 1;
	for (unsigned int i = 0; i < 1000; i++) {
		timer_init(&many[i], count_fn, &fired, 0);
		timer_set(&many[i], world_now() + MS);
	}
	world_settle();
	fake_tsc += MS;
	fake_cpu = 0;
	time_softirq();
	assert_true(fired > 0 && fired < 1000);
	assert_true(work_is_raised());
	world_settle();
	assert_int_equal(fired, 1000);
	for (unsigned int i = 0; i < 1000; i++)
		assert_false(many[i].node.is_queued);
}

/* ---------------------------------------------------------------- a vCPU's clocks */

static struct vcpu *guest(void)
{
	struct domain *d = world_domain(1, 1);

	world_up(d->vcpus[0]);
	world_settle();
	return d->vcpus[0];
}

static void time_info_is_written_once(void **state)
{
	struct vcpu *v = guest();
	struct vcpu_info *old = v->info, *place = calloc(1, sizeof(*place));
	const struct vcpu_time_info *t = &v->info->time;

	(void)state;
	time_vcpu_update(v);
	assert_int_equal(t->version, 2);
	assert_int_equal(t->tsc_to_system_mul, time_base.scale.mul);
	assert_int_equal(t->tsc_shift, time_base.scale.shift);
	assert_int_equal(t->tsc_timestamp, time_base.tsc);
	assert_int_equal(t->system_time, 0);
	assert_int_equal(t->flags, 0);
	time_vcpu_update(v);
	assert_int_equal(t->version, 2);
	/* Moved by the guest, with whatever it has written there. */
	memset(place, 0xff, sizeof(*place));
	hw_tsc_is_stable = true;
	v->info = place;
	time_vcpu_update(v);
	assert_int_equal(place->time.version % 2, 0);
	assert_int_equal(place->time.system_time, 0);
	assert_int_equal(place->time.flags, XEN_PVCLOCK_TSC_STABLE_BIT);
	free(old);
	time_vcpu_update(world_current(1));
}

static void second_copy(void **state)
{
	static struct vcpu_time_info area;
	struct vcpu *v = guest();

	(void)state;
	memset(&area, 0, sizeof(area));
	assert_false(time_vcpu_publish_wanted(v));
	assert_int_equal(time_vcpu_publish(v), 0);
	time_vcpu_area_register(v, gva_make((u64)&area));
	assert_true(time_vcpu_publish_wanted(v));
	assert_int_equal(time_vcpu_publish(v), 0);
	assert_int_equal(area.version, 2);
	assert_int_equal(area.tsc_to_system_mul, time_base.scale.mul);
	assert_false(time_vcpu_publish_wanted(v));
	/* The same again: written again. A page that is not there: an error, once. */
	memset(&area, 0, sizeof(area));
	time_vcpu_area_register(v, gva_make((u64)&area));
	fake_copy_fail_after = 0;
	assert_int_equal(time_vcpu_publish(v), -EFAULT);
	fake_copy_fail_after = -1;
	assert_false(time_vcpu_publish_wanted(v));
	time_vcpu_area_register(v, gva_make(0));
	assert_int_equal(time_vcpu_publish(v), 0);
	assert_int_equal(area.version, 0);
}

static void singleshot(void **state)
{
	struct vcpu *v = guest();

	(void)state;
	assert_int_equal(time_singleshot_set(v, world_now() + 5 * MS, true), 0);
	world_move(5 * MS - 1);
	assert_int_equal(world_upcalls[0], 0);
	world_move(1);
	assert_int_equal(world_upcalls[0], 1);
	world_move(100 * MS);
	assert_int_equal(world_upcalls[0], 1);
	/* Past: refused if the guest says so, otherwise at once. */
	assert_int_equal(time_singleshot_set(v, world_now(), true), -ETIME);
	assert_int_equal(time_singleshot_set(v, 0, true), -ETIME);
	assert_int_equal(time_singleshot_set(v, 0, false), 0);
	world_settle();
	assert_int_equal(world_upcalls[0], 2);
	assert_int_equal(time_singleshot_set(v, world_now() + MS, false), 0);
	time_singleshot_stop(v);
	world_move(10 * MS);
	assert_int_equal(world_upcalls[0], 2);
	/* As far as it goes. */
	assert_int_equal(time_singleshot_set(v, UINT64_MAX, true), 0);
	assert_int_equal(time_singleshot_set(v, (u64)INT64_MAX - 1, true), 0);
	world_move(1000 * NS_PER_SECOND);
	assert_int_equal(world_upcalls[0], 2);
}

static void set_timer_op(void **state)
{
	static const u64 odd[] = {UINT64_MAX, (u64)INT64_MAX + 1, (u64)INT64_MAX, BIT(60),
				  BIT(50) + 3 * NS_PER_SECOND};
	struct vcpu *v = guest();
	unsigned int count = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		time_timer_op(v, odd[i]);
		world_move(99 * MS);
		assert_int_equal(world_upcalls[0], count);
		world_move(2 * MS);
		assert_int_equal(world_upcalls[0], ++count);
	}
	time_timer_op(v, 1); /* past */
	world_settle();
	assert_int_equal(world_upcalls[0], ++count);
	time_timer_op(v, world_now() + MS);
	time_timer_op(v, 0);
	world_move(200 * MS);
	assert_int_equal(world_upcalls[0], count);
	time_timer_op(v, world_now() + BIT(50) - 1);
	world_move(200 * MS);
	assert_int_equal(world_upcalls[0], count);
}

static void periodic(void **state)
{
	struct vcpu *v = guest();

	(void)state;
	assert_int_equal(time_periodic_set(v, 0), -EINVAL);
	assert_int_equal(time_periodic_set(v, TIME_PERIOD_MIN_NS - 1), -EINVAL);
	assert_int_equal(time_periodic_set(v, TIME_PERIOD_MAX_NS + 1), -EINVAL);
	assert_int_equal(time_periodic_set(v, UINT64_MAX), -EINVAL);
	assert_int_equal(time_periodic_set(v, TIME_PERIOD_MAX_NS), 0);
	world_move(MS);
	assert_int_equal(world_upcalls[0], 0);
	time_vcpu_start(v);
	for (unsigned int i = 0; i < 1000; i++)
		world_move(MS);
	assert_int_equal(world_upcalls[0], 100); /* no drift */
	assert_int_equal(time_periodic_set(v, MS), 0);
	world_move(1000 * NS_PER_SECOND + MS / 2); /* a long sleep makes no flood */
	assert_int_equal(world_upcalls[0], 101);
	world_move(MS / 2);
	assert_int_equal(world_upcalls[0], 102);
	time_periodic_stop(v);
	world_move(100 * MS);
	assert_int_equal(world_upcalls[0], 102);
}

static void timer_follows_the_vcpu(void **state)
{
	struct vcpu *v = guest();
	struct cpumask one = {{BIT(3)}};

	(void)state;
	fake_cpu = v->cpu;
	assert_int_equal(time_singleshot_set(v, world_now() + MS, false), 0);
	assert_int_equal(sched_affinity_set(v, &one, NULL, false), 0);
	world_settle();
	assert_int_equal(v->cpu, 3);
	world_move(MS); /* fires where it was set, reaches the vCPU where it is */
	assert_int_equal(world_upcalls[0], 1);
	fake_cpu = 3;
	assert_int_equal(time_singleshot_set(v, world_now() + MS, false), 0);
	world_move(MS);
	assert_int_equal(world_upcalls[0], 2);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, end)
	static const struct CMUnitTest tests[] = {
		T(scale_is_exact_enough),
		T(scale_never_falls),
		T(guest_sees_the_same),
		T(odd_frequencies_are_survived),
		T(ticks_are_enough),
		T(dates_are_right),
		T(time_before_boot_is_zero),
		T(wall_clock_is_set),
		T(wall_clock_refuses_nonsense),
		T(no_clock_is_survived),
		T(timers_beside_a_model),
		T(many_at_once),
		T(time_info_is_written_once),
		T(second_copy),
		T(singleshot),
		T(set_timer_op),
		T(periodic),
		T(timer_follows_the_vcpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

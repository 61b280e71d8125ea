/* SPDX-License-Identifier: MIT */
/*
 * A vCPU's clocks: its vcpu_time_info and second copy of it, single-shot and periodic timer. Reached from hcall/,
 * domain/ and the exit loop; calls the timers. Fields are the vCPU's own, or atomic where a timer reads them.
 */
#include "hw/clock.h"
#include "hw/mem.h"
#include "mm/mm.h"
#include "time/priv.h"
#include "time/time.h"

#define TIMER_OP_FAR_BITS 50	       /* 13 days: nobody means that */
#define TIMER_OP_LATER_NS 100000000ull /* what such callers get */
#define PERIOD_DEFAULT_NS 10000000ull  /* the ABI's tick until the guest stops it */

struct time_vcpu {
	struct vcpu *vcpu;
	void (*fire)(struct vcpu *v); /* [c] delivers VIRQ_TIMER */
	struct timer singleshot, periodic;
	u64 period_ns;			   /* [a] 0: off */
	u64 due_ns;			   /* [a] the next tick */
	const struct vcpu_info *info_done; /* [v] where the time is written */
	u64 area;			   /* [a] guest address of the second copy, 0: none */
	u64 area_done;			   /* [v] what of it is written */
};

static void singleshot_fire(void *ctx)
{
	struct time_vcpu *tv = ctx;

	tv->fire(tv->vcpu);
}

static void periodic_fire(void *ctx)
{
	struct time_vcpu *tv = ctx;
	u64 period = atomic_load(&tv->period_ns); /* pairs with time_periodic_stop() */
	u64 due = atomic_load(&tv->due_ns);	  /* set again meanwhile: another good value */
	u64 now = time_now_ns();

	if (period == 0)
		return;
	tv->fire(tv->vcpu);
	/* Ticks that were missed are not made up for. due is below 2^63, period at most 2^62. */
	due += period;
	if (due <= now)
		due = now + period - (now - due) % period;
	atomic_store(&tv->due_ns, due);
	timer_set(&tv->periodic, due);
}

int time_vcpu_init(struct vcpu *v, void (*fire)(struct vcpu *v))
{
	struct time_vcpu *tv = heap_alloc(sizeof(*tv));

	if (tv == NULL)
		return err(ENOMEM);
	tv->vcpu = v;
	tv->fire = fire;
	timer_init(&tv->singleshot, singleshot_fire, tv, v->cpu);
	timer_init(&tv->periodic, periodic_fire, tv, v->cpu);
	v->time = tv;
	return 0;
}

void time_vcpu_destroy(struct vcpu *v)
{
	struct time_vcpu *tv = v->time;

	if (tv == NULL)
		return;
	atomic_store(&tv->period_ns, 0ull);
	timer_kill(&tv->periodic);
	timer_kill(&tv->singleshot);
	v->time = NULL;
	heap_free(tv);
}

void time_vcpu_start(struct vcpu *v)
{
	(void)time_periodic_set(v, PERIOD_DEFAULT_NS);
}

static struct vcpu_time_info time_info(u32 version)
{
	return (struct vcpu_time_info){
		.version = version,
		.tsc_timestamp = time_base.tsc,
		.system_time = 0,
		.tsc_to_system_mul = time_base.scale.mul,
		.tsc_shift = time_base.scale.shift,
		.flags = hw_tsc_is_stable ? XEN_PVCLOCK_TSC_STABLE_BIT : 0,
	};
}

void time_vcpu_update(struct vcpu *v)
{
	struct time_vcpu *tv = v->time;
	struct vcpu_info *info = atomic_load(&v->info);
	struct vcpu_time_info *out = &info->time;
	u32 version;
	struct vcpu_time_info t;

	if (tv == NULL || tv->info_done == info)
		return;
	tv->info_done = info;
	version = (atomic_load(&out->version) + 1) | 1;
	t = time_info(version);
	atomic_exchange(&out->version,
			version); /* odd before the rest: pairs with the guest's read loop */
	atomic_store(&out->tsc_timestamp, t.tsc_timestamp);
	atomic_store(&out->system_time, t.system_time);
	atomic_store(&out->tsc_to_system_mul, t.tsc_to_system_mul);
	atomic_store(&out->tsc_shift, t.tsc_shift);
	atomic_store(&out->flags, t.flags);
	atomic_store(&out->version, version + 1);
}

void time_vcpu_area_register(struct vcpu *v, gva_t va)
{
	/* An area that is given again is written again. */
	atomic_store(&v->time->area_done, 0ull);
	atomic_store(&v->time->area, gva_num(va));
}

bool time_vcpu_publish_wanted(const struct vcpu *v)
{
	const struct time_vcpu *tv = v->time;

	return tv != NULL && atomic_load(&tv->area) != atomic_load(&tv->area_done);
}

/* What it holds never changes, so a reader that was told of it never sees one copy with an even version half-done. */
int time_vcpu_publish(struct vcpu *v)
{
	struct time_vcpu *tv = v->time;
	struct vcpu_time_info t = time_info(2);
	u64 area;

	if (!time_vcpu_publish_wanted(v))
		return 0;
	area = atomic_load(&tv->area);
	/* Written or not: it is tried once, not at each switch. */
	atomic_store(&tv->area_done, area);
	return area != 0 ? hw_copy_to_guest(gva_make(area), &t, sizeof(t)) : 0;
}

int time_singleshot_set(struct vcpu *v, u64 timeout_ns, bool is_future)
{
	if (is_future && timeout_ns <= time_now_ns())
		return -ETIME; /* an answer, not a mistake: not traced */
	timer_set_on(&v->time->singleshot, atomic_load(&v->cpu), timeout_ns);
	return 0;
}

void time_singleshot_stop(struct vcpu *v)
{
	timer_cancel(&v->time->singleshot);
}

/*
 * Guests have computed timeouts that wrapped around, and meant "soon": negative ones, and ones further away than anybody
 * waits. They get a tenth of a second.
 */
void time_timer_op(struct vcpu *v, u64 timeout_ns)
{
	u64 now = time_now_ns();

	if (timeout_ns == 0) {
		time_singleshot_stop(v);
		return;
	}
	if (timeout_ns > (u64)INT64_MAX ||
	    (timeout_ns > now && (timeout_ns - now) >> TIMER_OP_FAR_BITS != 0))
		timeout_ns = now + TIMER_OP_LATER_NS;
	timer_set_on(&v->time->singleshot, atomic_load(&v->cpu), timeout_ns);
}

int time_periodic_set(struct vcpu *v, u64 period_ns)
{
	struct time_vcpu *tv = v->time;
	u64 due;

	if (period_ns < TIME_PERIOD_MIN_NS || period_ns > TIME_PERIOD_MAX_NS)
		return err(EINVAL);
	due = time_now_ns() + period_ns;
	atomic_store(&tv->due_ns, due);
	atomic_store(&tv->period_ns, period_ns);
	timer_set_on(&tv->periodic, atomic_load(&v->cpu), due);
	return 0;
}

void time_periodic_stop(struct vcpu *v)
{
	/* First the period: a periodic_fire() that sets the timer once more then finds it 0. */
	atomic_store(&v->time->period_ns, 0ull);
	timer_cancel(&v->time->periodic);
}

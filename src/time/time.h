/* SPDX-License-Identifier: MIT */
/*
 * System time, timers, and the clocks of a guest. Reached from nearly everywhere above; calls the seam (hw/clock.h) and
 * mm's heap. A CPU's timers are under its LOCK_RANK_TIMER (interrupts off), a vCPU's areas are its own.
 *
 * System time is nanoseconds since Mica's boot: the TSC scaled by one multiplier, the same on every CPU and in every
 * vcpu_time_info, so a guest that reads the TSC gets the same time that Mica has.
 */
#pragma once

#include "core/domain.h"
#include "lib/pqueue.h"
#include "lib/types.h"

/* ---------------------------------------------------------------- system time */

/* Boot CPU, once, after hw_clock_init() and hw_lapic_init_bsp(): zero of system time, wall clock. */
void time_init(void);
/* Each CPU (the boot CPU too), before its exit loop; interrupts off. */
void time_cpu_init(unsigned int cpu);

u64 time_now_ns(void);
/* ---------------------------------------------------------------- timers */

/* Fields are time's own. fn runs on timer's CPU from the exit loop, interrupts on, no lock held; it may set it again. */
struct timer {
	struct pqueue_node node; /* [l] key: when it expires */
	void (*fn)(void *ctx);	 /* [c] */
	void *ctx;		 /* [c] */
	u32 cpu;		 /* [a] whose queue; written under that queue's lock, last */
	u32 running;		 /* [a] CPUs that are in fn now */
};

#define TIMER_NEVER ((u64)INT64_MAX) /* this and all that is later: never */

void timer_init(struct timer *t, void (*fn)(void *ctx), void *ctx, unsigned int cpu);
/* Sets or sets again; in the past: as soon as possible. TIMER_NEVER: as timer_cancel(). Any CPU, any context. */
void timer_set(struct timer *t, u64 expires_ns);
/* The same, on that CPU from now on. */
void timer_set_on(struct timer *t, unsigned int cpu, u64 expires_ns);
/* Not called any more, unless fn is running this moment on another CPU. */
void timer_cancel(struct timer *t);
/* The same and waits for fn, also if fn sets it again; not from fn itself. Then t may be freed. */
void timer_kill(struct timer *t);

/* Handler of WORK_TIMER: runs what has expired, arms the hardware for the next. */
void time_softirq(void);
/* No timer of this CPU expires within so many ns; interrupts off. */
bool time_is_quiet(u64 ns);
/* The local APIC's timer fired: raises WORK_TIMER. Interrupts off. */
void time_interrupt(void);

/* ---------------------------------------------------------------- a vCPU's clocks */

/* fire: delivers VIRQ_TIMER to v (evtchn_virq_raise_vcpu()); time is below evtchn. -ENOMEM. */
int time_vcpu_init(struct vcpu *v, void (*fire)(struct vcpu *v));
/* v does not run any more. Also after a failed init. */
void time_vcpu_destroy(struct vcpu *v);
/* The ABI's 100 Hz tick until the guest stops it: when v first comes up. */
void time_vcpu_start(struct vcpu *v);

/*
 * Writes v->info->time if it is not what it should be. v is the caller, or not running. Cheap when there is nothing to
 * do: to be called at each switch to v, after v->info moved (evtchn_vcpu_info_place()), and before it first runs.
 */
void time_vcpu_update(struct vcpu *v);
/*
 * The secondary area, through the guest's own address space (v's kernel root is loaded), if there is one that is not
 * up to date. Call with sched_runstate_publish().
 */
int time_vcpu_publish(struct vcpu *v); /* -EFAULT */
bool time_vcpu_publish_wanted(const struct vcpu *v);
/* VCPUOP_register_vcpu_time_memory_area; 0: none any more. v->cpu's time_vcpu_publish() fills it. */
void time_vcpu_area_register(struct vcpu *v, gva_t va);

/* VCPUOP_set_singleshot_timer: system time in ns. -ETIME: is_future and it has passed. */
int time_singleshot_set(struct vcpu *v, u64 timeout_ns, bool is_future);
void time_singleshot_stop(struct vcpu *v);
/* set_timer_op: 0 stops; what makes no sense (too far, negative) fires in 100 ms. */
void time_timer_op(struct vcpu *v, u64 timeout_ns);
#define TIME_PERIOD_MIN_NS 1000000ull
#define TIME_PERIOD_MAX_NS (1ull << 62)
/* -EINVAL: period out of range. */
int time_periodic_set(struct vcpu *v, u64 period_ns);
void time_periodic_stop(struct vcpu *v);

/* ---------------------------------------------------------------- wall clock */

/* It was seconds + nanoseconds at system time system_time_ns; tells all domains. -EINVAL: nanoseconds >= 10^9, overflow. */
int time_wallclock_set(u64 seconds, u32 nanoseconds, u64 system_time_ns);
/* Fills d->shared's wc_*: when d is made, and after time_wallclock_set(). */
void time_wallclock_publish(struct domain *d);

/* Serial key. */
void time_print(void);

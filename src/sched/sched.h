/* SPDX-License-Identifier: MIT */
/*
 * The scheduler: who may run, and who runs next on each CPU. It chooses; entry/ switches. Reached from the exit loop
 * (sched_choose, sched_switched), from evtchn, hcall, domain and core's work bits; calls time (slice timers) and IPIs.
 *
 * Each CPU has a run queue with a lock of its own (LOCK_RANK_SCHED, interrupts off). A vCPU's scheduling state is under
 * the lock of the queue of v->cpu; no path holds two. vcpu_kick(), vcpu_wake(), vcpu_wake_poll() and vcpu_pause_nosync()
 * are safe in interrupt handlers and under any lock of a lower rank.
 *
 * is_running, "its registers are on a CPU":
 *
 *	from	by			to	then
 *	false	sched_choose()		true	on v->cpu, which does not change while it is true; v is on no queue
 *	true	sched_choose()		true	it stays the one that runs, or is told to leave; or it is *parked*: it waits for an
 *						event, this CPU has nothing else to do and keeps its registers. When it is
 *						woken, paused or moved, the CPU is told to choose again
 *	true	sched_switched(left)	false	its registers are in memory (release; pairs with the acquire load in
 *						vcpu_sleep_sync() and with the queue lock of whoever runs it next);
 *						if it is runnable it goes on a queue only now
 *
 * Nobody is lost between two CPUs: a sender sets the pending bit, fences, then reads `wait` and is_running; a CPU sets
 * `wait` (block, poll) or is_running (choose), fences, then reads pending.
 */
#pragma once

#include "core/domain.h"
#include "lib/types.h"

/* Of new pools and, at boot, of pool 0: a vCPU that got the CPU keeps it at least so long; 0: no limit. */
extern unsigned int opt_sched_ratelimit_us;

/* ---------------------------------------------------------------- set-up */

/* One for each CPU, by that CPU or before it starts, before its exit loop; idle is current there. -ENOMEM. */
int sched_cpu_init(unsigned int cpu, struct vcpu *idle);
/* Before its vCPUs, and after them; also after a failed init. pool: its number. -ENOMEM, -ESRCH. */
int sched_domain_init(struct domain *d, u32 pool);
void sched_domain_destroy(struct domain *d);
/*
 * Allocates v->sched; chooses v->cpu. Affinity: all CPUs. v starts as the flags say: is_down or paused vCPUs wait for
 * vcpu_wake() or vcpu_unpause(). Idle vCPUs too (their v->cpu stays). -ENOMEM.
 */
int sched_vcpu_init(struct vcpu *v);
/* v is paused or down and not running (vcpu_sleep_sync()). Also after a failed init. */
void sched_vcpu_destroy(struct vcpu *v);

/* ---------------------------------------------------------------- the exit loop, interrupts off */

/*
 * On WORK_SCHEDULE: who runs now on this CPU (the current one included; the idle vCPU when nobody can). Takes from other
 * queues when there is nothing here. *left: who has to leave this CPU: save it, load the answer if it is not loaded, then
 * sched_switched(). NULL: nobody; the one that was current, if it is not the answer, is parked: its registers stay.
 */
struct vcpu *sched_choose(unsigned int cpu, struct vcpu **left);
/* Its registers are in memory; another CPU may run it from now on. It may be gone (freed) when this returns. */
void sched_switched(struct vcpu *left);

/*
 * Writes v's registered runstate area, if there is one, through the guest's own address space: v's *kernel* root is loaded
 * (a vCPU in user mode needs a look at sched_runstate_wanted() first). Call for prev before its root leaves, between
 * sched_choose() and sched_switched(), so that other vCPUs see that it was preempted; and for next when its root is there.
 */
void sched_runstate_publish(struct vcpu *v);
bool sched_runstate_wanted(const struct vcpu *v);

/* ---------------------------------------------------------------- running and waiting */

/* Not down, not paused, not waiting. */
bool vcpu_is_runnable(const struct vcpu *v);
/* Something that kept v from running is gone (down flag cleared ...): queue it if it is runnable. */
void vcpu_wake(struct vcpu *v);
/*
 * An event became pending for v (the caller has set the bit): ends a block or poll; if v runs on another CPU sends IPI_WORK
 * there, whatever the guest's mask says.
 */
void vcpu_kick(struct vcpu *v);
/* v is the caller. Waits until an event is pending (the upcall mask is the caller's to clear first); or does not at all. */
void vcpu_block(struct vcpu *v);
/* v is the caller: others of this queue go first, once. */
void vcpu_yield(struct vcpu *v);

/*
 * SCHEDOP_poll, v the caller: vcpu_poll_begin() makes it known, then the caller looks at the ports, then
 * vcpu_poll_commit() or vcpu_poll_abort(). timeout_ns: absolute system time, 0: none.
 */
void vcpu_poll_begin(struct vcpu *v, const u32 *ports, u32 port_count);
void vcpu_poll_commit(struct vcpu *v, u64 timeout_ns);
void vcpu_poll_abort(struct vcpu *v);
/* A port of d became pending; to be called when d->poll_count is not 0. Ends every poll that may be for it. */
void vcpu_wake_poll(struct domain *d, u32 port);

/* ---------------------------------------------------------------- pausing */

/* v does not run from some time soon on; vcpu_pause() waits for it. Nests. */
void vcpu_pause_nosync(struct vcpu *v);
/*
 * v is not running on this CPU. Two CPUs must never wait for each other's current vCPUs: callers hold the tool-call lock,
 * or know that v's domain cannot do the same to theirs.
 */
void vcpu_pause(struct vcpu *v);
void vcpu_unpause(struct vcpu *v);
/* All vCPUs of d. domain_pause() waits; d is not the caller's domain. */
void domain_pause(struct domain *d);
void domain_pause_nosync(struct domain *d);
void domain_unpause(struct domain *d);
/* After is_down was set (or a pause): makes the CPU that runs v choose again. */
void vcpu_sleep_nosync(struct vcpu *v);
/* The same and waits until its registers are in memory. */
void vcpu_sleep_sync(struct vcpu *v);

/* ---------------------------------------------------------------- what tools and guests ask */

/* With the time in the present state added. Any vCPU. */
void sched_runstate_get(struct vcpu *v, struct vcpu_runstate_info *info);
/* How long this CPU has had nothing to do. */
u64 sched_idle_ns(unsigned int cpu);
/* VCPUOP_register_runstate_memory_area; 0: none any more. */
void sched_runstate_register(struct vcpu *v, gva_t va);

/* NULL: as it is. is_forced: undoes an override first. -EINVAL: no CPU of its pool in hard; -EBUSY: overridden. */
int sched_affinity_set(struct vcpu *v, const struct cpumask *hard, const struct cpumask *soft,
		       bool is_forced);
/* is_effective: of these, what v may really use. */
void sched_affinity_get(struct vcpu *v, struct cpumask *hard, struct cpumask *soft,
			bool is_effective);
/* SCHEDOP_pin_override: cpu < 0 undoes. -EINVAL no such CPU, or nothing to undo, -EBUSY pinned already. */
int sched_pin_override(struct vcpu *v, s32 cpu);
/* Is it tied to exactly one CPU? (VCPUOP_get_physid) */
bool sched_is_pinned(struct vcpu *v);

#define SCHED_WEIGHT_DEFAULT 256u
#define SCHED_WEIGHT_MAX     65535u
/*
 * weight 0: as it is; cap: percent of one CPU, 0: none. -EINVAL: weight too large; cap larger than its vCPUs could use (the
 * weight is set then).
 */
int sched_params_set(struct domain *d, u32 weight, u32 cap);
void sched_params_get(const struct domain *d, u32 *weight, u32 *cap);

/*
 * XEN_SYSCTL_cpupool_op, but for the copy of *cpus (INFO, FREEINFO); d: the domain of MOVEDOMAIN, which begins anew there:
 * default parameters, affinity with all CPUs. Errors: the ABI's.
 */
int sched_pool_op(struct xen_sysctl_cpupool_op *op, struct domain *d, struct cpumask *cpus);
u32 sched_pool_id(const struct domain *d);
/* -ESRCH: no such pool. */
int sched_ratelimit(u32 pool, u32 *us, bool is_set);

/* Serial key: one line for each CPU and vCPU. */
void sched_print(void);

/* SPDX-License-Identifier: MIT */
/* What sched's files share: run queues and what a vCPU is to them. See sched.h for the protocol. */
#ifndef SCHED_PRIV_H
#define SCHED_PRIV_H

#include "core/domain.h"
#include "lib/pqueue.h"
#include "sched/sched.h"
#include "time/time.h"

/* What a vCPU waits for; NONE: nothing. Set by itself, ended by anyone with an exchange. */
enum sched_wait { WAIT_NONE, WAIT_EVENT, WAIT_POLL };

#define POLL_ANY  0xffffffffu /* several ports: any event may be meant */
#define POLL_NONE 0xfffffffeu /* no port at all: the timeout alone */

struct sched_vcpu {
	struct pqueue_node node; /* [l] in the queue of v->cpu; key: run_ns when it was put there */
	struct vcpu *vcpu;	 /* [c] */
	u32 wait;		 /* [a] enum sched_wait */
	u32 poll_port;		 /* [a] written before wait */
	struct timer poll_timer;

	u64 run_ns;	    /* [l] time it has had, weighted; compared within one queue only */
	u64 charged_ns;	    /* [l] up to when run_ns counts */
	u64 picked_ns;	    /* [l] since when it has the CPU */
	u32 weight;	    /* [a] */
	bool has_yielded;   /* [l] */
	bool is_overridden; /* [l] SCHEDOP_pin_override: saved holds what was */
	struct cpumask affinity, saved; /* [l] */

	struct vcpu_runstate_info runstate; /* [l] */
	u64 area;			    /* [a] guest address of the runstate area; 0: none */
	u64 published_ns;		    /* [v] state_entry_time that it shows */
	int published_state;		    /* [v] */
};

struct run_queue {
	struct lock lock;
	struct pqueue queue;  /* [l] runnable, not running */
	u32 waiting;	      /* [a] queue.count for those without the lock */
	struct vcpu *running; /* [l] what sched_choose() said last */
	struct vcpu *idle;    /* [c] NULL: no such CPU yet */
	u64 floor_ns; /* [l, read by others] smallest run_ns that anyone here may still have; never falls */
	bool has_slice;	    /* [l] the timer will make this CPU look again */
	struct timer slice; /* raises WORK_SCHEDULE */
	u64 switch_count;   /* [l] */
} ALIGNED(64);

extern struct run_queue sched_queues[CPU_MAX];
/* CPUs that look for work or sleep: set before they look, cleared by whoever gives them some. */
extern struct cpumask sched_idle_mask; /* [a] */

/* The queue of v->cpu, locked, v->cpu stable; interrupts off. */
struct run_queue *sched_queue_lock(const struct vcpu *v, u64 *flags);
void sched_queue_unlock(struct run_queue *rq, u64 flags);

/* v is not queued and not running; its new CPU is written last, then rq's lock is the wrong one. */
void sched_leave_locked(struct run_queue *rq, struct vcpu *v, unsigned int to);
void sched_enqueue_locked(struct run_queue *rq, struct vcpu *v, bool was_waiting);
void sched_dequeue_locked(struct run_queue *rq, struct vcpu *v);
/* Where v had better run: an idle CPU that it may use, or v->cpu. */
unsigned int sched_cpu_pick(const struct vcpu *v);
bool sched_cpu_allowed(const struct sched_vcpu *sv, unsigned int cpu);

/* Ends the present state at now. */
void sched_runstate_set_locked(struct vcpu *v, int state, u64 now);
/* The state of a vCPU that does not run and is not going to. */
int sched_runstate_waiting(const struct vcpu *v);

void sched_poll_expired(void *ctx);

#endif

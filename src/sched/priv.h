/* SPDX-License-Identifier: MIT */
/* What sched's files share: run queues, and what a vCPU, a domain and a pool are to them. See sched.h for the protocol. */
#pragma once

#include "core/domain.h"
#include "lib/pqueue.h"
#include "sched/sched.h"
#include "time/time.h"

/* What a vCPU waits for; NONE: nothing. Set by itself, ended by anyone with an exchange. */
enum sched_wait { WAIT_NONE, WAIT_EVENT, WAIT_POLL };

#define POLL_ANY  0xffffffffu /* several ports: any event may be meant */
#define POLL_NONE 0xfffffffeu /* no port at all: the timeout alone */

#define POOLS_MAX 64

struct sched_pool {
	bool is_used;	  /* [l] pools_lock, as all but the last */
	u32 domain_count; /* [l] */
	u32 ratelimit_us; /* [a] a vCPU that got the CPU keeps it at least so long; 0: no limit */
};

struct sched_domain {
	struct sched_pool *pool; /* [a] */
	u32 weight;		 /* [a] */
	u32 cap;		 /* [a] percent of one CPU; 0: none */
	s64 budget_ns;		 /* [a] of a capped domain, left in this period */
	u64 period_end_ns;	 /* [a] */
	bool is_ticking;	 /* [a] the timer is set, or about to be */
	struct timer period;
};

struct sched_vcpu {
	struct pqueue_node node; /* [l] in the queue of v->cpu; key: run_ns when it was put there */
	struct vcpu *vcpu;	 /* [c] */
	u32 wait;		 /* [a] enum sched_wait */
	u32 poll_port;		 /* [a] written before wait */
	struct timer poll_timer;

	u64 run_ns;	  /* [l] time it has had, weighted; compared within one queue only */
	u64 charged_ns;	  /* [l] up to when run_ns counts */
	u64 picked_ns;	  /* [l] since when it has the CPU */
	u32 load;	  /* [l] its weight, as its queue counts it */
	bool has_yielded; /* [l] */
	u32 pinned; /* [l] SCHEDOP_pin_override: that CPU + 1, whatever hard says; 0: no such */
	struct cpumask hard, soft; /* [l] */

	struct vcpu_runstate_info runstate; /* [l] */
	u64 area;			    /* [a] guest address of the runstate area; 0: none */
	u64 published_ns;		    /* [v] state_entry_time that it shows */
	int published_state;		    /* [v] */
};

struct run_queue {
	struct lock lock;
	struct pqueue queue;  /* [l] runnable, not running */
	u32 waiting;	      /* [a] queue.count for those without the lock */
	u32 load;	      /* [a] sum of the weights that wait or run here */
	struct vcpu *running; /* [l] what sched_choose() said last */
	struct vcpu *parked;  /* [l] sleeps while this CPU idles, which still has its registers */
	struct vcpu *idle;    /* [c] NULL: no such CPU yet */
	struct sched_pool *pool; /* [a] NULL: in none */
	u64 floor_ns; /* [l, read by others] smallest run_ns that anyone here may still have; never falls */
	bool has_slice;	    /* [l] the timer will make this CPU look at who waits */
	struct timer slice; /* raises WORK_SCHEDULE */
	u64 switch_count;   /* [l] */
} ALIGNED(64);

extern struct run_queue sched_queues[CPU_MAX];
extern struct sched_pool sched_pools[POOLS_MAX];
/* CPUs that look for work or sleep: set before they look, cleared by whoever gives them some. */
extern struct cpumask sched_idle_mask; /* [a] */

/* The queue of v->cpu, locked, v->cpu stable; interrupts off. */
struct run_queue *sched_queue_lock(const struct vcpu *v, u64 *flags);

/* v is not queued and not running; its new CPU is written last, then rq's lock is the wrong one. */
void sched_leave_locked(struct run_queue *rq, struct vcpu *v, unsigned int to);
void sched_enqueue_locked(struct run_queue *rq, struct vcpu *v, bool was_waiting);
/* v, parked here, waits for nothing any more: the CPU chooses again. */
void sched_unpark_locked(struct run_queue *rq, struct vcpu *v, u64 now);
void sched_dequeue_locked(struct run_queue *rq, struct vcpu *v);
/* Where v had better run. */
unsigned int sched_cpu_pick(const struct vcpu *v);
bool sched_cpu_allowed(const struct sched_vcpu *sv, unsigned int cpu);
/* Where v may run, or what it may have, has changed: one that runs is judged anew, one that waits is placed anew. */
void sched_reconsider(struct vcpu *v);
int sched_pool_join(struct domain *d, u32 id); /* -ESRCH; -ENODEV: it has no CPU */
void sched_pool_leave(struct domain *d);

/* v, which runs, has had ns until now. */
void sched_budget_spend(const struct vcpu *v, u64 ns, u64 now);
bool sched_budget_is_spent(const struct sched_domain *sd);
/* When v, which begins to run now, has used it up; TIMER_NEVER: no cap. */
u64 sched_budget_until(const struct vcpu *v, u64 now);

/* Ends the present state at now. */
void sched_runstate_set_locked(struct vcpu *v, int state, u64 now);
/* The state of a vCPU that does not run. */
int sched_runstate_waiting(const struct vcpu *v);

void sched_poll_expired(void *ctx);

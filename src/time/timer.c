/* SPDX-License-Identifier: MIT */
/*
 * Timers: each CPU has a queue of its own and one hardware timer, which is armed for the queue's first. Reached from
 * everywhere above and from the timer interrupt; calls the seam and the work bits. A queue's lock is LOCK_RANK_TIMER,
 * interrupts off; functions of timers are called without it.
 *
 * A timer that is set on another CPU moves there in two steps: taken out of the old queue (its cpu is written last), then put
 * into the new one; whoever comes between the two finds it in no queue, under the new one's lock.
 */
#include "core/cpu.h"
#include "core/log.h"
#include "hw/clock.h"
#include "time/priv.h"
#include "time/time.h"

#define TIMERS_RUN_MAX 256 /* in one go; then the exit loop looks at other work first */

struct timer_queue {
	struct lock lock;
	struct pqueue queue; /* [l] */
	u64 armed_ns;	     /* [l] what the hardware waits for; TIMER_NEVER: nothing */
	u64 fired_count;     /* [l] timers run */
} ALIGNED(64);

static struct timer_queue queues[CPU_MAX];

static struct timer_queue *queue_lock(const struct timer *t, u64 *flags)
{
	for (;;) {
		unsigned int cpu = atomic_load(&t->cpu);
		struct timer_queue *q = &queues[cpu];

		*flags = lock_acquire_irq(&q->lock);
		if (atomic_load(&t->cpu) == cpu)
			return q;
		lock_release_irq(&q->lock, *flags);
	}
}

static void dequeue_locked(struct timer_queue *q, struct timer *t)
{
	if (t->node.is_queued)
		pqueue_remove(&q->queue, &t->node);
}

/* On this CPU's own queue. */
static void arm_locked(struct timer_queue *q)
{
	const struct pqueue_node *first = pqueue_first(&q->queue);
	u64 when = first != NULL ? first->key : TIMER_NEVER;
	u64 now;

	if (when == q->armed_ns)
		return;
	q->armed_ns = when;
	if (when == TIMER_NEVER) {
		hw_timer_arm_tsc(0);
		return;
	}
	now = time_now_ns();
	if (when <= now) {
		q->armed_ns = TIMER_NEVER; /* so that time_softirq() arms anew */
		work_raise(cpu_id(), WORK_TIMER);
		return;
	}
	/* Far away: woken on the way, armed again. */
	hw_timer_arm_tsc(hw_tsc() + time_ns_to_ticks(when - now));
}

/* q is the queue of t->cpu. */
static void enqueue_locked(struct timer_queue *q, struct timer *t, u64 expires_ns)
{
	pqueue_insert(&q->queue, &t->node, expires_ns);
	if (t->cpu == cpu_id())
		arm_locked(q);
	else if (pqueue_first(&q->queue) == &t->node)
		work_raise(t->cpu, WORK_TIMER);
}

void timer_init(struct timer *t, void (*fn)(void *ctx), void *ctx, unsigned int cpu)
{
	*t = (struct timer){.fn = fn, .ctx = ctx, .cpu = cpu};
}

void timer_set_on(struct timer *t, unsigned int cpu, u64 expires_ns)
{
	struct timer_queue *q;
	u64 flags;

	for (;;) {
		q = queue_lock(t, &flags);
		dequeue_locked(q, t);
		if (t->cpu == cpu)
			break;
		atomic_store(&t->cpu, cpu);
		lock_release_irq(&q->lock, flags);
	}
	if (expires_ns < TIMER_NEVER)
		enqueue_locked(q, t, expires_ns);
	else if (cpu == cpu_id())
		arm_locked(q);
	lock_release_irq(&q->lock, flags);
}

void timer_set(struct timer *t, u64 expires_ns)
{
	timer_set_on(t, atomic_load(&t->cpu), expires_ns);
}

/* How many CPUs are in its function: in no queue, only they can set it again. Pairs with run_one(). */
static u32 cancel(struct timer *t)
{
	u64 flags;
	struct timer_queue *q = queue_lock(t, &flags);
	u32 running = atomic_load(&t->running);

	dequeue_locked(q, t); /* the hardware stays armed: one empty interrupt at most */
	lock_release_irq(&q->lock, flags);
	return running;
}

void timer_cancel(struct timer *t)
{
	(void)cancel(t);
}

void timer_kill(struct timer *t)
{
	while (cancel(t) != 0)
		hw_relax();
}

void time_softirq(void)
{
	struct timer_queue *q = &queues[cpu_id()];
	u64 now = time_now_ns();
	u64 flags = lock_acquire_irq(&q->lock);

	for (unsigned int count = 0; count < TIMERS_RUN_MAX; count++) {
		struct pqueue_node *first = pqueue_first(&q->queue);
		struct timer *t;

		if (first == NULL || first->key > now)
			break;
		t = pqueue_entry(first, struct timer, node);
		pqueue_remove(&q->queue, first);
		atomic_add(&t->running, 1);
		q->fired_count++;
		lock_release_irq(&q->lock, flags);
		t->fn(t->ctx);
		atomic_sub(&t->running, 1); /* the last touch: pairs with timer_kill() */
		flags = lock_acquire_irq(&q->lock);
	}
	q->armed_ns = 0; /* whatever it waits for, arm it again */
	arm_locked(q);
	lock_release_irq(&q->lock, flags);
}

bool time_is_quiet(u64 ns)
{
	return atomic_load(&queues[cpu_id()].armed_ns) > time_now_ns() + ns;
}

void time_interrupt(void)
{
	work_raise(cpu_id(), WORK_TIMER);
}

void time_cpu_init(unsigned int cpu)
{
	queues[cpu] = (struct timer_queue){.armed_ns = TIMER_NEVER};
	lock_init(&queues[cpu].lock, LOCK_RANK_TIMER);
	hw_timer_init();
}

void time_print(void)
{
	log_raw("timers:\n", 8);
	for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
		struct timer_queue *q = &queues[cpu];
		u64 flags = lock_acquire_irq(&q->lock);
		const struct pqueue_node *first = pqueue_first(&q->queue);
		u64 when = first != NULL ? first->key : 0;
		u64 fired = q->fired_count;
		u32 count = q->queue.count;

		lock_release_irq(&q->lock, flags);
		log_info("  cpu %u: now %llu ns, %u timers, first at %llu, %llu have fired", cpu,
			 (unsigned long long)time_now_ns(), count, (unsigned long long)when,
			 (unsigned long long)fired);
	}
}

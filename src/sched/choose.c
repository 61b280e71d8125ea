/* SPDX-License-Identifier: MIT */
/*
 * Who runs next: a weighted fair queue for each CPU. Each vCPU counts the time that it has had, scaled by its weight; the
 * one with the least goes first. One that slept comes back at the queue's floor less a bonus, so it is served soon but
 * cannot save up. A CPU with nothing to do takes from others. Reached from the exit loop; calls the slice timers, the budgets.
 *
 * The last one to run is parked when its CPU becomes idle: mostly it comes back, and then nothing has to be saved or loaded.
 *
 * Lock: one run queue at a time. A vCPU that goes from CPU to CPU keeps is_running set between the two, so that nobody
 * queues it or frees it meanwhile.
 */
#include "core/log.h"
#include "sched/priv.h"

#define SLICE_NS    5000000ull /* how long one goes on while others wait */
#define BONUS_NS    2500000ull /* for one that slept */
#define STEAL_LOOKS 32	       /* entries of another queue that are looked at */

unsigned int opt_sched_ratelimit_us = 1000;

struct run_queue sched_queues[CPU_MAX];
struct cpumask sched_idle_mask;

static void slice_end(void *ctx)
{
	const struct run_queue *rq = ctx;

	work_raise((unsigned int)(rq - sched_queues), WORK_SCHEDULE);
}

int sched_cpu_init(unsigned int cpu, struct vcpu *idle)
{
	static struct sched_domain idle_share = {.weight = SCHED_WEIGHT_DEFAULT};
	struct run_queue *rq = &sched_queues[cpu];
	u64 now = time_now_ns();
	int rc;

	lock_init(&rq->lock, LOCK_RANK_SCHED);
	timer_init(&rq->slice, slice_end, rq, cpu);
	idle->domain->sched = &idle_share;
	sched_pools[0].is_used = true;
	sched_pools[0].ratelimit_us = opt_sched_ratelimit_us;
	rq->pool = &sched_pools[0];
	rc = sched_vcpu_init(idle);
	if (rc != 0)
		return rc;
	rq->running = idle;
	atomic_store(&idle->is_running, true);
	sched_runstate_set_locked(idle, RUNSTATE_running, now);
	cpumask_set(&sched_idle_mask, cpu);
	atomic_store(&rq->idle, idle); /* pairs with sched_print() */
	return 0;
}

struct run_queue *sched_queue_lock(const struct vcpu *v, u64 *flags)
{
	for (;;) {
		unsigned int cpu = atomic_load(&v->cpu);
		struct run_queue *rq = &sched_queues[cpu];

		*flags = lock_acquire_irq(&rq->lock);
		if (atomic_load(&v->cpu) == cpu)
			return rq;
		lock_release_irq(&rq->lock, *flags);
	}
}

/* An idle CPU before a busy one, then the least load, then one that v prefers. */
unsigned int sched_cpu_pick(const struct vcpu *v)
{
	const struct sched_vcpu *sv = v->sched;
	unsigned int home = atomic_load(&v->cpu);
	unsigned int best = home; /* if it may use none at all it runs on rather than hang */
	u32 best_cost = UINT32_MAX;

	for (unsigned int i = 0; i < cpu_count && best_cost != 0; i++) {
		unsigned int cpu = home + i < cpu_count ? home + i : home + i - cpu_count;
		u32 cost = !cpumask_test(&sv->soft, cpu);

		if (!sched_cpu_allowed(sv, cpu))
			continue;
		if (!cpumask_test(&sched_idle_mask, cpu))
			cost += 2 + 2 * atomic_load(&sched_queues[cpu].load);
		if (cost < best_cost) {
			best = cpu;
			best_cost = cost;
		}
	}
	return best;
}

/* Counts the time that the current one has had since the last look. */
static void charge_locked(struct run_queue *rq, u64 now)
{
	struct sched_vcpu *sv = rq->running->sched;
	struct sched_domain *sd = rq->running->domain->sched;
	u64 least;

	if (rq->running->is_idle)
		return;
	if (now > sv->charged_ns) {
		u64 ns = now - sv->charged_ns;

		sv->run_ns += ns * SCHED_WEIGHT_DEFAULT / atomic_load(&sd->weight);
		sched_budget_spend(rq->running, ns, now);
		sv->charged_ns = now;
	}
	least = sv->run_ns;
	if (rq->queue.count != 0 && pqueue_key_before(pqueue_first(&rq->queue)->key, least))
		least = pqueue_first(&rq->queue)->key;
	if (pqueue_key_before(rq->floor_ns, least))
		atomic_store(&rq->floor_ns, least);
}

/* run_ns is relative to a queue's floor: it takes its distance along. */
void sched_leave_locked(struct run_queue *rq, struct vcpu *v, unsigned int to)
{
	struct sched_vcpu *sv = v->sched;

	charge_locked(rq, time_now_ns());
	sv->run_ns = sv->run_ns - rq->floor_ns + atomic_load(&sched_queues[to].floor_ns);
	atomic_store(&v->cpu, to);
}

static void load_add_locked(struct run_queue *rq, struct vcpu *v)
{
	v->sched->load = v->is_idle ? 0 : atomic_load(&v->domain->sched->weight);
	atomic_store(&rq->load, rq->load + v->sched->load);
}

/* At the floor at least; who slept has a bonus. */
static void lift_locked(const struct run_queue *rq, struct sched_vcpu *sv)
{
	u64 least = rq->floor_ns - (sv->runstate.state == RUNSTATE_blocked ? BONUS_NS : 0);

	if (pqueue_key_before(sv->run_ns, least))
		sv->run_ns = least;
}

void sched_unpark_locked(struct run_queue *rq, struct vcpu *v, u64 now)
{
	lift_locked(rq, v->sched);
	sched_runstate_set_locked(v, sched_runstate_waiting(v), now);
	cpumask_clear(&sched_idle_mask, v->cpu);
	work_raise(v->cpu, WORK_SCHEDULE);
}

void sched_enqueue_locked(struct run_queue *rq, struct vcpu *v, bool was_waiting)
{
	struct sched_vcpu *sv = v->sched;

	charge_locked(rq, time_now_ns()); /* the floor is as old as the last look */
	lift_locked(rq, sv);
	pqueue_insert(&rq->queue, &sv->node, sv->run_ns);
	atomic_store(&rq->waiting, rq->queue.count);
	load_add_locked(rq, v);
	/* Whoever looks for an idle CPU next finds another one. */
	cpumask_clear(&sched_idle_mask, v->cpu);
	/* One that was just preempted need not be looked at before the slice ends. */
	if (was_waiting || !rq->has_slice || rq->running->is_idle)
		work_raise(v->cpu, WORK_SCHEDULE);
}

void sched_dequeue_locked(struct run_queue *rq, struct vcpu *v)
{
	pqueue_remove(&rq->queue, &v->sched->node);
	atomic_store(&rq->waiting, rq->queue.count);
	atomic_store(&rq->load, rq->load - v->sched->load);
}

/* Whoever may not run any more, since the domain's budget is spent, goes off: a full budget wakes him. */
static struct vcpu *first_locked(struct run_queue *rq)
{
	struct pqueue_node *first;

	while ((first = pqueue_first(&rq->queue)) != NULL) {
		struct vcpu *v = pqueue_entry(first, struct sched_vcpu, node)->vcpu;

		if (vcpu_is_runnable(v))
			return v;
		sched_dequeue_locked(rq, v);
	}
	return NULL;
}

/* Does v, current or parked, go on although `first` waits? *until: look again then. */
static bool goes_on(const struct run_queue *rq, const struct vcpu *v, const struct vcpu *first,
		    u64 now, u64 *until)
{
	const struct sched_vcpu *sv = v->sched;
	u64 limit_ns = (u64)atomic_load(&v->domain->sched->pool->ratelimit_us) * 1000;

	if (sv->has_yielded)
		return false;
	if (v == rq->running && now - sv->picked_ns < limit_ns) {
		*until = sv->picked_ns + limit_ns;
		return true;
	}
	*until = now + SLICE_NS;
	return pqueue_key_before(sv->run_ns, first->sched->node.key);
}

/*
 * Something that this CPU may run out of another queue, sooner what prefers this CPU. Its is_running is set when it leaves
 * there, v->cpu is this CPU. NULL: nothing. No lock is held.
 */
static struct vcpu *steal_from(struct run_queue *rq, unsigned int cpu)
{
	struct pqueue_node *node = NULL;
	struct vcpu *found = NULL;

	if (atomic_load(&rq->waiting) == 0) /* also: no such CPU yet */
		return NULL;
	lock_acquire(&rq->lock);
	for (unsigned int i = 0; i < STEAL_LOOKS; i++) {
		const struct sched_vcpu *sv;
		bool is_preferred;

		node = pqueue_next(&rq->queue, node);
		if (node == NULL)
			break;
		sv = pqueue_entry(node, struct sched_vcpu, node);
		is_preferred = cpumask_test(&sv->soft, cpu);
		if (sched_cpu_allowed(sv, cpu) && vcpu_is_runnable(sv->vcpu) &&
		    (found == NULL || is_preferred)) {
			found = sv->vcpu;
			if (is_preferred)
				break;
		}
	}
	if (found != NULL) {
		sched_dequeue_locked(rq, found);
		atomic_store(&found->is_running, true);
		sched_leave_locked(rq, found, cpu);
	}
	lock_release(&rq->lock);
	return found;
}

static struct vcpu *steal(unsigned int cpu)
{
	for (unsigned int i = 1; i < cpu_count; i++) {
		struct vcpu *v = steal_from(&sched_queues[(cpu + i) % cpu_count], cpu);

		if (v != NULL)
			return v;
	}
	return NULL;
}

/* It is where it would rather not be, while a CPU that it prefers has nothing to do. */
static bool had_better_move(const struct vcpu *v, unsigned int cpu)
{
	unsigned int to;

	if (cpumask_test(&v->sched->soft, cpu))
		return false;
	to = sched_cpu_pick(v);
	return cpumask_test(&v->sched->soft, to) && cpumask_test(&sched_idle_mask, to);
}

/* Whose registers this CPU has. */
static struct vcpu *loaded_locked(const struct run_queue *rq)
{
	return rq->parked != NULL ? rq->parked : rq->running;
}

/* Of the loaded one and the queue; NULL: neither. *until: when to look again, TIMER_NEVER: no need. */
static struct vcpu *pick_locked(struct run_queue *rq, unsigned int cpu, u64 now, u64 *until)
{
	struct vcpu *first = first_locked(rq);
	struct vcpu *v = loaded_locked(rq);
	bool may_go_on = !v->is_idle && vcpu_is_runnable(v) && sched_cpu_allowed(v->sched, cpu) &&
			 !had_better_move(v, cpu);

	*until = TIMER_NEVER;
	if (may_go_on && (first == NULL || goes_on(rq, v, first, now, until)))
		return v;
	if (first == NULL)
		return NULL;
	sched_dequeue_locked(rq, first);
	atomic_store(&first->is_running, true);
	if (rq->queue.count != 0 || may_go_on)
		*until = now + SLICE_NS;
	return first;
}

/* When to look again at the latest, whoever waits: it has a budget, or would rather be elsewhere. */
static u64 look_again(const struct vcpu *next, unsigned int cpu, u64 now, u64 until)
{
	u64 spent = sched_budget_until(next, now);

	until = MIN(until, spent);
	return cpumask_test(&next->sched->soft, cpu) ? until : MIN(until, now + SLICE_NS);
}

/* It only waits for an event: nobody wants its registers, or to have it elsewhere. Who changes that takes the lock next. */
static bool may_park(const struct vcpu *v, unsigned int cpu)
{
	return atomic_load(&v->sched->wait) != WAIT_NONE && !atomic_load(&v->is_down) &&
	       atomic_load(&v->pause_count) == 0 && sched_cpu_allowed(v->sched, cpu);
}

/* Before `running` changes: who has to leave, if anybody. */
static struct vcpu *leave_or_park_locked(struct run_queue *rq, const struct vcpu *next,
					 unsigned int cpu, u64 now)
{
	struct vcpu *v = loaded_locked(rq);

	rq->parked = NULL;
	if (v->is_idle || v == next)
		return NULL;
	if (next->is_idle && may_park(v, cpu)) {
		rq->parked = v;
		return NULL;
	}
	sched_runstate_set_locked(v, sched_runstate_waiting(v), now);
	return v;
}

static void commit_locked(struct run_queue *rq, struct vcpu *next, u64 now)
{
	struct vcpu *prev = rq->running;

	prev->sched->has_yielded = false;
	if (next == prev)
		return;
	sched_runstate_set_locked(prev, sched_runstate_waiting(prev), now);
	sched_runstate_set_locked(next, RUNSTATE_running, now);
	if (prev->is_idle)
		atomic_store(&prev->is_running, false);
	next->sched->charged_ns = now;
	next->sched->picked_ns = now;
	atomic_store(&rq->load, rq->load - prev->sched->load);
	load_add_locked(rq, next);
	rq->running = next;
	rq->switch_count++;
}

static bool is_waiting_elsewhere(unsigned int cpu)
{
	for (unsigned int i = 1; i < cpu_count; i++)
		if (atomic_load(&sched_queues[(cpu + i) % cpu_count].waiting) != 0)
			return true;
	return false;
}

/* Nothing here: says so to those who have work to give, then looks at what others have. Gives up the lock if they have any. */
static NOINLINE struct vcpu *find_elsewhere_locked(struct run_queue *rq, unsigned int cpu, u64 *now,
						   u64 *until)
{
	struct vcpu *next;

	cpumask_set(&sched_idle_mask, cpu);
	atomic_fence(); /* pairs with sched_enqueue_locked(), then sched_cpu_pick() or offer() there */
	if (!is_waiting_elsewhere(cpu))
		return rq->idle;
	lock_release(&rq->lock);
	next = steal(cpu);
	*now = time_now_ns();
	lock_acquire(&rq->lock);
	if (next != NULL && vcpu_is_runnable(next)) {
		*until = rq->queue.count != 0 ? *now + SLICE_NS : TIMER_NEVER;
	} else {
		if (next != NULL) {
			/* paused on the way; who wakes it finds is_running false from here on */
			sched_runstate_set_locked(next, sched_runstate_waiting(next), *now);
			atomic_store(&next->is_running, false);
		}
		next = pick_locked(rq, cpu, *now, until); /* something may have come meanwhile */
	}
	if (next == NULL)
		return rq->idle;
	cpumask_clear(&sched_idle_mask, cpu);
	return next;
}

/* One that waits here while another CPU has nothing to do: tells that one to look. */
static void offer(const struct vcpu *v, unsigned int cpu)
{
	unsigned int other;

	atomic_fence(); /* queued, then who is idle: pairs with find_elsewhere_locked() */
	other = sched_cpu_pick(v);
	if (other != cpu && cpumask_test(&sched_idle_mask, other))
		work_raise(other, WORK_SCHEDULE);
}

/* Several came while this CPU was idle: each looked only whether it is. */
static void offer_all_locked(const struct run_queue *rq, unsigned int cpu)
{
	struct pqueue_node *node = NULL;

	for (unsigned int i = 0; i < STEAL_LOOKS; i++) {
		node = pqueue_next(&rq->queue, node);
		if (node == NULL)
			break;
		offer(pqueue_entry(node, struct sched_vcpu, node)->vcpu, cpu);
	}
}

struct vcpu *sched_choose(unsigned int cpu, struct vcpu **left)
{
	struct run_queue *rq = &sched_queues[cpu];
	u64 until;
	u64 now = time_now_ns();
	struct vcpu *prev;
	struct vcpu *next;

	__asm__("" : "+r"(rq)); /* kept, not computed at each use */

	lock_acquire(&rq->lock);
	prev = rq->running;
	charge_locked(rq, now);
	next = pick_locked(rq, cpu, now, &until);
	if (next == NULL)
		next = find_elsewhere_locked(rq, cpu, &now, &until);
	else
		cpumask_clear(&sched_idle_mask, cpu);
	atomic_store(&next->is_running, true);
	*left = leave_or_park_locked(rq, next, cpu, now);
	commit_locked(rq, next, now);
	rq->has_slice = until != TIMER_NEVER;
	if (!next->is_idle)
		until = look_again(next, cpu, now, until);
	if (until != TIMER_NEVER)
		timer_set(&rq->slice, until);
	if (prev->is_idle && rq->queue.count != 0)
		offer_all_locked(rq, cpu);
	lock_release(&rq->lock);
	if (next != prev)
		atomic_fence(); /* is_running is seen before we look at next's pending events: pairs with vcpu_kick() */
	return next;
}

/* Where left had better wait: here, unless it may not, or another CPU has nothing to do or less to do. */
static unsigned int place_locked(const struct run_queue *rq, const struct vcpu *left,
				 unsigned int cpu)
{
	unsigned int to = sched_cpu_pick(left);

	if (!sched_cpu_allowed(left->sched, cpu) || cpumask_test(&sched_idle_mask, to))
		return to;
	return atomic_load(&sched_queues[to].load) < rq->load ? to : cpu;
}

void sched_switched(struct vcpu *left)
{
	unsigned int cpu = cpu_id();
	struct run_queue *rq = &sched_queues[cpu];
	unsigned int to = cpu;
	bool is_runnable;

	lock_acquire(&rq->lock);
	is_runnable = vcpu_is_runnable(
		left); /* who makes it so from now on finds is_running false */
	if (is_runnable)
		to = place_locked(rq, left, cpu);
	while (to != left->cpu) {
		/* is_running stays set until it is under the other lock: see the head of this file */
		sched_leave_locked(rq, left, to);
		lock_release(&rq->lock);
		rq = &sched_queues[to];
		lock_acquire(&rq->lock);
		if (!sched_cpu_allowed(left->sched, to)) /* any more */
			to = sched_cpu_pick(left);
	}
	atomic_store(&left->is_running, false);
	if (is_runnable && vcpu_is_runnable(left)) {
		sched_enqueue_locked(rq, left, false);
		offer(left, cpu);
	}
	lock_release(&rq->lock);
}

void sched_print(void)
{
	for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
		struct run_queue *rq = &sched_queues[cpu];
		const struct vcpu *v;
		u64 switches;
		u64 flags;
		u32 count;

		if (atomic_load(&rq->idle) == NULL)
			continue;
		flags = lock_acquire_irq(&rq->lock);
		v = rq->running;
		count = rq->queue.count;
		switches = rq->switch_count;
		lock_release_irq(&rq->lock, flags);
		log_info("  cpu %u: d%uv%u runs%s, %u wait, %llu switches", cpu, v->domain->id,
			 v->id, cpumask_test(&sched_idle_mask, cpu) ? " (idle)" : "", count,
			 (unsigned long long)switches);
	}
}

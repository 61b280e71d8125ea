/* SPDX-License-Identifier: MIT */
/*
 * What makes a vCPU runnable and what stops it: events, blocking, polling, pausing. Reached from evtchn,
 * hcall, domain and timers, also in interrupt handlers; calls the queues (choose.c). Lock: the queue of v->cpu.
 */
#include "lib/string.h"
#include "mm/mm.h"
#include "sched/priv.h"

int sched_vcpu_init(struct vcpu *v)
{
	struct sched_vcpu *sv = heap_alloc(sizeof(*sv));

	if (sv == NULL)
		return err(ENOMEM);
	sv->vcpu = v;
	memset(&sv->hard, 0xff, sizeof(sv->hard));
	sv->soft = sv->hard;
	sv->runstate.state = RUNSTATE_offline;
	sv->runstate.state_entry_time = time_now_ns();
	v->sched = sv;
	if (!v->is_idle) { /* those that do not run yet are no load: they go round */
		atomic_store(&v->cpu, (v->domain->id + v->id) % cpu_count);
		atomic_store(&v->cpu, sched_cpu_pick(v));
	}
	sv->run_ns = atomic_load(&sched_queues[v->cpu].floor_ns);
	timer_init(&sv->poll_timer, sched_poll_expired, v, v->cpu);
	return 0;
}

void sched_vcpu_destroy(struct vcpu *v)
{
	struct run_queue *rq;
	u64 flags;

	if (v->sched == NULL)
		return;
	timer_kill(&v->domain->sched->period); /* it would wake v */
	timer_kill(&v->sched->poll_timer);
	rq = sched_queue_lock(v, &flags); /* whoever took it off a CPU has let go of it */
	BUG_ON(v->is_running || v->sched->node.is_queued);
	lock_release_irq(&rq->lock, flags);
	heap_free(v->sched);
	v->sched = NULL;
}

bool vcpu_is_runnable(const struct vcpu *v)
{
	return !atomic_load(&v->is_down) && atomic_load(&v->pause_count) == 0 &&
	       atomic_load(&v->sched->wait) == WAIT_NONE &&
	       !sched_budget_is_spent(v->domain->sched);
}

void vcpu_wake(struct vcpu *v)
{
	u64 flags;

	for (;;) {
		struct run_queue *rq = sched_queue_lock(v, &flags);
		bool is_runnable = vcpu_is_runnable(v);
		unsigned int to;

		if (rq->parked == v && atomic_load(&v->sched->wait) == WAIT_NONE)
			sched_unpark_locked(rq, v, time_now_ns());
		/* While it is on a CPU, sched_choose() or sched_switched() there sees that it is runnable. */
		if (v->is_idle || v->sched->node.is_queued || atomic_load(&v->is_running)) {
			lock_release_irq(&rq->lock, flags);
			return;
		}
		to = is_runnable ? sched_cpu_pick(v) : v->cpu;
		if (to == v->cpu) {
			if (is_runnable)
				sched_enqueue_locked(rq, v, true);
			sched_runstate_set_locked(v, sched_runstate_waiting(v), time_now_ns());
			lock_release_irq(&rq->lock, flags);
			return;
		}
		sched_leave_locked(rq, v, to);
		lock_release_irq(&rq->lock, flags);
	}
}

/* True when this call ended the wait. */
static bool wait_end(struct vcpu *v)
{
	u32 was = atomic_exchange(&v->sched->wait, (u32)WAIT_NONE);

	if (was == WAIT_POLL)
		(void)atomic_sub(&v->domain->poll_count, 1u);
	return was != WAIT_NONE;
}

void vcpu_kick(struct vcpu *v)
{
	unsigned int cpu;

	atomic_fence(); /* the pending bit is set: pairs with vcpu_block(), vcpu_poll_begin(), sched_choose() */
	if (atomic_load(&v->sched->wait) != WAIT_NONE) {
		if (wait_end(v))
			vcpu_wake(v);
		return;
	}
	cpu = atomic_load(&v->cpu);
	if (atomic_load(&v->is_running) && cpu != cpu_id())
		hw_ipi_send(cpu, IPI_WORK);
}

void vcpu_block(struct vcpu *v)
{
	const struct vcpu_info *info = atomic_load(&v->info);

	atomic_store(&v->sched->wait, (u32)WAIT_EVENT);
	atomic_fence(); /* pairs with vcpu_kick() */
	if (atomic_load(&info->evtchn_upcall_pending) != 0)
		(void)wait_end(v);
	else
		work_raise(cpu_id(), WORK_SCHEDULE);
}

void vcpu_yield(struct vcpu *v)
{
	u64 flags;
	struct run_queue *rq = sched_queue_lock(v, &flags);

	v->sched->has_yielded = true;
	lock_release_irq(&rq->lock, flags);
	work_raise(cpu_id(), WORK_SCHEDULE);
}

void vcpu_poll_begin(struct vcpu *v, const u32 *ports, u32 port_count)
{
	struct sched_vcpu *sv = v->sched;

	timer_cancel(&sv->poll_timer); /* an earlier poll's */
	atomic_store(&sv->poll_port, port_count == 1   ? ports[0]
				     : port_count == 0 ? POLL_NONE
						       : POLL_ANY);
	(void)atomic_add(&v->domain->poll_count, 1u);
	atomic_store(&sv->wait, (u32)WAIT_POLL);
	atomic_fence(); /* then the caller looks at the ports: pairs with vcpu_wake_poll()'s caller and vcpu_kick() */
}

void vcpu_poll_commit(struct vcpu *v, u64 timeout_ns)
{
	if (timeout_ns != 0)
		timer_set_on(&v->sched->poll_timer, v->cpu, timeout_ns);
	work_raise(cpu_id(), WORK_SCHEDULE);
}

void vcpu_poll_abort(struct vcpu *v)
{
	(void)wait_end(v);
}

static void poll_end(struct vcpu *v)
{
	if (atomic_load(&v->sched->wait) == WAIT_POLL && wait_end(v))
		vcpu_wake(v);
}

void sched_poll_expired(void *ctx)
{
	poll_end(ctx);
}

void vcpu_wake_poll(struct domain *d, u32 port)
{
	struct vcpu *v;

	for_each_vcpu(d, v) {
		u32 wanted;

		if (v->sched == NULL || atomic_load(&v->sched->wait) != WAIT_POLL)
			continue;
		wanted = atomic_load(&v->sched->poll_port);
		if (wanted == POLL_ANY || wanted == port)
			poll_end(v);
	}
}

void vcpu_sleep_nosync(struct vcpu *v)
{
	u64 flags;
	struct run_queue *rq = sched_queue_lock(v, &flags);

	if (vcpu_is_runnable(v)) {
		/* woken meanwhile */
	} else if (atomic_load(&v->is_running)) {
		work_raise(v->cpu, WORK_SCHEDULE);
	} else {
		if (v->sched->node.is_queued)
			sched_dequeue_locked(rq, v);
		sched_runstate_set_locked(v, sched_runstate_waiting(v), time_now_ns());
	}
	lock_release_irq(&rq->lock, flags);
}

void vcpu_sleep_sync(struct vcpu *v)
{
	vcpu_sleep_nosync(v);
	while (atomic_load(&v->is_running)) /* pairs with sched_switched() */
		hw_relax();
}

void vcpu_pause_nosync(struct vcpu *v)
{
	(void)atomic_add(&v->pause_count, 1u);
	vcpu_sleep_nosync(v);
}

void vcpu_pause(struct vcpu *v)
{
	(void)atomic_add(&v->pause_count, 1u);
	vcpu_sleep_sync(v);
}

void vcpu_unpause(struct vcpu *v)
{
	if (atomic_sub(&v->pause_count, 1u) == 0)
		vcpu_wake(v);
}

void domain_pause_nosync(struct domain *d)
{
	struct vcpu *v;

	for_each_vcpu(d, v)
		vcpu_pause_nosync(v);
}

void domain_pause(struct domain *d)
{
	struct vcpu *v;

	domain_pause_nosync(d);
	for_each_vcpu(d, v)
		vcpu_sleep_sync(v);
}

void domain_unpause(struct domain *d)
{
	struct vcpu *v;

	for_each_vcpu(d, v)
		vcpu_unpause(v);
}

/* SPDX-License-Identifier: MIT */
/*
 * Runstates: how long each vCPU ran, waited for a CPU, slept, was stopped; and the copy in guest memory. Reached from the
 * queues, hcall/ and the exit loop; calls the guest copy. Lock: the queue of v->cpu; none is held across a guest copy.
 */
#include "hw/mem.h"
#include "sched/priv.h"

int sched_runstate_waiting(const struct vcpu *v)
{
	if (atomic_load(&v->is_down))
		return RUNSTATE_offline;
	if (atomic_load(&v->sched->wait) !=
	    WAIT_NONE) /* the ABI: blocked is preferred over offline */
		return RUNSTATE_blocked;
	return atomic_load(&v->pause_count) != 0 ? RUNSTATE_offline : RUNSTATE_runnable;
}

void sched_runstate_set_locked(struct vcpu *v, int state, u64 now)
{
	struct vcpu_runstate_info *info = &v->sched->runstate;

	if (info->state == state)
		return;
	/* Another CPU may have read the clock a little later than this one. */
	if (now < info->state_entry_time)
		now = info->state_entry_time;
	info->time[info->state] += now - info->state_entry_time;
	info->state = state;
	info->state_entry_time = now;
}

void sched_runstate_get(struct vcpu *v, struct vcpu_runstate_info *info)
{
	u64 flags;
	struct run_queue *rq = sched_queue_lock(v, &flags);
	u64 now = time_now_ns();

	*info = v->sched->runstate;
	lock_release_irq(&rq->lock, flags);
	if (now > info->state_entry_time)
		info->time[info->state] += now - info->state_entry_time;
}

u64 sched_idle_ns(unsigned int cpu)
{
	struct vcpu_runstate_info info;

	sched_runstate_get(sched_queues[cpu].idle, &info);
	return info.time[RUNSTATE_running];
}

void sched_runstate_register(struct vcpu *v, gva_t va)
{
	atomic_store(&v->sched->published_ns, UINT64_MAX);
	atomic_store(&v->sched->area, gva_num(va));
}

bool sched_runstate_wanted(const struct vcpu *v)
{
	const struct sched_vcpu *sv = v->sched;

	return atomic_load(&sv->area) != 0 &&
	       (atomic_load(&sv->published_ns) != sv->runstate.state_entry_time ||
		sv->published_state != sv->runstate.state);
}

/*
 * With the guest's consent (vm_assist) the top bit of state_entry_time says that an update is under way: set before the
 * rest changes, cleared after. Guests of x86 see stores in order.
 */
static void area_write(gva_t area, struct vcpu_runstate_info *info, bool has_flag)
{
	gva_t entry_time = gva_add(area, offsetof(struct vcpu_runstate_info, state_entry_time));
	u64 time = info->state_entry_time;

	if (has_flag) {
		info->state_entry_time |= XEN_RUNSTATE_UPDATE;
		if (!hw_put_word(entry_time, info->state_entry_time))
			return;
	}
	(void)hw_put_words(area, (const u64 *)(const void *)info, sizeof(*info) / sizeof(u64));
	if (has_flag)
		(void)hw_put_word(entry_time, time);
}

void sched_runstate_publish(struct vcpu *v)
{
	struct sched_vcpu *sv = v->sched;
	u64 area = atomic_load(&sv->area);
	struct vcpu_runstate_info info;
	struct run_queue *rq = &sched_queues[v->cpu]; /* v is on it until sched_switched() */
	u64 flags;

	if (area == 0)
		return;
	flags = lock_acquire_irq(&rq->lock);
	info = sv->runstate;
	lock_release_irq(&rq->lock, flags);
	atomic_store(&sv->published_ns, info.state_entry_time);
	sv->published_state = info.state;
	area_write(gva_make(area), &info,
		   (atomic_load(&v->domain->vm_assist) & BIT(VMASST_TYPE_runstate_update_flag)) !=
			   0);
}

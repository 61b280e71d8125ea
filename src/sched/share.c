/* SPDX-License-Identifier: MIT */
/*
 * How much of the CPUs a domain gets: its weight, and its cap as a budget that a timer fills each period. While the budget is used
 * up none of its vCPUs is runnable; what was had too much is missing from the next period, so the mean holds. Reached from the
 * queues, the timer and tool calls. No lock: the budget is one atomic number.
 *
 * The timer is set while some of the budget has been used: by whoever takes the first of it, then by the timer itself.
 */
#include "mm/mm.h"
#include "sched/priv.h"

#define PERIOD_NS	10000000
#define PERIODS_DUE_MAX 100 /* so many are made up for, if the timer is late */
#define SAVED_MAX \
	4 /* periods that one may save up: it may have to wait for a CPU, and is charged late */
#define STEP_NS 250000 /* a domain with several vCPUs may have so much too much for each */

static s64 quota_ns(const struct sched_domain *sd)
{
	return (s64)atomic_load(&sd->cap) * PERIOD_NS / 100;
}

static void tick(struct sched_domain *sd, unsigned int cpu, u64 end_ns)
{
	atomic_store(&sd->period_end_ns, end_ns);
	timer_set_on(&sd->period, cpu, end_ns);
}

static void period_end(void *ctx)
{
	struct domain *d = ctx;
	struct sched_domain *sd = d->sched;
	u64 now = time_now_ns(), end = atomic_load(&sd->period_end_ns);
	u64 periods = now > end ? (now - end) / PERIOD_NS + 1 : 1;
	s64 quota = quota_ns(sd), due = quota * (s64)MIN(periods, (u64)PERIODS_DUE_MAX);
	s64 old = atomic_load(&sd->budget_ns), left;
	struct vcpu *v;

	do /* who was stopped until now gets all that is due */
		left = old <= 0 ? old + due : MIN(old + due, SAVED_MAX * quota);
	while (!atomic_cmpxchg(&sd->budget_ns, &old, left));
	if (old >= left || quota == 0) { /* nothing was used */
		atomic_store(&sd->is_ticking, false);
		atomic_fence(); /* pairs with sched_budget_spend() */
		if (atomic_load(&sd->budget_ns) >= left || atomic_exchange(&sd->is_ticking, true))
			return;
	}
	tick(sd, cpu_id(), end + periods * PERIOD_NS);
	if (old <= 0 && left > 0)
		for_each_vcpu(d, v)
			sched_reconsider(v);
}

void sched_budget_spend(const struct vcpu *v, u64 ns, u64 now)
{
	struct sched_domain *sd = v->domain->sched;

	if (atomic_load(&sd->cap) == 0)
		return;
	(void)atomic_sub(&sd->budget_ns, (s64)ns);
	if (!atomic_load(&sd->is_ticking) && !atomic_exchange(&sd->is_ticking, true))
		tick(sd, v->cpu, now - ns + PERIOD_NS);
}

bool sched_budget_is_spent(const struct sched_domain *sd)
{
	return atomic_load(&sd->cap) != 0 && atomic_load(&sd->budget_ns) <= 0;
}

u64 sched_budget_until(const struct vcpu *v, u64 now)
{
	s64 left = atomic_load(&v->domain->sched->budget_ns);

	if (atomic_load(&v->domain->sched->cap) == 0)
		return TIMER_NEVER;
	if (v->domain->vcpu_max > 1)
		left = MAX(left / v->domain->vcpu_max, (s64)STEP_NS);
	return now + (u64)MAX(left, (s64)0);
}

int sched_domain_init(struct domain *d, u32 pool)
{
	struct sched_domain *sd = heap_alloc(sizeof(*sd));

	if (sd == NULL)
		return err(ENOMEM);
	sd->weight = SCHED_WEIGHT_DEFAULT;
	timer_init(&sd->period, period_end, d, 0);
	d->sched = sd;
	return sched_pool_join(d, pool);
}

void sched_domain_destroy(struct domain *d)
{
	if (d->sched == NULL)
		return;
	timer_kill(&d->sched->period);
	sched_pool_leave(d);
	heap_free(d->sched);
	d->sched = NULL;
}

int sched_params_set(struct domain *d, u32 weight, u32 cap)
{
	struct sched_domain *sd = d->sched;
	struct vcpu *v;

	if (weight > SCHED_WEIGHT_MAX)
		return err(EINVAL);
	if (weight != 0)
		atomic_store(&sd->weight, weight);
	if (cap > 100 * d->vcpu_max)
		return err(EINVAL);
	if (atomic_exchange(&sd->cap, cap) == cap)
		return 0;
	atomic_store(&sd->budget_ns, quota_ns(sd));
	for_each_vcpu(d, v)
		sched_reconsider(v);
	return 0;
}

void sched_params_get(const struct domain *d, u32 *weight, u32 *cap)
{
	*weight = atomic_load(&d->sched->weight);
	*cap = atomic_load(&d->sched->cap);
}

/* SPDX-License-Identifier: MIT */
/*
 * Where vCPUs may run: hard affinity (never broken), soft affinity (preferred), pools of CPUs. A CPU is in one pool or in none, a
 * domain in one; at boot all are in pool 0. Reached from tool calls and domain creation; calls the queues. Locks: a vCPU's
 * affinity is under the queue of v->cpu; who is in which pool under pools_lock, read without it.
 */
#include "lib/string.h"
#include "sched/priv.h"

struct sched_pool sched_pools[POOLS_MAX]; /* by number */
static struct lock pools_lock = LOCK_INIT(LOCK_RANK_POOLS);

static struct sched_pool *cpu_pool(unsigned int cpu)
{
	return atomic_load(&sched_queues[cpu].pool);
}

static bool is_in_pool(const struct vcpu *v, unsigned int cpu)
{
	return cpumask_test(&cpu_online_mask, cpu) &&
	       cpu_pool(cpu) == atomic_load(&v->domain->sched->pool);
}

static bool is_hard(const struct sched_vcpu *sv, unsigned int cpu)
{
	return sv->pinned != 0 ? sv->pinned == cpu + 1 : cpumask_test(&sv->hard, cpu);
}

bool sched_cpu_allowed(const struct sched_vcpu *sv, unsigned int cpu)
{
	return is_hard(sv, cpu) && is_in_pool(sv->vcpu, cpu);
}

static bool has_cpu(const struct vcpu *v, const struct cpumask *hard)
{
	for (unsigned int cpu = 0; cpu < cpu_count; cpu++)
		if (cpumask_test(hard, cpu) && is_in_pool(v, cpu))
			return true;
	return false;
}

/* ---------------------------------------------------------------- affinity */

void sched_reconsider(struct vcpu *v)
{
	u64 flags;
	struct run_queue *rq = sched_queue_lock(v, &flags);

	if (v->sched->node.is_queued)
		sched_dequeue_locked(rq, v);
	else if (atomic_load(&v->is_running))
		work_raise(v->cpu, WORK_SCHEDULE);
	lock_release_irq(&rq->lock, flags);
	vcpu_wake(v);
}

int sched_affinity_set(struct vcpu *v, const struct cpumask *hard, const struct cpumask *soft,
		       bool is_forced)
{
	struct sched_vcpu *sv = v->sched;
	u64 flags;
	struct run_queue *rq = sched_queue_lock(v, &flags);
	int rc = 0;

	if (is_forced)
		sv->pinned = 0;
	if (hard != NULL && !has_cpu(v, hard)) {
		rc = err(EINVAL);
	} else if (sv->pinned != 0 && (hard != NULL || soft != NULL)) {
		rc = err(EBUSY);
	} else {
		sv->hard = hard != NULL ? *hard : sv->hard;
		sv->soft = soft != NULL ? *soft : sv->soft;
	}
	lock_release_irq(&rq->lock, flags);
	sched_reconsider(v);
	return rc;
}

void sched_affinity_get(struct vcpu *v, struct cpumask *hard, struct cpumask *soft,
			bool is_effective)
{
	const struct sched_vcpu *sv = v->sched;
	u64 flags;
	struct run_queue *rq = sched_queue_lock(v, &flags);

	*hard = *soft = (struct cpumask){0};
	for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
		if (is_effective && !sched_cpu_allowed(sv, cpu))
			continue;
		if (is_hard(sv, cpu))
			cpumask_set(hard, cpu);
		if (cpumask_test(&sv->soft, cpu))
			cpumask_set(soft, cpu);
	}
	lock_release_irq(&rq->lock, flags);
}

int sched_pin_override(struct vcpu *v, s32 cpu)
{
	struct sched_vcpu *sv = v->sched;
	u64 flags;
	struct run_queue *rq = sched_queue_lock(v, &flags);
	int rc = 0;

	if (cpu < 0 ? sv->pinned == 0 : (u32)cpu >= cpu_count || !is_in_pool(v, (u32)cpu))
		rc = err(EINVAL);
	else if (cpu >= 0 && sv->pinned != 0)
		rc = err(EBUSY);
	else
		sv->pinned = cpu >= 0 ? (u32)cpu + 1 : 0;
	lock_release_irq(&rq->lock, flags);
	sched_reconsider(v);
	return rc;
}

bool sched_is_pinned(struct vcpu *v)
{
	unsigned int count = 0;

	for (unsigned int cpu = 0; cpu < cpu_count; cpu++)
		count += sched_cpu_allowed(v->sched, cpu);
	return count == 1;
}

/* ---------------------------------------------------------------- pools */

static struct sched_pool *find_locked(u32 id)
{
	struct sched_pool *pool = &sched_pools[idx_nospec(id, POOLS_MAX)];

	return id < POOLS_MAX && pool->is_used ? pool : NULL;
}

/* The last CPU below `end` that is in this pool (NULL: in none); CPU_MAX: none is. */
static unsigned int cpu_below(unsigned int end, const struct sched_pool *pool)
{
	while (end > 0)
		if (cpu_pool(--end) == pool)
			return end;
	return CPU_MAX;
}

static int join_locked(struct domain *d, struct sched_pool *pool)
{
	if (pool == NULL)
		return err(ESRCH);
	if (cpu_below(cpu_count, pool) == CPU_MAX)
		return err(ENODEV);
	pool->domain_count++;
	atomic_store(&d->sched->pool, pool);
	return 0;
}

int sched_pool_join(struct domain *d, u32 id)
{
	int rc;

	lock_acquire(&pools_lock);
	rc = join_locked(d, find_locked(id));
	lock_release(&pools_lock);
	return rc;
}

void sched_pool_leave(struct domain *d)
{
	lock_acquire(&pools_lock);
	if (d->sched->pool != NULL)
		d->sched->pool->domain_count--;
	lock_release(&pools_lock);
}

u32 sched_pool_id(const struct domain *d)
{
	return (u32)(atomic_load(&d->sched->pool) - sched_pools);
}

/* New in its pool, or left by it without a CPU: it may run on all of them. */
static void settle(struct vcpu *v, bool is_new)
{
	struct sched_vcpu *sv = v->sched;
	u64 flags;
	struct run_queue *rq = sched_queue_lock(v, &flags);

	if (is_new || !has_cpu(v, &sv->hard))
		memset(&sv->hard, 0xff, sizeof(sv->hard));
	if (is_new) {
		sv->soft = sv->hard;
		sv->pinned = 0;
	}
	lock_release_irq(&rq->lock, flags);
	sched_reconsider(v);
}

/* What a CPU's leaving means to the vCPUs of its pool. is_asked: does anything keep it there? */
static bool vcpus_settle_locked(const struct sched_pool *pool, unsigned int cpu, bool is_asked)
{
	bool may_go = true;
	struct vcpu *v;

	for_each_domain(d)
		for_each_vcpu(d, v) {
			if (d->sched->pool == pool && !is_asked)
				settle(v, false);
			else
				may_go &= d->sched->pool != pool || v->sched->pinned != cpu + 1;
		}
	return may_go;
}

static int create_locked(struct xen_sysctl_cpupool_op *op)
{
	bool is_any = op->cpupool_id == XEN_SYSCTL_CPUPOOL_PAR_ANY;
	u32 id = is_any ? 1 : op->cpupool_id;

	while (is_any && find_locked(id) != NULL)
		id++;
	if (op->sched_id != XEN_SCHEDULER_CREDIT2)
		return err(ENOENT);
	if (find_locked(id) != NULL)
		return err(EEXIST);
	if (id >= POOLS_MAX)
		return err(ENOSPC);
	op->cpupool_id = id;
	sched_pools[id] = (struct sched_pool){true, 0, opt_sched_ratelimit_us};
	return 0;
}

static int cpu_add_locked(struct sched_pool *pool, u32 cpu)
{
	if (cpu == XEN_SYSCTL_CPUPOOL_PAR_ANY)
		cpu = cpu_below(cpu_count, NULL);
	else if (cpu >= cpu_count)
		return err(EINVAL);
	if (cpu == CPU_MAX || cpu_pool(cpu) != NULL)
		return err(ENODEV);
	atomic_store(&sched_queues[cpu].pool, pool);
	work_raise(cpu, WORK_SCHEDULE); /* there may be something for it to take */
	return 0;
}

static int cpu_remove_locked(const struct sched_pool *pool, u32 cpu)
{
	unsigned int last = cpu_below(cpu_count, pool);

	if (cpu == XEN_SYSCTL_CPUPOOL_PAR_ANY)
		cpu = last;
	if (cpu >= cpu_count || (cpu == 0 && pool == sched_pools))
		return err(EINVAL);
	if (cpu_pool(cpu) != pool)
		return err(EADDRNOTAVAIL);
	if (pool->domain_count != 0 && cpu_below(last, pool) == CPU_MAX)
		return err(EBUSY);
	if (!vcpus_settle_locked(pool, cpu, true))
		return err(EADDRINUSE);
	atomic_store(&sched_queues[cpu].pool, (struct sched_pool *)NULL);
	(void)vcpus_settle_locked(pool, cpu, false);
	return 0;
}

static int move_locked(struct sched_pool *pool, struct domain *d)
{
	struct sched_pool *from = d->sched->pool;
	struct vcpu *v;

	if (pool == from)
		return 0;
	if (join_locked(d, pool) != 0)
		return err(ENOENT);
	from->domain_count--;
	(void)sched_params_set(d, SCHED_WEIGHT_DEFAULT, 0);
	for_each_vcpu(d, v)
		settle(v, true);
	return 0;
}

/* The pool with that number or the next one. */
static int info_locked(struct xen_sysctl_cpupool_op *op, const struct sched_pool **shown)
{
	for (u32 id = op->cpupool_id; id < POOLS_MAX; id++) {
		*shown = find_locked(id);
		if (*shown == NULL)
			continue;
		op->cpupool_id = id;
		op->sched_id = XEN_SCHEDULER_CREDIT2;
		op->n_dom = (*shown)->domain_count;
		return 0;
	}
	return err(ENOENT);
}

static int op_locked(struct xen_sysctl_cpupool_op *op, struct domain *d,
		     const struct sched_pool **shown)
{
	struct sched_pool *pool = find_locked(op->cpupool_id);

	*shown = NULL;
	if (op->op == XEN_SYSCTL_CPUPOOL_OP_CREATE)
		return create_locked(op);
	if (op->op == XEN_SYSCTL_CPUPOOL_OP_INFO)
		return info_locked(op, shown);
	if (op->op == XEN_SYSCTL_CPUPOOL_OP_FREEINFO)
		return 0;
	if (pool == NULL)
		return err(ENOENT);
	switch (op->op) {
	case XEN_SYSCTL_CPUPOOL_OP_DESTROY:
		if (pool->domain_count != 0 || cpu_below(cpu_count, pool) != CPU_MAX)
			return err(EBUSY);
		pool->is_used = false;
		return 0;
	case XEN_SYSCTL_CPUPOOL_OP_ADDCPU:
		return cpu_add_locked(pool, op->cpu);
	case XEN_SYSCTL_CPUPOOL_OP_RMCPU:
		return cpu_remove_locked(pool, op->cpu);
	case XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN:
		return move_locked(pool, d);
	default:
		return err(ENOSYS);
	}
}

int sched_pool_op(struct xen_sysctl_cpupool_op *op, struct domain *d, struct cpumask *cpus)
{
	const struct sched_pool *pool;
	int rc;

	lock_acquire(&pools_lock);
	rc = op_locked(op, d, &pool);
	*cpus = (struct cpumask){0};
	for (unsigned int cpu = 0; cpu < cpu_count; cpu++)
		if (cpu_pool(cpu) == pool)
			cpumask_set(cpus, cpu);
	lock_release(&pools_lock);
	return rc;
}

int sched_ratelimit(u32 pool_id, u32 *us, bool is_set)
{
	struct sched_pool *pool;

	lock_acquire(&pools_lock);
	pool = find_locked(pool_id);
	if (pool != NULL && is_set)
		atomic_store(&pool->ratelimit_us, *us);
	else if (pool != NULL)
		*us = pool->ratelimit_us;
	lock_release(&pools_lock);
	return pool != NULL ? 0 : err(ESRCH);
}

/* SPDX-License-Identifier: MIT */
/*
 * Ticket locks with ranks. Reached from everywhere; calls only the seam. Debug builds keep the ranks that each CPU holds
 * and stop on a wrong order.
 */
#include "core/lock.h"

#include "core/atomic.h"
#include "core/cpu.h"
#include "core/err.h"

static u64 ranks_held[CPU_MAX]; /* a bit for each rank; this CPU's alone */

static void rank_enter(const struct lock *lock)
{
	if (MICA_DEBUG) {
		BUG_ON(ranks_held[cpu_id()] >> lock->rank);
		ranks_held[cpu_id()] |= BIT(lock->rank);
	}
}

static void rank_leave(const struct lock *lock)
{
	if (MICA_DEBUG)
		ranks_held[cpu_id()] &= ~BIT(lock->rank);
}

u64 lock_ranks_swap(u64 ranks)
{
	u64 before = 0;

	if (MICA_DEBUG) {
		before = ranks_held[cpu_id()];
		ranks_held[cpu_id()] = ranks;
	}
	return before;
}

void lock_init(struct lock *lock, enum lock_rank rank)
{
	*lock = (struct lock){.rank = (u16)rank};
}

/* Apart, so that who does not wait needs no frame. */
static NOINLINE u64 wait(const struct lock *lock, u16 ticket, u64 flags)
{
	while (atomic_load(&lock->owner) != ticket)
		hw_relax();
	return flags;
}

static inline u64 acquire(struct lock *lock, u64 flags)
{
	u16 ticket = (u16)(atomic_add(&lock->next, 1) - 1);

	rank_enter(lock);
	if (unlikely(atomic_load(&lock->owner) != ticket)) /* pairs with lock_release() */
		return wait(lock, ticket, flags);
	return flags;
}

void lock_acquire(struct lock *lock)
{
	(void)acquire(lock, 0);
}

void lock_release(struct lock *lock)
{
	rank_leave(lock);
	atomic_store(&lock->owner, (u16)(lock->owner + 1));
}

u64 lock_acquire_irq(struct lock *lock)
{
	return acquire(lock, hw_irq_save());
}

void lock_release_irq(struct lock *lock, u64 flags)
{
	lock_release(lock);
	hw_irq_restore(flags);
}

/* SPDX-License-Identifier: MIT */
/*
 * Spin locks, each with a rank: a CPU that holds one may take only locks of a higher rank. Debug builds stop on a
 * wrong order. Reached from everywhere; calls only the seam. A lock taken anywhere with interrupts on must never be
 * taken in an interrupt handler; those that are use the _irq forms everywhere.
 *
 * Waiting polls the flush mailbox (hw_relax), so a holder that waits for our TLB flush does not wait for ever.
 */
#pragma once

#include "lib/types.h"

/* The only list of ranks, outermost first. */
enum lock_rank {
	LOCK_RANK_POOLS = 1,	/* which CPUs and domains are in which pool */
	LOCK_RANK_DOMLIST,	/* the table of domains */
	LOCK_RANK_DOMAIN,	/* a domain's slow state */
	LOCK_RANK_PHYSDEV,	/* PCI devices and MSI known to the machine */
	LOCK_RANK_GRANT,	/* a grant table */
	LOCK_RANK_MAPTRACK,	/* a domain's grant handles */
	LOCK_RANK_LDT,		/* which pages of a vCPU's LDT are mapped */
	LOCK_RANK_EVTCHN_A,	/* ends of interdomain channels, all domains */
	LOCK_RANK_EVTCHN_B,	/* a domain's ports; one domain at a time */
	LOCK_RANK_PIRQ,		/* a domain's physical interrupts */
	LOCK_RANK_VMAP,		/* the hypervisor's own page tables */
	LOCK_RANK_MIRROR,	/* mirrors of a domain's page tables */
	LOCK_RANK_PAGELIST,	/* a domain's list of frames */
	LOCK_RANK_HEAP,		/* slabs */
	LOCK_RANK_BUDDY,	/* free frames */
	LOCK_RANK_EVTCHN_QUEUE, /* a vCPU's event queues; taken with interrupts off */
	LOCK_RANK_SCHED,	/* a CPU's run queue; never two */
	LOCK_RANK_TIMER,	/* a CPU's timer heap */
	LOCK_RANK_IRQ,		/* one interrupt's descriptor */
	LOCK_RANK_IRQCHIP,	/* IO-APIC and MSI registers, PCI configuration ports */
	LOCK_RANK_TIME,		/* calibration, RTC */
	LOCK_RANK_FLUSH,	/* the flush mailbox */
	LOCK_RANK_CONSOLE,	/* the log ring and the UART */
};

struct lock {
	u16 next;  /* [a] ticket to be given out */
	u16 owner; /* [a] ticket that holds the lock */
	u16 rank;  /* [c] enum lock_rank */
};

#define LOCK_INIT(rank_name)        \
	{                           \
		.rank = (rank_name) \
	}

void lock_init(struct lock *lock, enum lock_rank rank);
void lock_acquire(struct lock *lock);
void lock_release(struct lock *lock);
/* With interrupts off while held; what it returns goes to lock_release_irq(). */
u64 lock_acquire_irq(struct lock *lock);
void lock_release_irq(struct lock *lock, u64 flags);

/*
 * LOCK_SCOPE(&lock) holds it until the end of the block, however that is left: a value that is returned is computed under
 * it. LOCK_SCOPE_IRQ(&lock): with interrupts off.
 */
struct lock_scope {
	struct lock *lock;
	u64 flags;
};
static inline struct lock *lock_scope_begin(struct lock *lock)
{
	lock_acquire(lock);
	return lock;
}
static inline void lock_scope_end(struct lock *const *lock)
{
	lock_release(*lock);
}
static inline void lock_scope_end_irq(const struct lock_scope *scope)
{
	lock_release_irq(scope->lock, scope->flags);
}
#define LOCK_SCOPE_PASTE(line) lock_scope_##line
#define LOCK_SCOPE_NAME(line)  LOCK_SCOPE_PASTE(line)
#define LOCK_SCOPE(ptr)         \
	AT_EXIT(lock_scope_end) \
	struct lock *const LOCK_SCOPE_NAME(__LINE__) = lock_scope_begin(ptr)
#define LOCK_SCOPE_IRQ(ptr)         \
	AT_EXIT(lock_scope_end_irq) \
	const struct lock_scope LOCK_SCOPE_NAME(__LINE__) = {ptr, lock_acquire_irq(ptr)}

/*
 * An interrupt begins with no ranks (0) and gives back what was held when it ends: locks that it takes are never held with
 * interrupts on, so their order is their own.
 */
u64 lock_ranks_swap(u64 ranks);

/* SPDX-License-Identifier: MIT */
/*
 * Vectors 0x30..0xef of each CPU: which interrupt each belongs to. A vector given back keeps pointing to its last owner for
 * a while, so that an interrupt that was already on its way is told apart from nonsense; after the grace time it may be
 * given to another. Reached from irq/ (also from interrupt handlers, but for vector_prepare()); one lock of rank IRQCHIP.
 */
#include "core/atomic.h"
#include "hw/clock.h"
#include "irq/priv.h"
#include "lib/errno.h"
#include "mm/mm.h"

#define VECTOR_COUNT (IRQ_VECTOR_LAST - IRQ_VECTOR_FIRST + 1)
#define GRACE_MS     100 /* Mica never keeps interrupts off for a hundredth of that */

struct slot {
	struct irq *irq;
	u64 retired_tsc; /* 0: in use or never used */
};

struct vector_table {
	struct slot slot[VECTOR_COUNT]; /* [l] */
	unsigned int next; /* [l] where the search begins: a vector rests before it is used again */
};

static struct lock vector_lock = LOCK_INIT(LOCK_RANK_IRQCHIP);
static struct vector_table *tables[CPU_MAX]; /* [a] set once */

int vector_prepare(unsigned int cpu)
{
	struct vector_table *old = NULL, *table;

	if (atomic_load(&tables[cpu]))
		return 0;
	table = heap_alloc(sizeof(*table));
	if (!table)
		return err(ENOMEM);
	if (!atomic_cmpxchg(&tables[cpu], &old, table))
		heap_free(table); /* another CPU was first */
	return 0;
}

static bool slot_is_free(const struct slot *slot, u64 now)
{
	if (!slot->irq)
		return true;
	return slot->retired_tsc && now - slot->retired_tsc > hw_tsc_khz * GRACE_MS;
}

static bool run_is_free(const struct vector_table *table, unsigned int first, u32 count, u64 now)
{
	for (u32 i = 0; i < count; i++)
		if (!slot_is_free(&table->slot[first + i], now))
			return false;
	return true;
}

u8 vector_alloc(unsigned int cpu, struct irq *const *irqs, u32 count)
{
	struct vector_table *table = atomic_load(&tables[cpu]);
	u64 now = hw_tsc();

	if (!table || count == 0 || count > VECTOR_COUNT)
		return 0;
	LOCK_SCOPE_IRQ(&vector_lock);
	for (unsigned int tries = 0; tries < VECTOR_COUNT / count; tries++) {
		/* IRQ_VECTOR_FIRST is a multiple of 16, not of 32: align the vector, not the index. */
		unsigned int first = ROUND_UP(table->next + IRQ_VECTOR_FIRST, count) -
				     IRQ_VECTOR_FIRST;

		if (first + count > VECTOR_COUNT)
			first = ROUND_UP((unsigned int)IRQ_VECTOR_FIRST, count) - IRQ_VECTOR_FIRST;
		table->next = first + count;
		if (!run_is_free(table, first, count, now))
			continue;
		for (u32 i = 0; i < count; i++)
			table->slot[first + i] = (struct slot){.irq = irqs[i]};
		return (u8)(IRQ_VECTOR_FIRST + first);
	}
	return 0;
}

bool vector_claim(unsigned int cpu, u8 vector, struct irq *irq)
{
	struct vector_table *table = atomic_load(&tables[cpu]);
	struct slot *slot;

	if (!table || vector < IRQ_VECTOR_FIRST || vector > IRQ_VECTOR_LAST)
		return false;
	slot = &table->slot[vector - IRQ_VECTOR_FIRST];
	LOCK_SCOPE_IRQ(&vector_lock);
	if (!slot_is_free(slot, hw_tsc()))
		return false;
	*slot = (struct slot){.irq = irq};
	return true;
}

void vector_free(unsigned int cpu, u8 vector)
{
	LOCK_SCOPE_IRQ(&vector_lock);
	/* | 1: the TSC may be 0, which would mean "in use". */
	atomic_load(&tables[cpu])->slot[vector - IRQ_VECTOR_FIRST].retired_tsc = hw_tsc() | 1;
}

struct irq *vector_find(unsigned int cpu, u8 vector)
{
	struct vector_table *table = atomic_load(&tables[cpu]);

	if (!table || vector < IRQ_VECTOR_FIRST || vector > IRQ_VECTOR_LAST)
		return NULL;
	/* No lock: one word; who is told late is told apart by irq_dispatch(). */
	return atomic_load(&table->slot[vector - IRQ_VECTOR_FIRST].irq);
}

/* SPDX-License-Identifier: MIT */
/*
 * Interrupts between CPUs, and the flush mailbox: one request at a time (LOCK_RANK_FLUSH), each CPU asked answers by clearing
 * its bit, from the IPI or from any loop in which it waits (hw_relax). Reached from core and mm.
 */
#include "core/cpu.h"
#include "core/lock.h"
#include "hw/asm.h"
#include "hw/clock.h"
#include "hw/flush.h"
#include "hw/lapic.h"
#include "hw/mem.h"
#include "hw/vectors.h"
#include "lib/bits.h"

struct cpu *hw_cpus[CPU_MAX];
u32 hw_cpu_apic_id[CPU_MAX];
void (*hw_flush_answer)(unsigned int kind, u64 va);

static struct lock flush_lock = LOCK_INIT(LOCK_RANK_FLUSH);
static struct {
	struct cpumask waiting; /* [a] who has not answered */
	unsigned int kind;	/* [l] */
	u64 va;			/* [l] */
} mailbox;

void hw_ipi_send(unsigned int cpu, enum ipi ipi)
{
	static const u8 vectors[IPI_COUNT] = {[IPI_WORK] = VECTOR_IPI_WORK,
					      [IPI_FLUSH] = VECTOR_IPI_FLUSH,
					      [IPI_STOP] = VECTOR_IPI_STOP};

	perf_count(ipis);
	hw_lapic_send(hw_cpu_apic_id[cpu], vectors[ipi]);
}

void hw_flush_poll(void)
{
	unsigned int cpu = hw_cpu_id();
	u64 flags;

	if (!cpumask_test(&mailbox.waiting, cpu)) /* pairs with hw_flush_mask() */
		return;
	/* An IPI between here and the end would answer, and what is cleared then is the next request. */
	flags = hw_irq_save();
	if (cpumask_test(&mailbox.waiting, cpu)) {
		hw_flush_answer(mailbox.kind, mailbox.va);
		cpumask_clear(&mailbox.waiting, cpu);
	}
	hw_irq_restore(flags);
}

static bool is_answered(void)
{
	for (unsigned int i = 0; i * 64 < cpu_count; i++)
		if (atomic_load(&mailbox.waiting.bits[i]) != 0)
			return false;
	return true;
}

void hw_flush_mask(const struct cpumask *mask, unsigned int kind, u64 va)
{
	unsigned int self;

	LOCK_SCOPE(&flush_lock);
	self = hw_cpu_id();
	mailbox.kind = kind;
	mailbox.va = va;
	for (unsigned int i = 0; i * 64 < cpu_count; i++) {
		u64 word = atomic_load(&mask->bits[i]);
		unsigned int bit;

		for_each_set_bit(bit, word) {
			if (i * 64 + bit == self)
				continue;
			cpumask_set(&mailbox.waiting, i * 64 + bit);
			hw_ipi_send(i * 64 + bit, IPI_FLUSH);
		}
	}
	if (cpumask_test(mask, self))
		hw_flush_answer(kind, va);
	while (!is_answered())
		__asm__ volatile("pause");
}

void hw_flush_tlb_local(void)
{
	u64 cr4 = hw_cr4_read();

	if ((cr4 & CR4_PGE) == 0) { /* nothing is global under page-table isolation */
		hw_cr3_write(hw_cr3_read());
		return;
	}
	hw_cr4_write(cr4 & ~CR4_PGE);
	hw_cr4_write(cr4);
}

void hw_flush_tlb_va_local(u64 va)
{
	__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

void hw_flush_cache_local(void)
{
	__asm__ volatile("wbinvd" : : : "memory");
}

void hw_flush_frame_cache(mfn_t mfn)
{
	const char *line = hw_frame_map(mfn);

	for (size_t at = 0; at < PAGE_SIZE; at += 64)
		__asm__ volatile("clflush (%0)" : : "r"(line + at) : "memory");
}

/* Those that never ask pay one store: the clock is read first at the first question. */
bool hw_preempt_wanted(void)
{
	struct cpu *cpu = hw_this_cpu();
	u64 now;

	if (work_is_raised())
		return true;
	now = hw_tsc();
	if (cpu->preempt_tsc == 0)
		cpu->preempt_tsc = now;
	return now - cpu->preempt_tsc >= hw_tsc_khz / 5;
}

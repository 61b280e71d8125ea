/* SPDX-License-Identifier: MIT */
/*
 * Seam: which CPU this is, its interrupt flag, waiting, IPIs and the wish to be preempted. The real machine's side; the
 * host tests have their own (test/fake/hw/cpu.h). No lock.
 */
#ifndef HW_CPU_H
#define HW_CPU_H

#include "lib/perf.h"
#include "lib/types.h"

/*
 * Each CPU has one aligned block: this structure at its foot, then guard page, IST stacks, main stack. So C finds
 * its CPU from the stack pointer alone.
 */
#define CPU_BLOCK_SIZE 0x10000ul

struct vcpu;

struct cpu {
	unsigned int id;      /* [c] 0 .. CPU_MAX - 1 */
	u32 apic_id;	      /* [c] */
	u64 work;	      /* [a] its work bits (core/cpu.h) */
	struct vcpu *current; /* [v] who runs (idle vcpu when nobody does) */
	struct vcpu *loaded;  /* [v] whose registers it has: also of who is parked; or NULL */
	void *entry;	      /* [c] this CPU's entry data page (struct entry_cpu) */
	void *tss;	      /* [c] */
	u64 *gdt;	      /* [c] page with the reserved descriptors */
	mfn_t gdt_mfn;	      /* [c] */
	u32 tsc_aux;	      /* [v] what its TSC_AUX holds */
	u64 preempt_tsc;      /* [v] when hw_preempt_wanted() was first asked; 0: not yet */
	struct perf perf;
};

static inline struct cpu *hw_this_cpu(void)
{
	u64 rsp;

	__asm__("mov %%rsp, %0"
		: "=r"(rsp)); /* not volatile: wherever C looks, it is the same block */
	return (struct cpu *)(rsp & ~(CPU_BLOCK_SIZE - 1));
}

/* Another CPU's, once it is up. */
extern struct cpu *hw_cpus[]; /* [c] */
static inline struct cpu *hw_cpu(unsigned int id)
{
	return hw_cpus[id];
}

static inline unsigned int hw_cpu_id(void)
{
	return hw_this_cpu()->id;
}

static inline u64 hw_irq_save(void)
{
	u64 flags;

	__asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
	return flags;
}
static inline void hw_irq_restore(u64 flags)
{
	if (flags & 0x200)
		__asm__ volatile("sti" : : : "memory");
}
static inline void hw_irq_enable(void)
{
	__asm__ volatile("sti" : : : "memory");
}
static inline void hw_irq_disable(void)
{
	__asm__ volatile("cli" : : : "memory");
}

/* In every loop that waits for another CPU: rests, and answers a flush request that could be waiting for us. */
void hw_flush_poll(void);
static inline void hw_relax(void)
{
	__asm__ volatile("pause");
	hw_flush_poll();
}

/* Interrupts off: rests until the next one, which STI's shadow keeps from coming before HLT. */
static inline void hw_idle(void)
{
	__asm__ volatile("sti; hlt; cli" : : : "memory");
}
NORETURN static inline void hw_halt(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

enum ipi {
	IPI_WORK,  /* look at your work bits and pending events */
	IPI_FLUSH, /* look at your flush mailbox */
	IPI_STOP,  /* the machine goes down */
	IPI_COUNT
};
void hw_ipi_send(unsigned int cpu, enum ipi ipi);

/*
 * True when a long operation should save its progress and return -ERESTART: work or an event waits for this CPU, or much
 * time has gone by since it was first asked. To be asked each 300,000 instructions at least.
 */
bool hw_preempt_wanted(void);
/* An entry begins. */
static inline void hw_preempt_begin(void)
{
	hw_this_cpu()->preempt_tsc = 0;
}

#endif

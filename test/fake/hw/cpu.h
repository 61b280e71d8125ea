/* SPDX-License-Identifier: MIT */
/*
 * Fake seam: CPUs are numbers that a thread (or the single-threaded test) takes on by setting fake_cpu. See fake.h for
 * what tests steer.
 */
#ifndef HW_CPU_H
#define HW_CPU_H

#include "lib/perf.h"
#include "lib/types.h"

#define CPU_BLOCK_SIZE 0x10000ul

struct vcpu;

struct cpu {
	unsigned int id;
	u32 apic_id;
	u64 work;
	struct vcpu *current;
	struct vcpu *loaded;
	void *entry;
	void *tss;
	u64 *gdt;
	mfn_t gdt_mfn;
	u32 tsc_aux;
	struct perf perf;
};

#define FAKE_CPU_MAX 256
extern struct cpu fake_cpus[FAKE_CPU_MAX];
extern _Thread_local unsigned int fake_cpu; /* which CPU this thread is */

static inline struct cpu *hw_this_cpu(void)
{
	fake_cpus[fake_cpu].id = fake_cpu;
	return &fake_cpus[fake_cpu];
}
static inline struct cpu *hw_cpu(unsigned int id)
{
	return &fake_cpus[id];
}
static inline unsigned int hw_cpu_id(void)
{
	return fake_cpu;
}

extern _Thread_local bool fake_irq_off;
static inline u64 hw_irq_save(void)
{
	u64 flags = fake_irq_off ? 0 : 0x200;

	fake_irq_off = true;
	return flags;
}
static inline void hw_irq_restore(u64 flags)
{
	if (flags & 0x200)
		fake_irq_off = false;
}
static inline void hw_irq_enable(void)
{
	fake_irq_off = false;
}
static inline void hw_irq_disable(void)
{
	fake_irq_off = true;
}
static inline bool hw_irq_is_enabled(void)
{
	return !fake_irq_off;
}

void hw_flush_poll(void);
void hw_relax(void);

/* A CPU without work: back to the test (test/fake/whole.c). */
void hw_idle(void);
__attribute__((noreturn)) void hw_halt(void);

enum ipi { IPI_WORK, IPI_FLUSH, IPI_STOP, IPI_COUNT };
void hw_ipi_send(unsigned int cpu, enum ipi ipi);
bool hw_preempt_wanted(void);
static inline void hw_preempt_begin(void)
{
}

#endif

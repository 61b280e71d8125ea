/* SPDX-License-Identifier: MIT */
/* Work bits: how a lower layer asks the exit loop of a CPU for something. Pairs with entry/run.c. No lock. */
#include "core/cpu.h"

struct cpumask cpu_online_mask;
unsigned int cpu_count;

u64 work_bits[CPU_MAX];
struct perf *cpu_perf[CPU_MAX];

void work_raise(unsigned int cpu, enum work_bit bit)
{
	/* pairs with work_take(): the bit is set before the IPI leaves */
	u64 before = atomic_fetch_or(&work_bits[cpu], BIT(bit));

	if (cpu != cpu_id() && (before & BIT(bit)) == 0)
		hw_ipi_send(cpu, IPI_WORK);
}

u64 work_take(void)
{
	return atomic_exchange(&work_bits[cpu_id()], 0);
}

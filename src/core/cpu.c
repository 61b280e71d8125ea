/* SPDX-License-Identifier: MIT */
/* Work bits: how a lower layer asks the exit loop of a CPU for something. Pairs with entry/run.c. No lock. */
#include "core/cpu.h"

struct cpumask cpu_online_mask;
unsigned int cpu_count;

void work_raise(unsigned int cpu, enum work_bit bit)
{
	/* pairs with work_take(): the bit is set before the IPI leaves */
	u64 before = atomic_fetch_or(&hw_cpu(cpu)->work, BIT(bit));

	if (cpu != cpu_id() && (before & BIT(bit)) == 0)
		hw_ipi_send(cpu, IPI_WORK);
}

u64 work_take(void)
{
	return atomic_exchange(&hw_this_cpu()->work, 0);
}

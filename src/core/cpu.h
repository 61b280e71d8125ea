/* SPDX-License-Identifier: MIT */
/*
 * The CPUs of the machine as C sees them: a number, sets of numbers, and the work bits by which a lower layer asks
 * the exit loop (entry/run.c) for something. Per-CPU state of a module is a static array of its own, indexed by
 * cpu_id(). No lock.
 */
#pragma once

#include "core/atomic.h"
#include "hw/cpu.h"
#include "lib/types.h"

#define CPU_MAX 256

struct cpumask {
	u64 bits[CPU_MAX / 64];
};

/* Something for the exit loop of a CPU to do before it returns to a guest; the handlers are in entry/run.c. */
enum work_bit {
	WORK_SCHEDULE, /* choose again who runs */
	WORK_TIMER,    /* timers have expired */
	WORK_NMI,      /* an NMI came: debug or Domain 0's */
	WORK_CONSOLE,  /* the console ring has news for Domain 0 */
	WORK_KEY,      /* a serial key was pressed */
	WORK_REAP,     /* a dying domain lost its last reference */
	WORK_CRASH,    /* a domain was crashed, or Domain 0 has ended */
	WORK_MEMORY,   /* memory has become scarce */
	WORK_COUNT
};

extern struct cpumask cpu_online_mask; /* [a] bits set by boot, cleared at the end */
extern unsigned int cpu_count;	       /* [c] after boot: CPUs online are 0 .. cpu_count - 1 */

static inline unsigned int cpu_id(void)
{
	return hw_cpu_id();
}

static inline bool cpumask_test(const struct cpumask *mask, unsigned int cpu)
{
	return atomic_bit_test(mask->bits, cpu);
}
static inline void cpumask_set(struct cpumask *mask, unsigned int cpu)
{
	(void)atomic_bit_set(mask->bits, cpu);
}
static inline void cpumask_clear(struct cpumask *mask, unsigned int cpu)
{
	(void)atomic_bit_clear(mask->bits, cpu);
}

/* Raises a work bit on a CPU; sends it an IPI if it is not this one. Safe from interrupt handlers. */
void work_raise(unsigned int cpu, enum work_bit bit);
/* This CPU's raised bits, taken (cleared). */
u64 work_take(void);
static inline bool work_is_raised(void)
{
	return atomic_load(&hw_this_cpu()->work) != 0;
}

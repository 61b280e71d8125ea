/* SPDX-License-Identifier: MIT */
/*
 * What `xenperf` shows: how often each CPU did what costs. Counters lie in the CPU's block, so one is an instruction, three when
 * its address is not at hand. Each is written by its CPU alone; readers take what they find. What the stubs bounce without C
 * (system calls and page faults of a guest's user, iret) is not counted: it costs too little. No lock.
 */
#pragma once

#include "lib/types.h"

#define PERF_HYPERCALLS 64
#define PERF_EXCEPTIONS 32
/* name, values: an array's are summed over CPUs, of the others each CPU has one */
#define PERF_LIST(ARRAY, ONE)                                              \
	ARRAY(hypercalls, PERF_HYPERCALLS) /* by number */                 \
	ARRAY(exceptions, PERF_EXCEPTIONS) /* that came to C, by vector */ \
	ONE(interrupts)			   /* while a guest ran */         \
	ONE(syscalls_slow)		   /* of a guest's user, by C */   \
	ONE(vcpu_switches)                                                 \
	ONE(cr3_loads) /* by C */                                          \
	ONE(tlb_flushes)                                                   \
	ONE(ipis)                                                          \
	ONE(ptwr)	/* writes to page tables, emulated */              \
	ONE(privileged) /* instructions, emulated */                       \
	ONE(upcalls)	/* a vCPU had no event pending, and now has */

#define ARRAY(name, count) u64 name[count];
#define ONE(name)	   u64 name;
struct perf {
	PERF_LIST(ARRAY, ONE)
};
#undef ARRAY
#undef ONE

#define perf_count(counter) ((void)hw_this_cpu()->perf.counter++)

/* SPDX-License-Identifier: MIT */
/*
 * Two or three CPUs of the fake machine taken through their interleavings, step by step. A step is an access to a
 * shared word (core/atomic.h) or a rest (hw_relax). All schedules with at most so many preemptions are run, depth
 * first, then random ones. Every CPU has a TLB, which keeps what it loaded until it is flushed; at each step no TLB
 * may hold what its CPU must not reach.
 */
#ifndef INTERLEAVE_H
#define INTERLEAVE_H

#include "mm_world.h"

struct scenario {
	const char *name;
	unsigned int cpus;
	unsigned int preemptions; /* bound of the exhaustive part */
	unsigned int random_runs; /* after it */
	void (*setup)(void);	  /* before each schedule, on CPU 0, alone */
	void (*body[3])(void);
	void (*check)(void); /* after each schedule, alone */
};

/* Runs all schedules; aborts with the schedule if something is wrong. Returns how many were run. */
unsigned long interleave(const struct scenario *scenario);

/* The guest uses the entry at pte on this CPU: from the TLB, or loaded now. False: a page fault. */
bool guest_access(maddr_t pte, bool write);
/* Forget all TLBs (setup). */
void tlb_reset(void);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Two or three CPUs taken through their interleavings, step by step, without memory or TLBs (interleave.h has those). A
 * step is an access to a shared word (core/atomic.h) or a rest (hw_relax). All schedules with at most so many preemptions
 * are run, depth first, then random ones.
 */
#ifndef FIBERS_H
#define FIBERS_H

#include "fake.h"

#define FIBERS_MAX 3

struct fiber_case {
	const char *name;
	unsigned int cpus;
	unsigned int preemptions;    /* bound of the exhaustive part */
	unsigned long schedules_max; /* of the exhaustive part; 0: all */
	unsigned int random_runs;    /* after it */
	void (*setup)(void);	     /* before each schedule, alone */
	void (*body[FIBERS_MAX])(void);
	void (*idle)(void);  /* again and again on a CPU whose body has returned; NULL: nothing */
	void (*check)(void); /* after each schedule, alone */
};

/* Runs them; aborts with the schedule if somebody waits for ever. Returns how many were run. */
unsigned long fibers_run(const struct fiber_case *which);
/* Says the schedule and aborts. */
void fibers_fail(const char *what);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The read section of senders, and waiting for them. A CPU counts how deep it is inside (an interrupt may send while the
 * hypercall that it interrupted sends); a waiter looks at each CPU once and waits only for those inside. Reached from
 * the other files of evtchn/; calls the seam. No lock: a reader never waits for a waiter.
 */
#include "evtchn/priv.h"

#include "core/cpu.h"

/* depth 0..7; above it a count of how often the depth came back to 0 */
#define READER_DEPTH_MASK 0xffull
#define READER_LEFT	  0x100ull

static struct {
	u64 word; /* [a] written by its CPU alone */
} ALIGNED(64) readers[CPU_MAX];

void grace_enter(void)
{
	/* A full barrier: what the reader loads now is at least as new as what a waiter that missed us stored. */
	(void)atomic_add(&readers[cpu_id()].word, 1);
}

void grace_exit(void)
{
	u64 *word = &readers[cpu_id()].word;
	u64 old = atomic_load(word); /* an interrupt in between leaves it as it is */

	atomic_store(word, (old & READER_DEPTH_MASK) == 1 ? old - 1 + READER_LEFT : old - 1);
}

void grace_wait(void)
{
	ASSERT((atomic_load(&readers[cpu_id()].word) & READER_DEPTH_MASK) == 0);
	atomic_fence(); /* pairs with grace_enter() */
	for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
		u64 seen = atomic_load(&readers[cpu].word);

		if ((seen & READER_DEPTH_MASK) == 0)
			continue;
		for (;;) {
			u64 now = atomic_load(&readers[cpu].word);

			if ((now & READER_DEPTH_MASK) == 0 ||
			    ((now ^ seen) & ~READER_DEPTH_MASK) != 0)
				break;
			hw_relax();
		}
	}
}

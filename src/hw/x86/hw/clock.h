/* SPDX-License-Identifier: MIT */
/*
 * Seam: the time-stamp counter and the one hardware timer of each CPU. No lock.
 */
#ifndef HW_CLOCK_H
#define HW_CLOCK_H

#include "lib/types.h"

static inline u64 hw_tsc(void)
{
	u32 low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
	return (u64)high << 32 | low;
}
extern u64 hw_tsc_khz; /* [c] after hw_clock_init() */
/* Arms this CPU's one-shot timer to interrupt when the TSC reaches the value (at once if past); 0: disarms. */
void hw_timer_arm_tsc(u64 tsc);

#endif

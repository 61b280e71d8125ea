/* SPDX-License-Identifier: MIT */
/* Fake seam: a TSC that the test sets; each reading moves it by fake_tsc_step. */
#ifndef HW_CLOCK_H
#define HW_CLOCK_H

#include "lib/types.h"

extern u64 fake_tsc;
extern u64 fake_tsc_step;
extern u64 fake_timer_tsc; /* what hw_timer_arm_tsc() was last told */
extern u64 hw_tsc_khz;

static inline u64 hw_tsc(void)
{
	return __atomic_add_fetch(&fake_tsc, fake_tsc_step, __ATOMIC_RELAXED);
}
void hw_timer_arm_tsc(u64 tsc);

#endif

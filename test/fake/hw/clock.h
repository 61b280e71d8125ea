/* SPDX-License-Identifier: MIT */
/* Fake seam: a TSC that the test sets; each reading moves it by fake_tsc_step. */
#ifndef HW_CLOCK_H
#define HW_CLOCK_H

#include "lib/types.h"

extern u64 fake_tsc;
extern u64 fake_tsc_step;
extern u64 fake_timer_tsc; /* what hw_timer_arm_tsc() was last told */
extern u64 hw_tsc_khz;
extern bool hw_tsc_is_stable;
extern unsigned int opt_tsc;

static inline u64 hw_tsc(void)
{
	return __atomic_add_fetch(&fake_tsc, fake_tsc_step, __ATOMIC_RELAXED);
}
void hw_timer_arm_tsc(u64 tsc);
void hw_timer_init(void);

struct hw_date {
	unsigned int year, month, day, hour, minute, second;
};
extern struct hw_date fake_date; /* year 0: the clock does not answer */
int hw_rtc_read(struct hw_date *date);

#endif

/* SPDX-License-Identifier: MIT */
/* Between clock.c, which measures, and timer.c, which is measured. Boot CPU only. No lock. */
#ifndef HW_TIMER_H
#define HW_TIMER_H

#include "lib/types.h"

/* False: a TSC-deadline timer, there is nothing to measure. Otherwise the counter runs down from 2^32 - 1. */
bool hw_timer_calibrate_start(void);
u32 hw_timer_count(void);
/* So many ticks of the counter in so many of the TSC; false: it does not tick. */
bool hw_timer_calibrate_end(u64 timer_ticks, u64 tsc_ticks);

#endif

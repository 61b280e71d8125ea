/* SPDX-License-Identifier: MIT */
/* What time's files share, and the pure arithmetic that the host tests look at. No lock. */
#pragma once

#include "lib/types.h"

#define NS_PER_SECOND 1000000000ull

/* ns = ((tsc << shift) * mul) >> 32, as vcpu_time_info has it; a negative shift goes right. */
struct time_scale {
	u32 mul; /* top bit set */
	s8 shift;
};
struct time_scale time_scale_make(u64 tsc_khz);
/* Cut at UINT64_MAX; never falls when tsc rises. */
u64 time_scale_apply(struct time_scale scale, u64 tsc);

/* System time zero, and the scale from there. [c] after time_init() */
struct time_base {
	u64 tsc;
	struct time_scale scale;
	u64 ticks_39;	/* ticks in 2^39 ns, */
	u64 ticks_more; /* and so many more, so that it is never too early */
};
extern struct time_base time_base;
/* Zero is now. */
struct time_base time_base_make(void);

/* Seconds since 1970 of a date of the common calendar, 1970..; month and day from 1. */
u64 time_from_date(unsigned int year, unsigned int month, unsigned int day, unsigned int hour,
		   unsigned int minute, unsigned int second);

/* TSC ticks that are at least ns, which is at most TIME_ARM_MAX_NS. */
#define TIME_ARM_MAX_NS BIT(38)
u64 time_ns_to_ticks(u64 ns);

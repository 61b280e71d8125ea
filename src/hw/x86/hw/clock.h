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

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (u64)high << 32 | low;
}
extern u64 hw_tsc_khz;	      /* [c] after hw_clock_init() */
extern bool hw_tsc_is_stable; /* [c] as tsc= says, else invariant by CPUID */
/* tsc=: is it the same on all CPUs, and does it count at one rate whatever they do? */
enum { TSC_AS_CPUID_SAYS, TSC_STABLE, TSC_STABLE_SOCKET, TSC_UNSTABLE, TSC_SKEWED };
extern unsigned int opt_tsc;

/* Boot CPU, once: after hw_acpi_init(), hw_device_map() and hw_lapic_init_bsp(). Counts the TSC against HPET, PM timer or PIT. */
void hw_clock_init(void);
/* The timer of this CPU, after hw_lapic_init_*(): one-shot, disarmed. */
void hw_timer_init(void);
/* Arms this CPU's one-shot timer to interrupt when the TSC reaches the value (at once if past); 0: disarms. */
void hw_timer_arm_tsc(u64 tsc);

/* The CMOS clock. -EIO: it does not answer, or shows no date. */
struct hw_date {
	unsigned int year, month, day, hour, minute, second;
};
int hw_rtc_read(struct hw_date *date);

#endif

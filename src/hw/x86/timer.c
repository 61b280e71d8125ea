/* SPDX-License-Identifier: MIT */
/*
 * Each CPU's one-shot timer: TSC-deadline where the CPU has it, otherwise the local APIC's counter. Reached from time's
 * timer queues and from boot/; calls the local APIC. No lock: each CPU has its own.
 */
#include "hw/asm.h"
#include "hw/clock.h"
#include "hw/lapic.h"
#include "hw/timer.h"
#include "hw/vectors.h"

#define MSR_TSC_DEADLINE      0x6e0u
#define CPUID1_C_TSC_DEADLINE BIT(24)
#define LVT_MASKED	      0x10000u
#define LVT_TSC_DEADLINE      0x40000u
#define DIVIDE_BY_1	      0xbu

static bool has_deadline; /* [c] after the boot CPU's hw_timer_calibrate_end() */
static u64 ratio_32;	  /* [c] counter ticks for 2^32 TSC ticks */

bool hw_timer_calibrate_start(void)
{
	has_deadline = (hw_cpuid(1, 0).c & CPUID1_C_TSC_DEADLINE) != 0;
	if (has_deadline)
		return false;
	hw_lapic_write(LAPIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	hw_lapic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_1);
	hw_lapic_write(LAPIC_TIMER_INITIAL, 0xffffffff);
	return true;
}

u32 hw_timer_count(void)
{
	return hw_lapic_read(LAPIC_TIMER_CURRENT);
}

bool hw_timer_calibrate_end(u64 timer_ticks, u64 tsc_ticks)
{
	hw_lapic_write(LAPIC_TIMER_INITIAL, 0);
	if (timer_ticks == 0 || timer_ticks >> 32 != 0 || tsc_ticks == 0)
		return false;
	ratio_32 = (timer_ticks << 32) / tsc_ticks;
	return ratio_32 != 0;
}

void hw_timer_init(void)
{
	if (has_deadline) {
		hw_lapic_write(LAPIC_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR_TIMER);
		/* The mode is set before the first deadline is (SDM 3A 11.5.4.1). */
		__asm__ volatile("mfence" : : : "memory");
		hw_wrmsr(MSR_TSC_DEADLINE, 0);
		return;
	}
	hw_lapic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_1);
	hw_lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER);
	hw_lapic_write(LAPIC_TIMER_INITIAL, 0);
}

void hw_timer_arm_tsc(u64 tsc)
{
	u64 now;
	u64 count;

	if (has_deadline) {
		hw_wrmsr(MSR_TSC_DEADLINE, tsc);
		return;
	}
	if (tsc == 0) {
		hw_lapic_write(LAPIC_TIMER_INITIAL, 0);
		return;
	}
	now = hw_tsc();
	count = tsc > now ? (u64)(((unsigned __int128)(tsc - now) * ratio_32) >> 32) + 1 : 1;
	/* What is further away than the counter reaches comes early, and is armed again. */
	hw_lapic_write(LAPIC_TIMER_INITIAL, (u32)MIN(count, 0xffffffffull));
}

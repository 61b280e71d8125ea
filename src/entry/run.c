/* SPDX-License-Identifier: MIT */
/*
 * The one exit loop: all work is done, then either a guest's registers are resumed or this CPU halts. Reached at the end
 * of every trap from a guest and once from boot; calls work handlers, the scheduler and pv. No lock.
 */
#include "entry/entry.h"
#include "hw/cpu.h"
#include "mm/mm.h"
#include "pv/pv.h"
#include "sched/sched.h"

static void reschedule(void)
{
	struct vcpu *prev = current_vcpu();
	struct vcpu *next = sched_choose(cpu_id());

	if (next != prev)
		switch_to(prev, next);
}

/* Interrupts are off. */
static void idle(void)
{
	if (frame_scrub_wanted()) {
		hw_irq_enable();
		(void)frame_scrub();
		hw_irq_disable();
	} else {
		hw_idle();
	}
}

void run_exit(void)
{
	for (;;) {
		struct vcpu *v;
		u64 work;

		hw_irq_disable();
		work = work_take(); /* pairs with work_raise() */
		if ((work & ~BIT(WORK_SCHEDULE)) != 0) {
			hw_irq_enable();
			entry_limit_begin();
			work_handle(work & ~BIT(WORK_SCHEDULE));
			entry_limit_end("work", "bits", work);
			hw_irq_disable();
		}
		if ((work & BIT(WORK_SCHEDULE)) != 0)
			reschedule();
		if (work != 0)
			continue;
		v = current_vcpu();
		if (v->is_idle) {
			idle();
			continue;
		}
		if (!pv_events_wanted(v))
			return;
		hw_irq_enable();
		pv_events_deliver(v);
	}
}

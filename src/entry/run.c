/* SPDX-License-Identifier: MIT */
/*
 * The one exit loop: all work is done, then either a guest's registers are resumed or this CPU halts; what each work bit
 * means; and the debug build's stop-watch around each entry. Reached at the end of every trap from a guest and once from
 * boot; calls whoever owns the work, the scheduler and pv. No lock.
 */
#include "core/log.h"
#include "debug/debug.h"
#include "domain/domain.h"
#include "entry/entry.h"
#include "evtchn/evtchn.h"
#include "hw/clock.h"
#include "hw/cpu.h"
#include "lib/bits.h"
#include "mm/mm.h"
#include "pv/pv.h"
#include "sched/sched.h"
#include "time/time.h"

/*
 * No entry keeps a CPU longer than a million instructions, whatever its arguments: debug builds with
 * `entry-limit=1000000` on the command line time each one and say which did. Meant for an emulator that counts instructions
 * as nanoseconds; elsewhere the clock measures the neighbours too.
 */
unsigned int opt_entry_limit;

static u64 began[CPU_MAX];

void limit_begin(void)
{
	began[cpu_id()] = hw_tsc();
}

void limit_end(const char *what, const char *name, u64 argument)
{
	u64 ns = (hw_tsc() - began[cpu_id()]) * 1000000 / hw_tsc_khz;

	if (ns > opt_entry_limit)
		log_error("entry limit: %s %s (%lx) took %lu ns", what, name, argument, ns);
}

static void console_work(void)
{
	evtchn_virq_raise_global(VIRQ_CON_RING);
}

static void memory_work(void)
{
	evtchn_virq_raise_global(VIRQ_ENOMEM);
}

/* Interrupts on. WORK_SCHEDULE is the loop's own. */
static void work_handle(u64 bits)
{
	static void (*const handlers[WORK_COUNT])(void) = {
		[WORK_TIMER] = time_softirq,	    [WORK_NMI] = domain_nmi_raise,
		[WORK_CONSOLE] = console_work,	    [WORK_KEY] = debug_key_work,
		[WORK_CRASH] = domain_crash_finish, [WORK_REAP] = domain_reap,
		[WORK_MEMORY] = memory_work,
	};

	unsigned int bit;

	for_each_set_bit(bit, bits)
		if (handlers[bit] != NULL)
			handlers[bit]();
}

static void reschedule(void)
{
	struct vcpu *prev = current_vcpu(), *left;
	struct vcpu *next = sched_choose(cpu_id(), &left);

	if (next != prev || left != NULL)
		switch_to(prev, next, left);
}

#define SCRUB_QUIET_NS 1000000ull

/* Interrupts are off. Who sleeps shortly is not kept from halting by memory that is to be scrubbed. */
static void idle(void)
{
	if (frame_scrub_wanted() && time_is_quiet(SCRUB_QUIET_NS)) {
		hw_irq_enable();
		(void)frame_scrub();
		entry_limit_end("scrub", "of", 0);
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

		entry_limit_begin();
		hw_irq_disable();
		work = work_is_raised() ? work_take() : 0; /* pairs with work_raise() */
		if ((work & ~BIT(WORK_SCHEDULE)) != 0) {
			hw_irq_enable();
			hw_preempt_begin();
			work_handle(work & ~BIT(WORK_SCHEDULE));
			hw_irq_disable();
		}
		if ((work & BIT(WORK_SCHEDULE)) != 0)
			reschedule();
		if (work != 0) {
			if (!(work & BIT(WORK_KEY))) /* somebody asked for a long answer */
				entry_limit_end("work", "bits", work);
			continue;
		}
		v = current_vcpu();
		if (v->is_idle) {
			idle();
			continue;
		}
		if (!pv_events_wanted(v) && !pv_nmi_wanted(v))
			return;
		hw_irq_enable();
		pv_events_deliver(v);
		entry_limit_end("events", "pending", 0);
	}
}

/* SPDX-License-Identifier: MIT */
/* What each work bit means. Reached from the exit loop, interrupts on; calls whoever owns the work. No lock. */
#include "debug/debug.h"
#include "domain/domain.h"
#include "entry/entry.h"
#include "evtchn/evtchn.h"
#include "pv/pv.h"
#include "time/time.h"

static void do_event(void)
{
	/* Nothing: the exit loop looks at pending events by itself. */
}

static void do_nmi(void)
{
	domain_nmi_raise();
}

static void do_console(void)
{
	evtchn_virq_raise_global(VIRQ_CON_RING);
}

static void do_memory(void)
{
	evtchn_virq_raise_global(VIRQ_ENOMEM);
}

static void do_crash(void)
{
	domain_crash_finish();
}

static void (*const handlers[WORK_COUNT])(void) = {
	[WORK_TIMER] = time_softirq, [WORK_EVENT] = do_event,	  [WORK_NMI] = do_nmi,
	[WORK_CONSOLE] = do_console, [WORK_KEY] = debug_key_work, [WORK_CRASH] = do_crash,
	[WORK_REAP] = domain_reap,   [WORK_MEMORY] = do_memory,
};

void work_handle(u64 bits)
{
	for (unsigned int bit = 0; bit < WORK_COUNT; bit++)
		if ((bits & BIT(bit)) != 0 && handlers[bit] != NULL)
			handlers[bit]();
}

/* SPDX-License-Identifier: MIT */
/*
 * The hinge between guests and Mica: traps come in, the one exit loop decides what runs next, switch.c loads it. Reached
 * from the stubs and from boot/; calls everything. `current` is known here and in hcall/ only.
 */
#pragma once

#include "core/domain.h"
#include "hw/cpu.h"

static inline struct vcpu *current_vcpu(void)
{
	return hw_this_cpu()->current;
}

/* Makes this CPU able to take traps (alias, GDT, TSS, IDT, MSRs). struct cpu's id and apic_id are set. */
void entry_cpu_init(void);
/* Boot CPU, after entry_cpu_init(): may SMAP be turned on? (probe.c) */
bool entry_smap_works(void);
/* Leaves boot code behind: the idle vCPU runs on this CPU, from now on whatever the scheduler chooses. */
NORETURN void entry_run(void);

void entry_gdt_reset(void);

/* run.c: does all work that is raised and returns, interrupts off, when the current guest's registers may be resumed. */
void run_exit(void);
/* switch.c: interrupts off. */
void switch_to(struct vcpu *prev, struct vcpu *next, struct vcpu *left);
/* run.c: the debug build's stop-watch around each entry; `what`, `name`, `argument` go into its complaint. */
extern unsigned int opt_entry_limit;
void limit_begin(void);
void limit_end(const char *what, const char *name, u64 argument);
static inline void entry_limit_begin(void)
{
	if (MICA_DEBUG && opt_entry_limit)
		limit_begin();
}
static inline void entry_limit_end(const char *what, const char *name, u64 argument)
{
	if (MICA_DEBUG && opt_entry_limit)
		limit_end(what, name, argument);
}
/* trap.c: a vector 0x20..0xff, interrupts off. */
void entry_interrupt(unsigned int vector);

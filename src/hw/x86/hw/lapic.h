/* SPDX-License-Identifier: MIT */
/*
 * Seam: the local APIC, in xAPIC mode (registers in memory) or x2APIC mode (MSRs). Reached from boot/, entry/, irq/ and
 * the clock; each CPU touches its own only. No lock: an ICR write is one MSR, or is done with interrupts off.
 */
#pragma once

#include "lib/types.h"

/* Register offsets as in xAPIC mode (SDM 3A table 11-1); the MSR is 0x800 + offset / 16. */
enum lapic_register {
	LAPIC_ID = 0x020,
	LAPIC_VERSION = 0x030,
	LAPIC_TPR = 0x080,
	LAPIC_EOI = 0x0b0,
	LAPIC_SPURIOUS = 0x0f0,
	LAPIC_ISR = 0x100,
	LAPIC_ESR = 0x280,
	LAPIC_ICR_LOW = 0x300,
	LAPIC_ICR_HIGH = 0x310,
	LAPIC_LVT_TIMER = 0x320,
	LAPIC_LVT_THERMAL = 0x330,
	LAPIC_LVT_PERF = 0x340,
	LAPIC_LVT_LINT0 = 0x350,
	LAPIC_LVT_LINT1 = 0x360,
	LAPIC_LVT_ERROR = 0x370,
	LAPIC_TIMER_INITIAL = 0x380,
	LAPIC_TIMER_CURRENT = 0x390,
	LAPIC_TIMER_DIVIDE = 0x3e0,
};

extern bool opt_x2apic;	    /* x2apic=: use it when the CPU has it */
extern bool hw_lapic_is_x2; /* [c] after hw_lapic_init_bsp() */

/* After hw_acpi_init() and hw_device_map() work. Masks the 8259s. Panics without a local APIC. Interrupts off. */
void hw_lapic_init_bsp(void);
void hw_lapic_init_ap(void);

u32 hw_lapic_read(u32 reg);
void hw_lapic_write(u32 reg, u32 value);
u32 hw_lapic_id(void);
void hw_lapic_eoi(void);

/* Fixed interrupt, INIT (assert, then deassert), start-up at page << 12, to one CPU. */
void hw_lapic_send(u32 apic_id, unsigned int vector);
void hw_lapic_send_init(u32 apic_id);
void hw_lapic_send_sipi(u32 apic_id, unsigned int page);
/* The error vector: reads, clears and says it once per kind. */
void hw_lapic_error(void);

extern u32 hw_cpu_apic_id[]; /* [c] after boot */
/* Does what a flush request says on this CPU; mm's, set by boot. */
extern void (*hw_flush_answer)(unsigned int kind, u64 va);

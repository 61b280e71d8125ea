/* SPDX-License-Identifier: MIT */
/*
 * How fast the TSC is, and the local APIC's timer with it: counted against the best clock that the firmware names (HPET,
 * PM timer, else the PIT), for as long as it takes to be sure to 20 parts in a million, at most 40 ms. And each CPU's
 * one-shot timer: TSC-deadline where the CPU has it, otherwise the local APIC's counter. Reached once from boot/, and from
 * time's timer queues; calls the local APIC. No lock: each CPU has its own timer.
 */
#include "hw/clock.h"

#include "core/err.h"
#include "core/log.h"
#include "hw/acpi.h"
#include "hw/asm.h"
#include "hw/features.h"
#include "hw/io.h"
#include "hw/lapic.h"
#include "hw/paging.h"
#include "hw/vectors.h"
#include "lib/bits.h"

#define HPET_PERIOD	   0x004 /* femtoseconds a tick */
#define HPET_CONFIG	   0x010
#define HPET_CONFIG_ENABLE 1u
#define HPET_COUNTER	   0x0f0
#define HPET_PERIOD_MIN	   100000u
#define HPET_PERIOD_MAX	   100000000u
#define PM_TIMER_HZ	   3579545u
#define PIT_HZ		   1193182u
#define PIT_CHANNEL_2	   0x42
#define PIT_COMMAND	   0x43
#define PIT_GATE	   0x61
#define PIT_CH2_MODE_0	   0xb0 /* channel 2, low then high byte, counts down once */
#define PIT_CH2_LATCH	   0x80

#define SURE_PARTS     50000ull /* 20 ppm */
#define LONGEST_US     40000ull /* the PIT wraps at 54.9 ms */
#define SAMPLES	       5
#define DEAD_READS     100000 /* a clock that shows the same so often does not tick */
#define TSC_KHZ_LOWEST 1000ull

#define MSR_TSC_DEADLINE 0x6e0u
#define LVT_MASKED	 0x10000u
#define LVT_TSC_DEADLINE 0x40000u
#define DIVIDE_BY_1	 0xbu

static bool has_deadline; /* [c] after the boot CPU's hw_clock_init() */
static u64 ratio_32;	  /* [c] counter ticks for 2^32 TSC ticks */

enum reference_kind { REFERENCE_HPET, REFERENCE_PM_TIMER, REFERENCE_PIT };

struct reference {
	enum reference_kind kind;
	const char *name;
	u64 hz;
	u32 mask;
};

struct sample {
	u64 tsc;
	u64 blur; /* ticks of the TSC within which the reading was taken */
	u32 count;
	u32 timer; /* local APIC timer */
};

u64 hw_tsc_khz;
bool hw_tsc_is_stable;
unsigned int opt_tsc;

static u8 *hpet;

static u32 reference_read(const struct reference *r)
{
	u32 low;

	switch (r->kind) {
	case REFERENCE_HPET:
		return hw_mmio_read32(hpet + HPET_COUNTER);
	case REFERENCE_PM_TIMER:
		if (hw_acpi.pm_timer.space == ACPI_SPACE_PORT)
			return hw_in32((u16)hw_acpi.pm_timer.address) & r->mask;
		return hw_mmio_read32(hw_device_map(hw_acpi.pm_timer.address, 4)) & r->mask;
	case REFERENCE_PIT:
		hw_out8(PIT_COMMAND, PIT_CH2_LATCH);
		low = hw_in8(PIT_CHANNEL_2);
		return 0xffff - (low | (u32)hw_in8(PIT_CHANNEL_2) << 8);
	}
	return 0;
}

static bool reference_ticks(const struct reference *r)
{
	u32 first = reference_read(r);

	for (unsigned int i = 0; i < DEAD_READS; i++)
		if (reference_read(r) != first)
			return true;
	log_warning("clock: the %s does not tick", r->name);
	return false;
}

static bool hpet_start(struct reference *r)
{
	u32 period;

	if (hw_acpi.hpet_address == 0)
		return false;
	hpet = hw_device_map(hw_acpi.hpet_address, 1024);
	period = hw_mmio_read32(hpet + HPET_PERIOD);
	if (period < HPET_PERIOD_MIN || period > HPET_PERIOD_MAX) {
		log_warning("clock: HPET with a period of %u fs is not used", period);
		return false;
	}
	hw_mmio_write32(hpet + HPET_CONFIG,
			hw_mmio_read32(hpet + HPET_CONFIG) | HPET_CONFIG_ENABLE);
	*r = (struct reference){REFERENCE_HPET, "HPET", 1000000000000000ull / period, 0xffffffff};
	return reference_ticks(r);
}

static bool pm_timer_start(struct reference *r)
{
	const struct acpi_register *reg = &hw_acpi.pm_timer;

	if (reg->bits == 0 || reg->address == 0 ||
	    (reg->space != ACPI_SPACE_PORT && reg->space != ACPI_SPACE_MEMORY))
		return false;
	*r = (struct reference){REFERENCE_PM_TIMER, "PM timer", PM_TIMER_HZ, 0xffffff};
	return reference_ticks(r);
}

static bool pit_start(struct reference *r)
{
	hw_out8(PIT_GATE, (u8)((hw_in8(PIT_GATE) & ~2u) | 1)); /* gate on, speaker off */
	hw_out8(PIT_COMMAND, PIT_CH2_MODE_0);
	hw_out8(PIT_CHANNEL_2, 0xff);
	hw_out8(PIT_CHANNEL_2, 0xff);
	*r = (struct reference){REFERENCE_PIT, "PIT", PIT_HZ, 0xffff};
	return reference_ticks(r);
}

/* The best of some readings: the one that took the shortest. */
static struct sample sample_take(const struct reference *r)
{
	struct sample best = {.blur = UINT64_MAX};

	for (unsigned int i = 0; i < SAMPLES; i++) {
		u64 before = hw_tsc();
		u32 count = reference_read(r);
		u64 after = hw_tsc();
		u32 timer = hw_lapic_read(LAPIC_TIMER_CURRENT);

		if (after - before < best.blur)
			best = (struct sample){before + (after - before) / 2, after - before, count,
					       timer};
	}
	return best;
}

/* TSC ticks in a second; and the ticks of the timer, which runs down from 2^32 - 1, in as many. */
static u64 measure(const struct reference *r)
{
	struct sample start, end;
	u64 hz, ticks, tsc_ticks, blur;

	hw_lapic_write(LAPIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	hw_lapic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_1);
	hw_lapic_write(LAPIC_TIMER_INITIAL, 0xffffffff);
	start = sample_take(r);
	do {
		end = sample_take(r);
		ticks = (end.count - start.count) & r->mask;
		tsc_ticks = end.tsc - start.tsc;
		hz = ticks != 0 ? mul_div_u64(tsc_ticks, r->hz, ticks) : 0;
		/* and one tick of the reference at each end */
		blur = (start.blur + end.blur) / 2 + 2 * hz / r->hz;
	} while (ticks * 1000000 / r->hz < LONGEST_US &&
		 (hz == 0 || tsc_ticks / SURE_PARTS <= blur));
	hw_lapic_write(LAPIC_TIMER_INITIAL, 0);
	ratio_32 = tsc_ticks != 0 ? ((u64)(start.timer - end.timer) << 32) / tsc_ticks : 0;
	has_deadline = hw_cpu_has(1, ECX, 24);
	if (ratio_32 == 0 && !has_deadline)
		panic("the local APIC's timer does not tick");
	return hz / 1000;
}

/* Newer CPUs say it (SDM 2A, CPUID leaf 15h); 0: this one does not. */
static u64 tsc_khz_by_cpuid(void)
{
	struct cpuid_regs leaf;

	if (!hw_features.is_intel || hw_cpuid(0, 0).a < 0x15)
		return 0;
	leaf = hw_cpuid(0x15, 0);
	return leaf.a != 0 && leaf.b != 0 && leaf.c != 0
		       ? mul_div_u64(leaf.c, leaf.b, leaf.a) / 1000
		       : 0;
}

void hw_clock_init(void)
{
	struct reference reference;
	u64 said = tsc_khz_by_cpuid();

	if (!hpet_start(&reference) && !pm_timer_start(&reference) && !pit_start(&reference))
		panic("no clock to count the TSC against: neither HPET, PM timer nor PIT ticks");
	hw_tsc_khz = measure(&reference);
	/* The CPU knows better, unless the two disagree by a percent: then it is a virtual one with another's CPUID. */
	if (said != 0 && said / 100 > (said > hw_tsc_khz ? said - hw_tsc_khz : hw_tsc_khz - said))
		hw_tsc_khz = said;
	if (hw_tsc_khz < TSC_KHZ_LOWEST)
		panic("the TSC does not tick");
	hw_tsc_is_stable = opt_tsc == TSC_AS_CPUID_SAYS ? hw_features.has_invariant_tsc
							: opt_tsc <= TSC_STABLE_SOCKET;
	log_info("clock: TSC %u.%03u MHz by %s", (u32)(hw_tsc_khz / 1000), (u32)(hw_tsc_khz % 1000),
		 reference.name);
}

/* ---------------------------------------------------------------- the timer */

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

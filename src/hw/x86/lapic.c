/* SPDX-License-Identifier: MIT */
/*
 * The local APIC in both its modes (SDM 3A chapter 11). Reached from boot/ for each CPU, from entry/ (EOI), IPIs and irq/;
 * calls the device map. The 8259s of old are masked here for good. No lock: each CPU has its own. Sending is two register
 * writes in xAPIC mode, done with interrupts off; an NMI between them may only send to itself, which leaves the high half
 * alone.
 */
#include "hw/lapic.h"

#include "core/atomic.h"
#include "core/err.h"
#include "core/log.h"
#include "hw/acpi.h"
#include "hw/asm.h"
#include "hw/cpu.h"
#include "hw/features.h"
#include "hw/io.h"
#include "hw/paging.h"
#include "hw/vectors.h"

#define APIC_BASE_X2	BIT(10)
#define APIC_BASE_ON	BIT(11)
#define APIC_BASE_ADDR	0x000ffffffffff000ull
#define MSR_X2APIC	0x800u
#define SPURIOUS_ENABLE 0x100u
#define LVT_MASKED	0x10000u
#define LVT_NMI		0x400u
#define ICR_INIT	0x500u
#define ICR_STARTUP	0x600u
#define ICR_BUSY	0x1000u
#define ICR_ASSERT	0x4000u
#define ICR_LEVEL	0x8000u
#define ICR_SELF	0x40000u

bool opt_x2apic = true;
bool hw_lapic_is_x2;

static u8 *registers;  /* [c] xAPIC mode */
static u32 error_seen; /* [a] kinds already said */

u32 hw_lapic_read(u32 reg)
{
	return hw_lapic_is_x2 ? (u32)hw_rdmsr(MSR_X2APIC + (reg >> 4))
			      : hw_mmio_read32(registers + reg);
}

void hw_lapic_write(u32 reg, u32 value)
{
	if (hw_lapic_is_x2)
		hw_wrmsr(MSR_X2APIC + (reg >> 4), value);
	else
		hw_mmio_write32(registers + reg, value);
}

u32 hw_lapic_id(void)
{
	return hw_lapic_is_x2 ? hw_lapic_read(LAPIC_ID) : hw_lapic_read(LAPIC_ID) >> 24;
}

void hw_lapic_eoi(void)
{
	hw_lapic_write(LAPIC_EOI, 0);
}

static void icr_write(u32 apic_id, u32 command)
{
	u64 flags;

	if (hw_lapic_is_x2) {
		/* Not ordered with earlier stores as an MMIO write is (SDM 3A 11.12.3). */
		__asm__ volatile("mfence; lfence" : : : "memory");
		hw_wrmsr(MSR_X2APIC + (LAPIC_ICR_LOW >> 4), (u64)apic_id << 32 | command);
		return;
	}
	flags = hw_irq_save();
	while ((hw_lapic_read(LAPIC_ICR_LOW) & ICR_BUSY) != 0)
		__asm__ volatile("pause");
	if ((command & ICR_SELF) == 0)
		hw_lapic_write(LAPIC_ICR_HIGH, apic_id << 24);
	hw_lapic_write(LAPIC_ICR_LOW, command);
	hw_irq_restore(flags);
}

void hw_lapic_send(u32 apic_id, unsigned int vector)
{
	u32 command = ICR_ASSERT | vector;

	icr_write(apic_id, apic_id == hw_this_cpu()->apic_id ? command | ICR_SELF : command);
}

void hw_lapic_send_init(u32 apic_id)
{
	icr_write(apic_id, ICR_LEVEL | ICR_ASSERT | ICR_INIT);
	if (!hw_lapic_is_x2)
		icr_write(apic_id, ICR_LEVEL | ICR_INIT);
}

void hw_lapic_send_sipi(u32 apic_id, unsigned int page)
{
	icr_write(apic_id, ICR_STARTUP | (page & 0xff));
}

void hw_lapic_error(void)
{
	u32 status, before;

	hw_lapic_write(LAPIC_ESR, 0); /* latches what has happened */
	status = hw_lapic_read(LAPIC_ESR) & 0xff;
	before = atomic_fetch_or(&error_seen, status);
	if ((status & ~before) != 0)
		log_warning("cpu %u: local APIC error 0x%x", hw_cpu_id(), status);
}

/*
 * The local interrupt pin that carries the NMI, as the MADT says: of the boot CPU alone. It goes to all of them, and once is
 * enough for Domain 0.
 */
static void nmi_pins_set(u32 apic_id)
{
	u32 acpi_id = ~0u;

	for (unsigned int i = 0; i < hw_acpi.cpu_count; i++)
		if (hw_acpi.cpus[i].apic_id == apic_id)
			acpi_id = hw_acpi.cpus[i].acpi_id;
	for (unsigned int i = 0; i < hw_acpi.nmi_count; i++) {
		const struct acpi_nmi *nmi = &hw_acpi.nmis[i];

		if (nmi->acpi_id == acpi_id || nmi->acpi_id == 0xff || nmi->acpi_id == 0xffffffff)
			hw_lapic_write(nmi->lint == 0 ? LAPIC_LVT_LINT0 : LAPIC_LVT_LINT1, LVT_NMI);
	}
}

static void mode_set(void)
{
	u64 base = hw_rdmsr(MSR_APIC_BASE) | APIC_BASE_ON;

	/* From off to x2APIC goes through xAPIC (SDM 3A 11.12.5). */
	hw_wrmsr(MSR_APIC_BASE, base);
	if (hw_lapic_is_x2)
		hw_wrmsr(MSR_APIC_BASE, base | APIC_BASE_X2);
}

static void registers_set(void)
{
	unsigned int lvt_max = hw_lapic_read(LAPIC_VERSION) >> 16 & 0xff;

	hw_lapic_write(LAPIC_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
	hw_lapic_write(LAPIC_TPR, 0);
	hw_lapic_write(LAPIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	hw_lapic_write(LAPIC_LVT_LINT0, LVT_MASKED);
	hw_lapic_write(LAPIC_LVT_LINT1, LVT_MASKED);
	if (lvt_max >= 4)
		hw_lapic_write(LAPIC_LVT_PERF, LVT_MASKED);
	if (lvt_max >= 5)
		hw_lapic_write(LAPIC_LVT_THERMAL, LVT_MASKED);
	if (hw_cpu_id() == 0)
		nmi_pins_set(hw_lapic_id());
	hw_lapic_write(LAPIC_ESR, 0);
	hw_lapic_write(LAPIC_LVT_ERROR, VECTOR_ERROR);
	/* What firmware left in service would hold back everything below it. */
	for (unsigned int vector = 255; vector >= 16; vector--)
		if ((hw_lapic_read(LAPIC_ISR + vector / 32 * 0x10) >> vector % 32 & 1) != 0)
			hw_lapic_eoi();
}

/*
 * The two 8259s, set to vectors that nobody else uses and masked, before the local APIC cuts them off: an interrupt of theirs
 * that it had taken already would stay half-delivered. Even a masked 8259 may raise its spurious interrupt (7 and 15).
 */
static void pic_disable(void)
{
	static const struct {
		u8 port, value;
	} writes[] = {
		{0x21, 0xff}, /* mask all */
		{0xa1, 0xff},
		{0x20, 0x11}, /* ICW1: edge, cascade, ICW4 follows */
		{0x21, VECTOR_PIC_FIRST},
		{0x21, 0x04}, /* ICW3: where the second one is */
		{0x21, 0x01}, /* ICW4: 8086 */
		{0xa0, 0x11},
		{0xa1, VECTOR_PIC_FIRST + 8},
		{0xa1, 0x02},
		{0xa1, 0x01},
		{0x21, 0xff},
		{0xa1, 0xff},
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(writes); i++)
		hw_out8(writes[i].port, writes[i].value);
}

void hw_lapic_init_bsp(void)
{
	u64 base;

	pic_disable();
	if (!hw_cpu_has(1, EDX, 9))
		panic("this CPU has no local APIC");
	base = hw_rdmsr(MSR_APIC_BASE);
	hw_lapic_is_x2 = (base & APIC_BASE_X2) != 0 || (opt_x2apic && hw_cpu_has(1, ECX, 21));
	if (!hw_lapic_is_x2)
		registers = hw_device_map(base & APIC_BASE_ADDR, PAGE_SIZE);
	mode_set();
	registers_set();
	log_info("local APIC: %s", hw_lapic_is_x2 ? "x2APIC" : "xAPIC");
}

void hw_lapic_init_ap(void)
{
	mode_set();
	registers_set();
}

/* SPDX-License-Identifier: MIT */
/*
 * Fake devices for tests of irq/: local APICs (IRR and ISR), one IO-APIC with level and edge lines, PCI functions with MSI
 * and MSI-X. The registers behave as on the machine, so src/hw/x86/{ioapic,pci,pic}.c run over them unchanged.
 */
#ifndef FAKE_DEVICES_H
#define FAKE_DEVICES_H

#include "core/domain.h"
#include "hw/pci.h"
#include "lib/types.h"

#define FAKE_IOAPIC_ADDRESS 0xfec00000ull
#define FAKE_GSIS	    24
#define FAKE_MSIX_MAX	    64

struct fake_device {
	struct pci_id id;
	u8 config[4096];
	u32 bar_writable[6];
	u16 msi, msix; /* capabilities, 0: none */
	u32 msix_table[FAKE_MSIX_MAX * 4];
	u64 msix_pending;
	u32 msix_count;
	unsigned int bad_writes; /* to the table, of a message that is live */
	struct fake_device *next;
};

/* The parts, for worlds of their own: no interrupt waits, CPUs 0 .. cpus - 1 online, hw_acpi filled; irq_init(), once; frees devices. */
void fake_devices_reset(unsigned int cpus);
void fake_irq_start(void);
void fake_devices_forget(void);

/* irq_world.c: forgets everything, CPUs 0 .. cpus - 1 online with APIC ids 2 * n, hw_acpi filled, irq_init() called. */
void fake_devices_init(unsigned int cpus);
void fake_devices_fini(void);
struct domain *fake_hardware_domain(void);

struct fake_device *fake_device_new(u8 bus, u8 devfn);
void fake_device_bar(struct fake_device *dev, unsigned int bar, u32 value, u32 bytes);
void fake_device_msi(struct fake_device *dev, u16 at, unsigned int log_count, bool is_64bit,
		     bool may_mask);
void fake_device_msix(struct fake_device *dev, u16 at, u32 count, u8 bar, u32 offset);
u32 fake_config_read(const struct fake_device *dev, u16 offset, unsigned int bytes);

/* The device sends message n; false: it may not (disabled; MSI-X keeps it pending when masked). */
bool fake_device_send(struct fake_device *dev, unsigned int n);

/* A line changes. Edge-triggered entries look at the change, level-triggered ones at the level. */
void fake_line_set(u32 gsi, bool is_high);
u32 fake_ioapic_low(u32 gsi); /* lower half of the entry */
u32 fake_ioapic_cpu(u32 gsi); /* where it goes */

/* Takes all interrupts that wait at a CPU; how many. Aborts when one is left without EOI. */
unsigned int fake_interrupts_run(unsigned int cpu);
unsigned int fake_interrupts_run_all(void);
/* A vector out of nowhere. */
void fake_interrupt_raise(unsigned int cpu, u8 vector);
unsigned int fake_interrupts_waiting(unsigned int cpu);

/* Timers: time moves, those that are due run. */
void fake_time_move(u64 ns);

/* Blocks of heap_alloc() not yet freed. */
extern int fake_heap_blocks;
/* Frames held by frame_type_get(). */
extern int fake_frames_held;

#endif

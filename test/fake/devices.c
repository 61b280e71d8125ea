/* SPDX-License-Identifier: MIT */
/* Fake devices: see devices.h. One thread plays all CPUs. */
#include "devices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"
#include "hw/acpi.h"
#include "hw/clock.h"
#include "hw/io.h"
#include "hw/lapic.h"
#include "hw/paging.h"
#include "irq/priv.h"
#include "lib/rangeset.h"
#include "mm/mm.h"
#include "time/time.h"

#define MMIO_BASE (1ull << 46)
#define CPUS_MAX  8

#define CHECK(condition)                                                                \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

/* ---------------------------------------------------------------- local APICs */

u32 hw_cpu_apic_id[CPU_MAX];
struct acpi_info hw_acpi;
static u64 irr[CPUS_MAX][4], isr[CPUS_MAX][4];
static void ioapic_eoi(u8 vector);

static int highest(const u64 *set)
{
	for (int v = 255; v >= 0; v--)
		if (set[v / 64] >> (v % 64) & 1)
			return v;
	return -1;
}

void fake_interrupt_raise(unsigned int cpu, u8 vector)
{
	CHECK(vector >= 16);
	irr[cpu][vector / 64] |= BIT(vector % 64);
}

unsigned int fake_interrupts_waiting(unsigned int cpu)
{
	unsigned int count = 0;

	for (int v = 0; v < 256; v++)
		count += irr[cpu][v / 64] >> (v % 64) & 1;
	return count;
}

/* By APIC id; -1: nobody. */
static int cpu_by_apic(u32 apic_id)
{
	for (unsigned int i = 0; i < cpu_count; i++)
		if (hw_cpu_apic_id[i] == apic_id)
			return (int)i;
	return -1;
}

static void message(u32 apic_id, u8 vector)
{
	int cpu = cpu_by_apic(apic_id);

	CHECK(cpu >= 0);
	fake_interrupt_raise((unsigned int)cpu, vector);
}

void hw_lapic_eoi(void)
{
	int vector = highest(isr[fake_cpu]);

	if (vector < 0)
		return;
	isr[fake_cpu][vector / 64] &= ~BIT(vector % 64);
	ioapic_eoi((u8)vector);
}

u32 hw_lapic_id(void)
{
	return hw_cpu_apic_id[fake_cpu];
}

unsigned int fake_interrupts_run(unsigned int cpu)
{
	unsigned int old = fake_cpu, count = 0;
	bool was_off = fake_irq_off;
	int vector;

	fake_cpu = cpu;
	while ((vector = highest(irr[cpu])) >= 0 && count < 100000) {
		irr[cpu][vector / 64] &= ~BIT(vector % 64);
		isr[cpu][vector / 64] |= BIT(vector % 64);
		fake_irq_off = true;
		irq_dispatch((u8)vector);
		CHECK(highest(isr[cpu]) < 0);
		CHECK(fake_irq_off);
		count++;
	}
	fake_irq_off = was_off;
	fake_cpu = old;
	return count;
}

unsigned int fake_interrupts_run_all(void)
{
	unsigned int count = 0;

	for (unsigned int cpu = 0; cpu < cpu_count; cpu++)
		count += fake_interrupts_run(cpu);
	return count;
}

/* ---------------------------------------------------------------- IO-APIC */

static u64 entries[FAKE_GSIS];
static bool lines[FAKE_GSIS];
static u32 ioapic_select;

#define ENTRY_LOW    BIT(13)
#define ENTRY_IRR    BIT(14)
#define ENTRY_LEVEL  BIT(15)
#define ENTRY_MASKED BIT(16)

static bool is_asserted(u32 gsi)
{
	return lines[gsi] != ((entries[gsi] & ENTRY_LOW) != 0);
}

static void entry_service(u32 gsi, bool edge)
{
	u64 e = entries[gsi];

	if (e & ENTRY_MASKED)
		return;
	if (e & ENTRY_LEVEL) {
		if (!is_asserted(gsi) || (e & ENTRY_IRR))
			return;
		entries[gsi] |= ENTRY_IRR;
	} else if (!edge) {
		return;
	}
	message((u32)(e >> 56), (u8)e);
}

void fake_line_set(u32 gsi, bool is_high)
{
	bool before = is_asserted(gsi);

	lines[gsi] = is_high;
	entry_service(gsi, !before && is_asserted(gsi));
}

static void ioapic_eoi(u8 vector)
{
	for (u32 gsi = 0; gsi < FAKE_GSIS; gsi++)
		if ((entries[gsi] & ENTRY_LEVEL) && (entries[gsi] & ENTRY_IRR) &&
		    (u8)entries[gsi] == vector) {
			entries[gsi] &= ~ENTRY_IRR;
			entry_service(gsi, false);
		}
}

u32 fake_ioapic_low(u32 gsi)
{
	return (u32)entries[gsi];
}

u32 fake_ioapic_cpu(u32 gsi)
{
	return (u32)cpu_by_apic((u32)(entries[gsi] >> 56));
}

static u32 ioapic_read(void)
{
	if (ioapic_select == 0)
		return 7u << 24;
	if (ioapic_select == 1)
		return (FAKE_GSIS - 1) << 16 | 0x20;
	if (ioapic_select >= 0x10 && ioapic_select < 0x10 + 2 * FAKE_GSIS)
		return (u32)(entries[(ioapic_select - 0x10) / 2] >> (ioapic_select & 1 ? 32 : 0));
	return 0;
}

static void ioapic_write(u32 value)
{
	u32 gsi = (ioapic_select - 0x10) / 2;

	if (ioapic_select < 0x10 || gsi >= FAKE_GSIS)
		return;
	if (ioapic_select & 1) {
		/* half an entry must never be live */
		CHECK((entries[gsi] & ENTRY_MASKED) || entries[gsi] >> 32 == value);
		entries[gsi] = (u64)value << 32 | (u32)entries[gsi];
	} else {
		u64 keep = entries[gsi] & ENTRY_IRR;

		if (keep)
			CHECK((u8)entries[gsi] == (u8)value); /* its EOI would be lost */
		entries[gsi] = (entries[gsi] & ~0xffffffffull) | (value & ~ENTRY_IRR) | keep;
		entry_service(gsi, false);
	}
}

/* ---------------------------------------------------------------- PCI */

static struct fake_device *devices;
static u32 cf8;

static struct fake_device *device_find(u8 bus, u8 devfn)
{
	struct fake_device *dev = devices;

	while (dev && (dev->id.bus != bus || dev->id.devfn != devfn))
		dev = dev->next;
	return dev;
}

struct fake_device *fake_device_new(u8 bus, u8 devfn)
{
	struct fake_device *dev = calloc(1, sizeof(*dev));

	dev->id = (struct pci_id){0, bus, devfn};
	dev->config[0] = 0xf4;
	dev->config[1] = 0x1a;
	dev->config[4] = 7;
	dev->next = devices;
	devices = dev;
	return dev;
}

static void put(struct fake_device *dev, u16 at, u32 value, unsigned int bytes)
{
	memcpy(dev->config + at, &value, bytes);
}

static u32 get(const struct fake_device *dev, u16 at, unsigned int bytes)
{
	u32 value = 0;

	memcpy(&value, dev->config + at, bytes);
	return value;
}

u32 fake_config_read(const struct fake_device *dev, u16 offset, unsigned int bytes)
{
	return get(dev, offset, bytes);
}

static void capability_add(struct fake_device *dev, u16 at, u8 id)
{
	put(dev, at, id, 1);
	put(dev, (u16)(at + 1), dev->config[0x34], 1);
	dev->config[0x34] = (u8)at;
	dev->config[6] |= 0x10;
}

void fake_device_bar(struct fake_device *dev, unsigned int bar, u32 value, u32 bytes)
{
	put(dev, (u16)(0x10 + 4 * bar), value, 4);
	dev->bar_writable[bar] = ~(bytes - 1);
}

void fake_device_msi(struct fake_device *dev, u16 at, unsigned int log_count, bool is_64bit,
		     bool may_mask)
{
	capability_add(dev, at, PCI_CAP_MSI);
	put(dev, (u16)(at + 2), log_count << 1 | (is_64bit ? 0x80u : 0) | (may_mask ? 0x100u : 0),
	    2);
	dev->msi = at;
}

void fake_device_msix(struct fake_device *dev, u16 at, u32 count, u8 bar, u32 offset)
{
	capability_add(dev, at, PCI_CAP_MSIX);
	put(dev, (u16)(at + 2), count - 1, 2);
	put(dev, (u16)(at + 4), offset | bar, 4);
	put(dev, (u16)(at + 8), (offset + 0x800) | bar, 4);
	dev->msix = at;
	dev->msix_count = count;
	for (u32 i = 0; i < count; i++)
		dev->msix_table[4 * i + 3] = 1;
}

static void message_send(u32 address, u32 data)
{
	if ((address & 0xfff00000) != 0xfee00000)
		return; /* Domain 0 wrote that: it is DMA, and trusted */
	CHECK((data & 0xff00) == 0);
	message(address >> 12 & 0xff, (u8)data);
}

static bool send_msix(struct fake_device *dev, unsigned int n)
{
	u32 control = get(dev, (u16)(dev->msix + 2), 2);
	const u32 *entry = &dev->msix_table[4 * n];

	if (!(control & 0x8000))
		return false;
	if ((control & 0x4000) || (entry[3] & 1)) {
		dev->msix_pending |= BIT(n);
		return false;
	}
	message_send(entry[0], entry[2]);
	return true;
}

bool fake_device_send(struct fake_device *dev, unsigned int n)
{
	u32 control, at = dev->msi;

	if (dev->msix && (get(dev, (u16)(dev->msix + 2), 2) & 0x8000))
		return send_msix(dev, n);
	if (!at)
		return false;
	control = get(dev, (u16)(at + 2), 2);
	if (!(control & 1) || n >= 1u << (control >> 4 & 7))
		return false;
	if ((control & 0x100) && (get(dev, (u16)(at + (control & 0x80 ? 16 : 12)), 4) >> n & 1))
		return false;
	message_send(get(dev, (u16)(at + 4), 4),
		     get(dev, (u16)(at + (control & 0x80 ? 12 : 8)), 2) | n);
	return true;
}

/* What of a register's byte can be written. */
static u8 writable(const struct fake_device *dev, u32 reg)
{
	if (reg >= 0x10 && reg < 0x28)
		return (u8)(dev->bar_writable[(reg - 0x10) / 4] >> (8 * (reg & 3)));
	if (reg < 0x40)
		return reg == 4 ? 7 : 0;
	if (dev->msi && reg >= dev->msi && reg < dev->msi + 4u)
		return reg == dev->msi + 2u ? 0x71 : 0;
	if (dev->msix && reg >= dev->msix && reg < dev->msix + 12u)
		return reg == dev->msix + 3u ? 0xc0 : 0;
	return 0xff;
}

static void device_write(struct fake_device *dev, u32 reg, unsigned int bytes, u32 value)
{
	for (unsigned int i = 0; i < bytes; i++, reg++) {
		u8 mask = writable(dev, reg);

		dev->config[reg] = (u8)((dev->config[reg] & ~mask) | (value >> (8 * i) & mask));
	}
}

bool fake_io_is_open;

u32 fake_port_read(u16 port, unsigned int bytes)
{
	const struct fake_device *dev;

	if (port < 0xcfc || port > 0xcff)
		return 0xff;
	dev = device_find((u8)(cf8 >> 16), (u8)(cf8 >> 8));
	if (!dev)
		return 0xffffffffu >> (32 - 8 * bytes);
	return get(dev, (u16)((cf8 & 0xfc) + (port & 3)), bytes);
}

void fake_port_write(u16 port, unsigned int bytes, u32 value)
{
	struct fake_device *dev;

	if (port == 0xcf8 && bytes == 4) {
		cf8 = value;
	} else if (port >= 0xcfc && port <= 0xcff) {
		dev = device_find((u8)(cf8 >> 16), (u8)(cf8 >> 8));
		if (dev)
			device_write(dev, (cf8 & 0xfc) + (port & 3), bytes, value);
	}
}

/* ---------------------------------------------------------------- memory of devices */

void *hw_device_map(u64 paddr, size_t bytes)
{
	return (void *)(MMIO_BASE + paddr + 0 * bytes);
}

/* The MSI-X table word at an address, by the BARs as they are now. */
static u32 *table_word(u64 paddr, struct fake_device **owner, u32 *idx)
{
	for (struct fake_device *dev = devices; dev; dev = dev->next) {
		u32 where, bar;
		u64 base;

		if (!dev->msix || !(dev->config[4] & 2))
			continue;
		where = get(dev, (u16)(dev->msix + 4), 4);
		bar = get(dev, (u16)(0x10 + 4 * (where & 7)), 4);
		base = (bar & ~0xfu);
		if ((bar & 6) == 4)
			base |= (u64)get(dev, (u16)(0x14 + 4 * (where & 7)), 4) << 32;
		base += where & ~7u;
		if (paddr < base || paddr >= base + 16 * dev->msix_count)
			continue;
		*owner = dev;
		*idx = (u32)((paddr - base) / 4);
		return &dev->msix_table[*idx];
	}
	return NULL;
}

u64 fake_mmio_read(const volatile void *ptr, unsigned int bytes)
{
	u64 paddr = (u64)ptr - MMIO_BASE;
	struct fake_device *dev;
	u32 idx, *word;

	if (paddr == FAKE_IOAPIC_ADDRESS + 0x10)
		return ioapic_read();
	word = table_word(paddr, &dev, &idx);
	return word ? *word : 0xffffffffffffffffull >> (64 - 8 * bytes);
}

void fake_mmio_write(volatile void *ptr, unsigned int bytes, u64 value)
{
	u64 paddr = (u64)ptr - MMIO_BASE;
	struct fake_device *dev;
	u32 idx, *word;

	CHECK(bytes == 4);
	if (paddr == FAKE_IOAPIC_ADDRESS)
		ioapic_select = (u32)value;
	else if (paddr == FAKE_IOAPIC_ADDRESS + 0x10)
		ioapic_write((u32)value);
	word = table_word(paddr, &dev, &idx);
	if (!word)
		return;
	if (idx % 4 != 3 && !(dev->msix_table[idx | 3] & 1) && *word != value)
		dev->bad_writes++;
	*word = (u32)value;
	if (idx % 4 == 3 && !(value & 1) && (dev->msix_pending & BIT(idx / 4)) &&
	    (get(dev, (u16)(dev->msix + 2), 2) & 0xc000) == 0x8000) {
		dev->msix_pending &= ~BIT(idx / 4);
		(void)send_msix(dev, idx / 4);
	}
}

/* ---------------------------------------------------------------- set-up */

void fake_devices_reset(unsigned int cpus)
{
	memset(irr, 0, sizeof(irr));
	memset(isr, 0, sizeof(isr));
	memset(lines, 0, sizeof(lines));
	cpu_count = cpus;
	for (unsigned int i = 0; i < CPUS_MAX; i++) {
		hw_cpu_apic_id[i] = 2 * i;
		if (i < cpus)
			cpumask_set(&cpu_online_mask, i);
		else
			cpumask_clear(&cpu_online_mask, i);
	}
	hw_acpi.lapic_address = 0xfee00000;
	hw_acpi.ioapic_count = 1;
	hw_acpi.ioapics[0] = (struct acpi_ioapic){.address = FAKE_IOAPIC_ADDRESS, .id = 7};
	hw_acpi.override_count = 2;
	hw_acpi.overrides[0] = (struct acpi_override){.gsi = 2};
	hw_acpi.overrides[1] = (struct acpi_override){.gsi = 9, .is_level = true};
}

void fake_irq_start(void)
{
	for (u32 gsi = 0; gsi < FAKE_GSIS; gsi++)
		entries[gsi] = 0x30 + gsi; /* unmasked, as bad firmware leaves them */
	CHECK(irq_init() == 0);
	for (unsigned int i = 0; i < CPUS_MAX; i++)
		CHECK(vector_prepare(i) == 0);
}

void fake_devices_forget(void)
{
	while (devices) {
		struct fake_device *dev = devices;

		devices = dev->next;
		free(dev);
	}
}

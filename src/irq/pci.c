/* SPDX-License-Identifier: MIT */
/*
 * PCI devices as far as Mica must know them: where their MSI and MSI-X capabilities and MSI-X tables are, and what Domain 0
 * may write to configuration space. Reached from hcall/physdev_op.c and from pv/ (ports 0xcfc..0xcff); calls the seam. One
 * lock of rank PHYSDEV for all devices.
 *
 * Domain 0 keeps: finding and sizing devices, BARs, enabling MSI and MSI-X. Mica keeps: address, data, masks and number of
 * messages while any is mapped, and the BAR under an MSI-X table that is in use.
 */
#include "core/err.h"
#include "core/log.h"
#include "hw/acpi.h"
#include "hw/mem.h"
#include "hw/paging.h"
#include "irq/priv.h"
#include "lib/errno.h"
#include "lib/rangeset.h"
#include "mm/mm.h"

#define CAPABILITIES_MAX     48 /* as many as fit */
#define EXT_CAPABILITIES_MAX 480
#define MSI_CONTROL_COUNT    0x0070u /* messages enabled */
#define MSI_CONTROL_64BIT    0x0080u
#define MSI_CONTROL_MASK     0x0100u
#define BAR_IO		     1u
#define BAR_64BIT	     4u
#define READONLY_RANGES_MAX  512

struct lock pci_dev_lock = LOCK_INIT(LOCK_RANK_PHYSDEV);
static struct pci_dev *devices; /* [l] */
static struct range readonly_ranges[READONLY_RANGES_MAX];

/* ---------------------------------------------------------------- finding devices */

static bool id_equal(struct pci_id a, struct pci_id b)
{
	return a.segment == b.segment && a.bus == b.bus && a.devfn == b.devfn;
}

struct pci_dev *pci_dev_find_locked(struct pci_id id)
{
	struct pci_dev *dev;

	for (dev = devices; dev && !id_equal(dev->id, id);)
		dev = dev->next;
	return dev;
}

/* Offset of a capability, 0: none. The list may be a loop. */
static u16 capability_find(struct pci_id id, u8 which)
{
	u32 at;

	if ((hw_pci_read(id, PCI_STATUS, 2) & PCI_STATUS_CAPABILITIES) == 0)
		return 0;
	at = hw_pci_read(id, PCI_CAPABILITIES, 1) & 0xfcu;
	for (unsigned int i = 0; i < CAPABILITIES_MAX && at >= 0x40; i++) {
		u32 head = hw_pci_read(id, (u16)at, 2);

		if ((head & 0xff) == which)
			return (u16)at;
		at = head >> 8 & 0xfcu;
	}
	return 0;
}

static void msi_read(struct pci_dev *dev)
{
	u32 control;

	dev->msi = capability_find(dev->id, PCI_CAP_MSI);
	if (!dev->msi)
		return;
	control = hw_pci_read(dev->id, (u16)(dev->msi + MSI_CONTROL), 2);
	dev->msi_is_64bit = (control & MSI_CONTROL_64BIT) != 0;
	dev->msi_may_mask = (control & MSI_CONTROL_MASK) != 0;
	dev->msi_count_max = MIN(1u << (control >> 1 & 7), (u32)MSI_MESSAGES_MAX);
	if (dev->msi + 24u > 256)
		dev->msi = 0; /* does not fit: not what it says it is */
}

static void msix_read(struct pci_dev *dev)
{
	u32 value;

	dev->msix = capability_find(dev->id, PCI_CAP_MSIX);
	if (!dev->msix)
		return;
	value = hw_pci_read(dev->id, (u16)(dev->msix + MSIX_CONTROL), 2);
	dev->msix_entry_count = (value & 0x7ff) + 1;
	value = hw_pci_read(dev->id, (u16)(dev->msix + 4), 4);
	dev->msix_table_bar = value & 7;
	dev->msix_table_offset = value & ~7u;
	value = hw_pci_read(dev->id, (u16)(dev->msix + 8), 4);
	dev->msix_pba_bar = value & 7;
	dev->msix_pba_offset = value & ~7u;
	if (dev->msix + 12u > 256 || dev->msix_table_bar > 5)
		dev->msix = 0;
}

static struct pci_dev *dev_new_locked(struct pci_id id, bool is_virtual, struct pci_id physical)
{
	struct pci_dev *dev;

	(void)hw_pci_open(id);
	/* A virtual function has no vendor of its own, but a header. */
	if ((!is_virtual && hw_pci_read(id, PCI_VENDOR, 2) == 0xffff) ||
	    hw_pci_read(id, PCI_HEADER_TYPE, 1) == 0xff)
		return NULL;
	dev = heap_alloc(sizeof(*dev));
	if (!dev)
		return NULL;
	dev->id = id;
	dev->is_virtual = is_virtual;
	dev->physical = physical;
	msi_read(dev);
	msix_read(dev);
	dev->next = devices;
	devices = dev;
	return dev;
}

struct pci_dev *pci_dev_get_locked(struct pci_id id)
{
	struct pci_dev *dev = pci_dev_find_locked(id);

	return dev ? dev : dev_new_locked(id, false, id);
}

/* ---------------------------------------------------------------- the MSI-X table */

static u64 bar_read(struct pci_id id, u16 first_bar, u8 bar)
{
	u32 low = hw_pci_read(id, (u16)(first_bar + 4 * bar), 4);
	u64 high = 0;

	if ((low & BAR_IO) != 0)
		return 0;
	if ((low & 6) == BAR_64BIT) {
		if (bar == 5)
			return 0;
		high = hw_pci_read(id, (u16)(first_bar + 4 * bar + 4), 4);
	}
	return high << 32 | (low & ~0xfu);
}

static u16 ext_capability_find(struct pci_id id, u16 which)
{
	u32 at = 0x100;

	if (!hw_pci_open(id))
		return 0;
	for (unsigned int i = 0; i < EXT_CAPABILITIES_MAX && at >= 0x100; i++) {
		u32 head = hw_pci_read(id, (u16)at, 4);

		if (head == 0 || head == 0xffffffff)
			return 0;
		if ((head & 0xffff) == which)
			return (u16)at;
		at = head >> 20 & 0xffcu;
	}
	return 0;
}

/*
 * Where the table's BAR begins. A virtual function's own BARs read as 0: its physical function's say where they all begin,
 * and Domain 0 says where this one's does.
 */
static u64 table_base(const struct pci_dev *dev, u64 claimed)
{
	u64 first;
	u16 sriov;

	if (!dev->is_virtual) {
		u64 base = bar_read(dev->id, PCI_BAR0, dev->msix_table_bar);

		return claimed == 0 || claimed == base ? base : 0;
	}
	sriov = ext_capability_find(dev->physical, PCI_EXT_CAP_SRIOV);
	first = sriov ? bar_read(dev->physical, (u16)(sriov + 0x24), dev->msix_table_bar) : 0;
	return first && claimed >= first ? claimed : 0;
}

/* Mica is about to write there: never RAM, never a device that is Mica's own. */
static bool frames_are_device(const struct domain *d, u64 first, u64 last)
{
	if (!d->iomem_allowed || !rangeset_contains(d->iomem_allowed, first, last))
		return false;
	for (u64 mfn = first; mfn <= last; mfn++)
		if (hw_frame_is_ram(mfn_make(mfn)))
			return false;
	return true;
}

static bool decodes_memory(const struct pci_dev *dev)
{
	return dev->is_virtual || (hw_pci_read(dev->id, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY) != 0;
}

int pci_msix_table_locked(struct domain *d, struct pci_dev *dev, u64 claimed)
{
	u64 base = table_base(dev, claimed & ~0xfull);
	u64 bytes = dev->msix_entry_count * 16ull, address, end;

	if (!decodes_memory(dev))
		return err(ENXIO);
	if (base == 0 || __builtin_add_overflow(base, dev->msix_table_offset, &address) ||
	    __builtin_add_overflow(address, bytes - 1, &end))
		return err(EINVAL);
	if (address == dev->msix_address)
		return 0;
	if (dev->msix_count)
		return err(EBUSY); /* moved under messages in use */
	if (!frames_are_device(d, address >> PAGE_SHIFT, end >> PAGE_SHIFT))
		return err(EINVAL);
	pci_msix_readonly_locked(dev, false);
	dev->msix_table = hw_device_map(address, bytes);
	dev->msix_address = address;
	return 0;
}

static void readonly_add(const struct pci_dev *dev)
{
	static bool is_said;

	if (!mm_iomem_readonly.range)
		rangeset_init(&mm_iomem_readonly, readonly_ranges, READONLY_RANGES_MAX);
	if (rangeset_add(&mm_iomem_readonly, dev->readonly_first, dev->readonly_last) && !is_said) {
		is_said = true;
		log_warning("PCI: more MSI-X tables than can be protected from writes");
	}
}

/* Several tables may share a page, so taking one away adds the others again. */
void pci_msix_readonly_locked(struct pci_dev *dev, bool is_readonly)
{
	struct pci_dev *other;

	if (is_readonly && dev->msix_address && !dev->readonly_last) {
		dev->readonly_first = dev->msix_address >> PAGE_SHIFT;
		dev->readonly_last = (dev->msix_address + dev->msix_entry_count * 16 - 1) >>
				     PAGE_SHIFT;
		readonly_add(dev);
	} else if (!is_readonly && dev->readonly_last) {
		(void)rangeset_remove(&mm_iomem_readonly, dev->readonly_first, dev->readonly_last);
		dev->readonly_first = dev->readonly_last = 0;
		for (other = devices; other; other = other->next)
			if (other->readonly_last)
				readonly_add(other);
	}
}

/* ---------------------------------------------------------------- what Domain 0 reports */

int irq_pci_add(struct domain *d, struct pci_id id, bool is_virtual, struct pci_id physical)
{
	if (!d->is_hardware)
		return err(EPERM);
	LOCK_SCOPE(&pci_dev_lock);
	if (!pci_dev_find_locked(id) && !dev_new_locked(id, is_virtual, physical))
		return err(ENODEV);
	return 0;
}

static void dev_remove_locked(struct pci_dev *dev)
{
	struct pci_dev **link = &devices;

	msi_unmap_all_locked(dev);
	pci_msix_readonly_locked(dev, false);
	while (*link != dev)
		link = &(*link)->next;
	*link = dev->next;
	heap_free(dev->msix_irqs);
	heap_free(dev);
}

int irq_pci_change(struct domain *d, struct pci_id id, enum irq_pci_change change)
{
	bool is_prepare = change == IRQ_PCI_PREPARE_MSIX;
	struct pci_dev *dev;
	int rc = 0;

	if (!d->is_hardware)
		return err(EPERM);
	LOCK_SCOPE(&pci_dev_lock);
	dev = is_prepare ? pci_dev_get_locked(id) : pci_dev_find_locked(id);
	if (!dev)
		return err(ENODEV);
	if (change == IRQ_PCI_REMOVE) {
		dev_remove_locked(dev);
	} else if (change == IRQ_PCI_RESTORE_MSI) {
		msi_restore_locked(dev);
	} else {
		if (!dev->msix)
			return err(ENODEV);
		if (is_prepare)
			rc = pci_msix_table_locked(d, dev, 0);
		else
			rc = dev->msix_count ? err(EBUSY) : 0;
		if (!rc)
			pci_msix_readonly_locked(dev, is_prepare);
	}
	return rc;
}

int irq_pci_window(struct domain *d, u64 address, u16 segment, u8 bus_first, u8 bus_last, u32 flags)
{
	if (!d->is_hardware)
		return err(EPERM);
	if ((flags & XEN_PCI_MMCFG_RESERVED) == 0)
		return 0; /* not reserved by the firmware: not to be relied on */
	for (unsigned int i = 0; i < hw_acpi.mcfg_count; i++) {
		const struct acpi_mcfg *mcfg = &hw_acpi.mcfgs[i];

		if (mcfg->address == address && mcfg->segment == segment &&
		    mcfg->bus_first <= bus_first && mcfg->bus_last >= bus_last)
			return hw_pci_window_add(address, segment, bus_first, bus_last);
	}
	return err(ENODEV);
}

/* ---------------------------------------------------------------- configuration space */

static u32 msi_protected(const struct pci_dev *dev, u32 at)
{
	u32 end = dev->msi_is_64bit ? 14 : 10;

	if (dev->msi_may_mask)
		end = dev->msi_is_64bit ? 20 : 16;
	if (at == MSI_CONTROL)
		return MSI_CONTROL_COUNT;
	return at >= 4 && at < end ? 0xff : 0;
}

static bool is_table_bar(const struct pci_dev *dev, u32 reg)
{
	u32 bar = PCI_BAR0 + 4u * dev->msix_table_bar;

	return dev->msix && !dev->is_virtual && reg >= bar && reg < bar + 8;
}

/* Bits of one byte of configuration space that keep their value. */
static u32 byte_protected(const struct pci_dev *dev, u32 reg)
{
	if (dev->msi_count && reg >= dev->msi && reg < dev->msi + 24u)
		return msi_protected(dev, reg - dev->msi);
	if (dev->msix_count && is_table_bar(dev, reg)) {
		u32 low = hw_pci_read(dev->id, (u16)(PCI_BAR0 + 4 * dev->msix_table_bar), 4);
		bool is_wide = (low & 7) == BAR_64BIT;

		return reg < PCI_BAR0 + 4u * dev->msix_table_bar + (is_wide ? 8u : 4u) ? 0xff : 0;
	}
	return 0;
}

/* After the write: did it change what we know? */
static void config_noted(struct domain *d, struct pci_dev *dev, u32 reg, u8 bytes)
{
	u32 last = reg + bytes - 1;

	if (dev->msix_count)
		return;
	for (u32 at = reg; at <= last; at++)
		if (is_table_bar(dev, at) && dev->msix_address) {
			pci_msix_readonly_locked(dev, false);
			dev->msix_address = 0;
		}
	/* Linux sets the enable bit before it maps the table, so this is the time to make it read-only. */
	if (dev->msix && reg <= dev->msix + MSIX_CONTROL + 1u &&
	    last >= dev->msix + MSIX_CONTROL + 1u &&
	    (hw_pci_read(dev->id, (u16)(dev->msix + MSIX_CONTROL), 2) & MSIX_ENABLE) != 0 &&
	    !dev->is_virtual && decodes_memory(dev) && pci_msix_table_locked(d, dev, 0) == 0)
		pci_msix_readonly_locked(dev, true);
}

static struct pci_id config_id(u32 cf8)
{
	return (struct pci_id){.bus = (u8)(cf8 >> 16), .devfn = (u8)(cf8 >> 8)};
}

static bool config_is_valid(const struct domain *d, u32 cf8, u8 offset, u8 bytes)
{
	return d->is_hardware && (cf8 & BIT(31)) != 0 && (bytes == 1 || bytes == 2 || bytes == 4) &&
	       offset + bytes <= 4;
}

u32 pci_config_read(struct domain *d, u32 cf8, u8 offset, u8 bytes)
{
	if (config_is_valid(d, cf8, offset, bytes))
		return hw_pci_read(config_id(cf8), (u16)((cf8 & 0xfc) + offset), bytes);
	return 0xffffffffu >> (bytes >= 4 ? 0 : 32 - 8 * bytes);
}

void pci_config_write(struct domain *d, u32 cf8, u8 offset, u8 bytes, u32 value)
{
	u32 reg = (cf8 & 0xfc) + offset, keep = 0;
	struct pci_id id = config_id(cf8);
	struct pci_dev *dev;

	if (!config_is_valid(d, cf8, offset, bytes))
		return;
	LOCK_SCOPE(&pci_dev_lock);
	dev = pci_dev_find_locked(id);
	for (u32 i = 0; dev && i < bytes; i++)
		keep |= byte_protected(dev, reg + i) << (8 * i);
	if (keep)
		value = (value & ~keep) | (hw_pci_read(id, (u16)reg, bytes) & keep);
	hw_pci_write(id, (u16)reg, bytes, value);
	if (dev)
		config_noted(d, dev, reg, bytes);
}

/* ---------------------------------------------------------------- what the hardware domain may not have */

int irq_ports_deny(struct rangeset *ioports)
{
	static const struct range denied[] = {
		{0x20, 0x21},	/* PIC */
		{0xa0, 0xa1},	/* PIC */
		{0x4d0, 0x4d1}, /* PIC: edge or level */
		{0xcf8, 0xcf8}, /* PCI: shadowed for each vCPU; 0xcf9, reset, is Domain 0's */
		{0xcfa, 0xcff}, /* PCI: mediated */
	};
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(denied) && !rc; i++)
		rc = rangeset_remove(ioports, denied[i].start, denied[i].end);
	return rc;
}

int irq_iomem_deny(struct rangeset *iomem)
{
	u64 lapic = hw_acpi.lapic_address >> PAGE_SHIFT;
	/* Messages are written to this megabyte (SDM 3A 11.11.1). */
	int rc = rangeset_remove(iomem, lapic, lapic) ?: rangeset_remove(iomem, 0xfee00, 0xfeeff);

	for (unsigned int i = 0; i < hw_acpi.ioapic_count && !rc; i++) {
		u64 mfn = hw_acpi.ioapics[i].address >> PAGE_SHIFT;

		rc = rangeset_remove(iomem, mfn, mfn);
	}
	return rc;
}

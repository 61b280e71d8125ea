/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration space: by the two ports of old where they reach (segment 0, the first 256 bytes), else through the
 * memory-mapped window, whose pages are mapped one function at a time when hw_pci_open() is called. Reached from irq/; one
 * lock, interrupts off. PCI 3.0 3.2.2.3, PCIe 7.2.2.
 */
#include "hw/pci.h"

#include "core/atomic.h"
#include "core/lock.h"
#include "hw/acpi.h"
#include "hw/io.h"
#include "hw/paging.h"
#include "lib/errno.h"

#define PORT_ADDRESS 0xcf8
#define PORT_DATA    0xcfc
#define WINDOWS_MAX  16
#define PAGES_MAX    1024
#define BUS_BYTES    BIT(20)
#define NO_ENTRY     0xffffffffu

struct window {
	u64 address; /* of bus 0 */
	u16 segment;
	u8 bus_first, bus_last;
};

struct page {
	u32 key; /* segment << 16 | bus << 8 | devfn */
	u8 *base;
};

static struct lock pci_lock = LOCK_INIT(LOCK_RANK_IRQCHIP);
static struct window windows[WINDOWS_MAX]; /* entries are added, never changed */
static unsigned int window_count;	   /* [a] an entry is whole before it counts */
static struct page pages[PAGES_MAX];	   /* the same */
static unsigned int page_count;		   /* [a] */

int hw_pci_window_add(u64 address, u16 segment, u8 bus_first, u8 bus_last)
{
	u64 end;

	if (bus_last < bus_first || address == 0 || (address & (BUS_BYTES - 1)) != 0 ||
	    __builtin_add_overflow(address, ((u64)bus_last + 1) * BUS_BYTES, &end))
		return -EINVAL;
	LOCK_SCOPE_IRQ(&pci_lock);
	for (unsigned int i = 0; i < window_count; i++)
		if (windows[i].segment == segment && windows[i].bus_first <= bus_last &&
		    windows[i].bus_last >= bus_first)
			return windows[i].address == address ? 0 : -EINVAL;
	if (window_count == WINDOWS_MAX)
		return -ENOSPC;
	windows[window_count] = (struct window){address, segment, bus_first, bus_last};
	atomic_store(&window_count, window_count + 1);
	return 0;
}

void hw_pci_init(void)
{
	/*
	 * The firmware's MCFG is believed for segment 0 only when Domain 0 says that the window is reserved
	 * (pci_mmcfg_reserved); other segments cannot be reached otherwise.
	 */
	for (unsigned int i = 0; i < hw_acpi.mcfg_count; i++) {
		const struct acpi_mcfg *mcfg = &hw_acpi.mcfgs[i];

		if (mcfg->segment)
			(void)hw_pci_window_add(mcfg->address, mcfg->segment, mcfg->bus_first,
						mcfg->bus_last);
	}
}

static u32 key_of(struct pci_id id)
{
	return (u32)id.segment << 16 | (u32)id.bus << 8 | id.devfn;
}

static u8 *page_find(struct pci_id id)
{
	unsigned int count = atomic_load(&page_count);

	for (unsigned int i = 0; i < count; i++)
		if (pages[i].key == key_of(id))
			return pages[i].base;
	return NULL;
}

static const struct window *window_find(struct pci_id id)
{
	unsigned int count = atomic_load(&window_count);

	for (unsigned int i = 0; i < count; i++)
		if (windows[i].segment == id.segment && id.bus >= windows[i].bus_first &&
		    id.bus <= windows[i].bus_last)
			return &windows[i];
	return NULL;
}

bool hw_pci_open(struct pci_id id)
{
	const struct window *window = window_find(id);
	u8 *base;

	if (!window)
		return false;
	if (page_find(id))
		return true;
	base = hw_device_map(window->address + ((u64)id.bus << 20) + ((u64)id.devfn << 12),
			     PAGE_SIZE);
	LOCK_SCOPE_IRQ(&pci_lock);
	if (page_count < PAGES_MAX) {
		pages[page_count] = (struct page){key_of(id), base};
		atomic_store(&page_count, page_count + 1);
	}
	return page_find(id) != NULL;
}

/* The ports reach it: the one for its data. */
static u16 port_select_locked(struct pci_id id, u16 offset)
{
	hw_out32(PORT_ADDRESS, 1u << 31 | key_of(id) << 8 | (offset & 0xfcu));
	return (u16)(PORT_DATA + (offset & 3));
}

u32 hw_pci_read(struct pci_id id, u16 offset, unsigned int bytes)
{
	const u8 *p;

	LOCK_SCOPE_IRQ(&pci_lock);
	if (id.segment == 0 && offset < 256)
		return hw_in(port_select_locked(id, offset), bytes);
	p = page_find(id);
	return p ? hw_mmio_read(p + offset, bytes) : NO_ENTRY >> (32 - 8 * bytes);
}

void hw_pci_write(struct pci_id id, u16 offset, unsigned int bytes, u32 value)
{
	u8 *p;

	LOCK_SCOPE_IRQ(&pci_lock);
	if (id.segment == 0 && offset < 256)
		hw_out(port_select_locked(id, offset), bytes, value);
	else if ((p = page_find(id)) != NULL)
		hw_mmio_write(p + offset, bytes, value);
}

/* SPDX-License-Identifier: MIT */
/*
 * IO-APIC registers: index and window, 64-bit redirection entries written so that no half of one is ever live (masked
 * first). What is in an entry's lower half is remembered, so that mask and unmask need no read. Reached from irq/ and
 * hcall/; one lock, taken with interrupts off.
 */
#include "hw/ioapic.h"

#include "core/lock.h"
#include "core/log.h"
#include "hw/acpi.h"
#include "hw/io.h"
#include "hw/paging.h"
#include "lib/errno.h"

#define REG_SELECT	0x00
#define REG_WINDOW	0x10
#define IOAPIC_VERSION	1
#define IOAPIC_ENTRY(n) (0x10 + 2 * (n))

#define ENTRY_LOW	 (1u << 13) /* active low */
#define ENTRY_REMOTE_IRR (1u << 14)
#define ENTRY_LEVEL	 (1u << 15)
#define ENTRY_MASKED	 (1u << 16)

static struct lock ioapic_lock = LOCK_INIT(LOCK_RANK_IRQCHIP);
static struct ioapic ioapics[ACPI_IOAPICS_MAX]; /* [c] */
static unsigned int ioapic_count;		/* [c] */
static u32 gsi_count;				/* [c] */
static u8 gsi_ioapic[GSI_MAX];			/* [c] index + 1; 0: a hole */
static u32 gsi_low[GSI_MAX];			/* [l] lower half of the entry */

static u32 read_locked(const struct ioapic *ioapic, u32 reg)
{
	hw_mmio_write32(ioapic->base + REG_SELECT, reg);
	return hw_mmio_read32(ioapic->base + REG_WINDOW);
}

static void write_locked(const struct ioapic *ioapic, u32 reg, u32 value)
{
	hw_mmio_write32(ioapic->base + REG_SELECT, reg);
	hw_mmio_write32(ioapic->base + REG_WINDOW, value);
}

u32 hw_gsi_count(void)
{
	return gsi_count;
}

bool hw_gsi_exists(u32 gsi)
{
	return gsi < gsi_count && gsi_ioapic[gsi] != 0;
}

/* The controller of a GSI that exists, and the register of its entry's lower half. */
static const struct ioapic *gsi_find(u32 gsi, u32 *reg)
{
	const struct ioapic *ioapic = &ioapics[gsi_ioapic[gsi] - 1];

	*reg = IOAPIC_ENTRY(gsi - ioapic->gsi_base);
	return ioapic;
}

static bool overlaps_another(const struct acpi_ioapic *info, u32 count)
{
	for (u32 n = 0; n < count; n++)
		if (info->gsi_base + n < GSI_MAX && gsi_ioapic[info->gsi_base + n])
			return true;
	return false;
}

static void controller_init(const struct acpi_ioapic *info)
{
	struct ioapic *ioapic = &ioapics[ioapic_count];
	u32 version, count;

	ioapic->base = hw_device_map(info->address, 0x20);
	version = read_locked(ioapic, IOAPIC_VERSION);
	count = (version >> 16 & 0xff) + 1;
	if (version == 0xffffffff || count > 240 || info->gsi_base >= GSI_MAX ||
	    overlaps_another(info, count)) {
		log_warning("IO-APIC %u at %lx not used: version %x, GSIs from %u", info->id,
			    info->address, version, info->gsi_base);
		return;
	}
	count = MIN(count, (u32)GSI_MAX - info->gsi_base);
	*ioapic = (struct ioapic){ioapic->base, info->address, info->gsi_base, count};
	ioapic_count++;
	for (u32 n = 0; n < count; n++) {
		gsi_ioapic[info->gsi_base + n] = (u8)ioapic_count;
		gsi_low[info->gsi_base + n] = ENTRY_MASKED;
		write_locked(ioapic, IOAPIC_ENTRY(n), ENTRY_MASKED);
		write_locked(ioapic, IOAPIC_ENTRY(n) + 1, 0);
	}
	gsi_count = MAX(gsi_count, info->gsi_base + count);
	log_info("IO-APIC %u at %lx: GSIs %u to %u", info->id, info->address, info->gsi_base,
		 info->gsi_base + count - 1);
}

int hw_ioapic_init(void)
{
	for (unsigned int i = 0; i < hw_acpi.ioapic_count; i++)
		controller_init(&hw_acpi.ioapics[i]);
	return ioapic_count ? 0 : -ENODEV;
}

void hw_ioapic_route(u32 gsi, const struct ioapic_route *route)
{
	u32 reg;
	const struct ioapic *ioapic = gsi_find(gsi, &reg);

	LOCK_SCOPE_IRQ(&ioapic_lock);
	gsi_low[gsi] = ENTRY_MASKED | route->vector | (route->is_level ? ENTRY_LEVEL : 0) |
		       (route->is_low ? ENTRY_LOW : 0);
	write_locked(ioapic, reg, gsi_low[gsi]);
	write_locked(ioapic, reg + 1, route->apic_id << 24);
}

void hw_ioapic_mask(u32 gsi, bool is_masked)
{
	u32 reg;
	const struct ioapic *ioapic = gsi_find(gsi, &reg);

	LOCK_SCOPE_IRQ(&ioapic_lock);
	gsi_low[gsi] = (gsi_low[gsi] & ~ENTRY_MASKED) | (is_masked ? ENTRY_MASKED : 0);
	write_locked(ioapic, reg, gsi_low[gsi]);
}

void hw_ioapic_stop(void)
{
	for (unsigned int i = 0; i < ioapic_count; i++)
		for (u32 n = 0; n < ioapics[i].entry_count; n++)
			write_locked(&ioapics[i], IOAPIC_ENTRY(n), ENTRY_MASKED);
}

bool hw_ioapic_is_in_service(u32 gsi)
{
	u32 reg;
	const struct ioapic *ioapic = gsi_find(gsi, &reg);

	LOCK_SCOPE_IRQ(&ioapic_lock);
	return (read_locked(ioapic, reg) & ENTRY_REMOTE_IRR) != 0;
}

const struct ioapic *hw_ioapic_find(u64 address)
{
	for (unsigned int i = 0; i < ioapic_count; i++)
		if (ioapics[i].address == address)
			return &ioapics[i];
	return NULL;
}

u32 hw_ioapic_read(const struct ioapic *ioapic, u32 reg)
{
	LOCK_SCOPE_IRQ(&ioapic_lock);
	return read_locked(ioapic, reg);
}

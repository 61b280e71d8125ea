/* SPDX-License-Identifier: MIT */
/*
 * IO-APICs: one redirection entry for each global system interrupt (GSI). Reached from irq/ and hcall/physdev_op.c;
 * registers are under one lock of rank IRQCHIP, taken here. Intel 82093AA, SDM 3A 11.11 (destination formats).
 */
#pragma once

#include "lib/types.h"

#define GSI_MAX 1024 /* GSIs that we look after */

/* What goes into a redirection entry. Delivery is always fixed, to one CPU by its APIC id. */
struct ioapic_route {
	u8 vector;
	u32 apic_id; /* 0..254 */
	bool is_level;
	bool is_low;
};

/* Maps the controllers of hw_acpi, masks every entry. -ENODEV: none usable. */
int hw_ioapic_init(void);
u32 hw_gsi_count(void);	     /* [c] highest GSI + 1 */
bool hw_gsi_exists(u32 gsi); /* there may be holes */

/* Writes the whole entry, masked; the caller unmasks. */
void hw_ioapic_route(u32 gsi, const struct ioapic_route *route);
void hw_ioapic_mask(u32 gsi, bool is_masked);
/* The end: masks every entry, without the lock, which a CPU that was stopped may hold. */
void hw_ioapic_stop(void);
/* A level interrupt was accepted by a CPU that has not said EOI for it yet (Remote IRR). */
bool hw_ioapic_is_in_service(u32 gsi);

/* For Domain 0's apic_read and apic_write. NULL: no controller at that address. */
struct ioapic {
	u8 *base; /* registers */
	u64 address;
	u32 gsi_base;
	u32 entry_count;
};
const struct ioapic *hw_ioapic_find(u64 address);
u32 hw_ioapic_read(const struct ioapic *ioapic, u32 reg);

/* SPDX-License-Identifier: MIT */
/*
 * Interrupts of devices: vectors, who gets an interrupt, EOI, MSI. Reached from entry/ (irq_dispatch), evtchn/ (bind),
 * hcall/physdev_op.c, domain/ and boot/; calls mm (heap), time (timers) and the seam (hw/ioapic.h, hw/pci.h, hw/lapic.h).
 *
 * Words: an *irq* is a source at the machine (a GSI of an IO-APIC, or one message of a PCI device). A *pirq* is the number
 * by which a domain knows an irq that it was given; for GSIs the two are the same number, messages get pirqs above them.
 *
 * Locks: a domain's pirq table LOCK_RANK_PIRQ; each irq LOCK_RANK_IRQ (interrupts off); devices LOCK_RANK_PHYSDEV.
 */
#pragma once

#include "core/domain.h"
#include "hw/pci.h"
#include "lib/types.h"

#define IRQ_VECTOR_FIRST 0x30 /* vectors that irq/ gives to devices */
#define IRQ_VECTOR_LAST	 0xef

/* ---------------------------------------------------------------- the machine */

/* Boot, after ACPI tables and the heap: every IO-APIC entry masked. -ENODEV: no IO-APIC. */
int irq_init(void);
/* From entry/, interrupts off, vectors 0x20..0xef: finds the irq, tells its owner, says EOI to the local APIC. */
void irq_dispatch(u8 vector);
/* One line for each irq in use (serial key). */
void irq_print(void);

/* ---------------------------------------------------------------- a domain's pirqs */

/* Allocates d->irq: for the hardware domain all GSIs (pirq == gsi) and room for messages. -ENOMEM. */
int irq_domain_init(struct domain *d);
/* Unbinds and unmaps everything. The domain's vCPUs do not run any more; tools may still name it. */
void irq_domain_release(struct domain *d);
/* The same, and frees d->irq: nobody has a reference. */
void irq_domain_destroy(struct domain *d);
/* pirqs are 0 .. count - 1. */
u32 irq_pirq_count(const struct domain *d);

/*
 * What is called when the interrupt comes: interrupts off, no lock of irq/ held, on the CPU that took it. It may not take
 * a lock that a caller of irq_guest_unbind() holds (that one waits until fn has returned everywhere).
 */
typedef void (*irq_guest_fn)(struct domain *d, u32 pirq);

/*
 * EVTCHNOP_bind_pirq: connects a mapped pirq (a GSI that was never mapped is mapped now, if d may have it) and unmasks it.
 * flags: BIND_PIRQ__*. cpu: where to deliver. -EINVAL no such pirq; -EPERM not allowed; -EEXIST bound already;
 * -EBUSY bound by another domain; -ENOSPC no vector.
 */
int irq_guest_bind(struct domain *d, u32 pirq, u32 flags, irq_guest_fn fn, unsigned int cpu);
/* EVTCHNOP_close: masks it, forgets fn. After it has returned fn does not run. -EINVAL: not bound. */
int irq_guest_unbind(struct domain *d, u32 pirq);
/* EVTCHNOP_bind_vcpu: a wish; a failure to move is not an error. */
void irq_guest_set_affinity(struct domain *d, u32 pirq, unsigned int cpu);

/* PHYSDEVOP_eoi: a level interrupt may come again. -EINVAL: not bound. */
int irq_guest_eoi(struct domain *d, u32 pirq);
/* PHYSDEVOP_irq_status_query: XENIRQSTAT_*. -EINVAL: out of range. */
int irq_guest_status(struct domain *d, u32 pirq, u32 *flags);
/*
 * PHYSDEVOP_pirq_eoi_gmfn: from now on bit pirq of the frame says that pirq needs an EOI. -EBUSY: there is one already;
 * -EINVAL: not a frame that d may write. unmasks: v1's promise, PHYSDEVOP_eoi also unmasks the port.
 */
int irq_eoi_page_set(struct domain *d, mfn_t mfn, bool unmasks);
/* That frame, or MFN_NONE; for the audit. */
mfn_t irq_eoi_frame(const struct domain *d);
bool irq_eoi_unmasks(const struct domain *d);

/* ---------------------------------------------------------------- mapping */

/* Which device's message. */
struct irq_msi_request {
	struct pci_id id;
	bool is_msix;
	u32 count;	/* MSI: messages wanted, a power of two; MSI-X: 1 */
	u32 entry;	/* MSI-X: table entry */
	u64 table_base; /* MSI-X: the BAR's address as the domain sees it; 0: not given */
};

/* pirq IN: -1, or the number wanted; OUT: the number. -EPERM, -EINVAL, -ENOSPC, -ENOMEM; mapped to it already: 0. */
int irq_map_gsi(struct domain *d, s64 gsi, s64 *pirq);
/* Programs the device. pirq OUT: the first of `count`. Also -ENODEV no such device, -EBUSY entry in use, -ENXIO no decode. */
int irq_map_msi(struct domain *d, const struct irq_msi_request *request, s64 *pirq);
/* Also unbinds. The first of a group takes the group with it, others of it: -EINVAL. -ESRCH not mapped. */
int irq_unmap(struct domain *d, s64 pirq);
/* PHYSDEVOP_get_free_pirq: reserves one for a later map with that number. -ENOSPC. */
int irq_reserve_pirq(struct domain *d, bool is_gsi, u32 *pirq);
/* PHYSDEVOP_setup_gsi. -EINVAL no such GSI; -EEXIST: set up already, unchanged. */
int irq_gsi_setup(struct domain *d, s64 gsi, bool is_level, bool is_low);

/* ---------------------------------------------------------------- PCI (pci.c) */

/* Devices that Domain 0 reports. 0 also when known already; -ENODEV; -ENOMEM. */
int irq_pci_add(struct domain *d, struct pci_id id, bool is_virtual, struct pci_id physical);
enum irq_pci_change {
	IRQ_PCI_REMOVE,
	IRQ_PCI_RESTORE_MSI,  /* the device lost its state: programs its messages, if any, again */
	IRQ_PCI_PREPARE_MSIX, /* its tables are read-only to guests from now on */
	IRQ_PCI_RELEASE_MSIX, /* ... no longer. -EBUSY: in use */
};
/* -ENODEV; prepare also as irq_map_msi(). */
int irq_pci_change(struct domain *d, struct pci_id id, enum irq_pci_change change);
/* PHYSDEVOP_pci_mmcfg_reserved. */
int irq_pci_window(struct domain *d, u64 address, u16 segment, u8 bus_first, u8 bus_last,
		   u32 flags);

/*
 * Ports 0xcfc..0xcff with the vCPU's shadow of 0xcf8. offset: port - 0xcfc; offset + bytes <= 4; bytes 1, 2 or 4. For
 * domains other than the hardware domain all ones are read and writes vanish. What a write may not change (MSI and MSI-X
 * address, data, table entries in use) keeps its value.
 */
u32 pci_config_read(struct domain *d, u32 cf8, u8 offset, u8 bytes);
void pci_config_write(struct domain *d, u32 cf8, u8 offset, u8 bytes, u32 value);

/* What the hardware domain may not have, taken out of its rights: see doc/dom0-may-not.md. */
struct rangeset;
int irq_ports_deny(struct rangeset *ioports);
int irq_iomem_deny(struct rangeset *iomem); /* frame numbers */

/* SPDX-License-Identifier: MIT */
/*
 * physdev_op: what a domain with devices asks about interrupts, PCI and I/O privilege. Copies in, calls irq/ or pv/, copies
 * back. Reached from the hypercall table. No lock of its own.
 */
#include "core/domain.h"
#include "evtchn/evtchn.h"
#include "hcall/subop.h"
#include "hw/ioapic.h"
#include "hw/mem.h"
#include "irq/irq.h"
#include "pv/pv.h"

#define IOAPIC_REG_ENTRIES    0x10u
#define IOAPIC_REG_ID	      0u
#define IOAPIC_REG_LAST_PLAIN 2u
#define ENTRY_VECTOR	      0xffu
#define ENTRY_LOW	      BIT(13)
#define ENTRY_LEVEL	      BIT(15)

/* ---------------------------------------------------------------- interrupts */

static int eoi(struct vcpu *v, struct subop *op)
{
	struct physdev_eoi *arg = &op->arg.eoi;
	int rc;

	if (arg->irq >= irq_pirq_count(v->domain))
		return err(EINVAL);
	rc = irq_guest_eoi(v->domain, arg->irq);
	if (rc == 0 && irq_eoi_unmasks(v->domain))
		evtchn_pirq_unmask(v->domain, arg->irq);
	return rc;
}

static int free_pirq(struct vcpu *v, struct subop *op)
{
	struct physdev_get_free_pirq *arg = &op->arg.get_free_pirq;

	if (arg->type != MAP_PIRQ_TYPE_GSI && arg->type != MAP_PIRQ_TYPE_MSI)
		return err(EINVAL);
	return irq_reserve_pirq(v->domain, arg->type == MAP_PIRQ_TYPE_GSI, &arg->pirq);
}

static int map_message(struct domain *d, struct physdev_map_pirq *arg, s64 *pirq)
{
	u32 bus = (u32)arg->bus;
	struct irq_msi_request request = {
		.id = {.bus = (u8)bus, .devfn = (u8)arg->devfn},
		.count = 1,
	};

	if (arg->type != MAP_PIRQ_TYPE_MSI)
		request.id.segment = (u16)(bus >> 16);
	if ((arg->type == MAP_PIRQ_TYPE_MSI && bus > 0xff) || (bus & 0xff00) != 0 ||
	    arg->devfn < 0 || arg->devfn > 0xff || arg->entry_nr < 0)
		return err(EINVAL);
	if (arg->type == MAP_PIRQ_TYPE_MULTI_MSI) {
		request.count = (u32)arg->entry_nr;
	} else if (arg->table_base != 0) {
		request.is_msix = true;
		request.entry = (u32)arg->entry_nr;
		request.table_base = arg->table_base;
	}
	return irq_map_msi(d, &request, pirq);
}

static int map_pirq(struct vcpu *v, struct subop *op)
{
	struct physdev_map_pirq *arg = &op->arg.map_pirq;
	s64 pirq = arg->pirq;
	int rc;

	switch (arg->type) {
	case MAP_PIRQ_TYPE_GSI:
		rc = irq_map_gsi(op->d, arg->index, &pirq);
		break;
	case MAP_PIRQ_TYPE_MSI:
	case MAP_PIRQ_TYPE_MSI_SEG:
	case MAP_PIRQ_TYPE_MULTI_MSI:
		rc = map_message(op->d, arg, &pirq);
		break;
	default:
		return err(EINVAL);
	}
	if (rc == 0)
		arg->pirq = (int)pirq;
	return rc;
}

/* A pirq that nobody knows of would be lost. */
static void map_undo(struct vcpu *v, struct subop *op)
{
	(void)irq_unmap(op->d, op->arg.map_pirq.pirq);
}

/* A vector is Mica's business; kernels that want one get the GSI's own number, and write it to the IO-APIC below. */
static int alloc_vector(struct vcpu *v, struct subop *op)
{
	struct physdev_irq *arg = &op->arg.irq;

	if (!hw_gsi_exists(arg->irq))
		return err(EINVAL);
	arg->vector = arg->irq;
	return 0;
}

/* ---------------------------------------------------------------- IO-APIC registers */

static int apic_entry(const struct ioapic *ioapic, u32 reg, u32 *entry)
{
	if (reg < IOAPIC_REG_ENTRIES)
		return -EINVAL;
	*entry = (reg - IOAPIC_REG_ENTRIES) / 2;
	return *entry < ioapic->entry_count ? 0 : -EINVAL;
}

static int apic_read(struct vcpu *v, struct subop *op)
{
	struct physdev_apic *arg = &op->arg.apic;
	u32 entry = 0;
	const struct ioapic *ioapic = hw_ioapic_find(arg->apic_physbase);

	if (ioapic == NULL)
		return err(EINVAL);
	if (arg->reg > IOAPIC_REG_LAST_PLAIN && apic_entry(ioapic, arg->reg, &entry) != 0)
		return err(EINVAL);
	arg->value = hw_ioapic_read(ioapic, arg->reg);
	if (arg->reg >= IOAPIC_REG_ENTRIES) {
		/* Not the real vector and destination, but what alloc_irq_vector said. */
		u32 gsi = ioapic->gsi_base + entry;

		arg->value = (arg->reg & 1) != 0
				     ? 0
				     : (arg->value & ~ENTRY_VECTOR) | (gsi & ENTRY_VECTOR);
	}
	return 0;
}

/* Of a redirection entry trigger and polarity are taken, once, and the line is mapped; the rest of it is Mica's. */
static int apic_write(struct vcpu *v, struct subop *op)
{
	struct physdev_apic *arg = &op->arg.apic;
	s64 gsi, pirq = -1;
	u32 entry;
	const struct ioapic *ioapic = hw_ioapic_find(arg->apic_physbase);
	int rc;

	if (ioapic == NULL)
		return err(EINVAL);
	if (arg->reg == IOAPIC_REG_ID)
		return 0;
	if (apic_entry(ioapic, arg->reg, &entry) != 0)
		return err(EINVAL);
	if ((arg->reg & 1) != 0)
		return 0;
	gsi = ioapic->gsi_base + entry;
	rc = irq_gsi_setup(v->domain, gsi, (arg->value & ENTRY_LEVEL) != 0,
			   (arg->value & ENTRY_LOW) != 0);
	return rc == 0 || rc == -EEXIST ? irq_map_gsi(v->domain, gsi, &pirq) : rc;
}

/* ---------------------------------------------------------------- PCI */

static int manage_pci_add_ext(struct vcpu *v, struct subop *op)
{
	struct physdev_manage_pci_ext *arg = &op->arg.manage_pci_ext;
	const struct pci_id id = {0, arg->bus, arg->devfn};
	const struct pci_id physical = {0, arg->physfn.bus, arg->physfn.devfn};

	if (arg->is_extfn > 1 || arg->is_virtfn > 1)
		return err(EINVAL);
	return irq_pci_add(v->domain, id, arg->is_virtfn != 0, physical);
}

static int device_add(struct vcpu *v, struct subop *op)
{
	struct physdev_pci_device_add *arg = &op->arg.device_add;
	/* The flexible array holds a NUMA node, of which Mica makes no use. */
	const struct pci_id id = {arg->seg, arg->bus, arg->devfn};
	const struct pci_id physical = {arg->seg, arg->physfn.bus, arg->physfn.devfn};

	return irq_pci_add(v->domain, id, (arg->flags & XEN_PCI_DEV_VIRTFN) != 0, physical);
}

/* Mica uses no EHCI debug port, so a reset of one disturbs nothing. */
static int dbgp(struct vcpu *v, struct subop *op)
{
	const struct physdev_dbgp_op *arg = &op->arg.dbgp;

	return arg->op != PHYSDEVOP_DBGP_RESET_PREPARE && arg->op != PHYSDEVOP_DBGP_RESET_DONE
		       ? err(EINVAL)
		       : 0;
}

/* ---------------------------------------------------------------- the table */

/* Calls that need no more than their arguments. */
static int plain(struct vcpu *v, struct subop *op)
{
	const struct physdev_pci_device *device = &op->arg.device;
	const struct pci_id id = {device->seg, device->bus, device->devfn};
	const struct pci_id old_id = {0, op->arg.manage_pci.bus, op->arg.manage_pci.devfn};
	struct domain *d = v->domain;

	switch (op->cmd) {
	case PHYSDEVOP_irq_status_query:
		return irq_guest_status(d, op->arg.irq_status_query.irq,
					&op->arg.irq_status_query.flags);
	case PHYSDEVOP_set_iopl:
		return pv_set_iopl(v, op->arg.set_iopl.iopl);
	case PHYSDEVOP_set_iobitmap:
		return pv_set_iobitmap(v, (u64)op->arg.set_iobitmap.bitmap.p,
				       op->arg.set_iobitmap.nr_ports);
	case PHYSDEVOP_unmap_pirq:
		return irq_unmap(op->d, op->arg.unmap_pirq.pirq);
	case PHYSDEVOP_pirq_eoi_gmfn_v1:
	case PHYSDEVOP_pirq_eoi_gmfn_v2:
		return irq_eoi_page_set(d, mfn_make(op->arg.eoi_page.gmfn),
					op->cmd == PHYSDEVOP_pirq_eoi_gmfn_v1);
	case PHYSDEVOP_setup_gsi:
		return irq_gsi_setup(d, op->arg.setup_gsi.gsi, op->arg.setup_gsi.triggering != 0,
				     op->arg.setup_gsi.polarity != 0);
	case PHYSDEVOP_manage_pci_add:
		return irq_pci_add(d, old_id, false, old_id);
	case PHYSDEVOP_manage_pci_remove:
		return irq_pci_change(d, old_id, IRQ_PCI_REMOVE);
	case PHYSDEVOP_restore_msi:
		return irq_pci_change(d, old_id, IRQ_PCI_RESTORE_MSI);
	case PHYSDEVOP_pci_mmcfg_reserved:
		return irq_pci_window(d, op->arg.mmcfg.address, op->arg.mmcfg.segment,
				      op->arg.mmcfg.start_bus, op->arg.mmcfg.end_bus,
				      op->arg.mmcfg.flags);
	case PHYSDEVOP_pci_device_remove:
		return irq_pci_change(d, id, IRQ_PCI_REMOVE);
	case PHYSDEVOP_restore_msi_ext:
		return irq_pci_change(d, id, IRQ_PCI_RESTORE_MSI);
	case PHYSDEVOP_prepare_msix:
		return irq_pci_change(d, id, IRQ_PCI_PREPARE_MSIX);
	default: /* PHYSDEVOP_release_msix */
		return irq_pci_change(d, id, IRQ_PCI_RELEASE_MSIX);
	}
}

static const struct subop_row rows[] = {
#define ROW(name, function, member, ...) \
	[PHYSDEVOP_##name] = {.fn = function, IN(member), ##__VA_ARGS__}
	ROW(irq_status_query, plain, irq_status_query, OUT(irq_status_query)),
	ROW(set_iopl, plain, set_iopl),
	ROW(set_iobitmap, plain, set_iobitmap),
	ROW(apic_read, apic_read, apic, OUT(apic), .rights = SUBOP_HARDWARE),
	ROW(apic_write, apic_write, apic, .rights = SUBOP_HARDWARE),
	ROW(alloc_irq_vector, alloc_vector, irq, OUT(irq), .rights = SUBOP_HARDWARE),
	ROW(eoi, eoi, eoi),
	ROW(map_pirq, map_pirq, map_pirq, OUT(map_pirq), NAMED_BY(map_pirq, domid),
	    .rights = SUBOP_QUIET, .undo = map_undo),
	ROW(unmap_pirq, plain, unmap_pirq, NAMED_BY(unmap_pirq, domid), .rights = SUBOP_QUIET),
	ROW(manage_pci_add, plain, manage_pci),
	ROW(manage_pci_remove, plain, manage_pci),
	ROW(pirq_eoi_gmfn_v1, plain, eoi_page),
	ROW(restore_msi, plain, restore_msi),
	ROW(manage_pci_add_ext, manage_pci_add_ext, manage_pci_ext),
	ROW(setup_gsi, plain, setup_gsi),
	ROW(get_free_pirq, free_pirq, get_free_pirq, OUT(get_free_pirq)),
	ROW(pci_mmcfg_reserved, plain, mmcfg),
	ROW(pci_device_add, device_add, device_add),
	ROW(pci_device_remove, plain, device),
	ROW(restore_msi_ext, plain, device),
	ROW(pirq_eoi_gmfn_v2, plain, eoi_page),
	ROW(dbgp_op, dbgp, dbgp, .rights = SUBOP_HARDWARE),
	ROW(prepare_msix, plain, device),
	ROW(release_msix, plain, device),
};

int do_physdev_op(struct vcpu *v, struct hcall_args *args)
{
	return subop_call(v, rows, ARRAY_SIZE(rows), (u32)args->a[0], gva_make(args->a[1]), args);
}

int do_physdev_op_compat(struct vcpu *v, struct hcall_args *args)
{
	return subop_compat(v, rows, PHYSDEVOP_irq_status_query, PHYSDEVOP_alloc_irq_vector,
			    offsetof(struct physdev_op, u), args);
}

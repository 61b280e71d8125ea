/* SPDX-License-Identifier: MIT */
/*
 * physdev_op: what a domain with devices asks about interrupts, PCI and I/O privilege. Copies in, calls irq/ or pv/, copies
 * back. Reached from the hypercall table. No lock of its own.
 */
#include "core/domain.h"
#include "evtchn/evtchn.h"
#include "hcall/hcall.h"
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

struct physdev_call {
	u64 cmd;
	union {
		struct physdev_irq_status_query status;
		struct physdev_set_iopl set_iopl;
		struct physdev_set_iobitmap set_iobitmap;
		struct physdev_apic apic;
		struct physdev_irq irq;
		struct physdev_eoi eoi;
		struct physdev_map_pirq map;
		struct physdev_unmap_pirq unmap;
		struct physdev_manage_pci manage_pci;
		struct physdev_manage_pci_ext manage_pci_ext;
		struct physdev_pirq_eoi_gmfn eoi_page;
		struct physdev_restore_msi restore_msi;
		struct physdev_setup_gsi setup_gsi;
		struct physdev_get_free_pirq free_pirq;
		struct physdev_pci_mmcfg_reserved mmcfg;
		struct physdev_pci_device_add device_add;
		struct physdev_pci_device device;
		struct physdev_dbgp_op dbgp;
	};
};

/* ---------------------------------------------------------------- interrupts */

static int eoi(struct vcpu *v, struct physdev_call *call)
{
	struct physdev_eoi *arg = &call->eoi;
	int rc;

	if (arg->irq >= irq_pirq_count(v->domain))
		return err(EINVAL);
	rc = irq_guest_eoi(v->domain, arg->irq);
	if (rc == 0 && irq_eoi_unmasks(v->domain))
		evtchn_pirq_unmask(v->domain, arg->irq);
	return rc;
}

static int status(struct vcpu *v, struct physdev_call *call)
{
	return irq_guest_status(v->domain, call->status.irq, &call->status.flags);
}

static int eoi_page(struct vcpu *v, struct physdev_call *call)
{
	return irq_eoi_page_set(v->domain, mfn_make(call->eoi_page.gmfn),
				call->cmd == PHYSDEVOP_pirq_eoi_gmfn_v1);
}

static int setup_gsi(struct vcpu *v, struct physdev_call *call)
{
	return irq_gsi_setup(v->domain, call->setup_gsi.gsi, call->setup_gsi.triggering != 0,
			     call->setup_gsi.polarity != 0);
}

static int free_pirq(struct vcpu *v, struct physdev_call *call)
{
	struct physdev_get_free_pirq *arg = &call->free_pirq;

	if (arg->type != MAP_PIRQ_TYPE_GSI && arg->type != MAP_PIRQ_TYPE_MSI)
		return err(EINVAL);
	return irq_reserve_pirq(v->domain, arg->type == MAP_PIRQ_TYPE_GSI, &arg->pirq);
}

/* The caller's own domain, or for Domain 0 any; referenced. */
static int domain_of(struct vcpu *v, domid_t id, struct domain **d)
{
	if (id == DOMID_SELF || id == v->domain->id) {
		domain_get(v->domain);
		*d = v->domain;
		return 0;
	}
	if (!v->domain->is_privileged)
		return err(EPERM);
	*d = domain_get_by_id(id);
	return *d ? 0 : err(ESRCH);
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

static int map_pirq(struct vcpu *v, struct physdev_call *call)
{
	struct physdev_map_pirq *arg = &call->map;
	struct domain *d = NULL;
	s64 pirq;
	int rc;

	rc = domain_of(v, arg->domid, &d);
	if (rc)
		return rc;
	pirq = arg->pirq;
	switch (arg->type) {
	case MAP_PIRQ_TYPE_GSI:
		rc = irq_map_gsi(d, arg->index, &pirq);
		break;
	case MAP_PIRQ_TYPE_MSI:
	case MAP_PIRQ_TYPE_MSI_SEG:
	case MAP_PIRQ_TYPE_MULTI_MSI:
		rc = map_message(d, arg, &pirq);
		break;
	default:
		rc = err(EINVAL);
	}
	if (!rc)
		arg->pirq = (int)pirq;
	domain_put(d);
	return rc;
}

static int unmap_pirq(struct vcpu *v, struct physdev_call *call)
{
	struct physdev_unmap_pirq *arg = &call->unmap;
	struct domain *d = NULL;
	int rc;

	rc = domain_of(v, arg->domid, &d);
	if (rc)
		return rc;
	rc = irq_unmap(d, arg->pirq);
	domain_put(d);
	return rc;
}

/* A vector is Mica's business; kernels that want one get the GSI's own number, and write it to the IO-APIC below. */
static int alloc_vector(struct vcpu *v, struct physdev_call *call)
{
	struct physdev_irq *arg = &call->irq;

	if (!v->domain->is_hardware)
		return err(EPERM);
	if (!hw_gsi_exists(arg->irq))
		return err(EINVAL);
	arg->vector = arg->irq;
	return 0;
}

/* ---------------------------------------------------------------- IO-APIC registers */

static int apic_entry(int ioapic, u32 reg, u32 *entry)
{
	if (reg < IOAPIC_REG_ENTRIES)
		return -EINVAL;
	*entry = (reg - IOAPIC_REG_ENTRIES) / 2;
	return *entry < hw_ioapic_entry_count((unsigned int)ioapic) ? 0 : -EINVAL;
}

static int apic_read(struct vcpu *v, struct physdev_call *call)
{
	struct physdev_apic *arg = &call->apic;
	u32 entry = 0;
	int ioapic;

	if (!v->domain->is_hardware)
		return err(EPERM);
	ioapic = hw_ioapic_find(arg->apic_physbase);
	if (ioapic < 0)
		return err(EINVAL);
	if (arg->reg > IOAPIC_REG_LAST_PLAIN && apic_entry(ioapic, arg->reg, &entry) != 0)
		return err(EINVAL);
	arg->value = hw_ioapic_read((unsigned int)ioapic, (u8)arg->reg);
	if (arg->reg >= IOAPIC_REG_ENTRIES) {
		/* Not the real vector and destination, but what alloc_irq_vector said. */
		u32 gsi = hw_ioapic_gsi_base((unsigned int)ioapic) + entry;

		arg->value = (arg->reg & 1) != 0
				     ? 0
				     : (arg->value & ~ENTRY_VECTOR) | (gsi & ENTRY_VECTOR);
	}
	return 0;
}

/* Of a redirection entry trigger and polarity are taken, once, and the line is mapped; the rest of it is Mica's. */
static int apic_write(struct vcpu *v, struct physdev_call *call)
{
	struct physdev_apic *arg = &call->apic;
	s64 gsi, pirq = -1;
	u32 entry;
	int ioapic, rc;

	if (!v->domain->is_hardware)
		return err(EPERM);
	ioapic = hw_ioapic_find(arg->apic_physbase);
	if (ioapic < 0)
		return err(EINVAL);
	if (arg->reg == IOAPIC_REG_ID)
		return 0;
	if (apic_entry(ioapic, arg->reg, &entry) != 0)
		return err(EINVAL);
	if ((arg->reg & 1) != 0)
		return 0;
	gsi = hw_ioapic_gsi_base((unsigned int)ioapic) + entry;
	rc = irq_gsi_setup(v->domain, gsi, (arg->value & ENTRY_LEVEL) != 0,
			   (arg->value & ENTRY_LOW) != 0);
	return rc == 0 || rc == -EEXIST ? irq_map_gsi(v->domain, gsi, &pirq) : rc;
}

/* ---------------------------------------------------------------- PCI */

static int manage_pci(struct vcpu *v, struct physdev_call *call)
{
	struct physdev_manage_pci *arg = &call->manage_pci;
	struct pci_id id = {0};

	id.bus = arg->bus;
	id.devfn = arg->devfn;
	return call->cmd == PHYSDEVOP_manage_pci_add
		       ? irq_pci_add(v->domain, id, false, id)
		       : irq_pci_change(v->domain, id, IRQ_PCI_REMOVE);
}

static int manage_pci_add_ext(struct vcpu *v, struct physdev_call *call)
{
	struct physdev_manage_pci_ext *arg = &call->manage_pci_ext;
	struct pci_id id = {0}, physical = {0};

	if (arg->is_extfn > 1 || arg->is_virtfn > 1)
		return err(EINVAL);
	id.bus = arg->bus;
	id.devfn = arg->devfn;
	physical.bus = arg->physfn.bus;
	physical.devfn = arg->physfn.devfn;
	return irq_pci_add(v->domain, id, arg->is_virtfn != 0, physical);
}

static int device_add(struct vcpu *v, struct physdev_call *call)
{
	struct physdev_pci_device_add *arg = &call->device_add;
	struct pci_id id, physical;

	/* The flexible array holds a NUMA node, of which Mica makes no use. */
	id = (struct pci_id){arg->seg, arg->bus, arg->devfn};
	physical = (struct pci_id){arg->seg, arg->physfn.bus, arg->physfn.devfn};
	return irq_pci_add(v->domain, id, (arg->flags & XEN_PCI_DEV_VIRTFN) != 0, physical);
}

static int device_op(struct vcpu *v, struct physdev_call *call)
{
	struct physdev_pci_device *arg = &call->device;
	enum irq_pci_change change = call->cmd == PHYSDEVOP_pci_device_remove ? IRQ_PCI_REMOVE
				     : call->cmd == PHYSDEVOP_restore_msi_ext ? IRQ_PCI_RESTORE_MSI
				     : call->cmd == PHYSDEVOP_prepare_msix    ? IRQ_PCI_PREPARE_MSIX
									   : IRQ_PCI_RELEASE_MSIX;

	return irq_pci_change(v->domain, (struct pci_id){arg->seg, arg->bus, arg->devfn}, change);
}

static int restore_msi(struct vcpu *v, struct physdev_call *call)
{
	struct pci_id id = {0, call->restore_msi.bus, call->restore_msi.devfn};

	return irq_pci_change(v->domain, id, IRQ_PCI_RESTORE_MSI);
}

static int mmcfg_reserved(struct vcpu *v, struct physdev_call *call)
{
	return irq_pci_window(v->domain, call->mmcfg.address, call->mmcfg.segment,
			      call->mmcfg.start_bus, call->mmcfg.end_bus, call->mmcfg.flags);
}

/* Mica uses no EHCI debug port, so a reset of one disturbs nothing. */
static int dbgp(struct vcpu *v, struct physdev_call *call)
{
	struct physdev_dbgp_op *arg = &call->dbgp;

	if (!v->domain->is_hardware)
		return err(EPERM);
	if (arg->op != PHYSDEVOP_DBGP_RESET_PREPARE && arg->op != PHYSDEVOP_DBGP_RESET_DONE)
		return err(EINVAL);
	return 0;
}

/* ---------------------------------------------------------------- I/O privilege */

static int set_iopl(struct vcpu *v, struct physdev_call *call)
{
	return pv_set_iopl(v, call->set_iopl.iopl);
}

static int set_iobitmap(struct vcpu *v, struct physdev_call *call)
{
	return pv_set_iobitmap(v, (u64)call->set_iobitmap.bitmap.p, call->set_iobitmap.nr_ports);
}

/* ---------------------------------------------------------------- the table */

static const struct physdev_row {
	int (*fn)(struct vcpu *v, struct physdev_call *call);
	u8 bytes;
	bool copies_back;
} rows[] = {
#define ROW(name, fn, member, back) \
	[PHYSDEVOP_##name] = {fn, sizeof(((struct physdev_call *)NULL)->member), back}
	ROW(irq_status_query, status, status, true),
	ROW(set_iopl, set_iopl, set_iopl, false),
	ROW(set_iobitmap, set_iobitmap, set_iobitmap, false),
	ROW(apic_read, apic_read, apic, true),
	ROW(apic_write, apic_write, apic, false),
	ROW(alloc_irq_vector, alloc_vector, irq, true),
	ROW(eoi, eoi, eoi, false),
	ROW(map_pirq, map_pirq, map, true),
	ROW(unmap_pirq, unmap_pirq, unmap, false),
	ROW(manage_pci_add, manage_pci, manage_pci, false),
	ROW(manage_pci_remove, manage_pci, manage_pci, false),
	ROW(pirq_eoi_gmfn_v1, eoi_page, eoi_page, false),
	ROW(restore_msi, restore_msi, restore_msi, false),
	ROW(manage_pci_add_ext, manage_pci_add_ext, manage_pci_ext, false),
	ROW(setup_gsi, setup_gsi, setup_gsi, false),
	ROW(get_free_pirq, free_pirq, free_pirq, true),
	ROW(pci_mmcfg_reserved, mmcfg_reserved, mmcfg, false),
	ROW(pci_device_add, device_add, device_add, false),
	ROW(pci_device_remove, device_op, device, false),
	ROW(restore_msi_ext, device_op, device, false),
	ROW(pirq_eoi_gmfn_v2, eoi_page, eoi_page, false),
	ROW(dbgp_op, dbgp, dbgp, false),
	ROW(prepare_msix, device_op, device, false),
	ROW(release_msix, device_op, device, false),
#undef ROW
};

static int perform(struct vcpu *v, u64 cmd, gva_t at)
{
	struct physdev_call call = {.cmd = cmd};
	const struct physdev_row *row = &rows[idx_nospec(cmd, ARRAY_SIZE(rows))];
	int rc;

	if (cmd >= ARRAY_SIZE(rows) || row->fn == NULL)
		return err(ENOSYS);
	if (hw_copy_from_guest(&call.status, at, row->bytes) != 0)
		return err(EFAULT);
	rc = row->fn(v, &call);
	if (rc != 0 || !row->copies_back || hw_copy_to_guest(at, &call.status, row->bytes) == 0)
		return rc;
	if (cmd == PHYSDEVOP_map_pirq) { /* a pirq that nobody knows of would be lost */
		call.unmap = (struct physdev_unmap_pirq){.domid = call.map.domid,
							 .pirq = call.map.pirq};
		(void)unmap_pirq(v, &call);
	}
	return err(EFAULT);
}

int do_physdev_op(struct vcpu *v, struct hcall_args *args)
{
	args->result = 0;
	return perform(v, args->a[0], gva_make(args->a[1]));
}

/* The old form: command and argument in one structure. Only the commands of its time. */
int do_physdev_op_compat(struct vcpu *v, struct hcall_args *args)
{
	u32 cmd;

	args->result = 0;
	if (hw_copy_from_guest(&cmd, gva_make(args->a[0]), sizeof(cmd)) != 0)
		return err(EFAULT);
	if (cmd < PHYSDEVOP_irq_status_query || cmd > PHYSDEVOP_alloc_irq_vector)
		return err(ENOSYS);
	return perform(v, cmd, gva_make(args->a[0] + offsetof(struct physdev_op, u)));
}

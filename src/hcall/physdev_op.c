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

#define COPY_IN(arg, gva)                                                        \
	do {                                                                     \
		if (hw_copy_from_guest(&(arg), gva_make(gva), sizeof(arg)) != 0) \
			return err(EFAULT);                                      \
	} while (0)

static int copy_out(u64 gva, const void *data, size_t bytes)
{
	return hw_copy_to_guest(gva_make(gva), data, bytes) == 0 ? 0 : err(EFAULT);
}

/* ---------------------------------------------------------------- interrupts */

static int eoi(struct vcpu *v, u64 gva)
{
	struct physdev_eoi arg;
	int rc;

	COPY_IN(arg, gva);
	if (arg.irq >= irq_pirq_count(v->domain))
		return err(EINVAL);
	rc = irq_guest_eoi(v->domain, arg.irq);
	if (rc == 0 && irq_eoi_unmasks(v->domain))
		evtchn_pirq_unmask(v->domain, arg.irq);
	return rc;
}

static int status(struct vcpu *v, u64 gva)
{
	struct physdev_irq_status_query arg;
	int rc;

	COPY_IN(arg, gva);
	rc = irq_guest_status(v->domain, arg.irq, &arg.flags);
	return rc ? rc : copy_out(gva, &arg, sizeof(arg));
}

static int eoi_page(struct vcpu *v, u64 gva, bool unmasks)
{
	struct physdev_pirq_eoi_gmfn arg;

	COPY_IN(arg, gva);
	return irq_eoi_page_set(v->domain, mfn_make(arg.gmfn), unmasks);
}

static int setup_gsi(struct vcpu *v, u64 gva)
{
	struct physdev_setup_gsi arg;

	COPY_IN(arg, gva);
	return irq_gsi_setup(v->domain, arg.gsi, arg.triggering != 0, arg.polarity != 0);
}

static int free_pirq(struct vcpu *v, u64 gva)
{
	struct physdev_get_free_pirq arg;
	int rc;

	COPY_IN(arg, gva);
	if (arg.type != MAP_PIRQ_TYPE_GSI && arg.type != MAP_PIRQ_TYPE_MSI)
		return err(EINVAL);
	rc = irq_reserve_pirq(v->domain, arg.type == MAP_PIRQ_TYPE_GSI, &arg.pirq);
	return rc ? rc : copy_out(gva, &arg, sizeof(arg));
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
	int rc;

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
	rc = irq_map_msi(d, &request, pirq);
	return rc;
}

static int map_pirq(struct vcpu *v, u64 gva)
{
	struct physdev_map_pirq arg;
	struct domain *d = NULL;
	s64 pirq;
	int rc;

	COPY_IN(arg, gva);
	rc = domain_of(v, arg.domid, &d);
	if (rc)
		return rc;
	pirq = arg.pirq;
	switch (arg.type) {
	case MAP_PIRQ_TYPE_GSI:
		rc = irq_map_gsi(d, arg.index, &pirq);
		break;
	case MAP_PIRQ_TYPE_MSI:
	case MAP_PIRQ_TYPE_MSI_SEG:
	case MAP_PIRQ_TYPE_MULTI_MSI:
		rc = map_message(d, &arg, &pirq);
		break;
	default:
		rc = err(EINVAL);
	}
	if (!rc) {
		arg.pirq = (int)pirq;
		if (copy_out(gva, &arg, sizeof(arg)) != 0) {
			(void)irq_unmap(d, pirq);
			rc = err(EFAULT);
		}
	}
	domain_put(d);
	return rc;
}

static int unmap_pirq(struct vcpu *v, u64 gva)
{
	struct physdev_unmap_pirq arg;
	struct domain *d = NULL;
	int rc;

	COPY_IN(arg, gva);
	rc = domain_of(v, arg.domid, &d);
	if (rc)
		return rc;
	rc = irq_unmap(d, arg.pirq);
	domain_put(d);
	return rc;
}

/* A vector is Mica's business; kernels that want one get the GSI's own number, and write it to the IO-APIC below. */
static int alloc_vector(struct vcpu *v, u64 gva)
{
	struct physdev_irq arg;

	COPY_IN(arg, gva);
	if (!v->domain->is_hardware)
		return err(EPERM);
	if (!hw_gsi_exists(arg.irq))
		return err(EINVAL);
	arg.vector = arg.irq;
	return copy_out(gva, &arg, sizeof(arg));
}

/* ---------------------------------------------------------------- IO-APIC registers */

static int apic_entry(int ioapic, u32 reg, u32 *entry)
{
	if (reg < IOAPIC_REG_ENTRIES)
		return -EINVAL;
	*entry = (reg - IOAPIC_REG_ENTRIES) / 2;
	return *entry < hw_ioapic_entry_count((unsigned int)ioapic) ? 0 : -EINVAL;
}

static int apic_read(struct vcpu *v, u64 gva)
{
	struct physdev_apic arg;
	u32 entry = 0;
	int ioapic;

	COPY_IN(arg, gva);
	if (!v->domain->is_hardware)
		return err(EPERM);
	ioapic = hw_ioapic_find(arg.apic_physbase);
	if (ioapic < 0)
		return err(EINVAL);
	if (arg.reg > IOAPIC_REG_LAST_PLAIN && apic_entry(ioapic, arg.reg, &entry) != 0)
		return err(EINVAL);
	arg.value = hw_ioapic_read((unsigned int)ioapic, (u8)arg.reg);
	if (arg.reg >= IOAPIC_REG_ENTRIES) {
		/* Not the real vector and destination, but what alloc_irq_vector said. */
		u32 gsi = hw_ioapic_gsi_base((unsigned int)ioapic) + entry;

		arg.value = (arg.reg & 1) != 0 ? 0
					       : (arg.value & ~ENTRY_VECTOR) | (gsi & ENTRY_VECTOR);
	}
	return copy_out(gva, &arg, sizeof(arg));
}

/* Of a redirection entry trigger and polarity are taken, once, and the line is mapped; the rest of it is Mica's. */
static int apic_write(struct vcpu *v, u64 gva)
{
	struct physdev_apic arg;
	s64 gsi, pirq = -1;
	u32 entry;
	int ioapic, rc;

	COPY_IN(arg, gva);
	if (!v->domain->is_hardware)
		return err(EPERM);
	ioapic = hw_ioapic_find(arg.apic_physbase);
	if (ioapic < 0)
		return err(EINVAL);
	if (arg.reg == IOAPIC_REG_ID)
		return 0;
	if (apic_entry(ioapic, arg.reg, &entry) != 0)
		return err(EINVAL);
	if ((arg.reg & 1) != 0)
		return 0;
	gsi = hw_ioapic_gsi_base((unsigned int)ioapic) + entry;
	rc = irq_gsi_setup(v->domain, gsi, (arg.value & ENTRY_LEVEL) != 0,
			   (arg.value & ENTRY_LOW) != 0);
	return rc == 0 || rc == -EEXIST ? irq_map_gsi(v->domain, gsi, &pirq) : rc;
}

/* ---------------------------------------------------------------- PCI */

static int manage_pci(struct vcpu *v, u64 gva, bool is_add)
{
	struct physdev_manage_pci arg;
	struct pci_id id = {0};

	COPY_IN(arg, gva);
	id.bus = arg.bus;
	id.devfn = arg.devfn;
	return is_add ? irq_pci_add(v->domain, id, false, id) : irq_pci_remove(v->domain, id);
}

static int manage_pci_add_ext(struct vcpu *v, u64 gva)
{
	struct physdev_manage_pci_ext arg;
	struct pci_id id = {0}, physical = {0};

	COPY_IN(arg, gva);
	if (arg.is_extfn > 1 || arg.is_virtfn > 1)
		return err(EINVAL);
	id.bus = arg.bus;
	id.devfn = arg.devfn;
	physical.bus = arg.physfn.bus;
	physical.devfn = arg.physfn.devfn;
	return irq_pci_add(v->domain, id, arg.is_virtfn != 0, physical);
}

static int device_add(struct vcpu *v, u64 gva)
{
	struct physdev_pci_device_add arg;
	struct pci_id id, physical;

	/* The flexible array holds a NUMA node, of which Mica makes no use. */
	COPY_IN(arg, gva);
	id = (struct pci_id){arg.seg, arg.bus, arg.devfn};
	physical = (struct pci_id){arg.seg, arg.physfn.bus, arg.physfn.devfn};
	return irq_pci_add(v->domain, id, (arg.flags & XEN_PCI_DEV_VIRTFN) != 0, physical);
}

static int device_op(struct vcpu *v, u64 gva, u64 cmd)
{
	struct physdev_pci_device arg;
	struct pci_id id;

	COPY_IN(arg, gva);
	id = (struct pci_id){arg.seg, arg.bus, arg.devfn};
	switch (cmd) {
	case PHYSDEVOP_pci_device_remove:
		return irq_pci_remove(v->domain, id);
	case PHYSDEVOP_restore_msi_ext:
		return irq_pci_restore_msi(v->domain, id);
	case PHYSDEVOP_prepare_msix:
		return irq_pci_prepare_msix(v->domain, id);
	default:
		return irq_pci_release_msix(v->domain, id);
	}
}

static int restore_msi(struct vcpu *v, u64 gva)
{
	struct physdev_restore_msi arg;

	COPY_IN(arg, gva);
	return irq_pci_restore_msi(v->domain, (struct pci_id){0, arg.bus, arg.devfn});
}

static int mmcfg_reserved(struct vcpu *v, u64 gva)
{
	struct physdev_pci_mmcfg_reserved arg;

	COPY_IN(arg, gva);
	return irq_pci_window(v->domain, arg.address, arg.segment, arg.start_bus, arg.end_bus,
			      arg.flags);
}

/* Mica uses no EHCI debug port, so a reset of one disturbs nothing. */
static int dbgp(struct vcpu *v, u64 gva)
{
	struct physdev_dbgp_op arg;

	COPY_IN(arg, gva);
	if (!v->domain->is_hardware)
		return err(EPERM);
	if (arg.op != PHYSDEVOP_DBGP_RESET_PREPARE && arg.op != PHYSDEVOP_DBGP_RESET_DONE)
		return err(EINVAL);
	return 0;
}

/* ---------------------------------------------------------------- I/O privilege */

static int set_iopl(struct vcpu *v, u64 gva)
{
	struct physdev_set_iopl arg;

	COPY_IN(arg, gva);
	return pv_set_iopl(v, arg.iopl);
}

static int set_iobitmap(struct vcpu *v, u64 gva)
{
	struct physdev_set_iobitmap arg;

	COPY_IN(arg, gva);
	return pv_set_iobitmap(v, (u64)arg.bitmap.p, arg.nr_ports);
}

/* ---------------------------------------------------------------- the table */

static int pci_command(struct vcpu *v, u64 cmd, u64 gva)
{
	switch (cmd) {
	case PHYSDEVOP_manage_pci_add:
		return manage_pci(v, gva, true);
	case PHYSDEVOP_manage_pci_remove:
		return manage_pci(v, gva, false);
	case PHYSDEVOP_manage_pci_add_ext:
		return manage_pci_add_ext(v, gva);
	case PHYSDEVOP_pci_device_add:
		return device_add(v, gva);
	case PHYSDEVOP_pci_device_remove:
	case PHYSDEVOP_restore_msi_ext:
	case PHYSDEVOP_prepare_msix:
	case PHYSDEVOP_release_msix:
		return device_op(v, gva, cmd);
	case PHYSDEVOP_restore_msi:
		return restore_msi(v, gva);
	case PHYSDEVOP_pci_mmcfg_reserved:
		return mmcfg_reserved(v, gva);
	default:
		return err(ENOSYS);
	}
}

int do_physdev_op(struct vcpu *v, struct hcall_args *args)
{
	u64 cmd = args->a[0], gva = args->a[1];

	args->result = 0;
	switch (cmd) {
	case PHYSDEVOP_IRQ_UNMASK_NOTIFY:
		return err(ENOSYS); /* obsolete */
	case PHYSDEVOP_irq_status_query:
		return status(v, gva);
	case PHYSDEVOP_set_iopl:
		return set_iopl(v, gva);
	case PHYSDEVOP_set_iobitmap:
		return set_iobitmap(v, gva);
	case PHYSDEVOP_apic_read:
		return apic_read(v, gva);
	case PHYSDEVOP_apic_write:
		return apic_write(v, gva);
	case PHYSDEVOP_alloc_irq_vector:
		return alloc_vector(v, gva);
	case PHYSDEVOP_eoi:
		return eoi(v, gva);
	case PHYSDEVOP_map_pirq:
		return map_pirq(v, gva);
	case PHYSDEVOP_unmap_pirq:
		return unmap_pirq(v, gva);
	case PHYSDEVOP_pirq_eoi_gmfn_v1:
		return eoi_page(v, gva, true);
	case PHYSDEVOP_pirq_eoi_gmfn_v2:
		return eoi_page(v, gva, false);
	case PHYSDEVOP_setup_gsi:
		return setup_gsi(v, gva);
	case PHYSDEVOP_get_free_pirq:
		return free_pirq(v, gva);
	case PHYSDEVOP_dbgp_op:
		return dbgp(v, gva);
	default:
		return pci_command(v, cmd, gva);
	}
}

/* The old form: command and arguments in one structure. */
int do_physdev_op_compat(struct vcpu *v, struct hcall_args *args)
{
	u64 gva = args->a[0];
	u32 cmd;

	COPY_IN(cmd, gva);
	switch (cmd) {
	case PHYSDEVOP_irq_status_query:
	case PHYSDEVOP_set_iopl:
	case PHYSDEVOP_set_iobitmap:
	case PHYSDEVOP_apic_read:
	case PHYSDEVOP_apic_write:
	case PHYSDEVOP_alloc_irq_vector: {
		struct hcall_args inner = {.a = {cmd, gva + offsetof(struct physdev_op, u)}};
		int rc = do_physdev_op(v, &inner);

		args->result = inner.result;
		return rc;
	}
	default:
		return err(ENOSYS);
	}
}

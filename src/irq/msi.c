/* SPDX-License-Identifier: MIT */
/*
 * Messages of PCI devices (MSI and MSI-X): Domain 0 asks for pirqs, Mica chooses vectors and writes address and data into the
 * device itself. Reached from hcall/physdev_op.c and irq/; calls the seam. Messages come and go under the device lock
 * (PHYSDEV); one message's registers are written under its own lock. PCI 3.0 6.8; SDM 3A 11.11.
 */
#include "core/cpu.h"
#include "core/err.h"
#include "hw/io.h"
#include "hw/lapic.h"
#include "irq/priv.h"
#include "lib/bits.h"
#include "lib/errno.h"
#include "mm/mm.h"

#define MESSAGE_ADDRESS	   0xfee00000u /* physical destination, no redirection */
#define MSI_ENABLE	   0x0001u
#define MSIX_MASK_ALL	   0x4000u
#define MSIX_ENTRY_BYTES   16
#define MSIX_ENTRY_DATA	   8
#define MSIX_ENTRY_CONTROL 12
#define MSIX_ENTRY_MASKED  1u

/* ---------------------------------------------------------------- registers */

static u32 message_address(const struct irq *irq)
{
	return MESSAGE_ADDRESS | hw_cpu_apic_id[irq->cpu] << 12;
}

static u16 msi_data_register(const struct pci_dev *dev)
{
	return (u16)(dev->msi + (dev->msi_is_64bit ? 12 : 8));
}

static void msi_mask_write(struct pci_dev *dev, u32 mask)
{
	hw_pci_write(dev->id, (u16)(msi_data_register(dev) + 4), 4, mask);
}

static void msi_write(const struct irq *irq)
{
	const struct pci_dev *dev = irq->dev;

	if (irq->entry)
		return; /* the first one speaks for the group: vectors follow each other */
	if (dev->msi_is_64bit)
		hw_pci_write(dev->id, (u16)(dev->msi + 8), 4, 0);
	hw_pci_write(dev->id, (u16)(dev->msi + 4), 4, message_address(irq));
	hw_pci_write(dev->id, msi_data_register(dev), 2, irq->vector);
}

void msi_route_locked(const struct irq *irq)
{
	u8 *entry;

	if (!irq->dev)
		return;
	if (irq->kind == IRQ_MSI) {
		msi_write(irq);
		return;
	}
	entry = irq->dev->msix_table + irq->entry * MSIX_ENTRY_BYTES;
	hw_mmio_write32(entry + MSIX_ENTRY_CONTROL, MSIX_ENTRY_MASKED);
	hw_mmio_write32(entry, message_address(irq));
	hw_mmio_write32(entry + 4, 0);
	hw_mmio_write32(entry + MSIX_ENTRY_DATA, irq->vector);
}

bool msi_may_mask(const struct irq *irq)
{
	return irq->dev &&
	       (irq->kind == IRQ_MSIX || (irq->kind == IRQ_MSI && irq->dev->msi_may_mask));
}

void msi_mask_locked(const struct irq *irq, bool is_masked)
{
	u32 bit = 1u << irq->entry % 32, mask;

	if (!msi_may_mask(irq))
		return;
	if (irq->kind == IRQ_MSIX) {
		u8 *entry = irq->dev->msix_table + irq->entry * MSIX_ENTRY_BYTES;

		hw_mmio_write32(entry + MSIX_ENTRY_CONTROL, is_masked ? MSIX_ENTRY_MASKED : 0);
		/* Read back: after this no message is on its way from an entry that was just masked. */
		(void)hw_mmio_read32(entry + MSIX_ENTRY_CONTROL);
		return;
	}
	mask = is_masked ? atomic_fetch_or(&irq->dev->msi_mask, bit) | bit
			 : atomic_fetch_and(&irq->dev->msi_mask, ~bit) & ~bit;
	msi_mask_write(irq->dev, mask);
}

/* ---------------------------------------------------------------- giving and taking */

static void messages_free(struct irq *const *irqs, u32 count)
{
	for (u32 n = 0; n < count; n++) {
		if (!irqs[n])
			continue;
		timer_cancel(&irqs[n]->timer);
		LOCK_SCOPE_IRQ(&irqs[n]->lock);
		irq_unroute_locked(irqs[n]);
		irqs[n]->owner = NULL;
		irqs[n]->dev = NULL;
		irq_message_free(irqs[n]);
	}
}

static int messages_alloc(struct irq **irqs, struct pci_dev *dev, enum irq_kind kind, u32 entry,
			  u32 count)
{
	for (u32 n = 0; n < count; n++) {
		irqs[n] = irq_message_alloc(kind);
		if (!irqs[n])
			return err(ENOMEM);
		irqs[n]->dev = dev;
		irqs[n]->entry = entry + n;
		irqs[n]->group = count;
		irqs[n]->total = 0;
	}
	(void)vector_prepare(cpu_id()); /* or CPU 0 */
	return irq_vectors_alloc(irqs, count, cpu_id());
}

static void msi_program(struct pci_dev *dev, u32 count)
{
	u16 at = (u16)(dev->msi + MSI_CONTROL);
	u32 control = hw_pci_read(dev->id, at, 2) & ~(MSI_ENABLE | 0x70u);

	hw_pci_write(dev->id, at, 2, control);
	if (dev->msi_may_mask) {
		atomic_store(&dev->msi_mask, 0xffffffffu);
		msi_mask_write(dev, 0xffffffff);
	}
	if (dev->msi_irqs[0])
		msi_write(dev->msi_irqs[0]);
	hw_pci_write(dev->id, at, 2, control | bits_last(count) << 4);
}

/* Some devices answer at their table only while MSI-X is enabled. */
static void msix_program(struct pci_dev *dev, struct irq *irq)
{
	u16 at = (u16)(dev->msix + MSIX_CONTROL);
	u32 control = hw_pci_read(dev->id, at, 2);
	u64 flags;

	if ((control & MSIX_ENABLE) == 0)
		hw_pci_write(dev->id, at, 2, control | MSIX_ENABLE | MSIX_MASK_ALL);
	flags = lock_acquire_irq(&irq->lock);
	msi_route_locked(irq);
	lock_release_irq(&irq->lock, flags);
	if ((control & MSIX_ENABLE) == 0)
		hw_pci_write(dev->id, at, 2, control);
}

static int pirqs_give(struct domain *d, struct irq *const *irqs, u32 count, s64 *pirq)
{
	u32 first;
	int rc;

	LOCK_SCOPE(&d->irq->lock);
	rc = pirq_find_free_locked(d->irq, *pirq, count, &first);
	if (rc)
		return rc;
	for (u32 n = 0; n < count; n++)
		pirq_set_locked(d, first + n, irqs[n]);
	*pirq = first;
	return 0;
}

static int map_msi(struct domain *d, struct pci_dev *dev, u32 count, s64 *pirq)
{
	int rc;

	if (!dev->msi || count == 0 || count > dev->msi_count_max || !is_power_of_2(count))
		return err(EINVAL);
	if (dev->msi_count || dev->msix_count)
		return err(EBUSY);
	for (u32 n = 0; n < count; n++)
		dev->msi_irqs[n] = NULL;
	rc = messages_alloc(dev->msi_irqs, dev, IRQ_MSI, 0, count);
	if (!rc)
		rc = pirqs_give(d, dev->msi_irqs, count, pirq);
	if (rc) {
		messages_free(dev->msi_irqs, count);
		return rc;
	}
	dev->msi_count = count;
	msi_program(dev, count);
	return 0;
}

static int map_msix(struct domain *d, struct pci_dev *dev, const struct irq_msi_request *request,
		    s64 *pirq)
{
	struct irq **slot, *irq = NULL;
	int rc;

	if (!dev->msix || request->entry >= dev->msix_entry_count || request->count != 1)
		return err(EINVAL);
	if (dev->msi_count)
		return err(EBUSY);
	rc = pci_msix_table_locked(d, dev, request->table_base);
	if (rc)
		return rc;
	if (!dev->msix_irqs) {
		dev->msix_irqs = heap_alloc(dev->msix_entry_count * sizeof(struct irq *));
		if (!dev->msix_irqs)
			return err(ENOMEM);
	}
	slot = &dev->msix_irqs[idx_nospec(request->entry, dev->msix_entry_count)];
	if (*slot)
		return err(EBUSY);
	rc = messages_alloc(&irq, dev, IRQ_MSIX, request->entry, 1);
	if (!rc)
		rc = pirqs_give(d, &irq, 1, pirq);
	if (rc || !irq) {
		messages_free(&irq, 1);
		return rc;
	}
	*slot = irq;
	dev->msix_count++;
	pci_msix_readonly_locked(dev, true);
	msix_program(dev, irq);
	return 0;
}

int irq_map_msi(struct domain *d, const struct irq_msi_request *request, s64 *pirq)
{
	struct pci_dev *dev;

	if (!d->is_hardware || !d->irq)
		return err(EPERM);
	LOCK_SCOPE(&pci_dev_lock);
	dev = pci_dev_get_locked(request->id);
	if (!dev)
		return err(ENODEV);
	return request->is_msix ? map_msix(d, dev, request, pirq)
				: map_msi(d, dev, request->count, pirq);
}

/* ---------------------------------------------------------------- the way back */

static void message_take(struct irq *irq)
{
	if (irq->owner)
		pirq_clear(irq->owner, irq->pirq);
	irq_unbind(irq); /* masks it too */
}

static void unmap_msi(struct pci_dev *dev)
{
	u16 at = (u16)(dev->msi + MSI_CONTROL);
	u32 count = dev->msi_count;

	/* Disabled first: what cannot be masked must not send to vectors of others. */
	hw_pci_write(dev->id, at, 2, hw_pci_read(dev->id, at, 2) & ~(MSI_ENABLE | 0x70u));
	for (u32 n = 0; n < count; n++)
		message_take(dev->msi_irqs[n]);
	hw_pci_write(dev->id, (u16)(dev->msi + 4), 4, 0);
	hw_pci_write(dev->id, msi_data_register(dev), 2, 0);
	dev->msi_count = 0;
	messages_free(dev->msi_irqs, count);
}

static void unmap_msix(struct pci_dev *dev, u32 entry)
{
	struct irq **slot = &dev->msix_irqs[entry];

	message_take(*slot);
	messages_free(slot, 1);
	*slot = NULL;
	dev->msix_count--;
}

int msi_unmap_locked(struct irq *irq)
{
	struct pci_dev *dev = irq->dev;

	if (irq->kind == IRQ_MSIX)
		unmap_msix(dev, irq->entry);
	else if (irq->entry == 0)
		unmap_msi(dev);
	else
		return err(EINVAL);
	return 0;
}

void msi_unmap_all_locked(struct pci_dev *dev)
{
	if (dev->msi_count)
		unmap_msi(dev);
	for (u32 n = 0; n < dev->msix_entry_count && dev->msix_count; n++)
		if (dev->msix_irqs[n])
			unmap_msix(dev, n);
}

static void msix_restore_one(struct irq *irq)
{
	LOCK_SCOPE_IRQ(&irq->lock);
	msi_route_locked(irq);
	msi_mask_locked(irq, irq->is_masked);
}

void msi_restore_locked(struct pci_dev *dev)
{
	if (dev->msi_count) {
		u32 mask = atomic_load(&dev->msi_mask);

		msi_program(dev, dev->msi_count);
		if (dev->msi_may_mask) {
			atomic_store(&dev->msi_mask, mask);
			msi_mask_write(dev, mask);
		}
	}
	for (u32 n = 0; n < dev->msix_entry_count && dev->msix_count; n++)
		if (dev->msix_irqs && dev->msix_irqs[n])
			msix_restore_one(dev->msix_irqs[n]);
}

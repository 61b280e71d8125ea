/* SPDX-License-Identifier: MIT */
/*
 * I/O ports. Two questions: may this code (guest kernel, or user by IOPL or bitmap), and may this domain? What the domain
 * may not reads as all ones, and writes vanish, as if nothing were there. PCI configuration ports are mediated.
 * Domain 0's kernel asks once and then goes there by itself (pv_ports_open). Reached from priv.c and hcall/; calls irq/pci.
 * Lock: the domain's, for its ports.
 */
#include "core/log.h"
#include "hw/io.h"
#include "hw/mem.h"
#include "irq/irq.h"
#include "lib/bitmap.h"
#include "lib/rangeset.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "pv/priv.h"

#define PORT_CF8 0xcf8u
#define PORT_CFC 0xcfcu

u64 pv_io_bitmap[65536 / 64] ALIGNED(PAGE_SIZE);

void pv_ports_changed(struct domain *d)
{
	if (!d->is_hardware)
		return;
	LOCK_SCOPE(&d->lock);
	memset(pv_io_bitmap, 0xff, sizeof(pv_io_bitmap));
	for (unsigned int i = 0; i < d->ioport_allowed->count; i++) {
		const struct range *range = &d->ioport_allowed->range[i];

		for (u64 port = range->start; port <= range->end; port++)
			bitmap_clear(pv_io_bitmap, port);
	}
}

void pv_ports_open(struct vcpu *v, u16 port)
{
	u32 *mode = &v->pv->page->entry.mode;

	if (*mode != PV_KERNEL || !v->domain->is_hardware || v->pv->iopl == 0 ||
	    bitmap_test(pv_io_bitmap, port))
		return;
	*mode = PV_KERNEL | PV_SLOW | PV_PORTS;
	hw_io_open(true);
}

bool pv_io_allowed(const struct vcpu *v, u16 port, unsigned int bytes)
{
	const struct pv_vcpu *pv = v->pv;

	if (pv_is_kernel(v) ? pv->iopl >= 1 || pv_shows_iopl(v) : pv->iopl >= 3)
		return true;
	for (u32 p = port; p < port + bytes; p++) /* without a bitmap iobitmap_ports is 0 */
		if (p >= pv->iobitmap_ports || (pv->iobitmap[p / 8] & (1u << (p % 8))) != 0)
			return false;
	return true;
}

static bool domain_owns(const struct domain *d, u16 port, unsigned int bytes)
{
	return d->ioport_allowed != NULL &&
	       rangeset_contains(d->ioport_allowed, port, (u64)port + bytes - 1);
}

static bool is_pci_data(u16 port, unsigned int bytes)
{
	return port >= PORT_CFC && port + bytes <= PORT_CFC + 4;
}

u64 pv_io_in(struct vcpu *v, u16 port, unsigned int bytes)
{
	if (port == PORT_CF8 && bytes == 4 && v->domain->is_hardware)
		return v->pv->cf8;
	if (is_pci_data(port, bytes))
		return pci_config_read(v->domain, v->pv->cf8, (u8)(port - PORT_CFC), (u8)bytes);
	if (!domain_owns(v->domain, port, bytes))
		return BIT(8 * bytes) - 1;
	return hw_in(port, bytes);
}

void pv_io_out(struct vcpu *v, u16 port, u64 value, unsigned int bytes)
{
	if (port == PORT_CF8 && bytes == 4 && v->domain->is_hardware)
		v->pv->cf8 = (u32)value;
	else if (is_pci_data(port, bytes))
		pci_config_write(v->domain, v->pv->cf8, (u8)(port - PORT_CFC), (u8)bytes,
				 (u32)value);
	else if (domain_owns(v->domain, port, bytes))
		hw_out(port, bytes, (u32)value);
}

int pv_set_iopl(struct vcpu *v, u32 iopl)
{
	if (iopl > 3)
		return err(EINVAL);
	pv_ports_close(v);
	v->pv->iopl = iopl;
	return 0;
}

int pv_set_iobitmap(struct vcpu *v, u64 gva, u32 ports)
{
	if (ports > PV_IOBITMAP_PORTS)
		return err(EINVAL);
	if (v->pv->iobitmap == NULL && ports != 0) {
		v->pv->iobitmap = heap_alloc(PV_IOBITMAP_PORTS / 8);
		if (v->pv->iobitmap == NULL)
			return err(ENOMEM);
	}
	v->pv->iobitmap_ports = 0;
	if (ports != 0 && hw_copy_from_guest(v->pv->iobitmap, gva_make(gva), (ports + 7) / 8) != 0)
		return err(EFAULT);
	v->pv->iobitmap_ports = ports;
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration space, by memory-mapped windows (MCFG, or what Domain 0 reports) or by ports 0xcf8/0xcfc under a lock
 * of rank IRQCHIP. Reached from irq/ only: it decides who may write what.
 */
#pragma once

#include "lib/types.h"

struct pci_id {
	u16 segment;
	u8 bus;
	u8 devfn;
};

#define PCI_VENDOR		0x00
#define PCI_COMMAND		0x04
#define PCI_COMMAND_MEMORY	0x0002u
#define PCI_STATUS		0x06
#define PCI_STATUS_CAPABILITIES 0x0010u
#define PCI_HEADER_TYPE		0x0e
#define PCI_BAR0		0x10
#define PCI_CAPABILITIES	0x34
#define PCI_CAP_MSI		0x05
#define PCI_CAP_MSIX		0x11
#define PCI_EXT_CAP_SRIOV	0x0010

void hw_pci_init(void);
/* A window reported by Domain 0. -EINVAL it does not look like configuration space; -ENOSPC; 0 also if known already. */
int hw_pci_window_add(u64 address, u16 segment, u8 bus_first, u8 bus_last);
/*
 * Makes all of a function's space reachable that can be: to be called before offsets from 256 on, or other segments than 0,
 * are used, with no lock above rank PHYSDEV held. False: only the first 256 bytes, or nothing.
 */
bool hw_pci_open(struct pci_id id);

/* bytes is 1, 2 or 4, offset aligned to it, below 4096. Where nothing answers: all ones. */
u32 hw_pci_read(struct pci_id id, u16 offset, unsigned int bytes);
void hw_pci_write(struct pci_id id, u16 offset, unsigned int bytes, u32 value);

/* SPDX-License-Identifier: MIT */
/*
 * The real drivers of IO-APIC and PCI over fake registers: the fake seam is included first, so that the real headers,
 * which lie beside the sources and have the same guards, add nothing.
 */
#include "hw/acpi.h"
#include "hw/atomic.h"
#include "hw/clock.h"
#include "hw/cpu.h"
#include "hw/io.h"
#include "hw/paging.h"

#include "../../src/hw/x86/ioapic.c"
#include "../../src/hw/x86/pci.c"

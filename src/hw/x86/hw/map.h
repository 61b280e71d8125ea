/* SPDX-License-Identifier: MIT */
/* Seam: Mica's own mappings of device registers and of firmware tables. Never unmapped. No lock of its own. */
#pragma once

#include "lib/types.h"

/* Uncached device registers in Mica's space; the same address again gives the same mapping. Panics when the area is full. */
void *hw_device_map(u64 paddr, size_t bytes);
/* Firmware tables wherever they lie, read-only in spirit; NULL for RAM-like nonsense (paddr wraps, too large). */
const void *hw_phys_map(u64 paddr, size_t bytes);

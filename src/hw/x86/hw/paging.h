/* SPDX-License-Identifier: MIT */
/*
 * Mica's own page tables: slots 256..271, whose L3 tables every root shares. Filled by boot; later only device maps and
 * stack blocks are added. Lock: LOCK_RANK_VMAP inside.
 */
#pragma once

#include "lib/types.h"

#define MAP_PRESENT  BIT(0)
#define MAP_RW	     BIT(1)
#define MAP_USER     BIT(2)
#define MAP_PWT	     BIT(3)
#define MAP_PCD	     BIT(4)
#define MAP_ACCESSED BIT(5)
#define MAP_DIRTY    BIT(6)
#define MAP_LARGE    BIT(7)
#define MAP_GLOBAL   BIT(8)
#define MAP_NX	     BIT(63)

#define MAP_DATA     (MAP_PRESENT | MAP_RW | MAP_ACCESSED | MAP_DIRTY | MAP_GLOBAL | MAP_NX)
#define MAP_RODATA   (MAP_PRESENT | MAP_ACCESSED | MAP_GLOBAL | MAP_NX)
#define MAP_TEXT     (MAP_PRESENT | MAP_ACCESSED | MAP_GLOBAL)
#define MAP_UNCACHED (MAP_DATA | MAP_PCD | MAP_PWT)

extern u64 paging_root[512]; /* the idle root; guests' roots carry its slots 256..271 */
extern bool hw_has_nx;	     /* [c] */
extern u64 hw_paddr_mask;    /* [c] address bits of an entry that this CPU knows */

/* Gives pages for tables: zeroed, address below 2^46; set by boot before and after the allocator exists. */
extern mfn_t (*paging_table_alloc)(void);

/* Gives the slots their L3 tables. Once, on the boot CPU. */
void paging_init(void);
/* Maps [va, va + bytes) to paddr, by the largest pages that fit; what was mapped there is replaced. */
void paging_map(u64 va, u64 paddr, u64 bytes, u64 flags);
/* Small pages are mapped no more. Every CPU is still to flush. */
void paging_unmap(u64 va, u64 bytes);
/*
 * The part of Mica that stays mapped in twins (mm/twin.c): these pages of what is mapped, and the L4 entry that leads to those in
 * va's slot.
 */
void paging_show(u64 va, u64 bytes, u64 flags);
u64 paging_shown_entry(u64 va);
/* Is there anything mapped at va? Gives its physical address. */
bool paging_lookup(u64 va, u64 *paddr);
u64 paging_root_maddr(void);

/* Uncached device registers in Mica's space; the same address again gives the same mapping. Panics when the area is full. */
void *hw_device_map(u64 paddr, size_t bytes);
/* Firmware tables wherever they lie, read-only in spirit; NULL for RAM-like nonsense (paddr wraps, too large). */
const void *hw_phys_map(u64 paddr, size_t bytes);

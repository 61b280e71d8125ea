/* SPDX-License-Identifier: MIT */
/*
 * Mica's own page tables. Reached from boot/ and from whoever maps a device register; writes tables through the direct map.
 * One lock, LOCK_RANK_VMAP; entries only ever go from absent to present, but for what boot alone needs.
 */
#include "hw/paging.h"

#include "core/err.h"
#include "core/lock.h"
#include "hw/asm.h"
#include "hw/features.h"
#include "hw/mem.h"

u64 paging_root[512] ALIGNED(4096);
static u64 shown_root[512]; /* [l] never loaded; its entries go into others */
bool hw_has_nx;
u64 hw_paddr_mask = 0x000ffffffffff000;
mfn_t (*paging_table_alloc)(void);

static struct lock vmap_lock = LOCK_INIT(LOCK_RANK_VMAP);
static bool has_1g;
static u64 device_next = LAYOUT_DEVICE; /* [l] */

static unsigned int index_at(u64 va, unsigned int level)
{
	return (unsigned int)(va >> (12 + 9 * (level - 1))) & 511;
}

static u64 *entry_table(u64 entry)
{
	return hw_frame_map(mfn_make((entry & hw_paddr_mask) >> PAGE_SHIFT));
}

/* The table that an entry names; made if absent. USER and RW are decided by the leaf. */
static u64 *table_below(u64 *entry)
{
	if ((*entry & MAP_PRESENT) == 0) {
		mfn_t mfn = paging_table_alloc();

		if (mfn_is_none(mfn))
			panic("no memory for page tables");
		*entry = mfn_num(mfn) << PAGE_SHIFT | MAP_PRESENT | MAP_RW | MAP_USER |
			 MAP_ACCESSED;
	}
	BUG_ON((*entry & MAP_LARGE) != 0);
	return entry_table(*entry);
}

void paging_init(void)
{
	has_1g = hw_cpu_has(0x80000001, EDX, 26);
	hw_has_nx = hw_cpu_has(0x80000001, EDX, 20);
	hw_paddr_mask = (BIT(hw_cpuid(0x80000008, 0).a & 0xff) - 1) & PAGE_MASK;
	for (unsigned int slot = LAYOUT_FIRST_SLOT; slot <= LAYOUT_LAST_SLOT; slot++)
		(void)table_below(&paging_root[slot]);
}

u64 paging_root_maddr(void)
{
	return (u64)paging_root - LAYOUT_IMAGE;
}

static void map_one(u64 *table, u64 va, u64 value, unsigned int level)
{
	for (unsigned int l = 4; l > level; l--)
		table = table_below(&table[index_at(va, l)]);
	table[index_at(va, level)] = value;
}

void paging_map(u64 va, u64 paddr, u64 bytes, u64 flags)
{
	if (!hw_has_nx)
		flags &= ~MAP_NX;
	LOCK_SCOPE(&vmap_lock);
	while (bytes != 0) {
		unsigned int level = 1;
		u64 step;

		if (has_1g && ((va | paddr) & (BIT(30) - 1)) == 0 && bytes >= BIT(30))
			level = 3;
		else if (((va | paddr) & (BIT(21) - 1)) == 0 && bytes >= BIT(21))
			level = 2;
		step = BIT(12 + 9 * (level - 1));
		map_one(paging_root, va, paddr | flags | (level > 1 ? MAP_LARGE : 0), level);
		va += step;
		paddr += step;
		bytes -= MIN(bytes, step);
	}
}

void paging_unmap(u64 va, u64 bytes)
{
	LOCK_SCOPE(&vmap_lock);
	for (u64 end = va + bytes; va < end; va += PAGE_SIZE)
		map_one(paging_root, va, 0, 1);
}

bool paging_lookup(u64 va, u64 *paddr)
{
	const u64 *table = paging_root;

	for (unsigned int level = 4;; level--) {
		u64 entry = table[index_at(va, level)], offset_mask = BIT(12 + 9 * (level - 1)) - 1;

		if ((entry & MAP_PRESENT) == 0)
			return false;
		if (level == 1 || (entry & MAP_LARGE) != 0) {
			*paddr = (entry & hw_paddr_mask & ~offset_mask) | (va & offset_mask);
			return true;
		}
		table = entry_table(entry);
	}
}

void paging_show(u64 va, u64 bytes, u64 flags)
{
	u64 paddr;

	if (!hw_has_nx)
		flags &= ~MAP_NX;
	LOCK_SCOPE(&vmap_lock);
	for (u64 end = va + bytes; va < end; va += PAGE_SIZE) {
		BUG_ON(!paging_lookup(va, &paddr));
		map_one(shown_root, va, paddr | flags, 1);
	}
}

u64 paging_shown_entry(u64 va)
{
	return shown_root[index_at(va, 4)];
}

void *hw_device_map(u64 paddr, size_t bytes)
{
	u64 first = paddr & PAGE_MASK, size = ROUND_UP(paddr + bytes, PAGE_SIZE) - first;
	u64 va;

	/* The area is small and mapped in order: look whether these pages are there already. */
	for (va = LAYOUT_DEVICE; va < device_next; va += PAGE_SIZE) {
		u64 there, last;

		if (paging_lookup(va, &there) && there == first &&
		    paging_lookup(va + size - PAGE_SIZE, &last) && last == first + size - PAGE_SIZE)
			return (void *)(va + (paddr & (PAGE_SIZE - 1)));
	}
	va = device_next;
	if (va + size > LAYOUT_DEVICE_END)
		panic("device area full");
	device_next += size;
	for (u64 at = 0; at < size; at += PAGE_SIZE)
		paging_map(va + at, first + at, PAGE_SIZE, MAP_UNCACHED);
	return (void *)(va + (paddr & (PAGE_SIZE - 1)));
}

const void *hw_phys_map(u64 paddr, size_t bytes)
{
	u64 end, there;

	if (__builtin_add_overflow(paddr, bytes, &end) || end > BIT(46) || bytes > BIT(26))
		return NULL;
	if (paging_lookup(LAYOUT_DIRECT + paddr, &there) &&
	    paging_lookup(LAYOUT_DIRECT + end - 1, &there))
		return (const void *)(LAYOUT_DIRECT + paddr);
	return hw_device_map(paddr, bytes);
}

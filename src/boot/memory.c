/* SPDX-License-Identifier: MIT */
/*
 * From the loader's memory map to an allocator: what is RAM, what is taken, and where the direct map, the frame table
 * and the M2P get their pages. Reached from main.c, on the boot CPU; calls image/, hw paging and mm. No lock.
 */
#include "boot/boot.h"
#include "core/cpu.h"
#include "core/err.h"
#include "core/log.h"
#include "hw/flush.h"
#include "hw/mem.h"
#include "hw/paging.h"
#include "image/error.h"
#include "lib/string.h"
#include "mm/mm.h"

#define BOOT_MAPPED    0x100000000ull /* what head.S mapped */
#define DIRECT_MAP_MAX (5ull << 40)
#define M2P_PIECE      BIT(21)

struct boot_info boot_info;
struct e820_map boot_map, boot_host_map;
u64 hw_frame_max;

u64 *hw_ram_bitmap;
static u64 alloc_limit = BOOT_MAPPED;

extern char image_start[], text_end[], rodata_end[], symbols_start[], bss_start[], image_end[];
extern char decoders_start[], decoders_end[];

static const void *loader_memory(u64 paddr, size_t len)
{
	if (paddr == 0 || paddr >= BOOT_MAPPED || len > BOOT_MAPPED - paddr)
		return NULL;
	return (const void *)(LAYOUT_DIRECT + paddr);
}

static void take(u64 start, u64 end)
{
	if (!e820_reserve(&boot_map, start, end))
		panic("memory map: %s", image_strerror(IMAGE_MAP_FULL));
}

enum image_error boot_loader_read(u32 magic, u64 info)
{
	return multiboot_parse(&boot_info, magic, info, loader_memory);
}

static bool ranges_overlap(u64 start, u64 end, u64 start2, u64 end2)
{
	return start < end2 && start2 < end;
}

/* What a broken loader could do: each would end in damage that is hard to explain later. */
static void modules_check(u64 image, u64 image_limit)
{
	for (unsigned int i = 0; i < boot_info.module_count; i++) {
		const struct boot_module *m = &boot_info.module[i];

		if (!e820_range_is(&boot_host_map, m->start, m->end, E820_RAM))
			panic("boot loader: module %u (%lx..%lx) does not lie in memory", i,
			      m->start, m->end);
		if (m->end > DIRECT_MAP_MAX || ranges_overlap(m->start, m->end, image, image_limit))
			panic("boot loader: module %u (%lx..%lx) lies on Mica", i, m->start,
			      m->end);
		for (unsigned int j = 0; j < i; j++)
			if (ranges_overlap(m->start, m->end, boot_info.module[j].start,
					   boot_info.module[j].end))
				panic("boot loader: modules %u and %u overlap", j, i);
	}
}

static void cuts_report(void)
{
	if (boot_info.cmdline_was_cut)
		log_warning("boot loader: a command line is too long and was cut");
	if (boot_info.map_was_cut)
		log_warning("boot loader: the memory map has more ranges than Mica reads; the rest "
			    "is not used");
	if (boot_info.modules_ignored != 0)
		log_warning("boot loader: %u modules are empty or too many, ignored",
			    boot_info.modules_ignored);
}

void boot_map_read(enum image_error error)
{
	u64 image = (u64)image_start - LAYOUT_IMAGE, image_limit = (u64)image_end - LAYOUT_IMAGE;

	if (error != IMAGE_OK)
		panic("boot loader: %s", image_strerror(error));
	cuts_report();
	error = e820_sanitise(&boot_host_map, &boot_info.map);
	if (error != IMAGE_OK && error != IMAGE_MAP_FULL)
		panic("memory map: %s", image_strerror(error));
	modules_check(image, image_limit);
	boot_map = boot_host_map;
	take(0, BOOT_LOW_MEMORY);
	take(DIRECT_MAP_MAX, E820_ADDRESS_LIMIT);
	take(image, image_limit);
	for (unsigned int i = 0; i < boot_info.module_count; i++)
		take(boot_info.module[i].start, boot_info.module[i].end);
}

/* Filled pages for boot's own lasting use, from the top of what is mapped. */
static u64 take_pages(u64 bytes, u64 align, int fill)
{
	u64 start;

	if (!e820_find(&boot_map, bytes, align, alloc_limit, &start))
		panic("not enough memory for Mica itself (%lu KiB)", bytes >> 10);
	take(start, start + bytes);
	memset((void *)(LAYOUT_DIRECT + start), fill, bytes);
	return start;
}

static mfn_t table_alloc_early(void)
{
	return maddr_to_mfn(maddr_make(take_pages(PAGE_SIZE, PAGE_SIZE, 0)));
}

static mfn_t table_alloc_late(void)
{
	return frame_alloc(0, FRAME_ZERO);
}

static void image_map(void)
{
	const struct {
		const char *start, *end;
		u64 flags;
	} parts[] = {
		{image_start, text_end, MAP_TEXT},     {text_end, rodata_end, MAP_RODATA},
		{rodata_end, symbols_start, MAP_DATA}, {symbols_start, bss_start, MAP_RODATA},
		{bss_start, image_end, MAP_DATA},
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		for (u64 va = (u64)parts[i].start; va < (u64)parts[i].end; va += PAGE_SIZE)
			paging_map(va, va - LAYOUT_IMAGE, PAGE_SIZE, parts[i].flags);
}

/* Backs [va, va + bytes) with fresh pages where nothing is mapped yet; va2 shows the same, if not 0. */
static void back(u64 va, u64 bytes, int fill, u64 va2, u64 flags2)
{
	u64 end = ROUND_UP(va + bytes, PAGE_SIZE), there;

	va2 -= va & (PAGE_SIZE - 1);
	for (va = ROUND_DOWN(va, PAGE_SIZE); va < end;) {
		u64 size = (va & (BIT(21) - 1)) == 0 && end - va >= BIT(21) ? BIT(21) : PAGE_SIZE,
		    paddr;

		if (!paging_lookup(va, &there)) {
			paddr = take_pages(size, size, fill);
			paging_map(va, paddr, size, MAP_DATA);
			if (flags2 != 0)
				paging_map(va2, paddr, size, flags2);
		} else {
			size = PAGE_SIZE;
		}
		va += size;
		va2 += size;
	}
}

static void frames_map(u64 start, u64 end)
{
	u64 first = start >> PAGE_SHIFT, frames = (end - start) >> PAGE_SHIFT;
	/* Tools map it in pieces of 2 MiB, each in one. */
	u64 m2p = ROUND_DOWN(first * 8, M2P_PIECE);

	back(LAYOUT_FRAMES + first * sizeof(struct frame), frames * sizeof(struct frame), 0, 0, 0);
	back(LAYOUT_M2P_RW + m2p, ROUND_UP((first + frames) * 8, M2P_PIECE) - m2p, 0xff,
	     LAYOUT_M2P + m2p, MAP_RODATA | MAP_USER);
	for (u64 m = first; m < first + frames;) {
		if (m % 64 == 0 && first + frames - m >= 64) {
			hw_ram_bitmap[m / 64] = ~0ull;
			m += 64;
		} else {
			hw_ram_bitmap[m / 64] |= BIT(m % 64);
			m++;
		}
	}
}

/* Frame-table entries of what is no RAM, between two pieces: they read as zero and cannot be written. */
static void hole_map(u64 first, u64 end)
{
	static u64 zero_page, zero_large;
	u64 va = ROUND_UP(LAYOUT_FRAMES + first * sizeof(struct frame), PAGE_SIZE);
	u64 va_end = ROUND_DOWN(LAYOUT_FRAMES + end * sizeof(struct frame), PAGE_SIZE);

	if (zero_page == 0)
		zero_page = take_pages(PAGE_SIZE, PAGE_SIZE, 0);
	if (va < va_end && va_end - va > 16 * BIT(21) && zero_large == 0)
		zero_large = take_pages(BIT(21), BIT(21), 0);
	while (va < va_end) {
		bool large = zero_large != 0 && (va & (BIT(21) - 1)) == 0 && va_end - va >= BIT(21);
		u64 size = large ? BIT(21) : PAGE_SIZE;

		paging_map(va, large ? zero_large : zero_page, size, MAP_RODATA);
		va += size;
	}
}

void boot_memory_map(void)
{
	u64 start, end, bytes, mapped = 0;
	unsigned int cursor = 0;

	paging_table_alloc = table_alloc_early;
	paging_init();
	image_map();
	while (e820_next(&boot_host_map, E820_RAM, &cursor, &start, &end)) {
		end = MIN(end, DIRECT_MAP_MAX);
		if (start < end)
			paging_map(LAYOUT_DIRECT + start, start, end - start, MAP_DATA);
		hw_frame_max = MAX(hw_frame_max, end >> PAGE_SHIFT);
	}
	/* The BIOS's areas are looked into too. */
	for (start = 0; start < BOOT_LOW_MEMORY; start += PAGE_SIZE)
		if (!paging_lookup(LAYOUT_DIRECT + start, &end))
			paging_map(LAYOUT_DIRECT + start, start, PAGE_SIZE, MAP_DATA);
	__asm__ volatile("mov %0, %%cr3" : : "r"(paging_root_maddr()) : "memory");
	alloc_limit = DIRECT_MAP_MAX;
	bytes = ROUND_UP(hw_frame_max / 8 + 8, PAGE_SIZE);
	hw_ram_bitmap = (u64 *)(LAYOUT_DIRECT + take_pages(bytes, PAGE_SIZE, 0));
	for (cursor = 0; e820_next(&boot_host_map, E820_RAM, &cursor, &start, &end);) {
		start = MAX(start, BOOT_LOW_MEMORY);
		end = MIN(end, DIRECT_MAP_MAX);
		if (start >= end)
			continue;
		hole_map(mapped, start >> PAGE_SHIFT);
		frames_map(start, end);
		mapped = end >> PAGE_SHIFT;
	}
}

/* What tools may map of it, to read. */
static void m2p_share(void)
{
	u64 paddr;

	for (u64 at = 0; at < hw_frame_max * 8; at += PAGE_SIZE)
		if (paging_lookup(LAYOUT_M2P_RW + at, &paddr))
			mm_readable_share(maddr_to_mfn(maddr_make(paddr)));
}

void boot_memory_pools(void)
{
	unsigned int cursor = 0;
	u64 start, end;

	while (e820_next(&boot_map, E820_RAM, &cursor, &start, &end))
		frame_pool_add(maddr_to_mfn(maddr_make(start)), (end - start) >> PAGE_SHIFT);
	paging_table_alloc = table_alloc_late;
	m2p_share();
	for (unsigned int i = 0; i < boot_host_map.count && i < MM_E820_MAX; i++) {
		const struct e820_entry *entry = &boot_host_map.entry[i];

		mm_host_e820[mm_host_e820_count++] = (struct mm_e820_entry){.addr = entry->start,
									    .size = entry->end -
										    entry->start,
									    .type = entry->type};
	}
	log_info("memory: %lu MiB, %lu MiB free", e820_ram_bytes(&boot_host_map) >> 20,
		 frame_free_count() >> 8);
}

void boot_decoders_free(void)
{
	u64 bytes = (u64)(decoders_end - decoders_start);

	paging_unmap((u64)decoders_start, bytes);
	hw_flush_mask(&cpu_online_mask, FLUSH_TLB, 0);
	frame_pool_add(maddr_to_mfn(maddr_make((u64)decoders_start - LAYOUT_IMAGE)),
		       bytes >> PAGE_SHIFT);
}

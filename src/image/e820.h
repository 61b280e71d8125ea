/* SPDX-License-Identifier: MIT */
/*
 * The memory map of the machine: made sane once, then asked and carved up. Ranges are [start, end) in bytes, sorted,
 * not overlapping, neighbours of one type merged; RAM begins and ends at a page, everything else stays exact.
 * Reached by boot/ (and by domain/ for Domain 0's view); calls nothing; no lock, since only the boot CPU changes it.
 */
#pragma once

#include "image/error.h"
#include "lib/types.h"

/* The types of ACPI 6.4, table 15.1; others are kept as they are and never treated as RAM. */
#define E820_NONE     0u
#define E820_RAM      1u
#define E820_RESERVED 2u
#define E820_ACPI     3u
#define E820_NVS      4u
#define E820_UNUSABLE 5u
#define E820_PMEM     7u

#define E820_MAX	   512u
#define E820_ADDRESS_LIMIT (1ull << 52) /* no processor reaches further (SDM 3A 4.1.4) */

struct e820_entry {
	u64 start;
	u64 end;
	u32 type;
};

struct e820_map {
	unsigned int count;
	struct e820_entry entry[E820_MAX];
};

/*
 * Add a range as the firmware gives it, base and length, to a raw list; nothing is judged yet, but a range that
 * overflows ends at the top of the address space, an empty one is left out, and one that continues the previous entry
 * joins it. False when the list is full.
 */
bool e820_append(struct e820_map *map, u64 base, u64 length, u32 type);

/*
 * Make `out` from the raw list `in`: sorted, overlaps decided for the larger type number (which is how firmware writers
 * and kernels take it: unusable beats NVS beats ACPI beats reserved beats RAM), RAM cut to whole pages. Must not
 * be the same object. IMAGE_MAP_FULL: more ranges than fit; `out` holds the lowest ones. IMAGE_NO_RAM: no RAM left.
 */
enum image_error e820_sanitise(struct e820_map *out, const struct e820_map *in);

/* In a sane map, all RAM of the pages that [start, end) touches becomes reserved. False: the map is full, and unchanged. */
bool e820_reserve(struct e820_map *map, u64 start, u64 end);

/* Walk the ranges of a type: *cursor starts at 0. False at the end. */
bool e820_next(const struct e820_map *map, u32 type, unsigned int *cursor, u64 *start, u64 *end);

/* The end of the last range of RAM (0 if there is none; also for a raw list), and the sum of all RAM, in bytes. */
u64 e820_ram_top(const struct e820_map *map);
u64 e820_ram_bytes(const struct e820_map *map);

/* Is all of [start, end) of this type? An empty range is not. */
bool e820_range_is(const struct e820_map *map, u64 start, u64 end, u32 type);

/* The highest place in RAM for `size` bytes, aligned (a power of two), ending at or below `limit`. False: none. */
bool e820_find(const struct e820_map *map, u64 size, u64 align, u64 limit, u64 *start);

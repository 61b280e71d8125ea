/* SPDX-License-Identifier: MIT */
/* uses: src/image/e820.c */
/*
 * e820.c: the input is a raw list (17 bytes a range: base, length, type), then changes to the sane map. After each the
 * map is sorted, without overlap, with RAM in whole pages; no change gives a page a type that nobody asked for.
 */
#include <stdlib.h>
#include <string.h>

#include "image/e820.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static struct e820_map raw, map;

static void map_check(void)
{
	for (unsigned int i = 0; i < map.count; i++) {
		const struct e820_entry *entry = &map.entry[i];

		if (entry->start >= entry->end || entry->type == E820_NONE ||
		    entry->end > E820_ADDRESS_LIMIT)
			abort();
		if (entry->type == E820_RAM && (entry->start % PAGE_SIZE || entry->end % PAGE_SIZE))
			abort();
		if (i && map.entry[i - 1].end > entry->start)
			abort();
		if (i && map.entry[i - 1].end == entry->start &&
		    map.entry[i - 1].type == entry->type)
			abort();
	}
}

/* Every byte of sane RAM was RAM in the raw list, and nothing else claimed it. */
static void ram_check(void)
{
	unsigned int cursor = 0;
	u64 start, end;

	while (e820_next(&map, E820_RAM, &cursor, &start, &end)) {
		bool is_covered = false;

		for (unsigned int i = 0; i < raw.count; i++) {
			if (raw.entry[i].start < end && start < raw.entry[i].end &&
			    raw.entry[i].type != E820_RAM)
				abort();
			if (raw.entry[i].start <= start && start < raw.entry[i].end)
				is_covered = true;
		}
		if (!is_covered)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	size_t ranges = size ? MIN((size_t)data[0], (size - 1) / 17) : 0;
	u64 base, length, place;

	raw.count = 0;
	for (size_t i = 0; i < ranges; i++) {
		memcpy(&base, data + 1 + i * 17, 8);
		memcpy(&length, data + 9 + i * 17, 8);
		e820_append(&raw, base, length, data[17 + i * 17] % 9);
	}
	e820_sanitise(&map, &raw);
	map_check();
	ram_check();
	for (size_t at = 1 + ranges * 17; at + 17 <= size; at += 17) {
		u64 bytes = e820_ram_bytes(&map);

		memcpy(&base, data + at, 8);
		memcpy(&length, data + at + 8, 8);
		(void)e820_reserve(&map, base, length);
		map_check();
		if (e820_ram_bytes(&map) > bytes)
			abort();
		if (e820_find(&map, length, 1ull << (base & 31), base, &place) &&
		    (!e820_range_is(&map, place, place + length, E820_RAM) ||
		     place + length > base))
			abort();
	}
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * The memory map made sane: firmware maps overlap, repeat, wrap around, have holes and empty ranges. Reached by boot/
 * once, after multiboot.c filled the raw list; calls nothing; no lock.
 *
 * Making it sane is a sweep from the lowest address upward. From one place, look at all raw ranges: which types hold
 * here, and where is the next start or end? Emit that piece and go on from there. With n ranges there are 2n such
 * places and each costs one look at n ranges; that needs no sorting and no memory besides the output.
 */
#include "image/e820.h"

#include "lib/string.h"

bool e820_append(struct e820_map *map, u64 base, u64 length, u32 type)
{
	struct e820_entry *last = map->count ? &map->entry[map->count - 1] : NULL;
	u64 end;

	if (__builtin_add_overflow(base, length, &end))
		end = ~0ull;
	if (!length || base >= end)
		return true;
	if (type == E820_NONE)
		type = E820_RESERVED;
	if (last && last->end == base && last->type == type) {
		last->end = end;
		return true;
	}
	if (map->count >= E820_MAX)
		return false;
	map->entry[map->count++] = (struct e820_entry){.start = base, .end = end, .type = type};
	return true;
}

/* What holds at `at`, and the next place above it where that may change (`at` itself if there is none). */
static u32 type_from(const struct e820_map *in, u64 at, u64 *next)
{
	u32 type = E820_NONE;
	u64 nearest = E820_ADDRESS_LIMIT;

	for (unsigned int i = 0; i < in->count; i++) {
		const struct e820_entry *entry = &in->entry[i];

		if (entry->start > at && entry->start < nearest)
			nearest = entry->start;
		if (entry->end > at && entry->end < nearest)
			nearest = entry->end;
		if (entry->start <= at && at < entry->end && entry->type > type)
			type = entry->type;
	}
	*next = nearest;
	return type;
}

/* Drop the parts of pages from RAM, and the ranges that become empty by it. */
static void ram_cut_to_pages(struct e820_map *map)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < map->count; i++) {
		struct e820_entry entry = map->entry[i];

		if (entry.type == E820_RAM) {
			entry.start = ROUND_UP(entry.start, (u64)PAGE_SIZE);
			entry.end = ROUND_DOWN(entry.end, (u64)PAGE_SIZE);
		}
		if (entry.start < entry.end)
			map->entry[kept++] = entry;
	}
	map->count = kept;
}

enum image_error e820_sanitise(struct e820_map *out, const struct e820_map *in)
{
	u64 at = 0, next;
	bool full = false;

	out->count = 0;
	while (at < E820_ADDRESS_LIMIT && !full) {
		u32 type = type_from(in, at, &next);

		if (type != E820_NONE)
			full = !e820_append(out, at, next - at, type);
		at = next;
	}
	ram_cut_to_pages(out);
	if (full)
		return IMAGE_MAP_FULL;
	return e820_ram_top(out) ? IMAGE_OK : IMAGE_NO_RAM;
}

/* One entry becomes up to three pieces: what is before the changed part, that part, what is behind. */
static unsigned int entry_split(const struct e820_entry *entry, u64 start, u64 end, u32 to,
				struct e820_entry piece[3])
{
	u64 low = MAX(entry->start, start);
	u64 high = MIN(entry->end, end);
	unsigned int pieces = 0;

	if (entry->start < low)
		piece[pieces++] = (struct e820_entry){
			.start = entry->start, .end = low, .type = entry->type};
	if (to != E820_NONE)
		piece[pieces++] = (struct e820_entry){.start = low, .end = high, .type = to};
	if (high < entry->end)
		piece[pieces++] = (struct e820_entry){
			.start = high, .end = entry->end, .type = entry->type};
	return pieces;
}

/* How many entries the map needs in the worst case, before neighbours are merged. */
static unsigned int entries_after_change(const struct e820_map *map, u64 start, u64 end, u32 from,
					 u32 to)
{
	unsigned int needed = 0;
	struct e820_entry piece[3];

	for (unsigned int i = 0; i < map->count; i++) {
		const struct e820_entry *entry = &map->entry[i];

		if (entry->type == from && entry->start < end && start < entry->end)
			needed += entry_split(entry, start, end, to, piece);
		else
			needed++;
	}
	return needed;
}

static void neighbours_merge(struct e820_map *map)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < map->count; i++) {
		struct e820_entry *last = kept ? &map->entry[kept - 1] : NULL;
		struct e820_entry entry = map->entry[i];

		if (last && last->end == entry.start && last->type == entry.type)
			last->end = entry.end;
		else
			map->entry[kept++] = entry;
	}
	map->count = kept;
}

enum image_error e820_change(struct e820_map *map, u64 start, u64 end, u32 from, u32 to)
{
	end = MIN(end, E820_ADDRESS_LIMIT);
	if (start >= end || from == to)
		return IMAGE_OK;
	if (from == E820_RAM) {
		start = ROUND_DOWN(start, (u64)PAGE_SIZE);
		end = ROUND_UP(end, (u64)PAGE_SIZE);
	} else if (to == E820_RAM) {
		start = ROUND_UP(start, (u64)PAGE_SIZE);
		end = ROUND_DOWN(end, (u64)PAGE_SIZE);
		if (start >= end)
			return IMAGE_OK;
	}
	if (entries_after_change(map, start, end, from, to) > E820_MAX)
		return IMAGE_MAP_FULL;

	for (unsigned int i = map->count; i-- > 0;) {
		struct e820_entry piece[3];
		unsigned int pieces;

		if (map->entry[i].type != from || map->entry[i].start >= end ||
		    start >= map->entry[i].end)
			continue;
		pieces = entry_split(&map->entry[i], start, end, to, piece);
		memmove(&map->entry[i + pieces], &map->entry[i + 1],
			(map->count - i - 1) * sizeof(map->entry[0]));
		for (unsigned int j = 0; j < pieces; j++)
			map->entry[i + j] = piece[j];
		map->count = map->count - 1 + pieces;
	}
	neighbours_merge(map);
	if (to == E820_RAM)
		ram_cut_to_pages(map); /* the entry that became RAM may have had odd ends itself */
	return IMAGE_OK;
}

bool e820_next(const struct e820_map *map, u32 type, unsigned int *cursor, u64 *start, u64 *end)
{
	for (; *cursor < map->count; ++*cursor) {
		const struct e820_entry *entry = &map->entry[*cursor];

		if (entry->type != type)
			continue;
		*start = entry->start;
		*end = entry->end;
		++*cursor;
		return true;
	}
	return false;
}

u64 e820_ram_top(const struct e820_map *map)
{
	unsigned int cursor = 0;
	u64 start, end, top = 0;

	while (e820_next(map, E820_RAM, &cursor, &start, &end))
		top = end;
	return top;
}

bool e820_has_ram(const struct e820_map *map)
{
	return e820_ram_top(map) != 0;
}

u64 e820_ram_bytes(const struct e820_map *map)
{
	unsigned int cursor = 0;
	u64 start, end, bytes = 0;

	while (e820_next(map, E820_RAM, &cursor, &start, &end))
		bytes += end - start;
	return bytes;
}

bool e820_range_is(const struct e820_map *map, u64 start, u64 end, u32 type)
{
	unsigned int cursor = 0;
	u64 low, high;

	if (start >= end)
		return false;
	while (e820_next(map, type, &cursor, &low, &high))
		if (low <= start && end <= high)
			return true;
	return false;
}

u32 e820_type_at(const struct e820_map *map, u64 address)
{
	for (unsigned int i = 0; i < map->count; i++)
		if (map->entry[i].start <= address && address < map->entry[i].end)
			return map->entry[i].type;
	return E820_NONE;
}

bool e820_find(const struct e820_map *map, u64 size, u64 align, u64 limit, u64 *start)
{
	bool found = false;

	if (!size || !align)
		return false;
	for (unsigned int i = 0; i < map->count; i++) {
		const struct e820_entry *entry = &map->entry[i];
		u64 end = MIN(entry->end, limit), place;

		if (entry->type != E820_RAM || end < size)
			continue;
		place = ROUND_DOWN(end - size, align);
		if (place >= entry->start && place + size <= end) {
			*start = place;
			found = true;
		}
	}
	return found;
}

const char *e820_type_name(u32 type)
{
	switch (type) {
	case E820_RAM:
		return "RAM";
	case E820_RESERVED:
		return "reserved";
	case E820_ACPI:
		return "ACPI data";
	case E820_NVS:
		return "ACPI NVS";
	case E820_UNUSABLE:
		return "unusable";
	case E820_PMEM:
		return "persistent";
	}
	return "unknown";
}

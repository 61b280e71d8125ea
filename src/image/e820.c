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

/* The part of the map that [start, end) cuts out of an entry; what is left of it on both sides stays. */
static bool entry_change(struct e820_map *out, const struct e820_entry *entry, u64 start, u64 end)
{
	u64 low = MIN(MAX(entry->start, start), entry->end);
	u64 high = MAX(MIN(entry->end, end), low);

	return e820_append(out, entry->start, low - entry->start, entry->type) &&
	       e820_append(out, low, high - low, E820_RESERVED) &&
	       e820_append(out, high, entry->end - high, entry->type);
}

bool e820_reserve(struct e820_map *map, u64 start, u64 end)
{
	static struct e820_map changed;

	start = ROUND_DOWN(start, (u64)PAGE_SIZE);
	end = ROUND_UP(MIN(end, E820_ADDRESS_LIMIT), (u64)PAGE_SIZE);
	changed.count = 0;
	for (unsigned int i = 0; i < map->count; i++) {
		const struct e820_entry *entry = &map->entry[i];
		bool is_changed = entry->type == E820_RAM && start < end;

		if (!entry_change(&changed, entry, is_changed ? start : ~0ull,
				  is_changed ? end : 0))
			return false;
	}
	memcpy(map->entry, changed.entry, changed.count * sizeof(changed.entry[0]));
	map->count = changed.count;
	return true;
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

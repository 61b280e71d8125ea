/* SPDX-License-Identifier: MIT */
/* uses: src/image/e820.c */
/*
 * e820.c: single cases by hand, then random maps against a naive model that keeps one type for each of a few hundred
 * small units of address space.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "image/e820.h"

static struct e820_map raw, map;

static void raw_set(const struct e820_entry *entries, unsigned int count)
{
	raw.count = 0;
	for (unsigned int i = 0; i < count; i++)
		assert_true(e820_append(&raw, entries[i].start, entries[i].end - entries[i].start,
					entries[i].type));
}

static void map_is(const struct e820_entry *entries, unsigned int count)
{
	assert_int_equal(map.count, count);
	for (unsigned int i = 0; i < count; i++) {
		assert_int_equal(map.entry[i].start, entries[i].start);
		assert_int_equal(map.entry[i].end, entries[i].end);
		assert_int_equal(map.entry[i].type, entries[i].type);
	}
}
#define RAW(...)                                    \
	raw_set((struct e820_entry[]){__VA_ARGS__}, \
		ARRAY_SIZE(((struct e820_entry[]){__VA_ARGS__})))
#define MAP_IS(...) \
	map_is((struct e820_entry[]){__VA_ARGS__}, ARRAY_SIZE(((struct e820_entry[]){__VA_ARGS__})))

static u32 e820_type_at(const struct e820_map *of, u64 address)
{
	for (unsigned int i = 0; i < of->count; i++)
		if (of->entry[i].start <= address && address < of->entry[i].end)
			return of->entry[i].type;
	return E820_NONE;
}

static void machine_map_stays(void **state)
{
	/* QEMU, machine pc, 256 MiB: only the end of low RAM is cut to a page. */
	RAW({0, 0x9fc00, 1}, {0x9fc00, 0xa0000, 2}, {0xf0000, 0x100000, 2},
	    {0x100000, 0xffe0000, 1}, {0xffe0000, 0x10000000, 2}, {0xfffc0000, 0x100000000, 2});
	assert_int_equal(e820_sanitise(&map, &raw), IMAGE_OK);
	MAP_IS({0, 0x9f000, 1}, {0x9fc00, 0xa0000, 2}, {0xf0000, 0x100000, 2},
	       {0x100000, 0xffe0000, 1}, {0xffe0000, 0x10000000, 2}, {0xfffc0000, 0x100000000, 2});
	assert_int_equal(e820_ram_top(&map), 0xffe0000);
	assert_int_equal(e820_ram_bytes(&map), 0x9f000 + 0xfee0000);
}

static void order_overlap_and_neighbours(void **state)
{
	RAW({0x8000, 0xa000, 1}, {0x1000, 0x5000, 1}, {0x3000, 0x4000, 2}, {0x5000, 0x8000, 1},
	    {0x9000, 0xb000, 5}, {0x3800, 0x3900, 4});
	assert_int_equal(e820_sanitise(&map, &raw), IMAGE_OK);
	MAP_IS({0x1000, 0x3000, 1}, {0x3000, 0x3800, 2}, {0x3800, 0x3900, 4}, {0x3900, 0x4000, 2},
	       {0x4000, 0x9000, 1}, {0x9000, 0xb000, 5});
}

static void empty_and_wrapping_ranges(void **state)
{
	raw.count = 0;
	assert_true(e820_append(&raw, 0x5000, 0, E820_RAM));
	assert_int_equal(raw.count, 0);
	assert_int_equal(e820_sanitise(&map, &raw), IMAGE_NO_RAM);
	assert_int_equal(map.count, 0);
	assert_true(e820_append(&raw, 0x100000, ~0ull, E820_RAM));
	assert_true(e820_append(&raw, 1ull << 60, 1ull << 60, E820_RAM));
	assert_true(e820_append(&raw, ~0ull, 1, E820_RAM));
	assert_true(e820_append(&raw, 0x2000, 0x800, 0));
	assert_int_equal(e820_sanitise(&map, &raw), IMAGE_OK);
	MAP_IS({0x2000, 0x2800, E820_RESERVED}, {0x100000, E820_ADDRESS_LIMIT, E820_RAM});
}

static void parts_of_pages_are_no_ram(void **state)
{
	RAW({0x1001, 0x1fff, 1}, {0x2800, 0x4800, 1}, {0x5000, 0x5fff, 1}, {0x7001, 0x7002, 3});
	assert_int_equal(e820_sanitise(&map, &raw), IMAGE_OK);
	MAP_IS({0x3000, 0x4000, 1}, {0x7001, 0x7002, 3});
	/* Two halves that meet are whole. */
	RAW({0x1000, 0x1800, 1}, {0x1800, 0x2000, 1});
	assert_int_equal(raw.count, 1);
	RAW({0x1800, 0x2000, 1}, {0x1000, 0x1800, 1});
	assert_int_equal(e820_sanitise(&map, &raw), IMAGE_OK);
	MAP_IS({0x1000, 0x2000, 1});
}

static void full_lists_are_named(void **state)
{
	raw.count = 0;
	for (u64 i = 0; i < E820_MAX; i++)
		assert_true(e820_append(&raw, i * 0x10000, 0x2000, E820_RAM));
	assert_false(e820_append(&raw, 1ull << 40, 0x1000, E820_RAM));
	assert_int_equal(e820_sanitise(&map, &raw), IMAGE_OK);
	assert_int_equal(map.count, E820_MAX);
	assert_false(e820_reserve(&map, 0x0, 0x1000));
	assert_int_equal(map.count, E820_MAX);
	assert_int_equal(map.entry[0].type, E820_RAM);
	assert_true(e820_reserve(&map, 0x10000, 0x20000));
	assert_int_equal(map.count, E820_MAX);
	assert_int_equal(map.entry[1].type, E820_RESERVED);

	/* Overlap makes more pieces than there were ranges. */
	raw.entry[0] = (struct e820_entry){0, E820_MAX * 0x10000, E820_RAM};
	for (unsigned int i = 1; i < E820_MAX; i++)
		raw.entry[i].type = E820_NVS;
	assert_int_equal(e820_sanitise(&map, &raw), IMAGE_MAP_FULL);
	assert_int_equal(map.count, E820_MAX);
	assert_int_equal(map.entry[0].end, 0x10000);
}

static void ranges_are_taken_out(void **state)
{
	RAW({0, 0x10000, 1}, {0x10000, 0x20000, 2}, {0x20000, 0x30000, 1});
	e820_sanitise(&map, &raw);
	assert_true(e820_reserve(&map, 0x7fff, 0x8001));
	MAP_IS({0, 0x7000, 1}, {0x7000, 0x9000, 2}, {0x9000, 0x10000, 1}, {0x10000, 0x20000, 2},
	       {0x20000, 0x30000, 1});
	assert_true(e820_reserve(&map, 0x9000, 0x22000));
	MAP_IS({0, 0x7000, 1}, {0x7000, 0x22000, 2}, {0x22000, 0x30000, 1});
	assert_true(e820_reserve(&map, 0x5000, 0x5000));
	assert_true(e820_reserve(&map, 0x6000, 0x5000));
	assert_true(e820_reserve(&map, 0x40000, 0x50000));
	MAP_IS({0, 0x7000, 1}, {0x7000, 0x22000, 2}, {0x22000, 0x30000, 1});
	assert_true(e820_reserve(&map, 0x23000, ~0ull));
	MAP_IS({0, 0x7000, 1}, {0x7000, 0x22000, 2}, {0x22000, 0x23000, 1}, {0x23000, 0x30000, 2});
	/* What is no RAM stays what it is. */
	RAW({0, 0x10000, 1}, {0x10000, 0x20123, 3}, {0x20123, 0x30000, 5});
	e820_sanitise(&map, &raw);
	assert_true(e820_reserve(&map, 0, 0x30000));
	MAP_IS({0, 0x10000, 2}, {0x10000, 0x20123, 3}, {0x20123, 0x30000, 5});
}

static void questions_are_answered(void **state)
{
	unsigned int cursor = 0;
	u64 start, end;

	RAW({0, 0x10000, 1}, {0x20000, 0x30000, 3}, {0x100000, 0x200000, 1});
	e820_sanitise(&map, &raw);
	assert_true(e820_next(&map, E820_RAM, &cursor, &start, &end));
	assert_int_equal(end, 0x10000);
	assert_true(e820_next(&map, E820_RAM, &cursor, &start, &end));
	assert_int_equal(start, 0x100000);
	assert_false(e820_next(&map, E820_RAM, &cursor, &start, &end));
	assert_true(e820_range_is(&map, 0x1000, 0x10000, E820_RAM));
	assert_false(e820_range_is(&map, 0x1000, 0x10001, E820_RAM));
	assert_false(e820_range_is(&map, 0x1000, 0x1000, E820_RAM));
	assert_false(e820_range_is(&map, 0x20000, 0x21000, E820_RAM));
	assert_int_equal(e820_type_at(&map, 0x2ffff), E820_ACPI);
	assert_int_equal(e820_type_at(&map, 0x30000), E820_NONE);

	assert_true(e820_find(&map, 0x1000, 0x1000, ~0ull, &start));
	assert_int_equal(start, 0x1ff000);
	assert_true(e820_find(&map, 0x1000, 0x1000, 0x150800, &start));
	assert_int_equal(start, 0x14f000);
	assert_true(e820_find(&map, 0x1000, 0x1000, 0x100fff, &start));
	assert_int_equal(start, 0xf000);
	assert_true(e820_find(&map, 0x90000, 0x80000, ~0ull, &start));
	assert_int_equal(start, 0x100000);
	assert_false(e820_find(&map, 0x100001, 1, ~0ull, &start));
	assert_false(e820_find(&map, 0x1000, 0x1000, 0xfff, &start));
	assert_false(e820_find(&map, 0, 0x1000, ~0ull, &start));
	assert_false(e820_find(&map, 0x1000, 0, ~0ull, &start));
	assert_false(e820_find(&map, 0x1000, 1ull << 63, 0x100, &start));
}

/* The model: 256 units of a quarter of a page. */
#define UNITS 256
#define UNIT  0x400ull

static u64 seed = 88172645463325252ull;
static unsigned int pick(unsigned int below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned int)(seed % below);
}

static void model_cut(u32 *type)
{
	for (unsigned int page = 0; page < UNITS; page += 4) {
		bool whole = true;

		for (unsigned int i = 0; i < 4; i++)
			whole = whole && type[page + i] == E820_RAM;
		for (unsigned int i = 0; i < 4 && !whole; i++)
			if (type[page + i] == E820_RAM)
				type[page + i] = E820_NONE;
	}
}

static void map_agrees(const u32 *type)
{
	for (unsigned int i = 0; i < UNITS; i++)
		assert_int_equal(e820_type_at(&map, i * UNIT), type[i]);
	for (unsigned int i = 0; i < map.count; i++) {
		assert_true(map.entry[i].start < map.entry[i].end);
		if (!i)
			continue;
		assert_true(map.entry[i - 1].end <= map.entry[i].start);
		assert_false(map.entry[i - 1].end == map.entry[i].start &&
			     map.entry[i - 1].type == map.entry[i].type);
	}
}

static void random_maps_agree_with_the_model(void **state)
{
	for (unsigned int round = 0; round < 3000; round++) {
		u32 type[UNITS] = {0};
		enum image_error error;

		raw.count = 0;
		for (unsigned int i = pick(12); i > 0; i--) {
			unsigned int start = pick(UNITS), len = pick(UNITS - start + 1);
			u32 kind = 1 + pick(5);

			e820_append(&raw, start * UNIT, len * UNIT, kind);
			for (unsigned int j = start; j < start + len; j++)
				type[j] = MAX(type[j], kind);
		}
		model_cut(type);
		error = e820_sanitise(&map, &raw);
		assert_int_equal(error, e820_ram_top(&map) ? IMAGE_OK : IMAGE_NO_RAM);
		map_agrees(type);
		for (unsigned int i = 0; i < 6; i++) {
			unsigned int start = 4 * pick(UNITS / 4),
				     end = start + 4 * pick((UNITS - start) / 4 + 1);

			assert_true(e820_reserve(&map, start * UNIT, end * UNIT));
			for (unsigned int j = start; j < end; j++)
				if (type[j] == E820_RAM)
					type[j] = E820_RESERVED;
			map_agrees(type);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(machine_map_stays),
		cmocka_unit_test(order_overlap_and_neighbours),
		cmocka_unit_test(empty_and_wrapping_ranges),
		cmocka_unit_test(parts_of_pages_are_no_ram),
		cmocka_unit_test(full_lists_are_named),
		cmocka_unit_test(ranges_are_taken_out),
		cmocka_unit_test(questions_are_answered),
		cmocka_unit_test(random_maps_agree_with_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

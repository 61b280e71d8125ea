/* SPDX-License-Identifier: MIT */
/* uses: src/lib/bitmap.c src/lib/rangeset.c */
/*
 * Bitmaps, range sets, bit searches and wide arithmetic, each beside a naive model that
 * answers the same questions slowly; random operations with a fixed seed.
 */
#include "lib/bitmap.h"
#include "lib/bits.h"
#include "lib/rangeset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static u64 random_state = 1;

static u64 random_u64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static unsigned int random_below(unsigned int n)
{
	return (unsigned int)(random_u64() >> 20) % n;
}

/* ---------------------------------------------------------------- bits */

static void test_bits(void **state)
{
	(void)state;
	assert_int_equal(fls64(0), 0);
	assert_int_equal(ilog2_up(1), 0);
	for (unsigned int i = 0; i < 64; i++) {
		assert_int_equal(bits_first(BIT(i) | 1ull << 63), i);
		assert_int_equal(fls64(BIT(i) | 1), i + 1);
		assert_int_equal(ilog2_up(BIT(i)), i);
		if (i > 1)
			assert_int_equal(ilog2_up(BIT(i) - 1), i);
		assert_true(is_power_of_2(BIT(i)));
		assert_int_equal(is_power_of_2(BIT(i) | BIT(7)), i == 7);
	}
	assert_false(is_power_of_2(0));
	for (unsigned int i = 0; i < 1000; i++) {
		u64 x = random_u64() & random_u64();
		u64 left = x, seen = 0;
		unsigned int bit, n = 0;

		for_each_set_bit(bit, left) {
			seen |= BIT(bit);
			n++;
		}
		assert_true(seen == x);
		assert_int_equal(popcount64(x), n);
	}
}

/* ---------------------------------------------------------------- bitmap */

#define BITS_MAX 200

static void bitmap_compare(const u64 *map, const bool *model, size_t bits)
{
	size_t weight = 0;

	for (size_t from = 0; from <= bits; from++) {
		size_t set = from, zero = from;

		while (set < bits && !model[set])
			set++;
		while (zero < bits && model[zero])
			zero++;
		assert_int_equal(bitmap_find_next(map, bits, from), set);
		assert_int_equal(bitmap_find_next_zero(map, bits, from), zero);
		if (from < bits) {
			assert_int_equal(bitmap_test(map, from), model[from]);
			weight += model[from];
		}
	}
	assert_int_equal(bitmap_weight(map, bits), weight);
}

static void test_bitmap(void **state)
{
	(void)state;
	for (size_t bits = 1; bits < BITS_MAX; bits += 1 + random_below(7)) {
		size_t bytes = BITMAP_WORDS(bits) * sizeof(u64);
		u64 *map = malloc(bytes);
		bool model[BITS_MAX] = {false};

		memset(map, 0, bytes);
		for (unsigned int op = 0; op < 60; op++) {
			size_t first = random_below((unsigned int)bits);
			size_t count = random_below((unsigned int)(bits - first) + 1);
			bool set = random_u64() >> 40 & 1;

			if (set || random_below(4)) {
				count = 1;
				(set ? bitmap_set : bitmap_clear)(map, first);
			} else {
				bitmap_clear_range(map, first, count);
			}
			for (size_t i = 0; i < count; i++)
				model[first + i] = set;
			bitmap_compare(map, model, bits);
		}
		/* What lies behind the last bit is not seen. */
		memset(map, 0xff, bytes);
		assert_int_equal(bitmap_weight(map, bits), bits);
		assert_int_equal(bitmap_find_next_zero(map, bits, 0), bits);
		free(map);
	}
}

/* ---------------------------------------------------------------- range sets */

#define SPACE	   64
#define RANGES_MAX 6

static unsigned int model_ranges(const bool *model)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < SPACE; i++)
		n += model[i] && (i == 0 || !model[i - 1]);
	return n;
}

/* The set as the model says, at `base`; and its invariant: sorted, apart, not adjacent. */
static void rangeset_compare(const struct rangeset *set, const bool *model, u64 base)
{
	const struct range *r;
	unsigned int n = 0;

	for (r = set->range; r < set->range + set->count; r++) {
		assert_true(r->start <= r->end);
		if (n++)
			assert_true(r[-1].end != UINT64_MAX && r[-1].end + 1 < r->start);
	}
	assert_int_equal(n, model_ranges(model));
	assert_int_equal(rangeset_is_empty(set), n == 0);
	for (unsigned int i = 0; i < SPACE; i++) {
		unsigned int j = i + random_below(SPACE - i);
		bool all = true;

		for (unsigned int k = i; k <= j; k++)
			all &= model[k];
		assert_int_equal(rangeset_contains(set, base + i, base + j), all);
	}
}

static void rangeset_random(u64 base)
{
	struct range *space = malloc(RANGES_MAX * sizeof(*space)), before[RANGES_MAX];
	bool model[SPACE] = {false};
	struct rangeset set;
	unsigned int refused = 0;

	rangeset_init(&set, space, RANGES_MAX);
	for (unsigned int op = 0; op < 20000; op++) {
		unsigned int start = random_below(SPACE);
		unsigned int end = start + random_below(MIN(SPACE - start, 12u));
		bool add = random_u64() >> 33 & 1;
		bool wanted[SPACE];
		unsigned int count = set.count;
		int rc;

		memcpy(wanted, model, sizeof(model));
		for (unsigned int i = start; i <= end; i++)
			wanted[i] = add;
		memcpy(before, space, sizeof(before));
		rc = (add ? rangeset_add : rangeset_remove)(&set, base + start, base + end);
		if (model_ranges(wanted) > RANGES_MAX) {
			assert_int_equal(rc, -ENOSPC);
			assert_int_equal(set.count, count);
			assert_memory_equal(before, space, sizeof(before));
			refused++;
			continue;
		}
		assert_int_equal(rc, 0);
		memcpy(model, wanted, sizeof(model));
		rangeset_compare(&set, model, base);
	}
	assert_true(refused > 100);
	free(space);
}

static void test_rangeset(void **state)
{
	(void)state;
	rangeset_random(0);
	rangeset_random(0xfee00);
	rangeset_random(UINT64_MAX - (SPACE - 1));
}

static void test_rangeset_edges(void **state)
{
	struct range space[2];
	struct rangeset set;

	(void)state;
	rangeset_init(&set, space, 2);
	assert_int_equal(rangeset_add(&set, 5, 4), -EINVAL);
	assert_int_equal(rangeset_remove(&set, 5, 4), -EINVAL);
	assert_false(rangeset_contains(&set, 0, 0));
	assert_int_equal(rangeset_add(&set, 0, UINT64_MAX), 0);
	assert_true(rangeset_contains(&set, 0, UINT64_MAX));
	assert_false(rangeset_contains(&set, 6, 5));
	assert_int_equal(rangeset_remove(&set, 10, 20), 0);
	assert_int_equal(set.count, 2);
	assert_int_equal(rangeset_remove(&set, 30, 40), -ENOSPC);
	assert_int_equal(rangeset_add(&set, 10, 20), 0);
	assert_int_equal(set.count, 1);
	assert_int_equal(rangeset_remove(&set, 0, UINT64_MAX), 0);
	assert_true(rangeset_is_empty(&set));
	rangeset_init(&set, NULL, 0);
	assert_int_equal(rangeset_add(&set, 1, 1), -ENOSPC);
}

/* ---------------------------------------------------------------- arithmetic */

static void test_div(void **state)
{
	(void)state;
	assert_true(mul_div_u64(1, 1, 0) == UINT64_MAX);
	assert_true(mul_div_u64(0, 0, 0) == UINT64_MAX);
	assert_true(mul_div_u64(UINT64_MAX, UINT64_MAX, UINT64_MAX) == UINT64_MAX);
	assert_true(mul_div_u64(UINT64_MAX, 2, 1) == UINT64_MAX);
	assert_true(mul_div_u64(3000000000ull, 1000000000ull, 1000) == 3000000000000000ull);
	for (unsigned int i = 0; i < 20000; i++) {
		u64 a = random_u64() >> random_below(64);
		u64 b = random_u64() >> random_below(64);
		u64 c = (random_u64() >> random_below(64)) | 1;
		u128 exact = (u128)a * b / c;

		assert_true(mul_div_u64(a, b, c) == (exact >> 64 ? UINT64_MAX : (u64)exact));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bits),	 cmocka_unit_test(test_bitmap),
		cmocka_unit_test(test_rangeset), cmocka_unit_test(test_rangeset_edges),
		cmocka_unit_test(test_div),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* The parts of bitmap.h that loop over words. Calls nothing; the caller's lock. */
#include "lib/bitmap.h"

/* The bits of word `idx` that belong to a map of `bits` bits. */
static u64 word_mask(size_t bits, size_t idx)
{
	size_t left = bits - idx * 64;

	return left >= 64 ? ~0ull : BIT(left) - 1;
}

void bitmap_clear_range(u64 *map, size_t first, size_t count)
{
	for (; count && first % 64; first++, count--)
		bitmap_clear(map, first);
	for (; count >= 64; first += 64, count -= 64)
		map[first / 64] = 0;
	for (; count; first++, count--)
		bitmap_clear(map, first);
}

/* The words are looked at after an XOR with `flip`, so one search serves set and clear bits. */
static size_t find_next(const u64 *map, size_t bits, size_t from, u64 flip)
{
	u64 skip = ~0ull << (from % 64);

	for (size_t i = from / 64; i * 64 < bits; i++) {
		u64 word = (map[i] ^ flip) & word_mask(bits, i) & skip;

		if (word)
			return i * 64 + bits_first(word);
		skip = ~0ull;
	}
	return bits;
}

size_t bitmap_find_next(const u64 *map, size_t bits, size_t from)
{
	return find_next(map, bits, from, 0);
}

size_t bitmap_find_next_zero(const u64 *map, size_t bits, size_t from)
{
	return find_next(map, bits, from, ~0ull);
}

size_t bitmap_weight(const u64 *map, size_t bits)
{
	size_t weight = 0;

	for (size_t i = 0; i < BITMAP_WORDS(bits); i++)
		weight += popcount64(map[i] & word_mask(bits, i));
	return weight;
}

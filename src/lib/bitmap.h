/* SPDX-License-Identifier: MIT */
/*
 * Bitmaps in arrays of 64-bit words. Nothing here is atomic: the caller's lock covers the map
 * (shared words belong to core/atomic.h). Bits past `bits` in the last word are never counted or
 * found. Reached by every file.
 */
#pragma once

#include "lib/bits.h"
#include "lib/types.h"

#define BITMAP_WORDS(bits)	   (((bits) + 63) / 64)
#define BITMAP_DECLARE(name, bits) u64 name[BITMAP_WORDS(bits)]

static inline void bitmap_set(u64 *map, size_t bit)
{
	map[bit / 64] |= BIT(bit % 64);
}

static inline void bitmap_clear(u64 *map, size_t bit)
{
	map[bit / 64] &= ~BIT(bit % 64);
}

static inline bool bitmap_test(const u64 *map, size_t bit)
{
	return map[bit / 64] >> (bit % 64) & 1;
}

void bitmap_clear_range(u64 *map, size_t first, size_t count);

/* The first set (clear) bit at or after `from`; `bits` if there is none. */
size_t bitmap_find_next(const u64 *map, size_t bits, size_t from);
size_t bitmap_find_next_zero(const u64 *map, size_t bits, size_t from);

/* How many bits are set. */
size_t bitmap_weight(const u64 *map, size_t bits);

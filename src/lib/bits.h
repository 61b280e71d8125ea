/* SPDX-License-Identifier: MIT */
/* Questions about the bits of one number. Reached by every file; calls nothing; no lock. */
#pragma once

#include "lib/types.h"

/* Index of the lowest set bit, x != 0. */
static inline unsigned int bits_first(u64 x)
{
	return (unsigned int)__builtin_ctzll(x);
}

/* Index of the highest set bit, x != 0: the logarithm, rounded down. */
static inline unsigned int bits_last(u64 x)
{
	return 63 - (unsigned int)__builtin_clzll(x);
}

/* As fls(): index of the highest set bit plus one; 0 for 0. */
static inline unsigned int fls64(u64 x)
{
	return x ? bits_last(x) + 1 : 0;
}

/* Logarithm to the base 2, rounded up, x != 0: the order that holds x things. */
static inline unsigned int ilog2_up(u64 x)
{
	return x > 1 ? bits_last(x - 1) + 1 : 0;
}

static inline bool is_power_of_2(u64 x)
{
	return x && !(x & (x - 1));
}

/* Number of set bits, without a call into the compiler's library: POPCNT is not in the baseline. */
static inline unsigned int popcount64(u64 x)
{
	x -= (x >> 1) & 0x5555555555555555ull;
	x = (x & 0x3333333333333333ull) + ((x >> 2) & 0x3333333333333333ull);
	x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0full;
	return (unsigned int)((x * 0x0101010101010101ull) >> 56);
}

/* for (each set bit of a 64-bit number): `word` is consumed. */
#define for_each_set_bit(bit, word) \
	for (; (word) && (((bit) = bits_first(word)), true); (word) &= (word)-1)

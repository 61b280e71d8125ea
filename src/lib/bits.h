/* SPDX-License-Identifier: MIT */
/*
 * Questions about the bits of one number, and quotients wider than 64 bits without the compiler's library. Reached by every
 * file; calls nothing; no lock.
 */
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

typedef unsigned __int128 u128;

/*
 * a * b / divisor, rounded down; UINT64_MAX where that does not fit or divisor is 0.
 * 64 steps of long division: for calibration and set-up, not for hot paths.
 */
static inline u64 mul_div_u64(u64 a, u64 b, u64 divisor)
{
	u128 product = (u128)a * b;
	u64 low = (u64)product;
	u64 rest = (u64)(product >> 64);

	if (!rest && divisor)
		return low / divisor;
	if (rest >= divisor)
		return UINT64_MAX;
	for (unsigned int i = 0; i < 64; i++) {
		bool carry = rest >> 63;

		rest = rest << 1 | low >> 63;
		low <<= 1;
		if (carry || rest >= divisor) {
			rest -= divisor;
			low |= 1;
		}
	}
	return low;
}

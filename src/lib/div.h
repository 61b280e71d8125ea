/* SPDX-License-Identifier: MIT */
/* Products and quotients wider than 64 bits, without the compiler's library. Calls nothing; no lock. */
#pragma once

#include "lib/types.h"

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

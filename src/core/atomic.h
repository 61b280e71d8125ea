/* SPDX-License-Identifier: MIT */
/*
 * Every shared word is read and changed through these, so that the host tests can interleave CPUs at each of them.
 * Loads acquire, stores release, the rest is sequentially consistent. They work on any integer or pointer of up to
 * eight bytes. No lock.
 */
#pragma once

#include "hw/atomic.h"
#include "lib/types.h"

#define ATOMIC(builtin, ...)                     \
	({                                       \
		hw_atomic_step();                \
		__atomic_##builtin(__VA_ARGS__); \
	})
#define atomic_load(ptr)	 ATOMIC(load_n, ptr, __ATOMIC_ACQUIRE)
#define atomic_store(ptr, value) ATOMIC(store_n, ptr, value, __ATOMIC_RELEASE)
/* The value before. */
#define atomic_exchange(ptr, value)  ATOMIC(exchange_n, ptr, value, __ATOMIC_SEQ_CST)
#define atomic_fetch_or(ptr, value)  ATOMIC(fetch_or, ptr, value, __ATOMIC_SEQ_CST)
#define atomic_fetch_and(ptr, value) ATOMIC(fetch_and, ptr, value, __ATOMIC_SEQ_CST)
/* The value after. */
#define atomic_add(ptr, value) ATOMIC(add_fetch, ptr, value, __ATOMIC_SEQ_CST)
#define atomic_sub(ptr, value) ATOMIC(sub_fetch, ptr, value, __ATOMIC_SEQ_CST)
/* True when *ptr was *old_ptr and is now value; otherwise *old_ptr is what was found. */
#define atomic_cmpxchg(ptr, old_ptr, value) \
	ATOMIC(compare_exchange_n, ptr, old_ptr, value, false, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE)
/* Single bits of an array of u64 (also of the guest's own bitmaps); the bit's value before. */
#define atomic_bit_set(words, bit) \
	((atomic_fetch_or(&(words)[(bit) / 64], BIT((bit) % 64)) & BIT((bit) % 64)) != 0)
#define atomic_bit_clear(words, bit) \
	((atomic_fetch_and(&(words)[(bit) / 64], ~BIT((bit) % 64)) & BIT((bit) % 64)) != 0)
#define atomic_bit_test(words, bit) ((atomic_load(&(words)[(bit) / 64]) & BIT((bit) % 64)) != 0)

/* Is it that value? Of an u16; where each instruction counts. */
static inline bool atomic_is(const u16 *at, u16 value)
{
	hw_atomic_step();
	return hw_atomic_is(at, value);
}

static inline void atomic_fence(void)
{
	hw_atomic_step();
	hw_atomic_fence();
}

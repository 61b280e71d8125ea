/* SPDX-License-Identifier: MIT */
/*
 * Every shared word is read and changed through these, so that the host tests can interleave CPUs at each of them.
 * Loads acquire, stores release, the rest is sequentially consistent. They work on any integer or pointer of up to
 * eight bytes. No lock.
 */
#ifndef CORE_ATOMIC_H
#define CORE_ATOMIC_H

#include "hw/atomic.h"
#include "lib/types.h"

#define atomic_load(ptr)                                \
	({                                              \
		hw_atomic_step();                       \
		__atomic_load_n(ptr, __ATOMIC_ACQUIRE); \
	})
#define atomic_store(ptr, value)                                \
	({                                                      \
		hw_atomic_step();                               \
		__atomic_store_n(ptr, value, __ATOMIC_RELEASE); \
	})
/* The value before. */
#define atomic_exchange(ptr, value)                                \
	({                                                         \
		hw_atomic_step();                                  \
		__atomic_exchange_n(ptr, value, __ATOMIC_SEQ_CST); \
	})
/* True when *ptr was *old_ptr and is now value; otherwise *old_ptr is what was found. */
#define atomic_cmpxchg(ptr, old_ptr, value)                                               \
	({                                                                                \
		hw_atomic_step();                                                         \
		__atomic_compare_exchange_n(ptr, old_ptr, value, false, __ATOMIC_SEQ_CST, \
					    __ATOMIC_ACQUIRE);                            \
	})
/* These return the value after. */
#define atomic_add(ptr, value)                                    \
	({                                                        \
		hw_atomic_step();                                 \
		__atomic_add_fetch(ptr, value, __ATOMIC_SEQ_CST); \
	})
#define atomic_sub(ptr, value)                                    \
	({                                                        \
		hw_atomic_step();                                 \
		__atomic_sub_fetch(ptr, value, __ATOMIC_SEQ_CST); \
	})
/* These return the value before. */
#define atomic_fetch_or(ptr, value)                              \
	({                                                       \
		hw_atomic_step();                                \
		__atomic_fetch_or(ptr, value, __ATOMIC_SEQ_CST); \
	})
#define atomic_fetch_and(ptr, value)                              \
	({                                                        \
		hw_atomic_step();                                 \
		__atomic_fetch_and(ptr, value, __ATOMIC_SEQ_CST); \
	})
/* Single bits of an array of u64 (also of the guest's own bitmaps); the bit's value before. */
#define atomic_bit_set(words, bit) \
	((atomic_fetch_or(&(words)[(bit) / 64], BIT((bit) % 64)) & BIT((bit) % 64)) != 0)
#define atomic_bit_clear(words, bit) \
	((atomic_fetch_and(&(words)[(bit) / 64], ~BIT((bit) % 64)) & BIT((bit) % 64)) != 0)
#define atomic_bit_test(words, bit) ((atomic_load(&(words)[(bit) / 64]) & BIT((bit) % 64)) != 0)

static inline void atomic_fence(void)
{
	hw_atomic_step();
	hw_atomic_fence();
}

#endif

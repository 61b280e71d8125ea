/* SPDX-License-Identifier: MIT */
/*
 * Seam: a hook before each access to a shared word. Empty on the machine; the fake machine of the host tests uses it
 * to interleave CPUs step by step. No lock.
 */
#ifndef HW_ATOMIC_H
#define HW_ATOMIC_H

#include "lib/types.h"

static inline void hw_atomic_step(void)
{
}
static inline void hw_atomic_fence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}
/* Compilers load what is atomic into a register before they compare it. */
static inline bool hw_atomic_is(const u16 *at, u16 value)
{
	bool is_same;

	__asm__ volatile("cmpw %2, %1" : "=@cce"(is_same) : "m"(*at), "r"(value));
	return is_same;
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Seam: a hook before each access to a shared word. Empty on the machine; the fake machine of the host tests uses it
 * to interleave CPUs step by step. No lock.
 */
#ifndef HW_ATOMIC_H
#define HW_ATOMIC_H

static inline void hw_atomic_step(void)
{
}
static inline void hw_atomic_fence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#endif

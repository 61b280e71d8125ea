/* SPDX-License-Identifier: MIT */
/* Fake seam: before each access to a shared word the test may run another CPU (fake_step_hook). */
#ifndef HW_ATOMIC_H
#define HW_ATOMIC_H

#include "lib/types.h"

extern void (*fake_step_hook)(void); /* NULL: nothing */

static inline void hw_atomic_step(void)
{
	if (fake_step_hook)
		fake_step_hook();
}

/* TSan knows no fences; a locked operation on a word of its own is as good on x86. */
static inline void hw_atomic_fence(void)
{
	static _Thread_local unsigned int own;

	(void)__atomic_fetch_add(&own, 1, __ATOMIC_SEQ_CST);
}
static inline bool hw_atomic_is(const u16 *at, u16 value)
{
	return __atomic_load_n(at, __ATOMIC_ACQUIRE) == value;
}

#endif

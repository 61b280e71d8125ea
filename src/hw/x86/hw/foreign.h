/* SPDX-License-Identifier: MIT */
/*
 * Calls code that was compiled for user space, on a stack of its own, and can leave it from anywhere within. One call at
 * a time, boot CPU only. Reached by boot/unpack.c, which prepares FS, CR0 and CR4; see foreign.S. No lock.
 */
#ifndef HW_FOREIGN_H
#define HW_FOREIGN_H

#include "lib/types.h"

/* fn(arg) on the stack that ends at stack_top (16-byte aligned). Returns what it returns, or hw_foreign_leave()'s result. */
u64 hw_foreign_call(u64 (*fn)(void *arg), void *arg, void *stack_top);

/* Drop the foreign stack: hw_foreign_call() returns result. */
NORETURN void hw_foreign_leave(u64 result);

#endif

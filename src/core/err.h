/* SPDX-License-Identifier: MIT */
/*
 * Errors, by whose fault they are: the guest asked wrongly (err), or we are wrong (BUG_ON, ASSERT). err() leaves file
 * and line in the trace ring, so that "why -EINVAL" is one key press on the serial line. No lock.
 */
#pragma once

#include "lib/errno.h"
#include "lib/types.h"

void err_note(int error, const char *file, unsigned int line);
NORETURN void bug(const char *what, const char *file, unsigned int line);
/* The platform is wrong (at boot), or Mica is: stops every CPU, reports, reboots or halts. */
NORETURN void panic(const char *format, ...) PRINTF_LIKE(1, 2);

/* -error, for certain: the compiler and the analyser see the value. */
#define err(error) (err_note(error, __FILE__, __LINE__), -(error))
#define BUG_ON(condition)                                    \
	do {                                                 \
		if (unlikely(condition))                     \
			bug(#condition, __FILE__, __LINE__); \
	} while (0)
#define ASSERT(condition) BUG_ON(!(condition))

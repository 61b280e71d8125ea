/* SPDX-License-Identifier: MIT */
/*
 * printf into a buffer, for the machine and for the host alike. Knows %d %u %x %s %c %%, the flags 0 (29 digits at most), - and
 * #, a width, a precision of text (numbers or *), the sizes l ll z. Anything else is printed as it stands. Reached by every file
 * (mostly core/log); no lock.
 */
#pragma once

#include <stdarg.h>

#include "lib/types.h"

/*
 * Both write at most size bytes, the last of them 0 (unless size is 0), and return the length that
 * the whole text has: size or more means that it was cut.
 */
int format_vprint(char *buf, size_t size, const char *fmt, va_list args) PRINTF_LIKE(3, 0);
int format_print(char *buf, size_t size, const char *fmt, ...) PRINTF_LIKE(3, 4);

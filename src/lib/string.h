/* SPDX-License-Identifier: MIT */
/*
 * Memory and string functions under their usual names. On the host they are the C library's; on the
 * machine string.c has them. Reached by every file; calls nothing; no lock.
 */
#pragma once

#include "lib/types.h"

#if __STDC_HOSTED__
#include <string.h>
#else
void *memcpy(void *to, const void *from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t max);
char *strchr(const char *s, int c);

/* -ffreestanding forgets what these do; told again, the compiler writes small ones in line. */
#define memcpy(to, from, bytes)	 __builtin_memcpy(to, from, bytes)
#define memmove(to, from, bytes) __builtin_memmove(to, from, bytes)
#define memset(to, value, bytes) __builtin_memset(to, value, bytes)
#define memcmp(a, b, bytes)	 __builtin_memcmp(a, b, bytes)
#define strlen(s)		 __builtin_strlen(s)
#endif

/*
 * Copy a string into to[size], cut where it does not fit, always ended unless size is 0.
 * Returns strlen(from): size or more means that it was cut.
 */
static inline size_t str_copy(char *to, size_t size, const char *from)
{
	size_t len = strlen(from);

	if (size) {
		size_t n = MIN(len, size - 1);

		memcpy(to, from, n);
		to[n] = '\0';
	}
	return len;
}

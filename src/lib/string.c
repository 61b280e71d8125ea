/* SPDX-License-Identifier: MIT */
/*
 * The C library's memory and string functions, for the machine only (host programs link their own libc). Reached by every
 * file and by calls that the compiler makes up; calls nothing; no lock.
 *
 * Two things are special. The empty asm statements stop the compiler from recognising a loop as
 * memcpy, memset or strlen and turning it into a call of itself. And the bulk of a copy is `rep
 * movsq`, not `rep movsb`, since an emulator counts every iteration; this file is the one exception
 * to "asm only in hw/ and entry/".
 */
#include "lib/string.h"

/* Names in brackets are not macros: string.h has some of these as such. */
#define KEEP_LOOP(x) __asm__ volatile("" : "+r"(x))

void *(memcpy)(void *to, const void *from, size_t bytes)
{
	u8 *d = to;
	const u8 *s = from;
	size_t words = bytes / 8;

	__asm__ volatile("rep movsq" : "+D"(d), "+S"(s), "+c"(words) : : "memory");
	for (bytes &= 7; bytes; bytes--) {
		*d++ = *s++;
		KEEP_LOOP(d);
	}
	return to;
}

void *(memmove)(void *to, const void *from, size_t bytes)
{
	u8 *d = to;
	const u8 *s = from;

	/* Forward is right whenever `to` does not lie inside the source. */
	if ((uintptr_t)d - (uintptr_t)s >= bytes)
		return memcpy(to, from, bytes);

	for (; bytes & 7; bytes--) {
		d[bytes - 1] = s[bytes - 1];
		KEEP_LOOP(d);
	}
	for (; bytes; bytes -= 8) {
		u64 word;

		__builtin_memcpy(&word, s + bytes - 8, 8);
		__builtin_memcpy(d + bytes - 8, &word, 8);
		KEEP_LOOP(d);
	}
	return to;
}

void *(memset)(void *to, int value, size_t bytes)
{
	u8 *d = to;
	size_t words = bytes / 8;
	u64 pattern = (u8)value * 0x0101010101010101ull;

	__asm__ volatile("rep stosq" : "+D"(d), "+c"(words) : "a"(pattern) : "memory");
	for (bytes &= 7; bytes; bytes--) {
		*d++ = (u8)value;
		KEEP_LOOP(d);
	}
	return to;
}

int(memcmp)(const void *a, const void *b, size_t bytes)
{
	const u8 *x = a;
	const u8 *y = b;

	for (; bytes >= 8; bytes -= 8, x += 8, y += 8) {
		u64 p, q;

		__builtin_memcpy(&p, x, 8);
		__builtin_memcpy(&q, y, 8);
		if (p != q)
			return __builtin_bswap64(p) < __builtin_bswap64(q) ? -1 : 1;
	}
	for (; bytes; bytes--, x++, y++) {
		if (*x != *y)
			return *x < *y ? -1 : 1;
	}
	return 0;
}

size_t(strnlen)(const char *s, size_t max)
{
	size_t len = 0;

	while (len < max && s[len]) {
		len++;
		KEEP_LOOP(len);
	}
	return len;
}

size_t(strlen)(const char *s)
{
	return strnlen(s, SIZE_MAX);
}

int(strncmp)(const char *a, const char *b, size_t max)
{
	for (; max; max--, a++, b++) {
		if (*a != *b)
			return (u8)*a < (u8)*b ? -1 : 1;
		if (!*a)
			break;
	}
	return 0;
}

int(strcmp)(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

char *(strchr)(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)(uintptr_t)s;
		if (!*s)
			return NULL;
	}
}

/* SPDX-License-Identifier: MIT */
/* uses: src/lib/format.c */
/*
 * format_print() beside the C library's snprintf(): the same text and the same length for every
 * conversion, flag, width, precision and size that it knows, in buffers of every size.
 */
#include "lib/format.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

#define SAME(...)                                                      \
	do {                                                           \
		char ours[256], theirs[256];                           \
		int a = format_print(ours, sizeof(ours), __VA_ARGS__); \
		int b = snprintf(theirs, sizeof(theirs), __VA_ARGS__); \
		assert_string_equal(ours, theirs);                     \
		assert_int_equal(a, b);                                \
	} while (0)

static void test_numbers(void **state)
{
	static const char *const flags[] = {"", "0", "-", "1", "8", "08", "-8", "-08", "20", "020"};
	static const u64 values[] = {0,
				     1,
				     9,
				     10,
				     0x7f,
				     0x80,
				     0xff,
				     0x7fff,
				     0x8000,
				     0x7fffffff,
				     0x80000000,
				     0xffffffff,
				     0x123456789abcdefull,
				     INT64_MAX,
				     1ull << 63,
				     UINT64_MAX};

	(void)state;
	for (size_t f = 0; f < ARRAY_SIZE(flags); f++) {
		for (size_t v = 0; v < ARRAY_SIZE(values); v++) {
			static const char *const sizes[] = {"", "l", "ll", "z"};

			for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
				for (const char *c = "dux"; *c; c++) {
					char fmt[32];

					snprintf(fmt, sizeof(fmt), "<%%%s%s%c>", flags[f], sizes[s],
						 *c);
					if (s == 0)
						SAME(fmt, (unsigned int)values[v]);
					else
						SAME(fmt, values[v]);
				}
			}
		}
	}
}

static void test_text(void **state)
{
	(void)state;
	SAME("%s|%8s|%-8s|%.2s|%8.2s|%-8.2s|", "abc", "abc", "abc", "abc", "abc", "abc");
	SAME("%*s|%-*s|%.*s|%.*s", 6, "ab", 6, "ab", 1, "ab", -1, "ab");
	SAME("%c%c|%4c|%-4c|%%", 'x', 'y', 'z', 'w');
	SAME("%#x %#lx %d%%", 0x12, 0x34ul, 5);
	SAME("%s", "");
}

/* A precision is a promise that no more is read: guest text has no final zero. */
static void test_unterminated(void **state)
{
	char *text = malloc(3);
	char buf[8];

	(void)state;
	memcpy(text, "xyz", 3);
	assert_int_equal(format_print(buf, sizeof(buf), "%.*s", 3, text), 3);
	assert_string_equal(buf, "xyz");
	free(text);
}

static void test_odd_formats(void **state)
{
	int (*volatile print)(char *, size_t, const char *, ...) = format_print;
	char buf[64];

	(void)state;
	print(buf, sizeof(buf), "%s", (char *)NULL);
	assert_string_equal(buf, "(null)");
	print(buf, sizeof(buf), "a%");
	assert_string_equal(buf, "a%");
	print(buf, sizeof(buf), "a%-08l");
	assert_string_equal(buf, "a%-08l");
	print(buf, sizeof(buf), "a%5qb");
	assert_string_equal(buf, "a%5qb");
	assert_int_equal(print(buf, sizeof(buf), "%999999999999d", 1), 100000);
}

static void test_small_buffers(void **state)
{
	(void)state;
	for (size_t size = 0; size < 16; size++) {
		char *buf = malloc(size ? size : 1);

		memset(buf, 'Z', size ? size : 1);
		assert_int_equal(format_print(size ? buf : NULL, size, "%d:%s", 1234, "abcdef"),
				 11);
		if (size) {
			assert_int_equal(strlen(buf), MIN(size - 1, 11ul));
			assert_memory_equal(buf, "1234:abcdef", MIN(size - 1, 11ul));
		}
		free(buf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),	      cmocka_unit_test(test_text),
		cmocka_unit_test(test_unterminated),  cmocka_unit_test(test_odd_formats),
		cmocka_unit_test(test_small_buffers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

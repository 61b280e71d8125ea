/* SPDX-License-Identifier: MIT */
/*
 * The memory and string functions of the machine, under other names beside the C library's own:
 * every length and alignment around a word, overlaps both ways, and nothing touched outside.
 */
#include "lib/string.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

void *our_memcpy(void *to, const void *from, size_t bytes);
void *our_memmove(void *to, const void *from, size_t bytes);
void *our_memset(void *to, int value, size_t bytes);
int our_memcmp(const void *a, const void *b, size_t bytes);
size_t our_strlen(const char *s);
size_t our_strnlen(const char *s, size_t max);
int our_strcmp(const char *a, const char *b);
int our_strncmp(const char *a, const char *b, size_t max);
char *our_strchr(const char *s, int c);

#define SPAN 160

static void fill(u8 *buf, unsigned int seed)
{
	for (unsigned int i = 0; i < SPAN; i++)
		buf[i] = (u8)(i * 7 + seed);
}

static void test_copies(void **state)
{
	u8 from[SPAN], ours[SPAN], theirs[SPAN];

	(void)state;
	for (unsigned int a = 0; a < 9; a++) {
		for (unsigned int b = 0; b < 9; b++) {
			for (unsigned int n = 0; n < 140; n++) {
				fill(from, 1);
				fill(ours, 2);
				fill(theirs, 2);
				assert_ptr_equal(our_memcpy(ours + a, from + b, n), ours + a);
				memcpy(theirs + a, from + b, n);
				assert_memory_equal(ours, theirs, SPAN);
			}
		}
	}
}

static void test_moves(void **state)
{
	u8 ours[SPAN], theirs[SPAN];

	(void)state;
	for (unsigned int a = 0; a < 40; a++) {
		for (unsigned int b = 0; b < 40; b++) {
			for (unsigned int n = 0; n < 100; n++) {
				fill(ours, 3);
				fill(theirs, 3);
				assert_ptr_equal(our_memmove(ours + a, ours + b, n), ours + a);
				memmove(theirs + a, theirs + b, n);
				assert_memory_equal(ours, theirs, SPAN);
			}
		}
	}
}

static void test_sets(void **state)
{
	u8 ours[SPAN], theirs[SPAN];

	(void)state;
	for (unsigned int a = 0; a < 9; a++) {
		for (unsigned int n = 0; n < 140; n++) {
			fill(ours, 4);
			fill(theirs, 4);
			assert_ptr_equal(our_memset(ours + a, 0x1a5, n), ours + a);
			memset(theirs + a, 0xa5, n);
			assert_memory_equal(ours, theirs, SPAN);
		}
	}
}

static int sign(int x)
{
	return (x > 0) - (x < 0);
}

static void test_compares(void **state)
{
	u8 a[SPAN], b[SPAN];

	(void)state;
	for (unsigned int n = 0; n < 40; n++) {
		for (unsigned int at = 0; at < 40; at++) {
			fill(a, 5);
			fill(b, 5);
			b[at] ^= 0x81;
			assert_int_equal(sign(our_memcmp(a, b, n)), sign(memcmp(a, b, n)));
			assert_int_equal(sign(our_memcmp(b, a, n)), sign(memcmp(b, a, n)));
		}
	}
}

static void test_strings(void **state)
{
	static const char *const words[] = {"",	 "a",	 "ab",	  "abc",	"abd",
					    "b", "\xff", "a\xff", "abcdefghijk"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		const char *a = words[i];

		assert_int_equal(our_strlen(a), strlen(a));
		for (size_t n = 0; n < 14; n++)
			assert_int_equal(our_strnlen(a, n), strnlen(a, n));
		for (int c = 0; c < 256; c++)
			assert_ptr_equal(our_strchr(a, c), strchr(a, c));
		for (size_t j = 0; j < ARRAY_SIZE(words); j++) {
			const char *b = words[j];

			assert_int_equal(sign(our_strcmp(a, b)), sign(strcmp(a, b)));
			for (size_t n = 0; n < 14; n++)
				assert_int_equal(sign(our_strncmp(a, b, n)),
						 sign(strncmp(a, b, n)));
		}
	}
}

static void test_str_copy(void **state)
{
	(void)state;
	for (size_t size = 0; size < 8; size++) {
		char buf[9];

		memset(buf, 'Z', sizeof(buf));
		assert_int_equal(str_copy(buf, size, "abcde"), 5);
		if (size) {
			assert_int_equal(strlen(buf), MIN(size - 1, 5ul));
			assert_memory_equal(buf, "abcde", MIN(size - 1, 5ul));
		}
		assert_int_equal(buf[size], 'Z');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies),	cmocka_unit_test(test_moves),
		cmocka_unit_test(test_sets),	cmocka_unit_test(test_compares),
		cmocka_unit_test(test_strings), cmocka_unit_test(test_str_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The functions under test, last, since their names must not reach the code above. */
#define memcpy	our_memcpy
#define memmove our_memmove
#define memset	our_memset
#define memcmp	our_memcmp
#define strlen	our_strlen
#define strnlen our_strnlen
#define strcmp	our_strcmp
#define strncmp our_strncmp
#define strchr	our_strchr
#include "../../src/lib/string.c"

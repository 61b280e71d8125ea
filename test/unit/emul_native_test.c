/* SPDX-License-Identifier: MIT */
/* uses: test/unit/emul_native.c src/emul/alu.c src/emul/decode.c src/emul/execute.c src/emul/table.c */
/*
 * The emulator against the CPU that runs this test: every opcode that it knows and that a process may execute, with
 * random prefixes, operands, registers and memory, faults and single steps included.
 */
#include "emul_native.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS_PER_OPCODE 1000

static struct native_random generator = {1};

static bool one_in(unsigned int n)
{
	return native_next(&generator) % n == 0;
}

/* Any prefixes, the opcode, any bytes behind it. */
static void random_instruction(u8 *bytes, bool is_0f, u8 opcode)
{
	static const u8 prefixes[] = {0x66, 0x67, 0x65, 0x64, 0x3e, 0xf2, 0xf3};
	size_t at = 0;

	for (size_t i = 0; i < EMUL_LENGTH_MAX; i++)
		bytes[i] = (u8)native_next(&generator);
	for (size_t i = 0; i < sizeof(prefixes); i++)
		if (one_in(prefixes[i] == 0x66 || prefixes[i] == 0xf3 ? 4 : 20))
			bytes[at++] = prefixes[i];
	if (one_in(8))
		bytes[at++] = 0xf0;
	if (!one_in(3))
		bytes[at++] = (u8)(0x40 | (native_next(&generator) & 15));
	if (is_0f)
		bytes[at++] = 0x0f;
	bytes[at] = opcode;
}

/* How many of the rounds for an opcode really ran. */
static unsigned int run_opcode(bool is_0f, u8 opcode)
{
	u8 bytes[EMUL_LENGTH_MAX];
	unsigned int count = 0;

	for (unsigned int i = 0; i < ROUNDS_PER_OPCODE; i++) {
		enum native_verdict verdict;

		random_instruction(bytes, is_0f, opcode);
		verdict = native_compare(bytes, sizeof(bytes), &generator);
		assert_int_not_equal(verdict, NATIVE_DIFFERENT);
		count += verdict == NATIVE_SAME;
	}
	return count;
}

static const u8 ordinary[] = {
	0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x10,
	0x11, 0x12, 0x13, 0x14, 0x15, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x20, 0x21,
	0x22, 0x23, 0x24, 0x25, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x30, 0x31, 0x32,
	0x33, 0x34, 0x35, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x63, 0x80, 0x81, 0x83,
	0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4,
	0xa5, 0xa8, 0xa9, 0xaa, 0xab, 0xac, 0xad, 0xc6, 0xc7, 0xf6, 0xf7, 0xfe, 0xff,
};
static const u8 ordinary_0f[] = {
	0xa3, 0xab, 0xb0, 0xb1, 0xb3, 0xb6, 0xb7, 0xba, 0xbb, 0xbe, 0xbf, 0xc0, 0xc1, 0xc3,
};

/* Bytes that begin an instruction but are not its opcode: their rounds test some other one. */
static bool is_prefix(u8 byte)
{
	static const u8 prefixes[] = {0x0f, 0x26, 0x2e, 0x36, 0x3e, 0x64,
				      0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3};

	return (byte & 0xf0) == 0x40 || memchr(prefixes, byte, sizeof(prefixes));
}

static void each_opcode(bool is_0f, const u8 *opcodes, size_t count)
{
	size_t at = 0;

	for (unsigned int opcode = 0; opcode < 256; opcode++) {
		unsigned int runs = run_opcode(is_0f, (u8)opcode);
		bool is_expected = at < count && opcodes[at] == opcode;

		at += is_expected;
		if (!is_0f && is_prefix((u8)opcode))
			continue;
		if (is_expected ? runs < ROUNDS_PER_OPCODE / 20 : runs > 0)
			fail_msg("opcode %s%02x ran %u times", is_0f ? "0f " : "", opcode, runs);
	}
}

static void test_one_byte_opcodes(void **state)
{
	(void)state;
	native_init();
	each_opcode(false, ordinary, sizeof(ordinary));
}

static void test_two_byte_opcodes(void **state)
{
	(void)state;
	native_init();
	each_opcode(true, ordinary_0f, sizeof(ordinary_0f));
}

/* Whatever we call #UD for its LOCK prefix is #UD. */
static void test_lock_is_undefined(void **state)
{
	u8 bytes[EMUL_LENGTH_MAX + 1];
	unsigned int count = 0;

	(void)state;
	native_init();
	for (unsigned int i = 0; i < 256 * 200; i++) {
		enum native_verdict verdict;

		random_instruction(bytes + 1, i & 256, (u8)i);
		bytes[0] = 0xf0;
		verdict = native_compare_locked(bytes, sizeof(bytes), &generator);
		assert_int_not_equal(verdict, NATIVE_DIFFERENT);
		count += verdict == NATIVE_SAME;
	}
	assert_true(count > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_byte_opcodes),
		cmocka_unit_test(test_two_byte_opcodes),
		cmocka_unit_test(test_lock_is_undefined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

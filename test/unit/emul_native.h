/* SPDX-License-Identifier: MIT */
/*
 * The CPU that runs the tests, as the emulator's oracle: one instruction is executed natively and by emul_execute()
 * from the same registers and memory, and everything that came out is compared.
 */
#ifndef TEST_EMUL_NATIVE_H
#define TEST_EMUL_NATIVE_H

#include "emul/emul.h"

struct native_random {
	u64 state;
};

/* splitmix64: any state is a good seed. */
u64 native_next(struct native_random *random);

enum native_verdict {
	NATIVE_SAME,
	NATIVE_SKIPPED,	  /* not an instruction that may be run here */
	NATIVE_DIFFERENT, /* said on standard error */
};

/* Take the signals (from cmocka, which takes them for each test, or from libFuzzer); the first time also memory. */
void native_init(void);

/*
 * Take what emul_decode() makes of these bytes, aim its memory operand at memory set aside (or just beside it), fill
 * the registers at random, run it in both ways.
 */
enum native_verdict native_compare(const u8 *bytes, size_t len, struct native_random *random);

/* An instruction that emul_decode() calls invalid for its LOCK prefix: does the CPU say #UD? */
enum native_verdict native_compare_locked(const u8 *bytes, size_t len,
					  struct native_random *random);

#endif

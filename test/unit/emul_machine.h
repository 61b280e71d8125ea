/* SPDX-License-Identifier: MIT */
/*
 * A machine for the emulator to act on: 4 KiB of memory seen again and again through the whole address space, one
 * value behind all ports and special registers, a record of the calls, and a chosen call that fails.
 */
#ifndef TEST_EMUL_MACHINE_H
#define TEST_EMUL_MACHINE_H

#include "emul/emul.h"

#define MACHINE_MEMORY_BYTES 4096
#define MACHINE_CALLS_MAX    64

enum machine_call_kind {
	CALL_READ,
	CALL_WRITE,
	CALL_CMPXCHG,
	CALL_WRITE_CHECK,
	CALL_IO_IN,
	CALL_IO_OUT,
	CALL_CR_READ,
	CALL_CR_WRITE,
	CALL_DR_READ,
	CALL_DR_WRITE,
	CALL_MSR_READ,
	CALL_MSR_WRITE,
	CALL_XCR_READ,
	CALL_XCR_WRITE,
	CALL_TSC_READ,
	CALL_CPUID,
	CALL_IF_SET,
	CALL_CACHE_FLUSH,
};

struct machine_call {
	enum machine_call_kind kind;
	u64 where; /* va, port, number of a register */
	u64 value; /* written, or read */
	unsigned int bytes;
};

struct machine {
	struct emul_state state; /* regs and ops point into this structure and to machine_ops */
	struct emul_regs regs;
	u8 memory[MACHINE_MEMORY_BYTES];
	u64 value;		/* what ports and registers read as; each read adds one */
	unsigned int interfere; /* as many times somebody changes memory just before a cmpxchg */
	unsigned int fail_at;	/* the number of the call that fails, from 1; 0: none */
	int fail_rc;		/* -EFAULT: with #PF at the address, else #GP */
	unsigned int count; /* of calls; those behind the first MACHINE_CALLS_MAX are not kept */
	struct machine_call calls[MACHINE_CALLS_MAX];
};

extern const struct emul_ops machine_ops;

void machine_init(struct machine *m);
u64 machine_peek(const struct machine *m, u64 va, unsigned int bytes);
void machine_poke(struct machine *m, u64 va, u64 value, unsigned int bytes);

/* Decode and execute; what either returned. */
int machine_run(struct machine *m, const u8 *bytes, size_t len, bool long_mode);

#endif

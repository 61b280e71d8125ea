/* SPDX-License-Identifier: MIT */
/*
 * Shared by the files of emul/ only: the opcode tables' row, the arithmetic. No lock.
 */
#pragma once

#include "emul/emul.h"

/* Where a row's operand is found in the instruction. */
enum spec {
	SPEC_NONE,
	SPEC_RM,     /* ModRM.rm: register or memory */
	SPEC_REG,    /* ModRM.reg */
	SPEC_RM_GPR, /* ModRM.rm, a register whatever ModRM.mod says (mov cr, mov dr) */
	SPEC_CR,     /* ModRM.reg names it */
	SPEC_CR0,
	SPEC_DR,
	SPEC_ACC,   /* AL, AX, EAX, RAX */
	SPEC_IMM,   /* operand size, 4 bytes at most, sign extended */
	SPEC_IMM8,  /* sign extended */
	SPEC_MOFFS, /* an absolute address follows */
	SPEC_SI,
	SPEC_DI,
	SPEC_PORT_IMM,
	SPEC_PORT_DX,
};

/* Opcodes whose ModRM.reg chooses among eight rows. */
enum group {
	GROUP_NONE,
	GROUP_1,
	GROUP_3,
	GROUP_5,
	GROUP_7,
	GROUP_8,
	GROUP_11,
	GROUP_COUNT,
};

/* Bits of opcode.flags. Operands are 2, 4 or 8 bytes wide by prefix and mode unless one of the first four is set. */
#define ROW_BYTE      0x001
#define ROW_WORD      0x002
#define ROW_IO	      0x004 /* by prefix, but never 8 */
#define ROW_NATIVE    0x008 /* 8 in 64-bit code, 4 in 32-bit code */
#define ROW_SRC_BYTE  0x010 /* the source is narrower than the destination ... */
#define ROW_SRC_WORD  0x020
#define ROW_SRC_LONG  0x040
#define ROW_SIGNED    0x080 /* ... and extends its sign */
#define ROW_STRING    0x100
#define ROW_MEM_ONLY  0x200 /* ModRM.mod = 3 is not this instruction */
#define ROW_PLAIN     0x400 /* a 66, F2 or F3 prefix makes it another instruction, or none */
#define ROW_LONG_ONLY 0x800 /* 64-bit code only */

struct opcode {
	enum emul_op op : 8;
	enum emul_alu alu : 8;
	enum spec dst : 8;
	enum spec src : 8;
	enum group group : 8;
	u16 flags;
};

extern const struct opcode emul_opcodes[256];	 /* one byte */
extern const struct opcode emul_opcodes_0f[256]; /* 0F, then one byte */
/* What a group's row leaves out (operands) or adds to (flags) is in the row that named the group. */
extern const struct opcode emul_groups[GROUP_COUNT][8];
extern const struct opcode emul_group7_reg[64]; /* 0F 01 with ModRM.mod = 3, by the rest of ModRM */

/* All ones, `bytes` (1, 2, 4, 8) wide. */
static inline u64 width_mask(unsigned int bytes)
{
	return ~0ull >> (64 - 8 * bytes);
}

/* Extend the sign of a value of 1, 2, 4 or 8 bytes; higher bits of it are ignored. */
static inline u64 sign_extend(u64 value, unsigned int bytes)
{
	unsigned int shift = 64 - 8 * bytes;

	return (u64)((s64)(value << shift) >> shift);
}

/* cmp, test and bt leave their destination alone. The others can be locked if it is memory. */
static inline bool alu_writes(enum emul_alu alu)
{
	return alu != EMUL_CMP && alu != EMUL_TEST && alu != EMUL_BT;
}

static inline bool is_memory(const struct emul_operand *operand)
{
	return operand->kind >= EMUL_MEM && operand->kind <= EMUL_MEM_DI;
}

static inline bool alu_is_bit(enum emul_alu alu)
{
	return alu >= EMUL_BT && alu <= EMUL_BTC;
}

/*
 * The new destination of `alu` for destination a and source b, both zero extended from `bytes`. *rflags in: for adc and
 * sbb; out: flags that the manual leaves undefined are as CPUs have them (AF of logic is clear, bt changes CF alone).
 */
u64 emul_compute(enum emul_alu alu, unsigned int bytes, u64 a, u64 b, u64 *rflags);

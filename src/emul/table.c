/* SPDX-License-Identifier: MIT */
/*
 * The opcodes that we emulate, as tables: what they do, where their operands are. A hole is an instruction that is
 * refused. Read by decode.c; constant, no lock. Order and names follow the opcode maps of SDM 2D, appendix A.
 */
#include "emul/priv.h"

/* clang-format off */
#define MOVE(...)		{ .op = EMUL_MOVE, __VA_ARGS__ }
#define ALU(function, ...)	{ .op = EMUL_ALU, .alu = EMUL_##function, __VA_ARGS__ }
#define SYSTEM(name)		{ .op = EMUL_##name }
#define DST(where)		.dst = SPEC_##where
#define SRC(where)		.src = SPEC_##where
#define FLAGS(bits)		.flags = (bits)
#define GROUP(number)		.group = GROUP_##number

/* Six encodings of each of the eight classic functions. */
#define CLASSIC(first, function) \
	[(first) + 0] = ALU(function, DST(RM), SRC(REG), FLAGS(ROW_BYTE)), \
	[(first) + 1] = ALU(function, DST(RM), SRC(REG)), \
	[(first) + 2] = ALU(function, DST(REG), SRC(RM), FLAGS(ROW_BYTE)), \
	[(first) + 3] = ALU(function, DST(REG), SRC(RM)), \
	[(first) + 4] = ALU(function, DST(ACC), SRC(IMM), FLAGS(ROW_BYTE)), \
	[(first) + 5] = ALU(function, DST(ACC), SRC(IMM))

const struct opcode emul_opcodes[256] = {
	CLASSIC(0x00, ADD),
	CLASSIC(0x08, OR),
	CLASSIC(0x10, ADC),
	CLASSIC(0x18, SBB),
	CLASSIC(0x20, AND),
	CLASSIC(0x28, SUB),
	CLASSIC(0x30, XOR),
	CLASSIC(0x38, CMP),

	/* movsxd */
	[0x63] = MOVE(DST(REG), SRC(RM), FLAGS(ROW_SRC_LONG | ROW_SIGNED | ROW_LONG_ONLY)),

	/* ins, outs */
	[0x6c] = MOVE(DST(DI), SRC(PORT_DX), FLAGS(ROW_STRING | ROW_BYTE)),
	[0x6d] = MOVE(DST(DI), SRC(PORT_DX), FLAGS(ROW_STRING | ROW_IO)),
	[0x6e] = MOVE(DST(PORT_DX), SRC(SI), FLAGS(ROW_STRING | ROW_BYTE)),
	[0x6f] = MOVE(DST(PORT_DX), SRC(SI), FLAGS(ROW_STRING | ROW_IO)),

	[0x80] = { GROUP(1), DST(RM), SRC(IMM), FLAGS(ROW_BYTE) },
	[0x81] = { GROUP(1), DST(RM), SRC(IMM) },
	[0x83] = { GROUP(1), DST(RM), SRC(IMM8) },
	[0x84] = ALU(TEST, DST(RM), SRC(REG), FLAGS(ROW_BYTE)),
	[0x85] = ALU(TEST, DST(RM), SRC(REG)),
	[0x86] = ALU(XCHG, DST(RM), SRC(REG), FLAGS(ROW_BYTE)),
	[0x87] = ALU(XCHG, DST(RM), SRC(REG)),
	[0x88] = MOVE(DST(RM), SRC(REG), FLAGS(ROW_BYTE)),
	[0x89] = MOVE(DST(RM), SRC(REG)),
	[0x8a] = MOVE(DST(REG), SRC(RM), FLAGS(ROW_BYTE)),
	[0x8b] = MOVE(DST(REG), SRC(RM)),

	[0xa0] = MOVE(DST(ACC), SRC(MOFFS), FLAGS(ROW_BYTE)),
	[0xa1] = MOVE(DST(ACC), SRC(MOFFS)),
	[0xa2] = MOVE(DST(MOFFS), SRC(ACC), FLAGS(ROW_BYTE)),
	[0xa3] = MOVE(DST(MOFFS), SRC(ACC)),
	/* movs */
	[0xa4] = MOVE(DST(DI), SRC(SI), FLAGS(ROW_STRING | ROW_BYTE)),
	[0xa5] = MOVE(DST(DI), SRC(SI), FLAGS(ROW_STRING)),
	[0xa8] = ALU(TEST, DST(ACC), SRC(IMM), FLAGS(ROW_BYTE)),
	[0xa9] = ALU(TEST, DST(ACC), SRC(IMM)),
	/* stos, lods */
	[0xaa] = MOVE(DST(DI), SRC(ACC), FLAGS(ROW_STRING | ROW_BYTE)),
	[0xab] = MOVE(DST(DI), SRC(ACC), FLAGS(ROW_STRING)),
	[0xac] = MOVE(DST(ACC), SRC(SI), FLAGS(ROW_STRING | ROW_BYTE)),
	[0xad] = MOVE(DST(ACC), SRC(SI), FLAGS(ROW_STRING)),

	[0xc6] = { GROUP(11), DST(RM), SRC(IMM), FLAGS(ROW_BYTE) },
	[0xc7] = { GROUP(11), DST(RM), SRC(IMM) },

	/* in, out */
	[0xe4] = MOVE(DST(ACC), SRC(PORT_IMM), FLAGS(ROW_BYTE)),
	[0xe5] = MOVE(DST(ACC), SRC(PORT_IMM), FLAGS(ROW_IO)),
	[0xe6] = MOVE(DST(PORT_IMM), SRC(ACC), FLAGS(ROW_BYTE)),
	[0xe7] = MOVE(DST(PORT_IMM), SRC(ACC), FLAGS(ROW_IO)),
	[0xec] = MOVE(DST(ACC), SRC(PORT_DX), FLAGS(ROW_BYTE)),
	[0xed] = MOVE(DST(ACC), SRC(PORT_DX), FLAGS(ROW_IO)),
	[0xee] = MOVE(DST(PORT_DX), SRC(ACC), FLAGS(ROW_BYTE)),
	[0xef] = MOVE(DST(PORT_DX), SRC(ACC), FLAGS(ROW_IO)),

	[0xf6] = { GROUP(3), DST(RM), FLAGS(ROW_BYTE) },
	[0xf7] = { GROUP(3), DST(RM) },
	[0xfa] = SYSTEM(CLI),
	[0xfb] = SYSTEM(STI),
	[0xfe] = { GROUP(5), DST(RM), FLAGS(ROW_BYTE) }, /* group 4 is the first two of group 5 */
	[0xff] = { GROUP(5), DST(RM) },
};

const struct opcode emul_opcodes_0f[256] = {
	[0x01] = { GROUP(7) },
	[0x06] = SYSTEM(CLTS),
	[0x09] = SYSTEM(WBINVD),

	[0x20] = MOVE(DST(RM_GPR), SRC(CR), FLAGS(ROW_NATIVE)),
	[0x21] = MOVE(DST(RM_GPR), SRC(DR), FLAGS(ROW_NATIVE)),
	[0x22] = MOVE(DST(CR), SRC(RM_GPR), FLAGS(ROW_NATIVE)),
	[0x23] = MOVE(DST(DR), SRC(RM_GPR), FLAGS(ROW_NATIVE)),

	[0x30] = SYSTEM(WRMSR),
	[0x31] = SYSTEM(RDTSC),
	[0x32] = SYSTEM(RDMSR),

	[0xa2] = SYSTEM(CPUID),
	[0xa3] = ALU(BT, DST(RM), SRC(REG)),
	[0xab] = ALU(BTS, DST(RM), SRC(REG)),

	[0xb0] = { EMUL_CMPXCHG, DST(RM), SRC(REG), FLAGS(ROW_BYTE) },
	[0xb1] = { EMUL_CMPXCHG, DST(RM), SRC(REG) },
	[0xb3] = ALU(BTR, DST(RM), SRC(REG)),
	/* movzx */
	[0xb6] = MOVE(DST(REG), SRC(RM), FLAGS(ROW_SRC_BYTE)),
	[0xb7] = MOVE(DST(REG), SRC(RM), FLAGS(ROW_SRC_WORD)),
	[0xba] = { GROUP(8), DST(RM), SRC(IMM8) },
	[0xbb] = ALU(BTC, DST(RM), SRC(REG)),
	/* movsx */
	[0xbe] = MOVE(DST(REG), SRC(RM), FLAGS(ROW_SRC_BYTE | ROW_SIGNED)),
	[0xbf] = MOVE(DST(REG), SRC(RM), FLAGS(ROW_SRC_WORD | ROW_SIGNED)),

	[0xc0] = ALU(XADD, DST(RM), SRC(REG), FLAGS(ROW_BYTE)),
	[0xc1] = ALU(XADD, DST(RM), SRC(REG)),
	/* movnti */
	[0xc3] = MOVE(DST(RM), SRC(REG), FLAGS(ROW_MEM_ONLY | ROW_PLAIN)),
};

const struct opcode emul_groups[GROUP_COUNT][8] = {
	[GROUP_1] = {
		ALU(ADD), ALU(OR), ALU(ADC), ALU(SBB), ALU(AND), ALU(SUB), ALU(XOR), ALU(CMP),
	},
	[GROUP_3] = {
		[0] = ALU(TEST, SRC(IMM)),
		[1] = ALU(TEST, SRC(IMM)), /* an alias that every CPU has */
		[2] = ALU(NOT),
		[3] = ALU(NEG),
	},
	[GROUP_5] = {
		[0] = ALU(INC),
		[1] = ALU(DEC),
	},
	[GROUP_7] = { /* memory only: see emul_group7_reg */
		[4] = MOVE(DST(RM), SRC(CR0), FLAGS(ROW_WORD)), /* smsw */
		[6] = { EMUL_LMSW, SRC(RM), FLAGS(ROW_WORD) },
	},
	[GROUP_8] = {
		[4] = ALU(BT),
		[5] = ALU(BTS),
		[6] = ALU(BTR),
		[7] = ALU(BTC),
	},
	[GROUP_11] = {
		[0] = MOVE(),
	},
};

const struct opcode emul_group7_reg[64] = {
	[0x0a] = { EMUL_NOP, FLAGS(ROW_PLAIN) }, /* clac */
	[0x0b] = { EMUL_NOP, FLAGS(ROW_PLAIN) }, /* stac */
	[0x10] = { EMUL_XGETBV, FLAGS(ROW_PLAIN) },
	[0x11] = { EMUL_XSETBV, FLAGS(ROW_PLAIN) },
	[0x20 ... 0x27] = MOVE(DST(RM), SRC(CR0)), /* smsw */
	[0x30 ... 0x37] = { EMUL_LMSW, SRC(RM), FLAGS(ROW_WORD) },
	[0x39] = { EMUL_RDTSCP, FLAGS(ROW_PLAIN) },
};
/* clang-format on */

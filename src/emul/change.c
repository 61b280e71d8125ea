/* SPDX-License-Identifier: MIT */
/*
 * The few instructions by which kernels change an entry of a page table, decoded and computed in few instructions of our own.
 * What is not among them is decode.c's. Reached from pv/ptwr.c; calls alu.c; no lock.
 */
#include "emul/priv.h"

#define OPCODE_0F   0x0f00u
#define PREFIX_LOCK 0xf0
#define REX_W	    8
#define REX_R	    4

/* Bytes of ModRM and what belongs to it, in 64-bit mode; 0: it names a register (SDM 2A 2.1). */
static unsigned int modrm_bytes(u8 modrm, u8 sib)
{
	unsigned int mod = modrm >> 6, rm = modrm & 7, bytes = 1;

	if (mod == 3)
		return 0;
	if (rm == 4) {
		bytes++;
		rm = sib & 7;
	}
	if (mod == 0)
		return rm == 5 ? bytes + 4 : bytes;
	return bytes + (mod == 1 ? 1 : 4);
}

bool emul_change_decode(struct emul_change *change, const u8 bytes[16])
{
	const u8 *at = bytes;
	unsigned int opcode, operand, number;
	bool is_locked = *at == PREFIX_LOCK;
	u8 rex = 0;

	at += is_locked;
	if ((*at & 0xf0) == 0x40)
		rex = *at++;
	opcode = *at++;
	if (opcode == 0x0f)
		opcode = OPCODE_0F | *at++;
	operand = modrm_bytes(at[0], at[1]);
	number = at[0] >> 3 & 7;
	*change = (struct emul_change){.reg = (u8)(number | (rex & REX_R ? 8 : 0)), .bytes = 8};
	at += operand;
	if (opcode == 0x87) {
		change->op = EMUL_CHANGE_XCHG;
	} else if (opcode == 0x89 && !is_locked) {
		change->op = EMUL_CHANGE_MOV;
	} else if (opcode == (OPCODE_0F | 0xb1)) {
		change->op = EMUL_CHANGE_CMPXCHG;
	} else if (opcode == (OPCODE_0F | 0xba) && number > 4) { /* BTS, BTR, BTC by a constant */
		change->op = EMUL_CHANGE_BIT;
		change->alu = EMUL_BT + number - 4;
		change->reg = EMUL_NO_REG;
		change->imm = BIT(*at++ & 63);
	} else if (opcode == 0x80 && (number == 1 || number == 4)) { /* OR, AND of a byte */
		change->op = EMUL_CHANGE_ALU;
		change->alu = number;
		change->bytes = 1;
		change->reg = EMUL_NO_REG;
		change->imm = *at++;
	} else {
		return false;
	}
	change->length = (u8)(at - bytes);
	return operand != 0 && (change->bytes == 1 || rex & REX_W);
}

/* The CPU's own, of a - b: SF ZF AF PF CF as LAHF has them, and OF. */
static u64 flags_of_comparison(u64 a, u64 b)
{
	u64 ax = 0;

	__asm__("cmp %2, %1; seto %b0; lahf" : "+a"(ax) : "r"(a), "r"(b) : "cc");
	return (ax >> 8 & (FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF | FLAG_CF)) |
	       (ax & 1 ? FLAG_OF : 0);
}

u64 emul_change_compute(const struct emul_change *change, u64 old, u64 src, u64 rax, u64 *rflags)
{
	if (change->op == EMUL_CHANGE_ALU)
		return emul_compute(change->alu, change->bytes, old, src, rflags);
	*rflags = (*rflags & ~FLAGS_ARITHMETIC) | flags_of_comparison(rax, old);
	return rax == old ? src : old;
}

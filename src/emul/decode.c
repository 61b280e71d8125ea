/* SPDX-License-Identifier: MIT */
/*
 * Bytes of guest code -> struct emul_insn. Reached from pv/ through emul_decode(); reads the tables of table.c; calls
 * nothing; no lock. The bytes are the guest's: each is looked at once, and the result depends on nothing else.
 * Format: SDM 2A, chapter 2.
 */
#include "emul/priv.h"

#define REX_W 8
#define REX_R 4
#define REX_X 2
#define REX_B 1

/* The three bits of a ModRM or SIB field that mean something else than the register of that number. */
#define RM_SIB	      4 /* ModRM.rm: a SIB byte follows */
#define SIB_NO_INDEX  4
#define NO_BASE	      5 /* ModRM.rm or SIB.base, if ModRM.mod is 0: four bytes of displacement instead */
#define MOD_DISP8     1
#define MOD_DISP32    2
#define MOD_REGISTER  3
#define FORCED_PREFIX 5 /* bytes */

struct decoder {
	struct emul_insn *insn;
	const u8 *bytes;
	size_t len;
	size_t at;
	int rc; /* the first error in fetching; later fetches give 0, so that only the end need look */
	u8 rex;
	bool has_segment; /* an override, in insn->mem.segment */
	struct opcode row;
	u8 mod, reg, rm; /* the fields of ModRM, not extended */
	u8 operand_bytes;
};

static u8 fetch_byte(struct decoder *dec)
{
	if (!dec->rc && dec->at >= EMUL_LENGTH_MAX)
		dec->rc = -E2BIG;
	if (!dec->rc && dec->at >= dec->len)
		dec->rc = -EAGAIN;
	return dec->rc ? 0 : dec->bytes[dec->at++];
}

/* A little-endian number of 1, 2, 4 or 8 bytes, sign extended: displacements and immediates all are. */
static u64 fetch_signed(struct decoder *dec, unsigned int bytes)
{
	u64 value = 0;

	for (unsigned int i = 0; i < bytes; i++)
		value |= (u64)fetch_byte(dec) << (8 * i);
	return sign_extend(value, bytes);
}

/* Three bits of the instruction and a fourth from REX. */
static u8 extend(const struct decoder *dec, u8 low, u8 rex_bit)
{
	return (u8)(low | (dec->rex & rex_bit ? 8 : 0));
}

/* 64-bit code ignores all overrides but those of FS and GS (SDM 1, 3.3.7.1). */
static void override_segment(struct decoder *dec, enum emul_segment segment)
{
	if (dec->insn->long_mode && segment < EMUL_SEG_FS)
		return;
	dec->insn->mem.segment = segment;
	dec->has_segment = true;
}

/* All prefixes; returns the first byte of the opcode. A REX with another prefix behind it counts for nothing. */
static u8 fetch_prefixes(struct decoder *dec)
{
	struct emul_insn *insn = dec->insn;

	for (;;) {
		u8 byte = fetch_byte(dec);

		if (insn->long_mode && (byte & 0xf0) == 0x40) {
			dec->rex = byte;
			continue;
		}
		switch (byte) {
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
			override_segment(dec, EMUL_SEG_ES + ((byte >> 3) & 3u));
			break;
		case 0x64:
		case 0x65:
			override_segment(dec, EMUL_SEG_FS + (byte & 1u));
			break;
		case 0x66:
			insn->prefixes |= EMUL_PREFIX_OPSIZE;
			break;
		case 0x67:
			insn->prefixes |= EMUL_PREFIX_ADDRESS;
			break;
		case 0xf0:
			insn->prefixes |= EMUL_PREFIX_LOCK;
			break;
		case 0xf2:
		case 0xf3:
			insn->prefixes |= EMUL_PREFIX_REP;
			break;
		default:
			return byte;
		}
		dec->rex = 0;
	}
}

static void fetch_modrm(struct decoder *dec)
{
	u8 modrm = fetch_byte(dec);

	dec->mod = modrm >> 6;
	dec->reg = (modrm >> 3) & 7;
	dec->rm = modrm & 7;
}

static bool spec_has_modrm(enum spec spec)
{
	return spec >= SPEC_RM && spec <= SPEC_DR;
}

/* The row of the tables, with the choice of its group merged in, and ModRM if the instruction has one. */
static void fetch_opcode(struct decoder *dec)
{
	u8 byte = fetch_prefixes(dec);
	struct opcode row = byte == 0x0f ? emul_opcodes_0f[fetch_byte(dec)] : emul_opcodes[byte];

	if (row.group != GROUP_NONE || spec_has_modrm(row.dst) || spec_has_modrm(row.src))
		fetch_modrm(dec);
	if (row.group != GROUP_NONE) {
		struct opcode choice = emul_groups[row.group][dec->reg];

		if (row.group == GROUP_7 && dec->mod == MOD_REGISTER)
			choice = emul_group7_reg[dec->reg * 8 + dec->rm];
		row.op = choice.op;
		row.alu = choice.alu;
		row.dst = choice.dst != SPEC_NONE ? choice.dst : row.dst;
		row.src = choice.src != SPEC_NONE ? choice.src : row.src;
		row.flags |= choice.flags;
	}
	dec->row = row;
	dec->insn->op = row.op;
	dec->insn->alu = row.alu;
	dec->insn->is_string = row.flags & ROW_STRING;
	dec->insn->is_signed = row.flags & ROW_SIGNED;
}

/* Widths follow from mode, prefixes and row (SDM 1, table 3-4). */
static void choose_widths(struct decoder *dec)
{
	struct emul_insn *insn = dec->insn;
	u16 flags = dec->row.flags;
	u8 bytes = dec->rex & REX_W ? 8 : insn->prefixes & EMUL_PREFIX_OPSIZE ? 2 : 4;

	if (flags & ROW_BYTE)
		bytes = 1;
	else if (flags & ROW_WORD)
		bytes = 2;
	else if (flags & ROW_NATIVE)
		bytes = insn->long_mode ? 8 : 4;
	else if (flags & ROW_IO)
		bytes = MIN(bytes, 4);
	dec->operand_bytes = bytes;
	insn->address_bytes = insn->long_mode ? 8 : 4;
	if (insn->prefixes & EMUL_PREFIX_ADDRESS)
		insn->address_bytes /= 2;
}

/* The address that ModRM, SIB and displacement describe (SDM 2A, tables 2-2, 2-3 and 2-5). */
static void fetch_address(struct decoder *dec)
{
	struct emul_mem *mem = &dec->insn->mem;
	u8 base = dec->rm;
	bool has_base;

	if (dec->rm == RM_SIB) {
		u8 sib = fetch_byte(dec);
		u8 index = extend(dec, (sib >> 3) & 7, REX_X);

		base = sib & 7;
		mem->scale_shift = sib >> 6;
		mem->index = index == SIB_NO_INDEX ? EMUL_NO_REG : index;
	}
	has_base = dec->mod != 0 || base != NO_BASE;
	if (has_base)
		mem->base = extend(dec, base, REX_B);
	else if (dec->insn->long_mode && dec->rm == NO_BASE)
		mem->base = EMUL_BASE_RIP;
	if (dec->mod == MOD_DISP8)
		mem->disp = fetch_signed(dec, 1);
	else if (dec->mod == MOD_DISP32 || !has_base)
		mem->disp = fetch_signed(dec, 4);
	if (!dec->has_segment && (mem->base == EMUL_RSP || mem->base == EMUL_RBP))
		mem->segment = EMUL_SEG_SS;
}

/* A general register of operand->bytes; without REX, byte registers 4 to 7 are AH, CH, DH, BH. */
static void set_gpr(const struct decoder *dec, struct emul_operand *operand, u8 reg)
{
	operand->kind = EMUL_REG;
	operand->reg = reg;
	if (operand->bytes == 1 && !dec->rex && reg >= 4)
		operand->reg = (u8)(reg - 4 + EMUL_GPR_HIGH);
}

static void set_rm(struct decoder *dec, struct emul_operand *operand)
{
	if (dec->mod == MOD_REGISTER) {
		set_gpr(dec, operand, extend(dec, dec->rm, REX_B));
		return;
	}
	operand->kind = EMUL_MEM;
	fetch_address(dec);
}

/* Fill in an operand whose width is known, and fetch what of it is in the instruction. */
static void fetch_operand(struct decoder *dec, enum spec spec, struct emul_operand *operand)
{
	static const u8 kinds[] = {[SPEC_CR] = EMUL_CR,
				   [SPEC_CR0] = EMUL_CR,
				   [SPEC_DR] = EMUL_DR,
				   [SPEC_IMM] = EMUL_IMM,
				   [SPEC_IMM8] = EMUL_IMM,
				   [SPEC_MOFFS] = EMUL_MEM,
				   [SPEC_SI] = EMUL_MEM_SI,
				   [SPEC_DI] = EMUL_MEM_DI,
				   [SPEC_PORT_IMM] = EMUL_PORT_IMM,
				   [SPEC_PORT_DX] = EMUL_PORT_DX};
	struct emul_insn *insn = dec->insn;

	operand->kind = kinds[spec];
	switch (spec) {
	case SPEC_RM:
		set_rm(dec, operand);
		break;
	case SPEC_REG:
		set_gpr(dec, operand, extend(dec, dec->reg, REX_R));
		break;
	case SPEC_RM_GPR:
		set_gpr(dec, operand, extend(dec, dec->rm, REX_B));
		break;
	case SPEC_ACC:
		set_gpr(dec, operand, EMUL_RAX);
		break;
	case SPEC_CR:
	case SPEC_DR:
		operand->reg = extend(dec, dec->reg, REX_R);
		break;
	case SPEC_IMM:
		insn->imm = fetch_signed(dec, MIN(operand->bytes, 4));
		break;
	case SPEC_IMM8:
		insn->imm = fetch_signed(dec, 1);
		break;
	case SPEC_MOFFS:
		insn->mem.disp = fetch_signed(dec, insn->address_bytes);
		break;
	case SPEC_PORT_IMM:
		insn->imm = fetch_byte(dec);
		break;
	case SPEC_NONE:
	case SPEC_CR0:
	case SPEC_SI:
	case SPEC_DI:
	case SPEC_PORT_DX:
		break;
	}
}

static void fetch_operands(struct decoder *dec)
{
	struct emul_insn *insn = dec->insn;
	u16 flags = dec->row.flags;

	insn->dst.bytes = dec->operand_bytes;
	insn->src.bytes = dec->operand_bytes;
	if (flags & ROW_SRC_BYTE)
		insn->src.bytes = 1;
	else if (flags & ROW_SRC_WORD)
		insn->src.bytes = 2;
	else if (flags & ROW_SRC_LONG)
		insn->src.bytes = 4;
	fetch_operand(dec, dec->row.dst, &insn->dst);
	fetch_operand(dec, dec->row.src, &insn->src);
}

/* CR1, CR5 to CR7 and CR9 and up do not exist, nor do DR8 and up. */
static bool has_special_register(const struct emul_operand *operand)
{
	if (operand->kind == EMUL_CR)
		return operand->reg <= 8 &&
		       (BIT(operand->reg) & (BIT(0) | BIT(2) | BIT(3) | BIT(4) | BIT(8)));
	return operand->kind != EMUL_DR || operand->reg < 8;
}

/* LOCK is for the instructions that read, change and write memory (SDM 2A, LOCK). */
static bool may_lock(const struct emul_insn *insn)
{
	return insn->dst.kind == EMUL_MEM &&
	       (insn->op == EMUL_CMPXCHG || (insn->op == EMUL_ALU && alu_writes(insn->alu)));
}

/* What the tables cannot say. The instruction is known to be one of ours. */
static int check(const struct decoder *dec)
{
	const struct emul_insn *insn = dec->insn;

	if (dec->row.flags & ROW_LONG_ONLY && !insn->long_mode)
		return -EOPNOTSUPP;
	/* movsxd to 16 bits: Intel and AMD read different widths. */
	if (insn->src.bytes > insn->dst.bytes)
		return -EOPNOTSUPP;
	if (dec->row.flags & ROW_MEM_ONLY && dec->mod == MOD_REGISTER)
		return -EINVAL;
	if (dec->row.flags & ROW_PLAIN && insn->prefixes & (EMUL_PREFIX_OPSIZE | EMUL_PREFIX_REP))
		return -EINVAL;
	if (insn->prefixes & EMUL_PREFIX_LOCK && !may_lock(insn))
		return -EINVAL;
	if (!has_special_register(&insn->dst) || !has_special_register(&insn->src))
		return -EINVAL;
	if (insn->address_bytes == 2 && (is_memory(&insn->dst) || is_memory(&insn->src)))
		return -EOPNOTSUPP;
	return 0;
}

static int decode_plain(struct emul_insn *insn, const u8 *bytes, size_t len, bool long_mode)
{
	struct decoder dec = {.insn = insn, .bytes = bytes, .len = len};
	int rc;

	*insn = (struct emul_insn){
		.long_mode = long_mode,
		.mem = {.segment = EMUL_SEG_DS, .base = EMUL_NO_REG, .index = EMUL_NO_REG},
	};
	fetch_opcode(&dec);
	choose_widths(&dec);
	fetch_operands(&dec);
	rc = dec.rc;
	if (!rc)
		rc = insn->op == EMUL_REFUSED ? -EOPNOTSUPP : check(&dec);
	insn->length = rc ? 0 : (u8)dec.at;
	return rc;
}

int emul_decode(struct emul_insn *insn, const u8 *bytes, size_t len, bool long_mode)
{
	static const u8 forced[FORCED_PREFIX] = {0x0f, 0x0b, 'x', 'e', 'n'};
	size_t same = 0;
	int rc;

	while (same < len && same < FORCED_PREFIX && bytes[same] == forced[same])
		same++;
	/* UD2, of which only the first two bytes are an instruction. */
	if (same >= 2 && same < FORCED_PREFIX) {
		insn->length = 0;
		return same == len ? -EAGAIN : -EINVAL;
	}
	if (same < FORCED_PREFIX)
		return decode_plain(insn, bytes, len, long_mode);
	rc = decode_plain(insn, bytes + FORCED_PREFIX, len - FORCED_PREFIX, long_mode);
	if (!rc && (insn->op != EMUL_CPUID || insn->prefixes))
		rc = -EINVAL;
	insn->prefixes |= EMUL_PREFIX_FORCED;
	insn->length = rc ? 0 : (u8)(insn->length + FORCED_PREFIX);
	return rc;
}

/* SPDX-License-Identifier: MIT */
/*
 * Do what a decoded instruction says. Reached from pv/ through emul_execute(); reaches the world only through the
 * caller's callbacks; no lock.
 *
 * One rule makes faults exact: callbacks first, registers after. A handler returns at the first callback that fails,
 * and until its last one has succeeded it has changed no register. RIP moves in retire(), and nowhere else.
 */
#include "emul/priv.h"

/* How often an atomic is tried in one call while others change the same word. */
#define ATOMIC_TRIES_MAX 16

/* The last linear addresses of the canonical halves: 48 bits, as LA57 is hidden from guests. */
#define CANONICAL_SHIFT 47

#define CR0_TS		BIT(3)
#define CR0_PE_MP_EM_TS 0x0full
#define CR0_LMSW_CLEARS 0x0eull /* LMSW sets PE but cannot clear it */

/* Call a callback, if there is one. */
#define CALL(state, hook, ...) \
	((state)->ops->hook ? (state)->ops->hook(state, ##__VA_ARGS__) : -EOPNOTSUPP)

static u64 gpr_read(const struct emul_regs *regs, u8 reg, unsigned int bytes)
{
	if (reg >= EMUL_GPR_HIGH)
		return (regs->gpr[reg - EMUL_GPR_HIGH] >> 8) & 0xff;
	return regs->gpr[reg] & width_mask(bytes);
}

/* 32-bit results clear the upper half, narrower ones leave the rest alone (SDM 1, 3.4.1.1). */
static void gpr_write(struct emul_regs *regs, u8 reg, unsigned int bytes, u64 value)
{
	u64 mask = bytes == 4 ? ~0ull : width_mask(bytes);

	value &= width_mask(bytes);
	if (reg >= EMUL_GPR_HIGH) {
		reg -= EMUL_GPR_HIGH;
		mask <<= 8;
		value <<= 8;
	}
	regs->gpr[reg] = (regs->gpr[reg] & ~mask) | value;
}

static u64 next_rip(const struct emul_insn *insn, const struct emul_regs *regs)
{
	u64 rip = regs->rip + insn->length;

	return insn->long_mode ? rip : rip & width_mask(4);
}

/* A bit number in a register reaches beyond the operand, in both directions, by whole operands (SDM 2A, BT). */
static u64 bit_displacement(const struct emul_insn *insn, const struct emul_regs *regs)
{
	unsigned int bytes = insn->dst.bytes;
	u64 bit;

	if (insn->op != EMUL_ALU || !alu_is_bit(insn->alu) || insn->src.kind != EMUL_REG)
		return 0;
	bit = sign_extend(gpr_read(regs, insn->src.reg, bytes), bytes);
	return (u64)((s64)bit >> 3) & ~(u64)(bytes - 1);
}

static enum emul_segment segment_of(const struct emul_insn *insn,
				    const struct emul_operand *operand)
{
	return operand->kind == EMUL_MEM_DI ? EMUL_SEG_ES : insn->mem.segment;
}

static u64 offset_of(const struct emul_insn *insn, const struct emul_operand *operand,
		     const struct emul_regs *regs)
{
	const struct emul_mem *mem = &insn->mem;
	u64 offset;

	if (operand->kind == EMUL_MEM_SI) {
		offset = regs->gpr[EMUL_RSI];
	} else if (operand->kind == EMUL_MEM_DI) {
		offset = regs->gpr[EMUL_RDI];
	} else {
		offset = mem->disp + bit_displacement(insn, regs);
		if (mem->base == EMUL_BASE_RIP)
			offset += next_rip(insn, regs);
		else if (mem->base != EMUL_NO_REG)
			offset += regs->gpr[mem->base];
		if (mem->index != EMUL_NO_REG)
			offset += regs->gpr[mem->index] << mem->scale_shift;
	}
	return offset & width_mask(insn->address_bytes);
}

static u64 linear_address(const struct emul_insn *insn, const struct emul_operand *operand,
			  const struct emul_regs *regs)
{
	enum emul_segment segment = segment_of(insn, operand);
	u64 offset = offset_of(insn, operand, regs);

	if (!insn->long_mode)
		return (offset + regs->base[segment]) & width_mask(4);
	return offset + (segment >= EMUL_SEG_FS ? regs->base[segment] : 0);
}

int emul_address(const struct emul_insn *insn, const struct emul_regs *regs, gva_t *va)
{
	const struct emul_operand *operand = is_memory(&insn->dst) ? &insn->dst : &insn->src;

	if (!is_memory(operand))
		return -EINVAL;
	*va = gva_make(linear_address(insn, operand, regs));
	return 0;
}

static bool is_canonical(u64 va)
{
	return (s64)va >> CANONICAL_SHIFT == 0 || (s64)va >> CANONICAL_SHIFT == -1;
}

/* The address of an access, if all its bytes are canonical, or below 4 GiB in 32-bit code, and it does not wrap. */
static int access_prepare(const struct emul_insn *insn, struct emul_state *state,
			  const struct emul_operand *operand, gva_t *va)
{
	u64 first = linear_address(insn, operand, state->regs);
	u64 last = first + operand->bytes - 1;
	u64 offset = offset_of(insn, operand, state->regs);
	bool is_good = last >= first && is_canonical(first) && is_canonical(last);

	if (!insn->long_mode)
		is_good = (last | (offset + operand->bytes - 1)) <= width_mask(4);
	if (!is_good)
		return emul_raise(state,
				  segment_of(insn, operand) == EMUL_SEG_SS ? EMUL_SS : EMUL_GP, 0);
	*va = gva_make(first);
	return 0;
}

static int memory_read(const struct emul_insn *insn, struct emul_state *state,
		       const struct emul_operand *operand, u64 *value)
{
	gva_t va;

	return access_prepare(insn, state, operand, &va)
		       ?: CALL(state, read, va, value, operand->bytes);
}

static int memory_write(const struct emul_insn *insn, struct emul_state *state,
			const struct emul_operand *operand, u64 value)
{
	gva_t va;

	return access_prepare(insn, state, operand, &va)
		       ?: CALL(state, write, va, value, operand->bytes);
}

static u16 port_of(const struct emul_insn *insn, const struct emul_operand *operand,
		   const struct emul_regs *regs)
{
	return (u16)(operand->kind == EMUL_PORT_IMM ? insn->imm : regs->gpr[EMUL_RDX]);
}

/* The value of an operand, zero extended; 0 if there is none. */
static int operand_read(const struct emul_insn *insn, struct emul_state *state,
			const struct emul_operand *operand, u64 *value)
{
	int rc = 0;

	*value = 0;
	switch (operand->kind) {
	case EMUL_NONE:
		break;
	case EMUL_REG:
		*value = gpr_read(state->regs, operand->reg, operand->bytes);
		break;
	case EMUL_IMM:
		*value = insn->imm;
		break;
	case EMUL_MEM:
	case EMUL_MEM_SI:
	case EMUL_MEM_DI:
		rc = memory_read(insn, state, operand, value);
		break;
	case EMUL_PORT_IMM:
	case EMUL_PORT_DX:
		rc = CALL(state, io_in, port_of(insn, operand, state->regs), value, operand->bytes);
		break;
	case EMUL_CR:
		rc = CALL(state, cr_read, operand->reg, value);
		break;
	case EMUL_DR:
		rc = CALL(state, dr_read, operand->reg, value);
		break;
	}
	*value &= width_mask(operand->bytes);
	return rc;
}

static int operand_write(const struct emul_insn *insn, struct emul_state *state,
			 const struct emul_operand *operand, u64 value)
{
	value &= width_mask(operand->bytes);
	switch (operand->kind) {
	case EMUL_REG:
		gpr_write(state->regs, operand->reg, operand->bytes, value);
		return 0;
	case EMUL_MEM:
	case EMUL_MEM_SI:
	case EMUL_MEM_DI:
		return memory_write(insn, state, operand, value);
	case EMUL_PORT_IMM:
	case EMUL_PORT_DX:
		return CALL(state, io_out, port_of(insn, operand, state->regs), value,
			    operand->bytes);
	case EMUL_CR:
		return CALL(state, cr_write, operand->reg, value);
	case EMUL_DR:
		return CALL(state, dr_write, operand->reg, value);
	case EMUL_NONE:
	case EMUL_IMM:
		break;
	}
	return -EOPNOTSUPP;
}

/*
 * What INS takes from a port is gone, so learn first whether it can be put where it belongs. And an instruction that
 * reads and writes faults as a writer.
 */
static int write_check(const struct emul_insn *insn, struct emul_state *state)
{
	gva_t va;
	int rc = access_prepare(insn, state, &insn->dst, &va);

	if (!rc && state->ops->write_check)
		rc = state->ops->write_check(state, va, insn->dst.bytes);
	return rc;
}

static int move(const struct emul_insn *insn, struct emul_state *state)
{
	u64 value;
	int rc = 0;

	if (is_memory(&insn->dst) && emul_is_io(insn))
		rc = write_check(insn, state);
	if (!rc)
		rc = operand_read(insn, state, &insn->src, &value);
	if (rc)
		return rc;
	if (insn->is_signed)
		value = sign_extend(value, insn->src.bytes);
	return operand_write(insn, state, &insn->dst, value);
}

/* The instruction is complete: RIP, RF and the single-step trap (SDM 3B, 18.3.1.4). */
static void retire(const struct emul_insn *insn, struct emul_state *state)
{
	state->regs->rip = next_rip(insn, state->regs);
	state->regs->rflags &= ~FLAG_RF;
	state->is_done = true;
	state->has_trap = state->regs->rflags & FLAG_TF;
}

/* One iteration of a string instruction has been done: step the registers that it used. */
static void string_advance(const struct emul_insn *insn, struct emul_regs *regs)
{
	u64 step = regs->rflags & FLAG_DF ? 0 - (u64)insn->dst.bytes : insn->dst.bytes;
	u8 bytes = insn->address_bytes;

	if (insn->src.kind == EMUL_MEM_SI)
		gpr_write(regs, EMUL_RSI, bytes, regs->gpr[EMUL_RSI] + step);
	if (insn->dst.kind == EMUL_MEM_DI)
		gpr_write(regs, EMUL_RDI, bytes, regs->gpr[EMUL_RDI] + step);
	if (insn->prefixes & EMUL_PREFIX_REP)
		gpr_write(regs, EMUL_RCX, bytes, regs->gpr[EMUL_RCX] - 1);
}

/*
 * Between two iterations the CPU takes interrupts and single-step traps, with RF set in what it pushes (SDM 3B,
 * 18.3.1.1): that is the state in which an unfinished one is left.
 */
static int string_execute(const struct emul_insn *insn, struct emul_state *state)
{
	struct emul_regs *regs = state->regs;
	bool is_repeated = insn->prefixes & EMUL_PREFIX_REP;
	u64 steps = 0;

	while (!is_repeated || gpr_read(regs, EMUL_RCX, insn->address_bytes)) {
		int rc = move(insn, state);

		if (rc)
			return rc;
		string_advance(insn, regs);
		if (!is_repeated || !gpr_read(regs, EMUL_RCX, insn->address_bytes))
			break;
		regs->rflags |= FLAG_RF;
		state->has_trap = regs->rflags & FLAG_TF;
		if (++steps >= state->step_max || state->has_trap)
			return 0;
	}
	retire(insn, state);
	return 0;
}

/*
 * Memory goes from `old` to `new`. XCHG locks by itself. Unlocked, as on the CPU, others may write in between. Sets
 * *is_lost if an atomic found another value: nothing has happened then.
 */
static int memory_change(const struct emul_insn *insn, struct emul_state *state, u64 old, u64 new,
			 bool *is_lost)
{
	u64 seen = old;
	gva_t va;
	int rc;

	if (!(insn->prefixes & EMUL_PREFIX_LOCK) && insn->alu != EMUL_XCHG)
		return memory_write(insn, state, &insn->dst, new);
	rc = access_prepare(insn, state, &insn->dst, &va);
	if (!rc)
		rc = CALL(state, cmpxchg, va, &seen, new, insn->dst.bytes, true);
	*is_lost = !rc && (seen & width_mask(insn->dst.bytes)) != old;
	return rc;
}

static int alu_try(const struct emul_insn *insn, struct emul_state *state, bool *is_lost)
{
	struct emul_regs *regs = state->regs;
	u64 rflags = regs->rflags;
	u64 old, src, new;
	int rc = 0;

	*is_lost = false;
	if (is_memory(&insn->dst) && alu_writes(insn->alu))
		rc = write_check(insn, state);
	if (!rc)
		rc = operand_read(insn, state, &insn->src, &src);
	if (!rc)
		rc = operand_read(insn, state, &insn->dst, &old);
	if (rc)
		return rc;
	new = emul_compute(insn->alu, insn->dst.bytes, old, src & width_mask(insn->dst.bytes),
			   &rflags);
	if (is_memory(&insn->dst) && alu_writes(insn->alu))
		rc = memory_change(insn, state, old, new, is_lost);
	if (rc || *is_lost)
		return rc;
	/* The source first: xadd of a register with itself leaves the sum. */
	if (insn->alu == EMUL_XCHG || insn->alu == EMUL_XADD)
		gpr_write(regs, insn->src.reg, insn->src.bytes, old);
	if (insn->dst.kind == EMUL_REG && alu_writes(insn->alu))
		gpr_write(regs, insn->dst.reg, insn->dst.bytes, new);
	regs->rflags = rflags;
	retire(insn, state);
	return 0;
}

static int alu_execute(const struct emul_insn *insn, struct emul_state *state)
{
	bool is_lost = true;
	int rc = 0;

	for (unsigned int tries = 0; !rc && is_lost && tries < ATOMIC_TRIES_MAX; tries++)
		rc = alu_try(insn, state, &is_lost);
	return rc;
}

/* Of memory only: CPUs differ in what a comparison of registers that fails does to the destination's upper half. */
static int cmpxchg_execute(const struct emul_insn *insn, struct emul_state *state)
{
	struct emul_regs *regs = state->regs;
	u8 bytes = insn->dst.bytes;
	u64 expected = gpr_read(regs, EMUL_RAX, bytes);
	u64 new = gpr_read(regs, insn->src.reg, bytes);
	u64 seen = expected;
	gva_t va;
	int rc;

	if (!is_memory(&insn->dst))
		return -EOPNOTSUPP;
	rc = access_prepare(insn, state, &insn->dst, &va);
	if (!rc)
		rc = CALL(state, cmpxchg, va, &seen, new, bytes, insn->prefixes & EMUL_PREFIX_LOCK);
	if (rc)
		return rc;
	seen &= width_mask(bytes);
	if (seen != expected)
		gpr_write(regs, EMUL_RAX, bytes, seen);
	emul_compute(EMUL_CMP, bytes, expected, seen, &regs->rflags);
	retire(insn, state);
	return 0;
}

static void edx_eax_write(struct emul_regs *regs, u64 value)
{
	gpr_write(regs, EMUL_RDX, 4, value >> 32);
	gpr_write(regs, EMUL_RAX, 4, value);
}

static int do_clts(struct emul_state *state)
{
	u64 cr0;

	return CALL(state, cr_read, 0, &cr0) ?: CALL(state, cr_write, 0, cr0 & ~CR0_TS);
}

static int do_lmsw(const struct emul_insn *insn, struct emul_state *state)
{
	u64 cr0, word;

	return operand_read(insn, state, &insn->src, &word)
		       ?: CALL(state, cr_read, 0, &cr0)
		       ?: CALL(state, cr_write, 0,
			       (cr0 & ~CR0_LMSW_CLEARS) | (word & CR0_PE_MP_EM_TS));
}

static int do_cpuid(struct emul_state *state)
{
	static const u8 order[] = {EMUL_RAX, EMUL_RBX, EMUL_RCX, EMUL_RDX};
	struct emul_regs *regs = state->regs;
	u32 out[ARRAY_SIZE(order)];
	int rc = CALL(state, cpuid, (u32)regs->gpr[EMUL_RAX], (u32)regs->gpr[EMUL_RCX], out);

	for (unsigned int i = 0; !rc && i < ARRAY_SIZE(order); i++)
		gpr_write(regs, order[i], 4, out[i]);
	return rc;
}

static int do_rdtsc(const struct emul_insn *insn, struct emul_state *state)
{
	u64 tsc;
	u32 aux;
	int rc = CALL(state, tsc_read, &tsc, &aux);

	if (rc)
		return rc;
	edx_eax_write(state->regs, tsc);
	if (insn->op == EMUL_RDTSCP)
		gpr_write(state->regs, EMUL_RCX, 4, aux);
	return 0;
}

/* rdmsr, xgetbv: register ECX of some file into EDX:EAX */
static int do_read(struct emul_state *state, int (*read)(struct emul_state *, u32, u64 *))
{
	u64 value;
	int rc = read ? read(state, (u32)state->regs->gpr[EMUL_RCX], &value) : -EOPNOTSUPP;

	if (!rc)
		edx_eax_write(state->regs, value);
	return rc;
}

/* wrmsr, xsetbv */
static int do_write(struct emul_state *state, int (*write)(struct emul_state *, u32, u64))
{
	const u64 *gpr = state->regs->gpr;

	if (!write)
		return -EOPNOTSUPP;
	return write(state, (u32)gpr[EMUL_RCX], gpr[EMUL_RDX] << 32 | (u32)gpr[EMUL_RAX]);
}

/* All that happens once and needs nothing but its effect before it retires. */
static int simple_execute(const struct emul_insn *insn, struct emul_state *state)
{
	const struct emul_ops *ops = state->ops;

	switch (insn->op) {
	case EMUL_MOVE:
		return move(insn, state);
	case EMUL_NOP:
		return 0;
	case EMUL_CLI:
	case EMUL_STI:
		return CALL(state, if_set, insn->op == EMUL_STI);
	case EMUL_CLTS:
		return do_clts(state);
	case EMUL_LMSW:
		return do_lmsw(insn, state);
	case EMUL_WBINVD:
		return CALL(state, cache_flush);
	case EMUL_CPUID:
		return do_cpuid(state);
	case EMUL_RDTSC:
	case EMUL_RDTSCP:
		return do_rdtsc(insn, state);
	case EMUL_RDMSR:
		return do_read(state, ops->msr_read);
	case EMUL_WRMSR:
		return do_write(state, ops->msr_write);
	case EMUL_XGETBV:
		return do_read(state, ops->xcr_read);
	case EMUL_XSETBV:
		return do_write(state, ops->xcr_write);
	case EMUL_REFUSED:
	case EMUL_ALU:
	case EMUL_CMPXCHG:
		break;
	}
	return -EOPNOTSUPP;
}

int emul_execute(const struct emul_insn *insn, struct emul_state *state)
{
	int rc;

	state->is_done = false;
	state->has_trap = false;
	if (insn->is_string)
		return string_execute(insn, state);
	if (insn->op == EMUL_ALU)
		return alu_execute(insn, state);
	if (insn->op == EMUL_CMPXCHG)
		return cmpxchg_execute(insn, state);
	rc = simple_execute(insn, state);
	if (!rc)
		retire(insn, state);
	return rc;
}

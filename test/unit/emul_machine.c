/* SPDX-License-Identifier: MIT */
/* See emul_machine.h. A broken promise of the emulator ends the program, so that fuzzers notice too. */
#include "emul_machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(condition) ((condition) ? (void)0 : must_failed(#condition))

static void must_failed(const char *condition)
{
	fprintf(stderr, "the emulator broke its promise: %s\n", condition);
	abort();
}

static struct machine *machine_of(struct emul_state *state)
{
	return state->ctx;
}

/* Record a call; fail if it is the one that was chosen to. */
static int called(struct emul_state *state, enum machine_call_kind kind, u64 where, u64 value,
		  unsigned int bytes)
{
	struct machine *m = machine_of(state);

	MUST(bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8);
	MUST(bytes == 8 || value >> (8 * bytes) == 0);
	if (m->count < MACHINE_CALLS_MAX)
		m->calls[m->count] = (struct machine_call){kind, where, value, bytes};
	if (++m->count != m->fail_at)
		return 0;
	if (m->fail_rc != -EFAULT)
		return m->fail_rc;
	if (kind <= CALL_WRITE_CHECK)
		return emul_raise_page_fault(state, kind == CALL_READ ? 0 : 2, gva_make(where));
	return emul_raise(state, EMUL_GP, 0);
}

u64 machine_peek(const struct machine *m, u64 va, unsigned int bytes)
{
	u64 value = 0;

	for (unsigned int i = 0; i < bytes; i++)
		value |= (u64)m->memory[(va + i) % MACHINE_MEMORY_BYTES] << (8 * i);
	return value;
}

void machine_poke(struct machine *m, u64 va, u64 value, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++)
		m->memory[(va + i) % MACHINE_MEMORY_BYTES] = (u8)(value >> (8 * i));
}

static void check_access(u64 va, unsigned int bytes)
{
	s64 high = (s64)va >> 47;
	s64 high_of_last = (s64)(va + bytes - 1) >> 47;

	MUST(va + bytes - 1 >= va);
	MUST((high == 0 || high == -1) && high == high_of_last);
}

static int on_read(struct emul_state *state, gva_t va, u64 *value, unsigned int bytes)
{
	check_access(gva_num(va), bytes);
	*value = machine_peek(machine_of(state), gva_num(va), bytes);
	return called(state, CALL_READ, gva_num(va), *value, bytes);
}

static int on_write(struct emul_state *state, gva_t va, u64 value, unsigned int bytes)
{
	int rc = called(state, CALL_WRITE, gva_num(va), value, bytes);

	check_access(gva_num(va), bytes);
	if (!rc)
		machine_poke(machine_of(state), gva_num(va), value, bytes);
	return rc;
}

static int on_cmpxchg(struct emul_state *state, gva_t va, u64 *old, u64 new, unsigned int bytes,
		      bool is_locked)
{
	struct machine *m = machine_of(state);
	int rc = called(state, CALL_CMPXCHG, gva_num(va), new, bytes);
	u64 seen;

	(void)is_locked;
	check_access(gva_num(va), bytes);
	MUST(bytes == 8 || *old >> (8 * bytes) == 0);
	if (rc)
		return rc;
	if (m->interfere && m->interfere--)
		machine_poke(m, gva_num(va), machine_peek(m, gva_num(va), bytes) + 2, bytes);
	seen = machine_peek(m, gva_num(va), bytes);
	if (seen == *old)
		machine_poke(m, gva_num(va), new, bytes);
	*old = seen;
	return 0;
}

static int on_write_check(struct emul_state *state, gva_t va, unsigned int bytes)
{
	check_access(gva_num(va), bytes);
	return called(state, CALL_WRITE_CHECK, gva_num(va), 0, bytes);
}

static int on_io_in(struct emul_state *state, u16 port, u64 *value, unsigned int bytes)
{
	MUST(bytes <= 4);
	*value = machine_of(state)->value++ & (~0ull >> (64 - 8 * bytes));
	return called(state, CALL_IO_IN, port, *value, bytes);
}

static int on_io_out(struct emul_state *state, u16 port, u64 value, unsigned int bytes)
{
	MUST(bytes <= 4);
	return called(state, CALL_IO_OUT, port, value, bytes);
}

static int read_special(struct emul_state *state, enum machine_call_kind kind, u64 number,
			u64 *value)
{
	*value = machine_of(state)->value++;
	return called(state, kind, number, *value, 8);
}

static int on_cr_read(struct emul_state *state, unsigned int cr, u64 *value)
{
	MUST(cr == 0 || (cr >= 2 && cr <= 4) || cr == 8);
	return read_special(state, CALL_CR_READ, cr, value);
}

static int on_cr_write(struct emul_state *state, unsigned int cr, u64 value)
{
	MUST(cr == 0 || (cr >= 2 && cr <= 4) || cr == 8);
	return called(state, CALL_CR_WRITE, cr, value, 8);
}

static int on_dr_read(struct emul_state *state, unsigned int dr, u64 *value)
{
	MUST(dr < 8);
	return read_special(state, CALL_DR_READ, dr, value);
}

static int on_dr_write(struct emul_state *state, unsigned int dr, u64 value)
{
	MUST(dr < 8);
	return called(state, CALL_DR_WRITE, dr, value, 8);
}

static int on_msr_read(struct emul_state *state, u32 msr, u64 *value)
{
	return read_special(state, CALL_MSR_READ, msr, value);
}

static int on_msr_write(struct emul_state *state, u32 msr, u64 value)
{
	return called(state, CALL_MSR_WRITE, msr, value, 8);
}

static int on_xcr_read(struct emul_state *state, u32 xcr, u64 *value)
{
	return read_special(state, CALL_XCR_READ, xcr, value);
}

static int on_xcr_write(struct emul_state *state, u32 xcr, u64 value)
{
	return called(state, CALL_XCR_WRITE, xcr, value, 8);
}

static int on_tsc_read(struct emul_state *state, u64 *tsc, u32 *aux)
{
	*aux = 0xa0a0a0a0;
	return read_special(state, CALL_TSC_READ, 0, tsc);
}

static int on_cpuid(struct emul_state *state, u32 leaf, u32 subleaf, u32 out[4])
{
	for (u32 i = 0; i < 4; i++)
		out[i] = 0xc0000000 + leaf + i;
	return called(state, CALL_CPUID, leaf, subleaf, 8);
}

static int on_if_set(struct emul_state *state, bool enable)
{
	return called(state, CALL_IF_SET, 0, enable, 1);
}

static int on_cache_flush(struct emul_state *state)
{
	return called(state, CALL_CACHE_FLUSH, 0, 0, 1);
}

const struct emul_ops machine_ops = {
	.read = on_read,
	.write = on_write,
	.cmpxchg = on_cmpxchg,
	.write_check = on_write_check,
	.io_in = on_io_in,
	.io_out = on_io_out,
	.cr_read = on_cr_read,
	.cr_write = on_cr_write,
	.dr_read = on_dr_read,
	.dr_write = on_dr_write,
	.msr_read = on_msr_read,
	.msr_write = on_msr_write,
	.xcr_read = on_xcr_read,
	.xcr_write = on_xcr_write,
	.tsc_read = on_tsc_read,
	.cpuid = on_cpuid,
	.if_set = on_if_set,
	.cache_flush = on_cache_flush,
};

void machine_init(struct machine *m)
{
	memset(m, 0, sizeof(*m));
	m->state.regs = &m->regs;
	m->state.ops = &machine_ops;
	m->state.ctx = m;
	m->state.step_max = 1000;
	m->regs.rip = 0x400000;
	m->regs.rflags = 2;
}

int machine_run(struct machine *m, const u8 *bytes, size_t len, bool long_mode)
{
	struct emul_insn insn;
	int rc = emul_decode(&insn, bytes, len, long_mode);

	return rc ? rc : emul_execute(&insn, &m->state);
}

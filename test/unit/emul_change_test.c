/* SPDX-License-Identifier: MIT */
/* uses: test/unit/emul_machine.c src/emul/alu.c src/emul/change.c src/emul/decode.c src/emul/execute.c src/emul/table.c */
/*
 * What emul_change_decode() takes, the emulator takes too, and it does the same to memory, registers and flags: random
 * bytes, made like the instructions in question.
 */
#include "emul_machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS 400000

static u64 random_word(void)
{
	return (u64)random() << 42 ^ (u64)random() << 21 ^ (u64)random();
}

static void random_instruction(u8 bytes[16])
{
	static const u8 plain[] = {0x87, 0x89, 0x80}, behind_0f[] = {0xb1, 0xba, 0xb3};
	size_t at = 0;

	for (size_t i = 0; i < 16; i++)
		bytes[i] = (u8)random();
	if (random() % 3 == 0)
		bytes[at++] = 0xf0;
	if (random() % 4)
		bytes[at++] = (u8)(0x40 | (random() % 16));
	if (random() % 2) {
		bytes[at++] = 0x0f;
		bytes[at++] = behind_0f[random() % 3];
	} else {
		bytes[at++] = plain[random() % 3];
	}
	if (random() % 16 == 0)
		bytes[at - 1] = (u8)random();
}

static void random_machine(struct machine *m)
{
	machine_init(m);
	for (size_t i = 0; i < sizeof(m->memory); i++)
		m->memory[i] = (u8)random();
	for (size_t i = 0; i < EMUL_GPR_COUNT; i++)
		m->regs.gpr[i] = random_word() & 0x3ffffffffffful;
	m->regs.rflags = 0x202 | (random_word() & 0x8d5);
}

/* The kinds that were seen. */
static unsigned int compare(const u8 bytes[16])
{
	struct emul_change change;
	struct emul_insn insn;
	struct machine m;
	u64 old, new, rflags, rax, src, *reg = NULL;
	gva_t va;

	if (!emul_change_decode(&change, bytes))
		return 0;
	assert_int_equal(emul_decode(&insn, bytes, 15, true), 0);
	assert_int_equal(insn.length, change.length);
	assert_int_equal(insn.dst.bytes, change.bytes);
	random_machine(&m);
	assert_int_equal(emul_address(&insn, &m.regs, &va), 0);
	old = machine_peek(&m, gva_num(va), change.bytes);
	if (random() % 2)
		m.regs.gpr[EMUL_RAX] = old; /* and the address may be another one now */
	assert_int_equal(emul_address(&insn, &m.regs, &va), 0);
	old = machine_peek(&m, gva_num(va), change.bytes);

	rflags = m.regs.rflags;
	rax = m.regs.gpr[EMUL_RAX];
	src = change.reg == EMUL_NO_REG ? change.imm : m.regs.gpr[change.reg];
	new = emul_change_value(&change, old, src, rax, &rflags);
	if (machine_run(&m, bytes, 15, true) == -EFAULT)
		return 0; /* not canonical */
	assert_int_equal(machine_peek(&m, gva_num(va), change.bytes), new);
	assert_int_equal(m.regs.rflags, rflags);
	if (change.reg != EMUL_NO_REG)
		reg = change.reg == EMUL_RAX ? &rax : &src;
	emul_change_commit(&change, old, reg, &rax);
	assert_int_equal(m.regs.gpr[EMUL_RAX], rax);
	if (reg)
		assert_int_equal(m.regs.gpr[change.reg], *reg);
	return 1u << change.op;
}

static void test_like_the_emulator(void **state)
{
	unsigned int seen[1 << (EMUL_CHANGE_ALU + 1)] = {0};
	u8 bytes[16];

	(void)state;
	srandom(1);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		random_instruction(bytes);
		seen[compare(bytes)]++;
	}
	for (unsigned int op = EMUL_CHANGE_MOV; op <= EMUL_CHANGE_ALU; op++)
		assert_true(seen[1u << op] > ROUNDS / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_like_the_emulator),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* uses: test/unit/emul_native.c test/unit/emul_machine.c src/emul/alu.c src/emul/decode.c src/emul/execute.c src/emul/table.c */
/*
 * Any bytes as an instruction. What must hold: nothing is read behind the bytes; what is decoded from them depends on
 * no byte behind the instruction; every callback is called with sane arguments (emul_machine.c looks); a failing one
 * leaves the registers alone; RIP moves only when the instruction is done. Then the host's CPU is asked whether it
 * would have done the same.
 */
#include "../unit/emul_machine.h"
#include "../unit/emul_native.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES	4 /* mode, number of the call that fails, two of the seed */
#define MODE_LONG	0x01
#define MODE_STEPS	0x06
#define MODE_TRAP	0x08
#define MODE_ERROR	0x10
#define MUST(condition) ((condition) ? (void)0 : must_failed(#condition))

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void must_failed(const char *condition)
{
	fprintf(stderr, "does not hold: %s\n", condition);
	abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	native_init();
	return 0;
}

/* From a copy that ends where it ends, for the address sanitizer's eyes. */
static int decode(struct emul_insn *insn, const u8 *bytes, size_t len, bool long_mode)
{
	u8 *copy = malloc(len ? len : 1);
	int rc;

	memcpy(copy, bytes, len);
	rc = emul_decode(insn, copy, len, long_mode);
	free(copy);
	return rc;
}

static bool is_same_operand(const struct emul_operand *a, const struct emul_operand *b)
{
	return a->kind == b->kind && a->reg == b->reg && a->bytes == b->bytes;
}

static void check_decoded(const struct emul_insn *insn, const u8 *bytes, size_t len, bool long_mode)
{
	struct emul_insn same;

	MUST(insn->length > 0 && insn->length <= len && insn->length <= EMUL_LENGTH_MAX);
	MUST(insn->op != EMUL_REFUSED && insn->long_mode == long_mode);
	MUST(decode(&same, bytes, insn->length, long_mode) == 0);
	MUST(same.length == insn->length && same.op == insn->op && same.alu == insn->alu);
	MUST(same.imm == insn->imm && same.mem.disp == insn->mem.disp &&
	     same.prefixes == insn->prefixes);
	MUST(is_same_operand(&same.dst, &insn->dst) && is_same_operand(&same.src, &insn->src));
	MUST(decode(&same, bytes, insn->length - 1u, long_mode) == -EAGAIN);
}

static void execute(const struct emul_insn *insn, const u8 *header)
{
	struct native_random random = {header[2] | (u64)header[3] << 8};
	struct machine m;
	struct emul_regs before;
	u64 next_rip;
	int rc;

	machine_init(&m);
	for (unsigned int i = 0; i < EMUL_GPR_COUNT; i++)
		m.regs.gpr[i] = (u64)((s64)native_next(&random) >> (native_next(&random) % 64));
	m.regs.rip = header[0] & MODE_TRAP ? native_next(&random) : 0x400000;
	m.regs.rflags = 2 | (native_next(&random) & (0x8d5 | FLAG_DF)) |
			(header[0] & MODE_TRAP ? FLAG_TF : 0);
	m.regs.base[EMUL_SEG_FS] = native_next(&random) >> 17;
	m.regs.base[EMUL_SEG_ES] = native_next(&random);
	m.value = native_next(&random);
	m.state.step_max = (header[0] & MODE_STEPS) * 8u;
	m.fail_at = header[1];
	m.fail_rc = header[0] & MODE_ERROR ? -ENOMEM : -EFAULT;
	m.interfere = header[1] & 0x80 ? header[1] & 0x1f : 0;
	before = m.regs;
	rc = emul_execute(insn, &m.state);

	next_rip = before.rip + insn->length;
	if (!insn->long_mode)
		next_rip &= 0xffffffff;
	MUST(rc == 0 || rc == -EFAULT || rc == -EOPNOTSUPP || rc == m.fail_rc);
	MUST(!m.state.is_done || rc == 0);
	MUST(m.regs.rip == (m.state.is_done ? next_rip : before.rip));
	MUST(m.count <= 3 * m.state.step_max + 3 * 16);
	MUST(rc == 0 || insn->is_string || !memcmp(&before, &m.regs, sizeof(before)));
	MUST(!memcmp(before.base, m.regs.base, sizeof(before.base)));
	MUST(!m.state.has_trap || header[0] & MODE_TRAP);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct native_random random = {0};
	struct emul_insn insn;
	bool long_mode;
	int rc;

	if (size < HEADER_BYTES)
		return 0;
	long_mode = data[0] & MODE_LONG;
	memcpy(&random.state, data, HEADER_BYTES);
	rc = decode(&insn, data + HEADER_BYTES, size - HEADER_BYTES, long_mode);
	if (rc) {
		MUST(insn.length == 0);
		MUST(rc == -EAGAIN || rc == -E2BIG || rc == -EINVAL || rc == -EOPNOTSUPP);
		MUST(rc != -EAGAIN || size - HEADER_BYTES < EMUL_LENGTH_MAX + 5);
		return 0;
	}
	check_decoded(&insn, data + HEADER_BYTES, size - HEADER_BYTES, long_mode);
	execute(&insn, data);
	if (long_mode)
		MUST(native_compare(data + HEADER_BYTES, size - HEADER_BYTES, &random) !=
		     NATIVE_DIFFERENT);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* uses: test/unit/emul_machine.c src/emul/alu.c src/emul/decode.c src/emul/execute.c src/emul/table.c */
/*
 * What emul_execute() does that the host's CPU cannot show to emul_native_test: ports and special registers, lost
 * atomics, bounded repetition, faults at every callback, callbacks that are missing, 32-bit code.
 */
#include "emul_machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define RUN(m, ...) \
	machine_run(m, (const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}), true)
#define RUN_32(m, ...) \
	machine_run(m, (const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}), false)

#define START 0x400000ul

static void check_call(const struct machine *m, unsigned int i, enum machine_call_kind kind,
		       u64 where, u64 value, unsigned int bytes)
{
	assert_true(i < m->count);
	assert_int_equal(m->calls[i].kind, kind);
	assert_int_equal(m->calls[i].where, where);
	assert_int_equal(m->calls[i].value, value);
	assert_int_equal(m->calls[i].bytes, bytes);
}

static void check_done(const struct machine *m, unsigned int length)
{
	assert_true(m->state.is_done);
	assert_int_equal(m->regs.rip, START + length);
	assert_false(m->regs.rflags & FLAG_RF);
}

static void test_table_write(void **state)
{
	struct machine m;

	(void)state;
	machine_init(&m);
	m.regs.gpr[EMUL_RDI] = 0xffff888000001008;
	m.regs.gpr[EMUL_RAX] = 0x8000000012345067;
	m.regs.rflags |= FLAG_RF;
	assert_int_equal(RUN(&m, 0x48, 0x89, 0x07), 0);
	check_done(&m, 3);
	assert_int_equal(m.count, 1);
	check_call(&m, 0, CALL_WRITE, 0xffff888000001008, 0x8000000012345067, 8);
	assert_false(m.state.has_trap);
}

static void test_single_step(void **state)
{
	struct machine m;

	(void)state;
	machine_init(&m);
	m.regs.rflags |= FLAG_TF;
	assert_int_equal(RUN(&m, 0x48, 0x89, 0x07), 0);
	check_done(&m, 3);
	assert_true(m.state.has_trap);
	/* each iteration of a repeated instruction */
	machine_init(&m);
	m.regs.rflags |= FLAG_TF;
	m.regs.gpr[EMUL_RCX] = 2;
	assert_int_equal(RUN(&m, 0xf3, 0x48, 0xab), 0);
	assert_true(m.state.has_trap && !m.state.is_done);
	assert_int_equal(m.regs.rip, START);
	assert_int_equal(m.regs.gpr[EMUL_RCX], 1);
	assert_int_equal(RUN(&m, 0xf3, 0x48, 0xab), 0);
	assert_true(m.state.has_trap);
	check_done(&m, 3);
}

static void test_lost_atomics(void **state)
{
	struct machine m;

	(void)state;
	machine_init(&m);
	m.interfere = 3;
	assert_int_equal(RUN(&m, 0xf0, 0x48, 0x0f, 0xba, 0x2f, 0), 0); /* lock btsq $0,(%rdi) */
	check_done(&m, 6);
	assert_int_equal(machine_peek(&m, 0, 8), 7);
	/* somebody who never stops: no progress, no harm, no endless loop */
	machine_init(&m);
	m.interfere = 1000;
	m.regs.gpr[EMUL_RAX] = 5;
	m.regs.rflags |= FLAG_RF;
	assert_int_equal(RUN(&m, 0x48, 0x87, 0x07), 0); /* xchg %rax,(%rdi) */
	assert_false(m.state.is_done);
	assert_int_equal(m.regs.rip, START);
	assert_int_equal(m.regs.gpr[EMUL_RAX], 5);
	assert_int_equal(m.regs.rflags, FLAG_RF | 2);
	m.interfere = 0;
	assert_int_equal(RUN(&m, 0x48, 0x87, 0x07), 0);
	check_done(&m, 3);
	assert_int_equal(machine_peek(&m, 0, 8), 5);
}

static void test_cmpxchg(void **state)
{
	struct machine m;

	(void)state;
	machine_init(&m);
	machine_poke(&m, 0, 0x1111, 8);
	m.regs.gpr[EMUL_RAX] = 0x1111;
	m.regs.gpr[EMUL_RCX] = 0x2222;
	assert_int_equal(RUN(&m, 0xf0, 0x48, 0x0f, 0xb1, 0x0f), 0);
	check_done(&m, 5);
	assert_true(m.regs.rflags & FLAG_ZF);
	assert_int_equal(machine_peek(&m, 0, 8), 0x2222);
	m.regs.rip = START;
	assert_int_equal(RUN(&m, 0xf0, 0x48, 0x0f, 0xb1, 0x0f), 0);
	assert_false(m.regs.rflags & FLAG_ZF);
	assert_true(m.regs.rflags & FLAG_CF);
	assert_int_equal(m.regs.gpr[EMUL_RAX], 0x2222);
	assert_int_equal(RUN(&m, 0x48, 0x0f, 0xb1, 0xc8), -EOPNOTSUPP); /* of registers */
}

static void test_repeat_is_bounded(void **state)
{
	struct machine m;

	(void)state;
	machine_init(&m);
	m.state.step_max = 3;
	m.regs.gpr[EMUL_RDI] = 0x1000;
	m.regs.gpr[EMUL_RCX] = 5;
	assert_int_equal(RUN(&m, 0xf3, 0x48, 0xab), 0);
	assert_false(m.state.is_done);
	assert_int_equal(m.regs.rip, START);
	assert_true(m.regs.rflags & FLAG_RF);
	assert_int_equal(m.regs.gpr[EMUL_RCX], 2);
	assert_int_equal(m.regs.gpr[EMUL_RDI], 0x1018);
	assert_int_equal(RUN(&m, 0xf3, 0x48, 0xab), 0);
	check_done(&m, 3);
	assert_int_equal(m.count, 5);
	/* step_max of 0 still gets on */
	m.state.step_max = 0;
	m.regs.gpr[EMUL_RCX] = 5;
	assert_int_equal(RUN(&m, 0xf3, 0x48, 0xab), 0);
	assert_int_equal(m.regs.gpr[EMUL_RCX], 4);
	/* nothing to do: no access, and done */
	machine_init(&m);
	assert_int_equal(RUN(&m, 0xf3, 0x48, 0xab), 0);
	check_done(&m, 3);
	assert_int_equal(m.count, 0);
}

static void test_repeat_faults_midway(void **state)
{
	struct machine m;

	(void)state;
	machine_init(&m);
	m.regs.rflags |= FLAG_DF;
	m.regs.gpr[EMUL_RSI] = 0x5000;
	m.regs.gpr[EMUL_RDI] = 0x3000;
	m.regs.gpr[EMUL_RCX] = 4;
	m.fail_at = 6; /* the third write */
	m.fail_rc = -EFAULT;
	assert_int_equal(RUN(&m, 0xf3, 0x48, 0xa5), -EFAULT);
	assert_int_equal(m.state.fault.vector, EMUL_PF);
	assert_int_equal(m.state.fault.error_code, 2);
	assert_int_equal(m.state.fault.cr2, 0x2ff0);
	assert_int_equal(m.regs.rip, START);
	assert_int_equal(m.regs.gpr[EMUL_RCX], 2);
	assert_int_equal(m.regs.gpr[EMUL_RSI], 0x4ff0);
	assert_int_equal(m.regs.gpr[EMUL_RDI], 0x2ff0);
}

static void test_addresses(void **state)
{
	struct machine m;
	struct emul_insn insn;
	gva_t va;

	(void)state;
	machine_init(&m);
	m.regs.gpr[EMUL_RAX] = 0x00007ffffffffffa; /* the last byte is not canonical */
	assert_int_equal(RUN(&m, 0x48, 0x89, 0x08), -EFAULT);
	assert_int_equal(m.state.fault.vector, EMUL_GP);
	assert_int_equal(m.state.fault.error_code, 0);
	m.regs.gpr[EMUL_RBP] = 0xffff7ffffffffff0;
	assert_int_equal(RUN(&m, 0x48, 0x89, 0x4d, 0x00), -EFAULT);
	assert_int_equal(m.state.fault.vector, EMUL_SS);
	m.regs.gpr[EMUL_RAX] = -4ull; /* wraps */
	assert_int_equal(RUN(&m, 0x48, 0x89, 0x08), -EFAULT);
	assert_int_equal(m.count, 0);
	/* GS counts, DS does not; 32-bit addresses are cut before the base is added */
	m.regs.base[EMUL_SEG_GS] = 0x1100000000;
	m.regs.base[EMUL_SEG_DS] = 0x3300000000;
	m.regs.gpr[EMUL_RAX] = 0xdead00000010;
	assert_int_equal(RUN(&m, 0x65, 0x67, 0x48, 0x89, 0x08), 0);
	check_call(&m, 0, CALL_WRITE, 0x1100000010, 0, 8);
	/* a bit far away, before and behind */
	m.regs.gpr[EMUL_RDI] = 0x2000;
	m.regs.gpr[EMUL_RCX] = -1ull;
	assert_int_equal(RUN(&m, 0x48, 0x0f, 0xa3, 0x0f), 0);
	check_call(&m, 1, CALL_READ, 0x1ff8, machine_peek(&m, 0x1ff8, 8), 8);
	/* relative to the next instruction, immediate included */
	assert_int_equal(
		emul_decode(&insn, (const u8[]){0xc7, 0x05, 0, 1, 0, 0, 1, 2, 3, 4}, 10, true), 0);
	m.regs.rip = START;
	assert_int_equal(emul_address(&insn, &m.regs, &va), 0);
	assert_int_equal(gva_num(va), START + 10 + 0x100);
	/* the destination of two, and of none */
	assert_int_equal(emul_decode(&insn, (const u8[]){0xa4}, 1, true), 0);
	assert_int_equal(emul_address(&insn, &m.regs, &va), 0);
	assert_int_equal(gva_num(va), 0x2000);
	assert_int_equal(emul_decode(&insn, (const u8[]){0xec}, 1, true), 0);
	assert_int_equal(emul_address(&insn, &m.regs, &va), -EINVAL);
}

static void test_code_32(void **state)
{
	struct machine m;

	(void)state;
	machine_init(&m);
	m.value = 0xabcdef12;
	m.regs.rip = 0xffffffff;
	m.regs.gpr[EMUL_RDX] = 0x1234;
	m.regs.gpr[EMUL_RAX] = 0x11111111;
	assert_int_equal(RUN_32(&m, 0x66, 0xed), 0);
	check_call(&m, 0, CALL_IO_IN, 0x1234, 0xef12, 2);
	assert_int_equal(m.regs.gpr[EMUL_RAX], 0x1111ef12);
	assert_int_equal(m.regs.rip, 1);
	/* bases of all segments count and wrap at 4 GiB ... */
	m.regs.base[EMUL_SEG_ES] = 0xfffff000;
	m.regs.gpr[EMUL_RDI] = 0x2000;
	assert_int_equal(RUN_32(&m, 0x6d), 0);
	check_call(&m, 1, CALL_WRITE_CHECK, 0x1000, 0, 4);
	check_call(&m, 3, CALL_WRITE, 0x1000, 0xabcdef13, 4);
	/* ... but an access may not */
	m.regs.base[EMUL_SEG_ES] = 0;
	m.regs.gpr[EMUL_RDI] = 0xfffffffd;
	assert_int_equal(RUN_32(&m, 0x6d), -EFAULT);
	assert_int_equal(m.state.fault.vector, EMUL_GP);
	m.regs.base[EMUL_SEG_ES] = 0x1000;
	assert_int_equal(RUN_32(&m, 0x6d), -EFAULT);
	assert_int_equal(m.count, 4);
}

static void test_ports(void **state)
{
	struct machine m;

	(void)state;
	machine_init(&m);
	m.value = 0x11223344;
	m.regs.gpr[EMUL_RAX] = ~0ull;
	m.regs.gpr[EMUL_RDX] = 0xabc0cf8;
	assert_int_equal(RUN(&m, 0xe4, 0xff), 0);
	check_call(&m, 0, CALL_IO_IN, 0xff, 0x44, 1);
	assert_int_equal(m.regs.gpr[EMUL_RAX], 0xffffffffffffff44);
	assert_int_equal(RUN(&m, 0xed), 0);
	check_call(&m, 1, CALL_IO_IN, 0xcf8, 0x11223345, 4);
	assert_int_equal(m.regs.gpr[EMUL_RAX], 0x11223345);
	assert_int_equal(RUN(&m, 0x66, 0xef), 0);
	check_call(&m, 2, CALL_IO_OUT, 0xcf8, 0x3345, 2);
	assert_int_equal(RUN(&m, 0xe6, 0x80), 0);
	check_call(&m, 3, CALL_IO_OUT, 0x80, 0x45, 1);
	/* outs reads memory, then writes the port; ins asks about memory before it takes anything */
	machine_poke(&m, 0x10, 0xbeef, 2);
	m.regs.gpr[EMUL_RSI] = 0x10;
	assert_int_equal(RUN(&m, 0x66, 0x6f), 0);
	check_call(&m, 5, CALL_IO_OUT, 0xcf8, 0xbeef, 2);
	m.fail_at = m.count + 1;
	m.fail_rc = -EFAULT;
	m.regs.gpr[EMUL_RCX] = 2;
	assert_int_equal(RUN(&m, 0xf3, 0x6c), -EFAULT);
	assert_int_equal(m.count, 7);
	assert_int_equal(m.calls[6].kind, CALL_WRITE_CHECK);
	assert_int_equal(m.state.fault.vector, EMUL_PF);
	assert_int_equal(m.regs.gpr[EMUL_RCX], 2);
}

static void test_control_registers(void **state)
{
	struct machine m;

	(void)state;
	machine_init(&m);
	m.value = 0x8005003b;
	assert_int_equal(RUN(&m, 0x41, 0x0f, 0x20, 0xd9), 0); /* mov %cr3,%r9 */
	assert_int_equal(m.regs.gpr[9], 0x8005003b);
	assert_int_equal(RUN(&m, 0x0f, 0x22, 0xe7), 0); /* mov %rdi,%cr4 */
	check_call(&m, 1, CALL_CR_WRITE, 4, 0, 8);
	assert_int_equal(RUN(&m, 0x0f, 0x23, 0xff), 0); /* mov %rdi,%dr7 */
	check_call(&m, 2, CALL_DR_WRITE, 7, 0, 8);
	m.value = 0x8005003b;
	assert_int_equal(RUN(&m, 0x0f, 0x06), 0); /* clts */
	check_call(&m, 4, CALL_CR_WRITE, 0, 0x80050033, 8);
	m.value = 0x8005003b;
	m.regs.gpr[EMUL_RAX] = 0xfff4;
	assert_int_equal(RUN(&m, 0x0f, 0x01, 0xf0), 0); /* lmsw %ax: PE stays */
	check_call(&m, 6, CALL_CR_WRITE, 0, 0x80050035, 8);
	m.value = 0x8005003b;
	assert_int_equal(RUN(&m, 0x66, 0x0f, 0x01, 0xe3), 0); /* smsw %bx */
	assert_int_equal(m.regs.gpr[EMUL_RBX], 0x003b);
	m.value = 0x8005003b;
	assert_int_equal(RUN(&m, 0x0f, 0x01, 0x27), 0); /* smsw (%rdi) */
	check_call(&m, 9, CALL_WRITE, 0, 0x003b, 2);
}

static void test_edx_eax(void **state)
{
	static const struct {
		u8 bytes[3];
		u8 len;
		enum machine_call_kind kind;
	} rows[] = {
		{{0x0f, 0x32}, 2, CALL_MSR_READ},
		{{0x0f, 0x01, 0xd0}, 3, CALL_XCR_READ},
		{{0x0f, 0x30}, 2, CALL_MSR_WRITE},
		{{0x0f, 0x01, 0xd1}, 3, CALL_XCR_WRITE},
	};
	struct machine m;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		machine_init(&m);
		m.value = 0x1122334455667788;
		m.regs.gpr[EMUL_RAX] = 0xffffffff55667788;
		m.regs.gpr[EMUL_RDX] = 0xffffffff11223344;
		m.regs.gpr[EMUL_RCX] = 0xffffffffc0000080;
		assert_int_equal(machine_run(&m, rows[i].bytes, rows[i].len, true), 0);
		check_done(&m, rows[i].len);
		check_call(&m, 0, rows[i].kind, 0xc0000080, 0x1122334455667788, 8);
		if (i < 2) {
			assert_int_equal(m.regs.gpr[EMUL_RAX], 0x55667788);
			assert_int_equal(m.regs.gpr[EMUL_RDX], 0x11223344);
		}
	}
}

static void test_other_privileged(void **state)
{
	struct machine m;

	(void)state;
	machine_init(&m);
	m.regs.gpr[EMUL_RAX] = 0xffffffff00000007;
	m.regs.gpr[EMUL_RCX] = 0xffffffff00000001;
	assert_int_equal(RUN(&m, 0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2), 0);
	check_done(&m, 7);
	check_call(&m, 0, CALL_CPUID, 7, 1, 8);
	assert_int_equal(m.regs.gpr[EMUL_RAX], 0xc0000007);
	assert_int_equal(m.regs.gpr[EMUL_RBX], 0xc0000008);
	assert_int_equal(m.regs.gpr[EMUL_RCX], 0xc0000009);
	assert_int_equal(m.regs.gpr[EMUL_RDX], 0xc000000a);
	m.value = 0x1122334455667788;
	assert_int_equal(RUN(&m, 0x0f, 0x01, 0xf9), 0); /* rdtscp */
	assert_int_equal(m.regs.gpr[EMUL_RAX], 0x55667788);
	assert_int_equal(m.regs.gpr[EMUL_RDX], 0x11223344);
	assert_int_equal(m.regs.gpr[EMUL_RCX], 0xa0a0a0a0);
	m.regs.gpr[EMUL_RCX] = 9;
	assert_int_equal(RUN(&m, 0x0f, 0x31), 0); /* rdtsc leaves rcx alone */
	assert_int_equal(m.regs.gpr[EMUL_RCX], 9);
	assert_int_equal(RUN(&m, 0xfa), 0);
	check_call(&m, 3, CALL_IF_SET, 0, false, 1);
	assert_int_equal(RUN(&m, 0xfb), 0);
	check_call(&m, 4, CALL_IF_SET, 0, true, 1);
	assert_int_equal(RUN(&m, 0x0f, 0x09), 0);
	check_call(&m, 5, CALL_CACHE_FLUSH, 0, 0, 1);
	assert_int_equal(RUN(&m, 0x0f, 0x01, 0xcb), 0); /* stac */
	assert_int_equal(m.count, 6);
}

/* One of each kind of instruction, for what must hold of all of them. */
static const struct {
	u8 bytes[7];
	u8 len;
	u8 calls;
} samples[] = {
	{{0x48, 0x89, 0x07}, 3, 1},		/* mov to memory */
	{{0x48, 0x8b, 0x07}, 3, 1},		/* mov from memory */
	{{0x48, 0x01, 0x07}, 3, 3},		/* add to memory */
	{{0x48, 0x03, 0x07}, 3, 1},		/* add from memory */
	{{0x48, 0x39, 0x07}, 3, 1},		/* cmp */
	{{0xf0, 0x48, 0x0f, 0xc1, 0x07}, 5, 3}, /* lock xadd */
	{{0x48, 0x87, 0x07}, 3, 3},		/* xchg */
	{{0x48, 0x0f, 0xb1, 0x0f}, 4, 1},	/* cmpxchg */
	{{0x48, 0xa5}, 2, 2},			/* movs */
	{{0x6d}, 1, 3},				/* ins */
	{{0x6f}, 1, 2},				/* outs */
	{{0xed}, 1, 1},				/* in */
	{{0xef}, 1, 1},				/* out */
	{{0x0f, 0x20, 0xc0}, 3, 1},		/* mov from cr */
	{{0x0f, 0x22, 0xc0}, 3, 1},		/* mov to cr */
	{{0x0f, 0x21, 0xc0}, 3, 1},		/* mov from dr */
	{{0x0f, 0x23, 0xc0}, 3, 1},		/* mov to dr */
	{{0x0f, 0x06}, 2, 2},			/* clts */
	{{0x0f, 0x01, 0x37}, 3, 3},		/* lmsw */
	{{0x0f, 0x01, 0x27}, 3, 2},		/* smsw */
	{{0x0f, 0x09}, 2, 1},			/* wbinvd */
	{{0x0f, 0x30}, 2, 1},			/* wrmsr */
	{{0x0f, 0x31}, 2, 1},			/* rdtsc */
	{{0x0f, 0x32}, 2, 1},			/* rdmsr */
	{{0x0f, 0x01, 0xd0}, 3, 1},		/* xgetbv */
	{{0x0f, 0x01, 0xd1}, 3, 1},		/* xsetbv */
	{{0x0f, 0xa2}, 2, 1},			/* cpuid */
	{{0xfa}, 1, 1},				/* cli */
};

static void prepare_sample(struct machine *m)
{
	machine_init(m);
	m->value = 0x0123456789abcdef;
	m->regs.rflags |= FLAG_RF | FLAG_TF;
	for (unsigned int i = 0; i < EMUL_GPR_COUNT; i++)
		m->regs.gpr[i] = 0x1111 * (i + 1);
	machine_poke(m, m->regs.gpr[EMUL_RDI], 0x5a5a5a5a5a5a5a5a, 8);
}

static void test_every_call_may_fail(void **state)
{
	static const int errors[] = {-EFAULT, -ENOMEM};
	struct machine m;
	struct emul_regs before;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(samples); i++) {
		prepare_sample(&m);
		assert_int_equal(machine_run(&m, samples[i].bytes, samples[i].len, true), 0);
		assert_int_equal(m.count, samples[i].calls);
		check_done(&m, samples[i].len);
		assert_true(m.state.has_trap);
		for (unsigned int k = 0; k < 2u * samples[i].calls; k++) {
			prepare_sample(&m);
			before = m.regs;
			m.fail_at = k / 2 + 1;
			m.fail_rc = errors[k % 2];
			assert_int_equal(machine_run(&m, samples[i].bytes, samples[i].len, true),
					 m.fail_rc);
			assert_memory_equal(&before, &m.regs, sizeof(before));
			assert_int_equal(m.count, m.fail_at);
			assert_false(m.state.is_done || m.state.has_trap);
		}
	}
}

static void test_missing_callbacks(void **state)
{
	static const struct emul_ops nothing;
	struct machine m;
	struct emul_regs before;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(samples); i++) {
		prepare_sample(&m);
		before = m.regs;
		m.state.ops = &nothing;
		assert_int_equal(machine_run(&m, samples[i].bytes, samples[i].len, true),
				 -EOPNOTSUPP);
		assert_memory_equal(&before, &m.regs, sizeof(before));
	}
	/* registers alone need none */
	assert_int_equal(RUN(&m, 0x48, 0x01, 0xc8), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_write),
		cmocka_unit_test(test_single_step),
		cmocka_unit_test(test_lost_atomics),
		cmocka_unit_test(test_cmpxchg),
		cmocka_unit_test(test_repeat_is_bounded),
		cmocka_unit_test(test_repeat_faults_midway),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_code_32),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_control_registers),
		cmocka_unit_test(test_edx_eax),
		cmocka_unit_test(test_other_privileged),
		cmocka_unit_test(test_every_call_may_fail),
		cmocka_unit_test(test_missing_callbacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

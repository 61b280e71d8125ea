/* SPDX-License-Identifier: MIT */
/* uses: src/emul/decode.c src/emul/table.c src/emul/alu.c */
/*
 * What emul_decode() makes of bytes: every form once, written beside its assembler; every truncation of it; what is
 * undefined; what is refused. That addresses, widths and lengths are right is also what emul_native_test shows.
 */
#include "emul/emul.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* clang-format off */
#define CODE(...)   (const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ })
#define OP(name)    EMUL_##name, 0
#define ALU(name)   EMUL_ALU, EMUL_##name
#define NONE(width) { EMUL_NONE, 0, width }
#define MEM(width)  { EMUL_MEM, 0, width }
#define SI(width)   { EMUL_MEM_SI, 0, width }
#define DI(width)   { EMUL_MEM_DI, 0, width }
#define REG(r, width) { EMUL_REG, r, width }
#define IMM(width)  { EMUL_IMM, 0, width }
#define DX(width)   { EMUL_PORT_DX, 0, width }
#define PORT(width) { EMUL_PORT_IMM, 0, width }
#define CR(r)	    { EMUL_CR, r, 8 }
#define DR(r)	    { EMUL_DR, r, 8 }
/* clang-format on */

struct form {
	const char *text;
	const u8 *bytes;
	size_t len;
	enum emul_op op;
	enum emul_alu alu;
	struct emul_operand dst;
	struct emul_operand src;
};

/* clang-format off */
static const struct form forms_64[] = {
	{ "mov %rax,(%rdi)",	CODE(0x48, 0x89, 0x07), OP(MOVE), MEM(8), REG(EMUL_RAX, 8) },
	{ "mov %r9,(%rdi)",	CODE(0x4c, 0x89, 0x0f), OP(MOVE), MEM(8), REG(9, 8) },
	{ "mov %eax,(%rdi)",	CODE(0x89, 0x07), OP(MOVE), MEM(4), REG(EMUL_RAX, 4) },
	{ "mov %ax,(%rdi)",	CODE(0x66, 0x89, 0x07), OP(MOVE), MEM(2), REG(EMUL_RAX, 2) },
	{ "mov %ah,(%rdi)",	CODE(0x88, 0x27), OP(MOVE), MEM(1), REG(EMUL_GPR_HIGH, 1) },
	{ "mov %spl,(%rdi)",	CODE(0x40, 0x88, 0x27), OP(MOVE), MEM(1), REG(EMUL_RSP, 1) },
	{ "mov (%rdi),%bh",	CODE(0x8a, 0x3f), OP(MOVE), REG(EMUL_GPR_HIGH + 3, 1), MEM(1) },
	{ "mov (%rsi),%r15",	CODE(0x4c, 0x8b, 0x3e), OP(MOVE), REG(15, 8), MEM(8) },
	{ "movq $1,(%rax)",	CODE(0x48, 0xc7, 0x00, 1, 0, 0, 0), OP(MOVE), MEM(8), IMM(8) },
	{ "movw $1,(%rax)",	CODE(0x66, 0xc7, 0x00, 1, 0), OP(MOVE), MEM(2), IMM(2) },
	{ "movb $1,(%rax)",	CODE(0xc6, 0x00, 1), OP(MOVE), MEM(1), IMM(1) },
	{ "movabs moffs,%rax",	CODE(0x48, 0xa1, 1, 2, 3, 4, 5, 6, 7, 8), OP(MOVE), REG(0, 8), MEM(8) },
	{ "movabs %al,moffs",	CODE(0xa2, 1, 2, 3, 4, 5, 6, 7, 8), OP(MOVE), MEM(1), REG(0, 1) },
	{ "addr32 mov moffs,%eax", CODE(0x67, 0xa1, 1, 2, 3, 4), OP(MOVE), REG(0, 4), MEM(4) },
	{ "movnti %rax,(%rdi)",	CODE(0x48, 0x0f, 0xc3, 0x07), OP(MOVE), MEM(8), REG(0, 8) },
	{ "movnti %eax,(%rdi)",	CODE(0x0f, 0xc3, 0x07), OP(MOVE), MEM(4), REG(0, 4) },
	{ "movzbl (%rdi),%eax",	CODE(0x0f, 0xb6, 0x07), OP(MOVE), REG(0, 4), MEM(1) },
	{ "movzwq (%rdi),%rax",	CODE(0x48, 0x0f, 0xb7, 0x07), OP(MOVE), REG(0, 8), MEM(2) },
	{ "movsbw (%rdi),%ax",	CODE(0x66, 0x0f, 0xbe, 0x07), OP(MOVE), REG(0, 2), MEM(1) },
	{ "movswl (%rdi),%eax",	CODE(0x0f, 0xbf, 0x07), OP(MOVE), REG(0, 4), MEM(2) },
	{ "movslq (%rdi),%rax",	CODE(0x48, 0x63, 0x07), OP(MOVE), REG(0, 8), MEM(4) },
	{ "movsq",		CODE(0x48, 0xa5), OP(MOVE), DI(8), SI(8) },
	{ "rep movsb",		CODE(0xf3, 0xa4), OP(MOVE), DI(1), SI(1) },
	{ "rep stosq",		CODE(0xf3, 0x48, 0xab), OP(MOVE), DI(8), REG(0, 8) },
	{ "lodsw",		CODE(0x66, 0xad), OP(MOVE), REG(0, 2), SI(2) },

	{ "xchg %rax,(%rdi)",	CODE(0x48, 0x87, 0x07), ALU(XCHG), MEM(8), REG(0, 8) },
	{ "xchg %al,(%rdi)",	CODE(0x86, 0x07), ALU(XCHG), MEM(1), REG(0, 1) },
	{ "lock cmpxchg %rcx,(%rdi)", CODE(0xf0, 0x48, 0x0f, 0xb1, 0x0f), OP(CMPXCHG), MEM(8), REG(1, 8) },
	{ "cmpxchg %cl,(%rdi)",	CODE(0x0f, 0xb0, 0x0f), OP(CMPXCHG), MEM(1), REG(1, 1) },
	{ "lock xadd %eax,(%rdi)", CODE(0xf0, 0x0f, 0xc1, 0x07), ALU(XADD), MEM(4), REG(0, 4) },
	{ "lock btsq $63,(%rdi)", CODE(0xf0, 0x48, 0x0f, 0xba, 0x2f, 63), ALU(BTS), MEM(8), IMM(8) },
	{ "lock btrq $1,(%rdi)", CODE(0xf0, 0x48, 0x0f, 0xba, 0x37, 1), ALU(BTR), MEM(8), IMM(8) },
	{ "btcl $1,(%rdi)",	CODE(0x0f, 0xba, 0x3f, 1), ALU(BTC), MEM(4), IMM(4) },
	{ "btw $1,(%rdi)",	CODE(0x66, 0x0f, 0xba, 0x27, 1), ALU(BT), MEM(2), IMM(2) },
	{ "lock bts %rax,(%rdi)", CODE(0xf0, 0x48, 0x0f, 0xab, 0x07), ALU(BTS), MEM(8), REG(0, 8) },
	{ "lock btr %rax,(%rdi)", CODE(0xf0, 0x48, 0x0f, 0xb3, 0x07), ALU(BTR), MEM(8), REG(0, 8) },
	{ "lock btc %rax,(%rdi)", CODE(0xf0, 0x48, 0x0f, 0xbb, 0x07), ALU(BTC), MEM(8), REG(0, 8) },
	{ "bt %rax,(%rdi)",	CODE(0x48, 0x0f, 0xa3, 0x07), ALU(BT), MEM(8), REG(0, 8) },
	{ "lock and %rax,(%rdi)", CODE(0xf0, 0x48, 0x21, 0x07), ALU(AND), MEM(8), REG(0, 8) },
	{ "lock andb $1,(%rdi)", CODE(0xf0, 0x80, 0x27, 1), ALU(AND), MEM(1), IMM(1) },
	{ "lock orq $-1,(%rdi)", CODE(0xf0, 0x48, 0x83, 0x0f, 0xff), ALU(OR), MEM(8), IMM(8) },
	{ "xorq $1,(%rdi)",	CODE(0x48, 0x81, 0x37, 1, 0, 0, 0), ALU(XOR), MEM(8), IMM(8) },
	{ "cmpw $1,(%rdi)",	CODE(0x66, 0x81, 0x3f, 1, 0), ALU(CMP), MEM(2), IMM(2) },
	{ "adc (%rdi),%rax",	CODE(0x48, 0x13, 0x07), ALU(ADC), REG(0, 8), MEM(8) },
	{ "add $1,%rax",	CODE(0x48, 0x05, 1, 0, 0, 0), ALU(ADD), REG(0, 8), IMM(8) },
	{ "sub $1,%al",		CODE(0x2c, 1), ALU(SUB), REG(0, 1), IMM(1) },
	{ "lock sbb %rax,(%rdi)", CODE(0xf0, 0x48, 0x19, 0x07), ALU(SBB), MEM(8), REG(0, 8) },
	{ "testb $1,(%rdi)",	CODE(0xf6, 0x07, 1), ALU(TEST), MEM(1), IMM(1) },
	{ "test %rax,(%rdi)",	CODE(0x48, 0x85, 0x07), ALU(TEST), MEM(8), REG(0, 8) },
	{ "test $1,%eax",	CODE(0xa9, 1, 0, 0, 0), ALU(TEST), REG(0, 4), IMM(4) },
	{ "lock notq (%rdi)",	CODE(0xf0, 0x48, 0xf7, 0x17), ALU(NOT), MEM(8), NONE(8) },
	{ "lock negl (%rdi)",	CODE(0xf0, 0xf7, 0x1f), ALU(NEG), MEM(4), NONE(4) },
	{ "lock incb (%rdi)",	CODE(0xf0, 0xfe, 0x07), ALU(INC), MEM(1), NONE(1) },
	{ "lock decq (%rdi)",	CODE(0xf0, 0x48, 0xff, 0x0f), ALU(DEC), MEM(8), NONE(8) },

	{ "in $0x61,%al",	CODE(0xe4, 0x61), OP(MOVE), REG(0, 1), PORT(1) },
	{ "in $0x61,%eax",	CODE(0xe5, 0x61), OP(MOVE), REG(0, 4), PORT(4) },
	{ "out %al,$0xff",	CODE(0xe6, 0xff), OP(MOVE), PORT(1), REG(0, 1) },
	{ "out %ax,$0xff",	CODE(0x66, 0xe7, 0xff), OP(MOVE), PORT(2), REG(0, 2) },
	{ "in (%dx),%al",	CODE(0xec), OP(MOVE), REG(0, 1), DX(1) },
	{ "in (%dx),%ax",	CODE(0x66, 0xed), OP(MOVE), REG(0, 2), DX(2) },
	{ "rex.W in (%dx),%eax", CODE(0x48, 0xed), OP(MOVE), REG(0, 4), DX(4) },
	{ "out %al,(%dx)",	CODE(0xee), OP(MOVE), DX(1), REG(0, 1) },
	{ "out %eax,(%dx)",	CODE(0xef), OP(MOVE), DX(4), REG(0, 4) },
	{ "insb",		CODE(0x6c), OP(MOVE), DI(1), DX(1) },
	{ "rep insw",		CODE(0xf3, 0x66, 0x6d), OP(MOVE), DI(2), DX(2) },
	{ "rex.W insl",		CODE(0x48, 0x6d), OP(MOVE), DI(4), DX(4) },
	{ "rep outsb",		CODE(0xf3, 0x6e), OP(MOVE), DX(1), SI(1) },
	{ "rep outsl",		CODE(0xf3, 0x6f), OP(MOVE), DX(4), SI(4) },

	{ "mov %cr0,%rax",	CODE(0x0f, 0x20, 0xc0), OP(MOVE), REG(0, 8), CR(0) },
	{ "mov %cr8,%r9",	CODE(0x45, 0x0f, 0x20, 0xc1), OP(MOVE), REG(9, 8), CR(8) },
	{ "mov %rdi,%cr3",	CODE(0x0f, 0x22, 0xdf), OP(MOVE), CR(3), REG(EMUL_RDI, 8) },
	{ "mov %rdi,%cr4 (mod 0)", CODE(0x66, 0x0f, 0x22, 0x27), OP(MOVE), CR(4), REG(EMUL_RDI, 8) },
	{ "mov %cr2,%rsp (mod 0)", CODE(0x0f, 0x20, 0x14), OP(MOVE), REG(EMUL_RSP, 8), CR(2) },
	{ "mov %dr7,%rax",	CODE(0x0f, 0x21, 0xf8), OP(MOVE), REG(0, 8), DR(7) },
	{ "mov %rax,%dr4",	CODE(0x0f, 0x23, 0xe0), OP(MOVE), DR(4), REG(0, 8) },
	{ "clts",		CODE(0x0f, 0x06), OP(CLTS), NONE(4), NONE(4) },
	{ "lmsw %ax",		CODE(0x0f, 0x01, 0xf0), OP(LMSW), NONE(2), REG(0, 2) },
	{ "lmsw (%rdi)",	CODE(0x48, 0x0f, 0x01, 0x37), OP(LMSW), NONE(2), MEM(2) },
	{ "smsw %rax",		CODE(0x48, 0x0f, 0x01, 0xe0), OP(MOVE), REG(0, 8), CR(0) },
	{ "smsw (%rdi)",	CODE(0x48, 0x0f, 0x01, 0x27), OP(MOVE), MEM(2), { EMUL_CR, 0, 2 } },
	{ "cli",		CODE(0xfa), OP(CLI), NONE(4), NONE(4) },
	{ "sti",		CODE(0xfb), OP(STI), NONE(4), NONE(4) },
	{ "clac",		CODE(0x0f, 0x01, 0xca), OP(NOP), NONE(4), NONE(4) },
	{ "stac",		CODE(0x0f, 0x01, 0xcb), OP(NOP), NONE(4), NONE(4) },
	{ "wbinvd",		CODE(0x0f, 0x09), OP(WBINVD), NONE(4), NONE(4) },
	{ "cpuid",		CODE(0x0f, 0xa2), OP(CPUID), NONE(4), NONE(4) },
	{ "forced cpuid",	CODE(0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2), OP(CPUID), NONE(4), NONE(4) },
	{ "rdmsr",		CODE(0x0f, 0x32), OP(RDMSR), NONE(4), NONE(4) },
	{ "wrmsr",		CODE(0x0f, 0x30), OP(WRMSR), NONE(4), NONE(4) },
	{ "rdtsc",		CODE(0x0f, 0x31), OP(RDTSC), NONE(4), NONE(4) },
	{ "rdtscp",		CODE(0x0f, 0x01, 0xf9), OP(RDTSCP), NONE(4), NONE(4) },
	{ "xgetbv",		CODE(0x0f, 0x01, 0xd0), OP(XGETBV), NONE(4), NONE(4) },
	{ "xsetbv",		CODE(0x0f, 0x01, 0xd1), OP(XSETBV), NONE(4), NONE(4) },
};

/* In 32-bit code 40 to 4f are no prefixes, immediate addresses and mov cr have 4 bytes. */
static const struct form forms_32[] = {
	{ "in (%dx),%al",	CODE(0xec), OP(MOVE), REG(0, 1), DX(1) },
	{ "in (%dx),%ax",	CODE(0x66, 0xed), OP(MOVE), REG(0, 2), DX(2) },
	{ "out %eax,$0x80",	CODE(0xe7, 0x80), OP(MOVE), PORT(4), REG(0, 4) },
	{ "rep outsb",		CODE(0xf3, 0x6e), OP(MOVE), DX(1), SI(1) },
	{ "rep insl",		CODE(0xf3, 0x6d), OP(MOVE), DI(4), DX(4) },
	{ "addr16 in (%dx),%al", CODE(0x67, 0xec), OP(MOVE), REG(0, 1), DX(1) },
	{ "mov moffs,%eax",	CODE(0xa1, 1, 2, 3, 4), OP(MOVE), REG(0, 4), MEM(4) },
	{ "mov %eax,disp32",	CODE(0x89, 0x05, 1, 2, 3, 4), OP(MOVE), MEM(4), REG(0, 4) },
	{ "mov %cr0,%eax",	CODE(0x0f, 0x20, 0xc0), OP(MOVE), REG(0, 4), { EMUL_CR, 0, 4 } },
};

struct error {
	const char *text;
	const u8 *bytes;
	size_t len;
	int rc;
};

static const struct error errors_64[] = {
	{ "ud2 and other bytes",	CODE(0x0f, 0x0b, 0x90), -EINVAL },
	{ "forced, spelt wrongly",	CODE(0x0f, 0x0b, 'x', 'e', 'm', 0x0f, 0xa2), -EINVAL },
	{ "forced mov",			CODE(0x0f, 0x0b, 'x', 'e', 'n', 0x48, 0x89, 0x07), -EINVAL },
	{ "forced with a prefix",	CODE(0x0f, 0x0b, 'x', 'e', 'n', 0x66, 0x0f, 0xa2), -EINVAL },
	{ "forced twice",		CODE(0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2), -EOPNOTSUPP },
	{ "lock mov",			CODE(0xf0, 0x48, 0x89, 0x07), -EINVAL },
	{ "lock add to a register",	CODE(0xf0, 0x48, 0x01, 0xc0), -EINVAL },
	{ "lock add from memory",	CODE(0xf0, 0x48, 0x03, 0x07), -EINVAL },
	{ "lock cmp",			CODE(0xf0, 0x48, 0x39, 0x07), -EINVAL },
	{ "lock test",			CODE(0xf0, 0x48, 0x85, 0x07), -EINVAL },
	{ "lock bt",			CODE(0xf0, 0x48, 0x0f, 0xa3, 0x07), -EINVAL },
	{ "lock stos",			CODE(0xf0, 0x48, 0xab), -EINVAL },
	{ "lock in",			CODE(0xf0, 0xec), -EINVAL },
	{ "lock mov cr0",		CODE(0xf0, 0x0f, 0x20, 0xc0), -EINVAL },
	{ "lock cpuid",			CODE(0xf0, 0x0f, 0xa2), -EINVAL },
	{ "movnti to a register",	CODE(0x0f, 0xc3, 0xc0), -EINVAL },
	{ "66 movnti",			CODE(0x66, 0x0f, 0xc3, 0x07), -EINVAL },
	{ "rep xgetbv",			CODE(0xf3, 0x0f, 0x01, 0xd0), -EINVAL },
	{ "mov cr1",			CODE(0x0f, 0x20, 0xc8), -EINVAL },
	{ "mov cr5",			CODE(0x0f, 0x22, 0xe8), -EINVAL },
	{ "mov cr15",			CODE(0x44, 0x0f, 0x22, 0xf8), -EINVAL },
	{ "mov dr8",			CODE(0x44, 0x0f, 0x21, 0xc0), -EINVAL },
	{ "cmpxchg16b",			CODE(0xf0, 0x48, 0x0f, 0xc7, 0x0f), -EOPNOTSUPP },
	{ "swapgs",			CODE(0x0f, 0x01, 0xf8), -EOPNOTSUPP },
	{ "lgdt",			CODE(0x0f, 0x01, 0x17), -EOPNOTSUPP },
	{ "invlpg",			CODE(0x0f, 0x01, 0x3f), -EOPNOTSUPP },
	{ "hlt",			CODE(0xf4), -EOPNOTSUPP },
	{ "invd",			CODE(0x0f, 0x08), -EOPNOTSUPP },
	{ "rdpmc",			CODE(0x0f, 0x33), -EOPNOTSUPP },
	{ "mwait",			CODE(0x0f, 0x01, 0xc9), -EOPNOTSUPP },
	{ "mov to a segment",		CODE(0x8e, 0xd8), -EOPNOTSUPP },
	{ "push",			CODE(0x50), -EOPNOTSUPP },
	{ "iret",			CODE(0x48, 0xcf), -EOPNOTSUPP },
	{ "xbegin",			CODE(0xc7, 0xf8, 0, 0, 0, 0), -EOPNOTSUPP },
	{ "movups to memory",		CODE(0x0f, 0x11, 0x07), -EOPNOTSUPP },
	{ "VEX",			CODE(0xc5, 0xf8, 0x29, 0x07), -EOPNOTSUPP },
	{ "66 movsxd",			CODE(0x66, 0x63, 0x07), -EOPNOTSUPP },
	{ "sixteen prefixes",		CODE(0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
					     0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66), -E2BIG },
	{ "sixteen bytes",		CODE(0x66, 0x66, 0x66, 0x66, 0x66, 0x64, 0x66, 0x48,
					     0xa1, 0, 0, 0, 0, 0, 0, 0, 0), -E2BIG },
	{ "nothing",			CODE(0x66), -EAGAIN },
};

static const struct error errors_32[] = {
	{ "arpl",			CODE(0x63, 0x07), -EOPNOTSUPP },
	{ "inc %eax",			CODE(0x40), -EOPNOTSUPP },
	{ "addr16 mov",			CODE(0x67, 0x89, 0x07), -EOPNOTSUPP },
	{ "addr16 insb",		CODE(0x67, 0x6c), -EOPNOTSUPP },
	{ "addr16 moffs",		CODE(0x67, 0xa1, 0, 0), -EOPNOTSUPP },
};
/* clang-format on */

/* Decode from memory that ends where the bytes end, for the address sanitizer's eyes. */
static int decode(struct emul_insn *insn, const u8 *bytes, size_t len, bool long_mode)
{
	u8 *copy = malloc(len ? len : 1);
	int rc;

	memcpy(copy, bytes, len);
	rc = emul_decode(insn, copy, len, long_mode);
	free(copy);
	return rc;
}

static void check_operand(const struct emul_operand *got, const struct emul_operand *want,
			  const char *text)
{
	if (got->kind != want->kind || got->reg != want->reg || got->bytes != want->bytes)
		fail_msg("%s: operand %d %u %u, not %d %u %u", text, got->kind, got->reg,
			 got->bytes, want->kind, want->reg, want->bytes);
}

static void check_decoded(const struct form *form, const u8 *bytes, size_t len, bool long_mode)
{
	struct emul_insn insn;
	int rc = decode(&insn, bytes, len, long_mode);

	if (rc || insn.op != form->op || insn.alu != form->alu || insn.length != form->len)
		fail_msg("%s: rc %d op %d alu %d length %u", form->text, rc, insn.op, insn.alu,
			 insn.length);
	check_operand(&insn.dst, &form->dst, form->text);
	check_operand(&insn.src, &form->src, form->text);
}

/* Alone, followed by other bytes, and cut short everywhere. */
static void check_form(const struct form *form, bool long_mode)
{
	u8 longer[EMUL_FETCH_MAX] = {0};
	struct emul_insn insn;

	memcpy(longer, form->bytes, form->len);
	check_decoded(form, form->bytes, form->len, long_mode);
	check_decoded(form, longer, sizeof(longer), long_mode);
	for (size_t len = 0; len < form->len; len++)
		if (decode(&insn, form->bytes, len, long_mode) != -EAGAIN)
			fail_msg("%s: cut to %zu bytes", form->text, len);
}

static void test_forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms_64); i++)
		check_form(&forms_64[i], true);
	for (size_t i = 0; i < ARRAY_SIZE(forms_32); i++)
		check_form(&forms_32[i], false);
}

static void check_error(const struct error *error, bool long_mode)
{
	struct emul_insn insn;
	int rc = decode(&insn, error->bytes, error->len, long_mode);

	if (rc != error->rc || insn.length)
		fail_msg("%s: rc %d length %u", error->text, rc, insn.length);
}

static void test_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(errors_64); i++)
		check_error(&errors_64[i], true);
	for (size_t i = 0; i < ARRAY_SIZE(errors_32); i++)
		check_error(&errors_32[i], false);
}

struct address {
	const char *text;
	const u8 *bytes;
	size_t len;
	struct emul_mem mem;
	u8 address_bytes;
};

/* clang-format off */
static const struct address addresses[] = {
	{ "(%rax)",		CODE(0x89, 0x00), { EMUL_SEG_DS, EMUL_RAX, EMUL_NO_REG, 0, 0 }, 8 },
	{ "(%r13) has a disp8",	CODE(0x41, 0x89, 0x45, 0x80), { EMUL_SEG_DS, 13, EMUL_NO_REG, 0, -128ull }, 8 },
	{ "-128(%rbp)",		CODE(0x89, 0x45, 0x80), { EMUL_SEG_SS, EMUL_RBP, EMUL_NO_REG, 0, -128ull }, 8 },
	{ "(%rsp)",		CODE(0x89, 0x04, 0x24), { EMUL_SEG_SS, EMUL_RSP, EMUL_NO_REG, 0, 0 }, 8 },
	{ "(%r12)",		CODE(0x41, 0x89, 0x04, 0x24), { EMUL_SEG_DS, 12, EMUL_NO_REG, 0, 0 }, 8 },
	{ "(%rax,%r12,8)",	CODE(0x42, 0x89, 0x04, 0xe0), { EMUL_SEG_DS, EMUL_RAX, 12, 3, 0 }, 8 },
	{ "0x12345678(%rip)",	CODE(0x89, 0x05, 0x78, 0x56, 0x34, 0x12),
				{ EMUL_SEG_DS, EMUL_BASE_RIP, EMUL_NO_REG, 0, 0x12345678 }, 8 },
	{ "-1(%eip)",		CODE(0x67, 0x89, 0x05, 0xff, 0xff, 0xff, 0xff),
				{ EMUL_SEG_DS, EMUL_BASE_RIP, EMUL_NO_REG, 0, -1ull }, 4 },
	{ "disp32",		CODE(0x89, 0x04, 0x25, 0, 0, 0, 0x80),
				{ EMUL_SEG_DS, EMUL_NO_REG, EMUL_NO_REG, 0, 0xffffffff80000000 }, 8 },
	{ "disp32(,%rcx,2)",	CODE(0x89, 0x04, 0x4d, 1, 0, 0, 0),
				{ EMUL_SEG_DS, EMUL_NO_REG, EMUL_RCX, 1, 1 }, 8 },
	{ "disp32(%rbp,%rcx)",	CODE(0x89, 0x84, 0x0d, 1, 0, 0, 0),
				{ EMUL_SEG_SS, EMUL_RBP, EMUL_RCX, 0, 1 }, 8 },
	{ "%gs:(%rsp)",		CODE(0x65, 0x89, 0x04, 0x24), { EMUL_SEG_GS, EMUL_RSP, EMUL_NO_REG, 0, 0 }, 8 },
	{ "ds after gs",	CODE(0x65, 0x3e, 0x89, 0x00), { EMUL_SEG_GS, EMUL_RAX, EMUL_NO_REG, 0, 0 }, 8 },
	{ "fs after gs",	CODE(0x65, 0x64, 0x89, 0x00), { EMUL_SEG_FS, EMUL_RAX, EMUL_NO_REG, 0, 0 }, 8 },
	{ "rex before a prefix", CODE(0x41, 0x3e, 0x89, 0x00), { EMUL_SEG_DS, EMUL_RAX, EMUL_NO_REG, 0, 0 }, 8 },
};
/* clang-format on */

static void test_addresses(void **state)
{
	struct emul_insn insn;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		const struct address *want = &addresses[i];

		assert_int_equal(decode(&insn, want->bytes, want->len, true), 0);
		if (insn.mem.segment != want->mem.segment || insn.mem.base != want->mem.base ||
		    insn.mem.index != want->mem.index || insn.mem.disp != want->mem.disp ||
		    insn.mem.scale_shift != want->mem.scale_shift ||
		    insn.address_bytes != want->address_bytes)
			fail_msg("%s: segment %d base %u index %u shift %u disp %lx", want->text,
				 insn.mem.segment, insn.mem.base, insn.mem.index,
				 insn.mem.scale_shift, insn.mem.disp);
	}
}

/* Fifteen bytes are an instruction, and prefixes are noted. */
static void test_longest(void **state)
{
	static const u8 bytes[] = {0xf3, 0x67, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
				   0x66, 0x66, 0x66, 0x66, 0x66, 0x48, 0xab};
	struct emul_insn insn;

	(void)state;
	assert_int_equal(decode(&insn, bytes, sizeof(bytes), true), 0);
	assert_int_equal(insn.length, EMUL_LENGTH_MAX);
	assert_int_equal(insn.prefixes, EMUL_PREFIX_REP | EMUL_PREFIX_ADDRESS | EMUL_PREFIX_OPSIZE);
	assert_int_equal(insn.dst.bytes, 8);
	assert_true(insn.is_string);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

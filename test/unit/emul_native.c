/* SPDX-License-Identifier: MIT */
/*
 * See emul_native.h. A native run enters and leaves by signal: INT3 in C, whose handler loads the test's registers
 * into the interrupted context; the test's instruction; then INT3 again, a single-step trap or a fault, whose handler
 * notes the registers and puts the first context back. Memory is at fixed low addresses, so that every addressing
 * form reaches it:
 *
 *	CODE	the instruction and INT3
 *	DATA	no access | read, write | read, write | read only | no access		a page each
 */
#include "emul_native.h"

#include <asm/prctl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define CODE	       0x10000000ul
#define DATA	       0x20000000ul
#define DATA_BYTES     (5 * PAGE_SIZE)
#define READABLE       (DATA + PAGE_SIZE)
#define READABLE_BYTES (3 * PAGE_SIZE)
#define WRITABLE_BYTES (2 * PAGE_SIZE)
#define NON_CANONICAL  0x0000800000000000ul
#define GS_BASE	       0x12345678ul
#define STEP_MAX       1000000
#define STACK_BYTES    (1 << 16)

#define FLAGS_STATUS 0x8d5ul
#define FLAG_IF	     0x200ul
#define FLAG_ONE     0x2ul /* always set */

#define VECTOR_DB 1
#define VECTOR_BP 3

struct outcome {
	struct emul_regs regs;
	unsigned int vector;
	u32 error_code;
	u64 cr2;
	u8 *memory; /* READABLE_BYTES */
};

static const int register_order[EMUL_GPR_COUNT] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8,	 REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

static volatile enum { IDLE, ENTER, LEAVE } phase;
static gregset_t home;
static u64 home_mask;
static struct sigaction previous[NSIG];
static const int fault_signals[] = {SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE};
static struct outcome native;
static u8 shadow[READABLE_BYTES];
static u64 fs_base;

/* Nobody's timer may interrupt the test's instruction: its stack pointer is no stack. The kernel's mask has 64 bits. */
static u64 all_but_ours(void)
{
	u64 mask = ~0ull;

	for (unsigned int i = 0; i < ARRAY_SIZE(fault_signals); i++)
		mask &= ~BIT(fault_signals[i] - 1);
	return mask;
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	greg_t *gregs = ((ucontext_t *)context)->uc_mcontext.gregs;
	void *mask = &((ucontext_t *)context)->uc_sigmask;
	u64 our_mask = all_but_ours();

	(void)info;
	if (phase == ENTER) {
		memcpy(home, gregs, sizeof(home));
		memcpy(&home_mask, mask, sizeof(home_mask));
		memcpy(mask, &our_mask, sizeof(our_mask));
		for (unsigned int i = 0; i < EMUL_GPR_COUNT; i++)
			gregs[register_order[i]] = (greg_t)native.regs.gpr[i];
		gregs[REG_RIP] = (greg_t)native.regs.rip;
		gregs[REG_EFL] = (greg_t)native.regs.rflags;
		phase = LEAVE;
	} else if (phase == LEAVE) {
		for (unsigned int i = 0; i < EMUL_GPR_COUNT; i++)
			native.regs.gpr[i] = (u64)gregs[register_order[i]];
		native.regs.rip = (u64)gregs[REG_RIP];
		native.regs.rflags = (u64)gregs[REG_EFL];
		native.vector = (unsigned int)gregs[REG_TRAPNO];
		native.error_code = (u32)gregs[REG_ERR];
		native.cr2 = (u64)gregs[REG_CR2];
		memcpy(gregs, home, sizeof(home));
		memcpy(mask, &home_mask, sizeof(home_mask));
		phase = IDLE;
	} else {
		sigaction(number, &previous[number],
			  NULL); /* the test's own fault: let it happen again */
	}
}

static void map(u64 address, size_t bytes, int rights)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;

	if (mmap((void *)address, bytes, rights, flags, -1, 0) != (void *)address) {
		perror("mmap");
		exit(1);
	}
}

void native_init(void)
{
	static u8 stack[STACK_BYTES];
	stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	sigaltstack(&alternate, NULL);
	for (unsigned int i = 0; i < ARRAY_SIZE(fault_signals); i++)
		sigaction(fault_signals[i], &action, &previous[fault_signals[i]]);
	if (native.memory)
		return;
	map(CODE, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC);
	map(DATA, DATA_BYTES, PROT_NONE);
	mprotect((void *)READABLE, WRITABLE_BYTES, PROT_READ | PROT_WRITE);
	mprotect((void *)(READABLE + WRITABLE_BYTES), PAGE_SIZE, PROT_READ);
	syscall(SYS_arch_prctl, ARCH_SET_GS, GS_BASE);
	syscall(SYS_arch_prctl, ARCH_GET_FS, &fs_base);
	native.memory = (u8 *)READABLE;
}

/* ---- the same memory, as the emulator sees it ---- */

static int access_check(struct emul_state *state, u64 va, unsigned int bytes, u64 limit,
			bool is_write)
{
	for (u64 at = va; at < va + bytes; at++)
		if (at < READABLE || at >= READABLE + limit) {
			bool is_present = at >= READABLE && at < READABLE + READABLE_BYTES;

			return emul_raise_page_fault(state, 4u | (is_write ? 2u : 0) | is_present,
						     gva_make(at));
		}
	return 0;
}

static int on_read(struct emul_state *state, gva_t va, u64 *value, unsigned int bytes)
{
	int rc = access_check(state, gva_num(va), bytes, READABLE_BYTES, false);

	*value = 0;
	if (!rc)
		memcpy(value, shadow + (gva_num(va) - READABLE), bytes);
	return rc;
}

static int on_write(struct emul_state *state, gva_t va, u64 value, unsigned int bytes)
{
	int rc = access_check(state, gva_num(va), bytes, WRITABLE_BYTES, true);

	if (!rc)
		memcpy(shadow + (gva_num(va) - READABLE), &value, bytes);
	return rc;
}

static int on_cmpxchg(struct emul_state *state, gva_t va, u64 *old, u64 new, unsigned int bytes,
		      bool is_locked)
{
	u64 seen = 0;
	int rc = access_check(state, gva_num(va), bytes, WRITABLE_BYTES, true);

	(void)is_locked;
	if (rc)
		return rc;
	memcpy(&seen, shadow + (gva_num(va) - READABLE), bytes);
	if (seen == *old)
		memcpy(shadow + (gva_num(va) - READABLE), &new, bytes);
	*old = seen;
	return 0;
}

static int on_write_check(struct emul_state *state, gva_t va, unsigned int bytes)
{
	return access_check(state, gva_num(va), bytes, WRITABLE_BYTES, true);
}

static const struct emul_ops memory_ops = {
	.read = on_read,
	.write = on_write,
	.cmpxchg = on_cmpxchg,
	.write_check = on_write_check,
};

/* ---- one case ---- */

u64 native_next(struct native_random *random)
{
	u64 z = random->state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static u64 random_below(struct native_random *random, u64 n)
{
	return native_next(random) % n;
}

static u64 random_value(struct native_random *random)
{
	static const u64 special[] = {0,
				      1,
				      2,
				      0x7f,
				      0x80,
				      0xff,
				      0x7fff,
				      0x8000,
				      0xffff,
				      0x7fffffff,
				      0x80000000,
				      0xffffffff,
				      0x1ull << 32,
				      0x7fffffffffffffff,
				      0x8000000000000000,
				      ~0ull};

	switch (random_below(random, 4)) {
	case 0:
		return special[random_below(random, ARRAY_SIZE(special))];
	case 1:
		return (u64)((s64)native_next(random) >> random_below(random, 64));
	default:
		return native_next(random);
	}
}

static bool is_memory(const struct emul_operand *operand)
{
	return operand->kind >= EMUL_MEM && operand->kind <= EMUL_MEM_DI;
}

static bool is_locking(const struct emul_insn *insn)
{
	return insn->prefixes & EMUL_PREFIX_LOCK ||
	       (insn->op == EMUL_ALU && insn->alu == EMUL_XCHG);
}

/* May it be run natively? Ports, control registers and so on are not for processes. */
static bool is_ordinary(const struct emul_insn *insn)
{
	bool has_special = insn->src.kind > EMUL_IMM || insn->dst.kind > EMUL_IMM;

	if (insn->op == EMUL_CMPXCHG)
		return insn->dst.kind == EMUL_MEM;
	return !has_special && (insn->op == EMUL_MOVE || insn->op == EMUL_ALU);
}

/* Somewhere in our pages, rarely so that it begins or ends outside, more rarely not canonical. */
static u64 random_target(const struct emul_insn *insn, struct native_random *random)
{
	u64 target = READABLE + WRITABLE_BYTES / 2 + random_below(random, 64);

	switch (random_below(random, 16)) {
	case 0:
		target = READABLE + WRITABLE_BYTES + random_below(random, 32) - 16;
		break;
	case 1:
		target = READABLE + READABLE_BYTES + random_below(random, 32) - 16;
		break;
	case 2:
		target = READABLE + random_below(random, 32) - 16;
		break;
	case 3:
		if (!insn->is_string)
			target = NON_CANONICAL + random_below(random, 64) - 4;
		break;
	default:
		break;
	}
	/* No split locks: they cost milliseconds. */
	return is_locking(insn) ? ROUND_DOWN(target, 8) : target;
}

/* Change the displacement, which stands somewhere behind the opcode. */
static bool replace(u8 *bytes, size_t length, u64 old, u64 new, size_t width)
{
	for (size_t i = 1; i + width <= length; i++)
		if (!memcmp(bytes + i, &old, width)) {
			memcpy(bytes + i, &new, width);
			return true;
		}
	return false;
}

/* Choose the registers or change the displacement so that the operand lies at target. */
static void aim(struct emul_insn *insn, u8 *bytes, struct emul_regs *regs, u64 target)
{
	struct emul_mem *mem = &insn->mem;
	gva_t va;
	u64 delta;

	if (insn->is_string || emul_address(insn, regs, &va))
		return;
	delta = target - gva_num(va);
	if (mem->base < EMUL_GPR_COUNT && mem->base != mem->index) {
		regs->gpr[mem->base] += delta;
	} else if (mem->index < EMUL_GPR_COUNT && mem->base == EMUL_NO_REG) {
		regs->gpr[mem->index] += delta >> mem->scale_shift;
	} else if (mem->index < EMUL_GPR_COUNT) {
		regs->gpr[mem->index] += delta / (1 + BIT(mem->scale_shift));
	} else {
		u64 disp = mem->disp + delta;

		if (!replace(bytes, insn->length, mem->disp, disp, 8))
			replace(bytes, insn->length, mem->disp, disp, 4);
	}
}

static void choose_registers(const struct emul_insn *insn, struct emul_regs *regs,
			     struct native_random *random)
{
	for (unsigned int i = 0; i < EMUL_GPR_COUNT; i++)
		regs->gpr[i] = random_value(random);
	regs->rflags = FLAG_ONE | FLAG_IF | (native_next(random) & (FLAGS_STATUS | FLAG_DF));
	if (!random_below(random, 16))
		regs->rflags |= FLAG_TF;
	regs->base[EMUL_SEG_FS] = fs_base;
	regs->base[EMUL_SEG_GS] = GS_BASE;
	if (insn->is_string) {
		regs->gpr[EMUL_RSI] = random_target(insn, random);
		regs->gpr[EMUL_RDI] = random_target(insn, random);
		regs->gpr[EMUL_RCX] = random_below(random, 12);
		if (insn->mem.segment >= EMUL_SEG_FS)
			regs->gpr[EMUL_RSI] -= regs->base[insn->mem.segment];
		for (unsigned int i = 0; insn->address_bytes == 4 && i < 8; i++)
			regs->gpr[i] |= native_next(random) << 32;
	}
	if (insn->op == EMUL_ALU && insn->alu >= EMUL_BT && insn->src.kind == EMUL_REG)
		regs->gpr[insn->src.reg] = (regs->gpr[insn->src.reg] &
					    ~(~0ull >> (64 - 8 * insn->dst.bytes))) |
					   ((u64)(random_below(random, 2048) - 1024) &
					    (~0ull >> (64 - 8 * insn->dst.bytes)));
	if (insn->op == EMUL_CMPXCHG && random_below(random, 2))
		memcpy(&regs->gpr[EMUL_RAX], (u8 *)READABLE + WRITABLE_BYTES / 2, 8);
}

/* Does all that is accessed lie in our pages, or not canonical for sure? */
static bool is_safe(const struct emul_insn *insn, const struct emul_regs *regs)
{
	u64 si = regs->gpr[EMUL_RSI];
	gva_t va = gva_make(READABLE);

	if (insn->is_string) {
		if (insn->address_bytes == 4)
			si = (u32)si;
		si += insn->mem.segment >= EMUL_SEG_FS ? regs->base[insn->mem.segment] : 0;
		if (insn->src.kind == EMUL_MEM_SI &&
		    (si < READABLE - 64 || si >= READABLE + READABLE_BYTES + 64))
			return false;
		if (insn->prefixes & EMUL_PREFIX_REP && regs->gpr[EMUL_RCX] > 16 &&
		    insn->address_bytes == 8)
			return false;
	}
	if (is_memory(&insn->src) || is_memory(&insn->dst))
		emul_address(insn, regs, &va);
	if (gva_num(va) >= READABLE - 64 && gva_num(va) < READABLE + READABLE_BYTES + 64)
		return true;
	return gva_num(va) >= NON_CANONICAL && gva_num(va) < NON_CANONICAL + PAGE_SIZE;
}

static void fill_memory(struct native_random *random)
{
	u64 *word = (u64 *)READABLE;

	for (unsigned int i = 0; i < READABLE_BYTES / 8; i++)
		if (i < 4 || (i >= 500 && i < 540) || (i >= 1020 && i < 1024))
			word[i] = random_value(random);
	memcpy(shadow, native.memory, READABLE_BYTES);
}

static void run_native(const u8 *bytes, unsigned int length, const struct emul_regs *regs)
{
	memcpy((u8 *)CODE, bytes, length);
	memset((u8 *)CODE + length, 0xcc, EMUL_LENGTH_MAX + 1 - length);
	native.regs = *regs;
	phase = ENTER;
	__asm__ volatile("int3" : : : "memory");
}

static void run_emulated(const struct emul_insn *insn, struct outcome *out)
{
	struct emul_state state = {.regs = &out->regs, .ops = &memory_ops, .step_max = STEP_MAX};
	int rc = emul_execute(insn, &state);

	out->error_code = 0;
	out->vector = state.has_trap ? VECTOR_DB : VECTOR_BP;
	if (rc == -EFAULT) {
		out->vector = state.fault.vector;
		out->error_code = state.fault.error_code;
		out->cr2 = state.fault.cr2;
	} else if (rc) {
		out->vector = 0x100;
	} else if (!state.has_trap) {
		out->regs.rip++; /* INT3 */
	}
}

static u64 flags_undefined(const struct emul_insn *insn)
{
	if (insn->op != EMUL_ALU)
		return 0;
	switch ((int)insn->alu) {
	case EMUL_AND:
	case EMUL_OR:
	case EMUL_XOR:
	case EMUL_TEST:
		return FLAG_AF;
	case EMUL_BT:
	case EMUL_BTS:
	case EMUL_BTR:
	case EMUL_BTC:
		return 0x894; /* OF, SF, AF, PF */
	default:
		return 0;
	}
}

static bool is_same(const struct emul_insn *insn, const struct outcome *emulated)
{
	u64 ignored = FLAG_RF | flags_undefined(insn); /* what pushes flags may set RF */

	return !memcmp(native.regs.gpr, emulated->regs.gpr, sizeof(native.regs.gpr)) &&
	       native.regs.rip == emulated->regs.rip &&
	       !((native.regs.rflags ^ emulated->regs.rflags) & ~ignored) &&
	       native.vector == emulated->vector &&
	       (native.vector != EMUL_PF ||
		(native.cr2 == emulated->cr2 && native.error_code == emulated->error_code)) &&
	       !memcmp(native.memory, shadow, READABLE_BYTES);
}

static void print_outcome(const char *name, const struct outcome *out)
{
	fprintf(stderr, "%s: vector %u error %x cr2 %lx rip %lx rflags %lx\n", name, out->vector,
		out->error_code, out->cr2, out->regs.rip, out->regs.rflags);
}

static void print_case(const u8 *bytes, const struct emul_insn *insn,
		       const struct emul_regs *before, const struct outcome *emulated)
{
	fprintf(stderr, "differs:");
	for (unsigned int i = 0; i < insn->length; i++)
		fprintf(stderr, " %02x", bytes[i]);
	fprintf(stderr, "\n");
	print_outcome("native  ", &native);
	print_outcome("emulated", emulated);
	for (unsigned int i = 0; i < EMUL_GPR_COUNT; i++)
		fprintf(stderr, "gpr %2u before %016lx native %016lx emulated %016lx\n", i,
			before->gpr[i], native.regs.gpr[i], emulated->regs.gpr[i]);
	for (unsigned int i = 0; i < READABLE_BYTES; i++)
		if (native.memory[i] != shadow[i])
			fprintf(stderr, "memory %lx native %02x emulated %02x\n", READABLE + i,
				native.memory[i], shadow[i]);
}

enum native_verdict native_compare(const u8 *code, size_t len, struct native_random *random)
{
	u8 bytes[EMUL_LENGTH_MAX] = {0};
	struct outcome emulated = {.memory = shadow};
	struct emul_regs before = {.rip = CODE};
	struct emul_insn insn;

	memcpy(bytes, code, MIN(len, sizeof(bytes)));
	if (emul_decode(&insn, bytes, sizeof(bytes), true) || !is_ordinary(&insn))
		return NATIVE_SKIPPED;
	fill_memory(random);
	choose_registers(&insn, &before, random);
	aim(&insn, bytes, &before, random_target(&insn, random));
	if (emul_decode(&insn, bytes, sizeof(bytes), true) || !is_ordinary(&insn) ||
	    !is_safe(&insn, &before))
		return NATIVE_SKIPPED;
	emulated.regs = before;
	run_native(bytes, insn.length, &before);
	run_emulated(&insn, &emulated);
	if (is_same(&insn, &emulated))
		return NATIVE_SAME;
	print_case(bytes, &insn, &before, &emulated);
	return NATIVE_DIFFERENT;
}

enum native_verdict native_compare_locked(const u8 *code, size_t len, struct native_random *random)
{
	u8 bytes[EMUL_LENGTH_MAX] = {0};
	struct emul_regs before = {.rip = CODE};
	struct emul_insn insn;

	memcpy(bytes, code, MIN(len, sizeof(bytes)));
	if (emul_decode(&insn, bytes, sizeof(bytes), true) != -EINVAL ||
	    !(insn.prefixes & EMUL_PREFIX_LOCK) || !is_ordinary(&insn))
		return NATIVE_SKIPPED;
	choose_registers(&insn, &before, random);
	before.rflags &= ~FLAG_TF;
	run_native(bytes, sizeof(bytes), &before);
	if (native.vector == EMUL_UD)
		return NATIVE_SAME;
	insn.length = sizeof(bytes);
	print_case(bytes, &insn, &before, &native);
	return NATIVE_DIFFERENT;
}

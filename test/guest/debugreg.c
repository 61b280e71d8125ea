/* SPDX-License-Identifier: MIT */
/*
 * A test guest: debug registers, single steps, and a debug trap that MOV SS holds back. Security cases 12 (reserved bits of
 * DR7), 260 (MOV SS, then SYSCALL or INT: the trap comes in ring 0), 265, 44.
 */
#include "guest.h"

#define set_dr(n, value) hypercall(set_debugreg, n, value)
#define get_dr(n)	 hypercall(get_debugreg, n)

static u64 watched, traps, trap_dr6;
static u32 ss_selector = 0xe02b;

static bool hook(struct regs *regs)
{
	if (regs->vector != 1)
		return false;
	traps++;
	trap_dr6 = (u64)get_dr(6);
	set_dr(6, 0);
	regs->rflags &= ~0x100ul;
	regs->rflags |= 0x10000; /* resume */
	return true;
}

static void values(void)
{
	equals(set_dr(0, &watched), 0, "dr0: an address of ours");
	equals(get_dr(0), (long)&watched, "dr0: reads back");
	equals(set_dr(1, 0x7fffffffffff), 0, "dr1: the last of the lower half");
	refused(set_dr(1, 0x800000000000), "dr1: not canonical");
	refused(set_dr(1, HYPERVISOR_VIRT_START), "dr1: the hypervisor's range");
	refused(set_dr(2, 0xffff87ffffffffff), "dr2: the end of the hypervisor's range");
	equals(set_dr(3, 0xffff880000000000), 0, "dr3: behind it");
	refused(set_dr(8, 0), "dr8");
	refused(get_dr(8), "dr8 read");
	equals(set_dr(7, 0), 0, "dr7: zero");
	refused(set_dr(7, 0x100000000), "dr7: upper half (12)");
	print("# reserved %ld\n", (long)set_dr(7, 0xc000));
	equals(get_dr(7) & 0xd000, 0, "dr7: reserved bits do not stay (12)");
	set_dr(7, 0x2001);
	equals(get_dr(7) & 0x2000, 0, "dr7: GD does not stay");
	refused(set_dr(7, 0x20001), "dr7: an I/O breakpoint without CR4.DE");
	print("# dr7 %lx dr6 %lx\n", get_dr(7), get_dr(6));
	set_dr(7, 0);
	set_dr(6, ~0ul);
	check(get_dr(6) >= 0, "dr6: upper half is not taken");
	set_dr(6, 0);
	equals(set_dr(1, 0), 0, "dr1: zero");
	equals(set_dr(3, 0), 0, "dr3: zero");
}

static void breakpoints(void)
{
	trap_hook = hook;
	equals(set_dr(0, &watched), 0, "watch a word");
	equals(set_dr(7, 0xd0001), 0, "for writes of eight or four bytes, here");
	traps = 0;
	ACCESS(watched) = 5;
	print("# traps %lu\n", traps);
	check(traps >= 1, "a write traps");
	traps = 1;
	equals(trap_dr6 & 0xf, 1, "dr6 says so");
	(void)ACCESS(watched);
	equals(traps, 1, "a read does not");
	equals(hypercall(xen_version, XENVER_get_features, &watched) <= 0, 1,
	       "the hypervisor's own writes and reads are no traps of its");
	set_dr(7, 0);
	traps = 0;
	ACCESS(watched) = 6;
	equals(traps, 0, "switched off");
	{
		u64 value = 0;

		equals(trap_try("mov %%dr7, %0", "=r"(value), "i"(0)), NO_TRAP, "mov from dr7");
		equals(trap_try("mov %0, %%dr7", , "r"(0x400ul)), NO_TRAP, "mov to dr7");
		equals(trap_try("mov %0, %%dr0", , "r"(HYPERVISOR_VIRT_START)), 13,
		       "mov of the hypervisor's range to dr0");
	}
}

/* The watched word is SS's: the trap is held back until after the next instruction. */
static void mov_ss(void)
{
	u64 rax;

	set_dr(0, &ss_selector);
	set_dr(7, 0xf0001); /* reads and writes, four bytes */
	traps = 0;
	asm volatile("mov %0, %%ss; nop" ::"m"(ss_selector) : "memory");
	print("# mov ss; nop: %lu\n", traps);
	for (unsigned int i = 0; i < 100; i++) {
		rax = 17;
		asm volatile("mov %1, %%ss; syscall"
			     : "+a"(rax)
			     : "m"(ss_selector), "D"(0), "S"(0)
			     : "rcx", "r11", "memory");
		if (rax != 0x40011)
			fatal("mov ss; syscall gave %lx", rax);
	}
	check(true, "mov ss; syscall: a hundred times (260)");
	trap_insn("mov ss_word(%%rip), %%ss; int $0x80");
	equals(last_trap.vector, 0x80, "mov ss; int 0x80 (260)");
	trap_insn("mov ss_word(%%rip), %%ss; int3");
	equals(last_trap.vector, 3, "mov ss; int3 (260)");
	last_trap.vector = NO_TRAP;
	asm volatile("mov ss_word(%%rip), %%ss\n" TRAP_ASM("ud2")::: "memory");
	equals(last_trap.vector, 6, "mov ss; ud2 (260)");
	set_dr(7, 0);
}

extern u32 ss_word;
u32 ss_word = 0xe02b;

/* A single step into the hypervisor ends at its door. */
static void steps(void)
{
	u64 rax = 17;

	traps = 0;
	asm volatile("pushf; orl $0x100, (%%rsp); popf; syscall; nop"
		     : "+a"(rax)
		     : "D"(0), "S"(0)
		     : "rcx", "r11", "memory", "cc");
	equals(rax, 0x40011, "a call under TF");
	check(traps <= 2, "TF does not stay");
	trap_hook = NULL;
	equals(trap_insn("pushf; orl $0x100, (%%rsp); popf; int $0x80"), 0x80, "int under TF");
	asm volatile("pushf; andl $~0x100, (%%rsp); popf" ::: "memory", "cc");
	trap_hook = hook;
	print("# traps %lu\n", traps);
	trap_hook = NULL;
}

void guest_main(void)
{
	values();
	breakpoints();
	mov_ss();
	steps();
}

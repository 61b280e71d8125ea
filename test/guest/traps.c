/* SPDX-License-Identifier: MIT */
/*
 * A test guest: exceptions of kernel and user mode, the iret hypercall with good and bad frames, system calls of both
 * modes, failsafe callback, NMI, the FPU trap. Security cases 7 (return to an address that is not canonical), 183, 259
 * (int 0x80), 202 (IF on the way out), 339 (SYSENTER without an entry point), 44 (NT on entry).
 */
#include "guest.h"

#define USER(name, code)    \
	extern char name[]; \
	asm(".pushsection .text\n" #name ":\n\t" code "\n\tud2\n\t.popsection")
#define LOW	     ((char *)0x400000ul)
#define NONCANONICAL 0x800000000000ul
#define LAST_SYSCALL ((char *)NONCANONICAL - 2) /* the instruction after it is at no address */

USER(user_ud2, "ud2");
USER(user_div, "xor %ecx, %ecx; div %ecx");
USER(user_int3, "int3");
USER(user_int80, "mov $1234, %eax; int $0x80");
USER(user_int70, "int $0x70");
USER(user_read, "mov 8, %rax");
USER(user_write, "movq $1, 16");
USER(user_jump, "mov $0x1000, %eax; jmp *%rax");
USER(user_noncanonical, "mov $0x800000000000, %rax; mov (%rax), %rax");
USER(user_stack, "mov $0x800000000000, %rsp; push %rax");
USER(user_syscall, "mov $77, %eax; mov $88, %edi; syscall");
USER(user_flags, "pushf; pop %rax; syscall");
USER(user_nt, "pushf; orl $0x4000, (%rsp); popf; syscall");
USER(user_hlt, "hlt");
USER(user_cli, "cli");
USER(user_in, "in $0x80, %al");
USER(user_cr0, "mov %cr0, %rax");
USER(user_hypervisor, "mov $0xffff830000000000, %rax; mov (%rax), %rax");
USER(user_m2p, "mov $0xffff800000000000, %rax; mov (%rax), %rax");
USER(user_tf, "nop; nop; nop");

static struct user u;

/* QEMU 7.2 gives #GP an error code of n * 16 + 2 in place of n * 8 + 2, so that int n looks like int n * 2. */
static void soft(u64 got, unsigned int vector, const char *text)
{
	check(got == vector || got == vector * 2, text);
}

static u64 run(const void *code)
{
	user_init(&u, code);
	return user_run(&u);
}

static void kernel_mode(void)
{
	u64 x = 0;

	equals(trap_insn("ud2"), 6, "kernel: #UD");
	equals(trap_try("div %0", , "r"(0)), 0, "kernel: #DE");
	equals(trap_insn("int3"), 3, "kernel: #BP");
	equals(trap_insn("int $0x80"), 0x80, "kernel: int 0x80 (259)");
	soft(trap_insn("int $0x70"), 0x70, "kernel: int 0x70");
	equals(trap_read(8, x), 14, "kernel: #PF");
	equals(last_trap.cr2, 8, "kernel: #PF: cr2");
	equals(last_trap.error & ~4ul, 0, "kernel: #PF: error code");
	equals(trap_write(8, x), 14, "kernel: #PF of a write");
	equals(last_trap.error & ~4ul, 2, "kernel: #PF of a write: error code");
	equals(trap_read(NONCANONICAL, x), 13, "kernel: #GP");
	equals(last_trap.error, 0, "kernel: #GP: error code");
	equals(trap_try("mov %0, %%ds", , "r"(0x7fff)), 13, "kernel: #GP of a selector");
	equals(last_trap.error, 0x7ffc, "kernel: #GP of a selector: error code");
	equals(trap_insn("pushf; orl $0x100, (%%rsp); popf; nop"), 1, "kernel: #DB by TF");
	last_trap.vector = NO_TRAP;
	asm volatile("pushf; orl $0x4000, (%%rsp); popf\n" TRAP_ASM("ud2")::: "memory", "cc");
	equals(last_trap.vector, 6, "kernel: #UD with NT set (44)");
	asm volatile("pushf; andl $~0x4000, (%%rsp); popf" ::: "memory", "cc");
	asm volatile("pushf; orl $0x4000, (%%rsp); popf" ::: "memory", "cc");
	equals(hypercall(xen_version, XENVER_version, NULL), 0x40011,
	       "kernel: a call with NT set (44)");
	asm volatile("pushf; andl $~0x4000, (%%rsp); popf" ::: "memory", "cc");
	asm volatile("std" ::: "cc");
	x = (u64)hypercall(xen_version, XENVER_version, NULL);
	asm volatile("cld" ::: "cc");
	equals(x, 0x40011, "kernel: a call with DF set");
	equals(trap_read(0xffff87ffffffffff - 7, x), 14, "kernel: the hypervisor's range");
	equals(last_trap.regs.cs & 3, 0, "kernel: the frame's CS says kernel");
}

static void user_mode(void)
{
	equals(run(user_ud2), 6, "user: #UD");
	equals(last_trap.rip, (long)user_ud2, "user: #UD: rip");
	equals(last_trap.regs.cs, 0xe033, "user: #UD: cs");
	equals(last_trap.regs.ss, 0xe02b, "user: #UD: ss");
	equals(run(user_div), 0, "user: #DE");
	equals(run(user_int3), 3, "user: #BP");
	equals(last_trap.rip, (long)user_int3 + 1, "user: #BP: rip");
	equals(run(user_int80), 0x80, "user: int 0x80");
	equals(last_trap.regs.rax, 1234, "user: int 0x80: rax");
	soft(run(user_int70), 0x70, "user: int 0x70");
	equals(run(user_read), 14, "user: #PF");
	equals(last_trap.error, 4, "user: #PF: error code");
	equals(last_trap.cr2, 8, "user: #PF: cr2");
	equals(run(user_write), 14, "user: #PF of a write");
	equals(last_trap.error, 6, "user: #PF of a write: error code");
	equals(run(user_jump), 14, "user: #PF of a fetch");
	equals(last_trap.rip, 0x1000, "user: #PF of a fetch: rip");
	equals(run(user_noncanonical), 13, "user: #GP");
	check(run(user_stack) == 12 || last_trap.vector == 14,
	      "user: #SS, which QEMU takes for #PF");
	equals(run(user_hlt), 13, "user: hlt");
	equals(run(user_cli), 13, "user: cli");
	equals(run(user_in), 13, "user: in");
	equals(run(user_cr0), 13, "user: cr0");
	equals(run(user_hypervisor), 14, "user: the hypervisor's range");
	equals(last_trap.cr2, (long)0xffff830000000000, "user: the hypervisor's range: cr2");
	check(run(user_m2p) == 6 || last_trap.vector == 14, "user: the m2p may be read there");
	equals(run(user_syscall), VECTOR_SYSCALL, "user: syscall");
	check(last_trap.regs.rax == 77 && last_trap.regs.rdi == 88, "user: syscall: registers");
	equals(last_trap.regs.cs, 0xe033, "user: syscall: cs");
	equals(run(user_flags), VECTOR_SYSCALL, "user: flags");
	equals(last_trap.regs.rax & 0x3200, 0x200, "user: IF is set, IOPL is 0 (202)");
	equals(run(user_nt), VECTOR_SYSCALL, "user: syscall with NT (44)");
	user_init(&u, user_tf);
	u.rflags |= 0x100;
	equals(user_run(&u), 1, "user: #DB by TF");
	equals(last_trap.rip, (long)user_tf + 1, "user: #DB by TF: rip");
	user_init(&u, user_syscall);
	u.flags = VGCF_in_syscall;
	equals(user_run(&u), VECTOR_SYSCALL, "user: entered by sysret");
	equals(last_trap.regs.rax, 77, "user: entered by sysret: rax");
}

/* A gate of privilege 0 is for the kernel. */
static void gates(void)
{
	struct trap_info table[3] = {{.vector = 0x71, .cs = FLAT_KERNEL_CS},
				     {.vector = 0xe2, .cs = FLAT_KERNEL_CS}};

	table[0].address = (unsigned long)trap_entry(0x71);
	table[1].address = (unsigned long)trap_entry(0xe2);
	equals(hypercall(set_trap_table, table), 0, "trap table: two rows");
	user_init(&u, LOW + 64);
	equals(user_run(&u), 13, "user: int 0x71, which is the kernel's");
	equals(hypercall(set_trap_table, 8), -XEFAULT, "trap table: bad pointer");
	equals(hypercall(set_trap_table, HYPERVISOR_VIRT_START), -XEFAULT,
	       "trap table: hypervisor's pointer");
	table[1].address = 0;
	table[0].address = NONCANONICAL;
	refused(hypercall(set_trap_table, table), "trap table: address not canonical");
	table[0].address = (unsigned long)trap_entry(0x71);
	table[0].flags = 3;
	table[0].cs = 0;
	check(hypercall(set_trap_table, table) <= 0,
	      "trap table: null selector: refused or amended");
	table[0].cs = FLAT_KERNEL_CS;
	equals(hypercall(set_trap_table, table), 0, "trap table: good again");
}

static void compatibility(void)
{
	u64 vector;

	user_init(&u, LOW);
	u.cs = FLAT_USER_CS32;
	u.ss = FLAT_USER_SS32;
	u.rsp = (u64)LOW + 4000;
	equals(user_run(&u), 0x80, "32-bit user: int 0x80");
	equals(last_trap.regs.rax, 0x1234, "32-bit user: it ran");
	equals(last_trap.regs.cs, FLAT_USER_CS32, "32-bit user: cs");
	user_init(&u, LOW + 16);
	u.cs = FLAT_USER_CS32;
	u.ss = FLAT_USER_SS32;
	u.rsp = (u64)LOW + 4000;
	vector = user_run(&u);
	check(vector == VECTOR_SYSCALL32 || vector == 6,
	      "32-bit user: syscall, or #UD as on Intel's");
	user_init(&u, LOW + 32);
	u.cs = FLAT_USER_CS32;
	u.ss = FLAT_USER_SS32;
	u.rsp = (u64)LOW + 4000;
	vector = user_run(&u);
	check(vector == 13 || vector == 6, "32-bit user: sysenter");
	user_init(&u, LOW + 32);
	vector = user_run(&u);
	check(vector == 13 || vector == 6, "64-bit user: sysenter");
}

static u64 bad_frame(u64 rip, u64 cs, u64 ss, u64 flags, u64 rflags, const char *text)
{
	u64 vector;

	user_init(&u, (void *)rip);
	u.cs = cs;
	u.ss = ss;
	u.flags = flags;
	u.rflags = rflags;
	vector = user_run(&u);
	check(vector == VECTOR_FAILSAFE || vector == 13 || vector == 14 || vector == 12 ||
		      vector == 11 || vector == VECTOR_SYSCALL,
	      text);
	print("# %s: vector %lu\n", text, vector);
	return vector;
}

static void bad_frames(void)
{
	u64 good = (u64)user_syscall, cs = FLAT_USER_CS64, ss = FLAT_USER_SS64;

	bad_frame(NONCANONICAL, cs, ss, 0, 0x202, "iret: rip not canonical (7)");
	bad_frame(NONCANONICAL, cs, ss, VGCF_in_syscall, 0x202, "sysret: rip not canonical (7)");
	bad_frame(0x7ffffffffffe, cs, ss, VGCF_in_syscall, 0x202,
		  "sysret: the last canonical bytes (7)");
	bad_frame(0xffff7fffffffffff, cs, ss, VGCF_in_syscall, 0x202,
		  "sysret: below the upper half (7)");
	bad_frame(HYPERVISOR_VIRT_START, cs, ss, 0, 0x202, "iret: rip in the hypervisor's range");
	bad_frame(good, 3, ss, 0, 0x202, "iret: null cs");
	bad_frame(good, 0xe00b, ss, 0, 0x202, "iret: cs of the hypervisor's");
	bad_frame(good, 0x1003, ss, 0, 0x202, "iret: cs outside of the GDT");
	bad_frame(good, 0xffff, ss, 0, 0x202, "iret: cs ffff");
	bad_frame(good, cs, 0x13, 0, 0x202, "iret: ss of nothing");
	bad_frame(good, cs, 0xe033, 0, 0x202, "iret: code as ss");
	equals(bad_frame(good, cs, ss, 0, 0x200202, "iret: ID flag"), VECTOR_SYSCALL,
	       "iret: ID flag passes");
	equals(bad_frame(good, cs, ss, 0, 0x3202, "iret: IOPL 3"), VECTOR_SYSCALL,
	       "iret: IOPL 3 is taken away");
	equals(bad_frame(good, cs, ss, 0, 0x2, "iret: IF clear"), VECTOR_SYSCALL,
	       "iret: IF clear is set");
	equals(bad_frame(good, cs, ss, 0, 0x4202, "iret: NT"), VECTOR_SYSCALL, "iret: NT is taken");
	equals(bad_frame(good, cs, ss, 0, 0x20202, "iret: VM"), VECTOR_SYSCALL,
	       "iret: VM is taken away");
	equals(bad_frame(good, cs, ss, 0, 0x1a0202, "iret: VIF VIP ID"), VECTOR_SYSCALL,
	       "iret: VIF and VIP are taken away");
	user_init(&u, user_in);
	u.rflags = 0x3202;
	equals(user_run(&u), 13, "iret: IOPL 3 gives user mode no ports (202)");
	check(run(user_in) == 13, "after all, user mode may not do I/O");
}

static u64 nmis;
static bool hook(struct regs *regs)
{
	if (regs->vector != VECTOR_NMI)
		return false;
	nmis++;
	return true;
}

static void others(void)
{
	u64 cr0 = 0;

	trap_hook = hook;
	equals(vcpuop(VCPUOP_send_nmi, 0, NULL), 0, "NMI to ourselves");
	equals(nmis, 1, "NMI: came");
	refused(vcpuop(VCPUOP_send_nmi, 99, NULL), "NMI to a vCPU that is not there");
	trap_hook = NULL;
	equals(hypercall(fpu_taskswitch, 1), 0, "fpu_taskswitch: set");
	equals(trap_try("mov %%cr0, %0", "=r"(cr0), "i"(0)), NO_TRAP, "cr0 reads");
	equals(cr0 & 8, 8, "cr0: TS");
	equals(trap_insn("movups (%%rsp), %%xmm0"), 7, "fpu_taskswitch: #NM");
	equals(hypercall(fpu_taskswitch, 1), 0, "fpu_taskswitch: set");
	equals(trap_insn("clts"), NO_TRAP, "clts");
	equals(trap_insn("movups (%%rsp), %%xmm0"), NO_TRAP, "clts: no #NM");
	equals(hypercall(fpu_taskswitch, 1), 0, "fpu_taskswitch: set");
	equals(hypercall(fpu_taskswitch, 0), 0, "fpu_taskswitch: clear");
	equals(trap_insn("movups (%%rsp), %%xmm0"), NO_TRAP, "fpu_taskswitch: no #NM");
	equals(hypercall(stack_switch, 0, kernel_stack_top), 0,
	       "stack_switch: a null selector is amended");
	equals(hypercall(stack_switch, FLAT_KERNEL_SS, kernel_stack_top), 0, "stack_switch: good");
}

static const char low_code[] = {
	/* 0: */ (char)0xb8,
	0x34,
	0x12,
	0,
	0,
	(char)0xcd,
	(char)0x80,
	0x0f,
	0x0b,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	/* 16: */ 0x0f,
	0x05,
	0x0f,
	0x0b,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	/* 32: */ 0x0f,
	0x34,
	0x0f,
	0x0b,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	/* 64: */ (char)0xcd,
	0x71,
	0x0f,
	0x0b};

/* A page at va, with tables of its own below an empty slot of the root. */
static char *map_alone(const char *va, const char *text)
{
	char *page = page_alloc();
	u64 entry = (mfn_of(page) << 12) | PTE_RW;

	for (unsigned int level = 1; level <= 3; level++) {
		u64 *table = page_alloc();

		table[((u64)va >> (3 + 9 * level)) & 511] = entry;
		make_ro(table);
		entry = (mfn_of(table) << 12) | PTE_RW;
	}
	equals(mmu_update(maddr_of(&root()[(u64)va >> 39]), entry), 0, text);
	return page;
}

static void last_bytes_call(void)
{
	long rc = __HYPERVISOR_xen_version;

	asm volatile("jmp *%1" : "+a"(rc) : "r"(LAST_SYSCALL), "D"(XENVER_version));
}

/*
 * Case 7: a system call in the last two bytes of the lower half. On Intel's CPUs SYSRET with what then is in rcx faults in
 * ring 0, on the guest's stack: Mica goes to that address sign-extended, Xen by IRET.
 */
static void last_bytes(void)
{
	const u64 slot = (u64)LAST_SYSCALL >> 39;
	char *page = map_alone(LAST_SYSCALL, "the last page of the lower half");

	memcpy(page + PAGE_SIZE - 2, "\x0f\x05", 2);
	equals(mmu_update(maddr_of(&user_root()[slot]), root()[slot]), 0, "... for user mode");
	check(trap_call(last_bytes_call) == 13 || last_trap.vector == 14,
	      "kernel: hypercall in the last canonical bytes (7)");
	equals(last_trap.rip, on_mica() ? (long)HYPERVISOR_VIRT_START : (long)NONCANONICAL,
	       "kernel: where it goes on (7)");
	equals(last_trap.regs.cs & 3, 0, "kernel: the guest's kernel has the fault (7)");
	equals(run(LAST_SYSCALL), VECTOR_SYSCALL, "user: syscall in the last canonical bytes (7)");
	equals(last_trap.rip, NONCANONICAL, "user: its rip (7)");
}

void guest_main(void)
{
	memcpy(map_alone(LOW, "a page low enough for 32 bits"), low_code, sizeof(low_code));
	kernel_mode();
	user_mode();
	gates();
	compatibility();
	bad_frames();
	last_bytes();
	others();
}

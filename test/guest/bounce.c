/* SPDX-License-Identifier: MIT */
/*
 * A test guest: the shortest ways between a guest's user and its kernel. Linux masks events at every entry, and so does this
 * guest; where that is so Mica's entry stubs do the work without C. What frames and registers say, events that come meanwhile,
 * the virtual IOPL; frames that are forged, faults that are Mica's; and stacks that cannot be used, which end a second domain
 * and nothing else.
 */
#define __XEN_TOOLS__ 1
#include "guest.h"

#include <xen/domctl.h>

#define USER(name, code)    \
	extern char name[]; \
	asm(".pushsection .text\n" #name ":\n\t" code "\n\tud2\n\t.popsection")
#define HYPERVISOR 0xffff830000000000ul
#define BEHIND	   0xffff880000000000ul

USER(user_syscall, "mov %rcx, %rdi; mov %r11, %rsi; mov $77, %eax; syscall");
USER(user_read, "mov %rcx, %rdi; mov %r11, %rsi; mov 8, %rbx");
USER(user_write, "movq $1, 16");
USER(user_port, "in $0x80, %al");
USER(user_selector, "mov $0x17, %eax; mov %eax, %es; syscall");

static struct user u;
static struct {
	u64 mask_in_frame, mask_now, rflags, rsp;
} seen;
static u64 events, events_from_user;

static bool hook(struct regs *regs)
{
	seen.mask_in_frame = regs->cs >> 32 & 0xff;
	seen.mask_now = vcpu_infos[0]->evtchn_upcall_mask;
	seen.rflags = regs->rflags;
	seen.rsp = (u64)regs;
	if (regs->vector == VECTOR_EVENT) {
		events++;
		events_from_user += (regs->cs & 3) == 3;
	}
	return false;
}

static void calls(void)
{
	user_init(&u, user_syscall);
	u.rcx = 0x1111;
	u.r11 = 0x2222;
	u.rflags = 0x202 | 0xcd5;
	equals(user_run(&u), VECTOR_SYSCALL, "syscall");
	check(last_trap.regs.rdi == 0x1111 && last_trap.regs.rsi == 0x2222,
	      "iret loaded rcx and r11");
	equals(last_trap.regs.rax, 77, "syscall: rax");
	equals(last_trap.regs.r11 & 0xcd5, 0xcd5, "syscall: r11 holds the flags");
	equals(last_trap.regs.rflags & 0xed5, 0xed5, "syscall: the frame's flags");
	check(last_trap.regs.rip == last_trap.regs.rcx, "syscall: rip is in rcx");
	equals(last_trap.regs.cs, 0xe033, "syscall: cs");
	equals(last_trap.regs.ss, 0xe02b, "syscall: ss");
	equals(last_trap.regs.rsp, (long)u.rsp, "syscall: rsp");
	equals(seen.mask_in_frame, 0, "syscall: events were not masked");
	equals(seen.mask_now, 1, "syscall: and are now");
	equals(vcpu_infos[0]->evtchn_upcall_pending, 0, "nothing pending");
}

static void faults(void)
{
	u64 x = 0;

	user_init(&u, user_read);
	u.rax = 0x3333;
	u.rcx = 0x1111;
	u.r11 = 0x2222;
	equals(user_run(&u), 14, "user: #PF");
	check(last_trap.regs.rdi == 0x1111 && last_trap.regs.rsi == 0x2222, "user: as iret said");
	check(last_trap.regs.rcx == 0x1111 && last_trap.regs.r11 == 0x2222 &&
		      last_trap.regs.rax == 0x3333,
	      "user: #PF: registers");
	equals(last_trap.error, 4, "user: #PF: error code");
	equals(last_trap.cr2, 8, "user: #PF: cr2");
	equals(last_trap.regs.cs, 0xe033, "user: #PF: cs");
	equals(last_trap.regs.ss, 0xe02b, "user: #PF: ss");
	equals(last_trap.regs.rsp, (long)u.rsp, "user: #PF: rsp");
	check(seen.mask_in_frame == 0 && seen.mask_now == 1, "user: #PF masks events");
	user_init(&u, user_write);
	equals(user_run(&u), 14, "user: #PF of a write");
	equals(last_trap.error, 6, "user: #PF of a write: error code");
	equals(last_trap.cr2, 16, "user: #PF of a write: cr2");
	equals(trap_read(8, x), 14, "kernel: #PF");
	equals(last_trap.error, 0, "kernel: #PF: error code without U");
	equals(last_trap.regs.cs & 3, 0, "kernel: #PF: cs");
	check(seen.mask_in_frame == 0 && seen.mask_now == 1, "kernel: #PF masks events");
	equals(seen.rflags & 0x200, 0x200, "kernel: #PF: IF");
	equals(vcpu_infos[0]->evtchn_upcall_mask, 0, "kernel: back, events are not masked");
	events_off();
	equals(trap_write(8, x), 14, "kernel: #PF with events masked");
	equals(last_trap.error, 2, "kernel: #PF with events masked: error code");
	equals(seen.mask_in_frame, 1, "kernel: #PF with events masked: the frame says so");
	equals(seen.rflags & 0x200, 0, "kernel: #PF with events masked: IF");
	equals(vcpu_infos[0]->evtchn_upcall_mask, 1, "kernel: back, events are masked");
	events_on();
}

/* An event that is sent while they are masked comes with the iret that opens them. */
static void pending(void)
{
	long port = bind_ipi(0);

	check(port > 0, "a port to ourselves");
	event_unmask((unsigned int)port);
	events = events_from_user = 0;
	events_off();
	port_send((unsigned int)port);
	equals(events, 0, "an event waits");
	user_init(&u, user_syscall);
	u.rcx = 0x1111;
	u.r11 = 0x2222;
	equals(user_run(&u), VECTOR_SYSCALL, "iret to user, and a syscall");
	check(events == 1 && events_from_user == 1, "the event came first, from user");
	check(last_trap.regs.rdi == 0x1111 && last_trap.regs.rsi == 0x2222,
	      "and left its registers alone");
	events_on();
	port_close((unsigned int)port);
}

static void iopl(void)
{
	struct physdev_set_iopl one = {.iopl = 1};

	equals(hypercall(physdev_op, PHYSDEVOP_set_iopl, &one), 0, "IOPL 1");
	user_init(&u, user_syscall);
	equals(user_run(&u), VECTOR_SYSCALL, "syscall with IOPL 1");
	equals(last_trap.regs.rflags & 0x3000, 0, "the frame does not show it");
	equals(hypercall(vm_assist, VMASST_CMD_enable, VMASST_TYPE_architectural_iopl), 0,
	       "architectural IOPL");
	user_init(&u, user_syscall);
	u.rflags |= 0x2000;
	equals(user_run(&u), VECTOR_SYSCALL, "syscall");
	equals(last_trap.regs.rflags & 0x3000, 0x2000, "the frame shows what iret set");
	equals(hypercall(vm_assist, VMASST_CMD_disable, VMASST_TYPE_architectural_iopl), 0,
	       "not any more");
}

/* What a frame says that the stub's iret may not load. */
static void forged(void)
{
	user_init(&u, user_port);
	u.rflags = 0x3202;
	equals(user_run(&u), 13, "iret: IOPL 3 gives user mode no ports");
	user_init(&u, user_syscall);
	u.ss = 0x13;
	check(user_run(&u) == VECTOR_FAILSAFE || last_trap.vector == 13, "iret: ss of nothing");
	user_init(&u, user_syscall);
	u.ss = 0xe028;
	equals(user_run(&u), VECTOR_SYSCALL, "iret: ss of privilege 0 is amended");
	user_init(&u, user_syscall);
	u.flags = VGCF_in_syscall;
	u.rcx = 0x1111;
	equals(user_run(&u), VECTOR_SYSCALL, "iret: as SYSRET");
	equals(last_trap.regs.rdi, (long)user_syscall, "iret: as SYSRET: rcx is rip");
}

/* User mode with events masked, which no Linux has: C says so in the frame. */
static void masked(void)
{
	user_init(&u, user_syscall);
	u.rflags = 2;
	equals(user_run(&u), VECTOR_SYSCALL, "masked: syscall");
	check(seen.mask_in_frame == 1 && seen.mask_now == 1, "masked: syscall: the frame says so");
	equals(seen.rflags & 0x200, 0, "masked: syscall: IF");
	user_init(&u, user_read);
	u.rflags = 2;
	equals(user_run(&u), 14, "masked: #PF");
	check(seen.mask_in_frame == 1 && seen.mask_now == 1, "masked: #PF: the frame says so");
	equals(seen.rflags & 0x200, 0, "masked: #PF: IF");
	equals(vcpu_infos[0]->evtchn_upcall_mask, 0, "events are not masked");
}

/* Page faults that are none of the guest's kernel: of a descriptor, and of a write to a table. */
static void not_its_own(void)
{
	u64 *ldt = page_alloc(), *table = table_alloc(0), entry = (mfn_of(ldt) << 12) | PTE_RO;

	ldt[2] = 0x00cff3000000ffff; /* data, ring 3 */
	make_ro(ldt);
	equals(mmuext(MMUEXT_SET_LDT, (u64)ldt, 16), 0, "LDT set");
	equals(trap_try("mov %0, %%es", , "r"(0x17)), NO_TRAP, "kernel: a selector of the LDT");
	asm volatile("mov %0, %%es" ::"r"(0));
	equals(mmuext(MMUEXT_SET_LDT, (u64)ldt, 16), 0, "LDT set again");
	user_init(&u, user_selector);
	equals(user_run(&u), VECTOR_SYSCALL, "user: a selector of the LDT");
	asm volatile("mov %0, %%es" ::"r"(0));
	equals(mmuext(MMUEXT_SET_LDT, 0, 0), 0, "LDT: none");
	equals(mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(table), 0), 0, "a table");
	equals(trap_write(table + 1, entry), NO_TRAP, "kernel: writes to it");
	equals(table[1] & PTE_MFN, entry & PTE_MFN, "it has been written");
	equals(mmuext(MMUEXT_UNPIN_TABLE, mfn_of(table), 0), 0, "the table is none");
}

/* ---- stacks that are none: the child tries, and is no more */

enum { WORD_CASE, WORD_STACK };

#define TRY(rsp, code) asm volatile("mov %0, %%rsp\n" code::"r"(rsp), "a"(23L) : "memory")

static void user_with_stack(const void *code, u64 stack)
{
	(void)hypercall(stack_switch, FLAT_KERNEL_SS, stack);
	user_init(&u, code);
	(void)user_run(&u);
}

static const u64 bad_stacks[] = {0x10000, HYPERVISOR + 0x1000, BEHIND + 16, 0x800000000010};
#define STACKS ARRAY_SIZE(bad_stacks)

void child_main(void)
{
	u64 number = child_shared.words[WORD_CASE], stack = bad_stacks[number % STACKS];

	if (child_shared.words[WORD_STACK])
		stack = child_shared.words[WORD_STACK];

	trap_register(true);
	switch (number / STACKS) {
	case 0:
		user_with_stack(user_syscall, stack);
		break;
	case 1:
		user_with_stack(user_read, stack);
		break;
	case 2:
		TRY(stack, "syscall"); /* iret */
		break;
	case 3:
		TRY(stack, "mov 8, %%rax");
		break;
	default: /* no root for user mode */
		user_init(&u, user_syscall);
		user_enter(&u);
	}
	child_step();
}

static void child_dies(u64 number, u64 stack, const char *what)
{
	struct child *c = child_make();

	c->shared->words[WORD_CASE] = number;
	c->shared->words[WORD_STACK] = stack;
	equals(child_run(c), 0, "child: unpaused");
	check(!child_wait(c, 1), what);
	child_end(c);
}

static void stacks(void)
{
	static const char *const what[] = {"system call", "page fault from user", "iret",
					   "page fault from kernel"};

	for (u64 i = 0; i < STACKS * 4; i++)
		child_dies(i, 0, what[i / STACKS]);
	/* A page of ours, where the hypervisor sees it, with a frame that goes on in the child's kernel. */
	for (u64 how = 0; how < 4; how++) {
		const u64 frame[] = {0,
				     0,
				     0,
				     0,
				     (u64)child_step,
				     FLAT_KERNEL_CS & ~3ul,
				     0x202,
				     (u64)kernel_stack_top - 8,
				     FLAT_KERNEL_SS};
		u64 *page = page_alloc(), *before = page_alloc();

		memcpy(page + 256, frame, sizeof(frame));
		memcpy(before, page, PAGE_SIZE);
		child_dies(how * STACKS, HYPERVISOR + (mfn_of(page) << 12) + 2048, what[how]);
		equals(memcmp(page, before, PAGE_SIZE), 0, "nothing was written there");
	}
	child_dies(4 * STACKS, 0, "iret to user mode, which has no root");
}

void guest_main(void)
{
	trap_hook = hook;
	events_on();
	trap_register(true);
	calls();
	faults();
	pending();
	iopl();
	forged();
	masked();
	not_its_own();
	trap_hook = NULL;
	trap_register(false);
	stacks();
}

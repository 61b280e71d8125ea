/* SPDX-License-Identifier: MIT */
/*
 * Exceptions of a test guest: recorded in last_trap, then skipped if a row of extable or trap_call() says where to; the
 * way into user mode and out of it. Entered from start.S.
 */
#include "guest.h"

struct trap last_trap;
bool (*trap_hook)(struct regs *regs);
static struct user *user_now;
static char entry_stack[16384] __attribute__((aligned(16))); /* for entries from user mode */
extern u64 guarded_stack;
u64 guarded_stack;
extern const u64 extable_start[], extable_end[];
extern char call_guarded_return[];
long call_guarded(void (*fn)(void));
void event_upcall(void);

void trap_init(void)
{
	trap_register(false);
}

void trap_register(bool masks_events)
{
	static struct trap_info table[257];
	struct {
		u16 type;
		void *entry;
	} callbacks[] = {
		{CALLBACKTYPE_event, entry_event},     {CALLBACKTYPE_failsafe, entry_failsafe},
		{CALLBACKTYPE_syscall, entry_syscall}, {CALLBACKTYPE_syscall32, entry_syscall32},
		{CALLBACKTYPE_nmi, entry_nmi},
	};

	/* Every vector, user mode may use them all; QEMU gives wrong error codes for others than these. */
	for (unsigned int i = 0; i < 256; i++)
		table[i] = (struct trap_info){.vector = (u8)i,
					      .flags = masks_events ? 7 : 3,
					      .cs = FLAT_KERNEL_CS,
					      .address = (unsigned long)trap_entry(i)};
	hypercall(set_trap_table, table);
	for (size_t i = 0; i < ARRAY_SIZE(callbacks); i++) {
		struct callback_register r = {.type = callbacks[i].type,
					      .flags = masks_events ? CALLBACKF_mask_events : 0,
					      .address = (unsigned long)callbacks[i].entry};

		hypercall(callback_op, CALLBACKOP_register, &r);
	}
	hypercall(stack_switch, FLAT_KERNEL_SS, entry_stack + sizeof(entry_stack));
}

static bool trap_skip(struct regs *regs)
{
	for (const u64 *row = extable_start; row < extable_end; row += 2)
		if (row[0] == regs->rip || row[1] == regs->rip) { /* a fault, a trap */
			regs->rip = row[1];
			regs->rflags &= ~0x100ul;
			return true;
		}
	if (guarded_stack) {
		regs->rip = (u64)call_guarded_return;
		return true;
	}
	return false;
}

void trap_handle(struct regs *regs)
{
	if (regs->vector == VECTOR_EVENT && !(trap_hook && trap_hook(regs))) {
		event_upcall();
		return;
	}
	if (regs->vector == VECTOR_EVENT || (trap_hook && trap_hook(regs)))
		return;
	last_trap.vector = regs->vector;
	last_trap.error = regs->error;
	last_trap.rip = regs->rip;
	last_trap.cr2 = vcpu_infos[0] ? vcpu_infos[0]->arch.cr2 : 0;
	last_trap.regs = *regs;
	last_trap.regs.cs &= 0xffff; /* above it: whether events were masked */
	last_trap.count++;
	if ((regs->cs & 3) == 3 && user_now) {
		u64 rsp = user_now->kernel_rsp;

		user_now = NULL;
		user_leave(rsp);
	}
	if (trap_skip(regs))
		return;
	fatal("vector %lu error %lx at %lx (cs %lx) cr2 %lx rsp %lx", regs->vector, regs->error,
	      regs->rip, regs->cs, last_trap.cr2, regs->rsp);
}

u64 trap_call(void (*fn)(void))
{
	last_trap.vector = NO_TRAP;
	call_guarded(fn);
	return last_trap.vector;
}

void user_init(struct user *u, const void *code)
{
	static char *stack;

	if (!stack)
		stack = page_alloc();
	memset(u, 0, sizeof(*u));
	u->rip = (u64)code;
	u->cs = FLAT_USER_CS64;
	u->ss = FLAT_USER_SS64;
	u->rsp = (u64)stack + PAGE_SIZE - 64;
	u->rflags = 0x202;
}

u64 user_run(struct user *u)
{
	u8 mask = vcpu_infos[0] ? vcpu_infos[0]->evtchn_upcall_mask : 0;

	user_root();
	last_trap.vector = NO_TRAP;
	user_now = u;
	user_enter(u);
	if (vcpu_infos[0])
		vcpu_infos[0]->evtchn_upcall_mask = mask; /* an entry may have masked them */
	return last_trap.vector;
}

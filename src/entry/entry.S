/* SPDX-License-Identifier: MIT */
/*
 * Every way into Mica and the one way out to a guest. This text is mapped once for each CPU, and behind it that CPU's
 * own struct entry_cpu, so `entry_data + ENTRY_x (%rip)` is this CPU's. Calls C only through pointers found there.
 * What bounces between a guest's user and its kernel with nothing for Mica in it (system call, iret, page fault) does so
 * here, by the entry block above V, without a saved frame (doc/architecture.md, "Entry").
 *
 *	from ring 3	the CPU (or the SYSCALL stub) pushes onto V, the end of the vCPU's register frame; the rest follows,
 *			so the frame is saved where it belongs. Then the CPU's stack, and C.
 *	from ring 0	(an interrupt, or a fault with an exception-table entry) everything on the stack in use.
 *	IST		NMI, #MC, #DF, #DB: on their own stacks, whatever was going on.
 */
#include "asm_offsets.h"
#include "hw/patch.h"

/* The instruction just before may be written over at boot (hw/patch.h). */
.macro PATCH_SITE at, kind, target=0
	.pushsection .patch_sites, "a"
	.quad \at, \kind, \target
	.popsection
.endm

.macro SMAP_CLOSE
9999:	.byte 0x0f, 0x1f, 0x00
	PATCH_SITE 9999b, PATCH_CLAC
.endm

.macro SMAP_OPEN
9999:	.byte 0x0f, 0x1f, 0x00
	PATCH_SITE 9999b, PATCH_STAC
.endm

/* Under page-table isolation what follows up to \end is done: Mica's C is not mapped while a guest runs. */
.macro IF_ISOLATED end
9999:	jmp \end
	PATCH_SITE 9999b, PATCH_ISOLATED
.endm

/*
 * On the way from a guest to C, on this CPU's stack: nothing is done ahead that the guest has trained or that its registers
 * lead to. Changes rax and rcx where the CPU's branch history is overwritten.
 */
.macro GUESS_NOTHING
9999:	.byte 0x3e, 0x3e
	lfence
	PATCH_SITE 9999b, PATCH_HISTORY, entry_history_clear
.endm

/* On the way to a guest, with nothing of Mica's to be read any more: what is left in the CPU's buffers. Changes flags. */
.macro BUFFERS_CLEAR
9999:	.byte 0x0f, 0x1f, 0x80, 0, 0, 0, 0
	PATCH_SITE 9999b, PATCH_BUFFERS, entry_data + ENTRY_data_selector
.endm

/* Changes rax where indirect branches are not to be guessed: RET is guessed right, by the CALL before it, and leads to LFENCE. */
.macro CALL_C field
9999:	call *entry_data + \field\()(%rip)
	PATCH_SITE 9999b, PATCH_CALL_C, 9998f
	.subsection 1
9998:	call 9996f
9997:	pause
	lfence
	jmp 9997b
9996:	mov entry_data + \field\()(%rip), %rax
	mov %rax, (%rsp)
	ret
	.previous
.endm

#define PC(field) entry_data + ENTRY_##field(%rip)
/* Once rsp is V, below is what was pushed since. */
#define V(field, below) V_##field + (below)(%rsp)

#define USER_FAST   PV_USER
#define KERNEL_FAST PV_KERNEL
#define VGCF_IN_SYSCALL 0x100
/* rsp is V: loads what C runs on, or what the guest does, by the guest's mode. */
#define ROOT_BY_MODE(kernel, user)	\
	testl $KERNEL_FAST, V(mode, 0);	\
	mov V(user, 0), %rax;		\
	cmovnz V(kernel, 0), %rax;	\
	mov %rax, %cr3
#define HYPERCALL_IRET	23
#define RFLAGS_IRET_MAY 0x254dd5
#define MICA_VA_SHIFT	43 /* va >> 43 is MICA_VA_TOP in Mica's range, and nowhere else */
#define MICA_VA_TOP	0x1ffff0

.macro PUSH_ARGS
	push %r9
	push %r8
	push %r10
	push %rdx
	push %rsi
	push %rdi
.endm

.macro PUSH_REGS
	push %rcx
	push %r11
	push %rax
	PUSH_ARGS
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
.endm

.macro POP_ARGS
	pop %rdi
	pop %rsi
	pop %rdx
	pop %r10
	pop %r8
	pop %r9
	pop %rax
.endm

.macro POP_REGS
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	POP_ARGS
	pop %r11
	pop %rcx
.endm

/* What a guest left in registers is of no use to C, and of use to nobody who guesses ahead. */
.macro CLEAR_REGS
	xor %ebp, %ebp
	xor %ebx, %ebx
	xor %r12d, %r12d
	xor %r13d, %r13d
	xor %r14d, %r14d
	xor %r15d, %r15d
.endm

	.section .entry.text, "ax"

/* 256 stubs of 32 bytes. */
	.balign 32
	.globl entry_stubs
entry_stubs:
	vector = 0
.rept 256
	.balign 32
	SMAP_CLOSE
	.if vector == 8 || vector == 10 || vector == 11 || vector == 12 || vector == 13 || vector == 14 || vector == 17 || vector == 21 || vector == 29 || vector == 30
	.else
	push $0
	.endif
	.if vector == 14
	jmp entry_page_fault
	.endif
	movl $vector, 4(%rsp)
	.if vector == 2 || vector == 1 || vector == 8 || vector == 18
	jmp entry_ist
	.else
	jmp entry_trap
	.endif
	vector = vector + 1
.endr

	.balign 32
entry_trap:
	cld
	testb $3, 16(%rsp)
	jz entry_own
entry_save:
	PUSH_REGS
entry_to_c:
	CLEAR_REGS
	IF_ISOLATED 1f
	mov PC(v), %rsp
	ROOT_BY_MODE(c_kernel_cr3, c_user_cr3)
1:	mov PC(stack), %rsp
	GUESS_NOTHING
	CALL_C ENTRY_trap_guest
	/* C has decided who goes on: its frame ends at V. Interrupts are off. */
entry_resume:
	mov PC(v), %rsp
	IF_ISOLATED 1f
	ROOT_BY_MODE(kernel_cr3, user_cr3)
1:	BUFFERS_CLEAR
	sub $REGS_SIZE, %rsp
	POP_REGS
	add $8, %rsp
entry_iretq:
	iretq

entry_own:
	push %rax
	lea entry_iretq(%rip), %rax
	cmp %rax, 16(%rsp)
	pop %rax
	je entry_iret_fault
	push %rax
	lea entry_bounce_iretq(%rip), %rax
	cmp %rax, 16(%rsp)
	pop %rax
	je entry_iret_fault
	push %rax
	push %rcx
	mov 24(%rsp), %rax
	lea entry_bounce_start(%rip), %rcx
	sub %rcx, %rax
	cmp $entry_bounce_end - entry_bounce_start, %rax
	pop %rcx
	pop %rax
	jb entry_bounce_fault
	PUSH_REGS
	mov %rsp, %rdi
	CALL_C ENTRY_trap_own
	POP_REGS
	add $8, %rsp
	iretq

/* The guest's frame cannot be returned to: its five words still end at V, its registers are all loaded. Save again. */
entry_iret_fault:
	mov PC(v), %rsp
	sub $40, %rsp
	push $0
	movl $ENTRY_IRET_FAULT, 4(%rsp)
	jmp entry_save

/* A guest's stack could not be used by a stub: rsp may be V, where no C runs. */
entry_bounce_fault:
	IF_ISOLATED 1f
	mov PC(v), %rsp
	mov V(c_kernel_cr3, 0), %rax
	mov %rax, %cr3
1:	mov PC(stack), %rsp
	CLEAR_REGS
	GUESS_NOTHING
	CALL_C ENTRY_bounce_fault
	jmp entry_resume

entry_ist:
	cld
	PUSH_REGS
	IF_ISOLATED 1f
	mov %cr3, %rbx
	mov PC(root), %rax
	mov %rax, %cr3
1:	mov %rsp, %rdi
	GUESS_NOTHING
	CALL_C ENTRY_trap_ist
	IF_ISOLATED 1f
	mov %rbx, %cr3
1:	test %rax, %rax
	jnz entry_to_c		/* the frame was copied to the vCPU: go on as if it had come there */
	POP_REGS
	add $8, %rsp
	iretq

	.balign 64
	.globl entry_syscall
entry_syscall:
	mov %rsp, PC(rsp)
	mov PC(v), %rsp
	cmpl $USER_FAST, V(mode, 0)
	jne not_user_fast
	mov %rax, V(rax, 0)
	mov V(info, 0), %rax
	cmpb $0, INFO_mask(%rax)
	jne syscall_slow
	movb $1, INFO_mask(%rax)
	mov V(kernel_cr3, 0), %rax
	mov %rax, %cr3
	mov V(syscall_sp, 0), %rax
entry_bounce_start:		/* from here to the end rsp is V or below it, and whatever faults is the guest's stack */
	SMAP_OPEN
	mov %rcx, 0(%rax)
	mov %r11, 8(%rax)
	mov %rcx, 16(%rax)
	movq $0xe033, 24(%rax)
	mov %r11, 32(%rax)
	mov PC(rsp), %rcx
	mov %rcx, 40(%rax)
	movq $0xe02b, 48(%rax)
	SMAP_CLOSE
	mov V(syscall_rip, 0), %rcx
	/* To the guest's kernel: rcx where, rax its stack, V_rax for rax. */
to_kernel_from_user:
	swapgs
	movl $KERNEL_FAST, V(mode, 0)
to_kernel:
	mov V(rax, 0), %r11
	mov %rax, %rsp
	mov %r11, %rax
	mov $0x202, %r11d
	sysretq

	/* A hypercall, or user code whose way is not the common one. */
not_user_fast:
	cmpl $KERNEL_FAST, V(mode, 0)
	jne not_fast
	cmp $HYPERCALL_IRET, %rax
	jne hypercall
	mov PC(rsp), %rax
	mov %rax, %rcx
	shr $MICA_VA_SHIFT, %rcx
	cmp $MICA_VA_TOP, %ecx
	je iret_slow
	SMAP_OPEN
	testl $VGCF_IN_SYSCALL, 24(%rax)
	jnz iret_slow
	mov 48(%rax), %r11d
	and $RFLAGS_IRET_MAY | 0x200, %r11d
	test $0x200, %r11d		/* back to where events are masked: C sets the mask */
	jz iret_slow
	movzwl 64(%rax), %ecx
	or $3, %ecx
	push %rcx			/* ss */
	push 56(%rax)			/* rsp */
	push %r11			/* rflags */
	movzwl 40(%rax), %ecx
	lea 1(%rcx), %r11d		/* low two bits clear: to the guest's user */
	or $3, %ecx
	push %rcx			/* cs */
	push 32(%rax)			/* rip */
	mov V(info, 40), %rcx
	movb $0, INFO_mask(%rcx)	/* then look: pairs with upcall_raise() */
	cmpb $0, INFO_pending(%rcx)
	jne iret_slow
	test $3, %r11b
	jnz iret_kernel
	mov V(user_cr3, 40), %rcx
	test %rcx, %rcx
	jz iret_slow
	mov 8(%rax), %r11
	push 0(%rax)
	mov 16(%rax), %rax
	SMAP_CLOSE
	movl $USER_FAST, V(mode, 48)
	mov %rcx, %cr3
	mov %rax, %rcx
	pop %rax
	swapgs
entry_bounce_iretq:
	iretq
iret_kernel:
	mov 16(%rax), %rcx
	mov 8(%rax), %r11
	mov 0(%rax), %rax
	SMAP_CLOSE
	jmp entry_bounce_iretq

	/*
	 * #PF. The CPU pushed ss, rsp, rflags, cs, rip and the error code at V, if it came from ring 3. U clear: a
	 * descriptor could not be read (pv_ldt_fault).
	 */
	.balign 64
entry_page_fault:
	testb $3, 16(%rsp)
	jz page_fault_slow
	testb $PF_USER, 0(%rsp)
	jz page_fault_slow
	cmpl $USER_FAST, V(mode, 48)
	jne page_fault_kernel
	mov %rax, V(rax, 48)
	mov %rcx, V(rcx, 48)
	mov V(info, 48), %rcx
	cmpb $0, INFO_mask(%rcx)
	jne page_fault_unsave
	mov %cr2, %rax
	mov %rax, INFO_cr2(%rcx)
	movb $1, INFO_mask(%rcx)
	mov V(kernel_cr3, 48), %rax
	mov %rax, %cr3
	mov V(fault_sp, 48), %rax
	mov V(rcx, 48), %rcx
	SMAP_OPEN
	mov %rcx, 0(%rax)
	mov %r11, 8(%rax)
	pop %rcx
	mov %rcx, 16(%rax)		/* error code */
	pop %rcx
	mov %rcx, 24(%rax)		/* rip */
	pop %rcx
	movzwl %cx, %ecx
	mov %rcx, 32(%rax)		/* cs */
	pop %rcx
	mov %rcx, 40(%rax)		/* rflags */
	pop %rcx
	mov %rcx, 48(%rax)		/* rsp */
	pop %rcx
	movzwl %cx, %ecx
	mov %rcx, 56(%rax)		/* ss */
	SMAP_CLOSE
	mov V(fault_rip, 0), %rcx
	jmp to_kernel_from_user

	/* From the guest's kernel: same stack, same root. A write to a page that is there may be one to a table. */
page_fault_kernel:
	cmpl $KERNEL_FAST, V(mode, 48)
	jne page_fault_slow
	mov %rax, V(rax, 48)
	mov 0(%rsp), %eax
	and $PF_PRESENT | PF_WRITE, %eax
	cmp $PF_PRESENT | PF_WRITE, %eax
	je page_fault_unsave_rax
	mov %rcx, V(rcx, 48)
	mov 32(%rsp), %rax
	and $-16, %rax
	sub $64, %rax
	mov %rax, %rcx
	shr $MICA_VA_SHIFT, %rcx
	cmp $MICA_VA_TOP, %ecx
	je page_fault_unsave
	SMAP_OPEN
	mov V(rcx, 48), %rcx
	mov %rcx, 0(%rax)
	mov %r11, 8(%rax)
	pop %rcx
	and $~PF_USER, %ecx
	mov %rcx, 16(%rax)		/* error code */
	pop %rcx
	mov %rcx, 24(%rax)		/* rip */
	pop %rcx
	movzwl %cx, %ecx
	and $~3, %ecx
	mov %ecx, 32(%rax)		/* cs, and above it the event mask */
	pop %r11			/* rflags */
	pop %rcx
	mov %rcx, 48(%rax)		/* rsp */
	pop %rcx
	movzwl %cx, %ecx
	mov %rcx, 56(%rax)		/* ss */
	mov V(info, 0), %rcx
	movl $0, 36(%rax)
	cmpb $0, INFO_mask(%rcx)
	je 1f
	movl $1, 36(%rax)
	and $~0x200, %r11d
1:	mov %r11, 40(%rax)
	SMAP_CLOSE
	movb $1, INFO_mask(%rcx)
	mov %cr2, %r11
	mov %r11, INFO_cr2(%rcx)
	mov V(fault_rip, 0), %rcx
	jmp to_kernel
entry_bounce_end:

page_fault_unsave:
	mov V(rcx, 48), %rcx
page_fault_unsave_rax:
	mov V(rax, 48), %rax
page_fault_slow:
	movl $14, 4(%rsp)
	jmp entry_trap

	/* C does the whole of it from the guest's stack; what rcx and r11 held (rip, rflags) is of no use any more. */
iret_slow:
	SMAP_CLOSE
	mov $HYPERCALL_IRET, %eax
	mov PC(v), %rsp
	jmp hypercall
not_fast:
	testb $PV_KERNEL, V(mode, 0)
	jz syscall_save
hypercall:
	pushq $0xe02b
	pushq PC(rsp)
	push %r11
	pushq $0xe033
	push %rcx
	push %rax			/* its number */
	movl $ENTRY_SYSCALL, 4(%rsp)
	sub $REGS_number - REGS_r11, %rsp
	pushq $0			/* rax: the answer */
	PUSH_ARGS
	mov %rax, %rdi
	mov %rsp, %rsi
	IF_ISOLATED 1f
	mov V(c_kernel_cr3, REGS_SIZE - REGS_rdi), %rax
	mov %rax, %cr3
1:	mov PC(stack), %rsp
	GUESS_NOTHING
	CALL_C ENTRY_hypercall
	mov PC(v), %rsp
	test %eax, %eax
	jz hypercall_leave
	IF_ISOLATED 1f
	mov V(kernel_cr3, 0), %rax
	mov %rax, %cr3
1:	BUFFERS_CLEAR
	/* The registers are those of the call, but for arguments and answer; the rest C has kept. SYSRET, to a canonical address. */
	sub $REGS_SIZE - REGS_rdi, %rsp
	POP_ARGS
	mov REGS_rip - REGS_r11(%rsp), %rcx
	shl $16, %rcx
	sar $16, %rcx
	mov REGS_rflags - REGS_r11(%rsp), %r11
	mov REGS_rsp - REGS_r11(%rsp), %rsp
	sysretq

	/* What C has kept goes to the frame as well: another vCPU may go on here. */
hypercall_leave:
	mov %rbx, REGS_rbx - REGS_SIZE(%rsp)
	mov %rbp, REGS_rbp - REGS_SIZE(%rsp)
	mov %r12, REGS_r12 - REGS_SIZE(%rsp)
	mov %r13, REGS_r13 - REGS_SIZE(%rsp)
	mov %r14, REGS_r14 - REGS_SIZE(%rsp)
	mov %r15, REGS_r15 - REGS_SIZE(%rsp)
	mov PC(stack), %rsp
	CLEAR_REGS
	CALL_C ENTRY_hypercall_leave
	jmp entry_resume

syscall_slow:
	mov V(rax, 0), %rax
syscall_save:
	pushq $0xe02b
	pushq PC(rsp)
	push %r11
	pushq $0xe033
	push %rcx
	pushq $0
	movl $ENTRY_SYSCALL, 4(%rsp)
	jmp entry_save

	.balign 32
	.globl entry_syscall32
entry_syscall32:
	mov %rsp, PC(rsp)
	mov PC(v), %rsp
	pushq $0xe02b
	pushq PC(rsp)
	push %r11
	pushq $0xe023
	push %rcx
	pushq $0
	movl $ENTRY_SYSCALL32, 4(%rsp)
	PUSH_REGS
	jmp entry_to_c

/*
 * Overwrites the branch history with taken branches of no meaning: five by five calls, returns and loops (Intel, "Branch
 * History Injection", software sequence). Nothing is done ahead of its end.
 */
	.balign 64
entry_history_clear:
	mov $5, %ecx
	call 1f
	lfence
	ret
	.balign 64
1:	call 2f
	ret
	.balign 64
2:	mov $5, %eax
3:	jmp 4f
	nop
4:	sub $1, %eax
	jnz 3b
	sub $1, %ecx
	jnz 1b
	ret

	.section .entry.data, "a"
	.balign 4096
	.globl entry_data
entry_data:
	.skip 4096

/* Plain text from here on: not aliased. */
	.text
	.globl entry_stack_reset
/* void entry_stack_reset(u64 stack, void (*fn)(void)): forgets the present stack and goes on in fn, which does not return. */
entry_stack_reset:
	mov %rdi, %rsp
	xor %ebp, %ebp
	call *%rsi
	ud2

	.globl entry_guest_start
/* void entry_guest_start(u64 resume): first entry to a guest on this CPU, by its alias of entry_resume. */
entry_guest_start:
	jmp *%rdi

/*
 * void entry_probe_enter(u64 rip, u64 rsp, u64 rflags): to ring 3, and back by the next trap, whose handler is
 * entry_probe_leave (probe.c).
 */
	.globl entry_probe_enter, entry_probe_leave
entry_probe_enter:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, probe_rsp(%rip)
	pushq $0xe02b
	push %rsi
	push %rdx
	pushq $0xe033
	push %rdi
	iretq
entry_probe_leave:
	mov probe_rsp(%rip), %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret
	.local probe_rsp
	.comm probe_rsp, 8, 8

	.globl entry_resume_offset
	.section .rodata
	.balign 8
entry_resume_offset:
	.quad entry_resume - entry_stubs

	.section .note.GNU-stack, "", @progbits

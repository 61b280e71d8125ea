/* SPDX-License-Identifier: MIT */
/*
 * Every way into Mica and the one way out to a guest. This text is mapped once for each CPU, and behind it that CPU's
 * own struct entry_cpu, so `entry_data + ENTRY_x (%rip)` is this CPU's. Calls C only through pointers found there.
 *
 *	from ring 3	the CPU (or the SYSCALL stub) pushes onto V, the end of the vCPU's register frame; the rest follows,
 *			so the frame is saved where it belongs. Then the CPU's stack, and C.
 *	from ring 0	(an interrupt, or a fault with an exception-table entry) everything on the stack in use.
 *	IST		NMI, #MC, #DF, #DB: on their own stacks, whatever was going on.
 */
#include "asm_offsets.h"

/* Patched to CLAC where SMAP is on (hw/x86/smap.c). */
.macro SMAP_CLOSE
9999:	.byte 0x0f, 0x1f, 0x00
	.pushsection .smap_sites, "a"
	.quad 9999b, 0
	.popsection
.endm

.macro PUSH_REGS
	push %rdi
	push %rsi
	push %rdx
	push %rcx
	push %rax
	push %r8
	push %r9
	push %r10
	push %r11
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
.endm

.macro POP_REGS
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rax
	pop %rcx
	pop %rdx
	pop %rsi
	pop %rdi
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
	mov entry_data + ENTRY_stack(%rip), %rsp
	lfence
	call *entry_data + ENTRY_trap_guest(%rip)
	/* C has decided who goes on: its frame ends at V. Interrupts are off. */
entry_resume:
	mov entry_data + ENTRY_v(%rip), %rsp
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
	PUSH_REGS
	mov %rsp, %rdi
	call *entry_data + ENTRY_trap_own(%rip)
	POP_REGS
	add $8, %rsp
	iretq

/* The guest's frame cannot be returned to: its five words still end at V, its registers are all loaded. Save again. */
entry_iret_fault:
	mov entry_data + ENTRY_v(%rip), %rsp
	sub $40, %rsp
	push $0
	movl $ENTRY_IRET_FAULT, 4(%rsp)
	jmp entry_save

entry_ist:
	cld
	PUSH_REGS
	mov %rsp, %rdi
	lfence
	call *entry_data + ENTRY_trap_ist(%rip)
	test %rax, %rax
	jnz entry_to_c		/* the frame was copied to the vCPU: go on as if it had come there */
	POP_REGS
	add $8, %rsp
	iretq

	.balign 32
	.globl entry_syscall
entry_syscall:
	SMAP_CLOSE
	mov %rsp, entry_data + ENTRY_rsp(%rip)
	mov entry_data + ENTRY_v(%rip), %rsp
	pushq $0xe02b
	pushq entry_data + ENTRY_rsp(%rip)
	push %r11
	pushq $0xe033
	push %rcx
	pushq $0
	movl $ENTRY_SYSCALL, 4(%rsp)
	PUSH_REGS
	jmp entry_to_c

	.balign 32
	.globl entry_syscall32
entry_syscall32:
	SMAP_CLOSE
	mov %rsp, entry_data + ENTRY_rsp(%rip)
	mov entry_data + ENTRY_v(%rip), %rsp
	pushq $0xe02b
	pushq entry_data + ENTRY_rsp(%rip)
	push %r11
	pushq $0xe023
	push %rcx
	pushq $0
	movl $ENTRY_SYSCALL32, 4(%rsp)
	PUSH_REGS
	jmp entry_to_c

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

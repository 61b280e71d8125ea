/* SPDX-License-Identifier: MIT */
/*
 * hw_foreign_call, hw_foreign_leave: a call on another stack, with a way out. Reached by boot/unpack.c. No lock: the stack
 * pointer of the one call under way is in foreign_rsp.
 */
	.text
	.globl hw_foreign_call
	.type hw_foreign_call, @function
hw_foreign_call:			/* rdi fn, rsi arg, rdx stack top */
	push %rbp
	push %rbx
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, foreign_rsp(%rip)
	mov %rdi, %rax
	mov %rsi, %rdi
	mov %rdx, %rsp
	xor %ebp, %ebp
	call *%rax
	mov %rax, %rdi
	.globl hw_foreign_leave
	.type hw_foreign_leave, @function
hw_foreign_leave:			/* rdi result */
	cld
	mov %rdi, %rax
	mov foreign_rsp(%rip), %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbx
	pop %rbp
	ret
	.size hw_foreign_call, . - hw_foreign_call

	.bss
	.balign 8
foreign_rsp:
	.skip 8

	.section .note.GNU-stack, "", @progbits

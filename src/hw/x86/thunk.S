/* SPDX-License-Identifier: MIT */
/*
 * Where the compiler sends every indirect call and jump (-mindirect-branch=thunk-extern, -mretpoline-external-thunk): a jump,
 * or, where the CPU's guess could be a guest's, a return whose guess leads into a loop (PATCH_THUNK).
 */
#include "hw/patch.h"

.macro THUNK reg, jump:vararg
	.section .text.thunk.\reg, "ax"
	.balign 32
	.globl __x86_indirect_thunk_\reg
__x86_indirect_thunk_\reg:
9999:	.byte \jump
	.pushsection .patch_sites, "a"
	.quad 9999b, PATCH_THUNK, 0
	.popsection
	call 2f
1:	pause
	lfence
	jmp 1b
2:	mov %\reg, (%rsp)
	ret
.endm

	/* jmp *%reg, of three bytes */
	THUNK rax, 0x3e, 0xff, 0xe0
	THUNK rcx, 0x3e, 0xff, 0xe1
	THUNK rdx, 0x3e, 0xff, 0xe2
	THUNK rbx, 0x3e, 0xff, 0xe3
	THUNK rbp, 0x3e, 0xff, 0xe5
	THUNK rsi, 0x3e, 0xff, 0xe6
	THUNK rdi, 0x3e, 0xff, 0xe7
	THUNK r8, 0x41, 0xff, 0xe0
	THUNK r9, 0x41, 0xff, 0xe1
	THUNK r10, 0x41, 0xff, 0xe2
	THUNK r11, 0x41, 0xff, 0xe3
	THUNK r12, 0x41, 0xff, 0xe4
	THUNK r13, 0x41, 0xff, 0xe5
	THUNK r14, 0x41, 0xff, 0xe6
	THUNK r15, 0x41, 0xff, 0xe7

	.globl __llvm_retpoline_r11	/* clang's name of the one that it uses */
	.set __llvm_retpoline_r11, __x86_indirect_thunk_r11

	.section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: MIT */
/*
 * Test guests: ELF notes, the first instruction, every way in from the hypervisor, and the way to user mode and back.
 * Runs at the hypervisor's mercy: no red zone is used, as an exception of the kernel comes onto the current stack.
 */
#include <xen/elfnote.h>

#define IRET 23
#define KERNEL_STACK_BYTES 16384

.macro note type, value:vararg
	.pushsection .note.Xen, "a", @note
	.balign 4
	.long 4, 6f - 5f, \type
	.asciz "Xen"
5:	\value
6:	.balign 4
	.popsection
.endm

	note XEN_ELFNOTE_GUEST_OS, .asciz "mica-test"
	note XEN_ELFNOTE_GUEST_VERSION, .asciz "1"
	note XEN_ELFNOTE_XEN_VERSION, .asciz "xen-3.0"
	note XEN_ELFNOTE_LOADER, .asciz "generic"
	note XEN_ELFNOTE_VIRT_BASE, .quad 0xffffffff80000000
	note XEN_ELFNOTE_PADDR_OFFSET, .quad 0
	note XEN_ELFNOTE_ENTRY, .quad _start
	note XEN_ELFNOTE_HYPERCALL_PAGE, .quad hypercall_page
	note XEN_ELFNOTE_FEATURES, .asciz "!writable_page_tables|pae_pgdir_above_4gb"
	note XEN_ELFNOTE_SUPPORTED_FEATURES, .long 0x8801
	note XEN_ELFNOTE_PAE_MODE, .asciz "yes"

	.section .text.start, "ax"
	.globl _start, hypercall_page
_start:
	cld
	mov %rsp, boot_stack(%rip)
	lea kernel_stack + KERNEL_STACK_BYTES(%rip), %rsp
	xor %ebp, %ebp
	mov %rsi, %rdi
	call guest_start
	ud2

	.balign 4096
hypercall_page:
	.skip 4096

	.bss
	.balign 4096
	.globl kernel_stack, kernel_stack_top
kernel_stack:
	.skip KERNEL_STACK_BYTES
kernel_stack_top:

	.text
/* All registers as struct regs (guest.h) wants them; rcx and r11 come from what the hypervisor pushed. */
.macro save_all
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
.macro restore_all
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

/* With error code: the frame is rcx r11 error rip cs rflags rsp ss. */
.macro entry_error vector
	pop %rcx
	pop %r11
	pushq $\vector
	jmp trap_common
.endm
.macro entry_plain vector
	pop %rcx
	pop %r11
	pushq $0
	pushq $\vector
	jmp trap_common
.endm

	.globl trap_entries
	.balign 16
trap_entries:
vector = 0
.rept 256
	.balign 16
	.if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21
	entry_error vector
	.else
	entry_plain vector
	.endif
	vector = vector + 1
.endr

trap_common:
	save_all
	mov %rsp, %rdi
	mov %rsp, %rbp
	and $-16, %rsp
	call trap_handle
	mov %rbp, %rsp
	.globl trap_return
trap_return:
	restore_all
	add $16, %rsp			/* vector, error code */
iret_now:
	pushq $0
	push %rcx
	push %r11
	push %rax
	mov $IRET, %eax
	syscall
	ud2

/* Callbacks come as exceptions without error code do; pseudo vectors of guest.h tell them apart. */
	.globl entry_event, entry_nmi, entry_syscall, entry_syscall32, entry_failsafe
entry_event:
	entry_plain 256
entry_nmi:
	entry_plain 257
entry_syscall:
	entry_plain 258
entry_syscall32:
	entry_plain 259
/* The frame begins with ds es fs gs here. */
entry_failsafe:
	pop %rcx
	pop %r11
	add $32, %rsp
	pushq $0
	pushq $260
	jmp trap_common

/*
 * void user_enter(struct user *u): loads what u holds and goes to user mode; comes back by user_leave().
 * u: kernel rsp, rax, rbx, rcx, rdx, rsi, rdi, r11, flags, rip, cs, rflags, rsp, ss
 */
	.globl user_enter, user_leave
user_enter:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, 0(%rdi)
	pushq 104(%rdi)
	pushq 96(%rdi)
	pushq 88(%rdi)
	pushq 80(%rdi)
	pushq 72(%rdi)
	pushq 64(%rdi)
	pushq 24(%rdi)
	pushq 56(%rdi)
	pushq 8(%rdi)
	mov 16(%rdi), %rbx
	mov 32(%rdi), %rdx
	mov 40(%rdi), %rsi
	mov 48(%rdi), %rdi
	mov $IRET, %eax
	syscall
	ud2
/* void user_leave(u64 kernel_rsp): returns from user_enter(). */
user_leave:
	mov %rdi, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

/* long jump_guarded(fn): calls fn; a fault inside that no row of extable knows returns 1 from here, else 0. */
	.globl call_guarded, call_guarded_return
call_guarded:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	sub $8, %rsp
	mov %rsp, guarded_stack(%rip)
	call *%rdi
	xor %eax, %eax
1:	movq $0, guarded_stack(%rip)
	add $8, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret
call_guarded_return:
	mov guarded_stack(%rip), %rsp
	mov $1, %eax
	jmp 1b

/* The first instructions of a further vCPU: rsp and rdi (its function) are set. */
	.globl vcpu_start
vcpu_start:
	call *%rdi
	ud2
	.section .note.GNU-stack, "", @progbits

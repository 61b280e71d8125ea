/* SPDX-License-Identifier: MIT */
/*
 * The first instructions. A Multiboot loader enters boot_start in 32-bit protected mode without paging, eax = magic,
 * ebx = its information. This turns on long mode with the first 4 GiB mapped three times (identity, image, direct
 * map), takes the boot CPU's stack block and calls boot_main(). Calls nothing else.
 */
#include "hw/layout.h"

#define PHYS(symbol) ((symbol) - LAYOUT_IMAGE)
#define STACK_BLOCK 0x10000

	.section .multiboot, "a"
	.balign 8
multiboot1:
	.long 0x1badb002
	.long 0x00010003		/* page-aligned modules, memory map, a.out addresses */
	.long -(0x1badb002 + 0x00010003)
	.long PHYS(multiboot1)
	.long PHYS(image_start)
	.long PHYS(image_load_end)
	.long PHYS(image_end)
	.long PHYS(boot_start)
	.balign 8
multiboot2:
	.long 0xe85250d6, 0, multiboot2_end - multiboot2, -(0xe85250d6 + 0 + (multiboot2_end - multiboot2))
	.balign 8
	.short 6, 0			/* modules page-aligned */
	.long 8
	.balign 8
	.short 3, 0			/* entry address */
	.long 12
	.long PHYS(boot_start)
	.balign 8
	.short 4, 1			/* console: EGA text is fine */
	.long 12
	.long 2
	.balign 8
	.short 0, 0
	.long 8
multiboot2_end:

	.section .boot.text, "ax"
	.code32
	.globl boot_start
boot_start:
	cli
	cld
	mov %eax, %esi
	mov %ebx, %ebp
	xor %eax, %eax			/* the loader may have left .bss as it was */
	mov $PHYS(bss_start), %edi
	mov $PHYS(image_end), %ecx
	sub %edi, %ecx
	shr $2, %ecx
	rep stosl
	mov %esi, %edi

	mov $0x80000000, %eax
	cpuid
	cmp $0x80000001, %eax
	jb no_long_mode
	mov $0x80000001, %eax
	cpuid
	bt $29, %edx
	jnc no_long_mode
	mov %edx, %esi			/* bit 20: NX */

	/* 4 GiB by 2 MiB pages */
	mov $PHYS(boot_l2), %ebx
	mov $0x83, %eax
	xor %ecx, %ecx
1:	mov %eax, (%ebx, %ecx, 8)
	add $0x200000, %eax
	inc %ecx
	cmp $2048, %ecx
	jb 1b
	mov $PHYS(boot_l3), %ebx
	mov $PHYS(boot_l2) + 3, %eax
	mov %eax, (%ebx)
	add $4096, %eax
	mov %eax, 8(%ebx)
	add $4096, %eax
	mov %eax, 16(%ebx)
	add $4096, %eax
	mov %eax, 24(%ebx)
	mov $PHYS(boot_l4), %ebx
	mov $PHYS(boot_l3) + 3, %eax
	mov %eax, (%ebx)
	mov %eax, 261 * 8(%ebx)
	mov %eax, 262 * 8(%ebx)

	mov %ebx, %cr3
	mov $0x20, %eax			/* CR4.PAE */
	mov %eax, %cr4
	mov $0xc0000080, %ecx
	rdmsr
	or $0x101, %eax			/* EFER.LME, SCE */
	bt $20, %esi
	jnc 2f
	or $0x800, %eax			/* NXE */
2:	wrmsr
	mov $0x80010021, %eax		/* PG WP NE PE */
	mov %eax, %cr0
	lgdt PHYS(boot_gdt_pointer)
	ljmp $8, $PHYS(boot_long)

no_long_mode:
	mov $PHYS(no_long_mode_text), %esi
	mov $0x3f8, %edx
3:	lodsb
	test %al, %al
	jz 4f
	out %al, %dx
	jmp 3b
4:	hlt
	jmp 4b

	.code64
boot_long:
	movabs $boot_high, %rax
	jmp *%rax
boot_high:
	mov $16, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	lea boot_cpu_block + STACK_BLOCK(%rip), %rsp
	mov %edi, %edi
	mov %ebp, %esi
	xor %ebp, %ebp
	call boot_main
5:	hlt
	jmp 5b

/*
 * The way of every further CPU: boot/smp.c copies this page below 1 MiB and starts it there by SIPI, in real
 * mode with CS = page << 8. It fills in trampoline_stack first.
 */
	.balign 16
	.code16
	.globl trampoline_start, trampoline_end, trampoline_stack, trampoline_cr3, trampoline_entry, trampoline_efer
trampoline_start:
	cli
	cld
	mov %cs, %ax
	mov %ax, %ds
	movzwl %ax, %ebx
	shl $4, %ebx			/* linear address of this page */
	lea trampoline_gdt - trampoline_start(%ebx), %eax
	mov %eax, trampoline_gdt_pointer - trampoline_start + 2
	lea trampoline_32 - trampoline_start(%ebx), %eax
	mov %eax, trampoline_jump - trampoline_start
	lgdtl trampoline_gdt_pointer - trampoline_start
	mov %cr0, %eax
	or $1, %eax
	and $0x9fffffff, %eax		/* caches on */
	mov %eax, %cr0
	ljmpl *(trampoline_jump - trampoline_start)
	.code32
trampoline_32:
	mov $24, %eax
	mov %eax, %ds
	mov %eax, %ss
	mov $0x20, %eax
	mov %eax, %cr4
	mov trampoline_cr3 - trampoline_start(%ebx), %eax
	mov %eax, %cr3
	mov $0xc0000080, %ecx
	mov trampoline_efer - trampoline_start(%ebx), %eax
	xor %edx, %edx
	wrmsr
	mov $0x80010021, %eax
	mov %eax, %cr0
	lea trampoline_end - trampoline_start + 256(%ebx), %esp
	push $16
	lea trampoline_64 - trampoline_start(%ebx), %eax
	push %eax
	lretl
	.code64
trampoline_64:
	mov trampoline_stack - trampoline_start(%rbx), %rsp
	mov trampoline_entry - trampoline_start(%rbx), %rax
	xor %ebp, %ebp
	call *%rax
6:	hlt
	jmp 6b
	.balign 8
trampoline_gdt:
	.quad 0
	.quad 0x00cf9b000000ffff	/* 8: 32-bit code */
	.quad 0x00af9b000000ffff	/* 16: 64-bit code */
	.quad 0x00cf93000000ffff	/* 24: data */
trampoline_gdt_pointer:
	.short 31
	.long 0
trampoline_jump:
	.long 0
	.short 8
	.balign 8
trampoline_stack:
	.quad 0
trampoline_cr3:
	.quad 0
trampoline_entry:
	.quad 0
trampoline_efer:
	.quad 0
trampoline_end:

	.balign 8
boot_gdt:
	.quad 0
	.quad 0x00af9b000000ffff	/* 8: 64-bit code */
	.quad 0x00cf93000000ffff	/* 16: data */
boot_gdt_pointer:
	.short 23
	.long PHYS(boot_gdt)
no_long_mode_text:
	.asciz "Mica: this CPU has no long mode\r\n"

	/* First in .bss, which the linker script puts on a 64 KiB boundary (an alignment here would move the file's start). */
	.section .bss.aligned, "aw", @nobits
	.balign 4096
	.globl boot_cpu_block
boot_cpu_block:
	.skip STACK_BLOCK
boot_l4:
	.skip 4096
boot_l3:
	.skip 4096
boot_l2:
	.skip 4 * 4096

	.section .note.GNU-stack, "", @progbits

/* SPDX-License-Identifier: MIT */
/* uses: test/fake/whole.c */
/*
 * Traps of a PV guest on the whole machine: bounced into its kernel with the frame that the ABI says, back by the iret hypercall,
 * or mended: privileged instructions, ports, writes to page tables, descriptors of an LDT that are wanted.
 */
#include "whole.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/log.h"
#include "debug/debug.h"
#include "entry/entry_cpu.h"
#include "hw/asm.h"
#include "hw/io.h"
#include "hw/clock.h"
#include "hw/features.h"
#include "lib/errno.h"
#include "lib/rangeset.h"
#include "policy/policy.h"
#include "sched/sched.h"

static struct vcpu *v;
static struct regs *regs;
#define CALL(name, ...) guest_call(v, __HYPERVISOR_##name, __VA_ARGS__)

#define HANDLER(vector) (0xffffffff80100200ull + 16 * (vector))
#define EVENT		0xffffffff80101800ull
#define FAILSAFE	0xffffffff80101810ull
#define SYSCALL		0xffffffff80101820ull
#define SYSCALL32	0xffffffff80101830ull
#define NMI		0xffffffff80101840ull
#define CODE_PAGE	50u
#define STACK_TOP	guest_va(61)
#define KERNEL_STACK	guest_va(64)
#define UD		6
#define NM		7
#define GP		13
#define PF		14
#define LDT_PAGE	70u

/* What was pushed, rcx first. */
static const u64 *frame(void)
{
	return guest_ptr(regs->rsp);
}

static u64 root(void)
{
	return mfn_num(v->mm->root_kernel);
}

static void kernel_at(u64 rip)
{
	regs->rip = rip;
	regs->rsp = STACK_TOP;
	regs->cs = FLAT_KERNEL_CS;
	regs->ss = FLAT_KERNEL_SS;
	regs->rflags = 0x202;
	v->pv->page->entry.mode = PV_KERNEL;
}

/* The guest's kernel goes to its user code by iret, as Linux does. */
static void to_user(u64 rip, u64 rsp, u64 flags)
{
	struct iret_context *iret = guest_ptr(guest_va(62));

	*iret = (struct iret_context){.rax = 0xaa,
				      .r11 = 0xbb,
				      .rcx = 0xcc,
				      .flags = flags,
				      .rip = rip,
				      .cs = FLAT_RING3_CS64,
				      .rflags = 0x3202, /* IOPL is not the guest's to load */
				      .rsp = rsp,
				      .ss = FLAT_RING3_SS64};
	regs->rsp = guest_va(62);
	regs->rax = __HYPERVISOR_iret;
	regs->rip += 2;
	guest_trap(v, VECTOR_SYSCALL, 0);
}

static void bounced_in_kernel(void **state)
{
	(void)state;
	kernel_at(guest_va(CODE_PAGE));
	regs->rcx = 0x1111;
	regs->r11 = 0x2222;
	regs->rsp -= 8; /* not aligned */
	regs->rflags = 0x202 | RFLAGS_TF | RFLAGS_NT | RFLAGS_AC | RFLAGS_DF;
	guest_trap(v, 0, 0);
	assert_int_equal(regs->rip, HANDLER(0));
	assert_int_equal(regs->rsp & 15, 8); /* seven words below an aligned place */
	assert_int_equal(regs->rflags & (RFLAGS_TF | RFLAGS_NT | RFLAGS_AC | RFLAGS_DF), 0);
	assert_int_equal(frame()[0], 0x1111);
	assert_int_equal(frame()[1], 0x2222);
	assert_int_equal(frame()[2], guest_va(CODE_PAGE));
	assert_int_equal((u32)frame()[3], FLAT_KERNEL_CS & ~3);
	assert_int_equal(frame()[3] >> 32, 1); /* events were masked */
	assert_int_equal(frame()[4] & RFLAGS_IF, 0);
	assert_int_equal(frame()[5], STACK_TOP - 8);
	assert_int_equal(frame()[6], FLAT_KERNEL_SS);
	/* With an error code, and a gate that masks events. */
	kernel_at(guest_va(CODE_PAGE));
	v->info->evtchn_upcall_mask = 0;
	v->info->evtchn_upcall_pending = 0;
	guest_trap(v, 12, 0x55);
	assert_int_equal(regs->rip, HANDLER(12));
	assert_int_equal(frame()[2], 0x55);
	assert_int_equal(frame()[4] >> 32, 0);
	assert_true(frame()[5] & RFLAGS_IF);
	assert_int_equal(v->info->evtchn_upcall_mask, 1);
}

static void page_faults(void **state)
{
	(void)state;
	kernel_at(guest_va(CODE_PAGE));
	hw_cr2_write(0x1234567000);
	guest_trap(v, PF, 7);
	assert_int_equal(regs->rip, HANDLER(PF));
	assert_int_equal(v->info->arch.cr2, 0x1234567000);
	assert_int_equal(frame()[2], 3); /* its kernel is not "user" */
	kernel_at(guest_va(CODE_PAGE));
	to_user(0x400000, 0x7fff0000, 0);
	guest_trap(v, PF, 6);
	assert_true(pv_is_kernel(v));
	assert_int_equal(frame()[2], 6);
	assert_int_equal((u32)frame()[4], FLAT_RING3_CS64);
	assert_int_equal(regs->rsp + 8 * 8, KERNEL_STACK);
}

static void to_user_and_back(void **state)
{
	u64 kernel_gs, user_gs;

	(void)state;
	assert_int_equal(CALL(set_segment_base, SEGBASE_GS_KERNEL, 0x1000), 0);
	assert_int_equal(CALL(set_segment_base, SEGBASE_GS_USER, 0x2000), 0);
	kernel_at(guest_va(CODE_PAGE));
	to_user(0x400000, 0x7fff0000, 0);
	assert_false(pv_is_kernel(v));
	assert_int_equal(regs->rip, 0x400000);
	assert_int_equal(regs->rsp, 0x7fff0000);
	assert_int_equal(regs->cs, FLAT_RING3_CS64);
	assert_int_equal(regs->rax, 0xaa);
	assert_int_equal(regs->rcx, 0xcc);
	assert_int_equal(regs->r11, 0xbb);
	assert_int_equal(regs->rflags & RFLAGS_IOPL, 0);
	assert_int_equal(v->info->evtchn_upcall_mask, 0);
	kernel_gs = *fake_msr(MSR_KERNEL_GS_BASE);
	user_gs = *fake_msr(MSR_GS_BASE);
	assert_int_equal(kernel_gs, 0x1000);
	assert_int_equal(user_gs, 0x2000);
	assert_int_equal(hw_cr3_read() >> PAGE_SHIFT, mfn_num(v->mm->root_user));
	/* A system call of its user, 64-bit, 32-bit, and int 0x80. */
	regs->rax = 39;
	guest_trap(v, VECTOR_SYSCALL, 0);
	assert_int_equal(regs->rip, SYSCALL);
	assert_int_equal(regs->rax, 39);
	assert_int_equal(frame()[2], 0x400000);
	assert_int_equal(*fake_msr(MSR_GS_BASE), 0x1000);
	assert_int_equal(hw_cr3_read() >> PAGE_SHIFT, root());
	regs->rcx = 0x77;
	to_user(0x400000, 0x7fff0000, VGCF_in_syscall);
	assert_int_equal(regs->rcx, 0x400000); /* as SYSRET leaves them */
	assert_int_equal(regs->r11, regs->rflags);
	guest_trap(v, VECTOR_SYSCALL32, 0);
	assert_int_equal(regs->rip, SYSCALL32);
	assert_int_equal(v->info->evtchn_upcall_mask, 1);
	to_user(0x400000, 0x7fff0000, 0);
	guest_trap(v, 0x80, 0);
	assert_int_equal(regs->rip, HANDLER(0x80));
	/* int3 has its gate open, int 4 not: #GP there, at the instruction. */
	to_user(0x400001, 0x7fff0000, 0);
	guest_trap(v, 3, 0);
	assert_int_equal(regs->rip, HANDLER(3));
	to_user(0x400001, 0x7fff0000, 0);
	guest_trap(v, 4, 0);
	assert_int_equal(regs->rip, HANDLER(GP));
	assert_int_equal(frame()[2], 4 << 3 | 2);
	assert_int_equal(frame()[3], 0x400000);
	/* int 0x21 by #GP: the guest's table opens it. int 0x22 stays closed. */
	to_user(0x400000, 0x7fff0000, 0);
	guest_trap(v, GP, 0x21 << 3 | 2);
	assert_int_equal(regs->rip, HANDLER(0x21));
	assert_int_equal(frame()[2], 0x400002);
	to_user(0x400000, 0x7fff0000, 0);
	guest_trap(v, GP, 0x22 << 3 | 2);
	assert_int_equal(regs->rip, HANDLER(GP));
	/* A system call without a callback is #GP at the instruction. */
	v->pv->syscall32.rip = 0;
	to_user(0x400002, 0x7fff0000, 0);
	guest_trap(v, VECTOR_SYSCALL32, 0);
	assert_int_equal(regs->rip, HANDLER(GP));
	assert_int_equal(frame()[3], 0x400000);
	v->pv->syscall32.rip = SYSCALL32;
}

static void events_and_nmi(void **state)
{
	struct trap_info *table = guest_ptr(guest_va(1));

	(void)state;
	kernel_at(guest_va(CODE_PAGE));
	v->info->evtchn_upcall_mask = 0;
	v->info->evtchn_upcall_pending = 1;
	guest_trap(v, 0xf0, 0); /* any interrupt: the way out looks */
	assert_int_equal(regs->rip, EVENT);
	assert_int_equal(v->info->evtchn_upcall_mask, 1);
	assert_int_equal(frame()[3] >> 32, 0);
	guest_trap(v, 0xf0, 0);
	assert_int_equal(regs->rip, EVENT); /* once */
	v->info->evtchn_upcall_pending = 0;
	/* The handler is a row of the table: Linux registers no other. Until it is there one waits. */
	kernel_at(guest_va(CODE_PAGE));
	pv_nmi_send(v);
	guest_trap(v, 0xf0, 0);
	assert_int_equal(regs->rip, guest_va(CODE_PAGE));
	assert_int_equal(v->pv->nmi_pending, 1);
	table[0] = (struct trap_info){PV_VECTOR_NMI, 4, FLAT_KERNEL_CS, NMI};
	table[1].address = 0;
	assert_int_equal(CALL(set_trap_table, guest_va(1)), 0);
	assert_int_equal(regs->rip, NMI);
	assert_int_equal(v->pv->nmi_pending, 0);
	kernel_at(guest_va(CODE_PAGE));
	work_raise(0, WORK_NMI);
	guest_trap(v, 0xf0, 0);
	assert_int_equal(regs->rip, NMI);
	assert_int_equal(v->pv->nmi_pending, 0);
	v->pv->traps[PV_VECTOR_NMI].address = 0;
}

static void debug_and_fpu(void **state)
{
	(void)state;
	kernel_at(guest_va(CODE_PAGE));
	hw_dr6_write(0xffff4ff1);
	guest_trap(v, 1, 0);
	assert_int_equal(regs->rip, HANDLER(1));
	assert_int_equal(v->pv->dr[6], 0xffff4ff1);
	assert_int_equal(hw_dr6_read(), 0xffff0ff0);
	assert_int_equal(CALL(fpu_taskswitch, 1), 0);
	kernel_at(guest_va(CODE_PAGE));
	guest_trap(v, NM, 0);
	assert_int_equal(regs->rip, HANDLER(NM));
	assert_false(hw_cr0_read() & CR0_TS);
	assert_false(v->pv->cr0_ts);
}

static void failsafe(void **state)
{
	(void)state;
	kernel_at(guest_va(CODE_PAGE));
	hw_ds_load(0x11);
	hw_es_load(0x22);
	hw_fs_load(0x33);
	hw_gs_load(0x44);
	guest_trap(v, 0x102, 0); /* IRETQ faulted */
	assert_int_equal(regs->rip, FAILSAFE);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(frame()[2 + i], 0x11 * (i + 1));
	assert_int_equal(frame()[6], guest_va(CODE_PAGE));
}

/* ---------------------------------------------------------------- privileged instructions */

/* Runs one at the code page, where it faulted with #GP. True: rip is behind it. */
static bool insn(const char *bytes, size_t len)
{
	u8 *code = guest_ptr(guest_va(CODE_PAGE));

	memset(code, 0xcc, 32);
	memcpy(code, bytes, len);
	regs->rip = guest_va(CODE_PAGE);
	guest_trap(v, GP, 0);
	if (regs->rip == guest_va(CODE_PAGE) + len)
		return true;
	assert_int_equal(regs->rip, HANDLER(GP));
	assert_int_equal(frame()[3], guest_va(CODE_PAGE));
	kernel_at(guest_va(CODE_PAGE));
	return false;
}
#define INSN(bytes) insn(bytes, sizeof(bytes) - 1)

static void control_registers(void **state)
{
	(void)state;
	kernel_at(0);
	assert_true(INSN("\x0f\x20\xc0")); /* mov rax, cr0 */
	assert_int_equal(regs->rax & CR0_PG, CR0_PG);
	regs->rax |= CR0_TS;
	assert_true(INSN("\x0f\x22\xc0"));
	assert_true(v->pv->cr0_ts);
	assert_true(INSN("\x0f\x20\xc3"));
	assert_true(regs->rbx & CR0_TS);
	assert_true(INSN("\x0f\x06")); /* clts */
	assert_false(v->pv->cr0_ts);
	regs->rax = 1;
	assert_false(INSN("\x0f\x22\xc0")); /* paging off */
	regs->rax = 0x123000;
	assert_true(INSN("\x0f\x22\xd0"));
	assert_int_equal(v->info->arch.cr2, 0x123000);
	assert_true(INSN("\x0f\x20\xd6"));
	assert_int_equal(regs->rsi, 0x123000);
	assert_true(INSN("\x0f\x20\xd8")); /* cr3 */
	assert_int_equal(regs->rax >> PAGE_SHIFT, root());
	assert_true(INSN("\x0f\x22\xd8"));
	assert_int_equal(hw_cr3_read() >> PAGE_SHIFT, root());
	regs->rax = mfn_num(guest_mfn(guest_va(1))) << PAGE_SHIFT; /* no root */
	assert_false(INSN("\x0f\x22\xd8"));
	assert_true(INSN("\x0f\x20\xe0")); /* cr4 */
	regs->rax |= CR4_SMEP | CR4_FSGSBASE;
	assert_true(INSN("\x0f\x22\xe0"));
	assert_true(INSN("\x0f\x20\xe0"));
	assert_int_equal(regs->rax & (CR4_SMEP | CR4_FSGSBASE), CR4_FSGSBASE);
	assert_false(INSN("\x44\x0f\x20\xc0")); /* cr8 */
	assert_false(INSN("\x44\x0f\x22\xc0"));
	regs->rax = HANDLER(1);
	assert_true(INSN("\x0f\x23\xc0")); /* dr0 */
	assert_true(INSN("\x0f\x21\xc7"));
	assert_int_equal(regs->rdi, HANDLER(1));
	regs->rax = LAYOUT_START;
	assert_false(INSN("\x0f\x23\xc0"));
}

static void model_specific_registers(void **state)
{
	(void)state;
	kernel_at(0);
	*fake_msr(MSR_FS_BASE) = 0x7777;
	regs->rcx = MSR_FS_BASE;
	assert_true(INSN("\x0f\x32"));
	assert_int_equal((u32)regs->rax, 0x7777);
	regs->rax = 0x8000;
	regs->rdx = 0;
	assert_true(INSN("\x0f\x30"));
	assert_int_equal(*fake_msr(MSR_FS_BASE), 0x8000);
	regs->rdx = 0x80000000;
	assert_false(INSN("\x0f\x30")); /* not canonical */
	regs->rcx = MSR_TSC_AUX;	/* each vCPU's own */
	regs->rdx = 0;
	assert_true(INSN("\x0f\x30"));
	regs->rax = 0;
	assert_true(INSN("\x0f\x32"));
	assert_int_equal(regs->rax, 0x8000);
	assert_int_equal(*fake_msr(MSR_TSC_AUX), 0x8000);
	regs->rcx = MSR_PAT;
	assert_true(INSN("\x0f\x32"));
	assert_int_equal(regs->rdx << 32 | regs->rax, PAT_FIXED);
	regs->rax = 0;
	assert_false(INSN("\x0f\x30"));
	regs->rcx = 0x8b; /* real for Domain 0, where there is one */
	assert_false(INSN("\x0f\x32"));
	*fake_msr(0x8b) = 0x500000000;
	assert_true(INSN("\x0f\x32"));
	assert_int_equal(regs->rdx, 5);
	regs->rcx = 0x12345678;
	assert_false(INSN("\x0f\x32"));
	assert_false(INSN("\x0f\x30"));
	regs->rcx = 0x79; /* microcode is not loaded that way */
	assert_false(INSN("\x0f\x30"));
}

static void other_instructions(void **state)
{
	(void)state;
	kernel_at(0);
	regs->rax = 1;
	regs->rcx = 0;
	assert_true(INSN("\x0f\xa2"));	   /* cpuid */
	assert_true(regs->rcx & BIT(31));  /* under a hypervisor */
	assert_false(regs->rcx & BIT(21)); /* no x2APIC */
	regs->rax = 0x40000000;
	assert_true(INSN("\x0f\xa2"));
	assert_int_equal((u32)regs->rbx, 0x566e6558); /* XenV */
	/* By CPUID faulting the guest's user gets the same; nothing else that is privileged is done for it. */
	for (unsigned int i = 0; i < 3; i++) {
		const char *const code[] = {"\x0f\xa2", "\x0f\x32",
					    "\x0f\x20\xc0"}; /* cpuid, rdmsr, mov rax, cr0 */

		memcpy(guest_ptr(guest_va(CODE_PAGE)), code[i], 3);
		to_user(guest_va(CODE_PAGE), 0x7fff0000, 0);
		regs->rax = 0x40000000;
		regs->rcx = 0xc0000080;
		regs->rbx = 0;
		guest_trap(v, GP, 0);
		assert_int_equal(regs->rip, i == 0 ? guest_va(CODE_PAGE) + 2 : HANDLER(GP));
		assert_int_equal((u32)regs->rbx, i == 0 ? 0x566e6558 : 0);
		kernel_at(0);
	}
	fake_tsc = 0x1234567890;
	assert_true(INSN("\x0f\x31"));
	assert_int_equal(regs->rdx << 32 | (u32)regs->rax, 0x1234567890);
	assert_true(INSN("\xfa"));
	assert_true(INSN("\xfb"));
	assert_true(INSN("\x0f\x09"));	    /* wbinvd */
	assert_false(INSN("\x0f\x08"));	    /* invd */
	assert_false(INSN("\xf4"));	    /* hlt: there is a call for it */
	assert_false(INSN("\x0f\x01\x38")); /* invlpg likewise */
	regs->rcx = 0;
	regs->rdx = 0;
	regs->rax = 7;
	assert_true(INSN("\x0f\x01\xd1")); /* xsetbv */
	assert_int_equal(v->pv->xcr0, 7);
	assert_true(INSN("\x0f\x01\xd0"));
	assert_int_equal(regs->rax, 7);
	regs->rax = 6; /* without x87 */
	assert_false(INSN("\x0f\x01\xd1"));
	regs->rax = 1 << 9;
	assert_false(INSN("\x0f\x01\xd1"));
	regs->rcx = 1;
	assert_false(INSN("\x0f\x01\xd0"));
	/* A page without anything. */
	regs->rip = LAYOUT_END - 0x1000;
	guest_trap(v, GP, 0);
	assert_int_equal(regs->rip, HANDLER(GP));
	/* Single steps over what is emulated. */
	kernel_at(0);
	regs->rflags |= RFLAGS_TF;
	memcpy(guest_ptr(guest_va(CODE_PAGE)), "\xfa", 1);
	regs->rip = guest_va(CODE_PAGE);
	guest_trap(v, GP, 0);
	assert_int_equal(regs->rip, HANDLER(1));
	assert_true(v->pv->dr[6] & BIT(14));
}

static void forced_emulation(void **state)
{
	u8 *code = guest_ptr(guest_va(CODE_PAGE));

	(void)state;
	kernel_at(guest_va(CODE_PAGE));
	memcpy(code, "\x0f\x0bxen\x0f\xa2", 7);
	regs->rax = 0x40000001;
	guest_trap(v, UD, 0);
	assert_int_equal(regs->rip, guest_va(CODE_PAGE) + 7);
	assert_int_equal(regs->rax, 4 << 16 | 17);
	memcpy(code, "\x0f\x0bxen\x0f\x31", 7); /* anything else is #UD */
	kernel_at(guest_va(CODE_PAGE));
	guest_trap(v, UD, 0);
	assert_int_equal(regs->rip, HANDLER(UD));
	memcpy(code, "\x0f\x0bxex", 5);
	kernel_at(guest_va(CODE_PAGE));
	guest_trap(v, UD, 0);
	assert_int_equal(regs->rip, HANDLER(UD));
	kernel_at(8);
	guest_trap(v, UD, 0);
	assert_int_equal(regs->rip, HANDLER(UD));
}

/* ---------------------------------------------------------------- ports */

static void ports(void **state)
{
	struct physdev_set_iopl iopl = {.iopl = 1};
	struct physdev_set_iobitmap bitmap = {.nr_ports = 0x80};
	u8 *bits = guest_ptr(guest_va(80));

	(void)state;
	kernel_at(0);
	v->pv->iopl = 0;
	regs->rdx = 0x70;
	assert_false(INSN("\xec")); /* in al, dx: its kernel has not even IOPL 1 */
	assert_int_equal(CALL(physdev_op, PHYSDEVOP_set_iopl, U(&iopl)), 0);
	regs->rax = 0;
	regs->rdx = 0x70;
	assert_true(INSN("\xec"));
	assert_int_equal(regs->rax & 0xff, 0xff);
	assert_true(INSN("\xee"));
	/* What is Mica's reads as nothing: the serial line, the PIC. */
	regs->rdx = 0x3f8;
	regs->rax = 0;
	assert_true(INSN("\xed"));
	assert_int_equal((u32)regs->rax, 0xffffffff);
	assert_true(INSN("\x66\xef"));
	assert_true(INSN("\xef"));
	/* PCI: 0xcf8 is the vCPU's own, 0xcfc goes through irq/. */
	regs->rdx = 0xcf8;
	regs->rax = 0x80000000;
	assert_true(INSN("\xef"));
	regs->rax = 0;
	assert_true(INSN("\xed"));
	assert_int_equal((u32)regs->rax, 0x80000000);
	regs->rdx = 0xcfe;
	assert_true(INSN("\x66\xed"));
	assert_int_equal(regs->rax & 0xffff, 0xffff); /* no device there */
	assert_true(INSN("\x66\xef"));
	iopl.iopl = 4;
	assert_int_equal(CALL(physdev_op, PHYSDEVOP_set_iopl, U(&iopl)), -EINVAL);
	/* Its user: by IOPL 3, or by the bitmap. */
	bits[0x70 / 8] = 0xfe;
	memset(bits, 0xff, 0x70 / 8);
	set_xen_guest_handle(bitmap.bitmap, (u8 *)guest_va(80));
	assert_int_equal(CALL(physdev_op, PHYSDEVOP_set_iobitmap, U(&bitmap)), 0);
	assert_true(pv_set_iobitmap(v, guest_va(80), 65537) == -EINVAL);
	kernel_at(guest_va(CODE_PAGE));
	memcpy(guest_ptr(guest_va(CODE_PAGE)), "\xec\xed\x0f\x09", 4);
	to_user(guest_va(CODE_PAGE), 0x7fff0000, 0);
	regs->rdx = 0x70;
	guest_trap(v, GP, 0);
	assert_int_equal(regs->rip, guest_va(CODE_PAGE) + 1);
	guest_trap(v, GP, 0); /* four ports, one of them closed */
	assert_int_equal(regs->rip, HANDLER(GP));
	to_user(guest_va(CODE_PAGE) + 2, 0x7fff0000, 0);
	guest_trap(v, GP, 0); /* no privileged instruction */
	assert_int_equal(regs->rip, HANDLER(GP));
	bitmap.nr_ports = 0;
	assert_int_equal(CALL(physdev_op, PHYSDEVOP_set_iobitmap, U(&bitmap)), 0);
	to_user(guest_va(CODE_PAGE), 0x7fff0000, 0);
	regs->rdx = 0x70;
	guest_trap(v, GP, 0);
	assert_int_equal(regs->rip, HANDLER(GP));
	v->pv->iopl = 3;
	to_user(guest_va(CODE_PAGE), 0x7fff0000, 0);
	regs->rdx = 0x70;
	guest_trap(v, GP, 0);
	assert_int_equal(regs->rip, guest_va(CODE_PAGE) + 1);
	kernel_at(0);
	assert_int_equal(pv_set_iobitmap(v, 8, 16), -EFAULT);
}

static bool is_trapped(u16 port)
{
	return pv_io_bitmap[port / 64] >> (port % 64) & 1;
}

/* The first port that Domain 0's kernel uses opens the CPU's bitmap, until anybody else runs. */
static void ports_opened(void **state)
{
	struct physdev_set_iopl iopl = {.iopl = 1};
	u32 *mode = &v->pv->page->entry.mode;

	(void)state;
	fake_io_is_open = false;
	pv_ports_changed(v->domain);
	assert_true(is_trapped(0x20) && is_trapped(0x3f8) && is_trapped(0xcf8) &&
		    is_trapped(0xcfb) && is_trapped(0xcff));
	assert_true(!is_trapped(0x64) && !is_trapped(0xcf7) && !is_trapped(0xd00));
	kernel_at(0);
	*mode = PV_KERNEL;
	v->pv->iopl = 0;
	assert_false(INSN("\xe4\x64"));
	assert_int_equal(CALL(physdev_op, PHYSDEVOP_set_iopl, U(&iopl)), 0);
	*mode = PV_KERNEL;
	assert_true(INSN("\xe4\x20") && !fake_io_is_open && *mode == PV_KERNEL);
	assert_true(INSN("\xe4\x64") && fake_io_is_open);
	assert_int_equal(*mode, PV_KERNEL | PV_SLOW | PV_PORTS);
	assert_int_equal(CALL(physdev_op, PHYSDEVOP_set_iopl, U(&iopl)), 0);
	assert_true(!fake_io_is_open && *mode == PV_KERNEL);
	assert_true(INSN("\xe4\x64") && fake_io_is_open);
	to_user(guest_va(CODE_PAGE), 0x7fff0000, 0);
	assert_true(!fake_io_is_open && !(*mode & (PV_KERNEL | PV_PORTS)));
	kernel_at(0);
	*mode = PV_KERNEL;
	assert_true(INSN("\xe4\x64") && fake_io_is_open);
	pv_state_save(v);
	assert_true(!fake_io_is_open && *mode == PV_KERNEL);
	pv_state_load(v);
	*mode = PV_KERNEL | PV_SLOW;
	assert_true(INSN("\xe4\x64") && !fake_io_is_open); /* for other reasons: let it be */
	v->domain->is_hardware = false;
	*mode = PV_KERNEL;
	assert_true(INSN("\xe4\x64") && !fake_io_is_open);
	v->domain->is_hardware = true;
}

/* ---------------------------------------------------------------- writes to page tables */

/* The write that faulted at cr2. True: done. */
static bool table_write(const char *bytes, size_t len, u64 cr2)
{
	memcpy(guest_ptr(guest_va(CODE_PAGE)), bytes, len);
	kernel_at(guest_va(CODE_PAGE));
	hw_cr2_write(cr2);
	guest_trap(v, PF, 3);
	if (regs->rip == guest_va(CODE_PAGE) + len)
		return true;
	assert_int_equal(regs->rip, HANDLER(PF));
	assert_int_equal(v->info->arch.cr2, cr2);
	return false;
}
#define WRITE(bytes, cr2) table_write(bytes, sizeof(bytes) - 1, cr2)

static u64 *entry_in_use;
static unsigned int steps_to_use;

static void entry_is_used(void)
{
	if (steps_to_use && !--steps_to_use)
		*entry_in_use |= PTE_ACCESSED;
}

/* A write to bytes 6 and 7, which clears bit 58, while another CPU sets the A bit, at any step: neither is lost. */
static void part_of_an_entry(const char *bytes, size_t len, u64 va, u64 *slot)
{
	const u64 before = *slot;

	entry_in_use = slot;
	for (unsigned int step = 1; steps_to_use == 0; step++) {
		memcpy(guest_ptr(guest_va(CODE_PAGE)), bytes, len);
		kernel_at(guest_va(CODE_PAGE));
		regs->rax = before >> 48;
		*slot = (before & ~PTE_ACCESSED) | BIT(58);
		hw_cr2_write(va + 6);
		steps_to_use = step;
		fake_step_hook = entry_is_used;
		do {
			guest_trap(v, PF, 3);
		} while (regs->rip == guest_va(CODE_PAGE));
		fake_step_hook = NULL;
		assert_int_equal(regs->rip, guest_va(CODE_PAGE) + len);
		assert_false(*slot & BIT(58));
		assert_true(*slot & PTE_ACCESSED || steps_to_use);
	}
	steps_to_use = 0;
	*slot = before;
}

static void writable_page_tables(void **state)
{
	const u64 target = guest_va(90);
	u64 entry = maddr_num(guest_pte(target)), *slot = (u64 *)(fake_ram + entry), old = *slot,
	    va = 0;

	(void)state;
	/* Where does the guest see that table? The region maps all of it, read-only. */
	for (u64 at = BIT(63); !va && at; at = 0)
		for (u64 pfn = 0; pfn < 1024 && !va; pfn++)
			if (mfn_num(guest_mfn(0xffffffff80000000ull + pfn * PAGE_SIZE)) ==
			    entry >> PAGE_SHIFT)
				va = 0xffffffff80000000ull + pfn * PAGE_SIZE +
				     (entry & (PAGE_SIZE - 1));
	assert_int_not_equal(va, 0);
	regs->rdi = va;
	regs->rax = 0;
	assert_true(WRITE("\x48\x89\x07", va)); /* mov [rdi], rax */
	assert_int_equal(*slot, 0);
	assert_null(guest_ptr(target));
	regs->rax = old;
	assert_true(WRITE("\x48\x87\x07", va)); /* xchg */
	assert_int_equal(regs->rax, 0);
	assert_int_equal(pte_mfn(*slot).m, pte_mfn(old).m);
	regs->rax = *slot & ~PTE_GUEST_KERNEL;
	regs->rbx = old & ~(PTE_RW | PTE_USER);
	regs->rax = *slot;
	assert_true(WRITE("\xf0\x48\x0f\xb1\x1f", va)); /* lock cmpxchg [rdi], rbx */
	assert_false(*slot & PTE_RW);
	regs->rax = 0x1234; /* not what is there */
	assert_true(WRITE("\xf0\x48\x0f\xb1\x1f", va));
	assert_int_equal(regs->rflags & 0x40, 0);
	assert_int_equal(pte_mfn(regs->rax).m, pte_mfn(old).m);
	assert_true(WRITE("\xf0\x48\x0f\xba\x37\x06", va)); /* lock btr [rdi], 6: dirty */
	assert_false(*slot & PTE_DIRTY);
	assert_true(WRITE("\xf0\x80\x27\xdf", va)); /* lock and byte [rdi], ~0x20 */
	assert_false(*slot & PTE_ACCESSED);
	part_of_an_entry("\x66\x89\x47\x06", 4, va, slot); /* mov [rdi + 6], ax */
	part_of_an_entry("\xf0\x66\x81\x67\x06\xff\xfb", 7, va,
			 slot); /* lock and word [rdi + 6], ~bit 10 */
	/* A frame that is not the guest's, Mica's bits, across entries: the guest sees its fault. */
	regs->rax = pte_make(mfn_make(1), PTE_PRESENT | PTE_RW);
	assert_false(WRITE("\x48\x89\x07", va));
	regs->rdi = va + 4;
	assert_false(WRITE("\x48\x89\x07", va + 4));
	regs->rdi = va + PAGE_SIZE * 1000; /* elsewhere than the fault says */
	assert_false(WRITE("\x48\x89\x07", va));
	regs->rdi = va;
	assert_false(WRITE("\x0f\x11\x07", va)); /* movups: not emulated */
	/* Reserved bits, fetches, pages that are just read-only: not for us. */
	kernel_at(guest_va(CODE_PAGE));
	hw_cr2_write(va);
	guest_trap(v, PF, 3 | BIT(3));
	assert_int_equal(regs->rip, HANDLER(PF));
	regs->rax = old;
	regs->rdi = va;
	assert_true(WRITE("\x48\x89\x07", va));
	assert_int_equal(CALL(update_va_mapping, target, old & ~PTE_RW & ~PTE_GUEST_KERNEL, 0), 0);
	regs->rdi = target;
	assert_false(WRITE("\x48\x89\x07", target));
	assert_int_equal(CALL(update_va_mapping, target, old & ~PTE_GUEST_KERNEL, 0), 0);
}

/* ---------------------------------------------------------------- LDT */

#define LDT_WINDOW (LAYOUT_PERDOMAIN + PERDOMAIN_LDT)

static void ldt(void **state)
{
	struct mmuext_op op = {
		.cmd = MMUEXT_SET_LDT, .arg1.linear_addr = guest_va(LDT_PAGE), .arg2.nr_ents = 600};
	u64 *table = guest_ptr(guest_va(LDT_PAGE)), old[2];

	(void)state;
	kernel_at(guest_va(CODE_PAGE));
	memset(table, 0, PAGE_SIZE);
	memset(guest_ptr(guest_va(LDT_PAGE + 1)), 0, PAGE_SIZE);
	table[0] = 0x00cff3000000ffff;
	for (unsigned int i = 0; i < 2; i++) {
		old[i] = *(u64 *)(fake_ram + maddr_num(guest_pte(guest_va(LDT_PAGE + i)))) &
			 ~PTE_GUEST_KERNEL;
		assert_int_equal(CALL(update_va_mapping, guest_va(LDT_PAGE + i), old[i] & ~PTE_RW,
				      UVMF_INVLPG),
				 0);
	}
	assert_int_equal(CALL(mmuext_op, U(&op), 1, 0, DOMID_SELF), 0);
	assert_int_equal(fake_registers[0].ldt, 0xe050);
	/* The CPU reads a descriptor: its page is judged and shown to it. */
	kernel_at(guest_va(CODE_PAGE));
	hw_cr2_write(LDT_WINDOW);
	guest_trap(v, PF, 0);
	assert_int_equal(regs->rip, guest_va(CODE_PAGE));
	assert_int_equal(v->pv->ldt_mfns[0], mfn_num(guest_mfn(guest_va(LDT_PAGE))));
	assert_int_equal(machine_audit(), 0);
	/* Behind its end: the guest's fault, at the guest's address. */
	hw_cr2_write(LDT_WINDOW + 4096 + 88 * 8);
	guest_trap(v, PF, 0);
	assert_int_equal(regs->rip, HANDLER(PF));
	kernel_at(guest_va(CODE_PAGE));
	/* A gate to ring 0 in the second page: refused. */
	*(u64 *)guest_ptr(guest_va(LDT_PAGE + 1)) = 0x00008c0000080000ull;
	hw_cr2_write(LDT_WINDOW + 4096);
	guest_trap(v, PF, 0);
	assert_int_equal(regs->rip, HANDLER(PF));
	assert_int_equal(v->info->arch.cr2, guest_va(LDT_PAGE + 1));
	assert_int_equal(v->pv->ldt_mfns[1], 0);
	kernel_at(guest_va(CODE_PAGE));
	/* Wanted writable again: it is taken out of the LDT. */
	assert_int_equal(CALL(update_va_mapping, guest_va(LDT_PAGE), old[0], UVMF_INVLPG), 0);
	assert_int_equal(v->pv->ldt_mfns[0], 0);
	hw_cr2_write(LDT_WINDOW); /* and is not shown as long as it is */
	guest_trap(v, PF, 0);
	assert_int_equal(regs->rip, HANDLER(PF));
	/* While an IRETQ loads a selector. */
	assert_int_equal(CALL(update_va_mapping, guest_va(LDT_PAGE), old[0] & ~PTE_RW, UVMF_INVLPG),
			 0);
	kernel_at(guest_va(CODE_PAGE));
	hw_cr2_write(LDT_WINDOW);
	guest_trap(v, 0x102, 0);
	assert_int_equal(regs->rip, guest_va(CODE_PAGE));
	assert_int_not_equal(v->pv->ldt_mfns[0], 0);
	/* Bad ones. */
	op.arg2.nr_ents = PV_LDT_ENTRIES_MAX + 1;
	assert_int_equal(CALL(mmuext_op, U(&op), 1, 0, DOMID_SELF), -EINVAL);
	op.arg2.nr_ents = 1;
	op.arg1.linear_addr = guest_va(LDT_PAGE) + 8;
	assert_int_equal(CALL(mmuext_op, U(&op), 1, 0, DOMID_SELF), -EINVAL);
	op.arg1.linear_addr = LAYOUT_START - PAGE_SIZE;
	op.arg2.nr_ents = 8192;
	assert_int_equal(CALL(mmuext_op, U(&op), 1, 0, DOMID_SELF), -EINVAL);
	op.arg1.linear_addr = 0;
	op.arg2.nr_ents = 0;
	assert_int_equal(CALL(mmuext_op, U(&op), 1, 0, DOMID_SELF), 0);
	assert_int_equal(fake_registers[0].ldt, 0);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(
			CALL(update_va_mapping, guest_va(LDT_PAGE + i), old[i], UVMF_INVLPG), 0);
}

/* ---------------------------------------------------------------- traps in Mica itself */

extern char image_start[];

static void in_mica(void **state)
{
	struct regs own = {.vector = PF, .rip = 0x1000, .cs = 0xe008};
	u64 offset = 99;

	(void)state;
	/* Where the table of exceptions knows what to do. */
	entry_trap_own(&own);
	assert_int_equal(own.rip, 0x2000);
	/* Interrupts: a timer, a request to flush, the error vector, a spurious one. */
	for (unsigned int i = 0; i < 5; i++) {
		own.vector = (const u32[]){0xfa, 0xf0, 0xf1, 0xfb, 0xff}[i];
		fake_irq_off = true;
		entry_trap_own(&own);
		fake_irq_off = false;
	}
	machine_settle();
	/* NMI: nothing but a bit and a word to itself; Domain 0 gets it on the way out. */
	v->pv->traps[PV_VECTOR_NMI].address = NMI;
	own.vector = 2;
	assert_int_equal(entry_trap_ist(&own), 0);
	assert_true(work_is_raised());
	guest_trap(v, 0xf0, 0);
	assert_int_equal(regs->rip, NMI);
	v->pv->traps[PV_VECTOR_NMI].address = 0;
	/* #DB of Mica's own instructions (MOV SS; SYSCALL): dropped. Of the guest's: its frame. */
	own = (struct regs){.vector = 1, .rip = 0x5000, .cs = 0xe008, .rflags = 0x302};
	assert_int_equal(entry_trap_ist(&own), 0);
	assert_int_equal(own.rflags, 0x202);
	assert_int_equal(hw_dr6_read(), 0xffff0ff0);
	own.cs = FLAT_KERNEL_CS;
	own.r12 = 0x1212;
	assert_int_equal(entry_trap_ist(&own), 1);
	assert_int_equal(regs->r12, 0x1212);
	assert_int_equal(regs->rip, 0x5000);
	kernel_at(guest_va(CODE_PAGE));
	/* Names of addresses. */
	assert_string_equal(debug_symbol((u64)image_start + 20, &offset), "second");
	assert_int_equal(offset, 4);
	assert_string_equal(debug_symbol((u64)image_start, &offset), "first");
	assert_string_equal(debug_symbol((u64)image_start + 63, &offset), "third");
	assert_null(debug_symbol((u64)image_start - 1, &offset));
	assert_null(debug_symbol((u64)image_start + 64, &offset));
}

static void fatal(void)
{
	struct regs own = {.vector = GP, .rip = (u64)image_start + 20, .cs = 0xe008};

	entry_trap_own(&own);
}

static void machine_check(void)
{
	struct regs own = {.vector = 18, .cs = FLAT_KERNEL_CS};

	(void)entry_trap_ist(&own);
}

static void stack_fault_in_a_stub(void)
{
	entry_bounce_fault();
}

static void stop(void)
{
	struct regs own = {.vector = 0xf2};

	entry_trap_own(&own);
}

/* ---------------------------------------------------------------- what ends Domain 0 */

static void no_stack(void)
{
	kernel_at(guest_va(CODE_PAGE));
	regs->rsp = LAYOUT_START + 64;
	guest_trap(v, 0, 0);
}

static void no_iret_frame(void)
{
	kernel_at(guest_va(CODE_PAGE));
	regs->rsp = 16;
	regs->rax = __HYPERVISOR_iret;
	guest_trap(v, VECTOR_SYSCALL, 0);
}

static void no_user_root(void)
{
	v->mm->root_user = MFN_NONE;
	kernel_at(guest_va(CODE_PAGE));
	to_user(0x400000, 0, 0);
}

static void no_event_callback(void)
{
	v->pv->event.rip = 0;
	v->info->evtchn_upcall_mask = 0;
	v->info->evtchn_upcall_pending = 1;
	guest_trap(v, 0xf0, 0);
}

static void no_failsafe(void)
{
	v->pv->failsafe.rip = 0;
	guest_trap(v, 0x102, 0);
}

static void what_cannot_go_on(void **state)
{
	(void)state;
	assert_string_equal(machine_end(no_stack), "reboot");
	assert_string_equal(machine_end(no_iret_frame), "reboot");
	assert_string_equal(machine_end(no_user_root), "reboot");
	assert_string_equal(machine_end(no_event_callback), "reboot");
	assert_string_equal(machine_end(no_failsafe), "reboot");
	assert_string_equal(machine_end(fatal), "reboot");
	assert_string_equal(machine_end(machine_check), "reboot");
	assert_string_equal(machine_end(stack_fault_in_a_stub), "reboot");
	assert_string_equal(machine_end(stop), "halt");
}

/* ---------------------------------------------------------------- */

static int setup(void **state)
{
	struct trap_info *table;
	struct callback_register reg = {.type = CALLBACKTYPE_syscall32,
					.address = SYSCALL32,
					.flags = CALLBACKF_mask_events};
	struct mmuext_op user = {.cmd = MMUEXT_NEW_USER_BASEPTR};

	(void)state;
	machine_start(1);
	v = dom0->vcpus[0];
	regs = v->pv->regs;
	v->info->evtchn_upcall_mask = 1;
	kernel_at(guest_va(CODE_PAGE));
	table = guest_ptr(guest_va(0));
	for (unsigned int i = 0; i < 255; i++)
		table[i] = (struct trap_info){.vector = (u8)(i == 2 ? 255 : i),
					      .flags = (u8)(i == 3 || i == 0x80 || i == 0x21 ? 3
							    : i == 12			     ? 4
											     : 0),
					      .cs = FLAT_KERNEL_CS,
					      .address = HANDLER(i)};
	table[255].address = 0;
	assert_int_equal(CALL(set_trap_table, guest_va(0)), 0);
	assert_int_equal(CALL(set_callbacks, EVENT, FAILSAFE, SYSCALL), 0);
	assert_int_equal(CALL(callback_op, CALLBACKOP_register, U(&reg)), 0);
	assert_int_equal(CALL(stack_switch, FLAT_KERNEL_SS, KERNEL_STACK), 0);
	user.arg1.mfn = root();
	assert_int_equal(CALL(mmuext_op, U(&user), 1, 0, DOMID_SELF), 0);
	return 0;
}

static int before_each(void **state)
{
	(void)state;
	kernel_at(guest_va(CODE_PAGE));
	v->info->evtchn_upcall_mask = 1;
	v->info->evtchn_upcall_pending = 0;
	return 0;
}

static int after_each(void **state)
{
	(void)state;
	if (!pv_is_kernel(v))
		pv_mode_toggle(v);
	return machine_audit() == 0 && log_warning_count() == 0 ? 0 : -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, before_each, after_each)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bounced_in_kernel),
		TEST(page_faults),
		TEST(to_user_and_back),
		TEST(events_and_nmi),
		TEST(debug_and_fpu),
		TEST(failsafe),
		TEST(control_registers),
		TEST(model_specific_registers),
		TEST(other_instructions),
		TEST(forced_emulation),
		TEST(ports),
		TEST(ports_opened),
		TEST(writable_page_tables),
		TEST(ldt),
		TEST(in_mica),
		TEST(what_cannot_go_on),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

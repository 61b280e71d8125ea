/* SPDX-License-Identifier: MIT */
/* uses: test/fake/whole.c */
/*
 * Hypercalls as a guest makes them: by number, arguments in registers, through the dispatcher. Those about the PV CPU
 * itself, versions, console and multicalls; the bad ones must leave everything as it was.
 */
#include "whole.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/log.h"
#include "hcall/hcall.h"
#include "hw/asm.h"
#include "hw/clock.h"
#include "lib/errno.h"
#include "sched/sched.h"

static struct vcpu *v;
#define CALL(name, ...) guest_call(v, __HYPERVISOR_##name, __VA_ARGS__)

#define BAD	  8ull			  /* no address */
#define IN_MICA	  (LAYOUT_START + 0x1000) /* not the guest's */
#define NON_CANON 0x8000000000000000ull
#define CODE	  0xffffffff80100100ull /* a place in the kernel */

static void numbers(void **state)
{
	static const u32 pmu[] = {XENPMU_mode_get,    XENPMU_mode_set, XENPMU_feature_get,
				  XENPMU_feature_set, XENPMU_init,     XENPMU_finish,
				  XENPMU_lvtpc_set,   XENPMU_flush};

	(void)state;
	assert_int_equal(CALL(xen_version, XENVER_version), 4 << 16 | 17);
	for (u64 number = 42; number < 48; number++)
		assert_int_equal(guest_call(v, number, 0), -ENOSYS);
	assert_int_equal(guest_call(v, 63, 0), -ENOSYS);
	assert_int_equal(guest_call(v, 64, 0), -ENOSYS);
	assert_int_equal(guest_call(v, ~0ull, 0), -ENOSYS);
	assert_int_equal(guest_call(v, 1ull << 32, 0), -ENOSYS);
	assert_string_equal(hcall_name(__HYPERVISOR_sched_op), "sched_op");
	assert_string_equal(hcall_name(11), "unknown");
	assert_string_equal(hcall_name(1000), "unknown");
	assert_int_equal(CALL(xsm_op, 0), -ENOSYS);
	for (unsigned int i = 0; i < ARRAY_SIZE(pmu); i++)
		assert_int_equal(CALL(xenpmu_op, pmu[i], 0), -EOPNOTSUPP);
}

static void trap_table(void **state)
{
	struct trap_info *table = guest_ptr(guest_va(0));

	(void)state;
	for (unsigned int i = 0; i < 256; i++)
		table[i] = (struct trap_info){
			.vector = (u8)i, .flags = 4, .cs = FLAT_KERNEL_CS, .address = CODE + i};
	assert_int_equal(CALL(set_trap_table, guest_va(0)), 0);
	for (unsigned int i = 0; i < 256; i++)
		assert_int_equal(v->pv->traps[i].address, CODE + i);
	table[3].address = IN_MICA;
	table[2].address = CODE;
	assert_int_equal(CALL(set_trap_table, guest_va(0)), -EINVAL);
	assert_int_equal(v->pv->traps[2].address, CODE);
	assert_int_equal(v->pv->traps[3].address, CODE + 3);
	table[3].address = NON_CANON;
	assert_int_equal(CALL(set_trap_table, guest_va(0)), -EINVAL);
	table[1].address = 0; /* the end */
	assert_int_equal(CALL(set_trap_table, guest_va(0)), 0);
	assert_int_equal(CALL(set_trap_table, BAD), -EFAULT);
	assert_int_equal(CALL(set_trap_table, IN_MICA), -EFAULT);
	assert_int_equal(CALL(set_trap_table, 0), 0);
	for (unsigned int i = 0; i < 256; i++)
		assert_int_equal(v->pv->traps[i].address, 0);
}

static void callbacks(void **state)
{
	struct callback_register reg = {.type = CALLBACKTYPE_event, .address = CODE};
	struct callback_unregister unreg = {.type = CALLBACKTYPE_nmi};
	struct xennmi_callback nmi = {.handler_address = CODE + 7};

	(void)state;
	assert_int_equal(CALL(set_callbacks, CODE, CODE + 1, CODE + 2), 0);
	assert_int_equal(v->pv->event.rip, CODE);
	assert_int_equal(v->pv->failsafe.rip, CODE + 1);
	assert_int_equal(v->pv->syscall.rip, CODE + 2);
	assert_int_equal(CALL(set_callbacks, IN_MICA, CODE, CODE), -EINVAL);
	assert_int_equal(CALL(set_callbacks, CODE, NON_CANON, CODE), -EINVAL);
	assert_int_equal(v->pv->failsafe.rip, CODE + 1);
	for (unsigned int type = 0; type < 8; type++) {
		bool is_known = type == CALLBACKTYPE_event || type == CALLBACKTYPE_failsafe ||
				type == CALLBACKTYPE_syscall || type == CALLBACKTYPE_syscall32 ||
				type == CALLBACKTYPE_nmi; /* not CALLBACKTYPE_sysenter_deprecated */

		reg.type = (u16)type;
		reg.flags = CALLBACKF_mask_events;
		assert_int_equal(CALL(callback_op, CALLBACKOP_register, U(&reg)),
				 is_known ? 0 : -ENOSYS);
	}
	assert_true(v->pv->syscall32.masks_events && v->pv->syscall.masks_events);
	assert_int_equal(v->pv->traps[PV_VECTOR_NMI].address, CODE);
	assert_int_equal(CALL(callback_op, CALLBACKOP_unregister, U(&unreg)), 0);
	assert_int_equal(v->pv->traps[PV_VECTOR_NMI].address, 0);
	unreg.type = CALLBACKTYPE_event;
	assert_int_equal(CALL(callback_op, CALLBACKOP_unregister, U(&unreg)), -EINVAL);
	unreg.type = 77;
	assert_int_equal(CALL(callback_op, CALLBACKOP_unregister, U(&unreg)), -ENOSYS);
	assert_int_equal(CALL(callback_op, CALLBACKOP_register, BAD), -EFAULT);
	assert_int_equal(CALL(callback_op, CALLBACKOP_unregister, BAD), -EFAULT);
	assert_int_equal(CALL(callback_op, 5, U(&reg)), -ENOSYS);

	assert_int_equal(CALL(nmi_op, XENNMI_register_callback, U(&nmi)), 0);
	assert_int_equal(v->pv->traps[PV_VECTOR_NMI].address, CODE + 7);
	nmi.handler_address = IN_MICA;
	assert_int_equal(CALL(nmi_op, XENNMI_register_callback, U(&nmi)), -EINVAL);
	assert_int_equal(CALL(nmi_op, XENNMI_register_callback, BAD), -EFAULT);
	assert_int_equal(CALL(nmi_op, XENNMI_unregister_callback, 0), 0);
	assert_int_equal(v->pv->traps[PV_VECTOR_NMI].address, 0);
	assert_int_equal(CALL(nmi_op, 9, 0), -ENOSYS);
}

static void small_ones(void **state)
{
	static const u32 assists[] = {
		VMASST_TYPE_4gb_segments,	 VMASST_TYPE_4gb_segments_notify,
		VMASST_TYPE_writable_pagetables, VMASST_TYPE_pae_extended_cr3,
		VMASST_TYPE_architectural_iopl,	 VMASST_TYPE_runstate_update_flag};

	(void)state;
	assert_int_equal(CALL(stack_switch, FLAT_KERNEL_SS, guest_va(40)), 0);
	assert_int_equal(v->pv->kernel_sp, guest_va(40));
	assert_int_equal(CALL(fpu_taskswitch, 1), 0);
	assert_true(hw_cr0_read() & CR0_TS);
	assert_int_equal(CALL(fpu_taskswitch, 0), 0);
	assert_false(hw_cr0_read() & CR0_TS);

	for (unsigned int i = 0; i < ARRAY_SIZE(assists); i++) {
		assert_int_equal(CALL(vm_assist, VMASST_CMD_enable, assists[i]), 0);
		assert_true(dom0->vm_assist & BIT(assists[i]));
		assert_int_equal(CALL(vm_assist, VMASST_CMD_disable, assists[i]), 0);
	}
	assert_int_equal(CALL(vm_assist, VMASST_CMD_enable, VMASST_TYPE_m2p_strict), 0);
	assert_true(dom0->vm_assist & BIT(VMASST_TYPE_m2p_strict));
	assert_int_equal(CALL(vm_assist, VMASST_CMD_disable, VMASST_TYPE_m2p_strict), 0);
	assert_false(dom0->vm_assist & BIT(VMASST_TYPE_m2p_strict));
	assert_int_equal(CALL(vm_assist, 5, VMASST_TYPE_m2p_strict), -ENOSYS);
	assert_int_equal(CALL(vm_assist, VMASST_CMD_enable, 63), -EINVAL);
	assert_int_equal(CALL(vm_assist, VMASST_CMD_enable, 1ull << 40), -EINVAL);
}

static void segment_bases(void **state)
{
	(void)state;
	assert_int_equal(CALL(set_segment_base, SEGBASE_FS, 0x1234000), 0);
	assert_int_equal(*fake_msr(MSR_FS_BASE), 0x1234000);
	assert_int_equal(CALL(set_segment_base, SEGBASE_GS_KERNEL, CODE), 0);
	assert_int_equal(*fake_msr(MSR_GS_BASE), CODE);
	assert_int_equal(CALL(set_segment_base, SEGBASE_GS_USER, 0x5000), 0);
	assert_int_equal(*fake_msr(MSR_KERNEL_GS_BASE), 0x5000);
	for (u64 which = SEGBASE_FS; which < SEGBASE_GS_USER_SEL; which++)
		assert_int_equal(CALL(set_segment_base, which, NON_CANON), -EINVAL);
	assert_int_equal(*fake_msr(MSR_FS_BASE), 0x1234000);
	assert_int_equal(CALL(set_segment_base, SEGBASE_GS_USER_SEL, 0x33), 0);
	assert_int_equal(hw_gs_read(), 0x33);
	fake_bad_selector = 0x44;
	assert_int_equal(CALL(set_segment_base, SEGBASE_GS_USER_SEL, 0x44), 0);
	assert_int_equal(hw_gs_read(), 0);
	assert_int_equal(CALL(set_segment_base, SEGBASE_GS_USER_SEL, 0x10000), -EINVAL);
	assert_int_equal(CALL(set_segment_base, 9, 0), -EINVAL);
	assert_int_equal(CALL(set_segment_base, 1ull << 32, 0), -EINVAL);
	assert_int_equal(*fake_msr(MSR_GS_BASE), CODE); /* the kernel's is where it was */
}

static void debug_registers(void **state)
{
	(void)state;
	assert_int_equal(CALL(set_debugreg, 0, CODE), 0);
	assert_int_equal(CALL(get_debugreg, 0), (long)CODE);
	assert_int_equal(hw_dr0_read(), 0); /* nothing is active yet */
	assert_int_equal(CALL(set_debugreg, 1, IN_MICA), -EPERM);
	assert_int_equal(CALL(set_debugreg, 1, NON_CANON), -EPERM);
	assert_int_equal(CALL(set_debugreg, 4, 0), -EINVAL);
	assert_int_equal(CALL(set_debugreg, 5, 0), -EINVAL);
	assert_int_equal(CALL(set_debugreg, 8, 0), -EINVAL);
	assert_int_equal(CALL(get_debugreg, 4), -EINVAL);
	assert_int_equal(CALL(get_debugreg, 8), -EINVAL);
	assert_int_equal(CALL(get_debugreg, 1ull << 32), -EINVAL);
	assert_int_equal(CALL(set_debugreg, 7, 1ull << 32), -EPERM);
	assert_int_equal(CALL(set_debugreg, 7, 2ull << 16), -EPERM); /* an I/O breakpoint */
	assert_int_equal(CALL(set_debugreg, 7, 0x1 | BIT(13)), 0);
	assert_int_equal(hw_dr7_read(), 0x401); /* general detect is not the guest's */
	assert_int_equal(hw_dr0_read(), CODE);
	assert_int_equal(CALL(set_debugreg, 7, 0), 0);
	assert_int_equal(hw_dr7_read(), 0x400);
	assert_int_equal(CALL(set_debugreg, 6, ~0ull), 0);
	assert_int_equal(CALL(get_debugreg, 6), 0xffffefff);
	assert_int_equal(CALL(set_debugreg, 6, 0), 0);
	assert_int_equal(CALL(get_debugreg, 6), 0xffff0ff0);
}

#define CODE_DESCRIPTOR 0x00affb000000ffffull
#define CALL_GATE	0x0000ec0000080000ull
#define RING0_CODE	0x00af9b000000ffffull

/* Gives pages of the guest away as read-only, so that they can hold descriptors. */
static u64 page_readonly(unsigned int page, bool is_readonly)
{
	u64 *entry = (u64 *)(fake_ram + maddr_num(guest_pte(guest_va(page))));

	assert_int_equal(CALL(update_va_mapping, guest_va(page),
			      is_readonly ? *entry & ~PTE_RW : *entry | PTE_RW, UVMF_INVLPG),
			 0);
	return mfn_num(guest_mfn(guest_va(page)));
}

static void gdt(void **state)
{
	u64 *table = guest_ptr(guest_va(3)), frames[2];

	(void)state;
	memset(table, 0, PAGE_SIZE);
	table[1] = CODE_DESCRIPTOR;
	frames[0] = page_readonly(3, true);
	frames[1] = page_readonly(4, true);
	assert_int_equal(CALL(set_gdt, U(frames), 512), 0);
	assert_int_equal(v->pv->gdt_entries, 512);
	assert_int_equal(v->pv->window[0] >> PAGE_SHIFT & 0xffffffff, frames[0]);
	assert_int_equal(machine_audit(), 0);
	/* Bad ones leave the old table: a page that is mapped writable, one of nobody, too many, no list. */
	frames[1] = mfn_num(guest_mfn(guest_va(5)));
	assert_int_equal(CALL(set_gdt, U(frames), 1024), -EINVAL);
	frames[1] = MACHINE_FRAMES - 1;
	assert_int_equal(CALL(set_gdt, U(frames), 600), -EINVAL);
	assert_int_equal(CALL(set_gdt, U(frames), FIRST_RESERVED_GDT_ENTRY + 1), -EINVAL);
	assert_int_equal(CALL(set_gdt, U(frames), 1ull << 32), -EINVAL);
	assert_int_equal(CALL(set_gdt, BAD, 512), -EFAULT);
	assert_int_equal(v->pv->gdt_entries, 512);
	assert_int_equal(machine_audit(), 0);
	/* One descriptor at a time: judged, and made harmless in a descriptor page. */
	assert_int_equal(CALL(update_descriptor, frames[0] << PAGE_SHIFT | 16, CODE_DESCRIPTOR), 0);
	assert_int_equal(table[2], CODE_DESCRIPTOR);
	assert_int_equal(CALL(update_descriptor, frames[0] << PAGE_SHIFT | 24, CALL_GATE), -EINVAL);
	assert_int_equal(CALL(update_descriptor, frames[0] << PAGE_SHIFT | 20, CODE_DESCRIPTOR),
			 -EINVAL);
	assert_int_equal(CALL(update_descriptor, MACHINE_FRAMES << PAGE_SHIFT, CODE_DESCRIPTOR),
			 -EINVAL);
	assert_int_equal(table[3], 0);
	assert_int_equal(CALL(update_descriptor, mfn_num(guest_mfn(guest_va(6))) << PAGE_SHIFT,
			      CODE_DESCRIPTOR),
			 0);
	assert_int_equal(*(u64 *)guest_ptr(guest_va(6)), CODE_DESCRIPTOR);
	/* A page table is no place for one. */
	assert_int_equal(
		CALL(update_descriptor, maddr_num(guest_pte(guest_va(6))), CODE_DESCRIPTOR),
		-EINVAL);
	/* A page with a gate in it does not become a descriptor page. */
	(void)page_readonly(6, true);
	*(u64 *)guest_ptr(guest_va(6)) = CALL_GATE;
	frames[0] = mfn_num(guest_mfn(guest_va(6)));
	assert_int_equal(CALL(set_gdt, U(frames), 512), -EINVAL);
	assert_int_equal(CALL(set_gdt, U(frames), 0), 0);
	for (unsigned int page = 3; page <= 6; page++)
		if (page != 5)
			(void)page_readonly(page, false);
	assert_int_equal(machine_audit(), 0);
}

static void versions(void **state)
{
	char *buf = guest_ptr(guest_va(8));
	struct xen_feature_info info = {.submap_idx = 0};
	const struct {
		unsigned int command;
		size_t bytes;
	} texts[] = {
		{XENVER_extraversion, sizeof(xen_extraversion_t)},
		{XENVER_compile_info, sizeof(struct xen_compile_info)},
		{XENVER_capabilities, sizeof(xen_capabilities_info_t)},
		{XENVER_changeset, sizeof(xen_changeset_info_t)},
		{XENVER_commandline, sizeof(xen_commandline_t)},
		{XENVER_platform_parameters, 8},
		{XENVER_guest_handle, 16},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		memset(buf, 0x77, PAGE_SIZE);
		assert_int_equal(CALL(xen_version, texts[i].command, guest_va(8)), 0);
		assert_int_equal(buf[texts[i].bytes], 0x77); /* no more than that */
		assert_int_not_equal(buf[texts[i].bytes - 1], 0x77);
		assert_int_equal(CALL(xen_version, texts[i].command, BAD), -EFAULT);
		assert_int_equal(CALL(xen_version, texts[i].command, IN_MICA), -EFAULT);
	}
	assert_int_equal(CALL(xen_version, XENVER_extraversion, guest_va(8)), 0);
	assert_non_null(strstr(buf, "mica"));
	assert_int_equal(CALL(xen_version, XENVER_get_features, U(&info)), 0);
	assert_true(info.submap & BIT(XENFEAT_mmu_pt_update_preserve_ad));
	assert_true(info.submap & BIT(XENFEAT_dom0));
	info.submap_idx = 1;
	assert_int_equal(CALL(xen_version, XENVER_get_features, U(&info)), -EINVAL);
	assert_int_equal(CALL(xen_version, XENVER_get_features, BAD), -EFAULT);
	assert_int_equal(CALL(xen_version, XENVER_pagesize, 0), PAGE_SIZE);
	assert_int_equal(CALL(xen_version, XENVER_pagesize, guest_va(8)), -EINVAL);
	assert_int_equal(CALL(xen_version, XENVER_build_id, guest_va(8)), -ENODATA);
	assert_int_equal(CALL(xen_version, 99, 0), -ENOSYS);
}

static void console(void **state)
{
	char text[300], typed[16] = "";

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text + 295, "END\n", 5);
	fake_console_said(NULL);
	assert_int_equal(CALL(console_io, CONSOLEIO_write, 299, U(text)), 0);
	assert_true(fake_console_said("xEND\n"));
	assert_int_equal(CALL(console_io, CONSOLEIO_write, 10, BAD), -EFAULT);
	assert_int_equal(CALL(console_io, CONSOLEIO_write, 0, BAD), 0);
	fake_preempt_every = 2;
	fake_console_said(NULL);
	assert_int_equal(CALL(console_io, CONSOLEIO_write, 299, U(text)), 0);
	fake_preempt_every = 0;
	assert_true(fake_console_said("xxxxxxxxEND\n"));
	assert_int_equal(CALL(console_io, CONSOLEIO_read, 16, U(typed)), 0);
	machine_type("abc");
	machine_move(30000000);
	assert_int_equal(CALL(console_io, CONSOLEIO_read, 2, U(typed)), 2);
	assert_string_equal(typed, "ab");
	assert_int_equal(CALL(console_io, CONSOLEIO_read, 16, BAD), -EFAULT);
	assert_int_equal(CALL(console_io, 7, 0, 0), -ENOSYS);
}

/* ---------------------------------------------------------------- multicall */

static void entry_set(struct multicall_entry *entry, unsigned int op, u64 a, u64 b, u64 c)
{
	*entry = (struct multicall_entry){.op = op, .args = {a, b, c}, .result = 0x5555};
}

static void multicalls(void **state)
{
	struct multicall_entry *list = guest_ptr(guest_va(10));
	const u64 last_in_page = guest_va(11) - sizeof(*list);

	(void)state;
	entry_set(&list[0], __HYPERVISOR_xen_version, XENVER_version, 0, 0);
	entry_set(&list[1], __HYPERVISOR_multicall, guest_va(10), 1, 0);
	entry_set(&list[2], __HYPERVISOR_iret, 0, 0, 0);
	entry_set(&list[3], 1234, 0, 0, 0);
	entry_set(&list[4], __HYPERVISOR_console_io, CONSOLEIO_write, 3, BAD);
	entry_set(&list[5], __HYPERVISOR_xen_version, XENVER_pagesize, 0, 0);
	entry_set(&list[6], __HYPERVISOR_xen_version, XENVER_version, 0, 0);
	for (unsigned int every = 0; every < 7; every += 3) {
		for (unsigned int i = 0; i < 7; i++)
			list[i].result = 0x5555;
		fake_preempt_every = every;
		assert_int_equal(CALL(multicall, guest_va(10), 6), 0);
		fake_preempt_every = 0;
		assert_int_equal(list[0].result, 4 << 16 | 17);
		assert_int_equal(list[1].result, -ENOSYS);
		assert_int_equal(list[2].result, -ENOSYS);
		assert_int_equal(list[3].result, -ENOSYS);
		assert_int_equal(list[4].result, -EFAULT);
		assert_int_equal(list[5].result, PAGE_SIZE);
		assert_int_equal(list[6].result, 0x5555);
	}
	assert_int_equal(CALL(multicall, guest_va(10), 0), 0);
	assert_int_equal(CALL(multicall, BAD, 1), -EFAULT);
	assert_int_equal(CALL(multicall, IN_MICA, 1), -EFAULT);
	/* The second entry lies where nothing is mapped: the first was done. */
	list = guest_ptr(last_in_page);
	entry_set(list, __HYPERVISOR_xen_version, XENVER_version, 0, 0);
	assert_int_equal(CALL(update_va_mapping, guest_va(11), 0, UVMF_INVLPG), 0);
	assert_int_equal(CALL(multicall, last_in_page, 2), -EFAULT);
	assert_int_equal(list->result, 4 << 16 | 17);
	/* Results that cannot be written. */
	(void)page_readonly(10, true);
	assert_int_equal(CALL(multicall, guest_va(10), 1), -EFAULT);
	(void)page_readonly(10, false);
	assert_int_equal(CALL(update_va_mapping, guest_va(11),
			      mfn_num(guest_pfn(16 + 11)) << PAGE_SHIFT | PTE_PRESENT | PTE_RW, 0),
			 0);
	assert_int_equal(machine_audit(), 0);
}

/* An entry that is restarted inside: its arguments in the guest's list are the progress. */
static void multicall_restarts(void **state)
{
	struct multicall_entry *list = guest_ptr(guest_va(10));
	char text[1000];
	unsigned long before = guest_restarts;

	(void)state;
	memset(text, 'r', sizeof(text));
	entry_set(&list[0], __HYPERVISOR_console_io, CONSOLEIO_write, sizeof(text), U(text));
	entry_set(&list[1], __HYPERVISOR_xen_version, XENVER_version, 0, 0);
	fake_preempt_every = 3;
	fake_console_said(NULL);
	assert_int_equal(CALL(multicall, guest_va(10), 2), 0);
	fake_preempt_every = 0;
	assert_true(guest_restarts > before + 1);
	assert_int_equal(list[0].result, 0);
	assert_true(list[0].args[1] < sizeof(text)); /* the last restart left it there */
	assert_int_equal(list[1].result, 4 << 16 | 17);
}

static void events_wake_a_blocked_vcpu(void **state)
{
	struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
	struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = 0};

	(void)state;
	assert_int_equal(CALL(event_channel_op, EVTCHNOP_alloc_unbound, U(&alloc)), 0);
	assert_int_equal(CALL(set_callbacks, CODE, CODE + 1, CODE + 2), 0);
	timer.timeout_abs_ns = fake_tsc + 5000000;
	assert_int_equal(CALL(vcpu_op, VCPUOP_set_singleshot_timer, 0, U(&timer)), 0);
	assert_int_equal(CALL(sched_op, SCHEDOP_block, 0), 0);
	assert_true(machine_current(v->cpu)->is_idle);
	machine_move(10000000);
	/* Nothing is bound to VIRQ_TIMER: it sleeps on. */
	assert_true(machine_current(v->cpu)->is_idle);
	vcpu_kick(v);
	v->info->evtchn_upcall_pending = 1;
	vcpu_kick(v);
	machine_settle();
	assert_ptr_equal(machine_current(v->cpu), v);
	assert_int_equal(v->pv->regs->rip,
			 CODE); /* block had opened the mask: bounced into its callback */
	assert_int_equal(v->info->evtchn_upcall_mask, 1);
	v->info->evtchn_upcall_pending = 0;
	assert_int_equal(CALL(event_channel_op, EVTCHNOP_close, U(&alloc.port)), 0);
}

static int setup(void **state)
{
	(void)state;
	machine_start(2);
	v = dom0->vcpus[0];
	v->info->evtchn_upcall_mask = 1;
	return 0;
}

static int after_each(void **state)
{
	(void)state;
	return machine_audit() == 0 && log_warning_count() == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(numbers, after_each),
		cmocka_unit_test_teardown(trap_table, after_each),
		cmocka_unit_test_teardown(callbacks, after_each),
		cmocka_unit_test_teardown(small_ones, after_each),
		cmocka_unit_test_teardown(segment_bases, after_each),
		cmocka_unit_test_teardown(debug_registers, after_each),
		cmocka_unit_test_teardown(gdt, after_each),
		cmocka_unit_test_teardown(versions, after_each),
		cmocka_unit_test_teardown(console, after_each),
		cmocka_unit_test_teardown(multicalls, after_each),
		cmocka_unit_test_teardown(multicall_restarts, after_each),
		cmocka_unit_test_teardown(events_wake_a_blocked_vcpu, after_each),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

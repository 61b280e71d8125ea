/* SPDX-License-Identifier: MIT */
/* uses: test/fake/whole.c */
/*
 * The life of domains, on the whole machine: Domain 0 as its builder leaves it, guests made, run, crashed and destroyed by the calls
 * that the tools make, with each allocation failing in turn. What is left over is counted after every test.
 */
#include "toolstack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../unit/image_build.h"
#include "core/log.h"
#include "domain/domain.h"
#include "evtchn/evtchn.h"
#include "hw/asm.h"
#include "hw/clock.h"
#include "lib/errno.h"
#include "lib/rangeset.h"
#include "sched/sched.h"

static struct vcpu *v;
static u64 free_before;
static unsigned int warnings_before;
#define CALL(name, ...) guest_call(v, __HYPERVISOR_##name, __VA_ARGS__)

/* ---------------------------------------------------------------- Domain 0 as built */

static void dom0_has_what_it_was_promised(void **state)
{
	const struct start_info *info = guest_ptr(v->pv->regs->rsi);
	const u8 *stubs = guest_ptr(BUILD_VIRT_BASE + 0x101000), *initrd;

	(void)state;
	assert_string_equal(info->magic, "xen-3.0-x86_64");
	assert_int_equal(info->nr_pages, GUEST_PFNS);
	assert_int_equal(info->flags, SIF_PRIVILEGED | SIF_INITDOMAIN | SIF_MOD_START_PFN);
	assert_string_equal((const char *)info->cmd_line, "console=hvc0 ro");
	assert_int_equal(info->shared_info >> PAGE_SHIFT, mfn_num(dom0->shared_mfn));
	assert_int_equal(info->mod_len, 5000);
	assert_memory_equal((const u8 *)info + info->console.dom0.info_off, "video", 5);
	/* The ramdisk is where it says, and the rest of its last page shows nothing. */
	initrd = hw_frame_map(guest_pfn(info->mod_start + 1));
	assert_int_equal(initrd[5000 - 4096 - 1], 0x5a);
	/* Every page is there once, and the M2P knows it. */
	for (u64 pfn = 0; pfn < GUEST_PFNS; pfn++) {
		mfn_t mfn = guest_pfn(pfn);

		assert_int_equal(frame_of(mfn)->owner, 0);
		assert_int_equal(m2p_get(mfn), pfn);
	}
	/* Its tables are read-only, all else of the region can be written. */
	for (u64 va = BUILD_VIRT_BASE; va < BUILD_VIRT_BASE + (4 << 20); va += PAGE_SIZE) {
		bool is_table = va >= info->pt_base &&
				va < info->pt_base + info->nr_pt_frames * PAGE_SIZE;
		u64 entry = *(const u64 *)(fake_ram + maddr_num(guest_pte(va)));

		assert_int_equal((entry & PTE_RW) == 0, is_table);
		assert_int_equal(mfn_num(guest_mfn(va)),
				 mfn_num(guest_pfn((va - BUILD_VIRT_BASE) >> PAGE_SHIFT)));
	}
	assert_null(guest_ptr(BUILD_VIRT_BASE + (4 << 20)));
	/* Hypercall page: mov eax, number; syscall. */
	for (unsigned int i = 0; i < 128; i++)
		assert_int_equal(stubs[32 * i + (i == 23 ? 5 : 4)], i);
	/* Rights: not the local APIC, not the serial port, not the PIC; but VGA and the real-time clock. */
	assert_false(rangeset_contains(dom0->iomem_allowed, 0xfee00, 0xfee00));
	assert_false(rangeset_contains(dom0->iomem_allowed, 0xfec00, 0xfec00));
	assert_true(rangeset_contains(dom0->iomem_allowed, 0xb8, 0xb8));
	assert_false(rangeset_contains(dom0->ioport_allowed, 0x3f8, 0x3f8));
	assert_false(rangeset_contains(dom0->ioport_allowed, 0x20, 0x20));
	assert_true(rangeset_contains(dom0->ioport_allowed, 0x3c0, 0x3df));
	assert_ptr_equal(dom0->shared, hw_frame_map(dom0->shared_mfn));
	assert_true(dom0->shared->wc_sec != 0);
}

/* ---------------------------------------------------------------- how the machine ends */

static void shut_down(unsigned int reason)
{
	struct sched_shutdown arg = {.reason = reason};

	(void)CALL(sched_op, SCHEDOP_shutdown, U(&arg));
}

static void power_off(void)
{
	shut_down(SHUTDOWN_poweroff);
}

static void reboot(void)
{
	shut_down(SHUTDOWN_reboot);
}

static void said_or_lives(const char *text)
{
	if (!fake_console_said(text))
		_Exit(1);
}

static void kernel_crash(void)
{
	fake_console_said(NULL);
	shut_down(SHUTDOWN_crash);
}

static void noreboot(void)
{
	opt_noreboot = true;
	shut_down(SHUTDOWN_crash);
}

/* A trap for which Domain 0 has no handler. */
static void double_fault(void)
{
	v->pv->traps[6].address = 0;
	v->pv->regs->rip = guest_va(0);
	guest_trap(v, 6, 0);
}

static void watchdog_bites(void)
{
	struct sched_watchdog arg = {.timeout = 2};

	if (CALL(sched_op, SCHEDOP_watchdog, U(&arg)) != 1)
		_Exit(1);
	machine_move(1000000000);
	said_or_lives("");
	machine_move(2000000000);
}

static void own_bug(void)
{
	BUG_ON(v != NULL);
}

static void key_reboots(void)
{
	machine_type("\x01\x01\x01R");
	machine_move(30000000);
}

static void the_machine_ends(void **state)
{
	(void)state;
	assert_string_equal(machine_end(power_off), "poweroff");
	assert_string_equal(machine_end(reboot), "reboot");
	assert_string_equal(machine_end(kernel_crash), "reboot");
	assert_string_equal(machine_end(noreboot), "halt");
	assert_string_equal(machine_end(double_fault), "reboot");
	assert_string_equal(machine_end(watchdog_bites), "reboot");
	assert_string_equal(machine_end(own_bug), "reboot");
	assert_string_equal(machine_end(key_reboots), "reboot");
}

/* ---------------------------------------------------------------- serial keys */

static void keys(void **state)
{
	const struct {
		const char *key, *says;
	} cases[] = {
		{"h", "this list"},
		{"a", "audit: 0 findings"},
		{"w", "warnings: 0"},
		{"d", "rip "},
		{"e", "event channels"},
		{"i", ""},
		{"q", "free "},
		{"r", ""},
		{"s", ""},
		{"t", "last of CPU 1"},
		{"z", ""},
	};
	unsigned int log_level = opt_loglvl;

	(void)state;
	fake_console_said(NULL);
	machine_type("\x01\x01\x01");
	machine_move(30000000);
	assert_true(fake_console_said("keys go to Mica"));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fake_console_said(NULL);
		machine_type(cases[i].key);
		machine_move(30000000);
		if (!fake_console_said(cases[i].says))
			fail_msg("key %s does not say '%s'", cases[i].key, cases[i].says);
	}
	machine_type("\x01\x01\x01");
	machine_move(30000000);
	assert_true(fake_console_said("keys go to Domain 0"));
	opt_loglvl = log_level;
}

/* ---------------------------------------------------------------- made and unmade */

static struct tool_guest g;

static void a_guest_lives_and_dies(void **state)
{
	struct sched_shutdown arg = {.reason = SHUTDOWN_poweroff};
	struct xen_domctl op = {0};
	struct vcpu *u;

	(void)state;
	assert_int_equal(tool_build(&g, 2, 100), 0);
	assert_int_equal(machine_audit(), 0);
	tool_run(&g);
	u = g.d->vcpus[0];
	assert_int_equal(guest_call(u, __HYPERVISOR_xen_version, XENVER_version), 4 << 16 | 17);
	assert_ptr_equal(guest_ptr(guest_va(5)), hw_frame_map(mfn_make(g.mfns[5])));
	/* It is not Domain 0. */
	assert_int_equal(guest_call(u, __HYPERVISOR_domctl, U(&op)), -EPERM);
	assert_int_equal(guest_call(u, __HYPERVISOR_sysctl, U(&op)), -EPERM);
	assert_int_equal(guest_call(u, __HYPERVISOR_platform_op, U(&op)), -EPERM);
	assert_int_equal(guest_call(u, __HYPERVISOR_console_io, CONSOLEIO_write, 1, U("x")),
			 -EPERM);
	assert_int_equal(machine_audit(), 0);
	/* It ends itself; Domain 0 is told, sees it, and takes it apart. */
	assert_int_equal(guest_call(u, __HYPERVISOR_sched_op, SCHEDOP_shutdown, U(&arg)), 0);
	assert_true(machine_current(1)->is_idle);
	fake_cpu = 0;
	assert_int_equal(tool_domctl(XEN_DOMCTL_getdomaininfo, g.id, &op), 0);
	assert_int_equal(op.u.getdomaininfo.flags & XEN_DOMINF_shutdown, XEN_DOMINF_shutdown);
	assert_int_equal(op.u.getdomaininfo.flags >> XEN_DOMINF_shutdownshift & 0xff,
			 SHUTDOWN_poweroff);
	assert_int_equal(op.u.getdomaininfo.tot_pages, 100);
	tool_destroy(&g);
}

static void destroyed_while_it_runs_and_in_pieces(void **state)
{
	(void)state;
	for (unsigned int every = 0; every < 8; every += 3) {
		assert_int_equal(tool_build(&g, 3, 60), 0);
		tool_run(&g);
		fake_cpu = 0;
		fake_preempt_every = every;
		tool_destroy(&g);
		fake_preempt_every = 0;
		assert_int_equal(machine_audit(), 0);
	}
}

static void a_crash_is_the_guests_alone(void **state)
{
	struct xen_domctl op = {0};

	(void)state;
	assert_int_equal(tool_build(&g, 1, 60), 0);
	tool_run(&g);
	fake_console_said(NULL);
	g.d->vcpus[0]->pv->traps[6].address = 0;
	guest_trap(g.d->vcpus[0], 6, 0);
	machine_settle();
	assert_true(fake_console_said("no handler for trap 6"));
	assert_true(machine_current(1)->is_idle);
	assert_ptr_equal(machine_current(0), v);
	fake_cpu = 0;
	assert_int_equal(tool_domctl(XEN_DOMCTL_getdomaininfo, g.id, &op), 0);
	assert_int_equal(op.u.getdomaininfo.flags >> XEN_DOMINF_shutdownshift & 0xff,
			 SHUTDOWN_crash);
	/* There is no way back from that. */
	(void)tool_domctl(XEN_DOMCTL_resumedomain, g.id, &op);
	assert_true(machine_current(1)->is_idle);
	tool_destroy(&g);
}

static void suspend_and_resume(void **state)
{
	struct sched_shutdown arg = {.reason = SHUTDOWN_suspend};
	struct xen_domctl op = {0};

	(void)state;
	assert_int_equal(tool_build(&g, 1, 60), 0);
	tool_run(&g);
	(void)guest_call(g.d->vcpus[0], __HYPERVISOR_sched_op, SCHEDOP_shutdown, U(&arg));
	machine_settle();
	assert_true(machine_current(1)->is_idle);
	fake_cpu = 0;
	assert_int_equal(tool_domctl(XEN_DOMCTL_resumedomain, g.id, &op), 0);
	assert_ptr_equal(machine_current(1), g.d->vcpus[0]);
	assert_false(g.d->is_shut_down);
	tool_destroy(&g);
}

/* A tool sees that it has shut down, and resumes it, while it is still being stopped. */
static struct domain *resumed;
static unsigned int resume_at; /* steps until then; 0: done */

static void resume_step(void)
{
	if (resume_at == 0 || --resume_at != 0)
		return;
	if (resumed->lock.next != resumed->lock.owner)
		resume_at = 1; /* held: it waits */
	else
		domain_resume(resumed);
}

static void resumed_while_it_is_stopped(void **state)
{
	unsigned int at;
	struct vcpu *u;

	(void)state;
	assert_int_equal(tool_build(&g, 3, 60), 0);
	tool_run(&g);
	resumed = g.d;
	fake_cpu = 0;
	for (at = 1; resume_at == 0; at++) {
		resume_at = at;
		fake_step_hook = resume_step;
		domain_shutdown(g.d, SHUTDOWN_suspend);
		fake_step_hook = NULL;
		machine_settle();
		for_each_vcpu(g.d, u)
			assert_int_equal(u->pause_count, g.d->is_shut_down);
		assert_int_equal(machine_current(1)->is_idle, g.d->is_shut_down);
		domain_resume(g.d);
		machine_settle();
		assert_ptr_equal(machine_current(1), g.d->vcpus[0]);
	}
	resume_at = 0;
	assert_in_range(at, 20, 10000);
	tool_destroy(&g);
}

/* Allocation number 0, 1, 2 ... fails: the call says so, and everything is as before. */
static void each_allocation_fails(void **state)
{
	struct xen_domctl op;
	unsigned int n;

	(void)state;
	assert_int_equal(tool_build(&g, 1, 60), 0); /* what is made once for all is made */
	tool_destroy(&g);
	for (n = 0; n < 1000; n++) {
		u64 before = machine_free();
		long rc;

		op = tool_create_arguments(3);
		fake_alloc_fail_after = (int)n;
		rc = tool_domctl(XEN_DOMCTL_createdomain, 77, &op);
		fake_alloc_fail_after = -1;
		if (!rc)
			break;
		assert_int_equal(rc, -ENOMEM);
		assert_int_equal(machine_free(), before);
		assert_false(tool_exists(77));
	}
	assert_in_range(n, 10, 200);
	g.id = 77;
	tool_destroy(&g);
	/* The same for all that comes after; what was made by then is destroyed. */
	for (n = 0; n < 1000; n++) {
		struct xen_domctl info = {0};
		long rc;

		g.id = 0;
		fake_alloc_fail_after = (int)n;
		rc = tool_build(&g, 1, 60);
		fake_alloc_fail_after = -1;
		if (!rc)
			break;
		assert_int_equal(rc, -ENOMEM);
		if (tool_domctl(XEN_DOMCTL_getdomaininfo, 1, &info) == 0) {
			g.id = info.domain;
			assert_int_equal(machine_audit(), 0);
			tool_destroy(&g);
		}
		assert_int_equal(machine_free(), free_before);
	}
	assert_in_range(n, 10, 300);
	tool_destroy(&g);
}

static void created_wrongly(void **state)
{
	struct xen_domctl op;

	(void)state;
#define REFUSED(rc, field, value)                                                   \
	do {                                                                        \
		op = tool_create_arguments(1);                                      \
		op.u.createdomain.field = value;                                    \
		assert_int_equal(tool_domctl(XEN_DOMCTL_createdomain, 0, &op), rc); \
	} while (0)
	REFUSED(-EINVAL, max_vcpus, 0);
	REFUSED(-EINVAL, max_vcpus, DOMAIN_VCPUS_MAX + 1);
	REFUSED(-EINVAL, flags, XEN_DOMCTL_CDF_hvm);
	REFUSED(-EINVAL, flags, ~0u);
	REFUSED(-EINVAL, iommu_opts, 1);
	REFUSED(-EINVAL, max_grant_frames, 1 << 30);
	REFUSED(-EINVAL, max_maptrack_frames, 1 << 30);
	REFUSED(-EINVAL, grant_opts, 0);
	REFUSED(-EOPNOTSUPP, grant_opts, 2);
	REFUSED(-EINVAL, vmtrace_size, 4096);
	REFUSED(-EINVAL, arch.emulation_flags, 1);
	/* A number in use. */
	op = tool_create_arguments(1);
	assert_int_equal(tool_domctl(XEN_DOMCTL_createdomain, 5, &op), 0);
	assert_int_equal(tool_domctl(XEN_DOMCTL_createdomain, 5, &op), -EEXIST);
	g.id = 5;
	tool_destroy(&g);
	assert_int_equal(tool_domctl(XEN_DOMCTL_destroydomain, 5, &op), -ESRCH);
	assert_int_equal(tool_domctl(XEN_DOMCTL_destroydomain, 0, &op), -EINVAL);
	assert_int_equal(tool_domctl(XEN_DOMCTL_destroydomain, DOMID_SELF, &op), -EINVAL);
	op.interface_version = 7;
	op.cmd = XEN_DOMCTL_pausedomain;
	assert_int_equal(CALL(domctl, U(&op)), -EACCES);
	assert_int_equal(CALL(domctl, 8), -EFAULT);
	assert_int_equal(tool_domctl(0xfff, 0, &op), -ENOSYS);
	assert_int_equal(tool_domctl(~0u, 0, &op), -ENOSYS);
}

/* Another domain's page keeps a dead domain until it is let go. */
static void a_mapped_page_keeps_a_dead_domain(void **state)
{
	const u64 va = guest_va(100);
	struct mmu_update update = {0};
	struct xen_domctl op = {0};
	u64 old, pte = maddr_num(guest_pte(va));

	(void)state;
	old = *(const u64 *)(fake_ram + pte);
	assert_int_equal(tool_build(&g, 1, 60), 0);
	update.ptr = pte | MMU_NORMAL_PT_UPDATE;
	update.val = pte_make(mfn_make(g.mfns[9]), PTE_PRESENT | PTE_RW | PTE_USER);
	assert_int_equal(CALL(mmu_update, U(&update), 1, 0, g.id), 0);
	*(u32 *)guest_ptr(va) = 0x12345678;
	assert_int_equal(tool_domctl(XEN_DOMCTL_destroydomain, g.id, &op), 0);
	assert_true(tool_exists(g.id));
	assert_int_equal(tool_domctl(XEN_DOMCTL_getdomaininfo, g.id, &op), 0);
	assert_true(op.u.getdomaininfo.flags & XEN_DOMINF_dying);
	assert_int_equal(op.u.getdomaininfo.tot_pages, 1);
	assert_int_equal(*(u32 *)guest_ptr(va), 0x12345678);
	assert_int_equal(machine_audit(), 0);
	assert_int_equal(tool_domctl(XEN_DOMCTL_destroydomain, g.id, &op), 0); /* again: nothing */
	update.val = old;
	assert_int_equal(CALL(mmu_update, U(&update), 1, 0, DOMID_SELF), 0);
	machine_settle();
	assert_false(tool_exists(g.id));
}

/* Far apart, two in one chain of the table: found in order; those that die together are each freed, once. */
static void three_at_once(void)
{
	static const domid_t ids[] = {44, 300, 30000};
	domid_t seen[4] = {0}, count = 0;
	struct tool_guest made[3];
	struct xen_domctl op = {0};

	for (unsigned int i = 0; i < 3; i++) {
		tool_id = ids[2 - i];
		assert_int_equal(tool_build(&made[2 - i], 1, 60), 0);
	}
	tool_id = 0;
	for_each_domain(d)
		seen[count++ % 4] = d->id;
	assert_int_equal(count, 4);
	assert_memory_equal(&seen[1], ids, sizeof(ids));
	for (unsigned int i = 0; i < 3; i++)
		domain_get(made[i].d);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(tool_domctl(XEN_DOMCTL_destroydomain, ids[i], &op), 0);
	for (unsigned int i = 0; i < 3; i++) {
		assert_true(tool_exists(ids[i]));
		domain_put(made[i].d);
	}
	machine_settle();
	for (unsigned int i = 0; i < 3; i++)
		assert_false(tool_exists(ids[i]));
}

static void listed_in_order_and_freed_together(void **state)
{
	(void)state;
	three_at_once();
	free_before = machine_free(); /* the heap has kept a page */
	three_at_once();
}

static int setup(void **state)
{
	(void)state;
	machine_start(2);
	v = dom0->vcpus[0];
	v->info->evtchn_upcall_mask = 1;
	return 0;
}

static int before_each(void **state)
{
	(void)state;
	fake_cpu = 0;
	machine_settle();
	free_before = machine_free();
	warnings_before = log_warning_count();
	return 0;
}

static int after_each(void **state)
{
	(void)state;
	fake_cpu = 0;
	fake_preempt_every = 0;
	if (machine_audit() != 0)
		return -1;
	if (machine_free() != free_before) {
		fprintf(stderr, "%ld frames are missing\n", (long)(free_before - machine_free()));
		return -1;
	}
	return 0;
}

/* Twenty lines, then one a second. */
static void a_guest_does_not_flood_the_console(void **state)
{
	(void)state;
	fake_console_said(NULL);
	for (unsigned int i = 0; i < 1000; i++)
		log_guest(v, LOG_WARNING, "line %u.", i);
	assert_true(fake_console_said("(XEN) d0v0: line 0."));
	assert_true(fake_console_said("line 19."));
	assert_false(fake_console_said("line 20."));
	for (unsigned int second = 0; second < 2; second++) {
		machine_move(1100000000);
		for (unsigned int i = 2000; i < 2010; i++)
			log_guest(v, LOG_WARNING, "line %u%u.", second, i);
	}
	assert_true(fake_console_said("line 02000."));
	assert_false(fake_console_said("line 02001."));
	assert_true(fake_console_said("line 12000."));
	assert_false(fake_console_said("line 12001."));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, before_each, after_each)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(dom0_has_what_it_was_promised),
		TEST(the_machine_ends),
		TEST(keys),
		TEST(a_guest_lives_and_dies),
		TEST(destroyed_while_it_runs_and_in_pieces),
		TEST(a_crash_is_the_guests_alone),
		TEST(suspend_and_resume),
		TEST(resumed_while_it_is_stopped),
		TEST(each_allocation_fails),
		TEST(created_wrongly),
		TEST(a_mapped_page_keeps_a_dead_domain),
		TEST(listed_in_order_and_freed_together),
		TEST(a_guest_does_not_flood_the_console),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

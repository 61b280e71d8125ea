/* SPDX-License-Identifier: MIT */
/* uses: test/fake/whole.c */
/*
 * What tools ask and change: every sysctl and domctl that Mica answers, rightly and wrongly, on the whole machine with one guest.
 * (Making and ending guests: domain_test.c.)
 */
#include "toolstack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <xen/sysctl.h>

#include "../unit/image_build.h"
#include "core/log.h"
#include "evtchn/evtchn.h"
#include "gnttab/gnttab.h"
#include "hcall/hcall.h"
#include "hw/features.h"
#include "hw/layout.h"
#include "lib/errno.h"
#include "lib/rangeset.h"
#include "policy/policy.h"
#include "sched/sched.h"

static struct vcpu *v; /* Domain 0's */
static struct tool_guest g;
static struct xen_domctl op;
static struct xen_sysctl sys;
#define CALL(name, ...) guest_call(v, __HYPERVISOR_##name, __VA_ARGS__)
#define DOMCTL(command) tool_domctl(XEN_DOMCTL_##command, g.id, &op)
#define BAD		((void *)8)

static long sysctl(u32 cmd)
{
	sys.cmd = cmd;
	sys.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	return CALL(sysctl, U(&sys));
}

/* ---------------------------------------------------------------- the machine */

static void console_ring(void **state)
{
	static char buf[1 << 16];

	(void)state;
	log_info("a line for the tools");
	memset(&sys, 0, sizeof(sys));
	sys.u.readconsole.buffer.p = buf;
	sys.u.readconsole.count = sizeof(buf);
	assert_int_equal(sysctl(XEN_SYSCTL_readconsole), 0);
	assert_non_null(strstr(buf, "a line for the tools"));
	/* From there on: nothing but what comes now. */
	sys.u.readconsole.incremental = 1;
	sys.u.readconsole.count = sizeof(buf);
	log_info("another one");
	memset(buf, 0, sizeof(buf));
	assert_int_equal(sysctl(XEN_SYSCTL_readconsole), 0);
	assert_null(strstr(buf, "a line for the tools"));
	assert_non_null(strstr(buf, "another one"));
	sys.u.readconsole.count = sizeof(buf);
	sys.u.readconsole.clear = 1;
	assert_int_equal(sysctl(XEN_SYSCTL_readconsole), 0);
	sys.u.readconsole.incremental = 0;
	sys.u.readconsole.count = sizeof(buf);
	assert_int_equal(sysctl(XEN_SYSCTL_readconsole), 0);
	assert_int_equal(sys.u.readconsole.count, 0);
	/* The ring turns over: the newest 32 KiB are there. */
	for (unsigned int i = 0; i < 1000; i++)
		log_info("line %u, long enough to fill the ring quickly and then some", i);
	memset(buf, 0, sizeof(buf));
	sys.u.readconsole.count = sizeof(buf) - 1;
	assert_int_equal(sysctl(XEN_SYSCTL_readconsole), 0);
	assert_null(strstr(buf, "line 1,"));
	assert_non_null(strstr(buf, "line 999,"));
	log_info("x");
	sys.u.readconsole.buffer.p = BAD;
	sys.u.readconsole.count = 10;
	assert_int_equal(sysctl(XEN_SYSCTL_readconsole), -EFAULT);
	sys.u.readconsole.count = 0;
	assert_int_equal(sysctl(XEN_SYSCTL_readconsole), 0);
}

static void why_a_tool_failed(void **state)
{
	static char buf[1 << 16];
	struct xen_memory_reservation claim = {.domid = g.id, .nr_extents = 1ul << 40};

	(void)state;
	assert_int_equal(tool_domctl(XEN_DOMCTL_pausedomain, 99, &op), -ESRCH);
	assert_int_equal(tool_domctl(9999, g.id, &op), -ENOSYS);
	assert_int_equal(CALL(memory_op, XENMEM_claim_pages, U(&claim)), -EINVAL);
	set_xen_guest_handle(claim.extent_start, (xen_pfn_t *)BAD);
	assert_int_equal(CALL(memory_op, XENMEM_populate_physmap, U(&claim)), 0);
	memset(&sys, 0, sizeof(sys));
	sys.u.readconsole.buffer.p = buf;
	sys.u.readconsole.count = sizeof(buf) - 1;
	assert_int_equal(sysctl(XEN_SYSCTL_readconsole), 0);
	assert_non_null(strstr(buf, "0 of 1099511627776 extents, then -14\n"));
	assert_non_null(strstr(buf, "d0: domctl 3 (pausedomain) on d99 fails: -3\n"));
	assert_non_null(strstr(buf, "d0: domctl 9999 (unknown) on d"));
	assert_non_null(strstr(buf, "d0: claim of 1099511627776 pages for d"));
}

static void the_machine(void **state)
{
	static struct xen_sysctl_cputopo topology[4];
	static struct xen_sysctl_meminfo memory;
	u8 cpus[2] = {0xff, 0xff};
	u32 distance;

	(void)state;
	memset(&sys, 0, sizeof(sys));
	assert_int_equal(sysctl(XEN_SYSCTL_physinfo), 0);
	assert_int_equal(sys.u.physinfo.nr_cpus, 2);
	assert_int_equal(sys.u.physinfo.max_cpu_id, 1);
	assert_int_equal(sys.u.physinfo.free_pages, machine_free());
	assert_int_equal(sys.u.physinfo.cpu_khz, 1000000);
	assert_true(sys.u.physinfo.capabilities & XEN_SYSCTL_PHYSCAP_pv);
	assert_false(sys.u.physinfo.capabilities & XEN_SYSCTL_PHYSCAP_hvm);
	assert_int_equal(sysctl(XEN_SYSCTL_sched_id), 0);
	assert_int_equal(sys.u.sched_id.sched_id, XEN_SCHEDULER_CREDIT2);
	sys.u.availheap.node = -1;
	assert_int_equal(sysctl(XEN_SYSCTL_availheap), 0);
	assert_int_equal(sys.u.availheap.avail_bytes, machine_free() * PAGE_SIZE);

	memset(&sys, 0, sizeof(sys));
	assert_int_equal(sysctl(XEN_SYSCTL_cputopoinfo), 0);
	assert_int_equal(sys.u.cputopoinfo.num_cpus, 2);
	topology[1].core = topology[2].core = 77;
	sys.u.cputopoinfo.cputopo.p = topology;
	sys.u.cputopoinfo.num_cpus = 4;
	assert_int_equal(sysctl(XEN_SYSCTL_cputopoinfo), 0);
	assert_int_equal(topology[1].core, 1);
	assert_int_equal(topology[2].core, 77);
	sys.u.cputopoinfo.cputopo.p = BAD;
	assert_int_equal(sysctl(XEN_SYSCTL_cputopoinfo), -EFAULT);

	memset(&sys, 0, sizeof(sys));
	assert_int_equal(sysctl(XEN_SYSCTL_numainfo), 0);
	assert_int_equal(sys.u.numainfo.num_nodes, 1);
	sys.u.numainfo.num_nodes = 1;
	sys.u.numainfo.meminfo.p = &memory;
	sys.u.numainfo.distance.p = &distance;
	assert_int_equal(sysctl(XEN_SYSCTL_numainfo), 0);
	assert_int_equal(memory.memsize, MACHINE_FRAMES * PAGE_SIZE);
	assert_int_equal(distance, 10);
	sys.u.numainfo.distance.p = BAD;
	assert_int_equal(sysctl(XEN_SYSCTL_numainfo), -EFAULT);
	sys.u.numainfo.meminfo.p = BAD;
	assert_int_equal(sysctl(XEN_SYSCTL_numainfo), -EFAULT);

	memset(&sys, 0, sizeof(sys));
	sys.u.cpupool_op.op = XEN_SYSCTL_CPUPOOL_OP_INFO;
	sys.u.cpupool_op.cpumap.bitmap.p = cpus;
	sys.u.cpupool_op.cpumap.nr_bits = 16;
	assert_int_equal(sysctl(XEN_SYSCTL_cpupool_op), 0);
	assert_int_equal(cpus[0] & 3, 3);
	sys.u.cpupool_op.op = XEN_SYSCTL_CPUPOOL_OP_INFO;
	sys.u.cpupool_op.cpupool_id = 9;
	assert_int_equal(sysctl(XEN_SYSCTL_cpupool_op), -ENOENT);

	assert_int_equal(sysctl(0), -ENOSYS);
	assert_int_equal(sysctl(1000), -ENOSYS);
	sys.interface_version = 1;
	assert_int_equal(CALL(sysctl, U(&sys)), -EACCES);
	assert_int_equal(CALL(sysctl, 8), -EFAULT);
}

static void the_list_of_domains(void **state)
{
	static struct xen_domctl_getdomaininfo infos[4];

	u64 limit = dom0->mm->pages_max;

	(void)state;
	memset(&sys, 0, sizeof(sys));
	sys.u.getdomaininfolist.buffer.p = infos;
	sys.u.getdomaininfolist.max_domains = 4;
	dom0->mm->pages_max = 1ull << 52; /* as without dom0_mem=max: */
	assert_int_equal(sysctl(XEN_SYSCTL_getdomaininfolist), 0);
	dom0->mm->pages_max = limit;
	assert_int_equal(infos[0].max_pages, UINT32_MAX);
	assert_int_equal(sys.u.getdomaininfolist.num_domains, 2);
	assert_int_equal(infos[0].domain, 0);
	assert_true(infos[0].flags & XEN_DOMINF_running);
	assert_int_equal(infos[1].domain, g.id);
	assert_true(infos[1].flags & XEN_DOMINF_paused);
	assert_int_equal(infos[1].tot_pages, 60);
	assert_int_equal(infos[1].max_pages, 60);
	assert_int_equal(infos[1].handle[3], 4);
	assert_int_equal(infos[1].nr_online_vcpus, 1);
	assert_int_equal(infos[1].max_vcpu_id, 1);
	sys.u.getdomaininfolist.first_domain = 1;
	sys.u.getdomaininfolist.max_domains = 1;
	assert_int_equal(sysctl(XEN_SYSCTL_getdomaininfolist), 0);
	assert_int_equal(sys.u.getdomaininfolist.num_domains, 1);
	assert_int_equal(infos[0].domain, g.id);
	sys.u.getdomaininfolist.first_domain = 0xffff;
	assert_int_equal(sysctl(XEN_SYSCTL_getdomaininfolist), 0);
	assert_int_equal(sys.u.getdomaininfolist.num_domains, 0);
	sys.u.getdomaininfolist.first_domain = 0;
	sys.u.getdomaininfolist.buffer.p = BAD;
	assert_int_equal(sysctl(XEN_SYSCTL_getdomaininfolist), -EFAULT);
}

/* ---------------------------------------------------------------- a domain */

static void pauses(void **state)
{
	(void)state;
	tool_run(&g);
	assert_int_equal(DOMCTL(pausedomain), 0);
	assert_true(machine_current(1)->is_idle);
	assert_int_equal(DOMCTL(pausedomain), 0);
	assert_int_equal(DOMCTL(unpausedomain), 0);
	assert_true(machine_current(1)->is_idle);
	assert_int_equal(DOMCTL(unpausedomain), 0);
	assert_ptr_equal(machine_current(1), g.d->vcpus[0]);
	assert_int_equal(DOMCTL(unpausedomain), -EINVAL);
	assert_int_equal(tool_domctl(XEN_DOMCTL_pausedomain, 0, &op), -EINVAL);
	assert_int_equal(tool_domctl(XEN_DOMCTL_resumedomain, 0, &op), -EINVAL);
	assert_int_equal(tool_domctl(XEN_DOMCTL_pausedomain, 99, &op), -ESRCH);
	assert_int_equal(DOMCTL(resumedomain), 0); /* not shut down: nothing happens */
	assert_ptr_equal(machine_current(1), g.d->vcpus[0]);
}

/* 492, 499: a second call while one is at work on the domain. This one begins where the first copies from its caller. */
static void *(*translate_before)(u64 va, bool is_write);
static struct xen_domctl second;
static int second_rc = 1;

static void *second_comes(u64 va, bool is_write)
{
	struct hcall_args args = {.a = {U(&second)}};

	if (g.d->is_in_domctl && second_rc == 1) {
		second_rc = 0;
		second_rc = do_domctl(v, &args);
	}
	return translate_before(va, is_write);
}

static void one_at_a_time(void **state)
{
	static u64 frame;

	(void)state;
	tool_run(&g);
	second = (struct xen_domctl){.cmd = XEN_DOMCTL_pausedomain,
				     .interface_version = XEN_DOMCTL_INTERFACE_VERSION,
				     .domain = g.id};
	frame = g.mfns[7];
	op.u.getpageframeinfo3.num = 1;
	set_xen_guest_handle(op.u.getpageframeinfo3.array, &frame);
	translate_before = fake_copy_translate;
	fake_copy_translate = second_comes;
	assert_int_equal(DOMCTL(getpageframeinfo3), 0);
	fake_copy_translate = translate_before;
	assert_int_equal(second_rc, -ERESTART);
	assert_ptr_equal(machine_current(1), g.d->vcpus[0]); /* it is not paused */
	assert_int_equal(DOMCTL(pausedomain), 0); /* and once the first is over, it can be */
	assert_true(machine_current(1)->is_idle);
}

static void rights(void **state)
{
	(void)state;
	op.u.iomem_permission.first_mfn = 0xb8;
	op.u.iomem_permission.nr_mfns = 8;
	op.u.iomem_permission.allow_access = 1;
	assert_int_equal(DOMCTL(iomem_permission), 0);
	assert_true(rangeset_contains(g.d->iomem_allowed, 0xb8, 0xbf));
	op.u.iomem_permission.allow_access = 0;
	op.u.iomem_permission.nr_mfns = 1;
	assert_int_equal(DOMCTL(iomem_permission), 0);
	assert_false(rangeset_contains(g.d->iomem_allowed, 0xb8, 0xb8));
	/* What Domain 0 has not it cannot give: the local APIC; nothing at all; more than there is. */
	op.u.iomem_permission.allow_access = 1;
	op.u.iomem_permission.first_mfn = 0xfee00;
	assert_int_equal(DOMCTL(iomem_permission), -EPERM);
	op.u.iomem_permission.nr_mfns = 0;
	assert_true(DOMCTL(iomem_permission) < 0);
	op.u.iomem_permission.nr_mfns = ~0ull;
	op.u.iomem_permission.first_mfn = 2;
	assert_true(DOMCTL(iomem_permission) < 0);
	op.u.iomem_permission.allow_access = 0;
	assert_int_equal(DOMCTL(iomem_permission), -EINVAL);

	memset(&op, 0, sizeof(op));
	op.u.ioport_permission.first_port = 0x3c0;
	op.u.ioport_permission.nr_ports = 0x20;
	op.u.ioport_permission.allow_access = 1;
	assert_int_equal(DOMCTL(ioport_permission), 0);
	assert_true(rangeset_contains(g.d->ioport_allowed, 0x3c0, 0x3df));
	op.u.ioport_permission.first_port = 0x3f8;
	assert_int_equal(DOMCTL(ioport_permission), -EPERM);
	op.u.ioport_permission.first_port = 0xfff0;
	assert_int_equal(DOMCTL(ioport_permission), -EINVAL);

	memset(&op, 0, sizeof(op));
	op.u.irq_permission.pirq = 17;
	op.u.irq_permission.allow_access = 1;
	assert_int_equal(DOMCTL(irq_permission), 0);
	assert_true(rangeset_contains(g.d->irq_allowed, 17, 17));
	op.u.irq_permission.allow_access = 0;
	assert_int_equal(DOMCTL(irq_permission), 0);
	assert_false(rangeset_contains(g.d->irq_allowed, 17, 17));
}

static void names_and_numbers(void **state)
{
	(void)state;
	memset(op.u.setdomainhandle.handle, 0x42, 16);
	assert_int_equal(DOMCTL(setdomainhandle), 0);
	assert_int_equal(g.d->handle[7], 0x42);
	op.u.address_size.size = 64;
	assert_int_equal(DOMCTL(set_address_size), 0);
	op.u.address_size.size = 32;
	assert_int_equal(DOMCTL(set_address_size), -EINVAL);
	assert_int_equal(DOMCTL(get_address_size), 0);
	assert_int_equal(op.u.address_size.size, 64);
	op.u.max_vcpus.max = 3;
	assert_int_equal(DOMCTL(max_vcpus), -EINVAL);
	op.u.max_mem.max_memkb = 4000;
	assert_int_equal(DOMCTL(max_mem), 0);
	assert_int_equal(g.d->mm->pages_max, 1000);
	op.u.settimeoffset.time_offset_seconds = 3600;
	u32 before = g.d->shared->wc_sec;
	assert_int_equal(DOMCTL(settimeoffset), 0);
	assert_in_range(g.d->shared->wc_sec - before, 3599, 3601);
	assert_int_equal(DOMCTL(setdebugging), 0);
	op.u.subscribe.port = 0;
	assert_int_equal(DOMCTL(subscribe), 0);
	assert_int_equal(DOMCTL(gettscinfo) == 0 || DOMCTL(gettscinfo) == -ENOSYS, 1);
	op.u.sendtrigger.trigger = XEN_DOMCTL_SENDTRIGGER_NMI;
	op.u.sendtrigger.vcpu = 9;
	assert_int_equal(DOMCTL(sendtrigger), -ESRCH);
	op.u.sendtrigger.vcpu = 0;
	assert_int_equal(DOMCTL(sendtrigger), 0);
	op.u.sendtrigger.trigger = XEN_DOMCTL_SENDTRIGGER_POWER;
	assert_int_equal(DOMCTL(sendtrigger), -EINVAL);
	op.u.sendtrigger.trigger = XEN_DOMCTL_SENDTRIGGER_RESET;
	assert_int_equal(DOMCTL(sendtrigger), -ENOSYS);
}

/* What the calls of several operations do not: each says so. */
static void sub_operations(void **state)
{
	static const struct {
		u32 op;
		long rc;
	} shadow[] = {
		{XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION, -EINVAL},
		{XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION, -EINVAL},
		{XEN_DOMCTL_SHADOW_OP_ENABLE_TEST, -EINVAL},
		{XEN_DOMCTL_SHADOW_OP_ENABLE, -EINVAL}, /* with no mode */
		{XEN_DOMCTL_SHADOW_OP_OFF, -EINVAL},	/* it is off */
		{XEN_DOMCTL_SHADOW_OP_PEEK, -EINVAL},
		{XEN_DOMCTL_SHADOW_OP_CLEAN, -EINVAL},
		{XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY, 0},
		{XEN_DOMCTL_SHADOW_OP_PEEK, 0},
		{XEN_DOMCTL_SHADOW_OP_CLEAN, 0},
		{XEN_DOMCTL_SHADOW_OP_OFF, 0},
	};
	static const u32 tbuf[] = {XEN_SYSCTL_TBUFOP_get_info,	   XEN_SYSCTL_TBUFOP_set_cpu_mask,
				   XEN_SYSCTL_TBUFOP_set_evt_mask, XEN_SYSCTL_TBUFOP_set_size,
				   XEN_SYSCTL_TBUFOP_enable,	   XEN_SYSCTL_TBUFOP_disable};
	static const u32 sched[] = {XEN_DOMCTL_SCHEDOP_putvcpuinfo, XEN_DOMCTL_SCHEDOP_getvcpuinfo};
	static const u32 trigger[] = {XEN_DOMCTL_SENDTRIGGER_INIT, XEN_DOMCTL_SENDTRIGGER_SLEEP};

	(void)state;
	memset(&sys, 0, sizeof(sys));
	memset(&op, 0, sizeof(op));
	for (unsigned int i = 0; i < ARRAY_SIZE(shadow); i++) {
		op.u.shadow_op = (struct xen_domctl_shadow_op){.op = shadow[i].op};
		assert_int_equal(DOMCTL(shadow_op), shadow[i].rc);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(tbuf); i++) {
		sys.u.tbuf_op.cmd = tbuf[i];
		assert_int_equal(sysctl(XEN_SYSCTL_tbuf_op), -EOPNOTSUPP);
	}
	for (unsigned int i = 0; i < 2; i++) {
		op.u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
		op.u.scheduler_op.cmd = sched[i];
		assert_int_equal(DOMCTL(scheduler_op), -EINVAL);
		op.u.sendtrigger.trigger = trigger[i];
		op.u.sendtrigger.vcpu = 0;
		assert_int_equal(DOMCTL(sendtrigger), i == 0 ? -ENOSYS : -EINVAL);
	}
	/* XEN_DOMCTL_soft_reset_cont: the public header shows it to hypervisors only. */
	assert_int_equal(tool_domctl(23, g.id, &op), -ENOSYS);
}

/* The event of its own that a suspend raises, instead of VIRQ_DOM_EXC. */
static void a_suspend_is_told(void **state)
{
	struct evtchn_alloc_unbound alloc = {.remote_dom = 0, .dom = g.id};
	struct evtchn_bind_interdomain bind = {.remote_dom = g.id};
	struct sched_shutdown arg = {.reason = SHUTDOWN_suspend};
	struct evtchn_close close;

	(void)state;
	tool_run(&g);
	fake_cpu = 0;
	assert_int_equal(CALL(event_channel_op, EVTCHNOP_alloc_unbound, U(&alloc)), 0);
	bind.remote_port = alloc.port;
	assert_int_equal(CALL(event_channel_op, EVTCHNOP_bind_interdomain, U(&bind)), 0);
	op.u.subscribe.port = alloc.port;
	assert_int_equal(DOMCTL(subscribe), 0);
	(void)guest_call(g.d->vcpus[0], __HYPERVISOR_sched_op, SCHEDOP_shutdown, U(&arg));
	machine_settle();
	assert_true(evtchn_port_is_pending(dom0, bind.local_port));
	fake_cpu = 0;
	close.port = bind.local_port;
	assert_int_equal(CALL(event_channel_op, EVTCHNOP_close, U(&close)), 0);
}

/* ---------------------------------------------------------------- vCPUs */

static void contexts(void **state)
{
	static struct vcpu_guest_context ctx, again;

	(void)state;
	assert_int_equal(g.d->shared->wc_sec, dom0->shared->wc_sec); /* since it has a context */
	op.u.vcpucontext.vcpu = 1;
	set_xen_guest_handle(op.u.vcpucontext.ctxt, &ctx);
	assert_int_equal(DOMCTL(getvcpucontext), -ENODATA);
	op.u.vcpucontext.vcpu = 7;
	assert_int_equal(DOMCTL(getvcpucontext), -ESRCH);
	op.u.vcpucontext.vcpu = 0;
	assert_int_equal(DOMCTL(getvcpucontext), 0);
	assert_int_equal(ctx.user_regs.rip, guest_va(0) + 0x100);
	assert_int_equal(ctx.user_regs.cs & 3, 0);
	assert_int_equal(ctx.ctrlreg[3] >> PAGE_SHIFT, g.mfns[59]);
	assert_true(ctx.flags & VGCF_in_kernel && ctx.flags & VGCF_online);
	/* What was read goes back in, and is the same when read again. */
	ctx.user_regs.r15 = 0xabcdef;
	ctx.fs_base = 0x7000;
	ctx.trap_ctxt[14].address = guest_va(1);
	ctx.event_callback_eip = guest_va(3);
	ctx.syscall_callback_eip = guest_va(4);
	ctx.flags |= VGCF_syscall_disables_events;
	ctx.debugreg[1] = guest_va(7);
	ctx.debugreg[2] = LAYOUT_START; /* not his to watch */
	ctx.debugreg[6] = 0xffff0ff2;
	ctx.debugreg[7] = 0x400 | BIT(2);
	assert_int_equal(DOMCTL(setvcpucontext), 0);
	ctx.debugreg[2] = 0;
	set_xen_guest_handle(op.u.vcpucontext.ctxt, &again);
	assert_int_equal(DOMCTL(getvcpucontext), 0);
	assert_memory_equal(&again.user_regs, &ctx.user_regs, sizeof(ctx.user_regs));
	assert_int_equal(again.fs_base, 0x7000);
	assert_int_equal(again.trap_ctxt[14].address, guest_va(1));
	assert_int_equal(again.flags, ctx.flags);
	assert_memory_equal(again.debugreg, ctx.debugreg, sizeof(ctx.debugreg));
	assert_int_equal(machine_audit(), 0);
	/* Wrong ones. */
	set_xen_guest_handle(op.u.vcpucontext.ctxt, &ctx);
#define REFUSED(field, value)                                      \
	do {                                                       \
		ctx = again;                                       \
		ctx.field = value;                                 \
		assert_int_equal(DOMCTL(setvcpucontext), -EINVAL); \
		assert_int_equal(machine_audit(), 0);              \
	} while (0)
	REFUSED(fs_base, BIT(63));
	REFUSED(gs_base_kernel, BIT(63));
	REFUSED(gs_base_user, BIT(63));
	REFUSED(event_callback_eip, BIT(63));
	REFUSED(failsafe_callback_eip, BIT(63));
	REFUSED(syscall_callback_eip, BIT(63));
	REFUSED(gdt_ents, FIRST_RESERVED_GDT_ENTRY + 1);
	REFUSED(ldt_ents, 8193);
	REFUSED(flags, 0); /* in user mode, without a root for it */
	REFUSED(ctrlreg[3], g.mfns[5] << PAGE_SHIFT);
	REFUSED(ctrlreg[3], 0);
	REFUSED(ctrlreg[1], g.mfns[58] << PAGE_SHIFT);			/* an L3 */
	REFUSED(ctrlreg[3], mfn_num(v->mm->root_kernel) << PAGE_SHIFT); /* Domain 0's */
	/* One that never had a root may not begin without. */
	op.u.vcpucontext.vcpu = 1;
	REFUSED(ctrlreg[3], 0);
	assert_false(g.d->vcpus[1]->is_initialised);
	op.u.vcpucontext.vcpu = 0;
	set_xen_guest_handle(op.u.vcpucontext.ctxt, (struct vcpu_guest_context *)BAD);
	assert_int_equal(DOMCTL(setvcpucontext), -EFAULT);
	assert_int_equal(DOMCTL(getvcpucontext), -EFAULT);
	op.u.vcpucontext.vcpu = 0;
	assert_int_equal(tool_domctl(XEN_DOMCTL_setvcpucontext, 0, &op), -EINVAL); /* its own */
	/* None at all: the vCPU begins anew. */
	set_xen_guest_handle(op.u.vcpucontext.ctxt, (struct vcpu_guest_context *)NULL);
	assert_int_equal(DOMCTL(setvcpucontext), 0);
	assert_true(g.d->vcpus[0]->is_down);
	assert_false(g.d->vcpus[0]->is_initialised);
}

/* Of a guest that is in the midst of something. */
static void context_of_one_that_ran(void **state)
{
	static struct vcpu_guest_context ctx;
	struct vcpu *u = g.d->vcpus[0];

	(void)state;
	tool_run(&g);
	assert_int_equal(guest_call(u, __HYPERVISOR_fpu_taskswitch, 1), 0);
	assert_int_equal(guest_call(u, __HYPERVISOR_set_debugreg, 0, guest_va(7)), 0);
	assert_int_equal(guest_call(u, __HYPERVISOR_set_segment_base, SEGBASE_FS, 0x12340), 0);
	u->pv->regs->rbx = 0x5577;
	set_xen_guest_handle(op.u.vcpucontext.ctxt, &ctx);
	op.u.vcpucontext.vcpu = 0;
	fake_cpu = 0;
	assert_int_equal(DOMCTL(getvcpucontext), 0);
	assert_int_equal(ctx.user_regs.rbx, 0x5577);
	assert_int_equal(ctx.fs_base, 0x12340);
	assert_int_equal(ctx.debugreg[0], guest_va(7));
	assert_true(ctx.ctrlreg[0] & 8);
	assert_ptr_equal(machine_current(1), u); /* and it runs again */
	op.u.getvcpuinfo.vcpu = 0;
	assert_int_equal(DOMCTL(getvcpuinfo), 0);
	assert_int_equal(op.u.getvcpuinfo.online, 1);
	assert_int_equal(op.u.getvcpuinfo.running, 1);
	assert_int_equal(op.u.getvcpuinfo.cpu, 1);
	op.u.getvcpuinfo.vcpu = 5;
	assert_int_equal(DOMCTL(getvcpuinfo), -ESRCH);
	/* One that begins anew waits for nothing of its former life. */
	u->info->evtchn_upcall_pending = 0;
	assert_int_equal(guest_call(u, __HYPERVISOR_sched_op, SCHEDOP_block), 0);
	machine_settle();
	fake_cpu = 0;
	memset(&op, 0, sizeof(op));
	assert_int_equal(DOMCTL(setvcpucontext), 0);
	assert_true(u->is_down && machine_current(1)->is_idle);
	set_xen_guest_handle(op.u.vcpucontext.ctxt, &ctx);
	assert_int_equal(DOMCTL(setvcpucontext), 0);
	assert_ptr_equal(machine_current(1), u);
}

/* One that runs is told; for one that does not, no CPU is: there are others' guests on it. */
static void nmis(void **state)
{
	struct vcpu *u = g.d->vcpus[0], *down = g.d->vcpus[1];
	unsigned int *told = &fake_ipi_count[1][IPI_WORK], before;

	(void)state;
	tool_run(&g);
	down->cpu = 1;
	fake_cpu = 0;
	before = *told;
	pv_nmi_send(down);
	pv_nmi_send(down);
	assert_int_equal(*told, before);
	assert_int_equal(down->pv->nmi_pending, 1);
	u->pv->traps[PV_VECTOR_NMI].address = guest_va(0);
	pv_nmi_send(u);
	assert_true(*told > before);
	machine_settle();
	assert_int_equal(u->pv->nmi_pending, 0);
	assert_int_equal(u->pv->regs->rip, guest_va(0));
}

static void extended_state(void **state)
{
	static u8 buf[4096];
	struct xen_domctl_vcpuextstate *ext = &op.u.vcpuextstate;
	u64 bytes, *words = (u64 *)(void *)buf;

	(void)state;
	ext->vcpu = 0;
	assert_int_equal(DOMCTL(getvcpuextstate), 0);
	bytes = ext->size;
	assert_int_equal(bytes, 16 + 832);
	set_xen_guest_handle(ext->buffer, words);
	assert_int_equal(DOMCTL(getvcpuextstate), 0);
	assert_int_equal(ext->xfeature_mask, 7);
	assert_int_equal(words[1], 7);
	buf[16 + 600] = 0x77;
	words[0] = 7; /* its XCR0 */
	words[2 + 64] = 7;
	assert_int_equal(DOMCTL(setvcpuextstate), 0);
	assert_int_equal(((u8 *)g.d->vcpus[0]->pv->fpu)[600], 0x77);
	assert_int_equal(g.d->vcpus[0]->pv->xcr0, 7);
	words[2 + 64] = 7 | 1ull << 62; /* components that are not there */
	assert_int_equal(DOMCTL(setvcpuextstate), -EINVAL);
	words[2 + 64] = 7;
	words[0] = 6;
	assert_int_equal(DOMCTL(setvcpuextstate), -EINVAL);
	words[0] = 7;
	for (u64 size = 0; size < 16 + 520; size += 7) {
		ext->size = size;
		assert_int_equal(DOMCTL(setvcpuextstate), -EINVAL);
	}
	ext->size = bytes + 1;
	assert_int_equal(DOMCTL(setvcpuextstate), -EINVAL);
	assert_int_equal(DOMCTL(getvcpuextstate), -EINVAL);
	ext->size = bytes;
	/* A domain that may not use AVX can go where there is none. */
	words[0] = words[2 + 64] = 7;
	assert_int_equal(DOMCTL(setvcpuextstate), 0);
	g.d->vcpus[0]->pv->xcr0 = g.d->policy->xcr0_max = 3;
	ext->size = 16 + 576;
	assert_int_equal(DOMCTL(getvcpuextstate), 0);
	assert_int_equal(ext->xfeature_mask, 3);
	assert_int_equal(words[0], 3);
	assert_int_equal(words[1], 3);
	assert_int_equal(words[2 + 64], 3);
	assert_int_equal(DOMCTL(setvcpuextstate), 0);
	g.d->policy->xcr0_max = 0;
	assert_int_equal(DOMCTL(getvcpuextstate), 0);
	assert_int_equal(ext->size, 0);
	g.d->policy->xcr0_max = 3;
	ext->size = 16 + 576;
	set_xen_guest_handle(ext->buffer, (u64 *)BAD);
	assert_int_equal(DOMCTL(setvcpuextstate), -EFAULT);
	assert_int_equal(DOMCTL(getvcpuextstate), -EFAULT);
	ext->vcpu = 9;
	assert_int_equal(DOMCTL(getvcpuextstate), -ESRCH);
	assert_int_equal(DOMCTL(setvcpuextstate), -ESRCH);

	memset(&op, 0, sizeof(op));
	op.u.ext_vcpucontext.size = sizeof(op.u.ext_vcpucontext);
	op.u.ext_vcpucontext.syscall32_callback_eip = guest_va(9);
	op.u.ext_vcpucontext.syscall32_disables_events = 1;
	assert_int_equal(DOMCTL(set_ext_vcpucontext), 0);
	memset(&op.u, 0, sizeof(op.u));
	assert_int_equal(DOMCTL(get_ext_vcpucontext), 0);
	assert_int_equal(op.u.ext_vcpucontext.syscall32_callback_eip, guest_va(9));
	op.u.ext_vcpucontext.syscall32_callback_eip = BIT(63);
	assert_int_equal(DOMCTL(set_ext_vcpucontext), -EINVAL);
	op.u.ext_vcpucontext.size = 4;
	op.u.ext_vcpucontext.syscall32_callback_eip = 0;
	assert_int_equal(DOMCTL(set_ext_vcpucontext), -EINVAL);
	op.u.ext_vcpucontext.vcpu = 9;
	assert_int_equal(DOMCTL(set_ext_vcpucontext), -ESRCH);
	assert_int_equal(DOMCTL(get_ext_vcpucontext), -ESRCH);
}

/* ---------------------------------------------------------------- memory */

static void what_frames_are(void **state)
{
	static u64 frames[1024];
	struct xen_domctl_getpageframeinfo3 *info = &op.u.getpageframeinfo3;

	(void)state;
	for (unsigned int i = 0; i < 60; i++)
		frames[i] = g.mfns[i];
	frames[60] = mfn_num(v->mm->root_kernel); /* Domain 0's */
	frames[61] = ~0ull;
	for (unsigned int i = 62; i < 130; i++)
		frames[i] = g.mfns[7];
	info->num = 130;
	set_xen_guest_handle(info->array, frames);
	assert_int_equal(DOMCTL(getpageframeinfo3), 0);
	assert_int_equal(frames[0], XEN_DOMCTL_PFINFO_NOTAB);
	assert_int_equal(frames[56], XEN_DOMCTL_PFINFO_L1TAB);
	assert_int_equal(frames[57], XEN_DOMCTL_PFINFO_L2TAB);
	assert_int_equal(frames[58], XEN_DOMCTL_PFINFO_L3TAB);
	assert_int_equal(frames[59], XEN_DOMCTL_PFINFO_L4TAB | XEN_DOMCTL_PFINFO_LPINTAB);
	assert_int_equal(frames[60], XEN_DOMCTL_PFINFO_XTAB);
	assert_int_equal(frames[61], XEN_DOMCTL_PFINFO_XTAB);
	assert_int_equal(frames[129], XEN_DOMCTL_PFINFO_NOTAB);
	info->num = 1025;
	assert_int_equal(DOMCTL(getpageframeinfo3), -E2BIG);
	info->num = 1;
	set_xen_guest_handle(info->array, (xen_pfn_t *)BAD);
	assert_int_equal(DOMCTL(getpageframeinfo3), -EFAULT);
}

static void the_hypercall_page(void **state)
{
	const u8 *page = hw_frame_map(mfn_make(g.mfns[11]));

	(void)state;
	op.u.hypercall_init.gmfn = g.mfns[11];
	assert_int_equal(DOMCTL(hypercall_init), 0);
	assert_int_equal(page[32 * 17 + 4], 17);
	op.u.hypercall_init.gmfn = g.mfns[59]; /* its root */
	assert_int_equal(DOMCTL(hypercall_init), -EACCES);
	op.u.hypercall_init.gmfn = mfn_num(v->mm->root_kernel);
	assert_int_equal(DOMCTL(hypercall_init), -EACCES);
	op.u.hypercall_init.gmfn = ~0ull;
	assert_int_equal(DOMCTL(hypercall_init), -EACCES);
}

/* Domain 0's rights over the guest's memory do not reach further. */
static void foreign_memory(void **state)
{
	struct xen_memory_reservation r = {.nr_extents = 1, .domid = g.id};
	struct mmuext_op pin = {.cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = g.mfns[5]};
	struct xen_foreign_memory_map map = {.domid = g.id, .map.nr_entries = 1};
	struct e820entry {
		u64 addr, size;
		u32 type;
	} __attribute__((packed)) entry = {0, 60 * PAGE_SIZE, 1};
	u64 mfn = g.mfns[3];

	(void)state;
	set_xen_guest_handle(r.extent_start, &mfn);
	assert_int_equal(CALL(memory_op, XENMEM_decrease_reservation, U(&r)),
			 1); /* given up, but mapped */
	assert_int_equal(CALL(memory_op, XENMEM_populate_physmap, U(&r)),
			 0); /* no more than its limit */
	assert_int_equal(CALL(mmuext_op, U(&pin), 1, 0, 99), -ESRCH);
	assert_int_equal(CALL(mmuext_op, U(&pin), 1, 0, DOMID_SELF), -EINVAL);
	map.map.buffer.p = &entry;
	assert_int_equal(CALL(memory_op, XENMEM_set_memory_map, U(&map)), 0);
	map.map.nr_entries = 1000;
	assert_int_equal(CALL(memory_op, XENMEM_set_memory_map, U(&map)), -EINVAL);
	tool_run(&g);
	struct xen_memory_map own = {.nr_entries = 4, .buffer.p = &entry};

	entry.size = 0;
	assert_int_equal(
		guest_call(g.d->vcpus[0], __HYPERVISOR_memory_op, XENMEM_memory_map, U(&own)), 0);
	assert_int_equal(own.nr_entries, 1);
	assert_int_equal(entry.size, 60 * PAGE_SIZE);
	/* And the guest has none over others. */
	r.domid = 0;
	assert_int_equal(
		guest_call(g.d->vcpus[0], __HYPERVISOR_memory_op, XENMEM_populate_physmap, U(&r)),
		-EPERM);
	map.domid = DOMID_SELF;
	map.map.nr_entries = 1;
	assert_int_equal(
		guest_call(g.d->vcpus[0], __HYPERVISOR_memory_op, XENMEM_set_memory_map, U(&map)),
		-EPERM);
	assert_int_equal(guest_call(g.d->vcpus[0], __HYPERVISOR_memory_op,
				    XENMEM_machine_memory_map, U(&own)),
			 -EPERM);
	assert_int_equal(guest_call(g.d->vcpus[0], __HYPERVISOR_mmuext_op, U(&pin), 1, 0, 0),
			 -EPERM);
}

static void resources(void **state)
{
	u64 list[70];
	struct xen_mem_acquire_resource arg = {.domid = g.id,
					       .type = XENMEM_resource_grant_table,
					       .id = XENMEM_resource_grant_table_id_shared};
	const struct xen_mem_acquire_resource good = arg;
#define ACQUIRE() CALL(memory_op, XENMEM_acquire_resource, U(&arg))

	(void)state;
	assert_int_equal(ACQUIRE(), 0);
	assert_int_equal(arg.nr_frames, 64);
	arg.nr_frames = 2;
	set_xen_guest_handle(arg.frame_list, list);
	assert_int_equal(ACQUIRE(), 0);
	assert_int_equal(list[1], mfn_num(gnttab_frame(g.d, 1)));
	arg.nr_frames = 65;
	assert_int_equal(ACQUIRE(), -EINVAL);
	/* Sums that overflow. */
	arg.frame = ~0ull;
	arg.nr_frames = 3;
	assert_int_equal(ACQUIRE(), -EINVAL);
	arg.frame = ~0ull - 0xfffffff0;
	arg.nr_frames = ~0u;
	assert_int_equal(ACQUIRE(), -EINVAL);
	arg.frame = 1ull << 32;
	arg.nr_frames = 1;
	assert_int_equal(ACQUIRE(), -EINVAL);
	arg.frame = 0;
	set_xen_guest_handle(arg.frame_list, (xen_pfn_t *)BAD);
	assert_int_equal(ACQUIRE(), -EFAULT);
	arg = good;
	arg.nr_frames = 1; /* of no list */
	assert_int_equal(ACQUIRE(), -EINVAL);
	arg = good;
	arg.type = XENMEM_resource_ioreq_server;
	assert_int_equal(ACQUIRE(), -EOPNOTSUPP);
	arg = good;
	arg.id = XENMEM_resource_grant_table_id_status;
	assert_int_equal(ACQUIRE(), -EINVAL);
	arg = good;
	arg.pad = 1;
	assert_int_equal(ACQUIRE(), -EINVAL);
	arg = good;
	arg.domid = DOMID_SELF;
	assert_int_equal(ACQUIRE(), -EPERM);
	arg.domid = 99;
	assert_int_equal(ACQUIRE(), -ESRCH);
	assert_int_equal(CALL(memory_op, XENMEM_acquire_resource, 8), -EFAULT);
}

static int setup(void **state)
{
	(void)state;
	machine_start(2);
	v = dom0->vcpus[0];
	v->info->evtchn_upcall_mask = 1;
	opt_loglvl = LOG_WARNING;
	return 0;
}

static int before_each(void **state)
{
	(void)state;
	fake_cpu = 0;
	memset(&op, 0, sizeof(op));
	return tool_build(&g, 2, 60) ? -1 : 0;
}

static int after_each(void **state)
{
	(void)state;
	fake_cpu = 0;
	machine_settle();
	if (machine_audit())
		return -1;
	tool_destroy(&g);
	return machine_audit() ? -1 : 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, before_each, after_each)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(console_ring),
		TEST(why_a_tool_failed),
		TEST(the_machine),
		TEST(the_list_of_domains),
		TEST(pauses),
		TEST(one_at_a_time),
		TEST(rights),
		TEST(names_and_numbers),
		TEST(a_suspend_is_told),
		TEST(contexts),
		TEST(context_of_one_that_ran),
		TEST(nmis),
		TEST(sub_operations),
		TEST(extended_state),
		TEST(what_frames_are),
		TEST(the_hypercall_page),
		TEST(foreign_memory),
		TEST(resources),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

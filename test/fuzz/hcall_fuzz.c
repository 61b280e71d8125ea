/* SPDX-License-Identifier: MIT */
/* uses: test/fake/whole.c */
/*
 * Sequences of whatever a guest can do, from bytes, on the whole machine: hypercalls by any number with any arguments (often
 * plausible ones), traps, changes of its memory; and Domain 0 acting on it by tool calls meanwhile. After each sequence every
 * reference is right; when the guest is gone every frame is back. Domain 0 does nothing that would end the machine.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "devices.h"
#include "evtchn/evtchn.h"
#include "gnttab/gnttab.h"
#include "hw/asm.h"
#include "sched/sched.h"
#include "toolstack.h"
#include <xen/sysctl.h>

#define PAGES	  40u /* of the guest; the last four are tables */
#define STEPS_MIN 32u
#define ARGUMENTS 10u /* pages from here on take what arguments point to */

static const u8 *at, *end;
static struct tool_guest g;
static struct vcpu *u; /* the guest's first vCPU */

/* The input, and then numbers that follow from it: a short one is a long sequence too. */
static u64 take(unsigned int bytes)
{
	u64 value = 0;

	for (; bytes; bytes--)
		value = value << 8 | (at < end ? *at++ : (u8)(fake_random() >> 32));
	return value;
}

static u64 take_mfn(void)
{
	u64 kind = take(1);

	if (kind < 200)
		return g.mfns[kind % PAGES];
	if (kind < 230)
		return mfn_num(guest_pfn(16 + kind % GUEST_PAGES));
	return kind < 250 ? take(2) : take(8);
}

static u64 take_address(void)
{
	u64 kind = take(1);

	if (kind < 160)
		return guest_va(ARGUMENTS + kind % 4) + kind / 4 % 16 * 8;
	if (kind < 200)
		return guest_va((unsigned int)kind % PAGES) + (kind & 1 ? 4088 : 0);
	if (kind < 220)
		return LAYOUT_PERDOMAIN + PERDOMAIN_LDT + take(2);
	return kind < 240 ? 0 : take(8);
}

/* A number as arguments and fields of structures have it. */
static u64 take_value(void)
{
	static const u64 special[] = {
		0,	    1,		2,	    3,	  0x7ff0,	0x7ff1,	     0x7ff2, ~0ull,
		1ull << 31, 1ull << 63, 1ull << 32, 4096, LAYOUT_START, 0x100000000, 0xffff, 512};
	u64 kind = take(1);

	if (kind < 64)
		return kind;
	if (kind < 96)
		return take_mfn();
	if (kind < 120)
		return take_mfn() << PAGE_SHIFT | (take(1) * 8 & 0xfff) | (kind & 1 ? 2 : 0);
	if (kind < 140)
		return take_mfn() << PAGE_SHIFT | 0x67 | (take(1) & 0x98);
	if (kind < 200)
		return take_address();
	if (kind < 216)
		return special[kind % ARRAY_SIZE(special)];
	return kind < 240 ? g.id : take(8);
}

/* Structures for arguments to point to, in the memory of whoever runs on this CPU. */
static void fill(void)
{
	u64 where = guest_va(ARGUMENTS + (unsigned int)take(1) % 4) + take(1) % 16 * 8;
	u64 kinds = take(1);

	for (unsigned int i = 0; i < 2 + kinds % 16; i++) {
		unsigned int bytes = kinds >> (i % 4) & 0x10 ? 8 : take(1) & 1 ? 4 : 2;
		u64 value = take_value();

		(void)hw_copy_to_guest(gva_make(where), &value, bytes);
		where += bytes;
	}
}

/* By Domain 0, about the guest. */
static long domctl(struct xen_domctl *op)
{
	struct vcpu *v = dom0->vcpus[0];
	long rc;

	if (machine_current(v->cpu) != v)
		abort();
	fake_cpu = v->cpu;
	op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	op->domain = g.id;
	memcpy(guest_ptr(guest_va(150)), op, sizeof(*op));
	rc = guest_call(v, __HYPERVISOR_domctl, guest_va(150));
	machine_settle();
	return rc;
}

/* The guest's vCPU runs, or is gone for good (false). */
static bool is_alive(void)
{
	if (!tool_exists(g.id) || g.d->is_dying || g.d->is_shut_down || g.d->is_crashed)
		return false;
	if (machine_current(u->cpu) == u)
		return true;
	while (g.d->tool_pauses) {
		struct xen_domctl op = {.cmd = XEN_DOMCTL_unpausedomain};

		if (domctl(&op))
			abort();
	}
	if (u->is_down || !u->is_initialised)
		return false;
	u->info->evtchn_upcall_pending = 1;
	vcpu_kick(u);
	machine_settle();
	return machine_current(u->cpu) == u;
}

static domid_t take_domain(void)
{
	u64 kind = take(1);

	return kind < 180   ? DOMID_SELF
	       : kind < 200 ? 0
	       : kind < 210 ? DOMID_IO
	       : kind < 250 ? g.id
			    : (domid_t)take(2);
}

static u64 take_entry(void)
{
	static const u64 flags[] = {0, 1, 5, 7, 3, 0x67, 0x25, 1ull << 63 | 7, 0x87, 0x9f, 0x107};

	return take_mfn() << PAGE_SHIFT | flags[take(1) % ARRAY_SIZE(flags)];
}

/* An address that the guest has mapped, and the address of the entry that maps it. */
static u64 take_mapped(void)
{
	return guest_va((unsigned int)take(1) % PAGES);
}

static u64 take_slot(void)
{
	unsigned int level = 1 + (unsigned int)take(1) % 4;

	if (level == 1)
		return (g.mfns[PAGES - 4] << PAGE_SHIFT) + pte_index(take_mapped(), 1) * 8;
	return (g.mfns[PAGES - 5 + level] << PAGE_SHIFT) + pte_index(guest_va(0), level) * 8 +
	       take(1) % 3 * 8;
}

static void put(u64 where, const void *what, size_t bytes)
{
	(void)hw_copy_to_guest(gva_make(where), what, bytes);
}

/* Sensible arguments of the calls that have the most to judge; the structures that they point to go to `where`. */
static void shape(u64 number, u64 where, u64 a[6])
{
	u64 count = 1 + take(1) % 3, list = where + 1024;

	a[0] = number == __HYPERVISOR_multicall ? where : take(1) % 24;
	a[1] = where;
	a[2] = 0;
	switch (number) {
	case __HYPERVISOR_mmu_update:
		for (u64 i = 0; i < count; i++) {
			struct mmu_update op = {.ptr = take_slot() |
						       (take(1) % 8 ? 0 : take(1) % 4),
						.val = take_entry()};

			put(where + i * sizeof(op), &op, sizeof(op));
		}
		a[0] = where;
		a[1] = count;
		a[3] = take_domain();
		break;
	case __HYPERVISOR_mmuext_op:
		for (u64 i = 0; i < count; i++) {
			struct mmuext_op op = {.cmd = (unsigned int)take(1) % 20,
					       .arg1.mfn = take(1) & 1 ? take_mfn() : take_mapped(),
					       .arg2.src_mfn = take_mfn()};

			put(where + i * sizeof(op), &op, sizeof(op));
		}
		a[0] = where;
		a[1] = count;
		a[3] = take_domain();
		break;
	case __HYPERVISOR_update_va_mapping:
		a[0] = take_mapped();
		a[1] = take_entry();
		a[2] = take(1) % 7;
		break;
	case __HYPERVISOR_memory_op: {
		struct xen_memory_reservation r = {.nr_extents = count,
						   .extent_order = (unsigned int)take(1) % 3,
						   .domid = take_domain()};
		struct xen_memory_exchange x = {.in = r, .out = r};

		for (u64 i = 0; i < count; i++) {
			u64 mfn = take_mfn();

			put(list + i * 8, &mfn, 8);
		}
		r.extent_start.p = x.in.extent_start.p = (void *)list;
		x.out.extent_start.p = (void *)(list + 512);
		if (a[0] == XENMEM_exchange)
			put(where, &x, sizeof(x));
		else
			put(where, &r, sizeof(r));
		break;
	}
	case __HYPERVISOR_grant_table_op:
		a[0] = take(1) % 12;
		a[2] = count;
		for (u64 i = 0; a[0] == GNTTABOP_map_grant_ref && i < count; i++) {
			struct gnttab_map_grant_ref op = {.host_addr = take(1) & 1 ? take_mapped()
										   : take_slot(),
							  .flags = (u32)take(1) % 64,
							  .ref = (u32)take(1) % 16,
							  .dom = take(1) & 1 ? g.id : 0};

			put(where + i * sizeof(op), &op, sizeof(op));
		}
		for (u64 i = 0; a[0] == GNTTABOP_unmap_grant_ref && i < count; i++) {
			struct gnttab_unmap_grant_ref op = {.host_addr = take(1) & 1 ? take_mapped()
										     : take_slot(),
							    .handle = (u32)take(1) % 4};

			put(where + i * sizeof(op), &op, sizeof(op));
		}
		for (u64 i = 0; a[0] == GNTTABOP_copy && i < count; i++) {
			struct gnttab_copy op = {
				.source = {.u.ref = (u32)take(1) % 16,
					   .domid = take(1) & 1 ? g.id : 0},
				.dest = {.u.gmfn = take_mfn(), .domid = DOMID_SELF},
				.len = (u16)take(2),
				.flags = GNTCOPY_source_gref};

			put(where + i * sizeof(op), &op, sizeof(op));
		}
		break;
	case __HYPERVISOR_vcpu_op:
		a[1] = take(1) % 3;
		a[2] = where;
		break;
	case __HYPERVISOR_multicall:
		a[1] = count;
		for (u64 i = 0; i < count; i++) {
			struct multicall_entry entry = {
				.op = __HYPERVISOR_update_va_mapping,
				.args = {take_mapped(), take_entry(), take(1) % 7}};

			put(where + i * sizeof(entry), &entry, sizeof(entry));
		}
		break;
	default:
		break;
	}
}

/* Both domains lend pages to each other. */
static void grants_change(void)
{
	bool is_guests = take(1) & 1;
	struct domain *d = is_guests ? g.d : dom0;
	struct grant_entry_v1 *entry = (struct grant_entry_v1 *)hw_frame_map(gnttab_frame(d, 0)) +
				       take(1) % 16;

	entry->frame = (u32)(is_guests ? g.mfns[take(1) % PAGES]
				       : mfn_num(guest_pfn(16 + 160 + take(1) % 32)));
	entry->domid = is_guests && take(1) & 1 ? 0 : g.id;
	entry->flags = (u16)((entry->flags & (GTF_reading | GTF_writing)) | GTF_permit_access |
			     (take(1) & 4));
}

static void guest_acts(void)
{
	static const u8 often[] = {
		__HYPERVISOR_mmu_update,       __HYPERVISOR_mmuext_op,
		__HYPERVISOR_memory_op,	       __HYPERVISOR_update_va_mapping,
		__HYPERVISOR_event_channel_op, __HYPERVISOR_grant_table_op,
		__HYPERVISOR_vcpu_op,	       __HYPERVISOR_sched_op,
		__HYPERVISOR_multicall,
	};
	u64 number = take(1), a[6], where;

	number = number < 64 ? number : number < 250 ? often[number % ARRAY_SIZE(often)] : take(8);
	fake_cpu = u->cpu;
	for (u64 fills = take(1) % 4; fills; fills--)
		fill();
	for (unsigned int i = 0; i < 6; i++)
		a[i] = take_value();
	where = take_address();
	if (take(1) % 4)
		shape(number, where, a);
	if (number == __HYPERVISOR_iret) { /* leaves for good: no result, no restart */
		u->pv->regs->rax = number;
		guest_trap(u, VECTOR_SYSCALL, 0);
		return;
	}
	(void)guest_call_args(u, number, a);
}

static void guest_traps(void)
{
	static const u16 vectors[] = {0,  1,  3,  4,  6,  7,	8,     10,    11,    12,
				      13, 14, 16, 17, 19, 0x80, 0x100, 0x101, 0x102, 0xf0};
	u16 vector = vectors[take(1) % ARRAY_SIZE(vectors)];
	u64 *const gprs = &u->pv->regs->r15;

	fake_cpu = u->cpu;
	for (u64 count = take(1) % 4; count; count--)
		gprs[take(1) % 15] = take_value();
	if (take(1) & 1) {
		u64 code = take(8);

		u->pv->regs->rip = guest_va(1);
		(void)hw_copy_to_guest(gva_make(guest_va(1)), &code, 8);
	}
	hw_cr2_write(take_address());
	guest_trap(u, vector, (u32)take(1));
}

/* Domain 0's tools, about that guest. */
static void tools_act(void)
{
	static struct xen_domctl op;
	u32 cmd = (u32)take(1);

	if (machine_current(dom0->vcpus[0]->cpu) != dom0->vcpus[0])
		abort();
	fake_cpu = dom0->vcpus[0]->cpu;
	fill();
	memset(&op.u, 0, sizeof(op.u));
	for (unsigned int i = 0; i < 8; i++)
		((u64 *)(void *)&op.u)[i] = take_value();
	op.cmd = cmd % 90;
	if (op.cmd == XEN_DOMCTL_createdomain || op.cmd == XEN_DOMCTL_set_virq_handler)
		return; /* one guest is enough; and the handlers are Domain 0's */
	long rc = domctl(&op);
	if (getenv("TRACE"))
		fprintf(stderr, "domctl %u: %ld\n", op.cmd, rc);
}

static void domain0_acts(void)
{
	static const u8 calls[] = {__HYPERVISOR_event_channel_op, __HYPERVISOR_xen_version,
				   __HYPERVISOR_grant_table_op};
	u8 number = calls[take(1) % ARRAY_SIZE(calls)];
	u64 a0 = take(1) % 20;

	if (machine_current(dom0->vcpus[0]->cpu) != dom0->vcpus[0])
		abort();
	fake_cpu = dom0->vcpus[0]->cpu;
	fill();
	if (number == __HYPERVISOR_grant_table_op)
		a0 = GNTTABOP_copy;
	else if (a0 >= EVTCHNOP_init_control ||
		 a0 == EVTCHNOP_bind_pirq) /* what these take stays */
		a0 = EVTCHNOP_send;
	(void)guest_call(dom0->vcpus[0], number, a0, guest_va(ARGUMENTS), take(1) % 4);
	machine_settle();
}

static void step(void)
{
	u64 kind = take(1);

	if (getenv("TRACE"))
		fprintf(stderr, "step %lu free %lu\n", kind, machine_free());

	fake_preempt_every = kind & 1 ? 3 + 2 * (kind >> 1 & 3) : 0;
	fake_alloc_fail_after = (kind & 0xe) == 0xe ? (int)take(1) % 8 : -1;
	if (kind < 150)
		guest_acts();
	else if (kind < 190)
		guest_traps();
	else if (kind < 220)
		tools_act();
	else if (kind < 228)
		domain0_acts();
	else if (kind < 235)
		grants_change();
	else if (kind < 250)
		machine_move(take(1) * 100000);
	else
		fake_copy_fail_after = (int)take(1) % 8;
	if (kind < 250)
		fake_copy_fail_after = -1;
	fake_alloc_fail_after = -1;
	fake_preempt_every = 0;
	machine_settle();
}

static u64 free_before;

static void start(void)
{
	struct evtchn_reset reset = {.dom = DOMID_SELF};

	machine_start(2);
	dom0->vcpus[0]->info->evtchn_upcall_mask = 1;
	fake_copy_any = true;
	tool_id = 7;
	opt_loglvl = opt_guest_loglvl = LOG_ERROR;
	if (tool_build(&g, 2, PAGES)) /* what is made once for all */
		abort();
	tool_destroy(&g);
	for (unsigned int i = 0; i < 2000; i++) {
		struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF};

		(void)guest_call(dom0->vcpus[0], __HYPERVISOR_event_channel_op,
				 EVTCHNOP_alloc_unbound, U(&alloc));
	}
	(void)guest_call(dom0->vcpus[0], __HYPERVISOR_event_channel_op, EVTCHNOP_reset, U(&reset));
	free_before = machine_free();
}

static void check(const char *when)
{
	if (machine_audit()) {
		fprintf(stderr, "the audit finds something %s\n", when);
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct evtchn_reset reset = {.dom = DOMID_SELF};

	if (!dom0)
		start();
	at = data;
	end = data + size;
	fake_random_state = 88172645463325252ull;
	for (size_t i = 0; i < size; i++)
		fake_random_state = (fake_random_state ^ data[i]) * 0x100000001b3ull;
	fake_copy_any = true;
	if (tool_build(&g, 2, PAGES))
		abort();
	u = g.d->vcpus[0];
	tool_run(&g);
	fake_copy_any = false;
	for (size_t steps = 0; steps < STEPS_MIN + size / 16 && is_alive(); steps++)
		step();
	fake_copy_any = true;
	fake_copy_fail_after = -1;
	fake_cpu = 0;
	machine_settle();
	check("after the sequence");
	if (tool_exists(g.id))
		tool_destroy(&g);
	(void)guest_call(dom0->vcpus[0], __HYPERVISOR_event_channel_op, EVTCHNOP_reset, U(&reset));
	check("after the guest's end");
	if (machine_free() != free_before) {
		fprintf(stderr, "%ld frames are missing\n", (long)(free_before - machine_free()));
		abort();
	}
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * A test guest with a second domain that wants too much: every tool call there is, more memory and more of the hypervisor's own
 * than it may have, a look at the hypervisor's range, the console. And what its maker is told when memory becomes scarce.
 */
#define __XEN_TOOLS__ 1
#include "guest.h"

#include <xen/domctl.h>
#include <xen/sysctl.h>

#define MIB	 (1ul << 20)
#define GIB	 (1ul << 30)
#define M2P_END	 0xffff804000000000ul /* 256 GiB: the ABI's */
#define PORT_MAX 63

enum { WORD_SELF, WORD_WAY };
enum { WAY_GREEDY, WAY_SOFT_RESET };

/* ---- the child */

static void child_every_tool_call(void)
{
	struct xen_domctl op = {0};
	struct xen_sysctl sop = {0};
	struct xen_platform_op pop = {.interface_version = XENPF_INTERFACE_VERSION};
	unsigned int done = 0;

	for (u32 cmd = 0; cmd < 100; cmd++)
		for (domid_t id = 0; id < 3; id++)
			done += domctl(cmd, id, &op) >= 0 || domctl(1000 + cmd, id, &op) >= 0;
	equals(done, 0, "child: no domctl");
	for (u32 cmd = 0; cmd < 64; cmd++)
		done += sysctl(cmd, &sop) >= 0;
	equals(done, 0, "child: no sysctl");
	for (pop.cmd = 0; pop.cmd < 80; pop.cmd++)
		done += hypercall(platform_op, &pop) >= 0;
	equals(done, 0, "child: no platform_op");
	for (u32 i = 0; i < 1000; i++)
		done += hypercall(console_io, CONSOLEIO_write, 6, "\033[2Jx\n") >= 0;
	equals(done, 0, "child: nothing of it on the console");
}

/* What the M2P may say: a frame number of a guest, or nothing. */
static bool is_m2p(u64 word)
{
	return word < 1 << 24 || word == ~0ul || word == 0x5555555555555555ul;
}

/* The first readable address of a range, step by step, whose page holds something else; 0: none. */
static u64 foreign_word(u64 from, u64 to, u64 step)
{
	for (u64 va = from; va < to; va += step) {
		u64 word;

		if (trap_read(va, word) != NO_TRAP)
			continue;
		if (va >= M2P_END)
			return va;
		for (u64 i = 0; i < PAGE_SIZE; i += 8)
			if (trap_read(va + i, word) == NO_TRAP && !is_m2p(word))
				return va + i;
	}
	return 0;
}

static void child_looks(void)
{
	equals(foreign_word(HYPERVISOR_VIRT_START, HYPERVISOR_VIRT_START + 4 * MIB, PAGE_SIZE), 0,
	       "child: the M2P and nothing else");
	equals(foreign_word(HYPERVISOR_VIRT_START, HYPERVISOR_VIRT_START + 64 * GIB, 2 * MIB), 0,
	       "child: nothing behind it");
	equals(foreign_word(M2P_END, HYPERVISOR_VIRT_END, GIB), 0, "child: nothing elsewhere");
}

static long memory(unsigned int op, u64 *frames, u64 count)
{
	struct xen_memory_reservation r = {.nr_extents = count, .domid = DOMID_SELF};

	r.extent_start.p = (void *)frames;
	return memop(op, &r);
}

static void child_memory(void)
{
	static u64 frames[4];
	struct xen_memory_reservation large = {
		.nr_extents = 1, .extent_order = 20, .domid = DOMID_SELF};
	u64 *page = page_alloc();

	large.extent_start.p = (void *)frames;
	equals(memory(XENMEM_increase_reservation, frames, 1), 0, "child: no page more");
	check(memop(XENMEM_populate_physmap, &large) <= 0, "child: nor 4 GiB");
	frames[0] = mfn_of(page);
	equals(set_va(page, 0, UVMF_INVLPG), 0, "child: a page away");
	equals(memory(XENMEM_decrease_reservation, frames, 1), 1, "child: and given back");
	equals(memory(XENMEM_increase_reservation, frames, 4), 1, "child: it may have as many");
}

static void child_heap(void)
{
	struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 5};
	struct sched_watchdog dog = {.timeout = 1000};
	u64 frames[8];
	evtchn_port_t list[200] = {0};
	struct sched_poll poll = {.nr_ports = 200};
	unsigned int dogs = 0;
	long port;

	do
		port = port_alloc(0);
	while (port > 0 && port < PORT_MAX);
	equals(port, PORT_MAX, "child: its last port");
	equals(port_alloc(0), -XENOSPC, "child: no port more");
	equals(bind_ipi(0), -XENOSPC, "child: no port for itself");
	setup.frame_list.p = frames;
	hypercall(grant_table_op, GNTTABOP_setup_table, &setup, 1);
	equals(setup.status, GNTST_general_error, "child: a larger grant table than it may have");
	while (dogs < 1000 && (int)schedop(SCHEDOP_watchdog, &dog) > 0)
		dogs++;
	equals((int)schedop(SCHEDOP_watchdog, &dog), -XENOSPC, "child: no watchdog more");
	for (u32 id = 1; id <= dogs; id++) {
		dog = (struct sched_watchdog){.id = id};
		schedop(SCHEDOP_watchdog, &dog);
	}
	poll.ports.p = list;
	equals(schedop(SCHEDOP_poll, &poll), -XEINVAL, "child: polls too many ports");
}

static void child_maptrack(void)
{
	grant_entry_v1_t *table = page_alloc();
	u64 frame = 0, *page = page_alloc();
	struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1};
	struct gnttab_map_grant_ref map;
	domid_t self = (domid_t)child_shared.words[WORD_SELF];
	u32 count = 0;

	setup.frame_list.p = &frame;
	hypercall(grant_table_op, GNTTABOP_setup_table, &setup, 1);
	set_va(table, (frame << 12) | PTE_RW, UVMF_INVLPG);
	for (u32 ref = 8; ref < 512; ref++) {
		table[ref].domid = self;
		table[ref].frame = (u32)mfn_of(page);
		__atomic_store_n(&table[ref].flags, GTF_permit_access, __ATOMIC_SEQ_CST);
	}
	do {
		map = (struct gnttab_map_grant_ref){.flags = GNTMAP_device_map | GNTMAP_readonly,
						    .ref = 8 + count / 64,
						    .dom = self};
		hypercall(grant_table_op, GNTTABOP_map_grant_ref, &map, 1);
		count += !map.status;
	} while (!map.status && count < 30000);
	equals(map.status, GNTST_no_space, "child: no mapping more");
}

void child_main(void)
{
	struct sched_shutdown end = {.reason = 5 /* SHUTDOWN_soft_reset */};

	if (child_shared.words[WORD_WAY] == WAY_SOFT_RESET) {
		schedop(SCHEDOP_shutdown, &end);
		return;
	}
	child_every_tool_call();
	child_looks();
	child_memory();
	child_heap();
	child_maptrack();
	child_step();
}

/* ---- its maker */

static u64 free_pages(void)
{
	struct xen_sysctl op = {0};

	if (sysctl(XEN_SYSCTL_physinfo, &op))
		fatal("physinfo");
	return op.u.physinfo.free_pages;
}

static void greedy(void)
{
	struct child *c;
	u64 before;

	child_port_max = PORT_MAX;
	c = child_make();
	c->shared->words[WORD_SELF] = c->id;
	before = free_pages();
	equals(child_run(c), 0, "child: unpaused");
	check(child_wait(c, 1), "child: has tried");
	check(before - free_pages() < 64, "it has cost little");
	child_end(c);
}

static void soft_reset(void)
{
	struct child *c = child_make();
	struct xen_domctl op = {0};

	c->shared->words[WORD_WAY] = WAY_SOFT_RESET;
	equals(domctl(XEN_DOMCTL_soft_reset, c->id, &op), -XEINVAL, "soft reset of one that lives");
	child_run(c);
	for (;;) {
		if (domctl(XEN_DOMCTL_getdomaininfo, c->id, &op))
			fatal("getdomaininfo");
		if (op.u.getdomaininfo.flags & XEN_DOMINF_shutdown)
			break;
		sleep_ns(500000);
	}
	equals((op.u.getdomaininfo.flags >> XEN_DOMINF_shutdownshift) & 255, 5,
	       "asks for a soft reset");
	equals(domctl(XEN_DOMCTL_soft_reset, c->id, &op), -XEINVAL, "soft reset of a PV domain");
	child_end(c);
}

/* A domain takes all but 48 MiB; the default limit of low_mem_virq_limit is 64. */
static void scarce(void)
{
	struct xen_domctl op = {0};
	struct xen_memory_reservation r = {.nr_extents = 1, .extent_order = 8};
	u64 pfn = 0;
	long port = bind_virq(VIRQ_ENOMEM, 0);

	check(port > 0, "VIRQ_ENOMEM bound");
	event_unmask((unsigned int)port);
	events_on();
	op.u.createdomain.max_vcpus = 1;
	op.u.createdomain.max_grant_frames = op.u.createdomain.max_maptrack_frames = 1;
	op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(1);
	equals(domctl(XEN_DOMCTL_createdomain, 0, &op), 0, "a large domain");
	r.domid = op.domain;
	op.u.max_mem.max_memkb = ~0u;
	domctl(XEN_DOMCTL_max_mem, r.domid, &op);
	r.extent_start.p = &pfn;
	check(free_pages() > 72 * MIB / PAGE_SIZE, "memory is not scarce yet");
	equals(event_count[port], 0, "so nobody is told");
	while (free_pages() > 48 * MIB / PAGE_SIZE) {
		u64 first = pfn;

		if (memop(XENMEM_populate_physmap, &r) != 1)
			fatal("no memory");
		pfn = first + 256;
	}
	sleep_ns(1000000);
	check(event_count[port] >= 1, "memory is scarce: told");
	equals(domctl(XEN_DOMCTL_destroydomain, r.domid, &op), 0, "the large domain, destroyed");
}

void guest_main(void)
{
	greedy();
	soft_reset();
	scarce();
}

/* SPDX-License-Identifier: MIT */
/*
 * A test guest with a second domain: what a domain without privileges cannot do, what its maker can, events and frames between
 * the two, and what is left of one that is destroyed.
 */
#define __XEN_TOOLS__ 1
#include "guest.h"

#include <xen/domctl.h>
#include <xen/sysctl.h>

extern char image_end[];

enum { WORD_MAKER_MFN, WORD_EVENTS };

/* ---- the child */

static void child_tool_calls(void)
{
	struct xen_domctl op = {0};
	struct xen_sysctl sop = {0};
	struct xen_platform_op pop = {.cmd = XENPF_settime32,
				      .interface_version = XENPF_INTERFACE_VERSION};
	struct sched_remote_shutdown remote = {.domain_id = 0, .reason = SHUTDOWN_crash};
	struct mmuext_op pin = {.cmd = MMUEXT_UNPIN_TABLE};

	equals(domctl(XEN_DOMCTL_destroydomain, 0, &op), -XEPERM, "child: domctl on its maker");
	refused(domctl(XEN_DOMCTL_getdomaininfo, DOMID_SELF, &op), "child: domctl on itself");
	equals(sysctl(XEN_SYSCTL_physinfo, &sop), -XEPERM, "child: sysctl");
	equals(hypercall(platform_op, &pop), -XEPERM, "child: platform_op");
	refused(schedop(SCHEDOP_remote_shutdown, &remote), "child: shuts its maker down");
	refused(hypercall(console_io, CONSOLEIO_write, 1, "x"), "child: console");
	refused(hypercall(mmuext_op, &pin, 1, NULL, 0), "child: unpins its maker's table");
}

static void child_memory(void)
{
	struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
	u64 maker = child_shared.words[WORD_MAKER_MFN], *page = page_alloc(), out = 5;
	struct xen_memory_reservation other = {.nr_extents = 1, .domid = 0};

	refused(set_va(page, (maker << 12) | PTE_RO, UVMF_INVLPG), "child: maps its maker's page");
	refused(hypercall(update_va_mapping_otherdomain, page, (maker << 12) | PTE_RO, UVMF_INVLPG,
			  0),
		"child: maps its maker's page as such");
	refused(mmu_update_dom((maker << 12) | MMU_MACHPHYS_UPDATE, 7, 0),
		"child: M2P of its maker's page");
	refused(mmu_update((maker << 12) | MMU_NORMAL_PT_UPDATE, 0),
		"child: writes into its maker's page");
	refused(mmuext(MMUEXT_CLEAR_PAGE, maker, 0), "child: clears its maker's page");
	refused(mmuext(MMUEXT_PIN_L1_TABLE, maker, 0), "child: pins its maker's page");
	r.extent_start.p = (void *)&out;
	equals(memop(XENMEM_populate_physmap, &r), 0, "child: more memory than it may have");
	other.extent_start.p = (void *)&out;
	check(memop(XENMEM_decrease_reservation, &other) <= 0,
	      "child: takes memory from its maker");
	equals(*page, 0, "child: its page is its own");
}

static u64 port_seen;

static void child_event(unsigned int port)
{
	(void)port;
	port_seen++;
	ACCESS(child_shared.words[WORD_EVENTS]) = port_seen;
	port_send(child_shared.port);
}

static void child_events(void)
{
	struct evtchn_alloc_unbound unbound = {.dom = 0, .remote_dom = DOMID_SELF};
	struct evtchn_status status = {.dom = 0, .port = 1};

	refused(evtchn(EVTCHNOP_alloc_unbound, &unbound), "child: a port for its maker");
	refused(evtchn(EVTCHNOP_status, &status), "child: status of its maker's port");
	refused(port_send(4000), "child: no such port");
	event_handle(child_shared.port, child_event);
	event_unmask(child_shared.port);
	events_on();
}

void child_main(void)
{
	check(!(start_info->flags & SIF_PRIVILEGED), "child: runs, without privileges");
	child_tool_calls();
	child_step();
	child_memory();
	child_events();
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

static const struct {
	const char *text;
	u32 flags, vcpus, grants;
} bad_domains[] = {
	{"unknown flag", 1u << 31, 1, 1},
	{"no vCPU", 0, 0, 1},
	{"too many vCPUs", 0, 100000, 1},
	{"no grant version", 0, 1, 0},
};

static void makings_refused(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(bad_domains); i++) {
		struct xen_domctl op = {0};

		op.u.createdomain.flags = bad_domains[i].flags;
		op.u.createdomain.max_vcpus = bad_domains[i].vcpus;
		op.u.createdomain.max_grant_frames = 1;
		op.u.createdomain.grant_opts = bad_domains[i].grants;
		refused(domctl(XEN_DOMCTL_createdomain, 0, &op), bad_domains[i].text);
	}
}

static void calls_refused(struct child *c)
{
	struct xen_domctl op = {0};

	refused(domctl(XEN_DOMCTL_pausedomain, 0, &op), "pauses itself");
	refused(domctl(XEN_DOMCTL_destroydomain, 0, &op), "destroys itself");
	equals(domctl(XEN_DOMCTL_destroydomain, 77, &op), -XESRCH, "destroys nobody");
	op.u.vcpucontext.vcpu = 7;
	refused(domctl(XEN_DOMCTL_getvcpucontext, c->id, &op), "context of no vCPU");
	op.u.vcpucontext.vcpu = 1;
	refused(domctl(XEN_DOMCTL_getvcpucontext, c->id, &op), "context of a vCPU without one");
	op.u.hypercall_init.gmfn = ~0ul >> 12;
	refused(domctl(XEN_DOMCTL_hypercall_init, c->id, &op), "hypercall page nowhere");
	op.u.hypercall_init.gmfn = mfn_of(page_alloc());
	refused(domctl(XEN_DOMCTL_hypercall_init, c->id, &op), "hypercall page in another's page");
	op.interface_version = 3;
	op.cmd = XEN_DOMCTL_getdomaininfo;
	op.domain = c->id;
	equals(hypercall(domctl, &op), -XEACCES, "another interface version");
}

static void frames_told(struct child *c)
{
	u64 frames[3] = {c->p2m[pfn_of(image_end) + 3], c->p2m[0], mfn_of(page_alloc())};
	struct xen_domctl op = {0};

	op.u.getpageframeinfo3.num = 3;
	op.u.getpageframeinfo3.array.p = (void *)frames;
	equals(domctl(XEN_DOMCTL_getpageframeinfo3, c->id, &op), 0, "getpageframeinfo3");
	equals(frames[0], XEN_DOMCTL_PFINFO_L4TAB | XEN_DOMCTL_PFINFO_LPINTAB,
	       "its root: a pinned L4");
	equals(frames[1], XEN_DOMCTL_PFINFO_NOTAB, "a page: no table");
	equals(frames[2], XEN_DOMCTL_PFINFO_XTAB, "our page: not its own");
}

static void events_sent(struct child *c)
{
	u64 before;

	event_unmask(c->port);
	events_on();
	/* Who binds is told at once, lest he miss what came before. */
	while (event_count[c->port] < 1)
		sleep_ns(100000);
	before = event_count[c->port];
	for (u64 i = 1; i <= 10; i++) {
		port_send(c->port);
		while (ACCESS(c->shared->words[WORD_EVENTS]) < i ||
		       event_count[c->port] < before + i)
			sleep_ns(100000);
	}
	equals(event_count[c->port] - before, 10, "ten events there and back");
}

/* Destroyed while a page of it is mapped: the page stays until it is let go. */
static void death(struct child *c, u64 *page)
{
	struct xen_domctl op = {0};

	equals(page[0], 0x1234, "a page of the dead: still what it was");
	page[1] = 5;
	equals(page[1], 5, "a page of the dead: written");
	equals(domctl(XEN_DOMCTL_getdomaininfo, c->id, &op), 0, "the dead: still listed");
	check(op.domain == c->id && op.u.getdomaininfo.flags & XEN_DOMINF_dying, "the dead: dying");
	foreign_unmap(page);
	for (int i = 0; i < 1000; i++) {
		if (domctl(XEN_DOMCTL_getdomaininfo, c->id, &op) || op.domain != c->id)
			break;
		sleep_ns(1000000);
	}
	check(domctl(XEN_DOMCTL_getdomaininfo, c->id, &op) == -XESRCH || op.domain != c->id,
	      "the dead: gone with the last page");
}

#define MARK	  0x5ec2e75ec2e7ul
#define FRAMES	  65536ul /* of the machine */
#define BIG_ORDER 9u
#define BIG_MAX	  120u
#define LEFT_MAX  6000u

static u8 is_marked[FRAMES];

/* Every frame of the child that is neither image nor table gets a mark. */
static void mark(struct child *c)
{
	const u64 image_first = 256, image_last = pfn_of(image_end) + 16;

	for (u64 pfn = 0; pfn < CHILD_PAGES; pfn++) {
		long rc = 0;
		u64 *page = pfn >= image_first && pfn < image_last
				    ? NULL
				    : foreign_map(c->id, c->p2m[pfn], PTE_RW, &rc);

		if (!page)
			continue;
		for (unsigned int i = 0; i < 512; i++)
			page[i] = MARK;
		foreign_unmap(page);
		is_marked[c->p2m[pfn] % FRAMES] = 1;
	}
}

static u64 first_life(void)
{
	struct child *c = child_make();
	u64 pfn = CHILD_PAGES - 1, *page;
	long rc;

	mark(c);
	calls_refused(c);
	frames_told(c);
	c->shared->words[WORD_MAKER_MFN] = mfn_of(page_alloc());
	equals(child_run(c), 0, "child: unpaused");
	check(child_wait(c, 1), "child: first step");
	child_allow(c, 1);
	check(child_wait(c, 2), "child: second step");
	events_sent(c);
	page = foreign_map(c->id, c->p2m[pfn], PTE_RW, &rc);
	equals(rc, 0, "a page of the child, mapped");
	page[0] = 0x1234;
	refused(hypercall(update_va_mapping_otherdomain, page_alloc(),
			  (c->p2m[pfn_of(image_end) + 3] << 12) | PTE_RW, UVMF_INVLPG, c->id),
		"its root, writable");
	child_end(c);
	death(c, page);
	return 0;
}

/* What the first left behind, nobody sees. */
static void second_life(void)
{
	struct child *c = child_make();
	bool is_clean = true;

	for (u64 pfn = CHILD_PAGES - 200; pfn < CHILD_PAGES; pfn++) {
		long rc;
		u64 *page = foreign_map(c->id, c->p2m[pfn], PTE_RO, &rc);

		for (unsigned int i = 0; page && i < 512; i++)
			is_clean = is_clean && page[i] == 0;
		if (page)
			foreign_unmap(page);
	}
	check(is_clean, "new memory is scrubbed");
	mark(c);
	equals(child_run(c), 0, "second child: unpaused");
	child_end(c);
}

static u64 taken(u64 *mfns, u64 count, unsigned int order)
{
	struct xen_memory_reservation r = {
		.nr_extents = count, .extent_order = order, .domid = DOMID_SELF};

	for (u64 i = 0; i < count; i++)
		mfns[i] = 0x80000 + (order ? i << order : 0x40000 + i);
	r.extent_start.p = (void *)mfns;
	return (u64)memop(XENMEM_populate_physmap, &r);
}

static void given_back(u64 *mfns, u64 count, unsigned int order)
{
	struct xen_memory_reservation r = {
		.nr_extents = count, .extent_order = order, .domid = DOMID_SELF};

	r.extent_start.p = (void *)mfns;
	equals(memop(XENMEM_decrease_reservation, &r), (long)count, "memory given back");
}

/* While there is next to nothing else to be had: the frames of the dead again; at once, or after a time to scrub them. */
static void frames_again(u64 ns)
{
	static u64 big[BIG_MAX], left[LEFT_MAX];
	struct child *c = child_make();
	u64 big_count = 0, left_count, again = 0, marks = 0;
	u64 *page = page_alloc();

	memset(is_marked, 0, sizeof(is_marked));
	mark(c);
	if (free_pages() > LEFT_MAX / 2)
		big_count = taken(big, (free_pages() - LEFT_MAX / 2) >> BIG_ORDER, BIG_ORDER);
	equals(child_run(c), 0, "third child: unpaused");
	child_end(c);
	if (ns)
		sleep_ns(ns);
	left_count = taken(left, LEFT_MAX, 0);
	for (u64 i = 0; i < left_count; i++) {
		again += is_marked[left[i] % FRAMES];
		if (set_va(page, (left[i] << 12) | PTE_RO, UVMF_INVLPG))
			fatal("frame %lx cannot be mapped", left[i]);
		for (unsigned int j = 0; j < 512; j++)
			marks += page[j] == MARK;
	}
	foreign_unmap(page);
	check(again > CHILD_PAGES / 4, "frames of the dead are ours");
	equals(marks, 0, "nothing of the dead is in them");
	given_back(left, left_count, 0);
	given_back(big, big_count, BIG_ORDER);
}

void guest_main(void)
{
	u64 before, after = 0;

	makings_refused();
	second_life(); /* whatever is allocated once and kept */
	sleep_ns(10000000);
	before = free_pages();
	first_life();
	second_life();
	frames_again(0);
	frames_again(20000000);
	for (int i = 0; i < 1000 && (after = free_pages()) != before; i++)
		sleep_ns(1000000);
	/* Xen's own heap may have taken a page for good. */
	check(after == before || (!on_mica() && after + 4 > before), "all memory is free again");
}

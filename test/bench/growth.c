/* SPDX-License-Identifier: MIT */
/*
 * What each operation costs with more of something in the machine: guests (idle, busy), a guest's memory, its vCPUs, open event
 * channels, grants in use. A small kernel in Domain 0's place on CPU 0 makes the guests, copies of itself, and measures the
 * same operations for each number; then how much is executed for guests that only have a timer each second. Its command line names
 * what grows. Started by tools/bench_growth.py; "op ..." as of calls.c, the name "<what> <number>|<operation>".
 */
#define __XEN_TOOLS__ 1
#include "bench.h"

#include <xen/domctl.h>

#define GUESTS	     65u
#define CHANNELS     4000u
#define MAPPED	     4096u
#define MIB_PAGES    256u
#define BARE_PAGES   256u
#define PROBE_ROUNDS 5u
#define SECOND_NS    1000000000ul

enum { WORD_MODE, WORD_SEEN, WORD_VCPUS, WORD_GRANTS, WORD_YIELDS, WORD_PHASE_NS };
enum { MODE_BLOCK, MODE_SPIN, MODE_YIELD, MODE_TICK };

struct guest {
	domid_t id;
	u32 port, masked_port; /* ours; at the second the guest never looks */
	struct child_shared *shared;
};
static struct guest guests[GUESTS];
static unsigned int guest_count;
static struct guest *target; /* of the operations */
static char *page;
static u32 channels[CHANNELS], handles[MAPPED];
static u64 *space, list[1024];
static domid_t bare; /* a domain without a kernel; 0: none */
static unsigned int bare_vcpus = 1, in_use;

/* ---- a guest */

static void answer(unsigned int port)
{
	ACCESS(child_shared.words[WORD_SEEN])++;
	if (ACCESS(child_shared.words[WORD_MODE]) == MODE_BLOCK)
		port_send(port);
}

/* The timer of 100 Hz that a vCPU begins with: every kernel stops it. */
static void no_ticks(void)
{
	vcpuop(VCPUOP_stop_periodic_timer, vcpu_self(), NULL);
}

static void block_forever(void)
{
	no_ticks();
	for (;;)
		schedop(SCHEDOP_block, NULL);
}

static void tick(void)
{
	u64 at = time_ns() + ACCESS(child_shared.words[WORD_PHASE_NS]);

	for (;;) {
		at += SECOND_NS;
		hypercall(set_timer_op, at);
		while (time_ns() < at)
			schedop(SCHEDOP_block, NULL);
	}
}

void child_main(void)
{
	volatile u64 *words = child_shared.words;

	no_ticks();
	if (words[WORD_GRANTS] != 0)
		grants_give((unsigned int)words[WORD_GRANTS], 0, page_alloc());
	for (unsigned int i = 1; i < words[WORD_VCPUS]; i++)
		vcpu_up(i, block_forever);
	event_handle(child_shared.port, answer);
	event_unmask(child_shared.port);
	event_unmask((unsigned int)bind_virq(VIRQ_TIMER, 0));
	events_on();
	child_shared.step = 1;
	for (;;)
		switch (words[WORD_MODE]) {
		case MODE_SPIN:
			asm volatile("pause"); /* QEMU goes to the other CPU */
			break;
		case MODE_YIELD:
			schedop(SCHEDOP_yield, NULL);
			words[WORD_YIELDS]++;
			break;
		case MODE_TICK:
			tick();
			break;
		default:
			schedop(SCHEDOP_block, NULL);
		}
}

/* ---- Domain 0: guests made and ended */

static void pin(domid_t id, u8 cpus)
{
	u8 map[8] = {cpus};
	struct xen_domctl op = {0};

	op.u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_FORCE;
	op.u.vcpuaffinity.cpumap_hard.nr_bits = 64;
	op.u.vcpuaffinity.cpumap_hard.bitmap.p = map;
	must(domctl(XEN_DOMCTL_setvcpuaffinity, id, &op) == 0, "affinity");
}

static u32 channel_open(domid_t id)
{
	struct evtchn_alloc_unbound unbound = {.dom = id, .remote_dom = 0};
	struct evtchn_bind_interdomain bind = {.remote_dom = id};

	must(evtchn(EVTCHNOP_alloc_unbound, &unbound) == 0, "a guest's port");
	bind.remote_port = unbound.port;
	must(evtchn(EVTCHNOP_bind_interdomain, &bind) == 0, "our end of it");
	return bind.local_port;
}

/* A kernel that blocks on `cpus`, with so many vCPUs and grants. */
static struct guest *guest_make(u8 cpus, unsigned int vcpus, unsigned int grants)
{
	struct guest *g = &guests[guest_count++];
	struct child *c;

	child_vcpus = vcpus;
	child_grant_frames = 16;
	c = child_make();
	*g = (struct guest){.id = c->id, .port = c->port, .shared = c->shared};
	g->masked_port = channel_open(g->id);
	g->shared->words[WORD_VCPUS] = vcpus;
	g->shared->words[WORD_GRANTS] = grants;
	pin(g->id, cpus);
	must(child_run(c) == 0, "unpause");
	must(child_wait(c, 1), "a guest");
	event_unmask(g->port);
	sleep_ns(2000000);
	return g;
}

static void guest_be(struct guest *g, u64 mode)
{
	ACCESS(g->shared->words[WORD_MODE]) = mode;
	port_send(g->port);
}

static void domain_destroy(domid_t id)
{
	struct xen_domctl op = {0};
	long rc;

	do
		rc = domctl(XEN_DOMCTL_destroydomain, id, &op);
	while (rc == -XEAGAIN);
	must(rc == 0, "destroydomain");
}

/* The last guest made, as an operation of its own; then the pause in which `pages` are scrubbed. */
static void guest_end(const char *what, unsigned int number, u64 pages)
{
	struct guest *g = &guests[--guest_count];

	foreign_unmap(g->shared);
	MARK();
	domain_destroy(g->id);
	MARK();
	print("op 1 1 %s %u|end of that guest\n", what, number);
	port_close(g->port);
	port_close(g->masked_port);
	sleep_ns(5000000 + pages * 2000);
}

/* ---- the operations */

static void memory_give(domid_t id, u64 pages)
{
	struct xen_memory_reservation r = {.domid = id};

	r.extent_start.p = list;
	while (pages != 0) {
		u64 now = pages < ARRAY_SIZE(list) ? pages : ARRAY_SIZE(list);

		for (u64 i = 0; i < now; i++)
			list[i] = pages - i;
		r.nr_extents = now;
		must(memop(XENMEM_populate_physmap, &r) == (long)now, "memory");
		pages -= now;
	}
}

static void max_mem(domid_t id, u64 pages)
{
	struct xen_domctl op = {0};

	op.u.max_mem.max_memkb = pages * 4;
	must(domctl(XEN_DOMCTL_max_mem, id, &op) == 0, "max_mem");
}

static void create(unsigned int i)
{
	struct xen_domctl op = {0};

	(void)i;
	op.u.createdomain.max_vcpus = bare_vcpus;
	op.u.createdomain.max_evtchn_port = ~0u;
	op.u.createdomain.max_grant_frames = 4;
	op.u.createdomain.max_maptrack_frames = 4;
	op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(1);
	must(domctl(XEN_DOMCTL_createdomain, 0, &op) == 0, "createdomain");
	bare = op.domain;
	op.u.max_vcpus.max = bare_vcpus;
	must(domctl(XEN_DOMCTL_max_vcpus, bare, &op) == 0, "max_vcpus");
	max_mem(bare, BARE_PAGES);
	memory_give(bare, BARE_PAGES);
}

static void destroy(unsigned int i)
{
	(void)i;
	domain_destroy(bare);
	bare = 0;
}

static void bare_gone(void)
{
	if (bare != 0)
		destroy(0);
	sleep_ns(5000000);
}

static void bare_there(void)
{
	if (bare == 0)
		create(0);
	sleep_ns(5000000);
}

static void send(unsigned int i)
{
	(void)i;
	good(port_send(target->masked_port));
}

/* SCHEDOP_block lets events in; it returns at once if the answer is here already. */
static void round_trip(unsigned int i)
{
	volatile u64 *count = &event_count[target->port];
	u64 before = *count;

	(void)i;
	good(port_send(target->port));
	while (*count == before) {
		events_off();
		if (*count == before)
			schedop(SCHEDOP_block, NULL);
		events_on();
	}
}

static void open_close(unsigned int i)
{
	(void)i;
	good(port_close((unsigned int)port_alloc(target->id)));
}

static void map_unmap(unsigned int i)
{
	(void)i;
	grants_map(target->id, FIRST_REF + in_use, AREA + MAPPED * PAGE_SIZE, 1);
	grants_unmap(1);
}

static void set_timer(unsigned int i)
{
	good(hypercall(set_timer_op, (1ul << 60) + i));
}

static void pin_unpin(unsigned int i)
{
	(void)i;
	good(mmuext(MMUEXT_PIN_L4_TABLE, mfn_of(space), 0));
	good(mmuext(MMUEXT_UNPIN_TABLE, mfn_of(space), 0));
}

static const struct op ops[] = {
	{"event send", send, 32, 1, NULL},
	{"event and switch, there and back", round_trip, 8, 1, NULL},
	{"port opened and closed", open_close, 16, 1, NULL},
	{"grant map and unmap", map_unmap, 16, 1, NULL},
	{"timer set", set_timer, 32, 1, NULL},
	{"address space pinned and unpinned", pin_unpin, 2, 1, NULL},
	{"domain created", create, 1, 1, bare_gone},
	{"domain destroyed", destroy, 1, 1, bare_there},
};

static void probe(struct guest *g, const char *what, unsigned int number)
{
	target = g;
	round_trip(0);
	for (const struct op *op = ops; op < ops + ARRAY_SIZE(ops); op++) {
		op_measure(op, PROBE_ROUNDS);
		print("op %u %u %s %u|%s\n", PROBE_ROUNDS, op->repeats * op->of, what, number,
		      op->name);
	}
}

/* ---- what grows */

/* Each with a timer each second, at different times. */
static void ticks(unsigned int number)
{
	static unsigned int ticking = 1; /* not the first: it is there before we count */

	for (; ticking <= number; ticking++) {
		guests[ticking].shared->words[WORD_PHASE_NS] = ticking * 7654321ul;
		guest_be(&guests[ticking], MODE_TICK);
	}
	sleep_ns(2 * SECOND_NS);
	MARK();
	sleep_ns(4 * SECOND_NS);
	MARK();
	print("op 1 4 ticking %u|a second\n", number);
}

static void idle_guests(void)
{
	guest_make(1, 1, 1);
	for (unsigned int number = 1; number < GUESTS; number *= 2) {
		while (guest_count < number)
			guest_make(3, 1, 1);
		pin(guests[0].id, 1);
		probe(&guests[0], "idle", number);
	}
	guest_make(3, 1, 1);
	for (unsigned int number = 1; number < GUESTS; number *= 2)
		ticks(number);
}

static u64 yields(void)
{
	u64 sum = 0;

	for (unsigned int i = 1; i < guest_count; i++)
		sum += ACCESS(guests[i].shared->words[WORD_YIELDS]);
	return sum;
}

/* On CPU 1. */
static void busy_guests(void)
{
	guest_make(1, 1, 1);
	for (unsigned int number = 1; number < GUESTS; number *= 2) {
		u64 before;

		while (guest_count <= number)
			guest_make(2, 1, 1);
		for (unsigned int i = 1; i < guest_count; i++)
			guest_be(&guests[i], MODE_SPIN);
		probe(&guests[0], "busy", number);
		for (unsigned int i = 1; i < guest_count; i++)
			ACCESS(guests[i].shared->words[WORD_MODE]) = MODE_YIELD;
		sleep_ns(4000000);
		before = yields();
		MARK();
		sleep_ns(10000000);
		MARK();
		print("op 1 %lu busy %u|yield to the next\n", yields() - before, number);
		for (unsigned int i = 1; i < guest_count; i++)
			guest_be(&guests[i], MODE_BLOCK);
		sleep_ns(10000000);
	}
}

static void guest_memory(void)
{
	for (unsigned int mib = 256; mib <= 8192; mib *= 2) {
		u64 pages = (u64)mib * MIB_PAGES;
		struct guest *g = guest_make(1, 1, 1);

		max_mem(g->id, CHILD_PAGES + pages);
		MARK();
		memory_give(g->id, pages);
		MARK();
		print("op 1 1 memory %u|memory given\n", mib);
		probe(g, "memory", mib);
		guest_end("memory", mib, pages);
	}
}

static void guest_vcpus(void)
{
	for (unsigned int number = 1; number <= 8; number++) {
		struct guest *g = guest_make(1, number, 1);

		bare_vcpus = number;
		probe(g, "vcpus", number);
		guest_end("vcpus", number, 0);
	}
}

static void open_channels(void)
{
	static const u32 numbers[] = {1, 10, 100, 1000, CHANNELS};

	for (unsigned int n = 0; n < ARRAY_SIZE(numbers); n++) {
		struct guest *g = guest_make(1, 1, 1);

		for (u32 i = 0; i < numbers[n]; i++)
			channels[i] = channel_open(g->id);
		probe(g, "channels", numbers[n]);
		guest_end("channels", numbers[n], 0);
		for (u32 i = 0; i < numbers[n]; i++)
			port_close(channels[i]);
	}
}

static void grants_in_use(void)
{
	static const u32 numbers[] = {1, 10, 100, 1000, MAPPED};

	for (unsigned int n = 0; n < ARRAY_SIZE(numbers); n++) {
		struct guest *g;

		in_use = numbers[n];
		g = guest_make(1, 1, in_use + 1);
		for (u32 i = 0; i < in_use; i++) {
			grants_map(g->id, FIRST_REF + i, AREA + i * PAGE_SIZE, 1);
			handles[i] = maps[0].handle;
		}
		probe(g, "grants", in_use);
		for (u32 i = 0; i < in_use; i++) {
			maps[0] = (struct gnttab_map_grant_ref){
				.host_addr = (u64)AREA + i * PAGE_SIZE, .handle = handles[i]};
			grants_unmap(1);
		}
		guest_end("grants", in_use, 0);
	}
	in_use = 0;
}

/* An address space of our own with four tables that nothing else uses. */
static void space_make(void)
{
	u64 *l1 = page_alloc(), *now = root();

	for (unsigned int n = 0; n < 512; n++)
		l1[n] = FRAME(page) | PTE_RW;
	make_ro(l1);
	space = page_alloc();
	for (unsigned int i = 0; i < 512; i++)
		if (i < 256 || i > 271)
			space[i] = now[i];
	space[65] = FRAME(table_alloc(FRAME(table_alloc(FRAME(l1) | PTE_RW)) | PTE_RW)) | PTE_RW;
	make_ro(space);
}

static const struct {
	const char *name;
	void (*run)(void);
} growing[] = {
	{"idle", idle_guests},	{"busy", busy_guests},	     {"memory", guest_memory},
	{"vcpus", guest_vcpus}, {"channels", open_channels}, {"grants", grants_in_use},
};

static bool is_asked(const char *name)
{
	const char *words = (const char *)start_info->cmd_line;

	for (; *words != 0; words++) {
		size_t n = 0;

		while (name[n] != 0 && words[n] == name[n])
			n++;
		if (name[n] == 0)
			return true;
	}
	return false;
}

void guest_main(void)
{
	no_ticks();
	pin(0, 1);
	page = page_alloc();
	area_make(MAPPED + 512);
	space_make();
	for (unsigned int i = 0; i < ARRAY_SIZE(growing); i++)
		if (is_asked(growing[i].name))
			growing[i].run();
	bench_end();
}

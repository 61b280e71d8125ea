/* SPDX-License-Identifier: MIT */
/*
 * A test guest: nothing that a guest asks for keeps the CPU. Big trees are pinned and put back, long lists given, while a
 * timer ticks; the counts are right afterwards. Security cases 45, 264, 290, 344 (promotion without a bound on time),
 * 299, 309, 310 (interrupted and resumed), 240 (depth).
 */
#include "guest.h"

#define TABLES 400
static u32 port;
static u64 last_tick, worst;

static void tick(unsigned int p)
{
	u64 now = time_ns();

	(void)p;
	if (last_tick && now - last_tick > worst)
		worst = now - last_tick;
	last_tick = now;
}

static u64 *l1s[TABLES], *tree;

static void build(void)
{
	u64 *l2 = page_alloc(), *l3 = page_alloc();
	char *page = page_alloc();

	for (unsigned int i = 0; i < TABLES; i++) {
		l1s[i] = page_alloc();
		for (unsigned int n = 0; n < 512; n++)
			l1s[i][n] = (mfn_of(page) << 12) | PTE_RW;
		make_ro(l1s[i]);
		l2[i] = (mfn_of(l1s[i]) << 12) | PTE_RW;
	}
	make_ro(l2);
	for (unsigned int i = 0; i < 512; i++)
		l3[i] = (mfn_of(l2) << 12) | PTE_RW;
	make_ro(l3);
	tree = l3;
}

static void pin_and_unpin(void)
{
	for (unsigned int i = 0; i < 3; i++) {
		u64 before = event_count[port];

		equals(mmuext(MMUEXT_PIN_L3_TABLE, mfn_of(tree), 0), 0, "pin of 200,000 entries");
		equals(mmuext(MMUEXT_UNPIN_TABLE, mfn_of(tree), 0), 0, "unpin");
		print("# ticks %lu\n", event_count[port] - before);
	}
	for (unsigned int i = 0; i < TABLES; i++)
		make_rw(l1s[i]);
	check(true, "all tables are pages again");
	for (unsigned int i = 0; i < TABLES; i++)
		make_ro(l1s[i]);
}

/* A bad entry at the very end: everything before it is put back. */
static void late_failure(void)
{
	make_rw(l1s[TABLES - 1]);
	l1s[TABLES - 1][511] = (mfn_of(root()) << 12) | PTE_RW;
	make_ro(l1s[TABLES - 1]);
	refused(mmuext(MMUEXT_PIN_L3_TABLE, mfn_of(tree), 0),
		"a bad entry at the end of a big tree");
	for (unsigned int i = 0; i < TABLES; i++)
		make_rw(l1s[i]);
	check(true, "all tables are pages again (58, 299)");
	l1s[TABLES - 1][511] = 0;
	for (unsigned int i = 0; i < TABLES; i++)
		make_ro(l1s[i]);
}

static void in_the_root(void)
{
	equals(mmu_update(maddr_of(root()) + 40 * 8, (mfn_of(tree) << 12) | PTE_RW), 0,
	       "a big tree by one entry");
	equals(mmu_update(maddr_of(root()) + 40 * 8, 0), 0, "and out");
	equals(mmu_update(maddr_of(root()) + 40 * 8, (mfn_of(tree) << 12) | PTE_RW), 0,
	       "once more");
	equals(mmu_update(maddr_of(root()) + 40 * 8, 0), 0, "and out");
	make_rw(l1s[0]);
	check(true, "its tables are pages again");
	make_ro(l1s[0]);
}

static void long_lists(void)
{
	static struct mmu_update updates[4096];
	static struct mmuext_op ops[4096];
	u32 done = 0;
	u64 at = maddr_of(entry_of(l1s[0], 1)), value = *entry_of(l1s[0], 1);

	for (unsigned int i = 0; i < 4096; i++) {
		updates[i] = (struct mmu_update){.ptr = at, .val = i & 1 ? value : value & ~PTE_A};
		ops[i] = (struct mmuext_op){.cmd = MMUEXT_TLB_FLUSH_ALL};
	}
	equals(hypercall(mmu_update, updates, 4096, &done, DOMID_SELF), 0, "4096 updates");
	equals(done, 4096, "4096 updates: all done");
	equals(hypercall(mmuext_op, ops, 4096, &done, DOMID_SELF), 0, "4096 flushes");
	equals(done, 4096, "4096 flushes: all done");
	for (unsigned int i = 0; i < 4096; i++) {
		ops[i].cmd = i & 1 ? MMUEXT_UNPIN_TABLE : MMUEXT_PIN_L2_TABLE;
		ops[i].arg1.mfn = mfn_of(l1s[1]);
	}
	ops[0].cmd = MMUEXT_PIN_L1_TABLE;
	refused(hypercall(mmuext_op, ops, 4096, &done, DOMID_SELF),
		"a list that fails at its third");
	equals(done, 2, "a list that fails at its third: two done");
}

#define GIVEN_UP 16

/* Tables of pages that were given up while they were mapped: each entry that goes frees a frame. */
static void pages_of_nobody(void)
{
	static u64 mfns[512];
	static struct mmu_update updates[GIVEN_UP];
	static struct multicall_entry calls[GIVEN_UP / 2];
	struct xen_memory_reservation r = {.nr_extents = 512, .domid = DOMID_SELF};
	u64 *tables[GIVEN_UP], *l2 = page_alloc();

	r.extent_start.p = mfns;
	for (unsigned int i = 0; i < GIVEN_UP; i++) {
		tables[i] = page_alloc();
		l2[i] = (mfn_of(tables[i]) << 12) | PTE_RW;
		updates[i].ptr = maddr_of(l2) + i * 8;
		for (unsigned int n = 0; n < 512; n++) {
			char *page = page_alloc();

			tables[i][n] = (mfn_of(page) << 12) | PTE_RW;
			set_va(page, 0, 0);
		}
		make_ro(tables[i]);
	}
	make_ro(l2);
	equals(mmuext(MMUEXT_PIN_L2_TABLE, mfn_of(l2), 0), 0, "tables of pages");
	for (unsigned int i = 0; i < GIVEN_UP; i++) {
		for (unsigned int n = 0; n < 512; n++)
			mfns[n] = (tables[i][n] & PTE_MFN) >> 12;
		equals(memop(XENMEM_decrease_reservation, &r), 512, "which are given up");
	}
	equals(hypercall(mmu_update, updates, GIVEN_UP / 2, NULL, DOMID_SELF), 0, "and go");
	for (unsigned int i = 0; i < GIVEN_UP / 2; i++)
		calls[i] = (struct multicall_entry){
			.op = __HYPERVISOR_mmu_update,
			.args = {(u64)&updates[GIVEN_UP / 2 + i], 1, 0, DOMID_SELF}};
	equals(hypercall(multicall, calls, GIVEN_UP / 2), 0, "and go, each by a call in one");
	equals(mmuext(MMUEXT_UNPIN_TABLE, mfn_of(l2), 0), 0, "the table of tables");
}

#define EXCHANGES 4

/* Calls each of which is long, one after the other. */
static void long_calls_in_one(void)
{
	static u64 mfns[EXCHANGES][512], pfns[EXCHANGES];
	static struct xen_memory_exchange x[EXCHANGES];
	static struct multicall_entry calls[EXCHANGES];

	for (unsigned int i = 0; i < EXCHANGES; i++) {
		for (unsigned int n = 0; n < 512; n++) {
			char *page = page_alloc();

			mfns[i][n] = mfn_of(page);
			set_va(page, 0, 0);
		}
		x[i].in.nr_extents = 512;
		x[i].in.extent_start.p = mfns[i];
		x[i].out.nr_extents = 1;
		x[i].out.extent_order = 9;
		x[i].out.extent_start.p = &pfns[i];
		x[i].in.domid = x[i].out.domid = DOMID_SELF;
		calls[i].op = __HYPERVISOR_memory_op;
		calls[i].args[0] = XENMEM_exchange;
		calls[i].args[1] = (u64)&x[i];
	}
	equals(hypercall(multicall, calls, EXCHANGES), 0, "four exchanges in one call");
	for (unsigned int i = 0; i < EXCHANGES; i++)
		equals(calls[i].result, 0, "exchanged");
}

/* References taken and put in great numbers do not stay (113, 58). */
static void no_leak(void)
{
	char *page = page_alloc();
	u64 mfn = mfn_of(page);
	struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
	struct xen_memory_exchange x = {.in = {.nr_extents = 1, .domid = DOMID_SELF},
					.out = {.nr_extents = 1, .domid = DOMID_SELF}};
	u64 out = pfn_of(page);

	(void)r;
	for (unsigned int i = 0; i < 200; i++) {
		mmu_update((mfn << 12) | MMU_MACHPHYS_UPDATE, pfn_of(page));
		mmuext(MMUEXT_PIN_L2_TABLE, mfn, 0);
		mmuext(MMUEXT_NEW_BASEPTR, mfn, 0);
		mmuext(MMUEXT_CLEAR_PAGE, mfn, 0);
		hypercall(set_gdt, &mfn, 600000);
	}
	set_va(page, 0, UVMF_INVLPG);
	x.in.extent_start.p = &mfn;
	x.out.extent_start.p = &out;
	equals(memop(XENMEM_exchange, &x), 0, "a page with one reference alone can be exchanged");
}

void guest_main(void)
{
	struct vcpu_set_periodic_timer p = {.period_ns = 1000000};

	port = (u32)bind_virq(VIRQ_TIMER, 0);
	build();
	event_handle(port, tick);
	event_unmask(port);
	equals(vcpuop(VCPUOP_set_periodic_timer, 0, &p), 0, "a tick each millisecond");
	events_on();
	pin_and_unpin();
	late_failure();
	in_the_root();
	long_lists();
	pages_of_nobody();
	long_calls_in_one();
	events_off();
	vcpuop(VCPUOP_stop_periodic_timer, 0, NULL);
	no_leak();
	print("# longest time between ticks: %lu us\n", worst / 1000);
	check(worst < 100000000, "never 100 ms without a tick");
}

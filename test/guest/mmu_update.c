/* SPDX-License-Identifier: MIT */
/*
 * A test guest: mmu_update, good and bad. Security cases 109 and 113 (MACHPHYS_UPDATE), 148 and 182 (superpage bit and
 * quick paths for flags), 240 (tables that refer to themselves), 45 (counts and continuation), 214 (type and translation).
 */
#include "guest.h"

static u64 *l1; /* maps va_base.. */
static u64 *l2, *l3;
static char *page;
#define HOLE	 ((char *)0x0000100000000000ul) /* L4 slot 32 */
#define FRAME(p) (mfn_of(p) << 12)

static u64 slot_of(const void *table, unsigned int i)
{
	return maddr_of(table) + i * 8;
}

static void build(void)
{
	page = page_alloc();
	l1 = table_alloc(FRAME(page) | PTE_RW);
	l2 = table_alloc(FRAME(l1) | PTE_RW);
	l3 = table_alloc(FRAME(l2) | PTE_RW);
	equals(mmu_update(slot_of(root(), 32), FRAME(l3) | PTE_RW), 0,
	       "a tree of tables goes into the root");
	*(u64 *)HOLE = 0x1234;
	equals(*(u64 *)page, 0x1234, "and maps the page");
}

static void leaves(void)
{
	char *other = page_alloc();
	u64 x = 0;

	equals(mmu_update(slot_of(l1, 1), FRAME(other) | PTE_RW), 0, "L1: a second page");
	*(u64 *)(HOLE + 4096) = 77;
	equals(*(u64 *)other, 77, "L1: it is the page");
	equals(mmu_update(slot_of(l1, 1), FRAME(other) | PTE_RO), 0, "L1: read-only");
	equals(mmuext(MMUEXT_INVLPG_LOCAL, (u64)HOLE + 4096, 0), 0, "L1: invlpg");
	equals(trap_write(HOLE + 4096, 1), 14, "L1: a write faults");
	equals(last_trap.error & ~4u, 3, "L1: error code of a write to a read-only page");
	equals(last_trap.cr2, (long)HOLE + 4096, "L1: cr2");
	equals(mmu_update(slot_of(l1, 1), 0), 0, "L1: cleared");
	mmuext(MMUEXT_INVLPG_LOCAL, (u64)HOLE + 4096, 0);
	equals(trap_read(HOLE + 4096, x), 14, "L1: a read faults");
	equals(last_trap.error & ~4u, 0, "L1: error code of a read of nothing");
	equals(mmu_update(slot_of(l1, 1), FRAME(other) | PTE_RW | PTE_NX), 0, "L1: NX");
	equals(mmu_update(slot_of(l1, 1), FRAME(other) | PTE_RW | 0xe00), 0,
	       "L1: bits for software");
	equals(l1[1] & 0xe00, 0xe00, "L1: they stay");
	equals(mmu_update(slot_of(l1, 1), FRAME(other) | PTE_P), 0,
	       "L1: neither user nor accessed");
	equals(mmu_update(slot_of(l1, 1), FRAME(l1) | PTE_RO), 0, "L1: a table, read-only");
	refused(mmu_update(slot_of(l1, 1), FRAME(l1) | PTE_RW), "L1: itself, writable");
	refused(mmu_update(slot_of(l1, 1), FRAME(l2) | PTE_RW), "L1: an L2, writable");
	refused(mmu_update(slot_of(l1, 1), FRAME(root()) | PTE_RW), "L1: the root, writable");
	equals(l1[1] & (PTE_MFN | PTE_P), FRAME(l1) | PTE_P, "L1: refusals change nothing");
	equals(mmu_update(slot_of(l1, 1), 0), 0, "L1: cleared again");
	page_free(other);
}

static void bad_values(void)
{
	static const u64 mfns[] = {0xfffffffff, 0xffffffff, 0x8000000, 0xfe000000};

	for (unsigned int i = 0; i < ARRAY_SIZE(mfns) - 1; i++) {
		print("# mfn %lx\n", mfns[i]);
		/* Domain 0 may map what is not RAM; beyond the physical address width nothing is. */
		long rc = mmu_update(slot_of(l1, 2), (mfns[i] << 12) | PTE_RW);

		if (rc == 0)
			mmu_update(slot_of(l1, 2), 0);
		check(mfns[i] < 0xffffffff || rc < 0, "L1: frame number beyond everything");
	}
	refused(mmu_update(slot_of(l1, 2), FRAME(page) | PTE_RW | (1ul << 51)),
		"L1: reserved address bit 51");
	refused(mmu_update(slot_of(l2, 2), FRAME(l1) | PTE_RW | (1ul << 51)),
		"L2: reserved address bit 51");
	refused(mmu_update(slot_of(l2, 2), FRAME(page) | PTE_RW | PTE_PSE), "L2: superpage (148)");
	refused(mmu_update(slot_of(l2, 0), (FRAME(l1) | PTE_RW) | PTE_PSE),
		"L2: superpage as a flag of a good entry (148)");
	refused(mmu_update(slot_of(l3, 2), FRAME(page) | PTE_RW | PTE_PSE), "L3: superpage");
	refused(mmu_update(slot_of(l3, 0), (FRAME(l2) | PTE_RW) | PTE_PSE),
		"L3: superpage as a flag of a good entry");
	refused(mmu_update(slot_of(root(), 32), (FRAME(l3) | PTE_RW) | PTE_PSE),
		"L4: reserved bit 7");
	refused(mmu_update(slot_of(l2, 2), FRAME(page) | PTE_RW),
		"L2: a page that is mapped writable is no L1");
	refused(mmu_update(slot_of(l2, 2), FRAME(l2) | PTE_RW), "L2: itself (240)");
	refused(mmu_update(slot_of(l3, 2), FRAME(l1) | PTE_RW), "L3: an L1");
	refused(mmu_update(slot_of(root(), 33), FRAME(l2) | PTE_RW), "L4: an L2");
	refused(mmu_update(slot_of(l2, 2), FRAME(root()) | PTE_RW), "L2: the root");
	equals(*(u64 *)HOLE, 0x1234, "the tree still maps the page");
}

static void flags_of_tables(void)
{
	equals(mmu_update(slot_of(l2, 0), FRAME(l1) | PTE_RO), 0, "L2: entry without W");
	mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
	equals(trap_write(HOLE, 1), 14, "L2: a write below it faults");
	equals(mmu_update(slot_of(l2, 0), FRAME(l1) | PTE_RW | PTE_NX), 0, "L2: entry with NX");
	equals(mmu_update(slot_of(l2, 0), FRAME(l1) | PTE_RW), 0, "L2: as before");
	mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
	equals(trap_write(HOLE, 0x1234), NO_TRAP, "L2: a write below it passes");
	equals(mmu_update(slot_of(l2, 1), FRAME(l1) | PTE_RW), 0, "L2: the same L1 twice");
	equals(*(u64 *)(HOLE + 0x200000), 0x1234, "L2: and read");
	equals(mmu_update(slot_of(l2, 1), 0), 0, "L2: once again");
}

static void hypervisor_slots(void)
{
	static const unsigned int slots[] = {256, 257, 261, 264, 271};

	for (unsigned int i = 0; i < ARRAY_SIZE(slots); i++) {
		refused(mmu_update(slot_of(root(), slots[i]), FRAME(l3) | PTE_RW),
			"L4: a slot of the hypervisor");
		refused(mmu_update(slot_of(root(), slots[i]), 0),
			"L4: a slot of the hypervisor, cleared");
	}
	/* Linear page tables: Mica refuses them (ARCHITECTURE, decisions), Xen takes them if read-only. */
	long rc = mmu_update(slot_of(root(), 34), FRAME(root()) | PTE_RO);

	check(on_mica() ? rc < 0 : true, "L4: itself, read-only (240)");
	if (rc == 0)
		mmu_update(slot_of(root(), 34), 0);
	refused(mmu_update(slot_of(root(), 34), FRAME(root()) | PTE_RW),
		"L4: itself, writable (240)");
}

static void preserve(void)
{
	u64 old;

	*(u64 *)HOLE = 0x1234;
	equals(mmu_update(slot_of(l1, 0) | MMU_PT_UPDATE_PRESERVE_AD,
			  FRAME(page) | PTE_P | PTE_W | PTE_U),
	       0, "preserve A/D");
	equals(l1[0] & (PTE_A | PTE_D), PTE_A | PTE_D, "A and D stay");
	equals(mmu_update(slot_of(l1, 0), FRAME(page) | PTE_P | PTE_W | PTE_U), 0, "without it");
	equals(l1[0] & (PTE_A | PTE_D), 0, "A and D go");
	mmuext(MMUEXT_INVLPG_LOCAL, (u64)HOLE, 0);
	*(u64 *)HOLE = 0x1234;
	equals(l1[0] & (PTE_A | PTE_D), PTE_A | PTE_D, "and come back by use");
	old = l1[0];
	equals(mmu_update(slot_of(l1, 0) | MMU_PT_UPDATE_NO_TRANSLATE, old), 0,
	       "no-translate is a normal update here");
}

static void machphys(void)
{
	u64 mfn = mfn_of(page), pfn = pfn_of(page);

	equals(mmu_update((mfn << 12) | MMU_MACHPHYS_UPDATE, 0x4321), 0, "machphys: own frame");
	equals(machine_to_phys(mfn), 0x4321, "machphys: seen");
	equals(mmu_update((mfn << 12) | MMU_MACHPHYS_UPDATE, pfn), 0, "machphys: back");
	equals(machine_to_phys(mfn), pfn, "machphys: seen");
	refused(mmu_update((0xfffffffful << 12) | MMU_MACHPHYS_UPDATE, 1),
		"machphys: no such frame");
	/* The reference must not stay: the page can become a table and be given back (checked by bound). */
	for (unsigned int i = 0; i < 1000; i++)
		if (mmu_update((mfn << 12) | MMU_MACHPHYS_UPDATE, pfn))
			fatal("machphys %u", i);
	check(trap_write(MACH2PHYS_VIRT_START + mfn * 8, 1) == 14,
	      "machphys: the list is read-only");
}

static void bad_places(void)
{
	u64 *plain = page_alloc();
	struct mmu_update u[3] = {{.ptr = slot_of(l1, 3), .val = FRAME(page) | PTE_RO},
				  {.ptr = slot_of(l1, 4), .val = FRAME(l1) | PTE_RW},
				  {.ptr = slot_of(l1, 5), .val = FRAME(page) | PTE_RO}};
	u32 done = 99;

	equals(mmu_update(maddr_of(plain), 5), 0, "a page that is no table is simply written");
	equals(plain[0], 5, "and has the value");
	refused(mmu_update((0xfffffffful << 12), 5), "a frame that is not there");
	refused(mmu_update(0xfee00000, 5), "the local APIC");
	refused(mmu_update((start_info->shared_info & ~4095ul) | 7, 5),
		"no such command: 3 with odd bits");
	refused(mmu_update_dom(slot_of(l1, 3), FRAME(page) | PTE_RO, 77),
		"domain that is not there");
	refused(mmu_update_dom(slot_of(l1, 3), FRAME(page) | PTE_RO, DOMID_INVALID),
		"DOMID_INVALID");
	refused(mmu_update_dom(slot_of(l1, 3), FRAME(page) | PTE_RO, 0x7ff5),
		"reserved domain number");
	/* Itself by number: Xen wants DOMID_SELF here, Mica takes either. */
	equals(mmu_update_dom(slot_of(l1, 3), FRAME(page) | PTE_RO, 0), on_mica() ? 0 : -XESRCH,
	       "domain 0 by number");
	refused(mmu_update_dom(slot_of(l1, 3), FRAME(page) | PTE_RW, DOMID_IO),
		"own RAM is not DOMID_IO's");
	refused(mmu_update_dom(slot_of(l1, 3), FRAME(page) | PTE_RW, DOMID_XEN),
		"own RAM is not DOMID_XEN's");
	refused(hypercall(mmu_update, u, 3, &done, DOMID_SELF), "a list with a bad one");
	equals(done, 1, "a list with a bad one: count of those done");
	check((l1[3] & PTE_P) && !(l1[4] & PTE_P) && !(l1[5] & PTE_P),
	      "a list with a bad one: only the first");
	equals(hypercall(mmu_update, u, 0, &done, DOMID_SELF), 0, "an empty list");
	equals(done, 0, "an empty list: none done");
	equals(hypercall(mmu_update, 8, 1, NULL, DOMID_SELF), -XEFAULT, "list: bad pointer");
	equals(hypercall(mmu_update, HYPERVISOR_VIRT_START, 1, NULL, DOMID_SELF), -XEFAULT,
	       "list: pointer into the hypervisor's range");
	refused(hypercall(mmu_update, 8, 0x7fffffff, NULL, DOMID_SELF), "list: huge count");
	/* Bit 31 is the mark of a continuation; forged, it must do no harm (111, 296). */
	refused(hypercall(mmu_update, u, 0x80000003, NULL, DOMID_SELF),
		"list: forged continuation mark");
	/* The work is done by then: Xen says nothing, Mica -EFAULT. */
	equals(hypercall(mmu_update, u, 1, HYPERVISOR_VIRT_START + 8, DOMID_SELF),
	       on_mica() ? -XEFAULT : 0, "count: pointer into the hypervisor's range");
	equals(mmu_update(slot_of(l1, 3), 0), 0, "tidy");
	page_free(plain);
}

static void types(void)
{
	u64 *victim = page_alloc();

	make_ro(victim);
	equals(mmu_update(slot_of(l2, 5), FRAME(victim) | PTE_RW), 0, "a page becomes an L1");
	refused(set_va(victim, FRAME(victim) | PTE_RW, UVMF_INVLPG),
		"which is not mapped writable");
	equals(trap_write(victim, 1), NO_TRAP,
	       "a write is emulated or taken: bit 0 alone names frame 0");
	mmu_update(slot_of(victim, 0), 0);
	equals(mmu_update(slot_of(l2, 5), 0), 0, "the last use goes");
	equals(set_va(victim, FRAME(victim) | PTE_RW, UVMF_INVLPG), 0, "writable again");
	victim[7] = FRAME(root()) | PTE_RW;
	make_ro(victim);
	refused(mmu_update(slot_of(l2, 5), FRAME(victim) | PTE_RW),
		"a page with a bad entry does not become an L1");
	equals(set_va(victim, FRAME(victim) | PTE_RW, UVMF_INVLPG), 0, "it stays an ordinary page");
	victim[7] = 0;
	for (unsigned int i = 0; i < 512; i++)
		victim[i] = FRAME(page) | PTE_RW;
	make_ro(victim);
	equals(mmu_update(slot_of(l2, 5), FRAME(victim) | PTE_RW), 0,
	       "512 writable entries of one page");
	equals(mmu_update(slot_of(l2, 5), 0), 0, "and all go again");
	make_rw(victim);
	page_free(victim);
}

void guest_main(void)
{
	build();
	leaves();
	bad_values();
	flags_of_tables();
	hypervisor_slots();
	preserve();
	machphys();
	bad_places();
	types();
	equals(mmu_update(slot_of(root(), 32), 0), 0, "the tree leaves the root");
	equals(set_va(l3, FRAME(l3) | PTE_RW, UVMF_INVLPG), 0, "L3 is a page again");
	equals(set_va(l2, FRAME(l2) | PTE_RW, UVMF_INVLPG), 0,
	       "L2 is not: the L3 had the only use of it, which went");
	equals(set_va(l1, FRAME(l1) | PTE_RW, UVMF_INVLPG), 0, "L1 is a page again");
}

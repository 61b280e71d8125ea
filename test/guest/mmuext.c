/* SPDX-License-Identifier: MIT */
/*
 * A test guest: mmuext_op. Pins of each level, base pointers, flushes of each form, LDT, pages copied and cleared.
 * Security cases 58 and 242 (a pin's error path keeps or loses a reference), 299, 309, 310 (half-done tables), 438
 * (a root given back while it is loaded).
 */
#include "guest.h"

#define FRAME(p) (mfn_of(p) << 12)
static char *page;

static void pins(void)
{
	u64 *l1 = table_alloc(FRAME(page) | PTE_RW), *l2 = table_alloc(FRAME(l1) | PTE_RW);
	u64 *l3 = table_alloc(FRAME(l2) | PTE_RW), *l4 = root_alloc();
	u64 *tables[] = {l1, l2, l3, l4};

	refused(mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(page), 0), "pin: a writable page");
	for (unsigned int i = 0; i < 4; i++) {
		print("# level %u\n", i + 1);
		equals(mmuext(MMUEXT_PIN_L1_TABLE + i, mfn_of(tables[i]), 0), 0, "pin");
		refused(mmuext(MMUEXT_PIN_L1_TABLE + i, mfn_of(tables[i]), 0), "pin: twice");
		refused(mmuext(MMUEXT_PIN_L1_TABLE + (i + 1) % 4, mfn_of(tables[i]), 0),
			"pin: as another level");
		refused(set_va(tables[i], FRAME(tables[i]) | PTE_RW, 0),
			"pin: not writable any more");
	}
	for (unsigned int i = 0; i < 4; i++) {
		equals(mmuext(MMUEXT_UNPIN_TABLE, mfn_of(tables[i]), 0), 0, "unpin");
		refused(mmuext(MMUEXT_UNPIN_TABLE, mfn_of(tables[i]), 0), "unpin: twice");
	}
	refused(mmuext(MMUEXT_UNPIN_TABLE, mfn_of(page), 0), "unpin: an ordinary page");
	for (unsigned int i = 0; i < 4; i++)
		make_rw(tables[i]);
	check(true, "all four are pages again");
	l2[9] = FRAME(page) | PTE_RW;
	make_ro(l1);
	make_ro(l2);
	refused(mmuext(MMUEXT_PIN_L2_TABLE, mfn_of(l2), 0),
		"pin: L2 with a bad entry behind good ones");
	equals(set_va(l1, FRAME(l1) | PTE_RW, UVMF_INVLPG), 0, "pin: the good ones are put back");
	equals(set_va(l2, FRAME(l2) | PTE_RW, UVMF_INVLPG), 0, "pin: and the L2 itself");
	refused(mmuext(MMUEXT_PIN_L2_TABLE, 0xffffffff, 0), "pin: no such frame");
	refused(mmuext(MMUEXT_PIN_L4_TABLE, 0xfee00, 0), "pin: the local APIC");
	refused(mmuext(MMUEXT_UNPIN_TABLE, 0xffffffff, 0), "unpin: no such frame");
	refused(mmuext(MMUEXT_PIN_L1_TABLE, 0xffffffffffffffff, 0), "pin: -1");
}

static void roots(void)
{
	u64 *l4 = root_alloc(), old = mfn_of(root());
	u64 *bad;

	equals(mmuext(MMUEXT_NEW_BASEPTR, mfn_of(l4), 0), 0,
	       "base pointer: a root that is not pinned");
	refused(set_va(l4, FRAME(l4) | PTE_RW, UVMF_INVLPG), "base pointer: it is in use (438)");
	refused(mmuext(MMUEXT_UNPIN_TABLE, mfn_of(l4), 0), "base pointer: it was never pinned");
	equals(mmuext(MMUEXT_NEW_BASEPTR, old, 0), 0, "base pointer: back");
	equals(set_va(l4, FRAME(l4) | PTE_RW, UVMF_INVLPG), 0,
	       "base pointer: the other is a page again");
	refused(mmuext(MMUEXT_NEW_BASEPTR, mfn_of(page), 0), "base pointer: a writable page");
	refused(mmuext(MMUEXT_NEW_BASEPTR, 0xffffffff, 0), "base pointer: no such frame");
	refused(mmuext(MMUEXT_NEW_BASEPTR, mfn_of(entry_of(page, 1)), 0), "base pointer: an L1");
	refused(mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(page), 0),
		"user base pointer: a writable page");
	make_ro(l4);
	equals(mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(l4), 0), 0, "user base pointer");
	refused(set_va(l4, FRAME(l4) | PTE_RW, UVMF_INVLPG), "user base pointer: in use (438)");
	equals(mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0), 0, "user base pointer: none");
	equals(set_va(l4, FRAME(l4) | PTE_RW, UVMF_INVLPG), 0, "user base pointer: a page again");
	bad = page_alloc();
	make_ro(bad);
	equals(mmuext(MMUEXT_PIN_L4_TABLE, mfn_of(bad), 0), 0, "pin: an empty root");
	equals(mmuext(MMUEXT_UNPIN_TABLE, mfn_of(bad), 0), 0, "unpin: an empty root");
	make_rw(bad);
	/* What the guest wrote into the hypervisor's slots is replaced, not judged. */
	bad[256] = FRAME(page) | PTE_RW;
	bad[260] = 0xfee00000 | PTE_RW;
	make_ro(bad);
	equals(mmuext(MMUEXT_PIN_L4_TABLE, mfn_of(bad), 0), 0,
	       "pin: a root with rubbish in the hypervisor's slots");
	check((bad[256] & PTE_MFN) != FRAME(page), "pin: the rubbish is gone");
	check((bad[260] & PTE_MFN) != 0xfee00000, "pin: all of it");
	equals(mmuext(MMUEXT_UNPIN_TABLE, mfn_of(bad), 0), 0, "unpin");
	make_rw(bad);
}

static void pinned_root_in_use(void)
{
	u64 *l4 = root_alloc(), old = mfn_of(root());

	equals(mmuext(MMUEXT_PIN_L4_TABLE, mfn_of(l4), 0), 0, "pin a root");
	equals(mmuext(MMUEXT_NEW_BASEPTR, mfn_of(l4), 0), 0, "load it");
	equals(mmuext(MMUEXT_UNPIN_TABLE, mfn_of(l4), 0), 0, "unpin it while it is loaded (438)");
	refused(set_va(l4, FRAME(l4) | PTE_RW, UVMF_INVLPG), "it stays a table");
	equals(mmuext(MMUEXT_NEW_BASEPTR, old, 0), 0, "load the first again");
	equals(set_va(l4, FRAME(l4) | PTE_RW, UVMF_INVLPG), 0, "now it is a page");
}

static void flushes(void)
{
	u64 mask = 1, none = 0, all = ~0ul;

	equals(mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0), 0, "tlb flush local");
	equals(mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0), 0, "tlb flush all");
	equals(mmuext(MMUEXT_INVLPG_LOCAL, (u64)page, 0), 0, "invlpg local");
	equals(mmuext(MMUEXT_INVLPG_ALL, (u64)page, 0), 0, "invlpg all");
	equals(mmuext(MMUEXT_INVLPG_LOCAL, 0x8000000000000000, 0), 0, "invlpg: not canonical");
	equals(mmuext(MMUEXT_INVLPG_ALL, HYPERVISOR_VIRT_START, 0), 0,
	       "invlpg: the hypervisor's range");
	equals(mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, (u64)&mask), 0, "tlb flush multi: vCPU 0");
	equals(mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, (u64)&none), 0, "tlb flush multi: none");
	equals(mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, (u64)&all), 0,
	       "tlb flush multi: also those that are not there");
	equals(mmuext(MMUEXT_INVLPG_MULTI, (u64)page, (u64)&mask), 0, "invlpg multi");
	refused(mmuext(MMUEXT_TLB_FLUSH_MULTI, 0, 8), "tlb flush multi: bad pointer");
	refused(mmuext(MMUEXT_INVLPG_MULTI, (u64)page, HYPERVISOR_VIRT_START),
		"invlpg multi: hypervisor's pointer");
	equals(mmuext(MMUEXT_FLUSH_CACHE, 0, 0), 0, "cache flush (domain with I/O rights)");
	equals(mmuext(MMUEXT_FLUSH_CACHE_GLOBAL, 0, 0), 0, "cache flush global");
}

static void pages(void)
{
	u64 *a = page_alloc(), *b = page_alloc();
	u64 *table = table_alloc(0);

	a[0] = 11;
	a[511] = 12;
	equals(mmuext(MMUEXT_COPY_PAGE, mfn_of(b), mfn_of(a)), 0, "copy page");
	check(b[0] == 11 && b[511] == 12, "copy page: it is");
	equals(mmuext(MMUEXT_CLEAR_PAGE, mfn_of(b), 0), 0, "clear page");
	check(b[0] == 0 && b[511] == 0, "clear page: it is");
	equals(mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(table), 0), 0, "pin");
	refused(mmuext(MMUEXT_CLEAR_PAGE, mfn_of(table), 0), "clear page: a table");
	refused(mmuext(MMUEXT_COPY_PAGE, mfn_of(table), mfn_of(a)), "copy page: to a table");
	equals(mmuext(MMUEXT_COPY_PAGE, mfn_of(b), mfn_of(table)), 0, "copy page: from a table");
	refused(mmuext(MMUEXT_COPY_PAGE, 0xffffffff, mfn_of(a)), "copy page: to nowhere");
	refused(mmuext(MMUEXT_COPY_PAGE, mfn_of(a), 0xffffffff), "copy page: from nowhere");
	refused(mmuext(MMUEXT_CLEAR_PAGE, 0xfee00, 0), "clear page: the local APIC");
	refused(mmuext(MMUEXT_CLEAR_PAGE, mfn_of(root()), 0), "clear page: the root");
	equals(mmuext(MMUEXT_UNPIN_TABLE, mfn_of(table), 0), 0, "unpin");
	/* 4.17 counts a claim on superpages no more; both refuse. */
	refused(mmuext(MMUEXT_MARK_SUPER, mfn_of(a) & ~511ul, 0), "mark super");
	refused(mmuext(MMUEXT_UNMARK_SUPER, mfn_of(a) & ~511ul, 0), "unmark super");
	refused(mmuext(99, 0, 0), "no such command: 99");
	refused(mmuext(0xffffffff, 0, 0), "no such command: -1");
	refused(mmuext(MMUEXT_PIN_L1_TABLE + 21, 0, 0), "no such command: 21");
}

static void ldt(void)
{
	u64 *table = page_alloc();
	u16 sel = 0;

	table[1] = 0x00affb000000ffff; /* 64-bit code, ring 3 */
	table[2] = 0x00cff3000000ffff; /* data, ring 3 */
	make_ro(table);
	equals(mmuext(MMUEXT_SET_LDT, (u64)table, 16), 0, "LDT set");
	equals(trap_try("mov %1, %%es\n\tmov %%es, %0", "=&r"(sel), "r"(0x17)), NO_TRAP,
	       "LDT: data selector loads");
	check(trap_try("mov %0, %%es", , "r"(0x87)) == 13, "LDT: past its limit");
	asm volatile("mov %0, %%es" ::"r"(0));
	equals(mmuext(MMUEXT_SET_LDT, 0, 0), 0, "LDT: none");
	check(trap_try("mov %0, %%es", , "r"(0x17)) == 13, "LDT: gone");
	refused(mmuext(MMUEXT_SET_LDT, (u64)table + 8, 16), "LDT: not aligned");
	refused(mmuext(MMUEXT_SET_LDT, (u64)table, 8193), "LDT: too long");
	refused(mmuext(MMUEXT_SET_LDT, HYPERVISOR_VIRT_START, 16),
		"LDT: in the hypervisor's range");
	refused(mmuext(MMUEXT_SET_LDT, HYPERVISOR_VIRT_START - 4096, 8192),
		"LDT: reaches into the hypervisor's range");
	make_rw(table);
}

static void lists(void)
{
	struct mmuext_op ops[3] = {
		{.cmd = MMUEXT_TLB_FLUSH_LOCAL}, {.cmd = 77}, {.cmd = MMUEXT_TLB_FLUSH_LOCAL}};
	u32 done = 9;

	refused(hypercall(mmuext_op, ops, 3, &done, DOMID_SELF), "list with a bad one");
	equals(done, 1, "list with a bad one: count of those done");
	equals(hypercall(mmuext_op, ops, 1, &done, DOMID_SELF), 0, "list of one");
	equals(done, 1, "list of one: count");
	equals(hypercall(mmuext_op, 8, 1, NULL, DOMID_SELF), -XEFAULT, "list: bad pointer");
	equals(hypercall(mmuext_op, HYPERVISOR_VIRT_START, 1, NULL, DOMID_SELF), -XEFAULT,
	       "list: hypervisor's pointer");
	refused(hypercall(mmuext_op, ops, 0x80000003, NULL, DOMID_SELF),
		"list: forged continuation mark");
	refused(hypercall(mmuext_op, ops, 1, NULL, 77), "list: no such domain");
}

void guest_main(void)
{
	page = page_alloc();
	pins();
	roots();
	pinned_root_in_use();
	flushes();
	pages();
	ldt();
	lists();
}

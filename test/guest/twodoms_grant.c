/* SPDX-License-Identifier: MIT */
/*
 * A test guest whose second domain grants it pages: mapped, read, written and copied as the entries say and not otherwise; entries in
 * use; a granter that dies meanwhile. The child fills its table in child_main(), then waits.
 */
#include "guest.h"

enum { REF_WRITABLE = 8, REF_READONLY, REF_ANOTHERS, REF_EMPTY };
enum { WORD_PAGE_PFN };

/* ---- the child */

static void grant(grant_entry_v1_t *entry, domid_t to, const void *page, u16 flags)
{
	entry->domid = to;
	entry->frame = (u32)mfn_of(page);
	__atomic_store_n(&entry->flags, (u16)(GTF_permit_access | flags), __ATOMIC_SEQ_CST);
}

void child_main(void)
{
	grant_entry_v1_t *table = page_alloc();
	u64 *page = page_alloc(), frame = 0;
	struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1};
	struct gnttab_unmap_grant_ref unmap = {.host_addr = (u64)page, .handle = 0};
	struct gnttab_map_grant_ref map = {
		.host_addr = (u64)page, .flags = GNTMAP_host_map, .ref = 1};

	setup.frame_list.p = &frame;
	equals(hypercall(grant_table_op, GNTTABOP_setup_table, &setup, 1), 0, "child: its table");
	equals(setup.status, GNTST_okay, "child: its table: status");
	equals(set_va(table, (frame << 12) | PTE_RW, UVMF_INVLPG), 0, "child: its table, mapped");
	page[0] = 0x600d;
	grant(&table[REF_WRITABLE], 0, page, 0);
	grant(&table[REF_READONLY], 0, page, GTF_readonly);
	grant(&table[REF_ANOTHERS], 77, page, 0);
	child_shared.words[WORD_PAGE_PFN] = pfn_of(page);
	child_step();
	check(table[REF_WRITABLE].flags & GTF_writing, "child: mapped writable: in use");
	equals(page[1], 0xbeef, "child: what its maker wrote");
	hypercall(grant_table_op, GNTTABOP_unmap_grant_ref, &unmap, 1);
	equals(unmap.status, GNTST_bad_handle, "child: unmaps what its maker mapped");
	hypercall(grant_table_op, GNTTABOP_map_grant_ref, &map, 1);
	check(map.status < 0, "child: maps what its maker never granted");
	child_step();
	equals(table[REF_WRITABLE].flags & (GTF_reading | GTF_writing), 0,
	       "child: not in use any more");
	equals(page[2], 0xc0de, "child: what its maker copied");
	child_step();
}

/* ---- its maker */

static struct gnttab_map_grant_ref map(struct child *c, void *va, u32 ref, u32 flags)
{
	struct gnttab_map_grant_ref arg = {
		.host_addr = (u64)va, .flags = GNTMAP_host_map | flags, .ref = ref, .dom = c->id};

	if (hypercall(grant_table_op, GNTTABOP_map_grant_ref, &arg, 1))
		fatal("map");
	return arg;
}

static int unmap(void *va, u32 handle)
{
	struct gnttab_unmap_grant_ref arg = {.host_addr = (u64)va, .handle = handle};

	if (hypercall(grant_table_op, GNTTABOP_unmap_grant_ref, &arg, 1))
		fatal("unmap");
	return arg.status;
}

static int copy(struct child *c, u32 ref, void *ours, bool to_child)
{
	struct gnttab_copy arg = {.len = 8};
	struct gnttab_copy arg2;

	arg.source.u.ref = ref;
	arg.source.domid = c->id;
	arg.source.offset = 16;
	arg.dest.u.gmfn = mfn_of(ours);
	arg.dest.domid = DOMID_SELF;
	arg.flags = GNTCOPY_source_gref;
	if (to_child) {
		arg2 = arg;
		arg.source.u.gmfn = arg2.dest.u.gmfn;
		arg.source.domid = DOMID_SELF;
		arg.source.offset = 0;
		arg.dest.u.ref = ref;
		arg.dest.domid = c->id;
		arg.dest.offset = 16;
		arg.flags = GNTCOPY_dest_gref;
	}
	if (hypercall(grant_table_op, GNTTABOP_copy, &arg, 1))
		fatal("copy");
	return arg.status;
}

static void maps_refused(struct child *c, void *va)
{
	equals(map(c, va, REF_ANOTHERS, 0).status, GNTST_general_error, "another's grant");
	equals(map(c, va, REF_EMPTY, 0).status, GNTST_general_error, "an empty entry");
	equals(map(c, va, REF_READONLY, 0).status, GNTST_general_error,
	       "a read-only one, writable");
	equals(map(c, va, 1 << 20, 0).status, GNTST_bad_gntref, "beyond the table");
	c->id += 100;
	equals(map(c, va, REF_WRITABLE, 0).status, GNTST_bad_domain, "no such domain");
	c->id -= 100;
}

void guest_main(void)
{
	struct child *c = child_make();
	u64 *va = page_alloc(), *second = page_alloc(), *ours = page_alloc();
	struct gnttab_map_grant_ref m, again;

	equals(child_run(c), 0, "child: unpaused");
	if (!child_wait(c, 1))
		fatal("the child has ended");
	maps_refused(c, va);
	m = map(c, va, REF_WRITABLE, 0);
	equals(m.status, GNTST_okay, "mapped, writable");
	equals(va[0], 0x600d, "mapped: what the child wrote");
	va[1] = 0xbeef;
	again = map(c, second, REF_READONLY, GNTMAP_readonly);
	equals(again.status, GNTST_okay, "mapped a second time, read-only");
	equals(trap_write(second, 1), 14, "read-only: a write faults");
	child_allow(c, 1);
	if (!child_wait(c, 2))
		fatal("the child has ended");
	equals(unmap(va, m.handle + 1000), GNTST_bad_handle, "unmap: no such handle");
	equals(unmap(second, m.handle), GNTST_general_error, "unmap: another address");
	equals(unmap(va, m.handle), GNTST_okay, "unmapped");
	equals(unmap(va, m.handle), GNTST_bad_handle, "unmapped twice");
	equals(trap_read(va, ours[0]), 14, "unmapped: gone");
	equals(unmap(second, again.handle), GNTST_okay, "the second, unmapped");
	ours[0] = 0xc0de;
	equals(copy(c, REF_WRITABLE, ours, true), GNTST_okay, "copied to the child");
	ours[0] = 0;
	equals(copy(c, REF_READONLY, ours, false), GNTST_okay, "copied from the child");
	equals(ours[0], 0xc0de, "copied: there and back");
	check(copy(c, REF_READONLY, ours, true) < 0, "copy to a read-only grant");
	check(copy(c, REF_ANOTHERS, ours, false) < 0, "copy of another's grant");
	page_protect(va, PTE_RW);
	page_protect(second, PTE_RW);
	child_allow(c, 2);
	if (!child_wait(c, 3))
		fatal("the child has ended");
	m = map(c, va, REF_WRITABLE, 0);
	equals(m.status, GNTST_okay, "mapped again");
	child_end(c);
	equals(va[2], 0xc0de, "the granter is dead: its page is there");
	equals(unmap(va, m.handle), GNTST_okay, "the granter is dead: unmapped");
	page_protect(va, PTE_RW);
}

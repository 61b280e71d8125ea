/* SPDX-License-Identifier: MIT */
/* uses: src/gnttab/table.c src/gnttab/entry.c src/gnttab/mapping.c src/gnttab/map.c src/gnttab/copy.c src/hcall/grant_op.c src/hcall/subop.c src/mm/frame.c src/mm/ptable.c src/mm/update.c src/mm/mirror.c src/mm/twin.c src/mm/root.c src/mm/walk.c src/mm/domain_mm.c src/mm/buddy.c src/mm/heap.c src/mm/flush.c src/mm/m2p.c src/mm/desc.c src/mm/audit.c src/lib/rangeset.c src/lib/bitmap.c test/fake/machine.c test/fake/core.c test/fake/mm_world.c test/fake/gnttab_world.c */
/*
 * A million random grant operations of two domains beside a naive model: a list of mappings, the words that the guests put
 * into their entries, and what each page-table slot should say. Each operation must have the status that the model says,
 * the entries' flags must be right after it, a flush must happen exactly when a TLB may hold what was unmapped, and the
 * audit must find every reference.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gnttab_world.h"
#include "lib/string.h"

#define OPERATIONS 1000000u
#define REFS	   5
#define LIVE_MAX   40 /* mappings at a time */

static struct side sides[2];

struct model_mapping {
	bool is_used;
	unsigned int by, of; /* sides */
	u32 ref, handle;
	mfn_t mfn;
	u32 flags; /* GNTMAP_ */
};
static struct model_mapping mappings[LIVE_MAX];
static u64 entries[2][REFS];
/* What the L1's slots say, and whether the entry is as the hypervisor made it for a grant. */
static struct {
	u64 pte; /* frame, PRESENT, RW */
	bool is_fresh;
} slots[2][SIDE_SLOTS];
static bool is_pinned[2];	   /* the last page, as an L1 */
static u32 good, refused, flushes; /* of all operations */

#define PICK(n)	    ((unsigned int)(fake_random() % (n)))
#define PINNED_PAGE (SIDE_PAGES - 1)
#define NOWHERE	    77

static unsigned int operation_idx, operation_count;

static void wrong(const char *what, long got, long want)
{
	fprintf(stderr, "operation %u, a %u: %s: %#lx, but the model says %#lx\n", operation_count,
		operation_idx, what, got, want);
	fail();
}

static void expect(const char *what, long got, long want)
{
	if (got != want)
		wrong(what, got, want);
	if (want == GNTST_okay)
		good++;
	else
		refused++;
}

/* ---- what follows from the model */

static unsigned int writers_of(mfn_t mfn)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < LIVE_MAX; i++)
		count += mappings[i].is_used && mfn_equal(mappings[i].mfn, mfn) &&
			 !(mappings[i].flags & GNTMAP_readonly);
	for (unsigned int i = 0; i < 2; i++)
		for (unsigned int j = 0; j < SIDE_SLOTS; j++)
			count += mfn_equal(pte_mfn(slots[i][j].pte), mfn) && slots[i][j].pte & RW;
	return count;
}

static unsigned int pins_of(unsigned int side, u32 ref, bool writers_only)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < LIVE_MAX; i++)
		count += mappings[i].is_used && mappings[i].of == side && mappings[i].ref == ref &&
			 !(writers_only && mappings[i].flags & GNTMAP_readonly);
	return count;
}

/* Of those, its own. */
static unsigned int pins_by(unsigned int side, u32 ref)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < LIVE_MAX; i++)
		count += mappings[i].is_used && mappings[i].of == side && mappings[i].by == side &&
			 mappings[i].ref == ref;
	return count;
}

static int owner_of(mfn_t mfn)
{
	for (int i = 0; i < 2; i++)
		for (unsigned int j = 0; j < SIDE_PAGES; j++)
			if (mfn_equal(sides[i].pages[j], mfn))
				return i;
	return -1;
}

static bool is_table(mfn_t mfn)
{
	for (unsigned int i = 0; i < 2; i++)
		if (is_pinned[i] && mfn_equal(mfn, sides[i].pages[PINNED_PAGE]))
			return true;
	return mfn_equal(mfn, sides[0].l1) || mfn_equal(mfn, sides[1].l1);
}

static s16 frame_status(mfn_t mfn, unsigned int of, bool is_writable)
{
	bool is_his = owner_of(mfn) == (int)of || mfn_equal(mfn, sides[of].l1);

	if (!is_his)
		return GNTST_bad_page;
	return is_writable && is_table(mfn) ? GNTST_general_error : GNTST_okay;
}

static s16 entry_says(unsigned int by, unsigned int of, u32 ref, bool is_writable)
{
	u64 entry = ref < REFS ? entries[of][ref] : 0;

	if (ref >= 512)
		return GNTST_bad_gntref;
	if ((entry & (GTF_type_mask | GTF_sub_page)) != GTF_permit_access ||
	    (domid_t)(entry >> 16) != sides[by].d->id || (is_writable && entry & GTF_readonly))
		return GNTST_general_error;
	return GNTST_okay;
}

static s16 entry_status(unsigned int by, unsigned int of, u32 ref, bool is_writable)
{
	s16 status = entry_says(by, of, ref, is_writable);

	return status == GNTST_okay
		       ? frame_status(mfn_make(entries[of][ref] >> 32), of, is_writable)
		       : status;
}

static void entry_pinned(unsigned int of, u32 ref, bool is_writable)
{
	entries[of][ref] |= GTF_reading | (is_writable ? GTF_writing : 0);
}

/* After a mapping or copy of it has gone. */
static void entry_unpinned(unsigned int of, u32 ref, bool was_writable)
{
	if (!pins_of(of, ref, false))
		entries[of][ref] &= ~(u64)GTF_reading;
	if (was_writable && !pins_of(of, ref, true))
		entries[of][ref] &= ~(u64)GTF_writing;
}

/* Even in vain: its flags come and go, whatever the guest had written there. */
static void entry_used(unsigned int of, u32 ref, bool is_writable, bool is_kept)
{
	entry_pinned(of, ref, is_writable);
	if (!is_kept)
		entry_unpinned(of, ref, is_writable);
}

static void compare(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		for (u32 ref = 0; ref < REFS; ref++)
			if (entries[i][ref] != sides[i].entries[ref])
				wrong("entry", (long)sides[i].entries[ref], (long)entries[i][ref]);
		for (unsigned int j = 0; j < SIDE_SLOTS; j++) {
			u64 pte = table_of(sides[i].l1)[j] & (PTE_ADDR | P | RW);

			if (pte != slots[i][j].pte)
				wrong("slot", (long)pte, (long)slots[i][j].pte);
		}
	}
}

/* ---- operations */

static mfn_t any_frame(void)
{
	struct side *side = &sides[PICK(2)];

	switch (PICK(16)) {
	case 0:
		return mfn_make(PICK(2) ? 0 : 1u << PICK(32));
	case 1:
		return side->l1;
	default:
		return side->pages[PICK(SIDE_PAGES)];
	}
}

static void guest_writes_entry(void)
{
	unsigned int side = PICK(2), ref = PICK(REFS);
	u16 flags = GTF_permit_access;
	u64 entry;

	flags |= PICK(4) ? 0 : GTF_readonly;
	if (!PICK(8))
		flags = (u16)fake_random() & (u16) ~(GTF_reading | GTF_writing);
	entry = entry_of(flags, PICK(16) ? sides[PICK(2)].d->id : NOWHERE, any_frame());
	if (pins_of(side, ref, false) && PICK(4))
		return; /* mostly they leave alone what is in use */
	sides[side].entries[ref] = entries[side][ref] = entry;
}

static void guest_writes_slot(void)
{
	unsigned int side = PICK(2), slot = 1 + PICK(SIDE_SLOTS - 1);
	u64 now = table_of(sides[side].l1)[slot], value = 0;
	mfn_t mfn = sides[side].pages[PICK(SIDE_PAGES)];
	int rc;

	if (slots[side][slot].is_fresh && PICK(16))
		return;
	switch (PICK(4)) {
	case 0: /* clears the accessed bit, or forges the hypervisor's own */
		value = now & P ? (now & ~PTE_ACCESSED) | (PICK(2) ? PTE_GRANTED : 0) : 0;
		mfn = pte_mfn(value);
		break;
	case 1:
		break;
	default:
		value = pte_make(mfn, P | US | (PICK(2) ? RW : 0) | (PICK(4) ? 0 : PTE_GRANTED));
	}
	rc = pt_update(sides[side].d->vcpus[0], sides[side].d, sides[side].d,
		       maddr_make(side_slot_maddr(&sides[side], slot)), value, PICK(2));
	if (value & P && !(now & P && !((now ^ value) & (PTE_ADDR | P | RW))) &&
	    frame_status(mfn, side, value & RW) != GNTST_okay) {
		if (rc == 0)
			wrong("guest's entry", rc, -EINVAL);
		return;
	}
	if (rc)
		wrong("guest's entry", rc, 0);
	slots[side][slot].pte = value & (PTE_ADDR | P | RW);
	slots[side][slot].is_fresh = false;
	if (!(value & P))
		slots[side][slot].pte = 0;
}

/* The CPU uses some entries. */
static void cpu_runs(void)
{
	unsigned int side = PICK(2), slot = 1 + PICK(SIDE_SLOTS - 1);

	if (table_of(sides[side].l1)[slot] & P)
		table_of(sides[side].l1)[slot] |= PTE_ACCESSED;
}

static void pins(void)
{
	unsigned int side = PICK(2);
	mfn_t mfn = sides[side].pages[PINNED_PAGE];
	int rc;

	if (is_pinned[side]) {
		do {
			rc = pt_unpin(sides[side].d, mfn);
		} while (rc == -ERESTART);
		if (rc)
			wrong("unpin", rc, 0);
		is_pinned[side] = false;
		return;
	}
	memset(hw_frame_map(mfn), 0, PAGE_SIZE);
	do {
		rc = pt_pin(sides[side].d, mfn, 1);
	} while (rc == -ERESTART);
	if ((rc == 0) != (writers_of(mfn) == 0))
		wrong("pin", rc, (long)writers_of(mfn));
	is_pinned[side] = rc == 0;
}

/* An address of a slot by va or by entry, or a wrong one; the slot, or -1. */
static int any_place(unsigned int by, bool is_pte, u64 *addr)
{
	unsigned int slot = 1 + PICK(SIDE_SLOTS - 1);

	if (!PICK(16)) {
		static const u64 bad[] = {0x100000000000, 1, (1ull << 47) | 8, ~0ull & ~0xfffull};

		*addr = bad[PICK(4)] + (is_pte ? 4 : 0);
		return -1;
	}
	*addr = is_pte ? side_slot_maddr(&sides[by], slot) : side_slot_va(slot) + PICK(2) * 5;
	return (int)slot;
}

static struct model_mapping *mapping_new(void)
{
	for (unsigned int i = 0; i < LIVE_MAX; i++)
		if (!mappings[i].is_used)
			return &mappings[i];
	return NULL;
}

static void maps(void)
{
	unsigned int by = PICK(2), of = PICK(2);
	u32 flags = PICK(32) | (PICK(4) ? GNTMAP_host_map : 0);
	struct gnttab_map_grant_ref op = {.flags = flags,
					  .ref = PICK(32) ? PICK(REFS + 1) : PICK(3) * 511,
					  .dom = PICK(32) ? sides[of].d->id : NOWHERE};
	bool is_writable = !(flags & GNTMAP_readonly);
	int slot = any_place(by, flags & GNTMAP_contains_pte, &op.host_addr);
	struct model_mapping *m = mapping_new();
	s16 want;

	if (!m)
		return;
	for (unsigned int i = 0; i < 8 && entry_status(by, of, op.ref, is_writable); i++)
		op.ref = PICK(REFS); /* rather a good one */
	want = entry_status(by, of, op.ref, is_writable);
	if (!(flags & (GNTMAP_host_map | GNTMAP_device_map)))
		want = GNTST_bad_gntref;
	if (op.dom == NOWHERE)
		want = GNTST_bad_domain;
	if (want == GNTST_okay && flags & GNTMAP_host_map && slot < 0)
		want = GNTST_general_error;
	if (side_call(&sides[by], 0, GNTTABOP_map_grant_ref, &op, 1))
		fail();
	expect("map", op.status, want);
	if (op.dom != NOWHERE && flags & (GNTMAP_host_map | GNTMAP_device_map) &&
	    entry_says(by, of, op.ref, is_writable) == GNTST_okay)
		entry_used(of, op.ref, is_writable, want == GNTST_okay);
	if (want != GNTST_okay)
		return;
	for (unsigned int i = 0; i < LIVE_MAX; i++)
		if (mappings[i].is_used && mappings[i].by == by && mappings[i].handle == op.handle)
			wrong("a handle given out twice", op.handle, -1);
	*m = (struct model_mapping){.is_used = true,
				    .by = by,
				    .of = of,
				    .ref = op.ref,
				    .handle = op.handle,
				    .flags = flags,
				    .mfn = mfn_make(entries[of][op.ref] >> 32)};
	if (op.dev_bus_addr != mfn_num(m->mfn) << PAGE_SHIFT)
		wrong("bus address", (long)op.dev_bus_addr, (long)mfn_num(m->mfn));
	if (flags & GNTMAP_host_map) {
		slots[by][slot].pte = pte_make(m->mfn, P | (is_writable ? RW : 0));
		slots[by][slot].is_fresh = true;
	}
}

static bool may_be_in_tlb(unsigned int side, int slot)
{
	return slots[side][slot].pte & P &&
	       (!slots[side][slot].is_fresh || table_of(sides[side].l1)[slot] & PTE_ACCESSED);
}

static struct model_mapping *any_mapping(void)
{
	for (unsigned int tries = 0; tries < 16; tries++) {
		struct model_mapping *m = &mappings[PICK(LIVE_MAX)];

		if (m->is_used)
			return m;
	}
	return NULL;
}

static void mapping_gone(struct model_mapping *m, u32 parts)
{
	m->flags &= ~parts;
	if (m->flags & (GNTMAP_host_map | GNTMAP_device_map))
		return;
	m->is_used = false;
	entry_unpinned(m->of, m->ref, !(m->flags & GNTMAP_readonly));
}

/* One unmap as the model sees it; new_slot: of a replacement, 0: none. */
static s16 unmap_model(struct model_mapping *m, int slot, bool has_host, u64 dev, int new_slot,
		       bool *must_flush)
{
	u64 want = pte_make(m->mfn, P | (m->flags & GNTMAP_readonly ? 0 : RW));
	u32 parts = 0;

	if (dev && m->flags & GNTMAP_device_map) {
		parts |= GNTMAP_device_map;
		if (dev != mfn_num(m->mfn) << PAGE_SHIFT)
			return GNTST_bad_dev_addr;
	}
	if (has_host && m->flags & GNTMAP_host_map) {
		parts |= GNTMAP_host_map;
		if (slot < 0 || new_slot < 0 || slots[m->by][slot].pte != want ||
		    (new_slot > 0 && m->flags & GNTMAP_contains_pte) ||
		    (new_slot > 0 && new_slot == slot))
			return GNTST_general_error;
		*must_flush |= may_be_in_tlb(m->by, slot);
		slots[m->by][slot].pte = 0;
		if (new_slot > 0) {
			*must_flush |= may_be_in_tlb(m->by, new_slot);
			slots[m->by][slot] = slots[m->by][new_slot];
			slots[m->by][new_slot].pte = 0;
		}
	}
	mapping_gone(m, parts);
	return GNTST_okay;
}

static void expect_flush(bool must_flush, unsigned int before)
{
	if ((fake_flush_count[0] != before) != must_flush)
		wrong("flushed", fake_flush_count[0] != before, must_flush);
	flushes += must_flush;
}

static void unmaps(void)
{
	struct gnttab_unmap_grant_ref ops[3] = {0};
	unsigned int count = 1 + PICK(3), before;
	struct model_mapping *m = any_mapping();
	unsigned int by = m ? m->by : 0;
	s16 want[3];
	bool must_flush = false;

	if (!m && PICK(16))
		return;
	for (unsigned int i = 0; i < count; i++) {
		int slot;

		m = any_mapping();
		if (!m || m->by != by) {
			ops[i].handle = PICK(2) ? 200 : ~0u;
			want[i] = GNTST_bad_handle;
			continue;
		}
		ops[i].handle = m->handle;
		slot = any_place(by, m->flags & GNTMAP_contains_pte, &ops[i].host_addr);
		/* Mostly where it is. */
		for (int j = 1; j < SIDE_SLOTS && PICK(8); j++)
			if (mfn_equal(pte_mfn(slots[by][j].pte), m->mfn)) {
				slot = j;
				ops[i].host_addr = m->flags & GNTMAP_contains_pte
							   ? side_slot_maddr(&sides[by], (u32)j)
							   : side_slot_va((u32)j);
			}
		if (!PICK(8))
			ops[i].host_addr = 0;
		if (PICK(2))
			ops[i].dev_bus_addr = (mfn_num(m->mfn) << PAGE_SHIFT) + (PICK(16) ? 0 : 1);
		want[i] = unmap_model(m, slot, ops[i].host_addr != 0, ops[i].dev_bus_addr, 0,
				      &must_flush);
	}
	/* One flush for all of them, before the entries' flags change; a restart may split the batch. */
	before = fake_flush_count[0];
	if (side_call(&sides[by], 0, GNTTABOP_unmap_grant_ref, ops, count))
		fail();
	for (unsigned int i = 0; i < count; i++)
		expect("unmap", ops[i].status, want[i]);
	expect_flush(must_flush, before);
}

static void replaces(void)
{
	struct gnttab_unmap_and_replace op = {0};
	struct model_mapping *m = any_mapping();
	int slot = 0, new_slot = 0;
	bool must_flush = false;
	unsigned int before;
	s16 want;

	if (!m)
		return;
	for (int j = 1; j < SIDE_SLOTS; j++)
		if (mfn_equal(pte_mfn(slots[m->by][j].pte), m->mfn))
			slot = j;
	if (!slot)
		return;
	op.handle = m->handle;
	op.host_addr = m->flags & GNTMAP_contains_pte ? side_slot_maddr(&sides[m->by], (u32)slot)
						      : side_slot_va((u32)slot);
	if (PICK(4))
		new_slot = any_place(m->by, false, &op.new_addr);
	if (m->flags & GNTMAP_contains_pte && op.new_addr)
		new_slot = new_slot ? new_slot : -1;
	before = fake_flush_count[0];
	want = unmap_model(m, slot, true, 0, new_slot, &must_flush);
	if (side_call(&sides[m->by], 0, GNTTABOP_unmap_and_replace, &op, 1))
		fail();
	expect("replace", op.status, want);
	expect_flush(must_flush, before);
}

/* One side of a copy. */
static s16 end_any(struct gnttab_copy_ptr *ptr, unsigned int by, bool is_ref, bool is_writable,
		   mfn_t *mfn)
{
	unsigned int of = PICK(2);

	ptr->offset = (u16)(PICK(8) ? PICK(2048) : PICK(4200));
	if (!is_ref) {
		*mfn = any_frame();
		ptr->u.gmfn = mfn_num(*mfn);
		ptr->domid = PICK(16) ? DOMID_SELF : PICK(2) ? sides[of].d->id : NOWHERE;
		if (ptr->domid != DOMID_SELF)
			return ptr->domid == NOWHERE ? GNTST_bad_domain : GNTST_permission_denied;
		return frame_status(*mfn, by, is_writable);
	}
	ptr->u.ref = PICK(16) ? PICK(REFS) : PICK(2) * 512;
	ptr->domid = PICK(16) ? sides[of].d->id : PICK(2) ? DOMID_SELF : NOWHERE;
	if (ptr->domid == NOWHERE)
		return GNTST_bad_domain;
	if (ptr->domid == DOMID_SELF)
		of = by;
	*mfn = ptr->u.ref < REFS ? mfn_make(entries[of][ptr->u.ref] >> 32) : MFN_NONE;
	return entry_status(by, of, ptr->u.ref, is_writable);
}

static void copied(const struct gnttab_copy_ptr *ptr, unsigned int by, bool is_ref,
		   bool is_writable)
{
	unsigned int of = ptr->domid == DOMID_SELF ? by : ptr->domid == sides[1].d->id;

	if (is_ref && ptr->domid != NOWHERE &&
	    entry_says(by, of, ptr->u.ref, is_writable) == GNTST_okay)
		entry_used(of, ptr->u.ref, is_writable, false);
}

static void copies(void)
{
	struct gnttab_copy op = {.len = (u16)(PICK(8) ? PICK(2048) : PICK(4200)),
				 .flags = (u16)PICK(4)};
	bool from_ref = op.flags & GNTCOPY_source_gref, to_ref = op.flags & GNTCOPY_dest_gref;
	unsigned int by = PICK(2);
	static u8 before[PAGE_SIZE];
	mfn_t from, to;
	s16 from_status, to_status, want;

	from_status = end_any(&op.source, by, from_ref, false, &from);
	to_status = end_any(&op.dest, by, to_ref, true, &to);
	want = from_status != GNTST_okay ? from_status : to_status;
	if (want == GNTST_okay) {
		if (op.source.offset + op.len > 4096 || op.dest.offset + op.len > 4096)
			want = GNTST_bad_copy_arg;
		if (!is_table(from))
			((u64 *)hw_frame_map(from))[PICK(512)] = fake_random();
		memcpy(before, hw_frame_map(from), PAGE_SIZE);
	}
	if (side_call(&sides[by], 0, GNTTABOP_copy, &op, 1))
		fail();
	expect("copy", op.status, want);
	if (want == GNTST_okay &&
	    memcmp(before + op.source.offset, (u8 *)hw_frame_map(to) + op.dest.offset, op.len))
		wrong("copy: content", 0, 1);
	copied(&op.source, by, from_ref, false);
	if (from_status == GNTST_okay)
		copied(&op.dest, by, to_ref, true);
}

static void swaps(void)
{
	unsigned int side = PICK(2);
	struct gnttab_swap_grant_ref op = {PICK(8) ? PICK(REFS) : 512, PICK(8) ? PICK(REFS) : 600,
					   0};
	s16 want = GNTST_okay;
	u64 entry;

	if (op.ref_a >= REFS || op.ref_b >= REFS)
		want = GNTST_bad_gntref;
	else if (op.ref_a != op.ref_b &&
		 (pins_of(side, op.ref_a, false) || pins_of(side, op.ref_b, false)))
		want = GNTST_eagain;
	if (side_call(&sides[side], 0, GNTTABOP_swap_grant_ref, &op, 1))
		fail();
	expect("swap", op.status, want);
	if (want != GNTST_okay)
		return;
	entry = entries[side][op.ref_a];
	entries[side][op.ref_a] = entries[side][op.ref_b];
	entries[side][op.ref_b] = entry;
}

static void operation(void)
{
	static void (*const all[])(void) = {guest_writes_entry,
					    guest_writes_slot,
					    cpu_runs,
					    pins,
					    maps,
					    maps,
					    maps,
					    unmaps,
					    unmaps,
					    unmaps,
					    replaces,
					    copies,
					    copies,
					    swaps};

	operation_idx = PICK(ARRAY_SIZE(all));
	all[operation_idx]();
}

static u64 free_after; /* the first time, when the heap has its pages */

static void begin(void)
{
	memset(mappings, 0, sizeof(mappings));
	memset(entries, 0, sizeof(entries));
	memset(slots, 0, sizeof(slots));
	memset(is_pinned, 0, sizeof(is_pinned));
	side_make(&sides[0], 1, 1);
	side_make(&sides[1], 2, 1);
}

/* One goes first: what the other has mapped of it stays until that goes too. */
static void end(void)
{
	unsigned int first = PICK(2);
	bool is_mapped = false;

	for (unsigned int i = 0; i < LIVE_MAX; i++)
		is_mapped |= mappings[i].is_used && mappings[i].of == first &&
			     mappings[i].by != first;
	assert_int_equal(sides_audit(sides, 2), 0);
	if (side_kill(&sides[first])) {
		assert_false(is_mapped);
		assert_true(side_kill(&sides[1 - first]));
	} else {
		for (u32 ref = 0; ref < REFS;
		     ref++) { /* of those that it had mapped nothing is in use */
			u64 entry = sides[1 - first].entries[ref];

			for (unsigned int i = 0; i < LIVE_MAX; i++)
				if (mappings[i].is_used && mappings[i].by == first &&
				    mappings[i].of != first && mappings[i].ref == ref &&
				    !pins_by(1 - first, ref))
					assert_false(entry & (GTF_reading | GTF_writing));
		}
		assert_true(side_kill(&sides[1 - first]));
		side_free(&sides[first]);
	}
	free_after = free_after ? free_after : frame_free_count();
	assert_int_equal(frame_free_count(), free_after);
}

static void random_operations(void **state)
{
	(void)state;
	begin();
	for (unsigned int i = 0; i < OPERATIONS; i++) {
		operation_count = i;
		fake_preempt_every = PICK(4);
		operation();
		compare();
		if (i % 500 == 0) {
			end();
			begin();
		}
	}
	end();
	printf("%u done, %u refused, %u flushes\n", good, refused, flushes);
	assert_true(good > OPERATIONS / 8);
	assert_true(flushes > OPERATIONS / 200);
}

static int setup(void **state)
{
	(void)state;
	world_init(512);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(random_operations, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* uses: src/mm/frame.c src/mm/ptable.c src/mm/update.c src/mm/mirror.c src/mm/twin.c src/mm/root.c src/mm/walk.c src/mm/domain_mm.c src/mm/buddy.c src/mm/heap.c src/mm/flush.c src/mm/m2p.c src/mm/desc.c src/mm/audit.c src/lib/rangeset.c src/lib/bitmap.c test/fake/machine.c test/fake/core.c test/fake/mm_world.c */
/*
 * Page tables and frame types: what a guest may do to them and what must fail safely (SECURITY-CASES, the first table).
 * The names of cases carry the advisories' numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "hw/layout.h"
#include "lib/rangeset.h"
#include "lib/string.h"
#include "mm/priv.h"
#include "mm_world.h"

static struct domain *d;
static struct vcpu *v;
static u64 free_before;

static int setup(void **state)
{
	(void)state;
	fake_preempt_every = 0;
	opt_l1tf_dom0 = opt_l1tf_domu = false;
	mm_pte_reserved = 0;
	world_init(4096);
	free_before = frame_free_count();
	d = world_domain(1, 2, 1000);
	v = d->vcpus[0];
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(world_audit(), 0);
	world_domain_kill(d);
	/* What the heap keeps: the page of domain pointers, and partly used slabs. */
	assert_true(free_before - frame_free_count() <= 1);
	return 0;
}

/* A tree for address 0: an L4 with one L3, L2, L1, which maps `leaf` with flags. */
struct tree {
	mfn_t l4, l3, l2, l1, leaf;
};

static struct tree tree_make(u64 flags)
{
	struct tree t = {world_page(d), world_page(d), world_page(d), world_page(d), world_page(d)};

	table_of(t.l4)[0] = pte_make(t.l3, P | RW | US);
	table_of(t.l3)[0] = pte_make(t.l2, P | RW | US);
	table_of(t.l2)[0] = pte_make(t.l1, P | RW | US);
	table_of(t.l1)[0] = pte_make(t.leaf, flags);
	return t;
}

static maddr_t slot(mfn_t table, unsigned int idx)
{
	return maddr_make((mfn_num(table) << PAGE_SHIFT) + idx * 8);
}

static int update(maddr_t pte, u64 value)
{
	return pt_update(v, d, d, pte, value, false);
}

static void pin_and_unpin(void **state)
{
	struct tree t = tree_make(P | RW);

	(void)state;
	table_of(t.l4)[300] = 0x1234;
	table_of(t.l4)[256] = 0x5671; /* ignored: the hypervisor's slots are its own */
	assert_int_equal(pt_pin(d, t.l4, 4), 0);
	assert_int_equal(world_audit(), 0);
	assert_int_equal(table_of(t.l4)[256], mm_l4_template[0]);
	assert_int_equal(table_of(t.l4)[258], d->mm->perdomain_l3_entry);
	assert_int_equal(table_of(t.l4)[271], mm_l4_template[15]);
	assert_int_equal(frame_word_type(frame_of(t.l1)->word), FRAME_L1);
	assert_int_equal(frame_word_type(frame_of(t.leaf)->word), FRAME_WRITABLE);
	assert_int_equal(pt_pin(d, t.l4, 4), -EINVAL);
	assert_int_equal(pt_unpin(d, t.l4), 0);
	assert_int_equal(pt_unpin(d, t.l4), -EINVAL);
	assert_int_equal(frame_word_type(frame_of(t.l1)->word), FRAME_NONE);
	assert_int_equal(table_of(t.l4)[256], 0);
	assert_int_equal(table_of(t.l4)[300], 0x1234);
}

static void flags_as_linux_expects(void **state)
{
	struct tree t = tree_make(P | RW | PTE_ACCESSED | PTE_DIRTY);
	u64 user = pte_make(t.leaf, P | RW | US);

	(void)state;
	assert_int_equal(pt_pin(d, t.l1, 1), 0);
	/* A kernel mapping: USER for ring 3, marked, never global. */
	assert_int_equal(table_of(t.l1)[0], pte_make(t.leaf, P | RW | US | PTE_ACCESSED |
								     PTE_DIRTY | PTE_GUEST_KERNEL));
	assert_int_equal(update(slot(t.l1, 1), user), 0);
	assert_int_equal(table_of(t.l1)[1], user);
	/* Read back and written again, an entry stays what it was. */
	assert_int_equal(update(slot(t.l1, 0), table_of(t.l1)[0]), 0);
	assert_int_equal(table_of(t.l1)[0], pte_make(t.leaf, P | RW | US | PTE_ACCESSED |
								     PTE_DIRTY | PTE_GUEST_KERNEL));
	assert_int_equal(update(slot(t.l1, 1), user | PTE_GLOBAL), 0);
	assert_int_equal(table_of(t.l1)[1], user);
}

/* Entries that name neighbours, and in their midst somebody else's, a table, one with other bits, the end of memory. */
static void neighbours(void **state)
{
	enum { PAGES = 16 };
	struct domain *other = world_domain(9, 1, 100);
	struct tree t = tree_make(P | RW);
	u64 *entries = table_of(t.l1);
	mfn_t first = frame_alloc(4, 0), theirs = world_page(other);

	(void)state;
	assert_int_equal(mm_domain_assign(d, first, 4), 0);
	for (unsigned int writable = 0; writable < 2; writable++) {
		u64 flags = P | US | (writable ? RW : 0);

		for (u64 i = 0; i < PAGES; i++)
			entries[5 + i] = pte_make(mfn_add(first, i), flags);
		entries[5 + 7] = pte_make(mfn_add(first, 7), flags & ~(u64)US);
		assert_int_equal(pt_pin(d, t.l1, 1), 0);
		assert_int_equal(world_audit(), 0);
		for (u64 i = 0; i < PAGES; i++)
			assert_int_equal(entries[5 + i],
					 pte_make(mfn_add(first, i),
						  flags | (i == 7 ? PTE_GUEST_KERNEL : 0)));
		for (u64 i = 0; i < PAGES; i++)
			assert_int_equal(frame_word_typed(frame_of(mfn_add(first, i))->word),
					 writable);
		assert_int_equal(pt_unpin(d, t.l1), 0);
		assert_int_equal(world_audit(), 0);
		for (int i = -2; i < 3;
		     i++) /* the fourth is not d's; beyond the end it is nobody's */
			entries[100 + i] = pte_make(mfn_make(mfn_num(theirs) + (u64)i), flags);
		assert_int_equal(pt_pin(d, t.l1, 1), -EINVAL);
		for (u64 i = 0; i < 5; i++)
			entries[98 + i] = pte_make(mfn_make(hw_frame_max - 2 + i), flags);
		assert_int_equal(pt_pin(d, t.l1, 1), -EINVAL);
		memset(&entries[98], 0, 5 * 8);
		assert_int_equal(world_audit(), 0);
		for (u64 i = 0; i < PAGES; i++)
			assert_int_equal(frame_word_typed(frame_of(mfn_add(first, i))->word), 0);
	}
	/* With a bit that is Mica's: none keeps it. */
	for (u64 i = 0; i < PAGES; i++)
		entries[5 + i] = pte_make(mfn_add(first, i), P | US | PTE_GRANTED);
	assert_int_equal(pt_pin(d, t.l1, 1), 0);
	for (u64 i = 0; i < PAGES; i++)
		assert_int_equal(entries[5 + i], pte_make(mfn_add(first, i), P | US));
	assert_int_equal(pt_unpin(d, t.l1), 0);
	/* A table among them: to be read only. */
	memset(table_of(mfn_add(first, 9)), 0, PAGE_SIZE);
	for (u64 i = 0; i < PAGES; i++)
		entries[5 + i] = pte_make(mfn_add(first, i), P | US | RW);
	assert_int_equal(pt_pin(d, mfn_add(first, 9), 1), 0);
	assert_int_equal(pt_pin(d, t.l1, 1), -EINVAL);
	for (u64 i = 0; i < PAGES; i++)
		entries[5 + i] &= ~(u64)RW;
	assert_int_equal(pt_pin(d, t.l1, 1), 0);
	assert_int_equal(world_audit(), 0);
	world_domain_kill(other);
}

static void writable_page_is_no_table(void **state)
{
	struct tree t = tree_make(P | RW);

	(void)state;
	/* The L1 maps itself writable. */
	table_of(t.l1)[1] = pte_make(t.l1, P | RW);
	assert_int_not_equal(pt_pin(d, t.l1, 1), 0);
	table_of(t.l1)[1] = pte_make(t.l1, P);
	assert_int_equal(pt_pin(d, t.l1, 1), 0);
	/* A table cannot be mapped writable, a writable page cannot become one. */
	assert_int_equal(update(slot(t.l1, 2), pte_make(t.l1, P | RW)), -EINVAL);
	assert_int_equal(update(slot(t.l1, 2), pte_make(t.l2, P | RW)), 0);
	assert_int_equal(pt_pin(d, t.l2, 2), -EINVAL);
	assert_int_equal(update(slot(t.l1, 2), pte_make(t.l2, P)), 0);
	assert_int_equal(pt_pin(d, t.l2, 2), 0);
	assert_int_equal(update(slot(t.l1, 2), pte_make(t.l2, P | RW)), -EINVAL);
}

static void xsa_148_superpage_refused(void **state)
{
	struct tree t = tree_make(P | RW);

	(void)state;
	assert_int_equal(pt_pin(d, t.l4, 4), 0);
	assert_int_equal(update(slot(t.l2, 1), pte_make(t.leaf, P | RW | US | PTE_PSE)), -EINVAL);
	/* And not by a change of flags alone either. */
	assert_int_equal(update(slot(t.l2, 0), table_of(t.l2)[0] | PTE_PSE), -EINVAL);
	assert_int_equal(update(slot(t.l3, 0), table_of(t.l3)[0] | PTE_PSE), -EINVAL);
	assert_int_equal(update(slot(t.l4, 0), table_of(t.l4)[0] | PTE_PSE), -EINVAL);
	table_of(t.leaf)[5] = pte_make(t.leaf, P | PTE_PSE);
}

static void xsa_182_harmless_flags_only(void **state)
{
	struct tree t = tree_make(P);
	u64 before;

	(void)state;
	table_of(t.l1)[1] = pte_make(t.l2, P);
	assert_int_equal(pt_pin(d, t.l4, 4), 0);
	before = table_of(t.l1)[1];
	/* RW on a mapping of a table must not slip through as a flag. */
	assert_int_equal(update(slot(t.l1, 1), pte_make(t.l2, P | RW)), -EINVAL);
	assert_int_equal(table_of(t.l1)[1], before);
	/* Cache attributes want rights. */
	assert_int_equal(update(slot(t.l1, 0), pte_make(t.leaf, P | PTE_PCD)), -EINVAL);
	assert_int_equal(update(slot(t.l1, 0), pte_make(t.leaf, P | PTE_PAT)), -EINVAL);
	/* RW on an ordinary page takes the type. */
	assert_int_equal(update(slot(t.l1, 0), pte_make(t.leaf, P | RW)), 0);
	assert_int_equal(frame_word_typed(frame_of(t.leaf)->word), 1);
	assert_int_equal(update(slot(t.l1, 0), pte_make(t.leaf, P)), 0);
	assert_int_equal(frame_word_typed(frame_of(t.leaf)->word), 0);
	/* Bits that the CPU does not have. */
	mm_pte_reserved = PTE_ADDR & ~0x000000fffffff000;
	assert_int_equal(update(slot(t.l1, 0), table_of(t.l1)[0] | BIT(45)), -EINVAL);
	mm_pte_reserved = PTE_NX;
	assert_int_equal(update(slot(t.l1, 0), pte_make(t.leaf, P) | PTE_NX), -EINVAL);
}

static void xsa_240_tables_that_refer_to_themselves(void **state)
{
	mfn_t a = world_page(d), b = world_page(d);

	(void)state;
	for (unsigned int level = 2; level <= 4; level++) {
		table_of(a)[0] = pte_make(a, P | US);
		assert_int_not_equal(pt_pin(d, a, level), 0);
		table_of(a)[0] = pte_make(b, P | US);
		table_of(b)[0] = pte_make(a, P | US);
		/* (An L1 may well map the L2 above it, to read.) */
		if (level > 2)
			assert_int_not_equal(pt_pin(d, a, level), 0);
		assert_int_equal(world_audit(), 0);
	}
	/* Linear tables: a read-only self reference of an L4. */
	table_of(a)[0] = 0;
	table_of(b)[0] = 0;
	assert_int_equal(pt_pin(d, a, 4), 0);
	assert_int_not_equal(update(slot(a, 5), pte_make(a, P | US)), 0);
	assert_int_equal(pt_pin(d, b, 4), 0);
	assert_int_not_equal(update(slot(a, 5), pte_make(b, P | US)), 0);
}

static void hypervisor_slots_stay(void **state)
{
	struct tree t = tree_make(P);

	(void)state;
	assert_int_equal(pt_pin(d, t.l4, 4), 0);
	for (unsigned int idx = LAYOUT_FIRST_SLOT; idx <= LAYOUT_LAST_SLOT; idx++)
		assert_int_equal(update(slot(t.l4, idx), 0), -EINVAL);
	assert_int_equal(update(slot(t.l4, 255), 0), 0);
	assert_int_equal(update(slot(t.l4, 272), 0), 0);
	assert_int_equal(update(maddr_make(maddr_num(slot(t.l4, 3)) + 4), 0), -EINVAL);
}

static void xsa_58_242_failed_pin_keeps_nothing(void **state)
{
	struct tree t = tree_make(P | RW);
	struct domain *other = world_domain(2, 1, 10);
	mfn_t foreign = world_page(other);

	(void)state;
	table_of(t.l1)[511] = pte_make(foreign, P | RW);
	assert_int_equal(pt_pin(d, t.l4, 4), -EINVAL);
	assert_int_equal(world_audit(), 0);
	assert_int_equal(frame_of(t.leaf)->word & (FRAME_REFS_MASK | FRAME_TYPED_MASK), 1);
	assert_int_equal(frame_of(t.l4)->word & (FRAME_REFS_MASK | FRAME_TYPED_MASK | FRAME_BUSY),
			 1);
	table_of(t.l1)[511] = pte_make(mfn_make(1ull << 39), P | RW);
	assert_int_equal(pt_pin(d, t.l4, 4), -EINVAL);
	table_of(t.l1)[511] = 0;
	assert_int_equal(pt_pin(d, t.l4, 4), 0);
	world_domain_kill(other);
}

/* 45, 264, 290, 299, 309, 310, 344: stopped at every point, a big tree ends with right counts. */
static void promotion_preempted_everywhere(void **state)
{
	(void)state;
	for (unsigned int every = 1; every < 12; every++) {
		struct tree t = tree_make(P | RW);
		unsigned int restarts = 0;
		mfn_t l1[40];
		int rc;

		for (unsigned int i = 0; i < 40; i++) {
			l1[i] = world_page(d);
			table_of(l1[i])[i] = pte_make(t.leaf, P | RW);
			table_of(t.l2)[i + 3] = pte_make(l1[i], P | RW | US);
			table_of(t.l3)[i + 3] = pte_make(t.l2, P | RW | US);
		}
		fake_preempt_every = every;
		while ((rc = pt_pin(d, t.l4, 4)) == -ERESTART) {
			assert_int_equal(world_audit(), 0);
			restarts++;
		}
		assert_int_equal(rc, 0);
		assert_true(restarts > 0);
		assert_int_equal(world_audit(), 0);
		for (restarts = 0; (rc = pt_unpin(d, t.l4)) == -ERESTART; restarts++)
			assert_int_equal(world_audit(), 0);
		assert_int_equal(rc, 0);
		assert_true(restarts > 0);
		assert_int_equal(frame_of(t.leaf)->word & (FRAME_REFS_MASK | FRAME_TYPED_MASK), 1);
		for (unsigned int i = 0; i < 40; i++)
			assert_int_equal(frame_word_type(frame_of(l1[i])->word), FRAME_NONE);
		fake_preempt_every = 0;
		for (unsigned int i = 0; i < 40; i++)
			assert_int_equal(mm_domain_drop(d, l1[i]), 0);
	}
}

/*
 * Refused at its last entry, and stopped on the way back at every point: the error comes in the end, no sooner is the table
 * anybody's, and then it can become anything.
 */
static void refusal_preempted_everywhere(void **state)
{
	(void)state;
	for (unsigned int what = 0; what < 3; what++)
		for (unsigned int every = 1; every < 8; every++) {
			struct tree t = tree_make(P | RW);
			mfn_t l1[20], map = world_page(d);
			unsigned int failed = 0;
			int rc;

			assert_int_equal(pt_pin(d, map, 1), 0);
			for (unsigned int i = 0; i < 20; i++) {
				l1[i] = world_page(d);
				table_of(l1[i])[i] = pte_make(t.leaf, P | RW);
				table_of(t.l2)[i + 3] = pte_make(l1[i], P | RW | US);
			}
			table_of(t.l2)[30] = pte_make(mfn_make(1ull << 39), P | US);
			fake_preempt_every = every;
			while ((rc = pt_pin(d, t.l2, 2)) == -ERESTART) {
				assert_int_equal(world_audit(), 0);
				failed += (frame_of(t.l2)->done & DONE_FAILED) != 0;
				if (failed == 2 && what)
					break;
			}
			if (what == 0) {
				assert_int_equal(rc, -EINVAL);
			} else if (rc == -ERESTART && what == 1) { /* writable meanwhile */
				while ((rc = update(slot(map, 0), pte_make(t.l2, P | RW))) ==
				       -ERESTART)
					assert_int_equal(world_audit(), 0);
				assert_int_equal(rc, 0);
				assert_int_equal(pt_pin(d, t.l2, 2), -EINVAL);
				assert_int_equal(update(slot(map, 0), 0), 0);
			} else if (rc == -ERESTART) { /* mended, and wanted by a parent */
				table_of(t.l2)[30] = 0;
				table_of(t.l3)[9] = pte_make(t.l2, P | RW | US);
				while ((rc = pt_pin(d, t.l3, 3)) == -ERESTART)
					assert_int_equal(world_audit(), 0);
				assert_int_equal(rc, -EINVAL); /* the old attempt's end */
			}
			assert_true(every > 1 || failed);
			/* Good, as if nothing had been. */
			table_of(t.l2)[30] = 0;
			while ((rc = pt_pin(d, t.l2, 2)) == -ERESTART)
				continue;
			assert_int_equal(rc, 0);
			assert_int_equal(world_audit(), 0);
			while (pt_unpin(d, t.l2) == -ERESTART)
				continue;
			assert_int_equal(
				frame_of(t.leaf)->word & (FRAME_REFS_MASK | FRAME_TYPED_MASK), 1);
			fake_preempt_every = 0;
			assert_int_equal(pt_unpin(d, map), 0);
			for (unsigned int i = 0; i < 20; i++)
				assert_int_equal(mm_domain_drop(d, l1[i]), 0);
		}
}

/* A half-done table is wanted as something else, dropped, or its domain dies. */
static void half_done_table_belongs_to_nobody(void **state)
{
	struct tree t = tree_make(P | RW);
	mfn_t more = world_page(d), map = world_page(d);
	int rc;

	(void)state;
	table_of(t.l3)[1] = pte_make(more, P | US);
	table_of(t.l2)[1] = pte_make(t.l1, P | US);
	table_of(t.l2)[2] = pte_make(t.l1, P | US);
	assert_int_equal(pt_pin(d, map, 1), 0);
	fake_preempt_every = 1;
	assert_int_equal(pt_pin(d, t.l3, 3), -ERESTART);
	assert_int_equal(world_audit(), 0);
	/* Wanted writable: counted down first, then it is an ordinary page. */
	while ((rc = update(slot(map, 0), pte_make(t.l2, P | RW))) == -ERESTART)
		continue;
	assert_int_equal(rc, 0);
	assert_int_not_equal(pt_pin(d, t.l3, 3), 0);
	assert_int_equal(world_audit(), 0);
	assert_int_equal(update(slot(map, 0), 0), 0);
	while ((rc = pt_pin(d, t.l3, 3)) == -ERESTART)
		continue;
	assert_int_equal(rc, 0);
	assert_int_equal(pt_unpin(d, t.l3), -ERESTART);
	while ((rc = mm_domain_drop(d, t.l3)) == -ERESTART)
		continue;
	assert_int_equal(rc, 0);
	assert_int_equal(world_audit(), 0);
	assert_int_equal(pt_pin(d, t.l4, 4), -EINVAL); /* its L3 has gone */
	fake_preempt_every = 1;
}

static void preserve_accessed_and_dirty(void **state)
{
	struct tree t = tree_make(P);

	(void)state;
	assert_int_equal(pt_pin(d, t.l1, 1), 0);
	table_of(t.l1)[0] |= PTE_ACCESSED | PTE_DIRTY; /* as the CPU does */
	assert_int_equal(pt_update(v, d, d, slot(t.l1, 0), pte_make(t.leaf, P | US), true), 0);
	assert_true(table_of(t.l1)[0] & PTE_DIRTY);
	assert_int_equal(update(slot(t.l1, 0), pte_make(t.leaf, P | US)), 0);
	assert_false(table_of(t.l1)[0] & PTE_DIRTY);
}

static void compare_and_update(void **state)
{
	struct tree t = tree_make(P);
	u64 expected;

	(void)state;
	assert_int_equal(pt_pin(d, t.l1, 1), 0);
	expected = 0x1234;
	assert_int_equal(pt_update_if(v, slot(t.l1, 0), &expected, pte_make(t.l2, P | RW)), 0);
	assert_int_equal(expected, table_of(t.l1)[0]);
	assert_int_equal(world_audit(), 0);
	assert_int_equal(pt_update_if(v, slot(t.l1, 0), &expected, pte_make(t.l2, P | RW)), 0);
	assert_int_equal(pte_mfn(table_of(t.l1)[0]).m, t.l2.m);
	expected = 5;
	assert_int_equal(pt_update_if(v, slot(t.l3, 7), &expected, 77), 0);
	assert_int_equal(expected, 0);
	assert_int_equal(table_of(t.l3)[7], 0);
}

/* The quick way that does nothing leaves nothing held: who wants the page as something else would wait for us. */
static void quick_change_holds_nothing(void **state)
{
	struct tree t = tree_make(P);
	u64 now, new = pte_make(t.l2, P | RW);

	(void)state;
	assert_int_equal(pt_pin(d, t.l1, 1), 0);
	now = table_of(t.l1)[0];
	assert_false(pt_change_quick(v, t.l3, pte_at(t.l3, 7 * 8), 0, 77));
	assert_null(v->mm->held);
	assert_int_equal(table_of(t.l3)[7], 0);
	assert_false(pt_change_quick(v, t.l1, pte_at(t.l1, 0), now ^ PTE_NX, new));
	assert_null(v->mm->held);
	assert_false(pt_change_quick(v, t.l1, pte_at(t.l1, 0), now, pte_make(t.l1, P | RW)));
	assert_null(v->mm->held);
	assert_int_equal(table_of(t.l1)[0], now);
	assert_true(pt_change_quick(v, t.l1, pte_at(t.l1, 0), now, new));
	assert_null(v->mm->held);
	assert_int_equal(pte_mfn(table_of(t.l1)[0]).m, t.l2.m);
	assert_int_equal(world_audit(), 0);
}

static void plain_page_is_just_written(void **state)
{
	mfn_t page = world_page(d);

	(void)state;
	assert_int_equal(update(slot(page, 9), 0x1122334455667788), 0);
	assert_int_equal(table_of(page)[9], 0x1122334455667788);
	assert_int_equal(update(maddr_make(0), 1), -EINVAL);
	assert_int_equal(update(maddr_make(~7ull), 1), -EINVAL);
}

static void l1tf_absent_entry_names_no_ram(void **state)
{
	struct tree t = tree_make(P);

	(void)state;
	assert_int_equal(pt_pin(d, t.l1, 1), 0);
	assert_int_equal(update(slot(t.l1, 1), pte_make(t.leaf, 0x100)), 0);
	opt_l1tf_dom0 = opt_l1tf_domu = true;
	assert_int_equal(update(slot(t.l1, 1), pte_make(t.leaf, 0x200)), -EINVAL);
	assert_int_equal(update(slot(t.l1, 1), ~pte_make(t.leaf, 0) & ~P), 0);
	/* Nor with bits that the cache does not look at. */
	mm_cached_address = BIT(44) - 1;
	assert_int_equal(update(slot(t.l1, 1), BIT(51) | pte_make(t.leaf, 0x200)), -EINVAL);
	assert_int_equal(update(slot(t.l1, 1), BIT(44) | pte_make(t.leaf, 0x200)), -EINVAL);
	assert_int_equal(update(slot(t.l1, 1), BIT(43) | pte_make(t.leaf, 0x200)), 0);
	assert_int_equal(update(slot(t.l1, 1), ~pte_make(t.leaf, 0) & ~P), 0);
	mm_cached_address = PTE_ADDR;
	table_of(t.l2)[1] = pte_make(t.leaf, 0x200);
	assert_int_equal(pt_pin(d, t.l2, 2), -EINVAL);
	opt_l1tf_dom0 = opt_l1tf_domu = false;
}

static void device_memory(void **state)
{
	struct tree t = tree_make(P);
	struct range allowed[4], readonly[4];
	struct rangeset iomem;
	mfn_t device = mfn_make(5000), table = mfn_make(5001);

	(void)state;
	rangeset_init(&iomem, allowed, 4);
	assert_int_equal(pt_pin(d, t.l1, 1), 0);
	assert_int_equal(update(slot(t.l1, 1), pte_make(device, P | RW)), -EINVAL);
	rangeset_add(&iomem, 5000, 5001);
	d->iomem_allowed = &iomem;
	rangeset_init(&mm_iomem_readonly, readonly, 4);
	rangeset_add(&mm_iomem_readonly, 5001, 5001);
	assert_int_equal(update(slot(t.l1, 1), pte_make(device, P | RW | PTE_PCD)), 0);
	assert_true(table_of(t.l1)[1] & RW);
	assert_int_equal(update(slot(t.l1, 2), pte_make(table, P | RW | PTE_PCD)), 0);
	assert_false(table_of(t.l1)[2] & RW);
	assert_int_equal(update(slot(t.l1, 3), pte_make(mfn_make(5002), P)), -EINVAL);
	/* DOMID_IO: device memory only. */
	assert_int_equal(pt_update(v, d, mm_io_domain, slot(t.l1, 4), pte_make(device, P), false),
			 0);
	assert_int_equal(pt_update(v, d, mm_io_domain, slot(t.l1, 4), pte_make(t.leaf, P), false),
			 -EINVAL);
	assert_int_equal(update(slot(t.l2, 4), pte_make(device, P)), 0); /* not a table yet */
	assert_int_equal(pt_pin(d, t.l2, 2), -EINVAL);
	table_of(t.l2)[4] = 0;
	/* 402: that a page was mapped uncached is kept in mind until it is judged. */
	assert_int_equal(update(slot(t.l1, 5), pte_make(t.leaf, P | RW | PTE_PCD)), 0);
	assert_true(frame_of(t.leaf)->word & FRAME_NONCOH);
	assert_int_equal(update(slot(t.l1, 5), 0), 0);
	assert_int_equal(update(slot(t.l1, 0), 0), 0);
	/* ... also if an exchange that failed gave it back. */
	assert_int_equal(mm_domain_steal(d, t.leaf), 0);
	mm_domain_unsteal(d, t.leaf);
	assert_true(frame_of(t.leaf)->word & FRAME_NONCOH);
	assert_int_equal(pt_pin(d, t.leaf, 1), 0);
	assert_false(frame_of(t.leaf)->word & FRAME_NONCOH);
	for (unsigned int i = 1; i < 6; i++)
		assert_int_equal(update(slot(t.l1, i), 0), 0);
	d->iomem_allowed = NULL;
	rangeset_init(&mm_iomem_readonly, readonly, 4);
}

/* 402: a page that was mapped other than its cache lines may be is flushed from caches before it is judged, once. */
static void flushed_from_caches(void **state)
{
	/* By PAT, PCD, PWT: WB WT UC- UC WC WP UC- UC */
	static const bool may_be_stale[8] = {0, 0, 1, 1, 1, 0, 1, 1};
	struct tree t = tree_make(P);
	struct range allowed[4];
	struct rangeset iomem;

	(void)state;
	rangeset_init(&iomem, allowed, 4);
	rangeset_add(&iomem, 5000, 5001);
	d->iomem_allowed = &iomem;
	assert_int_equal(pt_pin(d, t.l1, 1), 0);
	for (unsigned int idx = 0; idx < 8; idx++) {
		mfn_t leaf = world_page(d);
		u64 flags = P | RW | (idx & 4 ? PTE_PAT : 0) | (idx & 2 ? PTE_PCD : 0) |
			    (idx & 1 ? PTE_PWT : 0);
		unsigned int before = fake_frame_flush_count;

		assert_int_equal(update(slot(t.l1, 5), pte_make(leaf, flags)), 0);
		assert_int_equal(update(slot(t.l1, 5), 0), 0);
		assert_int_equal(fake_frame_flush_count, before);
		assert_int_equal(pt_pin(d, leaf, 1), 0);
		assert_int_equal(fake_frame_flush_count, before + may_be_stale[idx]);
		assert_int_equal(pt_unpin(d, leaf), 0);
		assert_int_equal(pt_pin(d, leaf, 1), 0);
		assert_int_equal(fake_frame_flush_count, before + may_be_stale[idx]);
	}
	d->iomem_allowed = NULL;
}

/* 401, 408: before a page that was writable is a table, no TLB may hold it. */
static void flush_before_promotion(void **state)
{
	struct tree t = tree_make(P | RW);
	unsigned int before;

	(void)state;
	assert_int_equal(pt_pin(d, t.l1, 1), 0);
	assert_int_equal(update(slot(t.l1, 1), pte_make(t.l3, P | RW)), 0);
	assert_int_equal(update(slot(t.l1, 1), pte_make(t.l3, P)), 0);
	before = fake_flush_count[0];
	assert_int_equal(pt_pin(d, t.l3, 1), 0);
	assert_int_equal(fake_flush_count[0], before + 1);
	/* And the other way: walkers may hold the table. */
	assert_int_equal(pt_unpin(d, t.l3), 0);
	assert_int_equal(update(slot(t.l1, 1), pte_make(t.l3, P | RW)), 0);
	assert_int_equal(fake_flush_count[0], before + 2);
	/* A CPU that has flushed since need not again. */
	assert_int_equal(update(slot(t.l1, 1), 0), 0);
	flush_local();
	before = fake_flush_count[0];
	assert_int_equal(pt_pin(d, t.l3, 1), 0);
	assert_int_equal(fake_flush_count[0], before);
	/* Another CPU that may hold the domain is asked too. */
	cpumask_set(&d->dirty_cpus, 7);
	assert_int_equal(pt_unpin(d, t.l3), 0);
	assert_int_equal(update(slot(t.l1, 1), pte_make(t.l3, P | RW)), 0);
	assert_true(fake_flush_count[7] > 0);
}

/* A stamp of 0 says that nobody ever had a translation: no unmap may get it, however often the clock went round. */
static void no_stamp_is_zero(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 5; i++) {
		assert_int_equal(flush_clock() & 1, 1);
		flush_local();
	}
}

/* 438, 494: a root stays while a vCPU has it. */
static void roots_are_held(void **state)
{
	struct tree t = tree_make(P), u = tree_make(P);
	mfn_t old;

	(void)state;
	assert_int_equal(pt_root_switch(v, t.l4, false, &old), 0);
	assert_true(mfn_is_none(old));
	assert_int_equal(world_audit(), 0);
	assert_int_equal(mm_domain_drop(d, t.l4), 0);
	assert_int_equal(frame_word_type(frame_of(t.l4)->word), FRAME_L4);
	assert_int_equal(pt_root_switch(v, u.leaf, false, &old), 0); /* an empty page is an L4 */
	assert_int_equal(old.m, t.l4.m);
	pt_root_put(v, old);
	assert_int_equal(pt_settle(v), 0);
	assert_int_equal(frame_of(t.l4)->owner == d->id, false);
	assert_int_equal(pt_root_switch(v, u.l4, true, &old), 0);
	assert_int_equal(pt_root_switch(v, MFN_NONE, true, &old), 0);
	assert_int_equal(old.m, u.l4.m);
	pt_root_put(v, old);
	assert_int_equal(pt_root_switch(v, MFN_NONE, false, &old), -EINVAL);
	assert_int_equal(pt_root_switch(v, u.l2, true, &old), -EINVAL); /* its L1 is no L3 */
}

/* 214, 217: what is stolen keeps no type and no translation. */
static void only_unreferenced_pages_are_stolen(void **state)
{
	struct tree t = tree_make(P);
	mfn_t shared = mm_domain_share_page(d);

	(void)state;
	assert_int_equal(pt_pin(d, t.l4, 4), 0);
	assert_int_equal(mm_domain_steal(d, t.l4), -EINVAL);
	assert_int_equal(mm_domain_steal(d, t.l1), -EINVAL);
	assert_int_equal(mm_domain_steal(d, t.leaf), -EINVAL);
	assert_int_equal(mm_domain_steal(d, shared), -EINVAL);
	assert_int_equal(mm_domain_drop(d, shared), -EINVAL);
	assert_int_equal(update(slot(t.l1, 0), pte_make(shared, P | RW)), 0);
	assert_int_equal(pt_pin(d, shared, 1), -EINVAL);
	assert_int_equal(update(slot(t.l1, 0), 0), 0);
	assert_int_equal(mm_domain_steal(d, t.leaf), 0);
	assert_int_equal(frame_get(t.leaf, d), -EINVAL);
	mm_domain_unsteal(d, t.leaf);
	assert_int_equal(frame_get(t.leaf, d), 0);
	frame_put(t.leaf);
}

/* A page given up while it is mapped comes back to the pool with its last reference, and not before. */
static void dropped_pages_live_as_long_as_references(void **state)
{
	struct tree t = tree_make(P | RW);
	u64 before;

	(void)state;
	assert_int_equal(pt_pin(d, t.l1, 1), 0);
	before = frame_free_count();
	assert_int_equal(mm_domain_drop(d, t.leaf), 0);
	assert_int_equal(mm_domain_drop(d, t.leaf), -EINVAL);
	assert_int_equal(frame_free_count(), before);
	assert_int_equal(update(slot(t.l1, 1), pte_make(t.leaf, P)), -EINVAL); /* no new ones */
	assert_int_equal(update(slot(t.l1, 0), 0), 0);
	assert_int_equal(frame_free_count(), before + 1);
}

static void walker(void **state)
{
	struct tree t = tree_make(P | RW | US);
	struct walk walk;
	mfn_t old;

	(void)state;
	assert_int_equal(pt_root_switch(v, t.l4, false, &old), 0);
	assert_int_equal(walk_guest(v, 0x123, &walk), 0);
	assert_true(walk.is_present && walk.is_writable && walk.is_executable);
	assert_int_equal(walk_entry_maddr(&walk, 0x123).m, slot(t.l1, 0).m);
	assert_int_equal(walk.table[2].m, t.l2.m);
	assert_int_equal(walk_guest(v, 0x1000, &walk), -EFAULT);
	assert_int_equal(walk.level, 1);
	assert_int_equal(walk_entry_maddr(&walk, 0x1000).m, slot(t.l1, 1).m);
	assert_int_equal(walk_guest(v, 1ull << 39, &walk), -EFAULT);
	assert_int_equal(walk.level, 4);
	assert_int_equal(walk_guest(v, LAYOUT_START, &walk), -EFAULT);
	assert_int_equal(walk_guest(v, 1ull << 47, &walk), -EFAULT);
	assert_false(walk.is_present);
}

static void descriptors(void **state)
{
	mfn_t page = world_page(d);
	u64 *gdt = table_of(page);

	(void)state;
	gdt[1] = 0x00af9b000000ffff; /* ring-0 code */
	gdt[2] = 0x00cff2000000ffff;
	gdt[3] = 0x0000000000001234; /* absent */
	assert_int_equal(frame_type_get(page, d, FRAME_DESC), 0);
	assert_int_equal(gdt[1], 0x00affb000000ffff);
	assert_int_equal(gdt[2], 0x00cff3000000ffff);
	assert_int_equal(frame_type_get(page, d, FRAME_WRITABLE), -EINVAL);
	frame_type_put(page);
	gdt[4] = 0x0000ec0000080000; /* call gate */
	assert_int_equal(frame_type_get(page, d, FRAME_DESC), -EINVAL);
	assert_int_equal(frame_type_get(page, d, FRAME_WRITABLE), 0);
	frame_type_put(page);
}

static void counts_refuse_at_their_top(void **state)
{
	mfn_t page = world_page(d);
	struct frame *f = frame_of(page);
	u64 word = f->word;

	(void)state;
	f->word = (word & ~FRAME_REFS_MASK) | FRAME_REFS_MASK;
	assert_int_not_equal(frame_get(page, d), 0);
	assert_int_not_equal(frame_type_get(page, d, FRAME_WRITABLE), 0);
	f->word = word | FRAME_TYPED_MASK | (u64)FRAME_WRITABLE << FRAME_TYPE_SHIFT;
	assert_int_not_equal(frame_type_get(page, d, FRAME_WRITABLE), 0);
	f->word = word;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(pin_and_unpin),
		CASE(flags_as_linux_expects),
		CASE(neighbours),
		CASE(writable_page_is_no_table),
		CASE(xsa_148_superpage_refused),
		CASE(xsa_182_harmless_flags_only),
		CASE(xsa_240_tables_that_refer_to_themselves),
		CASE(hypervisor_slots_stay),
		CASE(xsa_58_242_failed_pin_keeps_nothing),
		CASE(promotion_preempted_everywhere),
		CASE(refusal_preempted_everywhere),
		CASE(half_done_table_belongs_to_nobody),
		CASE(preserve_accessed_and_dirty),
		CASE(compare_and_update),
		CASE(quick_change_holds_nothing),
		CASE(plain_page_is_just_written),
		CASE(l1tf_absent_entry_names_no_ram),
		CASE(device_memory),
		CASE(flushed_from_caches),
		CASE(flush_before_promotion),
		CASE(no_stamp_is_zero),
		CASE(roots_are_held),
		CASE(only_unreferenced_pages_are_stolen),
		CASE(dropped_pages_live_as_long_as_references),
		CASE(walker),
		CASE(descriptors),
		CASE(counts_refuse_at_their_top),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

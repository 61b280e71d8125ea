/* SPDX-License-Identifier: MIT */
/* uses: src/mm/frame.c src/mm/ptable.c src/mm/update.c src/mm/mirror.c src/mm/twin.c src/mm/root.c src/mm/walk.c src/mm/domain_mm.c src/mm/buddy.c src/mm/heap.c src/mm/flush.c src/mm/m2p.c src/mm/desc.c src/mm/audit.c src/lib/rangeset.c src/lib/bitmap.c test/fake/machine.c test/fake/core.c test/fake/mm_world.c */
/*
 * Dirty tracking beside a naive target: random accesses through a model of the CPU (walks the mirror, remembers what it found
 * until it is flushed) and random changes of the guest's tables. At every clean read the pages that it names are copied, and
 * then the copy must be equal: no write goes unlogged, no accessed or dirty bit is lost. What the mirror lets through,
 * the guest's own tables must allow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/bitmap.h"
#include "lib/string.h"
#include "mm_world.h"

#define FAN	   4
#define TABLES	   (1 + FAN + FAN * FAN + FAN * FAN * FAN)
#define DATA	   40
#define PAGES	   (TABLES + DATA)
#define OPERATIONS 200000u
#define TLB	   16

static struct domain *d, *other;
static struct vcpu *other_v;
static mfn_t pages[PAGES], root2, foreign_l1;
static int foreign_page = -1; /* another domain has it mapped to write */
static u8 target[PAGES][PAGE_SIZE];
static u64 dirty[(PAGES + 63) / 64];
static struct {
	u64 va;
	mfn_t mfn;
	bool is_valid, is_writable;
} tlb[2][TLB];
static struct {
	u64 va; /* of the whole table */
	mfn_t table;
	bool is_valid;
} remembered[2]; /* as CPUs remember upper entries */
static unsigned int flushes, reads, fixed, refused, hits;

static void flushed(unsigned int cpu, unsigned int kind, u64 va)
{
	(void)cpu;
	(void)kind;
	(void)va;
	flushes++;
	memset(tlb, 0, sizeof(tlb));
	memset(remembered, 0, sizeof(remembered));
}

#define UNTIL_DONE(call)                    \
	({                                  \
		int rc_;                    \
		do {                        \
			rc_ = (call);       \
		} while (rc_ == -ERESTART); \
		rc_;                        \
	})

static int page_of(mfn_t mfn)
{
	for (int i = 0; i < PAGES; i++)
		if (mfn_equal(pages[i], mfn))
			return i;
	return -1;
}

static u64 random_va(void)
{
	u64 r = fake_random();

	return (r & 3) << 39 | (r >> 2 & 3) << 30 | (r >> 4 & 3) << 21 | (r >> 6 & 3) << 12;
}

static maddr_t entry_at(mfn_t table, unsigned int idx)
{
	return maddr_make(mfn_num(table) << PAGE_SHIFT | idx * 8);
}

/* A tree of tables that use FAN entries each, two roots on it; leaves name data pages, some to be written. */
static void tree_make(void)
{
	unsigned int next = 1;

	for (unsigned int i = 0; i < TABLES; i++)
		for (unsigned int j = 0; j < FAN; j++)
			table_of(pages[i])[j] =
				next < TABLES ? pte_make(pages[next++], P | RW | US)
					      : pte_make(pages[TABLES + fake_random() % DATA],
							 P | US | (fake_random() % 2 ? RW : 0));
	memcpy(table_of(root2), table_of(pages[0]), FAN * 8);
}

static void setup(void)
{
	struct vcpu *v;
	mfn_t old;

	world_init(4096);
	fake_copy_any = true;
	fake_flush_hook = flushed;
	mm_twin_entry = P; /* what a CPU walks in ring 3 are twins of the mirror's L4 tables */
	d = world_domain(1, 2, 1000);
	other = world_domain(2, 1, 1000);
	other_v = other->vcpus[0];
	for (unsigned int i = 0; i < PAGES; i++) {
		pages[i] = world_page(d);
		m2p_set(pages[i], i);
		memset(hw_frame_map(pages[i]), 0, PAGE_SIZE);
	}
	root2 = world_page(d);
	foreign_l1 = world_page(other);
	memset(table_of(foreign_l1), 0, PAGE_SIZE);
	memset(table_of(root2), 0, PAGE_SIZE);
	tree_make();
	assert_int_equal(UNTIL_DONE(pt_pin(d, pages[0], 4)), 0);
	assert_int_equal(UNTIL_DONE(pt_pin(d, root2, 4)), 0);
	assert_int_equal(UNTIL_DONE(pt_pin(other, foreign_l1, 1)), 0);
	for_each_vcpu(d, v) {
		assert_int_equal(UNTIL_DONE(pt_root_switch(v, pages[0], false, &old)), 0);
		assert_int_equal(UNTIL_DONE(pt_root_switch(v, root2, true, &old)), 0);
	}
}

/* ---------------------------------------------------------------- the CPU */

/* As hardware: the tables that are loaded, nothing else. 0: may; else an error code. */
static bool mirror_walk(mfn_t table, u64 va, bool is_write, u32 *error, mfn_t *mfn, bool *writable)
{
	bool all = true;

	*error = 4 | (is_write ? 2 : 0);
	for (unsigned int level = 4; level > 0; level--) {
		u64 entry = table_of(table)[pte_index(va, level)];

		if (!(entry & P))
			return false;
		all = all && entry & RW;
		table = pte_mfn(entry);
	}
	*error |= 1;
	*mfn = table;
	*writable = all;
	return !is_write || all;
}

static bool is_logged(mfn_t mfn)
{
	struct mm_dirty_read read = {.bitmap = gva_make((u64)dirty), .pages = PAGES};

	assert_int_equal(UNTIL_DONE(mm_mirror_read(d, &read)), 0);
	return page_of(mfn) < 0 || bitmap_test(dirty, m2p_get(mfn));
}

/* What the mirror allows, the guest's own tables say too, bits and all. */
static void allowed_check(const struct vcpu *v, bool user, u64 va, bool is_write, mfn_t mfn)
{
	u64 bits = PTE_ACCESSED | (is_write ? PTE_DIRTY : 0);
	struct walk walk;

	assert_int_equal(walk_root(user ? v->mm->root_user : v->mm->root_kernel, va, &walk), 0);
	assert_true(mfn_equal(pte_mfn(walk.entry[1]), mfn));
	assert_true(!is_write || walk.is_writable);
	assert_int_equal(walk.entry[1] & bits, bits);
	for (unsigned int level = 2; level < 5; level++)
		assert_true(walk.entry[level] & PTE_ACCESSED);
}

static void store(mfn_t mfn)
{
	int page = page_of(mfn);

	assert_true(page >= 0);
	assert_true(page >= TABLES || frame_word_type(frame_of(mfn)->word) == FRAME_WRITABLE);
	assert_true(is_logged(mfn));
	((u64 *)hw_frame_map(mfn))[fake_random() % 512] = fake_random();
}

/* By the table that the CPU remembers, whatever it is now: it must lead to the guest's pages alone. */
static bool remembered_access(unsigned int vcpu, u64 va, bool is_write)
{
	u64 leaf;

	if (!remembered[vcpu].is_valid || remembered[vcpu].va != va >> 21)
		return false;
	leaf = table_of(remembered[vcpu].table)[pte_index(va, 1)];
	if (!(leaf & P) || (is_write && !(leaf & RW)))
		return false;
	assert_true(page_of(pte_mfn(leaf)) >= 0);
	if (is_write)
		store(pte_mfn(leaf));
	return true;
}

static void access(unsigned int vcpu, u64 va, bool is_write)
{
	struct vcpu *v = d->vcpus[vcpu];
	bool user = vcpu != 0, writable = false; /* one of them stays in either half */
	mfn_t loaded =
		v->mm->twin[user]; /* as it was when the root was loaded; faults find the C root */
	mfn_t mfn = MFN_NONE;
	struct walk walk;
	u32 error;

	for (unsigned int i = 0; i < TLB; i++)
		if (tlb[vcpu][i].is_valid && tlb[vcpu][i].va == va &&
		    (!is_write || tlb[vcpu][i].is_writable)) {
			hits++;
			if (is_write)
				store(tlb[vcpu][i].mfn);
			return;
		}
	if (remembered_access(vcpu, va, is_write))
		return;
	for (unsigned int tries = 0;; tries++) {
		u32 code;

		assert_true(tries < 3);
		if (mirror_walk(loaded, va, is_write, &error, &mfn, &writable))
			break;
		code = error;
		if (mm_mirror_fault(v, mm_mirror_root(v, user), va, &code)) {
			fixed++;
			continue;
		}
		refused++;
		if (walk_root(user ? v->mm->root_user : v->mm->root_kernel, va, &walk) != 0) {
			assert_int_equal(code & 1, 0);
		} else {
			assert_true(is_write && !walk.is_writable);
			assert_int_equal(code & 1, 1);
		}
		return;
	}
	allowed_check(v, user, va, is_write, mfn);
	tlb[vcpu][fake_random() % TLB] = (typeof(tlb[0][0])){va, mfn, true, writable && is_write};
	remembered[vcpu].va = va >> 21;
	remembered[vcpu].table = loaded;
	for (unsigned int level = 4; level > 1; level--)
		remembered[vcpu].table = pte_mfn(
			table_of(remembered[vcpu].table)[pte_index(va, level)]);
	remembered[vcpu].is_valid = true;
	if (is_write)
		store(mfn);
}

/* ---------------------------------------------------------------- the guest's changes */

static void leaf_change(void)
{
	unsigned int table = TABLES - FAN * FAN * FAN +
			     (unsigned int)(fake_random() % (FAN * FAN * FAN));
	u64 value = pte_make(pages[TABLES + fake_random() % DATA], P | US), r = fake_random();

	value |= r & 1 ? RW : 0;
	value |= r & 2 ? PTE_ACCESSED : 0;
	value |= r & 4 ? PTE_DIRTY : 0;
	value = (r & 0x70) == 0 ? 0 : value;
	(void)UNTIL_DONE(
		pt_update(d->vcpus[0], d, d, entry_at(pages[table], r >> 8 & 3), value, r & 8));
}

/* Upper entries go, come back, are made read-only. */
static void table_change(void)
{
	unsigned int parent = (unsigned int)(fake_random() % (1 + FAN + FAN * FAN)),
		     idx = (unsigned int)(fake_random() % FAN);
	u64 r = fake_random();

	(void)UNTIL_DONE(pt_update(
		d->vcpus[0], d, d, entry_at(pages[parent], idx),
		r % 4 == 0 ? 0
			   : pte_make(pages[parent * FAN + idx + 1], P | US | (r & 16 ? RW : 0)),
		r & 32));
}

static void root_change(void)
{
	unsigned int vcpu = (unsigned int)(fake_random() % 2);
	struct vcpu *v = d->vcpus[vcpu];
	mfn_t old;

	assert_int_equal(UNTIL_DONE(pt_root_switch(v, fake_random() % 2 ? pages[0] : root2,
						   vcpu != 0, &old)),
			 0);
	memset(tlb[vcpu], 0, sizeof(tlb[vcpu])); /* CR3 is loaded */
	remembered[vcpu].is_valid = false;
	assert_true(mfn_equal(mm_guest_root(v, vcpu != 0), v->mm->twin[vcpu != 0]));
	pt_root_put(v, old);
	while (pt_settle(v) == -ERESTART)
		continue;
}

/* A data page is used as a table for a while. */
static void pin_change(void)
{
	mfn_t mfn = pages[TABLES + fake_random() % DATA];

	if (UNTIL_DONE(pt_pin(d, mfn, 1)) == 0)
		assert_int_equal(UNTIL_DONE(pt_unpin(d, mfn)), 0);
}

static void numbers_swap(void)
{
	int a = (int)(fake_random() % PAGES), b = (int)(fake_random() % PAGES);
	u64 a_pfn = m2p_get(pages[a]), b_pfn = m2p_get(pages[b]);

	m2p_set(pages[a], b_pfn);
	m2p_set(pages[b], a_pfn);
}

static void foreign_write(void)
{
	int page = TABLES + (int)(fake_random() % DATA);

	if (foreign_page >= 0) {
		((u64 *)hw_frame_map(pages[foreign_page]))[0] = fake_random();
		assert_int_equal(UNTIL_DONE(pt_update(other_v, other, other,
						      entry_at(foreign_l1, 0), 0, false)),
				 0);
		foreign_page = -1;
	} else if (UNTIL_DONE(pt_update(other_v, other, d, entry_at(foreign_l1, 0),
					pte_make(pages[page], P | RW | US), false)) == 0) {
		foreign_page = page;
	}
}

/* ---------------------------------------------------------------- the tool */

static void clean(void)
{
	struct mm_dirty_read read = {
		.bitmap = gva_make((u64)dirty), .pages = PAGES, .is_clean = true};
	unsigned int named = 0;

	assert_int_equal(UNTIL_DONE(mm_mirror_read(d, &read)), 0);
	for (int i = 0; i < PAGES; i++) {
		u64 pfn = m2p_get(pages[i]);

		if (bitmap_test(dirty, pfn)) {
			memcpy(target[pfn], hw_frame_map(pages[i]), PAGE_SIZE);
			named++;
		}
		if (i != foreign_page)
			assert_memory_equal(target[pfn], hw_frame_map(pages[i]), PAGE_SIZE);
	}
	assert_int_equal(read.dirty_count, named);
	reads++;
}

static void copy_all(void)
{
	for (int i = 0; i < PAGES; i++)
		memcpy(target[m2p_get(pages[i])], hw_frame_map(pages[i]), PAGE_SIZE);
}

static void operation(void)
{
	u64 r = fake_random() % 1000;

	if (r < 800)
		access((unsigned int)(fake_random() % 2), random_va(), fake_random() % 3 == 0);
	else if (r < 900)
		leaf_change();
	else if (r < 940)
		table_change();
	else if (r < 960)
		root_change();
	else if (r < 970)
		pin_change();
	else if (r < 980)
		numbers_swap();
	else if (r < 992)
		foreign_write();
	else
		clean();
	fake_preempt_every = fake_random() % 4 == 0 ? 3 : 0;
	fake_alloc_fail_after = fake_random() % 4 == 0 ? (int)(fake_random() % 3) : -1;
}

static void test_model(void **state)
{
	u64 free_before;

	(void)state;
	setup();
	free_before = frame_free_count();
	fake_alloc_fail_after = -1;
	assert_int_equal(mm_mirror_enable(d), 0);
	assert_int_equal(mm_mirror_enable(d), -EINVAL);
	for (unsigned int vcpu = 0; vcpu < 2; vcpu++) /* they run again */
		(void)mm_guest_root(d->vcpus[vcpu], vcpu != 0);
	copy_all();
	for (unsigned int i = 0; i < OPERATIONS; i++)
		operation();
	fake_preempt_every = 0;
	fake_alloc_fail_after = -1;
	clean();
	assert_int_equal(world_audit(), 0);
	fake_preempt_every = 2;
	assert_int_equal(UNTIL_DONE(mm_mirror_disable(d)), 0);
	fake_preempt_every = 0;
	assert_int_equal(frame_free_count(), free_before);
	assert_int_equal(mirror_count, 0);
	print_message("%u faults fixed, %u refused, %u from the TLB, %u flushes, %u reads\n", fixed,
		      refused, hits, flushes, reads);
	assert_true(fixed > 1000 && refused > 1000 && hits > 1000 && reads > 100);
}

/* Each allocation fails in turn: nothing is left behind. */
static void test_enable_without_memory(void **state)
{
	u64 free_before = frame_free_count();
	int rc = -ENOMEM;

	(void)state;
	for (int n = 0; rc != 0; n++) {
		fake_alloc_fail_after = n;
		rc = mm_mirror_enable(d);
		fake_alloc_fail_after = -1;
		assert_true(rc == 0 || (rc == -ENOMEM && frame_free_count() == free_before));
	}
	assert_int_equal(mm_mirror_disable(d), 0);
	assert_int_equal(frame_free_count(), free_before);
}

static void test_arguments(void **state)
{
	struct mm_dirty_read read = {.pages = PAGES, .is_clean = true};

	(void)state;
	assert_int_equal(mm_mirror_read(d, &read), -EINVAL);
	assert_int_equal(mm_mirror_enable(d), 0);
	assert_int_equal(mm_mirror_read(d, &read), 0); /* no bitmap: only begins anew */
	mm_mark_dirty(d, pages[3]);
	fake_copy_any = false;
	read.bitmap = gva_make((u64)dirty);
	assert_int_equal(mm_mirror_read(d, &read), -EFAULT);
	fake_copy_any = true;
	assert_int_equal(mm_mirror_read(d, &read), 0); /* nothing was lost by that */
	assert_int_equal(read.dirty_count, 1);
	assert_true(bitmap_test(dirty, m2p_get(pages[3])));
	read.pages = 1ull << 40;
	assert_int_equal(mm_mirror_read(d, &read), -EINVAL);
	/* It dies with it on. */
	assert_int_equal(
		UNTIL_DONE(pt_update(other_v, other, other, entry_at(foreign_l1, 0), 0, false)), 0);
	world_domain_kill(d);
	assert_int_equal(mirror_count, 0);
	world_domain_kill(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_enable_without_memory),
		cmocka_unit_test(test_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

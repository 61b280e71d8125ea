/* SPDX-License-Identifier: MIT */
/* uses: src/mm/frame.c src/mm/ptable.c src/mm/update.c src/mm/mirror.c src/mm/twin.c src/mm/root.c src/mm/walk.c src/mm/domain_mm.c src/mm/buddy.c src/mm/heap.c src/mm/flush.c src/mm/m2p.c src/mm/desc.c src/mm/audit.c src/lib/rangeset.c src/lib/bitmap.c test/fake/machine.c test/fake/core.c test/fake/mm_world.c */
/*
 * A million random operations on frames and page tables beside a naive model. The model knows pins, roots and the
 * contents of pages; what each page must be follows from them by walking everything from scratch. An operation must
 * succeed exactly when what it asks does not contradict what is there, and afterwards every type must be the model's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/string.h"
#include "mm_world.h"

#define PAGES	   24
#define ENTRIES	   4 /* of each page are used */
#define TWIN_ENTRY 0x77063ull
#define OPERATIONS 1000000u

enum want { WANT_NOTHING, WANT_WRITE, WANT_L1, WANT_L2, WANT_L3, WANT_L4, WANT_CONFLICT };

static struct domain *d;
static struct vcpu *v;
static mfn_t pages[PAGES], alien;
static unsigned int pinned[PAGES]; /* level, 0: not */
static bool is_given_up[PAGES];
static int roots[2] = {-1, -1};
static unsigned int successes;

static int page_of(mfn_t mfn)
{
	for (int i = 0; i < PAGES; i++)
		if (mfn_equal(pages[i], mfn))
			return i;
	return -1;
}

static bool demand(enum want *wants, int page, enum want want);

/* What one entry of a table of that level asks for. False: it is refused, or contradicts. */
static bool entry_demand(enum want *wants, unsigned int level, u64 entry)
{
	int page;

	if (!(entry & P))
		return true;
	if (level > 1 && entry & (PTE_PSE | PTE_GLOBAL | PTE_PWT | PTE_PCD))
		return false;
	if (level == 1 && entry & (PTE_PAT | PTE_PWT | PTE_PCD))
		return false;
	page = page_of(pte_mfn(entry));
	if (page < 0)
		return false;
	if (level > 1)
		return demand(wants, page, (enum want)(WANT_L1 + level - 2));
	return entry & RW ? demand(wants, page, WANT_WRITE) : true;
}

static bool demand(enum want *wants, int page, enum want want)
{
	if (wants[page] == want)
		return true;
	if (wants[page] != WANT_NOTHING)
		return false;
	wants[page] = want;
	if (want == WANT_WRITE)
		return true;
	for (unsigned int i = 0; i < ENTRIES; i++)
		if (!entry_demand(wants, want - WANT_L1 + 1, table_of(pages[page])[i]))
			return false;
	return true;
}

/* From scratch: what every page must be. */
static void model(enum want *wants)
{
	memset(wants, 0, PAGES * sizeof(*wants));
	for (int i = 0; i < PAGES; i++)
		if (pinned[i] && !demand(wants, i, (enum want)(WANT_L1 + pinned[i] - 1)))
			abort();
	for (int i = 0; i < 2; i++)
		if (roots[i] >= 0 && !demand(wants, roots[i], WANT_L4))
			abort();
}

/* Tables that would be new: none of their entries may name a page that was given up, since it gets no new references. */
static bool subtree_is_live(const enum want *before, const enum want *after)
{
	for (int i = 0; i < PAGES; i++) {
		if (before[i] >= WANT_L1 || after[i] < WANT_L1)
			continue;
		for (unsigned int j = 0; j < ENTRIES; j++) {
			u64 entry = table_of(pages[i])[j];

			if (entry & P && is_given_up[page_of(pte_mfn(entry))])
				return false;
		}
	}
	return true;
}

static u64 random_entry(void)
{
	u64 flags = P;
	mfn_t mfn = pages[fake_random() % PAGES];

	if (fake_random() % 8 == 0)
		return 0;
	if (fake_random() % 64 == 0)
		mfn = fake_random() % 2 ? alien : mfn_make(fake_random() >> 20);
	flags |= fake_random() % 2 ? RW : 0;
	flags |= fake_random() % 2 ? US : 0;
	flags |= fake_random() % 64 == 0 ? PTE_PSE : 0;
	flags |= fake_random() % 64 == 0 ? PTE_PCD : 0;
	flags |= fake_random() % 64 == 0 ? PTE_GLOBAL : 0;
	flags |= fake_random() % 8 == 0 ? PTE_NX : 0;
	return pte_make(mfn, flags) & ~(mfn_num(mfn) >= BIT(40) ? P : 0);
}

/* A page given up that nothing names any more is another page from now on. */
static void replace_gone_pages(void)
{
	bool is_gone[PAGES];

	for (int i = 0; i < PAGES; i++)
		is_gone[i] = is_given_up[i] && !(frame_of(pages[i])->word & FRAME_REFS_MASK);
	for (int i = 0; i < PAGES; i++) {
		if (!is_gone[i])
			continue;
		for (int j = 0; j < PAGES;
		     j++) /* stale numbers in plain pages would name a frame not ours */
			for (unsigned int k = 0; !is_gone[j] && k < ENTRIES; k++)
				if (mfn_equal(pte_mfn(table_of(pages[j])[k]), pages[i]))
					table_of(pages[j])[k] = 0;
	}
	for (int i = 0; i < PAGES; i++) {
		if (!is_gone[i])
			continue;
		pages[i] = world_page(d);
		is_given_up[i] = false;
	}
}

static void settle_all(void)
{
	for (int i = 0; i < PAGES; i++)
		while (frame_settle(pages[i], d) == -ERESTART)
			continue;
	while (pt_settle(v) == -ERESTART)
		continue;
}

#define UNTIL_DONE(call)                    \
	({                                  \
		int rc_;                    \
		do {                        \
			rc_ = (call);       \
		} while (rc_ == -ERESTART); \
		rc_;                        \
	})

static void expect(bool wanted, int rc, const char *what)
{
	if (wanted == (rc == 0)) {
		successes += wanted;
		return;
	}
	fprintf(stderr, "%s: %d, but the model says %s\n", what, rc, wanted ? "yes" : "no");
	fail();
}

static void try_pin(int page, unsigned int level)
{
	enum want before[PAGES], wants[PAGES];
	bool can;

	model(before);
	memcpy(wants, before, sizeof(wants));
	can = demand(wants, page, (enum want)(WANT_L1 + level - 1)) && !pinned[page] &&
	      !is_given_up[page] && subtree_is_live(before, wants);
	expect(can, UNTIL_DONE(pt_pin(d, pages[page], level)), "pin");
	if (can)
		pinned[page] = level;
}

static void try_unpin(int page)
{
	expect(pinned[page] != 0, UNTIL_DONE(pt_unpin(d, pages[page])), "unpin");
	pinned[page] = 0;
}

static void try_root(unsigned int which, int page)
{
	enum want before[PAGES], wants[PAGES];
	mfn_t old;
	bool can;

	model(before);
	memcpy(wants, before, sizeof(wants));
	can = page < 0 ? which == 1
		       : roots[which] == page ||
				 (demand(wants, page, WANT_L4) && !is_given_up[page] &&
				  subtree_is_live(before, wants));
	expect(can,
	       UNTIL_DONE(pt_root_switch(v, page < 0 ? MFN_NONE : pages[page], which == 1, &old)),
	       "root");
	if (!can)
		return;
	(void)mm_guest_root(v, which == 1);
	pt_root_put(v, old);
	roots[which] = page;
}

static void try_update(int page, unsigned int idx, u64 value)
{
	enum want before[PAGES], wants[PAGES];
	u64 old = table_of(pages[page])[idx];
	int target = page_of(pte_mfn(value));
	bool can = !is_given_up[page], same;

	model(before);
	memcpy(wants, before, sizeof(wants));
	if (before[page] >= WANT_L1) {
		unsigned int level = before[page] - WANT_L1 + 1;

		/* The frame and RW as before: nothing is asked for. */
		same = old & value & P && mfn_equal(pte_mfn(old), pte_mfn(value)) &&
		       (level > 1 || !((old ^ value) & RW));
		can = can && entry_demand(wants, level, value);
		if (can && !same && value & P)
			can = !is_given_up[target] && subtree_is_live(before, wants);
	}
	expect(can,
	       UNTIL_DONE(pt_update(v, d, d,
				    maddr_make((mfn_num(pages[page]) << PAGE_SHIFT) + idx * 8),
				    value, fake_random() % 2)),
	       "update");
}

static void try_drop(int page)
{
	expect(!is_given_up[page], UNTIL_DONE(mm_domain_drop(d, pages[page])), "drop");
	is_given_up[page] = true;
}

static void compare(void)
{
	static const enum frame_type types[] = {FRAME_NONE, FRAME_WRITABLE, FRAME_L1,
						FRAME_L2,   FRAME_L3,	    FRAME_L4};
	enum want wants[PAGES];

	model(wants);
	for (int i = 0; i < PAGES; i++) {
		u64 word = frame_of(pages[i])->word;
		enum frame_type type = word & FRAME_TYPED_MASK ? frame_word_type(word) : FRAME_NONE;

		if (type != types[wants[i]]) {
			fprintf(stderr, "page %d is %u, the model says %u\n", i, type,
				types[wants[i]]);
			fail();
		}
	}
}

/* What ring 3 runs on has the guest's entries, and of Mica three slots. */
static void twins_compare(void)
{
	for (unsigned int user = 0; user < 2; user++) {
		const u64 *twin = table_of(v->mm->twin[user]),
			  *root = roots[user] < 0 ? NULL : table_of(pages[roots[user]]);

		for (unsigned int i = 0; i < ENTRIES; i++)
			assert_int_equal(twin[i], root ? root[i] : 0);
		if (!root)
			continue;
		assert_int_equal(twin[256], root[256]);
		assert_int_equal(twin[257], 0);
		assert_int_equal(twin[258], root[258]);
		assert_int_equal(twin[261], TWIN_ENTRY);
		assert_int_equal(twin[262], 0);
	}
}

static void operation(void)
{
	int page = (int)(fake_random() % PAGES);

	switch (fake_random() % 16) {
	case 0:
	case 1:
		try_pin(page, 1 + (unsigned int)(fake_random() % 4));
		break;
	case 2:
		try_unpin(page);
		break;
	case 3:
		try_root((unsigned int)(fake_random() % 2), fake_random() % 4 ? page : -1);
		break;
	case 4:
		if (fake_random() % 8 == 0)
			try_drop(page);
		break;
	default:
		try_update(page, (unsigned int)(fake_random() % ENTRIES), random_entry());
		break;
	}
}

static void random_operations(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < OPERATIONS; i++) {
		fake_preempt_every = (unsigned int)(fake_random() % 4);
		operation();
		settle_all();
		replace_gone_pages();
		compare();
		twins_compare();
		if (i % 1000 == 0)
			assert_int_equal(world_audit(), 0);
		/* Back to nothing now and then, so that not everything is pinned for ever. */
		if (i % 500 == 0)
			for (int page = 0; page < PAGES; page++)
				if (pinned[page])
					try_unpin(page);
	}
	printf("%u of %u operations were allowed\n", successes, OPERATIONS);
	assert_true(successes > OPERATIONS / 4);
}

static int setup(void **state)
{
	struct domain *other;

	(void)state;
	world_init(256);
	mm_twin_entry = TWIN_ENTRY;
	d = world_domain(1, 1, 100);
	v = d->vcpus[0];
	other = world_domain(2, 1, 100);
	alien = world_page(other);
	for (int i = 0; i < PAGES; i++)
		pages[i] = world_page(d);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(world_audit(), 0);
	world_domain_kill(d);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(random_operations, setup, teardown),
	};

	if (argc > 1) /* another sequence */
		fake_random_state ^= strtoull(argv[1], NULL, 0) * 0x9e3779b97f4a7c15ull;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* uses: src/mm/frame.c src/mm/ptable.c src/mm/mirror.c src/mm/twin.c src/mm/root.c src/mm/domain_mm.c src/mm/buddy.c src/mm/heap.c src/mm/flush.c src/mm/walk.c src/mm/m2p.c src/mm/desc.c src/mm/audit.c src/lib/rangeset.c src/lib/bitmap.c test/fake/machine.c test/fake/core.c test/fake/mm_world.c */
/*
 * Free frames, the heap, and a domain's frames from birth to the end; every allocation made to fail once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/string.h"
#include "mm_world.h"

#define FRAMES 0x110000u /* a bit over 4 GiB */

static int setup(void **state)
{
	(void)state;
	fake_alloc_fail_after = -1;
	fake_preempt_every = 0;
	if (!hw_frame_max) {
		fake_memory_init(FRAMES);
		/* Two holes, and pieces that are not powers of two. */
		for (u64 mfn = 0xa0; mfn < 0x100; mfn++)
			fake_frame_set_ram(mfn, false);
		for (u64 mfn = 0xc0000; mfn < 0x100000; mfn++)
			fake_frame_set_ram(mfn, false);
		frame_pool_add(mfn_make(1), 0x9f);
		frame_pool_add(mfn_make(0x100), 0xbff00);
		frame_pool_add(mfn_make(0x100000), 0xfff5);
	}
	return 0;
}

static void pool_is_whole(void **state)
{
	(void)state;
	assert_int_equal(frame_free_count(), 0x9f + 0xbff00 + 0xfff5);
}

static void low_memory_is_kept_for_last(void **state)
{
	mfn_t high = frame_alloc(0, 0), low = frame_alloc(0, FRAME_BELOW_4G),
	      lower = frame_alloc_below(0, 24);
	mfn_t first = frame_alloc_below(0, 13), none = frame_alloc_below(0, 12);

	(void)state;
	assert_true(mfn_num(high) >= 0x100000);
	assert_true(mfn_num(low) < 0x100000);
	assert_true(mfn_num(lower) < 0x1000);
	assert_int_equal(mfn_num(first), 1);
	assert_true(mfn_is_none(none));
	assert_true(mfn_is_none(frame_alloc(21, 0)));
	assert_true(mfn_is_none(frame_alloc(20, 0)));
	assert_true(mfn_is_none(frame_alloc_below(0, 0)));
	frame_free(high, 0);
	frame_free(low, 0);
	frame_free(lower, 0);
	frame_free(first, 0);
}

/* A thousand blocks of random order live at a time; none overlap, all come back. */
static void random_blocks(void **state)
{
	static struct {
		mfn_t mfn;
		unsigned int order;
	} blocks[1000];
	static u8 used[FRAMES];
	u64 before = frame_free_count();

	(void)state;
	for (unsigned int i = 0; i < 100000; i++) {
		unsigned int slot = (unsigned int)(fake_random() % 1000);

		if (fake_random() % 256 == 0)
			(void)frame_scrub();
		if (blocks[slot].order || blocks[slot].mfn.m) {
			memset(&used[blocks[slot].mfn.m], 0, BIT(blocks[slot].order));
			frame_free(blocks[slot].mfn, blocks[slot].order);
			memset(&blocks[slot], 0, sizeof(blocks[slot]));
			continue;
		}
		blocks[slot].order = (unsigned int)(fake_random() % 11);
		if (fake_random() % 4 == 0)
			blocks[slot].mfn = frame_alloc_below(
				blocks[slot].order, 20 + (unsigned int)(fake_random() % 20));
		else
			blocks[slot].mfn = frame_alloc(blocks[slot].order, 0);
		if (mfn_is_none(blocks[slot].mfn)) {
			memset(&blocks[slot], 0, sizeof(blocks[slot]));
			continue;
		}
		assert_int_equal(blocks[slot].mfn.m & (BIT(blocks[slot].order) - 1), 0);
		for (u64 j = 0; j < BIT(blocks[slot].order); j++) {
			assert_false(used[blocks[slot].mfn.m + j]);
			assert_true(hw_frame_is_ram(mfn_add(blocks[slot].mfn, j)));
			used[blocks[slot].mfn.m + j] = 1;
		}
	}
	for (unsigned int i = 0; i < 1000; i++)
		if (blocks[i].mfn.m)
			frame_free(blocks[i].mfn, blocks[i].order);
	assert_int_equal(frame_free_count(), before);
	/* Merged again as far as can be. */
	assert_false(mfn_is_none(blocks[0].mfn = frame_alloc(18, 0)));
	frame_free(blocks[0].mfn, 18);
}

static u64 *page_of(mfn_t mfn)
{
	return hw_frame_map(mfn);
}

/* What a domain gives back is cleaned once, when nobody can write into it any more. */
static void scrubbed_when_idle(void **state)
{
	struct domain *a = world_domain(8, 1, 100), *b = world_domain(9, 1, 100);
	mfn_t mfn = world_page(a);
	u64 before;

	(void)state;
	dom0 = a;
	*page_of(mfn) = 0x5ec2e7;
	frame_of(mfn)->stamp = 1;
	mm_domain_drop(a, mfn);
	before = frame_free_count();
	assert_true(frame_scrub_wanted());
	while (frame_scrub_wanted()) {
		assert_true(frame_scrub());
		assert_int_equal(frame_free_count(), before);
	}
	assert_false(frame_scrub());
	assert_int_equal(*page_of(mfn), 0);
	assert_int_equal(frame_of(mfn)->stamp, 0); /* flushed before */
	assert_int_equal(frame_of(mfn)->word, FRAME_CLEAN);
	for (int i = 0; i < 2; i++) {
		mfn = frame_alloc(0, 0);
		*page_of(mfn) = 1;
		frame_of(mfn)->word = i ? FRAME_CLEAN : FRAME_TAINTED;
		assert_int_equal(mm_domain_assign(b, mfn, 0), 0);
		assert_int_equal(*page_of(mfn), i); /* not a second time */
	}
	world_domain_kill(a);
	world_domain_kill(b);
	dom0 = NULL;
}

static void heap_objects(void **state)
{
	static struct {
		u8 *ptr;
		size_t bytes;
		u8 value;
	} objects[500];
	u64 before = frame_free_count(), bytes_before = heap_bytes();

	(void)state;
	for (unsigned int i = 0; i < 300000; i++) {
		unsigned int slot = (unsigned int)(fake_random() % 500);
		u8 *ptr = objects[slot].ptr;

		if (ptr) {
			for (size_t j = 0; j < objects[slot].bytes;
			     j += 1 + objects[slot].bytes / 16)
				assert_int_equal(ptr[j], objects[slot].value);
			heap_free(ptr);
			objects[slot].ptr = NULL;
			continue;
		}
		objects[slot].bytes = fake_random() % 8 ? fake_random() % 2049
							: fake_random() % 20000;
		objects[slot].value = (u8)fake_random();
		ptr = objects[slot].ptr = heap_alloc(objects[slot].bytes);
		assert_non_null(ptr);
		assert_true(heap_bytes() >= bytes_before + objects[slot].bytes);
		assert_int_equal((u64)ptr & (objects[slot].bytes > 2048 ? 4095 : 15), 0);
		for (size_t j = 0; j < objects[slot].bytes; j += 1 + objects[slot].bytes / 16)
			assert_int_equal(ptr[j], 0);
		memset(ptr, objects[slot].value, objects[slot].bytes);
	}
	for (unsigned int i = 0; i < 500; i++)
		heap_free(objects[i].ptr);
	heap_free(NULL);
	assert_int_equal(heap_bytes(), bytes_before);
	assert_int_equal(frame_free_count(), before);
	assert_null(heap_alloc(~(size_t)0));
}

/* A freed frame that a guest had: clean for the next, and no TLB holds it. */
static void frames_change_hands(void **state)
{
	static mfn_t others[BIT(24 - PAGE_SHIFT)];
	unsigned int flushes, others_count = 0;
	struct domain *one, *two;
	mfn_t mfn, again;

	(void)state;
	cpu_online_mask.bits[0] = 5;
	one = world_domain(1, 1, 10);
	two = world_domain(2, 1, 10);
	mfn = frame_alloc_below(0, 24);
	assert_int_equal(mm_domain_assign(one, mfn, 0), 0);
	memset(hw_frame_map(mfn), 0x5a, PAGE_SIZE);
	m2p_set(mfn, 7);
	assert_int_equal(mm_domain_drop(one, mfn), 0);
	assert_int_equal(m2p_get(mfn), M2P_INVALID);
	do { /* what is clean comes first */
		assert_true(others_count < ARRAY_SIZE(others));
		flushes = fake_flush_count[2];
		others[others_count++] = again = frame_alloc_below(0, 24);
	} while (mfn.m != again.m);
	assert_int_equal(fake_flush_count[2], flushes + 1);
	while (--others_count)
		frame_free(others[others_count - 1], 0);
	assert_int_equal(mm_domain_assign(two, mfn, 0), 0);
	for (unsigned int i = 0; i < 512; i++)
		assert_int_equal(table_of(mfn)[i], 0);
	assert_int_equal(frame_get(mfn, one), -EINVAL);
	assert_int_equal(frame_get(mfn, two), 0);
	/* Killed while somebody refers to it: the frame, and the domain, stay until then. */
	two->is_dying = true;
	while (mm_domain_release(two) == -ERESTART)
		continue;
	assert_int_equal(frame_get(mfn, two), -EINVAL);
	assert_int_equal(two->mm->pages_current, 1);
	assert_int_equal(two->refs, 2);
	frame_put(mfn);
	assert_int_equal(two->refs, 1);
	world_domain_kill(two);
	world_domain_kill(one);
}

static void limits(void **state)
{
	struct domain *d = world_domain(1, 1, 8);
	mfn_t mfn = frame_alloc(4, 0);

	(void)state;
	assert_int_equal(mm_domain_assign(d, mfn, 4), -ENOMEM);
	frame_free(mfn, 4);
	mfn = frame_alloc(3, 0);
	assert_int_equal(mm_domain_assign(d, mfn, 3), 0);
	mfn = frame_alloc(0, 0);
	assert_int_equal(mm_domain_assign(d, mfn, 0), -ENOMEM);
	d->is_dying = true;
	assert_int_equal(mm_domain_assign(d, mfn, 0), -EINVAL);
	frame_free(mfn, 0);
	assert_int_equal(mm_domain_init(d, 5), -EEXIST);
	world_domain_kill(d);
}

/* 246, 410: teardown of a domain with many tables, stopped at each step. */
static void release_in_steps(void **state)
{
	struct domain *d = world_domain(1, 2, 5000);
	mfn_t root = world_page(d), l3 = world_page(d), l2 = world_page(d), old;
	u64 before = frame_free_count();
	unsigned int steps = 0;

	(void)state;
	before += d->mm->pages_current;
	table_of(root)[0] = pte_make(l3, P | US);
	table_of(l3)[0] = pte_make(l2, P | US);
	for (unsigned int i = 0; i < 100; i++) {
		mfn_t l1 = world_page(d);

		for (unsigned int j = 0; j < 20; j++)
			table_of(l1)[j * 7] = pte_make(world_page(d), P | RW);
		table_of(l2)[i] = pte_make(l1, P | US);
	}
	assert_int_equal(pt_pin(d, root, 4), 0);
	assert_int_equal(pt_root_switch(d->vcpus[1], root, false, &old), 0);
	assert_int_equal(pt_root_switch(d->vcpus[0], root, true, &old), 0);
	d->is_dying = true;
	fake_preempt_every = 1;
	while (mm_domain_release(d) == -ERESTART) {
		if (steps++ % 100 == 0)
			assert_int_equal(world_audit(), 0);
	}
	assert_true(steps > 2000);
	assert_int_equal(d->mm->pages_current, 0);
	assert_int_equal(frame_free_count(), before);
	world_domain_kill(d);
}

/* Allocation number 1, 2, 3 ... fails until a domain can be made. */
static void every_allocation_fails(void **state)
{
	(void)state;
	for (int n = 0;; n++) {
		u64 before = frame_free_count();
		struct domain *d = fake_domain_new(700, 1);
		mfn_t page = MFN_NONE, shared = MFN_NONE;
		int rc;

		fake_alloc_fail_after = n;
		rc = mm_domain_init(d, 10);
		if (!rc)
			rc = mm_vcpu_init(d->vcpus[0]);
		if (!rc) {
			page = frame_alloc(0, 0);
			rc = mfn_is_none(page) ? -ENOMEM : mm_domain_assign(d, page, 0);
		}
		if (!rc) {
			shared = mm_domain_share_page(d);
			rc = mfn_is_none(shared) ? -ENOMEM : 0;
		}
		fake_alloc_fail_after = -1;
		if (d->mm) {
			assert_int_equal(world_audit(), 0);
			world_domain_kill(d);
		} else {
			fake_domain_free(d);
		}
		if (!rc)
			break;
		assert_int_equal(rc, -ENOMEM);
		assert_true(before - frame_free_count() <= 1);
		assert_true(n < 20);
	}
}

#define CASE(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(pool_is_whole),
		CASE(low_memory_is_kept_for_last),
		CASE(scrubbed_when_idle),
		CASE(random_blocks),
		CASE(heap_objects),
		CASE(frames_change_hands),
		CASE(limits),
		CASE(release_in_steps),
		CASE(every_allocation_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

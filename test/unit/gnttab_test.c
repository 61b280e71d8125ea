/* SPDX-License-Identifier: MIT */
/* uses: src/gnttab/table.c src/gnttab/entry.c src/gnttab/mapping.c src/gnttab/map.c src/gnttab/copy.c src/hcall/grant_op.c src/hcall/subop.c src/mm/frame.c src/mm/ptable.c src/mm/update.c src/mm/mirror.c src/mm/twin.c src/mm/root.c src/mm/walk.c src/mm/domain_mm.c src/mm/buddy.c src/mm/heap.c src/mm/flush.c src/mm/m2p.c src/mm/desc.c src/mm/audit.c src/lib/rangeset.c src/lib/bitmap.c test/fake/machine.c test/fake/core.c test/fake/mm_world.c test/fake/gnttab_world.c */
/*
 * Grants between two domains: what one guest granting to itself cannot show. Limits, memory that runs out, batches that
 * are interrupted or end at a bad pointer, flushes and their order, and domains that die on either side. Security cases
 * 224, 228, 236, 316, 318, 380, 486.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gnttab_world.h"
#include "hcall/hcall.h"

#define BATCH 100
#define REF   3

/* The front end grants, the back end maps. */
static struct side sides[2];
#define front sides[0]
#define back  sides[1]
static struct gnttab_map_grant_ref maps[BATCH];
static struct gnttab_unmap_grant_ref unmaps[BATCH];

static void grant(u32 ref, mfn_t mfn)
{
	front.entries[ref] = entry_of(GTF_permit_access, back.d->id, mfn);
}

static u16 flags_of(u32 ref)
{
	return (u16)(front.entries[ref] & (GTF_reading | GTF_writing));
}

static s16 map(u32 ref, u32 flags, unsigned int slot)
{
	maps[0] = (struct gnttab_map_grant_ref){
		.host_addr = side_slot_va(slot), .flags = flags, .ref = ref, .dom = front.d->id};
	assert_int_equal(side_call(&back, 0, GNTTABOP_map_grant_ref, maps, 1), 0);
	return maps[0].status;
}

static s16 unmap(u32 handle, unsigned int slot)
{
	unmaps[0] = (struct gnttab_unmap_grant_ref){.host_addr = slot ? side_slot_va(slot) : 0,
						    .dev_bus_addr = mfn_num(front.pages[0])
								    << PAGE_SHIFT,
						    .handle = handle};
	assert_int_equal(side_call(&back, 0, GNTTABOP_unmap_grant_ref, unmaps, 1), 0);
	return unmaps[0].status;
}

static void maps_fill(u32 flags)
{
	for (unsigned int i = 0; i < BATCH; i++)
		maps[i] = (struct gnttab_map_grant_ref){.host_addr = side_slot_va(1 + i),
							.flags = flags,
							.ref = REF,
							.dom = front.d->id,
							.status = 1};
}

static void unmaps_fill(bool is_host)
{
	for (unsigned int i = 0; i < BATCH; i++)
		unmaps[i] = (struct gnttab_unmap_grant_ref){
			.host_addr = is_host ? side_slot_va(1 + i) : 0,
			.dev_bus_addr = mfn_num(front.pages[0]) << PAGE_SHIFT,
			.handle = maps[i].handle,
			.status = 1};
}

/* ---- batches */

static unsigned int call_counted(unsigned int cmd, void *ops, u32 count, int *rc)
{
	struct hcall_args args = {.a = {cmd, (u64)ops, count}};
	unsigned int calls = 0;

	do {
		calls++;
		*rc = do_grant_table_op(back.d->vcpus[0], &args);
		assert_true((u32)args.a[2] <= count);
	} while (*rc == -ERESTART);
	return calls;
}

static void interrupted_batches(void **state)
{
	int rc;

	(void)state;
	for (fake_preempt_every = 1; fake_preempt_every < 4; fake_preempt_every++) {
		maps_fill(GNTMAP_host_map);
		maps[50].ref = 1000000;
		assert_int_equal(call_counted(GNTTABOP_map_grant_ref, maps, BATCH, &rc),
				 fake_preempt_every == 1   ? 4
				 : fake_preempt_every == 2 ? 2
							   : 2);
		assert_int_equal(rc, 0);
		for (unsigned int i = 0; i < BATCH; i++)
			assert_int_equal(maps[i].status, i == 50 ? GNTST_bad_gntref : 0);
		unmaps_fill(true);
		unmaps[50].handle = ~0u;
		assert_true(call_counted(GNTTABOP_unmap_grant_ref, unmaps, BATCH, &rc) > 1);
		assert_int_equal(rc, 0);
		for (unsigned int i = 0; i < BATCH; i++)
			assert_int_equal(unmaps[i].status, i == 50 ? GNTST_bad_handle : 0);
		assert_int_equal(flags_of(REF), 0);
	}
	fake_preempt_every = 0;
}

/* A pointer that goes bad in the middle: what was done before it stays done, and is accounted for. */
static void bad_pointers(void **state)
{
	(void)state;
	for (int good = 0; good < 8; good++) {
		unsigned int mapped = 0;

		maps_fill(GNTMAP_host_map);
		fake_copy_fail_after = good;
		assert_int_equal(side_call(&back, 0, GNTTABOP_map_grant_ref, maps, BATCH), -EFAULT);
		fake_copy_fail_after = -1;
		assert_int_equal(sides_audit(sides, 2), 0);
		for (unsigned int i = 0; i < 400; i++) { /* by whatever handle */
			unmaps[0] = (struct gnttab_unmap_grant_ref){.handle = i};
			for (unsigned int slot = 1; slot < BATCH + 1; slot++) {
				unmaps[0].host_addr = side_slot_va(slot);
				assert_int_equal(
					side_call(&back, 0, GNTTABOP_unmap_grant_ref, unmaps, 1),
					0);
				mapped += unmaps[0].status == 0;
			}
		}
		assert_int_equal(mapped, MIN((good + 1) / 2 * 32, BATCH));
		assert_int_equal(flags_of(REF), 0);
	}
}

/* ---- limits */

static void handles_run_out(void **state)
{
	u32 count = 0;

	(void)state;
	while (map(REF, GNTMAP_device_map, 0) == GNTST_okay)
		count++;
	assert_int_equal(count, 512);
	assert_int_equal(maps[0].status, GNTST_no_space);
	assert_int_equal(sides_audit(sides, 2), 0);
	assert_int_equal(unmap(17, 0), 0);
	assert_int_equal(map(REF, GNTMAP_device_map, 0), 0);
	assert_int_equal(maps[0].handle, 17);
	for (u32 i = 0; i < count; i++)
		assert_int_equal(unmap(i, 0), 0);
	assert_int_equal(flags_of(REF), 0);
}

static void memory_runs_out(void **state)
{
	s16 status;
	int n = 0;

	(void)state;
	do {
		fake_alloc_fail_after = n++;
		status = map(REF, GNTMAP_host_map, 1);
		fake_alloc_fail_after = -1;
		assert_true(status == GNTST_okay || status == GNTST_no_space);
		assert_int_equal(sides_audit(sides, 2), 0);
		assert_int_equal(flags_of(REF), status ? 0 : GTF_reading | GTF_writing);
	} while (status != GNTST_okay);
	assert_true(n > 1);
	assert_int_equal(unmap(maps[0].handle, 1), 0);
	for (n = 0; n < 20; n++) {
		fake_alloc_fail_after = n;
		(void)gnttab_grow(front.d, 4);
		fake_alloc_fail_after = -1;
	}
	assert_int_equal(gnttab_grow(front.d, 4), 0);
	assert_int_equal(gnttab_grow(front.d, 5), -EINVAL);
	assert_true(mfn_is_none(gnttab_frame(front.d, 4)));
}

static void entry_used_very_often(void **state)
{
	struct domain *d = world_domain(9, 1, 100);
	struct side many = {.d = d};
	u32 count = 0;

	(void)state;
	assert_int_equal(gnttab_domain_init(d, 1, 200), 0);
	front.entries[REF] = entry_of(GTF_permit_access, 9, front.pages[0]);
	do {
		maps[0] = (struct gnttab_map_grant_ref){
			.flags = GNTMAP_device_map, .ref = REF, .dom = 1};
		assert_int_equal(side_call(&many, 0, GNTTABOP_map_grant_ref, maps, 1), 0);
		count += maps[0].status == 0;
	} while (maps[0].status == 0);
	assert_int_equal(maps[0].status, GNTST_general_error);
	assert_int_equal(count, 0x7fff);
	assert_true(side_kill(&many));
	assert_int_equal(flags_of(REF), 0);
}

/* ---- flushes */

static u16 flags_at_flush;
static unsigned int flush_count;
static void flushed(unsigned int cpu, unsigned int kind, u64 va)
{
	(void)cpu;
	(void)kind;
	(void)va;
	flags_at_flush = flags_of(REF);
	flush_count++;
}

static void flushes(void **state)
{
	u64 *slot = &table_of(back.l1)[1];
	maddr_t at = maddr_make(side_slot_maddr(&back, 1));

	(void)state;
	fake_flush_hook = flushed;
	for (unsigned int how = 0; how < 4; how++) {
		flush_count = 0;
		flags_at_flush = 0;
		assert_int_equal(map(REF, GNTMAP_host_map, 1), 0);
		if (how == 1)
			*slot |= PTE_ACCESSED;
		if (how == 2) /* a guest that hides what it did */
			assert_int_equal(
				pt_update(back.d->vcpus[0], back.d, back.d, at, *slot, false), 0);
		if (how == 3) {
			u64 now = *slot;

			assert_int_equal(
				pt_update_if(back.d->vcpus[0], at, &now, now | PTE_GRANTED), 0);
		}
		assert_int_equal(unmap(maps[0].handle, 1), 0);
		assert_int_equal(flush_count, how ? 1 : 0);
		if (how) /* only then may the front end take its page back */
			assert_int_equal(flags_at_flush, GTF_reading | GTF_writing);
		assert_int_equal(flags_of(REF), 0);
	}
	flush_count = 0;
	maps_fill(GNTMAP_host_map);
	assert_int_equal(side_call(&back, 0, GNTTABOP_map_grant_ref, maps, 32), 0);
	for (unsigned int i = 1; i < 33; i++)
		table_of(back.l1)[i] |= PTE_ACCESSED;
	unmaps_fill(true);
	assert_int_equal(side_call(&back, 0, GNTTABOP_unmap_grant_ref, unmaps, 32), 0);
	assert_int_equal(flush_count, 1); /* for all of them */
	/* One part of a mapping, and before it another entry: what is left may be ended by another CPU. */
	flush_count = 0;
	assert_int_equal(map(REF, GNTMAP_host_map | GNTMAP_device_map, 1), 0);
	*slot |= PTE_ACCESSED;
	unmaps[0] = (struct gnttab_unmap_grant_ref){.host_addr = side_slot_va(1),
						    .handle = maps[0].handle};
	unmaps[1] = (struct gnttab_unmap_grant_ref){.dev_bus_addr = maps[0].dev_bus_addr,
						    .handle = maps[0].handle};
	assert_int_equal(side_call(&back, 0, GNTTABOP_unmap_grant_ref, unmaps, 2), 0);
	assert_int_equal(unmaps[0].status | unmaps[1].status, 0);
	assert_int_equal(flush_count, 1);
	assert_int_equal(flags_of(REF), 0);
	fake_flush_hook = NULL;
}

/* ---- what may not be granted */

static void strange_frames(void **state)
{
	u64 granted;
	mfn_t old;

	(void)state;
	grant(REF, gnttab_frame(front.d, 0)); /* Mica's page: goes with the domain */
	assert_int_equal(map(REF, GNTMAP_host_map, 1), GNTST_general_error);
	grant(REF, front.root);
	assert_int_equal(map(REF, GNTMAP_host_map, 1), GNTST_general_error);
	grant(REF, back.pages[0]); /* the back end's own */
	assert_int_equal(map(REF, GNTMAP_host_map, 1), GNTST_bad_page);
	grant(REF, mfn_make(hw_frame_max));
	assert_int_equal(map(REF, GNTMAP_host_map, 1), GNTST_bad_page);
	assert_int_equal(flags_of(REF), 0);
	grant(REF, front.pages[0]);
	/* A table with an entry that was granted is no table any more once it has been none. */
	assert_int_equal(map(REF, GNTMAP_host_map, 1), 0);
	granted = table_of(back.l1)[1];
	assert_int_equal(pt_unpin(back.d, back.root), 0);
	pt_root_put(back.d->vcpus[0], back.d->vcpus[0]->mm->root_kernel);
	back.d->vcpus[0]->mm->root_kernel = MFN_NONE;
	assert_int_equal(unmap(maps[0].handle, 1), GNTST_general_error);
	table_of(back.l1)[1] = granted & ~PTE_ACCESSED;
	assert_int_equal(pt_pin(back.d, back.root, 4), -EINVAL);
	table_of(back.l1)[1] = 0;
	assert_int_equal(pt_pin(back.d, back.root, 4), 0);
	assert_int_equal(pt_root_switch(back.d->vcpus[0], back.root, false, &old), 0);
	assert_int_equal(flags_of(REF), GTF_reading | GTF_writing);
	assert_int_equal(sides_audit(sides, 2), 0);
}

/* ---- domains that die */

static void mapper_dies(void **state)
{
	unsigned int restarts = 0;
	int rc;

	(void)state;
	maps_fill(GNTMAP_host_map | GNTMAP_readonly);
	assert_int_equal(side_call(&back, 0, GNTTABOP_map_grant_ref, maps, BATCH), 0);
	assert_int_equal(flags_of(REF), GTF_reading);
	fake_preempt_every = 1;
	back.d->is_dying = true;
	do {
		rc = gnttab_domain_release(back.d);
		restarts += rc == -ERESTART;
	} while (rc == -ERESTART);
	fake_preempt_every = 0;
	assert_int_equal(rc, 0);
	assert_true(restarts >= 256 / 32);
	assert_int_equal(flags_of(REF), 0);
	assert_int_equal(sides_audit(sides, 2), 0);
	assert_int_equal(gnttab_domain_release(back.d), 0);
	assert_true(side_kill(&back));
	side_make(&back, 2, 1);
}

static void granter_dies(void **state)
{
	static struct gnttab_copy copy;
	u32 handle;

	(void)state;
	*(u64 *)hw_frame_map(front.pages[0]) = 0x1234;
	assert_int_equal(map(REF, GNTMAP_host_map, 1), 0);
	handle = maps[0].handle;
	assert_false(side_kill(&front));
	assert_int_equal(front.d->mm->pages_current, 1);
	assert_int_equal(*(u64 *)hw_frame_map(pte_mfn(table_of(back.l1)[1])), 0x1234);
	assert_int_equal(map(REF, GNTMAP_host_map, 2), GNTST_bad_domain);
	copy = (struct gnttab_copy){.source = {.u.ref = REF, .domid = front.d->id},
				    .dest = {.u.gmfn = mfn_num(back.pages[0]), .domid = DOMID_SELF},
				    .len = 8,
				    .flags = GNTCOPY_source_gref};
	assert_int_equal(side_call(&back, 0, GNTTABOP_copy, &copy, 1), 0);
	assert_int_equal(copy.status, GNTST_bad_domain);
	assert_int_equal(unmap(handle, 1), 0);
	assert_int_equal(front.d->mm->pages_current, 0);
	side_free(&front);
	side_make(&front, 1, 1);
}

/* The front end goes while the back end still has the page in a table alone: the guest lost its handle, say. */
static void both_die(void **state)
{
	(void)state;
	maps_fill(GNTMAP_host_map);
	assert_int_equal(side_call(&back, 0, GNTTABOP_map_grant_ref, maps, BATCH), 0);
	assert_int_equal(pt_update(back.d->vcpus[0], back.d, back.d,
				   maddr_make(side_slot_maddr(&back, 5)), 0, false),
			 0);
	assert_false(side_kill(&front));
	assert_true(side_kill(&back));
	side_free(&front);
	side_make(&front, 1, 1);
	side_make(&back, 2, 1);
}

static int setup(void **state)
{
	(void)state;
	world_init(1024);
	return 0;
}

static int begin(void **state)
{
	(void)state;
	side_make(&front, 1, 1);
	side_make(&back, 2, 1);
	grant(REF, front.pages[0]);
	return 0;
}

static int end(void **state)
{
	static u64 free_after;

	(void)state;
	if (sides_audit(sides, 2) || !side_kill(&back) || !side_kill(&front))
		return 1;
	free_after = MAX(free_after, frame_free_count());
	return frame_free_count() != free_after;
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(interrupted_batches),   TEST(bad_pointers),
		TEST(handles_run_out),	     TEST(memory_runs_out),
		TEST(entry_used_very_often), TEST(flushes),
		TEST(strange_frames),	     TEST(mapper_dies),
		TEST(granter_dies),	     TEST(both_die),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

/* SPDX-License-Identifier: MIT */
/* uses: src/gnttab/table.c src/gnttab/entry.c src/gnttab/mapping.c src/gnttab/map.c src/gnttab/copy.c src/hcall/grant_op.c src/hcall/subop.c src/mm/frame.c src/mm/ptable.c src/mm/update.c src/mm/mirror.c src/mm/twin.c src/mm/root.c src/mm/walk.c src/mm/domain_mm.c src/mm/buddy.c src/mm/heap.c src/mm/flush.c src/mm/m2p.c src/mm/desc.c src/mm/audit.c src/lib/rangeset.c src/lib/bitmap.c test/fake/machine.c test/fake/core.c test/fake/mm_world.c test/fake/threads.c test/fake/gnttab_world.c */
/*
 * Three CPUs of a back end map, use, copy and unmap at once, also each other's mappings, while the front end on a fourth
 * takes pages back as soon as their entries say that nobody uses them. From then on no TLB may lead there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gnttab_world.h"
#include "lib/string.h"
#include "threads.h"

#define BACK_CPUS  3
#define ROUNDS	   40
#define OPERATIONS 6000
#define REFS	   SIDE_PAGES
#define HANDLES	   16

static struct side sides[2];
#define front sides[0]
#define back  sides[1]
static u32 handles
	[HANDLES]; /* [a] handle + 1, that somebody mapped; taken out by who unmaps, mostly */
static bool is_mapping[SIDE_SLOTS]; /* [a] a CPU of the back end is about to map there */
static bool is_taken_back[REFS];    /* [a] the front end has revoked the grant of this page */
static u32 running;
static u64 mapped, unmapped, revoked, copied;

#define PICK(n) ((unsigned int)(threads_random() % (n)))

static bool may_reach(mfn_t mfn)
{
	for (unsigned int i = 0; i < REFS; i++)
		if (mfn_equal(front.pages[i], mfn))
			return !atomic_load(&is_taken_back[i]);
	return true;
}

static void map(unsigned int cpu)
{
	unsigned int slot = 1 + PICK(SIDE_SLOTS - 1);
	struct gnttab_map_grant_ref op = {.host_addr = side_slot_maddr(&back, slot),
					  .ref = PICK(REFS),
					  .dom = front.d->id,
					  .flags = GNTMAP_host_map | GNTMAP_contains_pte |
						   (PICK(2) ? 0 : GNTMAP_readonly)};

	/* Over another's mapping only now and then: that one can never be unmapped, its page never revoked. */
	if (atomic_exchange(&is_mapping[slot], true) && PICK(4096))
		return;
	if (atomic_load(&table_of(back.l1)[slot]) && PICK(4096)) {
		atomic_store(&is_mapping[slot], false);
		return;
	}
	if (side_call(&back, cpu, GNTTABOP_map_grant_ref, &op, 1))
		abort();
	atomic_store(&is_mapping[slot], false);
	if (op.status)
		return;
	__atomic_add_fetch(&mapped, 1, __ATOMIC_RELAXED);
	/* A handle that nobody remembers holds its page for the rest of the round: no place twice. */
	for (unsigned int i = 0, first = PICK(HANDLES); i < HANDLES; i++) {
		u32 none = 0;

		if (atomic_cmpxchg(&handles[(first + i) % HANDLES], &none, op.handle + 1))
			break;
	}
}

static void unmap(unsigned int cpu)
{
	struct gnttab_unmap_grant_ref ops[4];
	u32 count = 0, first = PICK(HANDLES);

	for (u32 i = 0; i < HANDLES && count < 1 + PICK(4) && count < 4; i++) {
		u32 *at = &handles[(first + i) % HANDLES];
		/* Sometimes it stays for another to try. */
		u32 handle = PICK(4) ? atomic_exchange(at, 0u) : atomic_load(at);

		if (handle)
			ops[count++] = (struct gnttab_unmap_grant_ref){.handle = handle - 1};
	}
	for (unsigned int slot = 1; slot < SIDE_SLOTS && count; slot++) {
		for (u32 i = 0; i < count; i++)
			ops[i].host_addr = side_slot_maddr(&back, slot);
		if (side_call(&back, cpu, GNTTABOP_unmap_grant_ref, ops, count))
			abort();
		for (u32 i = 0; i < count; i++)
			__atomic_add_fetch(&unmapped, ops[i].status == 0, __ATOMIC_RELAXED);
	}
}

static void copy(unsigned int cpu)
{
	struct gnttab_copy op = {
		.source = {.u.ref = PICK(REFS), .domid = front.d->id},
		.dest = {.u.ref = PICK(REFS), .domid = front.d->id},
		.len = 0, /* what two CPUs write at once is the guests' own affair */
		.flags = GNTCOPY_source_gref | GNTCOPY_dest_gref};

	if (side_call(&back, cpu, GNTTABOP_copy, &op, 1))
		abort();
	__atomic_add_fetch(&copied, op.status == 0, __ATOMIC_RELAXED);
}

/* The guest changes an entry under a mapping: hides that it used it, or (rarely) takes it away. */
static void change(unsigned int cpu)
{
	unsigned int slot = 1 + PICK(SIDE_SLOTS - 1);
	u64 now = atomic_load(&table_of(back.l1)[slot]);
	u64 value = PICK(2048) ? now & ~PTE_ACCESSED : 0;

	if (now & PTE_PRESENT)
		(void)pt_update_if(back.d->vcpus[cpu], maddr_make(side_slot_maddr(&back, slot)),
				   &now, value);
}

static void back_body(unsigned int cpu)
{
	for (unsigned int i = 0; i < OPERATIONS; i++) {
		switch (PICK(8)) {
		case 0:
		case 1:
			map(cpu);
			break;
		case 2:
			unmap(cpu);
			break;
		case 3:
			copy(cpu);
			break;
		case 4:
			change(cpu);
			break;
		default:
			(void)threads_guest_access(
				maddr_make(side_slot_maddr(&back, 1 + PICK(SIDE_SLOTS - 1))),
				PICK(2));
		}
	}
	(void)atomic_sub(&running, 1u);
}

/* As Linux does it: only when nobody reads or writes, in one step. */
static void front_body(void)
{
	while (atomic_load(&running)) {
		unsigned int ref = PICK(REFS);
		u64 now = atomic_load(&front.entries[ref]);
		mfn_t page = front.pages[ref];
		int rc;

		if (now & (GTF_reading | GTF_writing) ||
		    !atomic_cmpxchg(&front.entries[ref], &now, 0ull)) {
			hw_relax();
			continue;
		}
		atomic_store(&is_taken_back[ref], true);
		revoked++;
		do { /* to be a table it must be nobody's */
			rc = pt_pin(front.d, page, 1);
		} while (rc == -ERESTART);
		for (unsigned int i = PICK(20); i; i--)
			hw_relax();
		while (!rc && pt_unpin(front.d, page) == -ERESTART)
			continue;
		atomic_store(&is_taken_back[ref], false);
		atomic_store(
			&front.entries[ref],
			entry_of(PICK(4) ? GTF_permit_access : GTF_permit_access | GTF_readonly,
				 back.d->id, page));
	}
}

static void body(unsigned int cpu)
{
	if (cpu < BACK_CPUS)
		back_body(cpu);
	else
		front_body();
}

static void all_at_once(void **state)
{
	(void)state;
	threads_may_reach = may_reach;
	for (unsigned int round = 0; round < ROUNDS; round++) {
		fake_preempt_every = 0;
		side_make(&front, 1, 1);
		side_make(&back, 2, BACK_CPUS);
		for (unsigned int i = 0; i < BACK_CPUS; i++)
			cpumask_set(&back.d->dirty_cpus, i);
		for (u32 ref = 0; ref < REFS; ref++)
			front.entries[ref] = entry_of(GTF_permit_access, back.d->id,
						      front.pages[ref]);
		memset(handles, 0, sizeof(handles));
		running = BACK_CPUS;
		fake_preempt_every = 3;
		threads_run(BACK_CPUS + 1, body);
		fake_preempt_every = 0;
		assert_int_equal(sides_audit(sides, 2), 0);
		assert_true(side_kill(&back));
		for (u32 ref = 0; ref < REFS; ref++)
			assert_false(front.entries[ref] & (GTF_reading | GTF_writing));
		assert_true(side_kill(&front));
	}
	printf("%lu mapped, %lu unmapped, %lu revoked, %lu copied\n", mapped, unmapped, revoked,
	       copied);
	assert_true(unmapped > 1000 && revoked > 1000 && copied > 1000);
}

static int setup(void **state)
{
	(void)state;
	world_init(512);
	cpu_online_mask.bits[0] = BIT(BACK_CPUS + 1) - 1;
	cpu_count = BACK_CPUS + 1;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(all_at_once, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* uses: src/mm/frame.c src/mm/ptable.c src/mm/update.c src/mm/mirror.c src/mm/twin.c src/mm/root.c src/mm/walk.c src/mm/domain_mm.c src/mm/buddy.c src/mm/heap.c src/mm/flush.c src/mm/m2p.c src/mm/desc.c src/mm/audit.c src/lib/rangeset.c src/lib/bitmap.c test/fake/machine.c test/fake/core.c test/fake/mm_world.c test/fake/interleave.c */
/*
 * Frames under two and three CPUs, taken through their interleavings: no TLB ever reaches what it must not, all counts
 * are right at the end, nobody waits for ever (SECURITY-CASES 286, 292, 294, 299, 401, 408 and their kin).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "interleave.h"
#include "mm/priv.h"

static struct domain *d, *other;
static mfn_t map, a, b, c, e;
static int rc[3];

static maddr_t slot(mfn_t table, unsigned int idx)
{
	return maddr_make((mfn_num(table) << PAGE_SHIFT) + idx * 8);
}

/* Each CPU is a vCPU of its own. */
static int update(mfn_t table, unsigned int idx, u64 value)
{
	struct vcpu *v = d->vcpus[fake_cpu];
	int result;

	do {
		result = pt_update(v, d, d, slot(table, idx), value, false);
	} while (result == -ERESTART);
	return result;
}

static int pin(mfn_t table, unsigned int level)
{
	int result;

	do {
		result = pt_pin(d, table, level);
	} while (result == -ERESTART);
	return result;
}

static int unpin(mfn_t table)
{
	int result;

	do {
		result = pt_unpin(d, table);
	} while (result == -ERESTART);
	return result;
}

static void world(void)
{
	fake_preempt_every = 0;
	world_init(256);
	tlb_reset();
	d = world_domain(1, 3, 100);
	other = world_domain(2, 1, 1000);
	for (unsigned int cpu = 0; cpu < 3; cpu++) {
		d->vcpus[cpu]->cpu = cpu;
		cpumask_set(&d->dirty_cpus, cpu);
	}
	cpu_online_mask.bits[0] = 7;
	cpu_count = 3;
	map = world_page(d);
	a = world_page(d);
	b = world_page(d);
	c = world_page(d);
	e = world_page(d);
	if (pt_pin(d, map, 1))
		abort();
	for (unsigned int cpu = 0; cpu < 3; cpu++) {
		fake_cpu = cpu;
		flush_local();
	}
	fake_cpu = 0;
}

static void end(void)
{
	struct vcpu *v;

	fake_preempt_every = 0;
	if (world_audit())
		abort();
	for_each_vcpu(d, v)
		while (pt_settle(v) == -ERESTART)
			continue;
	tlb_reset();
	world_domain_kill(d);
	world_domain_kill(other);
}

/* The last writable mapping goes while another comes and goes and a third CPU wants a table of it. */
static void last_unmap_setup(void)
{
	world();
	if (update(map, 0, pte_make(a, P | RW)))
		abort();
	fake_cpu = 0;
	guest_access(slot(map, 0), true);
}

static void last_unmap_0(void)
{
	update(map, 0, 0);
}

static void last_unmap_1(void)
{
	if (!update(map, 1, pte_make(a, P | RW))) {
		flush_local(); /* a flush time newer than a stamp taken too early */
		guest_access(slot(map, 1), true);
		update(map, 1, 0);
		guest_access(slot(map, 1), true);
	}
}

static void last_unmap_2(void)
{
	if (!pin(a, 1))
		unpin(a);
}

static const struct scenario last_unmap = {
	.name = "last unmap against promotion",
	.cpus = 3,
	.preemptions = 2,
	.random_runs = 3000,
	.setup = last_unmap_setup,
	.body = {last_unmap_0, last_unmap_1, last_unmap_2},
	.check = end,
};

/* Two CPUs pin and unpin one tree, a third wants its middle as something else. */
static void tree_setup(void)
{
	world();
	table_of(a)[0] = pte_make(b, P | US);
	table_of(b)[0] = pte_make(c, P | RW);
	table_of(b)[1] = pte_make(e, P);
}

static void tree_01(void)
{
	rc[fake_cpu] = pin(a, 2);
	if (!rc[fake_cpu])
		unpin(a);
}

static void tree_2(void)
{
	if (!update(map, 0, pte_make(b, P | RW))) {
		guest_access(slot(map, 0), true);
		update(map, 0, 0);
	}
}

static const struct scenario tree = {
	.name = "a tree pinned twice, its middle wanted writable",
	.cpus = 3,
	.preemptions = 1,
	.random_runs = 20000,
	.setup = tree_setup,
	.body = {tree_01, tree_01, tree_2},
	.check = end,
};

/* The same with preemption everywhere: half-done tables change hands. */
static void half_setup(void)
{
	world();
	table_of(a)[0] = pte_make(b, P | US);
	table_of(a)[1] = pte_make(b, P | US);
	table_of(a)[2] = pte_make(c, P | US);
	table_of(b)[0] = pte_make(e, P | US);
	table_of(b)[1] = pte_make(e, P | US);
	fake_preempt_every = 1;
}

static void half_0(void)
{
	if (!pin(a, 3))
		unpin(a);
}

static void half_1(void)
{
	if (!pin(b, 2))
		unpin(b);
}

static void half_2(void)
{
	if (!update(map, 0, pte_make(b, P | RW)))
		update(map, 0, 0);
	while (mm_domain_drop(d, a) == -ERESTART)
		continue;
}

static const struct scenario half = {
	.name = "half-done tables change hands",
	.cpus = 3,
	.preemptions = 2,
	.random_runs = 3000,
	.setup = half_setup,
	.body = {half_0, half_1, half_2},
	.check = end,
};

/* A table that is refused at its last entry, given back in pieces by whoever comes; meanwhile it is wanted in all ways. */
static void refused_setup(void)
{
	world();
	table_of(a)[0] = pte_make(b, P | US);
	table_of(a)[1] = pte_make(c, P | US);
	table_of(a)[2] = pte_make(mfn_make(1ull << 39), P | US); /* nowhere */
	table_of(e)[0] = pte_make(a, P | US);
	fake_preempt_every = 1;
}

static void refused_0(void)
{
	rc[0] = pin(a, 2);
}

static void refused_1(void)
{
	rc[1] = pin(e, 3);
}

static void refused_2(void)
{
	rc[2] = update(map, 0, pte_make(a, P | RW));
	if (!rc[2])
		update(map, 0, 0);
}

static void refused_check(void)
{
	if (rc[0] != -EINVAL || rc[1] != -EINVAL)
		abort();
	for (int restarts = 0; settle(frame_of(a), false); restarts++)
		if (restarts > 10)
			abort();
	if (frame_of(a)->word & FRAME_VALID || frame_of(a)->done)
		abort();
	end();
}

static const struct scenario refused = {
	.name = "a refused table is given back in pieces",
	.cpus = 3,
	.preemptions = 1,
	.random_runs = 3000,
	.setup = refused_setup,
	.body = {refused_0, refused_1, refused_2},
	.check = refused_check,
};

/* Two tables that name each other, both promoted at once: neither may wait for the other. */
static void circle_setup(void)
{
	world();
	table_of(a)[0] = pte_make(b, P | US);
	table_of(b)[0] = pte_make(a, P | US);
}

static void circle_0(void)
{
	rc[0] = pin(a, 4);
}

static void circle_1(void)
{
	rc[1] = pin(b, 3 + (fake_random_state & 1));
}

static const struct scenario circle = {
	.name = "tables that name each other",
	.cpus = 2,
	.preemptions = 2,
	.random_runs = 2000,
	.setup = circle_setup,
	.body = {circle_0, circle_1},
	.check = end,
};

/* One entry, three CPUs, three frames. */
static void entry_body(void)
{
	mfn_t frames[] = {a, b, c};

	update(map, 0, pte_make(frames[fake_cpu], P | (fake_cpu == 1 ? 0 : RW)));
	guest_access(slot(map, 0), false);
	update(map, 0, pte_make(frames[(fake_cpu + 1) % 3], P | RW));
}

static const struct scenario entry = {
	.name = "one entry, three CPUs",
	.cpus = 3,
	.preemptions = 1,
	.random_runs = 20000,
	.setup = world,
	.body = {entry_body, entry_body, entry_body},
	.check = end,
};

/* A page is given up and becomes another domain's while it is being mapped. */
static void give_0(void)
{
	mm_domain_drop(d, a);
}

static void give_1(void)
{
	if (!update(map, 0, pte_make(a, P | RW))) {
		guest_access(slot(map, 0), true);
		update(map, 0, 0);
	}
}

static void give_2(void)
{
	mfn_t mfn = frame_alloc(0, 0);

	if (!mfn_is_none(mfn) && mm_domain_assign(other, mfn, 0))
		abort();
}

/* All but one of the free frames are taken away, so that the allocator gives the page just freed. */
static void give_setup(void)
{
	world();
	while (frame_free_count() > 1)
		world_page(other);
	(void)update(map, 2, pte_make(a, P));
	guest_access(slot(map, 2), false);
	update(map, 2, 0);
}

static const struct scenario give = {
	.name = "a page given up while it is mapped",
	.cpus = 3,
	.preemptions = 2,
	.random_runs = 2000,
	.setup = give_setup,
	.body = {give_0, give_1, give_2},
	.check = end,
};

/* A page changes its type while an update of its entries, which holds the type, comes from another CPU: none is refused. */
static void held_0(void)
{
	rc[0] = pin(a, 1) || unpin(a) || update(map, 0, pte_make(a, P | RW)) || update(map, 0, 0) ||
		pin(a, 2) || unpin(a);
}

static void held_1(void)
{
	rc[1] = update(a, 3, 0) || update(a, 3, 0);
}

static void held_check(void)
{
	assert_int_equal(rc[0], 0);
	assert_int_equal(rc[1], 0);
	end();
}

static const struct scenario held = {
	.name = "a change of type while an entry is updated",
	.cpus = 2,
	.preemptions = 2,
	.random_runs = 3000,
	.setup = world,
	.body = {held_0, held_1},
	.check = held_check,
};

/*
 * Another domain names pages of this one, in all quick ways: it is refused, and not for a moment is there a reference of its
 * that would have a change of type refused here (a guest's kernel does not survive that).
 */
static mfn_t theirs;

static void foreign_setup(void)
{
	world();
	other->vcpus[0]->cpu = 1;
	theirs = world_page(other);
	if (pt_pin(other, theirs, 1))
		abort();
}

static void foreign_0(void)
{
	rc[0] = pin(a, 4) || unpin(a) || update(map, 0, pte_make(a, P | RW)) || update(map, 0, 0) ||
		pin(a, 1) || unpin(a);
}

static void foreign_1(void)
{
	struct vcpu *v = other->vcpus[0];
	mfn_t old;

	rc[1] = pt_update(v, other, other, slot(theirs, 0), pte_make(a, P | RW), false) ==
			-EINVAL &&
		pt_update(v, other, other, slot(a, 0), 0, false) == -EINVAL &&
		pt_grant_get(a, other, 1, true, true) == -EINVAL &&
		pt_root_switch(v, a, true, &old) == -EINVAL;
}

static void foreign_check(void)
{
	assert_int_equal(rc[0], 0);
	assert_true(rc[1]);
	end();
}

static const struct scenario foreign = {
	.name = "another domain names a page that changes its type",
	.cpus = 2,
	.preemptions = 2,
	.random_runs = 3000,
	.setup = foreign_setup,
	.body = {foreign_0, foreign_1},
	.check = foreign_check,
};

/* Two tools make a domain of the same number: one of them is told. */
static struct domain twins[2];

static void twins_setup(void)
{
	world();
	for (unsigned int i = 0; i < 2; i++)
		twins[i] = (struct domain){.id = 7, .refs = 1};
}

static void twins_body(void)
{
	rc[fake_cpu] = mm_domain_init(&twins[fake_cpu], 10);
}

static void twins_check(void)
{
	unsigned int winner = rc[0] != 0;

	if (rc[winner] != 0 || rc[!winner] != -EEXIST || twins[!winner].mm != NULL)
		abort();
	mm_domain_fini(&twins[winner]);
	if (mm_domain_init(&twins[0], 10))
		abort();
	mm_domain_fini(&twins[0]);
	end();
}

static const struct scenario same_number = {
	.name = "two domains of one number",
	.cpus = 2,
	.preemptions = 2,
	.random_runs = 500,
	.setup = twins_setup,
	.body = {twins_body, twins_body},
	.check = twins_check,
};

/* Two tables, each update wants the other one writable: refused or not, neither waits for the other. */
static void cross_setup(void)
{
	world();
	if (pin(a, 1) || pin(b, 1))
		abort();
}

static void cross_body(void)
{
	(void)unpin(fake_cpu ? b : a);
	rc[fake_cpu] = update(fake_cpu ? b : a, 0, pte_make(fake_cpu ? a : b, P | RW));
}

static const struct scenario cross = {
	.name = "two tables want each other writable",
	.cpus = 2,
	.preemptions = 2,
	.random_runs = 1000,
	.setup = cross_setup,
	.body = {cross_body, cross_body},
	.check = end,
};

/* A word of a page that nobody maps is written as an entry, while the page is mapped, used and wanted as a table. */
static void plain_0(void)
{
	rc[0] = update(a, 5, 0x1234);
}

static void plain_1(void)
{
	if (!update(map, 1, pte_make(a, P | RW))) {
		guest_access(slot(map, 1), true);
		update(map, 1, 0);
	}
}

static void plain_2(void)
{
	if (!pin(a, 1))
		unpin(a);
}

static const struct scenario plain = {
	.name = "a plain word written while its page is mapped",
	.cpus = 3,
	.preemptions = 2,
	.random_runs = 3000,
	.setup = world,
	.body = {plain_0, plain_1, plain_2},
	.check = end,
};

/* Another domain names a page, to read it, while its owner exchanges it: that wants the only reference. */
static mfn_t others_l1;

static void alien_setup(void)
{
	world();
	others_l1 = world_page(other);
	if (pt_pin(other, others_l1, 1))
		abort();
}

static void alien_0(void)
{
	rc[0] = mm_domain_steal(d, a);
	if (!rc[0])
		mm_domain_unsteal(d, a);
}

static void alien_1(void)
{
	rc[1] = pt_update(other->vcpus[0], other, other, slot(others_l1, 0), pte_make(a, P),
			  false) &
		pt_grant_get(a, other, 1, false, true) & frame_get(a, other);
}

static void alien_check(void)
{
	assert_int_equal(rc[0], 0);
	assert_int_equal(rc[1], -EINVAL);
	end();
}

static const struct scenario alien = {
	.name = "another domain names a page that is exchanged",
	.cpus = 2,
	.preemptions = 2,
	.random_runs = 3000,
	.setup = alien_setup,
	.body = {alien_0, alien_1},
	.check = alien_check,
};

static void run(const struct scenario *scenario)
{
	unsigned long runs = interleave(scenario);

	printf("%s: %lu schedules\n", scenario->name, runs);
	assert_true(runs > scenario->random_runs);
}

static void test_last_unmap(void **state)
{
	(void)state;
	run(&last_unmap);
}
static void test_tree(void **state)
{
	(void)state;
	run(&tree);
}
static void test_half(void **state)
{
	(void)state;
	run(&half);
}
static void test_refused(void **state)
{
	(void)state;
	run(&refused);
}
static void test_circle(void **state)
{
	(void)state;
	run(&circle);
}
static void test_entry(void **state)
{
	(void)state;
	run(&entry);
}
static void test_give(void **state)
{
	(void)state;
	run(&give);
}

static void test_held(void **state)
{
	(void)state;
	run(&held);
}
static void test_cross(void **state)
{
	(void)state;
	run(&cross);
}
static void test_foreign(void **state)
{
	(void)state;
	run(&foreign);
}
static void test_same_number(void **state)
{
	(void)state;
	run(&same_number);
}
static void test_plain(void **state)
{
	(void)state;
	run(&plain);
}
static void test_alien(void **state)
{
	(void)state;
	run(&alien);
}

int main(int argc, char **argv)
{
	if (argc > 1) /* one case by name */
		cmocka_set_test_filter(argv[1]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_last_unmap),  cmocka_unit_test(test_tree),
		cmocka_unit_test(test_half),	    cmocka_unit_test(test_refused),
		cmocka_unit_test(test_circle),	    cmocka_unit_test(test_entry),
		cmocka_unit_test(test_give),	    cmocka_unit_test(test_held),
		cmocka_unit_test(test_cross),	    cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_same_number), cmocka_unit_test(test_plain),
		cmocka_unit_test(test_alien),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* uses: src/mm/frame.c src/mm/ptable.c src/mm/update.c src/mm/mirror.c src/mm/twin.c src/mm/root.c src/mm/walk.c src/mm/domain_mm.c src/mm/buddy.c src/mm/heap.c src/mm/flush.c src/mm/m2p.c src/mm/desc.c src/mm/audit.c src/lib/rangeset.c src/lib/bitmap.c test/fake/machine.c test/fake/core.c test/fake/mm_world.c test/fake/threads.c */
/*
 * Four CPUs at once on one domain's frames, under TSan: random pins, updates, roots, drops and allocations with preemption
 * at random; no TLB ever leads where it must not, and at the end all counts are right.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "threads.h"

#define CPUS	   4
#define PAGES	   16
#define ENTRIES	   3
#define OPERATIONS 100000

static struct domain *d, *other;
static mfn_t pages[PAGES], map, reserve;
static u64 done[CPUS];

static mfn_t any_page(void)
{
	return mfn_make(atomic_load(&pages[threads_random() % PAGES].m));
}

static maddr_t any_entry(mfn_t page)
{
	return maddr_make((mfn_num(page) << PAGE_SHIFT) + threads_random() % ENTRIES * 8);
}

static u64 any_value(void)
{
	if (threads_random() % 3 == 0)
		return 0;
	return pte_make(any_page(), P | US | (threads_random() % 2 ? RW : 0));
}

/* One page for another: the old one goes back to the pool some time. */
static void replace_page(void)
{
	unsigned int idx = (unsigned int)(threads_random() % PAGES);
	mfn_t mfn = frame_alloc(0, 0);
	struct domain *to = threads_random() % 2 ? d : other;
	u64 old;

	if (mfn_is_none(mfn))
		return;
	if (mm_domain_assign(to, mfn, 0)) {
		frame_free(mfn, 0);
		return;
	}
	old = to == d ? atomic_exchange(&pages[idx].m, mfn_num(mfn)) : mfn_num(mfn);
	/* Tables may name it for long; at least it is not pinned for ever. */
	(void)pt_unpin(to, mfn_make(old));
	(void)mm_domain_drop(to, mfn_make(old));
}

static void operation(struct vcpu *v)
{
	mfn_t page = any_page(), old;

	switch (threads_random() % 10) {
	case 8:
		(void)frame_scrub();
		return;
	case 0:
		(void)pt_pin(d, page, 1 + (unsigned int)(threads_random() % 4));
		break;
	case 1:
	case 2:
		(void)pt_unpin(d, page);
		break;
	case 3:
		if (!pt_root_switch(v, page, threads_random() % 2, &old))
			pt_root_put(v, old);
		break;
	case 4:
		if (threads_random() % 8 == 0)
			replace_page();
		break;
	case 5:
		if (!frame_type_get(page, d, FRAME_WRITABLE))
			frame_type_put(page);
		break;
	case 6:
		(void)threads_guest_access(any_entry(map), threads_random() % 2);
		break;
	case 7:
		(void)pt_update(v, d, d, any_entry(map), any_value(), true);
		break;
	default:
		(void)pt_update(v, d, d, any_entry(page), any_value(), threads_random() % 2);
		break;
	}
}

static void body(unsigned int cpu)
{
	for (unsigned int i = 0; i < OPERATIONS; i++) {
		operation(d->vcpus[cpu]);
		done[cpu]++;
	}
}

static void all_at_once(void **state)
{
	struct vcpu *v;

	(void)state;
	threads_run(CPUS, body);
	fake_preempt_every = 0;
	for_each_vcpu(d, v)
		while (pt_settle(v) == -ERESTART)
			continue;
	frame_free(reserve, 2);
	assert_int_equal(world_audit(), 0);
	for (unsigned int i = 0; i < CPUS; i++)
		assert_int_equal(done[i], OPERATIONS);
}

static int setup(void **state)
{
	(void)state;
	world_init(512);
	reserve = frame_alloc(2, 0); /* the audit's */
	cpu_online_mask.bits[0] = BIT(CPUS) - 1;
	cpu_count = CPUS;
	d = world_domain(1, CPUS, 1000);
	other = world_domain(2, 1, 1000);
	for (unsigned int i = 0; i < CPUS; i++) {
		d->vcpus[i]->cpu = i;
		cpumask_set(&d->dirty_cpus, i);
	}
	for (unsigned int i = 0; i < PAGES; i++)
		pages[i] = world_page(d);
	map = world_page(d);
	if (pt_pin(d, map, 1))
		abort();
	fake_preempt_every = 3;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_domain_kill(d);
	world_domain_kill(other);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_at_once, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

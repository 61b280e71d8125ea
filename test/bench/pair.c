/* SPDX-License-Identifier: MIT */
/*
 * Calls between two domains, measured like those of calls.c: a small kernel in Domain 0's place on CPU 0 and a second domain on
 * CPU 0 or 1 that blocks or spins and answers each event; events one way and there and back, grants of the second domain mapped and
 * copied. Started by tools/bench.py.
 */
#define __XEN_TOOLS__ 1
#include "bench.h"

#include <xen/domctl.h>

enum { WORD_SPINS, WORD_ANSWERS, WORD_SEEN };

static struct child *child;
static char *page;

/* ---- the second domain */

static void answer(unsigned int port)
{
	ACCESS(child_shared.words[WORD_SEEN])++;
	if (ACCESS(child_shared.words[WORD_ANSWERS]))
		port_send(port);
}

void child_main(void)
{
	vcpuop(VCPUOP_stop_periodic_timer, 0, NULL);
	grants_give(GRANTS, 0, NULL);
	event_handle(child_shared.port, answer);
	event_unmask(child_shared.port);
	events_on();
	child_shared.step = 1;
	for (;;)
		if (ACCESS(child_shared.words[WORD_SPINS]))
			asm volatile("pause"); /* QEMU goes to the other CPU */
		else
			schedop(SCHEDOP_block, NULL);
}

/* ---- Domain 0 */

static void pin(domid_t id, u8 cpu)
{
	u8 map[8] = {(u8)(1 << cpu)};
	struct xen_domctl op = {0};

	op.u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_FORCE;
	op.u.vcpuaffinity.cpumap_hard.nr_bits = 64;
	op.u.vcpuaffinity.cpumap_hard.bitmap.p = map;
	must(domctl(XEN_DOMCTL_setvcpuaffinity, id, &op) == 0, "affinity");
}

/* The second domain from now on: it has seen an event, so that it knows. */
static void child_be(u8 cpu, bool spins, bool answers)
{
	u64 *words = child->shared->words, seen = ACCESS(words[WORD_SEEN]);

	pin(child->id, cpu);
	ACCESS(words[WORD_ANSWERS]) = answers;
	ACCESS(words[WORD_SPINS]) = spins;
	port_send(child->port);
	while (ACCESS(words[WORD_SEEN]) == seen)
		sleep_ns(100000);
	sleep_ns(3000000);
	events_on();
}

static void spins_elsewhere(void)
{
	child_be(1, true, false);
}

static void answers_elsewhere(void)
{
	child_be(1, true, true);
}

static void blocks_elsewhere(void)
{
	child_be(1, false, true);
}

static void blocks_here(void)
{
	child_be(0, false, true);
}

static void quiet(void)
{
	child_be(1, false, false);
}

/* The second domain runs; its upcall and IRET are in it. */
static void send_seen(unsigned int i)
{
	volatile u64 *word = &child->shared->words[WORD_SEEN];
	u64 seen = *word;

	(void)i;
	good(port_send(child->port));
	while (*word == seen)
		asm volatile("pause");
}

static void round_trip_spinning(unsigned int i)
{
	volatile u64 *count = &event_count[child->port];
	u64 before = *count;

	(void)i;
	good(port_send(child->port));
	while (*count == before)
		asm volatile("pause");
}

/* SCHEDOP_block lets events in; it returns at once if the answer is here already. */
static void round_trip_blocking(unsigned int i)
{
	volatile u64 *count = &event_count[child->port];
	u64 before = *count;

	(void)i;
	good(port_send(child->port));
	while (*count == before) {
		events_off();
		if (*count == before)
			schedop(SCHEDOP_block, NULL);
		events_on();
	}
}

static void map_unmap(unsigned int i)
{
	(void)i;
	grants_map(child->id, FIRST_REF, AREA, batch);
	grants_unmap(batch);
}

static void copy(unsigned int i)
{
	(void)i;
	grants_copy(child->id, page, batch);
}

static const struct op events[] = {
	{"event to a guest running elsewhere", send_seen, 16, 1, spins_elsewhere},
	{"event there and back, both running", round_trip_spinning, 16, 1, answers_elsewhere},
	{"event there and back, both blocked", round_trip_blocking, 16, 1, blocks_elsewhere},
	{"event there and back, on one CPU", round_trip_blocking, 16, 1, blocks_here},
};

static const struct op grants[] = {
	{"grant of another, map and unmap", map_unmap, 16, 1, batch_of_1},
	{"grant of another, page of 16", map_unmap, 4, 16, batch_of_16},
	{"grant of another, page of 256", map_unmap, 1, GRANTS, batch_of_256},
	{"grant copy from another", copy, 16, 1, batch_of_1},
	{"grant copy from another, page of 16", copy, 4, 16, batch_of_16},
	{"grant copy from another, page of 256", copy, 1, GRANTS, batch_of_256},
};

void guest_main(void)
{
	pin(0, 0);
	page = page_alloc();
	area_make(512);
	must(set_va(AREA + 300 * 4096, FRAME(page) | PTE_RW, UVMF_INVLPG) == 0, "an entry");
	child = child_make();
	pin(child->id, 1);
	must(child_run(child) == 0, "unpause");
	must(child_wait(child, 1), "the second domain");
	event_unmask(child->port);
	ops_measure(events, ARRAY_SIZE(events));
	quiet();
	ops_measure(grants, ARRAY_SIZE(grants));
	bench_end();
}

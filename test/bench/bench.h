/* SPDX-License-Identifier: MIT */
/*
 * What the bare-call benches share: rounds between two marks that tools/plugin/count.c sees, then "op <rounds> <operations of a
 * round> <name>"; a window of page-table entries of our own; grants of a domain, mapped into it and copied in batches.
 */
#pragma once

#include "guest.h"

#define MARK()	  asm volatile(".byte 0x0f, 0x1f, 0x80, 'M', 'A', 'R', 'K'" ::: "memory")
#define FRAME(p)  (mfn_of(p) << 12)
#define AREA	  ((char *)0x0000200000000000ul)
#define ROUNDS	  9u
#define GRANTS	  256u
#define FIRST_REF 8u

struct op {
	const char *name;
	void (*run)(unsigned int i);
	unsigned int repeats, of; /* calls of run() in a round, operations of one */
	void (*prepare)(void);	  /* before each round */
};

/* While it is measured, what is called succeeds. */
static bool strict;

static inline void must(bool good, const char *what)
{
	if (!good)
		fatal("%s", what);
}

static inline void good(long rc)
{
	if (strict && rc < 0)
		fatal("a call: %ld", rc);
}

static inline void op_measure(const struct op *op, unsigned int rounds)
{
	for (unsigned int round = 0; round < rounds; round++) {
		if (op->prepare != NULL)
			op->prepare();
		strict = true;
		MARK();
		for (unsigned int i = 0; i < op->repeats; i++)
			op->run(i);
		MARK();
		strict = false;
	}
}

static inline void ops_measure(const struct op *ops, size_t count)
{
	for (const struct op *op = ops; op < ops + count; op++) {
		op_measure(op, ROUNDS);
		print("op %u %u %s\n", ROUNDS, op->repeats * op->of, op->name);
	}
}

static inline void bench_end(void)
{
	print("op end\n");
	/* Xen would only halt at a power-off without ACPI. */
	schedop(SCHEDOP_shutdown, &(struct sched_shutdown){.reason = SHUTDOWN_reboot});
}

/* `pages` entries of 4 KiB at AREA: their L1 tables, one after the other. */
static inline u64 **area_make(u64 pages)
{
	static u64 *tables[16];
	u64 *l2 = page_alloc(), *l3;

	for (u64 i = 0; i * 512 < pages; i++) {
		tables[i] = table_alloc(0);
		l2[i] = FRAME(tables[i]) | PTE_RW;
	}
	make_ro(l2);
	l3 = table_alloc(FRAME(l2) | PTE_RW);
	must(mmu_update(maddr_of(root()) + 64 * 8, FRAME(l3) | PTE_RW) == 0, "tables");
	return tables;
}

/* Our own grant table, entries FIRST_REF on: `count` grants to `to` of pages of their own, or all of one page. */
static inline void grants_give(unsigned int count, domid_t to, char *page)
{
	static u64 frames[16];
	struct grant_entry_v1 *table = NULL;
	struct gnttab_setup_table s = {.dom = DOMID_SELF,
				       .nr_frames = (count + FIRST_REF + 511) / 512,
				       .frame_list.p = frames};

	must(hypercall(grant_table_op, GNTTABOP_setup_table, &s, 1) == 0 && s.status == 0,
	     "grants");
	for (unsigned int ref = FIRST_REF; ref < FIRST_REF + count; ref++) {
		struct grant_entry_v1 *entry;

		if (table == NULL || ref % 512 == 0) {
			table = page_alloc();
			must(set_va(table, (frames[ref / 512] << 12) | PTE_RW, UVMF_INVLPG) == 0,
			     "a grant table's page");
		}
		entry = &table[ref % 512];
		entry->domid = to;
		entry->frame = (u32)mfn_of(page != NULL ? page : page_alloc());
		barrier();
		ACCESS(entry->flags) = GTF_permit_access;
	}
}

static struct gnttab_map_grant_ref maps[GRANTS];
static struct gnttab_unmap_grant_ref unmaps[GRANTS];
static struct gnttab_copy copies[GRANTS];

/* Grants of a domain from `ref` on, into the window at `at`. */
static inline void grants_map(domid_t of, unsigned int ref, char *at, unsigned int batch)
{
	for (unsigned int n = 0; n < batch; n++)
		maps[n] = (struct gnttab_map_grant_ref){.host_addr = (u64)at + n * PAGE_SIZE,
							.flags = GNTMAP_host_map,
							.dom = of,
							.ref = ref + n};
	good(hypercall(grant_table_op, GNTTABOP_map_grant_ref, maps, batch));
	must(maps[batch - 1].status == 0, "grant map");
}

static inline void grants_unmap(unsigned int batch)
{
	for (unsigned int n = 0; n < batch; n++)
		unmaps[n] = (struct gnttab_unmap_grant_ref){.host_addr = maps[n].host_addr,
							    .handle = maps[n].handle};
	good(hypercall(grant_table_op, GNTTABOP_unmap_grant_ref, unmaps, batch));
	must(unmaps[batch - 1].status == 0, "grant unmap");
}

static inline void grants_copy(domid_t of, char *to, unsigned int batch)
{
	for (unsigned int n = 0; n < batch; n++)
		copies[n] = (struct gnttab_copy){
			.source = {.u.ref = FIRST_REF + n, .domid = of},
			.dest = {.u.gmfn = mfn_of(to), .domid = DOMID_SELF},
			.len = 4096,
			.flags = GNTCOPY_source_gref,
		};
	good(hypercall(grant_table_op, GNTTABOP_copy, copies, batch));
	must(copies[batch - 1].status == 0, "grant copy");
}

/* How many grants the next round takes at once. */
static unsigned int batch;

static inline void batch_of_1(void)
{
	batch = 1;
}

static inline void batch_of_16(void)
{
	batch = 16;
}

static inline void batch_of_256(void)
{
	batch = GRANTS;
}

/* SPDX-License-Identifier: MIT */
/* uses: src/hcall/mmu_op.c src/hcall/memory_op.c src/hcall/mm_exchange.c src/hcall/subop.c src/mm/frame.c src/mm/ptable.c src/mm/update.c src/mm/mirror.c src/mm/twin.c src/mm/root.c src/mm/walk.c src/mm/domain_mm.c src/mm/buddy.c src/mm/heap.c src/mm/flush.c src/mm/m2p.c src/mm/desc.c src/mm/audit.c src/lib/rangeset.c src/lib/bitmap.c test/fake/machine.c test/fake/core.c test/fake/mm_world.c */
/*
 * Sequences of memory hypercalls from bytes: what a guest can do with its arguments, its pages and its patience. After
 * each sequence every count is right; when the guest has ended, every frame is back.
 */
#include <stdlib.h>
#include <string.h>

#include "hcall/hcall.h"
#include "hcall/subop.h"
#include "mm_world.h"
#include "pv/pv.h"

/* Nobody has an LDT. */
bool pv_ldt_revoke(struct domain *owner, mfn_t mfn)
{
	(void)owner;
	(void)mfn;
	return false;
}

#define PAGES 12

static struct domain *d;
static mfn_t pages[PAGES];
static const u8 *data;
static size_t left;

void pv_root_changed(struct vcpu *v, bool is_user)
{
	(void)v;
}

int pv_ldt_set(struct vcpu *v, u64 va, u32 entries)
{
	(void)v;
	(void)va;
	return entries > 8192 ? -EINVAL : 0;
}

static u64 take(unsigned int bytes)
{
	u64 value = 0;

	for (; bytes && left; bytes--, left--)
		value = value << 8 | *data++;
	return value;
}

/* A number that is often one of the guest's own frames. */
static u64 take_mfn(void)
{
	u8 kind = (u8)take(1);

	return kind < 240 ? mfn_num(pages[kind % PAGES]) : kind < 250 ? take(2) : take(8);
}

static u64 take_entry(void)
{
	u64 flags = take(1);

	if (flags & 0x80)
		flags = (flags & 7) | take(2) << 5 | take(1) << 56;
	return take_mfn() << 12 | flags;
}

static u64 take_address(void)
{
	u8 kind = (u8)take(1);

	if (kind < 200)
		return (u64)fake_arena + kind * 16;
	return kind < 220 ? 0 : take(8);
}

static void call(hcall_fn fn, u64 a0, u64 a1, u64 a2, u64 a3)
{
	struct hcall_args args = {.a = {a0, a1, a2, a3}};
	unsigned int restarts = take(1) % 4 ? 1000 : 1; /* some never come back */
	int rc;

	do {
		rc = fn(d->vcpus[0], &args);
	} while (rc == -ERESTART && --restarts);
}

static domid_t take_domid(void)
{
	u8 kind = (u8)take(1);

	return kind < 200 ? DOMID_SELF : kind < 210 ? DOMID_IO : kind < 220 ? 1 : (domid_t)take(2);
}

static void mmu_updates(void)
{
	struct mmu_update *requests = (struct mmu_update *)fake_arena;
	u32 count = 1 + (u32)take(1) % 20;

	for (u32 i = 0; i < count; i++) {
		requests[i].ptr = take_mfn() << 12 | take(1) % 8 << 3 | take(1) % 4;
		requests[i].val = take_entry();
	}
	call(do_mmu_update, take(1) < 230 ? (u64)requests : take_address(),
	     take(1) < 230 ? count : take(4), take_address(),
	     take_domid() | (take(1) < 250 ? 0 : take(2) << 16));
}

static void mmuext_ops(void)
{
	struct mmuext_op *ops = (struct mmuext_op *)fake_arena;
	u32 count = 1 + (u32)take(1) % 8;

	for (u32 i = 0; i < count; i++) {
		ops[i].cmd = (u32)take(1) % 24;
		ops[i].arg1.mfn = take_mfn();
		ops[i].arg2.src_mfn = take(1) % 2 ? take_mfn() : take_address();
	}
	call(do_mmuext_op, (u64)ops, count, take_address(), take_domid());
}

static void reservation_take(struct xen_memory_reservation *r, u64 *list)
{
	r->extent_start.p = take(1) < 230 ? list : (u64 *)take_address();
	r->nr_extents = take(1) < 230 ? take(1) % 16 : take(8);
	r->extent_order = take(1) < 200 ? (u32)take(1) % 4 : (u32)take(4);
	r->mem_flags = take(1) < 200 ? 0 : (u32)take(4);
	r->domid = take_domid();
}

static void memory_ops(void)
{
	struct xen_memory_exchange *x = (struct xen_memory_exchange *)fake_arena;
	u64 *lists = (u64 *)(fake_arena + 4096);
	u64 cmd = take(1) % 32;

	for (unsigned int i = 0; i < 32; i++)
		lists[i] = take_mfn();
	reservation_take(&x->in, lists);
	reservation_take(&x->out, lists + 16);
	x->nr_exchanged = take(1) < 200 ? 0 : take(1);
	call(do_memory_op, cmd | (take(1) < 230 ? 0 : take(8) << MEMORY_EXTENT_SHIFT),
	     take(1) < 240 ? (u64)x : take_address(), 0, 0);
}

static void one(void)
{
	switch (take(1) % 8) {
	case 0:
	case 1:
	case 2:
		mmu_updates();
		break;
	case 3:
	case 4:
		mmuext_ops();
		break;
	case 5:
		memory_ops();
		break;
	case 6:
		call(do_update_va_mapping, take(4), take_entry(), take(1) % 8, 0);
		break;
	default:
		fake_preempt_every = (unsigned int)take(1) % 4;
		break;
	}
}

static void start(void)
{
	static bool is_made;

	if (!is_made) {
		world_init(512);
		fake_copy_any = false;
		is_made = true;
	}
	fake_preempt_every = 0;
	memset(fake_arena, 0, 8192);
	d = world_domain(1, 1, 40);
	for (unsigned int i = 0; i < PAGES; i++)
		pages[i] = world_page(d);
	/* A tree that maps something, to begin with. */
	table_of(pages[0])[0] = pte_make(pages[1], P | RW);
	table_of(pages[1])[0] = pte_make(pages[2], P | RW);
	table_of(pages[2])[0] = pte_make(pages[3], P | RW);
	table_of(pages[3])[0] = pte_make(pages[4], P | RW);
}

int LLVMFuzzerTestOneInput(const u8 *input, size_t size);
int LLVMFuzzerTestOneInput(const u8 *input, size_t size)
{
	static u64 free_after;
	mfn_t old;

	data = input;
	left = size;
	start();
	if (take(1) % 2 && !pt_root_switch(d->vcpus[0], pages[0], false, &old))
		pt_root_put(d->vcpus[0], old);
	while (left)
		one();
	fake_preempt_every = 0;
	if (world_audit())
		abort();
	world_domain_kill(d);
	if (free_after && frame_free_count() != free_after)
		abort();
	free_after = frame_free_count();
	return 0;
}

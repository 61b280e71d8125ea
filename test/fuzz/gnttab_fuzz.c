/* SPDX-License-Identifier: MIT */
/* uses: src/gnttab/table.c src/gnttab/entry.c src/gnttab/mapping.c src/gnttab/map.c src/gnttab/copy.c src/hcall/grant_op.c src/hcall/subop.c src/mm/frame.c src/mm/ptable.c src/mm/update.c src/mm/mirror.c src/mm/twin.c src/mm/root.c src/mm/walk.c src/mm/domain_mm.c src/mm/buddy.c src/mm/heap.c src/mm/flush.c src/mm/m2p.c src/mm/desc.c src/mm/audit.c src/lib/rangeset.c src/lib/bitmap.c test/fake/machine.c test/fake/core.c test/fake/mm_world.c test/fake/gnttab_world.c */
/*
 * Sequences of grant operations of two domains from bytes, with entries and page tables changed in between. After each
 * sequence every count is right; when both domains have ended, every frame is back.
 */
#include <stdlib.h>
#include <string.h>

#include "gnttab_world.h"
#include "hcall/hcall.h"

#define OPS_MAX 40

static struct side sides[2];
static const u8 *data;
static size_t left;

static u64 take(unsigned int bytes)
{
	u64 value = 0;

	for (; bytes && left; bytes--, left--)
		value = value << 8 | *data++;
	return value;
}

static struct side *take_side(void)
{
	return &sides[take(1) % 2];
}

static u64 take_mfn(void)
{
	u8 kind = (u8)take(1);
	struct side *side = &sides[kind % 2];

	if (kind < 200)
		return mfn_num(side->pages[kind / 2 % SIDE_PAGES]);
	return kind < 220 ? mfn_num(side->l1) : kind < 230 ? mfn_num(side->root) : take(kind % 9);
}

static domid_t take_domid(void)
{
	u8 kind = (u8)take(1);

	return kind < 230 ? sides[kind % 2].d->id : kind < 245 ? DOMID_SELF : (domid_t)take(2);
}

static u32 take_ref(void)
{
	u8 kind = (u8)take(1);

	return kind < 240 ? kind % 6 : (u32)take(kind % 5);
}

/* An address to map at: of a slot, of its entry, or any. */
static u64 take_place(void)
{
	u8 kind = (u8)take(1), slot = kind / 8 % SIDE_SLOTS;

	switch (kind % 8) {
	case 0:
	case 1:
	case 2:
		return side_slot_va(slot);
	case 3:
	case 4:
	case 5:
		return side_slot_maddr(&sides[kind / 64 % 2], slot);
	case 6:
		return take_mfn() << 12 | (u64)slot * 4;
	default:
		return take(8);
	}
}

static void map_take(struct gnttab_map_grant_ref *op)
{
	op->host_addr = take_place();
	op->flags = (u32)take(1);
	op->ref = take_ref();
	op->dom = take_domid();
}

static void unmap_take(struct gnttab_unmap_grant_ref *op)
{
	u8 kind = (u8)take(1);

	op->host_addr = take_place();
	op->dev_bus_addr = kind % 2 ? 0 : take_mfn() << 12;
	op->handle = kind < 240 ? kind / 2 % 32 : (u32)take(4);
}

static void replace_take(struct gnttab_unmap_and_replace *op)
{
	op->host_addr = take_place();
	op->new_addr = take_place();
	op->handle = (u32)take(1) % 32;
}

static void end_take(struct gnttab_copy_ptr *ptr, bool is_ref)
{
	if (is_ref)
		ptr->u.ref = take_ref();
	else
		ptr->u.gmfn = take_mfn();
	ptr->domid = take_domid();
	ptr->offset = (u16)(take(1) * 17);
}

static void copy_take(struct gnttab_copy *op)
{
	op->flags = (u16)(take(1) % 8);
	end_take(&op->source, op->flags & GNTCOPY_source_gref);
	end_take(&op->dest, op->flags & GNTCOPY_dest_gref);
	op->len = (u16)(take(1) * 17);
}

static void call(unsigned int cmd, void *ops, u32 count)
{
	struct hcall_args args = {.a = {cmd, (u64)ops, count}};
	unsigned int restarts = take(1) % 4 ? 1000 : 1; /* some never come back */
	struct side *side = take_side();
	int rc;

	fake_preempt_every = (unsigned int)take(1) % 4;
	fake_copy_fail_after = take(1) % 32 ? -1 : (int)take(1) % 8;
	fake_alloc_fail_after = take(1) % 32 ? -1 : (int)take(1) % 4;
	do {
		rc = do_grant_table_op(side->d->vcpus[0], &args);
	} while (rc == -ERESTART && --restarts);
	fake_copy_fail_after = fake_alloc_fail_after = -1;
	fake_preempt_every = 0;
}

static void operations(void)
{
	static union {
		struct gnttab_map_grant_ref map[OPS_MAX];
		struct gnttab_unmap_grant_ref unmap[OPS_MAX];
		struct gnttab_unmap_and_replace replace[OPS_MAX];
		struct gnttab_copy copy[OPS_MAX];
		u8 bytes[2048];
	} ops;
	u32 count = (u32)take(1) % OPS_MAX, given = count % 5 ? 1 : count;
	unsigned int cmd = (unsigned int)take(1) % 16;

	memset(&ops, 0, sizeof(ops));
	for (u32 i = 0; i < given; i++) {
		if (cmd == GNTTABOP_map_grant_ref)
			map_take(&ops.map[i]);
		else if (cmd == GNTTABOP_unmap_grant_ref)
			unmap_take(&ops.unmap[i]);
		else if (cmd == GNTTABOP_unmap_and_replace)
			replace_take(&ops.replace[i]);
		else if (cmd == GNTTABOP_copy)
			copy_take(&ops.copy[i]);
		else
			for (unsigned int j = 0; j < 24; j++)
				ops.bytes[i * 24 + j] = (u8)take(1) & 7;
	}
	call(cmd, &ops, given);
}

static void entry_written(void)
{
	struct side *side = take_side();
	u32 ref = (u32)take(1) % 6;
	u16 flags = take(1) % 4 ? GTF_permit_access : (u16)take(2);

	side->entries[ref] = entry_of(flags, take_domid(), mfn_make(take_mfn() & 0xffffffff));
}

static void table_written(void)
{
	struct side *side = take_side();
	u64 value = take(1) % 4 ? take_mfn() << 12 | (take(1) & 0x67) : take(8);

	(void)pt_update(side->d->vcpus[0], side->d, side->d,
			maddr_make(side_slot_maddr(side, (unsigned int)take(1) % SIDE_SLOTS)),
			value, take(1) % 2);
}

static void type_changed(void)
{
	struct side *side = take_side();
	mfn_t mfn = take(1) % 8 ? side->pages[take(1) % SIDE_PAGES] : side->l1;

	if (take(1) % 2)
		(void)pt_pin(side->d, mfn, 1 + (unsigned int)take(1) % 4);
	else
		(void)pt_unpin(side->d, mfn);
}

int LLVMFuzzerTestOneInput(const u8 *input, size_t size);
int LLVMFuzzerTestOneInput(const u8 *input, size_t size)
{
	static u64 free_after;
	unsigned int first;

	data = input;
	left = size;
	world_init(512);
	side_make(&sides[0], 1, 1);
	side_make(&sides[1], 2, 1);
	while (left) {
		static void (*const all[8])(void) = {
			operations,    operations,    operations,   operations,
			entry_written, entry_written, type_changed, table_written,
		};

		all[take(1) % 8]();
	}
	if (sides_audit(sides, 2))
		abort();
	first = size ? input[0] % 2 : 0;
	if (side_kill(&sides[first])) {
		if (!side_kill(&sides[1 - first]))
			abort();
	} else {
		if (!side_kill(&sides[1 - first]))
			abort();
		side_free(&sides[first]);
	}
	/* The heap keeps pages for what it gave before. */
	if (free_after && frame_free_count() + 4 < free_after)
		abort();
	free_after = MAX(free_after, frame_free_count());
	return 0;
}

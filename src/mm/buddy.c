/* SPDX-License-Identifier: MIT */
/*
 * Free frames: a buddy allocator whose lists are sorted by address width, so that low memory is used last. Reached by
 * boot (frame_pool_add), the heap and domain_mm.c; calls flush.c, because a frame that a guest had may still be in some
 * CPU's TLB. Lock: LOCK_RANK_BUDDY.
 *
 * A free block is known by its first frame alone: owner FREE, done = order + 1. No other frame has owner FREE.
 */
#include "mm/priv.h"

#include "core/err.h"
#include "core/log.h"
#include "lib/bits.h"
#include "lib/string.h"

#define ZONES 33 /* zone = address width of the block's last frame number */

static struct lock buddy_lock = LOCK_INIT(LOCK_RANK_BUDDY);
static u32 heads_plus_one[ZONES][FRAME_ORDER_MAX + 1]; /* [l] 0: empty */
static u32 orders_present[ZONES];		       /* [l] bit for each list that is not empty */
static u64 zones_present;			       /* [l] bit for each zone with a block */
u64 opt_low_mem_bytes = 64 << 20;
static u64 free_count; /* [l] read without */

static unsigned int zone_of(u64 mfn, unsigned int order)
{
	return fls64(mfn + BIT(order) - 1);
}

static struct frame *frame_at(u64 mfn)
{
	return frame_of(mfn_make(mfn));
}

static void block_insert(u64 mfn, unsigned int order)
{
	unsigned int zone = zone_of(mfn, order);
	struct frame *f = frame_at(mfn);
	u32 *head = &heads_plus_one[zone][order];

	atomic_store(&f->owner, (u16)FRAME_OWNER_FREE);
	f->done = (u16)(order + 1);
	f->prev = FRAME_LINK_NONE;
	f->next = *head - 1;
	if (*head)
		frame_at(*head - 1)->prev = (u32)mfn;
	*head = (u32)mfn + 1;
	orders_present[zone] |= 1u << order;
	zones_present |= BIT(zone);
}

static void block_remove(u64 mfn, unsigned int order)
{
	unsigned int zone = zone_of(mfn, order);
	struct frame *f = frame_at(mfn);

	if (f->next != FRAME_LINK_NONE)
		frame_at(f->next)->prev = f->prev;
	if (f->prev != FRAME_LINK_NONE)
		frame_at(f->prev)->next = f->next;
	else
		heads_plus_one[zone][order] = f->next + 1;
	if (!heads_plus_one[zone][order]) {
		orders_present[zone] &= ~(1u << order);
		if (!orders_present[zone])
			zones_present &= ~BIT(zone);
	}
	atomic_store(&f->owner, (u16)FRAME_OWNER_MICA);
	f->done = 0;
}

static bool block_is_free(u64 mfn, unsigned int order)
{
	const struct frame *f;

	if (!hw_frame_is_ram(mfn_make(mfn)))
		return false;
	f = frame_at(mfn);
	return atomic_load(&f->owner) == FRAME_OWNER_FREE && f->done == order + 1;
}

static void block_free_locked(u64 mfn, unsigned int order)
{
	free_count += BIT(order);
	while (order < FRAME_ORDER_MAX) {
		u64 buddy = mfn ^ BIT(order);

		if (!block_is_free(buddy, order))
			break;
		block_remove(buddy, order);
		mfn &= ~BIT(order);
		order++;
	}
	block_insert(mfn, order);
}

void frame_pool_add(mfn_t first, u64 frames)
{
	u64 mfn = mfn_num(first), end = mfn + frames;

	ASSERT(mfn); /* frame 0 is nobody's: leaf_fill_quick() */
	lock_acquire(&buddy_lock);
	while (mfn < end) {
		unsigned int order = MIN(mfn ? bits_first(mfn) : 63u, bits_last(end - mfn));

		order = MIN(order, (unsigned int)FRAME_ORDER_MAX);
		block_free_locked(mfn, order);
		mfn += BIT(order);
	}
	lock_release(&buddy_lock);
}

static bool block_take_locked(unsigned int order, unsigned int zone_max, u64 *mfn)
{
	u64 low;

	for (u64 zones = zones_present & (BIT(zone_max + 1) - 1); zones;) {
		unsigned int zone = bits_last(zones), have;
		u32 orders = orders_present[zone] >> order << order;

		zones &= ~BIT(zone);

		if (!orders)
			continue;
		have = bits_first(orders);
		*mfn = heads_plus_one[zone][have] - 1;
		block_remove(*mfn, have);
		/* The lower half goes on the list: high memory is used first here too. */
		while (have > order) {
			have--;
			block_insert(*mfn, have);
			*mfn += BIT(have);
		}
		free_count -= BIT(order);
		low = opt_low_mem_bytes >> PAGE_SHIFT;
		if (free_count < low && free_count + BIT(order) >= low)
			work_raise(cpu_id(), WORK_MEMORY);
		return true;
	}
	return false;
}

static mfn_t block_alloc(unsigned int order, unsigned int zone_max, bool zero)
{
	u64 mfn, newest = 0;
	bool found;

	if (order > FRAME_ORDER_MAX || hw_alloc_fails())
		return MFN_NONE;
	lock_acquire(&buddy_lock);
	found = block_take_locked(order, MIN(zone_max, ZONES - 1u), &mfn);
	lock_release(&buddy_lock);
	if (!found)
		return MFN_NONE;
	for (u64 i = 0; i < BIT(order); i++) {
		struct frame *f = frame_at(mfn + i);

		atomic_store(&f->owner, (u16)FRAME_OWNER_MICA);
		if (unlikely(f->stamp)) {
			newest = MAX(newest, flush_stamp_expand(f->stamp));
			f->stamp = 0;
		}
	}
	/* What the last owner's CPUs may still reach must not become anybody else's. */
	if (newest)
		flush_newer_than(newest, NULL);
	if (zero)
		memset(hw_frame_map(mfn_make(mfn)), 0, PAGE_SIZE << order);
	return mfn_make(mfn);
}

mfn_t frame_alloc(unsigned int order, unsigned int flags)
{
	return block_alloc(order, flags & FRAME_BELOW_4G ? 32 - PAGE_SHIFT : ZONES - 1,
			   flags & FRAME_ZERO);
}

mfn_t frame_alloc_below(unsigned int order, unsigned int address_bits)
{
	if (address_bits < PAGE_SHIFT)
		return MFN_NONE;
	return block_alloc(order, address_bits - PAGE_SHIFT, false);
}

void frame_free(mfn_t mfn, unsigned int order)
{
	ASSERT(order <= FRAME_ORDER_MAX && !(mfn_num(mfn) & (BIT(order) - 1)));
	for (u64 i = 0; i < BIT(order); i++) {
		struct frame *f = frame_of(mfn_add(mfn, i));

		ASSERT(atomic_load(&f->owner) == FRAME_OWNER_MICA);
		f->done = 0;
		atomic_store(&f->word, FRAME_TAINTED);
	}
	lock_acquire(&buddy_lock);
	block_free_locked(mfn_num(mfn), order);
	lock_release(&buddy_lock);
}

void frame_free_stamped(mfn_t mfn)
{
	lock_acquire(&buddy_lock);
	block_free_locked(mfn_num(mfn), 0);
	lock_release(&buddy_lock);
}

u64 frame_free_count(void)
{
	return atomic_load(&free_count);
}

/* SPDX-License-Identifier: MIT */
/*
 * Free frames: a buddy allocator whose lists are sorted by address width, so that low memory is used last. Reached by
 * boot (frame_pool_add), the heap and domain_mm.c; calls flush.c, because a frame that a guest had may still be in some
 * CPU's TLB. Lock: LOCK_RANK_BUDDY.
 *
 * A free block is known by its first frame alone: owner FREE, done = order + 1. No other frame has owner FREE.
 *
 * What is given back is dirty until a CPU with nothing else to do has scrubbed it, or whoever takes it does.
 */
#include "mm/priv.h"

#include "core/err.h"
#include "core/log.h"
#include "lib/bits.h"
#include "lib/string.h"

#define ZONES	    33	   /* zone = address width of the block's last frame number */
#define DONE_DIRTY  0x100u /* in `done`: a guest's data may be in it */
#define SCRUB_TRIES 16	   /* by who finds no block large enough */
#define SCRUB_ORDER 6	   /* so much is scrubbed in one go */

/* Free blocks: those to be scrubbed, and the others. */
static struct pool {
	u32 heads_plus_one[ZONES][FRAME_ORDER_MAX + 1]; /* [l] 0: empty */
	u32 orders_present[ZONES]; /* [l] bit for each list that is not empty */
	u64 zones_present;	   /* [l] bit for each zone with a block */
} pools[2];
#define CLEAN_POOL 0u
#define DIRTY_POOL 1u

static struct lock buddy_lock = LOCK_INIT(LOCK_RANK_BUDDY);
static u64 free_count;	  /* [l] read without */
static bool is_scrubbing; /* [a] one CPU has taken out a block for that */
u64 opt_low_mem_bytes = 64 << 20;

static unsigned int zone_of(u64 mfn, unsigned int order)
{
	return fls64(mfn + BIT(order) - 1);
}

static struct frame *frame_at(u64 mfn)
{
	return frame_of(mfn_make(mfn));
}

static u16 done_of(unsigned int order, bool is_dirty)
{
	return (u16)((order + 1) | (is_dirty ? DONE_DIRTY : 0));
}

static void block_insert(u64 mfn, unsigned int order, bool is_dirty)
{
	unsigned int zone = zone_of(mfn, order);
	struct frame *f = frame_at(mfn);
	struct pool *pool = &pools[is_dirty];
	u32 *head = &pool->heads_plus_one[zone][order];

	atomic_store(&f->owner, (u16)FRAME_OWNER_FREE);
	f->done = done_of(order, is_dirty);
	f->prev = FRAME_LINK_NONE;
	f->next = *head - 1;
	if (*head)
		frame_at(*head - 1)->prev = (u32)mfn;
	*head = (u32)mfn + 1;
	pool->orders_present[zone] |= 1u << order;
	pool->zones_present |= BIT(zone);
}

/* True: it was a dirty one. */
static bool block_remove(u64 mfn, unsigned int order)
{
	unsigned int zone = zone_of(mfn, order);
	struct frame *f = frame_at(mfn);
	bool is_dirty = f->done & DONE_DIRTY;
	struct pool *pool = &pools[is_dirty];

	if (f->next != FRAME_LINK_NONE)
		frame_at(f->next)->prev = f->prev;
	if (f->prev != FRAME_LINK_NONE)
		frame_at(f->prev)->next = f->next;
	else
		pool->heads_plus_one[zone][order] = f->next + 1;
	if (!pool->heads_plus_one[zone][order]) {
		pool->orders_present[zone] &= ~(1u << order);
		if (!pool->orders_present[zone])
			pool->zones_present &= ~BIT(zone);
	}
	atomic_store(&f->owner, (u16)FRAME_OWNER_MICA);
	f->done = 0;
	return is_dirty;
}

static bool block_is_free(u64 mfn, unsigned int order, bool is_dirty)
{
	const struct frame *f;

	if (!hw_frame_is_ram(mfn_make(mfn)))
		return false;
	f = frame_at(mfn);
	return atomic_load(&f->owner) == FRAME_OWNER_FREE && f->done == done_of(order, is_dirty);
}

/* Neighbours become one block if both are dirty, or none. */
static void block_put_locked(u64 mfn, unsigned int order, bool is_dirty)
{
	for (; order < FRAME_ORDER_MAX && block_is_free(mfn ^ BIT(order), order, is_dirty);
	     order++) {
		block_remove(mfn ^ BIT(order), order);
		mfn &= ~BIT(order);
	}
	block_insert(mfn, order, is_dirty);
}

static void block_free_locked(u64 mfn, unsigned int order, bool is_dirty)
{
	free_count += BIT(order);
	block_put_locked(mfn, order, is_dirty);
}

static void range_free_locked(u64 mfn, u64 frames, bool is_dirty)
{
	for (u64 end = mfn + frames; mfn < end;) {
		unsigned int order = MIN(bits_first(mfn), bits_last(end - mfn));

		order = MIN(order, (unsigned int)FRAME_ORDER_MAX);
		block_free_locked(mfn, order, is_dirty);
		mfn += BIT(order);
	}
}

void frame_pool_add(mfn_t first, u64 frames)
{
	LOCK_SCOPE(&buddy_lock);
	ASSERT(mfn_num(first)); /* frame 0 is nobody's: leaf_fill_quick() */
	range_free_locked(mfn_num(first), frames, false);
}

/* The upper end of a block. The lower parts go on the list: high memory is used first here too. */
static u64 block_split_locked(u64 mfn, unsigned int have, unsigned int order)
{
	bool is_dirty = block_remove(mfn, have);

	while (have > order) {
		have--;
		block_insert(mfn, have, is_dirty);
		mfn += BIT(have);
	}
	return mfn;
}

static bool block_take_locked(unsigned int order, unsigned int zone_max, u64 *mfn)
{
	u64 zones = (pools[0].zones_present | pools[1].zones_present) & (BIT(zone_max + 1) - 1);
	u64 low = opt_low_mem_bytes >> PAGE_SHIFT;

	while (zones) {
		unsigned int zone = bits_last(zones);

		zones &= ~BIT(zone);
		for (unsigned int i = CLEAN_POOL; i <= DIRTY_POOL; i++) {
			u32 orders = pools[i].orders_present[zone] >> order << order;
			unsigned int have;

			if (!orders)
				continue;
			have = bits_first(orders);
			*mfn = block_split_locked(pools[i].heads_plus_one[zone][have] - 1, have,
						  order);
			free_count -= BIT(order);
			if (free_count < low && free_count + BIT(order) >= low)
				work_raise(cpu_id(), WORK_MEMORY);
			return true;
		}
	}
	return false;
}

/* What the last owner's CPUs may still reach must not become anybody else's. */
static void block_own(u64 mfn, unsigned int order)
{
	u64 newest = 0;

	for (u64 i = 0; i < BIT(order); i++) {
		struct frame *f = frame_at(mfn + i);

		atomic_store(&f->owner, (u16)FRAME_OWNER_MICA);
		if (unlikely(f->stamp)) {
			newest = MAX(newest, flush_stamp_expand(f->stamp));
			f->stamp = 0;
		}
	}
	if (newest)
		flush_newer_than(newest, NULL);
}

/* The smallest dirty block, or a part of it; it still counts as free. */
static bool block_take_dirty_locked(unsigned int zone_max, u64 *mfn, unsigned int *order)
{
	const struct pool *pool = &pools[DIRTY_POOL];
	u64 zones = pool->zones_present & (BIT(zone_max + 1) - 1);
	unsigned int zone, have;

	if (!zones)
		return false;
	zone = bits_last(zones);
	have = bits_first(pool->orders_present[zone]);
	*order = MIN(have, (unsigned int)SCRUB_ORDER);
	*mfn = block_split_locked(pool->heads_plus_one[zone][have] - 1, have, *order);
	return true;
}

bool frame_scrub_wanted(void)
{
	return atomic_load(&pools[DIRTY_POOL].zones_present) && !atomic_load(&is_scrubbing);
}

static bool scrub_below(unsigned int zone_max)
{
	unsigned int order;
	bool found;
	u64 mfn;

	if (atomic_exchange(&is_scrubbing, true)) {
		hw_relax();
		return true;
	}
	lock_acquire(&buddy_lock);
	found = block_take_dirty_locked(zone_max, &mfn, &order);
	lock_release(&buddy_lock);
	if (found) {
		block_own(mfn, order); /* from here on nobody can write into it */
		hw_scrub(hw_frame_map(mfn_make(mfn)), PAGE_SIZE << order);
		for (u64 i = 0; i < BIT(order); i++)
			atomic_store(&frame_at(mfn + i)->word, FRAME_CLEAN);
		lock_acquire(&buddy_lock);
		block_put_locked(mfn, order, false);
		lock_release(&buddy_lock);
	}
	atomic_store(&is_scrubbing, false);
	return found;
}

bool frame_scrub(void)
{
	return scrub_below(ZONES - 1);
}

static mfn_t block_alloc(unsigned int order, unsigned int zone_max, bool zero)
{
	unsigned int tries = 0;
	bool found;
	u64 mfn;

	zone_max = MIN(zone_max, ZONES - 1u);
	if (order > FRAME_ORDER_MAX || hw_alloc_fails())
		return MFN_NONE;
	do {
		lock_acquire(&buddy_lock);
		found = block_take_locked(order, zone_max, &mfn);
		lock_release(&buddy_lock);
		/* Clean and dirty neighbours may be a block together; or the last ones are being scrubbed. */
	} while (!found && (order != 0 || atomic_load(&is_scrubbing)) && scrub_below(zone_max) &&
		 ++tries < SCRUB_TRIES);
	if (!found)
		return MFN_NONE;
	block_own(mfn, order);
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
	block_free_locked(mfn_num(mfn), order, true);
	lock_release(&buddy_lock);
}

void frames_free_stamped(const u32 *mfns, unsigned int count)
{
	LOCK_SCOPE(&buddy_lock);
	for (unsigned int i = 0, run; i < count; i += run) {
		for (run = 1; i + run < count && mfns[i + run] == mfns[i] + run;)
			run++;
		range_free_locked(mfns[i], run, true);
	}
}

u64 frame_free_count(void)
{
	return atomic_load(&free_count);
}

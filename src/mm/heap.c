/* SPDX-License-Identifier: MIT */
/*
 * Mica's own heap: slabs of one page for objects up to 2048 bytes (sizes are powers of two), whole pages above. Reached
 * by everyone; calls buddy.c. Lock: LOCK_RANK_HEAP.
 *
 * A slab's book-keeping is in its frame's entry: done = size class + 1, stamp = objects in use << 16 | first free object,
 * next and prev: the class's list of slabs with room. A larger block has done = PAGES | order.
 */
#include "mm/mm.h"

#include "core/err.h"
#include "lib/bits.h"
#include "lib/string.h"

#define CLASS_SHIFT_MIN 4
#define CLASS_SHIFT_MAX 11
#define CLASS_COUNT	(CLASS_SHIFT_MAX - CLASS_SHIFT_MIN + 1)
#define DONE_PAGES	0x100u
#define OBJECT_NONE	0xffffu

static struct lock heap_lock = LOCK_INIT(LOCK_RANK_HEAP);
static u64 bytes_in_use;		  /* [a] */
static u32 partial_plus_one[CLASS_COUNT]; /* [l] slabs with a free object; 0: none */

static u16 *object_at(void *page, unsigned int shift, unsigned int idx)
{
	return (u16 *)(void *)((u8 *)page + ((size_t)idx << shift));
}

static void partial_insert(struct frame *f, unsigned int class_idx)
{
	u32 mfn = (u32)mfn_num(frame_mfn(f));
	u32 *head = &partial_plus_one[class_idx];

	f->prev = FRAME_LINK_NONE;
	f->next = *head - 1;
	if (*head)
		frame_of(mfn_make(*head - 1))->prev = mfn;
	*head = mfn + 1;
}

static void partial_remove(struct frame *f, unsigned int class_idx)
{
	if (f->next != FRAME_LINK_NONE)
		frame_of(mfn_make(f->next))->prev = f->prev;
	if (f->prev != FRAME_LINK_NONE)
		frame_of(mfn_make(f->prev))->next = f->next;
	else
		partial_plus_one[class_idx] = f->next + 1;
}

static struct frame *slab_new(unsigned int class_idx)
{
	unsigned int shift = class_idx + CLASS_SHIFT_MIN, count = PAGE_SIZE >> shift;
	mfn_t mfn = frame_alloc(0, 0);
	struct frame *f;

	if (mfn_is_none(mfn))
		return NULL;
	f = frame_of(mfn);
	for (unsigned int i = 0; i < count; i++)
		*object_at(hw_frame_map(mfn), shift,
			   i) = (u16)(i + 1 < count ? i + 1 : OBJECT_NONE);
	f->done = (u16)(class_idx + 1);
	f->stamp = 0; /* none in use, object 0 first */
	return f;
}

static void *slab_alloc(unsigned int class_idx)
{
	unsigned int shift = class_idx + CLASS_SHIFT_MIN;
	struct frame *f, *fresh = NULL;
	u16 *object;

	lock_acquire(&heap_lock);
	if (!partial_plus_one[class_idx]) {
		lock_release(&heap_lock);
		fresh = slab_new(class_idx);
		if (!fresh)
			return NULL;
		lock_acquire(&heap_lock);
		partial_insert(fresh, class_idx);
	}
	f = frame_of(mfn_make(partial_plus_one[class_idx] - 1));
	object = object_at(hw_frame_map(frame_mfn(f)), shift, f->stamp & 0xffff);
	f->stamp = ((f->stamp & 0xffff0000) + 0x10000) | *object;
	if (*object == OBJECT_NONE)
		partial_remove(f, class_idx);
	lock_release(&heap_lock);
	(void)atomic_add(&bytes_in_use, BIT(shift));
	memset(object, 0, (size_t)1 << shift);
	return object;
}

static void slab_free(struct frame *f, void *ptr)
{
	unsigned int class_idx = f->done - 1u, shift = class_idx + CLASS_SHIFT_MIN;
	unsigned int idx = (unsigned int)(((u64)ptr & ~PAGE_MASK) >> shift);
	bool was_full, is_empty;

	ASSERT(class_idx < CLASS_COUNT && !((u64)ptr & (BIT(shift) - 1)));
	lock_acquire(&heap_lock);
	was_full = (f->stamp & 0xffff) == OBJECT_NONE;
	*(u16 *)ptr = (u16)(f->stamp & 0xffff);
	f->stamp = ((f->stamp & 0xffff0000) - 0x10000) | idx;
	is_empty = f->stamp >> 16 == 0;
	if (was_full && !is_empty)
		partial_insert(f, class_idx);
	else if (is_empty && !was_full)
		partial_remove(f, class_idx);
	lock_release(&heap_lock);
	(void)atomic_sub(&bytes_in_use, BIT(shift));
	if (is_empty) {
		f->stamp = 0; /* no guest ever saw it */
		frame_free(frame_mfn(f), 0);
	}
}

void *heap_alloc(size_t bytes)
{
	unsigned int order;
	mfn_t mfn;

	if (hw_alloc_fails())
		return NULL;
	if (bytes <= BIT(CLASS_SHIFT_MAX))
		return slab_alloc(ilog2_up(MAX(bytes, BIT(CLASS_SHIFT_MIN))) - CLASS_SHIFT_MIN);
	if (bytes > PAGE_SIZE << FRAME_ORDER_MAX)
		return NULL;
	order = ilog2_up((bytes + PAGE_SIZE - 1) >> PAGE_SHIFT);
	mfn = frame_alloc(order, FRAME_ZERO);
	if (mfn_is_none(mfn))
		return NULL;
	frame_of(mfn)->done = (u16)(DONE_PAGES | order);
	(void)atomic_add(&bytes_in_use, PAGE_SIZE << order);
	return hw_frame_map(mfn);
}

void heap_free(void *ptr)
{
	struct frame *f;

	if (!ptr)
		return;
	f = frame_of(hw_virt_to_mfn(ptr));
	ASSERT(f->owner == FRAME_OWNER_MICA && f->done);
	if (!(f->done & DONE_PAGES)) {
		slab_free(f, ptr);
		return;
	}
	(void)atomic_sub(&bytes_in_use, PAGE_SIZE << (f->done & 0xff));
	frame_free(frame_mfn(f), f->done & 0xff);
}

u64 heap_bytes(void)
{
	return atomic_load(&bytes_in_use);
}

/* SPDX-License-Identifier: MIT */
/*
 * What a domain has mapped of others: handles, given out from a list without a lock, in pages that come as they are needed
 * up to a limit. Reached from map.c and domain/; calls entry.c and mm. Lock: LOCK_RANK_MAPTRACK while the list grows.
 *
 * The owner of the frame is the one who granted it: the mapping's reference keeps the frame his, and him alive.
 */
#include "core/err.h"
#include "gnttab/priv.h"
#include "hw/cpu.h"

#define LIST_COUNT_ONE	    BIT(32)
#define HANDLES_PER_PREEMPT 32u

void mapping_free(struct gnttab *gt, u32 first, struct mapping *last)
{
	u64 head = atomic_load(&gt->mapping_free);

	do {
		atomic_store(&last->next, (u32)head);
	} while (!atomic_cmpxchg(&gt->mapping_free, &head,
				 ((head + LIST_COUNT_ONE) & ~0xffffffffull) | (first + 1)));
}

static bool grow(struct gnttab *gt)
{
	struct mapping *page = NULL;
	u32 pages, first;

	LOCK_SCOPE(&gt->mapping_lock);
	pages = gt->mapping_pages;
	first = pages * (u32)MAPPINGS_PER_PAGE;
	if ((u32)atomic_load(&gt->mapping_free) != 0)
		return true; /* another CPU was faster */
	if (gt->mappings == NULL)
		gt->mappings = heap_alloc(gt->mapping_pages_max * sizeof(void *));
	if (gt->mappings != NULL && pages < gt->mapping_pages_max)
		page = heap_alloc(PAGE_SIZE);
	if (page == NULL)
		return false;
	for (u32 i = 0; i < MAPPINGS_PER_PAGE - 1; i++)
		page[i].next = first + i + 2;
	gt->mappings[pages] = page;
	atomic_store(&gt->mapping_pages, pages + 1); /* pairs with mapping_find() */
	mapping_free(gt, first, &page[MAPPINGS_PER_PAGE - 1]);
	return true;
}

/* The first of the list; NULL: it is empty, or another CPU was faster. */
static inline struct mapping *take_first(struct gnttab *gt, u64 *head, u32 *handle)
{
	struct mapping *m;

	*handle = (u32)*head - 1;
	if (unlikely((u32)*head == 0))
		return NULL;
	m = &gt->mappings[*handle / MAPPINGS_PER_PAGE][*handle % MAPPINGS_PER_PAGE];
	if (unlikely(!atomic_cmpxchg(&gt->mapping_free, head,
				     ((*head + LIST_COUNT_ONE) & ~0xffffffffull) |
					     atomic_load(&m->next))))
		return NULL;
	return m;
}

static NOINLINE struct mapping *alloc_slow(struct gnttab *gt, u32 *handle)
{
	for (;;) {
		u64 head = atomic_load(&gt->mapping_free);
		struct mapping *m = take_first(gt, &head, handle);

		if (m != NULL)
			return m;
		if ((u32)head == 0 && !grow(gt))
			return NULL;
	}
}

struct mapping *mapping_alloc(struct gnttab *gt, u32 *handle)
{
	u64 head = atomic_load(&gt->mapping_free);
	struct mapping *m = take_first(gt, &head, handle);

	return likely(m != NULL) ? m : alloc_slow(gt, handle);
}

int gnttab_domain_release(struct domain *d)
{
	struct gnttab *gt = d->gnttab;
	struct mapping *m;

	/* Its page tables hold references of their own, which go with them. */
	while ((m = mapping_find(gt, gt->released)) != NULL) {
		if (atomic_load(&m->word) != 0)
			mapping_end(m, frame_owner(mfn_make(m->mfn)), 1);
		if (++gt->released % HANDLES_PER_PREEMPT == 0 && hw_preempt_wanted())
			return -ERESTART;
	}
	return 0;
}

void gnttab_audit_add(const struct domain *d)
{
	const struct mapping *m;

	for (u32 i = 0; (m = mapping_find(d->gnttab, i)) != NULL; i++)
		if (m->word != 0)
			audit_add(mfn_make(m->mfn), !(m->word & MAPPING_READONLY));
}

u32 gnttab_mapped_count(const struct domain *d)
{
	const struct mapping *m;
	u32 count = 0;

	for (u32 i = 0; (m = mapping_find(d->gnttab, i)) != NULL; i++)
		count += atomic_load(&m->word) != 0;
	return count;
}

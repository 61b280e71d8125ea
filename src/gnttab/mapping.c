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

struct mapping *mapping_find(const struct gnttab *gt, u32 handle)
{
	u64 count = atomic_load(&gt->mapping_pages) * MAPPINGS_PER_PAGE;

	if (handle >= count)
		return NULL;
	handle = (u32)idx_nospec(handle, count);
	return &gt->mappings[handle / MAPPINGS_PER_PAGE][handle % MAPPINGS_PER_PAGE];
}

/* first to last, linked, become free. */
static void list_push(struct gnttab *gt, u32 first, struct mapping *last)
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
	u32 pages;

	lock_acquire(&gt->mapping_lock);
	pages = gt->mapping_pages;
	if ((u32)atomic_load(&gt->mapping_free) != 0) {
		lock_release(&gt->mapping_lock);
		return true; /* another CPU was faster */
	}
	if (gt->mappings == NULL)
		gt->mappings = heap_alloc(gt->mapping_pages_max * sizeof(gt->mappings[0]));
	if (gt->mappings != NULL && pages < gt->mapping_pages_max)
		page = heap_alloc(PAGE_SIZE);
	if (page != NULL) {
		u32 first = pages * (u32)MAPPINGS_PER_PAGE;

		for (u32 i = 0; i < MAPPINGS_PER_PAGE - 1; i++)
			page[i].next = first + i + 2;
		gt->mappings[pages] = page;
		atomic_store(&gt->mapping_pages, pages + 1); /* pairs with mapping_find() */
		list_push(gt, first, &page[MAPPINGS_PER_PAGE - 1]);
	}
	lock_release(&gt->mapping_lock);
	return page != NULL;
}

struct mapping *mapping_alloc(struct gnttab *gt, u32 *handle)
{
	u64 head = atomic_load(&gt->mapping_free);

	for (;;) {
		struct mapping *m;

		if ((u32)head == 0) {
			if (!grow(gt))
				return NULL;
			head = atomic_load(&gt->mapping_free);
			continue;
		}
		m = &gt->mappings[((u32)head - 1) / MAPPINGS_PER_PAGE]
				 [((u32)head - 1) % MAPPINGS_PER_PAGE];
		if (atomic_cmpxchg(&gt->mapping_free, &head,
				   ((head + LIST_COUNT_ONE) & ~0xffffffffull) |
					   atomic_load(&m->next))) {
			*handle = (u32)head - 1;
			return m;
		}
	}
}

void mapping_free(struct gnttab *gt, struct mapping *m, u32 handle)
{
	atomic_store(&m->word, 0ull);
	list_push(gt, handle, m);
}

void mapping_end(struct gnttab *gt, struct mapping *m, u32 handle, unsigned int references)
{
	u64 word = atomic_load(&m->word);
	mfn_t mfn = mfn_make(m->mfn);
	bool is_writable = !(word & MAPPING_READONLY);

	/* The owner goes with his last frame: his entry first. */
	entry_unpin(frame_owner(mfn)->gnttab, (u32)(word >> 32), is_writable);
	mapping_free(gt, m, handle);
	pt_grant_put(mfn, references, is_writable);
}

int gnttab_domain_release(struct domain *d)
{
	struct gnttab *gt = d->gnttab;
	struct mapping *m;

	/* Its page tables hold references of their own, which go with them. */
	while ((m = mapping_find(gt, gt->released)) != NULL) {
		if (atomic_load(&m->word) != 0)
			mapping_end(gt, m, gt->released, 1);
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

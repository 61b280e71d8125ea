/* SPDX-License-Identifier: MIT */
/*
 * The frames of a domain's grant table: Mica's pages, lent to it, growing on demand up to a limit. Reached from
 * hcall/grant_op.c and domain/; calls mm. Lock: the table's, LOCK_RANK_GRANT.
 */
#include "core/err.h"
#include "gnttab/priv.h"

int gnttab_domain_init(struct domain *d, u32 frames_max, u32 maptrack_max)
{
	struct gnttab *gt = heap_alloc(sizeof(*gt));

	if (gt == NULL)
		return err(ENOMEM);
	lock_init(&gt->lock, LOCK_RANK_GRANT);
	lock_init(&gt->mapping_lock, LOCK_RANK_MAPTRACK);
	gt->frames_max = frames_max;
	gt->mapping_pages_max = maptrack_max;
	d->gnttab = gt;
	gt->pages = heap_alloc(frames_max * sizeof(gt->pages[0]));
	return gt->pages == NULL ? err(ENOMEM) : gnttab_grow(d, 1);
}

void gnttab_domain_destroy(struct domain *d)
{
	struct gnttab *gt = d->gnttab;

	if (gt == NULL)
		return;
	for (u32 i = 0; i < gt->frames; i++)
		heap_free(gt->pages[i].pins);
	for (u32 i = 0; i < gt->mapping_pages; i++)
		heap_free(gt->mappings[i]);
	heap_free(gt->mappings);
	heap_free(gt->pages);
	heap_free(gt);
	d->gnttab = NULL;
}

void gnttab_size_get(struct domain *d, u32 *frames, u32 *frames_max)
{
	*frames = atomic_load(&d->gnttab->frames);
	*frames_max = d->gnttab->frames_max;
}

static int grow_by_one_locked(struct domain *d, struct gnttab *gt)
{
	u32 *pins = heap_alloc(ENTRIES_PER_FRAME * sizeof(*pins));
	mfn_t mfn = pins != NULL ? mm_domain_share_page(d) : MFN_NONE;

	if (mfn_is_none(mfn)) {
		heap_free(pins);
		return err(ENOMEM);
	}
	gt->pages[gt->frames] = (struct grant_page){hw_frame_map(mfn), pins};
	atomic_store(&gt->frames, gt->frames + 1); /* pairs with entry_find() */
	return 0;
}

int gnttab_grow(struct domain *d, u32 frames)
{
	struct gnttab *gt = d->gnttab;
	int rc = 0;

	if (frames > gt->frames_max)
		return err(EINVAL);
	if (frames <= atomic_load(&gt->frames))
		return 0;
	LOCK_SCOPE(&gt->lock);
	while (gt->frames < frames && rc == 0)
		rc = grow_by_one_locked(d, gt);
	return rc;
}

mfn_t gnttab_frame(struct domain *d, u32 idx)
{
	struct gnttab *gt = d->gnttab;
	u32 frames = atomic_load(&gt->frames);

	return idx < frames ? hw_virt_to_mfn(gt->pages[idx_nospec(idx, frames)].entries) : MFN_NONE;
}

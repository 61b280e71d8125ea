/* SPDX-License-Identifier: MIT */
/*
 * The frames of a domain's grant table: Mica's pages, lent to it, growing on demand up to a limit. Reached from
 * hcall/grant_op.c and domain/; calls mm. Lock: the table's, LOCK_RANK_GRANT.
 */
#include "gnttab/gnttab.h"

#include "mm/mm.h"

struct gnttab {
	struct lock lock;  /* LOCK_RANK_GRANT */
	u32 frames;	   /* [l] */
	u32 frames_max;	   /* [c] */
	mfn_t frame_mfn[]; /* [l] */
};

int gnttab_domain_init(struct domain *d)
{
	struct gnttab *gt = heap_alloc(sizeof(*gt) +
				       GNTTAB_FRAMES_DEFAULT * sizeof(gt->frame_mfn[0]));

	if (gt == NULL)
		return err(ENOMEM);
	lock_init(&gt->lock, LOCK_RANK_GRANT);
	gt->frames_max = GNTTAB_FRAMES_DEFAULT;
	d->gnttab = gt;
	return gnttab_grow(d, 1);
}

void gnttab_domain_destroy(struct domain *d)
{
	heap_free(d->gnttab);
	d->gnttab = NULL;
}

void gnttab_size_get(struct domain *d, u32 *frames, u32 *frames_max)
{
	lock_acquire(&d->gnttab->lock);
	*frames = d->gnttab->frames;
	*frames_max = d->gnttab->frames_max;
	lock_release(&d->gnttab->lock);
}

int gnttab_grow(struct domain *d, u32 frames)
{
	struct gnttab *gt = d->gnttab;
	int rc = 0;

	if (frames > gt->frames_max)
		return err(EINVAL);
	lock_acquire(&gt->lock);
	while (gt->frames < frames && rc == 0) {
		mfn_t mfn = mm_domain_share_page(d);

		if (mfn_is_none(mfn))
			rc = err(ENOMEM);
		else
			gt->frame_mfn[gt->frames++] = mfn;
	}
	lock_release(&gt->lock);
	return rc;
}

mfn_t gnttab_frame(struct domain *d, u32 idx)
{
	struct gnttab *gt = d->gnttab;
	mfn_t mfn = MFN_NONE;

	lock_acquire(&gt->lock);
	if (idx < gt->frames)
		mfn = gt->frame_mfn[idx_nospec(idx, gt->frames)];
	lock_release(&gt->lock);
	return mfn;
}

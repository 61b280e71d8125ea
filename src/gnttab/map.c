/* SPDX-License-Identifier: MIT */
/*
 * map_grant_ref, unmap_grant_ref, unmap_and_replace. Reached from hcall/grant_op.c; calls entry.c, mapping.c and mm/update
 * for the page-table entry. No lock: a mapping belongs to the CPU that made it BUSY.
 *
 * The page-table entry holds its own reference, like any other; the mapping holds one on top. So it does no harm when the
 * guest overwrites such an entry: the mapping then stays until the domain's end, since unmapping wants to find it.
 */
#include "core/err.h"
#include "gnttab/priv.h"

struct domain *peer_find_slow(struct peer *peer, domid_t id)
{
	peer_put(peer);
	peer->d = domain_get_by_id(id);
	return peer->d != NULL && atomic_load(&peer->d->is_dying) ? NULL : peer->d;
}

void peer_put(struct peer *peer)
{
	if (peer->d != NULL)
		domain_put(peer->d);
	peer->d = NULL;
}

s16 granted_get(mfn_t mfn, struct domain *owner, unsigned int references, bool is_writable,
		bool is_mapped, int *rc)
{
	*rc = pt_grant_get(mfn, owner, references, is_writable, is_mapped);
	if (likely(*rc == 0))
		return GNTST_okay;
	if (*rc != -ERESTART)
		*rc = 0;
	return hw_frame_is_ram(mfn) && frame_owner(mfn_nospec(mfn)) == owner ? GNTST_general_error
									     : GNTST_bad_page;
}

/* Where a mapping's page-table entry lies. GNTST_okay; GNTST_general_error, -ERESTART in *rc: try again. */
static s16 host_find(struct vcpu *v, struct pt_leaf *leaf, u64 host_addr, u64 flags, u64 **entry,
		     int *rc)
{
	int found = pt_leaf_find(v, leaf, host_addr, flags & MAPPING_PTE, entry);

	if (likely(found == 0))
		return GNTST_okay;
	*rc = found == -ERESTART ? found : 0;
	return GNTST_general_error;
}

/* SDM 3A 4.5: not executable, neither accessed nor dirty. Three of the guest's own bits are kept. */
static u64 host_value(mfn_t mfn, u32 flags)
{
	u64 value = pte_make(mfn, PTE_PRESENT | (PTE_NX & ~mm_pte_reserved));

	value |= flags & GNTMAP_readonly ? 0 : PTE_RW;
	value |= flags & GNTMAP_application_map ? PTE_USER : 0;
	return value | ((u64)(flags >> _GNTMAP_guest_avail0) << PTE_AVAIL_SHIFT & PTE_AVAIL);
}

/* 0 with a status, or -ERESTART. */
static int map_one(struct vcpu *v, struct peer *peer, struct pt_leaf *leaf,
		   struct gnttab_map_grant_ref *op)
{
	struct domain *granter = peer_find(peer, op->dom);
	bool is_writable = !(op->flags & GNTMAP_readonly), is_host = op->flags & GNTMAP_host_map;
	struct mapping *m;
	u64 *entry = NULL;
	mfn_t mfn;
	u32 handle;
	int rc = 0;

	op->status = granter == NULL ? GNTST_bad_domain : GNTST_bad_gntref;
	if (granter == NULL || !(op->flags & (u32)MAPPING_PARTS))
		return 0;
	op->status = entry_pin(granter->gnttab, op->ref, v->domain->id, is_writable, &mfn);
	if (unlikely(op->status != GNTST_okay))
		return 0;
	op->status = granted_get(mfn, granter, is_host ? 2 : 1, is_writable, granter != v->domain,
				 &rc);
	if (unlikely(op->status != GNTST_okay))
		goto unpin;
	if (is_host)
		op->status = host_find(v, leaf, op->host_addr, op->flags, &entry, &rc);
	if (unlikely(op->status != GNTST_okay))
		goto put;
	m = mapping_alloc(v->domain->gnttab, &handle);
	if (unlikely(m == NULL)) {
		op->status = GNTST_no_space;
		goto put;
	}
	if (is_host)
		pt_grant_map(entry, host_value(mfn, op->flags));
	m->mfn = (u32)mfn_num(mfn);
	atomic_store(&m->word, (u64)op->ref << 32 | (op->flags & (u32)MAPPING_KEPT));
	op->handle = handle;
	op->dev_bus_addr = mfn_num(mfn) << PAGE_SHIFT;
	return 0;
put:
	pt_grant_put(mfn, is_host ? 2 : 1, is_writable);
unpin:
	entry_unpin(granter->gnttab, op->ref, is_writable);
	return rc;
}

int gnttab_map(struct vcpu *v, union gnttab_ops *ops, u32 count, u32 *done)
{
	struct pt_leaf leaf = {NULL};
	struct peer peer = {NULL};
	int rc = 0;

	for (*done = 0; *done < count && rc == 0; *done += rc == 0)
		rc = map_one(v, &peer, &leaf, &ops->map_grant_ref[*done]);
	pt_leaf_put(v, &leaf);
	peer_put(&peer);
	return rc;
}

/* ---------------------------------------------------------------- unmap */

/* What a batch has unmapped: ended when no TLB can hold it any more. */
struct unmapping {
	struct vcpu *v;
	struct pt_leaf leaf, from;
	bool needs_flush;
	u32 count;
	struct {
		struct mapping *m;
		u32 handle;
		u32 references;
	} ended[GNTTAB_OPS_MAX];
};

struct unmap_args {
	u64 host_addr;
	u64 dev_bus_addr;
	u64 new_addr; /* whose entry goes to host_addr's; 0: none */
	u32 handle;
};

static void unmapping_begin(struct unmapping *batch, struct vcpu *v)
{
	batch->v = v;
	batch->leaf = batch->from = (struct pt_leaf){NULL};
	batch->needs_flush = false;
	batch->count = 0;
}

static void unmapping_flush(struct unmapping *batch)
{
	if (batch->needs_flush)
		flush_domain(batch->v->domain);
	batch->needs_flush = false;
}

/* Only now may the owners take their pages back. */
static void unmapping_end(struct unmapping *batch)
{
	pt_leaf_put(batch->v, &batch->leaf);
	pt_leaf_put(batch->v, &batch->from);
	unmapping_flush(batch);
	for (u32 i = 0; i < batch->count; i++)
		mapping_end(batch->v->domain->gnttab, batch->ended[i].m, batch->ended[i].handle,
			    batch->ended[i].references);
}

static s16 host_unmap(struct unmapping *batch, u64 word, mfn_t mfn, const struct unmap_args *args,
		      int *rc)
{
	u64 flags = PTE_PRESENT | (word & MAPPING_READONLY ? 0 : PTE_RW);
	u64 *entry, *from = NULL;
	s16 status = host_find(batch->v, &batch->leaf, args->host_addr, word, &entry, rc);

	if (unlikely(args->new_addr != 0) && status == GNTST_okay)
		status = word & MAPPING_PTE
				 ? GNTST_general_error
				 : host_find(batch->v, &batch->from, args->new_addr, 0, &from, rc);
	if (status != GNTST_okay)
		return status;
	return pt_grant_unmap(entry, pte_make(mfn, flags), from, &batch->needs_flush) == 0
		       ? GNTST_okay
		       : GNTST_general_error;
}

/* 0 with a status, or -ERESTART. */
static int unmap_one(struct unmapping *batch, const struct unmap_args *args, s16 *status)
{
	struct mapping *m = mapping_find(batch->v->domain->gnttab, args->handle);
	u64 word, gone = 0;
	mfn_t mfn;
	int rc = 0;

	*status = GNTST_bad_handle;
	if (m == NULL)
		return 0;
	word = atomic_load(&m->word);
	/* Of two CPUs that unmap it one is too late. */
	if (word == 0 || word & MAPPING_BUSY ||
	    !atomic_cmpxchg(&m->word, &word, word | MAPPING_BUSY))
		return 0;
	mfn = mfn_make(m->mfn);
	*status = GNTST_okay;
	if (args->dev_bus_addr != 0 && word & MAPPING_DEVICE) {
		gone = MAPPING_DEVICE;
		if (args->dev_bus_addr != mfn_num(mfn) << PAGE_SHIFT)
			*status = GNTST_bad_dev_addr;
	}
	if (likely(*status == GNTST_okay && args->host_addr != 0 && word & MAPPING_HOST)) {
		gone |= MAPPING_HOST;
		*status = host_unmap(batch, word, mfn, args, &rc);
	}
	if (unlikely(*status != GNTST_okay)) {
		atomic_store(&m->word, word);
		return rc;
	}
	if (unlikely(word & ~gone & MAPPING_PARTS)) {
		/* What is left may be ended by another CPU, which knows nothing of this batch. */
		unmapping_flush(batch);
		atomic_store(&m->word, word & ~gone);
		if (gone & MAPPING_HOST)
			pt_grant_put(mfn, 1, !(word & MAPPING_READONLY));
		return 0;
	}
	batch->ended[batch->count].m = m;
	batch->ended[batch->count].handle = args->handle;
	batch->ended[batch->count++].references = gone & MAPPING_HOST ? 2 : 1;
	return 0;
}

int gnttab_unmap(struct vcpu *v, union gnttab_ops *ops, u32 count, u32 *done)
{
	struct unmapping batch;
	int rc = 0;

	unmapping_begin(&batch, v);
	for (*done = 0; *done < count && rc == 0; *done += rc == 0) {
		struct gnttab_unmap_grant_ref *op = &ops->unmap_grant_ref[*done];
		struct unmap_args args = {.host_addr = op->host_addr,
					  .dev_bus_addr = op->dev_bus_addr,
					  .handle = op->handle};

		rc = unmap_one(&batch, &args, &op->status);
	}
	unmapping_end(&batch);
	return rc;
}

int gnttab_replace(struct vcpu *v, union gnttab_ops *ops, u32 count, u32 *done)
{
	struct unmapping batch;
	int rc = 0;

	unmapping_begin(&batch, v);
	for (*done = 0; *done < count && rc == 0; *done += rc == 0) {
		struct gnttab_unmap_and_replace *op = &ops->unmap_and_replace[*done];
		struct unmap_args args = {
			.host_addr = op->host_addr, .new_addr = op->new_addr, .handle = op->handle};

		rc = unmap_one(&batch, &args, &op->status);
	}
	unmapping_end(&batch);
	return rc;
}

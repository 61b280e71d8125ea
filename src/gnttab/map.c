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

int granted_refused(mfn_t mfn, const struct domain *owner, int rc)
{
	if (rc == -ERESTART)
		return rc;
	return hw_frame_is_ram(mfn) && frame_owner(mfn_nospec(mfn)) == owner ? GNTST_general_error
									     : GNTST_bad_page;
}

/* Where a mapping's page-table entry lies. */
static inline int host_find(struct vcpu *v, struct pt_leaf *leaf, u64 host_addr, u64 flags,
			    u64 **entry)
{
	int rc = pt_leaf_find(v, leaf, host_addr, flags & MAPPING_PTE, entry);

	if (likely(rc == 0))
		return GNTST_okay;
	return rc == -ERESTART ? rc : GNTST_general_error;
}

/* SDM 3A 4.5: not executable, neither accessed nor dirty. Three of the guest's own bits are kept. */
static u64 host_value(mfn_t mfn, u32 flags)
{
	u64 value = pte_make(mfn, PTE_PRESENT | (PTE_NX & ~mm_pte_reserved));

	value |= flags & GNTMAP_readonly ? 0 : PTE_RW;
	value |= flags & GNTMAP_application_map ? PTE_USER : 0;
	return value | ((u64)(flags >> _GNTMAP_guest_avail0) << PTE_AVAIL_SHIFT & PTE_AVAIL);
}

static inline int map_one(struct vcpu *v, struct peer *peer, struct pt_leaf *leaf,
			  struct gnttab_map_grant_ref *op)
{
	struct domain *granter = peer_find(peer, op->dom);
	const u32 flags = op->flags;
	const bool is_writable = !(flags & GNTMAP_readonly);
	const unsigned int references = flags & GNTMAP_host_map ? 2 : 1;
	struct mapping *m;
	u64 *entry = NULL;
	int status;
	mfn_t mfn;

	if (unlikely(granter == NULL))
		return GNTST_bad_domain;
	if (unlikely(!(flags & (u32)MAPPING_PARTS)))
		return GNTST_bad_gntref;
	status = entry_pin(granter->gnttab, op->ref, v->domain->id, is_writable, &mfn);
	if (unlikely(status != GNTST_okay))
		return status;
	status = granted_get(mfn, granter, references, is_writable, granter != v->domain);
	if (unlikely(status != GNTST_okay))
		goto unpin;
	if (likely(flags & GNTMAP_host_map))
		status = host_find(v, leaf, op->host_addr, flags, &entry);
	if (unlikely(status != GNTST_okay))
		goto put;
	m = mapping_alloc(v->domain->gnttab, &op->handle);
	status = GNTST_no_space;
	if (unlikely(m == NULL))
		goto put;
	if (entry != NULL)
		pt_grant_map(entry, host_value(mfn, flags));
	m->mfn = (u32)mfn_num(mfn);
	atomic_store(&m->word, (u64)op->ref << 32 | (flags & (u32)MAPPING_KEPT));
	op->dev_bus_addr = mfn_num(mfn) << PAGE_SHIFT;
	return GNTST_okay;
put:
	pt_grant_put(mfn, references, is_writable);
unpin:
	entry_unpin(granter->gnttab, op->ref, is_writable);
	return status;
}

int gnttab_map(struct vcpu *v, union gnttab_ops *ops, u32 count, u32 *done)
{
	struct pt_leaf leaf = {.table = NULL};
	struct peer peer = {NULL};
	int status = GNTST_okay;
	u32 i;

	for (i = 0; i < count; i++) {
		status = map_one(v, &peer, &leaf, &ops->map_grant_ref[i]);
		if (unlikely(status == -ERESTART))
			break;
		ops->map_grant_ref[i].status = (s16)status;
	}
	*done = i;
	pt_leaf_put(v, &leaf);
	peer_put(&peer);
	return status == -ERESTART ? status : 0;
}

/* ---------------------------------------------------------------- unmap */

/* unmap_and_replace looks the same. */
_Static_assert(offsetof(struct gnttab_unmap_and_replace, new_addr) ==
			       offsetof(struct gnttab_unmap_grant_ref, dev_bus_addr) &&
		       offsetof(struct gnttab_unmap_and_replace, status) ==
			       offsetof(struct gnttab_unmap_grant_ref, status) &&
		       sizeof(struct gnttab_unmap_and_replace) ==
			       sizeof(struct gnttab_unmap_grant_ref),
	       "one layout");

/* What a batch has unmapped: ended when no TLB can hold it any more. */
struct unmapping {
	struct vcpu *v;
	struct pt_leaf leaf, from;
	bool is_replace; /* dev_bus_addr is new_addr: whose entry goes to host_addr's; 0: none */
	bool needs_flush;
	u32 count;
	struct {
		struct mapping *m;
		u32 handle;
		u32 references;
	} ended[GNTTAB_OPS_MAX];
};

static void unmapping_flush(struct unmapping *batch)
{
	if (batch->needs_flush)
		flush_domain(batch->v->domain);
	batch->needs_flush = false;
}

/* Only now may the owners take their pages back; they go with their last one. */
static void unmapping_end(struct unmapping *batch)
{
	struct mapping *last = NULL;
	struct domain *owner = NULL;
	u16 owner_id = 0; /* he may be gone himself: then no more frame is his */
	u32 free = 0;

	pt_leaf_put(batch->v, &batch->leaf);
	pt_leaf_put(batch->v, &batch->from);
	unmapping_flush(batch);
	for (u32 i = 0; i < batch->count; i++) {
		struct mapping *m = batch->ended[i].m;
		mfn_t mfn = mfn_make(m->mfn);

		if (owner == NULL || atomic_load(&frame_of(mfn)->owner) != owner_id) {
			owner = frame_owner(mfn);
			owner_id = owner->id;
		}
		mapping_end(m, owner, batch->ended[i].references);
		atomic_store(&m->next, free);
		free = batch->ended[i].handle + 1;
		last = last == NULL ? m : last;
	}
	if (last != NULL)
		mapping_free(batch->v->domain->gnttab, free - 1, last);
}

static int host_unmap(struct unmapping *batch, u64 word, mfn_t mfn,
		      const struct gnttab_unmap_grant_ref *op)
{
	u64 flags = PTE_PRESENT | (word & MAPPING_READONLY ? 0 : PTE_RW);
	u64 *entry, *from = NULL;
	int status = host_find(batch->v, &batch->leaf, op->host_addr, word, &entry);

	if (unlikely(batch->is_replace) && op->dev_bus_addr != 0 && status == GNTST_okay)
		status = word & MAPPING_PTE
				 ? GNTST_general_error
				 : host_find(batch->v, &batch->from, op->dev_bus_addr, 0, &from);
	if (unlikely(status != GNTST_okay))
		return status;
	return pt_grant_unmap(entry, pte_make(mfn, flags), from, &batch->needs_flush) == 0
		       ? GNTST_okay
		       : GNTST_general_error;
}

static inline int unmap_one(struct unmapping *batch, const struct gnttab_unmap_grant_ref *op)
{
	struct mapping *m = mapping_find(batch->v->domain->gnttab, op->handle);
	int status = GNTST_okay;
	u64 word, gone = 0;
	mfn_t mfn;

	if (unlikely(m == NULL))
		return GNTST_bad_handle;
	word = atomic_load(&m->word);
	/* Of two CPUs that unmap it one is too late. */
	if (unlikely(word == 0 || word & MAPPING_BUSY) ||
	    unlikely(!atomic_cmpxchg(&m->word, &word, word | MAPPING_BUSY)))
		return GNTST_bad_handle;
	mfn = mfn_make(m->mfn);
	if (unlikely(word & MAPPING_DEVICE) && op->dev_bus_addr != 0 && !batch->is_replace) {
		gone = MAPPING_DEVICE;
		if (op->dev_bus_addr != mfn_num(mfn) << PAGE_SHIFT)
			status = GNTST_bad_dev_addr;
	}
	if (likely(status == GNTST_okay && op->host_addr != 0 && word & MAPPING_HOST)) {
		gone |= MAPPING_HOST;
		status = host_unmap(batch, word, mfn, op);
	}
	if (unlikely(status != GNTST_okay)) {
		atomic_store(&m->word, word);
		return status;
	}
	if (unlikely(word & ~gone & MAPPING_PARTS)) {
		/* What is left may be ended by another CPU, which knows nothing of this batch. */
		unmapping_flush(batch);
		atomic_store(&m->word, word & ~gone);
		if (gone & MAPPING_HOST)
			pt_grant_put(mfn, 1, !(word & MAPPING_READONLY));
		return GNTST_okay;
	}
	batch->ended[batch->count].m = m;
	batch->ended[batch->count].handle = op->handle;
	batch->ended[batch->count++].references = gone & MAPPING_HOST ? 2 : 1;
	return GNTST_okay;
}

static int unmap(struct vcpu *v, struct gnttab_unmap_grant_ref *ops, u32 count, u32 *done,
		 bool is_replace)
{
	struct unmapping batch; /* not all of it cleared */
	int status = GNTST_okay;
	u32 i;

	batch.v = v;
	batch.leaf = batch.from = (struct pt_leaf){.table = NULL};
	batch.is_replace = is_replace;
	batch.needs_flush = false;
	batch.count = 0;
	for (i = 0; i < count; i++) {
		status = unmap_one(&batch, &ops[i]);
		if (unlikely(status == -ERESTART))
			break;
		ops[i].status = (s16)status;
	}
	*done = i;
	unmapping_end(&batch);
	return status == -ERESTART ? status : 0;
}

int gnttab_unmap(struct vcpu *v, union gnttab_ops *ops, u32 count, u32 *done)
{
	return unmap(v, ops->unmap_grant_ref, count, done, false);
}

int gnttab_replace(struct vcpu *v, union gnttab_ops *ops, u32 count, u32 *done)
{
	return unmap(v, ops->unmap_grant_ref, count, done, true);
}

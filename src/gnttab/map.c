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

struct domain *peer_find(struct peer *peer, domid_t id)
{
	if (peer->d == NULL || peer->d->id != id) {
		peer_put(peer);
		peer->d = domain_get_by_id(id);
	}
	return peer->d != NULL && atomic_load(&peer->d->is_dying) ? NULL : peer->d;
}

void peer_put(struct peer *peer)
{
	if (peer->d != NULL)
		domain_put(peer->d);
	peer->d = NULL;
}

s16 granted_get(mfn_t mfn, struct domain *owner, bool is_writable, bool is_mapped, int *rc)
{
	*rc = pt_grant_get(mfn, owner, is_writable, is_mapped);
	if (likely(*rc == 0))
		return GNTST_okay;
	if (*rc != -ERESTART)
		*rc = 0;
	return hw_frame_is_ram(mfn) && frame_owner(mfn_nospec(mfn)) == owner ? GNTST_general_error
									     : GNTST_bad_page;
}

/* Where a mapping's entry lies, by address or given by the guest. */
static int host_entry(struct vcpu *v, u64 host_addr, u64 flags, maddr_t *entry)
{
	if (!(flags & MAPPING_PTE))
		return walk_l1_entry(v, host_addr, entry);
	*entry = maddr_make(host_addr);
	return 0;
}

/* SDM 3A 4.5: not executable, neither accessed nor dirty. Three of the guest's own bits are kept. */
static u64 host_value(mfn_t mfn, u32 flags)
{
	u64 value = pte_make(mfn, PTE_PRESENT | (PTE_NX & ~mm_pte_reserved));

	value |= flags & GNTMAP_readonly ? 0 : PTE_RW;
	value |= flags & GNTMAP_application_map ? PTE_USER : 0;
	return value | ((u64)(flags >> _GNTMAP_guest_avail0) << PTE_AVAIL_SHIFT & PTE_AVAIL);
}

/* The entry's reference, and the entry. */
static s16 host_map(struct vcpu *v, struct domain *granter, mfn_t mfn,
		    const struct gnttab_map_grant_ref *op, int *rc)
{
	bool is_writable = !(op->flags & GNTMAP_readonly);
	maddr_t entry;
	s16 status;

	if (host_entry(v, op->host_addr, op->flags, &entry) != 0)
		return GNTST_general_error;
	status = granted_get(mfn, granter, is_writable, granter != v->domain, rc);
	if (status != GNTST_okay)
		return status;
	*rc = pt_grant_map(v, entry, host_value(mfn, op->flags));
	if (likely(*rc == 0))
		return GNTST_okay;
	pt_grant_put(mfn, is_writable);
	*rc = *rc == -ERESTART ? *rc : 0;
	return GNTST_general_error;
}

/* 0 with a status, or -ERESTART. */
static int map_one(struct vcpu *v, struct peer *peer, struct gnttab_map_grant_ref *op)
{
	bool is_writable = !(op->flags & GNTMAP_readonly);
	struct gnttab *gt = v->domain->gnttab;
	struct domain *granter = peer_find(peer, op->dom);
	struct mapping *m;
	mfn_t mfn;
	u32 handle;
	int rc = 0;

	op->status = GNTST_bad_domain;
	if (granter == NULL)
		return 0;
	op->status = GNTST_bad_gntref;
	if (!(op->flags & (u32)MAPPING_PARTS))
		return 0;
	op->status = entry_pin(granter->gnttab, op->ref, v->domain->id, is_writable, &mfn);
	if (op->status != GNTST_okay)
		return 0;
	op->status = granted_get(mfn, granter, is_writable, granter != v->domain, &rc);
	if (op->status != GNTST_okay)
		goto unpin;
	op->status = GNTST_no_space;
	m = mapping_alloc(gt, &handle);
	if (m == NULL)
		goto put;
	op->status = GNTST_okay;
	if (op->flags & GNTMAP_host_map)
		op->status = host_map(v, granter, mfn, op, &rc);
	if (op->status != GNTST_okay)
		goto free;
	m->mfn = (u32)mfn_num(mfn);
	atomic_store(&m->word, (u64)op->ref << 32 | (op->flags & (u32)MAPPING_KEPT));
	op->handle = handle;
	op->dev_bus_addr = mfn_num(mfn) << PAGE_SHIFT;
	return 0;
free:
	mapping_free(gt, m, handle);
put:
	pt_grant_put(mfn, is_writable);
unpin:
	entry_unpin(granter->gnttab, op->ref, is_writable);
	return rc;
}

int gnttab_map(struct vcpu *v, union gnttab_ops *ops, u32 count, u32 *done)
{
	struct peer peer = {NULL};
	int rc = 0;

	for (*done = 0; *done < count && rc == 0; *done += rc == 0)
		rc = map_one(v, &peer, &ops->map_grant_ref[*done]);
	peer_put(&peer);
	return rc;
}

/* ---------------------------------------------------------------- unmap */

/* What a batch has unmapped: ended when no TLB can hold it any more. */
struct unmapping {
	struct {
		struct mapping *m;
		u32 handle;
	} ended[GNTTAB_OPS_MAX];
	u32 count;
	bool needs_flush;
};

static void unmapping_flush(struct vcpu *v, struct unmapping *batch)
{
	if (batch->needs_flush)
		flush_domain(v->domain);
	batch->needs_flush = false;
}

struct unmap_args {
	u64 host_addr;
	u64 dev_bus_addr;
	u64 new_addr; /* whose entry goes to host_addr's; 0: none */
	u32 handle;
};

static s16 host_unmap(struct vcpu *v, u64 word, mfn_t mfn, const struct unmap_args *args,
		      bool *needs_flush, int *rc)
{
	maddr_t entry, from = maddr_make(0);
	u64 flags = PTE_PRESENT | (word & MAPPING_READONLY ? 0 : PTE_RW);

	if (host_entry(v, args->host_addr, word, &entry) != 0 ||
	    (args->new_addr != 0 &&
	     (word & MAPPING_PTE || walk_l1_entry(v, args->new_addr, &from) != 0)))
		return GNTST_general_error;
	*rc = pt_grant_unmap(v, entry, pte_make(mfn, flags), from, needs_flush);
	if (likely(*rc == 0))
		return GNTST_okay;
	*rc = *rc == -ERESTART ? *rc : 0;
	return GNTST_general_error;
}

/* 0 with a status, or -ERESTART. */
static int unmap_one(struct vcpu *v, const struct unmap_args *args, struct unmapping *batch,
		     s16 *status)
{
	struct mapping *m = mapping_find(v->domain->gnttab, args->handle);
	u64 word, left;
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
	left = word;
	*status = GNTST_okay;
	if (args->dev_bus_addr != 0 && word & MAPPING_DEVICE) {
		left &= ~MAPPING_DEVICE;
		if (args->dev_bus_addr != mfn_num(mfn) << PAGE_SHIFT)
			*status = GNTST_bad_dev_addr;
	}
	if (*status == GNTST_okay && args->host_addr != 0 && word & MAPPING_HOST) {
		left &= ~MAPPING_HOST;
		*status = host_unmap(v, word, mfn, args, &batch->needs_flush, &rc);
	}
	if (*status != GNTST_okay) {
		atomic_store(&m->word, word);
		return rc;
	}
	if (left & MAPPING_PARTS) { /* for another CPU to end, who knows nothing of this batch */
		unmapping_flush(v, batch);
		atomic_store(&m->word, left);
		return 0;
	}
	batch->ended[batch->count].m = m;
	batch->ended[batch->count++].handle = args->handle;
	return 0;
}

/* Only now may the owners take their pages back. */
static void unmapping_end(struct vcpu *v, struct unmapping *batch)
{
	unmapping_flush(v, batch);
	for (u32 i = 0; i < batch->count; i++)
		mapping_end(v->domain->gnttab, batch->ended[i].m, batch->ended[i].handle);
}

int gnttab_unmap(struct vcpu *v, union gnttab_ops *ops, u32 count, u32 *done)
{
	struct unmapping batch;
	int rc = 0;

	batch.count = 0;
	batch.needs_flush = false;
	for (*done = 0; *done < count && rc == 0; *done += rc == 0) {
		struct gnttab_unmap_grant_ref *op = &ops->unmap_grant_ref[*done];
		struct unmap_args args = {.host_addr = op->host_addr,
					  .dev_bus_addr = op->dev_bus_addr,
					  .handle = op->handle};

		rc = unmap_one(v, &args, &batch, &op->status);
	}
	unmapping_end(v, &batch);
	return rc;
}

int gnttab_replace(struct vcpu *v, union gnttab_ops *ops, u32 count, u32 *done)
{
	struct unmapping batch;
	int rc = 0;

	batch.count = 0;
	batch.needs_flush = false;
	for (*done = 0; *done < count && rc == 0; *done += rc == 0) {
		struct gnttab_unmap_and_replace *op = &ops->unmap_and_replace[*done];
		struct unmap_args args = {
			.host_addr = op->host_addr, .new_addr = op->new_addr, .handle = op->handle};

		rc = unmap_one(v, &args, &batch, &op->status);
	}
	unmapping_end(v, &batch);
	return rc;
}

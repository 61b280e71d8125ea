/* SPDX-License-Identifier: MIT */
/*
 * GNTTABOP_copy: bytes between frames, each the caller's own or granted to it, through the direct map. Reached from
 * hcall/grant_op.c; calls entry.c and mm. No lock: each end holds a reference, and its entry's pin.
 *
 * Neighbours often name the same frame: an end stays open until another one is named.
 */
#include "core/err.h"
#include "gnttab/priv.h"
#include "lib/string.h"

struct end {
	struct peer peer;
	struct domain *granter; /* whose frame */
	u64 which;		/* ref or mfn */
	domid_t domid;
	bool is_ref;
	bool is_writable;
	bool is_open;
	mfn_t mfn;
};

static void end_close(struct end *end)
{
	if (!end->is_open)
		return;
	end->is_open = false;
	pt_grant_put(end->mfn, 1, end->is_writable);
	if (end->is_ref)
		entry_unpin(end->granter->gnttab, (u32)end->which, end->is_writable);
}

static int end_open(struct vcpu *v, struct end *end, const struct gnttab_copy_ptr *ptr, bool is_ref)
{
	u64 which = is_ref ? ptr->u.ref : ptr->u.gmfn;
	struct domain *granter = v->domain;
	int status = GNTST_okay;

	if (end->is_open && end->which == which && end->domid == ptr->domid &&
	    end->is_ref == is_ref)
		return GNTST_okay;
	end_close(end);
	if (ptr->domid != DOMID_SELF) {
		granter = peer_find(&end->peer, ptr->domid);
		if (granter == NULL)
			return GNTST_bad_domain;
		if (!is_ref)
			return GNTST_permission_denied;
	}
	end->mfn = mfn_make(which);
	if (is_ref)
		status = entry_pin(granter->gnttab, (u32)which, v->domain->id, end->is_writable,
				   &end->mfn);
	if (unlikely(status != GNTST_okay))
		return status;
	status = granted_get(end->mfn, granter, 1, end->is_writable, false);
	if (unlikely(status != GNTST_okay)) {
		if (is_ref)
			entry_unpin(granter->gnttab, (u32)which, end->is_writable);
		return status;
	}
	end->granter = granter;
	end->which = which;
	end->domid = ptr->domid;
	end->is_ref = is_ref;
	end->is_open = true;
	return GNTST_okay;
}

static inline int copy_one(struct vcpu *v, struct end *from, struct end *to,
			   const struct gnttab_copy *op)
{
	int status = end_open(v, from, &op->source, op->flags & GNTCOPY_source_gref);

	if (likely(status == GNTST_okay))
		status = end_open(v, to, &op->dest, op->flags & GNTCOPY_dest_gref);
	if (unlikely(status != GNTST_okay))
		return status;
	if ((u32)op->source.offset + op->len > PAGE_SIZE ||
	    (u32)op->dest.offset + op->len > PAGE_SIZE)
		return GNTST_bad_copy_arg;
	memmove((u8 *)hw_frame_map(to->mfn) + op->dest.offset,
		(const u8 *)hw_frame_map(from->mfn) + op->source.offset, op->len);
	return GNTST_okay;
}

int gnttab_copy(struct vcpu *v, union gnttab_ops *ops, u32 count, u32 *done)
{
	struct end from = {.is_writable = false}, to = {.is_writable = true};
	int status = GNTST_okay;
	u32 i;

	for (i = 0; i < count; i++) {
		status = copy_one(v, &from, &to, &ops->copy[i]);
		if (unlikely(status == -ERESTART))
			break;
		ops->copy[i].status = (s16)status;
	}
	*done = i;
	end_close(&from);
	end_close(&to);
	peer_put(&from.peer);
	peer_put(&to.peer);
	return status == -ERESTART ? status : 0;
}

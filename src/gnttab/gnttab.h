/* SPDX-License-Identifier: MIT */
/*
 * Grant tables, version 1 only: a domain tells in pages shared with Mica who else may map or copy which of its frames.
 * Reached from hcall/ and domain/; calls mm. Locks: a bit for each entry; LOCK_RANK_GRANT and LOCK_RANK_MAPTRACK only
 * where a table or the list of handles grows.
 */
#pragma once

#include "core/domain.h"
#include "lib/types.h"

#define GNTTAB_VERSION		1
#define GNTTAB_FRAMES_DEFAULT	64 /* as on Xen */
#define GNTTAB_MAPTRACK_DEFAULT 1024

/*
 * Allocates d->gnttab with its first frame; d->mm is there. maptrack_max: pages of 256 handles for what d maps of others.
 * -ENOMEM, -EINVAL (no frame allowed).
 */
int gnttab_domain_init(struct domain *d, u32 frames_max, u32 maptrack_max);
/* d is dying and runs nowhere: gives back what it has mapped of others; before its page tables go. -ERESTART. */
int gnttab_domain_release(struct domain *d);
/* Nobody has anything of d mapped any more. The table's frames go with d->mm. */
void gnttab_domain_destroy(struct domain *d);
/* Tells the audit which references d's mappings hold. */
void gnttab_audit_add(const struct domain *d);
/* How many mappings of others' frames d has. */
u32 gnttab_mapped_count(const struct domain *d);

/* Frames now, and as many as there may be. */
void gnttab_size_get(struct domain *d, u32 *frames, u32 *frames_max);
/* At least so many frames. -EINVAL: above the limit; -ENOMEM. Frames once there stay. */
int gnttab_grow(struct domain *d, u32 frames);
/* MFN_NONE beyond the last. */
mfn_t gnttab_frame(struct domain *d, u32 idx);

#define GNTTAB_OPS_MAX 32u
union gnttab_ops {
	struct gnttab_map_grant_ref map_grant_ref[GNTTAB_OPS_MAX];
	struct gnttab_unmap_grant_ref unmap_grant_ref[GNTTAB_OPS_MAX];
	struct gnttab_unmap_and_replace unmap_and_replace[GNTTAB_OPS_MAX];
	struct gnttab_copy copy[GNTTAB_OPS_MAX];
	struct gnttab_transfer transfer[GNTTAB_OPS_MAX];
	struct gnttab_swap_grant_ref swap_grant_ref[GNTTAB_OPS_MAX];
	struct gnttab_cache_flush cache_flush[GNTTAB_OPS_MAX];
	struct gnttab_setup_table setup_table[1];
	struct gnttab_query_size query_size[1];
	struct gnttab_set_version set_version[1];
	struct gnttab_get_version get_version[1];
	struct gnttab_get_status_frames get_status_frames[1];
};
/*
 * Operations of v's domain, already copied from the guest; each gets its GNTST_ status. 0: all were done; -ERESTART: only
 * *done of them, the rest to be tried again. What was unmapped is in no TLB any more, and only then are the flags of its
 * entries cleared.
 */
int gnttab_map(struct vcpu *v, union gnttab_ops *ops, u32 count, u32 *done);
int gnttab_unmap(struct vcpu *v, union gnttab_ops *ops, u32 count, u32 *done);
int gnttab_replace(struct vcpu *v, union gnttab_ops *ops, u32 count, u32 *done);
int gnttab_copy(struct vcpu *v, union gnttab_ops *ops, u32 count, u32 *done);
/* What others may be writing of d's is dirty. */
void gnttab_dirty_mark(struct domain *d);
/* Two entries of d that nobody uses change places; a GNTST_ status. */
s16 gnttab_swap(struct domain *d, u32 ref_a, u32 ref_b);

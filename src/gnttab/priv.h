/* SPDX-License-Identifier: MIT */
/* What the files of gnttab/ share among themselves. */
#pragma once

#include "gnttab/gnttab.h"
#include "mm/mm.h"

#define ENTRIES_PER_FRAME (PAGE_SIZE / sizeof(struct grant_entry_v1))

/* A frame of the table. An entry is one word, flags | domid << 16 | frame << 32, as the guest writes it. */
struct grant_page {
	u64 *entries; /* [c] [a] struct grant_entry_v1 */
	u32 *pins;    /* [c] [a] who uses each; see entry.c */
};

/*
 * A mapping that a domain has of another's frame; its index is the handle.
 *	word 0			free
 *	parts, MAPPING_BUSY	one CPU is unmapping it; for the others it is not there
 *	parts			in use: holds a pin of its entry and a reference of its frame
 */
#define MAPPING_DEVICE	 BIT(_GNTMAP_device_map) /* as in the guest's flags */
#define MAPPING_HOST	 BIT(_GNTMAP_host_map)
#define MAPPING_READONLY BIT(_GNTMAP_readonly)
#define MAPPING_PTE	 BIT(_GNTMAP_contains_pte)
#define MAPPING_BUSY	 BIT(31)
#define MAPPING_PARTS	 (MAPPING_DEVICE | MAPPING_HOST)
#define MAPPING_KEPT	 (MAPPING_PARTS | MAPPING_READONLY | MAPPING_PTE)
struct mapping {
	u64 word; /* [a] flags | ref << 32 */
	u32 mfn;  /* [c] while in use */
	u32 next; /* [a] while free: the next free handle + 1 */
};
#define MAPPINGS_PER_PAGE (PAGE_SIZE / sizeof(struct mapping))

struct gnttab {
	struct lock lock;	  /* LOCK_RANK_GRANT: frames grow */
	struct lock mapping_lock; /* LOCK_RANK_MAPTRACK: mappings grow */
	u32 frames;		  /* [a] */
	u32 frames_max;		  /* [c] */
	struct grant_page *pages; /* [c] frames_max of them, those below frames set */
	u64 mapping_free; /* [a] first free handle + 1, and above it a count that tells one such list from a later one */
	u32 mapping_pages;	   /* [a] */
	u32 mapping_pages_max;	   /* [c] */
	struct mapping **mappings; /* [l] set with the first page */
	u32 released;		   /* handles given back by gnttab_domain_release() */
};

/*
 * entry.c: domain `by` begins to use entry ref of gt, and its flags say so; *mfn is the frame that it grants. GNTST_okay,
 * GNTST_bad_gntref, GNTST_general_error.
 */
int entry_pin(struct gnttab *gt, u32 ref, domid_t by, bool is_writable, mfn_t *mfn);
void entry_unpin(struct gnttab *gt, u32 ref, bool is_writable);

/* mapping.c: a handle nobody uses, NULL: none left. It is in use once its word is set. */
struct mapping *mapping_alloc(struct gnttab *gt, u32 *handle);
/* Handle first, and those linked behind it up to last, are nobody's any more: their words are 0. */
void mapping_free(struct gnttab *gt, u32 first, struct mapping *last);
/* NULL: no such number. */
static inline struct mapping *mapping_find(const struct gnttab *gt, u32 handle)
{
	u64 count = atomic_load(&gt->mapping_pages) * MAPPINGS_PER_PAGE;

	if (unlikely(handle >= count))
		return NULL;
	handle = (u32)idx_nospec(handle, count);
	return &gt->mappings[handle / MAPPINGS_PER_PAGE][handle % MAPPINGS_PER_PAGE];
}
/* The end of a mapping: its pin and so many references go, the owner perhaps with the last. */
static inline void mapping_end(struct mapping *m, struct domain *owner, unsigned int references)
{
	u64 word = atomic_load(&m->word);

	if (!(word & MAPPING_READONLY))
		mm_mark_dirty(owner, mfn_make(m->mfn)); /* before the pin goes, which says so too */
	entry_unpin(owner->gnttab, (u32)(word >> 32), !(word & MAPPING_READONLY));
	atomic_store(&m->word, 0ull);
	pt_grant_put(mfn_make(m->mfn), references, !(word & MAPPING_READONLY));
}

/*
 * Within gnttab/ an operation's outcome is its GNTST_ status, or -ERESTART, which is none of them: it is to be tried again.
 *
 * A granted frame of owner, with so many references, of its type too if writable; is_mapped: another domain's tables may
 * name it. GNTST_bad_page: nothing of his; GNTST_general_error: in use as a table.
 */
int granted_refused(mfn_t mfn, const struct domain *owner, int rc);
static inline int granted_get(mfn_t mfn, struct domain *owner, unsigned int references,
			      bool is_writable, bool is_mapped)
{
	int rc = pt_grant_get(mfn, owner, references, is_writable, is_mapped);

	return likely(rc == 0) ? GNTST_okay : granted_refused(mfn, owner, rc);
}

/* Whom the operations of a batch name one after the other, mostly the same one. */
struct peer {
	struct domain *d; /* referenced, or NULL */
};
struct domain *peer_find_slow(struct peer *peer, domid_t id);
void peer_put(struct peer *peer);
/* NULL: GNTST_bad_domain. */
static inline struct domain *peer_find(struct peer *peer, domid_t id)
{
	struct domain *d = peer->d;

	if (likely(d != NULL && d->id == id && !atomic_load(&d->is_dying)))
		return d;
	return peer_find_slow(peer, id);
}

/* SPDX-License-Identifier: MIT */
/* What the files of mm/ share among themselves. */
#ifndef MM_PRIV_H
#define MM_PRIV_H

#include "mm/mm.h"

#define TABLE_ENTRIES 512u

/* frame.done while a table is half-done: entries judged so far; the last of them was given back but not settled. */
#define DONE_MASK 0x3ffu
#define DONE_HALF 0x8000u

static inline unsigned int type_level(enum frame_type type)
{
	return type >= FRAME_L1 && type <= FRAME_L4 ? (unsigned int)type - FRAME_L1 + 1 : 0;
}
static inline enum frame_type level_type(unsigned int level)
{
	return (enum frame_type)(FRAME_L1 + level - 1);
}
static inline u64 type_bits(enum frame_type type)
{
	return (u64)type << FRAME_TYPE_SHIFT;
}

/* frame.c. nested: the caller holds a BUSY table, so it may wait only for lower levels. */
int type_get(mfn_t mfn, struct domain *d, enum frame_type type, bool nested);
int frame_put_preemptible(mfn_t mfn);
int settle(struct frame *f, bool nested);
/* A typed reference on whatever type the frame has now (an untyped one becomes writable). */
int type_get_current(mfn_t mfn, struct domain *d, enum frame_type *type);

/* ptable.c: entries of a table that is BUSY in the caller's hand; progress in f->done. */
int table_fill(struct frame *f, struct domain *d, enum frame_type type);
int table_drain(struct frame *f, enum frame_type type);
/*
 * One entry of a guest table of d. check: judges and adjusts what no reference is needed for; get: takes the references;
 * put gives them back, -ERESTART: the child's demotion was preempted.
 */
int entry_check(const struct domain *d, unsigned int level, u64 *entry);
int entry_get(struct domain *d, struct domain *page_owner, unsigned int level, u64 entry,
	      bool nested);
int entry_put(unsigned int level, u64 entry);
bool slot_is_hypervisors(unsigned int level, unsigned int idx);

/* flush.c: before a frame is used as something else: CPUs that may still hold translations (d NULL: all). */
void flush_frame(const struct frame *f, const struct domain *d);
u64 flush_stamp_expand(u32 stamp);
void flush_newer_than(u64 stamp, const struct domain *d);

/* domain_mm.c: the last reference of a domain's frame has gone. */
void domain_frame_gone(struct frame *f);
struct domain *owner_domain(u16 id);
/* buddy.c: frees a frame that keeps its stamp. */
void frame_free_stamped(mfn_t mfn);

#endif

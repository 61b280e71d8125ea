/* SPDX-License-Identifier: MIT */
/* What the files of mm/ share among themselves. */
#pragma once

#include "hw/layout.h"
#include "mm/mm.h"

#define TABLE_ENTRIES 512u

/* frame.done while a table is half-done: entries judged so far; the last of them was given back but not settled. */
#define DONE_MASK   0x3ffu
#define DONE_HALF   0x8000u
#define DONE_FAILED 0x4000u /* refused: who wants it next as the same type drains it first */

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
/* A writable reference on behalf of another domain than d, which cannot make it wait: -ERESTART comes to an end. */
int type_get_for_other(mfn_t mfn, struct domain *d, bool nested);
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
static inline bool slot_is_hypervisors(unsigned int level, unsigned int idx)
{
	return level == 4 && idx >= LAYOUT_FIRST_SLOT && idx <= LAYOUT_LAST_SLOT;
}

/* mirror.c: an entry has been exchanged, its old value is not put yet; a table is about to lose its type. */
void mirror_entry_changed(const u64 *entry, u64 old);
void mirror_table_gone(const struct frame *f);
void mirror_leaf_gone(u16 owner, u64 leaf);
void mirror_mark_pfns(struct domain *d, u64 pfn, u64 count);
u64 hypervisor_entry(const struct domain *d, unsigned int idx);
static inline void entry_changed(const u64 *entry, u64 old)
{
	if (unlikely(atomic_load(&mirror_count)))
		mirror_entry_changed(entry, old);
}

/* twin.c; all but seen and forget do nothing without twins. An L4 entry was exchanged, its old value is not put yet. */
int twin_vcpu_init(struct vcpu *v);
void twin_vcpu_fini(struct vcpu *v);
/* Before an L4 of d's gets an entry there. */
void twin_slot_seen(struct domain *d, unsigned int idx);
/* v's root is about to be another. */
void twin_reset(struct vcpu *v, bool user);
static inline void twin_forget(struct vcpu *v, bool user)
{
	if (unlikely(mm_twin_entry != 0))
		twin_reset(v, user);
}
void twin_entry_changed(struct domain *d, const u64 *entry);
void twin_write(struct vcpu *v, bool user, mfn_t source, int idx, u64 value);

/* flush.c: before a frame is used as something else: CPUs that may still hold translations (d NULL: all). */
void flush_frame(const struct frame *f, const struct domain *d);
u64 flush_stamp_expand(u32 stamp);
void flush_newer_than(u64 stamp, const struct domain *d);

/* domain_mm.c: the last reference of a domain's frame has gone. */
void domain_frame_gone(struct frame *f);
struct domain *owner_domain(u16 id);
/* buddy.c: frees frames that keep their stamps. */
void frames_free_stamped(const u32 *mfns, unsigned int count);

/*
 * What the quick ways look at: counts far from full (each typed reference is among all), and the type with its flags. They
 * compare it with a live frame: of any type, a writable page, a judged table that nobody is changing.
 */
#define QUICK_COUNTS	0xffe00000ull
#define QUICK_MASK	(QUICK_COUNTS | FRAME_TYPE_MASK | FRAME_VALID | FRAME_BUSY | FRAME_LIVE)
#define QUICK_WRITABLE	(FRAME_LIVE | type_bits(FRAME_WRITABLE))
#define QUICK_TYPED_ONE (FRAME_TYPED_ONE + 1)

/*
 * A typed reference on a frame whose word is like that, of that owner unless it changed hands meanwhile; before: the word as it
 * was. False: go the long way. (Others' references, taken for a moment, would keep the owner from changing the type.)
 */
static ALWAYS_INLINE bool word_take_quick(struct frame *f, domid_t owner, u64 like, u64 *before)
{
	*before = atomic_load(&f->word);
	return likely((*before & QUICK_MASK) == like) && likely(atomic_is(&f->owner, owner)) &&
	       likely(atomic_cmpxchg(&f->word, before, *before + QUICK_TYPED_ONE));
}
static ALWAYS_INLINE bool word_get_quick(struct frame *f, domid_t owner, u64 like, u64 *before)
{
	if (unlikely(!word_take_quick(f, owner, like, before)))
		return false;
	if (likely(atomic_is(&f->owner, owner)))
		return true;
	(void)frame_type_put_preemptible(frame_mfn(f));
	return false;
}

/*
 * The common case of a reference, in few instructions: a live frame of that owner, unless it changed hands meanwhile, and for a
 * writable mapping already of that type. False: nothing was taken, go the long way.
 */
static ALWAYS_INLINE bool frame_take_quick(struct frame *f, domid_t owner, bool writable)
{
	u64 old;

	if (writable)
		return word_take_quick(f, owner, QUICK_WRITABLE, &old);
	old = atomic_load(&f->word);
	return likely((old & (QUICK_COUNTS | FRAME_LIVE)) == FRAME_LIVE) &&
	       likely(atomic_is(&f->owner, owner)) &&
	       likely(atomic_cmpxchg(&f->word, &old, old + 1));
}
static inline bool frame_get_quick(struct frame *f, domid_t owner, bool writable)
{
	if (unlikely(!frame_take_quick(f, owner, writable)))
		return false;
	if (likely(atomic_is(&f->owner, owner)))
		return true;
	if (writable)
		(void)frame_type_put_preemptible(frame_mfn(f));
	else
		frame_put(frame_mfn(f));
	return false;
}

/* On a judged table of that type. */
#define QUICK_TABLE(type) (FRAME_VALID | FRAME_LIVE | type_bits(type))
static ALWAYS_INLINE bool table_get_quick(struct frame *f, domid_t owner, enum frame_type type,
					  u64 *before)
{
	return word_get_quick(f, owner, QUICK_TABLE(type), before);
}

/* Gives a typed reference back that is not the last one; false: go the long way. */
static inline bool type_put_quick(struct frame *f)
{
	u64 old = atomic_load(&f->word);

	return frame_word_typed(old) > 1 && !(old & FRAME_BUSY) &&
	       atomic_cmpxchg(&f->word, &old, old - FRAME_TYPED_ONE - 1);
}

/* As frame_type_put_preemptible(). */
static inline int type_put(struct frame *f)
{
	return likely(type_put_quick(f)) ? 0 : frame_type_put_preemptible(frame_mfn(f));
}

/* Gives back what a present L1 entry held. */
static inline void leaf_put(u64 entry)
{
	mfn_t mfn = pte_mfn(entry);

	if (unlikely(!hw_frame_is_ram(mfn)))
		return;
	if (entry & PTE_RW)
		(void)type_put(frame_of(mfn));
	else
		frame_put(mfn);
}

/* False: nothing was given back, leaf_put() does it. (A hole's word is 0.) */
static ALWAYS_INLINE bool leaf_put_quick(u64 entry)
{
	mfn_t mfn = pte_mfn(entry);
	struct frame *f = frame_of(mfn);
	u64 old;

	if (unlikely(mfn_num(mfn) >= hw_frame_max))
		return false;
	if (entry & PTE_RW)
		return type_put_quick(f);
	old = atomic_load(&f->word);
	return (u32)old > 1 && atomic_cmpxchg(&f->word, &old, old - 1);
}

#define CACHE_BITS (PTE_PAT | PTE_PCD | PTE_PWT)

/* What a loop over leaves need not look up each time. */
struct leaf_rules {
	u64 looked_at; /* these bits, compared with PRESENT alone: others want a closer look */
	domid_t owner;
};

static inline struct leaf_rules leaf_rules(const struct domain *d)
{
	return (struct leaf_rules){
		.looked_at = PTE_PRESENT | mm_pte_reserved | CACHE_BITS | PTE_GRANTED,
		.owner = d->id,
	};
}

static inline bool is_plain_leaf(u64 entry, const struct leaf_rules *rules)
{
	return (entry & rules->looked_at) == PTE_PRESENT;
}

static inline u64 leaf_adjusted(u64 entry)
{
	entry &= ~PTE_GLOBAL;
	return entry & PTE_USER ? entry : entry | PTE_USER | PTE_GUEST_KERNEL;
}

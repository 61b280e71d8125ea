/* SPDX-License-Identifier: MIT */
/*
 * Entries of a grant table in use: how many users each has, and the flags that tell its owner. Reached from map.c and
 * copy.c; calls nothing. Lock: a bit in the count of users, held for the few instructions in which count and flags change
 * together. The owner changes his half of an entry at any time: it is read and changed as one word.
 */
#include "core/err.h"
#include "gnttab/priv.h"
#include "hw/cpu.h"

/* Count of users: all in bits 0..14, writers among them in bits 15..29. */
#define PIN_ONE	    1u
#define PIN_WRITER  BIT(15)
#define PIN_MAX	    (PIN_WRITER - 1)
#define PIN_WRITERS (PIN_MAX * PIN_WRITER)
#define PIN_LOCKED  BIT(31)
#define TRIES_MAX   4 /* for an owner who never stops changing the entry */
#define CONTENDED   1 /* no GNTST_ status: take the long way */

/* False: another CPU has it, and the caller does not wait. */
static inline bool pins_lock(u32 *pins, u32 *old, bool may_wait)
{
	*old = atomic_load(pins) & ~(u32)PIN_LOCKED;
	while (unlikely(!atomic_cmpxchg(pins, old, *old | (u32)PIN_LOCKED))) {
		if (!may_wait)
			return false;
		hw_relax();
		*old &= ~(u32)PIN_LOCKED;
	}
	return true;
}

static inline bool entry_find(const struct gnttab *gt, u32 ref, u64 **entry, u32 **pins)
{
	u64 count = atomic_load(&gt->frames) * ENTRIES_PER_FRAME, idx = idx_nospec(ref, count);
	const struct grant_page *page = &gt->pages[idx / ENTRIES_PER_FRAME];

	*entry = &page->entries[idx % ENTRIES_PER_FRAME];
	*pins = &page->pins[idx % ENTRIES_PER_FRAME];
	return ref < count;
}

static inline int entry_use(u64 *entry, domid_t by, bool is_writable, unsigned int tries,
			    mfn_t *mfn)
{
	u64 now = atomic_load(entry), use = GTF_reading | (is_writable ? GTF_writing : 0);

	for (unsigned int i = 0; i < tries; i++) {
		if ((now & (GTF_type_mask | GTF_sub_page)) != GTF_permit_access ||
		    (domid_t)(now >> 16) != by || (is_writable && now & GTF_readonly))
			return GNTST_general_error;
		if (likely(atomic_cmpxchg(entry, &now, now | use))) {
			*mfn = mfn_make(now >> 32);
			return GNTST_okay;
		}
	}
	return CONTENDED;
}

static ALWAYS_INLINE int pin(struct gnttab *gt, u32 ref, domid_t by, bool is_writable, mfn_t *mfn,
			     bool may_wait)
{
	int status = GNTST_general_error;
	u64 *entry;
	u32 *pins, now;

	if (unlikely(!entry_find(gt, ref, &entry, &pins)))
		return GNTST_bad_gntref;
	if (unlikely(!pins_lock(pins, &now, may_wait)))
		return CONTENDED;
	if (likely((now & PIN_MAX) != PIN_MAX))
		status = entry_use(entry, by, is_writable, may_wait ? TRIES_MAX : 1, mfn);
	if (likely(status == GNTST_okay))
		now += PIN_ONE + (is_writable ? (u32)PIN_WRITER : 0);
	atomic_store(pins, now);
	return status;
}

static NOINLINE int pin_slow(struct gnttab *gt, u32 ref, domid_t by, bool is_writable, mfn_t *mfn)
{
	int status = pin(gt, ref, by, is_writable, mfn, true);

	return status == CONTENDED ? GNTST_general_error : status;
}

int entry_pin(struct gnttab *gt, u32 ref, domid_t by, bool is_writable, mfn_t *mfn)
{
	int status = pin(gt, ref, by, is_writable, mfn, false);

	return likely(status != CONTENDED) ? status : pin_slow(gt, ref, by, is_writable, mfn);
}

static ALWAYS_INLINE bool unpin(struct gnttab *gt, u32 ref, bool is_writable, bool may_wait)
{
	u64 *entry, over = 0;
	u32 *pins, now;

	if (unlikely(!entry_find(gt, ref, &entry, &pins)))
		return true;
	if (unlikely(!pins_lock(pins, &now, may_wait)))
		return false;
	now -= PIN_ONE;
	if (!(now & PIN_MAX))
		over = GTF_reading;
	if (is_writable) {
		now -= (u32)PIN_WRITER;
		over |= now & PIN_WRITERS ? 0 : GTF_writing;
	}
	if (over)
		(void)atomic_fetch_and(entry, ~over);
	atomic_store(pins, now);
	return true;
}

static NOINLINE void unpin_slow(struct gnttab *gt, u32 ref, bool is_writable)
{
	(void)unpin(gt, ref, is_writable, true);
}

void entry_unpin(struct gnttab *gt, u32 ref, bool is_writable)
{
	if (unlikely(!unpin(gt, ref, is_writable, false)))
		unpin_slow(gt, ref, is_writable);
}

void gnttab_dirty_mark(struct domain *d)
{
	u32 frames = atomic_load(&d->gnttab->frames);

	for (u32 i = 0; i < frames; i++) {
		const struct grant_page *page = &d->gnttab->pages[i];

		for (u32 j = 0; j < ENTRIES_PER_FRAME; j++)
			if (unlikely(atomic_load(&page->pins[j]) & PIN_WRITERS))
				mm_mark_dirty(d, mfn_make(atomic_load(&page->entries[j]) >> 32));
	}
}

s16 gnttab_swap(struct domain *d, u32 ref_a, u32 ref_b)
{
	u64 *entry_a, *entry_b, was_a;
	u32 *pins_a, *pins_b, now_a, now_b;
	s16 status = GNTST_okay;

	if (ref_a > ref_b)
		return gnttab_swap(d, ref_b, ref_a); /* locks in order */
	if (!entry_find(d->gnttab, ref_a, &entry_a, &pins_a) ||
	    !entry_find(d->gnttab, ref_b, &entry_b, &pins_b))
		return GNTST_bad_gntref;
	if (ref_a == ref_b)
		return GNTST_okay;
	(void)pins_lock(pins_a, &now_a, true);
	(void)pins_lock(pins_b, &now_b, true);
	if (now_a || now_b) {
		status = GNTST_eagain;
	} else {
		was_a = atomic_load(entry_a);
		atomic_store(entry_a, atomic_load(entry_b));
		atomic_store(entry_b, was_a);
	}
	atomic_store(pins_a, now_a);
	atomic_store(pins_b, now_b);
	return status;
}

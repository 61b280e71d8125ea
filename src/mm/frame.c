/* SPDX-License-Identifier: MIT */
/*
 * Who refers to a frame, and as what: the state machine of ARCHITECTURE 4.2 on the frame's one atomic word. Reached by
 * everything that touches guest frames; calls ptable.c to judge entries and flush.c before a type changes. No lock:
 * BUSY belongs to the CPU that set it. Who waits for BUSY while holding a BUSY table himself waits only for lower
 * levels, so nobody waits in a circle.
 *
 *	typed 0, NONE or WRITABLE	free to become anything
 *	typed n, WRITABLE		n writable mappings
 *	typed n, table, VALID		n users; its entries hold references
 *	typed 0, table, not VALID	half-done (preempted): holds one reference on itself, belongs to nobody
 *	BUSY				one CPU changes the type; plain references may still come and go
 */
#include "mm/priv.h"

#include "core/cpu.h"
#include "core/err.h"
#include "hw/flush.h"

static bool refs_full(u64 word)
{
	return (word & FRAME_REFS_MASK) == FRAME_REFS_MASK ||
	       (word & FRAME_TYPED_MASK) == FRAME_TYPED_MASK;
}

/* Takes `what` (at least one reference) off the word; the frame goes when that was the last one. */
static void release(struct frame *f, u64 what)
{
	u64 word = atomic_sub(&f->word, what);

	if (!(word & FRAME_REFS_MASK))
		domain_frame_gone(f);
}

int frame_get(mfn_t mfn, const struct domain *d)
{
	struct frame *f;
	u64 old;

	if (!hw_frame_is_ram(mfn))
		return err(EINVAL);
	f = frame_of(mfn_nospec(mfn));
	old = atomic_load(&f->word);
	if (d && !atomic_is(&f->owner, d->id))
		return err(EINVAL);
	do {
		if (!(old & FRAME_LIVE) || (old & FRAME_REFS_MASK) == FRAME_REFS_MASK)
			return err(EINVAL);
	} while (!atomic_cmpxchg(&f->word, &old, old + 1));
	/* Only now can it not change hands any more. */
	if (d && (atomic_load(&f->owner) != d->id || atomic_load(&d->is_dying))) {
		release(f, 1);
		return err(EINVAL);
	}
	return 0;
}

void frame_put(mfn_t mfn)
{
	release(frame_of(mfn), 1);
}

/* The end of a demotion or of a failed promotion: entries are given back. refs: references to give back too. */
static int undo_type(struct frame *f, enum frame_type type, u64 typed, u64 refs, bool failed)
{
	int rc;

	if (unlikely(atomic_load(&mirror_count)) && type_level(type))
		mirror_table_gone(f);
	rc = table_drain(f, type);

	if (rc) {
		/* Half-done: the table keeps one of the references for itself. */
		if (failed)
			f->done |= DONE_FAILED;
		release(f, FRAME_BUSY + typed + refs - 1);
		return rc;
	}
	f->done = 0;
	atomic_store(&f->stamp, flush_clock());
	release(f, FRAME_BUSY + type_bits(type) + typed + refs);
	return 0;
}

/* f is BUSY, typed 1 and of the new type by this CPU's hand. resumed: it was half-done before. */
static int promote(struct frame *f, struct domain *d, enum frame_type type, bool resumed)
{
	u64 self = resumed ? 1 : 0;
	u64 word = atomic_load(&f->word);
	int rc;

	if (!resumed)
		flush_frame(f, word & FRAME_FOREIGN ? NULL : d);
	if (type == FRAME_WRITABLE) {
		atomic_sub(&f->word, FRAME_BUSY);
		return 0;
	}
	if (word & FRAME_NONCOH) {
		hw_flush_frame_cache(frame_mfn(f));
		atomic_fetch_and(&f->word, ~FRAME_NONCOH);
	}
	rc = f->done & DONE_FAILED ? err(EINVAL) : table_fill(f, d, type);
	if (!rc) {
		f->done = 0;
		mm_mark_dirty(d, frame_mfn(f));
		atomic_sub(&f->word, FRAME_BUSY - FRAME_VALID + self);
		return 0;
	}
	if (rc == -ERESTART && f->done && type != FRAME_L1) /* an L1 begins anew */
		release(f, FRAME_BUSY + FRAME_TYPED_ONE + self);
	else if (undo_type(f, type, FRAME_TYPED_ONE, 1 + self, true) == -ERESTART)
		rc = -ERESTART; /* the caller comes again for the error, and finishes this first */
	return rc;
}

/* A BUSY frame: may we wait for it? */
static bool may_wait(u64 word, enum frame_type type, bool nested)
{
	return !nested || type_level(frame_word_type(word)) <= type_level(type);
}

/* The word that frame_type_get wants to write; 0: conflict. */
static u64 type_get_word(u64 old, enum frame_type type)
{
	enum frame_type has = frame_word_type(old);

	if (has == type && (type == FRAME_WRITABLE || (old & FRAME_VALID)))
		return old + FRAME_TYPED_ONE + 1;
	if (old & FRAME_TYPED_MASK)
		return 0;
	if (has == FRAME_NONE || has == FRAME_WRITABLE)
		return ((old & ~FRAME_TYPE_MASK) | type_bits(type) | FRAME_BUSY) + FRAME_TYPED_ONE +
		       1;
	if (has == type) /* half-done: go on */
		return (old | FRAME_BUSY) + FRAME_TYPED_ONE + 1;
	return 0;
}

/* Does an update on another CPU hold the type for a moment? (Updates by other domains are not looked for.) */
static bool is_held_elsewhere(const struct frame *f, const struct domain *d)
{
	const struct vcpu *v;

	for_each_vcpu(d, v)
		if (v->mm && atomic_load(&v->mm->held) == f && atomic_load(&v->cpu) != cpu_id())
			return true;
	return false;
}

/* In use as something else: refused, but an update that will have gone in a moment is no reason. */
static int conflict(const struct frame *f, const struct domain *d, u64 seen)
{
	/* Looked at more than once: one update may have gone and the next have come between two looks. */
	for (unsigned int i = 0; i < 3; i++)
		if (is_held_elsewhere(f, d) /* pairs with table_hold() */ ||
		    atomic_load(&f->word) != seen) {
			hw_relax();
			return -ERESTART;
		}
	return err(EINVAL);
}

int type_get(mfn_t mfn, struct domain *d, enum frame_type type, bool nested)
{
	struct frame *f;

	if (!hw_frame_is_ram(mfn))
		return err(EINVAL);
	f = frame_of(mfn_nospec(mfn));
	for (;;) {
		u64 old = atomic_load(&f->word), new;
		bool resumed = type_level(frame_word_type(old)) != 0;
		int rc;

		if (!(old & FRAME_LIVE) || atomic_load(&f->owner) != d->id)
			return err(EINVAL);
		if (refs_full(old))
			return err(EBUSY);
		if (old & FRAME_BUSY) {
			if (!may_wait(old, type, nested))
				return err(EBUSY);
			hw_relax();
			continue;
		}
		new = type_get_word(old, type);
		if (!new) {
			if (old & FRAME_TYPED_MASK)
				return conflict(f, d, old);
			rc = settle(f, nested);
			if (rc)
				return rc;
			continue;
		}
		if (!atomic_cmpxchg(&f->word, &old, new))
			continue;
		if (atomic_load(&f->owner) != d->id || atomic_load(&d->is_dying)) {
			if (new &FRAME_BUSY)
				(void)undo_type(f, type, FRAME_TYPED_ONE, resumed ? 2 : 1, false);
			else
				(void)frame_type_put_preemptible(mfn);
			return err(EINVAL);
		}
		return new &FRAME_BUSY ? promote(f, d, type, resumed) : 0;
	}
}

int type_get_for_other(mfn_t mfn, struct domain *d, bool nested)
{
	int rc = type_get(mfn, d, FRAME_WRITABLE, nested);

	/* What is left of a half-done table comes to an end; what its owner does to it at the moment need not. */
	if (unlikely(rc == -ERESTART) && frame_word_typed(atomic_load(&frame_of(mfn)->word)))
		rc = err(EINVAL);
	return rc;
}

int frame_type_get(mfn_t mfn, struct domain *d, enum frame_type type)
{
	if (type == FRAME_NONE)
		return frame_get(mfn, d);
	return type_get(mfn, d, type, false);
}

int type_get_current(mfn_t mfn, struct domain *d, enum frame_type *type)
{
	struct frame *f;

	if (!hw_frame_is_ram(mfn))
		return err(EINVAL);
	f = frame_of(mfn_nospec(mfn));
	for (;;) {
		u64 old = atomic_load(&f->word);
		enum frame_type has = frame_word_type(old);
		int rc;

		if (old & FRAME_BUSY) {
			hw_relax();
			continue;
		}
		*type = type_level(has) && (old & FRAME_VALID) ? has : FRAME_WRITABLE;
		rc = type_get(mfn, d, *type, false);
		/* Another CPU changed the type meanwhile: look again. */
		if (rc != -EINVAL || atomic_load(&f->owner) != d->id ||
		    !(atomic_load(&f->word) & FRAME_LIVE) || atomic_load(&d->is_dying))
			return rc;
	}
}

int frame_type_put_preemptible(mfn_t mfn)
{
	struct frame *f = frame_of(mfn);
	u64 old = atomic_load(&f->word);

	for (;;) {
		enum frame_type type = frame_word_type(old);

		if (old & FRAME_BUSY) {
			hw_relax();
			old = atomic_load(&f->word);
			continue;
		}
		ASSERT(old & FRAME_TYPED_MASK);
		if (frame_word_typed(old) > 1) {
			if (atomic_cmpxchg(&f->word, &old, old - FRAME_TYPED_ONE - 1))
				return 0;
			continue;
		}
		if (type == FRAME_WRITABLE) {
			/* BUSY, then the stamp: a promotion must not read an older one. */
			if (!atomic_cmpxchg(&f->word, &old, (old - FRAME_TYPED_ONE) | FRAME_BUSY))
				continue;
			atomic_store(&f->stamp, flush_clock());
			release(f, FRAME_BUSY + 1);
			return 0;
		}
		if (!atomic_cmpxchg(&f->word, &old,
				    (old - FRAME_TYPED_ONE - FRAME_VALID) | FRAME_BUSY))
			continue;
		f->done = TABLE_ENTRIES;
		return undo_type(f, type, 0, 1, false);
	}
}

void frame_type_put(mfn_t mfn)
{
	if (frame_type_put_preemptible(mfn) == -ERESTART)
		while (settle(frame_of(mfn), false) == -ERESTART)
			continue;
}

int settle(struct frame *f, bool nested)
{
	for (;;) {
		u64 old = atomic_load(&f->word);
		enum frame_type type = frame_word_type(old);

		if (!type_level(type) || (old & (FRAME_TYPED_MASK | FRAME_VALID)))
			return 0;
		if (old & FRAME_BUSY) {
			if (nested)
				return 0; /* whoever holds it works on it */
			hw_relax();
			continue;
		}
		if (atomic_cmpxchg(&f->word, &old, old | FRAME_BUSY))
			return undo_type(f, type, 0, 1, false);
	}
}

int frame_settle(mfn_t mfn, struct domain *d)
{
	if (!hw_frame_is_ram(mfn) || atomic_load(&frame_of(mfn)->owner) != d->id)
		return 0;
	return settle(frame_of(mfn), false);
}

/* SPDX-License-Identifier: MIT */
/*
 * Pins and roots: who keeps whole trees of page tables. Reached by mmuext_op, the domain builders and teardown; calls
 * frame.c. No lock: pins are bits of the frame's word, roots belong to their vCPU.
 */
#include "mm/priv.h"

#include "core/err.h"

int pt_pin(struct domain *d, mfn_t mfn, unsigned int level)
{
	struct frame *f;
	int rc;

	if (level < 1 || level > 4)
		return err(EINVAL);
	rc = frame_type_get(mfn, d, level_type(level));
	if (rc)
		return rc;
	f = frame_of(mfn_nospec(mfn));
	if (!(atomic_fetch_or(&f->word, FRAME_PINNED) & FRAME_PINNED)) {
		mm_mark_dirty(d, mfn);
		return 0;
	}
	/* The pin's own reference remains; if it went meanwhile, the table may be left half-done. */
	(void)frame_type_put_preemptible(mfn);
	return err(EINVAL);
}

int pt_unpin(struct domain *d, mfn_t mfn)
{
	struct frame *f;
	u64 old;

	if (!hw_frame_is_ram(mfn))
		return err(EINVAL);
	f = frame_of(mfn_nospec(mfn));
	if (atomic_load(&f->owner) != d->id)
		return err(EINVAL);
	old = atomic_load(&f->word);
	do {
		if (old & FRAME_PINNED)
			continue;
		/* The rest of a call that was preempted. */
		if (type_level(frame_word_type(old)) && !(old & FRAME_TYPED_MASK))
			return settle(f, false);
		return err(EINVAL);
	} while (!atomic_cmpxchg(&f->word, &old, old & ~FRAME_PINNED));
	mm_mark_dirty(d, mfn);
	return frame_type_put_preemptible(mfn);
}

int pt_root_switch(struct vcpu *v, mfn_t mfn, bool user, mfn_t *old)
{
	mfn_t *root = user ? &v->mm->root_user : &v->mm->root_kernel;

	*old = MFN_NONE;
	if (mfn_is_none(mfn) && !user) /* also where there is none yet: a vCPU never runs without */
		return err(EINVAL);
	if (mfn_equal(mfn, *root))
		return 0;
	if (!mfn_is_none(mfn) &&
	    unlikely(!table_get_quick(frame_of(mfn_nospec(mfn)), v->domain->id, FRAME_L4))) {
		int rc = frame_type_get(mfn, v->domain, FRAME_L4);

		if (rc)
			return rc;
	}
	*old = *root;
	*root = mfn;
	twin_forget(v, user);
	v->mm->walk_tag = 0;
	return 0;
}

void pt_root_put(struct vcpu *v, mfn_t old)
{
	if (!mfn_is_none(old) && type_put(frame_of(old)) == -ERESTART)
		v->mm->unsettled = old;
}

int pt_settle_rest(struct vcpu *v)
{
	int rc = settle(frame_of(v->mm->unsettled), false);

	if (!rc)
		v->mm->unsettled = MFN_NONE;
	return rc;
}

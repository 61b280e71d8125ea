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

static inline int root_set(struct vcpu *v, mfn_t mfn, bool user, mfn_t *old)
{
	mfn_t *root = user ? &v->mm->root_user : &v->mm->root_kernel;

	*old = *root;
	*root = mfn;
	v->mm->walk_tag = 0;
	twin_forget(v, user);
	return 0;
}

static NOINLINE int root_switch_slow(struct vcpu *v, mfn_t mfn, bool user, mfn_t *old)
{
	int rc;

	if (mfn_is_none(mfn))
		return user ? root_set(v, mfn, user, old) : err(EINVAL);
	rc = frame_type_get(mfn, v->domain, FRAME_L4);
	return rc ? rc : root_set(v, mfn, user, old);
}

/* The reference proved to be on another's frame. */
static NOINLINE int root_switch_back(mfn_t mfn)
{
	(void)frame_type_put_preemptible(mfn_nospec(mfn));
	return err(EINVAL);
}

int pt_root_switch(struct vcpu *v, mfn_t mfn, bool user, mfn_t *old)
{
	struct frame *f = frame_of(
		mfn_nospec(mfn)); /* also of MFN_NONE: number 0, which is nobody's */
	const domid_t owner = v->domain->id;
	u64 before;

	*old = MFN_NONE;
	if (mfn_equal(mfn, user ? v->mm->root_user : v->mm->root_kernel))
		/* Also where there is none yet: a vCPU never runs without one for its kernel. */
		return mfn_is_none(mfn) && !user ? root_switch_slow(v, mfn, user, old) : 0;
	if (unlikely(!word_take_quick(f, owner, QUICK_TABLE(FRAME_L4), &before)))
		return root_switch_slow(v, mfn, user, old);
	if (unlikely(!atomic_is(&f->owner, owner)))
		return root_switch_back(mfn);
	return root_set(v, mfn, user, old);
}

static NOINLINE void root_put_slow(struct vcpu *v, mfn_t old)
{
	if (!mfn_is_none(old) && type_put(frame_of(old)) == -ERESTART)
		v->mm->unsettled = old;
}

void pt_root_put(struct vcpu *v, mfn_t old)
{
	if (mfn_is_none(old) || unlikely(!type_put_quick(frame_of(old))))
		root_put_slow(v, old);
}

int pt_settle_rest(struct vcpu *v)
{
	int rc = settle(frame_of(v->mm->unsettled), false);

	if (!rc)
		v->mm->unsettled = MFN_NONE;
	return rc;
}

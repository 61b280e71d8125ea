/* SPDX-License-Identifier: MIT */
/*
 * Where a vCPU's vcpu_info lies: in shared info, in a frame that the guest chose, or (before that, for vCPUs that shared
 * info has no room for) nowhere a guest can see. Reached from hcall/ and domain/; calls mm and sched. v->info_mfn has the
 * domain's own lock; senders read v->info inside their read section.
 */
#include "evtchn/evtchn.h"
#include "evtchn/priv.h"

#include "mm/mm.h"
#include "sched/sched.h"

#define INFO_WORDS (sizeof(struct vcpu_info) / sizeof(u64))

_Static_assert(sizeof(struct vcpu_info) == 64, "the ABI's size");

/* In words, each an atomic: senders may be writing the old place. */
static void info_copy(struct vcpu_info *to, struct vcpu_info *from)
{
	u64 *to_words = (void *)to;
	u64 *from_words = (void *)from;

	for (size_t i = 0; i < INFO_WORDS; i++)
		atomic_store(&to_words[i], atomic_load(&from_words[i]));
}

void evtchn_vcpu_info_moved(struct vcpu *v)
{
	struct vcpu_info *info = atomic_load(&v->info);

	grace_wait(); /* whoever still saw the old place has finished there */
	atomic_store(&info->evtchn_pending_sel, ~0ul);
	atomic_store(&info->evtchn_upcall_pending, 1);
	vcpu_kick(v);
}

int evtchn_vcpu_info_place(struct vcpu *v, mfn_t mfn, u32 offset)
{
	struct domain *d = v->domain;
	int rc;

	if (offset > PAGE_SIZE - sizeof(struct vcpu_info) ||
	    offset % _Alignof(struct vcpu_info) != 0)
		return err(ENXIO);
	rc = frame_type_get(mfn, d, FRAME_WRITABLE);
	if (rc != 0)
		return rc;
	lock_acquire(&d->lock);
	if (!mfn_is_none(v->info_mfn) || atomic_load(&d->is_dying)) {
		rc = err(EINVAL);
	} else {
		struct vcpu_info *info = (void *)((u8 *)hw_frame_map(mfn) + offset);

		info_copy(info, v->info);
		v->info_mfn = mfn;
		atomic_store(&v->info, info);
	}
	lock_release(&d->lock);
	if (rc == 0)
		evtchn_vcpu_info_moved(v);
	else
		frame_type_put(mfn);
	return rc;
}

void vcpu_info_release(struct domain *d)
{
	struct vcpu *v;

	for_each_vcpu(d, v) {
		mfn_t mfn;

		if (v->evtchn == NULL)
			continue;
		lock_acquire(&d->lock);
		mfn = v->info_mfn;
		v->info_mfn = MFN_NONE;
		atomic_store(&v->info, &v->evtchn->dummy); /* shared info goes too */
		lock_release(&d->lock);
		if (mfn_is_none(mfn))
			continue;
		grace_wait();
		frame_type_put(mfn);
	}
}

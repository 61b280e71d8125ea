/* SPDX-License-Identifier: MIT */
/*
 * Tool calls about a domain's memory: how much it may have, what its frames are used as. Reached from domctl.c; calls mm. No lock.
 */
#include "gnttab/gnttab.h"
#include "hcall/tool.h"
#include "hw/cpu.h"
#include "hw/mem.h"
#include "mm/mm.h"
#include "pv/pv.h"
#include "sched/sched.h"

#define FRAMES_AT_A_TIME 64u

int domctl_max_mem(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	atomic_store(&d->mm->pages_max, op->u.max_mem.max_memkb >> (PAGE_SHIFT - 10));
	return 0;
}

int domctl_hypercall_init(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	mfn_t mfn = mfn_make(op->u.hypercall_init.gmfn);
	int rc = frame_type_get(mfn, d, FRAME_WRITABLE);

	if (rc != 0)
		return rc == -ERESTART ? rc : err(EACCES);
	pv_hypercall_page_fill(hw_frame_map(mfn_nospec(mfn)));
	mm_mark_dirty(d, mfn);
	frame_type_put(mfn);
	return 0;
}

static u32 frame_info(const struct domain *d, mfn_t mfn)
{
	static const u32 types[] = {
		[FRAME_L1] = XEN_DOMCTL_PFINFO_L1TAB,	[FRAME_L2] = XEN_DOMCTL_PFINFO_L2TAB,
		[FRAME_L3] = XEN_DOMCTL_PFINFO_L3TAB,	[FRAME_L4] = XEN_DOMCTL_PFINFO_L4TAB,
		[FRAME_DESC] = XEN_DOMCTL_PFINFO_NOTAB,
	};
	u32 info = XEN_DOMCTL_PFINFO_NOTAB;
	u64 word;

	if (frame_get(mfn, d) != 0)
		return XEN_DOMCTL_PFINFO_XTAB;
	word = atomic_load(&frame_of(mfn)->word);
	if ((word & FRAME_VALID) != 0)
		info = types[frame_word_type(word)];
	if ((word & FRAME_PINNED) != 0)
		info |= XEN_DOMCTL_PFINFO_LPINTAB;
	frame_put(mfn);
	return info;
}

/* The list is rewritten in place. Preempted, the guest's argument says what is left. */
int domctl_getpageframeinfo3(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	struct xen_domctl_getpageframeinfo3 *arg = &op->u.getpageframeinfo3;
	u64 frames[FRAMES_AT_A_TIME], done = 0;

	if (arg->num > 1024)
		return err(E2BIG);
	while (done < arg->num) {
		u64 count = MIN(arg->num - done, FRAMES_AT_A_TIME);
		gva_t at = guest_at(arg->array, done);

		if (hw_copy_from_guest(frames, at, count * sizeof(frames[0])) != 0)
			return err(EFAULT);
		for (u64 i = 0; i < count; i++)
			frames[i] = frame_info(d, mfn_make(frames[i]));
		if (hw_copy_to_guest(at, frames, count * sizeof(frames[0])) != 0)
			return err(EFAULT);
		done += count;
	}
	return 0;
}

/* Pages that Mica or a back end writes at any time are dirty each time. */
static int dirty_read(struct domain *d, struct xen_domctl_shadow_op *arg)
{
	struct mm_dirty_read read = {
		.bitmap = guest_at(arg->dirty_bitmap, 0),
		.pages = arg->pages,
		.is_clean = arg->op == XEN_DOMCTL_SHADOW_OP_CLEAN,
	};
	struct vcpu *v;
	int rc;

	for_each_vcpu(d, v)
		if (!mfn_is_none(v->info_mfn))
			mm_mark_dirty(d, v->info_mfn);
	gnttab_dirty_mark(d);
	rc = mm_mirror_read(d, &read);
	arg->stats = (struct xen_domctl_shadow_op_stats){read.fault_count, read.dirty_count};
	return rc;
}

static int shadow_op(struct domain *d, struct xen_domctl_shadow_op *arg)
{
	switch (arg->op) {
	case XEN_DOMCTL_SHADOW_OP_OFF:
		return d->mm->mirror != NULL ? mm_mirror_disable(d) : err(EINVAL);
	case XEN_DOMCTL_SHADOW_OP_ENABLE:
		return arg->mode == XEN_DOMCTL_SHADOW_ENABLE_LOG_DIRTY ? mm_mirror_enable(d)
								       : err(EINVAL);
	case XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY:
		return mm_mirror_enable(d);
	case XEN_DOMCTL_SHADOW_OP_CLEAN:
	case XEN_DOMCTL_SHADOW_OP_PEEK:
		return dirty_read(d, arg);
	default:
		return err(EINVAL);
	}
}

/* Live save. What of it is preempted comes again with the same arguments. */
int domctl_shadow_op(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	int rc;

	domain_pause(d);
	rc = shadow_op(d, &op->u.shadow_op);
	domain_unpause(d);
	return rc;
}

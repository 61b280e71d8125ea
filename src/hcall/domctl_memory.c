/* SPDX-License-Identifier: MIT */
/*
 * Tool calls about a domain's memory: how much it may have, what its frames are used as. Reached from domctl.c; calls mm. No lock.
 */
#include "hcall/tool.h"
#include "hw/cpu.h"
#include "hw/mem.h"
#include "mm/mm.h"
#include "pv/pv.h"

#define FRAMES_AT_A_TIME 64u

int domctl_max_mem(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	(void)v;
	atomic_store(&d->mm->pages_max, op->u.max_mem.max_memkb >> (PAGE_SHIFT - 10));
	return 0;
}

int domctl_hypercall_init(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	mfn_t mfn = mfn_make(op->u.hypercall_init.gmfn);
	int rc = frame_type_get(mfn, d, FRAME_WRITABLE);

	(void)v;
	if (rc != 0)
		return rc == -ERESTART ? rc : err(EACCES);
	pv_hypercall_page_fill(hw_frame_map(mfn_nospec(mfn)));
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

	(void)v;
	if (arg->num > 1024)
		return err(E2BIG);
	while (done < arg->num) {
		u64 count = MIN(arg->num - done, FRAMES_AT_A_TIME);
		gva_t at = gva_make((u64)arg->array.p + done * sizeof(frames[0]));

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

/* SPDX-License-Identifier: MIT */
/*
 * The machine-to-physical table, which guests read: for each frame the pfn that its owner gave it. Reached by the
 * memory hypercalls and when frames change hands; no lock (single words, the guest's own business).
 */
#include "mm/priv.h"

#include "core/atomic.h"

void m2p_set(mfn_t mfn, u64 pfn)
{
	u64 old = atomic_exchange(&hw_m2p()[mfn_num(mfn)], pfn);

	if (unlikely(atomic_load(&mirror_count))) {
		mirror_mark_pfns(frame_owner(mfn), old, 1);
		mirror_mark_pfns(frame_owner(mfn), pfn, 1);
	}
}

/* They have not been anybody's, so only the new pfns are to be marked. */
void m2p_set_run(mfn_t mfn, u32 frames, u64 pfn)
{
	u64 *m2p = hw_m2p() + mfn_num(mfn), step = pfn == M2P_INVALID ? 0 : 1, here = pfn;

	for (const u64 *end = m2p + frames; m2p < end; here += step)
		atomic_store(m2p++, here);
	if (step && unlikely(atomic_load(&mirror_count)))
		mirror_mark_pfns(frame_owner(mfn), pfn, frames);
}

u64 m2p_get(mfn_t mfn)
{
	return atomic_load(&hw_m2p()[mfn_num(mfn)]);
}

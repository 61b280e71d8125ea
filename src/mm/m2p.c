/* SPDX-License-Identifier: MIT */
/*
 * The machine-to-physical table, which guests read: for each frame the pfn that its owner gave it. Reached by the
 * memory hypercalls and when frames change hands; no lock (single words, the guest's own business).
 */
#include "mm/mm.h"

#include "core/atomic.h"

void m2p_set(mfn_t mfn, u64 pfn)
{
	atomic_store(&hw_m2p()[mfn_num(mfn)], pfn);
}

u64 m2p_get(mfn_t mfn)
{
	return atomic_load(&hw_m2p()[mfn_num(mfn)]);
}

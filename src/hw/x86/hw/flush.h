/* SPDX-License-Identifier: MIT */
/*
 * Seam: this CPU's TLB and caches, and asking other CPUs to flush theirs. The clock that says who must is in mm/flush.c.
 */
#ifndef HW_FLUSH_H
#define HW_FLUSH_H

#include "lib/types.h"

struct cpumask; /* core/cpu.h */

void hw_flush_tlb_local(void);	      /* everything of the guest, global entries too */
void hw_flush_tlb_va_local(u64 va);   /* one address (INVLPG) */
void hw_flush_cache_local(void);      /* WBINVD */
void hw_flush_frame_cache(mfn_t mfn); /* CLFLUSH a frame's lines by its direct map */

enum flush_kind {
	FLUSH_TLB = 1, /* everything of the guest */
	FLUSH_VA = 2,  /* one address */
	FLUSH_CACHE = 4,
};
/* Runs the flush on every CPU of the mask (this one too if in it) and waits for all. Calls flush_answer() there. */
void hw_flush_mask(const struct cpumask *mask, unsigned int kind, u64 va);

#endif

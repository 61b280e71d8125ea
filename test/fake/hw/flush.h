/* SPDX-License-Identifier: MIT */
/* Fake seam: each flush is counted, and told to the fake TLBs of tests that have them (fake_flush_hook). */
#ifndef HW_FLUSH_H
#define HW_FLUSH_H

#include "core/cpu.h"
#include "lib/types.h"

void hw_flush_tlb_local(void);
void hw_flush_tlb_va_local(u64 va);
void hw_flush_cache_local(void);
void hw_flush_frame_cache(mfn_t mfn);

enum flush_kind { FLUSH_TLB = 1, FLUSH_VA = 2, FLUSH_CACHE = 4 };
void hw_flush_mask(const struct cpumask *mask, unsigned int kind, u64 va);

/* In mm/flush.c; a test without it gets an empty one. */
void flush_answer(unsigned int kind, u64 va);

#endif

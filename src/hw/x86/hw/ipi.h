/* SPDX-License-Identifier: MIT */
/* Seam: what boot tells the IPI code. No lock. */
#pragma once

#include "lib/types.h"

extern u32 hw_cpu_apic_id[]; /* [c] after boot */
/* Does what a flush request says on this CPU; mm's, set by boot. */
extern void (*hw_flush_answer)(unsigned int kind, u64 va);

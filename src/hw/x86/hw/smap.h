/* SPDX-License-Identifier: MIT */
/*
 * SMAP: while it is on, Mica reaches a guest's pages only between these two. The sites are no-ops until hw_patch() makes
 * STAC and CLAC of them, at boot, once. No lock.
 */
#pragma once

#include "hw/patch.h"

#define HW_SMAP_SITE(kind)                                                                    \
	__asm__ volatile("9999: .byte 0x0f, 0x1f, 0x00\n"                                     \
			 ".pushsection .patch_sites, \"a\"; .quad 9999b, %c0, 0; .popsection" \
			 :                                                                    \
			 : "i"(kind)                                                          \
			 : "memory")

static inline void hw_smap_open(void)
{
	HW_SMAP_SITE(PATCH_STAC);
}
static inline void hw_smap_close(void)
{
	HW_SMAP_SITE(PATCH_CLAC);
}

/* SPDX-License-Identifier: MIT */
/*
 * Turning SMAP on: the sites that were no-ops become CLAC and STAC. Reached from boot/, once, through the direct map (Mica's
 * text is not writable where it runs). No lock.
 */
#include "hw/smap.h"

#include "hw/asm.h"
#include "hw/features.h"
#include "hw/layout.h"
#include "lib/string.h"

struct smap_site {
	u64 at, opens;
};
extern const struct smap_site smap_sites_start[], smap_sites_end[];

void hw_smap_patch(void)
{
	static const u8 clac[3] = {0x0f, 0x01, 0xca}, stac[3] = {0x0f, 0x01, 0xcb};

	for (const struct smap_site *site = smap_sites_start; site < smap_sites_end; site++)
		memcpy((void *)(site->at - LAYOUT_IMAGE + LAYOUT_DIRECT),
		       site->opens != 0 ? stac : clac, sizeof(clac));
	hw_features.cr4_extra |= CR4_SMAP;
	hw_cr4_write(hw_cr4_read() | CR4_SMAP);
}

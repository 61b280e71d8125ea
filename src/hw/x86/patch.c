/* SPDX-License-Identifier: MIT */
/*
 * Instructions that are decided by the machine: written over at boot, once, before other CPUs and guests run. The sites are made
 * by macros of entry/entry.S, hw/smap.h and thunk.S. Reached from boot/. No lock.
 */
#include "hw/patch.h"

#include "hw/asm.h"
#include "hw/layout.h"
#include "lib/string.h"

struct patch_site {
	u64 at, kind, target;
};
extern const struct patch_site patch_sites_start[], patch_sites_end[];

/* By PATCH_x: the new bytes; with a target, the last four become the distance from the site's end to its target. */
static const struct {
	char code[8];
	u8 bytes;
	bool has_target;
} patches[] = {
	[PATCH_CLAC] = {"\x0f\x01\xca", 3, false},   [PATCH_STAC] = {"\x0f\x01\xcb", 3, false},
	[PATCH_ISOLATED] = {"\x66\x90", 2, false},   [PATCH_THUNK] = {"\x0f\x1f", 3, false},
	[PATCH_CALL_C] = {"\x2e\xe8", 6, true},	     [PATCH_HISTORY] = {"\xe8", 5, true},
	[PATCH_BUFFERS] = {"\x0f\x00\x2d", 7, true},
};

void hw_patch(unsigned int kind)
{
	size_t bytes = patches[kind].bytes;

	for (const struct patch_site *site = patch_sites_start; site < patch_sites_end; site++) {
		/* Through the direct map: Mica's text is not writable where it runs. */
		u8 *to = (u8 *)(site->at - LAYOUT_IMAGE + LAYOUT_DIRECT);
		u32 distance = (u32)(site->target - (site->at + bytes));

		if (site->kind != kind)
			continue;
		memcpy(to, patches[kind].code, bytes);
		if (patches[kind].has_target)
			memcpy(to + bytes - sizeof(distance), &distance, sizeof(distance));
	}
}

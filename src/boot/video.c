/* SPDX-License-Identifier: MIT */
/*
 * What is on the screen, for Domain 0, which drives it: the loader's words about a frame buffer, or text mode as the BIOS
 * left it. Reached from main.c once; reads the BIOS's data area. No lock.
 */
#include "boot/boot.h"
#include "hw/map.h"
#include "lib/abi.h"
#include "lib/string.h"

#define LFB_UNIT 0x10000ull /* the ABI counts its size in these */

/* The BIOS data area, at 0x400. */
#define BDA_ADDRESS	0x400u
#define BDA_VIDEO_MODE	0x49u
#define BDA_COLUMNS	0x4au
#define BDA_CURSOR	0x50u /* of page 0: column, row */
#define BDA_ROWS	0x84u /* less one */
#define BDA_FONT_HEIGHT 0x85u
#define BDA_BYTES	0x100u

#define TEXT_MODE_COLOUR 3

static struct dom0_vga_console_info screen;

static bool linear_fill(const struct boot_video *video)
{
	u64 bytes = (u64)video->pitch_bytes * video->height;

	if (video->width > 0xffff || video->height > 0xffff || video->pitch_bytes > 0xffff)
		return false;
	screen.video_type = boot_info.efi_system_table != 0 ? XEN_VGATYPE_EFI_LFB
							    : XEN_VGATYPE_VESA_LFB;
	screen.u.vesa_lfb.width = (u16)video->width;
	screen.u.vesa_lfb.height = (u16)video->height;
	screen.u.vesa_lfb.bytes_per_line = (u16)video->pitch_bytes;
	screen.u.vesa_lfb.bits_per_pixel = video->bpp;
	screen.u.vesa_lfb.lfb_base = (u32)video->address;
	screen.u.vesa_lfb.ext_lfb_base = (u32)(video->address >> 32);
	screen.u.vesa_lfb.lfb_size = (u32)(ROUND_UP(bytes, LFB_UNIT) / LFB_UNIT);
	screen.u.vesa_lfb.red_pos = video->red_pos;
	screen.u.vesa_lfb.red_size = video->red_size;
	screen.u.vesa_lfb.green_pos = video->green_pos;
	screen.u.vesa_lfb.green_size = video->green_size;
	screen.u.vesa_lfb.blue_pos = video->blue_pos;
	screen.u.vesa_lfb.blue_size = video->blue_size;
	screen.u.vesa_lfb.gbl_caps = video->vbe_capabilities;
	screen.u.vesa_lfb.mode_attrs = video->vbe_attributes;
	return true;
}

static bool text_fill(void)
{
	const u8 *bda = hw_phys_map(BDA_ADDRESS, BDA_BYTES);

	if (bda == NULL || bda[BDA_VIDEO_MODE] != TEXT_MODE_COLOUR || bda[BDA_COLUMNS] == 0)
		return false;
	screen.video_type = XEN_VGATYPE_TEXT_MODE_3;
	screen.u.text_mode_3.font_height = bda[BDA_FONT_HEIGHT];
	screen.u.text_mode_3.cursor_x = bda[BDA_CURSOR];
	screen.u.text_mode_3.cursor_y = bda[BDA_CURSOR + 1];
	screen.u.text_mode_3.rows = (u16)(bda[BDA_ROWS] + 1u);
	screen.u.text_mode_3.columns = bda[BDA_COLUMNS];
	return true;
}

const void *boot_video_info(size_t *bytes)
{
	bool is_known = false;

	memset(&screen, 0, sizeof(screen));
	if (boot_info.video.kind == BOOT_VIDEO_LINEAR)
		is_known = linear_fill(&boot_info.video);
	else if (boot_info.efi_system_table == 0)
		is_known = text_fill();
	*bytes = is_known ? sizeof(screen) : 0;
	return is_known ? &screen : NULL;
}

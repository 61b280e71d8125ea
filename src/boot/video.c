/* SPDX-License-Identifier: MIT */
/*
 * What is on the screen, for Domain 0, which drives it: the loader's words about a frame buffer, or text mode as the BIOS
 * left it. Reached from main.c once; reads the BIOS's data area. No lock.
 */
#include "boot/boot.h"
#include "hw/paging.h"
#include "lib/string.h"

/* The BIOS data area, at 0x400. */
#define BDA_ADDRESS	0x400u
#define BDA_VIDEO_MODE	0x49u
#define BDA_COLUMNS	0x4au
#define BDA_CURSOR	0x50u /* of page 0: column, row */
#define BDA_ROWS	0x84u /* less one */
#define BDA_FONT_HEIGHT 0x85u
#define BDA_BYTES	0x100u

#define TEXT_MODE_COLOUR 3

static bool text_fill(struct dom0_vga_console_info *screen)
{
	const u8 *bda = hw_phys_map(BDA_ADDRESS, BDA_BYTES);

	if (bda == NULL || bda[BDA_VIDEO_MODE] != TEXT_MODE_COLOUR || bda[BDA_COLUMNS] == 0)
		return false;
	memset(screen, 0, sizeof(*screen));
	screen->video_type = XEN_VGATYPE_TEXT_MODE_3;
	screen->u.text_mode_3.font_height = bda[BDA_FONT_HEIGHT];
	screen->u.text_mode_3.cursor_x = bda[BDA_CURSOR];
	screen->u.text_mode_3.cursor_y = bda[BDA_CURSOR + 1];
	screen->u.text_mode_3.rows = (u16)(bda[BDA_ROWS] + 1u);
	screen->u.text_mode_3.columns = bda[BDA_COLUMNS];
	return true;
}

const void *boot_video_info(size_t *bytes)
{
	struct dom0_vga_console_info *screen = &boot_info.screen;
	bool is_efi = boot_info.efi_system_table != 0;
	bool is_known = screen->video_type != 0 || (!is_efi && text_fill(screen));

	if (is_efi && is_known)
		screen->video_type = XEN_VGATYPE_EFI_LFB;
	*bytes = is_known ? sizeof(*screen) : 0;
	return is_known ? screen : NULL;
}

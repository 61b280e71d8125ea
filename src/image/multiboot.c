/* SPDX-License-Identifier: MIT */
/*
 * What both Multiboot versions share, and Multiboot 1. Reached by boot/ once; calls multiboot2.c and lib/; no lock.
 *
 * First words of command lines. A loader may put the file's name before the arguments. Multiboot 1, 3.3, leaves
 * that open: QEMU, GRUB Legacy, iPXE and syslinux do, GRUB 2 passes only the arguments, with either protocol. (That is
 * why Debian's GRUB scripts put the word "placeholder" there.) So the first word goes unless the loader is GRUB 2
 * or the protocol is Multiboot 2. What follows a GRUB 2 "placeholder" is left alone here: it is an ordinary
 * word to Domain 0's kernel, and the hypervisor's own options ignore it.
 */
#include "image/multiboot.h"

#include "image/multiboot_priv.h"

/* Offsets in the Multiboot 1 information, and bits of its flags (Multiboot 0.6.96, 3.3). */
enum {
	MBI_FLAGS = 0,
	MBI_MEM_LOWER = 4,
	MBI_MEM_UPPER = 8,
	MBI_CMDLINE = 16,
	MBI_MODS_COUNT = 20,
	MBI_MODS_ADDR = 24,
	MBI_MMAP_LENGTH = 44,
	MBI_MMAP_ADDR = 48,
	MBI_LOADER_NAME = 64,
	MBI_VBE_CONTROL = 72,
	MBI_VBE_MODE = 76,
	MBI_FRAMEBUFFER = 88,
	MBI_BYTES_MIN = 52,
	MBI_BYTES = 120,
};
#define MBI_HAS_MEMORY	    BIT(0)
#define MBI_HAS_CMDLINE	    BIT(2)
#define MBI_HAS_MODULES	    BIT(3)
#define MBI_HAS_MMAP	    BIT(6)
#define MBI_HAS_LOADER_NAME BIT(9)
#define MBI_HAS_VBE	    BIT(11)
#define MBI_HAS_FRAMEBUFFER BIT(12)

#define MODULE_ENTRY_BYTES 16u
#define MODULES_WALK_MAX   256u /* look at no more, whatever the count says */
#define MMAP_WALK_MAX	   4096u
#define MMAP_ENTRY_MIN	   20u /* what the size word must cover: base, length, type */

/* Offsets in the VBE information blocks (VBE 3.0, functions 00h and 01h). */
enum {
	VBE_CONTROL_CAPABILITIES = 10,
	VBE_CONTROL_BYTES = 14,
	VBE_MODE_ATTRIBUTES = 0,
	VBE_MODE_BYTES = 2,
};

/* Offsets in a framebuffer description, the same in both protocols. */
enum {
	FB_ADDRESS = 0,
	FB_PITCH = 8,
	FB_WIDTH = 12,
	FB_HEIGHT = 16,
	FB_BPP = 20,
	FB_TYPE = 21,
};
#define FB_TYPE_RGB  1
#define FB_TYPE_TEXT 2

/* Copies a zero-ended string of unknown length byte by byte: the memory behind it need not exist. */
void boot_string_copy(struct boot_info *boot, const struct boot_memory *memory, u64 paddr, char *to,
		      size_t size)
{
	for (size_t i = 0; i < size; i++) {
		const char *c = memory->map(memory->ctx, paddr + i, 1);

		to[i] = c ? *c : '\0';
		if (!to[i])
			return;
	}
	to[size - 1] = '\0';
	boot->cmdline_was_cut = true;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void first_word_drop(char *text)
{
	const char *from = text;

	while (is_space(*from))
		from++;
	while (*from && !is_space(*from))
		from++;
	while (is_space(*from))
		from++;
	memmove(text, from, strlen(from) + 1);
}

/* Parts of more than the walk limit or a wrapping address simply end the list. */
static void modules_read(struct boot_info *boot, const struct boot_memory *memory, u64 list,
			 u32 count, bool has_names)
{
	for (u32 i = 0; i < count; i++) {
		const u8 *entry = memory->map(memory->ctx, list + (u64)i * MODULE_ENTRY_BYTES,
					      MODULE_ENTRY_BYTES);
		struct boot_module *module;
		u32 text;

		if (!entry || i >= MODULES_WALK_MAX) {
			boot->modules_ignored += count - i;
			return;
		}
		module = boot_module_add(boot, read_u32(entry), read_u32(entry + 4));
		if (!module)
			continue;
		text = read_u32(entry + 8);
		if (text)
			boot_string_copy(boot, memory, text, module->cmdline,
					 sizeof(module->cmdline));
		if (has_names)
			first_word_drop(module->cmdline);
	}
}

struct boot_module *boot_module_add(struct boot_info *boot, u64 start, u64 end)
{
	struct boot_module *module;

	if (start >= end || boot->module_count >= BOOT_MODULES_MAX) {
		boot->modules_ignored++;
		return NULL;
	}
	module = &boot->module[boot->module_count++];
	module->start = start;
	module->end = end;
	return module;
}

void boot_range_add(struct boot_info *boot, u64 base, u64 length, u32 type)
{
	if (!e820_append(&boot->map, base, length, type))
		boot->map_was_cut = true;
}

/* Each entry begins with its own size, not counting that word. */
static void mmap_read(struct boot_info *boot, const struct boot_memory *memory, u64 list, u32 bytes)
{
	u64 at = 0;

	for (unsigned int i = 0; i < MMAP_WALK_MAX && at + 4 + MMAP_ENTRY_MIN <= bytes; i++) {
		const u8 *entry = memory->map(memory->ctx, list + at, 4 + MMAP_ENTRY_MIN);
		u32 size;

		if (!entry)
			return;
		size = read_u32(entry);
		if (size < MMAP_ENTRY_MIN)
			return;
		boot_range_add(boot, read_u64(entry + 4), read_u64(entry + 12),
			       read_u32(entry + 20));
		at += (u64)size + 4;
	}
}

/* The two numbers of old: KiB from 0, and KiB from 1 MiB. */
void boot_basic_memory(struct boot_info *boot, u32 lower_kib, u32 upper_kib)
{
	boot_range_add(boot, 0, (u64)MIN(lower_kib, 640u) << 10, E820_RAM);
	boot_range_add(boot, 1ull << 20, (u64)upper_kib << 10, E820_RAM);
}

/* at[len] is a framebuffer description; colours follow a head of `head` bytes in it. */
void boot_video_read(struct boot_video *video, const u8 *at, size_t len, size_t head)
{
	if (len < head)
		return;
	video->address = read_u64(at + FB_ADDRESS);
	video->pitch_bytes = read_u32(at + FB_PITCH);
	video->width = read_u32(at + FB_WIDTH);
	video->height = read_u32(at + FB_HEIGHT);
	video->bpp = at[FB_BPP];
	if (at[FB_TYPE] == FB_TYPE_TEXT) {
		video->kind = BOOT_VIDEO_TEXT;
	} else if (at[FB_TYPE] == FB_TYPE_RGB && len >= head + 6) {
		video->kind = BOOT_VIDEO_LINEAR;
		video->red_pos = at[head];
		video->red_size = at[head + 1];
		video->green_pos = at[head + 2];
		video->green_size = at[head + 3];
		video->blue_pos = at[head + 4];
		video->blue_size = at[head + 5];
	}
}

void boot_vbe_read(struct boot_video *video, const u8 *control, const u8 *mode)
{
	if (control)
		video->vbe_capabilities = read_u32(control + VBE_CONTROL_CAPABILITIES);
	if (mode)
		video->vbe_attributes = read_u16(mode + VBE_MODE_ATTRIBUTES);
}

static void video1_read(struct boot_info *boot, const struct boot_memory *memory, const u8 *mbi,
			u32 flags)
{
	if (flags & MBI_HAS_VBE)
		boot_vbe_read(
			&boot->video,
			memory->map(memory->ctx, read_u32(mbi + MBI_VBE_CONTROL),
				    VBE_CONTROL_BYTES),
			memory->map(memory->ctx, read_u32(mbi + MBI_VBE_MODE), VBE_MODE_BYTES));
	if (flags & MBI_HAS_FRAMEBUFFER)
		boot_video_read(&boot->video, mbi + MBI_FRAMEBUFFER, 28, 22);
}

static bool loader_is_grub2(const struct boot_info *boot)
{
	return strncmp(boot->loader_name, "GRUB 2", 6) == 0;
}

static enum image_error multiboot1_parse(struct boot_info *boot, u64 info,
					 const struct boot_memory *memory)
{
	u8 mbi[MBI_BYTES] = {0};
	const u8 *from;
	bool has_names;
	u32 flags;

	/* Old loaders end the structure early: what they leave out, their flags do not name. */
	for (unsigned int at = 0; at < MBI_BYTES; at += 4) {
		from = memory->map(memory->ctx, info + at, 4);
		if (from)
			memcpy(mbi + at, from, 4);
		else if (at < MBI_BYTES_MIN)
			return IMAGE_UNREACHABLE;
	}
	boot->info_start = info;
	boot->info_end = info + MBI_BYTES;
	flags = read_u32(mbi + MBI_FLAGS);

	if (flags & MBI_HAS_LOADER_NAME)
		boot_string_copy(boot, memory, read_u32(mbi + MBI_LOADER_NAME), boot->loader_name,
				 sizeof(boot->loader_name));
	boot->cmdline_was_cut = false; /* a long name is no harm */
	has_names = !loader_is_grub2(boot);
	if (flags & MBI_HAS_CMDLINE) {
		boot_string_copy(boot, memory, read_u32(mbi + MBI_CMDLINE), boot->cmdline,
				 sizeof(boot->cmdline));
		if (has_names)
			first_word_drop(boot->cmdline);
	}
	if (flags & MBI_HAS_MODULES)
		modules_read(boot, memory, read_u32(mbi + MBI_MODS_ADDR),
			     read_u32(mbi + MBI_MODS_COUNT), has_names);
	video1_read(boot, memory, mbi, flags);
	if (flags & MBI_HAS_MMAP)
		mmap_read(boot, memory, read_u32(mbi + MBI_MMAP_ADDR),
			  read_u32(mbi + MBI_MMAP_LENGTH));
	if (!boot->map.count && (flags & MBI_HAS_MEMORY))
		boot_basic_memory(boot, read_u32(mbi + MBI_MEM_LOWER),
				  read_u32(mbi + MBI_MEM_UPPER));
	return boot->map.count ? IMAGE_OK : IMAGE_NO_MEMORY_MAP;
}

enum image_error multiboot_parse(struct boot_info *boot, u32 magic, u64 info,
				 const struct boot_memory *memory)
{
	memset(boot, 0, sizeof(*boot));
	if (magic == MULTIBOOT1_MAGIC)
		return multiboot1_parse(boot, info, memory);
	if (magic == MULTIBOOT2_MAGIC)
		return multiboot2_parse(boot, info, memory);
	return IMAGE_BAD_MAGIC;
}

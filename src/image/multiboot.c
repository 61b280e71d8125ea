/* SPDX-License-Identifier: MIT */
/*
 * Reads what a Multiboot 1 or 2 loader tells. Reached by boot/ once; calls e820.c and lib/; no lock.
 *
 * Multiboot 2's whole list of tags is mapped at once and each tag is cut out of it, so a reader of a tag sees exactly its
 * bytes. Of several memory maps the most telling one is used: EFI's descriptors, the list of ranges, the two numbers of old.
 *
 * First words of command lines. A loader may put the file's name before the arguments. Multiboot 1, 3.3, leaves
 * that open: QEMU, GRUB Legacy, iPXE and syslinux do, GRUB 2 passes only the arguments, with either protocol. (That is
 * why Debian's GRUB scripts put the word "placeholder" there.) So the first word goes unless the loader is GRUB 2
 * or the protocol is Multiboot 2. What follows a GRUB 2 "placeholder" is left alone here: it is an ordinary
 * word to Domain 0's kernel, and the hypervisor's own options ignore it.
 */
#include "image/multiboot.h"

#include "image/priv.h"

#define FB_TYPE_RGB   1
#define COLOURS_BYTES 6 /* place and size of red, green and blue */

/* The same in both protocols; the colours' place is not. */
struct framebuffer {
	u64 address;
	u32 pitch, width, height;
	u8 bpp, type;
} PACKED;

/* The Multiboot 1 information (0.6.96, 3.3); its flags say which fields are there. */
struct mbi {
	u32 flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4];
	u32 mmap_length, mmap_addr, drives[2], config, loader_name, apm, vbe_control, vbe_mode;
	u16 vbe_interface[4];
	struct framebuffer fb;
	u8 colours[COLOURS_BYTES], unused[4];
} PACKED;
#define MBI_BYTES_MIN offsetof(struct mbi, drives)
_Static_assert(sizeof(struct mbi) == 120, "");

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

#define LFB_UNIT 0x10000ull /* the ABI counts a frame buffer's size in these */

/* Copies a zero-ended string of unknown length byte by byte: the memory behind it need not exist. */
static void string_copy(struct boot_info *boot, boot_map_fn *map, u64 paddr, char *to, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		const char *c = map(paddr + i, 1);

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

static struct boot_module *module_add(struct boot_info *boot, u64 start, u64 end)
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

/* Parts of more than the walk limit or a wrapping address simply end the list. */
static void modules_read(struct boot_info *boot, boot_map_fn *map, u64 list, u32 count,
			 bool has_names)
{
	for (u32 i = 0; i < count; i++) {
		const u8 *entry = map(list + (u64)i * MODULE_ENTRY_BYTES, MODULE_ENTRY_BYTES);
		struct boot_module *module;
		u32 text;

		if (!entry || i >= MODULES_WALK_MAX) {
			boot->modules_ignored += count - i;
			return;
		}
		module = module_add(boot, read_u32(entry), read_u32(entry + 4));
		if (!module)
			continue;
		text = read_u32(entry + 8);
		if (text)
			string_copy(boot, map, text, module->cmdline, sizeof(module->cmdline));
		if (has_names)
			first_word_drop(module->cmdline);
	}
}

static void range_add(struct boot_info *boot, u64 base, u64 length, u32 type)
{
	if (!e820_append(&boot->map, base, length, type))
		boot->map_was_cut = true;
}

/* Each entry begins with its own size, not counting that word. */
static void mmap_read(struct boot_info *boot, boot_map_fn *map, u64 list, u32 bytes)
{
	u64 at = 0;

	for (unsigned int i = 0; i < MMAP_WALK_MAX && at + 4 + MMAP_ENTRY_MIN <= bytes; i++) {
		const u8 *entry = map(list + at, 4 + MMAP_ENTRY_MIN);
		u32 size;

		if (!entry)
			return;
		size = read_u32(entry);
		if (size < MMAP_ENTRY_MIN)
			return;
		range_add(boot, read_u64(entry + 4), read_u64(entry + 12), read_u32(entry + 20));
		at += (u64)size + 4;
	}
}

/* The two numbers of old: KiB from 0, and KiB from 1 MiB. */
static void basic_memory(struct boot_info *boot, u32 lower_kib, u32 upper_kib)
{
	range_add(boot, 0, (u64)MIN(lower_kib, 640u) << 10, E820_RAM);
	range_add(boot, 1ull << 20, (u64)upper_kib << 10, E820_RAM);
}

static void screen_read(struct dom0_vga_console_info *screen, const void *at, const u8 *colours)
{
	struct framebuffer fb;

	memcpy(&fb, at, sizeof(fb));
	if (fb.type != FB_TYPE_RGB || fb.width > 0xffff || fb.height > 0xffff || fb.pitch > 0xffff)
		return;
	screen->video_type = XEN_VGATYPE_VESA_LFB;
	screen->u.vesa_lfb.width = (u16)fb.width;
	screen->u.vesa_lfb.height = (u16)fb.height;
	screen->u.vesa_lfb.bytes_per_line = (u16)fb.pitch;
	screen->u.vesa_lfb.bits_per_pixel = fb.bpp;
	screen->u.vesa_lfb.lfb_base = (u32)fb.address;
	screen->u.vesa_lfb.ext_lfb_base = (u32)(fb.address >> 32);
	screen->u.vesa_lfb.lfb_size = (u32)(ROUND_UP((u64)fb.pitch * fb.height, LFB_UNIT) /
					    LFB_UNIT);
	memcpy((u8 *)screen + offsetof(struct dom0_vga_console_info, u.vesa_lfb.red_pos), colours,
	       COLOURS_BYTES);
}

static void vbe_read(struct dom0_vga_console_info *screen, const u8 *control, const u8 *mode)
{
	if (control)
		screen->u.vesa_lfb.gbl_caps = read_u32(control + VBE_CONTROL_CAPABILITIES);
	if (mode)
		screen->u.vesa_lfb.mode_attrs = read_u16(mode + VBE_MODE_ATTRIBUTES);
}

static enum image_error multiboot1_parse(struct boot_info *boot, u64 info, boot_map_fn *map)
{
	struct mbi mbi = {0};
	bool has_names;

	/* Old loaders end the structure early: what they leave out, their flags do not name. */
	for (unsigned int at = 0; at < sizeof(mbi); at += 4) {
		const u8 *from = map(info + at, 4);

		if (from)
			memcpy((u8 *)&mbi + at, from, 4);
		else if (at < MBI_BYTES_MIN)
			return IMAGE_UNREACHABLE;
	}
	if (mbi.flags & MBI_HAS_LOADER_NAME)
		string_copy(boot, map, mbi.loader_name, boot->loader_name,
			    sizeof(boot->loader_name));
	boot->cmdline_was_cut = false; /* a long name is no harm */
	has_names = strncmp(boot->loader_name, "GRUB 2", 6) != 0;
	if (mbi.flags & MBI_HAS_CMDLINE) {
		string_copy(boot, map, mbi.cmdline, boot->cmdline, sizeof(boot->cmdline));
		if (has_names)
			first_word_drop(boot->cmdline);
	}
	if (mbi.flags & MBI_HAS_MODULES)
		modules_read(boot, map, mbi.mods_addr, mbi.mods_count, has_names);
	if (mbi.flags & MBI_HAS_VBE)
		vbe_read(&boot->screen, map(mbi.vbe_control, VBE_CONTROL_BYTES),
			 map(mbi.vbe_mode, VBE_MODE_BYTES));
	if (mbi.flags & MBI_HAS_FRAMEBUFFER)
		screen_read(&boot->screen, &mbi.fb, mbi.colours);
	if (mbi.flags & MBI_HAS_MMAP)
		mmap_read(boot, map, mbi.mmap_addr, mbi.mmap_length);
	if (!boot->map.count && (mbi.flags & MBI_HAS_MEMORY))
		basic_memory(boot, mbi.mem_lower, mbi.mem_upper);
	return boot->map.count ? IMAGE_OK : IMAGE_NO_MEMORY_MAP;
}

/* ---------------------------------------------------------------- Multiboot 2 (2.0, 3.6): a list of tags */

#define LIST_HEAD_BYTES 8u
#define LIST_BYTES_MAX	(1u << 20)
#define TAG_HEAD_BYTES	8u
#define TAG_ALIGN	8u

enum {
	TAG_END = 0,
	TAG_CMDLINE = 1,
	TAG_LOADER_NAME = 2,
	TAG_MODULE = 3,
	TAG_BASIC_MEMORY = 4,
	TAG_MMAP = 6,
	TAG_VBE = 7,
	TAG_FRAMEBUFFER = 8,
	TAG_EFI64 = 12,
	TAG_RSDP_V1 = 14,
	TAG_RSDP_V2 = 15,
	TAG_EFI_MMAP = 17,
	TAG_EFI_BOOT_SERVICES = 18,
};

/* What follows the head of one tag: exactly len bytes. */
struct tag {
	u32 type;
	const u8 *body;
	u32 len;
};

#define VBE_CONTROL_AT 8u /* in the body of a VBE tag */
#define VBE_MODE_AT    520u
#define VBE_BODY_BYTES 776u

/* Offsets in an EFI memory descriptor, and its types (UEFI 2.10, 7.2.3). */
enum {
	EFI_TYPE = 0,
	EFI_START = 8,
	EFI_PAGES = 24,
	EFI_ATTRIBUTE = 32,
	EFI_DESCRIPTOR_MIN = 40,
	EFI_BOOT_SERVICES_CODE = 3,
	EFI_BOOT_SERVICES_DATA = 4,
};
static const u8 efi_types[] = {
	[1] = E820_RAM, /* the loader's code and data */
	[2] = E820_RAM,
	[EFI_BOOT_SERVICES_CODE] = E820_RAM,
	[EFI_BOOT_SERVICES_DATA] = E820_RAM,
	[7] = E820_RAM, /* conventional memory */
	[8] = E820_UNUSABLE,
	[9] = E820_ACPI, /* to be reclaimed */
	[10] = E820_NVS,
	[14] = E820_PMEM,
};
#define EFI_MEMORY_WB BIT(3)
#define EFI_PAGES_MAX (E820_ADDRESS_LIMIT >> PAGE_SHIFT)

/* A string inside a tag need not have its zero. */
static void text_take(struct boot_info *boot, const u8 *from, u32 len, char *to, size_t size)
{
	size_t i = 0;

	for (; i < len && from[i]; i++) {
		if (i == size - 1) {
			boot->cmdline_was_cut = true;
			break;
		}
		to[i] = (char)from[i];
	}
	to[i] = '\0';
}

static void efi_range_add(struct boot_info *boot, const u8 *descriptor)
{
	u32 efi_type = read_u32(descriptor + EFI_TYPE);
	u32 type = efi_type < ARRAY_SIZE(efi_types) ? efi_types[efi_type] : E820_RESERVED;
	bool is_services = efi_type == EFI_BOOT_SERVICES_CODE || efi_type == EFI_BOOT_SERVICES_DATA;

	if (type == E820_RAM && (!(read_u64(descriptor + EFI_ATTRIBUTE) & EFI_MEMORY_WB) ||
				 (is_services && boot->efi_boot_services_on)))
		type = E820_RESERVED;
	range_add(boot, read_u64(descriptor + EFI_START),
		  MIN(read_u64(descriptor + EFI_PAGES), EFI_PAGES_MAX) << PAGE_SHIFT, type);
}

/* The tag says how large an entry is; more fields may follow in each. */
static void map2_read(struct boot_info *boot, const struct tag *tag)
{
	bool is_efi = tag->type == TAG_EFI_MMAP;
	u32 least = is_efi ? EFI_DESCRIPTOR_MIN : MMAP_ENTRY_MIN;
	u32 stride = tag->len < 8 ? 0 : read_u32(tag->body);

	for (u64 at = 8; stride >= least && range_is_inside(at, least, tag->len); at += stride) {
		const u8 *entry = tag->body + at;

		if (is_efi)
			efi_range_add(boot, entry);
		else
			range_add(boot, read_u64(entry), read_u64(entry + 8), read_u32(entry + 16));
	}
}

static void module_read(struct boot_info *boot, const struct tag *tag)
{
	struct boot_module *module;

	if (tag->len < 8) {
		boot->modules_ignored++;
		return;
	}
	module = module_add(boot, read_u32(tag->body), read_u32(tag->body + 4));
	if (module)
		text_take(boot, tag->body + 8, tag->len - 8, module->cmdline,
			  sizeof(module->cmdline));
}

/* The newer version wins, whichever comes first: it is the longer one. */
static void rsdp_read(struct boot_info *boot, const struct tag *tag)
{
	u32 len = MIN(tag->len, BOOT_RSDP_MAX);

	if (len <= boot->rsdp_len)
		return;
	memcpy(boot->rsdp, tag->body, len);
	boot->rsdp_len = len;
}

static void tag_read(struct boot_info *boot, const struct tag *tag)
{
	bool was_cut = boot->cmdline_was_cut;

	switch (tag->type) {
	case TAG_CMDLINE:
		text_take(boot, tag->body, tag->len, boot->cmdline, sizeof(boot->cmdline));
		break;
	case TAG_LOADER_NAME:
		text_take(boot, tag->body, tag->len, boot->loader_name, sizeof(boot->loader_name));
		boot->cmdline_was_cut = was_cut; /* a long name is no harm */
		break;
	case TAG_MODULE:
		module_read(boot, tag);
		break;
	case TAG_VBE:
		if (tag->len >= VBE_BODY_BYTES)
			vbe_read(&boot->screen, tag->body + VBE_CONTROL_AT,
				 tag->body + VBE_MODE_AT);
		break;
	case TAG_FRAMEBUFFER:
		if (tag->len >= 24 + COLOURS_BYTES)
			screen_read(&boot->screen, tag->body, tag->body + 24);
		break;
	case TAG_EFI64:
		if (tag->len >= 8)
			boot->efi_system_table = read_u64(tag->body);
		break;
	case TAG_RSDP_V1:
	case TAG_RSDP_V2:
		rsdp_read(boot, tag);
		break;
	case TAG_EFI_BOOT_SERVICES:
		boot->efi_boot_services_on = true;
		break;
	}
}

/* Cut the tag at *at out of the list and step over it. False at the end of the list. */
static bool tag_next(const u8 *list, u32 bytes, u32 *at, struct tag *tag, enum image_error *error)
{
	u32 size;

	*error = IMAGE_OK;
	if (!range_is_inside(*at, TAG_HEAD_BYTES, bytes))
		return false; /* no end tag: the list's size is as good */
	tag->type = read_u32(list + *at);
	size = read_u32(list + *at + 4);
	if (tag->type == TAG_END)
		return false;
	if (size < TAG_HEAD_BYTES || !range_is_inside(*at, size, bytes)) {
		*error = IMAGE_BAD_TAG;
		return false;
	}
	tag->body = list + *at + TAG_HEAD_BYTES;
	tag->len = size - TAG_HEAD_BYTES;
	*at += ROUND_UP(size, TAG_ALIGN);
	return true;
}

/* Give every tag of one type to a reader of memory maps, unless an earlier kind has filled the map. */
static void map_from(struct boot_info *boot, const u8 *list, u32 bytes, u32 type)
{
	enum image_error error;
	u32 at = LIST_HEAD_BYTES;
	struct tag tag;

	if (e820_ram_top(&boot->map) != 0)
		return;
	boot->map.count = 0;
	boot->map_was_cut = false;
	while (tag_next(list, bytes, &at, &tag, &error)) {
		if (tag.type != type)
			continue;
		if (type != TAG_BASIC_MEMORY)
			map2_read(boot, &tag);
		else if (tag.len >= 8)
			basic_memory(boot, read_u32(tag.body), read_u32(tag.body + 4));
	}
}

static enum image_error multiboot2_parse(struct boot_info *boot, u64 info, boot_map_fn *map)
{
	const u8 *list = map(info, LIST_HEAD_BYTES);
	u32 at = LIST_HEAD_BYTES, bytes;
	enum image_error error;
	struct tag tag;

	if (!list)
		return IMAGE_UNREACHABLE;
	bytes = read_u32(list);
	if (bytes < LIST_HEAD_BYTES || bytes > LIST_BYTES_MAX)
		return IMAGE_BAD_TAG;
	list = map(info, bytes);
	if (!list)
		return IMAGE_UNREACHABLE;

	while (tag_next(list, bytes, &at, &tag, &error))
		tag_read(boot, &tag);
	if (error != IMAGE_OK)
		return error;
	map_from(boot, list, bytes, TAG_EFI_MMAP);
	map_from(boot, list, bytes, TAG_MMAP);
	map_from(boot, list, bytes, TAG_BASIC_MEMORY);
	return boot->map.count ? IMAGE_OK : IMAGE_NO_MEMORY_MAP;
}

enum image_error multiboot_parse(struct boot_info *boot, u32 magic, u64 info, boot_map_fn *map)
{
	memset(boot, 0, sizeof(*boot));
	if (magic == MULTIBOOT1_MAGIC)
		return multiboot1_parse(boot, info, map);
	if (magic == MULTIBOOT2_MAGIC)
		return multiboot2_parse(boot, info, map);
	return IMAGE_BAD_MAGIC;
}

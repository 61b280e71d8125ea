/* SPDX-License-Identifier: MIT */
/*
 * Multiboot 2: a list of tags (Multiboot 2.0, 3.6), and EFI's memory map in one of them. Reached by multiboot.c; calls
 * its helpers; no lock.
 *
 * The whole list is mapped at once and each tag is cut out of it, so a reader of a tag sees exactly its bytes. With
 * several memory maps the most telling one is used: EFI's descriptors, then the list of ranges, then the two
 * numbers of old.
 */
#include "image/multiboot_priv.h"

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

/* What follows the head of one tag: exactly len bytes, at physical address paddr. */
struct tag {
	u32 type;
	const u8 *body;
	u32 len;
	u64 paddr;
};

#define MMAP_ENTRY_MIN 20u
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
};
enum {
	EFI_LOADER_CODE = 1,
	EFI_LOADER_DATA = 2,
	EFI_BOOT_SERVICES_CODE = 3,
	EFI_BOOT_SERVICES_DATA = 4,
	EFI_CONVENTIONAL = 7,
	EFI_UNUSABLE = 8,
	EFI_ACPI_RECLAIM = 9,
	EFI_ACPI_NVS = 10,
	EFI_PERSISTENT = 14,
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

static u32 efi_type_convert(const struct boot_info *boot, u32 type, u64 attribute)
{
	switch (type) {
	case EFI_LOADER_CODE:
	case EFI_LOADER_DATA:
	case EFI_CONVENTIONAL:
		return attribute & EFI_MEMORY_WB ? E820_RAM : E820_RESERVED;
	case EFI_BOOT_SERVICES_CODE:
	case EFI_BOOT_SERVICES_DATA:
		if (boot->efi_boot_services_on)
			return E820_RESERVED;
		return attribute & EFI_MEMORY_WB ? E820_RAM : E820_RESERVED;
	case EFI_UNUSABLE:
		return E820_UNUSABLE;
	case EFI_ACPI_RECLAIM:
		return E820_ACPI;
	case EFI_ACPI_NVS:
		return E820_NVS;
	case EFI_PERSISTENT:
		return E820_PMEM;
	}
	return E820_RESERVED;
}

/* The tag says how large a descriptor is; firmware may append fields. */
static void efi_map_read(struct boot_info *boot, const struct tag *tag)
{
	u32 stride;

	if (tag->len < 8)
		return;
	stride = read_u32(tag->body);
	if (stride < EFI_DESCRIPTOR_MIN)
		return;
	boot->efi_descriptor_bytes = stride;
	boot->efi_descriptor_version = read_u32(tag->body + 4);
	boot->efi_map_paddr = tag->paddr + 8;
	boot->efi_map_bytes = tag->len - 8;
	for (u64 at = 8; range_is_inside(at, EFI_DESCRIPTOR_MIN, tag->len); at += stride) {
		const u8 *descriptor = tag->body + at;
		u64 pages = MIN(read_u64(descriptor + EFI_PAGES), EFI_PAGES_MAX);

		boot_range_add(boot, read_u64(descriptor + EFI_START), pages << PAGE_SHIFT,
			       efi_type_convert(boot, read_u32(descriptor + EFI_TYPE),
						read_u64(descriptor + EFI_ATTRIBUTE)));
	}
	boot->map_is_from_efi = boot->map.count != 0;
}

static void mmap_read(struct boot_info *boot, const struct tag *tag)
{
	u32 stride;

	if (tag->len < 8)
		return;
	stride = read_u32(tag->body);
	if (stride < MMAP_ENTRY_MIN)
		return;
	for (u64 at = 8; range_is_inside(at, MMAP_ENTRY_MIN, tag->len); at += stride) {
		const u8 *entry = tag->body + at;

		boot_range_add(boot, read_u64(entry), read_u64(entry + 8), read_u32(entry + 16));
	}
}

static void module_read(struct boot_info *boot, const struct tag *tag)
{
	struct boot_module *module;

	if (tag->len < 8) {
		boot->modules_ignored++;
		return;
	}
	module = boot_module_add(boot, read_u32(tag->body), read_u32(tag->body + 4));
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
			boot_vbe_read(&boot->video, tag->body + VBE_CONTROL_AT,
				      tag->body + VBE_MODE_AT);
		break;
	case TAG_FRAMEBUFFER:
		boot_video_read(&boot->video, tag->body, tag->len, 24);
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
static bool tag_next(const u8 *list, u32 bytes, u64 info, u32 *at, struct tag *tag,
		     enum image_error *error)
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
	tag->paddr = info + *at + TAG_HEAD_BYTES;
	*at += ROUND_UP(size, TAG_ALIGN);
	return true;
}

/* Give every tag of one type to a reader of memory maps, unless an earlier kind has filled the map. */
static void map_from(struct boot_info *boot, const u8 *list, u32 bytes, u64 info, u32 type)
{
	enum image_error error;
	u32 at = LIST_HEAD_BYTES;
	struct tag tag;

	if (e820_has_ram(&boot->map))
		return;
	boot->map.count = 0;
	boot->map_is_from_efi = false;
	boot->map_was_cut = false;
	while (tag_next(list, bytes, info, &at, &tag, &error)) {
		if (tag.type != type)
			continue;
		if (type == TAG_EFI_MMAP)
			efi_map_read(boot, &tag);
		else if (type == TAG_MMAP)
			mmap_read(boot, &tag);
		else if (tag.len >= 8)
			boot_basic_memory(boot, read_u32(tag.body), read_u32(tag.body + 4));
	}
}

enum image_error multiboot2_parse(struct boot_info *boot, u64 info,
				  const struct boot_memory *memory)
{
	const u8 *list = memory->map(memory->ctx, info, LIST_HEAD_BYTES);
	u32 at = LIST_HEAD_BYTES, bytes;
	enum image_error error;
	struct tag tag;

	boot->is_multiboot2 = true;
	if (!list)
		return IMAGE_UNREACHABLE;
	bytes = read_u32(list);
	if (bytes < LIST_HEAD_BYTES || bytes > LIST_BYTES_MAX)
		return IMAGE_BAD_TAG;
	list = memory->map(memory->ctx, info, bytes);
	if (!list)
		return IMAGE_UNREACHABLE;
	boot->info_start = info;
	boot->info_end = info + bytes;

	while (tag_next(list, bytes, info, &at, &tag, &error))
		tag_read(boot, &tag);
	if (error != IMAGE_OK)
		return error;
	map_from(boot, list, bytes, info, TAG_EFI_MMAP);
	map_from(boot, list, bytes, info, TAG_MMAP);
	map_from(boot, list, bytes, info, TAG_BASIC_MEMORY);
	return boot->map.count ? IMAGE_OK : IMAGE_NO_MEMORY_MAP;
}

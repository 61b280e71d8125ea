/* SPDX-License-Identifier: MIT */
/*
 * Judges an ELF64 file as a PV kernel: headers, loadable segments, Xen notes. Reached by the Domain 0 builder, on a module as
 * it is or on what came out of a bzImage; calls lib/ only; no lock.
 *
 * The file is addressed by offsets that range_is_inside() has accepted, and its headers are copied, so neither alignment
 * nor wrap-around can matter. Layouts: System V ABI, chapters 4 and 5.
 *
 * A note is a head of three words (name size, descriptor size, type), the name, the descriptor, each padded to four
 * bytes. Xen's notes keep four-byte padding in 64-bit files too. Numbers come in 4 or 8 bytes, whichever the
 * kernel's assembler found handy. xen/elfnote.h is the list.
 */
#include "image/elf.h"

#include "image/priv.h"
#include "lib/abi.h"
#include "lib/bits.h"

struct file_header {
	u8 magic[4], class, data, ident_version, unused[9];
	u16 type, machine;
	u32 version;
	u64 entry, phoff, shoff;
	u32 flags;
	u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct program_header {
	u32 type, flags;
	u64 offset, vaddr, paddr, filesz, memsz, align;
};

struct section_header {
	u32 name, type;
	u64 flags, addr, offset, size;
	u32 link, info;
	u64 addralign, entsize;
};

#define ELF_CLASS_32	    1
#define ELF_CLASS_64	    2
#define ELF_DATA_LITTLE	    1
#define ELF_VERSION_CURRENT 1
#define ELF_TYPE_EXECUTABLE 2
#define ELF_TYPE_SHARED	    3
#define ELF_MACHINE_X86_64  62
#define SEGMENT_LOAD	    1u
#define SEGMENT_NOTE	    4u
#define SECTION_NOTE	    7u

#define HEADERS_MAX	4096u /* of either kind: more is no kernel */
#define NOTE_HEAD_BYTES 12u

static enum image_error file_header_read(struct file_header *header, const u8 *data, size_t size)
{
	if (size == 0)
		return IMAGE_EMPTY;
	if (size < 4 || memcmp(data, ELF_MAGIC, 4) != 0)
		return IMAGE_NOT_ELF;
	if (size < sizeof(*header))
		return IMAGE_TRUNCATED;
	memcpy(header, data, sizeof(*header));
	if (header->class == ELF_CLASS_32)
		return IMAGE_32BIT;
	if (header->class != ELF_CLASS_64 || header->data != ELF_DATA_LITTLE ||
	    header->ident_version != ELF_VERSION_CURRENT)
		return IMAGE_BAD_ELF_HEADER;
	if (header->machine != ELF_MACHINE_X86_64)
		return IMAGE_NOT_X86;
	if (header->type != ELF_TYPE_EXECUTABLE && header->type != ELF_TYPE_SHARED)
		return IMAGE_NOT_EXECUTABLE;
	return IMAGE_OK;
}

/* ---------------------------------------------------------------- notes */

struct note {
	u32 type;
	const u8 *desc;
	u32 desc_len;
};

/* The names of xen/features.h, which is what the string note uses. Those of other machines: left out. */
static const char *const features[] = {
	"writable_page_tables",
	"writable_descriptor_tables",
	"auto_translated_physmap",
	"supervisor_mode_kernel",
	"pae_pgdir_above_4gb",
	"mmu_pt_update_preserve_ad",
	"highmem_assist",
	"gnttab_map_avail_bits",
	"hvm_callback_vector",
	"hvm_safe_pvclock",
	"hvm_pirqs",
	"dom0",
	"memory_op_vnode_supported",
	"linux_rsdp_unrestricted",
	"not_direct_mapped",
	"direct_mapped",
};

static const struct {
	unsigned int type;
	size_t offset;
} numbers[] = {
	{XEN_ELFNOTE_ENTRY, offsetof(struct xen_notes, entry)},
	{XEN_ELFNOTE_HYPERCALL_PAGE, offsetof(struct xen_notes, hypercall_page)},
	{XEN_ELFNOTE_VIRT_BASE, offsetof(struct xen_notes, virt_base)},
	{XEN_ELFNOTE_PADDR_OFFSET, offsetof(struct xen_notes, paddr_offset)},
	{XEN_ELFNOTE_INIT_P2M, offsetof(struct xen_notes, init_p2m)},
	{XEN_ELFNOTE_MOD_START_PFN, offsetof(struct xen_notes, mod_start_pfn)},
};

static void text_copy(char to[XEN_NOTE_STRING_MAX], const u8 *from, size_t len)
{
	len = MIN(len, (size_t)XEN_NOTE_STRING_MAX - 1);
	memcpy(to, from, len);
	to[len] = '\0';
}

static bool feature_is_known(const u8 *name, size_t len)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(features); i++)
		if (strlen(features[i]) == len && memcmp(features[i], name, len) == 0)
			return true;
	return false;
}

/* "!required|supported|...": an unknown feature matters only if it is required. */
static enum image_error features_check(struct elf_image *elf, const u8 *text, size_t len)
{
	for (size_t at = 0, end; at < len; at = end + 1) {
		size_t start = text[at] == '!' ? at + 1 : at;

		for (end = start; end < len && text[end] != '|';)
			end++;
		if (start == at || feature_is_known(text + start, end - start))
			continue;
		text_copy(elf->bad_feature, text + start, end - start);
		return IMAGE_FEATURE_UNKNOWN;
	}
	return IMAGE_OK;
}

static enum image_error note_take(struct elf_image *elf, const struct note *note)
{
	/* Without the closing zero, which some assemblers' users forget. */
	size_t text_len = strnlen((const char *)note->desc, note->desc_len);
	u64 value = 0;

	if (note->type > XEN_ELFNOTE_MAX)
		return IMAGE_OK;
	elf->notes.present |= 1u << note->type;
	if (note->type == XEN_ELFNOTE_FEATURES)
		return features_check(elf, note->desc, text_len);
	if (note->type == XEN_ELFNOTE_XEN_VERSION)
		text_copy(elf->notes.xen_version, note->desc, text_len);
	if (note->type == XEN_ELFNOTE_LOADER)
		text_copy(elf->notes.loader, note->desc, text_len);
	for (unsigned int i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (numbers[i].type != note->type)
			continue;
		if (note->desc_len > sizeof(value) || !is_power_of_2(note->desc_len))
			return IMAGE_BAD_NOTE;
		memcpy(&value, note->desc, note->desc_len);
		memcpy((u8 *)&elf->notes + numbers[i].offset, &value, sizeof(value));
	}
	return IMAGE_OK;
}

/* All notes of an area of the file that belong to Xen. Trailing bytes too few for a head are padding. */
static enum image_error notes_read(struct elf_image *elf, u64 offset, u64 size)
{
	const u8 *area;
	size_t at = 0;

	if (!range_is_inside(offset, size, elf->size))
		return IMAGE_TRUNCATED;
	area = elf->data + offset;
	while (size - at >= NOTE_HEAD_BYTES) {
		u32 name_len = read_u32(area + at);
		struct note note = {
			.desc_len = read_u32(area + at + 4),
			.type = read_u32(area + at + 8),
		};
		const u8 *name = area + at + NOTE_HEAD_BYTES;
		u64 name_room = ROUND_UP((u64)name_len, 4ull);
		u64 desc_room = ROUND_UP((u64)note.desc_len, 4ull);
		size_t left = size - at - NOTE_HEAD_BYTES;
		enum image_error error;

		if (name_room > left || note.desc_len > left - name_room)
			return IMAGE_BAD_NOTE;
		note.desc = name + name_room;
		if (name_len == sizeof("Xen") && memcmp(name, "Xen", sizeof("Xen")) == 0) {
			error = note_take(elf, &note);
			if (error != IMAGE_OK)
				return error;
		}
		/* The padding of the last descriptor may be missing. */
		at += NOTE_HEAD_BYTES + name_room + MIN(desc_room, left - name_room);
	}
	return IMAGE_OK;
}

/* ---------------------------------------------------------------- segments and sections */

static enum image_error segment_add(struct elf_image *elf, const struct program_header *header)
{
	struct elf_segment segment = {
		.gpaddr = header->paddr,
		.offset = header->offset,
		.filesz = header->filesz,
		.memsz = header->memsz,
	};

	if (!segment.memsz)
		return segment.filesz ? IMAGE_BAD_SEGMENT : IMAGE_OK;
	if (segment.filesz > segment.memsz)
		return IMAGE_BAD_SEGMENT;
	if (segment.memsz > ELF_EXTENT_MAX)
		return IMAGE_TOO_LARGE;
	if (!range_is_inside(segment.offset, segment.filesz, elf->size))
		return IMAGE_TRUNCATED;
	if (elf->segment_count >= ELF_SEGMENTS_MAX)
		return IMAGE_SEGMENTS_MANY;
	elf->segment[elf->segment_count++] = segment;
	return IMAGE_OK;
}

/* A table of headers lies in the file. */
static enum image_error table_check(const struct elf_image *elf, u64 offset, u32 count, u32 stride,
				    u32 stride_min)
{
	if (count && (stride < stride_min || count > HEADERS_MAX))
		return IMAGE_BAD_ELF_HEADER;
	return range_is_inside(offset, (u64)count * stride, elf->size) || !count ? IMAGE_OK
										 : IMAGE_TRUNCATED;
}

static enum image_error segments_read(struct elf_image *elf, const struct file_header *file,
				      u32 type)
{
	enum image_error error = table_check(elf, file->phoff, file->phnum, file->phentsize,
					     sizeof(struct program_header));

	for (unsigned int i = 0; i < file->phnum && error == IMAGE_OK; i++) {
		struct program_header header;

		memcpy(&header, elf->data + file->phoff + i * file->phentsize, sizeof(header));
		if (header.type != type)
			continue;
		error = type == SEGMENT_LOAD ? segment_add(elf, &header)
					     : notes_read(elf, header.offset, header.filesz);
	}
	return error;
}

/* Notes live in segments of type NOTE; a file whose linker script makes none may still have sections of that type. */
static enum image_error sections_read(struct elf_image *elf, const struct file_header *file)
{
	enum image_error error = table_check(elf, file->shoff, file->shnum, file->shentsize,
					     sizeof(struct section_header));

	for (unsigned int i = 0; i < file->shnum && error == IMAGE_OK; i++) {
		struct section_header header;

		memcpy(&header, elf->data + file->shoff + i * file->shentsize, sizeof(header));
		if (header.type == SECTION_NOTE)
			error = notes_read(elf, header.offset, header.size);
	}
	return error;
}

static bool address_is_in_image(const struct elf_image *elf, u64 address, u64 bytes)
{
	return address >= elf->virt_start &&
	       range_is_inside(address - elf->virt_start, bytes, elf->virt_end - elf->virt_start);
}

/* Turn file addresses into pseudo-physical ones and take the range that all segments span. */
static enum image_error extent_measure(struct elf_image *elf)
{
	u64 low = ~0ull, high = 0;

	for (unsigned int i = 0; i < elf->segment_count; i++) {
		struct elf_segment *segment = &elf->segment[i];
		u64 end;

		if (segment->gpaddr < elf->notes.paddr_offset)
			return IMAGE_BAD_SEGMENT;
		segment->gpaddr -= elf->notes.paddr_offset;
		if (__builtin_add_overflow(segment->gpaddr, segment->memsz, &end))
			return IMAGE_BAD_SEGMENT;
		low = MIN(low, segment->gpaddr);
		high = MAX(high, end);
	}
	if (high > ELF_EXTENT_MAX)
		return IMAGE_TOO_LARGE;
	elf->gpaddr_start = low;
	elf->gpaddr_end = high;
	if (__builtin_add_overflow(elf->notes.virt_base, low, &elf->virt_start) ||
	    __builtin_add_overflow(elf->notes.virt_base, high, &elf->virt_end))
		return IMAGE_BAD_SEGMENT;
	return IMAGE_OK;
}

static enum image_error notes_check(const struct elf_image *elf)
{
	const struct xen_notes *notes = &elf->notes;

	/* A kernel that can only be started in an HVM container has this one note alone. */
	if (!(notes->present & ~(1u << XEN_ELFNOTE_PHYS32_ENTRY)))
		return IMAGE_NO_XEN_NOTES;
	if (xen_notes_has(notes, XEN_ELFNOTE_XEN_VERSION) &&
	    strcmp(notes->xen_version, "xen-3.0") != 0)
		return IMAGE_NOT_XEN30;
	if (xen_notes_has(notes, XEN_ELFNOTE_LOADER) && strcmp(notes->loader, "generic") != 0)
		return IMAGE_BAD_LOADER;
	if (!address_is_in_image(elf, notes->entry, 1))
		return IMAGE_BAD_ENTRY;
	if (xen_notes_has(notes, XEN_ELFNOTE_HYPERCALL_PAGE) &&
	    (notes->hypercall_page % PAGE_SIZE ||
	     !address_is_in_image(elf, notes->hypercall_page, PAGE_SIZE)))
		return IMAGE_BAD_ENTRY;
	return IMAGE_OK;
}

enum image_error elf_parse(struct elf_image *elf, const void *data, size_t size)
{
	struct file_header file;
	enum image_error error;

	memset(elf, 0, sizeof(*elf));
	elf->data = data;
	elf->size = size;
	error = file_header_read(&file, data, size);
	if (error == IMAGE_OK)
		error = segments_read(elf, &file, SEGMENT_LOAD);
	if (error == IMAGE_OK && !elf->segment_count)
		error = IMAGE_NO_SEGMENT;
	if (error == IMAGE_OK)
		error = segments_read(elf, &file, SEGMENT_NOTE);
	/* A stripped or cut section table is no error as long as the segments tell all. */
	if (error == IMAGE_OK && !elf->notes.present)
		error = sections_read(elf, &file);
	if (error != IMAGE_OK)
		return error;
	if (!xen_notes_has(&elf->notes, XEN_ELFNOTE_ENTRY))
		elf->notes.entry = file.entry;
	error = extent_measure(elf);
	return error == IMAGE_OK ? notes_check(elf) : error;
}

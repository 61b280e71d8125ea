/* SPDX-License-Identifier: MIT */
/*
 * Judges an ELF64 file as a PV kernel: headers, loadable segments, and where the Xen notes are (notes.c reads them).
 * Reached by the Domain 0 builder, on a module as it is or on what came out of a bzImage; calls lib/ only; no lock.
 *
 * The file is addressed by offsets that range_is_inside() has accepted, and copied field by field, so neither
 * alignment nor wrap-around can matter. Layouts: System V ABI, chapters 4 and 5.
 */
#include "image/elf.h"

#include "image/priv.h"

#include "lib/abi.h"

/* Offsets in the file header. */
enum {
	EHDR_CLASS = 4,
	EHDR_DATA = 5,
	EHDR_VERSION = 6,
	EHDR_TYPE = 16,
	EHDR_MACHINE = 18,
	EHDR_ENTRY = 24,
	EHDR_PHOFF = 32,
	EHDR_SHOFF = 40,
	EHDR_PHENTSIZE = 54,
	EHDR_PHNUM = 56,
	EHDR_SHENTSIZE = 58,
	EHDR_SHNUM = 60,
	EHDR_SIZE = 64,
};

/* Offsets in a program header. */
enum {
	PHDR_TYPE = 0,
	PHDR_FLAGS = 4,
	PHDR_OFFSET = 8,
	PHDR_VADDR = 16,
	PHDR_PADDR = 24,
	PHDR_FILESZ = 32,
	PHDR_MEMSZ = 40,
	PHDR_SIZE = 56,
};

/* Offsets in a section header. */
enum {
	SHDR_TYPE = 4,
	SHDR_OFFSET = 24,
	SHDR_BYTES = 32,
	SHDR_SIZE = 64,
};

#define ELF_CLASS_64	    2
#define ELF_DATA_LITTLE	    1
#define ELF_VERSION_CURRENT 1
#define ELF_TYPE_EXECUTABLE 2
#define ELF_TYPE_SHARED	    3
#define ELF_MACHINE_X86_64  62
#define SEGMENT_LOAD	    1u
#define SEGMENT_NOTE	    4u
#define SECTION_NOTE	    7u

#define HEADERS_MAX 4096u /* of either kind: more is no kernel */

/* A table of headers in the file, known to lie inside it. */
struct header_table {
	const u8 *at;
	unsigned int count;
	unsigned int stride;
};

static enum image_error file_header_check(const u8 *data, size_t size)
{
	u16 type;

	if (size == 0)
		return IMAGE_EMPTY;
	if (size < 4 || memcmp(data,
			       "\x7f"
			       "ELF",
			       4) != 0)
		return IMAGE_NOT_ELF;
	if (size < EHDR_SIZE)
		return IMAGE_TRUNCATED;
	if (data[EHDR_CLASS] == 1)
		return IMAGE_32BIT;
	if (data[EHDR_CLASS] != ELF_CLASS_64 || data[EHDR_DATA] != ELF_DATA_LITTLE ||
	    data[EHDR_VERSION] != ELF_VERSION_CURRENT)
		return IMAGE_BAD_ELF_HEADER;
	if (read_u16(data + EHDR_MACHINE) != ELF_MACHINE_X86_64)
		return IMAGE_NOT_X86;
	type = read_u16(data + EHDR_TYPE);
	if (type != ELF_TYPE_EXECUTABLE && type != ELF_TYPE_SHARED)
		return IMAGE_NOT_EXECUTABLE;
	return IMAGE_OK;
}

/* Where the file header says where such a table is. */
struct table_place {
	unsigned int offset_at;
	unsigned int stride_at;
	unsigned int count_at;
	unsigned int stride_min;
};
static const struct table_place segments_place = {EHDR_PHOFF, EHDR_PHENTSIZE, EHDR_PHNUM,
						  PHDR_SIZE};
static const struct table_place sections_place = {EHDR_SHOFF, EHDR_SHENTSIZE, EHDR_SHNUM,
						  SHDR_SIZE};

static enum image_error table_find(struct header_table *table, const u8 *data, size_t size,
				   const struct table_place *place)
{
	u64 offset = read_u64(data + place->offset_at);

	table->stride = read_u16(data + place->stride_at);
	table->count = read_u16(data + place->count_at);
	if (!table->count)
		return IMAGE_OK;
	if (table->stride < place->stride_min || table->count > HEADERS_MAX)
		return IMAGE_BAD_ELF_HEADER;
	if (!range_is_inside(offset, (u64)table->stride * table->count, size))
		return IMAGE_TRUNCATED;
	table->at = data + offset;
	return IMAGE_OK;
}

static enum image_error segment_add(struct elf_image *elf, const u8 *header)
{
	struct elf_segment segment = {
		.gpaddr = read_u64(header + PHDR_PADDR),
		.vaddr = read_u64(header + PHDR_VADDR),
		.offset = read_u64(header + PHDR_OFFSET),
		.filesz = read_u64(header + PHDR_FILESZ),
		.memsz = read_u64(header + PHDR_MEMSZ),
		.flags = read_u32(header + PHDR_FLAGS),
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

static enum image_error segments_read(struct elf_image *elf, const struct header_table *table)
{
	for (unsigned int i = 0; i < table->count; i++) {
		const u8 *header = table->at + (size_t)i * table->stride;
		enum image_error error;

		if (read_u32(header + PHDR_TYPE) != SEGMENT_LOAD)
			continue;
		error = segment_add(elf, header);
		if (error != IMAGE_OK)
			return error;
	}
	return elf->segment_count ? IMAGE_OK : IMAGE_NO_SEGMENT;
}

/* Notes live in segments of type NOTE; a file whose linker script makes none may still have sections of that type. */
static enum image_error notes_read(struct elf_image *elf, const struct header_table *table,
				   unsigned int type_at, u32 type_wanted, unsigned int offset_at,
				   unsigned int bytes_at)
{
	for (unsigned int i = 0; i < table->count; i++) {
		const u8 *header = table->at + (size_t)i * table->stride;
		u64 offset = read_u64(header + offset_at);
		u64 bytes = read_u64(header + bytes_at);
		enum image_error error;

		if (read_u32(header + type_at) != type_wanted)
			continue;
		if (!range_is_inside(offset, bytes, elf->size))
			return IMAGE_TRUNCATED;
		error = xen_notes_parse(&elf->notes, elf->data + offset, bytes, elf->bad_feature);
		if (error != IMAGE_OK)
			return error;
	}
	return IMAGE_OK;
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
	struct header_table segments = {0}, sections = {0};
	enum image_error error;

	memset(elf, 0, sizeof(*elf));
	elf->data = data;
	elf->size = size;
	error = file_header_check(elf->data, size);
	if (error != IMAGE_OK)
		return error;
	elf->entry = read_u64(elf->data + EHDR_ENTRY);

	error = table_find(&segments, elf->data, size, &segments_place);
	if (error == IMAGE_OK)
		error = segments_read(elf, &segments);
	if (error == IMAGE_OK)
		error = notes_read(elf, &segments, PHDR_TYPE, SEGMENT_NOTE, PHDR_OFFSET,
				   PHDR_FILESZ);
	if (error == IMAGE_OK && !elf->notes.present) {
		/* A stripped or cut section table is no error as long as the segments tell all. */
		error = table_find(&sections, elf->data, size, &sections_place);
		if (error == IMAGE_OK)
			error = notes_read(elf, &sections, SHDR_TYPE, SECTION_NOTE, SHDR_OFFSET,
					   SHDR_BYTES);
	}
	if (error != IMAGE_OK)
		return error;
	if (!xen_notes_has(&elf->notes, XEN_ELFNOTE_ENTRY))
		elf->notes.entry = elf->entry;
	error = extent_measure(elf);
	if (error != IMAGE_OK)
		return error;
	return notes_check(elf);
}

bool xen_notes_has(const struct xen_notes *notes, unsigned int number)
{
	return number <= XEN_ELFNOTE_MAX && (notes->present & (1u << number)) != 0;
}

const void *elf_segment_data(const struct elf_image *elf, const struct elf_segment *segment)
{
	return elf->data + segment->offset;
}

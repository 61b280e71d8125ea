/* SPDX-License-Identifier: MIT */
/*
 * A guest kernel as an ELF64 file: where its segments go and what its Xen notes say. Every number in the file is
 * hostile until checked here; what elf_parse() accepts can be loaded without further checks. Reached by the
 * Domain 0 builder; calls lib/ only; no lock.
 */
#pragma once

#include "image/error.h"
#include "lib/types.h"

#define ELF_SEGMENTS_MAX 32u
#define ELF_EXTENT_MAX	 (1ull << 30) /* no kernel occupies more than this, in bytes */

#define XEN_NOTE_STRING_MAX 32u

/* What Mica wants of the notes (xen/elfnote.h has the meaning of each); zero or "" if the note is missing. */
struct xen_notes {
	u32 present;	    /* bit n: note number n was there */
	u64 entry;	    /* virtual address to start at */
	u64 hypercall_page; /* virtual address of a page of the kernel's */
	u64 virt_base;	    /* virtual address of pseudo-physical 0 */
	u64 paddr_offset;   /* what to take from p_paddr to have the pseudo-physical address */
	u64 init_p2m;	    /* virtual address for the p2m list */
	u64 mod_start_pfn;  /* not 0: mod_start may be a frame number of an unmapped initrd */
	char xen_version[XEN_NOTE_STRING_MAX];
	char loader[XEN_NOTE_STRING_MAX];
};

/* One PT_LOAD. [offset, offset + filesz) lies in the file, filesz <= memsz, nothing wraps. */
struct elf_segment {
	u64 gpaddr; /* pseudo-physical: p_paddr minus paddr_offset */
	u64 offset;
	u64 filesz;
	u64 memsz;
};

struct elf_image {
	const u8 *data;
	size_t size;

	unsigned int segment_count;
	struct elf_segment segment[ELF_SEGMENTS_MAX]; /* as in the file; all within this range: */
	u64 gpaddr_start; /* lowest byte loaded, and one behind the highest: at most ELF_EXTENT_MAX */
	u64 gpaddr_end;
	u64 virt_start; /* the same range where the kernel wants it mapped: virt_base + gpaddr */
	u64 virt_end;

	struct xen_notes notes;
	char bad_feature[XEN_NOTE_STRING_MAX]; /* with IMAGE_FEATURE_UNKNOWN: its name */
};

/*
 * Judge the file in data[size] as a 64-bit PV kernel and fill *elf, which keeps pointing into it. Without Xen notes
 * everything else is filled and IMAGE_NO_XEN_NOTES is returned.
 */
enum image_error elf_parse(struct elf_image *elf, const void *data, size_t size);

/* Was note XEN_ELFNOTE_<number> there? */
static inline bool xen_notes_has(const struct xen_notes *notes, unsigned int number)
{
	return (notes->present >> number & 1) != 0;
}

/* The file bytes of a segment; segment->filesz of them. */
static inline const void *elf_segment_data(const struct elf_image *elf,
					   const struct elf_segment *segment)
{
	return elf->data + segment->offset;
}

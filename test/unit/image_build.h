/* SPDX-License-Identifier: MIT */
/*
 * Builds small kernels for the tests and seeds of the image parsers: ELF files with Xen notes, and bzImages around any
 * payload. Everything is written field by field, so that a test can break one field at a time.
 */
#ifndef IMAGE_BUILD_H
#define IMAGE_BUILD_H

#include <stdlib.h>
#include <string.h>

#include "lib/abi.h"
#include "lib/types.h"

struct bytes {
	u8 *data;
	size_t len;
};

static inline void put16(u8 *at, u16 value)
{
	memcpy(at, &value, 2);
}
static inline void put32(u8 *at, u32 value)
{
	memcpy(at, &value, 4);
}
static inline void put64(u8 *at, u64 value)
{
	memcpy(at, &value, 8);
}

/* Where things lie in the file that elf_build() makes. */
enum {
	BUILD_PHDRS = 64,
	BUILD_PHDR_TEXT = 64,
	BUILD_PHDR_DATA = 64 + 56,
	BUILD_PHDR_NOTE = 64 + 2 * 56,
	BUILD_NOTES = 0x200,
	BUILD_TEXT = 0x1000,
	BUILD_DATA = 0x2000,
	BUILD_SHDRS = 0x2800,
	BUILD_ELF_BYTES = 0x2900,
};
#define BUILD_VIRT_BASE	  0xffffffff80000000ull
#define BUILD_TEXT_GPADDR 0x1000000ull
#define BUILD_DATA_GPADDR 0x1001000ull
#define BUILD_DATA_MEMSZ  0x3000ull
#define BUILD_ENTRY	  (BUILD_VIRT_BASE + BUILD_TEXT_GPADDR + 0x10)

/* Appends a note owned by "Xen" at *at, as assemblers write it. */
static inline void note_put(u8 **at, u32 type, const void *desc, u32 len)
{
	put32(*at, 4);
	put32(*at + 4, len);
	put32(*at + 8, type);
	memcpy(*at + 12, "Xen", 4);
	memcpy(*at + 16, desc, len);
	*at += 16 + ((len + 3) & ~3u);
}
static inline void note_put_number(u8 **at, u32 type, u64 value)
{
	note_put(at, type, &value, 8);
}
static inline void note_put_text(u8 **at, u32 type, const char *text)
{
	note_put(at, type, text, (u32)strlen(text) + 1);
}

static inline void phdr_put(u8 *at, u32 type, u64 offset, u64 vaddr, u64 paddr, u64 filesz,
			    u64 memsz)
{
	put32(at, type);
	put32(at + 4, 5);
	put64(at + 8, offset);
	put64(at + 16, vaddr);
	put64(at + 24, paddr);
	put64(at + 32, filesz);
	put64(at + 40, memsz);
	put64(at + 48, 0x1000);
}

static inline void elf_header_put(u8 *elf, u16 phnum)
{
	memcpy(elf, "\177ELF\2\1\1", 7);
	put16(elf + 16, 2);
	put16(elf + 18, 62);
	put32(elf + 20, 1);
	put64(elf + 24, BUILD_TEXT_GPADDR);
	put64(elf + 32, BUILD_PHDRS);
	put16(elf + 52, 64);
	put16(elf + 54, 56);
	put16(elf + 56, phnum);
	put16(elf + 58, 64);
}

static inline void notes_finish(u8 *elf, const u8 *end)
{
	put64(elf + BUILD_PHDR_NOTE + 32, (u64)(end - (elf + BUILD_NOTES)));
	put64(elf + BUILD_PHDR_NOTE + 40, (u64)(end - (elf + BUILD_NOTES)));
}

/* The notes of a Linux kernel; the caller may go on at the returned place and then calls notes_finish(). */
static inline u8 *notes_put_linux(u8 *elf)
{
	u8 *at = elf + BUILD_NOTES;
	const u64 valid[2] = {1, 1};

	note_put_text(&at, XEN_ELFNOTE_GUEST_OS, "linux");
	note_put_text(&at, XEN_ELFNOTE_GUEST_VERSION, "2.6");
	note_put_text(&at, XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
	note_put_text(&at, XEN_ELFNOTE_LOADER, "generic");
	note_put_text(&at, XEN_ELFNOTE_PAE_MODE, "yes");
	note_put_number(&at, XEN_ELFNOTE_VIRT_BASE, BUILD_VIRT_BASE);
	note_put_number(&at, XEN_ELFNOTE_ENTRY, BUILD_ENTRY);
	note_put_number(&at, XEN_ELFNOTE_INIT_P2M, 0x8000000000ull);
	note_put(&at, XEN_ELFNOTE_FEATURES, "!writable_page_tables|pae_pgdir_above_4gb", 41);
	note_put(&at, XEN_ELFNOTE_SUPPORTED_FEATURES, "\x01\x88\0\0", 4);
	note_put(&at, XEN_ELFNOTE_L1_MFN_VALID, valid, 16);
	note_put(&at, XEN_ELFNOTE_SUSPEND_CANCEL, "\1\0\0\0", 4);
	note_put(&at, XEN_ELFNOTE_MOD_START_PFN, "\1\0\0\0", 4);
	note_put_number(&at, XEN_ELFNOTE_HV_START_LOW, 0xffff800000000000ull);
	note_put_number(&at, XEN_ELFNOTE_PADDR_OFFSET, 0);
	return at;
}

/* An ELF file like a small Linux; free() its data. */
static inline struct bytes elf_build(void)
{
	u8 *elf = calloc(1, BUILD_ELF_BYTES);

	elf_header_put(elf, 3);
	phdr_put(elf + BUILD_PHDR_TEXT, 1, BUILD_TEXT, BUILD_VIRT_BASE + BUILD_TEXT_GPADDR,
		 BUILD_TEXT_GPADDR, 0x1000, 0x1000);
	phdr_put(elf + BUILD_PHDR_DATA, 1, BUILD_DATA, BUILD_VIRT_BASE + BUILD_DATA_GPADDR,
		 BUILD_DATA_GPADDR, 0x800, BUILD_DATA_MEMSZ);
	phdr_put(elf + BUILD_PHDR_NOTE, 4, BUILD_NOTES, 0, 0, 0, 0);
	notes_finish(elf, notes_put_linux(elf));
	memset(elf + BUILD_TEXT, 0xcc, 0x1000);
	return (struct bytes){elf, BUILD_ELF_BYTES};
}

/* Where things lie in the file that bzimage_build() makes: a boot sector, four of setup, then the payload at 0x10. */
enum {
	BUILD_BZ_SETUP_SECTS = 4,
	BUILD_BZ_CODE = 512 * (BUILD_BZ_SETUP_SECTS + 1),
	BUILD_BZ_PAYLOAD_OFFSET = 0x10,
	BUILD_BZ_PAYLOAD = BUILD_BZ_CODE + BUILD_BZ_PAYLOAD_OFFSET,
};

/* A bzImage around payload; free() its data. */
static inline struct bytes bzimage_build(const u8 *payload, size_t len)
{
	size_t code = (BUILD_BZ_PAYLOAD_OFFSET + len + 15) & ~(size_t)15;
	u8 *bz = calloc(1, BUILD_BZ_CODE + code);

	bz[0x1f1] = BUILD_BZ_SETUP_SECTS;
	put32(bz + 0x1f4, (u32)(code / 16));
	put16(bz + 0x1fe, 0xaa55);
	memcpy(bz + 0x202, "HdrS", 4);
	put16(bz + 0x206, 0x020f);
	bz[0x211] = 1;
	put32(bz + 0x248, BUILD_BZ_PAYLOAD_OFFSET);
	put32(bz + 0x24c, (u32)len);
	memcpy(bz + BUILD_BZ_PAYLOAD, payload, len);
	return (struct bytes){bz, BUILD_BZ_CODE + code};
}

#endif

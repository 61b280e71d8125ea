/* SPDX-License-Identifier: MIT */
/*
 * What can be wrong with something that a boot loader handed over: one name and one sentence for each, so that a bad
 * module gives one clear line on the console. Reached by every parser in image/ and by boot/; no lock.
 */
#ifndef IMAGE_ERROR_H
#define IMAGE_ERROR_H

enum image_error {
	IMAGE_OK = 0,

	/* multiboot */
	IMAGE_BAD_MAGIC,
	IMAGE_UNREACHABLE,
	IMAGE_BAD_TAG,
	IMAGE_NO_MEMORY_MAP,

	/* e820 */
	IMAGE_MAP_FULL,
	IMAGE_NO_RAM,

	/* any kernel image */
	IMAGE_EMPTY,
	IMAGE_NOT_KERNEL,
	IMAGE_TRUNCATED,

	/* ELF */
	IMAGE_NOT_ELF,
	IMAGE_32BIT,
	IMAGE_NOT_X86,
	IMAGE_NOT_EXECUTABLE,
	IMAGE_BAD_ELF_HEADER,
	IMAGE_BAD_SEGMENT,
	IMAGE_SEGMENTS_MANY,
	IMAGE_NO_SEGMENT,
	IMAGE_TOO_LARGE,
	IMAGE_BAD_ENTRY,

	/* Xen ELF notes */
	IMAGE_NO_XEN_NOTES,
	IMAGE_BAD_NOTE,
	IMAGE_NOT_XEN30,
	IMAGE_BAD_LOADER,
	IMAGE_FEATURE_UNKNOWN,

	/* bzImage */
	IMAGE_BZIMAGE_OLD,
	IMAGE_BZIMAGE_BAD_HEADER,
	IMAGE_BZIMAGE_NO_PAYLOAD,
	IMAGE_COMPRESSION_UNKNOWN,
	IMAGE_COMPRESSION_BZIP2,
	IMAGE_COMPRESSION_LZMA,
	IMAGE_COMPRESSION_LZO,
	IMAGE_BAD_SIZE,

	/* decompression */
	IMAGE_DATA_CORRUPT,
	IMAGE_XZ_CHECK,
	IMAGE_OUTPUT_FULL,
	IMAGE_ARENA_FULL,
	IMAGE_OUTPUT_SHORT,

	IMAGE_ERROR_COUNT
};

/* The sentence for an error: never NULL, also not for a number that is none. */
const char *image_strerror(enum image_error error);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The sentences for enum image_error. Reached by boot/ when it refuses what a boot loader gave; calls nothing; no
 * lock.
 */
#include "image/error.h"

#include "lib/types.h"

static const char *const sentences[IMAGE_ERROR_COUNT] = {
	[IMAGE_OK] = "no error",
	[IMAGE_BAD_MAGIC] = "not started by a Multiboot loader (wrong magic number)",
	[IMAGE_UNREACHABLE] = "boot information lies outside of reachable memory",
	[IMAGE_BAD_TAG] = "Multiboot 2 information holds a tag of impossible size",
	[IMAGE_NO_MEMORY_MAP] = "the boot loader passed no memory map",
	[IMAGE_MAP_FULL] = "the memory map has too many ranges",
	[IMAGE_NO_RAM] = "the memory map holds no usable RAM",
	[IMAGE_EMPTY] = "the module is empty",
	[IMAGE_NOT_KERNEL] = "the module is neither an ELF file nor a Linux bzImage",
	[IMAGE_TRUNCATED] = "the image is truncated",
	[IMAGE_NOT_ELF] = "not an ELF file",
	[IMAGE_32BIT] = "a 32-bit kernel; only 64-bit x86 kernels can run",
	[IMAGE_NOT_X86] = "a kernel for another architecture than x86-64",
	[IMAGE_NOT_EXECUTABLE] = "an ELF file, but not an executable one",
	[IMAGE_BAD_ELF_HEADER] = "malformed ELF header",
	[IMAGE_BAD_SEGMENT] = "malformed ELF segment",
	[IMAGE_SEGMENTS_MANY] = "too many ELF segments",
	[IMAGE_NO_SEGMENT] = "the ELF file has nothing to load",
	[IMAGE_TOO_LARGE] = "the kernel occupies too much memory",
	[IMAGE_BAD_ENTRY] = "entry point or hypercall page lies outside of the kernel",
	[IMAGE_NO_XEN_NOTES] =
		"the kernel has no Xen ELF notes: not built to run as a Xen PV guest",
	[IMAGE_BAD_NOTE] = "malformed Xen ELF note",
	[IMAGE_NOT_XEN30] = "the kernel asks for another interface than xen-3.0",
	[IMAGE_BAD_LOADER] = "the kernel asks for another loader than the generic one",
	[IMAGE_FEATURE_UNKNOWN] = "the kernel requires a feature that does not exist",
	[IMAGE_BZIMAGE_OLD] = "bzImage of a boot protocol before 2.08",
	[IMAGE_BZIMAGE_BAD_HEADER] = "malformed bzImage header",
	[IMAGE_BZIMAGE_NO_PAYLOAD] = "the bzImage does not say where its payload is",
	[IMAGE_COMPRESSION_UNKNOWN] = "kernel compressed in an unknown format",
	[IMAGE_COMPRESSION_BZIP2] =
		"kernel compressed with bzip2, which is not supported (xz, gzip, zstd, lz4 are)",
	[IMAGE_COMPRESSION_LZMA] =
		"kernel compressed with lzma, which is not supported (xz, gzip, zstd, lz4 are)",
	[IMAGE_COMPRESSION_LZO] =
		"kernel compressed with lzo, which is not supported (xz, gzip, zstd, lz4 are)",
	[IMAGE_BAD_SIZE] = "the kernel's size after decompression is not credible",
	[IMAGE_DATA_CORRUPT] = "compressed kernel is corrupt",
	[IMAGE_XZ_CHECK] = "kernel compressed by xz with another check than CRC32",
	[IMAGE_OUTPUT_FULL] = "the kernel decompresses to more than it says",
	[IMAGE_ARENA_FULL] = "not enough memory to decompress the kernel",
	[IMAGE_OUTPUT_SHORT] = "the kernel decompresses to less than it says",
};

const char *image_strerror(enum image_error error)
{
	unsigned int idx = (unsigned int)error;

	if (idx >= IMAGE_ERROR_COUNT || !sentences[idx])
		return "unknown error";
	return sentences[idx];
}

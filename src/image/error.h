/* SPDX-License-Identifier: MIT */
/*
 * What can be wrong with something that a boot loader handed over: one name and one sentence for each, so that a bad
 * module gives one clear line on the console. Reached by every parser in image/ and by boot/; no lock.
 */
#pragma once

#define IMAGE_ERRORS(X)                                                                     \
	X(IMAGE_OK, "no error")                                                             \
	X(IMAGE_BAD_MAGIC, "not started by a Multiboot loader (wrong magic number)")        \
	X(IMAGE_UNREACHABLE, "boot information lies outside of reachable memory")           \
	X(IMAGE_BAD_TAG, "Multiboot 2 information holds a tag of impossible size")          \
	X(IMAGE_NO_MEMORY_MAP, "the boot loader passed no memory map")                      \
	X(IMAGE_MAP_FULL, "the memory map has too many ranges")                             \
	X(IMAGE_NO_RAM, "the memory map holds no usable RAM")                               \
	X(IMAGE_EMPTY, "the module is empty")                                               \
	X(IMAGE_NOT_KERNEL, "the module is neither an ELF file nor a Linux bzImage")        \
	X(IMAGE_TRUNCATED, "the image is truncated")                                        \
	X(IMAGE_NOT_ELF, "not an ELF file")                                                 \
	X(IMAGE_32BIT, "a 32-bit kernel; only 64-bit x86 kernels can run")                  \
	X(IMAGE_NOT_X86, "a kernel for another architecture than x86-64")                   \
	X(IMAGE_NOT_EXECUTABLE, "an ELF file, but not an executable one")                   \
	X(IMAGE_BAD_ELF_HEADER, "malformed ELF header")                                     \
	X(IMAGE_BAD_SEGMENT, "malformed ELF segment")                                       \
	X(IMAGE_SEGMENTS_MANY, "too many ELF segments")                                     \
	X(IMAGE_NO_SEGMENT, "the ELF file has nothing to load")                             \
	X(IMAGE_TOO_LARGE, "the kernel occupies too much memory")                           \
	X(IMAGE_BAD_ENTRY, "entry point or hypercall page lies outside of the kernel")      \
	X(IMAGE_NO_XEN_NOTES,                                                               \
	  "the kernel has no Xen ELF notes: not built to run as a Xen PV guest")            \
	X(IMAGE_BAD_NOTE, "malformed Xen ELF note")                                         \
	X(IMAGE_NOT_XEN30, "the kernel asks for another interface than xen-3.0")            \
	X(IMAGE_BAD_LOADER, "the kernel asks for another loader than the generic one")      \
	X(IMAGE_FEATURE_UNKNOWN, "the kernel requires a feature that does not exist")       \
	X(IMAGE_BZIMAGE_OLD, "bzImage of a boot protocol before 2.08")                      \
	X(IMAGE_BZIMAGE_BAD_HEADER, "malformed bzImage header")                             \
	X(IMAGE_BZIMAGE_NO_PAYLOAD, "the bzImage does not say where its payload is")        \
	X(IMAGE_COMPRESSION_UNKNOWN, "kernel compressed in an unknown format")              \
	X(IMAGE_COMPRESSION_BZIP2,                                                          \
	  "kernel compressed with bzip2, which is not supported (xz, gzip, zstd, lz4 are)") \
	X(IMAGE_COMPRESSION_LZMA,                                                           \
	  "kernel compressed with lzma, which is not supported (xz, gzip, zstd, lz4 are)")  \
	X(IMAGE_COMPRESSION_LZO,                                                            \
	  "kernel compressed with lzo, which is not supported (xz, gzip, zstd, lz4 are)")   \
	X(IMAGE_BAD_SIZE, "the kernel's size after decompression is not credible")          \
	X(IMAGE_DATA_CORRUPT, "compressed kernel is corrupt")                               \
	X(IMAGE_XZ_CHECK, "kernel compressed by xz with another check than CRC32")          \
	X(IMAGE_OUTPUT_FULL, "the kernel decompresses to more than it says")                \
	X(IMAGE_ARENA_FULL, "not enough memory to decompress the kernel")                   \
	X(IMAGE_OUTPUT_SHORT, "the kernel decompresses to less than it says")

#define IMAGE_ERROR_NAME(name, text) name,
enum image_error { IMAGE_ERRORS(IMAGE_ERROR_NAME) IMAGE_ERROR_COUNT };

/* The sentence for an error: never NULL, also not for a number that is none. */
const char *image_strerror(enum image_error error);

/* SPDX-License-Identifier: MIT */
/*
 * Chooses the decoder, hands out its memory, and tells beforehand how much that will be. Reached by boot/unpack.c; calls
 * unpack_*.c; no lock.
 */
#include "image/unpack.h"

#include "image/priv.h"

#define ARENA_ALIGN 16u
#define ARENA_BYTES (512u << 10) /* what every decoder can do with, dictionary aside */

/* The XZ stream up to the first filter's properties (xz-file-format.txt, 2.1.1 and 3.1). */
enum {
	XZ_BLOCK_AT = 12, /* behind the stream header */
	XZ_BLOCK_FLAGS = XZ_BLOCK_AT + 1,
	XZ_BLOCK_FIELDS = XZ_BLOCK_AT + 2,
};
#define XZ_FILTER_COUNT_MASK	 0x03u
#define XZ_HAS_COMPRESSED_SIZE	 BIT(6)
#define XZ_HAS_UNCOMPRESSED_SIZE BIT(7)
#define XZ_FILTER_LZMA2		 0x21u
#define XZ_DICTIONARY_MAX	 40u
#define XZ_DICTIONARY_BYTES_MAX	 (1ull << 30)

void *unpack_alloc(struct unpack_arena *arena, size_t bytes)
{
	size_t start = arena->used;

	/* The arena's own base may be less aligned than what it hands out. */
	start += (ARENA_ALIGN - ((uintptr_t)arena->base + start) % ARENA_ALIGN) % ARENA_ALIGN;
	if (!range_is_inside(start, bytes, arena->size)) {
		arena->is_exhausted = true;
		return NULL;
	}
	arena->used = start + bytes;
	return arena->base + start;
}

/* A number in 7-bit groups, lowest first, at most 9 bytes. */
static bool xz_number_take(const u8 *in, size_t end, size_t *at, u64 *value)
{
	*value = 0;
	for (unsigned int i = 0; i < 9; i++) {
		u8 byte;

		if (*at >= end)
			return false;
		byte = in[(*at)++];
		*value |= (u64)(byte & 0x7f) << (i * 7);
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

/* xz-file-format.txt, 5.3.1: 40 is 4 GiB - 1, below that 2 or 3 times a power of two. */
static u64 xz_dictionary_bytes(u8 bits)
{
	return (2ull | (bits & 1u)) << (bits / 2 + 11);
}

/* The dictionary of the first block, which is the only one that Linux's build makes. */
static u64 xz_dictionary_find(const u8 *in, size_t in_len)
{
	size_t at = XZ_BLOCK_FIELDS, end;
	u64 number, id, bytes;
	u8 flags;

	if (in_len <= XZ_BLOCK_FIELDS)
		return 0;
	end = XZ_BLOCK_AT + ((size_t)in[XZ_BLOCK_AT] + 1) * 4;
	if (end > in_len)
		return 0;
	flags = in[XZ_BLOCK_FLAGS];
	if ((flags & XZ_HAS_COMPRESSED_SIZE) && !xz_number_take(in, end, &at, &number))
		return 0;
	if ((flags & XZ_HAS_UNCOMPRESSED_SIZE) && !xz_number_take(in, end, &at, &number))
		return 0;
	for (unsigned int i = 0; i <= (flags & XZ_FILTER_COUNT_MASK); i++) {
		if (!xz_number_take(in, end, &at, &id) || !xz_number_take(in, end, &at, &bytes) ||
		    !range_is_inside(at, bytes, end))
			return 0;
		if (id == XZ_FILTER_LZMA2)
			return bytes == 1 && in[at] < XZ_DICTIONARY_MAX
				       ? xz_dictionary_bytes(in[at])
				       : 0;
		at += bytes;
	}
	return 0;
}

size_t unpack_arena_bytes(enum compression compression, const void *in, size_t in_len)
{
	u64 dictionary;

	if (compression != COMPRESSION_XZ)
		return ARENA_BYTES;
	dictionary = xz_dictionary_find(in, in_len);
	if (!dictionary || dictionary > XZ_DICTIONARY_BYTES_MAX)
		return 0;
	return dictionary + ARENA_BYTES;
}

enum image_error unpack_kernel(enum compression compression, const void *in, size_t in_len,
			       void *out, size_t out_len, struct unpack_arena *arena)
{
	if (in_len > UNPACKED_BYTES_MAX || out_len > UNPACKED_BYTES_MAX)
		return IMAGE_BAD_SIZE;
	switch (compression) {
	case COMPRESSION_NONE:
		if (in_len != out_len)
			return IMAGE_BAD_SIZE;
		memcpy(out, in, in_len);
		return IMAGE_OK;
	case COMPRESSION_GZIP:
		return unpack_gzip(in, in_len, out, out_len, arena);
	case COMPRESSION_XZ:
		return unpack_xz(in, in_len, out, out_len, arena);
	case COMPRESSION_ZSTD:
		return unpack_zstd(in, in_len, out, out_len, arena);
	case COMPRESSION_LZ4:
		return unpack_lz4(in, in_len, out, out_len);
	case COMPRESSION_COUNT:
		break;
	}
	return IMAGE_COMPRESSION_UNKNOWN;
}

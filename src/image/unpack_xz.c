/* SPDX-License-Identifier: MIT */
/*
 * xz by liblzma's stream decoder. Reached by unpack.c, outside of the hypervisor's own rules for code (see unpack.h);
 * calls liblzma; no lock.
 *
 * Only CRC32 (or nothing) is accepted as check, as by Linux's own decoder: liblzma's CRC64 is chosen by a constructor, and
 * constructors do not run here.
 */
#include <lzma.h>

#include "image/unpack.h"

/* The stream header: six bytes of magic, a zero, the kind of check (xz-file-format.txt, 2.1.1). */
enum { XZ_CHECK_AT = 7, XZ_HEADER_BYTES = 12 };
#define XZ_CHECK_NONE  0
#define XZ_CHECK_CRC32 1

static void *xz_alloc(void *opaque, size_t items, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(items, size, &bytes))
		return NULL;
	return unpack_alloc(opaque, bytes);
}

static void xz_free(void *opaque, void *address)
{
	(void)opaque;
	(void)address;
}

static enum image_error result_convert(lzma_ret result, const lzma_stream *stream)
{
	if (result == LZMA_STREAM_END)
		return stream->avail_out ? IMAGE_OUTPUT_SHORT : IMAGE_OK;
	if (result == LZMA_MEM_ERROR || result == LZMA_MEMLIMIT_ERROR)
		return IMAGE_ARENA_FULL;
	if (result == LZMA_OK || result == LZMA_BUF_ERROR)
		return stream->avail_in ? IMAGE_OUTPUT_FULL : IMAGE_TRUNCATED;
	return IMAGE_DATA_CORRUPT;
}

enum image_error unpack_xz(const u8 *in, size_t in_len, u8 *out, size_t out_len,
			   struct unpack_arena *arena)
{
	const lzma_allocator allocator = {.alloc = xz_alloc, .free = xz_free, .opaque = arena};
	lzma_stream stream = LZMA_STREAM_INIT;
	lzma_ret result;

	if (in_len < XZ_HEADER_BYTES)
		return IMAGE_TRUNCATED;
	if (in[XZ_CHECK_AT] != XZ_CHECK_NONE && in[XZ_CHECK_AT] != XZ_CHECK_CRC32)
		return IMAGE_XZ_CHECK;
	stream.allocator = &allocator;
	stream.next_in = in;
	stream.avail_in = in_len;
	stream.next_out = out;
	stream.avail_out = out_len;
	result = lzma_stream_decoder(&stream, UINT64_MAX, 0);
	if (result != LZMA_OK)
		return IMAGE_ARENA_FULL;
	do
		result = lzma_code(&stream, LZMA_FINISH);
	while (result == LZMA_OK);
	return result_convert(result, &stream);
}

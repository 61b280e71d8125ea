/* SPDX-License-Identifier: MIT */
/*
 * gzip by zlib's inflate, in one call. Reached by unpack.c, outside of the hypervisor's own rules for code (see
 * unpack.h); calls zlib; no lock.
 */
#define ZLIB_CONST
#include <zlib.h>

#include "image/unpack.h"

#include "lib/string.h"

#define WINDOW_BITS_GZIP (15 + 16) /* zlib.h, inflateInit2: gzip header and trailer, nothing else */

static voidpf gzip_alloc(voidpf opaque, uInt items, uInt size)
{
	return unpack_alloc(opaque, (size_t)items * size);
}

static void gzip_free(voidpf opaque, voidpf address)
{
	(void)opaque;
	(void)address;
}

static enum image_error result_convert(int result, const z_stream *stream, size_t out_len)
{
	if (result == Z_STREAM_END)
		return stream->total_out == out_len ? IMAGE_OK : IMAGE_OUTPUT_SHORT;
	if (result == Z_MEM_ERROR)
		return IMAGE_ARENA_FULL;
	if (result == Z_OK || result == Z_BUF_ERROR)
		return stream->avail_in ? IMAGE_OUTPUT_FULL : IMAGE_TRUNCATED;
	return IMAGE_DATA_CORRUPT;
}

enum image_error unpack_gzip(const u8 *in, size_t in_len, u8 *out, size_t out_len,
			     struct unpack_arena *arena)
{
	z_stream stream;
	int result;

	memset(&stream, 0, sizeof(stream));
	stream.zalloc = gzip_alloc;
	stream.zfree = gzip_free;
	stream.opaque = arena;
	stream.next_in = in;
	stream.avail_in = (uInt)in_len; /* unpack_kernel() bounds both */
	stream.next_out = out;
	stream.avail_out = (uInt)out_len;
	result = inflateInit2(&stream, WINDOW_BITS_GZIP);
	if (result != Z_OK)
		return IMAGE_ARENA_FULL;
	result = inflate(&stream, Z_FINISH);
	return result_convert(result, &stream, out_len);
}

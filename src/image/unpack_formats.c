/* SPDX-License-Identifier: MIT */
/*
 * The glue to the decoders: zlib, liblzma, libzstd and liblz4. Reached by unpack.c, outside of the hypervisor's own rules
 * for code (see unpack.h); no lock. The arena is thrown away as a whole.
 */
#define ZLIB_CONST
#define ZSTD_STATIC_LINKING_ONLY
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "image/priv.h"
#include "image/unpack.h"

static void arena_free(void *opaque, void *address)
{
	(void)opaque;
	(void)address;
}

/* ---------------------------------------------------------------- gzip: inflate, in one call */

#define WINDOW_BITS_GZIP (15 + 16) /* zlib.h, inflateInit2: gzip header and trailer, nothing else */

static voidpf gzip_alloc(voidpf opaque, uInt items, uInt size)
{
	return unpack_alloc(opaque, (size_t)items * size);
}

static enum image_error gzip_result(int result, const z_stream *stream, size_t out_len)
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
	stream.zfree = arena_free;
	stream.opaque = arena;
	stream.next_in = in;
	stream.avail_in = (uInt)in_len; /* unpack_kernel() bounds both */
	stream.next_out = out;
	stream.avail_out = (uInt)out_len;
	result = inflateInit2(&stream, WINDOW_BITS_GZIP);
	if (result != Z_OK)
		return IMAGE_ARENA_FULL;
	result = inflate(&stream, Z_FINISH);
	return gzip_result(result, &stream, out_len);
}

/* ---------------------------------------------------------------- xz */

/*
 * Only CRC32 (or nothing) is accepted as check, as by Linux's own decoder: liblzma's CRC64 is chosen by a constructor, and
 * constructors do not run here.
 */
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

static enum image_error xz_result(lzma_ret result, const lzma_stream *stream)
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
	const lzma_allocator allocator = {.alloc = xz_alloc, .free = arena_free, .opaque = arena};
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
	return xz_result(result, &stream);
}

/* ---------------------------------------------------------------- zstd: in one call, so that it needs no window */

static enum image_error zstd_error(size_t result)
{
	ZSTD_ErrorCode code = ZSTD_getErrorCode(result);

	if (code == ZSTD_error_dstSize_tooSmall)
		return IMAGE_OUTPUT_FULL;
	if (code == ZSTD_error_srcSize_wrong)
		return IMAGE_TRUNCATED;
	if (code == ZSTD_error_memory_allocation)
		return IMAGE_ARENA_FULL;
	return IMAGE_DATA_CORRUPT;
}

enum image_error unpack_zstd(const u8 *in, size_t in_len, u8 *out, size_t out_len,
			     struct unpack_arena *arena)
{
	size_t workspace_bytes = ZSTD_estimateDCtxSize();
	void *workspace = unpack_alloc(arena, workspace_bytes);
	ZSTD_DCtx *context;
	size_t result;

	if (!workspace)
		return IMAGE_ARENA_FULL;
	context = ZSTD_initStaticDCtx(workspace, workspace_bytes);
	if (!context)
		return IMAGE_ARENA_FULL;

	/* One frame and nothing behind it: a second one might be of an old format with other needs. */
	result = ZSTD_findFrameCompressedSize(in, in_len);
	if (ZSTD_isError(result))
		return zstd_error(result);
	if (result != in_len)
		return IMAGE_DATA_CORRUPT;
	result = ZSTD_decompressDCtx(context, out, out_len, in, in_len);
	if (ZSTD_isError(result))
		return zstd_error(result);
	return result == out_len ? IMAGE_OK : IMAGE_OUTPUT_SHORT;
}

/*
 * lz4 in its legacy frame, which is what Linux's build makes: the magic number, then blocks of up to 8 MiB, each with its
 * packed size before it (lz4_Frame_format.md, "Legacy frame").
 */
#define LZ4_LEGACY_MAGIC 0x184c2102u
#define LZ4_BLOCK_BYTES	 (8u << 20)

enum image_error unpack_lz4(const u8 *in, size_t in_len, u8 *out, size_t out_len)
{
	size_t at = 4, done = 0;

	if (in_len < 4)
		return IMAGE_TRUNCATED;
	if (read_u32(in) != LZ4_LEGACY_MAGIC)
		return IMAGE_DATA_CORRUPT;
	while (in_len - at >= 4) {
		size_t packed = read_u32(in + at);
		size_t room = MIN(out_len - done, (size_t)LZ4_BLOCK_BYTES);
		int unpacked;

		at += 4;
		/* Concatenated files repeat the magic number between their blocks. */
		if (packed == LZ4_LEGACY_MAGIC)
			continue;
		if (packed > (size_t)LZ4_COMPRESSBOUND(LZ4_BLOCK_BYTES))
			return IMAGE_DATA_CORRUPT;
		if (packed > in_len - at)
			return IMAGE_TRUNCATED;
		if (!room)
			return IMAGE_OUTPUT_FULL;
		unpacked = LZ4_decompress_safe((const char *)in + at, (char *)out + done,
					       (int)packed, (int)room);
		if (unpacked < 0)
			return IMAGE_DATA_CORRUPT;
		at += packed;
		done += (size_t)unpacked;
	}
	if (at != in_len)
		return IMAGE_TRUNCATED;
	return done == out_len ? IMAGE_OK : IMAGE_OUTPUT_SHORT;
}

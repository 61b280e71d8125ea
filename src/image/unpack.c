/* SPDX-License-Identifier: MIT */
/*
 * The glue to the decoders: zlib, liblzma, libzstd and liblz4; and how much memory they will want. Reached by boot/unpack.c,
 * the decoding outside of the hypervisor's own rules for code (see unpack.h); no lock. The arena is thrown away as a whole.
 */
#define ZLIB_CONST
#define ZSTD_STATIC_LINKING_ONLY
#include <lz4.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "image/unpack.h"

#include "image/priv.h"

#define ARENA_ALIGN 16u
#define ARENA_BYTES (512u << 10) /* what every decoder can do with, dictionary aside */

/* One stream, whole, to fill out[out_len] exactly. */
struct job {
	const u8 *in;
	size_t in_len;
	u8 *out;
	size_t out_len;
	struct unpack_arena *arena;
};

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

static void arena_free(void *opaque, void *address)
{
	(void)opaque;
	(void)address;
}

static enum image_error judge(bool is_end, bool is_starved, bool is_no_memory, size_t in_left,
			      size_t out_left)
{
	if (is_end)
		return out_left ? IMAGE_OUTPUT_SHORT : IMAGE_OK;
	if (is_starved)
		return in_left ? IMAGE_OUTPUT_FULL : IMAGE_TRUNCATED;
	return is_no_memory ? IMAGE_ARENA_FULL : IMAGE_DATA_CORRUPT;
}

/* ---------------------------------------------------------------- gzip: inflate, in one call */

#define WINDOW_BITS_GZIP (15 + 16) /* zlib.h, inflateInit2: gzip header and trailer, nothing else */

static voidpf gzip_alloc(voidpf opaque, uInt items, uInt size)
{
	return unpack_alloc(opaque, (size_t)items * size);
}

static enum image_error gzip(const struct job *job)
{
	z_stream stream = {
		.zalloc = gzip_alloc,
		.zfree = arena_free,
		.opaque = job->arena,
		.next_in = job->in,
		.avail_in = (uInt)job->in_len, /* unpack_kernel() bounds both */
		.next_out = job->out,
		.avail_out = (uInt)job->out_len,
	};
	int result;

	if (inflateInit2(&stream, WINDOW_BITS_GZIP) != Z_OK)
		return IMAGE_ARENA_FULL;
	result = inflate(&stream, Z_FINISH);
	return judge(result == Z_STREAM_END, result == Z_OK || result == Z_BUF_ERROR,
		     result == Z_MEM_ERROR, stream.avail_in, stream.avail_out);
}

/* ---------------------------------------------------------------- xz */

/* The stream up to the first filter's properties (xz-file-format.txt, 2.1.1 and 3.1). */
enum {
	XZ_CHECK_AT = 7,
	XZ_BLOCK_AT = 12, /* behind the stream header */
	XZ_BLOCK_FLAGS,
	XZ_BLOCK_FIELDS,
};
#define XZ_CHECK_NONE		 0
#define XZ_CHECK_CRC32		 1
#define XZ_FILTER_COUNT_MASK	 0x03u
#define XZ_HAS_COMPRESSED_SIZE	 BIT(6)
#define XZ_HAS_UNCOMPRESSED_SIZE BIT(7)
#define XZ_FILTER_LZMA2		 0x21u
#define XZ_DICTIONARY_MAX	 40u
#define XZ_DICTIONARY_BYTES_MAX	 (1ull << 30)

static void *xz_alloc(void *opaque, size_t items, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(items, size, &bytes) ? NULL : unpack_alloc(opaque, bytes);
}

/*
 * Only CRC32 (or nothing) is accepted as check, as by Linux's own decoder: liblzma's CRC64 is chosen by a constructor, and
 * constructors do not run here.
 */
static enum image_error xz(const struct job *job)
{
	const lzma_allocator allocator = {xz_alloc, arena_free, job->arena};
	lzma_stream stream = LZMA_STREAM_INIT;
	lzma_ret result;

	if (job->in_len < XZ_BLOCK_AT)
		return IMAGE_TRUNCATED;
	if (job->in[XZ_CHECK_AT] != XZ_CHECK_NONE && job->in[XZ_CHECK_AT] != XZ_CHECK_CRC32)
		return IMAGE_XZ_CHECK;
	stream.allocator = &allocator;
	stream.next_in = job->in;
	stream.avail_in = job->in_len;
	stream.next_out = job->out;
	stream.avail_out = job->out_len;
	if (lzma_stream_decoder(&stream, UINT64_MAX, 0) != LZMA_OK)
		return IMAGE_ARENA_FULL;
	do
		result = lzma_code(&stream, LZMA_FINISH);
	while (result == LZMA_OK);
	return judge(result == LZMA_STREAM_END, result == LZMA_BUF_ERROR,
		     result == LZMA_MEM_ERROR || result == LZMA_MEMLIMIT_ERROR, stream.avail_in,
		     stream.avail_out);
}

/* A number in 7-bit groups, lowest first, at most 9 bytes. */
static bool xz_number_take(const u8 *in, size_t end, size_t *at, u64 *value)
{
	*value = 0;
	for (unsigned int i = 0; i < 9 && *at < end; i++) {
		u8 byte = in[(*at)++];

		*value |= (u64)(byte & 0x7f) << (i * 7);
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

/* The dictionary of the first block, which is the only one that Linux's build makes. 5.3.1: 2 or 3 times a power of two. */
static u64 xz_dictionary_bytes(const u8 *in, size_t in_len)
{
	size_t at = XZ_BLOCK_FIELDS, end;
	u64 number, id, bytes;
	u8 flags;

	if (in_len <= XZ_BLOCK_FIELDS)
		return 0;
	end = XZ_BLOCK_AT + ((size_t)in[XZ_BLOCK_AT] + 1) * 4;
	flags = in[XZ_BLOCK_FLAGS];
	if (end > in_len ||
	    ((flags & XZ_HAS_COMPRESSED_SIZE) && !xz_number_take(in, end, &at, &number)) ||
	    ((flags & XZ_HAS_UNCOMPRESSED_SIZE) && !xz_number_take(in, end, &at, &number)))
		return 0;
	for (unsigned int i = 0; i <= (flags & XZ_FILTER_COUNT_MASK); i++) {
		if (!xz_number_take(in, end, &at, &id) || !xz_number_take(in, end, &at, &bytes) ||
		    !range_is_inside(at, bytes, end))
			return 0;
		if (id == XZ_FILTER_LZMA2)
			return bytes == 1 && in[at] < XZ_DICTIONARY_MAX
				       ? (2ull | (in[at] & 1u)) << (in[at] / 2 + 11)
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
	dictionary = xz_dictionary_bytes(in, in_len);
	return dictionary && dictionary <= XZ_DICTIONARY_BYTES_MAX ? dictionary + ARENA_BYTES : 0;
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

static enum image_error zstd(const struct job *job)
{
	size_t result, workspace_bytes = ZSTD_estimateDCtxSize();
	void *workspace = unpack_alloc(job->arena, workspace_bytes);
	ZSTD_DCtx *context = workspace ? ZSTD_initStaticDCtx(workspace, workspace_bytes) : NULL;

	if (!context)
		return IMAGE_ARENA_FULL;

	/* One frame and nothing behind it: a second one might be of an old format with other needs. */
	result = ZSTD_findFrameCompressedSize(job->in, job->in_len);
	if (ZSTD_isError(result))
		return zstd_error(result);
	if (result != job->in_len)
		return IMAGE_DATA_CORRUPT;
	result = ZSTD_decompressDCtx(context, job->out, job->out_len, job->in, job->in_len);
	if (ZSTD_isError(result))
		return zstd_error(result);
	return result == job->out_len ? IMAGE_OK : IMAGE_OUTPUT_SHORT;
}

/*
 * lz4 in its legacy frame, which is what Linux's build makes: the magic number, then blocks of up to 8 MiB, each with its
 * packed size before it (lz4_Frame_format.md, "Legacy frame").
 */
#define LZ4_LEGACY_MAGIC 0x184c2102u
#define LZ4_BLOCK_BYTES	 (8u << 20)

static enum image_error lz4(const struct job *job)
{
	size_t at = 4, done = 0;

	if (job->in_len < 4)
		return IMAGE_TRUNCATED;
	if (read_u32(job->in) != LZ4_LEGACY_MAGIC)
		return IMAGE_DATA_CORRUPT;
	while (job->in_len - at >= 4) {
		size_t packed = read_u32(job->in + at);
		size_t room = MIN(job->out_len - done, (size_t)LZ4_BLOCK_BYTES);
		int unpacked;

		at += 4;
		/* Concatenated files repeat the magic number between their blocks. */
		if (packed == LZ4_LEGACY_MAGIC)
			continue;
		if (packed > (size_t)LZ4_COMPRESSBOUND(LZ4_BLOCK_BYTES))
			return IMAGE_DATA_CORRUPT;
		if (packed > job->in_len - at)
			return IMAGE_TRUNCATED;
		if (!room)
			return IMAGE_OUTPUT_FULL;
		unpacked = LZ4_decompress_safe((const char *)job->in + at, (char *)job->out + done,
					       (int)packed, (int)room);
		if (unpacked < 0)
			return IMAGE_DATA_CORRUPT;
		at += packed;
		done += (size_t)unpacked;
	}
	if (at != job->in_len)
		return IMAGE_TRUNCATED;
	return done == job->out_len ? IMAGE_OK : IMAGE_OUTPUT_SHORT;
}

enum image_error unpack_kernel(enum compression compression, const void *in, size_t in_len,
			       void *out, size_t out_len, struct unpack_arena *arena)
{
	const struct job job = {in, in_len, out, out_len, arena};

	if (in_len > UNPACKED_BYTES_MAX || out_len > UNPACKED_BYTES_MAX)
		return IMAGE_BAD_SIZE;
	switch (compression) {
	case COMPRESSION_NONE:
		if (in_len != out_len)
			return IMAGE_BAD_SIZE;
		memcpy(out, in, in_len);
		return IMAGE_OK;
	case COMPRESSION_GZIP:
		return gzip(&job);
	case COMPRESSION_XZ:
		return xz(&job);
	case COMPRESSION_ZSTD:
		return zstd(&job);
	case COMPRESSION_LZ4:
		return lz4(&job);
	case COMPRESSION_COUNT:
		break;
	}
	return IMAGE_COMPRESSION_UNKNOWN;
}

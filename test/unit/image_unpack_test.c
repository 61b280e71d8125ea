/* SPDX-License-Identifier: MIT */
/* uses: src/image/unpack.c src/image/bzimage.c */
/* links: -llzma -lz -lzstd -llz4 */
/*
 * unpack*.c: what the formats' own encoders pack, with the settings of Linux's build, comes out again; too small a room
 * in any respect, every truncation and many flipped bits have a named error; and the stack they need is measured.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <ucontext.h>

#include <cmocka.h>
#include <lz4hc.h>
#include <lzma.h>
#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

#include "image/unpack.h"
#include "image_build.h"

#define PLAIN_BYTES 200000u
#define LARGE_BYTES (20u << 20) /* three lz4 blocks */

static u8 *plain, *out;
static struct bytes packed[COMPRESSION_COUNT];

/* Something like code: runs, repeated pieces and noise. */
static void plain_fill(u8 *to, size_t len)
{
	u32 seed = 12345;
	size_t at = 0;

	while (at < len) {
		size_t piece;

		seed = seed * 1103515245 + 12345;
		piece = MIN((size_t)(seed >> 16) % 60 + 1, len - at);
		if (seed >> 30 == 0 && at > 4000)
			memcpy(to + at, to + at - 3000 - (seed >> 20) % 900, piece);
		else if (seed >> 30 == 1)
			memset(to + at, (int)(seed >> 8), piece);
		else
			for (size_t i = 0; i < piece; i++)
				to[at + i] = (u8)((seed = seed * 69069 + 1) >> 28);
		at += piece;
	}
}

static struct bytes pack_gzip(const u8 *in, size_t len)
{
	struct bytes result = {malloc(len + 1000), len + 1000};
	z_stream stream = {.next_in = in, .avail_in = (uInt)len};

	stream.next_out = result.data;
	stream.avail_out = (uInt)result.len;
	assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, 0), Z_OK);
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	result.len = stream.total_out;
	deflateEnd(&stream);
	return result;
}

static struct bytes pack_xz(const u8 *in, size_t len, u32 dictionary, lzma_check check)
{
	struct bytes result = {malloc(len + 1000), 0};
	lzma_options_lzma options;
	lzma_filter filters[] = {
		{LZMA_FILTER_X86, NULL}, {LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, NULL}};

	lzma_lzma_preset(&options, 6);
	options.dict_size = dictionary;
	assert_int_equal(lzma_stream_buffer_encode(filters, check, NULL, in, len, result.data,
						   &result.len, len + 1000),
			 LZMA_OK);
	return result;
}

static struct bytes pack_zstd(const u8 *in, size_t len, int has_checksum)
{
	struct bytes result = {malloc(len + 1000), 0};
	ZSTD_CCtx *context = ZSTD_createCCtx();

	ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 5);
	ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, has_checksum);
	result.len = ZSTD_compress2(context, result.data, len + 1000, in, len);
	assert_false(ZSTD_isError(result.len));
	ZSTD_freeCCtx(context);
	return result;
}

static struct bytes pack_lz4(const u8 *in, size_t len)
{
	struct bytes result = {malloc(len + len / 200 + 1000), 4};

	put32(result.data, 0x184c2102);
	for (size_t at = 0; at < len; at += 8 << 20) {
		int piece = (int)MIN(len - at, (size_t)8 << 20);
		int bytes = LZ4_compress_HC((const char *)in + at,
					    (char *)result.data + result.len + 4, piece,
					    LZ4_compressBound(piece), 3);

		assert_true(bytes > 0);
		put32(result.data + result.len, (u32)bytes);
		result.len += 4 + (size_t)bytes;
	}
	return result;
}

static int setup(void **state)
{
	plain = malloc(PLAIN_BYTES);
	out = malloc(PLAIN_BYTES);
	plain_fill(plain, PLAIN_BYTES);
	packed[COMPRESSION_NONE].data = malloc(PLAIN_BYTES);
	packed[COMPRESSION_NONE].len = PLAIN_BYTES;
	memcpy(packed[COMPRESSION_NONE].data, plain, PLAIN_BYTES);
	packed[COMPRESSION_GZIP] = pack_gzip(plain, PLAIN_BYTES);
	packed[COMPRESSION_XZ] = pack_xz(plain, PLAIN_BYTES, 1 << 16, LZMA_CHECK_CRC32);
	packed[COMPRESSION_ZSTD] = pack_zstd(plain, PLAIN_BYTES, 1);
	packed[COMPRESSION_LZ4] = pack_lz4(plain, PLAIN_BYTES);
	return 0;
}

static int teardown(void **state)
{
	for (unsigned int i = 0; i < COMPRESSION_COUNT; i++)
		free(packed[i].data);
	free(plain);
	free(out);
	return 0;
}

/* Unpack exactly in[in_len] to exactly out_len bytes with an arena of arena_len, all ending where they end. */
static enum image_error unpack_sized(enum compression compression, const u8 *in, size_t in_len,
				     size_t out_len, size_t arena_len)
{
	u8 *in_copy = malloc(in_len ? in_len : 1), *result = malloc(out_len ? out_len : 1);
	struct unpack_arena arena = {.base = malloc(arena_len ? arena_len : 1), .size = arena_len};
	enum image_error error;

	memcpy(in_copy, in, in_len);
	error = unpack_kernel(compression, in_copy, in_len, result, out_len, &arena);
	assert_true(arena.used <= arena.size);
	memcpy(out, result, MIN(out_len, (size_t)PLAIN_BYTES));
	free(in_copy);
	free(result);
	free(arena.base);
	return error;
}

static enum image_error unpack(enum compression compression, const struct bytes *in)
{
	return unpack_sized(compression, in->data, in->len, PLAIN_BYTES,
			    unpack_arena_bytes(compression, in->data, in->len));
}

static void each_format_comes_out_again(void **state)
{
	for (unsigned int i = 0; i < COMPRESSION_COUNT; i++) {
		memset(out, 0, PLAIN_BYTES);
		assert_int_equal(unpack((enum compression)i, &packed[i]), IMAGE_OK);
		assert_memory_equal(out, plain, PLAIN_BYTES);
	}
	assert_int_equal(unpack(COMPRESSION_COUNT, &packed[0]), IMAGE_COMPRESSION_UNKNOWN);
	assert_int_equal(
		unpack_kernel(COMPRESSION_GZIP, plain, UNPACKED_BYTES_MAX + 1, out, 1, NULL),
		IMAGE_BAD_SIZE);
	assert_int_equal(
		unpack_kernel(COMPRESSION_GZIP, plain, 1, out, UNPACKED_BYTES_MAX + 1, NULL),
		IMAGE_BAD_SIZE);
	assert_int_equal(unpack_kernel(COMPRESSION_NONE, plain, 10, out, 11, NULL), IMAGE_BAD_SIZE);
}

static void lengths_must_agree(void **state)
{
	for (unsigned int i = 1; i < COMPRESSION_COUNT; i++) {
		enum compression kind = (enum compression)i;
		const struct bytes *in = &packed[i];
		size_t arena = unpack_arena_bytes(kind, in->data, in->len);
		enum image_error error = unpack_sized(kind, in->data, in->len, PLAIN_BYTES + 1,
						      arena);

		assert_int_equal(error, IMAGE_OUTPUT_SHORT);
		error = unpack_sized(kind, in->data, in->len, PLAIN_BYTES - 1, arena);
		/* lz4 itself cannot tell a small room from bad data. */
		assert_int_equal(error,
				 kind == COMPRESSION_LZ4 ? IMAGE_DATA_CORRUPT : IMAGE_OUTPUT_FULL);
		assert_int_not_equal(unpack_sized(kind, in->data, in->len, 0, arena), IMAGE_OK);
	}
}

static void small_arenas_are_named(void **state)
{
	for (unsigned int i = COMPRESSION_GZIP; i <= COMPRESSION_ZSTD; i++) {
		enum compression kind = (enum compression)i;
		size_t step = 4096;

		for (size_t bytes = 0; bytes < 1 << 20; bytes += step) {
			enum image_error error = unpack_sized(kind, packed[i].data, packed[i].len,
							      PLAIN_BYTES, bytes);

			if (error == IMAGE_OK)
				break;
			assert_int_equal(error, IMAGE_ARENA_FULL);
			assert_true(bytes <
				    unpack_arena_bytes(kind, packed[i].data, packed[i].len));
		}
	}
}

static void every_truncation_is_named(void **state)
{
	struct bytes small[COMPRESSION_COUNT] = {
		[COMPRESSION_GZIP] = pack_gzip(plain, 3000),
		[COMPRESSION_XZ] = pack_xz(plain, 3000, 4096, LZMA_CHECK_CRC32),
		[COMPRESSION_ZSTD] = pack_zstd(plain, 3000, 1),
		[COMPRESSION_LZ4] = pack_lz4(plain, 3000),
	};

	for (unsigned int i = 1; i < COMPRESSION_COUNT; i++) {
		enum compression kind = (enum compression)i;

		assert_int_equal(unpack_sized(kind, small[i].data, small[i].len, 3000, 600 << 10),
				 IMAGE_OK);
		for (size_t len = 0; len < small[i].len; len++) {
			enum image_error error = unpack_sized(kind, small[i].data, len, 3000,
							      600 << 10);

			if (kind == COMPRESSION_LZ4 && len == 4)
				assert_int_equal(error, IMAGE_OUTPUT_SHORT);
			else if (kind == COMPRESSION_ZSTD)
				assert_true(error == IMAGE_TRUNCATED ||
					    error == IMAGE_DATA_CORRUPT);
			else
				assert_int_equal(error, IMAGE_TRUNCATED);
		}
		free(small[i].data);
	}
}

static void flipped_bits_are_noticed(void **state)
{
	const size_t len = 2000;
	struct bytes small[COMPRESSION_COUNT] = {
		[COMPRESSION_GZIP] = pack_gzip(plain, len),
		[COMPRESSION_XZ] = pack_xz(plain, len, 4096, LZMA_CHECK_CRC32),
		[COMPRESSION_ZSTD] = pack_zstd(plain, len, 1),
		[COMPRESSION_LZ4] = pack_lz4(plain, len),
	};

	for (unsigned int i = 1; i < COMPRESSION_COUNT; i++) {
		enum compression kind = (enum compression)i;

		for (size_t bit = 0; bit < small[i].len * 8;
		     bit += kind == COMPRESSION_XZ ? 3 : 1) {
			enum image_error error;

			small[i].data[bit / 8] ^= (u8)(1 << bit % 8);
			error = unpack_sized(kind, small[i].data, small[i].len, len, 600 << 10);
			/* A harmless bit leaves the same bytes; lz4's legacy frame has no check at all. */
			if (error == IMAGE_OK && kind != COMPRESSION_LZ4)
				assert_memory_equal(out, plain, len);
			assert_true(error < IMAGE_ERROR_COUNT);
			unpack_arena_bytes(kind, small[i].data, small[i].len);
			small[i].data[bit / 8] ^= (u8)(1 << bit % 8);
		}
		free(small[i].data);
	}
}

static void trailing_bytes_are_refused(void **state)
{
	for (unsigned int i = COMPRESSION_XZ; i <= COMPRESSION_LZ4; i++) {
		struct bytes longer = {malloc(packed[i].len * 2), packed[i].len + 3};

		memcpy(longer.data, packed[i].data, packed[i].len);
		memset(longer.data + packed[i].len, 1, 3);
		if (i == COMPRESSION_XZ)
			assert_int_equal(unpack((enum compression)i, &longer),
					 IMAGE_OK); /* stops at its end */
		else
			assert_int_not_equal(unpack((enum compression)i, &longer), IMAGE_OK);
		if (i == COMPRESSION_ZSTD) { /* a second frame */
			memcpy(longer.data + packed[i].len, packed[i].data, packed[i].len);
			longer.len = packed[i].len * 2;
			assert_int_equal(unpack(COMPRESSION_ZSTD, &longer), IMAGE_DATA_CORRUPT);
		}
		free(longer.data);
	}
}

static void xz_checks_and_dictionaries(void **state)
{
	const struct {
		lzma_check check;
		enum image_error error;
	} cases[] = {
		{LZMA_CHECK_NONE, IMAGE_OK},
		{LZMA_CHECK_CRC32, IMAGE_OK},
		{LZMA_CHECK_CRC64, IMAGE_XZ_CHECK},
		{LZMA_CHECK_SHA256, IMAGE_XZ_CHECK},
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bytes in = pack_xz(plain, 5000, 1 << 20, cases[i].check);

		assert_int_equal(unpack_sized(COMPRESSION_XZ, in.data, in.len, 5000,
					      unpack_arena_bytes(COMPRESSION_XZ, in.data, in.len)),
				 cases[i].error);
		free(in.data);
	}
	for (u32 dictionary = 4096; dictionary <= 64 << 20; dictionary += dictionary / 2) {
		struct bytes in = pack_xz(plain, 100, dictionary, LZMA_CHECK_CRC32);
		size_t arena = unpack_arena_bytes(COMPRESSION_XZ, in.data, in.len);

		assert_true(arena > dictionary);
		assert_int_equal(unpack_sized(COMPRESSION_XZ, in.data, in.len, 100, arena),
				 IMAGE_OK);
		free(in.data);
	}
	/* Heads that end early, or name an absurd dictionary. */
	struct bytes in = pack_xz(plain, 100, 4096, LZMA_CHECK_CRC32);

	for (size_t len = 0; len < 24; len++)
		assert_int_equal(unpack_arena_bytes(COMPRESSION_XZ, in.data, len), 0);
	/* The LZMA2 filter is 0x21, one byte of properties, 0 for 4 KiB. */
	size_t at = 14;

	while (memcmp(in.data + at, "\x21\1\0", 3) != 0)
		at++;
	in.data[at + 2] = 39;
	assert_int_equal(unpack_arena_bytes(COMPRESSION_XZ, in.data, in.len), 0);
	in.data[at + 2] = 40;
	assert_int_equal(unpack_arena_bytes(COMPRESSION_XZ, in.data, in.len), 0);
	in.data[at + 1] = 2;
	assert_int_equal(unpack_arena_bytes(COMPRESSION_XZ, in.data, in.len), 0);
	in.data[at] = 0x22;
	assert_int_equal(unpack_arena_bytes(COMPRESSION_XZ, in.data, in.len), 0);
	free(in.data);
}

static void large_kernels_come_out_again(void **state)
{
	u8 *large = malloc(LARGE_BYTES), *result = malloc(LARGE_BYTES);
	struct bytes in;
	struct unpack_arena arena = {.size = 4 << 20};

	arena.base = malloc(arena.size);
	plain_fill(large, LARGE_BYTES);
	in = pack_lz4(large, LARGE_BYTES);
	assert_int_equal(
		unpack_kernel(COMPRESSION_LZ4, in.data, in.len, result, LARGE_BYTES, &arena),
		IMAGE_OK);
	assert_memory_equal(result, large, LARGE_BYTES);
	free(in.data);
	in = pack_zstd(large, LARGE_BYTES, 0);
	assert_int_equal(
		unpack_kernel(COMPRESSION_ZSTD, in.data, in.len, result, LARGE_BYTES, &arena),
		IMAGE_OK);
	assert_memory_equal(result, large, LARGE_BYTES);
	free(in.data);
	free(arena.base);
	free(large);
	free(result);
}

static void lz4_blocks_are_bounded(void **state)
{
	u8 in[64];

	put32(in, 0x184c2102);
	put32(in + 4, 0x184c2102); /* a concatenated file's head */
	put32(in + 8, ~0u);
	assert_int_equal(unpack_sized(COMPRESSION_LZ4, in, 12, 100, 0), IMAGE_DATA_CORRUPT);
	put32(in + 8, 53);
	assert_int_equal(unpack_sized(COMPRESSION_LZ4, in, 64, 100, 0), IMAGE_TRUNCATED);
	put32(in, 0x184c2103);
	assert_int_equal(unpack_sized(COMPRESSION_LZ4, in, 64, 100, 0), IMAGE_DATA_CORRUPT);
}

static void arena_hands_out_aligned_pieces(void **state)
{
	static u8 block[1024 + 1];
	struct unpack_arena arena = {.base = block + 1, .size = 1024};
	u8 *first = unpack_alloc(&arena, 10), *second = unpack_alloc(&arena, 10);

	assert_int_equal((uintptr_t)first % 16, 0);
	assert_int_equal(second - first, 16);
	assert_null(unpack_alloc(&arena, 1024));
	assert_true(arena.is_exhausted);
	assert_null(unpack_alloc(&arena, ~(size_t)0));
	assert_non_null(unpack_alloc(&arena, 900));
	assert_null(unpack_alloc(&arena, 128));
}

/* ---- the stack: on a painted one of our own, with libraries that are not instrumented ---- */

#define TEST_STACK_BYTES (1u << 20)

static ucontext_t context_here, context_there;
static enum compression stack_kind;
static enum image_error stack_result;

static void unpack_there(void)
{
	struct unpack_arena arena = {.size = 1 << 20};

	arena.base = malloc(arena.size);
	stack_result = unpack_kernel(stack_kind, packed[stack_kind].data, packed[stack_kind].len,
				     out, PLAIN_BYTES, &arena);
	free(arena.base);
}

static size_t stack_used(enum compression kind)
{
	u8 *stack = aligned_alloc(4096, TEST_STACK_BYTES);
	size_t untouched = 0;

	memset(stack, 0x5a, TEST_STACK_BYTES);
	getcontext(&context_there);
	context_there.uc_stack.ss_sp = stack;
	context_there.uc_stack.ss_size = TEST_STACK_BYTES;
	context_there.uc_link = &context_here;
	makecontext(&context_there, unpack_there, 0);
	stack_kind = kind;
	swapcontext(&context_here, &context_there);
	assert_int_equal(stack_result, IMAGE_OK);
	while (stack[untouched] == 0x5a)
		untouched++;
	free(stack);
	return TEST_STACK_BYTES - untouched;
}

static void stack_is_deep_enough(void **state)
{
	for (unsigned int i = COMPRESSION_GZIP; i < COMPRESSION_COUNT; i++) {
		size_t used = stack_used((enum compression)i);

		print_message("stack of decoder %u: %zu bytes\n", i, used);
		assert_true(used < UNPACK_STACK_BYTES / 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_format_comes_out_again),
		cmocka_unit_test(lengths_must_agree),
		cmocka_unit_test(small_arenas_are_named),
		cmocka_unit_test(every_truncation_is_named),
		cmocka_unit_test(flipped_bits_are_noticed),
		cmocka_unit_test(trailing_bytes_are_refused),
		cmocka_unit_test(xz_checks_and_dictionaries),
		cmocka_unit_test(large_kernels_come_out_again),
		cmocka_unit_test(lz4_blocks_are_bounded),
		cmocka_unit_test(arena_hands_out_aligned_pieces),
		cmocka_unit_test(stack_is_deep_enough),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

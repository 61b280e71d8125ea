/* SPDX-License-Identifier: MIT */
/*
 * Unpacks a kernel with Debian's own static decoders (liblzma, zlib, libzstd, and liblz4). The
 * decoders use SSE, a stack canary at %fs:0x28 and the red zone, so inside the hypervisor only boot/unpack.c may call
 * unpack_kernel(); unpack_arena_bytes() is plain C. No lock: the boot CPU only.
 */
#pragma once

#include "image/bzimage.h"
#include "image/error.h"
#include "lib/types.h"

/* What to give the decoders as stack; test/unit/image_unpack_test.c measures what they need. */
#define UNPACK_STACK_BYTES (64u << 10)

/* All the memory that a decoder gets: handed out from the start, never taken back. */
struct unpack_arena {
	u8 *base;
	size_t size;
	size_t used;
	bool is_exhausted; /* a request was refused */
};

/*
 * How large an arena this payload needs: some hundred KiB, plus the dictionary (mostly 1 to 128 MiB) with xz. 0 if the
 * head of the stream is malformed; unpack_kernel() will then say so.
 */
size_t unpack_arena_bytes(enum compression compression, const void *in, size_t in_len);

/*
 * Unpack in[in_len], one whole stream, to out[out_len], which it must fill exactly. Errors: IMAGE_DATA_CORRUPT,
 * IMAGE_XZ_CHECK, IMAGE_TRUNCATED, IMAGE_OUTPUT_FULL, IMAGE_OUTPUT_SHORT, IMAGE_ARENA_FULL, IMAGE_COMPRESSION_UNKNOWN. out[] then holds
 * rubbish.
 */
enum image_error unpack_kernel(enum compression compression, const void *in, size_t in_len,
			       void *out, size_t out_len, struct unpack_arena *arena);

/* Aligned to 16 bytes, not cleared; NULL when exhausted. */
void *unpack_alloc(struct unpack_arena *arena, size_t bytes);

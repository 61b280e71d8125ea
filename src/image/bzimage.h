/* SPDX-License-Identifier: MIT */
/*
 * Linux's bzImage: where in it the compressed ELF kernel lies, and how it is compressed. Reached by the Domain 0 builder;
 * calls lib/ only; no lock.
 */
#pragma once

#include "image/error.h"
#include "lib/types.h"

#define UNPACKED_BYTES_MAX (512ull << 20) /* no kernel is larger */

enum compression {
	COMPRESSION_NONE, /* a plain ELF file as payload */
	COMPRESSION_GZIP,
	COMPRESSION_XZ,
	COMPRESSION_ZSTD,
	COMPRESSION_LZ4,
	COMPRESSION_COUNT
};

struct bzimage {
	u16 protocol; /* 0x020f is 2.15 */
	enum compression compression;
	const char *compression_name;
	const u8 *payload; /* the compressed stream, without what follows it where that is known */
	size_t payload_len;
	u64 unpacked_len; /* as the image says: credible, but to be checked against what comes out */
};

/* By the magic numbers alone. */
bool image_is_bzimage(const void *data, size_t size);

/* Find and judge the payload of the bzImage in data[size]; the result points into it. */
enum image_error bzimage_parse(struct bzimage *image, const void *data, size_t size);

/* SPDX-License-Identifier: MIT */
/*
 * lz4 in its legacy frame, which is what Linux's build makes: the magic number, then blocks of up to 8 MiB, each with its
 * packed size before it (lz4_Frame_format.md, "Legacy frame"). Reached by unpack.c, outside of the hypervisor's own
 * rules for code (see unpack.h); calls liblz4; no lock.
 */
#include <lz4.h>

#include "image/unpack.h"

#include "lib/string.h"

#define LZ4_LEGACY_MAGIC 0x184c2102u
#define LZ4_BLOCK_BYTES	 (8u << 20)

static u32 word_read(const u8 *at)
{
	u32 value;

	memcpy(&value, at, sizeof(value));
	return value;
}

enum image_error unpack_lz4(const u8 *in, size_t in_len, u8 *out, size_t out_len)
{
	size_t at = 4, done = 0;

	if (in_len < 4)
		return IMAGE_TRUNCATED;
	if (word_read(in) != LZ4_LEGACY_MAGIC)
		return IMAGE_DATA_CORRUPT;
	while (in_len - at >= 4) {
		size_t packed = word_read(in + at);
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

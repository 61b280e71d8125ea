/* SPDX-License-Identifier: MIT */
/* uses: src/image/bzimage.c src/image/unpack.c */
/* links: -llzma -lz -lzstd -llz4 */
/*
 * bzimage.c and the glue to the decoders: the first byte chooses between raw bytes, a good header with patches (two bytes
 * where, four bytes what), and a payload inside a good header, which is then unpacked into a room that ends where it ends.
 */
#include <stdio.h>

#include "../unit/image_build.h"
#include "image/bzimage.h"
#include "image/unpack.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

#define OUT_BYTES_MAX	(1u << 20)
#define ARENA_BYTES_MAX (4u << 20)

static void unpack(const struct bzimage *image)
{
	size_t arena_len = unpack_arena_bytes(image->compression, image->payload,
					      image->payload_len);
	struct unpack_arena arena = {.size = MIN(arena_len, (size_t)ARENA_BYTES_MAX)};
	u8 *out;

	if (image->unpacked_len > OUT_BYTES_MAX)
		return;
	out = malloc(image->unpacked_len);
	arena.base = malloc(arena.size ? arena.size : 1);
	if (unpack_kernel(image->compression, image->payload, image->payload_len, out,
			  image->unpacked_len, &arena) >= IMAGE_ERROR_COUNT)
		abort();
	if (arena.used > arena.size)
		abort();
	free(arena.base);
	free(out);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static const u8 magic[][4] = {
		{0x1f, 0x8b, 0x08, 0},
		{0xfd, '7', 'z', 'X'},
		{0x28, 0xb5, 0x2f, 0xfd},
		{0x02, 0x21, 0x4c, 0x18},
	};
	struct bytes file;
	struct bzimage image;

	if (size < 2)
		return 0;
	switch (data[0] % 3) {
	case 0:
		file.len = size - 1;
		file.data = malloc(size);
		memcpy(file.data, data + 1, file.len);
		break;
	case 1: {
		u8 payload[600] = {0};

		memcpy(payload, magic[data[1] % 4], 4);
		put32(payload + 596, 5000);
		file = bzimage_build(payload, sizeof(payload));
		for (size_t at = 2; at + 6 <= size; at += 6) {
			size_t where = 0x1f1 + (size_t)(data[at] | data[at + 1] << 8) % 0x70;

			memcpy(file.data + where, data + at + 2, 4);
		}
		break;
	}
	default: {
		/* magic, the input, its unpacked length: whatever the second byte says, times 256 */
		u8 *payload = malloc(size + 8);

		memcpy(payload, magic[data[1] % 4], 4);
		memcpy(payload + 4, data + 2, size - 2);
		put32(payload + size + 2, (u32)(data[1] / 4) << 8);
		file = bzimage_build(payload, size + 6);
		free(payload);
	}
	}
	enum image_error error = bzimage_parse(&image, file.data, file.len);

	if (error == IMAGE_OK) {
		if (image.payload < file.data ||
		    image.payload_len > (size_t)(file.data + file.len - image.payload))
			abort();
		unpack(&image);
	}
	free(file.data);
	return 0;
}

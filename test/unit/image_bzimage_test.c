/* SPDX-License-Identifier: MIT */
/* uses: src/image/bzimage.c */
/*
 * bzimage.c: headers as Linux writes them, each field broken, every truncation, every bit of the header flipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "image/bzimage.h"
#include "image_build.h"

static struct bzimage image;

static enum image_error parse(const struct bytes *file, size_t len)
{
	u8 *copy = malloc(len ? len : 1);
	enum image_error error;

	memcpy(copy, file->data, len);
	error = bzimage_parse(&image, copy, len);
	if (error == IMAGE_OK) {
		assert_true(image.payload >= copy && image.payload_len <= len);
		assert_true(image.payload + image.payload_len <= copy + len);
		assert_true(image.unpacked_len <= UNPACKED_BYTES_MAX);
	}
	free(copy);
	return error;
}

/* A payload of `len` bytes that begins with magic and ends with the unpacked length. */
static struct bytes image_with(const char *magic, size_t magic_len, size_t len, u32 unpacked)
{
	u8 payload[4096] = {0};

	memcpy(payload, magic, magic_len);
	put32(payload + len - 4, unpacked);
	return bzimage_build(payload, len);
}

static enum image_error parse_with(size_t at, u64 value, size_t width)
{
	struct bytes file = image_with("\x1f\x8b\x08", 3, 1000, 8000);
	enum image_error error;

	memcpy(file.data + at, &value, width);
	error = parse(&file, file.len);
	free(file.data);
	return error;
}

static void formats_are_recognised(void **state)
{
	const struct {
		const char *magic;
		size_t len;
		enum compression compression;
		enum image_error error;
		const char *name;
	} cases[] = {
		{"\x1f\x8b\x08", 3, COMPRESSION_GZIP, IMAGE_OK, "gzip"},
		{"\xfd"
		 "7zXZ\0",
		 6, COMPRESSION_XZ, IMAGE_OK, "xz"},
		{"\x28\xb5\x2f\xfd", 4, COMPRESSION_ZSTD, IMAGE_OK, "zstd"},
		{"\x02\x21\x4c\x18", 4, COMPRESSION_LZ4, IMAGE_OK, "lz4"},
		{"\177ELF", 4, COMPRESSION_NONE, IMAGE_OK, "uncompressed"},
		{"BZh9", 4, 0, IMAGE_COMPRESSION_BZIP2, NULL},
		{"\x5d\x00\x00\x80", 4, 0, IMAGE_COMPRESSION_LZMA, NULL},
		{"\x89LZO", 4, 0, IMAGE_COMPRESSION_LZO, NULL},
		{"what", 4, 0, IMAGE_COMPRESSION_UNKNOWN, NULL},
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bytes file = image_with(cases[i].magic, cases[i].len, 1000, 9876);

		assert_true(image_is_bzimage(file.data, file.len));
		assert_int_equal(parse(&file, file.len), cases[i].error);
		free(file.data);
		if (cases[i].error != IMAGE_OK)
			continue;
		assert_int_equal(image.compression, cases[i].compression);
		assert_int_equal(image.protocol, 0x20f);
		assert_string_equal(image.compression_name, cases[i].name);
		if (image.compression == COMPRESSION_NONE) {
			assert_int_equal(image.unpacked_len, 1000);
			continue;
		}
		assert_int_equal(image.unpacked_len, 9876);
		assert_int_equal(image.payload_len,
				 image.compression == COMPRESSION_GZIP ? 1000 : 996);
	}
}

static void kinds_are_told_apart(void **state)
{
	struct bytes elf = elf_build();
	u8 text[600] = "#!/bin/sh";

	assert_false(image_is_bzimage(elf.data, elf.len));
	assert_false(image_is_bzimage(text, sizeof(text)));
	assert_false(image_is_bzimage(text, 0));
	assert_int_equal(parse(&(struct bytes){text, sizeof(text)}, sizeof(text)),
			 IMAGE_NOT_KERNEL);
	assert_int_equal(parse(&elf, elf.len), IMAGE_NOT_KERNEL);
	assert_int_equal(parse(&elf, 0), IMAGE_EMPTY);
	free(elf.data);
}

static void header_fields_have_their_errors(void **state)
{
	assert_int_equal(parse_with(0x1fe, 0, 2), IMAGE_NOT_KERNEL);
	assert_int_equal(parse_with(0x202, 'h', 1), IMAGE_NOT_KERNEL);
	assert_int_equal(parse_with(0x206, 0x207, 2), IMAGE_BZIMAGE_OLD);
	assert_int_equal(parse_with(0x206, 0x208, 2), IMAGE_OK);
	assert_int_equal(parse_with(0x211, 0, 1), IMAGE_BZIMAGE_BAD_HEADER);
	assert_int_equal(parse_with(0x248, 0, 4), IMAGE_BZIMAGE_NO_PAYLOAD);
	assert_int_equal(parse_with(0x24c, 0, 4), IMAGE_BZIMAGE_NO_PAYLOAD);
	assert_int_equal(parse_with(0x248, ~0u, 4), IMAGE_BZIMAGE_BAD_HEADER);
	assert_int_equal(parse_with(0x24c, ~0u, 4), IMAGE_BZIMAGE_BAD_HEADER);
	assert_int_equal(parse_with(0x1f4, 10, 4), IMAGE_BZIMAGE_BAD_HEADER);
	assert_int_equal(parse_with(0x1f1, 255, 1), IMAGE_TRUNCATED);
	assert_int_equal(parse_with(0x1f1, 5, 1), IMAGE_TRUNCATED);
	/* 0 means 4. */
	assert_int_equal(parse_with(0x1f1, 0, 1), IMAGE_OK);
	/* All of syssize need not be there, the payload must. */
	assert_int_equal(parse_with(0x1f4, ~0u, 4), IMAGE_OK);
}

static void lengths_are_doubted(void **state)
{
	const size_t last = BUILD_BZ_PAYLOAD + 1000 - 4;

	assert_int_equal(parse_with(last, 63, 4), IMAGE_BAD_SIZE);
	assert_int_equal(parse_with(last, 64, 4), IMAGE_OK);
	assert_int_equal(parse_with(last, (512u << 20) + 1, 4), IMAGE_BAD_SIZE);
	assert_int_equal(parse_with(last, 2048 * 1001, 4), IMAGE_BAD_SIZE);
	assert_int_equal(parse_with(last, 2048 * 1000, 4), IMAGE_OK);
	assert_int_equal(parse_with(0x24c, 4, 4), IMAGE_TRUNCATED);
	assert_int_equal(parse_with(0x24c, 2, 4), IMAGE_COMPRESSION_UNKNOWN);
}

static void every_truncation_is_safe(void **state)
{
	struct bytes file = image_with("\x28\xb5\x2f\xfd", 4, 1000, 8000);

	for (size_t len = 1; len < file.len; len++) {
		enum image_error error = parse(&file, len);

		if (len < 0x206)
			assert_int_equal(error, IMAGE_NOT_KERNEL);
		else if (len < BUILD_BZ_PAYLOAD + 1000)
			assert_int_equal(error, IMAGE_TRUNCATED);
		else
			assert_int_equal(error, IMAGE_OK);
	}
	free(file.data);
}

static void every_bit_flip_is_safe(void **state)
{
	struct bytes file = image_with("\x28\xb5\x2f\xfd", 4, 1000, 8000);

	for (size_t bit = 0x1f1 * 8; bit < 0x260 * 8; bit++) {
		file.data[bit / 8] ^= (u8)(1 << bit % 8);
		parse(&file, file.len);
		file.data[bit / 8] ^= (u8)(1 << bit % 8);
	}
	assert_int_equal(parse(&file, file.len), IMAGE_OK);
	free(file.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_are_recognised),
		cmocka_unit_test(kinds_are_told_apart),
		cmocka_unit_test(header_fields_have_their_errors),
		cmocka_unit_test(lengths_are_doubted),
		cmocka_unit_test(every_truncation_is_safe),
		cmocka_unit_test(every_bit_flip_is_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

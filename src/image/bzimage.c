/* SPDX-License-Identifier: MIT */
/*
 * Judges the header of a Linux bzImage (Documentation/x86/boot.rst of Linux, "The Real-Mode Kernel Header") and finds
 * the payload. Reached by the Domain 0 builder before unpack_kernel(); calls lib/ only; no lock.
 *
 * The image is a boot sector and setup_sects sectors of real mode code, then protected mode code, in which
 * payload_offset and payload_length say where the kernel lies. The last four bytes of the payload are its
 * length once unpacked: gzip's own trailer, or appended by Linux's build for the other formats.
 */
#include "image/bzimage.h"

#include "image/elf.h"
#include "image/priv.h"

enum {
	BZ_SETUP_SECTS = 0x1f1,
	BZ_SYSSIZE = 0x1f4,
	BZ_BOOT_FLAG = 0x1fe,
	BZ_MAGIC = 0x202,
	BZ_VERSION = 0x206,
	BZ_LOADFLAGS = 0x211,
	BZ_PAYLOAD_OFFSET = 0x248,
	BZ_PAYLOAD_LENGTH = 0x24c,
	BZ_HEADER_BYTES = 0x250,
};
#define BZ_BOOT_FLAG_VALUE 0xaa55
#define BZ_VERSION_PAYLOAD 0x0208 /* the first protocol that names the payload */
#define BZ_LOADED_HIGH	   1	  /* in loadflags; a zImage has it clear */
#define BZ_SETUP_SECTS_OLD 4
#define SECTOR_BYTES	   512u
#define SYSSIZE_UNIT	   16u

#define LENGTH_BYTES	   4u
#define UNPACKED_BYTES_MIN 64u	   /* an ELF header */
#define UNPACK_RATIO_MAX   2048ull /* deflate ends at 1032 to one; kernels reach 10 */

/* The first bytes of each format; some are known, but not supported. */
static const struct {
	const char *magic;
	unsigned int len;
	enum compression compression;
	const char *name;
	enum image_error error;
} formats[] = {
	{"\x1f\x8b\x08", 3, COMPRESSION_GZIP, "gzip", IMAGE_OK},
	{"\3757zXZ\0", 6, COMPRESSION_XZ, "xz", IMAGE_OK},
	{"\x28\xb5\x2f\xfd", 4, COMPRESSION_ZSTD, "zstd", IMAGE_OK},
	{"\x02\x21\x4c\x18", 4, COMPRESSION_LZ4, "lz4", IMAGE_OK},
	{ELF_MAGIC, 4, COMPRESSION_NONE, "uncompressed", IMAGE_OK},
	{"BZh", 3, COMPRESSION_NONE, "", IMAGE_COMPRESSION_BZIP2},
	{"\x5d\0\0", 3, COMPRESSION_NONE, "", IMAGE_COMPRESSION_LZMA},
	{"\x89LZ", 3, COMPRESSION_NONE, "", IMAGE_COMPRESSION_LZO},
};

bool image_is_bzimage(const void *data, size_t size)
{
	const u8 *at = data;

	return size >= BZ_VERSION && memcmp(at + BZ_MAGIC, "HdrS", 4) == 0 &&
	       read_u16(at + BZ_BOOT_FLAG) == BZ_BOOT_FLAG_VALUE;
}

static enum image_error format_find(struct bzimage *image)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(formats); i++) {
		if (image->payload_len < formats[i].len ||
		    memcmp(image->payload, formats[i].magic, formats[i].len) != 0)
			continue;
		image->compression = formats[i].compression;
		image->compression_name = formats[i].name;
		return formats[i].error;
	}
	return IMAGE_COMPRESSION_UNKNOWN;
}

/* Take the length off the payload's end. gzip needs it, being its own trailer. */
static enum image_error length_take(struct bzimage *image)
{
	if (image->compression == COMPRESSION_NONE) {
		image->unpacked_len = image->payload_len;
		return IMAGE_OK;
	}
	if (image->payload_len <= LENGTH_BYTES)
		return IMAGE_TRUNCATED;
	image->unpacked_len = read_u32(image->payload + image->payload_len - LENGTH_BYTES);
	if (image->compression != COMPRESSION_GZIP)
		image->payload_len -= LENGTH_BYTES;
	if (image->unpacked_len < UNPACKED_BYTES_MIN || image->unpacked_len > UNPACKED_BYTES_MAX ||
	    image->unpacked_len / UNPACK_RATIO_MAX > image->payload_len)
		return IMAGE_BAD_SIZE;
	return IMAGE_OK;
}

enum image_error bzimage_parse(struct bzimage *image, const void *data, size_t size)
{
	const u8 *at = data;
	u64 start, code_bytes, offset, length;
	enum image_error error;

	memset(image, 0, sizeof(*image));
	if (size == 0)
		return IMAGE_EMPTY;
	if (!image_is_bzimage(data, size))
		return IMAGE_NOT_KERNEL;
	if (size < BZ_HEADER_BYTES)
		return IMAGE_TRUNCATED;
	image->protocol = read_u16(at + BZ_VERSION);
	if (image->protocol < BZ_VERSION_PAYLOAD)
		return IMAGE_BZIMAGE_OLD;
	if (!(at[BZ_LOADFLAGS] & BZ_LOADED_HIGH))
		return IMAGE_BZIMAGE_BAD_HEADER;

	start = at[BZ_SETUP_SECTS] ? at[BZ_SETUP_SECTS] : BZ_SETUP_SECTS_OLD;
	start = (start + 1) * SECTOR_BYTES;
	code_bytes = (u64)read_u32(at + BZ_SYSSIZE) * SYSSIZE_UNIT;
	offset = read_u32(at + BZ_PAYLOAD_OFFSET);
	length = read_u32(at + BZ_PAYLOAD_LENGTH);
	if (!offset || !length)
		return IMAGE_BZIMAGE_NO_PAYLOAD;
	if (!range_is_inside(offset, length, code_bytes))
		return IMAGE_BZIMAGE_BAD_HEADER;
	if (start > size || !range_is_inside(offset, length, size - start))
		return IMAGE_TRUNCATED;

	image->payload = at + start + offset;
	image->payload_len = length;
	error = format_find(image);
	if (error != IMAGE_OK)
		return error;
	return length_take(image);
}

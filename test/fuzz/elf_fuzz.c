/* SPDX-License-Identifier: MIT */
/* uses: src/image/elf.c src/image/error.c */
/*
 * elf.c: raw bytes, or (first byte odd) a good kernel with patches: two bytes where, then up to eight bytes what. What is
 * accepted must be loadable as it stands.
 */
#include <stdio.h>

#include "../unit/image_build.h"
#include "image/elf.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void check(const struct elf_image *elf)
{
	volatile u8 sink = 0;

	for (unsigned int i = 0; i < elf->segment_count; i++) {
		const struct elf_segment *segment = &elf->segment[i];
		const u8 *bytes = elf_segment_data(elf, segment);

		if (segment->filesz > segment->memsz || segment->gpaddr < elf->gpaddr_start ||
		    segment->gpaddr > elf->gpaddr_end ||
		    segment->memsz > elf->gpaddr_end - segment->gpaddr)
			abort();
		if (segment->filesz)
			sink = (u8)(bytes[0] + bytes[segment->filesz - 1]);
	}
	(void)sink;
	if (elf->gpaddr_end - elf->gpaddr_start > ELF_EXTENT_MAX || elf->virt_start > elf->virt_end)
		abort();
	if (elf->notes.entry < elf->virt_start || elf->notes.entry >= elf->virt_end)
		abort();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct elf_image elf;
	struct bytes file;

	if (size && (data[0] & 1)) {
		file = elf_build();
		for (size_t at = 1; at + 10 <= size; at += 10) {
			size_t where = (size_t)(data[at] | data[at + 1] << 8) % (0x500 - 8);

			memcpy(file.data + where, data + at + 2, 8);
		}
	} else {
		file.len = size ? size - 1 : 0;
		file.data = malloc(size + 1);
		if (size)
			memcpy(file.data, data + 1, file.len);
	}
	enum image_error error = elf_parse(&elf, file.data, file.len);

	if (!image_strerror(error))
		abort();
	if (error == IMAGE_OK)
		check(&elf);
	free(file.data);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* uses: src/image/multiboot.c src/image/e820.c */
/*
 * multiboot.c: the input is all of physical memory, from address 0; its first byte chooses the protocol and its second
 * where the information begins. Each range handed out is a copy that ends where it ends. The map must come out sane.
 */
#include <stdlib.h>
#include <string.h>

#include "image/multiboot.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static struct window {
	const u8 *data;
	size_t size;
	void *copy[1024];
	unsigned int copies;
} window;

static const void *window_map(u64 paddr, size_t len)
{
	u8 *copy;

	if (paddr > window.size || len > window.size - paddr)
		return NULL;
	if (len == 1)
		return window.data + paddr;
	if (window.copies == 1024)
		return NULL;
	copy = malloc(len ? len : 1);
	memcpy(copy, window.data + paddr, len);
	window.copy[window.copies++] = copy;
	return copy;
}

static void map_check(const struct e820_map *map)
{
	for (unsigned int i = 0; i < map->count; i++) {
		if (map->entry[i].start >= map->entry[i].end || map->entry[i].type == E820_NONE ||
		    map->entry[i].end > E820_ADDRESS_LIMIT)
			abort();
		if (i && map->entry[i - 1].end > map->entry[i].start)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct boot_info boot;
	static struct e820_map map;
	enum image_error error;

	if (size < 2)
		return 0;
	window.data = data;
	window.size = size;
	error = multiboot_parse(&boot, data[0] & 1 ? MULTIBOOT1_MAGIC : MULTIBOOT2_MAGIC, data[1],
				window_map);
	if (error >= IMAGE_ERROR_COUNT || boot.module_count > BOOT_MODULES_MAX ||
	    boot.rsdp_len > BOOT_RSDP_MAX)
		abort();
	if (!memchr(boot.cmdline, 0, sizeof(boot.cmdline)) ||
	    !memchr(boot.loader_name, 0, sizeof(boot.loader_name)))
		abort();
	for (unsigned int i = 0; i < boot.module_count; i++)
		if (boot.module[i].start >= boot.module[i].end ||
		    !memchr(boot.module[i].cmdline, 0, sizeof(boot.module[i].cmdline)))
			abort();
	e820_sanitise(&map, &boot.map);
	map_check(&map);
	while (window.copies)
		free(window.copy[--window.copies]);
	return 0;
}

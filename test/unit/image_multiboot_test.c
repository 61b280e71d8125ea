/* SPDX-License-Identifier: MIT */
/* uses: src/image/multiboot.c src/image/e820.c */
/*
 * multiboot.c: information as QEMU and GRUB leave it, in a small make-believe physical memory that ends
 * where it ends; then every field broken, every truncation, every bit flipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "image/multiboot.h"
#include "image_build.h"

/* Physical memory from BASE on; each map() hands out a fresh copy, so that ASan sees a reader leave it. */
#define BASE  0x9000ull
#define BYTES 0x2000u
static u8 memory[BYTES];
static u64 memory_end;
static void *handed_out[4096];
static unsigned int handed_out_count;

static const void *memory_map(u64 paddr, size_t len)
{
	u8 *copy;

	if (paddr < BASE || paddr > memory_end || len > memory_end - paddr)
		return NULL;
	if (len == 1)
		return memory + (paddr - BASE);
	assert_true(handed_out_count < ARRAY_SIZE(handed_out));
	copy = malloc(len);
	memcpy(copy, memory + (paddr - BASE), len);
	handed_out[handed_out_count++] = copy;
	return copy;
}

static struct boot_info boot;

static enum image_error parse(u32 magic, u64 info)
{
	enum image_error error = multiboot_parse(&boot, magic, info, memory_map);

	while (handed_out_count)
		free(handed_out[--handed_out_count]);
	assert_true(boot.module_count <= BOOT_MODULES_MAX);
	assert_true(memchr(boot.cmdline, 0, sizeof(boot.cmdline)) != NULL);
	for (unsigned int i = 0; i < boot.module_count; i++) {
		assert_true(boot.module[i].start < boot.module[i].end);
		assert_non_null(memchr(boot.module[i].cmdline, 0, BOOT_MODULE_CMDLINE_MAX));
	}
	return error;
}

static u8 *at(u64 paddr)
{
	return memory + (paddr - BASE);
}

/* ---- Multiboot 1 ---- */

enum {
	MBI = 0x9500,
	MBI_MODULES = 0x9600,
	MBI_MMAP = 0x9700,
	MBI_STRINGS = 0x9800,
	MBI_END = 0xa000
};

static void text_put(u64 paddr, const char *text)
{
	strcpy((char *)at(paddr), text);
}

static void mmap_entry_put(u64 paddr, u32 size, u64 base, u64 length, u32 type)
{
	put32(at(paddr), size);
	put64(at(paddr) + 4, base);
	put64(at(paddr) + 12, length);
	put32(at(paddr) + 20, type);
}

/* What `qemu -kernel mica -append "com1=115200" -initrd "vmlinux ro quiet,initrd.img"` leaves. */
static void qemu_put(void)
{
	memset(memory, 0, sizeof(memory));
	memory_end = MBI_END;
	put32(at(MBI), BIT(0) | BIT(2) | BIT(3) | BIT(6) | BIT(9));
	put32(at(MBI) + 4, 639);
	put32(at(MBI) + 8, 0xffe0000 / 1024 - 1024);
	put32(at(MBI) + 16, MBI_STRINGS);
	put32(at(MBI) + 20, 2);
	put32(at(MBI) + 24, MBI_MODULES);
	put32(at(MBI) + 44, 3 * 24);
	put32(at(MBI) + 48, MBI_MMAP);
	put32(at(MBI) + 64, MBI_STRINGS + 0x100);
	text_put(MBI_STRINGS, "build/mica com1=115200,8n1 loglvl=all");
	text_put(MBI_STRINGS + 0x100, "qemu");
	text_put(MBI_STRINGS + 0x110, "vmlinux ro quiet");
	text_put(MBI_STRINGS + 0x140, "initrd.img");
	put32(at(MBI_MODULES), 0x400000);
	put32(at(MBI_MODULES) + 4, 0x4000000);
	put32(at(MBI_MODULES) + 8, MBI_STRINGS + 0x110);
	put32(at(MBI_MODULES) + 16, 0x4000000);
	put32(at(MBI_MODULES) + 20, 0x4123456);
	put32(at(MBI_MODULES) + 24, MBI_STRINGS + 0x140);
	mmap_entry_put(MBI_MMAP, 20, 0, 0x9fc00, 1);
	mmap_entry_put(MBI_MMAP + 24, 20, 0x9fc00, 0x400, 2);
	mmap_entry_put(MBI_MMAP + 48, 20, 0x100000, 0xfee0000, 1);
}

static void qemu_is_understood(void **state)
{
	qemu_put();
	assert_int_equal(parse(MULTIBOOT1_MAGIC, MBI), IMAGE_OK);
	assert_string_equal(boot.loader_name, "qemu");
	assert_string_equal(boot.cmdline, "com1=115200,8n1 loglvl=all");
	assert_false(boot.cmdline_was_cut);
	assert_int_equal(boot.module_count, 2);
	assert_int_equal(boot.modules_ignored, 0);
	assert_int_equal(boot.module[0].start, 0x400000);
	assert_int_equal(boot.module[0].end, 0x4000000);
	assert_string_equal(boot.module[0].cmdline, "ro quiet");
	assert_string_equal(boot.module[1].cmdline, "");
	assert_int_equal(boot.map.count, 3);
	assert_int_equal(boot.map.entry[2].start, 0x100000);
	assert_int_equal(boot.map.entry[2].end, 0xffe0000);
	assert_int_equal(boot.rsdp_len, 0);
	assert_int_equal(boot.screen.video_type, 0);
}

static void grub2_passes_no_names(void **state)
{
	qemu_put();
	text_put(MBI_STRINGS + 0x100, "GRUB 2.06-13+deb12u1");
	text_put(MBI_STRINGS + 0x120, "placeholder root=/dev/sda1");
	put32(at(MBI_MODULES) + 8, MBI_STRINGS + 0x120);
	assert_int_equal(parse(MULTIBOOT1_MAGIC, MBI), IMAGE_OK);
	assert_string_equal(boot.cmdline, "build/mica com1=115200,8n1 loglvl=all");
	assert_string_equal(boot.module[0].cmdline, "placeholder root=/dev/sda1");
	/* GRUB Legacy does. */
	text_put(MBI_STRINGS + 0x100, "GNU GRUB 0.97");
	assert_int_equal(parse(MULTIBOOT1_MAGIC, MBI), IMAGE_OK);
	assert_string_equal(boot.cmdline, "com1=115200,8n1 loglvl=all");
	text_put(MBI_STRINGS, "   ");
	assert_int_equal(parse(MULTIBOOT1_MAGIC, MBI), IMAGE_OK);
	assert_string_equal(boot.cmdline, "");
}

static void memory_numbers_of_old(void **state)
{
	qemu_put();
	put32(at(MBI), BIT(0));
	assert_int_equal(parse(MULTIBOOT1_MAGIC, MBI), IMAGE_OK);
	assert_int_equal(boot.map.count, 2);
	assert_int_equal(boot.map.entry[0].end, 639 << 10);
	assert_int_equal(boot.map.entry[1].end, 0xffe0000);
	assert_int_equal(boot.module_count, 0);
	assert_string_equal(boot.cmdline, "");
	put32(at(MBI), 0);
	assert_int_equal(parse(MULTIBOOT1_MAGIC, MBI), IMAGE_NO_MEMORY_MAP);
	/* A list that holds nothing falls back to them. */
	put32(at(MBI), BIT(0) | BIT(6));
	put32(at(MBI) + 44, 23);
	assert_int_equal(parse(MULTIBOOT1_MAGIC, MBI), IMAGE_OK);
	assert_int_equal(boot.map.count, 2);
	put32(at(MBI) + 4, 5000);
	put32(at(MBI) + 8, ~0u);
	assert_int_equal(parse(MULTIBOOT1_MAGIC, MBI), IMAGE_OK);
	assert_int_equal(boot.map.entry[0].end, 640 << 10);
	assert_int_equal(boot.map.entry[1].end, (1ull << 20) + ((u64)~0u << 10));
}

static void odd_map_entries(void **state)
{
	qemu_put();
	/* Larger entries are stepped over by their own size, too small ones end the list. */
	mmap_entry_put(MBI_MMAP, 28, 0, 0x9f000, 1);
	mmap_entry_put(MBI_MMAP + 32, 20, 0x100000, 0x1000, 3);
	put32(at(MBI) + 44, 56);
	assert_int_equal(parse(MULTIBOOT1_MAGIC, MBI), IMAGE_OK);
	assert_int_equal(boot.map.count, 2);
	assert_int_equal(boot.map.entry[1].type, 3);
	put32(at(MBI_MMAP + 32), 19);
	assert_int_equal(parse(MULTIBOOT1_MAGIC, MBI), IMAGE_OK);
	assert_int_equal(boot.map.count, 1);
	put32(at(MBI_MMAP + 32), ~0u);
	put32(at(MBI) + 44, ~0u);
	assert_int_equal(parse(MULTIBOOT1_MAGIC, MBI), IMAGE_OK);
	assert_int_equal(boot.map.count, 2);
	put32(at(MBI) + 48, 0xf0000000);
	assert_int_equal(parse(MULTIBOOT1_MAGIC, MBI), IMAGE_OK);
	assert_int_equal(boot.map.count, 2); /* from the two numbers */
}

static void bad_modules_are_counted(void **state)
{
	qemu_put();
	put32(at(MBI_MODULES) + 4, 0x400000);
	assert_int_equal(parse(MULTIBOOT1_MAGIC, MBI), IMAGE_OK);
	assert_int_equal(boot.module_count, 1);
	assert_int_equal(boot.modules_ignored, 1);
	put32(at(MBI) + 20, ~0u);
	assert_int_equal(parse(MULTIBOOT1_MAGIC, MBI), IMAGE_OK);
	assert_true(boot.modules_ignored > 1000);
	put32(at(MBI) + 24, ~0u);
	assert_int_equal(parse(MULTIBOOT1_MAGIC, MBI), IMAGE_OK);
	assert_int_equal(boot.module_count, 0);
	assert_int_equal(boot.modules_ignored, ~0u);
	/* No string at all, and one outside of memory. */
	qemu_put();
	put32(at(MBI_MODULES) + 8, 0);
	put32(at(MBI_MODULES) + 24, 0xfffffff0);
	assert_int_equal(parse(MULTIBOOT1_MAGIC, MBI), IMAGE_OK);
	assert_int_equal(boot.module_count, 2);
	assert_string_equal(boot.module[0].cmdline, "");
	assert_string_equal(boot.module[1].cmdline, "");
	/* More than fit. */
	for (unsigned int i = 0; i < 16 + 4; i++) {
		put32(at(MBI_MODULES) + 16 * i, 0x1000);
		put32(at(MBI_MODULES) + 16 * i + 4, 0x2000);
		put32(at(MBI_MODULES) + 16 * i + 8, 0);
	}
	put32(at(MBI), BIT(0) | BIT(3));
	put32(at(MBI) + 20, 20);
	assert_int_equal(parse(MULTIBOOT1_MAGIC, MBI), IMAGE_OK);
	assert_int_equal(boot.module_count, 16);
	assert_int_equal(boot.modules_ignored, 4);
}

static void long_strings_are_cut(void **state)
{
	qemu_put();
	memory_end = BASE + BYTES;
	memset(at(MBI_STRINGS), 'x', memory_end - MBI_STRINGS);
	put32(at(MBI), BIT(0) | BIT(2) | BIT(9));
	assert_int_equal(parse(MULTIBOOT1_MAGIC, MBI), IMAGE_OK);
	assert_true(boot.cmdline_was_cut);
	assert_int_equal(strlen(boot.loader_name), BOOT_LOADER_NAME_MAX - 1);
	assert_string_equal(boot.cmdline, ""); /* one word, taken for the name */
	/* A long loader name alone is no harm. */
	put32(at(MBI), BIT(0) | BIT(9));
	assert_int_equal(parse(MULTIBOOT1_MAGIC, MBI), IMAGE_OK);
	assert_false(boot.cmdline_was_cut);
	/* A string that runs into the end of memory ends there. */
	put32(at(MBI), BIT(0) | BIT(2));
	put32(at(MBI) + 16, (u32)memory_end - 5);
	memcpy(at(memory_end - 5), "a bcd", 5);
	assert_int_equal(parse(MULTIBOOT1_MAGIC, MBI), IMAGE_OK);
	assert_string_equal(boot.cmdline, "bcd");
}

static void framebuffer1(void **state)
{
	u8 *fb;

	qemu_put();
	put32(at(MBI), BIT(0) | BIT(11) | BIT(12));
	put32(at(MBI) + 72, MBI_STRINGS);
	put32(at(MBI) + 76, MBI_STRINGS + 0x200);
	put32(at(MBI_STRINGS) + 10, 0x12345678);
	put16(at(MBI_STRINGS + 0x200), 0xbb);
	fb = at(MBI) + 88;
	put64(fb, 0xfd000000);
	put32(fb + 8, 4096);
	put32(fb + 12, 1024);
	put32(fb + 16, 768);
	fb[20] = 32;
	fb[21] = 1;
	memcpy(fb + 22, "\x10\x08\x08\x07\x00\x06", 6);
	assert_int_equal(parse(MULTIBOOT1_MAGIC, MBI), IMAGE_OK);
	assert_int_equal(boot.screen.video_type, XEN_VGATYPE_VESA_LFB);
	assert_int_equal(boot.screen.u.vesa_lfb.lfb_base, 0xfd000000);
	assert_int_equal(boot.screen.u.vesa_lfb.bytes_per_line, 4096);
	assert_int_equal(boot.screen.u.vesa_lfb.width, 1024);
	assert_int_equal(boot.screen.u.vesa_lfb.height, 768);
	assert_int_equal(boot.screen.u.vesa_lfb.lfb_size, 48);
	assert_int_equal(boot.screen.u.vesa_lfb.bits_per_pixel, 32);
	assert_int_equal(boot.screen.u.vesa_lfb.red_pos, 16);
	assert_int_equal(boot.screen.u.vesa_lfb.green_size, 7);
	assert_int_equal(boot.screen.u.vesa_lfb.blue_size, 6);
	assert_int_equal(boot.screen.u.vesa_lfb.gbl_caps, 0x12345678);
	assert_int_equal(boot.screen.u.vesa_lfb.mode_attrs, 0xbb);
	fb[21] = 2;
	assert_int_equal(parse(MULTIBOOT1_MAGIC, MBI), IMAGE_OK);
	assert_int_equal(boot.screen.video_type, 0);
	fb[21] = 0;
	assert_int_equal(parse(MULTIBOOT1_MAGIC, MBI), IMAGE_OK);
	assert_int_equal(boot.screen.video_type, 0);
}

static void unreachable_information(void **state)
{
	qemu_put();
	assert_int_equal(parse(0, MBI), IMAGE_BAD_MAGIC);
	assert_int_equal(parse(MULTIBOOT1_MAGIC, 0), IMAGE_UNREACHABLE);
	assert_int_equal(parse(MULTIBOOT1_MAGIC, memory_end - 48), IMAGE_UNREACHABLE);
	assert_int_equal(parse(MULTIBOOT1_MAGIC, ~0ull - 2), IMAGE_UNREACHABLE);
	assert_int_equal(parse(MULTIBOOT2_MAGIC, memory_end - 4), IMAGE_UNREACHABLE);
	assert_int_equal(parse(MULTIBOOT2_MAGIC, ~0ull - 2), IMAGE_UNREACHABLE);
	/* The oldest form ends behind the map's fields. */
	memcpy(at(memory_end - 52), at(MBI), 52);
	put32(at(memory_end - 52), BIT(0) | BIT(6));
	assert_int_equal(parse(MULTIBOOT1_MAGIC, memory_end - 52), IMAGE_OK);
	assert_int_equal(boot.map.count, 3);
}

static void every_cut_and_flip_is_safe_1(void **state)
{
	qemu_put();
	for (memory_end = BASE; memory_end < MBI_END; memory_end++)
		parse(MULTIBOOT1_MAGIC, MBI);
	for (unsigned int bit = 0; bit < (MBI_STRINGS - MBI) * 8; bit++) {
		*at(MBI + bit / 8) ^= (u8)(1 << bit % 8);
		parse(MULTIBOOT1_MAGIC, MBI);
		*at(MBI + bit / 8) ^= (u8)(1 << bit % 8);
	}
	assert_int_equal(parse(MULTIBOOT1_MAGIC, MBI), IMAGE_OK);
}

/* ---- Multiboot 2 ---- */

#define LIST BASE
static u32 list_bytes;

static u8 *tag_put(u32 type, u32 body)
{
	u8 *tag = at(LIST + list_bytes);

	put32(tag, type);
	put32(tag + 4, body + 8);
	list_bytes += (body + 8 + 7) & ~7u;
	put32(at(LIST), list_bytes);
	return tag + 8;
}

static void tag_put_text(u32 type, const char *text)
{
	strcpy((char *)tag_put(type, (u32)strlen(text) + 1), text);
}

static void list_begin(void)
{
	memset(memory, 0, sizeof(memory));
	memory_end = BASE + BYTES;
	list_bytes = 8;
}

static void list_end(void)
{
	tag_put(0, 0);
	memory_end = LIST + list_bytes;
}

static void module_put(u32 start, u32 end, const char *text)
{
	u8 *body = tag_put(3, 8 + (u32)strlen(text) + 1);

	put32(body, start);
	put32(body + 4, end);
	strcpy((char *)body + 8, text);
}

static void map_put(void)
{
	u8 *body = tag_put(6, 8 + 2 * 24);

	put32(body, 24);
	put64(body + 8, 0);
	put64(body + 16, 0xa0000);
	put32(body + 24, 1);
	put64(body + 32, 0x100000);
	put64(body + 40, 0x10000000);
	put32(body + 48, 1);
}

static void efi_put(u8 *at_descriptor, u32 type, u64 start, u64 pages, u64 attribute)
{
	put32(at_descriptor, type);
	put64(at_descriptor + 8, start);
	put64(at_descriptor + 24, pages);
	put64(at_descriptor + 32, attribute);
}

/* One descriptor of each type, a MiB apart, one MiB long. */
static u32 e820_type_at(const struct e820_map *of, u64 address)
{
	for (unsigned int i = 0; i < of->count; i++)
		if (of->entry[i].start <= address && address < of->entry[i].end)
			return of->entry[i].type;
	return E820_NONE;
}

static void efi_map_put(u32 stride)
{
	u8 *body = tag_put(17, 8 + 16 * stride);

	put32(body, stride);
	put32(body + 4, 1);
	for (u32 type = 0; type < 16; type++)
		efi_put(body + 8 + type * stride, type, (u64)type << 20, 256, 0xf);
}

static void grub_bios_put(void)
{
	list_begin();
	tag_put_text(1, "placeholder dom0_mem=512M");
	tag_put_text(2, "GRUB 2.06-13+deb12u1");
	module_put(0x1000000, 0x2000000, "placeholder root=/dev/sda1 ro");
	module_put(0x2000000, 0x3000000, "");
	put32(tag_put(4, 8) + 4, 1024);
	map_put();
	memcpy(tag_put(14, 20), "RSD PTR 12345678901", 20);
	list_end();
}

static void grub_bios_is_understood(void **state)
{
	grub_bios_put();
	assert_int_equal(parse(MULTIBOOT2_MAGIC, LIST), IMAGE_OK);
	assert_string_equal(boot.cmdline, "placeholder dom0_mem=512M");
	assert_string_equal(boot.loader_name, "GRUB 2.06-13+deb12u1");
	assert_int_equal(boot.module_count, 2);
	assert_int_equal(boot.module[0].start, 0x1000000);
	assert_int_equal(boot.module[0].end, 0x2000000);
	assert_string_equal(boot.module[0].cmdline, "placeholder root=/dev/sda1 ro");
	assert_string_equal(boot.module[1].cmdline, "");
	assert_int_equal(boot.map.count, 2);
	assert_int_equal(boot.map.entry[1].end, 0x10100000);
	assert_int_equal(boot.rsdp_len, 20);
	assert_memory_equal(boot.rsdp, "RSD PTR ", 8);
	assert_int_equal(boot.efi_system_table, 0);
	/* Without an end tag the list's size is as good. */
	put32(at(LIST), list_bytes - 8);
	assert_int_equal(parse(MULTIBOOT2_MAGIC, LIST), IMAGE_OK);
	assert_int_equal(boot.module_count, 2);
}

static void grub_efi_is_understood(void **state)
{
	u64 start, end;
	unsigned int cursor = 0;
	struct e820_map map;

	list_begin();
	map_put();
	memcpy(tag_put(15, 36), "RSD PTR version two, thirty-six byt", 36);
	memcpy(tag_put(14, 20), "RSD PTR version one", 20);
	put64(tag_put(12, 8), 0x7f9ee018);
	efi_map_put(48);
	list_end();
	assert_int_equal(parse(MULTIBOOT2_MAGIC, LIST), IMAGE_OK);
	assert_false(boot.efi_boot_services_on);
	assert_int_equal(boot.efi_system_table, 0x7f9ee018);
	assert_int_equal(boot.rsdp_len, 36);
	assert_memory_equal(boot.rsdp, "RSD PTR version two", 19);
	assert_int_equal(e820_sanitise(&map, &boot.map), IMAGE_OK);
	assert_true(e820_next(&map, E820_RAM, &cursor, &start, &end));
	assert_int_equal(start, 1 << 20); /* loader and boot services */
	assert_int_equal(end, 5 << 20);
	assert_true(e820_next(&map, E820_RAM, &cursor, &start, &end));
	assert_int_equal(start, 7 << 20);
	assert_int_equal(end, 8 << 20);
	assert_false(e820_next(&map, E820_RAM, &cursor, &start, &end));
	assert_int_equal(e820_type_at(&map, 0), E820_RESERVED);
	assert_int_equal(e820_type_at(&map, 5 << 20), E820_RESERVED);
	assert_int_equal(e820_type_at(&map, 8 << 20), E820_UNUSABLE);
	assert_int_equal(e820_type_at(&map, 9 << 20), E820_ACPI);
	assert_int_equal(e820_type_at(&map, 10 << 20), E820_NVS);
	assert_int_equal(e820_type_at(&map, 14 << 20), E820_PMEM);
}

static void efi_boot_services_keep_their_memory(void **state)
{
	list_begin();
	efi_map_put(40);
	tag_put(18, 0);
	list_end();
	assert_int_equal(parse(MULTIBOOT2_MAGIC, LIST), IMAGE_OK);
	assert_true(boot.efi_boot_services_on);
	assert_int_equal(e820_type_at(&boot.map, 2 << 20), E820_RAM);
	assert_int_equal(e820_type_at(&boot.map, 3 << 20), E820_RESERVED);
	assert_int_equal(e820_type_at(&boot.map, 4 << 20), E820_RESERVED);
}

static void efi_memory_that_cannot_be_cached_is_no_ram(void **state)
{
	u8 *body;

	list_begin();
	map_put();
	body = tag_put(17, 8 + 2 * 40);
	put32(body, 40);
	efi_put(body + 8, 7, 0x100000, 16, 1);
	efi_put(body + 48, 3, 0x200000, ~0ull, 1);
	list_end();
	assert_int_equal(parse(MULTIBOOT2_MAGIC, LIST), IMAGE_OK);
	assert_int_equal(boot.map.count, 2);
	assert_int_equal(boot.map.entry[1].end, 0x10100000);
}

static void odd_tags(void **state)
{
	u8 *body;

	list_begin();
	tag_put(99, 13);
	tag_put(3, 4); /* a module without room for its numbers */
	tag_put(4, 4); /* the same */
	tag_put(6, 4);
	tag_put(7, 8);
	tag_put(8, 20);
	tag_put(12, 4);
	tag_put(17, 4);
	body = tag_put(6, 8 + 24); /* entries too small */
	put32(body, 16);
	body = tag_put(17, 8 + 40);
	put32(body, 39);
	body = tag_put(1, 3);
	memcpy(body, "abc", 3); /* no zero */
	module_put(5, 5, "empty");
	put32(tag_put(4, 8), 640);
	list_end();
	assert_int_equal(parse(MULTIBOOT2_MAGIC, LIST), IMAGE_OK);
	assert_string_equal(boot.cmdline, "abc");
	assert_int_equal(boot.modules_ignored, 2);
	assert_int_equal(boot.map.count, 1);
	assert_int_equal(boot.efi_system_table, 0);

	list_begin();
	tag_put(1, 3);
	list_end();
	assert_int_equal(parse(MULTIBOOT2_MAGIC, LIST), IMAGE_NO_MEMORY_MAP);
}

static void impossible_sizes(void **state)
{
	grub_bios_put();
	put32(at(LIST), 7);
	assert_int_equal(parse(MULTIBOOT2_MAGIC, LIST), IMAGE_BAD_TAG);
	put32(at(LIST), 2 << 20);
	assert_int_equal(parse(MULTIBOOT2_MAGIC, LIST), IMAGE_BAD_TAG);
	put32(at(LIST), list_bytes + 8);
	assert_int_equal(parse(MULTIBOOT2_MAGIC, LIST), IMAGE_UNREACHABLE);
	put32(at(LIST), list_bytes);
	put32(at(LIST) + 12, 7);
	assert_int_equal(parse(MULTIBOOT2_MAGIC, LIST), IMAGE_BAD_TAG);
	put32(at(LIST) + 12, ~0u);
	assert_int_equal(parse(MULTIBOOT2_MAGIC, LIST), IMAGE_BAD_TAG);
	put32(at(LIST) + 12, list_bytes - 7);
	assert_int_equal(parse(MULTIBOOT2_MAGIC, LIST), IMAGE_BAD_TAG);
	/* A last tag whose padding is missing. */
	list_begin();
	put32(tag_put(4, 8), 640);
	tag_put(1, 1);
	put32(at(LIST), list_bytes - 7);
	memory_end = LIST + list_bytes - 7;
	assert_int_equal(parse(MULTIBOOT2_MAGIC, LIST), IMAGE_OK);
}

static void long_text_is_cut_2(void **state)
{
	u8 *body;

	list_begin();
	put32(tag_put(4, 8), 640);
	body = tag_put(2, 100);
	memset(body, 'n', 100);
	list_end();
	assert_int_equal(parse(MULTIBOOT2_MAGIC, LIST), IMAGE_OK);
	assert_false(boot.cmdline_was_cut);
	assert_int_equal(strlen(boot.loader_name), BOOT_LOADER_NAME_MAX - 1);
	list_begin();
	put32(tag_put(4, 8), 640);
	body = tag_put(1, 3000);
	memset(body, 'c', 3000);
	list_end();
	assert_int_equal(parse(MULTIBOOT2_MAGIC, LIST), IMAGE_OK);
	assert_true(boot.cmdline_was_cut);
	assert_int_equal(strlen(boot.cmdline), BOOT_CMDLINE_MAX - 1);
}

static void framebuffer2(void **state)
{
	u8 *fb;

	list_begin();
	put32(tag_put(4, 8), 640);
	fb = tag_put(7, 776);
	put32(fb + 8 + 10, 0x77);
	put16(fb + 8 + 512, 0x99);
	fb = tag_put(8, 30);
	put64(fb, 0x80000000);
	put32(fb + 12, 800);
	fb[20] = 24;
	fb[21] = 1;
	memcpy(fb + 24, "\x10\x08\x09\x07\x00\x06", 6);
	list_end();
	assert_int_equal(parse(MULTIBOOT2_MAGIC, LIST), IMAGE_OK);
	assert_int_equal(boot.screen.video_type, XEN_VGATYPE_VESA_LFB);
	assert_int_equal(boot.screen.u.vesa_lfb.width, 800);
	assert_int_equal(boot.screen.u.vesa_lfb.green_pos, 9);
	assert_int_equal(boot.screen.u.vesa_lfb.gbl_caps, 0x77);
	assert_int_equal(boot.screen.u.vesa_lfb.mode_attrs, 0x99);
	put32(fb - 4, 8 + 29);
	assert_int_equal(parse(MULTIBOOT2_MAGIC, LIST), IMAGE_OK);
	assert_int_equal(boot.screen.video_type, 0);
}

static void long_maps_fit(void **state)
{
	u8 *body;

	list_begin();
	body = tag_put(6, 8 + 300 * 24);
	put32(body, 24);
	for (u32 i = 0; i < 300; i++) {
		put64(body + 8 + 24 * i, (u64)i << 20);
		put64(body + 16 + 24 * i, 0x1000);
		put32(body + 24 + 24 * i, 1);
	}
	put32(at(LIST), list_bytes);
	memory_end = LIST + list_bytes;
	assert_int_equal(parse(MULTIBOOT2_MAGIC, LIST), IMAGE_OK);
	assert_int_equal(boot.map.count, 300);
	assert_false(boot.map_was_cut);
}

static void every_cut_and_flip_is_safe_2(void **state)
{
	u32 whole;

	grub_bios_put();
	whole = list_bytes;
	for (u32 bytes = 0; bytes < whole; bytes++) {
		memory_end = LIST + bytes;
		assert_int_not_equal(parse(MULTIBOOT2_MAGIC, LIST), IMAGE_OK);
		put32(at(LIST), bytes);
		parse(MULTIBOOT2_MAGIC, LIST);
		put32(at(LIST), whole);
	}
	list_begin();
	grub_bios_put();
	for (u32 bit = 0; bit < list_bytes * 8; bit++) {
		*at(LIST + bit / 8) ^= (u8)(1 << bit % 8);
		parse(MULTIBOOT2_MAGIC, LIST);
		*at(LIST + bit / 8) ^= (u8)(1 << bit % 8);
	}
	assert_int_equal(parse(MULTIBOOT2_MAGIC, LIST), IMAGE_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(qemu_is_understood),
		cmocka_unit_test(grub2_passes_no_names),
		cmocka_unit_test(memory_numbers_of_old),
		cmocka_unit_test(odd_map_entries),
		cmocka_unit_test(bad_modules_are_counted),
		cmocka_unit_test(long_strings_are_cut),
		cmocka_unit_test(framebuffer1),
		cmocka_unit_test(unreachable_information),
		cmocka_unit_test(every_cut_and_flip_is_safe_1),
		cmocka_unit_test(grub_bios_is_understood),
		cmocka_unit_test(grub_efi_is_understood),
		cmocka_unit_test(efi_boot_services_keep_their_memory),
		cmocka_unit_test(efi_memory_that_cannot_be_cached_is_no_ram),
		cmocka_unit_test(odd_tags),
		cmocka_unit_test(impossible_sizes),
		cmocka_unit_test(long_text_is_cut_2),
		cmocka_unit_test(framebuffer2),
		cmocka_unit_test(long_maps_fit),
		cmocka_unit_test(every_cut_and_flip_is_safe_2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

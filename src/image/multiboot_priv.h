/* SPDX-License-Identifier: MIT */
/*
 * What multiboot.c and multiboot2.c share. No lock.
 */
#ifndef IMAGE_MULTIBOOT_PRIV_H
#define IMAGE_MULTIBOOT_PRIV_H

#include "image/multiboot.h"
#include "image/priv.h"

void boot_string_copy(struct boot_info *boot, const struct boot_memory *memory, u64 paddr, char *to,
		      size_t size);
struct boot_module *boot_module_add(struct boot_info *boot, u64 start, u64 end);
void boot_range_add(struct boot_info *boot, u64 base, u64 length, u32 type);
void boot_basic_memory(struct boot_info *boot, u32 lower_kib, u32 upper_kib);
void boot_video_read(struct boot_video *video, const u8 *at, size_t len, size_t head);
void boot_vbe_read(struct boot_video *video, const u8 *control, const u8 *mode);

enum image_error multiboot2_parse(struct boot_info *boot, u64 info,
				  const struct boot_memory *memory);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What the boot loader tells, in one form whichever loader it was: Multiboot 1 (QEMU -kernel, GRUB's `multiboot`,
 * iPXE, syslinux) or Multiboot 2 (GRUB's `multiboot2`). Everything is copied, so that the loader's memory may be reused at
 * once, except modules, which stay where they are. Reached by boot/; calls lib/ only; no lock.
 */
#pragma once

#include "image/e820.h"
#include "image/error.h"
#include "lib/abi.h"
#include "lib/types.h"

#define MULTIBOOT1_MAGIC 0x2badb002u /* in eax at the entry point */
#define MULTIBOOT2_MAGIC 0x36d76289u

#define BOOT_MODULES_MAX	16u
#define BOOT_CMDLINE_MAX	2048u /* the hypervisor's own, with its zero */
#define BOOT_MODULE_CMDLINE_MAX 1024u /* start_info has this much (MAX_GUEST_CMDLINE) */
#define BOOT_LOADER_NAME_MAX	64u
#define BOOT_RSDP_MAX		64u

/* Bounded access to physical memory: a pointer to [paddr, paddr + len) for reading, or NULL where there is none. */
typedef const void *boot_map_fn(u64 paddr, size_t len);

struct boot_module {
	u64 start; /* physical; [start, end) in bytes */
	u64 end;
	char cmdline[BOOT_MODULE_CMDLINE_MAX];
};

struct boot_info {
	char loader_name[BOOT_LOADER_NAME_MAX];
	char cmdline[BOOT_CMDLINE_MAX];
	bool cmdline_was_cut; /* this or a module's was longer than what fits */

	struct e820_map map; /* as given: to be made sane by e820_sanitise() */
	bool map_was_cut;

	unsigned int module_count;
	unsigned int modules_ignored; /* more than fit, or end before they start */
	struct boot_module module[BOOT_MODULES_MAX];

	unsigned int rsdp_len; /* 0: not given. A copy of it: the original may be anywhere */
	u8 rsdp[BOOT_RSDP_MAX];

	u64 efi_system_table;	   /* physical; 0: not started by 64-bit EFI */
	bool efi_boot_services_on; /* the loader did not leave them: their memory is not ours */

	struct dom0_vga_console_info screen; /* video_type 0: no linear frame buffer */
};

/*
 * Read the information at physical address `info`, `magic` being what the loader left in eax. *boot is large (about
 * 32 KiB): keep it off the stack. Errors leave in *boot what was understood: IMAGE_BAD_MAGIC, IMAGE_UNREACHABLE (the structure
 * itself lies outside of memory), IMAGE_BAD_TAG, IMAGE_NO_MEMORY_MAP.
 */
enum image_error multiboot_parse(struct boot_info *boot, u32 magic, u64 info, boot_map_fn *map);

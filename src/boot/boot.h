/* SPDX-License-Identifier: MIT */
/*
 * The boot steps, in the order in which main.c calls them. Each is in the file named beside it. Runs once, on the boot CPU,
 * but for the part of smp.c that each further CPU runs. No lock.
 */
#pragma once

#include "image/bzimage.h"
#include "image/cmdline.h"
#include "image/e820.h"
#include "image/elf.h"
#include "image/multiboot.h"
#include "lib/types.h"

extern struct boot_info boot_info;
extern struct e820_map boot_map;      /* what is left for the allocator, after every reservation */
extern struct e820_map boot_host_map; /* the machine's, for Domain 0's eyes */

#define BOOT_LOW_MEMORY 0x100000ull /* firmware's: below it nothing is the allocator's */

/*
 * memory.c. Reading the loader's words fills boot_info and tells what was wrong with them; the map then panics for it, once
 * the console is there.
 */
enum image_error boot_loader_read(u32 magic, u64 info);
void boot_map_read(enum image_error error); /* boot_map, boot_host_map */
void boot_memory_map(void);		    /* direct map, frame table, M2P, W^X */
void boot_memory_pools(void);		    /* the rest to the allocator */

/* modules.c: module 0, unpacked and judged (panics if it is no kernel); module 1, if there is one, where Domain 0 can have it. */
struct elf_image *boot_kernel_read(void);
bool boot_ramdisk_place(u64 *start, u64 *end);
u64 boot_modules_pages(void); /* that freeing will give back */
void boot_modules_free(void); /* once the kernel was loaded */
/* And the libraries that unpacked it: code that is not ours is gone before a guest runs. */
void boot_decoders_free(void);

/* unpack.c: bytes of scratch memory that boot_unpack() wants for this image; 0: the stream's head is malformed (corrupt). */
size_t boot_unpack_work_bytes(const struct bzimage *image);
/*
 * Unpacks the payload that bzimage_parse() found to out[image->unpacked_len]. work[work_bytes], page aligned, becomes
 * the decoder's stack and heap and can be freed afterwards. Runs with interrupts off, for seconds under emulation. Errors
 * as unpack_kernel().
 */
enum image_error boot_unpack(const struct bzimage *image, void *out, void *work, size_t work_bytes);

const void *boot_video_info(size_t *bytes);   /* video.c: struct dom0_vga_console_info, or NULL */
void boot_options_parse(const char *cmdline); /* options.c */
void boot_cpus_start(void);		      /* smp.c */

/* Values that only boot looks at (options.c); others stand in their modules. */
extern struct dom0_mem opt_dom0_mem;
extern struct cmdline_range opt_dom0_max_vcpus;
extern unsigned int opt_maxcpus;
extern struct serial_config opt_com1;
/* Each 0, 1, or -1: by the CPU. */
struct domain_wish {
	int dom0, domu;
};
#define DOMAINS_BY_CPU ((struct domain_wish){-1, -1})
extern struct domain_wish opt_xpti, opt_pv_l1tf;
/* GUESS_x (hw/features.h) that spec-ctrl= asked for, and that it forbade. */
struct spec_wish {
	u32 on, off;
};
extern struct spec_wish opt_spec;

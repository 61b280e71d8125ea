/* SPDX-License-Identifier: MIT */
/*
 * The boot steps, in the order in which main.c calls them. Each is in the file named beside it. Runs once, on the boot CPU,
 * but for the part of smp.c that each further CPU runs. No lock.
 */
#ifndef BOOT_BOOT_H
#define BOOT_BOOT_H

#include "image/cmdline.h"
#include "image/e820.h"
#include "image/multiboot.h"
#include "lib/types.h"

extern struct boot_info boot_info;
extern struct e820_map boot_map;      /* what is left for the allocator, after every reservation */
extern struct e820_map boot_host_map; /* the machine's, for Domain 0's eyes */

void boot_loader_read(u32 magic, u64 info);   /* memory.c: boot_info, boot_map */
void boot_memory_map(void);		      /* memory.c: direct map, frame table, M2P, W^X */
void boot_memory_pools(void);		      /* memory.c: the rest to the allocator */
void boot_modules_free(void);		      /* memory.c: after Domain 0 was built */
void boot_options_parse(const char *cmdline); /* options.c */
void boot_cpus_start(void);		      /* smp.c */

/* Values that only boot looks at (options.c); others stand in their modules. */
extern struct dom0_mem opt_dom0_mem;
extern struct cmdline_range opt_dom0_max_vcpus;
extern unsigned int opt_maxcpus;
extern struct serial_config opt_com1;

#endif

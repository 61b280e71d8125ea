/* SPDX-License-Identifier: MIT */
/*
 * Where everything lies in the sixteen L4 slots (256..271) that the ABI leaves to the hypervisor. Shared by C, assembly
 * and the linker script. Nothing of Mica is mapped anywhere else.
 *
 *	slot 256   M2P, read-only to guests (user bit)		0xffff800000000000  256 GiB at most
 *	slot 257   frame table (24 bytes a frame)		0xffff808000000000
 *	slot 258   per-domain area: GDT, LDT, entry pages	0xffff810000000000  differs by address space
 *	slot 259   M2P again, writable, Mica's own		0xffff818000000000
 *	slot 260   device registers and other small maps	0xffff820000000000
 *	slot 261   Mica: text, data, stacks, entry aliases	0xffff828000000000
 *	slot 262.. direct map, 5 TiB				0xffff830000000000
 */
#pragma once

#define LAYOUT_FIRST_SLOT     256
#define LAYOUT_LAST_SLOT      271
#define LAYOUT_PERDOMAIN_SLOT 258

#define LAYOUT_START	  0xffff800000000000
#define LAYOUT_END	  0xffff880000000000 /* exclusive */
#define LAYOUT_M2P	  0xffff800000000000
#define LAYOUT_FRAMES	  0xffff808000000000
#define LAYOUT_PERDOMAIN  0xffff810000000000
#define LAYOUT_M2P_RW	  0xffff818000000000
#define LAYOUT_DEVICE	  0xffff820000000000
#define LAYOUT_DEVICE_END 0xffff828000000000
#define LAYOUT_IMAGE	  0xffff828000000000
#define LAYOUT_CPUS	  0xffff82a000000000 /* stack blocks and entry aliases */
#define LAYOUT_DIRECT	  0xffff830000000000

/* The per-domain area: one window for each vCPU. */
#define PERDOMAIN_VCPU_STRIDE 0x40000
#define PERDOMAIN_GDT	      0x00000 /* 16 pages: guest's frames 0..13, the CPU's reserved page 14 */
#define PERDOMAIN_LDT	      0x10000 /* 16 pages */
#define PERDOMAIN_ENTRY	      0x20000 /* the page that holds register frame and entry block */
#define PERDOMAIN_INFO	      0x21000 /* that of vcpu_info, if stubs run on a twin */

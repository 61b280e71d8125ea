/* SPDX-License-Identifier: MIT */
/*
 * What the loader brought for Domain 0: the kernel, unpacked if it comes as bzImage, and its initial ramdisk; and their
 * memory afterwards. Reached from main.c on the boot CPU; calls image/, unpack.c and the allocator. No lock.
 *
 * The ramdisk's own frames become Domain 0's, unless they cannot (below 1 MiB, not on a page boundary): then a copy of it
 * does. The kernel is copied into Domain 0, so its module and what it was unpacked to go back to the allocator.
 */
#include "boot/boot.h"
#include "core/err.h"
#include "core/log.h"
#include "hw/mem.h"
#include "image/error.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "mm/mm.h"

#define KERNEL	0u
#define RAMDISK 1u

static struct elf_image kernel;
static void *unpacked; /* NULL: the module was an ELF file */
static size_t unpacked_bytes;
static bool ramdisk_was_copied;

static u64 pages_for(u64 bytes)
{
	return (bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;
}

static void run_free(u64 mfn, u64 pages)
{
	while (pages != 0) {
		unsigned int order = MIN(mfn ? bits_first(mfn) : 63u, bits_last(pages));

		order = MIN(order, (unsigned int)FRAME_ORDER_MAX);
		frame_free(mfn_make(mfn), order);
		mfn += BIT(order);
		pages -= BIT(order);
	}
}

/* Contiguous pages, as many as are needed: what the allocator gives beyond goes back at once. NULL: no memory. */
static void *run_alloc(u64 bytes)
{
	u64 pages = pages_for(bytes);
	unsigned int order = ilog2_up(pages);
	mfn_t mfn = bytes == 0 ? MFN_NONE : frame_alloc(order, 0);

	if (mfn_is_none(mfn))
		return NULL;
	run_free(mfn_num(mfn) + pages, BIT(order) - pages);
	return hw_frame_map(mfn);
}

static u8 *direct(u64 paddr)
{
	return (u8 *)hw_frame_map(maddr_to_mfn(maddr_make(paddr))) + (paddr & (PAGE_SIZE - 1));
}

static void kernel_unpack(const void *data, size_t size)
{
	struct bzimage image;
	enum image_error error = bzimage_parse(&image, data, size);
	size_t work_bytes;
	void *work;

	if (error != IMAGE_OK)
		panic("Domain 0 kernel: %s", image_strerror(error));
	log_info("Domain 0 kernel: unpacking %lu KiB (%s) to %lu KiB", image.payload_len >> 10,
		 image.compression_name, image.unpacked_len >> 10);
	work_bytes = boot_unpack_work_bytes(&image);
	if (work_bytes == 0)
		panic("Domain 0 kernel: %s", image_strerror(IMAGE_DATA_CORRUPT));
	unpacked = run_alloc(image.unpacked_len);
	unpacked_bytes = image.unpacked_len;
	work = run_alloc(work_bytes);
	if (unpacked == NULL || work == NULL)
		panic("Domain 0 kernel: no memory to unpack it (%lu KiB, and %lu KiB for the "
		      "decoder)",
		      unpacked_bytes >> 10, work_bytes >> 10);
	error = boot_unpack(&image, unpacked, work, work_bytes);
	if (error != IMAGE_OK)
		panic("Domain 0 kernel: %s", image_strerror(error));
	run_free(mfn_num(hw_virt_to_mfn(work)), pages_for(work_bytes));
}

struct elf_image *boot_kernel_read(void)
{
	const struct boot_module *module = &boot_info.module[KERNEL];
	enum image_error error;
	const void *data;
	size_t size;

	if (boot_info.module_count == 0)
		panic("no module: the loader gave no Domain 0 kernel");
	data = direct(module->start);
	size = module->end - module->start;
	if (image_is_bzimage(data, size)) {
		kernel_unpack(data, size);
		data = unpacked;
		size = unpacked_bytes;
	}
	error = elf_parse(&kernel, data, size);
	if (error == IMAGE_NOT_ELF && unpacked == NULL)
		error = IMAGE_NOT_KERNEL;
	if (error != IMAGE_OK)
		panic("Domain 0 kernel: %s%s%s", image_strerror(error),
		      error == IMAGE_FEATURE_UNKNOWN ? ": " : "",
		      error == IMAGE_FEATURE_UNKNOWN ? kernel.bad_feature : "");
	return &kernel;
}

bool boot_ramdisk_place(u64 *start, u64 *end)
{
	const struct boot_module *module = &boot_info.module[RAMDISK];
	u64 bytes = module->end - module->start, room;
	void *copy;

	if (boot_info.module_count <= RAMDISK)
		return false;
	*start = module->start;
	if (*start < BOOT_LOW_MEMORY || (*start & (PAGE_SIZE - 1)) != 0) {
		copy = run_alloc(bytes);
		if (copy == NULL)
			panic("no memory for a copy of the initial ramdisk (%lu KiB)", bytes >> 10);
		memcpy(copy, direct(module->start), bytes);
		*start = mfn_num(hw_virt_to_mfn(copy)) << PAGE_SHIFT;
		ramdisk_was_copied = true;
	}
	*end = *start + bytes;
	/* The rest of its last page goes to Domain 0 too. */
	room = ROUND_UP(*end, PAGE_SIZE) - *end;
	memset(direct(*end), 0, room);
	return true;
}

/* Only whole pages: nothing tells what else the loader put into the last one. False: nothing of it is to be freed. */
static bool module_pages(unsigned int idx, u64 *start, u64 *end)
{
	*start = ROUND_UP(boot_info.module[idx].start, PAGE_SIZE);
	*end = ROUND_DOWN(boot_info.module[idx].end, PAGE_SIZE);
	return (idx != RAMDISK || ramdisk_was_copied) && *start < *end && *start >= BOOT_LOW_MEMORY;
}

u64 boot_modules_pages(void)
{
	u64 pages = pages_for(unpacked_bytes), start, end;

	for (unsigned int i = 0; i < boot_info.module_count; i++)
		if (module_pages(i, &start, &end))
			pages += (end - start) >> PAGE_SHIFT;
	return pages;
}

void boot_modules_free(void)
{
	u64 start, end;

	for (unsigned int i = 0; i < boot_info.module_count; i++)
		if (module_pages(i, &start, &end))
			frame_pool_add(maddr_to_mfn(maddr_make(start)),
				       (end - start) >> PAGE_SHIFT);
	if (unpacked != NULL)
		run_free(mfn_num(hw_virt_to_mfn(unpacked)), pages_for(unpacked_bytes));
	unpacked = NULL;
	unpacked_bytes = 0;
}

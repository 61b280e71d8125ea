/* SPDX-License-Identifier: MIT */
/* uses: test/fake/whole.c src/boot/options.c src/boot/modules.c src/boot/video.c */
/*
 * Boot's words with the loader and the user: options, modules (a kernel packed or not, a ramdisk wherever it lies), the screen;
 * and the panics for a bad module. Unpacking itself has its own tests (image_unpack_test.c).
 */
#include "whole.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../unit/image_build.h"
#include "boot/boot.h"
#include "core/log.h"
#include "domain/domain.h"
#include "entry/entry.h"
#include "image/cmdline.h"
#include "sched/sched.h"

struct boot_info boot_info;
static struct bytes kernel_file;
static enum image_error unpack_rc;
static size_t work_wanted = 3 * PAGE_SIZE;

size_t boot_unpack_work_bytes(const struct bzimage *image)
{
	(void)image;
	return work_wanted;
}

enum image_error boot_unpack(const struct bzimage *image, void *out, void *work, size_t work_bytes)
{
	assert_int_equal(image->unpacked_len, kernel_file.len);
	memset(work, 0xdd, work_bytes);
	memcpy(out, kernel_file.data, kernel_file.len);
	return unpack_rc;
}

/* ---------------------------------------------------------------- options */

static void options(void **state)
{
	(void)state;
	boot_options_parse(
		"placeholder console=com1,vga com1=115200,8n1 dom0_mem=1G,max:2G "
		"dom0_max_vcpus=2-4 maxcpus=3 "
		"loglvl=warning/error guest_loglvl=all noreboot sched_ratelimit_us=500 no-x2apic "
		"spec-ctrl=no xpti=dom0 -- rest=1");
	assert_int_equal(opt_com1.baud, 115200);
	assert_int_equal(opt_xpti.dom0, 1);
	assert_int_equal(opt_xpti.domu, -1);
	assert_int_equal(opt_dom0_max_vcpus.min, 2);
	assert_int_equal(opt_dom0_max_vcpus.max, 4);
	assert_int_equal(opt_maxcpus, 3);
	boot_options_parse("xpti=no,dom0=true");
	assert_int_equal(opt_xpti.dom0, 1);
	assert_int_equal(opt_xpti.domu, 0);
	boot_options_parse("xpti=default,domu=off");
	assert_int_equal(opt_xpti.dom0, -1);
	assert_int_equal(opt_xpti.domu, 0);
	boot_options_parse("xpti=domq"); /* changes nothing */
	assert_int_equal(opt_xpti.domu, 0);
	assert_int_equal(opt_loglvl, LOG_WARNING);
	assert_int_equal(opt_guest_loglvl, LOG_DEBUG);
	assert_true(opt_noreboot);
	assert_int_equal(opt_sched_ratelimit_us, 500);
	/* What makes no sense is named, and changes nothing. */
	opt_loglvl = LOG_INFO;
	fake_console_said(NULL);
	boot_options_parse(
		"frobnicate=1 maxcpus=many loglvl=loud dom0_mem=1X noreboot=perhaps reboot");
	assert_true(fake_console_said("frobnicate"));
	assert_true(fake_console_said("maxcpus"));
	assert_true(fake_console_said("dom0_mem"));
	assert_int_equal(opt_maxcpus, 3);
	assert_int_equal(opt_loglvl, LOG_INFO);
	boot_options_parse("no-noreboot loglvl=none");
	assert_false(opt_noreboot);
	assert_int_equal(opt_loglvl, LOG_ERROR);
	boot_options_parse("");
	opt_loglvl = LOG_INFO;
}

/* ---------------------------------------------------------------- modules */

/* A module of so many bytes at an offset in fresh frames, as the loader leaves it. */
static void module_put(unsigned int idx, const void *data, size_t bytes, unsigned int offset)
{
	mfn_t mfn = frame_alloc(3, 0);

	assert_true(offset + bytes <= 8 * PAGE_SIZE);
	memset(hw_frame_map(mfn), 0xee, 8 * PAGE_SIZE);
	memcpy((u8 *)hw_frame_map(mfn) + offset, data, bytes);
	boot_info.module[idx].start = (mfn_num(mfn) << PAGE_SHIFT) + offset;
	boot_info.module[idx].end = boot_info.module[idx].start + bytes;
	boot_info.module_count = MAX(boot_info.module_count, idx + 1);
}

static void module_forget(unsigned int idx)
{
	frame_free(mfn_make(boot_info.module[idx].start >> PAGE_SHIFT), 3);
}

static void a_plain_kernel(void **state)
{
	const struct elf_image *kernel;

	(void)state;
	memset(&boot_info, 0, sizeof(boot_info));
	module_put(0, kernel_file.data, kernel_file.len, 0);
	kernel = boot_kernel_read();
	assert_int_equal(kernel->notes.entry, BUILD_ENTRY);
	assert_int_equal(boot_modules_pages(), kernel_file.len / PAGE_SIZE);
	module_forget(0);
}

static void a_packed_kernel(void **state)
{
	u64 before = machine_free();
	u8 payload[100] = {0x1f, 0x8b, 8};
	struct bytes bz;
	u32 len = (u32)kernel_file.len;
	const struct elf_image *kernel;

	(void)state;
	memset(&boot_info, 0, sizeof(boot_info));
	memcpy(payload + 96, &len, 4); /* the unpacked length ends the payload */
	bz = bzimage_build(payload, sizeof(payload));
	module_put(0, bz.data, bz.len, 0);
	kernel = boot_kernel_read();
	assert_int_equal(kernel->notes.entry, BUILD_ENTRY);
	assert_int_equal(machine_free(),
			 before - 8 - ROUND_UP(kernel_file.len, PAGE_SIZE) / PAGE_SIZE);
	module_forget(0);
	boot_info.module_count = 0;
	boot_modules_free(); /* what it was unpacked to */
	assert_int_equal(machine_free(), before);
	free(bz.data);
}

static void ramdisks(void **state)
{
	u64 start, end;
	u8 data[5000];

	(void)state;
	memset(data, 0x33, sizeof(data));
	memset(&boot_info, 0, sizeof(boot_info));
	assert_false(boot_ramdisk_place(&start, &end));
	module_put(0, kernel_file.data, kernel_file.len, 0);
	module_put(1, data, sizeof(data), 0);
	assert_true(boot_ramdisk_place(&start, &end));
	/* High enough and on a page: it stays; the rest of its last page shows nothing. */
	if (boot_info.module[1].start >= BOOT_LOW_MEMORY) {
		assert_int_equal(start, boot_info.module[1].start);
		assert_int_equal(*(u8 *)(fake_ram + end), 0);
		assert_int_equal(*(u8 *)(fake_ram + ROUND_UP(end, PAGE_SIZE) - 1), 0);
		assert_int_equal(boot_modules_pages(), kernel_file.len / PAGE_SIZE);
	}
	module_forget(1);
	/* Not on a page: a copy. */
	module_put(1, data, sizeof(data), 7);
	assert_true(boot_ramdisk_place(&start, &end));
	assert_int_equal(start % PAGE_SIZE, 0);
	assert_int_equal(end - start, 5000);
	assert_memory_equal(fake_ram + start, data, sizeof(data));
	assert_int_equal(*(u8 *)(fake_ram + end), 0);
	frame_free(mfn_make(start >> PAGE_SHIFT), 1);
	module_forget(1);
	module_forget(0);
}

/* ---------------------------------------------------------------- what is no kernel */

static struct bytes packed; /* not freed: the machine ends with it */
static void (*bad)(void);

static void bad_run(void)
{
	memset(&boot_info, 0, sizeof(boot_info));
	opt_noreboot = false;
	bad();
	(void)boot_kernel_read();
}

static void no_module(void)
{
}

static void no_kernel(void)
{
	module_put(0, "this is no kernel at all, but some text", 39, 0);
}

static void no_notes(void)
{
	memset(kernel_file.data + BUILD_NOTES, 0, 0x200);
	module_put(0, kernel_file.data, kernel_file.len, 0);
}

static void cut_short(void)
{
	module_put(0, kernel_file.data, 0x1800, 0);
}

static void packed_badly(void)
{
	u8 payload[100] = {0x1f, 0x8b, 8};
	u32 len = (u32)kernel_file.len;

	memcpy(payload + 96, &len, 4);
	unpack_rc = IMAGE_DATA_CORRUPT;
	packed = bzimage_build(payload, sizeof(payload));
	module_put(0, packed.data, packed.len, 0);
}

static void no_stream(void)
{
	packed_badly();
	work_wanted = 0;
}

static void no_memory(void)
{
	packed_badly();
	work_wanted = 1ull << 40;
}

static void packed_strangely(void)
{
	packed = bzimage_build((const u8 *)"neither of the four", 19);
	module_put(0, packed.data, packed.len, 0);
}

static void bad_modules(void **state)
{
	void (*const all[])(void) = {no_module,	   no_kernel, no_notes,	 cut_short,
				     packed_badly, no_stream, no_memory, packed_strangely};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		bad = all[i];
		assert_string_equal(machine_end(bad_run), "reboot"); /* by a panic, not a fault */
	}
}

/* ---------------------------------------------------------------- the screen */

static void the_screen(void **state)
{
	const struct dom0_vga_console_info *info;
	u8 *bda = fake_ram + 0x400;
	size_t bytes;

	(void)state;
	memset(&boot_info, 0, sizeof(boot_info));
	memset(bda, 0, 256);
	assert_null(boot_video_info(&bytes));
	assert_int_equal(bytes, 0);
	bda[0x49] = 3;
	bda[0x4a] = 80;
	bda[0x84] = 24;
	bda[0x85] = 16;
	bda[0x50] = 5;
	bda[0x51] = 7;
	info = boot_video_info(&bytes);
	assert_int_equal(bytes, sizeof(*info));
	assert_int_equal(info->video_type, XEN_VGATYPE_TEXT_MODE_3);
	assert_int_equal(info->u.text_mode_3.rows, 25);
	assert_int_equal(info->u.text_mode_3.columns, 80);
	assert_int_equal(info->u.text_mode_3.cursor_y, 7);
	boot_info.screen.video_type = XEN_VGATYPE_VESA_LFB;
	info = boot_video_info(&bytes);
	assert_int_equal(info->video_type, XEN_VGATYPE_VESA_LFB);
	boot_info.efi_system_table = 0x1000;
	assert_int_equal(
		((const struct dom0_vga_console_info *)boot_video_info(&bytes))->video_type,
		XEN_VGATYPE_EFI_LFB);
	boot_info.screen.video_type = 0;
	assert_null(boot_video_info(&bytes)); /* under EFI there is no text mode */
}

static int setup(void **state)
{
	(void)state;
	kernel_file = elf_build();
	machine_start(1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(kernel_file.data);
	return machine_audit() ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options),	   cmocka_unit_test(a_plain_kernel),
		cmocka_unit_test(a_packed_kernel), cmocka_unit_test(ramdisks),
		cmocka_unit_test(bad_modules),	   cmocka_unit_test(the_screen),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

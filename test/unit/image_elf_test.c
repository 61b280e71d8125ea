/* SPDX-License-Identifier: MIT */
/* uses: src/image/elf.c src/image/error.c */
/*
 * elf.c: a kernel like Linux is understood in every field; each field broken in turn has its named error;
 * truncated and bit-flipped files never make the parser read outside of them (the buffers end where the file ends).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "image/elf.h"
#include "image_build.h"

static struct elf_image elf;

/* Parse a copy that ends exactly where the file does, so that ASan sees one byte too much. */
static enum image_error parse(const struct bytes *file, size_t len)
{
	u8 *copy = malloc(len ? len : 1);
	enum image_error error;

	memcpy(copy, file->data, len);
	error = elf_parse(&elf, copy, len);
	if (error == IMAGE_OK)
		for (unsigned int i = 0; i < elf.segment_count; i++) {
			const struct elf_segment *segment = &elf.segment[i];
			const u8 *data = elf_segment_data(&elf, segment);
			u8 sum = 0;

			for (u64 j = 0; j < segment->filesz; j++)
				sum = (u8)(sum + data[j]);
			(void)sum;
			assert_true(segment->filesz <= segment->memsz);
			assert_true(segment->gpaddr >= elf.gpaddr_start);
			assert_true(segment->gpaddr + segment->memsz <= elf.gpaddr_end);
			assert_true(elf.gpaddr_end <= ELF_EXTENT_MAX);
		}
	free(copy);
	return error;
}

/* Parse a kernel in which `width` bytes at `at` were replaced. */
static enum image_error parse_with(size_t at, u64 value, size_t width)
{
	struct bytes file = elf_build();
	enum image_error error;

	memcpy(file.data + at, &value, width);
	error = parse(&file, file.len);
	free(file.data);
	return error;
}

/* Parse a kernel with one more note. */
static enum image_error parse_with_note(u32 type, const void *desc, u32 len)
{
	struct bytes file = elf_build();
	u8 *at = notes_put_linux(file.data);
	enum image_error error;

	note_put(&at, type, desc, len);
	notes_finish(file.data, at);
	error = parse(&file, file.len);
	free(file.data);
	return error;
}

static void linux_is_understood(void **state)
{
	struct bytes file = elf_build();
	const struct xen_notes *notes = &elf.notes;

	assert_int_equal(parse(&file, file.len), IMAGE_OK);
	assert_int_equal(elf.segment_count, 2);
	assert_int_equal(elf.segment[0].gpaddr, BUILD_TEXT_GPADDR);
	assert_int_equal(elf.segment[0].filesz, 0x1000);
	assert_int_equal(elf.segment[1].gpaddr, BUILD_DATA_GPADDR);
	assert_int_equal(elf.segment[1].filesz, 0x800);
	assert_int_equal(elf.segment[1].memsz, BUILD_DATA_MEMSZ);
	assert_int_equal(elf.gpaddr_start, BUILD_TEXT_GPADDR);
	assert_int_equal(elf.gpaddr_end, BUILD_DATA_GPADDR + BUILD_DATA_MEMSZ);
	assert_int_equal(elf.virt_start, BUILD_VIRT_BASE + BUILD_TEXT_GPADDR);
	assert_int_equal(elf.virt_end, BUILD_VIRT_BASE + elf.gpaddr_end);

	assert_int_equal(notes->entry, BUILD_ENTRY);
	assert_int_equal(notes->virt_base, BUILD_VIRT_BASE);
	assert_int_equal(notes->init_p2m, 0x8000000000ull);
	assert_int_equal(notes->mod_start_pfn, 1);
	assert_int_equal(notes->paddr_offset, 0);
	assert_true(xen_notes_has(notes, XEN_ELFNOTE_PADDR_OFFSET));
	assert_false(xen_notes_has(notes, XEN_ELFNOTE_HYPERCALL_PAGE));
	assert_string_equal(notes->xen_version, "xen-3.0");
	assert_string_equal(notes->loader, "generic");
	free(file.data);
}

static void header_fields_have_their_errors(void **state)
{
	assert_int_equal(parse_with(0, 0, 1), IMAGE_NOT_ELF);
	assert_int_equal(parse_with(4, 1, 1), IMAGE_32BIT);
	assert_int_equal(parse_with(4, 3, 1), IMAGE_BAD_ELF_HEADER);
	assert_int_equal(parse_with(5, 2, 1), IMAGE_BAD_ELF_HEADER);
	assert_int_equal(parse_with(6, 9, 1), IMAGE_BAD_ELF_HEADER);
	assert_int_equal(parse_with(16, 1, 2), IMAGE_NOT_EXECUTABLE);
	assert_int_equal(parse_with(16, 3, 2), IMAGE_OK);
	assert_int_equal(parse_with(18, 183, 2), IMAGE_NOT_X86);
	assert_int_equal(parse_with(32, ~0ull, 8), IMAGE_TRUNCATED);
	assert_int_equal(parse_with(32, BUILD_ELF_BYTES - 56, 8), IMAGE_TRUNCATED);
	assert_int_equal(parse_with(54, 55, 2), IMAGE_BAD_ELF_HEADER);
	assert_int_equal(parse_with(54, 0xffff, 2), IMAGE_TRUNCATED);
	assert_int_equal(parse_with(56, 0, 2), IMAGE_NO_SEGMENT);
	assert_int_equal(parse_with(56, 0xffff, 2), IMAGE_BAD_ELF_HEADER);
	assert_int_equal(parse_with(56, 2, 2), IMAGE_NO_XEN_NOTES);
}

static void segments_are_judged(void **state)
{
	const size_t data = BUILD_PHDR_DATA;

	/* offset, then sizes, then addresses */
	assert_int_equal(parse_with(data + 8, ~0ull, 8), IMAGE_TRUNCATED);
	assert_int_equal(parse_with(data + 8, BUILD_ELF_BYTES - 0x7ff, 8), IMAGE_TRUNCATED);
	assert_int_equal(parse_with(data + 8, BUILD_ELF_BYTES - 0x800, 8), IMAGE_OK);
	assert_int_equal(parse_with(data + 32, BUILD_DATA_MEMSZ + 1, 8), IMAGE_BAD_SEGMENT);
	assert_int_equal(parse_with(data + 32, ~0ull, 8), IMAGE_BAD_SEGMENT);
	assert_int_equal(parse_with(data + 32, 0, 8), IMAGE_OK);
	assert_int_equal(parse_with(data + 40, 0, 8), IMAGE_BAD_SEGMENT);
	assert_int_equal(parse_with(data + 40, ELF_EXTENT_MAX + 1, 8), IMAGE_TOO_LARGE);
	assert_int_equal(parse_with(data + 40, ELF_EXTENT_MAX, 8), IMAGE_TOO_LARGE);
	assert_int_equal(parse_with(data + 24, ELF_EXTENT_MAX, 8), IMAGE_TOO_LARGE);
	assert_int_equal(parse_with(data + 24, ~0ull - 5, 8), IMAGE_BAD_SEGMENT);
	assert_int_equal(parse_with(data + 24, ELF_EXTENT_MAX - BUILD_DATA_MEMSZ, 8), IMAGE_OK);
	assert_int_equal(parse_with(BUILD_PHDR_NOTE + 8, BUILD_ELF_BYTES, 8), IMAGE_TRUNCATED);
	assert_int_equal(parse_with(BUILD_PHDR_NOTE + 32, BUILD_ELF_BYTES, 8), IMAGE_TRUNCATED);

	/* An empty segment is nothing. */
	struct bytes file = elf_build();

	put64(file.data + data + 32, 0);
	put64(file.data + data + 40, 0);
	assert_int_equal(parse(&file, file.len), IMAGE_OK);
	assert_int_equal(elf.segment_count, 1);
	free(file.data);
}

static void too_many_segments_are_refused(void **state)
{
	struct bytes file = {calloc(1, 0x4000), 0x4000};

	elf_header_put(file.data, ELF_SEGMENTS_MAX + 1);
	for (unsigned int i = 0; i <= ELF_SEGMENTS_MAX; i++)
		phdr_put(file.data + BUILD_PHDRS + 56 * i, 1, 0, 0, 0x1000 * i, 0, 0x1000);
	assert_int_equal(parse(&file, file.len), IMAGE_SEGMENTS_MANY);
	put16(file.data + 56, ELF_SEGMENTS_MAX);
	assert_int_equal(parse(&file, file.len), IMAGE_NO_XEN_NOTES);
	assert_int_equal(elf.segment_count, ELF_SEGMENTS_MAX);
	free(file.data);
}

static void paddr_offset_is_taken_off(void **state)
{
	u64 offset = 0x200000;

	assert_int_equal(parse_with_note(XEN_ELFNOTE_PADDR_OFFSET, &offset, 8), IMAGE_BAD_ENTRY);
	assert_int_equal(elf.gpaddr_start, BUILD_TEXT_GPADDR - offset);
	offset = BUILD_TEXT_GPADDR + 1;
	assert_int_equal(parse_with_note(XEN_ELFNOTE_PADDR_OFFSET, &offset, 8), IMAGE_BAD_SEGMENT);
	offset = ~0ull;
	assert_int_equal(parse_with_note(XEN_ELFNOTE_VIRT_BASE, &offset, 8), IMAGE_BAD_SEGMENT);
}

static void entry_and_hypercall_page_lie_inside(void **state)
{
	u64 end = BUILD_VIRT_BASE + BUILD_DATA_GPADDR + BUILD_DATA_MEMSZ;
	u64 value = end - 1;

	assert_int_equal(parse_with_note(XEN_ELFNOTE_ENTRY, &value, 8), IMAGE_OK);
	value = end;
	assert_int_equal(parse_with_note(XEN_ELFNOTE_ENTRY, &value, 8), IMAGE_BAD_ENTRY);
	value = BUILD_VIRT_BASE;
	assert_int_equal(parse_with_note(XEN_ELFNOTE_ENTRY, &value, 8), IMAGE_BAD_ENTRY);
	value = end - 0x1000;
	assert_int_equal(parse_with_note(XEN_ELFNOTE_HYPERCALL_PAGE, &value, 8), IMAGE_OK);
	assert_int_equal(elf.notes.hypercall_page, value);
	value += 8;
	assert_int_equal(parse_with_note(XEN_ELFNOTE_HYPERCALL_PAGE, &value, 8), IMAGE_BAD_ENTRY);
	value = end;
	assert_int_equal(parse_with_note(XEN_ELFNOTE_HYPERCALL_PAGE, &value, 8), IMAGE_BAD_ENTRY);
	value = ~0xfffull;
	assert_int_equal(parse_with_note(XEN_ELFNOTE_HYPERCALL_PAGE, &value, 8), IMAGE_BAD_ENTRY);
}

static void notes_have_their_errors(void **state)
{
	assert_int_equal(parse_with_note(XEN_ELFNOTE_XEN_VERSION, "xen-4.0", 8), IMAGE_NOT_XEN30);
	assert_int_equal(parse_with_note(XEN_ELFNOTE_LOADER, "special", 8), IMAGE_BAD_LOADER);
	assert_int_equal(parse_with_note(XEN_ELFNOTE_VIRT_BASE, "abc", 3), IMAGE_BAD_NOTE);
	assert_int_equal(parse_with_note(XEN_ELFNOTE_INIT_P2M, "", 0), IMAGE_BAD_NOTE);
	assert_int_equal(parse_with_note(XEN_ELFNOTE_INIT_P2M, (u8[16]){0}, 16), IMAGE_BAD_NOTE);
	assert_int_equal(parse_with_note(XEN_ELFNOTE_CRASH_INFO, "abc", 3), IMAGE_OK);
	assert_int_equal(parse_with_note(XEN_ELFNOTE_MOD_START_PFN, "\2", 1), IMAGE_OK);
	assert_int_equal(elf.notes.mod_start_pfn, 2);
	assert_int_equal(parse_with_note(XEN_ELFNOTE_MOD_START_PFN, "\2\1", 2), IMAGE_OK);
	assert_int_equal(elf.notes.mod_start_pfn, 0x102);

	/* Too long a string is cut, one without its zero is taken as it is. */
	assert_int_equal(
		parse_with_note(XEN_ELFNOTE_LOADER, "0123456789012345678901234567890123456789", 40),
		IMAGE_BAD_LOADER);
	assert_string_equal(elf.notes.loader, "0123456789012345678901234567890");
	assert_int_equal(parse_with_note(XEN_ELFNOTE_LOADER, "generic", 7), IMAGE_OK);
}

static void feature_strings_are_read(void **state)
{
	const char *all =
		"writable_descriptor_tables|!auto_translated_physmap|hvm_callback_vector||strange";

	assert_int_equal(parse_with_note(XEN_ELFNOTE_FEATURES, all, (u32)strlen(all)), IMAGE_OK);
	assert_int_equal(parse_with_note(XEN_ELFNOTE_FEATURES, "dom0|!teleport|x", 16),
			 IMAGE_FEATURE_UNKNOWN);
	assert_string_equal(elf.bad_feature, "teleport");
	assert_int_equal(parse_with_note(XEN_ELFNOTE_FEATURES, "!", 1), IMAGE_FEATURE_UNKNOWN);
	assert_int_equal(parse_with_note(XEN_ELFNOTE_FEATURES, "|", 1), IMAGE_OK);
	/* A prefix or an extension of a name is another name. */
	assert_int_equal(parse_with_note(XEN_ELFNOTE_FEATURES, "!dom", 4), IMAGE_FEATURE_UNKNOWN);
	assert_int_equal(parse_with_note(XEN_ELFNOTE_FEATURES, "!dom00", 6), IMAGE_FEATURE_UNKNOWN);
}

static void notes_of_others_are_skipped(void **state)
{
	struct bytes file = elf_build();
	u8 *at = notes_put_linux(file.data);
	u8 *start = at;
	u64 value = 0x1234;

	note_put_number(&at, XEN_ELFNOTE_INIT_P2M, value);
	memcpy(start + 12, "GNU", 4);
	notes_finish(file.data, at);
	assert_int_equal(parse(&file, file.len), IMAGE_OK);
	assert_int_equal(elf.notes.init_p2m, 0x8000000000ull);
	/* "Xe" and "Xen" without its zero are not Xen; sizes that lead outside are errors. */
	memcpy(start + 12, "Xen", 4);
	put32(start, 3);
	assert_int_equal(parse(&file, file.len), IMAGE_OK);
	assert_int_equal(elf.notes.init_p2m, 0x8000000000ull);
	put32(start, ~0u);
	assert_int_equal(parse(&file, file.len), IMAGE_BAD_NOTE);
	put32(start, 4);
	put32(start + 4, 9);
	assert_int_equal(parse(&file, file.len), IMAGE_BAD_NOTE);
	put32(start + 4, ~0u);
	assert_int_equal(parse(&file, file.len), IMAGE_BAD_NOTE);
	free(file.data);
}

static void last_padding_may_be_missing(void **state)
{
	struct bytes file = elf_build();
	u8 *at = notes_put_linux(file.data);

	note_put(&at, XEN_ELFNOTE_LOADER, "mini", 5);
	notes_finish(file.data, at - 3);
	assert_int_equal(parse(&file, file.len), IMAGE_BAD_LOADER);
	assert_string_equal(elf.notes.loader, "mini");
	free(file.data);
}

static void note_sections_are_the_fallback(void **state)
{
	struct bytes file = elf_build();
	u8 *section = file.data + BUILD_SHDRS + 64;
	u64 bytes;

	memcpy(&bytes, file.data + BUILD_PHDR_NOTE + 32, 8);
	put32(file.data + BUILD_PHDR_NOTE, 0);
	put32(section + 4, 7);
	put64(section + 24, BUILD_NOTES);
	put64(section + 32, bytes);
	put64(file.data + 40, BUILD_SHDRS);
	put16(file.data + 60, 2);
	assert_int_equal(parse(&file, file.len), IMAGE_OK);
	assert_int_equal(elf.notes.entry, BUILD_ENTRY);
	put64(section + 32, BUILD_ELF_BYTES);
	assert_int_equal(parse(&file, file.len), IMAGE_TRUNCATED);
	put64(file.data + 40, BUILD_ELF_BYTES - 127);
	assert_int_equal(parse(&file, file.len), IMAGE_TRUNCATED);
	put64(file.data + 40, ~0ull);
	assert_int_equal(parse(&file, file.len), IMAGE_TRUNCATED);
	put16(file.data + 60, 0);
	assert_int_equal(parse(&file, file.len), IMAGE_NO_XEN_NOTES);
	free(file.data);
}

static void kernels_without_pv_are_refused(void **state)
{
	struct bytes file = elf_build();
	u8 *at = file.data + BUILD_NOTES;

	note_put_number(&at, XEN_ELFNOTE_PHYS32_ENTRY, 0x1000000);
	notes_finish(file.data, at);
	assert_int_equal(parse(&file, file.len), IMAGE_NO_XEN_NOTES);
	/* Without an entry note the file's own entry counts. */
	at = file.data + BUILD_NOTES;
	note_put_text(&at, XEN_ELFNOTE_GUEST_OS, "tiny");
	notes_finish(file.data, at);
	assert_int_equal(parse(&file, file.len), IMAGE_OK);
	assert_int_equal(elf.notes.entry, BUILD_TEXT_GPADDR);
	free(file.data);
}

static void every_truncation_is_safe(void **state)
{
	struct bytes file = elf_build();

	assert_int_equal(parse(&file, 0), IMAGE_EMPTY);
	for (size_t len = 1; len < file.len; len++) {
		enum image_error error = parse(&file, len);

		if (len < 4)
			assert_int_equal(error, IMAGE_NOT_ELF);
		else if (len < BUILD_DATA + 0x800)
			assert_int_equal(error, IMAGE_TRUNCATED);
		else
			assert_int_equal(error, IMAGE_OK);
	}
	free(file.data);
}

static void every_bit_flip_is_safe(void **state)
{
	struct bytes file = elf_build();
	size_t heads = BUILD_NOTES + 0x300;

	for (size_t bit = 0; bit < heads * 8; bit++) {
		file.data[bit / 8] ^= (u8)(1 << bit % 8);
		assert_true(parse(&file, file.len) < IMAGE_ERROR_COUNT);
		file.data[bit / 8] ^= (u8)(1 << bit % 8);
	}
	assert_int_equal(parse(&file, file.len), IMAGE_OK);
	free(file.data);
}

static void every_error_has_a_sentence(void **state)
{
	for (unsigned int i = 0; i < IMAGE_ERROR_COUNT; i++) {
		assert_non_null(image_strerror((enum image_error)i));
		assert_string_not_equal(image_strerror((enum image_error)i), "unknown error");
	}
	assert_string_equal(image_strerror(IMAGE_ERROR_COUNT), "unknown error");
	assert_string_equal(image_strerror((enum image_error) - 1), "unknown error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(linux_is_understood),
		cmocka_unit_test(header_fields_have_their_errors),
		cmocka_unit_test(segments_are_judged),
		cmocka_unit_test(too_many_segments_are_refused),
		cmocka_unit_test(paddr_offset_is_taken_off),
		cmocka_unit_test(entry_and_hypercall_page_lie_inside),
		cmocka_unit_test(notes_have_their_errors),
		cmocka_unit_test(feature_strings_are_read),
		cmocka_unit_test(notes_of_others_are_skipped),
		cmocka_unit_test(last_padding_may_be_missing),
		cmocka_unit_test(note_sections_are_the_fallback),
		cmocka_unit_test(kernels_without_pv_are_refused),
		cmocka_unit_test(every_truncation_is_safe),
		cmocka_unit_test(every_bit_flip_is_safe),
		cmocka_unit_test(every_error_has_a_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

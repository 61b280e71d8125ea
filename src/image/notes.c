/* SPDX-License-Identifier: MIT */
/*
 * Reads the Xen ELF notes out of one note area of a kernel. Reached by elf.c; calls lib/ only; no lock.
 *
 * A note is a head of three words (name size, descriptor size, type), the name, the descriptor, each padded to four
 * bytes. Xen's notes keep four-byte padding in 64-bit files too. Numbers come in 4 or 8 bytes, whichever the
 * kernel's assembler found handy. xen/elfnote.h is the list.
 */
#include "image/elf.h"

#include "image/priv.h"

#include "lib/abi.h"

#define NOTE_HEAD_BYTES 12u

struct note {
	u32 type;
	const u8 *desc;
	u32 desc_len;
};

/* Named as in xen/features.h without XENFEAT_, which is what the string note uses. Those of other machines: left out. */
static const struct {
	const char *name;
	unsigned int number;
} features[] = {
	{"writable_page_tables", XENFEAT_writable_page_tables},
	{"writable_descriptor_tables", XENFEAT_writable_descriptor_tables},
	{"auto_translated_physmap", XENFEAT_auto_translated_physmap},
	{"supervisor_mode_kernel", XENFEAT_supervisor_mode_kernel},
	{"pae_pgdir_above_4gb", XENFEAT_pae_pgdir_above_4gb},
	{"mmu_pt_update_preserve_ad", XENFEAT_mmu_pt_update_preserve_ad},
	{"highmem_assist", XENFEAT_highmem_assist},
	{"gnttab_map_avail_bits", XENFEAT_gnttab_map_avail_bits},
	{"hvm_callback_vector", XENFEAT_hvm_callback_vector},
	{"hvm_safe_pvclock", XENFEAT_hvm_safe_pvclock},
	{"hvm_pirqs", XENFEAT_hvm_pirqs},
	{"dom0", XENFEAT_dom0},
	{"memory_op_vnode_supported", XENFEAT_memory_op_vnode_supported},
	{"linux_rsdp_unrestricted", XENFEAT_linux_rsdp_unrestricted},
	{"not_direct_mapped", XENFEAT_not_direct_mapped},
	{"direct_mapped", XENFEAT_direct_mapped},
};

/* Which notes are numbers, and which are strings: where each goes. */
static const struct {
	unsigned int type;
	size_t offset;
} numbers[] =
	{
		{XEN_ELFNOTE_ENTRY, offsetof(struct xen_notes, entry)},
		{XEN_ELFNOTE_HYPERCALL_PAGE, offsetof(struct xen_notes, hypercall_page)},
		{XEN_ELFNOTE_VIRT_BASE, offsetof(struct xen_notes, virt_base)},
		{XEN_ELFNOTE_PADDR_OFFSET, offsetof(struct xen_notes, paddr_offset)},
		{XEN_ELFNOTE_HV_START_LOW, offsetof(struct xen_notes, hv_start_low)},
		{XEN_ELFNOTE_SUSPEND_CANCEL, offsetof(struct xen_notes, suspend_cancel)},
		{XEN_ELFNOTE_INIT_P2M, offsetof(struct xen_notes, init_p2m)},
		{XEN_ELFNOTE_MOD_START_PFN, offsetof(struct xen_notes, mod_start_pfn)},
		{XEN_ELFNOTE_PHYS32_ENTRY, offsetof(struct xen_notes, phys32_entry)},
},
  strings[] = {
	  {XEN_ELFNOTE_XEN_VERSION, offsetof(struct xen_notes, xen_version)},
	  {XEN_ELFNOTE_GUEST_OS, offsetof(struct xen_notes, guest_os)},
	  {XEN_ELFNOTE_GUEST_VERSION, offsetof(struct xen_notes, guest_version)},
	  {XEN_ELFNOTE_LOADER, offsetof(struct xen_notes, loader)},
	  {XEN_ELFNOTE_PAE_MODE, offsetof(struct xen_notes, pae_mode)},
	  {XEN_ELFNOTE_BSD_SYMTAB, offsetof(struct xen_notes, bsd_symtab)},
};

static bool note_number(const struct note *note, u64 *value)
{
	switch (note->desc_len) {
	case 1:
		*value = note->desc[0];
		return true;
	case 2:
		*value = read_u16(note->desc);
		return true;
	case 4:
		*value = read_u32(note->desc);
		return true;
	case 8:
		*value = read_u64(note->desc);
		return true;
	}
	return false;
}

static void text_copy(char to[XEN_NOTE_STRING_MAX], const u8 *from, size_t len)
{
	len = MIN(len, (size_t)XEN_NOTE_STRING_MAX - 1);
	memcpy(to, from, len);
	to[len] = '\0';
}

/* The length of a string descriptor without its closing zero, which some assemblers' users forget. */
static size_t note_text_len(const struct note *note)
{
	size_t len = 0;

	while (len < note->desc_len && note->desc[len])
		len++;
	return len;
}

static bool feature_find(const u8 *name, size_t len, u32 *bit)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(features); i++) {
		if (strlen(features[i].name) != len || memcmp(features[i].name, name, len) != 0)
			continue;
		*bit = 1u << features[i].number;
		return true;
	}
	return false;
}

/* "!required|supported|...": an unknown feature matters only if it is required. */
static enum image_error features_parse(struct xen_notes *notes, const struct note *note,
				       char bad_feature[XEN_NOTE_STRING_MAX])
{
	size_t len = note_text_len(note), at = 0;

	while (at < len) {
		bool is_required = note->desc[at] == '!';
		size_t start = is_required ? at + 1 : at;
		size_t end = start;
		u32 bit;

		while (end < len && note->desc[end] != '|')
			end++;
		if (feature_find(note->desc + start, end - start, &bit)) {
			notes->features_supported |= bit;
			if (is_required)
				notes->features_required |= bit;
		} else if (is_required) {
			text_copy(bad_feature, note->desc + start, end - start);
			return IMAGE_FEATURE_UNKNOWN;
		}
		at = end + 1;
	}
	return IMAGE_OK;
}

static enum image_error mfn_valid_parse(struct xen_notes *notes, const struct note *note)
{
	const u32 pair_bytes = 2 * sizeof(u64);

	if (!note->desc_len || note->desc_len % pair_bytes ||
	    note->desc_len / pair_bytes > XEN_NOTE_MFN_VALID_MAX)
		return IMAGE_BAD_NOTE;
	notes->l1_mfn_valid_count = note->desc_len / pair_bytes;
	for (unsigned int i = 0; i < notes->l1_mfn_valid_count; i++) {
		notes->l1_mfn_valid[i].mask = read_u64(note->desc + i * pair_bytes);
		notes->l1_mfn_valid[i].value = read_u64(note->desc + i * pair_bytes + sizeof(u64));
	}
	return IMAGE_OK;
}

static enum image_error note_take(struct xen_notes *notes, const struct note *note,
				  char bad_feature[XEN_NOTE_STRING_MAX])
{
	u64 value;

	if (note->type > XEN_ELFNOTE_MAX)
		return IMAGE_OK;
	notes->present |= 1u << note->type;
	if (note->type == XEN_ELFNOTE_FEATURES)
		return features_parse(notes, note, bad_feature);
	if (note->type == XEN_ELFNOTE_L1_MFN_VALID)
		return mfn_valid_parse(notes, note);
	if (note->type == XEN_ELFNOTE_SUPPORTED_FEATURES) {
		if (!note_number(note, &value))
			return IMAGE_BAD_NOTE;
		notes->features_supported |= (u32)value;
		return IMAGE_OK;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (numbers[i].type != note->type)
			continue;
		if (!note_number(note, &value))
			return IMAGE_BAD_NOTE;
		memcpy((u8 *)notes + numbers[i].offset, &value, sizeof(value));
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(strings); i++)
		if (strings[i].type == note->type)
			text_copy((char *)notes + strings[i].offset, note->desc,
				  note_text_len(note));
	return IMAGE_OK;
}

/* Trailing bytes too few for a head are padding. */
enum image_error xen_notes_parse(struct xen_notes *notes, const u8 *area, size_t size,
				 char bad_feature[XEN_NOTE_STRING_MAX])
{
	size_t at = 0;

	while (size - at >= NOTE_HEAD_BYTES) {
		u32 name_len = read_u32(area + at);
		struct note note = {
			.desc_len = read_u32(area + at + 4),
			.type = read_u32(area + at + 8),
		};
		const u8 *name = area + at + NOTE_HEAD_BYTES;
		u64 name_room = ROUND_UP((u64)name_len, 4ull);
		u64 desc_room = ROUND_UP((u64)note.desc_len, 4ull);
		size_t left = size - at - NOTE_HEAD_BYTES;
		enum image_error error;

		if (name_room > left || note.desc_len > left - name_room)
			return IMAGE_BAD_NOTE;
		note.desc = name + name_room;
		if (name_len == sizeof("Xen") && memcmp(name, "Xen", sizeof("Xen")) == 0) {
			error = note_take(notes, &note, bad_feature);
			if (error != IMAGE_OK)
				return error;
		}
		/* The padding of the last descriptor may be missing. */
		at += NOTE_HEAD_BYTES + name_room + MIN(desc_room, left - name_room);
	}
	return IMAGE_OK;
}

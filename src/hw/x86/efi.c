/* SPDX-License-Identifier: MIT */
/* Reads EFI's system table once, bounded and checked. Reached from boot/; calls the seam's mapping of memory. No lock. */
#include "hw/efi.h"

#include "core/log.h"
#include "hw/paging.h"
#include "lib/string.h"

#define SYSTEM_TABLE_SIGNATURE 0x5453595320494249ull /* "IBI SYST" */
#define TABLES_MAX	       256

struct system_table {
	u64 signature;
	u32 revision, header_bytes, crc, reserved;
	u64 vendor;
	u32 firmware_revision, pad;
	u64 console[6];
	u64 runtime, boot;
	u64 table_count;
	u64 tables;
};

struct efi_info hw_efi;

static void vendor_read(u64 address)
{
	const u16 *text = address ? hw_phys_map(address, sizeof(hw_efi.vendor)) : NULL;

	for (unsigned int i = 0; text && i < EFI_VENDOR_CHARS - 1 && text[i]; i++)
		hw_efi.vendor[i] = text[i];
}

void hw_efi_init(u64 system_table)
{
	const struct system_table *table = NULL;

	memset(&hw_efi, 0, sizeof(hw_efi));
	if (!system_table)
		return;
	table = hw_phys_map(system_table, sizeof(*table));
	if (!table || table->signature != SYSTEM_TABLE_SIGNATURE ||
	    table->table_count > TABLES_MAX ||
	    !hw_phys_map(table->tables, table->table_count * 24 + 1)) {
		log_warning("EFI: no sound system table at %lx", system_table);
		return;
	}
	hw_efi.is_present = true;
	hw_efi.version = table->revision;
	hw_efi.firmware_revision = table->firmware_revision;
	hw_efi.tables = table->tables;
	hw_efi.table_count = (u32)table->table_count;
	vendor_read(table->vendor);
	log_info("EFI: version %u.%u, %u configuration tables", hw_efi.version >> 16,
		 (hw_efi.version & 0xffff) / 10, hw_efi.table_count);
}

/* SPDX-License-Identifier: MIT */
/*
 * What EFI firmware left behind, for Domain 0: Mica itself calls no EFI service. Filled once at boot from the system table
 * that the loader passed; constant afterwards, no lock. UEFI 2.9, 4.3.
 */
#pragma once

#include "lib/types.h"

#define EFI_VENDOR_CHARS 64

struct efi_info {
	bool is_present;
	u32 version; /* of the specification, as in the system table's header */
	u32 firmware_revision;
	u64 tables; /* physical address of the configuration tables */
	u32 table_count;
	u16 vendor[EFI_VENDOR_CHARS]; /* UCS-2, ends with 0 */
};

extern struct efi_info hw_efi;

/* system_table: physical, 0: not started by 64-bit EFI. Damaged tables are said in the log and ignored. */
void hw_efi_init(u64 system_table);

/* SPDX-License-Identifier: MIT */
/* uses: src/hw/x86/acpi_tables.c */
/* Any bytes as ACPI tables: the first byte says which. What is found must lie within its arrays. */
#include <stdlib.h>
#include <string.h>

#include "hw/acpi.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void check(const struct acpi_info *info)
{
	if (info->cpu_count > ACPI_CPUS_MAX || info->ioapic_count > ACPI_IOAPICS_MAX ||
	    info->override_count > ACPI_OVERRIDES_MAX || info->nmi_count > ACPI_NMIS_MAX ||
	    info->mcfg_count > ACPI_MCFG_MAX || info->s5_type_a > 7)
		abort();
	if (info->pm_timer.space == ACPI_SPACE_PORT && info->pm_timer.address > 0xffff)
		abort();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static struct acpi_info info;
	bool is_xsdt;
	u64 root;
	u8 *copy;

	if (size < 1 + ACPI_HEADER_BYTES)
		return 0;
	memset(&info, 0, sizeof(info));
	copy = malloc(size - 1); /* so that every byte too far is seen */
	memcpy(copy, data + 1, size - 1);
	size--;
	switch (data[0] % 7) {
	case 0:
		(void)acpi_madt_read(&info, copy, size);
		break;
	case 1:
		(void)acpi_fadt_read(&info, copy, size);
		break;
	case 2:
		(void)acpi_hpet_read(&info, copy, size);
		break;
	case 3:
		(void)acpi_mcfg_read(&info, copy, size);
		break;
	case 4:
		(void)acpi_s5_find(&info, copy, size);
		break;
	case 5:
		(void)acpi_rsdp_find(copy, size);
		(void)acpi_rsdp_judge(copy, size, &root, &is_xsdt);
		break;
	default:
		for (size_t i = 0; i < 300; i++)
			(void)acpi_root_entry(copy, size, i & 1, i);
		(void)acpi_table_length(copy);
		(void)acpi_table_is_sound(copy, size);
	}
	check(&info);
	free(copy);
	return 0;
}

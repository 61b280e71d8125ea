/* SPDX-License-Identifier: MIT */
/*
 * Finding the ACPI tables in memory (acpi_tables.c reads them), and the registers that end the machine: sleep and reset.
 * Reached from boot/, hcall/platform_op.c and whoever ends the machine; calls the log and the seam; runs alone (at boot, or
 * when the other CPUs have stopped), so no lock.
 */
#include "hw/acpi.h"

#include "core/err.h"
#include "core/log.h"
#include "hw/clock.h"
#include "hw/cpu.h"
#include "hw/io.h"
#include "hw/paging.h"
#include "lib/errno.h"
#include "lib/string.h"

#define RSDP_BYTES	 36
#define ROOT_ENTRIES_MAX 256

struct acpi_info hw_acpi;

static u64 rsdp_search(void)
{
	const u8 *bda = hw_phys_map(0x400, 0x100);
	const u8 *bios = hw_phys_map(0xe0000, 0x20000);
	u64 ebda = bda ? (u64)(bda[0x0e] | bda[0x0f] << 8) << 4 : 0;
	const u8 *area = ebda >= 0x80000 && ebda < 0xa0000 ? hw_phys_map(ebda, 0x400) : NULL;
	long at = area ? acpi_rsdp_find(area, 0x400) : -1;

	if (at >= 0)
		return ebda + (u64)at;
	at = bios ? acpi_rsdp_find(bios, 0x20000) : -1;
	return at >= 0 ? 0xe0000 + (u64)at : 0;
}

/* The whole table, as long as it says; NULL: there is none. */
static const u8 *table_map(u64 address, size_t *bytes)
{
	const u8 *header = address ? hw_phys_map(address, ACPI_HEADER_BYTES) : NULL;

	*bytes = header ? acpi_table_length(header) : 0;
	return *bytes ? hw_phys_map(address, *bytes) : NULL;
}

/* The same, checked; NULL with a line in the log. */
static const u8 *table_open(u64 address, size_t *bytes)
{
	const u8 *table = table_map(address, bytes);

	if (!table)
		log_warning("ACPI: no table at %lx", address);
	else if (!acpi_table_is_sound(table, *bytes))
		log_warning("ACPI: table %.4s at %lx has a wrong checksum, not used",
			    (const char *)table, address);
	else
		return table;
	return NULL;
}

enum {
	SIG_MADT = ACPI_SIG('A', 'P', 'I', 'C'),
	SIG_FADT = ACPI_SIG('F', 'A', 'C', 'P'),
	SIG_HPET = ACPI_SIG('H', 'P', 'E', 'T'),
	SIG_MCFG = ACPI_SIG('M', 'C', 'F', 'G'),
};

static void table_read(u64 address, bool *has_madt)
{
	const u8 *header = hw_phys_map(address, ACPI_HEADER_BYTES), *table;
	u32 signature = header ? acpi_table_signature(header) : 0;
	size_t bytes;
	int rc = 0;

	if (signature != SIG_MADT && signature != SIG_FADT && signature != SIG_HPET &&
	    signature != SIG_MCFG)
		return;
	table = table_open(address, &bytes);
	if (!table)
		return;
	if (signature == SIG_FADT)
		rc = acpi_fadt_read(&hw_acpi, table, bytes);
	else if (signature == SIG_MCFG)
		rc = acpi_mcfg_read(&hw_acpi, table, bytes);
	else if (signature == SIG_HPET && !hw_acpi.hpet_address)
		rc = acpi_hpet_read(&hw_acpi, table, bytes);
	else if (signature == SIG_MADT && !*has_madt)
		rc = acpi_madt_read(&hw_acpi, table, bytes);
	*has_madt = *has_madt || (signature == SIG_MADT && rc == 0);
	if (rc)
		log_warning("ACPI: table %.4s makes no sense", (const char *)table);
}

int hw_acpi_init(u64 rsdp)
{
	const u8 *p, *root;
	bool is_xsdt, has_madt = false;
	u64 root_address;
	size_t bytes;

	memset(&hw_acpi, 0, sizeof(hw_acpi));
	if (!rsdp)
		rsdp = rsdp_search();
	p = rsdp ? hw_phys_map(rsdp, RSDP_BYTES) : NULL;
	if (!p)
		return -ENOENT;
	if (acpi_rsdp_judge(p, RSDP_BYTES, &root_address, &is_xsdt))
		return -EINVAL;
	root = table_open(root_address, &bytes);
	if (!root)
		return -EINVAL;
	hw_acpi.rsdp = rsdp;
	for (size_t i = 0; i < ROOT_ENTRIES_MAX; i++) {
		u64 address = acpi_root_entry(root, bytes, is_xsdt, i);

		if (address)
			table_read(address, &has_madt);
	}
	p = table_map(hw_acpi.dsdt, &bytes);
	if (p && acpi_table_signature(p) == ACPI_SIG('D', 'S', 'D', 'T'))
		(void)acpi_s5_find(&hw_acpi, p, bytes);
	if (!has_madt)
		return -ENOENT;
	if (hw_acpi.cpus_left_out)
		log_warning("ACPI: %u CPUs more than Mica can use", hw_acpi.cpus_left_out);
	log_info("ACPI: %u CPUs, %u IO-APICs, %u overrides%s%s", hw_acpi.cpu_count,
		 hw_acpi.ioapic_count, hw_acpi.override_count, hw_acpi.hpet_address ? ", HPET" : "",
		 hw_acpi.mcfg_count ? ", MCFG" : "");
	return 0;
}

/* ---------------------------------------------------------------- sleep */

#define PM1_SLP_TYP (7u << 10)
#define PM1_SLP_EN  BIT(13)
#define SLEEP_EN    BIT(5) /* sleep control register, hardware-reduced */

/* A register that is not there reads as zero. */
static u32 register_read(const struct acpi_register *reg, unsigned int bytes)
{
	if (!reg->bits)
		return 0;
	if (reg->space == ACPI_SPACE_PORT)
		return hw_in((u16)reg->address, bytes);
	if (reg->space == ACPI_SPACE_MEMORY)
		return hw_mmio_read(hw_device_map(reg->address, bytes), bytes);
	return 0;
}

static void register_write(const struct acpi_register *reg, unsigned int bytes, u32 value)
{
	if (!reg->bits)
		return;
	if (reg->space == ACPI_SPACE_PORT)
		hw_out((u16)reg->address, bytes, value);
	else if (reg->space == ACPI_SPACE_MEMORY)
		hw_mmio_write(hw_device_map(reg->address, bytes), bytes, value);
}

static void delay_ms(u64 ms)
{
	u64 end = hw_tsc() + (hw_tsc_khz ? hw_tsc_khz : 1000000) * ms;

	while (hw_tsc() < end)
		__asm__ volatile("pause");
}

/* SLP_TYP first, then SLP_EN, in both blocks (ACPI 6.4 4.8.3.2.1). */
static void pm1_sleep(u16 value_a, u16 value_b)
{
	const struct acpi_register *a = &hw_acpi.pm1a_control, *b = &hw_acpi.pm1b_control;
	u32 keep = ~(PM1_SLP_TYP | (u32)PM1_SLP_EN);
	u32 now_a = (register_read(a, 2) & keep) | (value_a & PM1_SLP_TYP);
	u32 now_b = (register_read(b, 2) & keep) | (value_b & PM1_SLP_TYP);

	register_write(a, 2, now_a);
	register_write(b, 2, now_b);
	register_write(a, 2, now_a | (u32)PM1_SLP_EN);
	register_write(b, 2, now_b | (u32)PM1_SLP_EN);
}

void hw_acpi_sleep(u16 value_a, u16 value_b, bool is_extended)
{
	if (!is_extended)
		pm1_sleep(value_a, value_b);
	else
		register_write(&hw_acpi.sleep_control, 1, (value_a & 7u) << 2 | (u32)SLEEP_EN);
	delay_ms(500);
}

/* ---------------------------------------------------------------- the end */

static void reset_by_acpi(void)
{
	const struct acpi_register *reg = &hw_acpi.reset;

	if (!reg->bits)
		return;
	if (reg->space == ACPI_SPACE_PCI) {
		/* Device 0 of bus 0: address is device << 32 | function << 16 | offset. */
		hw_out32(0xcf8, (u32)(BIT(31) | (reg->address >> 32 & 0x1f) << 11 |
				      (reg->address >> 16 & 7) << 8 | (reg->address & 0xfc)));
		hw_out8((u16)(0xcfc + (reg->address & 3)), hw_acpi.reset_value);
	} else {
		register_write(reg, 1, hw_acpi.reset_value);
	}
	delay_ms(100);
}

static void reset_by_keyboard(void)
{
	for (unsigned int i = 0; i < 1000 && (hw_in8(0x64) & 2) != 0; i++)
		delay_ms(1);
	hw_out8(0x64, 0xfe);
	delay_ms(100);
}

NORETURN void hw_machine_reboot(void)
{
	static const struct {
		u16 limit;
		u64 base;
	} PACKED no_idt = {0, 0};

	hw_irq_disable();
	reset_by_acpi();
	reset_by_keyboard();
	hw_out8(0xcf9, 0x02);
	delay_ms(1);
	hw_out8(0xcf9, 0x06);
	delay_ms(100);
	__asm__ volatile("lidt %0; ud2" : : "m"(no_idt));
	hw_halt();
}

/* Bochs: stops when this is written to its port. */
static void poweroff_bochs(void)
{
	static const char word[] = "Shutdown";

	for (size_t i = 0; i < sizeof(word) - 1; i++)
		hw_out8(0x8900, (u8)word[i]);
}

NORETURN void hw_machine_poweroff(void)
{
	hw_irq_disable();
	if (hw_acpi.has_s5 && hw_acpi.is_hw_reduced)
		hw_acpi_sleep(hw_acpi.s5_type_a, 0, true);
	else if (hw_acpi.has_s5)
		hw_acpi_sleep((u16)(hw_acpi.s5_type_a << 10), (u16)(hw_acpi.s5_type_b << 10),
			      false);
	poweroff_bochs();
	log_warning("The machine does not switch off: halted.");
	hw_halt();
}

/* SPDX-License-Identifier: MIT */
/*
 * Reading ACPI tables: bytes in, struct acpi_info out. Firmware is not trusted to be right: lengths are judged before
 * anything is read, entries that make no sense are left out, arrays are bounded. Pure: reached from acpi.c and from the host
 * tests; calls nothing; no lock. ACPI 6.4, 5.2.
 */
#include "hw/acpi.h"

#include "lib/errno.h"
#include "lib/string.h"

#define RSDP_BYTES_V1 20
#define RSDP_BYTES_V2 36

static u16 read16(const u8 *p)
{
	return (u16)(p[0] | p[1] << 8);
}

static u32 read32(const u8 *p)
{
	return (u32)read16(p) | (u32)read16(p + 2) << 16;
}

static u64 read64(const u8 *p)
{
	return (u64)read32(p) | (u64)read32(p + 4) << 32;
}

static u8 sum(const u8 *p, size_t bytes)
{
	u8 total = 0;

	for (size_t i = 0; i < bytes; i++)
		total = (u8)(total + p[i]);
	return total;
}

static bool rsdp_is_sound(const u8 *p, size_t bytes)
{
	return bytes >= RSDP_BYTES_V1 && memcmp(p, "RSD PTR ", 8) == 0 &&
	       sum(p, RSDP_BYTES_V1) == 0;
}

long acpi_rsdp_find(const u8 *area, size_t bytes)
{
	for (size_t at = 0; at + RSDP_BYTES_V1 <= bytes; at += 16)
		if (rsdp_is_sound(area + at, bytes - at))
			return (long)at;
	return -1;
}

int acpi_rsdp_judge(const u8 *rsdp, size_t bytes, u64 *root, bool *is_xsdt)
{
	if (!rsdp_is_sound(rsdp, bytes))
		return -EINVAL;
	/* Revision 2 and later has the 64-bit table, if its own checksum agrees. */
	if (rsdp[15] >= 2 && bytes >= RSDP_BYTES_V2 && sum(rsdp, RSDP_BYTES_V2) == 0 &&
	    read64(rsdp + 24) != 0) {
		*root = read64(rsdp + 24);
		*is_xsdt = true;
		return 0;
	}
	*root = read32(rsdp + 16);
	*is_xsdt = false;
	return *root ? 0 : -EINVAL;
}

size_t acpi_table_length(const u8 *header)
{
	u32 length = read32(header + 4);

	return length >= ACPI_HEADER_BYTES && length <= ACPI_TABLE_BYTES_MAX ? length : 0;
}

bool acpi_table_is_sound(const u8 *table, size_t bytes)
{
	return sum(table, bytes) == 0;
}

u32 acpi_table_signature(const u8 *table)
{
	return read32(table);
}

u64 acpi_root_entry(const u8 *table, size_t bytes, bool is_xsdt, size_t idx)
{
	size_t size = is_xsdt ? 8 : 4;
	size_t count = (bytes - ACPI_HEADER_BYTES) / size;
	const u8 *entry = table + ACPI_HEADER_BYTES + idx * size;

	if (idx >= count)
		return 0;
	return is_xsdt ? read64(entry) : read32(entry);
}

/* ---------------------------------------------------------------- MADT */

static void madt_cpu(struct acpi_info *info, u32 apic_id, u32 acpi_id, u32 flags)
{
	if ((flags & 1) == 0)
		return; /* not there, or to be plugged in later */
	for (unsigned int i = 0; i < info->cpu_count; i++)
		if (info->cpus[i].apic_id == apic_id)
			return; /* listed twice, as local APIC and as x2APIC */
	if (info->cpu_count == ACPI_CPUS_MAX) {
		info->cpus_left_out++;
		return;
	}
	info->cpus[info->cpu_count++] = (struct acpi_cpu){
		.apic_id = apic_id,
		.acpi_id = acpi_id,
	};
}

static void madt_ioapic(struct acpi_info *info, const u8 *p)
{
	u64 address = read32(p + 4);

	if (info->ioapic_count == ACPI_IOAPICS_MAX || address == 0)
		return;
	info->ioapics[info->ioapic_count++] = (struct acpi_ioapic){
		.id = p[2],
		.address = address,
		.gsi_base = read32(p + 8),
	};
}

static void madt_override(struct acpi_info *info, const u8 *p)
{
	u16 flags = read16(p + 8);

	if (info->override_count == ACPI_OVERRIDES_MAX || p[2] != 0 || p[3] > 15)
		return;
	info->overrides[info->override_count++] = (struct acpi_override){
		.gsi = read32(p + 4),
		.is_low = (flags & 3) == 3,
		.is_level = (flags >> 2 & 3) == 3,
	};
}

static void madt_nmi(struct acpi_info *info, u32 acpi_id, u16 flags, u8 lint)
{
	if (info->nmi_count == ACPI_NMIS_MAX || lint > 1)
		return;
	info->nmis[info->nmi_count++] = (struct acpi_nmi){
		.acpi_id = acpi_id, .flags = flags, .lint = lint};
}

static void madt_entry(struct acpi_info *info, const u8 *p, u8 length)
{
	if (p[0] == 0 && length >= 8 && p[3] != 0xff)
		madt_cpu(info, p[3], p[2], read32(p + 4));
	else if (p[0] == 1 && length >= 12)
		madt_ioapic(info, p);
	else if (p[0] == 2 && length >= 10)
		madt_override(info, p);
	else if (p[0] == 4 && length >= 6)
		madt_nmi(info, p[2], read16(p + 3), p[5]);
	else if (p[0] == 5 && length >= 12)
		info->lapic_address = read64(p + 4);
	else if (p[0] == 9 && length >= 16)
		madt_cpu(info, read32(p + 4), read32(p + 12), read32(p + 8));
	else if (p[0] == 10 && length >= 12)
		madt_nmi(info, read32(p + 4), read16(p + 2), p[8]);
}

int acpi_madt_read(struct acpi_info *info, const u8 *table, size_t bytes)
{
	if (bytes < 44)
		return -EINVAL;
	info->lapic_address = read32(table + 36);
	for (size_t at = 44; at + 2 <= bytes;) {
		u8 length = table[at + 1];

		if (length < 2 || length > bytes - at)
			return -EINVAL;
		madt_entry(info, table + at, length);
		at += length;
	}
	return info->cpu_count ? 0 : -EINVAL;
}

/* ---------------------------------------------------------------- FADT */

/* Generic address structure, if the table has it. */
static struct acpi_register gas_read(const u8 *table, size_t bytes, size_t at)
{
	struct acpi_register reg = {0};
	const u8 *p = table + at;

	if (at + 12 > bytes || read64(p + 4) == 0)
		return reg;
	reg.space = p[0];
	reg.bits = p[1];
	reg.address = read64(p + 4);
	if (reg.space == ACPI_SPACE_PORT && reg.address > 0xffff)
		return (struct acpi_register){0};
	return reg;
}

/* A block by its extended field, or else by the old 32-bit port and its length. */
static struct acpi_register block_read(const u8 *table, size_t bytes, size_t gas_at, size_t port_at,
				       u8 length)
{
	struct acpi_register reg = gas_read(table, bytes, gas_at);
	u32 port = read32(table + port_at);

	if (reg.address && reg.space <= ACPI_SPACE_PORT && reg.bits)
		return reg;
	reg = (struct acpi_register){0};
	if (port && port <= 0xffff && length) {
		reg.address = port;
		reg.space = ACPI_SPACE_PORT;
		reg.bits = (u8)(length > 31 ? 248 : length * 8);
	}
	return reg;
}

int acpi_fadt_read(struct acpi_info *info, const u8 *table, size_t bytes)
{
	u64 wide;
	u32 flags;

	if (bytes < 116)
		return -EINVAL;
	info->dsdt = read32(table + 40);
	info->century = table[108];
	flags = read32(table + 112);
	info->is_hw_reduced = (flags & BIT(20)) != 0;
	info->pm1a_control = block_read(table, bytes, 172, 64, table[89]);
	info->pm1b_control = block_read(table, bytes, 184, 68, table[89]);
	info->pm_timer = block_read(table, bytes, 208, 76, table[91]);
	info->sleep_control = gas_read(table, bytes, 244);
	if (bytes >= 129 && (flags & BIT(10)) != 0) {
		info->reset = gas_read(table, bytes, 116);
		info->reset_value = table[128];
	}
	wide = bytes >= 148 ? read64(table + 140) : 0;
	info->dsdt = wide ? wide : info->dsdt;
	return 0;
}

/*
 * NameOp or not, "_S5_", PackageOp, length, count, then two numbers: ZeroOp, OneOp, or BytePrefix value. ACPI 6.4 7.4.2
 * and 20.2.
 */
static bool s5_parse(const u8 *p, const u8 *end, u8 values[2])
{
	if (end - p < 3 || p[0] != 0x12)
		return false;
	p += 2 + (p[1] >> 6); /* package length: 1..4 bytes */
	if (p >= end || *p++ < 2)
		return false;
	for (int i = 0; i < 2; i++) {
		if (p >= end)
			return false;
		if (*p <= 1) {
			values[i] = *p++;
		} else if (*p == 0x0a && end - p >= 2) {
			values[i] = p[1];
			p += 2;
		} else {
			return false;
		}
	}
	return values[0] <= 7 && values[1] <= 7;
}

int acpi_s5_find(struct acpi_info *info, const u8 *table, size_t bytes)
{
	for (size_t at = ACPI_HEADER_BYTES; at + 4 < bytes; at++) {
		u8 values[2];

		if (memcmp(table + at, "_S5_", 4) != 0 ||
		    !s5_parse(table + at + 4, table + bytes, values))
			continue;
		info->has_s5 = true;
		info->s5_type_a = values[0];
		info->s5_type_b = values[1];
		return 0;
	}
	return -ENOENT;
}

/* ---------------------------------------------------------------- HPET, MCFG */

int acpi_hpet_read(struct acpi_info *info, const u8 *table, size_t bytes)
{
	if (bytes < 56 || table[40] != ACPI_SPACE_MEMORY)
		return -EINVAL;
	info->hpet_address = read64(table + 44);
	return 0;
}

int acpi_mcfg_read(struct acpi_info *info, const u8 *table, size_t bytes)
{
	if (bytes < 44)
		return -EINVAL;
	for (size_t at = 44; at + 16 <= bytes && info->mcfg_count < ACPI_MCFG_MAX; at += 16) {
		const u8 *p = table + at;

		if (read64(p) == 0 || (read64(p) & 0xfffff) != 0 || p[11] < p[10])
			continue;
		info->mcfgs[info->mcfg_count++] = (struct acpi_mcfg){
			.address = read64(p),
			.segment = read16(p + 8),
			.bus_first = p[10],
			.bus_last = p[11],
		};
	}
	return 0;
}

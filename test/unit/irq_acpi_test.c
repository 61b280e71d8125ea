/* SPDX-License-Identifier: MIT */
/* uses: src/hw/x86/acpi_tables.c */
/* ACPI tables as firmware makes them, and as it should not: wrong lengths, too many entries, doubles, truncation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hw/acpi.h"
#include "lib/errno.h"

static u8 table[65536];
static size_t used;
static struct acpi_info info;

static void put(u64 value, unsigned int bytes)
{
	memcpy(table + used, &value, bytes);
	used += bytes;
}

static void poke(size_t at, u64 value, unsigned int bytes)
{
	memcpy(table + at, &value, bytes);
}

static void begin(const char *signature)
{
	memset(table, 0, sizeof(table));
	memset(&info, 0, sizeof(info));
	memcpy(table, signature, 4);
	used = ACPI_HEADER_BYTES;
}

static void end(void)
{
	u8 sum = 0;

	poke(4, used, 4);
	table[9] = 0;
	for (size_t i = 0; i < used; i++)
		sum = (u8)(sum + table[i]);
	table[9] = (u8)-sum;
}

static void cpu(u8 acpi_id, u8 apic_id, u32 flags)
{
	put(0, 1);
	put(8, 1);
	put(acpi_id, 1);
	put(apic_id, 1);
	put(flags, 4);
}

static void madt_begin(void)
{
	begin("APIC");
	put(0xfee00000, 4);
	put(1, 4);
}

static void madt(void **state)
{
	(void)state;
	madt_begin();
	cpu(0, 0, 1);
	cpu(1, 2, 1);
	cpu(2, 4, 0);	     /* not there */
	cpu(3, 6, 2);	     /* may come */
	cpu(4, 2, 1);	     /* twice */
	cpu(5, 0xff, 1);     /* nobody */
	put(9 | 16 << 8, 2); /* x2APIC */
	put(0, 2);
	put(300, 4);
	put(1, 4);
	put(77, 4);
	put(1 | 12 << 8, 2); /* IO-APIC */
	put(9, 1);
	put(0, 1);
	put(0xfec00000, 4);
	put(24, 4);
	put(2 | 10 << 8, 2); /* override */
	put(0 | 9 << 8, 2);
	put(20, 4);
	put(0xf, 2);
	put(4 | 6 << 8, 2); /* NMI on LINT1 of all */
	put(0xff, 1);
	put(5, 2);
	put(1, 1);
	put(10 | 12 << 8, 2); /* x2APIC NMI */
	put(0, 2);
	put(77, 4);
	put(1, 1);
	put(0, 3);
	put(200 | 3 << 8, 2); /* unknown */
	put(0, 1);
	put(5 | 12 << 8, 2); /* local APIC moved */
	put(0, 2);
	put(0x1fee00000, 8);
	end();
	assert_true(acpi_table_is_sound(table, used));
	assert_int_equal(acpi_table_length(table), used);
	assert_int_equal(acpi_madt_read(&info, table, used), 0);
	assert_int_equal(info.cpu_count, 3);
	assert_int_equal(info.cpus[2].apic_id, 300);
	assert_int_equal(info.cpus[2].acpi_id, 77);
	assert_int_equal(info.ioapic_count, 1);
	assert_int_equal(info.ioapics[0].gsi_base, 24);
	assert_int_equal(info.override_count, 1);
	assert_int_equal(info.overrides[0].gsi, 20);
	assert_true(info.overrides[0].is_level && info.overrides[0].is_low);
	assert_int_equal(info.nmi_count, 2);
	assert_int_equal(info.lapic_address, 0x1fee00000);
}

static void madt_bad(void **state)
{
	(void)state;
	madt_begin();
	end();
	assert_int_equal(acpi_madt_read(&info, table, used), -EINVAL); /* no CPU */
	assert_int_equal(acpi_madt_read(&info, table, 40), -EINVAL);
	cpu(0, 0, 1);
	put(1, 1);
	put(0, 1); /* length 0: would never end */
	assert_int_equal(acpi_madt_read(&info, table, used), -EINVAL);
	poke(used - 1, 200, 1); /* longer than the table */
	assert_int_equal(acpi_madt_read(&info, table, used), -EINVAL);
	madt_begin();
	for (unsigned int i = 0; i < 400; i++) { /* more than anybody has */
		put(9 | 16 << 8, 2);
		put(0, 2);
		put(i, 4);
		put(1, 4);
		put(i, 4);
		put(1 | 12 << 8, 2);
		put(i, 2);
		put(0xfec00000 + 0x1000 * i, 4);
		put(i, 4);
		put(2 | 10 << 8, 2);
		put((i & 15) << 8, 2);
		put(i, 4);
		put(0, 2);
		put(4 | 6 << 8, 2);
		put(0, 4);
	}
	assert_int_equal(acpi_madt_read(&info, table, used), 0);
	assert_int_equal(info.cpu_count, ACPI_CPUS_MAX);
	assert_int_equal(info.cpus_left_out, 400 - ACPI_CPUS_MAX);
	assert_int_equal(info.ioapic_count, ACPI_IOAPICS_MAX);
	assert_int_equal(info.override_count, ACPI_OVERRIDES_MAX);
	assert_int_equal(info.nmi_count, ACPI_NMIS_MAX);
}

static void fadt_old(void **state)
{
	(void)state;
	begin("FACP");
	used = 116;
	poke(40, 0x7fe0000, 4);
	poke(46, 9, 2);
	poke(64, 0x604, 4);
	poke(89, 2, 1);
	poke(76, 0x608, 4);
	poke(91, 4, 1);
	poke(108, 0x32, 1);
	poke(112, BIT(8) | BIT(10), 4);
	end();
	assert_int_equal(acpi_fadt_read(&info, table, used), 0);
	assert_int_equal(info.pm_timer.address, 0x608);
	assert_int_equal(info.pm_timer.space, ACPI_SPACE_PORT);
	assert_int_equal(info.pm1a_control.address, 0x604);
	assert_int_equal(info.pm1a_control.bits, 16);
	assert_int_equal(info.pm1b_control.bits, 0);
	assert_int_equal(info.reset.bits, 0); /* the table ends before it */
	assert_int_equal(info.dsdt, 0x7fe0000);
	assert_int_equal(info.century, 0x32);
	assert_int_equal(acpi_fadt_read(&info, table, 115), -EINVAL);
}

static void gas(size_t at, u8 space, u8 bits, u8 access, u64 address)
{
	poke(at, space | (u64)bits << 8 | (u64)access << 24, 4);
	poke(at + 4, address, 8);
}

static void fadt_new(void **state)
{
	(void)state;
	begin("FACP");
	used = 268;
	poke(76, 0x608, 4);
	poke(91, 4, 1);
	poke(112, BIT(10) | BIT(20), 4);
	gas(116, ACPI_SPACE_PORT, 8, 1, 0xcf9);
	poke(128, 0x0f, 1);
	poke(140, 0x123456789, 8);
	gas(172, ACPI_SPACE_MEMORY, 16, 2, 0xfed00000);
	gas(208, ACPI_SPACE_PORT, 32, 3, 0x12345678); /* no such port: the old field counts */
	gas(244, ACPI_SPACE_PORT, 8, 1, 0x600);
	end();
	assert_int_equal(acpi_fadt_read(&info, table, used), 0);
	assert_int_equal(info.reset.address, 0xcf9);
	assert_int_equal(info.reset_value, 0x0f);
	assert_int_equal(info.dsdt, 0x123456789);
	assert_int_equal(info.pm1a_control.space, ACPI_SPACE_MEMORY);
	assert_int_equal(info.pm_timer.address, 0x608);
	assert_int_equal(info.sleep_control.address, 0x600);
	assert_true(info.is_hw_reduced);
}

static void s5(void **state)
{
	static const u8 good[] = {0x08, '_',  'S',  '5',  '_',	0x12,
				  0x06, 0x04, 0x0a, 0x05, 0x0a, 0x07};
	static const u8 zero[] = {'_', 'S', '5', '_', 0x12, 0x42, 0x06, 0x04, 0x00, 0x01};
	static const u8 wrong[] = {'_', 'S', '5', '_', 0x12, 0x06, 0x04, 0x0b, 0x05, 0x00};

	(void)state;
	begin("DSDT");
	memcpy(table + 100, wrong, sizeof(wrong));
	memcpy(table + 200, good, sizeof(good));
	assert_int_equal(acpi_s5_find(&info, table, 150), -ENOENT);
	assert_int_equal(acpi_s5_find(&info, table, 200 + sizeof(good) - 1), -ENOENT);
	assert_int_equal(acpi_s5_find(&info, table, 200 + sizeof(good)), 0);
	assert_int_equal(info.s5_type_a, 5);
	assert_int_equal(info.s5_type_b, 7);
	memcpy(table + 50, zero, sizeof(zero));
	assert_int_equal(acpi_s5_find(&info, table, 300), 0);
	assert_int_equal(info.s5_type_a, 0);
	assert_int_equal(info.s5_type_b, 1);
}

static void hpet_mcfg(void **state)
{
	(void)state;
	begin("HPET");
	put(0x8086a201, 4);
	put(0, 4);
	put(0xfed00000, 8);
	put(0, 4);
	assert_int_equal(acpi_hpet_read(&info, table, used), 0);
	assert_int_equal(info.hpet_address, 0xfed00000);
	assert_int_equal(acpi_hpet_read(&info, table, used - 1), -EINVAL);
	poke(40, 1, 1); /* not memory */
	assert_int_equal(acpi_hpet_read(&info, table, used), -EINVAL);
	begin("MCFG");
	put(0, 8);
	for (unsigned int i = 0; i < 40; i++) {
		put(0xb0000000 + (i == 1), 8); /* one is not aligned */
		put(i, 2);
		put(i == 2 ? 5 : 0, 1); /* one ends before it begins */
		put(i == 2 ? 4 : 255, 1);
		put(0, 4);
	}
	assert_int_equal(acpi_mcfg_read(&info, table, used), 0);
	assert_int_equal(info.mcfg_count, ACPI_MCFG_MAX);
	assert_int_equal(info.mcfgs[0].bus_last, 255);
	assert_int_equal(info.mcfgs[1].segment, 3);
	assert_int_equal(acpi_mcfg_read(&info, table, 43), -EINVAL);
}

static void rsdp_make(u8 *p, u8 revision, u32 rsdt, u64 xsdt)
{
	u8 sum = 0;

	memcpy(p, "RSD PTR ", 8);
	p[15] = revision;
	memcpy(p + 16, &rsdt, 4);
	memcpy(p + 24, &xsdt, 8);
	for (int i = 0; i < 20; i++)
		sum = (u8)(sum + p[i]);
	p[8] = (u8)-sum;
	sum = 0;
	for (int i = 0; i < 36; i++)
		sum = (u8)(sum + p[i]);
	p[32] = (u8)-sum;
}

static void roots(void **state)
{
	u8 area[1024] = {0};
	bool is_xsdt;
	u64 root;

	(void)state;
	assert_int_equal(acpi_rsdp_find(area, sizeof(area)), -1);
	memcpy(area + 96, "RSD PTR x", 9); /* a trap: wrong sum */
	rsdp_make(area + 512, 2, 0x1000, 0x123456000);
	assert_int_equal(acpi_rsdp_find(area, sizeof(area)), 512);
	assert_int_equal(acpi_rsdp_find(area, 519), -1);
	assert_int_equal(acpi_rsdp_judge(area + 512, 36, &root, &is_xsdt), 0);
	assert_true(is_xsdt && root == 0x123456000);
	area[512 + 33] ^= 1; /* only the second sum is wrong */
	assert_int_equal(acpi_rsdp_judge(area + 512, 36, &root, &is_xsdt), 0);
	assert_true(!is_xsdt && root == 0x1000);
	rsdp_make(area + 512, 0, 0, 0);
	assert_int_equal(acpi_rsdp_judge(area + 512, 36, &root, &is_xsdt), -EINVAL);
	area[512] = 'r';
	assert_int_equal(acpi_rsdp_judge(area + 512, 36, &root, &is_xsdt), -EINVAL);
	begin("XSDT");
	put(0x1111, 8);
	put(0x2222, 8);
	put(0x33, 4); /* half an entry */
	assert_int_equal(acpi_root_entry(table, used, true, 1), 0x2222);
	assert_int_equal(acpi_root_entry(table, used, true, 2), 0);
	assert_int_equal(acpi_root_entry(table, used, false, 4), 0x33);
	assert_int_equal(acpi_root_entry(table, used, false, 5), 0);
	poke(4, 35, 4);
	assert_int_equal(acpi_table_length(table), 0);
	poke(4, 0xffffffff, 4);
	assert_int_equal(acpi_table_length(table), 0);
	assert_int_equal(acpi_table_signature(table), ACPI_SIG('X', 'S', 'D', 'T'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(madt),	 cmocka_unit_test(madt_bad), cmocka_unit_test(fadt_old),
		cmocka_unit_test(s5),	 cmocka_unit_test(fadt_new), cmocka_unit_test(hpet_mcfg),
		cmocka_unit_test(roots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* uses: src/hw/x86/acpi_tables.c test/fake/machine.c test/fake/core.c */
/*
 * The firmware's things over fake ports and fake memory: ACPI tables found (or not, or damaged), how the machine sleeps, resets
 * and goes off; the CMOS clock; the serial port. The fake seam is included first, as in test/fake/hw_x86.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake.h"
#include "hw/acpi.h"
#include "hw/atomic.h"
#include "hw/clock.h"
#include "hw/console.h"
#include "hw/cpu.h"
#include "hw/io.h"
#include "hw/paging.h"
#include "hw/uart.h"

/* machine.c has a console and core.c a clock of their own. */
#define hw_console_write uart_write
#define hw_rtc_read	 cmos_clock_read
#include "../../src/hw/x86/acpi.c"
#include "../../src/hw/x86/rtc.c"
#define base uart_base
#include "../../src/hw/x86/uart.c"
#undef base

/* ---------------------------------------------------------------- the machine's side */

#define MEMORY 0x200000u

static u8 memory[MEMORY];
static u8 cmos[128];
static u8 cmos_index;
static unsigned int updates_left, cmos_ticks; /* A says so; every so many reads a second passes */
static jmp_buf ended;
static const char *how;
static struct {
	u16 port;
	u32 value;
} written[64];
static unsigned int written_count;
static char sent[256];
static size_t sent_count;
static u8 uart_status;
static char received;

NORETURN static void end(const char *what)
{
	how = what;
	longjmp(ended, 1);
}

const void *hw_phys_map(u64 paddr, size_t bytes)
{
	return paddr < MEMORY && bytes <= MEMORY - paddr ? memory + paddr : NULL;
}

void *hw_device_map(u64 paddr, size_t bytes)
{
	return paddr < MEMORY && bytes <= MEMORY - paddr ? memory + paddr : NULL;
}

u64 fake_mmio_read(const volatile void *ptr, unsigned int bytes)
{
	u64 value = 0;

	memcpy(&value, (const void *)ptr, bytes);
	return value;
}

void fake_mmio_write(volatile void *ptr, unsigned int bytes, u64 value)
{
	memcpy((void *)ptr, &value, bytes);
}

u32 fake_port_read(u16 port, unsigned int bytes)
{
	(void)bytes;
	switch (port) {
	case 0x64:
		return 0;
	case 0x71:
		if (cmos_index == RTC_A)
			return updates_left ? (updates_left--, 0xa6u) : 0x26u;
		if (cmos_index == RTC_SECOND && cmos_ticks && --cmos_ticks % 2 == 0)
			cmos[RTC_SECOND]++;
		return cmos[cmos_index];
	case 0x600:
		return 0x1c01; /* PM1a: SCI_EN, an old sleep type */
	case 0x3fd:
		return uart_status;
	case 0x3f8:
		uart_status &= (u8)~1;
		return (u8)received;
	default:
		return 0xffffffff;
	}
}

void fake_port_write(u16 port, unsigned int bytes, u32 value)
{
	(void)bytes;
	assert_true(written_count < ARRAY_SIZE(written));
	if (port == 0x70)
		cmos_index = value & 0x7f;
	else if (port == 0x3f8)
		sent[sent_count++] = (char)value;
	else
		written[written_count].port = port, written[written_count++].value = value;
	if (port == 0x600 && value & PM1_SLP_EN)
		end("sleeps");
	if (port == 0xcf9 && value == 6)
		end("resets");
}

void hw_halt(void)
{
	end("halts");
}

static const char *ends(void (*fn)(void))
{
	how = NULL;
	written_count = 0;
	if (!setjmp(ended))
		fn();
	return how;
}

/* ---------------------------------------------------------------- tables */

static void sum_set(u8 *table, size_t bytes, size_t at)
{
	u8 sum = 0;

	table[at] = 0;
	for (size_t i = 0; i < bytes; i++)
		sum = (u8)(sum + table[i]);
	table[at] = (u8)-sum;
}

static u8 *table_put(u32 at, const char *signature, u32 bytes)
{
	u8 *table = memory + at;

	memset(table, 0, bytes);
	memcpy(table, signature, 4);
	memcpy(table + 4, &bytes, 4);
	return table;
}

#define RSDP 0xf0010u
#define XSDT 0x101000u
#define MADT 0x102000u
#define FADT 0x103000u
#define HPET 0x104000u
#define MCFG 0x105000u
#define DSDT 0x106000u

static void tables_make(void)
{
	const u64 addresses[] = {MADT, FADT, HPET, MCFG, 0, ~0ull, MADT};
	static const u8 s5[] = {0x08, '_',  'S',  '5',	'_',  0x12, 0x06,
				0x04, 0x0a, 0x05, 0x0a, 0x06, 0,    0};
	u8 *table;
	u64 number;

	memset(memory, 0, sizeof(memory));
	memcpy(memory + RSDP, "RSD PTR ", 8);
	memory[RSDP + 15] = 2;
	memory[RSDP + 20] = 36;
	number = XSDT;
	memcpy(memory + RSDP + 24, &number, 8);
	sum_set(memory + RSDP, 20, 8);
	sum_set(memory + RSDP, 36, 32);
	table = table_put(XSDT, "XSDT", 36 + sizeof(addresses));
	memcpy(table + 36, addresses, sizeof(addresses));
	sum_set(table, 36 + sizeof(addresses), 9);
	table = table_put(MADT, "APIC", 44 + 8 + 12);
	table[37] = 0, table[38] = 0xe0, table[39] = 0xfe;
	table[45] = 8, table[48] = 1;
	table[46] = 1, table[47] = 3;
	table[52] = 1, table[53] = 12, table[54] = 7, table[58] = 0xc0, table[59] = 0xfe;
	sum_set(table, 64, 9);
	table = table_put(FADT, "FACP", 244);
	number = DSDT;
	memcpy(table + 40, &number, 4);
	table[46] = 9;
	table[64] = 0x00, table[65] = 0x06; /* PM1a_CNT_BLK */
	table[89] = 2;
	table[108] = 50;
	sum_set(table, 244, 9);
	table = table_put(HPET, "HPET", 56);
	table[45] = 0, table[46] = 0xd0, table[47] = 0xfe;
	sum_set(table, 56, 9);
	table = table_put(MCFG, "MCFG", 60);
	table[47] = 0xe0, table[55] = 0xff;
	sum_set(table, 60, 9);
	table = table_put(DSDT, "DSDT", 36 + sizeof(s5));
	memcpy(table + 36, s5, sizeof(s5));
	sum_set(table, 36 + sizeof(s5), 9);
}

static void tables_are_found(void **state)
{
	(void)state;
	tables_make();
	assert_int_equal(hw_acpi_init(0), 0); /* looked for as a BIOS leaves it */
	assert_int_equal(hw_acpi.rsdp, RSDP);
	assert_int_equal(hw_acpi.cpu_count, 1);
	assert_int_equal(hw_acpi.cpus[0].apic_id, 3);
	assert_int_equal(hw_acpi.ioapic_count, 1);
	assert_int_equal(hw_acpi.century, 50);
	assert_true(hw_acpi.has_s5);
	assert_int_equal(hw_acpi.s5_type_a, 5);
	assert_int_equal(hw_acpi.mcfg_count, 1);
	assert_int_equal(hw_acpi_init(RSDP), 0);
	/* In the extended BIOS data area. */
	memory[0x40e] = 0x00, memory[0x40f] = 0x90;
	memcpy(memory + 0x90020, memory + RSDP, 36);
	memset(memory + RSDP, 0, 36);
	assert_int_equal(hw_acpi_init(0), 0);
	assert_int_equal(hw_acpi.rsdp, 0x90020);
}

/* Each byte of each table wrong in turn: an answer, and nothing read that is not there (ASan looks). */
static void tables_are_damaged(void **state)
{
	static const u32 at[] = {RSDP, XSDT, MADT, FADT, HPET, MCFG, DSDT};

	(void)state;
	memset(memory, 0, sizeof(memory));
	assert_int_equal(hw_acpi_init(0), -ENOENT);
	assert_int_equal(hw_acpi_init(MEMORY - 8), -ENOENT);
	assert_int_equal(hw_acpi_init(0x1000), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(at); i++)
		for (unsigned int byte = 0; byte < 64; byte++)
			for (unsigned int value = 0; value < 256; value += 51) {
				int rc;

				tables_make();
				memory[at[i] + byte] ^= (u8)(value | 1);
				rc = hw_acpi_init(0);
				assert_true(rc == 0 || rc == -ENOENT || rc == -EINVAL);
				assert_true(at[i] != MADT || rc != 0 || hw_acpi.cpu_count <= 1);
			}
	tables_make();
	memset(memory + MADT, 0, 64);
	assert_int_equal(hw_acpi_init(0), -ENOENT); /* no processors: no use */
}

/* ---------------------------------------------------------------- the end */

static void sleep_5(void)
{
	hw_acpi_sleep(5 << 10, 6 << 10, false);
}

static void the_machine_goes_off(void **state)
{
	(void)state;
	fake_tsc_step = 1000000;
	tables_make();
	assert_int_equal(hw_acpi_init(0), 0);
	assert_string_equal(ends(sleep_5), "sleeps");
	assert_int_equal(written[0].value, 5 << 10 | 1); /* the type first, SCI_EN kept */
	assert_int_equal(written[1].value, 5 << 10 | 1 | 1 << 13);
	assert_string_equal(ends(hw_machine_poweroff), "sleeps");
	/* In memory; hardware-reduced. */
	hw_acpi.is_hw_reduced = true;
	hw_acpi.sleep_control = (struct acpi_register){
		.address = 0x1f0000, .space = ACPI_SPACE_MEMORY, .bits = 8};
	assert_string_equal(ends(hw_machine_poweroff), "halts"); /* it did not obey */
	assert_int_equal(memory[0x1f0000], 5 << 2 | 1 << 5);
	hw_acpi.has_s5 = false;
	assert_string_equal(ends(hw_machine_poweroff), "halts");
	assert_int_equal(written_count, 8);
	assert_int_equal(written[0].value, 'S'); /* Bochs' way was tried */
}

static void the_machine_resets(void **state)
{
	(void)state;
	fake_tsc_step = 1000000;
	memset(&hw_acpi, 0, sizeof(hw_acpi));
	assert_string_equal(ends(hw_machine_reboot), "resets");
	assert_int_equal(written[0].value, 0xfe);
	hw_acpi.reset = (struct acpi_register){
		.address = 0x1234, .space = ACPI_SPACE_PORT, .bits = 8};
	hw_acpi.reset_value = 0x77;
	assert_string_equal(ends(hw_machine_reboot), "resets");
	assert_int_equal(written[0].port, 0x1234);
	assert_int_equal(written[0].value, 0x77);
	hw_acpi.reset = (struct acpi_register){
		.address = 0x0000000300020044, .space = ACPI_SPACE_PCI, .bits = 8};
	assert_string_equal(ends(hw_machine_reboot), "resets");
	assert_int_equal(written[0].port, 0xcf8);
	assert_int_equal(written[1].port, 0xcfc);
}

/* ---------------------------------------------------------------- the CMOS clock */

static void clock_set(u8 second, u8 minute, u8 hour, u8 day, u8 month, u8 year, u8 b)
{
	memset(cmos, 0, sizeof(cmos));
	cmos[RTC_SECOND] = second;
	cmos[RTC_MINUTE] = minute;
	cmos[RTC_HOUR] = hour;
	cmos[RTC_DAY] = day;
	cmos[RTC_MONTH] = month;
	cmos[RTC_YEAR] = year;
	cmos[RTC_B] = b;
}

static void the_clock(void **state)
{
	struct hw_date date;

	(void)state;
	fake_tsc_step = 1000;
	memset(&hw_acpi, 0, sizeof(hw_acpi));
	clock_set(0x56, 0x34, 0x12, 0x29, 0x02, 0x24, RTC_24H);
	assert_int_equal(cmos_clock_read(&date), 0);
	assert_int_equal(date.year * 10000 + date.month * 100 + date.day, 20240229);
	assert_int_equal(date.hour * 3600 + date.minute * 60 + date.second, 45296);
	clock_set(56, 34, 12 | RTC_PM, 29, 2, 99, RTC_BINARY);
	assert_int_equal(cmos_clock_read(&date), 0);
	assert_int_equal(date.year, 1999);
	assert_int_equal(date.hour, 12); /* noon */
	cmos[RTC_HOUR] = 12;		 /* midnight */
	assert_int_equal(cmos_clock_read(&date), 0);
	assert_int_equal(date.hour, 0);
	hw_acpi.century = 0x32;
	cmos[0x32] = 20;
	assert_int_equal(cmos_clock_read(&date), 0);
	assert_int_equal(date.year, 2099);
	/* An update under way, and a second that passes between two looks. */
	updates_left = 5;
	cmos_ticks = 4;
	assert_int_equal(cmos_clock_read(&date), 0);
	assert_int_equal(updates_left, 0);
	/* One that never ends; one that changes all the time; no date at all. */
	updates_left = ~0u;
	assert_int_equal(cmos_clock_read(&date), -EIO);
	updates_left = 0;
	clock_set(0, 0, 0, 1, 1, 0, RTC_24H | RTC_BINARY);
	cmos_ticks = 1000;
	assert_int_equal(cmos_clock_read(&date), -EIO);
	cmos_ticks = 0;
	memset(cmos, 0xff, sizeof(cmos));
	assert_int_equal(cmos_clock_read(&date), -EIO);
	memset(cmos, 0, sizeof(cmos));
	assert_int_equal(cmos_clock_read(&date), -EIO);
}

/* ---------------------------------------------------------------- the serial port */

static void the_serial_port(void **state)
{
	char c;

	(void)state;
	uart_status = 0xff; /* nothing there */
	hw_uart_init(0x3f8, 115200);
	assert_int_equal(hw_uart_port(), 0);
	uart_write("x", 1);
	assert_int_equal(sent_count, 0);
	assert_false(hw_uart_receive(&c));
	uart_status = STATUS_SENT;
	written_count = 0;
	hw_uart_init(0x3f8, 9600);
	assert_int_equal(hw_uart_port(), 0x3f8);
	assert_int_equal(sent[0], 12); /* the divisor */
	sent_count = 0;
	uart_write("a\nb", 3);
	assert_memory_equal(sent, "a\r\nb", 4);
	assert_false(hw_uart_receive(&c));
	received = 'k';
	uart_status |= STATUS_RECEIVED;
	assert_true(hw_uart_receive(&c));
	assert_int_equal(c, 'k');
	uart_status = 0; /* it never sends: given up, not waited for */
	sent_count = 0;
	uart_write("long text", 9);
	assert_int_equal(sent_count, 0);
	assert_int_equal(hw_uart_port(), 0);
	written_count = 0;
	uart_status = STATUS_SENT;
	hw_uart_init(0x3f8, 4000000); /* faster than it can: as fast as it can */
	assert_int_equal(sent[0], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_are_found),
		cmocka_unit_test(tables_are_damaged),
		cmocka_unit_test(the_machine_goes_off),
		cmocka_unit_test(the_machine_resets),
		cmocka_unit_test(the_clock),
		cmocka_unit_test(the_serial_port),
	};

	opt_loglvl = LOG_ERROR;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

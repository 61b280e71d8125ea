/* SPDX-License-Identifier: MIT */
/*
 * What Mica wants to know from the firmware's ACPI tables: CPUs, interrupt controllers, clocks, how to switch off. Filled
 * once at boot by hw_acpi_init() (acpi.c finds the tables, acpi_tables.c judges them; the latter is pure and runs in the
 * host tests). Constant afterwards; no lock. AML is Domain 0's business.
 */
#pragma once

#include "lib/types.h"

#define ACPI_CPUS_MAX	   256 /* as CPU_MAX */
#define ACPI_IOAPICS_MAX   64
#define ACPI_OVERRIDES_MAX 16
#define ACPI_NMIS_MAX	   64
#define ACPI_MCFG_MAX	   16

enum acpi_space { ACPI_SPACE_MEMORY = 0, ACPI_SPACE_PORT = 1, ACPI_SPACE_PCI = 2 };

/* A register as ACPI describes it (generic address structure); bits == 0: there is none. */
struct acpi_register {
	u64 address;
	u8 space; /* enum acpi_space, or something that we do not know */
	u8 bits;
};

struct acpi_cpu {
	u32 apic_id;
	u32 acpi_id;
};

struct acpi_ioapic {
	u64 address;
	u32 gsi_base;
	u8 id;
};

struct acpi_override {
	u32 gsi;
	bool is_level; /* as the bus has it: edge for ISA */
	bool is_low;   /* active low */
};

struct acpi_nmi {
	u32 acpi_id; /* 0xff or 0xffffffff: all CPUs */
	u8 lint;
	u16 flags; /* MPS INTI flags */
};

struct acpi_mcfg {
	u64 address; /* of bus 0 of the segment */
	u16 segment;
	u8 bus_first;
	u8 bus_last;
};

struct acpi_info {
	u64 rsdp; /* 0: a machine without ACPI */
	u64 lapic_address;

	unsigned int cpu_count; /* enabled ones */
	struct acpi_cpu cpus[ACPI_CPUS_MAX];
	unsigned int cpus_left_out; /* in the MADT but beyond ACPI_CPUS_MAX */
	unsigned int ioapic_count;
	struct acpi_ioapic ioapics[ACPI_IOAPICS_MAX];
	unsigned int override_count;
	struct acpi_override overrides[ACPI_OVERRIDES_MAX];
	unsigned int nmi_count;
	struct acpi_nmi nmis[ACPI_NMIS_MAX];

	u8 century; /* RTC register, 0: none */
	bool is_hw_reduced;
	struct acpi_register pm_timer; /* 3.579545 MHz */
	struct acpi_register pm1a_control, pm1b_control;
	struct acpi_register sleep_control;
	struct acpi_register reset;
	u8 reset_value;
	u64 dsdt;
	bool has_s5; /* found in the DSDT, for a power-off that Domain 0 did not prepare */
	u8 s5_type_a, s5_type_b;

	u64 hpet_address; /* 0: none */
	unsigned int mcfg_count;
	struct acpi_mcfg mcfgs[ACPI_MCFG_MAX];
};

extern struct acpi_info hw_acpi; /* [c] after hw_acpi_init() */

/*
 * Finds and reads the tables. rsdp: what the loader gave, or 0 to look where a BIOS leaves it. -ENOENT: there are none, or
 * no MADT among them; -EINVAL: what is there is damaged beyond use. Says in the log what was wrong.
 */
int hw_acpi_init(u64 rsdp);

/*
 * Puts the machine into a sleep state with the values that Domain 0 read from its DSDT: what goes into PM1a/PM1b control
 * (with SLP_EN or without), or extended: SLP_TYP for the sleep control register. Other CPUs have stopped. Returns only
 * when the hardware did not obey.
 */
void hw_acpi_sleep(u16 value_a, u16 value_b, bool is_extended);

/* The end. reboot: ACPI reset register, keyboard controller, port 0xcf9, triple fault. */
NORETURN void hw_machine_reboot(void);
/* Without Domain 0's help only the emulators' ways are known; where none works, halts for ever. */
NORETURN void hw_machine_poweroff(void);

/* ---------------------------------------------------------------- acpi_tables.c: pure */

#define ACPI_SIG(a, b, c, d) ((u32)(a) | (u32)(b) << 8 | (u32)(c) << 16 | (u32)(d) << 24)
#define ACPI_HEADER_BYTES    36
#define ACPI_TABLE_BYTES_MAX (1u << 20) /* longer ones are refused */

/* Offset of a valid RSDP in an area (on a 16-byte boundary), or -1. */
long acpi_rsdp_find(const u8 *area, size_t bytes);
/* Root table from the RSDP: *is_xsdt says which. -EINVAL. */
int acpi_rsdp_judge(const u8 *rsdp, size_t bytes, u64 *root, bool *is_xsdt);
/* Header: length that the table claims, 36 .. ACPI_TABLE_BYTES_MAX, or 0. */
size_t acpi_table_length(const u8 *header);
bool acpi_table_is_sound(const u8 *table, size_t bytes); /* checksum */
u32 acpi_table_signature(const u8 *table);
/* Entry idx of RSDT or XSDT; 0 when past the end. */
u64 acpi_root_entry(const u8 *table, size_t bytes, bool is_xsdt, size_t idx);
/* 0 or -EINVAL; entries that make no sense are skipped. */
int acpi_madt_read(struct acpi_info *info, const u8 *table, size_t bytes);
int acpi_fadt_read(struct acpi_info *info, const u8 *table, size_t bytes);
int acpi_hpet_read(struct acpi_info *info, const u8 *table, size_t bytes);
int acpi_mcfg_read(struct acpi_info *info, const u8 *table, size_t bytes);
/* Looks for the package \\_S5 in a DSDT, without reading AML: -ENOENT. */
int acpi_s5_find(struct acpi_info *info, const u8 *table, size_t bytes);

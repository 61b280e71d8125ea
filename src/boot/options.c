/* SPDX-License-Identifier: MIT */
/*
 * The options of Mica's command line: Xen's names and syntax where Xen has them (doc/options.md). What Mica does not know
 * is named and ignored. Reached from main.c once; calls image/cmdline. No lock.
 */
#include "boot/boot.h"
#include "core/log.h"
#include "core/trace.h"
#include "domain/domain.h"
#include "entry/entry.h"
#include "hw/clock.h"
#include "hw/lapic.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "sched/sched.h"

struct dom0_mem opt_dom0_mem;
struct cmdline_range opt_dom0_max_vcpus = {1, ~0u};
unsigned int opt_maxcpus = CPU_MAX;
struct serial_config opt_com1 = SERIAL_CONFIG_DEFAULT;

static char console_list[64] = "com1";
static char ignored_text[128];
static bool ignored_bool;
static const char *const level_names[] = {"error", "warning", "info", "debug", "none", "all", NULL};

static const char *const tsc_names[] = {"auto",	    "stable", "stable:socket",
					"unstable", "skewed", NULL};

static bool parse_range(void *value, const char *text)
{
	return cmdline_range(text, value);
}

/* Xen's words: none, error, warning, info, debug, all; the rate-limited half after a slash is taken, and not needed. */
static bool parse_level(void *value, const char *text)
{
	unsigned int always, limited;

	if (!cmdline_levels(text, level_names, &always, &limited))
		return false;
	*(unsigned int *)value = always == 4 ? LOG_ERROR : MIN(always, (unsigned int)LOG_DEBUG);
	return true;
}

static bool parse_ignored(void *value, const char *text)
{
	(void)value;
	(void)text;
	return true;
}

static const struct option_spec specs[] = {
	{.name = "console",
	 .type = OPTION_STRING,
	 .value = console_list,
	 .size = sizeof(console_list)},
	{.name = "com1", .type = OPTION_CUSTOM, .value = &opt_com1, .parse = serial_config_parse},
	{.name = "dom0_mem",
	 .type = OPTION_CUSTOM,
	 .value = &opt_dom0_mem,
	 .parse = dom0_mem_parse},
	{.name = "dom0_max_vcpus",
	 .type = OPTION_CUSTOM,
	 .value = &opt_dom0_max_vcpus,
	 .parse = parse_range},
	{.name = "maxcpus", .type = OPTION_UINT, .value = &opt_maxcpus},
	{.name = "loglvl", .type = OPTION_CUSTOM, .value = &opt_loglvl, .parse = parse_level},
	{.name = "guest_loglvl",
	 .type = OPTION_CUSTOM,
	 .value = &opt_guest_loglvl,
	 .parse = parse_level},
	{.name = "entry-limit", .type = OPTION_BOOL, .value = &opt_entry_limit},
	{.name = "noreboot", .type = OPTION_BOOL, .value = &opt_noreboot},
	{.name = "sched_ratelimit_us", .type = OPTION_UINT, .value = &opt_sched_ratelimit_us},
	{.name = "low_mem_virq_limit", .type = OPTION_SIZE, .value = &opt_low_mem_bytes},
	{.name = "tsc", .type = OPTION_ENUM, .value = &opt_tsc, .names = tsc_names},
	{.name = "trace-calls", .type = OPTION_BOOL, .value = &opt_trace_calls},
	{.name = "x2apic", .type = OPTION_BOOL, .value = &opt_x2apic},
	/* Understood, without effect: see doc/options.md for why. */
	{.name = "xpti", .type = OPTION_CUSTOM, .value = ignored_text, .parse = parse_ignored},
	{.name = "spec-ctrl", .type = OPTION_CUSTOM, .value = ignored_text, .parse = parse_ignored},
	{.name = "pv-l1tf", .type = OPTION_CUSTOM, .value = ignored_text, .parse = parse_ignored},
	{.name = "vga", .type = OPTION_CUSTOM, .value = ignored_text, .parse = parse_ignored},
	{.name = "ucode", .type = OPTION_CUSTOM, .value = ignored_text, .parse = parse_ignored},
	{.name = "smt", .type = OPTION_BOOL, .value = &ignored_bool},
	{.name = "no-real-mode", .type = OPTION_BOOL, .value = &ignored_bool},
	{.name = "edd", .type = OPTION_CUSTOM, .value = ignored_text, .parse = parse_ignored},
	{.name = "dom0", .type = OPTION_CUSTOM, .value = ignored_text, .parse = parse_ignored},
	{.name = "iommu", .type = OPTION_CUSTOM, .value = ignored_text, .parse = parse_ignored},
};

static void report(void *ctx, enum cmdline_problem problem, const char *word)
{
	(void)ctx;
	log_info("option \"%.80s%s\": %s, ignored", word, strlen(word) > 80 ? "..." : "",
		 cmdline_problem_text(problem));
}

void boot_options_parse(const char *cmdline)
{
	opt_text = cmdline;
	(void)cmdline_parse(cmdline, specs, ARRAY_SIZE(specs), report, NULL);
}

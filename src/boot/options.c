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
struct serial_config opt_com1;
struct xpti_wish opt_xpti = XPTI_BY_CPU;

static char ignored;

static const char *const level_names[] = {"error", "warning", "info", "debug", "none", "all", NULL};

static const char *const tsc_names[] = {"auto",	    "stable", "stable:socket",
					"unstable", "skewed", NULL};

static bool parse_range(void *value, const char *text)
{
	return cmdline_range(text, value);
}

/* Xen's words: none, error, warning, info, debug, all. */
static bool parse_level(void *value, const char *text)
{
	unsigned int level;

	if (!cmdline_level(text, level_names, &level))
		return false;
	*(unsigned int *)value = level == 4 ? LOG_ERROR : MIN(level, (unsigned int)LOG_DEBUG);
	return true;
}

/* A list of default, <boolean>, dom0[=<boolean>], domu[=<boolean>]; what is not said is decided by the CPU. */
static bool parse_xpti(void *value, const char *text)
{
	struct xpti_wish wish = *(struct xpti_wish *)value;
	char item[16];

	while (cmdline_list_next(&text, item, sizeof(item))) {
		bool is_named = strncmp(item, "dom", 3) == 0,
		     is_dom0 = strncmp(item, "dom0", 4) == 0, on = true;
		const char *said = is_named ? strchr(item, '=') : item;

		if (strcmp(item, "default") == 0) {
			wish = XPTI_BY_CPU;
			continue;
		}
		if (is_named && !is_dom0 && strncmp(item, "domu", 4) != 0)
			return false;
		if (said != NULL && !cmdline_bool(is_named ? said + 1 : said, &on))
			return false;
		if (is_dom0 || !is_named)
			wish.dom0 = on;
		if (!is_dom0)
			wish.domu = on;
	}
	*(struct xpti_wish *)value = wish;
	return true;
}

static bool parse_ignored(void *value, const char *text)
{
	(void)value;
	(void)text;
	return true;
}

#define OPTION(text, kind, var, ...)                                                \
	{                                                                           \
		.name = (text), .type = OPTION_##kind, .value = &(var), __VA_ARGS__ \
	}
#define IGNORED(text) OPTION(text, CUSTOM, ignored, .parse = parse_ignored)

static const struct option_spec specs[] = {
	OPTION("com1", CUSTOM, opt_com1, .parse = serial_config_parse),
	OPTION("dom0_mem", CUSTOM, opt_dom0_mem, .parse = dom0_mem_parse),
	OPTION("dom0_max_vcpus", CUSTOM, opt_dom0_max_vcpus, .parse = parse_range),
	OPTION("maxcpus", UINT, opt_maxcpus),
	OPTION("loglvl", CUSTOM, opt_loglvl, .parse = parse_level),
	OPTION("guest_loglvl", CUSTOM, opt_guest_loglvl, .parse = parse_level),
	OPTION("entry-limit", BOOL, opt_entry_limit),
	OPTION("noreboot", BOOL, opt_noreboot),
	OPTION("sched_ratelimit_us", UINT, opt_sched_ratelimit_us),
	OPTION("low_mem_virq_limit", SIZE, opt_low_mem_bytes),
	OPTION("tsc", ENUM, opt_tsc, .names = tsc_names),
	OPTION("trace-calls", BOOL, opt_trace_calls),
	OPTION("x2apic", BOOL, opt_x2apic),
	OPTION("xpti", CUSTOM, opt_xpti, .parse = parse_xpti),
	/* Understood, without effect: see doc/options.md for why. */
	IGNORED("console"),
	IGNORED("spec-ctrl"),
	IGNORED("pv-l1tf"),
	IGNORED("vga"),
	IGNORED("ucode"),
	IGNORED("smt"),
	IGNORED("no-real-mode"),
	IGNORED("edd"),
	IGNORED("dom0"),
	IGNORED("iommu"),
};

static void report(const char *problem, const char *word)
{
	log_info("option \"%.80s%s\": %s, ignored", word, strlen(word) > 80 ? "..." : "", problem);
}

void boot_options_parse(const char *cmdline)
{
	opt_text = cmdline;
	(void)cmdline_parse(cmdline, specs, ARRAY_SIZE(specs), report);
}

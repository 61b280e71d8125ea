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
#include "hw/features.h"
#include "hw/lapic.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "sched/sched.h"

struct dom0_mem opt_dom0_mem;
struct cmdline_range opt_dom0_max_vcpus = {1, ~0u};
unsigned int opt_maxcpus = CPU_MAX;
struct serial_config opt_com1;
struct domain_wish opt_xpti = DOMAINS_BY_CPU;
struct domain_wish opt_pv_l1tf = DOMAINS_BY_CPU;
struct spec_wish opt_spec;

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
static bool parse_domains(void *value, const char *text)
{
	struct domain_wish wish = *(struct domain_wish *)value;
	char item[16];

	while (cmdline_list_next(&text, item, sizeof(item))) {
		bool on;

		if (strcmp(item, "default") == 0)
			wish = DOMAINS_BY_CPU;
		else if (cmdline_bool(item, &on))
			wish.dom0 = wish.domu = on;
		else if (cmdline_named_bool(item, "dom0", &on))
			wish.dom0 = on;
		else if (cmdline_named_bool(item, "domu", &on))
			wish.domu = on;
		else
			return false;
	}
	*(struct domain_wish *)value = wish;
	return true;
}

/*
 * A list of <boolean>, bti-thunk=retpoline|jmp and the names below, the last of which are for what Mica has not: other guests, a
 * register that it switches, other sequences. True: as the CPU needs.
 */
static bool parse_spec(void *value, const char *text)
{
	static const struct {
		const char *name;
		u32 guesses;
	} names[] = {{"ibrs", GUESS_IBRS | GUESS_AUTO_IBRS},
		     {"ibpb", GUESS_IBPB},
		     {"bhb-entry", GUESS_HISTORY},
		     {"bhi-dis-s", GUESS_BHI_DIS},
		     {"verw", GUESS_VERW},
		     {"pv", GUESS_HISTORY | GUESS_VERW},
		     {"hvm", 0},
		     {"msr-sc", 0},
		     {"rsb", 0},
		     {"ibpb-entry", 0},
		     {"ssbd", 0},
		     {"psfd", 0},
		     {"eager-fpu", 0},
		     {"l1d-flush", 0},
		     {"branch-harden", 0},
		     {"srb-lock", 0},
		     {"unpriv-mmio", 0},
		     {"gds-mit", 0},
		     {"div-scrub", 0}};
	struct spec_wish wish = *(struct spec_wish *)value;
	char item[24];

	while (cmdline_list_next(&text, item, sizeof(item))) {
		unsigned int i = 0;
		u32 guesses;
		bool on;

		if (cmdline_bool(item, &on) || cmdline_named_bool(item, "xen", &on)) {
			wish = (struct spec_wish){0, on ? 0 : ~0u};
			continue;
		}
		if (strncmp(item, "bti-thunk=", 10) == 0) {
			on = strcmp(item + 10, "retpoline") == 0;
			if (!on && strcmp(item + 10, "jmp") != 0)
				return false;
			guesses = GUESS_THUNK;
		} else {
			while (i < ARRAY_SIZE(names) &&
			       !cmdline_named_bool(item, names[i].name, &on))
				i++;
			if (i == ARRAY_SIZE(names))
				return false;
			guesses = names[i].guesses;
		}
		*(on ? &wish.on : &wish.off) |= guesses;
		*(on ? &wish.off : &wish.on) &= ~guesses;
	}
	*(struct spec_wish *)value = wish;
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
	OPTION("entry-limit", UINT, opt_entry_limit),
	OPTION("noreboot", BOOL, opt_noreboot),
	OPTION("sched_ratelimit_us", UINT, opt_sched_ratelimit_us),
	OPTION("low_mem_virq_limit", SIZE, opt_low_mem_bytes),
	OPTION("tsc", ENUM, opt_tsc, .names = tsc_names),
	OPTION("trace-calls", BOOL, opt_trace_calls),
	OPTION("x2apic", BOOL, opt_x2apic),
	OPTION("spec-ctrl", CUSTOM, opt_spec, .parse = parse_spec),
	OPTION("pv-l1tf", CUSTOM, opt_pv_l1tf, .parse = parse_domains),
	OPTION("xpti", CUSTOM, opt_xpti, .parse = parse_domains),
	/* Understood, without effect: see doc/options.md for why. */
	IGNORED("console"),
	IGNORED("vga"),
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

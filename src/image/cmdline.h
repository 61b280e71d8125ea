/* SPDX-License-Identifier: MIT */
/*
 * Mica's command line: words against a table of options, in the syntax of Xen's command line
 * (xen-command-line, "Types of parameter"), so that an existing GRUB entry serves. The table itself is boot/options.c.
 * Reached by boot/; calls lib/ only; no lock.
 *
 *	name=value	name		no-name (boolean: false)
 *	"..." and '...' keep blanks together and are taken off; \" \' \\ stand for themselves
 *	--		ends the hypervisor's options
 * A later option overrides an earlier one. What is not understood is reported and changes nothing.
 */
#pragma once

#include "lib/types.h"

#define CMDLINE_WORD_MAX 256u /* a longer word is reported and ignored */

enum option_type {
	OPTION_BOOL, /* value: bool * */
	OPTION_UINT, /* value: unsigned int *; decimal, 0x hexadecimal, 0 octal */
	OPTION_SIZE, /* value: u64 *, in bytes; suffix B K M G T, K without one */
	OPTION_ENUM, /* value: unsigned int *, index in names[] (ended by NULL) */
	OPTION_CUSTOM, /* value: as parse() likes; its text is "" for the bare name and "no" for no-name */
};

struct option_spec {
	const char *name;
	enum option_type type;
	void *value;
	const char *const *names;
	bool (*parse)(void *value, const char *text); /* false: bad value, *value unchanged */
};

/* Called for each word not understood; the word has '?' for what cannot be printed, and may be cut. */
typedef void cmdline_report_fn(const char *problem, const char *word);

/*
 * Read the whole line. GRUB's "placeholder" is skipped silently. Returns what follows "--" ("" if there is none), a
 * pointer into the line.
 */
const char *cmdline_parse(const char *line, const struct option_spec *specs,
			  unsigned int spec_count, cmdline_report_fn *report);

/* ---- the syntaxes of values, for custom options; all of them: false and nothing changed if malformed ---- */

bool cmdline_bool(const char *text, bool *value);
/* An item of a list: <name>, no-<name> or <name>=<boolean>. */
bool cmdline_named_bool(const char *item, const char *name, bool *value);
bool cmdline_number(const char *text, u64 *value);
bool cmdline_size(const char *text, u64 *bytes);

/* Take the next item off a comma separated list; false at its end. An item that does not fit becomes "?". */
bool cmdline_list_next(const char **list, char *item, size_t size);

/* The index in names[] (ended by NULL). */
bool cmdline_enum(const char *text, const char *const *names, unsigned int *idx);

/* loglvl=<level>[/<rate limited level>]: the second must be a level too, and is not needed. */
bool cmdline_level(const char *text, const char *const *names, unsigned int *idx);

/* dom0_max_vcpus=<n> or <min>-<max>, either end missing: 1 and ~0u. <n> gives min == max. */
struct cmdline_range {
	unsigned int min;
	unsigned int max;
};
bool cmdline_range(const char *text, struct cmdline_range *range);

/* An amount of memory: [-]<size>, <percent>%, <size>+<percent>%. */
struct memory_amount {
	bool is_set;
	bool is_negative; /* what is left of the machine after taking this */
	u64 bytes;
	unsigned int percent; /* below 100 */
};

/* dom0_mem=<amount>,min:<amount>,max:<amount>, each at will, in any order. */
struct dom0_mem {
	struct memory_amount want;
	struct memory_amount min;
	struct memory_amount max;
};

/* An OPTION_CUSTOM parse function; value: struct dom0_mem *. */
bool dom0_mem_parse(void *value, const char *text);

/*
 * What Domain 0 gets of `available` bytes, and how far it may grow (~0 without max:). By default all but a sixteenth or
 * 128 MiB, whichever is less; at least min, at most max (which wins over min), never more than is available.
 */
void dom0_mem_resolve(const struct dom0_mem *mem, u64 available, u64 *bytes, u64 *max_bytes);

/* com1=<baud>|auto[/<clock>][,<DPS>[,<io base>|pci|amt[,<irq>|msi[,...]]]] and its name=value forms. */
struct serial_config {
	bool is_set;
	u32 baud;    /* 0: leave as the firmware set it */
	u64 io_base; /* above 0xffff: memory mapped; 0: the port's usual place */
};

/*
 * An OPTION_CUSTOM parse function; value: struct serial_config *. Fields not named keep their value; what Mica has no use
 * for (the frame is 8n1, there is no interrupt and no PCI) is judged and forgotten.
 */
bool serial_config_parse(void *value, const char *text);

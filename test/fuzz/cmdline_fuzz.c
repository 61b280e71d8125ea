/* SPDX-License-Identifier: MIT */
/* uses: src/image/cmdline.c src/image/cmdline_values.c */
/*
 * cmdline*.c: the input is the line. Complaints are printable, and what dom0_mem resolves to never exceeds the machine or its own maximum.
 */
#include <stdlib.h>
#include <string.h>

#include "image/cmdline.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static bool flag;
static unsigned int number, colour, level;
static struct dom0_mem mem;
static struct serial_config serial;
static struct cmdline_range range;
static const char *const names[] = {"none", "error", "all", NULL};

static bool levels_parse(void *value, const char *text)
{
	return cmdline_level(text, names, value);
}

static bool range_parse(void *value, const char *text)
{
	return cmdline_range(text, value);
}

static bool list_parse(void *value, const char *text)
{
	char item[12];

	while (cmdline_list_next(&text, item, sizeof(item)))
		if (strlen(item) >= sizeof(item))
			abort();
	return true;
}

static const struct option_spec specs[] = {
	{.name = "flag", .type = OPTION_BOOL, .value = &flag},
	{.name = "n", .type = OPTION_UINT, .value = &number},
	{.name = "colour", .type = OPTION_ENUM, .value = &colour, .names = names},
	{.name = "dom0_mem", .type = OPTION_CUSTOM, .value = &mem, .parse = dom0_mem_parse},
	{.name = "com1", .type = OPTION_CUSTOM, .value = &serial, .parse = serial_config_parse},
	{.name = "loglvl", .type = OPTION_CUSTOM, .value = &level, .parse = levels_parse},
	{.name = "dom0_max_vcpus", .type = OPTION_CUSTOM, .value = &range, .parse = range_parse},
	{.name = "xpti", .type = OPTION_CUSTOM, .value = &flag, .parse = list_parse},
};

static void report(const char *problem, const char *word)
{
	if (strlen(word) >= CMDLINE_WORD_MAX || !problem)
		abort();
	for (; *word; word++)
		if (*word < ' ' || *word > '~')
			abort();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	const u64 available = 4ull << 30;
	char *line = malloc(size + 1);
	const char *rest;
	u64 got, max;

	memcpy(line, data, size);
	line[size] = '\0';
	rest = cmdline_parse(line, specs, ARRAY_SIZE(specs), report);
	if (*rest && (rest < line || rest > line + size))
		abort();
	free(line);
	dom0_mem_resolve(&mem, available, &got, &max);
	if (got > available || got > max)
		abort();
	if (colour > 2 || level > 2 || range.min > range.max)
		abort();
	return 0;
}

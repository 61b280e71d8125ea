/* SPDX-License-Identifier: MIT */
/* uses: src/image/cmdline.c src/image/cmdline_values.c */
/*
 * cmdline*.c: the input is the line. Strings stay in their arrays, complaints are printable, and what dom0_mem resolves
 * to never exceeds the machine or its own maximum.
 */
#include <stdlib.h>
#include <string.h>

#include "image/cmdline.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static bool flag;
static unsigned int number, colour, levels[2];
static u64 bytes;
static char string[9] = "";
static struct dom0_mem mem;
static struct serial_config serial = SERIAL_CONFIG_DEFAULT;
static struct cmdline_range range;
static const char *const names[] = {"none", "error", "all", NULL};

static bool levels_parse(void *value, const char *text)
{
	unsigned int *pair = value;

	return cmdline_levels(text, names, &pair[0], &pair[1]);
}

static bool range_parse(void *value, const char *text)
{
	return cmdline_range(text, value);
}

static bool list_parse(void *value, const char *text)
{
	char item[12];
	bool result;

	while (cmdline_list_next(&text, item, sizeof(item)))
		if (!cmdline_named_bool(item, "dom0", &result))
			return false;
	return true;
}

static const struct option_spec specs[] = {
	{.name = "flag", .type = OPTION_BOOL, .value = &flag},
	{.name = "n", .type = OPTION_UINT, .value = &number},
	{.name = "size", .type = OPTION_SIZE, .value = &bytes},
	{.name = "string", .type = OPTION_STRING, .value = string, .size = 8},
	{.name = "colour", .type = OPTION_ENUM, .value = &colour, .names = names},
	{.name = "dom0_mem", .type = OPTION_CUSTOM, .value = &mem, .parse = dom0_mem_parse},
	{.name = "com1", .type = OPTION_CUSTOM, .value = &serial, .parse = serial_config_parse},
	{.name = "loglvl", .type = OPTION_CUSTOM, .value = levels, .parse = levels_parse},
	{.name = "dom0_max_vcpus", .type = OPTION_CUSTOM, .value = &range, .parse = range_parse},
	{.name = "xpti", .type = OPTION_CUSTOM, .value = &flag, .parse = list_parse},
};

static void report(void *ctx, enum cmdline_problem problem, const char *word)
{
	if (strlen(word) >= CMDLINE_WORD_MAX || !cmdline_problem_text(problem))
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
	rest = cmdline_parse(line, specs, ARRAY_SIZE(specs), report, NULL);
	if (*rest && (rest < line || rest > line + size))
		abort();
	free(line);
	dom0_mem_resolve(&mem, available, &got, &max);
	if (got > available || got > max)
		abort();
	if (string[8] || !memchr(string, 0, 8) || colour > 2 || levels[0] > 2 || levels[1] > 2 ||
	    range.min > range.max || serial.data_bits < 5 || serial.data_bits > 8)
		abort();
	return 0;
}

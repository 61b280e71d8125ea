/* SPDX-License-Identifier: MIT */
/* uses: src/image/cmdline.c src/image/cmdline_values.c */
/*
 * cmdline.c and cmdline_values.c: every type of option, quoting, negation, each kind of complaint, and the syntaxes of
 * dom0_mem, com1, dom0_max_vcpus and loglvl as xen-command-line documents them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "image/cmdline.h"

static bool opt_bool, opt_noreboot;
static unsigned int opt_uint, opt_enum;
static u64 opt_size;
static struct dom0_mem opt_mem;
static char custom_text[32];

static bool custom_parse(void *value, const char *text)
{
	if (strcmp(text, "bad") == 0)
		return false;
	snprintf(value, sizeof(custom_text), "%s", text);
	return true;
}

static const char *const colours[] = {"red", "green", "blue", NULL};
static const struct option_spec specs[] = {
	{.name = "flag", .type = OPTION_BOOL, .value = &opt_bool},
	{.name = "noreboot", .type = OPTION_BOOL, .value = &opt_noreboot},
	{.name = "number", .type = OPTION_UINT, .value = &opt_uint},
	{.name = "size", .type = OPTION_SIZE, .value = &opt_size},
	{.name = "colour", .type = OPTION_ENUM, .value = &opt_enum, .names = colours},
	{.name = "custom", .type = OPTION_CUSTOM, .value = custom_text, .parse = custom_parse},
	{.name = "dom0_mem", .type = OPTION_CUSTOM, .value = &opt_mem, .parse = dom0_mem_parse},
};

static char said[256];

static void report(const char *problem, const char *word)
{
	size_t len = strlen(said);

	snprintf(said + len, sizeof(said) - len, "%s: %.40s; ", problem, word);
}

static const char *parse(const char *line)
{
	char *copy = strdup(line);
	const char *rest;
	static char rest_copy[64];

	said[0] = '\0';
	rest = cmdline_parse(copy, specs, ARRAY_SIZE(specs), report);
	snprintf(rest_copy, sizeof(rest_copy), "%s", rest);
	free(copy);
	return rest_copy;
}

static void good(const char *line)
{
	parse(line);
	assert_string_equal(said, "");
}

static void bad(const char *line, const char *complaint)
{
	parse(line);
	assert_string_equal(said, complaint);
}

static void booleans(void **state)
{
	const char *on[] = {"flag", "flag=yes", "flag=on", "flag=true", "flag=enable", "flag=1"};
	const char *off[] = {"no-flag",	   "flag=no",	   "flag=off",
			     "flag=false", "flag=disable", "flag=0"};

	for (unsigned int i = 0; i < 6; i++) {
		opt_bool = false;
		good(on[i]);
		assert_true(opt_bool);
		good(off[i]);
		assert_false(opt_bool);
	}
	opt_bool = true;
	bad("flag=maybe", "bad value: flag=maybe; ");
	bad("flag=", "bad value: flag=; ");
	bad("no-flag=yes", "unknown option: no-flag=yes; ");
	bad("noflag Flag", "unknown option: noflag; unknown option: Flag; ");
	assert_true(opt_bool);
	good("noreboot");
	assert_true(opt_noreboot);
	good("no-noreboot");
	assert_false(opt_noreboot);
	good("flag no-flag flag=1");
	assert_true(opt_bool);
}

static void numbers(void **state)
{
	good("number=12");
	assert_int_equal(opt_uint, 12);
	good("number=0x1F");
	assert_int_equal(opt_uint, 31);
	good("number=017");
	assert_int_equal(opt_uint, 15);
	good("number=0");
	assert_int_equal(opt_uint, 0);
	good("number=4294967295");
	assert_int_equal(opt_uint, 4294967295u);
	bad("number=4294967296", "bad value: number=4294967296; ");
	bad("number=18446744073709551616", "bad value: number=18446744073709551616; ");
	bad("number=-1 number=1x number= number=0x number=x",
	    "bad value: number=-1; bad value: number=1x; bad value: number=; bad value: number=0x; "
	    "bad value: number=x; ");
	bad("number", "needs a value: number; ");
	bad("no-number", "cannot be negated: no-number; ");
	assert_int_equal(opt_uint, 4294967295u);
}

static void sizes(void **state)
{
	const struct {
		const char *text;
		u64 bytes;
	} cases[] = {
		{"size=1", 1024},
		{"size=1b", 1},
		{"size=2K", 2048},
		{"size=3m", 3 << 20},
		{"size=4G", 4ull << 30},
		{"size=5t", 5ull << 40},
		{"size=0x10M", 16 << 20},
		{"size=0", 0},
		{"size=16383T", 16383ull << 40},
		{"size=16777215t", 16777215ull << 40},
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
		good(cases[i].text);
		assert_int_equal(opt_size, cases[i].bytes);
	}
	bad("size=16777216T", "bad value: size=16777216T; ");
	bad("size=1MM", "bad value: size=1MM; ");
	bad("size=G", "bad value: size=G; ");
	bad("size=1P", "bad value: size=1P; ");
	/* Hexadecimal digits are digits. */
	good("size=0x1B");
	assert_int_equal(opt_size, 0x1b * 1024);
}

static void enums_customs(void **state)
{
	good("colour=blue custom=x,y=z");
	assert_int_equal(opt_enum, 2);
	assert_string_equal(custom_text, "x,y=z");
	bad("colour=pink custom=bad colour",
	    "bad value: colour=pink; bad value: custom=bad; needs a value: colour; ");
	assert_int_equal(opt_enum, 2);
	assert_string_equal(custom_text, "x,y=z");
	good("custom");
	assert_string_equal(custom_text, "");
	good("no-custom");
	assert_string_equal(custom_text, "no");
	bad("no-colour", "cannot be negated: no-colour; ");
}

static void words_and_quotes(void **state)
{
	good("  custom=\"a b\"\n");
	assert_string_equal(custom_text, "a b");
	good("custom='c d'\tflag");
	assert_string_equal(custom_text, "c d");
	good("\"custom=it's\"");
	assert_string_equal(custom_text, "it's");
	good("custom=a\\\"b\\\\c\\'d\\e");
	assert_string_equal(custom_text, "a\"b\\c'd\\e");
	good("custom=\"\"\"x\"y''");
	assert_string_equal(custom_text, "xy");
	bad("custom=\"a b flag", "quote not closed: custom=a b flag; ");
	assert_string_equal(custom_text, "a b flag");
	good("placeholder   ''  custom=1");
	assert_string_equal(custom_text, "1");
	good("");
	good("   ");
	bad("\x1b[31m=\xff", "unknown option: ?[31m=?; ");
}

static void long_words_are_named_and_ignored(void **state)
{
	char line[2000] = "custom=";

	memset(line + 7, 'a', 1000);
	strcpy(line + 1007, " custom=after");
	bad(line, "word too long: custom=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; ");
	assert_string_equal(custom_text, "after");
	/* The longest that fits. */
	memset(line, ' ', sizeof(line) - 1);
	memset(line, 'z', CMDLINE_WORD_MAX - 1);
	bad(line, "unknown option: zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz; ");
	line[CMDLINE_WORD_MAX - 1] = 'z';
	bad(line, "word too long: zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz; ");
}

static void double_dash_ends_the_options(void **state)
{
	opt_bool = false;
	assert_string_equal(parse("flag --  root=/dev/sda unknown"), "root=/dev/sda unknown");
	assert_string_equal(said, "");
	assert_true(opt_bool);
	assert_string_equal(parse("flag --"), "");
	assert_string_equal(parse("--x"), "");
	assert_string_equal(said, "unknown option: --x; ");
}

static u64 mem_of(const char *text, u64 available)
{
	u64 bytes, max;

	assert_true(dom0_mem_parse(&opt_mem, text));
	dom0_mem_resolve(&opt_mem, available, &bytes, &max);
	return bytes;
}

static u64 mem_max_of(const char *text, u64 available)
{
	u64 bytes, max;

	assert_true(dom0_mem_parse(&opt_mem, text));
	dom0_mem_resolve(&opt_mem, available, &bytes, &max);
	return max;
}

static void dom0_mem(void **state)
{
	const u64 g = 1ull << 30, m = 1ull << 20;

	assert_int_equal(mem_of("512M", 4 * g), 512 * m);
	assert_int_equal(mem_of("512M,max:1G", 4 * g), 512 * m);
	assert_int_equal(mem_max_of("512M,max:1G", 4 * g), g);
	assert_int_equal(mem_max_of("512M", 4 * g), ~0ull);
	assert_int_equal(mem_of("max:1G", 4 * g), g);
	assert_int_equal(mem_of("min:3G,max:2G,1G", 4 * g), 2 * g);
	assert_int_equal(mem_of("min:2G,1G", 4 * g), 2 * g);
	assert_int_equal(mem_of("-1G", 4 * g), 3 * g);
	assert_int_equal(mem_of("-8G", 4 * g), 0);
	assert_int_equal(mem_of("-8G,min:256M", 4 * g), 256 * m);
	assert_int_equal(mem_of("max:-1G", 4 * g), 3 * g);
	assert_int_equal(mem_of("8G", 4 * g), 4 * g);
	assert_int_equal(mem_of("1024", 4 * g), m);
	assert_int_equal(mem_of("1G+25%", 256 * g), 65 * g);
	assert_int_equal(mem_of("50%", 4 * g), 2 * g);
	assert_int_equal(mem_of("-25%", 4 * g), 3 * g);
	assert_int_equal(mem_of("0", 4 * g), 0);
	assert_int_equal(mem_of("16777215T+99%", ~0ull), ~0ull);
	/* Nothing said: all but a sixteenth, at most 128 MiB. */
	opt_mem = (struct dom0_mem){.want.is_set = false};
	u64 bytes, max;

	dom0_mem_resolve(&opt_mem, g, &bytes, &max);
	assert_int_equal(bytes, g - 64 * m);
	dom0_mem_resolve(&opt_mem, 64 * g, &bytes, &max);
	assert_int_equal(bytes, 64 * g - 128 * m);
	dom0_mem_resolve(&opt_mem, 0, &bytes, &max);
	assert_int_equal(bytes, 0);
}

static void dom0_mem_refuses(void **state)
{
	const char *texts[] = {
		"",	   "x",	   "1G,", ",1G",  "1G,min:",   "1G,lots:2G", "100%",  "1G+", "1G+5",
		"1G+100%", "--1G", "%",	  "1G5%", "16777216T", "min:max:1G", "1G 2G", "5%%"};

	assert_true(dom0_mem_parse(&opt_mem, "7G"));
	for (unsigned int i = 0; i < ARRAY_SIZE(texts); i++) {
		if (dom0_mem_parse(&opt_mem, texts[i]))
			fail_msg("accepted %s", texts[i]);
		assert_int_equal(opt_mem.want.bytes, 7ull << 30);
	}
	bad("dom0_mem dom0_mem=1G,x no-dom0_mem",
	    "bad value: dom0_mem; bad value: dom0_mem=1G,x; bad value: no-dom0_mem; ");
	assert_int_equal(opt_mem.want.bytes, 7ull << 30);
}

static void serial(void **state)
{
	const struct serial_config fresh = {.is_set = false};
	struct serial_config config = fresh;

	assert_true(serial_config_parse(&config, "115200,8n1"));
	assert_true(config.is_set);
	assert_int_equal(config.baud, 115200);
	assert_int_equal(config.io_base, 0);

	config = fresh;
	assert_true(serial_config_parse(&config, "9600/115200,7e2,0x2f8,3"));
	assert_int_equal(config.baud, 9600);
	assert_int_equal(config.io_base, 0x2f8);

	config = fresh;
	assert_true(serial_config_parse(&config, "auto,,0xfe030000,0,reg-width=4,reg-shift=2"));
	assert_int_equal(config.baud, 0);
	assert_int_equal(config.io_base, 0xfe030000);

	config = fresh;
	assert_true(serial_config_parse(
		&config,
		"baud=57600,parity=o,stop-bits=2,data-bits=5,io-base=0x3e8,irq=5,clock-hz=115200"));
	assert_int_equal(config.baud, 57600);
	assert_int_equal(config.io_base, 0x3e8);

	const char *pci[] = {"115200,8n1,pci",
			     "115200,8n1,amt,0",
			     "115200,8n1,pci,msi",
			     "dev=pci",
			     "115200,8n1,0x3f8,4,02:00.0,00:1c.0",
			     "port=02:00.0",
			     "bridge=00:1c.0"};

	for (unsigned int i = 0; i < ARRAY_SIZE(pci); i++) {
		config = fresh;
		assert_true(serial_config_parse(&config, pci[i]));
	}
}

static void serial_refuses(void **state)
{
	const char *texts[] = {"",
			       "off",
			       "no",
			       "0",
			       "fast",
			       "115200/",
			       "115200/0",
			       "115200/999999999",
			       "115200,9n1",
			       "115200,8x1",
			       "115200,8n3",
			       "115200,8n",
			       "115200,8n12",
			       "115200,8n1,port",
			       "115200,8n1,0x3f8,x",
			       "1,8n1,1,1,a,b,c",
			       "4294967296",
			       "autox",
			       "parity=nn",
			       "parity=",
			       "stop-bits=0",
			       "data-bits=4",
			       "reg-width=2",
			       "reg-shift=9",
			       "clock-hz=0",
			       "colour=red",
			       "115200=1",
			       "irq=4294967296"};
	struct serial_config config = {.is_set = false};

	for (unsigned int i = 0; i < ARRAY_SIZE(texts); i++) {
		if (serial_config_parse(&config, texts[i]))
			fail_msg("accepted %s", texts[i]);
		assert_false(config.is_set);
	}
}

static void ranges_levels_lists(void **state)
{
	const char *const levels[] = {"none", "error", "warning", "info", "debug", "all", NULL};
	struct cmdline_range range = {7, 7};
	unsigned int level = 9;
	const char *list = "a,,longer,";
	char item[5];

	assert_true(cmdline_range("4", &range));
	assert_true(range.min == 4 && range.max == 4);
	assert_true(cmdline_range("4-8", &range));
	assert_true(range.min == 4 && range.max == 8);
	assert_true(cmdline_range("-8", &range));
	assert_true(range.min == 1 && range.max == 8);
	assert_true(cmdline_range("4-", &range));
	assert_true(range.min == 4 && range.max == ~0u);
	assert_true(cmdline_range("-", &range));
	assert_true(range.min == 1 && range.max == ~0u);
	assert_false(cmdline_range("", &range));
	assert_false(cmdline_range("8-4", &range));
	assert_false(cmdline_range("4-8-9", &range));
	assert_false(cmdline_range("4294967296", &range));
	assert_false(cmdline_range("x", &range));
	assert_true(range.min == 1 && range.max == ~0u);

	assert_true(cmdline_level("all", levels, &level));
	assert_int_equal(level, 5);
	assert_true(cmdline_level("none/warning", levels, &level));
	assert_int_equal(level, 0);
	assert_false(cmdline_level("loud", levels, &level));
	assert_false(cmdline_level("none/", levels, &level));
	assert_false(cmdline_level("all/loud", levels, &level));
	assert_false(cmdline_level("", levels, &level));
	assert_false(cmdline_level("averyverylonglevelname", levels, &level));
	assert_int_equal(level, 0);

	assert_true(cmdline_list_next(&list, item, sizeof(item)));
	assert_string_equal(item, "a");
	assert_true(cmdline_list_next(&list, item, sizeof(item)));
	assert_string_equal(item, "");
	assert_true(cmdline_list_next(&list, item, sizeof(item)));
	assert_string_equal(item, "?");
	assert_true(cmdline_list_next(&list, item, sizeof(item)));
	assert_string_equal(item, "");
	assert_false(cmdline_list_next(&list, item, sizeof(item)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(booleans),
		cmocka_unit_test(numbers),
		cmocka_unit_test(sizes),
		cmocka_unit_test(enums_customs),
		cmocka_unit_test(words_and_quotes),
		cmocka_unit_test(long_words_are_named_and_ignored),
		cmocka_unit_test(double_dash_ends_the_options),
		cmocka_unit_test(dom0_mem),
		cmocka_unit_test(dom0_mem_refuses),
		cmocka_unit_test(serial),
		cmocka_unit_test(serial_refuses),
		cmocka_unit_test(ranges_levels_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

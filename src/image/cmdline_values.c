/* SPDX-License-Identifier: MIT */
/*
 * The syntaxes of option values: booleans, numbers, sizes, lists, and the values of dom0_mem and com1. Reached by
 * cmdline.c and by custom options; calls lib/ only; no lock.
 *
 * Every function reads into a copy and stores it only when the whole text was understood.
 */
#include "image/cmdline.h"

#include "lib/string.h"

static const char *const words_true[] = {"yes", "on", "true", "enable", "1", NULL};
static const char *const words_false[] = {"no", "off", "false", "disable", "0", NULL};

bool cmdline_enum(const char *text, const char *const *names, unsigned int *idx)
{
	for (unsigned int i = 0; names[i]; i++) {
		if (strcmp(names[i], text) == 0) {
			*idx = i;
			return true;
		}
	}
	return false;
}

bool cmdline_bool(const char *text, bool *value)
{
	unsigned int idx;

	if (cmdline_enum(text, words_true, &idx))
		*value = true;
	else if (cmdline_enum(text, words_false, &idx))
		*value = false;
	else
		return false;
	return true;
}

bool cmdline_named_bool(const char *item, const char *name, bool *value)
{
	bool is_no = strncmp(item, "no-", 3) == 0;
	size_t bytes = strlen(name);

	item += is_no ? 3 : 0;
	if (strncmp(item, name, bytes) != 0)
		return false;
	if (item[bytes] == '\0') {
		*value = !is_no;
		return true;
	}
	return !is_no && item[bytes] == '=' && cmdline_bool(item + bytes + 1, value);
}

/* The value of a digit, or something larger than any base. */
static unsigned int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned int)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned int)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (unsigned int)(c - 'A') + 10;
	return 99;
}

/* Reads the number at *text and steps over it. False if there is none or it has more than 64 bits. */
static bool number_take(const char **text, u64 *value)
{
	const char *at = *text;
	unsigned int base = 10;
	u64 number = 0;

	if (at[0] == '0' && (at[1] == 'x' || at[1] == 'X') && digit_value(at[2]) < 16) {
		base = 16;
		at += 2;
	} else if (at[0] == '0' && digit_value(at[1]) < 8) {
		base = 8;
	} else if (digit_value(at[0]) >= 10) {
		return false;
	}
	for (; digit_value(*at) < base; at++)
		if (__builtin_mul_overflow(number, (u64)base, &number) ||
		    __builtin_add_overflow(number, (u64)digit_value(*at), &number))
			return false;
	*text = at;
	*value = number;
	return true;
}

bool cmdline_number(const char *text, u64 *value)
{
	u64 number;

	if (!number_take(&text, &number) || *text)
		return false;
	*value = number;
	return true;
}

/* A number and its suffix. 0x1B ends in a digit, not in a suffix. */
static bool size_take(const char **text, u64 *bytes)
{
	static const char suffixes[] = "BbKkMmGgTt";
	const char *at = *text, *suffix;
	unsigned int shift = 10;
	u64 number;

	if (!number_take(&at, &number))
		return false;
	suffix = *at ? strchr(suffixes, *at) : NULL;
	if (suffix) {
		shift = (unsigned int)(suffix - suffixes) / 2 * 10;
		at++;
	}
	if (number > (~0ull >> shift))
		return false;
	*text = at;
	*bytes = number << shift;
	return true;
}

bool cmdline_size(const char *text, u64 *bytes)
{
	u64 size;

	if (!size_take(&text, &size) || *text)
		return false;
	*bytes = size;
	return true;
}

bool cmdline_list_next(const char **list, char *item, size_t size)
{
	const char *at = *list;
	size_t len = 0;

	if (!at)
		return false;
	while (at[len] && at[len] != ',')
		len++;
	if (len < size) {
		memcpy(item, at, len);
		item[len] = '\0';
	} else {
		str_copy(item, size, "?");
	}
	*list = at[len] ? at + len + 1 : NULL;
	return true;
}

bool cmdline_level(const char *text, const char *const *names, unsigned int *idx)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	unsigned int limited;
	char word[16];

	if (len >= sizeof(word) || (slash && !cmdline_enum(slash + 1, names, &limited)))
		return false;
	memcpy(word, text, len);
	word[len] = '\0';
	return cmdline_enum(word, names, idx);
}

bool cmdline_range(const char *text, struct cmdline_range *range)
{
	u64 min = 1, max = ~0u;
	bool has_min = number_take(&text, &min);

	if (!*text && has_min) {
		max = min;
	} else {
		if (*text++ != '-')
			return false;
		if (*text && !number_take(&text, &max))
			return false;
	}
	if (*text || min > max || max > ~0u)
		return false;
	range->min = (unsigned int)min;
	range->max = (unsigned int)max;
	return true;
}

/* [-]<size> | <percent>% | <size>+<percent>% */
static bool amount_parse(struct memory_amount *amount, const char *text)
{
	struct memory_amount result = {.is_set = true};
	u64 percent = 0;
	const char *at;

	if (*text == '-') {
		result.is_negative = true;
		text++;
	}
	at = text;
	if (number_take(&at, &percent) && at[0] == '%' && !at[1]) {
		text = at + 1;
	} else {
		percent = 0;
		if (!size_take(&text, &result.bytes))
			return false;
		if (*text == '+') {
			text++;
			if (!number_take(&text, &percent) || *text++ != '%')
				return false;
		}
	}
	if (*text || percent >= 100)
		return false;
	result.percent = (unsigned int)percent;
	*amount = result;
	return true;
}

bool dom0_mem_parse(void *value, const char *text)
{
	struct dom0_mem mem = {.want.is_set = false};
	char item[64];

	while (cmdline_list_next(&text, item, sizeof(item))) {
		bool is_min = strncmp(item, "min:", 4) == 0, is_max = strncmp(item, "max:", 4) == 0;

		if (!amount_parse(is_min   ? &mem.min
				  : is_max ? &mem.max
					   : &mem.want,
				  is_min || is_max ? item + 4 : item))
			return false;
	}
	*(struct dom0_mem *)value = mem;
	return true;
}

static u64 amount_resolve(const struct memory_amount *amount, u64 available)
{
	u64 bytes = available / 100 * amount->percent + available % 100 * amount->percent / 100;

	if (__builtin_add_overflow(bytes, amount->bytes, &bytes))
		bytes = ~0ull;
	if (!amount->is_negative)
		return bytes;
	return bytes < available ? available - bytes : 0;
}

void dom0_mem_resolve(const struct dom0_mem *mem, u64 available, u64 *bytes, u64 *max_bytes)
{
	const u64 reserve_max = 128ull << 20;
	u64 result = available - MIN(available / 16, reserve_max);
	u64 max = ~0ull;

	if (mem->want.is_set)
		result = amount_resolve(&mem->want, available);
	if (mem->min.is_set)
		result = MAX(result, amount_resolve(&mem->min, available));
	if (mem->max.is_set) {
		max = amount_resolve(&mem->max, available);
		result = MIN(result, max);
	}
	*bytes = MIN(result, available);
	*max_bytes = max;
}

static bool is_within(const char *text, u64 low, u64 high)
{
	u64 number;

	return cmdline_number(text, &number) && number >= low && number <= high;
}

static bool is_parity(const char *text)
{
	return text[0] && !text[1] && strchr("noems", text[0]);
}

/* <baud>|auto[/<clock>]: the clock is given as the highest baud rate, a sixteenth of it. */
static bool baud_parse(struct serial_config *config, const char *text)
{
	u64 baud = 0;

	if (strncmp(text, "auto", 4) == 0)
		text += 4;
	else if (!number_take(&text, &baud) || !baud)
		return false;
	if (baud > ~0u || (*text && (*text != '/' || !is_within(text + 1, 1, ~0u / 16))))
		return false;
	config->baud = (u32)baud;
	return true;
}

static bool frame_is_valid(const char *text)
{
	return strlen(text) == 3 && strchr("5678", text[0]) && strchr("noems", text[1]) &&
	       strchr("12", text[2]);
}

static bool irq_is_valid(const char *text)
{
	return strcmp(text, "msi") == 0 || is_within(text, 0, ~0u);
}

static bool serial_named_parse(struct serial_config *config, const char *name, const char *text)
{
	static const struct {
		const char *name;
		u64 low, high;
	} numbers[] = {
		{"clock-hz", 1, ~0u / 16},
		{"data-bits", 5, 8},
		{"stop-bits", 1, 2},
		{"reg-shift", 0, 3},
	};

	if (strcmp(name, "baud") == 0)
		return baud_parse(config, text);
	if (strcmp(name, "io-base") == 0)
		return cmdline_number(text, &config->io_base);
	if (strcmp(name, "parity") == 0)
		return is_parity(text);
	if (strcmp(name, "irq") == 0)
		return irq_is_valid(text);
	if (strcmp(name, "reg-width") == 0)
		return is_within(text, 1, 1) || is_within(text, 4, 4);
	for (unsigned int i = 0; i < ARRAY_SIZE(numbers); i++)
		if (strcmp(name, numbers[i].name) == 0)
			return is_within(text, numbers[i].low, numbers[i].high);
	return strcmp(name, "dev") == 0 || strcmp(name, "port") == 0 || strcmp(name, "bridge") == 0;
}

static bool serial_positional_parse(struct serial_config *config, unsigned int position,
				    const char *item)
{
	if (!*item)
		return true; /* left out: keep */
	switch (position) {
	case 0:
		return baud_parse(config, item);
	case 1:
		return frame_is_valid(item);
	case 2:
		return strcmp(item, "pci") == 0 || strcmp(item, "amt") == 0 ||
		       cmdline_number(item, &config->io_base);
	case 3:
		return irq_is_valid(item);
	default: /* PCI addresses */
		return position <= 5;
	}
}

bool serial_config_parse(void *value, const char *text)
{
	struct serial_config config = *(struct serial_config *)value;
	unsigned int position = 0;
	char item[64];

	if (!*text || cmdline_enum(text, words_false, &position))
		return false;
	position = 0;
	while (cmdline_list_next(&text, item, sizeof(item))) {
		char *equals = strchr(item, '=');

		if (equals)
			*equals++ = '\0';
		if (equals ? !serial_named_parse(&config, item, equals)
			   : !serial_positional_parse(&config, position++, item))
			return false;
	}
	config.is_set = true;
	*(struct serial_config *)value = config;
	return true;
}

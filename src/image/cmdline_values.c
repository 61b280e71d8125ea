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
	const char *at = *text;
	bool has_suffix = true;
	unsigned int shift = 10;
	u64 number;

	if (!number_take(&at, &number))
		return false;
	switch (*at) {
	case 'T':
	case 't':
		shift = 40;
		break;
	case 'G':
	case 'g':
		shift = 30;
		break;
	case 'M':
	case 'm':
		shift = 20;
		break;
	case 'K':
	case 'k':
		shift = 10;
		break;
	case 'B':
	case 'b':
		shift = 0;
		break;
	default:
		has_suffix = false;
	}
	if (number > (~0ull >> shift))
		return false;
	*text = has_suffix ? at + 1 : at;
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

bool cmdline_named_bool(const char *item, const char *name, bool *value)
{
	size_t len = strlen(name);

	if (strcmp(item, name) == 0) {
		*value = true;
		return true;
	}
	if (strncmp(item, "no-", 3) == 0 && strcmp(item + 3, name) == 0) {
		*value = false;
		return true;
	}
	return strncmp(item, name, len) == 0 && item[len] == '=' &&
	       cmdline_bool(item + len + 1, value);
}

bool cmdline_levels(const char *text, const char *const *names, unsigned int *always,
		    unsigned int *limited)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	unsigned int first, second;
	char word[16];

	if (len >= sizeof(word))
		return false;
	memcpy(word, text, len);
	word[len] = '\0';
	if (!cmdline_enum(word, names, &first))
		return false;
	second = first;
	if (slash && !cmdline_enum(slash + 1, names, &second))
		return false;
	*always = first;
	*limited = second;
	return true;
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
		bool is_good;

		if (strncmp(item, "min:", 4) == 0)
			is_good = amount_parse(&mem.min, item + 4);
		else if (strncmp(item, "max:", 4) == 0)
			is_good = amount_parse(&mem.max, item + 4);
		else
			is_good = amount_parse(&mem.want, item);
		if (!is_good)
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

static bool u32_parse(const char *text, u32 *value)
{
	u64 number;

	if (!cmdline_number(text, &number) || number > ~0u)
		return false;
	*value = (u32)number;
	return true;
}

static bool digit_parse(const char *text, u8 low, u8 high, u8 *value)
{
	u64 number;

	if (!cmdline_number(text, &number) || number < low || number > high)
		return false;
	*value = (u8)number;
	return true;
}

static bool parity_parse(const char *text, char *value)
{
	if (!text[0] || text[1] || !strchr("noems", text[0]))
		return false;
	*value = text[0];
	return true;
}

/* <baud>|auto[/<clock>] */
static bool baud_parse(struct serial_config *config, const char *text)
{
	u64 baud = 0, clock = config->clock_hz;

	if (strncmp(text, "auto", 4) == 0)
		text += 4;
	else if (!number_take(&text, &baud) || !baud)
		return false;
	if (*text == '/') {
		text++;
		/* The number given is the highest baud rate; a UART divides its clock by 16 times that. */
		if (!number_take(&text, &clock) || !clock || clock > ~0u / 16)
			return false;
		clock *= 16;
	}
	if (*text || baud > ~0u)
		return false;
	config->baud = (u32)baud;
	config->clock_hz = (u32)clock;
	return true;
}

static bool frame_parse(struct serial_config *config, const char *text)
{
	char bits[2] = {text[0], '\0'}, stop[2] = {'\0', '\0'}, parity[2] = {'\0', '\0'};

	if (strlen(text) != 3)
		return false;
	parity[0] = text[1];
	stop[0] = text[2];
	return digit_parse(bits, 5, 8, &config->data_bits) &&
	       parity_parse(parity, &config->parity) && digit_parse(stop, 1, 2, &config->stop_bits);
}

static bool device_parse(struct serial_config *config, const char *text)
{
	if (strcmp(text, "pci") == 0 || strcmp(text, "amt") == 0) {
		config->is_pci = true;
		return true;
	}
	return cmdline_number(text, &config->io_base);
}

static bool irq_parse(struct serial_config *config, const char *text)
{
	if (strcmp(text, "msi") == 0) {
		config->is_pci = true;
		return true;
	}
	config->has_irq = true;
	return u32_parse(text, &config->irq);
}

static bool clock_parse(struct serial_config *config, const char *text)
{
	u32 hz;

	if (!u32_parse(text, &hz) || !hz || hz > ~0u / 16)
		return false;
	config->clock_hz = hz * 16;
	return true;
}

static bool serial_named_parse(struct serial_config *config, const char *item, const char *text)
{
	size_t len = (size_t)(text - 1 - item);

	if (len == 4 && memcmp(item, "baud", 4) == 0)
		return baud_parse(config, text);
	if (len == 8 && memcmp(item, "clock-hz", 8) == 0)
		return clock_parse(config, text);
	if (len == 9 && memcmp(item, "data-bits", 9) == 0)
		return digit_parse(text, 5, 8, &config->data_bits);
	if (len == 9 && memcmp(item, "stop-bits", 9) == 0)
		return digit_parse(text, 1, 2, &config->stop_bits);
	if (len == 6 && memcmp(item, "parity", 6) == 0)
		return parity_parse(text, &config->parity);
	if (len == 7 && memcmp(item, "io-base", 7) == 0)
		return cmdline_number(text, &config->io_base);
	if (len == 3 && memcmp(item, "irq", 3) == 0)
		return irq_parse(config, text);
	if (len == 9 && memcmp(item, "reg-shift", 9) == 0)
		return digit_parse(text, 0, 3, &config->reg_shift);
	if (len == 9 && memcmp(item, "reg-width", 9) == 0)
		return digit_parse(text, 1, 4, &config->reg_width) &&
		       (config->reg_width == 1 || config->reg_width == 4);
	if ((len == 3 && memcmp(item, "dev", 3) == 0) ||
	    (len == 4 && memcmp(item, "port", 4) == 0) ||
	    (len == 6 && memcmp(item, "bridge", 6) == 0)) {
		config->is_pci = true;
		return true;
	}
	return false;
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
		return frame_parse(config, item);
	case 2:
		return device_parse(config, item);
	case 3:
		return irq_parse(config, item);
	case 4:
	case 5:
		config->is_pci = true;
		return true;
	}
	return false;
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
		const char *equals = strchr(item, '=');
		bool is_good = equals ? serial_named_parse(&config, item, equals + 1)
				      : serial_positional_parse(&config, position++, item);

		if (!is_good)
			return false;
	}
	config.is_set = true;
	*(struct serial_config *)value = config;
	return true;
}

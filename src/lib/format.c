/* SPDX-License-Identifier: MIT */
/*
 * A small printf. Reached by core/log and whoever makes text; calls lib/string; no lock, no memory of its own, so it serves
 * in a panic too. The arguments are ours, never a guest's; a guest's text is printed by "%.*s".
 */
#include "lib/format.h"

#include "lib/string.h"

#define COUNT_MAX 100000 /* of a width or a precision */

struct out {
	char *buf;
	size_t size;
	size_t len; /* of the whole text, also of what did not fit */
};

struct spec {
	bool left, zero, prefix;
	int width;
	int precision; /* -1: none given */
	unsigned int size_bytes;
};

static void put(struct out *out, char c)
{
	if (out->len + 1 < out->size)
		out->buf[out->len] = c;
	out->len++;
}

static void pad(struct out *out, char c, int count)
{
	for (; count > 0; count--)
		put(out, c);
}

static void put_field(struct out *out, const struct spec *spec, const char *text, size_t len)
{
	int gap = spec->width > (int)len ? spec->width - (int)len : 0;

	if (!spec->left)
		pad(out, ' ', gap);
	while (len--)
		put(out, *text++);
	if (spec->left)
		pad(out, ' ', gap);
}

struct number {
	u64 value;
	const char *prefix; /* "-", "0x" or "" */
	unsigned int base;
	bool upper;
};

static void put_number(struct out *out, const struct spec *spec, const struct number *number)
{
	const char *digit = number->upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char text[24];
	int at = (int)sizeof(text), digits, zeros, gap;

	for (u64 value = number->value; value; value /= number->base)
		text[--at] = digit[value % number->base];
	digits = (int)sizeof(text) - at;
	zeros = (spec->precision < 0 ? 1 : spec->precision) - digits;
	zeros = MAX(zeros, 0);
	gap = spec->width - (int)strlen(number->prefix) - zeros - digits;
	gap = MAX(gap, 0);

	if (spec->zero && !spec->left && spec->precision < 0) {
		zeros += gap;
		gap = 0;
	}
	if (!spec->left)
		pad(out, ' ', gap);
	for (const char *p = number->prefix; *p; p++)
		put(out, *p);
	pad(out, '0', zeros);
	for (; at < (int)sizeof(text); at++)
		put(out, text[at]);
	if (spec->left)
		pad(out, ' ', gap);
}

/* The hh h l ll z t j in front of a conversion: how many bytes the number has. */
static const char *parse_size(const char *fmt, struct spec *spec)
{
	spec->size_bytes = sizeof(int);
	for (;; fmt++) {
		if (*fmt == 'l' || *fmt == 'z' || *fmt == 't' || *fmt == 'j')
			spec->size_bytes = 8;
		else if (*fmt == 'h')
			spec->size_bytes /= 2;
		else
			return fmt;
	}
}

/* A width or a precision: digits or a star. */
static const char *parse_count(const char *fmt, int *count, bool *is_star)
{
	*is_star = *fmt == '*';
	if (*is_star)
		return fmt + 1;
	for (*count = 0; *fmt >= '0' && *fmt <= '9'; fmt++)
		*count = MIN(*count * 10 + (*fmt - '0'), COUNT_MAX);
	return fmt;
}

static u64 number_cut(u64 value, unsigned int size_bytes)
{
	return size_bytes >= 8 ? value : value & (BIT(size_bytes * 8) - 1);
}

/* An unsigned number as read, seen as a signed one of size_bytes. */
static struct number number_signed(u64 value, unsigned int size_bytes)
{
	struct number number = {.value = value, .prefix = "", .base = 10};

	if (value >> (size_bytes * 8 - 1) & 1) {
		number.value = number_cut(0 - value, size_bytes);
		number.prefix = "-";
	}
	return number;
}

static void put_string(struct out *out, const struct spec *spec, const char *text)
{
	if (!text)
		text = "(null)";
	put_field(out, spec, text,
		  spec->precision < 0 ? strlen(text) : strnlen(text, (size_t)spec->precision));
}

/* A va_list in a struct, so that helpers can take from one and the same list. */
struct args {
	va_list list;
};

/* Everything between the % and the conversion letter. */
static const char *parse_spec(const char *fmt, struct spec *spec, struct args *args)
{
	bool is_star;

	for (; *fmt == '-' || *fmt == '0' || *fmt == '#' || *fmt == '+'; fmt++) {
		spec->left |= *fmt == '-';
		spec->zero |= *fmt == '0';
		spec->prefix |= *fmt == '#';
	}
	fmt = parse_count(fmt, &spec->width, &is_star);
	if (is_star)
		spec->width = va_arg(args->list, int);
	if (spec->width < 0) {
		spec->left = true;
		spec->width = -MAX(spec->width, -COUNT_MAX);
	}
	spec->width = MIN(spec->width, COUNT_MAX);
	if (*fmt == '.') {
		fmt = parse_count(fmt + 1, &spec->precision, &is_star);
		if (is_star)
			spec->precision = va_arg(args->list, int);
	}
	return parse_size(fmt, spec);
}

static u64 take_number(struct args *args, const struct spec *spec)
{
	if (spec->size_bytes == 8)
		return va_arg(args->list, u64);
	return number_cut(va_arg(args->list, unsigned int), spec->size_bytes);
}

/* One conversion; false if the letter is not known. */
static bool convert(struct out *out, char letter, const struct spec *spec, struct args *args)
{
	struct number number = {.prefix = "", .base = 16};
	char c;

	switch (letter) {
	case 'd':
	case 'i':
		number = number_signed(take_number(args, spec), spec->size_bytes);
		break;
	case 'u':
		number.base = 10;
		number.value = take_number(args, spec);
		break;
	case 'x':
	case 'X':
		number.upper = letter == 'X';
		number.prefix = spec->prefix ? "0x" : "";
		number.value = take_number(args, spec);
		break;
	case 'p':
		number.prefix = "0x";
		number.value = (u64)(uintptr_t)va_arg(args->list, void *);
		break;
	case 's':
		put_string(out, spec, va_arg(args->list, const char *));
		return true;
	case 'c':
		c = (char)va_arg(args->list, int);
		put_field(out, spec, &c, 1);
		return true;
	case '%':
		put(out, '%');
		return true;
	default:
		return false;
	}
	put_number(out, spec, &number);
	return true;
}

int format_vprint(char *buf, size_t size, const char *fmt, va_list list)
{
	struct out out = {.buf = buf, .size = size, .len = 0};
	struct args args;

	va_copy(args.list, list);
	while (*fmt) {
		struct spec spec = {.precision = -1};
		const char *end;

		if (*fmt != '%') {
			put(&out, *fmt++);
			continue;
		}
		end = parse_spec(fmt + 1, &spec, &args);
		if (convert(&out, *end, &spec, &args)) {
			fmt = end + 1;
			continue;
		}
		while (fmt < end) /* unknown, or cut off: as it stands */
			put(&out, *fmt++);
	}
	va_end(args.list);
	if (size)
		buf[MIN(out.len, size - 1)] = '\0';
	return (int)out.len;
}

int format_print(char *buf, size_t size, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = format_vprint(buf, size, fmt, args);
	va_end(args);
	return len;
}

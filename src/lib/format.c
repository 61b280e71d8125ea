/* SPDX-License-Identifier: MIT */
/*
 * A small printf. Reached by core/log and whoever makes text; calls lib/string; no lock, no memory of its own, so it serves
 * in a panic too. The arguments are ours, never a guest's; a guest's text is printed by "%.*s".
 */
#include "lib/format.h"

#include "lib/string.h"

#define COUNT_MAX  100000 /* of a width or a precision */
#define DIGITS_MAX 29	  /* zeros in front included */

struct out {
	char *buf;
	size_t size;
	size_t len; /* of the whole text, also of what did not fit */
};

struct spec {
	bool left, zero, prefix, is_long;
	int width;
	int precision; /* of text; -1: none given */
};

static void put(struct out *out, char c)
{
	if (out->len + 1 < out->size)
		out->buf[out->len] = c;
	out->len++;
}

static void put_field(struct out *out, const struct spec *spec, const char *text, size_t len)
{
	int gap = spec->width - (int)len;

	for (; gap > 0 && !spec->left; gap--)
		put(out, ' ');
	while (len--)
		put(out, *text++);
	for (; gap > 0; gap--)
		put(out, ' ');
}

static void put_number(struct out *out, const struct spec *spec, u64 value, unsigned int base,
		       const char *prefix)
{
	char text[DIGITS_MAX + 2];
	int at = (int)sizeof(text), len = (int)strlen(prefix);
	int at_least = spec->zero && !spec->left ? MIN(spec->width - len, DIGITS_MAX) : 1;

	do {
		text[--at] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value || (int)sizeof(text) - at < at_least);
	while (len)
		text[--at] = prefix[--len];
	put_field(out, spec, text + at, sizeof(text) - (size_t)at);
}

/* A width or a precision: digits or a star. */
static int take_count(const char **fmt, va_list *args)
{
	int count = 0;

	if (**fmt == '*') {
		++*fmt;
		return va_arg(*args, int);
	}
	for (; **fmt >= '0' && **fmt <= '9'; ++*fmt)
		count = MIN(count * 10 + (**fmt - '0'), COUNT_MAX);
	return count;
}

/* Everything between the % and the conversion letter. */
static struct spec take_spec(const char **fmt, va_list *args)
{
	struct spec spec = {.precision = -1};

	for (; **fmt == '-' || **fmt == '0' || **fmt == '#'; ++*fmt) {
		spec.left |= **fmt == '-';
		spec.zero |= **fmt == '0';
		spec.prefix |= **fmt == '#';
	}
	spec.width = take_count(fmt, args);
	if (**fmt == '.') {
		++*fmt;
		spec.precision = take_count(fmt, args);
	}
	for (; **fmt == 'l' || **fmt == 'z'; ++*fmt)
		spec.is_long = true;
	return spec;
}

/* One conversion; false if the letter is not known. */
static bool convert(struct out *out, char letter, const struct spec *spec, va_list *args)
{
	const char *text;
	s64 number;
	char c;

	switch (letter) {
	case 'd':
		number = spec->is_long ? va_arg(*args, s64) : va_arg(*args, int);
		put_number(out, spec, number < 0 ? 0 - (u64)number : (u64)number, 10,
			   number < 0 ? "-" : "");
		return true;
	case 'u':
	case 'x':
		put_number(out, spec,
			   spec->is_long ? va_arg(*args, u64) : va_arg(*args, unsigned int),
			   letter == 'u' ? 10 : 16, spec->prefix ? "0x" : "");
		return true;
	case 's':
		text = va_arg(*args, const char *);
		text = text ? text : "(null)";
		put_field(out, spec, text,
			  spec->precision < 0 ? strlen(text)
					      : strnlen(text, (size_t)spec->precision));
		return true;
	case 'c':
		c = (char)va_arg(*args, int);
		put_field(out, spec, &c, 1);
		return true;
	case '%':
		put(out, '%');
		return true;
	default:
		return false;
	}
}

int format_vprint(char *buf, size_t size, const char *fmt, va_list list)
{
	struct out out = {.buf = buf, .size = size};
	va_list args;

	va_copy(args, list);
	while (*fmt) {
		const char *end = fmt + 1;
		struct spec spec;

		if (*fmt != '%') {
			put(&out, *fmt++);
			continue;
		}
		spec = take_spec(&end, &args);
		if (convert(&out, *end, &spec, &args))
			fmt = end + 1;
		while (fmt < end) /* unknown, or cut off: as it stands */
			put(&out, *fmt++);
	}
	va_end(args);
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

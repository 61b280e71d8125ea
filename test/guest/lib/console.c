/* SPDX-License-Identifier: MIT */
/*
 * Output of a test guest through console_io, its checks and its end.
 */
#include <stdarg.h>

#include "guest.h"

static struct {
	char text[256];
	unsigned int used;
} lines[32];
static unsigned int check_count, failure_count;
static char first_failure[160];

static void put(char c)
{
	unsigned int self = vcpu_self();
	char *text = lines[self].text;

	text[lines[self].used++] = c;
	if (c != '\n' && lines[self].used < sizeof(lines[self].text) - 1)
		return;
	if (is_child())
		child_write(text, lines[self].used);
	else
		hypercall(console_io, CONSOLEIO_write, lines[self].used, text);
	lines[self].used = 0;
}

struct sink {
	void (*put)(char c);
	char *buf;
	unsigned int left;
};

static void sink_put(struct sink *s, char c)
{
	if (s->put) {
		s->put(c);
	} else if (s->left > 1) {
		*s->buf++ = c;
		s->left--;
	}
}

static void sink_number(struct sink *s, u64 value, unsigned int base, int width, bool zero)
{
	char digits[24];
	int n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	for (; width > n; width--)
		sink_put(s, zero ? '0' : ' ');
	while (n)
		sink_put(s, digits[--n]);
}

/* %s %c %d %u %x %p with l, width and 0 */
static void sink_format(struct sink *s, const char *f, va_list args)
{
	for (; *f; f++) {
		bool zero = false, wide = false;
		int width = 0;
		s64 value;

		if (*f != '%') {
			sink_put(s, *f);
			continue;
		}
		f++;
		if (*f == '0')
			zero = true;
		for (; *f >= '0' && *f <= '9'; f++)
			width = width * 10 + (*f - '0');
		for (; *f == 'l'; f++)
			wide = true;
		switch (*f) {
		case 's':
			for (const char *t = va_arg(args, const char *); *t; t++)
				sink_put(s, *t);
			break;
		case 'c':
			sink_put(s, (char)va_arg(args, int));
			break;
		case 'd':
			value = wide ? va_arg(args, s64) : va_arg(args, int);
			if (value < 0)
				sink_put(s, '-');
			sink_number(s, (u64)(value < 0 ? -value : value), 10, width, zero);
			break;
		case 'u':
			sink_number(s, wide ? va_arg(args, u64) : va_arg(args, unsigned int), 10,
				    width, zero);
			break;
		case 'x':
			sink_number(s, wide ? va_arg(args, u64) : va_arg(args, unsigned int), 16,
				    width, zero);
			break;
		case 'p':
			sink_number(s, (u64)va_arg(args, void *), 16, 16, true);
			break;
		default:
			sink_put(s, *f);
		}
	}
}

void print(const char *format, ...)
{
	struct sink s = {.put = put};
	va_list args;

	va_start(args, format);
	sink_format(&s, format, args);
	va_end(args);
}

static void note_failure(const char *format, ...)
{
	struct sink s = {.buf = first_failure, .left = sizeof(first_failure)};
	va_list args;

	if (failure_count++ != 0)
		return;
	va_start(args, format);
	sink_format(&s, format, args);
	va_end(args);
	*s.buf = 0;
}

void check_at(bool good, long got, long want, const char *text, const char *file, int line)
{
	const char *base = file;

	for (const char *p = file; *p; p++)
		if (*p == '/')
			base = p + 1;
	check_count++;
	if (good) {
		print("ok %u - %s\n", check_count, text);
		return;
	}
	print("not ok %u - %s: got %ld, want %ld (%s:%d)\n", check_count, text, got, want, base,
	      line);
	note_failure("%s:%d %s: got %ld, want %ld", base, line, text, got, want);
}

/* A check that the child has made counts as ours. */
void child_line(const char *line)
{
	const char *text = line;

	while (*text && !(text[0] == '-' && text[1] == ' '))
		text++;
	if (line[0] == 'o' && line[1] == 'k' && *text)
		check_at(true, 0, 0, text + 2, "child", 0);
	else if (line[0] == 'n' && line[1] == 'o' && *text)
		check_at(false, 0, 0, text + 2, "child", 0);
	else if (line[0] != 'T')
		print("# child: %s\n", line);
}

static void power_off(void) __attribute__((noreturn));
static void power_off(void)
{
	struct sched_shutdown off = {.reason = SHUTDOWN_poweroff};

	schedop(SCHEDOP_shutdown, &off);
	for (;;)
		schedop(SCHEDOP_block, NULL);
}

void finish(void)
{
	if (!is_child())
		audit();
	if (failure_count == 0)
		print("Test result: SUCCESS\n");
	else
		print("Test result: FAILURE %u of %u: %s\n", failure_count, check_count,
		      first_failure);
	power_off();
}

void fatal(const char *format, ...)
{
	struct sink s = {.put = put};
	va_list args;

	print("\nTest result: FAILURE after %u checks: ", check_count);
	va_start(args, format);
	sink_format(&s, format, args);
	va_end(args);
	print("\n");
	power_off();
}

bool on_mica(void)
{
	static xen_extraversion_t extra;

	if (!extra[0])
		hypercall(xen_version, XENVER_extraversion, extra);
	for (const char *p = extra; *p; p++)
		if ((p[0] | 32) == 'm' && (p[1] | 32) == 'i' && (p[2] | 32) == 'c' &&
		    (p[3] | 32) == 'a')
			return true;
	return false;
}

void guest_start(struct start_info *info);
void guest_start(struct start_info *info)
{
	start_info = info;
	child_image_keep();
	trap_init();
	memory_init();
	event_init();
	if (is_child())
		child_main();
	else
		guest_main();
	finish();
}

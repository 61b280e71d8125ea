/* SPDX-License-Identifier: MIT */
/*
 * The log ring and its way to the serial line. Reached from everywhere; calls the UART through the seam. The console lock
 * is the innermost, taken with interrupts off.
 */
#include "core/log.h"

#include <stdarg.h>

#include "core/domain.h"
#include "hw/clock.h"
#include "hw/console.h"
#include "lib/format.h"
#include "lib/string.h"

#define RING_SIZE      0x8000u /* a power of two */
#define LINE_MAX_BYTES 256

unsigned int opt_loglvl = LOG_INFO;
unsigned int opt_guest_loglvl = LOG_WARNING;
bool log_is_ending;

static struct lock console_lock = LOCK_INIT(LOCK_RANK_CONSOLE);
static char ring[RING_SIZE];
static u64 ring_end;   /* [l] bytes ever written; the newest RING_SIZE of them are in the ring */
static u64 ring_start; /* [l] nothing before this is shown (cleared) */
static unsigned int warnings;

/* The ring is Mica's: what Domain 0 prints it finds in its own log, and printing the ring must come to an end. */
void log_raw(const char *text, size_t len)
{
	LOCK_SCOPE_IRQ(&console_lock);
	hw_console_write(text, len);
}

static void PRINTF_LIKE(3, 0)
	line_print(bool to_console, const char *prefix, const char *format, va_list args)
{
	char line[LINE_MAX_BYTES];
	int len = format_print(line, sizeof(line), "(XEN) %s", prefix);
	bool locks = !log_is_ending;
	u64 flags;

	len += format_vprint(line + len, sizeof(line) - (size_t)len - 1, format, args);
	len = MIN(len, (int)sizeof(line) - 2);
	line[len++] = '\n';
	flags = locks ? lock_acquire_irq(&console_lock) : 0;
	for (int i = 0; i < len; i++)
		ring[ring_end++ % RING_SIZE] = line[i];
	if (to_console)
		hw_console_write(line, (size_t)len);
	if (locks)
		lock_release_irq(&console_lock, flags);
}

void log_print(enum log_level level, const char *format, ...)
{
	static const char *const prefixes[] = {"error: ", "warning: ", "", ""};
	va_list args;

	if (level <= LOG_WARNING)
		(void)atomic_add(&warnings, 1);
	va_start(args, format);
	line_print(level <= opt_loglvl, prefixes[level], format, args);
	va_end(args);
}

unsigned int log_warning_count(void)
{
	return atomic_load(&warnings);
}

/* A bucket of twenty lines that one line a second refills, for all guests together. */
static bool guest_may_log(void)
{
	static u64 last_tsc;	/* [l] */
	static u32 tokens = 20; /* [l] */
	u64 now = hw_tsc();
	bool may;

	LOCK_SCOPE_IRQ(&console_lock);
	if (now - last_tsc > hw_tsc_khz * 1000) {
		last_tsc = now;
		tokens += tokens < 20;
	}
	may = tokens != 0;
	tokens -= may;
	return may;
}

void log_guest(const struct vcpu *v, enum log_level level, const char *format, ...)
{
	char prefix[32];
	va_list args;

	if (level > opt_guest_loglvl || !guest_may_log())
		return;
	(void)format_print(prefix, sizeof(prefix), "d%uv%u: ", v->domain->id, v->id);
	va_start(args, format);
	line_print(true, prefix, format, args);
	va_end(args);
}

size_t log_ring_read(u64 *pos, char *buf, size_t len)
{
	size_t count = 0;

	LOCK_SCOPE_IRQ(&console_lock);
	*pos = MAX(MAX(*pos, ring_end > RING_SIZE ? ring_end - RING_SIZE : 0), ring_start);
	while (count < len && *pos < ring_end)
		buf[count++] = ring[(*pos)++ % RING_SIZE];
	return count;
}

void log_ring_clear(void)
{
	LOCK_SCOPE_IRQ(&console_lock);
	ring_start = ring_end;
}

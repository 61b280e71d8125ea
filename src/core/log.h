/* SPDX-License-Identifier: MIT */
/*
 * The log: every line goes to a ring (read back by Domain 0: console_io, sysctl readconsole) and, if its level is wanted,
 * to the serial line. Lines that a guest can cause use log_guest(), which is rate limited and names the guest.
 * Reached from everywhere; its lock is the innermost.
 */
#pragma once

#include "lib/types.h"

struct domain;
struct vcpu;

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

extern unsigned int opt_loglvl;	      /* lines up to this level reach the serial line */
extern unsigned int opt_guest_loglvl; /* the same for lines caused by guests */

/* The report speaks: nobody else does any more, and whom it has interrupted may hold the lock for ever. */
extern bool log_is_ending;

void log_print(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);
void log_guest(const struct vcpu *v, enum log_level level, const char *format, ...)
	PRINTF_LIKE(3, 4);
/* Raw text from a guest (console_io write) or from a report: no prefix, no level. */
void log_raw(const char *text, size_t len);
/* Copies up to len bytes of the ring from position *pos on (0: oldest); moves *pos. Returns bytes copied. */
size_t log_ring_read(u64 *pos, char *buf, size_t len);
void log_ring_clear(void);
/* Lines of level warning or worse since boot (system tests want 0). */
unsigned int log_warning_count(void);

#define log_error(...)	 log_print(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_print(LOG_WARNING, __VA_ARGS__)
#define log_info(...)	 log_print(LOG_INFO, __VA_ARGS__)
#define log_debug(...)	 log_print(LOG_DEBUG, __VA_ARGS__)

/* SPDX-License-Identifier: MIT */
/*
 * Keys on the serial line: for Domain 0 (VIRQ_CONSOLE, then CONSOLEIO_read), or for Mica after Ctrl-A three times, as on
 * Xen. The port is looked at by a timer. Reached from that timer and hcall/; one CPU reads, any CPU takes out.
 */
#include "core/log.h"
#include "domain/domain.h"
#include "evtchn/evtchn.h"
#include "hw/uart.h"
#include "time/time.h"

#define POLL_NS	     20000000ull  /* while somebody types */
#define POLL_IDLE_NS 100000000ull /* when nobody has for so many polls */
#define IDLE_POLLS   50u
#define SWITCH_KEY   0x01
#define SWITCH_COUNT 3
#define BUFFER_SIZE  512u

static struct lock buffer_lock = LOCK_INIT(LOCK_RANK_CONSOLE);
static char buffer[BUFFER_SIZE]; /* [l] */
static u32 head, tail;		 /* [l] */
static struct timer poll_timer;
static bool keys_are_ours;
static unsigned int switch_seen;

void (*domain_console_key)(char key);

static void store(char c)
{
	LOCK_SCOPE_IRQ(&buffer_lock);
	if (head - tail < BUFFER_SIZE)
		buffer[head++ % BUFFER_SIZE] = c;
}

static void received(char c)
{
	if (c == SWITCH_KEY && ++switch_seen == SWITCH_COUNT) {
		switch_seen = 0;
		keys_are_ours = !keys_are_ours;
		log_info("keys go to %s (Ctrl-A three times switches)",
			 keys_are_ours ? "Mica ('h' for help)" : "Domain 0");
		return;
	}
	if (c != SWITCH_KEY)
		switch_seen = 0;
	if (!keys_are_ours)
		store(c);
	else if (domain_console_key != NULL)
		domain_console_key(c);
}

static void poll(void *ctx)
{
	static unsigned int quiet_polls;
	bool any = false;
	char c;

	for (unsigned int i = 0; i < 64 && hw_uart_receive(&c); i++) {
		received(c);
		any = true;
	}
	if (any && !keys_are_ours)
		evtchn_virq_raise_global(VIRQ_CONSOLE);
	quiet_polls = any ? 0 : MIN(quiet_polls + 1, IDLE_POLLS);
	timer_set(&poll_timer, time_now_ns() + (quiet_polls < IDLE_POLLS ? POLL_NS : POLL_IDLE_NS));
}

void domain_console_init(void)
{
	timer_init(&poll_timer, poll, NULL, 0);
	if (hw_uart_port() != 0)
		timer_set(&poll_timer, time_now_ns() + POLL_NS);
}

size_t domain_console_read(char *buf, size_t len)
{
	size_t count = 0;

	LOCK_SCOPE_IRQ(&buffer_lock);
	while (count < len && tail != head)
		buf[count++] = buffer[tail++ % BUFFER_SIZE];
	return count;
}

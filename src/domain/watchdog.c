/* SPDX-License-Identifier: MIT */
/*
 * Watchdogs of a domain: when one is not poked in time the domain is shut down with the reason "watchdog". Reached from
 * hcall/ and from timers; calls the shutdown. Lock: the domain's; the timer's function takes it too, so it is not held
 * while waiting for that.
 */
#include "domain/watchdog.h"

#include "core/log.h"
#include "domain/domain.h"
#include "mm/mm.h"
#include "time/time.h"

struct watchdog {
	struct domain *domain;
	struct timer timer[WATCHDOG_MAX];
	bool is_used[WATCHDOG_MAX]; /* [l] */
};

static void expired(void *ctx)
{
	const struct watchdog *w = ctx;

	log_warning("d%u: watchdog: not poked in time", w->domain->id);
	domain_shutdown(w->domain, SHUTDOWN_watchdog);
}

int domain_watchdog_init(struct domain *d)
{
	struct watchdog *w = heap_alloc(sizeof(*w));

	if (w == NULL)
		return err(ENOMEM);
	w->domain = d;
	for (unsigned int i = 0; i < WATCHDOG_MAX; i++)
		timer_init(&w->timer[i], expired, w, cpu_id());
	d->watchdog = w;
	return 0;
}

static int set_locked(struct watchdog *w, u32 id, u64 expires_ns, u64 *result)
{
	if (id == 0) {
		while (id < WATCHDOG_MAX && w->is_used[id])
			id++;
		if (id == WATCHDOG_MAX)
			return err(ENOSPC);
		w->is_used[id] = true;
		*result = ++id;
	} else if (!w->is_used[idx_nospec(id - 1, WATCHDOG_MAX)]) {
		return err(EINVAL);
	}
	id = (u32)idx_nospec(id - 1, WATCHDOG_MAX);
	w->is_used[id] = expires_ns != TIMER_NEVER;
	timer_set(&w->timer[id], expires_ns);
	return 0;
}

int domain_watchdog(struct domain *d, u32 id, u32 timeout_s, u64 *result)
{
	if (id > WATCHDOG_MAX || (id == 0 && timeout_s == 0))
		return err(EINVAL);
	*result = 0;
	LOCK_SCOPE(&d->lock);
	return set_locked(d->watchdog, id,
			  timeout_s != 0 ? time_now_ns() + timeout_s * 1000000000ull : TIMER_NEVER,
			  result);
}

void domain_watchdog_destroy(struct domain *d)
{
	struct watchdog *w = d->watchdog;

	if (w == NULL)
		return;
	for (unsigned int i = 0; i < WATCHDOG_MAX; i++)
		timer_kill(&w->timer[i]);
	d->watchdog = NULL;
	heap_free(w);
}

/* SPDX-License-Identifier: MIT */
/*
 * The table of domains, their references, and the end of one that cannot go on. Reached from everywhere; calls work bits.
 * The table has LOCK_RANK_DOMLIST.
 */
#include "core/domain.h"

#include <stdarg.h>

#include "core/log.h"
#include "core/trace.h"
#include "lib/format.h"

struct domain *idle_domain;
struct domain *dom0;

static struct lock table_lock = LOCK_INIT(LOCK_RANK_DOMLIST);
static struct domain *table[256]; /* [l] by the low bits of the id, chained by table_next */
static struct domain *dead; /* [a] without a reference, linked by dead_next; [l] to take one away */

/* Where the domain of that number is, or would be put. */
static struct domain **table_find(u32 id)
{
	struct domain **at = &table[id % ARRAY_SIZE(table)];

	while (*at != NULL && (*at)->id != id)
		at = &(*at)->table_next;
	return at;
}

/* One that nobody refers to any more is about to be freed: it does not come back to life. */
static bool get_alive(struct domain *d)
{
	u32 refs;

	if (d == NULL)
		return false;
	refs = atomic_load(&d->refs);
	while (refs != 0)
		if (atomic_cmpxchg(&d->refs, &refs, refs + 1))
			return true;
	return false;
}

struct domain *domain_get_by_id(domid_t id)
{
	struct domain *d;

	LOCK_SCOPE(&table_lock);
	d = *table_find(id);
	return get_alive(d) ? d : NULL;
}

/* The lowest number in use above that one; DOMID_COUNT: none. */
static u32 id_above(u32 id)
{
	u32 found = DOMID_COUNT;

	for (unsigned int i = 0; i < ARRAY_SIZE(table); i++)
		for (const struct domain *d = table[i]; d != NULL; d = d->table_next)
			if (d->id > id && d->id < found)
				found = d->id;
	return found;
}

struct domain *domain_get_next(domid_t id)
{
	LOCK_SCOPE(&table_lock);
	for (u32 i = id; i < DOMID_COUNT; i = id_above(i)) {
		struct domain *d = *table_find(i);

		if (get_alive(d))
			return d;
	}
	return NULL;
}

struct domain *domain_take_dead(void)
{
	struct domain *d;

	LOCK_SCOPE(&table_lock);
	d = atomic_load(&dead);
	/* Others only add, so d's successor is what it was for as long as d is the first. */
	while (d != NULL && !atomic_cmpxchg(&dead, &d, d->dead_next))
		;
	return d;
}

void domain_get(struct domain *d)
{
	(void)atomic_add(&d->refs, 1);
}

void domain_put(struct domain *d)
{
	struct domain *first;

	if (atomic_sub(&d->refs, 1) != 0)
		return;
	first = atomic_load(&dead);
	do
		d->dead_next = first;
	while (!atomic_cmpxchg(&dead, &first, d));
	work_raise(cpu_id(), WORK_REAP);
}

int domain_list_add(struct domain *d)
{
	struct domain **at;

	if (d->id >= DOMID_COUNT)
		return err(EINVAL);
	LOCK_SCOPE(&table_lock);
	at = table_find(d->id);
	if (*at != NULL)
		return err(EEXIST);
	d->table_next = NULL;
	*at = d;
	return 0;
}

void domain_list_remove(struct domain *d)
{
	struct domain **at;

	LOCK_SCOPE(&table_lock);
	at = table_find(d->id);
	if (*at != NULL)
		*at = d->table_next;
}

void domain_crash(struct domain *d, const char *format, ...)
{
	va_list args;

	if (atomic_exchange(&d->is_crashed, true))
		return;
	va_start(args, format);
	(void)format_vprint(d->crash_reason, sizeof(d->crash_reason), format, args);
	va_end(args);
	trace(TRACE_CRASH, d->id, 0, d->crash_reason);
	log_error("d%u crashed: %s", d->id, d->crash_reason);
	work_raise(cpu_id(), WORK_CRASH);
}

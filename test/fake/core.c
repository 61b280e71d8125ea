/* SPDX-License-Identifier: MIT */
/*
 * Simple versions of what src/core/ does, for host tests: locks that spin (and complain about a wrong order), errors that
 * are counted, a table of domains. A test that wants the real ones names them in its "uses" line instead of this file.
 */
#include "fake.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/lock.h"
#include "core/log.h"
#include "core/trace.h"

unsigned int fake_crash_count, fake_err_count;
void (*fake_bug_hook)(void);
struct cpumask cpu_online_mask = {{1}};
unsigned int cpu_count = 1;
unsigned int opt_loglvl = LOG_WARNING, opt_guest_loglvl = LOG_WARNING;
struct domain *idle_domain, *dom0;
static struct domain *domains[0x8000];

#define HELD_MAX 8
/* By CPU: in an interleaving each fiber is one, otherwise each thread. */
static struct {
	struct lock *locks[HELD_MAX];
	unsigned int count;
} held_by[FAKE_CPU_MAX];
#define held	   (held_by[fake_cpu].locks)
#define held_count (held_by[fake_cpu].count)

void lock_init(struct lock *lock, enum lock_rank rank)
{
	*lock = (struct lock)LOCK_INIT((u16)rank);
}

static void held_push(struct lock *lock)
{
	for (unsigned int i = 0; i < held_count; i++)
		if (held[i]->rank >= lock->rank) {
			fprintf(stderr, "lock rank %u taken under rank %u\n", lock->rank,
				held[i]->rank);
			abort();
		}
	if (held_count == HELD_MAX)
		abort();
	held[held_count++] = lock;
}

void lock_acquire(struct lock *lock)
{
	u16 ticket;

	hw_atomic_step();
	ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_SEQ_CST);
	while (atomic_load(&lock->owner) != ticket)
		hw_relax();
	held_push(lock);
}

void lock_release(struct lock *lock)
{
	unsigned int i = 0;

	while (i < held_count && held[i] != lock)
		i++;
	if (i == held_count)
		abort();
	held[i] = held[--held_count];
	atomic_store(&lock->owner, (u16)(lock->owner + 1));
}

u64 lock_acquire_irq(struct lock *lock)
{
	u64 flags = hw_irq_save();

	lock_acquire(lock);
	return flags;
}

void lock_release_irq(struct lock *lock, u64 flags)
{
	lock_release(lock);
	hw_irq_restore(flags);
}

void err_note(int error, const char *file, unsigned int line)
{
	__atomic_add_fetch(&fake_err_count, 1, __ATOMIC_RELAXED);
	if (opt_loglvl >= LOG_DEBUG)
		fprintf(stderr, "err %d at %s:%u\n", error, file, line);
}

void bug(const char *what, const char *file, unsigned int line)
{
	fprintf(stderr, "BUG: %s at %s:%u\n", what, file, line);
	if (fake_bug_hook)
		fake_bug_hook();
	abort();
}

void panic(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	abort();
}

void log_print(enum log_level level, const char *format, ...)
{
	va_list args;

	if ((unsigned int)level > opt_loglvl)
		return;
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

void log_guest(const struct vcpu *v, enum log_level level, const char *format, ...)
{
	va_list args;

	if ((unsigned int)level > opt_guest_loglvl)
		return;
	fprintf(stderr, "d%uv%u: ", v->domain->id, v->id);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

void log_raw(const char *text, size_t len)
{
	fwrite(text, 1, len, stderr);
}

unsigned int log_warning_count(void)
{
	return 0;
}

void trace(enum trace_event event, u64 a, u64 b, const char *text)
{
	(void)event;
	(void)a;
	(void)b;
	(void)text;
}

const struct trace_record *trace_get(unsigned int cpu, unsigned int idx)
{
	(void)cpu;
	(void)idx;
	return NULL;
}

void work_raise(unsigned int cpu, enum work_bit bit)
{
	__atomic_fetch_or(&hw_cpu(cpu)->work, BIT(bit), __ATOMIC_SEQ_CST);
}

u64 work_take(void)
{
	return __atomic_exchange_n(&hw_this_cpu()->work, 0, __ATOMIC_SEQ_CST);
}

struct domain *domain_get_by_id(domid_t id)
{
	struct domain *d = id < ARRAY_SIZE(domains) ? domains[id] : NULL;

	if (d)
		domain_get(d);
	return d;
}

void domain_get(struct domain *d)
{
	atomic_add(&d->refs, 1u);
}

void domain_put(struct domain *d)
{
	if (atomic_sub(&d->refs, 1u) == 0)
		work_raise(fake_cpu, WORK_REAP);
}

struct domain *domain_get_next(domid_t id)
{
	for (unsigned int i = id; i < ARRAY_SIZE(domains); i++)
		if (domains[i])
			return domain_get_by_id((domid_t)i);
	return NULL;
}

int domain_list_add(struct domain *d)
{
	if (domains[d->id])
		return -EEXIST;
	domains[d->id] = d;
	return 0;
}

void domain_list_remove(struct domain *d)
{
	domains[d->id] = NULL;
}

void domain_crash(struct domain *d, const char *format, ...)
{
	va_list args;

	fake_crash_count++;
	if (d->is_crashed)
		return;
	d->is_crashed = true;
	va_start(args, format);
	vsnprintf(d->crash_reason, sizeof(d->crash_reason), format, args);
	va_end(args);
}

struct domain *fake_domain_new(domid_t id, unsigned int vcpus)
{
	struct domain *d = calloc(1, sizeof(*d));

	d->id = id;
	d->refs = 1;
	d->vcpu_max = vcpus;
	lock_init(&d->lock, LOCK_RANK_DOMAIN);
	for (unsigned int i = 0; i < vcpus; i++) {
		struct vcpu *v = calloc(1, sizeof(*v));

		v->domain = d;
		v->id = i;
		d->vcpus[i] = v;
	}
	if (domain_list_add(d))
		abort();
	return d;
}

void fake_domain_free(struct domain *d)
{
	domain_list_remove(d);
	for (unsigned int i = 0; i < d->vcpu_max; i++)
		free(d->vcpus[i]);
	free(d);
}

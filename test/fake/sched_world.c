/* SPDX-License-Identifier: MIT */
/* See sched_world.h. Also the parts of core and mm that sched and time need, in their simplest form. */
#include "sched_world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/trace.h"
#include "hw/console.h"
#include "mm/mm.h"
#include "time/priv.h"

#define DOMAINS_MAX 64

void (*world_upcall)(struct vcpu *v);
unsigned int world_upcalls[WORLD_CPUS_MAX * 16];
int world_heap_blocks;
bool hw_tsc_is_stable;
struct hw_date fake_date = {2024, 2, 29, 12, 34, 56};
struct domain *idle_domain, *dom0;
unsigned int opt_loglvl, opt_guest_loglvl;
static struct domain *domains[DOMAINS_MAX];
static struct vcpu *current[WORLD_CPUS_MAX];
static struct vcpu *loaded[WORLD_CPUS_MAX]; /* [a] whose registers each CPU has */
static unsigned int ipis_seen[WORLD_CPUS_MAX];

/* ---------------------------------------------------------------- core, mm, seam */

void err_note(int error, const char *file, unsigned int line)
{
	(void)file;
	(void)line;
}

void bug(const char *what, const char *file, unsigned int line)
{
	fprintf(stderr, "BUG: %s at %s:%u\n", what, file, line);
	abort();
}

void panic(const char *format, ...)
{
	fprintf(stderr, "panic: %s\n", format);
	abort();
}

void log_print(enum log_level level, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (fake_console_on)
		fprintf(stderr, "%d: %s\n", (int)level, text);
}

void log_raw(const char *text, size_t len)
{
	if (fake_console_on)
		fwrite(text, 1, len, stderr);
}

void trace(enum trace_event event, u64 a, u64 b, const char *text)
{
	(void)event;
	(void)a;
	(void)b;
	(void)text;
}

void *heap_alloc(size_t bytes)
{
	if (fake_alloc_fails())
		return NULL;
	__atomic_add_fetch(&world_heap_blocks, 1, __ATOMIC_RELAXED);
	return calloc(1, bytes);
}

void heap_free(void *ptr)
{
	if (ptr != NULL)
		__atomic_sub_fetch(&world_heap_blocks, 1, __ATOMIC_RELAXED);
	free(ptr);
}

void hw_timer_init(void)
{
}

int hw_rtc_read(struct hw_date *date)
{
	*date = fake_date;
	return fake_date.year != 0 ? 0 : -EIO;
}

struct domain *domain_get_by_id(domid_t id)
{
	return id < DOMAINS_MAX ? domains[id] : NULL;
}

struct domain *domain_get_next(domid_t id)
{
	for (unsigned int i = id; i < DOMAINS_MAX; i++)
		if (domains[i] != NULL)
			return domains[i];
	return NULL;
}

void domain_get(struct domain *d)
{
	(void)d;
}

void domain_put(struct domain *d)
{
	(void)d;
}

/* ---------------------------------------------------------------- the world */

static void fire(struct vcpu *v)
{
	world_event(v);
}

static void vcpu_make(struct domain *d, u32 id)
{
	struct vcpu *v = calloc(1, sizeof(*v));

	v->domain = d;
	v->id = id;
	v->is_down = true;
	v->info = calloc(1, sizeof(*v->info));
	d->vcpus[id] = v;
	if (sched_vcpu_init(v) != 0 || time_vcpu_init(v, fire) != 0)
		abort();
}

struct domain *world_domain(domid_t id, unsigned int vcpus)
{
	struct domain *d = calloc(1, sizeof(*d));

	d->id = id;
	d->refs = 1;
	d->vcpu_max = vcpus;
	d->shared = calloc(1, sizeof(*d->shared));
	lock_init(&d->lock, LOCK_RANK_DOMAIN);
	if (sched_domain_init(d, 0) != 0)
		abort();
	for (unsigned int i = 0; i < vcpus; i++)
		vcpu_make(d, i);
	domains[id] = d;
	return d;
}

void world_domain_end(struct domain *d)
{
	struct vcpu *v;

	domain_pause_nosync(d);
	world_settle();
	for_each_vcpu(d, v) {
		vcpu_sleep_sync(v);
		time_vcpu_destroy(v);
		sched_vcpu_destroy(v);
		free(v->info);
		free(v);
	}
	domains[d->id] = NULL;
	sched_domain_destroy(d);
	free(d->shared);
	free(d);
}

void world_up(struct vcpu *v)
{
	if (atomic_exchange(&v->is_down, false))
		vcpu_wake(v);
}

static void cpu_make(unsigned int cpu)
{
	struct vcpu *v = calloc(1, sizeof(*v));

	v->domain = idle_domain;
	v->id = cpu;
	v->cpu = cpu;
	v->is_idle = true;
	v->info = calloc(1, sizeof(*v->info));
	fake_cpu = cpu;
	time_cpu_init(cpu);
	if (sched_cpu_init(cpu, v) != 0)
		abort();
	current[cpu] = v;
	cpumask_set(&cpu_online_mask, cpu);
	ipis_seen[cpu] = fake_ipi_count[cpu][IPI_WORK];
	(void)work_take();
}

void world_start(unsigned int cpus)
{
	memset(sched_queues, 0, sizeof(sched_queues));
	memset(sched_pools, 0, sizeof(sched_pools));
	memset(&sched_idle_mask, 0, sizeof(sched_idle_mask));
	memset(&cpu_online_mask, 0, sizeof(cpu_online_mask));
	memset(world_upcalls, 0, sizeof(world_upcalls));
	memset(loaded, 0, sizeof(loaded));
	world_upcall = NULL;
	hw_tsc_khz = 1000000;
	fake_tsc = 0;
	fake_tsc_step = 0;
	fake_cpu = 0;
	cpu_count = cpus;
	idle_domain = calloc(1, sizeof(*idle_domain));
	idle_domain->id = DOMID_IDLE;
	time_init();
	fake_tsc = NS_PER_SECOND;
	for (unsigned int cpu = 0; cpu < cpus; cpu++)
		cpu_make(cpu);
	fake_cpu = 0;
}

void world_end(void)
{
	for (unsigned int i = 0; i < DOMAINS_MAX; i++)
		if (domains[i] != NULL)
			world_domain_end(domains[i]);
	for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
		struct vcpu *v = sched_queues[cpu].idle;

		heap_free(v->sched);
		free(v->info);
		free(v);
	}
	free(idle_domain);
}

struct vcpu *world_current(unsigned int cpu)
{
	return current[cpu];
}

bool world_runs(const struct vcpu *v)
{
	return current[v->cpu] == v;
}

bool world_is_parked(const struct vcpu *v)
{
	return sched_queues[v->cpu].parked == v;
}

u64 world_now(void)
{
	return time_now_ns();
}

void world_event(struct vcpu *v)
{
	if (atomic_exchange(&v->info->evtchn_upcall_pending, (u8)1) == 0)
		vcpu_kick(v);
}

static void upcall(struct vcpu *v)
{
	if (world_upcall != NULL) {
		world_upcall(v);
		return;
	}
	(void)atomic_exchange(&v->info->evtchn_upcall_pending, (u8)0);
	world_upcalls[v->id]++;
}

static bool upcall_wanted(const struct vcpu *v)
{
	return !v->is_idle && atomic_load(&v->info->evtchn_upcall_pending) != 0 &&
	       atomic_load(&v->info->evtchn_upcall_mask) == 0;
}

/* As entry/switch.c, between sched_choose() and sched_switched(): nobody's registers are in two places, or lost. */
static void registers_move(unsigned int cpu, struct vcpu *next, struct vcpu *left)
{
	if (left != NULL && atomic_exchange(&loaded[cpu], NULL) != left)
		BUG_ON(true);
	if (next->is_idle)
		BUG_ON(loaded[cpu] != sched_queues[cpu].parked);
	if (next->is_idle || loaded[cpu] == next)
		return;
	BUG_ON(loaded[cpu] != NULL);
	for (unsigned int other = 0; other < cpu_count; other++)
		BUG_ON(atomic_load(&loaded[other]) == next);
	atomic_store(&loaded[cpu], next);
}

/* As entry/run.c. */
void world_exit(unsigned int cpu)
{
	fake_cpu = cpu;
	for (;;) {
		u64 work;

		ipis_seen[cpu] = __atomic_load_n(&fake_ipi_count[cpu][IPI_WORK], __ATOMIC_SEQ_CST);
		fake_irq_off = true;
		work = work_take();
		if ((work & BIT(WORK_TIMER)) != 0)
			time_softirq();
		if ((work & BIT(WORK_SCHEDULE)) != 0) {
			struct vcpu *left;

			current[cpu] = sched_choose(cpu, &left);
			registers_move(cpu, current[cpu], left);
			if (left != NULL)
				sched_switched(left);
		}
		if (work != 0)
			continue;
		fake_irq_off = false;
		if (!upcall_wanted(current[cpu]))
			return;
		upcall(current[cpu]);
	}
}

bool world_is_told(unsigned int cpu)
{
	return ipis_seen[cpu] != __atomic_load_n(&fake_ipi_count[cpu][IPI_WORK], __ATOMIC_SEQ_CST);
}

static bool is_wanted(unsigned int cpu)
{
	fake_cpu = cpu;
	return work_is_raised() || upcall_wanted(current[cpu]) || world_is_told(cpu);
}

/* Otherwise only a CPU that was told goes on: whoever forgets to tell it is found out. */
void world_settle(void)
{
	unsigned int self = fake_cpu;
	bool is_quiet;

	world_exit(self); /* the CPU that acted goes back to its guest */
	do {
		is_quiet = true;
		for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
			fake_cpu = cpu;
			if (!work_is_raised() && !world_is_told(cpu))
				continue;
			is_quiet = false;
			world_exit(cpu);
		}
	} while (!is_quiet);
	for (unsigned int cpu = 0; cpu < cpu_count; cpu++)
		if (is_wanted(cpu)) {
			fprintf(stderr, "CPU %u was not told of an event\n", cpu);
			abort();
		}
	fake_cpu = self;
}

void world_move(u64 ns)
{
	unsigned int self = fake_cpu;

	fake_tsc += ns;
	for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
		fake_cpu = cpu;
		time_interrupt();
	}
	fake_cpu = self;
	world_settle();
}

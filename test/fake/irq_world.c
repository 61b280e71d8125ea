/* SPDX-License-Identifier: MIT */
/*
 * What is below irq/ but not hardware, in its simplest form: heap, frame types, timers; and a domain with all interrupts.
 * For tests of irq/ alone.
 */
#include "devices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"
#include "hw/clock.h"
#include "irq/irq.h"
#include "lib/rangeset.h"
#include "mm/mm.h"
#include "time/time.h"

#define CHECK(condition)                                                                \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

/* ---------------------------------------------------------------- heap, frames, timers */

int fake_heap_blocks;

void *heap_alloc(size_t bytes)
{
	if (fake_alloc_fails())
		return NULL;
	fake_heap_blocks++;
	return calloc(1, bytes);
}

void heap_free(void *ptr)
{
	fake_heap_blocks -= ptr != NULL;
	free(ptr);
}

struct rangeset mm_iomem_readonly;
int fake_frames_held;

int frame_type_get(mfn_t mfn, struct domain *d, enum frame_type type)
{
	(void)d;
	CHECK(type == FRAME_WRITABLE);
	if (mfn_num(mfn) >= hw_frame_max)
		return -EINVAL;
	fake_frames_held++;
	return 0;
}

void frame_type_put(mfn_t mfn)
{
	CHECK(mfn_num(mfn) < hw_frame_max);
	fake_frames_held--;
}

#define TIMERS_MAX 16
static u64 now_ns;
static struct timer *timers[TIMERS_MAX];
static u64 due_ns[TIMERS_MAX];

u64 time_now_ns(void)
{
	return now_ns;
}

void timer_init(struct timer *t, void (*fn)(void *ctx), void *ctx, unsigned int cpu)
{
	*t = (struct timer){.fn = fn, .ctx = ctx, .cpu = cpu};
}

void timer_cancel(struct timer *t)
{
	for (unsigned int i = 0; i < TIMERS_MAX; i++)
		if (timers[i] == t)
			timers[i] = NULL;
}

void timer_set(struct timer *t, u64 expires_ns)
{
	timer_cancel(t);
	for (unsigned int i = 0; i < TIMERS_MAX; i++)
		if (!timers[i]) {
			timers[i] = t;
			due_ns[i] = expires_ns;
			return;
		}
	CHECK(!"timers");
}

void fake_time_move(u64 ns)
{
	now_ns += ns;
	fake_tsc += ns * hw_tsc_khz / 1000000;
	for (unsigned int i = 0; i < TIMERS_MAX; i++) {
		struct timer *t = timers[i];

		if (!t || due_ns[i] > now_ns)
			continue;
		timers[i] = NULL;
		t->fn(t->ctx);
	}
}

/* ---------------------------------------------------------------- set-up */

static struct range io_ranges[64];
static struct rangeset io_set;

struct domain *fake_hardware_domain(void)
{
	struct domain *d = fake_domain_new(0, 2);

	d->is_privileged = d->is_hardware = true;
	rangeset_init(&io_set, io_ranges, ARRAY_SIZE(io_ranges));
	CHECK(rangeset_add(&io_set, 0, 0xfffffffffull) == 0);
	CHECK(irq_iomem_deny(&io_set) == 0);
	d->iomem_allowed = &io_set;
	CHECK(irq_domain_init(d) == 0);
	return d;
}

void fake_devices_init(unsigned int cpus)
{
	static bool is_done;

	fake_memory_init(256);
	fake_devices_reset(cpus);
	fake_cpu = 0;
	fake_alloc_fail_after = -1;
	memset(timers, 0, sizeof(timers));
	fake_tsc = 1000000000;
	if (is_done)
		return;
	is_done = true;
	fake_irq_start();
	fake_heap_blocks = 0; /* what irq/ keeps for good */
}

void fake_devices_fini(void)
{
	fake_devices_forget();
	fake_memory_fini();
}

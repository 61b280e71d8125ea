/* SPDX-License-Identifier: MIT */
/*
 * The TLB clock (ARCHITECTURE 4.3). A CPU that flushes everything moves the clock and remembers the value as its flush
 * time; a frame is stamped with the clock when its last translation was taken away. CPU c may still hold one if
 * time(c) <= stamp. Reached by frame.c and the flush hypercalls; calls the seam. No lock.
 */
#include "mm/priv.h"

#include "core/cpu.h"
#include "hw/flush.h"
#include "lib/bits.h"

struct flush_time {
	u64 value; /* [a] */
} ALIGNED(64);

static u64 clock_now = 1; /* [a] odd and never wraps; stamps keep its low 32 bits, 0: never */
static struct flush_time flush_times[CPU_MAX];

u32 flush_clock(void)
{
	return (u32)atomic_load(&clock_now);
}

/* The newest time that the stamp can mean: a wrapped one only causes a flush too many. */
u64 flush_stamp_expand(u32 stamp)
{
	u64 now = atomic_load(&clock_now);

	return now - (u32)((u32)now - stamp);
}

u64 flush_begin(void)
{
	/* Partner of the stamp in type_put: a larger value means that this flush began after that unmap. */
	return atomic_add(&clock_now, 2ull);
}

void flush_end(u64 began)
{
	atomic_store(&flush_times[cpu_id()].value, began);
}

void flush_local(void)
{
	u64 began = flush_begin();

	perf_count(tlb_flushes);
	hw_flush_tlb_local();
	flush_end(began);
}

void flush_answer(unsigned int kind, u64 va)
{
	if (kind & FLUSH_TLB)
		flush_local();
	else if (kind & FLUSH_VA)
		hw_flush_tlb_va_local(va);
	if (kind & FLUSH_CACHE)
		hw_flush_cache_local();
}

void flush_newer_than(u64 stamp, const struct domain *d)
{
	struct cpumask mask = {{0}};
	bool any = false;

	for (unsigned int word_idx = 0; word_idx < CPU_MAX / 64; word_idx++) {
		const struct cpumask *from = d ? &d->dirty_cpus : &cpu_online_mask;
		u64 word = atomic_load(&from->bits[word_idx]);
		unsigned int bit;

		for_each_set_bit(bit, word) {
			unsigned int cpu = word_idx * 64 + bit;

			if (atomic_load(&flush_times[cpu].value) > stamp)
				continue;
			mask.bits[word_idx] |= BIT(bit);
			any = true;
		}
	}
	if (any)
		hw_flush_mask(&mask, FLUSH_TLB, 0);
}

void flush_frame(const struct frame *f, const struct domain *d)
{
	flush_newer_than(flush_stamp_expand(atomic_load(&f->stamp)), d);
}

static void mask_copy(struct cpumask *to, const struct cpumask *from)
{
	for (unsigned int i = 0; i < CPU_MAX / 64; i++)
		to->bits[i] = atomic_load(&from->bits[i]);
}

void flush_domain(struct domain *d)
{
	struct cpumask mask;

	mask_copy(&mask, &d->dirty_cpus);
	hw_flush_mask(&mask, FLUSH_TLB, 0);
}

void flush_domain_va(struct domain *d, u64 va)
{
	struct cpumask mask;

	mask_copy(&mask, &d->dirty_cpus);
	hw_flush_mask(&mask, FLUSH_VA, va);
}

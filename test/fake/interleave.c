/* SPDX-License-Identifier: MIT */
/*
 * Systematic interleaving of CPUs (see interleave.h). Each CPU is a fiber of its own; at every step the schedule says who
 * goes on. A flush of another CPU is a request that it answers at its next step, as an interrupt would be.
 */
#include "interleave.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define CPUS	    3
#define STACK_SIZE  (256 * 1024)
#define CHOICES_MAX 20000
#define STUCK_LIMIT 2000
#define TLB_SIZE    8

struct tlb_entry {
	mfn_t mfn;
	u16 owner;
	bool is_valid;
	bool is_writable;
	u64 pte_addr;
};

static const struct scenario *scenario;
static ucontext_t fibers[CPUS], scheduler;
static char *stacks[CPUS];
static bool is_done[CPUS], in_handler[CPUS], flush_wanted[CPUS];
static unsigned int flush_kind_wanted[CPUS];
static struct tlb_entry tlbs[CPUS][TLB_SIZE];
static unsigned int current_cpu;
static bool is_running;
static unsigned int stuck;

/* The schedule: choices taken (0 = go on) and how many there were. */
static unsigned char chosen[CHOICES_MAX], options[CHOICES_MAX];
static unsigned int choice_count, choice_prefix, preemptions_used;
static bool is_random;
static unsigned int bound; /* of preemptions; more with MICA_PREEMPTIONS=n in the environment */

static void report(const char *what)
{
	fprintf(stderr, "%s: %s; schedule:", scenario->name, what);
	for (unsigned int i = 0; i < choice_count; i++)
		if (chosen[i])
			fprintf(stderr, " %u:%u", i, chosen[i]);
	fprintf(stderr, "\n");
	abort();
}

static void bug_report(void)
{
	report("a bug");
}

void tlb_reset(void)
{
	memset(tlbs, 0, sizeof(tlbs));
}

static void tlb_flush(unsigned int cpu)
{
	memset(tlbs[cpu], 0, sizeof(tlbs[cpu]));
}

/* What must hold at every step, whoever has done whatever. */
static void tlbs_check(void)
{
	for (unsigned int cpu = 0; cpu < CPUS; cpu++)
		for (unsigned int i = 0; i < TLB_SIZE; i++) {
			const struct tlb_entry *entry = &tlbs[cpu][i];
			const struct frame *f = frame_of(entry->mfn);

			if (!entry->is_valid)
				continue;
			if (f->owner != entry->owner && f->word & FRAME_REFS_MASK)
				report("a TLB holds a frame that is somebody else's now");
			if (entry->is_writable && f->word & FRAME_VALID)
				report("a TLB holds a table writable");
		}
}

static unsigned int choose(unsigned int count)
{
	unsigned int idx = choice_count++;

	if (count == 1) {
		choice_count--;
		return 0;
	}
	if (choice_count >= CHOICES_MAX)
		report("too long");
	options[idx] = (unsigned char)count;
	if (idx >= choice_prefix)
		chosen[idx] = is_random && fake_random() % 8 == 0
				      ? (unsigned char)(fake_random() % count)
				      : 0;
	if (chosen[idx] >= count)
		chosen[idx] = 0; /* a run may be shorter than the one before */
	return chosen[idx];
}

static void switch_to(unsigned int cpu)
{
	unsigned int from = current_cpu;

	if (cpu == from)
		return;
	current_cpu = cpu;
	fake_cpu = cpu;
	swapcontext(&fibers[from], &fibers[cpu]);
}

static void take_interrupts(void)
{
	unsigned int cpu = fake_cpu;

	if (!flush_wanted[cpu] || in_handler[cpu])
		return;
	in_handler[cpu] = true;
	flush_answer(flush_kind_wanted[cpu], 0);
	in_handler[cpu] = false;
	flush_wanted[cpu] = false; /* whoever waits for it goes on only now */
}

/* The others that could run, in order. */
static unsigned int others(unsigned int *cpus)
{
	unsigned int count = 0;

	for (unsigned int cpu = 0; cpu < scenario->cpus; cpu++)
		if (cpu != current_cpu && !is_done[cpu])
			cpus[count++] = cpu;
	return count;
}

static void step(void)
{
	unsigned int cpus[CPUS], count, pick;
	bool may_preempt = is_random || preemptions_used < bound;

	if (!is_running)
		return;
	tlbs_check();
	count = others(cpus);
	if (count && may_preempt) {
		pick = choose(count + 1);
		if (pick) {
			preemptions_used++;
			switch_to(cpus[pick - 1]);
		}
	}
	stuck = 0;
	take_interrupts();
}

static void rest(void)
{
	unsigned int cpus[CPUS], count, pick;

	if (!is_running)
		return;
	tlbs_check();
	take_interrupts();
	count = others(cpus);
	if (++stuck > STUCK_LIMIT)
		report("nobody gets on");
	/* Who waits lets the next one go on; no choice here, or waiting would have no end of schedules. */
	if (count) {
		pick = 0;
		while (pick + 1 < count && cpus[pick] < current_cpu)
			pick++;
		if (cpus[pick] < current_cpu)
			pick = 0;
		switch_to(cpus[pick]);
	}
	take_interrupts();
}

/* Strong versions of what machine.c does for one thread. */
void hw_relax(void)
{
	rest();
}

/* A CPU that has nothing to do answers at once. */
static void answer_for(unsigned int cpu, unsigned int kind, u64 va)
{
	unsigned int self = fake_cpu;
	bool was_running = is_running;

	is_running = false;
	fake_cpu = cpu;
	flush_answer(kind, va);
	fake_cpu = self;
	is_running = was_running;
}

void hw_flush_mask(const struct cpumask *mask, unsigned int kind, u64 va)
{
	unsigned int self = fake_cpu;

	for (unsigned int cpu = 0; cpu < CPUS; cpu++) {
		if (!cpumask_test(mask, cpu) || cpu == self)
			continue;
		if (!is_running || is_done[cpu] || cpu >= scenario->cpus) {
			answer_for(cpu, kind, va);
			continue;
		}
		flush_kind_wanted[cpu] = kind;
		flush_wanted[cpu] = true;
		while (flush_wanted[cpu] && !is_done[cpu])
			rest();
		if (flush_wanted[cpu]) { /* it ended meanwhile, and is idle now */
			flush_wanted[cpu] = false;
			answer_for(cpu, kind, va);
		}
	}
	if (cpumask_test(mask, self))
		flush_answer(kind, va);
}

static void flushed(unsigned int cpu, unsigned int kind, u64 va)
{
	(void)va;
	if (kind & FLUSH_TLB && cpu < CPUS)
		tlb_flush(cpu);
}

bool guest_access(maddr_t pte, bool write)
{
	struct tlb_entry *tlb = tlbs[fake_cpu], *free_entry = &tlb[0];
	u64 *entry = (u64 *)hw_frame_map(maddr_to_mfn(pte)) + (maddr_num(pte) & 4095) / 8;
	u64 old;

	step();
	for (unsigned int i = 0; i < TLB_SIZE; i++) {
		if (tlb[i].is_valid && tlb[i].pte_addr == maddr_num(pte) &&
		    (tlb[i].is_writable || !write))
			return true;
		if (!tlb[i].is_valid)
			free_entry = &tlb[i];
	}
	old = __atomic_load_n(entry, __ATOMIC_SEQ_CST);
	if (!(old & PTE_PRESENT) || (write && !(old & PTE_RW)))
		return false;
	/* SDM 3A 4.8: A and D are set with a locked access, which fails if the entry changed. */
	if (!__atomic_compare_exchange_n(entry, &old, old | PTE_ACCESSED | (write ? PTE_DIRTY : 0),
					 false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return false;
	*free_entry = (struct tlb_entry){
		.mfn = pte_mfn(old),
		.owner = frame_of(pte_mfn(old))->owner,
		.is_valid = true,
		.is_writable = old & PTE_RW,
		.pte_addr = maddr_num(pte),
	};
	tlbs_check();
	return true;
}

static void fiber_main(void)
{
	unsigned int cpu = current_cpu, cpus[CPUS], count;

	take_interrupts();
	scenario->body[cpu]();
	is_done[cpu] = true;
	count = others(cpus);
	if (!count)
		setcontext(&scheduler);
	current_cpu = cpus[choose(count)];
	fake_cpu = current_cpu;
	setcontext(&fibers[current_cpu]);
}

static void run_once(void)
{
	preemptions_used = 0;
	choice_count = 0;
	stuck = 0;
	fake_cpu = 0;
	scenario->setup();
	for (unsigned int cpu = 0; cpu < scenario->cpus; cpu++) {
		is_done[cpu] = in_handler[cpu] = flush_wanted[cpu] = false;
		getcontext(&fibers[cpu]);
		if (!stacks[cpu])
			stacks[cpu] = malloc(STACK_SIZE);
		fibers[cpu].uc_stack.ss_sp = stacks[cpu];
		fibers[cpu].uc_stack.ss_size = STACK_SIZE;
		makecontext(&fibers[cpu], fiber_main, 0);
	}
	is_running = true;
	current_cpu = choose(scenario->cpus);
	fake_cpu = current_cpu;
	swapcontext(&scheduler, &fibers[current_cpu]);
	is_running = false;
	fake_cpu = 0;
	tlbs_check();
	scenario->check();
}

/* The next schedule in depth-first order; false when there is none. */
static bool advance(void)
{
	while (choice_count) {
		unsigned int idx = choice_count - 1;

		if (chosen[idx] + 1 < options[idx]) {
			chosen[idx]++;
			choice_prefix = idx + 1;
			return true;
		}
		choice_count--;
	}
	return false;
}

unsigned long interleave(const struct scenario *which)
{
	unsigned long runs = 0;

	scenario = which;
	bound = which->preemptions;
	if (getenv("MICA_PREEMPTIONS"))
		bound = (unsigned int)atoi(getenv("MICA_PREEMPTIONS"));
	fake_step_hook = step;
	fake_flush_hook = flushed;
	fake_bug_hook = bug_report;
	is_random = false;
	choice_prefix = 0;
	do {
		run_once();
		runs++;
	} while (advance());
	is_random = true;
	choice_prefix = 0;
	for (unsigned int i = 0; i < which->random_runs; i++, runs++)
		run_once();
	fake_step_hook = NULL;
	return runs;
}

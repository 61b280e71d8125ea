/* SPDX-License-Identifier: MIT */
/* See fibers.h. Each CPU is a fiber; at every step the schedule says who goes on. */
#include "fibers.h"

#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#define STACK_SIZE  (256 * 1024)
#define CHOICES_MAX 20000
#define STUCK_LIMIT 20000

static const struct fiber_case *now;
static ucontext_t fibers[FIBERS_MAX], scheduler;
static char *stacks[FIBERS_MAX];
static bool is_done[FIBERS_MAX], is_body_done[FIBERS_MAX], is_running, is_random;
static unsigned int current_fiber, stuck, preemptions;
static unsigned char chosen[CHOICES_MAX], options[CHOICES_MAX];
static unsigned int choice_count, choice_prefix;

void fibers_fail(const char *what)
{
	fprintf(stderr, "%s: %s; schedule:", now->name, what);
	for (unsigned int i = 0; i < choice_count; i++)
		if (chosen[i])
			fprintf(stderr, " %u:%u", i, chosen[i]);
	fprintf(stderr, "\n");
	abort();
}

static unsigned int choose(unsigned int count)
{
	unsigned int idx = choice_count;

	if (count == 1)
		return 0;
	if (++choice_count >= CHOICES_MAX)
		fibers_fail("too long");
	options[idx] = (unsigned char)count;
	if (idx >= choice_prefix)
		chosen[idx] = is_random && fake_random() % 8 == 0
				      ? (unsigned char)(fake_random() % count)
				      : 0;
	if (chosen[idx] >= count)
		chosen[idx] = 0;
	return chosen[idx];
}

static void switch_to(unsigned int fiber)
{
	unsigned int from = current_fiber;

	if (fiber == from)
		return;
	current_fiber = fiber;
	fake_cpu = fiber;
	swapcontext(&fibers[from], &fibers[fiber]);
}

static unsigned int others(unsigned int *list)
{
	unsigned int count = 0;

	for (unsigned int i = 1; i < now->cpus; i++) {
		unsigned int fiber = (current_fiber + i) % now->cpus;

		if (!is_done[fiber])
			list[count++] = fiber;
	}
	return count;
}

static void step(void)
{
	unsigned int list[FIBERS_MAX], count, pick;

	if (!is_running)
		return;
	count = others(list);
	if (!count || (!is_random && preemptions >= now->preemptions))
		return;
	pick = choose(count + 1);
	if (pick) {
		preemptions++;
		switch_to(list[pick - 1]);
	}
}

/* Who waits lets the next one go on; no choice here, or waiting would have no end of schedules. */
void hw_relax(void)
{
	unsigned int list[FIBERS_MAX];

	if (!is_running)
		fibers_fail("waits for somebody who is not there");
	if (++stuck > STUCK_LIMIT)
		fibers_fail("nobody gets on");
	if (others(list))
		switch_to(list[0]);
}

static bool all_bodies_done(void)
{
	for (unsigned int i = 0; i < now->cpus; i++)
		if (!is_body_done[i])
			return false;
	return true;
}

/* A CPU whose part is over still answers the others. */
static void fiber_main(void)
{
	unsigned int list[FIBERS_MAX], count;

	now->body[current_fiber]();
	is_body_done[current_fiber] = true;
	stuck = 0;
	while (!all_bodies_done()) {
		if (now->idle)
			now->idle();
		hw_relax();
	}
	is_done[current_fiber] = true;
	count = others(list);
	if (!count)
		setcontext(&scheduler);
	current_fiber = list[0];
	fake_cpu = current_fiber;
	setcontext(&fibers[current_fiber]);
}

static void run_once(void)
{
	preemptions = choice_count = stuck = 0;
	fake_cpu = 0;
	now->setup();
	for (unsigned int i = 0; i < now->cpus; i++) {
		is_done[i] = is_body_done[i] = false;
		getcontext(&fibers[i]);
		if (!stacks[i])
			stacks[i] = malloc(STACK_SIZE);
		fibers[i].uc_stack.ss_sp = stacks[i];
		fibers[i].uc_stack.ss_size = STACK_SIZE;
		makecontext(&fibers[i], fiber_main, 0);
	}
	is_running = true;
	current_fiber = choose(now->cpus);
	fake_cpu = current_fiber;
	swapcontext(&scheduler, &fibers[current_fiber]);
	is_running = false;
	fake_cpu = 0;
	now->check();
}

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

unsigned long fibers_run(const struct fiber_case *which)
{
	unsigned long runs = 0;

	now = which;
	fake_step_hook = step;
	is_random = false;
	choice_prefix = 0;
	do {
		run_once();
		runs++;
	} while (advance() && (which->schedules_max == 0 || runs < which->schedules_max));
	is_random = true;
	choice_prefix = 0;
	for (unsigned int i = 0; i < which->random_runs; i++, runs++)
		run_once();
	fake_step_hook = NULL;
	return runs;
}

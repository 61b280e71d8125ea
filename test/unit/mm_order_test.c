/* SPDX-License-Identifier: MIT */
/*
 * A model of how a frame goes from writable to page table: every interleaving of CPU A dropping the last writable
 * mapping, CPU B taking and dropping another, lazy flushes and walks of both TLBs, and a third CPU that wants the table.
 * Three orders of the same steps are tried. Only one is safe, and mm/frame.c does that one: mark the frame BUSY with the
 * last count, then stamp; take the type, then flush. (mm_interleave_test runs the real code; this says why it is as it is.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum order { FLUSH_THEN_TAKE, STAMP_THEN_DROP, AS_BUILT };

/* One put: what the CPU has read and where it stands. */
enum { PUT_LOAD, PUT_READ_CLOCK, PUT_STAMP, PUT_DROP, PUT_STAMP_BUSY, PUT_CLEAR_BUSY, PUT_END };

struct put {
	uint8_t at; /* 0: before; 10 + PUT_*: inside */
	uint8_t count_read, clock_read;
};

struct state {
	uint8_t count, busy, is_table, stamp, clock;
	uint8_t time[2], tlb[2], pte[2]; /* of the CPUs that run the guest: A and B */
	struct put put[2];
	uint8_t promoter, flushes_left;
};

#define STATES_MAX (1u << 14)
static struct state table[STATES_MAX], stack[STATES_MAX];
static uint8_t is_used[STATES_MAX];
static unsigned int state_count, stack_count;
static enum order order;

static void push(const struct state *s)
{
	uint64_t hash = 1469598103934665603ull;

	for (size_t i = 0; i < sizeof(*s); i++)
		hash = (hash ^ ((const uint8_t *)s)[i]) * 1099511628211ull;
	for (uint64_t at = hash;; at++) {
		if (!is_used[at % STATES_MAX]) {
			is_used[at % STATES_MAX] = 1;
			table[at % STATES_MAX] = *s;
			break;
		}
		if (!memcmp(&table[at % STATES_MAX], s, sizeof(*s)))
			return;
	}
	assert_true(++state_count < STATES_MAX / 2);
	stack[stack_count++] = *s;
}

static void put_steps(const struct state *s, int who)
{
	struct state n = *s;
	struct put *p = &n.put[who];

	switch (p->at - 10) {
	case PUT_LOAD:
		if (s->busy)
			return;
		p->count_read = s->count;
		p->at = order == AS_BUILT || s->count != 1 ? 10 + PUT_DROP : 10 + PUT_READ_CLOCK;
		break;
	case PUT_READ_CLOCK:
		p->clock_read = s->clock;
		p->at = 10 + PUT_STAMP;
		break;
	case PUT_STAMP:
		n.stamp = p->clock_read;
		p->at = 10 + PUT_DROP;
		break;
	case PUT_DROP:
		if (p->count_read != s->count || s->busy) {
			p->at = 10 + PUT_LOAD;
			break;
		}
		n.count--;
		p->at = 10 + PUT_END;
		if (order == AS_BUILT && s->count == 1) {
			n.busy = 1;
			p->at = 10 + PUT_STAMP_BUSY;
		}
		break;
	case PUT_STAMP_BUSY:
		n.stamp = s->clock;
		p->at = 10 + PUT_CLEAR_BUSY;
		break;
	case PUT_CLEAR_BUSY:
		n.busy = 0;
		p->at = 10 + PUT_END;
		break;
	default:
		return;
	}
	push(&n);
}

/* A unmaps; B takes a count, maps, unmaps; then each puts. */
static void guest_steps(const struct state *s)
{
	struct state n = *s;

	if (s->put[0].at == 0) {
		n.pte[0] = 0;
		n.put[0].at = 10;
		push(&n);
	} else {
		put_steps(s, 0);
	}
	n = *s;
	switch (s->put[1].at) {
	case 0:
		if (s->busy || s->is_table)
			return;
		n.count++;
		n.put[1].at = 1;
		break;
	case 1:
		n.pte[1] = n.tlb[1] = 1;
		n.put[1].at = 2;
		break;
	case 2:
		n.pte[1] = 0;
		n.put[1].at = 10;
		break;
	default:
		put_steps(s, 1);
		return;
	}
	push(&n);
}

static void hardware_steps(const struct state *s)
{
	for (int cpu = 0; cpu < 2; cpu++) {
		struct state n = *s;

		if (s->flushes_left) {
			n.time[cpu] = ++n.clock;
			n.tlb[cpu] = 0;
			n.flushes_left--;
			push(&n);
		}
		n = *s;
		if (s->pte[cpu] && !s->tlb[cpu]) {
			n.tlb[cpu] = 1;
			push(&n);
		}
	}
}

static void promoter_steps(const struct state *s)
{
	bool is_free = s->count == 0 && !s->busy && !s->is_table;
	struct state n = *s;
	bool takes = order == FLUSH_THEN_TAKE ? s->promoter == 1 : s->promoter == 0;

	if (s->promoter > 1 || ((takes || s->promoter == 0) && !is_free))
		return;
	n.promoter++;
	if (takes) {
		n.is_table = 1;
		n.count = 1;
	} else {
		for (int cpu = 0; cpu < 2; cpu++)
			if (s->time[cpu] <= s->stamp)
				n.tlb[cpu] = 0;
	}
	push(&n);
}

/* True: a writable translation outlives the promotion in some interleaving. */
static bool is_broken(enum order which)
{
	struct state first;
	bool broken = false;

	memset(&first, 0, sizeof(first));
	first.count = first.clock = first.tlb[0] = first.pte[0] = 1;
	first.flushes_left = 2;
	memset(is_used, 0, sizeof(is_used));
	state_count = stack_count = 0;
	order = which;
	push(&first);
	while (stack_count) {
		struct state s = stack[--stack_count];

		if (s.promoter == 2 && (s.tlb[0] || s.tlb[1])) {
			broken = true;
			continue;
		}
		guest_steps(&s);
		hardware_steps(&s);
		promoter_steps(&s);
	}
	printf("order %d: %u states, %s\n", which, state_count, broken ? "broken" : "safe");
	return broken;
}

static void flush_then_take_is_broken(void **state)
{
	(void)state;
	assert_true(is_broken(FLUSH_THEN_TAKE));
}

static void stamp_then_drop_is_broken(void **state)
{
	(void)state;
	assert_true(is_broken(STAMP_THEN_DROP));
}

static void as_built_is_safe(void **state)
{
	(void)state;
	assert_false(is_broken(AS_BUILT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flush_then_take_is_broken),
		cmocka_unit_test(stamp_then_drop_is_broken),
		cmocka_unit_test(as_built_is_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

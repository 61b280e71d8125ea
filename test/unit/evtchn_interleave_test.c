/* SPDX-License-Identifier: MIT */
/* uses: src/evtchn/port.c src/evtchn/fifo.c src/evtchn/bind.c src/evtchn/domain.c src/evtchn/audit.c src/lib/bitmap.c test/fake/machine.c test/fake/core.c test/fake/evtchn_world.c test/fake/interleave.c */
/*
 * Event channels under two and three CPUs, taken through their interleavings: no event is lost, none reaches a port that
 * was closed and given out again, no frame is touched after it was given back, nobody waits for ever (SECURITY-CASES 338,
 * 340, 343, 358, 359 and their kin).
 *
 * A sender counts up `sent` before it sends; whoever takes the event notes in `seen` what was sent by then. At the end the
 * guest takes what it was told of (only then), and both must be the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "evtchn_world.h"
#include "interleave.h"

#define PORTS 16

static struct domain *a, *b;
static mfn_t pages[1];
static struct evtchn_fifo_control_block *control[2];
static struct guest_fifo guest[2];
static unsigned int sent[PORTS], seen[PORTS];
static u32 port, other, bport;

#define MUST(what)                                                                 \
	do {                                                                       \
		if (!(what)) {                                                     \
			fprintf(stderr, "line %d: not so: %s\n", __LINE__, #what); \
			abort();                                                   \
		}                                                                  \
	} while (0)

static void world(void)
{
	events_init(64);
	cpu_count = 3;
	a = events_domain(1, 2, ~0u);
	b = events_domain(2, 1, ~0u);
	memset(guest, 0, sizeof(guest));
	memset(sent, 0, sizeof(sent));
	memset(seen, 0, sizeof(seen));
	MUST(!evtchn_port_alloc_unbound(a, 2, &port));
	MUST(!evtchn_port_bind_interdomain(b, a, port, &bport));
	MUST(!evtchn_ipi_bind(a, 0, &other));
	memset(b->shared, 0, sizeof(*b->shared));
}

static void control_add(u32 vcpu)
{
	mfn_t mfn = events_frame(a, 0);

	MUST(!evtchn_fifo_init_control(a, vcpu, mfn, 0));
	control[vcpu] = hw_frame_map(mfn);
}

static void fifo_world(void)
{
	world();
	control_add(0);
	control_add(1);
	pages[0] = events_frame(a, 0);
	MUST(!evtchn_fifo_expand_array(a, pages[0]));
}

static void end(void)
{
	MUST(!evtchn_audit(a) && !evtchn_audit(b));
	events_domain_end(a);
	events_domain_end(b);
	events_frames_check();
}

/* b to a's port; a to itself. */
static void send_port(void)
{
	sent[port]++;
	MUST(!evtchn_send(b, bport));
}

static void send_other(void)
{
	sent[other]++;
	MUST(!evtchn_send(a, other));
}

/* ---------------------------------------------------------------- the guest */

static void take(u32 taken)
{
	MUST(taken < PORTS);
	seen[taken] = sent[taken];
}

static void upcall_fifo(u32 vcpu)
{
	struct vcpu_info *info = a->vcpus[vcpu]->info;

	while (atomic_load(&info->evtchn_upcall_pending)) {
		u32 taken;

		atomic_store(&info->evtchn_upcall_pending, 0);
		atomic_fence();
		while ((taken = guest_fifo_next(&guest[vcpu], control[vcpu], pages)) != 0) {
			guest_fifo_ack(pages, taken);
			take(taken);
		}
	}
}

static void upcall_two_level(u32 vcpu)
{
	struct vcpu_info *info = a->vcpus[vcpu]->info;

	while (atomic_load(&info->evtchn_upcall_pending)) {
		u64 sel;

		atomic_store(&info->evtchn_upcall_pending, 0);
		sel = atomic_exchange(&info->evtchn_pending_sel, 0);
		for (u32 i = 0; sel & 1 && i < PORTS; i++)
			if (!atomic_bit_test(a->shared->evtchn_mask, i) &&
			    atomic_bit_test(a->shared->evtchn_pending, i)) {
				(void)atomic_bit_clear(a->shared->evtchn_pending, i);
				take(i);
			}
	}
}

static void guest_fifo_0(void)
{
	upcall_fifo(0);
}

static void guest_two_level_0(void)
{
	upcall_two_level(0);
}

static void end_fifo(void)
{
	upcall_fifo(0);
	upcall_fifo(1);
	MUST(!memcmp(sent, seen, sizeof(sent)));
	end();
}

static void end_two_level(void)
{
	upcall_two_level(0);
	upcall_two_level(1);
	MUST(!memcmp(sent, seen, sizeof(sent)));
	end();
}

/* ---------------------------------------------------------------- senders and the guest */

static void send_twice(void)
{
	send_port();
	send_port();
}

static const struct scenario two_level_delivery = {
	.name = "two-level: two senders and the guest",
	.cpus = 3,
	.preemptions = 2,
	.random_runs = 4000,
	.setup = world,
	.body = {send_twice, send_other, guest_two_level_0},
	.check = end_two_level,
};

static const struct scenario fifo_delivery = {
	.name = "FIFO: two senders and the guest",
	.cpus = 3,
	.preemptions = 2,
	.random_runs = 4000,
	.setup = fifo_world,
	.body = {send_twice, send_other, guest_fifo_0},
	.check = end_fifo,
};

/* A port goes to another vCPU and back while it is sent to, linked, and the tail of a queue. */
static void move(void)
{
	MUST(!evtchn_port_bind_vcpu(a, port, 1));
	send_other();
	MUST(!evtchn_port_bind_vcpu(a, port, 0));
	send_other();
}

static const struct scenario fifo_move = {
	.name = "FIFO: a port moves",
	.cpus = 3,
	.preemptions = 2,
	.random_runs = 4000,
	.setup = fifo_world,
	.body = {send_twice, move, guest_fifo_0},
	.check = end_fifo,
};

static void priorities(void)
{
	MUST(!evtchn_port_set_priority(a, port, 3));
	MUST(!evtchn_port_set_priority(a, port, 9));
}

static const struct scenario fifo_priority = {
	.name = "FIFO: a port changes its priority",
	.cpus = 3,
	.preemptions = 2,
	.random_runs = 4000,
	.setup = fifo_world,
	.body = {send_twice, priorities, guest_fifo_0},
	.check = end_fifo,
};

/* As a guest does it: mask, work, unmask without a call if nothing is pending, with one if something is. */
static void mask_and_unmask(void)
{
	event_word_t *word = guest_word(pages, port);
	event_word_t old = atomic_fetch_or(word, 1u << EVTCHN_FIFO_MASKED) |
			   1u << EVTCHN_FIFO_MASKED;

	while (!(old >> EVTCHN_FIFO_PENDING & 1)) {
		old &= ~(1u << EVTCHN_FIFO_BUSY);
		if (atomic_cmpxchg(word, &old, old & ~(1u << EVTCHN_FIFO_MASKED)))
			return;
	}
	MUST(!evtchn_port_unmask(a, port));
}

static const struct scenario fifo_unmask = {
	.name = "FIFO: mask and unmask",
	.cpus = 3,
	.preemptions = 2,
	.random_runs = 4000,
	.setup = fifo_world,
	.body = {send_twice, mask_and_unmask, guest_fifo_0},
	.check = end_fifo,
};

static void two_level_mask_and_unmask(void)
{
	(void)atomic_bit_set(a->shared->evtchn_mask, port);
	MUST(!evtchn_port_unmask(a, port));
}

static const struct scenario two_level_unmask = {
	.name = "two-level: mask and unmask",
	.cpus = 3,
	.preemptions = 2,
	.random_runs = 4000,
	.setup = world,
	.body = {send_twice, two_level_mask_and_unmask, guest_two_level_0},
	.check = end_two_level,
};

/* ---------------------------------------------------------------- set-up behind senders' backs */

static void expand_setup(void)
{
	world();
	control_add(0);
	control_add(1);
	pages[0] = events_frame(a, 0);
}

static void expand(void)
{
	MUST(!evtchn_fifo_expand_array(a, pages[0]));
}

static const struct scenario fifo_expand = {
	.name = "FIFO: event words come while events do",
	.cpus = 3,
	.preemptions = 2,
	.random_runs = 4000,
	.setup = expand_setup,
	.body = {send_port, expand, send_other},
	.check = end_fifo,
};

static void switch_setup(void)
{
	world();
	pages[0] = events_frame(a, 0);
}

static void switch_to_fifo(void)
{
	control_add(0);
	control_add(1);
	expand();
}

static const struct scenario fifo_switch = {
	.name = "from two-level to FIFO while events come",
	.cpus = 3,
	.preemptions = 2,
	.random_runs = 4000,
	.setup = switch_setup,
	.body = {send_port, switch_to_fifo, send_other},
	.check = end_fifo,
};

/* The guest resets itself (as before kexec) while others send: its frames are its own again, and nobody writes to them. */
static void reset(void)
{
	while (evtchn_reset(a, true) == -ERESTART)
		continue;
	MUST(!events_frame_refs(pages[0]));
}

static void send_only(void)
{
	MUST(!evtchn_send(b, bport));
}

static void raise_virq(void)
{
	(void)evtchn_virq_raise_vcpu(a->vcpus[1], VIRQ_TIMER);
}

static void reset_setup(void)
{
	u32 virq;

	fifo_world();
	MUST(!evtchn_virq_bind(a, VIRQ_TIMER, 1, &virq));
}

static const struct scenario fifo_reset = {
	.name = "FIFO: reset while events come",
	.cpus = 3,
	.preemptions = 1,
	.random_runs = 15000,
	.setup = reset_setup,
	.body = {send_only, reset, raise_virq},
	.check = end,
};

static mfn_t info_mfn;

static void place_setup(void)
{
	world();
	info_mfn = events_frame(a, 0);
	MUST(!evtchn_port_bind_vcpu(a, port, 1));
}

static void place(void)
{
	MUST(!evtchn_vcpu_info_place(a->vcpus[1], info_mfn, 64));
}

static void place_end(void)
{
	struct vcpu_info *info = (void *)((u8 *)hw_frame_map(info_mfn) + 64);

	MUST(a->vcpus[1]->info == info && info->evtchn_upcall_pending == 1);
	MUST(info->evtchn_pending_sel & 1);
	end_two_level();
}

static const struct scenario vcpu_info_place = {
	.name = "vcpu_info moves while events come",
	.cpus = 2,
	.preemptions = 3,
	.random_runs = 4000,
	.setup = place_setup,
	.body = {send_twice, place},
	.check = place_end,
};

/* ---------------------------------------------------------------- closing */

static u32 reused;

/* The port goes to somebody else: an IPI that nobody sends. What was on its way must not arrive there. */
static void close_and_reuse(void)
{
	MUST(!evtchn_port_close(a, port));
	MUST(!evtchn_ipi_bind(a, 0, &reused));
}

static void reuse_end(void)
{
	MUST(reused == port);
	MUST(!evtchn_port_is_pending(a, reused));
	end();
}

static void close_other_end(void)
{
	(void)evtchn_port_close(b, bport);
}

static const struct scenario close_two_level = {
	.name = "two-level: close, reuse, send, close the other end",
	.cpus = 3,
	.preemptions = 2,
	.random_runs = 4000,
	.setup = world,
	.body = {close_and_reuse, close_other_end, close_other_end},
	.check = reuse_end,
};

static const struct scenario send_against_close = {
	.name = "two-level: send against close and reuse",
	.cpus = 2,
	.preemptions = 3,
	.random_runs = 4000,
	.setup = world,
	.body = {close_and_reuse, send_only},
	.check = reuse_end,
};

static void fifo_reuse_end(void)
{
	/* still in a queue, then it is not given out */
	MUST(reused != 0 && !evtchn_port_is_pending(a, reused));
	end();
}

static const struct scenario send_against_close_fifo = {
	.name = "FIFO: send against close and reuse",
	.cpus = 2,
	.preemptions = 3,
	.random_runs = 4000,
	.setup = fifo_world,
	.body = {close_and_reuse, send_only},
	.check = fifo_reuse_end,
};

/* An end is bound, sent to, and closed from both sides at once. */
static u32 unbound, bound;

static void bind_setup(void)
{
	world();
	bound = 0;
	MUST(!evtchn_port_alloc_unbound(a, 2, &unbound));
}

static void bind(void)
{
	if (!evtchn_port_bind_interdomain(b, a, unbound, &bound))
		MUST(!evtchn_send(b, bound));
}

static void close_unbound(void)
{
	MUST(!evtchn_port_close(a, unbound));
}

static void send_unbound(void)
{
	(void)evtchn_send(a, unbound);
}

static const struct scenario bind_against_close = {
	.name = "bind against close and send",
	.cpus = 3,
	.preemptions = 2,
	.random_runs = 4000,
	.setup = bind_setup,
	.body = {bind, close_unbound, send_unbound},
	.check = end,
};

static bool was_sent;

static void send_while_bound(void)
{
	was_sent = true;
	(void)evtchn_send(a, unbound);
}

static void send_while_bound_setup(void)
{
	bind_setup();
	was_sent = false;
}

/* However the two met: once bound, the binder has an event. */
static void bound_end(void)
{
	MUST(was_sent && bound != 0 && evtchn_port_is_pending(b, bound));
	end();
}

static const struct scenario send_against_bind = {
	.name = "send against bind",
	.cpus = 2,
	.preemptions = 3,
	.random_runs = 4000,
	.setup = send_while_bound_setup,
	.body = {bind, send_while_bound},
	.check = bound_end,
};

static u32 virq_port;

static void virq_setup(void)
{
	world();
	MUST(!evtchn_virq_bind(a, VIRQ_TIMER, 1, &virq_port));
}

static void virq_close(void)
{
	u32 ipi;

	MUST(!evtchn_port_close(a, virq_port));
	MUST(!evtchn_ipi_bind(a, 0, &ipi));
	MUST(ipi == virq_port);
}

static void virq_end(void)
{
	MUST(!evtchn_port_is_pending(a, virq_port));
	end();
}

static const struct scenario virq_against_close = {
	.name = "VIRQ against close and reuse",
	.cpus = 2,
	.preemptions = 3,
	.random_runs = 4000,
	.setup = virq_setup,
	.body = {virq_close, raise_virq},
	.check = virq_end,
};

/* The domain that handles a global VIRQ dies while it is raised. */
static void handler_setup(void)
{
	u32 console;

	world();
	MUST(!evtchn_virq_bind(a, VIRQ_CONSOLE, 0, &console));
	MUST(!evtchn_virq_handler_set(a, VIRQ_CONSOLE));
}

static void kill_a(void)
{
	atomic_store(&a->is_dying, true);
	while (evtchn_domain_kill(a) == -ERESTART)
		continue;
	MUST(a->refs == 1);
}

static void raise_global(void)
{
	evtchn_virq_raise_global(VIRQ_CONSOLE);
	evtchn_virq_raise_global(VIRQ_CONSOLE);
}

static const struct scenario handler_dies = {
	.name = "a global VIRQ and the death of its handler",
	.cpus = 3,
	.preemptions = 1,
	.random_runs = 15000,
	.setup = handler_setup,
	.body = {kill_a, raise_global, send_only},
	.check = end,
};

/* ---------------------------------------------------------------- polling */

static bool poller_saw;

static void poll_setup(void)
{
	world();
	poller_saw = false;
	memset(a->shared->evtchn_mask, 0xff, sizeof(a->shared->evtchn_mask));
}

static void poll(void)
{
	(void)atomic_add(&a->poll_count, 1u);
	poller_saw = evtchn_port_is_pending(a, port);
}

static void poll_end(void)
{
	MUST(poller_saw || events_poll_wakes);
	end();
}

static const struct scenario poll_against_send = {
	.name = "poll against send",
	.cpus = 2,
	.preemptions = 4,
	.random_runs = 1000,
	.setup = poll_setup,
	.body = {send_only, poll},
	.check = poll_end,
};

static void interleavings(void **state)
{
	static const struct scenario *const all[] = {
		&two_level_delivery,
		&fifo_delivery,
		&fifo_move,
		&fifo_priority,
		&fifo_unmask,
		&two_level_unmask,
		&fifo_expand,
		&fifo_switch,
		&fifo_reset,
		&vcpu_info_place,
		&close_two_level,
		&send_against_close,
		&send_against_close_fifo,
		&bind_against_close,
		&send_against_bind,
		&virq_against_close,
		&handler_dies,
		&poll_against_send,
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(all); i++)
		print_message("  %-55s %lu schedules\n", all[i]->name, interleave(all[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(interleavings)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* uses: src/evtchn/port.c src/evtchn/fifo.c src/evtchn/bind.c src/evtchn/domain.c src/evtchn/audit.c src/lib/bitmap.c test/fake/machine.c test/fake/core.c test/fake/evtchn_world.c */
/*
 * Event channels under threads and TSan: two threads send, one is the guest that takes events, one binds, moves, closes and
 * resets. No event on a port that stays is lost; a port that comes and goes harms nobody.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "evtchn_world.h"

#define ROUNDS 20000
#define PORTS  64

static struct domain *a, *b;
static mfn_t pages[1];
static struct evtchn_fifo_control_block *control[2];
static struct guest_fifo guest[2];
static unsigned int sent[PORTS], seen[PORTS];
static u32 stays, stays_peer, ipi;
static bool is_over;

static void relax(void)
{
	sched_yield();
}

static void setup(bool is_fifo)
{
	events_init(256);
	fake_relax_hook = relax;
	cpu_count = 4;
	a = events_domain(1, 2, ~0u);
	b = events_domain(2, 1, ~0u);
	memset(guest, 0, sizeof(guest));
	memset(sent, 0, sizeof(sent));
	memset(seen, 0, sizeof(seen));
	is_over = false;
	assert_int_equal(evtchn_port_alloc_unbound(a, 2, &stays), 0);
	assert_int_equal(evtchn_port_bind_interdomain(b, a, stays, &stays_peer), 0);
	assert_int_equal(evtchn_ipi_bind(a, 0, &ipi), 0);
	if (!is_fifo)
		return;
	for (u32 i = 0; i < 2; i++) {
		mfn_t mfn = events_frame(a, 0);

		assert_int_equal(evtchn_fifo_init_control(a, i, mfn, 0), 0);
		control[i] = hw_frame_map(mfn);
	}
	pages[0] = events_frame(a, 0);
	assert_int_equal(evtchn_fifo_expand_array(a, pages[0]), 0);
}

static void teardown(void)
{
	fake_cpu = 0;
	assert_int_equal(evtchn_audit(a), 0);
	assert_int_equal(evtchn_audit(b), 0);
	events_domain_end(a);
	events_domain_end(b);
	events_frames_check();
	assert_int_equal(events_heap_blocks, 0);
	fake_relax_hook = NULL;
	cpu_count = 1;
}

static void *send_stays(void *arg)
{
	fake_cpu = 0;
	for (unsigned int i = 0; i < ROUNDS; i++) {
		__atomic_add_fetch(&sent[stays], 1, __ATOMIC_SEQ_CST);
		if (evtchn_send(b, stays_peer))
			abort();
	}
	return NULL;
}

/* An IPI, a port that comes and goes, a VIRQ that comes and goes. */
static void *send_others(void *arg)
{
	fake_cpu = 1;
	for (unsigned int i = 0; i < ROUNDS; i++) {
		__atomic_add_fetch(&sent[ipi], 1, __ATOMIC_SEQ_CST);
		if (evtchn_send(a, ipi))
			abort();
		(void)evtchn_send(b, stays_peer + 1);
		(void)evtchn_virq_raise_vcpu(a->vcpus[1], VIRQ_TIMER);
	}
	return NULL;
}

static void take(u32 port)
{
	if (port < PORTS)
		seen[port] = __atomic_load_n(&sent[port], __ATOMIC_SEQ_CST);
}

static void upcall(u32 vcpu, bool is_fifo)
{
	struct vcpu_info *info = a->vcpus[vcpu]->info;
	u64 sel;

	if (!atomic_exchange(&info->evtchn_upcall_pending, 0))
		return;
	if (is_fifo) {
		u32 port;

		while ((port = guest_fifo_next(&guest[vcpu], control[vcpu], pages)) != 0) {
			guest_fifo_ack(pages, port);
			take(port);
		}
		return;
	}
	sel = atomic_exchange(&info->evtchn_pending_sel, 0);
	for (u32 port = 0; sel & 1 && port < PORTS; port++)
		if (atomic_bit_clear(a->shared->evtchn_pending, port))
			take(port);
}

static void *take_two_level(void *arg)
{
	fake_cpu = 2;
	while (!__atomic_load_n(&is_over, __ATOMIC_SEQ_CST))
		for (u32 vcpu = 0; vcpu < 2; vcpu++)
			upcall(vcpu, false);
	return NULL;
}

static void *take_fifo(void *arg)
{
	fake_cpu = 2;
	while (!__atomic_load_n(&is_over, __ATOMIC_SEQ_CST))
		for (u32 vcpu = 0; vcpu < 2; vcpu++)
			upcall(vcpu, true);
	return NULL;
}

static void *configure(void *arg)
{
	fake_cpu = 3;
	for (unsigned int i = 0; i < ROUNDS / 20; i++) {
		struct evtchn_status status;
		u32 unbound, bound, virq;

		if (evtchn_port_bind_vcpu(a, stays, i & 1))
			abort();
		(void)evtchn_port_set_priority(a, stays, i & 15);
		if (evtchn_port_alloc_unbound(a, 2, &unbound) ||
		    evtchn_port_bind_interdomain(b, a, unbound, &bound) ||
		    evtchn_virq_bind(a, VIRQ_TIMER, 1, &virq))
			abort();
		(void)evtchn_port_status(a, unbound, &status);
		(void)evtchn_port_is_pending(a, stays);
		(void)evtchn_port_unmask(a, unbound);
		if (evtchn_port_close(a, virq) ||
		    evtchn_port_close(i & 2 ? a : b, i & 2 ? unbound : bound) ||
		    evtchn_port_close(i & 2 ? b : a, i & 2 ? bound : unbound))
			abort();
	}
	return NULL;
}

static void *reset(void *arg)
{
	fake_cpu = 3;
	for (unsigned int i = 0; i < 200; i++) {
		mfn_t mfn = events_frame(a, 0), page = events_frame(a, 0);
		u32 virq;

		if (evtchn_fifo_init_control(a, 0, mfn, 0) || evtchn_fifo_expand_array(a, page) ||
		    evtchn_ipi_bind(a, 0, &ipi) || evtchn_virq_bind(a, VIRQ_TIMER, 1, &virq))
			abort();
		sched_yield();
		while (evtchn_reset(a, true))
			continue;
	}
	return NULL;
}

static void *send_whatever(void *arg)
{
	fake_cpu = arg ? 1 : 0;
	while (!__atomic_load_n(&is_over, __ATOMIC_SEQ_CST)) {
		(void)evtchn_send(a, 1);
		(void)evtchn_send(a, 2);
		(void)evtchn_virq_raise_vcpu(a->vcpus[1], VIRQ_TIMER);
		(void)evtchn_port_is_pending(a, 1);
		(void)evtchn_port_unmask(a, 1);
	}
	return NULL;
}

static void delivery(bool is_fifo)
{
	pthread_t threads[4];
	void *(*const bodies[4])(void *) = {send_stays, send_others, configure,
					    is_fifo ? take_fifo : take_two_level};

	setup(is_fifo);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, bodies[i], NULL), 0);
	for (unsigned int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	__atomic_store_n(&is_over, true, __ATOMIC_SEQ_CST);
	pthread_join(threads[3], NULL);
	upcall(0, is_fifo);
	upcall(1, is_fifo);
	assert_int_equal(seen[stays], sent[stays]);
	assert_int_equal(seen[ipi], sent[ipi]);
	teardown();
}

static void two_level_delivery(void **state)
{
	delivery(false);
}

static void fifo_delivery(void **state)
{
	delivery(true);
}

static void fifo_reset(void **state)
{
	pthread_t senders[2], resetter;

	setup(false);
	while (evtchn_reset(a, true))
		continue;
	assert_int_equal(pthread_create(&senders[0], NULL, send_whatever, NULL), 0);
	assert_int_equal(pthread_create(&senders[1], NULL, send_whatever, a), 0);
	assert_int_equal(pthread_create(&resetter, NULL, reset, NULL), 0);
	pthread_join(resetter, NULL);
	__atomic_store_n(&is_over, true, __ATOMIC_SEQ_CST);
	pthread_join(senders[0], NULL);
	pthread_join(senders[1], NULL);
	teardown();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_level_delivery),
		cmocka_unit_test(fifo_delivery),
		cmocka_unit_test(fifo_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

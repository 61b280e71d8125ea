/* SPDX-License-Identifier: MIT */
/* uses: src/evtchn/port.c src/evtchn/fifo.c src/evtchn/bind.c src/evtchn/domain.c src/evtchn/audit.c src/hcall/evtchn_op.c src/hcall/subop.c src/lib/bitmap.c test/fake/machine.c test/fake/core.c test/fake/evtchn_world.c */
/*
 * Event channels, call by call as guests make them: what each answers, which bits it sets, who is
 * woken; and the event rows of the security cases that one CPU can try.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "evtchn/priv.h"
#include "evtchn_world.h"
#include "hcall/hcall.h"

#define VCPUS 40 /* more than shared info has room for */

static struct domain *a, *b; /* a: Domain 0 */
static mfn_t pages[128];
static struct guest_fifo fifo[VCPUS];
static struct evtchn_fifo_control_block *controls[VCPUS];

static int setup(void **state)
{
	events_init(1024);
	a = events_domain(0, VCPUS, ~0u);
	b = events_domain(7, 2, ~0u);
	assert_non_null(a);
	assert_non_null(b);
	a->is_privileged = true;
	a->is_hardware = true;
	dom0 = a;
	memset(fifo, 0, sizeof(fifo));
	memset(controls, 0, sizeof(controls));
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(evtchn_audit(a), 0);
	assert_int_equal(evtchn_audit(b), 0);
	events_domain_end(b);
	events_domain_end(a);
	dom0 = NULL;
	events_frames_check();
	assert_int_equal(events_heap_blocks, 0);
	return 0;
}

static long op(struct domain *d, u32 cmd, void *arg)
{
	struct hcall_args args = {.a = {cmd, (u64)arg}};
	long rc;

	do {
		rc = do_event_channel_op(d->vcpus[0], &args);
	} while (rc == -ERESTART);
	return rc ? rc : (long)args.result;
}

static long alloc_unbound(struct domain *d, domid_t dom, domid_t remote, u32 *port)
{
	struct evtchn_alloc_unbound arg = {.dom = dom, .remote_dom = remote};
	long rc = op(d, EVTCHNOP_alloc_unbound, &arg);

	*port = arg.port;
	return rc;
}

static long bind_interdomain(struct domain *d, domid_t remote, u32 rport, u32 *port)
{
	struct evtchn_bind_interdomain arg = {.remote_dom = remote, .remote_port = rport};
	long rc = op(d, EVTCHNOP_bind_interdomain, &arg);

	*port = arg.local_port;
	return rc;
}

static long bind_virq(struct domain *d, u32 virq, u32 vcpu, u32 *port)
{
	struct evtchn_bind_virq arg = {.virq = virq, .vcpu = vcpu};
	long rc = op(d, EVTCHNOP_bind_virq, &arg);

	*port = arg.port;
	return rc;
}

static long bind_ipi(struct domain *d, u32 vcpu, u32 *port)
{
	struct evtchn_bind_ipi arg = {.vcpu = vcpu};
	long rc = op(d, EVTCHNOP_bind_ipi, &arg);

	*port = arg.port;
	return rc;
}

static long bind_pirq(struct domain *d, u32 pirq, u32 *port)
{
	struct evtchn_bind_pirq arg = {.pirq = pirq};
	long rc = op(d, EVTCHNOP_bind_pirq, &arg);

	*port = arg.port;
	return rc;
}

static long bind_vcpu(struct domain *d, u32 port, u32 vcpu)
{
	struct evtchn_bind_vcpu arg = {.port = port, .vcpu = vcpu};

	return op(d, EVTCHNOP_bind_vcpu, &arg);
}

static long on_port(struct domain *d, u32 cmd, u32 port)
{
	return op(d, cmd, &port);
}

static struct evtchn_status status_of(struct domain *d, u32 port)
{
	struct evtchn_status arg = {.dom = DOMID_SELF, .port = port};

	assert_int_equal(op(d, EVTCHNOP_status, &arg), 0);
	return arg;
}

static void pair(u32 *aport, u32 *bport)
{
	assert_int_equal(alloc_unbound(a, DOMID_SELF, 7, aport), 0);
	assert_int_equal(bind_interdomain(b, 0, *aport, bport), 0);
}

static bool bit(const xen_ulong_t *words, u32 port)
{
	return words[port / 64] >> port % 64 & 1;
}

static bool pending(struct domain *d, u32 port)
{
	return bit(d->shared->evtchn_pending, port);
}

static void quiet(struct domain *d)
{
	struct vcpu *v;

	memset(d->shared->evtchn_pending, 0, sizeof(d->shared->evtchn_pending));
	for_each_vcpu(d, v) {
		v->info->evtchn_upcall_pending = 0;
		v->info->evtchn_pending_sel = 0;
	}
	events_kicks = 0;
	events_kicked = NULL;
}

/* ---------------------------------------------------------------- ports */

static void ports_begin_at_one(void **state)
{
	u32 port;

	assert_int_equal(status_of(a, 0).status, EVTCHNSTAT_closed);
	assert_int_equal(on_port(a, EVTCHNOP_close, 0), -EINVAL);
	assert_int_equal(on_port(a, EVTCHNOP_send, 0), -EINVAL);
	assert_int_equal(bind_vcpu(a, 0, 1), -EINVAL);
	assert_int_equal(alloc_unbound(a, DOMID_SELF, 7, &port), 0);
	assert_int_equal(port, 1);
	assert_int_equal(alloc_unbound(a, DOMID_SELF, 7, &port), 0);
	assert_int_equal(port, 2);
	assert_int_equal(on_port(a, EVTCHNOP_close, 1), 0);
	assert_int_equal(bind_ipi(a, 3, &port), 0);
	assert_int_equal(port, 1);
}

static void unbound_says_for_whom(void **state)
{
	struct evtchn_status s;
	u32 port;

	assert_int_equal(alloc_unbound(a, DOMID_SELF, 7, &port), 0);
	s = status_of(a, port);
	assert_int_equal(s.status, EVTCHNSTAT_unbound);
	assert_int_equal(s.u.unbound.dom, 7);
	assert_int_equal(s.vcpu, 0);
	/* DOMID_SELF as remote is the caller, also when the port is another domain's */
	assert_int_equal(alloc_unbound(a, 7, DOMID_SELF, &port), 0);
	s = status_of(b, port);
	assert_int_equal(s.status, EVTCHNSTAT_unbound);
	assert_int_equal(s.u.unbound.dom, 0);
	assert_int_equal(on_port(b, EVTCHNOP_send, port), 0); /* to nobody */
}

static void unprivileged_touch_only_themselves(void **state)
{
	struct evtchn_status s = {.dom = 0, .port = 1};
	struct evtchn_reset r = {.dom = 0};
	u32 port;

	assert_int_equal(alloc_unbound(b, 0, 7, &port), -EPERM);
	assert_int_equal(alloc_unbound(b, 99, 7, &port), -ESRCH);
	assert_int_equal(alloc_unbound(b, 7, 0, &port), 0);
	assert_int_equal(op(b, EVTCHNOP_status, &s), -EPERM);
	assert_int_equal(op(b, EVTCHNOP_reset, &r), -EPERM);
	s.dom = 99;
	assert_int_equal(op(b, EVTCHNOP_status, &s), -ESRCH);
	s.dom = 7;
	assert_int_equal(op(a, EVTCHNOP_status, &s), 0);
	assert_int_equal(s.status, EVTCHNSTAT_unbound);
}

static void interdomain_binds_once_and_for_the_right_one(void **state)
{
	u32 aport, bport, other;
	struct evtchn_status s;

	assert_int_equal(alloc_unbound(a, DOMID_SELF, 0, &aport), 0);
	assert_int_equal(bind_interdomain(b, 0, aport, &bport), -EINVAL); /* waits for domain 0 */
	assert_int_equal(alloc_unbound(a, DOMID_SELF, 7, &aport), 0);
	quiet(b);
	assert_int_equal(bind_interdomain(b, 0, aport, &bport), 0);
	assert_int_equal(bport, 1);	/* the failed one was given back */
	assert_true(pending(b, bport)); /* always */
	assert_false(pending(a, aport));
	assert_int_equal(bind_interdomain(b, 0, aport, &other), -EINVAL);
	assert_int_equal(bind_interdomain(b, 0, 5000, &other), -EINVAL);
	assert_int_equal(bind_interdomain(b, 0, ~0u, &other), -EINVAL);
	assert_int_equal(bind_interdomain(b, 99, aport, &other), -ESRCH);
	s = status_of(a, aport);
	assert_int_equal(s.status, EVTCHNSTAT_interdomain);
	assert_int_equal(s.u.interdomain.dom, 7);
	assert_int_equal(s.u.interdomain.port, bport);
	s = status_of(b, bport);
	assert_int_equal(s.u.interdomain.dom, 0);
	assert_int_equal(s.u.interdomain.port, aport);
}

static void loopback(void **state)
{
	u32 first, second;

	assert_int_equal(alloc_unbound(b, DOMID_SELF, DOMID_SELF, &first), 0);
	assert_int_equal(bind_interdomain(b, DOMID_SELF, first, &second), 0);
	quiet(b);
	assert_int_equal(on_port(b, EVTCHNOP_send, second), 0);
	assert_true(pending(b, first));
	assert_false(pending(b, second));
	assert_int_equal(on_port(b, EVTCHNOP_close, second), 0);
	assert_int_equal(status_of(b, first).status, EVTCHNSTAT_unbound);
	assert_int_equal(status_of(b, first).u.unbound.dom, 7);
	assert_int_equal(on_port(b, EVTCHNOP_close, first), 0);
}

static void close_leaves_the_peer_waiting(void **state)
{
	u32 aport, bport;

	pair(&aport, &bport);
	assert_int_equal(bind_vcpu(a, aport, 5), 0);
	assert_int_equal(on_port(b, EVTCHNOP_close, bport), 0);
	assert_int_equal(on_port(b, EVTCHNOP_close, bport), -EINVAL);
	assert_int_equal(status_of(a, aport).status, EVTCHNSTAT_unbound);
	assert_int_equal(status_of(a, aport).u.unbound.dom, 7);
	assert_int_equal(status_of(a, aport).vcpu, 5);
	assert_int_equal(on_port(a, EVTCHNOP_send, aport), 0);
	assert_int_equal(bind_interdomain(b, 0, aport, &bport), 0);
}

static void no_more_ports_than_the_limits(void **state)
{
	u32 port = 0;
	long rc;

	for (u32 i = 1; i < 4096; i++) {
		assert_int_equal(bind_ipi(a, 0, &port), 0);
		assert_int_equal(port, i);
	}
	assert_int_equal(bind_ipi(a, 0, &port), -ENOSPC);
	assert_int_equal(on_port(a, EVTCHNOP_close, 2000), 0);
	assert_int_equal(bind_ipi(a, 0, &port), 0);
	assert_int_equal(port, 2000);
	b->evtchn->max_port = 5;
	while ((rc = bind_ipi(b, 0, &port)) == 0)
		continue;
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(port, 0);
	assert_int_equal(status_of(b, 5).status, EVTCHNSTAT_ipi);
	assert_int_equal(status_of(b, 6).status, EVTCHNSTAT_closed);
}

static void a_port_that_cannot_be_told_is_closed(void **state)
{
	struct evtchn_bind_ipi ipi = {.vcpu = 0};
	struct evtchn_alloc_unbound unbound = {.dom = 7, .remote_dom = 0};

	fake_copy_fail_after = 1;
	assert_int_equal(op(a, EVTCHNOP_bind_ipi, &ipi), -EFAULT);
	fake_copy_fail_after = 1;
	assert_int_equal(op(a, EVTCHNOP_alloc_unbound, &unbound), -EFAULT);
	fake_copy_fail_after = 0;
	assert_int_equal(op(a, EVTCHNOP_bind_ipi, &ipi), -EFAULT);
	fake_copy_fail_after = -1;
	assert_int_equal(status_of(a, 1).status, EVTCHNSTAT_closed);
	assert_int_equal(status_of(b, 1).status, EVTCHNSTAT_closed);
}

static void unknown_commands(void **state)
{
	u64 arg = 0;

	assert_int_equal(op(a, 14, &arg),
			 -EBUSY); /* EVTCHNOP_reset_cont: there is none to continue */
	arg = 99;
	assert_int_equal(op(a, 14, &arg), -ESRCH);
	assert_int_equal(op(a, 15, &arg), -ENOSYS);
	assert_int_equal(op(a, ~0u, &arg), -ENOSYS);
	assert_int_equal(op(a, EVTCHNOP_send, NULL), -EFAULT);
}

static void the_old_call(void **state)
{
	struct evtchn_op arg = {.cmd = EVTCHNOP_bind_ipi, .u.bind_ipi.vcpu = 1};
	struct hcall_args args = {.a = {(u64)&arg}};

	assert_int_equal(do_event_channel_op_compat(a->vcpus[0], &args), 0);
	assert_int_equal(arg.u.bind_ipi.port, 1);
	assert_int_equal(status_of(a, 1).vcpu, 1);
	arg.cmd = EVTCHNOP_reset;
	assert_int_equal(do_event_channel_op_compat(a->vcpus[0], &args), -ENOSYS);
	args.a[0] = 0;
	assert_int_equal(do_event_channel_op_compat(a->vcpus[0], &args), -EFAULT);
}

/* ---------------------------------------------------------------- two-level delivery */

static void send_sets_three_bits_and_kicks_once(void **state)
{
	u32 aport, bport;

	pair(&aport, &bport);
	assert_int_equal(bind_vcpu(a, aport, 3), 0);
	quiet(a);
	assert_int_equal(on_port(b, EVTCHNOP_send, bport), 0);
	assert_true(pending(a, aport));
	assert_int_equal(a->vcpus[3]->info->evtchn_pending_sel, 1ul << aport / 64);
	assert_int_equal(a->vcpus[3]->info->evtchn_upcall_pending, 1);
	assert_true(evtchn_upcall_pending(a->vcpus[3]));
	assert_false(evtchn_upcall_wanted(a->vcpus[3]));
	a->vcpus[3]->info->evtchn_upcall_mask = 0;
	assert_true(evtchn_upcall_wanted(a->vcpus[3]));
	assert_int_equal(events_kicks, 1);
	assert_ptr_equal(events_kicked, a->vcpus[3]);
	assert_int_equal(on_port(b, EVTCHNOP_send, bport), 0);
	assert_int_equal(events_kicks, 1);
	assert_int_equal(a->vcpus[0]->info->evtchn_upcall_pending, 0);
}

static void masked_is_pending_and_no_more(void **state)
{
	u32 aport, bport;

	pair(&aport, &bport);
	quiet(a);
	a->shared->evtchn_mask[0] = ~0ul;
	assert_int_equal(on_port(b, EVTCHNOP_send, bport), 0);
	assert_true(pending(a, aport));
	assert_int_equal(a->vcpus[0]->info->evtchn_pending_sel, 0);
	assert_int_equal(events_kicks, 0);
	assert_int_equal(on_port(a, EVTCHNOP_unmask, aport), 0);
	assert_false(bit(a->shared->evtchn_mask, aport));
	assert_int_equal(a->vcpus[0]->info->evtchn_pending_sel, 1);
	assert_int_equal(events_kicks, 1);
	quiet(a);
	assert_int_equal(on_port(a, EVTCHNOP_unmask, aport), 0);
	assert_int_equal(events_kicks, 0);
	assert_int_equal(on_port(a, EVTCHNOP_unmask, 100000), -EINVAL);
}

static void pollers_are_woken_for_masked_ports_too(void **state)
{
	u32 aport, bport;

	pair(&aport, &bport);
	quiet(a);
	events_poll_wakes = 0;
	a->shared->evtchn_mask[0] = ~0ul;
	assert_int_equal(on_port(b, EVTCHNOP_send, bport), 0);
	assert_int_equal(events_poll_wakes, 0);
	assert_true(evtchn_port_is_pending(a, aport));
	quiet(a);
	a->poll_count = 1;
	assert_int_equal(on_port(b, EVTCHNOP_send, bport), 0);
	assert_int_equal(events_poll_wakes, 1);
	assert_int_equal(events_poll_port, aport);
	a->poll_count = 0;
	assert_false(evtchn_port_is_pending(a, 1 << 20));
	assert_true(evtchn_port_is_valid(a, aport));
	assert_false(evtchn_port_is_valid(a, 1 << 17));
}

static void a_reused_port_is_not_pending(void **state)
{
	u32 aport, bport, port;

	pair(&aport, &bport);
	assert_int_equal(on_port(b, EVTCHNOP_send, bport), 0);
	assert_int_equal(on_port(a, EVTCHNOP_close, aport), 0);
	assert_int_equal(bind_ipi(a, 0, &port), 0);
	assert_int_equal(port, aport);
	assert_false(pending(a, port));
	assert_int_equal(on_port(b, EVTCHNOP_send, bport), 0);
	assert_false(pending(a, port));
}

/* Whatever was closed and opened before. */
static void the_lowest_port_is_given(void **state)
{
	static const u32 closed[] = {300, 7, 9, 200};
	static const u32 given[] = {7, 9, 200, 300, 401};
	u32 port;

	do
		assert_int_equal(bind_ipi(a, 0, &port), 0);
	while (port < 400);
	for (unsigned int i = 0; i < ARRAY_SIZE(closed); i++)
		assert_int_equal(on_port(a, EVTCHNOP_close, closed[i]), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(given); i++) {
		assert_int_equal(bind_ipi(a, 0, &port), 0);
		assert_int_equal(port, given[i]);
	}
}

/* ---------------------------------------------------------------- sources */

static void ipis(void **state)
{
	u32 port;

	assert_int_equal(bind_ipi(a, VCPUS, &port), -ENOENT);
	assert_int_equal(bind_ipi(a, ~0u, &port), -ENOENT);
	assert_int_equal(bind_ipi(a, 1, &port), 0);
	assert_int_equal(bind_vcpu(a, port, 0), -EINVAL);
	quiet(a);
	assert_int_equal(on_port(a, EVTCHNOP_send, port), 0);
	assert_ptr_equal(events_kicked, a->vcpus[1]);
	assert_int_equal(status_of(a, port).status, EVTCHNSTAT_ipi);
}

static void virqs_of_a_vcpu(void **state)
{
	u32 port, port0;

	assert_int_equal(bind_virq(a, NR_VIRQS, 0, &port), -EINVAL);
	assert_int_equal(bind_virq(a, VIRQ_TIMER, VCPUS, &port), -ENOENT);
	assert_false(evtchn_virq_raise_vcpu(a->vcpus[1], VIRQ_TIMER));
	assert_int_equal(bind_virq(a, VIRQ_TIMER, 1, &port), 0);
	assert_int_equal(bind_virq(a, VIRQ_TIMER, 1, &port0), -EEXIST);
	assert_int_equal(bind_virq(a, VIRQ_TIMER, 0, &port0), 0);
	assert_int_equal(bind_vcpu(a, port, 0), -EINVAL);
	assert_int_equal(on_port(a, EVTCHNOP_send, port), -EINVAL);
	quiet(a);
	assert_true(evtchn_virq_raise_vcpu(a->vcpus[1], VIRQ_TIMER));
	assert_ptr_equal(events_kicked, a->vcpus[1]);
	assert_true(pending(a, port));
	assert_false(pending(a, port0));
	assert_int_equal(status_of(a, port).u.virq, VIRQ_TIMER);
	assert_int_equal(on_port(a, EVTCHNOP_close, port), 0);
	assert_false(evtchn_virq_raise_vcpu(a->vcpus[1], VIRQ_TIMER));
	assert_true(evtchn_virq_raise_vcpu(a->vcpus[0], VIRQ_TIMER));
	assert_int_equal(bind_virq(a, VIRQ_TIMER, 1, &port), 0);
}

static void global_virqs(void **state)
{
	u32 port, bport;

	assert_int_equal(bind_virq(a, VIRQ_CONSOLE, 1, &port), -EINVAL);
	evtchn_virq_raise_global(VIRQ_CONSOLE); /* nobody bound it */
	assert_int_equal(bind_virq(a, VIRQ_CONSOLE, 0, &port), 0);
	assert_int_equal(bind_virq(b, VIRQ_CONSOLE, 0, &bport), 0);
	assert_int_equal(bind_vcpu(a, port, 2), 0);
	quiet(a);
	quiet(b);
	evtchn_virq_raise_global(VIRQ_CONSOLE);
	assert_ptr_equal(events_kicked, a->vcpus[2]);
	assert_false(pending(b, bport));
	assert_int_equal(evtchn_virq_handler_set(b, VIRQ_TIMER), -EINVAL);
	assert_int_equal(evtchn_virq_handler_set(b, NR_VIRQS), -EINVAL);
	assert_int_equal(evtchn_virq_handler_set(b, VIRQ_CONSOLE), 0);
	evtchn_virq_raise_global(VIRQ_CONSOLE);
	assert_true(pending(b, bport));
	assert_int_equal(on_port(a, EVTCHNOP_close, port), 0); /* though it notified vcpu 2 */
	assert_int_equal(bind_virq(a, VIRQ_CONSOLE, 0, &port), 0);
	/* the handler dies: Domain 0 again */
	events_domain_end(b);
	quiet(a);
	evtchn_virq_raise_global(VIRQ_CONSOLE);
	assert_true(pending(a, port));
	b = events_domain(7, 2, ~0u);
}

static void pirqs(void **state)
{
	u32 port, other;

	assert_int_equal(bind_pirq(b, 3, &port), -EINVAL);
	assert_int_equal(bind_pirq(a, WORLD_PIRQS, &port), -EINVAL);
	assert_int_equal(bind_pirq(a, ~0u, &port), -EINVAL);
	events_irq_rc = -EPERM;
	assert_int_equal(bind_pirq(a, 3, &port), -EPERM);
	events_irq_rc = 0;
	quiet(a);
	assert_int_equal(bind_pirq(a, 3, &port), 0);
	assert_int_equal(port, 1);
	assert_true(pending(a, port)); /* it came while it was being bound */
	assert_int_equal(bind_pirq(a, 3, &other), -EEXIST);
	assert_int_equal(status_of(a, port).status, EVTCHNSTAT_pirq);
	assert_int_equal(status_of(a, port).u.pirq, 3);
	assert_int_equal(bind_vcpu(a, port, 6), 0);
	quiet(a);
	assert_true(events_irq_fire(a, 3));
	assert_ptr_equal(events_kicked, a->vcpus[6]);
	a->shared->evtchn_mask[0] = ~0ul;
	evtchn_pirq_unmask(a, 3);
	assert_false(bit(a->shared->evtchn_mask, port));
	evtchn_pirq_unmask(a, 4);
	evtchn_pirq_unmask(a, 400);
	evtchn_pirq_raise(a, 400);
	evtchn_pirq_raise(b, 3);
	assert_int_equal(on_port(a, EVTCHNOP_close, port), 0);
	assert_false(events_irq_is_bound(3));
	assert_false(pending(a, port));
	assert_int_equal(bind_pirq(a, 3, &port), 0);
}

static void bind_vcpu_refuses(void **state)
{
	u32 port;

	assert_int_equal(alloc_unbound(a, DOMID_SELF, 7, &port), 0);
	assert_int_equal(bind_vcpu(a, port, VCPUS), -ENOENT);
	assert_int_equal(bind_vcpu(a, port, 1u << 31), -ENOENT);
	assert_int_equal(bind_vcpu(a, port + 1, 0), -EINVAL);
	assert_int_equal(bind_vcpu(a, 1u << 17, 0), -EINVAL);
	assert_int_equal(bind_vcpu(a, port, VCPUS - 1), 0);
	assert_int_equal(status_of(a, port).vcpu, VCPUS - 1);
	assert_int_equal(on_port(a, EVTCHNOP_close, port), 0);
	assert_int_equal(alloc_unbound(a, DOMID_SELF, 7, &port), 0);
	assert_int_equal(status_of(a, port).vcpu, 0);
}

/* ---------------------------------------------------------------- vcpu_info */

static void vcpu_info_moves_once(void **state)
{
	struct vcpu *v = a->vcpus[1];
	mfn_t mfn = events_frame(a, 0);
	struct vcpu_info *info = (void *)((u8 *)hw_frame_map(mfn) + PAGE_SIZE - 64);
	u32 port;

	v->info->time.tsc_shift = 5;
	assert_int_equal(evtchn_vcpu_info_place(v, mfn, 4), -ENXIO); /* case 327 */
	assert_int_equal(evtchn_vcpu_info_place(v, mfn, PAGE_SIZE - 56), -ENXIO);
	assert_int_equal(evtchn_vcpu_info_place(v, mfn, ~0u), -ENXIO);
	assert_int_equal(evtchn_vcpu_info_place(v, mfn, ~7u), -ENXIO);
	assert_int_equal(evtchn_vcpu_info_place(v, mfn_make(100000), 0), -EINVAL);
	assert_int_equal(evtchn_vcpu_info_place(v, b->shared_mfn, 0), -EINVAL);
	assert_int_equal(events_frame_refs(mfn), 0);
	quiet(a);
	assert_int_equal(evtchn_vcpu_info_place(v, mfn, PAGE_SIZE - 64), 0);
	assert_ptr_equal(v->info, info);
	assert_int_equal(info->time.tsc_shift, 5);
	assert_int_equal(info->evtchn_pending_sel, ~0ul);
	assert_int_equal(info->evtchn_upcall_pending, 1);
	assert_int_equal(events_kicks, 1);
	assert_int_equal(evtchn_vcpu_info_place(v, mfn, 0), -EINVAL);
	assert_int_equal(events_frame_refs(mfn), 1);
	quiet(a);
	assert_int_equal(bind_ipi(a, 1, &port), 0);
	assert_int_equal(on_port(a, EVTCHNOP_send, port), 0);
	assert_int_equal(info->evtchn_upcall_pending, 1);
}

static void vcpus_beyond_shared_info(void **state)
{
	struct vcpu *v = a->vcpus[35];
	mfn_t mfn = events_frame(a, 0);
	u32 port;

	assert_non_null(v->info);
	assert_true(v->info->evtchn_upcall_mask);
	assert_int_equal(bind_ipi(a, 35, &port), 0);
	assert_int_equal(on_port(a, EVTCHNOP_send, port),
			 0); /* remembered in a place that nobody sees */
	assert_true(pending(a, port));
	assert_int_equal(evtchn_vcpu_info_place(v, mfn, 128), 0);
	assert_true(evtchn_upcall_pending(v));
	assert_int_equal(events_frame_refs(mfn), 1);
}

/* ---------------------------------------------------------------- FIFO */

static long init_control(struct domain *d, u32 vcpu, u64 gfn, u32 offset)
{
	struct evtchn_init_control arg = {.control_gfn = gfn, .vcpu = vcpu, .offset = offset};
	long rc = op(d, EVTCHNOP_init_control, &arg);

	if (rc == 0) {
		assert_int_equal(arg.link_bits, 17);
		controls[vcpu] = (void *)((u8 *)hw_frame_map(mfn_make(gfn)) + offset);
	}
	return rc;
}

static long expand(struct domain *d, mfn_t mfn)
{
	struct evtchn_expand_array arg = {.array_gfn = mfn_num(mfn)};

	return op(d, EVTCHNOP_expand_array, &arg);
}

static void to_fifo(unsigned int vcpus)
{
	for (u32 i = 0; i < vcpus; i++)
		assert_int_equal(init_control(a, i, mfn_num(events_frame(a, 0)), 0), 0);
	pages[0] = events_frame(a, 0);
	assert_int_equal(expand(a, pages[0]), 0);
}

static u32 next(u32 vcpu)
{
	u32 port = guest_fifo_next(&fifo[vcpu], controls[vcpu], pages);

	if (port)
		guest_fifo_ack(pages, port);
	return port;
}

static long set_priority(struct domain *d, u32 port, u32 priority)
{
	struct evtchn_set_priority arg = {.port = port, .priority = priority};

	return op(d, EVTCHNOP_set_priority, &arg);
}

static void fifo_set_up_is_judged(void **state)
{
	mfn_t mfn = events_frame(a, 0);
	u32 port;

	assert_int_equal(expand(a, mfn), -EOPNOTSUPP); /* case 107: no control block yet */
	assert_int_equal(bind_ipi(a, 0, &port), 0);
	assert_int_equal(set_priority(a, port, 3), -ENOSYS);
	assert_int_equal(init_control(a, VCPUS, mfn_num(mfn), 0), -ENOENT);
	assert_int_equal(init_control(a, 0, mfn_num(mfn), 4), -EINVAL);
	assert_int_equal(init_control(a, 0, mfn_num(mfn), PAGE_SIZE - 64), -EINVAL);
	assert_int_equal(init_control(a, 0, mfn_num(mfn), 0xfffffff8), -EINVAL);
	assert_int_equal(init_control(a, 0, ~0ull, 0), -EINVAL);
	assert_int_equal(init_control(a, 0, mfn_num(b->shared_mfn), 0), -EINVAL);
	assert_int_equal(events_frame_refs(mfn), 0);
	assert_int_equal(init_control(a, 0, mfn_num(mfn), PAGE_SIZE - 72), 0);
	assert_int_equal(init_control(a, 0, mfn_num(mfn), 0), -EINVAL);
	assert_int_equal(events_frame_refs(mfn), 1);
	assert_int_equal(expand(a, mfn_make(~0ull)), -EINVAL);
	for (unsigned int i = 0; i < 128; i++) {
		pages[i] = events_frame(a, 0);
		assert_int_equal(expand(a, pages[i]), 0);
	}
	mfn = events_frame(a, 0);
	assert_int_equal(expand(a, mfn), -ENOSPC);
	assert_int_equal(events_frame_refs(mfn), 0);
	assert_int_equal(set_priority(a, port, 16), -EINVAL);
	assert_int_equal(set_priority(a, port + 1, 1), -EACCES);
	assert_int_equal(set_priority(a, 0, 99), -EACCES);
	assert_int_equal(set_priority(a, 1 << 17, 1), -EINVAL);
	assert_int_equal(set_priority(a, port, 15), 0);
}

static void fifo_delivers_in_order_and_by_priority(void **state)
{
	u32 ports[6];

	to_fifo(2);
	for (unsigned int i = 0; i < 6; i++)
		assert_int_equal(bind_ipi(a, 0, &ports[i]), 0);
	assert_int_equal(set_priority(a, ports[4], EVTCHN_FIFO_PRIORITY_MAX), 0);
	assert_int_equal(set_priority(a, ports[0], EVTCHN_FIFO_PRIORITY_MIN), 0);
	quiet(a);
	for (unsigned int i = 0; i < 6; i++)
		assert_int_equal(on_port(a, EVTCHNOP_send, ports[i]), 0);
	assert_int_equal(events_kicks, 1);
	assert_int_equal(on_port(a, EVTCHNOP_send, ports[2]), 0); /* pending already */
	assert_true(evtchn_port_is_pending(a, ports[2]));
	assert_int_equal(next(0), ports[4]);
	assert_int_equal(next(0), ports[1]);
	assert_int_equal(next(0), ports[2]);
	assert_int_equal(on_port(a, EVTCHNOP_send, ports[1]), 0);
	assert_int_equal(next(0), ports[3]);
	assert_int_equal(next(0), ports[5]);
	assert_int_equal(next(0), ports[1]);
	assert_int_equal(next(0), ports[0]);
	assert_int_equal(next(0), 0);
	assert_int_equal(on_port(a, EVTCHNOP_send, ports[5]), 0);
	assert_int_equal(next(0), ports[5]);
	assert_int_equal(next(1), 0);
}

static void fifo_mask_and_unmask(void **state)
{
	u32 port;

	to_fifo(1);
	assert_int_equal(bind_ipi(a, 0, &port), 0);
	*guest_word(pages, port) = 1u << EVTCHN_FIFO_MASKED;
	quiet(a);
	assert_int_equal(on_port(a, EVTCHNOP_send, port), 0);
	assert_int_equal(events_kicks, 0);
	assert_int_equal(*guest_word(pages, port), 3u << 30);
	assert_int_equal(on_port(a, EVTCHNOP_unmask, port), 0);
	assert_int_equal(events_kicks, 1);
	assert_int_equal(next(0), port);
	assert_int_equal(*guest_word(pages, port), 0);
	assert_int_equal(on_port(a, EVTCHNOP_unmask, port), 0);
	assert_int_equal(next(0), 0);
}

static void fifo_port_moves_between_vcpus(void **state)
{
	u32 port, other, aport, bport;

	to_fifo(2);
	pair(&aport, &bport);
	assert_int_equal(bind_ipi(a, 0, &port), 0);
	assert_int_equal(bind_ipi(a, 0, &other), 0);
	assert_int_equal(on_port(b, EVTCHNOP_send, bport), 0);
	assert_int_equal(bind_vcpu(a, aport, 1), 0);
	assert_int_equal(next(0), aport); /* it was in that queue */
	/* aport is still what vcpu 0 had last; it goes to vcpu 1, and vcpu 0's next must not be linked behind it */
	assert_int_equal(on_port(b, EVTCHNOP_send, bport), 0);
	assert_int_equal(on_port(a, EVTCHNOP_send, port), 0);
	assert_int_equal(next(0), port);
	assert_int_equal(next(1), aport);
	assert_int_equal(next(0), 0);
	/* by priority, too */
	assert_int_equal(on_port(a, EVTCHNOP_send, port), 0);
	assert_int_equal(set_priority(a, port, 2), 0);
	assert_int_equal(next(0), port);
	assert_int_equal(on_port(a, EVTCHNOP_send, port), 0);
	assert_int_equal(on_port(a, EVTCHNOP_send, other), 0);
	assert_int_equal(next(0), port);
	assert_int_equal(next(0), other);
	assert_int_equal(next(0), 0);
}

static void fifo_ports_without_words_come_later(void **state)
{
	u32 port;

	assert_int_equal(init_control(a, 0, mfn_num(events_frame(a, 0)), 0), 0);
	assert_int_equal(bind_ipi(a, 0, &port), 0);
	quiet(a);
	assert_int_equal(on_port(a, EVTCHNOP_send, port), 0); /* case 221 and kin: no page for it */
	assert_true(evtchn_port_is_pending(a, port));
	assert_int_equal(events_kicks, 0);
	assert_int_equal(on_port(a, EVTCHNOP_unmask, port), 0);
	pages[0] = events_frame(a, 0);
	assert_int_equal(expand(a, pages[0]), 0);
	assert_int_equal(next(0), port);
	assert_int_equal(next(0), 0);
}

static void fifo_takes_over_what_was_pending(void **state)
{
	u32 port, closed;

	assert_int_equal(bind_ipi(a, 0, &closed), 0);
	assert_int_equal(bind_ipi(a, 1, &port), 0);
	assert_int_equal(on_port(a, EVTCHNOP_send, port), 0);
	assert_int_equal(on_port(a, EVTCHNOP_send, closed), 0);
	assert_int_equal(on_port(a, EVTCHNOP_close, closed), 0);
	to_fifo(2);
	assert_int_equal(next(1), port);
	assert_int_equal(next(0), 0);
}

static void fifo_vcpu_without_control_block(void **state)
{
	u32 port;

	to_fifo(1);
	assert_int_equal(bind_ipi(a, 1, &port), 0);
	quiet(a);
	assert_int_equal(on_port(a, EVTCHNOP_send, port), 0); /* case 107 */
	assert_int_equal(events_kicks, 0);
	assert_int_equal(*guest_word(pages, port),
			 0); /* or it would stay pending, in no queue, for ever */
	assert_int_equal(init_control(a, 1, mfn_num(events_frame(a, 0)), 0), 0);
	assert_int_equal(on_port(a, EVTCHNOP_send, port), 0);
	assert_int_equal(next(1), port);
	*guest_word(pages, port) = 3u << 30; /* a guest that claims it */
	assert_int_equal(bind_ipi(a, 3, &port), 0);
	*guest_word(pages, port) = 3u << 30;
	assert_int_equal(on_port(a, EVTCHNOP_unmask, port), 0);
	assert_int_equal(*guest_word(pages, port), 1u << 31);
}

static void fifo_linked_ports_are_not_given_out(void **state)
{
	u32 port, other;

	to_fifo(1);
	assert_int_equal(bind_ipi(a, 0, &port), 0);
	assert_int_equal(on_port(a, EVTCHNOP_send, port), 0);
	assert_int_equal(on_port(a, EVTCHNOP_close, port), 0);
	assert_int_equal(bind_ipi(a, 0, &other), 0);
	assert_int_not_equal(other, port);
	assert_int_equal(next(0), 0); /* linked, but not pending any more */
	assert_int_equal(bind_ipi(a, 0, &other), 0);
	assert_int_equal(other, port);
}

/* A guest that marks everything as linked starves itself, within bounds. */
static void fifo_all_linked(void **state)
{
	u32 port;

	to_fifo(1);
	for (unsigned int i = 0; i < 128; i++) {
		if (i) {
			pages[i] = events_frame(a, 0);
			assert_int_equal(expand(a, pages[i]), 0);
		}
		for (unsigned int j = 0; j < 1024; j++)
			guest_word(pages, i * 1024)[j] = 1u << EVTCHN_FIFO_LINKED;
	}
	assert_int_equal(bind_ipi(a, 0, &port), -ENOSPC);
	*guest_word(pages, 500) = 0;
	assert_int_equal(bind_ipi(a, 0, &port), 0);
	assert_int_equal(port, 500);
}

static void fifo_reset(void **state)
{
	struct evtchn_reset arg = {.dom = DOMID_SELF};
	u32 port, aport, bport;
	mfn_t control;

	fake_preempt_every = 2; /* and restarted all the time */
	control = events_frame(a, 0);
	assert_int_equal(init_control(a, 0, mfn_num(control), 0), 0);
	pages[0] = events_frame(a, 0);
	assert_int_equal(expand(a, pages[0]), 0);
	pair(&aport, &bport);
	for (unsigned int i = 0; i < 1500; i++)
		assert_int_equal(bind_ipi(a, 0, &port), 0);
	assert_int_equal(bind_virq(a, VIRQ_TIMER, 2, &port), 0);
	assert_int_equal(bind_pirq(a, 1, &port), 0);
	assert_int_equal(op(a, EVTCHNOP_reset, &arg), 0);
	assert_int_equal(events_frame_refs(control), 0);
	assert_int_equal(events_frame_refs(pages[0]), 0);
	assert_false(events_irq_is_bound(1));
	assert_int_equal(status_of(b, bport).status, EVTCHNSTAT_unbound);
	assert_int_equal(status_of(a, aport).status, EVTCHNSTAT_closed);
	assert_int_equal(bind_ipi(a, 0, &port), 0);
	assert_int_equal(port, 1);
	quiet(a);
	assert_int_equal(on_port(a, EVTCHNOP_send, port), 0);
	assert_true(pending(a, port)); /* two-level again */
	to_fifo(2);
	assert_int_equal(next(0), port);
}

static void reset_of_another(void **state)
{
	struct evtchn_reset arg = {.dom = 7};
	u32 port;

	assert_int_equal(bind_ipi(b, 0, &port), 0);
	assert_int_equal(op(a, EVTCHNOP_reset, &arg), -EINVAL); /* it runs */
	for (unsigned int i = 0; i < b->vcpu_max; i++)
		b->vcpus[i]->pause_count = 1;
	assert_int_equal(op(a, EVTCHNOP_reset, &arg), 0);
	assert_int_equal(status_of(b, port).status, EVTCHNSTAT_closed);
	arg.dom = 99;
	assert_int_equal(op(a, EVTCHNOP_reset, &arg), -ESRCH);
}

/* Words and heads that make no sense confuse the guest alone. */
static void fifo_garbage_in_words(void **state)
{
	u32 ports[8];

	to_fifo(2);
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(bind_ipi(a, i % 2, &ports[i]), 0);
	for (unsigned int i = 0; i < 20000; i++) {
		u64 random = fake_random();

		*guest_word(pages, (u32)(random >> 32) % 16) = (u32)random;
		controls[random >> 60 & 1]->ready = (u32)(random >> 8);
		controls[random >> 61 & 1]->head[random & 15] = (u32)fake_random();
		assert_int_equal(on_port(a, random & 1 ? EVTCHNOP_send : EVTCHNOP_unmask,
					 ports[random >> 1 & 7]),
				 0);
		if (i % 16 == 0)
			assert_int_equal(set_priority(a, ports[random >> 5 & 7], random >> 9 & 15),
					 0);
	}
	assert_int_equal(evtchn_audit(a), 0);
}

/* ---------------------------------------------------------------- the end of a domain, and lack of memory */

static void a_dying_domain_opens_nothing(void **state)
{
	u32 aport, bport, port;

	pair(&aport, &bport);
	assert_int_equal(alloc_unbound(b, DOMID_SELF, 0, &port), 0);
	b->is_dying = true;
	assert_int_equal(bind_ipi(b, 0, &port), -EINVAL);
	assert_int_equal(init_control(b, 0, mfn_num(events_frame(b, 0)), 0), -EINVAL);
	assert_int_equal(evtchn_virq_handler_set(b, VIRQ_CONSOLE), -EINVAL);
	events_domain_end(b);
	assert_int_equal(status_of(a, aport).status, EVTCHNSTAT_unbound);
	assert_int_equal(on_port(a, EVTCHNOP_send, aport), 0);
	b = events_domain(7, 2, ~0u);
	assert_int_equal(bind_interdomain(b, 0, aport, &bport), 0);
}

static void nothing_is_lost_without_memory(void **state)
{
	u32 port;
	int n;

	for (n = 0;; n++) {
		struct domain *d;
		int blocks = events_heap_blocks;

		fake_alloc_fail_after = n;
		d = events_domain(9, 3, ~0u);
		fake_alloc_fail_after = -1;
		if (d) {
			events_domain_end(d);
			break;
		}
		assert_int_equal(events_heap_blocks, blocks);
	}
	assert_int_equal(n, 5);
	for (unsigned int i = 1; i < 128; i++)
		assert_int_equal(bind_ipi(a, 0, &port), 0);
	fake_alloc_fail_after = 0;
	assert_int_equal(bind_ipi(a, 0, &port), -ENOMEM);
	assert_int_equal(bind_pirq(a, 1, &port), -ENOMEM);
	assert_int_equal(alloc_unbound(a, DOMID_SELF, 7, &port), -ENOMEM);
	fake_alloc_fail_after = 1;
	assert_int_equal(bind_pirq(a, 1, &port), -ENOMEM);
	fake_alloc_fail_after = -1;
	events_type_rc = -ERESTART; /* the frame was a page table a moment ago */
	assert_int_equal(evtchn_fifo_init_control(a, 0, events_frame(a, 0), 0), -ERESTART);
	assert_int_equal(evtchn_vcpu_info_place(a->vcpus[0], events_frame(a, 0), 0), -ERESTART);
	events_type_rc = 0;
	to_fifo(1);
	assert_int_equal(bind_pirq(a, 1, &port), 0);
	evtchn_print(a);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(ports_begin_at_one),
		T(unbound_says_for_whom),
		T(unprivileged_touch_only_themselves),
		T(interdomain_binds_once_and_for_the_right_one),
		T(loopback),
		T(close_leaves_the_peer_waiting),
		T(no_more_ports_than_the_limits),
		T(a_port_that_cannot_be_told_is_closed),
		T(unknown_commands),
		T(the_old_call),
		T(send_sets_three_bits_and_kicks_once),
		T(masked_is_pending_and_no_more),
		T(pollers_are_woken_for_masked_ports_too),
		T(a_reused_port_is_not_pending),
		T(the_lowest_port_is_given),
		T(ipis),
		T(virqs_of_a_vcpu),
		T(global_virqs),
		T(pirqs),
		T(bind_vcpu_refuses),
		T(vcpu_info_moves_once),
		T(vcpus_beyond_shared_info),
		T(fifo_set_up_is_judged),
		T(fifo_delivers_in_order_and_by_priority),
		T(fifo_mask_and_unmask),
		T(fifo_port_moves_between_vcpus),
		T(fifo_ports_without_words_come_later),
		T(fifo_takes_over_what_was_pending),
		T(fifo_vcpu_without_control_block),
		T(fifo_linked_ports_are_not_given_out),
		T(fifo_all_linked),
		T(fifo_reset),
		T(reset_of_another),
		T(fifo_garbage_in_words),
		T(a_dying_domain_opens_nothing),
		T(nothing_is_lost_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

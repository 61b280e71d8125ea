/* SPDX-License-Identifier: MIT */
/* uses: src/evtchn/port.c src/evtchn/fifo.c src/evtchn/bind.c src/evtchn/domain.c src/evtchn/audit.c src/lib/bitmap.c test/fake/machine.c test/fake/core.c test/fake/evtchn_world.c */
/*
 * A million random operations on the event channels of three domains, beside a model as simple as it can be: arrays
 * of ports, and for each queue a list in the order in which the guest must get it. Answers, port numbers, upcalls and
 * kicks are compared after each operation; every bit, and Mica's own audit, after each thousand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "evtchn_world.h"
#include "mm/mm.h"

#define DOMAINS	   3
#define VCPUS	   3
#define PORTS	   192 /* the limit; more than one group */
#define PAGES_MAX  2
#define OPERATIONS 1000000
#define AUDIT_EACH 1000
#define PRIORITIES 16

enum state { FREE, UNBOUND, INTERDOMAIN, PIRQ, VIRQ, IPI };

struct model_port {
	enum state state;
	u32 dom, arg, vcpu, priority;
	bool pending[2]; /* two-level; FIFO word */
	bool masked[2];
	bool late, linked;
};

struct model {
	struct domain *d;
	struct model_port ports[PORTS + 1];
	u32 limit;
	bool is_fifo;
	u32 pages;
	mfn_t page[PAGES_MAX];
	u64 sel[VCPUS];
	bool upcall[VCPUS];
	bool is_placed[VCPUS];
	bool has_control[VCPUS];
	struct evtchn_fifo_control_block *control[VCPUS];
	struct guest_fifo guest[VCPUS];
	u32 queue[VCPUS][PRIORITIES][PORTS + 1];
	u32 queue_len[VCPUS][PRIORITIES];
	u32 ready[VCPUS]; /* in the control block */
	u32 local[VCPUS]; /* taken by the guest */
};

static struct model models[DOMAINS];
static unsigned int kicks;
static unsigned long operation;

static u32 pick(u32 n)
{
	return (u32)(fake_random() >> 20) % n;
}

#define SAME(got, want)                                                                        \
	do {                                                                                   \
		long g_ = (long)(got), w_ = (long)(want);                                      \
		if (g_ != w_) {                                                                \
			fprintf(stderr, "operation %lu, line %d: %s is %ld, model says %ld\n", \
				operation, __LINE__, #got, g_, w_);                            \
			abort();                                                               \
		}                                                                              \
	} while (0)

/* ---------------------------------------------------------------- the model */

static void model_upcall(struct model *m, u32 vcpu)
{
	kicks += !m->upcall[vcpu];
	m->upcall[vcpu] = true;
}

static void model_link(struct model *m, u32 port)
{
	struct model_port *p = &m->ports[port];
	u32 *len = &m->queue_len[p->vcpu][p->priority];

	if (p->linked || !m->has_control[p->vcpu])
		return;
	p->linked = true;
	m->queue[p->vcpu][p->priority][(*len)++] = port;
	if (*len > 1 || m->ready[p->vcpu] & 1u << p->priority)
		return;
	m->ready[p->vcpu] |= 1u << p->priority;
	model_upcall(m, p->vcpu);
}

static void model_select(struct model *m, u32 port)
{
	u32 vcpu = m->ports[port].vcpu;

	if (m->sel[vcpu] >> port / 64 & 1)
		return;
	m->sel[vcpu] |= 1ull << port / 64;
	model_upcall(m, vcpu);
}

static void model_raise(struct model *m, u32 port)
{
	struct model_port *p = &m->ports[port];

	if (m->is_fifo && !m->has_control[p->vcpu])
		return;
	if (m->is_fifo && port / 1024 >= m->pages) {
		p->late = true;
		return;
	}
	if (p->pending[m->is_fifo])
		return;
	p->pending[m->is_fifo] = true;
	if (p->masked[m->is_fifo])
		return;
	if (m->is_fifo)
		model_link(m, port);
	else
		model_select(m, port);
}

/* The lowest free port, or 0. */
static u32 model_alloc(struct model *m)
{
	for (u32 port = 1; port <= m->limit; port++)
		if (m->ports[port].state == FREE && !(m->is_fifo && m->ports[port].linked))
			return port;
	return 0;
}

static void model_open(struct model *m, u32 port, enum state state, u32 dom, u32 arg, u32 vcpu)
{
	struct model_port *p = &m->ports[port];

	p->state = state;
	p->dom = dom;
	p->arg = arg;
	p->vcpu = vcpu;
	p->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
}

static void model_close(struct model *m, u32 port)
{
	struct model_port *p = &m->ports[port];

	if (p->state == INTERDOMAIN) {
		struct model_port *rp = &models[p->dom].ports[p->arg];

		rp->state = UNBOUND;
		rp->dom = (u32)(m - models);
	}
	p->state = FREE;
	p->vcpu = 0;
	p->late = false;
	p->pending[m->is_fifo] = false;
}

static u32 model_find(const struct model *m, enum state state, u32 arg, u32 vcpu)
{
	for (u32 port = 1; port <= PORTS; port++)
		if (m->ports[port].state == state && m->ports[port].arg == arg &&
		    (vcpu == ~0u || m->ports[port].vcpu == vcpu))
			return port;
	return 0;
}

/* ---------------------------------------------------------------- operations: done, and done to the model */

static u32 any_port(void)
{
	return pick(20) == 0 ? pick(PORTS * 2) : pick(PORTS + 1);
}

static bool is_open(const struct model *m, u32 port)
{
	return port <= PORTS && m->ports[port].state != FREE;
}

static int opened(u32 want, int rc, const u32 *got)
{
	SAME(rc, want ? 0 : -ENOSPC);
	if (want)
		SAME(*got, want);
	return rc;
}

static void op_alloc(struct model *m)
{
	u32 want = model_alloc(m), port = 0, remote = pick(DOMAINS);

	if (!opened(want, evtchn_port_alloc_unbound(m->d, (domid_t)remote, &port), &port))
		model_open(m, port, UNBOUND, remote, 0, 0);
}

static void op_bind_interdomain(struct model *m)
{
	u32 self = (u32)(m - models), want = model_alloc(m), remote = pick(DOMAINS), port = 0;
	struct model *r = &models[remote];
	u32 rport = any_port();
	int rc;

	/* a random port seldom fits: go on to one that does */
	for (u32 i = 0; i < PORTS && pick(10); i++, rport = rport % PORTS + 1)
		if (is_open(r, rport) && r->ports[rport].state == UNBOUND &&
		    r->ports[rport].dom == self)
			break;
	rc = evtchn_port_bind_interdomain(m->d, r->d, rport, &port);
	if (!want) {
		SAME(rc, -ENOSPC);
	} else if (!is_open(r, rport) || r->ports[rport].state != UNBOUND ||
		   r->ports[rport].dom != self) {
		SAME(rc, -EINVAL);
		m->ports[want].late = false; /* taken for a moment: its bits are cleared */
		m->ports[want].pending[m->is_fifo] = false;
	} else {
		SAME(rc, 0);
		SAME(port, want);
		r->ports[rport].state = INTERDOMAIN;
		r->ports[rport].dom = self;
		r->ports[rport].arg = port;
		model_open(m, port, INTERDOMAIN, remote, rport, 0);
		model_raise(m, port);
	}
}

static void op_bind_virq(struct model *m)
{
	static const u32 virqs[] = {VIRQ_TIMER, VIRQ_DEBUG, VIRQ_ARGO, VIRQ_CONSOLE};
	u32 virq = virqs[pick(4)], vcpu = pick(VCPUS + 1), want = model_alloc(m), port = 0;
	bool is_global = virq == VIRQ_ARGO || virq == VIRQ_CONSOLE;
	int rc = evtchn_virq_bind(m->d, virq, vcpu, &port);

	if (is_global && vcpu)
		SAME(rc, -EINVAL);
	else if (vcpu == VCPUS)
		SAME(rc, -ENOENT);
	else if (model_find(m, VIRQ, virq, is_global ? ~0u : vcpu))
		SAME(rc, -EEXIST);
	else if (!opened(want, rc, &port))
		model_open(m, port, VIRQ, 0, virq, vcpu);
}

static void op_bind_ipi(struct model *m)
{
	u32 vcpu = pick(VCPUS + 1), want = model_alloc(m), port = 0;
	int rc = evtchn_ipi_bind(m->d, vcpu, &port);

	if (vcpu == VCPUS)
		SAME(rc, -ENOENT);
	else if (!opened(want, rc, &port))
		model_open(m, port, IPI, 0, 0, vcpu);
}

static void op_bind_pirq(struct model *m)
{
	u32 pirq = pick(WORLD_PIRQS + 1), want = model_alloc(m), port = 0;
	int rc = evtchn_pirq_bind(m->d, pirq, 0, &port);

	if (!m->d->is_hardware || pirq == WORLD_PIRQS) {
		SAME(rc, -EINVAL);
	} else if (model_find(m, PIRQ, pirq, ~0u)) {
		SAME(rc, -EEXIST);
	} else if (!opened(want, rc, &port)) {
		model_open(m, port, PIRQ, 0, pirq, 0);
		model_raise(m, port); /* the fake interrupts at once */
	}
}

static void op_close(struct model *m)
{
	u32 port = any_port();
	int rc = evtchn_port_close(m->d, port);

	SAME(rc, is_open(m, port) && port ? 0 : -EINVAL);
	if (!rc)
		model_close(m, port);
}

static void op_send(struct model *m)
{
	u32 port = any_port();
	enum state state = is_open(m, port) && port ? m->ports[port].state : FREE;
	int rc = evtchn_send(m->d, port);

	SAME(rc, state == INTERDOMAIN || state == IPI || state == UNBOUND ? 0 : -EINVAL);
	if (state == INTERDOMAIN)
		model_raise(&models[m->ports[port].dom], m->ports[port].arg);
	else if (state == IPI)
		model_raise(m, port);
}

static void op_virq(struct model *m)
{
	u32 vcpu = pick(VCPUS), port;
	bool rc;

	if (pick(2)) {
		port = model_find(m, VIRQ, VIRQ_TIMER, vcpu);
		rc = evtchn_virq_raise_vcpu(m->d->vcpus[vcpu], VIRQ_TIMER);
	} else {
		port = model_find(m, VIRQ, VIRQ_ARGO, ~0u);
		rc = evtchn_virq_raise_vcpu(m->d->vcpus[0], VIRQ_ARGO);
	}
	SAME(rc, port != 0);
	if (port)
		model_raise(m, port);
}

static void op_virq_global(struct model *m)
{
	u32 port = model_find(&models[0], VIRQ, VIRQ_CONSOLE, ~0u);

	evtchn_virq_raise_global(VIRQ_CONSOLE);
	if (port)
		model_raise(&models[0], port);
}

static void op_irq(struct model *m)
{
	u32 pirq = pick(WORLD_PIRQS), port = model_find(m, PIRQ, pirq, ~0u);

	SAME(events_irq_fire(m->d, pirq), port != 0);
	if (port)
		model_raise(m, port);
}

static bool is_known(const struct model *m, u32 port)
{
	return evtchn_port_is_valid(m->d, port);
}

static void op_unmask(struct model *m)
{
	u32 port = any_port();
	int rc = evtchn_port_unmask(m->d, port);
	struct model_port *p = &m->ports[port <= PORTS ? port : 0];
	bool was_masked;

	SAME(rc, is_known(m, port) ? 0 : -EINVAL);
	if (!is_open(m, port) || !port || (m->is_fifo && port / 1024 >= m->pages))
		return;
	was_masked = p->masked[m->is_fifo];
	p->masked[m->is_fifo] = false;
	if (!p->pending[m->is_fifo])
		return;
	if (m->is_fifo)
		model_link(m, port);
	else if (was_masked)
		model_select(m, port);
}

static void op_bind_vcpu(struct model *m)
{
	u32 port = any_port(), vcpu = pick(VCPUS + 1);
	const struct model_port *p = &m->ports[port <= PORTS ? port : 0];
	int rc = evtchn_port_bind_vcpu(m->d, port, vcpu);

	if (vcpu == VCPUS) {
		SAME(rc, -ENOENT);
	} else if (!is_open(m, port) || !port || p->state == IPI ||
		   (p->state == VIRQ && p->arg <= VIRQ_DEBUG)) {
		SAME(rc, -EINVAL);
	} else {
		SAME(rc, 0);
		m->ports[port].vcpu = vcpu;
	}
}

static void op_set_priority(struct model *m)
{
	u32 port = any_port(), priority = pick(PRIORITIES + 1);
	int rc = evtchn_port_set_priority(m->d, port, priority);

	if (!is_known(m, port)) {
		SAME(rc, -EINVAL);
	} else if (!m->is_fifo) {
		SAME(rc, -ENOSYS);
	} else if (!is_open(m, port) || !port) {
		SAME(rc, -EACCES);
	} else if (priority == PRIORITIES) {
		SAME(rc, -EINVAL);
	} else {
		SAME(rc, 0);
		m->ports[port].priority = priority;
	}
}

static void op_status(struct model *m)
{
	static const u32 names[] = {EVTCHNSTAT_closed, EVTCHNSTAT_unbound, EVTCHNSTAT_interdomain,
				    EVTCHNSTAT_pirq,   EVTCHNSTAT_virq,	   EVTCHNSTAT_ipi};
	u32 port = 1 + pick(PORTS);
	struct evtchn_status status = {.dom = 0};
	const struct model_port *p = &m->ports[port];

	SAME(evtchn_port_status(m->d, port, &status), is_known(m, port) ? 0 : -EINVAL);
	SAME(status.status, names[p->state]);
	if (p->state == FREE)
		return;
	SAME(status.vcpu, p->vcpu);
	if (p->state == INTERDOMAIN || p->state == UNBOUND)
		SAME(status.u.unbound.dom, p->dom);
	if (p->state == INTERDOMAIN)
		SAME(status.u.interdomain.port, p->arg);
	if (p->state == VIRQ || p->state == PIRQ)
		SAME(status.u.virq, p->arg);
}

/* ---------------------------------------------------------------- what the guest does to the bits itself */

static void op_guest_mask(struct model *m)
{
	u32 port = 1 + pick(PORTS);

	if (!m->is_fifo)
		m->d->shared->evtchn_mask[port / 64] |= 1ul << port % 64;
	else if (m->pages)
		*guest_word(m->page, port) |= 1u << EVTCHN_FIFO_MASKED;
	else
		return;
	m->ports[port].masked[m->is_fifo] = true;
}

/* The upcall of a vCPU that runs the two-level form: everything in the words that it was told of. */
static void guest_scan(struct model *m, u32 vcpu)
{
	struct vcpu_info *info = m->d->vcpus[vcpu]->info;
	u64 sel = info->evtchn_pending_sel;

	SAME(sel, m->sel[vcpu]);
	info->evtchn_pending_sel = 0;
	m->sel[vcpu] = 0;
	for (u32 port = 1; port <= PORTS; port++) {
		struct model_port *p = &m->ports[port];
		u64 *word = (u64 *)&m->d->shared->evtchn_pending[port / 64];

		if (!(sel >> port / 64 & 1) || p->masked[0])
			continue;
		SAME(*word >> port % 64 & 1, p->pending[0]);
		*word &= ~(1ull << port % 64);
		p->pending[0] = false;
	}
}

static u32 model_next(struct model *m, u32 vcpu)
{
	for (;;) {
		u32 priority, port, *queue, *len;

		m->local[vcpu] |= m->ready[vcpu];
		m->ready[vcpu] = 0;
		if (!m->local[vcpu])
			return 0;
		priority = (u32)__builtin_ctz(m->local[vcpu]);
		queue = m->queue[vcpu][priority];
		len = &m->queue_len[vcpu][priority];
		SAME(*len != 0, true);
		port = queue[0];
		memmove(queue, queue + 1, --*len * sizeof(*queue));
		if (!*len)
			m->local[vcpu] &= ~(1u << priority);
		m->ports[port].linked = false;
		if (m->ports[port].pending[1] && !m->ports[port].masked[1])
			return port;
	}
}

static void op_guest_upcall(struct model *m)
{
	u32 vcpu = pick(VCPUS), count = pick(8);
	struct vcpu_info *info = m->d->vcpus[vcpu]->info;

	info->evtchn_upcall_pending = 0;
	m->upcall[vcpu] = false;
	if (!m->is_fifo) {
		guest_scan(m, vcpu);
		return;
	}
	if (!m->has_control[vcpu] || !m->pages)
		return;
	while (count--) { /* it may stop in the middle */
		u32 want = model_next(m, vcpu);

		SAME(guest_fifo_next(&m->guest[vcpu], m->control[vcpu], m->page), want);
		if (!want)
			return;
		if (pick(8) == 0)
			continue; /* taken out of the queue, but still pending for a while */
		guest_fifo_ack(m->page, want);
		m->ports[want].pending[1] = false;
	}
	info->evtchn_upcall_pending = 1; /* it will come back */
	m->upcall[vcpu] = true;
}

/* ---------------------------------------------------------------- rarer: set-up, reset, death */

static void op_init_control(struct model *m)
{
	u32 vcpu = pick(VCPUS);
	mfn_t mfn = events_frame(m->d, 0);
	int rc = evtchn_fifo_init_control(m->d, vcpu, mfn, 8 * vcpu);

	SAME(rc, m->has_control[vcpu] ? -EINVAL : 0);
	if (rc)
		return;
	m->has_control[vcpu] = true;
	m->control[vcpu] = (void *)((u8 *)hw_frame_map(mfn) + 8 * vcpu);
	if (m->is_fifo)
		return;
	m->is_fifo = true;
	for (u32 port = 1; port <= PORTS; port++)
		m->ports[port].late |= m->ports[port].state != FREE && m->ports[port].pending[0];
}

static void op_expand(struct model *m)
{
	mfn_t mfn = m->pages < PAGES_MAX ? events_frame(m->d, 0) : MFN_NONE;
	bool masks = pick(2);
	int rc;

	if (m->pages == PAGES_MAX)
		return;
	for (u32 i = 0; masks && i < 1024; i++)
		((event_word_t *)hw_frame_map(mfn))[i] = 1u << EVTCHN_FIFO_MASKED;
	rc = evtchn_fifo_expand_array(m->d, mfn);
	SAME(rc, m->is_fifo ? 0 : -EOPNOTSUPP);
	if (rc)
		return;
	m->page[m->pages++] = mfn;
	if (m->pages > 1)
		return; /* no port of ours is that high */
	for (u32 port = 1; port <= PORTS; port++) {
		m->ports[port].masked[1] = masks;
		if (m->ports[port].late && m->ports[port].state != FREE)
			model_raise(m, port);
		m->ports[port].late = false;
	}
}

static void model_reset(struct model *m)
{
	for (u32 port = 1; port <= PORTS; port++) {
		struct model_port *p = &m->ports[port];

		if (p->state != FREE)
			model_close(m, port);
	}
	if (!m->is_fifo)
		return;
	for (u32 port = 1; port <= PORTS; port++) {
		m->ports[port].pending[0] = m->ports[port].pending[1] = false;
		m->ports[port].linked = m->ports[port].masked[1] = false;
	}
	m->is_fifo = false;
	m->pages = 0;
	memset(m->has_control, 0, sizeof(m->has_control));
	memset(m->guest, 0, sizeof(m->guest));
	memset(m->queue_len, 0, sizeof(m->queue_len));
	memset(m->ready, 0, sizeof(m->ready));
	memset(m->local, 0, sizeof(m->local));
}

static void op_reset(struct model *m)
{
	int rc;

	do {
		rc = evtchn_reset(m->d, true);
	} while (rc == -ERESTART);
	SAME(rc, 0);
	model_reset(m);
}

static void model_begin(u32 idx)
{
	struct model *m = &models[idx];

	memset(m, 0, sizeof(*m));
	m->limit = idx == 1 ? 100 : PORTS;
	m->d = events_domain((domid_t)idx, VCPUS, m->limit);
	m->d->is_hardware = idx == 0;
	if (idx == 0)
		dom0 = m->d;
}

static void op_die(struct model *m)
{
	u32 idx = (u32)(m - models);

	model_reset(m);
	dom0 = idx == 0 ? NULL : dom0;
	events_domain_end(m->d);
	model_begin(idx);
}

static void op_place(struct model *m)
{
	u32 vcpu = pick(VCPUS);
	int rc = evtchn_vcpu_info_place(m->d->vcpus[vcpu], events_frame(m->d, 0), 64 * pick(64));

	SAME(rc, m->is_placed[vcpu] ? -EINVAL : 0);
	if (rc)
		return;
	m->is_placed[vcpu] = true;
	m->sel[vcpu] = ~0ull;
	m->upcall[vcpu] = true;
	kicks++;
}

/* ---------------------------------------------------------------- comparing */

static void compare_upcalls(void)
{
	SAME(events_kicks, kicks);
	for (u32 i = 0; i < DOMAINS; i++)
		for (u32 vcpu = 0; vcpu < VCPUS; vcpu++)
			SAME(models[i].d->vcpus[vcpu]->info->evtchn_upcall_pending,
			     models[i].upcall[vcpu]);
}

static void compare_ports(const struct model *m)
{
	for (u32 port = 1; port <= PORTS; port++) {
		const struct model_port *p = &m->ports[port];
		event_word_t word;

		SAME(m->d->shared->evtchn_pending[port / 64] >> port % 64 & 1, p->pending[0]);
		SAME(m->d->shared->evtchn_mask[port / 64] >> port % 64 & 1, p->masked[0]);
		if (!m->pages)
			continue;
		word = *guest_word(m->page, port);
		SAME(word >> EVTCHN_FIFO_PENDING & 1, p->pending[1]);
		SAME(word >> EVTCHN_FIFO_MASKED & 1, p->masked[1]);
		SAME(word >> EVTCHN_FIFO_LINKED & 1, p->linked);
		SAME(word >> EVTCHN_FIFO_BUSY & 1, 0);
	}
	for (u32 vcpu = 0; vcpu < VCPUS; vcpu++) {
		SAME(m->d->vcpus[vcpu]->info->evtchn_pending_sel, m->sel[vcpu]);
		if (m->has_control[vcpu])
			SAME(m->control[vcpu]->ready, m->ready[vcpu]);
	}
}

static const struct {
	void (*fn)(struct model *m);
	unsigned int weight; /* of 10000 */
} operations[] = {
	{op_send, 2960},
	{op_guest_upcall, 1800},
	{op_close, 900},
	{op_alloc, 500},
	{op_bind_interdomain, 900},
	{op_bind_ipi, 250},
	{op_bind_virq, 200},
	{op_bind_pirq, 200},
	{op_virq, 300},
	{op_virq_global, 100},
	{op_irq, 200},
	{op_unmask, 600},
	{op_guest_mask, 350},
	{op_bind_vcpu, 250},
	{op_set_priority, 250},
	{op_status, 145},
	{op_init_control, 60},
	{op_expand, 20},
	{op_reset, 5},
	{op_die, 2},
	{op_place, 8},
};

static void million_operations(void **state)
{
	unsigned long done[ARRAY_SIZE(operations)] = {0};

	fake_random_state = 0x9e3779b97f4a7c15ull;
	events_init(512);
	fake_preempt_every = 3;
	for (u32 i = 0; i < DOMAINS; i++)
		model_begin(i);
	for (operation = 0; operation < OPERATIONS; operation++) {
		u32 n = pick(10000), i = 0;

		while (n >= operations[i].weight)
			n -= operations[i++].weight;
		operations[i].fn(&models[pick(DOMAINS)]);
		done[i]++;
		compare_upcalls();
		if (operation % AUDIT_EACH)
			continue;
		for (i = 0; i < DOMAINS; i++) {
			compare_ports(&models[i]);
			SAME(evtchn_audit(models[i].d), 0);
		}
		events_frames_check();
	}
	for (u32 i = 0; i < ARRAY_SIZE(done); i++)
		assert_true(done[i]);
	for (u32 i = DOMAINS; i-- > 0;)
		events_domain_end(models[i].d);
	assert_int_equal(events_heap_blocks, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(million_operations)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

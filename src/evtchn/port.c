/* SPDX-License-Identifier: MIT */
/*
 * Sending: from a port (or from an interrupt, a timer, another domain) to the pending bit and the upcall of the vCPU that
 * the port notifies. Also the table of ports, which grows by groups. Reached from hcall/, time, irq and evtchn's other
 * files; calls sched (vcpu_kick). Senders hold no lock, only a read section (priv.h); the table has the domain's lock.
 *
 * The read section: a CPU counts how deep it is inside (an interrupt may send while the hypercall that it interrupted
 * sends); a waiter looks at each CPU once and waits only for those inside. A reader never waits for a waiter.
 */
#include "evtchn/evtchn.h"
#include "evtchn/priv.h"

#include "core/cpu.h"
#include "lib/bitmap.h"
#include "mm/mm.h"
#include "sched/sched.h"

/* An allocation looks at no more ports than this that are free but still in a queue of the guest's. */
#define LINKED_LOOKS_MAX 8192

struct lock evtchn_pair_lock = LOCK_INIT(LOCK_RANK_EVTCHN_A);

/* ---------------------------------------------------------------- the read section */

/* depth 0..7; above it a count of how often the depth came back to 0 */
#define READER_DEPTH_MASK 0xffull
#define READER_LEFT	  0x100ull

static struct {
	u64 word; /* [a] written by its CPU alone */
} ALIGNED(64) readers[CPU_MAX];

void grace_enter(void)
{
	/* A full barrier: what the reader loads now is at least as new as what a waiter that missed us stored. */
	(void)atomic_add(&readers[cpu_id()].word, 1);
}

void grace_exit(void)
{
	u64 *word = &readers[cpu_id()].word;
	u64 old = atomic_load(word); /* an interrupt in between leaves it as it is */

	atomic_store(word, (old & READER_DEPTH_MASK) == 1 ? old - 1 + READER_LEFT : old - 1);
}

void grace_wait(void)
{
	ASSERT((atomic_load(&readers[cpu_id()].word) & READER_DEPTH_MASK) == 0);
	atomic_fence(); /* pairs with grace_enter() */
	for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
		u64 seen = atomic_load(&readers[cpu].word), now = seen;

		while ((now & READER_DEPTH_MASK) != 0 && ((now ^ seen) & ~READER_DEPTH_MASK) == 0) {
			hw_relax();
			now = atomic_load(&readers[cpu].word);
		}
	}
}

/* ---------------------------------------------------------------- sending */

/*
 * The guest clears the byte, then takes its selector or ready word; we have set a bit there (a locked operation), then
 * look. So a byte that is still set has not been followed by the guest's look. Only 0 -> 1 wakes or interrupts, and
 * that whatever the mask says: iret clears the mask before it reads pending, and CPUs reorder the two.
 */
void upcall_raise(struct vcpu *v)
{
	struct vcpu_info *info = atomic_load(&v->info);

	if (atomic_load(&info->evtchn_upcall_pending) == 0 &&
	    atomic_exchange(&info->evtchn_upcall_pending, 1) == 0) {
		perf_count(upcalls);
		vcpu_kick(v);
	}
}

/*
 * The two-level form: a pending and a mask bit for each port in the shared info page, a selector word in each vcpu_info.
 * No lock: each bit is one atomic.
 */
#define is_in_range(port) ((port) < EVTCHN_2L_NR_CHANNELS)

static void select_word(struct vcpu *v, u32 port)
{
	struct vcpu_info *info = atomic_load(&v->info);

	if (!atomic_bit_set(&info->evtchn_pending_sel, port / 64))
		upcall_raise(v);
}

static bool two_level_raise(struct domain *d, struct vcpu *v, u32 port)
{
	struct shared_info *shared = d->shared;

	if (!is_in_range(port) || atomic_bit_set(shared->evtchn_pending, port))
		return false;
	if (!atomic_bit_test(shared->evtchn_mask, port))
		select_word(v, port);
	return true;
}

static void two_level_unmask(struct domain *d, struct vcpu *v, u32 port)
{
	struct shared_info *shared = d->shared;

	if (is_in_range(port) && atomic_bit_clear(shared->evtchn_mask, port) &&
	    atomic_bit_test(shared->evtchn_pending, port))
		select_word(v, port);
}

bool two_level_is_pending(const struct domain *d, u32 port)
{
	return is_in_range(port) && atomic_bit_test(d->shared->evtchn_pending, port);
}

static void two_level_clear(struct domain *d, u32 port)
{
	if (is_in_range(port))
		(void)atomic_bit_clear(d->shared->evtchn_pending, port);
}

void port_raise(struct domain *d, u32 port, struct evtchn_port *p, u64 word)
{
	bool is_new;

	if (atomic_load(&d->evtchn->is_fifo))
		is_new = fifo_raise(d, port, p, word);
	else
		is_new = two_level_raise(d, d->vcpus[port_word_vcpu(word)], port);
	/* Pollers wait for the bit itself, masked or not. Pairs with SCHEDOP_poll: count, then look at the bits. */
	if (is_new && unlikely(atomic_load(&d->poll_count) != 0))
		vcpu_wake_poll(d, port);
}

static void send_to_peer(struct domain *ld, u32 lport, struct evtchn_port *lp, u64 lword)
{
	struct domain *rd = atomic_load(&lp->peer);
	u32 rport = port_word_arg(lword);
	struct evtchn_port *rp = port_find(rd->evtchn, rport);
	u64 rword;

	if (rp == NULL)
		return;
	rword = atomic_load(&rp->word);
	/* It may be closing, or not quite bound yet (then the binder raises the event itself). */
	if (port_word_state(rword) == PORT_INTERDOMAIN && port_word_arg(rword) == lport &&
	    port_word_domid(rword) == ld->id)
		port_raise(rd, rport, rp, rword);
}

int evtchn_send(struct domain *ld, u32 port)
{
	struct evtchn_port *p = port_find(ld->evtchn, port);
	u64 word;

	if (p == NULL)
		return err(EINVAL);
	GRACE_SCOPE();
	word = atomic_load(&p->word);
	if (port_word_state(word) == PORT_INTERDOMAIN)
		send_to_peer(ld, port, p, word);
	else if (port_word_state(word) == PORT_IPI)
		port_raise(ld, port, p, word);
	else if (port_word_state(word) != PORT_UNBOUND)
		return err(EINVAL);
	return 0;
}

int evtchn_port_unmask(struct domain *d, u32 port)
{
	struct evtchn_port *p = port_find(d->evtchn, port);
	u64 word;

	if (p == NULL)
		return err(EINVAL);
	GRACE_SCOPE();
	word = atomic_load(&p->word);
	if (port_word_state(word) <= PORT_RESERVED)
		return 0;
	if (atomic_load(&d->evtchn->is_fifo))
		fifo_unmask(d, port, p, word);
	else
		two_level_unmask(d, d->vcpus[port_word_vcpu(word)], port);
	return 0;
}

bool evtchn_port_is_valid(struct domain *d, u32 port)
{
	return port_find(d->evtchn, port) != NULL;
}

bool evtchn_port_is_pending(struct domain *d, u32 port)
{
	struct evtchn_port *p = port_find(d->evtchn, port);

	if (p == NULL)
		return false;
	GRACE_SCOPE();
	return atomic_load(&d->evtchn->is_fifo) ? fifo_is_pending(d->evtchn, port, p)
						: two_level_is_pending(d, port);
}

/* ---------------------------------------------------------------- the table */

static u32 port_limit_locked(const struct evtchn_domain *ed)
{
	u32 abi_limit = ed->is_fifo ? PORT_MAX : (u32)EVTCHN_2L_NR_CHANNELS;

	return ed->max_port < abi_limit ? ed->max_port + 1 : abi_limit;
}

struct evtchn_group *group_get_locked(struct evtchn_domain *ed, size_t idx)
{
	struct evtchn_group *group = ed->groups[idx];

	if (group != NULL)
		return group;
	group = heap_alloc(sizeof(*group));
	if (group == NULL)
		return NULL;
	if (idx == 0) {
		group->ports[0].word = PORT_RESERVED;
		bitmap_set(group->used, 0);
	}
	atomic_store(&ed->groups[idx], group); /* pairs with port_find() */
	ed->group_end = MAX(ed->group_end, (u32)idx + 1);
	return group;
}

int port_alloc_locked(struct domain *d, u32 *port)
{
	struct evtchn_domain *ed = d->evtchn;
	u32 limit = port_limit_locked(ed);
	u32 looks = 0;

	if (atomic_load(&d->is_dying))
		return err(EINVAL);
	for (u32 first = ed->free_from & ~(GROUP_PORTS - 1u); first < limit; first += GROUP_PORTS) {
		struct evtchn_group *group = group_get_locked(ed, first / GROUP_PORTS);

		if (group == NULL)
			return err(ENOMEM);
		for (size_t i = bitmap_find_next_zero(group->used, GROUP_PORTS, 0); i < GROUP_PORTS;
		     i = bitmap_find_next_zero(group->used, GROUP_PORTS, i + 1)) {
			u32 number = first + (u32)i;

			if (number >= limit || looks == LINKED_LOOKS_MAX)
				return err(ENOSPC);
			if (looks++ == 0)
				ed->free_from = number;
			if (ed->is_fifo && fifo_is_linked(ed, number))
				continue;
			bitmap_set(group->used, i);
			atomic_store(&group->ports[i].word, (u64)PORT_RESERVED);
			*port = number;
			return 0;
		}
	}
	return err(ENOSPC);
}

void port_free_locked(struct domain *d, u32 port)
{
	struct evtchn_domain *ed = d->evtchn;
	struct evtchn_group *group = ed->groups[port / GROUP_PORTS];
	struct evtchn_port *p = &group->ports[port % GROUP_PORTS];

	if (ed->is_fifo)
		fifo_clear(ed, port, p);
	else
		two_level_clear(d, port);
	atomic_store(&p->peer, NULL);
	atomic_store(&p->word, (u64)PORT_FREE);
	bitmap_clear(group->used, port % GROUP_PORTS);
	if (port < ed->free_from)
		ed->free_from = port;
}

u32 port_next_locked(const struct evtchn_domain *ed, u32 from)
{
	for (u32 i = from / GROUP_PORTS; i < ed->group_end; i++) {
		const struct evtchn_group *group = ed->groups[i];
		size_t start = i == from / GROUP_PORTS ? from % GROUP_PORTS : 0;
		size_t idx;

		if (group == NULL)
			continue;
		idx = bitmap_find_next(group->used, GROUP_PORTS, start);
		if (idx < GROUP_PORTS)
			return (u32)(i * GROUP_PORTS + idx);
	}
	return PORT_MAX;
}

/* SPDX-License-Identifier: MIT */
/*
 * Opening, binding and closing ports; device interrupts; virtual interrupts: per-vCPU ones (timer, debug, profiling, PMU),
 * and global ones, which one domain handles. Reached from hcall/, domain/ (channels for the console and the store), timers,
 * debug/; calls port.c and irq. The locks and their order are in priv.h; raising takes none.
 */
#include "evtchn/evtchn.h"
#include "evtchn/priv.h"

#include "irq/irq.h"
#include "mm/mm.h"

/* A free port becomes what `word` says. Errors as port_alloc_locked(). */
static int port_open_locked(struct domain *d, u64 word, u32 *port)
{
	int rc = port_alloc_locked(d, port);

	if (rc == 0)
		atomic_store(&port_find(d->evtchn, *port)->word, word);
	return rc;
}

int evtchn_port_alloc_unbound(struct domain *d, domid_t remote, u32 *port)
{
	struct evtchn_domain *ed = d->evtchn;
	int rc;

	lock_acquire(&evtchn_pair_lock);
	lock_acquire(&ed->lock);
	rc = port_open_locked(d, port_word_make(PORT_UNBOUND, 0, 0, remote), port);
	lock_release(&ed->lock);
	lock_release(&evtchn_pair_lock);
	return rc;
}

/* rd's unbound port becomes the other end of ld's lport; the pair lock is held. */
static int peer_attach(struct domain *rd, u32 rport, struct domain *ld, u32 lport)
{
	struct evtchn_domain *red = rd->evtchn;
	struct evtchn_port *rp = port_find(red, rport);
	int rc = 0;

	if (rp == NULL)
		return err(EINVAL);
	lock_acquire(&red->lock);
	if (port_word_state(rp->word) != PORT_UNBOUND || port_word_domid(rp->word) != ld->id) {
		rc = err(EINVAL);
	} else {
		atomic_store(&rp->peer, ld);
		atomic_store(&rp->word,
			     port_word_rebind(rp->word, PORT_INTERDOMAIN, lport, ld->id));
	}
	lock_release(&red->lock);
	return rc;
}

int evtchn_port_bind_interdomain(struct domain *ld, struct domain *rd, u32 rport, u32 *lport)
{
	struct evtchn_domain *led = ld->evtchn;
	struct evtchn_port *lp = NULL;
	u32 port = 0;
	int rc;

	lock_acquire(&evtchn_pair_lock);
	lock_acquire(&led->lock);
	rc = port_alloc_locked(ld, &port);
	lock_release(&led->lock);
	if (rc != 0)
		goto out;
	rc = peer_attach(rd, rport, ld, port);
	lock_acquire(&led->lock);
	if (rc == 0) {
		lp = port_find(led, port);
		atomic_store(&lp->peer, rd);
		atomic_store(&lp->word, port_word_make(PORT_INTERDOMAIN, 0, rport, rd->id));
		*lport = port;
	} else {
		port_free_locked(ld, port);
	}
	lock_release(&led->lock);
	if (rc == 0) { /* the other end may have sent before it was bound */
		grace_enter();
		port_raise(ld, port, lp, atomic_load(&lp->word));
		grace_exit();
	}
out:
	lock_release(&evtchn_pair_lock);
	return rc;
}

int evtchn_ipi_bind(struct domain *d, u32 vcpu_id, u32 *port)
{
	struct evtchn_domain *ed = d->evtchn;
	int rc;

	if (domain_vcpu(d, vcpu_id) == NULL)
		return err(ENOENT);
	lock_acquire(&ed->lock);
	rc = port_open_locked(d, port_word_make(PORT_IPI, vcpu_id, 0, 0), port);
	lock_release(&ed->lock);
	return rc;
}

/* ---------------------------------------------------------------- device interrupts */

static int pirq_table_get_locked(struct domain *d)
{
	struct evtchn_domain *ed = d->evtchn;
	u32 count = irq_pirq_count(d);
	u32 *table;

	if (ed->pirq_ports != NULL || count == 0)
		return 0;
	table = heap_alloc(count * sizeof(*table));
	if (table == NULL)
		return err(ENOMEM);
	ed->pirq_count = count;
	atomic_store(&ed->pirq_ports, table); /* pairs with pirq_port_find() */
	return 0;
}

static u32 *pirq_slot_find(const struct evtchn_domain *ed, u32 pirq)
{
	u32 *table = atomic_load(&ed->pirq_ports);

	return table != NULL && pirq < ed->pirq_count ? &table[idx_nospec(pirq, ed->pirq_count)]
						      : NULL;
}

/* The interrupt may come as soon as irq/ has it, so everything else is ready before that. */
static int pirq_bind_locked(struct domain *d, u32 pirq, u32 flags, u32 *port)
{
	struct evtchn_domain *ed = d->evtchn;
	u32 *slot;
	int rc = pirq_table_get_locked(d);

	if (rc != 0)
		return rc;
	slot = pirq_slot_find(ed, pirq);
	if (slot == NULL || pirq > PORT_ARG_MAX)
		return err(EINVAL);
	if (*slot != 0)
		return err(EEXIST);
	rc = port_open_locked(d, port_word_make(PORT_PIRQ, 0, pirq, 0), port);
	if (rc != 0)
		return rc;
	atomic_store(slot, *port);
	rc = irq_guest_bind(d, pirq, flags, evtchn_pirq_raise, atomic_load(&d->vcpus[0]->cpu));
	if (rc == 0)
		return 0;
	atomic_store(slot, 0);
	atomic_store(&port_find(ed, *port)->word, (u64)PORT_RESERVED);
	grace_wait();
	port_free_locked(d, *port);
	return rc;
}

int evtchn_pirq_bind(struct domain *d, u32 pirq, u32 flags, u32 *port)
{
	int rc;

	lock_acquire(&d->evtchn->lock);
	rc = pirq_bind_locked(d, pirq, flags, port);
	lock_release(&d->evtchn->lock);
	return rc;
}

void evtchn_pirq_raise(struct domain *d, u32 pirq)
{
	struct evtchn_domain *ed = d->evtchn;
	const u32 *slot = pirq_slot_find(ed, pirq);
	struct evtchn_port *p;
	u32 port;
	u64 word;

	if (slot == NULL)
		return;
	grace_enter();
	port = atomic_load(slot);
	p = port_find(ed, port);
	word = atomic_load(&p->word); /* port 0 is always there, and RESERVED */
	if (port_word_state(word) == PORT_PIRQ && port_word_arg(word) == pirq)
		port_raise(d, port, p, word);
	grace_exit();
}

void evtchn_pirq_unmask(struct domain *d, u32 pirq)
{
	const u32 *slot = pirq_slot_find(d->evtchn, pirq);
	u32 port = slot != NULL ? atomic_load(slot) : 0;

	if (port != 0)
		(void)evtchn_port_unmask(d, port);
}

/* ---------------------------------------------------------------- virtual interrupts */

/* Who handles each global VIRQ, with a reference; NULL: Domain 0. [a] changed under the pair lock */
static struct domain *handlers[NR_VIRQS];

bool virq_is_global(u32 virq)
{
	return virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF &&
	       virq != VIRQ_XENPMU;
}

int evtchn_virq_bind(struct domain *d, u32 virq, u32 vcpu_id, u32 *port)
{
	struct evtchn_domain *ed = d->evtchn;
	struct vcpu *v = domain_vcpu(d, vcpu_id);
	u32 *slot;
	int rc;

	if (virq >= NR_VIRQS || (virq_is_global(virq) && vcpu_id != 0))
		return err(EINVAL);
	if (v == NULL)
		return err(ENOENT);
	slot = &v->evtchn->virq_ports[idx_nospec(virq, NR_VIRQS)];
	lock_acquire(&ed->lock);
	rc = *slot != 0 ? err(EEXIST)
			: port_open_locked(d, port_word_make(PORT_VIRQ, vcpu_id, virq, 0), port);
	if (rc == 0)
		atomic_store(slot, *port);
	lock_release(&ed->lock);
	return rc;
}

static bool raise_inside(struct vcpu *v, u32 virq)
{
	struct domain *d = v->domain;
	u32 port = atomic_load(&v->evtchn->virq_ports[virq]);
	struct evtchn_port *p;
	u64 word;

	if (port == 0)
		return false;
	p = port_find(d->evtchn, port);
	word = atomic_load(&p->word);
	if (port_word_state(word) != PORT_VIRQ || port_word_arg(word) != virq)
		return false; /* closing */
	port_raise(d, port, p, word);
	return true;
}

bool evtchn_virq_raise_vcpu(struct vcpu *v, u32 virq)
{
	bool is_bound;

	ASSERT(virq < NR_VIRQS);
	if (v->evtchn == NULL || atomic_load(&v->evtchn->virq_ports[virq]) == 0)
		return false;
	grace_enter();
	is_bound = raise_inside(v, virq);
	grace_exit();
	return is_bound;
}

void evtchn_virq_raise_global(u32 virq)
{
	struct domain *d;

	ASSERT(virq < NR_VIRQS && virq_is_global(virq));
	grace_enter();
	d = atomic_load(&handlers[virq]);
	if (d == NULL)
		d = dom0;
	if (d != NULL && d->vcpus[0] != NULL && d->vcpus[0]->evtchn != NULL)
		(void)raise_inside(d->vcpus[0], virq);
	grace_exit();
}

/* The pair lock is held. */
static void handler_replace(u32 virq, struct domain *d)
{
	struct domain *old = atomic_exchange(&handlers[virq], d);

	if (old == NULL)
		return;
	grace_wait();
	domain_put(old);
}

int evtchn_virq_handler_set(struct domain *d, u32 virq)
{
	int rc = 0;

	if (virq >= NR_VIRQS || !virq_is_global(virq))
		return err(EINVAL);
	lock_acquire(&evtchn_pair_lock);
	if (atomic_load(&d->is_dying)) {
		rc = err(EINVAL);
	} else {
		domain_get(d);
		handler_replace(virq, d);
	}
	lock_release(&evtchn_pair_lock);
	return rc;
}

void virq_handlers_release(struct domain *d)
{
	lock_acquire(&evtchn_pair_lock);
	for (u32 virq = 0; virq < NR_VIRQS; virq++)
		if (handlers[virq] == d)
			handler_replace(virq, NULL);
	lock_release(&evtchn_pair_lock);
}

/* ---------------------------------------------------------------- closing */

/* The other end waits for us again, in case we come back. The pair lock is held. */
static void peer_detach(struct domain *d, const struct evtchn_port *p)
{
	struct domain *rd = atomic_load(&p->peer);
	struct evtchn_port *rp = port_find(rd->evtchn, port_word_arg(atomic_load(&p->word)));

	lock_acquire(&rd->evtchn->lock);
	atomic_store(&rp->word, port_word_rebind(rp->word, PORT_UNBOUND, 0, d->id));
	lock_release(&rd->evtchn->lock);
}

static void source_detach_locked(struct domain *d, u32 port, u64 word)
{
	struct vcpu *v = d->vcpus[port_word_vcpu(word)];
	u32 arg = port_word_arg(word);

	if (port_word_state(word) == PORT_VIRQ) {
		/* A global one may notify any vCPU, but is in the table of the first. */
		if (v->evtchn->virq_ports[arg] != port)
			v = d->vcpus[0];
		atomic_store(&v->evtchn->virq_ports[arg], 0);
	} else if (port_word_state(word) == PORT_PIRQ) {
		(void)irq_guest_unbind(d, arg); /* fails if it was unmapped meanwhile */
		atomic_store(pirq_slot_find(d->evtchn, arg), 0);
	}
}

int evtchn_port_close(struct domain *d, u32 port)
{
	struct evtchn_domain *ed = d->evtchn;
	struct evtchn_port *p = port_find(ed, port);
	int rc = 0;
	u64 word;

	if (p == NULL)
		return err(EINVAL);
	lock_acquire(&evtchn_pair_lock); /* now it neither becomes nor stops being INTERDOMAIN */
	if (port_word_state(atomic_load(&p->word)) == PORT_INTERDOMAIN)
		peer_detach(d, p);
	lock_acquire(&ed->lock);
	word = p->word;
	if (port_word_state(word) <= PORT_RESERVED) {
		rc = err(EINVAL);
	} else {
		atomic_store(&p->word, (u64)PORT_RESERVED);
		source_detach_locked(d, port, word);
		grace_wait();
		port_free_locked(d, port);
	}
	lock_release(&ed->lock);
	lock_release(&evtchn_pair_lock);
	return rc;
}

/* ---------------------------------------------------------------- the rest */

int evtchn_port_status(struct domain *d, u32 port, struct evtchn_status *status)
{
	static const u32 statuses[] = {
		[PORT_FREE] = EVTCHNSTAT_closed,     [PORT_RESERVED] = EVTCHNSTAT_closed,
		[PORT_UNBOUND] = EVTCHNSTAT_unbound, [PORT_INTERDOMAIN] = EVTCHNSTAT_interdomain,
		[PORT_PIRQ] = EVTCHNSTAT_pirq,	     [PORT_VIRQ] = EVTCHNSTAT_virq,
		[PORT_IPI] = EVTCHNSTAT_ipi,
	};
	const struct evtchn_port *p = port_find(d->evtchn, port);
	u64 word;

	if (p == NULL)
		return err(EINVAL);
	word = atomic_load(&p->word);
	status->vcpu = port_word_vcpu(word);
	status->status = statuses[port_word_state(word)];
	if (status->status == EVTCHNSTAT_unbound) {
		status->u.unbound.dom = port_word_domid(word);
	} else if (status->status == EVTCHNSTAT_interdomain) {
		status->u.interdomain.dom = port_word_domid(word);
		status->u.interdomain.port = port_word_arg(word);
	} else if (status->status == EVTCHNSTAT_pirq) {
		status->u.pirq = port_word_arg(word);
	} else if (status->status == EVTCHNSTAT_virq) {
		status->u.virq = port_word_arg(word);
	}
	return 0;
}

/* To its vCPU for good, or to none. */
static bool is_vcpu_fixed(u64 word)
{
	enum port_state state = port_word_state(word);

	return state <= PORT_RESERVED || state == PORT_IPI ||
	       (state == PORT_VIRQ && !virq_is_global(port_word_arg(word)));
}

int evtchn_port_bind_vcpu(struct domain *d, u32 port, u32 vcpu_id)
{
	struct evtchn_domain *ed = d->evtchn;
	struct evtchn_port *p = port_find(ed, port);
	const struct vcpu *v = domain_vcpu(d, vcpu_id);
	int rc = 0;

	if (v == NULL)
		return err(ENOENT);
	if (p == NULL)
		return err(EINVAL);
	lock_acquire(&ed->lock);
	if (is_vcpu_fixed(p->word)) {
		rc = err(EINVAL);
	} else {
		u64 word = (p->word & ~PORT_VCPU_MASK) | (u64)vcpu_id << PORT_VCPU_SHIFT;

		atomic_store(&p->word, word);
		if (port_word_state(word) == PORT_PIRQ)
			irq_guest_set_affinity(d, port_word_arg(word), atomic_load(&v->cpu));
	}
	lock_release(&ed->lock);
	return rc;
}

int evtchn_port_set_priority(struct domain *d, u32 port, u32 priority)
{
	struct evtchn_domain *ed = d->evtchn;
	struct evtchn_port *p = port_find(ed, port);
	int rc = 0;

	if (p == NULL)
		return err(EINVAL);
	lock_acquire(&ed->lock);
	if (!ed->is_fifo)
		rc = err(ENOSYS);
	else if (port_word_state(p->word) <= PORT_RESERVED)
		rc = err(EACCES);
	else if (priority > EVTCHN_FIFO_PRIORITY_MIN)
		rc = err(EINVAL);
	else
		atomic_store(&p->word, (p->word & ~PORT_PRIORITY_MASK) |
					       (u64)priority << PORT_PRIORITY_SHIFT);
	lock_release(&ed->lock);
	return rc;
}

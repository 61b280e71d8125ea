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
	LOCK_SCOPE(&evtchn_pair_lock);
	LOCK_SCOPE(&d->evtchn->lock);
	return port_open_locked(d, port_word_make(PORT_UNBOUND, 0, 0, remote), port);
}

/* rd's unbound port becomes the other end of ld's lport; the pair lock is held. */
static int peer_attach(struct domain *rd, u32 rport, struct domain *ld, u32 lport)
{
	struct evtchn_domain *red = rd->evtchn;
	struct evtchn_port *rp = port_find(red, rport);

	if (rp == NULL)
		return err(EINVAL);
	LOCK_SCOPE(&red->lock);
	if (port_word_state(rp->word) != PORT_UNBOUND || port_word_domid(rp->word) != ld->id)
		return err(EINVAL);
	atomic_store(&rp->peer, ld);
	atomic_store(&rp->word, port_word_rebind(rp->word, PORT_INTERDOMAIN, lport, ld->id));
	return 0;
}

int evtchn_port_bind_interdomain(struct domain *ld, struct domain *rd, u32 rport, u32 *lport)
{
	struct evtchn_domain *led = ld->evtchn;
	struct evtchn_port *lp;
	u32 port = 0;
	int rc;

	LOCK_SCOPE(&evtchn_pair_lock);
	lock_acquire(&led->lock);
	rc = port_alloc_locked(ld, &port);
	lock_release(&led->lock);
	if (rc != 0)
		return rc;
	rc = peer_attach(rd, rport, ld, port);
	lock_acquire(&led->lock);
	lp = port_find(led, port);
	if (rc == 0) {
		atomic_store(&lp->peer, rd);
		atomic_store(&lp->word, port_word_make(PORT_INTERDOMAIN, 0, rport, rd->id));
		*lport = port;
	} else {
		port_free_locked(ld, port);
	}
	lock_release(&led->lock);
	if (rc != 0)
		return rc;
	GRACE_SCOPE();
	port_raise(ld, port, lp,
		   atomic_load(&lp->word)); /* he may have sent before we were bound */
	return 0;
}

int evtchn_ipi_bind(struct domain *d, u32 vcpu_id, u32 *port)
{
	if (domain_vcpu(d, vcpu_id) == NULL)
		return err(ENOENT);
	LOCK_SCOPE(&d->evtchn->lock);
	return port_open_locked(d, port_word_make(PORT_IPI, vcpu_id, 0, 0), port);
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
int evtchn_pirq_bind(struct domain *d, u32 pirq, u32 flags, u32 *port)
{
	struct evtchn_domain *ed = d->evtchn;
	u32 *slot;
	int rc;

	LOCK_SCOPE(&ed->lock);
	rc = pirq_table_get_locked(d);
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

/* Inside a read section: the event of a source, on the port that the slot names for it, unless that is closing. */
static bool source_raise(struct domain *d, const u32 *slot, enum port_state state, u32 arg)
{
	u32 port = atomic_load(slot);
	struct evtchn_port *p = port_find(d->evtchn, port); /* 0 is always there, and RESERVED */
	u64 word = atomic_load(&p->word);

	if (port_word_state(word) != state || port_word_arg(word) != arg)
		return false;
	port_raise(d, port, p, word);
	return true;
}

void evtchn_pirq_raise(struct domain *d, u32 pirq)
{
	const u32 *slot = pirq_slot_find(d->evtchn, pirq);

	if (slot == NULL)
		return;
	GRACE_SCOPE();
	(void)source_raise(d, slot, PORT_PIRQ, pirq);
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
	struct vcpu *v = domain_vcpu(d, vcpu_id);
	u32 *slot;
	int rc;

	if (virq >= NR_VIRQS || (virq_is_global(virq) && vcpu_id != 0))
		return err(EINVAL);
	if (v == NULL)
		return err(ENOENT);
	slot = &v->evtchn->virq_ports[idx_nospec(virq, NR_VIRQS)];
	LOCK_SCOPE(&d->evtchn->lock);
	if (*slot != 0)
		return err(EEXIST);
	rc = port_open_locked(d, port_word_make(PORT_VIRQ, vcpu_id, virq, 0), port);
	if (rc == 0)
		atomic_store(slot, *port);
	return rc;
}

bool evtchn_virq_raise_vcpu(struct vcpu *v, u32 virq)
{
	ASSERT(virq < NR_VIRQS);
	if (v->evtchn == NULL || atomic_load(&v->evtchn->virq_ports[virq]) == 0)
		return false;
	GRACE_SCOPE();
	return source_raise(v->domain, &v->evtchn->virq_ports[virq], PORT_VIRQ, virq);
}

void evtchn_virq_raise_global(u32 virq)
{
	struct domain *d;

	ASSERT(virq < NR_VIRQS && virq_is_global(virq));
	GRACE_SCOPE();
	d = atomic_load(&handlers[virq]);
	if (d == NULL)
		d = dom0;
	if (d != NULL && d->vcpus[0] != NULL && d->vcpus[0]->evtchn != NULL)
		(void)source_raise(d, &d->vcpus[0]->evtchn->virq_ports[virq], PORT_VIRQ, virq);
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
	if (virq >= NR_VIRQS || !virq_is_global(virq))
		return err(EINVAL);
	LOCK_SCOPE(&evtchn_pair_lock);
	if (atomic_load(&d->is_dying))
		return err(EINVAL);
	domain_get(d);
	handler_replace(virq, d);
	return 0;
}

void virq_handlers_release(struct domain *d)
{
	LOCK_SCOPE(&evtchn_pair_lock);
	for (u32 virq = 0; virq < NR_VIRQS; virq++)
		if (handlers[virq] == d)
			handler_replace(virq, NULL);
}

/* ---------------------------------------------------------------- closing */

/* The other end waits for us again, in case we come back. The pair lock is held. */
static void peer_detach(struct domain *d, const struct evtchn_port *p)
{
	struct domain *rd = atomic_load(&p->peer);
	struct evtchn_port *rp = port_find(rd->evtchn, port_word_arg(atomic_load(&p->word)));

	LOCK_SCOPE(&rd->evtchn->lock);
	atomic_store(&rp->word, port_word_rebind(rp->word, PORT_UNBOUND, 0, d->id));
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
	struct evtchn_port *p = port_find(d->evtchn, port);
	u64 word;

	if (p == NULL)
		return err(EINVAL);
	LOCK_SCOPE(&evtchn_pair_lock); /* now it neither becomes nor stops being INTERDOMAIN */
	if (port_word_state(atomic_load(&p->word)) == PORT_INTERDOMAIN)
		peer_detach(d, p);
	LOCK_SCOPE(&d->evtchn->lock);
	word = p->word;
	if (port_word_state(word) <= PORT_RESERVED)
		return err(EINVAL);
	atomic_store(&p->word, (u64)PORT_RESERVED);
	source_detach_locked(d, port, word);
	grace_wait();
	port_free_locked(d, port);
	return 0;
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
	struct evtchn_port *p = port_find(d->evtchn, port);
	const struct vcpu *v = domain_vcpu(d, vcpu_id);
	u64 word;

	if (v == NULL)
		return err(ENOENT);
	if (p == NULL)
		return err(EINVAL);
	LOCK_SCOPE(&d->evtchn->lock);
	if (is_vcpu_fixed(p->word))
		return err(EINVAL);
	word = (p->word & ~PORT_VCPU_MASK) | (u64)vcpu_id << PORT_VCPU_SHIFT;
	atomic_store(&p->word, word);
	if (port_word_state(word) == PORT_PIRQ)
		irq_guest_set_affinity(d, port_word_arg(word), atomic_load(&v->cpu));
	return 0;
}

int evtchn_port_set_priority(struct domain *d, u32 port, u32 priority)
{
	struct evtchn_domain *ed = d->evtchn;
	struct evtchn_port *p = port_find(ed, port);

	if (p == NULL)
		return err(EINVAL);
	LOCK_SCOPE(&ed->lock);
	if (!ed->is_fifo)
		return err(ENOSYS);
	if (port_word_state(p->word) <= PORT_RESERVED)
		return err(EACCES);
	if (priority > EVTCHN_FIFO_PRIORITY_MIN)
		return err(EINVAL);
	atomic_store(&p->word,
		     (p->word & ~PORT_PRIORITY_MASK) | (u64)priority << PORT_PRIORITY_SHIFT);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Virtual interrupts: per-vCPU ones (timer, debug, profiling, PMU), and global ones, which one domain handles. Reached from
 * timers, debug/, domain/ and hcall/; calls port.c. Raising takes no lock.
 */
#include "evtchn/evtchn.h"
#include "evtchn/priv.h"

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
	rc = *slot != 0 ? err(EEXIST) : port_alloc_locked(d, port);
	if (rc == 0) {
		atomic_store(&port_find(ed, *port)->word,
			     port_word_make(PORT_VIRQ, vcpu_id, virq, 0));
		atomic_store(slot, *port);
	}
	lock_release(&ed->lock);
	return rc;
}

static bool raise_inside(struct vcpu *v, u32 virq)
{
	struct domain *d = v->domain;
	struct evtchn_port *p;
	u32 port;
	u64 word;

	port = atomic_load(&v->evtchn->virq_ports[virq]);
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

bool evtchn_virq_raise_domain(struct domain *d, u32 virq)
{
	return d->vcpus[0] != NULL && evtchn_virq_raise_vcpu(d->vcpus[0], virq);
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

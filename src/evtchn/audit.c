/* SPDX-License-Identifier: MIT */
/*
 * Seeing in: the open ports of a domain on a serial key, and an audit that recomputes what is kept twice. Reached from
 * debug/ and domain/; calls the log. Takes the domain's lock.
 */
#include "evtchn/evtchn.h"
#include "evtchn/priv.h"

#include "core/log.h"

static const char *const state_names[] = {
	[PORT_FREE] = "free",	    [PORT_RESERVED] = "reserved",
	[PORT_UNBOUND] = "unbound", [PORT_INTERDOMAIN] = "interdomain",
	[PORT_PIRQ] = "pirq",	    [PORT_VIRQ] = "virq",
	[PORT_IPI] = "ipi",
};

void evtchn_print(struct domain *d)
{
	struct evtchn_domain *ed = d->evtchn;

	log_info("d%u: event channels, %s", d->id, ed->is_fifo ? "FIFO" : "two-level");
	for (u32 port = 1;; port++) {
		const struct evtchn_port *p;
		u64 word;

		lock_acquire(&ed->lock);
		port = port_next_locked(ed, port);
		lock_release(&ed->lock);
		if (port == PORT_MAX)
			return;
		p = port_find(ed, port);
		word = atomic_load(&p->word);
		log_info("  %5u %s %u d%u, vcpu %u, priority %u%s", port,
			 state_names[port_word_state(word)], port_word_arg(word),
			 port_word_domid(word), port_word_vcpu(word), port_word_priority(word),
			 evtchn_port_is_pending(d, port) ? ", pending" : "");
	}
}

static unsigned int finding(const struct domain *d, u32 port, const char *what)
{
	log_error("audit: d%u port %u: %s", d->id, port, what);
	return 1;
}

static bool has_peer(const struct domain *d, u32 port, const struct evtchn_port *p)
{
	const struct evtchn_port *rp = NULL;

	if (p->peer != NULL && p->peer->id == port_word_domid(p->word))
		rp = port_find(p->peer->evtchn, port_word_arg(p->word));
	return rp != NULL && port_word_state(rp->word) == PORT_INTERDOMAIN && rp->peer == d &&
	       port_word_domid(rp->word) == d->id && port_word_arg(rp->word) == port;
}

static unsigned int audit_port(struct domain *d, u32 port, const struct evtchn_port *p)
{
	const struct evtchn_domain *ed = d->evtchn;
	const struct vcpu *v = domain_vcpu(d, port_word_vcpu(p->word));
	u32 arg = port_word_arg(p->word);

	if (v == NULL)
		return finding(d, port, "notifies no vcpu");
	switch (port_word_state(p->word)) {
	case PORT_FREE:
	case PORT_RESERVED:
		return port == 0 ? 0 : finding(d, port, "in use, but free");
	case PORT_INTERDOMAIN:
		return has_peer(d, port, p) ? 0 : finding(d, port, "the other end disagrees");
	case PORT_VIRQ:
		v = virq_is_global(arg) ? d->vcpus[0] : v;
		return arg < NR_VIRQS && v->evtchn->virq_ports[arg] == port
			       ? 0
			       : finding(d, port, "not in the virq table");
	case PORT_PIRQ:
		return arg < ed->pirq_count && ed->pirq_ports[arg] == port
			       ? 0
			       : finding(d, port, "not in the pirq table");
	case PORT_UNBOUND:
	case PORT_IPI:
		break;
	}
	return 0;
}

static unsigned int audit_group(struct domain *d, size_t idx)
{
	const struct evtchn_group *group = d->evtchn->groups[idx];
	unsigned int findings = 0;

	for (u32 i = 0; group != NULL && i < GROUP_PORTS; i++) {
		u32 port = (u32)idx * GROUP_PORTS + i;

		if (bitmap_test(group->used, i))
			findings += audit_port(d, port, &group->ports[i]);
		else if (group->ports[i].word != PORT_FREE)
			findings += finding(d, port, "not in use, but not free");
	}
	return findings;
}

unsigned int evtchn_audit(struct domain *d)
{
	struct evtchn_domain *ed = d->evtchn;
	unsigned int findings = 0;
	struct vcpu *v;

	if (ed == NULL)
		return 0;
	LOCK_SCOPE(&ed->lock);
	for (size_t i = 0; i < GROUP_MAX; i++)
		findings += audit_group(d, i);
	for_each_vcpu(d, v)
		for (u32 virq = 0; virq < NR_VIRQS; virq++) {
			u32 port = v->evtchn->virq_ports[virq];

			if (port != 0 && port_word_state(port_find(ed, port)->word) != PORT_VIRQ)
				findings += finding(d, port, "in the virq table, but no virq");
		}
	for (u32 pirq = 0; pirq < ed->pirq_count; pirq++) {
		u32 port = ed->pirq_ports[pirq];

		if (port != 0 && port_word_state(port_find(ed, port)->word) != PORT_PIRQ)
			findings += finding(d, port, "in the pirq table, but no pirq");
	}
	return findings;
}

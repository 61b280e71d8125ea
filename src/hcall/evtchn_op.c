/* SPDX-License-Identifier: MIT */
/*
 * event_channel_op and its older form. Reached from the hypercall table; calls evtchn/. No lock of its own.
 */
#include "evtchn/evtchn.h"
#include "hcall/subop.h"
#include "hw/mem.h"

#define EVTCHNOP_RESET_CONT 14 /* the public header shows it to hypervisors only */

static int alloc_unbound(struct vcpu *v, struct subop *op)
{
	struct evtchn_alloc_unbound *arg = &op->arg.alloc_unbound;
	domid_t remote = arg->remote_dom == DOMID_SELF ? v->domain->id : arg->remote_dom;
	struct domain *d;
	int rc = subop_domain(v, arg->dom, &d);

	if (rc != 0)
		return rc;
	rc = evtchn_port_alloc_unbound(d, remote, &arg->port);
	domain_put(d);
	return rc;
}

static int bind_interdomain(struct vcpu *v, struct subop *op)
{
	struct evtchn_bind_interdomain *arg = &op->arg.bind_interdomain;
	struct domain *remote = domain_get_by_id(arg->remote_dom == DOMID_SELF ? v->domain->id
									       : arg->remote_dom);
	int rc;

	if (remote == NULL)
		return err(ESRCH);
	rc = evtchn_port_bind_interdomain(v->domain, remote, arg->remote_port, &arg->local_port);
	domain_put(remote);
	return rc;
}

static int status(struct vcpu *v, struct subop *op)
{
	struct evtchn_status *arg = &op->arg.status;
	struct domain *d;
	int rc = subop_domain(v, arg->dom, &d);

	if (rc != 0)
		return rc;
	rc = evtchn_port_status(d, arg->port, arg);
	domain_put(d);
	return rc;
}

static bool is_paused(const struct domain *d)
{
	const struct vcpu *v;

	for_each_vcpu(d, v)
		if (atomic_load(&v->pause_count) == 0)
			return false;
	return true;
}

static int reset(struct vcpu *v, struct subop *op)
{
	struct domain *d;
	int rc = subop_domain(v, op->arg.reset.dom, &d);

	if (rc != 0)
		return rc;
	/* RESET_CONT goes on with a reset on other hypervisors; here that is the same call again: there is none to go on with. */
	if (op->cmd == EVTCHNOP_RESET_CONT)
		rc = err(EBUSY);
	else if (d != v->domain && !is_paused(d))
		rc = err(EINVAL); /* what others have running would lose events that it counts on */
	else
		rc = evtchn_reset(d, d == v->domain);
	domain_put(d);
	return rc;
}

/* Calls that need no more than their arguments and the caller's own domain. */
static int own(struct vcpu *v, struct subop *op)
{
	struct domain *d = v->domain;

	switch (op->cmd) {
	case EVTCHNOP_bind_virq:
		return evtchn_virq_bind(d, op->arg.bind_virq.virq, op->arg.bind_virq.vcpu,
					&op->arg.bind_virq.port);
	case EVTCHNOP_bind_pirq:
		return evtchn_pirq_bind(d, op->arg.bind_pirq.pirq, op->arg.bind_pirq.flags,
					&op->arg.bind_pirq.port);
	case EVTCHNOP_bind_ipi:
		return evtchn_ipi_bind(d, op->arg.bind_ipi.vcpu, &op->arg.bind_ipi.port);
	case EVTCHNOP_close:
		return evtchn_port_close(d, op->arg.close.port);
	case EVTCHNOP_bind_vcpu:
		return evtchn_port_bind_vcpu(d, op->arg.bind_vcpu.port, op->arg.bind_vcpu.vcpu);
	case EVTCHNOP_unmask:
		return evtchn_port_unmask(d, op->arg.unmask.port);
	case EVTCHNOP_expand_array:
		return evtchn_fifo_expand_array(d, mfn_make(op->arg.expand_array.array_gfn));
	case EVTCHNOP_set_priority:
		return evtchn_port_set_priority(d, op->arg.set_priority.port,
						op->arg.set_priority.priority);
	default: /* EVTCHNOP_init_control */
		op->arg.init_control.link_bits = EVTCHN_FIFO_LINK_BITS;
		return evtchn_fifo_init_control(d, op->arg.init_control.vcpu,
						mfn_make(op->arg.init_control.control_gfn),
						op->arg.init_control.offset);
	}
}

static int send(struct vcpu *v, struct subop *op)
{
	return evtchn_send(v->domain, op->arg.send.port);
}

/* A port that nobody knows of would be lost. */
static void own_close(struct vcpu *v, struct subop *op)
{
	_Static_assert(offsetof(struct evtchn_bind_virq, port) ==
				       offsetof(struct evtchn_bind_interdomain, local_port) &&
			       offsetof(struct evtchn_bind_virq, port) ==
				       offsetof(struct evtchn_bind_pirq, port),
		       "");
	(void)evtchn_port_close(v->domain, op->cmd == EVTCHNOP_bind_ipi ? op->arg.bind_ipi.port
									: op->arg.bind_virq.port);
}

static void unbound_close(struct vcpu *v, struct subop *op)
{
	struct domain *d;

	if (subop_domain(v, op->arg.alloc_unbound.dom, &d) != 0)
		return;
	(void)evtchn_port_close(d, op->arg.alloc_unbound.port);
	domain_put(d);
}

static const struct subop_row rows[] = {
#define ROW(name, function) [EVTCHNOP_##name] = {.fn = (function), .in = SUBOP_SIZE(name)}
#define BACK(name, function, undoing)                \
	[EVTCHNOP_##name] = {.fn = (function),       \
			     .undo = (undoing),      \
			     .in = SUBOP_SIZE(name), \
			     .out = SUBOP_SIZE(name)}
	BACK(bind_interdomain, bind_interdomain, own_close),
	BACK(bind_virq, own, own_close),
	BACK(bind_pirq, own, own_close),
	ROW(close, own),
	ROW(send, send),
	BACK(status, status, NULL),
	BACK(alloc_unbound, alloc_unbound, unbound_close),
	BACK(bind_ipi, own, own_close),
	ROW(bind_vcpu, own),
	ROW(unmask, own),
	ROW(reset, reset),
	BACK(init_control, own, NULL),
	ROW(expand_array, own),
	ROW(set_priority, own),
	[EVTCHNOP_RESET_CONT] = {.fn = reset, .in = SUBOP_SIZE(reset)},
};

int do_event_channel_op(struct vcpu *v, struct hcall_args *args)
{
	struct subop op;

	op.cmd = (u32)args->a[0];
	op.at = gva_make(args->a[1]);
	return subop_do(v, rows, ARRAY_SIZE(rows), &op);
}

/* Number 16: command and argument in one structure. Only the commands of its time. */
int do_event_channel_op_compat(struct vcpu *v, struct hcall_args *args)
{
	struct subop op;
	u32 cmd;

	if (guest_get(cmd, gva_make(args->a[0])) != 0)
		return err(EFAULT);
	if (cmd > EVTCHNOP_unmask)
		return err(ENOSYS);
	op.cmd = cmd;
	op.at = gva_make(args->a[0] + offsetof(struct evtchn_op, u));
	return subop_do(v, rows, ARRAY_SIZE(rows), &op);
}

/* SPDX-License-Identifier: MIT */
/*
 * event_channel_op and its older form. Reached from the hypercall table; calls evtchn/. No lock of its own.
 */
#include "evtchn/evtchn.h"
#include "hcall/subop.h"
#include "hw/mem.h"

#define EVTCHNOP_RESET_CONT 14 /* the public header shows it to hypervisors only */

static domid_t id_of(const struct vcpu *v, domid_t id)
{
	return id == DOMID_SELF ? v->domain->id : id;
}

static int bind_interdomain(struct vcpu *v, struct subop *op)
{
	struct evtchn_bind_interdomain *arg = &op->arg.bind_interdomain;
	DOMAIN_REF remote = domain_get_by_id(id_of(v, arg->remote_dom));

	if (remote == NULL)
		return err(ESRCH);
	return evtchn_port_bind_interdomain(v->domain, remote, arg->remote_port, &arg->local_port);
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
	/* RESET_CONT goes on with a reset on other hypervisors; here that is the same call again: there is none to go on with. */
	if (op->cmd == EVTCHNOP_RESET_CONT)
		return err(EBUSY);
	/* What others have running would lose events that it counts on. */
	if (op->d != v->domain && !is_paused(op->d))
		return err(EINVAL);
	return evtchn_reset(op->d, op->d == v->domain);
}

/* Calls that need no more than their arguments and the domain. */
static int plain(struct vcpu *v, struct subop *op)
{
	union subop_arg *arg = &op->arg;
	struct domain *d = op->d;

	switch (op->cmd) {
	case EVTCHNOP_alloc_unbound:
		return evtchn_port_alloc_unbound(d, id_of(v, arg->alloc_unbound.remote_dom),
						 &arg->alloc_unbound.port);
	case EVTCHNOP_status:
		return evtchn_port_status(d, arg->status.port, &arg->status);
	case EVTCHNOP_bind_virq:
		return evtchn_virq_bind(d, arg->bind_virq.virq, arg->bind_virq.vcpu,
					&arg->bind_virq.port);
	case EVTCHNOP_bind_pirq:
		return evtchn_pirq_bind(d, arg->bind_pirq.pirq, arg->bind_pirq.flags,
					&arg->bind_pirq.port);
	case EVTCHNOP_bind_ipi:
		return evtchn_ipi_bind(d, arg->bind_ipi.vcpu, &arg->bind_ipi.port);
	case EVTCHNOP_close:
		return evtchn_port_close(d, arg->close.port);
	case EVTCHNOP_bind_vcpu:
		return evtchn_port_bind_vcpu(d, arg->bind_vcpu.port, arg->bind_vcpu.vcpu);
	case EVTCHNOP_unmask:
		return evtchn_port_unmask(d, arg->unmask.port);
	case EVTCHNOP_expand_array:
		return evtchn_fifo_expand_array(d, mfn_make(arg->expand_array.array_gfn));
	case EVTCHNOP_set_priority:
		return evtchn_port_set_priority(d, arg->set_priority.port,
						arg->set_priority.priority);
	default: /* EVTCHNOP_init_control */
		arg->init_control.link_bits = EVTCHN_FIFO_LINK_BITS;
		return evtchn_fifo_init_control(d, arg->init_control.vcpu,
						mfn_make(arg->init_control.control_gfn),
						arg->init_control.offset);
	}
}

static int send(struct vcpu *v, struct subop *op) /* by the older form */
{
	return evtchn_send(v->domain, op->arg.send.port);
}

/* Where the calls that open one have the port. */
_Static_assert(offsetof(union subop_arg, bind_virq.port) ==
			       offsetof(union subop_arg, bind_interdomain.local_port) &&
		       offsetof(union subop_arg, bind_virq.port) ==
			       offsetof(union subop_arg, bind_pirq.port) &&
		       offsetof(union subop_arg, bind_ipi.port) ==
			       offsetof(union subop_arg, alloc_unbound.port),
	       "");

/* A port that nobody knows of would be lost. */
static void undo(struct vcpu *v, struct subop *op)
{
	bool is_second = op->cmd == EVTCHNOP_bind_ipi || op->cmd == EVTCHNOP_alloc_unbound;

	(void)evtchn_port_close(op->d, is_second ? op->arg.bind_ipi.port : op->arg.bind_virq.port);
}

static const struct subop_row rows[] = {
	[EVTCHNOP_bind_interdomain] = {.fn = bind_interdomain,
				       .undo = undo,
				       IN_OUT(bind_interdomain)},
	[EVTCHNOP_bind_virq] = {.fn = plain, .undo = undo, IN_OUT(bind_virq)},
	[EVTCHNOP_bind_pirq] = {.fn = plain, .undo = undo, IN_OUT(bind_pirq)},
	[EVTCHNOP_close] = {.fn = plain, IN(close)},
	[EVTCHNOP_send] = {.fn = send, IN(send)},
	[EVTCHNOP_status] = {.fn = plain, IN_OUT(status), NAMED_BY(status, dom)},
	[EVTCHNOP_alloc_unbound] = {.fn = plain,
				    .undo = undo,
				    IN_OUT(alloc_unbound),
				    NAMED_BY(alloc_unbound, dom)},
	[EVTCHNOP_bind_ipi] = {.fn = plain, .undo = undo, IN_OUT(bind_ipi)},
	[EVTCHNOP_bind_vcpu] = {.fn = plain, IN(bind_vcpu)},
	[EVTCHNOP_unmask] = {.fn = plain, IN(unmask)},
	[EVTCHNOP_reset] = {.fn = reset, IN(reset), NAMED_BY(reset, dom)},
	[EVTCHNOP_init_control] = {.fn = plain, IN_OUT(init_control)},
	[EVTCHNOP_expand_array] = {.fn = plain, IN(expand_array)},
	[EVTCHNOP_set_priority] = {.fn = plain, IN(set_priority)},
	[EVTCHNOP_RESET_CONT] = {.fn = reset, IN(reset), NAMED_BY(reset, dom)},
};

int do_event_channel_op(struct vcpu *v, struct hcall_args *args)
{
	u32 port;

	if ((u32)args->a[0] == EVTCHNOP_send) /* again and again */
		return hw_get_u32(&port, gva_make(args->a[1])) ? evtchn_send(v->domain, port)
							       : err(EFAULT);
	return subop_call(v, rows, ARRAY_SIZE(rows), (u32)args->a[0], gva_make(args->a[1]), args);
}

int do_event_channel_op_compat(struct vcpu *v, struct hcall_args *args)
{
	return subop_compat(v, rows, 0, EVTCHNOP_unmask, offsetof(struct evtchn_op, u), args);
}

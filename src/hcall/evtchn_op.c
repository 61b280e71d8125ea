/* SPDX-License-Identifier: MIT */
/*
 * event_channel_op and its older form: copies in, acts through evtchn/, copies back. Reached from the hypercall table;
 * calls evtchn/. No lock of its own.
 */
#include "core/domain.h"
#include "evtchn/evtchn.h"
#include "hcall/hcall.h"
#include "hw/mem.h"

#define EVTCHNOP_RESET_CONT 14 /* the public header shows it to hypervisors only */

/* The argument of every call, so that one copy in and one back serve all. */
union evtchn_arg {
	struct evtchn_alloc_unbound alloc_unbound;
	struct evtchn_bind_interdomain bind_interdomain;
	struct evtchn_bind_virq bind_virq;
	struct evtchn_bind_pirq bind_pirq;
	struct evtchn_bind_ipi bind_ipi;
	struct evtchn_close close;
	struct evtchn_send send;
	struct evtchn_status status;
	struct evtchn_bind_vcpu bind_vcpu;
	struct evtchn_unmask unmask;
	struct evtchn_reset reset;
	struct evtchn_init_control init_control;
	struct evtchn_expand_array expand_array;
	struct evtchn_set_priority set_priority;
};

/* The domain that an argument names, referenced. -ESRCH; -EPERM: another one, and the caller may not. */
static int domain_find(struct domain *self, domid_t id, struct domain **d)
{
	if (id == DOMID_SELF || id == self->id) {
		domain_get(self);
		*d = self;
		return 0;
	}
	*d = domain_get_by_id(id);
	if (*d == NULL)
		return err(ESRCH);
	if (self->is_privileged)
		return 0;
	domain_put(*d);
	return err(EPERM);
}

static int alloc_unbound(struct vcpu *v, union evtchn_arg *arg)
{
	domid_t remote = arg->alloc_unbound.remote_dom;
	struct domain *d;
	int rc = domain_find(v->domain, arg->alloc_unbound.dom, &d);

	if (rc != 0)
		return rc;
	rc = evtchn_port_alloc_unbound(d, remote == DOMID_SELF ? v->domain->id : remote,
				       &arg->alloc_unbound.port);
	domain_put(d);
	return rc;
}

static int bind_interdomain(struct vcpu *v, union evtchn_arg *arg)
{
	domid_t remote = arg->bind_interdomain.remote_dom;
	struct domain *rd = domain_get_by_id(remote == DOMID_SELF ? v->domain->id : remote);
	int rc;

	if (rd == NULL)
		return err(ESRCH);
	rc = evtchn_port_bind_interdomain(v->domain, rd, arg->bind_interdomain.remote_port,
					  &arg->bind_interdomain.local_port);
	domain_put(rd);
	return rc;
}

static int bind_virq(struct vcpu *v, union evtchn_arg *arg)
{
	return evtchn_virq_bind(v->domain, arg->bind_virq.virq, arg->bind_virq.vcpu,
				&arg->bind_virq.port);
}

static int bind_pirq(struct vcpu *v, union evtchn_arg *arg)
{
	return evtchn_pirq_bind(v->domain, arg->bind_pirq.pirq, arg->bind_pirq.flags,
				&arg->bind_pirq.port);
}

static int bind_ipi(struct vcpu *v, union evtchn_arg *arg)
{
	return evtchn_ipi_bind(v->domain, arg->bind_ipi.vcpu, &arg->bind_ipi.port);
}

static int close_port(struct vcpu *v, union evtchn_arg *arg)
{
	return evtchn_port_close(v->domain, arg->close.port);
}

static int send(struct vcpu *v, union evtchn_arg *arg)
{
	return evtchn_send(v->domain, arg->send.port);
}

static int status(struct vcpu *v, union evtchn_arg *arg)
{
	struct domain *d;
	int rc = domain_find(v->domain, arg->status.dom, &d);

	if (rc != 0)
		return rc;
	rc = evtchn_port_status(d, arg->status.port, &arg->status);
	domain_put(d);
	return rc;
}

static int bind_vcpu(struct vcpu *v, union evtchn_arg *arg)
{
	return evtchn_port_bind_vcpu(v->domain, arg->bind_vcpu.port, arg->bind_vcpu.vcpu);
}

static int unmask(struct vcpu *v, union evtchn_arg *arg)
{
	return evtchn_port_unmask(v->domain, arg->unmask.port);
}

static bool is_paused(const struct domain *d)
{
	const struct vcpu *v;

	for_each_vcpu(d, v)
		if (atomic_load(&v->pause_count) == 0)
			return false;
	return true;
}

static int reset(struct vcpu *v, union evtchn_arg *arg)
{
	struct domain *d;
	int rc = domain_find(v->domain, arg->reset.dom, &d);

	if (rc != 0)
		return rc;
	/* What others have running would lose events that it counts on. */
	if (d != v->domain && !is_paused(d))
		rc = err(EINVAL);
	else
		rc = evtchn_reset(d, d == v->domain);
	domain_put(d);
	return rc;
}

/* Continues a reset on other hypervisors; here that is the same call again, so there is never one to continue. */
static int reset_cont(struct vcpu *v, union evtchn_arg *arg)
{
	struct domain *d;
	int rc = domain_find(v->domain, arg->reset.dom, &d);

	if (rc != 0)
		return rc;
	domain_put(d);
	return err(EBUSY);
}

static int init_control(struct vcpu *v, union evtchn_arg *arg)
{
	int rc = evtchn_fifo_init_control(v->domain, arg->init_control.vcpu,
					  mfn_make(arg->init_control.control_gfn),
					  arg->init_control.offset);

	arg->init_control.link_bits = EVTCHN_FIFO_LINK_BITS;
	return rc;
}

static int expand_array(struct vcpu *v, union evtchn_arg *arg)
{
	return evtchn_fifo_expand_array(v->domain, mfn_make(arg->expand_array.array_gfn));
}

static int set_priority(struct vcpu *v, union evtchn_arg *arg)
{
	return evtchn_port_set_priority(v->domain, arg->set_priority.port,
					arg->set_priority.priority);
}

/* port: where the argument has the port that the call opened, to be closed if the guest cannot be told. */
static const struct evtchn_row {
	int (*fn)(struct vcpu *v, union evtchn_arg *arg);
	u8 bytes;
	bool copies_back;
	bool opens;
	u8 port;
} rows[] = {
#define ROW(name, type, ...) [EVTCHNOP_##name] = {type, sizeof(struct evtchn_##name), __VA_ARGS__}
#define OPENS(name, member)  true, true, offsetof(struct evtchn_##name, member)
	ROW(bind_interdomain, bind_interdomain, OPENS(bind_interdomain, local_port)),
	ROW(bind_virq, bind_virq, OPENS(bind_virq, port)),
	ROW(bind_pirq, bind_pirq, OPENS(bind_pirq, port)),
	ROW(close, close_port, false, false, 0),
	ROW(send, send, false, false, 0),
	ROW(status, status, true, false, 0),
	ROW(alloc_unbound, alloc_unbound, OPENS(alloc_unbound, port)),
	ROW(bind_ipi, bind_ipi, OPENS(bind_ipi, port)),
	ROW(bind_vcpu, bind_vcpu, false, false, 0),
	ROW(unmask, unmask, false, false, 0),
	ROW(reset, reset, false, false, 0),
	ROW(init_control, init_control, true, false, 0),
	ROW(expand_array, expand_array, false, false, 0),
	ROW(set_priority, set_priority, false, false, 0),
	[EVTCHNOP_RESET_CONT] = {reset_cont, sizeof(struct evtchn_reset), false, false, 0},
#undef OPENS
#undef ROW
};

/* A port that nobody knows of would be lost. */
static void port_undo(struct vcpu *v, u64 cmd, const union evtchn_arg *arg)
{
	const struct evtchn_row *row = &rows[cmd];
	struct domain *d = NULL;

	if (!row->opens)
		return;
	if (domain_find(v->domain,
			cmd == EVTCHNOP_alloc_unbound ? arg->alloc_unbound.dom : DOMID_SELF,
			&d) != 0)
		return;
	(void)evtchn_port_close(d, *(const u32 *)(const void *)((const u8 *)arg + row->port));
	domain_put(d);
}

static int perform(struct vcpu *v, u64 cmd, gva_t at)
{
	const struct evtchn_row *row;
	union evtchn_arg arg = {.reset = {0}};
	int rc;

	if (cmd >= ARRAY_SIZE(rows))
		return err(ENOSYS);
	row = &rows[idx_nospec(cmd, ARRAY_SIZE(rows))];
	if (hw_copy_from_guest(&arg, at, row->bytes) != 0)
		return err(EFAULT);
	rc = row->fn(v, &arg);
	if (rc != 0 || !row->copies_back)
		return rc;
	if (hw_copy_to_guest(at, &arg, row->bytes) == 0)
		return 0;
	port_undo(v, cmd, &arg);
	return err(EFAULT);
}

int do_event_channel_op(struct vcpu *v, struct hcall_args *args)
{
	args->result = 0;
	return perform(v, (u32)args->a[0], gva_make(args->a[1]));
}

/* Number 16: command and argument in one structure. Only the commands of its time. */
int do_event_channel_op_compat(struct vcpu *v, struct hcall_args *args)
{
	u32 cmd;

	args->result = 0;
	if (hw_copy_from_guest(&cmd, gva_make(args->a[0]), sizeof(cmd)) != 0)
		return err(EFAULT);
	if (cmd > EVTCHNOP_unmask)
		return err(ENOSYS);
	return perform(v, cmd, gva_make(args->a[0] + offsetof(struct evtchn_op, u)));
}

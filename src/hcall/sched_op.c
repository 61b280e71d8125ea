/* SPDX-License-Identifier: MIT */
/*
 * sched_op, new (29) and old (6): a vCPU gives up its CPU, or its domain ends. Reached from the hypercall table; calls
 * sched, evtchn and domain. Nothing here waits: a vCPU that blocks is marked so, and the exit loop picks another. No lock.
 */
#include "domain/domain.h"
#include "domain/watchdog.h"
#include "evtchn/evtchn.h"
#include "hcall/subop.h"
#include "hw/mem.h"
#include "pv/pv.h"
#include "sched/sched.h"

#define POLL_PORTS_MAX 128u

static int yield(struct vcpu *v, struct subop *op)
{
	vcpu_yield(v);
	return 0;
}

/* "Atomically" enables events and waits: pending is looked at after the mask and the wait are set. */
static int block(struct vcpu *v, struct subop *op)
{
	atomic_store(&atomic_load(&v->info)->evtchn_upcall_mask, (u8)0);
	vcpu_block(v);
	/* One that came just before ends the wait as an event does. */
	if (atomic_load(&v->pv->nmi_pending) != 0)
		vcpu_kick(v);
	return 0;
}

static int shutdown(struct vcpu *v, struct subop *op)
{
	domain_shutdown(v->domain, (u8)op->arg.shutdown.reason);
	return 0;
}

static int shutdown_code(struct vcpu *v, struct subop *op)
{
	struct domain *d = v->domain;

	LOCK_SCOPE(&d->lock);
	if (!d->is_code_set)
		d->shutdown_code = (u8)op->arg.shutdown.reason;
	d->is_code_set = true;
	return 0;
}

/* Is one of the ports pending (true), or is there none such (-EINVAL)? */
static int ports_look(struct domain *d, const u32 *ports, u32 count, bool *is_pending)
{
	*is_pending = false;
	for (u32 i = 0; i < count; i++) {
		if (!evtchn_port_is_valid(d, ports[i]))
			return err(EINVAL);
		*is_pending |= evtchn_port_is_pending(d, ports[i]);
	}
	return 0;
}

static int poll(struct vcpu *v, struct subop *op)
{
	const struct sched_poll *poll = &op->arg.poll;
	u32 ports[POLL_PORTS_MAX];
	bool is_pending;
	int rc;

	if (poll->nr_ports > POLL_PORTS_MAX)
		return err(EINVAL);
	if (poll->nr_ports != 0 && hw_copy_from_guest(ports, gva_make((u64)poll->ports.p),
						      poll->nr_ports * sizeof(ports[0])) != 0)
		return err(EFAULT);
	vcpu_poll_begin(v, ports, poll->nr_ports);
	/* Made known first, then looked at: whoever sets a bit after our look finds us. */
	rc = ports_look(v->domain, ports, poll->nr_ports, &is_pending);
	if (rc != 0 || is_pending || evtchn_upcall_wanted(v))
		vcpu_poll_abort(v);
	else
		vcpu_poll_commit(v, poll->timeout);
	return rc;
}

static int remote_shutdown(struct vcpu *v, struct subop *op)
{
	DOMAIN_REF d = domain_get_by_id(op->arg.remote_shutdown.domain_id);

	if (d == NULL)
		return err(ESRCH);
	if (!v->domain->is_privileged || d == v->domain)
		return err(EPERM);
	domain_shutdown(d, (u8)op->arg.remote_shutdown.reason);
	return 0;
}

static int watchdog(struct vcpu *v, struct subop *op)
{
	return domain_watchdog(v->domain, op->arg.watchdog.id, op->arg.watchdog.timeout,
			       &op->args->result);
}

static int pin_override(struct vcpu *v, struct subop *op)
{
	return sched_pin_override(v, op->arg.pin_override.pcpu);
}

static const struct subop_row rows[] = {
	[SCHEDOP_yield] = {.fn = yield},
	[SCHEDOP_block] = {.fn = block},
	[SCHEDOP_shutdown] = {.fn = shutdown, IN(shutdown)},
	[SCHEDOP_poll] = {.fn = poll, IN(poll)},
	[SCHEDOP_remote_shutdown] = {.fn = remote_shutdown, IN(remote_shutdown)},
	[SCHEDOP_shutdown_code] = {.fn = shutdown_code, IN(shutdown)},
	[SCHEDOP_watchdog] = {.fn = watchdog, IN(watchdog)},
	[SCHEDOP_pin_override] = {.fn = pin_override, IN(pin_override), .rights = SUBOP_HARDWARE},
};

int do_sched_op(struct vcpu *v, struct hcall_args *args)
{
	return subop_call(v, rows, ARRAY_SIZE(rows), (u32)args->a[0], gva_make(args->a[1]), args);
}

/* (cmd, arg): three commands, and the reason itself instead of a pointer. */
int do_sched_op_compat(struct vcpu *v, struct hcall_args *args)
{
	if ((u32)args->a[0] != SCHEDOP_shutdown)
		return (u32)args->a[0] < SCHEDOP_shutdown ? do_sched_op(v, args) : err(ENOSYS);
	domain_shutdown(v->domain, (u8)args->a[1]);
	return 0;
}

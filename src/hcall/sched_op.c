/* SPDX-License-Identifier: MIT */
/*
 * sched_op, new (29) and old (6): a vCPU gives up its CPU, or its domain ends. Reached from the hypercall table; calls
 * sched, evtchn and domain. Nothing here waits: a vCPU that blocks is marked so, and the exit loop picks another. No lock.
 */
#include "domain/domain.h"
#include "domain/watchdog.h"
#include "evtchn/evtchn.h"
#include "hcall/hcall.h"
#include "hw/mem.h"
#include "pv/pv.h"
#include "sched/sched.h"

#define POLL_PORTS_MAX 128u

/* "Atomically" enables events and waits: pending is looked at after the mask and the wait are set. */
static void block(struct vcpu *v)
{
	atomic_store(&atomic_load(&v->info)->evtchn_upcall_mask, (u8)0);
	vcpu_block(v);
	if (atomic_load(&v->pv->nmi_pending) !=
	    0) /* came just before: it ends the wait as an event does */
		vcpu_kick(v);
}

static int shutdown(struct vcpu *v, gva_t arg)
{
	struct sched_shutdown shutdown;

	if (hw_copy_from_guest(&shutdown, arg, sizeof(shutdown)) != 0)
		return err(EFAULT);
	domain_shutdown(v->domain, (u8)shutdown.reason);
	return 0;
}

static int shutdown_code(struct vcpu *v, gva_t arg)
{
	struct domain *d = v->domain;
	struct sched_shutdown shutdown;

	if (hw_copy_from_guest(&shutdown, arg, sizeof(shutdown)) != 0)
		return err(EFAULT);
	lock_acquire(&d->lock);
	if (!d->is_code_set) {
		d->shutdown_code = (u8)shutdown.reason;
		d->is_code_set = true;
	}
	lock_release(&d->lock);
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

static int poll(struct vcpu *v, gva_t arg)
{
	struct sched_poll poll;
	u32 ports[POLL_PORTS_MAX];
	bool is_pending;
	int rc;

	if (hw_copy_from_guest(&poll, arg, sizeof(poll)) != 0)
		return err(EFAULT);
	if (poll.nr_ports > POLL_PORTS_MAX)
		return err(EINVAL);
	if (poll.nr_ports != 0 && hw_copy_from_guest(ports, gva_make((u64)poll.ports.p),
						     poll.nr_ports * sizeof(ports[0])) != 0)
		return err(EFAULT);
	vcpu_poll_begin(v, ports, poll.nr_ports);
	/* Made known first, then looked at: whoever sets a bit after our look finds us. */
	rc = ports_look(v->domain, ports, poll.nr_ports, &is_pending);
	if (rc != 0 || is_pending || evtchn_upcall_wanted(v))
		vcpu_poll_abort(v);
	else
		vcpu_poll_commit(v, poll.timeout);
	return rc;
}

static int remote_shutdown(struct vcpu *v, gva_t arg)
{
	struct sched_remote_shutdown remote;
	struct domain *d;

	if (hw_copy_from_guest(&remote, arg, sizeof(remote)) != 0)
		return err(EFAULT);
	d = domain_get_by_id(remote.domain_id);
	if (d == NULL)
		return err(ESRCH);
	if (!v->domain->is_privileged || d == v->domain) {
		domain_put(d);
		return err(EPERM);
	}
	domain_shutdown(d, (u8)remote.reason);
	domain_put(d);
	return 0;
}

static int watchdog(struct vcpu *v, gva_t arg, u64 *result)
{
	struct sched_watchdog watchdog;

	if (hw_copy_from_guest(&watchdog, arg, sizeof(watchdog)) != 0)
		return err(EFAULT);
	return domain_watchdog(v->domain, watchdog.id, watchdog.timeout, result);
}

static int pin_override(struct vcpu *v, gva_t arg)
{
	struct sched_pin_override pin;

	if (!v->domain->is_hardware)
		return err(EPERM);
	if (hw_copy_from_guest(&pin, arg, sizeof(pin)) != 0)
		return err(EFAULT);
	return sched_pin_override(v, pin.pcpu);
}

/* (cmd, arg) */
int do_sched_op(struct vcpu *v, struct hcall_args *args)
{
	gva_t arg = gva_make(args->a[1]);

	args->result = 0;
	switch ((u32)args->a[0]) {
	case SCHEDOP_yield:
		vcpu_yield(v);
		return 0;
	case SCHEDOP_block:
		block(v);
		return 0;
	case SCHEDOP_shutdown:
		return shutdown(v, arg);
	case SCHEDOP_poll:
		return poll(v, arg);
	case SCHEDOP_remote_shutdown:
		return remote_shutdown(v, arg);
	case SCHEDOP_shutdown_code:
		return shutdown_code(v, arg);
	case SCHEDOP_watchdog:
		return watchdog(v, arg, &args->result);
	case SCHEDOP_pin_override:
		return pin_override(v, arg);
	default:
		return err(ENOSYS);
	}
}

/* (cmd, arg): three commands, and the reason itself instead of a pointer. */
int do_sched_op_compat(struct vcpu *v, struct hcall_args *args)
{
	args->result = 0;
	switch ((u32)args->a[0]) {
	case SCHEDOP_yield:
		vcpu_yield(v);
		return 0;
	case SCHEDOP_block:
		block(v);
		return 0;
	case SCHEDOP_shutdown:
		domain_shutdown(v->domain, (u8)args->a[1]);
		return 0;
	default:
		return err(ENOSYS);
	}
}

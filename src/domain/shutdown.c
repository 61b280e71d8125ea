/* SPDX-License-Identifier: MIT */
/*
 * The end of a domain, and of the machine when it is Domain 0's. Reached from hcall/ and from the exit loop; calls the
 * report and the platform. Lock: the domain's, for the reason.
 */
#include "core/log.h"
#include "domain/domain.h"
#include "hw/acpi.h"
#include "mm/mm.h"
#include "pv/pv.h"
#include "sched/sched.h"

bool opt_noreboot;

NORETURN static void machine_end(u8 reason)
{
	switch (reason) {
	case SHUTDOWN_poweroff:
		log_info("Domain 0 powered off");
		hw_machine_poweroff();
	case SHUTDOWN_reboot:
		log_info("Domain 0 asks for a reboot");
		hw_machine_reboot();
	default:
		panic("Domain 0 %s",
		      dom0->is_crashed ? dom0->crash_reason : "crashed (its kernel says so)");
	}
}

void domain_shutdown(struct domain *d, u8 reason)
{
	struct vcpu *v;

	lock_acquire(&d->lock);
	if (!d->is_shut_down && !d->is_code_set)
		d->shutdown_code = reason;
	reason = d->shutdown_code;
	d->is_shut_down = true;
	lock_release(&d->lock);
	if (d == dom0)
		machine_end(reason);
	for_each_vcpu(d, v)
		vcpu_pause_nosync(v);
}

void domain_crash_finish(struct domain *d)
{
	if (dom0 != NULL && atomic_load(&dom0->is_crashed) && !dom0->is_shut_down)
		domain_shutdown(dom0, SHUTDOWN_crash);
	if (d != idle_domain && atomic_load(&d->is_crashed) && !d->is_shut_down)
		domain_shutdown(d, SHUTDOWN_crash);
}

void domain_reap(void)
{
	/* Domain 0 alone is made at present, and it ends with the machine. */
}

void domain_nmi_raise(void)
{
	struct vcpu *v;

	if (dom0 == NULL)
		return;
	v = dom0->vcpus[0];
	(void)atomic_exchange(&v->pv->nmi_pending, 1);
	vcpu_kick(v);
}

/* SPDX-License-Identifier: MIT */
/*
 * The end of a domain, and of the machine when it is Domain 0's. Reached from hcall/ and from the exit loop; calls the
 * report and the platform. Lock: the domain's, for the reason.
 */
#include "core/cpu.h"
#include "core/log.h"
#include "domain/domain.h"
#include "evtchn/evtchn.h"
#include "hw/acpi.h"
#include "mm/mm.h"
#include "pv/pv.h"
#include "sched/sched.h"

bool opt_noreboot;
const char *opt_text = "";

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

/* Whoever keeps the domain is told: the tools by VIRQ, or (a suspend) whoever asked for an event of its own. */
static void end_tell(struct domain *d, u8 reason)
{
	u32 port = atomic_load(&d->suspend_port);

	if (reason != SHUTDOWN_suspend || port == 0 || evtchn_send(d, port) != 0)
		evtchn_virq_raise_global(VIRQ_DOM_EXC);
}

void domain_shutdown(struct domain *d, u8 reason)
{
	bool is_first;

	{
		LOCK_SCOPE(&d->lock);
		is_first = !d->is_shut_down;
		if (is_first && !d->is_code_set)
			d->shutdown_code = reason;
		reason = d->shutdown_code;
		d->is_shut_down = true;
		if (is_first && d != dom0)
			domain_pause_nosync(d); /* whoever resumes it takes this pause back */
	}
	/* Not in the call: the stub has saved all registers only on the way to the exit loop, and the report shows them. */
	if (d == dom0)
		work_raise(cpu_id(), WORK_CRASH);
	else if (is_first)
		end_tell(d, reason);
}

void domain_resume(struct domain *d)
{
	LOCK_SCOPE(&d->lock);
	if (!d->is_shut_down || atomic_load(&d->is_crashed))
		return;
	d->is_shut_down = d->is_code_set = false;
	d->shutdown_code = 0xff;
	domain_unpause(d);
}

void domain_crash_finish(void)
{
	for_each_domain(d)
		if (atomic_load(&d->is_crashed) && !d->is_shut_down)
			domain_shutdown(d, SHUTDOWN_crash);
	if (dom0 != NULL && dom0->is_shut_down)
		machine_end(dom0->shutdown_code);
}

void domain_nmi_raise(void)
{
	if (dom0 != NULL)
		pv_nmi_send(dom0->vcpus[0]);
}

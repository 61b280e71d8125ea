/* SPDX-License-Identifier: MIT */
/*
 * The audit of everything: mm recomputes what page tables hold, this adds what other modules hold (descriptor tables,
 * registered vcpu_info, event queues, the page of EOI bits), events check themselves. Reached from a serial key and from
 * tests through it. The machine is quiet meanwhile: all domains are paused but for the vCPU that runs here.
 */
#include "core/log.h"
#include "domain/domain.h"
#include "evtchn/evtchn.h"
#include "gnttab/gnttab.h"
#include "irq/irq.h"
#include "mm/mm.h"
#include "pv/pv.h"
#include "sched/sched.h"

static void pv_add(const struct vcpu *v)
{
	u32 gdt_pages = ROUND_UP(v->pv->gdt_entries, 512u) / 512;

	for (u32 i = 0; i < gdt_pages; i++)
		audit_add(mfn_make(v->pv->gdt_mfns[i]), true);
	for (u32 i = 0; i < PV_LDT_PAGES_MAX; i++)
		if (v->pv->ldt_mfns[i] != 0)
			audit_add(mfn_make(v->pv->ldt_mfns[i]), true);
	if (!mfn_is_none(v->info_mfn))
		audit_add(v->info_mfn, true);
}

static void domain_add(const struct domain *d)
{
	const struct vcpu *v;
	mfn_t mfn;

	for_each_vcpu(d, v)
		pv_add(v);
	for (u32 i = 0; !mfn_is_none(mfn = evtchn_frame_held(d, i)); i++)
		audit_add(mfn, true);
	gnttab_audit_add(d);
	mfn = irq_eoi_frame(d);
	if (!mfn_is_none(mfn))
		audit_add(mfn, true);
}

/* All vCPUs but the one that runs here, or is parked here: it cannot leave before we do. */
static void others_pause(bool is_pause)
{
	const struct cpu *cpu = hw_this_cpu();
	struct vcpu *v;

	for_each_domain(d)
		for_each_vcpu(d, v)
			if (v != cpu->current && v != cpu->loaded)
				(is_pause ? vcpu_pause : vcpu_unpause)(v);
}

unsigned int domain_audit(void)
{
	unsigned int findings = 1;

	others_pause(true);
	if (audit_begin() == 0) {
		for_each_domain(d)
			domain_add(d);
		findings = audit_finish();
		for_each_domain(d)
			findings += evtchn_audit(d);
	} else {
		log_warning(
			"audit: no memory for it"); /* nothing was looked at: not a clean bill */
	}
	others_pause(false);
	return findings;
}

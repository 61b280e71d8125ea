/* SPDX-License-Identifier: MIT */
/*
 * Making a domain: every step by name, in order, with its undo. Reached from boot/ and hcall/; calls all modules that keep
 * state for a domain. No lock: nobody else knows the domain yet.
 */
#include "core/log.h"
#include "domain/domain.h"
#include "evtchn/evtchn.h"
#include "gnttab/gnttab.h"
#include "hw/mem.h"
#include "irq/irq.h"
#include "lib/rangeset.h"
#include "mm/mm.h"
#include "pv/pv.h"
#include "sched/sched.h"
#include "time/time.h"

static struct vcpu *idle_vcpus[CPU_MAX];

void domain_idle_init(void)
{
	idle_domain = heap_alloc(sizeof(*idle_domain));
	if (idle_domain == NULL)
		panic("no memory for the idle domain");
	idle_domain->id = DOMID_IDLE;
	idle_domain->refs = 1;
	lock_init(&idle_domain->lock, LOCK_RANK_DOMAIN);
}

struct vcpu *domain_idle_vcpu(unsigned int cpu)
{
	struct vcpu *v = idle_vcpus[cpu];

	if (v != NULL)
		return v;
	v = heap_alloc(sizeof(*v));
	if (v == NULL)
		panic("no memory for CPU %u", cpu);
	v->domain = idle_domain;
	v->id = cpu;
	v->cpu = cpu;
	v->is_idle = true;
	v->is_initialised = true;
	v->is_running = true;
	idle_vcpus[cpu] = v;
	return v;
}

static void timer_fire(struct vcpu *v)
{
	(void)evtchn_virq_raise_vcpu(v, VIRQ_TIMER);
}

static void vcpu_destroy(struct vcpu *v)
{
	time_vcpu_destroy(v);
	sched_vcpu_destroy(v);
	pv_vcpu_destroy(v);
	v->domain->vcpus[v->id] = NULL;
	heap_free(v);
}

static int vcpu_create(struct domain *d, u32 id)
{
	struct vcpu *v = heap_alloc(sizeof(*v));
	int rc;

	if (v == NULL)
		return err(ENOMEM);
	v->domain = d;
	v->id = id;
	v->is_down = true;
	v->info_mfn = MFN_NONE;
	d->vcpus[id] = v;
	rc = mm_vcpu_init(v);
	if (rc == 0)
		rc = evtchn_vcpu_init(v);
	if (rc == 0)
		rc = pv_vcpu_init(v);
	if (rc == 0)
		rc = sched_vcpu_init(v, id % cpu_count);
	if (rc == 0)
		rc = time_vcpu_init(v, timer_fire);
	return rc;
}

static int rights_init(struct domain *d)
{
	static const size_t ranges = 64;
	struct rangeset *set = heap_alloc(3 * sizeof(*set));
	struct range *storage = heap_alloc(3 * ranges * sizeof(*storage));

	if (set == NULL || storage == NULL) {
		heap_free(set);
		heap_free(storage);
		return err(ENOMEM);
	}
	for (size_t i = 0; i < 3; i++)
		rangeset_init(&set[i], storage + i * ranges, (unsigned int)ranges);
	d->iomem_allowed = &set[0];
	d->ioport_allowed = &set[1];
	d->irq_allowed = &set[2];
	return 0;
}

static int shared_init(struct domain *d)
{
	d->shared_mfn = mm_domain_share_page(d);
	if (mfn_is_none(d->shared_mfn))
		return err(ENOMEM);
	d->shared = hw_frame_map(d->shared_mfn);
	return 0;
}

static int modules_init(struct domain *d, u64 pages_max)
{
	int rc = mm_domain_init(d, pages_max);

	if (rc == 0)
		rc = shared_init(d);
	if (rc == 0)
		rc = rights_init(d);
	if (rc == 0)
		rc = pv_domain_init(d);
	if (rc == 0)
		rc = irq_domain_init(d);
	if (rc == 0)
		rc = evtchn_domain_init(d, ~0u);
	if (rc == 0)
		rc = gnttab_domain_init(d);
	return rc;
}

struct domain *domain_create(domid_t id, u32 vcpu_count, u64 pages_max, bool is_privileged, int *rc)
{
	struct domain *d = heap_alloc(sizeof(*d));

	*rc = -ENOMEM;
	if (d == NULL)
		return NULL;
	d->id = id;
	d->refs = 1;
	d->is_privileged = is_privileged;
	d->is_hardware = is_privileged;
	lock_init(&d->lock, LOCK_RANK_DOMAIN);
	d->vcpu_max = MIN(vcpu_count, (u32)DOMAIN_VCPUS_MAX);
	*rc = modules_init(d, pages_max);
	for (u32 i = 0; i < d->vcpu_max && *rc == 0; i++)
		*rc = vcpu_create(d, i);
	if (*rc == 0) {
		time_wallclock_publish(d);
		return d;
	}
	for (u32 i = 0; i < d->vcpu_max; i++)
		if (d->vcpus[i] != NULL)
			vcpu_destroy(d->vcpus[i]);
	return NULL;
}

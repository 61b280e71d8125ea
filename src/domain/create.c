/* SPDX-License-Identifier: MIT */
/*
 * A domain made and taken apart: every step by name, in order, its undo in the same file. Reached from boot/, hcall/ and the exit
 * loop (reap); calls all modules that keep state for a domain.
 *
 *	made	paused by the tool that made it, vCPUs down		domain_create()
 *	lives	on the list of domains
 *	dying	no vCPU runs; gives back all that it holds of others	domain_kill(), restartable
 *	dead	kept by whoever still maps a page of it
 *	gone	last reference: freed, off the list			domain_reap()
 */
#include "core/log.h"
#include "domain/domain.h"
#include "domain/watchdog.h"
#include "evtchn/evtchn.h"
#include "gnttab/gnttab.h"
#include "hw/asm.h"
#include "hw/clock.h"
#include "hw/mem.h"
#include "irq/irq.h"
#include "lib/rangeset.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "policy/policy.h"
#include "pv/pv.h"
#include "sched/sched.h"
#include "time/time.h"

#define RIGHTS_RANGES 64

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

/* ---------------------------------------------------------------- parts */

static void timer_fire(struct vcpu *v)
{
	(void)evtchn_virq_raise_vcpu(v, VIRQ_TIMER);
}

static int vcpu_create(struct domain *d, u32 id)
{
	struct vcpu *v = heap_alloc(sizeof(*v));

	if (v == NULL)
		return err(ENOMEM);
	v->domain = d;
	v->id = id;
	v->is_down = true;
	v->info_mfn = MFN_NONE;
	d->vcpus[id] = v;
	return mm_vcpu_init(v) ?: evtchn_vcpu_init(v) ?: pv_vcpu_init(v) ?: sched_vcpu_init(v) ?:
	       time_vcpu_init(v, timer_fire);
}

static int rights_init(struct domain *d)
{
	struct rangeset **const rights[] = {&d->iomem_allowed, &d->ioport_allowed, &d->irq_allowed};

	for (size_t i = 0; i < ARRAY_SIZE(rights); i++) {
		struct rangeset *set = heap_alloc(sizeof(*set) +
						  RIGHTS_RANGES * sizeof(struct range));

		if (set == NULL)
			return err(ENOMEM);
		rangeset_init(set, (struct range *)(set + 1), RIGHTS_RANGES);
		*rights[i] = set;
	}
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

static void cpuid_read(u32 leaf, u32 sub, struct cpuid_leaf *out)
{
	struct cpuid_regs r = hw_cpuid(leaf, sub);

	*out = (struct cpuid_leaf){r.a, r.b, r.c, r.d};
}

static int policy_init(struct domain *d)
{
	d->policy = heap_alloc(sizeof(*d->policy));
	if (d->policy == NULL)
		return err(ENOMEM);
	if (policy_cpu.leaf_count == 0) { /* Domain 0, at boot */
		policy_raw_init(&policy_cpu, cpuid_read);
		if (!hw_rdmsr_safe(MSR_ARCH_CAPABILITIES, &policy_cpu.arch_caps))
			policy_cpu.arch_caps = 0;
	}
	policy_make(d->policy, &policy_cpu, d->is_hardware ? POLICY_MAX : POLICY_DEFAULT);
	d->policy->is_dom0 = d->is_hardware;
	d->policy->machine_bits = (u8)(64 - __builtin_clzll(hw_frame_max << PAGE_SHIFT));
	d->policy->incarnation = !d->is_hardware;
	d->policy->is_tsc_stable = hw_tsc_is_stable;
	d->policy->tsc_khz = (u32)hw_tsc_khz;
	d->policy->guest_tsc_khz = d->is_hardware ? 0 : (u32)hw_tsc_khz;
	return 0;
}

static int modules_init(struct domain *d, const struct domain_config *config)
{
	return mm_domain_init(d, config->pages_max) ?: shared_init(d) ?: rights_init(d) ?:
	       policy_init(d) ?: pv_domain_init(d) ?: irq_domain_init(d) ?:
	       evtchn_domain_init(d, config->evtchn_port_max) ?:
	       gnttab_domain_init(d, config->grant_frames_max, config->maptrack_frames_max) ?:
	       sched_domain_init(d, config->pool) ?: domain_watchdog_init(d);
}

/* Undoes as much as was done. No vCPU runs, nobody has a reference. */
static void domain_free(struct domain *d)
{
	struct vcpu *v;

	for_each_vcpu(d, v) {
		time_vcpu_destroy(v);
		sched_vcpu_destroy(v);
		pv_vcpu_destroy(v);
	}
	domain_watchdog_destroy(d);
	sched_domain_destroy(d);
	gnttab_domain_destroy(d);
	evtchn_domain_destroy(d);
	irq_domain_destroy(d);
	pv_domain_destroy(d);
	heap_free(d->policy);
	heap_free(d->iomem_allowed);
	heap_free(d->ioport_allowed);
	heap_free(d->irq_allowed);
	mm_domain_fini(d);
	for_each_vcpu(d, v)
		heap_free(v);
	heap_free(d);
}

struct domain *domain_create(domid_t id, const struct domain_config *config, int *rc)
{
	static u64 serial; /* [a] */
	struct domain *d = heap_alloc(sizeof(*d));

	*rc = -ENOMEM;
	if (d == NULL)
		return NULL;
	d->id = id;
	d->serial = atomic_add(&serial, 1ull);
	d->refs = 1;
	d->is_privileged = d->is_hardware = config->is_privileged;
	d->ssid = config->ssid;
	memcpy(d->handle, config->handle, sizeof(d->handle));
	lock_init(&d->lock, LOCK_RANK_DOMAIN);
	d->vcpu_max = MIN(config->vcpu_count, (u32)DOMAIN_VCPUS_MAX);
	*rc = modules_init(d, config);
	for (u32 i = 0; i < d->vcpu_max && *rc == 0; i++)
		*rc = vcpu_create(d, i);
	if (*rc != 0) {
		domain_free(d);
		return NULL;
	}
	time_wallclock_publish(d);
	return d;
}

/* ---------------------------------------------------------------- the end */

/* What refers to frames, in the vCPUs; each step may come again. */
static void vcpus_release(struct domain *d)
{
	struct vcpu *v;

	for_each_vcpu(d, v) {
		sched_runstate_register(v, gva_make(0));
		time_vcpu_area_register(v, gva_make(0));
		pv_gdt_put(v);
		pv_ldt_put(v);
	}
}

static int kill_steps(struct domain *d)
{
	int rc;

	if (!atomic_exchange(&d->is_dying, true))
		domain_pause(d);
	rc = evtchn_domain_kill(d);
	if (rc != 0)
		return rc;
	domain_watchdog_destroy(d);
	irq_domain_release(d);
	vcpus_release(d);
	return gnttab_domain_release(d) ?: mm_domain_release(d);
}

int domain_kill(struct domain *d)
{
	int rc;

	if (atomic_load(&d->is_dead))
		return 0;
	rc = kill_steps(d);
	if (rc != 0)
		return rc;
	atomic_store(&d->is_dead, true);
	evtchn_virq_raise_global(VIRQ_DOM_EXC);
	domain_put(d); /* the one it was created with */
	return 0;
}

void domain_reap(void)
{
	struct domain *d;

	while ((d = domain_take_dead()) != NULL) {
		if (mm_domain_is_sharing(d)) {
			atomic_store(&d->shared, NULL);
			domain_get(d); /* comes again with the last of those pages */
			mm_domain_unshare_all(d);
			domain_put(d);
			continue;
		}
		/* Without a reference since it was taken: nobody finds it on the list any more. */
		domain_list_remove(d);
		domain_free(d);
		evtchn_virq_raise_global(VIRQ_DOM_EXC);
	}
}

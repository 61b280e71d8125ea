/* SPDX-License-Identifier: MIT */
/*
 * domctl: tool calls about one domain, for Domain 0 alone, one at a time for each domain. Here: its life, its rights, what
 * it is called, and the table, in which what has no row answers -ENOSYS. Reached from the hypercall table; calls domain/ and
 * the other files of tool.h. Locks: the domain's for what tools change; ids are given out by whoever gets onto the list
 * first.
 */
#include "core/log.h"
#include "domain/domain.h"
#include "evtchn/evtchn.h"
#include "gnttab/gnttab.h"
#include "hcall/subop.h"
#include "hcall/tool.h"
#include "hw/mem.h"
#include "lib/rangeset.h"
#include "irq/irq.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "pv/pv.h"
#include "sched/sched.h"
#include "time/time.h"

#define GRANT_FRAMES_MAX    256 /* all of them are looked at in one go (gnttab_dirty_mark) */
#define MAPTRACK_FRAMES_MAX 4096

/* ---------------------------------------------------------------- made and unmade */

static int config_read(const struct xen_domctl_createdomain *from, struct domain_config *config)
{
	u32 version = XEN_DOMCTL_GRANT_version(from->grant_opts);

	if ((from->flags & ~(u32)XEN_DOMCTL_CDF_xs_domain) != 0 || from->iommu_opts != 0 ||
	    from->max_vcpus == 0 || from->max_vcpus > DOMAIN_VCPUS_MAX || from->vmtrace_size != 0 ||
	    (from->grant_opts & ~(u32)XEN_DOMCTL_GRANT_version_mask) != 0 || version == 0 ||
	    from->max_grant_frames > GRANT_FRAMES_MAX ||
	    from->max_maptrack_frames > MAPTRACK_FRAMES_MAX || from->arch.emulation_flags != 0 ||
	    (from->arch.misc_flags & ~XEN_X86_MSR_RELAXED) != 0)
		return err(EINVAL);
	if (version != GNTTAB_VERSION)
		return err(EOPNOTSUPP);
	*config = (struct domain_config){
		.vcpu_count = from->max_vcpus,
		.evtchn_port_max = from->max_evtchn_port,
		.grant_frames_max = from->max_grant_frames < 0 ? GNTTAB_FRAMES_DEFAULT
							       : (u32)from->max_grant_frames,
		.maptrack_frames_max = from->max_maptrack_frames < 0
					       ? GNTTAB_MAPTRACK_DEFAULT
					       : (u32)from->max_maptrack_frames,
		.ssid = from->ssidref,
		.pool = from->cpupool_id,
	};
	memcpy(config->handle, from->handle, sizeof(config->handle));
	return 0;
}

/* A number that is free now, after the one given last: old ones do not come back soon. */
static domid_t id_choose(void)
{
	static u32 last; /* [a] */

	for (u32 tries = 0; tries < DOMID_COUNT; tries++) {
		domid_t id = (domid_t)(atomic_add(&last, 1u) % DOMID_COUNT);
		DOMAIN_REF d = domain_get_by_id(id);

		if (d == NULL && id != 0)
			return id;
	}
	return DOMID_INVALID;
}

static int createdomain(struct xen_domctl *op)
{
	bool is_given = op->domain != 0 && op->domain < DOMID_COUNT;
	struct domain_config config;
	struct domain *d;
	int rc = config_read(&op->u.createdomain, &config);

	if (rc != 0)
		return rc;
	do {
		domid_t id = is_given ? op->domain : id_choose();

		d = domain_create(id, &config, &rc);
		if (d == NULL)
			continue;
		d->tool_pauses = 1;
		domain_pause_nosync(d);
		rc = domain_list_add(d);
		BUG_ON(rc != 0); /* mm has the same ids, and said that this one was free */
		op->domain = id;
	} while (rc == -EEXIST && !is_given);
	return rc;
}

int domctl_destroydomain(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	return domain_kill(d);
}

/* Pauses by tools are counted apart, so that no tool can undo another's kind. */
int domctl_pausedomain(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	lock_acquire(&d->lock);
	d->tool_pauses++;
	lock_release(&d->lock);
	domain_pause(d);
	return 0;
}

int domctl_unpausedomain(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	{
		LOCK_SCOPE(&d->lock);
		if (d->tool_pauses == 0)
			return err(EINVAL);
		d->tool_pauses--;
		atomic_store(&d->has_run, d->has_run || d->tool_pauses == 0);
	}
	domain_unpause(d);
	return 0;
}

int domctl_resumedomain(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	domain_resume(d);
	return 0;
}

/* vCPUs are made with their domain; this call only says how many again. */
int domctl_max_vcpus(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	return op->u.max_vcpus.max != d->vcpu_max ? err(EINVAL) : 0;
}

/* ---------------------------------------------------------------- what it is */

static void vcpus_info(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
	bool all_blocked = true, any_running = false;
	struct vcpu *v;

	info->max_vcpu_id = XEN_INVALID_MAX_VCPU_ID;
	for_each_vcpu(d, v) {
		struct vcpu_runstate_info runstate = {0};

		sched_runstate_get(v, &runstate);
		info->cpu_time += runstate.time[RUNSTATE_running];
		info->max_vcpu_id = v->id;
		if (atomic_load(&v->is_down))
			continue;
		info->nr_online_vcpus++;
		all_blocked = all_blocked && runstate.state == RUNSTATE_blocked;
		any_running = any_running || runstate.state == RUNSTATE_running;
	}
	info->flags |= (all_blocked ? XEN_DOMINF_blocked : 0) |
		       (any_running ? XEN_DOMINF_running : 0);
}

void tool_domain_info(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
	memset(info, 0, sizeof(*info));
	vcpus_info(d, info);
	info->domain = d->id;
	info->flags |= (atomic_load(&d->is_dead) ? XEN_DOMINF_dying : 0) |
		       (atomic_load(&d->is_shut_down) ? XEN_DOMINF_shutdown : 0) |
		       (d->tool_pauses != 0 ? XEN_DOMINF_paused : 0) |
		       (u32)d->shutdown_code << XEN_DOMINF_shutdownshift;
	info->tot_pages = d->mm->pages_current;
	/* What is no limit is told as Xen tells it: tools multiply. */
	info->max_pages = MIN(d->mm->pages_max, (u64)UINT32_MAX);
	info->outstanding_pages = d->mm->pages_claimed;
	info->shared_info_frame = mfn_num(d->shared_mfn);
	info->ssidref = d->ssid;
	memcpy(info->handle, d->handle, sizeof(info->handle));
	info->cpupool = sched_pool_id(d);
	info->gpaddr_bits = 64;
}

int domctl_getdomaininfo(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	tool_domain_info(d, &op->u.getdomaininfo);
	op->domain = d->id;
	return 0;
}

int domctl_setdomainhandle(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	LOCK_SCOPE(&d->lock);
	memcpy(d->handle, op->u.setdomainhandle.handle, sizeof(d->handle));
	return 0;
}

int domctl_set_address_size(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	return op->u.address_size.size == 64 ? 0 : err(EINVAL);
}

int domctl_get_address_size(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	op->u.address_size.size = 64;
	return 0;
}

/* ---------------------------------------------------------------- whom it tells, what it may */

int domctl_subscribe(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	atomic_store(&d->suspend_port, op->u.subscribe.port);
	return 0;
}

int domctl_set_virq_handler(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	return evtchn_virq_handler_set(d, op->u.set_virq_handler.virq);
}

/* Nobody gives what he has not. */
static int permit(struct domain *d, struct rangeset *set, const struct rangeset *has, u64 first,
		  u64 count, bool allow)
{
	u64 last = first + count - 1;

	if (allow && (count == 0 || !rangeset_contains(has, first, last)))
		return err(EPERM);
	if (count == 0 || last < first)
		return err(EINVAL);
	LOCK_SCOPE(&d->lock);
	return allow ? rangeset_add(set, first, last) : rangeset_remove(set, first, last);
}

int domctl_irq_permission(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	const struct xen_domctl_irq_permission *p = &op->u.irq_permission;

	if (p->pirq >= irq_pirq_count(v->domain))
		return err(EINVAL);
	return permit(d, d->irq_allowed, v->domain->irq_allowed, p->pirq, 1, p->allow_access);
}

int domctl_iomem_permission(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	const struct xen_domctl_iomem_permission *p = &op->u.iomem_permission;

	if (p->first_mfn + p->nr_mfns - 1 < p->first_mfn)
		return err(EINVAL);
	return permit(d, d->iomem_allowed, v->domain->iomem_allowed, p->first_mfn, p->nr_mfns,
		      p->allow_access);
}

int domctl_ioport_permission(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	const struct xen_domctl_ioport_permission *p = &op->u.ioport_permission;
	int rc;

	if (p->first_port + (u64)p->nr_ports > 65536)
		return err(EINVAL);
	rc = permit(d, d->ioport_allowed, v->domain->ioport_allowed, p->first_port, p->nr_ports,
		    p->allow_access);
	pv_ports_changed(d);
	return rc;
}

int domctl_settimeoffset(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	d->time_offset_s = op->u.settimeoffset.time_offset_seconds;
	time_wallclock_publish(d);
	return 0;
}

/* ---------------------------------------------------------------- the table */

/* A call, or the error that Xen has where there is no such device or guest; neither: -ENOSYS. */
struct row {
	domctl_fn fn;
	domctl_vcpu_fn vcpu_fn;
	int error;
	bool other_only;
	const char *text;
};

static int nothing(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	return 0;
}

static const struct row table[] = {
#define ANY(name)   [XEN_DOMCTL_##name] = {.fn = domctl_##name, .text = #name},
#define OTHER(name) [XEN_DOMCTL_##name] = {.fn = domctl_##name, .other_only = true, .text = #name},
#define VCPU(name) \
	[XEN_DOMCTL_##name] = {.vcpu_fn = domctl_##name, .other_only = true, .text = #name},
#define NOTHING(name) [XEN_DOMCTL_##name] = {.fn = nothing, .text = #name}
#define NO(name, why) [XEN_DOMCTL_##name] = {.error = (why), .text = #name}
	[XEN_DOMCTL_createdomain] = {.text = "createdomain"},
	NOTHING(setdebugging),
	NOTHING(memory_mapping),
	NOTHING(set_access_required),
	NO(gethvmcontext, EINVAL),
	NO(sethvmcontext, EINVAL),
	NO(gethvmcontext_partial, EINVAL),
	NO(assign_device, EOPNOTSUPP),
	NO(test_assign_device, EOPNOTSUPP),
	NO(deassign_device, EOPNOTSUPP),
	NO(get_device_group, EOPNOTSUPP),
	NO(bind_pt_irq, EINVAL),
	NO(unbind_pt_irq, EINVAL),
	NO(ioport_mapping, EOPNOTSUPP),
	NO(set_target, EOPNOTSUPP),
	NO(debug_op, EINVAL),
	NO(vm_event_op, EINVAL),
	NO(set_broken_page_p2m, EINVAL),
	NO(setvnumainfo, EOPNOTSUPP),
	NO(psr_cmt_op, ENODEV),
	NO(psr_alloc, ENODEV),
	NO(soft_reset, EINVAL),
	NO(monitor_op, EOPNOTSUPP),
	NO(vmtrace_op, EINVAL),
	NO(get_paging_mempool_size, EOPNOTSUPP),
	NO(set_paging_mempool_size, EOPNOTSUPP),
	DOMCTL_LIST(ANY, OTHER, VCPU)
#undef ANY
};

_Static_assert(offsetof(struct xen_domctl_vcpucontext, vcpu) == 0 &&
		       offsetof(struct xen_domctl_ext_vcpucontext, vcpu) == 0 &&
		       offsetof(struct xen_domctl_vcpuextstate, vcpu) == 0 &&
		       offsetof(struct xen_domctl_vcpu_msrs, vcpu) == 0,
	       "one place for the vCPU's number");

static int vcpu_act(const struct row *row, struct domain *d, struct xen_domctl *op)
{
	struct vcpu *target = domain_vcpu(d, op->u.vcpucontext.vcpu);
	int rc;

	if (target == NULL)
		return err(ESRCH);
	vcpu_pause(target);
	rc = row->vcpu_fn(target, op);
	vcpu_unpause(target);
	return rc;
}

static int row_act(const struct row *row, struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	if (row->other_only && d == v->domain)
		return err(EINVAL);
	if (row->vcpu_fn != NULL)
		return vcpu_act(row, d, op);
	return row->fn != NULL ? row->fn(v, d, op) : err(row->error != 0 ? row->error : ENOSYS);
}

static struct domain *domain_find(const struct vcpu *v, const struct xen_domctl *op)
{
	/* getdomaininfo also finds the next domain, if that number is not in use: how tools list domains. */
	if (op->cmd == XEN_DOMCTL_getdomaininfo)
		return domain_get_next(op->domain);
	return domain_get_by_id(op->domain == DOMID_SELF ? v->domain->id : op->domain);
}

static struct row row_find(u32 cmd)
{
	struct row row = {0};

	if (cmd < ARRAY_SIZE(table))
		row = table[idx_nospec(cmd, ARRAY_SIZE(table))];
	if (row.text == NULL)
		row.text = "unknown";
	return row;
}

static int act(struct vcpu *v, struct xen_domctl *op)
{
	struct row row = row_find(op->cmd);
	int rc;

	if (op->cmd == XEN_DOMCTL_createdomain)
		return createdomain(op);
	DOMAIN_REF d = domain_find(v, op);
	if (d == NULL)
		return err(ESRCH);
	/* Not a lock: a call copies to and from its caller, and may be cut short. Who comes second comes again. */
	if (atomic_exchange(&d->is_in_domctl, true))
		return -ERESTART;
	rc = row_act(&row, v, d, op);
	atomic_store(&d->is_in_domctl, false);
	return rc;
}

int do_domctl(struct vcpu *v, struct hcall_args *args)
{
	struct xen_domctl op;
	int rc = subop_tool_begin(v, args, &op, sizeof(op), XEN_DOMCTL_INTERFACE_VERSION);

	if (rc != 0)
		return rc;
	rc = act(v, &op);
	/* The end of the list of domains is no failure. */
	if (rc < 0 && rc != -ERESTART && op.cmd == XEN_DOMCTL_createdomain)
		log_debug("d%u: domctl %u (createdomain) makes no domain of %u vCPUs: %d",
			  v->domain->id, op.cmd, op.u.createdomain.max_vcpus, rc);
	else if (rc < 0 && rc != -ERESTART && op.cmd != XEN_DOMCTL_getdomaininfo)
		log_debug("d%u: domctl %u (%s) on d%u fails: %d", v->domain->id, op.cmd,
			  row_find(op.cmd).text, op.domain, rc);
	if (rc != -ERESTART && guest_put(gva_make(args->a[0]), op) != 0)
		rc = err(EFAULT);
	return rc;
}

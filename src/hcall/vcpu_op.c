/* SPDX-License-Identifier: MIT */
/*
 * vcpu_op and set_timer_op: vCPUs come and go, their clocks, timers and shared areas. Reached from the hypercall table;
 * calls pv, sched, time, evtchn. Locks: the domain's around "is any other vCPU up".
 */
#include "domain/domain.h"
#include "evtchn/evtchn.h"
#include "hcall/subop.h"
#include "hw/acpi.h"
#include "hw/lapic.h"
#include "hw/mem.h"
#include "mm/mm.h"
#include "pv/pv.h"
#include "sched/sched.h"
#include "time/time.h"

/* The context is copied once; five kilobytes are too many for the stack. */
static int initialise_copied(struct vcpu *target, gva_t arg)
{
	HEAP_SCOPE struct vcpu_guest_context *ctx = heap_alloc(sizeof(*ctx));
	int rc;

	if (ctx == NULL)
		return err(ENOMEM);
	rc = guest_get(*ctx, arg) ?: pv_context_set(target, ctx);
	if (rc == 0) {
		time_vcpu_update(target);
		time_vcpu_start(target);
		atomic_store(&target->is_initialised, true);
	}
	return rc;
}

static int initialise(struct vcpu *v, struct subop *op)
{
	struct vcpu *target = op->target;
	int rc;

	if (atomic_exchange(&target->is_in_initialise, true))
		return -ERESTART; /* another vCPU is at it */
	if (atomic_load(&target->is_initialised))
		rc = err(EEXIST);
	else
		rc = initialise_copied(target, op->at);
	atomic_store(&target->is_in_initialise, false);
	return rc;
}

static int up(struct vcpu *v, struct subop *op)
{
	if (!atomic_load(&op->target->is_initialised))
		return err(EINVAL);
	if (atomic_exchange(&op->target->is_down, false))
		vcpu_wake(op->target);
	return 0;
}

/* A domain whose last vCPU goes down can never come back: it has powered itself off. */
static int down(struct vcpu *v, struct subop *op)
{
	struct domain *d = v->domain;
	bool is_last = true;
	struct vcpu *other;

	{
		LOCK_SCOPE(&d->lock);
		for_each_vcpu(d, other)
			if (other != op->target && !atomic_load(&other->is_down))
				is_last = false;
		if (!is_last)
			atomic_store(&op->target->is_down, true);
	}
	if (is_last)
		domain_shutdown(d, SHUTDOWN_poweroff);
	else
		vcpu_sleep_nosync(op->target);
	return 0;
}

static int is_up(struct vcpu *v, struct subop *op)
{
	op->args->result = !atomic_load(&op->target->is_down);
	return 0;
}

static int runstate_get(struct vcpu *v, struct subop *op)
{
	op->arg.runstate = (struct vcpu_runstate_info){0};
	sched_runstate_get(op->target, &op->arg.runstate);
	return 0;
}

/* The area gets a first content at once, by the caller's page tables, which are the domain's. */
static int runstate_register(struct vcpu *v, struct subop *op)
{
	const gva_t at = gva_make(op->arg.runstate_area.addr.p);
	struct vcpu_runstate_info info = {0};

	sched_runstate_get(op->target, &info);
	if (at.g != 0 && guest_put(at, info) != 0)
		return err(EFAULT);
	sched_runstate_register(op->target, at);
	return 0;
}

static int time_area_register(struct vcpu *v, struct subop *op)
{
	time_vcpu_area_register(op->target, gva_make(op->arg.time_area.addr.p));
	if (time_vcpu_publish(op->target) != 0) {
		time_vcpu_area_register(op->target, gva_make(0));
		return err(EFAULT);
	}
	return 0;
}

static int periodic_set(struct vcpu *v, struct subop *op)
{
	return time_periodic_set(op->target, op->arg.periodic.period_ns);
}

static int periodic_stop(struct vcpu *v, struct subop *op)
{
	time_periodic_stop(op->target);
	return 0;
}

static int singleshot_set(struct vcpu *v, struct subop *op)
{
	const struct vcpu_set_singleshot_timer *set = &op->arg.singleshot;

	return time_singleshot_set(v, set->timeout_abs_ns,
				   (set->flags & VCPU_SSHOTTMR_future) != 0);
}

static int singleshot_stop(struct vcpu *v, struct subop *op)
{
	time_singleshot_stop(v);
	return 0;
}

static int info_register(struct vcpu *v, struct subop *op)
{
	struct vcpu *target = op->target;
	int rc;

	if (v != target && !atomic_load(&target->is_down))
		return err(EBUSY);
	/* Taken down a moment ago, by a kernel that resumes, and not off its CPU yet. */
	if (v != target && atomic_load(&target->is_running))
		return -ERESTART;
	rc = evtchn_vcpu_info_place(target, mfn_make(op->arg.vcpu_info.mfn),
				    op->arg.vcpu_info.offset);
	/* Another one finds out when it is loaded: it may have come up meanwhile, and these are its CPU's then. */
	if (rc == 0 && v == target) {
		time_vcpu_update(v);
		pv_entry_refresh(v);
	}
	return rc;
}

static int send_nmi(struct vcpu *v, struct subop *op)
{
	pv_nmi_send(op->target);
	return 0;
}

static int physid_get(struct vcpu *v, struct subop *op)
{
	u32 apic_id, acpi_id = 0xff;

	if (!v->domain->is_hardware || !sched_is_pinned(op->target))
		return err(EINVAL);
	apic_id = hw_cpu_apic_id[atomic_load(&op->target->cpu)];
	for (unsigned int i = 0; i < hw_acpi.cpu_count; i++)
		if (hw_acpi.cpus[i].apic_id == apic_id)
			acpi_id = hw_acpi.cpus[i].acpi_id;
	op->arg.physid.phys_id = (u64)acpi_id << 32 | apic_id;
	return 0;
}

static const struct subop_row rows[] = {
	[VCPUOP_initialise] = {.fn = initialise},
	[VCPUOP_up] = {.fn = up},
	[VCPUOP_down] = {.fn = down},
	[VCPUOP_is_up] = {.fn = is_up},
	[VCPUOP_get_runstate_info] = {.fn = runstate_get, OUT(runstate)},
	[VCPUOP_register_runstate_memory_area] = {.fn = runstate_register, IN(runstate_area)},
	[VCPUOP_set_periodic_timer] = {.fn = periodic_set, IN(periodic)},
	[VCPUOP_stop_periodic_timer] = {.fn = periodic_stop},
	[VCPUOP_set_singleshot_timer] = {.fn = singleshot_set, IN(singleshot), .rights = SUBOP_OWN},
	[VCPUOP_stop_singleshot_timer] = {.fn = singleshot_stop, .rights = SUBOP_OWN},
	[VCPUOP_register_vcpu_info] = {.fn = info_register, IN(vcpu_info)},
	[VCPUOP_send_nmi] = {.fn = send_nmi},
	[VCPUOP_get_physid] = {.fn = physid_get, OUT(physid)},
	[VCPUOP_register_vcpu_time_memory_area] = {.fn = time_area_register, IN(time_area)},
};

/* (cmd, vcpu, arg) */
int do_vcpu_op(struct vcpu *v, struct hcall_args *args)
{
	struct subop op;

	op.cmd = (u32)args->a[0];
	op.at = gva_make(args->a[2]);
	op.args = args;
	op.target = domain_vcpu(v->domain, (u32)args->a[1]);
	return op.target != NULL ? subop_do(v, rows, ARRAY_SIZE(rows), &op) : err(ENOENT);
}

/* (timeout): absolute system time; 0 stops. The same timer as the single-shot one. */
int do_set_timer_op(struct vcpu *v, struct hcall_args *args)
{
	time_timer_op(v, args->a[0]);
	return 0;
}

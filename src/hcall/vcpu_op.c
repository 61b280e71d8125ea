/* SPDX-License-Identifier: MIT */
/*
 * vcpu_op and set_timer_op: vCPUs come and go, their clocks, timers and shared areas. Reached from the hypercall table;
 * calls pv, sched, time, evtchn. Locks: the domain's around "is any other vCPU up".
 */
#include "domain/domain.h"
#include "evtchn/evtchn.h"
#include "hcall/hcall.h"
#include "hw/acpi.h"
#include "hw/ipi.h"
#include "hw/mem.h"
#include "mm/mm.h"
#include "pv/pv.h"
#include "sched/sched.h"
#include "time/time.h"

/* The context is copied once; five kilobytes are too many for the stack. */
static int initialise_copied(struct vcpu *target, gva_t arg)
{
	struct vcpu_guest_context *ctx = heap_alloc(sizeof(*ctx));
	int rc;

	if (ctx == NULL)
		return err(ENOMEM);
	if (hw_copy_from_guest(ctx, arg, sizeof(*ctx)) != 0)
		rc = err(EFAULT);
	else
		rc = pv_context_set(target, ctx);
	heap_free(ctx);
	if (rc == 0) {
		time_vcpu_update(target);
		time_vcpu_start(target);
		atomic_store(&target->is_initialised, true);
	}
	return rc;
}

static int initialise(struct vcpu *target, gva_t arg)
{
	int rc;

	if (atomic_exchange(&target->is_in_initialise, true))
		return -ERESTART; /* another vCPU is at it */
	if (atomic_load(&target->is_initialised))
		rc = err(EEXIST);
	else
		rc = initialise_copied(target, arg);
	atomic_store(&target->is_in_initialise, false);
	return rc;
}

static int up(struct vcpu *target)
{
	if (!atomic_load(&target->is_initialised))
		return err(EINVAL);
	if (atomic_exchange(&target->is_down, false))
		vcpu_wake(target);
	return 0;
}

/* A domain whose last vCPU goes down can never come back: it has powered itself off. */
static int down(struct vcpu *target)
{
	struct domain *d = target->domain;
	bool is_last = true;
	struct vcpu *v;

	lock_acquire(&d->lock);
	for_each_vcpu(d, v)
		if (v != target && !atomic_load(&v->is_down))
			is_last = false;
	if (!is_last)
		atomic_store(&target->is_down, true);
	lock_release(&d->lock);
	if (is_last)
		domain_shutdown(d, SHUTDOWN_poweroff);
	else
		vcpu_sleep_nosync(target);
	return 0;
}

static int runstate_get(struct vcpu *target, gva_t arg)
{
	struct vcpu_runstate_info info = {0};

	sched_runstate_get(target, &info);
	return hw_copy_to_guest(arg, &info, sizeof(info)) != 0 ? err(EFAULT) : 0;
}

/* The area gets a first content at once, by the caller's page tables, which are the domain's. */
static int runstate_register(struct vcpu *target, gva_t arg)
{
	struct vcpu_register_runstate_memory_area area;

	if (hw_copy_from_guest(&area, arg, sizeof(area)) != 0)
		return err(EFAULT);
	if (area.addr.p != 0) {
		int rc = runstate_get(target, gva_make(area.addr.p));

		if (rc != 0)
			return rc;
	}
	sched_runstate_register(target, gva_make(area.addr.p));
	return 0;
}

static int time_area_register(struct vcpu *target, gva_t arg)
{
	struct vcpu_register_time_memory_area area;

	if (hw_copy_from_guest(&area, arg, sizeof(area)) != 0)
		return err(EFAULT);
	time_vcpu_area_register(target, gva_make(area.addr.p));
	if (time_vcpu_publish(target) != 0) {
		time_vcpu_area_register(target, gva_make(0));
		return err(EFAULT);
	}
	return 0;
}

static int periodic_set(struct vcpu *target, gva_t arg)
{
	struct vcpu_set_periodic_timer set;

	if (hw_copy_from_guest(&set, arg, sizeof(set)) != 0)
		return err(EFAULT);
	return time_periodic_set(target, set.period_ns);
}

static int singleshot_set(struct vcpu *v, struct vcpu *target, gva_t arg)
{
	struct vcpu_set_singleshot_timer set;

	if (v != target)
		return err(EINVAL);
	if (hw_copy_from_guest(&set, arg, sizeof(set)) != 0)
		return err(EFAULT);
	return time_singleshot_set(v, set.timeout_abs_ns, (set.flags & VCPU_SSHOTTMR_future) != 0);
}

static int singleshot_stop(struct vcpu *v, struct vcpu *target)
{
	if (v != target)
		return err(EINVAL);
	time_singleshot_stop(v);
	return 0;
}

static int info_register(struct vcpu *v, struct vcpu *target, gva_t arg)
{
	struct vcpu_register_vcpu_info reg;
	int rc;

	if (hw_copy_from_guest(&reg, arg, sizeof(reg)) != 0)
		return err(EFAULT);
	if (v != target && !atomic_load(&target->is_down))
		return err(EBUSY);
	/* Taken down a moment ago, by a kernel that resumes, and not off its CPU yet. */
	if (v != target && atomic_load(&target->is_running))
		return -ERESTART;
	rc = evtchn_vcpu_info_place(target, mfn_make(reg.mfn), reg.offset);
	if (rc == 0) {
		time_vcpu_update(target);
		pv_entry_refresh(target);
	}
	return rc;
}

static int physid_get(struct vcpu *target, gva_t arg)
{
	struct vcpu_get_physid physid;
	u32 apic_id, acpi_id = 0xff;

	if (!target->domain->is_hardware || !sched_is_pinned(target))
		return err(EINVAL);
	apic_id = hw_cpu_apic_id[atomic_load(&target->cpu)];
	for (unsigned int i = 0; i < hw_acpi.cpu_count; i++)
		if (hw_acpi.cpus[i].apic_id == apic_id)
			acpi_id = hw_acpi.cpus[i].acpi_id;
	physid.phys_id = (u64)acpi_id << 32 | apic_id;
	return hw_copy_to_guest(arg, &physid, sizeof(physid)) != 0 ? err(EFAULT) : 0;
}

/* Timers and areas; the rest is in do_vcpu_op(). */
static int clock_op(struct vcpu *v, struct vcpu *target, u32 cmd, gva_t arg)
{
	switch (cmd) {
	case VCPUOP_set_periodic_timer:
		return periodic_set(target, arg);
	case VCPUOP_stop_periodic_timer:
		time_periodic_stop(target);
		return 0;
	case VCPUOP_set_singleshot_timer:
		return singleshot_set(v, target, arg);
	case VCPUOP_stop_singleshot_timer:
		return singleshot_stop(v, target);
	case VCPUOP_register_vcpu_time_memory_area:
		return time_area_register(target, arg);
	default:
		return err(ENOSYS);
	}
}

/* (cmd, vcpu, arg) */
int do_vcpu_op(struct vcpu *v, struct hcall_args *args)
{
	struct vcpu *target = domain_vcpu(v->domain, (u32)args->a[1]);
	u32 cmd = (u32)args->a[0];
	gva_t arg = gva_make(args->a[2]);

	args->result = 0;
	if (target == NULL)
		return err(ENOENT);
	switch (cmd) {
	case VCPUOP_initialise:
		return initialise(target, arg);
	case VCPUOP_up:
		return up(target);
	case VCPUOP_down:
		return down(target);
	case VCPUOP_is_up:
		args->result = !atomic_load(&target->is_down);
		return 0;
	case VCPUOP_get_runstate_info:
		return runstate_get(target, arg);
	case VCPUOP_register_runstate_memory_area:
		return runstate_register(target, arg);
	case VCPUOP_register_vcpu_info:
		return info_register(v, target, arg);
	case VCPUOP_send_nmi:
		pv_nmi_send(target);
		return 0;
	case VCPUOP_get_physid:
		return physid_get(target, arg);
	default:
		return clock_op(v, target, cmd, arg);
	}
}

/* (timeout): absolute system time; 0 stops. The same timer as the single-shot one. */
int do_set_timer_op(struct vcpu *v, struct hcall_args *args)
{
	args->result = 0;
	time_timer_op(v, args->a[0]);
	return 0;
}

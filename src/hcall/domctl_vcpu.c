/* SPDX-License-Identifier: MIT */
/*
 * Tool calls about one vCPU: its context, extended state and registers, what it is doing. Reached from domctl.c, which pauses
 * a vCPU whose state is looked at; calls pv, sched. No lock.
 */
#include "evtchn/evtchn.h"
#include "hcall/tool.h"
#include "hw/features.h"
#include "hw/mem.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "policy/policy.h"
#include "pv/pv.h"
#include "sched/sched.h"
#include "time/time.h"

int domctl_getvcpuinfo(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	struct xen_domctl_getvcpuinfo *info = &op->u.getvcpuinfo;
	struct vcpu *target = domain_vcpu(d, info->vcpu);
	struct vcpu_runstate_info runstate = {0};

	if (target == NULL)
		return err(ESRCH);
	sched_runstate_get(target, &runstate);
	info->online = !atomic_load(&target->is_down);
	info->blocked = runstate.state == RUNSTATE_blocked;
	info->running = runstate.state == RUNSTATE_running;
	info->cpu_time = runstate.time[RUNSTATE_running];
	info->cpu = atomic_load(&target->cpu);
	return 0;
}

static int context_set(struct vcpu *target, const struct vcpu_guest_context *ctx)
{
	int rc;

	if (atomic_load(&target->domain->is_dying))
		return err(EINVAL);
	if (atomic_exchange(&target->is_in_initialise, true))
		return -ERESTART; /* another vCPU of its domain is at it */
	rc = pv_context_set(target, ctx);
	if (rc == 0 && !atomic_exchange(&target->is_initialised, true)) {
		if (target->id == 0) {
			atomic_store(&target->domain->vm_assist, ctx->vm_assist & VM_ASSIST_KNOWN);
			time_wallclock_publish(target->domain); /* tools clear that page */
		}
		time_vcpu_update(target);
		time_vcpu_start(target);
	}
	if (rc == 0)
		atomic_store(&target->is_down, (ctx->flags & VGCF_online) == 0);
	atomic_store(&target->is_in_initialise, false);
	return rc;
}

/* Without a context: the vCPU is as it was before it had one. */
static int reset(struct vcpu *target)
{
	atomic_store(&target->is_down, true);
	atomic_store(&target->is_initialised, false);
	vcpu_poll_abort(target); /* whatever it waited for */
	return 0;
}

int domctl_setvcpucontext(struct vcpu *target, struct xen_domctl *op)
{
	HEAP_SCOPE struct vcpu_guest_context *ctx = heap_alloc(sizeof(*ctx));
	gva_t at = guest_at(op->u.vcpucontext.ctxt, 0);

	if (at.g == 0)
		return reset(target);
	if (ctx == NULL)
		return err(ENOMEM);
	return guest_get(*ctx, at) ?: context_set(target, ctx);
}

int domctl_getvcpucontext(struct vcpu *target, struct xen_domctl *op)
{
	HEAP_SCOPE struct vcpu_guest_context *ctx = heap_alloc(sizeof(*ctx));

	if (!atomic_load(&target->is_initialised))
		return err(ENODATA);
	if (ctx == NULL)
		return err(ENOMEM);
	pv_context_get(target, ctx);
	return guest_put(guest_at(op->u.vcpucontext.ctxt, 0), *ctx);
}

/* SYSENTER is not offered; the rest of this old form is the 32-bit system call. */
int domctl_get_ext_vcpucontext(struct vcpu *target, struct xen_domctl *op)
{
	struct xen_domctl_ext_vcpucontext *ext = &op->u.ext_vcpucontext;

	*ext = (struct xen_domctl_ext_vcpucontext){
		.vcpu = target->id,
		.size = sizeof(*ext),
		.syscall32_callback_eip = target->pv->syscall32.rip,
		.syscall32_disables_events = target->pv->syscall32.masks_events,
	};
	return 0;
}

int domctl_set_ext_vcpucontext(struct vcpu *target, struct xen_domctl *op)
{
	const struct xen_domctl_ext_vcpucontext *ext = &op->u.ext_vcpucontext;

	if (ext->size < offsetof(struct xen_domctl_ext_vcpucontext, mcg_cap) ||
	    (u64)((s64)(ext->syscall32_callback_eip << 16) >> 16) != ext->syscall32_callback_eip)
		return err(EINVAL);
	target->pv->syscall32 = (struct pv_callback){ext->syscall32_callback_eip,
						     ext->syscall32_disables_events != 0};
	return 0;
}

/* Without a buffer: how large it has to be, and which components there are: none, and tools save none. */
int domctl_getvcpuextstate(struct vcpu *target, struct xen_domctl *op)
{
	struct xen_domctl_vcpuextstate *ext = &op->u.vcpuextstate;
	HEAP_SCOPE struct pv_xstate *state = heap_alloc(sizeof(*state) + PAGE_SIZE);
	size_t bytes = pv_xstate_bytes(target->domain);

	ext->xfeature_mask = target->domain->policy->xcr0_max;
	if ((u64)ext->buffer.p == 0 || bytes == 0) {
		ext->size = bytes;
		return 0;
	}
	if (ext->size != bytes)
		return err(EINVAL);
	if (state == NULL)
		return err(ENOMEM);
	pv_xstate_get(target, state);
	return hw_copy_to_guest(guest_at(ext->buffer, 0), state, bytes);
}

int domctl_setvcpuextstate(struct vcpu *target, struct xen_domctl *op)
{
	const struct xen_domctl_vcpuextstate *ext = &op->u.vcpuextstate;
	HEAP_SCOPE struct pv_xstate *state = heap_alloc(sizeof(*state) + PAGE_SIZE);

	if (ext->size > sizeof(*state) + PAGE_SIZE)
		return err(EINVAL);
	if (state == NULL)
		return err(ENOMEM);
	return hw_copy_from_guest(state, guest_at(ext->buffer, 0), ext->size)
		       ?: pv_xstate_set(target, state, ext->size);
}

int domctl_sendtrigger(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	struct vcpu *target = domain_vcpu(d, op->u.sendtrigger.vcpu);

	if (target == NULL)
		return err(ESRCH);
	switch (op->u.sendtrigger.trigger) {
	case XEN_DOMCTL_SENDTRIGGER_NMI:
		pv_nmi_send(target);
		return 0;
	case XEN_DOMCTL_SENDTRIGGER_POWER:
	case XEN_DOMCTL_SENDTRIGGER_SLEEP:
		return err(EINVAL);
	default:
		return err(ENOSYS);
	}
}

#define MSR_MISC_FEATURES 0x140u
#define MSR_TSC_AUX	  0xc0000103u
#define VCPU_MSRS_MAX	  2

/* Those that are not 0. */
int domctl_get_vcpu_msrs(struct vcpu *target, struct xen_domctl *op)
{
	struct xen_domctl_vcpu_msrs *arg = &op->u.vcpu_msrs;
	const xen_domctl_vcpu_msr_t msr = {.index = MSR_TSC_AUX, .value = target->pv->tsc_aux};
	u64 at = (u64)arg->msrs.p;
	u32 room = arg->msr_count;

	arg->msr_count = at == 0 ? VCPU_MSRS_MAX : msr.value != 0;
	if (at == 0 || msr.value == 0)
		return 0;
	if (room == 0)
		return err(ENOBUFS);
	return guest_put(gva_make(at), msr);
}

static bool msr_set(struct vcpu *target, const xen_domctl_vcpu_msr_t *msr)
{
	if (msr->reserved != 0 ||
	    policy_wrmsr(target->domain->policy, msr->index, msr->value) == POLICY_MSR_FAULT)
		return false;
	if (msr->index == MSR_TSC_AUX)
		target->pv->tsc_aux = (u32)msr->value;
	return msr->index == MSR_TSC_AUX || msr->index == MSR_MISC_FEATURES;
}

int domctl_set_vcpu_msrs(struct vcpu *target, struct xen_domctl *op)
{
	struct xen_domctl_vcpu_msrs *arg = &op->u.vcpu_msrs;
	u32 count = arg->msr_count;
	int rc = 0;

	for (u32 i = 0; rc == 0 && i < count; i++) {
		xen_domctl_vcpu_msr_t msr = {0};

		if (i < VCPU_MSRS_MAX && guest_get(msr, guest_at(arg->msrs, i)) != 0)
			return err(EFAULT);
		rc = msr_set(target, &msr) ? 0 : err(EINVAL);
		arg->msr_count = rc == 0 ? count : i;
	}
	return rc;
}

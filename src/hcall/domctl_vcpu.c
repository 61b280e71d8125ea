/* SPDX-License-Identifier: MIT */
/*
 * Tool calls about one vCPU: its context, its extended state, what it is doing. Reached from domctl.c; calls pv, sched. No lock: a
 * vCPU whose state is looked at is paused meanwhile.
 */
#include "evtchn/evtchn.h"
#include "hcall/tool.h"
#include "hw/features.h"
#include "hw/mem.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "pv/pv.h"
#include "sched/sched.h"
#include "time/time.h"

/* The vCPU that is named; not the caller's own domain's, which cannot be held still. -EINVAL, -ENOENT. */
static int target_get(const struct vcpu *v, const struct domain *d, u32 id, struct vcpu **target)
{
	if (d == v->domain)
		return err(EINVAL);
	*target = domain_vcpu(d, id);
	return *target != NULL ? 0 : err(ESRCH);
}

int domctl_getvcpuinfo(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	struct xen_domctl_getvcpuinfo *info = &op->u.getvcpuinfo;
	struct vcpu *target = domain_vcpu(d, info->vcpu);
	struct vcpu_runstate_info runstate = {0};

	(void)v;
	if (target == NULL)
		return err(ESRCH);
	sched_runstate_get(target, &runstate);
	info->online = !atomic_load(&target->is_down);
	info->blocked = runstate.state == RUNSTATE_blocked;
	info->running = atomic_load(&target->is_running);
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
	vcpu_pause(target);
	rc = pv_context_set(target, ctx);
	if (rc == 0 && !atomic_exchange(&target->is_initialised, true)) {
		if (target->id == 0)
			atomic_store(&target->domain->vm_assist, ctx->vm_assist & VM_ASSIST_KNOWN);
		time_vcpu_update(target);
		time_vcpu_start(target);
	}
	if (rc == 0)
		atomic_store(&target->is_down, (ctx->flags & VGCF_online) == 0);
	vcpu_unpause(target);
	atomic_store(&target->is_in_initialise, false);
	return rc;
}

/* Without a context: the vCPU is as it was before it had one. */
static int reset(struct vcpu *target)
{
	vcpu_pause(target);
	atomic_store(&target->is_down, true);
	atomic_store(&target->is_initialised, false);
	vcpu_unpause(target);
	return 0;
}

int domctl_setvcpucontext(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	gva_t at = gva_make((u64)op->u.vcpucontext.ctxt.p);
	struct vcpu_guest_context *ctx;
	struct vcpu *target;
	int rc = target_get(v, d, op->u.vcpucontext.vcpu, &target);

	if (rc != 0)
		return rc;
	if (at.g == 0)
		return reset(target);
	ctx = heap_alloc(sizeof(*ctx));
	if (ctx == NULL)
		return err(ENOMEM);
	rc = hw_copy_from_guest(ctx, at, sizeof(*ctx)) != 0 ? err(EFAULT)
							    : context_set(target, ctx);
	heap_free(ctx);
	return rc;
}

int domctl_getvcpucontext(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	struct vcpu_guest_context *ctx;
	struct vcpu *target;
	int rc = target_get(v, d, op->u.vcpucontext.vcpu, &target);

	if (rc != 0)
		return rc;
	if (!atomic_load(&target->is_initialised))
		return err(ENODATA);
	ctx = heap_alloc(sizeof(*ctx));
	if (ctx == NULL)
		return err(ENOMEM);
	vcpu_pause(target);
	pv_context_get(target, ctx);
	vcpu_unpause(target);
	if (hw_copy_to_guest(gva_make((u64)op->u.vcpucontext.ctxt.p), ctx, sizeof(*ctx)) != 0)
		rc = err(EFAULT);
	heap_free(ctx);
	return rc;
}

/* SYSENTER is not offered; the rest of this old form is the 32-bit system call. */
int domctl_get_ext_vcpucontext(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	struct xen_domctl_ext_vcpucontext *ext = &op->u.ext_vcpucontext;
	struct vcpu *target;
	int rc = target_get(v, d, ext->vcpu, &target);

	if (rc != 0)
		return rc;
	*ext = (struct xen_domctl_ext_vcpucontext){
		.vcpu = target->id,
		.size = sizeof(*ext),
		.syscall32_callback_eip = target->pv->syscall32.rip,
		.syscall32_disables_events = target->pv->syscall32.masks_events,
	};
	return 0;
}

int domctl_set_ext_vcpucontext(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	const struct xen_domctl_ext_vcpucontext *ext = &op->u.ext_vcpucontext;
	struct vcpu *target;
	int rc = target_get(v, d, ext->vcpu, &target);

	if (rc != 0)
		return rc;
	if (ext->size < offsetof(struct xen_domctl_ext_vcpucontext, mcg_cap) ||
	    (u64)((s64)(ext->syscall32_callback_eip << 16) >> 16) != ext->syscall32_callback_eip)
		return err(EINVAL);
	vcpu_pause(target);
	target->pv->syscall32 = (struct pv_callback){ext->syscall32_callback_eip,
						     ext->syscall32_disables_events != 0};
	vcpu_unpause(target);
	return 0;
}

/* Without a buffer: how large it has to be, and which components there are: none, and tools save none. */
int domctl_getvcpuextstate(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	struct xen_domctl_vcpuextstate *ext = &op->u.vcpuextstate;
	size_t bytes = pv_xstate_bytes();
	struct pv_xstate *state;
	struct vcpu *target;
	int rc = target_get(v, d, ext->vcpu, &target);

	if (rc != 0)
		return rc;
	ext->xfeature_mask = hw_features.xcr0;
	if ((u64)ext->buffer.p == 0 || bytes == 0) {
		ext->size = bytes;
		return 0;
	}
	if (ext->size != bytes)
		return err(EINVAL);
	state = heap_alloc(bytes);
	if (state == NULL)
		return err(ENOMEM);
	vcpu_pause(target);
	pv_xstate_get(target, state);
	vcpu_unpause(target);
	if (hw_copy_to_guest(gva_make((u64)ext->buffer.p), state, bytes) != 0)
		rc = err(EFAULT);
	heap_free(state);
	return rc;
}

int domctl_setvcpuextstate(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	const struct xen_domctl_vcpuextstate *ext = &op->u.vcpuextstate;
	struct pv_xstate *state;
	struct vcpu *target;
	int rc = target_get(v, d, ext->vcpu, &target);

	if (rc != 0)
		return rc;
	if (ext->size > pv_xstate_bytes())
		return err(EINVAL);
	state = heap_alloc(sizeof(*state) + PAGE_SIZE);
	if (state == NULL)
		return err(ENOMEM);
	if (hw_copy_from_guest(state, gva_make((u64)ext->buffer.p), ext->size) != 0) {
		rc = err(EFAULT);
	} else {
		vcpu_pause(target);
		rc = pv_xstate_set(target, state, ext->size);
		vcpu_unpause(target);
	}
	heap_free(state);
	return rc;
}

int domctl_sendtrigger(struct vcpu *v, struct domain *d, struct xen_domctl *op)
{
	struct vcpu *target = domain_vcpu(d, op->u.sendtrigger.vcpu);

	(void)v;
	if (target == NULL)
		return err(ESRCH);
	if (op->u.sendtrigger.trigger == XEN_DOMCTL_SENDTRIGGER_POWER ||
	    op->u.sendtrigger.trigger == XEN_DOMCTL_SENDTRIGGER_SLEEP)
		return err(EINVAL);
	if (op->u.sendtrigger.trigger != XEN_DOMCTL_SENDTRIGGER_NMI)
		return err(ENOSYS);
	pv_nmi_send(target);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Event channels: ports, who may send on them, and the bits by which a guest learns of an event. Reached from hcall/,
 * domain/, time's and irq's handlers, debug/; calls irq (device interrupts), sched (wake a vCPU) and mm (frames that a
 * guest lends for its control blocks).
 *
 * Sending takes no lock that a hypercall holds, and is safe in interrupt handlers: evtchn_send(), evtchn_*_raise*() and
 * evtchn_port_unmask(). Everything else is for hypercalls, with interrupts on: it takes LOCK_RANK_EVTCHN_A (changes to a pair
 * of ports) and LOCK_RANK_EVTCHN_B (one domain's ports), never with a guest copy inside.
 *
 * -EINVAL without further word: no such port.
 */
#pragma once

#include "core/domain.h"
#include "lib/types.h"

/* ---------------------------------------------------------------- a domain's ports as a whole */

/*
 * Allocates d->evtchn; ports above max_port are refused (~0u: as many as the ABI has). d->shared is set already; each
 * vCPU follows with evtchn_vcpu_init(). -ENOMEM.
 */
int evtchn_domain_init(struct domain *d, u32 max_port);
/* Allocates v->evtchn and gives v->info a first place, masked: shared info, or (vCPU 32 and up) a place nobody sees. */
int evtchn_vcpu_init(struct vcpu *v);
/* d is dying and none of its vCPUs runs: closes its ports, gives back its frames. -ERESTART: call again. */
int evtchn_domain_kill(struct domain *d);
/* The memory, with the domain's last reference (kills first if nobody did). Also after a failed init. */
void evtchn_domain_destroy(struct domain *d);

/* ---------------------------------------------------------------- sending: from anywhere, also interrupt handlers */

/* EVTCHNOP_send on ld's own port: to the other end. 0 also when there is none yet. -EINVAL. */
int evtchn_send(struct domain *ld, u32 port);
/* A per-vCPU VIRQ (timer, debug, profile, PMU); false: v has not bound it. */
bool evtchn_virq_raise_vcpu(struct vcpu *v, u32 virq);
/* A global VIRQ, to the domain that handles it: Domain 0 unless evtchn_virq_handler_set() said otherwise. */
void evtchn_virq_raise_global(u32 virq);
/* What irq/ calls: an irq_guest_fn. */
void evtchn_pirq_raise(struct domain *d, u32 pirq);
/* PHYSDEVOP_eoi under pirq_eoi_gmfn version 1: unmasks the port of a pirq. */
void evtchn_pirq_unmask(struct domain *d, u32 pirq);

/* EVTCHNOP_unmask: clears the mask bit; delivers if it is pending. */
int evtchn_port_unmask(struct domain *d, u32 port);

/* ---------------------------------------------------------------- what a vCPU has to look at */

/* The guest has an upcall to take: pending, whatever its mask says. */
static inline bool evtchn_upcall_pending(const struct vcpu *v)
{
	return atomic_load(&atomic_load(&v->info)->evtchn_upcall_pending) != 0;
}
/* The same, and not masked: to be injected before it runs on. */
static inline bool evtchn_upcall_wanted(const struct vcpu *v)
{
	const struct vcpu_info *info = atomic_load(&v->info);

	return atomic_load(&info->evtchn_upcall_pending) != 0 &&
	       atomic_load(&info->evtchn_upcall_mask) == 0;
}
/* For SCHEDOP_poll, after the poller has made itself known (d->poll_count). False beyond the last port. */
bool evtchn_port_is_pending(struct domain *d, u32 port);
bool evtchn_port_is_valid(struct domain *d, u32 port);

/*
 * VCPUOP_register_vcpu_info: moves v's vcpu_info to a frame of its domain. v is the caller or down. -EINVAL: was moved
 * before, or not a frame that the domain may write; -ENXIO: not aligned, or across the end of the page; -ERESTART.
 * Then pv_entry_refresh(v) is due.
 */
int evtchn_vcpu_info_place(struct vcpu *v, mfn_t mfn, u32 offset);

/* ---------------------------------------------------------------- ports one by one: hypercalls and the domain builder */

/* Common errors: -ENOSPC no port left; -ENOMEM; -EINVAL the domain is dying. *port is written on success only. */
int evtchn_port_alloc_unbound(struct domain *d, domid_t remote, u32 *port);
/* rport of rd is unbound and waits for ld; ld may be rd. Also -EINVAL. */
int evtchn_port_bind_interdomain(struct domain *ld, struct domain *rd, u32 rport, u32 *lport);
/* -EINVAL no such VIRQ, or a global one not on vCPU 0; -ENOENT no such vCPU; -EEXIST bound already. */
int evtchn_virq_bind(struct domain *d, u32 virq, u32 vcpu_id, u32 *port);
int evtchn_ipi_bind(struct domain *d, u32 vcpu_id, u32 *port); /* -ENOENT */
int evtchn_pirq_bind(struct domain *d, u32 pirq, u32 flags,
		     u32 *port); /* -EEXIST, and those of irq_guest_bind() */
int evtchn_port_close(struct domain *d, u32 port);
/* Fills everything but dom and port. */
int evtchn_port_status(struct domain *d, u32 port, struct evtchn_status *status);
int evtchn_port_bind_vcpu(struct domain *d, u32 port,
			  u32 vcpu_id); /* -ENOENT, -EINVAL: bound to its vCPU for good */
int evtchn_port_set_priority(struct domain *d, u32 port,
			     u32 priority); /* -ENOSYS: two-level; -EACCES: closed */
/* Closes all; is_self: also back to the two-level ABI. -ERESTART: call again. */
int evtchn_reset(struct domain *d, bool is_self);
/* Tool call set_virq_handler: d gets the global VIRQ from now on. -EINVAL; -EBUSY. */
int evtchn_virq_handler_set(struct domain *d, u32 virq);

/*
 * The FIFO ABI. -ENOENT no such vCPU; -EINVAL bad place, bad frame, or there is one already; -ENOMEM; -ERESTART.
 */
int evtchn_fifo_init_control(struct domain *d, u32 vcpu_id, mfn_t mfn, u32 offset);
/* One more page of event words. -EOPNOTSUPP: two-level; -ENOSPC: has all. */
int evtchn_fifo_expand_array(struct domain *d, mfn_t mfn);

/* ---------------------------------------------------------------- seeing in */

/* Serial key: one line for each open port. */
void evtchn_print(struct domain *d);
/* Recomputes what can be recomputed; prints and counts findings. Machine quiet. */
unsigned int evtchn_audit(struct domain *d);
/* The frames that d's queues hold by writable references, one after the other; MFN_NONE: no more. For the audit. */
mfn_t evtchn_frame_held(const struct domain *d, u32 idx);

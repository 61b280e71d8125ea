/* SPDX-License-Identifier: MIT */
/*
 * A domain and its vCPUs: what every module must know of them, and opaque pointers to what only one module knows.
 * Reached from everywhere above; calls the locks. A pointer to another domain is held with domain_get_by_id() and given
 * back with domain_put(); the last reference raises WORK_REAP.
 */
#pragma once

#include "core/atomic.h"
#include "core/cpu.h"
#include "core/err.h"
#include "core/lock.h"
#include "lib/abi.h"
#include "lib/types.h"

#define DOMAIN_VCPUS_MAX 128 /* a domain's vCPUs */
#define DOMID_COUNT	 DOMID_FIRST_RESERVED

struct mm_domain; /* mm/mm.h */
struct mm_vcpu;
struct evtchn_domain; /* evtchn/priv.h */
struct evtchn_vcpu;
struct sched_domain; /* sched/sched.h */
struct sched_vcpu;
struct time_vcpu;  /* time/time.h */
struct gnttab;	   /* gnttab/priv.h */
struct irq_domain; /* irq/irq.h */
struct pv_domain;  /* pv/pv.h */
struct pv_vcpu;
struct policy;	 /* policy/policy.h */
struct watchdog; /* domain/watchdog.c */
struct rangeset;

struct vcpu {
	struct domain *domain; /* [c] */
	u32 id;		       /* [c] its number in the domain */
	u32 cpu;	       /* [a] where it runs or ran last; changed only by sched */
	bool is_idle;	       /* [c] a CPU's idle vcpu: domain is idle_domain */
	bool is_initialised;   /* [a] has a context (VCPUOP_initialise) */
	bool is_in_initialise; /* [a] one VCPUOP_initialise at a time */
	bool is_down;	       /* [a] VCPUOP_down or not yet up */
	bool is_running;       /* [a] its registers are on a CPU now */
	u32 pause_count;       /* [a] not runnable while > 0 */

	struct vcpu_info *info; /* [a] in shared info or where the guest put it; never NULL */
	mfn_t info_mfn;		/* [l] domain lock; frame of a registered vcpu_info, or MFN_NONE */

	struct sched_vcpu *sched; /* runstate, run queue, poll */
	struct time_vcpu *time;	  /* singleshot and periodic timers, areas */
	struct evtchn_vcpu *evtchn;
	struct pv_vcpu *pv;
	struct mm_vcpu *mm; /* roots; mm/mm.h */
};

struct domain {
	domid_t id;	    /* [c] */
	u64 serial;	    /* [c] no other domain ever had it, as others may have had the id */
	bool is_privileged; /* [c] Domain 0 */
	bool is_hardware;   /* [c] has the machine's devices */
	bool is_dying;	    /* [a] domain_kill has begun: takes no new references of frames */
	bool is_dead;	    /* [a] domain_kill has ended: only references of others keep it */
	bool is_in_domctl;  /* [a] one tool call at a time changes it */
	bool is_crashed;    /* [a] */
	bool is_shut_down;  /* [a] */
	bool has_run; /* [a] set under the lock: tools let it run once, its CPU policy is fixed */
	u8 shutdown_code; /* [l] SHUTDOWN_* */
	bool is_code_set; /* [l] SCHEDOP_shutdown_code came first: later reasons do not change it */
	u32 refs;	  /* [a] */
	u32 tool_pauses;  /* [l] pauses that tools have asked for */
	u32 suspend_port; /* [a] its port on which a suspend is told; 0: by VIRQ_DOM_EXC as other ends */
	s64 time_offset_s;	    /* [a] of its wall clock */
	u64 nodes;		    /* [a] whose memory tools prefer for it; 0: as they come */
	u32 ssid;		    /* [c] a label that tools keep with it */
	xen_domain_handle_t handle; /* [l] its UUID, for tools */
	struct lock lock;	    /* LOCK_RANK_DOMAIN */
	char crash_reason[128];	    /* first reason; [l] */

	u32 vcpu_max;			      /* [c] */
	struct vcpu *vcpus[DOMAIN_VCPUS_MAX]; /* [c] after creation; NULL beyond vcpu_max */

	struct shared_info
		*shared; /* [a] Mica's page; NULL once the domain is dead and gives it up */
	mfn_t shared_mfn;
	u64 vm_assist; /* [a] bits VMASST_TYPE_* */
	u32 poll_count; /* [a] vCPUs in SCHEDOP_poll: sched counts them before it looks at ports, evtchn tests it */

	struct mm_domain *mm;
	struct evtchn_domain *evtchn;
	struct gnttab *gnttab;
	struct sched_domain *sched; /* weight, cap, pool */
	struct irq_domain *irq;
	struct pv_domain *pv;
	struct policy *policy;
	struct watchdog *watchdog;	 /* [l] domain/watchdog.c; NULL until used */
	struct rangeset *iomem_allowed;	 /* [l] frames of device memory it may map */
	struct rangeset *ioport_allowed; /* [l] ports it may use */
	struct domain *table_next;	 /* [l] of the table's lock */
	struct domain *dead_next;	 /* [c] while nobody refers to it */
	struct rangeset *irq_allowed;	 /* [l] GSIs it may bind */
	struct cpumask dirty_cpus;	 /* [a] CPUs that may hold its translations (lazily too) */
};

extern struct domain *idle_domain; /* [c] its vCPUs are the CPUs' idle vcpus */
extern struct domain *dom0;	   /* [c] after boot */

/* NULL when there is none, or it is dying for good. DOMID_SELF is the caller's to resolve. */
struct domain *domain_get_by_id(domid_t id);
void domain_get(struct domain *d);
void domain_put(struct domain *d);
int domain_list_add(struct domain *d); /* -EEXIST, -EINVAL */
void domain_list_remove(struct domain *d);
/* Next domain with an id >= id, referenced; NULL at the end. */
struct domain *domain_get_next(domid_t id);
/* DOMAIN_REF d = domain_get_by_id(id): put at the end of its block, however that is left; NULL is fine. */
#define DOMAIN_REF AT_EXIT(domain_ref_end) struct domain *
static inline void domain_ref_end(struct domain *const *d)
{
	if (*d != NULL)
		domain_put(*d);
}
static inline struct domain *domain_after(struct domain *d)
{
	DOMAIN_REF before = d;

	return domain_get_next((domid_t)(before->id + 1));
}
/* Each domain in turn, which is referenced meanwhile. */
#define for_each_domain(d) for (DOMAIN_REF d = domain_get_next(0); (d) != NULL; d = domain_after(d))
/* One that nobody refers to any more, once: the caller's to free, and still on the list. NULL: none. */
struct domain *domain_take_dead(void);

/* The end of this guest: the first reason is kept and printed, its vCPUs stop. The caller returns at once. */
void domain_crash(struct domain *d, const char *format, ...) PRINTF_LIKE(2, 3);

static inline struct vcpu *domain_vcpu(const struct domain *d, u64 id)
{
	return id < d->vcpu_max ? d->vcpus[idx_nospec(id, DOMAIN_VCPUS_MAX)] : NULL;
}

#define for_each_vcpu(d, v)                                       \
	for (u32 v##_idx = 0; v##_idx < (d)->vcpu_max; v##_idx++) \
		if (((v) = (d)->vcpus[v##_idx]) != NULL)

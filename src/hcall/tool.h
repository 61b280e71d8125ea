/* SPDX-License-Identifier: MIT */
/*
 * Tool calls about one domain (domctl) or the machine (sysctl): what domctl.c's and sysctl.c's tables hold, by the files
 * where it is.
 */
#pragma once

#include "core/domain.h"
#include "hcall/hcall.h"

/*
 * ANY domain or only an OTHER than the caller's (-EINVAL), by domctl_<name>(): v: the caller, of a privileged domain; d: the
 * domain named, referenced; *op: copied in, and copied back (so that errors can say where). Also -ERESTART: the whole call
 * comes again, with *op as the guest has it. VCPU: of another domain, the vCPU that *op begins with (-ESRCH), paused.
 */
#define DOMCTL_LIST(ANY, OTHER, VCPU)           \
	OTHER(destroydomain) /* domctl.c */     \
	OTHER(pausedomain)                      \
	ANY(unpausedomain)                      \
	OTHER(resumedomain)                     \
	ANY(getdomaininfo)                      \
	OTHER(max_vcpus)                        \
	ANY(setdomainhandle)                    \
	ANY(subscribe)                          \
	ANY(set_virq_handler)                   \
	ANY(irq_permission)                     \
	ANY(iomem_permission)                   \
	ANY(ioport_permission)                  \
	ANY(settimeoffset)                      \
	ANY(set_address_size)                   \
	ANY(get_address_size)                   \
	ANY(getvcpuinfo) /* domctl_vcpu.c */    \
	VCPU(getvcpucontext)                    \
	VCPU(setvcpucontext)                    \
	VCPU(get_ext_vcpucontext)               \
	VCPU(set_ext_vcpucontext)               \
	VCPU(getvcpuextstate)                   \
	VCPU(setvcpuextstate)                   \
	VCPU(get_vcpu_msrs)                     \
	VCPU(set_vcpu_msrs)                     \
	ANY(sendtrigger)                        \
	ANY(max_mem) /* domctl_memory.c */      \
	ANY(hypercall_init)                     \
	ANY(getpageframeinfo3)                  \
	OTHER(shadow_op)                        \
	ANY(setvcpuaffinity) /* tool_sched.c */ \
	ANY(getvcpuaffinity)                    \
	ANY(setnodeaffinity)                    \
	ANY(getnodeaffinity)                    \
	ANY(scheduler_op)                       \
	ANY(get_cpu_policy) /* tool_policy.c */ \
	OTHER(set_cpu_policy)                   \
	OTHER(gettscinfo)                       \
	OTHER(settscinfo)

typedef int (*domctl_fn)(struct vcpu *v, struct domain *d, struct xen_domctl *op);
typedef int (*domctl_vcpu_fn)(struct vcpu *target, struct xen_domctl *op);
#define DECLARE(name)	   int domctl_##name(struct vcpu *v, struct domain *d, struct xen_domctl *op);
#define DECLARE_VCPU(name) int domctl_##name(struct vcpu *target, struct xen_domctl *op);
DOMCTL_LIST(DECLARE, DECLARE, DECLARE_VCPU)
#undef DECLARE
#undef DECLARE_VCPU

/* By sysctl_<name>(): v: the caller; *op: copied in and back. Also -ERESTART, as above. */
#define SYSCTL_LIST(ROW)                        \
	ROW(readconsole) /* sysctl.c */         \
	ROW(physinfo)                           \
	ROW(getdomaininfolist)                  \
	ROW(availheap)                          \
	ROW(cputopoinfo)                        \
	ROW(numainfo)                           \
	ROW(debug_keys)                         \
	ROW(perfc_op)                           \
	ROW(cpu_hotplug)                        \
	ROW(pcitopoinfo)                        \
	ROW(get_cpu_policy) /* tool_policy.c */ \
	ROW(get_cpu_featureset)                 \
	ROW(get_cpu_levelling_caps)             \
	ROW(sched_id) /* tool_sched.c */        \
	ROW(cpupool_op)                         \
	ROW(scheduler_op)                       \
	ROW(getcpuinfo)

typedef int (*sysctl_fn)(struct vcpu *v, struct xen_sysctl *op);
#define DECLARE(name) int sysctl_##name(struct vcpu *v, struct xen_sysctl *op);
SYSCTL_LIST(DECLARE)
#undef DECLARE

/* XEN_DOMCTL_getdomaininfo's answer; a snapshot, each field by itself. */
void tool_domain_info(struct domain *d, struct xen_domctl_getdomaininfo *info);

/* A set of `bits` things; bits that the guest's map has not got, or has in excess, are 0. -EFAULT, -EINVAL. */
int tool_mask_get(const struct xenctl_bitmap *map, u64 *mask, u32 bits);
int tool_mask_put(const struct xenctl_bitmap *map, const u64 *mask, u32 bits);

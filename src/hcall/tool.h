/* SPDX-License-Identifier: MIT */
/*
 * Tool calls about one domain (domctl) or the machine (sysctl): a row of domctl.c's or sysctl.c's table each, grouped by files.
 */
#ifndef HCALL_TOOL_H
#define HCALL_TOOL_H

#include "core/domain.h"

/*
 * v: the caller, of a privileged domain; d: the domain named, referenced; *op: copied in, and copied back (so that
 * errors can say where). Also -ERESTART: the whole call comes again, with *op as the guest has it.
 */
typedef int (*domctl_fn)(struct vcpu *v, struct domain *d, struct xen_domctl *op);
#define DOMCTL_FN(name) int domctl_##name(struct vcpu *v, struct domain *d, struct xen_domctl *op)

/* domctl_life.c */
int domctl_createdomain(struct xen_domctl *op);
DOMCTL_FN(destroydomain);
DOMCTL_FN(pausedomain);
DOMCTL_FN(unpausedomain);
DOMCTL_FN(resumedomain);
DOMCTL_FN(getdomaininfo);
DOMCTL_FN(max_vcpus);
DOMCTL_FN(setdomainhandle);
DOMCTL_FN(subscribe);
DOMCTL_FN(set_virq_handler);
DOMCTL_FN(irq_permission);
DOMCTL_FN(iomem_permission);
DOMCTL_FN(ioport_permission);
DOMCTL_FN(settimeoffset);
DOMCTL_FN(set_address_size);
DOMCTL_FN(get_address_size);
DOMCTL_FN(nothing);
/* domctl_vcpu.c */
DOMCTL_FN(getvcpuinfo);
DOMCTL_FN(getvcpucontext);
DOMCTL_FN(setvcpucontext);
DOMCTL_FN(get_ext_vcpucontext);
DOMCTL_FN(set_ext_vcpucontext);
DOMCTL_FN(getvcpuextstate);
DOMCTL_FN(setvcpuextstate);
DOMCTL_FN(sendtrigger);
/* domctl_memory.c */
DOMCTL_FN(max_mem);
DOMCTL_FN(hypercall_init);
DOMCTL_FN(getpageframeinfo3);
DOMCTL_FN(shadow_op);
/* domctl_sched.c */
DOMCTL_FN(setvcpuaffinity);
DOMCTL_FN(getvcpuaffinity);
DOMCTL_FN(setnodeaffinity);
DOMCTL_FN(getnodeaffinity);
DOMCTL_FN(scheduler_op);

/* domctl_policy.c */
DOMCTL_FN(get_cpu_policy);
DOMCTL_FN(set_cpu_policy);
DOMCTL_FN(gettscinfo);
DOMCTL_FN(settscinfo);
DOMCTL_FN(get_vcpu_msrs);
DOMCTL_FN(set_vcpu_msrs);

/* v: the caller; *op: copied in and back. Also -ERESTART, as above. */
typedef int (*sysctl_fn)(struct vcpu *v, struct xen_sysctl *op);
#define SYSCTL_FN(name) int sysctl_##name(struct vcpu *v, struct xen_sysctl *op)

/* sysctl_info.c */
SYSCTL_FN(readconsole);
SYSCTL_FN(physinfo);
SYSCTL_FN(getdomaininfolist);
SYSCTL_FN(availheap);
SYSCTL_FN(cputopoinfo);
SYSCTL_FN(numainfo);
SYSCTL_FN(debug_keys);
SYSCTL_FN(cpu_hotplug);
SYSCTL_FN(pcitopoinfo);
/* sysctl_policy.c */
SYSCTL_FN(get_cpu_policy);
SYSCTL_FN(get_cpu_featureset);
SYSCTL_FN(get_cpu_levelling_caps);
/* sysctl_sched.c */
SYSCTL_FN(sched_id);
SYSCTL_FN(cpupool_op);
SYSCTL_FN(scheduler_op);
SYSCTL_FN(getcpuinfo);

struct policy;
/* A policy in the public form; a gva of 0: only how many there may be. -ENOBUFS: *count is too small. -EFAULT. */
int tool_policy_get(const struct policy *policy, u32 *leaf_count, u64 leaf_gva, u32 *msr_count,
		    u64 msr_gva);

/* XEN_DOMCTL_getdomaininfo's answer; a snapshot, each field by itself. */
void tool_domain_info(struct domain *d, struct xen_domctl_getdomaininfo *info);

/* A set of `bits` things; bits that the guest's map has not got, or has in excess, are 0. -EFAULT, -EINVAL. */
int tool_mask_get(const struct xenctl_bitmap *map, u64 *mask, u32 bits);
int tool_mask_put(const struct xenctl_bitmap *map, const u64 *mask, u32 bits);

#endif

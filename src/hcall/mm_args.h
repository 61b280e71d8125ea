/* SPDX-License-Identifier: MIT */
/*
 * What the memory hypercalls share: whom a domid means, and reading sets of vCPUs. Included by mmu_op.c, mmuext_op.c,
 * memory_op.c and their helpers.
 */
#ifndef HCALL_MM_ARGS_H
#define HCALL_MM_ARGS_H

#include "core/domain.h"
#include "hcall/subop.h"
#include "lib/types.h"

#define MMU_BATCH_PREEMPTED (1u << 31) /* in count: *done_out already holds earlier successes */

/* Whose frames may be mapped, referenced: also DOMID_IO and, for Domain 0, DOMID_XEN. -EPERM, -ESRCH. */
int mm_args_page_owner(struct vcpu *v, domid_t id, struct domain **d);

/* CPUs on which the vCPUs of a guest's bitmap run or ran last. -EFAULT. */
int mm_args_vcpumask(struct vcpu *v, u64 gva, struct cpumask *mask);

/*
 * The end of a batch: tells the guest how many requests were done, and for -ERESTART rewrites the arguments (a[0] the
 * array, a[1] the count, a[2] done_out) so that the call goes on behind them. done: of this call; before: of earlier ones.
 */
int mm_args_batch_end(struct hcall_args *args, u32 count, u32 done, u32 before,
		      size_t request_bytes, int rc);
/* The beginning of one: count, and what earlier calls did. -EFAULT, -EINVAL. */
int mm_args_batch_begin(const struct hcall_args *args, u32 *count, u32 *before);

/* Of memory_op. */
#define MEMORY_ORDER_MAX 9u
#define MEMORY_EXTENT_SHIFT \
	6u /* a restarted call keeps its progress in the command, above these bits */
int mm_exchange(struct vcpu *v, struct hcall_args *args);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What the memory hypercalls share. Reached from mmu_op.c, mmuext_op.c, memory_op.c; calls core and guest copies. No
 * lock.
 */
#include "hcall/mm_args.h"

#include "core/err.h"
#include "hw/mem.h"
#include "lib/bitmap.h"
#include "mm/mm.h"

int mm_args_page_owner(struct vcpu *v, domid_t id, struct domain **d)
{
	if (id == DOMID_IO) {
		domain_get(mm_io_domain);
		*d = mm_io_domain;
		return 0;
	}
	if (id == DOMID_XEN) {
		if (!v->domain->is_privileged)
			return err(EPERM);
		domain_get(mm_xen_domain);
		*d = mm_xen_domain;
		return 0;
	}
	return subop_domain_quiet(v, id, d);
}

int mm_args_vcpumask(struct vcpu *v, u64 gva, struct cpumask *mask)
{
	u64 vcpus[DOMAIN_VCPUS_MAX / 64] = {0};
	struct vcpu *other;
	int rc;

	*mask = (struct cpumask){{0}};
	rc = hw_copy_from_guest(vcpus, gva_make(gva), (v->domain->vcpu_max + 7) / 8);
	if (rc)
		return rc;
	for_each_vcpu(v->domain, other) {
		u32 cpu = atomic_load(&other->cpu);

		if (bitmap_test(vcpus, other->id) && cpumask_test(&v->domain->dirty_cpus, cpu))
			bitmap_set(mask->bits, cpu);
	}
	return 0;
}

int mm_args_batch_begin(const struct hcall_args *args, u32 *count, u32 *before)
{
	*count = (u32)args->a[1];
	*before = 0;
	if (!(*count & MMU_BATCH_PREEMPTED))
		return 0;
	*count &= ~MMU_BATCH_PREEMPTED;
	/* The guest can write what it likes there: it is only told the sum. */
	if (args->a[2])
		return hw_copy_from_guest(before, gva_make(args->a[2]), sizeof(*before));
	return 0;
}

int mm_args_batch_end(struct hcall_args *args, u32 count, u32 done, u32 before,
		      size_t request_bytes, int rc)
{
	u32 sum = before + done;

	if (args->a[2] && hw_copy_to_guest(gva_make(args->a[2]), &sum, sizeof(sum)) && !rc)
		rc = err(EFAULT);
	if (rc != -ERESTART)
		return rc;
	args->a[0] += done * request_bytes;
	args->a[1] = (count - done) | MMU_BATCH_PREEMPTED;
	return rc;
}

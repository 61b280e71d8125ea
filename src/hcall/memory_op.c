/* SPDX-License-Identifier: MIT */
/*
 * memory_op: which frames a domain has. Reached from the hypercall table; calls mm. No lock.
 */
#include "core/err.h"
#include "hcall/hcall.h"
#include "hcall/mm_args.h"
#include "hw/mem.h"
#include "mm/mm.h"

#define CMD_MASK ((1u << MEMORY_EXTENT_SHIFT) - 1)

static int reservation_query(struct vcpu *v, unsigned int cmd, struct hcall_args *args)
{
	struct xen_memory_domain query;
	struct domain *d;
	u64 max_pfn = 0;
	int rc = hw_copy_from_guest(&query, gva_make(args->a[1]), sizeof(query));

	if (rc)
		return rc;
	rc = mm_args_domain(v, query.domid, &d);
	if (rc)
		return rc;
	if (cmd == XENMEM_current_reservation)
		args->result = atomic_load(&d->mm->pages_current);
	else if (cmd == XENMEM_maximum_reservation)
		args->result = atomic_load(&d->mm->pages_max);
	else
		max_pfn = d->shared ? atomic_load(&d->shared->arch.max_pfn) : 0;
	if (cmd == XENMEM_maximum_gpfn) /* none said yet: 0 too */
		args->result = max_pfn ? max_pfn - 1 : 0;
	domain_put(d);
	return 0;
}

int do_memory_op(struct vcpu *v, struct hcall_args *args)
{
	unsigned int cmd = (unsigned int)args->a[0] & CMD_MASK;
	u64 start = args->a[0] >> MEMORY_EXTENT_SHIFT;

	switch (cmd) {
	case XENMEM_increase_reservation:
	case XENMEM_decrease_reservation:
	case XENMEM_populate_physmap:
		return mm_reservation(v, cmd, start, args);
	case XENMEM_exchange:
		return mm_exchange(v, args);
	case XENMEM_maximum_ram_page:
		args->result = hw_frame_max - 1;
		return 0;
	case XENMEM_current_reservation:
	case XENMEM_maximum_reservation:
	case XENMEM_maximum_gpfn:
		return reservation_query(v, cmd, args);
	case XENMEM_memory_map:
	case XENMEM_set_memory_map:
	case XENMEM_machine_memory_map:
		return mm_memory_map(v, cmd, args);
	case XENMEM_machphys_mfn_list:
	case XENMEM_machphys_mapping:
		return mm_machphys(v, cmd, args);
	case XENMEM_get_sharing_freed_pages:
	case XENMEM_get_sharing_shared_pages:
		args->result = 0;
		return 0;
	case XENMEM_add_to_physmap: /* a PV guest translates its own addresses */
	case XENMEM_add_to_physmap_batch:
	case XENMEM_remove_from_physmap:
		return err(EACCES);
	case XENMEM_set_pod_target:
	case XENMEM_get_pod_target:
	case XENMEM_reserved_device_memory_map:
	case XENMEM_get_vnumainfo:
	case XENMEM_claim_pages:
	case XENMEM_acquire_resource:
		return err(EOPNOTSUPP);
	default:
		return err(ENOSYS);
	}
}

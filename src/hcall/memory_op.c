/* SPDX-License-Identifier: MIT */
/*
 * memory_op: which frames a domain has. Reached from the hypercall table; calls mm. No lock.
 */
#include "core/err.h"
#include "gnttab/gnttab.h"
#include "hcall/hcall.h"
#include "hcall/mm_args.h"
#include "hw/mem.h"
#include "mm/mm.h"

#define CMD_MASK ((1u << MEMORY_EXTENT_SHIFT) - 1)

static int reservation_query(struct vcpu *v, unsigned int cmd, struct hcall_args *args)
{
	struct xen_memory_domain query;
	const struct shared_info *shared;
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
	else if ((shared = atomic_load(&d->shared)) != NULL)
		max_pfn = atomic_load(&shared->arch.max_pfn);
	if (cmd == XENMEM_maximum_gpfn) /* none said yet: 0 too */
		args->result = max_pfn ? max_pfn - 1 : 0;
	domain_put(d);
	return 0;
}

/* The frames of a grant table, which grows as far as they are asked for. */
static int grant_frames_tell(struct domain *d, const struct xen_mem_acquire_resource *arg)
{
	u64 end;
	int rc = __builtin_add_overflow(arg->frame, arg->nr_frames, &end) || end > ~0u
			 ? err(EINVAL)
			 : gnttab_grow(d, (u32)end);

	for (u32 i = 0; rc == 0 && i < arg->nr_frames; i++) {
		xen_pfn_t mfn = mfn_num(gnttab_frame(d, (u32)arg->frame + i));

		rc = hw_copy_to_guest(guest_at(arg->frame_list, i), &mfn, sizeof(mfn));
	}
	return rc;
}

/* What tools map of a domain that is not in its own memory. */
static int resource_acquire(struct vcpu *v, gva_t at)
{
	struct xen_mem_acquire_resource arg;
	u32 frames;
	struct domain *d;
	int rc = hw_copy_from_guest(&arg, at, sizeof(arg));

	if (rc)
		return rc;
	if (arg.pad)
		return err(EINVAL);
	if (arg.domid == DOMID_SELF || arg.domid == v->domain->id)
		return err(EPERM);
	rc = mm_args_domain(v, arg.domid, &d);
	if (rc)
		return rc;
	if (arg.type != XENMEM_resource_grant_table) {
		rc = err(EOPNOTSUPP);
	} else if (arg.id != XENMEM_resource_grant_table_id_shared) {
		rc = err(EINVAL);
	} else if (arg.frame_list.p) {
		rc = grant_frames_tell(d, &arg);
	} else if (arg.nr_frames) {
		rc = err(EINVAL);
	} else {
		gnttab_size_get(d, &frames, &arg.nr_frames);
		rc = hw_copy_to_guest(at, &arg, sizeof(arg));
	}
	domain_put(d);
	return rc;
}

static int claim(struct vcpu *v, gva_t at)
{
	struct xen_memory_reservation arg;
	struct domain *d;
	int rc = hw_copy_from_guest(&arg, at, sizeof(arg));

	if (rc)
		return rc;
	if (!v->domain->is_privileged)
		return err(EPERM);
	if (arg.extent_start.p || arg.extent_order || arg.mem_flags)
		return err(EINVAL);
	if (arg.domid == DOMID_SELF || mm_args_domain(v, arg.domid, &d))
		return err(EINVAL);
	rc = mm_domain_claim(d, arg.nr_extents);
	domain_put(d);
	return rc;
}

/* Device memory that must stay where it is: none, without an IOMMU that would have to map it. */
static int reserved_map(gva_t at)
{
	struct xen_reserved_device_memory_map arg;
	int rc = hw_copy_from_guest(&arg, at, sizeof(arg));

	return rc == 0 && (arg.flags & ~(u32)XENMEM_RDM_ALL) != 0 ? err(EINVAL) : rc;
}

int do_memory_op(struct vcpu *v, struct hcall_args *args)
{
	unsigned int cmd = (unsigned int)args->a[0] & CMD_MASK;
	u64 start = args->a[0] >> MEMORY_EXTENT_SHIFT;
	gva_t at = gva_make(args->a[1]);

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
		return err(EINVAL);
	case XENMEM_get_vnumainfo:
	case XENMEM_machphys_compat_mfn_list:
		return err(EOPNOTSUPP);
	case XENMEM_reserved_device_memory_map:
		args->result = 0;
		return reserved_map(at);
	case XENMEM_claim_pages:
		args->result = 0;
		return claim(v, at);
	case XENMEM_acquire_resource:
		args->result = 0;
		return resource_acquire(v, at);
	default:
		return err(ENOSYS);
	}
}

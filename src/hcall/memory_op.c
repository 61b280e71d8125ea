/* SPDX-License-Identifier: MIT */
/*
 * memory_op: which frames a domain has, e820 maps, where the machine-to-physical table is. Reached from the hypercall table;
 * calls mm. Lock: the domain's, for its e820.
 */
#include "core/log.h"
#include "gnttab/gnttab.h"
#include "hcall/subop.h"
#include "hw/cpu.h"
#include "hw/layout.h"
#include "hw/mem.h"
#include "lib/string.h"
#include "mm/mm.h"

#define CMD_MASK     ((1u << MEMORY_EXTENT_SHIFT) - 1)
#define COUNT_OFFSET offsetof(struct xen_memory_map, nr_entries)

/* ---------------------------------------------------------------- frames given and taken back */

static unsigned int address_bits(u32 mem_flags)
{
	unsigned int bits = XENMEMF_get_address_bits(mem_flags);

	return bits ? bits : 64;
}

static void frames_drop(struct domain *d, mfn_t mfn, unsigned int order)
{
	for (u64 i = 0; i < BIT(order); i++)
		(void)mm_domain_drop(d, mfn_add(mfn, i));
}

/* One extent given: its first frame's number goes where the guest's list says. */
static int extent_add(struct domain *d, const struct xen_memory_reservation *r, u64 idx,
		      bool has_gpfn)
{
	gva_t slot = gva_add(gva_make((u64)r->extent_start.p), idx * sizeof(xen_pfn_t));
	u64 gpfn = 0, number;
	mfn_t mfn;
	int rc = 0;

	if (has_gpfn)
		rc = guest_get(gpfn, slot);
	if (rc)
		return rc;
	mfn = frame_alloc_below(r->extent_order, address_bits(r->mem_flags));
	if (mfn_is_none(mfn))
		return err(ENOMEM);
	rc = mm_domain_assign_at(d, mfn, r->extent_order, has_gpfn ? gpfn : M2P_INVALID);
	if (rc) {
		frame_free(mfn, r->extent_order);
		return rc;
	}
	number = mfn_num(mfn);
	if (slot.g >= PAGE_SIZE || has_gpfn)
		rc = guest_put(slot, number);
	if (rc)
		frames_drop(d, mfn, r->extent_order);
	return rc;
}

static int extent_remove(struct domain *d, const struct xen_memory_reservation *r, u64 idx)
{
	gva_t slot = gva_add(gva_make((u64)r->extent_start.p), idx * sizeof(xen_pfn_t));
	u64 number;
	int rc = guest_get(number, slot);

	for (u64 i = 0; !rc && i < BIT(r->extent_order); i++)
		rc = mm_domain_drop(d, mfn_make(number + i));
	return rc;
}

static int extents_do(struct domain *d, unsigned int cmd, const struct xen_memory_reservation *r,
		      u64 *idx)
{
	u64 first = *idx;

	for (; *idx < r->nr_extents; (*idx)++) {
		int rc;

		if (*idx != first && hw_preempt_wanted())
			return -ERESTART;
		if (cmd == XENMEM_decrease_reservation)
			rc = extent_remove(d, r, *idx);
		else
			rc = extent_add(d, r, *idx, cmd == XENMEM_populate_physmap);
		if (rc)
			return rc;
	}
	return 0;
}

/* How many extents were done is the answer, also when one of them could not be. */
static int reservation(struct vcpu *v, unsigned int cmd, u64 start, struct hcall_args *args)
{
	struct xen_memory_reservation r;
	struct domain *d;
	int rc = guest_get(r, gva_make(args->a[1]));

	if (rc)
		return rc;
	args->result = start;
	if (r.nr_extents > ~0ul >> MEMORY_EXTENT_SHIFT || start >= r.nr_extents ||
	    r.extent_order > MEMORY_ORDER_MAX)
		return 0;
	if (r.mem_flags & (XENMEMF_populate_on_demand | XENMEMF_vnode))
		return err(EOPNOTSUPP);
	rc = subop_domain_quiet(v, r.domid, &d);
	if (rc)
		return rc;
	rc = extents_do(d, cmd, &r, &start);
	if (rc && rc != -ERESTART && d != v->domain)
		log_debug("d%u: memory_op %u on d%u: %lu of %lu extents, then %d", v->domain->id,
			  cmd, d->id, start, (u64)r.nr_extents, rc);
	domain_put(d);
	args->result = start;
	if (rc != -ERESTART)
		return 0;
	args->a[0] = cmd | start << MEMORY_EXTENT_SHIFT;
	return rc;
}

/* ---------------------------------------------------------------- maps */

static int map_give(u64 arg, const struct mm_e820_entry *entries, u32 count)
{
	struct xen_memory_map map;
	u32 wanted;
	int rc = guest_get(map, gva_make(arg));

	if (rc)
		return rc;
	wanted = map.buffer.p ? MIN(map.nr_entries, count) : count;
	if (map.buffer.p)
		rc = hw_copy_to_guest(gva_make((u64)map.buffer.p), entries,
				      wanted * sizeof(*entries));
	if (!rc)
		rc = guest_put(gva_make(arg + COUNT_OFFSET), wanted);
	return rc;
}

static int own_map_give(struct domain *d, u64 arg)
{
	struct mm_e820_entry *copy;
	u32 count;
	int rc;

	/* Copied: no lock is held while guest memory is written. */
	copy = heap_alloc(MM_E820_MAX * sizeof(*copy));
	if (!copy)
		return err(ENOMEM);
	lock_acquire(&d->lock);
	count = d->mm->e820 ? d->mm->e820_count : 0;
	if (count)
		memcpy(copy, d->mm->e820, count * sizeof(*copy));
	lock_release(&d->lock);
	rc = count ? map_give(arg, copy, count) : err(ENOSYS);
	heap_free(copy);
	return rc;
}

static int map_set(struct vcpu *v, u64 arg)
{
	struct xen_foreign_memory_map foreign;
	struct mm_e820_entry *entries, *old;
	struct domain *d;
	int rc = guest_get(foreign, gva_make(arg));

	if (rc)
		return rc;
	if (foreign.map.nr_entries > MM_E820_MAX)
		return err(EINVAL);
	if (!v->domain->is_privileged)
		return err(EPERM);
	rc = subop_domain_quiet(v, foreign.domid, &d);
	if (rc)
		return rc;
	rc = -ENOMEM;
	entries = heap_alloc(MM_E820_MAX * sizeof(*entries));
	if (!entries)
		goto put;
	rc = hw_copy_from_guest(entries, gva_make((u64)foreign.map.buffer.p),
				foreign.map.nr_entries * sizeof(*entries));
	if (rc) {
		heap_free(entries);
		goto put;
	}
	lock_acquire(&d->lock);
	old = d->mm->e820;
	d->mm->e820 = entries;
	d->mm->e820_count = foreign.map.nr_entries;
	lock_release(&d->lock);
	heap_free(old);
put:
	domain_put(d);
	return rc;
}

static int memory_map(struct vcpu *v, unsigned int cmd, struct hcall_args *args)
{
	if (cmd == XENMEM_memory_map)
		return own_map_give(v->domain, args->a[1]);
	if (cmd == XENMEM_set_memory_map)
		return map_set(v, args->a[1]);
	if (!v->domain->is_privileged)
		return err(EPERM);
	return map_give(args->a[1], mm_host_e820, mm_host_e820_count);
}

/* Mica's own tables say where the 2 MiB piece of the M2P at va lies; 0: a hole. */
static u64 m2p_piece(u64 va)
{
	u64 entry = mm_l4_template[pte_index(va, 4) - LAYOUT_FIRST_SLOT];

	for (unsigned int level = 3; level >= 1; level--) {
		if (!(entry & PTE_PRESENT))
			return 0;
		entry = ((const u64 *)hw_frame_map(pte_mfn(entry)))[pte_index(va, level)];
		if (level > 1 && entry & PTE_PSE)
			break;
	}
	return entry & PTE_PRESENT ? mfn_num(pte_mfn(entry)) : 0;
}

static int machphys_list(u64 arg)
{
	struct xen_machphys_mfn_list list;
	u64 pieces = (hw_frame_max * 8 + 0x1fffff) >> 21;
	u64 mfn = 0;
	u32 count;
	int rc = guest_get(list, gva_make(arg));

	if (rc)
		return rc;
	count = (u32)MIN(list.max_extents, pieces);
	for (u32 i = 0; !rc && i < count; i++) {
		u64 here = m2p_piece(LAYOUT_M2P + ((u64)i << 21));

		mfn = here ? here : mfn; /* tools map a hole too: any piece will do */
		rc = guest_put(gva_make((u64)list.extent_start.p + i * sizeof(mfn)), mfn);
	}
	if (!rc)
		rc = guest_put(gva_make(arg + offsetof(struct xen_machphys_mfn_list, nr_extents)),
			       count);
	return rc;
}

static int machphys(unsigned int cmd, struct hcall_args *args)
{
	struct xen_machphys_mapping mapping = {
		.v_start = LAYOUT_M2P,
		.v_end = LAYOUT_FRAMES,
		.max_mfn = hw_frame_max - 1,
	};

	if (cmd == XENMEM_machphys_mapping)
		return guest_put(gva_make(args->a[1]), mapping);
	return machphys_list(args->a[1]);
}

/* ---------------------------------------------------------------- questions */

static int reservation_query(struct vcpu *v, unsigned int cmd, struct hcall_args *args)
{
	struct xen_memory_domain query;
	const struct shared_info *shared;
	struct domain *d;
	u64 max_pfn = 0;
	int rc = guest_get(query, gva_make(args->a[1]));

	if (rc)
		return rc;
	rc = subop_domain_quiet(v, query.domid, &d);
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

		rc = guest_put(guest_at(arg->frame_list, i), mfn);
	}
	return rc;
}

/* What tools map of a domain that is not in its own memory. */
static int resource_acquire(struct vcpu *v, gva_t at)
{
	struct xen_mem_acquire_resource arg;
	u32 frames;
	struct domain *d;
	int rc = guest_get(arg, at);

	if (rc)
		return rc;
	if (arg.pad)
		return err(EINVAL);
	if (arg.domid == DOMID_SELF || arg.domid == v->domain->id)
		return err(EPERM);
	rc = subop_domain_quiet(v, arg.domid, &d);
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
		rc = guest_put(at, arg);
	}
	domain_put(d);
	return rc;
}

static int claim(struct vcpu *v, gva_t at)
{
	struct xen_memory_reservation arg;
	struct domain *d;
	int rc = guest_get(arg, at);

	if (rc)
		return rc;
	if (!v->domain->is_privileged)
		return err(EPERM);
	if (arg.extent_start.p || arg.extent_order || arg.mem_flags)
		return err(EINVAL);
	if (arg.domid == DOMID_SELF || subop_domain_quiet(v, arg.domid, &d))
		return err(EINVAL);
	rc = mm_domain_claim(d, arg.nr_extents);
	if (rc)
		log_debug("d%u: claim of %lu pages for d%u fails: %d", v->domain->id,
			  arg.nr_extents, d->id, rc);
	domain_put(d);
	return rc;
}

/* Device memory that must stay where it is: none, without an IOMMU that would have to map it. */
static int reserved_map(gva_t at)
{
	struct xen_reserved_device_memory_map arg;
	int rc = guest_get(arg, at);

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
		return reservation(v, cmd, start, args);
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
		return memory_map(v, cmd, args);
	case XENMEM_machphys_mfn_list:
	case XENMEM_machphys_mapping:
		return machphys(cmd, args);
	case XENMEM_get_sharing_freed_pages:
	case XENMEM_get_sharing_shared_pages:
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
		return reserved_map(at);
	case XENMEM_claim_pages:
		return claim(v, at);
	case XENMEM_acquire_resource:
		return resource_acquire(v, at);
	default:
		return err(ENOSYS);
	}
}

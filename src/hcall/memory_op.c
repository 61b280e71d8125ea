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

#define CMD_MASK ((1u << MEMORY_EXTENT_SHIFT) - 1)

/* ---------------------------------------------------------------- frames given and taken back */

static void frames_drop(struct domain *d, mfn_t mfn, unsigned int order)
{
	for (u64 i = 0; i < BIT(order); i++)
		(void)mm_domain_drop(d, mfn_add(mfn, i));
}

/* One extent given: its first frame's number goes where the guest's list says. */
static int extent_add(struct domain *d, const struct xen_memory_reservation *r, gva_t slot,
		      bool has_gpfn)
{
	unsigned int bits = XENMEMF_get_address_bits(r->mem_flags);
	u64 gpfn = M2P_INVALID, number;
	mfn_t mfn;
	int rc;

	if (has_gpfn && guest_get(gpfn, slot) != 0)
		return err(EFAULT);
	mfn = frame_alloc_below(r->extent_order, bits != 0 ? bits : 64);
	if (mfn_is_none(mfn))
		return err(ENOMEM);
	rc = mm_domain_assign_at(d, mfn, r->extent_order, gpfn);
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

static int extent_remove(struct domain *d, const struct xen_memory_reservation *r, gva_t slot)
{
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
		gva_t slot = guest_at(r->extent_start, *idx);
		int rc;

		if (*idx != first && hw_preempt_wanted())
			return -ERESTART;
		if (cmd == XENMEM_decrease_reservation)
			rc = extent_remove(d, r, slot);
		else
			rc = extent_add(d, r, slot, cmd == XENMEM_populate_physmap);
		if (rc)
			return rc;
	}
	return 0;
}

/* How many extents were done is the answer, also when one of them could not be. */
static int reservation(struct vcpu *v, struct subop *op)
{
	const struct xen_memory_reservation *r = &op->arg.reservation;
	u32 cmd = (u32)op->cmd;
	u64 *done = &op->args->result;
	DOMAIN_REF d = NULL;
	int rc;

	*done = op->args->a[0] >> MEMORY_EXTENT_SHIFT;
	if (r->nr_extents > ~0ul >> MEMORY_EXTENT_SHIFT || *done >= r->nr_extents ||
	    r->extent_order > MEMORY_ORDER_MAX)
		return 0;
	if (r->mem_flags & (XENMEMF_populate_on_demand | XENMEMF_vnode))
		return err(EOPNOTSUPP);
	rc = subop_domain_quiet(v, r->domid, &d);
	if (rc)
		return rc;
	rc = extents_do(d, cmd, r, done);
	if (rc && rc != -ERESTART && d != v->domain)
		log_debug("d%u: memory_op %u on d%u: %lu of %lu extents, then %d", v->domain->id,
			  cmd, d->id, *done, (u64)r->nr_extents, rc);
	if (rc != -ERESTART)
		return 0;
	op->args->a[0] = cmd | *done << MEMORY_EXTENT_SHIFT;
	return rc;
}

/* ---------------------------------------------------------------- maps */

static int map_give(struct xen_memory_map *map, const struct mm_e820_entry *entries, u32 count)
{
	map->nr_entries = map->buffer.p ? MIN(map->nr_entries, count) : count;
	if (!map->buffer.p)
		return 0;
	return hw_copy_to_guest(guest_at(map->buffer, 0), entries,
				map->nr_entries * sizeof(*entries));
}

static int own_map(struct vcpu *v, struct subop *op)
{
	/* Copied: no lock is held while guest memory is written. */
	HEAP_SCOPE struct mm_e820_entry *copy = heap_alloc(MM_E820_MAX * sizeof(*copy));
	struct mm_domain *mm = v->domain->mm;
	u32 count;

	if (!copy)
		return err(ENOMEM);
	{
		LOCK_SCOPE(&v->domain->lock);
		count = mm->e820 ? mm->e820_count : 0;
		if (count)
			memcpy(copy, mm->e820, count * sizeof(*copy));
	}
	return count ? map_give(&op->arg.memory_map, copy, count) : err(ENOSYS);
}

static int host_map(struct vcpu *v, struct subop *op)
{
	return map_give(&op->arg.memory_map, mm_host_e820, mm_host_e820_count);
}

static int map_set(struct vcpu *v, struct subop *op)
{
	const struct xen_memory_map *map = &op->arg.foreign_memory_map.map;
	HEAP_SCOPE struct mm_e820_entry *entries = heap_alloc(MM_E820_MAX * sizeof(*entries));
	struct mm_e820_entry *old;

	if (map->nr_entries > MM_E820_MAX)
		return err(EINVAL);
	if (!v->domain->is_privileged)
		return err(EPERM);
	if (!entries)
		return err(ENOMEM);
	if (hw_copy_from_guest(entries, guest_at(map->buffer, 0),
			       map->nr_entries * sizeof(*entries)) != 0)
		return err(EFAULT);
	LOCK_SCOPE(&op->d->lock);
	old = op->d->mm->e820;
	op->d->mm->e820 = entries;
	op->d->mm->e820_count = map->nr_entries;
	entries = old;
	return 0;
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

static int machphys_list(struct vcpu *v, struct subop *op)
{
	struct xen_machphys_mfn_list *list = &op->arg.machphys_list;
	u64 mfn = 0;

	list->nr_extents = (u32)MIN(list->max_extents, (hw_frame_max * 8 + 0x1fffff) >> 21);
	for (u32 i = 0; i < list->nr_extents; i++) {
		u64 here = m2p_piece(LAYOUT_M2P + ((u64)i << 21));

		mfn = here ? here : mfn; /* tools map a hole too: any piece will do */
		if (guest_put(guest_at(list->extent_start, i), mfn) != 0)
			return err(EFAULT);
	}
	return 0;
}

static int machphys_mapping(struct vcpu *v, struct subop *op)
{
	op->arg.machphys_mapping = (struct xen_machphys_mapping){
		.v_start = LAYOUT_M2P,
		.v_end = LAYOUT_FRAMES,
		.max_mfn = hw_frame_max - 1,
	};
	return 0;
}

/* ---------------------------------------------------------------- questions */

static int nothing(struct vcpu *v, struct subop *op)
{
	return 0;
}

static int ram_top(struct vcpu *v, struct subop *op)
{
	op->args->result = hw_frame_max - 1;
	return 0;
}

static int pages(struct vcpu *v, struct subop *op)
{
	struct mm_domain *mm = op->d->mm;

	op->args->result = atomic_load(op->cmd == XENMEM_current_reservation ? &mm->pages_current
									     : &mm->pages_max);
	return 0;
}

/* None said yet: 0 too. */
static int gpfn_max(struct vcpu *v, struct subop *op)
{
	const struct shared_info *shared = atomic_load(&op->d->shared);
	u64 count = shared != NULL ? atomic_load(&shared->arch.max_pfn) : 0;

	op->args->result = count ? count - 1 : 0;
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
static int resource_acquire(struct vcpu *v, struct subop *op)
{
	struct xen_mem_acquire_resource *arg = &op->arg.resource;
	u32 frames;

	if (arg->pad)
		return err(EINVAL);
	if (op->d == v->domain)
		return err(EPERM);
	if (arg->type != XENMEM_resource_grant_table)
		return err(EOPNOTSUPP);
	if (arg->id != XENMEM_resource_grant_table_id_shared)
		return err(EINVAL);
	if (arg->frame_list.p)
		return grant_frames_tell(op->d, arg);
	if (arg->nr_frames)
		return err(EINVAL);
	gnttab_size_get(op->d, &frames, &arg->nr_frames);
	return 0;
}

static int claim(struct vcpu *v, struct subop *op)
{
	const struct xen_memory_reservation *arg = &op->arg.reservation;
	DOMAIN_REF d = NULL;
	int rc;

	if (!v->domain->is_privileged)
		return err(EPERM);
	if (arg->extent_start.p || arg->extent_order || arg->mem_flags)
		return err(EINVAL);
	if (arg->domid == DOMID_SELF || subop_domain_quiet(v, arg->domid, &d))
		return err(EINVAL);
	rc = mm_domain_claim(d, arg->nr_extents);
	if (rc)
		log_debug("d%u: claim of %lu pages for d%u fails: %d", v->domain->id,
			  arg->nr_extents, d->id, rc);
	return rc;
}

/* Device memory that must stay where it is: none, without an IOMMU that would have to map it. */
static int reserved_map(struct vcpu *v, struct subop *op)
{
	return op->arg.reserved_map.flags & ~(u32)XENMEM_RDM_ALL ? err(EINVAL) : 0;
}

static const struct subop_row rows[] = {
#define ROW(name, function, ...) [XENMEM_##name] = {.fn = function, ##__VA_ARGS__}
#define NO(name, why)		 [XENMEM_##name] = {.error = (why)}
#define NAMED(member)		 IN(member), NAMED_BY(member, domid), .rights = SUBOP_QUIET
	ROW(increase_reservation, reservation, IN(reservation)),
	ROW(decrease_reservation, reservation, IN(reservation)),
	ROW(populate_physmap, reservation, IN(reservation)),
	ROW(exchange, mm_exchange),
	ROW(maximum_ram_page, ram_top),
	ROW(current_reservation, pages, NAMED(memory_domain)),
	ROW(maximum_reservation, pages, NAMED(memory_domain)),
	ROW(maximum_gpfn, gpfn_max, NAMED(memory_domain)),
	ROW(memory_map, own_map, IN_OUT(memory_map)),
	ROW(set_memory_map, map_set, NAMED(foreign_memory_map)),
	ROW(machine_memory_map, host_map, IN_OUT(memory_map), .rights = SUBOP_HARDWARE),
	ROW(machphys_mfn_list, machphys_list, IN_OUT(machphys_list)),
	ROW(machphys_mapping, machphys_mapping, OUT(machphys_mapping)),
	ROW(get_sharing_freed_pages, nothing),
	ROW(get_sharing_shared_pages, nothing),
	NO(add_to_physmap, EACCES), /* a PV guest translates its own addresses */
	NO(add_to_physmap_batch, EACCES),
	NO(remove_from_physmap, EACCES),
	NO(set_pod_target, EINVAL),
	NO(get_pod_target, EINVAL),
	NO(get_vnumainfo, EOPNOTSUPP),
	NO(machphys_compat_mfn_list, EOPNOTSUPP),
	ROW(reserved_device_memory_map, reserved_map, IN(reserved_map)),
	ROW(claim_pages, claim, IN(reservation)),
	ROW(acquire_resource, resource_acquire, OUT(resource), NAMED(resource)),
};

int do_memory_op(struct vcpu *v, struct hcall_args *args)
{
	return subop_call(v, rows, ARRAY_SIZE(rows), args->a[0] & CMD_MASK, gva_make(args->a[1]),
			  args);
}

/* SPDX-License-Identifier: MIT */
/*
 * memory_op's reservations: frames given to a domain and taken back. Reached from memory_op.c; calls mm. No lock.
 */
#include "core/err.h"
#include "hcall/hcall.h"
#include "hcall/mm_args.h"
#include "hw/cpu.h"
#include "hw/mem.h"
#include "mm/mm.h"

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
		rc = hw_copy_from_guest(&gpfn, slot, sizeof(gpfn));
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
		rc = hw_copy_to_guest(slot, &number, sizeof(number));
	if (rc)
		frames_drop(d, mfn, r->extent_order);
	return rc;
}

static int extent_remove(struct domain *d, const struct xen_memory_reservation *r, u64 idx)
{
	gva_t slot = gva_add(gva_make((u64)r->extent_start.p), idx * sizeof(xen_pfn_t));
	u64 number;
	int rc = hw_copy_from_guest(&number, slot, sizeof(number));

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
int mm_reservation(struct vcpu *v, unsigned int cmd, u64 start, struct hcall_args *args)
{
	struct xen_memory_reservation r;
	struct domain *d;
	int rc = hw_copy_from_guest(&r, gva_make(args->a[1]), sizeof(r));

	if (rc)
		return rc;
	args->result = start;
	if (r.nr_extents > ~0ul >> MEMORY_EXTENT_SHIFT || start >= r.nr_extents ||
	    r.extent_order > MEMORY_ORDER_MAX)
		return 0;
	if (r.mem_flags & (XENMEMF_populate_on_demand | XENMEMF_vnode))
		return err(EOPNOTSUPP);
	rc = mm_args_domain(v, r.domid, &d);
	if (rc)
		return rc;
	rc = extents_do(d, cmd, &r, &start);
	domain_put(d);
	args->result = start;
	if (rc != -ERESTART)
		return 0;
	args->a[0] = cmd | start << MEMORY_EXTENT_SHIFT;
	return rc;
}

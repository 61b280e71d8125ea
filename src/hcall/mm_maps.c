/* SPDX-License-Identifier: MIT */
/*
 * memory_op's maps: e820 of the domain and of the machine, where the machine-to-physical table is. Reached from
 * memory_op.c; calls mm. Lock: the domain's, for its e820.
 */
#include "core/err.h"
#include "hcall/hcall.h"
#include "hcall/mm_args.h"
#include "hw/layout.h"
#include "hw/mem.h"
#include "lib/string.h"
#include "mm/mm.h"

#define COUNT_OFFSET offsetof(struct xen_memory_map, nr_entries)

static int map_give(u64 arg, const struct mm_e820_entry *entries, u32 count)
{
	struct xen_memory_map map;
	u32 wanted;
	int rc = hw_copy_from_guest(&map, gva_make(arg), sizeof(map));

	if (rc)
		return rc;
	wanted = map.buffer.p ? MIN(map.nr_entries, count) : count;
	if (map.buffer.p)
		rc = hw_copy_to_guest(gva_make((u64)map.buffer.p), entries,
				      wanted * sizeof(*entries));
	if (!rc)
		rc = hw_copy_to_guest(gva_make(arg + COUNT_OFFSET), &wanted, sizeof(wanted));
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
	int rc = hw_copy_from_guest(&foreign, gva_make(arg), sizeof(foreign));

	if (rc)
		return rc;
	if (foreign.map.nr_entries > MM_E820_MAX)
		return err(EINVAL);
	if (!v->domain->is_privileged)
		return err(EPERM);
	rc = mm_args_domain(v, foreign.domid, &d);
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

int mm_memory_map(struct vcpu *v, unsigned int cmd, struct hcall_args *args)
{
	args->result = 0;
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
	int rc = hw_copy_from_guest(&list, gva_make(arg), sizeof(list));

	if (rc)
		return rc;
	count = (u32)MIN(list.max_extents, pieces);
	for (u32 i = 0; !rc && i < count; i++) {
		u64 here = m2p_piece(LAYOUT_M2P + ((u64)i << 21));

		mfn = here ? here : mfn; /* tools map a hole too: any piece will do */
		rc = hw_copy_to_guest(gva_make((u64)list.extent_start.p + i * sizeof(mfn)), &mfn,
				      sizeof(mfn));
	}
	if (!rc)
		rc = hw_copy_to_guest(
			gva_make(arg + offsetof(struct xen_machphys_mfn_list, nr_extents)), &count,
			sizeof(count));
	return rc;
}

int mm_machphys(struct vcpu *v, unsigned int cmd, struct hcall_args *args)
{
	struct xen_machphys_mapping mapping = {
		.v_start = LAYOUT_M2P,
		.v_end = LAYOUT_FRAMES,
		.max_mfn = hw_frame_max - 1,
	};

	(void)v;
	args->result = 0;
	if (cmd == XENMEM_machphys_mapping)
		return hw_copy_to_guest(gva_make(args->a[1]), &mapping, sizeof(mapping));
	return machphys_list(args->a[1]);
}

/* SPDX-License-Identifier: MIT */
/*
 * The one page-table walker: what a guest has mapped at an address. Reached by update_va_mapping, writes that fault on
 * tables, the emulator's instruction fetch and crash reports; calls nothing. No lock and no references: tables of other
 * CPUs' vCPUs may change under it, so the caller takes a reference on what it found and judges again.
 */
#include "mm/mm.h"

#include "core/atomic.h"
#include "core/err.h"
#include "hw/layout.h"

int walk_root(mfn_t root, u64 va, struct walk *out)
{
	u64 all = PTE_RW | PTE_PRESENT, any = 0;
	mfn_t table = root;

	out->level = 4;
	out->is_present = out->is_writable = out->is_executable = false;
	if ((va >= LAYOUT_START && va < LAYOUT_END) || (u64)((s64)(va << 16) >> 16) != va)
		return -EFAULT;
	for (unsigned int level = 4; level > 0; level--) {
		unsigned int idx = pte_index(va, level);
		u64 entry;

		if (!hw_frame_is_ram(table))
			return -EFAULT;
		entry = atomic_load((u64 *)hw_frame_map(mfn_nospec(table)) + idx);
		out->level = level;
		out->table[level] = table;
		out->entry[level] = entry;
		if (!(entry & PTE_PRESENT) || (level > 1 && entry & PTE_PSE))
			return -EFAULT;
		all &= entry;
		any |= entry;
		table = pte_mfn(entry);
	}
	out->is_present = true;
	out->is_writable = all & PTE_RW;
	out->is_executable = !(any & PTE_NX);
	return 0;
}

int walk_guest(const struct vcpu *v, u64 va, struct walk *out)
{
	return walk_root(v->mm->root_kernel, va, out);
}

int walk_l1_anew(struct vcpu *v, u64 va)
{
	struct mm_vcpu *mm = v->mm;
	u64 generation = atomic_load(&v->domain->mm->upper_generation);
	struct walk walk;

	(void)walk_guest(v, va, &walk);
	if (walk.level != 1)
		return err(EINVAL);
	mm->walk_tag = (va >> 21) + 1;
	mm->walk_generation = generation;
	mm->walk_l1 = mfn_nospec(walk.table[1]);
	return 0;
}

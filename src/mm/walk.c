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
	mfn_t table = root;

	*out = (struct walk){.level = 4, .is_writable = true, .is_executable = true};
	if (mfn_is_none(root) || (va >= LAYOUT_START && va < LAYOUT_END) ||
	    (u64)((s64)(va << 16) >> 16) != va)
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
		out->entry_maddr = maddr_make((mfn_num(table) << PAGE_SHIFT) + idx * 8);
		if (!(entry & PTE_PRESENT) || (level > 1 && entry & PTE_PSE))
			return -EFAULT;
		if (!(entry & PTE_RW))
			out->is_writable = false;
		if (entry & PTE_NX)
			out->is_executable = false;
		table = pte_mfn(entry);
	}
	out->is_present = true;
	return 0;
}

int walk_guest(const struct vcpu *v, u64 va, struct walk *out)
{
	return walk_root(v->mm->root_kernel, va, out);
}

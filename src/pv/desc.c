/* SPDX-License-Identifier: MIT */
/*
 * Descriptor tables. A guest's GDT and LDT pages are its own frames, typed as descriptor pages (every descriptor judged, so
 * that none gives ring 0), mapped read-only in the vCPU's window of the per-domain area, where the CPU reads them. Reached
 * from hcall/ and from page faults; calls mm. The GDT belongs to the vCPU that runs. The LDT has a lock: its pages are
 * judged when the CPU first reads them (a fault in the window), and any vCPU that wants such a page writable again takes
 * it from whoever still has it (pv_ldt_revoke): Linux frees a table while another vCPU, stopped between two processes,
 * still names it.
 */
#include "core/lock.h"
#include "hw/asm.h"
#include "hw/flush.h"
#include "hw/mem.h"
#include "hw/paging.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "pv/priv.h"

#define WINDOW_LDT	    (PERDOMAIN_LDT >> PAGE_SHIFT)
#define DESCRIPTORS_IN_PAGE 512u
#define MICA_LDT	    0xe050

static u64 window_entry(u64 mfn)
{
	return mfn << PAGE_SHIFT | (MAP_RODATA & ~MAP_GLOBAL);
}

static u64 ldt_window(const struct vcpu *v)
{
	return LAYOUT_PERDOMAIN + (u64)v->id * PERDOMAIN_VCPU_STRIDE + PERDOMAIN_LDT;
}

static void window_flush(const struct vcpu *v, unsigned int page)
{
	if (atomic_load(&v->is_running))
		hw_flush_tlb_va_local(LAYOUT_PERDOMAIN + (u64)v->id * PERDOMAIN_VCPU_STRIDE +
				      (u64)page * PAGE_SIZE);
}

void pv_gdt_put(struct vcpu *v)
{
	u32 pages = ROUND_UP(v->pv->gdt_entries, DESCRIPTORS_IN_PAGE) / DESCRIPTORS_IN_PAGE;

	for (u32 i = 0; i < pages; i++) {
		v->pv->window[i] = 0;
		window_flush(v, i);
		frame_type_put(mfn_make(v->pv->gdt_mfns[i]));
	}
	v->pv->gdt_entries = 0;
}

int pv_gdt_set(struct vcpu *v, const u64 *mfns, u32 entries)
{
	u32 pages = ROUND_UP(entries, DESCRIPTORS_IN_PAGE) / DESCRIPTORS_IN_PAGE, i;
	int rc = 0;

	if (entries > FIRST_RESERVED_GDT_ENTRY)
		return err(EINVAL);
	for (i = 0; i < pages; i++) {
		rc = frame_type_get(mfn_make(mfns[i]), v->domain, FRAME_DESC);
		if (rc != 0)
			goto undo;
	}
	pv_gdt_put(v);
	for (i = 0; i < pages; i++) {
		v->pv->gdt_mfns[i] = mfns[i];
		v->pv->window[i] = window_entry(mfns[i]);
		window_flush(v, i);
	}
	v->pv->gdt_entries = entries;
	return 0;
undo:
	while (i-- > 0)
		frame_type_put(mfn_make(mfns[i]));
	return rc;
}

/* Held pages of the LDT, given back. The flush comes first: a CPU that runs v may walk the window at any time. */
static void ldt_drop(struct vcpu *v, u32 page)
{
	u64 mfn = v->pv->ldt_mfns[page];

	if (mfn == 0)
		return;
	v->pv->ldt_mfns[page] = 0;
	v->pv->window[WINDOW_LDT + page] = 0;
	if (atomic_load(&v->is_running))
		flush_domain_va(v->domain, ldt_window(v) + (u64)page * PAGE_SIZE);
	frame_type_put(mfn_make(mfn));
}

static void ldt_change(struct vcpu *v, u64 va, u32 entries)
{
	lock_acquire(&v->pv->ldt_lock);
	for (u32 i = 0; i < PV_LDT_PAGES_MAX; i++)
		ldt_drop(v, i);
	v->pv->ldt_entries = entries;
	v->pv->ldt_va = va;
	lock_release(&v->pv->ldt_lock);
}

void pv_ldt_put(struct vcpu *v)
{
	ldt_change(v, 0, 0);
}

/* The LDT's descriptor lies in this CPU's own page of the GDT. */
void pv_ldt_load(struct vcpu *v)
{
	u64 *at = &hw_this_cpu()->gdt[(MICA_LDT >> 3) - FIRST_RESERVED_GDT_ENTRY];
	u64 base = ldt_window(v);
	u64 limit = (u64)v->pv->ldt_entries * 8 - 1;

	if (v->pv->ldt_entries == 0) {
		hw_lldt(0);
		return;
	}
	at[0] = (limit & 0xffff) | (base & 0xffffff) << 16 | 0x82ull << 40 |
		(base >> 24 & 0xff) << 56;
	at[1] = base >> 32;
	hw_lldt(MICA_LDT);
}

int pv_ldt_set(struct vcpu *v, u64 va, u32 entries)
{
	if (entries > PV_LDT_ENTRIES_MAX || (va & (PAGE_SIZE - 1)) != 0 || !pv_is_canonical(va) ||
	    (va < LAYOUT_END && va + entries * 8ull > LAYOUT_START))
		return err(EINVAL);
	ldt_change(v, va, entries);
	if (atomic_load(&v->is_running))
		pv_ldt_load(v);
	return 0;
}

/* The lock is held over the judging too, so that pv_ldt_revoke() sees either no page or all of it. */
bool pv_ldt_fault(struct vcpu *v, u64 cr2)
{
	u64 offset = cr2 - ldt_window(v);
	struct walk walk;
	bool is_mapped = false;
	u64 mfn;
	u32 page;

	if (offset / 8 >= v->pv->ldt_entries)
		return false;
	page = (u32)idx_nospec(offset >> PAGE_SHIFT, PV_LDT_PAGES_MAX);
	if (walk_guest(v, v->pv->ldt_va + (offset & PAGE_MASK), &walk) != 0)
		return false;
	mfn = mfn_num(pte_mfn(walk.entry[1]));
	lock_acquire(&v->pv->ldt_lock);
	if (v->pv->ldt_mfns[page] == 0 &&
	    frame_type_get(mfn_make(mfn), v->domain, FRAME_DESC) == 0) {
		v->pv->ldt_mfns[page] = mfn;
		v->pv->window[WINDOW_LDT + page] = window_entry(mfn);
		is_mapped = true;
	}
	lock_release(&v->pv->ldt_lock);
	return is_mapped;
}

u64 pv_ldt_guest_va(const struct vcpu *v, u64 cr2)
{
	u64 offset = cr2 - ldt_window(v);

	return offset / 8 < v->pv->ldt_entries ? v->pv->ldt_va + offset : cr2;
}

bool pv_ldt_revoke(struct domain *d, mfn_t mfn)
{
	bool is_dropped = false;
	struct vcpu *v;

	for_each_vcpu(d, v) {
		if (v->pv == NULL)
			continue;
		lock_acquire(&v->pv->ldt_lock);
		for (u32 i = 0; i < PV_LDT_PAGES_MAX; i++)
			if (v->pv->ldt_mfns[i] != 0 && v->pv->ldt_mfns[i] == mfn_num(mfn)) {
				ldt_drop(v, i);
				is_dropped = true;
			}
		lock_release(&v->pv->ldt_lock);
	}
	return is_dropped;
}

/* HYPERVISOR_update_descriptor: one descriptor anywhere in the guest's memory, in a descriptor page or in a plain one. */
int pv_descriptor_update(struct vcpu *v, u64 maddr, u64 descriptor)
{
	mfn_t mfn = maddr_to_mfn(maddr_make(maddr));
	enum frame_type type;
	u64 word, *at;
	int rc;

	if ((maddr & 7) != 0 || !desc_judge(&descriptor))
		return err(EINVAL);
	rc = frame_get(mfn, v->domain);
	if (rc != 0)
		return rc;
	word = atomic_load(&frame_of(mfn)->word);
	type = frame_word_typed(word) != 0 && frame_word_type(word) == FRAME_DESC ? FRAME_DESC
										  : FRAME_WRITABLE;
	rc = frame_type_get(mfn, v->domain, type);
	if (rc == 0) {
		at = pte_at(mfn, maddr);
		atomic_store(at, descriptor);
		mm_mark_dirty(v->domain, mfn);
		frame_type_put(mfn);
	}
	frame_put(mfn);
	return rc;
}

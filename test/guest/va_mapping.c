/* SPDX-License-Identifier: MIT */
/*
 * A test guest: update_va_mapping, its flush forms, and what it refuses; what Domain 0 may not map (ARCHITECTURE 4.4).
 */
#include "guest.h"

#define FRAME(p) (mfn_of(p) << 12)

static void flush_forms(void)
{
	char *a = page_alloc(), *b = page_alloc();
	u64 mask = 1;
	const struct {
		u64 flags;
		const char *text;
	} forms[] = {
		{UVMF_INVLPG | UVMF_LOCAL, "invlpg local"},
		{UVMF_INVLPG | UVMF_ALL, "invlpg all"},
		{UVMF_TLB_FLUSH | UVMF_LOCAL, "flush local"},
		{UVMF_TLB_FLUSH | UVMF_ALL, "flush all"},
		{UVMF_INVLPG | (u64)&mask, "invlpg of a mask"},
		{UVMF_TLB_FLUSH | (u64)&mask, "flush of a mask"},
	};

	*(u64 *)a = 1;
	*(u64 *)b = 2;
	for (unsigned int i = 0; i < ARRAY_SIZE(forms); i++) {
		(void)*(volatile u64 *)a;
		equals(set_va(a, FRAME(b) | PTE_RW, forms[i].flags), 0, forms[i].text);
		equals(*(volatile u64 *)a, 2, "the new page is seen");
		equals(set_va(a, FRAME(a) | PTE_RW, forms[i].flags), 0, "back");
		equals(*(volatile u64 *)a, 1, "the old page is seen");
	}
	equals(set_va(a, FRAME(a) | PTE_RW, UVMF_NONE), 0, "no flush");
	/* Flush type 3 is none: Xen does nothing, Mica refuses. */
	equals(set_va(a, FRAME(a) | PTE_RW, 3), on_mica() ? -XEINVAL : 0, "no such flush: 3");
	refused(set_va(a, FRAME(a) | PTE_RO, UVMF_TLB_FLUSH | 8),
		"flush of a mask at a bad pointer");
	equals(set_va(a, 0, UVMF_INVLPG), 0, "unmapped");
	equals(trap_write(a, 1), 14, "a write faults");
	equals(set_va(a, FRAME(a) | PTE_RW, UVMF_INVLPG), 0, "mapped");
	/* Not present, any other bits: what Linux keeps for pages that are swapped out or migrated. */
	equals(set_va(a, 0x7ffffffffffffffeul & ~PTE_MFN, UVMF_INVLPG), 0,
	       "not present, other bits set");
	equals(set_va(a, FRAME(a) | PTE_RW, UVMF_INVLPG), 0, "mapped");
}

static void refusals(void)
{
	char *a = page_alloc(), *b = page_alloc();
	u64 *table = table_alloc(0);

	refused(set_va((void *)HYPERVISOR_VIRT_START, FRAME(a) | PTE_RW, 0),
		"va: the hypervisor's");
	refused(set_va((void *)0xffff830000000000, FRAME(a) | PTE_RW, 0),
		"va: the hypervisor's own memory");
	refused(set_va((void *)0x8000000000000000, FRAME(a) | PTE_RW, 0), "va: not canonical");
	refused(set_va((void *)0x500000000000, FRAME(a) | PTE_RW, 0), "va: no L1 there");
	refused(set_va(a, FRAME(root()) | PTE_RW, 0), "the root, writable");
	refused(set_va(a, FRAME(entry_of(a, 1)) | PTE_RW, 0), "an L1, writable");
	equals(mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(table), 0), 0, "pin");
	refused(set_va(a, FRAME(table) | PTE_RW, 0), "a pinned table, writable");
	equals(mmuext(MMUEXT_UNPIN_TABLE, mfn_of(table), 0), 0, "unpin");
	equals(*entry_of(a, 1) & PTE_MFN, (long)FRAME(a), "the entry is as before");
	refused(hypercall(update_va_mapping_otherdomain, a, FRAME(a) | PTE_RW, 0, 77),
		"other domain: not there");
	refused(hypercall(update_va_mapping_otherdomain, a, FRAME(b) | PTE_RW, 0, DOMID_IO),
		"other domain: not its page");
	equals(hypercall(update_va_mapping_otherdomain, a, FRAME(a) | PTE_RW, UVMF_INVLPG,
			 DOMID_SELF),
	       0, "other domain: ourselves");
}

/* Xen maps some of it read-only when asked for more, Mica refuses. */
static void not_writable(const char *a, long rc, const char *text)
{
	check(rc < 0 || !(*entry_of(a, 1) & PTE_W), text);
	make_rw(a);
}

/* Writable maps of what is the hypervisor's or moves interrupts: refused, whatever the form. */
static void iomem(void)
{
	static const struct {
		u64 frame;
		const char *text;
	} places[] = {
		{0xfee00, "local APIC"},
		{0xfec00, "IO-APIC"},
	};
	char *a = page_alloc();
	struct mmu_update u;

	for (unsigned int i = 0; i < ARRAY_SIZE(places); i++) {
		u64 value = (places[i].frame << 12) | PTE_RW;

		print("# %s\n", places[i].text);
		not_writable(a, set_va(a, value, 0), "writable by update_va_mapping");
		not_writable(a, hypercall(update_va_mapping_otherdomain, a, value, 0, DOMID_IO),
			     "writable, by DOMID_IO");
		u.ptr = entry_maddr(a, 1);
		u.val = value;
		not_writable(a, hypercall(mmu_update, &u, 1, NULL, DOMID_IO),
			     "writable by mmu_update");
	}
	equals(hypercall(update_va_mapping_otherdomain, a, 0xfed40000 | PTE_RW | PTE_PCD | PTE_PWT,
			 UVMF_INVLPG, DOMID_IO),
	       0, "device memory: nobody's, uncached");
	equals(set_va(a, FRAME(a) | PTE_RW, UVMF_INVLPG), 0, "back");
	equals(set_va(a, 0xa0000 | PTE_RW | PTE_PCD, UVMF_INVLPG), 0, "the VGA window");
	equals(set_va(a, FRAME(a) | PTE_RW, UVMF_INVLPG), 0, "back");
}

/* Every frame that is RAM and not ours belongs to the hypervisor or to nobody. */
static void foreign_ram(void)
{
	char *a = page_alloc();
	u64 tried = 0, taken = 0, grant_frame = 0;
	struct gnttab_setup_table grants = {
		.dom = DOMID_SELF, .nr_frames = 1, .frame_list.p = &grant_frame};
	static u8 own[65536];

	for (u64 pfn = 0; pfn < start_info->nr_pages; pfn++)
		if (p2m[pfn] < sizeof(own))
			own[p2m[pfn]] = 1;
	own[start_info->shared_info >> 12] = 1;
	hypercall(grant_table_op, GNTTABOP_setup_table, &grants, 1);
	own[grant_frame] = 1;
	for (u64 mfn = 0x100; mfn < 0xff00; mfn++) {
		if (own[mfn])
			continue;
		tried++;
		if (set_va(a, (mfn << 12) | PTE_RW, 0) == 0 ||
		    set_va(a, (mfn << 12) | PTE_RO, 0) == 0) {
			print("# taken: frame %lx %lx\n", mfn, *entry_of(a, 1));
			taken++;
		}
	}
	check(tried > 1000, "there are frames that are not ours");
	equals(taken, 0, "none of them can be mapped");
}

void guest_main(void)
{
	flush_forms();
	refusals();
	iomem();
	foreign_ram();
}

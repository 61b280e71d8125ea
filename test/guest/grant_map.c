/* SPDX-License-Identifier: MIT */
/*
 * A test guest: its own pages granted to itself, mapped and unmapped in every form, well and badly. Security cases 227
 * (misaligned entry), 234 (access not looked at), 224 and 236 (counts, mappings for devices alone), 218 and 228 (two
 * unmaps race), and a guest that clears an accessed bit so that a flush might be left out.
 */
#include "guest.h"

#define gnttab(op, arg, count) hypercall(grant_table_op, op, arg, count)
#define NO_DOMAIN	       77
#define NO_TABLE	       0x100000000000ul
#define FRAME(p)	       (mfn_of(p) << 12)
#define REF		       5
#define ENTRIES		       1024
#define PERMIT		       GTF_permit_access
#define BOTH		       (GTF_reading | GTF_writing)
#define HOST		       GNTMAP_host_map
#define DEVICE		       GNTMAP_device_map
#define RO		       GNTMAP_readonly
#define BY_PTE		       GNTMAP_contains_pte

static struct grant_entry_v1 *grants;
static char *page, *window, *other;
#define W ((u64)window)

static void grant(u32 ref, u16 flags, domid_t dom, u64 frame)
{
	ACCESS(grants[ref].flags) = 0;
	grants[ref].domid = dom;
	grants[ref].frame = (u32)frame;
	barrier();
	ACCESS(grants[ref].flags) = flags;
}

static u16 flags_of(u32 ref)
{
	return ACCESS(grants[ref].flags);
}

static struct gnttab_map_grant_ref m;
static u32 handle;
static int map_dom(domid_t dom, u32 ref, u64 addr, u32 flags)
{
	m = (struct gnttab_map_grant_ref){
		.host_addr = addr, .flags = flags, .ref = ref, .dom = dom, .status = 1};
	if (gnttab(GNTTABOP_map_grant_ref, &m, 1))
		return 1;
	if (!m.status)
		handle = m.handle;
	return m.status;
}

static int map(u64 addr, u32 flags)
{
	return map_dom(0, REF, addr, flags);
}

static int unmap_both(u64 addr, u64 dev, u32 which)
{
	struct gnttab_unmap_grant_ref u = {
		.host_addr = addr, .dev_bus_addr = dev, .handle = which, .status = 1};

	return gnttab(GNTTABOP_unmap_grant_ref, &u, 1) ? 1 : u.status;
}

static int unmap(u64 addr)
{
	return unmap_both(addr, 0, handle);
}

/* Without what the CPU or the hypervisor may add. */
static u64 entry_flags(void)
{
	return *entry_of(window, 1) & ~(PTE_MFN | PTE_A | PTE_D | PTE_G | 3ul << 52);
}

static void plain(void)
{
	u64 x = 0;

	grant(REF, PERMIT, 0, mfn_of(page));
	*(u64 *)page = 0x1234;
	equals(map(W, HOST), 0, "map");
	equals(m.dev_bus_addr, (long)FRAME(page), "map: the bus address");
	equals(flags_of(REF), PERMIT | BOTH, "map: the entry says so");
	equals(entry_flags(), PTE_P | PTE_W | PTE_U | PTE_NX, "map: the page-table entry");
	equals(*(u64 *)window, 0x1234, "map: reads");
	*(u64 *)window = 0x5678;
	equals(*(u64 *)page, 0x5678, "map: writes");
	equals(unmap(W), 0, "unmap");
	equals(flags_of(REF), PERMIT, "unmap: the entry says so");
	equals(*entry_of(window, 1), 0, "unmap: no page-table entry");
	equals(trap_read(window, x), 14, "unmap: no access");
	equals(unmap(W), GNTST_bad_handle, "unmap: again");
	equals(map(W, HOST | RO), 0, "map read-only");
	equals(flags_of(REF), PERMIT | GTF_reading, "map read-only: the entry says so");
	equals(entry_flags(), PTE_P | PTE_U | PTE_NX, "map read-only: the page-table entry");
	equals(*(u64 *)window, 0x5678, "map read-only: reads");
	equals(trap_write(window, 1), 14, "map read-only: does not write");
	equals(unmap(W), 0, "unmap read-only");
	equals(map(W, HOST | GNTMAP_application_map), 0, "map for applications");
	equals(entry_flags(), PTE_P | PTE_W | PTE_U | PTE_NX, "map for applications: the entry");
	equals(unmap(W), 0, "unmap");
	equals(map(W, HOST | RO | GNTMAP_guest_avail_mask), 0, "map with the guest's bits");
	equals(entry_flags(), PTE_P | PTE_U | PTE_NX | 0xe00, "three of them are kept");
	equals(unmap(W), 0, "unmap");
	equals(map(W + 8, HOST), 0, "map at an odd address");
	equals(unmap(W + 16), 0, "unmap at another one of the page");
	equals(map(W, HOST | 0x8000), 0, "map with an unknown flag");
	equals(unmap(W), 0, "unmap");
}

static void refusals(void)
{
	static const struct {
		u16 flags;
		int rw, ro;
		const char *text;
	} entries[] = {
		{GTF_invalid, -1, -1, "entry: invalid"},
		{GTF_accept_transfer, -1, -1, "entry: for a transfer"},
		{GTF_transitive, -1, -1, "entry: transitive"},
		{PERMIT | GTF_sub_page, -1, -1, "entry: part of a page"},
		{PERMIT | GTF_readonly, -1, 0, "entry: read-only"},
		{PERMIT | GTF_PCD, 0, 0, "entry: PCD"},
		{PERMIT | GTF_PAT | GTF_PWT, 0, 0, "entry: PAT, PWT"},
		{PERMIT | GTF_reading, 0, 0, "entry: says it is read"},
		{PERMIT | 0xfe00, 0, 0, "entry: unknown flags"},
	};
	const domid_t domains[] = {1, NO_DOMAIN, DOMID_SELF, DOMID_INVALID};
	const u64 frames[] = {0xfffff, 0xffffffff, 0xb8, 0xfee00, 0};

	equals(map_dom(DOMID_SELF, REF, W, HOST), GNTST_bad_domain, "domain: DOMID_SELF");
	equals(map_dom(NO_DOMAIN, REF, W, HOST), GNTST_bad_domain, "domain: none");
	equals(map_dom(DOMID_XEN, REF, W, HOST), GNTST_bad_domain, "domain: DOMID_XEN");
	equals(map_dom(0, ENTRIES - 1, W, HOST), GNTST_general_error, "ref: empty entry");
	equals(map_dom(0, ENTRIES, W, HOST), GNTST_bad_gntref, "ref: beyond the table");
	equals(map_dom(0, 512 * 64, W, HOST), GNTST_bad_gntref, "ref: beyond its limit");
	equals(map_dom(0, 0xffffffff, W, HOST), GNTST_bad_gntref, "ref: -1");
	equals(map(W, 0), GNTST_bad_gntref, "flags: neither for hosts nor devices");
	equals(map(W, RO), GNTST_bad_gntref, "flags: read-only alone");
	for (unsigned int i = 0; i < ARRAY_SIZE(entries); i++) {
		grant(REF, entries[i].flags, 0, mfn_of(page));
		equals(map(W, HOST), entries[i].rw, entries[i].text);
		if (!m.status)
			equals(unmap(W), 0, "unmap");
		equals(map(W, HOST | RO), entries[i].ro, entries[i].text);
		if (!m.status)
			equals(unmap(W), 0, "unmap");
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(domains); i++) {
		grant(REF, PERMIT, domains[i], mfn_of(page));
		equals(map(W, HOST), GNTST_general_error, "entry: for another domain");
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(frames); i++) {
		grant(REF, PERMIT, 0, frames[i]);
		equals(map(W, HOST), GNTST_bad_page, "frame: not of that domain's memory");
		equals(map(W, DEVICE | RO), GNTST_bad_page, "frame: the same for a device");
		equals(flags_of(REF), PERMIT, "frame: nothing is left in use");
	}
	grant(REF, PERMIT, 0, mfn_of(root()));
	equals(map(W, HOST), GNTST_general_error, "frame: the root, writable");
	equals(map(W, DEVICE), GNTST_general_error, "frame: the root, writable by a device");
	equals(map(W, HOST | RO), 0, "frame: the root, read-only");
	equals(unmap(W), 0, "unmap");
	grant(REF, PERMIT, 0, mfn_of(entry_of(page, 1)));
	equals(map(W, HOST), GNTST_general_error, "frame: an L1, writable");
	equals(flags_of(REF), PERMIT, "frame: nothing is left in use");
	grant(REF, PERMIT, 0, mfn_of(page));
}

static void places(void)
{
	u64 entry = entry_maddr(window, 1), entry2 = entry_maddr(window, 2);

	equals(map(HYPERVISOR_VIRT_START, HOST), -1, "address: the hypervisor's");
	equals(map(NO_TABLE, HOST), -1, "address: no table there");
	equals(map(0x800000000000000, HOST), -1, "address: not canonical");
	equals(map(0, HOST), -1, "address: 0");
	equals(map(entry + 4, HOST | BY_PTE), -1, "entry: misaligned by 4 (227)");
	equals(map(entry + 1, HOST | BY_PTE), -1, "entry: misaligned by 1 (227)");
	equals(map(entry2, HOST | BY_PTE), -1, "entry: of an L2");
	equals(map(maddr_of(other), HOST | BY_PTE), -1, "entry: in an ordinary page");
	equals(map(0xfee00000, HOST | BY_PTE), -1, "entry: in the local APIC");
	equals(map(0xfffffffff000, HOST | BY_PTE), -1, "entry: in no memory");
	equals(map(0, HOST | BY_PTE), -1, "entry: 0");
	equals(flags_of(REF), PERMIT, "nothing is left in use");
	equals(map(entry, HOST | BY_PTE), 0, "by entry");
	*(u64 *)window = 99;
	equals(*(u64 *)page, 99, "by entry: it is the page");
	equals(unmap(W), -1, "by entry, unmap by address");
	equals(unmap(entry + 4), -1, "by entry, unmap misaligned");
	equals(unmap(entry2), -1, "by entry, unmap in an L2");
	equals(unmap(entry_maddr(other, 1)), -1, "by entry, unmap another");
	equals(unmap(0xfffffffff000), -1, "by entry, unmap in no memory");
	equals(flags_of(REF), PERMIT | BOTH, "by entry, still in use");
	equals(unmap(entry), 0, "by entry, unmap");
	equals(map(W, HOST), 0, "over nothing");
	equals(unmap(NO_TABLE), -1, "unmap where no table is");
	equals(unmap(HYPERVISOR_VIRT_START), -1, "unmap in the hypervisor's range");
	equals(unmap(entry), -1, "unmap by entry what has an address");
	equals(unmap(W), 0, "unmap");
	equals(unmap_both(W, 0, 0x7fffffff), GNTST_bad_handle, "handle: far too high");
	equals(unmap_both(W, 0, 0xffffffff), GNTST_bad_handle, "handle: -1");
	equals(set_va(other, FRAME(other) | PTE_RW, UVMF_INVLPG), 0, "a page of ours");
	equals(map((u64)other, HOST), 0, "over a page of ours");
	equals(unmap((u64)other), 0, "unmap: nothing is there");
	equals(set_va(other, FRAME(other) | PTE_RW, UVMF_INVLPG), 0, "the page again");
}

static void devices(void)
{
	u64 dev = FRAME(page);

	equals(map(W, DEVICE), 0, "device");
	equals(m.dev_bus_addr, (long)dev, "device: bus address");
	equals(flags_of(REF), PERMIT | BOTH, "device: the entry says so");
	equals(*entry_of(window, 1), 0, "device: no page-table entry");
	equals(unmap(W), 0, "device, unmap by address: nothing");
	equals(unmap(0), 0, "device, unmap nothing");
	equals(unmap_both(0, dev + 4096, handle), GNTST_bad_dev_addr, "device, unmap another");
	equals(flags_of(REF), PERMIT | BOTH, "device: still in use");
	equals(unmap_both(0, dev, handle), 0, "device, unmap");
	equals(flags_of(REF), PERMIT, "device: no more in use");
	equals(unmap_both(0, dev, handle), GNTST_bad_handle, "device, unmap again");
	for (unsigned int i = 0; i < 2; i++) {
		equals(map(W, DEVICE | HOST), 0, "both");
		equals(unmap_both(W + 4096, dev, handle), -1, "both, unmap at a wrong address");
		equals(unmap_both(W, dev + 8, handle), GNTST_bad_dev_addr,
		       "both, unmap a wrong bus address");
		equals(unmap_both(i ? W : 0, i ? 0 : dev, handle), 0, "both, unmap one");
		equals(flags_of(REF), PERMIT | BOTH, "both: still in use");
		equals(unmap_both(i ? W : 0, i ? 0 : dev, handle), 0,
		       "both, the same again: nothing");
		equals(unmap_both(i ? 0 : W, i ? dev : 0, handle), 0, "both, unmap the other");
		equals(flags_of(REF), PERMIT, "both: no more in use");
	}
	equals(map(W, DEVICE | HOST), 0, "both");
	equals(unmap_both(W, dev, handle), 0, "both, unmap both");
	equals(flags_of(REF), PERMIT, "both: no more in use");
}

static void several(void)
{
	u32 rw, ro;

	equals(map(W, HOST), 0, "writable");
	rw = handle;
	equals(map((u64)other, HOST | RO), 0, "and read-only");
	ro = handle;
	equals(flags_of(REF), PERMIT | BOTH, "several: in use");
	equals(unmap_both((u64)other, 0, rw), -1,
	       "several: the writable one where the other is (234)");
	equals(unmap_both(W, 0, ro), -1, "several: the read-only one where the other is (234)");
	equals(unmap_both(W, 0, rw), 0, "several: unmap the writable one");
	equals(flags_of(REF), PERMIT | GTF_reading, "several: no writer is left");
	ACCESS(grants[REF].flags) |= GTF_readonly;
	equals(map(W, HOST), -1, "several: made read-only meanwhile");
	grants[REF].flags &= (u16)~GTF_readonly;
	equals(unmap_both((u64)other, 0, ro), 0, "several: unmap the read-only one");
	equals(flags_of(REF), PERMIT, "several: none is left");
	equals(set_va(other, FRAME(other) | PTE_RW, UVMF_INVLPG), 0, "the page again");
}

/* The guest changes the page-table entry itself. */
static void changed(void)
{
	equals(map(W, HOST), 0, "changed: map");
	equals(set_va(window, FRAME(page) | PTE_P | PTE_W, UVMF_INVLPG), 0, "changed: flags alone");
	equals(unmap(W), 0, "changed: unmap");
	equals(map(W, HOST), 0, "made read-only: map");
	equals(set_va(window, FRAME(page) | PTE_RO, UVMF_INVLPG), 0, "made read-only");
	equals(unmap(W), -1, "made read-only: unmap");
	equals(flags_of(REF), PERMIT | BOTH, "made read-only: still in use");
	equals(set_va(window, FRAME(page) | PTE_RW, UVMF_INVLPG), 0, "writable again");
	equals(unmap(W), 0, "writable again: unmap");
	equals(map(W, HOST), 0, "cleared: map");
	equals(set_va(window, 0, UVMF_INVLPG), 0, "cleared");
	equals(unmap(W), -1, "cleared: unmap");
	equals(unmap(W), -1, "cleared: unmap again");
	equals(flags_of(REF), PERMIT | BOTH, "cleared: still in use");
	equals(set_va(window, FRAME(page) | PTE_RW, UVMF_INVLPG), 0, "put back");
	equals(unmap(W), 0, "put back: unmap");
	equals(flags_of(REF), PERMIT, "put back: no more in use");
	equals(map(W, HOST), 0, "another page: map");
	equals(set_va(window, FRAME(window) | PTE_RW, UVMF_INVLPG), 0, "another page");
	equals(unmap(W), -1, "another page: unmap");
	equals(set_va(window, FRAME(page) | PTE_RW, UVMF_INVLPG), 0, "the page");
	equals(unmap(W), 0, "the page: unmap");
}

/* A page that is granted and in use does not become a table; afterwards it does. */
static void types(void)
{
	u64 *victim = page_alloc();

	make_ro(victim);
	grant(REF, PERMIT, 0, mfn_of(victim));
	equals(map(W, DEVICE), 0, "type: a device may write it");
	refused(mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(victim), 0), "type: so it is no table");
	equals(unmap_both(0, FRAME(victim), handle), 0, "type: unmap");
	equals(mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(victim), 0), 0, "type: now it is");
	equals(map(W, DEVICE), -1, "type: and is not written by a device");
	equals(map(W, HOST | RO), 0, "type: but read");
	equals(mmuext(MMUEXT_UNPIN_TABLE, mfn_of(victim), 0), 0, "type: unpin");
	equals(unmap(W), 0, "type: unmap");
	make_rw(victim);
	page_free(victim);
	grant(REF, PERMIT, 0, mfn_of(page));
}

#define BATCH 100
static void batches(void)
{
	static struct gnttab_map_grant_ref maps[BATCH];
	static struct gnttab_unmap_grant_ref unmaps[BATCH];
	unsigned int good = 0;

	equals(gnttab(GNTTABOP_map_grant_ref, maps, 0), 0, "batch: none");
	equals(gnttab(GNTTABOP_map_grant_ref, maps, 0xffffffff), -XEINVAL, "batch: -1 of them");
	equals(gnttab(GNTTABOP_map_grant_ref, 8, 1), -XEFAULT, "batch: bad pointer");
	equals(gnttab(GNTTABOP_unmap_grant_ref, 8, 1), -XEFAULT, "batch: bad pointer");
	equals(gnttab(GNTTABOP_map_grant_ref, HYPERVISOR_VIRT_START, 1), -XEFAULT,
	       "batch: hypervisor's pointer");
	for (unsigned int i = 0; i < BATCH; i++)
		maps[i] = (struct gnttab_map_grant_ref){
			.host_addr = W, .flags = DEVICE, .ref = i % 10 == 3 ? ENTRIES : REF};
	equals(gnttab(GNTTABOP_map_grant_ref, maps, BATCH), 0, "batch: map");
	for (unsigned int i = 0; i < BATCH; i++) {
		good += maps[i].status == (i % 10 == 3 ? GNTST_bad_gntref : 0);
		unmaps[i] = (struct gnttab_unmap_grant_ref){
			.dev_bus_addr = FRAME(page),
			.handle = maps[i].status ? 0xffffffff : maps[i].handle};
	}
	equals(good, BATCH, "batch: each has its status");
	equals(gnttab(GNTTABOP_unmap_grant_ref, unmaps, BATCH), 0, "batch: unmap");
	for (unsigned int i = 0; i < BATCH; i++)
		good -= unmaps[i].status == (i % 10 == 3 ? GNTST_bad_handle : 0);
	equals(good, 0, "batch: each has its status");
	equals(flags_of(REF), PERMIT, "batch: none is left");
	for (unsigned int i = 0; i < 2; i++)
		unmaps[i] = (struct gnttab_unmap_grant_ref){.host_addr = W};
	equals(map(W, HOST), 0, "twice in a batch: map");
	unmaps[0].handle = unmaps[1].handle = handle;
	equals(gnttab(GNTTABOP_unmap_grant_ref, unmaps, 2), 0, "twice in a batch (218)");
	equals(unmaps[0].status, 0, "twice in a batch: the first");
	equals(unmaps[1].status, GNTST_bad_handle, "twice in a batch: not the second");
}

/* ---- the accessed bit */

static volatile u64 wanted, answered, answer;
static void second(void)
{
	for (;;) {
		u64 x = 0;

		while (wanted == answered)
			barrier();
		answer = trap_read(window, x);
		barrier();
		answered = wanted;
	}
}

static u64 read_there(void)
{
	u64 end = time_ns() + 4000000000;

	wanted++;
	while (answered != wanted && time_ns() < end)
		barrier();
	return answered == wanted ? answer : 1;
}

static void cheat(unsigned int how)
{
	static const char *const text[] = {
		"A untouched",
		"A set",
		"A cleared by mmu_update",
		"A cleared by update_va_mapping",
		"A cleared by a write to the table",
		"A cleared by a locked operation on the table",
	};
	pte_t *entry = entry_of(window, 1);
	u64 x = 0;

	equals(map(W, HOST), 0, text[how]);
	if (how > 0) {
		equals(trap_read(window, x), NO_TRAP, "it is read here");
		equals(read_there(), NO_TRAP, "it is read by another CPU");
		check(*entry & PTE_A, "A is set");
	}
	if (how == 2)
		equals(mmu_update(entry_maddr(window, 1), *entry & ~PTE_A), 0, "cleared");
	if (how == 3)
		equals(set_va(window, *entry & ~PTE_A, UVMF_NONE), 0, "cleared");
	if (how == 4)
		*(volatile pte_t *)entry = *entry & ~PTE_A;
	if (how == 5)
		asm volatile("lock btrq $5, %0" : "+m"(*entry)::"cc", "memory");
	if (how > 1)
		check(!(*entry & PTE_A), "A is clear");
	equals(unmap(W), 0, "unmap");
	equals(trap_read(window, x), 14, "no access here");
	equals(read_there(), 14, "nor on the other CPU");
}

void guest_main(void)
{
	struct gnttab_setup_table s = {.dom = DOMID_SELF, .nr_frames = 2};
	u64 list[2];

	s.frame_list.p = (void *)list;
	equals(gnttab(GNTTABOP_setup_table, &s, 1), 0, "setup_table");
	grants = page_alloc();
	if (page_alloc() != (char *)grants + PAGE_SIZE)
		fatal("pages not together");
	set_va(grants, (list[0] << 12) | PTE_RW, UVMF_INVLPG);
	set_va((char *)grants + PAGE_SIZE, (list[1] << 12) | PTE_RW, UVMF_INVLPG);
	page = page_alloc();
	window = page_alloc();
	other = page_alloc();
	equals(set_va(window, 0, UVMF_INVLPG), 0, "a window");
	plain();
	refusals();
	places();
	devices();
	several();
	changed();
	types();
	batches();
	equals(vcpu_up(1, second), 0, "a second vCPU");
	for (unsigned int how = 0; how < 6; how++)
		cheat(how);
}

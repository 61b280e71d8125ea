/* SPDX-License-Identifier: MIT */
/*
 * A test guest: copies between its own frames and those it granted to itself, and the rarer grant operations:
 * unmap_and_replace, swap_grant_ref, transfer, cache_flush, dump_table. Security cases 234
 * (access not looked at on replace), 316, 318 (batches).
 */
#include "guest.h"

#define gnttab(op, arg, count) hypercall(grant_table_op, op, arg, count)
#define NO_DOMAIN	       77
#define FRAME(p)	       (mfn_of(p) << 12)
#define SELF		       DOMID_SELF
#define ENTRIES		       512
#define PERMIT		       GTF_permit_access
#define FROM_REF	       GNTCOPY_source_gref
#define TO_REF		       GNTCOPY_dest_gref

enum { RW = 5, RO = 7, EMPTY = 400 };
static struct grant_entry_v1 *grants;
static char *a, *b, *window;

static void grant(u32 ref, u16 flags, domid_t dom, u64 frame)
{
	ACCESS(grants[ref].flags) = 0;
	grants[ref].domid = dom;
	grants[ref].frame = (u32)frame;
	barrier();
	ACCESS(grants[ref].flags) = flags;
}

struct side {
	u64 which;
	domid_t dom;
	u16 offset;
};

static int copy(struct side from, struct side to, u16 len, u16 flags)
{
	struct gnttab_copy c = {
		.source = {.u.gmfn = from.which, .domid = from.dom, .offset = from.offset},
		.dest = {.u.gmfn = to.which, .domid = to.dom, .offset = to.offset},
		.len = len,
		.flags = flags,
		.status = 1};

	return gnttab(GNTTABOP_copy, &c, 1) ? 1 : c.status;
}
#define SIDE(...) ((struct side){__VA_ARGS__})
#define A	  SIDE(mfn_of(a), SELF, 0)
#define B	  SIDE(mfn_of(b), SELF, 0)

static void fill(void)
{
	for (unsigned int i = 0; i < PAGE_SIZE; i++) {
		a[i] = (char)(i * 7 + 1);
		b[i] = (char)0xee;
	}
}

static bool is_copied(unsigned int from, unsigned int to, unsigned int len)
{
	for (unsigned int i = 0; i < PAGE_SIZE; i++)
		if (b[i] != (i >= to && i < to + len ? a[i - to + from] : (char)0xee))
			return false;
	return true;
}

static void contents(void)
{
	static const struct {
		u16 from, to, len;
	} spans[] = {{0, 0, 4096}, {0, 1, 4095}, {1, 0, 4095},	  {17, 2048, 2048}, {4095, 0, 1},
		     {5, 9, 13},   {0, 0, 0},	 {4096, 4096, 0}, {100, 4000, 96},  {8, 8, 8}};

	for (unsigned int flags = 0; flags < 4; flags++)
		for (unsigned int i = 0; i < ARRAY_SIZE(spans); i++) {
			struct side from = flags & FROM_REF ? SIDE(RO, 0, 0) : A;
			struct side to = flags & TO_REF ? SIDE(RW, 0, 0) : B;

			from.offset = spans[i].from;
			to.offset = spans[i].to;
			fill();
			equals(copy(from, to, spans[i].len, (u16)flags), 0, "copy");
			check(is_copied(spans[i].from, spans[i].to, spans[i].len),
			      "copy: these bytes and no others");
		}
	equals(grants[RW].flags, PERMIT, "copy: not in use afterwards");
	equals(grants[RO].flags, PERMIT | GTF_readonly, "copy: not in use afterwards");
	fill();
	equals(copy(SIDE(RO, SELF, 0), B, 4096, FROM_REF), 0, "copy: a grant of DOMID_SELF");
	check(is_copied(0, 0, 4096), "copy: all of it");
	equals(copy(A, B, 8, 4), 0, "copy: unknown flag");
	equals(copy(SIDE(mfn_of(root()), SELF, 0), B, 8, 0), 0, "copy: from a table");
}

static void refusals(void)
{
	const struct side nowhere = SIDE(0xffffffffff, SELF, 0);

	fill();
	equals(copy(SIDE(mfn_of(a), 0, 0), B, 8, 0), GNTST_permission_denied,
	       "source: a frame of a domain by number");
	equals(copy(A, SIDE(mfn_of(b), 0, 0), 8, 0), GNTST_permission_denied,
	       "dest: a frame of a domain by number");
	equals(copy(SIDE(mfn_of(a), NO_DOMAIN, 0), B, 8, 0), GNTST_bad_domain, "source: no domain");
	equals(copy(A, SIDE(mfn_of(b), NO_DOMAIN, 0), 8, 0), GNTST_bad_domain, "dest: no domain");
	equals(copy(SIDE(RO, NO_DOMAIN, 0), B, 8, FROM_REF), GNTST_bad_domain, "source: no domain");
	equals(copy(SIDE(RO, DOMID_XEN, 0), B, 8, FROM_REF), GNTST_bad_domain, "source: DOMID_XEN");
	equals(copy(SIDE(RO, DOMID_IO, 0), B, 8, FROM_REF), GNTST_bad_domain, "source: DOMID_IO");
	equals(copy(SIDE(ENTRIES, 0, 0), B, 8, FROM_REF), GNTST_bad_gntref, "source: no such ref");
	equals(copy(A, SIDE(ENTRIES, 0, 0), 8, TO_REF), GNTST_bad_gntref, "dest: no such ref");
	equals(copy(SIDE(EMPTY, 0, 0), B, 8, FROM_REF), GNTST_general_error, "source: empty entry");
	equals(copy(A, SIDE(EMPTY, 0, 0), 8, TO_REF), GNTST_general_error, "dest: empty entry");
	equals(copy(A, SIDE(RO, 0, 0), 8, TO_REF), GNTST_general_error, "dest: read-only entry");
	equals(copy(A, SIDE(mfn_of(root()), SELF, 0), 8, 0), GNTST_general_error, "dest: the root");
	equals(copy(nowhere, B, 8, 0), GNTST_bad_page, "source: no memory");
	equals(copy(A, nowhere, 8, 0), GNTST_bad_page, "dest: no memory");
	equals(copy(SIDE(0xfee00, SELF, 0), B, 8, 0), GNTST_bad_page, "source: the local APIC");
	equals(copy(A, SIDE(0xb8, SELF, 0), 8, 0), GNTST_bad_page, "dest: video memory");
	equals(copy(SIDE(mfn_of(a), SELF, 1), B, 4096, 0), GNTST_bad_copy_arg,
	       "source: over the end");
	equals(copy(A, SIDE(mfn_of(b), SELF, 1), 4096, 0), GNTST_bad_copy_arg,
	       "dest: over the end");
	equals(copy(A, B, 4097, 0), GNTST_bad_copy_arg, "more than a page");
	equals(copy(SIDE(mfn_of(a), SELF, 4097), B, 0, 0), GNTST_bad_copy_arg,
	       "nothing beyond the end");
	equals(copy(SIDE(mfn_of(a), SELF, 0xffff), B, 0xffff, 0), GNTST_bad_copy_arg,
	       "far over the end");
	equals(copy(SIDE(EMPTY, 0, 1), B, 4096, FROM_REF), GNTST_general_error,
	       "entry and bounds wrong: the entry's");
	grant(EMPTY, PERMIT, 3, mfn_of(a));
	equals(copy(SIDE(EMPTY, 0, 0), B, 8, FROM_REF), GNTST_general_error,
	       "entry of another domain");
	grant(EMPTY, PERMIT, 0, 0xfffff);
	equals(copy(SIDE(EMPTY, 0, 0), B, 8, FROM_REF), GNTST_bad_page, "entry of no memory");
	equals(copy(A, SIDE(EMPTY, 0, 0), 8, TO_REF), GNTST_bad_page, "to an entry of no memory");
	grant(EMPTY, PERMIT, 0, mfn_of(root()));
	equals(copy(SIDE(EMPTY, 0, 0), A, 0, FROM_REF), 0, "entry of the root");
	equals(copy(A, SIDE(EMPTY, 0, 0), 8, TO_REF), GNTST_general_error,
	       "to an entry of the root");
	check(is_copied(0, 0, 0), "refusals copy nothing");
	/* Version 1 cannot say which part: Mica refuses, Xen takes the whole page. */
	grant(EMPTY, PERMIT | GTF_sub_page, 0, mfn_of(a));
	equals(copy(SIDE(EMPTY, 0, 0), B, 8, FROM_REF), on_mica() ? GNTST_general_error : 0,
	       "entry of a part");
	equals(grants[EMPTY].flags, PERMIT | GTF_sub_page, "entries are not in use");
	grant(EMPTY, GTF_invalid, 0, 0);
}

/* Many in one call, neighbours that name the same frames, some of them wrong. */
static void batches(void)
{
	static struct gnttab_copy c[100];
	unsigned int good = 0;

	fill();
	for (unsigned int i = 0; i < ARRAY_SIZE(c); i++)
		c[i] = (struct gnttab_copy){
			.source = {.u.gmfn = i % 9 == 4 ? EMPTY
					     : i % 3	? RO
							: mfn_of(a),
				   .domid = i % 3 ? 0 : SELF,
				   .offset = (u16)(i * 40)},
			.dest = {.u.gmfn = i % 5 ? mfn_of(b) : RW,
				 .domid = i % 5 ? SELF : 0,
				 .offset = (u16)(i * 40)},
			.len = 40,
			.flags = (u16)((i % 3 ? FROM_REF : 0) | (i % 5 ? 0 : TO_REF)),
			.status = 1};
	equals(gnttab(GNTTABOP_copy, c, ARRAY_SIZE(c)), 0, "batch");
	for (unsigned int i = 0; i < ARRAY_SIZE(c); i++) {
		bool is_good = i % 9 != 4;
		char want = is_good ? a[i * 40 + 39] : (char)0xee;

		good += (c[i].status == 0) == is_good && b[i * 40 + 39] == want;
	}
	equals(good, ARRAY_SIZE(c), "batch: each did what its status says");
	equals(grants[RW].flags, PERMIT, "batch: not in use afterwards");
	equals(gnttab(GNTTABOP_copy, 8, 1), -XEFAULT, "batch: bad pointer");
	equals(gnttab(GNTTABOP_copy, HYPERVISOR_VIRT_START, 1), -XEFAULT,
	       "batch: hypervisor's pointer");
	equals(gnttab(GNTTABOP_copy, c, 0x80000000), -XEINVAL, "batch: too many");
}

static u32 map(u64 addr, u32 flags)
{
	struct gnttab_map_grant_ref m = {.host_addr = addr, .flags = flags, .ref = RW};

	if (gnttab(GNTTABOP_map_grant_ref, &m, 1) || m.status)
		fatal("map: %d", m.status);
	return m.handle;
}

static int unmap(u64 addr, u32 handle)
{
	struct gnttab_unmap_grant_ref u = {.host_addr = addr, .handle = handle, .status = 1};

	return gnttab(GNTTABOP_unmap_grant_ref, &u, 1) ? 1 : u.status;
}

static int replace(u64 addr, u64 new, u32 handle)
{
	struct gnttab_unmap_and_replace r = {
		.host_addr = addr, .new_addr = new, .handle = handle, .status = 1};

	return gnttab(GNTTABOP_unmap_and_replace, &r, 1) ? 1 : r.status;
}

static void replaced(void)
{
	u64 w = (u64)window, entry, x = 0;
	char *spare = page_alloc();
	u32 h;

	entry = entry_maddr(window, 1);
	*(u64 *)spare = 0x5555;
	h = map(w, GNTMAP_host_map);
	equals(replace(w, 0x100000000000, h), -1, "replace: no table at the new address");
	equals(replace(w, HYPERVISOR_VIRT_START, h), -1, "replace: the hypervisor's address");
	equals(replace((u64)start_info, (u64)spare, h), -1, "replace: not the mapping");
	equals(replace(w, (u64)spare, 0x7777), GNTST_bad_handle, "replace: no such handle");
	/* On Xen the new entry has gone when the old one is not found. */
	check(!on_mica() || *entry_of(spare, 1) & PTE_P, "replace: refusals change nothing");
	equals(set_va(spare, FRAME(spare) | PTE_RW, UVMF_INVLPG), 0, "a page of ours");
	equals(grants[RW].flags, PERMIT | GTF_reading | GTF_writing, "replace: still in use");
	equals(replace(w, (u64)spare, h), 0, "replace");
	equals(grants[RW].flags, PERMIT, "replace: no more in use");
	equals(*(u64 *)window, 0x5555, "replace: the other page is here now");
	equals(trap_read(spare, x), 14, "replace: and gone from there");
	equals(replace(w, (u64)spare, h), GNTST_bad_handle, "replace: again");
	equals(set_va(window, 0, UVMF_INVLPG), 0, "cleared");
	equals(set_va(spare, FRAME(spare) | PTE_RW, UVMF_INVLPG), 0, "and back");
	h = map(w, GNTMAP_host_map);
	equals(replace(w, 0, h), 0, "replace by nothing");
	equals(trap_read(window, x), 14, "replace by nothing: it is gone");
	h = map(entry, GNTMAP_host_map | GNTMAP_contains_pte);
	equals(replace(entry, entry_maddr(spare, 1), h), -1, "replace: not by entry");
	equals(unmap(entry, h), 0, "unmap");
	page_free(spare);
}

static int swap(u32 ref_a, u32 ref_b)
{
	struct gnttab_swap_grant_ref s = {.ref_a = ref_a, .ref_b = ref_b, .status = 1};

	return gnttab(GNTTABOP_swap_grant_ref, &s, 1) ? 1 : s.status;
}

static void swaps(void)
{
	u32 h;

	equals(swap(RW, RO), 0, "swap");
	check(grants[RW].flags == (PERMIT | GTF_readonly) && grants[RW].frame == mfn_of(a) &&
		      grants[RO].flags == PERMIT && grants[RO].frame == mfn_of(b),
	      "swap: they changed places");
	equals(swap(RO, RW), 0, "swap back");
	equals(swap(RW, RW), 0, "swap with itself");
	equals(swap(ENTRIES, RW), GNTST_bad_gntref, "swap: no such ref");
	equals(swap(RW, 0xffffffff), GNTST_bad_gntref, "swap: no such ref");
	h = map((u64)window, GNTMAP_host_map);
	equals(swap(RW, RO), GNTST_eagain, "swap: in use");
	equals(swap(RO, RW), GNTST_eagain, "swap: in use");
	equals(unmap((u64)window, h), 0, "unmap");
	equals(swap(RW, RO), 0, "swap");
	equals(swap(RW, RO), 0, "swap back");
}

static void rest(void)
{
	struct gnttab_transfer t = {.mfn = mfn_of(a), .domid = 0, .ref = RW, .status = 1};
	struct gnttab_cache_flush f = {.a.dev_bus_addr = FRAME(a), .length = 64, .op = 0};

	/* A page that is mapped is not given away; Mica never gives any. */
	equals(gnttab(GNTTABOP_transfer, &t, 1), 0, "transfer");
	equals(t.status, GNTST_bad_page, "transfer: refused");
	t.mfn = 0xfffff;
	equals(gnttab(GNTTABOP_transfer, &t, 1), 0, "transfer of no memory");
	equals(t.status, GNTST_bad_page, "transfer of no memory: refused");
	equals(gnttab(GNTTABOP_transfer, 8, 1), -XEFAULT, "transfer: bad pointer");
	equals(gnttab(GNTTABOP_cache_flush, &f, 1), 0, "cache_flush: nothing");
	equals(gnttab(GNTTABOP_cache_flush, &f, 0), 0, "cache_flush: none");
	f.op = GNTTAB_CACHE_INVAL;
	equals(gnttab(GNTTABOP_cache_flush, &f, 1), -XEOPNOTSUPP, "cache_flush");
	f.length = 0;
	equals(gnttab(GNTTABOP_cache_flush, &f, 1), 0, "cache_flush: no bytes");
	equals(gnttab(GNTTABOP_cache_flush, 8, 1), -XEFAULT, "cache_flush: bad pointer");
	equals(gnttab(GNTTABOP_dump_table, &t, 1), -XENOSYS, "dump_table");
}

void guest_main(void)
{
	struct gnttab_setup_table s = {.dom = SELF, .nr_frames = 1};
	u64 list[1];

	s.frame_list.p = (void *)list;
	equals(gnttab(GNTTABOP_setup_table, &s, 1), 0, "setup_table");
	grants = page_alloc();
	set_va(grants, (list[0] << 12) | PTE_RW, UVMF_INVLPG);
	a = page_alloc();
	b = page_alloc();
	window = page_alloc();
	equals(set_va(window, 0, UVMF_INVLPG), 0, "a window");
	grant(RW, PERMIT, 0, mfn_of(b));
	grant(RO, PERMIT | GTF_readonly, 0, mfn_of(a));
	contents();
	refusals();
	batches();
	replaced();
	swaps();
	rest();
}

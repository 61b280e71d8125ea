/* SPDX-License-Identifier: MIT */
/*
 * A test guest: the grant table itself: size, frames, version. Version 2 exists on Xen, unless it is told otherwise, but never
 * on Mica; so it is not asked for here.
 */
#include "guest.h"

#define NO_DOMAIN 77

static u64 list[64];

#define gnttab(op, arg, count) hypercall(grant_table_op, op, arg, count)

static int size(domid_t dom, struct gnttab_query_size *q)
{
	q->dom = dom;
	return gnttab(GNTTABOP_query_size, q, 1) ? 1 : q->status;
}

static int setup(domid_t dom, u32 frames, void *to)
{
	struct gnttab_setup_table s = {.dom = dom, .nr_frames = frames};

	s.frame_list.p = to;
	return gnttab(GNTTABOP_setup_table, &s, 1) ? 1 : s.status;
}

static void sizes(void)
{
	struct gnttab_query_size q;

	equals(size(DOMID_SELF, &q), GNTST_okay, "query_size");
	equals(q.nr_frames, 1, "query_size: one frame at first");
	equals(q.max_nr_frames, 64, "query_size: 64 at most");
	equals(size(0, &q), GNTST_okay, "query_size: myself by number");
	equals(size(NO_DOMAIN, &q), GNTST_bad_domain, "query_size: no such domain");
	equals(size(DOMID_XEN, &q), GNTST_bad_domain, "query_size: DOMID_XEN");
	equals(gnttab(GNTTABOP_query_size, &q, 0), -XEINVAL, "query_size: none");
	equals(gnttab(GNTTABOP_query_size, &q, 2), -XEINVAL, "query_size: two");
	equals(gnttab(GNTTABOP_query_size, 8, 1), -XEFAULT, "query_size: bad pointer");
}

static void frames(void)
{
	struct gnttab_query_size q;
	struct gnttab_setup_table s = {.dom = DOMID_SELF};
	u64 first;

	equals(setup(DOMID_SELF, 1, list), GNTST_okay, "setup_table: 1");
	first = list[0];
	equals(setup(DOMID_SELF, 4, list), GNTST_okay, "setup_table: 4");
	check(list[0] == first && list[1] && list[2] && list[3],
	      "setup_table: frames, the first one stays");
	equals(setup(DOMID_SELF, 0, list), GNTST_okay, "setup_table: 0");
	equals(setup(DOMID_SELF, 65, list), GNTST_general_error, "setup_table: 65");
	equals(setup(DOMID_SELF, 0xffffffff, list), GNTST_general_error, "setup_table: -1");
	equals(setup(NO_DOMAIN, 1, list), GNTST_bad_domain, "setup_table: no such domain");
	equals(setup(DOMID_SELF, 1, (void *)8), GNTST_bad_virt_addr, "setup_table: bad list");
	equals(gnttab(GNTTABOP_setup_table, &s, 0), -XEINVAL, "setup_table: none");
	equals(gnttab(GNTTABOP_setup_table, &s, 0xffffffff), -XEINVAL, "setup_table: -1 of them");
	equals(size(DOMID_SELF, &q), GNTST_okay, "query_size");
	equals(q.nr_frames, 4, "query_size: four frames now");
}

/* A frame of the table can be mapped, written, and read back; it is no page table and no vcpu_info's neighbour. */
static void mapped(void)
{
	char *window = page_alloc();
	struct grant_entry_v1 *entries = (void *)window;

	equals(set_va(window, (list[0] << 12) | PTE_RW, UVMF_INVLPG), 0, "the table can be mapped");
	equals(entries[0].flags | entries[511].flags, 0, "it is empty");
	entries[8].frame = 1;
	equals(entries[8].frame, 1, "it can be written");
	entries[8].frame = 0;
	refused(mmuext(MMUEXT_PIN_L1_TABLE, list[0], 0), "it cannot be a page table");
	equals(set_va(window, (mfn_of(window) << 12) | PTE_RW, UVMF_INVLPG), 0, "unmapped");
}

static void versions(void)
{
	struct gnttab_set_version s;
	struct gnttab_get_version g = {.dom = DOMID_SELF};
	struct gnttab_get_status_frames f = {.dom = DOMID_SELF, .nr_frames = 1};

	equals(gnttab(GNTTABOP_get_version, &g, 1), 0, "get_version");
	equals(g.version, 1, "get_version: 1");
	g.dom = NO_DOMAIN;
	equals(gnttab(GNTTABOP_get_version, &g, 1), -XESRCH, "get_version: no such domain");
	s.version = 1;
	equals(gnttab(GNTTABOP_set_version, &s, 1), 0, "set_version: 1");
	s.version = 0;
	equals(gnttab(GNTTABOP_set_version, &s, 1), -XEINVAL, "set_version: 0");
	equals(s.version, 1, "set_version: says what it is");
	s.version = 3;
	equals(gnttab(GNTTABOP_set_version, &s, 1), -XEINVAL, "set_version: 3");
	f.frame_list.p = (void *)list;
	equals(gnttab(GNTTABOP_get_status_frames, &f, 1), 0, "get_status_frames");
	equals(f.status, GNTST_general_error, "get_status_frames: not in version 1");
	equals(gnttab(GNTTABOP_get_status_frames, &f, 2), -XEINVAL, "get_status_frames: two");
	equals(gnttab(13, &s, 1), -XENOSYS, "no such call: 13");
	equals(gnttab(99, &s, 1), -XENOSYS, "no such call: 99");
	equals(gnttab(GNTTABOP_copy, &s, 0), 0, "copy: none");
}

void guest_main(void)
{
	sizes();
	frames();
	mapped();
	versions();
}

/* SPDX-License-Identifier: MIT */
/* uses: test/fake/whole.c */
/*
 * Grants on the whole machine: a guest lends pages, Domain 0 maps, copies and lets go, both do it wrongly, and either of them dies
 * in between. After every test all references are recounted and no frame is missing.
 */
#include "toolstack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/log.h"
#include "gnttab/gnttab.h"
#include "lib/errno.h"

static struct vcpu *v; /* Domain 0's */
static struct tool_guest g;
static u64 free_before;
#define CALL(name, ...)		  guest_call(v, __HYPERVISOR_##name, __VA_ARGS__)
#define GRANT(command, op, count) CALL(grant_table_op, GNTTABOP_##command, U(op), count)

#define REF 9u
#define VA  guest_va(120) /* where Domain 0 maps it */

static struct grant_entry_v1 *entry_of(struct domain *d, u32 ref)
{
	return (struct grant_entry_v1 *)hw_frame_map(gnttab_frame(d, ref / 512)) + ref % 512;
}

/* The guest lends one of its pages to Domain 0. */
static void lend(u32 ref, unsigned int page, u16 flags)
{
	struct grant_entry_v1 *entry = entry_of(g.d, ref);

	entry->frame = (u32)g.mfns[page];
	entry->domid = 0;
	entry->flags = GTF_permit_access | flags;
}

static u64 entry_at(u64 va)
{
	return *(const u64 *)(fake_ram + maddr_num(guest_pte(va)));
}

static struct gnttab_map_grant_ref map(u64 va, u32 ref, u32 flags)
{
	struct gnttab_map_grant_ref op = {.host_addr = va, .ref = ref, .dom = g.id, .flags = flags};

	assert_int_equal(GRANT(map_grant_ref, &op, 1), 0);
	return op;
}

static s16 unmap(u64 va, u32 handle)
{
	struct gnttab_unmap_grant_ref op = {.host_addr = va, .handle = handle};

	assert_int_equal(GRANT(unmap_grant_ref, &op, 1), 0);
	return op.status;
}

/* ---------------------------------------------------------------- the table */

static void the_table(void **state)
{
	u64 list[65];
	struct gnttab_query_size size = {.dom = DOMID_SELF};
	struct gnttab_setup_table table = {.dom = DOMID_SELF, .nr_frames = 3, .frame_list.p = list};
	struct gnttab_set_version set = {.version = 1};
	struct gnttab_get_version get = {.dom = DOMID_SELF};
	struct gnttab_get_status_frames status = {.dom = DOMID_SELF};
	struct vcpu *u = g.d->vcpus[0];
#define FROM_GUEST(command, op) \
	guest_call(u, __HYPERVISOR_grant_table_op, GNTTABOP_##command, U(op), 1)

	(void)state;
	tool_run(&g);
	assert_int_equal(FROM_GUEST(query_size, &size), 0);
	assert_int_equal(size.status, GNTST_okay);
	assert_int_equal(size.nr_frames, 1);
	assert_int_equal(size.max_nr_frames, 64);
	assert_int_equal(GRANT(query_size, &size, 2), -EINVAL);
	assert_int_equal(GRANT(query_size, 8ull, 1), -EFAULT);
	assert_int_equal(GRANT(query_size, &size, ~0u), -EINVAL);
	size.dom = 0;
	assert_int_equal(FROM_GUEST(query_size, &size), 0);
	assert_int_equal(size.status, GNTST_permission_denied);
	size.dom = 99;
	assert_int_equal(GRANT(query_size, &size, 1), 0);
	assert_int_equal(size.status, GNTST_bad_domain);
	size.dom = g.id;
	assert_int_equal(GRANT(query_size, &size, 1), 0);
	assert_int_equal(size.status, GNTST_okay);
	assert_int_equal(FROM_GUEST(setup_table, &table), 0);
	assert_int_equal(table.status, GNTST_okay);
	for (u32 i = 0; i < 3; i++)
		assert_int_equal(list[i], mfn_num(gnttab_frame(g.d, i)));
	assert_true(mfn_is_none(gnttab_frame(g.d, 3)));
	table.nr_frames = 65;
	assert_int_equal(FROM_GUEST(setup_table, &table), 0);
	assert_int_equal(table.status, GNTST_general_error);
	table.nr_frames = 64;
	for (int n = 0; n < 40; n++) {
		fake_alloc_fail_after = n;
		assert_int_equal(FROM_GUEST(setup_table, &table), 0);
		fake_alloc_fail_after = -1;
		assert_int_equal(table.status, GNTST_general_error);
		if (gnttab_frame(g.d, 40).m != MFN_NONE.m)
			break;
	}
	assert_int_equal(FROM_GUEST(setup_table, &table), 0);
	assert_int_equal(table.status, GNTST_okay);
	table.frame_list.p = (void *)8;
	assert_int_equal(FROM_GUEST(setup_table, &table), 0);
	assert_int_equal(table.status, GNTST_bad_virt_addr);
	table.dom = 0;
	assert_int_equal(FROM_GUEST(setup_table, &table), 0);
	assert_int_equal(table.status, GNTST_permission_denied);
	assert_int_equal(GRANT(set_version, &set, 1), 0);
	set.version = 2;
	assert_int_equal(GRANT(set_version, &set, 1), -ENOSYS);
	set.version = 3;
	assert_int_equal(GRANT(set_version, &set, 1), -EINVAL);
	assert_int_equal(GRANT(get_version, &get, 1), 0);
	assert_int_equal(get.version, 1);
	get.dom = 99;
	assert_int_equal(GRANT(get_version, &get, 1), -ESRCH);
	get.dom = 0;
	assert_int_equal(FROM_GUEST(get_version, &get), -EPERM);
	assert_int_equal(GRANT(get_status_frames, &status, 1), 0);
	assert_int_equal(status.status, GNTST_general_error);
	assert_int_equal(CALL(grant_table_op, 99, 0, 0), -ENOSYS);
	assert_int_equal(CALL(grant_table_op, 99, 0, 1), -ENOSYS);
}

/* ---------------------------------------------------------------- maps */

static void mapped_and_let_go(void **state)
{
	struct gnttab_map_grant_ref op;
	const struct grant_entry_v1 *entry = entry_of(g.d, REF);

	(void)state;
	lend(REF, 20, 0);
	op = map(VA, REF, GNTMAP_host_map);
	assert_int_equal(op.status, GNTST_okay);
	assert_int_equal(op.dev_bus_addr, g.mfns[20] << PAGE_SHIFT);
	assert_int_equal(entry->flags, GTF_permit_access | GTF_reading | GTF_writing);
	assert_ptr_equal(guest_ptr(VA), hw_frame_map(mfn_make(g.mfns[20])));
	assert_true(entry_at(VA) & PTE_RW);
	assert_int_equal(machine_audit(), 0);
	assert_int_equal(unmap(VA + PAGE_SIZE, op.handle), GNTST_general_error); /* not there */
	assert_int_equal(unmap(VA, op.handle + 1), GNTST_bad_handle);
	assert_int_equal(unmap(VA, ~0u), GNTST_bad_handle);
	assert_int_equal(unmap(VA, op.handle), GNTST_okay);
	assert_null(guest_ptr(VA));
	assert_int_equal(entry->flags, GTF_permit_access);
	assert_int_equal(unmap(VA, op.handle), GNTST_bad_handle); /* once */
}

static void read_only(void **state)
{
	struct gnttab_map_grant_ref op;
	struct mmu_update raise = {0};

	(void)state;
	lend(REF, 20, GTF_readonly);
	assert_int_equal(map(VA, REF, GNTMAP_host_map).status, GNTST_general_error);
	op = map(VA, REF, GNTMAP_host_map | GNTMAP_readonly);
	assert_int_equal(op.status, GNTST_okay);
	assert_false(entry_at(VA) & PTE_RW);
	assert_int_equal(entry_of(g.d, REF)->flags, GTF_permit_access | GTF_readonly | GTF_reading);
	/* There is no way around: a mapping of the guest's page is not Domain 0's to make writable as its own. */
	raise.ptr = maddr_num(guest_pte(VA)) | MMU_NORMAL_PT_UPDATE;
	raise.val = entry_at(VA) | PTE_RW;
	assert_true(CALL(mmu_update, U(&raise), 1, 0, DOMID_SELF) < 0);
	assert_false(entry_at(VA) & PTE_RW);
	assert_int_equal(unmap(VA, op.handle), GNTST_okay);
}

static void what_is_refused(void **state)
{
	struct gnttab_map_grant_ref op = {
		.host_addr = VA, .ref = REF, .dom = 99, .flags = GNTMAP_host_map};
	const u64 mfn = g.mfns[20];

	(void)state;
	lend(REF, 20, 0);
	assert_int_equal(GRANT(map_grant_ref, &op, 1), 0);
	assert_int_equal(op.status, GNTST_bad_domain);
	assert_int_equal(map(VA, 512, GNTMAP_host_map).status, GNTST_bad_gntref);
	assert_int_equal(map(VA, ~0u, GNTMAP_host_map).status, GNTST_bad_gntref);
	assert_int_not_equal(map(VA, REF, 0).status, GNTST_okay);
	assert_int_equal(map(VA, REF + 1, GNTMAP_host_map).status,
			 GNTST_general_error); /* not lent */
	assert_int_equal(map(LAYOUT_START, REF, GNTMAP_host_map).status, GNTST_general_error);
	assert_int_equal(map(1ull << 40, REF, GNTMAP_host_map).status, GNTST_general_error);
	assert_int_equal(
		map(g.mfns[3] << PAGE_SHIFT, REF, GNTMAP_host_map | GNTMAP_contains_pte).status,
		GNTST_general_error); /* no table, and not Domain 0's */
	assert_int_equal(
		map(maddr_num(guest_pte(VA)) + 4, REF, GNTMAP_host_map | GNTMAP_contains_pte)
			.status,
		GNTST_general_error); /* between two entries */
	/* To somebody else; a page that is not the guest's; one of its tables; what is no memory. */
	entry_of(g.d, REF)->domid = 5;
	assert_int_equal(map(VA, REF, GNTMAP_host_map).status, GNTST_general_error);
	entry_of(g.d, REF)->domid = 0;
	entry_of(g.d, REF)->frame = (u32)mfn_num(guest_pfn(1100));
	assert_int_not_equal(map(VA, REF, GNTMAP_host_map).status, GNTST_okay);
	entry_of(g.d, REF)->frame = (u32)g.mfns[g.pages - 1];
	assert_int_not_equal(map(VA, REF, GNTMAP_host_map).status, GNTST_okay);
	entry_of(g.d, REF)->frame = 0xffffffff;
	assert_int_not_equal(map(VA, REF, GNTMAP_host_map).status, GNTST_okay);
	entry_of(g.d, REF)->frame = 0;
	assert_int_not_equal(map(VA, REF, GNTMAP_host_map).status, GNTST_okay);
	entry_of(g.d, REF)->frame = (u32)mfn;
	entry_of(g.d, REF)->flags = GTF_accept_transfer;
	assert_int_equal(map(VA, REF, GNTMAP_host_map).status, GNTST_general_error);
	entry_of(g.d, REF)->flags = GTF_permit_access;
	assert_int_equal(entry_of(g.d, REF)->flags, GTF_permit_access);
	assert_ptr_equal(guest_ptr(VA), hw_frame_map(guest_pfn(16 + 120))); /* as it was */
	assert_int_equal(GRANT(map_grant_ref, 8ull, 1), -EFAULT);
	assert_int_equal(GRANT(map_grant_ref, &op, 0), 0);
}

static void by_entry_and_for_devices(void **state)
{
	const u64 pte = maddr_num(guest_pte(VA));
	struct gnttab_map_grant_ref op;
	struct gnttab_unmap_grant_ref over = {0};

	(void)state;
	lend(REF, 21, 0);
	op = map(pte, REF, GNTMAP_host_map | GNTMAP_contains_pte | GNTMAP_device_map);
	assert_int_equal(op.status, GNTST_okay);
	assert_int_equal(mfn_num(guest_mfn(VA)), g.mfns[21]);
	assert_int_equal(machine_audit(), 0);
	/* First the one half, then the other. */
	over.handle = op.handle;
	over.dev_bus_addr = op.dev_bus_addr + PAGE_SIZE;
	assert_int_equal(GRANT(unmap_grant_ref, &over, 1), 0);
	assert_int_equal(over.status, GNTST_bad_dev_addr);
	over.dev_bus_addr = op.dev_bus_addr;
	assert_int_equal(GRANT(unmap_grant_ref, &over, 1), 0);
	assert_int_equal(over.status, GNTST_okay);
	assert_int_equal(entry_of(g.d, REF)->flags & GTF_reading, GTF_reading);
	assert_int_equal(unmap(pte, op.handle), GNTST_okay);
	assert_int_equal(entry_of(g.d, REF)->flags, GTF_permit_access);
}

/* A batch longer than Mica takes at a time, interrupted; several users of one entry. */
static void many(void **state)
{
	static struct gnttab_map_grant_ref ops[80];
	static struct gnttab_unmap_grant_ref over[80];

	(void)state;
	for (unsigned int i = 0; i < 80; i++) {
		lend(100 + i / 2, 4 + i / 2, 0);
		ops[i] = (struct gnttab_map_grant_ref){.host_addr = guest_va(100 + i),
						       .ref = 100 + i / 2,
						       .dom = g.id,
						       .flags = GNTMAP_host_map};
	}
	fake_preempt_every = 3;
	assert_int_equal(GRANT(map_grant_ref, ops, 80), 0);
	for (unsigned int i = 0; i < 80; i++) {
		assert_int_equal(ops[i].status, GNTST_okay);
		assert_int_equal(mfn_num(guest_mfn(guest_va(100 + i))), g.mfns[4 + i / 2]);
		over[i] = (struct gnttab_unmap_grant_ref){.host_addr = ops[i].host_addr,
							  .handle = ops[i].handle};
	}
	assert_int_equal(GRANT(unmap_grant_ref, over, 79), 0);
	fake_preempt_every = 0;
	for (unsigned int i = 0; i < 79; i++)
		assert_int_equal(over[i].status, GNTST_okay);
	assert_int_equal(entry_of(g.d, 100)->flags, GTF_permit_access);
	assert_int_equal(entry_of(g.d, 139)->flags, GTF_permit_access | GTF_reading | GTF_writing);
	assert_int_equal(unmap(over[79].host_addr, over[79].handle), GNTST_okay);
}

static void replaced(void **state)
{
	struct gnttab_map_grant_ref op;
	struct gnttab_unmap_and_replace over = {.host_addr = VA, .new_addr = guest_va(121)};
	const mfn_t spare = guest_mfn(guest_va(121));

	(void)state;
	lend(REF, 22, 0);
	op = map(VA, REF, GNTMAP_host_map);
	over.handle = op.handle;
	assert_int_equal(GRANT(unmap_and_replace, &over, 1), 0);
	assert_int_equal(over.status, GNTST_okay);
	assert_int_equal(mfn_num(guest_mfn(VA)), mfn_num(spare));
	assert_null(guest_ptr(guest_va(121)));
	assert_int_equal(GRANT(unmap_and_replace, &over, 1), 0);
	assert_int_equal(over.status, GNTST_bad_handle);
	/* Back where it was. */
	assert_int_equal(
		CALL(update_va_mapping, guest_va(121), pte_make(spare, PTE_PRESENT | PTE_RW), 0),
		0);
}

static void no_memory_for_a_handle(void **state)
{
	struct gnttab_map_grant_ref op;

	(void)state;
	lend(REF, 22, 0);
	for (int n = 0; n < 10; n++) {
		fake_alloc_fail_after = n;
		op = map(VA, REF, GNTMAP_host_map);
		fake_alloc_fail_after = -1;
		if (op.status == GNTST_okay)
			break;
		assert_int_equal(op.status, GNTST_no_space);
		assert_int_equal(entry_of(g.d, REF)->flags, GTF_permit_access);
		assert_int_equal(machine_audit(), 0);
	}
	assert_int_equal(op.status, GNTST_okay);
	assert_int_equal(unmap(VA, op.handle), GNTST_okay);
}

/* ---------------------------------------------------------------- copies */

static s16 copy_op(struct gnttab_copy *op)
{
	assert_int_equal(GRANT(copy, op, 1), 0);
	return op->status;
}

static void copies(void **state)
{
	u8 *theirs = hw_frame_map(mfn_make(g.mfns[30])), *ours = guest_ptr(guest_va(130));
	struct gnttab_copy op = {.source = {.u.ref = REF, .domid = g.id, .offset = 100},
				 .dest = {.u.gmfn = mfn_num(guest_mfn(guest_va(130))),
					  .domid = DOMID_SELF,
					  .offset = 4000},
				 .len = 96,
				 .flags = GNTCOPY_source_gref};

	(void)state;
	lend(REF, 30, 0);
	for (unsigned int i = 0; i < PAGE_SIZE; i++)
		theirs[i] = (u8)i;
	assert_int_equal(copy_op(&op), GNTST_okay);
	assert_memory_equal(ours + 4000, theirs + 100, 96);
	op.len = 97;
	assert_int_equal(copy_op(&op), GNTST_bad_copy_arg);
	op.len = 0xffff;
	assert_int_equal(copy_op(&op), GNTST_bad_copy_arg);
	op.len = 1;
	op.source.offset = 4096;
	assert_int_equal(copy_op(&op), GNTST_bad_copy_arg);
	op.source.offset = 0;
	op.flags = 0; /* a frame of somebody else, by number */
	op.source.u.gmfn = g.mfns[30];
	assert_int_equal(copy_op(&op), GNTST_permission_denied);
	op.flags = GNTCOPY_source_gref;
	op.source.u.ref = 8000;
	assert_int_equal(copy_op(&op), GNTST_bad_gntref);
	op.source.domid = 99;
	assert_int_equal(copy_op(&op), GNTST_bad_domain);
	op.source = (struct gnttab_copy_ptr){.u.ref = REF, .domid = g.id};
	op.dest.u.gmfn = g.mfns[5];
	assert_int_equal(copy_op(&op), GNTST_bad_page);
	op.dest.u.gmfn = ~0ull;
	assert_int_equal(copy_op(&op), GNTST_bad_page);
	op.dest.u.gmfn = maddr_num(guest_pte(VA)) >> PAGE_SHIFT; /* a page table of its own */
	assert_int_equal(copy_op(&op), GNTST_general_error);
	/* The other way round, into what may only be read. */
	lend(REF, 30, GTF_readonly);
	op = (struct gnttab_copy){
		.source = {.u.gmfn = mfn_num(guest_mfn(guest_va(130))), .domid = DOMID_SELF},
		.dest = {.u.ref = REF, .domid = g.id},
		.len = 8,
		.flags = GNTCOPY_dest_gref};
	assert_int_equal(copy_op(&op), GNTST_general_error);
	lend(REF, 30, 0);
	ours[0] = 0x99;
	assert_int_equal(copy_op(&op), GNTST_okay);
	assert_int_equal(theirs[0], 0x99);
	assert_int_equal(entry_of(g.d, REF)->flags, GTF_permit_access);
}

static void swaps_transfers_and_flushes(void **state)
{
	struct gnttab_swap_grant_ref swap = {.ref_a = REF, .ref_b = REF + 1};
	struct gnttab_transfer transfer = {.mfn = 1, .domid = g.id, .ref = REF};
	struct gnttab_cache_flush flush = {.op = GNTTAB_CACHE_CLEAN, .length = 1};
	struct gnttab_map_grant_ref op;
	struct vcpu *u = g.d->vcpus[0];

	(void)state;
	tool_run(&g);
	lend(REF, 33, 0);
	op = map(VA, REF, GNTMAP_host_map);
	assert_int_equal(FROM_GUEST(swap_grant_ref, &swap), 0);
	assert_int_equal(swap.status, GNTST_eagain);
	assert_int_equal(unmap(VA, op.handle), GNTST_okay);
	assert_int_equal(FROM_GUEST(swap_grant_ref, &swap), 0);
	assert_int_equal(swap.status, GNTST_okay);
	assert_int_equal(entry_of(g.d, REF)->flags, 0);
	assert_int_equal(entry_of(g.d, REF + 1)->frame, g.mfns[33]);
	swap.ref_b = 100000;
	assert_int_equal(FROM_GUEST(swap_grant_ref, &swap), 0);
	assert_int_equal(swap.status, GNTST_bad_gntref);
	assert_int_equal(GRANT(transfer, &transfer, 1), 0);
	assert_int_equal(transfer.status, GNTST_bad_page);
	assert_int_equal(GRANT(cache_flush, &flush, 1), -EOPNOTSUPP);
	flush.length = 0;
	assert_int_equal(GRANT(cache_flush, &flush, 1), 0);
}

/* ---------------------------------------------------------------- ends */

static void the_granter_dies(void **state)
{
	struct gnttab_map_grant_ref op;
	struct xen_domctl kill = {0};

	(void)state;
	lend(REF, 20, 0);
	op = map(VA, REF, GNTMAP_host_map);
	*(u32 *)guest_ptr(VA) = 0xfeed;
	assert_int_equal(tool_domctl(XEN_DOMCTL_destroydomain, g.id, &kill), 0);
	assert_true(tool_exists(g.id));
	assert_int_equal(*(u32 *)guest_ptr(VA), 0xfeed);
	assert_int_equal(machine_audit(), 0);
	/* Nothing new of the dead. */
	assert_int_equal(map(guest_va(121), REF, GNTMAP_host_map).status, GNTST_bad_domain);
	assert_int_equal(unmap(VA, op.handle), GNTST_okay);
	machine_settle();
	assert_false(tool_exists(g.id));
	g.d = NULL;
}

static void the_mapper_dies(void **state)
{
	struct grant_entry_v1 *entry = entry_of(dom0, REF);
	struct vcpu *u = g.d->vcpus[0];
	struct gnttab_map_grant_ref op = {
		.host_addr = guest_va(10), .ref = REF, .dom = 0, .flags = GNTMAP_host_map};

	(void)state;
	tool_run(&g);
	fake_cpu = 0;
	*entry = (struct grant_entry_v1){.flags = GTF_permit_access,
					 .domid = g.id,
					 .frame = (u32)mfn_num(guest_mfn(guest_va(140)))};
	assert_int_equal(FROM_GUEST(map_grant_ref, &op), 0);
	assert_int_equal(op.status, GNTST_okay);
	assert_int_equal(entry->flags, GTF_permit_access | GTF_reading | GTF_writing);
	assert_int_equal(machine_audit(), 0);
	fake_cpu = 0;
	fake_preempt_every = 3;
	tool_destroy(&g);
	fake_preempt_every = 0;
	assert_int_equal(entry->flags, GTF_permit_access);
	entry->flags = 0;
}

/* The guest takes its page tables to pieces without saying so: the mapping stays until its end, the count is right. */
static void the_entry_is_overwritten(void **state)
{
	struct gnttab_map_grant_ref op;
	mfn_t own = guest_mfn(VA);

	(void)state;
	lend(REF, 20, 0);
	op = map(VA, REF, GNTMAP_host_map);
	assert_int_equal(CALL(update_va_mapping, VA, pte_make(own, PTE_PRESENT | PTE_RW), 0), 0);
	assert_int_equal(machine_audit(), 0);
	assert_int_equal(unmap(VA, op.handle), GNTST_general_error);
	assert_int_equal(entry_of(g.d, REF)->flags & GTF_writing, GTF_writing);
	/* Mapped by hand again it can be found. */
	assert_int_equal(machine_audit(), 0);
	assert_int_equal(CALL(update_va_mapping, VA, 0, 0), 0);
	assert_int_equal(CALL(update_va_mapping_otherdomain, VA,
			      pte_make(mfn_make(g.mfns[20]), PTE_PRESENT | PTE_RW), 0, g.id),
			 0);
	assert_int_equal(unmap(VA, op.handle), GNTST_okay);
}

static int setup(void **state)
{
	(void)state;
	machine_start(2);
	v = dom0->vcpus[0];
	v->info->evtchn_upcall_mask = 1;
	/* What is made once for all. */
	if (tool_build(&g, 1, 60))
		return -1;
	lend(REF, 20, 0);
	(void)unmap(VA, map(VA, REF, GNTMAP_host_map).handle);
	tool_destroy(&g);
	return 0;
}

static int before_each(void **state)
{
	(void)state;
	fake_cpu = 0;
	free_before = machine_free();
	return tool_build(&g, 1, 60) ? -1 : 0;
}

static int after_each(void **state)
{
	(void)state;
	fake_cpu = 0;
	fake_preempt_every = 0;
	machine_settle();
	if (machine_audit())
		return -1;
	/* Domain 0's window as it was. */
	for (unsigned int page = 100; page < 190; page++)
		if (!guest_ptr(guest_va(page)))
			(void)CALL(update_va_mapping, guest_va(page),
				   pte_make(guest_pfn(16 + page), PTE_PRESENT | PTE_RW), 0);
	if (g.d)
		tool_destroy(&g);
	if (machine_audit() || machine_free() != free_before) {
		fprintf(stderr, "%ld frames are missing\n", (long)(free_before - machine_free()));
		return -1;
	}
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, before_each, after_each)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_table),
		TEST(mapped_and_let_go),
		TEST(read_only),
		TEST(what_is_refused),
		TEST(by_entry_and_for_devices),
		TEST(many),
		TEST(replaced),
		TEST(no_memory_for_a_handle),
		TEST(copies),
		TEST(swaps_transfers_and_flushes),
		TEST(the_granter_dies),
		TEST(the_mapper_dies),
		TEST(the_entry_is_overwritten),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

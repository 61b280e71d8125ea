/* SPDX-License-Identifier: MIT */
/* uses: src/hcall/mmu_op.c src/hcall/memory_op.c src/hcall/mm_exchange.c src/hcall/subop.c src/mm/frame.c src/mm/ptable.c src/mm/update.c src/mm/mirror.c src/mm/twin.c src/mm/root.c src/mm/walk.c src/mm/domain_mm.c src/mm/buddy.c src/mm/heap.c src/mm/flush.c src/mm/m2p.c src/mm/desc.c src/mm/audit.c src/lib/rangeset.c src/lib/bitmap.c test/fake/machine.c test/fake/core.c test/fake/mm_world.c */
/*
 * The memory hypercalls as a guest makes them: good calls, bad calls, calls cut short and continued, forged
 * continuations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "hcall/hcall.h"
#include "hcall/subop.h"
#include "hw/layout.h"
#include "lib/string.h"
#include "mm_world.h"
#include "pv/pv.h"

static struct domain *d, *guest;
static struct vcpu *v, *guest_v;
static unsigned int roots_changed, ldts_set;

void pv_root_changed(struct vcpu *who, bool is_user)
{
	(void)who;
	roots_changed++;
}

int pv_ldt_set(struct vcpu *who, u64 va, u32 entries)
{
	(void)who;
	(void)va;
	ldts_set++;
	return entries > 8192 ? -EINVAL : 0;
}

/*
 * The page that a vCPU's LDT holds as a descriptor page, taken away on demand: unless that vCPU just gave it back itself. And
 * how often its CPU reads the LDT again before the taker is there.
 */
static mfn_t in_ldt = {~0ull};
static bool ldt_changes;
static unsigned int ldt_read_again;

bool pv_ldt_revoke(struct domain *owner, mfn_t mfn)
{
	if (!mfn_equal(mfn, in_ldt))
		return false;
	frame_type_put(mfn);
	if (ldt_read_again) {
		ldt_read_again--;
		assert_int_equal(frame_type_get(mfn, owner, FRAME_DESC), 0);
		return true;
	}
	in_ldt = MFN_NONE;
	return !ldt_changes;
}

static int setup(void **state)
{
	(void)state;
	fake_preempt_every = 0;
	fake_copy_fail_after = -1;
	world_init(8192);
	d = world_domain(0, 2, 4000);
	d->is_privileged = d->is_hardware = true;
	v = d->vcpus[0];
	guest = world_domain(3, 1, 100);
	guest_v = guest->vcpus[0];
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(world_audit(), 0);
	world_domain_kill(guest);
	world_domain_kill(d);
	return 0;
}

/* As the dispatcher: again until it does not want to be. */
static long call(hcall_fn fn, struct vcpu *who, u64 a0, u64 a1, u64 a2, u64 a3)
{
	struct hcall_args args = {.a = {a0, a1, a2, a3}};
	int rc;

	do {
		rc = fn(who, &args);
	} while (rc == -ERESTART);
	return rc ? rc : (long)args.result;
}

static long mmu_update(struct vcpu *who, const struct mmu_update *requests, u32 count, u32 *done,
		       u32 foreign)
{
	return call(do_mmu_update, who, (u64)requests, count, (u64)done, foreign);
}

static u64 slot(mfn_t table, unsigned int idx)
{
	return (mfn_num(table) << PAGE_SHIFT) + idx * 8;
}

static void batch_of_updates(void **state)
{
	mfn_t l1 = world_page(d), page = world_page(d), alien = world_page(guest);
	struct mmu_update requests[100];
	u32 done = 77;

	(void)state;
	assert_int_equal(pt_pin(d, l1, 1), 0);
	for (unsigned int i = 0; i < 100; i++)
		requests[i] = (struct mmu_update){slot(l1, i), pte_make(page, P | RW)};
	for (unsigned int every = 0; every < 5; every++) {
		fake_preempt_every = every;
		assert_int_equal(mmu_update(v, requests, 100, &done, DOMID_SELF), 0);
		assert_int_equal(done, 100);
		assert_int_equal(frame_word_typed(frame_of(page)->word), 100);
	}
	fake_preempt_every = 3;
	requests[50].val = pte_make(alien, P);
	assert_int_equal(mmu_update(v, requests, 100, &done, DOMID_SELF), -EINVAL);
	assert_int_equal(done, 50);
	assert_int_equal(mmu_update(v, requests, 0, NULL, DOMID_SELF), 0);
	assert_int_equal(mmu_update(v, NULL, 1, NULL, DOMID_SELF), -EFAULT);
	assert_int_equal(mmu_update(v, (void *)LAYOUT_START, 1, NULL, DOMID_SELF), -EFAULT);
}

static void machphys(void **state)
{
	mfn_t mine = world_page(d), alien = world_page(guest);
	struct mmu_update request = {slot(mine, 0) | MMU_MACHPHYS_UPDATE, 0x77};
	u64 refs = frame_of(mine)->word;

	(void)state;
	assert_int_equal(mmu_update(v, &request, 1, NULL, DOMID_SELF), 0);
	assert_int_equal(m2p_get(mine), 0x77);
	assert_int_equal(frame_of(mine)->word, refs); /* 113: keeps no reference */
	request.ptr = slot(alien, 0) | MMU_MACHPHYS_UPDATE;
	assert_int_equal(mmu_update(v, &request, 1, NULL, DOMID_SELF), -EINVAL);
	assert_int_equal(mmu_update(v, &request, 1, NULL, 3), 0);
	request.ptr = ~0ull << 2 | MMU_MACHPHYS_UPDATE;
	assert_int_equal(mmu_update(v, &request, 1, NULL, DOMID_SELF), -EINVAL);
}

static void foreign_mappings(void **state)
{
	mfn_t l1 = world_page(d), alien = world_page(guest), guest_l1 = world_page(guest),
	      mine = world_page(d), m2p = frame_alloc(0, FRAME_ZERO);
	struct mmu_update shown = {slot(l1, 1), pte_make(m2p, P)};
	struct mmu_update request = {slot(l1, 0), pte_make(alien, P | RW)};
	struct mmu_update other = {slot(guest_l1, 0), pte_make(alien, P | RW)};

	(void)state;
	assert_int_equal(pt_pin(d, l1, 1), 0);
	assert_int_equal(pt_pin(guest, guest_l1, 1), 0);
	assert_int_equal(mmu_update(v, &request, 1, NULL, 3), 0);
	assert_true(frame_of(alien)->word & FRAME_FOREIGN);
	assert_int_equal(world_audit(), 0);
	assert_int_equal(mmu_update(v, &request, 1, NULL, 4), -ESRCH);
	/* What Mica shows to tools is to be read, and by them alone. */
	mm_readable_share(m2p);
	assert_int_equal(mmu_update(v, &shown, 1, NULL, DOMID_XEN), 0);
	assert_int_equal(mmu_update(guest_v, &shown, 1, NULL, DOMID_XEN), -EPERM);
	shown.val |= RW;
	assert_int_equal(mmu_update(v, &shown, 1, NULL, DOMID_XEN), -EPERM);
	shown.val = pte_make(alien, P);
	assert_int_equal(mmu_update(v, &shown, 1, NULL, DOMID_XEN), -EINVAL);
	shown.val = 0;
	assert_int_equal(mmu_update(v, &shown, 1, NULL, DOMID_XEN), 0);
	/* PFD: the guest's own table. */
	assert_int_equal(mmu_update(v, &other, 1, NULL, 3 | (3 + 1) << 16), 0);
	assert_int_equal(mmu_update(guest_v, &request, 1, NULL, 0), -EPERM);
	assert_int_equal(mmu_update(guest_v, &request, 1, NULL, DOMID_SELF), -EINVAL);
	request.val = pte_make(mine, P);
	assert_int_equal(mmu_update(guest_v, &request, 1, NULL, 0 | 1 << 16), -EPERM);
	request.val = 0;
	assert_int_equal(mmu_update(v, &request, 1, NULL, 3), 0);
}

/* 111, 296, 454: what a restarted call reads back is the guest's. */
static void forged_continuations(void **state)
{
	mfn_t l1 = world_page(d);
	struct mmu_update request = {slot(l1, 0), 0};
	u32 done = 0xffffffff;

	(void)state;
	assert_int_equal(call(do_mmu_update, v, (u64)&request, 1 | MMU_BATCH_PREEMPTED, (u64)&done,
			      DOMID_SELF),
			 0);
	assert_int_equal(done, 0);
	assert_int_equal(
		call(do_mmu_update, v, (u64)&request, 1 | MMU_BATCH_PREEMPTED, 1, DOMID_SELF),
		-EFAULT);
	assert_int_equal(call(do_mmuext_op, v, 0, MMU_BATCH_PREEMPTED, 0, DOMID_SELF), 0);
	assert_int_equal(call(do_memory_op, v,
			      XENMEM_populate_physmap | ~0ull << MEMORY_EXTENT_SHIFT, 0, 0, 0),
			 -EFAULT);
}

static void va_mapping(void **state)
{
	mfn_t l4 = world_page(d), l3 = world_page(d), l2 = world_page(d), l1 = world_page(d),
	      page = world_page(d);
	u64 vcpus = 3;
	mfn_t old;

	(void)state;
	table_of(l4)[0] = pte_make(l3, P | RW);
	table_of(l3)[0] = pte_make(l2, P | RW);
	table_of(l2)[0] = pte_make(l1, P | RW);
	assert_int_equal(pt_root_switch(v, l4, false, &old), 0);
	assert_int_equal(call(do_update_va_mapping, v, 0x5000, pte_make(page, P | RW), 0, 0), 0);
	assert_int_equal(pte_mfn(table_of(l1)[5]).m, page.m);
	for (u64 kind = 0; kind < 3; kind++) {
		assert_int_equal(call(do_update_va_mapping, v, 0x5000, pte_make(page, P), kind, 0),
				 0);
		assert_int_equal(call(do_update_va_mapping, v, 0x5000, pte_make(page, P | RW),
				      kind | UVMF_ALL, 0),
				 0);
	}
	assert_int_equal(call(do_update_va_mapping, v, 0x5000, 0, 3, 0), -EINVAL);
	memcpy(fake_arena, &vcpus, 8);
	assert_int_equal(
		call(do_update_va_mapping, v, 0x5000, 0, (u64)fake_arena | UVMF_TLB_FLUSH, 0), 0);
	assert_int_equal(call(do_update_va_mapping, v, 1ull << 40, 0, 0, 0), -EINVAL);
	assert_int_equal(call(do_update_va_mapping, v, LAYOUT_M2P, 0, 0, 0), -EINVAL);
	assert_int_equal(call(do_update_va_mapping, v, 1ull << 63, 0, 0, 0), -EINVAL);
	assert_int_equal(
		call(do_update_va_mapping_otherdomain, v, 0x5000, pte_make(page, P), 0, DOMID_IO),
		-EINVAL);
	assert_int_equal(call(do_update_va_mapping_otherdomain, v, 0x5000, pte_make(page, P), 0, 0),
			 0);
}

static long mmuext(struct vcpu *who, unsigned int cmd, u64 arg1, u64 arg2, u32 foreign)
{
	struct mmuext_op op = {.cmd = cmd, .arg1.mfn = arg1, .arg2.src_mfn = arg2};
	u32 done = 5;
	long rc = call(do_mmuext_op, who, (u64)&op, 1, (u64)&done, foreign);

	assert_int_equal(done, rc ? 0 : 1);
	return rc;
}

/* Linux makes a page of its LDT writable while another vCPU still names it. */
static void page_of_an_ldt(void **state)
{
	mfn_t l1 = world_page(d), page = world_page(d), other = world_page(d);
	struct mmu_update request = {slot(l1, 0), pte_make(page, P | RW)};

	(void)state;
	assert_int_equal(pt_pin(d, l1, 1), 0);
	assert_int_equal(frame_type_get(page, d, FRAME_DESC), 0);
	in_ldt = other;
	assert_int_equal(mmu_update(v, &request, 1, NULL, DOMID_SELF), -EINVAL);
	in_ldt = page;
	assert_int_equal(mmu_update(v, &request, 1, NULL, DOMID_SELF), 0);
	assert_true(mfn_is_none(in_ldt));
	assert_int_equal(frame_word_type(frame_of(page)->word), FRAME_WRITABLE);
}

/* The other vCPU has another LDT at that very moment, or touches the old one once more. */
static void page_of_an_ldt_comes_and_goes(void **state)
{
	mfn_t l1 = world_page(d), page = world_page(d);
	struct mmu_update request = {slot(l1, 0), pte_make(page, P | RW)}, none = {slot(l1, 0), 0};

	(void)state;
	assert_int_equal(pt_pin(d, l1, 1), 0);
	assert_int_equal(frame_type_get(page, d, FRAME_DESC), 0);
	in_ldt = page;
	ldt_changes = true;
	assert_int_equal(mmu_update(v, &request, 1, NULL, DOMID_SELF), 0);
	ldt_changes = false;
	for (unsigned int times = 1; times < 8; times++) {
		assert_int_equal(mmu_update(v, &none, 1, NULL, DOMID_SELF), 0);
		assert_int_equal(frame_type_get(page, d, FRAME_DESC), 0);
		in_ldt = page;
		ldt_read_again = times;
		assert_int_equal(mmu_update(v, &request, 1, NULL, DOMID_SELF), 0);
		assert_int_equal(ldt_read_again, 0);
		assert_int_equal(frame_word_type(frame_of(page)->word), FRAME_WRITABLE);
	}
}

/* What is refused is refused, also if judging it takes several calls. */
static void refused_though_preempted(void **state)
{
	mfn_t l2 = world_page(d), l1 = world_page(d);
	struct mmu_update request = {slot(l2, 0), pte_make(l1, P | RW)};
	u64 *entries = hw_frame_map(l1);

	(void)state;
	assert_int_equal(pt_pin(d, l2, 2), 0);
	entries[511] = 0xfffffffffffff003ull; /* nobody's */
	fake_preempt_every = 3;
	assert_int_equal(mmu_update(v, &request, 1, NULL, DOMID_SELF), -EINVAL);
	fake_preempt_every = 0;
	entries[511] = 0;
	assert_int_equal(mmu_update(v, &request, 1, NULL, DOMID_SELF), 0);
}

/* What a guest keeps doing to a table of its own is no reason for others to come again and again. */
static void foreign_page_in_use(void **state)
{
	mfn_t l1 = world_page(d), table = world_page(guest);
	struct mmu_update request = {slot(l1, 0), pte_make(table, P | RW)};

	(void)state;
	assert_int_equal(pt_pin(d, l1, 1), 0);
	assert_int_equal(pt_pin(guest, table, 1), 0);
	guest_v->cpu = fake_cpu + 1;
	guest_v->mm->held = frame_of(table);
	assert_int_equal(mmu_update(v, &request, 1, NULL, 3), -EINVAL);
	guest_v->mm->held = NULL;
	guest_v->cpu = fake_cpu;
}

static void extended_operations(void **state)
{
	mfn_t l4 = world_page(d), user = world_page(d), page = world_page(d),
	      alien = world_page(guest);
	u64 vcpus = 3;

	(void)state;
	roots_changed = 0;
	assert_int_equal(mmuext(v, MMUEXT_PIN_L4_TABLE, mfn_num(l4), 0, DOMID_SELF), 0);
	assert_int_equal(mmuext(v, MMUEXT_PIN_L4_TABLE, mfn_num(l4), 0, DOMID_SELF), -EINVAL);
	assert_int_equal(mmuext(v, MMUEXT_PIN_L1_TABLE, mfn_num(alien), 0, DOMID_SELF), -EINVAL);
	assert_int_equal(mmuext(v, MMUEXT_PIN_L1_TABLE, mfn_num(alien), 0, 3), 0);
	assert_int_equal(mmuext(v, MMUEXT_UNPIN_TABLE, mfn_num(alien), 0, 3), 0);
	assert_int_equal(mmuext(guest_v, MMUEXT_UNPIN_TABLE, mfn_num(l4), 0, 0), -EPERM);
	assert_int_equal(mmuext(v, MMUEXT_NEW_BASEPTR, mfn_num(l4), 0, DOMID_SELF), 0);
	assert_int_equal(mmuext(v, MMUEXT_NEW_USER_BASEPTR, mfn_num(user), 0, DOMID_SELF), 0);
	assert_int_equal(roots_changed, 2);
	assert_int_equal(mmuext(v, MMUEXT_NEW_BASEPTR, mfn_num(alien), 0, DOMID_SELF), -EINVAL);
	assert_int_equal(mmuext(v, MMUEXT_NEW_BASEPTR, mfn_num(alien), 0, 3), -EPERM);
	assert_int_equal(mmuext(v, MMUEXT_UNPIN_TABLE, mfn_num(l4), 0, DOMID_SELF), 0);
	assert_int_equal(frame_word_type(frame_of(l4)->word), FRAME_L4);
	assert_int_equal(mmuext(v, MMUEXT_TLB_FLUSH_LOCAL, 0, 0, DOMID_SELF), 0);
	assert_int_equal(mmuext(v, MMUEXT_INVLPG_LOCAL, 0x1000, 0, DOMID_SELF), 0);
	memcpy(fake_arena, &vcpus, 8);
	assert_int_equal(mmuext(v, MMUEXT_TLB_FLUSH_MULTI, 0, (u64)fake_arena, DOMID_SELF), 0);
	assert_int_equal(mmuext(v, MMUEXT_INVLPG_MULTI, 0x1000, (u64)fake_arena, DOMID_SELF), 0);
	assert_int_equal(mmuext(v, MMUEXT_INVLPG_MULTI, 0x1000, 0, DOMID_SELF), -EFAULT);
	assert_int_equal(mmuext(v, MMUEXT_TLB_FLUSH_ALL, 0, 0, DOMID_SELF), 0);
	assert_int_equal(mmuext(v, MMUEXT_INVLPG_ALL, 0x1000, 0, DOMID_SELF), 0);
	assert_int_equal(mmuext(v, MMUEXT_FLUSH_CACHE, 0, 0, DOMID_SELF), -EACCES);
	assert_int_equal(mmuext(v, MMUEXT_SET_LDT, 0x1000, 16, DOMID_SELF), 0);
	assert_int_equal(mmuext(v, MMUEXT_MARK_SUPER, 0, 0, DOMID_SELF), -EOPNOTSUPP);
	assert_int_equal(mmuext(v, 14, 0, 0, DOMID_SELF), -ENOSYS);
	assert_int_equal(mmuext(v, 0xffffffff, 0, 0, DOMID_SELF), -ENOSYS);
	table_of(page)[3] = 9;
	assert_int_equal(mmuext(v, MMUEXT_COPY_PAGE, mfn_num(user), mfn_num(page), DOMID_SELF),
			 -EINVAL);
	assert_int_equal(mmuext(v, MMUEXT_NEW_USER_BASEPTR, 0, 0, DOMID_SELF), 0);
	assert_int_equal(mmuext(v, MMUEXT_COPY_PAGE, mfn_num(user), mfn_num(page), DOMID_SELF), 0);
	assert_int_equal(table_of(user)[3], 9);
	assert_int_equal(mmuext(v, MMUEXT_CLEAR_PAGE, mfn_num(user), 0, DOMID_SELF), 0);
	assert_int_equal(table_of(user)[3], 0);
	assert_int_equal(mmuext(v, MMUEXT_CLEAR_PAGE, mfn_num(l4), 0, DOMID_SELF), -EINVAL);
}

static long reservation(struct vcpu *who, unsigned int cmd, u64 *list, u64 count, u32 order,
			u32 flags, domid_t id)
{
	struct xen_memory_reservation r = {.extent_start.p = list,
					   .nr_extents = count,
					   .extent_order = order,
					   .mem_flags = flags,
					   .domid = id};

	return call(do_memory_op, who, cmd, (u64)&r, 0, 0);
}

static void reservations(void **state)
{
	u64 list[64], before = d->mm->pages_current;

	(void)state;
	for (unsigned int every = 0; every < 3; every++) {
		fake_preempt_every = every;
		for (unsigned int i = 0; i < 64; i++)
			list[i] = 1000 + i;
		assert_int_equal(
			reservation(v, XENMEM_populate_physmap, list, 64, 0, 0, DOMID_SELF), 64);
		assert_int_equal(m2p_get(mfn_make(list[5])), 1005);
		assert_int_equal(d->mm->pages_current, before + 64);
		assert_int_equal(table_of(mfn_make(list[5]))[7], 0);
		table_of(mfn_make(list[5]))[7] = 0x5ec4e7;
		assert_int_equal(
			reservation(v, XENMEM_decrease_reservation, list, 64, 0, 0, DOMID_SELF),
			64);
		assert_int_equal(
			reservation(v, XENMEM_decrease_reservation, list, 64, 0, 0, DOMID_SELF), 0);
		assert_int_equal(d->mm->pages_current, before);
	}
	assert_int_equal(reservation(v, XENMEM_increase_reservation, list, 2, 3, 0, DOMID_SELF), 2);
	assert_int_equal(list[1] & 7, 0);
	assert_int_equal(reservation(v, XENMEM_decrease_reservation, list, 2, 3, 0, DOMID_SELF), 2);
	/* 31: orders and counts without a limit. */
	assert_int_equal(reservation(v, XENMEM_increase_reservation, list, 1, 10, 0, DOMID_SELF),
			 0);
	assert_int_equal(reservation(v, XENMEM_increase_reservation, list, 1, ~0u, 0, DOMID_SELF),
			 0);
	assert_int_equal(reservation(v, XENMEM_increase_reservation, list, ~0ul, 0, 0, DOMID_SELF),
			 0);
	/* Not above the maximum; others only by the privileged. */
	assert_int_equal(
		reservation(guest_v, XENMEM_increase_reservation, list, 1, 7, 0, DOMID_SELF), 0);
	assert_int_equal(reservation(guest_v, XENMEM_increase_reservation, list, 1, 0, 0, 0),
			 -EPERM);
	assert_int_equal(reservation(v, XENMEM_increase_reservation, list, 3, 0, 0, 3), 3);
	assert_int_equal(guest->mm->pages_current, 3);
	assert_int_equal(reservation(v, XENMEM_decrease_reservation, list, 3, 0, 0, DOMID_SELF), 0);
	assert_int_equal(reservation(v, XENMEM_decrease_reservation, list, 3, 0, 0, 3), 3);
	assert_int_equal(reservation(v, XENMEM_increase_reservation, list, 1, 0,
				     XENMEMF_address_bits(10), DOMID_SELF),
			 0);
	/* 100, 364: a page that another guest had comes clean. */
	list[0] = 1;
	assert_int_equal(reservation(guest_v, XENMEM_populate_physmap, list, 1, 0, 0, DOMID_SELF),
			 1);
	for (unsigned int i = 0; i < 512; i++)
		assert_int_equal(table_of(mfn_make(list[0]))[i], 0);
}

static long exchange(struct vcpu *who, u64 *in, u64 in_count, u32 in_order, u64 *out, u64 out_count,
		     u32 out_order, u32 bits, u64 *exchanged)
{
	struct xen_memory_exchange x = {
		.in = {.extent_start.p = in,
		       .nr_extents = in_count,
		       .extent_order = in_order,
		       .domid = DOMID_SELF},
		.out = {.extent_start.p = out,
			.nr_extents = out_count,
			.extent_order = out_order,
			.mem_flags = bits,
			.domid = DOMID_SELF},
		.nr_exchanged = *exchanged,
	};
	long rc = call(do_memory_op, who, XENMEM_exchange, (u64)&x, 0, 0);

	*exchanged = x.nr_exchanged;
	return rc;
}

static void exchanges(void **state)
{
	u64 in[32], out[32], before, done = 0;

	(void)state;
	for (unsigned int i = 0; i < 32; i++)
		in[i] = 500 + i;
	assert_int_equal(reservation(v, XENMEM_populate_physmap, in, 32, 0, 0, DOMID_SELF), 32);
	before = frame_free_count();
	/* As Linux makes a DMA buffer: pages for one contiguous extent, and back. */
	out[0] = 500;
	assert_int_equal(exchange(v, in, 32, 0, out, 1, 5, 32, &done), 0);
	assert_int_equal(done, 32);
	assert_int_equal(out[0] & 31, 0);
	assert_int_equal(m2p_get(mfn_make(out[0] + 7)), 507);
	assert_int_equal(m2p_get(mfn_make(in[3])), M2P_INVALID);
	assert_int_equal(frame_free_count(), before);
	in[0] = out[0];
	for (unsigned int i = 0; i < 32; i++)
		out[i] = 500 + i;
	done = 0;
	assert_int_equal(exchange(v, in, 1, 5, out, 32, 0, 0, &done), 0);
	assert_int_equal(done, 1);
	/* Preempted between chunks. */
	fake_preempt_every = 1;
	memcpy(in, out, sizeof(in));
	for (unsigned int i = 0; i < 4; i++)
		out[i] = 500 + 8 * i;
	done = 0;
	assert_int_equal(exchange(v, in, 32, 0, out, 4, 3, 0, &done), 0);
	assert_int_equal(done, 32);
	assert_int_equal(frame_free_count(), before);
	assert_int_equal(world_audit(), 0);
}

/* 29, 159, 212: arrays that point into the hypervisor, error paths. */
static void exchanges_that_fail(void **state)
{
	u64 in[8], out[8], before, done = 0;
	mfn_t l1 = world_page(d);

	(void)state;
	for (unsigned int i = 0; i < 8; i++)
		in[i] = 500 + i;
	assert_int_equal(reservation(v, XENMEM_populate_physmap, in, 8, 0, 0, DOMID_SELF), 8);
	before = frame_free_count();
	assert_int_equal(exchange(v, (u64 *)LAYOUT_START, 8, 0, out, 1, 3, 0, &done), -EFAULT);
	assert_int_equal(exchange(v, in, 8, 0, (u64 *)LAYOUT_START, 1, 3, 0, &done), -EFAULT);
	assert_int_equal(frame_free_count(), before);
	assert_int_equal(world_audit(), 0);
	assert_int_equal(done, 0); /* looked at before anything was taken */
	done = 0;
	for (unsigned int i = 0; i < 8; i++)
		in[i] = 500 + i;
	assert_int_equal(reservation(v, XENMEM_populate_physmap, in, 8, 0, 0, DOMID_SELF), 8);
	before = frame_free_count();
	/* One of the frames is in use, is not there, is named twice. */
	table_of(l1)[0] = pte_make(mfn_make(in[7]), P);
	assert_int_equal(pt_pin(d, l1, 1), 0);
	assert_int_equal(exchange(v, in, 8, 0, out, 1, 3, 0, &done), -EINVAL);
	assert_int_equal(pt_unpin(d, l1), 0);
	in[6] = ~0ull;
	assert_int_equal(exchange(v, in, 8, 0, out, 1, 3, 0, &done), -EINVAL);
	in[6] = in[5];
	assert_int_equal(exchange(v, in, 8, 0, out, 1, 3, 0, &done), -EINVAL);
	in[6] = 500 + 6;
	assert_int_equal(exchange(v, in, 8, 0, out, 2, 3, 0, &done), -EINVAL);
	assert_int_equal(exchange(v, in, 8, 0, out, 1, 60, 0, &done), -EPERM);
	assert_int_equal(exchange(v, in, 1ull << 60, 9, out, 1ull << 60, 9, 0, &done), -EINVAL);
	done = 9;
	assert_int_equal(exchange(v, in, 8, 0, out, 1, 3, 0, &done), -EINVAL);
	done = 3;
	assert_int_equal(exchange(v, in, 8, 0, out, 1, 3, 0, &done), -EINVAL);
	done = 0;
	/* No memory so low. */
	in[6] = in[7];
	assert_int_equal(exchange(v, in, 1, 0, out, 1, 0, 11, &done), -ENOMEM);
	assert_int_equal(frame_free_count(), before);
	assert_int_equal(d->mm->pages_current, 17);
}

static void maps(void **state)
{
	struct mm_e820_entry map[3] = {{0, 0x1000, 1}, {0x1000, 0x2000, 2}}, back[3] = {0};
	struct xen_foreign_memory_map set = {.domid = 3, .map = {.nr_entries = 2, .buffer.p = map}};
	struct xen_memory_map get = {.nr_entries = 3, .buffer.p = back};
	struct xen_machphys_mapping mapping;
	struct xen_memory_domain query = {.domid = DOMID_SELF};

	(void)state;
	assert_int_equal(call(do_memory_op, guest_v, XENMEM_memory_map, (u64)&get, 0, 0), -ENOSYS);
	assert_int_equal(call(do_memory_op, guest_v, XENMEM_set_memory_map, (u64)&set, 0, 0),
			 -EPERM);
	assert_int_equal(call(do_memory_op, v, XENMEM_set_memory_map, (u64)&set, 0, 0), 0);
	set.map.nr_entries = 129;
	assert_int_equal(call(do_memory_op, v, XENMEM_set_memory_map, (u64)&set, 0, 0), -EINVAL);
	set.map.nr_entries = 3;
	set.map.buffer.p = (void *)8;
	assert_int_equal(call(do_memory_op, v, XENMEM_set_memory_map, (u64)&set, 0, 0), -EFAULT);
	assert_int_equal(call(do_memory_op, guest_v, XENMEM_memory_map, (u64)&get, 0, 0), 0);
	assert_int_equal(get.nr_entries, 2);
	assert_memory_equal(back, map, 2 * sizeof(map[0]));
	assert_int_equal(call(do_memory_op, guest_v, XENMEM_machine_memory_map, (u64)&get, 0, 0),
			 -EPERM);
	mm_host_e820_count = 2;
	get = (struct xen_memory_map){0};
	assert_int_equal(call(do_memory_op, v, XENMEM_machine_memory_map, (u64)&get, 0, 0), 0);
	assert_int_equal(get.nr_entries, 2);
	assert_int_equal(call(do_memory_op, v, XENMEM_machphys_mapping, (u64)&mapping, 0, 0), 0);
	assert_int_equal(mapping.v_start, LAYOUT_M2P);
	assert_int_equal(mapping.max_mfn, 8191);
	assert_int_equal(call(do_memory_op, v, XENMEM_maximum_ram_page, 0, 0, 0), 8191);
	assert_int_equal(call(do_memory_op, guest_v, XENMEM_maximum_reservation, (u64)&query, 0, 0),
			 100);
	assert_int_equal(call(do_memory_op, guest_v, XENMEM_current_reservation, (u64)&query, 0, 0),
			 0);
	query.domid = 0;
	assert_int_equal(call(do_memory_op, guest_v, XENMEM_current_reservation, (u64)&query, 0, 0),
			 -EPERM);
	assert_int_equal(call(do_memory_op, v, XENMEM_add_to_physmap, 0, 0, 0), -EACCES);
	assert_int_equal(call(do_memory_op, v, 63, 0, 0, 0), -ENOSYS);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(batch_of_updates),
		CASE(machphys),
		CASE(foreign_mappings),
		CASE(forged_continuations),
		CASE(va_mapping),
		CASE(extended_operations),
		CASE(reservations),
		CASE(exchanges),
		CASE(exchanges_that_fail),
		CASE(maps),
		CASE(page_of_an_ldt),
		CASE(page_of_an_ldt_comes_and_goes),
		CASE(refused_though_preempted),
		CASE(foreign_page_in_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * A test guest: memory_op. Reservations up and down, populate, exchange, maps and limits, with bad pointers, orders and
 * counts. Security cases 29, 159, 212 (exchange writes where it is told, loses pages), 31 (order without limit),
 * 111, 296, 454 (forged continuation arguments), 214 (a page leaves while it has a type).
 */
#define __XEN_TOOLS__ 1
#include "guest.h"

#define FRAME(p)    (mfn_of(p) << 12)
#define START_SHIFT 6 /* of the first extent to do, above the sub-command */
#define BAD_PTR	    ((void *)8ul)
#define XEN_PTR	    ((void *)HYPERVISOR_VIRT_START)
#define XEN_PTR2    ((void *)0xffff830000001000ul)

struct e820entry {
	u64 addr, size;
	u32 type;
} __attribute__((packed));

static long reservation(unsigned int op, void *list, u64 count, unsigned int order, domid_t domid)
{
	struct xen_memory_reservation r = {
		.nr_extents = count, .extent_order = order, .domid = domid};

	r.extent_start.p = list;
	return memop(op, &r);
}

/* Takes a page of ours out of every map: its mfn. */
static u64 page_unmap(char *page)
{
	u64 mfn = mfn_of(page);

	if (set_va(page, 0, UVMF_INVLPG))
		fatal("page_unmap");
	return mfn;
}

static void page_remap(char *page, u64 mfn)
{
	p2m[pfn_of(page)] = mfn;
	if (mmu_update((mfn << 12) | MMU_MACHPHYS_UPDATE, pfn_of(page)) ||
	    set_va(page, (mfn << 12) | PTE_RW, UVMF_INVLPG))
		fatal("page_remap %lx", mfn);
}

static void limits(void)
{
	domid_t self = DOMID_SELF, nobody = 77;
	long now = memop(XENMEM_current_reservation, &self);

	equals(now, start_info->nr_pages, "current reservation");
	check(memop(XENMEM_maximum_reservation, &self) >= now, "maximum reservation");
	check(memop(XENMEM_maximum_ram_page, NULL) > 0xff00, "maximum ram page");
	refused(memop(XENMEM_current_reservation, &nobody), "current reservation: no such domain");
	equals(memop(XENMEM_current_reservation, BAD_PTR), -XEFAULT,
	       "current reservation: bad pointer");
	equals(memop(XENMEM_maximum_reservation, XEN_PTR), -XEFAULT,
	       "maximum reservation: hypervisor's pointer");
	check(memop(XENMEM_maximum_gpfn, &self) >= 0, "maximum gpfn");
	equals(memop(63, NULL), -XENOSYS, "no such command");
	refused(memop(XENMEM_add_to_physmap, BAD_PTR), "add_to_physmap: bad pointer");
}

/* What only tools ask for. */
static void tools(void)
{
	struct {
		u32 flags, count;
		void *buffer;
		u64 device;
	} reserved = {.flags = 1};
	struct xen_memory_reservation claim = {.nr_extents = 1, .domid = DOMID_SELF};
	u64 words[8] = {0};

	equals(memop(XENMEM_reserved_device_memory_map, &reserved), 0, "no reserved memory");
	equals(reserved.count, 0, "none counted");
	reserved.flags = 2;
	equals(memop(XENMEM_reserved_device_memory_map, &reserved), -XEINVAL, "such a flag");
	equals(memop(XENMEM_reserved_device_memory_map, BAD_PTR), -XEFAULT, "its bad pointer");
	equals(memop(XENMEM_get_pod_target, words), -XEINVAL, "populate on demand: not here");
	equals(memop(XENMEM_set_pod_target, words), -XEINVAL, "populate on demand: not here");
	equals(memop(XENMEM_get_vnumainfo, words), -XEOPNOTSUPP, "virtual nodes: none");
	equals(memop(XENMEM_claim_pages, &claim), -XEINVAL, "claim: not by DOMID_SELF");
	claim.domid = 77;
	equals(memop(XENMEM_claim_pages, &claim), -XEINVAL, "claim: nobody");
	claim.domid = 0;
	equals(memop(XENMEM_claim_pages, &claim), -XEINVAL, "claim: less than there is");
	claim.mem_flags = 1;
	equals(memop(XENMEM_claim_pages, &claim), -XEINVAL, "claim: flags");
	claim.mem_flags = 0;
	claim.extent_order = 1;
	equals(memop(XENMEM_claim_pages, &claim), -XEINVAL, "claim: order");
	equals(memop(XENMEM_claim_pages, BAD_PTR), -XEFAULT, "claim: bad pointer");
}

static void down_and_up(void)
{
	char *page = page_alloc();
	u64 old, got[2] = {0, 0};

	old = page_unmap(page);
	equals(reservation(XENMEM_decrease_reservation, &old, 1, 0, DOMID_SELF), 1, "decrease");
	refused(set_va(page, (old << 12) | PTE_RW, UVMF_INVLPG),
		"decrease: the frame is not ours any more");
	equals(reservation(XENMEM_decrease_reservation, &old, 1, 0, DOMID_SELF), 0,
	       "decrease: again");
	got[0] = pfn_of(page);
	equals(reservation(XENMEM_populate_physmap, got, 1, 0, DOMID_SELF), 1, "populate");
	equals(machine_to_phys(got[0]), pfn_of(page), "populate: m2p");
	page_remap(page, got[0]);
	check(memcmp(page, va_of(pfn_of(page)), 8) == 0, "populate: mapped");
	for (unsigned int i = 0; i < 512; i++)
		if (((u64 *)page)[i])
			fatal("populate: not scrubbed");
	check(true, "populate: scrubbed");
	equals(reservation(XENMEM_increase_reservation, got, 0, 0, DOMID_SELF), 0,
	       "increase: nothing");
	old = page_unmap(page);
	equals(reservation(XENMEM_decrease_reservation, &old, 1, 0, DOMID_SELF), 1, "decrease");
	equals(reservation(XENMEM_increase_reservation, got, 1, 0, DOMID_SELF), 1, "increase");
	page_remap(page, got[0]);
	page_free(page);
}

static void bad_reservations(void)
{
	u64 list[4] = {0xfffffffff, 0xfee00, ~0ul, 0};
	u64 *table = table_alloc(0);
	u64 mfn = mfn_of(table);
	static const unsigned int orders[] = {18, 19, 20, 31, 32, 52, 63, 64, 0xffffffff};

	equals(reservation(XENMEM_decrease_reservation, list, 3, 0, DOMID_SELF), 0,
	       "decrease: frames that are not ours");
	equals(reservation(XENMEM_decrease_reservation, BAD_PTR, 1, 0, DOMID_SELF) <= 0, 1,
	       "decrease: bad list");
	equals(reservation(XENMEM_decrease_reservation, XEN_PTR, 1, 0, DOMID_SELF) <= 0, 1,
	       "decrease: hypervisor's list");
	equals(reservation(XENMEM_populate_physmap, XEN_PTR, 1, 0, DOMID_SELF) <= 0, 1,
	       "populate: hypervisor's list");
	equals(reservation(XENMEM_increase_reservation, XEN_PTR2, 1, 0, DOMID_SELF) <= 0, 1,
	       "increase: hypervisor's list");
	check(memop(XENMEM_populate_physmap, XEN_PTR) <= 0, "populate: hypervisor's argument");
	check(memop(XENMEM_populate_physmap, BAD_PTR) <= 0, "populate: bad argument");
	for (unsigned int i = 0; i < ARRAY_SIZE(orders); i++) {
		list[0] = pfn_of(table);
		check(reservation(XENMEM_populate_physmap, list, 1, orders[i], DOMID_SELF) <= 0,
		      "populate: order (31)");
		check(reservation(XENMEM_increase_reservation, list, 1, orders[i], DOMID_SELF) <= 0,
		      "increase: order (31)");
		list[0] = 0x12345678;
		check(reservation(XENMEM_decrease_reservation, list, 1, orders[i], DOMID_SELF) <= 0,
		      "decrease: order (31)");
	}
	check(reservation(XENMEM_decrease_reservation, list, ~0ul, 0, DOMID_SELF) <= 0,
	      "decrease: count -1");
	check(reservation(XENMEM_populate_physmap, list, ~0ul >> 4, 0, DOMID_SELF) <= 0,
	      "populate: huge count");
	check(reservation(XENMEM_decrease_reservation, &mfn, 1, 0, 77) <= 0,
	      "decrease: no such domain");
	make_rw(table);
	page_free(table);
}

/* A page in use may be given back: it is ours no more when the last use of it ends, not before (214). */
static void given_while_used(void)
{
	char *mapped = page_alloc();
	u64 *table = table_alloc(0);
	u64 mfn = mfn_of(mapped);
	long rc = reservation(XENMEM_decrease_reservation, &mfn, 1, 0, DOMID_SELF);

	check(rc == 0 || rc == 1, "decrease: a mapped page");
	*(volatile u64 *)mapped = 1;
	equals(*(volatile u64 *)mapped, 1, "it works as long as it is mapped");
	page_unmap(mapped);
	if (rc == 1)
		refused(set_va(mapped, (mfn << 12) | PTE_RW, UVMF_INVLPG),
			"afterwards it is not ours");
	mfn = mfn_of(table);
	equals(mmuext(MMUEXT_PIN_L1_TABLE, mfn, 0), 0, "pin");
	rc = reservation(XENMEM_decrease_reservation, &mfn, 1, 0, DOMID_SELF);
	check(rc == 0 || rc == 1, "decrease: a pinned table");
	refused(mmuext(MMUEXT_PIN_L1_TABLE, mfn, 0), "it cannot be pinned again");
	page_unmap((char *)table);
	mmuext(MMUEXT_UNPIN_TABLE, mfn, 0); /* Xen: the pin outlives the gift */
	refused(set_va(table, (mfn << 12) | PTE_RO, UVMF_INVLPG), "unpinned, it is not ours");
	mfn = start_info->shared_info >> 12;
	reservation(XENMEM_decrease_reservation, &mfn, 1, 0, DOMID_SELF);
	equals(shared_info->vcpu_info[0].evtchn_upcall_mask, 1,
	       "shared_info: still there, whatever the answer");
	mfn = mfn_of(root());
	reservation(XENMEM_decrease_reservation, &mfn, 1, 0, DOMID_SELF);
	mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0);
	check(true, "the root we run on: still there, whatever the answer");
}

/* The sub-command's upper bits say where to go on: only what the hypervisor put there makes sense. */
static void continuations(void)
{
	u64 list[2] = {0x12345678, 0x12345678};
	struct xen_memory_reservation r = {.nr_extents = 2, .domid = DOMID_SELF};
	static const u64 starts[] = {1, 2, 3, 1000, 0x3ffffff, 0x3ffffffffffffff};
	long rc;

	r.extent_start.p = list;
	for (unsigned int i = 0; i < ARRAY_SIZE(starts); i++) {
		rc = memop(XENMEM_decrease_reservation | starts[i] << START_SHIFT, &r);
		check(rc < 0 || (u64)rc <= starts[i], "forged start of decrease (111, 296)");
		rc = memop(XENMEM_populate_physmap | starts[i] << START_SHIFT, &r);
		check(rc < 0 || (u64)rc <= starts[i] + 2, "forged start of populate");
		rc = memop(XENMEM_exchange | starts[i] << START_SHIFT, BAD_PTR);
		check(rc < 0, "forged start of exchange");
		rc = memop(XENMEM_machphys_mapping | starts[i] << START_SHIFT, BAD_PTR);
		check(rc < 0, "forged start of a call that has none");
	}
}

static long exchange(u64 *in, u64 in_count, unsigned int in_order, u64 *out, u64 out_count,
		     unsigned int out_order, u64 *done)
{
	struct xen_memory_exchange x = {
		.in = {.nr_extents = in_count, .extent_order = in_order, .domid = DOMID_SELF},
		.out = {.nr_extents = out_count, .extent_order = out_order, .domid = DOMID_SELF},
		.nr_exchanged = done ? *done : 0};
	long rc;

	x.in.extent_start.p = in;
	x.out.extent_start.p = out;
	rc = memop(XENMEM_exchange, &x);
	if (done)
		*done = x.nr_exchanged;
	return rc;
}

static void exchanges(void)
{
	char *page = page_alloc();
	u64 old, out[2], done = 0;
	domid_t self = DOMID_SELF;
	long now = memop(XENMEM_current_reservation, &self);

	memset(page, 7, PAGE_SIZE);
	old = page_unmap(page);
	out[0] = pfn_of(page);
	equals(exchange(&old, 1, 0, out, 1, 0, &done), 0, "exchange: one for one");
	equals(done, 1, "exchange: one done");
	check(out[0] != pfn_of(page), "exchange: a frame number came back");
	equals(machine_to_phys(out[0]), pfn_of(page), "exchange: m2p");
	page_remap(page, out[0]);
	for (unsigned int i = 0; i < 512; i++)
		if (((u64 *)page)[i])
			fatal("exchange: not scrubbed");
	check(true, "exchange: scrubbed");
	done = 0;
	refused(exchange(&old, 1, 0, out, 1, 0, &done),
		"exchange: a frame that is not ours any more");
	done = 0;
	refused(exchange(XEN_PTR, 1, 0, out, 1, 0, &done),
		"exchange: hypervisor's input list (29)");
	old = page_unmap(page);
	out[0] = pfn_of(page);
	done = 0;
	refused(exchange(&old, 1, 0, XEN_PTR, 1, 0, &done),
		"exchange: hypervisor's output list (212)");
	done = 0;
	refused(exchange(&old, 1, 0, XEN_PTR2, 1, 0, &done), "exchange: deeper (212)");
	done = ~0ul;
	refused(exchange(&old, 1, 0, out, 1, 0, &done), "exchange: forged nr_exchanged (29)");
	done = 0x1000000000000;
	refused(exchange(&old, 1, 0, out, 1, 0, &done), "exchange: forged nr_exchanged, huge");
	done = 0;
	refused(exchange(&old, 1, 0, out, 2, 0, &done), "exchange: sizes differ");
	done = 0;
	refused(exchange(&old, 1, 63, out, 1, 63, &done), "exchange: order 63");
	done = 0;
	refused(exchange(&old, ~0ul >> 1, 0, out, ~0ul >> 1, 0, &done), "exchange: huge count");
	done = 0;
	refused(exchange(&old, 1ul << 61, 3, out, 1ul << 61, 3, &done),
		"exchange: count times size overflows");
	done = 0;
	refused(exchange(&old, 1, 20, out, 1ul << 20, 0, &done), "exchange: input order 20");
	equals(memop(XENMEM_exchange, BAD_PTR), -XEFAULT, "exchange: bad argument");
	equals(memop(XENMEM_exchange, XEN_PTR), -XEFAULT, "exchange: hypervisor's argument");
	page_remap(page, old);
	check(true, "exchange: after all refusals the page is still ours");
	equals(memop(XENMEM_current_reservation, &self), now, "exchange: none was lost (159)");
	page_free(page);
}

static void maps(void)
{
	static struct e820entry entries[128];
	struct xen_memory_map map = {.nr_entries = 128};
	struct xen_machphys_mapping m;
	struct xen_machphys_mfn_list l = {.max_extents = 4};
	u64 list[4];
	u64 ram = 0;

	map.buffer.p = entries;
	equals(memop(XENMEM_machine_memory_map, &map), 0, "machine memory map");
	check(map.nr_entries >= 3, "machine memory map: entries");
	for (unsigned int i = 0; i < map.nr_entries; i++)
		if (entries[i].type == 1)
			ram += entries[i].size;
	check(ram > 200ul << 20 && ram <= 256ul << 20, "machine memory map: RAM");
	map.nr_entries = 1;
	{
		long rc = memop(XENMEM_machine_memory_map, &map);

		check(rc < 0 || map.nr_entries <= 1, "machine memory map: a short buffer");
	}
	map.nr_entries = 128;
	map.buffer.p = XEN_PTR;
	refused(memop(XENMEM_machine_memory_map, &map), "machine memory map: hypervisor's buffer");
	map.buffer.p = entries;
	map.nr_entries = 128;
	check(memop(XENMEM_memory_map, &map) == 0 || true, "memory map");
	equals(memop(XENMEM_machphys_mapping, &m), 0, "machphys mapping");
	equals(m.v_start, (long)MACH2PHYS_VIRT_START, "machphys mapping: start");
	check(m.v_end <= 0xffff808000000000 && m.v_end > m.v_start, "machphys mapping: end");
	check(m.max_mfn >= 0xff00, "machphys mapping: max mfn");
	equals(memop(XENMEM_machphys_mapping, XEN_PTR), -XEFAULT,
	       "machphys mapping: hypervisor's pointer");
	l.extent_start.p = list;
	equals(memop(XENMEM_machphys_mfn_list, &l), 0, "machphys mfn list");
	check(l.nr_extents >= 1 && l.nr_extents <= 4, "machphys mfn list: some");
	l.extent_start.p = XEN_PTR;
	refused(memop(XENMEM_machphys_mfn_list, &l), "machphys mfn list: hypervisor's pointer");
	equals(memop(XENMEM_machphys_mfn_list, BAD_PTR), -XEFAULT,
	       "machphys mfn list: bad pointer");
	refused(memop(XENMEM_set_memory_map, BAD_PTR), "set memory map: bad pointer");
}

/* A hole in the list of the M2P's frames is a hole in the map: reads of it do not show other memory. */
static void m2p_edges(void)
{
	u64 value = 0;

	equals(trap_read(MACH2PHYS_VIRT_START, value), NO_TRAP, "m2p: its first entry reads");
	equals(trap_read(0xffff82ffffffff00, value), 14, "hypervisor: its range is not readable");
	equals(trap_read(0xffff830000000000, value), 14,
	       "hypervisor: its direct map is not readable");
	equals(trap_read(0xffff87fffffffff0, value), 14,
	       "hypervisor: the end of its range is not readable");
	equals(trap_write(MACH2PHYS_VIRT_START, 0), 14, "m2p: not writable");
}

/* A CPU that has nothing else to do scrubs what was given back: the registers that it does so with are the guest's. */
static void asleep_while_it_is_scrubbed(void)
{
	char *page = page_alloc();
	u64 old = page_unmap(page), xmm0[2] = {0x0123456789abcdef, 0xfedcba9876543210},
	    now[2] = {0, 0};
	struct sched_poll poll = {.nr_ports = 0};

	equals(reservation(XENMEM_decrease_reservation, &old, 1, 0, DOMID_SELF), 1, "decrease");
	equals(hypercall(fpu_taskswitch, 0), 0, "fpu_taskswitch: clear");
	asm volatile("movups %0, %%xmm0" ::"m"(xmm0));
	equals(hypercall(fpu_taskswitch, 1), 0, "fpu_taskswitch: set");
	poll.timeout = time_ns() + 10000000;
	equals(schedop(SCHEDOP_poll, &poll), 0, "asleep for 10 ms");
	equals(trap_insn("movups (%%rsp), %%xmm1"), 7, "TS is still set");
	equals(hypercall(fpu_taskswitch, 0), 0, "fpu_taskswitch: clear");
	asm volatile("movups %%xmm0, %0" : "=m"(now));
	check(memcmp(now, xmm0, sizeof(now)) == 0, "XMM0 is as it was");
	old = pfn_of(page);
	equals(reservation(XENMEM_populate_physmap, &old, 1, 0, DOMID_SELF), 1, "populate");
	page_remap(page, old);
	page_free(page);
}

void guest_main(void)
{
	limits();
	tools();
	down_and_up();
	asleep_while_it_is_scrubbed();
	bad_reservations();
	continuations();
	exchanges();
	maps();
	m2p_edges();
	given_while_used();
}

/* SPDX-License-Identifier: MIT */
/*
 * Bare calls of a small PV kernel (the library of test/guest) in Domain 0's place, measured as ops.c measures operations:
 * rounds between two marks, then "op <rounds> <operations of a round> <name>". Started by tools/bench.py.
 */
#include "bench.h"

#define TABLES 8u

static u64 *l1, *empty[TABLES], *full[TABLES];
static char *page, *other;
static u64 other_entry, page_entry;
static unsigned int port;
static struct mmu_update updates[64];
static struct multicall_entry list[8];
static u64 *gdt, gdt_mfn;

static void xen_version(unsigned int i)
{
	(void)i;
	good(hypercall(xen_version, XENVER_version, 0));
}

static void va_mapping(unsigned int i)
{
	good(hypercall(update_va_mapping, AREA + 4096, i & 1 ? other_entry : page_entry,
		       UVMF_NONE));
}

static void va_mapping_invlpg(unsigned int i)
{
	good(hypercall(update_va_mapping, AREA + 4096, i & 1 ? other_entry : page_entry,
		       UVMF_INVLPG | UVMF_LOCAL));
}

static void va_mapping_clear(unsigned int i)
{
	good(hypercall(update_va_mapping, AREA + 4096, i & 1 ? other_entry : 0, UVMF_NONE));
}

static void update_one(unsigned int i)
{
	updates[0].val = i & 1 ? other_entry : page_entry;
	good(hypercall(mmu_update, updates, 1, NULL, DOMID_SELF));
}

static void update_many(unsigned int i)
{
	for (unsigned int n = 0; n < ARRAY_SIZE(updates); n++)
		updates[n].val = i & 1 ? other_entry : page_entry;
	good(hypercall(mmu_update, updates, ARRAY_SIZE(updates), NULL, DOMID_SELF));
}

static void emulated_mov(unsigned int i)
{
	ACCESS(l1[1]) = i & 1 ? other_entry : page_entry;
}

static void emulated_xchg(unsigned int i)
{
	u64 value = i & 1 ? other_entry : page_entry;

	asm volatile("xchg %0, (%1)" : "+r"(value) : "r"(&l1[1]) : "memory");
}

static void emulated_cmpxchg(unsigned int i)
{
	u64 old = ACCESS(l1[1]), value = i & 1 ? other_entry : page_entry;

	asm volatile("lock cmpxchg %2, (%1)"
		     : "+a"(old)
		     : "r"(&l1[1]), "r"(value)
		     : "memory", "cc");
}

static void emulated_bit(unsigned int i)
{
	if (i & 1)
		asm volatile("lock btsq $1, %0" : "+m"(l1[1])::"cc");
	else
		asm volatile("lock btrq $1, %0" : "+m"(l1[1])::"cc");
}

static void pin_empty(unsigned int i)
{
	good(mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(empty[i]), 0));
}

static void pin_full(unsigned int i)
{
	good(mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(full[i]), 0));
}

static void unpin_empty(unsigned int i)
{
	good(mmuext(MMUEXT_UNPIN_TABLE, mfn_of(empty[i]), 0));
}

static void unpin_full(unsigned int i)
{
	good(mmuext(MMUEXT_UNPIN_TABLE, mfn_of(full[i]), 0));
}

static void unpin_all(void)
{
	for (unsigned int i = 0; i < TABLES; i++) {
		unpin_empty(i);
		unpin_full(i);
	}
}

static void pin_all(void)
{
	for (unsigned int i = 0; i < TABLES; i++) {
		pin_empty(i);
		pin_full(i);
	}
}

/* Like Linux's, which changes the stack and three descriptors of the thread. */
static void switch_thread(unsigned int i)
{
	(void)i;
	good(hypercall(multicall, list, 4));
}

static void switch_root(unsigned int i)
{
	(void)i;
	good(mmuext(MMUEXT_NEW_BASEPTR, mfn_of(root()), 0));
}

static void flush_local(unsigned int i)
{
	(void)i;
	good(mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0));
}

static void segment_base(unsigned int i)
{
	(void)i;
	good(hypercall(set_segment_base, SEGBASE_FS, 0x1000));
}

/* Pending already: nobody looks. */
static void send_masked(unsigned int i)
{
	(void)i;
	event_clear(port);
	vcpu_info(0)->evtchn_pending_sel = 0;
	vcpu_info(0)->evtchn_upcall_pending = 0;
	good(port_send(port));
}

/* With the entry into the guest and its IRET. */
static void send_delivered(unsigned int i)
{
	(void)i;
	good(port_send(port));
}

static void send_ready(void)
{
	events_off();
	event_unmask(port);
}

static void deliver_ready(void)
{
	events_on();
}

static void skipped_fault(unsigned int i)
{
	u64 value;

	(void)i;
	trap_read(AREA + 500 * 4096, value);
	(void)value;
}

static void yield(unsigned int i)
{
	(void)i;
	good(schedop(SCHEDOP_yield, NULL));
}

static void set_timer(unsigned int i)
{
	good(hypercall(set_timer_op, (1ul << 60) + i));
}

static void grant_map_unmap(unsigned int i)
{
	(void)i;
	grants_map(0, FIRST_REF, AREA + 128 * 4096, batch);
	grants_unmap(batch);
}

static void grant_copy(unsigned int i)
{
	(void)i;
	grants_copy(DOMID_SELF, other, 1);
}

static const struct op ops[] = {
	{"xen_version", xen_version, 64, 1, NULL},
	{"update_va_mapping", va_mapping, 64, 1, NULL},
	{"update_va_mapping, INVLPG", va_mapping_invlpg, 64, 1, NULL},
	{"update_va_mapping, to and from empty", va_mapping_clear, 64, 1, NULL},
	{"mmu_update of one entry", update_one, 64, 1, NULL},
	{"mmu_update of 64, each entry", update_many, 4, 64, NULL},
	{"emulated mov to a table", emulated_mov, 64, 1, NULL},
	{"emulated xchg", emulated_xchg, 64, 1, NULL},
	{"emulated cmpxchg", emulated_cmpxchg, 64, 1, NULL},
	{"emulated locked bit operation", emulated_bit, 64, 1, NULL},
	{"validate an empty table", pin_empty, TABLES, 1, unpin_all},
	{"validate a table of 512", pin_full, TABLES, 1, unpin_all},
	{"give up an empty table", unpin_empty, TABLES, 1, pin_all},
	{"give up a table of 512", unpin_full, TABLES, 1, pin_all},
	{"multicall of a thread switch", switch_thread, 64, 1, NULL},
	{"set_segment_base", segment_base, 64, 1, NULL},
	{"MMUEXT_NEW_BASEPTR", switch_root, 64, 1, NULL},
	{"MMUEXT_TLB_FLUSH_LOCAL", flush_local, 64, 1, NULL},
	{"page fault to the kernel and back", skipped_fault, 64, 1, NULL},
	{"set_timer_op", set_timer, 64, 1, NULL},
	{"sched_op yield", yield, 64, 1, NULL},
	{"event to itself, masked", send_masked, 64, 1, send_ready},
	{"event to itself, delivered", send_delivered, 64, 1, deliver_ready},
	{"grant map and unmap", grant_map_unmap, 16, 1, batch_of_1},
	{"grant map and unmap, page of 16", grant_map_unmap, 4, 16, batch_of_16},
	{"grant map and unmap, page of 256", grant_map_unmap, 1, GRANTS, batch_of_256},
	{"grant copy of a page", grant_copy, 16, 1, NULL},
};

static void tables_ready(void)
{
	page = page_alloc();
	other = page_alloc();
	page_entry = FRAME(page) | PTE_RW;
	other_entry = FRAME(other) | PTE_RW;
	l1 = area_make(512)[0];
	must(set_va(AREA, page_entry, UVMF_INVLPG) == 0, "an entry");
	must(set_va(AREA + 4096, page_entry, UVMF_INVLPG) == 0, "an entry");
	for (unsigned int i = 0; i < ARRAY_SIZE(updates); i++)
		updates[i].ptr = maddr_of(l1) + (i + 1) * 8;
	for (unsigned int i = 0; i < TABLES; i++) {
		empty[i] = table_alloc(0);
		full[i] = page_alloc();
		for (unsigned int n = 0; n < 512; n++)
			full[i][n] = page_entry;
		make_ro(full[i]);
	}
}

void guest_main(void)
{
	trap_register(true); /* as Linux does: no entry with events on */
	tables_ready();
	grants_give(GRANTS, 0, NULL);
	port = (unsigned int)bind_ipi(0);
	list[0] = (struct multicall_entry){.op = __HYPERVISOR_stack_switch,
					   .args = {FLAT_KERNEL_SS64, (u64)kernel_stack_top}};
	gdt = page_alloc();
	gdt_mfn = mfn_of(gdt);
	make_ro(gdt);
	must(hypercall(set_gdt, &gdt_mfn, 512) == 0, "set_gdt");
	for (unsigned int i = 1; i < 4; i++)
		list[i] = (struct multicall_entry){.op = __HYPERVISOR_update_descriptor,
						   .args = {maddr_of(gdt) + (11 + i) * 8, 0}};
	ops_measure(ops, ARRAY_SIZE(ops));
	bench_end();
}

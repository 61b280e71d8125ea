/* SPDX-License-Identifier: MIT */
/*
 * A test guest: multicalls. Security cases 213 (iret or another address space inside of one), 111, 296.
 */
#include "guest.h"

#define CALL(name, ...)                                            \
	{                                                          \
		.op = __HYPERVISOR_##name, .args = { __VA_ARGS__ } \
	}
static struct multicall_entry list[600];

static void plain(void)
{
	list[0] = (struct multicall_entry)CALL(xen_version, XENVER_version, 0);
	list[1] = (struct multicall_entry)CALL(xen_version, 99, 0);
	list[2] = (struct multicall_entry){.op = 63};
	list[3] = (struct multicall_entry){.op = ~0ul};
	list[4] = (struct multicall_entry)CALL(xen_version, XENVER_pagesize, 0);
	equals(hypercall(multicall, list, 5), 0, "five calls");
	equals(list[0].result, 0x40011, "good");
	equals(list[1].result, -XENOSYS, "bad sub-call");
	equals(list[2].result, -XENOSYS, "no such call");
	equals(list[3].result, -XENOSYS, "call -1");
	equals(list[4].result, 4096, "good, behind bad ones");
	equals(hypercall(multicall, list, 0), 0, "none");
	equals(hypercall(multicall, 8, 1), -XEFAULT, "bad pointer");
	equals(hypercall(multicall, HYPERVISOR_VIRT_START, 1), -XEFAULT, "hypervisor's pointer");
	{
		struct multicall_entry *last = page_alloc();
		char *hole = page_alloc();

		if (pfn_of(hole) != pfn_of(last) + 1)
			fatal("pages not together");
		set_va(hole, 0, UVMF_INVLPG);
		refused(hypercall(multicall, last, ~0ul), "count -1, to the end of what is mapped");
		make_rw(hole);
	}
	refused(hypercall(multicall, 0x800000000000 - 64, 8), "a list that leaves the lower half");
	for (unsigned int i = 0; i < ARRAY_SIZE(list); i++)
		list[i] = (struct multicall_entry)CALL(xen_version, XENVER_version, 0);
	equals(hypercall(multicall, list, ARRAY_SIZE(list)), 0, "six hundred");
	for (unsigned int i = 0; i < ARRAY_SIZE(list); i++)
		if (list[i].result != 0x40011)
			fatal("result %u", i);
	check(true, "all done");
}

static void nested(void)
{
	static struct multicall_entry inner[1];

	inner[0] = (struct multicall_entry)CALL(xen_version, XENVER_version, 0);
	list[0] = (struct multicall_entry)CALL(multicall, (u64)inner, 1);
	list[1] = (struct multicall_entry)CALL(xen_version, XENVER_version, 0);
	equals(hypercall(multicall, list, 2), 0, "a multicall in a multicall");
	refused((long)list[0].result, "is refused");
	equals(list[1].result, 0x40011, "the next goes on");
	list[0] = (struct multicall_entry)CALL(multicall, (u64)list, 2);
	equals(hypercall(multicall, list, 2), 0, "one that names itself");
	refused((long)list[0].result, "is refused");
}

/* The frame of an iret inside a multicall: it goes to iret_landing, or the call fails. */
extern u64 landed_rsp;
u64 landed_rsp;
extern bool landed;
bool landed;

static void iret_inside(void)
{
	u64 rc = __HYPERVISOR_multicall;

	list[0] = (struct multicall_entry){.op = __HYPERVISOR_iret};
	list[1] = (struct multicall_entry)CALL(xen_version, XENVER_version, 0);
	list[1].result = 0;
	/* rax r11 rcx flags rip cs rflags rsp ss, where an iret would look for them */
	asm volatile("mov %%rsp, landed_rsp(%%rip)\n\t"
		     "pushq $0xe02b\n\t"
		     "pushq landed_rsp(%%rip)\n\t"
		     "pushf\n\t"
		     "pushq $0xe030\n\t"
		     "lea 1f(%%rip), %%rcx\n\t"
		     "push %%rcx\n\t"
		     "pushq $0\n\t"
		     "pushq $0\n\t"
		     "pushq $0\n\t"
		     "pushq $0x7777\n\t"
		     "syscall\n\t"
		     "mov landed_rsp(%%rip), %%rsp\n\t"
		     "jmp 2f\n"
		     "1: movb $1, landed(%%rip)\n"
		     "2:"
		     : "+a"(rc)
		     : "D"(list), "S"(2ul)
		     : "rcx", "r11", "rdx", "r10", "r8", "r9", "memory", "cc");
	print("# landed %d rc %ld results %ld %ld\n", landed, (long)rc, (long)list[0].result,
	      (long)list[1].result);
	/* Xen does the iret and then the rest of the list; Mica refuses the entry. Nobody loses control. */
	check(landed || (s64)list[0].result < 0 || rc != 0, "iret: done or refused (213)");
	equals(hypercall(xen_version, XENVER_version, NULL), 0x40011, "iret: calls go on");
}

/* The entries behind a new root are read and answered in the address space that is then in force. */
static void roots_inside(void)
{
	u64 *second = root_alloc(), old = mfn_of(root());
	static struct mmuext_op there = {.cmd = MMUEXT_NEW_BASEPTR},
				back = {.cmd = MMUEXT_NEW_BASEPTR};

	there.arg1.mfn = mfn_of(second);
	back.arg1.mfn = old;
	list[0] = (struct multicall_entry)CALL(mmuext_op, (u64)&there, 1, 0, DOMID_SELF);
	list[1] = (struct multicall_entry)CALL(xen_version, XENVER_version, 0);
	list[2] = (struct multicall_entry)CALL(mmuext_op, (u64)&back, 1, 0, DOMID_SELF);
	list[3] = (struct multicall_entry)CALL(xen_version, XENVER_pagesize, 0);
	equals(hypercall(multicall, list, 4), 0, "another root inside of a list (213)");
	check(list[0].result == 0 && list[2].result == 0, "there and back");
	check(list[1].result == 0x40011 && list[3].result == 4096, "the others answered");
	make_rw(second);
	page_free(second);
}

/* A root under which the list itself is not mapped: the rest of it cannot be read. */
static void root_without_list(void)
{
	u64 *second = root_alloc(), old = mfn_of(root());
	u64 *l3 = page_alloc(), *l2 = page_alloc(), *l1 = page_alloc();
	static struct mmuext_op there = {.cmd = MMUEXT_NEW_BASEPTR},
				back = {.cmd = MMUEXT_NEW_BASEPTR};
	struct multicall_entry *high = page_alloc();
	u64 slot = 100, va = slot << 39;
	long rc;

	l1[0] = (mfn_of(high) << 12) | PTE_RW;
	make_ro(l1);
	l2[0] = (mfn_of(l1) << 12) | PTE_RW;
	make_ro(l2);
	l3[0] = (mfn_of(l2) << 12) | PTE_RW;
	make_ro(l3);
	equals(mmu_update(maddr_of(root()) + slot * 8, (mfn_of(l3) << 12) | PTE_RW), 0,
	       "a list mapped in one root only");
	there.arg1.mfn = mfn_of(second);
	back.arg1.mfn = old;
	high[0] = (struct multicall_entry)CALL(mmuext_op, (u64)&there, 1, 0, DOMID_SELF);
	high[1] = (struct multicall_entry)CALL(mmuext_op, (u64)&back, 1, 0, DOMID_SELF);
	rc = hypercall(multicall, va, 2);
	print("# rc %ld\n", rc);
	check(rc == -XEFAULT, "the rest of the list cannot be read in the other root (213)");
	equals(mmuext(MMUEXT_NEW_BASEPTR, old, 0), 0, "back by hand");
	equals(mmu_update(maddr_of(root()) + slot * 8, 0), 0, "tidy");
	make_rw(second);
	check(true, "the other root is a page again");
}

void guest_main(void)
{
	plain();
	nested();
	iret_inside();
	roots_inside();
	root_without_list();
}

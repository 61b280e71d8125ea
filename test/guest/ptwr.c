/* SPDX-License-Identifier: MIT */
/*
 * A test guest: writes to page tables that are mapped read-only, carried out by the hypervisor as checked updates: plain,
 * exchanging and locked forms; the wrong sizes and places. Security cases 148, 182 (what a quick path lets through).
 */
#include "guest.h"

#define FRAME(p) (mfn_of(p) << 12)
#define AREA	 ((char *)0x0000200000000000ul)
static u64 *l1;
static char *page, *other;

static void plain(void)
{
	u64 want = FRAME(other) | PTE_RW, x;

	equals(trap_write(&l1[1], want), NO_TRAP, "mov: a good entry");
	equals(l1[1] & (PTE_MFN | PTE_RW), (long)want, "mov: is there");
	*(u64 *)(AREA + 4096) = 5;
	equals(*(u64 *)other, 5, "mov: maps the page");
	equals(trap_write(&l1[1], 0), NO_TRAP, "mov: zero");
	mmuext(MMUEXT_INVLPG_LOCAL, (u64)AREA + 4096, 0);
	equals(trap_read(AREA + 4096, x), 14, "mov: and it is gone");
	equals(trap_write(&l1[1], FRAME(l1) | PTE_RW), 14,
	       "mov: the table itself, writable: the fault is ours");
	equals(last_trap.cr2, (long)&l1[1], "mov: cr2");
	equals(l1[1], 0, "mov: nothing changed");
	equals(trap_write(&l1[1], FRAME(root()) | PTE_RW), 14, "mov: the root, writable");
	equals(trap_write(&l1[1], FRAME(page) | PTE_RW | (1ul << 51)), 14, "mov: reserved bit");
	equals(trap_write(&l1[1], FRAME(page) | PTE_RO), NO_TRAP, "mov: read-only entry");
	equals(trap_write(&l1[1], FRAME(page) | PTE_RW), NO_TRAP, "mov: made writable");
	equals(trap_write(&l1[1], 0), NO_TRAP, "mov: zero");
	equals(trap_try("movq $0, %0", "=m"(l1[1]), "i"(0)), NO_TRAP, "mov: immediate");
}

static void exchanging(void)
{
	u64 a = FRAME(other) | PTE_RW, value = a;

	equals(trap_try("xchg %0, (%1)", "+r"(value), "r"(&l1[2])), NO_TRAP, "xchg: in");
	equals(value, 0, "xchg: the old entry");
	equals(l1[2] & PTE_MFN, (long)FRAME(other), "xchg: the new one");
	value = 0;
	equals(trap_try("xchg %0, (%1)", "+r"(value), "r"(&l1[2])), NO_TRAP, "xchg: out");
	equals(value & PTE_MFN, (long)FRAME(other), "xchg: the old entry");
	value = FRAME(l1) | PTE_RW;
	equals(trap_try("xchg %0, (%1)", "+r"(value), "r"(&l1[2])), 14, "xchg: a bad one");
	equals(value, (long)(FRAME(l1) | PTE_RW), "xchg: register as before");

	value = 0;
	equals(trap_try("lock cmpxchg %2, (%1)", "+a"(value), "r"(&l1[2]), "r"(a)), NO_TRAP,
	       "cmpxchg: in");
	equals(l1[2] & PTE_MFN, (long)FRAME(other), "cmpxchg: is there");
	value = 12345;
	equals(trap_try("lock cmpxchg %2, (%1)", "+a"(value), "r"(&l1[2]), "r"(0ul)), NO_TRAP,
	       "cmpxchg: differs");
	equals(value & PTE_MFN, (long)FRAME(other), "cmpxchg: differs: rax has the entry");
	equals(l1[2] & PTE_MFN, (long)FRAME(other), "cmpxchg: differs: the entry stays");
	value = l1[2];
	equals(trap_try("lock cmpxchg %2, (%1)", "+a"(value), "r"(&l1[2]), "r"(FRAME(l1) | PTE_RW)),
	       14, "cmpxchg: a bad one");
	value = l1[2];
	equals(trap_try("lock cmpxchg %2, (%1)", "+a"(value), "r"(&l1[2]), "r"(0ul)), NO_TRAP,
	       "cmpxchg: out");
	equals(l1[2], 0, "cmpxchg: gone");
}

/* What Linux does to entries of a pinned table: clear W or A by a locked operation. */
static void locked(void)
{
	equals(trap_write(&l1[3], FRAME(other) | PTE_RW), NO_TRAP, "an entry");
	equals(trap_try("lock btrq $1, %0", "+m"(l1[3]), "i"(0)), NO_TRAP, "lock btr of W");
	equals(l1[3] & PTE_W, 0, "W is gone");
	equals(trap_try("lock btsq $1, %0", "+m"(l1[3]), "i"(0)), NO_TRAP, "lock bts of W");
	equals(l1[3] & PTE_W, PTE_W, "W is back");
	equals(trap_try("lock andq %1, %0", "+m"(l1[3]), "r"(~PTE_A)), NO_TRAP, "lock and");
	equals(l1[3] & PTE_A, 0, "A is gone");
	equals(trap_try("lock orq %1, %0", "+m"(l1[3]), "r"(PTE_A)), NO_TRAP, "lock or");
	equals(l1[3] & PTE_A, PTE_A, "A is back");
	equals(trap_try("lock andb $0xfd, %0", "+m"(*(u8 *)&l1[3]), "i"(0)), NO_TRAP,
	       "lock and of a byte");
	equals(l1[3] & PTE_W, 0, "W is gone");
	equals(trap_try("lock btsq $51, %0", "+m"(l1[3]), "i"(0)), 14,
	       "lock bts of a reserved bit");
	equals(trap_write(&l1[3], 0), NO_TRAP, "and cleared");
}

static void odd_places(void)
{
	char *at = (char *)&l1[4];
	u64 *both, vector;

	/* Bytes and halves of an entry that is not present are harmless; Xen and Mica may take or refuse them. */
	vector = trap_try("movb $0x10, %0", "=m"(at[1]), "i"(0));
	check(vector == NO_TRAP || vector == 14, "a byte of an empty entry");
	trap_write(&l1[4], 0);
	vector = trap_try("movl $0, %0", "=m"(*(u32 *)(at + 4)), "i"(0));
	check(vector == NO_TRAP || vector == 14, "half of an empty entry");
	vector = trap_write(at + 4, 0x0000000100000001);
	check(vector == 14, "a write over two entries is no update");
	check(!(l1[4] & PTE_P) && !(l1[5] & PTE_P), "both are as before");
	/* The last bytes of a table and the first of the next page. */
	both = (u64 *)((char *)l1 + 4092);
	equals(trap_write(both, (FRAME(l1) | PTE_RW) << 32), 14, "a write that leaves the table");
	/* Upper tables are never written so by Linux without a call; a good value may pass, a bad one never. */
	vector = trap_write(entry_of(AREA, 2), FRAME(page) | PTE_RW | PTE_PSE);
	equals(vector, 14, "L2: a superpage");
	/* An L4 takes no plain writes at all on Xen; Mica judges them as it does others. */
	vector = trap_write(entry_of(AREA, 4), FRAME(root()) | PTE_RW);
	equals(vector, 14, "L4: itself, writable");
	vector = trap_write(root() + 256, FRAME(page) | PTE_RW);
	equals(vector, 14, "L4: a slot of the hypervisor");
	check(*entry_of(AREA, 4) & PTE_P, "L4: as before");
}

static void strings(void)
{
	u64 *to = &l1[8], n = 4;

	last_trap.vector = NO_TRAP;
	asm volatile(TRAP_ASM("rep stosq") : "+D"(to), "+c"(n) : "a"(0) : "memory");
	equals(last_trap.vector, NO_TRAP, "rep stos over empty entries");
}

void guest_main(void)
{
	u64 vector;

	page = page_alloc();
	other = page_alloc();
	l1 = table_alloc(FRAME(page) | PTE_RW);
	u64 *l2 = table_alloc(FRAME(l1) | PTE_RW), *l3 = table_alloc(FRAME(l2) | PTE_RW);

	vector = trap_write(&l1[1], FRAME(other) | PTE_RW);
	equals(vector, 14, "a read-only page that is no table: the fault is ours");
	equals(mmu_update(maddr_of(root()) + 64 * 8, FRAME(l3) | PTE_RW), 0, "tables");
	plain();
	exchanging();
	locked();
	odd_places();
	strings();
	equals(mmu_update(maddr_of(root()) + 64 * 8, 0), 0, "tables gone");
	make_rw(l3);
	make_rw(l2);
	make_rw(l1);
	check(true, "all are pages again");
}

/* SPDX-License-Identifier: MIT */
/*
 * Memory of a test guest: everything mapped one to one, a free list of pages, its own page tables read through that map,
 * and short names for the calls that change them.
 */
#include "guest.h"

struct start_info *start_info;
struct shared_info *shared_info;
u64 *p2m;
u64 boot_stack;
static u64 free_pfn, free_end;
static void *free_list;
static char shared_page[PAGE_SIZE] __attribute__((aligned(4096)));

void *memset(void *to, int byte, size_t n)
{
	void *p = to;

	asm volatile("rep stosb" : "+D"(p), "+c"(n) : "a"(byte) : "memory");
	return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
	void *p = to;

	asm volatile("rep movsb" : "+D"(p), "+S"(from), "+c"(n)::"memory");
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

u64 mfn_of(const void *va)
{
	return p2m[pfn_of(va)];
}

u64 maddr_of(const void *va)
{
	return (mfn_of(va) << 12) | ((u64)va & 4095);
}

static void *va_of_mfn(u64 mfn)
{
	return va_of(machine_to_phys(mfn));
}

u64 *root(void)
{
	static u64 *roots[32];
	unsigned int self = vcpu_self();

	if (!roots[self])
		roots[self] = (u64 *)start_info->pt_base;
	return roots[self];
}

pte_t *entry_of(const void *va, int level)
{
	u64 *table = root();

	for (int at = 4;; at--) {
		pte_t *entry = table + (((u64)va >> (3 + 9 * at)) & 511);

		if (at == level)
			return entry;
		if (!(*entry & PTE_P))
			return NULL;
		table = va_of_mfn((*entry & PTE_MFN) >> 12);
	}
}

u64 entry_maddr(const void *va, int level)
{
	return maddr_of(entry_of(va, level));
}

long mmu_update_dom(u64 ptr, u64 value, domid_t domain)
{
	struct mmu_update u = {.ptr = ptr, .val = value};

	return hypercall(mmu_update, &u, 1, NULL, domain);
}

long mmuext(unsigned int cmd, u64 arg1, u64 arg2)
{
	struct mmuext_op op = {.cmd = cmd};

	op.arg1.mfn = arg1;
	op.arg2.vcpumask.p = (void *)arg2;
	return hypercall(mmuext_op, &op, 1, NULL, DOMID_SELF);
}

long set_va(const void *va, u64 value, u64 flags)
{
	return hypercall(update_va_mapping, va, value, flags);
}

void page_protect(const void *va, u64 flags)
{
	long rc = set_va(va, (mfn_of(va) << 12) | flags, UVMF_INVLPG);

	if (rc)
		fatal("page_protect %p %lx: %ld", va, flags, rc);
}

/* Maps a page that the hypervisor's region does not reach; L1 tables come from what it does. */
static void map_page(u64 pfn)
{
	void *va = va_of(pfn);
	pte_t *l2 = entry_of(va, 2);

	if (!(*l2 & PTE_P)) {
		u64 *l1 = page_alloc();

		for (u64 i = 0; i < 512 && pfn + i < start_info->nr_pages; i++)
			l1[i] = (p2m[pfn + i] << 12) | PTE_RW;
		make_ro(l1);
		if (mmu_update(maddr_of(l2), (mfn_of(l1) << 12) | PTE_RW))
			fatal("cannot map pfn %lx", pfn);
	}
	l2 = entry_of(va, 1);
	if (!(*l2 & PTE_P) && mmu_update(maddr_of(l2), (p2m[pfn] << 12) | PTE_RW))
		fatal("cannot map pfn %lx", pfn);
}

void memory_init(void)
{
	u64 mapped;

	p2m = (u64 *)start_info->mfn_list;
	free_pfn = (boot_stack - 1 - VIRT_BASE) / PAGE_SIZE + 1;
	mapped = free_pfn;
	while (entry_of(va_of(mapped), 2) && (*entry_of(va_of(mapped), 2) & PTE_P) &&
	       (*entry_of(va_of(mapped), 1) & PTE_P))
		mapped++;
	free_end = mapped;
	for (; mapped < start_info->nr_pages && mapped < 16384; mapped++)
		map_page(mapped);
	free_end = mapped;
	if (set_va(shared_page, start_info->shared_info | PTE_RW, UVMF_INVLPG))
		fatal("shared_info cannot be mapped");
	shared_info = (void *)shared_page;
}

void *page_alloc(void)
{
	void *page = free_list;

	if (page) {
		free_list = *(void **)page;
	} else {
		if (free_pfn >= free_end)
			fatal("out of memory");
		page = va_of(free_pfn++);
	}
	return memset(page, 0, PAGE_SIZE);
}

void page_free(void *page)
{
	*(void **)page = free_list;
	free_list = page;
}

u64 *table_alloc(u64 first_entry)
{
	u64 *table = page_alloc();

	table[0] = first_entry;
	make_ro(table);
	return table;
}

/* Slots 256..271 are the hypervisor's. */
u64 *root_alloc(void)
{
	u64 *table = page_alloc(), *now = root();

	for (unsigned int i = 0; i < 512; i++)
		if (i < 256 || i > 271)
			table[i] = now[i];
	make_ro(table);
	return table;
}

u64 *user_root(void)
{
	static u64 *table;

	if (table)
		return table;
	table = root_alloc();
	if (mmuext(MMUEXT_PIN_L4_TABLE, mfn_of(table), 0) ||
	    mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(table), 0))
		fatal("no root for user mode");
	return table;
}

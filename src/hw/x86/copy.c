/* SPDX-License-Identifier: MIT */
/*
 * Guest memory, by the guest's own translations: a fault ends the copy with -EFAULT. A PV guest runs in ring 3, so what its
 * tables map for it has the user bit; Mica's own range is refused before anything is touched. No lock.
 */
#include "core/err.h"
#include "hw/asm.h"
#include "hw/mem.h"
#include "hw/smap.h"

static bool is_guest_range(u64 va, size_t bytes)
{
	u64 last = va + bytes - 1;

	return (likely(last >= va) && (va >= LAYOUT_END || last < BIT(47))) || bytes == 0;
}

/* Whole words, then bytes; 0 or how many bytes were not copied. */
static size_t copy(void *to, const void *from, size_t bytes)
{
	size_t words = bytes / 8, rest = bytes % 8;

	hw_smap_open();
	__asm__ volatile("1: rep movsq\n"
			 "mov %3, %%rcx\n"
			 "2: rep movsb\n"
			 "jmp 4f\n"
			 "3: lea (%3, %%rcx, 8), %%rcx\n"
			 "4:\n" HW_EXTABLE("1b", "3b") HW_EXTABLE("2b", "4b")
			 : "+c"(words), "+D"(to), "+S"(from)
			 : "r"(rest)
			 : "memory");
	hw_smap_close();
	return words;
}

int hw_copy_from_guest(void *to, gva_t from, size_t bytes)
{
	if (!is_guest_range(gva_num(from), bytes) ||
	    copy(to, (const void *)gva_num(from), bytes) != 0)
		return err(EFAULT);
	return 0;
}

int hw_copy_to_guest(gva_t to, const void *from, size_t bytes)
{
	if (!is_guest_range(gva_num(to), bytes) || copy((void *)gva_num(to), from, bytes) != 0)
		return err(EFAULT);
	return 0;
}

/* No vCPU is loaded or left meanwhile, and nothing of Mica's own uses the register: what is in it is whoever's it was. */
void hw_scrub(void *pages, size_t bytes)
{
	bool has_ts = hw_cr0_read() & CR0_TS;
	u8 xmm0[16];

	if (has_ts)
		hw_clts();
	__asm__ volatile("movups %%xmm0, %0; xorps %%xmm0, %%xmm0" : "=m"(xmm0));
	for (u8 *at = pages, *end = at + bytes; at < end; at += 512)
		__asm__ volatile("at = 0; .rept 32; movntps %%xmm0, at(%0); at = at + 16; .endr"
				 :
				 : "r"(at)
				 : "memory");
	__asm__ volatile("sfence; movups %0, %%xmm0" : : "m"(xmm0) : "memory");
	if (has_ts)
		hw_cr0_write(hw_cr0_read() | CR0_TS);
}

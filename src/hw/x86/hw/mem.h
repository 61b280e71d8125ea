/* SPDX-License-Identifier: MIT */
/*
 * Seam: memory as Mica reaches it. Frames through the direct map, the frame table and M2P at fixed places, guest memory
 * only by hw_copy_*(). The real machine's side. No lock.
 */
#ifndef HW_MEM_H
#define HW_MEM_H

#include "hw/asm.h"
#include "hw/layout.h"
#include "hw/smap.h"
#include "lib/types.h"

struct frame;

extern u64 hw_frame_max; /* [c] the direct map and the frame table reach 0 .. hw_frame_max - 1 */

/* A RAM frame, writable, for as long as the caller holds a reference that keeps it. */
static inline void *hw_frame_map(mfn_t mfn)
{
	return (void *)(LAYOUT_DIRECT + (mfn_num(mfn) << PAGE_SHIFT));
}
static inline mfn_t hw_virt_to_mfn(const void *ptr)
{
	return mfn_make(((u64)ptr - LAYOUT_DIRECT) >> PAGE_SHIFT);
}
/*
 * Frame table: an array indexed by mfn below hw_frame_max. Entries of holes read as zero and cannot be written:
 * hw_frame_is_ram() first.
 */
static inline struct frame *hw_frame_table(void)
{
	return (struct frame *)LAYOUT_FRAMES;
}
extern u64 *hw_ram_bitmap; /* [c] */
/* Has a frame-table entry (RAM known at boot). Any number may be asked. */
static inline bool hw_frame_is_ram(mfn_t mfn)
{
	return mfn.m < hw_frame_max && (hw_ram_bitmap[mfn.m / 64] >> (mfn.m % 64) & 1);
}
/* Host tests make the n-th allocation fail; the machine never does. */
static inline bool hw_alloc_fails(void)
{
	return false;
}
/* Machine-to-physical table, writable; read-only to guests at its ABI address. */
static inline u64 *hw_m2p(void)
{
	return (u64 *)LAYOUT_M2P_RW;
}

/*
 * Whole pages become zeros, past the caches: nobody is going to read them soon. The guest's XMM0 and CR0.TS are as before.
 */
void hw_scrub(void *pages, size_t bytes);

/*
 * Guest memory of the current address space, 0 or -EFAULT. Refuse everything inside Mica's own range. Never read the
 * same guest bytes twice: copy, then judge the copy. Never hold a lock across these.
 */
int hw_copy_from_guest(void *to, gva_t from, size_t bytes);
int hw_copy_to_guest(gva_t to, const void *from, size_t bytes);

/*
 * The same for a few words, their number known to the compiler: true if they were copied. They go in order, so that a first
 * word outside Mica's range (va >> 43 is 0x1ffff0 there and nowhere else) is enough: what lies below is not canonical.
 */
static inline bool hw_is_mica(u64 va)
{
	return va >> 43 == LAYOUT_START >> 43;
}
/* A fault at 1 goes on at 2 with a bad rc. */
#define HW_WORD_FIXUP                                                                             \
	"2: .pushsection .text.fixup, \"ax\"; 3: movl $1, %k0; jmp 2b; .popsection; " HW_EXTABLE( \
		"1b", "3b")

static ALWAYS_INLINE bool hw_get_words(u64 *to, gva_t from, size_t words)
{
	const u64 *at = (const u64 *)gva_num(from);
	u64 bad = 0;

	if (unlikely(hw_is_mica(gva_num(from))))
		return false;
	hw_smap_open();
#pragma GCC unroll 8
	for (size_t i = 0; i < words; i++)
		__asm__ volatile("1: mov %2, %1; " HW_WORD_FIXUP
				 : "+r"(bad), "=&r"(to[i])
				 : "m"(at[i]));
	hw_smap_close();
	return likely(bad == 0);
}
static inline bool hw_get_u32(u32 *to, gva_t from)
{
	u64 bad = 0;

	if (unlikely(hw_is_mica(gva_num(from))))
		return false;
	hw_smap_open();
	__asm__ volatile("1: mov %2, %1; " HW_WORD_FIXUP
			 : "+r"(bad), "=&r"(*to)
			 : "m"(*(const u32 *)gva_num(from)));
	hw_smap_close();
	return likely(bad == 0);
}
static ALWAYS_INLINE bool hw_put_words(gva_t to, const u64 *from, size_t words)
{
	u64 *at = (u64 *)gva_num(to), bad = 0;

	if (unlikely(hw_is_mica(gva_num(to))))
		return false;
	hw_smap_open();
#pragma GCC unroll 8
	for (size_t i = 0; i < words; i++)
		__asm__ volatile("1: mov %2, %1; " HW_WORD_FIXUP
				 : "+r"(bad), "=m"(at[i])
				 : "r"(from[i]));
	hw_smap_close();
	return likely(bad == 0);
}
static inline bool hw_put_word(gva_t to, u64 value)
{
	return hw_put_words(to, &value, 1);
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Fake seam: fake_memory_init(frames) gives a machine of that many frames; hw_frame_max of them exist, all RAM unless
 * fake_frame_set_ram() says otherwise. A guest address is a host pointer (fake_copy_any), or must lie in the arena.
 */
#ifndef HW_MEM_H
#define HW_MEM_H

#include "hw/layout.h"
#include "lib/types.h"

struct frame;

extern u64 hw_frame_max;
extern u8 *fake_ram; /* hw_frame_max pages */
extern struct frame *fake_frame_table;
extern u64 *fake_m2p;

static inline void *hw_frame_map(mfn_t mfn)
{
	return fake_ram + (mfn_num(mfn) << PAGE_SHIFT);
}
static inline mfn_t hw_virt_to_mfn(const void *ptr)
{
	return mfn_make((u64)((const u8 *)ptr - fake_ram) >> PAGE_SHIFT);
}
static inline struct frame *hw_frame_table(void)
{
	return fake_frame_table;
}
extern u8 *fake_is_hole;
static inline bool hw_frame_is_ram(mfn_t mfn)
{
	return mfn.m < hw_frame_max && !fake_is_hole[mfn.m];
}
bool fake_alloc_fails(void);
static inline bool hw_alloc_fails(void)
{
	return fake_alloc_fails();
}
static inline u64 *hw_m2p(void)
{
	return fake_m2p;
}

static inline void hw_scrub(void *pages, size_t bytes)
{
	__builtin_memset(pages, 0, bytes);
}
int hw_copy_from_guest(void *to, gva_t from, size_t bytes);
int hw_copy_to_guest(gva_t to, const void *from, size_t bytes);

static inline bool hw_get_words(u64 *to, gva_t from, size_t words)
{
	return hw_copy_from_guest(to, from, words * sizeof(u64)) == 0;
}
static inline bool hw_get_u32(u32 *to, gva_t from)
{
	return hw_copy_from_guest(to, from, sizeof(*to)) == 0;
}
static inline bool hw_put_words(gva_t to, const u64 *from, size_t words)
{
	return hw_copy_to_guest(to, from, words * sizeof(u64)) == 0;
}
static inline bool hw_put_word(gva_t to, u64 value)
{
	return hw_put_words(to, &value, 1);
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The words that everything else is written in: sized integers, and addresses that cannot be mistaken for one
 * another. Reached by every file; calls nothing; no lock.
 *
 * Several address spaces meet in a hypervisor, so each has a type of its own (one-member structs, no cost):
 *	mfn_t / maddr_t	machine frame number / machine address in bytes: real memory
 *	gva_t		a guest's virtual address: never dereferenced, only handed to hw_copy_*()
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

/* name_t, name_make() of a number, name_num() of it. */
#define ADDRESS_TYPE(name, member)                     \
	typedef struct {                               \
		u64 member;                            \
	} name##_t;                                    \
	static inline name##_t name##_make(u64 number) \
	{                                              \
		return (name##_t){number};             \
	}                                              \
	static inline u64 name##_num(name##_t address) \
	{                                              \
		return address.member;                 \
	}
ADDRESS_TYPE(mfn, m)
ADDRESS_TYPE(maddr, m)
ADDRESS_TYPE(gva, g)

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096ul
#define PAGE_MASK  (~(PAGE_SIZE - 1))

static inline bool mfn_equal(mfn_t a, mfn_t b)
{
	return a.m == b.m;
}
static inline mfn_t mfn_add(mfn_t mfn, u64 frames)
{
	return (mfn_t){mfn.m + frames};
}
#define MFN_NONE ((mfn_t){~0ull})
static inline bool mfn_is_none(mfn_t mfn)
{
	return mfn.m == ~0ull;
}
static inline mfn_t maddr_to_mfn(maddr_t maddr)
{
	return (mfn_t){maddr.m >> PAGE_SHIFT};
}
static inline gva_t gva_add(gva_t gva, u64 bytes)
{
	return (gva_t){gva.g + bytes};
}

#define ARRAY_SIZE(a)			(sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define ROUND_UP(x, n)			(((x) + (n)-1) & ~((n)-1))
#define ROUND_DOWN(x, n)		((x) & ~((n)-1))
#define MIN(a, b)			((a) < (b) ? (a) : (b))
#define MAX(a, b)			((a) > (b) ? (a) : (b))
#define BIT(n)				(1ull << (n))
#define likely(x)			__builtin_expect(!!(x), 1)
#define unlikely(x)			__builtin_expect(!!(x), 0)
#define PACKED				__attribute__((packed))
#define ALIGNED(n)			__attribute__((aligned(n)))
#define PRINTF_LIKE(fmt, args)		__attribute__((format(printf, fmt, args)))
#define NORETURN			__attribute__((noreturn))
#define AT_EXIT(fn)			__attribute__((cleanup(fn), unused)) /* fn(&variable) at its block's end */
#define NOINLINE			__attribute__((noinline))
#define ALWAYS_INLINE			inline __attribute__((always_inline))

/* An index that a guest chose, already compared with n: the CPU may have guessed that comparison wrong. */
static inline size_t idx_nospec(size_t idx, size_t n)
{
	size_t mask;

	/* The compiler must not conclude anything from the comparison that was made before. */
	__asm__ volatile("" : "+r"(idx));
	if (__builtin_constant_p(n) && (n & (n - 1)) == 0)
		return idx & (n - 1);
	mask = (size_t)0 - (size_t)(idx < n);
	__asm__ volatile("" : "+r"(mask));
	return idx & mask;
}

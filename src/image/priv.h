/* SPDX-License-Identifier: MIT */
/*
 * What the parsers share among themselves: reading little-endian numbers out of byte arrays of any alignment.
 * Reached by image/ only; no lock.
 */
#pragma once

#include "lib/string.h"

#define ELF_MAGIC "\177ELF"

static inline u16 read_u16(const void *from)
{
	u16 value;

	memcpy(&value, from, sizeof(value));
	return value;
}

static inline u32 read_u32(const void *from)
{
	u32 value;

	memcpy(&value, from, sizeof(value));
	return value;
}

static inline u64 read_u64(const void *from)
{
	u64 value;

	memcpy(&value, from, sizeof(value));
	return value;
}

/* Does [offset, offset + bytes) lie in an object of `size` bytes? */
static inline bool range_is_inside(u64 offset, u64 bytes, u64 size)
{
	return offset <= size && bytes <= size - offset;
}

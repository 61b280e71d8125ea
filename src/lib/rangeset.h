/* SPDX-License-Identifier: MIT */
/*
 * A set of u64 numbers kept as sorted, disjoint, never adjacent ranges [start, end], both ends
 * included, in an array that the caller gives. Used for I/O memory, ports and pirqs that a domain
 * may use, and for e820 work. Reached by every file; calls nothing; the caller's lock.
 */
#pragma once

#include "lib/errno.h"
#include "lib/types.h"

struct range {
	u64 start;
	u64 end; /* included */
};

struct rangeset {
	struct range *range;
	unsigned int count;
	unsigned int count_max;
};

/* An empty set in range[count_max]. */
void rangeset_init(struct rangeset *set, struct range *range, unsigned int count_max);

/* Both: -EINVAL if start > end; -ENOSPC if the array is full, the set is then unchanged. */
int rangeset_add(struct rangeset *set, u64 start, u64 end);
int rangeset_remove(struct rangeset *set, u64 start, u64 end);

/* Is all of [start, end] in the set? False where start > end. */
bool rangeset_contains(const struct rangeset *set, u64 start, u64 end);

static inline bool rangeset_is_empty(const struct rangeset *set)
{
	return set->count == 0;
}

/* SPDX-License-Identifier: MIT */
/* Searches are binary, changes move the tail of the array. Calls lib/string; the caller's lock. */
#include "lib/rangeset.h"

#include "lib/string.h"

void rangeset_init(struct rangeset *set, struct range *range, unsigned int count_max)
{
	*set = (struct rangeset){.range = range, .count = 0, .count_max = count_max};
}

/* Index of the first range with end >= from; count if none. */
static unsigned int first_ending_at(const struct rangeset *set, u64 from)
{
	unsigned int low = 0, high = set->count;

	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (set->range[middle].end < from)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Replace ranges [first, last) by the `n` ranges in with[]. The caller has checked that they fit. */
static void replace(struct rangeset *set, unsigned int first, unsigned int last,
		    const struct range *with, unsigned int n)
{
	struct range *at = set->range + first;

	if (n != last - first)
		memmove(at + n, set->range + last, (set->count - last) * sizeof(*at));
	for (unsigned int i = 0; i < n; i++)
		at[i] = with[i];
	set->count = set->count - (last - first) + n;
}

int rangeset_add(struct rangeset *set, u64 start, u64 end)
{
	struct range merged = {start, end};
	unsigned int first, last;

	if (start > end)
		return -EINVAL;

	/* A neighbour that ends just before start, or starts just after end, becomes one with the new range. */
	first = first_ending_at(set, start ? start - 1 : 0);
	for (last = first; last < set->count; last++) {
		if (end != UINT64_MAX && set->range[last].start > end + 1)
			break;
		merged.start = MIN(merged.start, set->range[last].start);
		merged.end = MAX(merged.end, set->range[last].end);
	}
	if (first == last && set->count == set->count_max)
		return -ENOSPC;
	replace(set, first, last, &merged, 1);
	return 0;
}

int rangeset_remove(struct rangeset *set, u64 start, u64 end)
{
	struct range left[2];
	unsigned int n = 0, first, last;

	if (start > end)
		return -EINVAL;

	first = first_ending_at(set, start);
	for (last = first; last < set->count && set->range[last].start <= end; last++) {
		const struct range *r = &set->range[last];

		if (r->start < start)
			left[n++] = (struct range){r->start, start - 1};
		if (r->end > end)
			left[n++] = (struct range){end + 1, r->end};
	}
	if (set->count - (last - first) + n > set->count_max)
		return -ENOSPC;
	replace(set, first, last, left, n);
	return 0;
}

bool rangeset_contains(const struct rangeset *set, u64 start, u64 end)
{
	unsigned int i = first_ending_at(set, start);

	return start <= end && i < set->count && set->range[i].start <= start &&
	       set->range[i].end >= end;
}

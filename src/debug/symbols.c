/* SPDX-License-Identifier: MIT */
/* Addresses to names, by the table that the second link puts into the image (tools/symbols.py). No lock. */
#include "debug/debug.h"

extern const u64 symbols_addr[];
extern const u32 symbols_name_off[];
extern const u32 symbols_count;
extern const char symbols_names[];
extern const char image_start[], text_end[];

const char *debug_symbol(u64 address, u64 *offset)
{
	u32 low = 0, high = symbols_count;

	if (address < (u64)image_start || address >= (u64)text_end || high == 0 ||
	    address < symbols_addr[0])
		return NULL;
	while (high - low > 1) {
		u32 middle = low + (high - low) / 2;

		if (symbols_addr[middle] <= address)
			low = middle;
		else
			high = middle;
	}
	*offset = address - symbols_addr[low];
	return symbols_names + symbols_name_off[low];
}

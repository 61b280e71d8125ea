/* SPDX-License-Identifier: MIT */
/*
 * The table of the image's own symbols, sorted by address, which the second link puts last (tools/symbols.py). Read by
 * debug/ (reports) and hcall/platform_op.c (Domain 0's list). Constant; no lock.
 */
#pragma once

#include "lib/types.h"

extern const u64 symbols_addr[];
extern const u32 symbols_name_off[];
extern const u32 symbols_count;
extern const char symbols_names[]; /* each ends with a zero */

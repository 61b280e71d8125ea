/* SPDX-License-Identifier: MIT */
/* Inside hcall/: the table's rows. No lock. */
#ifndef HCALL_PRIV_H
#define HCALL_PRIV_H

#include "hcall/hcall.h"

#define HCALL_COUNT 64

struct hcall_row {
	hcall_fn fn;
	const char *name;
};

extern const struct hcall_row hcall_table[HCALL_COUNT];

#endif

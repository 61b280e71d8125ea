/* SPDX-License-Identifier: MIT */
/*
 * The trace ring: one ring of fixed records for each CPU, written without a lock by that CPU alone, decoded by
 * debug/. Cheap enough to stay on.
 */
#pragma once

#include "lib/types.h"

enum trace_event {
	TRACE_ERR,	 /* a = -errno, b = line, text = file */
	TRACE_HYPERCALL, /* a = number, b = first argument */
	TRACE_SWITCH,	 /* a = domain << 16 | vcpu, b = previous */
	TRACE_IRQ,	 /* a = vector */
	TRACE_CRASH,	 /* a = domain */
};

struct trace_record {
	u64 tsc;
	u64 a, b;
	const char *text;
	u32 event;
	u32 pad;
};

#define TRACE_RECORDS 512 /* a CPU; a power of two */

void trace(enum trace_event event, u64 a, u64 b, const char *text);
/* A hypercall: not worth its instructions but for who looks for a fault. */
extern bool opt_trace_calls;
static inline void trace_call(u64 number, u64 arg)
{
	if (opt_trace_calls)
		trace(TRACE_HYPERCALL, number, arg, NULL);
}
/* Gives a CPU its ring: TRACE_RECORDS zeroed records. Before that nothing is kept. */
void trace_ring_set(unsigned int cpu, struct trace_record *records);
/* The idx-th newest record of a CPU (0 = newest), or NULL. */
const struct trace_record *trace_get(unsigned int cpu, unsigned int idx);

/* SPDX-License-Identifier: MIT */
/* The trace rings. Each is written by its CPU alone (an interrupt may slip a record in between: harmless). No lock. */
#include "core/trace.h"

#include "core/cpu.h"
#include "core/err.h"
#include "hw/clock.h"

bool opt_trace_calls = MICA_DEBUG;

static struct {
	u64 count;
	struct trace_record *records; /* [c] NULL: no ring yet */
} rings[CPU_MAX];

void trace_ring_set(unsigned int cpu, struct trace_record *records)
{
	rings[cpu].records = records;
}

void trace(enum trace_event event, u64 a, u64 b, const char *text)
{
	unsigned int cpu = cpu_id();
	u64 at = rings[cpu].count;

	if (rings[cpu].records == NULL)
		return;
	rings[cpu].count++;
	rings[cpu].records[at % TRACE_RECORDS] = (struct trace_record){
		.tsc = hw_tsc(), .a = a, .b = b, .text = text, .event = event};
}

const struct trace_record *trace_get(unsigned int cpu, unsigned int idx)
{
	if (cpu >= CPU_MAX || idx >= TRACE_RECORDS || idx >= rings[cpu].count)
		return NULL;
	return &rings[cpu].records[(rings[cpu].count - 1 - idx) % TRACE_RECORDS];
}

void err_note(int error, const char *file, unsigned int line)
{
	trace(TRACE_ERR, (u64)error, line, file);
}

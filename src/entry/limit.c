/* SPDX-License-Identifier: MIT */
/*
 * No entry keeps a CPU longer than a million instructions, whatever its arguments: debug builds with `entry-limit` on the
 * command line time each one and say which did. Meant for an emulator that counts instructions as nanoseconds; elsewhere the
 * clock measures the neighbours too. Reached from the trap handlers and the exit loop. No lock: per-CPU words.
 */
#include "core/cpu.h"
#include "core/log.h"
#include "entry/entry.h"
#include "hw/clock.h"

#define LIMIT_NS 1000000ull

bool opt_entry_limit;

static u64 began[CPU_MAX];

void limit_begin(void)
{
	began[cpu_id()] = hw_tsc();
}

void limit_end(const char *what, const char *name, u64 argument)
{
	u64 ns = (hw_tsc() - began[cpu_id()]) * 1000000 / hw_tsc_khz;
	if (ns > LIMIT_NS)
		log_error("entry limit: %s %s (%lx) took %lu ns", what, name, argument, ns);
}

/* SPDX-License-Identifier: MIT */
/*
 * Seeing in: reports of fatal errors with symbols, serial keys, the trace ring decoded. Reached from entry/, core's panic
 * and the console; calls every module's print function. No lock: a report runs with all other CPUs stopped.
 */
#pragma once

#include "hw/regs.h"
#include "lib/types.h"

/* A trap in Mica itself that nothing expects. */
NORETURN void debug_fatal_trap(const struct regs *regs);
/* What IPI_STOP does. */
NORETURN void debug_cpu_stop(void);
/* A key typed while keys are Mica's; the work is done by debug_key_work() from the exit loop. */
void debug_key(char key);
void debug_key_work(void);

/* hcall's names, which are beside debug and not below it. */
extern const char *(*debug_hypercall_name)(u64 number);

/* The function that holds an address; NULL when none does. Offset into it in *offset. */
const char *debug_symbol(u64 address, u64 *offset);
void debug_regs_print(const struct regs *regs);
void debug_trace_print(unsigned int count);

/* SPDX-License-Identifier: MIT */
/*
 * The whole of Mica above src/hw, on the fake machine: Domain 0 is built by its real builder from a small kernel file, and
 * its vCPUs are the test. What a guest does is a trap with its registers set; what it reads and writes goes through its own
 * page tables. One for a process; tests leave it as they found it (machine_audit()).
 */
#ifndef WHOLE_H
#define WHOLE_H

#include "core/domain.h"
#include "fake.h"
#include "hw/regs.h"
#include "lib/types.h"
#include "mm/mm.h"
#include "pv/pv.h"

/* ---------------------------------------------------------------- the machine */

#define MACHINE_FRAMES 8192

/* CPUs and Domain 0 with as many vCPUs; its first one runs on CPU 0 when this returns. */
void machine_start(unsigned int cpus);
/* All CPUs, until none has work or an IPI to look at. */
void machine_settle(void);
/* Time passes: every CPU's timer looks, then all settle. */
void machine_move(u64 ns);
/* Every reference and event channel recounted. */
unsigned int machine_audit(void);
/* Free memory in all: what must be the same before and after. */
u64 machine_free(void);
/* Runs fn in a child that is expected to end the machine: "poweroff", "reboot", "halt", "lives", or "dies" (a fault). */
const char *machine_end(void (*fn)(void));
/* Typed on the serial line. */
void machine_type(const char *keys);

/* ---------------------------------------------------------------- a guest */

/* Who runs on a CPU. */
struct vcpu *machine_current(unsigned int cpu);
/* A hypercall by the vCPU that runs, as often as it is to be restarted; what is then in rax. */
long guest_call_args(struct vcpu *v, u64 number, const u64 a[6]);
#define guest_call(v, number, ...) guest_call_args(v, number, (const u64[6]){__VA_ARGS__})
/* Any other trap: registers as they are but for vector and error code. */
void guest_trap(struct vcpu *v, u32 vector, u32 error_code);
/* The restarts of all calls so far. */
extern unsigned long guest_restarts;

/* Domain 0's memory: page n of GUEST_PAGES writable ones, mapped and otherwise unused. */
#define GUEST_PAGES 200u
u64 guest_va(unsigned int page);
/* Where a guest address lies, by the tables of what runs on this CPU; NULL: nowhere. */
void *guest_ptr(u64 va);
mfn_t guest_mfn(u64 va);
/* The machine frame of Domain 0's pfn, by its own list. */
mfn_t guest_pfn(u64 pfn);
/* pfns from here on to the end are mapped nowhere. */
#define GUEST_FREE_PFN 1040u
#define GUEST_PFNS     2048u
/* Which entry maps va, in the tables of what runs on this CPU. */
maddr_t guest_pte(u64 va);

/* Address of a host variable as the guest hands it over. */
#define U(ptr) ((u64)(unsigned long)(ptr))

#endif

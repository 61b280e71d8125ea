/* SPDX-License-Identifier: MIT */
/*
 * A machine of some CPUs that only schedule: the real locks, work bits, timers and run queues over a fake clock. Each CPU
 * has the exit loop of entry/run.c in a few lines; guests are what the test makes of them.
 */
#ifndef SCHED_WORLD_H
#define SCHED_WORLD_H

#include "fake.h"
#include "hw/clock.h"
#include "sched/priv.h"
#include "sched/sched.h"
#include "time/time.h"

#define WORLD_CPUS_MAX 8

/* Forgets the world before. Time begins at 1 s, a TSC tick is a nanosecond. */
void world_start(unsigned int cpus);
/* Frees it: every domain first. */
void world_end(void);
/* A domain whose vCPUs are down. */
struct domain *world_domain(domid_t id, unsigned int vcpus);
/* Ends its vCPUs; they must have let go of their CPUs or be paused here. */
void world_domain_end(struct domain *d);
void world_up(struct vcpu *v);

/* What runs on a CPU. */
struct vcpu *world_current(unsigned int cpu);
bool world_runs(const struct vcpu *v);
/* It sleeps, and its CPU, which is idle, still has its registers. */
bool world_is_parked(const struct vcpu *v);
/* Called for each vCPU's upcall; clears what it wants to. Default: clears pending and counts. */
extern void (*world_upcall)(struct vcpu *v);
extern unsigned int world_upcalls[WORLD_CPUS_MAX * 16]; /* by vcpu id */

/* The exit loop on this CPU, until there is nothing to do; then it runs what world_current() says. */
void world_exit(unsigned int cpu);
/* An IPI came after that loop's last look: a CPU that halts goes on. */
bool world_is_told(unsigned int cpu);
/* All CPUs, until none has work or an IPI that it has not looked at. */
void world_settle(void);
/* Time moves; every CPU looks at its timers, then settles. */
void world_move(u64 ns);
u64 world_now(void);

/* An event for v, as evtchn does it. */
void world_event(struct vcpu *v);

/* Blocks of heap_alloc() not freed. */
extern int world_heap_blocks;

#endif

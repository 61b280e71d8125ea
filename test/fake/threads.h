/* SPDX-License-Identifier: MIT */
/*
 * CPUs of the fake machine as threads, for tests under TSan: flushes of other CPUs really wait for them, and each CPU
 * has a TLB that keeps what it loaded until it is flushed, and is checked at each use.
 */
#ifndef THREADS_H
#define THREADS_H

#include "mm_world.h"

#define THREADS_MAX 8

/* Runs body(cpu) on each of count CPUs at once; returns when all have ended. */
void threads_run(unsigned int count, void (*body)(unsigned int cpu));

/* The guest uses the entry at pte on this CPU. Aborts if the TLB leads where it must not. False: a page fault. */
bool threads_guest_access(maddr_t pte, bool write);

/* Asked of each frame that a TLB leads to: false is wrong too. NULL: whatever the frame's word allows. */
extern bool (*threads_may_reach)(mfn_t mfn);

/* This thread's own random numbers. */
u64 threads_random(void);

#endif

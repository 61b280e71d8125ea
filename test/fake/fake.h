/* SPDX-License-Identifier: MIT */
/*
 * What host tests steer in the fake machine (test/fake/machine.c: the seam; test/fake/core.c: simple versions of
 * src/core/ for tests that do not link it).
 */
#ifndef FAKE_H
#define FAKE_H

#include "core/cpu.h"
#include "core/domain.h"
#include "hw/flush.h"
#include "lib/types.h"

/* Memory: called again it forgets the old machine. */
void fake_memory_init(u64 frames);
void fake_memory_fini(void);
void fake_frame_set_ram(u64 mfn, bool is_ram);

/* Guest copies: any host pointer but NULL (true, the default), or only the arena. */
#define FAKE_ARENA_SIZE 0x10000
extern u8 fake_arena[FAKE_ARENA_SIZE];
extern bool fake_copy_any;
/* The copy after this many good ones fails; -1: never. */
extern int fake_copy_fail_after;

/* Guest addresses that are none of the host's: where such a byte lies, or NULL. Sets what a CPU sets in tables. */
extern void *(*fake_copy_translate)(u64 va, bool is_write);

/* What went to the console since the last call with NULL; was `text` among it? */
bool fake_console_said(const char *text);

/* hw_preempt_wanted() answers yes each n-th time; 0: never. */
extern unsigned int fake_preempt_every;
/* heap_alloc() and frame_alloc() fail the n-th time from now (counting down to 0); -1: never. */
extern int fake_alloc_fail_after;
bool fake_alloc_fails(void);

extern unsigned int fake_ipi_count[FAKE_CPU_MAX][IPI_COUNT];
extern unsigned int fake_flush_count[FAKE_CPU_MAX]; /* full TLB flushes on each CPU */
extern unsigned int fake_frame_flush_count;	    /* frames flushed from caches */
extern void (*fake_flush_hook)(unsigned int cpu, unsigned int kind, u64 va);
extern void (*fake_relax_hook)(void);

extern u64 fake_random_state;
u64 fake_random(void); /* xorshift; the same sequence for the same seed */

/* With test/fake/core.c: the last domain_crash() and how many. */
extern unsigned int fake_crash_count;
extern unsigned int fake_err_count;
extern void (*fake_bug_hook)(void); /* before bug() aborts */

/* A zeroed domain with vcpus, known to domain_get_by_id(), one reference. */
struct domain *fake_domain_new(domid_t id, unsigned int vcpus);
void fake_domain_free(struct domain *d);

#endif

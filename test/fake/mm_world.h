/* SPDX-License-Identifier: MIT */
/* A fake machine with memory, the allocator filled, and domains with frames: where tests of mm/ begin. */
#ifndef MM_WORLD_H
#define MM_WORLD_H

#include "fake.h"
#include "mm/mm.h"

/* A machine of so many frames, all free; the first call of a process makes it, later ones keep it. */
void world_init(u64 frames);
/* A domain with one vCPU or more, mm set up, allowed pages_max frames. */
struct domain *world_domain(domid_t id, unsigned int vcpus, u64 pages_max);
/* A new frame of d. */
mfn_t world_page(struct domain *d);
/* Kills d, releases everything until done, checks that nothing is left, forgets it. */
void world_domain_kill(struct domain *d);
/* Findings of an audit with nobody else's references. */
unsigned int world_audit(void);

static inline u64 *table_of(mfn_t mfn)
{
	return hw_frame_map(mfn);
}

#define P  PTE_PRESENT
#define RW PTE_RW
#define US PTE_USER

#endif

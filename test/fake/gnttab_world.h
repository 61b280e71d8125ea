/* SPDX-License-Identifier: MIT */
/* Domains that grant to each other on the fake machine: pages, a tree of page tables, a grant table. */
#ifndef GNTTAB_WORLD_H
#define GNTTAB_WORLD_H

#include "gnttab/gnttab.h"
#include "mm_world.h"

#define SIDE_PAGES 6
#define SIDE_SLOTS 8 /* of its L1 that tests use; slot i maps SIDE_VA + i pages */
#define SIDE_VA	   BIT(39)

struct side {
	struct domain *d;
	mfn_t root, l1;
	mfn_t pages[SIDE_PAGES];
	u64 *entries; /* of the first frame of its grant table: flags | domid << 16 | frame << 32 */
};

/* A domain with so many vCPUs; each has the root loaded. */
void side_make(struct side *side, domid_t id, unsigned int vcpus);
/* Kills it in the order that domain/ does; what others have mapped stays. True: nothing of it is left, it is freed. */
bool side_kill(struct side *side);
/* Frees one that was killed, when the others have let go. */
void side_free(struct side *side);
/* grant_table_op, made again until it is done. */
long side_call(const struct side *side, unsigned int vcpu, unsigned int cmd, void *ops, u32 count);
/* Findings of an audit that knows of the mappings of all these. */
unsigned int sides_audit(const struct side *sides, unsigned int count);

static inline u64 side_slot_va(unsigned int slot)
{
	return SIDE_VA + slot * PAGE_SIZE;
}
static inline u64 side_slot_maddr(const struct side *side, unsigned int slot)
{
	return (mfn_num(side->l1) << PAGE_SHIFT) + slot * 8;
}
static inline u64 entry_of(u16 flags, domid_t domid, mfn_t mfn)
{
	return flags | (u64)domid << 16 | mfn_num(mfn) << 32;
}

#endif

/* SPDX-License-Identifier: MIT */
/* Domains that grant to each other: see gnttab_world.h. */
#include "gnttab_world.h"

#include <stdio.h>
#include <stdlib.h>

#include "hcall/hcall.h"

void side_make(struct side *side, domid_t id, unsigned int vcpus)
{
	struct vcpu *v;
	mfn_t tables[4], old; /* L4 to L1 */
	int rc;

	side->d = world_domain(id, vcpus, 1000);
	for (unsigned int i = 0; i < 4; i++)
		tables[i] = world_page(side->d);
	for (unsigned int i = 0; i < SIDE_PAGES; i++)
		side->pages[i] = world_page(side->d);
	for (unsigned int i = 0; i < 3; i++)
		table_of(tables[i])[i == 0] = pte_make(tables[i + 1], P | RW | US);
	side->root = tables[0];
	side->l1 = tables[3];
	do {
		rc = pt_pin(side->d, side->root, 4);
	} while (rc == -ERESTART);
	if (rc)
		abort();
	for_each_vcpu(side->d, v)
		if (pt_root_switch(v, side->root, false, &old))
			abort();
	if (gnttab_domain_init(side->d, 4, 2))
		abort();
	side->entries = hw_frame_map(gnttab_frame(side->d, 0));
}

bool side_kill(struct side *side)
{
	side->d->is_dying = true;
	while (gnttab_domain_release(side->d) == -ERESTART)
		continue;
	while (mm_domain_release(side->d) == -ERESTART)
		continue;
	if (side->d->mm->pages_current)
		return false;
	side_free(side);
	return true;
}

void side_free(struct side *side)
{
	if (side->d->mm->pages_current || side->d->refs != 1) {
		fprintf(stderr, "domain %u: %lu frames, %u references left\n", side->d->id,
			side->d->mm->pages_current, side->d->refs);
		abort();
	}
	gnttab_domain_destroy(side->d);
	mm_domain_fini(side->d);
	fake_domain_free(side->d);
}

long side_call(const struct side *side, unsigned int vcpu, unsigned int cmd, void *ops, u32 count)
{
	struct hcall_args args = {.a = {cmd, (u64)ops, count}};
	int rc;

	do {
		rc = do_grant_table_op(side->d->vcpus[vcpu], &args);
	} while (rc == -ERESTART);
	return rc ? rc : (long)args.result;
}

unsigned int sides_audit(const struct side *sides, unsigned int count)
{
	if (audit_begin())
		abort();
	for (unsigned int i = 0; i < count; i++)
		gnttab_audit_add(sides[i].d);
	return audit_finish();
}

/* SPDX-License-Identifier: MIT */
/* Where tests of mm/ begin: see mm_world.h. */
#include "mm_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gnttab/gnttab.h"

void world_init(u64 frames)
{
	if (!hw_frame_max) {
		fake_memory_init(frames);
		frame_pool_add(mfn_make(1), frames - 1);
	}
	cpu_online_mask.bits[0] = 1;
	cpu_count = 1;
	for (unsigned int i = 0; i < 16; i++)
		mm_l4_template[i] = 0xabc000000000 + (i << 12) +
				    (i ? 0x63 : 0); /* no M2P to walk */
}

struct domain *world_domain(domid_t id, unsigned int vcpus, u64 pages_max)
{
	struct domain *d = fake_domain_new(id, vcpus);
	struct vcpu *v;

	if (mm_domain_init(d, pages_max))
		abort();
	for_each_vcpu(d, v)
		if (mm_vcpu_init(v))
			abort();
	d->mm->perdomain_l3_entry = 0xdddd000 + 0x63;
	cpumask_set(&d->dirty_cpus, 0);
	return d;
}

mfn_t world_page(struct domain *d)
{
	mfn_t mfn = frame_alloc(0, 0);

	if (mfn_is_none(mfn) || mm_domain_assign(d, mfn, 0))
		abort();
	return mfn;
}

void world_domain_kill(struct domain *d)
{
	d->is_dying = true;
	while (mm_domain_release(d) == -ERESTART)
		continue;
	if (d->mm->pages_current) {
		fprintf(stderr, "%lu frames of domain %u are left\n", d->mm->pages_current, d->id);
		abort();
	}
	mm_domain_fini(d);
	if (d->refs != 1)
		abort();
	fake_domain_free(d);
}

unsigned int world_audit(void)
{
	if (audit_begin())
		abort();
	return audit_finish();
}

/* No grants here: what memory_op tells of a grant table has no frames to tell. */
__attribute__((weak)) int gnttab_grow(struct domain *d, u32 frames)
{
	(void)d;
	(void)frames;
	return -EINVAL;
}

__attribute__((weak)) void gnttab_size_get(struct domain *d, u32 *frames, u32 *frames_max)
{
	(void)d;
	*frames = *frames_max = 0;
}

__attribute__((weak)) mfn_t gnttab_frame(struct domain *d, u32 idx)
{
	(void)d;
	(void)idx;
	return MFN_NONE;
}

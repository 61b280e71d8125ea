/* SPDX-License-Identifier: MIT */
/*
 * Page-table isolation (XPTI) against Meltdown: while a guest runs in ring 3, an L4 of Mica's own is loaded, the twin of the one
 * that C runs on. It has the guest's entries, and of Mica only the M2P, the domain's own area and what entry stubs touch.
 * Each vCPU has two (kernel, user). Reached when a root is loaded, when an L4 is judged or changed, and from mirror.c; calls the
 * frame table. Lock: LOCK_RANK_MIRROR of the domain.
 *
 * A twin's frame remembers in `prev` whose twin it is (0: nobody's). Filling it copies the slots that any L4 of the domain ever
 * used (l4_slots): few. From then on who changes such an L4 writes it here too, before he puts the old entry's reference.
 */
#include "mm/priv.h"

#include "core/err.h"
#include "hw/layout.h"
#include "lib/bitmap.h"
#include "lib/string.h"

u64 mm_twin_entry;
bool opt_xpti_dom0 = true, opt_xpti_domu = true;

static u64 *map(mfn_t mfn)
{
	return hw_frame_map(mfn);
}

static u32 *source_of(mfn_t twin)
{
	return &frame_of(twin)->prev;
}

int twin_vcpu_init(struct vcpu *v)
{
	v->mm->twin[0] = v->mm->twin[1] = MFN_NONE;
	if (!mm_twin_entry || !(v->domain->is_hardware ? opt_xpti_dom0 : opt_xpti_domu))
		return 0;
	for (unsigned int user = 0; user < 2; user++) {
		mfn_t twin = frame_alloc(0, FRAME_ZERO);

		if (mfn_is_none(twin))
			return err(ENOMEM);
		*source_of(twin) = 0;
		v->mm->twin[user] = twin;
	}
	return 0;
}

void twin_vcpu_fini(struct vcpu *v)
{
	for (unsigned int user = 0; user < 2; user++)
		if (!mfn_is_none(v->mm->twin[user]))
			frame_free(v->mm->twin[user], 0);
}

void twin_slot_seen(struct domain *d, unsigned int idx)
{
	u64 *word = &d->mm->l4_slots[idx / 64];

	if (!(atomic_load(word) & BIT(idx % 64)))
		(void)atomic_fetch_or(word, BIT(idx % 64));
}

void twin_reset(struct vcpu *v, bool user)
{
	if (!mfn_is_none(v->mm->twin[user]))
		atomic_store(source_of(v->mm->twin[user]), 0u);
}

/* Under the lock: one entry of `source`, or with idx < 0 all of them, is this now. */
void twin_write(struct vcpu *v, bool user, mfn_t source, int idx, u64 value)
{
	mfn_t twin = v->mm->twin[user];

	if (mfn_is_none(twin) || *source_of(twin) != mfn_num(source))
		return;
	if (idx >= 0)
		atomic_store(&map(twin)[idx], value);
	else
		for (unsigned int i = 0; i < TABLE_ENTRIES; i++)
			if (!slot_is_hypervisors(4, i))
				atomic_store(&map(twin)[i], value);
}

void twin_entry_changed(struct domain *d, const u64 *entry)
{
	int idx = (int)((u64)entry & (PAGE_SIZE - 1)) / 8;
	mfn_t source = hw_virt_to_mfn(entry - idx);
	struct vcpu *v;

	lock_acquire(&d->mm->mirror_lock);
	for_each_vcpu(d, v) {
		if (!v->mm)
			continue;
		for (unsigned int user = 0; user < 2; user++)
			twin_write(v, user, source, idx, atomic_load(entry));
	}
	lock_release(&d->mm->mirror_lock);
}

/*
 * The slots of one word of l4_slots, run by run: a kernel's lie side by side. (Who changes an entry of the source meanwhile
 * writes it here once the lock is free; no CPU walks the twin yet.)
 */
static void slots_copy(u64 *to, const u64 *from, u64 slots)
{
	while (slots) {
		u64 lowest = slots & -slots, behind = slots + lowest;
		unsigned int first = (unsigned int)__builtin_ctzl(slots);
		unsigned int end = behind ? (unsigned int)__builtin_ctzl(behind) : 64;

		slots &= behind;
		if (end - first == 1)
			atomic_store(&to[first], atomic_load(&from[first]));
		else
			memcpy(&to[first], &from[first], (end - first) * sizeof(u64));
	}
}

/* source MFN_NONE: empty. */
static void fill(const struct domain *d, mfn_t twin, mfn_t source)
{
	u64 *to = map(twin);

	*source_of(twin) = mfn_is_none(source) ? 0 : (u32)mfn_num(source);
	if (mfn_is_none(source))
		memset(to, 0, PAGE_SIZE);
	to[pte_index(LAYOUT_M2P, 4)] = hypervisor_entry(d, LAYOUT_FIRST_SLOT);
	to[LAYOUT_PERDOMAIN_SLOT] = hypervisor_entry(d, LAYOUT_PERDOMAIN_SLOT);
	to[pte_index(LAYOUT_IMAGE, 4)] = mm_twin_entry;
	if (mfn_is_none(source))
		return;
	for (unsigned int word = 0; word < ARRAY_SIZE(d->mm->l4_slots); word++)
		slots_copy(to + word * 64, map(source) + word * 64,
			   atomic_load(&d->mm->l4_slots[word]));
}

mfn_t twin_root(struct vcpu *v, bool user)
{
	mfn_t root = mm_mirror_root(v, user), twin = v->mm->twin[user];

	if (mfn_is_none(twin))
		return root;
	if (mfn_is_none(root) || atomic_load(source_of(twin)) != mfn_num(root)) {
		lock_acquire(&v->domain->mm->mirror_lock);
		fill(v->domain, twin, root);
		lock_release(&v->domain->mm->mirror_lock);
	}
	return mfn_is_none(root) ? MFN_NONE : twin;
}

/* SPDX-License-Identifier: MIT */
/*
 * Entries of guest page tables, judged: what an entry may say, which references it takes, and how a whole table gets
 * or gives them back in steps. Reached by frame.c (promotion, demotion) and update.c (one entry); calls frame.c for the
 * entries' frames, one level down. No lock: the table is BUSY in the caller's hand, or he holds its type.
 *
 * The guest's kernel runs in ring 3 too, so every entry gets USER. What the guest gave without USER is marked
 * GUEST_KERNEL instead. Nothing of a guest's is global: a change of its mode loads CR3, and that flushes.
 */
#include "mm/priv.h"

#include "core/err.h"
#include "hw/cpu.h"
#include "hw/layout.h"
#include "lib/rangeset.h"

u64 mm_l4_template[16];
struct rangeset mm_iomem_readonly;
bool opt_l1tf_dom0, opt_l1tf_domu;
u64 mm_pte_reserved, mm_cached_address = PTE_ADDR;
static struct domain io_domain = {.id = DOMID_IO, .refs = 1};
struct domain *mm_io_domain = &io_domain;
static struct domain xen_domain = {.id = DOMID_XEN, .refs = 1};
struct domain *mm_xen_domain = &xen_domain;

/* L2 to L4: superpages, global, and cache attributes of tables are refused. */
#define TABLE_REFUSED (PTE_PSE | PTE_GLOBAL | PTE_PWT | PTE_PCD)

bool mm_has_io_rights(const struct domain *d)
{
	return d->iomem_allowed && !rangeset_is_empty(d->iomem_allowed);
}

/* Xen's PAT (0x050100070406): 0 WB, 1 WT, 5 WP keep caches coherent with what other mappings read. */
static bool cache_bits_noncoherent(u64 entry)
{
	unsigned int idx = (entry & PTE_PAT ? 4u : 0) | (entry & PTE_PCD ? 2u : 0) |
			   (entry & PTE_PWT ? 1u : 0);

	return BIT(idx) & (BIT(2) | BIT(3) | BIT(4) | BIT(6) | BIT(7));
}

/* SDM 3A 4.5, reserved bits; an entry that is not present is judged only for L1TF. */
int entry_check(const struct domain *d, unsigned int level, u64 *entry)
{
	u64 e = *entry;
	mfn_t mfn = pte_mfn(e);

	if (!(e & PTE_PRESENT)) {
		if (e && mm_has_l1tf(d) && hw_frame_is_ram(pte_mfn(e & mm_cached_address)))
			return err(EINVAL);
		return 0;
	}
	if (e & mm_pte_reserved)
		return err(EINVAL);
	if (level > 1) {
		if (e & TABLE_REFUSED)
			return err(EINVAL);
		*entry = e | PTE_USER;
		return 0;
	}
	*entry = leaf_adjusted(e & ~PTE_GRANTED);
	if (hw_frame_is_ram(mfn)) {
		if (unlikely(e & CACHE_BITS) && !mm_has_io_rights(d))
			return err(EINVAL);
		return 0;
	}
	if (e & PTE_RW && rangeset_contains(&mm_iomem_readonly, mfn_num(mfn), mfn_num(mfn)))
		*entry &= ~PTE_RW;
	return 0;
}

static int leaf_get(struct domain *d, struct domain *page_owner, u64 entry, bool nested)
{
	mfn_t mfn = pte_mfn(entry);
	int rc;

	if (unlikely(!hw_frame_is_ram(mfn))) {
		if (page_owner != d && page_owner != mm_io_domain)
			return err(EINVAL);
		if (!d->iomem_allowed ||
		    !rangeset_contains(d->iomem_allowed, mfn_num(mfn), mfn_num(mfn)))
			return err(EINVAL);
		return 0;
	}
	if (likely(page_owner == d && !(entry & CACHE_BITS)) &&
	    frame_get_quick(frame_of(mfn_nospec(mfn)), d->id, entry & PTE_RW))
		return 0;
	if (entry & PTE_RW && unlikely(page_owner == mm_xen_domain))
		return err(EPERM);
	if (entry & PTE_RW && unlikely(page_owner != d))
		rc = type_get_for_other(mfn, page_owner, nested);
	else if (entry & PTE_RW)
		rc = type_get(mfn, page_owner, FRAME_WRITABLE, nested);
	else
		rc = frame_get(mfn, page_owner);
	if (rc)
		return rc;
	if (unlikely(entry & CACHE_BITS) && cache_bits_noncoherent(entry))
		atomic_fetch_or(&frame_of(mfn)->word, FRAME_NONCOH);
	if (unlikely(page_owner != d))
		atomic_fetch_or(&frame_of(mfn)->word, FRAME_FOREIGN);
	return 0;
}

int entry_get(struct domain *d, struct domain *page_owner, unsigned int level, u64 entry,
	      bool nested)
{
	if (!(entry & PTE_PRESENT))
		return 0;
	if (level == 1)
		return leaf_get(d, page_owner, entry, nested);
	return type_get(pte_mfn(entry), d, level_type(level - 1), nested);
}

int entry_put(unsigned int level, u64 entry)
{
	if (!(entry & PTE_PRESENT))
		return 0;
	if (level > 1)
		return type_put(frame_of(pte_mfn(entry)));
	leaf_put(entry);
	return 0;
}

/* The long way to judge a leaf and take its references. */
static int leaf_fill(struct domain *d, u64 *slot)
{
	u64 entry = *slot;
	int rc = entry_check(d, 1, &entry);

	if (!rc && entry & PTE_PRESENT)
		rc = leaf_get(d, d, entry, true);
	if (!rc)
		*slot = entry;
	return rc;
}

/*
 * The short way, for what nearly every leaf says. A frame number out of range becomes 0, which is nobody's: like those of
 * holes, its word is 0, and the long way finds out.
 */
static inline bool leaf_fill_quick(u64 *slot, u64 entry, const struct leaf_rules *rules)
{
	struct frame *f;

	if (unlikely(!is_plain_leaf(entry, rules)))
		return false;
	f = hw_frame_table() + idx_nospec(mfn_num(pte_mfn(entry)), hw_frame_max);
	if (unlikely(!frame_get_quick(f, rules->owner, entry & PTE_RW)))
		return false;
	*slot = leaf_adjusted(entry);
	return true;
}

u64 hypervisor_entry(const struct domain *d, unsigned int idx)
{
	return idx == LAYOUT_PERDOMAIN_SLOT ? d->mm->perdomain_l3_entry
					    : mm_l4_template[idx - LAYOUT_FIRST_SLOT];
}

/* Many tables are mostly empty. */
static inline bool are_eight_empty(const u64 *slot)
{
	return !(slot[0] | slot[1] | slot[2] | slot[3] | slot[4] | slot[5] | slot[6] | slot[7]);
}

/*
 * Neighbours in memory are often neighbours in tables: from slot on, as long as entries name the next frame with the bits of
 * the first, which is plain. Returns where that ends; slot itself if it needs a closer look.
 */
static inline u64 *leaf_run_fill(u64 *slot, const u64 *end, u64 raw, domid_t owner, bool writable)
{
	u64 number = mfn_num(pte_mfn(raw)), filled = leaf_adjusted(raw);
	struct frame *f = hw_frame_table() + number;

	if (unlikely(number >= hw_frame_max))
		return slot;
	if (unlikely((u64)(end - slot) > hw_frame_max - number))
		end = slot + (hw_frame_max - number);
	for (; slot < end && *slot == raw && frame_get_quick(f++, owner, writable);
	     raw += PAGE_SIZE, filled += PAGE_SIZE)
		*slot++ = filled;
	return slot;
}

static int leaf_table_fill(struct frame *f, struct domain *d, u64 *table)
{
	const struct leaf_rules rules = leaf_rules(d);
	const u64 *end = table + TABLE_ENTRIES;
	u64 next = 0; /* an entry that goes on where the one before it ended */

	for (u64 *slot = table; slot < end;) {
		if (!((u64)slot & 63)) {
			while (slot < end && are_eight_empty(slot))
				slot += 8;
			if (slot == end)
				break;
		}
		do { /* the rest of these eight */
			u64 entry = *slot, *rest = slot;
			int rc;

			if (unlikely(entry == next) && is_plain_leaf(entry, &rules))
				rest = entry & PTE_RW
					       ? leaf_run_fill(slot, end, entry, rules.owner, true)
					       : leaf_run_fill(slot, end, entry, rules.owner,
							       false);
			if (unlikely(rest != slot)) {
				slot = rest;
				break;
			}
			next = entry + PAGE_SIZE;
			if (likely(leaf_fill_quick(slot, entry, &rules)) || !entry)
				continue;
			rc = leaf_fill(d, slot);
			if (rc) {
				f->done = (u16)(slot - table);
				return rc;
			}
		} while ((u64)++slot & 63);
	}
	f->done = TABLE_ENTRIES;
	return 0;
}

static int upper_table_fill(struct frame *f, struct domain *d, unsigned int level, u64 *table)
{
	unsigned int first = f->done & DONE_MASK;

	if (f->done & DONE_HALF)
		first--; /* that entry's reference has gone already */
	for (unsigned int i = first; i < TABLE_ENTRIES; i++) {
		u64 entry = table[i];
		int rc;

		if (!(i & 7) && !slot_is_hypervisors(level, i) && are_eight_empty(table + i)) {
			i += 7;
			continue;
		}
		if (slot_is_hypervisors(level, i)) {
			table[i] = hypervisor_entry(d, i);
			continue;
		}
		if (!entry)
			continue;
		rc = entry_check(d, level, &entry);
		if (level == 4)
			twin_slot_seen(d, i);
		if (!rc && entry & PTE_PRESENT)
			rc = entry_get(d, d, level, entry, true);
		f->done = (u16)i;
		if (rc)
			return rc;
		if (entry != table[i])
			table[i] = entry;
		f->done = (u16)(i + 1);
		if (i + 1 < TABLE_ENTRIES && hw_preempt_wanted())
			return -ERESTART;
	}
	f->done = TABLE_ENTRIES;
	return 0;
}

static int desc_table_fill(struct frame *f, u64 *table)
{
	for (unsigned int i = 0; i < TABLE_ENTRIES; i++) {
		u64 desc = table[i];

		if (!desc)
			continue;
		if (!desc_judge(&desc))
			return err(EINVAL);
		if (desc != table[i])
			table[i] = desc;
	}
	f->done = TABLE_ENTRIES;
	return 0;
}

/* Judges the entries from f->done on. 0: all done; -ERESTART with progress in f->done; another error likewise. */
int table_fill(struct frame *f, struct domain *d, enum frame_type type)
{
	u64 *table = hw_frame_map(frame_mfn(f));

	if (type == FRAME_DESC)
		return desc_table_fill(f, table);
	if (type == FRAME_L1)
		return leaf_table_fill(f, d, table);
	return upper_table_fill(f, d, type_level(type), table);
}

/* L1 is given back in one go. */
static void leaf_table_drain(struct frame *f, const u64 *table)
{
	const u64 *end = table + f->done;

	for (const u64 *eight = table; eight < end; eight += 8) {
		if (are_eight_empty(eight))
			continue;
		for (const u64 *slot = eight; slot < eight + 8 && slot < end; slot++)
			if (*slot & PTE_PRESENT) {
				if (unlikely(atomic_load(&mirror_count)))
					mirror_leaf_gone(f->owner, *slot);
				leaf_put(*slot);
			}
	}
	f->done = 0;
}

/* Gives the entries below f->done back. 0: none left; -ERESTART with progress in f->done. */
int table_drain(struct frame *f, enum frame_type type)
{
	u64 *table = hw_frame_map(frame_mfn(f));
	unsigned int level = type_level(type);

	if (!level) {
		f->done = 0;
		return 0;
	}
	if (level == 1) {
		leaf_table_drain(f, table);
		return 0;
	}
	while (f->done & DONE_MASK) {
		unsigned int idx = (f->done & DONE_MASK) - 1;
		u64 entry = table[idx];
		int rc = 0;

		if ((idx & 7) == 7 && !slot_is_hypervisors(level, idx) &&
		    are_eight_empty(table + idx - 7)) {
			f->done = (u16)(idx - 7);
			continue;
		}
		if (slot_is_hypervisors(level, idx)) {
			table[idx] = 0;
			f->done = (u16)idx;
			continue;
		}
		if (f->done & DONE_HALF)
			rc = settle(frame_of(pte_mfn(entry)), true);
		else if (entry)
			rc = entry_put(level, entry);
		if (rc) {
			f->done = (u16)((idx + 1) | DONE_HALF);
			return rc;
		}
		f->done = (u16)idx;
		if (entry && idx && hw_preempt_wanted())
			return -ERESTART;
	}
	return 0;
}

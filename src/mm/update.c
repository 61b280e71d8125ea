/* SPDX-License-Identifier: MIT */
/*
 * One page-table entry changed by a guest's wish. Reached by the page-table hypercalls, by writes that fault on a
 * table, and by grants; calls frame.c and ptable.c. No lock: the table's type is held, the new entry's references
 * are taken first, the entry is exchanged in one atomic step, and what was in it is put.
 */
#include "mm/priv.h"

#include "core/err.h"

/* What may change in an entry without its references being looked at, its frame and RW being the same. */
#define LEAF_HARMLESS \
	(PTE_USER | PTE_ACCESSED | PTE_DIRTY | PTE_GLOBAL | PTE_AVAIL | PTE_AVAIL_HIGH | PTE_NX)
#define TABLE_HARMLESS \
	(PTE_RW | PTE_USER | PTE_ACCESSED | PTE_DIRTY | PTE_AVAIL | PTE_AVAIL_HIGH | PTE_NX)

struct change {
	struct domain *owner;	   /* of the table */
	struct domain *page_owner; /* of the frame that the entry names */
	unsigned int level;
	u64 *entry;
	u64 value; /* judged and adjusted */
	bool preserve_ad;
	bool is_conditional;
	u64 expected; /* if conditional: the entry must be this; what was found */
};

static bool is_harmless(const struct change *change, u64 old)
{
	u64 harmless = change->level == 1 ? LEAF_HARMLESS : TABLE_HARMLESS;

	if (!(old & change->value & PTE_PRESENT))
		return !(old & PTE_PRESENT) && !(change->value & PTE_PRESENT);
	return !((old ^ change->value) & ~harmless);
}

static u64 merged(const struct change *change, u64 old)
{
	return change->value | (change->preserve_ad ? old & (PTE_ACCESSED | PTE_DIRTY) : 0);
}

static bool differs(struct change *change, u64 old)
{
	if (!change->is_conditional || old == change->expected)
		return false;
	change->expected = old;
	return true;
}

static void changed(const struct change *change, u64 old)
{
	entry_changed(change->entry, old);
	if (change->level == 4 && mm_twin_entry)
		twin_entry_changed(change->owner, change->entry);
}

static int change_entry(struct vcpu *v, struct change *change)
{
	u64 old = atomic_load(change->entry);
	int rc;

	while (is_harmless(change, old)) {
		if (differs(change, old))
			return 0;
		if (atomic_cmpxchg(change->entry, &old, merged(change, old))) {
			changed(change, 0);
			return 0;
		}
	}
	if (differs(change, old))
		return 0;
	rc = entry_get(change->owner, change->page_owner, change->level, change->value, false);
	if (rc)
		return rc;
	while (!differs(change, old)) {
		if (!atomic_cmpxchg(change->entry, &old, merged(change, old)))
			continue;
		changed(change, old);
		if (entry_put(change->level, old) == -ERESTART)
			v->mm->unsettled = pte_mfn(old);
		return 0;
	}
	/* Another CPU was faster: the new references are not needed. */
	if (entry_put(change->level, change->value) == -ERESTART)
		v->mm->unsettled = pte_mfn(change->value);
	return 0;
}

static int change_table(struct vcpu *v, struct change *change, enum frame_type type)
{
	unsigned int idx = (unsigned int)((u64)change->entry & (PAGE_SIZE - 1)) / 8;
	int rc;

	change->level = type_level(type);
	if (slot_is_hypervisors(change->level, idx))
		return err(EINVAL);
	rc = entry_check(change->owner, change->level, &change->value);
	if (rc)
		return rc;
	if (change->level == 4)
		twin_slot_seen(change->owner, idx);
	rc = change_entry(v, change);
	if (change->level > 1)
		atomic_add(&change->owner->mm->upper_generation,
			   1ull); /* pairs with walk_l1_entry() */
	return rc;
}

/* An ordinary page of the guest: whatever it likes. */
static int change_plain(struct change *change)
{
	u64 old = atomic_load(change->entry);

	while (!differs(change, old))
		if (atomic_cmpxchg(change->entry, &old, change->value))
			break;
	mm_mark_dirty(change->owner, hw_virt_to_mfn(change->entry));
	return 0;
}

static int change(struct vcpu *v, struct change *change, enum frame_type type)
{
	return type == FRAME_WRITABLE ? change_plain(change) : change_table(v, change, type);
}

/* The page that holds the entry, its type held; table_unhold() afterwards. */
static int table_hold(struct vcpu *v, struct domain *owner, maddr_t pte, struct frame **f,
		      enum frame_type *type, u64 **entry)
{
	mfn_t mfn = maddr_to_mfn(pte);
	u64 before;
	int rc;

	if (unlikely(maddr_num(pte) & 7) || unlikely(!hw_frame_is_ram(mfn))) {
		(void)err(EINVAL);
		return -EINVAL; /* as err() says, which the analyzer does not know */
	}
	rc = pt_settle(v);
	if (unlikely(rc))
		return rc;
	mfn = mfn_nospec(mfn);
	*f = frame_of(mfn);
	*entry = pte_at(mfn, maddr_num(pte));
	atomic_store(&v->mm->held, *f); /* before the type is; pairs with conflict() */
	*type = frame_word_type(atomic_load(&(*f)->word));
	if (type_level(*type) ? table_get_quick(*f, owner->id, *type, &before)
			      : *type == FRAME_WRITABLE && frame_get_quick(*f, owner->id, true))
		return 0;
	rc = type_get_current(mfn, owner, type);
	if (rc)
		atomic_store(&v->mm->held, NULL);
	return rc;
}

static void table_unhold(struct vcpu *v, struct frame *f)
{
	if (type_put(f) == -ERESTART)
		v->mm->unsettled = frame_mfn(f);
	atomic_store(&v->mm->held, NULL);
}

/*
 * The common case, in few instructions: an entry of an L1 (which is never left half-done) that names frames of the table's
 * owner, with nothing special about them. What is not quick is done by functions apart, and last, so that the quick way needs
 * no stack.
 */
static NOINLINE bool quick_refused(const struct vcpu *v, struct frame *table)
{
	(void)type_put(table);
	atomic_store(&v->mm->held, NULL);
	return false;
}

static NOINLINE bool quick_leaf_refused(const struct vcpu *v, struct frame *table, u64 leaf)
{
	leaf_put(leaf);
	return quick_refused(v, table);
}

/* The entry was exchanged; old: what it held, if that is to be given back. */
static NOINLINE bool quick_done(const struct vcpu *v, struct frame *table, u64 old)
{
	(void)type_put(table);
	atomic_store(&v->mm->held, NULL);
	if (old & PTE_PRESENT)
		leaf_put(old);
	return true;
}

static NOINLINE bool quick_mirrored(const struct vcpu *v, struct frame *table, const u64 *entry,
				    u64 old, bool is_put)
{
	mirror_entry_changed(entry, old);
	return quick_done(v, table, is_put ? old : 0);
}

static NOINLINE bool quick_leaf_put(u64 old)
{
	leaf_put(old);
	return true;
}

static NOINLINE bool quick_plain_marked(const struct vcpu *v, struct domain *owner, struct frame *f)
{
	mm_mark_dirty(owner, frame_mfn(f));
	return quick_done(v, f, 0);
}

/* A page that is no table (yet). */
static NOINLINE bool quick_plain(const struct vcpu *v, struct domain *owner, struct frame *f,
				 u64 *entry, u64 value)
{
	u64 before, taken;

	if (unlikely(!word_take_quick(f, owner->id, QUICK_WRITABLE, &before))) {
		atomic_store(&v->mm->held, NULL);
		return false;
	}
	if (unlikely(!atomic_is(&f->owner, owner->id)))
		return quick_refused(v, f);
	atomic_store(entry, value);
	if (unlikely(atomic_load(&mirror_count)))
		return quick_plain_marked(v, owner, f);
	/* The last one stamps: others may have mapped and unmapped it meanwhile, and left the word as it was. */
	if (frame_word_typed(before) == 0)
		before = 0;
	taken = before + QUICK_TYPED_ONE;
	if (unlikely(!atomic_cmpxchg(&f->word, &taken, before)))
		return quick_done(v, f, 0);
	atomic_store(&v->mm->held, NULL);
	return true;
}

/* A word of a frame. */
struct place {
	mfn_t mfn;
	u64 *entry;
};

/*
 * expected NULL: whatever it is now. The table's reference was Mica's alone, so no TLB has seen it: unless it is the last one,
 * the word becomes what it was. False: nothing was done, go the long way.
 */
static ALWAYS_INLINE bool update_quick(const struct vcpu *v, struct domain *owner, struct place at,
				       u64 value, bool preserve_ad, const u64 *expected)
{
	const struct leaf_rules rules = leaf_rules(owner);
	struct frame *f = frame_of(at.mfn), *page;
	u64 before, taken, old;
	bool is_other = true; /* another frame than before, or another right to it */

	if (unlikely(!mfn_is_none(v->mm->unsettled)))
		return false;
	atomic_store(&v->mm->held, f); /* as in table_hold() */
	if (unlikely(!word_take_quick(f, rules.owner, QUICK_TABLE(FRAME_L1), &before))) {
		if (!expected)
			return quick_plain(v, owner, f, at.entry, value);
		atomic_store(&v->mm->held, NULL); /* there may be no long way */
		return false;
	}
	if (unlikely(!atomic_is(&f->owner, rules.owner)))
		return quick_refused(v, f);
	old = expected ? *expected : atomic_load(at.entry);
	if (value & PTE_PRESENT) {
		if (unlikely(!is_plain_leaf(value, &rules)))
			return quick_refused(v, f);
		value = leaf_adjusted(value);
		is_other = ((old ^ value) & ~LEAF_HARMLESS) != 0;
		if (is_other) {
			/* A number out of range is taken for 0, nobody's: as for holes, the long way finds out. */
			page = frame_of(mfn_nospec(pte_mfn(value)));
			if (unlikely(!frame_take_quick(page, rules.owner, value & PTE_RW)))
				return quick_refused(v, f);
			if (unlikely(!atomic_is(&page->owner, rules.owner)))
				return quick_leaf_refused(v, f, value);
		}
	} else if (value && mm_has_l1tf(owner)) {
		return quick_refused(v, f);
	}
	if (preserve_ad)
		value |= old & (PTE_ACCESSED | PTE_DIRTY);
	if (unlikely(!atomic_cmpxchg(at.entry, &old, value)))
		return value & PTE_PRESENT && is_other ? quick_leaf_refused(v, f, value)
						       : quick_refused(v, f);
	if (unlikely(atomic_load(&mirror_count)))
		return quick_mirrored(v, f, at.entry, old, is_other);
	old = is_other ? old : 0;
	taken = before + QUICK_TYPED_ONE;
	if (unlikely(!atomic_cmpxchg(&f->word, &taken, before)))
		return quick_done(v, f, old);
	atomic_store(&v->mm->held, NULL);
	return !(old & PTE_PRESENT) || likely(leaf_put_quick(old)) || quick_leaf_put(old);
}

bool pt_update_quick(struct vcpu *v, struct domain *owner, maddr_t pte, u64 value, bool preserve_ad)
{
	mfn_t mfn = mfn_nospec(maddr_to_mfn(pte));

	return likely(!(maddr_num(pte) & 7)) &&
	       update_quick(v, owner, (struct place){mfn, pte_at(mfn, maddr_num(pte))}, value,
			    preserve_ad, NULL);
}

bool pt_change_quick(struct vcpu *v, mfn_t table, u64 *entry, u64 old, u64 value)
{
	return update_quick(v, v->domain, (struct place){table, entry}, value, false, &old);
}

int pt_update_slow(struct vcpu *v, struct domain *table_owner, struct domain *page_owner,
		   maddr_t pte, u64 value, bool preserve_ad)
{
	struct change c = {.value = value, .preserve_ad = preserve_ad};
	enum frame_type type = FRAME_NONE;
	struct frame *f;
	u64 *entry;
	int rc = table_hold(v, table_owner, pte, &f, &type, &entry);

	if (unlikely(rc)) {
		atomic_store(&v->mm->held, NULL);
		return rc;
	}
	c.owner = table_owner;
	c.page_owner = page_owner;
	c.entry = entry;
	rc = change(v, &c, type);
	table_unhold(v, f);
	return rc;
}

int pt_update_if(struct vcpu *v, maddr_t pte, u64 *expected, u64 value)
{
	struct change c = {
		.owner = v->domain,
		.page_owner = v->domain,
		.value = value,
		.is_conditional = true,
		.expected = *expected,
	};
	enum frame_type type = FRAME_NONE;
	struct frame *f;
	int rc = table_hold(v, v->domain, pte, &f, &type, &c.entry);

	if (rc)
		return rc;
	rc = change(v, &c, type);
	table_unhold(v, f);
	*expected = c.expected;
	return rc;
}

/* ---------------------------------------------------------------- grants */

/* Word of a frame that can be granted, for writing and for reading: not Mica's page, which goes with its domain. */
#define GRANT_WRITABLE_MASK (FRAME_TYPE_MASK | FRAME_VALID | FRAME_BUSY | FRAME_LIVE | FRAME_SHARED)
#define GRANT_WRITABLE	    (FRAME_LIVE | type_bits(FRAME_WRITABLE))
#define GRANT_READABLE_MASK (FRAME_LIVE | FRAME_SHARED)

static inline u64 references(unsigned int count, bool is_writable)
{
	return is_writable ? count * (FRAME_TYPED_ONE + 1) : count;
}

static NOINLINE int grant_refused(mfn_t mfn, unsigned int count, bool is_writable)
{
	if (count)
		pt_grant_put(mfn, count, is_writable);
	return err(EINVAL);
}

static NOINLINE int grant_get_slow(struct frame *f, struct domain *owner, unsigned int count,
				   bool is_writable, u64 foreign)
{
	for (unsigned int i = 0; i < count; i++) {
		int rc = is_writable ? type_get_for_other(frame_mfn(f), owner, false)
				     : frame_get(frame_mfn(f), owner);

		if (rc) {
			pt_grant_put(frame_mfn(f), i, is_writable);
			return rc;
		}
	}
	if (atomic_fetch_or(&f->word, foreign) & FRAME_SHARED)
		return grant_refused(frame_mfn(f), count, is_writable);
	return 0;
}

int pt_grant_get(mfn_t mfn, struct domain *owner, unsigned int count, bool is_writable,
		 bool is_foreign)
{
	const u64 mask = is_writable ? GRANT_WRITABLE_MASK : GRANT_READABLE_MASK;
	const u64 wanted = is_writable ? GRANT_WRITABLE : FRAME_LIVE;
	const u64 foreign = is_foreign ? FRAME_FOREIGN : 0;
	struct frame *f;
	u64 old;

	if (unlikely(!hw_frame_is_ram(mfn)))
		return grant_refused(mfn, 0, is_writable);
	f = frame_of(mfn_nospec(mfn));
	old = atomic_load(&f->word);
	if (unlikely(!atomic_is(&f->owner, owner->id))) /* as in word_take_quick() */
		return grant_refused(mfn, 0, is_writable);
	if (unlikely((old & mask) != wanted) || unlikely(old & QUICK_COUNTS) ||
	    unlikely(!atomic_cmpxchg(&f->word, &old,
				     (old + references(count, is_writable)) | foreign)))
		return grant_get_slow(f, owner, count, is_writable, foreign);
	if (unlikely(!atomic_is(&f->owner, owner->id)))
		return grant_refused(mfn, count, is_writable);
	return 0;
}

static NOINLINE void grant_put_slow(mfn_t mfn, unsigned int count, bool is_writable)
{
	for (; count; count--)
		(void)entry_put(1, pte_make(mfn, PTE_PRESENT | (is_writable ? PTE_RW : 0)));
}

void pt_grant_put(mfn_t mfn, unsigned int count, bool is_writable)
{
	struct frame *f = frame_of(mfn);
	u64 old = atomic_load(&f->word);

	if (is_writable && unlikely(atomic_load(&mirror_count)))
		mirror_mark(frame_owner(mfn), mfn);
	if (unlikely((is_writable ? frame_word_typed(old) : (u32)old) <= count) ||
	    unlikely(old & FRAME_BUSY) ||
	    unlikely(!atomic_cmpxchg(&f->word, &old, old - references(count, is_writable))))
		grant_put_slow(mfn, count, is_writable);
}

static NOINLINE int leaf_find_slow(struct vcpu *v, struct pt_leaf *leaf, u64 addr, bool is_maddr,
				   u64 **entry)
{
	enum frame_type type = FRAME_NONE;
	maddr_t pte = maddr_make(addr);
	int rc;

	if (!is_maddr) {
		rc = walk_l1_entry(v, addr, &pte);
		if (rc)
			return rc;
	}
	pt_leaf_put(v, leaf);
	rc = table_hold(v, v->domain, pte, &leaf->frame, &type, entry);
	if (rc)
		return rc;
	if (type != FRAME_L1) {
		table_unhold(v, leaf->frame);
		return err(EINVAL);
	}
	leaf->mfn = mfn_num(maddr_to_mfn(pte));
	leaf->table = hw_frame_map(frame_mfn(leaf->frame));
	leaf->tag = is_maddr ? 0 : (addr >> 21) + 1;
	return 0;
}

int pt_leaf_find(struct vcpu *v, struct pt_leaf *leaf, u64 addr, bool is_maddr, u64 **entry)
{
	if (is_maddr ? leaf->table && addr >> PAGE_SHIFT == leaf->mfn && !(addr & 7)
		     : leaf->tag == (addr >> 21) + 1) {
		*entry = leaf->table + (is_maddr ? addr / 8 & 511 : pte_index(addr, 1));
		return 0;
	}
	return leaf_find_slow(v, leaf, addr, is_maddr, entry);
}

void pt_leaf_put(struct vcpu *v, struct pt_leaf *leaf)
{
	if (leaf->table)
		table_unhold(v, leaf->frame);
	leaf->table = NULL;
	leaf->tag = 0;
}

void pt_grant_map(u64 *entry, u64 value)
{
	u64 old = atomic_exchange(entry, leaf_adjusted(value) | PTE_GRANTED);

	entry_changed(entry, old);
	if (unlikely(old & PTE_PRESENT))
		(void)entry_put(1, old);
}

static inline bool is_used_entry(u64 entry)
{
	return entry & PTE_PRESENT && (entry & (PTE_GRANTED | PTE_ACCESSED)) != PTE_GRANTED;
}

static NOINLINE void grant_map_back(u64 *entry, u64 value)
{
	u64 old = atomic_exchange(entry, value);

	entry_changed(entry, old);
	(void)entry_put(1, old);
}

int pt_grant_unmap(u64 *entry, u64 value, u64 *from, bool *is_used)
{
	const u64 same = PTE_ADDR | PTE_PRESENT | PTE_RW;
	u64 old = atomic_load(entry), new = 0;

	if (unlikely(from) && !((old ^ value) & same))
		new = atomic_exchange(from, 0ull);
	if (unlikely(new))
		entry_changed(from, new);
	do {
		if (unlikely((old ^ value) & same)) {
			if (new) /* another CPU was faster */
				grant_map_back(from, new);
			return err(EINVAL);
		}
	} while (!atomic_cmpxchg(entry, &old, new));
	entry_changed(entry, old);
	if (is_used_entry(old) || unlikely(is_used_entry(new)))
		*is_used = true;
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Dirty tracking, while a domain is saved live: its vCPUs run on a mirror of its page tables, and what they write is found out
 * by the faults that they take there. Reached by XEN_DOMCTL_shadow_op, by page faults, when CR3 is loaded, by whoever changes
 * an entry of a guest's table or writes a guest's frame; calls the frame table, the heap, the walker. Lock:
 * LOCK_RANK_MIRROR of the domain for all of it.
 *
 * Each vCPU has two L4 of its own (kernel, user), which mirror whichever root it has loaded; below them there is one table for
 * each of the guest's. All fill lazily: an entry is absent until it faults, and while the guest's A is clear; a leaf is
 * read-only while its D is clear or its page is not logged. The fault sets A and D in the guest's own tables first. What an
 * entry of the guest's says cannot lose its reference while the lock is held: whoever exchanges one takes its mirror away
 * (mirror_entry_changed) before he puts what was there.
 *
 * Tables come out of a budget. When that is used up, or there is no memory, everything is dropped and fills again.
 * A mirror table's frame keeps its place in lists of ours (next) and the guest's table that it mirrors (prev).
 */
#include "mm/priv.h"

#include "core/err.h"
#include "hw/cpu.h"
#include "hw/layout.h"
#include "lib/bitmap.h"
#include "lib/string.h"

#define BUCKETS		(PAGE_SIZE / sizeof(u32))
#define TABLES_IN_WALK	3u	   /* below the L4 */
#define PFNS_BEYOND	(1u << 20) /* a domain's numbers may have holes */
#define AROUND		16u	   /* leaves looked at by one fault */
#define WORDS_AT_A_TIME 64u
#define PF_PRESENT	BIT(0)
#define PF_WRITE	BIT(1)
#define PF_RESERVED	BIT(3)
#define PF_FETCH	BIT(4)

struct frames {
	u32 head; /* 0: empty */
	u32 count;
};

struct mirror {
	u64 pfn_count;
	u64 *dirty; /* [l] a bit for each pfn, and a last one, always set, for frames that nobody asks for */
	u64 next; /* [l] word of it that the tool has not got yet, in a call that was preempted */
	u32 reported, faults; /* [l] for its statistics */
	u32 *buckets;	      /* [l] tables in use, by what they mirror; 0: empty */
	struct frames spare;  /* [l] */
	struct frames stale;  /* [l] no entry leads there any more, but some CPU may remember one */
	u32 table_count, table_min, table_max;
	u32 l4_count;
	u32 l4[]; /* [c] kernel and user, for each vCPU */
};

u32 mirror_count;

/* ---------------------------------------------------------------- tables */

static void push(struct frames *list, u32 mfn)
{
	frame_of(mfn_make(mfn))->next = list->head;
	list->head = mfn;
	list->count++;
}

static u32 pop(struct frames *list)
{
	u32 mfn = list->head;

	list->head = frame_of(mfn_make(mfn))->next;
	list->count--;
	return mfn;
}

static u64 *table_map(u32 mfn)
{
	return hw_frame_map(mfn_make(mfn));
}

/* The link to the table that mirrors `of`; it links to 0 if there is none. */
static u32 *find(struct mirror *m, mfn_t of)
{
	u32 *link = &m->buckets[mfn_num(of) % BUCKETS];

	while (*link && frame_of(mfn_make(*link))->prev != mfn_num(of))
		link = &frame_of(mfn_make(*link))->next;
	return link;
}

/* The i-th L4, of which entry idx, or with idx < 0 each that is not Mica's, is this now: others may be walking it. */
static void l4_write(const struct domain *d, struct mirror *m, u32 i, int idx, u64 value)
{
	u64 *table = table_map(m->l4[i]);

	if (idx >= 0)
		atomic_store(&table[idx], value);
	for (unsigned int slot = 0; idx < 0 && slot < TABLE_ENTRIES; slot++)
		if (!slot_is_hypervisors(4, slot))
			atomic_store(&table[slot], value);
	twin_write(d->vcpus[i / 2], i % 2, mfn_make(m->l4[i]), idx, value);
}

/* The guest's half of everything becomes stale; CPUs are yet to be asked. */
static void drop(const struct domain *d, struct mirror *m)
{
	for (u32 i = 0; i < m->l4_count; i++)
		l4_write(d, m, i, -1, 0);
	for (u32 i = 0; i < BUCKETS; i++) {
		while (m->buckets[i]) {
			u32 mfn = m->buckets[i];

			m->buckets[i] = frame_of(mfn_make(mfn))->next;
			push(&m->stale, mfn);
		}
	}
}

static void stale_reuse(struct domain *d, struct mirror *m)
{
	flush_domain(d);
	while (m->stale.count)
		push(&m->spare, pop(&m->stale));
}

/* Enough for any one walk, so that it cannot fail half-way. */
static void spare_reserve(struct domain *d, struct mirror *m)
{
	while (m->spare.count < TABLES_IN_WALK) {
		mfn_t mfn = m->table_count < m->table_max ? frame_alloc(0, 0) : MFN_NONE;

		if (!mfn_is_none(mfn)) {
			m->table_count++;
			push(&m->spare, (u32)mfn_num(mfn));
			continue;
		}
		if (m->stale.count < TABLES_IN_WALK)
			drop(d, m);
		stale_reuse(d, m);
	}
}

static u32 table_get(struct mirror *m, mfn_t of)
{
	u32 *link = find(m, of);

	if (!*link) {
		struct frame *f;
		u32 mfn = pop(&m->spare);

		memset(table_map(mfn), 0, PAGE_SIZE);
		f = frame_of(mfn_make(mfn));
		f->prev = (u32)mfn_num(of);
		f->next = 0;
		*link = mfn;
	}
	return *link;
}

mfn_t mirror_root(struct vcpu *v, bool user)
{
	mfn_t root = user ? v->mm->root_user : v->mm->root_kernel;
	struct mm_domain *mm = v->domain->mm;
	struct mirror *m = atomic_load(&mm->mirror); /* stays while a vCPU runs */
	u32 l4;

	if (!m || mfn_is_none(root))
		return root;
	l4 = m->l4[2 * v->id + user];
	if (frame_of(mfn_make(l4))->prev != mfn_num(root)) {
		lock_acquire(&mm->mirror_lock);
		l4_write(v->domain, m, 2 * v->id + user, -1, 0);
		frame_of(mfn_make(l4))->prev = (u32)mfn_num(root);
		lock_release(&mm->mirror_lock);
	}
	return mfn_make(l4);
}

/* ---------------------------------------------------------------- what is dirty */

/* Others' frames and devices are not d's to log. */
static u64 dirty_bit(const struct domain *d, const struct mirror *m, mfn_t mfn)
{
	if (!hw_frame_is_ram(mfn) || atomic_load(&frame_of(mfn)->owner) != d->id)
		return m->pfn_count;
	return MIN(m2p_get(mfn), m->pfn_count);
}

static void mark(const struct domain *d, struct mirror *m, mfn_t mfn)
{
	bitmap_set(m->dirty, dirty_bit(d, m, mfn));
}

void mirror_mark_pfns(struct domain *d, u64 pfn, u64 count)
{
	struct mirror *m;

	if (!d || !d->mm || !atomic_load(&d->mm->mirror))
		return;
	lock_acquire(&d->mm->mirror_lock);
	m = d->mm->mirror;
	for (u64 i = 0; m && i < count; i++)
		bitmap_set(m->dirty, MIN(pfn + i, m->pfn_count));
	lock_release(&d->mm->mirror_lock);
}

void mirror_mark(struct domain *d, mfn_t mfn)
{
	if (hw_frame_is_ram(mfn))
		mirror_mark_pfns(d, m2p_get(mfn), 1);
}

/* A leaf of a table of `owner` went: what another domain could write through it may be written. */
void mirror_leaf_gone(u16 owner, u64 leaf)
{
	mfn_t mfn = pte_mfn(leaf);
	struct domain *d;

	if ((leaf & (PTE_PRESENT | PTE_RW)) != (PTE_PRESENT | PTE_RW) || !hw_frame_is_ram(mfn))
		return;
	d = frame_owner(mfn);
	if (d && d->id != owner)
		mirror_mark(d, mfn);
}

/* ---------------------------------------------------------------- what the guest changes */

static void l4s_forget(const struct domain *d, struct mirror *m, mfn_t of, int idx)
{
	for (u32 i = 0; i < m->l4_count; i++) {
		struct frame *f = frame_of(mfn_make(m->l4[i]));

		if (f->prev != mfn_num(of))
			continue;
		l4_write(d, m, i, idx, 0);
		if (idx < 0)
			f->prev = 0;
	}
}

void mirror_entry_changed(const u64 *entry, u64 old)
{
	int idx = (int)((u64)entry & (PAGE_SIZE - 1)) / 8;
	mfn_t of = hw_virt_to_mfn(entry - idx);
	struct domain *d = frame_owner(of);
	enum frame_type type = frame_word_type(atomic_load(&frame_of(of)->word));
	struct mirror *m;

	if (type == FRAME_L1)
		mirror_leaf_gone(d->id, old);
	if (!atomic_load(&d->mm->mirror)) /* as mostly: another domain has one */
		return;
	lock_acquire(&d->mm->mirror_lock);
	m = d->mm->mirror;
	if (m) {
		u32 table = *find(m, of);

		if (table)
			atomic_store(&table_map(table)[idx], 0ull);
		if (type == FRAME_L4)
			l4s_forget(d, m, of, idx);
		mark(d, m, of);
	}
	lock_release(&d->mm->mirror_lock);
}

void mirror_table_gone(const struct frame *f)
{
	struct domain *d = frame_owner(frame_mfn(f));
	mfn_t of = frame_mfn(f);
	struct mirror *m;

	if (!d || !d->mm)
		return;
	lock_acquire(&d->mm->mirror_lock);
	m = d->mm->mirror;
	if (m) {
		u32 *link = find(m, of), table = *link;

		if (table) {
			*link = frame_of(mfn_make(table))->next;
			push(&m->stale, table);
		}
		l4s_forget(d, m, of, -1);
		mark(d, m, of);
	}
	lock_release(&d->mm->mirror_lock);
}

/* ---------------------------------------------------------------- faults */

static u64 leaf_value(const struct domain *d, const struct mirror *m, u64 leaf)
{
	if (leaf & PTE_DIRTY && bitmap_test(m->dirty, dirty_bit(d, m, pte_mfn(leaf))))
		return leaf;
	return leaf & ~PTE_RW;
}

/* A, and D if it is written, in the guest's tables, as a CPU would. False: an entry has changed, walk again. */
static bool bits_set(const struct domain *d, struct mirror *m, struct walk *walk, u64 va,
		     bool is_write)
{
	for (unsigned int level = 4; level > 0; level--) {
		u64 bits = PTE_ACCESSED | (level == 1 && is_write ? PTE_DIRTY : 0);
		u64 *table = hw_frame_map(walk->table[level]);

		if ((walk->entry[level] & bits) == bits)
			continue;
		if (!atomic_cmpxchg(&table[pte_index(va, level)], &walk->entry[level],
				    walk->entry[level] | bits))
			return false;
		walk->entry[level] |= bits;
		mark(d, m, walk->table[level]);
	}
	return true;
}

static void fill(const struct domain *d, struct mirror *m, u32 l4_index, const struct walk *walk,
		 u64 va)
{
	const u64 *leaves = hw_frame_map(walk->table[1]);
	unsigned int idx = pte_index(va, 1), first = idx & ~(AROUND - 1);
	u32 table = 0;
	u64 *to;

	for (unsigned int level = 4; level > 1; level--) {
		u32 child = table_get(m, walk->table[level - 1]);
		u64 entry = pte_make(mfn_make(child), walk->entry[level] & ~PTE_ADDR);

		if (level == 4)
			l4_write(d, m, l4_index, (int)pte_index(va, 4), entry);
		else
			atomic_store(&table_map(table)[pte_index(va, level)], entry);
		table = child;
	}
	to = table_map(table);
	atomic_store(&to[idx], leaf_value(d, m, walk->entry[1]));
	for (unsigned int i = first; i < first + AROUND; i++) {
		u64 leaf = atomic_load(&leaves[i]);

		if (!to[i] && leaf & PTE_PRESENT && leaf & PTE_ACCESSED)
			atomic_store(&to[i], leaf_value(d, m, leaf));
	}
}

static bool fault(struct domain *d, struct mirror *m, u32 l4_index, u64 va, u32 *error_code)
{
	mfn_t root = mfn_make(frame_of(mfn_make(m->l4[l4_index]))->prev);
	bool is_write = *error_code & PF_WRITE;
	struct walk walk;

	m->faults++;
	do {
		*error_code &= ~(u32)PF_PRESENT;
		if (walk_root(root, va, &walk))
			return false;
		*error_code |= (u32)PF_PRESENT;
		if ((is_write && !walk.is_writable) ||
		    (*error_code & PF_FETCH && !walk.is_executable))
			return false;
	} while (!bits_set(d, m, &walk, va, is_write));
	if (is_write)
		mark(d, m, pte_mfn(walk.entry[1]));
	spare_reserve(d, m);
	fill(d, m, l4_index, &walk, va);
	return true;
}

bool mm_mirror_fault(struct vcpu *v, mfn_t loaded, u64 va, u32 *error_code)
{
	struct mm_domain *mm = v->domain->mm;
	bool is_fixed = false;
	struct mirror *m;

	if (likely(!mm || !atomic_load(&mm->mirror)) || *error_code & PF_RESERVED ||
	    (va >= LAYOUT_START && va < LAYOUT_END))
		return false;
	lock_acquire(&mm->mirror_lock);
	m = mm->mirror;
	for (u32 i = 2 * v->id; m && i < 2 * v->id + 2; i++)
		if (mfn_num(loaded) == m->l4[i])
			is_fixed = fault(v->domain, m, i, va, error_code);
	lock_release(&mm->mirror_lock);
	return is_fixed;
}

/* ---------------------------------------------------------------- the tool's side */

static void free_all(struct mirror *m)
{
	for (u32 i = 0; i < m->l4_count; i++)
		frame_free(mfn_make(m->l4[i]), 0);
	while (m->spare.count)
		frame_free(mfn_make(pop(&m->spare)), 0);
	heap_free(m->buckets);
	heap_free(m->dirty);
	heap_free(m);
}

static bool frames_get(struct domain *d, struct mirror *m)
{
	for (u32 i = 0; i < 2 * d->vcpu_max; i++) {
		mfn_t mfn = frame_alloc(0, FRAME_ZERO);

		if (mfn_is_none(mfn))
			return false;
		for (unsigned int slot = LAYOUT_FIRST_SLOT; slot <= LAYOUT_LAST_SLOT; slot++)
			table_map((u32)mfn_num(mfn))[slot] = hypervisor_entry(d, slot);
		frame_of(mfn)->prev = 0;
		m->l4[m->l4_count++] = (u32)mfn_num(mfn);
	}
	for (; m->table_count < m->table_min; m->table_count++) {
		mfn_t mfn = frame_alloc(0, 0);

		if (mfn_is_none(mfn))
			return false;
		push(&m->spare, (u32)mfn_num(mfn));
	}
	return true;
}

int mm_mirror_enable(struct domain *d)
{
	struct mirror *m;

	if (d->mm->mirror || atomic_load(&d->is_dying))
		return err(EINVAL);
	m = heap_alloc(sizeof(*m) + 2 * d->vcpu_max * sizeof(m->l4[0]));
	if (!m)
		return err(ENOMEM);
	m->pfn_count = MIN(d->mm->pages_max, hw_frame_max) + PFNS_BEYOND;
	m->buckets = heap_alloc(BUCKETS * sizeof(m->buckets[0]));
	m->dirty = heap_alloc(m->pfn_count / 8 + sizeof(u64));
	m->table_min = 32 + 4 * d->vcpu_max;
	/* As many as map all of it eight times over. */
	m->table_max = m->table_min + (u32)(d->mm->pages_current / (TABLE_ENTRIES / 8));
	if (!m->buckets || !m->dirty || !frames_get(d, m)) {
		free_all(m);
		return err(ENOMEM);
	}
	bitmap_set(m->dirty, m->pfn_count);
	atomic_add(&mirror_count, 1u);
	atomic_store(&d->mm->mirror, m);
	flush_domain(d);
	return 0;
}

int mm_mirror_disable(struct domain *d)
{
	struct mirror *m = d->mm->mirror;
	struct vcpu *v;
	int rc = 0;

	if (!m)
		return 0;
	lock_acquire(&d->mm->mirror_lock);
	drop(d, m);
	stale_reuse(d, m);
	while (!rc && m->table_count > m->table_min) {
		frame_free(mfn_make(pop(&m->spare)), 0);
		m->table_count--;
		rc = hw_preempt_wanted() ? -ERESTART : 0;
	}
	if (!rc) {
		d->mm->mirror = NULL;
		for_each_vcpu(d, v) {
			twin_forget(v, false);
			twin_forget(v, true);
		}
	}
	lock_release(&d->mm->mirror_lock);
	if (rc)
		return rc;
	atomic_sub(&mirror_count, 1u);
	free_all(m);
	return 0;
}

/* Words from m->next on, into `words`, taken away if is_clean. */
static u64 words_get(struct mirror *m, u64 *words, u64 pages, bool is_clean)
{
	u64 count = MIN((pages + 63) / 64 - m->next, WORDS_AT_A_TIME);

	for (u64 i = 0; i < count; i++) {
		u64 left = pages - (m->next + i) * 64, mask = left < 64 ? BIT(left) - 1 : ~0ull;

		words[i] = m->dirty[m->next + i] & mask;
		if (is_clean)
			m->dirty[m->next + i] &= ~words[i];
	}
	m->reported += (u32)bitmap_weight(words, count * 64);
	return count;
}

/* The same back: nobody has got them. */
static void words_put(struct mirror *m, const u64 *words, u64 count)
{
	for (u64 i = 0; i < count; i++)
		m->dirty[m->next + i] |= words[i];
	m->next = m->reported = 0;
}

int mm_mirror_read(struct domain *d, struct mm_dirty_read *read)
{
	u64 words[WORDS_AT_A_TIME], bytes = (read->pages + 7) / 8;
	struct mirror *m = d->mm->mirror; /* a tool's call: nobody else takes it away */
	int rc = 0;

	if (!m || read->pages > m->pfn_count)
		return err(EINVAL);
	lock_acquire(&d->mm->mirror_lock);
	if (read->is_clean) {
		drop(d, m);
		stale_reuse(d, m);
	}
	while (!rc && m->next * 8 < bytes) {
		u64 at = m->next * 8, count = words_get(m, words, read->pages, read->is_clean);

		lock_release(&d->mm->mirror_lock); /* not across a guest copy */
		if (gva_num(read->bitmap))
			rc = hw_copy_to_guest(gva_add(read->bitmap, at), words,
					      MIN(count * 8, bytes - at));
		lock_acquire(&d->mm->mirror_lock);
		if (rc)
			words_put(m, words, count);
		else
			m->next += count;
		if (!rc && m->next * 8 < bytes && hw_preempt_wanted())
			rc = -ERESTART;
	}
	read->dirty_count = m->reported;
	read->fault_count = m->faults;
	if (!rc)
		m->next = m->reported = 0;
	if (!rc && read->is_clean)
		m->faults = 0;
	lock_release(&d->mm->mirror_lock);
	return rc;
}

/* SPDX-License-Identifier: MIT */
/*
 * Which frames a domain has: given, shared, dropped, torn down. Reached by the domain builders, memory_op and teardown;
 * calls frame.c, buddy.c and the heap. Lock: LOCK_RANK_PAGELIST of the domain for its lists and counts.
 *
 * A domain with frames holds one reference on itself: the last frame gone gives it back, wherever that happens.
 */
#include "mm/priv.h"

#include "core/err.h"
#include "hw/cpu.h"
#include "lib/string.h"

struct mm_e820_entry mm_host_e820[MM_E820_MAX];
unsigned int mm_host_e820_count;

/* Owners by domid, in pages of 512: frames name their owner by number. */
#define OWNERS_PER_PAGE 512u
static struct domain **owners[DOMID_COUNT / OWNERS_PER_PAGE + 1];

struct domain *owner_domain(u16 id)
{
	struct domain **page = id < DOMID_COUNT ? atomic_load(&owners[id / OWNERS_PER_PAGE]) : NULL;

	return page ? atomic_load(&page[id % OWNERS_PER_PAGE]) : NULL;
}

struct domain *frame_owner(mfn_t mfn)
{
	return owner_domain(atomic_load(&frame_of(mfn)->owner));
}

/* -EEXIST: there is one of that number. */
static int owner_set(u16 id, struct domain *d)
{
	struct domain **page, **nobody = NULL, *none = NULL;

	if (id >= DOMID_COUNT)
		return err(EINVAL);
	page = atomic_load(&owners[id / OWNERS_PER_PAGE]);
	if (!page) {
		page = heap_alloc(OWNERS_PER_PAGE * sizeof(void *));
		if (!page)
			return err(ENOMEM);
		if (!atomic_cmpxchg(&owners[id / OWNERS_PER_PAGE], &nobody, page)) {
			heap_free(page);
			page = nobody;
		}
	}
	return atomic_cmpxchg(&page[id % OWNERS_PER_PAGE], &none, d) ? 0 : err(EEXIST);
}

int mm_domain_init(struct domain *d, u64 pages_max)
{
	struct mm_domain *mm;
	int rc;

	mm = heap_alloc(sizeof(*mm));
	if (!mm)
		return err(ENOMEM);
	lock_init(&mm->lock, LOCK_RANK_PAGELIST);
	lock_init(&mm->mirror_lock, LOCK_RANK_MIRROR);
	mm->pages_head = mm->shared_head = mm->dying_head = FRAME_LINK_NONE;
	mm->pages_max = pages_max;
	rc = owner_set(d->id, d);
	if (rc) {
		heap_free(mm);
		return rc;
	}
	d->mm = mm;
	return 0;
}

int mm_vcpu_init(struct vcpu *v)
{
	v->mm = heap_alloc(sizeof(*v->mm));
	if (!v->mm)
		return err(ENOMEM);
	v->mm->root_kernel = v->mm->root_user = v->mm->unsettled = MFN_NONE;
	return twin_vcpu_init(v);
}

static void list_push(u32 *head, struct frame *f)
{
	f->prev = FRAME_LINK_NONE;
	f->next = *head;
	if (*head != FRAME_LINK_NONE)
		frame_of(mfn_make(*head))->prev = (u32)mfn_num(frame_mfn(f));
	*head = (u32)mfn_num(frame_mfn(f));
}

static void list_remove(struct mm_domain *mm, struct frame *f)
{
	u32 self = (u32)mfn_num(frame_mfn(f));

	if (f->next != FRAME_LINK_NONE)
		frame_of(mfn_make(f->next))->prev = f->prev;
	if (f->prev != FRAME_LINK_NONE)
		frame_of(mfn_make(f->prev))->next = f->next;
	else if (mm->pages_head == self)
		mm->pages_head = f->next;
	else if (mm->dying_head == self)
		mm->dying_head = f->next;
	else
		mm->shared_head = f->next;
}

/* Under the lock: so many frames less. True: the domain has none left, its reference is the caller's to give back. */
static bool count_down_locked(struct mm_domain *mm, unsigned int frames)
{
	mm->pages_current -= frames;
	return mm->pages_current == 0;
}

/* Frames of d's, off its lists and counted, that nobody refers to any more. */
static void frames_gone(struct domain *d, const u32 *mfns, unsigned int count, bool is_last)
{
	u32 stamp = flush_clock();

	for (unsigned int i = 0; i < count; i++) {
		struct frame *f = frame_of(mfn_make(mfns[i]));

		m2p_set(mfn_make(mfns[i]), M2P_INVALID);
		f->done = 0;
		atomic_store(&f->owner, (u16)FRAME_OWNER_MICA);
		atomic_store(&f->stamp, stamp);
		atomic_store(&f->word, FRAME_TAINTED);
	}
	frames_free_stamped(mfns, count);
	if (is_last)
		domain_put(d);
}

void domain_frame_gone(struct frame *f)
{
	struct domain *d = owner_domain(atomic_load(&f->owner));
	u32 mfn = (u32)mfn_num(frame_mfn(f));
	bool is_last;

	ASSERT(d);
	lock_acquire(&d->mm->lock);
	list_remove(d->mm, f);
	is_last = count_down_locked(d->mm, 1);
	lock_release(&d->mm->lock);
	frames_gone(d, &mfn, 1, is_last);
}

/*
 * A frame that no CPU has a translation of begins as WRITABLE, typed 0: its first writable mapping needs no flush.
 * The word comes last: it makes the frame live.
 */
static inline void assign_one(struct frame *f, u32 prev, u32 next, domid_t owner, u64 bits)
{
	f->done = 0;
	f->prev = prev;
	f->next = next;
	atomic_store(&f->owner, owner);
	atomic_store(&f->word, FRAME_LIVE | bits | 1);
}

/*
 * What Domain 0 is made of comes straight from boot and held no guest's data: it may see what firmware and loader left, as
 * on the bare machine. Later everything is scrubbed, also for Domain 0; but where it exchanges frames for others, which it
 * does to fill them, what still comes straight from boot is not.
 */
static void scrub(mfn_t mfn, u32 frames, bool all)
{
	const struct frame *f = frame_of(mfn);

	for (u32 i = 0; i < frames; i++)
		if (!(atomic_load(&f[i].word) & FRAME_CLEAN) &&
		    (all || atomic_load(&f[i].word) & FRAME_TAINTED))
			memset(hw_frame_map(mfn_add(mfn, i)), 0, PAGE_SIZE);
}

/* Pages that domains may still take, and nobody else: the sum of their pages_claimed. [a] changed under a pages lock */
static u64 claimed_total;

u64 mm_claimed_total(void)
{
	return atomic_load(&claimed_total);
}

static void claim_set_locked(struct mm_domain *mm, u64 pages)
{
	atomic_add(&claimed_total, pages - mm->pages_claimed);
	mm->pages_claimed = pages;
}

int mm_domain_claim(struct domain *d, u64 pages)
{
	struct mm_domain *mm = d->mm;
	int rc = 0;

	lock_acquire(&mm->lock);
	if (pages == 0) {
		claim_set_locked(mm, 0);
	} else if (mm->pages_claimed != 0 || pages <= mm->pages_current || pages > mm->pages_max ||
		   atomic_load(&d->is_dying)) {
		rc = err(EINVAL);
	} else {
		claim_set_locked(mm, pages - mm->pages_current);
		if (atomic_load(&claimed_total) > frame_free_count()) {
			claim_set_locked(mm, 0);
			rc = err(ENOMEM);
		}
	}
	lock_release(&mm->lock);
	return rc;
}

/* Frames were allocated for d: are they its own claim, or nobody's? */
static bool claim_use_locked(struct mm_domain *mm, u64 frames)
{
	u64 used = MIN(mm->pages_claimed, frames);

	if (frame_free_count() < atomic_load(&claimed_total) - used)
		return false;
	claim_set_locked(mm, mm->pages_claimed - used);
	return true;
}

static int assign(struct domain *d, mfn_t mfn, unsigned int order, u64 pfn, bool scrub_all)
{
	struct mm_domain *mm = d->mm;
	struct frame *f = frame_of(mfn);
	u32 first = (u32)mfn_num(mfn), frames = 1u << order, last = first + frames - 1;
	const u64 type = type_bits(FRAME_WRITABLE);

	scrub(mfn, frames, scrub_all);
	m2p_set_run(mfn, frames, pfn);
	lock_acquire(&mm->lock);
	if (atomic_load(&d->is_dying) ||
	    mm->pages_max - MIN(mm->pages_current, mm->pages_max) < frames ||
	    (unlikely(atomic_load(&claimed_total) != 0) && !claim_use_locked(mm, frames))) {
		lock_release(&mm->lock);
		return d->is_dying ? err(EINVAL) : err(ENOMEM);
	}
	if (!mm->pages_current)
		domain_get(d);
	mm->pages_current += frames;
	if (mm->pages_head != FRAME_LINK_NONE)
		frame_of(mfn_make(mm->pages_head))->prev = last;
	if (frames == 1) {
		assign_one(f, FRAME_LINK_NONE, mm->pages_head, d->id, type);
	} else {
		assign_one(f + frames - 1, last - 1, mm->pages_head, d->id, type);
		for (u32 i = 1; i < frames - 1; i++)
			assign_one(f + i, first + i - 1, first + i + 1, d->id, type);
		assign_one(f, FRAME_LINK_NONE, first + 1, d->id, type);
	}
	mm->pages_head = first;
	lock_release(&mm->lock);
	if (unlikely(atomic_load(&mirror_count)))
		mirror_mark_pfns(d, pfn, frames);
	return 0;
}

int mm_domain_assign_at(struct domain *d, mfn_t mfn, unsigned int order, u64 pfn)
{
	return assign(d, mfn, order, pfn, dom0 != NULL);
}

int mm_domain_assign(struct domain *d, mfn_t mfn, unsigned int order)
{
	return assign(d, mfn, order, M2P_INVALID, dom0 != NULL && d != dom0);
}

void mm_readable_share(mfn_t mfn)
{
	struct frame *f = frame_of(mfn);

	f->owner = FRAME_OWNER_MICA;
	f->word = FRAME_LIVE | FRAME_SHARED | 1;
}

mfn_t mm_domain_share_page(struct domain *d)
{
	mfn_t mfn = frame_alloc(0, FRAME_ZERO);
	struct frame *f;

	if (mfn_is_none(mfn))
		return MFN_NONE;
	f = frame_of(mfn_nospec(mfn));
	m2p_set(mfn, M2P_INVALID);
	lock_acquire(&d->mm->lock);
	list_push(&d->mm->shared_head, f);
	d->mm->pages_shared++;
	atomic_store(&f->owner, d->id);
	/* The owner's reference, and a writable one that never ends: it can never become a table. */
	atomic_store(&f->word,
		     FRAME_LIVE | FRAME_SHARED | type_bits(FRAME_WRITABLE) | FRAME_TYPED_ONE | 2);
	lock_release(&d->mm->lock);
	return mfn;
}

static void shared_free(struct domain *d, struct frame *f)
{
	lock_acquire(&d->mm->lock);
	list_remove(d->mm, f);
	d->mm->pages_shared--;
	lock_release(&d->mm->lock);
	m2p_set(frame_mfn(f), M2P_INVALID);
	atomic_store(&f->stamp, flush_clock());
	atomic_store(&f->owner, (u16)FRAME_OWNER_MICA);
	frame_free(frame_mfn(f), 0);
}

int mm_domain_drop(struct domain *d, mfn_t mfn)
{
	struct frame *f;
	u64 old;
	int rc;

	if (!hw_frame_is_ram(mfn))
		return err(EINVAL);
	f = frame_of(mfn_nospec(mfn));
	if (atomic_load(&f->owner) != d->id)
		return err(EINVAL);
	rc = settle(f, false);
	if (rc)
		return rc;
	old = atomic_load(&f->word);
	do {
		if (!(old & FRAME_LIVE) || old & FRAME_SHARED || atomic_load(&f->owner) != d->id)
			return err(EINVAL);
	} while (!atomic_cmpxchg(&f->word, &old, old & ~FRAME_LIVE));
	frame_put(mfn);
	return 0;
}

int mm_domain_steal(struct domain *d, mfn_t mfn)
{
	struct frame *f;
	bool is_last;
	u64 old;

	if (!hw_frame_is_ram(mfn))
		return err(EINVAL);
	f = frame_of(mfn_nospec(mfn));
	if (atomic_load(&f->owner) != d->id)
		return err(EINVAL);
	old = atomic_load(&f->word);
	do {
		if (!(old & FRAME_LIVE) || old & (FRAME_SHARED | FRAME_BUSY | FRAME_TYPED_MASK) ||
		    (old & FRAME_REFS_MASK) != 1 || atomic_load(&f->owner) != d->id)
			return err(EINVAL);
	} while (!atomic_cmpxchg(&f->word, &old, FRAME_TAINTED));
	lock_acquire(&d->mm->lock);
	list_remove(d->mm, f);
	is_last = count_down_locked(d->mm, 1);
	lock_release(&d->mm->lock);
	atomic_store(&f->stamp, flush_clock());
	f->done = 0;
	if (unlikely(atomic_load(&mirror_count)))
		mirror_mark_pfns(d, m2p_get(mfn), 1);
	atomic_store(&f->owner, (u16)FRAME_OWNER_MICA);
	if (is_last)
		domain_put(d);
	return 0;
}

void mm_domain_unsteal(struct domain *d, mfn_t mfn)
{
	lock_acquire(&d->mm->lock);
	if (!d->mm->pages_current++)
		domain_get(d);
	list_push(&d->mm->pages_head, frame_of(mfn));
	/* It may have been a table once, mapped by others, or UC: that is looked at when it becomes something. */
	assign_one(frame_of(mfn), FRAME_LINK_NONE, frame_of(mfn)->next, d->id,
		   FRAME_FOREIGN | FRAME_NONCOH);
	lock_release(&d->mm->lock);
}

static int release_roots(struct domain *d)
{
	struct vcpu *v;

	for_each_vcpu(d, v) {
		struct mm_vcpu *mm = v->mm;
		int rc;

		if (!mm)
			continue;
		rc = pt_settle(v);
		if (rc)
			return rc;
		pt_root_put(v, mm->root_user);
		mm->root_user = MFN_NONE;
		rc = pt_settle(v);
		if (rc)
			return rc;
		pt_root_put(v, mm->root_kernel);
		mm->root_kernel = MFN_NONE;
		rc = pt_settle(v);
		if (rc)
			return rc;
	}
	return 0;
}

/* The next frame to deal with, with a reference of our own; NULL: none. */
static struct frame *release_next(struct domain *d)
{
	for (;;) {
		struct frame *f = NULL;
		u64 old = 1;

		lock_acquire(&d->mm->lock);
		if (d->mm->pages_head != FRAME_LINK_NONE) {
			f = frame_of(mfn_make(d->mm->pages_head));
			old = atomic_load(&f->word);
			while (old & FRAME_REFS_MASK && !atomic_cmpxchg(&f->word, &old, old + 1))
				continue;
		}
		lock_release(&d->mm->lock);
		if (old & FRAME_REFS_MASK)
			return f;
		hw_relax(); /* its last reference has gone: another CPU is about to take it off the list */
	}
}

#define RELEASED_AT_ONCE 64u

/* Those at the head of the list that nothing but their owner refers to, and that are no tables. False: the first is not so. */
static bool release_plain(struct domain *d)
{
	const u64 looked_at = FRAME_REFS_MASK | FRAME_TYPED_MASK | FRAME_BUSY | FRAME_LIVE |
			      FRAME_NONCOH | FRAME_SHARED;
	struct mm_domain *mm = d->mm;
	u32 mfns[RELEASED_AT_ONCE];
	unsigned int count = 0;
	bool is_last;

	lock_acquire(&mm->lock);
	while (count < RELEASED_AT_ONCE && mm->pages_head != FRAME_LINK_NONE) {
		struct frame *f = frame_of(mfn_make(mm->pages_head));
		u64 old = atomic_load(&f->word);

		if ((old & looked_at) != (FRAME_LIVE | 1) || type_level(frame_word_type(old)) ||
		    !atomic_cmpxchg(&f->word, &old, FRAME_TAINTED))
			break;
		mfns[count++] = mm->pages_head;
		mm->pages_head = f->next;
	}
	if (count && mm->pages_head != FRAME_LINK_NONE)
		frame_of(mfn_make(mm->pages_head))->prev = FRAME_LINK_NONE;
	is_last = count_down_locked(mm, count) && count;
	lock_release(&mm->lock);
	if (count)
		frames_gone(d, mfns, count, is_last);
	return count != 0;
}

/* One frame: its pin, its half-done type, its owner's reference. */
static int release_frame(struct domain *d, struct frame *f)
{
	mfn_t mfn = frame_mfn(f);
	int rc = 0;

	if (atomic_fetch_and(&f->word, ~FRAME_PINNED) & FRAME_PINNED)
		rc = frame_type_put_preemptible(mfn);
	if (!rc)
		rc = settle(f, false);
	if (!rc) {
		lock_acquire(&d->mm->lock);
		list_remove(d->mm, f);
		list_push(&d->mm->dying_head, f);
		lock_release(&d->mm->lock);
		if (atomic_fetch_and(&f->word, ~FRAME_LIVE) & FRAME_LIVE)
			frame_put(mfn);
	}
	frame_put(mfn);
	return rc;
}

int mm_domain_release(struct domain *d)
{
	int rc;

	ASSERT(d->is_dying);
	(void)mm_domain_claim(d, 0);
	rc = mm_mirror_disable(d);
	if (!rc)
		rc = release_roots(d);
	while (!rc) {
		if (!release_plain(d)) {
			struct frame *f = release_next(d);

			if (!f)
				break;
			rc = release_frame(d, f);
		}
		if (!rc && hw_preempt_wanted())
			rc = -ERESTART;
	}
	return rc;
}

bool mm_domain_is_sharing(const struct domain *d)
{
	return d->mm->shared_head != FRAME_LINK_NONE;
}

/*
 * Mica's pages lent to d become pages like any others, without an owner's reference: those that another domain still maps
 * stay, and d with them.
 */
void mm_domain_unshare_all(struct domain *d)
{
	struct mm_domain *mm = d->mm;

	while (mm_domain_is_sharing(d)) {
		struct frame *f = frame_of(mfn_make(mm->shared_head));

		lock_acquire(&mm->lock);
		list_remove(mm, f);
		list_push(&mm->dying_head, f);
		mm->pages_shared--;
		if (!mm->pages_current++)
			domain_get(d);
		lock_release(&mm->lock);
		atomic_fetch_and(&f->word, ~(FRAME_SHARED | FRAME_LIVE));
		frame_put(frame_mfn(f));
		frame_type_put(frame_mfn(f));
	}
}

void mm_domain_fini(struct domain *d)
{
	struct vcpu *v;

	if (!d->mm)
		return;
	ASSERT(!d->mm->pages_current);
	while (d->mm->shared_head != FRAME_LINK_NONE)
		shared_free(d, frame_of(mfn_make(d->mm->shared_head)));
	for_each_vcpu(d, v) {
		if (!v->mm)
			continue;
		twin_vcpu_fini(v);
		heap_free(v->mm);
		v->mm = NULL;
	}
	atomic_store(&owners[d->id / OWNERS_PER_PAGE][d->id % OWNERS_PER_PAGE], NULL);
	heap_free(d->mm->e820);
	heap_free(d->mm);
	d->mm = NULL;
}

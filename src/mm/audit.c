/* SPDX-License-Identifier: MIT */
/*
 * Every reference and type count recomputed from the tables and compared with what the frames say. Reached by a serial
 * key, by tests and at a domain's end in debug builds; calls nothing but the log. Nothing may run meanwhile.
 */
#include "mm/priv.h"

#include "core/err.h"
#include "core/log.h"
#include "lib/bits.h"
#include "lib/string.h"

struct tally {
	u32 refs;
	u32 typed;
};

static struct tally *tallies; /* one a frame; NULL: no audit runs */
static mfn_t tallies_mfn;
static unsigned int tallies_order;
static unsigned int findings;
#define FINDINGS_PRINTED 10

static void finding(mfn_t mfn, const char *what, u64 has, u64 wanted)
{
	const struct frame *f = frame_of(mfn);

	if (findings++ < FINDINGS_PRINTED)
		log_error("audit: frame %#llx owner %u word %#llx: %s is %llu, should be %llu",
			  (unsigned long long)mfn_num(mfn), f->owner, (unsigned long long)f->word,
			  what, (unsigned long long)has, (unsigned long long)wanted);
}

void audit_add(mfn_t mfn, bool typed)
{
	if (!hw_frame_is_ram(mfn))
		return;
	tallies[mfn_num(mfn)].refs++;
	tallies[mfn_num(mfn)].typed += typed;
}

static void table_add(const struct frame *f, enum frame_type type, unsigned int done, bool is_half)
{
	const u64 *table = hw_frame_map(frame_mfn(f));
	unsigned int level = type_level(type);

	if (is_half)
		done--;
	for (unsigned int i = 0; i < done; i++) {
		if (!(table[i] & PTE_PRESENT) || slot_is_hypervisors(level, i))
			continue;
		audit_add(pte_mfn(table[i]), level > 1 || table[i] & PTE_RW);
		if (level > 1 &&
		    frame_word_type(frame_of(pte_mfn(table[i]))->word) != level_type(level - 1))
			finding(frame_mfn(f), "type of the child of entry", i, level - 1);
	}
}

static void frame_add(mfn_t mfn)
{
	const struct frame *f = frame_of(mfn);
	enum frame_type type = frame_word_type(f->word);

	if (f->word & FRAME_LIVE)
		audit_add(mfn, false);
	if (f->word & FRAME_PINNED)
		audit_add(mfn, true);
	if (f->word & FRAME_SHARED)
		audit_add(mfn, true);
	if (f->word & FRAME_BUSY)
		finding(mfn, "BUSY", 1, 0);
	if (!type_level(type))
		return;
	if (f->word & FRAME_VALID) {
		table_add(f, type, TABLE_ENTRIES, false);
	} else {
		audit_add(mfn, false); /* half-done: one reference on itself */
		table_add(f, type, f->done & DONE_MASK, f->done & DONE_HALF);
	}
}

static bool is_owned(mfn_t mfn)
{
	return hw_frame_is_ram(mfn) && owner_domain(frame_of(mfn)->owner) &&
	       frame_of(mfn)->word & FRAME_REFS_MASK;
}

static void roots_add(void)
{
	struct vcpu *v;

	for_each_domain(d)
		for_each_vcpu(d, v) {
			if (v->mm && !mfn_is_none(v->mm->root_kernel))
				audit_add(v->mm->root_kernel, true);
			if (v->mm && !mfn_is_none(v->mm->root_user))
				audit_add(v->mm->root_user, true);
		}
}

int audit_begin(void)
{
	tallies_order = ilog2_up((hw_frame_max * sizeof(*tallies) + PAGE_SIZE - 1) >> PAGE_SHIFT);
	tallies_mfn = frame_alloc(tallies_order, FRAME_ZERO);
	if (mfn_is_none(tallies_mfn))
		return err(ENOMEM);
	tallies = hw_frame_map(tallies_mfn);
	findings = 0;
	for (u64 i = 0; i < hw_frame_max; i++)
		if (is_owned(mfn_make(i)))
			frame_add(mfn_make(i));
	roots_add();
	return 0;
}

static void list_check(const struct domain *d, u32 head, u64 wanted)
{
	u64 count = 0;

	for (u32 mfn = head; mfn != FRAME_LINK_NONE; mfn = frame_of(mfn_make(mfn))->next) {
		if (frame_of(mfn_make(mfn))->owner != d->id)
			finding(mfn_make(mfn), "owner in the list", frame_of(mfn_make(mfn))->owner,
				d->id);
		if (++count > wanted)
			break;
	}
	if (count != wanted)
		finding(mfn_make(head), "length of the list from here", count, wanted);
}

static void lists_check(void)
{
	for_each_domain(d) {
		if (d->mm && d->mm->dying_head == FRAME_LINK_NONE &&
		    d->mm->pages_head != FRAME_LINK_NONE)
			list_check(d, d->mm->pages_head, d->mm->pages_current);
		if (d->mm && d->mm->shared_head != FRAME_LINK_NONE)
			list_check(d, d->mm->shared_head, d->mm->pages_shared);
	}
}

unsigned int audit_finish(void)
{
	for (u64 i = 0; i < hw_frame_max; i++) {
		mfn_t mfn = mfn_make(i);
		u64 word;

		if (!is_owned(mfn))
			continue;
		word = frame_of(mfn)->word;
		if ((word & FRAME_REFS_MASK) != tallies[i].refs)
			finding(mfn, "refs", word & FRAME_REFS_MASK, tallies[i].refs);
		if (frame_word_typed(word) != tallies[i].typed)
			finding(mfn, "typed", frame_word_typed(word), tallies[i].typed);
		if (word & FRAME_TYPED_MASK && frame_word_type(word) == FRAME_NONE)
			finding(mfn, "typed without a type", frame_word_typed(word), 0);
	}
	lists_check();
	frame_free(tallies_mfn, tallies_order);
	tallies = NULL;
	return findings;
}

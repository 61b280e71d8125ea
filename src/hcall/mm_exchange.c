/* SPDX-License-Identifier: MIT */
/*
 * XENMEM_exchange: a domain gives frames back and gets as many others, contiguous or below an address. Reached from
 * memory_op.c; calls mm. No lock. Done in chunks, each of which either happens or leaves everything as it was; progress
 * is the guest's own nr_exchanged, judged again at each restart.
 */
#include "hcall/subop.h"
#include "hw/cpu.h"
#include "hw/mem.h"
#include "mm/mm.h"

#define NUMBERS_COPIED 16ul /* at a time */

struct exchange {
	struct xen_memory_exchange abi;
	struct domain *d;
	unsigned int chunk_order;
	u64 chunk_in;  /* extents a chunk */
	u64 chunk_out; /* extents a chunk */
	u32 stolen;    /* chain through frame.next */
	mfn_t first;   /* of those */
	bool is_run;   /* each of them follows the one before */
	u32 fresh;     /* the same: first frames of the new extents, in order */
};

static void chain_push(u32 *chain, mfn_t mfn)
{
	frame_of(mfn)->next = *chain;
	*chain = (u32)mfn_num(mfn);
}

static mfn_t chain_pop(u32 *chain)
{
	mfn_t mfn = mfn_make(*chain);

	*chain = frame_of(mfn)->next;
	return mfn;
}

static int judge(struct vcpu *v, struct exchange *x)
{
	const struct xen_memory_exchange *abi = &x->abi;
	u64 in_frames, out_frames;

	if (abi->in.domid != abi->out.domid || abi->nr_exchanged > abi->in.nr_extents)
		return err(EINVAL);
	if (abi->in.extent_order > MEMORY_ORDER_MAX || abi->out.extent_order > MEMORY_ORDER_MAX)
		return err(EPERM);
	if (abi->in.nr_extents > ~0ul >> MEMORY_EXTENT_SHIFT ||
	    abi->out.nr_extents > ~0ul >> MEMORY_EXTENT_SHIFT)
		return err(EINVAL);
	if (__builtin_mul_overflow(abi->in.nr_extents, BIT(abi->in.extent_order), &in_frames) ||
	    __builtin_mul_overflow(abi->out.nr_extents, BIT(abi->out.extent_order), &out_frames) ||
	    in_frames != out_frames)
		return err(EINVAL);
	x->chunk_order = MAX(abi->in.extent_order, abi->out.extent_order);
	x->chunk_in = BIT(x->chunk_order - abi->in.extent_order);
	x->chunk_out = BIT(x->chunk_order - abi->out.extent_order);
	if (abi->nr_exchanged & (x->chunk_in - 1) || abi->in.nr_extents & (x->chunk_in - 1))
		return err(EINVAL);
	x->stolen = x->fresh = FRAME_LINK_NONE;
	return subop_domain_quiet(v, abi->in.domid, &x->d);
}

/* Where the guest says what number the i-th new extent of this chunk shall have, and gets the frame's. */
static gva_t out_slot(const struct exchange *x, u64 i)
{
	return guest_at(x->abi.out.extent_start,
			x->abi.nr_exchanged / x->chunk_in * x->chunk_out + i);
}

/* Where the new numbers go can be written: known before the old frames are given up. */
static int chunk_probe(const struct exchange *x)
{
	for (u64 i = 0; i < x->chunk_out; i++) {
		gva_t slot = out_slot(x, i);
		u64 gpfn;

		if (guest_get(gpfn, slot) || guest_put(slot, gpfn))
			return err(EFAULT);
	}
	return 0;
}

static int chunk_steal(struct exchange *x)
{
	u64 numbers[NUMBERS_COPIED];

	x->is_run = true;
	for (u64 i = 0; i < x->chunk_in; i++) {
		int rc = 0;

		if (i % NUMBERS_COPIED == 0)
			rc = hw_copy_from_guest(
				numbers, guest_at(x->abi.in.extent_start, x->abi.nr_exchanged + i),
				MIN(x->chunk_in - i, NUMBERS_COPIED) * sizeof(numbers[0]));
		for (u64 j = 0; !rc && j < BIT(x->abi.in.extent_order); j++) {
			mfn_t mfn = mfn_make(numbers[i % NUMBERS_COPIED] + j);

			rc = mm_domain_steal(x->d, mfn);
			if (rc)
				break;
			if (x->stolen == FRAME_LINK_NONE)
				x->first = mfn;
			else
				x->is_run &= mfn_num(mfn) == x->stolen + 1ull;
			chain_push(&x->stolen, mfn);
		}
		if (rc)
			return rc;
	}
	return 0;
}

static int chunk_alloc(struct exchange *x)
{
	unsigned int bits = XENMEMF_get_address_bits(x->abi.out.mem_flags);

	for (u64 i = 0; i < x->chunk_out; i++) {
		mfn_t mfn = frame_alloc_below(x->abi.out.extent_order, bits ? bits : 64);

		if (mfn_is_none(mfn))
			return err(ENOMEM);
		chain_push(&x->fresh, mfn);
	}
	return 0;
}

static void chunk_undo(struct exchange *x)
{
	while (x->fresh != FRAME_LINK_NONE)
		frame_free(chain_pop(&x->fresh), x->abi.out.extent_order);
	while (x->stolen != FRAME_LINK_NONE)
		mm_domain_unsteal(x->d, chain_pop(&x->stolen));
}

/* The new extents become the domain's, at the guest frame numbers that it wants. */
static int chunk_give(struct exchange *x)
{
	int rc = 0;

	for (u64 i = 0; i < x->chunk_out; i++) {
		gva_t slot = out_slot(x, i);
		mfn_t mfn = chain_pop(&x->fresh);
		u64 gpfn, number = mfn_num(mfn);

		if (mm_domain_assign(x->d, mfn, x->abi.out.extent_order)) {
			frame_free(mfn, x->abi.out.extent_order);
			rc = err(ENOMEM);
			continue;
		}
		if (guest_get(gpfn, slot) || guest_put(slot, number)) {
			rc = err(EFAULT);
			continue;
		}
		m2p_set_run(mfn, 1u << x->abi.out.extent_order, gpfn);
	}
	return rc;
}

/* The old frames are free: in one piece if they are one, as Domain 0's memory often is. */
static void chunk_free(struct exchange *x)
{
	u64 first = mfn_num(x->first);
	bool is_piece = x->is_run && !(first & (BIT(x->chunk_order) - 1));
	unsigned int order = is_piece ? x->chunk_order : 0;

	while (x->stolen != FRAME_LINK_NONE) {
		mfn_t mfn = is_piece ? x->first : chain_pop(&x->stolen);

		if (is_piece)
			x->stolen = FRAME_LINK_NONE;
		m2p_set_run(mfn, 1u << order, M2P_INVALID);
		frame_free(mfn, order);
	}
}

static int chunk_do(struct exchange *x)
{
	int rc = chunk_probe(x) ?: chunk_steal(x) ?: chunk_alloc(x);

	if (rc) {
		chunk_undo(x);
		return rc;
	}
	chunk_free(x);
	rc = chunk_give(x);
	x->abi.nr_exchanged += x->chunk_in;
	return rc;
}

int mm_exchange(struct vcpu *v, struct subop *op)
{
	struct exchange x;
	u64 first;
	int rc = guest_get(x.abi, op->at);

	if (rc)
		return rc;
	rc = judge(v, &x);
	if (rc)
		return rc;
	first = x.abi.nr_exchanged;
	while (!rc && x.abi.nr_exchanged < x.abi.in.nr_extents) {
		if (x.abi.nr_exchanged != first && hw_preempt_wanted())
			rc = -ERESTART;
		else
			rc = chunk_do(&x);
	}
	domain_put(x.d);
	if (guest_put(gva_add(op->at, offsetof(struct xen_memory_exchange, nr_exchanged)),
		      x.abi.nr_exchanged))
		return err(EFAULT);
	return rc;
}

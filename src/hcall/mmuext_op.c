/* SPDX-License-Identifier: MIT */
/*
 * mmuext_op: pins, base pointers, TLB and cache flushes, the LDT, pages cleared and copied. Reached from the hypercall
 * table; calls mm and pv. No lock.
 */
#include "hcall/mm_args.h"
#include "hw/cpu.h"
#include "hw/flush.h"
#include "hw/layout.h"
#include "hw/mem.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "pv/pv.h"

static int baseptr_new(struct vcpu *v, u64 mfn, bool user)
{
	mfn_t root = user && !mfn ? MFN_NONE : mfn_make(mfn), old;
	int rc = pt_root_switch(v, root, user, &old);

	if (rc)
		return rc;
	pv_root_changed(v, user);
	/* Only now is the old one not loaded on this CPU any more. */
	pt_root_put(v, old);
	return 0;
}

static bool va_is_mica(u64 va)
{
	return va >= LAYOUT_START && va < LAYOUT_END;
}

static int flush_vcpus(struct vcpu *v, const struct mmuext_op *op, unsigned int kind)
{
	struct cpumask mask;
	int rc = mm_args_vcpumask(v, (u64)op->arg2.vcpumask.p, &mask);

	if (!rc)
		hw_flush_mask(&mask, kind, op->arg1.linear_addr);
	return rc;
}

static int cache_flush(struct vcpu *v, bool everywhere)
{
	if (!mm_has_io_rights(v->domain))
		return err(EACCES);
	if (everywhere)
		hw_flush_mask(&cpu_online_mask, FLUSH_CACHE, 0);
	else
		hw_flush_cache_local();
	return 0;
}

static int page_clear(struct domain *d, u64 number)
{
	mfn_t mfn = mfn_make(number);
	int rc = frame_type_get(mfn, d, FRAME_WRITABLE);

	if (rc)
		return rc;
	memset(hw_frame_map(mfn_nospec(mfn)), 0, PAGE_SIZE);
	mm_mark_dirty(d, mfn);
	frame_type_put(mfn);
	return 0;
}

static int page_copy(struct domain *d, u64 to_number, u64 from_number)
{
	mfn_t to = mfn_make(to_number), from = mfn_make(from_number);
	int rc = frame_get(from, d);

	if (rc)
		return rc;
	rc = frame_type_get(to, d, FRAME_WRITABLE);
	if (!rc) {
		memcpy(hw_frame_map(mfn_nospec(to)), hw_frame_map(mfn_nospec(from)), PAGE_SIZE);
		mm_mark_dirty(d, to);
		frame_type_put(to);
	}
	frame_put(from);
	return rc;
}

/* Commands that concern the calling vCPU or its CPU alone. */
static int op_own(struct vcpu *v, const struct mmuext_op *op)
{
	switch (op->cmd) {
	case MMUEXT_NEW_BASEPTR:
		return baseptr_new(v, op->arg1.mfn, false);
	case MMUEXT_NEW_USER_BASEPTR:
		return baseptr_new(v, op->arg1.mfn, true);
	case MMUEXT_TLB_FLUSH_LOCAL:
		flush_local();
		return 0;
	case MMUEXT_INVLPG_LOCAL:
		if (!va_is_mica(op->arg1.linear_addr))
			hw_flush_tlb_va_local(op->arg1.linear_addr);
		return 0;
	case MMUEXT_TLB_FLUSH_MULTI:
		return flush_vcpus(v, op, FLUSH_TLB);
	case MMUEXT_INVLPG_MULTI:
		return va_is_mica(op->arg1.linear_addr) ? 0 : flush_vcpus(v, op, FLUSH_VA);
	case MMUEXT_TLB_FLUSH_ALL:
		flush_domain(v->domain);
		return 0;
	case MMUEXT_INVLPG_ALL:
		if (!va_is_mica(op->arg1.linear_addr))
			flush_domain_va(v->domain, op->arg1.linear_addr);
		return 0;
	case MMUEXT_FLUSH_CACHE:
	case MMUEXT_FLUSH_CACHE_GLOBAL:
		return cache_flush(v, op->cmd == MMUEXT_FLUSH_CACHE_GLOBAL);
	case MMUEXT_SET_LDT:
		return pv_ldt_set(v, op->arg1.linear_addr, op->arg2.nr_ents);
	case MMUEXT_MARK_SUPER:
	case MMUEXT_UNMARK_SUPER:
		return err(EOPNOTSUPP);
	default:
		return err(ENOSYS);
	}
}

/* d: whom the frames belong to. */
static int op_do(struct vcpu *v, struct domain *d, const struct mmuext_op *op)
{
	switch (op->cmd) {
	case MMUEXT_PIN_L1_TABLE:
	case MMUEXT_PIN_L2_TABLE:
	case MMUEXT_PIN_L3_TABLE:
	case MMUEXT_PIN_L4_TABLE:
		return pt_pin(d, mfn_make(op->arg1.mfn), op->cmd - MMUEXT_PIN_L1_TABLE + 1);
	case MMUEXT_UNPIN_TABLE:
		return pt_unpin(d, mfn_make(op->arg1.mfn));
	case MMUEXT_CLEAR_PAGE:
		return page_clear(d, op->arg1.mfn);
	case MMUEXT_COPY_PAGE:
		return page_copy(d, op->arg1.mfn, op->arg2.src_mfn);
	default:
		return d == v->domain ? op_own(v, op) : err(EPERM);
	}
}

static int ops_do(struct vcpu *v, struct domain *d, u64 from, u32 count, u32 *done)
{
	for (*done = 0; *done < count; (*done)++) {
		union {
			struct mmuext_op op;
			u64 words[sizeof(struct mmuext_op) / sizeof(u64)];
		} copy;
		int rc;

		if (*done % 4 == 3 && hw_preempt_wanted())
			return -ERESTART;
		rc = pt_settle(v);
		if (rc)
			return rc;
		if (!hw_get_words(copy.words, gva_make(from + *done * sizeof(copy)),
				  ARRAY_SIZE(copy.words)))
			return err(EFAULT);
		rc = op_do(v, d, &copy.op);
		if (rc)
			return rc;
	}
	return 0;
}

int do_mmuext_op(struct vcpu *v, struct hcall_args *args)
{
	u32 count, before, done = 0;
	struct domain *d;
	int rc;

	rc = mm_args_batch_begin(args, &count, &before);
	if (rc)
		return rc;
	if (likely((domid_t)args->a[3] == DOMID_SELF)) {
		rc = ops_do(v, v->domain, args->a[0], count, &done);
		if (likely(!rc && !args->a[2])) {
			return 0;
		}
		return mm_args_batch_end(args, count, done, before, sizeof(struct mmuext_op), rc);
	}
	rc = subop_domain_quiet(v, (domid_t)args->a[3], &d);
	if (!rc) {
		rc = ops_do(v, d, args->a[0], count, &done);
		domain_put(d);
	}
	return mm_args_batch_end(args, count, done, before, sizeof(struct mmuext_op), rc);
}

/* SPDX-License-Identifier: MIT */
/*
 * mmu_update and update_va_mapping: page-table entries changed one by one. Reached from the hypercall table; calls
 * mm/update through pt_update(). No lock.
 */
#include "hcall/mm_args.h"
#include "hw/cpu.h"
#include "hw/flush.h"
#include "hw/mem.h"
#include "mm/mm.h"
#include "pv/pv.h"

#define REQUESTS_COPIED 16u /* at a time */

struct owners {
	struct domain *tables;
	struct domain *pages;
	bool is_referenced; /* the caller's own domain need not be */
};

static int owners_get(struct vcpu *v, u32 foreign, struct owners *owners)
{
	domid_t tables = foreign >> 16 ? (domid_t)((foreign >> 16) - 1) : DOMID_SELF;
	int rc;

	if (likely(foreign == DOMID_SELF)) {
		*owners = (struct owners){v->domain, v->domain, false};
		return 0;
	}
	owners->is_referenced = true;
	rc = subop_domain_quiet(v, tables, &owners->tables);
	if (rc)
		return rc;
	rc = mm_args_page_owner(v, (domid_t)foreign, &owners->pages);
	if (rc)
		domain_put(owners->tables);
	return rc;
}

static void owners_put(const struct owners *owners)
{
	if (!owners->is_referenced)
		return;
	domain_put(owners->tables);
	domain_put(owners->pages);
}

static int machphys_update(struct domain *d, mfn_t mfn, u64 pfn)
{
	int rc = frame_get(mfn, d);

	if (rc)
		return rc;
	m2p_set(mfn_nospec(mfn), pfn);
	frame_put(mfn);
	return 0;
}

/* A page that is wanted writable again may still be in some vCPU's LDT: it is taken from there. */
static NOINLINE int update_again(struct vcpu *v, struct domain *tables, struct domain *pages,
				 maddr_t pte, u64 value, bool preserve_ad)
{
	return (value & PTE_PRESENT) != 0 && pv_ldt_revoke(pages, pte_mfn(value))
		       ? pt_update(v, tables, pages, pte, value, preserve_ad)
		       : -EINVAL;
}

static inline int update(struct vcpu *v, struct domain *tables, struct domain *pages, maddr_t pte,
			 u64 value, bool preserve_ad)
{
	int rc = pt_update(v, tables, pages, pte, value, preserve_ad);

	return likely(rc != -EINVAL) ? rc : update_again(v, tables, pages, pte, value, preserve_ad);
}

static int request_do(struct vcpu *v, const struct owners *owners, const struct mmu_update *request)
{
	unsigned int cmd = request->ptr & 3;
	maddr_t maddr = maddr_make(request->ptr & ~3ull);

	switch (cmd) {
	case MMU_NORMAL_PT_UPDATE:
	case MMU_PT_UPDATE_PRESERVE_AD:
	case MMU_PT_UPDATE_NO_TRANSLATE:
		return update(v, owners->tables, owners->pages, maddr, request->val,
			      cmd == MMU_PT_UPDATE_PRESERVE_AD);
	default: /* MMU_MACHPHYS_UPDATE */
		return machphys_update(owners->pages, maddr_to_mfn(maddr), request->val);
	}
}

static int requests_do(struct vcpu *v, const struct owners *owners, u64 from, u32 count, u32 *done)
{
	struct mmu_update requests[REQUESTS_COPIED];

	for (*done = 0; *done < count; (*done)++) {
		u32 idx = *done % REQUESTS_COPIED;
		int rc = 0;

		if (*done && !idx && hw_preempt_wanted())
			return -ERESTART;
		if (!idx)
			rc = hw_copy_from_guest(
				requests, gva_make(from + *done * sizeof(requests[0])),
				MIN(count - *done, REQUESTS_COPIED) * sizeof(requests[0]));
		if (!rc)
			rc = request_do(v, owners, &requests[idx]);
		if (rc)
			return rc;
	}
	return 0;
}

/* The common case: one request about the caller's own. */
static int one_request_do(struct vcpu *v, struct hcall_args *args)
{
	const struct owners own = {v->domain, v->domain, false};
	union {
		struct mmu_update request;
		u64 words[sizeof(struct mmu_update) / sizeof(u64)];
	} copy;
	unsigned int cmd;

	if (!hw_get_words(copy.words, gva_make(args->a[0]), ARRAY_SIZE(copy.words)))
		return err(EFAULT);
	cmd = copy.request.ptr & 3;
	if (unlikely(cmd == MMU_MACHPHYS_UPDATE))
		return request_do(v, &own, &copy.request);
	return update(v, v->domain, v->domain, maddr_make(copy.request.ptr & ~3ull),
		      copy.request.val, cmd == MMU_PT_UPDATE_PRESERVE_AD);
}

int do_mmu_update(struct vcpu *v, struct hcall_args *args)
{
	u32 count, before, done = 0;
	struct owners owners;
	int rc;

	if (likely((u32)args->a[1] == 1 && args->a[2] == 0 && (u32)args->a[3] == DOMID_SELF))
		return one_request_do(v, args);
	rc = mm_args_batch_begin(args, &count, &before);
	if (rc)
		return rc;
	rc = owners_get(v, (u32)args->a[3], &owners);
	if (!rc) {
		rc = requests_do(v, &owners, args->a[0], count, &done);
		owners_put(&owners);
	}
	if (likely(!rc && !args->a[2])) {
		return 0;
	}
	return mm_args_batch_end(args, count, done, before, sizeof(struct mmu_update), rc);
}

/* flags of update_va_mapping: what to flush, and a set of vCPUs or a word in its place. */
static NOINLINE int flush_after(struct vcpu *v, u64 va, u64 flags)
{
	u64 who = flags & ~(u64)UVMF_FLUSHTYPE_MASK;
	bool one = (flags & UVMF_FLUSHTYPE_MASK) == UVMF_INVLPG;
	struct cpumask mask;
	int rc;

	if (who == UVMF_LOCAL) {
		if (one)
			hw_flush_tlb_va_local(va);
		else
			flush_local();
		return 0;
	}
	if (who == UVMF_ALL) {
		if (one)
			flush_domain_va(v->domain, va);
		else
			flush_domain(v->domain);
		return 0;
	}
	rc = mm_args_vcpumask(v, who, &mask);
	if (!rc)
		hw_flush_mask(&mask, one ? FLUSH_VA : FLUSH_TLB, va);
	return rc;
}

static int va_mapping_update(struct vcpu *v, struct domain *page_owner,
			     const struct hcall_args *args)
{
	u64 va = args->a[0], flags = args->a[2];
	maddr_t entry;
	int rc;

	if (unlikely((flags & UVMF_FLUSHTYPE_MASK) == UVMF_FLUSHTYPE_MASK))
		return err(EINVAL);
	rc = walk_l1_entry(v, va, &entry);
	if (likely(!rc))
		rc = update(v, v->domain, page_owner, entry, args->a[1], false);
	return likely(rc || (flags & UVMF_FLUSHTYPE_MASK) == UVMF_NONE) ? rc
									: flush_after(v, va, flags);
}

/* Restarted with unchanged arguments: an entry that already says so costs nothing. */
int do_update_va_mapping(struct vcpu *v, struct hcall_args *args)
{
	return va_mapping_update(v, v->domain, args);
}

int do_update_va_mapping_otherdomain(struct vcpu *v, struct hcall_args *args)
{
	struct domain *page_owner;
	int rc = mm_args_page_owner(v, (domid_t)args->a[3], &page_owner);

	if (rc)
		return rc;
	rc = va_mapping_update(v, page_owner, args);
	domain_put(page_owner);
	return rc;
}

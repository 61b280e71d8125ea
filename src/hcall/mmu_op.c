/* SPDX-License-Identifier: MIT */
/*
 * mmu_update and update_va_mapping: page-table entries changed one by one, through pt_update(). mmuext_op: pins, base
 * pointers, TLB and cache flushes, the LDT, pages cleared and copied. Reached from the hypercall table; calls mm and pv. No
 * lock.
 */
#include "hcall/subop.h"
#include "hw/cpu.h"
#include "hw/flush.h"
#include "hw/layout.h"
#include "hw/mem.h"
#include "lib/bitmap.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "pv/pv.h"

#define REQUESTS_COPIED 16u /* at a time */

/* ---------------------------------------------------------------- what both share */

/* Whose frames may be mapped, referenced: also DOMID_IO and, for Domain 0, DOMID_XEN. -EPERM, -ESRCH. */
static int page_owner_get(struct vcpu *v, domid_t id, struct domain **d)
{
	if (id == DOMID_IO) {
		domain_get(mm_io_domain);
		*d = mm_io_domain;
		return 0;
	}
	if (id == DOMID_XEN) {
		if (!v->domain->is_privileged)
			return err(EPERM);
		domain_get(mm_xen_domain);
		*d = mm_xen_domain;
		return 0;
	}
	return subop_domain_quiet(v, id, d);
}

/* CPUs on which the vCPUs of a guest's bitmap run or ran last. -EFAULT. */
static int vcpumask(struct vcpu *v, u64 gva, struct cpumask *mask)
{
	const struct domain *d = v->domain;
	u64 vcpus[DOMAIN_VCPUS_MAX / 64] = {0};
	int rc;

	*mask = (struct cpumask){{0}};
	rc = hw_copy_from_guest(vcpus, gva_make(gva), (d->vcpu_max + 7) / 8);
	if (rc)
		return rc;
	for (u32 i = 0; i * 64 < d->vcpu_max; i++) {
		unsigned int bit;

		for_each_set_bit(bit, vcpus[i]) {
			const struct vcpu *other = d->vcpus[i * 64 + bit];

			if (other)
				bitmap_set(mask->bits, atomic_load(&other->cpu));
		}
	}
	for (u32 i = 0; i * 64 < cpu_count; i++)
		mask->bits[i] &= atomic_load(&d->dirty_cpus.bits[i]);
	return 0;
}

/* The beginning of a batch: count, and what earlier calls did. -EFAULT. */
static int batch_begin(const struct hcall_args *args, u32 *count, u32 *before)
{
	*count = (u32)args->a[1];
	*before = 0;
	if (!(*count & MMU_BATCH_PREEMPTED))
		return 0;
	*count &= ~MMU_BATCH_PREEMPTED;
	/* The guest can write what it likes there: it is only told the sum. */
	if (args->a[2])
		return guest_get(*before, gva_make(args->a[2]));
	return 0;
}

/*
 * The end of one: tells the guest how many requests were done, and for -ERESTART rewrites the arguments (a[0] the array,
 * a[1] the count, a[2] done_out) so that the call goes on behind them. done: of this call; before: of earlier ones.
 */
static int batch_end(struct hcall_args *args, u32 count, u32 done, u32 before, size_t request_bytes,
		     int rc)
{
	u32 sum = before + done;

	if (args->a[2] && guest_put(gva_make(args->a[2]), sum) && !rc)
		rc = err(EFAULT);
	if (rc != -ERESTART)
		return rc;
	args->a[0] += done * request_bytes;
	args->a[1] = (count - done) | MMU_BATCH_PREEMPTED;
	return rc;
}

/* ---------------------------------------------------------------- entries one by one */

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
	rc = page_owner_get(v, (domid_t)foreign, &owners->pages);
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

static NOINLINE int machphys_update(struct domain *d, mfn_t mfn, u64 pfn)
{
	int rc = frame_get(mfn, d);

	if (rc)
		return rc;
	m2p_set(mfn_nospec(mfn), pfn);
	frame_put(mfn);
	return 0;
}

/*
 * A page that is wanted writable again may still be in some vCPU's LDT: it is taken from there. It may also have left by itself
 * while the update was refused, or be back before the next: so the update of a leaf is tried again in any case, and not refused
 * while the page comes and goes. (A table that is refused would be judged again and again, if that is preempted.)
 */
static NOINLINE int update_again(struct vcpu *v, struct domain *tables, struct domain *pages,
				 maddr_t pte, u64 value, bool preserve_ad)
{
	u64 table = atomic_load(&frame_of(mfn_nospec(maddr_to_mfn(pte)))->word);
	bool is_leaf = frame_word_type(table) == FRAME_L1, was_there = false;
	int rc = -EINVAL;

	for (unsigned int i = 0; i < 2 && value & PTE_PRESENT && rc == -EINVAL; i++) {
		bool is_there = pv_ldt_revoke(pages, pte_mfn(value));

		was_there |= is_there;
		if (is_there || is_leaf)
			rc = pt_update(v, tables, pages, pte, value, preserve_ad);
	}
	return rc == -EINVAL && was_there ? -ERESTART : rc;
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
	const u64 *changes =
		&owners->tables->mm->upper_generation; /* a whole table comes or goes */
	const u64 before = atomic_load(changes);

	while (*done < count) {
		u32 some = MIN(count - *done, REQUESTS_COPIED);
		int rc = hw_copy_from_guest(requests, gva_make(from + *done * sizeof(requests[0])),
					    some * sizeof(requests[0]));

		if (rc)
			return rc;
		for (u32 i = 0; i < some; i++) {
			if (unlikely(atomic_load(changes) != before) && *done &&
			    hw_preempt_wanted())
				return -ERESTART;
			rc = request_do(v, owners, &requests[i]);
			if (rc)
				return rc;
			++*done;
		}
		if (*done < count && hw_preempt_wanted())
			return -ERESTART;
	}
	return 0;
}

static NOINLINE int own_request_do(struct vcpu *v, u64 ptr, u64 value)
{
	unsigned int cmd = ptr & 3;
	maddr_t maddr = maddr_make(ptr & ~3ull);

	if (cmd == MMU_MACHPHYS_UPDATE)
		return machphys_update(v->domain, maddr_to_mfn(maddr), value);
	return update(v, v->domain, v->domain, maddr, value, cmd == MMU_PT_UPDATE_PRESERVE_AD);
}

/* The common case: one request about the caller's own. */
static inline int one_request_do(struct vcpu *v, const struct hcall_args *args)
{
	union {
		struct mmu_update request;
		u64 words[sizeof(struct mmu_update) / sizeof(u64)];
	} copy;
	unsigned int cmd;

	if (!hw_get_words(copy.words, gva_make(args->a[0]), ARRAY_SIZE(copy.words)))
		return err(EFAULT);
	cmd = copy.request.ptr & 3;
	return likely(cmd != MMU_MACHPHYS_UPDATE) &&
			       likely(pt_update_quick(
				       v, v->domain, maddr_make(copy.request.ptr & ~3ull),
				       copy.request.val, cmd == MMU_PT_UPDATE_PRESERVE_AD))
		       ? 0
		       : own_request_do(v, copy.request.ptr, copy.request.val);
}

static NOINLINE int batch_do(struct vcpu *v, struct hcall_args *args)
{
	u32 count, before, done = 0;
	struct owners owners;
	int rc = batch_begin(args, &count, &before);

	if (rc)
		return rc;
	rc = owners_get(v, (u32)args->a[3], &owners);
	if (!rc) {
		rc = requests_do(v, &owners, args->a[0], count, &done);
		owners_put(&owners);
	}
	if (likely(!rc && !args->a[2]))
		return 0;
	return batch_end(args, count, done, before, sizeof(struct mmu_update), rc);
}

int do_mmu_update(struct vcpu *v, struct hcall_args *args)
{
	if (likely((u32)args->a[1] == 1) && likely(args->a[2] == 0) &&
	    likely((u32)args->a[3] == DOMID_SELF))
		return one_request_do(v, args);
	return batch_do(v, args);
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
	rc = vcpumask(v, who, &mask);
	if (!rc)
		hw_flush_mask(&mask, one ? FLUSH_VA : FLUSH_TLB, va);
	return rc;
}

static NOINLINE int va_mapping_update(struct vcpu *v, struct domain *page_owner,
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
	maddr_t entry;

	/* The common case: the L1 of the call before, and nothing special about the entry. */
	if (unlikely((args->a[2] & UVMF_FLUSHTYPE_MASK) == UVMF_FLUSHTYPE_MASK) ||
	    unlikely(!walk_l1_known(v, args->a[0], &entry)) ||
	    unlikely(!pt_update_quick(v, v->domain, entry, args->a[1], false)))
		return va_mapping_update(v, v->domain, args);
	return likely((args->a[2] & UVMF_FLUSHTYPE_MASK) == UVMF_NONE)
		       ? 0
		       : flush_after(v, args->a[0], args->a[2]);
}

int do_update_va_mapping_otherdomain(struct vcpu *v, struct hcall_args *args)
{
	struct domain *page_owner;
	int rc = page_owner_get(v, (domid_t)args->a[3], &page_owner);

	if (rc)
		return rc;
	rc = va_mapping_update(v, page_owner, args);
	domain_put(page_owner);
	return rc;
}

/* ---------------------------------------------------------------- mmuext_op */

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
	int rc = vcpumask(v, (u64)op->arg2.vcpumask.p, &mask);

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
	/* Of each switch between processes. */
	if (likely(op->cmd == MMUEXT_NEW_BASEPTR || op->cmd == MMUEXT_NEW_USER_BASEPTR))
		return d == v->domain
			       ? baseptr_new(v, op->arg1.mfn, op->cmd == MMUEXT_NEW_USER_BASEPTR)
			       : err(EPERM);
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
	union {
		struct mmuext_op op;
		u64 words[sizeof(struct mmuext_op) / sizeof(u64)];
	} copy;

	for (u32 i = 0; i < count; *done = ++i) {
		int rc;

		/* Each fourth, and whatever comes behind a pin or unpin. */
		if (i && (i % 4 == 3 || copy.op.cmd <= MMUEXT_UNPIN_TABLE) && hw_preempt_wanted())
			return -ERESTART;
		rc = pt_settle(v);
		if (rc)
			return rc;
		if (!hw_get_words(copy.words, gva_make(from + i * sizeof(copy)),
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

	rc = batch_begin(args, &count, &before);
	if (rc)
		return rc;
	if (likely((domid_t)args->a[3] == DOMID_SELF)) {
		rc = ops_do(v, v->domain, args->a[0], count, &done);
		if (likely(!rc && !args->a[2]))
			return 0;
		return batch_end(args, count, done, before, sizeof(struct mmuext_op), rc);
	}
	rc = subop_domain_quiet(v, (domid_t)args->a[3], &d);
	if (!rc) {
		rc = ops_do(v, d, args->a[0], count, &done);
		domain_put(d);
	}
	return batch_end(args, count, done, before, sizeof(struct mmuext_op), rc);
}

/* SPDX-License-Identifier: MIT */
/*
 * grant_table_op: operations copied in by the batch, done by gnttab/, each with its status, and copied back. A batch that
 * is interrupted goes on behind what was done. Reached from the hypercall table; calls gnttab/. No lock of its own.
 */
#include "core/domain.h"
#include "gnttab/gnttab.h"
#include "hcall/subop.h"
#include "hw/cpu.h"
#include "hw/mem.h"

/* The domain that an argument names, referenced; GNTST_okay, or the status to tell the guest. */
static s16 domain_find(struct vcpu *v, domid_t id, struct domain **d)
{
	int rc = subop_domain(v, id, d);

	return rc == 0 ? GNTST_okay : rc == -ESRCH ? GNTST_bad_domain : GNTST_permission_denied;
}

/* Frame numbers into the guest's list, one by one: it may lie across pages. */
static s16 frames_tell(struct domain *d, gva_t list, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		u64 mfn = mfn_num(gnttab_frame(d, i));

		if (guest_put(gva_add(list, i * sizeof(mfn)), mfn) != 0)
			return GNTST_bad_virt_addr;
	}
	return GNTST_okay;
}

static int setup_table(struct vcpu *v, union gnttab_ops *ops, u32 count, u32 *done)
{
	struct gnttab_setup_table *op = ops->setup_table;
	struct domain *d;

	*done = count;
	op->status = domain_find(v, op->dom, &d);
	if (op->status != GNTST_okay)
		return 0;
	if (gnttab_grow(d, op->nr_frames) != 0)
		op->status = GNTST_general_error;
	else
		op->status = frames_tell(d, gva_make((u64)op->frame_list.p), op->nr_frames);
	domain_put(d);
	return 0;
}

static int query_size(struct vcpu *v, union gnttab_ops *ops, u32 count, u32 *done)
{
	struct gnttab_query_size *op = ops->query_size;
	struct domain *d;

	*done = count;
	op->status = domain_find(v, op->dom, &d);
	if (op->status != GNTST_okay)
		return 0;
	gnttab_size_get(d, &op->nr_frames, &op->max_nr_frames);
	domain_put(d);
	return 0;
}

/* Version 2 exists, but not here; others do not exist. The guest is told what it has in any case. */
static int set_version(struct vcpu *v, union gnttab_ops *ops, u32 count, u32 *done)
{
	u32 wanted = ops->set_version->version;

	*done = count;
	ops->set_version->version = GNTTAB_VERSION;
	if (wanted == GNTTAB_VERSION)
		return 0;
	return wanted == 2 ? err(ENOSYS) : err(EINVAL);
}

static int get_version(struct vcpu *v, union gnttab_ops *ops, u32 count, u32 *done)
{
	struct domain *d;
	int rc = subop_domain(v, ops->get_version->dom, &d);

	if (rc != 0)
		return rc;
	*done = count;
	domain_put(d);
	ops->get_version->version = GNTTAB_VERSION;
	return 0;
}

/* Status frames belong to version 2. */
static int get_status_frames(struct vcpu *v, union gnttab_ops *ops, u32 count, u32 *done)
{
	struct gnttab_get_status_frames *op = ops->get_status_frames;
	struct domain *d;

	*done = count;
	op->status = domain_find(v, op->dom, &d);
	if (op->status == GNTST_okay) {
		domain_put(d);
		op->status = GNTST_general_error;
	}
	return 0;
}

/* Refused: nobody has used it for long. With this status the page stays the caller's. */
static int transfer(struct vcpu *v, union gnttab_ops *ops, u32 count, u32 *done)
{
	for (*done = 0; *done < count; (*done)++)
		ops->transfer[*done].status = GNTST_bad_page;
	return 0;
}

static int swap(struct vcpu *v, union gnttab_ops *ops, u32 count, u32 *done)
{
	for (*done = 0; *done < count; (*done)++) {
		struct gnttab_swap_grant_ref *op = &ops->swap_grant_ref[*done];

		op->status = gnttab_swap(v->domain, op->ref_a, op->ref_b);
	}
	return 0;
}

/* For machines whose devices do not see what is in caches. */
static int cache_flush(struct vcpu *v, union gnttab_ops *ops, u32 count, u32 *done)
{
	for (*done = 0; *done < count; (*done)++)
		if (ops->cache_flush[*done].length != 0 && ops->cache_flush[*done].op != 0)
			return err(EOPNOTSUPP);
	return 0;
}

static const struct row {
	int (*fn)(struct vcpu *v, union gnttab_ops *ops, u32 count, u32 *done);
	u16 bytes;
	bool is_single;
} rows[] = {
#define ROW(name, handler, single)                                                 \
	[GNTTABOP_##name] = {.fn = (handler),                                      \
			     .bytes = sizeof(((union gnttab_ops *)NULL)->name[0]), \
			     .is_single = (single)}
	ROW(map_grant_ref, gnttab_map, false),
	ROW(unmap_grant_ref, gnttab_unmap, false),
	ROW(setup_table, setup_table, true),
	ROW(transfer, transfer, false),
	ROW(copy, gnttab_copy, false),
	ROW(query_size, query_size, true),
	ROW(unmap_and_replace, gnttab_replace, false),
	ROW(set_version, set_version, true),
	ROW(get_status_frames, get_status_frames, true),
	ROW(get_version, get_version, true),
	ROW(swap_grant_ref, swap, false),
	ROW(cache_flush, cache_flush, false),
};

/* (operation, list, count). What is left of list and count after an interruption is judged again like any other. */
int do_grant_table_op(struct vcpu *v, struct hcall_args *args)
{
	u32 cmd = (u32)args->a[0], left = (u32)args->a[2];
	const struct row *row = &rows[idx_nospec(cmd, ARRAY_SIZE(rows))];
	union gnttab_ops ops;
	int rc = 0;

	if ((s32)left < 0 || (cmd < ARRAY_SIZE(rows) && row->is_single && left != 1))
		return err(EINVAL);
	if (cmd >= ARRAY_SIZE(rows) || row->fn == NULL)
		return err(ENOSYS);
	while (left != 0 && rc == 0) {
		u32 count = MIN(left, GNTTAB_OPS_MAX), done = 0;
		gva_t at = gva_make(args->a[1]);

		if (hw_copy_from_guest(&ops, at, count * row->bytes) != 0)
			return err(EFAULT);
		rc = row->fn(v, &ops, count, &done);
		if (done != 0 && hw_copy_to_guest(at, &ops, done * row->bytes) != 0)
			return err(EFAULT);
		left -= done;
		args->a[1] += done * row->bytes;
		args->a[2] = left;
		if (rc == 0 && left != 0 && hw_preempt_wanted())
			rc = -ERESTART;
	}
	return rc;
}

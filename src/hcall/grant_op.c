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

static int setup_table(struct vcpu *v, void *arg)
{
	struct gnttab_setup_table *op = arg;
	DOMAIN_REF d = NULL;

	op->status = domain_find(v, op->dom, &d);
	if (op->status != GNTST_okay)
		return 0;
	if (gnttab_grow(d, op->nr_frames) != 0)
		op->status = GNTST_general_error;
	else
		op->status = frames_tell(d, guest_at(op->frame_list, 0), op->nr_frames);
	return 0;
}

static int query_size(struct vcpu *v, void *arg)
{
	struct gnttab_query_size *op = arg;
	DOMAIN_REF d = NULL;

	op->status = domain_find(v, op->dom, &d);
	if (op->status == GNTST_okay)
		gnttab_size_get(d, &op->nr_frames, &op->max_nr_frames);
	return 0;
}

/* Version 2 exists, but not here; others do not exist. The guest is told what it has in any case. */
static int set_version(struct vcpu *v, void *arg)
{
	struct gnttab_set_version *op = arg;
	u32 wanted = op->version;

	op->version = GNTTAB_VERSION;
	if (wanted == GNTTAB_VERSION)
		return 0;
	return wanted == 2 ? err(ENOSYS) : err(EINVAL);
}

static int get_version(struct vcpu *v, void *arg)
{
	struct gnttab_get_version *op = arg;
	DOMAIN_REF d = NULL;
	int rc = subop_domain(v, op->dom, &d);

	if (rc == 0)
		op->version = GNTTAB_VERSION;
	return rc;
}

/* Status frames belong to version 2. */
static int get_status_frames(struct vcpu *v, void *arg)
{
	struct gnttab_get_status_frames *op = arg;
	DOMAIN_REF d = NULL;

	op->status = domain_find(v, op->dom, &d);
	if (op->status == GNTST_okay)
		op->status = GNTST_general_error;
	return 0;
}

/* Refused: nobody has used it for long. With this status the page stays the caller's. */
static int transfer(struct vcpu *v, void *arg)
{
	((struct gnttab_transfer *)arg)->status = GNTST_bad_page;
	return 0;
}

static int swap(struct vcpu *v, void *arg)
{
	struct gnttab_swap_grant_ref *op = arg;

	op->status = gnttab_swap(v->domain, op->ref_a, op->ref_b);
	return 0;
}

/* For machines whose devices do not see what is in caches. */
static int cache_flush(struct vcpu *v, void *arg)
{
	const struct gnttab_cache_flush *op = arg;

	return op->length != 0 && op->op != 0 ? err(EOPNOTSUPP) : 0;
}

/* Operations that are done a batch at a time, or one by one; some come alone. */
static const struct row {
	int (*batch)(struct vcpu *v, union gnttab_ops *ops, u32 count, u32 *done);
	int (*one)(struct vcpu *v, void *arg);
	u16 bytes;
	bool is_single;
} rows[] = {
#define ROW(name, ...) \
	[GNTTABOP_##name] = {.bytes = sizeof(((union gnttab_ops *)NULL)->name[0]), __VA_ARGS__}
	ROW(map_grant_ref, .batch = gnttab_map),
	ROW(unmap_grant_ref, .batch = gnttab_unmap),
	ROW(setup_table, .one = setup_table, .is_single = true),
	ROW(transfer, .one = transfer),
	ROW(copy, .batch = gnttab_copy),
	ROW(query_size, .one = query_size, .is_single = true),
	ROW(unmap_and_replace, .batch = gnttab_replace),
	ROW(set_version, .one = set_version, .is_single = true),
	ROW(get_status_frames, .one = get_status_frames, .is_single = true),
	ROW(get_version, .one = get_version, .is_single = true),
	ROW(swap_grant_ref, .one = swap),
	ROW(cache_flush, .one = cache_flush),
};

static int each(struct vcpu *v, const struct row *row, union gnttab_ops *ops, u32 count, u32 *done)
{
	int rc = 0;

	for (*done = 0; rc == 0 && *done < count; (*done)++)
		rc = row->one(v, (u8 *)ops + *done * row->bytes);
	return rc;
}

/* (operation, list, count). What is left of list and count after an interruption is judged again like any other. */
int do_grant_table_op(struct vcpu *v, struct hcall_args *args)
{
	u32 cmd = (u32)args->a[0], left = (u32)args->a[2];
	const struct row *row = &rows[idx_nospec(cmd, ARRAY_SIZE(rows))];
	union gnttab_ops ops;
	int rc = 0;

	if ((s32)left < 0 || (cmd < ARRAY_SIZE(rows) && row->is_single && left != 1))
		return err(EINVAL);
	if (cmd >= ARRAY_SIZE(rows) || row->bytes == 0)
		return err(ENOSYS);
	while (left != 0 && rc == 0) {
		u32 count = MIN(left, GNTTAB_OPS_MAX), done = 0;
		gva_t at = gva_make(args->a[1]);

		if (hw_copy_from_guest(&ops, at, count * row->bytes) != 0)
			return err(EFAULT);
		rc = row->batch != NULL ? row->batch(v, &ops, count, &done)
					: each(v, row, &ops, count, &done);
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

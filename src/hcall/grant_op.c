/* SPDX-License-Identifier: MIT */
/*
 * grant_table_op: the size, the frames and the version of the table (1, always). Maps and copies are refused until there
 * is somebody to share with. Reached from the hypercall table; calls gnttab/. No lock of its own.
 */
#include "core/domain.h"
#include "gnttab/gnttab.h"
#include "hcall/hcall.h"
#include "hw/mem.h"

/* The domain that an argument names, referenced; GNTST_okay, or the status to tell the guest. */
static s16 domain_find(struct domain *self, domid_t id, struct domain **d)
{
	*d = domain_get_by_id(id == DOMID_SELF ? self->id : id);
	if (*d == NULL)
		return GNTST_bad_domain;
	if (*d == self || self->is_privileged)
		return GNTST_okay;
	domain_put(*d);
	return GNTST_permission_denied;
}

/* Frame numbers into the guest's list, one by one: it may lie across pages. */
static s16 frames_tell(struct domain *d, gva_t list, u32 count)
{
	for (u32 i = 0; i < count; i++) {
		u64 mfn = mfn_num(gnttab_frame(d, i));

		if (hw_copy_to_guest(gva_add(list, i * sizeof(mfn)), &mfn, sizeof(mfn)) != 0)
			return GNTST_bad_virt_addr;
	}
	return GNTST_okay;
}

static int setup_table(struct vcpu *v, gva_t at, u32 count)
{
	struct gnttab_setup_table arg;
	struct domain *d;

	if (count != 1)
		return err(EINVAL);
	if (hw_copy_from_guest(&arg, at, sizeof(arg)) != 0)
		return err(EFAULT);
	arg.status = domain_find(v->domain, arg.dom, &d);
	if (arg.status == GNTST_okay) {
		if (gnttab_grow(d, arg.nr_frames) != 0)
			arg.status = GNTST_general_error;
		else
			arg.status = frames_tell(d, gva_make((u64)arg.frame_list.p), arg.nr_frames);
		domain_put(d);
	}
	return hw_copy_to_guest(at, &arg, sizeof(arg)) == 0 ? 0 : err(EFAULT);
}

static int query_size(struct vcpu *v, gva_t at, u32 count)
{
	struct gnttab_query_size arg;
	struct domain *d;

	if (count != 1)
		return err(EINVAL);
	if (hw_copy_from_guest(&arg, at, sizeof(arg)) != 0)
		return err(EFAULT);
	arg.status = domain_find(v->domain, arg.dom, &d);
	if (arg.status == GNTST_okay) {
		gnttab_size_get(d, &arg.nr_frames, &arg.max_nr_frames);
		domain_put(d);
	}
	return hw_copy_to_guest(at, &arg, sizeof(arg)) == 0 ? 0 : err(EFAULT);
}

/* Version 2 exists, but not here; others do not exist. The guest is told what it has in any case. */
static int set_version(gva_t at)
{
	struct gnttab_set_version arg;
	int rc = 0;

	if (hw_copy_from_guest(&arg, at, sizeof(arg)) != 0)
		return err(EFAULT);
	if (arg.version != GNTTAB_VERSION)
		rc = arg.version == 2 ? err(ENOSYS) : err(EINVAL);
	arg.version = GNTTAB_VERSION;
	return hw_copy_to_guest(at, &arg, sizeof(arg)) == 0 ? rc : err(EFAULT);
}

static int get_version(struct vcpu *v, gva_t at)
{
	struct gnttab_get_version arg;
	struct domain *d;
	s16 status;

	if (hw_copy_from_guest(&arg, at, sizeof(arg)) != 0)
		return err(EFAULT);
	status = domain_find(v->domain, arg.dom, &d);
	if (status != GNTST_okay)
		return status == GNTST_bad_domain ? err(ESRCH) : err(EPERM);
	domain_put(d);
	arg.version = GNTTAB_VERSION;
	return hw_copy_to_guest(at, &arg, sizeof(arg)) == 0 ? 0 : err(EFAULT);
}

/* Status frames belong to version 2. */
static int get_status_frames(struct vcpu *v, gva_t at, u32 count)
{
	struct gnttab_get_status_frames arg;
	struct domain *d;

	if (count != 1)
		return err(EINVAL);
	if (hw_copy_from_guest(&arg, at, sizeof(arg)) != 0)
		return err(EFAULT);
	arg.status = domain_find(v->domain, arg.dom, &d);
	if (arg.status == GNTST_okay) {
		arg.status = GNTST_general_error;
		domain_put(d);
	}
	return hw_copy_to_guest(at, &arg, sizeof(arg)) == 0 ? 0 : err(EFAULT);
}

int do_grant_table_op(struct vcpu *v, struct hcall_args *args)
{
	gva_t at = gva_make(args->a[1]);
	u32 count = (u32)args->a[2];

	args->result = 0;
	if ((s32)count < 0)
		return err(EINVAL);
	switch ((u32)args->a[0]) {
	case GNTTABOP_setup_table:
		return setup_table(v, at, count);
	case GNTTABOP_query_size:
		return query_size(v, at, count);
	case GNTTABOP_set_version:
		return set_version(at);
	case GNTTABOP_get_version:
		return get_version(v, at);
	case GNTTABOP_get_status_frames:
		return get_status_frames(v, at, count);
	case GNTTABOP_map_grant_ref:
	case GNTTABOP_unmap_grant_ref:
	case GNTTABOP_transfer:
	case GNTTABOP_copy:
	case GNTTABOP_unmap_and_replace:
		return count == 0 ? 0 : err(ENOSYS); /* a batch of none is done */
	default:
		return err(ENOSYS);
	}
}

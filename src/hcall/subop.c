/* SPDX-License-Identifier: MIT */
/*
 * A sub-operation by its family's table: copied in, done, copied back. Reached from the families' files; calls their
 * functions. No lock.
 */
#include "hcall/subop.h"
#include "hw/mem.h"
#include "lib/string.h"

static int act(struct vcpu *v, const struct subop_row *row, struct subop *op)
{
	int rc = row->fn(v, op);

	if (rc != 0 || row->out == 0 || hw_copy_to_guest(op->at, &op->arg, row->out) == 0)
		return rc;
	if (row->undo != NULL)
		row->undo(v, op);
	return err(EFAULT);
}

int subop_do(struct vcpu *v, const struct subop_row *rows, size_t count, struct subop *op)
{
	const struct subop_row *row = &rows[idx_nospec(op->cmd, count)];
	domid_t id;
	int rc;

	if (op->cmd >= count)
		return err(ENOSYS);
	if (row->fn == NULL)
		return err(row->error != 0 ? row->error : ENOSYS);
	if (row->rights == SUBOP_HARDWARE && !v->domain->is_hardware)
		return err(EPERM);
	if (row->rights == SUBOP_OWN && op->target != v)
		return err(EINVAL);
	if (row->in != 0 && hw_copy_from_guest(&op->arg, op->at, row->in) != 0)
		return err(EFAULT);
	op->d = v->domain;
	if (row->domid == 0)
		return act(v, row, op);
	memcpy(&id, (u8 *)&op->arg + row->domid - 1, sizeof(id));
	rc = (row->rights == SUBOP_QUIET ? subop_domain_quiet : subop_domain)(v, id, &op->d);
	if (rc != 0)
		return rc;
	rc = act(v, row, op);
	domain_put(op->d);
	return rc;
}

int subop_call(struct vcpu *v, const struct subop_row *rows, size_t count, u64 cmd, gva_t at,
	       struct hcall_args *args)
{
	struct subop op;

	op.cmd = cmd;
	op.at = at;
	op.args = args;
	op.target = v;
	return subop_do(v, rows, count, &op);
}

int subop_compat(struct vcpu *v, const struct subop_row *rows, u32 first, u32 last, size_t arg_at,
		 struct hcall_args *args)
{
	gva_t at = gva_make(args->a[0]);
	u32 cmd;

	if (guest_get(cmd, at) != 0)
		return err(EFAULT);
	if (cmd < first || cmd > last)
		return err(ENOSYS);
	return subop_call(v, rows, last + 1, cmd, gva_add(at, arg_at), args);
}

int subop_domain(struct vcpu *v, domid_t id, struct domain **d)
{
	bool is_own = id == DOMID_SELF || id == v->domain->id;
	DOMAIN_REF found = domain_get_by_id(is_own ? v->domain->id : id);

	if (found == NULL)
		return err(ESRCH);
	if (!is_own && !v->domain->is_privileged)
		return err(EPERM);
	domain_get(found);
	*d = found;
	return 0;
}

int subop_domain_quiet(struct vcpu *v, domid_t id, struct domain **d)
{
	if (id != DOMID_SELF && id != v->domain->id && !v->domain->is_privileged)
		return err(EPERM);
	return subop_domain(v, id, d);
}

int subop_tool_begin(struct vcpu *v, const struct hcall_args *args, void *op, size_t bytes,
		     u32 version)
{
	if (!v->domain->is_privileged)
		return err(EPERM);
	if (hw_copy_from_guest(op, gva_make(args->a[0]), bytes) != 0)
		return err(EFAULT);
	return ((const u32 *)op)[1] != version ? err(EACCES) : 0;
}

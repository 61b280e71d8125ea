/* SPDX-License-Identifier: MIT */
/*
 * From registers to a handler and back; and multicall, the hypercall that holds others. Reached from entry/; calls the
 * table. No lock.
 */
#include "core/trace.h"
#include "hcall/priv.h"
#include "hw/cpu.h"
#include "hw/mem.h"
#include "pv/pv.h"

#define SYSCALL_BYTES 2

int hcall_call(struct vcpu *v, u64 number, struct hcall_args *args)
{
	if (number >= HCALL_COUNT || hcall_table[idx_nospec(number, HCALL_COUNT)].fn == NULL)
		return err(ENOSYS);
	return hcall_table[idx_nospec(number, HCALL_COUNT)].fn(v, args);
}

bool hcall_dispatch(struct vcpu *v)
{
	struct regs *regs = v->pv->regs;
	u64 number = regs->rax, rip = regs->rip;
	struct hcall_args args = {
		.a = {regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9}};
	int rc;

	trace(TRACE_HYPERCALL, number, args.a[0], NULL);
	if (number == __HYPERVISOR_iret) { /* leaves with a whole set of registers of its own */
		pv_iret(v);
		return false;
	}
	rc = hcall_call(v, number, &args);
	if (rc == -ERESTART) {
		regs->rdi = args.a[0];
		regs->rsi = args.a[1];
		regs->rdx = args.a[2];
		regs->r10 = args.a[3];
		regs->r8 = args.a[4];
		regs->r9 = args.a[5];
		regs->rip = rip - SYSCALL_BYTES;
		return true;
	}
	regs->rax = rc != 0 ? (u64)(s64)rc : args.result;
	return true;
}

int do_iret(struct vcpu *v, struct hcall_args *args)
{
	/* Only the dispatcher may do it: inside a multicall the rest of the batch would run in another world. */
	(void)v;
	(void)args;
	return err(ENOSYS);
}

/* One entry: 0, or -ERESTART with the entry's arguments rewritten for the next try. */
static int entry_run(struct vcpu *v, struct multicall_entry *entry)
{
	struct hcall_args args = {.a = {entry->args[0], entry->args[1], entry->args[2],
					entry->args[3], entry->args[4], entry->args[5]}};
	int rc;

	if (entry->op == __HYPERVISOR_multicall || entry->op == __HYPERVISOR_iret)
		rc = err(ENOSYS);
	else
		rc = hcall_call(v, entry->op, &args);
	if (rc == -ERESTART) {
		for (unsigned int i = 0; i < 6; i++)
			entry->args[i] = args.a[i];
		return rc;
	}
	entry->result = rc != 0 ? (u64)(s64)rc : args.result;
	return 0;
}

/* (list, count): each entry's result is written back to it. */
int do_multicall(struct vcpu *v, struct hcall_args *args)
{
	args->a[1] = (u32)args->a[1];
	while (args->a[1] != 0) {
		struct multicall_entry entry;
		gva_t at = gva_make(args->a[0]);
		int rc;

		if (args->a[1] % 4 == 0 && hw_preempt_wanted())
			return -ERESTART;
		if (hw_copy_from_guest(&entry, at, sizeof(entry)) != 0)
			return err(EFAULT);
		rc = entry_run(v, &entry);
		if (rc == -ERESTART) {
			if (hw_copy_to_guest(at, &entry, sizeof(entry)) != 0)
				return err(EFAULT);
			return rc;
		}
		if (hw_copy_to_guest(gva_add(at, offsetof(struct multicall_entry, result)),
				     &entry.result, sizeof(entry.result)) != 0)
			return err(EFAULT);
		args->a[0] += sizeof(entry);
		args->a[1]--;
		if (v->domain->is_crashed)
			break;
	}
	args->result = 0;
	return 0;
}

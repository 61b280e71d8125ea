/* SPDX-License-Identifier: MIT */
/*
 * The hypercall table, from registers to a handler and back; and multicall, the hypercall that holds others. Reached from
 * entry/ and reports; calls the handlers. No lock.
 */
#include "hcall/hcall.h"
#include "hw/cpu.h"
#include "hw/mem.h"
#include "pv/pv.h"

#define SYSCALL_BYTES 2

static int do_unknown(struct vcpu *v, struct hcall_args *args)
{
	return err(ENOSYS);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init" /* all, then those that there are */
const hcall_fn hcall_table[HCALL_COUNT] = {
#define ALL	    [0 ... HCALL_COUNT - 1] = do_unknown,
#define ROW(number) [__HYPERVISOR_##number] = do_##number,
	ALL HCALL_LIST(ROW)
#undef ROW
#undef ALL
};
#pragma GCC diagnostic pop

const char *hcall_name(u64 number)
{
	static const char *const names[HCALL_COUNT] = {
#define ROW(number) [__HYPERVISOR_##number] = #number,
		HCALL_LIST(ROW)
#undef ROW
	};

	return number < HCALL_COUNT && names[number] != NULL ? names[number] : "unknown";
}

void hcall_refused(struct vcpu *v, int rc)
{
	struct regs *regs = v->pv->regs;

	/* The instruction is run again, with what the handler made of its arguments. */
	if (rc == -ERESTART)
		regs->rip -= SYSCALL_BYTES;
	regs->rax = rc == -ERESTART ? regs->number : (u64)(s64)rc;
}

int do_iret(struct vcpu *v, struct hcall_args *args)
{
	pv_iret(v);
	return HCALL_NO_ANSWER;
}

/* One entry: 0, or -ERESTART with the entry's arguments rewritten for the next try. */
static inline int entry_run(struct vcpu *v, u64 op, struct hcall_args *args)
{
	int rc;

	/* After an iret the rest of the batch would run in another world. */
	if (unlikely(op == __HYPERVISOR_multicall || op == __HYPERVISOR_iret))
		rc = err(ENOSYS);
	else
		rc = hcall_run(v, op, args);
	if (unlikely(rc != 0) && rc != -ERESTART) {
		args->result = (u64)(s64)rc;
		return 0;
	}
	return rc;
}

static int entry_rewrite(gva_t at, const struct hcall_args *args)
{
	return hw_copy_to_guest(gva_add(at, offsetof(struct multicall_entry, args)), args->a,
				sizeof(args->a)) != 0
		       ? err(EFAULT)
		       : -ERESTART;
}

#define ENTRY_WORDS (sizeof(struct multicall_entry) / sizeof(u64))
_Static_assert(ENTRY_WORDS == 8 && offsetof(struct multicall_entry, args) == 16, "");

/* (list, count): each entry's result is written back to it. */
int do_multicall(struct vcpu *v, struct hcall_args *args)
{
	args->a[1] = (u32)args->a[1];
	for (; args->a[1] != 0; args->a[1]--) {
		struct {
			u64 op, old_result;
			struct hcall_args args; /* and here the result that the guest gets */
		} copy;
		gva_t at = gva_make(args->a[0]);

		if (!hw_get_words(&copy.op, at, ENTRY_WORDS))
			return err(EFAULT);
		/* Four may come together, but of those that clear megabytes or free a table's pages each alone. */
		if ((args->a[1] % 4 == 0 || copy.op == __HYPERVISOR_mmu_update ||
		     unlikely(copy.op == __HYPERVISOR_memory_op)) &&
		    hw_preempt_wanted())
			return -ERESTART;
		copy.args.result = 0;
		if (unlikely(entry_run(v, copy.op, &copy.args) != 0))
			return entry_rewrite(at, &copy.args);
		if (!hw_put_word(gva_add(at, offsetof(struct multicall_entry, result)),
				 copy.args.result))
			return err(EFAULT);
		args->a[0] += sizeof(struct multicall_entry);
		if (unlikely(v->domain->is_crashed))
			break;
	}
	return 0;
}

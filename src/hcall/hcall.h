/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls: number -> handler. The dispatcher (dispatch.c) takes the arguments from the registers, calls the row of its
 * table, and stores the result. Handlers only decode: they copy in, act through a module's function, copy back.
 * Reached from entry/; calls everything below. No lock of its own.
 */
#pragma once

#include "core/domain.h"
#include "hw/regs.h"
#include "lib/types.h"

/* Arguments in ABI order (rdi rsi rdx r10 r8 r9). result: what the guest gets in rax when the handler returned 0; 0 before. */
struct hcall_args {
	u64 a[6];
	u64 result;
};

/* Element i of an array that a guest names: never a sum of pointers, which C gives no meaning for what a guest may say. */
#define guest_at(handle, i) gva_make((u64)(handle).p + (u64)(i) * sizeof(*(handle).p))

/* A whole object from the guest's memory, and to it: 0 or -EFAULT. Whoever uses them includes hw/mem.h. */
#define guest_get(object, at) hw_copy_from_guest(&(object), at, sizeof(object))
#define guest_put(at, object) hw_copy_to_guest(at, &(object), sizeof(object))

/*
 * 0 with args->result (not negative as a long, unless the ABI says so), a negative errno, or -ERESTART after a[] was
 * rewritten: the guest's instruction pointer is moved back over the call and it comes again. Handlers judge a[] afresh
 * then. `v` is the calling vCPU and its address space is loaded.
 */
typedef int (*hcall_fn)(struct vcpu *v, struct hcall_args *args);

#define HCALL_COUNT 64
extern const hcall_fn hcall_table[HCALL_COUNT];
const char *hcall_name(u64 number);

static inline int hcall_run(struct vcpu *v, u64 number, struct hcall_args *args)
{
	if (unlikely(number >= HCALL_COUNT))
		return err(ENOSYS);
	number = idx_nospec(number, HCALL_COUNT);
	perf_count(hypercalls[number]);
	return hcall_table[number](v, args);
}

/* What iret says: the registers are a whole new set, and there is no answer. */
#define HCALL_NO_ANSWER 1

/* Afterwards, if that said anything but 0: the answer, or that the call is to come again. */
void hcall_refused(struct vcpu *v, int rc);

_Static_assert(offsetof(struct regs, rax) - offsetof(struct regs, rdi) ==
		       offsetof(struct hcall_args, result),
	       "the stub makes the arguments of the registers");

/* __HYPERVISOR_<name> is do_<name>(); what is not here answers -ENOSYS. */
#define HCALL_LIST(ROW)                    \
	ROW(set_trap_table)                \
	ROW(mmu_update)                    \
	ROW(set_gdt)                       \
	ROW(stack_switch)                  \
	ROW(set_callbacks)                 \
	ROW(fpu_taskswitch)                \
	ROW(sched_op_compat)               \
	ROW(platform_op)                   \
	ROW(set_debugreg)                  \
	ROW(get_debugreg)                  \
	ROW(update_descriptor)             \
	ROW(memory_op)                     \
	ROW(multicall)                     \
	ROW(update_va_mapping)             \
	ROW(set_timer_op)                  \
	ROW(event_channel_op_compat)       \
	ROW(xen_version)                   \
	ROW(console_io)                    \
	ROW(physdev_op_compat)             \
	ROW(grant_table_op)                \
	ROW(vm_assist)                     \
	ROW(update_va_mapping_otherdomain) \
	ROW(iret)                          \
	ROW(vcpu_op)                       \
	ROW(set_segment_base)              \
	ROW(mmuext_op)                     \
	ROW(xsm_op)                        \
	ROW(nmi_op)                        \
	ROW(sched_op)                      \
	ROW(callback_op)                   \
	ROW(event_channel_op)              \
	ROW(physdev_op)                    \
	ROW(sysctl)                        \
	ROW(domctl)                        \
	ROW(mca)                           \
	ROW(xenpmu_op)

#define DECLARE(name) int do_##name(struct vcpu *v, struct hcall_args *args);
HCALL_LIST(DECLARE)
#undef DECLARE

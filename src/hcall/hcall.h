/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls: number -> handler. The dispatcher (dispatch.c) takes the arguments from the registers, calls the row of
 * table.c, and stores the result. Handlers only decode: they copy in, act through a module's function, copy back.
 * Reached from entry/; calls everything below. No lock of its own.
 */
#ifndef HCALL_HCALL_H
#define HCALL_HCALL_H

#include "core/domain.h"
#include "lib/types.h"

/* Arguments in ABI order (rdi rsi rdx r10 r8 r9). result: what the guest gets in rax when the handler returned 0. */
struct hcall_args {
	u64 a[6];
	u64 result;
};

/* Element i of an array that a guest names: never a sum of pointers, which C gives no meaning for what a guest may say. */
#define guest_at(handle, i) gva_make((u64)(handle).p + (u64)(i) * sizeof(*(handle).p))

/*
 * 0 with args->result (not negative as a long, unless the ABI says so), a negative errno, or -ERESTART after a[] was
 * rewritten: the guest's instruction pointer is moved back over the call and it comes again. Handlers judge a[] afresh
 * then. `v` is the calling vCPU and its address space is loaded.
 */
typedef int (*hcall_fn)(struct vcpu *v, struct hcall_args *args);

/* From entry/: runs the hypercall that v's registers ask for. False: it was iret, and v's registers are all new. */
bool hcall_dispatch(struct vcpu *v);
const char *hcall_name(u64 number);

int do_set_trap_table(struct vcpu *v, struct hcall_args *args);
int do_mmu_update(struct vcpu *v, struct hcall_args *args);
int do_set_gdt(struct vcpu *v, struct hcall_args *args);
int do_stack_switch(struct vcpu *v, struct hcall_args *args);
int do_set_callbacks(struct vcpu *v, struct hcall_args *args);
int do_fpu_taskswitch(struct vcpu *v, struct hcall_args *args);
int do_sched_op_compat(struct vcpu *v, struct hcall_args *args);
int do_platform_op(struct vcpu *v, struct hcall_args *args);
int do_set_debugreg(struct vcpu *v, struct hcall_args *args);
int do_get_debugreg(struct vcpu *v, struct hcall_args *args);
int do_update_descriptor(struct vcpu *v, struct hcall_args *args);
int do_memory_op(struct vcpu *v, struct hcall_args *args);
int do_multicall(struct vcpu *v, struct hcall_args *args);
int do_update_va_mapping(struct vcpu *v, struct hcall_args *args);
int do_set_timer_op(struct vcpu *v, struct hcall_args *args);
int do_event_channel_op_compat(struct vcpu *v, struct hcall_args *args);
int do_xen_version(struct vcpu *v, struct hcall_args *args);
int do_console_io(struct vcpu *v, struct hcall_args *args);
int do_physdev_op_compat(struct vcpu *v, struct hcall_args *args);
int do_grant_table_op(struct vcpu *v, struct hcall_args *args);
int do_vm_assist(struct vcpu *v, struct hcall_args *args);
int do_update_va_mapping_otherdomain(struct vcpu *v, struct hcall_args *args);
int do_iret(struct vcpu *v, struct hcall_args *args);
int do_vcpu_op(struct vcpu *v, struct hcall_args *args);
int do_set_segment_base(struct vcpu *v, struct hcall_args *args);
int do_mmuext_op(struct vcpu *v, struct hcall_args *args);
int do_xsm_op(struct vcpu *v, struct hcall_args *args);
int do_nmi_op(struct vcpu *v, struct hcall_args *args);
int do_sched_op(struct vcpu *v, struct hcall_args *args);
int do_callback_op(struct vcpu *v, struct hcall_args *args);
int do_event_channel_op(struct vcpu *v, struct hcall_args *args);
int do_physdev_op(struct vcpu *v, struct hcall_args *args);
int do_sysctl(struct vcpu *v, struct hcall_args *args);
int do_domctl(struct vcpu *v, struct hcall_args *args);
int do_mca(struct vcpu *v, struct hcall_args *args);
int do_xenpmu_op(struct vcpu *v, struct hcall_args *args);

#endif

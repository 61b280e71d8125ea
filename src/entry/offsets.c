/* SPDX-License-Identifier: MIT */
/* Never linked: the compiler's word on structure offsets, for assembly. tools/offsets.py makes asm_offsets.h of it. */
#include "entry/entry_cpu.h"
#include "hw/regs.h"
#include "pv/pv.h"

#define OFFSET(name, value) __asm__ volatile("\n->" #name " %c0" : : "i"((long)(value)))

#define REGS(field) OFFSET(REGS_##field, offsetof(struct regs, field))
#define V(field)    OFFSET(V_##field, offsetof(struct pv_entry, field))

void offsets(void);
void offsets(void)
{
	OFFSET(REGS_SIZE, sizeof(struct regs));
	REGS(r15);
	REGS(r14);
	REGS(r13);
	REGS(r12);
	REGS(rbp);
	REGS(rbx);
	REGS(rdi);
	REGS(r11);
	REGS(number);
	REGS(rip);
	REGS(rflags);
	REGS(rsp);
	OFFSET(ENTRY_rsp, offsetof(struct entry_cpu, rsp));
	OFFSET(ENTRY_v, offsetof(struct entry_cpu, v));
	OFFSET(ENTRY_stack, offsetof(struct entry_cpu, stack));
	OFFSET(ENTRY_root, offsetof(struct entry_cpu, root));
	OFFSET(ENTRY_trap_guest, offsetof(struct entry_cpu, trap_guest));
	OFFSET(ENTRY_trap_own, offsetof(struct entry_cpu, trap_own));
	OFFSET(ENTRY_trap_ist, offsetof(struct entry_cpu, trap_ist));
	OFFSET(ENTRY_hypercall, offsetof(struct entry_cpu, hypercall));
	OFFSET(ENTRY_hypercall_leave, offsetof(struct entry_cpu, hypercall_leave));
	OFFSET(ENTRY_bounce_fault, offsetof(struct entry_cpu, bounce_fault));
	OFFSET(ENTRY_data_selector, offsetof(struct entry_cpu, data_selector));
	V(mode);
	V(rax);
	V(rcx);
	V(info);
	V(kernel_cr3);
	V(user_cr3);
	V(c_kernel_cr3);
	V(c_user_cr3);
	V(syscall_sp);
	V(fault_sp);
	V(syscall_rip);
	V(fault_rip);
	OFFSET(PV_USER, PV_USER);
	OFFSET(PV_KERNEL, PV_KERNEL);
	OFFSET(PF_PRESENT, PF_PRESENT);
	OFFSET(PF_WRITE, PF_WRITE);
	OFFSET(PF_USER, PF_USER);
	OFFSET(INFO_pending, offsetof(struct vcpu_info, evtchn_upcall_pending));
	OFFSET(INFO_mask, offsetof(struct vcpu_info, evtchn_upcall_mask));
	OFFSET(INFO_cr2, offsetof(struct vcpu_info, arch.cr2));
	OFFSET(ENTRY_SYSCALL, VECTOR_SYSCALL);
	OFFSET(ENTRY_SYSCALL32, VECTOR_SYSCALL32);
	OFFSET(ENTRY_IRET_FAULT, VECTOR_IRET_FAULT);
}

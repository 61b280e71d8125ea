/* SPDX-License-Identifier: MIT */
/* Never linked: the compiler's word on structure offsets, for assembly. tools/offsets.py makes asm_offsets.h of it. */
#include "entry/entry_cpu.h"
#include "hw/regs.h"

#define OFFSET(name, value) __asm__ volatile("\n->" #name " %c0" : : "i"((long)(value)))

void offsets(void);
void offsets(void)
{
	OFFSET(REGS_SIZE, sizeof(struct regs));
	OFFSET(REGS_error_code, offsetof(struct regs, error_code));
	OFFSET(REGS_cs, offsetof(struct regs, cs));
	OFFSET(ENTRY_rsp, offsetof(struct entry_cpu, rsp));
	OFFSET(ENTRY_v, offsetof(struct entry_cpu, v));
	OFFSET(ENTRY_stack, offsetof(struct entry_cpu, stack));
	OFFSET(ENTRY_trap_guest, offsetof(struct entry_cpu, trap_guest));
	OFFSET(ENTRY_trap_own, offsetof(struct entry_cpu, trap_own));
	OFFSET(ENTRY_trap_ist, offsetof(struct entry_cpu, trap_ist));
	OFFSET(ENTRY_SYSCALL, VECTOR_SYSCALL);
	OFFSET(ENTRY_SYSCALL32, VECTOR_SYSCALL32);
	OFFSET(ENTRY_IRET_FAULT, VECTOR_IRET_FAULT);
}

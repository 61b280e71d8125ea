/* SPDX-License-Identifier: MIT */
/*
 * What the entry stubs know of their CPU: one page just behind the shared entry text, at each CPU's alias of it, so that
 * stubs reach it relative to RIP. Written by entry/cpu.c at start and by switch.c. No lock: its CPU's alone.
 */
#pragma once

#include "hw/regs.h"
#include "lib/types.h"

struct entry_cpu {
	u64 rsp;   /* scratch: the guest's stack pointer at SYSCALL */
	u64 v;	   /* V: end of the running vCPU's register frame; equals TSS.rsp0 */
	u64 stack; /* top of this CPU's stack */
	u64 root;  /* CR3 of Mica's own root, for what interrupts a stub */
	void (*trap_guest)(void);
	void (*trap_own)(struct regs *regs);
	u64 (*trap_ist)(struct regs *regs);
	u64 (*hypercall)(void);
	void (*bounce_fault)(void);
	u16 data_selector; /* for VERW: one that may be written */
};

/* Vectors above the hardware's, in regs.vector. */
#define VECTOR_IRET_FAULT 0x102

#define IST_NMI 1
#define IST_MC	2
#define IST_DF	3
#define IST_DB	4

/* trap.c: what the stubs call. */
void entry_trap_guest(void);
void entry_trap_own(struct regs *regs);
u64 entry_trap_ist(struct regs *regs);
/* 1: the frame is still that of the call, so SYSRET will do; 0: it is another, or another vCPU's. */
u64 entry_hypercall(void);
/* A guest's stack faulted under a stub's hand. */
void entry_bounce_fault(void);

/* SPDX-License-Identifier: MIT */
/*
 * What the entry stubs know of their CPU: one page just behind the shared entry text, at each CPU's alias of it, so that
 * stubs reach it relative to RIP. Written by entry/cpu.c at start and by switch.c. No lock: its CPU's alone.
 */
#pragma once

#include "hcall/hcall.h"
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
	u64 (*hypercall)(u64 number, struct hcall_args *args);
	void (*hypercall_leave)(void);
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
/*
 * 1: back to the guest at once, by SYSRET; 0: by the exit loop. args: in the frame, of which rbx, rbp, rcx and r11 to r15 are not
 * saved: C gives most of them back as they were, and then the stub saves them for the exit loop.
 */
u64 entry_hypercall(u64 number, struct hcall_args *args);
/* The same, for a debug build and `trace-calls`. */
u64 entry_hypercall_watched(u64 number, struct hcall_args *args);
/* A guest's stack faulted under a stub's hand. */
void entry_bounce_fault(void);

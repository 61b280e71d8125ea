/* SPDX-License-Identifier: MIT */
/*
 * The register frame: what the entry stubs save. rdi to rax are a hypercall's arguments and its answer, in the order of struct
 * hcall_args. The last five words are what the CPU itself pushes. No lock.
 */
#pragma once

#include "lib/types.h"

struct regs {
	u64 r15, r14, r13, r12, rbp, rbx; /* those that C gives back as they were */
	u64 rdi, rsi, rdx, r10, r8, r9, rax;
	u64 r11, rcx;
	union {
		u32 error_code;
		u32 number; /* of a hypercall, if it is one */
	};
	u32 vector; /* 0..255, or VECTOR_SYSCALL* */
	u64 rip, cs, rflags, rsp, ss;
};

#define VECTOR_SYSCALL	 0x100
#define VECTOR_SYSCALL32 0x101

#define RFLAGS_TF   0x100u
#define RFLAGS_IF   0x200u
#define RFLAGS_DF   0x400u
#define RFLAGS_IOPL 0x3000u
#define RFLAGS_NT   0x4000u
#define RFLAGS_RF   0x10000u
#define RFLAGS_VM   0x20000u
#define RFLAGS_AC   0x40000u

/* SPDX-License-Identifier: MIT */
/* What the files of pv/ share. No lock. */
#pragma once

#include "emul/emul.h"
#include "hw/io.h"
#include "pv/pv.h"

#define VECTOR_PF 14

/*
 * A kernel that asked for it (xen.h, VMASST_TYPE_architectural_iopl) sees the virtual IOPL in frames, changes it by iret, and
 * may use ports whatever it is.
 */
static inline bool pv_shows_iopl(const struct vcpu *v)
{
	return (atomic_load(&v->domain->vm_assist) & BIT(VMASST_TYPE_architectural_iopl)) != 0;
}

/* What a guest wants in a debug register, as it may be there. -EPERM, -EINVAL: it may not. */
int pv_debugreg_judge(u32 reg, u64 *value);
/* Writes CR3 with v's root for the mode it is in. */
void pv_cr3_load(struct vcpu *v);
void pv_tsc_aux_load(const struct pv_vcpu *pv);

/* A general register by the number that instructions use, 0..15. */
u64 *pv_gpr(struct regs *regs, unsigned int number);
/* Fetches and decodes at rip; false: it cannot be read, or is nothing that the emulator does. */
bool pv_emul_fetch(const struct vcpu *v, struct emul_insn *insn);
/* step_max: iterations of a repeated string instruction. True: done, to be done again, or its own fault was injected. */
bool pv_emul_execute(struct vcpu *v, const struct emul_insn *insn, const struct emul_ops *ops,
		     void *ctx, u64 step_max);
static inline bool pv_is_canonical(u64 va)
{
	return (u64)((s64)(va << 16) >> 16) == va;
}
/* A save area of one page, as after FNINIT and with SSE's reset value. */
void pv_fpu_init(void *area);

/* io.c */
u64 pv_io_in(struct vcpu *v, u16 port, unsigned int bytes);
void pv_io_out(struct vcpu *v, u16 port, u64 value, unsigned int bytes);
bool pv_io_allowed(const struct vcpu *v, u16 port, unsigned int bytes);
/*
 * The first port that Domain 0's kernel uses opens those of the bitmap to it, without Mica. As that would hold for user code
 * too, the stubs are kept from going there, and whatever ends this stretch of kernel code (iret, a switch) closes them.
 */
void pv_ports_open(struct vcpu *v, u16 port);
static inline void pv_ports_close(struct vcpu *v)
{
	u32 *mode = &v->pv->page->entry.mode;

	if (unlikely(*mode & PV_PORTS)) {
		hw_io_open(false);
		*mode = PV_KERNEL;
	}
}

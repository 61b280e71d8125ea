/* SPDX-License-Identifier: MIT */
/* What the files of pv/ share. No lock. */
#ifndef PV_PRIV_H
#define PV_PRIV_H

#include "emul/emul.h"
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

/* Writes CR3 with v's root for the mode it is in. */
void pv_cr3_load(struct vcpu *v);
void pv_tsc_aux_load(const struct pv_vcpu *pv);

/* The emulator's registers from the vCPU's, and back. */
void pv_emul_begin(const struct vcpu *v, struct emul_regs *regs);
void pv_emul_end(struct vcpu *v, const struct emul_regs *regs);
/* Fetches and decodes at rip: 0 or negative. */
int pv_emul_fetch(const struct vcpu *v, struct emul_insn *insn);
/* What the emulated instruction ended with: its own exception, or a #DB because TF was set. */
void pv_emul_fault(struct vcpu *v, const struct emul_fault *fault);
void pv_emul_single_step(struct vcpu *v);
static inline bool pv_is_canonical(u64 va)
{
	return (u64)((s64)(va << 16) >> 16) == va;
}
/* A save area of one page, as after FNINIT and with SSE's reset value. */
void pv_fpu_init(void *area);

/* io.c */
int pv_io_in(struct vcpu *v, u16 port, u64 *value, unsigned int bytes);
int pv_io_out(struct vcpu *v, u16 port, u64 value, unsigned int bytes);
bool pv_io_allowed(const struct vcpu *v, u16 port, unsigned int bytes);

#endif

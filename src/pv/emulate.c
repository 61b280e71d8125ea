/* SPDX-License-Identifier: MIT */
/* Between the vCPU's registers and the emulator's: fetch, begin, end. Reached from priv.c and ptwr.c. No lock. */
#include "hw/asm.h"
#include "hw/mem.h"
#include "pv/priv.h"

#define VECTOR_DB 1
#define DR6_BS	  BIT(14)

void pv_emul_begin(const struct vcpu *v, struct emul_regs *regs)
{
	const struct regs *r = v->pv->regs;
	const u64 gpr[EMUL_GPR_COUNT] = {r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp,
					 r->rsi, r->rdi, r->r8,	 r->r9,	 r->r10, r->r11,
					 r->r12, r->r13, r->r14, r->r15};

	for (unsigned int i = 0; i < EMUL_GPR_COUNT; i++)
		regs->gpr[i] = gpr[i];
	regs->rip = r->rip;
	regs->rflags = r->rflags;
	for (unsigned int i = 0; i < EMUL_SEG_COUNT; i++)
		regs->base[i] = 0;
	regs->base[EMUL_SEG_FS] = hw_rdmsr(MSR_FS_BASE);
	regs->base[EMUL_SEG_GS] = hw_rdmsr(MSR_GS_BASE);
}

void pv_emul_end(struct vcpu *v, const struct emul_regs *regs)
{
	struct regs *r = v->pv->regs;
	u64 *const gpr[EMUL_GPR_COUNT] = {&r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp,
					  &r->rsi, &r->rdi, &r->r8,  &r->r9,  &r->r10, &r->r11,
					  &r->r12, &r->r13, &r->r14, &r->r15};
	const u64 flags = 0x8d5 | RFLAGS_RF; /* arithmetic */

	for (unsigned int i = 0; i < EMUL_GPR_COUNT; i++)
		*gpr[i] = regs->gpr[i];
	r->rip = regs->rip;
	r->rflags = (r->rflags & ~(u64)flags) | (regs->rflags & flags);
}

int pv_emul_fetch(const struct vcpu *v, struct emul_insn *insn)
{
	const struct regs *regs = v->pv->regs;
	u8 bytes[EMUL_FETCH_MAX];
	size_t len = sizeof(bytes);

	if (hw_copy_from_guest(bytes, gva_make(regs->rip), len) != 0) {
		len = MIN(len, PAGE_SIZE - (regs->rip & (PAGE_SIZE - 1)));
		if (hw_copy_from_guest(bytes, gva_make(regs->rip), len) != 0)
			return -EFAULT;
	}
	return emul_decode(insn, bytes, len,
			   (regs->cs & 0xffff) != FLAT_RING3_CS32 && regs->cs != 0x23);
}

void pv_emul_fault(struct vcpu *v, const struct emul_fault *fault)
{
	if (fault->vector == EMUL_PF)
		pv_page_fault_inject(v, fault->cr2, fault->error_code);
	else
		pv_trap_inject(v, (u32)fault->vector, fault->error_code);
}

void pv_emul_single_step(struct vcpu *v)
{
	v->pv->dr[6] |= DR6_BS;
	pv_trap_inject(v, VECTOR_DB, 0);
}

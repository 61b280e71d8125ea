/* SPDX-License-Identifier: MIT */
/* Between the vCPU's registers and the emulator's. Reached from priv.c and ptwr.c; calls emul. No lock. */
#include "hw/asm.h"
#include "hw/cpu.h"
#include "hw/mem.h"
#include "pv/priv.h"

#define VECTOR_DB 1
#define DR6_BS	  BIT(14)

u64 *pv_gpr(struct regs *regs, unsigned int number)
{
	static const u16 at[EMUL_GPR_COUNT] = {
		offsetof(struct regs, rax), offsetof(struct regs, rcx), offsetof(struct regs, rdx),
		offsetof(struct regs, rbx), offsetof(struct regs, rsp), offsetof(struct regs, rbp),
		offsetof(struct regs, rsi), offsetof(struct regs, rdi), offsetof(struct regs, r8),
		offsetof(struct regs, r9),  offsetof(struct regs, r10), offsetof(struct regs, r11),
		offsetof(struct regs, r12), offsetof(struct regs, r13), offsetof(struct regs, r14),
		offsetof(struct regs, r15),
	};

	return (u64 *)(void *)((u8 *)regs + at[number]);
}

bool pv_emul_fetch(const struct vcpu *v, struct emul_insn *insn)
{
	const struct regs *regs = v->pv->regs;
	u8 bytes[EMUL_FETCH_MAX];
	size_t len = sizeof(bytes);

	if (hw_copy_from_guest(bytes, gva_make(regs->rip), len) != 0) {
		len = MIN(len, PAGE_SIZE - (regs->rip & (PAGE_SIZE - 1)));
		if (hw_copy_from_guest(bytes, gva_make(regs->rip), len) != 0)
			return false;
	}
	return emul_decode(insn, bytes, len,
			   (regs->cs & 0xffff) != FLAT_RING3_CS32 && regs->cs != 0x23) == 0;
}

bool pv_emul_execute(struct vcpu *v, const struct emul_insn *insn, const struct emul_ops *ops,
		     void *ctx, u64 step_max)
{
	const u64 flags = FLAGS_ARITHMETIC | RFLAGS_RF;
	struct regs *r = v->pv->regs;
	struct emul_regs regs = {.rip = r->rip, .rflags = r->rflags};
	struct emul_state state = {.regs = &regs, .ops = ops, .ctx = ctx, .step_max = step_max};
	int rc;

	hw_preempt_begin(); /* a trap: the quick ways, which never ask, do not pay for it */
	for (unsigned int i = 0; i < EMUL_GPR_COUNT; i++)
		regs.gpr[i] = *pv_gpr(r, i);
	regs.base[EMUL_SEG_FS] = hw_rdmsr(MSR_FS_BASE);
	regs.base[EMUL_SEG_GS] = hw_rdmsr(MSR_GS_BASE);
	rc = emul_execute(insn, &state);
	/* Consistent after every return: finished iterations of a rep count. */
	for (unsigned int i = 0; i < EMUL_GPR_COUNT; i++)
		*pv_gpr(r, i) = regs.gpr[i];
	r->rip = regs.rip;
	r->rflags = (r->rflags & ~flags) | (regs.rflags & flags);
	if (rc == -EFAULT && state.fault.vector == EMUL_PF) {
		pv_page_fault_inject(v, state.fault.cr2, state.fault.error_code);
	} else if (rc == -EFAULT) {
		pv_trap_inject(v, (u32)state.fault.vector, state.fault.error_code);
	} else if (rc == 0 && state.has_trap) {
		v->pv->dr[6] |= DR6_BS;
		pv_trap_inject(v, VECTOR_DB, 0);
	}
	return rc == 0 || rc == -EFAULT || rc == -ERESTART;
}

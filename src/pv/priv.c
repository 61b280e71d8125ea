/* SPDX-License-Identifier: MIT */
/*
 * Privileged instructions: a PV kernel runs in ring 3, so those that it still executes fault (#GP, or #UD with the forced
 * emulation prefix) and are done here on its behalf, by the policy. Reached from entry/trap.c; calls emul, policy, io.c.
 * No lock: the vCPU is the one that runs.
 */
#include "core/log.h"
#include "hw/asm.h"
#include "hw/clock.h"
#include "hw/flush.h"
#include "hw/mem.h"
#include "mm/mm.h"
#include "policy/policy.h"
#include "pv/priv.h"
#include "sched/sched.h"

#define OPCODE_RDMSR 0x320f

static struct vcpu *vcpu_of(struct emul_state *state)
{
	return state->ctx;
}

static int mem_read(struct emul_state *state, gva_t va, u64 *value, unsigned int bytes)
{
	*value = 0;
	if (hw_copy_from_guest(value, va, bytes) != 0)
		return emul_raise_page_fault(state, 0, va);
	return 0;
}

static int mem_write(struct emul_state *state, gva_t va, u64 value, unsigned int bytes)
{
	if (hw_copy_to_guest(va, &value, bytes) != 0)
		return emul_raise_page_fault(state, 2, va);
	return 0;
}

static int io_in(struct emul_state *state, u16 port, u64 *value, unsigned int bytes)
{
	if (!pv_io_allowed(vcpu_of(state), port, bytes))
		return emul_raise(state, EMUL_GP, 0);
	*value = pv_io_in(vcpu_of(state), port, bytes);
	return 0;
}

static int io_out(struct emul_state *state, u16 port, u64 value, unsigned int bytes)
{
	if (!pv_io_allowed(vcpu_of(state), port, bytes))
		return emul_raise(state, EMUL_GP, 0);
	pv_io_out(vcpu_of(state), port, value, bytes);
	return 0;
}

static int cr_read(struct emul_state *state, unsigned int cr, u64 *value)
{
	const struct vcpu *v = vcpu_of(state);

	switch (cr) {
	case 0:
		*value = (hw_cr0_read() & ~CR0_TS) | (v->pv->cr0_ts ? CR0_TS : 0);
		return 0;
	case 2:
		*value = v->info->arch.cr2;
		return 0;
	case 3:
		*value = mfn_num(v->mm->root_kernel) << PAGE_SHIFT;
		return 0;
	case 4:
		*value = v->pv->cr4 | CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
		return 0;
	default:
		return emul_raise(state, EMUL_GP, 0);
	}
}

static void ts_set(struct vcpu *v, bool is_set)
{
	v->pv->cr0_ts = is_set;
	if (is_set)
		hw_cr0_write(hw_cr0_read() | CR0_TS);
	else
		hw_clts();
}

static int root_write(struct emul_state *state, u64 value)
{
	struct vcpu *v = vcpu_of(state);
	mfn_t old;
	int rc = pt_root_switch(v, mfn_make(value >> PAGE_SHIFT), false, &old);

	if (rc == -ERESTART)
		return rc;
	if (rc != 0)
		return emul_raise(state, EMUL_GP, 0);
	pv_root_changed(v, false);
	pt_root_put(v, old);
	return 0;
}

static int cr_write(struct emul_state *state, unsigned int cr, u64 value)
{
	struct vcpu *v = vcpu_of(state);
	const u64 cr4_may = CR4_TSD | CR4_DE | CR4_PGE | CR4_OSXSAVE | CR4_FSGSBASE | CR4_OSFXSR |
			    CR4_OSXMMEXCPT | CR4_PAE | CR4_PSE | CR4_MCE;

	switch (cr) {
	case 0:
		if (((value ^ hw_cr0_read()) & ~CR0_TS) != 0)
			return emul_raise(state, EMUL_GP, 0);
		ts_set(v, (value & CR0_TS) != 0);
		return 0;
	case 2:
		v->info->arch.cr2 = value;
		return 0;
	case 3:
		return root_write(state, value);
	case 4:
		/* What the guest may not have is left as it was: its kernel reads back what it got. */
		v->pv->cr4 = value & cr4_may;
		return 0;
	default:
		return emul_raise(state, EMUL_GP, 0);
	}
}

static int dr_read(struct emul_state *state, unsigned int dr, u64 *value)
{
	*value = pv_debugreg_get(vcpu_of(state), dr);
	return 0;
}

static int dr_write(struct emul_state *state, unsigned int dr, u64 value)
{
	if (pv_debugreg_set(vcpu_of(state), dr, value) != 0)
		return emul_raise(state, EMUL_GP, 0);
	return 0;
}

/* False: there is none. */
static bool msr_get(const struct vcpu *v, u32 msr, u64 *value)
{
	u64 mask;

	if (likely(msr >= MSR_FS_BASE &&
		   msr <= MSR_KERNEL_GS_BASE)) { /* as the policy's rows say */
		*value = hw_rdmsr(msr);
		return true;
	}
	switch (policy_rdmsr(v->domain->policy, msr, value)) {
	case POLICY_MSR_DONE:
		return true;
	case POLICY_MSR_HARDWARE:
		mask = *value;
		if (!hw_rdmsr_safe(msr, value))
			return false;
		*value &= mask;
		return true;
	case POLICY_MSR_VCPU:
		*value = msr == MSR_TSC_AUX ? v->pv->tsc_aux : hw_rdmsr(msr);
		return true;
	case POLICY_MSR_FAULT:
		break;
	}
	return false;
}

static int msr_read(struct emul_state *state, u32 msr, u64 *value)
{
	return msr_get(vcpu_of(state), msr, value) ? 0 : emul_raise(state, EMUL_GP, 0);
}

static int msr_write(struct emul_state *state, u32 msr, u64 value)
{
	struct vcpu *v = vcpu_of(state);

	switch (policy_wrmsr(v->domain->policy, msr, value)) {
	case POLICY_MSR_DONE:
		return 0;
	case POLICY_MSR_HARDWARE:
		if (!hw_wrmsr_safe(msr, value))
			return emul_raise(state, EMUL_GP, 0);
		return 0;
	case POLICY_MSR_VCPU:
		if (msr == MSR_TSC_AUX) {
			v->pv->tsc_aux = (u32)value;
			pv_tsc_aux_load(v->pv);
		} else {
			hw_wrmsr(msr, value);
		}
		return 0;
	case POLICY_MSR_FAULT:
		break;
	}
	log_guest(v, LOG_DEBUG, "wrmsr %x = %lx refused", msr, value);
	return emul_raise(state, EMUL_GP, 0);
}

static int xcr_read(struct emul_state *state, u32 xcr, u64 *value)
{
	if (xcr != 0)
		return emul_raise(state, EMUL_GP, 0);
	*value = vcpu_of(state)->pv->xcr0;
	return 0;
}

static int xcr_write(struct emul_state *state, u32 xcr, u64 value)
{
	struct vcpu *v = vcpu_of(state);

	if (xcr != 0 || !policy_xcr0_is_valid(v->domain->policy, value))
		return emul_raise(state, EMUL_GP, 0);
	v->pv->xcr0 = value;
	hw_xcr0_write(value);
	return 0;
}

static int tsc_read(struct emul_state *state, u64 *tsc, u32 *aux)
{
	*tsc = hw_tsc();
	*aux = vcpu_of(state)->pv->tsc_aux;
	return 0;
}

static int cpuid(struct emul_state *state, u32 leaf, u32 subleaf, u32 out[4])
{
	const struct vcpu *v = vcpu_of(state);
	const struct policy_vcpu dynamic = {.osxsave = (v->pv->cr4 & CR4_OSXSAVE) != 0,
					    .xcr0 = v->pv->xcr0};
	struct cpuid_leaf answer;

	policy_cpuid(v->domain->policy, &dynamic, leaf, subleaf, &answer);
	out[0] = answer.a;
	out[1] = answer.b;
	out[2] = answer.c;
	out[3] = answer.d;
	return 0;
}

/*
 * CLI and STI do nothing: POPF, which cannot be trapped, would not undo a CLI, and stock kernels do run PUSHF; CLI; POPF
 * before they patch themselves. The guest's interrupt flag is the event mask, and it has that in its own memory.
 */
static int if_set(struct emul_state *state, bool enable)
{
	return 0;
}

static int cache_flush(struct emul_state *state)
{
	if (vcpu_of(state)->domain->is_hardware)
		hw_flush_cache_local();
	return 0;
}

/* No HLT and no INVLPG: a PV kernel has calls for both, and as on Xen the instructions are #GP. */
static const struct emul_ops kernel_ops = {
	.read = mem_read,
	.write = mem_write,
	.io_in = io_in,
	.io_out = io_out,
	.cr_read = cr_read,
	.cr_write = cr_write,
	.dr_read = dr_read,
	.dr_write = dr_write,
	.msr_read = msr_read,
	.msr_write = msr_write,
	.xcr_read = xcr_read,
	.xcr_write = xcr_write,
	.tsc_read = tsc_read,
	.cpuid = cpuid,
	.if_set = if_set,
	.cache_flush = cache_flush,
};

/* A guest's user code: ports that its kernel opened to it, and CPUID. */
static const struct emul_ops user_ops = {
	.read = mem_read,
	.write = mem_write,
	.io_in = io_in,
	.io_out = io_out,
	.cpuid = cpuid,
};

static bool execute(struct vcpu *v, const struct emul_insn *insn)
{
	return pv_emul_execute(v, insn, pv_is_kernel(v) ? &kernel_ops : &user_ops, v, 64);
}

/*
 * The instructions that fault most: IN and OUT of 1 or 4 bytes, CLI and STI, and RDMSR, by which Linux reads its user's GS
 * base at each switch. False: nothing was done, and the emulator has a look. TF, prefixes and whatever is not allowed are the
 * emulator's too.
 */
static bool io_quick(struct vcpu *v, struct regs *regs, u64 code)
{
	u8 opcode = (u8)code;
	unsigned int bytes = opcode & 1 ? 4 : 1;
	u64 value;
	u16 port;

	if ((opcode & 0xf4) == 0xe4) { /* bit 1: OUT, bit 3: by DX */
		port = opcode & 8 ? (u16)regs->rdx : (u8)(code >> 8);
		if (!pv_io_allowed(v, port, bytes))
			return false;
		value = bytes == 1 ? (u8)regs->rax : (u32)regs->rax;
		if (opcode & 2) {
			pv_io_out(v, port, value, bytes);
		} else {
			value = pv_io_in(v, port, bytes);
			regs->rax = bytes == 1 ? (regs->rax & ~0xffull) | value : value;
		}
		regs->rip += opcode & 8 ? 1 : 2;
		pv_ports_open(v, port);
	} else if ((opcode & 0xfe) == 0xfa && pv_is_kernel(v)) {
		regs->rip++;
	} else {
		return false;
	}
	return true;
}

static bool rdmsr_quick(const struct vcpu *v, struct regs *regs)
{
	u64 value;

	if (!pv_is_kernel(v) || !msr_get(v, (u32)regs->rcx, &value))
		return false;
	regs->rax = (u32)value;
	regs->rdx = value >> 32;
	regs->rip += 2;
	return true;
}

static bool emulate_quick(struct vcpu *v)
{
	struct regs *regs = v->pv->regs;
	u64 code;

	if (unlikely((regs->rflags & RFLAGS_TF) != 0) ||
	    unlikely(!hw_get_words(&code, gva_make(regs->rip), 1)) ||
	    !((u16)code == OPCODE_RDMSR ? rdmsr_quick(v, regs) : io_quick(v, regs, code)))
		return false;
	regs->rflags &= ~(u64)RFLAGS_RF;
	return true;
}

bool pv_privileged_emulate(struct vcpu *v)
{
	struct emul_insn insn;

	perf_count(privileged);
	return emulate_quick(v) || (pv_emul_fetch(v, &insn) && execute(v, &insn));
}

bool pv_invalid_op_emulate(struct vcpu *v)
{
	struct emul_insn insn;

	return pv_emul_fetch(v, &insn) && (insn.prefixes & EMUL_PREFIX_FORCED) != 0 &&
	       insn.op == EMUL_CPUID && execute(v, &insn);
}

/* SPDX-License-Identifier: MIT */
/*
 * A vCPU's whole context in the public form (struct vcpu_guest_context of arch-x86/xen.h): set when a vCPU begins, and by tools
 * that restore or change one; read by tools that save. Extended FPU state likewise. Reached from hcall/ and domain/; calls
 * mm. No lock: the vCPU does not run.
 */
#include "hw/asm.h"
#include "hw/features.h"
#include "hw/mem.h"
#include "hw/paging.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "policy/policy.h"
#include "pv/priv.h"

/* What the XSAVE area holds (SDM 1 13.4): the FXSAVE part, then a header whose first word says which components follow. */
#define FX_BYTES       512
#define FX_MXCSR       24
#define MXCSR_DEFAULT  0x1f80u
#define MXCSR_VALID    0xffffu
#define FCW_DEFAULT    0x37fu
#define XSTATE_BV      64 /* as a word index */
#define XSTATE_X87_SSE 3u
#define RFLAGS_MAY     0x244dd5u

static u32 *mxcsr_of(void *area)
{
	return (u32 *)((u8 *)area + FX_MXCSR);
}

void pv_fpu_init(void *area)
{
	memset(area, 0, PAGE_SIZE);
	*(u16 *)area = FCW_DEFAULT;
	*mxcsr_of(area) = MXCSR_DEFAULT;
}

/* Whatever the guest wrote there, XRSTOR must not fault on it. */
static void fpu_set(struct vcpu *v, const void *fx, bool is_valid)
{
	pv_fpu_init(v->pv->fpu);
	if (!is_valid)
		return;
	memcpy(v->pv->fpu, fx, FX_BYTES);
	*mxcsr_of(v->pv->fpu) &= MXCSR_VALID;
	((u64 *)v->pv->fpu)[XSTATE_BV] = XSTATE_X87_SSE;
}

/* Components that were in their first state when saved are not in memory. */
static void fpu_get(const struct vcpu *v, void *fx)
{
	const u64 *area = v->pv->fpu;
	u64 has = hw_features.xcr0 != 0 ? area[XSTATE_BV] : XSTATE_X87_SSE;

	memcpy(fx, area, FX_BYTES);
	if ((has & 1) == 0) {
		memset(fx, 0, FX_MXCSR);
		*(u16 *)fx = FCW_DEFAULT;
		memset((u8 *)fx + 32, 0, 128);
	}
	if ((has & 2) == 0) {
		memset((u8 *)fx + 160, 0, 256);
		*mxcsr_of(fx) = MXCSR_DEFAULT;
	}
}

static bool has_user_root(const struct vcpu_guest_context *ctx)
{
	return ctx->ctrlreg[1] >> PAGE_SHIFT != 0;
}

static int check(const struct vcpu_guest_context *ctx)
{
	const u64 addresses[] = {
		ctx->fs_base,
		ctx->gs_base_kernel,
		ctx->gs_base_user,
		ctx->event_callback_eip,
		ctx->failsafe_callback_eip,
		ctx->syscall_callback_eip,
	};

	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++)
		if (!pv_is_canonical(addresses[i]))
			return err(EINVAL);
	if (((ctx->flags & VGCF_in_kernel) == 0 && !has_user_root(ctx)) ||
	    ctx->gdt_ents > FIRST_RESERVED_GDT_ENTRY || ctx->ldt_ents > PV_LDT_ENTRIES_MAX)
		return err(EINVAL);
	return 0;
}

static int root_set(struct vcpu *v, u64 cr3, bool is_user)
{
	mfn_t mfn = cr3 >> PAGE_SHIFT != 0 ? mfn_make(cr3 >> PAGE_SHIFT) : MFN_NONE, old;
	int rc = pt_root_switch(v, mfn, is_user, &old);

	if (rc == 0)
		pt_root_put(v, old);
	return rc;
}

#define REGISTERS(of)                                                                         \
	of(rax) of(rbx) of(rcx) of(rdx) of(rsi) of(rdi) of(rbp) of(r8) of(r9) of(r10) of(r11) \
		of(r12) of(r13) of(r14) of(r15) of(rip) of(rsp)
/* What else the public form and ours both have, by its name in each. */
#define SAME(COPY)                                \
	COPY(user_regs.ds, ds)                    \
	COPY(user_regs.es, es)                    \
	COPY(user_regs.fs, fs)                    \
	COPY(user_regs.gs, gs)                    \
	COPY(fs_base, fs_base)                    \
	COPY(gs_base_kernel, gs_base_kernel)      \
	COPY(gs_base_user, gs_base_user)          \
	COPY(event_callback_eip, event.rip)       \
	COPY(failsafe_callback_eip, failsafe.rip) \
	COPY(syscall_callback_eip, syscall.rip)   \
	COPY(kernel_sp, kernel_sp)                \
	COPY(kernel_ss, kernel_ss)
#define TAKE_REGISTER(reg) regs->reg = from->reg;
#define GIVE_REGISTER(reg) to->reg = regs->reg;
#define TAKE(theirs, ours) pv->ours = ctx->theirs;
#define GIVE(theirs, ours) ctx->theirs = (__typeof__(ctx->theirs))pv->ours;

int pv_context_set(struct vcpu *v, const struct vcpu_guest_context *ctx)
{
	const struct cpu_user_regs *from = &ctx->user_regs;
	struct pv_vcpu *pv = v->pv;
	struct regs *regs = pv->regs;
	int rc = check(ctx) ?: pv_gdt_set(v, (const u64 *)ctx->gdt_frames, (u32)ctx->gdt_ents) ?:
		 pv_ldt_set(v, ctx->ldt_base, (u32)ctx->ldt_ents) ?:
		 root_set(v, ctx->ctrlreg[3], false) ?: root_set(v, ctx->ctrlreg[1], true);

	if (rc != 0)
		return rc;
	REGISTERS(TAKE_REGISTER)
	SAME(TAKE)
	regs->cs = from->cs | 3u;
	regs->ss = from->ss | 3u;
	regs->rflags = (from->rflags & RFLAGS_MAY) | RFLAGS_IF | 2;
	pv->iopl = (u32)(from->rflags >> 12) & 3;
	pv->page->entry.mode = ((ctx->flags & VGCF_in_kernel) != 0 ? PV_KERNEL : PV_USER) | PV_SLOW;
	for (unsigned int i = 0; i < 8; i++) {
		u64 value = ctx->debugreg[i];

		pv->dr[i] = pv_debugreg_judge(i, &value) == 0 ? value : i == 7 ? 0x400 : 0;
	}
	for (unsigned int i = 0; i < 256; i++)
		if (pv_is_canonical(ctx->trap_ctxt[i].address))
			pv->traps[i] = ctx->trap_ctxt[i];
	pv->event.masks_events = true;
	pv->failsafe.masks_events = (ctx->flags & VGCF_failsafe_disables_events) != 0;
	pv->syscall.masks_events = (ctx->flags & VGCF_syscall_disables_events) != 0;
	fpu_set(v, &ctx->fpu_ctxt, (ctx->flags & VGCF_I387_VALID) != 0);
	return 0;
}

static u64 root_get(mfn_t root)
{
	return mfn_is_none(root) ? 0 : mfn_num(root) << PAGE_SHIFT;
}

void pv_context_get(struct vcpu *v, struct vcpu_guest_context *ctx)
{
	const struct pv_vcpu *pv = v->pv;
	const struct regs *regs = pv->regs;
	struct cpu_user_regs *to = &ctx->user_regs;
	u32 gdt_pages = ROUND_UP(pv->gdt_entries, 512u) / 512;

	memset(ctx, 0, sizeof(*ctx));
	REGISTERS(GIVE_REGISTER)
	SAME(GIVE)
	to->cs = (u16)(pv_is_kernel(v) ? regs->cs & ~3ull : regs->cs);
	to->ss = (u16)(pv_is_kernel(v) ? regs->ss & ~3ull : regs->ss);
	to->rflags = regs->rflags | (u64)pv->iopl << 12;
	memcpy(ctx->debugreg, pv->dr, sizeof(ctx->debugreg));
	memcpy(ctx->trap_ctxt, pv->traps, sizeof(ctx->trap_ctxt));
	ctx->flags = VGCF_I387_VALID | (pv_is_kernel(v) ? VGCF_in_kernel : 0) |
		     (atomic_load(&v->is_down) ? 0 : VGCF_online) |
		     (pv->failsafe.masks_events ? VGCF_failsafe_disables_events : 0) |
		     (pv->syscall.masks_events ? VGCF_syscall_disables_events : 0);
	fpu_get(v, &ctx->fpu_ctxt);
	for (u32 i = 0; i < gdt_pages; i++)
		ctx->gdt_frames[i] = pv->gdt_mfns[i];
	ctx->gdt_ents = pv->gdt_entries;
	ctx->ldt_base = pv->ldt_va;
	ctx->ldt_ents = pv->ldt_entries;
	ctx->ctrlreg[0] = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG |
			  (pv->cr0_ts ? CR0_TS : 0);
	ctx->ctrlreg[1] = root_get(v->mm->root_user);
	ctx->ctrlreg[3] = root_get(v->mm->root_kernel);
	ctx->ctrlreg[4] = pv->cr4;
	ctx->vm_assist = atomic_load(&v->domain->vm_assist);
}

/* ---------------------------------------------------------------- extended state */

/* What this CPU has; no more than that is taken. */
static size_t xstate_bytes_max(void)
{
	return hw_features.xcr0 != 0 ? sizeof(struct pv_xstate) + hw_features.xsave_bytes : 0;
}

size_t pv_xstate_bytes(const struct domain *d)
{
	if (d->policy->xcr0_max == 0)
		return 0; /* no XSAVE: its registers are all in the context, and it could not take a state back */
	return MIN(xstate_bytes_max(), sizeof(struct pv_xstate) + policy_xsave_bytes(d->policy));
}

void pv_xstate_get(const struct vcpu *v, struct pv_xstate *state)
{
	state->xcr0 = v->pv->xcr0;
	state->xcr0_accum = v->domain->policy->xcr0_max;
	memcpy(state->area, v->pv->fpu, hw_features.xsave_bytes);
	((u64 *)state->area)[XSTATE_BV] &= state->xcr0_accum;
}

int pv_xstate_set(struct vcpu *v, const struct pv_xstate *state, size_t bytes)
{
	u64 has = bytes >= sizeof(*state) + (XSTATE_BV + 1) * 8
			  ? ((const u64 *)state->area)[XSTATE_BV]
			  : ~0ull;
	u64 *header = (u64 *)v->pv->fpu + XSTATE_BV;

	if (bytes > xstate_bytes_max() || ((has | state->xcr0) & ~hw_features.xcr0) != 0 ||
	    !policy_xcr0_is_valid(v->domain->policy, state->xcr0))
		return err(EINVAL);
	pv_fpu_init(v->pv->fpu);
	memcpy(v->pv->fpu, state->area, bytes - sizeof(*state));
	memset(header + 1, 0, 56); /* the standard form, nothing reserved */
	*mxcsr_of(v->pv->fpu) &= MXCSR_VALID;
	v->pv->xcr0 = state->xcr0;
	return 0;
}

/* ---------------------------------------------------------------- hypercall page */

#define STUB_BYTES 32
#define STUB_IRET  23

/* push rcx; push r11; mov eax, number; syscall; pop r11; pop rcx; ret. iret's leaves with rax on the stack and never returns. */
void pv_hypercall_page_fill(void *page)
{
	static const u8 call[] = {0x51, 0x41, 0x53, 0xb8, 0,	0,    0,
				  0,	0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3};
	static const u8 iret[] = {0x51, 0x41, 0x53, 0x50, 0xb8, STUB_IRET, 0, 0, 0, 0x0f, 0x05};

	memset(page, 0xcc, PAGE_SIZE);
	for (unsigned int i = 0; i < PAGE_SIZE / STUB_BYTES; i++) {
		u8 *stub = (u8 *)page + i * STUB_BYTES;

		if (i == STUB_IRET) {
			memcpy(stub, iret, sizeof(iret));
			continue;
		}
		memcpy(stub, call, sizeof(call));
		stub[4] = (u8)i;
	}
}

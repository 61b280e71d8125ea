/* SPDX-License-Identifier: MIT */
/*
 * Traps into a guest's kernel. A PV kernel runs in ring 3, so whatever interrupts it (exception, event, NMI, system call)
 * is turned into a frame on its kernel stack and a jump to the handler that it registered: a *bounce*. The iret hypercall
 * goes the other way. Reached from entry/ and hcall/; calls the seam's guest copies. The vCPU is the one that runs.
 *
 * The frame, from low to high (public arch-x86/xen-x86_64.h, and what Linux's xen-asm.S pops):
 *	rcx r11 [error code] [ds es fs gs for failsafe] rip cs|mask<<32 rflags rsp ss
 * cs has RPL 0 when the guest's kernel was interrupted, 3 for its user; bit 32 is the event mask as it was.
 */
#include "core/cpu.h"
#include "core/log.h"
#include "hw/asm.h"
#include "hw/mem.h"
#include "mm/mm.h"
#include "pv/priv.h"
#include "sched/sched.h"

#define FRAME_WORDS_MAX	 12
#define RFLAGS_GUEST_MAY 0x254dd5u /* what iret may load: arithmetic, TF DF NT RF AC ID */
#define VECTOR_DB	 1
#define VECTOR_NM	 7
#define VECTOR_GP	 13

void pv_mode_toggle(struct vcpu *v)
{
	v->pv->page->entry.mode ^= PV_KERNEL;
	hw_swapgs();
	pv_cr3_load(v);
}

/* Jumps to a handler with extra_count words of `extra` between r11 and rip. */
static void bounce(struct vcpu *v, u64 handler, bool masks_events, const u64 *extra,
		   unsigned int extra_count)
{
	struct regs *regs = v->pv->regs;
	u64 frame[FRAME_WORDS_MAX], *word = frame;
	u8 mask = v->info->evtchn_upcall_mask;
	u64 cs = regs->cs & 0xffff, rflags, sp;
	size_t bytes;

	if (!pv_is_kernel(v)) {
		pv_mode_toggle(v);
		sp = v->pv->kernel_sp;
	} else {
		sp = regs->rsp;
		cs &= ~3ull;
	}
	rflags = (regs->rflags & ~(u64)(RFLAGS_IF | RFLAGS_IOPL));
	if (pv_shows_iopl(v))
		rflags |= (u64)v->pv->iopl << 12;
	if (mask == 0)
		rflags |= RFLAGS_IF;
	*word++ = regs->rcx;
	*word++ = regs->r11;
	for (unsigned int i = 0; i < extra_count; i++)
		*word++ = extra[i];
	*word++ = regs->rip;
	*word++ = cs | (u64)mask << 32;
	*word++ = rflags;
	*word++ = regs->rsp;
	*word++ = regs->ss & 0xffff;
	bytes = (size_t)(word - frame) * sizeof(*word);
	sp = ROUND_DOWN(sp, 16ull) - bytes;
	if (hw_copy_to_guest(gva_make(sp), frame, bytes) != 0) {
		domain_crash(v->domain, "v%u: kernel stack %lx cannot be written (trap at %lx)",
			     v->id, sp, regs->rip);
		return;
	}
	regs->rsp = sp;
	regs->rip = handler;
	regs->cs = FLAT_KERNEL_CS;
	regs->ss = FLAT_KERNEL_SS;
	regs->rflags &= ~(u64)(RFLAGS_TF | RFLAGS_NT | RFLAGS_RF | RFLAGS_VM | RFLAGS_AC |
			       RFLAGS_DF | RFLAGS_IOPL);
	regs->rflags |= RFLAGS_IF;
	if (masks_events)
		v->info->evtchn_upcall_mask = 1;
}

static bool has_error_code(u32 vector)
{
	return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21;
}

/* int3, into, int 0x80 come by gates that anybody may use; the guest's table has the last word. */
static bool gate_refuses(struct vcpu *v, u32 vector)
{
	return (vector == 3 || vector == 4 || vector >= 32) && !pv_is_kernel(v) &&
	       TI_GET_DPL(&v->pv->traps[vector]) != 3;
}

void pv_trap_inject(struct vcpu *v, u32 vector, u32 error_code)
{
	const struct trap_info *trap;
	u64 code;

	if (gate_refuses(v, vector)) {
		v->pv->regs->rip -= vector == 3 || vector == 4 ? 1 : 2;
		error_code = vector << 3 | 2;
		vector = VECTOR_GP;
	}
	trap = &v->pv->traps[vector];
	if (trap->address == 0) {
		domain_crash(v->domain, "v%u: no handler for trap %u (error %x) at %lx", v->id,
			     vector, error_code, v->pv->regs->rip);
		return;
	}
	code = error_code;
	bounce(v, trap->address, TI_GET_IF(trap) != 0, &code, has_error_code(vector));
}

void pv_page_fault_inject(struct vcpu *v, u64 cr2, u32 error_code)
{
	v->info->arch.cr2 = cr2;
	/* The CPU says "user" of all that runs in ring 3; the guest wants to know which half of it. */
	error_code &= ~(u32)PF_USER;
	if (!pv_is_kernel(v))
		error_code |= (u32)PF_USER;
	pv_trap_inject(v, VECTOR_PF, error_code);
}

void pv_debug_exception(struct vcpu *v)
{
	u64 dr6 = hw_dr6_read();

	hw_dr6_write(0xffff0ff0);
	v->pv->dr[6] = dr6;
	pv_trap_inject(v, VECTOR_DB, 0);
}

void pv_device_not_available(struct vcpu *v)
{
	if (v->pv->cr0_ts) {
		v->pv->cr0_ts = false;
		hw_clts();
	}
	pv_trap_inject(v, VECTOR_NM, 0);
}

void pv_nmi_send(struct vcpu *v)
{
	if (atomic_exchange(&v->pv->nmi_pending, 1u) != 0)
		return;
	vcpu_kick(v);
	/* After the bit: pairs with run_exit(). Who does not run now looks then, and nobody else's CPU is disturbed. */
	if (atomic_load(&v->is_running))
		work_raise(atomic_load(&v->cpu), WORK_SCHEDULE);
}

void pv_events_deliver(struct vcpu *v)
{
	if (pv_nmi_wanted(v) && atomic_exchange(&v->pv->nmi_pending, 0) != 0) {
		bounce(v, v->pv->traps[PV_VECTOR_NMI].address, true, NULL, 0);
		return;
	}
	if (v->pv->event.rip == 0) {
		domain_crash(v->domain, "v%u: event without a callback", v->id);
		return;
	}
	bounce(v, v->pv->event.rip, true, NULL, 0);
}

void pv_syscall_deliver(struct vcpu *v, bool compat)
{
	const struct pv_callback *callback = compat ? &v->pv->syscall32 : &v->pv->syscall;

	if (callback->rip == 0) {
		v->pv->regs->rip -= 2;
		pv_trap_inject(v, VECTOR_GP, 0);
		return;
	}
	bounce(v, callback->rip, callback->masks_events, NULL, 0);
}

void pv_failsafe_deliver(struct vcpu *v)
{
	const u64 segments[] = {hw_ds_read(), hw_es_read(), hw_fs_read(), hw_gs_read()};

	if (v->pv->failsafe.rip == 0) {
		domain_crash(v->domain, "v%u: cannot return to cs %lx rip %lx", v->id,
			     v->pv->regs->cs, v->pv->regs->rip);
		return;
	}
	bounce(v, v->pv->failsafe.rip, v->pv->failsafe.masks_events, segments,
	       ARRAY_SIZE(segments));
}

void pv_iret(struct vcpu *v)
{
	struct regs *regs = v->pv->regs;
	struct iret_context iret;

	if (hw_copy_from_guest(&iret, gva_make(regs->rsp), sizeof(iret)) != 0) {
		domain_crash(v->domain, "v%u: iret frame at %lx cannot be read", v->id, regs->rsp);
		return;
	}
	pv_ports_close(v);
	if ((iret.cs & 3) == 3) {
		if (mfn_is_none(v->mm->root_user)) {
			domain_crash(v->domain, "v%u: iret to user without a user root", v->id);
			return;
		}
		pv_mode_toggle(v);
	}
	if (pv_shows_iopl(v))
		v->pv->iopl = (u32)(iret.rflags >> 12) & 3;
	regs->rip = iret.rip;
	regs->cs = (iret.cs & 0xffff) | 3;
	regs->rflags = (iret.rflags & RFLAGS_GUEST_MAY) | RFLAGS_IF | 2;
	regs->rsp = iret.rsp;
	regs->ss = (iret.ss & 0xffff) | 3;
	/* In a system call: as SYSRET leaves them. */
	regs->r11 = iret.flags & VGCF_in_syscall ? regs->rflags : iret.r11;
	regs->rcx = iret.flags & VGCF_in_syscall ? regs->rip : iret.rcx;
	regs->rax = iret.rax;
	atomic_store(&v->info->evtchn_upcall_mask, (iret.rflags & RFLAGS_IF) == 0);
}

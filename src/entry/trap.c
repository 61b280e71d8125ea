/* SPDX-License-Identifier: MIT */
/*
 * Traps: what the stubs call. From a guest (entry_trap_guest): exceptions are fixed, emulated or bounced, system calls
 * dispatched, interrupts served; then the exit loop. From Mica itself (entry_trap_own): interrupts, and faults that the
 * exception table expects. On IST stacks (entry_trap_ist): NMI, #MC, #DF, #DB. No lock.
 */
#include "core/err.h"
#include "core/log.h"
#include "core/trace.h"
#include "debug/debug.h"
#include "entry/entry.h"
#include "entry/entry_cpu.h"
#include "hcall/hcall.h"
#include "hw/asm.h"
#include "hw/lapic.h"
#include "hw/vectors.h"
#include "irq/irq.h"
#include "mm/mm.h"
#include "pv/pv.h"
#include "time/time.h"

#define EXCEPTION_DB	1
#define EXCEPTION_NMI	2
#define EXCEPTION_UD	6
#define EXCEPTION_NM	7
#define EXCEPTION_DF	8
#define EXCEPTION_GP	13
#define EXCEPTION_PF	14
#define EXCEPTION_MC	18
#define EXCEPTION_COUNT 32
#define INT80		0x80

void entry_interrupt(unsigned int vector)
{
	switch (vector) {
	case VECTOR_IPI_WORK:
		hw_lapic_eoi();
		break;
	case VECTOR_IPI_FLUSH:
		hw_lapic_eoi();
		hw_flush_poll();
		break;
	case VECTOR_IPI_STOP:
		hw_lapic_eoi();
		debug_cpu_stop();
	case VECTOR_TIMER:
		hw_lapic_eoi();
		time_interrupt();
		break;
	case VECTOR_ERROR:
		hw_lapic_error();
		hw_lapic_eoi();
		break;
	case VECTOR_SPURIOUS:
		break;
	default:
		irq_dispatch((u8)vector);
		break;
	}
}

/* int n from ring 3 without a gate that allows it: #GP names the vector; the guest's own table decides. */
static bool software_interrupt(struct vcpu *v, struct regs *regs)
{
	u32 vector = regs->error_code >> 3;
	const struct trap_info *trap;

	if ((regs->error_code & 7) != 2 || vector > 255)
		return false;
	trap = &v->pv->traps[idx_nospec(vector, 256)];
	if (trap->address == 0 || (!pv_is_kernel(v) && (trap->flags & 3) != 3))
		return false;
	regs->rip += 2;
	pv_trap_inject(v, vector, 0);
	return true;
}

static void general_protection(struct vcpu *v, struct regs *regs)
{
	if (likely(regs->error_code == 0) ? pv_privileged_emulate(v) : software_interrupt(v, regs))
		return;
	pv_trap_inject(v, EXCEPTION_GP, regs->error_code);
}

/* The CPU reads descriptors as a supervisor, whoever loads the selector. */
static bool is_descriptor_read(u32 error_code)
{
	return (error_code & (PF_PRESENT | PF_WRITE | PF_USER)) == 0;
}

/* With what is logged, most faults are the mirror's. */
static bool mirror_fault(struct vcpu *v, u64 cr2, u32 *error_code)
{
	return unlikely(atomic_load(&mirror_count) != 0) &&
	       mm_mirror_fault(v, mfn_make(hw_cr3_read() >> PAGE_SHIFT), cr2, error_code);
}

static void page_fault(struct vcpu *v, struct regs *regs, u64 cr2)
{
	if (mirror_fault(v, cr2, &regs->error_code))
		return;
	if (is_descriptor_read(regs->error_code)) {
		if (pv_ldt_fault(v, cr2))
			return;
		cr2 = pv_ldt_guest_va(v, cr2);
	}
	if (pv_page_fault_fix(v, cr2, regs->error_code))
		return;
	pv_page_fault_inject(v, cr2, regs->error_code);
}

static void exception(struct vcpu *v, struct regs *regs)
{
	switch (regs->vector) {
	case EXCEPTION_DB:
		pv_debug_exception(v);
		break;
	case EXCEPTION_UD:
		if (!pv_invalid_op_emulate(v))
			pv_trap_inject(v, EXCEPTION_UD, 0);
		break;
	case EXCEPTION_NM:
		pv_device_not_available(v);
		break;
	default:
		pv_trap_inject(v, regs->vector, regs->error_code);
		break;
	}
}

/* Interrupts are off: there is nothing for the exit loop to do. */
static inline bool may_go_on(const struct vcpu *v)
{
	return likely(!work_is_raised() && !pv_events_wanted(v));
}

static NOINLINE void other_trap(struct vcpu *v, struct regs *regs)
{
	u64 cr2;

	switch (regs->vector) {
	case VECTOR_SYSCALL:
	case VECTOR_SYSCALL32:
		perf_count(syscalls_slow);
		hw_irq_enable();
		pv_syscall_deliver(v, regs->vector == VECTOR_SYSCALL32);
		break;
	case VECTOR_IRET_FAULT:
		/* CR2 may be an old one: then a page is mapped for nothing, and the next fault finds it there. */
		cr2 = hw_cr2_read();
		hw_irq_enable();
		if (!pv_ldt_fault(v, cr2))
			pv_failsafe_deliver(v);
		break;
	case INT80:
		hw_irq_enable();
		pv_trap_inject(v, INT80, 0);
		break;
	default:
		if (regs->vector >= EXCEPTION_COUNT) {
			perf_count(interrupts);
			entry_interrupt(regs->vector);
			break;
		}
		perf_count(exceptions[regs->vector]);
		hw_irq_enable();
		exception(v, regs);
		break;
	}
}

void entry_trap_guest(void)
{
	struct vcpu *v = current_vcpu();
	struct regs *regs = v->pv->regs;
	u64 cr2, vector = regs->vector;

	entry_limit_begin();
	if (likely(regs->vector == EXCEPTION_PF)) {
		perf_count(exceptions[EXCEPTION_PF]);
		cr2 = hw_cr2_read();
		hw_irq_enable();
		page_fault(v, regs, cr2);
	} else if (likely(regs->vector == EXCEPTION_GP)) { /* a privileged instruction */
		perf_count(exceptions[EXCEPTION_GP]);
		hw_irq_enable();
		general_protection(v, regs);
	} else {
		other_trap(v, regs);
	}
	entry_limit_end("trap", "vector", vector);
	hw_irq_disable();
	if (!may_go_on(v))
		run_exit();
}

u64 entry_hypercall(u64 number, struct hcall_args *args)
{
	struct vcpu *v = current_vcpu();
	int rc;

	hw_preempt_begin();
	hw_irq_enable();
	rc = hcall_run(v, number, args);
	hw_irq_disable();
	v = current_vcpu(); /* the same, which no register was kept for */
	if (likely(rc == 0) && may_go_on(v))
		return 1;
	if (rc != HCALL_NO_ANSWER) {
		/* As SYSCALL left them; the stub has not saved them. */
		v->pv->regs->rcx = v->pv->regs->rip;
		v->pv->regs->r11 = v->pv->regs->rflags;
		if (rc != 0)
			hcall_refused(v, rc);
	}
	return 0;
}

u64 entry_hypercall_watched(u64 number, struct hcall_args *args)
{
	u64 first = args->a[0], is_same;

	entry_limit_begin();
	trace_call(number, first);
	is_same = entry_hypercall(number, args);
	entry_limit_end("hypercall", MICA_DEBUG ? hcall_name(number) : NULL, first);
	return is_same;
}

void entry_bounce_fault(void)
{
	struct vcpu *v = current_vcpu();

	domain_crash(v->domain, "v%u: its kernel's stack cannot be used at %lx", v->id,
		     hw_cr2_read());
	run_exit();
}

struct extable_entry {
	u64 at, to;
};
extern const struct extable_entry extable_start[], extable_end[];

static bool extable_fix(struct regs *regs)
{
	for (const struct extable_entry *entry = extable_start; entry < extable_end; entry++)
		if (entry->at == regs->rip) {
			regs->rip = entry->to;
			return true;
		}
	return false;
}

void entry_trap_own(struct regs *regs)
{
	if (regs->vector >= EXCEPTION_COUNT) {
		u64 ranks = lock_ranks_swap(0);

		entry_interrupt(regs->vector);
		(void)lock_ranks_swap(ranks);
		return;
	}
	/* A selector of the guest that is loaded at a switch. */
	if (regs->vector == EXCEPTION_PF && is_descriptor_read(regs->error_code) &&
	    current_vcpu()->pv != NULL && pv_ldt_fault(current_vcpu(), hw_cr2_read()))
		return;
	if (regs->vector == EXCEPTION_PF && current_vcpu()->mm != NULL &&
	    mirror_fault(current_vcpu(), hw_cr2_read(), &regs->error_code))
		return;
	if (!extable_fix(regs))
		debug_fatal_trap(regs);
}

/* NMI: a bit and an interrupt to ourselves; what is to be done is done from the exit loop. */
static void nmi(void)
{
	work_raise(cpu_id(), WORK_NMI);
	hw_lapic_send(hw_this_cpu()->apic_id, VECTOR_IPI_WORK);
}

u64 entry_trap_ist(struct regs *regs)
{
	bool is_guest = (regs->cs & 3) != 0;

	switch (regs->vector) {
	case EXCEPTION_NMI:
		nmi();
		return 0;
	case EXCEPTION_DB:
		if (!is_guest) { /* MOV SS; SYSCALL: dropped (SECURITY-CASES 260) */
			hw_dr6_write(0xffff0ff0);
			regs->rflags &= ~(u64)RFLAGS_TF;
			return 0;
		}
		*current_vcpu()->pv->regs = *regs;
		return 1;
	case EXCEPTION_MC:
	default:
		entry_gdt_reset(); /* the guest's is not mapped here, and the report may fault */
		debug_fatal_trap(regs);
	}
}

/* SPDX-License-Identifier: MIT */
/*
 * From one vCPU to another: state out, state in, V moved. An idle CPU keeps the state of one that is parked (sched.h), its
 * root too: until it comes back or has to leave. Reached from the exit loop with
 * interrupts off; calls pv and sched. No lock.
 */
#include "core/trace.h"
#include "entry/entry.h"
#include "entry/entry_cpu.h"
#include "hw/asm.h"
#include "hw/features.h"
#include "hw/paging.h"
#include "mm/mm.h"
#include "pv/pv.h"
#include "sched/sched.h"
#include "time/time.h"

struct tss_head {
	u32 reserved;
	u64 rsp0;
} PACKED;

static void v_set(u64 va)
{
	struct cpu *cpu = hw_this_cpu();

	((struct entry_cpu *)cpu->entry)->v = va;
	((struct tss_head *)cpu->tss)->rsp0 = va;
}

/* Areas that the guest registered by its kernel's addresses: written with its kernel's root, v's mode whatever it is. */
static void areas_publish(struct vcpu *v)
{
	bool is_user = !pv_is_kernel(v), time_wanted = time_vcpu_publish_wanted(v);

	if (!sched_runstate_wanted(v) && !time_wanted)
		return;
	if (is_user)
		hw_cr3_write(mfn_num(mm_mirror_root(v, false)) << PAGE_SHIFT);
	sched_runstate_publish(v);
	if (time_wanted)
		time_vcpu_publish(v);
	if (is_user)
		hw_cr3_write(mfn_num(mm_mirror_root(v, true)) << PAGE_SHIFT);
}

/* What another domain's vCPU taught this CPU to guess. An idle CPU keeps it: the same domain may come back. */
static void predictor_forget(const struct domain *next)
{
	static u64 trained_by[CPU_MAX]; /* [cpu] serial */

	if (trained_by[cpu_id()] == next->serial)
		return;
	trained_by[cpu_id()] = next->serial;
	hw_wrmsr(MSR_PRED_CMD, PRED_CMD_IBPB);
}

/* What this CPU has of v goes to memory. True: so does all of its domain, whose descriptor tables lie in its window. */
static bool unload(struct cpu *cpu, struct vcpu *v, const struct vcpu *next)
{
	pv_state_save(v);
	cpu->loaded = NULL;
	if (next->domain == v->domain)
		return false;
	entry_gdt_reset();
	return true;
}

static void load(struct cpu *cpu, struct vcpu *v)
{
	if (hw_features.guesses & GUESS_IBPB)
		predictor_forget(v->domain);
	cpumask_set(&v->domain->dirty_cpus,
		    cpu->id); /* before the root is loaded; pairs with flush_domain() */
	v_set(pv_entry_va(v));
	pv_state_load(v);
	time_vcpu_update(v);
	cpu->loaded = v;
}

void switch_to(struct vcpu *prev, struct vcpu *next, struct vcpu *left)
{
	struct cpu *cpu = hw_this_cpu();
	u64 flush_time = 0;
	bool is_leaving;

	perf_count(vcpu_switches);
	trace(TRACE_SWITCH, (u64)next->domain->id << 16 | next->id,
	      (u64)prev->domain->id << 16 | prev->id, NULL);
	if (!prev->is_idle)
		areas_publish(prev);
	cpu->current = next;
	is_leaving = left != NULL && unload(cpu, left, next);
	if (is_leaving)
		flush_time = flush_begin();
	if (!next->is_idle) {
		if (cpu->loaded != next)
			load(cpu, next);
		areas_publish(next);
	} else if (is_leaving) {
		perf_count(cr3_loads);
		hw_cr3_write(paging_root_maddr());
	}
	if (is_leaving) { /* the other root flushed what was left's: it need not be asked for that any more */
		flush_end(flush_time);
		cpumask_clear(&left->domain->dirty_cpus, cpu->id);
	}
	if (left != NULL)
		sched_switched(left);
}

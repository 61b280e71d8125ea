/* SPDX-License-Identifier: MIT */
/*
 * Serial keys: one letter, one look inside. Reached from the console timer; the work is done from the exit loop, where
 * printing may take its time. No lock.
 */
#include "core/cpu.h"
#include "core/log.h"
#include "debug/debug.h"
#include "domain/domain.h"
#include "evtchn/evtchn.h"
#include "gnttab/gnttab.h"
#include "hw/acpi.h"
#include "hw/clock.h"
#include "irq/irq.h"
#include "mm/mm.h"
#include "pv/pv.h"
#include "sched/sched.h"
#include "time/time.h"

static u64 pressed[2]; /* [a] a bit for each key */

static void key_audit(void)
{
	log_info("audit: %u findings", domain_audit());
}

static void key_events(void)
{
	evtchn_print(dom0);
}

static void key_domains(void)
{
	struct vcpu *v;

	for_each_domain(d) {
		log_info("d%u: %lu frames of %lu, %u vCPUs, %u grants mapped%s", d->id,
			 d->mm->pages_current, d->mm->pages_max, d->vcpu_max,
			 gnttab_mapped_count(d), d->is_dying ? ", dying" : "");
		for_each_vcpu(d, v)
			log_info("  v%u on CPU %u: %s%s%s", v->id, v->cpu,
				 v->is_down ? "down " : "", v->is_running ? "running " : "",
				 v->info->evtchn_upcall_pending != 0 ? "pending" : "");
	}
	log_info("free %lu frames, heap %lu bytes", frame_free_count(), heap_bytes());
}

static void key_registers(void)
{
	struct vcpu *v;

	for_each_vcpu(dom0, v)
		debug_regs_print(v->pv->regs);
}

static void key_trace(void)
{
	debug_trace_print(32);
}

static void key_warnings(void)
{
	log_info("warnings: %u", log_warning_count());
}

static void key_help(void);

static const struct {
	char key;
	void (*fn)(void);
	const char *text;
} keys[] = {
	{'h', key_help, "this list"},
	{'a', key_audit, "audit every reference and type count"},
	{'d', key_registers, "registers of Domain 0's vCPUs"},
	{'e', key_events, "event channels of Domain 0"},
	{'i', irq_print, "interrupts"},
	{'q', key_domains, "domains and their vCPUs"},
	{'r', sched_print, "run queues"},
	{'s', time_print, "time"},
	{'t', key_trace, "newest trace records"},
	{'w', key_warnings, "how many warnings were printed"},
	{'R', hw_machine_reboot, "reboot the machine"},
};

static void key_help(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		log_info("  %c  %s", keys[i].key, keys[i].text);
}

void debug_key(char key)
{
	(void)atomic_fetch_or(&pressed[key >> 6 & 1], BIT(key & 63));
	work_raise(cpu_id(), WORK_KEY);
}

void debug_key_work(void)
{
	u64 now[2] = {atomic_exchange(&pressed[0], 0), atomic_exchange(&pressed[1], 0)};

	for (size_t i = 0; dom0 != NULL && i < ARRAY_SIZE(keys); i++)
		if (now[keys[i].key >> 6] >> (keys[i].key & 63) & 1)
			keys[i].fn();
}

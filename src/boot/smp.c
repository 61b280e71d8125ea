/* SPDX-License-Identifier: MIT */
/*
 * The other CPUs: each gets a guarded stack block, is started by INIT and SIPI at a page below 1 MiB, and ends in its exit
 * loop. Reached from main.c, and by each further CPU; calls entry, lapic, sched, time. One CPU is started at a time, so the
 * trampoline page needs no lock.
 */
#include "boot/boot.h"
#include "core/err.h"
#include "core/log.h"
#include "domain/domain.h"
#include "entry/entry.h"
#include "hw/acpi.h"
#include "hw/asm.h"
#include "hw/clock.h"
#include "hw/lapic.h"
#include "hw/mem.h"
#include "hw/paging.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "sched/sched.h"
#include "time/time.h"

#define TRAMPOLINE	 0x8000ul /* below the usual EBDA, above the real-mode tables */
#define START_TIMEOUT_MS 1000

extern const u8 trampoline_start[], trampoline_end[], trampoline_stack[], trampoline_cr3[],
	trampoline_entry[], trampoline_efer[];

static bool cpu_is_up; /* [a] by the CPU being started */

static u64 *trampoline_word(const u8 *symbol)
{
	return (u64 *)(LAYOUT_DIRECT + TRAMPOLINE + (u64)(symbol - trampoline_start));
}

/* Pages of the block that are there: structure, IST stacks at 2, 4, 6, 8, main stack from 10 on; the others are guards. */
static struct cpu *block_make(unsigned int cpu)
{
	u64 va = LAYOUT_CPUS + cpu * CPU_BLOCK_SIZE;

	for (unsigned int page = 0; page < CPU_BLOCK_SIZE / PAGE_SIZE; page++) {
		mfn_t mfn;

		if (page < 10 && page % 2 == 1)
			continue;
		mfn = frame_alloc(0, FRAME_ZERO);
		if (mfn_is_none(mfn))
			panic("no memory for CPU %u", cpu);
		paging_map(va + page * PAGE_SIZE, mfn_num(mfn) << PAGE_SHIFT, PAGE_SIZE, MAP_DATA);
	}
	return (struct cpu *)va;
}

static void wait_ms(unsigned int ms, const bool *until)
{
	u64 end = hw_tsc() + hw_tsc_khz * ms;

	while (hw_tsc() < end && (until == NULL || !atomic_load(until)))
		hw_relax();
}

static NORETURN void cpu_main(void)
{
	struct cpu *cpu = hw_this_cpu();

	entry_cpu_init();
	hw_lapic_init_ap();
	time_cpu_init(cpu->id);
	cpumask_set(&cpu_online_mask, cpu->id);
	atomic_store(&cpu_is_up, true);
	entry_run();
}

static bool cpu_start(unsigned int id, u32 apic_id)
{
	struct cpu *cpu = block_make(id);

	cpu->id = id;
	hw_cpus[id] = cpu;
	cpu->apic_id = apic_id;
	cpu->current = domain_idle_vcpu(id);
	hw_cpu_apic_id[id] = apic_id;
	if (sched_cpu_init(id, cpu->current) != 0)
		panic("no memory for CPU %u", id);
	*trampoline_word(trampoline_stack) = (u64)cpu + CPU_BLOCK_SIZE - 8;
	*trampoline_word(trampoline_cr3) = paging_root_maddr();
	*trampoline_word(trampoline_entry) = (u64)cpu_main;
	*trampoline_word(trampoline_efer) = EFER_SCE | EFER_LME | (hw_has_nx ? EFER_NX : 0);
	atomic_store(&cpu_is_up, false);
	hw_lapic_send_init(apic_id);
	wait_ms(10, NULL);
	hw_lapic_send_sipi(apic_id, TRAMPOLINE >> PAGE_SHIFT);
	wait_ms(2, &cpu_is_up);
	if (!atomic_load(&cpu_is_up))
		hw_lapic_send_sipi(apic_id, TRAMPOLINE >> PAGE_SHIFT);
	wait_ms(START_TIMEOUT_MS, &cpu_is_up);
	return atomic_load(&cpu_is_up);
}

void boot_cpus_start(void)
{
	u32 self = hw_lapic_id();

	memcpy((void *)(LAYOUT_DIRECT + TRAMPOLINE), trampoline_start,
	       (size_t)(trampoline_end - trampoline_start));
	paging_map(0, 0, 0x100000,
		   MAP_TEXT | MAP_RW); /* identity, for the moment in which paging is turned on */
	for (unsigned int i = 0;
	     i < hw_acpi.cpu_count && cpu_count < MIN(opt_maxcpus, (unsigned int)CPU_MAX); i++) {
		const struct acpi_cpu *found = &hw_acpi.cpus[i];

		if (found->apic_id == self)
			continue;
		if (cpu_start(cpu_count, found->apic_id))
			cpu_count++;
		else
			log_warning("CPU with APIC id %u does not start", found->apic_id);
	}
	paging_root[0] = 0;
	hw_cr3_write(paging_root_maddr());
	log_info("%u CPUs", cpu_count);
}

/* SPDX-License-Identifier: MIT */
/*
 * What each CPU is told at its start beyond its tables and control registers: CPUID of guests comes to Mica (SDM 4,
 * MISC_FEATURES_ENABLES), machine checks are reported (SDM 3B 16.3); and what they say, for the crash report. Reached from
 * entry/cpu.c and debug/report.c. No lock: a CPU's own registers.
 */
#include "hw/start.h"

#include "core/log.h"
#include "hw/asm.h"
#include "hw/features.h"

#define CPUID_FAULTING	BIT(31) /* of PLATFORM_INFO */
#define MCG_HAS_CTL	BIT(8)
#define MCI_VALID	BIT(63)
#define MCI_HAS_ADDRESS BIT(58)
#define MCI_HAS_MISC	BIT(59)

static unsigned int banks(void)
{
	return hw_cpu_has(1, EDX, 14) ? (unsigned int)hw_rdmsr(MSR_MCG_CAP) & 0xff : 0;
}

void hw_machine_checks_print(void)
{
	unsigned int count = banks();

	if (count != 0)
		log_error("machine check: status %lx, %u banks", hw_rdmsr(MSR_MCG_STATUS), count);
	for (unsigned int i = 0; i < count; i++) {
		u64 status = hw_rdmsr(MSR_MCI_STATUS(i));

		if ((status & MCI_VALID) != 0)
			log_error("bank %u: status %016lx address %lx misc %lx", i, status,
				  status & MCI_HAS_ADDRESS ? hw_rdmsr(MSR_MCI_ADDR(i)) : 0,
				  status & MCI_HAS_MISC ? hw_rdmsr(MSR_MCI_MISC(i)) : 0);
	}
}

/* What firmware and an earlier machine check left is forgotten; a fatal one was reported when it came. */
static void machine_checks_start(void)
{
	u32 one = hw_cpuid(1, 0).a, model = (one >> 4 & 15) | (one >> 12 & 0xf0);
	/* Their first bank's control register is the firmware's (SDM 3B 16.3.2.1). */
	bool is_old = hw_features.is_intel && (one >> 8 & 15) == 6 && model < 0x1a;

	for (unsigned int i = 0; i < banks(); i++) {
		if (i != 0 || !is_old)
			(void)hw_wrmsr_safe(MSR_MCI_CTL(i), ~0ull);
		(void)hw_wrmsr_safe(MSR_MCI_STATUS(i), 0);
	}
	if (banks() != 0 && (hw_rdmsr(MSR_MCG_CAP) & MCG_HAS_CTL) != 0)
		hw_wrmsr(MSR_MCG_CTL, ~0ull);
}

void hw_cpu_start(void)
{
	u64 info;

	if (hw_rdmsr_safe(MSR_PLATFORM_INFO, &info) && (info & CPUID_FAULTING) != 0)
		hw_wrmsr(MSR_MISC_FEATURES_ENABLES, 1);
	machine_checks_start();
}

/* SPDX-License-Identifier: MIT */
/* uses: test/fake/registers.c */
/*
 * What each CPU is told at its start, over fake registers: CPUID faulting where PLATFORM_INFO has it, machine-check banks on and
 * empty; and what the report says of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fake.h"
#include "hw/asm.h"
#include "hw/features.h"
#include "lib/string.h"

#include "../../src/hw/x86/start.c"

struct hw_features hw_features;
static u32 signature;
static bool has_mca;
static char said[1000];
_Thread_local unsigned int fake_cpu;

void log_print(enum log_level level, const char *format, ...)
{
	size_t len = strlen(said);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(said + len, sizeof(said) - len, format, args);
	va_end(args);
}

struct cpuid_regs hw_cpuid(u32 leaf, u32 subleaf)
{
	return (struct cpuid_regs){.a = signature};
}

bool hw_cpu_has(u32 leaf, enum cpuid_register reg, unsigned int bit)
{
	return has_mca && leaf == 1 && reg == EDX && bit == 14;
}

static void cpuid_faulting(void **state)
{
	(void)state;
	hw_cpu_start(); /* neither register is there */
	*fake_msr(MSR_MISC_FEATURES_ENABLES) = 0;
	hw_cpu_start();
	*fake_msr(MSR_PLATFORM_INFO) = ~BIT(31);
	hw_cpu_start();
	assert_int_equal(*fake_msr(MSR_MISC_FEATURES_ENABLES), 0);
	*fake_msr(MSR_PLATFORM_INFO) = BIT(31);
	hw_cpu_start();
	assert_int_equal(*fake_msr(MSR_MISC_FEATURES_ENABLES), 1);
}

static void machine_checks(void **state)
{
	(void)state;
	has_mca = true;
	*fake_msr(MSR_MCG_CAP) = BIT(8) | 3;
	for (unsigned int bank = 0; bank < 3; bank++) {
		*fake_msr(MSR_MCI_CTL(bank)) = 0;
		*fake_msr(MSR_MCI_STATUS(bank)) = MCI_VALID;
	}
	signature = 0x106a0; /* family 6, model 0x1a */
	hw_features.is_intel = true;
	hw_cpu_start();
	assert_int_equal(*fake_msr(MSR_MCG_CTL), ~0ull);
	for (unsigned int bank = 0; bank < 3; bank++) {
		assert_int_equal(*fake_msr(MSR_MCI_CTL(bank)), ~0ull);
		assert_int_equal(*fake_msr(MSR_MCI_STATUS(bank)), 0);
	}
	/* An older one's first bank is the firmware's. */
	*fake_msr(MSR_MCI_CTL(0)) = 5;
	signature = 0x10670;
	hw_cpu_start();
	assert_int_equal(*fake_msr(MSR_MCI_CTL(0)), 5);

	*fake_msr(MSR_MCG_STATUS) = 5;
	*fake_msr(MSR_MCI_STATUS(1)) = MCI_VALID | MCI_HAS_ADDRESS | 0x135;
	*fake_msr(MSR_MCI_ADDR(1)) = 0x1234000;
	*fake_msr(MSR_MCI_MISC(1)) = 0x77;
	hw_machine_checks_print();
	assert_non_null(strstr(said, "machine check: status 5, 3 banks"));
	assert_non_null(strstr(said, "bank 1: status 8400000000000135 address 1234000 misc 0"));
	assert_null(strstr(said, "bank 0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpuid_faulting),
		cmocka_unit_test(machine_checks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Registers of the fake CPUs: see hw/asm.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"
#include "hw/asm.h"

#define MSRS_MAX 64

struct fake_registers fake_registers[FAKE_CPU_MAX];
u16 fake_bad_selector;

static struct {
	u32 number;
	u64 value;
} msrs[FAKE_CPU_MAX][MSRS_MAX];
static unsigned int msr_count[FAKE_CPU_MAX];

static u64 *msr_find(u32 msr)
{
	for (unsigned int i = 0; i < msr_count[fake_cpu]; i++)
		if (msrs[fake_cpu][i].number == msr)
			return &msrs[fake_cpu][i].value;
	return NULL;
}

u64 *fake_msr(u32 msr)
{
	u64 *found = msr_find(msr);

	if (found)
		return found;
	if (msr_count[fake_cpu] == MSRS_MAX) {
		fprintf(stderr, "too many MSRs\n");
		abort();
	}
	msrs[fake_cpu][msr_count[fake_cpu]].number = msr;
	return &msrs[fake_cpu][msr_count[fake_cpu]++].value;
}

u64 hw_rdmsr(u32 msr)
{
	return *fake_msr(msr);
}

void hw_wrmsr(u32 msr, u64 value)
{
	*fake_msr(msr) = value;
}

bool hw_rdmsr_safe(u32 msr, u64 *value)
{
	const u64 *found = msr_find(msr);

	*value = found ? *found : 0;
	return found;
}

bool hw_wrmsr_safe(u32 msr, u64 value)
{
	u64 *found = msr_find(msr);

	if (found)
		*found = value;
	return found;
}

void hw_swapgs(void)
{
	u64 inner = hw_rdmsr(MSR_GS_BASE);

	hw_wrmsr(MSR_GS_BASE, hw_rdmsr(MSR_KERNEL_GS_BASE));
	hw_wrmsr(MSR_KERNEL_GS_BASE, inner);
}

/* As the CPU: #NM while TS is set is Mica's own mistake. */
static void fpu_check(void)
{
	if (hw_cr0_read() & CR0_TS) {
		fprintf(stderr, "the FPU is used with TS set\n");
		abort();
	}
}

void hw_fpu_save(void *area, u64 components, bool has_xsaveopt)
{
	(void)has_xsaveopt;
	fpu_check();
	memcpy(area, fake_registers[fake_cpu].fpu, components ? 832 : 512);
}

void hw_fpu_load(const void *area, u64 components)
{
	fpu_check();
	memcpy(fake_registers[fake_cpu].fpu, area, components ? 832 : 512);
}

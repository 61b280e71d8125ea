/* SPDX-License-Identifier: MIT */
/* Fake seam: of the machine's instructions only CPUID, and that is what the test says (fake_cpuid). */
#ifndef HW_ASM_H
#define HW_ASM_H

#include "lib/types.h"

struct cpuid_regs {
	u32 a, b, c, d;
};

struct cpuid_regs hw_cpuid(u32 leaf, u32 subleaf);

#endif

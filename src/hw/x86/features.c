/* SPDX-License-Identifier: MIT */
/* What the CPU has, of what Mica uses. Reached from boot/ once; asks CPUID. No lock. */
#include "hw/features.h"

#include "hw/asm.h"
#include "hw/layout.h"
#include "lib/bits.h"
#include "lib/string.h"

struct hw_features hw_features;

bool hw_cpu_has(u32 leaf, enum cpuid_register reg, unsigned int bit)
{
	struct cpuid_regs r = hw_cpuid(leaf, 0);
	const u32 words[] = {r.a, r.b, r.c, r.d};

	return hw_cpuid(leaf & 0x80000000, 0).a >= leaf && (words[reg] >> bit & 1) != 0;
}

static void brand_read(void)
{
	if (hw_cpuid(0x80000000, 0).a < 0x80000004)
		return;
	for (u32 i = 0; i < 3; i++) {
		struct cpuid_regs r = hw_cpuid(0x80000002 + i, 0);

		memcpy(hw_features.brand + 16 * i, &r, 16);
	}
}

static void xsave_read(void)
{
	struct cpuid_regs r;

	hw_features.xsave_bytes = 512;
	if (!hw_cpu_has(1, ECX, 26))
		return;
	r = hw_cpuid(0xd, 0);
	/* x87, SSE, AVX, AVX-512: what Mica offers. PKRU and the rest stay off. */
	hw_features.xcr0 = (r.a | (u64)r.d << 32) & 0xe7;
	if ((hw_features.xcr0 & 4) == 0)
		hw_features.xcr0 &= 3;
	hw_features.cr4_extra |= CR4_OSXSAVE;
	hw_cr4_write(hw_cr4_read() | CR4_OSXSAVE);
	hw_xcr0_write(hw_features.xcr0);
	hw_features.xsave_bytes = hw_cpuid(0xd, 0).b;
	hw_features.has_xsaveopt = (hw_cpuid(0xd, 1).a & 1) != 0;
}

/* SDM 3A 9.9; APM 3 E.4. */
static void topology_read(u32 basic_max, const struct cpuid_regs *one)
{
	u32 ext_max = hw_cpuid(0x80000000, 0).a, logical = one->b >> 16 & 0xff, cores = 1, size;

	if (basic_max >= 0xb && hw_cpuid(0xb, 0).b != 0) {
		hw_features.thread_bits = hw_cpuid(0xb, 0).a & 31;
		hw_features.socket_bits = hw_cpuid(0xb, 1).a & 31;
		return;
	}
	if ((one->d & BIT(28)) == 0)
		return;
	if (hw_features.is_intel && basic_max >= 4) {
		cores = (hw_cpuid(4, 0).a >> 26) + 1;
	} else if (ext_max >= 0x80000008) {
		size = hw_cpuid(0x80000008, 0).c;
		cores = logical = MAX((size & 0xff) + 1, 1u << (size >> 12 & 15));
	}
	hw_features.socket_bits = ilog2_up(logical);
	hw_features.thread_bits = hw_features.socket_bits -
				  MIN(hw_features.socket_bits, ilog2_up(cores));
}

/* IA32_ARCH_CAPABILITIES (SDM 4) */
#define ARCH_CAP_RDCL_NO    BIT(0)
#define ARCH_CAP_IBRS_ALL   BIT(1)
#define ARCH_CAP_MDS_NO	    BIT(5)
#define ARCH_CAP_FB_CLEAR   BIT(17)
#define ARCH_CAP_BHI_NO	    BIT(20)
#define ARCH_CAP_RFDS_CLEAR BIT(28)

/*
 * What the CPU guesses and keeps that a guest could make use of, and by what that is prevented (SDM 3A 18.20 and Intel's and
 * AMD's papers on each). AMD and Hygon never had Meltdown, nor a branch history to inject; others say when they are without.
 */
static void guessing_read(u32 vendor)
{
	bool is_amd = vendor == 0x68747541 || vendor == 0x6f677948;
	u32 guesses = is_amd ? GUESS_THUNK : GUESS_THUNK | GUESS_HISTORY;
	u64 caps = hw_cpu_has(7, EDX, 29) ? hw_rdmsr(MSR_ARCH_CAPABILITIES) : 0;
	bool has_rtm = hw_cpu_has(7, EBX, 11), has_verw = hw_cpu_has(7, EDX, 10);

	hw_features.has_meltdown = !is_amd && (caps & ARCH_CAP_RDCL_NO) == 0;
	if (hw_cpu_has(7, EDX, 26) || hw_cpu_has(0x80000008, EBX, 12))
		guesses |= GUESS_IBPB;
	if ((caps & ARCH_CAP_IBRS_ALL) != 0)
		guesses = (guesses & ~GUESS_THUNK) | GUESS_IBRS;
	if (hw_cpu_has(0x80000021, EAX, 8))
		guesses = (guesses & ~GUESS_THUNK) | GUESS_AUTO_IBRS;
	if (hw_cpuid(0, 0).a >= 7 && hw_cpuid(7, 0).a >= 2 && (hw_cpuid(7, 2).d & BIT(4)) != 0)
		guesses = (guesses & ~GUESS_HISTORY) | GUESS_BHI_DIS;
	if ((caps & ARCH_CAP_BHI_NO) != 0)
		guesses &= ~(GUESS_HISTORY | GUESS_BHI_DIS);
	if ((has_verw && ((caps & ARCH_CAP_MDS_NO) == 0 || has_rtm)) ||
	    (caps & (ARCH_CAP_FB_CLEAR | ARCH_CAP_RFDS_CLEAR)) != 0)
		guesses |= GUESS_VERW;
	hw_features.guesses = guesses;
}

void hw_features_init(void)
{
	struct cpuid_regs base = hw_cpuid(0, 0), one = hw_cpuid(1, 0);

	hw_features.is_intel = base.b == 0x756e6547;
	guessing_read(base.b);
	hw_features.has_smap = hw_cpu_has(7, EBX, 20);
	hw_features.has_invariant_tsc = hw_cpu_has(0x80000007, EDX, 8);
	hw_features.has_tsc_aux = hw_cpu_has(0x80000001, EDX, 27);
	hw_features.cr4_extra = (hw_cpu_has(7, EBX, 7) ? CR4_SMEP : 0) |
				(hw_cpu_has(7, ECX, 2) ? CR4_UMIP : 0) |
				(hw_cpu_has(7, EBX, 0) ? CR4_FSGSBASE : 0);
	brand_read();
	topology_read(base.a, &one);
	xsave_read();
}

void hw_guesses_start(void)
{
	u64 control = ((hw_features.guesses & GUESS_IBRS) != 0 ? SPEC_CTRL_IBRS : 0) |
		      ((hw_features.guesses & GUESS_BHI_DIS) != 0 ? SPEC_CTRL_BHI_DIS_S : 0);

	if (control != 0)
		hw_wrmsr(MSR_SPEC_CTRL, control);
	if ((hw_features.guesses & GUESS_AUTO_IBRS) != 0)
		hw_wrmsr(MSR_EFER, hw_rdmsr(MSR_EFER) | EFER_AUTO_IBRS);
}

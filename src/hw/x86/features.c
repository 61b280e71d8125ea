/* SPDX-License-Identifier: MIT */
/* What the CPU has, of what Mica uses. Reached from boot/ once; asks CPUID. No lock. */
#include "hw/features.h"

#include "hw/asm.h"
#include "hw/layout.h"
#include "lib/bits.h"
#include "lib/string.h"

struct hw_features hw_features;

static void brand_read(void)
{
	if (hw_cpuid(0x80000000, 0).a < 0x80000004)
		return;
	for (u32 i = 0; i < 3; i++) {
		struct cpuid_regs r = hw_cpuid(0x80000002 + i, 0);

		memcpy(hw_features.brand + 16 * i, &r, 16);
	}
}

static void xsave_read(u32 ecx)
{
	struct cpuid_regs r;

	hw_features.xsave_bytes = 512;
	if ((ecx & BIT(26)) == 0)
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
static void guessing_read(u32 vendor, u32 basic_max, const struct cpuid_regs *seven)
{
	bool is_amd = vendor == 0x68747541 || vendor == 0x6f677948;
	u32 ext_max = hw_cpuid(0x80000000, 0).a, guesses;
	u64 caps = (seven->d & BIT(29)) != 0 ? hw_rdmsr(MSR_ARCH_CAPABILITIES) : 0;
	bool has_rtm = (seven->b & BIT(11)) != 0;

	hw_features.has_meltdown = !is_amd && (caps & ARCH_CAP_RDCL_NO) == 0;
	guesses = GUESS_THUNK | GUESS_HISTORY;
	if (is_amd)
		guesses &= ~GUESS_HISTORY;
	if ((seven->d & BIT(26)) != 0 ||
	    (ext_max >= 0x80000008 && (hw_cpuid(0x80000008, 0).b & BIT(12)) != 0))
		guesses |= GUESS_IBPB;
	if ((caps & ARCH_CAP_IBRS_ALL) != 0)
		guesses = (guesses & ~GUESS_THUNK) | GUESS_IBRS;
	if (ext_max >= 0x80000021 && (hw_cpuid(0x80000021, 0).a & BIT(8)) != 0)
		guesses = (guesses & ~GUESS_THUNK) | GUESS_AUTO_IBRS;
	if (basic_max >= 7 && seven->a >= 2 && (hw_cpuid(7, 2).d & BIT(4)) != 0)
		guesses = (guesses & ~GUESS_HISTORY) | GUESS_BHI_DIS;
	if ((caps & ARCH_CAP_BHI_NO) != 0)
		guesses &= ~(GUESS_HISTORY | GUESS_BHI_DIS);
	if (((seven->d & BIT(10)) != 0 && ((caps & ARCH_CAP_MDS_NO) == 0 || has_rtm)) ||
	    (caps & (ARCH_CAP_FB_CLEAR | ARCH_CAP_RFDS_CLEAR)) != 0)
		guesses |= GUESS_VERW;
	hw_features.guesses = guesses;
}

void hw_features_init(void)
{
	struct cpuid_regs base = hw_cpuid(0, 0), one = hw_cpuid(1, 0), seven = {0, 0, 0, 0};

	if (base.a >= 7)
		seven = hw_cpuid(7, 0);
	hw_features.is_intel = base.b == 0x756e6547;
	guessing_read(base.b, base.a, &seven);
	hw_features.has_smap = (seven.b & BIT(20)) != 0;
	if (hw_cpuid(0x80000000, 0).a >= 0x80000007)
		hw_features.has_invariant_tsc = (hw_cpuid(0x80000007, 0).d & BIT(8)) != 0;
	if (hw_cpuid(0x80000000, 0).a >= 0x80000001)
		hw_features.has_tsc_aux = (hw_cpuid(0x80000001, 0).d & BIT(27)) != 0;
	if ((seven.b & BIT(7)) != 0)
		hw_features.cr4_extra |= CR4_SMEP;
	if ((seven.c & BIT(2)) != 0)
		hw_features.cr4_extra |= CR4_UMIP;
	if ((seven.b & BIT(0)) != 0)
		hw_features.cr4_extra |= CR4_FSGSBASE;
	brand_read();
	topology_read(base.a, &one);
	xsave_read(one.c);
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

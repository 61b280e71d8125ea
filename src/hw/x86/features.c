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

#define ARCH_CAP_RDCL_NO BIT(0)

/* AMD and Hygon never had it; others say when they are without (SDM 4, IA32_ARCH_CAPABILITIES). */
static bool has_meltdown(u32 vendor, u32 seven_d)
{
	if (vendor == 0x68747541 || vendor == 0x6f677948)
		return false;
	return (seven_d & BIT(29)) == 0 ||
	       (hw_rdmsr(MSR_ARCH_CAPABILITIES) & ARCH_CAP_RDCL_NO) == 0;
}

void hw_features_init(void)
{
	struct cpuid_regs base = hw_cpuid(0, 0), one = hw_cpuid(1, 0), seven = {0, 0, 0, 0};

	if (base.a >= 7)
		seven = hw_cpuid(7, 0);
	hw_features.is_intel = base.b == 0x756e6547;
	hw_features.has_meltdown = has_meltdown(base.b, seven.d);
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

/* ---------------------------------------------------------------- what stubs do only on some machines */

struct smap_site {
	u64 at, kind;
};
extern const struct smap_site smap_sites_start[], smap_sites_end[];

enum { CLAC, STAC, JUMP };

/* Through the direct map: Mica's text is not writable where it runs. */
static void patch(u64 kind, const char *code, size_t bytes)
{
	for (const struct smap_site *site = smap_sites_start; site < smap_sites_end; site++)
		if (site->kind == kind)
			memcpy((void *)(site->at - LAYOUT_IMAGE + LAYOUT_DIRECT), code, bytes);
}

void hw_smap_patch(void)
{
	patch(CLAC, "\x0f\x01\xca", 3);
	patch(STAC, "\x0f\x01\xcb", 3);
	hw_features.cr4_extra |= CR4_SMAP;
	hw_cr4_write(hw_cr4_read() | CR4_SMAP);
}

void hw_isolation_patch(void)
{
	patch(JUMP, "\x66\x90", 2);
}

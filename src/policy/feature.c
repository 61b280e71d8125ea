/* SPDX-License-Identifier: MIT */
/*
 * CPU features by the public header's names: THE list of those that a PV guest sees when the CPU
 * has them, and where their words lie among the CPUID leaves. Reached from cpuid.c, msr.c and pv/;
 * calls nothing; no lock.
 */
#include "policy/priv.h"

#include "lib/abi.h"
#include "lib/string.h"

#include <xen/arch-x86/cpufeatureset.h>

/*
 * Word of the feature set -> leaf, sub-leaf and register (0..3: a..d). Words 16 and 17 are an MSR,
 * not here.
 */
static const struct {
	u32 leaf, sub;
	u8 reg;
} word_place[POLICY_FEATURE_WORDS] = {
	[0] = {0x1, POLICY_NO_SUB, 3},
	[1] = {0x1, POLICY_NO_SUB, 2},
	[2] = {0x80000001, POLICY_NO_SUB, 3},
	[3] = {0x80000001, POLICY_NO_SUB, 2},
	[4] = {0xd, 1, 0},
	[5] = {0x7, 0, 1},
	[6] = {0x7, 0, 2},
	[7] = {0x80000007, POLICY_NO_SUB, 3},
	[8] = {0x80000008, POLICY_NO_SUB, 1},
	[9] = {0x7, 0, 3},
	[10] = {0x7, 1, 0},
	[11] = {0x80000021, POLICY_NO_SUB, 0},
	[12] = {0x7, 1, 1},
	[13] = {0x7, 2, 3},
	[14] = {0x7, 1, 2},
	[15] = {0x7, 1, 3},
	[18] = {0x80000021, POLICY_NO_SUB, 2},
};
#define WORD_ARCH_CAPS 16

/*
 * What a PV guest sees if the CPU has it. Missing on purpose, beside what nobody has thought about
 * yet:
 *	ring 0's own: VME PSE PSE36 PGE MTRR SMEP SMAP UMIP PCID INVPCID LA57 PKU CET PAGE1GB
 *		TSC_ADJUST XSAVES MPX
 *	Mica's own: VMX SVM SMX X2APIC TSC_DEADLINE MONITOR MONITORX, thermal and
 *		performance monitors
 *	SEP: Mica refuses SYSENTER. HLE RTM: nothing uses them, TAA does
 *	SPEC_CTRL (IBRSB STIBP SSBD and AMD's): until it is switched with the vCPU
 *	RDPID: until TSC_AUX is switched with the vCPU; Linux takes its CPU number from there
 *	DBEXT: its address masks are not switched. TOPOEXT, XOP, FMA4, LWP: nothing needs them
 */
#define F(name) XEN_X86_FEATURE_##name
static const u16 pv_features[] = {
	/* 1.edx */
	F(FPU),
	F(DE),
	F(TSC),
	F(MSR),
	F(PAE),
	F(MCE),
	F(CX8),
	F(APIC),
	F(MCA),
	F(CMOV),
	F(PAT),
	F(CLFLUSH),
	F(ACPI),
	F(MMX),
	F(FXSR),
	F(SSE),
	F(SSE2),
	F(SS),
	F(HTT),
	/* 1.ecx */
	F(SSE3),
	F(PCLMULQDQ),
	F(SSSE3),
	F(FMA),
	F(CX16),
	F(SSE4_1),
	F(SSE4_2),
	F(MOVBE),
	F(POPCNT),
	F(AESNI),
	F(XSAVE),
	F(AVX),
	F(F16C),
	F(RDRAND),
	F(HYPERVISOR),
	/* 80000001.edx and ecx; AMD's copies of 1.edx follow those */
	F(SYSCALL),
	F(NX),
	F(MMXEXT),
	F(FFXSR),
	F(RDTSCP),
	F(LM),
	F(3DNOWEXT),
	F(3DNOW),
	F(LAHF_LM),
	F(CMP_LEGACY),
	F(ABM),
	F(SSE4A),
	F(MISALIGNSSE),
	F(3DNOWPREFETCH),
	F(TBM),
	/* d.1.eax */
	F(XSAVEOPT),
	F(XSAVEC),
	F(XGETBV1),
	/* 7.0 */
	F(FSGSBASE),
	F(BMI1),
	F(AVX2),
	F(FDP_EXCP_ONLY),
	F(BMI2),
	F(ERMS),
	F(NO_FPU_SEL),
	F(AVX512F),
	F(AVX512DQ),
	F(RDSEED),
	F(ADX),
	F(AVX512_IFMA),
	F(CLFLUSHOPT),
	F(CLWB),
	F(AVX512PF),
	F(AVX512ER),
	F(AVX512CD),
	F(SHA),
	F(AVX512BW),
	F(AVX512VL),
	F(PREFETCHWT1),
	F(AVX512_VBMI),
	F(AVX512_VBMI2),
	F(GFNI),
	F(VAES),
	F(VPCLMULQDQ),
	F(AVX512_VNNI),
	F(AVX512_BITALG),
	F(AVX512_VPOPCNTDQ),

	F(CLDEMOTE),
	F(AVX512_4VNNIW),
	F(AVX512_4FMAPS),
	F(FSRM),
	F(MD_CLEAR),
	F(SERIALIZE),
	F(ARCH_CAPS),
	/* 7.1, 7.2 */
	F(AVX_VNNI),
	F(AVX512_BF16),
	F(FZRM),
	F(FSRS),
	F(FSRCS),
	F(MCDT_NO),
	/* 80000008.ebx, 80000021 */
	F(CLZERO),
	F(RSTR_FP_ERR_PTRS),
	F(IBPB),
	F(SSB_NO),
	F(BTC_NO),
	F(IBPB_RET),
	F(LFENCE_DISPATCH),
	F(VERW_CLEAR),
	F(NSCB),
	F(IBPB_BRTYPE),
	F(SRSO_NO),
	F(SRSO_US_NO),
	F(TSA_SQ_NO),
	F(TSA_L1_NO),
	/* IA32_ARCH_CAPABILITIES: statements about the silicon only */
	F(RDCL_NO),
	F(EIBRS),
	F(RSBA),
	F(INTEL_SSB_NO),
	F(MDS_NO),
	F(IF_PSCHANGE_MC_NO),
	F(TAA_NO),
	F(SBDR_SSDP_NO),
	F(FBSDP_NO),
	F(PSDP_NO),
	F(FB_CLEAR),
	F(RRSBA),
	F(BHI_NO),
	F(PBRSB_NO),
	F(GDS_NO),
	F(RFDS_NO),
	F(RFDS_CLEAR),
	F(ITS_NO),
};

/* Features that live in state which XCR0 switches on: its bits (SDM 1 13.1). */
static const struct {
	u64 xcr0;
	u16 feature;
} state_features[] = {
	{1, F(XSAVE)},
	{1, F(XSAVEOPT)},
	{1, F(XSAVEC)},
	{1, F(XGETBV1)},
	{4, F(AVX)},
	{4, F(FMA)},
	{4, F(F16C)},
	{4, F(AVX2)},
	{4, F(VAES)},
	{4, F(VPCLMULQDQ)},
	{4, F(AVX_VNNI)},
	{0xe0, F(AVX512F)},
	{0xe0, F(AVX512DQ)},
	{0xe0, F(AVX512_IFMA)},
	{0xe0, F(AVX512PF)},
	{0xe0, F(AVX512ER)},
	{0xe0, F(AVX512CD)},
	{0xe0, F(AVX512BW)},
	{0xe0, F(AVX512VL)},
	{0xe0, F(AVX512_VBMI)},
	{0xe0, F(AVX512_VBMI2)},
	{0xe0, F(AVX512_VNNI)},
	{0xe0, F(AVX512_BITALG)},
	{0xe0, F(AVX512_VPOPCNTDQ)},
	{0xe0, F(AVX512_4VNNIW)},
	{0xe0, F(AVX512_4FMAPS)},
	{0xe0, F(AVX512_BF16)},
};

/* AMD repeats these bits of 1.edx in 80000001.edx (APM 3 E.4.2). */
#define EXT_COPY_MASK 0x0183f3ffu

static u32 *leaf_reg(struct cpuid_leaf *v, unsigned int reg)
{
	u32 *const regs[] = {&v->a, &v->b, &v->c, &v->d};

	return regs[reg];
}

const struct cpuid_leaf *policy_leaf_find(const struct policy_leaf *leaf, unsigned int leaf_count,
					  u32 nr, u32 sub)
{
	for (unsigned int i = 0; i < leaf_count; i++) {
		if (leaf[i].leaf == nr && (leaf[i].sub == sub || leaf[i].sub == POLICY_NO_SUB))
			return &leaf[i].v;
	}
	return NULL;
}

static struct cpuid_leaf *leaf_find(struct policy_leaf *leaf, unsigned int leaf_count, u32 nr,
				    u32 sub)
{
	for (unsigned int i = 0; i < leaf_count; i++) {
		if (leaf[i].leaf == nr && leaf[i].sub == sub)
			return &leaf[i].v;
	}
	return NULL;
}

static void featureset(const struct policy_leaf *leaf, unsigned int leaf_count, u64 arch_caps,
		       u32 words[POLICY_FEATURE_WORDS])
{
	memset(words, 0, POLICY_FEATURE_WORDS * sizeof(words[0]));
	for (unsigned int w = 0; w < POLICY_FEATURE_WORDS; w++) {
		const struct cpuid_leaf *v;
		struct cpuid_leaf copy;

		if (!word_place[w].leaf)
			continue;
		v = policy_leaf_find(leaf, leaf_count, word_place[w].leaf, word_place[w].sub);
		if (v) {
			copy = *v;
			words[w] = *leaf_reg(&copy, word_place[w].reg);
		}
	}
	words[WORD_ARCH_CAPS] = (u32)arch_caps;
	words[WORD_ARCH_CAPS + 1] = (u32)(arch_caps >> 32);
}

/* The words of all features that a PV guest may see. */
static void mask_make(u32 words[POLICY_FEATURE_WORDS], bool is_tsc_shown)
{
	memset(words, 0, POLICY_FEATURE_WORDS * sizeof(words[0]));
	for (unsigned int i = 0; i < ARRAY_SIZE(pv_features); i++)
		words[pv_features[i] / 32] |= 1u << (pv_features[i] % 32);
	if (is_tsc_shown)
		words[F(ITSC) / 32] |= 1u << (F(ITSC) % 32);
}

u64 policy_arch_caps_mask(void)
{
	u32 words[POLICY_FEATURE_WORDS];

	mask_make(words, false);
	return words[WORD_ARCH_CAPS] | (u64)words[WORD_ARCH_CAPS + 1] << 32;
}

void policy_features_mask(struct policy_leaf *leaf, unsigned int leaf_count, bool is_tsc_shown)
{
	u32 words[POLICY_FEATURE_WORDS];

	mask_make(words, is_tsc_shown);
	words[2] |= words[0] & EXT_COPY_MASK;
	for (unsigned int w = 0; w < POLICY_FEATURE_WORDS; w++) {
		struct cpuid_leaf *v;

		if (!word_place[w].leaf)
			continue;
		v = leaf_find(leaf, leaf_count, word_place[w].leaf, word_place[w].sub);
		if (v)
			*leaf_reg(v, word_place[w].reg) &= words[w];
	}
}

void policy_features_drop(struct policy_leaf *leaf, unsigned int leaf_count, u64 xcr0)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(state_features); i++) {
		unsigned int w = state_features[i].feature / 32;
		struct cpuid_leaf *v;

		if ((xcr0 & state_features[i].xcr0) == state_features[i].xcr0)
			continue;
		v = leaf_find(leaf, leaf_count, word_place[w].leaf, word_place[w].sub);
		if (v)
			*leaf_reg(v,
				  word_place[w].reg) &= ~(1u << (state_features[i].feature % 32));
	}
}

void policy_featureset(const struct policy *policy, u32 words[POLICY_FEATURE_WORDS])
{
	featureset(policy->leaf, policy->leaf_count, policy->arch_caps, words);
}

void policy_host_featureset(const struct policy_host *host, u32 words[POLICY_FEATURE_WORDS])
{
	featureset(host->leaf, host->leaf_count, host->arch_caps, words);
}

bool policy_has(const struct policy *policy, unsigned int feature)
{
	u32 words[POLICY_FEATURE_WORDS];

	if (feature / 32 >= POLICY_FEATURE_WORDS)
		return false;
	policy_featureset(policy, words);
	return words[feature / 32] >> (feature % 32) & 1;
}

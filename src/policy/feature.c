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
 *	DBEXT: its address masks are not switched. TOPOEXT, XOP, FMA4, LWP: nothing needs them
 */
#define M(word, name) (1u << (XEN_X86_FEATURE_##name - (word)*32))
static const u32 pv_words[POLICY_FEATURE_WORDS] = {
	[0] = M(0, FPU) | M(0, DE) | M(0, TSC) | M(0, MSR) | M(0, PAE) | M(0, MCE) | M(0, CX8) |
	      M(0, APIC) | M(0, MCA) | M(0, CMOV) | M(0, PAT) | M(0, CLFLUSH) | M(0, ACPI) |
	      M(0, MMX) | M(0, FXSR) | M(0, SSE) | M(0, SSE2) | M(0, SS) | M(0, HTT),
	[1] = M(1, SSE3) | M(1, PCLMULQDQ) | M(1, SSSE3) | M(1, FMA) | M(1, CX16) | M(1, SSE4_1) |
	      M(1, SSE4_2) | M(1, MOVBE) | M(1, POPCNT) | M(1, AESNI) | M(1, XSAVE) | M(1, AVX) |
	      M(1, F16C) | M(1, RDRAND) | M(1, HYPERVISOR),
	[2] = M(2, SYSCALL) | M(2, NX) | M(2, MMXEXT) | M(2, FFXSR) | M(2, RDTSCP) | M(2, LM) |
	      M(2, 3DNOWEXT) | M(2, 3DNOW),
	[3] = M(3, LAHF_LM) | M(3, CMP_LEGACY) | M(3, ABM) | M(3, SSE4A) | M(3, MISALIGNSSE) |
	      M(3, 3DNOWPREFETCH) | M(3, TBM),
	[4] = M(4, XSAVEOPT) | M(4, XSAVEC) | M(4, XGETBV1),
	[5] = M(5, FSGSBASE) | M(5, BMI1) | M(5, AVX2) | M(5, FDP_EXCP_ONLY) | M(5, BMI2) |
	      M(5, ERMS) | M(5, NO_FPU_SEL) | M(5, AVX512F) | M(5, AVX512DQ) | M(5, RDSEED) |
	      M(5, ADX) | M(5, AVX512_IFMA) | M(5, CLFLUSHOPT) | M(5, CLWB) | M(5, AVX512PF) |
	      M(5, AVX512ER) | M(5, AVX512CD) | M(5, SHA) | M(5, AVX512BW) | M(5, AVX512VL),
	[6] = M(6, PREFETCHWT1) | M(6, AVX512_VBMI) | M(6, AVX512_VBMI2) | M(6, GFNI) | M(6, VAES) |
	      M(6, VPCLMULQDQ) | M(6, AVX512_VNNI) | M(6, AVX512_BITALG) | M(6, AVX512_VPOPCNTDQ) |
	      M(6, RDPID) | M(6, CLDEMOTE),
	[8] = M(8, CLZERO) | M(8, RSTR_FP_ERR_PTRS) | M(8, IBPB) | M(8, SSB_NO) | M(8, BTC_NO) |
	      M(8, IBPB_RET),
	[9] = M(9, AVX512_4VNNIW) | M(9, AVX512_4FMAPS) | M(9, FSRM) | M(9, MD_CLEAR) |
	      M(9, SERIALIZE) | M(9, ARCH_CAPS),
	[10] = M(10, AVX_VNNI) | M(10, AVX512_BF16) | M(10, FZRM) | M(10, FSRS) | M(10, FSRCS),
	[11] = M(11, LFENCE_DISPATCH) | M(11, VERW_CLEAR) | M(11, NSCB) | M(11, IBPB_BRTYPE) |
	       M(11, SRSO_NO) | M(11, SRSO_US_NO),
	[13] = M(13, MCDT_NO),
	[16] = M(16, RDCL_NO) | M(16, EIBRS) | M(16, RSBA) | M(16, INTEL_SSB_NO) | M(16, MDS_NO) |
	       M(16, IF_PSCHANGE_MC_NO) | M(16, TAA_NO) | M(16, SBDR_SSDP_NO) | M(16, FBSDP_NO) |
	       M(16, PSDP_NO) | M(16, FB_CLEAR) | M(16, RRSBA) | M(16, BHI_NO) | M(16, PBRSB_NO) |
	       M(16, GDS_NO) | M(16, RFDS_NO) | M(16, RFDS_CLEAR),
	[17] = M(17, ITS_NO),
	[18] = M(18, TSA_SQ_NO) | M(18, TSA_L1_NO),
};

/* Features that live in state which XCR0 switches on: its bits (SDM 1 13.1). */
static const struct {
	u32 xcr0, word, features;
} state_features[] = {
	{1, 1, M(1, XSAVE)},
	{1, 4, M(4, XSAVEOPT) | M(4, XSAVEC) | M(4, XGETBV1)},
	{4, 1, M(1, AVX) | M(1, FMA) | M(1, F16C)},
	{4, 5, M(5, AVX2)},
	{4, 6, M(6, VAES) | M(6, VPCLMULQDQ)},
	{4, 10, M(10, AVX_VNNI)},
	{0xe0, 5,
	 M(5, AVX512F) | M(5, AVX512DQ) | M(5, AVX512_IFMA) | M(5, AVX512PF) | M(5, AVX512ER) |
		 M(5, AVX512CD) | M(5, AVX512BW) | M(5, AVX512VL)},
	{0xe0, 6,
	 M(6, AVX512_VBMI) | M(6, AVX512_VBMI2) | M(6, AVX512_VNNI) | M(6, AVX512_BITALG) |
		 M(6, AVX512_VPOPCNTDQ)},
	{0xe0, 9, M(9, AVX512_4VNNIW) | M(9, AVX512_4FMAPS)},
	{0xe0, 10, M(10, AVX512_BF16)},
};

/* AMD repeats these bits of 1.edx in 80000001.edx (APM 3 E.4.2). */
#define EXT_COPY_MASK 0x0183f3ffu

void policy_featureset(const struct policy *policy, u32 words[POLICY_FEATURE_WORDS])
{
	memset(words, 0, POLICY_FEATURE_WORDS * sizeof(words[0]));
	for (unsigned int w = 0; w < POLICY_FEATURE_WORDS; w++) {
		const struct cpuid_leaf *v = policy_leaf_find(policy, word_place[w].leaf,
							      word_place[w].sub);

		if (word_place[w].leaf != 0 && v != NULL)
			words[w] = ((const u32 *)v)[word_place[w].reg];
	}
	words[WORD_ARCH_CAPS] = (u32)policy->arch_caps;
	words[WORD_ARCH_CAPS + 1] = (u32)(policy->arch_caps >> 32);
}

static void featureset_store(struct policy *policy, const u32 words[POLICY_FEATURE_WORDS])
{
	for (unsigned int w = 0; w < POLICY_FEATURE_WORDS; w++) {
		struct cpuid_leaf *v = policy_leaf(policy, word_place[w].leaf, word_place[w].sub);

		if (word_place[w].leaf != 0 && v != NULL)
			((u32 *)v)[word_place[w].reg] = words[w];
	}
	policy->arch_caps = words[WORD_ARCH_CAPS] | (u64)words[WORD_ARCH_CAPS + 1] << 32;
}

void policy_features_mask(struct policy *policy, const struct policy *raw, enum policy_kind kind)
{
	u32 words[POLICY_FEATURE_WORDS], real[POLICY_FEATURE_WORDS], mask[POLICY_FEATURE_WORDS];

	if (kind == POLICY_HOST)
		return;
	memcpy(mask, pv_words, sizeof(mask));
	mask[2] |= mask[0] & EXT_COPY_MASK;
	if (kind == POLICY_MAX)
		mask[7] |= M(7, ITSC);
	policy_featureset(policy, words);
	policy_featureset(raw, real);
	for (unsigned int w = 0; w < POLICY_FEATURE_WORDS; w++)
		words[w] &= mask[w] & real[w];
	if (!(words[9] & M(9, ARCH_CAPS)))
		words[WORD_ARCH_CAPS] = words[WORD_ARCH_CAPS + 1] = 0;
	featureset_store(policy, words);
}

void policy_features_drop(struct policy *policy)
{
	u32 words[POLICY_FEATURE_WORDS];

	policy_featureset(policy, words);
	for (unsigned int i = 0; i < ARRAY_SIZE(state_features); i++)
		if ((policy->xcr0_max & state_features[i].xcr0) != state_features[i].xcr0)
			words[state_features[i].word] &= ~state_features[i].features;
	featureset_store(policy, words);
}

bool policy_has(const struct policy *policy, unsigned int feature)
{
	u32 words[POLICY_FEATURE_WORDS];

	if (feature / 32 >= POLICY_FEATURE_WORDS)
		return false;
	policy_featureset(policy, words);
	return words[feature / 32] >> (feature % 32) & 1;
}

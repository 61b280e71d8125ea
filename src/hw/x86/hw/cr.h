/* SPDX-License-Identifier: MIT */
/* Bits of control registers, numbers and values of model-specific ones. The same on the machine and in the host tests. */
#pragma once

#include "lib/types.h"

#define CR0_PE	       BIT(0)
#define CR0_MP	       BIT(1)
#define CR0_EM	       BIT(2)
#define CR0_TS	       BIT(3)
#define CR0_ET	       BIT(4)
#define CR0_NE	       BIT(5)
#define CR0_WP	       BIT(16)
#define CR0_AM	       BIT(18)
#define CR0_PG	       BIT(31)
#define CR4_TSD	       BIT(2)
#define CR4_DE	       BIT(3)
#define CR4_PSE	       BIT(4)
#define CR4_PAE	       BIT(5)
#define CR4_MCE	       BIT(6)
#define CR4_PGE	       BIT(7)
#define CR4_OSFXSR     BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_UMIP       BIT(11)
#define CR4_FSGSBASE   BIT(16)
#define CR4_OSXSAVE    BIT(18)
#define CR4_SMEP       BIT(20)
#define CR4_SMAP       BIT(21)

#define MSR_APIC_BASE		  0x1bu
#define MSR_SPEC_CTRL		  0x48u
#define MSR_PRED_CMD		  0x49u
#define MSR_PLATFORM_INFO	  0xceu
#define MSR_ARCH_CAPABILITIES	  0x10au
#define MSR_MISC_FEATURES_ENABLES 0x140u
#define MSR_MCG_CAP		  0x179u
#define MSR_MCG_STATUS		  0x17au
#define MSR_MCG_CTL		  0x17bu
#define MSR_MCI_CTL(bank)	  (0x400u + 4 * (bank))
#define MSR_MCI_STATUS(bank)	  (0x401u + 4 * (bank))
#define MSR_MCI_ADDR(bank)	  (0x402u + 4 * (bank))
#define MSR_MCI_MISC(bank)	  (0x403u + 4 * (bank))
#define MSR_PAT			  0x277u
#define MSR_EFER		  0xc0000080u
#define MSR_STAR		  0xc0000081u
#define MSR_LSTAR		  0xc0000082u
#define MSR_CSTAR		  0xc0000083u
#define MSR_SFMASK		  0xc0000084u
#define MSR_FS_BASE		  0xc0000100u
#define MSR_GS_BASE		  0xc0000101u
#define MSR_KERNEL_GS_BASE	  0xc0000102u
#define MSR_TSC_AUX		  0xc0000103u
#define MSR_SYSENTER_CS		  0x174u
#define EFER_SCE		  BIT(0)
#define EFER_LME		  BIT(8)
#define EFER_LMA		  BIT(10)
#define EFER_NX			  BIT(11)
#define EFER_AUTO_IBRS		  BIT(21)
#define SPEC_CTRL_IBRS		  BIT(0)
#define SPEC_CTRL_BHI_DIS_S	  BIT(10)
#define PRED_CMD_IBPB		  BIT(0)

/* ABI (xen/arch-x86/xen.h): what the fixed PAT holds. */
#define PAT_FIXED 0x0000050100070406ull

/* SPDX-License-Identifier: MIT */
/* What this machine's CPUs have, of what Mica uses. Found once at boot (features.c). No lock. */
#pragma once

#include "lib/bits.h"
#include "lib/types.h"

/* What is done against guests that make use of the CPU's guesses and buffers. */
#define GUESS_THUNK	(1u << 0) /* no indirect branch of Mica's is guessed: it is a return */
#define GUESS_IBRS	(1u << 1) /* the CPU does not guess Mica's by the guests': IA32_SPEC_CTRL */
#define GUESS_AUTO_IBRS (1u << 2) /* the same by EFER */
#define GUESS_IBPB	(1u << 3) /* what one domain trained is forgotten before another runs */
#define GUESS_HISTORY	(1u << 4) /* the branch history is overwritten on the way to C */
#define GUESS_BHI_DIS	(1u << 5) /* the CPU does not use it: IA32_SPEC_CTRL */
#define GUESS_VERW	(1u << 6) /* the CPU's buffers are cleared on the way to a guest */

/* What CPUs without these have not: not to be asked for. */
#define GUESS_BY_CPU (GUESS_IBRS | GUESS_AUTO_IBRS | GUESS_IBPB | GUESS_BHI_DIS)

struct hw_features {
	u64 cr4_extra;	 /* optional bits of CR4 to be set on each CPU */
	u64 xcr0;	 /* every state component that Mica switches; 0: FXSAVE only */
	u32 xsave_bytes; /* of a save area with these */
	bool has_xsaveopt;
	bool has_smap;
	bool has_invariant_tsc, has_tsc_aux;
	bool is_intel, has_meltdown;
	bool is_isolating; /* page-table isolation is on for some domain: nothing of Mica's is global */
	u32 guesses;	   /* GUESS_x that are in use; boot: that this CPU needs */
	u32 thread_bits,
		socket_bits; /* an APIC id without so many low bits is a core's, a socket's */
	char brand[49];
};

extern struct hw_features hw_features; /* [c] */

void hw_features_init(void);
/* Does CPUID say so? A leaf that this CPU does not have says no. */
enum cpuid_register { EAX, EBX, ECX, EDX };
bool hw_cpu_has(u32 leaf, enum cpuid_register reg, unsigned int bit);
/* Sets this CPU's registers by hw_features.guesses. Each CPU once. */
void hw_guesses_start(void);

/* SPDX-License-Identifier: MIT */
/* What this machine's CPUs have, of what Mica uses. Found once at boot (features.c). No lock. */
#pragma once

#include "lib/types.h"

struct hw_features {
	u64 cr4_extra;	 /* optional bits of CR4 to be set on each CPU */
	u64 xcr0;	 /* every state component that Mica switches; 0: FXSAVE only */
	u32 xsave_bytes; /* of a save area with these */
	bool has_xsaveopt;
	bool has_smap;
	bool has_invariant_tsc, has_tsc_aux;
	bool is_intel, has_meltdown;
	bool is_isolating; /* page-table isolation is on for some domain: nothing of Mica's is global */
	u32 thread_bits,
		socket_bits; /* an APIC id without so many low bits is a core's, a socket's */
	char brand[49];
};

extern struct hw_features hw_features; /* [c] */

void hw_features_init(void);
/* Turns SMAP on where it works: patches the sites of CLAC and STAC. Boot CPU, before the others start. */
void hw_smap_patch(void);
/* Makes the stubs change roots on the way to C and back. Boot CPU, before the first guest. */
void hw_isolation_patch(void);

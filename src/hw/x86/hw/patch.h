/* SPDX-License-Identifier: MIT */
/* Which instructions of Mica's own text are decided by the machine (patch.c). No lock: at boot. */
#pragma once

#define PATCH_CLAC     0 /* no-op, then CLAC */
#define PATCH_STAC     1
#define PATCH_ISOLATED 2 /* a jump over what page-table isolation does, then no-op */
#define PATCH_THUNK    3 /* a jump through a register, then on into the return trampoline behind it */
#define PATCH_CALL_C   4 /* a call through memory, then a call of such a trampoline */
#define PATCH_HISTORY  5 /* LFENCE, then a call of what overwrites the branch history */
#define PATCH_BUFFERS  6 /* no-op, then VERW */

#ifndef __ASSEMBLY__
/* Writes over every site of that kind. */
void hw_patch(unsigned int kind);
#endif

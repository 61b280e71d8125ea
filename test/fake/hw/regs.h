/* SPDX-License-Identifier: MIT */
/* Fake seam: the machine's own register frame. */
#include "../../../src/hw/x86/hw/regs.h"

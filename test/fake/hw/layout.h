/* SPDX-License-Identifier: MIT */
/* Fake seam: the machine's own layout; only its constants are used on the host. */
#include "../../../src/hw/x86/hw/layout.h"

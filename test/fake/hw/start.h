/* SPDX-License-Identifier: MIT */
/* Fake seam: declarations as on the machine; the functions are the fake's, or the real ones over fake registers. */
#include "../../../src/hw/x86/hw/start.h"

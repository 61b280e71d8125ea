/* SPDX-License-Identifier: MIT */
/* Seam: where log text leaves the machine (the UART). Called under the log's lock. */
#ifndef HW_CONSOLE_H
#define HW_CONSOLE_H

#include "lib/types.h"

void hw_console_write(const char *text, size_t len);

#endif

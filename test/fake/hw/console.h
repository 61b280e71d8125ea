/* SPDX-License-Identifier: MIT */
/* Fake seam: log text goes to stderr if fake_console_on. */
#ifndef HW_CONSOLE_H
#define HW_CONSOLE_H

#include "lib/types.h"

extern bool fake_console_on;
void hw_console_write(const char *text, size_t len);

#endif

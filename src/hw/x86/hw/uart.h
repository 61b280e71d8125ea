/* SPDX-License-Identifier: MIT */
/* Seam: the serial port beyond what the log needs. No lock. */
#pragma once

#include "lib/types.h"

/* baud 0: as the firmware left it. A port where nothing answers is not used. */
void hw_uart_init(u16 port, u32 baud);
/* Its first port, 0: none in use. */
u16 hw_uart_port(void);
/* One received character, if there is one. */
bool hw_uart_receive(char *c);

/* SPDX-License-Identifier: MIT */
/*
 * The serial port, a 16550 in polled mode: where the log leaves the machine and where keys come in. Reached from
 * core/log (under its lock) and from the console timer (domain/console.c). No lock of its own: reads are one CPU's.
 */
#include "hw/uart.h"

#include "core/cpu.h"
#include "hw/console.h"
#include "hw/io.h"

enum uart_register { UART_DATA, UART_INTERRUPTS, UART_FIFO, UART_LINE, UART_MODEM, UART_STATUS };

#define STATUS_RECEIVED 0x01
#define STATUS_SENT	0x20
#define SPIN_MAX	100000

static u16 base;
static bool is_there;

void hw_uart_init(u16 port, u32 baud)
{
	u16 divisor;

	base = port;
	is_there = hw_in8(base + UART_STATUS) != 0xff;
	if (!is_there)
		return;
	hw_out8(base + UART_INTERRUPTS, 0);
	if (baud != 0) {
		divisor = (u16)MAX(115200 / baud, 1u);
		hw_out8(base + UART_LINE, 0x83);
		hw_out8(base + UART_DATA, (u8)divisor);
		hw_out8(base + UART_INTERRUPTS, (u8)(divisor >> 8));
	}
	hw_out8(base + UART_LINE, 0x03);
	hw_out8(base + UART_FIFO, 0xc7);
	hw_out8(base + UART_MODEM, 0x03);
}

u16 hw_uart_port(void)
{
	return is_there ? base : 0;
}

static void put(char c)
{
	for (unsigned int spin = 0; (hw_in8(base + UART_STATUS) & STATUS_SENT) == 0; spin++)
		if (spin == SPIN_MAX) {
			is_there = false; /* a port that never sends must not hold up the machine */
			return;
		}
	hw_out8(base + UART_DATA, (u8)c);
}

void hw_console_write(const char *text, size_t len)
{
	for (size_t i = 0; i < len && is_there; i++) {
		if (text[i] == '\n')
			put('\r');
		put(text[i]);
	}
}

bool hw_uart_receive(char *c)
{
	if (!is_there || (hw_in8(base + UART_STATUS) & STATUS_RECEIVED) == 0)
		return false;
	*c = (char)hw_in8(base + UART_DATA);
	return true;
}

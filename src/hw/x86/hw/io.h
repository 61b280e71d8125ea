/* SPDX-License-Identifier: MIT */
/*
 * Seam: I/O ports and device registers in memory. The real machine's side; the host tests have a fake PCI bus and fake
 * IO-APICs behind the same names (test/fake/hw/io.h). No lock.
 */
#ifndef HW_IO_H
#define HW_IO_H

#include "hw/cpu.h"
#include "lib/types.h"

#define HW_PORT(bits, suffix)                                                                   \
	static inline u##bits hw_in##bits(u16 port)                                             \
	{                                                                                       \
		u##bits value;                                                                  \
		__asm__ volatile("in" suffix " %1, %0" : "=a"(value) : "Nd"(port) : "memory");  \
		return value;                                                                   \
	}                                                                                       \
	static inline void hw_out##bits(u16 port, u##bits value)                                \
	{                                                                                       \
		__asm__ volatile("out" suffix " %0, %1" : : "a"(value), "Nd"(port) : "memory"); \
	}
HW_PORT(8, "b")
HW_PORT(16, "w")
HW_PORT(32, "l")

/* Registers of devices, mapped by hw_device_map(): one access of exactly that size, in program order. */
#define HW_MMIO(bits, suffix)                                                     \
	static inline u##bits hw_mmio_read##bits(const volatile void *ptr)        \
	{                                                                         \
		u##bits value;                                                    \
		__asm__ volatile("mov" suffix " %1, %0"                           \
				 : "=q"(value)                                    \
				 : "m"(*(const volatile u##bits *)ptr)            \
				 : "memory");                                     \
		return value;                                                     \
	}                                                                         \
	static inline void hw_mmio_write##bits(volatile void *ptr, u##bits value) \
	{                                                                         \
		__asm__ volatile("mov" suffix " %0, %1"                           \
				 :                                                \
				 : "q"(value), "m"(*(volatile u##bits *)ptr)      \
				 : "memory");                                     \
	}
HW_MMIO(8, "b")
HW_MMIO(16, "w")
HW_MMIO(32, "l")

/* The same where the size, 1, 2 or 4, is known only now. */
static inline u32 hw_in(u16 port, unsigned int bytes)
{
	return bytes == 1 ? hw_in8(port) : bytes == 2 ? hw_in16(port) : hw_in32(port);
}
static inline void hw_out(u16 port, unsigned int bytes, u32 value)
{
	if (bytes == 1)
		hw_out8(port, (u8)value);
	else if (bytes == 2)
		hw_out16(port, (u16)value);
	else
		hw_out32(port, value);
}
static inline u32 hw_mmio_read(const volatile void *ptr, unsigned int bytes)
{
	return bytes == 1   ? hw_mmio_read8(ptr)
	       : bytes == 2 ? hw_mmio_read16(ptr)
			    : hw_mmio_read32(ptr);
}
static inline void hw_mmio_write(volatile void *ptr, unsigned int bytes, u32 value)
{
	if (bytes == 1)
		hw_mmio_write8(ptr, (u8)value);
	else if (bytes == 2)
		hw_mmio_write16(ptr, (u16)value);
	else
		hw_mmio_write32(ptr, value);
}

/*
 * Whether ring 3 may use the ports that the bitmap behind this CPU's TSS allows (entry/cpu.c), or none: the CPU reads the
 * offset of the bitmap anew at each access (SDM 1 19.5.2).
 */
static inline void hw_io_open(bool is_open)
{
	*(u16 *)((u8 *)hw_this_cpu()->tss + 102) = is_open ? PAGE_SIZE : 0xffff;
}

#endif

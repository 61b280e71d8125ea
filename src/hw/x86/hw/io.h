/* SPDX-License-Identifier: MIT */
/*
 * Seam: I/O ports and device registers in memory. The real machine's side; the host tests have a fake PCI bus and fake
 * IO-APICs behind the same names (test/fake/hw/io.h). No lock.
 */
#ifndef HW_IO_H
#define HW_IO_H

#include "lib/types.h"

static inline u8 hw_in8(u16 port)
{
	u8 value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}
static inline u16 hw_in16(u16 port)
{
	u16 value;

	__asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}
static inline u32 hw_in32(u16 port)
{
	u32 value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}
static inline void hw_out8(u16 port, u8 value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}
static inline void hw_out16(u16 port, u16 value)
{
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}
static inline void hw_out32(u16 port, u32 value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

/* Registers of devices, mapped by hw_device_map(): one access of exactly that size, in program order. */
static inline u8 hw_mmio_read8(const volatile void *ptr)
{
	u8 value;

	__asm__ volatile("movb %1, %0" : "=q"(value) : "m"(*(const volatile u8 *)ptr) : "memory");
	return value;
}
static inline u16 hw_mmio_read16(const volatile void *ptr)
{
	u16 value;

	__asm__ volatile("movw %1, %0" : "=r"(value) : "m"(*(const volatile u16 *)ptr) : "memory");
	return value;
}
static inline u32 hw_mmio_read32(const volatile void *ptr)
{
	u32 value;

	__asm__ volatile("movl %1, %0" : "=r"(value) : "m"(*(const volatile u32 *)ptr) : "memory");
	return value;
}
static inline u64 hw_mmio_read64(const volatile void *ptr)
{
	u64 value;

	__asm__ volatile("movq %1, %0" : "=r"(value) : "m"(*(const volatile u64 *)ptr) : "memory");
	return value;
}
static inline void hw_mmio_write8(volatile void *ptr, u8 value)
{
	__asm__ volatile("movb %0, %1" : : "q"(value), "m"(*(volatile u8 *)ptr) : "memory");
}
static inline void hw_mmio_write16(volatile void *ptr, u16 value)
{
	__asm__ volatile("movw %0, %1" : : "r"(value), "m"(*(volatile u16 *)ptr) : "memory");
}
static inline void hw_mmio_write32(volatile void *ptr, u32 value)
{
	__asm__ volatile("movl %0, %1" : : "r"(value), "m"(*(volatile u32 *)ptr) : "memory");
}
static inline void hw_mmio_write64(volatile void *ptr, u64 value)
{
	__asm__ volatile("movq %0, %1" : : "r"(value), "m"(*(volatile u64 *)ptr) : "memory");
}

#endif

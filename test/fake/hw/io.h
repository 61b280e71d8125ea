/* SPDX-License-Identifier: MIT */
/* Fake seam: ports and device registers are those of test/fake/devices.c. Device pointers are never dereferenced. */
#ifndef HW_IO_H
#define HW_IO_H

#include "lib/types.h"

u32 fake_port_read(u16 port, unsigned int bytes);
void fake_port_write(u16 port, unsigned int bytes, u32 value);
extern bool fake_io_is_open;
#define hw_io_open(is_open) (fake_io_is_open = (is_open))
u64 fake_mmio_read(const volatile void *ptr, unsigned int bytes);
void fake_mmio_write(volatile void *ptr, unsigned int bytes, u64 value);

#define hw_in8(port)		    ((u8)fake_port_read(port, 1))
#define hw_in16(port)		    ((u16)fake_port_read(port, 2))
#define hw_in32(port)		    fake_port_read(port, 4)
#define hw_out8(port, value)	    fake_port_write(port, 1, value)
#define hw_out16(port, value)	    fake_port_write(port, 2, value)
#define hw_out32(port, value)	    fake_port_write(port, 4, value)
#define hw_mmio_read8(ptr)	    ((u8)fake_mmio_read(ptr, 1))
#define hw_mmio_read16(ptr)	    ((u16)fake_mmio_read(ptr, 2))
#define hw_mmio_read32(ptr)	    ((u32)fake_mmio_read(ptr, 4))
#define hw_mmio_write8(ptr, value)  fake_mmio_write(ptr, 1, value)
#define hw_mmio_write16(ptr, value) fake_mmio_write(ptr, 2, value)
#define hw_mmio_write32(ptr, value) fake_mmio_write(ptr, 4, value)

#define hw_in(port, bytes)		 fake_port_read(port, bytes)
#define hw_out(port, bytes, value)	 fake_port_write(port, bytes, value)
#define hw_mmio_read(ptr, bytes)	 ((u32)fake_mmio_read(ptr, bytes))
#define hw_mmio_write(ptr, bytes, value) fake_mmio_write(ptr, bytes, value)

#endif

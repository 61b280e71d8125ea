/* SPDX-License-Identifier: MIT */
/*
 * The two 8259s, set to vectors that nobody else uses and masked. Even a masked 8259 may raise its spurious interrupt (7
 * and 15), so the vectors matter. Reached from irq_init(); port I/O; before other CPUs run, so no lock.
 */
#include "hw/pic.h"

#include "hw/io.h"

#define PIC1_COMMAND 0x20
#define PIC1_DATA    0x21
#define PIC2_COMMAND 0xa0
#define PIC2_DATA    0xa1

#define ICW1_INIT_ICW4	    0x11
#define ICW3_CASCADE_MASTER 0x04
#define ICW3_CASCADE_SLAVE  0x02
#define ICW4_8086	    0x01
#define OCW1_MASK_ALL	    0xff

void hw_pic_disable(void)
{
	hw_out8(PIC1_DATA, OCW1_MASK_ALL);
	hw_out8(PIC2_DATA, OCW1_MASK_ALL);
	hw_out8(PIC1_COMMAND, ICW1_INIT_ICW4);
	hw_out8(PIC1_DATA, PIC_VECTOR_FIRST);
	hw_out8(PIC1_DATA, ICW3_CASCADE_MASTER);
	hw_out8(PIC1_DATA, ICW4_8086);
	hw_out8(PIC2_COMMAND, ICW1_INIT_ICW4);
	hw_out8(PIC2_DATA, PIC_VECTOR_FIRST + 8);
	hw_out8(PIC2_DATA, ICW3_CASCADE_SLAVE);
	hw_out8(PIC2_DATA, ICW4_8086);
	hw_out8(PIC1_DATA, OCW1_MASK_ALL);
	hw_out8(PIC2_DATA, OCW1_MASK_ALL);
}

/* SPDX-License-Identifier: MIT */
/* The two 8259s of old, masked for good: their spurious interrupts go to vectors 0x20..0x2f, where they are counted. */
#ifndef HW_PIC_H
#define HW_PIC_H

#define PIC_VECTOR_FIRST 0x20
#define PIC_VECTOR_LAST	 0x2f

/* Boot, before interrupts are enabled for the first time. */
void hw_pic_disable(void);

#endif

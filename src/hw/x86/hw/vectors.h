/* SPDX-License-Identifier: MIT */
/* Interrupt vectors that Mica itself uses; 0x30..0xef are given to devices by irq/. Shared by C and assembly. */
#pragma once

#define VECTOR_PIC_FIRST 0x20 /* 16 of the masked 8259s: their spurious interrupts */
#define VECTOR_IPI_WORK	 0xf0 /* look at your work bits */
#define VECTOR_IPI_FLUSH 0xf1 /* look at your flush mailbox */
#define VECTOR_IPI_STOP	 0xf2 /* the machine goes down */
#define VECTOR_TIMER	 0xfa /* local APIC timer */
#define VECTOR_ERROR	 0xfb
#define VECTOR_SPURIOUS	 0xff

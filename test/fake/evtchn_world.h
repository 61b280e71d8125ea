/* SPDX-License-Identifier: MIT */
/*
 * Where tests of event channels begin: domains with shared info, what a guest does with its end of the bits, and stand-ins
 * for the modules below evtchn/ (frames and heap that count, a scheduler and interrupts that remember).
 */
#ifndef EVTCHN_WORLD_H
#define EVTCHN_WORLD_H

#include "evtchn/evtchn.h"
#include "fake.h"
#include "hw/mem.h"

#define WORLD_PIRQS 40 /* of a hardware domain */

/* Forgets everything from before; frames: size of the machine. */
void events_init(u64 frames);
/* -ENOMEM and the like if an allocation was made to fail: NULL. */
struct domain *events_domain(domid_t id, unsigned int vcpus, u32 max_port);
/* Kills it (however often it has to be restarted), checks that its frames are free, forgets it. */
void events_domain_end(struct domain *d);

/* A frame of d that it may lend; all of its bytes are `fill`. */
mfn_t events_frame(struct domain *d, u8 fill);
/* References that somebody holds on it. */
unsigned int events_frame_refs(mfn_t mfn);
/* Nobody has written to a frame after its last reference went. */
void events_frames_check(void);

extern int events_heap_blocks;	       /* allocated now */
extern unsigned int events_kicks;      /* vcpu_kick() */
extern struct vcpu *events_kicked;     /* the last one */
extern unsigned int events_poll_wakes; /* vcpu_wake_poll() */
extern u32 events_poll_port;
extern int events_irq_rc;  /* what irq_guest_bind() says */
extern int events_type_rc; /* what frame_type_get() says before anything else */
/* The device interrupts, if somebody bound the pirq: true. */
bool events_irq_fire(struct domain *d, u32 pirq);
bool events_irq_is_bound(u32 pirq);

/* ---------------------------------------------------------------- the guest's side */

struct guest_fifo { /* of one vCPU */
	u32 head[EVTCHN_FIFO_MAX_QUEUES];
	u32 ready;
};

/* The event word of a port, by the pages that the guest lent, in order. */
event_word_t *guest_word(const mfn_t *pages, u32 port);
/* The next port of v that is pending and not masked, taken out of its queue; 0: none. Does not clear pending. */
u32 guest_fifo_next(struct guest_fifo *g, struct evtchn_fifo_control_block *control,
		    const mfn_t *pages);
void guest_fifo_ack(const mfn_t *pages, u32 port);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What the files of evtchn/ share: the port, a domain's table of them, and the read section of senders.
 *
 * A port is one 64-bit word, so a sender judges it with one load. The word is written under the lock of the port's
 * domain (LOCK_RANK_EVTCHN_B); a change from or to UNBOUND or INTERDOMAIN also needs the pair lock (LOCK_RANK_EVTCHN_A,
 * one for all), because it concerns two domains, whose own locks are then taken one after the other.
 *
 * Senders take no lock: they work inside grace_enter() .. grace_exit(). Whoever takes something away (a port, a frame
 * with event words, a vcpu_info) first makes it unreachable, then grace_wait()s until every sender that may still see it
 * has left, then reuses it. So no event reaches a port that was closed and given out again.
 *
 *	FREE --alloc--> UNBOUND <--> INTERDOMAIN	both under the pair lock
 *	  |  --bind---> VIRQ, IPI, PIRQ
 *	  |<--close---- RESERVED			while senders leave; port 0 is RESERVED for ever
 */
#pragma once

#include "core/domain.h"
#include "lib/bitmap.h"
#include "lib/types.h"

enum port_state {
	PORT_FREE,
	PORT_RESERVED,
	PORT_UNBOUND,	  /* waits for domain `domid` to bind */
	PORT_INTERDOMAIN, /* the other end is port `arg` of domain `domid` */
	PORT_PIRQ,	  /* arg: pirq */
	PORT_VIRQ,	  /* arg: virq */
	PORT_IPI,
};

/* The word: state 0..2, priority 4..7, vcpu to notify 8..23, arg 24..47, domid 48..63. */
#define PORT_PRIORITY_SHIFT 4
#define PORT_VCPU_SHIFT	    8
#define PORT_ARG_SHIFT	    24
#define PORT_DOMID_SHIFT    48
#define PORT_PRIORITY_MASK  (0xfull << PORT_PRIORITY_SHIFT)
#define PORT_VCPU_MASK	    (0xffffull << PORT_VCPU_SHIFT)
#define PORT_ARG_MAX	    0xffffffu

struct evtchn_port {
	u64 word;	     /* [a] written under the domain's lock */
	struct domain *peer; /* [a] while INTERDOMAIN: lives as long as the port is in that state */
	u32 queue;	     /* [a] FIFO: where it was linked last, vcpu << 4 | priority */
	u32 late;	     /* [a] FIFO: raised while it had no event word */
};

#define PORT_MAX	EVTCHN_FIFO_NR_CHANNELS
#define GROUP_PORTS	128
#define GROUP_MAX	(PORT_MAX / GROUP_PORTS)
#define FIFO_PAGE_WORDS (PAGE_SIZE / sizeof(event_word_t))
#define FIFO_PAGE_MAX	(PORT_MAX / FIFO_PAGE_WORDS)

struct evtchn_group {
	BITMAP_DECLARE(used, GROUP_PORTS); /* [l] */
	struct evtchn_port ports[GROUP_PORTS];
};

struct evtchn_domain {
	struct lock lock; /* LOCK_RANK_EVTCHN_B */
	u32 max_port;	  /* [l] */
	bool is_fifo;	  /* [a] */
	u32 fifo_pages;	  /* [l] */
	u32 pirq_count;	  /* [c] once pirq_ports is set */
	u32 *pirq_ports;  /* [a] port of each pirq; allocated with the first */
	u32 free_from;	  /* [l] no port below is free */
	struct evtchn_group *groups[GROUP_MAX]; /* [a] */
	u32 group_end;				/* [l] from here on there are none */
	event_word_t
		*fifo_words[FIFO_PAGE_MAX]; /* [a] guest frames, held by a writable reference */
};

struct evtchn_vcpu {
	struct lock queue_lock;			   /* LOCK_RANK_EVTCHN_QUEUE, interrupts off */
	u32 tails[EVTCHN_FIFO_MAX_QUEUES];	   /* [queue_lock] port linked last; 0: none */
	struct evtchn_fifo_control_block *control; /* [a] in a guest frame, as above */
	u32 virq_ports[NR_VIRQS];		   /* [a] 0: not bound */
	struct vcpu_info dummy; /* for a vCPU that has no vcpu_info that its guest can see */
};

#define PORT_FIELD(name, type, shift, bits)                       \
	static inline type port_word_##name(u64 word)             \
	{                                                         \
		return (type)(word >> (shift) & (BIT(bits) - 1)); \
	}
PORT_FIELD(state, enum port_state, 0, 3)
PORT_FIELD(priority, u32, PORT_PRIORITY_SHIFT, 4)
PORT_FIELD(vcpu, u32, PORT_VCPU_SHIFT, 16)
PORT_FIELD(arg, u32, PORT_ARG_SHIFT, 24)
PORT_FIELD(domid, domid_t, PORT_DOMID_SHIFT, 16)

/* A word with the default priority. */
static inline u64 port_word_make(enum port_state state, u32 vcpu_id, u32 arg, domid_t domid)
{
	return (u64)state | (u64)EVTCHN_FIFO_PRIORITY_DEFAULT << PORT_PRIORITY_SHIFT |
	       (u64)vcpu_id << PORT_VCPU_SHIFT | (u64)arg << PORT_ARG_SHIFT |
	       (u64)domid << PORT_DOMID_SHIFT;
}
/* The same vCPU and priority, otherwise new. */
static inline u64 port_word_rebind(u64 word, enum port_state state, u32 arg, domid_t domid)
{
	return (word & (PORT_PRIORITY_MASK | PORT_VCPU_MASK)) | (u64)state |
	       (u64)arg << PORT_ARG_SHIFT | (u64)domid << PORT_DOMID_SHIFT;
}

/* NULL: no such port (never allocated so far). */
static inline struct evtchn_port *port_find(const struct evtchn_domain *ed, u32 port)
{
	struct evtchn_group *group;

	if (port >= PORT_MAX)
		return NULL;
	group = atomic_load(&ed->groups[idx_nospec(port / GROUP_PORTS, GROUP_MAX)]);
	return group != NULL ? &group->ports[port % GROUP_PORTS] : NULL;
}

/* ---------------------------------------------------------------- port.c */

void grace_enter(void);
void grace_exit(void);
/* The rest of the block is a read section. */
static inline void grace_scope_end(const bool *unused)
{
	(void)unused;
	grace_exit();
}
#define GRACE_SCOPE() AT_EXIT(grace_scope_end) const bool grace_scope = (grace_enter(), true)
/* Until every sender that is inside now has left. Interrupts on; the caller is not inside. */
void grace_wait(void);

extern struct lock evtchn_pair_lock; /* LOCK_RANK_EVTCHN_A */

/* Allocates it if need be; NULL: no memory. The first one is there from the start. */
struct evtchn_group *group_get_locked(struct evtchn_domain *ed, size_t idx);
/* The lowest free port, made RESERVED. -EINVAL dying, -ENOSPC, -ENOMEM. */
int port_alloc_locked(struct domain *d, u32 *port);
/* A RESERVED port that no sender sees any more. */
void port_free_locked(struct domain *d, u32 port);
/* The lowest port in use from `from` on, PORT_MAX if none. */
u32 port_next_locked(const struct evtchn_domain *ed, u32 from);
/* Inside a read section: the event happens on d's own port p, whose word was just read as `word`. */
void port_raise(struct domain *d, u32 port, struct evtchn_port *p, u64 word);
/* Tells v that it has an upcall to take. */
void upcall_raise(struct vcpu *v);

bool two_level_is_pending(const struct domain *d, u32 port);

/* ---------------------------------------------------------------- fifo.c */

/* True if the port was not pending before. */
bool fifo_raise(struct domain *d, u32 port, struct evtchn_port *p, u64 word);
void fifo_unmask(struct domain *d, u32 port, struct evtchn_port *p, u64 word);
bool fifo_is_pending(const struct evtchn_domain *ed, u32 port, const struct evtchn_port *p);
void fifo_clear(struct evtchn_domain *ed, u32 port, struct evtchn_port *p);
/* Still in some vCPU's queue: not to be given out again yet. */
bool fifo_is_linked(const struct evtchn_domain *ed, u32 port);
/* Back to two-level; no port is in use. */
void fifo_fini_locked(struct domain *d);

/* ---------------------------------------------------------------- bind.c */

/* VIRQ of the domain, not of one vCPU. */
bool virq_is_global(u32 virq);
void virq_handlers_release(struct domain *d);

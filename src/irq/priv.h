/* SPDX-License-Identifier: MIT */
/*
 * What the files of irq/ share: the descriptor of an interrupt, vectors, PCI devices. Reached from irq/ only.
 * Locks, outermost first: devices (PHYSDEV), a domain's pirqs (PIRQ), one irq (IRQ, interrupts off), vectors (IRQCHIP).
 */
#pragma once

#include "core/domain.h"
#include "core/lock.h"
#include "irq/irq.h"
#include "time/time.h"

enum irq_kind { IRQ_UNUSED, IRQ_GSI, IRQ_MSI, IRQ_MSIX };

struct pci_dev;

/*
 * An interrupt source. Memory of descriptors is never given back, so that a late interrupt finds one that makes sense:
 * GSIs have theirs for good, those of messages are used again.
 *
 *	state		is_masked needs_eoi fn
 *	idle		yes	  no	    NULL
 *	bound		no	  no	    set
 *	level, at guest	yes	  yes	    set		until irq_guest_eoi()
 *	storm		yes	  no	    set		until the storm timer
 */
struct irq {
	struct lock lock; /* LOCK_RANK_IRQ */
	enum irq_kind kind;
	u32 number;	  /* [c] GSI; or place in the list of messages */
	struct irq *next; /* messages not in use */

	struct domain *owner; /* [l] to whom it is mapped */
	u32 pirq;	      /* [l] his number */
	irq_guest_fn fn;      /* [l] bound */
	u32 running;	      /* [a] handlers at work; pairs with irq_unbind() */

	bool is_level, is_low; /* [l] GSI */
	bool is_set_up;	       /* [l] Domain 0 said how it triggers */
	bool is_masked;	       /* [l] */
	bool needs_eoi;	       /* [l] the guest owes an EOI */
	bool is_moving;	       /* [l] a level interrupt to be routed anew when it is quiet */
	bool is_storm;	       /* [l] masked until the timer */
	u8 vector;	       /* [l] 0: none */
	u32 cpu;	       /* [l] */
	u32 cpu_wanted;	       /* [l] */

	struct pci_dev *dev; /* [l] messages */
	u32 entry;	     /* [l] MSI: message number; MSI-X: table entry */
	u32 group;	     /* [l] MSI: messages mapped together */

	u64 total;	    /* [l] since boot */
	u64 window_tsc;	    /* [l] when the present window began */
	u32 window_count;   /* [l] interrupts in it */
	struct timer timer; /* ends a storm */
};

/* ---------------------------------------------------------------- irq.c */

struct irq *irq_of_gsi(u32 gsi); /* NULL: no such GSI */
struct irq *irq_message_alloc(enum irq_kind kind);
void irq_message_free(struct irq *irq);
/* Gives them vectors, next to each other, on this CPU or on CPU 0. -ENOSPC. */
int irq_vectors_alloc(struct irq *const *irqs, u32 count, unsigned int cpu);
/* Tells the source where to send to; it stays masked where it can be. */
void irq_route_locked(struct irq *irq);
/* Takes its vector away; it is masked. */
void irq_unroute_locked(struct irq *irq);
void irq_move_locked(struct irq *irq);
void irq_mask_locked(struct irq *irq, bool is_masked);
/* Forgets the handler and waits until it has returned everywhere. */
void irq_unbind(struct irq *irq);

/* ---------------------------------------------------------------- vector.c */

/* Makes room for a CPU's table. Interrupts on, no lock above PIRQ. -ENOMEM. */
int vector_prepare(unsigned int cpu);
/* `count` neighbours, a power of two, aligned, for irqs[0 .. count - 1]. 0: none free. */
u8 vector_alloc(unsigned int cpu, struct irq *const *irqs, u32 count);
/* This very vector; false: in use. */
bool vector_claim(unsigned int cpu, u8 vector, struct irq *irq);
void vector_free(unsigned int cpu, u8 vector);
struct irq *vector_find(unsigned int cpu, u8 vector);

/* ---------------------------------------------------------------- guest.c */

struct pirq {
	struct irq *irq;
	bool is_reserved;
};

struct irq_domain {
	struct lock lock;   /* LOCK_RANK_PIRQ */
	u32 count;	    /* [c] */
	struct pirq *pirqs; /* [l] */
	u64 *eoi_page;	    /* [a] NULL: none */
	mfn_t eoi_mfn;
	bool eoi_unmasks;
};

/* First of `count` free pirqs for messages, or the one wanted (>= 0). -ENOSPC, -EINVAL, -EBUSY. */
int pirq_find_free_locked(const struct irq_domain *di, s64 wanted, u32 count, u32 *first);
void pirq_set_locked(struct domain *d, u32 pirq, struct irq *irq);
void pirq_clear(struct domain *d, u32 pirq);
/* Bit of the EOI page. */
void pirq_eoi_mark(const struct domain *d, u32 pirq, bool needs_eoi);

/* ---------------------------------------------------------------- pci.c, msi.c */

#define MSI_MESSAGES_MAX 32
#define MSI_CONTROL	 2 /* offset in the capability, as MSIX_CONTROL */
#define MSIX_CONTROL	 2
#define MSIX_ENABLE	 0x8000u

struct pci_dev {
	struct pci_dev *next; /* [l] devices */
	struct pci_id id;
	bool is_virtual;
	struct pci_id physical;

	u16 msi; /* capability, 0: none */
	bool msi_is_64bit;
	bool msi_may_mask;
	u32 msi_count_max;
	u32 msi_count; /* messages mapped */
	u32 msi_mask;  /* [a] what is in the mask register */
	struct irq *msi_irqs[MSI_MESSAGES_MAX];

	u16 msix;
	u32 msix_entry_count;
	u32 msix_count;		/* entries mapped */
	struct irq **msix_irqs; /* [msix_entry_count], allocated when first needed */
	u8 msix_table_bar, msix_pba_bar;
	u32 msix_table_offset, msix_pba_offset;
	u8 *msix_table;			   /* mapped while msix_address is right */
	u64 msix_address;		   /* of the table; 0: not known */
	u64 readonly_first, readonly_last; /* frames; last 0: none */
};

extern struct lock pci_dev_lock; /* LOCK_RANK_PHYSDEV */

struct pci_dev *pci_dev_find_locked(struct pci_id id);
/* Finds, or reads the device's capabilities. NULL: no such device, or no memory. */
struct pci_dev *pci_dev_get_locked(struct pci_id id);
/* Judges where the table lies and maps it. -ENXIO no decode; -EINVAL. claimed: the BAR as the domain says, or 0. */
int pci_msix_table_locked(struct domain *d, struct pci_dev *dev, u64 claimed);
void pci_msix_readonly_locked(struct pci_dev *dev, bool is_readonly);

/* One message: writes address and data of irq's route; masked where the device can. */
void msi_route_locked(const struct irq *irq);
bool msi_may_mask(const struct irq *irq);
void msi_mask_locked(const struct irq *irq, bool is_masked);
/* After reset: all of a device's messages. */
void msi_restore_locked(struct pci_dev *dev);
/* Takes every message of the device away from its owner. */
void msi_unmap_all_locked(struct pci_dev *dev);
int msi_unmap_locked(struct irq *irq);

/* SPDX-License-Identifier: MIT */
/*
 * A domain's physical interrupts: the numbers by which it knows them, binding them to a handler (evtchn's), EOI, and the page
 * in which it reads whether an EOI is wanted. Reached from evtchn/, hcall/physdev_op.c and domain/; calls irq.c and mm. The
 * table is under a lock of rank PIRQ; interrupt handlers do not need it.
 */
#include "core/atomic.h"
#include "core/err.h"
#include "hw/ioapic.h"
#include "irq/priv.h"
#include "lib/errno.h"
#include "lib/rangeset.h"
#include "mm/mm.h"

#define PIRQ_MESSAGES_MAX 2048 /* for devices of the hardware domain */
#define EOI_PAGE_PIRQS	  (PAGE_SIZE * 8)

_Static_assert(GSI_MAX + PIRQ_MESSAGES_MAX <= EOI_PAGE_PIRQS,
	       "every pirq has a bit in the EOI page");

/* ---------------------------------------------------------------- the table */

int irq_domain_init(struct domain *d)
{
	struct irq_domain *di = heap_alloc(sizeof(*di));

	if (!di)
		return err(ENOMEM);
	lock_init(&di->lock, LOCK_RANK_PIRQ);
	di->eoi_mfn = MFN_NONE;
	if (d->is_hardware) {
		di->count = hw_gsi_count() + PIRQ_MESSAGES_MAX;
		di->pirqs = heap_alloc(di->count * sizeof(*di->pirqs));
		if (!di->pirqs) {
			heap_free(di);
			return err(ENOMEM);
		}
	}
	d->irq = di;
	return 0;
}

void irq_domain_release(struct domain *d)
{
	struct irq_domain *di = d->irq;

	if (!di)
		return;
	for (u32 pirq = 0; pirq < di->count; pirq++)
		if (di->pirqs[pirq].irq)
			(void)irq_unmap(d, pirq);
	atomic_store(&di->eoi_page, NULL);
	if (!mfn_is_none(di->eoi_mfn))
		frame_type_put(di->eoi_mfn);
	di->eoi_mfn = MFN_NONE;
}

void irq_domain_destroy(struct domain *d)
{
	struct irq_domain *di = d->irq;

	if (!di)
		return;
	irq_domain_release(d);
	heap_free(di->pirqs);
	heap_free(di);
	d->irq = NULL;
}

u32 irq_pirq_count(const struct domain *d)
{
	return d->irq ? d->irq->count : 0;
}

static struct irq *pirq_irq_locked(const struct irq_domain *di, u64 pirq)
{
	return pirq < di->count ? di->pirqs[idx_nospec(pirq, di->count)].irq : NULL;
}

/* The irq of a pirq, with the domain's table and the irq locked to the end of the block; NULL, nothing locked: none. */
struct pirq_scope {
	struct domain *d;
	struct irq *irq;
	u64 flags;
};

static struct pirq_scope pirq_scope_begin(struct domain *d, u32 pirq)
{
	struct pirq_scope scope = {.d = d};

	if (!d->irq)
		return scope;
	lock_acquire(&d->irq->lock);
	scope.irq = pirq_irq_locked(d->irq, pirq);
	if (scope.irq)
		scope.flags = lock_acquire_irq(&scope.irq->lock);
	else
		lock_release(&d->irq->lock);
	return scope;
}

static void pirq_scope_end(const struct pirq_scope *scope)
{
	if (!scope->irq)
		return;
	lock_release_irq(&scope->irq->lock, scope->flags);
	lock_release(&scope->d->irq->lock);
}

#define PIRQ_SCOPE(irq, d, pirq)                                                                 \
	AT_EXIT(pirq_scope_end) const struct pirq_scope irq##_scope = pirq_scope_begin(d, pirq); \
	struct irq *irq = irq##_scope.irq

static bool run_is_free(const struct irq_domain *di, u32 first, u32 count)
{
	for (u32 i = 0; i < count; i++)
		if (di->pirqs[first + i].irq || di->pirqs[first + i].is_reserved)
			return false;
	return true;
}

int pirq_find_free_locked(const struct irq_domain *di, s64 wanted, u32 count, u32 *first)
{
	u32 start = hw_gsi_count();

	if (wanted >= 0) {
		if (wanted < start || wanted + count > di->count)
			return err(EINVAL);
		for (u32 i = 0; i < count; i++)
			if (di->pirqs[idx_nospec((size_t)wanted + i, di->count)].irq)
				return err(EBUSY);
		*first = (u32)wanted;
		return 0;
	}
	for (u32 at = start; at + count <= di->count; at++) {
		if (!run_is_free(di, at, count))
			continue;
		*first = at;
		return 0;
	}
	return err(ENOSPC);
}

void pirq_set_locked(struct domain *d, u32 pirq, struct irq *irq)
{
	LOCK_SCOPE_IRQ(&irq->lock);
	irq->owner = d;
	irq->pirq = pirq;
	d->irq->pirqs[pirq] = (struct pirq){.irq = irq};
}

void pirq_clear(struct domain *d, u32 pirq)
{
	LOCK_SCOPE(&d->irq->lock);
	d->irq->pirqs[pirq] = (struct pirq){.irq = NULL};
}

int irq_reserve_pirq(struct domain *d, bool is_gsi, u32 *pirq)
{
	int rc = -ENOSPC;

	if (!d->irq || !d->irq->count)
		return err(ENOSPC);
	LOCK_SCOPE(&d->irq->lock);
	for (u32 i = 0; is_gsi && i < hw_gsi_count() && rc; i++)
		if (hw_gsi_exists(i) && run_is_free(d->irq, i, 1)) {
			*pirq = i;
			rc = 0;
		}
	if (!is_gsi)
		rc = pirq_find_free_locked(d->irq, -1, 1, pirq);
	if (!rc)
		d->irq->pirqs[*pirq].is_reserved = true;
	return rc;
}

/* ---------------------------------------------------------------- GSIs */

static bool gsi_is_allowed(const struct domain *d, u32 gsi)
{
	return d->is_hardware || (d->irq_allowed && rangeset_contains(d->irq_allowed, gsi, gsi));
}

int irq_map_gsi(struct domain *d, s64 gsi, s64 *pirq)
{
	struct irq *irq = gsi >= 0 && gsi < GSI_MAX ? irq_of_gsi((u32)gsi) : NULL;

	/* One number for both: nobody asks for anything else. A line has one owner. */
	if (!irq || (*pirq >= 0 && *pirq != gsi) || !d->irq || gsi >= d->irq->count)
		return err(EINVAL);
	if (!gsi_is_allowed(d, (u32)gsi))
		return err(EPERM);
	LOCK_SCOPE(&d->irq->lock);
	{
		LOCK_SCOPE_IRQ(&irq->lock);
		if (irq->owner && irq->owner != d)
			return err(EBUSY);
	}
	pirq_set_locked(d, (u32)gsi, irq);
	*pirq = gsi;
	return 0;
}

int irq_gsi_setup(struct domain *d, s64 gsi, bool is_level, bool is_low)
{
	struct irq *irq = gsi >= 0 && gsi < GSI_MAX ? irq_of_gsi((u32)gsi) : NULL;

	if (!irq)
		return err(EINVAL);
	if (!gsi_is_allowed(d, (u32)gsi))
		return err(EPERM);
	LOCK_SCOPE_IRQ(&irq->lock);
	if (irq->is_set_up || irq->fn)
		return -EEXIST;
	irq->is_set_up = true;
	irq->is_level = is_level;
	irq->is_low = is_low;
	return 0;
}

static int unmap_gsi(struct domain *d, struct irq *irq)
{
	pirq_eoi_mark(d, irq->number, false);
	pirq_clear(d, irq->number); /* first, so that nobody binds it behind our back */
	irq_unbind(irq);
	LOCK_SCOPE_IRQ(&irq->lock);
	irq_unroute_locked(irq);
	irq->owner = NULL;
	return 0;
}

int irq_unmap(struct domain *d, s64 pirq)
{
	struct irq *irq;

	if (pirq < 0 || !d->irq || pirq >= d->irq->count)
		return err(EINVAL);
	/* The device lock keeps the irq what it is: only under it do messages come and go. */
	LOCK_SCOPE(&pci_dev_lock);
	lock_acquire(&d->irq->lock);
	irq = pirq_irq_locked(d->irq, (u64)pirq);
	if (!irq)
		d->irq->pirqs[idx_nospec((size_t)pirq, d->irq->count)].is_reserved = false;
	lock_release(&d->irq->lock);
	if (!irq)
		return -ESRCH;
	return irq->kind == IRQ_GSI ? unmap_gsi(d, irq) : msi_unmap_locked(irq);
}

/* ---------------------------------------------------------------- binding */

int irq_guest_bind(struct domain *d, u32 pirq, u32 flags, irq_guest_fn fn, unsigned int cpu)
{
	int rc;

	/* BIND_PIRQ__WILL_SHARE: a line has one owner, see irq_map_gsi(). */
	(void)flags;
	if (pirq >= irq_pirq_count(d))
		return err(EINVAL);
	rc = vector_prepare(cpu);
	if (rc)
		return rc;
	PIRQ_SCOPE(irq, d, pirq);
	if (!irq)
		return err(EPERM); /* not mapped: as Xen */
	if (irq->fn)
		return err(EEXIST);
	if (!irq->vector) {
		rc = irq_vectors_alloc(&irq, 1, cpu);
		if (rc)
			return rc;
		irq_route_locked(irq);
	} else {
		irq->cpu_wanted = cpu;
	}
	irq->fn = fn;
	irq->needs_eoi = false;
	irq->is_storm = false;
	irq->window_count = 0;
	irq_move_locked(irq);
	irq_mask_locked(irq, false);
	pirq_eoi_mark(d, pirq, irq->is_level);
	return 0;
}

int irq_guest_unbind(struct domain *d, u32 pirq)
{
	struct irq *irq;

	if (!d->irq)
		return err(EINVAL);
	LOCK_SCOPE(&d->irq->lock);
	irq = pirq_irq_locked(d->irq, pirq);
	if (!irq || !irq->fn)
		return err(EINVAL);
	irq_unbind(irq);
	return 0;
}

void irq_guest_set_affinity(struct domain *d, u32 pirq, unsigned int cpu)
{
	if (cpu >= CPU_MAX || vector_prepare(cpu))
		return;
	PIRQ_SCOPE(irq, d, pirq);
	if (!irq)
		return;
	irq->cpu_wanted = cpu;
	irq_move_locked(irq);
}

int irq_guest_eoi(struct domain *d, u32 pirq)
{
	PIRQ_SCOPE(irq, d, pirq);
	if (!irq)
		return err(EINVAL);
	if (irq->needs_eoi && irq->fn)
		irq_mask_locked(irq, false);
	irq->needs_eoi = false;
	return 0;
}

int irq_guest_status(struct domain *d, u32 pirq, u32 *flags)
{
	if (pirq >= irq_pirq_count(d))
		return err(EINVAL);
	PIRQ_SCOPE(irq, d, pirq);
	*flags = !irq || irq->is_level ? XENIRQSTAT_needs_eoi : 0;
	return 0;
}

/* ---------------------------------------------------------------- the page of EOI bits */

void pirq_eoi_mark(const struct domain *d, u32 pirq, bool needs_eoi)
{
	u64 *page = atomic_load(&d->irq->eoi_page);

	if (!page)
		return;
	if (needs_eoi)
		(void)atomic_bit_set(page, pirq);
	else
		(void)atomic_bit_clear(page, pirq);
}

int irq_eoi_page_set(struct domain *d, mfn_t mfn, bool unmasks)
{
	struct irq_domain *di = d->irq;
	int rc;

	if (!di)
		return err(EINVAL);
	rc = frame_type_get(mfn, d, FRAME_WRITABLE);
	if (rc)
		return rc;
	lock_acquire(&di->lock);
	if (di->eoi_page) {
		lock_release(&di->lock);
		frame_type_put(mfn);
		return err(EBUSY);
	}
	di->eoi_mfn = mfn;
	di->eoi_unmasks = unmasks;
	atomic_store(&di->eoi_page, (u64 *)hw_frame_map(mfn));
	for (u32 pirq = 0; pirq < di->count; pirq++) {
		const struct irq *irq = di->pirqs[pirq].irq;

		pirq_eoi_mark(d, pirq, irq && irq->is_level && irq->fn);
	}
	lock_release(&di->lock);
	return 0;
}

mfn_t irq_eoi_frame(const struct domain *d)
{
	return d->irq ? d->irq->eoi_mfn : MFN_NONE;
}

bool irq_eoi_unmasks(const struct domain *d)
{
	return d->irq && d->irq->eoi_unmasks;
}

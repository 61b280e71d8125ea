/* SPDX-License-Identifier: MIT */
/*
 * Interrupts as the machine has them: dispatch, EOI, masks, routes, storms. Reached from entry/ (irq_dispatch), boot/ and
 * the other files of irq/; calls the seam and time's timers. Each descriptor has a lock, held with interrupts off; handlers
 * run without it.
 *
 * Level: the entry is masked, then the local APIC gets its EOI (which clears Remote IRR), and irq_guest_eoi() unmasks.
 * So the local APIC is never left waiting for a guest. Edge and messages: EOI at once.
 */
#include "core/cpu.h"
#include "core/err.h"
#include "core/log.h"
#include "core/trace.h"
#include "hw/acpi.h"
#include "hw/clock.h"
#include "hw/ioapic.h"
#include "hw/lapic.h"
#include "irq/priv.h"
#include "lib/errno.h"
#include "mm/mm.h"

/* A storm: more than this in one window. Half a million a second is above what fast disks do. */
#define STORM_WINDOW_MS 10
#define STORM_COUNT_MAX 5000

static struct irq *gsis[GSI_MAX]; /* [c] */
static struct lock message_lock = LOCK_INIT(LOCK_RANK_IRQCHIP);
static struct irq *message_free_list; /* [l] */
static u32 message_count;	      /* [l] ever made */
static u64 spurious_count;	      /* [a] vectors that belong to nobody */

/* ---------------------------------------------------------------- descriptors */

static void storm_end(void *ctx);

static struct irq *irq_new(enum irq_kind kind, u32 number)
{
	struct irq *irq = heap_alloc(sizeof(*irq));

	if (!irq)
		return NULL;
	lock_init(&irq->lock, LOCK_RANK_IRQ);
	irq->kind = kind;
	irq->number = number;
	irq->is_masked = true;
	timer_init(&irq->timer, storm_end, irq, 0);
	return irq;
}

struct irq *irq_of_gsi(u32 gsi)
{
	return gsi < GSI_MAX ? gsis[idx_nospec(gsi, GSI_MAX)] : NULL;
}

struct irq *irq_message_alloc(enum irq_kind kind)
{
	u64 flags = lock_acquire_irq(&message_lock);
	struct irq *irq = message_free_list;
	u32 number;

	if (irq)
		message_free_list = irq->next;
	number = irq ? irq->number : message_count++;
	lock_release_irq(&message_lock, flags);
	if (!irq)
		return irq_new(kind, number);
	irq->kind = kind;
	return irq;
}

void irq_message_free(struct irq *irq)
{
	LOCK_SCOPE_IRQ(&message_lock);
	irq->kind = IRQ_UNUSED;
	irq->next = message_free_list;
	message_free_list = irq;
}

/* ---------------------------------------------------------------- masks and routes */

static bool irq_may_mask(const struct irq *irq)
{
	return irq->kind == IRQ_GSI || msi_may_mask(irq);
}

void irq_mask_locked(struct irq *irq, bool is_masked)
{
	irq->is_masked = is_masked;
	if (irq->kind != IRQ_GSI)
		msi_mask_locked(irq, is_masked);
	else
		hw_ioapic_mask(irq->number, is_masked);
}

void irq_route_locked(struct irq *irq)
{
	if (irq->kind == IRQ_GSI) {
		struct ioapic_route route = {
			.vector = irq->vector,
			.apic_id = hw_cpu_apic_id[irq->cpu],
			.is_level = irq->is_level,
			.is_low = irq->is_low,
		};

		hw_ioapic_route(irq->number, &route);
	} else {
		msi_route_locked(irq);
	}
}

/* Without interrupt remapping a message reaches APIC ids 0..254 only. */
static bool cpu_is_reachable(unsigned int cpu)
{
	return cpu < CPU_MAX && cpumask_test(&cpu_online_mask, cpu) && hw_cpu_apic_id[cpu] < 255;
}

int irq_vectors_alloc(struct irq *const *irqs, u32 count, unsigned int cpu)
{
	const unsigned int cpus[2] = {cpu, 0};

	for (unsigned int i = 0; i < 2; i++) {
		u8 vector = cpu_is_reachable(cpus[i]) ? vector_alloc(cpus[i], irqs, count) : 0;

		for (u32 n = 0; n < count && vector; n++) {
			irqs[n]->vector = (u8)(vector + n);
			irqs[n]->cpu = irqs[n]->cpu_wanted = cpus[i];
		}
		if (vector)
			return 0;
	}
	return err(ENOSPC);
}

void irq_unroute_locked(struct irq *irq)
{
	if (irq->vector)
		vector_free(irq->cpu, irq->vector);
	irq->vector = 0;
	irq->is_moving = false;
}

/* A message that cannot be masked is two registers, changed one after the other: only the first may change. */
static u8 vector_for_move(struct irq *irq)
{
	if (!irq_may_mask(irq))
		return vector_claim(irq->cpu_wanted, irq->vector, irq) ? irq->vector : 0;
	return vector_alloc(irq->cpu_wanted, &irq, 1);
}

static bool may_move_now(const struct irq *irq)
{
	if (irq->is_level)
		return !hw_ioapic_is_in_service(irq->number);
	return irq->group <= 1; /* a group shares one address */
}

/*
 * To cpu_wanted, if that can be done now. A level interrupt that a CPU has accepted waits: its EOI names the old vector.
 * irq_dispatch() comes back to it.
 */
void irq_move_locked(struct irq *irq)
{
	bool was_masked = irq->is_masked;
	u32 old_cpu = irq->cpu;
	u8 old_vector = irq->vector, vector;

	irq->is_moving = false;
	if (!irq->vector || irq->cpu_wanted == irq->cpu || !cpu_is_reachable(irq->cpu_wanted))
		return;
	if (!was_masked)
		irq_mask_locked(irq, true);
	if (!may_move_now(irq)) {
		irq->is_moving = irq->kind == IRQ_GSI;
	} else {
		vector = vector_for_move(irq);
		if (vector) {
			irq->cpu = irq->cpu_wanted;
			irq->vector = vector;
			irq_route_locked(irq);
			vector_free(old_cpu, old_vector);
		}
	}
	if (!was_masked)
		irq_mask_locked(irq, false);
}

/* ---------------------------------------------------------------- storms */

/* One more interrupt: true when there have been so many that it is to be silenced for the rest of the window. */
static bool storm_begins_locked(struct irq *irq)
{
	u64 now = hw_tsc(), window = hw_tsc_khz * STORM_WINDOW_MS;

	if (now - irq->window_tsc > window) {
		irq->window_tsc = now;
		irq->window_count = 0;
	}
	irq->window_count++;
	return irq->window_count > STORM_COUNT_MAX && irq_may_mask(irq) && !irq->is_masked;
}

/* Lets the lock go and calls the handler; interrupts stay off. */
static void release_and_call(struct irq *irq)
{
	irq_guest_fn fn = irq->fn;
	struct domain *owner = irq->owner;
	u32 pirq = irq->pirq;

	(void)atomic_add(&irq->running, 1u);
	lock_release(&irq->lock);
	if (fn)
		fn(owner, pirq);
	(void)atomic_sub(&irq->running, 1u); /* pairs with irq_unbind() */
}

/* Timer: the window is over. An edge that came meanwhile is lost at the IO-APIC, so the guest is told once more. */
static void storm_end(void *ctx)
{
	struct irq *irq = ctx;
	u64 flags = lock_acquire_irq(&irq->lock);

	if (!irq->is_storm) {
		lock_release_irq(&irq->lock, flags);
		return;
	}
	irq->is_storm = false;
	irq->window_count = 0;
	irq->window_tsc = hw_tsc();
	if (irq->vector && irq->fn && !irq->needs_eoi)
		irq_mask_locked(irq, false);
	release_and_call(irq);
	hw_irq_restore(flags);
}

/* ---------------------------------------------------------------- dispatch */

static void nobodys(u8 vector)
{
	hw_lapic_eoi();
	/* The first few are worth a line; a device must not fill the log. */
	if (atomic_add(&spurious_count, 1ull) <= 4)
		log_info("interrupt with vector %02x on CPU %u belongs to nobody", vector,
			 cpu_id());
}

/* Everything that the hardware needs. True: a storm has begun. */
static bool acknowledge_locked(struct irq *irq)
{
	bool begins = !irq->is_level && storm_begins_locked(irq);

	irq->total++;
	irq->is_storm |= begins;
	if (irq->is_level || begins)
		irq_mask_locked(irq, true);
	hw_lapic_eoi();
	if (irq->is_level) {
		irq->needs_eoi = irq->fn != NULL;
		if (irq->is_moving)
			irq_move_locked(irq);
	}
	return begins;
}

void irq_dispatch(u8 vector)
{
	struct irq *irq = vector_find(cpu_id(), vector);
	bool is_storm;

	if (!irq) {
		nobodys(vector);
		return;
	}
	trace(TRACE_IRQ, vector, irq->number, NULL);
	lock_acquire(&irq->lock); /* interrupts are off already */
	is_storm = acknowledge_locked(irq);
	release_and_call(irq);
	if (is_storm)
		timer_set(&irq->timer, time_now_ns() + STORM_WINDOW_MS * 1000000ull);
}

void irq_unbind(struct irq *irq)
{
	u64 flags = lock_acquire_irq(&irq->lock);

	irq->fn = NULL;
	irq->needs_eoi = false;
	irq->is_storm = false;
	irq_mask_locked(irq, true);
	lock_release_irq(&irq->lock, flags);
	/* pairs with release_and_call(): who took fn under the lock before is counted */
	while (atomic_load(&irq->running))
		hw_relax();
}

/* ---------------------------------------------------------------- boot, CPUs, the end */

static void gsi_defaults(struct irq *irq)
{
	irq->is_level = irq->is_low = irq->number >= 16;
	for (unsigned int i = 0; i < hw_acpi.override_count; i++) {
		if (hw_acpi.overrides[i].gsi != irq->number)
			continue;
		irq->is_level = hw_acpi.overrides[i].is_level;
		irq->is_low = hw_acpi.overrides[i].is_low;
	}
}

int irq_init(void)
{
	int rc;

	rc = hw_ioapic_init();
	if (rc)
		return rc;
	hw_pci_init();
	for (u32 gsi = 0; gsi < hw_gsi_count(); gsi++) {
		if (!hw_gsi_exists(gsi))
			continue;
		gsis[gsi] = irq_new(IRQ_GSI, gsi);
		if (!gsis[gsi])
			return err(ENOMEM);
		gsi_defaults(gsis[gsi]);
	}
	return vector_prepare(0);
}

static void print_one(const struct irq *irq)
{
	log_info("  %s %3u vector %02x CPU %u %s%s%s%s d%d pirq %u: %lu",
		 irq->kind == IRQ_GSI ? "GSI" : "MSI", irq->number, irq->vector, irq->cpu,
		 irq->is_level ? "level" : "edge", irq->is_masked ? " masked" : "",
		 irq->needs_eoi ? " at guest" : "", irq->is_storm ? " storm" : "",
		 irq->owner ? irq->owner->id : -1, irq->pirq, irq->total);
}

void irq_print(void)
{
	log_info("interrupts: %lu belonged to nobody", atomic_load(&spurious_count));
	for (unsigned int cpu = 0; cpu < CPU_MAX; cpu++)
		for (unsigned int vector = IRQ_VECTOR_FIRST; vector <= IRQ_VECTOR_LAST; vector++) {
			const struct irq *irq = vector_find(cpu, (u8)vector);

			if (irq && irq->cpu == cpu && irq->vector == vector)
				print_one(irq);
		}
}

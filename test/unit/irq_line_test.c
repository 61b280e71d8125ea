/* SPDX-License-Identifier: MIT */
/* uses: src/irq/irq.c src/irq/guest.c src/irq/vector.c src/irq/msi.c src/irq/pci.c test/fake/hw_x86.c src/lib/rangeset.c test/fake/machine.c test/fake/core.c test/fake/devices.c test/fake/irq_world.c */
/*
 * Interrupt lines of the IO-APIC: level and edge, EOI, moving between CPUs, storms, who may bind what. The fake IO-APIC
 * stops the test when half an entry is live, when a vector changes while an EOI for it is due, or when a handler returns
 * without EOI.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "devices.h"
#include "fake.h"
#include "hw/ioapic.h"
#include "hw/mem.h"
#include "irq/irq.h"
#include "lib/string.h"

static struct domain *d;
static unsigned int calls[4096];
static unsigned int last_cpu;

/* As Domain 0 does: mapped, then bound. */
static int bind(struct domain *of, u32 gsi, u32 flags, irq_guest_fn fn, unsigned int cpu)
{
	s64 pirq = gsi;
	int rc = irq_map_gsi(of, gsi, &pirq);

	return rc ? rc : irq_guest_bind(of, gsi, flags, fn, cpu);
}

static void on_irq(struct domain *owner, u32 pirq)
{
	assert_ptr_equal(owner, d);
	assert_true(fake_irq_off);
	calls[pirq]++;
	last_cpu = fake_cpu;
}

static int setup(void **state)
{
	(void)state;
	memset(calls, 0, sizeof(calls));
	fake_devices_init(4);
	d = fake_hardware_domain();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (u32 gsi = 0; gsi < FAKE_GSIS; gsi++)
		fake_line_set(gsi, false);
	irq_domain_destroy(d);
	fake_domain_free(d);
	assert_int_equal(fake_heap_blocks, 0);
	fake_time_move(1000000000); /* vectors rest */
	for (u32 gsi = 0; gsi < FAKE_GSIS; gsi++)
		assert_true(fake_ioapic_low(gsi) & BIT(16));
	fake_devices_fini();
	return 0;
}

static void boot_masks_everything(void **state)
{
	(void)state;
	for (u32 gsi = 0; gsi < FAKE_GSIS; gsi++) {
		fake_line_set(gsi, true);
		assert_true(fake_ioapic_low(gsi) & BIT(16));
	}
	assert_int_equal(fake_interrupts_run_all(), 0);
	assert_int_equal(hw_gsi_count(), FAKE_GSIS);
}

static void edge_each_counts(void **state)
{
	(void)state;
	assert_int_equal(bind(d, 4, 0, on_irq, 1), 0);
	for (unsigned int i = 1; i <= 5; i++) {
		fake_line_set(4, true);
		fake_line_set(4, false);
		assert_int_equal(fake_interrupts_run(1), 1);
		assert_int_equal(calls[4], i);
		assert_int_equal(last_cpu, 1);
	}
	assert_int_equal(irq_guest_eoi(d, 4), 0); /* harmless */
	assert_int_equal(irq_guest_unbind(d, 4), 0);
}

static void level_waits_for_guest(void **state)
{
	(void)state;
	assert_int_equal(irq_gsi_setup(d, 16, true, false), 0);
	assert_int_equal(bind(d, 16, 0, on_irq, 0), 0);
	fake_line_set(16, true);
	assert_int_equal(fake_interrupts_run(0), 1);
	assert_int_equal(calls[16], 1);
	/* still asserted: nothing comes until the guest has said EOI, and the local APIC is free */
	assert_int_equal(fake_interrupts_run_all(), 0);
	assert_int_equal(irq_guest_eoi(d, 16), 0);
	assert_int_equal(fake_interrupts_run(0), 1);
	assert_int_equal(calls[16], 2);
	fake_line_set(16, false);
	assert_int_equal(irq_guest_eoi(d, 16), 0);
	assert_int_equal(irq_guest_eoi(d, 16), 0); /* twice: harmless */
	assert_int_equal(fake_interrupts_run_all(), 0);
}

static void level_low_polarity(void **state)
{
	(void)state;
	fake_line_set(17, true);
	assert_int_equal(bind(d, 17, BIND_PIRQ__WILL_SHARE, on_irq, 0),
			 0); /* PCI default: level, low */
	assert_int_equal(fake_interrupts_run_all(), 0);
	fake_line_set(17, false);
	assert_int_equal(fake_interrupts_run_all(), 1);
	assert_int_equal(calls[17], 1);
	fake_line_set(17, true);
	assert_int_equal(irq_guest_eoi(d, 17), 0);
	assert_int_equal(fake_interrupts_run_all(), 0);
}

static void override_is_default(void **state)
{
	u32 flags = 99;

	(void)state;
	assert_int_equal(bind(d, 9, 0, on_irq, 0), 0); /* MADT: level, high */
	assert_int_equal(irq_guest_status(d, 9, &flags), 0);
	assert_int_equal(flags, XENIRQSTAT_needs_eoi);
	fake_line_set(9, true);
	assert_int_equal(fake_interrupts_run_all(), 1);
	assert_int_equal(bind(d, 1, 0, on_irq, 0), 0);
	assert_int_equal(irq_guest_status(d, 1, &flags), 0);
	assert_int_equal(flags, 0);
	assert_int_equal(irq_guest_status(d, 1u << 30, &flags), -EINVAL);
}

static void setup_once(void **state)
{
	(void)state;
	assert_int_equal(irq_gsi_setup(d, 18, false, false), 0);
	assert_int_equal(irq_gsi_setup(d, 18, true, true), -EEXIST);
	assert_int_equal(irq_gsi_setup(d, FAKE_GSIS, true, true), -EINVAL);
	assert_int_equal(irq_gsi_setup(d, -1, true, true), -EINVAL);
	assert_int_equal(irq_gsi_setup(d, 1ll << 40, true, true), -EINVAL);
	assert_int_equal(bind(d, 18, 0, on_irq, 0), 0);
	fake_line_set(18, true);
	assert_int_equal(fake_interrupts_run_all(), 1);
	assert_false(fake_ioapic_low(18) & BIT(16)); /* edge */
	/* not while bound, even if never set up */
	assert_int_equal(bind(d, 3, 0, on_irq, 0), 0);
	assert_int_equal(irq_gsi_setup(d, 3, true, true), -EEXIST);
}

static void who_may(void **state)
{
	struct domain *other = fake_domain_new(5, 1), *mine = d;
	s64 pirq = -1;

	(void)state;
	assert_int_equal(bind(d, 4096, 0, on_irq, 0), -EINVAL);
	assert_int_equal(bind(d, FAKE_GSIS, 0, on_irq, 0), -EINVAL);  /* a message's, not mapped */
	assert_int_equal(irq_guest_bind(d, 5, 0, on_irq, 0), -EPERM); /* not mapped */
	assert_int_equal(irq_guest_bind(d, FAKE_GSIS, 0, on_irq, 0), -EPERM);
	assert_int_equal(irq_guest_unbind(d, 5), -EINVAL);
	assert_int_equal(irq_guest_unbind(d, 0xffffffff), -EINVAL);
	assert_int_equal(bind(d, 5, 0, on_irq, 0), 0);
	assert_int_equal(bind(d, 5, 0, on_irq, 0), -EEXIST);
	/* a guest without devices has no pirqs at all */
	assert_int_equal(irq_domain_init(other), 0);
	assert_int_equal(irq_pirq_count(other), 0);
	assert_int_equal(bind(other, 6, 0, on_irq, 0), -EINVAL);
	assert_int_equal(irq_map_gsi(other, 6, &pirq), -EINVAL);
	assert_int_equal(irq_gsi_setup(other, 6, true, true), -EPERM);
	assert_int_equal(irq_unmap(other, 6), -EINVAL);
	irq_guest_set_affinity(other, 6, 1);
	irq_domain_destroy(other);
	/* a second one with devices */
	other->is_hardware = true;
	assert_int_equal(irq_domain_init(other), 0);
	assert_int_equal(bind(other, 5, 0, on_irq, 0), -EBUSY);
	assert_int_equal(bind(other, 6, 0, on_irq, 0), 0);
	assert_int_equal(bind(d, 6, 0, on_irq, 0), -EBUSY);
	d = other;
	fake_line_set(6, true);
	assert_int_equal(fake_interrupts_run_all(), 1);
	d = mine;
	irq_domain_destroy(other);
	assert_int_equal(bind(d, 6, 0, on_irq, 0), 0);
	fake_domain_free(other);
}

static void map_unmap(void **state)
{
	s64 pirq = -1;

	(void)state;
	assert_int_equal(irq_map_gsi(d, 7, &pirq), 0);
	assert_int_equal(pirq, 7);
	assert_int_equal(irq_map_gsi(d, 7, &pirq), 0); /* again: the same */
	pirq = 8;
	assert_int_equal(irq_map_gsi(d, 7, &pirq), -EINVAL);
	pirq = -1;
	assert_int_equal(irq_map_gsi(d, -1, &pirq), -EINVAL);
	assert_int_equal(irq_map_gsi(d, FAKE_GSIS, &pirq), -EINVAL);
	assert_int_equal(irq_unmap(d, 8), -ESRCH);
	assert_int_equal(irq_unmap(d, -1), -EINVAL);
	assert_int_equal(irq_unmap(d, 1 << 20), -EINVAL);
	assert_int_equal(bind(d, 7, 0, on_irq, 0), 0);
	assert_int_equal(irq_unmap(d, 7), 0); /* unbinds */
	assert_int_equal(irq_guest_unbind(d, 7), -EINVAL);
	assert_int_equal(irq_unmap(d, 7), -ESRCH);
	fake_line_set(7, true);
	assert_int_equal(fake_interrupts_run_all(), 0);
}

static void unbind_drops_what_waits(void **state)
{
	(void)state;
	assert_int_equal(irq_gsi_setup(d, 19, true, false), 0);
	assert_int_equal(bind(d, 19, 0, on_irq, 2), 0);
	fake_line_set(19, true);
	assert_int_equal(fake_interrupts_waiting(2), 1);
	assert_int_equal(irq_guest_unbind(d, 19), 0);
	assert_int_equal(fake_interrupts_run(2), 1); /* taken, EOI, told nobody */
	assert_int_equal(calls[19], 0);
	assert_true(fake_ioapic_low(19) & BIT(16));
	/* and bound again it works, line still asserted */
	assert_int_equal(bind(d, 19, 0, on_irq, 2), 0);
	assert_int_equal(fake_interrupts_run_all(), 1);
	assert_int_equal(calls[19], 1);
	/* unbound while the guest owes an EOI: the new binding does not */
	assert_int_equal(irq_guest_unbind(d, 19), 0);
	assert_int_equal(bind(d, 19, 0, on_irq, 2), 0);
	assert_int_equal(fake_interrupts_run_all(), 1);
	assert_int_equal(calls[19], 2);
}

static void edge_moves(void **state)
{
	(void)state;
	assert_int_equal(bind(d, 12, 0, on_irq, 0), 0);
	fake_line_set(12, true); /* on its way to CPU 0 */
	irq_guest_set_affinity(d, 12, 3);
	assert_int_equal(fake_ioapic_cpu(12), 3);
	assert_int_equal(fake_interrupts_run(0), 1);
	assert_int_equal(calls[12], 1); /* the old vector still counts */
	fake_line_set(12, false);
	fake_line_set(12, true);
	assert_int_equal(fake_interrupts_run(3), 1);
	assert_int_equal(calls[12], 2);
	irq_guest_set_affinity(d, 12, 7); /* not online: stays */
	irq_guest_set_affinity(d, 12, 100000);
	assert_int_equal(fake_ioapic_cpu(12), 3);
}

static void level_moves_when_quiet(void **state)
{
	(void)state;
	assert_int_equal(irq_gsi_setup(d, 20, true, false), 0);
	assert_int_equal(bind(d, 20, 0, on_irq, 0), 0);
	fake_line_set(20, true);	  /* accepted by CPU 0, not yet served */
	irq_guest_set_affinity(d, 20, 1); /* the fake would stop us for a new vector now */
	assert_int_equal(fake_ioapic_cpu(20), 0);
	assert_int_equal(fake_interrupts_run(0), 1);
	assert_int_equal(fake_ioapic_cpu(20), 1);
	assert_int_equal(calls[20], 1);
	assert_int_equal(irq_guest_eoi(d, 20), 0);
	assert_int_equal(fake_interrupts_run(1), 1);
	assert_int_equal(calls[20], 2);
	/* at the guest: moves at once, stays masked */
	irq_guest_set_affinity(d, 20, 2);
	assert_int_equal(fake_ioapic_cpu(20), 2);
	assert_int_equal(fake_interrupts_run_all(), 0);
	fake_line_set(20, false);
	assert_int_equal(irq_guest_eoi(d, 20), 0);
	assert_int_equal(fake_interrupts_run_all(), 0);
}

/* SECURITY-CASES 331: a storm does not take the CPU for ever, and nothing is lost for good. */
static void edge_storm(void **state)
{
	unsigned int total;

	(void)state;
	assert_int_equal(bind(d, 14, 0, on_irq, 0), 0);
	for (unsigned int i = 0; i < 20000; i++) {
		fake_line_set(14, true);
		fake_line_set(14, false);
		(void)fake_interrupts_run_all();
	}
	total = calls[14];
	assert_in_range(total, 1000, 6000);
	assert_true(fake_ioapic_low(14) & BIT(16));
	fake_time_move(11000000);
	assert_int_equal(calls[14], total + 1); /* once for those that were lost */
	assert_false(fake_ioapic_low(14) & BIT(16));
	fake_line_set(14, true);
	assert_int_equal(fake_interrupts_run_all(), 1);
	/* unbound during a storm: the timer finds nothing to do */
	for (unsigned int i = 0; i < 20000; i++) {
		fake_line_set(14, false);
		fake_line_set(14, true);
		(void)fake_interrupts_run_all();
	}
	assert_int_equal(irq_guest_unbind(d, 14), 0);
	total = calls[14];
	fake_time_move(11000000);
	assert_int_equal(calls[14], total);
	assert_true(fake_ioapic_low(14) & BIT(16));
}

/* A line that stays asserted: one interrupt for each EOI of the guest, no more. */
static void level_storm(void **state)
{
	(void)state;
	assert_int_equal(irq_gsi_setup(d, 22, true, false), 0);
	assert_int_equal(bind(d, 22, 0, on_irq, 0), 0);
	fake_line_set(22, true);
	for (unsigned int i = 1; i < 10000; i++) {
		assert_int_equal(fake_interrupts_run_all(), 1);
		assert_int_equal(fake_interrupts_run_all(), 0);
		assert_int_equal(calls[22], i);
		assert_int_equal(irq_guest_eoi(d, 22), 0);
	}
}

static void nobodys_vectors(void **state)
{
	(void)state;
	for (unsigned int vector = 0x20; vector <= 0xef; vector++)
		fake_interrupt_raise(3, (u8)vector);
	assert_int_equal(fake_interrupts_run(3), 0xef - 0x20 + 1);
}

static void eoi_page(void **state)
{
	const u64 *page = hw_frame_map(mfn_make(7));

	(void)state;
	assert_int_equal(irq_gsi_setup(d, 23, true, false), 0);
	assert_int_equal(bind(d, 23, 0, on_irq, 0), 0);
	assert_int_equal(irq_eoi_page_set(d, mfn_make(100000), false), -EINVAL);
	assert_int_equal(irq_eoi_page_set(d, mfn_make(7), true), 0);
	assert_true(irq_eoi_unmasks(d));
	assert_int_equal(irq_eoi_page_set(d, mfn_make(8), false), -EBUSY);
	assert_int_equal(fake_frames_held, 1);
	assert_int_equal(page[0], BIT(23));
	assert_int_equal(bind(d, 10, 0, on_irq, 0), 0); /* edge */
	assert_int_equal(page[0], BIT(23));
	assert_int_equal(irq_unmap(d, 23), 0);
	assert_int_equal(page[0], 0);
	irq_domain_destroy(d);
	assert_int_equal(fake_frames_held, 0);
	assert_int_equal(irq_domain_init(d), 0);
}

static void reserve(void **state)
{
	u32 a, b, gsi;

	(void)state;
	assert_int_equal(irq_reserve_pirq(d, false, &a), 0);
	assert_int_equal(irq_reserve_pirq(d, false, &b), 0);
	assert_true(a >= FAKE_GSIS && b != a);
	assert_int_equal(irq_reserve_pirq(d, true, &gsi), 0);
	assert_true(gsi < FAKE_GSIS);
	assert_int_equal(irq_unmap(d, a), -ESRCH); /* but free again */
	assert_int_equal(irq_reserve_pirq(d, false, &b), 0);
	assert_int_equal(a, b);
}

static void memory_runs_out(void **state)
{
	struct domain *other = fake_domain_new(9, 1);

	(void)state;
	other->is_hardware = true;
	for (int n = 0; n < 2; n++) {
		fake_alloc_fail_after = n;
		assert_int_equal(irq_domain_init(other), -ENOMEM);
		assert_null(other->irq);
	}
	fake_alloc_fail_after = -1;
	irq_domain_destroy(other);
	fake_domain_free(other);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(boot_masks_everything),
		T(edge_each_counts),
		T(level_waits_for_guest),
		T(level_low_polarity),
		T(override_is_default),
		T(setup_once),
		T(who_may),
		T(map_unmap),
		T(unbind_drops_what_waits),
		T(edge_moves),
		T(level_moves_when_quiet),
		T(edge_storm),
		T(level_storm),
		T(nobodys_vectors),
		T(eoi_page),
		T(reserve),
		T(memory_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

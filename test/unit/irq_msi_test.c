/* SPDX-License-Identifier: MIT */
/* uses: src/irq/irq.c src/irq/guest.c src/irq/vector.c src/irq/msi.c src/irq/pci.c test/fake/hw_x86.c src/lib/rangeset.c test/fake/machine.c test/fake/core.c test/fake/devices.c test/fake/irq_world.c */
/*
 * MSI and MSI-X: what Mica writes into devices, what Domain 0 may not write, where an MSI-X table may lie (SECURITY-CASES 33,
 * 36, 337, 360: tables in BARs, pirqs leaked or freed twice), and that nothing is lost when memory or vectors run out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "devices.h"
#include "fake.h"
#include "irq/irq.h"
#include "lib/rangeset.h"
#include "lib/string.h"
#include "mm/mm.h"

#define BAR_ADDRESS   0xfe000000u
#define CF8(dev, reg) (0x80000000u | (u32)(dev)->id.bus << 16 | (u32)(dev)->id.devfn << 8 | (reg))

static struct domain *d;
static unsigned int calls[4096];
static unsigned int last_cpu, blocks_before;

static void on_irq(struct domain *owner, u32 pirq)
{
	assert_ptr_equal(owner, d);
	calls[pirq]++;
	last_cpu = fake_cpu;
}

static struct fake_device *msix_device(u8 devfn, u32 count)
{
	struct fake_device *dev = fake_device_new(1, devfn);

	fake_device_bar(dev, 1, BAR_ADDRESS + devfn * 0x10000u, 0x4000);
	fake_device_msix(dev, 0x70, count, 1, 0x1000);
	return dev;
}

static struct fake_device *msi_device(u8 devfn, unsigned int log_count, bool is_64bit,
				      bool may_mask)
{
	struct fake_device *dev = fake_device_new(2, devfn);

	fake_device_msi(dev, 0x50, log_count, is_64bit, may_mask);
	return dev;
}

static int map_msix(const struct fake_device *dev, u32 entry, u64 base, s64 *pirq)
{
	struct irq_msi_request request = {
		.id = dev->id, .is_msix = true, .count = 1, .entry = entry, .table_base = base};

	*pirq = -1;
	return irq_map_msi(d, &request, pirq);
}

static int map_msi(const struct fake_device *dev, u32 count, s64 *pirq)
{
	struct irq_msi_request request = {.id = dev->id, .count = count};

	*pirq = -1;
	return irq_map_msi(d, &request, pirq);
}

static u64 base_of(const struct fake_device *dev)
{
	return fake_config_read(dev, 0x14, 4) & ~0xfu;
}

static void config_write(const struct fake_device *dev, u8 reg, u8 bytes, u32 value)
{
	pci_config_write(d, CF8(dev, reg & 0xfc), reg & 3, bytes, value);
}

static u32 config_read(const struct fake_device *dev, u8 reg, u8 bytes)
{
	u32 value = 0;

	value = pci_config_read(d, CF8(dev, reg & 0xfc), reg & 3, bytes);
	return value;
}

static void enable_msix(const struct fake_device *dev)
{
	config_write(dev, 0x72, 2, 0x8000);
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
	irq_domain_destroy(d);
	for (unsigned int n = 0; n < 256; n++)
		for (u8 bus = 0; bus < 8; bus++)
			(void)irq_pci_change(d, (struct pci_id){0, bus, (u8)n}, IRQ_PCI_REMOVE);
	assert_true(rangeset_is_empty(&mm_iomem_readonly));
	fake_domain_free(d);
	fake_time_move(1000000000);
	fake_devices_fini();
	return 0;
}

static void msix_lives(void **state)
{
	struct fake_device *dev = msix_device(0, 8);
	s64 a, b;

	(void)state;
	assert_int_equal(irq_pci_add(d, dev->id, false, dev->id), 0);
	enable_msix(dev); /* as Linux does, before it maps the table */
	assert_true(rangeset_contains(&mm_iomem_readonly, (base_of(dev) + 0x1000) >> 12,
				      (base_of(dev) + 0x1000) >> 12));
	assert_int_equal(map_msix(dev, 3, base_of(dev), &a), 0);
	assert_int_equal(map_msix(dev, 5, 0, &b), 0);
	assert_int_not_equal(a, b);
	assert_true(a >= FAKE_GSIS);
	assert_false(fake_device_send(dev, 3)); /* pending, masked */
	assert_int_equal(irq_guest_bind(d, (u32)a, 0, on_irq, 0), 0);
	assert_int_equal(fake_interrupts_run_all(), 1);
	assert_int_equal(calls[a], 1);
	assert_int_equal(irq_guest_bind(d, (u32)b, 0, on_irq, 0), 0);
	assert_true(fake_device_send(dev, 5));
	assert_true(fake_device_send(dev, 3));
	assert_int_equal(fake_interrupts_run_all(), 2);
	assert_int_equal(calls[a], 2);
	assert_int_equal(calls[b], 1);
	irq_guest_set_affinity(d, (u32)a, 2);
	assert_true(fake_device_send(dev, 3));
	assert_int_equal(fake_interrupts_run(2), 1);
	assert_int_equal(last_cpu, 2);
	assert_int_equal(dev->bad_writes, 0);
	assert_int_equal(irq_unmap(d, a), 0);
	assert_false(fake_device_send(dev, 3));
	assert_int_equal(irq_unmap(d, a), -ESRCH);
	assert_true(fake_device_send(dev, 5));
	assert_int_equal(fake_interrupts_run_all(), 1);
}

static void msi_lives(void **state)
{
	(void)state;
	for (unsigned int kind = 0; kind < 4; kind++) {
		struct fake_device *dev = msi_device((u8)(8 * kind), 3, kind & 1, kind & 2);
		s64 pirq;

		assert_int_equal(map_msi(dev, 1, &pirq), 0);
		config_write(dev, 0x52, 2, config_read(dev, 0x52, 2) | 1);
		assert_int_equal(irq_guest_bind(d, (u32)pirq, 0, on_irq, 1), 0);
		assert_true(fake_device_send(dev, 0));
		assert_int_equal(fake_interrupts_run_all(), 1);
		assert_int_equal(calls[pirq], 1);
		calls[pirq] = 0;
		assert_int_equal(irq_unmap(d, pirq), 0);
		assert_false(config_read(dev, 0x52, 2) &
			     1); /* off: could not be masked otherwise */
		assert_false(fake_device_send(dev, 0));
	}
}

static void msi_group(void **state)
{
	struct fake_device *dev = msi_device(0, 4, true, true);
	s64 first, other;

	(void)state;
	assert_int_equal(map_msi(dev, 3, &first), -EINVAL);
	assert_int_equal(map_msi(dev, 0, &first), -EINVAL);
	assert_int_equal(map_msi(dev, 32, &first), -EINVAL);
	assert_int_equal(map_msi(dev, 16, &first), 0);
	assert_int_equal(map_msi(dev, 1, &other), -EBUSY);
	config_write(dev, 0x52, 2, config_read(dev, 0x52, 2) | 1);
	for (u32 n = 0; n < 16; n++) {
		assert_int_equal(irq_guest_bind(d, (u32)first + n, 0, on_irq, 0), 0);
		assert_true(fake_device_send(dev, n));
		irq_guest_set_affinity(d, (u32)first + n, 3); /* a group stays together */
		assert_int_equal(fake_interrupts_run(0), 1);
		assert_int_equal(calls[first + n], 1);
	}
	assert_int_equal(irq_unmap(d, first + 1), -EINVAL);
	assert_int_equal(irq_unmap(d, first), 0);
	for (u32 n = 0; n < 16; n++)
		assert_int_equal(irq_unmap(d, first + n), -ESRCH);
	assert_int_equal(map_msi(dev, 16, &first), 0);
}

/* A message that cannot be masked is moved by one register, or not at all. */
static void msi_moves(void **state)
{
	struct fake_device *dev = msi_device(0, 0, true, false);
	u32 data;
	s64 pirq;

	(void)state;
	assert_int_equal(map_msi(dev, 1, &pirq), 0);
	config_write(dev, 0x52, 2, 1);
	assert_int_equal(irq_guest_bind(d, (u32)pirq, 0, on_irq, 0), 0);
	data = fake_config_read(dev, 0x5c, 2);
	for (unsigned int i = 0; i < 50; i++) {
		irq_guest_set_affinity(d, (u32)pirq, i % 4);
		assert_int_equal(fake_config_read(dev, 0x5c, 2), data);
		assert_true(fake_device_send(dev, 0));
		assert_int_equal(fake_interrupts_run_all(), 1);
		fake_time_move(i < 25 ? 1000000
				      : 200000000); /* in the first half the vectors still rest */
	}
	assert_int_equal(calls[pirq], 50);
}

static void bad_requests(void **state)
{
	struct fake_device *dev = msix_device(0, 8), *none = fake_device_new(3, 0);
	struct domain *other = fake_domain_new(5, 1), *mine = d;
	struct fake_device absent = *none;
	s64 pirq;

	(void)state;
	assert_int_equal(map_msix(dev, 8, base_of(dev), &pirq), -EINVAL);
	assert_int_equal(map_msix(dev, 0xffffffff, base_of(dev), &pirq), -EINVAL);
	assert_int_equal(map_msix(dev, 0, base_of(dev) + 0x1000, &pirq), -EINVAL); /* not its BAR */
	assert_int_equal(map_msi(dev, 1, &pirq), -EINVAL);			   /* has no MSI */
	assert_int_equal(map_msix(none, 0, 0, &pirq), -EINVAL);
	absent.id.devfn = 0x99;
	assert_int_equal(map_msi(&absent, 1, &pirq), -ENODEV);
	assert_int_equal(map_msix(dev, 0, 0, &pirq), 0);
	assert_int_equal(map_msix(dev, 0, 0, &pirq), -EBUSY);
	assert_int_equal(irq_domain_init(other), 0);
	d = other;
	assert_int_equal(map_msix(dev, 1, 0, &pirq), -EPERM);
	assert_int_equal(irq_pci_add(other, dev->id, false, dev->id), -EPERM);
	assert_int_equal(irq_pci_change(other, dev->id, IRQ_PCI_REMOVE), -EPERM);
	assert_int_equal(irq_pci_change(other, dev->id, IRQ_PCI_PREPARE_MSIX), -EPERM);
	assert_int_equal(irq_pci_change(other, dev->id, IRQ_PCI_RELEASE_MSIX), -EPERM);
	assert_int_equal(irq_pci_change(other, dev->id, IRQ_PCI_RESTORE_MSI), -EPERM);
	assert_int_equal(config_read(dev, 0, 4), 0xffffffff);
	assert_int_equal(config_read(dev, 2, 1), 0xff);
	config_write(dev, 4, 2, 0);
	d = mine;
	assert_int_equal(config_read(dev, 4, 2) & 7, 7);
	irq_domain_destroy(other);
	fake_domain_free(other);
}

/* Where Mica would have to write must be a device, and nobody else's. */
static void bad_tables(void **state)
{
	static const struct {
		u32 bar_value, offset;
		u8 bar;
		int rc;
	} cases[] = {
		{0xfec00000, 0, 0, -EINVAL},	  /* the IO-APIC */
		{0xfee00000, 0x1000, 0, -EINVAL}, /* where messages go */
		{0xfebff000, 0xff0, 0, -EINVAL},  /* reaches it with its second page */
		{0x00010000, 0, 0, -EINVAL},	  /* RAM */
		{0x00000000, 0x1000, 0, -EINVAL}, /* no address */
		{0x0000c001, 0, 0, -EINVAL},	  /* I/O ports */
		{0xfe000004, 0, 5, -EINVAL},	  /* 64 bits, but no second half */
		{0xfe000000, 0, 6, -EINVAL},	  /* no such BAR */
		{0xfe000000, 0, 7, -EINVAL},
		{0xfffff000, 0xfffffff8, 0, -EINVAL}, /* above what Domain 0 has */
		{0xfe000000, 0x2000, 0, 0},
		{0xfe000008, 0x2000, 2, 0}, /* prefetchable */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fake_device *dev = fake_device_new(4, (u8)i);
		s64 pirq;

		if (cases[i].bar < 6)
			fake_device_bar(dev, cases[i].bar, cases[i].bar_value, 0x1000);
		fake_device_msix(dev, 0x70, 64, cases[i].bar, cases[i].offset);
		if (i == 9)
			assert_int_equal(rangeset_remove(d->iomem_allowed, 0x100000, 0xfffffffff),
					 0);
		assert_int_equal(map_msix(dev, 0, 0, &pirq), cases[i].rc);
		assert_int_equal(irq_pci_change(d, dev->id, IRQ_PCI_PREPARE_MSIX),
				 cases[i].bar > 5 ? -ENODEV : cases[i].rc);
	}
}

static void no_decode(void **state)
{
	struct fake_device *dev = msix_device(0, 4);
	s64 pirq;

	(void)state;
	dev->config[4] = 1;
	assert_int_equal(map_msix(dev, 0, 0, &pirq), -ENXIO);
	enable_msix(dev); /* not known to Mica, no decode: nothing happens */
	dev->config[4] = 2;
	assert_int_equal(map_msix(dev, 0, 0, &pirq), 0);
}

static void capability_loop(void **state)
{
	struct fake_device *dev = fake_device_new(1, 1);
	s64 pirq;

	(void)state;
	dev->config[6] = 0x10;
	dev->config[0x34] = 0x40;
	dev->config[0x40] = 9;
	dev->config[0x41] = 0x40; /* itself */
	assert_int_equal(map_msi(dev, 1, &pirq), -EINVAL);
	dev = fake_device_new(1, 2);
	dev->config[6] = 0x10;
	dev->config[0x34] = 0xfc;
	dev->config[0xfc] = PCI_CAP_MSI; /* does not fit */
	assert_int_equal(map_msi(dev, 1, &pirq), -EINVAL);
	dev = fake_device_new(1, 3);
	dev->config[6] = 0x10;
	dev->config[0x34] = 0x10; /* inside the header */
	dev->config[0x10] = PCI_CAP_MSI;
	assert_int_equal(map_msi(dev, 1, &pirq), -EINVAL);
}

/* While messages are mapped, their registers are Mica's, by every width and every offset. */
static void filter_msi(void **state)
{
	struct fake_device *dev = msi_device(0, 3, true, true);
	u8 before[24], after[24];
	s64 pirq;

	(void)state;
	config_write(dev, 0x54, 4, 0xfee01000); /* before: Domain 0's, as without Mica */
	assert_int_equal(config_read(dev, 0x54, 4), 0xfee01000);
	assert_int_equal(map_msi(dev, 4, &pirq), 0);
	memcpy(before, dev->config + 0x50, 24);
	for (u8 bytes = 1; bytes <= 4; bytes = (u8)(2 * bytes))
		for (u8 reg = 0x50; reg < 0x64; reg++) {
			if ((reg & 3) + bytes > 4)
				continue;
			config_write(dev, reg, bytes, 0xffffffff);
			config_write(dev, reg, bytes, 0);
		}
	memcpy(after, dev->config + 0x50, 24);
	assert_memory_equal(before, after, 20);
	config_write(dev, 0x50, 4, 0xffffffff); /* the enable bit alone is Domain 0's */
	assert_int_equal(config_read(dev, 0x52, 2), (before[2] | before[3] << 8) | 1);
	config_write(dev, 0x40, 4, 0x12345678); /* others pass */
	assert_int_equal(config_read(dev, 0x40, 4), 0x12345678);
	config_write(dev, 0x64, 4, 0x9abcdef0);
	assert_int_equal(config_read(dev, 0x64, 4), 0x9abcdef0);
	assert_int_equal(irq_unmap(d, pirq), 0);
	config_write(dev, 0x54, 4, 0xfee02000);
	assert_int_equal(config_read(dev, 0x54, 4), 0xfee02000);
}

static void filter_bar(void **state)
{
	struct fake_device *dev = msix_device(0, 4);
	u64 old = base_of(dev);
	s64 pirq;

	(void)state;
	assert_int_equal(irq_pci_add(d, dev->id, false, dev->id), 0);
	enable_msix(dev);
	config_write(dev, 0x14, 4, 0xffffffff); /* sizing */
	assert_true(rangeset_is_empty(&mm_iomem_readonly));
	assert_int_equal(config_read(dev, 0x14, 4), 0xffffc000);
	config_write(dev, 0x14, 4, (u32)old);
	assert_int_equal(map_msix(dev, 0, old, &pirq), 0);
	config_write(dev, 0x14, 4, 0xfd000000);
	config_write(dev, 0x16, 2, 0);
	assert_int_equal(base_of(dev), old);
	config_write(dev, 0x10, 4, 0); /* another BAR */
	assert_int_equal(irq_pci_change(d, dev->id, IRQ_PCI_RELEASE_MSIX), -EBUSY);
	assert_int_equal(irq_unmap(d, pirq), 0);
	config_write(dev, 0x14, 4, 0xfd000000);
	assert_int_equal(base_of(dev), 0xfd000000);
	assert_true(rangeset_is_empty(&mm_iomem_readonly));
	assert_int_equal(map_msix(dev, 0, 0, &pirq), 0);
	assert_true(rangeset_contains(&mm_iomem_readonly, 0xfd001, 0xfd001));
}

static void config_shapes(void **state)
{
	struct fake_device *dev = msi_device(0, 0, false, false);
	u32 value = 0;

	(void)state;
	value = pci_config_read(d, CF8(dev, 0) & 0x7fffffff, 0, 4);
	assert_int_equal(value, 0xffffffff);
	value = pci_config_read(d, CF8(dev, 0), 0, 2);
	assert_int_equal(value, 0x1af4);
	value = pci_config_read(d, CF8(dev, 0), 3, 2); /* across the end */
	assert_int_equal(value, 0xffff);
	value = pci_config_read(d, CF8(dev, 0), 0, 3);
	value = pci_config_read(d, CF8(dev, 0), 200, 1);
	assert_int_equal(value, 0xff);
	pci_config_write(d, CF8(dev, 0x40), 3, 2, 0x1111);
	pci_config_write(d, CF8(dev, 0x40), 252, 4, 0x1111);
	assert_int_equal(config_read(dev, 0x40, 4), 0);
}

static void tables_share_a_page(void **state)
{
	struct fake_device *a = fake_device_new(1, 0), *b = fake_device_new(1, 1);
	u64 frame = BAR_ADDRESS >> 12;

	(void)state;
	fake_device_bar(a, 0, BAR_ADDRESS, 0x100);
	fake_device_bar(b, 0, BAR_ADDRESS + 0x100, 0x100);
	fake_device_msix(a, 0x70, 4, 0, 0);
	fake_device_msix(b, 0x70, 4, 0, 0);
	assert_int_equal(irq_pci_change(d, a->id, IRQ_PCI_PREPARE_MSIX), 0);
	assert_int_equal(irq_pci_change(d, b->id, IRQ_PCI_PREPARE_MSIX), 0);
	assert_int_equal(irq_pci_change(d, a->id, IRQ_PCI_RELEASE_MSIX), 0);
	assert_true(rangeset_contains(&mm_iomem_readonly, frame, frame));
	assert_int_equal(irq_pci_change(d, b->id, IRQ_PCI_RELEASE_MSIX), 0);
	assert_true(rangeset_is_empty(&mm_iomem_readonly));
}

static void remove_takes_messages(void **state)
{
	struct fake_device *dev = msix_device(0, 8), *other = msi_device(0, 2, true, false);
	s64 pirq[3], group;

	(void)state;
	enable_msix(dev);
	for (u32 n = 0; n < 3; n++) {
		assert_int_equal(map_msix(dev, n, 0, &pirq[n]), 0);
		assert_int_equal(irq_guest_bind(d, (u32)pirq[n], 0, on_irq, 0), 0);
	}
	assert_int_equal(map_msi(other, 4, &group), 0);
	assert_int_equal(irq_pci_change(d, dev->id, IRQ_PCI_REMOVE), 0);
	assert_int_equal(irq_pci_change(d, dev->id, IRQ_PCI_REMOVE), -ENODEV);
	assert_int_equal(irq_pci_change(d, other->id, IRQ_PCI_REMOVE), 0);
	for (u32 n = 0; n < 3; n++) {
		assert_int_equal(irq_unmap(d, pirq[n]), -ESRCH);
		assert_false(fake_device_send(dev, n));
	}
	assert_int_equal(irq_unmap(d, group), -ESRCH);
	assert_int_equal(irq_guest_unbind(d, (u32)pirq[0]), -EINVAL);
}

static void restore(void **state)
{
	struct fake_device *dev = msix_device(0, 4), *other = msi_device(0, 1, true, true);
	s64 pirq, group;

	(void)state;
	enable_msix(dev);
	assert_int_equal(map_msix(dev, 2, 0, &pirq), 0);
	assert_int_equal(irq_guest_bind(d, (u32)pirq, 0, on_irq, 0), 0);
	assert_int_equal(map_msi(other, 2, &group), 0);
	assert_int_equal(irq_guest_bind(d, (u32)group + 1, 0, on_irq, 0), 0);
	memset(dev->msix_table, 0, sizeof(dev->msix_table)); /* reset */
	memset(other->config + 0x54, 0, 16);
	other->config[0x52] &= 0x8e;
	assert_int_equal(irq_pci_change(d, dev->id, IRQ_PCI_RESTORE_MSI), 0);
	assert_int_equal(irq_pci_change(d, other->id, IRQ_PCI_RESTORE_MSI), 0);
	assert_int_equal(irq_pci_change(d, (struct pci_id){0, 9, 9}, IRQ_PCI_RESTORE_MSI), -ENODEV);
	config_write(other, 0x52, 2, config_read(other, 0x52, 2) | 1);
	assert_true(fake_device_send(dev, 2));
	assert_false(fake_device_send(other, 0)); /* not bound: still masked */
	assert_true(fake_device_send(other, 1));
	assert_int_equal(fake_interrupts_run_all(), 2);
	assert_int_equal(calls[pirq], 1);
	assert_int_equal(calls[group + 1], 1);
}

/* Every allocation fails once: no pirq, vector or block may be lost. */
static void memory_runs_out(void **state)
{
	struct fake_device *dev = msix_device(0, 4), *other = msi_device(0, 2, true, true);
	s64 pirq;
	int rc = -1;

	(void)state;
	for (int n = 0; rc && n < 20; n++) {
		fake_alloc_fail_after = n;
		rc = map_msix(dev, 1, 0, &pirq);
		if (rc)
			assert_true(rc == -ENOMEM || rc == -ENODEV);
	}
	fake_alloc_fail_after = -1;
	assert_int_equal(rc, 0);
	assert_int_equal(pirq, FAKE_GSIS); /* the first: none was lost */
	rc = -1;
	for (int n = 0; rc && n < 20; n++) {
		fake_alloc_fail_after = n;
		rc = map_msi(other, 4, &pirq);
	}
	fake_alloc_fail_after = -1;
	assert_int_equal(rc, 0);
	assert_int_equal(pirq, FAKE_GSIS + 1);
}

/* More messages than one CPU has vectors: a clean end, and all come back. */
static void vectors_run_out(void **state)
{
	struct fake_device *dev[4];
	s64 pirq[256];
	u32 count;

	(void)state;
	for (u8 n = 0; n < 4; n++)
		dev[n] = msix_device((u8)(8 * n), 64);
	for (unsigned int round = 0; round < 3; round++) {
		int rc = 0;

		fake_time_move(1000000000);
		for (count = 0; count < 256; count++) {
			rc = map_msix(dev[count / 64], count % 64, 0, &pirq[count]);
			if (rc)
				break;
		}
		assert_int_equal(rc, -ENOSPC);
		assert_int_equal(count, 192);
		for (u32 n = 0; n < count; n++)
			assert_int_equal(irq_unmap(d, pirq[n]), 0);
	}
}

static void pirqs_come_back(void **state)
{
	struct fake_device *dev = msi_device(0, 5, true, false);
	s64 pirq;

	(void)state;
	assert_int_equal(map_msi(dev, 32, &pirq), 0);
	assert_int_equal(irq_unmap(d, pirq), 0);
	blocks_before = (unsigned int)fake_heap_blocks;
	for (unsigned int i = 0; i < 10000; i++) {
		fake_time_move(101000000);
		assert_int_equal(map_msi(dev, 32, &pirq), 0);
		assert_int_equal(pirq, FAKE_GSIS);
		assert_int_equal(irq_unmap(d, pirq), 0);
	}
	assert_int_equal(fake_heap_blocks, blocks_before);
}

static void a_pirq_of_choice(void **state)
{
	struct fake_device *dev = msix_device(0, 8);
	struct irq_msi_request request = {.id = dev->id, .is_msix = true, .count = 1};
	s64 pirq = 5;
	u32 reserved;

	(void)state;
	assert_int_equal(irq_map_msi(d, &request, &pirq), -EINVAL); /* a GSI's */
	pirq = 1ll << 33;
	assert_int_equal(irq_map_msi(d, &request, &pirq), -EINVAL);
	assert_int_equal(irq_reserve_pirq(d, false, &reserved), 0);
	pirq = -1;
	assert_int_equal(irq_map_msi(d, &request, &pirq), 0);
	assert_int_not_equal(pirq, reserved);
	pirq = reserved;
	request.entry = 1;
	assert_int_equal(irq_map_msi(d, &request, &pirq), 0);
	assert_int_equal(pirq, reserved);
	request.entry = 2;
	assert_int_equal(irq_map_msi(d, &request, &pirq), -EBUSY);
}

static void msix_storm(void **state)
{
	struct fake_device *dev = msix_device(0, 2);
	unsigned int total;
	s64 pirq;

	(void)state;
	enable_msix(dev);
	assert_int_equal(map_msix(dev, 0, 0, &pirq), 0);
	assert_int_equal(irq_guest_bind(d, (u32)pirq, 0, on_irq, 0), 0);
	for (unsigned int i = 0; i < 20000; i++) {
		(void)fake_device_send(dev, 0);
		(void)fake_interrupts_run_all();
	}
	total = calls[pirq];
	assert_in_range(total, 1000, 6000);
	fake_time_move(11000000);
	(void)fake_interrupts_run_all();
	assert_true(calls[pirq] > total);
	assert_true(fake_device_send(dev, 0));
}

/* Any order of calls on a few devices: the fake machine aborts on what must not be, pirqs and vectors add up. */
static void anything_goes(void **state)
{
	struct fake_device *dev[4];

	(void)state;
	dev[0] = msix_device(0, 8);
	dev[1] = msi_device(0, 3, true, true);
	dev[2] = msi_device(8, 2, false, false);
	dev[3] = msix_device(8, 64);
	for (unsigned int i = 0; i < 200000; i++) {
		u64 r = fake_random();
		struct fake_device *one = dev[r & 3];
		u32 pirq = (u32)(r >> 8) % 96;
		s64 got;

		switch (r >> 32 & 15) {
		case 0:
			(void)map_msix(one, (u32)(r >> 40) % 70, 0, &got);
			break;
		case 1:
			(void)map_msi(one, 1u << (r >> 40) % 5, &got);
			break;
		case 2:
			(void)irq_unmap(d, pirq);
			break;
		case 3:
			(void)irq_guest_bind(d, pirq, 0, on_irq, (r >> 40) & 3);
			break;
		case 4:
			(void)irq_guest_unbind(d, pirq);
			break;
		case 5:
			irq_guest_set_affinity(d, pirq, (r >> 40) & 7);
			break;
		case 6:
			(void)irq_guest_eoi(d, pirq);
			break;
		case 7:
			config_write(one, (u8)(0x50 + (r >> 40) % 0x40), 1, (u32)(r >> 48));
			break;
		case 8:
			fake_line_set((u32)(r >> 40) % FAKE_GSIS, r >> 48 & 1);
			break;
		case 9:
			if ((r >> 40 & 15) == 0)
				(void)irq_pci_change(d, one->id, IRQ_PCI_REMOVE);
			break;
		case 10:
			(void)irq_pci_change(d, one->id, IRQ_PCI_RESTORE_MSI);
			break;
		case 11:
			fake_time_move((r >> 40) % 20000000);
			break;
		case 12:
			(void)fake_interrupts_run((r >> 40) & 3);
			break;
		default:
			if (one->msi || one->msix)
				(void)fake_device_send(one, (u32)(r >> 40) % 8);
		}
	}
	(void)fake_interrupts_run_all();
	assert_int_equal(dev[0]->bad_writes + dev[3]->bad_writes, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(msix_lives),	    T(msi_lives),
		T(msi_group),	    T(msi_moves),
		T(bad_requests),    T(bad_tables),
		T(no_decode),	    T(capability_loop),
		T(filter_msi),	    T(filter_bar),
		T(config_shapes),   T(tables_share_a_page),
		T(restore),	    T(remove_takes_messages),
		T(memory_runs_out), T(vectors_run_out),
		T(pirqs_come_back), T(a_pirq_of_choice),
		T(msix_storm),	    T(anything_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* uses: src/hcall/physdev_op.c src/hcall/subop.c src/irq/irq.c src/irq/guest.c src/irq/vector.c src/irq/msi.c src/irq/pci.c test/fake/hw_x86.c src/lib/rangeset.c test/fake/machine.c test/fake/core.c test/fake/devices.c test/fake/irq_world.c */
/*
 * physdev_op as a guest calls it: each command's good and bad arguments, bad addresses, and domains that may not. The second
 * half throws random bytes at every command.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "devices.h"
#include "evtchn/evtchn.h"
#include "fake.h"
#include "hcall/hcall.h"
#include "irq/irq.h"
#include "lib/string.h"
#include "pv/pv.h"

static struct domain *d, *guest;
static struct vcpu *v;
static unsigned int calls, iopl, unmasked;

int pv_set_iopl(struct vcpu *who, u32 level)
{
	(void)who;
	if (level > 3)
		return -EINVAL;
	iopl = level;
	return 0;
}

int pv_set_iobitmap(struct vcpu *who, u64 gva, u32 ports)
{
	(void)who;
	(void)gva;
	return ports > 65536 ? -EINVAL : 0;
}

void evtchn_pirq_unmask(struct domain *who, u32 pirq)
{
	(void)who;
	(void)pirq;
	unmasked++;
}

static void on_irq(struct domain *owner, u32 pirq)
{
	(void)owner;
	(void)pirq;
	calls++;
}

static int call_as(struct vcpu *who, u64 cmd, void *arg)
{
	struct hcall_args args = {.a = {cmd, (u64)arg}};
	int rc = do_physdev_op(who, &args);

	if (!rc)
		assert_int_equal(args.result, 0);
	return rc;
}

static int call(u64 cmd, void *arg)
{
	return call_as(v, cmd, arg);
}

static int setup(void **state)
{
	(void)state;
	calls = unmasked = 0;
	iopl = 9;
	fake_devices_init(2);
	d = fake_hardware_domain();
	v = d->vcpus[0];
	guest = fake_domain_new(7, 1);
	return irq_domain_init(guest);
}

static int teardown(void **state)
{
	(void)state;
	irq_domain_destroy(d);
	irq_domain_destroy(guest);
	for (unsigned int n = 0; n < 256; n++)
		(void)irq_pci_change(d, (struct pci_id){0, 1, (u8)n}, IRQ_PCI_REMOVE);
	assert_int_equal(d->refs, 1);
	assert_int_equal(guest->refs, 1);
	fake_domain_free(d);
	fake_domain_free(guest);
	fake_time_move(1000000000);
	fake_devices_fini();
	return 0;
}

static void lines(void **state)
{
	struct physdev_map_pirq map = {
		.domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = 11, .pirq = 11};
	struct physdev_setup_gsi gsi = {.gsi = 11, .triggering = 1, .polarity = 0};
	struct physdev_irq_status_query status = {.irq = 11};
	struct physdev_unmap_pirq unmap = {.domid = DOMID_SELF, .pirq = 11};
	struct physdev_eoi eoi = {.irq = 11};

	(void)state;
	assert_int_equal(call(PHYSDEVOP_map_pirq, &map), 0);
	assert_int_equal(map.pirq, 11);
	assert_int_equal(call(PHYSDEVOP_setup_gsi, &gsi), 0);
	assert_int_equal(call(PHYSDEVOP_setup_gsi, &gsi), -EEXIST);
	assert_int_equal(irq_guest_bind(d, 11, 0, on_irq, 0), 0);
	assert_int_equal(call(PHYSDEVOP_irq_status_query, &status), 0);
	assert_int_equal(status.flags, XENIRQSTAT_needs_eoi);
	fake_line_set(11, true);
	assert_int_equal(fake_interrupts_run_all(), 1);
	assert_int_equal(call(PHYSDEVOP_eoi, &eoi), 0);
	assert_int_equal(fake_interrupts_run_all(), 1);
	assert_int_equal(calls, 2);
	fake_line_set(11, false);
	assert_int_equal(call(PHYSDEVOP_unmap_pirq, &unmap), 0);
	assert_int_equal(call(PHYSDEVOP_unmap_pirq, &unmap), -ESRCH);
	assert_int_equal(call(PHYSDEVOP_eoi, &eoi), -EINVAL);
	assert_int_equal(call(PHYSDEVOP_irq_status_query, &status), 0);
	assert_int_equal(status.flags, XENIRQSTAT_needs_eoi); /* not mapped: said so on Xen too */
	eoi.irq = 1u << 20;
	assert_int_equal(call(PHYSDEVOP_eoi, &eoi), -EINVAL);
	status.irq = ~0u;
	assert_int_equal(call(PHYSDEVOP_irq_status_query, &status), -EINVAL);
	gsi.gsi = -1;
	assert_int_equal(call(PHYSDEVOP_setup_gsi, &gsi), -EINVAL);
	map.type = MAP_PIRQ_TYPE_UNKNOWN;
	assert_int_equal(call(PHYSDEVOP_map_pirq, &map), -EINVAL);
	map.type = MAP_PIRQ_TYPE_GSI;
	map.domid = 1234;
	assert_int_equal(call(PHYSDEVOP_map_pirq, &map), -ESRCH);
	unmap.domid = 1234;
	assert_int_equal(call(PHYSDEVOP_unmap_pirq, &unmap), -ESRCH);
	map.domid = guest->id; /* it has no devices */
	assert_int_equal(call(PHYSDEVOP_map_pirq, &map), -EINVAL);
}

/* As Linux asks (arch/x86/pci/xen.c): by segment first, plain after. */
static void messages(void **state)
{
	struct fake_device *dev = fake_device_new(1, 8), *other = fake_device_new(1, 16);
	struct physdev_map_pirq map = {
		.domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_MSI_SEG, .index = -1};
	struct physdev_unmap_pirq unmap = {.domid = DOMID_SELF};
	struct physdev_pci_device_add add = {.bus = 1, .devfn = 8};
	struct physdev_pci_device named = {.bus = 1, .devfn = 8};
	int first;

	(void)state;
	fake_device_bar(dev, 4, 0xfe000004, 0x4000);
	fake_device_msix(dev, 0x70, 4, 4, 0);
	fake_device_msi(other, 0x50, 3, true, false);
	assert_int_equal(call(PHYSDEVOP_pci_device_add, &add), 0);
	assert_int_equal(call(PHYSDEVOP_pci_device_add, &add), 0);
	map.pirq = -1;
	map.bus = 1;
	map.devfn = 8;
	map.entry_nr = 2;
	map.table_base = 0xfe000000;
	assert_int_equal(call(PHYSDEVOP_map_pirq, &map), 0);
	first = map.pirq;
	assert_true(first >= FAKE_GSIS);
	map.pirq = -1;
	map.entry_nr = 4;
	assert_int_equal(call(PHYSDEVOP_map_pirq, &map), -EINVAL);
	map.entry_nr = -1;
	assert_int_equal(call(PHYSDEVOP_map_pirq, &map), -EINVAL);
	map.entry_nr = 3;
	map.bus = 1 | 5 << 16; /* another segment */
	assert_int_equal(call(PHYSDEVOP_map_pirq, &map), -ENODEV);
	map.bus = 0x101;
	assert_int_equal(call(PHYSDEVOP_map_pirq, &map), -EINVAL);
	map.bus = 1;
	map.devfn = 256;
	assert_int_equal(call(PHYSDEVOP_map_pirq, &map), -EINVAL);
	map = (struct physdev_map_pirq){.domid = DOMID_SELF,
					.type = MAP_PIRQ_TYPE_MULTI_MSI,
					.pirq = -1,
					.bus = 1,
					.devfn = 16,
					.entry_nr = 8};
	assert_int_equal(call(PHYSDEVOP_map_pirq, &map), 0);
	unmap.pirq = map.pirq;
	assert_int_equal(call(PHYSDEVOP_unmap_pirq, &unmap), 0);
	map.type = MAP_PIRQ_TYPE_MSI;
	map.pirq = -1;
	assert_int_equal(call(PHYSDEVOP_map_pirq, &map), 0);
	assert_int_equal(call(PHYSDEVOP_prepare_msix, &named), 0);
	assert_int_equal(call(PHYSDEVOP_release_msix, &named), -EBUSY);
	assert_int_equal(call(PHYSDEVOP_restore_msi_ext, &named), 0);
	assert_int_equal(call(PHYSDEVOP_pci_device_remove, &named), 0);
	assert_int_equal(call(PHYSDEVOP_pci_device_remove, &named), -ENODEV);
}

static void old_pci(void **state)
{
	struct physdev_manage_pci pci = {.bus = 1, .devfn = 0};
	struct physdev_manage_pci_ext ext = {.bus = 1, .devfn = 0};
	struct physdev_restore_msi restore = {.bus = 1, .devfn = 0};
	struct physdev_pci_mmcfg_reserved mmcfg = {
		.address = 0xb0000000, .end_bus = 255, .flags = 1};

	(void)state;
	assert_int_equal(call(PHYSDEVOP_manage_pci_add, &pci), -ENODEV);
	(void)fake_device_new(1, 0);
	assert_int_equal(call(PHYSDEVOP_manage_pci_add, &pci), 0);
	assert_int_equal(call(PHYSDEVOP_manage_pci_add_ext, &ext), 0);
	ext.is_virtfn = 2;
	assert_int_equal(call(PHYSDEVOP_manage_pci_add_ext, &ext), -EINVAL);
	assert_int_equal(call(PHYSDEVOP_restore_msi, &restore), 0);
	assert_int_equal(call(PHYSDEVOP_manage_pci_remove, &pci), 0);
	assert_int_equal(call(PHYSDEVOP_restore_msi, &restore), -ENODEV);
	assert_int_equal(call(PHYSDEVOP_pci_mmcfg_reserved, &mmcfg),
			 -ENODEV); /* firmware says no such thing */
	mmcfg.flags = 0;
	assert_int_equal(call(PHYSDEVOP_pci_mmcfg_reserved, &mmcfg), 0);
}

static void ioapic(void **state)
{
	struct physdev_apic apic = {.apic_physbase = FAKE_IOAPIC_ADDRESS, .reg = 1};
	struct physdev_irq irq = {.irq = 6};

	(void)state;
	assert_int_equal(call(PHYSDEVOP_apic_read, &apic), 0);
	assert_int_equal(apic.value >> 16 & 0xff, FAKE_GSIS - 1);
	apic.reg = 0;
	assert_int_equal(call(PHYSDEVOP_apic_read, &apic), 0);
	assert_int_equal(apic.value >> 24, 7);
	assert_int_equal(call(PHYSDEVOP_alloc_irq_vector, &irq), 0);
	assert_int_equal(irq.vector, 6);
	apic.reg = 0x10 + 2 * 6;
	apic.value = 0x8000 | irq.vector; /* level, unmasked: the mask is Mica's */
	assert_int_equal(call(PHYSDEVOP_apic_write, &apic), 0);
	assert_true(fake_ioapic_low(6) & BIT(16));
	assert_int_equal(call(PHYSDEVOP_apic_write, &apic), 0); /* again: ignored */
	assert_int_equal(irq_guest_bind(d, 6, 0, on_irq, 0), 0);
	assert_true(fake_ioapic_low(6) & BIT(15));
	assert_int_not_equal(fake_ioapic_low(6) & 0xff, 6);
	assert_int_equal(call(PHYSDEVOP_apic_read, &apic), 0);
	assert_int_equal(apic.value & 0xff, 6); /* not the real one */
	apic.reg++;
	assert_int_equal(call(PHYSDEVOP_apic_write, &apic), 0);
	assert_int_equal(call(PHYSDEVOP_apic_read, &apic), 0);
	assert_int_equal(apic.value, 0);
	apic.reg = 0;
	assert_int_equal(call(PHYSDEVOP_apic_write, &apic), 0);
	static const u32 bad[] = {3, 5, 0xf, 0x10 + 2 * FAKE_GSIS, 0xff, 0x110, 0xffffffff};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		apic.reg = bad[i];
		assert_int_equal(call(PHYSDEVOP_apic_read, &apic), -EINVAL);
		assert_int_equal(call(PHYSDEVOP_apic_write, &apic), -EINVAL);
	}
	apic.apic_physbase = 0xfee00000;
	assert_int_equal(call(PHYSDEVOP_apic_read, &apic), -EINVAL);
	assert_int_equal(call(PHYSDEVOP_apic_write, &apic), -EINVAL);
	irq.irq = FAKE_GSIS;
	assert_int_equal(call(PHYSDEVOP_alloc_irq_vector, &irq), -EINVAL);
	assert_int_equal(call(PHYSDEVOP_free_irq_vector, &irq), -ENOSYS);
}

static void privilege(void **state)
{
	struct physdev_set_iopl set = {.iopl = 1};
	struct physdev_set_iobitmap bitmap = {.nr_ports = 65537};
	struct physdev_op old = {.cmd = PHYSDEVOP_set_iopl};
	struct hcall_args args = {.a = {(u64)&old}};

	(void)state;
	assert_int_equal(call(PHYSDEVOP_set_iopl, &set), 0);
	assert_int_equal(iopl, 1);
	set.iopl = 4;
	assert_int_equal(call(PHYSDEVOP_set_iopl, &set), -EINVAL);
	assert_int_equal(call(PHYSDEVOP_set_iobitmap, &bitmap), -EINVAL);
	old.u.set_iopl.iopl = 2;
	assert_int_equal(do_physdev_op_compat(v, &args), 0);
	assert_int_equal(iopl, 2);
	old.cmd = PHYSDEVOP_map_pirq; /* not of the old form */
	assert_int_equal(do_physdev_op_compat(v, &args), -ENOSYS);
	args.a[0] = 0;
	assert_int_equal(do_physdev_op_compat(v, &args), -EFAULT);
}

static void eoi_pages(void **state)
{
	struct physdev_pirq_eoi_gmfn page = {.gmfn = 1ull << 40};
	struct physdev_eoi eoi = {.irq = 1};
	s64 pirq = 1;

	(void)state;
	assert_int_equal(call(PHYSDEVOP_pirq_eoi_gmfn_v2, &page), -EINVAL);
	page.gmfn = 3;
	assert_int_equal(call(PHYSDEVOP_pirq_eoi_gmfn_v1, &page), 0);
	assert_int_equal(call(PHYSDEVOP_pirq_eoi_gmfn_v2, &page), -EBUSY);
	assert_int_equal(call(PHYSDEVOP_eoi, &eoi), -EINVAL);
	assert_int_equal(irq_map_gsi(d, 1, &pirq), 0);
	assert_int_equal(call(PHYSDEVOP_eoi, &eoi), 0);
	assert_int_equal(unmasked, 1);
}

static void other_commands(void **state)
{
	struct physdev_get_free_pirq free_pirq = {.type = MAP_PIRQ_TYPE_MSI};
	struct physdev_dbgp_op dbgp = {.op = PHYSDEVOP_DBGP_RESET_PREPARE};

	(void)state;
	assert_int_equal(call(PHYSDEVOP_get_free_pirq, &free_pirq), 0);
	assert_int_equal(free_pirq.pirq, FAKE_GSIS);
	free_pirq.type = MAP_PIRQ_TYPE_GSI;
	assert_int_equal(call(PHYSDEVOP_get_free_pirq, &free_pirq), 0);
	free_pirq.type = 9;
	assert_int_equal(call(PHYSDEVOP_get_free_pirq, &free_pirq), -EINVAL);
	assert_int_equal(call(PHYSDEVOP_dbgp_op, &dbgp), 0);
	dbgp.op = 3;
	assert_int_equal(call(PHYSDEVOP_dbgp_op, &dbgp), -EINVAL);
	assert_int_equal(call(PHYSDEVOP_IRQ_UNMASK_NOTIFY, NULL), -ENOSYS);
	assert_int_equal(call(22, NULL), -ENOSYS);
	assert_int_equal(call(1ull << 32 | PHYSDEVOP_eoi, NULL), -EFAULT); /* an int, as on Xen */
}

/* A guest without devices gets nothing, with any command; and a bad address is -EFAULT, with nothing kept. */
static void who_may_not(void **state)
{
	u8 arg[128] = {0};

	(void)state;
	for (u64 cmd = 0; cmd < 40; cmd++) {
		int rc;

		memset(arg, 0, sizeof(arg));
		arg[0] = DOMID_SELF & 0xff;
		arg[1] = DOMID_SELF >> 8;
		rc = call_as(guest->vcpus[0], cmd, arg);
		if (cmd != PHYSDEVOP_set_iopl && cmd != PHYSDEVOP_set_iobitmap &&
		    cmd != PHYSDEVOP_pirq_eoi_gmfn_v1 && cmd != PHYSDEVOP_pirq_eoi_gmfn_v2)
			assert_true(rc < 0);
		rc = call(cmd, NULL);
		assert_true(rc == -EFAULT || rc == -ENOSYS);
	}
	memset(arg, 0, sizeof(arg));
	assert_int_equal(call_as(guest->vcpus[0], PHYSDEVOP_map_pirq, arg),
			 -EPERM); /* for domain 0 */
	assert_int_equal(call_as(guest->vcpus[0], PHYSDEVOP_unmap_pirq, arg), -EPERM);
}

/* The answer cannot be written: what was mapped is not kept. */
static void answer_lost(void **state)
{
	struct physdev_map_pirq map = {
		.domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = 10, .pirq = -1};

	(void)state;
	fake_copy_fail_after = 1;
	assert_int_equal(call(PHYSDEVOP_map_pirq, &map), -EFAULT);
	fake_copy_fail_after = -1;
	assert_int_equal(irq_unmap(d, 10), -ESRCH);
}

static void random_bytes(void **state)
{
	struct fake_device *dev = fake_device_new(1, 0);

	(void)state;
	fake_device_bar(dev, 0, 0xfe000000, 0x1000);
	fake_device_msix(dev, 0x70, 16, 0, 0);
	dev = fake_device_new(1, 1);
	fake_device_msi(dev, 0x50, 5, true, true);
	for (unsigned int i = 0; i < 300000; i++) {
		u64 words[8], cmd = fake_random() % 36;

		for (unsigned int n = 0; n < 8; n++)
			words[n] = fake_random() % 4 ? fake_random() % 3 : fake_random();
		if (fake_random() % 2) { /* a likely map_pirq */
			struct physdev_map_pirq map = {.domid = DOMID_SELF,
						       .type = (int)(fake_random() % 5),
						       .pirq = -1,
						       .bus = 1,
						       .devfn = (int)(fake_random() % 3),
						       .entry_nr = (int)(fake_random() % 20),
						       .table_base = fake_random() % 2 ? 0xfe000000
										       : 0};

			memcpy(words, &map, sizeof(map));
			cmd = PHYSDEVOP_map_pirq;
		}
		(void)call_as(fake_random() % 8 ? v : guest->vcpus[0], cmd, words);
		if (fake_random() % 16 == 0)
			(void)irq_unmap(d, (s64)(fake_random() % 100));
		(void)fake_interrupts_run_all();
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(lines),     T(messages),	 T(old_pci),	 T(ioapic),	 T(privilege),
		T(eoi_pages), T(other_commands), T(who_may_not), T(answer_lost), T(random_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * A test guest: the families of calls that no other guest looks at: callbacks, scheduling, watchdog, grant tables, physdev,
 * platform, vm_assist, and those that a PV guest has no business with. Security cases 31, 25 (sizes without limit).
 */
#include "guest.h"

#define BAD_PTR	     8
#define NONCANONICAL 0x800000000000ul

static void callbacks(void)
{
	struct callback_register r = {.address = NONCANONICAL};
	struct callback_unregister un = {.type = CALLBACKTYPE_event};
	static const u16 types[] = {CALLBACKTYPE_event, CALLBACKTYPE_failsafe, CALLBACKTYPE_syscall,
				    CALLBACKTYPE_nmi, CALLBACKTYPE_syscall32};

	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++) {
		r.type = types[i];
		refused(hypercall(callback_op, CALLBACKOP_register, &r),
			"callback: address not canonical");
	}
	r.type = CALLBACKTYPE_sysenter;
	r.address = (unsigned long)trap_entry(6);
	/* SYSENTER enters nothing on Mica (ARCHITECTURE, decisions): refused as on CPUs without it. */
	check(hypercall(callback_op, CALLBACKOP_register, &r) <= (on_mica() ? -1 : 0),
	      "callback: sysenter");
	r.type = 99;
	refused(hypercall(callback_op, CALLBACKOP_register, &r), "callback: no such type");
	refused(hypercall(callback_op, 99, &r), "callback: no such sub-call");
	equals(hypercall(callback_op, CALLBACKOP_register, BAD_PTR), -XEFAULT,
	       "callback: bad pointer");
	refused(hypercall(callback_op, CALLBACKOP_unregister, &un),
		"callback: the event one stays");
	un.type = CALLBACKTYPE_nmi;
	equals(hypercall(callback_op, CALLBACKOP_unregister, &un), 0, "callback: the NMI one goes");
	/* Xen looks at these when it uses them, Mica here. */
	check(hypercall(set_callbacks, NONCANONICAL, entry_failsafe, entry_syscall) <=
		      (on_mica() ? -1 : 0),
	      "set_callbacks: not canonical");
	equals(hypercall(set_callbacks, entry_event, entry_failsafe, entry_syscall), 0,
	       "set_callbacks");
	{
		struct xennmi_callback nmi = {.handler_address = (unsigned long)entry_nmi};

		equals(hypercall(nmi_op, XENNMI_register_callback, &nmi), 0, "nmi_op: register");
		equals(hypercall(nmi_op, XENNMI_unregister_callback, NULL), 0,
		       "nmi_op: unregister");
		refused(hypercall(nmi_op, 9, NULL), "nmi_op: no such sub-call");
	}
}

static void scheduling(void)
{
	struct sched_watchdog w = {.id = 0, .timeout = 3600};
	struct sched_shutdown s = {.reason = 99};
	struct sched_pin_override pin = {.pcpu = -1};
	long id;

	equals(schedop(SCHEDOP_yield, NULL), 0, "yield");
	refused(schedop(99, NULL), "no such sub-call");
	id = schedop(SCHEDOP_watchdog, &w);
	check(id > 0, "watchdog: a new one");
	w.id = (u32)id;
	equals(schedop(SCHEDOP_watchdog, &w), 0, "watchdog: poked");
	w.timeout = 0;
	equals(schedop(SCHEDOP_watchdog, &w), 0, "watchdog: stopped");
	refused(schedop(SCHEDOP_watchdog, &w), "watchdog: stopped twice");
	w.id = 99;
	w.timeout = 10;
	refused(schedop(SCHEDOP_watchdog, &w), "watchdog: no such one");
	equals(schedop(SCHEDOP_watchdog, BAD_PTR), -XEFAULT, "watchdog: bad pointer");
	(void)s;
	equals(schedop(SCHEDOP_shutdown, BAD_PTR), -XEFAULT, "shutdown: bad pointer");
	{
		struct sched_remote_shutdown rs = {.domain_id = 77, .reason = 0};

		refused(schedop(SCHEDOP_remote_shutdown, &rs), "remote shutdown: no such domain");
	}
	check(schedop(SCHEDOP_pin_override, &pin) <= 0, "pin override: none");
	pin.pcpu = 9999;
	refused(schedop(SCHEDOP_pin_override, &pin), "pin override: no such CPU");
}

static void grants(void)
{
	u64 frames[8];
	struct gnttab_query_size q = {.dom = DOMID_SELF};
	struct gnttab_setup_table t = {.dom = DOMID_SELF, .nr_frames = 1, .frame_list.p = frames};
	struct gnttab_set_version v = {.version = 1};
	struct gnttab_get_version g = {.dom = DOMID_SELF};

	equals(hypercall(grant_table_op, GNTTABOP_query_size, &q, 1), 0, "query_size");
	equals(q.status, GNTST_okay, "query_size: status");
	check(q.nr_frames >= 1 && q.max_nr_frames >= q.nr_frames, "query_size: frames");
	equals(hypercall(grant_table_op, GNTTABOP_setup_table, &t, 1), 0, "setup_table");
	equals(t.status, GNTST_okay, "setup_table: status");
	check(set_va(page_alloc(), (frames[0] << 12) | PTE_RW, 0) == 0, "the table can be mapped");
	t.nr_frames = 0xffffffff;
	check(hypercall(grant_table_op, GNTTABOP_setup_table, &t, 1) < 0 || t.status != GNTST_okay,
	      "setup_table: huge");
	t.nr_frames = 1;
	t.dom = 77;
	check(hypercall(grant_table_op, GNTTABOP_setup_table, &t, 1) < 0 || t.status != GNTST_okay,
	      "setup_table: no such domain");
	equals(hypercall(grant_table_op, GNTTABOP_set_version, &v, 1), 0, "set_version 1");
	equals(hypercall(grant_table_op, GNTTABOP_get_version, &g, 1), 0, "get_version");
	equals(g.version, 1, "get_version: 1");
	v.version = 3;
	refused(hypercall(grant_table_op, GNTTABOP_set_version, &v, 1), "set_version 3");
	v.version = 2;
	/* Grants of version 2 do not exist on Mica (ARCHITECTURE, decisions). */
	check(hypercall(grant_table_op, GNTTABOP_set_version, &v, 1) <= (on_mica() ? -1 : 0),
	      "set_version 2");
	v.version = 1;
	hypercall(grant_table_op, GNTTABOP_set_version, &v, 1);
	refused(hypercall(grant_table_op, 99, &v, 1), "grants: no such sub-call");
	equals(hypercall(grant_table_op, GNTTABOP_query_size, BAD_PTR, 1), -XEFAULT,
	       "grants: bad pointer");
	refused(hypercall(grant_table_op, GNTTABOP_query_size, &q, 0x80000000ul),
		"grants: huge count");
}

static void devices(void)
{
	struct physdev_irq_status_query q = {.irq = 0xffffffff};
	struct physdev_eoi eoi = {.irq = 0xffffffff};
	struct physdev_map_pirq map = {.domid = DOMID_SELF, .type = 99, .index = 9, .pirq = -1};
	struct physdev_unmap_pirq unmap = {.domid = DOMID_SELF, .pirq = 0x7fffffff};
	struct physdev_setup_gsi gsi = {.gsi = 9999};
	struct physdev_apic apic = {.apic_physbase = 0x1000, .reg = 0};
	struct physdev_set_iobitmap bitmap = {.nr_ports = 70000,
					      .bitmap = {(u8 *)start_info->mfn_list}};
	struct physdev_pirq_eoi_gmfn gmfn = {.gmfn = 0xffffffff};
	struct physdev_pci_device dev = {.seg = 0xffff, .bus = 255, .devfn = 255};

	refused(hypercall(physdev_op, PHYSDEVOP_irq_status_query, &q), "irq_status_query: -1");
	refused(hypercall(physdev_op, PHYSDEVOP_eoi, &eoi), "eoi: -1");
	refused(hypercall(physdev_op, PHYSDEVOP_map_pirq, &map), "map_pirq: no such type");
	map.type = MAP_PIRQ_TYPE_GSI;
	map.index = 99999;
	refused(hypercall(physdev_op, PHYSDEVOP_map_pirq, &map), "map_pirq: no such GSI");
	map.index = -5;
	refused(hypercall(physdev_op, PHYSDEVOP_map_pirq, &map), "map_pirq: GSI -5");
	map.domid = 77;
	map.index = 9;
	refused(hypercall(physdev_op, PHYSDEVOP_map_pirq, &map), "map_pirq: no such domain");
	refused(hypercall(physdev_op, PHYSDEVOP_unmap_pirq, &unmap), "unmap_pirq: no such one");
	unmap.pirq = -1;
	refused(hypercall(physdev_op, PHYSDEVOP_unmap_pirq, &unmap), "unmap_pirq: -1");
	refused(hypercall(physdev_op, PHYSDEVOP_setup_gsi, &gsi), "setup_gsi: no such one");
	refused(hypercall(physdev_op, PHYSDEVOP_apic_read, &apic), "apic_read: no such IO-APIC");
	refused(hypercall(physdev_op, PHYSDEVOP_apic_write, &apic), "apic_write: no such IO-APIC");
	refused(hypercall(physdev_op, PHYSDEVOP_set_iobitmap, &bitmap),
		"set_iobitmap: too many ports");
	refused(hypercall(physdev_op, PHYSDEVOP_pirq_eoi_gmfn_v2, &gmfn),
		"pirq_eoi_gmfn: no such frame");
	gmfn.gmfn = mfn_of(root());
	refused(hypercall(physdev_op, PHYSDEVOP_pirq_eoi_gmfn_v2, &gmfn),
		"pirq_eoi_gmfn: a page table");
	check(hypercall(physdev_op, PHYSDEVOP_pci_device_remove, &dev) < 0,
	      "pci_device_remove: no such device");
	check(hypercall(physdev_op, PHYSDEVOP_prepare_msix, &dev) < 0,
	      "prepare_msix: no such device");
	check(hypercall(physdev_op, PHYSDEVOP_restore_msi_ext, &dev) < 0,
	      "restore_msi_ext: no such device");
	refused(hypercall(physdev_op, 99, &dev), "physdev: no such sub-call");
	equals(hypercall(physdev_op, PHYSDEVOP_eoi, BAD_PTR), -XEFAULT, "physdev: bad pointer");
	equals(hypercall(physdev_op, PHYSDEVOP_map_pirq, HYPERVISOR_VIRT_START), -XEFAULT,
	       "physdev: hypervisor's pointer");
}

static void platform(void)
{
	static struct xen_platform_op op;

	op.cmd = XENPF_settime64;
	op.interface_version = 0x12345678;
	equals(hypercall(platform_op, &op), -XEACCES, "platform: other interface version");
	op.interface_version = XENPF_INTERFACE_VERSION;
	op.cmd = 9999;
	refused(hypercall(platform_op, &op), "platform: no such command");
	equals(hypercall(platform_op, BAD_PTR), -XEFAULT, "platform: bad pointer");
	op.cmd = XENPF_get_cpuinfo;
	op.u.pcpu_info.xen_cpuid = 0;
	equals(hypercall(platform_op, &op), 0, "get_cpuinfo: CPU 0");
	check(op.u.pcpu_info.flags & XEN_PCPU_FLAGS_ONLINE, "get_cpuinfo: it is on line");
	op.u.pcpu_info.xen_cpuid = 9999;
	check(hypercall(platform_op, &op) < 0 || op.u.pcpu_info.flags == XEN_PCPU_FLAGS_INVALID,
	      "get_cpuinfo: CPU 9999");
	op.cmd = XENPF_cpu_offline;
	op.u.cpu_ol.cpuid = 0;
	refused(hypercall(platform_op, &op), "cpu_offline: CPU 0");
	op.u.cpu_ol.cpuid = 9999;
	refused(hypercall(platform_op, &op), "cpu_offline: CPU 9999");
	op.cmd = XENPF_cpu_online;
	refused(hypercall(platform_op, &op), "cpu_online: CPU 9999");
	op.cmd = XENPF_firmware_info;
	op.u.firmware_info.type = 9999;
	refused(hypercall(platform_op, &op), "firmware_info: no such type");
}

static void others(void)
{
	equals(hypercall(vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables), 0,
	       "vm_assist: writable tables");
	refused(hypercall(vm_assist, 99, 0), "vm_assist: no such command");
	refused(hypercall(vm_assist, VMASST_CMD_enable, 63), "vm_assist: no such type");
	refused(hypercall(hvm_op, 0, BAD_PTR), "hvm_op");
	refused(hypercall(domctl, BAD_PTR), "domctl: bad pointer");
	refused(hypercall(sysctl, BAD_PTR), "sysctl: bad pointer");
	refused(hypercall(tmem_op, 0), "tmem_op");
	refused(hypercall(xenpmu_op, 99, 0), "xenpmu_op");
	refused(hypercall5(__HYPERVISOR_arch_0, BAD_PTR, 0, 0, 0, 0), "mca: bad pointer");
	refused(hypercall(xsm_op, BAD_PTR), "xsm_op");
	for (long nr = 41; nr < 48; nr++)
		refused(hypercall5(nr, 0x7fffffff, 8, 0, 0, 0), "numbers beyond");
}

void guest_main(void)
{
	callbacks();
	scheduling();
	grants();
	devices();
	platform();
	others();
}

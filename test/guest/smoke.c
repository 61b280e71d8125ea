/* SPDX-License-Identifier: MIT */
/*
 * A test guest: the start of day as the public xen.h promises it, version calls, features, console, hypercall page.
 */
#include "guest.h"

static void start_of_day(void)
{
	check(memcmp(start_info->magic, "xen-3.0-x86_64", 14) == 0, "start_info: magic");
	check(start_info->nr_pages >= 4096, "start_info: nr_pages");
	check(start_info->flags & SIF_INITDOMAIN, "start_info: initial domain");
	check(start_info->flags & SIF_PRIVILEGED, "start_info: privileged");
	check(start_info->pt_base % PAGE_SIZE == 0 && start_info->nr_pt_frames >= 4,
	      "start_info: tables");
	check(!(*entry_of((void *)start_info->pt_base, 1) & PTE_W),
	      "start of day: tables are read-only");
	for (u64 pfn = 0; pfn < start_info->nr_pages; pfn++)
		if (machine_to_phys(p2m[pfn]) != pfn)
			fatal("m2p of pfn %lx", pfn);
	check(true, "start of day: m2p is the inverse of p2m");
	equals(vcpu_info(0)->evtchn_upcall_mask, 1, "start of day: events are masked");
}

static void versions(void)
{
	xen_extraversion_t extra;
	struct xen_compile_info compile;
	xen_capabilities_info_t caps;
	xen_changeset_info_t changes;
	xen_commandline_t line;
	struct xen_platform_parameters platform;
	struct xen_feature_info f = {0};

	equals(hypercall(xen_version, XENVER_version, NULL), 0x40011, "version is 4.17");
	equals(hypercall(xen_version, XENVER_extraversion, extra), 0, "extraversion");
	equals(hypercall(xen_version, XENVER_compile_info, &compile), 0, "compile info");
	equals(hypercall(xen_version, XENVER_capabilities, caps), 0, "capabilities");
	check(memcmp(caps, "xen-3.0-x86_64", 14) == 0, "capabilities: 64-bit PV first");
	equals(hypercall(xen_version, XENVER_changeset, changes), 0, "changeset");
	equals(hypercall(xen_version, XENVER_platform_parameters, &platform), 0,
	       "platform parameters");
	equals(platform.virt_start, 0xffff800000000000, "platform parameters: virt_start");
	equals(hypercall(xen_version, XENVER_pagesize, NULL), 4096, "page size");
	equals(hypercall(xen_version, XENVER_commandline, line), 0, "command line");
	equals(hypercall(xen_version, XENVER_get_features, &f), 0, "features: submap 0");
	for (unsigned int i = 0; i < 32; i++)
		if ((f.submap >> i) & 1)
			print("# feature %u\n", i);
	check(f.submap & (1u << XENFEAT_mmu_pt_update_preserve_ad),
	      "features: mmu_pt_update_preserve_ad");
	check(f.submap & (1u << XENFEAT_gnttab_map_avail_bits), "features: gnttab_map_avail_bits");
	check(f.submap & (1u << XENFEAT_dom0), "features: dom0");
	check(f.submap & (1u << XENFEAT_pae_pgdir_above_4gb), "features: pae_pgdir_above_4gb");
	check(!(f.submap & (1u << XENFEAT_auto_translated_physmap)),
	      "features: not auto-translated");
	f.submap_idx = 1;
	equals(hypercall(xen_version, XENVER_get_features, &f), -XEINVAL, "features: submap 1");
	f.submap_idx = 0xffffffff;
	refused(hypercall(xen_version, XENVER_get_features, &f), "features: submap -1");
	equals(hypercall(xen_version, 99, NULL), -XENOSYS, "version: no such sub-call");
	equals(hypercall(xen_version, XENVER_extraversion, 8), -XEFAULT, "version: bad pointer");
	equals(hypercall(xen_version, XENVER_extraversion, HYPERVISOR_VIRT_START), -XEFAULT,
	       "version: pointer into the hypervisor's range");
	equals(hypercall(xen_version, XENVER_extraversion, 0xffff87ffffffffff - 3), -XEFAULT,
	       "version: pointer that leaves the hypervisor's range");
	equals(hypercall(xen_version, XENVER_extraversion, 0x8000000000000000), -XEFAULT,
	       "version: non-canonical pointer");
}

static void calls(void)
{
	long rc;
	u64 rbx = 0x1111, rbp_like = 0x2222;

	equals(hypercall5(63, 0, 0, 0, 0, 0), -XENOSYS, "no such hypercall: 63");
	equals(hypercall5(11, 0, 0, 0, 0, 0), -XENOSYS, "no such hypercall: 11");
	equals(hypercall5(64, 0, 0, 0, 0, 0), -XENOSYS, "no such hypercall: 64");
	equals(hypercall5(-1, 0, 0, 0, 0, 0), -XENOSYS, "no such hypercall: -1");
	equals(hypercall5(0x100000011, 0, 0, 0, 0, 0), -XENOSYS, "upper half of rax is looked at");
	asm volatile("call hypercall_page + 17 * 32"
		     : "=a"(rc)
		     : "D"(0), "S"(0)
		     : "rcx", "r11", "memory");
	equals(rc, 0x40011, "hypercall page");
	asm volatile("mov $0x1111, %%rbx\n\tmov $0x2222, %%r12\n\tsyscall\n\tmov %%r12, %1"
		     : "=a"(rc), "=r"(rbp_like), "=&b"(rbx)
		     : "0"(17l), "D"(0), "S"(0)
		     : "rcx", "r11", "r12", "memory");
	check(rbx == 0x1111 && rbp_like == 0x2222, "registers kept over a call");
	equals(hypercall(console_io, CONSOLEIO_write, 5, 8), -XEFAULT, "console: bad pointer");
	equals(hypercall(console_io, CONSOLEIO_write, 5, HYPERVISOR_VIRT_START), -XEFAULT,
	       "console: pointer into the hypervisor's range");
	equals(hypercall(console_io, CONSOLEIO_write, 0, 8), 0, "console: nothing to write");
	equals(hypercall(console_io, 7, 0, 0), -XENOSYS, "console: no such sub-call");
	refused(hypercall(console_io, CONSOLEIO_write, 0x80000000l, 8), "console: huge count");
}

void guest_main(void)
{
	start_of_day();
	versions();
	calls();
}

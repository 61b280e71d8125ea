/* SPDX-License-Identifier: MIT */
/* uses: src/hcall/platform_op.c src/hcall/subop.c test/fake/machine.c test/fake/core.c */
/* platform_op and mca: what Domain 0 is told, what is refused, how the machine is switched off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/symbols.h"
#include "fake.h"
#include "hcall/hcall.h"
#include "hw/acpi.h"
#include "hw/asm.h"
#include "hw/efi.h"
#include "hw/lapic.h"
#include "hw/paging.h"
#include "lib/string.h"
#include "sched/sched.h"
#include "time/time.h"

/* ---------------------------------------------------------------- the machine */

struct acpi_info hw_acpi;
struct efi_info hw_efi;
u32 hw_cpu_apic_id[CPU_MAX];
const u64 symbols_addr[] = {0xffff828000200000, 0xffff828000200100};
const u32 symbols_name_off[] = {0, 6};
const u32 symbols_count = 2;
const char symbols_names[] = "first\0a_longer_name";

static u64 wall_seconds, wall_system;
static u32 slept_a, slept_b, slept;
static jmp_buf off;

int time_wallclock_set(u64 seconds, u32 nanoseconds, u64 system_time_ns)
{
	if (nanoseconds >= 1000000000)
		return -EINVAL;
	wall_seconds = seconds;
	wall_system = system_time_ns;
	return 0;
}

u64 time_now_ns(void)
{
	return 12345;
}

u64 sched_idle_ns(unsigned int cpu)
{
	return 1000 + cpu;
}

const void *hw_phys_map(u64 paddr, size_t bytes)
{
	static const u8 flags = 0x20;

	assert_int_equal(paddr, 0x417);
	assert_int_equal(bytes, 1);
	return &flags;
}

void hw_acpi_sleep(u16 value_a, u16 value_b, bool is_extended)
{
	slept++;
	slept_a = value_a;
	slept_b = value_b;
	assert_false(is_extended);
}

void hw_machine_poweroff(void)
{
	longjmp(off, 1);
}

struct cpuid_regs hw_cpuid(u32 leaf, u32 subleaf)
{
	(void)subleaf;
	if (leaf == 0)
		return (struct cpuid_regs){
			.a = 13, .b = 0x756e6547, .d = 0x49656e69, .c = 0x6c65746e};
	if (leaf == 1)
		return (struct cpuid_regs){.a = 0x000306c4, .c = 1, .d = 2};
	if (leaf == 0x80000000)
		return (struct cpuid_regs){.a = 0x80000008};
	return (struct cpuid_regs){.a = 0x20666f, .b = leaf};
}

/* ---------------------------------------------------------------- the caller */

static struct domain *d;
static struct xen_platform_op op;
static struct xen_mc mc;

static int setup(void **state)
{
	(void)state;
	d = fake_domain_new(0, 1);
	d->is_privileged = true;
	idle_domain = fake_domain_new(100, 4);
	cpu_count = 4;
	for (unsigned int i = 0; i < 4; i++) {
		hw_cpu_apic_id[i] = 2 * i;
		cpumask_set(&cpu_online_mask, i);
		hw_acpi.cpus[3 - i] = (struct acpi_cpu){.apic_id = 2 * i, .acpi_id = 40 + i};
	}
	hw_acpi.cpu_count = 4;
	hw_efi.is_present = false;
	memset(&op, 0, sizeof(op));
	memset(&mc, 0, sizeof(mc));
	op.interface_version = XENPF_INTERFACE_VERSION;
	mc.interface_version = XEN_MCA_INTERFACE_VERSION;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_domain_free(d);
	fake_domain_free(idle_domain);
	fake_irq_off = false;
	return 0;
}

static int call(u32 cmd)
{
	struct hcall_args args = {.a = {(u64)&op}};

	op.cmd = cmd;
	return do_platform_op(d->vcpus[0], &args);
}

static int call_mca(u32 cmd)
{
	struct hcall_args args = {.a = {(u64)&mc}};

	mc.cmd = cmd;
	return do_mca(d->vcpus[0], &args);
}

static void who_may(void **state)
{
	struct hcall_args args = {.a = {0}};

	(void)state;
	assert_int_equal(do_platform_op(d->vcpus[0], &args), -EFAULT);
	assert_int_equal(do_mca(d->vcpus[0], &args), -EFAULT);
	op.interface_version--;
	assert_int_equal(call(XENPF_get_cpuinfo), -EACCES);
	mc.interface_version--;
	assert_int_equal(call_mca(XEN_MC_fetch), -EACCES);
	d->is_privileged = false;
	assert_int_equal(call(XENPF_get_cpuinfo), -EPERM);
	assert_int_equal(call_mca(XEN_MC_fetch), -EPERM);
}

static void clock_is_set(void **state)
{
	(void)state;
	op.u.settime64 = (struct xenpf_settime64){
		.secs = 1ull << 33, .nsecs = 5, .system_time = 77};
	assert_int_equal(call(XENPF_settime64), 0);
	assert_int_equal(wall_seconds, 1ull << 33);
	op.u.settime64.mbz = 1;
	assert_int_equal(call(XENPF_settime64), -EINVAL);
	op.u.settime32 = (struct xenpf_settime32){.secs = 9, .nsecs = 5, .system_time = 78};
	assert_int_equal(call(XENPF_settime32), 0);
	assert_int_equal(wall_system, 78);
	op.u.settime32.nsecs = 1000000000;
	assert_int_equal(call(XENPF_settime32), -EINVAL);
}

static int firmware(u32 type, u32 index)
{
	op.u.firmware_info.type = type;
	op.u.firmware_info.index = index;
	return call(XENPF_firmware_info);
}

static void firmware_bios(void **state)
{
	(void)state;
	assert_int_equal(firmware(XEN_FW_DISK_INFO, 0), -ESRCH);
	assert_int_equal(firmware(XEN_FW_DISK_MBR_SIGNATURE, 0), -ESRCH);
	assert_int_equal(firmware(XEN_FW_VBEDDC_INFO, 0), -ESRCH);
	assert_int_equal(firmware(XEN_FW_EFI_INFO, XEN_FW_EFI_CONFIG_TABLE), -EOPNOTSUPP);
	assert_int_equal(firmware(XEN_FW_KBD_SHIFT_FLAGS, 0), 0);
	assert_int_equal(op.u.firmware_info.u.kbd_shift_flags, 0x20);
	assert_int_equal(firmware(99, 0), -EINVAL);
}

static void firmware_efi(void **state)
{
	u16 name[8];

	(void)state;
	hw_efi = (struct efi_info){.is_present = true,
				   .version = 0x20046,
				   .tables = 0x1234000,
				   .table_count = 9,
				   .firmware_revision = 3,
				   .vendor = {'E', 'D', 'K'}};
	assert_int_equal(firmware(XEN_FW_EFI_INFO, XEN_FW_EFI_CONFIG_TABLE), 0);
	assert_int_equal(op.u.firmware_info.u.efi_info.cfg.addr, 0x1234000);
	assert_int_equal(op.u.firmware_info.u.efi_info.cfg.nent, 9);
	assert_int_equal(firmware(XEN_FW_EFI_INFO, XEN_FW_EFI_VERSION), 0);
	assert_int_equal(op.u.firmware_info.u.efi_info.version, 0x20046);
	op.u.firmware_info.u.efi_info.vendor.bufsz = 7; /* three characters */
	op.u.firmware_info.u.efi_info.vendor.name.p = name;
	memset(name, 0x55, sizeof(name));
	assert_int_equal(firmware(XEN_FW_EFI_INFO, XEN_FW_EFI_VENDOR), 0);
	assert_true(name[0] == 'E' && name[1] == 'D' && name[2] == 0 && name[3] == 0x5555);
	op.u.firmware_info.u.efi_info.vendor.bufsz = 0xffffffff;
	op.u.firmware_info.u.efi_info.vendor.name.p = NULL;
	assert_int_equal(firmware(XEN_FW_EFI_INFO, XEN_FW_EFI_VENDOR), -EFAULT);
	assert_int_equal(firmware(XEN_FW_EFI_INFO, XEN_FW_EFI_MEM_INFO), -EINVAL);
	assert_int_equal(firmware(XEN_FW_KBD_SHIFT_FLAGS, 0), -ESRCH);
}

static void cpus(void **state)
{
	(void)state;
	op.u.pcpu_info.xen_cpuid = 2;
	assert_int_equal(call(XENPF_get_cpuinfo), 0);
	assert_int_equal(op.u.pcpu_info.max_present, 3);
	assert_int_equal(op.u.pcpu_info.flags, XEN_PCPU_FLAGS_ONLINE);
	assert_int_equal(op.u.pcpu_info.apic_id, 4);
	assert_int_equal(op.u.pcpu_info.acpi_id, 42);
	op.u.pcpu_info.xen_cpuid = 0xffffffff;
	assert_int_equal(call(XENPF_get_cpuinfo), 0);
	assert_int_equal(op.u.pcpu_info.flags, XEN_PCPU_FLAGS_INVALID);
	op.u.pcpu_version.xen_cpuid = 1;
	assert_int_equal(call(XENPF_get_cpu_version), 0);
	assert_memory_equal(op.u.pcpu_version.vendor_id, "GenuineIntel", 12);
	assert_int_equal(op.u.pcpu_version.family, 6);
	assert_int_equal(op.u.pcpu_version.model, 0x3c);
	assert_int_equal(op.u.pcpu_version.stepping, 4);
	op.u.pcpu_version.xen_cpuid = 4;
	assert_int_equal(call(XENPF_get_cpu_version), 0);
	assert_int_equal(op.u.pcpu_version.family, 0);
	op.u.cpu_ol.cpuid = 1;
	assert_int_equal(call(XENPF_cpu_online), 0);
	assert_int_equal(call(XENPF_cpu_offline), -EOPNOTSUPP);
	op.u.cpu_ol.cpuid = 4;
	assert_int_equal(call(XENPF_cpu_online), -EINVAL);
	op.u.core_parking = (struct xenpf_core_parking){.type = XEN_CORE_PARKING_GET,
							.idle_nums = 7};
	assert_int_equal(call(XENPF_core_parking), 0);
	assert_int_equal(op.u.core_parking.idle_nums, 0);
	op.u.core_parking = (struct xenpf_core_parking){.type = XEN_CORE_PARKING_SET,
							.idle_nums = 1};
	assert_int_equal(call(XENPF_core_parking), -EOPNOTSUPP);
	op.u.core_parking.type = 3;
	assert_int_equal(call(XENPF_core_parking), -EINVAL);
	for (u32 type = XEN_PM_CX; type <= XEN_PM_PDC; type++) {
		op.u.set_pminfo.type = type;
		assert_int_equal(call(XENPF_set_processor_pminfo), 0);
	}
	op.u.set_pminfo.type = 9;
	assert_int_equal(call(XENPF_set_processor_pminfo), -EINVAL);
}

static void idle_times(void **state)
{
	u8 map[2] = {0xf6, 0xff};
	u64 ns[16] = {0};

	(void)state;
	op.u.getidletime.cpumap_bitmap.p = map;
	op.u.getidletime.cpumap_nr_cpus = 10;
	op.u.getidletime.idletime.p = ns;
	assert_int_equal(call(XENPF_getidletime), 0);
	assert_int_equal(op.u.getidletime.now, 12345);
	assert_int_equal(map[0], 0x06);
	assert_int_equal(map[1], 0);
	assert_true(ns[0] == 0 && ns[1] == 1001 && ns[2] == 1002 && ns[3] == 0 && ns[10] == 0);
	op.u.getidletime.cpumap_nr_cpus = 0xffffffff;
	assert_int_equal(call(XENPF_getidletime), -EINVAL);
	op.u.getidletime.cpumap_nr_cpus = 8;
	op.u.getidletime.cpumap_bitmap.p = NULL;
	assert_int_equal(call(XENPF_getidletime), -EFAULT);
}

static void symbols(void **state)
{
	char name[8];

	(void)state;
	memset(name, 'x', sizeof(name));
	op.u.symdata.name.p = name;
	op.u.symdata.namelen = sizeof(name);
	assert_int_equal(call(XENPF_get_symbol), 0);
	assert_string_equal(name, "first");
	assert_int_equal(op.u.symdata.symnum, 1);
	op.u.symdata.namelen = 3; /* cut; the whole length is told */
	memset(name, 'x', sizeof(name));
	assert_int_equal(call(XENPF_get_symbol), 0);
	assert_memory_equal(name, "a_lx", 4);
	assert_int_equal(op.u.symdata.namelen, sizeof("a_longer_name"));
	assert_int_equal(op.u.symdata.symnum, 2);
	assert_int_equal(call(XENPF_get_symbol), 0);
	assert_int_equal(op.u.symdata.symnum, 2); /* the end */
	op.u.symdata.symnum = 0xffffffff;
	assert_int_equal(call(XENPF_get_symbol), 0);
}

static void sleep_and_off(void **state)
{
	(void)state;
	for (u32 s = 1; s < 5; s++) {
		op.u.enter_acpi_sleep = (struct xenpf_enter_acpi_sleep){.sleep_state = s};
		assert_int_equal(call(XENPF_enter_acpi_sleep), -EOPNOTSUPP);
	}
	op.u.enter_acpi_sleep.sleep_state = 6;
	assert_int_equal(call(XENPF_enter_acpi_sleep), -EINVAL);
	op.u.enter_acpi_sleep = (struct xenpf_enter_acpi_sleep){.sleep_state = 5, .flags = 2};
	assert_int_equal(call(XENPF_enter_acpi_sleep), -EINVAL);
	assert_int_equal(slept, 0);
	op.u.enter_acpi_sleep = (struct xenpf_enter_acpi_sleep){
		.sleep_state = 5, .val_a = 0x1c00, .val_b = 0x400};
	if (setjmp(off) == 0) {
		(void)call(XENPF_enter_acpi_sleep);
		fail_msg("came back");
	}
	assert_int_equal(slept, 1);
	assert_int_equal(slept_a, 0x1c00);
	assert_int_equal(slept_b, 0x400);
	assert_int_equal(fake_ipi_count[1][IPI_STOP] + fake_ipi_count[2][IPI_STOP] +
				 fake_ipi_count[3][IPI_STOP],
			 3);
	assert_int_equal(fake_ipi_count[0][IPI_STOP], 0);
}

static void refused(void **state)
{
	static const u32 cmds[] = {XENPF_efi_runtime_call, XENPF_microcode_update,
				   XENPF_change_freq,	   XENPF_cpu_hotadd,
				   XENPF_mem_hotadd,	   XENPF_resource_op,
				   XENPF_add_memtype,	   XENPF_del_memtype,
				   XENPF_read_memtype,	   XENPF_platform_quirk};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cmds); i++)
		assert_int_equal(call(cmds[i]), -EOPNOTSUPP);
	assert_int_equal(call(0), -ENOSYS);
	assert_int_equal(call(64), -ENOSYS);
	assert_int_equal(call(0xffffffff), -ENOSYS);
}

static void machine_checks(void **state)
{
	struct mcinfo_logical_cpu info[5];

	(void)state;
	mc.u.mc_fetch.flags = XEN_MC_URGENT;
	assert_int_equal(call_mca(XEN_MC_fetch), 0);
	assert_int_equal(mc.u.mc_fetch.flags, XEN_MC_NODATA);
	mc.u.mc_fetch.flags = XEN_MC_NONURGENT | XEN_MC_ACK;
	assert_int_equal(call_mca(XEN_MC_fetch), 0);
	mc.u.mc_fetch.flags = 0;
	assert_int_equal(call_mca(XEN_MC_fetch), -EINVAL);
	memset(&mc.u, 0, sizeof(mc.u));
	assert_int_equal(call_mca(XEN_MC_physcpuinfo), 0); /* how many? */
	assert_int_equal(mc.u.mc_physcpuinfo.ncpus, 4);
	memset(info, 0x5a, sizeof(info));
	mc.u.mc_physcpuinfo.info.p = info;
	mc.u.mc_physcpuinfo.ncpus = 0xffffffff;
	assert_int_equal(call_mca(XEN_MC_physcpuinfo), 0);
	assert_int_equal(mc.u.mc_physcpuinfo.ncpus, 4);
	assert_int_equal(info[3].mc_apicid, 6);
	assert_int_equal(info[3].mc_model, 0x3c);
	assert_int_equal(info[4].mc_cpunr, 0x5a5a5a5a);
	assert_int_equal(call_mca(XEN_MC_msrinject), -EOPNOTSUPP);
	assert_int_equal(call_mca(XEN_MC_mceinject), -EOPNOTSUPP);
	assert_int_equal(call_mca(XEN_MC_inject_v2), -EOPNOTSUPP);
	assert_int_equal(call_mca(XEN_MC_notifydomain), -EINVAL);
	assert_int_equal(call_mca(77), -EINVAL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(who_may), T(clock_is_set),   T(firmware_bios), T(firmware_efi),
		T(cpus),    T(idle_times),     T(symbols),	 T(sleep_and_off),
		T(refused), T(machine_checks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * platform_op and mca: Domain 0 and the machine as a whole: clock, firmware, CPUs, power. Copies in, acts, copies back. Reached from
 * the hypercall table; calls time, the scheduler and the seam. What is refused and why: doc/platform.md. No lock of its own.
 */
#include "core/cpu.h"
#include "core/domain.h"
#include "core/log.h"
#include "core/symbols.h"
#include "hcall/subop.h"
#include "hw/acpi.h"
#include "hw/asm.h"
#include "hw/cpu.h"
#include "hw/efi.h"
#include "hw/lapic.h"
#include "hw/mem.h"
#include "hw/paging.h"
#include "lib/string.h"
#include "sched/sched.h"
#include "time/time.h"

#define IDLETIME_CPUS_MAX 1024u
#define BDA_SHIFT_FLAGS	  0x417

/* ---------------------------------------------------------------- firmware */

static int settime32(struct vcpu *v, struct subop *op)
{
	const struct xenpf_settime32 *arg = &op->arg.settime32;

	return time_wallclock_set(arg->secs, arg->nsecs, arg->system_time);
}

static int settime64(struct vcpu *v, struct subop *op)
{
	const struct xenpf_settime64 *arg = &op->arg.settime64;

	return arg->mbz != 0 ? err(EINVAL)
			     : time_wallclock_set(arg->secs, arg->nsecs, arg->system_time);
}

static int efi_vendor(xenpf_firmware_info_t *info)
{
	u32 bytes = info->u.efi_info.vendor.bufsz;
	u64 gva = (u64)info->u.efi_info.vendor.name.p;
	u16 text[EFI_VENDOR_CHARS];

	info->u.efi_info.vendor.revision = hw_efi.firmware_revision;
	bytes = MIN(bytes & ~1u, (u32)sizeof(text));
	if (bytes == 0)
		return 0;
	memcpy(text, hw_efi.vendor, sizeof(text));
	text[bytes / 2 - 1] = 0;
	return hw_copy_to_guest(gva_make(gva), text, bytes);
}

static int efi_info(xenpf_firmware_info_t *info)
{
	if (!hw_efi.is_present)
		return -EOPNOTSUPP;
	switch (info->index) {
	case XEN_FW_EFI_VERSION:
		info->u.efi_info.version = hw_efi.version;
		return 0;
	case XEN_FW_EFI_CONFIG_TABLE:
		info->u.efi_info.cfg.addr = hw_efi.tables;
		info->u.efi_info.cfg.nent = hw_efi.table_count;
		return 0;
	case XEN_FW_EFI_VENDOR:
		return efi_vendor(info);
	default:
		return err(EINVAL); /* Mica keeps none of EFI's run-time services */
	}
}

static int firmware_info(struct vcpu *v, struct subop *op)
{
	xenpf_firmware_info_t *info = &op->arg.firmware_info;
	const u8 *flags;

	switch (info->type) {
	case XEN_FW_DISK_INFO:
	case XEN_FW_DISK_MBR_SIGNATURE:
	case XEN_FW_VBEDDC_INFO:
		return -ESRCH; /* no BIOS call was made: nothing to tell */
	case XEN_FW_EFI_INFO:
		return efi_info(info);
	case XEN_FW_KBD_SHIFT_FLAGS:
		if (hw_efi.is_present)
			return -ESRCH;
		flags = hw_phys_map(BDA_SHIFT_FLAGS, 1);
		info->u.kbd_shift_flags = flags ? *flags : 0;
		return 0;
	default:
		return err(EINVAL);
	}
}

/* ---------------------------------------------------------------- CPUs */

static int cpu_info(struct vcpu *v, struct subop *op)
{
	xenpf_pcpuinfo_t *info = &op->arg.pcpu_info;
	u32 cpu = info->xen_cpuid;

	info->max_present = cpu_count - 1;
	info->apic_id = info->acpi_id = 0;
	info->flags = XEN_PCPU_FLAGS_INVALID;
	if (cpu >= cpu_count)
		return 0;
	cpu = (u32)idx_nospec(cpu, CPU_MAX);
	info->flags = cpumask_test(&cpu_online_mask, cpu) ? XEN_PCPU_FLAGS_ONLINE : 0;
	info->apic_id = hw_cpu_apic_id[cpu];
	for (unsigned int i = 0; i < hw_acpi.cpu_count; i++)
		if (hw_acpi.cpus[i].apic_id == info->apic_id)
			info->acpi_id = hw_acpi.cpus[i].acpi_id;
	return 0;
}

/* Who made this CPU, and which it is: as any other of the machine. */
static void cpu_identify(char *vendor, u32 *family, u32 *model, u32 *stepping)
{
	struct cpuid_regs leaf0 = hw_cpuid(0, 0), leaf1 = hw_cpuid(1, 0);

	memcpy(vendor, &leaf0.b, 4);
	memcpy(vendor + 4, &leaf0.d, 4);
	memcpy(vendor + 8, &leaf0.c, 4);
	*stepping = leaf1.a & 0xf;
	*model = leaf1.a >> 4 & 0xf;
	*family = leaf1.a >> 8 & 0xf;
	if (*family == 6 || *family == 15)
		*model |= leaf1.a >> 12 & 0xf0;
	if (*family == 15)
		*family += leaf1.a >> 20 & 0xff;
}

static int cpu_version(struct vcpu *v, struct subop *op)
{
	xenpf_pcpu_version_t *info = &op->arg.pcpu_version;
	u32 cpu = info->xen_cpuid;

	*info = (xenpf_pcpu_version_t){.xen_cpuid = cpu, .max_present = cpu_count - 1};
	if (cpu < cpu_count)
		cpu_identify(info->vendor_id, &info->family, &info->model, &info->stepping);
	return 0;
}

/* CPUs of the machine stay as boot left them; Domain 0 plugs its vCPUs instead. */
static int cpu_online(struct vcpu *v, struct subop *op)
{
	const xenpf_cpu_ol_t *arg = &op->arg.cpu_ol;

	if (arg->cpuid >= cpu_count)
		return err(EINVAL);
	if (op->cmd == XENPF_cpu_online &&
	    cpumask_test(&cpu_online_mask, (unsigned int)idx_nospec(arg->cpuid, CPU_MAX)))
		return 0;
	return err(EOPNOTSUPP);
}

static int core_parking(struct vcpu *v, struct subop *op)
{
	xenpf_core_parking_t *arg = &op->arg.core_parking;

	if (arg->type != XEN_CORE_PARKING_SET && arg->type != XEN_CORE_PARKING_GET)
		return err(EINVAL);
	if (arg->type == XEN_CORE_PARKING_SET && arg->idle_nums != 0)
		return err(EOPNOTSUPP);
	arg->idle_nums = 0;
	return 0;
}

static int idletime(struct vcpu *v, struct subop *op)
{
	xenpf_getidletime_t *arg = &op->arg.getidletime;
	u64 map_gva = (u64)arg->cpumap_bitmap.p, time_gva = (u64)arg->idletime.p;

	if (arg->cpumap_nr_cpus > IDLETIME_CPUS_MAX)
		return err(EINVAL);
	arg->now = time_now_ns();
	for (u32 first = 0; first < arg->cpumap_nr_cpus; first += 8) {
		u8 map, left = 0;

		if (hw_copy_from_guest(&map, gva_make(map_gva + first / 8), 1) != 0)
			return err(EFAULT);
		for (u32 cpu = first; cpu < first + 8 && cpu < arg->cpumap_nr_cpus; cpu++) {
			u64 ns = cpu < cpu_count ? sched_idle_ns(cpu) : 0;

			if ((map & 1u << (cpu % 8)) == 0)
				continue;
			left = (u8)(left | (cpu < cpu_count ? 1u << (cpu % 8) : 0));
			if (guest_put(gva_make(time_gva + 8ull * cpu), ns) != 0)
				return err(EFAULT);
		}
		if (hw_copy_to_guest(gva_make(map_gva + first / 8), &left, 1) != 0)
			return err(EFAULT);
	}
	return 0;
}

/* Cx and Px tables of the firmware: taken and not used (HLT is the only idle state, frequencies are the hardware's). */
static int processor_pminfo(struct vcpu *v, struct subop *op)
{
	return op->arg.set_pminfo.type <= XEN_PM_PDC ? 0 : err(EINVAL);
}

/* ---------------------------------------------------------------- power */

static int acpi_sleep(struct vcpu *v, struct subop *op)
{
	const xenpf_enter_acpi_sleep_t *arg = &op->arg.enter_acpi_sleep;
	bool is_extended = (arg->flags & XENPF_ACPI_SLEEP_EXTENDED) != 0;

	if ((arg->flags & ~(u32)XENPF_ACPI_SLEEP_EXTENDED) != 0 || arg->sleep_state == 0 ||
	    arg->sleep_state > 5)
		return err(EINVAL);
	if (arg->sleep_state != 5) {
		log_guest(v, LOG_INFO, "asks for sleep state S%u: Mica knows S5 (off) only",
			  arg->sleep_state);
		return err(EOPNOTSUPP);
	}
	log_info("Domain 0 switches the machine off");
	hw_irq_disable();
	for (unsigned int cpu = 0; cpu < cpu_count; cpu++)
		if (cpu != cpu_id() && cpumask_test(&cpu_online_mask, cpu))
			hw_ipi_send(cpu, IPI_STOP);
	hw_acpi_sleep(arg->val_a, arg->val_b, is_extended);
	hw_machine_poweroff();
}

/* ---------------------------------------------------------------- symbols */

static int symbol(struct vcpu *v, struct subop *op)
{
	xenpf_symdata_t *arg = &op->arg.symdata;
	const char *name;
	size_t bytes;
	int rc;

	if (arg->symnum >= symbols_count)
		return 0; /* unchanged: the end */
	name = symbols_names + symbols_name_off[arg->symnum];
	bytes = strlen(name) + 1;
	rc = hw_copy_to_guest(guest_at(arg->name, 0), name, MIN(bytes, (size_t)arg->namelen));
	if (rc != 0)
		return rc;
	arg->namelen = (u32)bytes;
	arg->address = symbols_addr[arg->symnum];
	arg->type = 't';
	arg->symnum++;
	return 0;
}

/* ---------------------------------------------------------------- the commands */

static const struct subop_row rows[] = {
#define ROW(name, function, ...) [XENPF_##name] = {.fn = function, __VA_ARGS__}
#define NO(name, why)		 [XENPF_##name] = {.error = (why)}
	ROW(settime32, settime32, IN(settime32)),
	ROW(settime64, settime64, IN(settime64)),
	ROW(firmware_info, firmware_info, IN_OUT(firmware_info)),
	ROW(enter_acpi_sleep, acpi_sleep, IN(enter_acpi_sleep)),
	ROW(getidletime, idletime, IN_OUT(getidletime)),
	ROW(set_processor_pminfo, processor_pminfo, IN(set_pminfo)),
	ROW(get_cpuinfo, cpu_info, IN_OUT(pcpu_info)),
	ROW(get_cpu_version, cpu_version, IN_OUT(pcpu_version)),
	ROW(cpu_online, cpu_online, IN(cpu_ol)),
	ROW(cpu_offline, cpu_online, IN(cpu_ol)),
	ROW(core_parking, core_parking, IN_OUT(core_parking)),
	ROW(get_symbol, symbol, IN_OUT(symdata)),
	NO(efi_runtime_call, EOPNOTSUPP),
	NO(microcode_update, EOPNOTSUPP),
	NO(change_freq, EOPNOTSUPP),
	NO(cpu_hotadd, EOPNOTSUPP),
	NO(mem_hotadd, EOPNOTSUPP),
	NO(resource_op, EOPNOTSUPP),
	NO(add_memtype, EOPNOTSUPP),
	NO(del_memtype, EOPNOTSUPP),
	NO(read_memtype, EOPNOTSUPP),
	NO(platform_quirk, EOPNOTSUPP),
};

int do_platform_op(struct vcpu *v, struct hcall_args *args)
{
	u32 head[2]; /* cmd, interface_version */
	gva_t at = gva_make(args->a[0] + offsetof(struct xen_platform_op, u));
	int rc = subop_tool_begin(v, args, head, sizeof(head), XENPF_INTERFACE_VERSION);

	return rc != 0 ? rc : subop_call(v, rows, ARRAY_SIZE(rows), head[0], at, args);
}

/* ---------------------------------------------------------------- machine checks */

static int fetch(struct xen_mc_fetch *arg)
{
	if ((arg->flags & (XEN_MC_NONURGENT | XEN_MC_URGENT | XEN_MC_ACK)) == 0)
		return err(EINVAL);
	if ((arg->flags & XEN_MC_ACK) == 0)
		arg->flags = XEN_MC_NODATA;
	arg->fetch_id = 0;
	return 0;
}

/* All CPUs are of one kind: this one speaks for the others but for its number. */
static void cpu_describe(struct mcinfo_logical_cpu *info, unsigned int cpu)
{
	struct cpuid_regs leaf1 = hw_cpuid(1, 0), brand;

	memset(info, 0, sizeof(*info));
	info->mc_cpunr = cpu;
	info->mc_apicid = info->mc_clusterid = hw_cpu_apic_id[cpu];
	info->mc_ncores = info->mc_ncores_active = info->mc_nthreads = 1;
	info->mc_cpuid_level = (s32)hw_cpuid(0, 0).a;
	cpu_identify(info->mc_vendorid, &info->mc_family, &info->mc_model, &info->mc_step);
	info->mc_cpu_caps[MC_CAPS_STD_EDX] = leaf1.d;
	info->mc_cpu_caps[MC_CAPS_STD_ECX] = leaf1.c;
	if (hw_cpuid(0x80000000, 0).a < 0x80000004)
		return;
	for (u32 i = 0; i < 3; i++) {
		brand = hw_cpuid(0x80000002 + i, 0);
		memcpy(info->mc_brandid + 16 * i, &brand, 16);
	}
}

static int cpus(struct xen_mc_physcpuinfo *arg)
{
	bool is_wanted = (u64)arg->info.p != 0;
	struct mcinfo_logical_cpu info;

	arg->ncpus = is_wanted ? MIN(arg->ncpus, cpu_count) : cpu_count;
	for (u32 cpu = 0; is_wanted && cpu < arg->ncpus; cpu++) {
		cpu_describe(&info, cpu);
		if (guest_put(guest_at(arg->info, cpu), info) != 0)
			return err(EFAULT);
	}
	return 0;
}

static int mca_command(struct xen_mc *op)
{
	switch (op->cmd) {
	case XEN_MC_fetch:
		return fetch(&op->u.mc_fetch);
	case XEN_MC_physcpuinfo:
		return cpus(&op->u.mc_physcpuinfo);
	case XEN_MC_msrinject:
	case XEN_MC_mceinject:
	case XEN_MC_inject_v2:
		return err(EOPNOTSUPP);
	default:
		return err(EINVAL);
	}
}

/*
 * Domain 0 asks for machine-check records and for the CPUs that they name. Mica keeps no records (a fatal machine check ends
 * in a report, a corrected one stays in its bank), so there is never anything to fetch; injecting errors is refused.
 */
int do_mca(struct vcpu *v, struct hcall_args *args)
{
	struct xen_mc op;
	int rc = subop_tool_begin(v, args, &op, sizeof(op), XEN_MCA_INTERFACE_VERSION);

	return rc ?: mca_command(&op) ?: guest_put(gva_make(args->a[0]), op);
}

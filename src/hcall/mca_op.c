/* SPDX-License-Identifier: MIT */
/*
 * mca: Domain 0 asks for machine-check records and for the CPUs that they name. Mica keeps no records (a fatal machine check
 * ends in a report, a corrected one is counted), so there is never anything to fetch; injecting errors is refused. Reached
 * from the hypercall table. No lock.
 */
#include "core/cpu.h"
#include "core/domain.h"
#include "hcall/hcall.h"
#include "hw/asm.h"
#include "hw/ipi.h"
#include "hw/mem.h"
#include "lib/string.h"

static int fetch(struct xen_mc_fetch *arg)
{
	if ((arg->flags & (XEN_MC_NONURGENT | XEN_MC_URGENT)) == 0 &&
	    (arg->flags & XEN_MC_ACK) == 0)
		return err(EINVAL);
	if ((arg->flags & XEN_MC_ACK) == 0)
		arg->flags = XEN_MC_NODATA;
	arg->fetch_id = 0;
	return 0;
}

/* All CPUs are of one kind: this one speaks for the others but for its number. */
static void cpu_describe(struct mcinfo_logical_cpu *info, unsigned int cpu)
{
	struct cpuid_regs leaf0 = hw_cpuid(0, 0), leaf1 = hw_cpuid(1, 0), brand;

	memset(info, 0, sizeof(*info));
	info->mc_cpunr = cpu;
	info->mc_apicid = info->mc_clusterid = hw_cpu_apic_id[cpu];
	info->mc_ncores = info->mc_ncores_active = info->mc_nthreads = 1;
	info->mc_cpuid_level = (s32)leaf0.a;
	info->mc_step = leaf1.a & 0xf;
	info->mc_model = (leaf1.a >> 4 & 0xf) | (leaf1.a >> 12 & 0xf0);
	info->mc_family = leaf1.a >> 8 & 0xf;
	info->mc_family += info->mc_family == 15 ? leaf1.a >> 20 & 0xff : 0;
	info->mc_cpu_caps[MC_CAPS_STD_EDX] = leaf1.d;
	info->mc_cpu_caps[MC_CAPS_STD_ECX] = leaf1.c;
	memcpy(info->mc_vendorid, &leaf0.b, 4);
	memcpy(info->mc_vendorid + 4, &leaf0.d, 4);
	memcpy(info->mc_vendorid + 8, &leaf0.c, 4);
	if (hw_cpuid(0x80000000, 0).a < 0x80000004)
		return;
	for (u32 i = 0; i < 3; i++) {
		brand = hw_cpuid(0x80000002 + i, 0);
		memcpy(info->mc_brandid + 16 * i, &brand, 16);
	}
}

static int cpus(struct xen_mc_physcpuinfo *arg)
{
	u64 gva = (u64)arg->info.p;
	u32 count = MIN(arg->ncpus, cpu_count);
	struct mcinfo_logical_cpu info;

	for (u32 cpu = 0; gva && cpu < count; cpu++) {
		cpu_describe(&info, cpu);
		if (hw_copy_to_guest(gva_make(gva + cpu * sizeof(info)), &info, sizeof(info)) != 0)
			return err(EFAULT);
	}
	arg->ncpus = gva ? count : cpu_count;
	return 0;
}

int do_mca(struct vcpu *v, struct hcall_args *args)
{
	gva_t gva = gva_make(args->a[0]);
	struct xen_mc op;
	int rc;

	if (!v->domain->is_privileged)
		return err(EPERM);
	if (hw_copy_from_guest(&op, gva, sizeof(op)) != 0)
		return err(EFAULT);
	if (op.interface_version != XEN_MCA_INTERFACE_VERSION)
		return err(EACCES);
	switch (op.cmd) {
	case XEN_MC_fetch:
		rc = fetch(&op.u.mc_fetch);
		break;
	case XEN_MC_physcpuinfo:
		rc = cpus(&op.u.mc_physcpuinfo);
		break;
	case XEN_MC_msrinject:
	case XEN_MC_mceinject:
	case XEN_MC_inject_v2:
		rc = err(EOPNOTSUPP);
		break;
	default:
		rc = err(EINVAL);
	}
	args->result = 0;
	if (!rc && hw_copy_to_guest(gva, &op, sizeof(op)) != 0)
		return err(EFAULT);
	return rc;
}

/* SPDX-License-Identifier: MIT */
/*
 * The hypercall table: number -> handler and name. What has no row answers -ENOSYS. Reached from dispatch.c and from
 * reports. No lock.
 */
#include "hcall/priv.h"

#define ROW(number, function) [__HYPERVISOR_##number] = {.fn = do_##function, .name = #number}

const struct hcall_row hcall_table[HCALL_COUNT] = {
	ROW(set_trap_table, set_trap_table),
	ROW(mmu_update, mmu_update),
	ROW(set_gdt, set_gdt),
	ROW(stack_switch, stack_switch),
	ROW(set_callbacks, set_callbacks),
	ROW(fpu_taskswitch, fpu_taskswitch),
	ROW(sched_op_compat, sched_op_compat),
	ROW(platform_op, platform_op),
	ROW(set_debugreg, set_debugreg),
	ROW(get_debugreg, get_debugreg),
	ROW(update_descriptor, update_descriptor),
	ROW(memory_op, memory_op),
	ROW(multicall, multicall),
	ROW(update_va_mapping, update_va_mapping),
	ROW(set_timer_op, set_timer_op),
	ROW(event_channel_op_compat, event_channel_op_compat),
	ROW(xen_version, xen_version),
	ROW(console_io, console_io),
	ROW(physdev_op_compat, physdev_op_compat),
	ROW(grant_table_op, grant_table_op),
	ROW(vm_assist, vm_assist),
	ROW(update_va_mapping_otherdomain, update_va_mapping_otherdomain),
	ROW(iret, iret),
	ROW(vcpu_op, vcpu_op),
	ROW(set_segment_base, set_segment_base),
	ROW(mmuext_op, mmuext_op),
	ROW(xsm_op, xsm_op),
	ROW(nmi_op, nmi_op),
	ROW(sched_op, sched_op),
	ROW(callback_op, callback_op),
	ROW(event_channel_op, event_channel_op),
	ROW(physdev_op, physdev_op),
	ROW(sysctl, sysctl),
	ROW(domctl, domctl),
	ROW(xenpmu_op, xenpmu_op),
	[__HYPERVISOR_mca] = {.fn = do_mca, .name = "mca"},
};

const char *hcall_name(u64 number)
{
	return number < HCALL_COUNT && hcall_table[number].name != NULL ? hcall_table[number].name
									: "unknown";
}

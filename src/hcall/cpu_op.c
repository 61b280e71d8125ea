/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls about the PV CPU itself: trap table, callbacks, stacks, descriptors, segments, debug registers, FPU, assists.
 * Only decoding; the work is in pv/. No lock: a vCPU changes its own state.
 */
#include "core/cpu.h"
#include "core/log.h"
#include "hcall/hcall.h"
#include "hw/asm.h"
#include "hw/layout.h"
#include "hw/mem.h"
#include "lib/string.h"
#include "pv/pv.h"

static bool is_code_address(u64 va)
{
	bool is_canonical = (u64)((s64)(va << 16) >> 16) == va;

	return is_canonical && (va < LAYOUT_START || va >= LAYOUT_END);
}

/* An NMI may be waiting for its handler: the exit loop looks again. */
static void nmi_look(const struct vcpu *v)
{
	if (atomic_load(&v->pv->nmi_pending) != 0)
		work_raise(cpu_id(), WORK_SCHEDULE);
}

/* (traps): entries until one with address 0; NULL clears the table. */
int do_set_trap_table(struct vcpu *v, struct hcall_args *args)
{
	gva_t at = gva_make(args->a[0]);

	if (args->a[0] == 0) {
		memset(v->pv->traps, 0, sizeof(v->pv->traps));
		pv_entry_refresh(v);
		return 0;
	}
	/* At most 256 entries make sense; a table without an end is cut there. */
	for (unsigned int count = 0; count <= 256; count++) {
		struct trap_info info;

		if (guest_get(info, at) != 0)
			return err(EFAULT);
		if (info.address == 0)
			return 0;
		if (!is_code_address(info.address))
			return err(EINVAL);
		v->pv->traps[info.vector] = info;
		pv_entry_refresh(v);
		if (info.vector == PV_VECTOR_NMI)
			nmi_look(v);
		at = gva_add(at, sizeof(info));
	}
	return 0;
}

int do_set_gdt(struct vcpu *v, struct hcall_args *args)
{
	u64 mfns[PV_GDT_PAGES_MAX];
	u32 entries = (u32)args->a[1];
	u32 pages = ROUND_UP(entries, 512u) / 512;

	if (args->a[1] > FIRST_RESERVED_GDT_ENTRY)
		return err(EINVAL);
	if (hw_copy_from_guest(mfns, gva_make(args->a[0]), pages * sizeof(u64)) != 0)
		return err(EFAULT);
	return pv_gdt_set(v, mfns, entries);
}

int do_stack_switch(struct vcpu *v, struct hcall_args *args)
{
	pv_stack_switch(v, args->a[0], args->a[1]);
	return 0;
}

static int callback_set(struct vcpu *v, unsigned int type, u64 rip, bool masks)
{
	struct pv_vcpu *pv = v->pv;

	if (!is_code_address(rip))
		return err(EINVAL);
	switch (type) {
	case CALLBACKTYPE_event:
		pv->event = (struct pv_callback){rip, true};
		return 0;
	case CALLBACKTYPE_failsafe:
		pv->failsafe = (struct pv_callback){rip, masks};
		return 0;
	case CALLBACKTYPE_syscall:
		pv->syscall = (struct pv_callback){rip, masks};
		pv_entry_refresh(v);
		return 0;
	case CALLBACKTYPE_syscall32:
		pv->syscall32 = (struct pv_callback){rip, masks};
		return 0;
	case CALLBACKTYPE_nmi:
		pv->traps[PV_VECTOR_NMI] = (struct trap_info){PV_VECTOR_NMI, 4, FLAT_KERNEL_CS,
							      rip};
		nmi_look(v);
		return 0;
	default: /* sysenter: as on a CPU without it */
		return err(ENOSYS);
	}
}

int do_set_callbacks(struct vcpu *v, struct hcall_args *args)
{
	return callback_set(v, CALLBACKTYPE_event, args->a[0], true) ?:
	       callback_set(v, CALLBACKTYPE_failsafe, args->a[1], false) ?:
	       callback_set(v, CALLBACKTYPE_syscall, args->a[2], false);
}

int do_callback_op(struct vcpu *v, struct hcall_args *args)
{
	struct callback_register reg;
	struct callback_unregister unreg;

	switch (args->a[0]) {
	case CALLBACKOP_register:
		if (guest_get(reg, gva_make(args->a[1])) != 0)
			return err(EFAULT);
		return callback_set(v, reg.type, reg.address,
				    (reg.flags & CALLBACKF_mask_events) != 0);
	case CALLBACKOP_unregister:
		if (guest_get(unreg, gva_make(args->a[1])) != 0)
			return err(EFAULT);
		if (unreg.type == CALLBACKTYPE_nmi) {
			v->pv->traps[PV_VECTOR_NMI].address = 0;
			return 0;
		}
		return unreg.type <= CALLBACKTYPE_syscall32 ? err(EINVAL) : err(ENOSYS);
	default:
		return err(ENOSYS);
	}
}

int do_nmi_op(struct vcpu *v, struct hcall_args *args)
{
	struct xennmi_callback callback;

	switch (args->a[0]) {
	case XENNMI_register_callback:
		if (guest_get(callback, gva_make(args->a[1])) != 0)
			return err(EFAULT);
		return v->id == 0
			       ? callback_set(v, CALLBACKTYPE_nmi, callback.handler_address, true)
			       : err(EINVAL);
	case XENNMI_unregister_callback:
		v->pv->traps[PV_VECTOR_NMI].address = 0;
		return 0;
	default:
		return err(ENOSYS);
	}
}

int do_fpu_taskswitch(struct vcpu *v, struct hcall_args *args)
{
	v->pv->cr0_ts = args->a[0] != 0;
	hw_cr0_write((hw_cr0_read() & ~CR0_TS) | (v->pv->cr0_ts ? CR0_TS : 0));
	return 0;
}

int do_set_debugreg(struct vcpu *v, struct hcall_args *args)
{
	return args->a[0] < 8 ? pv_debugreg_set(v, (u32)args->a[0], args->a[1]) : err(EINVAL);
}

int do_get_debugreg(struct vcpu *v, struct hcall_args *args)
{
	if (args->a[0] > 7 || args->a[0] == 4 || args->a[0] == 5)
		return err(EINVAL);
	args->result = pv_debugreg_get(v, (u32)args->a[0]);
	return 0;
}

int do_update_descriptor(struct vcpu *v, struct hcall_args *args)
{
	return pv_descriptor_update(v, args->a[0], args->a[1]);
}

int do_set_segment_base(struct vcpu *v, struct hcall_args *args)
{
	return pv_segment_base_set(v, args->a[0], args->a[1]);
}

int do_vm_assist(struct vcpu *v, struct hcall_args *args)
{
	u64 type = args->a[1];

	if (type > 63 || (VM_ASSIST_KNOWN & BIT(type)) == 0)
		return err(EINVAL);
	if (args->a[0] == VMASST_CMD_enable)
		(void)atomic_fetch_or(&v->domain->vm_assist, BIT(type));
	else if (args->a[0] == VMASST_CMD_disable)
		(void)atomic_fetch_and(&v->domain->vm_assist, ~BIT(type));
	else
		return err(ENOSYS);
	pv_entry_refresh(v);
	return 0;
}

int do_xsm_op(struct vcpu *v, struct hcall_args *args)
{
	return err(ENOSYS); /* no security module: as Xen built without one */
}

int do_xenpmu_op(struct vcpu *v, struct hcall_args *args)
{
	return err(EOPNOTSUPP);
}

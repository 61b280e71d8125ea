/* SPDX-License-Identifier: MIT */
/*
 * A paravirtual guest's CPU: traps bounced into its kernel, descriptor tables, privileged instructions, writes to its
 * page tables. Reached from entry/, hcall/ and domain/; calls mm, evtchn, emul, policy. State belongs to the vCPU that
 * runs; nothing here has a lock.
 */
#pragma once

#include "core/domain.h"
#include "emul/emul.h"
#include "hw/regs.h"
#include "lib/abi.h"
#include "lib/types.h"

/*
 * Whose page tables and GS base are loaded; and whether the stubs of entry/ leave everything to C. PORTS, with KERNEL and SLOW
 * alone: the CPU's I/O bitmap is open.
 */
enum pv_mode { PV_USER = 0, PV_KERNEL = 1, PV_SLOW = 2, PV_PORTS = 4 };

/* Error code of a page fault. */
#define PF_PRESENT BIT(0)
#define PF_WRITE   BIT(1)
#define PF_USER	   BIT(2)

#define PV_GDT_PAGES_MAX   FIRST_RESERVED_GDT_PAGE
#define PV_LDT_ENTRIES_MAX 8192
#define PV_LDT_PAGES_MAX   16
#define PV_IOBITMAP_PORTS  65536

/* What a guest may switch on (vm_assist); most of it is a way of saying that it knows. */
#define VM_ASSIST_KNOWN                                                                \
	(BIT(VMASST_TYPE_4gb_segments) | BIT(VMASST_TYPE_4gb_segments_notify) |        \
	 BIT(VMASST_TYPE_writable_pagetables) | BIT(VMASST_TYPE_pae_extended_cr3) |    \
	 BIT(VMASST_TYPE_architectural_iopl) | BIT(VMASST_TYPE_runstate_update_flag) | \
	 BIT(VMASST_TYPE_m2p_strict))

/* Where the guest wants to be called, and with events masked or not. */
struct pv_callback {
	u64 rip;
	bool masks_events;
};

/* What the stubs of entry/ need to go from guest user to guest kernel and back without C. Written by pv_entry_refresh(). */
struct pv_entry {
	u32 mode;		  /* enum pv_mode, bits; the stubs write it too */
	u64 rax, rcx;		  /* scratch */
	struct vcpu_info *info;	  /* as in struct vcpu */
	u64 kernel_cr3, user_cr3; /* 0: no user root */
	u64 c_kernel_cr3,
		c_user_cr3; /* on the way to C; others than those under page-table isolation */
	u64 syscall_sp, fault_sp; /* where a frame on the kernel's stack begins */
	u64 syscall_rip, fault_rip;
};

/* One page a vCPU, mapped in its domain's area and in the direct map. regs end where TSS.rsp0 points (V). */
struct pv_entry_page {
	u8 stack_below[520]; /* a fault at the IRETQ of the way out lands here */
	struct regs regs;
	struct pv_entry entry;
};
_Static_assert(offsetof(struct pv_entry_page, entry) % 16 == 0,
	       "V is aligned, so a fault's frame ends at it");

#define PV_CHANGES 8u /* a power of two */

struct pv_vcpu {
	struct regs *regs; /* [c] direct-map address of the saved registers */
	struct pv_entry_page *page;
	mfn_t page_mfn;
	void *fpu; /* [c] XSAVE area, 64-byte aligned */

	u64 kernel_sp;	    /* [v] from stack_switch */
	u64 kernel_ss;	    /* [v] */
	u64 fs_base;	    /* [v] valid while not running */
	u64 gs_base_kernel; /* [v] */
	u64 gs_base_user;   /* [v] */
	u16 ds, es, fs, gs; /* [v] selectors while not running */
	u64 cr4;	    /* [v] what the guest wrote, masked */
	u64 xcr0;	    /* [v] what the guest set; within hw_features.xcr0 */
	u32 tsc_aux;	    /* [v] what RDTSCP and RDPID tell */
	bool cr0_ts;	    /* [v] fpu_taskswitch */
	u32 iopl;	    /* [v] virtual IOPL 0..3 */
	u8 *iobitmap;	    /* [v] 8 KiB copy, or NULL */
	u32 iobitmap_ports; /* [v] */
	u32 cf8;	    /* [v] shadow of port 0xcf8 */

	u64 dr[8]; /* [v] guest's debug registers, sanitised */

	struct trap_info traps[256]; /* [v] */
	struct pv_callback event, failsafe, syscall, syscall32;
	u32 nmi_pending; /* [a] */

	u32 gdt_entries;		/* [v] */
	u64 gdt_mfns[PV_GDT_PAGES_MAX]; /* [v] frames held as descriptor pages */
	struct lock ldt_lock;		/* LOCK_RANK_LDT */
	u64 ldt_va;			/* [v] */
	u32 ldt_entries;		/* [v] */
	u64 ldt_mfns[PV_LDT_PAGES_MAX]; /* [l] frames held; 0: not (yet) */

	/* [v] instructions that wrote to tables, and the bytes behind them, by a hash of where they are (ptwr.c) */
	struct pv_change {
		u64 code[2];
		struct emul_change change;
		u64 *src; /* a register in *regs, or change.imm */
	} changes[PV_CHANGES];
	u64 *window; /* [c] L1 of its per-domain window (64 entries) */
};

struct pv_domain {
	u64 *l3;	   /* [c] per-domain area's L3 */
	u64 *l2;	   /* [c] one L2: up to 512 windows of 2 MiB; we use 64 L1s at most */
	u64 *l1[64];	   /* [c] each serves eight vCPUs */
	u64 perdomain_l4e; /* [c] L4 entry of slot 258 for this domain */
};

int pv_domain_init(struct domain *d);
void pv_domain_destroy(struct domain *d);
/* Fills a page with calls as the public xen.h says: stub n at n * 32. */
void pv_hypercall_page_fill(void *page);
int pv_vcpu_init(struct vcpu *v);
void pv_vcpu_destroy(struct vcpu *v);
/*
 * A whole context (context.c), of a vCPU that does not run: as VCPUOP_initialise, tools and the builder give it, and as tools read
 * it. -EINVAL, or what types and references say; then some of it may have been taken.
 */
int pv_context_set(struct vcpu *v, const struct vcpu_guest_context *ctx);
void pv_context_get(struct vcpu *v, struct vcpu_guest_context *ctx);
/*
 * Extended state as tools save it: struct pv_xstate, then the standard XSAVE area of what the domain may use (so that a host
 * that has no more takes it), pv_xstate_bytes() in all. set: -EINVAL: not that form, or components that this CPU has not.
 */
struct pv_xstate {
	u64 xcr0, xcr0_accum;
	u8 area[];
};
size_t pv_xstate_bytes(const struct domain *d);
void pv_xstate_get(const struct vcpu *v, struct pv_xstate *state);
int pv_xstate_set(struct vcpu *v, const struct pv_xstate *state, size_t bytes);

/* Traps (traps.c). The vCPU is the one that runs; its registers are in v->pv->regs. */
void pv_trap_inject(struct vcpu *v, u32 vector, u32 error_code);
void pv_page_fault_inject(struct vcpu *v, u64 cr2, u32 error_code);
/* Way out: bounces events, NMI or nothing; true when registers changed. */
void pv_events_deliver(struct vcpu *v);
static inline bool pv_events_wanted(const struct vcpu *v)
{
	/* pairs with evtchn's setting of pending, which comes with an IPI */
	return unlikely(atomic_load(&v->info->evtchn_upcall_pending) != 0) &&
	       atomic_load(&v->info->evtchn_upcall_mask) == 0;
}
/* The handler is a row of the table, whichever call set it. An NMI comes with a work bit, so only the exit loop asks. */
#define PV_VECTOR_NMI 2
static inline bool pv_nmi_wanted(const struct vcpu *v)
{
	return unlikely(atomic_load(&v->pv->nmi_pending) != 0) &&
	       v->pv->traps[PV_VECTOR_NMI].address != 0;
}
void pv_nmi_send(struct vcpu *v); /* any vCPU, from anywhere but an NMI */
void pv_syscall_deliver(struct vcpu *v, bool compat);
void pv_failsafe_deliver(struct vcpu *v);
void pv_iret(struct vcpu *v);
void pv_mode_toggle(struct vcpu *v);
void pv_debug_exception(struct vcpu *v);
void pv_device_not_available(struct vcpu *v);

static inline bool pv_is_kernel(const struct vcpu *v)
{
	return (v->pv->page->entry.mode & PV_KERNEL) != 0;
}

/* After a change of anything that the entry block says; what changes while v does not run is seen when it is loaded. */
void pv_entry_refresh(struct vcpu *v);
/* v, which runs, has a new kernel stack. */
void pv_stack_switch(struct vcpu *v, u64 ss, u64 sp);

/* Context switch (state.c), interrupts off: everything of v that is in the CPU, out or in. */
void pv_state_save(struct vcpu *v);
void pv_state_load(struct vcpu *v);
/* V as the CPU knows it: what goes into TSS.rsp0. */
u64 pv_entry_va(const struct vcpu *v);

/* v, which runs its kernel, has a new root for that or for its user: tells the stubs, and loads the kernel's. */
void pv_root_changed(struct vcpu *v, bool is_user);

/* Privileged instructions and tables (priv.c, ptwr.c, io.c): true when emulated. */
bool pv_privileged_emulate(struct vcpu *v);
bool pv_invalid_op_emulate(struct vcpu *v);
bool pv_page_fault_fix(struct vcpu *v, u64 cr2, u32 error_code);

/* Descriptors (desc.c). */
int pv_gdt_set(struct vcpu *v, const u64 *mfns, u32 entries);
void pv_gdt_put(struct vcpu *v);
int pv_ldt_set(struct vcpu *v, u64 va, u32 entries);
void pv_ldt_put(struct vcpu *v);
void pv_ldt_load(struct vcpu *v);
/* A descriptor of v's LDT could not be read at cr2: true when its page has now been judged and mapped; try again. */
bool pv_ldt_fault(struct vcpu *v, u64 cr2);
/* The guest's own address of what the CPU wanted to read at cr2 in v's LDT; cr2 if that is not there. */
u64 pv_ldt_guest_va(const struct vcpu *v, u64 cr2);
/* Takes a page out of every LDT of d that shows it: true if there was one. It may fault in again. */
bool pv_ldt_revoke(struct domain *d, mfn_t mfn);
int pv_descriptor_update(struct vcpu *v, u64 maddr, u64 descriptor);

/* What the CPU's I/O bitmaps say, a bit a port: set where Domain 0 may not go without Mica. */
extern u64 pv_io_bitmap[65536 / 64];
/* After d's ports have changed. */
void pv_ports_changed(struct domain *d);
int pv_set_iopl(struct vcpu *v, u32 iopl);
int pv_set_iobitmap(struct vcpu *v, u64 gva, u32 ports);
int pv_debugreg_set(struct vcpu *v, u32 reg, u64 value);
u64 pv_debugreg_get(struct vcpu *v, u32 reg);
int pv_segment_base_set(struct vcpu *v, u64 which, u64 base);

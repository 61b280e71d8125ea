/* SPDX-License-Identifier: MIT */
/*
 * What the families of sub-operations share: a table says how large each one's structure is, whether it goes back, and who
 * acts on it; and whom a domain number in it means. No lock.
 */
#pragma once

#include "core/domain.h"
#include "hcall/hcall.h"

/* One sub-operation on its way. */
struct subop {
	u64 cmd;
	gva_t at; /* the guest's structure, of which arg is a copy */
	struct hcall_args *args;
	struct vcpu *target; /* whom a vcpu_op is about */
	struct domain *d;    /* whom the structure names, referenced; nobody: the caller's own */
	union subop_arg {
		struct evtchn_alloc_unbound alloc_unbound;
		struct evtchn_bind_interdomain bind_interdomain;
		struct evtchn_bind_virq bind_virq;
		struct evtchn_bind_pirq bind_pirq;
		struct evtchn_bind_ipi bind_ipi;
		struct evtchn_close close;
		struct evtchn_send send;
		struct evtchn_status status;
		struct evtchn_bind_vcpu bind_vcpu;
		struct evtchn_unmask unmask;
		struct evtchn_reset reset;
		struct evtchn_init_control init_control;
		struct evtchn_expand_array expand_array;
		struct evtchn_set_priority set_priority;
		struct physdev_irq_status_query irq_status_query;
		struct physdev_set_iopl set_iopl;
		struct physdev_set_iobitmap set_iobitmap;
		struct physdev_apic apic;
		struct physdev_irq irq;
		struct physdev_eoi eoi;
		struct physdev_map_pirq map_pirq;
		struct physdev_unmap_pirq unmap_pirq;
		struct physdev_manage_pci manage_pci;
		struct physdev_manage_pci_ext manage_pci_ext;
		struct physdev_pirq_eoi_gmfn eoi_page;
		struct physdev_restore_msi restore_msi;
		struct physdev_setup_gsi setup_gsi;
		struct physdev_get_free_pirq get_free_pirq;
		struct physdev_pci_mmcfg_reserved mmcfg;
		struct physdev_pci_device_add device_add;
		struct physdev_pci_device device;
		struct physdev_dbgp_op dbgp;
		struct sched_shutdown shutdown;
		struct sched_poll poll;
		struct sched_remote_shutdown remote_shutdown;
		struct sched_watchdog watchdog;
		struct sched_pin_override pin_override;
		struct vcpu_runstate_info runstate;
		struct vcpu_register_runstate_memory_area runstate_area;
		struct vcpu_register_time_memory_area time_area;
		struct vcpu_set_periodic_timer periodic;
		struct vcpu_set_singleshot_timer singleshot;
		struct vcpu_register_vcpu_info vcpu_info;
		struct vcpu_get_physid physid;
		struct xen_memory_reservation reservation;
		struct xen_memory_domain memory_domain;
		struct xen_memory_map memory_map;
		struct xen_foreign_memory_map foreign_memory_map;
		struct xen_machphys_mfn_list machphys_list;
		struct xen_machphys_mapping machphys_mapping;
		struct xen_mem_acquire_resource resource;
		struct xen_reserved_device_memory_map reserved_map;
		struct xenpf_settime32 settime32;
		struct xenpf_settime64 settime64;
		struct xenpf_firmware_info firmware_info;
		struct xenpf_enter_acpi_sleep enter_acpi_sleep;
		struct xenpf_getidletime getidletime;
		struct xenpf_set_processor_pminfo set_pminfo;
		struct xenpf_pcpuinfo pcpu_info;
		struct xenpf_pcpu_version pcpu_version;
		struct xenpf_cpu_ol cpu_ol;
		struct xenpf_core_parking core_parking;
		struct xenpf_symdata symdata;
	} arg;
};

enum subop_rights {
	SUBOP_ANY,
	SUBOP_QUIET, /* who may not act for the domain named learns nothing of it: -EPERM, then -ESRCH */
	SUBOP_HARDWARE, /* -EPERM for a domain without the machine's devices */
	SUBOP_OWN,	/* -EINVAL for another vCPU than the caller */
};

struct subop_row {
	int (*fn)(struct vcpu *v, struct subop *op);
	/* The structure cannot be copied back: what the call opened would be lost. */
	void (*undo)(struct vcpu *v, struct subop *op);
	u8 in, out; /* bytes copied before fn, and after it when it answered 0 */
	u8 domid;   /* where in the structure a domain is named, plus 1 */
	u8 error;   /* without a function; 0: ENOSYS */
	enum subop_rights rights;
};

/* Parts of a row: what is copied, which field names the domain. */
#define IN(member)	  .in = sizeof(((union subop_arg *)NULL)->member)
#define OUT(member)	  .out = sizeof(((union subop_arg *)NULL)->member)
#define IN_OUT(member)	  IN(member), OUT(member)
#define NAMED_BY(m, name) .domid = offsetof(union subop_arg, m.name) + 1

/* op's row (its cmd, at and args are set): the row's error, what its rights say, -EFAULT, or what its function answers. */
int subop_do(struct vcpu *v, const struct subop_row *rows, size_t count, struct subop *op);
/* The same for a call that is about nobody else, and a structure at `at`. */
int subop_call(struct vcpu *v, const struct subop_row *rows, size_t count, u64 cmd, gva_t at,
	       struct hcall_args *args);
/* Of the old form, a structure of command and argument (arg_at in it); only the commands of its time, first .. last. */
int subop_compat(struct vcpu *v, const struct subop_row *rows, u32 first, u32 last, size_t arg_at,
		 struct hcall_args *args);

/* The domain that an argument names, referenced: the caller's own or, for Domain 0, any. -ESRCH, -EPERM. */
int subop_domain(struct vcpu *v, domid_t id, struct domain **d);
/* The same in the order of SUBOP_QUIET. */
int subop_domain_quiet(struct vcpu *v, domid_t id, struct domain **d);

/* The beginning of calls that only a privileged domain makes: a structure of cmd, version, ... -EPERM, -EFAULT, -EACCES. */
int subop_tool_begin(struct vcpu *v, const struct hcall_args *args, void *op, size_t bytes,
		     u32 version);

#define MMU_BATCH_PREEMPTED (1u << 31) /* in count: *done_out already holds earlier successes */

#define MEMORY_ORDER_MAX 9u
#define MEMORY_EXTENT_SHIFT \
	6u /* a restarted memory_op keeps its progress in the command, above these bits */
/* XENMEM_exchange (mm_exchange.c). */
int mm_exchange(struct vcpu *v, struct subop *op);

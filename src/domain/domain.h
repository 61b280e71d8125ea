/* SPDX-License-Identifier: MIT */
/*
 * The life of a domain: made, shut down, crashed, taken apart; and Domain 0, which boot makes. Reached from boot/, entry/
 * and hcall/; calls every module that keeps state for a domain. Lock: a domain's own (LOCK_RANK_DOMAIN).
 */
#pragma once

#include "core/domain.h"
#include "image/elf.h"

/* The idle domain and a CPU's idle vCPU. Panic when there is no memory. */
void domain_idle_init(void);
struct vcpu *domain_idle_vcpu(unsigned int cpu);

struct domain_config {
	u32 vcpu_count;
	u64 pages_max;
	u32 evtchn_port_max;
	u32 grant_frames_max, maptrack_frames_max;
	u32 ssid;
	u32 pool; /* of CPUs */
	bool is_privileged;
	xen_domain_handle_t handle;
};

/*
 * A PV domain, its vCPUs all down, and no memory but the shared info page. NULL with *rc: -EEXIST, -EINVAL, -ENOMEM, -ESRCH (no such pool). Not on
 * the list of domains yet; one reference is the caller's, for as long as the domain lives.
 */
struct domain *domain_create(domid_t id, const struct domain_config *config, int *rc);
/* The end of d, which is not the caller's domain; one caller at a time. -ERESTART: call again. 0: all that it held has been given back. */
int domain_kill(struct domain *d);

/* SCHEDOP_shutdown and the like: SHUTDOWN_*. For Domain 0 the machine follows. */
void domain_shutdown(struct domain *d, u8 reason);
/* Lets a domain that was shut down go on (SHUTDOWN_suspend). Nothing happens to others. */
void domain_resume(struct domain *d);
/* Work of the exit loop: domains that crashed; domains without references; an NMI. */
void domain_crash_finish(void);
void domain_reap(void);
void domain_nmi_raise(void);

/* Recomputes every reference that is held in the machine (quiet: the caller's CPU alone runs); findings. */
unsigned int domain_audit(void);

struct dom0_plan {
	struct elf_image *kernel;
	const char *cmdline;
	u64 initrd_start, initrd_end; /* machine addresses; equal: none */
	u64 bytes, bytes_max;	      /* memory */
	u32 vcpu_count;
	u64 rsdp;
	const void *video; /* struct dom0_vga_console_info, or NULL */
	size_t video_bytes;
};
/*
 * Builds Domain 0, in two steps: after the first the kernel's file is not needed any more, so that its memory can become
 * Domain 0's; the second lets it run (dom0 is set). *plan stays until then. Each panics with one clear line when it cannot.
 */
void domain_dom0_prepare(const struct dom0_plan *plan);
void domain_dom0_build(void);

extern bool opt_noreboot;
extern const char *opt_text; /* [c] the whole command line, for XENVER_commandline */

/* console.c: typed characters, for CONSOLEIO_read. */
void domain_console_init(void);
size_t domain_console_read(char *buf, size_t len);
/* Called for each key while keys are Mica's; set by boot to debug's. */
extern void (*domain_console_key)(char key);

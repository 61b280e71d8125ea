/* SPDX-License-Identifier: MIT */
/* See toolstack.h. Where libxc maps a guest's page to fill it, this writes the frame. */
#include "toolstack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/image_build.h"
#include "sched/sched.h"

#define TABLES 4u /* at the end of the pages */
#define KERNEL 0x100u

domid_t tool_id;

static void die(const char *what, long rc)
{
	fprintf(stderr, "toolstack: %s (%ld)\n", what, rc);
	abort();
}

long tool_domctl(u32 cmd, domid_t id, struct xen_domctl *op)
{
	long rc;

	op->cmd = cmd;
	op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	op->domain = id;
	rc = guest_call(dom0->vcpus[0], __HYPERVISOR_domctl, U(op));
	machine_settle();
	return rc;
}

struct xen_domctl tool_create_arguments(unsigned int vcpus)
{
	return (struct xen_domctl){.u.createdomain = {.max_vcpus = vcpus,
						      .max_evtchn_port = -1,
						      .max_grant_frames = -1,
						      .max_maptrack_frames = -1,
						      .grant_opts = XEN_DOMCTL_GRANT_version(1),
						      .handle = {1, 2, 3, 4}}};
}

bool tool_exists(domid_t id)
{
	struct domain *d = domain_get_by_id(id);

	if (d)
		domain_put(d);
	return d;
}

static long memory_give(struct tool_guest *g)
{
	struct xen_memory_reservation r = {.nr_extents = g->pages, .domid = g->id};
	struct xen_domctl op = {.u.max_mem.max_memkb = g->pages * 4};
	long rc = tool_domctl(XEN_DOMCTL_max_mem, g->id, &op);

	if (rc)
		return rc;
	for (unsigned int i = 0; i < g->pages; i++)
		g->mfns[i] = i;
	set_xen_guest_handle(r.extent_start, g->mfns);
	rc = guest_call(dom0->vcpus[0], __HYPERVISOR_memory_op, XENMEM_populate_physmap, U(&r));
	return rc == (long)g->pages ? 0 : rc < 0 ? rc : -ENOMEM;
}

static u64 *table_at(const struct tool_guest *g, unsigned int from_end)
{
	return hw_frame_map(mfn_make(g->mfns[g->pages - from_end]));
}

/* Level n is page pages - (5 - n). */
static long tables_make(const struct tool_guest *g)
{
	const u64 rights = PTE_PRESENT | PTE_RW | PTE_USER;
	struct mmuext_op pin = {.cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = g->mfns[g->pages - 1]};

	for (unsigned int level = 4; level > 1; level--)
		table_at(g, 5 - level)[pte_index(BUILD_VIRT_BASE, level)] = pte_make(
			mfn_make(g->mfns[g->pages - (6 - level)]), rights);
	for (unsigned int i = 0; i < g->pages - TABLES; i++)
		table_at(g, 4)[pte_index(guest_va(i), 1)] = pte_make(mfn_make(g->mfns[i]), rights);
	return guest_call(dom0->vcpus[0], __HYPERVISOR_mmuext_op, U(&pin), 1, 0, g->id);
}

static long context_give(const struct tool_guest *g)
{
	static struct vcpu_guest_context ctx;
	struct xen_domctl op = {.u.vcpucontext.vcpu = 0};

	memset(&ctx, 0, sizeof(ctx));
	ctx.flags = VGCF_in_kernel | VGCF_online;
	ctx.user_regs.rip = guest_va(0) + KERNEL;
	ctx.user_regs.rsp = guest_va(2);
	ctx.user_regs.rflags = 0x200;
	ctx.user_regs.cs = FLAT_KERNEL_CS;
	ctx.user_regs.ss = FLAT_KERNEL_SS;
	ctx.kernel_sp = guest_va(2);
	ctx.kernel_ss = FLAT_KERNEL_SS;
	ctx.event_callback_eip = guest_va(0) + 0x800;
	ctx.failsafe_callback_eip = guest_va(0) + 0x810;
	ctx.syscall_callback_eip = guest_va(0) + 0x820;
	for (unsigned int i = 0; i < 256; i++)
		ctx.trap_ctxt[i] = (struct trap_info){.vector = (u8)i,
						      .flags = 3,
						      .cs = FLAT_KERNEL_CS,
						      .address = guest_va(0) + 0x400 + 4 * i};
	ctx.ctrlreg[3] = g->mfns[g->pages - 1] << PAGE_SHIFT;
	set_xen_guest_handle(op.u.vcpucontext.ctxt, &ctx);
	return tool_domctl(XEN_DOMCTL_setvcpucontext, g->id, &op);
}

long tool_build(struct tool_guest *g, unsigned int vcpus, unsigned int pages)
{
	struct xen_domctl op = tool_create_arguments(vcpus);
	long rc = tool_domctl(XEN_DOMCTL_createdomain, tool_id, &op);

	if (rc)
		return rc;
	*g = (struct tool_guest){.id = op.domain, .vcpus = vcpus, .pages = pages};
	g->d = domain_get_by_id(g->id);
	domain_put(g->d);
	op.u.max_vcpus.max = vcpus;
	rc = tool_domctl(XEN_DOMCTL_max_vcpus, g->id, &op);
	if (!rc)
		rc = memory_give(g);
	if (!rc)
		rc = tables_make(g);
	if (!rc)
		g->d->shared->wc_sec = 0; /* libxc clears the whole page */
	return rc ? rc : context_give(g);
}

void tool_run(struct tool_guest *g)
{
	struct xen_domctl op = {0};
	struct cpumask last = {{BIT(cpu_count - 1)}};
	long rc = sched_affinity_set(g->d->vcpus[0], &last, NULL, false);

	if (!rc)
		rc = tool_domctl(XEN_DOMCTL_unpausedomain, g->id, &op);
	if (rc || machine_current(cpu_count - 1) != g->d->vcpus[0])
		die("the guest does not run", rc);
	g->d->vcpus[0]->info->evtchn_upcall_mask = 1;
}

void tool_destroy(struct tool_guest *g)
{
	struct xen_domctl op = {0};
	long rc = tool_domctl(XEN_DOMCTL_destroydomain, g->id, &op);

	if (rc || tool_exists(g->id))
		die("the guest is still there", rc);
	g->d = NULL;
}

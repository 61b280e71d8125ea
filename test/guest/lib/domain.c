/* SPDX-License-Identifier: MIT */
/*
 * A second domain for tests: made by the calls that libxc makes, with a copy of this very image at the same places, started at
 * _start like the first. Its maker maps one page of it; what it prints goes there.
 *
 *	pfn 256 ..	the image		then p2m list (2), start_info, L4, L3, L2, two L1s, stack; the rest is free
 */
#define __XEN_TOOLS__ 1
#include "guest.h"

#include <xen/domctl.h>
#include <xen/sysctl.h>

#define P2M_PAGES   (CHILD_PAGES * 8 / PAGE_SIZE)
#define TABLE_PAGES 5u

extern char data_start[], data_end[], bss_start[], image_end[], _start[];
struct child_shared child_shared __attribute__((aligned(4096)));
static char data_copy[16384];
u32 child_port_max = ~0u, child_vcpus = 2, child_grant_frames = 4;

__attribute__((weak)) void child_main(void)
{
}

void child_image_keep(void)
{
	if ((u64)(data_end - data_start) > sizeof(data_copy))
		fatal("image's data are too large to be kept");
	memcpy(data_copy, data_start, (size_t)(data_end - data_start));
}

/* ---- as the child */

void child_write(const char *text, u32 len)
{
	struct child_shared *s = &child_shared;

	if (s->log_used + len <= sizeof(s->log)) {
		memcpy(s->log + s->log_used, text, len);
		s->log_used += len;
	}
}

void sleep_ns(u64 ns)
{
	struct sched_poll poll = {.timeout = time_ns() + ns};

	schedop(SCHEDOP_poll, &poll);
}

void child_step(void)
{
	u32 step = ++child_shared.step;

	while (ACCESS(child_shared.allowed) < step)
		sleep_ns(200000);
}

/* ---- as its maker */

long domctl(u32 cmd, domid_t id, struct xen_domctl *op)
{
	op->cmd = cmd;
	op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	op->domain = id;
	return hypercall(domctl, op);
}

long sysctl(u32 cmd, struct xen_sysctl *op)
{
	op->cmd = cmd;
	op->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	return hypercall(sysctl, op);
}

void audit(void)
{
	struct xen_sysctl op = {0};
	char key = 'a';

	op.u.debug_keys.keys.p = &key;
	op.u.debug_keys.nr_keys = 1;
	if (on_mica())
		sysctl(XEN_SYSCTL_debug_keys, &op);
}

void *foreign_map(domid_t id, u64 mfn, u64 flags, long *rc)
{
	void *va = page_alloc();

	*rc = hypercall(update_va_mapping_otherdomain, va, (mfn << 12) | flags, UVMF_INVLPG, id);
	if (*rc == 0)
		return va;
	page_free(va);
	return NULL;
}

void foreign_unmap(void *va)
{
	page_protect(va, PTE_RW);
	page_free(va);
}

static void *child_map(struct child *c, u64 pfn)
{
	long rc;
	void *va = foreign_map(c->id, c->p2m[pfn], PTE_RW, &rc);

	if (!va)
		fatal("child's page %lx cannot be mapped: %ld", pfn, rc);
	return va;
}

static void must(long rc, const char *what)
{
	if (rc)
		fatal("%s: %ld", what, rc);
}

static void create(struct child *c)
{
	struct xen_domctl op = {0};
	struct xen_memory_reservation r = {.nr_extents = CHILD_PAGES};

	op.u.createdomain.max_vcpus = child_vcpus;
	op.u.createdomain.max_evtchn_port = child_port_max;
	op.u.createdomain.max_grant_frames = child_grant_frames;
	op.u.createdomain.max_maptrack_frames = 4;
	op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(1);
	must(domctl(XEN_DOMCTL_createdomain, 0, &op), "createdomain");
	c->id = op.domain;
	op.u.max_vcpus.max = child_vcpus;
	must(domctl(XEN_DOMCTL_max_vcpus, c->id, &op), "max_vcpus");
	op.u.max_mem.max_memkb = CHILD_PAGES * 4;
	must(domctl(XEN_DOMCTL_max_mem, c->id, &op), "max_mem");
	for (u64 i = 0; i < CHILD_PAGES; i++)
		c->p2m[i] = i;
	r.domid = c->id;
	r.extent_start.p = (void *)c->p2m;
	if (memop(XENMEM_populate_physmap, &r) != CHILD_PAGES)
		fatal("child's memory");
}

static void image_copy(struct child *c)
{
	for (u64 va = (u64)_start & ~(PAGE_SIZE - 1); va < (u64)image_end; va += PAGE_SIZE) {
		char *to = child_map(c, pfn_of((void *)va));

		if (va >= (u64)bss_start)
			memset(to, 0, PAGE_SIZE);
		else if (va >= (u64)data_start)
			memcpy(to, data_copy + (va - (u64)data_start), PAGE_SIZE);
		else
			memcpy(to, (void *)va, PAGE_SIZE);
		foreign_unmap(to);
	}
}

/* The L4 first, then L3, L2, L1, L1: one to one from VIRT_BASE, the tables themselves read-only. */
static void tables_make(struct child *c, u64 first)
{
	u64 *l4 = child_map(c, first), *l3 = child_map(c, first + 1), *l2 = child_map(c, first + 2);

	l4[511] = (c->p2m[first + 1] << 12) | PTE_RW;
	l3[510] = (c->p2m[first + 2] << 12) | PTE_RW;
	for (u64 i = 0; i < 2; i++) {
		u64 *l1 = child_map(c, first + 3 + i);

		l2[i] = (c->p2m[first + 3 + i] << 12) | PTE_RW;
		for (u64 j = 0; j < 512; j++) {
			u64 pfn = i * 512 + j;
			bool is_table = pfn >= first && pfn < first + TABLE_PAGES;

			l1[j] = (c->p2m[pfn] << 12) | (is_table ? PTE_RO : PTE_RW);
		}
		foreign_unmap(l1);
	}
	foreign_unmap(l4);
	foreign_unmap(l3);
	foreign_unmap(l2);
}

static void start_info_fill(struct child *c, u64 p2m_pfn, u64 shared_frame)
{
	struct start_info *info = child_map(c, p2m_pfn + P2M_PAGES);

	memcpy(info->magic, start_info->magic, sizeof(info->magic));
	info->nr_pages = CHILD_PAGES;
	info->shared_info = shared_frame << 12;
	info->pt_base = (u64)va_of(p2m_pfn + P2M_PAGES + 1);
	info->nr_pt_frames = TABLE_PAGES;
	info->mfn_list = (u64)va_of(p2m_pfn);
	foreign_unmap(info);
	for (u64 i = 0; i < P2M_PAGES; i++) {
		void *list = child_map(c, p2m_pfn + i);

		memcpy(list, c->p2m + i * 512, PAGE_SIZE);
		foreign_unmap(list);
	}
}

static void pin(struct child *c, u64 pfn)
{
	struct mmuext_op op = {.cmd = MMUEXT_PIN_L4_TABLE};

	op.arg1.mfn = c->p2m[pfn];
	must(hypercall(mmuext_op, &op, 1, NULL, c->id), "pin of the child's root");
}

static void context_set(struct child *c, u64 info_pfn)
{
	static struct vcpu_guest_context ctx;
	struct xen_domctl op = {0};

	memset(&ctx, 0, sizeof(ctx));
	ctx.flags = VGCF_in_kernel | VGCF_online;
	ctx.user_regs.rip = (u64)_start;
	ctx.user_regs.rsp = ctx.kernel_sp = (u64)va_of(info_pfn + 1 + TABLE_PAGES + 1);
	ctx.user_regs.rsi = (u64)va_of(info_pfn);
	ctx.user_regs.rflags = 1 << 9;
	ctx.user_regs.cs = FLAT_KERNEL_CS;
	ctx.user_regs.ss = ctx.kernel_ss = FLAT_KERNEL_SS;
	ctx.user_regs.ds = ctx.user_regs.es = FLAT_KERNEL_DS;
	ctx.ctrlreg[3] = c->p2m[info_pfn + 1] << 12;
	op.u.vcpucontext.ctxt.p = &ctx;
	must(domctl(XEN_DOMCTL_setvcpucontext, c->id, &op), "setvcpucontext");
}

static void channel_make(struct child *c)
{
	struct evtchn_alloc_unbound unbound = {.dom = c->id, .remote_dom = 0};
	struct evtchn_bind_interdomain bind = {.remote_dom = c->id};

	must(evtchn(EVTCHNOP_alloc_unbound, &unbound), "child's port");
	bind.remote_port = c->shared->port = unbound.port;
	must(evtchn(EVTCHNOP_bind_interdomain, &bind), "child's port, our end");
	c->port = bind.local_port;
}

struct child *child_make(void)
{
	static struct child children[4];
	static unsigned int count;
	struct child *c = &children[count++ % ARRAY_SIZE(children)];
	struct xen_domctl op = {0};
	u64 p2m_pfn = pfn_of(image_end), info_pfn = p2m_pfn + P2M_PAGES;

	create(c);
	must(domctl(XEN_DOMCTL_getdomaininfo, c->id, &op), "getdomaininfo");
	image_copy(c);
	start_info_fill(c, p2m_pfn, op.u.getdomaininfo.shared_info_frame);
	tables_make(c, info_pfn + 1);
	pin(c, info_pfn + 1);
	context_set(c, info_pfn);
	for (u64 i = 0; i < CHILD_PAGES; i++)
		must(mmu_update_dom((c->p2m[i] << 12) | MMU_MACHPHYS_UPDATE, i, c->id), "M2P");
	c->shared = child_map(c, pfn_of(&child_shared));
	channel_make(c);
	return c;
}

long child_run(struct child *c)
{
	struct xen_domctl op = {0};

	return domctl(XEN_DOMCTL_unpausedomain, c->id, &op);
}

static bool is_down(struct child *c)
{
	struct xen_domctl op = {0};

	return domctl(XEN_DOMCTL_getdomaininfo, c->id, &op) || op.domain != c->id ||
	       op.u.getdomaininfo.flags & (XEN_DOMINF_shutdown | XEN_DOMINF_dying);
}

bool child_wait(struct child *c, u32 step)
{
	while (ACCESS(c->shared->step) < step) {
		if (is_down(c))
			return false;
		sleep_ns(200000);
	}
	return true;
}

void child_allow(struct child *c, u32 step)
{
	ACCESS(c->shared->allowed) = step;
}

void child_end(struct child *c)
{
	struct xen_domctl op = {0};

	child_allow(c, ~0u);
	while (!is_down(c))
		sleep_ns(500000);
	for (u32 at = 0, begin = 0; at < c->shared->log_used; at++)
		if (c->shared->log[at] == '\n') {
			c->shared->log[at] = 0;
			child_line(c->shared->log + begin);
			begin = at + 1;
		}
	foreign_unmap(c->shared);
	port_close(c->port);
	must(domctl(XEN_DOMCTL_destroydomain, c->id, &op), "destroydomain");
}

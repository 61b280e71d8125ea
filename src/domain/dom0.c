/* SPDX-License-Identifier: MIT */
/*
 * Domain 0, built by hand from an ELF kernel and an initial ramdisk, as the public xen.h ("start-of-day") and the kernel's
 * notes demand. Reached from boot/ once; calls mm, pv, sched. No lock: nothing runs yet.
 *
 * Pseudo-physical memory, and the virtual region that maps it one to one from virt_base:
 *	0 ..		nothing yet		kernel's own use
 *	kernel		its segments
 *	(initrd		here only without MOD_START_PFN)
 *	(p2m list	here only without INIT_P2M)
 *	start_info	with the VGA information
 *	page tables	of this region, read-only
 *	stack		one page; then padding of 512 KiB at least, to 4 MiB
 * behind the region, not mapped by it:
 *	initrd		the loader's own frames, if the kernel takes a pfn (MOD_START_PFN)
 *	p2m list	at INIT_P2M, followed by the tables that map it there
 */
#include "core/log.h"
#include "domain/domain.h"
#include "gnttab/gnttab.h"
#include "hw/asm.h"
#include "hw/layout.h"
#include "hw/mem.h"
#include "hw/paging.h"
#include "hw/uart.h"
#include "irq/irq.h"
#include "lib/rangeset.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "pv/pv.h"
#include "sched/sched.h"
#include "time/time.h"
#include <xen/elfnote.h>

#define PTE_TABLE      (PTE_PRESENT | PTE_RW | PTE_USER | PTE_ACCESSED | PTE_DIRTY)
#define PTE_DATA       (PTE_PRESENT | PTE_RW | PTE_ACCESSED | PTE_DIRTY)
#define PTE_READONLY   (PTE_PRESENT | PTE_ACCESSED | PTE_DIRTY)
#define REGION_ALIGN   (4ull << 20)
#define REGION_PADDING (512ull << 10)

struct build {
	const struct dom0_plan *plan;
	struct domain *d;
	u64 base;	    /* virt_base */
	u64 pages;	    /* all of Domain 0 */
	u64 *p2m_page_mfns; /* mfn of each page of the list */
	u64 kernel_end, initrd_va, p2m_va, info_va, tables_va, stack_va, region_end; /* virtual */
	u64 table_count;
	u64 initrd_pfn, initrd_frames;
	u64 p2m_pfn, p2m_frames, p2m_tables, p2m_tables_used;
	u64 tables_used;
};

static u64 frames_for(u64 bytes)
{
	return (bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;
}

static u64 region_pfn(const struct build *b, u64 va)
{
	return (va - b->base) >> PAGE_SHIFT;
}

/* The machine frame of a pfn; the list itself is found through p2m_page_mfns. */
static u64 *p2m_slot(const struct build *b, u64 pfn)
{
	return (u64 *)hw_frame_map(mfn_make(b->p2m_page_mfns[pfn / 512])) + pfn % 512;
}

static mfn_t pfn_to_mfn(const struct build *b, u64 pfn)
{
	return mfn_make(*p2m_slot(b, pfn));
}

static void *pfn_map(const struct build *b, u64 pfn)
{
	return hw_frame_map(pfn_to_mfn(b, pfn));
}

/* ---------------------------------------------------------------- plan */

static u64 tables_for(u64 start, u64 end)
{
	u64 count = 1; /* L4 */

	for (unsigned int shift = 21; shift <= 39; shift += 9)
		count += ((end - 1) >> shift) - (start >> shift) + 1;
	return count;
}

/* Whole pages, canonical, not Mica's. */
static bool range_is_guest(u64 start, u64 end)
{
	return (start & (PAGE_SIZE - 1)) == 0 && start < end &&
	       (end <= BIT(47) || (start >= LAYOUT_END && end >= LAYOUT_END));
}

static void layout(struct build *b)
{
	const struct xen_notes *notes = &b->plan->kernel->notes;
	u64 p2m_bytes = b->pages * 8, at = ROUND_UP(b->plan->kernel->virt_end, PAGE_SIZE);
	bool p2m_apart = xen_notes_has(notes, XEN_ELFNOTE_INIT_P2M);
	bool initrd_apart = notes->mod_start_pfn != 0;
	u64 needed;

	b->base = notes->virt_base;
	b->kernel_end = at;
	b->initrd_frames = frames_for(b->plan->initrd_end - b->plan->initrd_start);
	if (!initrd_apart) {
		b->initrd_va = at;
		at += b->initrd_frames << PAGE_SHIFT;
	}
	if (p2m_apart) {
		b->p2m_va = notes->init_p2m;
		b->p2m_tables = tables_for(b->p2m_va, b->p2m_va + p2m_bytes) - 1;
	} else {
		b->p2m_va = at;
		at += ROUND_UP(p2m_bytes, PAGE_SIZE);
	}
	b->p2m_frames = frames_for(p2m_bytes);
	b->info_va = at;
	b->tables_va = at + PAGE_SIZE;
	/* The tables lie in the region that they map: look for the smallest count that fits. */
	for (b->table_count = 4;; b->table_count++) {
		b->stack_va = b->tables_va + b->table_count * PAGE_SIZE;
		b->region_end = ROUND_UP(b->stack_va + PAGE_SIZE + REGION_PADDING, REGION_ALIGN);
		if (tables_for(b->base, b->region_end) <= b->table_count)
			break;
	}
	if (!range_is_guest(b->base, b->region_end) ||
	    (p2m_apart && (!range_is_guest(b->p2m_va, b->p2m_va + p2m_bytes) ||
			   (b->p2m_va < b->region_end && b->base < b->p2m_va + p2m_bytes))))
		panic("Domain 0: kernel at %lx or list of frames at %lx is no place for them",
		      b->base, b->p2m_va);
	b->initrd_pfn = region_pfn(b, initrd_apart ? b->region_end : b->initrd_va);
	needed = region_pfn(b, b->region_end) + (initrd_apart ? b->initrd_frames : 0);
	b->p2m_pfn = p2m_apart ? needed : region_pfn(b, b->p2m_va);
	needed += p2m_apart ? b->p2m_frames + b->p2m_tables : 0;
	if (needed > b->pages)
		panic("Domain 0: kernel, initrd and tables need %lu MiB, dom0_mem gives %lu MiB",
		      (needed + 255) >> 8, b->pages >> 8);
}

/* ---------------------------------------------------------------- memory */

static void own(struct build *b, mfn_t mfn, unsigned int order, u64 pfn)
{
	if (mm_domain_assign(b->d, mfn, order) != 0)
		panic("Domain 0: frame %lx cannot be assigned", mfn_num(mfn));
	m2p_set_run(mfn, 1u << order, pfn);
	for (u64 i = 0; i < 1ull << order; i++)
		*p2m_slot(b, pfn + i) = mfn_num(mfn) + i;
}

static void p2m_list_alloc(struct build *b)
{
	b->p2m_page_mfns = heap_alloc(b->p2m_frames * sizeof(u64));
	if (b->p2m_page_mfns == NULL)
		panic("Domain 0: no memory for the list of frames");
	for (u64 i = 0; i < b->p2m_frames; i++) {
		mfn_t mfn = frame_alloc(0, 0);

		if (mfn_is_none(mfn))
			panic("Domain 0: dom0_mem is larger than the machine");
		b->p2m_page_mfns[i] = mfn_num(mfn);
		memset(hw_frame_map(mfn), 0xff, PAGE_SIZE);
	}
}

/* Fresh frames for [pfn, end), in pieces as large as alignment allows. */
static void populate(struct build *b, u64 pfn, u64 end)
{
	unsigned int order = 9;

	while (pfn < end) {
		mfn_t mfn;

		while (order > 0 &&
		       ((pfn & ((1ull << order) - 1)) != 0 || pfn + (1ull << order) > end))
			order--;
		mfn = frame_alloc(order, 0);
		if (mfn_is_none(mfn)) {
			if (order == 0)
				panic("Domain 0: dom0_mem is larger than the machine");
			order--;
			continue;
		}
		own(b, mfn, order, pfn);
		pfn += 1ull << order;
		if (order < 9)
			order = 9;
	}
}

/* Fresh frames for what has none yet of [pfn, end): the initrd and the list bring their own. */
static void populate_around(struct build *b, u64 pfn, u64 end)
{
	while (pfn < end) {
		u64 next = end;

		if (pfn == b->initrd_pfn && b->initrd_frames != 0) {
			pfn += b->initrd_frames;
			continue;
		}
		if (pfn == b->p2m_pfn) {
			pfn += b->p2m_frames;
			continue;
		}
		if (b->initrd_pfn > pfn && b->initrd_frames != 0)
			next = MIN(next, b->initrd_pfn);
		if (b->p2m_pfn > pfn)
			next = MIN(next, b->p2m_pfn);
		populate(b, pfn, next);
		pfn = next;
	}
}

/* What is needed to load the kernel: the frames that exist already, and the region. */
static void memory_give_first(struct build *b)
{
	u64 first_initrd = b->plan->initrd_start >> PAGE_SHIFT;

	p2m_list_alloc(b);
	for (u64 i = 0; i < b->initrd_frames; i++)
		own(b, mfn_make(first_initrd + i), 0, b->initrd_pfn + i);
	for (u64 i = 0; i < b->p2m_frames; i++)
		own(b, mfn_make(b->p2m_page_mfns[i]), 0, b->p2m_pfn + i);
	populate_around(b, 0, region_pfn(b, b->region_end));
}

static void memory_give_rest(struct build *b)
{
	populate_around(b, region_pfn(b, b->region_end), b->pages);
}

/* ---------------------------------------------------------------- contents */

static void pfn_write(struct build *b, u64 gpaddr, const u8 *from, u64 bytes, u64 zero)
{
	while (bytes + zero != 0) {
		u64 offset = gpaddr & (PAGE_SIZE - 1), room = PAGE_SIZE - offset;
		u64 data = MIN(bytes, room), blank = MIN(zero, room - data);
		u8 *to = (u8 *)pfn_map(b, gpaddr >> PAGE_SHIFT) + offset;

		if (data != 0)
			memcpy(to, from, data);
		if (blank != 0)
			memset(to + data, 0, blank);
		from += data;
		bytes -= data;
		zero -= blank;
		gpaddr += data + blank;
	}
}

static void kernel_load(struct build *b)
{
	const struct elf_image *kernel = b->plan->kernel;

	for (unsigned int i = 0; i < kernel->segment_count; i++) {
		const struct elf_segment *segment = &kernel->segment[i];

		pfn_write(b, segment->gpaddr, elf_segment_data(kernel, segment), segment->filesz,
			  segment->memsz - segment->filesz);
	}
}

static void hypercall_page_fill(struct build *b)
{
	u64 va = b->plan->kernel->notes.hypercall_page;

	if (!xen_notes_has(&b->plan->kernel->notes, XEN_ELFNOTE_HYPERCALL_PAGE))
		return; /* it makes its calls by itself */
	if (va < b->base || va >= b->kernel_end || (va & (PAGE_SIZE - 1)) != 0)
		panic("Domain 0: hypercall page %lx is not in the kernel", va);
	pv_hypercall_page_fill(pfn_map(b, region_pfn(b, va)));
}

/* ---------------------------------------------------------------- start-of-day page tables */

static u64 table_new(struct build *b, bool is_p2m_part)
{
	u64 pfn = is_p2m_part ? b->p2m_pfn + b->p2m_frames + b->p2m_tables_used++
			      : region_pfn(b, b->tables_va) + b->tables_used++;

	BUG_ON(is_p2m_part ? b->p2m_tables_used > b->p2m_tables : b->tables_used > b->table_count);
	memset(pfn_map(b, pfn), 0, PAGE_SIZE);
	return pfn;
}

static void map_page(struct build *b, u64 va, u64 pfn, u64 flags, bool is_p2m_part)
{
	u64 *table = pfn_map(b, region_pfn(b, b->tables_va));

	for (unsigned int level = 4; level > 1; level--) {
		u64 *entry = &table[pte_index(va, level)];

		if (*entry == 0)
			*entry = pte_make(pfn_to_mfn(b, table_new(b, is_p2m_part)), PTE_TABLE);
		table = hw_frame_map(pte_mfn(*entry));
	}
	table[pte_index(va, 1)] = pte_make(pfn_to_mfn(b, pfn), flags);
}

static void tables_make(struct build *b)
{
	u64 tables_end = b->tables_va + b->table_count * PAGE_SIZE;

	(void)table_new(b, false); /* the L4 */
	for (u64 va = b->base; va < b->region_end; va += PAGE_SIZE) {
		bool is_table = va >= b->tables_va && va < tables_end;

		map_page(b, va, region_pfn(b, va), is_table ? PTE_READONLY : PTE_DATA, false);
	}
	for (; b->tables_used < b->table_count;)
		(void)table_new(b, false);
	if (b->p2m_tables == 0)
		return;
	for (u64 i = 0; i < b->p2m_frames; i++)
		map_page(b, b->p2m_va + i * PAGE_SIZE, b->p2m_pfn + i, PTE_DATA, true);
}

static void tables_pin(struct build *b)
{
	mfn_t root = pfn_to_mfn(b, region_pfn(b, b->tables_va));
	int rc;

	do
		rc = pt_pin(b->d, root, 4);
	while (rc == -ERESTART);
	if (rc != 0)
		panic("Domain 0: its own page tables are refused (%d)", rc);
}

/* ---------------------------------------------------------------- start_info */

static void start_info_fill(struct build *b)
{
	struct start_info *info = pfn_map(b, region_pfn(b, b->info_va));

	memset(info, 0, PAGE_SIZE);
	str_copy(info->magic, sizeof(info->magic), "xen-3.0-x86_64");
	info->nr_pages = b->pages;
	info->shared_info = mfn_num(b->d->shared_mfn) << PAGE_SHIFT;
	info->flags = SIF_PRIVILEGED | SIF_INITDOMAIN;
	info->pt_base = b->tables_va;
	info->nr_pt_frames = b->table_count;
	info->mfn_list = b->p2m_va;
	info->first_p2m_pfn = b->p2m_pfn;
	info->nr_p2m_frames = b->p2m_frames + b->p2m_tables;
	if (b->initrd_frames != 0) {
		if (b->initrd_va == 0)
			info->flags |= SIF_MOD_START_PFN;
		info->mod_start = b->initrd_va != 0 ? b->initrd_va : b->initrd_pfn;
		info->mod_len = b->plan->initrd_end - b->plan->initrd_start;
	}
	str_copy((char *)info->cmd_line, sizeof(info->cmd_line), b->plan->cmdline);
	info->console.dom0.info_off = sizeof(*info);
	info->console.dom0.info_size = (u32)b->plan->video_bytes;
	if (b->plan->video_bytes != 0)
		memcpy((u8 *)info + sizeof(*info), b->plan->video, b->plan->video_bytes);
}

/* ---------------------------------------------------------------- rights and registers */

static void rights_give(struct domain *d)
{
	u64 frames = (hw_paddr_mask >> PAGE_SHIFT) + 1;
	int rc = rangeset_add(d->iomem_allowed, 0, frames - 1) ?:
		 rangeset_add(d->ioport_allowed, 0, 0xffff) ?:
		 rangeset_add(d->irq_allowed, 0, 0xffff) ?: irq_iomem_deny(d->iomem_allowed) ?:
		 irq_ports_deny(d->ioport_allowed);

	if (rc == 0 && hw_uart_port() != 0)
		rc = rangeset_remove(d->ioport_allowed, hw_uart_port(), hw_uart_port() + 7u);
	if (rc != 0)
		panic("Domain 0: its rights cannot be set (%d)", rc);
	pv_ports_changed(d);
}

static void vcpu_start(struct build *b)
{
	struct vcpu *v = b->d->vcpus[0];
	static struct vcpu_guest_context ctx;
	int rc;

	ctx.flags = VGCF_in_kernel;
	ctx.user_regs.rip = b->plan->kernel->notes.entry;
	ctx.user_regs.rsp = b->stack_va + PAGE_SIZE;
	ctx.user_regs.rsi = b->info_va;
	ctx.user_regs.rflags = RFLAGS_IF;
	ctx.user_regs.cs = FLAT_KERNEL_CS;
	ctx.user_regs.ss = FLAT_KERNEL_SS;
	ctx.user_regs.ds = FLAT_KERNEL_DS;
	ctx.user_regs.es = FLAT_KERNEL_DS;
	ctx.kernel_sp = b->stack_va + PAGE_SIZE;
	ctx.kernel_ss = FLAT_KERNEL_SS;
	ctx.ctrlreg[3] = mfn_num(pfn_to_mfn(b, region_pfn(b, b->tables_va))) << PAGE_SHIFT;
	rc = pv_context_set(v, &ctx);
	if (rc != 0)
		panic("Domain 0: its first vCPU is refused (%d)", rc);
	v->is_initialised = true;
	v->is_down = false;
	time_vcpu_update(v);
	time_vcpu_start(v);
	vcpu_wake(v);
}

static struct build building;

void domain_dom0_prepare(const struct dom0_plan *plan)
{
	const struct domain_config config = {
		.vcpu_count = plan->vcpu_count,
		.pages_max = plan->bytes_max >> PAGE_SHIFT,
		.evtchn_port_max = ~0u,
		.grant_frames_max = GNTTAB_FRAMES_DEFAULT,
		.maptrack_frames_max = GNTTAB_MAPTRACK_DEFAULT,
		.is_privileged = true,
	};
	struct build *b = &building;
	int rc;

	b->plan = plan;
	b->pages = plan->bytes >> PAGE_SHIFT;
	b->d = domain_create(0, &config, &rc);
	if (b->d == NULL)
		panic("Domain 0 cannot be created (%d)", rc);
	layout(b);
	memory_give_first(b);
	kernel_load(b);
	hypercall_page_fill(b);
}

void domain_dom0_build(void)
{
	struct build *b = &building;
	int rc;

	memory_give_rest(b);
	start_info_fill(b);
	tables_make(b);
	tables_pin(b);
	rights_give(b->d);
	log_info("Domain 0: %lu MiB, %u vCPUs, kernel %lx..%lx, entry %lx", b->pages >> 8,
		 b->d->vcpu_max, b->base, b->kernel_end, b->plan->kernel->notes.entry);
	rc = domain_list_add(b->d);
	BUG_ON(rc != 0);
	dom0 = b->d;
	vcpu_start(b);
	heap_free(b->p2m_page_mfns);
}

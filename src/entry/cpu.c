/* SPDX-License-Identifier: MIT */
/*
 * What a CPU needs to take traps: its alias of the entry text with the data page behind, descriptor tables, system-call
 * registers, control registers. Reached from boot/ on each CPU; calls mm for pages. No lock.
 */
#include "core/err.h"
#include "core/trace.h"
#include "entry/entry.h"
#include "entry/entry_cpu.h"
#include "hw/asm.h"
#include "hw/features.h"
#include "hw/io.h"
#include "hw/mem.h"
#include "hw/paging.h"
#include "hw/start.h"
#include "lib/abi.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "pv/pv.h"

#define ENTRY_ALIAS_BASE   (LAYOUT_CPUS + 0x100000000ull)
#define ENTRY_ALIAS_STRIDE 0x10000ull

#define GDT_INDEX(selector) (((selector) >> 3) - FIRST_RESERVED_GDT_ENTRY)
#define MICA_CS		    0xe008
#define MICA_DS		    0xe010
#define MICA_TSS	    0xe040
#define MICA_LDT	    0xe050

#define IST_COUNT 4

struct idt_gate {
	u16 offset_low, selector;
	u8 ist, type;
	u16 offset_mid;
	u32 offset_high, zero;
};

struct tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3, iomap;
} PACKED;

extern char entry_text_start[], entry_text_end[], entry_stubs[], entry_syscall[], entry_syscall32[];
extern const u64 entry_resume_offset;
void entry_guest_start(u64 resume);
void entry_stack_reset(u64 stack, void (*fn)(void));

static void *page_or_panic(void)
{
	mfn_t mfn = frame_alloc(0, FRAME_ZERO);

	if (mfn_is_none(mfn))
		panic("no memory for CPU %u", cpu_id());
	return hw_frame_map(mfn);
}

static u64 alias_of(const void *symbol)
{
	return ENTRY_ALIAS_BASE + hw_this_cpu()->id * ENTRY_ALIAS_STRIDE +
	       ((u64)symbol - (u64)entry_text_start);
}

/*
 * Behind the alias of the entry text lie the pages that the stubs or the CPU itself use: the data page, the IDT, the TSS, and the
 * one bitmap of ports. They and the IST stacks are all of Mica that stays mapped under page-table isolation.
 */
enum { ALIAS_DATA, ALIAS_IDT, ALIAS_TSS, ALIAS_PORTS, ALIAS_PAGES = ALIAS_PORTS + 2 };
#define TSS_BYTES \
	(PAGE_SIZE + sizeof(pv_io_bitmap)) /* the bitmap begins a page behind it (hw_io_open) */

static u64 alias_page(unsigned int page)
{
	return alias_of(entry_text_end) + page * PAGE_SIZE;
}

static void alias_page_map(unsigned int page, const void *at)
{
	paging_map(alias_page(page), mfn_num(hw_virt_to_mfn(at)) << PAGE_SHIFT, PAGE_SIZE,
		   MAP_DATA);
}

static void shown_when_isolating(const struct cpu *cpu)
{
	paging_show(alias_of(entry_text_start), (u64)(entry_text_end - entry_text_start), MAP_TEXT);
	paging_show(alias_page(0), ALIAS_PAGES * PAGE_SIZE, MAP_DATA);
	for (unsigned int ist = 0; ist < IST_COUNT; ist++)
		paging_show((u64)cpu + (2 * ist + 2) * PAGE_SIZE, PAGE_SIZE, MAP_DATA);
}

static void alias_map(struct cpu *cpu)
{
	struct entry_cpu *data = page_or_panic();

	paging_map(alias_of(entry_text_start), (u64)entry_text_start - LAYOUT_IMAGE,
		   (u64)(entry_text_end - entry_text_start), MAP_TEXT);
	alias_page_map(ALIAS_DATA, data);
	data->root = paging_root_maddr();
	data->stack = (u64)cpu + CPU_BLOCK_SIZE;
	data->trap_guest = entry_trap_guest;
	data->trap_own = entry_trap_own;
	data->trap_ist = entry_trap_ist;
	data->hypercall = opt_trace_calls || opt_entry_limit ? entry_hypercall_watched
							     : entry_hypercall;
	data->hypercall_leave = run_exit;
	data->bounce_fault = entry_bounce_fault;
	data->data_selector = MICA_DS;
	cpu->entry = data;
}

static void system_descriptor(u64 *at, u64 base, u32 limit, u64 type)
{
	at[0] = (limit & 0xffff) | (base & 0xffffff) << 16 | type << 40 |
		0x8000000000000000ull >> 16 | (u64)(limit >> 16 & 0xf) << 48 |
		(base >> 24 & 0xff) << 56;
	at[1] = base >> 32;
}

/* While no vCPU is loaded: the reserved page alone, at the place where selectors expect it, and no LDT. */
void entry_gdt_reset(void)
{
	hw_lgdt((u8 *)hw_this_cpu()->gdt - FIRST_RESERVED_GDT_BYTE, 0xffff);
	hw_lldt(0);
}

static void gdt_make(struct cpu *cpu)
{
	u64 *gdt = page_or_panic();

	gdt[GDT_INDEX(MICA_CS)] = 0x00af9b000000ffff;
	gdt[GDT_INDEX(MICA_DS)] = 0x00cf93000000ffff;
	gdt[GDT_INDEX(FLAT_RING3_CS32)] = 0x00cffb000000ffff;
	gdt[GDT_INDEX(FLAT_RING3_DS32)] = 0x00cff3000000ffff;
	gdt[GDT_INDEX(FLAT_RING3_CS64)] = 0x00affb000000ffff;
	system_descriptor(&gdt[GDT_INDEX(MICA_TSS)], alias_page(ALIAS_TSS), TSS_BYTES - 1, 9);
	cpu->gdt = gdt;
	cpu->gdt_mfn = hw_virt_to_mfn(gdt);
	entry_gdt_reset();
}

static void tss_make(struct cpu *cpu)
{
	struct tss *tss = page_or_panic();

	/* The block: structure, then guarded IST stacks of a page at pages 2, 4, 6, 8, then the main stack from page 10 on. */
	for (unsigned int ist = 0; ist < IST_COUNT; ist++)
		tss->ist[ist] = (u64)cpu + (u64)(2 * ist + 3) * PAGE_SIZE;
	tss->rsp[0] = (u64)cpu + CPU_BLOCK_SIZE;
	cpu->tss = tss;
	hw_io_open(false);
	alias_page_map(ALIAS_TSS, tss);
	paging_map(alias_page(ALIAS_PORTS), (u64)pv_io_bitmap - LAYOUT_IMAGE, sizeof(pv_io_bitmap),
		   MAP_DATA);
}

static void idt_make(void)
{
	struct idt_gate *idt = page_or_panic();
	static const u8 ist_of[32] = {[1] = IST_DB, [2] = IST_NMI, [8] = IST_DF, [18] = IST_MC};

	for (unsigned int vector = 0; vector < 256; vector++) {
		u64 at = alias_of(entry_stubs + 32 * vector);
		bool is_open = vector == 3 || vector == 4 || vector == 0x80;

		idt[vector] = (struct idt_gate){
			.offset_low = (u16)at,
			.offset_mid = (u16)(at >> 16),
			.offset_high = (u32)(at >> 32),
			.selector = MICA_CS,
			.ist = vector < 32 ? ist_of[vector] : 0,
			.type = is_open ? 0xee : 0x8e,
		};
	}
	alias_page_map(ALIAS_IDT, idt);
	hw_lidt((void *)alias_page(ALIAS_IDT), 0xfff);
}

static void registers_set(void)
{
	u64 cr4 = CR4_PAE | (hw_features.is_isolating ? 0 : CR4_PGE) | CR4_OSFXSR | CR4_OSXMMEXCPT |
		  CR4_DE | CR4_MCE | hw_features.cr4_extra;

	hw_cr0_write(CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG);
	hw_cr4_write(cr4);
	/* While no vCPU is loaded, every component: what pv's XRSTOR counts on. */
	if (hw_features.xcr0 != 0)
		hw_xcr0_write(hw_features.xcr0);
	hw_wrmsr(MSR_EFER, EFER_SCE | EFER_LME | EFER_LMA | (hw_has_nx ? EFER_NX : 0));
	hw_guesses_start();
	hw_cpu_start();
	hw_wrmsr(MSR_PAT, PAT_FIXED);
	if (hw_features.has_tsc_aux)
		hw_wrmsr(MSR_TSC_AUX, hw_this_cpu()->tsc_aux);
	hw_wrmsr(MSR_STAR, (u64)FLAT_RING3_CS32 << 48 | (u64)MICA_CS << 32);
	hw_wrmsr(MSR_LSTAR, alias_of(entry_syscall));
	hw_wrmsr(MSR_CSTAR, alias_of(entry_syscall32));
	hw_wrmsr(MSR_SFMASK, RFLAGS_TF | RFLAGS_IF | RFLAGS_DF | RFLAGS_IOPL | RFLAGS_NT |
				     RFLAGS_RF | RFLAGS_VM | RFLAGS_AC);
	hw_wrmsr(MSR_SYSENTER_CS, 0);
	hw_wrmsr(MSR_FS_BASE, 0);
	hw_wrmsr(MSR_GS_BASE, 0);
	hw_wrmsr(MSR_KERNEL_GS_BASE, 0);
}

void entry_cpu_init(void)
{
	struct cpu *cpu = hw_this_cpu();

	trace_ring_set(cpu->id, heap_alloc(TRACE_RECORDS * sizeof(struct trace_record)));
	alias_map(cpu);
	tss_make(cpu);
	gdt_make(cpu);
	idt_make();
	if (hw_features.is_isolating)
		shown_when_isolating(cpu);
	__asm__ volatile("pushq %0; lea 1f(%%rip), %%rax; pushq %%rax; lretq; 1:"
			 "mov %1, %%ss; mov %2, %%ds; mov %2, %%es; mov %2, %%fs; mov %2, %%gs"
			 :
			 : "i"(MICA_CS), "r"(MICA_DS), "r"(0)
			 : "rax", "memory");
	__asm__ volatile("ltr %w0" : : "r"(MICA_TSS));
	registers_set();
}

static void first_run(void)
{
	run_exit();
	entry_guest_start(alias_of(entry_stubs) + entry_resume_offset);
}

void entry_run(void)
{
	entry_stack_reset((u64)hw_this_cpu() + CPU_BLOCK_SIZE, first_run);
	__builtin_unreachable();
}

/* SPDX-License-Identifier: MIT */
/* See whole.h. The steps of machine_start() follow boot/main.c. */
#include "whole.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/image_build.h"
#include "core/log.h"
#include "core/trace.h"
#include "debug/debug.h"
#include "devices.h"
#include "domain/domain.h"
#include "entry/entry.h"
#include "entry/entry_cpu.h"
#include "hcall/hcall.h"
#include "hw/acpi.h"
#include "hw/asm.h"
#include "hw/clock.h"
#include "hw/efi.h"
#include "hw/features.h"
#include "hw/lapic.h"
#include "hw/paging.h"
#include "hw/uart.h"
#include "hw/vectors.h"
#include "image/elf.h"
#include "irq/irq.h"
#include "sched/sched.h"
#include "time/time.h"

#define CPUS_MAX       8
#define KERNEL_GPADDR  0x100000ull
#define SCRATCH_PFN    16u
#define SYSCALL_BYTES  2u
#define RESTARTS_MAX   1000000u
#define INITRD_BYTES   5000u
#define INIT_P2M       0x8000000000ull
#define CHILD_POWEROFF 40
#define CHILD_REBOOT   41
#define CHILD_HALT     42
#define CHILD_LIVES    43

unsigned long guest_restarts;
static unsigned int ipis_seen[CPUS_MAX];
static jmp_buf idle_jump[CPUS_MAX];
static bool may_end;
static char typed[256];
static size_t typed_count, typed_taken;

static void die(const char *what)
{
	fprintf(stderr, "%s\n", what);
	abort();
}

/* ---------------------------------------------------------------- what the linker and src/hw give */

struct hw_features hw_features = {.xcr0 = 7,
				  .xsave_bytes = 832,
				  .has_xsaveopt = true,
				  .has_tsc_aux = true,
				  .thread_bits = 1,
				  .socket_bits = 8};
struct efi_info hw_efi;
u64 paging_root[512] ALIGNED(4096);
bool hw_has_nx = true, hw_tsc_is_stable = true, opt_x2apic = true;
unsigned int opt_tsc;
u64 hw_paddr_mask = 0x000000fffffff000;

__asm__(".pushsection .data; .balign 8; .globl extable_start, extable_end, image_start, text_end\n"
	"extable_start: .quad 0x1000, 0x2000\nextable_end:\n"
	"image_start: .skip 64\ntext_end: .quad 0\n.popsection");
extern char image_start[];
u64 symbols_addr[3];
const u32 symbols_name_off[] = {0, 6, 13}, symbols_count = 3;
const char symbols_names[] = "first\0second\0third";

u64 paging_root_maddr(void)
{
	return 0x7ffff000;
}

/* A plain CPU with XSAVE, 40 bits of physical address. */
struct cpuid_regs hw_cpuid(u32 leaf, u32 subleaf)
{
	switch (leaf) {
	case 0:
		return (struct cpuid_regs){0xd, 0x756e6547, 0x6c65746e, 0x49656e69};
	case 1:
		return (struct cpuid_regs){0x306c3, 0x800, 0x1e982203, 0x178bfbff};
	case 7:
		return subleaf ? (struct cpuid_regs){0} : (struct cpuid_regs){0, 0x29, 0, 0};
	case 0xd:
		return subleaf == 0   ? (struct cpuid_regs){7, 832, 832, 0}
		       : subleaf == 2 ? (struct cpuid_regs){256, 576, 0, 0}
				      : (struct cpuid_regs){0};
	case 0x80000000:
		return (struct cpuid_regs){0x80000008, 0, 0, 0};
	case 0x80000001:
		return (struct cpuid_regs){0, 0, 1, 0x2c100800};
	case 0x80000008:
		return (struct cpuid_regs){0x3028, 0, 0, 0};
	default:
		return (struct cpuid_regs){0};
	}
}

const void *hw_phys_map(u64 paddr, size_t bytes)
{
	return paddr + bytes <= hw_frame_max * PAGE_SIZE ? fake_ram + paddr : NULL;
}

int hw_rtc_read(struct hw_date *date)
{
	*date = (struct hw_date){2024, 2, 29, 12, 34, 56};
	return 0;
}

char *str_copy(char *to, size_t size, const char *from);
char *str_copy(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from);
	return to;
}

u16 hw_uart_port(void)
{
	return 0x3f8;
}

bool hw_uart_receive(char *c)
{
	if (typed_taken == typed_count)
		return false;
	*c = typed[typed_taken++ % sizeof(typed)];
	return true;
}

void machine_type(const char *keys)
{
	while (*keys)
		typed[typed_count++ % sizeof(typed)] = *keys++;
}

void entry_gdt_reset(void)
{
	fake_registers[fake_cpu].gdt_base = 0;
	hw_lldt(0);
}

void hw_lapic_send(u32 apic_id, unsigned int vector)
{
	(void)apic_id;
	fake_ipi_count[fake_cpu][IPI_WORK] += vector == VECTOR_IPI_WORK;
}

void hw_lapic_error(void)
{
}

void hw_timer_init(void)
{
}

/* ---------------------------------------------------------------- the end */

static void end(int how)
{
	if (!may_end) {
		fprintf(stderr, "the machine ended\n");
		abort();
	}
	exit(how);
}

void hw_halt(void)
{
	end(CHILD_HALT);
	abort();
}

void hw_machine_checks_print(void)
{
}

void hw_machine_reboot(void)
{
	end(CHILD_REBOOT);
	abort();
}

void hw_machine_poweroff(void)
{
	end(CHILD_POWEROFF);
	abort();
}

void hw_acpi_sleep(u16 value_a, u16 value_b, bool is_extended)
{
	(void)value_a;
	(void)value_b;
	(void)is_extended;
	end(CHILD_POWEROFF);
}

const char *machine_end(void (*fn)(void))
{
	pid_t child;
	int status;

	fflush(stdout);
	child = fork();
	if (!child) {
		may_end = true;
		fn();
		exit(CHILD_LIVES);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return "dies";
	switch (WEXITSTATUS(status)) {
	case CHILD_POWEROFF:
		return "poweroff";
	case CHILD_REBOOT:
		return "reboot";
	case CHILD_HALT:
		return "halt";
	case CHILD_LIVES:
		return "lives";
	default:
		return "dies";
	}
}

/* ---------------------------------------------------------------- CPUs */

static void ipis_note(void)
{
	ipis_seen[fake_cpu] = fake_ipi_count[fake_cpu][IPI_WORK];
}

static bool is_told(void)
{
	return ipis_seen[fake_cpu] != fake_ipi_count[fake_cpu][IPI_WORK];
}

void hw_idle(void)
{
	if (work_is_raised() || is_told()) {
		ipis_note();
		return;
	}
	longjmp(idle_jump[fake_cpu], 1);
}

static void cpu_run(unsigned int cpu, void (*fn)(void));

/* This CPU waits for another: the others go on meanwhile. */
static void others_run(void)
{
	static unsigned int depth;
	unsigned int self = fake_cpu;
	bool was_off = fake_irq_off;

	if (++depth > 1000)
		die("a CPU waits for what nobody does");
	for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
		fake_cpu = cpu;
		if (cpu != self && depth < 900 && (work_is_raised() || is_told())) {
			cpu_run(cpu, run_exit);
			depth = 0;
		}
	}
	fake_cpu = self;
	fake_irq_off = was_off;
}

/* fn is what this CPU does until it runs a guest again, or rests. */
static void cpu_run(unsigned int cpu, void (*fn)(void))
{
	fake_cpu = cpu;
	ipis_note();
	if (!setjmp(idle_jump[cpu]))
		fn();
	fake_irq_off = false;
}

struct vcpu *machine_current(unsigned int cpu)
{
	return fake_cpus[cpu].current;
}

void machine_settle(void)
{
	unsigned int self = fake_cpu;
	bool is_quiet;

	do {
		is_quiet = true;
		for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
			fake_cpu = cpu;
			(void)fake_interrupts_run(cpu);
			if (!work_is_raised() && !is_told())
				continue;
			is_quiet = false;
			cpu_run(cpu, run_exit);
		}
	} while (!is_quiet);
	fake_cpu = self;
}

void machine_move(u64 ns)
{
	unsigned int self = fake_cpu;

	fake_tsc += ns;
	for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
		fake_cpu = cpu;
		fake_irq_off = true;
		entry_interrupt(VECTOR_TIMER);
		fake_irq_off = false;
	}
	fake_cpu = self;
	machine_settle();
}

unsigned int machine_audit(void)
{
	unsigned int findings;

	machine_settle();
	findings = domain_audit();
	machine_settle();
	return findings;
}

u64 machine_free(void)
{
	return frame_free_count();
}

/* ---------------------------------------------------------------- memory, as the CPU's walker sees it */

static u64 *walk(u64 va, bool is_write)
{
	u64 root = fake_registers[fake_cpu].cr[3], *entry;
	u64 *table;

	if (root == paging_root_maddr())
		return NULL;
	table = hw_frame_map(mfn_make(root >> PAGE_SHIFT));
	for (unsigned int level = 4;; level--) {
		entry = &table[pte_index(va, level)];
		if (!(*entry & PTE_PRESENT) || !(*entry & PTE_USER) ||
		    (is_write && !(*entry & PTE_RW)))
			return NULL;
		if (level > 1 && (*entry & PTE_PSE))
			die("a superpage in a guest's table");
		if (level == 1)
			break;
		*entry |= PTE_ACCESSED;
		table = hw_frame_map(pte_mfn(*entry));
	}
	*entry |= PTE_ACCESSED | (is_write ? PTE_DIRTY : 0);
	return entry;
}

static void *translate(u64 va, bool is_write)
{
	const u64 *entry = walk(va, is_write);

	if (!entry)
		return NULL;
	if (!hw_frame_is_ram(pte_mfn(*entry)))
		die("the guest reaches what is no RAM");
	return (u8 *)hw_frame_map(pte_mfn(*entry)) + (va & (PAGE_SIZE - 1));
}

void *guest_ptr(u64 va)
{
	return translate(va, false);
}

mfn_t guest_mfn(u64 va)
{
	const u64 *entry = walk(va, false);

	return entry ? pte_mfn(*entry) : MFN_NONE;
}

maddr_t guest_pte(u64 va)
{
	const u64 *entry = walk(va, false);

	if (!entry)
		die("nothing is mapped there");
	return maddr_make((u64)((const u8 *)entry - fake_ram));
}

u64 guest_va(unsigned int page)
{
	return BUILD_VIRT_BASE + (SCRATCH_PFN + page) * PAGE_SIZE;
}

mfn_t guest_pfn(u64 pfn)
{
	const u64 *slot = guest_ptr(INIT_P2M + pfn * 8);

	return slot ? mfn_make(*slot) : MFN_NONE;
}

/* ---------------------------------------------------------------- a guest's traps */

static void hypercall(void)
{
	struct regs *regs = machine_current(fake_cpu)->pv->regs;
	u64 number = regs->rax;

	regs->rax = 0;
	if (!entry_hypercall(number, (struct hcall_args *)(void *)&regs->rdi))
		run_exit();
}

void guest_trap(struct vcpu *v, u32 vector, u32 error_code)
{
	struct regs *regs = v->pv->regs;
	bool is_call = vector == VECTOR_SYSCALL && pv_is_kernel(v);

	if (machine_current(v->cpu) != v)
		die("a guest acts that does not run");
	regs->vector = vector;
	regs->error_code = is_call ? (u32)regs->rax : error_code;
	fake_irq_off = true;
	cpu_run(v->cpu, is_call ? hypercall : entry_trap_guest);
}

long guest_call_args(struct vcpu *v, u64 number, const u64 a[6])
{
	struct regs *regs = v->pv->regs;
	u64 rip = regs->rip;

	regs->rax = number;
	regs->rdi = a[0];
	regs->rsi = a[1];
	regs->rdx = a[2];
	regs->r10 = a[3];
	regs->r8 = a[4];
	regs->r9 = a[5];
	for (unsigned int i = 0; i < RESTARTS_MAX; i++) {
		regs->rip = rip + SYSCALL_BYTES;
		guest_trap(v, VECTOR_SYSCALL, 0);
		if (regs->rip != rip)
			return (long)regs->rax;
		guest_restarts++;
	}
	die("a call is restarted without end");
	return 0;
}

/* ---------------------------------------------------------------- start */

static void cpu_make(unsigned int cpu)
{
	mfn_t gdt = frame_alloc(0, FRAME_ZERO);

	fake_cpu = cpu;
	fake_cpus[cpu].apic_id = hw_cpu_apic_id[cpu];
	fake_cpus[cpu].current = domain_idle_vcpu(cpu);
	fake_cpus[cpu].entry = calloc(1, sizeof(struct entry_cpu));
	fake_cpus[cpu].tss = calloc(1, 104);
	fake_cpus[cpu].gdt = hw_frame_map(gdt);
	fake_cpus[cpu].gdt_mfn = gdt;
	fake_registers[cpu].cr[0] = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG;
	fake_registers[cpu].cr[3] = paging_root_maddr();
	fake_registers[cpu].xcr0 = hw_features.xcr0;
	trace_ring_set(cpu, heap_alloc(TRACE_RECORDS * sizeof(struct trace_record)));
	time_cpu_init(cpu);
	if (sched_cpu_init(cpu, fake_cpus[cpu].current) != 0)
		die("no memory for a CPU");
}

static void dom0_make(unsigned int vcpus)
{
	static struct elf_image kernel;
	struct bytes file = elf_build();
	struct dom0_plan plan = {.kernel = &kernel,
				 .cmdline = "console=hvc0 ro",
				 .bytes = GUEST_PFNS * PAGE_SIZE,
				 .bytes_max = (GUEST_PFNS + 512) * PAGE_SIZE,
				 .vcpu_count = vcpus,
				 .video = "video",
				 .video_bytes = 5};
	u8 *at = notes_put_linux(file.data);
	mfn_t initrd = frame_alloc(1, 0);

	note_put_number(&at, XEN_ELFNOTE_HYPERCALL_PAGE, BUILD_VIRT_BASE + KERNEL_GPADDR + 0x1000);
	note_put_number(&at, XEN_ELFNOTE_ENTRY, BUILD_VIRT_BASE + KERNEL_GPADDR + 0x10);
	notes_finish(file.data, at);
	phdr_put(file.data + BUILD_PHDR_TEXT, 1, BUILD_TEXT, BUILD_VIRT_BASE + KERNEL_GPADDR,
		 KERNEL_GPADDR, 0x1000, 0x1000);
	phdr_put(file.data + BUILD_PHDR_DATA, 1, BUILD_DATA,
		 BUILD_VIRT_BASE + KERNEL_GPADDR + 0x1000, KERNEL_GPADDR + 0x1000, 0x800,
		 BUILD_DATA_MEMSZ);
	if (elf_parse(&kernel, file.data, file.len) != IMAGE_OK)
		die("the kernel file");
	plan.initrd_start = mfn_num(initrd) << PAGE_SHIFT;
	plan.initrd_end = plan.initrd_start + INITRD_BYTES;
	memset(hw_frame_map(initrd), 0x5a, INITRD_BYTES);
	domain_dom0_prepare(&plan);
	domain_dom0_build();
	free(file.data);
}

void machine_start(unsigned int cpus)
{
	fake_memory_init(MACHINE_FRAMES);
	frame_pool_add(mfn_make(1), MACHINE_FRAMES - 1);
	mm_host_e820[0] = (struct mm_e820_entry){.size = MACHINE_FRAMES * PAGE_SIZE, .type = 1};
	mm_host_e820_count = 1;
	symbols_addr[0] = (u64)image_start;
	symbols_addr[1] = (u64)image_start + 16;
	symbols_addr[2] = (u64)image_start + 32;
	fake_devices_reset(cpus);
	fake_copy_translate = translate;
	fake_relax_hook = others_run;
	fake_tsc = 1000000000;
	fake_tsc_step = 0;
	mm_pte_reserved = PTE_ADDR & ~hw_paddr_mask;
	mm_host_e820[0] = (struct mm_e820_entry){0, MACHINE_FRAMES * PAGE_SIZE, 1};
	mm_host_e820_count = 1;
	debug_hypercall_name = hcall_name;
	domain_idle_init();
	time_init();
	fake_irq_start();
	for (unsigned int cpu = 0; cpu < cpus; cpu++)
		cpu_make(cpu);
	fake_cpu = 0;
	domain_console_init();
	domain_console_key = debug_key;
	dom0_make(cpus);
	machine_settle();
	if (machine_current(0) != dom0->vcpus[0])
		die("Domain 0 does not run");
}

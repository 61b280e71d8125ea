/* SPDX-License-Identifier: MIT */
/*
 * The last words: whose fault, registers, backtrace with names, what the guest asked for last, the newest trace records;
 * then reboot, or stop with `noreboot`. Reached from panic(), bug() and fatal traps; everything else has been stopped.
 */
#include "core/err.h"
#include "core/log.h"
#include "core/symbols.h"
#include "core/trace.h"
#include "debug/debug.h"
#include "domain/domain.h"
#include "hw/acpi.h"
#include "hw/asm.h"
#include "hw/cpu.h"
#include "hw/ioapic.h"
#include "hw/layout.h"
#include "hw/start.h"
#include "lib/format.h"
#include "pv/pv.h"

#define VECTOR_MC	18
#define BACKTRACE_MAX	24
#define TRACE_IN_REPORT 24

extern const char image_start[], text_end[];

const char *(*debug_hypercall_name)(u64 number); /* [c] set by boot */

static u32 reporting; /* [a] */

NORETURN void debug_cpu_stop(void)
{
	hw_halt();
}

static void others_stop(void)
{
	for (unsigned int cpu = 0; cpu < cpu_count; cpu++)
		if (cpu != cpu_id())
			hw_ipi_send(cpu, IPI_STOP);
}

void debug_regs_print(const struct regs *r)
{
	log_error("rip %04lx:%016lx rsp %04lx:%016lx flags %lx vector %u error %x", r->cs & 0xffff,
		  r->rip, r->ss & 0xffff, r->rsp, r->rflags, r->vector, r->error_code);
	log_error("rax %016lx rbx %016lx rcx %016lx rdx %016lx", r->rax, r->rbx, r->rcx, r->rdx);
	log_error("rsi %016lx rdi %016lx rbp %016lx r8  %016lx", r->rsi, r->rdi, r->rbp, r->r8);
	log_error("r9  %016lx r10 %016lx r11 %016lx r12 %016lx", r->r9, r->r10, r->r11, r->r12);
	log_error("r13 %016lx r14 %016lx r15 %016lx cr2 %016lx cr3 %lx", r->r13, r->r14, r->r15,
		  hw_cr2_read(), hw_cr3_read());
}

const char *debug_symbol(u64 address, u64 *offset)
{
	u32 low = 0, high = symbols_count;

	if (address < (u64)image_start || address >= (u64)text_end || high == 0 ||
	    address < symbols_addr[0])
		return NULL;
	while (high - low > 1) {
		u32 middle = low + (high - low) / 2;

		if (symbols_addr[middle] <= address)
			low = middle;
		else
			high = middle;
	}
	*offset = address - symbols_addr[low];
	return symbols_names + symbols_name_off[low];
}

static void frame_print(u64 address)
{
	u64 offset = 0;
	const char *name = debug_symbol(address, &offset);

	log_error("  %016lx %s+%lx", address, name != NULL ? name : "?", offset);
}

static void backtrace_print(u64 rip, u64 rbp)
{
	u64 block = (u64)hw_this_cpu();

	log_error("backtrace:");
	frame_print(rip);
	for (unsigned int i = 0; i < BACKTRACE_MAX; i++) {
		if (rbp < block || rbp + 16 > block + CPU_BLOCK_SIZE || (rbp & 7) != 0)
			return;
		frame_print(((const u64 *)rbp)[1]);
		if (((const u64 *)rbp)[0] <= rbp)
			return;
		rbp = ((const u64 *)rbp)[0];
	}
}

static const char *const event_names[] = {
	[TRACE_ERR] = "error", [TRACE_HYPERCALL] = "hypercall", [TRACE_SWITCH] = "switch",
	[TRACE_IRQ] = "irq",   [TRACE_CRASH] = "crash",
};

void debug_trace_print(unsigned int count)
{
	for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
		log_error("last of CPU %u:", cpu);
		for (unsigned int i = 0; i < count; i++) {
			const struct trace_record *r = trace_get(cpu, i);

			if (r == NULL)
				break;
			log_error("  %lu %s %lx %lx %s", r->tsc, event_names[r->event], r->a, r->b,
				  r->event == TRACE_HYPERCALL ? debug_hypercall_name(r->a)
				  : r->text != NULL	      ? r->text
							      : "");
		}
	}
}

/* is_whole: from the exit loop, where every register is in the frame; a hypercall's stub leaves some to C. */
static void guest_print(bool is_whole)
{
	struct vcpu *v = hw_this_cpu()->current;

	if (v == NULL || v->is_idle || v->pv == NULL)
		return;
	log_error("current: d%uv%u, %s mode; its registers:", v->domain->id, v->id,
		  pv_is_kernel(v) ? "kernel" : "user");
	debug_regs_print(v->pv->regs);
	if (v->pv->regs->vector == VECTOR_SYSCALL)
		log_error("hypercall: %s%s", debug_hypercall_name(v->pv->regs->number),
			  is_whole ? "" : "; rbx, rbp, rcx, r11 to r15 may be older than it");
}

static void details_print(u64 rip, u64 rbp, bool is_whole)
{
	guest_print(is_whole);
	backtrace_print(rip, rbp);
	debug_trace_print(TRACE_IN_REPORT);
}

NORETURN static void finish(void)
{
	hw_ioapic_stop();
	if (opt_noreboot) {
		log_error("stopped (noreboot)");
		debug_cpu_stop();
	}
	log_error("rebooting");
	hw_machine_reboot();
}

static void report_begin(void)
{
	hw_irq_disable();
	if (atomic_exchange(&reporting, 1) != 0)
		debug_cpu_stop(); /* a fault in the report, or another CPU's: the first one counts */
	others_stop();
	log_is_ending = true;
}

NORETURN void panic(const char *format, ...)
{
	char text[200];
	va_list args;

	report_begin();
	va_start(args, format);
	(void)format_vprint(text, sizeof(text), format, args);
	va_end(args);
	log_error("PANIC on CPU %u: %s", cpu_id(), text);
	if (dom0 != NULL)
		details_print((u64)__builtin_return_address(0), (u64)__builtin_frame_address(0),
			      true);
	finish();
}

NORETURN void bug(const char *what, const char *file, unsigned int line)
{
	report_begin();
	log_error("BUG on CPU %u: %s (%s:%u)", cpu_id(), what, file, line);
	details_print((u64)__builtin_return_address(0), (u64)__builtin_frame_address(0), false);
	finish();
}

NORETURN void debug_fatal_trap(const struct regs *regs)
{
	report_begin();
	log_error("FATAL TRAP %u in Mica on CPU %u", regs->vector, cpu_id());
	debug_regs_print(regs);
	if (regs->vector == VECTOR_MC)
		hw_machine_checks_print();
	details_print(regs->rip, regs->rbp, false);
	finish();
}

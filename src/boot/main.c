/* SPDX-License-Identifier: MIT */
/*
 * The ordered list of everything that happens before the first guest instruction. Reached from head.S on the boot CPU;
 * calls every module's init, by name. No lock.
 */
#include "boot/boot.h"
#include "core/err.h"
#include "core/log.h"
#include "debug/debug.h"
#include "domain/domain.h"
#include "entry/entry.h"
#include "hcall/hcall.h"
#include "hw/acpi.h"
#include "hw/asm.h"
#include "hw/clock.h"
#include "hw/efi.h"
#include "hw/features.h"
#include "hw/patch.h"
#include "hw/flush.h"
#include "hw/lapic.h"
#include "hw/mem.h"
#include "hw/paging.h"
#include "hw/uart.h"
#include "irq/irq.h"
#include "lib/abi.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "sched/sched.h"
#include "time/time.h"

#define MICA_KEEPS_BYTES (16ull << 20)

void boot_main(u32 magic, u64 info);

/* As much as fits a line, without what could upset a terminal. */
static void cmdline_show(const char *cmdline)
{
	static char shown[200];

	str_copy(shown, sizeof(shown), cmdline);
	for (char *c = shown; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	log_info("command line: %s%s", shown, strlen(cmdline) >= sizeof(shown) ? "..." : "");
}

static void console_start(u32 magic, u64 info)
{
	enum image_error error;

	hw_uart_init(0x3f8, 0);
	error = boot_loader_read(magic, info);
	boot_options_parse(boot_info.cmdline);
	if (opt_com1.is_set && opt_com1.io_base <= 0xffff)
		hw_uart_init(opt_com1.io_base != 0 ? (u16)opt_com1.io_base : 0x3f8, opt_com1.baud);
	log_info("Mica, a thin hypervisor: Xen 4.17 interface, loaded by %s",
		 boot_info.loader_name);
	cmdline_show(boot_info.cmdline);
	boot_map_read(error);
}

/* mm's facts about this CPU. */
static void mm_facts_set(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(mm_l4_template); i++)
		mm_l4_template[i] = paging_root[LAYOUT_FIRST_SLOT + i];
	mm_l4_template[LAYOUT_PERDOMAIN_SLOT - LAYOUT_FIRST_SLOT] = 0;
	/* Client CPUs that say 36 or 39 bits have 44 in their caches, as Linux knows too (override_cache_bits()). */
	mm_cached_address = hw_paddr_mask | (BIT(44) - 1);
	mm_pte_reserved = (PTE_ADDR & ~hw_paddr_mask) | (hw_has_nx ? 0 : PTE_NX);
	hw_flush_answer = flush_answer;
}

/* Page-table isolation: what was asked for, else what the CPU needs. Before this CPU's control registers are set. */
static void isolation_decide(void)
{
	opt_xpti_dom0 = opt_xpti.dom0 < 0 ? hw_features.has_meltdown : opt_xpti.dom0 != 0;
	opt_xpti_domu = opt_xpti.domu < 0 ? hw_features.has_meltdown : opt_xpti.domu != 0;
	hw_features.is_isolating = opt_xpti_dom0 || opt_xpti_domu;
}

/* Entries that a CPU with L1TF reads ahead although they are not present: Domain 0's as Xen leaves them, its own affair. */
static void l1tf_decide(void)
{
	bool is_needed = hw_features.is_intel && hw_features.has_meltdown;

	opt_l1tf_dom0 = opt_pv_l1tf.dom0 > 0;
	opt_l1tf_domu = opt_pv_l1tf.domu < 0 ? is_needed : opt_pv_l1tf.domu != 0;
}

/* Guesses and buffers: likewise. */
static void guesses_decide(void)
{
	u32 has_not = GUESS_BY_CPU & ~hw_features.guesses;

	hw_features.guesses = (hw_features.guesses | opt_spec.on) & ~opt_spec.off & ~has_not;
}

static void guesses_start(void)
{
	u32 guesses = hw_features.guesses;

	if ((guesses & GUESS_THUNK) != 0) {
		hw_patch(PATCH_THUNK);
		hw_patch(PATCH_CALL_C);
	}
	if ((guesses & GUESS_HISTORY) != 0)
		hw_patch(PATCH_HISTORY);
	if ((guesses & GUESS_VERW) != 0)
		hw_patch(PATCH_BUFFERS);
	log_info("speculation (spec-ctrl):%s%s%s%s%s%s%s", guesses == 0 ? " nothing" : "",
		 (guesses & GUESS_THUNK) != 0 ? " retpoline" : "",
		 (guesses & (GUESS_IBRS | GUESS_AUTO_IBRS)) != 0 ? " IBRS" : "",
		 (guesses & GUESS_IBPB) != 0 ? " IBPB" : "",
		 (guesses & GUESS_HISTORY) != 0 ? " bhb-entry" : "",
		 (guesses & GUESS_BHI_DIS) != 0 ? " BHI_DIS_S" : "",
		 (guesses & GUESS_VERW) != 0 ? " VERW" : "");
}

static void isolation_start(void)
{
	if (hw_features.is_isolating) {
		hw_patch(PATCH_ISOLATED);
		mm_twin_entry = paging_shown_entry(LAYOUT_IMAGE);
	}
	log_info("page-table isolation (xpti): Domain 0 %s, guests %s%s",
		 opt_xpti_dom0 ? "on" : "off", opt_xpti_domu ? "on" : "off",
		 hw_features.has_meltdown ? "; the CPU has Meltdown" : "");
}

static u64 rsdp_address(void)
{
	static u8 copy[BOOT_RSDP_MAX];

	if (boot_info.rsdp_len == 0)
		return 0;
	memcpy(copy, boot_info.rsdp, boot_info.rsdp_len);
	return (u64)copy - LAYOUT_IMAGE;
}

/* Mica keeps a little for itself, whatever the command line says. */
static void dom0_memory_resolve(struct dom0_plan *plan, u64 available)
{
	u64 most = available - MIN(available / 16, MICA_KEEPS_BYTES);

	dom0_mem_resolve(&opt_dom0_mem, available, &plan->bytes, &plan->bytes_max);
	if (plan->bytes <= most)
		return;
	log_info("dom0_mem: more than the machine can give; Domain 0 gets all but %lu MiB",
		 (available - most) >> 20);
	plan->bytes = most;
}

static void dom0_start(void)
{
	struct dom0_plan plan = {
		.kernel = boot_kernel_read(),
		.cmdline = boot_info.module[0].cmdline,
		.vcpu_count = MIN(
			MAX(MIN(cpu_count, opt_dom0_max_vcpus.max), opt_dom0_max_vcpus.min),
			(u32)DOMAIN_VCPUS_MAX),
		.rsdp = hw_acpi.rsdp,
	};
	u64 available;

	plan.video = boot_video_info(&plan.video_bytes);
	(void)boot_ramdisk_place(&plan.initrd_start, &plan.initrd_end);
	available = frame_free_count() + boot_modules_pages();
	dom0_memory_resolve(&plan,
			    (available << PAGE_SHIFT) +
				    ROUND_UP(plan.initrd_end - plan.initrd_start, PAGE_SIZE));
	domain_dom0_prepare(&plan);
	boot_modules_free();
	boot_decoders_free();
	domain_dom0_build();
}

static void protection_start(void)
{
	u64 cr4;

	if (hw_features.has_smap && entry_smap_works()) {
		hw_patch(PATCH_CLAC);
		hw_patch(PATCH_STAC);
		hw_features.cr4_extra |= CR4_SMAP;
		hw_cr4_write(hw_cr4_read() | CR4_SMAP);
	} else if (hw_features.has_smap) {
		log_info("SMAP is left off: IRETQ in ring 3 faults under it on this (emulated) "
			 "CPU");
	}
	cr4 = hw_cr4_read();
	log_info("CPU: %s; in use:%s%s%s%s", hw_features.brand, hw_has_nx ? " NX" : "",
		 (cr4 & CR4_SMEP) != 0 ? " SMEP" : "", (cr4 & CR4_SMAP) != 0 ? " SMAP" : "",
		 (cr4 & CR4_UMIP) != 0 ? " UMIP" : "");
}

void boot_main(u32 magic, u64 info)
{
	struct cpu *cpu = hw_this_cpu();

	cpu->id = 0;
	hw_cpus[0] = cpu;
	console_start(magic, info);
	boot_memory_map();
	mm_facts_set();
	boot_memory_pools();
	hw_features_init();
	isolation_decide();
	l1tf_decide();
	guesses_decide();
	cpu_count = 1;
	cpumask_set(&cpu_online_mask, 0);
	domain_idle_init();
	cpu->current = domain_idle_vcpu(0);
	entry_cpu_init();
	debug_hypercall_name = hcall_name;
	protection_start();
	isolation_start();
	guesses_start();
	hw_efi_init(boot_info.efi_system_table);
	if (hw_acpi_init(rsdp_address()) != 0)
		panic("no usable ACPI tables: Mica needs them to find CPUs and interrupt "
		      "controllers");
	hw_lapic_init_bsp();
	cpu->apic_id = hw_lapic_id();
	hw_cpu_apic_id[0] = cpu->apic_id;
	hw_clock_init();
	time_init();
	if (irq_init() != 0)
		panic("no IO-APIC");
	boot_cpus_start();
	time_cpu_init(0);
	if (sched_cpu_init(0, cpu->current) != 0)
		panic("no memory for the scheduler");
	domain_console_init();
	domain_console_key = debug_key;
	dom0_start();
	entry_run();
}

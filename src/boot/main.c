/* SPDX-License-Identifier: MIT */
/*
 * The ordered list of everything that happens before the first guest instruction. Reached from head.S on the boot CPU;
 * calls every module's init, by name. No lock.
 */
#include "boot/boot.h"
#include "boot/unpack.h"
#include "core/err.h"
#include "core/log.h"
#include "debug/debug.h"
#include "domain/domain.h"
#include "entry/entry.h"
#include "hcall/hcall.h"
#include "hw/acpi.h"
#include "hw/asm.h"
#include "hw/clock.h"
#include "hw/features.h"
#include "hw/flush.h"
#include "hw/ipi.h"
#include "hw/lapic.h"
#include "hw/map.h"
#include "hw/mem.h"
#include "hw/paging.h"
#include "hw/uart.h"
#include "image/image.h"
#include "irq/irq.h"
#include "lib/abi.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "sched/sched.h"
#include "time/time.h"

void boot_main(u32 magic, u64 info);

static struct elf_image kernel;

static void console_start(u32 magic, u64 info)
{
	hw_uart_init(0x3f8, 0);
	boot_loader_read(magic, info);
	boot_options_parse(boot_info.cmdline);
	if (opt_com1.is_set && (opt_com1.io_base == 0 || opt_com1.io_base <= 0xffff))
		hw_uart_init(opt_com1.io_base != 0 ? (u16)opt_com1.io_base : 0x3f8, opt_com1.baud);
	log_info("Mica, a thin hypervisor: Xen 4.17 interface, loaded by %s",
		 boot_info.loader_name);
	log_info("command line: %s", boot_info.cmdline);
}

/* mm's facts about this CPU. */
static void mm_facts_set(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(mm_l4_template); i++)
		mm_l4_template[i] = paging_root[LAYOUT_FIRST_SLOT + i];
	mm_l4_template[LAYOUT_PERDOMAIN_SLOT - LAYOUT_FIRST_SLOT] = 0;
	opt_nx = hw_has_nx;
	opt_user_global = false;
	mm_pte_address_mask = hw_paddr_mask;
	hw_flush_answer = flush_answer;
}

static u64 rsdp_address(void)
{
	static u8 copy[BOOT_RSDP_MAX];

	if (boot_info.rsdp_len == 0)
		return 0;
	memcpy(copy, boot_info.rsdp, boot_info.rsdp_len);
	return (u64)copy - LAYOUT_IMAGE;
}

static void *frames_alloc(size_t bytes, unsigned int *order)
{
	mfn_t mfn;

	*order = 0;
	while ((PAGE_SIZE << *order) < bytes)
		(*order)++;
	mfn = frame_alloc(*order, 0);
	return mfn_is_none(mfn) ? NULL : hw_frame_map(mfn);
}

static const void *kernel_unpack(const void *data, size_t size, size_t *unpacked_size)
{
	struct bzimage image;
	enum image_error error = bzimage_parse(&image, data, size);
	unsigned int order, work_order;
	void *work, *out;

	if (error != IMAGE_OK)
		panic("Domain 0 kernel: %s", image_strerror(error));
	log_info("Domain 0 kernel: unpacking %lu KiB (%s) to %lu KiB", image.payload_len >> 10,
		 compression_name(image.compression), image.unpacked_len >> 10);
	out = frames_alloc(image.unpacked_len, &order);
	work = frames_alloc(boot_unpack_work_bytes(&image), &work_order);
	if (out == NULL || work == NULL)
		panic("Domain 0 kernel: no memory to unpack it");
	error = boot_unpack(&image, out, work, PAGE_SIZE << work_order);
	if (error != IMAGE_OK)
		panic("Domain 0 kernel: %s", image_strerror(error));
	frame_free(hw_virt_to_mfn(work), work_order);
	*unpacked_size = image.unpacked_len;
	return out;
}

/* Module 0 is the kernel, module 1, if there is one, its initial ramdisk. */
static void kernel_read(void)
{
	const struct boot_module *module = &boot_info.module[0];
	enum image_error error;
	const void *data;
	size_t size;

	if (boot_info.module_count == 0)
		panic("no module: the loader gave no Domain 0 kernel");
	data = (const void *)(LAYOUT_DIRECT + module->start);
	size = module->end - module->start;
	switch (image_kind(data, size)) {
	case IMAGE_KIND_BZIMAGE:
		data = kernel_unpack(data, size, &size);
		break;
	case IMAGE_KIND_ELF:
		break;
	case IMAGE_KIND_UNKNOWN:
		panic("Domain 0 kernel: %s",
		      image_strerror(size == 0 ? IMAGE_EMPTY : IMAGE_NOT_KERNEL));
	}
	error = elf_parse(&kernel, data, size);
	if (error != IMAGE_OK)
		panic("Domain 0 kernel: %s%s%s", image_strerror(error),
		      error == IMAGE_FEATURE_UNKNOWN ? ": " : "",
		      error == IMAGE_FEATURE_UNKNOWN ? kernel.bad_feature : "");
}

static void dom0_start(void)
{
	struct dom0_plan plan = {
		.kernel = &kernel,
		.cmdline = boot_info.module[0].cmdline,
		.vcpu_count = MIN(
			MAX(MIN(cpu_count, opt_dom0_max_vcpus.max), opt_dom0_max_vcpus.min),
			(u32)DOMAIN_VCPUS_MAX),
		.rsdp = hw_acpi.rsdp,
	};
	u64 available = frame_free_count() << PAGE_SHIFT;

	if (boot_info.module_count > 1) {
		plan.initrd_start = boot_info.module[1].start;
		plan.initrd_end = boot_info.module[1].end;
		available += ROUND_UP(plan.initrd_end, PAGE_SIZE) - plan.initrd_start;
	}
	dom0_mem_resolve(&opt_dom0_mem, available, &plan.bytes, &plan.bytes_max);
	domain_dom0_build(&plan);
}

static void smap_try(void)
{
	if (!hw_features.has_smap)
		return;
	if (entry_smap_works())
		hw_smap_patch();
	else
		log_info(
			"SMAP is left off: IRETQ in ring 3 faults under it on this (emulated) CPU");
}

void boot_main(u32 magic, u64 info)
{
	struct cpu *cpu = hw_this_cpu();

	cpu->id = 0;
	console_start(magic, info);
	boot_memory_map();
	mm_facts_set();
	boot_memory_pools();
	hw_features_init();
	cpu_count = 1;
	cpumask_set(&cpu_online_mask, 0);
	domain_idle_init();
	cpu->current = domain_idle_vcpu(0);
	entry_cpu_init();
	debug_hypercall_name = hcall_name;
	smap_try();
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
	kernel_read();
	dom0_start();
	entry_run();
}

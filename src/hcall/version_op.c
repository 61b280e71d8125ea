/* SPDX-License-Identifier: MIT */
/*
 * xen_version and console_io: who we are, which features a PV guest has, and the way of Domain 0's first words to the
 * serial line. Only decoding. No lock of its own.
 */
#include "core/log.h"
#include "domain/domain.h"
#include "hcall/hcall.h"
#include "hw/layout.h"
#include "hw/mem.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "pv/pv.h"

#define VERSION_MAJOR 4
#define VERSION_MINOR 17
#define EXTRA_VERSION ".0-mica"
#define CAPABILITIES  "xen-3.0-x86_64 "

static int copy_out(u64 va, const void *data, size_t bytes)
{
	return hw_copy_to_guest(gva_make(va), data, bytes);
}

static int features(struct vcpu *v, u64 va)
{
	struct xen_feature_info info;

	if (guest_get(info, gva_make(va)) != 0)
		return err(EFAULT);
	if (info.submap_idx != 0)
		return err(EINVAL);
	info.submap = (u32)(BIT(XENFEAT_mmu_pt_update_preserve_ad) |
			    BIT(XENFEAT_gnttab_map_avail_bits) | BIT(XENFEAT_pae_pgdir_above_4gb) |
			    BIT(XENFEAT_memory_op_vnode_supported));
	if (v->domain->is_privileged)
		info.submap |= (u32)BIT(XENFEAT_dom0);
	return guest_put(gva_make(va), info);
}

static int command_line(u64 va)
{
	xen_commandline_t text = {0};

	str_copy(text, sizeof(text), opt_text);
	return copy_out(va, text, sizeof(text));
}

static NOINLINE int version(struct vcpu *v, struct hcall_args *args)
{
	static const xen_extraversion_t extra = EXTRA_VERSION;
	static const xen_capabilities_info_t capabilities = CAPABILITIES;
	static const xen_changeset_info_t changeset = "mica";
	static const xen_platform_parameters_t platform = {.virt_start = LAYOUT_START};
	static const struct xen_compile_info compile = {.compiler = "gcc",
							.compile_by = "mica",
							.compile_domain = "mica",
							.compile_date = "reproducible"};
	u64 va = args->a[1];

	switch (args->a[0]) {
	case XENVER_extraversion:
		return copy_out(va, extra, sizeof(extra));
	case XENVER_compile_info:
		return copy_out(va, &compile, sizeof(compile));
	case XENVER_capabilities:
		return copy_out(va, capabilities, sizeof(capabilities));
	case XENVER_changeset:
		return copy_out(va, changeset, sizeof(changeset));
	case XENVER_commandline:
		return command_line(va);
	case XENVER_platform_parameters:
		return copy_out(va, &platform, sizeof(platform));
	case XENVER_get_features:
		return features(v, va);
	case XENVER_pagesize:
		if (va != 0)
			return err(EINVAL);
		args->result = PAGE_SIZE;
		return 0;
	case XENVER_guest_handle:
		return copy_out(va, v->domain->handle, sizeof(v->domain->handle));
	case XENVER_build_id:
		return err(ENODATA);
	default:
		return err(ENOSYS);
	}
}

/* Linux asks for the version only to look whether events are pending: that is the cheapest call there is. */
int do_xen_version(struct vcpu *v, struct hcall_args *args)
{
	if (args->a[0] != XENVER_version)
		return version(v, args);
	args->result = VERSION_MAJOR << 16 | VERSION_MINOR;
	return 0;
}

#define CONSOLE_CHUNK 128

static int console_write(struct hcall_args *args)
{
	char chunk[CONSOLE_CHUNK];

	args->a[1] = (u32)args->a[1];
	while (args->a[1] != 0) {
		size_t len = MIN(args->a[1], sizeof(chunk));

		if (hw_preempt_wanted())
			return -ERESTART;
		if (hw_copy_from_guest(chunk, gva_make(args->a[2]), len) != 0)
			return err(EFAULT);
		log_raw(chunk, len);
		args->a[1] -= len;
		args->a[2] += len;
	}
	return 0;
}

int do_console_io(struct vcpu *v, struct hcall_args *args)
{
	char chunk[CONSOLE_CHUNK];
	size_t len;

	if (!v->domain->is_privileged)
		return err(EPERM);
	switch (args->a[0]) {
	case CONSOLEIO_write:
		return console_write(args);
	case CONSOLEIO_read:
		len = domain_console_read(chunk, MIN((u32)args->a[1], sizeof(chunk)));
		args->result = len;
		return len == 0 ? 0 : copy_out(args->a[2], chunk, len);
	default:
		return err(ENOSYS);
	}
}

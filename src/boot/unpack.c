/* SPDX-License-Identifier: MIT */
/*
 * Runs Debian's decoders in ring 0, and is the C library that they see. Reached by boot/ for a kernel that comes as
 * bzImage; calls image/unpack.h through hw_foreign_call(); no lock: the boot CPU, before any guest.
 *
 * The decoders were compiled for user space. What that means, and what is done here:
 *	SSE registers		CR4.OSFXSR set, CR0.EM and TS clear; there is no guest state yet to save. No AVX in them.
 *	canary at %fs:0x28	FS points to a block that has one
 *	red zone below rsp	interrupts off; #PF, #DB, NMI, #MC and #DF have stacks of their own
 *	deep stack		a stack of UNPACK_STACK_BYTES, a pattern below it that is looked at afterwards
 *	malloc			always NULL: the glue gives each decoder an arena through its own allocator hooks
 * On the foreign stack the CPU's block cannot be found from rsp: nothing below may call C that asks which CPU it is on.
 */
#include "boot/boot.h"

#include "core/err.h"
#include "hw/asm.h"
#include "hw/clock.h"
#include "hw/cpu.h"
#include "image/unpack.h"
#include "lib/string.h"

/* fn(arg) on the stack that ends at stack_top (16-byte aligned): what fn returns, or hw_foreign_leave()'s result. foreign.S */
u64 hw_foreign_call(u64 (*fn)(void *arg), void *arg, void *stack_top);
/* Drops the foreign stack: hw_foreign_call() returns result. */
NORETURN void hw_foreign_leave(u64 result);

#define GUARD_BYTES PAGE_SIZE
#define GUARD_BYTE  0x5a
#define FIXED_BYTES (GUARD_BYTES + UNPACK_STACK_BYTES)

/* What FS points to: user space keeps its canary at this offset. */
struct foreign_tls {
	u64 unused[5];
	u64 canary;
};
_Static_assert(offsetof(struct foreign_tls, canary) == 0x28, "x86-64 ABI: canary at %fs:0x28");

struct unpack_job {
	const struct bzimage *image;
	void *out;
	struct unpack_arena arena;
};

#define STACK_SMASHED ((u64)IMAGE_DATA_CORRUPT)

size_t boot_unpack_work_bytes(const struct bzimage *image)
{
	size_t arena = unpack_arena_bytes(image->compression, image->payload, image->payload_len);

	return arena ? ROUND_UP(FIXED_BYTES + arena, PAGE_SIZE) : 0;
}

/* On the foreign stack. */
static u64 job_run(void *arg)
{
	struct unpack_job *job = arg;
	const struct bzimage *image = job->image;

	return (u64)unpack_kernel(image->compression, image->payload, image->payload_len, job->out,
				  image->unpacked_len, &job->arena);
}

static bool guard_is_whole(const u8 *guard)
{
	for (size_t i = 0; i < GUARD_BYTES; i++)
		if (guard[i] != GUARD_BYTE)
			return false;
	return true;
}

static u64 job_run_as_foreign(struct unpack_job *job, void *stack_top)
{
	struct foreign_tls tls = {.canary = hw_tsc() * 0x9e3779b97f4a7c15ull};
	u64 irq = hw_irq_save();
	u64 cr0 = hw_cr0_read(), cr4 = hw_cr4_read(), fs_base = hw_rdmsr(MSR_FS_BASE);
	u64 result;

	hw_cr0_write((cr0 & ~(CR0_EM | CR0_TS)) | CR0_MP);
	hw_cr4_write(cr4 | CR4_OSFXSR | CR4_OSXMMEXCPT);
	hw_wrmsr(MSR_FS_BASE, (u64)&tls);
	result = hw_foreign_call(job_run, job, stack_top);
	hw_wrmsr(MSR_FS_BASE, fs_base);
	hw_cr4_write(cr4);
	hw_cr0_write(cr0);
	hw_irq_restore(irq);
	return result;
}

enum image_error boot_unpack(const struct bzimage *image, void *out, void *work, size_t work_bytes)
{
	u8 *guard = work, *stack = guard + GUARD_BYTES, *heap = stack + UNPACK_STACK_BYTES;
	struct unpack_job job = {.image = image, .out = out};
	size_t needed = boot_unpack_work_bytes(image);
	u64 result;

	if (!needed)
		return IMAGE_DATA_CORRUPT;
	if (work_bytes < needed)
		return IMAGE_ARENA_FULL;
	job.arena.base = heap;
	job.arena.size = work_bytes - FIXED_BYTES;
	memset(guard, GUARD_BYTE, GUARD_BYTES);
	result = job_run_as_foreign(&job, heap);
	BUG_ON(!guard_is_whole(guard));
	return (enum image_error)result;
}

/* ---- the C library that the decoders see ---- */

void *malloc(size_t bytes);
void *calloc(size_t items, size_t bytes);
void free(void *address);
void __stack_chk_fail(void);
unsigned long long ZSTD_trace_decompress_begin(const void *context);
void ZSTD_trace_decompress_end(unsigned long long trace, const void *info);

void *malloc(size_t bytes)
{
	(void)bytes;
	return NULL;
}

void *calloc(size_t items, size_t bytes)
{
	(void)items;
	(void)bytes;
	return NULL;
}

void free(void *address)
{
	(void)address;
}

/* A canary is gone: that decoder's return addresses are not to be trusted. Back to the stack before the call. */
void __stack_chk_fail(void)
{
	hw_foreign_leave(STACK_SMASHED);
}

/* libzstd refers to these weakly, which the linker cannot leave at zero so far up in the address space. */
unsigned long long ZSTD_trace_decompress_begin(const void *context)
{
	(void)context;
	return 0;
}

void ZSTD_trace_decompress_end(unsigned long long trace, const void *info)
{
	(void)trace;
	(void)info;
}

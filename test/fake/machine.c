/* SPDX-License-Identifier: MIT */
/*
 * The seam done by a fake machine in user space: memory, CPUs, flushes, time, guest copies. Reached by the modules
 * under test through test/fake/hw; tests steer it by fake.h. The plain version here is for one thread that plays
 * all CPUs; a flush of another CPU is answered at once in its name.
 */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hw/clock.h"
#include "hw/console.h"
#include "hw/mem.h"

void (*fake_step_hook)(void);
u64 fake_tsc, fake_tsc_step = 1, fake_timer_tsc, hw_tsc_khz = 1000000;
bool fake_console_on;
struct cpu fake_cpus[FAKE_CPU_MAX];
_Thread_local unsigned int fake_cpu;
_Thread_local bool fake_irq_off;
u64 hw_frame_max;
u8 *fake_ram;
struct frame *fake_frame_table;
u64 *fake_m2p;
u8 *fake_is_hole;
u8 fake_arena[FAKE_ARENA_SIZE];
bool fake_copy_any = true;
int fake_copy_fail_after = -1;
void *(*fake_copy_translate)(u64 va, bool is_write);
unsigned int fake_preempt_every;
static unsigned int preempt_asked;
int fake_alloc_fail_after = -1;
unsigned int fake_ipi_count[FAKE_CPU_MAX][IPI_COUNT];
unsigned int fake_flush_count[FAKE_CPU_MAX];
void (*fake_flush_hook)(unsigned int cpu, unsigned int kind, u64 va);
void (*fake_relax_hook)(void);
u64 fake_random_state = 88172645463325252ull;

#define FRAME_ENTRY_BYTES 24

static void *map_zeroed(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		abort();
	}
	return p;
}

void fake_memory_fini(void)
{
	if (!fake_ram)
		return;
	munmap(fake_ram, hw_frame_max * PAGE_SIZE);
	munmap(fake_frame_table, hw_frame_max * FRAME_ENTRY_BYTES);
	munmap(fake_m2p, hw_frame_max * 8);
	munmap(fake_is_hole, hw_frame_max);
	fake_ram = NULL;
	hw_frame_max = 0;
}

void fake_memory_init(u64 frames)
{
	fake_memory_fini();
	fake_ram = map_zeroed(frames * PAGE_SIZE);
	fake_frame_table = map_zeroed(frames * FRAME_ENTRY_BYTES);
	fake_m2p = map_zeroed(frames * 8);
	fake_is_hole = map_zeroed(frames);
	hw_frame_max = frames;
}

void fake_frame_set_ram(u64 mfn, bool is_ram)
{
	fake_is_hole[mfn] = !is_ram;
}

static bool copy_allowed(u64 va, size_t bytes)
{
	if (fake_copy_fail_after == 0)
		return false;
	if (fake_copy_fail_after > 0)
		fake_copy_fail_after--;
	if (fake_copy_any)
		return va >= PAGE_SIZE && va < LAYOUT_START;
	return va >= (u64)fake_arena && bytes <= FAKE_ARENA_SIZE &&
	       va - (u64)fake_arena <= FAKE_ARENA_SIZE - bytes;
}

/* Page by page, as a CPU would; false: a fault on the way. */
static bool copy_translated(u64 va, u8 *host, size_t bytes, bool is_write)
{
	while (bytes) {
		size_t part = PAGE_SIZE - (va & (PAGE_SIZE - 1));
		u8 *guest = fake_copy_translate(va, is_write);

		if (!guest)
			return false;
		part = part < bytes ? part : bytes;
		memcpy(is_write ? guest : host, is_write ? host : guest, part);
		va += part;
		host += part;
		bytes -= part;
	}
	return true;
}

static bool is_translated(u64 va)
{
	if (!fake_copy_translate || (va >= LAYOUT_START && va < LAYOUT_END))
		return false;
	return va >= LAYOUT_END || fake_copy_translate(va, false);
}

int hw_copy_from_guest(void *to, gva_t from, size_t bytes)
{
	if (!bytes)
		return 0;
	if (is_translated(gva_num(from)))
		return fake_copy_fail_after && copy_translated(gva_num(from), to, bytes, false)
			       ? 0
			       : -EFAULT;
	if (!copy_allowed(gva_num(from), bytes))
		return -EFAULT;
	memcpy(to, (const void *)gva_num(from), bytes);
	return 0;
}

int hw_copy_to_guest(gva_t to, const void *from, size_t bytes)
{
	if (!bytes)
		return 0;
	if (is_translated(gva_num(to)))
		return fake_copy_fail_after &&
				       copy_translated(gva_num(to), (u8 *)(unsigned long)from,
						       bytes, true)
			       ? 0
			       : -EFAULT;
	if (!copy_allowed(gva_num(to), bytes))
		return -EFAULT;
	memcpy((void *)gva_num(to), from, bytes);
	return 0;
}

void hw_timer_arm_tsc(u64 tsc)
{
	__atomic_store_n(&fake_timer_tsc, tsc, __ATOMIC_RELAXED);
}

static char console[1 << 18];
static size_t console_len;

bool fake_console_said(const char *text)
{
	if (text)
		return strstr(console, text);
	console_len = 0;
	console[0] = '\0';
	return false;
}

void hw_console_write(const char *text, size_t len)
{
	if (console_len + len + 1 > sizeof(console))
		console_len = 0;
	memcpy(console + console_len, text, len);
	console_len += len;
	console[console_len] = '\0';
	if (fake_console_on)
		fwrite(text, 1, len, stderr);
}

__attribute__((weak)) void hw_flush_poll(void)
{
}

__attribute__((weak)) void hw_relax(void)
{
	if (fake_relax_hook) {
		fake_relax_hook();
		return;
	}
	hw_flush_poll();
}

void hw_ipi_send(unsigned int cpu, enum ipi ipi)
{
	__atomic_add_fetch(&fake_ipi_count[cpu][ipi], 1, __ATOMIC_RELAXED);
}

bool hw_preempt_wanted(void)
{
	if (!fake_preempt_every)
		return false;
	return __atomic_add_fetch(&preempt_asked, 1, __ATOMIC_RELAXED) % fake_preempt_every == 0;
}

bool fake_alloc_fails(void)
{
	if (fake_alloc_fail_after < 0)
		return false;
	if (fake_alloc_fail_after == 0)
		return true;
	fake_alloc_fail_after--;
	return false;
}

static void flush_note(unsigned int kind, u64 va)
{
	if (kind & FLUSH_TLB)
		__atomic_add_fetch(&fake_flush_count[fake_cpu], 1, __ATOMIC_RELAXED);
	if (fake_flush_hook)
		fake_flush_hook(fake_cpu, kind, va);
}

void hw_flush_tlb_local(void)
{
	flush_note(FLUSH_TLB, 0);
}

void hw_flush_tlb_va_local(u64 va)
{
	flush_note(FLUSH_VA, va);
}

void hw_flush_cache_local(void)
{
	flush_note(FLUSH_CACHE, 0);
}

unsigned int fake_frame_flush_count;

__attribute__((weak)) void hw_flush_frame_cache(mfn_t mfn)
{
	(void)mfn;
	fake_frame_flush_count++;
}

__attribute__((weak)) void flush_answer(unsigned int kind, u64 va)
{
	flush_note(kind, va);
}

__attribute__((weak)) void hw_flush_mask(const struct cpumask *mask, unsigned int kind, u64 va)
{
	unsigned int self = fake_cpu;

	for (unsigned int cpu = 0; cpu < CPU_MAX; cpu++) {
		if (!cpumask_test(mask, cpu))
			continue;
		fake_cpu = cpu;
		flush_answer(kind, va);
	}
	fake_cpu = self;
}

u64 fake_random(void)
{
	fake_random_state ^= fake_random_state << 13;
	fake_random_state ^= fake_random_state >> 7;
	fake_random_state ^= fake_random_state << 17;
	return fake_random_state;
}

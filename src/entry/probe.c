/* SPDX-License-Identifier: MIT */
/*
 * Does IRETQ in ring 3 work while SMAP is on? Some emulators read its stack with supervisor rights and report a page fault
 * that no real CPU has; Linux executes that instruction (to serialise), so there SMAP stays off. Tried once at boot, on a
 * page of user code of our own: IRETQ to the next instruction, then INT3. Reached from boot/, on the boot CPU, interrupts
 * off, before any vCPU exists. No lock.
 */
#include "core/log.h"
#include "entry/entry.h"
#include "entry/entry_cpu.h"
#include "hw/asm.h"
#include "hw/features.h"
#include "hw/mem.h"
#include "hw/paging.h"
#include "lib/abi.h"
#include "lib/string.h"
#include "mm/mm.h"

#define PROBE_VA	  0x10000ull /* user addresses are free: no guest yet */
#define VECTOR_BREAKPOINT 3

/* What the CPU and the stubs save into, in place of a vCPU's frame. */
static struct {
	u8 below[520];
	struct regs regs;
} frame ALIGNED(16);

void entry_probe_enter(u64 rip, u64 rsp, u64 rflags);
void entry_probe_leave(void);

/*
 * mov rax, rsp; push ss; push rax; pushfq; push cs; lea rcx, [rip + 3]; push rcx; iretq; int3
 */
static const u8 user_code[] = {0x48, 0x89, 0xe0, 0x68, 0x2b, 0xe0, 0x00, 0x00, 0x50,
			       0x9c, 0x68, 0x33, 0xe0, 0x00, 0x00, 0x48, 0x8d, 0x0d,
			       0x03, 0x00, 0x00, 0x00, 0x51, 0x48, 0xcf, 0xcc};

bool entry_smap_works(void)
{
	struct cpu *cpu = hw_this_cpu();
	struct entry_cpu *data = cpu->entry;
	struct entry_cpu saved = *data;
	u64 *rsp0 = (u64 *)((u8 *)cpu->tss + 4), rsp0_saved = *rsp0;
	mfn_t page = frame_alloc(0, FRAME_ZERO);
	u8 *code;

	if (mfn_is_none(page))
		return false;
	code = hw_frame_map(page);
	memcpy(code, user_code, sizeof(user_code));
	paging_map(PROBE_VA, mfn_num(page) << PAGE_SHIFT, PAGE_SIZE,
		   MAP_PRESENT | MAP_RW | MAP_USER | MAP_ACCESSED | MAP_DIRTY);
	data->v = (u64)(&frame.regs + 1);
	*rsp0 = data->v;
	data->trap_guest = entry_probe_leave;
	hw_cr4_write(hw_cr4_read() | CR4_SMAP);
	entry_probe_enter(PROBE_VA, PROBE_VA + PAGE_SIZE, 2);
	hw_cr4_write(hw_cr4_read() & ~CR4_SMAP);
	*data = saved;
	*rsp0 = rsp0_saved;
	paging_root[0] = 0;
	hw_cr3_write(paging_root_maddr());
	frame_free(page, 0);
	return frame.regs.vector == VECTOR_BREAKPOINT;
}

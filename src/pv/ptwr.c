/* SPDX-License-Identifier: MIT */
/*
 * Writes to page tables that the guest sees through a read-only mapping, and to device pages that it may only read. The
 * write faults; the instruction is emulated, and what it would have stored goes through pt_update() like any hypercall.
 * Reached from entry/trap.c; calls emul and mm. No lock.
 */
#include "core/log.h"
#include "hw/mem.h"
#include "lib/rangeset.h"
#include "mm/mm.h"
#include "pv/priv.h"

#define PF_RESERVED BIT(3)
#define PF_FETCH    BIT(4)

struct ptwr {
	struct vcpu *v;
	u64 page_va; /* the faulting page */
	mfn_t mfn;   /* the table that it shows */
};

static int table_read(struct emul_state *state, gva_t va, u64 *value, unsigned int bytes)
{
	*value = 0;
	if (hw_copy_from_guest(value, va, bytes) != 0)
		return emul_raise_page_fault(state, 0, va);
	return 0;
}

/* Within one entry of the faulting page; everything else is the guest's fault to see. */
static bool is_in_entry(const struct ptwr *ptwr, gva_t va, unsigned int bytes)
{
	return (gva_num(va) & PAGE_MASK) == ptwr->page_va && (gva_num(va) & 7) + bytes <= 8;
}

static maddr_t entry_maddr(const struct ptwr *ptwr, gva_t va)
{
	return maddr_make((mfn_num(ptwr->mfn) << PAGE_SHIFT) + (gva_num(va) & (PAGE_SIZE - 8)));
}

static u64 entry_read(const struct ptwr *ptwr, gva_t va)
{
	const u64 *table = hw_frame_map(ptwr->mfn);

	return atomic_load(&table[(gva_num(va) & (PAGE_SIZE - 1)) / 8]);
}

/* `value` in the place that va and bytes name within the entry. */
static u64 merge(u64 entry, gva_t va, u64 value, unsigned int bytes)
{
	unsigned int shift = 8 * (unsigned int)(gva_num(va) & 7);
	u64 mask = bytes == 8 ? ~0ull : (BIT(8 * bytes) - 1) << shift;

	return (entry & ~mask) | (value << shift & mask);
}

static int entry_error(int rc)
{
	return rc == 0 || rc == -ERESTART ? rc : -EOPNOTSUPP;
}

static int table_write(struct emul_state *state, gva_t va, u64 value, unsigned int bytes)
{
	struct ptwr *ptwr = state->ctx;

	if (!is_in_entry(ptwr, va, bytes))
		return -EOPNOTSUPP;
	value = merge(entry_read(ptwr, va), va, value, bytes);
	return entry_error(pt_update(ptwr->v, ptwr->v->domain, ptwr->v->domain,
				     entry_maddr(ptwr, va), value, false));
}

/* The kernel's locked bit operations come as bytes too: they are done on the whole entry. */
static int table_cmpxchg(struct emul_state *state, gva_t va, u64 *old, u64 new, unsigned int bytes,
			 bool is_locked)
{
	struct ptwr *ptwr = state->ctx;
	unsigned int shift = 8 * (unsigned int)(gva_num(va) & 7);
	u64 mask = bytes == 8 ? ~0ull : BIT(8 * bytes) - 1;
	u64 entry = entry_read(ptwr, va), expected = merge(entry, va, *old, bytes);
	int rc;

	if (!is_in_entry(ptwr, va, bytes))
		return -EOPNOTSUPP;
	rc = pt_update_if(ptwr->v, entry_maddr(ptwr, va), &expected, merge(entry, va, new, bytes));
	*old = expected >> shift & mask;
	return entry_error(rc);
}

static const struct emul_ops table_ops = {
	.read = table_read,
	.write = table_write,
	.cmpxchg = table_cmpxchg,
};

static int ignore_write(struct emul_state *state, gva_t va, u64 value, unsigned int bytes)
{
	const struct ptwr *ptwr = state->ctx;

	if ((gva_num(va) & PAGE_MASK) != ptwr->page_va ||
	    (gva_num(va) + bytes - 1) / PAGE_SIZE != gva_num(va) / PAGE_SIZE)
		return -EOPNOTSUPP;
	return 0;
}

static const struct emul_ops readonly_ops = {
	.read = table_read,
	.write = ignore_write,
};

/* Bytes of ModRM and what belongs to it, in 64-bit mode; 0: it names a register (SDM 2A 2.1). */
static unsigned int modrm_bytes(u8 modrm, u8 sib)
{
	unsigned int mod = modrm >> 6, rm = modrm & 7, bytes = 1;

	if (mod == 3)
		return 0;
	if (rm == 4) {
		bytes++;
		rm = sib & 7;
		if (mod == 0 && rm == 5)
			return bytes + 4;
	} else if (mod == 0 && rm == 5) {
		return bytes + 4;
	}
	return bytes + (mod == 1 ? 1 : mod == 2 ? 4 : 0);
}

/*
 * What kernels do most: XCHG of a whole entry with a register that is 0. The address is the one that faulted (but at the
 * beginning of the page the instruction may have begun on the one before). False: nothing was done, and the emulator has a
 * look; also if the page is no table of the guest's, which pt_clear_quick() finds out.
 */
static bool clear_quick(struct vcpu *v, u64 cr2, const struct ptwr *ptwr)
{
	struct regs *regs = v->pv->regs;
	unsigned int bytes;
	u64 code, *reg;
	maddr_t entry = maddr_make((mfn_num(ptwr->mfn) << PAGE_SHIFT) + (cr2 & (PAGE_SIZE - 1)));

	if ((cr2 & (PAGE_SIZE - 1)) == 0 || (regs->rflags & RFLAGS_TF) != 0 ||
	    (regs->cs & 0xffff) != FLAT_KERNEL_CS || !hw_get_words(&code, gva_make(regs->rip), 1) ||
	    (code & 0xfff8) != 0x8748)
		return false; /* REX.W, and opcode 87 */
	bytes = modrm_bytes((u8)(code >> 16), (u8)(code >> 24));
	reg = pv_gpr(regs, (unsigned int)(code >> 19 & 7) + (code & 4 ? 8 : 0));
	if (bytes == 0 || *reg != 0 || !pt_clear_quick(v, entry, reg))
		return false;
	regs->rip += 2 + bytes;
	regs->rflags &= ~(u64)RFLAGS_RF;
	return true;
}

static bool emulate(struct vcpu *v, const struct emul_ops *ops, struct ptwr *ptwr)
{
	struct emul_insn insn;

	return pv_emul_fetch(v, &insn) && pv_emul_execute(v, &insn, ops, ptwr, 1);
}

static NOINLINE bool device_write(struct vcpu *v, struct ptwr *ptwr)
{
	return rangeset_contains(&mm_iomem_readonly, mfn_num(ptwr->mfn), mfn_num(ptwr->mfn)) &&
	       emulate(v, &readonly_ops, ptwr);
}

bool pv_page_fault_fix(struct vcpu *v, u64 cr2, u32 error_code)
{
	struct ptwr ptwr = {.v = v, .page_va = cr2 & PAGE_MASK};
	maddr_t at;
	u64 word, leaf;

	if (!pv_is_kernel(v) || (error_code & (PF_PRESENT | PF_WRITE | PF_RESERVED | PF_FETCH)) !=
					(PF_PRESENT | PF_WRITE))
		return false;
	if (walk_l1_entry(v, cr2, &at) != 0)
		return false;
	leaf = walk_l1_read(at);
	if ((leaf & (PTE_PRESENT | PTE_RW)) != PTE_PRESENT)
		return false;
	ptwr.mfn = pte_mfn(leaf);
	if (clear_quick(v, cr2, &ptwr)) {
		perf_count(ptwr);
		return true;
	}
	if (!hw_frame_is_ram(ptwr.mfn))
		return device_write(v, &ptwr);
	word = atomic_load(&frame_of(ptwr.mfn)->word);
	if (frame_word_typed(word) == 0 || frame_word_type(word) < FRAME_L1 ||
	    frame_word_type(word) > FRAME_L4)
		return false;
	perf_count(ptwr);
	return emulate(v, &table_ops, &ptwr);
}

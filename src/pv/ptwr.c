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

/* The part of the entry that va and bytes name, if the rest of it is still the same: CPUs set A and D at any time. */
static int part_write(const struct ptwr *ptwr, gva_t va, u64 entry, u64 value, unsigned int bytes)
{
	u64 seen = entry;
	int rc = pt_update_if(ptwr->v, entry_maddr(ptwr, va), &seen,
			      merge(entry, va, value, bytes));

	return rc == 0 && seen != entry ? -ERESTART : entry_error(rc);
}

static int table_write(struct emul_state *state, gva_t va, u64 value, unsigned int bytes)
{
	struct ptwr *ptwr = state->ctx;

	if (!is_in_entry(ptwr, va, bytes))
		return -EOPNOTSUPP;
	if (bytes < 8)
		return part_write(ptwr, va, entry_read(ptwr, va), value, bytes);
	return entry_error(pt_update(ptwr->v, ptwr->v->domain, ptwr->v->domain,
				     entry_maddr(ptwr, va), value, false));
}

/* The kernel's locked bit operations come as bytes too: they are done on the whole entry. */
static int table_cmpxchg(struct emul_state *state, gva_t va, u64 *old, u64 new, unsigned int bytes,
			 bool is_locked)
{
	struct ptwr *ptwr = state->ctx;
	u64 entry = entry_read(ptwr, va), mask = merge(0, va, ~0ull, bytes);

	if (!is_in_entry(ptwr, va, bytes))
		return -EOPNOTSUPP;
	if (entry == merge(entry, va, *old, bytes))
		return part_write(ptwr, va, entry, new, bytes);
	*old = (entry & mask) >> 8 * (gva_num(va) & 7);
	return 0;
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

/* The instruction at rip, remembered by its bytes, as the same ones come again and again. Its width is 0: not change.c's. */
static struct pv_change *change_fetch(struct vcpu *v, struct regs *regs)
{
	struct pv_change *slot = &v->pv->changes[(regs->rip ^ regs->rip >> 4) % PV_CHANGES];
	struct emul_change *change;
	u64 code[2];

	__asm__("" : "+r"(slot)); /* not computed again for each of its fields */
	if (!hw_get_words(code, gva_make(regs->rip), 2))
		return NULL;
	if (likely(((code[0] ^ slot->code[0]) | (code[1] ^ slot->code[1])) == 0))
		return slot;
	change = &slot->change;
	slot->code[0] = code[0];
	slot->code[1] = code[1];
	if (!emul_change_decode(change, (const u8 *)slot->code))
		change->bytes = 0;
	else
		slot->src = change->reg == EMUL_NO_REG ? &change->imm : pv_gpr(regs, change->reg);
	return slot;
}

/*
 * What kernels do most, without the emulator: an instruction of change.c's on an L1 entry. Its memory is where it faulted
 * (but at the beginning of the page it may have begun on the one before). False: nothing was done, and the emulator has a look;
 * also if the page is no L1 of the guest's, which pt_change_quick() finds out.
 */
static bool change_quick(struct vcpu *v, u64 cr2, mfn_t table)
{
	struct regs *regs = v->pv->regs;
	const struct pv_change *slot;
	const struct emul_change *change;
	u64 rflags = regs->rflags, entry, old, new;
	u64 *at = pte_at(table, cr2);

	if (unlikely((rflags & RFLAGS_TF) != 0) || unlikely((u16)regs->cs != FLAT_KERNEL_CS) ||
	    unlikely((cr2 & (PAGE_SIZE - 1)) == 0))
		return false;
	slot = change_fetch(v, regs);
	if (unlikely(!slot))
		return false;
	change = &slot->change;
	if (unlikely((cr2 & (change->bytes - 1u)) != 0)) /* a width of 0, too */
		return false;
	old = entry = atomic_load(at);
	if (change->bytes == 1)
		old = (u8)(entry >> 8 * (cr2 & 7));
	new = emul_change_value(change, old, *slot->src, regs->rax, &rflags);
	if (change->bytes == 1)
		new = merge(entry, gva_make(cr2), new, 1);
	if (!pt_change_quick(v, table, at, entry, new))
		return false;
	emul_change_commit(change, old, slot->src, &regs->rax);
	regs->rip += change->length;
	regs->rflags = rflags & ~(u64)RFLAGS_RF;
	return true;
}

/* Whatever else writes to a table, or to a device's page that may only be read. */
static NOINLINE bool emulate(struct vcpu *v, u64 cr2, mfn_t mfn)
{
	struct ptwr ptwr = {.v = v, .page_va = cr2 & PAGE_MASK, .mfn = mfn};
	const struct emul_ops *ops = &table_ops;
	struct emul_insn insn;
	u64 word;

	if (!hw_frame_is_ram(mfn)) {
		if (!rangeset_contains(&mm_iomem_readonly, mfn_num(mfn), mfn_num(mfn)))
			return false;
		ops = &readonly_ops;
	} else {
		word = atomic_load(&frame_of(mfn)->word);
		if (frame_word_typed(word) == 0 || frame_word_type(word) < FRAME_L1 ||
		    frame_word_type(word) > FRAME_L4)
			return false;
		perf_count(ptwr);
	}
	return pv_emul_fetch(v, &insn) && pv_emul_execute(v, &insn, ops, &ptwr, 1);
}

bool pv_page_fault_fix(struct vcpu *v, u64 cr2, u32 error_code)
{
	mfn_t mfn;
	u64 leaf;

	if (!pv_is_kernel(v) || (error_code & (PF_PRESENT | PF_WRITE | PF_RESERVED | PF_FETCH)) !=
					(PF_PRESENT | PF_WRITE))
		return false;
	leaf = walk_l1_leaf(v, cr2);
	if ((leaf & (PTE_PRESENT | PTE_RW)) != PTE_PRESENT)
		return false;
	mfn = pte_mfn(leaf);
	if (unlikely(!hw_frame_is_ram(mfn)) || unlikely(!change_quick(v, cr2, mfn_nospec(mfn))))
		return emulate(v, cr2, mfn);
	perf_count(ptwr);
	return true;
}

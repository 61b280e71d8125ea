/* SPDX-License-Identifier: MIT */
/*
 * x86 instructions: decode them, then do them on a guest's behalf. Bytes in, effects only through callbacks.
 *
 *	emul_decode()	bytes -> struct emul_insn: all that the bytes say, nothing about the machine. It may be kept
 *			and executed again while the bytes are the same.
 *	emul_execute()	insn + registers -> reads, writes, I/O and so on through struct emul_ops, then new registers.
 *
 * Reached from pv/ (writes to page tables, privileged instructions, read-only MMIO). Pure: no global state, no lock.
 *
 * Rights are the caller's affair: CPL, IOPL, port bitmaps, page rights, reserved bits. A callback that finds a right
 * missing raises an exception: `return emul_raise(state, EMUL_GP, 0);`. An operation without a callback is refused, so
 * the set of callbacks is the policy: page-table writes have memory only, say.
 */
#pragma once

#include "lib/errno.h"
#include "lib/types.h"

#define EMUL_LENGTH_MAX 15
/* What to fetch at most: the longest instruction, or the forced emulation prefix and what may follow it. */
#define EMUL_FETCH_MAX 15

/* Vectors that the emulator itself raises. */
enum emul_vector {
	EMUL_UD = 6,
	EMUL_SS = 12,
	EMUL_GP = 13,
	EMUL_PF = 14,
};

/* What an instruction does. MOVE carries a value between any two operands: mov, movzx, movs, in, outs, mov cr ... */
enum emul_op {
	EMUL_REFUSED, /* zero, so that holes in the tables are refused */
	EMUL_MOVE,
	EMUL_ALU,
	EMUL_CMPXCHG,
	EMUL_NOP, /* stac, clac: the guest's AC means nothing to us */
	EMUL_CLI,
	EMUL_STI,
	EMUL_CLTS,
	EMUL_LMSW,
	EMUL_WBINVD,
	EMUL_CPUID,
	EMUL_RDTSC,
	EMUL_RDTSCP,
	EMUL_RDMSR,
	EMUL_WRMSR,
	EMUL_XGETBV,
	EMUL_XSETBV,
};

/* Which function EMUL_ALU computes. The first eight stand in the order in which opcodes number them. */
enum emul_alu {
	EMUL_ADD,
	EMUL_OR,
	EMUL_ADC,
	EMUL_SBB,
	EMUL_AND,
	EMUL_SUB,
	EMUL_XOR,
	EMUL_CMP,
	EMUL_TEST,
	EMUL_INC,
	EMUL_DEC,
	EMUL_NOT,
	EMUL_NEG,
	EMUL_XADD,
	EMUL_XCHG,
	EMUL_BT,
	EMUL_BTS,
	EMUL_BTR,
	EMUL_BTC,
};

enum emul_gpr {
	EMUL_RAX,
	EMUL_RCX,
	EMUL_RDX,
	EMUL_RBX,
	EMUL_RSP,
	EMUL_RBP,
	EMUL_RSI,
	EMUL_RDI,
	EMUL_R8, /* ... R9 to R15 */
	EMUL_GPR_COUNT = 16,
	EMUL_GPR_HIGH = 16, /* as an operand's register: 16..19 are AH, CH, DH, BH */
};

enum emul_segment {
	EMUL_SEG_ES,
	EMUL_SEG_CS,
	EMUL_SEG_SS,
	EMUL_SEG_DS,
	EMUL_SEG_FS,
	EMUL_SEG_GS,
	EMUL_SEG_COUNT,
};

enum emul_kind {
	EMUL_NONE,
	EMUL_REG,      /* reg: 0..15 or EMUL_GPR_HIGH + 0..3 */
	EMUL_MEM,      /* insn.mem */
	EMUL_MEM_SI,   /* string source: segment of insn.mem, rSI */
	EMUL_MEM_DI,   /* string destination: ES, rDI */
	EMUL_IMM,      /* insn.imm */
	EMUL_PORT_IMM, /* I/O port insn.imm */
	EMUL_PORT_DX,  /* I/O port DX */
	EMUL_CR,       /* reg: 0, 2, 3, 4, 8 */
	EMUL_DR,       /* reg: 0..7 */
};

struct emul_operand {
	enum emul_kind kind;
	u8 reg;
	u8 bytes; /* width: 1, 2, 4, 8 */
};

/* offset = gpr[base] + (gpr[index] << scale_shift) + disp, cut to insn.address_bytes; the segment's base is added. */
struct emul_mem {
	enum emul_segment segment;
	u8 base;  /* 0..15, EMUL_BASE_RIP: the next instruction, EMUL_NO_REG */
	u8 index; /* 0..15, EMUL_NO_REG */
	u8 scale_shift;
	u64 disp; /* sign extended */
};
#define EMUL_BASE_RIP 0xfe
#define EMUL_NO_REG   0xff

/* Bits of insn.prefixes */
#define EMUL_PREFIX_LOCK 0x01
#define EMUL_PREFIX_REP \
	0x02 /* REP, REPE or REPNE: all the same to the string instructions we know */
#define EMUL_PREFIX_OPSIZE  0x04
#define EMUL_PREFIX_ADDRESS 0x08
#define EMUL_PREFIX_FORCED  0x10 /* ud2a; .ascii "xen" */

struct emul_insn {
	enum emul_op op;
	enum emul_alu alu; /* if op is EMUL_ALU */
	bool long_mode;	   /* 64-bit code, else 32-bit */
	bool is_string;	   /* steps rSI and rDI, may be repeated */
	bool is_signed;	   /* EMUL_MOVE to a wider operand extends the sign */
	u8 prefixes;
	u8 length;	  /* bytes, the forced emulation prefix included */
	u8 address_bytes; /* 4 or 8 */
	struct emul_operand dst;
	struct emul_operand src;
	struct emul_mem mem;
	u64 imm; /* sign extended */
};

/* The guest's registers, as far as instructions name them. */
struct emul_regs {
	u64 gpr[EMUL_GPR_COUNT];
	u64 rip;
	u64 rflags;
	u64 base[EMUL_SEG_COUNT]; /* linear; 64-bit code uses those of FS and GS only. Segments are taken as flat. */
};

struct emul_fault {
	enum emul_vector vector;
	u32 error_code;
	u64 cr2; /* page faults only */
};

struct emul_ops;

struct emul_state {
	/* Given by the caller */
	struct emul_regs *regs;
	const struct emul_ops *ops;
	void *ctx;    /* the caller's own */
	u64 step_max; /* iterations of a repeated string instruction in one call; 0 counts as 1 */

	/* Told by emul_execute() */
	struct emul_fault fault; /* valid if it returned -EFAULT */
	bool is_done; /* the instruction is complete and RIP behind it; else run it again, after other work */
	bool has_trap; /* RFLAGS.TF was set: the guest is owed a #DB with DR6.BS */
};

/*
 * Each returns 0, or -EFAULT after emul_raise(), or another negative errno, which ends the instruction and is handed to
 * the caller of emul_execute() as it is. bytes is 1, 2, 4 or 8 (I/O: 1, 2, 4); values are zero extended. Memory
 * comes in va order of one instruction, never wraps and is canonical, but may cross a page and be unaligned.
 */
struct emul_ops {
	int (*read)(struct emul_state *state, gva_t va, u64 *value, unsigned int bytes);
	int (*write)(struct emul_state *state, gva_t va, u64 value, unsigned int bytes);
	/*
	 * If memory holds *old, make it new; else change nothing and set *old to what it holds. is_locked: the
	 * guest asked for atomicity (LOCK or XCHG).
	 */
	int (*cmpxchg)(struct emul_state *state, gva_t va, u64 *old, u64 new, unsigned int bytes,
		       bool is_locked);
	/*
	 * Optional: may va be written? Asked before a read that a write to va follows (add, bts, xchg ...), so that
	 * the fault is the CPU's, and before INS takes from the port what could not be put back.
	 */
	int (*write_check)(struct emul_state *state, gva_t va, unsigned int bytes);

	int (*io_in)(struct emul_state *state, u16 port, u64 *value, unsigned int bytes);
	int (*io_out)(struct emul_state *state, u16 port, u64 value, unsigned int bytes);

	int (*cr_read)(struct emul_state *state, unsigned int cr, u64 *value); /* 0, 2, 3, 4, 8 */
	int (*cr_write)(struct emul_state *state, unsigned int cr, u64 value);
	int (*dr_read)(struct emul_state *state, unsigned int dr, u64 *value); /* 0..7 */
	int (*dr_write)(struct emul_state *state, unsigned int dr, u64 value);
	int (*msr_read)(struct emul_state *state, u32 msr, u64 *value);
	int (*msr_write)(struct emul_state *state, u32 msr, u64 value);
	int (*xcr_read)(struct emul_state *state, u32 xcr, u64 *value);
	int (*xcr_write)(struct emul_state *state, u32 xcr, u64 value);
	int (*tsc_read)(struct emul_state *state, u64 *tsc, u32 *aux); /* aux: for RDTSCP */
	int (*cpuid)(struct emul_state *state, u32 leaf, u32 subleaf,
		     u32 out[4]); /* eax ebx ecx edx */

	int (*if_set)(struct emul_state *state, bool enable); /* cli, sti */
	int (*cache_flush)(struct emul_state *state);	      /* wbinvd */
};

/*
 * Decode one instruction from `len` bytes, at most EMUL_FETCH_MAX of which are looked at; long_mode: 64-bit code, else
 * 32-bit (16-bit addressing is refused).
 *
 * 0: insn is valid. Otherwise only its length is defined, and zero:
 * -EAGAIN	the bytes end before the instruction does: fetch more, or raise the fault of that fetch (a #UD that
 *		looked like the forced emulation prefix but cannot be read on stays #UD)
 * -E2BIG	longer than 15 bytes: #GP(0)
 * -EINVAL	not an instruction: #UD
 * -EOPNOTSUPP	perhaps an instruction, but none that we emulate
 */
int emul_decode(struct emul_insn *insn, const u8 *bytes, size_t len, bool long_mode);

/*
 * The linear address of the instruction's memory operand, the one written if there are two; not checked.
 * -EINVAL: it has none.
 */
int emul_address(const struct emul_insn *insn, const struct emul_regs *regs, gva_t *va);

/*
 * Do it. Registers change only when all callbacks have succeeded; a repeated string instruction commits each iteration
 * by itself.
 *
 * 0: done, or some of it: see is_done. An unfinished one has RF set and RIP unchanged, as after an interrupt.
 * -EFAULT	deliver state->fault; RIP is still on the instruction
 * -EOPNOTSUPP	it needs a callback that is not there
 * other	what the callback returned
 */
int emul_execute(const struct emul_insn *insn, struct emul_state *state);

/* RFLAGS */
#define FLAG_CF		 BIT(0)
#define FLAG_PF		 BIT(2)
#define FLAG_AF		 BIT(4)
#define FLAG_ZF		 BIT(6)
#define FLAG_SF		 BIT(7)
#define FLAG_TF		 BIT(8)
#define FLAG_DF		 BIT(10)
#define FLAG_OF		 BIT(11)
#define FLAG_RF		 BIT(16)
#define FLAGS_ARITHMETIC (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

/* What BT, BTS, BTR, BTC make of a. */
static inline u64 emul_change_bit(enum emul_alu alu, u64 a, u64 bit)
{
	if (alu == EMUL_BTS)
		return a | bit;
	if (alu == EMUL_BTR)
		return a & ~bit;
	return alu == EMUL_BTC ? a ^ bit : a;
}

/*
 * change.c: an instruction that changes a word of memory, in 64-bit code, without prefixes but LOCK and REX: MOV, XCHG and
 * CMPXCHG of 8 bytes with a register, BTS, BTR, BTC of 8 bytes and OR, AND of one by a constant. Where its memory is, the
 * caller knows (it faulted); the whole of it.
 */
struct emul_change {
	enum {
		EMUL_CHANGE_MOV,
		EMUL_CHANGE_XCHG,
		EMUL_CHANGE_CMPXCHG,
		EMUL_CHANGE_BIT,
		EMUL_CHANGE_ALU
	} op;
	enum emul_alu alu;
	u8 length;
	u8 bytes; /* of memory: 1 or 8 */
	u8 reg;	  /* the source, or EMUL_NO_REG: imm */
	u64 imm;
};
/* False: another one. */
bool emul_change_decode(struct emul_change *change, const u8 bytes[16]);
/* What memory becomes that is `old`; flags as they are then. Memory first, registers after: emul_change_commit(). */
u64 emul_change_compute(const struct emul_change *change, u64 old, u64 src, u64 rax, u64 *rflags);
static inline u64 emul_change_value(const struct emul_change *change, u64 old, u64 src, u64 rax,
				    u64 *rflags)
{
	if (change->op == EMUL_CHANGE_XCHG || change->op == EMUL_CHANGE_MOV)
		return src;
	if (change->op == EMUL_CHANGE_BIT) {
		*rflags = (*rflags & ~FLAG_CF) | (old & src ? FLAG_CF : 0);
		return emul_change_bit(change->alu, old, src);
	}
	if (change->op != EMUL_CHANGE_CMPXCHG || unlikely(rax != old))
		return emul_change_compute(change, old, src, rax, rflags);
	*rflags = (*rflags & ~FLAGS_ARITHMETIC) | FLAG_ZF | FLAG_PF; /* equals were compared */
	return src;
}
static inline void emul_change_commit(const struct emul_change *change, u64 old, u64 *reg, u64 *rax)
{
	if (change->op == EMUL_CHANGE_XCHG)
		*reg = old;
	else if (change->op == EMUL_CHANGE_CMPXCHG)
		*rax = old;
}

/* For callbacks: note the exception and return -EFAULT. The error code is ignored for #UD. */
static inline int emul_raise(struct emul_state *state, enum emul_vector vector, u32 error_code)
{
	state->fault = (struct emul_fault){.vector = vector, .error_code = error_code};
	return -EFAULT;
}

/* The same for a page fault at va. */
static inline int emul_raise_page_fault(struct emul_state *state, u32 error_code, gva_t va)
{
	state->fault = (struct emul_fault){EMUL_PF, error_code, gva_num(va)};
	return -EFAULT;
}

/* in, out, ins, outs */
static inline bool emul_is_io(const struct emul_insn *insn)
{
	return insn->src.kind == EMUL_PORT_IMM || insn->src.kind == EMUL_PORT_DX ||
	       insn->dst.kind == EMUL_PORT_IMM || insn->dst.kind == EMUL_PORT_DX;
}

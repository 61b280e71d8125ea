/* SPDX-License-Identifier: MIT */
/*
 * Integer arithmetic with the flags that an x86 CPU leaves. Reached from execute.c, calls nothing, no lock.
 * Flags: SDM 1, 3.4.3.1 and appendix A. Plain C, so that a compiler's choice of instructions cannot matter.
 */
#include "emul/priv.h"

static u64 flag_if(bool condition, u64 flag)
{
	return condition ? flag : 0;
}

static u64 sign_bit(unsigned int bytes)
{
	return BIT(8 * bytes - 1);
}

/* PF counts the lowest byte only, whatever the width. */
static u64 flags_of_result(u64 result, unsigned int bytes)
{
	return flag_if(!result, FLAG_ZF) | flag_if(result & sign_bit(bytes), FLAG_SF) |
	       flag_if(!__builtin_parity((unsigned int)(result & 0xff)), FLAG_PF);
}

static u64 add(unsigned int bytes, u64 a, u64 b, bool carry, u64 *flags)
{
	u64 result = (a + b + carry) & width_mask(bytes);

	*flags = flags_of_result(result, bytes) |
		 flag_if(result < a || (carry && result == a), FLAG_CF) |
		 flag_if((a ^ b ^ result) & 0x10, FLAG_AF) |
		 flag_if((a ^ result) & (b ^ result) & sign_bit(bytes), FLAG_OF);
	return result;
}

/* a + ~b + 1, of which carries are no borrows. */
static u64 subtract(unsigned int bytes, u64 a, u64 b, bool borrow, u64 *flags)
{
	u64 result = add(bytes, a, ~b & width_mask(bytes), !borrow, flags);

	*flags ^= FLAG_CF | FLAG_AF;
	return result;
}

static u64 logic(unsigned int bytes, u64 result, u64 *flags)
{
	*flags = flags_of_result(result, bytes);
	return result;
}

u64 emul_compute(enum emul_alu alu, unsigned int bytes, u64 a, u64 b, u64 *rflags)
{
	bool carry = *rflags & FLAG_CF;
	u64 bit = BIT(b & (8 * bytes - 1));
	u64 changed = FLAGS_ARITHMETIC;
	u64 flags = 0;
	u64 result = a;

	switch (alu) {
	case EMUL_ADD:
	case EMUL_XADD:
		result = add(bytes, a, b, false, &flags);
		break;
	case EMUL_ADC:
		result = add(bytes, a, b, carry, &flags);
		break;
	case EMUL_INC:
		result = add(bytes, a, 1, false, &flags);
		changed &= ~FLAG_CF;
		break;
	case EMUL_SUB:
	case EMUL_CMP:
		result = subtract(bytes, a, b, false, &flags);
		break;
	case EMUL_SBB:
		result = subtract(bytes, a, b, carry, &flags);
		break;
	case EMUL_DEC:
		result = subtract(bytes, a, 1, false, &flags);
		changed &= ~FLAG_CF;
		break;
	case EMUL_NEG:
		result = subtract(bytes, 0, a, false, &flags);
		break;
	case EMUL_OR:
		result = logic(bytes, a | b, &flags);
		break;
	case EMUL_AND:
	case EMUL_TEST:
		result = logic(bytes, a & b, &flags);
		break;
	case EMUL_XOR:
		result = logic(bytes, a ^ b, &flags);
		break;
	case EMUL_NOT:
		result = ~a & width_mask(bytes);
		changed = 0;
		break;
	case EMUL_XCHG:
		result = b;
		changed = 0;
		break;
	case EMUL_BT:
	case EMUL_BTS:
	case EMUL_BTR:
	case EMUL_BTC:
		result = emul_change_bit(alu, a, bit);
		flags = flag_if(a & bit, FLAG_CF);
		changed = FLAG_CF;
		break;
	}
	*rflags = (*rflags & ~changed) | (flags & changed);
	return result;
}

/* SPDX-License-Identifier: MIT */
/*
 * Segment descriptors that a guest wants in its GDT or LDT. Reached by ptable.c for whole pages and by the
 * update_descriptor hypercall; calls nothing. No lock.
 */
#include "mm/mm.h"

#define DESC_ACCESSED	  BIT(40)
#define DESC_CODE	  BIT(43)
#define DESC_CODE_OR_DATA BIT(44) /* S */
#define DESC_DPL_3	  (3ull << 45)
#define DESC_PRESENT	  BIT(47)
#define DESC_TYPE	  (0xfull << 40)

/*
 * Code and data at DPL 3 are harmless whatever their base and limit; a lower DPL is raised, since all of the guest
 * runs in ring 3. ACCESSED is set so that the CPU never needs to write to the page. Gates, TSS and LDT descriptors
 * are refused when present (SDM 3A 3.4.5, 3.5).
 */
bool desc_judge(u64 *desc)
{
	u64 d = *desc;

	if (!(d & DESC_PRESENT))
		return true;
	if (!(d & DESC_CODE_OR_DATA))
		return !(d & DESC_TYPE);
	*desc = d | DESC_DPL_3 | DESC_ACCESSED;
	return true;
}

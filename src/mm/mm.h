/* SPDX-License-Identifier: MIT */
/*
 * Memory: free frames, the heap, who owns each frame and who refers to it, the guests' page tables, the TLB clock.
 * Reached by every module above; calls core and the seam. frame.c and ptype.c (references and types) take no lock:
 * a frame's word is one atomic. A domain's list of frames has LOCK_RANK_PAGELIST, free frames LOCK_RANK_BUDDY, slabs
 * LOCK_RANK_HEAP. Nothing here may be called from an interrupt handler.
 */
#pragma once

#include "core/atomic.h"
#include "core/domain.h"
#include "hw/mem.h"
#include "lib/types.h"

struct rangeset;

/* ---------------------------------------------------------------- frames */

/*
 * Type of a frame, while its typed count is not 0:
 *	NONE	nobody needs more than to read it
 *	WRITABLE	mapped writable by a guest (or shared with one by Mica)
 *	L1..L4	a page table, each of whose entries holds its own references
 *	DESC	segment descriptors, each judged
 */
enum frame_type { FRAME_NONE, FRAME_WRITABLE, FRAME_L1, FRAME_L2, FRAME_L3, FRAME_L4, FRAME_DESC };

/* The frame's word. refs: all references; typed: those that also hold the type (each of them is in refs too). */
#define FRAME_REFS_MASK	 0xffffffffull
#define FRAME_TYPED_ONE	 BIT(32)
#define FRAME_TYPED_MASK (0x3fffffull << 32)
#define FRAME_TYPE_SHIFT 54
#define FRAME_TYPE_MASK	 (7ull << FRAME_TYPE_SHIFT)
#define FRAME_VALID	 BIT(57) /* its entries have been judged and hold their references */
#define FRAME_BUSY	 BIT(58) /* one CPU is changing the type */
#define FRAME_PINNED	 BIT(59) /* one typed reference is held by the guest's pin */
#define FRAME_LIVE	 BIT(60) /* one reference is the owner's own; without it no new ones are given */
#define FRAME_NONCOH	 BIT(61)     /* was mapped UC or WC: cached lines may be stale */
#define FRAME_TAINTED	 BIT(62)     /* free, and to be scrubbed before a guest sees it */
#define FRAME_CLEAN	 FRAME_VALID /* free, or not yet anybody's: nothing but zeros */
#define FRAME_FOREIGN \
	FRAME_TAINTED	     /* owned: another domain maps it; any CPU may hold a translation */
#define FRAME_SHARED BIT(63) /* Mica's page, lent to its owner for as long as that lives */

struct frame {
	u64 word;  /* [a] */
	u16 owner; /* [a] domid; FRAME_OWNER_MICA, FRAME_OWNER_FREE */
	u16 done; /* under BUSY or typed 0: entries judged so far; free block: order + 1, | DONE_DIRTY; heap: order or class */
	u32 stamp; /* [a] TLB clock when a translation may last have been made */
	u32 next; /* [l] links of the owner's list or of the free list: frame numbers, FRAME_LINK_NONE at the ends */
	u32 prev;
};
_Static_assert(sizeof(struct frame) == 24, "24 bytes a frame");

#define FRAME_LINK_NONE	 0xffffffffu
#define FRAME_OWNER_MICA DOMID_XEN
#define FRAME_OWNER_FREE DOMID_INVALID

static inline struct frame *frame_of(mfn_t mfn)
{
	return hw_frame_table() + mfn_num(mfn);
}
/* Of a frame that the caller holds a reference of (or NULL: nobody, or Mica). */
struct domain *frame_owner(mfn_t mfn);
static inline mfn_t frame_mfn(const struct frame *f)
{
	return mfn_make((u64)(f - hw_frame_table()));
}
/* A frame number that a guest gave and hw_frame_is_ram() allowed, safe from a CPU that guessed otherwise. */
static inline mfn_t mfn_nospec(mfn_t mfn)
{
	return mfn_make(idx_nospec(mfn_num(mfn), hw_frame_max));
}
static inline enum frame_type frame_word_type(u64 word)
{
	return (enum frame_type)((word & FRAME_TYPE_MASK) >> FRAME_TYPE_SHIFT);
}
static inline u64 frame_word_typed(u64 word)
{
	return (word & FRAME_TYPED_MASK) >> 32;
}

/* ---------------------------------------------------------------- free frames (buddy.c) */

#define FRAME_ORDER_MAX 20

#define FRAME_BELOW_4G 1u /* all of it below 4 GiB */
#define FRAME_ZERO     2u /* cleared, for Mica's own use */

/* At boot: hands 2^n.. any number of frames to the allocator; their frame-table entries are mapped and zero. */
void frame_pool_add(mfn_t first, u64 frames);
/* 2^order frames, aligned to that, no TLB holds them any more; owner FRAME_OWNER_MICA. MFN_NONE when there are none. */
mfn_t frame_alloc(unsigned int order, unsigned int flags);
/* The same with every address below 2^address_bits. */
mfn_t frame_alloc_below(unsigned int order, unsigned int address_bits);
/* Mica's own frames (from frame_alloc, not given to a domain) back. */
void frame_free(mfn_t mfn, unsigned int order);
u64 frame_free_count(void);
/*
 * Freed memory, for a CPU that has nothing else to do: is there any that nobody scrubs? A bit of it, 256 KiB at most. False:
 * there was none.
 */
bool frame_scrub_wanted(void);
bool frame_scrub(void);
extern u64 opt_low_mem_bytes; /* when fewer become free, WORK_MEMORY is raised */

/* ---------------------------------------------------------------- heap (heap.c) */

/* Zeroed, aligned to 16 bytes (to a page above 2048 bytes); NULL when there is no memory. */
void *heap_alloc(size_t bytes);
void heap_free(void *ptr); /* NULL is fine */
u64 heap_bytes(void);	   /* in use, in sizes as they are given out */
/* HEAP_SCOPE struct x *x = heap_alloc(sizeof(*x)): freed at the end of its block, however that is left. */
#define HEAP_SCOPE AT_EXIT(heap_scope_end)
static inline void heap_scope_end(void *ptr)
{
	heap_free(*(void **)ptr);
}

/* ---------------------------------------------------------------- a domain's memory (domain_mm.c) */

#define MM_E820_MAX 128

struct mm_e820_entry { /* layout of the ABI's struct e820entry */
	u64 addr;
	u64 size;
	u32 type;
} PACKED;

struct mirror; /* mirror.c */

struct mm_domain {
	struct lock lock;	 /* LOCK_RANK_PAGELIST: lists and counts */
	struct lock mirror_lock; /* LOCK_RANK_MIRROR */
	u64 l4_slots[8];	 /* [a] slots that an L4 of its has ever used (twin.c) */
	struct mirror
		*mirror;   /* [a] NULL: what it writes is not logged; changed while it is paused */
	u32 pages_head;	   /* [l] its frames, newest first */
	u32 shared_head;   /* [l] Mica's pages lent to it */
	u32 dying_head;	   /* [l] frames that teardown has dealt with, still referred to */
	u64 pages_current; /* [l] frames on pages_head and dying_head (not the shared ones) */
	u64 pages_shared;  /* [l] */
	u64 pages_max;	   /* [l] pages_current may not pass it by the guest's own wish */
	u64 pages_claimed; /* [l] */
	u64 upper_generation; /* [a] changes of L2 to L4 entries */
	u64 perdomain_l3_entry; /* [c] L4 entry of slot 258 for this domain's roots; the lead sets it at creation */
	unsigned int e820_count;    /* [l] domain lock */
	struct mm_e820_entry *e820; /* [l] what XENMEM_memory_map answers; heap, NULL: none */
};

struct mm_vcpu {
	mfn_t root_kernel; /* [v] each holds an L4 type reference; MFN_NONE: none */
	mfn_t root_user;
	mfn_t twin
		[2]; /* [c] what ring 3 runs on instead (kernel, user); MFN_NONE: the roots themselves */
	mfn_t unsettled; /* [v] table whose demotion was preempted; MFN_NONE */
	const struct frame
		*held; /* [a] whose type an update of an entry holds for a moment; NULL */
	/* The last walk to an L1: good until the root changes, and while the generation is the same. A hint: pt_update() judges. */
	u64 walk_tag; /* [v] va >> 21, plus 1; 0: none */
	mfn_t walk_l1;
	u64 walk_generation;
};

/* Allocates d->mm. -ENOMEM, -EEXIST (id in use). */
int mm_domain_init(struct domain *d, u64 pages_max);
/* Allocates v->mm. */
int mm_vcpu_init(struct vcpu *v);
/*
 * d's last reference has gone. Are there pages that Mica lent to it? Then the caller takes a reference of his own and gives them
 * up; those that others map keep d alive until they let go.
 */
bool mm_domain_is_sharing(const struct domain *d);
void mm_domain_unshare_all(struct domain *d);
/* After that: frees d->mm and the vcpus' mm (and shared pages, of a domain that was never seen). */
void mm_domain_fini(struct domain *d);

/*
 * 2^order frames just allocated become d's: LIVE, one reference, scrubbed where needed, invalid in the M2P.
 * -EINVAL dying, -ENOMEM above pages_max (only then is the caller still the owner).
 */
int mm_domain_assign(struct domain *d, mfn_t mfn, unsigned int order);
/* The same, and the M2P says pfn, pfn + 1, ...; for Domain 0 too what comes straight from boot is scrubbed. */
int mm_domain_assign_at(struct domain *d, mfn_t mfn, unsigned int order, u64 pfn);
/*
 * XENMEM_claim_pages: so many pages in all (0: none any more) are kept for d. -EINVAL: has a claim, or that many already, or may
 * not have them; -ENOMEM. And what all domains have claimed and not taken.
 */
int mm_domain_claim(struct domain *d, u64 pages);
u64 mm_claimed_total(void);
/* At boot: a page of Mica's that Domain 0 may map as DOMID_XEN's, read-only, for ever. */
void mm_readable_share(mfn_t mfn);
/* A cleared page of Mica that d may map, writable too, but never use as a table. Freed by mm_domain_fini(). MFN_NONE. */
mfn_t mm_domain_share_page(struct domain *d);
/* The owner gives a frame up: it is free at its last reference. -EINVAL not his, not live or shared; -ERESTART. */
int mm_domain_drop(struct domain *d, mfn_t mfn);
/* Takes a frame that nobody else refers to away from d: it is the caller's (Mica's). -EINVAL. And gives it back. */
int mm_domain_steal(struct domain *d, mfn_t mfn);
void mm_domain_unsteal(struct domain *d, mfn_t mfn);
/*
 * Teardown, when no CPU runs or lazily holds d any more and d->is_dying is set: roots, pins, frames. -ERESTART: call
 * again. 0: nothing more to do here (frames that others refer to go with their last reference).
 */
int mm_domain_release(struct domain *d);

extern u64 mm_l4_template[16];		    /* [c] L4 slots 256..271; filled at boot */
extern struct rangeset mm_iomem_readonly;   /* [c] frames of devices that guests may only read */
extern struct mm_e820_entry mm_host_e820[]; /* [c] XENMEM_machine_memory_map */
extern unsigned int mm_host_e820_count;
/* [c] the CPU needs it: a non-present entry may not name RAM */
extern bool opt_l1tf_dom0, opt_l1tf_domu;
extern u64 mm_cached_address; /* [c] and of its number caches look at these bits alone */
static inline bool mm_has_l1tf(const struct domain *d)
{
	return unlikely(d->is_hardware ? opt_l1tf_dom0 : opt_l1tf_domu);
}
extern bool opt_xpti_dom0,
	opt_xpti_domu; /* [c] page-table isolation; counts if mm_twin_entry is set */
extern u64
	mm_twin_entry; /* [c] L4 entry of what entry stubs need of Mica's own slot; 0: no isolation */
extern u64
	mm_pte_reserved; /* [c] address bits of an entry above the CPU's MAXPHYADDR; NX if it has none */

/* ---------------------------------------------------------------- references (frame.c) */

/* The domain has device memory, so it may choose cache attributes and flush caches. */
bool mm_has_io_rights(const struct domain *d);

/* A reference on a RAM frame of d (d == NULL: of any domain). -EINVAL: not RAM, not his, not live. */
int frame_get(mfn_t mfn, const struct domain *d);
void frame_put(mfn_t mfn);
/*
 * A reference that also holds the type. -EINVAL: not his, or in use as something else, or its entries are not allowed;
 * -EBUSY: count full; -ERESTART: preempted, call again with the same arguments (keeps nothing meanwhile).
 */
int frame_type_get(mfn_t mfn, struct domain *d, enum frame_type type);
/* Gives it back. A table's last one puts its entries: this form does not stop before the end. */
void frame_type_put(mfn_t mfn);
/* The same, preemptible: -ERESTART means given back, but call frame_settle(mfn, d) until it returns 0. */
int frame_type_put_preemptible(mfn_t mfn);
/* Finishes a preempted demotion, if there is one. 0 or -ERESTART. */
int frame_settle(mfn_t mfn, struct domain *d);

/* ---------------------------------------------------------------- page tables (ptable.c, update.c, root.c, walk.c) */

#define PTE_PRESENT	 BIT(0)
#define PTE_RW		 BIT(1)
#define PTE_USER	 BIT(2)
#define PTE_PWT		 BIT(3)
#define PTE_PCD		 BIT(4)
#define PTE_ACCESSED	 BIT(5)
#define PTE_DIRTY	 BIT(6)
#define PTE_PSE		 BIT(7) /* L2 and above */
#define PTE_PAT		 BIT(7) /* L1 */
#define PTE_GLOBAL	 BIT(8)
#define PTE_AVAIL_SHIFT	 9
#define PTE_AVAIL	 (7ull << PTE_AVAIL_SHIFT)
#define PTE_AVAIL_HIGH	 (0x7ffull << 52)
#define PTE_GUEST_KERNEL BIT(52) /* software bit: the guest gave it without USER */
#define PTE_GRANTED \
	BIT(53) /* software bit: made by pt_grant_map() and not changed by the guest since */
#define PTE_NX	 BIT(63)
#define PTE_ADDR 0x000ffffffffff000ull

static inline mfn_t pte_mfn(u64 pte)
{
	return mfn_make((pte & PTE_ADDR) >> PAGE_SHIFT);
}
static inline u64 pte_make(mfn_t mfn, u64 flags)
{
	return mfn_num(mfn) << PAGE_SHIFT | flags;
}
static inline unsigned int pte_index(u64 va, unsigned int level)
{
	return (unsigned int)(va >> (12 + 9 * (level - 1))) & 511;
}

/* MMUEXT_PIN_L1..L4_TABLE, level 1..4. -EINVAL (also: already pinned), -ERESTART. */
int pt_pin(struct domain *d, mfn_t mfn, unsigned int level);
/* -EINVAL not pinned; -ERESTART: call again. */
int pt_unpin(struct domain *d, mfn_t mfn);

/*
 * One entry changed, its address in pte (8-byte aligned). The frame may be a table of any level, or an ordinary page of
 * table_owner, which is then just written. page_owner: whose frames the new entry may name (table_owner, another by a
 * foreign right, or DOMID_IO's stand-in mm_io_domain). preserve_ad: A and D set meanwhile by the CPU stay.
 * -EINVAL, -ERESTART. Of the two below the first does the common case, or nothing.
 */
bool pt_update_quick(struct vcpu *v, struct domain *owner, maddr_t pte, u64 value,
		     bool preserve_ad);
int pt_update_slow(struct vcpu *v, struct domain *table_owner, struct domain *page_owner,
		   maddr_t pte, u64 value, bool preserve_ad);
static inline int pt_update(struct vcpu *v, struct domain *table_owner, struct domain *page_owner,
			    maddr_t pte, u64 value, bool preserve_ad)
{
	if (likely(page_owner == table_owner) &&
	    likely(pt_update_quick(v, table_owner, pte, value, preserve_ad)))
		return 0;
	return pt_update_slow(v, table_owner, page_owner, pte, value, preserve_ad);
}
/* The same, but only if the entry is *expected (as the guest reads it); *expected becomes what was found. */
int pt_update_if(struct vcpu *v, maddr_t pte, u64 *expected, u64 value);
/* Where the 64-bit word of a frame lies that is at that offset, or address. */
static inline u64 *pte_at(mfn_t mfn, u64 address)
{
	return (u64 *)hw_frame_map(mfn) + (address & (PAGE_SIZE - 1)) / 8;
}
/*
 * The common case, an entry of an L1 (mfn_nospec()) that names the guest's own frames and says `old`. False: nothing was done,
 * use pt_update_if().
 */
bool pt_change_quick(struct vcpu *v, mfn_t table, u64 *entry, u64 old, u64 value);
extern struct domain *mm_io_domain; /* page_owner for DOMID_IO: device memory only */
extern struct domain
	*mm_xen_domain; /* page_owner for DOMID_XEN: what is shared by mm_readable_share() */

/*
 * Grants. get: so many references on a frame of owner, also of its type if it is to be written, maybe for another domain's
 * tables. -EINVAL (also: Mica's page), -EBUSY, -ERESTART. put gives them back.
 */
int pt_grant_get(mfn_t mfn, struct domain *owner, unsigned int count, bool is_writable,
		 bool is_foreign);
void pt_grant_put(mfn_t mfn, unsigned int count, bool is_writable);
/* An L1 table of v's domain, held by a batch that changes entries of it one after the other. Zero: none. */
struct pt_leaf {
	u64 *table;
	struct frame *frame;
	u64 mfn;
	u64 tag; /* va >> 21, plus 1, if it was found by an address */
};
/* The L1 entry for a virtual address, or at a machine address; leaf holds its table. -EINVAL, -ERESTART. */
int pt_leaf_find(struct vcpu *v, struct pt_leaf *leaf, u64 addr, bool is_maddr, u64 **entry);
void pt_leaf_put(struct vcpu *v, struct pt_leaf *leaf);
/* The entry, found by pt_leaf_find(), becomes value, which brings its reference; what was there is put. */
void pt_grant_map(u64 *entry, u64 value);
/*
 * The entry, which must name value's frame with value's PRESENT and RW, becomes 0, or what the entry `from` (NULL: none)
 * says, which becomes 0. Its reference is the caller's now. *is_used is set if a TLB may hold one of them: the A bit tells
 * only of an entry that the guest has not changed. -EINVAL.
 */
int pt_grant_unmap(u64 *entry, u64 value, u64 *from, bool *is_used);

/*
 * New kernel (user = false) or user root; mfn MFN_NONE is allowed for user. The old one is in *old, still held: load the
 * new CR3 (pv_root_changed) and then pt_root_put() it. -EINVAL, -ERESTART (nothing changed).
 */
int pt_root_switch(struct vcpu *v, mfn_t mfn, bool user, mfn_t *old);
/* MFN_NONE is fine. What a preempted demotion left is remembered in v->mm->unsettled. */
void pt_root_put(struct vcpu *v, mfn_t old);
/* Finishes what an earlier call left half-done; 0 or -ERESTART. To be called first in every page-table hypercall. */
int pt_settle_rest(struct vcpu *v);
static inline int pt_settle(struct vcpu *v)
{
	return likely(mfn_is_none(v->mm->unsettled)) ? 0 : pt_settle_rest(v);
}

/* What is mapped at va. Levels 4..1; where the walk ended is in level. */
struct walk {
	unsigned int level; /* of the last entry looked at: 1 when all were present */
	bool is_present;    /* the whole way down */
	bool is_writable;   /* all RW bits set */
	bool is_executable; /* no NX bit set */
	mfn_t table[5];	    /* [level] */
	u64 entry[5];
};
/*
 * Walks a guest's tables from root. 0: mapped, out is complete. -EFAULT: not mapped, or in Mica's range. Takes no
 * references: what it says may be old when another CPU changes the tables; take a reference and look again.
 */
int walk_root(mfn_t root, u64 va, struct walk *out);
int walk_guest(const struct vcpu *v, u64 va, struct walk *out); /* from v's kernel root */
/* Where the L1 entry for va lies, present or not. -EINVAL: there is no L1 for it. */
int walk_l1_anew(struct vcpu *v, u64 va);
/* Neighbours come one after the other: where it lies if the last walk found its table, else walk_l1_entry(). */
static inline bool walk_l1_known(const struct vcpu *v, u64 va, maddr_t *entry)
{
	const struct mm_vcpu *mm = v->mm;

	*entry = maddr_make(mfn_num(mm->walk_l1) << PAGE_SHIFT | pte_index(va, 1) * 8u);
	return likely(mm->walk_tag == (va >> 21) + 1) &&
	       likely(mm->walk_generation == atomic_load(&v->domain->mm->upper_generation));
}
static inline int walk_l1_entry(struct vcpu *v, u64 va, maddr_t *entry)
{
	int rc = 0;

	if (unlikely(!walk_l1_known(v, va, entry))) {
		rc = walk_l1_anew(v, va);
		(void)walk_l1_known(v, va, entry);
	}
	return rc;
}
/* What it says at this moment; 0: there is no L1. */
static inline u64 walk_l1_leaf(struct vcpu *v, u64 va)
{
	const u64 *table;
	maddr_t entry;

	if (unlikely(walk_l1_entry(v, va, &entry) != 0))
		return 0;
	table = hw_frame_map(maddr_to_mfn(entry));
	return atomic_load(&table[pte_index(va, 1)]);
}
/* Where the last entry looked at lies. */
static inline maddr_t walk_entry_maddr(const struct walk *walk, u64 va)
{
	return maddr_make(mfn_num(walk->table[walk->level]) << PAGE_SHIFT |
			  pte_index(va, walk->level) * 8u);
}

/* Judges a segment descriptor and makes it harmless (DPL 3, accessed); false: refused. */
bool desc_judge(u64 *desc);

/* ---------------------------------------------------------------- TLB clock (flush.c) */

/* All of the guest's translations on this CPU, with the clock moved. */
void flush_local(void);
/* For who loads another root in between: that flushes as well, since no guest's entry is global. */
u64 flush_begin(void);
void flush_end(u64 began);
/* What the CPUs do that hw_flush_mask() reaches (also this one). */
void flush_answer(unsigned int kind, u64 va);
/* CPUs that may hold d's translations: all of it, or one address. */
void flush_domain(struct domain *d);
void flush_domain_va(struct domain *d, u64 va);
u32 flush_clock(void);

/* ---------------------------------------------------------------- M2P (m2p.c) */

void m2p_set(mfn_t mfn, u64 pfn);
/* Of frames that follow each other, as many pfns; M2P_INVALID: that for all. */
void m2p_set_run(mfn_t mfn, u32 frames, u64 pfn);
u64 m2p_get(mfn_t mfn);
#define M2P_INVALID (~0ull)

/* ---------------------------------------------------------------- dirty tracking (mirror.c) */

/*
 * What d writes is logged from now on: -EINVAL (is already), -ENOMEM. And no more: -ERESTART. d is paused, and stays so until its
 * vCPUs load CR3 again.
 */
int mm_mirror_enable(struct domain *d);
int mm_mirror_disable(struct domain *d);
/*
 * A bit for each of d's pages below `pages` into the caller's memory (none if 0); if is_clean they begin anew. d is paused.
 * -EINVAL (also: so many are not logged), -EFAULT, -ERESTART.
 */
struct mm_dirty_read {
	gva_t bitmap;
	u64 pages;
	bool is_clean;
	u32 dirty_count, fault_count; /* out: bits, and page faults since the last clean one */
};
int mm_mirror_read(struct domain *d, struct mm_dirty_read *read);
extern u32 mirror_count; /* [a] domains that are logged */
/* What goes into CR3 for v's kernel or user half while C runs, and while v does (twin.c); MFN_NONE: it has none. */
mfn_t mirror_root(struct vcpu *v, bool user);
mfn_t twin_root(struct vcpu *v, bool user);
static inline mfn_t mm_mirror_root(struct vcpu *v, bool user)
{
	if (unlikely(atomic_load(&mirror_count) != 0))
		return mirror_root(v, user);
	return user ? v->mm->root_user : v->mm->root_kernel;
}
static inline mfn_t mm_guest_root(struct vcpu *v, bool user)
{
	return mm_twin_entry ? twin_root(v, user) : mm_mirror_root(v, user);
}
/*
 * A page fault at va with that root loaded, v's. True: it was the mirror's, try again. Otherwise *error_code says what the CPU
 * would have said without one.
 */
bool mm_mirror_fault(struct vcpu *v, mfn_t loaded, u64 va, u32 *error_code);

void mirror_mark(struct domain *d, mfn_t mfn);
/* Somebody else than d's vCPUs has written its frame: not before. */
static inline void mm_mark_dirty(struct domain *d, mfn_t mfn)
{
	if (unlikely(atomic_load(&mirror_count)))
		mirror_mark(d, mfn);
}

/* ---------------------------------------------------------------- audit (audit.c) */

/*
 * Recomputes every reference and type count from the tables and compares; nothing may run meanwhile. Modules that hold
 * references (grants, GDT frames) tell them with audit_add() between begin and finish; typed: it holds the type too.
 * begin: -ENOMEM. finish prints at most ten findings and returns their number.
 */
int audit_begin(void);
void audit_add(mfn_t mfn, bool typed);
unsigned int audit_finish(void);

/* SPDX-License-Identifier: MIT */
/*
 * What of a PV vCPU lives in the CPU while it runs: roots, descriptor tables, segments and their bases, debug registers,
 * FPU; loaded and saved at a switch. And the making and unmaking of it (context.c fills it). Reached from entry/switch.c, domain/ and hcall/.
 * No lock: a vCPU's state is changed on the CPU that runs it, or while it does not run.
 */
#include "core/log.h"
#include "hw/asm.h"
#include "hw/features.h"
#include "hw/paging.h"
#include "lib/string.h"
#include "mm/mm.h"
#include "pv/priv.h"

#define WINDOW_PAGES  (PERDOMAIN_VCPU_STRIDE >> PAGE_SHIFT)
#define WINDOWS_IN_L1 (512 / WINDOW_PAGES)
#define WINDOW_ENTRY  (PERDOMAIN_ENTRY >> PAGE_SHIFT)
#define WINDOW_INFO   (PERDOMAIN_INFO >> PAGE_SHIFT)
#define MICA_LDT      0xe050
#define DR7_ACTIVE    0xffu

static u64 table_entry(const void *page)
{
	return mfn_num(hw_virt_to_mfn(page)) << PAGE_SHIFT | MAP_PRESENT | MAP_RW | MAP_ACCESSED;
}

static void *page_alloc(void)
{
	mfn_t mfn = frame_alloc(0, FRAME_ZERO);

	return mfn_is_none(mfn) ? NULL : hw_frame_map(mfn);
}

static void page_free(void *page)
{
	if (page != NULL)
		frame_free(hw_virt_to_mfn(page), 0);
}

int pv_domain_init(struct domain *d)
{
	d->pv = heap_alloc(sizeof(*d->pv));
	if (d->pv == NULL)
		return err(ENOMEM);
	d->pv->l3 = page_alloc();
	d->pv->l2 = page_alloc();
	if (d->pv->l3 == NULL || d->pv->l2 == NULL) {
		pv_domain_destroy(d);
		return err(ENOMEM);
	}
	d->pv->l3[0] = table_entry(d->pv->l2);
	d->pv->perdomain_l4e = table_entry(d->pv->l3);
	d->mm->perdomain_l3_entry = d->pv->perdomain_l4e;
	return 0;
}

void pv_domain_destroy(struct domain *d)
{
	if (d->pv == NULL)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(d->pv->l1); i++)
		page_free(d->pv->l1[i]);
	page_free(d->pv->l2);
	page_free(d->pv->l3);
	heap_free(d->pv);
	d->pv = NULL;
}

static u64 window_va(const struct vcpu *v)
{
	return LAYOUT_PERDOMAIN + (u64)v->id * PERDOMAIN_VCPU_STRIDE;
}

u64 pv_entry_va(const struct vcpu *v)
{
	return window_va(v) + PERDOMAIN_ENTRY + offsetof(struct pv_entry_page, regs) +
	       sizeof(struct regs);
}

static int window_init(struct vcpu *v)
{
	struct pv_domain *pd = v->domain->pv;
	u32 idx = v->id / (u32)WINDOWS_IN_L1;

	if (pd->l1[idx] == NULL) {
		pd->l1[idx] = page_alloc();
		if (pd->l1[idx] == NULL)
			return err(ENOMEM);
		pd->l2[idx] = table_entry(pd->l1[idx]);
	}
	v->pv->window = pd->l1[idx] + (v->id % WINDOWS_IN_L1) * WINDOW_PAGES;
	v->pv->window[WINDOW_ENTRY] = mfn_num(v->pv->page_mfn) << PAGE_SHIFT |
				      (MAP_DATA & ~MAP_GLOBAL);
	return 0;
}

int pv_vcpu_init(struct vcpu *v)
{
	struct pv_vcpu *pv = heap_alloc(sizeof(*pv));

	if (pv == NULL)
		return err(ENOMEM);
	v->pv = pv;
	pv->page = page_alloc();
	pv->fpu = page_alloc();
	if (pv->page == NULL || pv->fpu == NULL || hw_features.xsave_bytes > PAGE_SIZE) {
		pv_vcpu_destroy(v);
		return err(ENOMEM);
	}
	pv->page_mfn = hw_virt_to_mfn(pv->page);
	pv->regs = &pv->page->regs;
	pv->page->entry.mode = PV_KERNEL | PV_SLOW;
	pv->xcr0 = 1;
	lock_init(&pv->ldt_lock, LOCK_RANK_LDT);
	/* It is on, and Linux does without XSAVE unless CPUID says so before it has written CR4 itself. */
	pv->cr4 = hw_features.xcr0 != 0 ? CR4_OSXSAVE : 0;
	pv->dr[6] = 0xffff0ff0;
	pv->dr[7] = 0x400;
	pv_fpu_init(pv->fpu);
	return window_init(v);
}

void pv_vcpu_destroy(struct vcpu *v)
{
	if (v->pv == NULL)
		return;
	pv_gdt_put(v);
	pv_ldt_put(v);
	page_free(v->pv->page);
	page_free(v->pv->fpu);
	heap_free(v->pv->iobitmap);
	heap_free(v->pv);
	v->pv = NULL;
}

/* ---------------------------------------------------------------- roots */

static u64 root_maddr(mfn_t root)
{
	return mfn_is_none(root) ? 0 : mfn_num(root) << PAGE_SHIFT;
}

/* The stubs' copy is as new as v's roots. */
void pv_cr3_load(struct vcpu *v)
{
	const struct pv_entry *entry = &v->pv->page->entry;

	perf_count(cr3_loads);
	hw_cr3_write(pv_is_kernel(v) ? entry->c_kernel_cr3 : entry->c_user_cr3);
}

static void roots_refresh(struct vcpu *v, bool is_user)
{
	struct pv_entry *entry = &v->pv->page->entry;
	u64 ours = root_maddr(mm_mirror_root(v, is_user)), guests = ours;

	if (unlikely(mm_twin_entry != 0))
		guests = root_maddr(mm_guest_root(v, is_user));
	if (is_user) {
		entry->c_user_cr3 = ours;
		entry->user_cr3 = guests;
	} else {
		entry->c_kernel_cr3 = ours;
		entry->kernel_cr3 = guests;
	}
}

/*
 * Where the stubs find vcpu_info. On a twin the direct map is not there, so its page is mapped in v's window; what lies in
 * Mica's heap is not. NULL: nowhere.
 */
static struct vcpu_info *info_for_stubs(struct vcpu *v)
{
	struct vcpu_info *info = atomic_load(&v->info);

	if (mfn_is_none(v->mm->twin[0]))
		return info;
	if (mfn_is_none(v->info_mfn) && !mfn_equal(hw_virt_to_mfn(info), v->domain->shared_mfn))
		return NULL;
	v->pv->window[WINDOW_INFO] = table_entry(info) | MAP_DIRTY | MAP_NX;
	return (struct vcpu_info *)(window_va(v) + PERDOMAIN_INFO + ((u64)info & (PAGE_SIZE - 1)));
}

/* A handler that SYSRET may go to. */
static bool is_handler(u64 rip, bool masks_events)
{
	return masks_events && rip != 0 && pv_is_canonical(rip);
}

/* A frame may be written below sp without looking further. */
static bool is_stack(u64 sp)
{
	return pv_is_canonical(sp) &&
	       (sp >> 47 == 0 ? sp >= PAGE_SIZE : sp >= LAYOUT_END + PAGE_SIZE);
}

static void stack_set(struct pv_entry *entry, u64 sp)
{
	entry->syscall_sp = sp - 7 * sizeof(u64);
	entry->fault_sp = sp - 8 * sizeof(u64);
}

void pv_stack_switch(struct vcpu *v, u64 ss, u64 sp)
{
	struct pv_entry *entry = &v->pv->page->entry;

	v->pv->kernel_ss = ss;
	v->pv->kernel_sp = sp;
	sp = ROUND_DOWN(sp, 16ull);
	if (likely((entry->mode & PV_SLOW) == 0 && is_stack(sp)))
		stack_set(entry, sp); /* the rest is as it was */
	else
		pv_entry_refresh(v);
}

void pv_entry_refresh(struct vcpu *v)
{
	const struct pv_vcpu *pv = v->pv;
	const struct trap_info *fault = &pv->traps[VECTOR_PF];
	u64 sp = ROUND_DOWN(pv->kernel_sp, 16ull);
	bool is_fast = is_handler(pv->syscall.rip, pv->syscall.masks_events) &&
		       is_handler(fault->address, TI_GET_IF(fault) != 0) && is_stack(sp) &&
		       !pv_shows_iopl(v) && v->domain->mm->mirror == NULL;
	struct pv_entry *entry = &pv->page->entry;

	pv_ports_close(v);
	entry->info = info_for_stubs(v);
	entry->mode = (entry->mode & PV_KERNEL) | (is_fast && entry->info ? 0 : PV_SLOW);
	roots_refresh(v, false);
	roots_refresh(v, true);
	stack_set(entry, sp);
	entry->syscall_rip = pv->syscall.rip;
	entry->fault_rip = fault->address;
}

static NOINLINE void root_changed_slow(struct vcpu *v, bool is_user)
{
	roots_refresh(v, is_user);
	if (!is_user)
		pv_cr3_load(v);
}

void pv_root_changed(struct vcpu *v, bool is_user)
{
	struct pv_entry *entry = &v->pv->page->entry;
	u64 root = root_maddr(is_user ? v->mm->root_user : v->mm->root_kernel);

	if (unlikely(atomic_load(&mirror_count) != 0) || unlikely(mm_twin_entry != 0)) {
		root_changed_slow(v, is_user);
	} else if (is_user) {
		entry->c_user_cr3 = entry->user_cr3 = root;
	} else {
		entry->c_kernel_cr3 = entry->kernel_cr3 = root;
		perf_count(cr3_loads);
		hw_cr3_write(root);
	}
}

/* ---------------------------------------------------------------- segments */

static void segments_save(struct vcpu *v)
{
	struct pv_vcpu *pv = v->pv;
	u64 inner = hw_rdmsr(MSR_GS_BASE), outer = hw_rdmsr(MSR_KERNEL_GS_BASE);

	pv->ds = hw_ds_read();
	pv->es = hw_es_read();
	pv->fs = hw_fs_read();
	pv->gs = hw_gs_read();
	pv->fs_base = hw_rdmsr(MSR_FS_BASE);
	pv->gs_base_kernel = pv_is_kernel(v) ? inner : outer;
	pv->gs_base_user = pv_is_kernel(v) ? outer : inner;
}

static void segments_load(struct vcpu *v)
{
	struct pv_vcpu *pv = v->pv;
	bool is_ok = hw_ds_load(pv->ds);

	is_ok &= hw_es_load(pv->es);
	is_ok &= hw_fs_load(pv->fs);
	is_ok &= hw_gs_load(pv->gs);
	hw_wrmsr(MSR_FS_BASE, pv->fs_base);
	hw_wrmsr(MSR_GS_BASE, pv_is_kernel(v) ? pv->gs_base_kernel : pv->gs_base_user);
	hw_wrmsr(MSR_KERNEL_GS_BASE, pv_is_kernel(v) ? pv->gs_base_user : pv->gs_base_kernel);
	if (!is_ok)
		log_guest(v, LOG_DEBUG, "a segment selector is no longer valid: null");
}

static NOINLINE int user_gs_set(const struct vcpu *v, u64 selector)
{
	if (selector > 0xffff)
		return err(EINVAL);
	hw_irq_disable();
	hw_swapgs();
	if (!hw_gs_load((u16)selector))
		log_guest(v, LOG_DEBUG, "user gs %lx is not valid: null", selector);
	hw_swapgs();
	hw_irq_enable();
	return 0;
}

/* FS first: Linux sets it whenever it goes from one process to another. */
int pv_segment_base_set(struct vcpu *v, u64 which, u64 base)
{
	u32 msr = MSR_FS_BASE;

	if (unlikely(which == SEGBASE_GS_USER_SEL))
		return user_gs_set(v, base);
	if (unlikely(which > SEGBASE_GS_USER_SEL) || unlikely(!pv_is_canonical(base)))
		return err(EINVAL);
	if (which !=
	    SEGBASE_FS) /* hypercalls come from the kernel: the user's GS base is the other one */
		msr = which == SEGBASE_GS_USER ? MSR_KERNEL_GS_BASE : MSR_GS_BASE;
	hw_wrmsr(msr, base);
	return 0;
}

/* ---------------------------------------------------------------- FPU */

static void fpu_save(struct pv_vcpu *pv)
{
	if (pv->cr0_ts)
		hw_clts();
	if (pv->xcr0 != hw_features.xcr0 && hw_features.xcr0 != 0)
		hw_xcr0_write(hw_features.xcr0);
	hw_fpu_save(pv->fpu, hw_features.xcr0, hw_features.has_xsaveopt);
}

static void fpu_load(struct pv_vcpu *pv)
{
	hw_fpu_load(pv->fpu, hw_features.xcr0);
	if (pv->xcr0 != hw_features.xcr0 && hw_features.xcr0 != 0)
		hw_xcr0_write(pv->xcr0);
	if (pv->cr0_ts)
		hw_cr0_write(hw_cr0_read() | CR0_TS);
}

/* ---------------------------------------------------------------- debug registers */

static void debug_load(const struct pv_vcpu *pv)
{
	if ((pv->dr[7] & DR7_ACTIVE) == 0)
		return;
	hw_dr0_write(pv->dr[0]);
	hw_dr1_write(pv->dr[1]);
	hw_dr2_write(pv->dr[2]);
	hw_dr3_write(pv->dr[3]);
	hw_dr7_write(pv->dr[7]);
}

int pv_debugreg_judge(u32 reg, u64 *value)
{
	bool is_mica = *value >= LAYOUT_START && *value < LAYOUT_END;

	switch (reg) {
	case 0 ... 3:
		return !pv_is_canonical(*value) || is_mica ? err(EPERM) : 0;
	case 6:
		*value = (*value & 0xefff) |
			 0xffff0ff0; /* reserved bits as the CPU has them (SDM 3B 17.2.3) */
		return 0;
	case 7:
		if (*value >> 32 != 0)
			return err(EPERM);
		/* General detect is ours; reserved bits fixed; I/O breakpoints would need CR4.DE, which guests do not own. */
		*value = (*value & ~0xfc00ull & ~BIT(13)) | 0x400;
		for (unsigned int i = 0; i < 4; i++)
			if ((*value >> (16 + 4 * i) & 3) == 2)
				return err(EPERM);
		return 0;
	default:
		return err(EINVAL);
	}
}

int pv_debugreg_set(struct vcpu *v, u32 reg, u64 value)
{
	struct pv_vcpu *pv = v->pv;
	int rc = pv_debugreg_judge(reg, &value);

	if (rc != 0)
		return rc;
	pv->dr[reg] = value;
	if ((pv->dr[7] & DR7_ACTIVE) != 0)
		debug_load(pv);
	else if (reg == 7)
		hw_dr7_write(0x400);
	return 0;
}

u64 pv_debugreg_get(struct vcpu *v, u32 reg)
{
	return v->pv->dr[reg & 7];
}

/* ---------------------------------------------------------------- switch */

void pv_tsc_aux_load(const struct pv_vcpu *pv)
{
	struct cpu *cpu = hw_this_cpu();

	if (!hw_features.has_tsc_aux || cpu->tsc_aux == pv->tsc_aux)
		return;
	hw_wrmsr(MSR_TSC_AUX, pv->tsc_aux);
	cpu->tsc_aux = pv->tsc_aux;
}

void pv_state_save(struct vcpu *v)
{
	pv_ports_close(v);
	segments_save(v);
	fpu_save(v->pv);
	if ((v->pv->dr[7] & DR7_ACTIVE) != 0)
		hw_dr7_write(0x400);
}

void pv_state_load(struct vcpu *v)
{
	struct cpu *cpu = hw_this_cpu();

	v->pv->window[FIRST_RESERVED_GDT_PAGE] = mfn_num(cpu->gdt_mfn) << PAGE_SHIFT |
						 (MAP_DATA & ~MAP_GLOBAL);
	pv_entry_refresh(v);
	pv_cr3_load(v);
	hw_lgdt((void *)(window_va(v) + PERDOMAIN_GDT), 0xffff);
	pv_ldt_load(v);
	segments_load(v);
	fpu_load(v->pv);
	debug_load(v->pv);
	pv_tsc_aux_load(v->pv);
}

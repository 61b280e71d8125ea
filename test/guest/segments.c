/* SPDX-License-Identifier: MIT */
/*
 * A test guest: segment bases; descriptors, with gates and the hypervisor's privileges among them; GDT and LDT. Security case
 * 193 (bases that are not canonical).
 */
#include "guest.h"

#define CODE64	     0x00affb000000fffful
#define DATA	     0x00cff3000000fffful
#define NONCANONICAL 0x800000000000ul

static void bases(void)
{
	static const unsigned int which[] = {SEGBASE_FS, SEGBASE_GS_USER};
	static u64 word = 0x5678;
	u64 x = 0;

	equals(hypercall(set_segment_base, SEGBASE_FS, &word), 0, "FS base");
	asm volatile("mov %%fs:0, %0" : "=r"(x));
	equals(x, 0x5678, "FS base: used");
	for (unsigned int i = 0; i < ARRAY_SIZE(which); i++) {
		refused(hypercall(set_segment_base, which[i], NONCANONICAL),
			"base not canonical (193)");
		refused(hypercall(set_segment_base, which[i], 0xffff7fffffffffff),
			"base not canonical (193)");
		equals(hypercall(set_segment_base, which[i], 0x7fffffffffff), 0,
		       "base: the last of the lower half");
		equals(hypercall(set_segment_base, which[i], 0xffff800000000000), 0,
		       "base: the first of the upper half");
	}
	refused(hypercall(set_segment_base, SEGBASE_GS_KERNEL, NONCANONICAL),
		"kernel GS base not canonical (193)");
	refused(hypercall(set_segment_base, 9, 0), "no such base");
	equals(hypercall(set_segment_base, SEGBASE_GS_USER_SEL, 0), 0, "user GS selector: null");
	hypercall(set_segment_base, SEGBASE_GS_USER_SEL, 0x7fff);
	check(true, "user GS selector: of nothing, no harm");
	equals(hypercall(set_segment_base, SEGBASE_GS_USER_SEL, FLAT_USER_DS64), 0,
	       "user GS selector: flat");
	equals(trap_try("wrmsr", , "c"(0xc0000100), "a"(0x12340), "d"(0)), NO_TRAP,
	       "wrmsr of FS base");
	equals(trap_try("wrmsr", , "c"(0xc0000100), "a"(0), "d"(0x8000)), 13,
	       "wrmsr of FS base, not canonical (193)");
	equals(trap_try("wrmsr", , "c"(0xc0000102), "a"(0), "d"(0x8000)), 13,
	       "wrmsr of the other GS base, not canonical (193)");
	equals(vcpu_self(), 0, "kernel GS base: as before");
	hypercall(set_segment_base, SEGBASE_FS, 0);
}

static u64 *gdt;

static void gdts(void)
{
	u64 frame = mfn_of(gdt), frames[16];
	u16 sel = 0;

	gdt[1] = CODE64;
	gdt[2] = DATA;
	make_ro(gdt);
	equals(hypercall(set_gdt, &frame, 512), 0, "GDT set");
	equals(trap_try("mov %1, %%es; mov %%es, %0", "=&r"(sel), "r"(0x13)), NO_TRAP,
	       "GDT: data selector");
	equals(trap_try("mov %0, %%es", , "r"(0x23)), 13, "GDT: an empty one");
	equals(trap_try("mov %0, %%es", , "r"(0)), NO_TRAP, "GDT: null");
	refused(set_va(gdt, (frame << 12) | PTE_RW, UVMF_INVLPG), "GDT: not writable");
	for (unsigned int i = 0; i < 16; i++)
		frames[i] = frame;
	refused(hypercall(set_gdt, frames, 8192), "GDT: too long");
	refused(hypercall(set_gdt, frames, 7169), "GDT: into the hypervisor's part");
	refused(hypercall(set_gdt, frames, 0xffffffff), "GDT: absurd length");
	refused(hypercall(set_gdt, 8, 512), "GDT: bad pointer");
	refused(hypercall(set_gdt, HYPERVISOR_VIRT_START, 512), "GDT: hypervisor's pointer");
	frames[0] = mfn_of(root());
	refused(hypercall(set_gdt, frames, 512), "GDT: a page table");
	frames[0] = 0xffffffff;
	refused(hypercall(set_gdt, frames, 512), "GDT: no such frame");
	frames[0] = 0xfee00;
	refused(hypercall(set_gdt, frames, 512), "GDT: the local APIC");
	equals(trap_try("mov %0, %%es", , "r"(0x13)), NO_TRAP,
	       "GDT: after refusals the first is in use");
	asm volatile("mov %0, %%es" ::"r"(0));
}

static const struct {
	u64 descriptor;
	bool good;
	const char *text;
} descriptors[] = {
	{CODE64, true, "64-bit code, ring 3"},
	{DATA, true, "data, ring 3"},
	{0x00cffb000000ffff, true, "32-bit code, ring 3"},
	{0, true, "empty"},
	{0x0000e9000000ffff, false, "available TSS"},
	{0x0000eb000000ffff, false, "busy TSS"},
	{0x0000e2000000ffff, false, "LDT"},
	{0x0000ee0000080000, false, "interrupt gate"},
	{0x0000ef0000080000, false, "trap gate"},
	{0x0000e50000080000, false, "task gate"},
	{0x0000e10000080000, false, "type 1"},
	{0x0000e40000080000, false, "16-bit call gate"},
};

static void updates(void)
{
	u64 at = maddr_of(gdt + 8), *plain = page_alloc(), *ldt_page = page_alloc();
	for (unsigned int i = 0; i < ARRAY_SIZE(descriptors); i++) {
		long rc = hypercall(update_descriptor, at, descriptors[i].descriptor);

		check(descriptors[i].good ? rc == 0 : rc < 0, descriptors[i].text);
	}
	/* Ring 0 segments are refused or raised to ring 3. */
	if (hypercall(update_descriptor, at, 0x00af9b000000ffff) == 0)
		check((gdt[8] >> 45 & 3) != 0, "64-bit code, ring 0: raised");
	else
		check(true, "64-bit code, ring 0: raised");
	/* A call gate: Mica refuses it, Xen takes it and makes it one that nobody can use. */
	if (hypercall(update_descriptor, at, 0x0000ec0000080000) == 0)
		check(!on_mica() && (gdt[8] >> 45 & 3) == 0,
		      "call gate: refused or of privilege 0");
	else
		check(true, "call gate: refused or of privilege 0");
	equals(hypercall(update_descriptor, at, 0), 0, "emptied");
	equals(hypercall(update_descriptor, maddr_of(plain), 0x1234), 0,
	       "an ordinary page: written");
	refused(hypercall(update_descriptor, maddr_of(gdt) + 4, 0), "not aligned");
	refused(hypercall(update_descriptor, 0xfee00000, 0), "the local APIC");
	refused(hypercall(update_descriptor, maddr_of(root()), 0), "a page table");
	refused(hypercall(update_descriptor, ~7ul, 0), "no such frame");
	ldt_page[3] = 0x0000ec0000080000;
	make_ro(ldt_page);
	/* Judged when it is first used. Mica refuses the page, as if it were not there; Xen takes the gate's privilege. */
	equals(mmuext(MMUEXT_SET_LDT, (u64)ldt_page, 512), 0, "LDT with a call gate: named");
	equals(trap_try("mov %0, %%es", , "r"(0xf)), on_mica() ? 14 : 13,
	       "LDT with a call gate: of no use");
	equals(mmuext(MMUEXT_SET_LDT, 0, 0), 0, "LDT: none");
	equals(hypercall(set_gdt, NULL, 0), 0, "GDT: none");
	equals(set_va(gdt, (mfn_of(gdt) << 12) | PTE_RW, UVMF_INVLPG), 0,
	       "GDT: its page is ours again");
	make_rw(ldt_page);
}

/* Present segments of the hypervisor's own GDT part are of no use to a guest. */
static void selectors(void)
{
	for (unsigned int sel = 0xe000; sel < 0xe0c0; sel += 8) {
		u64 vector = trap_try("mov %0, %%es", , "r"(sel));

		if (sel != 0xe020 && sel != 0xe028 && sel != 0xe030 && vector == NO_TRAP)
			fatal("ring 0 selector %x loads", sel);
	}
	asm volatile("mov %0, %%es" ::"r"(0));
	check(true, "no ring 0 selector of the hypervisor loads");
	equals(trap_try("ltr %w0", , "r"(0xe040)), 13, "ltr");
	equals(trap_try("lldt %w0", , "r"(0)), 13, "lldt");
	equals(trap_try("lgdt %0", , "m"(descriptors)), 13, "lgdt");
	equals(trap_try("lidt %0", , "m"(descriptors)), 13, "lidt");
	equals(trap_insn("lcall *(%%rsp)"), 13, "far call through rubbish");
}

void guest_main(void)
{
	gdt = page_alloc();
	bases();
	gdts();
	updates();
	selectors();
}

/* SPDX-License-Identifier: MIT */
/*
 * A test guest: what the kernel may ask of the CPU and the machine. CPUID (plain and by the forced prefix), MSRs, control
 * registers, I/O ports that are not Domain 0's (ARCHITECTURE 4.4), privileged instructions. Security cases 333 (MSRs
 * that nobody knows), 202.
 */
#define __XEN_TOOLS__ 1
#include "guest.h"

static u32 leaf[4];

static void cpuid(u32 number, u32 sub)
{
	asm volatile(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e; cpuid"
		     : "=a"(leaf[0]), "=b"(leaf[1]), "=c"(leaf[2]), "=d"(leaf[3])
		     : "0"(number), "2"(sub));
}

static void cpuids(void)
{
	cpuid(0x40000000, 0);
	check(leaf[0] >= 0x40000002 && leaf[0] < 0x40000100, "leaf 40000000: range");
	check(memcmp(&leaf[1], "XenVMMXenVMM", 12) == 0, "leaf 40000000: name");
	cpuid(0x40000001, 0);
	equals(leaf[0], 0x40011, "leaf 40000001: version");
	cpuid(0x40000002, 0);
	equals(leaf[0], 1, "leaf 40000002: one page of calls");
	cpuid(1, 0);
	check(!(leaf[2] & (1u << 5)), "hidden: VMX");
	check(!(leaf[2] & (1u << 17)), "hidden: PCID");
	check(!(leaf[2] & (1u << 3)), "hidden: MONITOR");
	check(!(leaf[2] & (1u << 24)), "hidden: TSC deadline");
	check(leaf[2] & (1u << 31), "shown: a hypervisor is present");
	check(leaf[3] & (1u << 0), "shown: FPU");
	check(leaf[3] & (1u << 26), "shown: SSE2");
	check(!(leaf[3] & (1u << 3)), "hidden: PSE");
	check(!(leaf[3] & (1u << 13)), "hidden: PGE");
	cpuid(7, 0);
	check(!(leaf[1] & (1u << 7)), "hidden: SMEP");
	check(!(leaf[1] & (1u << 20)), "hidden: SMAP");
	check(!(leaf[1] & (1u << 10)), "hidden: INVPCID");
	check(!(leaf[2] & (1u << 2)), "hidden: UMIP");
	check(!(leaf[2] & (1u << 3)), "hidden: PKU");
	check(!(leaf[2] & (1u << 7)), "hidden: shadow stacks");
	check(!(leaf[2] & (1u << 16)), "hidden: LA57");
	cpuid(0xd, 1);
	check(!(leaf[0] & (1u << 3)), "hidden: XSAVES");
	cpuid(0x80000001, 0);
	check(!(leaf[2] & (1u << 2)), "hidden: SVM");
	check(leaf[3] & (1u << 29), "shown: long mode");
	check(leaf[3] & (1u << 11), "shown: SYSCALL");
	cpuid(0xffffffff, 0);
	check(true, "leaf ffffffff");
	cpuid(0x40000fff, 0);
	check(true, "leaf 40000fff");
}

static u64 msr_vector;

static u64 rdmsr(u32 msr)
{
	u32 low = 0, high = 0;

	last_trap.vector = NO_TRAP;
	asm volatile(TRAP_ASM("rdmsr") : "+a"(low), "+d"(high) : "c"(msr) : "memory");
	msr_vector = last_trap.vector;
	return ((u64)high << 32) | low;
}

static u64 wrmsr(u32 msr, u64 value)
{
	last_trap.vector = NO_TRAP;
	asm volatile(TRAP_ASM("wrmsr")::"a"((u32)value), "d"((u32)(value >> 32)), "c"(msr)
		     : "memory");
	return last_trap.vector;
}

static void msrs(void)
{
	static const u32 unknown[] = {0x12345678, 0x400000f0, 0xc0009999, 0xffffffff, 0x3f};
	static const u32 sensitive[] = {0xc0000082, 0xc0000081, 0xc0000084, 0x176, 0x175,
					0x174,	    0xc0000083, 0x1d9,	    0x38f};
	u64 efer = rdmsr(0xc0000080);
	u32 aux;

	check(msr_vector == NO_TRAP && (efer & 0x501) == 0x501, "EFER: SCE LME LMA");
	equals(rdmsr(0x277), 0x050100070406, "PAT is Xen's");
	equals(wrmsr(TSC_AUX, 0x12345), NO_TRAP, "TSC_AUX is ours");
	equals(rdmsr(TSC_AUX), 0x12345, "and stays");
	asm volatile("rdtscp" : "=c"(aux) : : "rax", "rdx");
	equals(aux, 0x12345, "and is what RDTSCP tells");
	equals(wrmsr(TSC_AUX, 0x112345678), 13, "it has 32 bits");
	rdmsr(0x1b);
	equals(msr_vector, NO_TRAP, "APIC base reads");
	rdmsr(0x10);
	equals(msr_vector, NO_TRAP, "TSC reads");
	rdmsr(0xc0000100);
	equals(msr_vector, NO_TRAP, "FS base reads");
	for (unsigned int i = 0; i < ARRAY_SIZE(unknown); i++) {
		rdmsr(unknown[i]);
		equals(msr_vector, 13, "an unknown MSR does not read (333)");
		equals(wrmsr(unknown[i], 0), 13, "nor write (333)");
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(sensitive); i++) {
		u64 vector = wrmsr(sensitive[i], 0x1234);

		check(vector == 13 || vector == NO_TRAP,
		      "a write to an entry MSR is refused or dropped");
		equals(hypercall(xen_version, XENVER_version, NULL), 0x40011, "and calls go on");
	}
	check(wrmsr(0x277, 0x0007010600070106) == 13, "PAT does not change");
	wrmsr(0xc0000080, efer & ~0x1ul);
	equals(rdmsr(0xc0000080), (long)efer, "EFER does not change");
	wrmsr(0x1b, 0);
	check(true, "APIC base: nothing happens");
}

static void control_registers(void)
{
	u64 x = 0;

	equals(trap_try("mov %%cr0, %0", "=r"(x), "i"(0)), NO_TRAP, "cr0 reads");
	equals(x & 0x80000001, 0x80000001, "cr0: PE and PG");
	equals(trap_try("mov %0, %%cr0", , "r"(x)), NO_TRAP, "cr0: the same written");
	check(trap_try("mov %0, %%cr0", , "r"(x & ~0x80000000ul)) != 14, "cr0: PG cleared");
	check(trap_try("mov %0, %%cr0", , "r"(x & ~0x10000ul)) != 14, "cr0: WP cleared");
	trap_try("mov %%cr0, %0", "=r"(x), "i"(0));
	equals(x & 0x80010001, 0x80010001, "cr0: PE, WP and PG stay");
	equals(trap_try("mov %%cr2, %0", "=r"(x), "i"(0)), NO_TRAP, "cr2 reads");
	equals(trap_try("mov %%cr3, %0", "=r"(x), "i"(0)), NO_TRAP, "cr3 reads");
	equals(x >> 12, (long)mfn_of(root()), "cr3: the frame of the root");
	equals(trap_try("mov %0, %%cr3", , "r"(x)), NO_TRAP, "cr3: the same written");
	equals(trap_try("mov %0, %%cr3", , "r"(mfn_of(&leaf) << 12)), 13, "cr3: no table");
	equals(trap_try("mov %%cr4, %0", "=r"(x), "i"(0)), NO_TRAP, "cr4 reads");
	check(x & 0x20, "cr4: PAE");
	trap_try("mov %0, %%cr4", , "r"(x & ~0x20ul));
	trap_try("mov %0, %%cr4", , "r"(x | 0x2000));
	trap_try("mov %%cr4, %0", "=r"(x), "i"(0));
	equals(x & 0x2020, 0x20, "cr4: PAE stays, VMXE does not come");
	equals(trap_try("mov %%cr8, %0", "=r"(x), "i"(0)), 13, "cr8");
}

static void instructions(void)
{
	equals(trap_insn("hlt"), 13, "hlt");
	equals(trap_insn("invd"), 13, "invd");
	equals(trap_insn("invlpg (%%rsp)"), 13, "invlpg");
	equals(trap_insn("wbinvd"), NO_TRAP, "wbinvd (a domain with I/O rights)");
	equals(trap_insn("sysretq"), 13, "sysret");
	equals(trap_insn("vmcall"), 6, "vmcall");
	equals(trap_insn("swapgs"), 13, "swapgs");
	equals(trap_insn("monitor"), 6, "monitor");
	equals(trap_insn("rdpmc"), 13, "rdpmc");
	equals(trap_insn("cli"), NO_TRAP, "cli with IOPL 1: no effect");
	equals(trap_insn("sti"), NO_TRAP, "sti with IOPL 1: no effect");
}

static u64 in8(u16 port, u8 *value)
{
	u8 got = 0;

	last_trap.vector = NO_TRAP;
	asm volatile(TRAP_ASM("inb %%dx, %%al") : "+a"(got) : "d"(port) : "memory");
	*value = got;
	return last_trap.vector;
}

static u64 out8(u16 port, u8 value)
{
	last_trap.vector = NO_TRAP;
	asm volatile(TRAP_ASM("outb %%al, %%dx")::"a"(value), "d"(port) : "memory");
	return last_trap.vector;
}

static u64 in32(u16 port, u32 *value)
{
	u32 got = 0;

	last_trap.vector = NO_TRAP;
	asm volatile(TRAP_ASM("inl %%dx, %%eax") : "+a"(got) : "d"(port) : "memory");
	*value = got;
	return last_trap.vector;
}

static u64 out32(u16 port, u32 value)
{
	last_trap.vector = NO_TRAP;
	asm volatile(TRAP_ASM("outl %%eax, %%dx")::"a"(value), "d"(port) : "memory");
	return last_trap.vector;
}

static void ports(void)
{
	static const struct {
		u16 port;
		const char *text;
	} denied[] = {
		{0x20, "PIC 1 command"}, {0x21, "PIC 1 mask"}, {0xa0, "PIC 2 command"},
		{0xa1, "PIC 2 mask"},	 {0x3f8, "UART data"}, {0x3fd, "UART status"},
	};
	struct physdev_set_iopl iopl = {.iopl = 0};
	u8 value;
	u32 word;

	equals(hypercall(physdev_op, PHYSDEVOP_set_iopl, &iopl), 0, "IOPL 0");
	equals(in8(0x80, &value), 13, "IOPL 0: in");
	equals(out8(0x80, 1), 13, "IOPL 0: out");
	iopl.iopl = 4;
	refused(hypercall(physdev_op, PHYSDEVOP_set_iopl, &iopl), "IOPL 4");
	iopl.iopl = 1;
	equals(hypercall(physdev_op, PHYSDEVOP_set_iopl, &iopl), 0, "IOPL 1");
	equals(in8(0x80, &value), NO_TRAP, "IOPL 1: in");
	equals(out8(0x80, 1), NO_TRAP, "IOPL 1: out");
	for (unsigned int i = 0; i < ARRAY_SIZE(denied); i++) {
		equals(in8(denied[i].port, &value), NO_TRAP, denied[i].text);
		equals(value, 0xff, "reads as if nothing were there");
		equals(out8(denied[i].port, 0x7e), NO_TRAP, "and takes writes to no effect");
	}
	equals(out32(0xcf8, 0x80000000), NO_TRAP, "PCI address");
	equals(in32(0xcf8, &word), NO_TRAP, "PCI address reads");
	equals(word, 0x80000000, "PCI address: what was written");
	equals(in32(0xcfc, &word), NO_TRAP, "PCI data");
	equals(word, 0x12378086, "PCI data: the host bridge");
	out32(0xcf8, 0x80000004);
	in32(0xcfc, &word);
	check(word != 0x12378086, "PCI data: another register");
	equals(in8(0x71, &value), NO_TRAP, "CMOS data");
}

/*
 * Ports that the kernel may use are not its user's, nor another domain's, however lately it did; events masked at every entry,
 * as Linux has it.
 */
extern char user_port[];
asm(".pushsection .text\nuser_port: in $0x64, %al\n\tud2\n\t.popsection");

void child_main(void)
{
	trap_register(true);
	child_shared.words[0] = trap_insn("in $0x64, %%al");
	child_step();
}

static void ports_lent(void)
{
	static struct user u;
	struct physdev_set_iopl level = {.iopl = 1};
	struct child *c = child_make();

	trap_register(true);
	equals(hypercall(physdev_op, PHYSDEVOP_set_iopl, &level), 0, "IOPL 1");
	equals(trap_insn("in $0x64, %%al"), NO_TRAP, "a port");
	equals(trap_insn("in $0x64, %%al"), NO_TRAP, "and again");
	user_init(&u, user_port);
	equals(user_run(&u), 13, "not for user code");
	equals(trap_insn("in $0x64, %%al"), NO_TRAP, "a port");
	equals(child_run(c), 0, "child: unpaused");
	equals(trap_insn("in $0x64, %%al"), NO_TRAP, "and while it runs");
	check(child_wait(c, 1), "child: a step");
	equals(c->shared->words[0], 13, "not for another domain");
	child_end(c);
	equals(trap_insn("in $0x64, %%al"), NO_TRAP, "a port");
	level.iopl = 0;
	equals(hypercall(physdev_op, PHYSDEVOP_set_iopl, &level), 0, "IOPL 0");
	equals(trap_insn("in $0x64, %%al"), 13, "no port");
}

void guest_main(void)
{
	cpuids();
	msrs();
	control_registers();
	ports();
	instructions();
	ports_lent();
}

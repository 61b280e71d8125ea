/* SPDX-License-Identifier: MIT */
/*
 * What a test guest has: a console, checks, exceptions that are recorded and skipped, page tables, events, further vCPUs,
 * user mode. A guest defines guest_main(); lib/ calls it on vCPU 0 with all memory mapped one to one from VIRT_BASE.
 * On Mica and on Xen it must print the same; what may differ asks on_mica() and says why.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define __XEN_INTERFACE_VERSION__ 0x00040e00
#include <xen/xen.h>

#include <xen/callback.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/nmi.h>
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

enum guest_errno {
#define XEN_ERRNO(name, value) X##name = value,
#include <xen/errno.h>
};

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#define PAGE_SIZE     4096ul
#define VIRT_BASE     0xffffffff80000000ul
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define barrier()     asm volatile("" ::: "memory")
#define ACCESS(x)     (*(volatile __typeof__(x) *)&(x))

/* ---- console.c: output and checks */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void check_at(bool good, long got, long want, const char *text, const char *file, int line);
#define check(good, text) check_at((good) != 0, 0, 0, text, __FILE__, __LINE__)
#define equals(got, want, text)                                                 \
	({                                                                      \
		long got_ = (long)(got), want_ = (long)(want);                  \
		check_at(got_ == want_, got_, want_, text, __FILE__, __LINE__); \
	})
/* Any error number will do: callers look no closer. */
#define refused(got, text)                                                            \
	({                                                                            \
		long got_ = (long)(got);                                              \
		check_at(got_<0 && got_> - 4096, got_, -1, text, __FILE__, __LINE__); \
	})
void finish(void) __attribute__((noreturn));
void fatal(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
bool on_mica(void);
void guest_main(void);

/* ---- hypercalls */
static inline long hypercall5(long nr, long a, long b, long c, long d, long e)
{
	register long r10 asm("r10") = d;
	register long r8 asm("r8") = e;

	asm volatile("syscall"
		     : "+a"(nr), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8)
		     :
		     : "rcx", "r11", "memory");
	return nr;
}
#define H1(nr, ...)			       hypercall5(nr, 0, 0, 0, 0, 0)
#define H2(nr, a)			       hypercall5(nr, (long)(a), 0, 0, 0, 0)
#define H3(nr, a, b)			       hypercall5(nr, (long)(a), (long)(b), 0, 0, 0)
#define H4(nr, a, b, c)			       hypercall5(nr, (long)(a), (long)(b), (long)(c), 0, 0)
#define H5(nr, a, b, c, d)		       hypercall5(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0)
#define H6(nr, a, b, c, d, e)		       hypercall5(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e))
#define H_PICK(zero, a, b, c, d, e, name, ...) name
/* hypercall(memory_op, XENMEM_..., &arg) */
#define hypercall(name, ...) \
	H_PICK(0, ##__VA_ARGS__, H6, H5, H4, H3, H2, H1)(__HYPERVISOR_##name, ##__VA_ARGS__)

#define evtchn(op, arg)	      hypercall(event_channel_op, op, arg)
#define memop(op, arg)	      hypercall(memory_op, op, arg)
#define vcpuop(op, vcpu, arg) hypercall(vcpu_op, op, vcpu, arg)
#define schedop(op, arg)      hypercall(sched_op, op, arg)

/* ---- trap.c: exceptions */
struct regs {
	u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	u64 vector, error, rip, cs, rflags, rsp, ss;
};
enum { VECTOR_EVENT = 256, VECTOR_NMI, VECTOR_SYSCALL, VECTOR_SYSCALL32, VECTOR_FAILSAFE };
#define NO_TRAP 0xffffu
#define TSC_AUX 0xc0000103u /* MSR: what RDTSCP tells */
/* The last exception that was skipped. */
struct trap {
	u64 vector, error, rip, cr2, count;
	struct regs regs;
};
extern struct trap last_trap;
/* Sees each entry first; true: dealt with. */
extern bool (*trap_hook)(struct regs *regs);
void trap_init(void);
/* All handlers again, each entry with events masked or as they are. */
void trap_register(bool masks_events);
void trap_handle(struct regs *regs);
extern char trap_entries[], entry_event[], entry_nmi[], entry_syscall[], entry_syscall32[],
	entry_failsafe[], kernel_stack[], kernel_stack_top[], vcpu_start[], hypercall_page[],
	trap_return[];
static inline void *trap_entry(unsigned int vector)
{
	return trap_entries + vector * 16;
}

/* Runs one instruction; the vector of its exception, or NO_TRAP. trap_try("ud2", "+a"(x), "r"(y)) */
#define TRAP_ASM(insn) \
	"1: " insn "\n2:\n\t.pushsection .extable, \"a\"\n\t.quad 1b, 2b\n\t.popsection"
#define TRAP_OPERANDS(outputs, ...) : outputs : __VA_ARGS__ : "memory", "cc"
#define trap_try(insn, outputs, ...)                                              \
	({                                                                        \
		last_trap.vector = NO_TRAP;                                       \
		asm volatile(TRAP_ASM(insn) TRAP_OPERANDS(outputs, __VA_ARGS__)); \
		last_trap.vector;                                                 \
	})
#define trap_insn(insn)	      trap_try(insn, , )
#define trap_read(va, value)  trap_try("mov (%1), %0", "=r"(value), "r"((u64)(va)))
#define trap_write(va, value) trap_try("mov %1, (%0)", , "r"((u64)(va)), "r"((u64)(value)))
/* As trap_try for a whole function: it is left at the exception. */
u64 trap_call(void (*fn)(void));

/* User mode, from user_run() to the next entry that is none of trap_hook's. */
struct user {
	u64 kernel_rsp, rax, rbx, rcx, rdx, rsi, rdi, r11, flags, rip, cs, rflags, rsp, ss;
};
void user_enter(struct user *u);
void user_leave(u64 kernel_rsp) __attribute__((noreturn));
void user_init(struct user *u, const void *code);
/* Runs; what ended it is in last_trap. */
u64 user_run(struct user *u);

/* ---- memory.c */
typedef u64 pte_t;
#define PTE_P	0x1ul
#define PTE_W	0x2ul
#define PTE_U	0x4ul
#define PTE_PWT 0x8ul
#define PTE_PCD 0x10ul
#define PTE_A	0x20ul
#define PTE_D	0x40ul
#define PTE_PSE 0x80ul
#define PTE_G	0x100ul
#define PTE_NX	(1ul << 63)
#define PTE_MFN 0x000ffffffffff000ul
#define PTE_RW	(PTE_P | PTE_W | PTE_U | PTE_A | PTE_D)
#define PTE_RO	(PTE_P | PTE_U | PTE_A | PTE_D)

extern struct start_info *start_info;
extern struct shared_info *shared_info;
extern u64 *p2m;
extern u64 boot_stack;
void memory_init(void);
void *page_alloc(void); /* zeroed, writable */
void page_free(void *page);
u64 mfn_of(const void *va);
static inline u64 pfn_of(const void *va)
{
	return ((u64)va - VIRT_BASE) / PAGE_SIZE;
}
static inline void *va_of(u64 pfn)
{
	return (void *)(VIRT_BASE + pfn * PAGE_SIZE);
}
u64 maddr_of(const void *va);
u64 *root(void); /* of this vCPU, read-only */
/* The entry that maps va at a level 1..4 in the current tables (read-only), NULL: nothing there. */
pte_t *entry_of(const void *va, int level);
u64 entry_maddr(const void *va, int level);
static inline u64 machine_to_phys(u64 mfn)
{
	return ((u64 *)MACH2PHYS_VIRT_START)[mfn];
}
/* One mmu_update; the result of the call (0 or an error). */
long mmu_update_dom(u64 ptr, u64 value, domid_t domain);
static inline long mmu_update(u64 ptr, u64 value)
{
	return mmu_update_dom(ptr, value, DOMID_SELF);
}
long mmuext(unsigned int cmd, u64 arg1, u64 arg2);
long set_va(const void *va, u64 value, u64 flags); /* update_va_mapping */
/* Changes the mapping of a page of ours in the one-to-one map. */
void page_protect(const void *va, u64 flags);
static inline void make_ro(const void *va)
{
	page_protect(va, PTE_RO);
}
static inline void make_rw(const void *va)
{
	page_protect(va, PTE_RW);
}
/* A fresh table page with an entry in slot 0, read-only, ready to be used. */
u64 *table_alloc(u64 first_entry);
/* A second root with the guest's entries of the current one; not pinned. */
u64 *root_alloc(void);
/* The root of user mode, made at first use: the same lower levels as the kernel's. */
u64 *user_root(void);
void *memset(void *to, int byte, size_t n);
void *memcpy(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);

/* ---- event.c: two-level events, time, further vCPUs */
void event_init(void);
typedef void (*event_fn)(unsigned int port);
void event_handle(unsigned int port, event_fn fn);
extern u64 event_count[4096];
extern u64 upcalls;
static inline struct vcpu_info *vcpu_info(unsigned int vcpu)
{
	return &shared_info->vcpu_info[vcpu];
}
extern struct vcpu_info *vcpu_infos[32];
void events_on(void);
void events_off(void);
bool event_pending(unsigned int port);
void event_mask(unsigned int port);
long event_unmask(unsigned int port); /* EVTCHNOP_unmask */
void event_clear(unsigned int port);
long bind_virq(unsigned int virq, unsigned int vcpu);
long bind_ipi(unsigned int vcpu);
long port_alloc(domid_t remote);
long port_close(unsigned int port);
long port_send(unsigned int port);
u64 time_ns(void); /* system time */
u64 time_of(const struct vcpu_time_info *t);
void time_wait(u64 ns); /* busy */
bool wait_until(volatile u64 *word, u64 at_least, u64 ns);
long vcpu_up(unsigned int vcpu, void (*fn)(void));
unsigned int vcpu_self(void);
long vcpu_init_args(unsigned int vcpu, void *fn, struct vcpu_guest_context *c);

/* ---- domain.c: a second domain, made by tool calls; it runs the same image, from child_main() on */
#define CHILD_PAGES 1024u
/* What both sides see: a page of the child that its maker maps. */
struct child_shared {
	u32 log_used;
	u32 step;    /* the child's, counted up */
	u32 allowed; /* the maker's: steps that the child may begin */
	u32 port;    /* of the child, waiting for its maker */
	u64 words[64];
	char log[3072];
};
struct child {
	domid_t id;
	u32 port; /* ours, to the child's */
	struct child_shared *shared;
	u64 p2m[CHILD_PAGES];
};
extern struct child_shared child_shared;
static inline bool is_child(void)
{
	return !(start_info->flags & SIF_INITDOMAIN);
}
void child_main(void);
void child_image_keep(void);
void child_write(const char *text, u32 len);
void child_line(const char *line); /* of its log */
/* The child says that it has done a step, and waits until it may go on; its maker waits for a step. */
void child_step(void);
bool child_wait(struct child *c, u32 step); /* false: it has ended before */
void child_allow(struct child *c, u32 step);
extern u32 child_port_max, child_vcpus,
	child_grant_frames; /* its last port (none unless set) and so on */
/* Made, filled and pinned, not yet running. */
struct child *child_make(void);
long child_run(struct child *c);
/* Waits for its end, prints what it said, destroys it. */
void child_end(struct child *c);
/* A foreign page in place of a page of ours, and back. NULL: refused, *rc why. */
void *foreign_map(domid_t id, u64 mfn, u64 flags, long *rc);
void foreign_unmap(void *va);
struct xen_domctl;
struct xen_sysctl;
long domctl(u32 cmd, domid_t id, struct xen_domctl *op);
long sysctl(u32 cmd, struct xen_sysctl *op);
/* Mica recounts its references and says what it finds (the key "a", which asks Xen something else). */
void audit(void);
void sleep_ns(u64 ns);

#endif

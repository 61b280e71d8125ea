/* SPDX-License-Identifier: MIT */
/*
 * A QEMU TCG plugin: how many instructions the hypervisor, the guest's kernel and its user code take, told apart by
 * address. It says a line when the first guest instruction and the first user instruction are reached, one at each mark,
 * and one at the end; each counts since the one before. A mark is the no-operation of seven bytes 0f 1f 80 "MARK".
 * A halted CPU counts nothing; one that waits in a loop counts. Also how often the hypervisor is entered, the guest goes
 * from user to kernel or back, and, whoever does it, CR3 is loaded and the TLB flushed. With
 * ipis, also how often a command was written to a local APIC (its page in memory, not x2APIC; an IPI to itself counts, as
 * what is written cannot be seen), and how many of the flushes were done by other CPUs than the one that marks. With
 * others, also what other kernels execute than the first, Domain 0's: their text lies elsewhere in memory. With
 * profile=FILE, what its blocks executed goes there line by line: number of the line said, address, times, instructions
 * (several CPUs may lose some of these).
 * Debian packages no header for plugins, so the few prototypes are declared here (QEMU 7.2, docs/devel/tcg-plugins).
 *
 * Blocks are counted when they start: one that a fault leaves early counts whole.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;

extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
extern uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb,
							size_t index);
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
extern void *qemu_plugin_insn_haddr(const struct qemu_plugin_insn *insn);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
extern void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
						   void (*cb)(unsigned int cpu, void *data),
						   int flags, void *data);
extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
						  void (*cb)(qemu_plugin_id_t id,
							     struct qemu_plugin_tb *tb));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
						 void (*cb)(unsigned int cpu, void *data),
						 int flags, void *data);
extern void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
					     void (*cb)(unsigned int cpu, uint32_t info,
							uint64_t vaddr, void *data),
					     int flags, int access, void *data);
extern struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(uint32_t info, uint64_t vaddr);
extern bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *hwaddr);
extern void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id,
					   void (*cb)(qemu_plugin_id_t id, void *data), void *data);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

#define HYPERVISOR_START 0xffff800000000000ull
#define HYPERVISOR_END	 0xffff880000000000ull
#define USER_END	 0x0000800000000000ull
#define TEXT_START	 0xffffffff80000000ull
#define TEXT_END	 0xffffffffa0000000ull
#define APIC_COMMAND	 0x300 /* in its page: the only device with something there that a kernel writes */
#define ACCESS_WRITE	 2

enum owner { HYPERVISOR, KERNEL, USER, OWNERS };
enum phase { FIRMWARE, BOOT, GUEST, RUNNING };

enum count { ENTRIES = OWNERS, CHANGES, CR3_LOADS, FLUSHES, IPIS, OTHERS, COUNTS };

#define CPUS 64 /* each its own counts, since each may be a thread of QEMU */
static struct {
	uint64_t of[COUNTS];
	enum owner last, guest; /* who ran last, and which of kernel and user */
	bool other;		/* whose kernel's text */
} __attribute__((aligned(64))) counts[CPUS];

struct block {
	uint64_t va, hits;
	unsigned int insns, cr3_loads, flushes;
	enum owner owner;
	bool text, other; /* of a kernel, and of another than the first */
	struct block *next;
};
static struct block *blocks;
static FILE *profile;
static unsigned int said;
static bool sees_ipis, sees_others;
static uint64_t first_text[256]; /* by 2 MiB: from its address in memory to the virtual one */
static enum phase phase;

static enum owner owner_of(uint64_t va)
{
	if (va >= HYPERVISOR_START && va < HYPERVISOR_END)
		return HYPERVISOR;
	return va < USER_END ? USER : KERNEL;
}

static void count_anew(void)
{
	for (int cpu = 0; cpu < CPUS; cpu++)
		memset(counts[cpu].of, 0, sizeof(counts[cpu].of));
	for (struct block *block = blocks; block != NULL; block = block->next)
		block->hits = 0;
}

/* Says what was counted since it last did; a CPU asks. */
static void say(const char *what, unsigned int cpu_asking)
{
	uint64_t sum[COUNTS] = {0};

	for (int cpu = 0; cpu < CPUS; cpu++)
		for (int of = 0; of < COUNTS; of++)
			sum[of] += counts[cpu].of[of];
	fprintf(stderr,
		"count: %s hypervisor %" PRIu64 " kernel %" PRIu64 " user %" PRIu64
		" entries %" PRIu64 " changes %" PRIu64 " cr3 %" PRIu64 " flushes %" PRIu64,
		what, sum[HYPERVISOR], sum[KERNEL], sum[USER], sum[ENTRIES], sum[CHANGES],
		sum[CR3_LOADS], sum[FLUSHES]);
	if (sees_ipis)
		fprintf(stderr, " ipis %" PRIu64 " remote %" PRIu64, sum[IPIS],
			sum[FLUSHES] - counts[cpu_asking % CPUS].of[FLUSHES]);
	if (sees_others)
		fprintf(stderr, " others %" PRIu64, sum[OTHERS]);
	fputc('\n', stderr);
	for (struct block *block = blocks; block != NULL && profile != NULL; block = block->next)
		if (block->hits != 0 && block->owner == HYPERVISOR)
			fprintf(profile, "%u %" PRIx64 " %" PRIu64 " %" PRIu64 "\n", said,
				block->va, block->hits, block->hits * block->insns);
	said++;
	count_anew();
}

static void executed(unsigned int cpu, void *data)
{
	struct block *block = data;
	uint64_t *of = counts[cpu % CPUS].of;

	if (phase == FIRMWARE && block->owner == HYPERVISOR) {
		phase = BOOT;
		count_anew(); /* firmware and loader ran at low addresses */
	}
	if (phase == BOOT && block->owner == KERNEL) {
		phase = GUEST;
		say("boot", cpu);
	}
	if (phase == GUEST && block->owner == USER) {
		phase = RUNNING;
		say("start", cpu);
	}
	block->hits++;
	of[block->owner] += block->insns;
	if (block->text)
		counts[cpu % CPUS].other = block->other;
	if (block->owner == KERNEL && counts[cpu % CPUS].other) /* modules too: the text calls */
		of[OTHERS] += block->insns;
	of[ENTRIES] += block->owner == HYPERVISOR && counts[cpu % CPUS].last != HYPERVISOR;
	of[CR3_LOADS] += block->cr3_loads;
	of[FLUSHES] += block->flushes;
	counts[cpu % CPUS].last = block->owner;
	if (block->owner != HYPERVISOR) {
		of[CHANGES] += counts[cpu % CPUS].guest != block->owner;
		counts[cpu % CPUS].guest = block->owner;
	}
}

static void marked(unsigned int cpu, void *data)
{
	(void)data;
	say("mark", cpu);
}

static void stored(unsigned int cpu, uint32_t info, uint64_t vaddr, void *data)
{
	(void)data;
	if ((vaddr & 0xfff) != APIC_COMMAND)
		return;
	const struct qemu_plugin_hwaddr *at = qemu_plugin_get_hwaddr(info, vaddr);
	if (at != NULL && qemu_plugin_hwaddr_is_io(at))
		counts[cpu % CPUS].of[IPIS]++;
}

/* mov or xchg of 32 bits to memory: so is an APIC written. */
static bool is_store(const uint8_t *code, size_t size)
{
	size_t at = (code[0] & 0xf8) == 0x40; /* REX, not of 64 bits */

	return size > at + 1 && (code[at] == 0x89 || code[at] == 0xc7 || code[at] == 0x87) &&
	       code[at + 1] < 0xc0;
}

static void look(struct block *block, struct qemu_plugin_insn *insn)
{
	const uint8_t *code = qemu_plugin_insn_data(insn);
	size_t size = qemu_plugin_insn_size(insn);

	if (size == 7 && !memcmp(code, "\x0f\x1f\x80MARK", 7))
		qemu_plugin_register_vcpu_insn_exec_cb(insn, marked, 0, NULL);
	if (sees_ipis && block->owner != USER && is_store(code, size))
		qemu_plugin_register_vcpu_mem_cb(insn, stored, 0, ACCESS_WRITE, NULL);
	if (size < 3)
		return;
	if (!memcmp(code, "\x0f\x22", 2)) { /* mov to CR3, to CR4 */
		block->cr3_loads += (code[2] >> 3 & 7) == 3;
		block->flushes += (code[2] >> 3 & 7) == 4;
	} else if (!memcmp(code, "\x0f\x01", 2) && code[2] < 0xc0 &&
		   (code[2] >> 3 & 7) == 7) { /* INVLPG */
		block->flushes++;
	}
}

/* The first kernel has run all of its parts, by 2 MiB, before there is another. */
static void look_where(struct block *block, struct qemu_plugin_insn *insn)
{
	uint64_t *first = &first_text[(block->va - TEXT_START) >> 21];
	uint64_t moved = block->va - (uintptr_t)qemu_plugin_insn_haddr(insn);

	if (*first == 0)
		*first = moved;
	block->other = moved != *first;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	struct block *block = calloc(1, sizeof(*block));

	(void)id;
	block->va = qemu_plugin_tb_vaddr(tb);
	block->insns = (unsigned int)qemu_plugin_tb_n_insns(tb);
	block->owner = owner_of(block->va);
	block->text = block->va >= TEXT_START && block->va < TEXT_END;
	if (block->text)
		look_where(block, qemu_plugin_tb_get_insn(tb, 0));
	for (size_t i = 0; i < block->insns; i++)
		look(block, qemu_plugin_tb_get_insn(tb, i));
	block->next = blocks;
	blocks = block;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, 0, block);
}

static void finished(qemu_plugin_id_t id, void *data)
{
	(void)id;
	(void)data;
	say("end", 0);
	if (profile != NULL)
		fclose(profile);
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id,
							       const struct qemu_info *info,
							       int argc, char **argv);
int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "profile=", 8))
			profile = fopen(argv[i] + 8, "w");
		sees_ipis |= !strncmp(argv[i], "ipis=", 5);
		sees_others |= !strncmp(argv[i], "others=", 7);
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, finished, NULL);
	return 0;
}

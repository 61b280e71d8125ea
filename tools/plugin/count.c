/* SPDX-License-Identifier: MIT */
/*
 * A QEMU TCG plugin: how many instructions the hypervisor, the guest's kernel and its user code take, told apart by
 * address. It says a line when the first guest instruction and the first user instruction are reached, one at each mark,
 * and one at the end; each counts since the one before. A mark is the no-operation of seven bytes 0f 1f 80 "MARK".
 * A halted CPU counts nothing; one that waits in a loop counts.
 * Debian packages no header for plugins, so the few prototypes are declared here (QEMU 7.2, docs/devel/tcg-plugins).
 *
 * Blocks are counted when they start: one that a fault leaves early counts whole.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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
extern void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id,
					   void (*cb)(qemu_plugin_id_t id, void *data), void *data);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

#define HYPERVISOR_START 0xffff800000000000ull
#define HYPERVISOR_END	 0xffff880000000000ull
#define USER_END	 0x0000800000000000ull

enum owner { HYPERVISOR, KERNEL, USER, OWNERS };
enum phase { FIRMWARE, BOOT, GUEST, RUNNING };

#define CPUS 64 /* each its own counts, since each may be a thread of QEMU */
static struct {
	uint64_t of[OWNERS];
} __attribute__((aligned(64))) counts[CPUS];
static enum phase phase;

static enum owner owner_of(uint64_t va)
{
	if (va >= HYPERVISOR_START && va < HYPERVISOR_END)
		return HYPERVISOR;
	return va < USER_END ? USER : KERNEL;
}

/* Says what was counted since it last did. */
static void say(const char *what)
{
	uint64_t sum[OWNERS] = {0};

	for (int cpu = 0; cpu < CPUS; cpu++)
		for (int owner = 0; owner < OWNERS; owner++)
			sum[owner] += counts[cpu].of[owner];
	memset(counts, 0, sizeof(counts));
	fprintf(stderr, "count: %s hypervisor %" PRIu64 " kernel %" PRIu64 " user %" PRIu64 "\n",
		what, sum[HYPERVISOR], sum[KERNEL], sum[USER]);
}

/* Owner in the low two bits, instructions above. */
static void executed(unsigned int cpu, void *data)
{
	enum owner owner = (enum owner)((uintptr_t)data & 3);

	if (phase == FIRMWARE && owner == HYPERVISOR) {
		phase = BOOT;
		memset(counts, 0, sizeof(counts)); /* firmware and loader ran at low addresses */
	}
	if (phase == BOOT && owner == KERNEL) {
		phase = GUEST;
		say("boot");
	}
	if (phase == GUEST && owner == USER) {
		phase = RUNNING;
		say("start");
	}
	counts[cpu % CPUS].of[owner] += (uintptr_t)data >> 2;
}

static void marked(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	say("mark");
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	uintptr_t data = (uintptr_t)qemu_plugin_tb_n_insns(tb) << 2 |
			 owner_of(qemu_plugin_tb_vaddr(tb));

	(void)id;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, 0, (void *)data);
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		if (qemu_plugin_insn_size(insn) == 7 &&
		    !memcmp(qemu_plugin_insn_data(insn), "\x0f\x1f\x80MARK", 7))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, marked, 0, NULL);
	}
}

static void finished(qemu_plugin_id_t id, void *data)
{
	(void)id;
	(void)data;
	say("end");
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id,
							       const struct qemu_info *info,
							       int argc, char **argv);
int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv)
{
	(void)info;
	(void)argc;
	(void)argv;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, finished, NULL);
	return 0;
}

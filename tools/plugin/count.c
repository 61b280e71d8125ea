/* SPDX-License-Identifier: MIT */
/*
 * A QEMU TCG plugin: how many instructions the hypervisor, the guest's kernel and its user code take, told apart by
 * address. It says a line when the first guest instruction and the first user instruction are reached, and one at the end.
 * Debian packages no header for plugins, so the few prototypes are declared here (QEMU 7.2, docs/devel/tcg-plugins).
 *
 * Blocks are counted when they start: one that a fault leaves early counts whole.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_info;

extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
extern uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t id,
										   struct qemu_plugin_tb *tb));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, void (*cb)(unsigned int cpu, void *data),
						 int flags, void *data);
extern void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t id, void *data), void *data);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

#define HYPERVISOR_START 0xffff800000000000ull
#define HYPERVISOR_END 0xffff880000000000ull
#define USER_END 0x0000800000000000ull

enum owner { HYPERVISOR, KERNEL, USER, OWNERS };
enum phase { FIRMWARE, BOOT, GUEST, RUNNING };

static uint64_t counts[OWNERS];
static enum phase phase;

static enum owner owner_of(uint64_t va)
{
	if (va >= HYPERVISOR_START && va < HYPERVISOR_END)
		return HYPERVISOR;
	return va < USER_END ? USER : KERNEL;
}

static void say(const char *what)
{
	fprintf(stderr, "count: %s hypervisor %" PRIu64 " kernel %" PRIu64 " user %" PRIu64 "\n", what, counts[HYPERVISOR],
		counts[KERNEL], counts[USER]);
}

static void restart(enum phase next)
{
	phase = next;
	counts[HYPERVISOR] = counts[KERNEL] = counts[USER] = 0;
}

/* Owner in the low two bits, instructions above. */
static void executed(unsigned int cpu, void *data)
{
	enum owner owner = (enum owner)((uintptr_t)data & 3);

	(void)cpu;
	if (phase == FIRMWARE && owner == HYPERVISOR)
		restart(BOOT); /* firmware and loader run at low addresses */
	if (phase == BOOT && owner == KERNEL) {
		say("boot");
		restart(GUEST);
	}
	if (phase == GUEST && owner == USER) {
		say("start");
		restart(RUNNING);
	}
	counts[owner] += (uintptr_t)data >> 2;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	uintptr_t data = (uintptr_t)qemu_plugin_tb_n_insns(tb) << 2 | owner_of(qemu_plugin_tb_vaddr(tb));

	(void)id;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, 0, (void *)data);
}

static void finished(qemu_plugin_id_t id, void *data)
{
	(void)id;
	(void)data;
	say("end");
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc,
							       char **argv);
int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv)
{
	(void)info;
	(void)argc;
	(void)argv;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, finished, NULL);
	return 0;
}

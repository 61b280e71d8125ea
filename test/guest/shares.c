/* SPDX-License-Identifier: MIT */
/*
 * A test guest that makes three domains which never sleep, all on one CPU: what their weights and caps give them, and that
 * nobody runs where he may not although another CPU has nothing to do. To be run with -icount: a slow host must not count.
 */
#define __XEN_TOOLS__ 1
#include "guest.h"

#include <xen/domctl.h>
#include <xen/sysctl.h>

#define CHILDREN 3
#define SECOND	 1000000000ull

void child_main(void)
{
	while (ACCESS(child_shared.allowed) == 0)
		barrier();
}

static struct child *children[CHILDREN];

static u64 cpu_time(unsigned int i)
{
	struct xen_domctl op = {0};

	if (domctl(XEN_DOMCTL_getdomaininfo, children[i]->id, &op))
		fatal("getdomaininfo");
	return op.u.getdomaininfo.cpu_time;
}

static void params(unsigned int i, u16 weight, u16 cap)
{
	struct xen_domctl op = {0};

	op.u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
	op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
	op.u.scheduler_op.u.credit2.weight = weight;
	op.u.scheduler_op.u.credit2.cap = cap;
	equals(domctl(XEN_DOMCTL_scheduler_op, children[i]->id, &op), 0, "weight and cap");
}

static long pin(unsigned int i, u8 cpus)
{
	struct xen_domctl op = {0};

	op.u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD;
	op.u.vcpuaffinity.cpumap_hard.bitmap.p = &cpus;
	op.u.vcpuaffinity.cpumap_hard.nr_bits = 8;
	return domctl(XEN_DOMCTL_setvcpuaffinity, i < CHILDREN ? children[i]->id : 0, &op);
}

/*
 * We wake often among those that never sleep: how late? They may keep the CPU for the rate limit, a millisecond. Xen lets
 * them go on for nearly four.
 */
static void latency(void)
{
	u64 worst = 0, limit = on_mica() ? 1100000 : 6000000;

	equals(pin(CHILDREN, 2), 0, "their maker with them");
	for (unsigned int round = 0; round < 200; round++) {
		u64 until = time_ns() + 700000 + round * 10000, now;

		sleep_ns(until - time_ns());
		now = time_ns();
		worst = now > until && now - until > worst ? now - until : worst;
	}
	if (worst > limit)
		print("# %lu us late\n", worst / 1000);
	check(worst <= limit, "woken no later than the rate limit says");
	equals(pin(CHILDREN, 3), 0, "their maker anywhere");
}

static u32 cpu_of(unsigned int i)
{
	struct xen_domctl op = {0};

	if (domctl(XEN_DOMCTL_getvcpuinfo, children[i]->id, &op))
		fatal("getvcpuinfo");
	return op.u.getvcpuinfo.cpu;
}

/* Within 5 % of so many parts of all. */
static void gets(u64 part, u64 all, u64 got, u64 had, const char *text)
{
	u64 due = had * part / all;

	if (got * 20 < due * 19 || got * 20 > due * 21)
		print("# %lu ms, not %lu of %lu\n", got / 1000000, due / 1000000, had / 1000000);
	check(got * 20 >= due * 19 && got * 20 <= due * 21, text);
}

/* What each has had while we slept, and their sum. */
static u64 spent(u64 *ns)
{
	u64 sum = 0;

	sleep_ns(SECOND / 10); /* the new ways take hold */
	for (unsigned int i = 0; i < CHILDREN; i++)
		ns[i] = cpu_time(i);
	sleep_ns(2 * SECOND);
	for (unsigned int i = 0; i < CHILDREN; i++)
		sum += ns[i] = cpu_time(i) - ns[i];
	return sum;
}

static void weights(void)
{
	u64 ns[CHILDREN], all;

	for (unsigned int i = 0; i < CHILDREN; i++)
		params(i, (u16)(256 << i), 0);
	all = spent(ns);
	for (unsigned int i = 0; i < CHILDREN; i++)
		gets(1 << i, 7, ns[i], all, "as its weight says");
	gets(1, 1, all, 2 * SECOND, "one CPU's time, all together");
}

static void caps(void)
{
	u64 ns[CHILDREN];

	params(1, 256, 0);
	params(2, 1024, 50);
	spent(ns);
	gets(1, 2, ns[2], 2 * SECOND, "capped at half a CPU, the others want more");
	gets(1, 4, ns[0], 2 * SECOND, "they share the rest");
	params(0, 256, 10);
	params(1, 256, 20);
	spent(ns);
	gets(1, 10, ns[0], 2 * SECOND, "all capped: a tenth");
	gets(1, 5, ns[1], 2 * SECOND, "all capped: a fifth");
	gets(1, 2, ns[2], 2 * SECOND, "all capped: a half");
}

/*
 * They are chased from CPU to CPU; once there, each stays where it may be. QEMU lets one CPU run for milliseconds while the other
 * waits to hear of it.
 */
static void affinity(void)
{
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < CHILDREN; i++)
		params(i, 256, 0);
	for (unsigned int round = 0; round < 60; round++) {
		for (unsigned int i = 0; i < CHILDREN; i++)
			wrong += pin(i, (u8)(1 << ((round >> i) & 1))) != 0;
		for (unsigned int i = 0; i < CHILDREN; i++)
			for (unsigned int wait = 0; wait < 50 && cpu_of(i) != ((round >> i) & 1);
			     wait++)
				sleep_ns(1000000);
		for (unsigned int look = 0; look < 5; look++) {
			sleep_ns(2000000);
			for (unsigned int i = 0; i < CHILDREN; i++)
				wrong += cpu_of(i) != ((round >> i) & 1);
		}
	}
	equals(wrong, 0, "always where it may run");
	refused(pin(0, 0), "on no CPU");
}

void guest_main(void)
{
	for (unsigned int i = 0; i < CHILDREN; i++) {
		children[i] = child_make();
		equals(pin(i, 2), 0, "on CPU 1 alone");
		equals(child_run(children[i]), 0, "unpaused");
	}
	weights();
	latency();
	caps();
	latency();
	affinity();
	for (unsigned int i = 0; i < CHILDREN; i++)
		child_end(children[i]);
}

/* SPDX-License-Identifier: MIT */
/*
 * A test guest: system time, timers, runstate, the areas that VCPUOP registers. Security cases 20 and 336 (values that
 * overflow), 327 (areas that are not there).
 */
#include "guest.h"

static u32 port;

static void clock(void)
{
	u64 last = time_ns();
	struct vcpu_time_info *t = &vcpu_infos[0]->time;

	check(t->tsc_to_system_mul != 0, "time: a scale");
	for (unsigned int i = 0; i < 10000; i++) {
		u64 now = time_ns();

		if (now < last)
			fatal("time went back from %lu to %lu", last, now);
		last = now;
	}
	check(true, "time: never back");
	check(shared_info->wc_version % 2 == 0 && shared_info->wc_sec > 1700000000u,
	      "wall clock: this century");
}

/* The event after the first `before` of them, which may have come already. */
static bool comes(u64 before)
{
	return wait_until(&event_count[port], before + 1, 1000000000);
}

static void single(void)
{
	struct vcpu_set_singleshot_timer s = {.timeout_abs_ns = time_ns() + 3000000};
	u64 count = event_count[port];

	equals(vcpuop(VCPUOP_set_singleshot_timer, 0, &s), 0, "single shot in 3 ms");
	check(comes(count), "it comes");
	check(time_ns() >= s.timeout_abs_ns, "not early");
	s.timeout_abs_ns = time_ns() + 100000000;
	vcpuop(VCPUOP_set_singleshot_timer, 0, &s);
	equals(vcpuop(VCPUOP_stop_singleshot_timer, 0, NULL), 0, "stopped");
	count = event_count[port];
	time_wait(120000000);
	equals(event_count[port], (long)count, "it does not come");
	s.timeout_abs_ns = 1;
	s.flags = VCPU_SSHOTTMR_future;
	/* -ETIME, or the flag is ignored, says the header. */
	check(vcpuop(VCPUOP_set_singleshot_timer, 0, &s) == (on_mica() ? -XETIME : 0),
	      "past, and must be in the future");
	time_wait(2000000);
	count = event_count[port];
	s.flags = 0;
	equals(vcpuop(VCPUOP_set_singleshot_timer, 0, &s), 0, "past");
	check(comes(count), "it comes at once");
	s.timeout_abs_ns = ~0ul;
	check(vcpuop(VCPUOP_set_singleshot_timer, 0, &s) <= 0, "the end of time (20, 336)");
	s.timeout_abs_ns = 1ul << 63;
	check(vcpuop(VCPUOP_set_singleshot_timer, 0, &s) <= 0, "half of it (20, 336)");
	s.timeout_abs_ns = (1ul << 63) - 1;
	check(vcpuop(VCPUOP_set_singleshot_timer, 0, &s) <= 0, "one less");
	equals(vcpuop(VCPUOP_stop_singleshot_timer, 0, NULL), 0, "stopped");
	refused(vcpuop(VCPUOP_set_singleshot_timer, 1, &s), "of another vCPU");
	refused(vcpuop(VCPUOP_set_singleshot_timer, 99, &s), "of no vCPU");
	equals(vcpuop(VCPUOP_set_singleshot_timer, 0, 8), -XEFAULT, "bad pointer");
	time_wait(2000000);
	count = event_count[port];
}

static void periodic(void)
{
	struct vcpu_set_periodic_timer p = {.period_ns = 2000000};
	u64 start = time_ns(), count = event_count[port];
	static const u64 bad[] = {0, 1, 999, 100000};

	equals(vcpuop(VCPUOP_set_periodic_timer, 0, &p), 0, "every 2 ms");
	check(wait_until(&event_count[port], count + 5, 2000000000), "it comes five times");
	check(time_ns() - start >= 8000000, "in no less than 8 ms");
	equals(vcpuop(VCPUOP_stop_periodic_timer, 0, NULL), 0, "stopped");
	time_wait(1000000);
	count = event_count[port];
	time_wait(10000000);
	equals(event_count[port], (long)count, "it comes no more");
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		p.period_ns = bad[i];
		refused(vcpuop(VCPUOP_set_periodic_timer, 0, &p), "a period too short");
	}
	p.period_ns = ~0ul;
	refused(vcpuop(VCPUOP_set_periodic_timer, 0, &p), "a period without end");
	equals(vcpuop(VCPUOP_stop_periodic_timer, 0, NULL), 0, "stopped");
}

static void timer_op(void)
{
	u64 now = time_ns(), count = event_count[port];

	equals(hypercall(set_timer_op, now + 3000000), 0, "set_timer_op in 3 ms");
	check(comes(count), "it comes");
	equals(hypercall(set_timer_op, time_ns() + 100000000), 0, "set_timer_op");
	equals(hypercall(set_timer_op, 0), 0, "stopped by 0");
	now = event_count[port];
	time_wait(120000000);
	equals(event_count[port], (long)now, "it does not come");
	check(hypercall(set_timer_op, -1l) == 0, "set_timer_op: -1");
	check(hypercall(set_timer_op, 1ul << 63) == 0, "set_timer_op: 1 << 63 (20, 336)");
	hypercall(set_timer_op, 0);
}

static void blocking(void)
{
	struct vcpu_set_singleshot_timer s = {.timeout_abs_ns = time_ns() + 10000000};
	u64 before = event_count[port], start = time_ns();

	vcpuop(VCPUOP_set_singleshot_timer, 0, &s);
	while (event_count[port] == before)
		schedop(SCHEDOP_block, NULL);
	check(time_ns() - start >= 10000000, "block: until the timer");
	events_on();
}

static void areas(void)
{
	static struct vcpu_runstate_info live;
	static struct vcpu_time_info second;
	struct vcpu_runstate_info now;
	struct vcpu_register_runstate_memory_area r = {.addr.p = (u64)&live};
	struct vcpu_register_time_memory_area t = {.addr.p = (u64)&second};
	u64 sum, a, b;

	equals(vcpuop(VCPUOP_get_runstate_info, 0, &now), 0, "runstate");
	equals(now.state, RUNSTATE_running, "runstate: we run");
	sum = now.time[0] + now.time[1] + now.time[2] + now.time[3];
	check(sum <= time_ns() + 1000000000, "runstate: no more than the time there was");
	equals(vcpuop(VCPUOP_register_runstate_memory_area, 0, &r), 0, "runstate area");
	equals(live.state, RUNSTATE_running, "runstate area: filled at once");
	a = live.time[RUNSTATE_blocked];
	blocking();
	b = live.time[RUNSTATE_blocked];
	check(b > a, "runstate area: blocked time grows");
	equals(live.state, RUNSTATE_running, "runstate area: we run");
	equals(vcpuop(VCPUOP_register_vcpu_time_memory_area, 0, &t), 0, "time area");
	check(second.tsc_to_system_mul != 0, "time area: filled at once");
	a = time_ns();
	b = time_of(&second);
	check(b - a < 1000000000 || a - b < 1000000000, "time area: the same time");
	r.addr.p = HYPERVISOR_VIRT_START;
	refused(vcpuop(VCPUOP_register_runstate_memory_area, 0, &r),
		"runstate area: the hypervisor's range");
	t.addr.p = HYPERVISOR_VIRT_START;
	refused(vcpuop(VCPUOP_register_vcpu_time_memory_area, 0, &t),
		"time area: the hypervisor's range");
	t.addr.p = 0x800000000000;
	refused(vcpuop(VCPUOP_register_vcpu_time_memory_area, 0, &t), "time area: not canonical");
	r.addr.p = 8;
	vcpuop(VCPUOP_register_runstate_memory_area, 0, &r);
	blocking();
	check(true, "runstate area: nothing mapped there, no harm");
	r.addr.p = (u64)root();
	vcpuop(VCPUOP_register_runstate_memory_area, 0, &r);
	blocking();
	check(true, "runstate area: our read-only root, no harm");
	r.addr.p = 0;
	vcpuop(VCPUOP_register_runstate_memory_area, 0, &r);
	equals(vcpuop(VCPUOP_get_runstate_info, 0, 8), -XEFAULT, "runstate: bad pointer");
	refused(vcpuop(VCPUOP_get_runstate_info, 99, &now), "runstate: no such vCPU");
}

void guest_main(void)
{
	port = (u32)bind_virq(VIRQ_TIMER, 0);
	event_unmask(port);
	events_on();
	vcpuop(VCPUOP_stop_periodic_timer, 0, NULL);
	clock();
	single();
	periodic();
	timer_op();
	blocking();
	areas();
	events_off();
}

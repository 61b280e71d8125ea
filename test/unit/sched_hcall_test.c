/* SPDX-License-Identifier: MIT */
/* uses: src/hcall/sched_op.c src/hcall/vcpu_op.c src/hcall/subop.c src/domain/watchdog.c src/sched/choose.c src/sched/vcpu.c src/sched/runstate.c src/sched/share.c src/sched/place.c src/time/system.c src/time/timer.c src/time/vcpu.c src/lib/pqueue.c src/core/lock.c src/core/cpu.c test/fake/machine.c test/fake/sched_world.c */
/*
 * sched_op, vcpu_op and set_timer_op as a guest calls them: what they do, and what they answer to nonsense. Events, the
 * PV CPU and the end of a domain are stood in for here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "domain/domain.h"
#include "domain/watchdog.h"
#include "evtchn/evtchn.h"
#include "hcall/hcall.h"
#include "hw/acpi.h"
#include "hw/lapic.h"
#include "pv/pv.h"
#include "sched_world.h"

#define MS    1000000ull
#define PORTS 64u

struct acpi_info hw_acpi;
u32 hw_cpu_apic_id[CPU_MAX];
static u64 ports_pending;
static struct domain *ended;
static u8 ended_with;
static unsigned int ended_count;
static int initialise_answer, place_answer;
static unsigned int initialise_count;
static struct domain *d, *other;
static struct vcpu *v, *w;

bool evtchn_port_is_valid(struct domain *which, u32 port)
{
	(void)which;
	return port < PORTS;
}

bool evtchn_port_is_pending(struct domain *which, u32 port)
{
	assert_int_equal(which->poll_count, 1); /* made known before it looks */
	return port < PORTS && (ports_pending & BIT(port));
}

int evtchn_vcpu_info_place(struct vcpu *which, mfn_t mfn, u32 offset)
{
	(void)which;
	(void)mfn;
	(void)offset;
	return place_answer;
}

void domain_shutdown(struct domain *which, u8 reason)
{
	ended = which;
	ended_with = reason;
	ended_count++;
}

/* What the stubs read is its CPU's alone. */
void pv_entry_refresh(struct vcpu *which)
{
	assert_ptr_equal(which, v);
}

void pv_nmi_send(struct vcpu *which)
{
	which->pv->nmi_pending = 1;
	vcpu_kick(which);
}

int pv_context_set(struct vcpu *which, const struct vcpu_guest_context *ctx)
{
	assert_true(which->is_in_initialise);
	assert_int_equal(ctx->user_regs.rip, 0x1234);
	initialise_count++;
	return initialise_answer;
}

static int call(hcall_fn fn, u64 a, u64 b, u64 c, u64 *result)
{
	struct hcall_args args = {.a = {a, b, c, ~0ull, ~0ull, ~0ull}};
	int rc;

	assert_true(world_runs(v));
	fake_cpu = v->cpu;
	rc = fn(v, &args);
	if (result != NULL)
		*result = args.result;
	else if (rc == 0)
		assert_int_equal(args.result, 0);
	world_settle();
	return rc;
}

static int sched_op(u64 cmd, const void *arg)
{
	return call(do_sched_op, cmd, (u64)arg, 0, NULL);
}

static int vcpu_op(u64 cmd, u64 vcpu, const void *arg)
{
	return call(do_vcpu_op, cmd, vcpu, (u64)arg, NULL);
}

static int start(void **state)
{
	static struct pv_vcpu pv[2];

	(void)state;
	world_start(2);
	memset(pv, 0, sizeof(pv));
	memset(&hw_acpi, 0, sizeof(hw_acpi));
	ended = NULL;
	ended_count = 0;
	ports_pending = 0;
	initialise_answer = place_answer = 0;
	initialise_count = 0;
	d = world_domain(0, 2);
	d->is_hardware = d->is_privileged = true;
	assert_int_equal(domain_watchdog_init(d), 0);
	other = world_domain(5, 1);
	v = d->vcpus[0];
	w = d->vcpus[1];
	v->pv = &pv[0];
	w->pv = &pv[1];
	v->is_initialised = true;
	world_up(v);
	world_settle();
	return 0;
}

static int end(void **state)
{
	(void)state;
	fake_cpu = 0;
	domain_watchdog_destroy(d);
	world_end();
	assert_int_equal(world_heap_blocks, 0);
	return 0;
}

/* A page that the guest does not have. */
#define NOWHERE ((void *)8)

/* ---------------------------------------------------------------- sched_op */

static void yield_and_block(void **state)
{
	(void)state;
	assert_int_equal(sched_op(SCHEDOP_yield, NULL), 0);
	assert_true(world_runs(v));
	v->info->evtchn_upcall_mask = 1;
	assert_int_equal(sched_op(SCHEDOP_block, NULL), 0);
	assert_false(world_runs(v));
	assert_int_equal(v->info->evtchn_upcall_mask, 0);
	world_event(v);
	world_settle();
	assert_true(world_runs(v));
	/* Masked and pending: the mask goes, the event comes, nobody sleeps. */
	v->info->evtchn_upcall_mask = 1;
	world_event(v);
	assert_int_equal(sched_op(SCHEDOP_block, NULL), 0);
	assert_true(world_runs(v));
	assert_int_equal(world_upcalls[0], 2);
	/* An NMI that came just before the wait. */
	v->pv->nmi_pending = 1;
	assert_int_equal(sched_op(SCHEDOP_block, NULL), 0);
	assert_true(world_runs(v));
	v->pv->nmi_pending = 0;
	/* The upper half of the command is not looked at. */
	assert_int_equal(sched_op(SCHEDOP_yield | 7ull << 32, NULL), 0);
	assert_int_equal(sched_op(77, NULL), -ENOSYS);
	assert_int_equal(sched_op(UINT32_MAX, NULL), -ENOSYS);
}

static void compat(void **state)
{
	(void)state;
	assert_int_equal(call(do_sched_op_compat, SCHEDOP_yield, 0, 0, NULL), 0);
	assert_int_equal(call(do_sched_op_compat, SCHEDOP_shutdown, SHUTDOWN_reboot, 0, NULL), 0);
	assert_true(ended == d && ended_with == SHUTDOWN_reboot);
	assert_int_equal(call(do_sched_op_compat, SCHEDOP_poll, 0, 0, NULL), -ENOSYS);
	assert_int_equal(call(do_sched_op_compat, SCHEDOP_watchdog, 0, 0, NULL), -ENOSYS);
	assert_int_equal(call(do_sched_op_compat, SCHEDOP_block, 0, 0, NULL), 0);
	assert_false(world_runs(v));
}

static void shutdown_of_self(void **state)
{
	struct sched_shutdown arg = {.reason = SHUTDOWN_crash};

	(void)state;
	assert_int_equal(sched_op(SCHEDOP_shutdown, NOWHERE), -EFAULT);
	assert_null(ended);
	assert_int_equal(sched_op(SCHEDOP_shutdown, &arg), 0);
	assert_true(ended == d && ended_with == SHUTDOWN_crash);
	assert_int_equal(sched_op(SCHEDOP_shutdown_code, NOWHERE), -EFAULT);
	arg.reason = SHUTDOWN_watchdog;
	assert_int_equal(sched_op(SCHEDOP_shutdown_code, &arg), 0);
	assert_int_equal(d->shutdown_code, SHUTDOWN_watchdog);
	assert_true(d->is_code_set);
	arg.reason = SHUTDOWN_reboot; /* the first one stays */
	assert_int_equal(sched_op(SCHEDOP_shutdown_code, &arg), 0);
	assert_int_equal(d->shutdown_code, SHUTDOWN_watchdog);
}

static void shutdown_of_others(void **state)
{
	struct sched_remote_shutdown arg = {.domain_id = 5, .reason = SHUTDOWN_reboot};

	(void)state;
	assert_int_equal(sched_op(SCHEDOP_remote_shutdown, NOWHERE), -EFAULT);
	assert_int_equal(sched_op(SCHEDOP_remote_shutdown, &arg), 0);
	assert_true(ended == other && ended_with == SHUTDOWN_reboot);
	arg.domain_id = 9;
	assert_int_equal(sched_op(SCHEDOP_remote_shutdown, &arg), -ESRCH);
	arg.domain_id = DOMID_SELF;
	assert_int_equal(sched_op(SCHEDOP_remote_shutdown, &arg), -ESRCH);
	arg.domain_id = 0;
	assert_int_equal(sched_op(SCHEDOP_remote_shutdown, &arg), -EPERM);
	d->is_privileged = false;
	arg.domain_id = 5;
	assert_int_equal(sched_op(SCHEDOP_remote_shutdown, &arg), -EPERM);
	assert_int_equal(ended_count, 1);
}

static int poll(const u32 *ports, u32 count, u64 timeout)
{
	struct sched_poll arg = {.nr_ports = count, .timeout = timeout};

	set_xen_guest_handle(arg.ports, (u32 *)(uintptr_t)ports);
	return sched_op(SCHEDOP_poll, &arg);
}

static void polls(void **state)
{
	u32 ports[129] = {3, 9};

	(void)state;
	assert_int_equal(sched_op(SCHEDOP_poll, NOWHERE), -EFAULT);
	assert_int_equal(poll(NOWHERE, 1, 0), -EFAULT);
	assert_int_equal(poll(ports, 129, 0), -EINVAL);
	assert_int_equal(poll(ports, UINT32_MAX, 0), -EINVAL);
	ports[1] = PORTS;
	assert_int_equal(poll(ports, 2, 0), -EINVAL);
	ports[1] = UINT32_MAX;
	assert_int_equal(poll(ports, 2, 0), -EINVAL);
	assert_true(world_runs(v));
	assert_int_equal(d->poll_count, 0);
	ports[1] = 9;
	ports_pending = BIT(9);
	assert_int_equal(poll(ports, 2, 0), 0);
	assert_true(world_runs(v));
	ports_pending = 0;
	assert_int_equal(poll(ports, 2, 0), 0);
	assert_false(world_runs(v));
	vcpu_wake_poll(d, 9);
	world_settle();
	/* Events to take end a poll; masked ones do not even begin to. */
	v->info->evtchn_upcall_mask = 1;
	world_event(v);
	assert_int_equal(poll(ports, 1, world_now() + MS), 0);
	assert_false(world_runs(v));
	world_move(MS);
	assert_true(world_runs(v));
	v->info->evtchn_upcall_mask = 0;
	assert_int_equal(poll(ports, 1, 0), 0);
	assert_true(world_runs(v));
	assert_int_equal(d->poll_count, 0);
	assert_int_equal(poll(NULL, 0, world_now() + MS), 0);
	assert_false(world_runs(v));
	world_move(MS);
	assert_true(world_runs(v));
}

static int watchdog(u32 id, u32 timeout, u64 *result)
{
	struct sched_watchdog arg = {.id = id, .timeout = timeout};

	return call(do_sched_op, SCHEDOP_watchdog, (u64)&arg, 0, result);
}

static void watchdogs(void **state)
{
	u64 id, second;

	(void)state;
	assert_int_equal(sched_op(SCHEDOP_watchdog, NOWHERE), -EFAULT);
	assert_int_equal(watchdog(0, 0, &id), -EINVAL);
	assert_int_equal(watchdog(1, 10, &id), -EINVAL);
	assert_int_equal(watchdog(3, 10, &id), -EINVAL);
	assert_int_equal(watchdog(UINT32_MAX, 10, &id), -EINVAL);
	assert_int_equal(watchdog(0, 10, &id), 0);
	assert_int_equal(id, 1);
	assert_int_equal(watchdog(0, UINT32_MAX, &second), 0);
	assert_int_equal(second, 2);
	assert_int_equal(watchdog(0, 10, &id), -ENOSPC);
	/* Poked each nine seconds it holds. */
	for (unsigned int i = 0; i < 5; i++) {
		world_move(9000 * MS);
		assert_int_equal(watchdog(1, 10, &id), 0);
		assert_int_equal(id, 0);
	}
	world_move(9999 * MS);
	assert_null(ended);
	world_move(MS);
	assert_true(ended == d && ended_with == SHUTDOWN_watchdog);
	assert_int_equal(watchdog(1, 0, &id), 0);
	assert_int_equal(watchdog(1, 0, &id), -EINVAL);
	assert_int_equal(watchdog(0, 1, &id), 0);
	assert_int_equal(id, 1);
}

static void pin_override(void **state)
{
	struct sched_pin_override arg = {.pcpu = 1};

	(void)state;
	assert_int_equal(sched_op(SCHEDOP_pin_override, NOWHERE), -EFAULT);
	assert_int_equal(sched_op(SCHEDOP_pin_override, &arg), 0);
	assert_int_equal(v->cpu, 1);
	assert_int_equal(sched_op(SCHEDOP_pin_override, &arg), -EBUSY);
	arg.pcpu = -5;
	assert_int_equal(sched_op(SCHEDOP_pin_override, &arg), 0);
	assert_int_equal(sched_op(SCHEDOP_pin_override, &arg), -EINVAL);
	arg.pcpu = 2;
	assert_int_equal(sched_op(SCHEDOP_pin_override, &arg), -EINVAL);
	d->is_hardware = false;
	arg.pcpu = 1;
	assert_int_equal(sched_op(SCHEDOP_pin_override, &arg), -EPERM);
}

/* ---------------------------------------------------------------- vcpu_op */

static void vcpu_comes_and_goes(void **state)
{
	struct vcpu_guest_context ctx = {.user_regs.rip = 0x1234};
	u64 result;

	(void)state;
	assert_int_equal(vcpu_op(VCPUOP_up, 1, NULL), -EINVAL); /* not initialised */
	assert_int_equal(vcpu_op(VCPUOP_initialise, 1, NOWHERE), -EFAULT);
	fake_alloc_fail_after = 0;
	assert_int_equal(vcpu_op(VCPUOP_initialise, 1, &ctx), -ENOMEM);
	fake_alloc_fail_after = -1;
	initialise_answer = -EINVAL;
	assert_int_equal(vcpu_op(VCPUOP_initialise, 1, &ctx), -EINVAL);
	initialise_answer = -ERESTART;
	assert_int_equal(vcpu_op(VCPUOP_initialise, 1, &ctx), -ERESTART);
	assert_false(w->is_initialised);
	initialise_answer = 0;
	w->is_in_initialise = true; /* another vCPU is at it */
	assert_int_equal(vcpu_op(VCPUOP_initialise, 1, &ctx), -ERESTART);
	w->is_in_initialise = false;
	assert_int_equal(initialise_count, 2);
	assert_int_equal(vcpu_op(VCPUOP_initialise, 1, &ctx), 0);
	assert_int_equal(vcpu_op(VCPUOP_initialise, 1, &ctx), -EEXIST);
	assert_int_equal(vcpu_op(VCPUOP_initialise, 0, &ctx), -EEXIST);
	assert_int_equal(w->info->time.version, 2); /* it has a clock before it runs */
	assert_int_equal(call(do_vcpu_op, VCPUOP_is_up, 1, 0, &result), 0);
	assert_int_equal(result, 0);
	assert_int_equal(vcpu_op(VCPUOP_up, 1, NULL), 0);
	assert_int_equal(vcpu_op(VCPUOP_up, 1, NULL), 0);
	assert_true(world_runs(w));
	assert_int_equal(call(do_vcpu_op, VCPUOP_is_up, 1, 0, &result), 0);
	assert_int_equal(result, 1);
	assert_int_equal(vcpu_op(VCPUOP_down, 1, NULL), 0);
	assert_int_equal(vcpu_op(VCPUOP_down, 1, NULL), 0);
	assert_false(world_runs(w));
	assert_null(ended);
	/* The last one. */
	assert_int_equal(vcpu_op(VCPUOP_down, 0, NULL), 0);
	assert_true(ended == d && ended_with == SHUTDOWN_poweroff);
}

static void no_such_vcpu(void **state)
{
	(void)state;
	assert_int_equal(vcpu_op(VCPUOP_up, 2, NULL), -ENOENT);
	assert_int_equal(vcpu_op(VCPUOP_up, DOMAIN_VCPUS_MAX, NULL), -ENOENT);
	assert_int_equal(vcpu_op(VCPUOP_up, UINT32_MAX, NULL), -ENOENT);
	assert_int_equal(vcpu_op(99, 0, NULL), -ENOSYS);
	assert_int_equal(vcpu_op(UINT32_MAX, 0, NULL), -ENOSYS);
}

static void runstate_areas(void **state)
{
	struct vcpu_runstate_info info = {0};
	struct vcpu_register_runstate_memory_area area = {.addr.v = &info};

	(void)state;
	world_move(5 * MS);
	assert_int_equal(vcpu_op(VCPUOP_get_runstate_info, 0, NOWHERE), -EFAULT);
	assert_int_equal(vcpu_op(VCPUOP_get_runstate_info, 0, &info), 0);
	assert_int_equal(info.state, RUNSTATE_running);
	assert_int_equal(info.time[RUNSTATE_running], 5 * MS);
	memset(&info, 0x55, sizeof(info));
	assert_int_equal(vcpu_op(VCPUOP_register_runstate_memory_area, 0, NOWHERE), -EFAULT);
	assert_int_equal(vcpu_op(VCPUOP_register_runstate_memory_area, 1, &area), 0);
	assert_int_equal(info.state, RUNSTATE_offline); /* has a content at once */
	assert_true(sched_runstate_wanted(w));
	area.addr.p = 8;
	assert_int_equal(vcpu_op(VCPUOP_register_runstate_memory_area, 0, &area), -EFAULT);
	assert_false(sched_runstate_wanted(v));
	area.addr.p = 0;
	assert_int_equal(vcpu_op(VCPUOP_register_runstate_memory_area, 1, &area), 0);
	assert_false(sched_runstate_wanted(w));
}

static void time_areas(void **state)
{
	struct vcpu_time_info info = {0};
	struct vcpu_register_time_memory_area area = {.addr.v = &info};

	(void)state;
	assert_int_equal(vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, NOWHERE), -EFAULT);
	assert_int_equal(vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &area), 0);
	assert_int_equal(info.version, 2); /* Linux looks at once whether it is stable */
	area.addr.p = 8;
	assert_int_equal(vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &area), -EFAULT);
	assert_false(time_vcpu_publish_wanted(v));
	area.addr.p = 0;
	assert_int_equal(vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, &area), 0);
}

static void vcpu_timers(void **state)
{
	struct vcpu_set_periodic_timer tick = {.period_ns = 2 * MS};
	struct vcpu_set_singleshot_timer once = {.timeout_abs_ns = world_now() + MS};

	(void)state;
	assert_int_equal(vcpu_op(VCPUOP_set_singleshot_timer, 0, NOWHERE), -EFAULT);
	assert_int_equal(vcpu_op(VCPUOP_set_singleshot_timer, 1, &once), -EINVAL);
	assert_int_equal(vcpu_op(VCPUOP_stop_singleshot_timer, 1, NULL), -EINVAL);
	assert_int_equal(vcpu_op(VCPUOP_set_singleshot_timer, 0, &once), 0);
	world_move(MS);
	assert_int_equal(world_upcalls[0], 1);
	once.flags = VCPU_SSHOTTMR_future;
	assert_int_equal(vcpu_op(VCPUOP_set_singleshot_timer, 0, &once), -ETIME);
	once.timeout_abs_ns = world_now() + MS;
	assert_int_equal(vcpu_op(VCPUOP_set_singleshot_timer, 0, &once), 0);
	assert_int_equal(vcpu_op(VCPUOP_stop_singleshot_timer, 0, NULL), 0);
	world_move(5 * MS);
	assert_int_equal(world_upcalls[0], 1);
	assert_int_equal(vcpu_op(VCPUOP_set_periodic_timer, 0, NOWHERE), -EFAULT);
	assert_int_equal(vcpu_op(VCPUOP_set_periodic_timer, 0, &tick), 0);
	for (unsigned int i = 0; i < 10; i++)
		world_move(MS);
	assert_int_equal(world_upcalls[0], 6);
	assert_int_equal(vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
	tick.period_ns = UINT64_MAX;
	assert_int_equal(vcpu_op(VCPUOP_set_periodic_timer, 0, &tick), -EINVAL);
	tick.period_ns = 1;
	assert_int_equal(vcpu_op(VCPUOP_set_periodic_timer, 0, &tick), -EINVAL);
	world_move(5 * MS);
	assert_int_equal(world_upcalls[0], 6);
	assert_int_equal(call(do_set_timer_op, world_now() + MS, 0, 0, NULL), 0);
	world_move(MS);
	assert_int_equal(world_upcalls[0], 7);
	assert_int_equal(call(do_set_timer_op, 0, 0, 0, NULL), 0);
}

static void info_nmi_physid(void **state)
{
	struct vcpu_register_vcpu_info reg = {0};
	struct vcpu_get_physid physid;

	(void)state;
	assert_int_equal(vcpu_op(VCPUOP_register_vcpu_info, 0, NOWHERE), -EFAULT);
	assert_int_equal(vcpu_op(VCPUOP_register_vcpu_info, 0, &reg), 0);
	assert_int_equal(v->info->time.version, 2);
	assert_int_equal(vcpu_op(VCPUOP_register_vcpu_info, 1, &reg), 0);
	place_answer = -ENXIO;
	assert_int_equal(vcpu_op(VCPUOP_register_vcpu_info, 0, &reg), -ENXIO);
	w->is_initialised = true;
	world_up(w);
	assert_int_equal(vcpu_op(VCPUOP_register_vcpu_info, 1, &reg), -EBUSY);
	fake_cpu = w->cpu;
	vcpu_block(w);
	world_settle();
	assert_int_equal(vcpu_op(VCPUOP_send_nmi, 1, NULL), 0);
	assert_int_equal(w->pv->nmi_pending, 1);
	assert_true(world_runs(w));
	assert_int_equal(vcpu_op(VCPUOP_down, 1, NULL), 0);
	assert_int_equal(vcpu_op(VCPUOP_get_physid, 0, &physid), -EINVAL); /* not pinned */
	assert_int_equal(sched_pin_override(v, 1), 0);
	world_settle();
	hw_cpu_apic_id[1] = 6;
	hw_acpi.cpu_count = 2;
	hw_acpi.cpus[1] = (struct acpi_cpu){.apic_id = 6, .acpi_id = 17};
	assert_int_equal(vcpu_op(VCPUOP_get_physid, 0, NOWHERE), -EFAULT);
	assert_int_equal(vcpu_op(VCPUOP_get_physid, 0, &physid), 0);
	assert_int_equal(physid.phys_id, 17ull << 32 | 6);
	d->is_hardware = false;
	assert_int_equal(vcpu_op(VCPUOP_get_physid, 0, &physid), -EINVAL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, start, end)
	static const struct CMUnitTest tests[] = {
		T(yield_and_block), T(compat),	       T(shutdown_of_self), T(shutdown_of_others),
		T(polls),	    T(watchdogs),      T(pin_override),	    T(vcpu_comes_and_goes),
		T(no_such_vcpu),    T(runstate_areas), T(time_areas),	    T(vcpu_timers),
		T(info_nmi_physid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

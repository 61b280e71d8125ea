/* SPDX-License-Identifier: MIT */
/*
 * A test guest: what each event-channel call answers, good and bad, over the two-level form; which bits it leaves; where a
 * vcpu_info may be put (security case 327).
 */
#include "guest.h"

#define FREE_PORT 40 /* of those that exist, never opened here */
#define NO_PORT	  (1u << 20)
#define NO_DOMAIN 77

static long alloc_in(domid_t dom, domid_t remote)
{
	struct evtchn_alloc_unbound a = {.dom = dom, .remote_dom = remote};
	long rc = evtchn(EVTCHNOP_alloc_unbound, &a);

	return rc ? rc : (long)a.port;
}

static long connect(domid_t remote, u32 port)
{
	struct evtchn_bind_interdomain b = {.remote_dom = remote, .remote_port = port};
	long rc = evtchn(EVTCHNOP_bind_interdomain, &b);

	return rc ? rc : (long)b.local_port;
}

static long move(u32 port, u32 vcpu)
{
	struct evtchn_bind_vcpu b = {.port = port, .vcpu = vcpu};

	return evtchn(EVTCHNOP_bind_vcpu, &b);
}

static long on_domain(unsigned int op, domid_t dom)
{
	struct evtchn_reset r = {.dom = dom};

	return evtchn(op, &r);
}

static long priority(u32 port, u32 value)
{
	struct evtchn_set_priority p = {.port = port, .priority = value};

	return evtchn(EVTCHNOP_set_priority, &p);
}

/* kind * 100 + vcpu, or the error */
static long state_in(domid_t dom, u32 port)
{
	struct evtchn_status s = {.dom = dom, .port = port};
	long rc = evtchn(EVTCHNOP_status, &s);

	return rc ? rc : (long)(s.status * 100 + s.vcpu);
}

static long state(u32 port)
{
	return state_in(DOMID_SELF, port);
}

static void nothing_open(void)
{
	equals(state(0), 0, "status: port 0 is closed");
	equals(state(FREE_PORT), 0, "status: a free port is closed");
	equals(state(4095), -XEINVAL, "status: a port that was never there");
	equals(state(NO_PORT), -XEINVAL, "status: a port that cannot be");
	equals(state_in(NO_DOMAIN, 1), -XESRCH, "status: no such domain");
	equals(state_in(0, 1), 0, "status: myself by number");
	equals(state_in(DOMID_XEN, 1), -XESRCH, "status: DOMID_XEN");
	equals(port_close(0), -XEINVAL, "close: port 0");
	equals(port_close(FREE_PORT), -XEINVAL, "close: a free port");
	equals(port_close(NO_PORT), -XEINVAL, "close: no port");
	equals(port_send(0), -XEINVAL, "send: port 0");
	equals(port_send(FREE_PORT), -XEINVAL, "send: a free port");
	equals(port_send(NO_PORT), -XEINVAL, "send: no port");
	equals(event_unmask(0), 0, "unmask: port 0");
	equals(event_unmask(FREE_PORT), 0, "unmask: a free port");
	equals(event_unmask(NO_PORT), -XEINVAL, "unmask: no port");
	equals(move(0, 0), -XEINVAL, "bind_vcpu: port 0");
	equals(move(FREE_PORT, 0), -XEINVAL, "bind_vcpu: a free port");
	equals(move(NO_PORT, 0), -XEINVAL, "bind_vcpu: no port");
	equals(move(NO_PORT, 99), -XENOENT, "bind_vcpu: no port, no vcpu");
}

static void bad_calls(void)
{
	u64 arg = 0;

	equals(evtchn(15, &arg), -XENOSYS, "no such call: 15");
	equals(evtchn(-1, &arg), -XENOSYS, "no such call: -1");
	equals(evtchn(0x100000004, &arg), -XEINVAL, "upper half of the command is not looked at");
	equals(on_domain(14, DOMID_SELF), -XEBUSY, "reset_cont: nothing to continue");
	equals(on_domain(14, NO_DOMAIN), -XESRCH, "reset_cont: no such domain");
	equals(evtchn(EVTCHNOP_send, 8), -XEFAULT, "send: bad pointer");
	equals(evtchn(EVTCHNOP_alloc_unbound, HYPERVISOR_VIRT_START), -XEFAULT,
	       "alloc: bad pointer");
	equals(on_domain(EVTCHNOP_reset, NO_DOMAIN), -XESRCH, "reset: no such domain");
	equals(priority(1, 3), -XENOSYS, "set_priority: two-level");
	equals(priority(NO_PORT, 3), -XEINVAL, "set_priority: no port");
	equals(on_domain(EVTCHNOP_expand_array, 0), -XEOPNOTSUPP, "expand_array: two-level");
}

static void interdomain(void)
{
	long first = port_alloc(DOMID_SELF), second;
	long foreign = port_alloc(NO_DOMAIN);

	equals(first, 1, "alloc_unbound: the first port is 1");
	equals(state(first), 100, "alloc_unbound: unbound, vcpu 0");
	equals(foreign, 2, "alloc_unbound: for a domain that is not there");
	equals(alloc_in(NO_DOMAIN, 0), -XESRCH, "alloc_unbound: in a domain that is not there");
	equals(alloc_in(DOMID_XEN, 0), -XESRCH, "alloc_unbound: in DOMID_XEN");
	equals(port_send(first), 0, "send: to nobody yet");
	equals(connect(DOMID_SELF, foreign), -XEINVAL, "bind_interdomain: waits for another");
	equals(connect(NO_DOMAIN, 1), -XESRCH, "bind_interdomain: no such domain");
	equals(connect(DOMID_SELF, NO_PORT), -XEINVAL, "bind_interdomain: no port");
	equals(connect(DOMID_SELF, 0), -XEINVAL, "bind_interdomain: port 0");
	event_clear(3);
	second = connect(DOMID_SELF, first);
	equals(second, 3, "bind_interdomain: the next port");
	check(event_pending(second), "bind_interdomain: the new port is pending");
	check(!event_pending(first), "bind_interdomain: the old one is not");
	equals(state(first), 200, "bind_interdomain: one end");
	equals(state(second), 200, "bind_interdomain: the other");
	equals(connect(DOMID_SELF, first), -XEINVAL, "bind_interdomain: twice");
	equals(move(first, 3), 0, "bind_vcpu");
	equals(state(first), 203, "bind_vcpu: moved");
	equals(move(first, 4), -XENOENT, "bind_vcpu: no such vcpu");
	equals(move(first, 0xffffffff), -XENOENT, "bind_vcpu: vcpu -1");
	equals(port_close(second), 0, "close: one end");
	equals(state(first), 103, "close: the other is unbound, its vcpu unchanged");
	equals(port_close(first), 0, "close: the other");
	equals(port_close(first), -XEINVAL, "close: twice");
	equals(port_alloc(0), first, "alloc_unbound: the lowest free port");
	equals(state(first), 100, "alloc_unbound: vcpu 0 again");
}

static void bits(void)
{
	long port = bind_ipi(0);
	struct vcpu_info *vi = vcpu_info(0);
	u64 seen = upcalls;

	ACCESS(vi->evtchn_upcall_pending) = 0;
	ACCESS(vi->evtchn_pending_sel) = 0;
	event_mask(port);
	event_clear(port);
	equals(port_send(port), 0, "send: a masked port");
	check(event_pending(port), "send: masked, pending");
	check(!vi->evtchn_upcall_pending && !vi->evtchn_pending_sel, "send: masked, no upcall");
	equals(event_unmask(port), 0, "unmask");
	check(!((shared_info->evtchn_mask[0] >> port) & 1), "unmask: the mask bit is clear");
	check(vi->evtchn_upcall_pending == 1 && vi->evtchn_pending_sel == 1,
	      "unmask: pending, so an upcall");
	equals(upcalls, seen, "no upcall while the vcpu masks it");
	events_on();
	check(wait_until(&upcalls, seen + 1, 1000000000), "the upcall comes");
	equals(event_count[port], 1, "the event comes, once");
	equals(port_send(port), 0, "send: with events on");
	check(wait_until(&event_count[port], 2, 1000000000), "the event comes at once");
	events_off();
	equals(port_close(port), 0, "close: an IPI");
	event_mask(port);
}

static void sources(void)
{
	long timer = bind_virq(VIRQ_TIMER, 0), other = bind_virq(VIRQ_TIMER, 1), console, ipi;

	equals(bind_virq(NR_VIRQS, 0), -XEINVAL, "bind_virq: no such VIRQ");
	equals(bind_virq(NR_VIRQS, 99), -XEINVAL, "bind_virq: no such VIRQ, no vcpu");
	equals(bind_virq(0xffffffff, 0), -XEINVAL, "bind_virq: VIRQ -1");
	equals(bind_virq(VIRQ_TIMER, 4), -XENOENT, "bind_virq: no such vcpu");
	equals(bind_virq(VIRQ_CONSOLE, 1), -XEINVAL, "bind_virq: a global one, not on vcpu 0");
	equals(bind_virq(VIRQ_ARCH_1, 1), -XEINVAL, "bind_virq: an architecture's one is global");
	equals(state(timer), 400, "bind_virq: the timer");
	equals(state(other), 401, "bind_virq: vcpu 1's timer");
	equals(bind_virq(VIRQ_TIMER, 0), -XEEXIST, "bind_virq: twice");
	equals(port_send(timer), -XEINVAL, "send: a VIRQ");
	equals(move(timer, 1), -XEINVAL, "bind_vcpu: a vcpu's VIRQ");
	console = bind_virq(VIRQ_CONSOLE, 0);
	equals(move(console, 1), 0, "bind_vcpu: a global VIRQ");
	equals(state(console), 401, "bind_vcpu: it moved");
	equals(bind_virq(VIRQ_CONSOLE, 0), -XEEXIST, "bind_virq: twice, moved");
	equals(port_close(console), 0, "close: a VIRQ that moved");
	console = bind_virq(VIRQ_CONSOLE, 0);
	check(console > 0, "bind_virq: again");
	check(bind_virq(VIRQ_XENPMU, 1) > 0 && bind_virq(VIRQ_XENOPROF, 1) > 0 &&
		      bind_virq(VIRQ_DEBUG, 2) > 0,
	      "bind_virq: vcpus' own");
	equals(bind_ipi(4), -XENOENT, "bind_ipi: no such vcpu");
	equals(bind_ipi(0xffffffff), -XENOENT, "bind_ipi: vcpu -1");
	ipi = bind_ipi(2);
	equals(state(ipi), 502, "bind_ipi");
	equals(move(ipi, 2), -XEINVAL, "bind_vcpu: an IPI, even to its own");
	equals(port_send(ipi), 0, "send: an IPI to a vcpu that is down");
	check(event_pending(ipi), "send: it is pending");
}

static long place(u32 vcpu, u64 mfn, u32 offset)
{
	struct vcpu_register_vcpu_info r = {.mfn = mfn, .offset = offset};

	return vcpuop(VCPUOP_register_vcpu_info, vcpu, &r);
}

static void placement(void)
{
	char *page = page_alloc();
	struct vcpu_info *info = (void *)(page + 64);
	u64 mfn = mfn_of(page);

	equals(place(1, mfn, 4), -XENXIO, "vcpu_info: unaligned");
	equals(place(1, mfn, 4096 - 56), -XENXIO, "vcpu_info: across the page's end");
	equals(place(1, mfn, 5000), -XENXIO, "vcpu_info: beyond the page");
	equals(place(1, mfn, 0xfffffff8), -XENXIO, "vcpu_info: offset -8");
	equals(place(1, ~0ul, 0), -XEINVAL, "vcpu_info: no such frame");
	equals(place(1, mfn_of((void *)start_info->pt_base), 0), -XEINVAL,
	       "vcpu_info: a page table");
	equals(place(9, mfn, 0), -XENOENT, "vcpu_info: no such vcpu");
	equals(place(1, mfn, 64), 0, "vcpu_info: a vcpu that is down");
	check(info->evtchn_upcall_pending == 1 && info->evtchn_upcall_mask == 1,
	      "vcpu_info: pending, masked");
	check(info->evtchn_pending_sel == ~0ul, "vcpu_info: look at everything");
	equals(place(1, mfn, 128), -XEINVAL, "vcpu_info: twice");
	equals(place(1, mfn, 4), -XENXIO, "vcpu_info: twice and unaligned");
	equals(place(0, mfn, 128), 0, "vcpu_info: one's own");
	vcpu_infos[0] = (void *)(page + 128);
	check(vcpu_infos[0]->evtchn_upcall_mask == 1, "vcpu_info: the mask comes along");
	check(vcpu_infos[0]->evtchn_pending_sel == ~0ul, "vcpu_info: look at everything, here too");
}

static void delivery_to_the_new_place(void)
{
	long port = bind_ipi(0);

	event_clear(port);
	event_mask(port);
	equals(event_unmask(port), 0, "new place: unmask");
	events_on();
	equals(port_send(port), 0, "new place: send");
	check(wait_until(&event_count[port], 1, 1000000000), "new place: the event comes");
	events_off();
}

static void all_ports(void)
{
	long port, last = 0;

	while ((port = port_alloc(0)) > 0)
		last = port;
	equals(port, -XENOSPC, "alloc_unbound: until there is no port");
	equals(last, 4095, "alloc_unbound: the last one");
	equals(bind_ipi(0), -XENOSPC, "bind_ipi: no port left");
	equals(bind_ipi(99), -XENOENT, "bind_ipi: no port left, no vcpu");
	equals(connect(DOMID_SELF, 0), -XENOSPC, "bind_interdomain: no port left, bad port");
	equals(port_close(2000), 0, "close: one of many");
	equals(bind_ipi(0), 2000, "bind_ipi: the one that was closed");
	equals(on_domain(EVTCHNOP_reset, DOMID_SELF), 0, "reset");
	equals(state(2000), 0, "reset: closed");
	equals(port_alloc(0), 1, "reset: from the start again");
}

void guest_main(void)
{
	events_off();
	nothing_open();
	bad_calls();
	interdomain();
	bits();
	sources();
	placement();
	delivery_to_the_new_place();
	all_ports();
}

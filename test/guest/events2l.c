/* SPDX-License-Identifier: MIT */
/*
 * A test guest: two-level events. All EVTCHNOP calls, good and bad; masks, pending bits, upcalls, poll. Security cases
 * 338, 343, 359 (ports out of range), 496, 505 (reset), 327 (vcpu_info unaligned or across a page).
 */
#include "guest.h"

static void allocation(void)
{
	struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
	struct evtchn_bind_interdomain b = {.remote_dom = DOMID_SELF};
	struct evtchn_status st = {.dom = DOMID_SELF};
	long first = port_alloc(DOMID_SELF), second;

	check(first > 0, "alloc_unbound");
	st.port = (u32)first;
	equals(evtchn(EVTCHNOP_status, &st), 0, "status");
	equals(st.status, EVTCHNSTAT_unbound, "status: unbound");
	b.remote_port = (u32)first;
	equals(evtchn(EVTCHNOP_bind_interdomain, &b), 0, "bind_interdomain to ourselves");
	second = b.local_port;
	check(second != first, "a second port");
	st.port = (u32)second;
	equals(evtchn(EVTCHNOP_status, &st), 0, "status");
	equals(st.status, EVTCHNSTAT_interdomain, "status: interdomain");
	equals(st.u.interdomain.port, first, "status: its other end");
	refused(evtchn(EVTCHNOP_bind_interdomain, &b), "bind_interdomain: taken already");
	event_clear((u32)first);
	event_clear((u32)second);
	equals(port_send((u32)second), 0, "send");
	check(event_pending((u32)first), "the other end is pending");
	check(!event_pending((u32)second), "this end is not");
	event_clear((u32)first);
	equals(port_close((u32)second), 0, "close");
	st.port = (u32)first;
	evtchn(EVTCHNOP_status, &st);
	equals(st.status, EVTCHNSTAT_unbound, "the other end is unbound again");
	refused(port_close((u32)second), "close: twice");
	equals(port_close((u32)first), 0, "close the other end");
	a.remote_dom = 77;
	a.dom = 77;
	refused(evtchn(EVTCHNOP_alloc_unbound, &a),
		"alloc_unbound: for a domain that is not there");
	b.remote_dom = 77;
	refused(evtchn(EVTCHNOP_bind_interdomain, &b), "bind_interdomain: no such domain");
	b.remote_dom = DOMID_SELF;
	b.remote_port = 4096;
	refused(evtchn(EVTCHNOP_bind_interdomain, &b), "bind_interdomain: port out of range");
	b.remote_port = 0;
	refused(evtchn(EVTCHNOP_bind_interdomain, &b), "bind_interdomain: port 0");
	b.remote_port = 0xffffffff;
	refused(evtchn(EVTCHNOP_bind_interdomain, &b), "bind_interdomain: port -1");
}

static void ranges(void)
{
	static const u32 ports[] = {0, 4095, 4096, 131072, 0x7fffffff, 0x80000000, 0xffffffff};
	struct evtchn_status st = {.dom = DOMID_SELF};
	struct evtchn_bind_vcpu bv = {.vcpu = 0};
	struct evtchn_set_priority p = {.priority = 7};

	for (unsigned int i = 0; i < ARRAY_SIZE(ports); i++) {
		print("# port %x\n", ports[i]);
		refused(port_send(ports[i]), "send (338)");
		refused(port_close(ports[i]), "close (338)");
		bv.port = ports[i];
		refused(evtchn(EVTCHNOP_bind_vcpu, &bv), "bind_vcpu");
		p.port = ports[i];
		refused(evtchn(EVTCHNOP_set_priority, &p), "set_priority without FIFO");
		st.port = ports[i];
		if (ports[i] >= 4096) {
			refused(evtchn(EVTCHNOP_status, &st), "status");
			refused(event_unmask(ports[i]), "unmask");
		}
	}
	refused(evtchn(99, &st), "no such sub-call");
	equals(evtchn(EVTCHNOP_send, 8), -XEFAULT, "bad pointer");
	equals(evtchn(EVTCHNOP_alloc_unbound, HYPERVISOR_VIRT_START), -XEFAULT,
	       "hypervisor's pointer");
	refused(evtchn(EVTCHNOP_expand_array, &st), "expand_array without FIFO (107)");
	{
		struct evtchn_reset r = {.dom = 77};

		refused(evtchn(EVTCHNOP_reset, &r), "reset: no such domain (496)");
	}
}

static void delivery(void)
{
	long port = bind_ipi(0);
	u64 seen;

	check(port > 0, "bind_ipi");
	event_clear((u32)port);
	event_mask((u32)port);
	events_on();
	seen = upcalls;
	equals(port_send((u32)port), 0, "send, masked");
	check(event_pending((u32)port) && upcalls == seen, "masked: pending, no upcall");
	equals(event_unmask((u32)port), 0, "unmask");
	equals(event_count[port], 1, "unmask: the upcall came");
	equals(port_send((u32)port), 0, "send");
	equals(event_count[port], 2, "send: the upcall came before the call ended");
	events_off();
	equals(port_send((u32)port), 0, "send with events off");
	equals(event_count[port], 2, "events off: no upcall");
	check(ACCESS(vcpu_infos[0]->evtchn_upcall_pending), "events off: marked as pending");
	equals(port_send((u32)port), 0, "send again");
	events_on();
	equals(event_count[port], 3, "events on: one upcall for two");
	events_off();
	{
		struct evtchn_bind_vcpu bv = {.port = (u32)port, .vcpu = 0};

		refused(evtchn(EVTCHNOP_bind_vcpu, &bv), "bind_vcpu: an IPI stays");
	}
	equals(port_close((u32)port), 0, "close");
	refused(bind_ipi(99), "bind_ipi: no such vCPU");
	refused(bind_ipi(0xffffffff), "bind_ipi: vCPU -1");
}

static void virqs(void)
{
	long timer = bind_virq(VIRQ_TIMER, 0), debug, console;
	struct evtchn_status st = {.dom = DOMID_SELF, .port = (u32)timer};

	check(timer > 0, "bind_virq: timer");
	equals(evtchn(EVTCHNOP_status, &st), 0, "status");
	check(st.status == EVTCHNSTAT_virq && st.u.virq == VIRQ_TIMER, "status: virq");
	equals(bind_virq(VIRQ_TIMER, 0), -XEEXIST, "bind_virq: twice");
	refused(bind_virq(VIRQ_TIMER, 99), "bind_virq: no such vCPU");
	refused(bind_virq(24, 0), "bind_virq: 24");
	refused(bind_virq(0xffffffff, 0), "bind_virq: -1");
	debug = bind_virq(VIRQ_DEBUG, 0);
	check(debug > 0, "bind_virq: debug");
	console = bind_virq(VIRQ_CONSOLE, 0);
	check(console > 0, "bind_virq: console, a global one");
	refused(bind_virq(VIRQ_CONSOLE, 0), "bind_virq: a global one twice");
	{
		struct evtchn_bind_vcpu bv = {.port = (u32)console, .vcpu = 0};

		equals(evtchn(EVTCHNOP_bind_vcpu, &bv), 0, "bind_vcpu: a global VIRQ");
		bv.vcpu = 99;
		refused(evtchn(EVTCHNOP_bind_vcpu, &bv), "bind_vcpu: no such vCPU");
		bv.port = (u32)debug;
		bv.vcpu = 0;
		check(evtchn(EVTCHNOP_bind_vcpu, &bv) <= 0, "bind_vcpu: a VIRQ of a vCPU");
	}
	equals(port_close((u32)timer), 0, "close: timer");
	equals(port_close((u32)debug), 0, "close: debug");
	equals(port_close((u32)console), 0, "close: console");
	timer = bind_virq(VIRQ_TIMER, 0);
	check(timer > 0, "bind_virq: again");
	equals(port_close((u32)timer), 0, "close: again");
}

static void pirqs(void)
{
	struct evtchn_bind_pirq b = {.pirq = 9}, again = b;
	struct physdev_irq_status_query query = {.irq = 9};
	struct physdev_eoi eoi = {.irq = 9};
	struct physdev_map_pirq map = {
		.domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = 9, .pirq = 9};

	equals(evtchn(EVTCHNOP_bind_pirq, &b), -XEPERM, "bind_pirq: before map_pirq");
	equals(hypercall(physdev_op, PHYSDEVOP_irq_status_query, &query), 0, "query: not mapped");
	equals(query.flags, XENIRQSTAT_needs_eoi, "query: not mapped: needs an EOI");
	equals(hypercall(physdev_op, PHYSDEVOP_eoi, &eoi), -XEINVAL, "eoi: not mapped");
	equals(hypercall(physdev_op, PHYSDEVOP_map_pirq, &map), 0, "map_pirq");
	equals(evtchn(EVTCHNOP_bind_pirq, &b), 0, "bind_pirq");
	equals(evtchn(EVTCHNOP_bind_pirq, &again), -XEEXIST, "bind_pirq: again");
	equals(hypercall(physdev_op, PHYSDEVOP_eoi, &eoi), 0, "eoi");
	equals(port_close(b.port), 0, "close: pirq");
	b.pirq = 0xffffffff;
	refused(evtchn(EVTCHNOP_bind_pirq, &b), "bind_pirq: -1");
	b.pirq = 0x10000;
	refused(evtchn(EVTCHNOP_bind_pirq, &b), "bind_pirq: out of range");
}

static void polling(void)
{
	evtchn_port_t ports[2] = {(evtchn_port_t)bind_ipi(0), (evtchn_port_t)bind_ipi(0)};
	struct sched_poll poll = {.nr_ports = 2};
	u64 start = time_ns();

	poll.ports.p = ports;
	poll.timeout = start + 20000000;
	events_off();
	event_mask(ports[0]);
	event_mask(ports[1]);
	event_clear(ports[0]);
	event_clear(ports[1]);
	equals(schedop(SCHEDOP_poll, &poll), 0, "poll: until its time");
	check(time_ns() - start >= 19000000, "poll: it took that long");
	port_send(ports[1]);
	poll.timeout = 0;
	equals(schedop(SCHEDOP_poll, &poll), 0, "poll: a pending port ends it at once");
	poll.timeout = 1;
	event_clear(ports[1]);
	equals(schedop(SCHEDOP_poll, &poll), 0, "poll: a time that has passed");
	poll.nr_ports = 129;
	refused(schedop(SCHEDOP_poll, &poll), "poll: 129 ports");
	poll.nr_ports = 1;
	ports[0] = 4096;
	refused(schedop(SCHEDOP_poll, &poll), "poll: port out of range");
	poll.ports.p = (void *)HYPERVISOR_VIRT_START;
	refused(schedop(SCHEDOP_poll, &poll), "poll: hypervisor's pointer");
	equals(schedop(SCHEDOP_poll, 8), -XEFAULT, "poll: bad pointer");
}

static u64 seen_on_new;

static void placement(void)
{
	char *page = page_alloc();
	struct vcpu_register_vcpu_info r = {.mfn = mfn_of(page), .offset = 64};
	static const u32 offsets[] = {1, 4, 8, 4032 + 8, 4090, 4096, 0xffffffc0};
	long port;

	for (unsigned int i = 0; i < ARRAY_SIZE(offsets); i++) {
		r.offset = offsets[i];
		if (offsets[i] == 8)
			continue;
		refused(vcpuop(VCPUOP_register_vcpu_info, 0, &r),
			"vcpu_info: unaligned or across a page (327)");
	}
	r.offset = 64;
	r.mfn = 0xffffffff;
	refused(vcpuop(VCPUOP_register_vcpu_info, 0, &r), "vcpu_info: no such frame");
	r.mfn = 0xfee00;
	refused(vcpuop(VCPUOP_register_vcpu_info, 0, &r), "vcpu_info: the local APIC");
	r.mfn = mfn_of(root());
	refused(vcpuop(VCPUOP_register_vcpu_info, 0, &r), "vcpu_info: a page table");
	r.mfn = mfn_of(page);
	refused(vcpuop(VCPUOP_register_vcpu_info, 99, &r), "vcpu_info: no such vCPU");
	equals(vcpuop(VCPUOP_register_vcpu_info, 0, &r), 0, "vcpu_info: placed");
	refused(vcpuop(VCPUOP_register_vcpu_info, 0, &r), "vcpu_info: placed twice");
	vcpu_infos[0] = (struct vcpu_info *)(page + 64);
	port = bind_ipi(0);
	event_unmask((u32)port);
	events_on();
	port_send((u32)port);
	seen_on_new = event_count[port];
	check(seen_on_new >= 1, "vcpu_info: upcalls come by the new place");
	check(vcpu_infos[0]->time.version != 0 && time_ns() > 0, "vcpu_info: the clock is there");
	make_ro(page);
	check(true, "vcpu_info: its page may be read-only for us");
	refused(mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(page), 0),
		"vcpu_info: its page becomes no table");
	make_rw(page);
	events_off();
}

static void reset(void)
{
	struct evtchn_reset r = {.dom = DOMID_SELF};
	long port = port_alloc(DOMID_SELF);

	equals(evtchn(EVTCHNOP_reset, &r), 0, "reset (505)");
	refused(port_send((u32)port), "reset: the port is gone");
	port = bind_virq(VIRQ_TIMER, 0);
	check(port > 0, "reset: the VIRQ can be bound");
}

static void every_port(void)
{
	unsigned int count = 0;
	long rc;

	while ((rc = port_alloc(DOMID_SELF)) > 0 && count < 5000)
		count++;
	equals(rc, -XENOSPC, "all ports taken");
	check(count > 4000 && count < 4096, "about 4096 of them");
	for (unsigned int port = 1; port < 4096; port++)
		port_close(port);
	check(port_alloc(DOMID_SELF) > 0, "closed, they come again");
}

void guest_main(void)
{
	allocation();
	ranges();
	delivery();
	virqs();
	pirqs();
	polling();
	placement();
	reset();
	every_port();
}

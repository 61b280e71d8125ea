/* SPDX-License-Identifier: MIT */
/*
 * A test guest: FIFO events. Security cases 107 and 221 (no control block, a vCPU without one), 338, 340, 343, 358, 359
 * (ports beyond the array, link words that the guest forged), 505 (reset back to two levels).
 */
#include "guest.h"

static struct evtchn_fifo_control_block *control;
static u32 *words;
static u64 upcall_count;

static bool hook(struct regs *regs)
{
	if (regs->vector != VECTOR_EVENT)
		return false;
	ACCESS(vcpu_infos[0]->evtchn_upcall_pending) = 0;
	upcall_count++;
	return true;
}

static void before(void)
{
	struct evtchn_expand_array e = {.array_gfn = mfn_of(words)};
	struct evtchn_set_priority p = {.port = 1, .priority = 3};
	long port = port_alloc(DOMID_SELF);

	refused(evtchn(EVTCHNOP_expand_array, &e), "expand_array before init_control (107)");
	refused(evtchn(EVTCHNOP_set_priority, &p), "set_priority before init_control");
	equals(port_close((u32)port), 0, "tidy");
}

static void control_block(void)
{
	struct evtchn_init_control c = {.control_gfn = mfn_of(control), .offset = 0, .vcpu = 0};
	static const u32 offsets[] = {1, 4, 4092, 4096, 0xfffffff8};

	for (unsigned int i = 0; i < ARRAY_SIZE(offsets); i++) {
		c.offset = offsets[i];
		refused(evtchn(EVTCHNOP_init_control, &c), "init_control: bad offset (107)");
	}
	c.offset = 0;
	c.control_gfn = 0xffffffff;
	refused(evtchn(EVTCHNOP_init_control, &c), "init_control: no such frame");
	c.control_gfn = mfn_of(root());
	refused(evtchn(EVTCHNOP_init_control, &c), "init_control: a page table");
	c.control_gfn = 0xfee00;
	refused(evtchn(EVTCHNOP_init_control, &c), "init_control: the local APIC");
	c.control_gfn = mfn_of(control);
	c.vcpu = 99;
	refused(evtchn(EVTCHNOP_init_control, &c), "init_control: no such vCPU");
	c.vcpu = 0;
	equals(evtchn(EVTCHNOP_init_control, &c), 0, "init_control");
	equals(c.link_bits, 17, "init_control: link bits");
	refused(evtchn(EVTCHNOP_init_control, &c), "init_control: twice");
}

static void arrays(void)
{
	struct evtchn_expand_array e = {.array_gfn = 0xffffffff};

	long port = bind_ipi(0);

	if (port > 0) {
		port_send((u32)port);
		event_unmask((u32)port);
		port_close((u32)port);
	}
	check(true, "a port before there are words for it: no harm (107)");
	refused(evtchn(EVTCHNOP_expand_array, &e), "expand_array: no such frame");
	e.array_gfn = mfn_of(root());
	refused(evtchn(EVTCHNOP_expand_array, &e), "expand_array: a page table");
	e.array_gfn = 0xfee00;
	refused(evtchn(EVTCHNOP_expand_array, &e), "expand_array: the local APIC");
	for (unsigned int i = 0; i < 1024; i++)
		words[i] = 1u << EVTCHN_FIFO_MASKED;
	e.array_gfn = mfn_of(words);
	equals(evtchn(EVTCHNOP_expand_array, &e), 0, "expand_array");
}

/* Takes the head of a queue, as a kernel does: its port. */
static u32 take(unsigned int priority)
{
	u32 port = ACCESS(control->head[priority]), old;

	if (!port)
		return 0;
	do {
		old = ACCESS(words[port]);
	} while (!__sync_bool_compare_and_swap(
		&words[port], old,
		old & ~((1u << EVTCHN_FIFO_LINKED) | ((1u << EVTCHN_FIFO_LINK_BITS) - 1))));
	control->head[priority] = old & ((1u << EVTCHN_FIFO_LINK_BITS) - 1);
	if (!control->head[priority])
		__atomic_fetch_and(&control->ready, ~(1u << priority), __ATOMIC_SEQ_CST);
	__atomic_fetch_and(&words[port], ~(1u << EVTCHN_FIFO_PENDING), __ATOMIC_SEQ_CST);
	return port;
}

static void unmask(long port)
{
	__atomic_fetch_and(&words[port], ~(1u << EVTCHN_FIFO_MASKED), __ATOMIC_SEQ_CST);
	event_unmask((u32)port);
}

static void traffic(void)
{
	long a = bind_ipi(0), b = bind_ipi(0), c = bind_ipi(0);
	struct evtchn_set_priority p = {.port = (u32)a, .priority = 0};

	check(a > 0 && b > 0 && c > 0, "three ports");
	trap_hook = hook;
	equals(port_send((u32)a), 0, "send, masked");
	check(words[a] & (1u << EVTCHN_FIFO_PENDING), "pending");
	check(!(words[a] & (1u << EVTCHN_FIFO_LINKED)), "masked: not linked");
	unmask(a);
	check(words[a] & (1u << EVTCHN_FIFO_LINKED), "unmasked: linked");
	equals(control->ready, 1u << EVTCHN_FIFO_PRIORITY_DEFAULT, "its queue is ready");
	check(ACCESS(vcpu_infos[0]->evtchn_upcall_pending), "an upcall is wanted");
	equals(take(EVTCHN_FIFO_PRIORITY_DEFAULT), a, "it is the head");
	equals(control->ready, 0, "and the only one");
	unmask(b);
	unmask(c);
	port_send((u32)b);
	port_send((u32)c);
	port_send((u32)a);
	port_send((u32)b);
	equals(take(7), b, "order: first");
	equals(take(7), c, "order: second");
	equals(take(7), a, "order: third");
	equals(take(7), 0, "order: no fourth");
	equals(evtchn(EVTCHNOP_set_priority, &p), 0, "set_priority");
	port_send((u32)a);
	port_send((u32)b);
	equals(take(0), a, "priority: the urgent queue");
	equals(take(7), b, "priority: the other");
	p.priority = 16;
	refused(evtchn(EVTCHNOP_set_priority, &p), "set_priority: 16");
	p.priority = 0;
	p.port = 5000;
	refused(evtchn(EVTCHNOP_set_priority, &p), "set_priority: port out of range (338)");
	p.port = 0xffffffff;
	refused(evtchn(EVTCHNOP_set_priority, &p), "set_priority: port -1");
	events_on();
	port_send((u32)c);
	events_off();
	check(upcall_count >= 1, "an upcall came");
	equals(take(7), c, "for it");
	port_close((u32)b);
	port_close((u32)c);
}

/* What the guest writes into words and heads is its own harm. */
static void forgeries(void)
{
	long a = bind_ipi(0), b = bind_ipi(0);

	unmask(a);
	unmask(b);
	port_send((u32)a);
	words[a] |= 0x1ffff;
	port_send((u32)b);
	check(true, "a link to the last port of all (340)");
	control->head[7] = 0x1fff0;
	control->ready = ~0u;
	port_send((u32)a);
	port_send((u32)b);
	check(true, "a head out of the array");
	for (unsigned int i = 0; i < 1024; i++)
		words[i] = ~0u;
	port_send((u32)a);
	port_send((u32)b);
	event_unmask((u32)a);
	check(true, "all words full of ones");
	for (unsigned int i = 0; i < 1024; i++)
		words[i] = 1u << EVTCHN_FIFO_BUSY;
	port_send((u32)a);
	port_send((u32)b);
	event_unmask((u32)a);
	check(true, "all words marked as busy: no call waits for ever");
	memset(words, 0, PAGE_SIZE);
	memset(control, 0xff, sizeof(*control));
	port_send((u32)a);
	port_send((u32)b);
	check(true, "a control block full of ones");
	refused(port_send(1024), "send: beyond the array (338)");
	refused(port_send(131071), "send: the last port of all");
	refused(event_unmask(131072), "unmask: beyond all ports");
	refused(mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(words), 0), "words do not become a table");
	refused(mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(control), 0), "nor does the control block");
}

static void growth(void)
{
	struct evtchn_expand_array e;
	unsigned int pages = 1;
	long rc;

	do {
		u32 *more = page_alloc();

		e.array_gfn = mfn_of(more);
		rc = evtchn(EVTCHNOP_expand_array, &e);
		pages += rc == 0;
	} while (rc == 0 && pages < 1000);
	equals(pages, 128, "the array grows to 131072 words");
	refused(rc, "and no further");
}

static void reset(void)
{
	struct evtchn_reset r = {.dom = DOMID_SELF};
	long port;

	trap_hook = NULL;
	equals(evtchn(EVTCHNOP_reset, &r), 0, "reset");
	port = bind_ipi(0);
	check(port > 0, "a port after reset");
	event_clear((u32)port);
	port_send((u32)port);
	check(event_pending((u32)port), "two levels again (505)");
}

void guest_main(void)
{
	control = page_alloc();
	words = page_alloc();
	before();
	control_block();
	arrays();
	traffic();
	forgeries();
	growth();
	reset();
}

/* SPDX-License-Identifier: MIT */
/*
 * A test guest: the FIFO form of event channels: set-up calls good and bad (security cases 107, 221, 340, 358), what is written
 * into words and control block, order, priorities, ports that move, and words full of nonsense.
 */
#include "guest.h"

#define BIT32(n) (1u << (n))
#define PENDING	 BIT32(EVTCHN_FIFO_PENDING)
#define MASKED	 BIT32(EVTCHN_FIFO_MASKED)
#define LINKED	 BIT32(EVTCHN_FIFO_LINKED)
#define NO_PORT	 (1u << 20)

static char *control_page, *word_page;
static struct evtchn_fifo_control_block *control;
static volatile event_word_t *words;
static u32 heads[EVTCHN_FIFO_MAX_QUEUES], ready;

static long init(u64 gfn, u32 offset, u32 vcpu)
{
	struct evtchn_init_control i = {.control_gfn = gfn, .offset = offset, .vcpu = vcpu};
	long rc = evtchn(EVTCHNOP_init_control, &i);

	return rc ? rc : i.link_bits;
}

static long expand(u64 gfn)
{
	struct evtchn_expand_array e = {.array_gfn = gfn};

	return evtchn(EVTCHNOP_expand_array, &e);
}

static long priority(u32 port, u32 value)
{
	struct evtchn_set_priority p = {.port = port, .priority = value};

	return evtchn(EVTCHNOP_set_priority, &p);
}

static long move(u32 port, u32 vcpu)
{
	struct evtchn_bind_vcpu b = {.port = port, .vcpu = vcpu};

	return evtchn(EVTCHNOP_bind_vcpu, &b);
}

static long reset(void)
{
	struct evtchn_reset r = {.dom = DOMID_SELF};

	return evtchn(EVTCHNOP_reset, &r);
}

/* An unbound port of ours with its other end in *other. */
static u32 pair(u32 *other)
{
	struct evtchn_bind_interdomain b = {.remote_dom = DOMID_SELF,
					    .remote_port = (u32)port_alloc(DOMID_SELF)};

	if (evtchn(EVTCHNOP_bind_interdomain, &b))
		fatal("bind_interdomain");
	*other = b.local_port;
	return b.remote_port;
}

/* Takes the next event as the ABI says; 0: none. */
static u32 next(void)
{
	ready |= __atomic_exchange_n(&control->ready, 0, __ATOMIC_SEQ_CST);
	while (ready) {
		u32 queue = (u32)__builtin_ctz(ready), port = heads[queue], old;

		if (!port)
			port = ACCESS(control->head[queue]);
		old = __atomic_fetch_and(&words[port], ~(LINKED | EVTCHN_FIFO_LINK_MASK),
					 __ATOMIC_SEQ_CST);
		heads[queue] = old & EVTCHN_FIFO_LINK_MASK;
		if (!heads[queue])
			ready &= ~BIT32(queue);
		if ((old & PENDING) && !(old & MASKED)) {
			__atomic_fetch_and(&words[port], ~PENDING, __ATOMIC_SEQ_CST);
			return port;
		}
		ready |= __atomic_exchange_n(&control->ready, 0, __ATOMIC_SEQ_CST);
	}
	return 0;
}

static void set_up(void)
{
	u64 gfn = mfn_of(control_page);
	u32 late, late_other;

	equals(expand(mfn_of(word_page)), -XEOPNOTSUPP, "expand_array: before init_control");
	equals(init(gfn, 0, 4), -XENOENT, "init_control: no such vcpu");
	equals(init(gfn, 3, 4), -XENOENT, "init_control: no such vcpu, unaligned");
	equals(init(gfn, 4, 0), -XEINVAL, "init_control: unaligned");
	equals(init(gfn, 4096 - 64, 0), -XEINVAL, "init_control: across the page's end");
	equals(init(gfn, 0xfffffff8, 0), -XEINVAL, "init_control: offset -8");
	equals(init(~0ul, 0, 0), -XEINVAL, "init_control: no such frame");
	equals(init(mfn_of((void *)start_info->pt_base), 0, 0), -XEINVAL,
	       "init_control: a page table");
	late = pair(&late_other); /* its other end is pending in the two-level bits */
	equals(init(gfn, 0, 0), 17, "init_control: 17 link bits");
	equals(init(gfn, 128, 0), -XEINVAL, "init_control: twice");
	equals(init(gfn, 128, 1), 17, "init_control: vcpu 1, in the same page");
	equals(port_send(late), 0, "send: a port without an event word");
	equals(expand(~0ul), -XEINVAL, "expand_array: no such frame");
	equals(expand(mfn_of((void *)start_info->pt_base)), -XEINVAL, "expand_array: a page table");
	equals(expand(mfn_of(word_page)), 0, "expand_array");
	equals(words[late_other], PENDING | LINKED, "expand_array: what was pending is linked");
	equals(next(), late_other, "expand_array: and comes");
	equals(next(), 0, "expand_array: alone");
	equals(port_close(late) | port_close(late_other), 0, "close");
}

static void priorities(void)
{
	u32 far[3], near[3];

	for (int i = 0; i < 3; i++)
		far[i] = pair(&near[i]);
	while (next())
		continue;
	equals(priority(near[0], 16), -XEINVAL, "set_priority: 16");
	equals(priority(900, 3), -XEINVAL, "set_priority: a port that was never there");
	equals(priority(NO_PORT, 3), -XEINVAL, "set_priority: no port");
	equals(priority(0, 3), -XEACCES, "set_priority: port 0");
	equals(priority(0, 99), -XEACCES, "set_priority: port 0, bad priority");
	equals(priority(40, 3), -XEACCES, "set_priority: a free port");
	equals(priority(near[2], 3), 0, "set_priority");
	for (int i = 0; i < 3; i++)
		equals(port_send(far[i]), 0, "send");
	equals(words[near[0]], PENDING | LINKED | near[1],
	       "words: the first is linked to the second");
	equals(words[near[1]], PENDING | LINKED, "words: the second is the last");
	equals(control->ready, BIT32(3) | BIT32(EVTCHN_FIFO_PRIORITY_DEFAULT),
	       "control block: ready");
	equals(control->head[3], near[2], "control block: head of priority 3");
	equals(control->head[EVTCHN_FIFO_PRIORITY_DEFAULT], near[0],
	       "control block: head of the default");
	equals(next(), near[2], "the higher priority first");
	equals(next(), near[0], "then in the order sent");
	equals(port_send(far[0]), 0, "send: it waits again");
	equals(next(), near[1], "the older first");
	equals(next(), near[0], "the newer last");
	equals(next(), 0, "no more");
	for (int i = 0; i < 3; i++)
		equals(port_close(far[i]) | port_close(near[i]), 0, "close");
}

static void masks(void)
{
	u32 port = (u32)bind_ipi(0);

	words[port] = MASKED;
	equals(port_send(port), 0, "send: masked");
	equals(words[port], PENDING | MASKED, "masked: pending, not linked");
	equals(event_unmask(port), 0, "unmask");
	equals(words[port], PENDING | LINKED, "unmask: linked");
	equals(port_send(port), 0, "send: pending already");
	equals(next(), port, "it comes");
	equals(next(), 0, "once");
	words[9 + 40] = PENDING | MASKED;
	equals(event_unmask(49), 0, "unmask: a free port");
	equals(words[49], PENDING | MASKED, "unmask: a free port's word is left alone");
	words[49] = 0;
	equals(port_send(port), 0, "send");
	equals(port_close(port), 0, "close: a linked port");
	equals(words[port], LINKED, "close: it stays linked, not pending");
	check(bind_ipi(0) != port, "a linked port is not given out");
	equals(next(), 0, "nothing comes of a closed port");
	equals(bind_ipi(0), port, "unlinked, it is given out");
	equals(words[port], 0, "and is not pending");
}

static void moves(void)
{
	u32 near, far = pair(&near), other = (u32)bind_ipi(0);

	while (next())
		continue;
	equals(port_send(far), 0, "send: to vcpu 0");
	equals(move(near, 1), 0, "bind_vcpu: to vcpu 1");
	equals(next(), near, "it comes where it was linked");
	equals(port_send(far), 0, "send: to vcpu 1");
	equals(port_send(other), 0, "send: another, to vcpu 0");
	equals(next(), other, "which does not hang behind the one that moved");
	equals(next(), 0, "alone");
	equals(move(near, 2), 0, "bind_vcpu: to vcpu 2, without a control block");
	words[near] = 0;
	equals(port_send(far), 0, "send: to nobody");
	equals(words[near], 0, "no control block: not pending");
}

static u64 random(void)
{
	static u64 state = 88172645463325252ul;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Nobody is harmed but the guest: calls go on to answer. */
static void nonsense(void)
{
	u32 near[4], far[4];

	for (int i = 0; i < 4; i++)
		far[i] = pair(&near[i]);
	for (int i = 0; i < 20000; i++) {
		u64 r = random();

		words[near[r & 3]] = (u32)(r >> 32);
		words[(r >> 8) & 63] = (u32)(r >> 16);
		control->ready = (u32)(r >> 24);
		control->head[(r >> 4) & 15] = (u32)(r >> 40);
		if (port_send(far[(r >> 2) & 3]) || event_unmask(near[(r >> 3) & 3]))
			fatal("send or unmask");
		if ((r & 0xf0000) == 0)
			priority(near[(r >> 5) & 3], (u32)(r >> 60));
		if ((r & 0xf00000) == 0)
			move(near[(r >> 6) & 3], (u32)(r >> 59) & 1);
	}
	check(true, "nonsense in words and control block");
}

static void all_pages(void)
{
	long rc = 0;
	int pages = 1;

	while (pages < 200 && !(rc = expand(mfn_of(page_alloc()))))
		pages++;
	equals(pages, 128, "expand_array: 128 pages");
	equals(rc, -XENOSPC, "expand_array: no more");
}

static void back(void)
{
	long port;

	equals(reset(), 0, "reset");
	equals(expand(mfn_of(word_page)), -XEOPNOTSUPP, "reset: two-level again");
	port = bind_ipi(0);
	event_clear(port);
	event_mask(port);
	equals(port_send(port), 0, "reset: send");
	check(event_pending(port), "reset: the two-level bit");
	page_protect(word_page, PTE_RO);
	page_protect(word_page, PTE_RW);
	equals(init(mfn_of(control_page), 0, 0), 17, "init_control: after a reset");
}

void guest_main(void)
{
	events_off();
	control_page = page_alloc();
	word_page = page_alloc();
	control = (void *)control_page;
	words = (void *)word_page;
	set_up();
	priorities();
	masks();
	moves();
	nonsense();
	all_pages();
	back();
}

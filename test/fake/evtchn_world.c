/* SPDX-License-Identifier: MIT */
/* What evtchn_world.h promises. The guest's side follows what guests do by the ABI, not what Mica expects. */
#include "evtchn_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "irq/irq.h"
#include "mm/mm.h"
#include "sched/sched.h"

#define FRAMES_MAX 4096
#define FRAME_GONE 0xa5

static struct {
	struct domain *owner;
	unsigned int refs;
	bool is_gone; /* had references and lost them: filled with FRAME_GONE */
} frames[FRAMES_MAX];
static u64 frame_next;

int events_heap_blocks;
unsigned int events_kicks, events_poll_wakes;
struct vcpu *events_kicked;
u32 events_poll_port;
int events_irq_rc, events_type_rc;

static struct {
	struct domain *d;
	irq_guest_fn fn;
} irqs[WORLD_PIRQS];

static void die(const char *what)
{
	fprintf(stderr, "%s\n", what);
	abort();
}

/* ---------------------------------------------------------------- below evtchn/ */

void *heap_alloc(size_t bytes)
{
	void *p;

	if (fake_alloc_fails())
		return NULL;
	p = calloc(1, bytes);
	__atomic_add_fetch(&events_heap_blocks, 1, __ATOMIC_RELAXED);
	return p;
}

void heap_free(void *ptr)
{
	if (!ptr)
		return;
	__atomic_sub_fetch(&events_heap_blocks, 1, __ATOMIC_RELAXED);
	free(ptr);
}

int frame_type_get(mfn_t mfn, struct domain *d, enum frame_type type)
{
	u64 n = mfn_num(mfn);

	if (events_type_rc)
		return events_type_rc;
	if (type != FRAME_WRITABLE || n >= hw_frame_max || frames[n].owner != d ||
	    frames[n].is_gone)
		return -EINVAL;
	__atomic_add_fetch(&frames[n].refs, 1, __ATOMIC_SEQ_CST);
	return 0;
}

void frame_type_put(mfn_t mfn)
{
	u64 n = mfn_num(mfn);

	if (n >= hw_frame_max || !frames[n].refs)
		die("a reference given back that nobody holds");
	if (__atomic_sub_fetch(&frames[n].refs, 1, __ATOMIC_SEQ_CST))
		return;
	frames[n].is_gone = true;
	memset(hw_frame_map(mfn), FRAME_GONE, PAGE_SIZE);
}

mfn_t mm_domain_share_page(struct domain *d)
{
	return fake_alloc_fails() ? MFN_NONE : events_frame(d, 0);
}

void vcpu_kick(struct vcpu *v)
{
	__atomic_add_fetch(&events_kicks, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&events_kicked, v, __ATOMIC_RELAXED);
}

void vcpu_wake_poll(struct domain *d, u32 port)
{
	__atomic_add_fetch(&events_poll_wakes, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&events_poll_port, port, __ATOMIC_RELAXED);
}

u32 irq_pirq_count(const struct domain *d)
{
	return d->is_hardware ? WORLD_PIRQS : 0;
}

int irq_guest_bind(struct domain *d, u32 pirq, u32 flags, irq_guest_fn fn, unsigned int cpu)
{
	if (events_irq_rc)
		return events_irq_rc;
	if (irqs[pirq].fn)
		return -EEXIST;
	irqs[pirq].d = d;
	irqs[pirq].fn = fn;
	fn(d, pirq); /* at once: everything must be ready */
	return 0;
}

int irq_guest_unbind(struct domain *d, u32 pirq)
{
	if (!irqs[pirq].fn || irqs[pirq].d != d)
		return -EINVAL;
	irqs[pirq].fn(d, pirq); /* one that was on its way */
	irqs[pirq].fn = NULL;
	return 0;
}

void irq_guest_set_affinity(struct domain *d, u32 pirq, unsigned int cpu)
{
}

bool events_irq_fire(struct domain *d, u32 pirq)
{
	if (!irqs[pirq].fn || irqs[pirq].d != d)
		return false;
	irqs[pirq].fn(d, pirq);
	return true;
}

bool events_irq_is_bound(u32 pirq)
{
	return irqs[pirq].fn != NULL;
}

/* ---------------------------------------------------------------- domains */

void events_init(u64 count)
{
	if (count > FRAMES_MAX)
		die("too many frames");
	if (hw_frame_max != count)
		fake_memory_init(count);
	memset(frames, 0, sizeof(frames));
	memset(irqs, 0, sizeof(irqs));
	frame_next = 1;
	events_kicks = events_poll_wakes = 0;
	events_irq_rc = events_type_rc = 0;
	fake_preempt_every = 0;
	fake_alloc_fail_after = -1;
}

mfn_t events_frame(struct domain *d, u8 fill)
{
	u64 n = frame_next++;

	if (n >= hw_frame_max) { /* reuse one that is gone */
		for (n = 1; n < hw_frame_max && !frames[n].is_gone; n++)
			continue;
		if (n == hw_frame_max)
			die("out of frames");
		frames[n].is_gone = false;
	}
	frames[n].owner = d;
	memset(hw_frame_map(mfn_make(n)), fill, PAGE_SIZE);
	return mfn_make(n);
}

unsigned int events_frame_refs(mfn_t mfn)
{
	return frames[mfn_num(mfn)].refs;
}

void events_frames_check(void)
{
	for (u64 n = 1; n < hw_frame_max; n++) {
		const u8 *page = hw_frame_map(mfn_make(n));

		/* every byte is the one before it */
		if (frames[n].is_gone &&
		    (page[0] != FRAME_GONE || memcmp(page, page + 1, PAGE_SIZE - 1)))
			die("a frame was written to after its last reference went");
	}
}

struct domain *events_domain(domid_t id, unsigned int vcpus, u32 max_port)
{
	struct domain *d = fake_domain_new(id, vcpus);
	int rc;

	d->shared_mfn = events_frame(d, 0);
	d->shared = hw_frame_map(d->shared_mfn);
	rc = evtchn_domain_init(d, max_port);
	for (unsigned int i = 0; i < vcpus && !rc; i++)
		rc = evtchn_vcpu_init(d->vcpus[i]);
	if (!rc)
		return d;
	evtchn_domain_destroy(d);
	frames[mfn_num(d->shared_mfn)].owner = NULL;
	fake_domain_free(d);
	return NULL;
}

void events_domain_end(struct domain *d)
{
	u64 shared = mfn_num(d->shared_mfn);

	atomic_store(&d->is_dying, true);
	while (evtchn_domain_kill(d) == -ERESTART)
		continue;
	evtchn_domain_destroy(d);
	for (u64 n = 1; n < hw_frame_max; n++) {
		if (frames[n].owner != d)
			continue;
		if (frames[n].refs)
			die("a dead domain's frame is still held");
		frames[n].owner = NULL;
		frames[n].is_gone = true;
		memset(hw_frame_map(mfn_make(n)), FRAME_GONE, PAGE_SIZE);
	}
	if (d->refs != 1)
		die("a dead domain is still referred to");
	(void)shared;
	fake_domain_free(d);
}

/* ---------------------------------------------------------------- the guest's side */

event_word_t *guest_word(const mfn_t *pages, u32 port)
{
	return (event_word_t *)hw_frame_map(pages[port / 1024]) + port % 1024;
}

static u32 unlink_word(event_word_t *word)
{
	event_word_t old = atomic_load(word);

	while (!atomic_cmpxchg(word, &old,
			       old & ~((1u << EVTCHN_FIFO_LINKED) | EVTCHN_FIFO_LINK_MASK)))
		continue;
	return old & EVTCHN_FIFO_LINK_MASK;
}

u32 guest_fifo_next(struct guest_fifo *g, struct evtchn_fifo_control_block *control,
		    const mfn_t *pages)
{
	g->ready |= atomic_exchange(&control->ready, 0);
	while (g->ready) {
		unsigned int priority = (unsigned int)__builtin_ctz(g->ready);
		u32 port = g->head[priority] ? g->head[priority]
					     : atomic_load(&control->head[priority]);
		event_word_t *word = guest_word(pages, port);
		event_word_t now;

		g->head[priority] = unlink_word(word);
		if (!g->head[priority])
			g->ready &= ~(1u << priority);
		now = atomic_load(word);
		if (now >> EVTCHN_FIFO_PENDING & 1 && !(now >> EVTCHN_FIFO_MASKED & 1))
			return port;
		g->ready |= atomic_exchange(&control->ready, 0);
	}
	return 0;
}

void guest_fifo_ack(const mfn_t *pages, u32 port)
{
	(void)atomic_fetch_and(guest_word(pages, port), ~(1u << EVTCHN_FIFO_PENDING));
}

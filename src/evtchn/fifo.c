/* SPDX-License-Identifier: MIT */
/*
 * The FIFO form: an event word for each port in pages that the guest lent, and sixteen queues for each vCPU, linked
 * through those words from the head in the vCPU's control block. The guest takes from the head; Mica appends. Reached
 * from port.c and bind.c inside a read section, and from hcall/ for the set-up; calls mm and upcall_raise(). A vCPU's queues
 * have its queue lock (interrupts off); never two at once.
 *
 *	word				who		when
 *	PENDING 0 -> 1			Mica		the event happens
 *	LINKED 0 -> 1, link = 0		Mica		under the lock of the queue it was in last, if not MASKED
 *	link of the tail = port		Mica		append; only if the tail is still LINKED, else head = port
 *	LINKED 1 -> 0, link = 0		guest		takes it from the head
 *	PENDING 1 -> 0, MASKED		guest
 *
 * Mica remembers of a queue only its tail, and never follows a link: whatever the guest writes into the words it confuses
 * itself alone, and no loop depends on it.
 */
#include "evtchn/evtchn.h"
#include "evtchn/priv.h"

#include "lib/string.h"
#include "mm/mm.h"

#define BIT32(n)     ((u32)1 << (n))
#define WORD_PENDING BIT32(EVTCHN_FIFO_PENDING)
#define WORD_MASKED  BIT32(EVTCHN_FIFO_MASKED)
#define WORD_LINKED  BIT32(EVTCHN_FIFO_LINKED)
#define WORD_BUSY    BIT32(EVTCHN_FIFO_BUSY)
#define WORD_LINK    ((u32)EVTCHN_FIFO_LINK_MASK)

#define LINK_TRIES_FREE 4  /* then BUSY asks the guest to leave the word alone */
#define LINK_TRIES_MAX	16 /* then the guest is at fault */
#define MOVE_TRIES_MAX	16

static event_word_t *word_find(const struct evtchn_domain *ed, u32 port)
{
	event_word_t *page;

	if (port >= PORT_MAX)
		return NULL;
	page = atomic_load(&ed->fifo_words[idx_nospec(port / FIFO_PAGE_WORDS, FIFO_PAGE_MAX)]);
	return page != NULL ? &page[port % FIFO_PAGE_WORDS] : NULL;
}

/* Makes port the successor of the tail; false: the tail has left its queue, which is thus empty. */
static bool link_set(event_word_t *tail, u32 port)
{
	event_word_t old = atomic_load(tail);

	for (unsigned int i = 0; i < LINK_TRIES_MAX && (old & WORD_LINKED) != 0; i++) {
		if (i == LINK_TRIES_FREE)
			old = atomic_fetch_or(tail, WORD_BUSY) | WORD_BUSY;
		else if (atomic_cmpxchg(tail, &old, (old & ~(WORD_LINK | WORD_BUSY)) | port))
			return true;
	}
	if ((old & WORD_BUSY) != 0)
		(void)atomic_fetch_and(tail, ~WORD_BUSY);
	return false;
}

/* True: the queue was empty and the guest does not know yet that it no longer is. */
static bool append_locked(struct evtchn_domain *ed, struct evtchn_vcpu *ev, u32 priority, u32 port)
{
	struct evtchn_fifo_control_block *control = atomic_load(&ev->control);
	event_word_t *tail = ev->tails[priority] != 0 ? word_find(ed, ev->tails[priority]) : NULL;

	if (control ==
	    NULL) { /* gone meanwhile, or never there for an unmask: this vCPU cannot be told */
		event_word_t *word = word_find(ed, port);

		if (word != NULL)
			(void)atomic_fetch_and(word, ~WORD_LINKED);
		return false;
	}
	ev->tails[priority] = port;
	if (tail != NULL && link_set(tail, port))
		return false;
	atomic_store(&control->head[priority], port);
	return (atomic_fetch_or(&control->ready, BIT32(priority)) & BIT32(priority)) == 0;
}

/*
 * Puts the port into the queue that it now belongs to. LINKED is taken under the lock of the queue where it was last: as
 * long as it is not linked it may still be that queue's tail, and must not be taken for it once it is linked elsewhere.
 */
static void enqueue(struct domain *d, u32 port, struct evtchn_port *p, u64 port_word,
		    event_word_t *word)
{
	u32 priority = port_word_priority(port_word);
	struct vcpu *v = d->vcpus[port_word_vcpu(port_word)];
	u32 queue = v->id << 4 | priority;
	bool is_ready = false;

	for (unsigned int i = 0; i < MOVE_TRIES_MAX; i++) {
		u32 last = atomic_load(&p->queue);
		struct evtchn_vcpu *ev = d->vcpus[last >> 4]->evtchn;
		u64 flags = lock_acquire_irq(&ev->queue_lock);
		event_word_t old;

		if (atomic_load(&p->queue) != last) {
			lock_release_irq(&ev->queue_lock, flags);
			continue; /* another sender moved it */
		}
		old = atomic_fetch_or(word, WORD_LINKED);
		if ((old & WORD_LINKED) != 0) {
			lock_release_irq(&ev->queue_lock, flags);
			return;
		}
		if ((old & (WORD_LINK | WORD_BUSY)) != 0)
			(void)atomic_fetch_and(word, ~(WORD_LINK | WORD_BUSY));
		if (ev->tails[last & 0xf] == port)
			ev->tails[last & 0xf] = 0;
		if (last != queue) {
			atomic_store(&p->queue, queue);
			lock_release_irq(&ev->queue_lock, flags);
			ev = v->evtchn;
			flags = lock_acquire_irq(&ev->queue_lock);
		}
		is_ready = append_locked(d->evtchn, ev, priority, port);
		lock_release_irq(&ev->queue_lock, flags);
		break;
	}
	if (is_ready)
		upcall_raise(v);
}

bool fifo_raise(struct domain *d, u32 port, struct evtchn_port *p, u64 port_word)
{
	event_word_t *word = word_find(d->evtchn, port);
	event_word_t old;

	/* Pending but in no queue, it would never come, also not when it happens again: rather lose this one. */
	if (atomic_load(&d->vcpus[port_word_vcpu(port_word)]->evtchn->control) == NULL)
		return false;
	if (word == NULL) {
		bool is_new = atomic_exchange(&p->late, 1) == 0;

		word = word_find(d->evtchn, port); /* pairs with evtchn_fifo_expand_array() */
		if (word == NULL || atomic_exchange(&p->late, 0) == 0)
			return is_new;
	}
	old = atomic_fetch_or(word, WORD_PENDING);
	if ((old & WORD_PENDING) != 0)
		return false;
	if ((old & (WORD_MASKED | WORD_LINKED)) == 0)
		enqueue(d, port, p, port_word, word);
	return true;
}

void fifo_unmask(struct domain *d, u32 port, struct evtchn_port *p, u64 port_word)
{
	event_word_t *word = word_find(d->evtchn, port);

	if (word == NULL)
		return;
	if ((atomic_fetch_and(word, ~WORD_MASKED) & WORD_PENDING) != 0)
		enqueue(d, port, p, port_word, word);
}

bool fifo_is_pending(const struct evtchn_domain *ed, u32 port, const struct evtchn_port *p)
{
	const event_word_t *word = word_find(ed, port);

	return word != NULL ? (atomic_load(word) & WORD_PENDING) != 0 : atomic_load(&p->late) != 0;
}

void fifo_clear(struct evtchn_domain *ed, u32 port, struct evtchn_port *p)
{
	event_word_t *word = word_find(ed, port);

	atomic_store(&p->late, 0);
	if (word != NULL)
		(void)atomic_fetch_and(word, ~WORD_PENDING);
}

bool fifo_is_linked(const struct evtchn_domain *ed, u32 port)
{
	const event_word_t *word = word_find(ed, port);

	return word != NULL && (atomic_load(word) & WORD_LINKED) != 0;
}

/* ---------------------------------------------------------------- set-up */

/* What is pending in the two-level bits stays pending: it comes when the port's event word does. */
static void switch_from_two_level_locked(struct domain *d)
{
	struct evtchn_domain *ed = d->evtchn;

	atomic_store(&ed->is_fifo, true);
	grace_wait();
	for (u32 port = port_next_locked(ed, 1); port < EVTCHN_2L_NR_CHANNELS;
	     port = port_next_locked(ed, port + 1))
		if (two_level_is_pending(d, port))
			atomic_store(&port_find(ed, port)->late, 1);
}

static void queues_forget(struct evtchn_vcpu *ev)
{
	LOCK_SCOPE_IRQ(&ev->queue_lock);
	memset(ev->tails, 0, sizeof(ev->tails));
}

int evtchn_fifo_init_control(struct domain *d, u32 vcpu_id, mfn_t mfn, u32 offset)
{
	struct vcpu *v = domain_vcpu(d, vcpu_id);
	int rc;

	if (v == NULL)
		return err(ENOENT);
	if (offset > PAGE_SIZE - sizeof(struct evtchn_fifo_control_block) || offset % 8 != 0)
		return err(EINVAL);
	rc = frame_type_get(mfn, d, FRAME_WRITABLE);
	if (rc != 0)
		return rc;
	lock_acquire(&d->evtchn->lock);
	if (v->evtchn->control != NULL || atomic_load(&d->is_dying)) {
		rc = err(EINVAL);
	} else {
		queues_forget(v->evtchn); /* nobody appends without a block */
		atomic_store(&v->evtchn->control, (void *)((u8 *)hw_frame_map(mfn) + offset));
		if (!d->evtchn->is_fifo)
			switch_from_two_level_locked(d);
	}
	lock_release(&d->evtchn->lock);
	if (rc != 0)
		frame_type_put(mfn);
	return rc;
}

/* Ports that were raised before they had a word. */
static void raise_late_locked(struct domain *d, u32 first)
{
	struct evtchn_domain *ed = d->evtchn;

	atomic_fence(); /* pairs with fifo_raise() */
	GRACE_SCOPE();
	for (u32 port = port_next_locked(ed, first); port < first + FIFO_PAGE_WORDS;
	     port = port_next_locked(ed, port + 1)) {
		struct evtchn_port *p = port_find(ed, port);

		if (atomic_load(&p->late) != 0 && atomic_exchange(&p->late, 0) != 0)
			port_raise(d, port, p, atomic_load(&p->word));
	}
}

int evtchn_fifo_expand_array(struct domain *d, mfn_t mfn)
{
	struct evtchn_domain *ed = d->evtchn;
	int rc;

	if (!atomic_load(&ed->is_fifo))
		return err(EOPNOTSUPP);
	rc = frame_type_get(mfn, d, FRAME_WRITABLE);
	if (rc != 0)
		return rc;
	lock_acquire(&ed->lock);
	if (atomic_load(&d->is_dying)) {
		rc = err(EINVAL);
	} else if (!ed->is_fifo) {
		rc = err(EOPNOTSUPP);
	} else if (ed->fifo_pages == FIFO_PAGE_MAX) {
		rc = err(ENOSPC);
	} else {
		u32 idx = ed->fifo_pages++;

		atomic_store(&ed->fifo_words[idx], (event_word_t *)hw_frame_map(mfn));
		raise_late_locked(d, (u32)(idx * FIFO_PAGE_WORDS));
	}
	lock_release(&ed->lock);
	if (rc != 0)
		frame_type_put(mfn);
	return rc;
}

mfn_t evtchn_frame_held(const struct domain *d, u32 idx)
{
	const struct evtchn_domain *ed = d->evtchn;
	const struct vcpu *v;

	if (ed == NULL || !ed->is_fifo)
		return MFN_NONE;
	if (idx < ed->fifo_pages)
		return hw_virt_to_mfn(ed->fifo_words[idx]);
	idx -= ed->fifo_pages;
	for_each_vcpu(d, v)
		if (v->evtchn->control != NULL && idx-- == 0)
			return hw_virt_to_mfn(v->evtchn->control);
	return MFN_NONE;
}

void fifo_fini_locked(struct domain *d)
{
	struct evtchn_domain *ed = d->evtchn;
	struct vcpu *v;

	atomic_store(&ed->is_fifo, false);
	grace_wait(); /* nobody is at the words or blocks any more, and nobody comes */
	for (u32 i = 0; i < ed->fifo_pages; i++) {
		frame_type_put(hw_virt_to_mfn(ed->fifo_words[i]));
		ed->fifo_words[i] = NULL;
	}
	ed->fifo_pages = 0;
	for_each_vcpu(d, v) {
		if (v->evtchn == NULL || v->evtchn->control == NULL)
			continue;
		frame_type_put(hw_virt_to_mfn(v->evtchn->control));
		v->evtchn->control = NULL;
	}
}

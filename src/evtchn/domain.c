/* SPDX-License-Identifier: MIT */
/*
 * The ports of a domain from its creation to its end, and where a vCPU's vcpu_info lies: in shared info, in a frame that the
 * guest chose, or (before that, for vCPUs that shared info has no room for) nowhere a guest can see. Reached from domain/ and
 * hcall/; calls the other files of evtchn/, mm and sched. Locks as in priv.h; v->info_mfn has the domain's own, and senders
 * read v->info inside their read section.
 */
#include "evtchn/evtchn.h"
#include "evtchn/priv.h"

#include "lib/string.h"
#include "mm/mm.h"
#include "sched/sched.h"

int evtchn_domain_init(struct domain *d, u32 max_port)
{
	struct evtchn_domain *ed = heap_alloc(sizeof(*ed));

	if (ed == NULL)
		return err(ENOMEM);
	lock_init(&ed->lock, LOCK_RANK_EVTCHN_B);
	ed->max_port = max_port;
	if (group_get_locked(ed, 0) == NULL) { /* nobody else knows ed yet */
		heap_free(ed);
		return err(ENOMEM);
	}
	d->evtchn = ed;
	return 0;
}

int evtchn_vcpu_init(struct vcpu *v)
{
	struct evtchn_vcpu *ev = heap_alloc(sizeof(*ev));

	if (ev == NULL)
		return err(ENOMEM);
	lock_init(&ev->queue_lock, LOCK_RANK_EVTCHN_QUEUE);
	v->evtchn = ev;
	v->info_mfn = MFN_NONE;
	v->info = v->id < XEN_LEGACY_MAX_VCPUS && v->domain->shared != NULL
			  ? &v->domain->shared->vcpu_info[v->id]
			  : &ev->dummy;
	v->info->evtchn_upcall_mask = 1;
	return 0;
}

#define INFO_WORDS (sizeof(struct vcpu_info) / sizeof(u64))

_Static_assert(sizeof(struct vcpu_info) == 64, "the ABI's size");

/* In words, each an atomic: senders may be writing the old place. */
static void info_copy(struct vcpu_info *to, struct vcpu_info *from)
{
	u64 *to_words = (void *)to;
	u64 *from_words = (void *)from;

	for (size_t i = 0; i < INFO_WORDS; i++)
		atomic_store(&to_words[i], atomic_load(&from_words[i]));
}

/* v->info has just been changed: makes the guest look at everything, so that no event is lost. */
static void info_moved(struct vcpu *v)
{
	struct vcpu_info *info = atomic_load(&v->info);

	grace_wait(); /* whoever still saw the old place has finished there */
	atomic_store(&info->evtchn_pending_sel, ~0ul);
	atomic_store(&info->evtchn_upcall_pending, 1);
	vcpu_kick(v);
}

int evtchn_vcpu_info_place(struct vcpu *v, mfn_t mfn, u32 offset)
{
	struct domain *d = v->domain;
	struct vcpu_info *info;
	int rc;

	if (offset > PAGE_SIZE - sizeof(struct vcpu_info) ||
	    offset % _Alignof(struct vcpu_info) != 0)
		return err(ENXIO);
	rc = frame_type_get(mfn, d, FRAME_WRITABLE);
	if (rc != 0)
		return rc;
	info = (void *)((u8 *)hw_frame_map(mfn) + offset);
	lock_acquire(&d->lock);
	if (!mfn_is_none(v->info_mfn) || atomic_load(&d->is_dying)) {
		rc = err(EINVAL);
	} else {
		info_copy(info, v->info);
		v->info_mfn = mfn;
		atomic_store(&v->info, info);
	}
	lock_release(&d->lock);
	if (rc == 0)
		info_moved(v);
	else
		frame_type_put(mfn);
	return rc;
}

static void vcpu_info_release(struct domain *d)
{
	struct vcpu *v;

	for_each_vcpu(d, v) {
		mfn_t mfn;

		if (v->evtchn == NULL)
			continue;
		lock_acquire(&d->lock);
		mfn = v->info_mfn;
		v->info_mfn = MFN_NONE;
		atomic_store(&v->info, &v->evtchn->dummy); /* shared info goes too */
		lock_release(&d->lock);
		if (mfn_is_none(mfn))
			continue;
		grace_wait();
		frame_type_put(mfn);
	}
}

/* ---------------------------------------------------------------- closed */

/* Closes what is open; others may open meanwhile. */
static int close_all(struct domain *d)
{
	struct evtchn_domain *ed = d->evtchn;
	u32 port = 0;

	for (;;) {
		const struct evtchn_port *next = port_find(ed, port + 1);

		if (next != NULL && port_word_state(atomic_load(&next->word)) > PORT_RESERVED) {
			port++; /* mostly */
		} else {
			lock_acquire(&ed->lock);
			port = port_next_locked(ed, port + 1);
			lock_release(&ed->lock);
		}
		if (port == PORT_MAX)
			return 0;
		(void)evtchn_port_close(d, port);
		if (hw_preempt_wanted())
			return -ERESTART;
	}
}

/* Gives the frames of the FIFO form back, if no port needs them. */
static int fifo_close(struct domain *d)
{
	LOCK_SCOPE(&d->evtchn->lock);
	if (port_next_locked(d->evtchn, 1) != PORT_MAX)
		return -ERESTART; /* one was opened behind our back */
	if (!d->evtchn->is_fifo)
		return 0;
	fifo_fini_locked(d);
	for (size_t i = 0; i < ARRAY_SIZE(d->shared->evtchn_pending); i++)
		atomic_store(&d->shared->evtchn_pending[i], 0);
	return 0;
}

int evtchn_reset(struct domain *d, bool is_self)
{
	int rc = close_all(d);

	return rc == 0 && is_self ? fifo_close(d) : rc;
}

int evtchn_domain_kill(struct domain *d)
{
	int rc;

	ASSERT(atomic_load(&d->is_dying));
	if (d->evtchn == NULL)
		return 0;
	rc = evtchn_reset(d, true);
	if (rc != 0)
		return rc;
	virq_handlers_release(d);
	vcpu_info_release(d);
	return 0;
}

void evtchn_domain_destroy(struct domain *d)
{
	struct evtchn_domain *ed = d->evtchn;
	struct vcpu *v;

	atomic_store(&d->is_dying, true);
	while (evtchn_domain_kill(d) != 0)
		;
	for_each_vcpu(d, v) {
		v->info = NULL;
		heap_free(v->evtchn);
		v->evtchn = NULL;
	}
	if (ed == NULL)
		return;
	for (size_t i = 0; i < ed->group_end; i++)
		heap_free(ed->groups[i]);
	heap_free(ed->pirq_ports);
	heap_free(ed);
	d->evtchn = NULL;
}

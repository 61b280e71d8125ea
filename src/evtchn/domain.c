/* SPDX-License-Identifier: MIT */
/*
 * The ports of a domain from its creation to its end. Reached from domain/ and hcall/ (reset); calls the other files of
 * evtchn/ and mm. Locks as in priv.h.
 */
#include "evtchn/evtchn.h"
#include "evtchn/priv.h"

#include "lib/string.h"
#include "mm/mm.h"

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

void evtchn_max_port_set(struct domain *d, u32 max_port)
{
	lock_acquire(&d->evtchn->lock);
	d->evtchn->max_port = max_port;
	lock_release(&d->evtchn->lock);
}

/* Closes what is open; others may open meanwhile. */
static int close_all(struct domain *d)
{
	struct evtchn_domain *ed = d->evtchn;
	u32 port = 0;

	for (;;) {
		lock_acquire(&ed->lock);
		port = port_next_locked(ed, port + 1);
		lock_release(&ed->lock);
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
	struct evtchn_domain *ed = d->evtchn;
	int rc = 0;

	lock_acquire(&ed->lock);
	if (port_next_locked(ed, 1) != PORT_MAX) {
		rc = -ERESTART; /* one was opened behind our back */
	} else if (ed->is_fifo) {
		fifo_fini_locked(d);
		for (size_t i = 0; i < ARRAY_SIZE(d->shared->evtchn_pending); i++)
			atomic_store(&d->shared->evtchn_pending[i], 0);
	}
	lock_release(&ed->lock);
	return rc;
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
	rc = close_all(d);
	if (rc != 0)
		return rc;
	rc = fifo_close(d);
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
	for (size_t i = 0; i < GROUP_MAX; i++)
		heap_free(ed->groups[i]);
	heap_free(ed->pirq_ports);
	heap_free(ed);
	d->evtchn = NULL;
}

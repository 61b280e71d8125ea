/* SPDX-License-Identifier: MIT */
/*
 * The two-level form: a pending and a mask bit for each port in the shared info page, a selector word in each vcpu_info.
 * Reached from port.c and bind.c, inside a read section; calls upcall_raise(). No lock: each bit is one atomic.
 */
#include "evtchn/priv.h"

static bool is_in_range(u32 port)
{
	return port < EVTCHN_2L_NR_CHANNELS;
}

static void select_word(struct vcpu *v, u32 port)
{
	struct vcpu_info *info = atomic_load(&v->info);

	if (!atomic_bit_set(&info->evtchn_pending_sel, port / 64))
		upcall_raise(v);
}

bool two_level_raise(struct domain *d, struct vcpu *v, u32 port)
{
	struct shared_info *shared = d->shared;

	if (!is_in_range(port) || atomic_bit_set(shared->evtchn_pending, port))
		return false;
	if (!atomic_bit_test(shared->evtchn_mask, port))
		select_word(v, port);
	return true;
}

void two_level_unmask(struct domain *d, struct vcpu *v, u32 port)
{
	struct shared_info *shared = d->shared;

	if (is_in_range(port) && atomic_bit_clear(shared->evtchn_mask, port) &&
	    atomic_bit_test(shared->evtchn_pending, port))
		select_word(v, port);
}

bool two_level_is_pending(const struct domain *d, u32 port)
{
	return is_in_range(port) && atomic_bit_test(d->shared->evtchn_pending, port);
}

void two_level_clear(struct domain *d, u32 port)
{
	if (is_in_range(port))
		(void)atomic_bit_clear(d->shared->evtchn_pending, port);
}

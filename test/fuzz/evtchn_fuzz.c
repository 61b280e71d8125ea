/* SPDX-License-Identifier: MIT */
/* uses: src/evtchn/port.c src/evtchn/fifo.c src/evtchn/bind.c src/evtchn/domain.c src/evtchn/audit.c src/hcall/evtchn_op.c src/hcall/subop.c src/lib/bitmap.c test/fake/machine.c test/fake/core.c test/fake/evtchn_world.c */
/*
 * Sequences of event-channel calls by two domains, with arguments and frame contents that make no sense.
 * After each sequence: the audit finds nothing, all frames and allocations come back.
 *
 * Input: steps of one byte kind, then what the kind needs; numbers are small more often than not.
 */
#include <stdlib.h>
#include <string.h>

#include "evtchn_world.h"
#include "hcall/hcall.h"

#define LENT 12 /* frames of Domain 0 that the input may name */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *at, *end;
static struct domain *d[2];
static mfn_t lent[LENT];

static u8 byte(void)
{
	return at < end ? *at++ : 0;
}

static u32 number(void)
{
	u8 first = byte();

	if (first < 0xc0)
		return first % 48;
	return first < 0xf0 ? (u32)byte() << 8 | byte()
			    : (u32)byte() << 24 | (u32)byte() << 16 | byte();
}

static u64 gfn(void)
{
	u8 idx = byte();

	return idx < 0xf0 ? mfn_num(lent[idx % LENT]) : number();
}

static void fill(u8 *arg, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		arg[i] = byte();
}

static void event_call(struct vcpu *v)
{
	struct hcall_args args = {.a = {byte() % 16, (u64)fake_arena}};
	u32 *words = (u32 *)(void *)fake_arena;

	memset(fake_arena, 0, 32);
	switch (args.a[0]) {
	case EVTCHNOP_alloc_unbound:
		((u16 *)words)[0] = byte() & 1 ? DOMID_SELF : byte() & 3;
		((u16 *)words)[1] = byte() & 1 ? DOMID_SELF : byte() & 3;
		break;
	case EVTCHNOP_bind_interdomain:
	case EVTCHNOP_status:
	case EVTCHNOP_reset:
		((u16 *)words)[0] = byte() & 1 ? DOMID_SELF : byte() & 3;
		words[1] = number();
		break;
	case EVTCHNOP_init_control:
	case EVTCHNOP_expand_array:
		((u64 *)words)[0] = gfn();
		words[2] = byte() & 7 ? 8u * byte() : number();
		words[3] = number() % 5;
		break;
	default:
		words[0] = number();
		words[1] = number();
		break;
	}
	for (int rc = -ERESTART; rc == -ERESTART;)
		rc = do_event_channel_op(v, &args);
}

static void frame_write(void)
{
	u8 *page = hw_frame_map(lent[byte() % LENT]);
	u32 offset = number() * 4 % PAGE_SIZE;

	fill(page + offset, 4);
}

static void step(void)
{
	struct domain *who = d[byte() & 1];
	struct vcpu *v = who->vcpus[byte() & 1];

	switch (byte() % 9) {
	case 0:
	case 1:
	case 2:
	case 3:
		event_call(v);
		break;
	case 4:
		frame_write();
		break;
	case 5:
		(void)evtchn_virq_raise_vcpu(v, VIRQ_TIMER);
		evtchn_virq_raise_global(VIRQ_CONSOLE);
		break;
	case 6:
		(void)events_irq_fire(who, byte() % WORLD_PIRQS);
		evtchn_pirq_unmask(who, number());
		break;
	case 7:
		(void)evtchn_vcpu_info_place(v, mfn_make(gfn()), number());
		break;
	case 8:
		fake_alloc_fail_after = byte() & 1 ? byte() & 7 : -1;
		fake_copy_fail_after = byte() & 1 ? byte() & 7 : -1;
		who->vcpus[byte() & 1]->pause_count = byte() & 1;
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	at = data;
	end = data + size;
	events_init(160);
	fake_copy_any = false;
	fake_preempt_every = byte() % 4;
	for (unsigned int i = 0; i < 2; i++) {
		d[i] = events_domain((domid_t)i, 2, i ? 200 : ~0u);
	}
	d[0]->is_privileged = d[0]->is_hardware = true;
	dom0 = d[0];
	for (unsigned int i = 0; i < LENT; i++)
		lent[i] = events_frame(d[i & 1], 0);
	while (at < end)
		step();
	fake_alloc_fail_after = fake_copy_fail_after = -1;
	if (evtchn_audit(d[0]) + evtchn_audit(d[1]))
		abort();
	for (unsigned int i = 2; i-- > 0;) {
		events_domain_end(d[i]);
	}
	dom0 = NULL;
	events_frames_check();
	if (events_heap_blocks)
		abort();
	return 0;
}

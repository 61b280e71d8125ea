/* SPDX-License-Identifier: MIT */
/*
 * Two-level events, system time and further vCPUs of a test guest. Every port is counted; a handler may be set. The
 * vCPU's number lies at its GS base.
 */
#include "guest.h"

u64 event_count[4096];
u64 upcalls;
struct vcpu_info *vcpu_infos[32];
static event_fn handlers[4096];
static u32 bound[4096]; /* a vCPU's number + 1: what is pending may be another's */
static u64 self_numbers[32][2];
void event_upcall(void);

unsigned int vcpu_self(void)
{
	u64 self;

	if (!vcpu_infos[0])
		return 0;
	asm volatile("mov %%gs:0, %0" : "=r"(self));
	return (unsigned int)self;
}

static u64 word_exchange(volatile unsigned long *word, u64 value)
{
	return __atomic_exchange_n(word, value, __ATOMIC_SEQ_CST);
}

static void port_handle(unsigned int port)
{
	event_clear(port);
	__atomic_fetch_add(&event_count[port], 1, __ATOMIC_SEQ_CST);
	if (handlers[port])
		handlers[port](port);
}

void event_upcall(void)
{
	struct vcpu_info *vi = vcpu_infos[vcpu_self()];

	__atomic_fetch_add(&upcalls, 1, __ATOMIC_SEQ_CST);
	while (__atomic_exchange_n(&vi->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST)) {
		u64 selected = word_exchange(&vi->evtchn_pending_sel, 0);

		for (; selected; selected &= selected - 1) {
			unsigned int word = (unsigned int)__builtin_ctzl(selected);
			u64 bits = ACCESS(shared_info->evtchn_pending[word]) &
				   ~ACCESS(shared_info->evtchn_mask[word]);

			for (; bits; bits &= bits - 1) {
				unsigned int port = word * 64 + (unsigned int)__builtin_ctzl(bits);

				if (!bound[port] || bound[port] == vcpu_self() + 1)
					port_handle(port);
			}
		}
	}
}

void event_init(void)
{
	for (unsigned int i = 0; i < 32; i++)
		self_numbers[i][0] = i;
	hypercall(set_segment_base, SEGBASE_GS_KERNEL, self_numbers[0]);
	for (unsigned int i = 0; i < 64; i++)
		shared_info->evtchn_mask[i] = ~0ul;
	for (unsigned int i = 0; i < 32; i++)
		vcpu_infos[i] = &shared_info->vcpu_info[i];
}

void event_handle(unsigned int port, event_fn fn)
{
	handlers[port] = fn;
}

void events_off(void)
{
	ACCESS(vcpu_infos[vcpu_self()]->evtchn_upcall_mask) = 1;
	barrier();
}

void events_on(void)
{
	struct vcpu_info *vi = vcpu_infos[vcpu_self()];

	barrier();
	ACCESS(vi->evtchn_upcall_mask) = 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (ACCESS(vi->evtchn_upcall_pending))
		hypercall(xen_version, XENVER_version, NULL);
}

bool event_pending(unsigned int port)
{
	return (ACCESS(shared_info->evtchn_pending[port / 64]) >> port % 64) & 1;
}

void event_mask(unsigned int port)
{
	__atomic_fetch_or(&shared_info->evtchn_mask[port / 64], 1ul << port % 64, __ATOMIC_SEQ_CST);
}

void event_clear(unsigned int port)
{
	__atomic_fetch_and(&shared_info->evtchn_pending[port / 64], ~(1ul << port % 64),
			   __ATOMIC_SEQ_CST);
}

long event_unmask(unsigned int port)
{
	struct evtchn_unmask u = {.port = port};

	return evtchn(EVTCHNOP_unmask, &u);
}

static long bound_to(u32 port, u32 vcpu)
{
	bound[port] = vcpu + 1;
	return (long)port;
}

long bind_virq(unsigned int virq, unsigned int vcpu)
{
	struct evtchn_bind_virq b = {.virq = virq, .vcpu = vcpu};
	long rc = evtchn(EVTCHNOP_bind_virq, &b);

	return rc ? rc : bound_to(b.port, vcpu);
}

long bind_ipi(unsigned int vcpu)
{
	struct evtchn_bind_ipi b = {.vcpu = vcpu};
	long rc = evtchn(EVTCHNOP_bind_ipi, &b);

	return rc ? rc : bound_to(b.port, vcpu);
}

long port_alloc(domid_t remote)
{
	struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = remote};
	long rc = evtchn(EVTCHNOP_alloc_unbound, &a);

	if (!rc)
		bound[a.port] = 0;
	return rc ? rc : (long)a.port;
}

long port_close(unsigned int port)
{
	struct evtchn_close c = {.port = port};

	return evtchn(EVTCHNOP_close, &c);
}

long port_send(unsigned int port)
{
	struct evtchn_send s = {.port = port};

	return evtchn(EVTCHNOP_send, &s);
}

static u64 tsc(void)
{
	u32 low, high;

	asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
	return ((u64)high << 32) | low;
}

u64 time_of(const struct vcpu_time_info *t)
{
	u32 version, multiplier;
	u64 delta, base;
	signed char shift;

	do {
		version = ACCESS(t->version);
		barrier();
		base = t->system_time;
		delta = tsc() - t->tsc_timestamp;
		multiplier = t->tsc_to_system_mul;
		shift = t->tsc_shift;
		barrier();
	} while ((version & 1) || version != ACCESS(t->version));
	delta = shift < 0 ? delta >> -shift : delta << shift;
	return base + (u64)(((unsigned __int128)delta * multiplier) >> 32);
}

u64 time_ns(void)
{
	return time_of(&vcpu_infos[vcpu_self()]->time);
}

void time_wait(u64 ns)
{
	u64 end = time_ns() + ns;

	while (time_ns() < end)
		asm volatile("pause");
}

bool wait_until(volatile u64 *word, u64 at_least, u64 ns)
{
	u64 end = time_ns() + ns;

	while (*word < at_least)
		if (time_ns() >= end)
			return false;
	return true;
}

long vcpu_init_args(unsigned int vcpu, void *fn, struct vcpu_guest_context *c)
{
	char *stack = (char *)page_alloc();

	memset(c, 0, sizeof(*c));
	c->flags = VGCF_IN_KERNEL | VGCF_in_syscall;
	c->user_regs.rip = (u64)vcpu_start;
	c->user_regs.rdi = (u64)fn;
	c->user_regs.rsp = (u64)stack + PAGE_SIZE;
	c->user_regs.cs = FLAT_KERNEL_CS;
	c->user_regs.ss = FLAT_KERNEL_SS;
	c->user_regs.rflags = 0x1000;
	for (unsigned int i = 0; i < 256; i++)
		c->trap_ctxt[i] = (struct trap_info){.vector = (u8)i,
						     .flags = 3,
						     .cs = FLAT_KERNEL_CS,
						     .address = (u64)trap_entry(i)};
	c->kernel_ss = FLAT_KERNEL_SS;
	c->kernel_sp = (u64)page_alloc() + PAGE_SIZE;
	c->ctrlreg[0] = 0x80050033;
	c->ctrlreg[3] = xen_pfn_to_cr3(mfn_of((void *)start_info->pt_base));
	c->event_callback_eip = (u64)entry_event;
	c->failsafe_callback_eip = (u64)entry_failsafe;
	c->syscall_callback_eip = (u64)entry_syscall;
	c->gs_base_kernel = (u64)self_numbers[vcpu];
	return vcpuop(VCPUOP_initialise, vcpu, c);
}

long vcpu_up(unsigned int vcpu, void (*fn)(void))
{
	struct vcpu_guest_context *c = va_of(pfn_of(page_alloc()));
	u64 more = pfn_of(page_alloc());
	long rc;

	/* sizeof(*c) is 5168: two pages that lie together, as both come fresh. */
	if (more != pfn_of(c) + 1)
		fatal("vcpu_up: pages not together");
	rc = vcpu_init_args(vcpu, (void *)fn, c);
	return rc ? rc : vcpuop(VCPUOP_up, vcpu, NULL);
}

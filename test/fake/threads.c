/* SPDX-License-Identifier: MIT */
/*
 * CPUs as threads (see threads.h). A flush request is a bit in the target's mailbox; it answers when it next accesses a
 * shared word or rests, and the sender waits for all answers, answering its own mailbox meanwhile.
 */
#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TLB_SIZE 16

struct tlb_entry {
	u64 pte_addr;
	mfn_t mfn;
	u16 owner;
	bool is_valid;
	bool is_writable;
};

static _Thread_local struct tlb_entry tlb[TLB_SIZE];
static _Thread_local bool in_handler;
static _Thread_local u64 random_state;
static u32 wanted[THREADS_MAX];	  /* [a] flushes asked of a CPU */
static u32 answered[THREADS_MAX]; /* [a] and done */
static bool is_on[THREADS_MAX];	  /* [a] a thread plays it */
static unsigned int thread_count, ended;
static void (*thread_body)(unsigned int cpu);
bool (*threads_may_reach)(mfn_t mfn);

u64 threads_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void mailbox_look(void)
{
	u32 asked = __atomic_load_n(&wanted[fake_cpu], __ATOMIC_ACQUIRE);

	if (in_handler || asked == __atomic_load_n(&answered[fake_cpu], __ATOMIC_RELAXED))
		return;
	in_handler = true;
	flush_answer(FLUSH_TLB, 0);
	in_handler = false;
	__atomic_store_n(&answered[fake_cpu], asked, __ATOMIC_RELEASE);
}

static void step(void)
{
	if (threads_random() % 4 == 0)
		mailbox_look();
	if (threads_random() % 256 == 0)
		sched_yield();
}

void hw_relax(void)
{
	mailbox_look();
	sched_yield();
}

void hw_flush_mask(const struct cpumask *mask, unsigned int kind, u64 va)
{
	u32 ticket[THREADS_MAX] = {0};

	for (unsigned int cpu = 0; cpu < THREADS_MAX; cpu++)
		if (cpu != fake_cpu && cpumask_test(mask, cpu) &&
		    __atomic_load_n(&is_on[cpu], __ATOMIC_ACQUIRE))
			ticket[cpu] = __atomic_add_fetch(&wanted[cpu], 1, __ATOMIC_SEQ_CST);
	if (cpumask_test(mask, fake_cpu))
		flush_answer(kind, va);
	for (unsigned int cpu = 0; cpu < THREADS_MAX; cpu++)
		while (ticket[cpu] &&
		       (s32)(__atomic_load_n(&answered[cpu], __ATOMIC_ACQUIRE) - ticket[cpu]) < 0)
			hw_relax();
}

static void flushed(unsigned int cpu, unsigned int kind, u64 va)
{
	(void)cpu;
	(void)va;
	if (kind & FLUSH_TLB)
		memset(tlb, 0, sizeof(tlb));
}

static void check(const struct tlb_entry *entry)
{
	const struct frame *f = frame_of(entry->mfn);
	u64 word = __atomic_load_n(&f->word, __ATOMIC_ACQUIRE);
	u16 owner = __atomic_load_n(&f->owner, __ATOMIC_ACQUIRE);

	if ((entry->is_writable && word & FRAME_VALID) ||
	    (owner != entry->owner && word & FRAME_LIVE) ||
	    (threads_may_reach && !threads_may_reach(entry->mfn))) {
		fprintf(stderr,
			"cpu %u reaches frame %#lx (word %#lx owner %u) through a stale "
			"translation\n",
			fake_cpu, mfn_num(entry->mfn), word, owner);
		abort();
	}
}

bool threads_guest_access(maddr_t pte, bool write)
{
	u64 *entry = (u64 *)hw_frame_map(maddr_to_mfn(pte)) + (maddr_num(pte) & 4095) / 8;
	struct tlb_entry *slot = &tlb[threads_random() % TLB_SIZE];
	u64 old;

	for (unsigned int i = 0; i < TLB_SIZE; i++)
		if (tlb[i].is_valid && tlb[i].pte_addr == maddr_num(pte) &&
		    (tlb[i].is_writable || !write)) {
			check(&tlb[i]);
			return true;
		}
	old = __atomic_load_n(entry, __ATOMIC_SEQ_CST);
	/* The table's page itself may be on its way to becoming something else: the walker has it cached too. */
	if (!(old & PTE_PRESENT) || (write && !(old & PTE_RW)) || !hw_frame_is_ram(pte_mfn(old)))
		return false;
	if (!__atomic_compare_exchange_n(entry, &old, old | PTE_ACCESSED | (write ? PTE_DIRTY : 0),
					 false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return false;
	*slot = (struct tlb_entry){
		.pte_addr = maddr_num(pte),
		.mfn = pte_mfn(old),
		.owner = __atomic_load_n(&frame_of(pte_mfn(old))->owner, __ATOMIC_ACQUIRE),
		.is_valid = true,
		.is_writable = (old & PTE_RW) != 0};
	return true;
}

static void *thread_main(void *arg)
{
	fake_cpu = (unsigned int)(unsigned long)arg;
	random_state = 88172645463325252ull * (fake_cpu + 1) + 1;
	thread_body(fake_cpu);
	__atomic_add_fetch(&ended, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&ended, __ATOMIC_SEQ_CST) < thread_count)
		hw_relax();
	memset(tlb, 0, sizeof(tlb));
	return NULL;
}

void threads_run(unsigned int count, void (*body)(unsigned int cpu))
{
	pthread_t threads[THREADS_MAX];

	thread_body = body;
	thread_count = count;
	ended = 0;
	random_state = 1;
	fake_step_hook = step;
	fake_flush_hook = flushed;
	for (unsigned int i = 0; i < count; i++)
		is_on[i] = true;
	for (unsigned long i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, thread_main, (void *)i))
			abort();
	for (unsigned int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	for (unsigned int i = 0; i < count; i++)
		is_on[i] = false;
	fake_step_hook = NULL;
	fake_flush_hook = NULL;
	fake_cpu = 0;
}

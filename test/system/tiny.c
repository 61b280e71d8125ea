/* SPDX-License-Identifier: MIT */
/*
 * A PV kernel of a few instructions, for guests that only have to exist: built by the fixture `xl_dom0`, /srv/tiny in
 * Domain 0. It says "tiny: MODE" on its console, then does what the first word of its command line (extra=) asks:
 *   block   waits for ever (default)         poweroff reboot crash suspend   SCHEDOP_shutdown with that reason
 *   spin    burns a CPU, events off          fault    an exception without a trap table
 *   yield   gives up the CPU again and again storm    as many cheap hypercalls as it can
 *   balloon gives pages back and takes them again
 * Entered with rsi = start_info; libxc puts the store's and the console's pages behind it.
 */
#define __XEN_INTERFACE_VERSION__ 0x00040e00
#include <stdint.h>

#include <xen/elfnote.h>
#include <xen/event_channel.h>
#include <xen/io/console.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/version.h>
#include <xen/xen.h>

#define NOTE(type, value)                                                               \
	asm(".pushsection .note.Xen, \"a\", @note\n.balign 4\n.long 4, 2f - 1f, " #type \
	    "\n.asciz \"Xen\"\n1: " value "\n2: .balign 4\n.popsection")
NOTE(6, ".asciz \"tiny\"");		      /* guest OS */
NOTE(5, ".asciz \"xen-3.0\"");		      /* Xen version */
NOTE(8, ".asciz \"generic\"");		      /* loader */
NOTE(3, ".quad 0xffffffff80000000");	      /* virtual base */
NOTE(1, ".quad _start");		      /* entry */
NOTE(2, ".quad hypercall_page");	      /* hypercall page */
NOTE(10, ".asciz \"!writable_page_tables\""); /* features */
NOTE(9, ".asciz \"yes\"");		      /* PAE */

asm(".globl _start, hypercall_page\n_start: cld\nlea stack + 16384(%rip), %rsp\nxor %ebp, "
    "%ebp\nmov %rsi, %rdi\n"
    "call main\nud2\n.balign 4096\nhypercall_page: .skip 4096\n.bss\n.balign 16\nstack: .skip "
    "16384\n.text");

static long hypercall(long nr, long a, const void *b)
{
	long c = 0, d = 0;

	asm volatile("syscall"
		     : "+a"(nr), "+D"(a), "+S"(b), "+d"(c)
		     : "r"(d)
		     : "rcx", "r10", "r11", "memory");
	return nr;
}

static void say(const start_info_t *si, const char *text)
{
	struct xencons_interface *ring = (void *)((uintptr_t)si + 2 * 4096);
	struct evtchn_send send = {.port = si->console.domU.evtchn};

	for (; *text; text++)
		ring->out[MASK_XENCONS_IDX(ring->out_prod, ring->out)] = *text, ring->out_prod++;
	asm volatile("" ::: "memory");
	hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &send);
}

static void end(unsigned int reason)
{
	struct sched_shutdown shutdown = {.reason = reason};

	hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &shutdown);
}

static unsigned long heap[256];

static void balloon(const start_info_t *si)
{
	const unsigned long *p2m = (const unsigned long *)si->mfn_list;
	struct xen_memory_reservation some = {.nr_extents = 256, .domid = DOMID_SELF};
	unsigned long first = si->nr_pages - 256;

	set_xen_guest_handle(some.extent_start, heap);
	for (int i = 0; i < 256; i++)
		heap[i] = p2m[first + i];
	for (;;) {
		hypercall(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, &some);
		for (int i = 0; i < 256; i++)
			heap[i] = first + i;
		hypercall(__HYPERVISOR_memory_op, XENMEM_populate_physmap, &some);
	}
}

void main(start_info_t *si);
void main(start_info_t *si)
{
	struct sched_poll nothing = {.nr_ports = 0};
	const char *mode = (const char *)si->cmd_line;

	say(si, "tiny: ");
	say(si, mode);
	say(si, "\r\n");
	switch (mode[0]) {
	case 'p':
		end(SHUTDOWN_poweroff);
		break;
	case 'r':
		end(SHUTDOWN_reboot);
		break;
	case 'c':
		end(SHUTDOWN_crash);
		break;
	case 'f':
		asm volatile("ud2");
		break;
	case 's':
		for (;;)
			if (mode[1] == 't')
				hypercall(__HYPERVISOR_xen_version, XENVER_version, 0);
		break;
	case 'y':
		for (;;)
			hypercall(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
		break;
	case 'b':
		if (mode[1] == 'a')
			balloon(si);
		break;
	}
	/* Not SCHEDOP_block: it lets events in, and there is nowhere for them to go. */
	for (;;)
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_poll, &nothing);
}

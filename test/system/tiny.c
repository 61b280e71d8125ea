/* SPDX-License-Identifier: MIT */
/*
 * A PV kernel of a few instructions, for guests that only have to exist: built by the fixture `xl_dom0`, /srv/tiny in
 * Domain 0. It says "tiny: MODE" on its console, then does what the first word of its command line (extra=) asks:
 *   block   waits for ever (default)         poweroff reboot crash suspend   SCHEDOP_shutdown with that reason
 *   spin    burns a CPU, events off          fault    an exception without a trap table
 *   yield   gives up the CPU again and again storm    as many cheap hypercalls as it can
 *   balloon gives pages back and takes them again
 *   events  notifies Domain 0's daemons and itself, opens and closes ports
 *   grants  copies, maps and unmaps a page that it grants to itself
 * Entered with rsi = start_info; libxc puts the store's and the console's pages behind it.
 */
#define __XEN_INTERFACE_VERSION__ 0x00040e00
#include <stdint.h>

#include <xen/elfnote.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
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

static long hypercall3(long nr, long a, const void *b, long c)
{
	asm volatile("syscall"
		     : "+a"(nr), "+D"(a), "+S"(b), "+d"(c)
		     :
		     : "rcx", "r10", "r11", "memory");
	return nr;
}

static long hypercall(long nr, long a, const void *b)
{
	return hypercall3(nr, a, b, 0);
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

static void events(const start_info_t *si)
{
	struct evtchn_alloc_unbound open = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
	struct evtchn_send to[3] = {{si->console.domU.evtchn}, {si->store_evtchn}};

	for (;;) {
		struct evtchn_bind_interdomain bind = {.remote_dom = DOMID_SELF};

		hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, &open);
		bind.remote_port = open.port;
		hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, &bind);
		to[2].port = bind.local_port;
		for (int i = 0; i < 3000; i++)
			hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &to[i % 3]);
		hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_close, &bind.local_port);
		hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_close, &open.port);
	}
}

static volatile grant_entry_v1_t table[512] __attribute__((aligned(4096)));

static void grants(const start_info_t *si)
{
	struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1};
	struct gnttab_copy copy[32];
	unsigned long frame, page = ((const unsigned long *)si->mfn_list)[si->nr_pages - 1];

	set_xen_guest_handle(setup.frame_list, &frame);
	hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, &setup, 1);
	/* PRESENT | RW | USER | ACCESSED | DIRTY */
	hypercall3(__HYPERVISOR_update_va_mapping, (long)table, (void *)(frame << 12 | 0x67),
		   UVMF_INVLPG);
	for (int i = 0; i < 32; i++)
		copy[i] = (struct gnttab_copy){
			.source = {.u.ref = 8, .domid = DOMID_SELF},
			.dest = {.u.gmfn = page, .domid = DOMID_SELF, .offset = 2048},
			.len = 2048,
			.flags = GNTCOPY_source_gref};
	table[8].frame = (uint32_t)page;
	table[8].flags = GTF_permit_access;
	do { /* which domain is this? */
		table[8].domid++;
		hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_copy, copy, 1);
	} while (copy[0].status != GNTST_okay);
	say(si, "tiny: granted\r\n");
	for (;;) {
		struct gnttab_map_grant_ref map = {
			.flags = GNTMAP_device_map, .ref = 8, .dom = DOMID_SELF};
		struct gnttab_unmap_grant_ref unmap;

		hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_copy, copy, 32);
		hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, &map, 1);
		unmap = (struct gnttab_unmap_grant_ref){.dev_bus_addr = map.dev_bus_addr,
							.handle = map.handle};
		hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, &unmap, 1);
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
	case 'e':
		events(si);
		break;
	case 'g':
		grants(si);
		break;
	}
	/* Not SCHEDOP_block: it lets events in, and there is nowhere for them to go. */
	for (;;)
		hypercall(__HYPERVISOR_sched_op, SCHEDOP_poll, &nothing);
}

/* SPDX-License-Identifier: MIT */
/* What Domain 0's tools do, by the calls that they make (libxc): guests built, ended. With test/fake/whole.c. */
#ifndef TOOLSTACK_H
#define TOOLSTACK_H

#include "whole.h"
#include <xen/domctl.h>

#define TOOL_PAGES_MAX 400u

struct tool_guest {
	struct domain *d; /* gone after tool_destroy() */
	domid_t id;
	unsigned int vcpus, pages;
	u64 mfns[TOOL_PAGES_MAX]; /* the last four are its page tables: L1, L2, L3, L4 */
};

/* By Domain 0's first vCPU, which runs. Fills in version and command. */
long tool_domctl(u32 cmd, domid_t id, struct xen_domctl *op);
/* What createdomain takes at best; to be changed by a test. */
struct xen_domctl tool_create_arguments(unsigned int vcpus);
/* The number that the next one gets; 0, at first: any. */
extern domid_t tool_id;
/* Created, with memory, page tables pinned, a context for vCPU 0: paused. Page n is mapped at guest_va(n). 0 or what failed. */
long tool_build(struct tool_guest *g, unsigned int vcpus, unsigned int pages);
/* Lets it run; on CPU 1, if there is one and its vCPU 0 wakes. */
void tool_run(struct tool_guest *g);
/* Destroyed, as often as it takes; aborts if it stays. */
void tool_destroy(struct tool_guest *g);
/* Does the guest still exist? */
bool tool_exists(domid_t id);

#endif

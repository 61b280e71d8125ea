/* SPDX-License-Identifier: MIT */
/* What both kinds of tool calls tell of a domain. No lock. */
#ifndef HCALL_TOOL_INFO_H
#define HCALL_TOOL_INFO_H

#include "core/domain.h"

/* XEN_DOMCTL_getdomaininfo's answer; a snapshot, each field by itself. */
void tool_domain_info(struct domain *d, struct xen_domctl_getdomaininfo *info);

#endif

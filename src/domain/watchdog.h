/* SPDX-License-Identifier: MIT */
/* Timers that a domain sets against its own hanging. Reached from SCHEDOP_watchdog; lock: the domain's. */
#pragma once

#include "core/domain.h"

#define WATCHDOG_MAX 2 /* a domain */

/*
 * SCHEDOP_watchdog. id 0: a new one, its number (1..) is the result. timeout_s 0: the end of id. Otherwise id gets new time.
 * -EINVAL: no such number, not in use, or a new one without time; -ENOSPC: all in use.
 */
int domain_watchdog(struct domain *d, u32 id, u32 timeout_s, u64 *result);
int domain_watchdog_init(struct domain *d); /* -ENOMEM */
/* Its vCPUs do not run any more. */
void domain_watchdog_destroy(struct domain *d);

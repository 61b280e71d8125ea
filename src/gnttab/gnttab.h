/* SPDX-License-Identifier: MIT */
/*
 * Grant tables, version 1 only: so far the table itself, which a stock kernel sets up at boot; maps and copies come with
 * the second domain. Reached from hcall/ and domain/; calls mm. A table has a lock of rank GRANT.
 */
#ifndef GNTTAB_GNTTAB_H
#define GNTTAB_GNTTAB_H

#include "core/domain.h"
#include "lib/types.h"

#define GNTTAB_VERSION		1
#define GNTTAB_FRAMES_DEFAULT	64 /* as on Xen */
#define GNTTAB_MAPTRACK_DEFAULT 1024

/* Allocates d->gnttab with its first frame; d->mm is there. -ENOMEM. */
int gnttab_domain_init(struct domain *d);
/* The frames go with d->mm. */
void gnttab_domain_destroy(struct domain *d);

/* Frames now, and as many as there may be. */
void gnttab_size_get(struct domain *d, u32 *frames, u32 *frames_max);
/* At least so many frames. -EINVAL: above the limit; -ENOMEM. Frames once there stay. */
int gnttab_grow(struct domain *d, u32 frames);
/* MFN_NONE beyond the last. */
mfn_t gnttab_frame(struct domain *d, u32 idx);

#endif

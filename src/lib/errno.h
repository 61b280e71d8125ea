/* SPDX-License-Identifier: MIT */
/*
 * Error numbers: those of the public header, under their usual names. Functions return 0 or the negative number.
 * On the host the C library's own numbers are the same ones. No lock.
 */
#ifndef LIB_ERRNO_H
#define LIB_ERRNO_H

#if __STDC_HOSTED__
#include <errno.h>
#ifndef ERESTART
#define ERESTART 85
#endif
#else
#define XEN_ERRNO(name, value) name = value,
enum xen_errno {
#include <xen/errno.h>
	ERESTART = 85 /* never seen by a guest: the call is made again */
};
#endif

#endif

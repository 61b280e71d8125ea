/* SPDX-License-Identifier: MIT */
/*
 * Error numbers: those of the public header, under their usual names. Functions return 0 or the negative number.
 * On the host the C library's own numbers are the same ones. No lock.
 */
#pragma once

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

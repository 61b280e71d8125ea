/* SPDX-License-Identifier: MIT */
/*
 * Comes before every file of the image (-include): all symbols are the image's own, so the compiler reaches them relative to
 * RIP and needs no table of addresses. No lock.
 */
#pragma once

#ifndef __ASSEMBLY__
#pragma GCC visibility push(hidden)
#endif

/* SPDX-License-Identifier: MIT */
/*
 * The one door to the public Xen headers (libxen-dev 4.17): interface version and tool structures chosen once, for
 * everybody. Sizes and offsets that we depend on are pinned in core/abi_check.c. No lock.
 */
#pragma once

#include <stdint.h>

#define __XEN_INTERFACE_VERSION__ 0x00041100
#define __XEN_TOOLS__		  1

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#include <xen/xen.h>

#include <xen/arch-x86/xen-mca.h>
#include <xen/callback.h>
#include <xen/domctl.h>
#include <xen/elfnote.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/hvm/params.h>
#include <xen/io/console.h>
#include <xen/memory.h>
#include <xen/nmi.h>
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/pmu.h>
#include <xen/sched.h>
#include <xen/sysctl.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#pragma GCC diagnostic pop

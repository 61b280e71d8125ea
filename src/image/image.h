/* SPDX-License-Identifier: MIT */
/*
 * The pure parsers of what a boot loader hands over, all together. Each part is a header of its own and can be
 * included alone. No lock anywhere in this folder: everything runs on the boot CPU, on memory that the caller owns.
 */
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include "image/bzimage.h"
#include "image/cmdline.h"
#include "image/e820.h"
#include "image/elf.h"
#include "image/error.h"
#include "image/multiboot.h"
#include "image/unpack.h"

#endif

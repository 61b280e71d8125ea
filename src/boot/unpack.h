/* SPDX-License-Identifier: MIT */
/*
 * Unpacks a bzImage inside the hypervisor. Reached by boot/ before Domain 0 is built; calls image/unpack.h; no lock.
 */
#ifndef BOOT_UNPACK_H
#define BOOT_UNPACK_H

#include "image/bzimage.h"
#include "image/error.h"
#include "lib/types.h"

/* Bytes of scratch memory that boot_unpack() wants for this image; 0: the stream's head is malformed (corrupt). */
size_t boot_unpack_work_bytes(const struct bzimage *image);

/*
 * Unpack the payload that bzimage_parse() found to out[image->unpacked_len]. work[work_bytes], page aligned, becomes
 * the decoder's stack and heap and can be freed afterwards. Runs with interrupts off, for seconds under emulation. Errors
 * as unpack_kernel().
 */
enum image_error boot_unpack(const struct bzimage *image, void *out, void *work, size_t work_bytes);

#endif

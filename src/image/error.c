/* SPDX-License-Identifier: MIT */
/* The sentences for enum image_error. Reached by boot/ when it refuses what a boot loader gave; calls nothing; no lock. */
#include "image/error.h"

#define IMAGE_ERROR_TEXT(name, text) [name] = (text),

static const char *const sentences[IMAGE_ERROR_COUNT] = {IMAGE_ERRORS(IMAGE_ERROR_TEXT)};

const char *image_strerror(enum image_error error)
{
	return (unsigned int)error < IMAGE_ERROR_COUNT ? sentences[error] : "unknown error";
}

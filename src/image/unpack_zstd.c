/* SPDX-License-Identifier: MIT */
/*
 * zstd by libzstd, in one call, so that it needs no window. Reached by unpack.c, outside of the hypervisor's own rules
 * for code (see unpack.h); calls libzstd; no lock.
 */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <zstd_errors.h>

#include "image/unpack.h"

static enum image_error error_convert(size_t result)
{
	ZSTD_ErrorCode code = ZSTD_getErrorCode(result);

	if (code == ZSTD_error_dstSize_tooSmall)
		return IMAGE_OUTPUT_FULL;
	if (code == ZSTD_error_srcSize_wrong)
		return IMAGE_TRUNCATED;
	if (code == ZSTD_error_memory_allocation)
		return IMAGE_ARENA_FULL;
	return IMAGE_DATA_CORRUPT;
}

enum image_error unpack_zstd(const u8 *in, size_t in_len, u8 *out, size_t out_len,
			     struct unpack_arena *arena)
{
	size_t workspace_bytes = ZSTD_estimateDCtxSize();
	void *workspace = unpack_alloc(arena, workspace_bytes);
	ZSTD_DCtx *context;
	size_t result;

	if (!workspace)
		return IMAGE_ARENA_FULL;
	context = ZSTD_initStaticDCtx(workspace, workspace_bytes);
	if (!context)
		return IMAGE_ARENA_FULL;

	/* One frame and nothing behind it: a second one might be of an old format with other needs. */
	result = ZSTD_findFrameCompressedSize(in, in_len);
	if (ZSTD_isError(result))
		return error_convert(result);
	if (result != in_len)
		return IMAGE_DATA_CORRUPT;
	result = ZSTD_decompressDCtx(context, out, out_len, in, in_len);
	if (ZSTD_isError(result))
		return error_convert(result);
	return result == out_len ? IMAGE_OK : IMAGE_OUTPUT_SHORT;
}

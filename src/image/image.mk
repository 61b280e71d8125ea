# SPDX-License-Identifier: MIT
# The glue to Debian's decoders includes their public headers, which want the C library's; the code stays freestanding.
$(OBJ)/image/unpack_%.o: private CFLAGS += -isystem /usr/include/$(shell $(CC) -print-multiarch 2>/dev/null || echo x86_64-linux-gnu) -isystem /usr/include

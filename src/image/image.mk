# SPDX-License-Identifier: MIT
# The glue to Debian's decoders includes their public headers, which want the C library's; the code stays freestanding.
HOSTED_INC := -isystem /usr/include/x86_64-linux-gnu -isystem /usr/include
$(OBJ)/image/unpack.o: private CFLAGS += $(HOSTED_INC)
build/tidy/src/image/unpack.c.ok: private CFLAGS += $(HOSTED_INC)

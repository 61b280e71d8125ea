# SPDX-License-Identifier: MIT
# Test guests: test/guest/x.c and test/guest/lib -> build/guest/test/x.elf
GUESTS      := $(patsubst test/guest/%.c,%,$(wildcard test/guest/*.c))
GUEST_OBJ   := build/test/obj/guest
GUEST_FLAGS := -std=gnu11 -O2 -g -ffreestanding -nostdinc -isystem $(shell $(CC) -print-file-name=include) \
	       -isystem build/include -Itest/guest/lib -fno-pie -mcmodel=kernel -mno-red-zone -mgeneral-regs-only \
	       -fno-stack-protector -fno-strict-aliasing -fno-common -fno-asynchronous-unwind-tables \
	       -fcf-protection=none -fno-omit-frame-pointer -fno-tree-loop-distribute-patterns \
	       -Wall -Wextra -Wshadow -Wvla -Wmissing-prototypes -Werror
GUEST_LIB   := $(patsubst test/guest/lib/%,$(GUEST_OBJ)/lib/%.o,$(wildcard test/guest/lib/*.[cS]))

.PHONY: test-guests
test-guests: $(GUESTS:%=build/guest/test/%.elf)	## build the test guests

build/guest/test/%.elf: $(GUEST_OBJ)/%.c.o $(GUEST_LIB) test/guest/lib/guest.lds | build/guest/test/
	$(Q)$(LD) -nostdlib -static -z max-page-size=4096 -z noexecstack --no-warn-rwx-segments --build-id=none \
		-T test/guest/lib/guest.lds -o $@ $(filter %.o,$^)

# Bare calls, for `make bench`: test/bench/x.c -> build/guest/bench/x.elf
BENCH_GUESTS := $(patsubst %,build/guest/bench/%.elf,calls pair growth)
build/guest/bench/%.elf: $(GUEST_OBJ)/bench/%.c.o $(GUEST_LIB) test/guest/lib/guest.lds | build/guest/bench/
	$(Q)$(LD) -nostdlib -static -z max-page-size=4096 -z noexecstack --no-warn-rwx-segments --build-id=none \
		-T test/guest/lib/guest.lds -o $@ $(filter %.o,$^)

$(GUEST_OBJ)/bench/%.o: test/bench/% test/guest/guest.mk | build/include/xen $$(@D)/
	@echo "  GUESTCC $<"
	$(Q)$(CC) $(GUEST_FLAGS) -MMD -MP -c -o $@ $<

$(GUEST_OBJ)/%.o: test/guest/% test/guest/guest.mk | build/include/xen $$(@D)/
	@echo "  GUESTCC $<"
	$(Q)$(CC) $(GUEST_FLAGS) -MMD -MP -c -o $@ $<

.PRECIOUS: $(GUEST_OBJ)/%.o

.PHONY: check-teeth
check-teeth: build/mica test-guests	## take checks out of Mica, one at a time: do the tests notice?
	$(Q)$(PY) tools/teeth.py $(if $(T),"$(T)")

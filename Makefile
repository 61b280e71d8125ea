# SPDX-License-Identifier: MIT
# Mica: everything a person types. `make help` lists it.
#
#   src/**/*.c, *.S  ->  build/obj/<cc>/...  ->  build/obj/<cc>/mica  ->  build/mica
#   test/unit/x_test.c   ->  build/test/unit/x     (ASan + UBSan; other sources: its "uses:" line; "links:" libraries)
#   test/race/x_test.c   ->  build/test/race/x     (TSan)
#   test/fuzz/x_fuzz.c   ->  build/test/fuzz/x     (libFuzzer + ASan + UBSan)

ifeq ($(origin CC),default)
CC := gcc
endif
HOSTCC  ?= gcc
FUZZCC  ?= clang
OBJCOPY ?= objcopy
LD      := ld
NM      := nm
PY      := /usr/bin/python3
ifndef V
Q := @
endif
MAKEFLAGS += --no-builtin-rules
.SECONDEXPANSION:
.DELETE_ON_ERROR:
.PHONY: all FORCE
all: build/mica		## the image, build/mica (CC=gcc or clang, DEBUG=1, V=1)
FORCE:

# ---------------------------------------------------------------- the image

# VARIANT keeps builds apart; DEBUG=1 adds checks that cost; EXTRA_CFLAGS is yours.
VARIANT := $(notdir $(CC))$(if $(DEBUG),-debug)$(if $(TEETH),-teeth-$(TEETH))
OBJ     := build/obj/$(VARIANT)
# Indirect branches go through src/hw/x86/thunk.S.
THUNKS  := $(if $(findstring clang,$(CC)),-mretpoline -mretpoline-external-thunk,-mindirect-branch=thunk-extern \
	   -mindirect-branch-register) -fno-jump-tables
WARN    := -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wcast-qual -Wundef -Wvla \
	   -Wswitch-enum -Wmissing-prototypes -Wno-unused-parameter -Werror
INC     := -I$(OBJ)/gen -Isrc -Isrc/hw/x86
CFLAGS  := -std=gnu11 -O2 -g -ffreestanding -nostdinc -isystem $(shell $(CC) -print-file-name=include) \
	   -isystem build/include -include lib/hidden.h $(INC) -fPIE -fvisibility=hidden -mcmodel=small -mno-red-zone \
	   -mgeneral-regs-only -fno-stack-protector -fno-strict-aliasing -fno-common \
	   -fno-asynchronous-unwind-tables -fno-omit-frame-pointer -momit-leaf-frame-pointer -fcf-protection=none \
	   $(THUNKS) \
	   $(WARN) -DMICA_DEBUG=$(if $(DEBUG),1,0) $(if $(TEETH),-DTEETH_$(TEETH)=1) $(EXTRA_CFLAGS)
LDFLAGS := -nostdlib -static -no-pie -T src/mica.lds -z max-page-size=4096 -z noexecstack \
	   --no-warn-rwx-segments --gc-sections --build-id=none

# Debian's own decoders: only the members that src/image calls are pulled in.
LIBDIR   := /usr/lib/x86_64-linux-gnu
DECODERS := $(addprefix $(LIBDIR)/,liblzma.a libz.a libzstd.a liblz4.a)

NOT_IN_IMAGE := src/entry/offsets.c
C_SRC := $(filter-out $(NOT_IN_IMAGE),$(sort $(shell find src -name '*.c')))
S_SRC := $(sort $(shell find src -name '*.S'))
OBJS  := $(C_SRC:src/%.c=$(OBJ)/%.o) $(S_SRC:src/%.S=$(OBJ)/%.o)

build/mica: $(OBJ)/mica FORCE
	$(Q)cmp -s $< $@ || cp $< $@

# Linked twice: the second time with the table of the first one's symbols, which lies
# last, so that no address moves (symbols.py --check looks).
$(OBJ)/mica: $(OBJ)/symbols.o $(OBJS)
	@echo "  LD      $@"
	$(Q)$(LD) $(LDFLAGS) -Map $@.map -o $@ $(OBJS) $(OBJ)/symbols.o --start-group $(DECODERS) --end-group
	$(Q)$(NM) -n $@ | $(PY) tools/symbols.py --check $(OBJ)/symbols.S

$(OBJ)/symbols.S: $(OBJ)/mica.1
	@echo "  SYMBOLS $@"
	$(Q)$(NM) -n $< | $(PY) tools/symbols.py > $@

$(OBJ)/mica.1: $(OBJS) $(OBJ)/nosymbols.o src/mica.lds
	@echo "  LD      $@"
	$(Q)$(LD) $(LDFLAGS) -o $@ $(OBJS) $(OBJ)/nosymbols.o --start-group $(DECODERS) --end-group

$(OBJ)/nosymbols.S: tools/symbols.py
	$(Q)$(PY) tools/symbols.py < /dev/null > $@

$(OBJ)/symbols.o $(OBJ)/nosymbols.o: %.o: %.S
	$(Q)$(CC) -c -o $@ $<

$(OBJ)/%.o: src/%.c $(OBJ)/.flags | $(OBJ)/gen/asm_offsets.h $$(@D)/
	@echo "  CC      $<"
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(OBJ)/%.o: src/%.S $(OBJ)/.flags | $(OBJ)/gen/asm_offsets.h $$(@D)/
	@echo "  AS      $<"
	$(Q)$(CC) $(CFLAGS) -D__ASSEMBLY__ -MMD -MP -c -o $@ $<

# Structure offsets for assembly: lines "->NAME value" in the compiler's output.
$(OBJ)/gen/asm_offsets.h: $(OBJ)/entry/offsets.s
	$(Q)mkdir -p $(@D)
	$(Q)$(PY) tools/offsets.py < $< > $@.new
	$(Q)cmp -s $@.new $@ && rm $@.new || { echo "  GEN     $@"; mv $@.new $@; }

$(OBJ)/entry/offsets.s: src/entry/offsets.c $(OBJ)/.flags | $(OBJ)/entry/
	$(Q)$(CC) $(CFLAGS) -MMD -MP -MT $@ -fno-lto $(if $(findstring clang,$(CC)),-fno-integrated-as) -S -o $@ $<

# Rebuild when the flags change.
$(OBJ)/.flags: FORCE | $(OBJ)/ build/include/xen
	$(Q)echo '$(CC) $(CFLAGS)' | cmp -s - $@ || echo '$(CC) $(CFLAGS)' > $@

include src/image/image.mk

build/include/xen:
	$(Q)tools/deps.sh --check
	$(Q)mkdir -p $(@D)
	$(Q)ln -sfn /usr/include/xen $@

%/:
	$(Q)mkdir -p $@

-include $(OBJS:.o=.d) $(OBJ)/entry/offsets.d

.PHONY: debug-objects objects
objects: $(OBJS)	## compile only

.PHONY: clean distclean
clean:			## remove what was built, keep downloads, disks and guests
	rm -rf build/obj build/include build/test build/tidy build/iso build/cov build/mica build/mica.iso
distclean:		## remove build/ altogether
	rm -rf build

.PHONY: deps
deps:			## install the Debian packages of tools/packages that are missing
	$(Q)tools/deps.sh

# ---------------------------------------------------------------- running

.PHONY: guest disk run debug gdb iso
guest:			## kernels and a small initramfs, from Debian packages: build/guest
	$(Q)$(PY) tools/fetch.py

disk: guest		## Domain 0's disk image, from Debian packages: build/dom0
	$(Q)$(PY) tools/disk.py
	$(Q)$(PY) tools/xl_initramfs.py

run: deps		## boot Domain 0 in QEMU: SMP= MEM= CPU= ACCEL= HV=mica|xen MACHINE= DISK= NET=
	$(Q)$(MAKE) --no-print-directory build/mica disk
	$(Q)$(PY) tools/run.py --dom0

debug: build/mica guest	## QEMU halted at the first instruction, gdb attached (tools/mica.gdb)
	$(Q)$(PY) tools/run.py --debug

gdb:			## gdb for a QEMU started elsewhere with GDB=1
	gdb -q -x tools/mica.gdb build/mica

iso: build/mica disk	## build/mica.iso: GRUB for BIOS and UEFI, Mica, kernel and initrd
	$(Q)$(PY) tools/iso.py

# ---------------------------------------------------------------- host tests

HOST_CFLAGS := -std=gnu11 -O1 -g -D_GNU_SOURCE -Isrc -Itest/fake -isystem build/include \
	       -fno-strict-aliasing -fno-omit-frame-pointer -Wall -Wextra -Wshadow -Wvla \
	       -Wno-unused-parameter -Werror -DMICA_HOST=1 -DMICA_DEBUG=1
SAN_unit := -fsanitize=address,undefined -fno-sanitize-recover=all
SAN_race := -fsanitize=thread
SAN_fuzz := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
SAN_cov  := --coverage -O0

links = $(shell sed -n 's,^/\* *links: *\(.*\)\*/ *$$,\1,p' $(1))
# test/fake/whole.c brings all of Mica above src/hw, but for boot/ and what only a real CPU can do.
WHOLE := $(filter-out src/entry/cpu.c src/entry/probe.c src/entry/offsets.c src/lib/string.c src/image/unpack.c, \
	 $(wildcard $(patsubst %,src/%/*.c,lib core policy emul image mm time irq sched evtchn gnttab pv domain debug \
	 hcall entry))) $(patsubst %,test/fake/%.c,machine registers hw_x86 devices whole toolstack)
uses = $(patsubst test/fake/whole.c,$(WHOLE),$(shell sed -n 's,^/\* *uses: *\(.*\)\*/ *$$,\1,p' $(1)))
objs = $(patsubst %.c,build/test/obj/$(1)/%.o,$(2) $(call uses,$(2)))
tests = $(patsubst test/$(1)/%_$(2).c,%,$(wildcard test/$(1)/*_$(2).c))

build/test/unit/%: $$(call objs,unit,test/unit/$$*_test.c) | build/test/unit/
	$(Q)$(HOSTCC) $(SAN_unit) -o $@ $^ -lcmocka -lpthread $(call links,test/unit/$*_test.c)
build/test/race/%: $$(call objs,race,test/race/$$*_test.c) | build/test/race/
	$(Q)$(HOSTCC) $(SAN_race) -o $@ $^ -lcmocka -lpthread
build/test/cov/%: $$(call objs,cov,test/unit/$$*_test.c) | build/test/cov/
	$(Q)$(HOSTCC) $(SAN_cov) -o $@ $^ -lcmocka -lpthread $(call links,test/unit/$*_test.c)
build/test/fuzz/%: $$(call objs,fuzz,test/fuzz/$$*_fuzz.c) | build/test/fuzz/
	$(Q)$(FUZZCC) -fsanitize=fuzzer,address,undefined -o $@ $^ $(call links,test/fuzz/$*_fuzz.c)

define host_object
build/test/obj/$(1)/%.o: %.c Makefile | build/include/xen $$$$(@D)/
	@echo "  HOSTCC  $$< ($(1))"
	$$(Q)$(2) $$(HOST_CFLAGS) $$(SAN_$(1)) -MMD -MP -c -o $$@ $$<
endef
$(eval $(call host_object,unit,$$(HOSTCC)))
$(eval $(call host_object,race,$$(HOSTCC)))
$(eval $(call host_object,cov,$$(HOSTCC)))
$(eval $(call host_object,fuzz,$$(FUZZCC)))
-include $(shell find build/test/obj -name '*.d' 2>/dev/null)
.SECONDARY:

UNIT := $(if $(T),$(T),$(call tests,unit,test))
RACE := $(if $(T),$(T),$(call tests,race,test))
FUZZ := $(if $(T),$(T),$(call tests,fuzz,fuzz))
S    ?= 20

.PHONY: unit race fuzz coverage unit-build fuzz-build
unit-build: $(UNIT:%=build/test/unit/%)
fuzz-build: $(FUZZ:%=build/test/fuzz/%)
unit: unit-build	## host tests under ASan and UBSan (T=name for one)
	$(Q)$(PY) tools/hosttest.py unit $(UNIT)
race: $(RACE:%=build/test/race/%)	## host tests with threads, under TSan (T=name)
	$(Q)$(PY) tools/hosttest.py race $(RACE)
fuzz: fuzz-build	## every fuzzer for S=20 seconds (T=name for one)
	$(Q)$(PY) tools/hosttest.py fuzz --seconds $(S) $(FUZZ)
coverage: $(UNIT:%=build/test/cov/%)	## lines of src/ that the host tests run, each file's and in all
	$(Q)$(PY) tools/coverage.py --min 70 $(UNIT)

.PHONY: print-cflags
print-cflags:
	@echo '$(CFLAGS)'

# ---------------------------------------------------------------- style

FORMATTED = $(if $(F),$(F),$(shell find src test -name '*.[ch]'))
.PHONY: fmt fmt-check tidy layers abi tour size
fmt:			## clang-format everything in place (F="files" for some)
	clang-format -i $(FORMATTED)
fmt-check:		## fail if clang-format would change something
	$(Q)clang-format --dry-run --Werror $(FORMATTED)

TIDY_SRC := $(filter %.c,$(if $(F),$(F),$(C_SRC)))
tidy: $(TIDY_SRC:%=build/tidy/%.ok) build/tidy/cppcheck.ok	## clang-tidy and cppcheck, zero findings (F="files")
build/tidy/%.c.ok: %.c .clang-tidy $$(wildcard $$(dir %)*.h) | $(OBJ)/gen/asm_offsets.h $$(@D)/
	@echo "  TIDY    $<"
	$(Q)clang-tidy --quiet $< -- $(filter-out -fno-lto -Werror -mindirect%,$(TIDY_CFLAGS)) 2>$@.log || \
		{ cat $@.log; exit 1; }
	$(Q)touch $@
TIDY_CFLAGS = $(subst $(shell $(CC) -print-file-name=include),$(shell clang -print-file-name=include),$(CFLAGS))
build/tidy/cppcheck.ok: $(C_SRC) $(shell find src -name '*.h') tools/cppcheck.txt | build/include/xen build/tidy/
	@echo "  CPPCHECK src"
	$(Q)mkdir -p build/tidy/cppcheck
	$(Q)cppcheck --quiet --std=c11 --platform=unix64 --enable=warning,portability,performance \
		--inline-suppr --suppressions-list=tools/cppcheck.txt --error-exitcode=1 \
		--cppcheck-build-dir=build/tidy/cppcheck -DMICA_DEBUG=0 -D__x86_64__=1 -D__GNUC__=12 $(INC) \
		--template='{file}:{line}: {severity}: {message} [{id}]' src
	$(Q)touch $@

layers:			## fail if an include points upward (ARCHITECTURE, "The tree")
	$(Q)$(PY) tools/layers.py

abi:			## fail if doc/abi.md is not what headers, src/hcall and tests say (ABI=--write: mend it)
	$(Q)$(PY) tools/abi.py $(ABI)

tour:			## the first comment of every file, in reading order
	$(Q)$(PY) tools/tour.py

size: build/mica	## lines of source and bytes of image
	$(Q)$(PY) tools/size.py $(OBJ)/mica

-include test/guest/guest.mk

# ---------------------------------------------------------------- everything

.PHONY: check check-quick check-matrix check-oracle soak system xl xl-table
check:			## install what is missing, build, run the tests (not all: see xl, check-matrix, soak), count
	$(Q)$(PY) tools/check.py

check-quick:		## the same without booting anything
	$(Q)$(PY) tools/check.py --quick

system: build/mica disk	## system tests only (T=expression, HV=mica|xen)
	$(Q)$(PY) -m pytest -q test/system -m 'not matrix and not soak and (not xl or daily)' $(if $(T),-k "$(T)") $(if $(HV),--hypervisor $(HV))

xl: build/mica disk	## all tests of guests made by xl, an hour; make check has a third of them (T=expression, HV=mica|xen)
	$(Q)$(PY) -m pytest -q test/system -m 'xl and not soak' $(if $(T),-k "$(T)") $(if $(HV),--hypervisor $(HV))

xl-table: build/mica disk	## make doc/xl.md, the table of xl's verbs
	$(Q)$(PY) -m pytest test/system/test_xl_utils.py -q -k verbs --record

check-matrix: build/mica disk	## the whole matrix of machines
	$(Q)$(PY) -m pytest -v test/system -m 'not soak'

check-oracle: disk	## run the cases on Debian's Xen and keep what it says in test/oracle
	$(Q)$(PY) -m pytest -v test/system -m 'not soak' --hypervisor xen --record

soak: build/mica disk	## an hour of load inside Domain 0 (SOAK=seconds), 1,000 guests made and destroyed, 20 migrations
	$(Q)$(PY) -m pytest -v test/system -m soak

.PHONY: bench bench-doc bench-jobs bench-jobs-doc bench-boot bench-ops bench-life bench-life-doc bench-compare bench-growth bench-quick bench-keep
bench: build/mica $(BENCH_GUESTS) disk	## instructions of operations: native, Xen, Mica, Domain 0 and guest (MODE= WHERE= OP= HV= for some)
	$(Q)$(PY) tools/bench.py table
bench-doc: bench	## the same, and its tables and plots into doc/performance.md
	$(Q)tools/deps.sh
	$(Q)$(PY) tools/bench_doc.py
bench-jobs: build/mica disk	## instructions of whole jobs, devices and network too, natively, on Xen and on Mica (MODE= WHERE=dom0|guest|disk OP= HV=)
	$(Q)$(PY) tools/bench_jobs.py
bench-jobs-doc: build/mica disk	## the same, and its tables into doc/performance.md; what failed or was not asked for stays as it is there
	$(Q)$(PY) tools/bench_jobs.py; status=$$?; $(PY) tools/bench_doc.py jobs && exit $$status
bench-boot: build/mica guest	## instructions that Xen and Mica take while Domain 0 boots (HV= for one, PROFILE=1)
	$(Q)$(PY) tools/bench.py boot
bench-ops: build/mica $(BENCH_GUESTS) guest	## hypervisor's, kernel's and user's part of operations (HV= MODE= OP=, PROFILE=1 or a name)
	$(Q)$(PY) tools/bench.py ops
bench-life: build/mica disk	## the hypervisor's work for a guest made and destroyed, moved or saved; memory that it keeps (HV= WAY= for one)
	$(Q)$(PY) tools/bench_life.py
bench-life-doc: bench-life	## the same, and its tables into doc/performance.md
	$(Q)$(PY) tools/bench_doc.py life
bench-compare: build/mica $(BENCH_GUESTS) guest	## what a change does: BASE=ref beside this tree (MODE= OP=)
	$(Q)$(PY) tools/bench.py compare
bench-growth: build/mica $(BENCH_GUESTS) disk	## each cost against more guests, memory, vCPUs, ports, grants; into doc/performance.md (AXIS= HV= for some)
	$(Q)tools/deps.sh
	$(Q)$(PY) tools/bench_growth.py
bench-quick: build/mica $(BENCH_GUESTS) disk	## fail if an operation costs Mica more than test/bench/expected.json says
	$(Q)$(PY) tools/bench.py quick
bench-keep: build/mica $(BENCH_GUESTS) disk	## make that file
	$(Q)$(PY) tools/bench.py keep

.PHONY: help
help:			## this list
	$(Q)sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile test/guest/guest.mk | expand -t 22

# Apus for C: libapus.a, libapus.so.0, apus.pc, the tests and the checks. GNU make; everything is made under build/<variant>/.
#
#   make                 the library (VARIANT=release; also debug, tsan, asan, aarch64)
#   make install         PREFIX=/usr/local DESTDIR=; `make uninstall` takes it away again
#   make test            every C test in this VARIANT; `make test-asan`, `make test-tsan` the same under the sanitizers
#   make soak            the torture at full size under both sanitizers
#   make test-all        what .ci/run runs: tests, sanitizers, four-node machine, layers, ABI, aarch64, examples, Swift
#   make bench           Apus beside other runtimes, which it installs as far as it can; -full, -scaling, -numa: longer, by cores, by nodes
#   make deps            installs the packages that all of this needs (Debian and its like)

VERSION = 0.1.0
SOVERSION = 0
VARIANT ?= release
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BUILD = build/$(VARIANT)
comma = ,

# cc and g++ here are GNU's: gcc's ThreadSanitizer works on plain C as it is.
ifeq ($(origin CC),default)
CC = gcc
endif
ifeq ($(origin CXX),default)
CXX = g++
endif

CPPFLAGS_APUS = -ICSources -ICSources/include
CFLAGS_APUS = -std=gnu11 -g -Wall -Wextra -Werror -fPIC -fvisibility=hidden -ftls-model=initial-exec \
              -fno-semantic-interposition -fstack-clash-protection -pthread
CFLAGS_release = -O2
CFLAGS_debug = -O1 -DAPUS_DEBUG -DAPUS_INJECT
CFLAGS_asan = -O1 -DAPUS_DEBUG -DAPUS_INJECT -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CFLAGS_coverage = -O1 -DAPUS_DEBUG -DAPUS_INJECT --coverage
CFLAGS_tsan = -O1 -DAPUS_DEBUG -DAPUS_INJECT -fsanitize=thread -fno-omit-frame-pointer
ALL_CFLAGS = $(CPPFLAGS_APUS) $(CFLAGS_APUS) $(CFLAGS_$(VARIANT)) $(CPPFLAGS) $(CFLAGS)
CFLAGS_aarch64 = -O2
LDLIBS_APUS = -lurcu-memb -lurcu-cds -lurcu-common -lnuma -pthread

# The aarch64 build is for tests on another machine: cross-compiled, linked statically, run by user-mode emulation.
ifeq ($(VARIANT),aarch64)
CC = aarch64-linux-gnu-gcc
CPPFLAGS_APUS += -isystem build/aarch64-sysroot/include
LDFLAGS += -static -Wl,--no-warnings -Lbuild/aarch64-sysroot/lib
export RUNNER = qemu-aarch64-static
NEEDS = build/deps/core build/deps/aarch64 build/aarch64-sysroot
else
NEEDS = build/deps/core
endif

# `make V=1` shows whole commands.
Q = $(if $(V),,@)
say = $(if $(V),,@echo "$1 $@")

# The tree is read once; a folder that is not there yet adds nothing.
SOURCES := $(sort $(shell find CSources -name '*.c' -o -name '*.S'))
OBJECTS := $(patsubst CSources/%,$(BUILD)/obj/%.o,$(SOURCES))
HEADERS := $(sort $(wildcard CSources/include/apus/*.h))
TEST_FOLDERS = torture simulation faults conformance unit abi
TESTS := $(patsubst Tests/C/%.c,$(BUILD)/tests/%,$(foreach folder,$(TEST_FOLDERS),$(sort $(wildcard Tests/C/$(folder)/*_test.c))))

.PHONY: all install uninstall test test-asan test-tsan test-faults soak test-aarch64 test-numa test-all tests \
        bench bench-full bench-scaling bench-numa bench-smoke test-bench deps check-layers check-abi abi-dump check-aarch64 examples gates swift swift-command swift-docc swift-sanitize \
        clean
.DELETE_ON_ERROR:
.SECONDARY:

all: $(BUILD)/libapus.a $(BUILD)/libapus.so $(BUILD)/apus.pc

# Packages. A stamp for each group of needs keeps the common case free of any look-up. One at a time: apt does not wait for itself.
build/deps/%: Tests/deps.sh
	@mkdir -p $(@D)
	@flock $(@D)/lock Tests/deps.sh $*
	@touch $@

deps: build/deps/core build/deps/models build/deps/abi build/deps/gates build/deps/aarch64 build/deps/numa build/deps/bench

# The library. Compiler flags are part of what an object depends on, so changing this file builds anew.
$(BUILD)/obj/%.o: CSources/% Makefile | $(NEEDS)
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/libapus.a: $(OBJECTS)
	$(call say,AR)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

# nodelete: carriers and thread-exit hooks run library code, so a dlclose must not unmap it.
$(BUILD)/libapus.so.$(VERSION): $(OBJECTS)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_CFLAGS) -shared -Wl,-soname,libapus.so.$(SOVERSION) $(if $(filter release debug,$(VARIANT)),-Wl$(comma)-z$(comma)defs) \
	    -Wl,-z,nodelete -Wl,-z,relro -Wl,-z,now $(LDFLAGS) -o $@ $^ $(LDLIBS_APUS)

$(BUILD)/libapus.so.$(SOVERSION): $(BUILD)/libapus.so.$(VERSION)
	@ln -sf $(<F) $@
$(BUILD)/libapus.so: $(BUILD)/libapus.so.$(SOVERSION)
	@ln -sf $(<F) $@

define APUS_PC
prefix=$(PREFIX)
libdir=$(LIBDIR)
includedir=$(INCLUDEDIR)

Name: apus
Description: Erlang-style processes, links and supervisors for C
Version: $(VERSION)
Requires.private: liburcu-memb liburcu-cds numa
Libs: -L$${libdir} -lapus
Libs.private: -lurcu-common -pthread
Cflags: -I$${includedir}
endef

# Written each time, because PREFIX may differ from the last run.
export APUS_PC
.PHONY: $(BUILD)/apus.pc
$(BUILD)/apus.pc:
	@mkdir -p $(@D)
	@printf '%s\n' "$$APUS_PC" >$@

install: all
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR)/apus
	install -m 644 $(HEADERS) $(DESTDIR)$(INCLUDEDIR)/apus
	install -m 644 $(BUILD)/libapus.a $(DESTDIR)$(LIBDIR)
	install -m 755 $(BUILD)/libapus.so.$(VERSION) $(DESTDIR)$(LIBDIR)
	ln -sf libapus.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libapus.so.$(SOVERSION)
	ln -sf libapus.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libapus.so
	install -m 644 $(BUILD)/apus.pc $(DESTDIR)$(LIBDIR)/pkgconfig

uninstall:
	rm -f $(addprefix $(DESTDIR)$(LIBDIR)/,libapus.a libapus.so libapus.so.$(SOVERSION) libapus.so.$(VERSION) pkgconfig/apus.pc)
	rm -rf $(DESTDIR)$(INCLUDEDIR)/apus

# Tests. They link the archive, so that unit tests reach functions that are hidden in the shared library. `make test` goes on after a
# test that does not compile, and counts it as failed; `make test ONLY=unit/wheel_test` runs one, ONLY='torture/%' a folder. Those that
# take longest come first. The models of the protocols under Tests/models/ need no library: they run once, with the release build.
ONLY ?=
CHOSEN_TESTS = $(if $(ONLY),$(filter $(addprefix $(BUILD)/tests/,$(ONLY)),$(TESTS)),$(TESTS))
MODELS = $(if $(ONLY),,$(if $(filter release,$(VARIANT)),$(wildcard Tests/models/run.sh)))

$(BUILD)/tests/%: Tests/C/%.c $(BUILD)/libapus.a Makefile
	$(call say,TEST)
	@mkdir -p $(@D) && rm -f $@
	$(Q)$(CC) $(ALL_CFLAGS) -ITests/C -MMD -MP -MF $@.d $(LDFLAGS) -o $@ $< $(BUILD)/libapus.a $(LDLIBS_APUS) -lm

tests: $(CHOSEN_TESTS)

test: | $(if $(MODELS),build/deps/models)
	@built=0; $(MAKE) --no-print-directory -k VARIANT=$(VARIANT) tests || built=$$?; \
	    Tests/run.sh $(VARIANT) $(MODELS) $(CHOSEN_TESTS) && exit $$built

# The sanitizers slow the code by 3 to 15 times: longer limits, and under ThreadSanitizer less torture. `make soak` is the torture at
# its full size, 10,000,000 operations of all kinds among it, under both; about ten minutes on two cores.
test-asan:
	@TEST_SLOW=4 TEST_SCALE=1 $(MAKE) --no-print-directory VARIANT=asan test
test-tsan:
	@TEST_SLOW=8 TEST_SCALE=0.2 $(MAKE) --no-print-directory VARIANT=tsan test
soak:
	@failed=0; for variant in asan tsan; do \
	    TEST_SLOW=60 TEST_SCALE=1 $(MAKE) --no-print-directory VARIANT=$$variant ONLY='torture/%' test || failed=1; \
	done; exit $$failed

# What faults do may depend on how the code was compiled: the release build is tested with all the others.
test-faults:
	@TEST_SLOW=2 $(MAKE) --no-print-directory VARIANT=debug ONLY='faults/%' test

# The same tests as aarch64 code: the other switch of stacks, the other atomics. What emulation on x86-64 cannot show is the weaker
# order of memory.
test-aarch64:
	@TEST_SLOW=8 TEST_SCALE=0.05 $(MAKE) --no-print-directory VARIANT=aarch64 test
build/aarch64-sysroot: Tests/aarch64/sysroot.sh
	@Tests/aarch64/sysroot.sh $@

# Four NUMA nodes on one machine: a static test set as the init of a kernel under emulation.
test-numa: $(BUILD)/libapus.a | build/deps/numa
	@CC='$(CC)' CFLAGS='$(ALL_CFLAGS)' Tests/numa/run.sh $(BUILD)

include Tests/prove.mk

# Checks of the sources.
check-layers:
	@Tests/layers.sh
check-abi: all | build/deps/abi
	@CC='$(CC)' CXX='$(CXX)' Tests/abi.sh check $(BUILD)/libapus.so.$(SOVERSION)
abi-dump: all | build/deps/abi
	@CC='$(CC)' CXX='$(CXX)' Tests/abi.sh dump $(BUILD)/libapus.so.$(SOVERSION)
check-aarch64:
	@$(MAKE) --no-print-directory VARIANT=aarch64 build/aarch64/libapus.a
	@echo "aarch64: $(words $(SOURCES)) passed, 0 failed"
gates: all | build/deps/gates
	@CC='$(CC)' Tests/gates.sh $(BUILD)

# The examples are built as a stranger would: against an installed copy, by pkg-config.
examples:
	@rm -rf build/prefix
	@$(MAKE) --no-print-directory VARIANT=release PREFIX=$(CURDIR)/build/prefix install >/dev/null
	@CC='$(CC)' CXX='$(CXX)' Tests/examples.sh build/prefix

swift:
	@Tests/swift.sh
swift-command:
	@Tests/swift_command.sh
swift-docc:
	@Tests/docc.sh
swift-sanitize:
	@Tests/swift_sanitize.sh

# What the other runtimes need is installed once. What cannot be had is named, left out, and tried again the next time; Swift is not
# missed, because Debian does not have it.
build/deps/peers: Benchmarks/setup.sh
	@mkdir -p $(@D)
	@flock $(@D)/lock $(if $(filter-out 0,$(shell id -u)),sudo) Benchmarks/setup.sh >$@.log || true; cat $@.log
	@! grep -q '^ready:' $@.log || sed 's/ swift-actors//' $@.log | grep -q '^skipped.*: ' || touch $@

bench bench-full bench-scaling: all | build/deps/peers build/deps/bench
	@Benchmarks/bench $(patsubst bench,quick,$(patsubst bench-%,%,$@))
# What crosses a border between nodes, counted on the machine of test-numa; the next report has the table.
bench-numa: all | build/deps/bench build/deps/numa
	@CC='$(CC)' CFLAGS='$(ALL_CFLAGS)' NUMA_TESTS=Benchmarks/numa/counts.c Tests/numa/run.sh $(BUILD)
	@mkdir -p build/bench
	@Benchmarks/bench numa build/numa/console.log build/bench/numa.json
# What faults and long callbacks cost (docs/guides/faults.md).
bench-faults: all
	$(Q)$(CC) -std=gnu11 -O2 -Wall -Wextra -Werror -ICSources/include -o $(BUILD)/faults Benchmarks/C/faults.c $(BUILD)/libapus.a $(LDLIBS_APUS)
	$(BUILD)/faults
bench-smoke: all | build/deps/bench
	@Tests/smoke.sh
test-bench: | build/deps/bench
	@Tests/bench.sh

test-all:
	@Tests/all.sh

clean:
	rm -rf build

-include $(OBJECTS:.o=.d) $(addsuffix .d,$(TESTS))

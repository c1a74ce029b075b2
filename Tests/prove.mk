# Tests/prove.mk - the part of the Makefile that proves: the comparison with OTP, and all that `make prove` runs.
.PHONY: prove test-otp test-otp-nightly otp-page test-weak test-fuzz test-fuzz-nightly \
        test-mutation test-mutation-nightly test-soak soak-hour coverage

deps: build/deps/otp

# The same scenarios on a real Erlang/OTP; docs/otp.md is the table of what was seen.
$(BUILD)/otp/%: Tests/otp/%.c $(BUILD)/libapus.a Makefile Tests/prove.mk
	$(call say,TEST)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -MF $@.d $(LDFLAGS) -o $@ $< $(BUILD)/libapus.a $(LDLIBS_APUS)
OTP = $(BUILD)/otp/play $(BUILD)/otp/generate
test-otp: $(OTP) | build/deps/otp
	@Tests/otp/run.sh $(BUILD)/otp
test-otp-nightly: $(OTP) | build/deps/otp
	@Tests/otp/run.sh $(BUILD)/otp --random 100000
otp-page: $(OTP) | build/deps/otp
	@Tests/otp/run.sh $(BUILD)/otp --random 0 --write
-include $(OTP:%=%.d)

# The lock-free code under every order of C11's memory model, and by real threads, for aarch64 under emulation too.
$(BUILD)/weak/%: Tests/weak/%.c Tests/weak/explore.h $(BUILD)/libapus.a Makefile Tests/prove.mk
	$(call say,TEST)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -MF $@.d $(LDFLAGS) -o $@ $< $(BUILD)/libapus.a $(LDLIBS_APUS)
test-weak: $(BUILD)/weak/weak_test $(BUILD)/weak/litmus
	@$(MAKE) --no-print-directory VARIANT=aarch64 build/aarch64/weak/litmus
	@Tests/run.sh weak $^
	@RUNNER=qemu-aarch64-static Tests/run.sh aarch64 build/aarch64/weak/litmus
-include $(wildcard $(BUILD)/weak/*.d)

# The public functions with whatever arguments, and the parsers with whatever texts.
test-fuzz: | build/deps/core
	@Tests/fuzz/run.sh 20
test-fuzz-nightly: | build/deps/core
	@Tests/fuzz/run.sh 1800

# The core changed in one place at a time: does a test notice?
test-mutation: all
	@python3 Tests/mutation/mutate.py $(BUILD) 12 1
test-mutation-nightly: all
	@python3 Tests/mutation/mutate.py $(BUILD)

# Everything at once for a while: invariants, and memory that comes to rest.
$(BUILD)/soak: Tests/soak/soak.c $(BUILD)/libapus.a Makefile Tests/prove.mk
	$(call say,TEST)
	$(Q)$(CC) $(ALL_CFLAGS) -ITests/C $(LDFLAGS) -o $@ $< $(BUILD)/libapus.a $(LDLIBS_APUS)
test-soak: $(BUILD)/soak
	@$< 60
soak-hour: $(BUILD)/soak
	@$< 3600

# Lines of the core, and of the Swift package, that the tests reach.
coverage:
	@TEST_SCALE=0.2 TEST_SLOW=4 $(MAKE) --no-print-directory VARIANT=coverage test || true
	@Tests/coverage.sh build/coverage
	@if command -v swift >/dev/null; then swift test --enable-all-traits --enable-code-coverage || true; \
	    python3 Tests/coverage_swift.py "$$(swift test --enable-all-traits --show-codecov-path)"; fi

# What continuous integration runs of all this. The models run with `make test`.
PROVE = test-otp test-weak test-fuzz test-soak
prove:
	@Tests/prove.sh $(PROVE)

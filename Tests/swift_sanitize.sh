#!/usr/bin/env bash
# Tests/swift_sanitize.sh [SANITIZER...] - the Swift tests under ThreadSanitizer and AddressSanitizer ("thread", "address"), C core included.
# Each has a build of its own under build/. A report fails the run. The last line is "swift-sanitize: N passed, N failed".
#
# The tests of faults leave themselves out: a sanitizer takes the signals of a fault for its own report. Not believed are reports of
#   - races where a task goes on after a continuation: the runtime of tasks, which is not instrumented, orders the two accesses;
#   - races on what Registry keeps under a Mutex of the standard library: whoever waited for it was ordered by that library, likewise;
#   - leaks in XCTest, and where two threads have described one type of message at once: one description is kept, for ever.
set -uo pipefail
cd "$(dirname "$0")/.."
command -v swift >/dev/null || {
    echo "swift-sanitize: no toolchain on this machine, left out"
    exit 0
}
[ $# -gt 0 ] || set -- thread address
log=$(mktemp)
races=$(mktemp)
leaks=$(mktemp)
trap 'rm -f "$log" "$races" "$leaks"' EXIT
printf 'race:%s\n' withUnsafeContinuation s4Apus8RegistryC5isRun2by >"$races"
printf 'leak:%s\n' libXCTest.so addMessageType makeServerProgram >"$leaks"
export TSAN_OPTIONS="suppressions=$races ${TSAN_OPTIONS:-}"
export LSAN_OPTIONS="suppressions=$leaks:print_suppressions=0 ${LSAN_OPTIONS:-}"
passed=0
failed=0
for sanitizer in "$@"; do
    timeout --kill-after=10 900 swift test --sanitize="$sanitizer" --scratch-path "build/swift-$sanitizer" 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    passed=$((passed + $(grep -vE 'Test run with' "$log" | grep -cE 'Test .* passed after [0-9.]+ seconds')))
    bad=$(grep -cE "Test .* failed after|WARNING: ThreadSanitizer|ERROR: (Address|Leak)Sanitizer" "$log")
    [ "$status" -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
    failed=$((failed + bad))
done
echo "swift-sanitize: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

#!/usr/bin/env bash
# Tests/swift.sh - builds the Swift package and runs its tests, where there is a Swift toolchain. The build counts as one test.
set -uo pipefail
cd "$(dirname "$0")/.."
command -v swift >/dev/null || {
    echo "swift: no toolchain on this machine, left out"
    exit 0
}
swift build --quiet --enable-all-traits || {
    echo "swift: 0 passed, 1 failed"
    exit 1
}
status=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if compgen -G 'Tests/*Tests/*.swift' >/dev/null; then
    swift test --enable-all-traits 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
fi
# What traps raise depends on the optimiser.
if [ "$status" -eq 0 ] && [ -e Tests/ApusTests/FaultTests.swift ]; then
    swift test -c release --filter FaultTests 2>&1 | tee -a "$log"
    status=${PIPESTATUS[0]}
fi
# Swift Testing says "Test name() passed after 0.1 seconds", XCTest "Test Case 'name' passed (0.1 seconds)".
count() { grep -vE 'Test run with' "$log" | grep -cE "Test .* $1 (after [0-9.]+ seconds|\([0-9.]+ seconds\))"; }
passed=$(($(count passed) + 1))
failed=$(count failed)
[ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
# The examples: each has 60 s, ends with status 0 and prints what its expected.txt says.
for folder in Examples/Swift/*/; do
    if timeout 60 ".build/debug/$(basename "$folder")" 2>"$log" | diff - "$folder/expected.txt"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $folder"
        tail -n 40 "$log"
    fi
done
echo "swift: $passed passed, $failed failed"
[ "$failed" -eq 0 ]

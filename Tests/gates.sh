#!/usr/bin/env bash
# Tests/gates.sh BUILD - the exact figures that may not grow: what can be counted to the last unit, so that a change is a change of
# the code and not of the weather. Each gate is an executable Tests/gates/*.sh that gets BUILD, prints what it counted beside its limit,
# and fails above it.
set -uo pipefail
cd "$(dirname "$0")/.."
passed=0
failed=0
for gate in Tests/gates/*.sh; do
    [ -x "$gate" ] || continue
    if "$gate" "$1"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $gate"
    fi
done
echo "gates: $passed passed, $failed failed"
[ "$failed" -eq 0 ]

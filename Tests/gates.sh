#!/usr/bin/env bash
# Tests/gates.sh BUILD - the exact figures that may not grow: what can be counted to the last unit, so that a change is a change of
# the code and not of the weather. Each gate is an executable Tests/gates/*.sh that gets BUILD, prints what it counted beside its limit,
# and at last "N passed, N failed". The last line is the sum of those.
set -uo pipefail
cd "$(dirname "$0")/.."
[ "$(uname -m)" = x86_64 ] || {
    echo "gates: the instructions that are counted are those of x86-64, left out"
    exit 0
}
passed=0
failed=0
for gate in Tests/gates/*.sh; do
    printed=$("$gate" "$1")
    closing=$(tail -n 1 <<<"$printed" | grep -E '^[0-9]+ passed, [0-9]+ failed$' || echo "0 passed, 1 failed")
    echo "$gate"
    echo "$printed"
    read -r gate_passed _ gate_failed _ <<<"$closing"
    passed=$((passed + gate_passed))
    failed=$((failed + gate_failed))
done
echo "gates: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

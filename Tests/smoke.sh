#!/usr/bin/env bash
# Tests/smoke.sh - a tiny run of every workload of Apus, in C and in the two forms of Swift: does it pass its own check of counts and sums?
# And is the report that is made of it well formed? Says nothing about time. A workload on one number of cores is one of the count at the end.
set -uo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
Benchmarks/bench smoke 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
passed=$(grep -cE '^bench: \[.*\] apus-(c|swift|swift-async),' "$log")
failed=$(grep -cE '^bench: \[.* FAILED: ' "$log")
[ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
read -r html markdown <<<"$(sed -n 's/^Report: \([^,]*\), \(.*\.md\)\. .*/\1 \2/p' "$log")"
if python3 -B Benchmarks/tests/check_report.py "${html:-none}" "${markdown:-none}"; then
    passed=$((passed + 1))
else
    failed=$((failed + 1))
fi
echo "bench-smoke: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 1 ]

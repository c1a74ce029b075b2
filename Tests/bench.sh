#!/usr/bin/env bash
# Tests/bench.sh - unit tests of the benchmark driver: statistics, report, plots, the contract with the peers.
set -uo pipefail
cd "$(dirname "$0")/../Benchmarks"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
python3 -B -m unittest discover -t . -s tests 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
ran=$(sed -n 's/^Ran \([0-9]*\) tests\? .*/\1/p' "$log" | tail -n 1)
failed=$(grep -cE "^(FAIL|ERROR): " "$log")
[ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
echo "bench: $((${ran:-0} - failed)) passed, $failed failed"
[ "$failed" -eq 0 ] && [ "${ran:-0}" -gt 0 ]

#!/usr/bin/env bash
# Tests/all.sh - every check there is, one after the other; what `make test-all` and .ci/run run.
#
# A step that fails does not stop the next. The log of each is under build/logs; on the terminal stand its closing lines and time, and
# the whole log if it fails. The last line is the total, "N passed, N failed"; a step that fails without counting counts as one, and so
# does one that is not done after STEP_LIMIT seconds, which is ended.
set -uo pipefail
cd "$(dirname "$0")/.."
steps=(check-layers check-abi check-aarch64 test test-faults test-asan test-tsan test-aarch64 examples test-numa gates prove test-bench bench-smoke swift swift-command swift-docc)
unset MAKEFLAGS MFLAGS MAKELEVEL # each step is a make of its own, not a part of the one that called
mkdir -p build/logs
passed=0
failed=0
for step in "${steps[@]}"; do
    log=build/logs/$step.log
    start=$SECONDS
    timeout --kill-after=10 "${STEP_LIMIT:-1200}" make --no-print-directory -k -j2 "$step" >"$log" 2>&1
    status=$?
    [ "$status" -ne 124 ] || echo "not done after ${STEP_LIMIT:-1200} seconds" >>"$log"
    # The last closing line of a step is its total; those before it are parts.
    closing=$(grep -aE '^([a-z0-9-]+: )?[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1 | grep -oE '[0-9]+ passed, [0-9]+ failed')
    read -r step_passed _ step_failed _ <<<"${closing:-0 passed, 0 failed}"
    if [ "$status" -ne 0 ]; then
        [ "$step_failed" -gt 0 ] || step_failed=1
        tail -n 400 "$log"
    fi
    passed=$((passed + step_passed))
    failed=$((failed + step_failed))
    printf '%s: %d passed, %d failed\n' "$step" "$step_passed" "$step_failed"
    printf '    (%d s)\n' $((SECONDS - start))
done
printf '    (%d s in all)\n' $SECONDS
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

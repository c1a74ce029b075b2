#!/usr/bin/env bash
# Tests/run.sh LABEL BINARY... - runs test binaries, JOBS at a time (default 2), and keeps going after a failure.
#
# Prints one line for each binary, with its seconds, the whole output of those that fail, and at last "N passed, N failed" over all
# their tests. A binary that ends without its closing line counts as one failure. Exit status 0 only if something passed and nothing
# failed.
set -uo pipefail
label=$1
shift
[ $# -gt 0 ] || {
    echo "$label: no tests"
    echo "0 passed, 0 failed"
    exit 0
}

# Options for the sanitizers; ignored by the other variants. ThreadSanitizer wants its addresses where it expects them, which kernels
# with much address randomisation do not grant.
plain=()
if [ "$label" = tsan ] && setarch "$(uname -m)" -R true 2>/dev/null; then plain=(setarch "$(uname -m)" -R); fi
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=0:abort_on_error=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

if [ "$label" = aarch64 ] && [ "$(uname -m)" != aarch64 ]; then export TEST_EMULATED=1; fi

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

run_one() { # run_one LOGS BINARY
    local log began=$SECONDS
    log=$1/$(echo "$2" | tr / _)
    $RUNNER "$2" >"$log" 2>&1
    local status=$? closing
    closing=$(grep -aE '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
    if [ -z "$closing" ]; then
        closing="0 passed, 1 failed"
        echo "FAIL the runner ended with status $status and no closing line" >>"$log"
    fi
    echo "$closing" >>"$1/totals"
    [[ $closing == *", 0 failed" ]] || cat "$log"
    echo "${2#build/}: $closing ($((SECONDS - began)) s)"
}
export -f run_one
export RUNNER=${RUNNER:-} # what runs a binary of another machine

printf '%s\0' "$@" | ${plain[@]+"${plain[@]}"} xargs -0 -n 1 -P "${JOBS:-2}" bash -c 'run_one "$0" "$1"' "$logs"

awk '{passed += $1; failed += $3} END {print passed " passed, " failed " failed"; exit failed > 0 || passed == 0}' "$logs/totals"

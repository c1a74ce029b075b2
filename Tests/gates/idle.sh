#!/usr/bin/env bash
# Tests/gates/idle.sh BUILD - a runtime that has nothing to do does nothing: ten seconds of 100 waiting processes and a far timer.
. "$(dirname "$0")/gate.bash"
program idle
read -r ticks switches < <("$OUT/idle" 10)
at_most 1 "${ticks:-}" "clock ticks of processor time in 10 s of idling"
at_most 0 "${switches:-}" "wake-ups of the runtime's threads in 10 s of idling"
closing

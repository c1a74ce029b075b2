#!/usr/bin/env bash
# Tests/gates/growth.sh BUILD - sending, spawning and linking cost the same however many processes there are: instructions for each,
# the part of the other side with it, with 1,000 and with 1,000,000 idle processes.
. "$(dirname "$0")/gate.bash"
program growth
count=20000

instructions() { # instructions OPERATION PROCESSES
    quietly valgrind --tool=callgrind --instr-atstart=no --callgrind-out-file="$work/counts" "$OUT/growth" "$1" "$2" $count &&
        awk '/^totals:/ {print $2; exit}' "$work/counts"
}

for operation in send spawn link; do
    few=$(instructions $operation 1000)
    many=$(instructions $operation 1000000)
    at_most 1.5 "$(each "$many" 0 "$few")" \
        "$operation with 1,000,000 processes ($(each "$many" 0 $count) instructions) against 1,000 ($(each "$few" 0 $count))"
done
closing

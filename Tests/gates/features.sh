#!/usr/bin/env bash
# Tests/gates/features.sh BUILD - what containing faults and rescuing long callbacks cost a message: nothing. A ping-pong with both on
# and one with both off execute the same number of instructions in the turns of their processes (apus__run_messages), to one in a hundred
# messages, and none that locks.
#
# The program is linked dynamically, since faults cannot be judged in another; first it shows that both features are there.
. "$(dirname "$0")/gate.bash"
program features -no-pie -Wl,-z,now
if "$OUT/features" show 1000 2>"$work/report" && grep -q SIGILL "$work/report"; then shown=0; else shown=1; fi
at_most 0 $shown "1 if a fault or a long callback does harm"

declare -A locked all
for mode in on off; do
    read -r short_locked short_all < <(executed "$OUT/features" --toggle-collect=apus__run_messages -- "$mode" 1000)
    read -r long_locked long_all < <(executed "$OUT/features" --toggle-collect=apus__run_messages -- "$mode" 11000)
    locked[$mode]=$(each "$long_locked" "$short_locked" 20000)
    all[$mode]=$(each "$long_all" "$short_all" 20000)
    at_most 0.001 "${locked[$mode]}" "locked instructions per message in the turns of a ping-pong, both $mode"
    at_most 250 "${all[$mode]}" "instructions per message in the turns of a ping-pong, both $mode"
done
at_most 0.01 "$(awk -v on="${all[on]:-x}" -v off="${all[off]:-y}" 'BEGIN {if (on ~ /^[0-9]/ && off ~ /^[0-9]/) printf "%.4f", (on > off ? on - off : off - on)}')" \
    "instructions per message by which they differ"
closing

#!/usr/bin/env bash
# Tests/gates/locked.sh BUILD - locked instructions for each message.
#
# The difference of a short and a long run leaves out start and stop. The C library and liburcu are counted too.
#   steady ping-pong     two processes on one scheduler, the whole program
#   from a plain thread  which sends to one process, the sender's side: everything inside apus_send
. "$(dirname "$0")/gate.bash"
benchmarks
program outside

read -r short_locked short_all < <(executed "$OUT/bench/bench" -- pingpong 1 0.01)
read -r long_locked long_all < <(executed "$OUT/bench/bench" -- pingpong 1 0.05)
messages=80000 # 2,000,000 at scale 1
at_most 1.1 "$(each "$long_locked" "$short_locked" $messages)" "locked instructions per message of a steady ping-pong"
at_most 400 "$(each "$long_all" "$short_all" $messages)" "instructions per message of a steady ping-pong"

read -r short_locked short_all < <(executed "$OUT/outside" --toggle-collect=apus_send -- 10000)
read -r long_locked long_all < <(executed "$OUT/outside" --toggle-collect=apus_send -- 100000)
at_most 1.1 "$(each "$long_locked" "$short_locked" 90000)" "locked instructions per message from a plain thread, sender's side"
at_most 400 "$(each "$long_all" "$short_all" 90000)" "instructions per message from a plain thread, sender's side"
closing

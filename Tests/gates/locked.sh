#!/usr/bin/env bash
# Tests/gates/locked.sh BUILD - locked instructions for each message.
#
# callgrind counts how often each instruction is executed, objdump says which of them lock the bus: those with a lock prefix, xchg with
# memory, and mfence, which costs the same. The difference of a short and a long run leaves out start and stop. The C library and
# liburcu are counted too.
#   steady ping-pong     two processes on one scheduler, the whole program
#   from a plain thread  which sends to one process, the sender's side: everything inside apus_send
. "$(dirname "$0")/gate.bash"
benchmarks
program outside

# executed PROGRAM CALLGRIND-OPTION... -- ARGUMENT... - prints "LOCKED ALL", the instructions executed. In callgrind's file the line
# after "calls=" counts the callee once more.
executed() {
    local program=$1 options=()
    shift
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    objdump -d --no-show-raw-insn "$program" | awk '
        /^ +[0-9a-f]+:\t/ && (/\tlock / || /\tmfence/ || (/\txchg / && /\(|%[fg]s:/)) {
            sub(/:.*/, "", $1)
            print "0x" $1
        }' >"$work/locked"
    valgrind -q --tool=callgrind --dump-instr=yes --compress-pos=no --compress-strings=no --callgrind-out-file="$work/counts" \
        "${options[@]}" "$program" "$@" >/dev/null && awk '
        NR == FNR { locked[$1] = 1; next }
        /^calls=/ { getline; next }
        /^0x/ { all += $3; if ($1 in locked) n += $3 }
        END { print n + 0, all }' "$work/locked" "$work/counts"
}

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

#!/usr/bin/env bash
# Tests/gates/switches.sh BUILD - a scheduler that has work does not give up its core: context switches of the whole program, by its
# own choice, in a ping-pong of 10,000,000 messages less those in one of 1,000,000.
. "$(dirname "$0")/gate.bash"
benchmarks
program usage

switches() { # switches SCALE
    benchmark pingpong "$1" taskset -c 0 "$OUT/usage" "$work/usage" >/dev/null && cut -d" " -f1 "$work/usage"
}
short=$(switches 0.5)
long=$(switches 5)
at_most 0.0001 "$(each "$long" "$short" 9000000)" "voluntary context switches per message on one core ($short, then $long)"
closing

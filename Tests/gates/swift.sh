#!/usr/bin/env bash
# Tests/gates/swift.sh BUILD - instructions and allocations per message, call and spawn of the Swift package, resident bytes of an idle
# process, and pages that have to be found for messages that are arrays, in a release build, by the workloads of Benchmarks/Peers/apus-swift
# on one scheduler. The core in it is the one that SwiftPM compiles.
. "$(dirname "$0")/gate.bash"
command -v swift >/dev/null || {
    echo "no Swift toolchain on this machine, left out"
    echo "0 passed, 0 failed"
    exit 0
}
# SwiftPM would take the C compiler of CC, which is not its own.
quietly env -u CC Benchmarks/Peers/apus-swift/build.sh "$OUT/swift-bench" || exit 1
program usage
strip --strip-debug -o "$OUT/swift-bench/bare" "$OUT/swift-bench/bench" # valgrind does not know the debug information that Swift writes

instructions() { # instructions PEER WORKLOAD SCALE
    valgrind -q --tool=callgrind --fair-sched=yes --callgrind-out-file="$work/counts" "$OUT/swift-bench/bare" "$1" "$2" 1 "$3" >/dev/null &&
        sed -n 's/^totals: //p' "$work/counts"
}

allocations() { # allocations PEER WORKLOAD SCALE
    valgrind --fair-sched=yes --leak-check=no --undef-value-errors=no "$OUT/swift-bench/bare" "$1" "$2" 1 "$3" 2>&1 >/dev/null |
        sed -n 's/.*total heap usage: \([0-9,]*\) allocs.*/\1/p' | tr -d ,
}

faults() { # faults PEER WORKLOAD SCALE
    "$OUT/usage" "$work/usage" "$OUT/swift-bench/bare" "$1" "$2" 1 "$3" >/dev/null && cut -d" " -f2 "$work/usage"
}

while read -r peer workload count limit; do
    at_most "$limit" "$(each "$(instructions "$peer" "$workload" 0.05)" "$(instructions "$peer" "$workload" 0.01)" "$count")" \
        "instructions per message, call or spawn of $workload, $peer"
    at_most 0.001 "$(each "$(allocations "$peer" "$workload" 0.05)" "$(allocations "$peer" "$workload" 0.01)" "$count")" \
        "allocations per message, call or spawn of $workload, $peer"
done <<'END'
apus-swift       pingpong 80000 345
apus-swift       call     20000 800
apus-swift       spawn    20000 1600
apus-swift       timer_wheel 80000 830
apus-swift-async pingpong 80000 640
apus-swift-async call     20000 890
END
while read -r peer limit; do
    at_most "$limit" "$("$OUT/swift-bench/bare" "$peer" idle_mem 1 0.3 | cut -d, -f4)" "bytes per idle process, $peer"
done <<'END'
apus-swift       256
apus-swift-async 1400
END
# An array of 256 KB has 64 pages; what malloc keeps of those that have been freed is enough for the eight that are on the way.
at_most 1 "$(each "$(faults apus-swift size_256k 0.25)" "$(faults apus-swift size_256k 0.05)" 2000)" "page faults per array of 256 KB, apus-swift"
closing

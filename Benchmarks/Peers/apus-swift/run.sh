#!/bin/sh
# run.sh BUILD_DIR WORKLOAD CORES [SCALE] - one CSV line on stdout.
# BENCH_PEER=apus-swift (default): synchronous handlers; apus-swift-async: asynchronous processes.
set -eu
[ $# -ge 3 ] || { echo "usage: run.sh BUILD_DIR WORKLOAD CORES [SCALE]" >&2; exit 2; }
build=$(cd "$1" && pwd); workload=$2; cores=$3; scale=${4:-1}
exec taskset -c "${BENCH_CPUS:-0-$((cores - 1))}" "$build/bench" "${BENCH_PEER:-apus-swift}" "$workload" "$cores" "$scale"

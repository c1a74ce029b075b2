# Tests/gates/gate.bash - what the gates share; sourced by each. BUILD is the gate's first argument.
#
# A gate prints "ok   WHAT: GOT (at most LIMIT)", or FAIL for ok, for each figure, and at last "N passed, N failed". The programs
# are linked statically and to fixed addresses, so that valgrind sees the addresses that objdump shows.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
BUILD=${1:-build/release}
OUT=$BUILD/gates
LINK=(-static -no-pie -Wl,--no-warnings)
passed=0
failed=0
mkdir -p "$OUT"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# at_most LIMIT GOT WHAT - a figure that is missing or is no number fails.
at_most() {
    if [[ $2 =~ ^-?[0-9.]+$ ]] && awk -v got="$2" -v limit="$1" 'BEGIN {exit !(got <= limit)}'; then
        passed=$((passed + 1))
        printf 'ok   '
    else
        failed=$((failed + 1))
        printf 'FAIL '
    fi
    echo "$3: ${2:-nothing measured} (at most $1)"
}

# each LONG SHORT COUNT - what one costs, of the COUNT that the long run has more than the short one; nothing if one of them is missing.
# A hair below zero is the unevenness of start and stop.
each() {
    [[ $1 =~ ^[0-9]+$ && $2 =~ ^[0-9]+$ && $3 =~ ^[1-9][0-9]*$ ]] && awk -v long="$1" -v short="$2" -v count="$3" 'BEGIN {
        one = (long - short) / count
        printf "%.4f", (one < 0 && one > -0.001) ? 0 : one
    }'
}

closing() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

quietly() { # quietly COMMAND... - what it prints is shown only if it fails
    "$@" >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        return 1
    }
}

# program NAME [OPTION...] - builds Tests/gates/NAME.c as $OUT/NAME, linked as LINK says, or as the options do.
program() {
    local name=$1 link=("${@:2}")
    [ ${#link[@]} -gt 0 ] || link=("${LINK[@]}")
    quietly "${CC:-gcc}" -std=gnu11 -O2 -Wall -Wextra -Werror -ICSources/include "${link[@]}" -o "$OUT/$name" "Tests/gates/$name.c" \
        "$BUILD/libapus.a" -lurcu-memb -lurcu-cds -lurcu-common -lnuma -pthread || exit 1
}

# executed PROGRAM CALLGRIND-OPTION... -- ARGUMENT... - runs it under callgrind and prints "LOCKED ALL", the instructions executed:
# callgrind counts how often each is, objdump says which of them lock the bus: those with a lock prefix, xchg with memory, and mfence,
# which costs the same. In callgrind's file the line after "calls=" counts the callee once more.
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

# benchmark WORKLOAD SCALE [PREFIX...] - one run of a workload of Benchmarks/Peers/apus-c on one scheduler, behind the words of
# PREFIX. It checks its own counts.
benchmark() {
    local workload=$1 scale=$2
    shift 2
    "$@" "$OUT/bench/bench" "$workload" 1 "$scale"
}
benchmarks() {
    APUS_BUILD=$PWD/$BUILD CFLAGS="-O2 ${LINK[*]}" quietly sh Benchmarks/Peers/apus-c/build.sh "$OUT/bench" || exit 1
}

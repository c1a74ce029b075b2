#!/usr/bin/env bash
# Tests/fuzz/run.sh SECONDS - fuzzes the public functions and the parsers, SECONDS each, with clang's libFuzzer, AddressSanitizer and UBSan.
#
# clang is the system's or that of a Swift toolchain; where there is none, or it cannot link a fuzzer, this is left out and says so. The
# inputs that reach most are kept in build/fuzz/corpus. Public functions that no target calls, but for those named below, are shown. The
# last line is "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/../.."
seconds=$1
out=build/fuzz
mkdir -p $out/obj $out/corpus/api $out/corpus/parse
passed=0 failed=0
result() { # result STATUS TEXT
    if [ "$1" -eq 0 ]; then passed=$((passed + 1)) && echo "ok $2"; else failed=$((failed + 1)) && echo "FAIL $2"; fi
}

# Not called: they wait for turns that only the driver could give (join), start or stop a runtime of threads beside the simulation, or are
# of the language's or the program's own (hooks, blocking_begin and _end).
left_out='apus_(join|start|stop|set_hooks|blocking_begin|blocking_end|simulate|simulate_explore'
left_out+='|simulation_(step|pass|settle)|version|now_ms|parent_of|pid_of|self|is_running|message_is_(reply|request))'
missing=$(grep -oE '\bapus_[a-z_]+\(' Tests/abi/apus.abi.txt | sort -u | tr -d '(' | grep -vxE "$left_out" |
    while read -r name; do grep -q "\b$name(" Tests/fuzz/*.c || echo "$name"; done)
[ -z "$missing" ] || echo "note not called by a fuzzer yet:" $missing

clang=$(command -v clang || true)
echo 'int LLVMFuzzerTestOneInput(const char *d, long n) { return d && n < 0; }' >$out/probe.c
if [ -z "$clang" ] || ! "$clang" -fsanitize=fuzzer,address -o $out/probe $out/probe.c 2>/dev/null; then
    echo "note no clang with libFuzzer here: the fuzzers are left out"
    echo "fuzz: $passed passed, $failed failed"
    exit $((failed > 0))
fi
flags=(-std=gnu11 -g -O1 -DAPUS_DEBUG -DAPUS_INJECT -fno-sanitize-recover=all -fno-omit-frame-pointer -ICSources -ICSources/include
    -pthread -fvisibility=hidden)
compile() { # compile SOURCE - unless the object is newer than all sources
    local object
    object=build/fuzz/obj/$(echo "$1" | tr / _).o
    [ -e "$object" ] && [ -z "$(find CSources -newer "$object" -name '*.[chS]' -print -quit)" ] && return
    "$CLANG" $FLAGS -fsanitize=address,undefined,fuzzer-no-link -c -o "$object" "$1"
}
export -f compile
export CLANG=$clang FLAGS="${flags[*]}"
find CSources -name '*.c' -o -name '*.S' | xargs -P 2 -I{} bash -c 'compile {}' || failed=1
rm -f $out/libapus.a
ar rcs $out/libapus.a $out/obj/*.o
# A start for the one that has not much of a structure to find.
for i in $(seq 1 64); do
    [ -e $out/corpus/api/start-$i ] || awk -v seed="$i" 'BEGIN {srand(seed); for (i = 0; i < 400; i++) printf "%c", 1 + int(rand() * 126)}' >$out/corpus/api/start-$i
done
# The stack of a process that is ended in a wait is left as it stands. The frames that AddressSanitizer would keep elsewhere, to see a use
# after a return, would never be given back: more than 100 KB for each input.
export ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0:${ASAN_OPTIONS:-}
for target in api parse; do
    "$clang" "${flags[@]}" -fsanitize=address,undefined,fuzzer -o $out/${target}_fuzz Tests/fuzz/${target}_fuzz.c $out/libapus.a \
        -lurcu-memb -lurcu-cds -lurcu-common -lnuma -pthread 2>$out/$target.build || cat $out/$target.build
    $out/${target}_fuzz -max_total_time="$seconds" -len_control=0 -max_len=1000 -timeout=60 -rss_limit_mb=4096 \
        -artifact_prefix=$out/$target- $out/corpus/$target >$out/$target.log 2>&1
    status=$?
    runs=$(grep -oE 'Done [0-9]+ runs' $out/$target.log | grep -oE '[0-9]+')
    [ $status -eq 0 ] || tail -n 40 $out/$target.log
    result $status "$target: ${runs:-0} inputs in $seconds s, none of which breaks anything"
done
echo "fuzz: $passed passed, $failed failed"
[ "$failed" -eq 0 ]

#!/usr/bin/env bash
# Tests/otp/run.sh BUILD [--random COUNT [FIRST]] [--write] - the same scenarios on a real Erlang/OTP and on Apus, in C and in Swift.
#
# The hand-written ones (scenarios.txt) must do the same on both but where differences.txt says, and docs/otp.md must be the table of
# that, which --write writes. --random generates COUNT more, from number FIRST on, which must all do the same. On Apus each is played
# under two seeds, and under a third one through the Swift package, if there is a toolchain. BUILD holds the programs play and generate.
# The last line is "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/../.."
build=$1
shift
random=2000 first=1 write=
while [ $# -gt 0 ]; do
    case $1 in
    --random) random=$2 && shift && case ${2:-} in [0-9]*) first=$2 && shift ;; esac ;;
    --write) write=yes ;;
    *) echo "run.sh: no such option: $1" >&2 && exit 2 ;;
    esac
    shift
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo '# no difference is meant' >"$work/none"
passed=0 failed=0
result() { # result ok|FAIL COUNT TEXT
    if [ "$1" = ok ]; then passed=$((passed + $2)); else failed=$((failed + $2)); fi
    echo "$1 $3"
}
swift_play=
if ! command -v swift >/dev/null; then
    echo "note no Swift toolchain here: what the Swift package does is not compared"
elif swift build --quiet --product PlayOTP >"$work/swift.log" 2>&1; then
    swift_play=.build/debug/PlayOTP
else
    result FAIL 1 "PlayOTP does not build"
    tail -n 40 "$work/swift.log"
fi
compare() { awk -f Tests/otp/compare.awk -v mode="$1" "${@:2}"; }

# both FILE NAME - plays it on both. A real clock may be late, so what differs is played once more before it counts.
both() {
    escript Tests/otp/play.escript "$1" >"$work/$2.otp" 2>&1 &
    "$build/play" "$1" 1 >"$work/$2.apus" 2>&1
    "$build/play" "$1" 2 >"$work/$2.again" 2>&1
    wait $!
    [ -z "$swift_play" ] || "$swift_play" "$1" 3 >"$work/$2.swift" 2>&1
    cmp -s "$work/$2.apus" "$work/$2.again" || result FAIL 1 "$2: another seed shows in what happens on Apus"
    compare list "$3" "$work/$2.otp" "$work/$2.apus" >"$work/$2.list"
}
# in_swift NAME - whether the Swift package did what the C interface does.
in_swift() {
    [ -n "$swift_play" ] || return
    local same
    same=$(compare list "$work/none" "$work/$1.apus" "$work/$1.swift" | grep -c ^same)
    result ok "$same" "$same scenarios ($1) the same through the Swift package"
    cmp -s "$work/$1.apus" "$work/$1.swift" && return
    result FAIL 1 "$1: something else through the Swift package"
    diff "$work/$1.apus" "$work/$1.swift" | head -n 40
}
count_of() { grep -c "^$1" "$2"; }

release=$(erl -noshell -eval 'io:put_chars(erlang:system_info(otp_release)), halt().')
both Tests/otp/scenarios.txt hand Tests/otp/differences.txt
if grep -q ^DIFFERS "$work/hand.list"; then both Tests/otp/scenarios.txt hand Tests/otp/differences.txt; fi
total=$(grep -c '^scenario ' Tests/otp/scenarios.txt)
good=$(grep -cE '^(same|allowed)' "$work/hand.list")
result ok "$good" "$good scenarios as on OTP $release, $(count_of allowed "$work/hand.list") of them with a difference that is meant"
if [ "$good" -ne "$total" ]; then
    result FAIL $((total - good)) "$((total - good)) scenarios are not"
    compare show Tests/otp/differences.txt "$work/hand.otp" "$work/hand.apus"
fi

in_swift hand

{
    sed "s/@OTP@/$release/g; s/@TOTAL@/$total/; s/@ALLOWED@/$(count_of allowed "$work/hand.list")/" Tests/otp/page.md
    compare page Tests/otp/differences.txt "$work/hand.otp" "$work/hand.apus"
} >"$work/otp.md"
[ -z "$write" ] || cp "$work/otp.md" docs/otp.md
if cmp -s "$work/otp.md" docs/otp.md; then
    result ok 1 "docs/otp.md is what was seen"
elif [ "$(sed -n 's/.*against OTP \([0-9]*\).*/\1/p' docs/otp.md | head -n 1)" != "$release" ]; then
    echo "note docs/otp.md was written with another OTP than $release, and is not compared"
else
    result FAIL 1 "docs/otp.md is not what was seen: make otp-page"
    diff docs/otp.md "$work/otp.md" | head -n 20
fi

if [ "$random" -gt 0 ]; then
    "$build/generate" "$random" "$first" >"$work/random.txt"
    both "$work/random.txt" random "$work/none"
    in_swift random
    grep ^DIFFERS "$work/random.list" | cut -f 2 >"$work/doubtful"
    if [ -s "$work/doubtful" ]; then
        while read -r _ number; do "$build/generate" 1 "$number"; done <"$work/doubtful" >"$work/doubtful.txt"
        both "$work/doubtful.txt" doubtful "$work/none"
        bad=$(count_of DIFFERS "$work/doubtful.list")
        [ "$bad" -eq 0 ] || compare show "$work/none" "$work/doubtful.otp" "$work/doubtful.apus" | head -n 200
    else
        bad=0
    fi
    good=$(($(grep -c . "$work/random.list") - bad))
    result ok "$good" "$good random scenarios from number $first on as on OTP $release"
    [ "$good" -eq "$random" ] || result FAIL $((random - good)) "$((random - good)) random scenarios are not"
fi
echo "otp: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

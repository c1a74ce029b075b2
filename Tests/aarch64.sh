#!/usr/bin/env bash
# Tests/aarch64.sh FLAGS - compiles the whole core for aarch64, into build/aarch64. The headers of liburcu and libnuma are the same
# for every architecture, so those of this machine are borrowed, by name: its C library's headers must not be seen.
set -uo pipefail
cd "$(dirname "$0")/.."
out=build/aarch64
mkdir -p "$out/include"
for header in /usr/include/*/urcu /usr/include/*/urcu*.h /usr/include/urcu /usr/include/urcu*.h /usr/include/numa.h \
    /usr/include/numaif.h /usr/include/numacompat1.h; do
    [ ! -e "$header" ] || ln -sfn "$header" "$out/include/${header##*/}"
done

compile_one() { # compile_one OUT FLAGS SOURCE
    local object=$1/obj/${3#CSources/}.o
    mkdir -p "${object%/*}"
    # shellcheck disable=SC2086 # the flags are several words
    if aarch64-linux-gnu-gcc $2 -idirafter "$1/include" -c -o "$object" "$3"; then echo passed; else echo "failed $3"; fi
}
export -f compile_one

find CSources -name '*.[cS]' | sort | xargs -r -P "${JOBS:-2}" -I{} bash -c 'compile_one "$@"' compile_one "$out" "$1" {} |
    awk '/^passed$/ {passed++; next} {print; failed++}
         END {printf "aarch64: %d passed, %d failed\n", passed, failed; exit failed > 0 || passed == 0}'

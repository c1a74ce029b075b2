#!/usr/bin/env bash
# Tests/examples.sh PREFIX - builds and runs Examples/C as a program outside this tree would: the installed copy, found by pkg-config.
#
# Each is built twice, against the shared library and against the archive (pkg-config --static). The shared build must need no Swift
# library. An example has 30 s and ends with status 0. Tests/loaded.c loads the library by itself. The last line is "examples: N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/.."
prefix=$(cd "$1" && pwd)
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
CC=${CC:-gcc}
CXX=${CXX:-g++}
out=build/examples
mkdir -p "$out"
passed=0
failed=0

result() { # result STATUS SENTENCE
    if [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $2"
        [ ! -s "$out/log" ] || cat "$out/log"
    fi
}

build() { # build SOURCE OUTPUT LIBS...
    local source=$1 output=$2 compiler
    shift 2
    case $source in
    *.cpp) compiler=("$CXX" -std=c++17) ;;
    *) compiler=("$CC" -std=c11) ;;
    esac
    # shellcheck disable=SC2046 # pkg-config prints several words
    "${compiler[@]}" -Wall -Wextra -Wpedantic -Werror -O2 $(pkg-config --cflags apus) -o "$output" "$source" "$@"
}

run_shared() {
    build "$1" "$2" $(pkg-config --libs apus) -pthread -lm &&
        LD_LIBRARY_PATH=$prefix/lib ldd "$2" >"$out/ldd" && grep -q 'libapus\.so\.0' "$out/ldd" && ! grep -qi swift "$out/ldd" &&
        LD_LIBRARY_PATH=$prefix/lib timeout 30 "$2"
}

run_static() {
    build "$1" "$2" -Wl,-Bstatic -lapus -Wl,-Bdynamic "${static_libs[@]}" -lm && ! ldd "$2" | grep -q libapus && timeout 30 "$2"
}

# What the archive needs besides itself, from apus.pc.
read -ra static_libs <<<"$(pkg-config --static --libs apus)"
for i in "${!static_libs[@]}"; do
    [ "${static_libs[i]}" != -lapus ] || unset "static_libs[i]"
done
static_libs=("-L$prefix/lib" "${static_libs[@]}")

for source in Examples/C/*.c Examples/C/*.cpp; do
    [ -f "$source" ] || continue
    name=$(basename "$source")
    name=${name%.*}
    run_shared "$source" "$out/$name" >"$out/log" 2>&1
    result $? "$source, shared"
    run_static "$source" "$out/$name-static" >"$out/log" 2>&1
    result $? "$source, static"
done
LD_LIBRARY_PATH=$prefix/lib timeout 60 "$out/echo_server" --self-test 10000 >"$out/log" 2>&1
result $? "echo_server with 10,000 connections at once"
build Tests/loaded.c "$out/loaded" >"$out/log" 2>&1 && LD_LIBRARY_PATH=$prefix/lib timeout 30 "$out/loaded" >>"$out/log" 2>&1
result $? "a program that loads the library by dlopen"
Tests/readme.sh "$prefix" >"$out/log" 2>&1
result $? "README.md"
echo "examples: $passed passed, $failed failed"
[ "$failed" -eq 0 ]

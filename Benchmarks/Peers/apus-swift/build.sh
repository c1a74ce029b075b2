#!/bin/sh
# build.sh BUILD_DIR - builds the Swift peer out of tree, as a program that depends on the package would: a SwiftPM release build.
set -eu
[ $# -eq 1 ] || { echo "usage: build.sh BUILD_DIR" >&2; exit 2; }
src=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$src/../../.." && pwd)
command -v swift >/dev/null || { echo "apus-swift: no Swift toolchain" >&2; exit 1; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
swift build --quiet --configuration release --package-path "$src" --scratch-path "$out/swift" >&2
cp "$out/swift/release/bench" "$out/bench"
echo "Apus $(sed -n 's/^#define APUS_VERSION_M[A-Z]* \([0-9]*\)/\1/p' "$root/CSources/include/apus/base.h" | paste -sd.), commit" \
    "$(git -C "$root" rev-parse --short HEAD 2>/dev/null || echo unknown), $(swift --version 2>/dev/null | head -n 1), release" > "$out/version.txt"

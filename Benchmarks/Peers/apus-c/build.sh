#!/bin/sh
# build.sh BUILD_DIR - compile the Apus peer out of tree, against the static library that `make` has built.
# APUS_ROOT names another work tree of the library, APUS_BUILD another build folder; CFLAGS and CC as usual.
set -eu
[ $# -eq 1 ] || { echo "usage: build.sh BUILD_DIR" >&2; exit 2; }
src=$(cd "$(dirname "$0")" && pwd)
root=${APUS_ROOT:-$(cd "$src/../../.." && pwd)}
library=${APUS_BUILD:-$root/build/release}/libapus.a
[ -e "$library" ] || { echo "apus-c: no $library; run make first" >&2; exit 1; }
mkdir -p "$1"
${CC:-gcc} -std=gnu11 ${CFLAGS:--O3 -march=native} -Wall -Wextra -Werror -I"$root/CSources/include" \
    -I"$src" "$src"/*.c "$src"/*/*.c "$library" -lurcu-memb -lurcu-cds -lurcu-common -lnuma -lm -pthread -o "$1/bench"
echo "Apus $(sed -n 's/^#define APUS_VERSION_M[A-Z]* \([0-9]*\)/\1/p' "$root/CSources/include/apus/base.h" | paste -sd.), commit" \
    "$(git -C "$root" rev-parse --short HEAD 2>/dev/null || echo unknown)$(git -C "$root" diff --quiet HEAD -- CSources 2>/dev/null || echo ' and changes')," \
    "$(${CC:-gcc} --version | head -n 1), ${CFLAGS:--O3 -march=native}" > "$1/version.txt"

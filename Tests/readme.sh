#!/usr/bin/env bash
# Tests/readme.sh PREFIX - what README.md shows is what there is: its C example is Examples/C/hello.c, builds against the installed
# copy at PREFIX and prints what the README says; and every relative link in the README and under docs leads to a file.
# Called by Tests/examples.sh. Prints what is wrong; exit status 0 if nothing is.
set -uo pipefail
cd "$(dirname "$0")/.."
prefix=$(cd "$1" && pwd)
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
out=build/examples
mkdir -p "$out"
status=0

block() { # block LANGUAGE: the first block of that language in the README
    awk -v fence="\`\`\`$1" '$0 == fence && !seen {seen = inside = 1; next} /^```$/ {inside = 0} inside' README.md
}

block c >"$out/readme.c"
block text >"$out/readme.expected"
diff "$out/readme.c" Examples/C/hello.c || status=1
# shellcheck disable=SC2046 # pkg-config prints several words
"${CC:-gcc}" -std=c11 -Wall -Wextra -Werror $(pkg-config --cflags apus) -o "$out/readme" "$out/readme.c" $(pkg-config --libs apus) &&
    LD_LIBRARY_PATH=$prefix/lib timeout 30 "$out/readme" >"$out/readme.printed" &&
    diff "$out/readme.printed" "$out/readme.expected" || status=1

while IFS=: read -r file link; do
    [ -e "$(dirname "$file")/$link" ] || {
        echo "$file: no such file: $link"
        status=1
    }
done < <(find README.md docs -name '*.md' -exec grep -oHE '\]\([^)#: ]+' {} + | sed 's/:](/:/')
exit "$status"

#!/usr/bin/env bash
# Tests/abi.sh check|dump LIBRARY - the binary interface, kept as text in Tests/abi/apus.abi.txt.
#
# Checks, each one line of the count at the end:
#   - each public header compiles alone, first in its file, as strict C11 and as C++17
#   - the shared library exports what the headers declare, and nothing else but the functions it interposes
#   - prototypes, constants, and the size and offset of each public field are those of the committed dump
# A wanted change of the interface is committed together with the dump that `make abi-dump` writes.
set -uo pipefail
cd "$(dirname "$0")/.."
mode=$1
library=$2
CC=${CC:-gcc}
CXX=${CXX:-g++}
dump=Tests/abi/apus.abi.txt
# Functions of the C and C++ libraries that this one stands in front of (docs/decisions/0010).
interposed='__assert_fail|__cxa_guard_abort|__cxa_guard_acquire|__cxa_guard_release|abort|fputs|pthread_mutex_clocklock'
interposed+='|pthread_create|pthread_mutex_lock|pthread_mutex_timedlock|pthread_mutex_trylock|pthread_mutex_unlock'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

result() { # result STATUS SENTENCE
    if [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $2"
    fi
}

headers_stand_alone() {
    local header include
    for header in CSources/include/apus/*.h; do
        include="#include <apus/${header##*/}>"
        # Twice: a header must also bear being included again.
        printf '%s\n%s\n' "$include" "$include" |
            $CC -x c -std=c11 -Wall -Wextra -Wpedantic -Werror -ICSources/include -fsyntax-only -
        result $? "$header as C11"
        printf '%s\n%s\n' "$include" "$include" |
            $CXX -x c++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -ICSources/include -fsyntax-only -
        result $? "$header as C++17"
    done
}

# The public declarations after the preprocessor, one a line: prototypes and objects, then enumerations.
declarations() {
    echo '#include <apus/apus.h>' | $CC -x c -std=c11 -ICSources/include -E - | awk '
        /^# [0-9]+ "/ { public = ($3 ~ /include\/apus\//); next }
        public { text = text " " $0 }
        END {
            n = length(text)
            for (i = 1; i <= n; i++) {
                c = substr(text, i, 1)
                one = one c
                if (c == "{") depth++
                if (c == "}") depth--
                # A statement ends at a semicolon, or at the brace that closes an inline function.
                if (depth == 0 && (c == ";" || (c == "}" && one ~ /\)[ ]*{/))) {
                    gsub(/[ \t]+/, " ", one); sub(/^ /, "", one)
                    if (one ~ /visibility/ || one ~ /^(typedef )?enum/) {
                        gsub(/__attribute__ ?\(\(visibility\("default"\)\)\) ?/, "", one)
                        print one
                    }
                    one = ""
                }
            }
        }'
}

# The name that a prototype or an object declares.
declared_names() {
    grep -v '^\(typedef \)\?enum' "$work/declarations" | sed -E 's/__attribute__ ?\(\(([^()]|\([^()]*\))*\)\)//g' |
        sed -nE 's/^([^(]*[ *])([a-zA-Z_0-9]+) ?\(.*$/\2/p; t; s/^.*[ *]([a-zA-Z_0-9]+) ?;$/\1/p'
}

constants() {
    echo '#include <apus/apus.h>' | $CC -x c -std=c11 -ICSources/include -E -dD - | awk '
        /^# [0-9]+ "/ { public = ($3 ~ /include\/apus\//); next }
        public && /^#define APUS_/ && !/_H ?$/ && !/ APUS_API / && !/ APUS_VERSION_/'
}

# Sizes and offsets, from the debug information of a file that holds nothing else.
layouts() {
    echo '#include <apus/apus.h>' |
        $CC -x c -std=c11 -ICSources/include -g -fno-eliminate-unused-debug-types -c -o "$work/layout.o" -
    pahole "$work/layout.o" | awk '
        /^(struct|union) / { name = $1 " " $2; count = 0; next }
        /\/\*[ ]+[0-9]+(:[ 0-9]+)?[ ]+[0-9]+ \*\/$/ {
            where = $0; sub(/^.*\/\*[ ]*/, "", where); sub(/[ ]*\*\/$/, "", where); gsub(/[ ]+/, " ", where)
            what = $0; sub(/[ ]*\/\*.*$/, "", what); gsub(/[ \t]+/, " ", what)
            line[count++] = "    " where what
            next
        }
        /size: [0-9]+/ { size = $0; sub(/^.*size: /, "", size); sub(/,.*$/, "", size) }
        /^};?/ && name ~ /apus_/ { print name " " size; for (i = 0; i < count; i++) print line[i] }'
}

write_dump() {
    echo "# The binary interface of libapus.so.0 (x86-64): written by make abi-dump, compared by make check-abi."
    echo
    echo "# Declared, by name"
    while read -r name; do
        grep -E "[ *]$name ?[(;]" "$work/declarations" | grep -v '^\(typedef \)\?enum' | head -n 1
    done <"$work/declared"
    echo
    echo "# Constants"
    grep '^\(typedef \)\?enum' "$work/declarations" | sort
    constants | sort
    echo
    echo "# Structures: size, then offset and size of each field in bytes"
    layouts
}

declarations >"$work/declarations"
declared_names | sort -u >"$work/declared"
nm -D --defined-only "$library" | awk '$2 ~ /^[A-Z]$/ {print $3}' | sort -u >"$work/exported"

if [ "$mode" = dump ]; then
    mkdir -p Tests/abi
    write_dump >"$dump"
    echo "wrote $dump: $(wc -l <"$work/declared") symbols"
    exit 0
fi

headers_stand_alone
undefined=$(comm -23 "$work/declared" "$work/exported")
[ -z "$undefined" ]
result $? "declared in the headers, but not exported: ${undefined//$'\n'/ }"
undeclared=$(comm -13 "$work/declared" "$work/exported" | grep -vxE "$interposed")
[ -z "$undeclared" ]
result $? "exported, but not declared in the headers: ${undeclared//$'\n'/ }"
missing=$(tr '|' '\n' <<<"$interposed" | sort | comm -23 - "$work/exported")
[ -z "$missing" ]
result $? "not interposed (CSources/os/interpose.h): ${missing//$'\n'/ }"
write_dump >"$work/dump"
diff -u "$dump" "$work/dump"
result $? "the interface differs from $dump; if that is wanted, commit what \`make abi-dump\` writes"

echo "abi: $passed passed, $failed failed"
[ "$failed" -eq 0 ]

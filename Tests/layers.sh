#!/usr/bin/env bash
# Tests/layers.sh - the layers of the core, checked: an #include in CSources may point within its folder and down, never up.
#
#   include < base < os < memory, rcu < queue < process < scheduler < abi        otp stands on include/apus alone
#
# memory and rcu are one layer that does not mix. libnuma is known to os/ only, liburcu to rcu/ only. Public headers include public
# headers and the C library. Prints each offence as file:line, then "N passed, N failed" over the files.
set -uo pipefail
cd "$(dirname "$0")/.."

find CSources -name '*.[chS]' | sort | xargs -r awk '
    function offends(why) { printf "%s:%d: %s: %s\n", FILENAME, FNR, why, $0; bad[FILENAME] = 1 }
    BEGIN {
        split("include:0 base:1 os:2 memory:3 rcu:3 queue:4 process:5 scheduler:6 abi:7 otp:8", rows, " ")
        for (i in rows) { split(rows[i], row, ":"); level[row[1]] = row[2] }
    }
    FNR == 1 {
        files[FILENAME] = 1
        split(FILENAME, part, "/")
        here = part[2]
        if (!(here in level))
            offends("no such layer in the table")
    }
    !/^[ \t]*#[ \t]*include[ \t]*[<"]/ { next }
    {
        quoted = ($0 ~ /include[ \t]*"/)
        target = $0
        sub(/^[^<"]*[<"]/, "", target)
        sub(/[>"].*$/, "", target)
        split(target, part, "/")
        if (target ~ /^(numa|numaif)\.h$/ && here != "os")
            offends("libnuma outside os/")
        else if ((target ~ /^urcu[.\/-]/ || target ~ /^urcu-/) && here != "rcu")
            offends("liburcu outside rcu/")
        else if (target ~ /^apus\//) {
            if (quoted)
                offends("public headers are included in angle brackets")
        } else if (quoted) {
            there = part[1]
            if (here == "include")
                offends("a public header includes an internal one")
            else if (here == "otp" && there != "otp")
                offends("otp may include only <apus/...>")
            else if (target ~ /\.\./ || !(there in level))
                offends("internal includes are relative to CSources")
            else if (level[there] > level[here])
                offends("points up, from " here " to " there)
            else if (level[there] == level[here] && there != here)
                offends("memory and rcu do not mix")
        }
    }
    END {
        for (file in files)
            if (file in bad) failed++; else passed++
        printf "layers: %d passed, %d failed\n", passed, failed
        exit failed > 0
    }'

#!/usr/bin/env bash
# Tests/coverage.sh BUILD - which lines of the C core the tests reach, by gcov: a row for each folder, and the files that fall short.
#
# BUILD holds the objects of VARIANT=coverage after its tests have run. The table goes to standard output.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
find "$build/obj" -name '*.gcda' -exec gcov -n {} + 2>/dev/null |
    awk '/^File / {file = $2; gsub("\x27", "", file)}
         /^Lines executed:/ && file ~ /^CSources/ {
             split($2, part, ":"); share = part[2] + 0; lines = $4
             if (!(file in total)) {total[file] = lines; hit[file] = lines * share / 100}
             file = ""
         }
         END {for (file in total) printf "%s %d %.0f\n", file, total[file], hit[file]}' | sort >"$work/files"
echo "| folder | lines | reached | share |"
echo "|---|---|---|---|"
awk '{split($1, part, "/"); lines[part[2]] += $2; hit[part[2]] += $3; all += $2; reached += $3}
     END {for (f in lines) printf "| %s | %d | %d | %.1f %% |\n", f, lines[f], hit[f], 100 * hit[f] / lines[f]
          printf "| all | %d | %d | %.1f %% |\n", all, reached, 100 * reached / all}' "$work/files" | sort
echo
echo "Files below 90 %: $(awk '$2 && $3 / $2 < 0.9 {printf "%s%s (%.0f %%)", n++ ? ", " : "", $1, 100 * $3 / $2}' "$work/files")"

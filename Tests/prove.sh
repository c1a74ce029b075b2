#!/usr/bin/env bash
# Tests/prove.sh PART... - runs the parts of `make prove`, each a make target, and prints what each came to as a table.
#
# The log of each is under build/logs. The last line is "prove: N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/.."
mkdir -p build/logs
passed=0 failed=0
rows=
for part in "$@"; do
    log=build/logs/$part.log start=$SECONDS
    make --no-print-directory -k "$part" >"$log" 2>&1
    status=$?
    # A part may close more than once; each closing line that is not a part of another one is the last of its step.
    counts=$(grep -aE '^([a-z0-9-]+: )?[0-9]+ passed, [0-9]+ failed$' "$log" | grep -oE '[0-9]+ passed, [0-9]+ failed' |
        awk '{p += $1; f += $3} END {print p + 0, f + 0}')
    read -r part_passed part_failed <<<"$counts"
    if [ $status -ne 0 ]; then
        [ "$part_failed" -gt 0 ] || part_failed=1
        tail -n 200 "$log"
    fi
    passed=$((passed + part_passed)) failed=$((failed + part_failed))
    rows+=$(printf '%-16s %8d %8d %6d s' "$part" "$part_passed" "$part_failed" $((SECONDS - start)))$'\n'
done
printf '%-16s %8s %8s %8s\n%s' part passed failed time "$rows"
echo "prove: $passed passed, $failed failed"
[ "$failed" -eq 0 ]

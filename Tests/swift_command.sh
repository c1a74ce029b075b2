#!/usr/bin/env bash
# Tests/swift_command.sh - the command apus: it draws the machine, and what `apus new` makes builds, runs and passes its own test, whether
# it depends on Apus by path or by a version tag, without a flag; and the documentation's code is code that is tested. The last line is
# "swift-command: N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/.."
command -v swift >/dev/null || {
    echo "swift-command: no toolchain on this machine, left out"
    exit 0
}
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
        cat "$work/log"
    fi
}

Tests/tutorial.sh >"$work/log" 2>&1
result $? "the tutorial's code is that of its tests"

swift build --enable-all-traits --product apus >"$work/log" 2>&1
result $? "the command builds"
apus=$PWD/.build/debug/apus
# What a stranger would fetch: this tree, tagged, with no history.
repository=$work/apus
mkdir "$repository"
git ls-files -z --cached --others --exclude-standard | tar --null --files-from=- --ignore-failed-read -c 2>/dev/null | tar -x -C "$repository"
(cd "$repository" && git init -q && git add -A && git -c user.name=Apus -c user.email=apus@example.org commit -qm Apus && git tag 0.1.0) \
    >"$work/log" 2>&1
result $? "the tree can be tagged"
"$apus" topology >"$work/log" 2>&1 && grep -qE '^[0-9]+ CPUs? allowed, [0-9]+ NUMA nodes?, ' "$work/log" && grep -qE 'core [0-9]+: CPU [0-9]' "$work/log"
result $? "apus topology draws this machine"
cd "$work" || exit 1
"$apus" new demo >"$work/log" 2>&1 && ! "$apus" new demo >>"$work/log" 2>&1
result $? "apus new makes a project, once"
cd demo || exit 1
swift run >"$work/log" 2>&1 && grep -qx 'The counter is at 42.' "$work/log"
result $? "a new project builds and runs at once"
[ ! -d .build/checkouts ] || [ -z "$(ls .build/checkouts)" ]
result $? "a project with Apus alone fetches no other package"
swift test >"$work/log" 2>&1
result $? "a new project passes its test"

cd "$work" || exit 1
"$apus" new tagged --url "file://$repository" >"$work/log" 2>&1 && cd tagged && swift run >"$work/log" 2>&1 &&
    grep -qx 'The counter is at 42.' "$work/log" && grep -q '"version" : "0.1.0"' Package.resolved
result $? "a project that depends on a version tag builds, without a flag, and runs"
[ "$(ls .build/checkouts)" = apus ]
result $? "a project that depends on a version tag fetches Apus alone"

echo "swift-command: $passed passed, $failed failed"
[ "$failed" -eq 0 ]

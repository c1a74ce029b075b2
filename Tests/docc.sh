#!/usr/bin/env bash
# Tests/docc.sh - the documentation of the Swift package: every public symbol has some, and DocC builds it without a warning. With a
# folder it is left there, to be served as a site; else it is thrown away. Nothing to do where there is no Swift toolchain.
#
#     Tests/docc.sh [FOLDER]
set -uo pipefail
cd "$(dirname "$0")/.."
command -v docc >/dev/null || {
    echo "docc: no toolchain on this machine, left out"
    exit 0
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
out=${1:-$work/out}
mkdir -p "$out"
swift package --enable-all-traits dump-symbol-graph --minimum-access-level public --skip-synthesized-members >"$work/log" 2>&1 || {
    cat "$work/log"
    echo "docc: 0 passed, 1 failed"
    exit 1
}
graphs=$(sed -n 's/^Files written to //p' "$work/log")
passed=0
failed=0
for module in Apus ApusTesting ApusLogging ApusMetrics ApusServiceLifecycle; do
    mkdir "$work/$module"
    cp "$graphs/$module".symbols.json "$work/$module"
    : >"$work/log"
    catalog=Sources/$module/$module.docc
    if python3 - "$work/$module" <<'END' &&
import glob, json, sys
symbols = [s for path in glob.glob(sys.argv[1] + "/*.json") for s in json.load(open(path))["symbols"]]
bare = [".".join(s["pathComponents"]) for s in symbols if "docComment" not in s and "::SYNTHESIZED::" not in s["identifier"]["precise"]]
for name in bare:
    print("FAIL not documented:", name)
sys.exit(bool(bare) or not symbols)
END
        docc convert $([ ! -d "$catalog" ] || echo "$catalog") --additional-symbol-graph-dir "$work/$module" \
            --fallback-display-name "$module" --fallback-bundle-identifier "apus.$module" --warnings-as-errors \
            --output-path "$out/$module" >"$work/log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        cat "$work/log"
        echo "FAIL $module"
    fi
done
echo "docc: $passed passed, $failed failed"
[ "$failed" -eq 0 ]

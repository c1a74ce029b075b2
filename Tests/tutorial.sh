#!/usr/bin/env bash
# Tests/tutorial.sh - each line of code in the tutorial is a line of Tests/ApusTests/TutorialTests.swift, which is compiled and run.
# Prints the lines that are not; exit status 0 if there are none.
set -uo pipefail
cd "$(dirname "$0")/.."
status=0
while read -r line; do
    [ -z "$line" ] || grep -qF -- "$line" Tests/ApusTests/TutorialTests.swift || {
        echo "OTPForSwiftProgrammers.md: not in TutorialTests.swift: $line"
        status=1
    }
done < <(awk '/^```swift$/ {inside = 1; next} /^```$/ {inside = 0} inside' Sources/Apus/Apus.docc/OTPForSwiftProgrammers.md)
exit "$status"

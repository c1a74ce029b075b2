#!/usr/bin/env python3
"""Tests/coverage_swift.py FILE - which lines of the Swift package its tests reach: a row for each folder, and the files that fall short.

FILE is what `swift test --show-codecov-path` names, after `swift test --enable-code-coverage`. The table goes to standard output.
"""
import json, sys

folders, short, total = {}, [], [0, 0]
for file in json.load(open(sys.argv[1]))["data"][0]["files"]:
    name, lines = file["filename"].split("/Sources/", 1)[-1], file["summary"]["lines"]
    if name == file["filename"] or not name.endswith(".swift"):
        continue
    row = folders.setdefault(name.rsplit("/", 1)[0], [0, 0])
    for sum_ in (row, total):
        sum_[0] += lines["count"]
        sum_[1] += lines["covered"]
    if lines["percent"] < 80:
        short.append(f"{name} ({lines['percent']:.0f} %)")
print("| folder | lines | reached | share |\n|---|---|---|---|")
for folder, (lines, reached) in [*sorted(folders.items()), ("all", total)]:
    print(f"| {folder} | {lines} | {reached} | {100 * reached / lines:.1f} % |")
print(f"\nFiles below 80 %: {', '.join(sorted(short))}")

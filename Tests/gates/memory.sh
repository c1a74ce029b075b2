#!/usr/bin/env bash
# Tests/gates/memory.sh BUILD - bytes of resident memory for each idle callback process, of 200,000, pools and table and the pid that
# its creator keeps included.
. "$(dirname "$0")/gate.bash"
benchmarks
at_most 256 "$(benchmark idle_mem 0.2 | cut -d, -f4)" "bytes per idle process"
closing

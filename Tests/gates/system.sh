#!/usr/bin/env bash
# Tests/gates/system.sh BUILD - what a steady state asks of the operating system: no memory, and next to no calls at all.
#
# valgrind names each system call; ten times as many messages, calls or spawns must need no more memory. clock_gettime is left out:
# it is a system call only under valgrind, which hides the kernel's vDSO. The limit leaves room for the watch over long callbacks, which
# looks up every few milliseconds of a time in which valgrind gets through a hundred times fewer messages. valgrind runs one thread at a
# time; told to be fair, it lets the thread that waits for the end begin to wait before the end, in every run, which takes a stack.
. "$(dirname "$0")/gate.bash"
benchmarks

# system_calls WORKLOAD SCALE - prints "MEMORY OTHERS"
system_calls() {
    benchmark "$1" "$2" valgrind --tool=none --fair-sched=yes --trace-syscalls=yes --log-file="$work/calls" >/dev/null && awk '
        /^SYSCALL\[/ {
            sub(/^SYSCALL\[[0-9]+,[0-9]+\]\( *[0-9]+\) /, "")
            if ($1 ~ /^(sys_)?(mmap|mmap2|munmap|mremap|brk|madvise)$/) memory++
            else if ($1 !~ /clock_gettime/) others++
        }
        END { print memory + 0, others + 0 }' "$work/calls"
}

while read -r workload unit short long count; do
    read -r short_memory short_others < <(system_calls "$workload" "$short")
    read -r long_memory long_others < <(system_calls "$workload" "$long")
    at_most 0 "$(each "$long_memory" "$short_memory" 1)" "calls for memory in $count more of $workload ($unit)"
    at_most 0.01 "$(each "$long_others" "$short_others" "$count")" "other system calls per $unit of $workload"
done <<'END'
pingpong message 0.02 0.2 360000
ring     message 0.02 0.2 360000
pairs    message 0.01 0.1 576000
call     call    0.02 0.2 90000
spawn    process 0.1  1   450000
END
closing

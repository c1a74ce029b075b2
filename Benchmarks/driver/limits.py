"""What the hardware allows here, measured in the same run, and which of it bounds a workload.

A bound is an argument, not a law: it names the least that must happen for one unit of the workload, priced with what that costs on
this machine in a loop of plain C. Where a runtime can do without (a block kept from the message before, say), it may get past it.
"""

import os
import subprocess

from .peers import HERE

PROGRAMS = ["atomics", "memory", "wakes", "kernels"]

TITLES = {
    "exchange": "a locked exchange on a line of one's own",
    "exchange_shared": "the same by all cores on one line, in all",
    "line": "a cache line goes from one core to another",
    "allocation": "malloc and free of 64 bytes",
    "futex": "a sleeping thread runs after it has been woken",
    "socket": "64 bytes over TCP on this machine and back, by one thread",
    "bandwidth": "memory copied by all cores, read and written",
    "copy_64": "64 bytes copied into a fresh block and added up",
    "copy_1k": "1 KiB likewise",
    "copy_16k": "16 KiB likewise",
    "copy_256k": "256 KiB likewise",
    "copy_1m": "1 MiB likewise",
    "nqueens": "12 queens by one thread",
    "quicksort": "the quicksort by one thread",
    "matmul": "the matrix product by one thread",
    "mbrot": "the Mandelbrot picture by one thread",
    "orbit": "the orbit by one thread",
    "bounded_buffer": "making and using an item, by one thread",
}

PROCESSES = {"skynet": 1111111, "fib": 317811}


def build(build_root, log):
    return (
        subprocess.run(
            ["sh", f"{HERE}/Limits/build.sh", f"{build_root}/limits"], stdout=log, stderr=subprocess.STDOUT, check=False
        ).returncode
        == 0
    )


def measure(build_root, cores, cpus, scale, log):
    """Runs the programs. Returns [name, cores, value, unit] of each limit."""
    rows = []
    for program in PROGRAMS:
        command = ["taskset", "-c", ",".join(map(str, cpus)), f"{build_root}/limits/{program}", str(cores), f"{scale:g}"]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env=dict(os.environ, BENCH_CPUS=",".join(map(str, cpus))),
        )
        log.write(done.stdout + done.stderr)
        if done.returncode != 0:
            raise RuntimeError(f"Limits/{program} failed with status {done.returncode}: {done.stderr.strip()}")
        for line in done.stdout.split():
            _, name, at, value, unit = line.split(",")
            rows.append([name, int(at), float(value), unit.replace("_", " ")])
    return rows


def bound(workload, cores, limits):
    """The best that could be expected, in the workload's unit, and why. None where no limit is known.

    limits: {(name, cores): value}, the medians of this run.
    """
    measured = {name: value for (name, at), value in limits.items() if at == cores}
    try:
        return _bound(workload.name, cores, measured)
    except KeyError:
        return None


def _bound(name, cores, measured):
    """As bound(); KeyError where a limit has not been measured."""
    ns = measured["allocation"]
    if name in ("pingpong", "ring", "thread_ring"):
        return ns, "a block for each message"
    if name in ("call", "selective_call"):
        return 2 * ns, "a block for the request and one for the reply"
    if name == "call_thread":
        return (
            (2 * measured["futex"], "a wake-up there and one back")
            if cores == 1
            else (2 * measured["line"], "a cache line there and one back")
        )
    if name == "timers":
        return ns, "a block for each timer"
    if name in ("pairs", "big", "ehb", "timer_wheel", "fork_join", "million"):
        return cores * 1e9 / ns, "a block for each message, on every core"
    if name == "philosophers":
        return 1e9 / (4 * ns), "four blocks a meal, through one process"
    if name == "chameneos":
        return 1e9 / (4 * ns), "four blocks a meeting, through one process"
    if name in ("bang", "count", "fanin"):
        return (
            (1e9 / ns, "a block for each message")
            if cores == 1
            else (measured["exchange_shared"], "an exchange on a shared line for each message")
        )
    if name in ("spawn", "fork_create"):
        return cores * 1e9 / (2 * ns), "a block for the process and one for its message, on every core"
    if name in PROCESSES:
        return PROCESSES[name] * 2 * ns / 1e9 / cores, "a block for each process and one for its message, on every core"
    if name.startswith("size_"):
        return measured["copy_" + name[5:]], "one copy, read once"
    if name == "echo":
        return cores * 1e9 / measured["socket"], "the system calls, on every core"
    if name == "nqueens":
        return measured[name] / cores, "the work itself, on every core"
    if name in ("quicksort", "matmul", "mbrot", "orbit", "bounded_buffer"):
        return cores * measured[name], "the work itself, on every core"
    return None

"""The peers: how one is built and how one run of it is started. The contract is in Benchmarks/README.md."""

import hashlib
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass, field

from . import stats
from .machine import read

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(HERE)

PERCENTILES = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
NO_FORM = "-"
FAILED = "FAIL"


@dataclass
class Outcome:
    status: int
    value: float = None
    unit: str = ""
    metrics: list = field(default_factory=list)  # [name, value, unit], what else the run has found
    histogram: list = None  # [nanoseconds, count] of what took at most that long
    wall_s: float = 0.0
    text: str = ""  # all that was said
    complaint: str = ""


def split(peer):
    """A peer's name is FOLDER[@REVISION], or that of one of the forms of swift-actors and apus-swift."""
    name, _, revision = peer.partition("@")
    folder = name
    if not os.path.isdir(f"{HERE}/Peers/{folder}"):
        folder = "swift-actors" if name.startswith("swift-") else re.sub(r"-(sync|async)$", "", name)
    return name, folder, revision


def exists(peer):
    return os.path.isdir(f"{HERE}/Peers/{split(peer)[1]}")


def is_ours(peer):
    return peer.startswith("apus-")


def is_raced(peer):
    """Whether Apus is compared with it: swift-actors has no mailbox (README, "What is not comparable")."""
    return not is_ours(peer) and peer != "swift-actors"


def build_folder(peer, build_root):
    _, folder, revision = split(peer)
    return f"{build_root}/{folder}" + (f"@{revision}" if revision else "")


def build(peer, build_root, log):
    """Builds a peer. Returns its version, or None if it cannot be built; `log` has all that was said."""
    _, folder, revision = split(peer)
    environment = dict(os.environ)
    if revision:
        root = checkout(revision, build_root, log)
        if root is None:
            return None
        environment.update(APUS_ROOT=root)
    target = build_folder(peer, build_root)
    stamp, sources = f"{target}/sources.sha256", digest(f"{HERE}/Peers/{folder}")
    # A rival is built again only when its sources change; ours always, since the library may have.
    if not is_ours(peer) and read(stamp) == sources and read(f"{target}/version.txt"):
        return read(f"{target}/version.txt")
    done = subprocess.run(
        ["sh", f"{HERE}/Peers/{folder}/build.sh", target],
        stdout=log,
        stderr=subprocess.STDOUT,
        env=environment,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    log.flush()
    if done.returncode != 0:
        return None
    with open(stamp, "w", encoding="utf-8") as file:
        file.write(sources)
    return read(f"{target}/version.txt").split("\n")[0] or "version not told"


def digest(folder):
    """What the files of a folder are, names and contents."""
    found = hashlib.sha256()
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            found.update(f"{os.path.relpath(place, folder)}/{name}\0".encode())
            with open(f"{place}/{name}", "rb") as file:
                found.update(file.read() + b"\0")
    return found.hexdigest()


def checkout(revision, build_root, log):
    """The library of another commit, in a work tree of its own. Returns its root, or None."""
    found = subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "--short", f"{revision}^{{commit}}"], capture_output=True, text=True, check=False
    )
    if found.returncode != 0:
        log.write(f"no revision {revision}\n")
        return None
    root = os.path.abspath(f"{build_root}/at-{found.stdout.strip()}")
    commands = [] if os.path.isdir(root) else [["git", "-C", ROOT, "worktree", "add", "--detach", root, revision]]
    commands.append(["make", "-C", root, "--no-print-directory", "build/release/libapus.a"])
    quiet = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    for command in commands:
        if (
            subprocess.run(
                command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=quiet, check=False
            ).returncode
            != 0
        ):
            return None
    return root


def run(peer, build_root, workload, cores, scale, cpus, limit_s, extra_environment=None):
    """One run. It is ended, with all its children, after limit_s seconds."""
    name, folder, _ = split(peer)
    environment = dict(
        os.environ, SWIFT_PEER=name, BENCH_PEER=name, BENCH_CPUS=",".join(map(str, cpus)), **(extra_environment or {})
    )
    command = ["sh", f"{HERE}/Peers/{folder}/run.sh", build_folder(peer, build_root), workload, str(cores), f"{scale:g}"]
    begin = time.monotonic()
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env=environment,
        start_new_session=True,
    ) as child:
        try:
            out, err = child.communicate(timeout=limit_s)
            status = child.returncode
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            out, err = child.communicate()
            status = 124
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            raise
    outcome = parse(name, workload, cores, status, out)
    outcome.wall_s = round(time.monotonic() - begin, 3)
    outcome.text = out + err
    if status == 124:
        outcome.complaint = f"not done after {limit_s:g} s"
    return outcome


def parse(name, workload, cores, status, out):
    """Makes an Outcome of what a peer has printed. A line that breaks the contract is a failure, whatever the status."""
    outcome = Outcome(status)
    if status == 3:
        return outcome
    if status != 0:
        outcome.complaint = f"status {status}"
        return outcome
    pattern = re.compile(rf"{re.escape(name)},({re.escape(workload)}(?:\.\w+)?),{cores},([0-9.]+(?:e[+-]?\d+)?|inf),([^,]+)")
    for line in filter(None, out.split("\n")):
        match = pattern.fullmatch(line)
        if match and match.group(1) == workload:
            outcome.value, outcome.unit = float(match.group(2)), match.group(3)
        elif match:
            outcome.metrics.append([match.group(1).partition(".")[2], float(match.group(2)), match.group(3)])
        elif line.startswith("histogram,"):
            outcome.histogram = [[int(x) for x in pair.split(":")] for pair in line.partition(",")[2].split()]
        else:
            outcome.status, outcome.complaint = 1, f"a line that is not of the contract: {line[:120]}"
    if outcome.value is None and not outcome.complaint:
        outcome.status, outcome.complaint = 1, "no result line"
    if workload == "latency" and outcome.histogram:
        weigh_by_time(outcome)
    return outcome


def weigh_by_time(outcome):
    """Takes the percentiles of how long one waits who asks at any moment, not those of the round trips that were made."""
    percentiles = {name: stats.wait_percentile(outcome.histogram, share) / 1000 for name, share in PERCENTILES.items()}
    outcome.value = percentiles["p99"]
    outcome.metrics = [[name, percentiles.get(name, value), unit] for name, value, unit in outcome.metrics]

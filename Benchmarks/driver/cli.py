"""The command `Benchmarks/bench`."""

import argparse
import json
import os
import resource
import sys

from . import compare, machine, numa, peers, report, workloads
from .runner import Plan, Run

QUICK_PEERS = "apus-c apus-swift erlang go caf tokio swift-actors"
FULL_PEERS = QUICK_PEERS + " apus-swift-async swift-mailbox"
SCALING_PEERS = "apus-c apus-swift erlang go tokio"


def words(text):
    return text.replace(",", " ").split()


def core_counts(most):
    """1, 2, 4 ... and all."""
    counts = [1]
    while counts[-1] * 2 < most:
        counts.append(counts[-1] * 2)
    return counts + ([most] if most > 1 else [])


def sweep_counts(most, borders=()):
    """1 to N, one by one up to sixteen, else in steps that keep it to about sixteen; with the borders, where a node is full."""
    if most <= 16:
        return list(range(1, most + 1))
    return sorted(
        set(list(range(1, 9)) + core_counts(most) + [most * i // 8 for i in range(1, 9)] + [b for b in borders if b <= most])
    )


def parser():
    environment = os.environ.get
    main = argparse.ArgumentParser(
        prog="Benchmarks/bench", description="Apus beside other runtimes. Each option has an environment variable, in brackets."
    )
    commands = main.add_subparsers(dest="command", required=True)
    for name, text in (
        ("quick", "a quick honest comparison: at most ten minutes on two cores"),
        ("full", "longer runs, for figures to be quoted"),
        ("scaling", "1 to N cores: how each peer scales, beside as many runs on one core each"),
        ("smoke", "Apus alone, in C and in Swift, tiny: does every workload pass its own check?"),
        ("before-after", "the library as it is against another commit, in one interleaved run"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument(
            "--peers", default=environment("BENCH_PEERS"), help="[BENCH_PEERS] of those in Peers/, and the forms of swift-actors"
        )
        command.add_argument(
            "--workloads", default=environment("WORKLOADS"), help="[WORKLOADS] default: all; `bench list` shows them"
        )
        command.add_argument(
            "--cores", default=environment("BENCH_CORES"), help="[BENCH_CORES] numbers of cores, each of which gets a table"
        )
        command.add_argument("--rounds", type=int, default=environment("RUNS"), help="[RUNS] how often")
        command.add_argument(
            "--budget",
            type=float,
            default=environment("BENCH_BUDGET"),
            help="[BENCH_BUDGET] seconds; a round that would not fit is not begun",
        )
        command.add_argument(
            "--scale",
            type=float,
            default=environment("SCALE", "1"),
            help="[SCALE] multiplies the amount of work; SCALE_<workload> replaces that workload's own",
        )
        command.add_argument("--limit", type=float, default=environment("LIMIT"), help="[LIMIT] seconds that one run may take")
        command.add_argument(
            "--placement", choices=["compact", "spread"], default="compact", help="fill one NUMA node after the other, or by turns"
        )
        command.add_argument(
            "--build-root", default=environment("BUILD_ROOT", "build/bench"), help="[BUILD_ROOT] where builds and results go"
        )
        command.add_argument(
            "--numa",
            help="counts that `make bench-numa` has written, for the report; default: numa.json in the build root, if it is there",
        )
        if name == "before-after":
            command.add_argument("revision", help="the commit to compare with")
    again = commands.add_parser("report", help="write the report of a run again")
    again.add_argument("run", help="a run-*.json")
    ratios = commands.add_parser(
        "ratios", help="a run as one small table: ratio to the best peer by workload and cores, as docs/performance.md has it"
    )
    ratios.add_argument("run", help="a run-*.json")
    two = commands.add_parser("compare", help="two runs: what changed and what is noise")
    two.add_argument("before", help="a run-*.json")
    two.add_argument("after", help="a run-*.json")
    counts = commands.add_parser(
        "numa", help="the counts of numa/counts.c, from the console of the machine of four nodes, as JSON for --numa"
    )
    counts.add_argument("console", help="what Tests/numa/run.sh has kept: build/numa/console.log")
    counts.add_argument("out")
    commands.add_parser("list", help="the workloads")
    commands.add_parser("table", help="the table of the workloads, as in Benchmarks/WORKLOADS.md")
    return main


DEFAULTS = {  # peers, rounds, budget, limit
    "quick": (QUICK_PEERS, 3, 540, 60),
    "full": (FULL_PEERS, 5, 1e9, 180),
    "scaling": (SCALING_PEERS, 3, 1e9, 60),
    "smoke": ("apus-c apus-swift apus-swift-async", 1, 1e9, 30),
    "before-after": ("apus-c", 10, 1e9, 60),
}


def plan_of(arguments):
    """The plan, or a complaint."""
    mode = arguments.command
    default_peers, rounds, budget, limit = DEFAULTS[mode]
    allowed = len(os.sched_getaffinity(0))
    wanted = words(arguments.peers) if arguments.peers else [p for p in words(default_peers) if peers.exists(p)]
    if mode == "before-after":
        wanted = [p for name in wanted for p in (f"{name}@{arguments.revision}", name)]
    names = words(arguments.workloads) if arguments.workloads else [w.name for w in workloads.ALL if mode != "scaling" or w.scales]
    default_cores = (
        sweep_counts(allowed, machine.borders(machine.cpu_order(arguments.placement)))
        if mode == "scaling"
        else core_counts(allowed)
    )
    cores = [int(c) for c in words(arguments.cores)] if arguments.cores else default_cores
    for name in names:
        if name not in workloads.BY_NAME:
            return None, f"no workload {name}; there are: {' '.join(workloads.BY_NAME)}"
    for peer in wanted:
        if not peers.exists(peer):
            return None, f"no peer {peer} in Benchmarks/Peers"
    for count in cores:
        if not 1 <= count <= allowed:
            return None, f"this machine gives us {allowed} CPUs, not {count}"
    return (
        Plan(
            mode="quick" if mode == "before-after" else mode,
            peers=wanted,
            workloads=names,
            cores=cores,
            rounds=int(arguments.rounds or rounds),
            budget_s=float(arguments.budget or budget),
            limit_s=float(arguments.limit or limit),
            placement=arguments.placement,
            scale=float(arguments.scale),
            build_root=arguments.build_root,
            with_limits=mode != "before-after",
            alone_on_most=mode == "quick",
        ),
        "",
    )


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def allow_many_files(wanted=16384):
    """The echo workload has a thousand connections, and the usual soft limit is about as many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def measure(arguments):
    allow_many_files()
    plan, complaint = plan_of(arguments)
    if complaint:
        print(f"bench: {complaint}", file=sys.stderr)
        return 2
    run = Run(plan)
    if not run.build():
        print(f"bench: what has to be measured could not be built; see {run.path('log', 'txt')}", file=sys.stderr)
        return 1
    passed = run.run()
    counts = arguments.numa or f"{plan.build_root}/numa.json"
    if arguments.numa or os.path.exists(counts):
        run.data["numa"] = load(counts)
    if arguments.command == "before-after":
        name = next(p for p in plan.peers if "@" not in p)
        document = report.comparison_of_builds(
            compare.builds(run.data, f"{name}@{arguments.revision}", name),
            f"{name}: {arguments.revision} and now",
            [
                f"Before: {run.data['peers'][name + '@' + arguments.revision]}. After: {run.data['peers'][name]}. "
                f"{run.data['rounds']} interleaved rounds; other programs used "
                f"{run.data['others_percent']:g} % of the machine meanwhile, its host took {run.data['stolen_percent']:g} %."
            ],
        )
    else:
        document = report.build(run.data)
    html_path, markdown_path = report.write(document, plan.build_root, f"report-{plan.stamp}", run.data)
    with open(markdown_path, encoding="utf-8") as file:
        print(file.read())
    print(
        f"Report: {html_path}, {markdown_path}. Results: {run.path('raw', 'csv')}, {run.path('run', 'json')}. What the programs "
        f"said: {run.path('log', 'txt')}"
    )
    if not passed:
        print(f"bench: {run.failed} failed; {run.path('log', 'txt')} says why", file=sys.stderr)
    return 0 if passed else 1


def main(arguments=None):
    arguments = parser().parse_args(arguments)
    if arguments.command == "list":
        for w in workloads.ALL:
            print(f"{w.name:16} {w.unit:24} {w.what}")
        return 0
    if arguments.command == "table":
        for group, title in workloads.GROUP_TITLES.items():
            print(f"## {title}\n\n{workloads.markdown_table(group)}\n")
        return 0
    if arguments.command == "numa":
        with open(arguments.console, encoding="utf-8", errors="replace") as file:
            counts = numa.table(file.read())
        with open(arguments.out, "w", encoding="utf-8") as file:
            json.dump(counts, file, indent=1)
        return 0
    if arguments.command == "report":
        paths = report.write(
            report.build(load(arguments.run)),
            os.path.dirname(arguments.run) or ".",
            os.path.basename(arguments.run).replace("run-", "report-").removesuffix(".json"),
            load(arguments.run),
        )
        print(" ".join(paths))
        return 0
    if arguments.command == "ratios":
        print(report.ratios(load(arguments.run)))
        return 0
    if arguments.command == "compare":
        before, after = load(arguments.before), load(arguments.after)
        document = report.comparison_of_builds(
            compare.runs(before, after),
            "Two runs compared",
            [
                f"Before: {before['started']}, others used {before['others_percent']:g} %. After: {after['started']}, others "
                f"used {after['others_percent']:g} %. Runs of "
                "different times meet different noise: `before-after` interleaves two builds instead."
            ],
        )
        paths = report.write(
            document, os.path.dirname(arguments.after) or ".", "compare-" + os.path.basename(arguments.after).removesuffix(".json")
        )
        with open(paths[1], encoding="utf-8") as file:
            print(file.read())
        return 0
    return measure(arguments)
